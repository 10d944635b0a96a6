//! When each address was here last: a table of fixed size in a file.
//!
//! Each address belongs to one bucket of four entries, and replaces the oldest
//! in it. Whoever fills the table on purpose only makes it forget. There is
//! nothing in the file that could be damaged: any octets are addresses and
//! times, and a time to come counts for nothing, so that neither a clock that
//! was set back nor a foreign file shuts anybody out.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::io::{pread, pwrite};

use crate::sys;

/// An entry: 16 octets of address, 8 of time in milliseconds, 8 of nothing.
const ENTRY: usize = 32;
/// Entries that are read together.
const BUCKET: usize = 4 * ENTRY;
/// 65536 addresses in 2 MiB.
const BUCKETS: u64 = 16_384;

/// Waiting for other sessions that look at the same bucket: each takes some
/// microseconds, but a burst from one address on a busy machine may queue up.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// Has so much time passed since this address was here last, or was it never
/// here? If so, it is noted as being here now. Of several sessions of one
/// address at once exactly one is told so.
///
/// # Errors
/// The state directory's, and the wait for others.
pub fn passed(directory: &Path, address: IpAddr, least: Duration) -> io::Result<bool> {
    let file = super::file(directory, "intervals")?;
    let key = key(address);
    let start = bucket(&key) * BUCKET as u64;
    let give_up = Instant::now() + LOCK_WAIT;
    while !sys::lock(file.as_fd(), start, BUCKET as u64)? {
        if Instant::now() >= give_up {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let mut octets = [0; BUCKET];
    // Behind the end of the file is nothing yet, which is no time.
    pread(&file, &mut octets, start)?;
    let mut oldest = (u64::MAX, 0);
    for (n, entry) in octets.chunks_exact(ENTRY).enumerate() {
        let (address, rest) = entry.split_at(key.len());
        let time = rest.first_chunk().map_or(0, |time| u64::from_le_bytes(*time));
        let time = if time > now { 0 } else { time };
        if address == key {
            if u128::from(now - time) < least.as_millis() {
                return Ok(false);
            }
            oldest = (0, n);
            break;
        }
        if time < oldest.0 {
            oldest = (time, n);
        }
    }
    let mut entry = [0; ENTRY];
    let (address, rest) = entry.split_at_mut(key.len());
    address.copy_from_slice(&key);
    if let Some(time) = rest.first_chunk_mut() {
        *time = now.to_le_bytes();
    }
    pwrite(&file, &entry, start + (oldest.1 * ENTRY) as u64)?;
    Ok(true)
}

/// Who is counted as one: an IPv6 customer has at least a /64 (RFC 6177).
fn key(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => (ip.to_bits() & !u128::from(u64::MAX)).to_be_bytes(),
    }
}

/// FNV-1a: whoever wants two addresses to share a bucket may.
fn bucket(key: &[u8; 16]) -> u64 {
    let mix = |hash: u64, &b: &u8| (hash ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325, mix);
    (hash ^ hash >> 32) % BUCKETS
}
