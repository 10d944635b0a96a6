//! A thousand sessions at a time: those that wait for their clients, and those whose clients wait in the tarpit.

use crate::cgroup::Group;
use crate::client::{self, Client};
use crate::figure::{Budget, Figure};
use crate::front::Front;
use crate::measure::{Bench, figure};
use crate::process;
use crate::server::{Server, Subject};
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

pub const SESSIONS: usize = 1000;
/// For the last of them to have read what its client said.
const A_WHILE: Duration = Duration::from_millis(500);
const MIB: f64 = 1024.0 * 1024.0;

/// What a thousand take: their processes, and with what the kernel has for them.
struct Memory {
    pss: f64,
    group: Option<f64>,
}

impl Bench {
    pub fn thousand(&self) -> io::Result<Vec<Figure>> {
        self.mta.more(SESSIONS)?;
        let idle = self.memory(&self.default.session, Client::idle)?;
        let held = self.memory(&self.default.tarpit, Client::knock)?;
        let most = |name, value| figure(name, None, value, Budget::AtMost(100.0));
        let mut figures = vec![
            most("1 000 idle default sessions, MiB (PSS)", idle.pss),
            most("1 000 sessions in the tarpit, MiB (PSS)", held.pss),
        ];
        let names = [
            "1 000 idle default sessions, MiB, with what the kernel has for them",
            "1 000 sessions in the tarpit, MiB, with what the kernel has for them",
        ];
        for (name, memory) in names.into_iter().zip([idle, held]) {
            figures.extend(memory.group.map(|group| figure(name, None, group, Budget::None)));
        }
        Ok(figures)
    }

    fn memory(
        &self,
        subject: &Subject,
        begin: fn(SocketAddr) -> io::Result<Client>,
    ) -> io::Result<Memory> {
        let (front, cpu) = (Front::Launcher, self.cpus.load);
        let server = Server::start_with(front, subject, cpu, client::glance)?;
        let group = Group::of(server.pid);
        let used = || group.as_ref().and_then(|group| group.octets().ok());
        let before = used();
        let mut clients = Vec::with_capacity(SESSIONS);
        for _ in 0..SESSIONS {
            clients.push(begin(server.address)?);
        }
        thread::sleep(A_WHILE);
        let (sessions, after) = (server.sessions()?, used());
        if sessions.len() != SESSIONS || !clients.iter().all(Client::has_no_reply) {
            return Err(io::Error::other(format!("not {SESSIONS} sessions that wait")));
        }
        let pss = process::pss(&sessions)? as f64 / 1024.0;
        drop(clients);
        server.stop()?;
        let group = before.zip(after).map(|(before, after)| (after as f64 - before as f64) / MIB);
        Ok(Memory { pss, group })
    }
}
