//! Which system calls a session has left: programs for the kernel, made by the compiler.
//!
//! What they cost is their length, for each session has its program compiled by the
//! kernel, some 0.25 µs an instruction; and what a program decides by comparing alone, the
//! kernel tries with each call there is, which takes longer than to compile it. So calls are
//! bits of a few words, which the program shifts: half the cost of a list of comparisons.
//!
//! What is denied fails with EPERM and is logged by the kernel: a call that nobody
//! thought of, of a new C library or kernel, is then an error among others and
//! not a session that dies with its message.

use libc::sock_filter;

use super::calls::{CHILDREN, FILES, HOST, RELAY};
use crate::sandbox::cage::Class;

/// The program for a session of this class.
pub(super) fn program(class: Class) -> &'static [sock_filter] {
    let program = match class {
        Class::Relay => &FOR_RELAY,
        Class::Files => &FOR_FILES,
        Class::Children => &FOR_CHILDREN,
        Class::Programs => &FOR_PROGRAMS,
    };
    program.code.get(..program.len).unwrap_or_default()
}

// They have names, so that the linker can put the usual one where it is wanted (src/layout.ld).
static FOR_RELAY: Program = allow(&[RELAY]);
static FOR_FILES: Program = allow(&[RELAY, FILES]);
static FOR_CHILDREN: Program = allow(&[RELAY, FILES, CHILDREN]);
static FOR_PROGRAMS: Program = deny(HOST);

/// The one kind of calls that is known here (linux/audit.h): others have other numbers.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: u32 = 0xc000_00f3;

/// Where the kernel's `seccomp_data` has what is looked at.
const NUMBER: u32 = 0;
const KIND: u32 = 4;
/// The lower half of an argument; all these machines are little-endian.
const fn argument(n: u32) -> u32 {
    16 + 8 * n
}

/// From here on the numbers are those of x86-64's own 32-bit calls (x32).
const X32: u32 = 0x4000_0000;

const DENIED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
/// There is no such call: C libraries then take the older one.
const MISSING: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// The flags of clone(2) that make namespaces.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// To send with this connects (TCP Fast Open), and Landlock is not asked.
const CONNECTS: u32 = libc::MSG_FASTOPEN as u32;
/// Protocols that become TCP on the way, MPTCP and SMC, have this bit; those of IP are below it.
const OVER_TCP: u32 = 0x100;
/// The family of sockets for the latter (linux/socket.h).
const SMC: u32 = 43;

/// Commands of fcntl(2) that say which process is sent which signal when a socket is ready have this
/// bit, and those that a session uses have not. Landlock looks at that from Linux 6.12 on.
const SIGNALS: u32 = 8;

/// What types of sockets have in common that are neither streams nor datagrams; but for raw ones,
/// which need a protocol.
const UNUSUAL: u32 = 0b1100;

/// Numbers of calls are below 32 times this.
const WORDS: usize = 16;
/// From so many calls on a word of bits is shorter than a comparison for each.
const WORTH_A_WORD: u32 = 5;

const MOST: usize = 128;
/// Where a jump goes that decides: to one of the two ends, which all share. No jump is as long.
const ALLOW: u8 = 255;
const DENY: u8 = 254;

struct Program {
    code: [sock_filter; MOST],
    len: usize,
}

impl Program {
    /// Puts the number of the call into both registers; ends other kinds of calls.
    const fn new() -> Program {
        let mut program =
            Program { code: [sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; MOST], len: 0 };
        // The kernel tries a program with each call there is, to know those that need no asking, until it
        // comes to an instruction that it does not try. There is no such call, so this one is the first:
        // 4 µs less than as the fifth.
        program.add(libc::BPF_LDX | libc::BPF_IMM, 0, 0, 0);
        program.load(KIND);
        program.jump(libc::BPF_JEQ, ARCHITECTURE, 1, 0);
        program.end(libc::SECCOMP_RET_KILL_PROCESS);
        program.load(NUMBER);
        program.add(libc::BPF_MISC | libc::BPF_TAX, 0, 0, 0);
        program
    }

    const fn add(&mut self, code: u32, jt: u8, jf: u8, k: u32) {
        assert!(self.len < MOST, "the program is too long");
        #[allow(clippy::indexing_slicing)] // By the compiler, once.
        {
            self.code[self.len] = sock_filter { code: code as u16, jt, jf, k };
        }
        self.len += 1;
    }

