use super::*;

/// What a file with this text, and an environment with these settings, come to.
fn load(text: &str, environment: &[(&str, &str)]) -> Result<ClientProperties> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    ClientProperties::merged(Some(file.path()), environment)
}

/// The error without the path of the file.
fn refused(text: &str) -> String {
    let error = load(text, &[]).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    let text = error.to_string();
    text.rsplit_once("/.tmp").unwrap().1.split_once(':').unwrap().1.trim_start().to_owned()
}

fn values(properties: &ClientProperties) -> Vec<(&str, &str)> {
    properties.values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

const PLAIN: &str = "security.protocol = SASL_PLAINTEXT\nsasl.jaas.config=\\\n  \
    org.apache.kafka.common.security.plain.PlainLoginModule required \\\n  username=\"velib\" password=\"se cret\";\n";

#[test]
fn a_file_of_javas_becomes_the_client_librarys_settings() {
    let properties = load(PLAIN, &[]).unwrap();
    let expected = [
        ("sasl.mechanisms", "PLAIN"),
        ("sasl.password", "se cret"),
        ("sasl.username", "velib"),
        ("security.protocol", "sasl_plaintext"),
    ];
    assert_eq!(values(&properties), expected);
    let mut config = ClientConfig::new();
    properties.apply(&mut config);
    assert_eq!(config.get("sasl.password"), Some("se cret"));
    assert_eq!(ClientProperties::merged(None, BTreeMap::new()).unwrap(), ClientProperties::default());
}

#[test]
fn the_environment_goes_before_the_file() {
    let text = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=velib\nsasl.password=old\n";
    let properties = load(text, &[("SASL_PASSWORD", "new")]).unwrap();
    assert_eq!(properties.values["sasl.password"], "new");
    let login = "PlainLoginModule required username=u password=newer;";
    assert_eq!(load(text, &[("SASL_JAAS_CONFIG", login)]).unwrap().values["sasl.password"], "newer");
    let error = load(text, &[("SASL_PASSWROD", "hidden")]).unwrap_err().to_string();
    let expected =
        "VELIB_KAFKA_CONFIG_SASL_PASSWROD in the environment: `sasl.passwrod` is not a setting that is known here";
    assert!(error.starts_with(expected) && !error.contains("hidden"), "{error}");
}

#[test]
fn the_rest_of_a_value_that_was_broken_over_lines_is_not_shown_as_a_key() {
    let secret = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0123456789abcdef";
    let text = format!("security.protocol=SSL\nssl.keystore.key=-----BEGIN PRIVATE KEY-----\n{secret}\n");
    let error = load(&text, &[]).unwrap_err().to_string();
    assert!(error.contains(":3: this is no setting; ") && !error.contains("MIGH"), "{error}");
}

#[test]
fn no_value_is_ever_shown() {
    let properties = load(PLAIN, &[]).unwrap();
    let keys = r#"ClientProperties {"sasl.mechanisms", "sasl.password", "sasl.username", "security.protocol"}"#;
    assert_eq!(format!("{properties:?}"), keys);
    for line in
        ["acks=hidden", "hiddn.password=hidden", "sasl.jaas.config=hidden", "security.protocol=hidden", "hidden"]
    {
        let error = load(&format!("# one\n{line}\n"), &[]).unwrap_err();
        let told = format!("{error} {error:?}").replace("`hidden` is not a setting", "");
        assert!(!told.contains("hidden"), "{told}");
    }
}

#[test]
fn what_is_unknown_what_is_ours_and_what_does_nothing_is_refused_where_it_stands() {
    for (text, expected) in [
        ("\nfoo=1", "2: `foo` is not a setting that is known here"),
        ("acks=1", "1: `acks` is not for a user to set: that nothing is lost or doubled hangs on it; leave it out"),
        ("# x\nenable.idempotence=false", "2: `enable.idempotence` is not for a user"),
        ("key.deserializer=x", "1: `key.deserializer` is not for"),
        ("bootstrap.servers=h:1", "1: `bootstrap.servers` has no place here; give --brokers"),
        ("security.protocol=TLS", "`security.protocol` is none of PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL"),
        ("sasl.username=u", "`sasl.username` does nothing with security.protocol=plaintext; say security.protocol="),
        ("ssl.ca.location=ca.pem", "`ssl.ca.location` does nothing with"),
        ("security.protocol=SASL_SSL", "`sasl.mechanism` must be one of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512"),
        ("security.protocol=SASL_SSL\nsasl.mechanism=GSSAPI", "`sasl.mechanism` must be one of"),
        (
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=u",
            "`sasl.password` is missing; give it in the file, in `sasl.jaas.config` or by VELIB_KAFKA_CONFIG_SASL_PASSWORD",
        ),
        ("ssl.truststore.location=a.jks", "`ssl.truststore.location` is a key store of Java's"),
        ("ssl.keystore.location=a.jks", "`ssl.keystore.location` is taken as PEM or PKCS12"),
    ] {
        let refused = refused(text);
        assert!(refused.starts_with(expected), "{refused}");
    }
    let missing = ClientProperties::merged(Some(Path::new("none.properties")), BTreeMap::new()).unwrap_err();
    assert!(missing.to_string().starts_with("none.properties: ") && missing.exit_code() == 1, "{missing}");
}

#[cfg(feature = "tls")]
#[test]
fn the_stores_of_java_are_read_where_they_are_pem_or_pkcs12() {
    let text = "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location=ca.pem\n\
                ssl.keystore.type=PEM\nssl.keystore.location=me.pem\nssl.endpoint.identification.algorithm=\n";
    let properties = load(text, &[]).unwrap();
    let expected = [
        ("security.protocol", "ssl"),
        ("ssl.ca.location", "ca.pem"),
        ("ssl.certificate.location", "me.pem"),
        ("ssl.endpoint.identification.algorithm", "none"),
        ("ssl.key.location", "me.pem"),
    ];
    assert_eq!(values(&properties), expected);
    assert!(properties.cautions()[0].starts_with("the broker's certificate is not held to its name"));
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_the_feature_tls_is_refused_with_the_way_to_build_it() {
    for text in [
        "security.protocol=SSL",
        &PLAIN.replace("PlainLogin", "ScramLogin").replace("sasl.jaas", "sasl.mechanism=SCRAM-SHA-256\nsasl.jaas"),
    ] {
        let refused = refused(text);
        assert!(refused.starts_with("TLS and SCRAM are not in this build of velib; build it with them: "), "{refused}");
    }
}

#[cfg(unix)]
#[test]
fn a_password_that_others_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), PLAIN).unwrap();
    for (mode, expected) in [(0o644, 2), (0o640, 2), (0o600, 1)] {
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let cautions = ClientProperties::merged(Some(file.path()), BTreeMap::new()).unwrap().cautions;
        assert_eq!(cautions.len(), expected, "{mode:o}: {cautions:?}");
        assert!(cautions[0].starts_with("security.protocol=SASL_PLAINTEXT sends the password readable"));
    }
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(file.path(), "client.id=me").unwrap();
    assert!(ClientProperties::merged(Some(file.path()), BTreeMap::new()).unwrap().cautions.is_empty());
}
