//! What a session finds around it: the state directory, name servers, syslog.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Access, FileType, access, stat};
use rustix::process::geteuid;

use crate::activation::Client;
use crate::config::{Dns, Identity, LogTo, Resolver};
use crate::dns::Trouble;
use crate::host::{Host, Naming};
use crate::io::Wires;
use crate::{log, sys};

use super::configuration::{Seen, text};
use super::conversation::STRANGER;
use super::files;
use super::findings::Findings;

/// For the answers of one name server to one question.
const ANSWER: Duration = Duration::from_secs(5);

/// Looks at all of it.
pub(super) fn check(seen: &Seen, wires: &mut Wires, findings: &mut Findings) {
    state(seen, findings);
    names(seen, wires, findings);
    syslog(seen.loaded.settings.log, findings);
}

fn state(seen: &Seen, findings: &mut Findings) {
    let name = seen.inside(seen.loaded.settings.state.to_str().unwrap_or_default());
    let directory = Path::new(name);
    let tarpit = |(_, table): &(String, _)| text(table, "on_hit") == Some("tarpit");
    let wanted = seen.of_type("interval").next().is_some()
        || seen.filters.iter().any(tarpit)
        || seen.asks_about_messages();
    let make = format!("install -d -m 700 -o smtp-wrapper {name} (the user that sessions run as)");
    let stat = match stat(directory) {
        Ok(stat) => stat,
        Err(error) if wanted => {
            let what = format_args!(
                "the state directory: {error}; interval and tarpit do not work without"
            );
            return findings.warning(name, what, make);
        }
        Err(_) => {
            return findings.note(
                name,
                "there is no state directory, and no filter that needs it",
                "",
            );
        }
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return findings.error(name, "the state directory is none", make);
    }
    if let Some(how) = files::open_to_others(directory) {
        let what = format_args!("the state directory {how}: what sessions remember can be forged");
        findings.warning(name, what, format_args!("chmod 700 {name}"));
    }
    for user in seen.users.iter().filter(|user| !files::may(user, &stat, 0o3)) {
        let what = format_args!("the state directory cannot be written by {}", user.name);
        let remedy = format_args!("chown {} {name}; chmod 700 {name}", user.name);
        match wanted {
            true => findings.error(name, what, remedy),
            false => findings.note(name, what, remedy),
        }
    }
    // Root may write everything, which says nothing of the sessions' user.
    let we = geteuid();
    if seen.users.is_empty() && !we.is_root() && access(directory, Access::WRITE_OK).is_err() {
        let what =
            format_args!("the state directory cannot be written by the user {}", we.as_raw());
        return findings.warning(name, what, "run check as the user that sessions run as");
    }
    findings
        .ok(name, format_args!("the state directory is there, mode {:03o}", files::mode(&stat)));
}

fn names(seen: &Seen, wires: &mut Wires, findings: &mut Findings) {
    let loaded = &seen.loaded;
    let wanted = loaded.usual
        || loaded.chain.needs_host(&STRANGER)
        || loaded.settings.identity == Identity::Xclient;
    if !wanted {
        return findings.note("", "no filter needs host names: no name server is asked", "");
    }
    let dns = loaded.settings.dns();
    let dns = &Dns { resolv_conf: seen.inside(dns.resolv_conf), ..dns.clone() };
    if dns.resolver == Resolver::System {
        let host = ask(dns, Ipv4Addr::LOCALHOST.into(), wires);
        return match host.as_ref().and_then(|host| host.trouble) {
            Some(trouble) => {
                findings.error("", no_answer("the system's resolver", trouble, host), NO_NAMES)
            }
            None => findings.ok("", "the system's resolver answers"),
        };
    }
    let (config, trouble) = dns.servers();
    if let Some(trouble) = trouble {
        findings.warning(dns.resolv_conf, trouble, "name servers in [dns], or mend that file");
    }
    let servers = &config.servers;
    let mut silent = Vec::new();
    for &server in servers {
        match ask_server(dns, server, wires) {
            Ok(what) => findings.ok(&server.to_string(), what),
            Err(what) => silent.push((server, what)),
        }
    }
    let all = silent.len() == servers.len();
    for (server, what) in silent {
        let place = server.to_string();
        match all {
            true => findings.error(&place, what, NO_NAMES),
            false => {
                findings.warning(&place, what, "every question that it gets first waits in vain")
            }
        }
    }
}

