//! `[dns]`: who is asked for host names.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::keys::{BadKey, Keys};
use crate::dns;
use crate::filter::Key;
use crate::limits;

/// The keys.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "resolver",
        value: "stub or system",
        help: "who asks: ours, which needs only name servers, or the system's with its hosts file (stub)",
    },
    Key {
        name: "servers",
        value: "list",
        help: "name servers, 192.0.2.53 or 127.0.0.1:5353 (those of resolv_conf)",
    },
    Key {
        name: "resolv_conf",
        value: "file",
        help: "where name servers, timeout and attempts are named (/etc/resolv.conf)",
    },
    Key {
        name: "time_limit",
        value: "time",
        help: "how long all answers of a session may take together (10s)",
    },
];

/// Where the system names its name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Port of DNS.
const PORT: u16 = 53;

/// Name servers that are asked.
const MOST_SERVERS: usize = 3;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// Ours.
    Stub,
    /// The system's.
    System,
}

/// Who is asked for host names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Who asks.
    pub resolver: Resolver,
    /// The name servers; none: those of `resolv_conf`.
    pub named: Vec<SocketAddr>,
    /// Where the system names its name servers.
    pub resolv_conf: &'static str,
    /// How long all answers may take together.
    pub time_limit: Duration,
    /// What `resolv_conf` says, if it was read beforehand.
    pub(crate) known: Option<(dns::Config, Option<String>)>,
}

/// What holds without the table.
pub(super) static USUAL: Dns = Dns {
    resolver: Resolver::Stub,
    named: Vec::new(),
    resolv_conf: RESOLV_CONF,
    time_limit: limits::DNS,
    known: None,
};

impl Dns {
    pub(super) fn read(keys: &Keys<'_>) -> Result<Dns, BadKey> {
        let words = &[("stub", Resolver::Stub), ("system", Resolver::System)];
        let resolver = keys.choice("resolver", words)?.unwrap_or(Resolver::Stub);
        let mut named = Vec::new();
        for text in keys.texts("servers")?.unwrap_or_default() {
            let wants = || keys.wrong("servers", format!("{text:?} {WANTS_SERVER}"));
            named.push(server(text).ok_or_else(wants)?);
        }
        if named.len() > MOST_SERVERS {
            let what = format!("at most {MOST_SERVERS} name servers are asked");
            return Err(keys.wrong("servers", what));
        }
        let resolv_conf = keys.text("resolv_conf")?.unwrap_or(RESOLV_CONF);
        let time_limit = keys.time("time_limit")?.unwrap_or(limits::DNS);
        if time_limit.is_zero() {
            return Err(keys.wrong("time_limit", "must be above 0"));
        }
        let own = [("servers", !named.is_empty()), ("resolv_conf", resolv_conf != RESOLV_CONF)];
        if let (Resolver::System, Some((key, _))) = (resolver, own.iter().find(|(_, set)| *set)) {
            return Err(keys.wrong(key, "goes with resolver = \"stub\": the system has its own"));
        }
        Ok(Dns { resolver, named, resolv_conf, time_limit, known: None })
    }

    /// The name servers, and what was wrong with the file that names them: without
    /// it the one on this machine is asked, as the system does it (resolv.conf(5)).
    #[must_use]
    pub fn servers(&self) -> (dns::Config, Option<String>) {
        if !self.named.is_empty() {
            return (dns::Config::of(self.named.clone()), None);
        }
        if let Some(known) = &self.known {
            return known.clone();
        }
        self.read_servers()
    }

    #[inline(never)] // Not in every session.
    fn read_servers(&self) -> (dns::Config, Option<String>) {
        match dns::Config::read(Path::new(self.resolv_conf)) {
            Ok(config) => (config, None),
            Err(error) => {
                let what =
                    format!("{}: {error}: the name server at 127.0.0.1 is asked", self.resolv_conf);
                let here = SocketAddr::new(IpAddr::from([127, 0, 0, 1]), PORT);
                (dns::Config::of(vec![here]), Some(what))
            }
        }
    }
}

impl super::Settings {
    /// Reads what names the name servers, if that is to be read at all.
    pub(crate) fn read_servers(&mut self) {
        if self.dns().named.is_empty() {
            let known = Some(self.dns().servers());
            self.dns = Some(Box::new(Dns { known, ..self.dns().clone() }));
        }
    }
}

/// What a name server may be.
pub(super) const WANTS_SERVER: &str =
    "must be an address, perhaps with a port as in 127.0.0.1:5353 or [::1]:5353";

/// The address of a name server.
pub(super) fn server(text: &str) -> Option<SocketAddr> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
    address.or_else(|_| text.parse()).ok().filter(|server| server.port() != 0)
}
