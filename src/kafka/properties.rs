//! How a Kafka wants to be spoken to, as its own `client.properties` says it: TLS, and who one is.
//!
//! The keys are Kafka's; the client library's, where they differ, are taken too. A key that is not known here is an error and not
//! a setting that is silently left out: it may be the one that was to make the connection safe. What would undo a promise of
//! this crate (each reading once, nothing lost) is refused. Values are never shown: not in an error, not by `Debug`.

mod file;
mod jaas;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::Path;

use rdkafka::ClientConfig;

use crate::error::{Error, ErrorKind, Place, Result};

/// Before the name of a key in the environment.
const PREFIX: &str = "VELIB_KAFKA_CONFIG_";

/// Keys that are handed to the client library as they are.
const TAKEN: [&str; 24] = [
    "broker.address.family",
    "client.dns.lookup",
    "client.id",
    "connections.max.idle.ms",
    "metadata.max.age.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
];

/// Keys of a `client.properties` that this crate sets itself, because what it promises hangs on them.
const OWN: [&str; 17] = [
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "isolation.level",
    "max.in.flight.requests.per.connection",
    "message.timeout.ms",
    "partition.assignment.strategy",
    "partitioner",
    "retries",
    "transactional.id",
];

/// Settings of the connection to a Kafka, from a properties file and the environment. The default has none: no TLS, no user.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientProperties {
    /// By the client library's names.
    values: BTreeMap<String, String>,
    cautions: Vec<String>,
}

impl ClientProperties {
    /// What `file` says, if there is one, and over it what the environment does: for each key `VELIB_KAFKA_CONFIG_` and the
    /// key in capitals, with `_` for the dots, as in `VELIB_KAFKA_CONFIG_SASL_PASSWORD`.
    ///
    /// The file is one of Java's: `key=value` lines, `#` for comments, a `\` at the end of a line that goes on in the next.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((name.strip_prefix(PREFIX)?.to_owned(), value.into_string().unwrap_or_default()))
        });
        Self::merged(file, environment.collect())
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What a user is to be told before it is used, a sentence each.
    pub fn cautions(&self) -> &[String] {
        &self.cautions
    }

    pub(super) fn apply(&self, config: &mut ClientConfig) {
        for (key, value) in &self.values {
            config.set(key, value);
        }
    }

    fn merged(file: Option<&Path>, environment: BTreeMap<String, String>) -> Result<Self> {
        let mut found = Found::default();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, &error))?;
            for entry in file::entries(&text) {
                found.take(&entry.key, entry.value).map_err(|error| error.at(Place::line(path, entry.line)))?;
            }
        }
        let has_secret = found.values.keys().any(|key| is_secret(key));
        for (name, value) in environment {
            let key = name.to_ascii_lowercase().replace('_', ".");
            found.take(&key, value).map_err(|error| wrong(format!("{PREFIX}{name} in the environment: {error}")))?;
        }
        let mut properties = found.finish().map_err(|error| match file {
            Some(path) => error.at(Place::file(path)),
            None => error,
        })?;
        if let Some(path) = file.filter(|path| has_secret && is_open_to_others(path)) {
            let path = path.display();
            properties.cautions.push(format!("{path} holds a password and others may read it: chmod 600 {path}"));
        }
        Ok(properties)
    }
}

/// The keys alone.
impl fmt::Debug for ClientProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientProperties ")?;
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// What was found so far, by the client library's names, with Java's stores beside.
#[derive(Default)]
struct Found {
    values: BTreeMap<String, String>,
    /// Java's module for the user is that of PLAIN.
    is_plain: bool,
    /// Java's keys about its key stores, which mean something together.
    stores: BTreeMap<String, String>,
}

