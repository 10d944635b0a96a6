//! The other programs, with what each needs to pass a session on to the MTA, and no more.

use crate::folder::Folder;
use crate::front::PORT;
use crate::mta;
use crate::server::Subject;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::{env, fs, io};

/// What must be here, and the package in which Debian has it.
const NEEDED: [(&str, &str); 5] = [
    ("haproxy", "haproxy"),
    ("postfix", "postfix"),
    ("socat", "socat"),
    ("tcpserver", "ucspi-tcp"),
    ("rblsmtpd", "ucspi-tcp"),
];
/// Where distributions have Postfix's daemons.
const POSTFIX: [&str; 2] = ["/usr/lib/postfix/sbin", "/usr/libexec/postfix"];

/// Their configurations.
pub struct Programs {
    folder: Folder,
    postfix: &'static str,
}

impl Programs {
    /// Says what is missing, if something is.
    pub fn new() -> io::Result<Self> {
        let mut missing: Vec<&str> = NEEDED
            .into_iter()
            .filter(|(program, _)| !in_path(program))
            .map(|(_, package)| package)
            .collect();
        missing.dedup();
        if !missing.is_empty() {
            return Err(io::Error::other(format!(
                "missing: {0}\nbench: apt-get install --no-install-recommends {0}\n\
                 bench: or tests/real/peers BINARY, which unpacks them in a place of its own and installs nothing",
                missing.join(" ")
            )));
        }
        let postfix = POSTFIX
            .into_iter()
            .find(|folder| Path::new(folder).join("master").is_file())
            .ok_or_else(|| io::Error::other("Postfix is here, and its master is not"))?;
        let programs = Self { folder: Folder::new("peers")?, postfix };
        programs.write_haproxy()?;
        programs.write_postfix()?;
        Ok(programs)
    }

    /// Asks one DNS list whether the client is on it; then it becomes the relay, for which the floor serves: there is
    /// none that costs less.
    pub fn rblsmtpd(&self, floor: &Subject) -> Subject {
        let mut subject = Subject::new("rblsmtpd", &["-r", "list.example.org", &floor.command[0]]);
        subject.variables = vec![("DNSCACHEIP", "127.0.0.1"), ("TCPREMOTEIP", "127.0.0.1")];
        subject
    }

    /// Forks for each connection, and is no program for SMTP at all.
    pub fn socat(&self) -> Subject {
        let listen = format!("TCP4-LISTEN:{PORT},bind=127.0.0.1,reuseaddr,fork,backlog=1024");
        Subject::new("socat", &[&listen, &format!("TCP4:127.0.0.1:{}", mta::PORT)])
    }

    pub fn haproxy(&self) -> Subject {
        Subject::new("haproxy", &["-db", "-f", &self.path("haproxy.cfg")])
    }

    pub fn postfix(&self) -> Subject {
        Subject::new(&format!("{}/master", self.postfix), &["-d", "-c", &self.path("postfix")])
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// In mode tcp, with one thread, as it has one CPU.
    fn write_haproxy(&self) -> io::Result<()> {
        let text = format!(
            "global\n  maxconn 2000\n  nbthread 1\n\
             defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             listen smtp\n  bind 127.0.0.1:{PORT}\n  server mta 127.0.0.1:{}\n",
            mta::PORT
        );
        self.folder.write("haproxy.cfg", &text).map(drop)
    }

    /// Without limits on clients and processes; it logs to syslog, if there is one.
    fn write_postfix(&self) -> io::Result<()> {
        for name in ["postfix", "queue", "data"] {
            fs::create_dir(self.folder.join(name))?;
        }
        let (user, group) = (id_of_user("postfix")?, id_of_group("postdrop")?);
        chown(self.folder.join("data"), Some(user), None)?;
        for (name, mode, group) in [
            ("pid", 0o755, None),
            ("private", 0o700, None),
            ("public", 0o710, Some(group)),
            ("active", 0o700, None),
            ("incoming", 0o700, None),
        ] {
            let folder = self.folder.join("queue").join(name);
            fs::create_dir(&folder)?;
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode))?;
            if name != "pid" {
                chown(&folder, Some(user), group)?;
            }
        }
        let settings = format!(
            "compatibility_level = 3.6\nqueue_directory = {}\ndata_directory = {}\ndaemon_directory = {}\n\
             mail_owner = postfix\nsetgid_group = postdrop\n\
             myhostname = mx.example.org\nmydestination = example.com\nlocal_recipient_maps =\nalias_maps =\n\
             mynetworks =\nsmtpd_relay_restrictions = reject_unauth_destination\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nsmtpd_peername_lookup = no\n\
             smtpd_client_connection_count_limit = 0\nsmtpd_client_connection_rate_limit = 0\n\
             default_process_limit = 1000\nmessage_size_limit = 200000000\n",
            self.path("queue"),
            self.path("data"),
            self.postfix,
        );
        fs::write(self.folder.join("postfix").join("main.cf"), settings)?;
        let services = format!(
            "127.0.0.1:{PORT} inet n - n - - smtpd -o smtpd_proxy_filter=127.0.0.1:{}\n\
             rewrite unix - - n - - trivial-rewrite\n\
             proxymap unix - - n - - proxymap\n\
             anvil unix - - n - 1 anvil\n",
            mta::PORT
        );
        fs::write(self.folder.join("postfix").join("master.cf"), services)
    }
}

pub fn in_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn id_of_user(name: &str) -> io::Result<u32> {
    id_in("/etc/passwd", name)
}

fn id_of_group(name: &str) -> io::Result<u32> {
    id_in("/etc/group", name)
}

/// A number that stands behind a name and a password.
fn id_in(file: &str, name: &str) -> io::Result<u32> {
    fs::read_to_string(file)?
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name))
        .and_then(|fields| fields.get(2)?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no {name} in {file}")))
}
