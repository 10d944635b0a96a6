//! Every table and key of the configuration, for the manual, and to find mistyped ones.

use super::{dns, sandbox, tls};
use crate::filter::Key;

/// A table of the configuration and its keys, for the manual; the head of the
/// file has no name.
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// Every table there is, but for `[[filter]]`.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "",
        keys: &[
            Key {
                name: "profile",
                value: "none or original",
                help: "whose replies are given (none)",
            },
            Key {
                name: "state",
                value: "directory",
                help: "where sessions keep what they share (/var/lib/smtp-wrapper)",
            },
        ],
    },
    Section {
        name: "upstream",
        keys: &[
            Key {
                name: "address",
                value: "host:port, unix:/path or exec:/path, or a list",
                help: "the MTA, or several, tried in order (127.0.0.1:8025)",
            },
            Key {
                name: "identity",
                value: "none, xclient, proxy-v1 or proxy-v2",
                help: "how the MTA learns who the client is (none)",
            },
        ],
    },
    Section {
        name: "session",
        keys: &[
            Key {
                name: "greet_delay",
                value: "time",
                help: "how long the greeting is delayed (0)",
            },
            Key {
                name: "reject_at",
                value: "rcpt or connect",
                help: "when a refusal of the client or sender is spoken (rcpt)",
            },
            Key {
                name: "time_limit",
                value: "time",
                help: "limit of each read, write and wait (the limits of RFC 5321)",
            },
            Key {
                name: "hostname",
                value: "text",
                help: "our name, for clients that are held (the system's)",
            },
            Key {
                name: "postmaster",
                value: "accept or judge",
                help: "whether held clients reach postmaster (accept)",
            },
            Key {
                name: "auth_lifts",
                value: "true or false",
                help: "whether AUTH at the MTA lifts refusals of the client or sender (false)",
            },
            Key {
                name: "auth_in_clear",
                value: "true or false",
                help: "whether AUTH is offered in clear text beside STARTTLS (false)",
            },
            Key {
                name: "proxy_from",
                value: "list",
                help: "balancers whose connections begin with a PROXY header (none)",
            },
        ],
    },
    Section {
        name: "log",
        keys: &[
            Key {
                name: "to",
                value: "auto, stderr, syslog, syslog:/path or none",
                help: "where log lines go (auto)",
            },
            Key {
                name: "style",
                value: "native, postfix, original or json",
                help: "how they look (native)",
            },
            Key {
                name: "trace",
                value: "list",
                help: "clients whose sessions are written down whole, each with its end (none)",
            },
            Key { name: "trace_to", value: "log or a directory", help: "where to (log)" },
        ],
    },
    Section { name: "dns", keys: dns::KEYS },
    Section { name: "tls", keys: tls::KEYS },
    Section { name: "sandbox", keys: sandbox::KEYS },
    Section {
        name: "tarpit",
        keys: &[Key {
            name: "at_once",
            value: "number",
            help: "clients held at once by all sessions; more get 450 (200)",
        }],
    },
];
