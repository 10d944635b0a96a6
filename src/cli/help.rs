//! The text of `--help`.

use super::options::{Scope, options};

/// The text of `--help`.
#[must_use]
pub fn help() -> String {
    let mut out = String::from(
        "smtp-wrapper: a filter for incoming SMTP, one process per connection\n\n\
         usage: smtp-wrapper [OPTION…]                one session, the client on fd 0 (inetd, systemd)\n\
         \x20      smtp-wrapper listen [OPTION…] [ADDRESS…]  accept connections, one process each\n\
         \x20      smtp-wrapper try [OPTION…]            a trial on 127.0.0.1:2525, nothing needed\n\
         \x20      smtp-wrapper compile [FILE…]          reads a configuration and its lists beforehand\n\
         \x20      smtp-wrapper explain IP [OPTION…]     what a client would be told, and why\n\
         \x20      smtp-wrapper check [OPTION…]          looks at everything, and at the MTA, and says what is amiss\n\
         \x20      smtp-wrapper report [OPTION…] FILE…   what filters did by the log, and whom to let in\n\
         \x20      smtp-wrapper replay LOG… [OPTION…]    what the configuration would have made of a log\n\
         \x20      smtp-wrapper import KIND WHAT… [OPTION…]  a configuration of what another program has\n\
         \x20      smtp-wrapper jail DIR [OPTION…]       a root directory for sessions, with what they need\n",
    );
    let scopes = [
        (Scope::Session, "options"),
        (Scope::Listen, "options of listen"),
        (Scope::Explain, "options of explain"),
        (Scope::Check, "options of check"),
        (Scope::Report, "options of report"),
        (Scope::Replay, "options of replay"),
        (Scope::Import, "options of import"),
    ];
    for (scope, title) in scopes {
        out.push_str(&format!("\n{title} (defaults in brackets):\n"));
        for o in options().filter(|o| o.scope == scope) {
            let left = format!("{} {}", o.names.join(", "), o.value);
            out.push_str(&format!("  {left:<26} {}\n", o.help));
        }
    }
    out.push_str(
        "  --help, --version          print and exit\n\n\
         ADDRESS is PORT, HOST:PORT or [IPv6]:PORT; none: the socket systemd passed, else port 25.\n\
         SMTP_WRAPPER_OPTIONS in the environment holds more options of a session; the\n\
         command line overrides it, and both override the configuration.\n\
         report and replay read logs plain or gzip, of a syslogd or exported by the journal, - for standard input.\n\
         Exit status: 0 the client ended it, 70 internal fault, 75 MTA away, 78 usage;\n\
         of explain: 0 passes, 1 refused for now, 2 for good; of check: 1 there is an error;\n\
         of report: 1 a log could be read in part only, or none of it is known;\n\
         of replay: 1 something would be another; of import: 1 something could not be carried.\n",
    );
    out
}
