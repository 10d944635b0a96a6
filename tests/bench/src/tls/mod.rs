//! What an encrypted session costs, beside `openssl s_server`, which does the same handshake (P-256, X25519,
//! AES-128-GCM) in one process that goes on running and does nothing else: no exec, no SMTP, no MTA.

mod client;
mod openssl;

use crate::figure::{Budget, Figure};
use crate::front::Front;
use crate::measure::{Bench, IDLE_SESSIONS, figure, median};
use crate::process;
use crate::server::{Server, Subject};
use client::{clear_session, client, encrypt, expect, quit, session};
use openssl::Place;
use rustls::HandshakeKind;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

const BULK: usize = 100_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

fn micros(time: Duration, of: usize) -> f64 {
    time.as_secs_f64() * 1e6 / of as f64
}

impl Bench {
    fn encrypting(&self, place: &Place) -> Subject {
        let (state, certificate, key) = (place.file(""), place.file("crt"), place.file("key"));
        let options =
            ["--log", "none", "--state", &state, "--tls-cert", &certificate, "--tls-key", &key];
        Subject::new(&self.plain.command[0], &options)
    }

    /// Handshakes: each of ours is a session, and a process.
    pub fn handshakes(&self) -> io::Result<Vec<Figure>> {
        let place = Place::make()?;
        let ours = self.encrypting(&place);
        let sessions = self.scale.sessions;
        let (mut full, mut resumed, mut clear) = (vec![], vec![], vec![]);
        let (mut openssl, mut fresh) = (vec![], vec![]);
        for _ in 0..self.scale.repetitions.div_ceil(2) {
            for (resumes, cpu) in [(false, &mut full), (true, &mut resumed)] {
                let server = Server::start(Front::Launcher, &ours, self.cpus.load)?;
                let config = client(resumes);
                quit(session(server.address, &config)?)?;
                for _ in 0..sessions {
                    let stream = session(server.address, &config)?;
                    let kind = if resumes { HandshakeKind::Resumed } else { HandshakeKind::Full };
                    if stream.conn.handshake_kind() != Some(kind) {
                        return Err(io::Error::other(format!("{kind:?} was expected")));
                    }
                    quit(stream)?;
                }
                // The first session was in clear text.
                cpu.push(micros(server.stop()?, sessions + 1));
            }
            let server = Server::start(Front::Launcher, &ours, self.cpus.load)?;
            for _ in 0..sessions {
                clear_session(server.address)?;
            }
            clear.push(micros(server.stop()?, sessions + 1));
            let server = place.openssl(self.cpus.load, &[])?;
            let config = client(false);
            server.handshake(&config)?;
            let before = server.cpu();
            for _ in 0..sessions {
                server.handshake(&config)?;
            }
            openssl.push(micros(server.cpu() - before, sessions));
            drop(server);
            for _ in 0..sessions / 20 {
                let server = place.openssl(self.cpus.load, &["-naccept", "1"])?;
                let mut stream = encrypt(&config, server.connect()?)?;
                fresh.push(micros(server.cpu(), 1));
                stream.conn.send_close_notify();
                stream.conn.complete_io(&mut stream.sock)?;
            }
        }
        let [full, resumed, clear] = [full, resumed, clear].map(median);
        let [openssl, fresh] = [openssl, fresh].map(median);
        Ok(vec![
            figure(
                "CPU that a full handshake adds to a session, µs (beside: openssl s_server)",
                Some(openssl),
                full - clear,
                Budget::Times(1.3),
            ),
            figure(
                "CPU of the whole session, µs (beside: openssl s_server)",
                Some(openssl),
                full,
                Budget::None,
            ),
            figure(
                "the same (beside: an openssl s_server started for each)",
                Some(fresh),
                full,
                Budget::Less,
            ),
            figure(
                "CPU of a session that is resumed, µs (beside: with a full handshake)",
                Some(full),
                resumed,
                Budget::Less,
            ),
        ])
    }

    /// Memory that an idle encrypted session adds.
    pub fn encrypted_idle(&self) -> io::Result<Vec<Figure>> {
        let place = Place::make()?;
        let server = Server::start(Front::Launcher, &self.encrypting(&place), self.cpus.load)?;
        let config = client(false);
        let mut streams = Vec::new();
        for _ in 0..IDLE_SESSIONS {
            streams.push(session(server.address, &config)?);
        }
        let sum = process::pss(&server.sessions()?)?;
        for stream in streams {
            quit(stream)?;
        }
        server.stop()?;
        let pss = sum as f64 / IDLE_SESSIONS as f64;
        Ok(vec![figure("PSS of an idle encrypted session, KiB", None, pss, Budget::AtMost(250.0))])
    }

    /// One large message, beside openssl, which reads it and does nothing with it.
    pub fn encrypted_bulk(&self) -> io::Result<Vec<Figure>> {
        let place = Place::make()?;
        let (ours, config) = (self.encrypting(&place), client(false));
        let piece = [&[b'x'; 76][..], b"\r\n"].concat().repeat(1680);
        let pieces = BULK / piece.len();
        let mut speeds = [const { Vec::new() }; 2];
        for _ in 0..self.scale.repetitions {
            let server = place.openssl(self.cpus.server, &[])?;
            let mut stream = encrypt(&config, server.connect()?)?;
            let start = Instant::now();
            for _ in 0..pieces {
                stream.write_all(&piece)?;
            }
            stream.conn.send_close_notify();
            stream.conn.complete_io(&mut stream.sock)?;
            let _ = stream.sock.read_to_end(&mut Vec::new());
            speeds[0].push(BULK as f64 / 1e6 / start.elapsed().as_secs_f64());
            drop(server);

            let server = Server::start(Front::Launcher, &ours, self.cpus.server)?;
            let mut stream = session(server.address, &config)?;
            for (command, code) in [
                ("MAIL FROM:<a@b.example>", "250"),
                ("RCPT TO:<c@d.example>", "250"),
                ("DATA", "354"),
            ] {
                stream.write_all(format!("{command}\r\n").as_bytes())?;
                expect(&mut stream, code)?;
            }
            let start = Instant::now();
            for _ in 0..pieces {
                stream.write_all(&piece)?;
            }
            stream.write_all(b".\r\n")?;
            expect(&mut stream, "250")?;
            speeds[1].push(BULK as f64 / 1e6 / start.elapsed().as_secs_f64());
            quit(stream)?;
            server.stop()?;
        }
        let [openssl, ours] = speeds.map(median);
        Ok(vec![figure(
            "100 MB message over TLS, MB/s (beside: openssl s_server)",
            Some(openssl),
            ours,
            Budget::Share(0.7),
        )])
    }
}
