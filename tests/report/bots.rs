//! Who is to stay out: each kind of bot.

use std::net::Ipv4Addr;

use super::{HOUR, Host, MINUTE, Month};

impl Month {
    pub(super) fn bots(&mut self) {
        // Once and never again.
        for n in 0..6000_u64 {
            let ip = Ipv4Addr::from_bits(0x3c00_0000 + u32::try_from(n * 977).unwrap());
            let [a, b, c, d] = ip.octets();
            let name = (n % 2 == 0).then(|| format!("p{a}-{b}-{c}-{d}.dsl.line.example"));
            let host = Host { ip, name, kind: "one-shot bot" };
            self.bots.push(host.clone());
            let (time, helo) = (self.time(), self.dice.word());
            let (from, to) =
                (format!("{}@{}.example", self.dice.word(), self.dice.word()), "info@our.example");
            self.line(time, &host, &helo, &from, to, "s25r.r1");
        }
        // Many at once, on several days.
        for n in 0..100_u8 {
            let host = Host { ip: Ipv4Addr::new(70, n, 2, 3), name: None, kind: "burst bot" };
            self.bots.push(host.clone());
            for _ in 0..3 {
                let time = self.time();
                for m in 0..20 {
                    let from = format!("{}@{}.example", self.dice.word(), self.dice.word());
                    let helo = format!("burst{n}.example");
                    self.line(time + m / 4, &host, &helo, &from, "info@our.example", "s25r.r0");
                }
            }
        }
        // Some that come back, under another name each time, with a confirmed name or none.
        for n in 0..200_u8 {
            let name = (n % 3 == 0).then(|| format!("srv1a2-{n}.bots{n}.example"));
            let host = Host { ip: Ipv4Addr::new(80, n, 4, 5), name, kind: "retrying bot" };
            self.bots.push(host.clone());
            for _ in 0..self.dice.between(1, 4) {
                let (mut time, from) =
                    (self.time(), format!("{}@{}.example", self.dice.word(), self.dice.word()));
                for _ in 0..self.dice.between(2, 7) {
                    let helo = format!("{}.{}.example", self.dice.word(), self.dice.word());
                    self.line(time, &host, &helo, &from, "sales@our.example", "s25r.r1");
                    time += self.dice.between(5 * MINUTE, 2 * HOUR);
                }
            }
        }
        self.snowshoes();
        self.botnet();
        self.neighbours();
    }

    /// Networks full of named hosts, each message from another one, and never again.
    fn snowshoes(&mut self) {
        for n in 0..8_u8 {
            for m in 0..60_u8 {
                let helo = format!("mail1a{m}b.snow{n}.example");
                let host = Host {
                    ip: Ipv4Addr::new(90, n, 1, m),
                    name: Some(helo.clone()),
                    kind: "snowshoe",
                };
                self.bots.push(host.clone());
                let time = self.time();
                let from = format!("offer@{}.example", self.dice.word());
                self.line(time, &host, &helo, &from, "info@our.example", "s25r.r1");
            }
        }
    }

    /// The same message from everywhere, and again an hour later, under fixed names.
    fn botnet(&mut self) {
        for wave in 0..12_u8 {
            let begins = self.time();
            let from = format!("{}@bank{wave}.example", self.dice.word());
            for m in 0..25_u8 {
                let host =
                    Host { ip: Ipv4Addr::new(100 + m, wave, 9, 9), name: None, kind: "botnet" };
                self.bots.push(host.clone());
                let helo = format!("host{m}.infected{m}.example");
                for again in 0..4 {
                    let time = begins + again * HOUR + self.dice.between(0, 10 * MINUTE);
                    self.line(time, &host, &helo, &from, "boss@our.example", "s25r.r0");
                }
            }
        }
    }

    /// Customers of one provider with the same master: each comes back in another's place.
    fn neighbours(&mut self) {
        for n in 0..6_u8 {
            for _ in 0..5 {
                let (mut time, from) =
                    (self.time(), format!("{}@{}.example", self.dice.word(), self.dice.word()));
                for m in 0..6_u8 {
                    let ip = Ipv4Addr::new(95, n, 1, 10 * m + 3);
                    let name = Some(format!("h95-{n}-1-{}.cable.home{n}.example", 10 * m + 3));
                    let host = Host { ip, name, kind: "neighbour" };
                    let helo = self.dice.word();
                    self.line(time, &host, &helo, &from, "boss@our.example", "s25r.r1");
                    self.bots.push(host);
                    time += self.dice.between(20 * MINUTE, HOUR);
                }
            }
        }
    }
}
