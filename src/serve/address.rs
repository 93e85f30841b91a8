//! Where the page is to be found. Who names a port alone means this computer alone: to be seen from elsewhere takes a host.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// The address that a [`Server`](super::Server) listens at, as written in options: `8080` or `:8080` for a port of
/// loopback, or `HOST:PORT`, such as `0.0.0.0:8080` for every interface of this computer. Port 0 means any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServeAddress(SocketAddr);

impl ServeAddress {
    /// The address of the socket.
    pub fn socket(self) -> SocketAddr {
        self.0
    }
}

impl From<SocketAddr> for ServeAddress {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

impl fmt::Display for ServeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ServeAddress {
    type Err = Error;

    fn from_str(written: &str) -> Result<Self> {
        let written = written.trim();
        if let Ok(port) = written.strip_prefix(':').unwrap_or(written).parse::<u16>() {
            return Ok(Self((IpAddr::V4(Ipv4Addr::LOCALHOST), port).into()));
        }
        // A name is looked up; `localhost` may mean both kinds of address, and the first will do.
        let has_host = written.rsplit_once(':').is_some_and(|(host, _)| !host.is_empty());
        let found = has_host.then(|| written.to_socket_addrs().ok()?.next()).flatten();
        found.map(Self).ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("`{written}` is not an address of this computer"))
                .way_out("write a port, as in 8080, or host and port, as in 127.0.0.1:8080")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_loopback() {
        for (written, meant) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(written.parse::<ServeAddress>().unwrap().to_string(), meant, "{written}");
        }
    }

    #[test]
    fn what_is_no_address_is_wrong_usage() {
        for written in
            ["", "x", "127.0.0.1", "70000", ":70000", "127.0.0.1:x", "http://127.0.0.1:8080/", "-1", ":", "::1"]
        {
            let error = written.parse::<ServeAddress>().unwrap_err();
            assert_eq!(error.exit_code(), 2, "{written}");
            assert!(error.to_string().ends_with("as in 127.0.0.1:8080"), "{error}");
        }
    }
}
