//! Tickets (RFC 5077, RFC 8446 4.6.1): what a client is given of its session, so that it
//! can go on with it in another connection, which is another process of ours. The
//! keys that they are encrypted with are in a file of the state directory.
//!
//! ```text
//! magic 8; twice, the second that of before: name 16, made at 8 (seconds), key 32; checksum 8
//! ticket: name of the key 16, nonce 12, what was encrypted (AES-256-GCM)
//! ```
//!
//! A key makes tickets for [`PERIOD`] and reads them for as long again. Whoever finds it
//! older makes another one, if nobody else is at it: in one write, under a lock. A
//! file that is cut or mixed has a wrong checksum, and is made anew as well.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{Stat, fstat};
use rustix::io::{pread, pwrite};
use rustix::process::geteuid;
use rustls::server::ProducesTickets;

use crate::{file, state, sys};

/// How long a key makes tickets, in seconds, and then reads them: a day's tickets are
/// not all lost with one key.
const PERIOD: u64 = 6 * 60 * 60;

/// The file's name in the state directory.
pub(crate) const FILE: &str = "tls-tickets";

const MAGIC: &[u8; 8] = b"SWtckt1\n";
const NAME: usize = 16;
const KEY: usize = 32;
const SLOT: usize = NAME + 8 + KEY;
const SIZE: usize = MAGIC.len() + 2 * SLOT + 8;
const NONCE: usize = 12;

/// What a ticket of ours may be long: a client's certificates may be in it.
const LONGEST: usize = 16 * 1024;

/// A key.
#[derive(Clone, Copy)]
struct Key {
    name: [u8; NAME],
    made: u64,
    secret: [u8; KEY],
}

/// Not its secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("made", &self.made).finish_non_exhaustive()
    }
}

/// The keys of the state directory.
#[derive(Debug)]
pub(crate) struct Tickets {
    current: Key,
    before: Option<Key>,
}

impl Tickets {
    /// Reads them, and makes them if there are none or they are old.
    ///
    /// # Errors
    /// Those of the file; it is not ours alone.
    pub(crate) fn open(directory: &Path) -> io::Result<Tickets> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Tickets::open_at(directory, now)
    }

    fn open_at(directory: &Path, now: u64) -> io::Result<Tickets> {
        let file = state::file(directory, FILE)?;
        private(&fstat(&file)?)?;
        let found = read(&file)?;
        let fresh = |tickets: &Tickets| age(&tickets.current, now).is_some_and(|age| age < PERIOD);
        let found = match found {
            Some(tickets) if fresh(&tickets) => return Ok(tickets.at(now)),
            found => found,
        };
        if !sys::lock(file.as_fd(), 0, 1)? {
            // Somebody else is at it; what there is still serves, if it is anything.
            return found.map(|tickets| tickets.at(now)).ok_or(io::ErrorKind::WouldBlock.into());
        }
        match read(&file)? {
            Some(tickets) if fresh(&tickets) => Ok(tickets.at(now)),
            found => {
                let current = Key::make(now)?;
                let tickets = Tickets { current, before: found.map(|of| of.current) };
                let octets = tickets.encode();
                match pwrite(&file, &octets, 0)? {
                    SIZE => Ok(tickets.at(now)),
                    _ => Err(io::ErrorKind::WriteZero.into()),
                }
            }
        }
    }

    /// Those that still count.
    fn at(mut self, now: u64) -> Tickets {
        self.before = self.before.filter(|key| age(key, now).is_some_and(|age| age < 2 * PERIOD));
        self
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SIZE);
        out.extend_from_slice(MAGIC);
        for key in [Some(self.current), self.before] {
            let key = key.unwrap_or(Key { name: [0; NAME], made: 0, secret: [0; KEY] });
            out.extend_from_slice(&key.name);
            out.extend_from_slice(&key.made.to_le_bytes());
            out.extend_from_slice(&key.secret);
        }
        out.extend_from_slice(&file::checksum(0, &out).to_le_bytes());
        out
    }
}

/// Is the file ours alone? Who knows the keys reads the sessions.
fn private(stat: &Stat) -> io::Result<()> {
    #[allow(clippy::unnecessary_cast)] // The width differs between systems.
    let open = stat.st_mode as u32 & 0o077 != 0;
    match open || stat.st_uid != geteuid().as_raw() {
        true => Err(io::Error::other(format!("{FILE} is not ours alone"))),
        false => Ok(()),
    }
}

/// How old a key is; `None` if it is yet to be made, for the clock was set back.
fn age(key: &Key, now: u64) -> Option<u64> {
    now.checked_sub(key.made)
}

/// What is in the file; `None` if that is nothing of use.
fn read(file: &OwnedFd) -> io::Result<Option<Tickets>> {
    let mut octets = [0; SIZE];
    let count = pread(file, &mut octets, 0)?;
    Ok(octets.get(..count).and_then(decode))
}

