//! What lists cost a session: a great one that was compiled, and a small one as text.

use crate::figure::{Budget, Figure};
use crate::filters::compile;
use crate::folder::Folder;
use crate::front::Front;
use crate::measure::{Bench, count_short, figure, median};
use crate::name_server;
use crate::server::Subject;
use std::fmt::Write;
use std::io;
use std::time::Instant;

const NETWORKS: u32 = 1_000_000;
const NAMES: u32 = 100_000;
const EXPRESSIONS: u32 = 10_000;
const LINES: u32 = 100;

/// Numbers without a pattern, the same in each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((self.0 >> 33) % u64::from(below)) as u32
    }
}

/// A list that is as a list of the Internet might be; nothing in it hits the bench's client.
fn list(networks: u32, names: u32, expressions: u32) -> String {
    let (mut text, mut dice) = (String::new(), Dice(1));
    let mut line = |line: std::fmt::Arguments| writeln!(text, "{line}").expect("memory");
    for _ in 0..networks {
        let bits = [16, 20, 22, 24, 24, 24, 27, 29, 32, 32][dice.next(10) as usize];
        // From 128.0.0.0 on.
        let address = (dice.next(u32::MAX) | 1 << 31) & (u32::MAX << (32 - bits));
        line(format_args!("{}/{bits}", std::net::Ipv4Addr::from(address)));
    }
    let hosts = ["mx", "host", "pool", "dyn", "ppp", "adsl", "relay", "srv"];
    let tops = ["com", "net", "ne.jp", "de", "co.uk", "fr"];
    for _ in 0..names {
        let (dot, host) = ([".", ""][dice.next(2) as usize], hosts[dice.next(8) as usize]);
        let top = tops[dice.next(6) as usize];
        line(format_args!("{dot}{host}{}.isp{}.{top}", dice.next(100_000), dice.next(1000)));
    }
    for _ in 0..expressions {
        let isp = format!("isp{}\\.{}", dice.next(10_000), tops[dice.next(6) as usize]);
        let host = hosts[dice.next(8) as usize];
        match dice.next(3) {
            0 => line(format_args!("/^{host}[0-9]+\\.{isp}$/ 450 4.7.1 be patient")),
            1 => line(format_args!("/^[^.]*-[0-9]+-[0-9]+\\.{isp}$/ REJECT")),
            _ => line(format_args!("/(dsl|dyn|pool)[0-9-]*\\.{isp}$/")),
        }
    }
    text
}

impl Bench {
    /// The default filters and a list, with the client's name known to DNS.
    fn with_list(&self, folder: &Folder, server: &str, name: &str) -> io::Result<Subject> {
        let text = format!(
            "[dns]\nservers = [\"{server}\"]\n[[filter]]\ntype = \"allow\"\nproviders = true\n\
             [[filter]]\ntype = \"deny\"\nlists = [\"{name}.list\"]\n\
             [[filter]]\ntype = \"s25r\"\nlocal = true\n"
        );
        let path = folder.write(&format!("{name}.toml"), &text)?;
        Ok(self.logged.with(&["--config", &path.to_string_lossy()]))
    }

    /// A great list, compiled, beside an empty one.
    pub fn great_list(&self) -> io::Result<Vec<Figure>> {
        let (folder, server) =
            (Folder::new("lists")?, name_server::start(0, name_server::MAIL)?.to_string());
        let path = folder.write("great.list", &list(NETWORKS, NAMES, EXPRESSIONS))?;
        let began = Instant::now();
        compile(&self.logged, &path)?;
        let took = began.elapsed().as_secs_f64();
        folder.write("empty.list", "# nobody\n")?;
        let empty = self.with_list(&folder, &server, "empty")?;
        let great = self.with_list(&folder, &server, "great")?;
        let mut cpu = [const { Vec::new() }; 2];
        for _ in 0..self.scale.repetitions {
            for (cpu, subject) in cpu.iter_mut().zip([&empty, &great]) {
                cpu.push(self.sessions(Front::Launcher, subject)?.0);
            }
        }
        let [without, with] = cpu.map(median);
        let memory = self.idle_pss(&great)? - self.idle_pss(&empty)?;
        let (counts, counts_empty) = (count_short(&great)?, count_short(&empty)?);
        Ok(vec![
            figure(
                "CPU of a session with a list of 1 110 000 entries, µs (beside: an empty list)",
                Some(without),
                with,
                Budget::Times(1.1),
            ),
            figure("the same: PSS more, KiB", None, memory, Budget::AtMost(60.0)),
            figure(
                "the same: user instructions",
                Some(counts_empty.instructions as f64),
                counts.instructions as f64,
                Budget::None,
            ),
            figure(
                "the same: system calls",
                Some(counts_empty.syscalls as f64),
                counts.syscalls as f64,
                Budget::None,
            ),
            figure("the same: compiling it, s", None, took, Budget::AtMost(10.0)),
        ])
    }

    /// A list of 100 lines, read as text.
    pub fn small_list(&self) -> io::Result<Vec<Figure>> {
        let (folder, server) =
            (Folder::new("lists")?, name_server::start(0, name_server::MAIL)?.to_string());
        folder.write("empty.list", "# nobody\n")?;
        folder.write("small.list", &list(LINES / 2, LINES / 2, 0))?;
        let empty = count_short(&self.with_list(&folder, &server, "empty")?)?;
        let small = count_short(&self.with_list(&folder, &server, "small")?)?;
        Ok(vec![figure(
            "user instructions of a list of 100 lines, as text",
            None,
            small.instructions as f64 - empty.instructions as f64,
            Budget::AtMost(100_000.0),
        )])
    }
}
