//! The launcher: one process per connection, with as little around it as Linux allows.
//!
//! It shares its memory with the child until exec (the way of vfork) and does nothing else between two
//! connections, so that what is measured is the session. The standard library's `Command` resets each
//! signal in the child, some sixty system calls, which would be charged to the floor and flatter all ratios.

use std::ffi::{CString, c_char, c_int, c_void};
use std::{io, ptr};

/// The listening socket: `server.rs` binds it, and shuts it down to end the launcher.
const LISTENER: c_int = 0;

/// Room for the child's few calls before exec.
const STACK: usize = 64 * 1024;

struct Session {
    arguments: Vec<*const c_char>,
    socket: c_int,
}

/// Starts `command` for each connection until the listening socket is shut down, then waits for all of them.
pub fn run(command: &[String]) -> io::Result<()> {
    let words: Vec<CString> =
        command.iter().map(|word| CString::new(word.as_str())).collect::<Result<_, _>>()?;
    let mut arguments: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).collect();
    arguments.push(ptr::null());
    let mut session = Session { arguments, socket: -1 };
    let mut stack = vec![0_u128; STACK / size_of::<u128>()];

    loop {
        // SAFETY: no address is asked for.
        session.socket = unsafe {
            libc::accept4(LISTENER, ptr::null_mut(), ptr::null_mut(), libc::SOCK_CLOEXEC)
        };
        if session.socket == -1 {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINVAL) => break,
                Some(libc::EINTR | libc::ECONNABORTED) => continue,
                _ => return Err(error),
            }
        }
        start(&mut session, &mut stack)?;
        // SAFETY: the descriptor is ours, and no status is asked for.
        unsafe {
            libc::close(session.socket);
            while libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) > 0 {}
        }
    }
    // SAFETY: no status is asked for.
    while unsafe { libc::waitpid(-1, ptr::null_mut(), 0) } > 0 {}
    Ok(())
}

fn start(session: &mut Session, stack: &mut [u128]) -> io::Result<()> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let top = stack.as_mut_ptr_range().end.cast::<c_void>();
    // SAFETY: with CLONE_VFORK we stand still until the child has gone to exec or exit, so it may use our
    // memory; it has its own stack, whose top is aligned as the ABI asks.
    let child = unsafe { libc::clone(become_session, top, flags, ptr::from_mut(session).cast()) };
    crate::place::check(child).map(drop)
}

extern "C" fn become_session(session: *mut c_void) -> c_int {
    // SAFETY: `start` passes a Session that outlives us, and its arguments end with a null pointer.
    unsafe {
        let session = &*session.cast::<Session>();
        libc::dup2(session.socket, 0);
        libc::dup2(session.socket, 1);
        libc::execv(session.arguments[0], session.arguments.as_ptr());
        libc::_exit(127)
    }
}