fn decode(octets: &[u8]) -> Option<Tickets> {
    let (body, sum) = octets.split_at_checked(SIZE - 8)?;
    if sum != file::checksum(0, body).to_le_bytes() {
        return None;
    }
    let (current, before) = body.strip_prefix(MAGIC)?.split_at_checked(SLOT)?;
    let (current, before) = (Key::decode(current)?, Key::decode(before)?);
    Some(Tickets { current, before: Some(before).filter(|key| key.made > 0) })
}

impl Key {
    fn make(now: u64) -> io::Result<Key> {
        let mut key = Key { name: [0; NAME], made: now, secret: [0; KEY] };
        let random = SystemRandom::new();
        let filled = random.fill(&mut key.name).and_then(|()| random.fill(&mut key.secret));
        filled.map_err(|_| io::Error::other("there are no random numbers"))?;
        Ok(key)
    }

    fn decode(slot: &[u8]) -> Option<Key> {
        let (name, rest) = slot.split_first_chunk()?;
        let (made, secret) = rest.split_first_chunk()?;
        let made = u64::from_le_bytes(*made);
        Some(Key { name: *name, made, secret: secret.try_into().ok()? })
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.secret).ok().map(LessSafeKey::new)
    }

    fn open(&self, nonce: [u8; NONCE], sealed: &[u8]) -> Option<Vec<u8>> {
        let (mut octets, nonce) = (sealed.to_vec(), Nonce::assume_unique_for_key(nonce));
        let plain = self.cipher()?.open_in_place(nonce, Aad::from(self.name), &mut octets);
        let length = plain.ok()?.len();
        octets.truncate(length);
        Some(octets)
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        PERIOD as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        // By chance, as processes cannot count together: of 2^32 tickets of one key two
        // would share a nonce with a chance of one in 2^33 (NIST SP 800-38D 8.3).
        let mut nonce = [0; NONCE];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let key = &self.current;
        let mut octets = plain.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        key.cipher()?.seal_in_place_append_tag(unique, Aad::from(key.name), &mut octets).ok()?;
        Some([&key.name[..], &nonce, &octets].concat()).filter(|ticket| ticket.len() <= LONGEST)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        if ticket.len() > LONGEST {
            return None;
        }
        // Names are no secrets: they stand in each ticket.
        let keys = std::iter::once(&self.current).chain(&self.before);
        keys.into_iter().find(|key| key.name == *name)?.open(*nonce, sealed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails so")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("sw-tickets-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn a_ticket_is_read_by_another_process_for_two_periods() {
        let folder = folder("periods");
        let start = 1_000_000;
        let ticket = Tickets::open_at(&folder, start).unwrap().encrypt(b"session").unwrap();
        let at = |now| Tickets::open_at(&folder, now).unwrap().decrypt(&ticket);
        assert_eq!(at(start + PERIOD - 1).as_deref(), Some(&b"session"[..]));
        // The key is made anew, and the one before is kept,
        assert_eq!(at(start + PERIOD).as_deref(), Some(&b"session"[..]));
        assert_eq!(at(start + 2 * PERIOD - 1).as_deref(), Some(&b"session"[..]));
        // but not for ever.
        assert_eq!(at(start + 2 * PERIOD), None);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_clock_that_was_set_back_makes_a_new_key() {
        let folder = folder("clock");
        let later = Tickets::open_at(&folder, 2_000_000).unwrap();
        let now = Tickets::open_at(&folder, 1_000_000).unwrap();
        assert_ne!(later.current.name, now.current.name);
        assert_eq!(now.current.made, 1_000_000);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn damage_is_found_and_mended() {
        let folder = folder("damage");
        let first = Tickets::open_at(&folder, 1_000_000).unwrap();
        let path = folder.join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for at in 0..SIZE {
            let mut octets = first.encode();
            octets[at] ^= 1;
            assert!(decode(&octets).is_none(), "{at}");
            assert!(decode(&octets[..at]).is_none(), "{at}");
        }
        fs::write(&path, b"what?").unwrap();
        let second = Tickets::open_at(&folder, 1_000_000).unwrap();
        assert_ne!(first.current.name, second.current.name);
        assert_eq!(Tickets::open_at(&folder, 1_000_000).unwrap().current.name, second.current.name);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn keys_that_others_can_read_are_none() {
        let folder = folder("open");
        Tickets::open_at(&folder, 1_000_000).unwrap();
        fs::set_permissions(folder.join(FILE), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Tickets::open_at(&folder, 1_000_000).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_no_ticket_is_none() {
        let folder = folder("none");
        let tickets = Tickets::open_at(&folder, 1_000_000).unwrap();
        let ticket = tickets.encrypt(b"session").unwrap();
        for at in 0..ticket.len() {
            let mut bad = ticket.clone();
            bad[at] ^= 1;
            assert_eq!(tickets.decrypt(&bad), None, "{at}");
            assert_eq!(tickets.decrypt(&ticket[..at]), None, "{at}");
        }
        assert_eq!(tickets.decrypt(&vec![0; 20_000]), None);
        fs::remove_dir_all(&folder).unwrap();
    }
}
