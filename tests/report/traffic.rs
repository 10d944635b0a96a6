//! A month of traffic as the log has it, and who in it is what. The same number gives the same month.

mod bots;

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// When it begins: 2026-03-01, in seconds.
pub(crate) const BEGINS: u64 = 1_772_323_200;
const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;
const DAYS: u64 = 30;

/// Somebody in it.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) ip: Ipv4Addr,
    /// The confirmed name.
    pub(crate) name: Option<String>,
    /// What it is.
    pub(crate) kind: &'static str,
}

/// The month.
pub(crate) struct Month {
    /// The log's lines with their times in microseconds, in order.
    pub(crate) lines: Vec<(u64, String)>,
    /// Mail servers that were refused and came back.
    pub(crate) servers: Vec<Host>,
    /// Everybody who is to stay out.
    pub(crate) bots: Vec<Host>,
    /// Recipients that were accepted, refused for now, refused for good.
    pub(crate) fates: [u64; 3],
    /// Messages that were refused for now and accepted later.
    pub(crate) later: u64,
    /// Servers that an entry of a list lets in since.
    pub(crate) allowed: u64,
    /// Recipients that were accepted under observation.
    pub(crate) would: u64,
    dice: Dice,
    process: u64,
}

/// Numbers that look random (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `from` to `to - 1`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.number() % (to - from)
    }

    fn word(&mut self) -> String {
        let length = self.between(4, 10);
        (0..length).map(|_| char::from(b'a' + u8::try_from(self.between(0, 26)).unwrap())).collect()
    }
}

/// How a queue comes back: its gaps in seconds.
#[derive(Clone, Copy)]
enum Queue {
    /// 5, 10, 20, 40 minutes and then hourly.
    Growing,
    /// Each half hour.
    Regular,
    /// Each six hours.
    Slow,
}

impl Queue {
    fn gap(self, n: u64) -> u64 {
        match self {
            Queue::Growing => ((5 * MINUTE) << n.min(4)).min(66 * MINUTE),
            Queue::Regular => 30 * MINUTE,
            Queue::Slow => 6 * HOUR,
        }
    }
}

impl Month {
    pub(crate) fn new(seed: u64) -> Self {
        let mut month = Month {
            lines: Vec::new(),
            servers: Vec::new(),
            bots: Vec::new(),
            fates: [0; 3],
            would: 0,
            later: 0,
            allowed: 0,
            dice: Dice::new(seed),
            process: 0,
        };
        month.single_servers();
        month.erratic_servers();
        month.pools();
        month.mailing_lists();
        month.bots();
        month.others();
        month.lines.sort();
        month
    }

    pub(crate) fn log(&self) -> String {
        self.lines.iter().fold(String::new(), |mut log, (_, line)| {
            log.push_str(line);
            log.push('\n');
            log
        })
    }

    fn time(&mut self) -> u64 {
        BEGINS + self.dice.between(0, (DAYS - 1) * DAY)
    }

    /// One recipient of one session.
    fn line(&mut self, time: u64, host: &Host, helo: &str, from: &str, to: &str, verdict: &str) {
        self.process += 1;
        let micros = time * 1_000_000 + self.dice.between(0, 900_000);
        let (n, rest) = match verdict {
            "pass" => (0, "verdict=pass rule=mta code=250 at=message would=-".to_owned()),
            "would" => {
                (0, "verdict=pass rule=mta code=250 at=message would=450:s25r.r1".to_owned())
            }
            "allow" => (0, "verdict=pass rule=mta code=250 at=message would=-".to_owned()),
            "perm" => (2, "verdict=perm rule=deny code=554 at=rcpt would=-".to_owned()),
            rule => (1, format!("verdict=temp rule={rule} code=450 at=rcpt would=-")),
        };
        self.fates[n] += 1;
        self.would += u64::from(verdict == "would");
        let names = match &host.name {
            Some(name) => format!("ptr=<{name}> fcrdns=pass"),
            None => "ptr=- fcrdns=fail".to_owned(),
        };
        let allow = if verdict == "allow" { " allow=<allow.list:1>" } else { "" };
        let (ip, process) = (host.ip, self.process);
        let mut line = format!("v=1 sid={micros:x}.{process:x} ip=[{ip}] port=40000 {rest} ");
        let _ = write!(
            line,
            "helo=<{helo}> from=<{from}> to=<{to}> reply=<4.7.1\\x20be\\x20patient>{allow} "
        );
        let _ = write!(line, "{names} dns=2/3ms tls=- auth=- t=0.100");
        self.lines.push((micros, line));
        if n == 0 {
            let mut line = format!(
                "v=1 sid={micros:x}.{process:x} ip=[{ip}] port=40000 session=end end=quit mta=ok "
            );
            let _ = write!(
                line,
                "why=<> helo=<{helo}> messages=1 octets=2000 refused=0 rule=- {names} dns=2/3ms tls=- auth=- t=0.120"
            );
            self.lines.push((micros, line));
        }
    }

    /// A message that is tried again until it is given up, by these hosts in turn.
    fn message(&mut self, hosts: &[(Host, String)], queue: Queue, from: &str, tries: u64) {
        let mut time = self.time();
        let to = format!("{}@our.example", self.dice.word());
        for n in 0..tries {
            let at = self.dice.between(0, hosts.len() as u64);
            let (host, helo) = hosts[usize::try_from(at).unwrap()].clone();
            let rule = if host.name.is_some() { "s25r.r1" } else { "s25r.r0" };
            // Some pools have a host that is not refused.
            if n == tries - 1 && host.kind == "pool" && host.name.is_some() {
                self.later += 1;
                self.line(time, &host, &helo, from, &to, "pass");
                break;
            }
            self.line(time, &host, &helo, from, &to, rule);
            time += queue.gap(n) + self.dice.between(0, MINUTE);
            if time > BEGINS + DAYS * DAY {
                break;
            }
        }
    }

