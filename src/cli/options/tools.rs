//! The options of the tools.

use super::super::values::{IPREV, number, word};
use super::{Opt, Scope, Set};
use crate::tool::replay::FAIL_ON;
use crate::tool::report::Wanted;

/// Those of `listen`, `explain`, `check`, `report`, `replay` and `import`.
pub(super) const TOOLS: &[Opt] = &[
    Opt {
        names: &["--max", "-cm"],
        value: "N",
        help: "sessions at once; more are answered 421 (256)",
        scope: Scope::Listen,
        set: Set::Listen(|l, v| number(v).map(|n| l.max = n)),
    },
    Opt {
        names: &["--max-per-address"],
        value: "N",
        help: "sessions at once of one client, an IPv4 address or IPv6 /64 (16)",
        scope: Scope::Listen,
        set: Set::Listen(|l, v| number(v).map(|n| l.max_per_address = n)),
    },
    Opt {
        names: &["--backlog", "-q"],
        value: "N",
        help: "connections the kernel keeps until they are accepted (512)",
        scope: Scope::Listen,
        set: Set::Listen(|l, v| number(v).map(|n: u16| l.backlog = n.into())),
    },
    Opt {
        names: &["-mh"],
        value: "HOST",
        help: "address to listen on (any)",
        scope: Scope::Listen,
        set: Set::Listen(|l, v| {
            l.host = Some(v);
            Ok(())
        }),
    },
    Opt {
        names: &["-mp"],
        value: "PORT",
        help: "port to listen on (25)",
        scope: Scope::Listen,
        set: Set::Listen(|l, v| number(v).map(|p| l.port = Some(p))),
    },
    Opt {
        names: &["-F"],
        value: "",
        help: "no effect: listen always stays in the foreground",
        scope: Scope::Listen,
        set: Set::Listen(|_, _| Ok(())),
    },
    Opt {
        names: &["--ptr"],
        value: "NAME",
        help: "the client's host name, or none (DNS is asked)",
        scope: Scope::Explain,
        set: Set::Explain(|e, v| {
            e.ptr = Some(v);
            Ok(())
        }),
    },
    Opt {
        names: &["--fcrdns"],
        value: "RESULT",
        help: "pass, fail, permerror or temperror: what comes of looking it up (pass)",
        scope: Scope::Explain,
        set: Set::Explain(|e, v| word(v, IPREV).map(|result| e.fcrdns = Some(result))),
    },
    Opt {
        names: &["--helo"],
        value: "NAME",
        help: "what it calls itself (its host name, or its address)",
        scope: Scope::Explain,
        set: Set::Explain(|e, v| {
            e.helo = Some(v);
            Ok(())
        }),
    },
    Opt {
        names: &["--from"],
        value: "ADDRESS",
        help: "the sender (somebody@example.org)",
        scope: Scope::Explain,
        set: Set::Explain(|e, v| {
            e.from = Some(v);
            Ok(())
        }),
    },
    Opt {
        names: &["--to"],
        value: "ADDRESS",
        help: "a recipient; may be given several times (somebody at our name)",
        scope: Scope::Explain,
        set: Set::Explain(|e, v| {
            e.to.push(v);
            Ok(())
        }),
    },
    Opt {
        names: &["--json"],
        value: "",
        help: "what is found as one JSON document",
        scope: Scope::Check,
        set: Set::Check(|c, _| c.json = true),
    },
    Opt {
        names: &["--unit"],
        value: "FILE",
        help: "a unit of systemd to look at (smtp-wrapper*.socket and .service in /etc/systemd/system)",
        scope: Scope::Check,
        set: Set::Check(|c, v| c.units.push(v)),
    },
    Opt {
        names: &["--inetd"],
        value: "FILE",
        help: "a configuration of inetd or xinetd to look at (/etc/inetd.conf)",
        scope: Scope::Check,
        set: Set::Check(|c, v| c.inetds.push(v)),
    },
    Opt {
        names: &["--html"],
        value: "FILE",
        help: "the report as a page, too",
        scope: Scope::Report,
        set: Set::Report(|r, v| {
            r.html = Some(v);
            Ok(())
        }),
    },
    Opt {
        names: &["--allow"],
        value: "",
        help: "nothing but the entries that are proposed, as a list",
        scope: Scope::Report,
        set: Set::Report(|r, _| {
            r.allow = true;
            Ok(())
        }),
    },
    Opt {
        names: &["--since"],
        value: "DAY",
        help: "the first day, as 2026-11-24 (all)",
        scope: Scope::Report,
        set: Set::Report(|r, v| Wanted::day(v).map(|day| r.since = Some(day))),
    },
    Opt {
        names: &["--until"],
        value: "DAY",
        help: "the last day (all)",
        scope: Scope::Report,
        set: Set::Report(|r, v| Wanted::day(v).map(|day| r.until = Some(day))),
    },
    Opt {
        names: &["--live-dns"],
        value: "",
        help: "ask DNS for host names that the log does not have",
        scope: Scope::Replay,
        set: Set::Desk(|d, _| {
            d.live_dns = true;
            Ok(())
        }),
    },
    Opt {
        names: &["--fail-on"],
        value: "WHAT",
        help: "refused, passed, any or none: the changes for which the exit status is 1 (any)",
        scope: Scope::Replay,
        set: Set::Desk(|d, v| word(v, FAIL_ON).map(|f| d.fail_on = f)),
    },
    Opt {
        names: &["--into"],
        value: "DIR",
        help: "a directory that is made, for the configuration and its lists (required)",
        scope: Scope::Import,
        set: Set::Desk(|d, v| {
            d.into = Some(v);
            Ok(())
        }),
    },
];
