//! The programs, run as the kernel would run them.

#![allow(clippy::indexing_slicing)]

use super::*;

/// linux/fcntl.h
const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;

/// What the program says of a call, as the kernel would run it.
fn verdict(class: Class, number: i64, arguments: [u64; 6]) -> u32 {
    let mut data = [0; 64];
    data[..4].copy_from_slice(&(number as u32).to_ne_bytes());
    data[4..8].copy_from_slice(&ARCHITECTURE.to_ne_bytes());
    for (place, argument) in data[16..].chunks_mut(8).zip(arguments) {
        place.copy_from_slice(&argument.to_ne_bytes());
    }
    run(program(class), &data)
}

fn run(program: &[sock_filter], data: &[u8; 64]) -> u32 {
    let (mut at, mut a, mut x) = (0, 0_u32, 0_u32);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        let code = u32::from(code);
        let jump = |yes: bool| usize::from(if yes { jt } else { jf });
        at += 1;
        match code & 7 {
            libc::BPF_RET => return k,
            libc::BPF_MISC => x = a,
            libc::BPF_LD if code & 0xe0 == libc::BPF_IMM => a = k,
            libc::BPF_LD => {
                let octets = data[k as usize..][..4].try_into().unwrap_or_default();
                a = u32::from_ne_bytes(octets);
            }
            libc::BPF_LDX => x = k,
            libc::BPF_ALU => a >>= x & 31,
            _ => {
                at += match code & 0xf0 {
                    libc::BPF_JA => k as usize,
                    libc::BPF_JEQ => jump(a == k),
                    libc::BPF_JGE => jump(a >= k),
                    _ => jump(a & k != 0),
                }
            }
        }
    }
}

#[test]
fn each_call_there_may_be_is_allowed_or_not_as_it_is_listed() {
    let special = [libc::SYS_socket, libc::SYS_mmap, libc::SYS_sendto, libc::SYS_fcntl];
    for number in (0..600).chain([i64::from(X32), i64::from(X32) + 1, i64::from(u32::MAX)]) {
        if special.contains(&number) {
            continue;
        }
        let expected = |allowed| if allowed { libc::SECCOMP_RET_ALLOW } else { DENIED };
        let relay = RELAY.contains(&number);
        assert_eq!(verdict(Class::Relay, number, [0; 6]), expected(relay), "{number}");
        let files = relay || FILES.contains(&number);
        assert_eq!(verdict(Class::Files, number, [0; 6]), expected(files), "{number}");
        let programs = match number {
            libc::SYS_clone3 => MISSING,
            _ => expected(!HOST.contains(&number) && number < i64::from(X32)),
        };
        assert_eq!(verdict(Class::Programs, number, [0; 6]), programs, "{number}");
    }
}

#[test]
fn arguments_are_looked_at() {
    let is = |class, call, arguments| verdict(class, call, arguments) == libc::SECCOMP_RET_ALLOW;
    for class in [Class::Relay, Class::Files] {
        for (family, allowed) in [
            (libc::AF_INET, true),
            (libc::AF_INET6, true),
            (libc::AF_UNIX, true),
            (libc::AF_NETLINK, false),
            (libc::AF_PACKET, false),
            (libc::AF_ALG, false),
            (0, false),
        ] {
            let socket = |kind: i32, protocol: i32| {
                let arguments = [family as u64, kind as u64, protocol as u64, 0, 0, 0];
                is(class, libc::SYS_socket, arguments)
            };
            assert_eq!(socket(libc::SOCK_DGRAM, 0), allowed, "{family}");
            assert_eq!(socket(libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0), allowed, "{family}");
            assert!(!socket(libc::SOCK_STREAM, libc::IPPROTO_MPTCP));
            assert!(!socket(libc::SOCK_RAW, libc::IPPROTO_TCP));
            assert!(!socket(libc::SOCK_SEQPACKET | libc::SOCK_NONBLOCK, 0));
        }
        let control = |command: i32| is(class, libc::SYS_fcntl, [0, command as u64, 0, 0, 0, 0]);
        let used = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];
        let locks = [libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK, libc::F_OFD_SETLKW];
        assert!(used.into_iter().chain(locks).chain([libc::F_DUPFD_CLOEXEC]).all(control));
        assert!(![libc::F_SETOWN, F_SETSIG, F_SETOWN_EX].into_iter().any(control));
        let send = |flags: i32| is(class, libc::SYS_sendto, [9, 0, 0, flags as u64, 0, 0]);
        assert!(send(libc::MSG_NOSIGNAL) && !send(libc::MSG_NOSIGNAL | libc::MSG_FASTOPEN));
        let memory = |access: i32| is(class, libc::SYS_mmap, [0, 4096, access as u64, 0, 0, 0]);
        assert!(memory(libc::PROT_READ | libc::PROT_WRITE));
        assert!(!memory(libc::PROT_READ | libc::PROT_EXEC) && !memory(libc::PROT_EXEC));
    }
    for class in [Class::Relay, Class::Files, Class::Programs] {
        let send = |flags: i32| is(class, libc::SYS_sendto, [0, 0, 0, flags as u64, 0, 0]);
        assert!(send(libc::MSG_NOSIGNAL) && !send(libc::MSG_NOSIGNAL | libc::MSG_FASTOPEN));
    }
    let socket = |family: u32, protocol: i32| {
        is(Class::Programs, libc::SYS_socket, [family.into(), 1, protocol as u64, 0, 0, 0])
    };
    let (internet, netlink) = (libc::AF_INET as u32, libc::AF_NETLINK as u32);
    assert!(socket(internet, 0) && socket(internet, libc::IPPROTO_TCP) && socket(netlink, 0));
    assert!(!socket(internet, libc::IPPROTO_MPTCP) && !socket(SMC, 0));
    let clone = |flags: i32| is(Class::Programs, libc::SYS_clone, [flags as u64, 0, 0, 0, 0, 0]);
    assert!(clone(libc::SIGCHLD) && clone(libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD));
    for (call, flags) in [
        (libc::SYS_sendto, [0, 0, 0, libc::MSG_FASTOPEN as u64, 0, 0]),
        (libc::SYS_sendmmsg, [0, 0, 0, libc::MSG_FASTOPEN as u64, 0, 0]),
        (libc::SYS_sendmsg, [0, 0, libc::MSG_FASTOPEN as u64, 0, 0, 0]),
        (libc::SYS_socket, [SMC.into(), 1, 0, 0, 0, 0]),
        (libc::SYS_socket, [2, 1, libc::IPPROTO_MPTCP as u64, 0, 0, 0]),
    ] {
        assert!(!is(Class::Programs, call, flags), "{call}");
        assert!(is(Class::Programs, call, [16, 3, 0, 0, 0, 0]), "{call}");
    }
    assert!(!clone(libc::CLONE_NEWUSER) && !clone(libc::CLONE_NEWNET | libc::SIGCHLD));
}

#[test]
fn other_kinds_of_calls_end_the_process() {
    let data = [0; 64];
    for class in [Class::Relay, Class::Files, Class::Programs] {
        assert_eq!(run(program(class), &data), libc::SECCOMP_RET_KILL_PROCESS);
    }
}

#[test]
fn the_program_of_a_plain_session_is_short() {
    // Elsewhere the calls' numbers lie farther apart.
    let most = if cfg!(target_arch = "x86_64") { 43 } else { 50 };
    assert!(program(Class::Relay).len() <= most, "{}", program(Class::Relay).len());
}