    const fn load(&mut self, offset: u32) {
        self.add(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    }

    const fn jump(&mut self, condition: u32, k: u32, yes: u8, no: u8) {
        self.add(libc::BPF_JMP | condition | libc::BPF_K, yes, no, k);
    }

    const fn end(&mut self, how: u32) {
        self.add(libc::BPF_RET | libc::BPF_K, 0, 0, how);
    }

    /// Allows a call whose n-th argument has none of these bits.
    const fn allow_without(&mut self, call: libc::c_long, n: u32, bits: u32) {
        self.jump(libc::BPF_JEQ, call as u32, 0, 2);
        self.load(argument(n));
        self.jump(libc::BPF_JSET, bits, DENY, ALLOW);
    }

    /// Allows the calls whose bits are set, and denies all others.
    #[allow(clippy::indexing_slicing)] // By the compiler, once.
    const fn words(&mut self, words: &[u32; WORDS]) {
        let mut ways = [0; WORDS];
        let (mut n, mut before) = (0, 0);
        while n < WORDS {
            let first = 32 * n as u32;
            if words[n].count_ones() >= WORTH_A_WORD {
                if n > before {
                    self.jump(libc::BPF_JGE, first, 0, DENY);
                }
                self.jump(libc::BPF_JGE, first + 32, 2, 0);
                self.add(libc::BPF_LD | libc::BPF_IMM, 0, 0, words[n]);
                ways[n] = self.len;
                self.add(libc::BPF_JMP | libc::BPF_JA, 0, 0, 0);
                before = n + 1;
            } else {
                let mut bits = words[n];
                while bits != 0 {
                    self.jump(libc::BPF_JEQ, first + bits.trailing_zeros(), ALLOW, 0);
                    bits &= bits - 1;
                }
            }
            n += 1;
        }
        self.end(DENIED);
        let mut n = 0;
        while n < WORDS {
            if ways[n] > 0 {
                self.code[ways[n]].k = (self.len - ways[n] - 1) as u32;
            }
            n += 1;
        }
        // By the lowest five bits of the number (RFC 9669 4.1).
        self.add(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_X, 0, 0, 0);
        self.jump(libc::BPF_JSET, 1, ALLOW, DENY);
    }

    /// Puts the ends behind all, and has the jumps lead there.
    #[allow(clippy::indexing_slicing)] // By the compiler, once.
    const fn finished(mut self) -> Program {
        let (allow, deny) = (self.len, self.len + 1);
        let mut at = 0;
        while at < allow {
            let (to_allow, to_deny) = ((allow - at - 1) as u8, (deny - at - 1) as u8);
            let one = &mut self.code[at];
            one.jt = Self::landed(one.jt, to_allow, to_deny);
            one.jf = Self::landed(one.jf, to_allow, to_deny);
            at += 1;
        }
        self.end(libc::SECCOMP_RET_ALLOW);
        self.end(DENIED);
        self
    }

    const fn landed(jump: u8, to_allow: u8, to_deny: u8) -> u8 {
        match jump {
            ALLOW => to_allow,
            DENY => to_deny,
            other => other,
        }
    }
}

/// Allows these calls, sockets of the Internet and of Unix, and memory that is no code. Sockets are
/// of the usual protocols, which 0 stands for, and connected by connect: elsewhere Landlock does not
/// see where to, and raw ones show root what all the host receives.
const fn allow(lists: &[&[libc::c_long]]) -> Program {
    let mut program = Program::new();
    // Of the usual protocol and type: Landlock knows ports of TCP alone, and others than TCP connect to
    // them; raw ones show root what all the host receives.
    program.jump(libc::BPF_JEQ, libc::SYS_socket as u32, 0, 8);
    program.load(argument(2));
    program.jump(libc::BPF_JEQ, 0, 0, DENY);
    program.load(argument(1));
    program.jump(libc::BPF_JSET, UNUSUAL, DENY, 0);
    program.load(argument(0));
    program.jump(libc::BPF_JEQ, libc::AF_INET as u32, ALLOW, 0);
    program.jump(libc::BPF_JEQ, libc::AF_INET6 as u32, ALLOW, 0);
    program.jump(libc::BPF_JEQ, libc::AF_UNIX as u32, ALLOW, DENY);
    program.allow_without(libc::SYS_mmap, 2, libc::PROT_EXEC as u32);
    program.allow_without(libc::SYS_sendto, 3, CONNECTS);
    program.allow_without(libc::SYS_fcntl, 1, SIGNALS);
    program.words(&words(lists));
    program.finished()
}

/// A bit for each of these calls.
#[allow(clippy::indexing_slicing)] // By the compiler, once.
const fn words(lists: &[&[libc::c_long]]) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    let (mut list, mut at) = (0, 0);
    while list < lists.len() {
        while at < lists[list].len() {
            let number = lists[list][at] as usize;
            words[number / 32] |= 1 << (number % 32);
            at += 1;
        }
        (list, at) = (list + 1, 0);
    }
    words
}

/// Denies these calls, new namespaces, and ways to a TCP port that Landlock does not see.
#[allow(clippy::indexing_slicing)] // By the compiler, once.
const fn deny(list: &[libc::c_long]) -> Program {
    let mut program = Program::new();
    program.jump(libc::BPF_JGE, X32, DENY, 0);
    program.jump(libc::BPF_JEQ, libc::SYS_socket as u32, 0, 4);
    program.load(argument(2));
    program.jump(libc::BPF_JSET, OVER_TCP, DENY, 0);
    program.load(argument(0));
    program.jump(libc::BPF_JEQ, SMC, DENY, ALLOW);
    program.allow_without(libc::SYS_sendto, 3, CONNECTS);
    program.allow_without(libc::SYS_sendmmsg, 3, CONNECTS);
    program.allow_without(libc::SYS_sendmsg, 2, CONNECTS);
    let mut at = 0;
    while at < list.len() {
        program.jump(libc::BPF_JEQ, list[at] as u32, DENY, 0);
        at += 1;
    }
    // What clone3 is given lies in memory, where no program can look.
    program.jump(libc::BPF_JEQ, libc::SYS_clone3 as u32, 0, 1);
    program.end(MISSING);
    program.jump(libc::BPF_JEQ, libc::SYS_clone as u32, 0, ALLOW);
    program.load(argument(0));
    program.jump(libc::BPF_JSET, NAMESPACES, DENY, ALLOW);
    program.finished()
}

#[cfg(test)]
mod tests;