impl Found {
    fn take(&mut self, key: &str, value: String) -> Result<()> {
        let value = if is_secret(key) { value } else { value.trim().to_owned() };
        // What is no key at all may be the rest of a value, such as a certificate's.
        let is_key = key.len() < 64 && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_'));
        match key {
            "sasl.jaas.config" => {
                let login = jaas::parse(&value)?;
                self.is_plain = login.is_plain;
                self.set("sasl.username", login.username);
                self.set("sasl.password", login.password);
            }
            "sasl.mechanism" | "sasl.mechanisms" => self.set("sasl.mechanisms", value.to_ascii_uppercase()),
            "security.protocol" => self.set(key, value.to_ascii_lowercase()),
            "ssl.endpoint.identification.algorithm" if value.is_empty() => self.set(key, "none".to_owned()),
            "ssl.truststore.certificates" => self.set("ssl.ca.pem", value),
            "ssl.keystore.certificate.chain" => self.set("ssl.certificate.pem", value),
            "ssl.keystore.key" => self.set("ssl.key.pem", value),
            "ssl.truststore.location" | "ssl.truststore.type" | "ssl.truststore.password" | "ssl.keystore.type" => {
                self.stores.insert(key.to_owned(), value);
            }
            "bootstrap.servers" => return Err(wrong("`bootstrap.servers` has no place here").way_out("give --brokers")),
            _ if OWN.contains(&key) || (is_key && key.ends_with("serializer")) => {
                let message = format!("`{key}` is not for a user to set: that nothing is lost or doubled hangs on it");
                return Err(wrong(message).way_out("leave it out"));
            }
            _ if TAKEN.contains(&key) => self.set(key, value),
            _ => {
                let message = match is_key {
                    true => format!("`{key}` is not a setting that is known here"),
                    false => {
                        "this is no setting; a value of several lines needs a `\\` at the end of each but the last"
                            .to_owned()
                    }
                };
                return Err(wrong(message).way_out("leave it out; those of TLS and SASL are named in the README"));
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: String) {
        self.values.insert(key.to_owned(), value);
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// All of it as the client library wants it, if it makes sense together.
    fn finish(mut self) -> Result<ClientProperties> {
        self.translate_stores()?;
        if self.is_plain && self.get("sasl.mechanisms").is_none() {
            self.set("sasl.mechanisms", "PLAIN".to_owned());
        }
        let protocol = self.get("security.protocol").unwrap_or("plaintext").to_owned();
        if !["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"].contains(&protocol.as_str()) {
            let known = "PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL";
            return Err(wrong(format!("`security.protocol` is none of {known}")));
        }
        for (prefix, part) in [("sasl.", "sasl"), ("ssl.", "ssl")] {
            let unused = self.values.keys().find(|key| key.starts_with(prefix) && !protocol.contains(part));
            if let Some(key) = unused {
                let way_out = "say security.protocol=SASL_SSL, or SSL for TLS without a user";
                return Err(wrong(format!("`{key}` does nothing with security.protocol={protocol}")).way_out(way_out));
            }
        }
        let cautions = self.check(&protocol)?;
        Ok(ClientProperties { values: self.values, cautions })
    }

    fn check(&self, protocol: &str) -> Result<Vec<String>> {
        let mechanism = self.get("sasl.mechanisms");
        if protocol.starts_with("sasl") {
            if !matches!(mechanism, Some("PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512")) {
                let known = "PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512";
                return Err(wrong(format!("`sasl.mechanism` must be one of {known}")));
            }
            if let Some(key) = ["sasl.username", "sasl.password"].into_iter().find(|key| self.get(key).is_none()) {
                let name = key.to_ascii_uppercase().replace('.', "_");
                return Err(wrong(format!("`{key}` is missing"))
                    .way_out(format!("give it in the file, in `sasl.jaas.config` or by {PREFIX}{name}")));
            }
        }
        let needs_tls = protocol.ends_with("ssl") || mechanism.is_some_and(|mechanism| mechanism != "PLAIN");
        if needs_tls && !cfg!(feature = "tls") {
            return Err(wrong("TLS and SCRAM are not in this build of velib").way_out(
                "build it with them: cargo run --features tls ..., which needs OpenSSL's headers (libssl-dev)",
            ));
        }
        let mut cautions = Vec::new();
        if protocol == "sasl_plaintext" && mechanism == Some("PLAIN") {
            cautions.push("security.protocol=SASL_PLAINTEXT sends the password readable to the network".to_owned());
        }
        if protocol.ends_with("ssl") && self.get("ssl.endpoint.identification.algorithm") == Some("none") {
            cautions.push(
                "the broker's certificate is not held to its name: whoever has one of that CA may pose as it"
                    .to_owned(),
            );
        }
        Ok(cautions)
    }

    /// Java's key stores: PEM and PKCS#12 can be read, JKS cannot.
    fn translate_stores(&mut self) -> Result<()> {
        let kind = |name: &str| self.stores.get(name).map(|kind| kind.to_ascii_uppercase());
        let (trust, key) = (kind("ssl.truststore.type"), kind("ssl.keystore.type"));
        if let Some(location) = self.stores.remove("ssl.truststore.location") {
            if trust.as_deref() != Some("PEM") {
                return Err(wrong("`ssl.truststore.location` is a key store of Java's, which cannot be read here").way_out(
                    "export its certificate by `keytool -exportcert -rfc -keystore STORE -alias CA -file ca.pem`, and say \
                     ssl.ca.location=ca.pem",
                ));
            }
            self.set("ssl.ca.location", location);
        }
        match (self.values.get("ssl.keystore.location").cloned(), key.as_deref()) {
            (Some(location), Some("PEM")) => {
                self.values.remove("ssl.keystore.location");
                self.set("ssl.certificate.location", location.clone());
                self.set("ssl.key.location", location);
            }
            (None, _) | (Some(_), Some("PKCS12")) => {}
            (Some(_), _) => {
                let message = "`ssl.keystore.location` is taken as PEM or PKCS12, and `ssl.keystore.type` says neither";
                let way_out = "convert it by `keytool -importkeystore -srckeystore STORE -destkeystore client.p12 \
                               -deststoretype PKCS12`, and say ssl.keystore.type=PKCS12";
                return Err(wrong(message).way_out(way_out));
            }
        }
        Ok(())
    }
}

fn wrong(message: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Usage, message)
}

fn is_secret(key: &str) -> bool {
    key.contains("password") || key.ends_with("key.pem") || key == "ssl.keystore.key" || key == "sasl.jaas.config"
}

/// Whether others than its owner may read the file, where files have owners.
fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        File::open(path).and_then(|file| file.metadata()).is_ok_and(|found| found.permissions().mode() & 0o044 != 0)
    }
    #[cfg(not(unix))]
    {
        let _no_owners = (path, File::open(path));
        false
    }
}

#[cfg(test)]
mod tests;
