//! Exact counts: one session, single-stepped. Needs no hardware counters, so it works on any virtual machine.

use crate::{place, server::Subject};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{ptr, thread};

/// What a session's processes did in user space from the first instruction after exec to the last.
/// A step of a repeated string instruction counts as one instruction each.
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counts {
    pub instructions: u64,
    pub syscalls: u64,
    pub cpuid: u64,
}

/// The instructions' two octets, as read little-endian.
const SYSCALL: i64 = 0x050f;
const CPUID: i64 = 0xa20f;

const OPTIONS: libc::c_int = libc::PTRACE_O_EXITKILL
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE;

/// What the client does in a session.
pub type Play = fn(SocketAddr) -> io::Result<Duration>;

/// Counts one session of the subject.
pub fn one_session(subject: &Subject, play: Play) -> io::Result<Counts> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let client = thread::spawn(move || play(address));
    let (socket, _) = listener.accept()?;

    let mut command = Command::new(&subject.command[0]);
    command.args(&subject.command[1..]).stderr(Stdio::null());
    // As inetd starts it: the C library counts the letters of the name and of the variables.
    command.arg0("smtp-wrapper").env_clear().env("PATH", "/usr/bin:/bin");
    command.stdin(OwnedFd::from(socket.try_clone()?)).stdout(OwnedFd::from(socket));
    // SAFETY: a system call without pointers.
    unsafe {
        command.pre_exec(|| {
            place::end_with_parent();
            match libc::ptrace(libc::PTRACE_TRACEME) {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            }
        });
    }
    let child = command.spawn()?;
    // Else its copies of the socket would keep the session's end from the client.
    drop(command);
    let counts = follow(child.id().try_into().map_err(io::Error::other)?)?;
    client.join().map_err(|_| io::Error::other("the client failed"))??;
    Ok(counts)
}

/// Steps the process, and all it starts, until the last has ended.
fn follow(first: libc::pid_t) -> io::Result<Counts> {
    let mut counts = Counts::default();
    wait(first)?;
    // SAFETY: a stopped process of ours.
    unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, first, 0, OPTIONS) };
    count_next(first, &mut counts);
    step(first, 0);
    loop {
        let (pid, status) = match wait(-1) {
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(counts),
            result => result?,
        };
        if !libc::WIFSTOPPED(status) {
            continue;
        }
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        match signal {
            libc::SIGTRAP if event == 0 || event == libc::PTRACE_EVENT_EXEC => {
                count_next(pid, &mut counts);
                step(pid, 0);
            }
            // A fork in the parent, the first stop in the child.
            libc::SIGTRAP | libc::SIGSTOP => step(pid, 0),
            signal => step(pid, signal),
        }
    }
}

fn wait(pid: libc::pid_t) -> io::Result<(libc::pid_t, libc::c_int)> {
    let mut status = 0;
    // SAFETY: one int is written.
    let pid = place::check(unsafe { libc::waitpid(pid, &mut status, libc::__WALL) })?;
    Ok((pid, status))
}

fn step(pid: libc::pid_t, signal: libc::c_int) {
    // SAFETY: nothing in our memory is touched. A process that was killed meanwhile shows up in `wait`.
    unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, pid, 0, signal) };
}

/// Counts the instruction that the next step will execute.
fn count_next(pid: libc::pid_t, counts: &mut Counts) {
    counts.instructions += 1;
    // SAFETY: all-zero is a valid value, and the kernel fills exactly this structure.
    let at = unsafe {
        let mut registers: libc::user_regs_struct = std::mem::zeroed();
        libc::ptrace(libc::PTRACE_GETREGS, pid, ptr::null_mut::<libc::c_void>(), &mut registers);
        registers.rip
    };
    // Near the end of a mapping, eight octets from here on may not be readable, but those before are.
    let octets = peek(pid, at).or_else(|| Some(peek(pid, at.wrapping_sub(6))? >> 48));
    match octets.map(|octets| octets & 0xffff) {
        Some(SYSCALL) => counts.syscalls += 1,
        Some(CPUID) => counts.cpuid += 1,
        _ => {}
    }
}

fn peek(pid: libc::pid_t, address: u64) -> Option<i64> {
    // SAFETY: the address is the other process's; -1 may be its content, so errno decides.
    unsafe {
        *libc::__errno_location() = 0;
        let octets = libc::ptrace(libc::PTRACE_PEEKTEXT, pid, address, 0);
        (*libc::__errno_location() == 0).then_some(octets)
    }
}
