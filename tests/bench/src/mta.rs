//! The MTA behind every subject: accepts all, stores nothing, answers at once.
//!
//! A fixed crew of threads, each blocked in accept or in its one session; no thread is started while
//! something is being measured. It looks for the end of mail data as any MTA has to. It is spoken to by
//! our own client only, so the end of data of an empty message needs no care.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

/// Where the floor and, by default, the program expect the MTA.
pub const PORT: u16 = 8025;
const END_OF_DATA: &[u8] = b"\r\n.\r\n";
const BUFFER: usize = 256 * 1024;
const STACK: usize = 64 * 1024;

/// It runs as long as the bench does.
pub struct Mta(TcpListener);

impl Mta {
    /// Starts `crew` threads, the greatest number of sessions at a time.
    pub fn start(crew: usize) -> io::Result<Self> {
        let mta = Self(TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))?);
        mta.more(crew)?;
        Ok(mta)
    }

    /// Starts so many more.
    pub fn more(&self, crew: usize) -> io::Result<()> {
        for _ in 0..crew {
            let listener = self.0.try_clone()?;
            thread::Builder::new().stack_size(STACK).spawn(move || work(&listener))?;
        }
        Ok(())
    }
}

fn work(listener: &TcpListener) {
    let mut buffer = vec![0; BUFFER];
    loop {
        if let Ok((peer, _)) = listener.accept() {
            // A peer that goes away in the middle is that session's end, and the client will say so.
            let _ = serve(peer, &mut buffer);
        }
    }
}

fn serve(mut peer: TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    peer.set_nodelay(true)?;
    peer.write_all(b"220 mta.example.org ESMTP\r\n")?;
    let mut in_data = false;
    let mut filled = 0;
    let mut first = true;
    loop {
        let count = peer.read(&mut buffer[filled..])?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let mut at = if first { proxy_header(&buffer[..filled]) } else { 0 };
        first = false;
        loop {
            let rest = &buffer[at..filled];
            if in_data {
                let Some(end) = find(rest, END_OF_DATA) else {
                    // What may be the first part of the end of data stays in the buffer.
                    at = filled - rest.len().min(END_OF_DATA.len() - 1);
                    break;
                };
                at += end + END_OF_DATA.len();
                in_data = false;
                peer.write_all(b"250 2.0.0 Ok: forgotten\r\n")?;
            } else {
                let Some(end) = find(rest, b"\n") else { break };
                let (verb, reply) = answer(&rest[..end]);
                in_data = verb == *b"DATA";
                at += end + 1;
                peer.write_all(reply)?;
                if verb == *b"QUIT" {
                    return Ok(());
                }
            }
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
    }
}

/// How long a PROXY header is that stands in front of everything; on loopback it comes in one piece.
fn proxy_header(octets: &[u8]) -> usize {
    match octets {
        [b'P', b'R', b'O', b'X', b'Y', b' ', ..] => find(octets, b"\n").map_or(0, |end| end + 1),
        [b'\r', b'\n', b'\r', b'\n', 0, ..] if octets.len() >= 16 => {
            16 + usize::from(u16::from_be_bytes([octets[14], octets[15]]))
        }
        _ => 0,
    }
}

/// The command's verb in capitals, and the reply.
fn answer(line: &[u8]) -> ([u8; 4], &'static [u8]) {
    let mut verb = [b' '; 4];
    for (to, from) in verb.iter_mut().zip(line) {
        *to = from.to_ascii_uppercase();
    }
    let reply: &[u8] = match &verb {
        b"EHLO" => {
            b"250-mta.example.org\r\n250-PIPELINING\r\n250-SIZE 2000000000\r\n250 8BITMIME\r\n"
        }
        b"DATA" => b"354 End data with <CR><LF>.<CR><LF>\r\n",
        b"QUIT" => b"221 2.0.0 Bye\r\n",
        b"HELO" => b"250 mta.example.org\r\n",
        _ => b"250 2.1.0 Ok\r\n",
    };
    (verb, reply)
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    // SAFETY: both pointers come with their lengths; a hit points into `octets`.
    unsafe {
        let hit = libc::memmem(
            octets.as_ptr().cast(),
            octets.len(),
            wanted.as_ptr().cast(),
            wanted.len(),
        );
        (!hit.is_null()).then(|| hit.cast::<u8>().offset_from_unsigned(octets.as_ptr()))
    }
}