    fn queue(&mut self) -> Queue {
        match self.dice.between(0, 5) {
            0 => Queue::Slow,
            1 => Queue::Regular,
            _ => Queue::Growing,
        }
    }

    /// Servers with one address: with a name of their own, a line's, or none.
    fn single_servers(&mut self) {
        for n in 0..120 {
            let ip = Ipv4Addr::new(20, u8::try_from(n).unwrap(), 7, 25);
            let domain = format!("firm{n}.example");
            let helo = format!("mail.{domain}");
            let name = match n % 4 {
                0 | 1 => Some(format!("mx1a{n}b2.{domain}")),
                2 => Some(format!("static-20-{n}-7-25.line.example")),
                _ => None,
            };
            let host = Host { ip, name, kind: "single server" };
            if n % 20 == 19 {
                self.allowed += 1;
                let end = BEGINS + DAYS * DAY - 1;
                let (from, to) = (format!("last@{domain}"), "staff@our.example");
                self.line(end, &host, &helo, &from, to, "allow");
            } else {
                self.servers.push(host.clone());
            }
            let queue = self.queue();
            for _ in 0..self.dice.between(2, 7) {
                let from = format!("{}@{domain}", self.dice.word());
                let tries = self.dice.between(4, 12);
                self.message(&[(host.clone(), helo.clone())], queue, &from, tries);
            }
        }
    }

    /// Servers whose queues come back when they happen to, some few times only.
    fn erratic_servers(&mut self) {
        for n in 0..30_u8 {
            let name = format!("mail-0{n}a1.odd{n}.example");
            let host = Host {
                ip: Ipv4Addr::new(25, n, 8, 9),
                name: Some(name.clone()),
                kind: "erratic server",
            };
            self.servers.push(host.clone());
            for _ in 0..self.dice.between(2, 5) {
                let (mut time, from) =
                    (self.time(), format!("{}@odd{n}.example", self.dice.word()));
                let to = format!("{}@our.example", self.dice.word());
                for _ in 0..self.dice.between(2, 6) {
                    self.line(time, &host, &name, &from, &to, "s25r.r1");
                    // The next MX is tried at once.
                    self.line(time + 2, &host, &name, &from, &to, "s25r.r1");
                    time += self.dice.between(4 * MINUTE, 3 * HOUR);
                }
            }
        }
    }

    /// Pools in a network, with names and without, and of a domain over many networks.
    fn pools(&mut self) {
        for n in 0..30_u8 {
            let domain = format!("pool{n}.example");
            let hosts: Vec<(Host, String)> = (0..6_u8)
                .map(|m| {
                    let ip = match n % 3 {
                        0 => Ipv4Addr::new(30, n, m * 9, 40 + m),
                        _ => Ipv4Addr::new(30, n, 3, 40 + m),
                    };
                    let own = format!("out1-{m}.mail.{domain}");
                    let name = (n % 3 != 2).then(|| own.clone());
                    (Host { ip, name, kind: "pool" }, own)
                })
                .collect();
            self.servers.extend(hosts.iter().map(|(host, _)| host.clone()));
            for _ in 0..20 {
                let from = format!("{}@{domain}", self.dice.word());
                let tries = self.dice.between(5, 12);
                let queue = self.queue();
                self.message(&hosts, queue, &from, tries);
            }
        }
    }

    /// Hosts that send for many, each message with a sender of its own, some within seconds.
    fn mailing_lists(&mut self) {
        for n in 0..10_u8 {
            let ip = Ipv4Addr::new(40, n, 1, 1);
            let name = format!("list-1a2-{n}.lists{n}.example");
            let host = Host { ip, name: Some(name.clone()), kind: "mailing list" };
            self.servers.push(host.clone());
            for _ in 0..40 {
                let from =
                    format!("bounce-{}=our.example@{}.example", self.dice.word(), self.dice.word());
                self.message(&[(host.clone(), name.clone())], Queue::Growing, &from, 4);
            }
        }
    }

    /// Who is accepted at once, who is refused for good, and who sends once and is no bot either.
    fn others(&mut self) {
        for n in 0..4000_u64 {
            let m = u8::try_from(n % 200).unwrap();
            let name = Some(format!("mail-{m}.provider.example"));
            let host = Host { ip: Ipv4Addr::new(50, 1, 1, m), name, kind: "provider" };
            let (time, helo) = (self.time(), format!("mail-{m}.provider.example"));
            let from = format!("{}@provider.example", self.dice.word());
            let verdict = if n % 10 == 0 { "would" } else { "pass" };
            self.line(time, &host, &helo, &from, "staff@our.example", verdict);
        }
        for n in 0..500_u64 {
            let m = u8::try_from(n % 250).unwrap();
            let host = Host { ip: Ipv4Addr::new(60, 9, 9, m), name: None, kind: "denied" };
            let time = self.time();
            self.line(time, &host, "x.example", "a@denied.example", "info@our.example", "perm");
            let once = Host {
                ip: Ipv4Addr::new(55, 3, m, 9),
                name: Some(format!("news1a2.n{n}.example")),
                kind: "once",
            };
            let time = self.time();
            self.line(
                time,
                &once,
                "news.example",
                &format!("news@n{n}.example"),
                "info@our.example",
                "s25r.r1",
            );
        }
    }
}
