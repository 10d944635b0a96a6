//! Where things run: a network of our own, the CPUs, the scheduling class.

use std::io;
use std::mem;
use std::ptr;

/// The load (client, MTA, log reader) and the servers each keep to one CPU. With a single CPU both are the same.
#[derive(Clone, Copy)]
pub struct Cpus {
    pub load: usize,
    pub server: usize,
}

/// The CPUs this process may use: the last for the load, the first for servers that get their own.
pub fn cpus() -> io::Result<Cpus> {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut allowed: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes at most the size we name.
    check(unsafe { libc::sched_getaffinity(0, size_of_val(&allowed), &mut allowed) })?;
    let mut usable = (0..libc::CPU_SETSIZE as usize)
        // SAFETY: the index is below CPU_SETSIZE.
        .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &allowed) });
    let first = usable.next().ok_or_else(|| io::Error::other("no CPU allowed"))?;
    Ok(Cpus { server: first, load: usable.next_back().unwrap_or(first) })
}

/// Keeps the calling thread, and what it starts, on one CPU, ahead of ordinary processes if we may.
///
/// Calls nothing but the kernel: it also runs between fork and exec.
pub fn settle_on(cpu: usize) -> io::Result<()> {
    // SAFETY: an all-zero cpu_set_t is the empty set, and the index is one the kernel gave us.
    let only = unsafe {
        let mut only: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(cpu, &mut only);
        only
    };
    // SAFETY: the kernel reads the size we name.
    check(unsafe { libc::sched_setaffinity(0, size_of_val(&only), &only) })?;
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: a plain structure by reference. Not allowed without privilege: then the figures are noisier.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &lowest) };
    Ok(())
}

/// Asks the kernel to end this process when its parent ends. For use between fork and exec.
pub fn end_with_parent() {
    // SAFETY: no pointers are passed.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) };
}

/// Makes us the parent of what our children leave behind: a resident server's processes, when its first one ends.
pub fn adopt() -> io::Result<()> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }).map(drop)
}

/// The version of the kernel's Landlock; 0 where there is none.
pub fn landlock() -> libc::c_long {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with this flag there is no structure to be read.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            ptr::null::<libc::c_void>(),
            0_usize,
            VERSION,
        )
    };
    version.max(0)
}

/// Moves this process into an empty network with only the loopback interface; false when that is not allowed.
pub fn private_network() -> io::Result<bool> {
    // SAFETY: no pointers are passed, and no other thread runs yet.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return Ok(false);
    }
    // SAFETY: plain system call; the descriptor is closed below.
    let socket =
        check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq.
    let up = check(unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS, &request) });
    // SAFETY: ours, and not used again.
    unsafe { libc::close(socket) };
    up.map(|_| true)
}

/// The system call's result, or errno as an error when it is -1.
pub fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
