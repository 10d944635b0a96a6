//! Exact counts: one session, single-stepped. Needs no hardware counters, so it works on any virtual machine.

use crate::client::Play;
use crate::{place, process, server::Subject};
use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fs, io, ptr, thread};

/// What a session's processes did in user space from the first instruction after exec to the last.
/// A step of a repeated string instruction counts as one instruction each.
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counts {
    pub instructions: u64,
    pub syscalls: u64,
    pub cpuid: u64,
    /// Of these instructions those of the vDSO, which is the kernel's: how many it takes to tell the time is
    /// another number on another machine.
    pub vdso: u64,
}

impl Counts {
    /// The program's own instructions, which are the same on every machine.
    pub fn own(&self) -> u64 {
        self.instructions - self.vdso
    }
}

/// The instructions' two octets, as read little-endian.
const SYSCALL: i64 = 0x050f;
const CPUID: i64 = 0xa20f;

const OPTIONS: libc::c_int = libc::PTRACE_O_EXITKILL
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE;

/// A session under way: its process, which stands still before its first instruction, and its client.
struct Traced {
    pid: libc::pid_t,
    client: JoinHandle<io::Result<Duration>>,
}

impl Traced {
    fn start(subject: &Subject, play: Play, options: libc::c_int) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let client = thread::spawn(move || play(address));
        let (socket, _) = listener.accept()?;

        let mut command = Command::new(&subject.command[0]);
        command.args(&subject.command[1..]).stderr(Stdio::null());
        // As inetd starts it: the C library counts the letters of the name and of the variables.
        command.arg0("smtp-wrapper").env_clear().env("PATH", "/usr/bin:/bin");
        command.envs(subject.variables.iter().copied());
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
        let pid = child.id().try_into().map_err(io::Error::other)?;
        wait(pid)?;
        // SAFETY: a stopped process of ours.
        unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options) };
        Ok(Self { pid, client })
    }

    fn end(self) -> io::Result<()> {
        self.client.join().map_err(|_| io::Error::other("the client failed"))?.map(drop)
    }
}

/// Counts one session of the subject.
pub fn one_session(subject: &Subject, play: Play) -> io::Result<Counts> {
    let traced = Traced::start(subject, play, OPTIONS)?;
    let mut counts = Counts::default();
    let mut vdso = vdso(traced.pid)?;
    follow(traced.pid, |pid, has_begun| {
        if has_begun {
            vdso = self::vdso(pid)?;
        }
        count_next(pid, &vdso, &mut counts)
    })?;
    traced.end()?;
    Ok(counts)
}

/// Where one session of the subject comes along: the addresses of its instructions, each once.
pub fn addresses(subject: &Subject, play: Play) -> io::Result<Vec<u64>> {
    let traced = Traced::start(subject, play, OPTIONS)?;
    let (mut seen, mut addresses) = (HashSet::new(), Vec::new());
    follow(traced.pid, |pid, _| {
        let at = address(pid);
        if seen.insert(at) {
            addresses.push(at);
        }
        Ok(())
    })?;
    traced.end()?;
    Ok(addresses)
}

/// Page faults of one session of the subject, which is one process, from its first instruction to its last. Not
/// single-stepped: who looks at an instruction brings in its page.
pub fn faults(subject: &Subject, play: Play) -> io::Result<u64> {
    let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACEEXIT;
    let traced = Traced::start(subject, play, options)?;
    let before = process::faults(traced.pid)?;
    let mut after = None;
    proceed(libc::PTRACE_CONT, traced.pid, 0);
    loop {
        let (pid, status) = wait(traced.pid)?;
        if !libc::WIFSTOPPED(status) {
            break;
        }
        if status >> 16 == libc::PTRACE_EVENT_EXIT {
            after = Some(process::faults(pid)?);
        }
        let signal = libc::WSTOPSIG(status);
        proceed(libc::PTRACE_CONT, pid, if signal == libc::SIGTRAP { 0 } else { signal });
    }
    traced.end()?;
    Ok(after.ok_or_else(|| io::Error::other("a session's end was not seen"))? - before)
}

/// Steps the process, and all it starts, until the last has ended. Before each step `look` is given the process, and
/// whether it is another program now.
fn follow(
    first: libc::pid_t,
    mut look: impl FnMut(libc::pid_t, bool) -> io::Result<()>,
) -> io::Result<()> {
    look(first, false)?;
    proceed(libc::PTRACE_SINGLESTEP, first, 0);
    loop {
        let (pid, status) = match wait(-1) {
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(()),
            result => result?,
        };
        if !libc::WIFSTOPPED(status) {
            continue;
        }
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        match signal {
            libc::SIGTRAP if event == 0 || event == libc::PTRACE_EVENT_EXEC => {
                look(pid, event == libc::PTRACE_EVENT_EXEC)?;
                proceed(libc::PTRACE_SINGLESTEP, pid, 0);
            }
            // A fork in the parent, the first stop in the child.
            libc::SIGTRAP | libc::SIGSTOP => proceed(libc::PTRACE_SINGLESTEP, pid, 0),
            signal => proceed(libc::PTRACE_SINGLESTEP, pid, signal),
        }
    }
}

fn wait(pid: libc::pid_t) -> io::Result<(libc::pid_t, libc::c_int)> {
    let mut status = 0;
    // SAFETY: one int is written.
    let pid = place::check(unsafe { libc::waitpid(pid, &mut status, libc::__WALL) })?;
    Ok((pid, status))
}

fn proceed(how: libc::c_uint, pid: libc::pid_t, signal: libc::c_int) {
    // SAFETY: nothing in our memory is touched. A process that was killed meanwhile shows up in `wait`.
    unsafe { libc::ptrace(how, pid, 0, signal) };
}

/// Where the process has the vDSO.
fn vdso(pid: libc::pid_t) -> io::Result<Range<u64>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let range = maps.lines().find(|line| line.ends_with("[vdso]")).and_then(|line| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
    });
    Ok(range.unwrap_or_default())
}

/// Where the instruction is that the next step will execute.
fn address(pid: libc::pid_t) -> u64 {
    // SAFETY: all-zero is a valid value, and the kernel fills exactly this structure.
    unsafe {
        let mut registers: libc::user_regs_struct = std::mem::zeroed();
        libc::ptrace(libc::PTRACE_GETREGS, pid, ptr::null_mut::<libc::c_void>(), &mut registers);
        registers.rip
    }
}

/// Counts that instruction.
fn count_next(pid: libc::pid_t, vdso: &Range<u64>, counts: &mut Counts) -> io::Result<()> {
    counts.instructions += 1;
    let at = address(pid);
    counts.vdso += u64::from(vdso.contains(&at));
    // Near the end of a mapping, eight octets from here on may not be readable, but those before are.
    let octets = peek(pid, at).or_else(|| Some(peek(pid, at.wrapping_sub(6))? >> 48));
    match octets.map(|octets| octets & 0xffff) {
        Some(SYSCALL) => counts.syscalls += 1,
        Some(CPUID) => counts.cpuid += 1,
        Some(_) => {}
        None => {
            return Err(io::Error::other("a session's instructions are for root to look at"));
        }
    }
    Ok(())
}

fn peek(pid: libc::pid_t, address: u64) -> Option<i64> {
    // SAFETY: the address is the other process's; -1 may be its content, so errno decides.
    unsafe {
        *libc::__errno_location() = 0;
        let octets = libc::ptrace(libc::PTRACE_PEEKTEXT, pid, address, 0);
        (*libc::__errno_location() == 0).then_some(octets)
    }
}