const NO_NAMES: &str = "name servers that answer this host: [dns], --dns or /etc/resolv.conf; until \
 then nobody is refused for his name";

/// Asks one name server for the name of this host and for its own; what came of it.
fn ask_server(dns: &Dns, server: SocketAddr, wires: &mut Wires) -> Result<String, String> {
    let dns = Dns { named: vec![server], time_limit: dns.time_limit.min(ANSWER), ..dns.clone() };
    let (mut said, mut answers) = (Vec::new(), 0);
    for (ip, of) in [(IpAddr::from(Ipv4Addr::LOCALHOST), "127.0.0.1"), (server.ip(), "itself")] {
        let Some(host) = ask(&dns, ip, wires) else { return Err("SIGTERM came".to_owned()) };
        let time = host.took.as_millis();
        match host.trouble {
            // It answered for the name, if not for what that leads to.
            Some(trouble) if host.name.is_none() => {
                said.push(format!("{} for the name of {of} in {time} ms", trouble.name()));
                if matches!(trouble, Trouble::TimedOut | Trouble::Unreachable) {
                    break;
                }
            }
            _ => {
                said.push(format!("the name of {of} in {time} ms"));
                answers += 1;
            }
        }
    }
    let said = said.join(", ");
    match answers {
        0 => Err(format!("the name server is of no use: {said}")),
        _ => Ok(format!("the name server answers: {said}")),
    }
}

/// Asks as a session does; `None` if we are to end.
fn ask(dns: &Dns, ip: IpAddr, wires: &mut Wires) -> Option<Host> {
    let client = Client { ip, port: 0, is_socket: false };
    let (mut naming, host) = (Naming::new(true), OnceCell::new());
    let _ = naming.start(dns, &client, &host, false);
    let end = Instant::now() + dns.time_limit + Duration::from_secs(1);
    while naming.is_under_way() {
        let mut fds = Vec::new();
        let until = naming.fds(&mut fds).unwrap_or(end).min(end);
        let left = until.saturating_duration_since(Instant::now());
        if sys::terminated() || Instant::now() >= end {
            return None;
        }
        wires.wait_beside(None, &mut fds, left).ok()?;
        naming.advance(&host);
    }
    host.into_inner()
}

fn no_answer(who: &str, trouble: Trouble, host: Option<Host>) -> String {
    let took = host.map_or(0, |host| host.took.as_millis());
    format!("{who} does not answer: {} in {took} ms", trouble.name())
}

fn syslog(to: LogTo, findings: &mut Findings) {
    let path = match to {
        LogTo::Nowhere => return findings.note("", "there is no log (--log none)", ""),
        LogTo::Stderr => return findings.note("", "the log goes to standard error", ""),
        LogTo::Auto | LogTo::Syslog => None,
        LogTo::SyslogAt(path) => Some(path),
    };
    let place = path.unwrap_or("syslog");
    match log::reaches_syslog(path) {
        Ok(()) => findings.ok(place, "syslogd is there"),
        Err(error) if to == LogTo::Auto => findings.note(
            place,
            format_args!(
                "no syslogd takes log lines ({error}): they are lost unless the journal gets them"
            ),
            "with systemd: StandardError=journal in the unit",
        ),
        Err(error) => findings.error(
            place,
            format_args!("no syslogd takes log lines ({error}): they are lost"),
            match path {
                Some(path) if !Path::new(path).exists() => "is that the right socket?",
                _ => "start syslogd",
            },
        ),
    }
}
