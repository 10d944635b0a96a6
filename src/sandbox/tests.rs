//! From inside the cage: each forbidden thing is tried, and fails; what is needed works.
//!
//! A cage cannot be left, so each test starts this program once more, where a thread
//! shuts itself in and tries everything.

#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cage::{Bounds, shared, shut};
use super::*;
use crate::config::Settings;
use crate::upstream::Upstreams;

/// Where the second start finds what it is to do.
const NEEDS: &str = "SMTP_WRAPPER_TEST_NEEDS";
const FOLDER: &str = "SMTP_WRAPPER_TEST_FOLDER";
const MTA: &str = "SMTP_WRAPPER_TEST_MTA";

type Attempt = (&'static str, fn(&Place) -> io::Result<()>);

/// What the attempts know.
struct Place {
    folder: PathBuf,
    mta: u16,
    elsewhere: u16,
}

fn call(result: libc::c_long) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn socket_address(port: u16) -> libc::sockaddr_in {
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as _;
    address.sin_port = port.to_be();
    address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    address
}

/// Connects by this protocol.
fn connect(protocol: libc::c_int, port: u16) -> io::Result<()> {
    let there = socket_address(port);
    let (there, length) = (&raw const there, size_of::<libc::sockaddr_in>());
    call(
        unsafe {
            let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, protocol);
            libc::connect(socket, there.cast(), length as _)
        }
        .into(),
    )
}

/// What a session never has to do, whatever its needs.
const NEVER: &[Attempt] = &[
    ("trace another process", |_| {
        call(unsafe { libc::ptrace(libc::PTRACE_SEIZE, libc::getppid(), 0, 0) })
    }),
    ("read another's memory", |_| {
        let mut octet = 0_u8;
        let here = libc::iovec { iov_base: (&raw mut octet).cast(), iov_len: 1 };
        let there = libc::iovec { iov_base: (&raw mut octet).cast(), iov_len: 1 };
        let (here, there) = (&raw const here, &raw const there);
        call(unsafe { libc::process_vm_readv(libc::getppid(), here, 1, there, 1, 0) } as _)
    }),
    ("make namespaces", |_| call(unsafe { libc::unshare(libc::CLONE_NEWUSER) }.into())),
    ("mount", |_| {
        let none = std::ptr::null();
        let (what, at) = (c"tmpfs".as_ptr(), c"/mnt".as_ptr());
        call(unsafe { libc::mount(what, at, what, 0, none) }.into())
    }),
    ("change the root", |_| call(unsafe { libc::chroot(c"/".as_ptr()) }.into())),
    ("io_uring", |_| {
        let mut parameters = [0_u8; 256];
        call(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) })
    }),
    ("bpf", |_| {
        let mut attributes = [0_u8; 256];
        call(unsafe { libc::syscall(libc::SYS_bpf, 0, attributes.as_mut_ptr(), 128) })
    }),
    ("keys of the kernel", |_| call(unsafe { libc::syscall(libc::SYS_keyctl, 0, -3, 1) })),
    ("count events", |_| {
        let mut attributes = [0_u8; 256];
        let place = attributes.as_mut_ptr();
        call(unsafe { libc::syscall(libc::SYS_perf_event_open, place, 0, -1, -1, 0) })
    }),
    ("listen", |_| TcpListener::bind(("127.0.0.1", 0)).map(|_| ())),
    ("write elsewhere", |_| File::create("/var/smtp-wrapper-was-here").map(|_| ())),
    ("write to a device", |_| {
        File::options().write(true).open("/dev/kmsg").and_then(|mut file| file.write_all(b"x"))
    }),
    ("make a device", |place| {
        let path =
            std::ffi::CString::new(place.folder.join("null").as_os_str().as_encoded_bytes())?;
        call(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, 0x103) }.into())
    }),
];

/// What a session without programs never has to do.
const ALONE: &[Attempt] = &[
    ("read a file", |_| fs::read("/etc/passwd").map(|_| ())),
    ("list a directory", |_| fs::read_dir("/etc").map(|_| ())),
    ("run a program", |_| Command::new("/bin/true").status().map(|_| ())),
    ("become a program", |_| {
        // If it may, it finds that there is none.
        let words = [c"/none".as_ptr(), std::ptr::null()];
        match call(unsafe { libc::execv(c"/none".as_ptr(), words.as_ptr()) }.into()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }),
    ("fork", |_| match unsafe { libc::fork() } {
        0 => unsafe { libc::_exit(0) },
        pid => call(pid.into()),
    }),
    ("connect elsewhere", |place| TcpStream::connect(("127.0.0.1", place.elsewhere)).map(|_| ())),
    ("a raw socket", |_| call(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) }.into())),
    ("connect elsewhere by multipath TCP", |place| connect(262, place.elsewhere)),
    ("connect elsewhere with the first octets", |place| {
        let there = socket_address(place.elsewhere);
        let (there, length) = (&raw const there, size_of::<libc::sockaddr_in>());
        let (octet, flags) = (b"x", libc::MSG_FASTOPEN);
        call(unsafe {
            let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
            libc::sendto(socket, octet.as_ptr().cast(), 1, flags, there.cast(), length as _)
        } as _)
    }),
    ("connect elsewhere by a message", |place| {
        let mut there = socket_address(place.elsewhere);
        call(unsafe {
            let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_name = (&raw mut there).cast();
            message.msg_namelen = size_of::<libc::sockaddr_in>() as _;
            libc::sendmsg(socket, &raw const message, libc::MSG_FASTOPEN)
        } as _)
    }),
    ("raw packets of the Internet", |_| {
        call(unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_TCP) }.into())
    }),
    ("a socket that SCTP is made of", |_| {
        call(unsafe { libc::socket(libc::AF_INET, libc::SOCK_SEQPACKET, 0) }.into())
    }),
    ("netlink", |_| call(unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, 0) }.into())),
    ("memory to execute", |_| {
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let pages = unsafe { libc::mmap(std::ptr::null_mut(), 4096, access, kind, -1, 0) };
        if pages == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
    }),
    ("memory made to execute", |_| {
        let pages = std::alloc::Layout::from_size_align(4096, 4096).unwrap();
        let access = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        call(unsafe { libc::mprotect(std::alloc::alloc(pages).cast(), 4096, access) }.into())
    }),
    ("a file of memory", |_| call(unsafe { libc::memfd_create(c"x".as_ptr(), 0) }.into())),
    ("have another process signalled", |_| {
        let socket = UnixDatagram::unbound()?;
        let socket = std::os::fd::AsRawFd::as_raw_fd(&socket);
        call(unsafe { libc::fcntl(socket, libc::F_SETOWN, libc::getppid()) }.into())
    }),
    ("raise a limit", |_| {
        let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
        call(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }.into())
    }),
    ("change the user", |_| call(unsafe { libc::setuid(libc::getuid()) }.into())),
];

/// What only some have to do.
const FILES: &[Attempt] = &[("keep state", |place| fs::write(place.folder.join("state"), b"x"))];
const SPOOL: &[Attempt] = &[("spool", |_| {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::TMPFILE;
    let file = rustix::fs::open("/var/tmp", flags, rustix::fs::Mode::RUSR)?;
    Ok(rustix::io::write(&file, b"x").map(|_| ())?)
})];
const SIGNAL: &[Attempt] =
    &[("signal another process", |_| call(unsafe { libc::kill(libc::getppid(), 0) }.into()))];
const PROGRAMS: &[Attempt] = &[
    ("run a program", |_| match Command::new("/bin/true").status()?.success() {
        true => Ok(()),
        false => Err(ErrorKind::Other.into()),
    }),
    ("run a shell that reads and writes", |place| {
        let script = format!("cat /etc/passwd >{}/out && ls / >/dev/null", place.folder.display());
        match Command::new("/bin/sh").args(["-c", &script]).status()?.success() {
            true => Ok(()),
            false => Err(ErrorKind::Other.into()),
        }
    }),
];

/// What every session does.
const ALWAYS: &[Attempt] = &[
    ("call the MTA", |place| TcpStream::connect(("127.0.0.1", place.mta)).map(|_| ())),
    ("ask a name server", |_| {
        let socket = UdpSocket::bind(("127.0.0.1", 0));
        // Whoever asks does not bind.
        let socket = socket.or_else(|_| unbound())?;
        socket.connect(("127.0.0.1", 53))?;
        socket.send(b"x").map(|_| ())
    }),
    ("log", |_| UnixDatagram::unbound().map(|_| ())),
    ("take memory", |_| {
        let large = vec![1_u8; 3 << 20];
        if large.iter().all(|octet| *octet == 1) { Ok(()) } else { Err(ErrorKind::Other.into()) }
    }),
    ("have an alarm", |_| {
        let left = unsafe {
            libc::alarm(7200);
            libc::alarm(0)
        };
        if (1..=7200).contains(&left) { Ok(()) } else { Err(ErrorKind::Other.into()) }
    }),
    ("look at the clock", |_| {
        let _ = std::time::Instant::now();
        std::thread::sleep(std::time::Duration::from_millis(1));
        Ok(())
    }),
];

fn unbound() -> io::Result<UdpSocket> {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    Ok(socket.into())
}

/// The second start.
#[test]
fn inside() {
    let Ok(needs) = std::env::var(NEEDS) else { return };
    let needs = Needs(needs.parse().unwrap());
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let mta: u16 = std::env::var(MTA).unwrap().parse().unwrap();
    let elsewhere = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let place = Place { folder, mta, elsewhere: elsewhere.local_addr().unwrap().port() };
    let state = Box::leak(place.folder.clone().into_boxed_path());
    let upstream = Upstreams::read(&[format!("127.0.0.1:{mta}").leak()]).unwrap();
    let settings = Settings { state, upstream, ..Settings::default() };
    let shared = shared();
    let outcome = shut(&Bounds::of(&settings, needs, &shared));
    println!("\nshut: {outcome:?}");
    let all = [ALWAYS, NEVER, ALONE, FILES, SPOOL, SIGNAL, PROGRAMS];
    for (kind, attempts) in all.iter().enumerate() {
        for (name, attempt) in *attempts {
            println!(
                "tried {kind} {name}: {}",
                match attempt(&place) {
                    Ok(()) => "done".to_owned(),
                    Err(error) => format!("failed: {error}"),
                }
            );
        }
    }
}

/// Tries everything with these needs; gives what was done, by the place of its list.
fn tried(needs: Needs) -> Vec<(usize, String, bool)> {
    let folder = std::env::temp_dir().join(format!("cage-{}-{}", std::process::id(), needs.0));
    // Not below a directory that any session may write to.
    let folder = Path::new("/dev/shm").join(folder.file_name().unwrap());
    fs::create_dir_all(&folder).unwrap();
    let mta = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sandbox::tests::inside", "--nocapture"])
        .env(NEEDS, needs.0.to_string())
        .env(FOLDER, &folder)
        .env(MTA, mta.local_addr().unwrap().port().to_string())
        .output()
        .unwrap();
    let _ = fs::remove_dir_all(&folder);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("shut: Ok(())"), "{text}{errors}");
    let of_line = |line: &str| {
        let (kind, rest) = line.strip_prefix("tried ")?.split_once(' ')?;
        let (name, how) = rest.split_once(": ")?;
        Some((kind.parse().unwrap(), name.to_owned(), how == "done"))
    };
    let all: Vec<_> = text.lines().filter_map(of_line).collect();
    let expected = [ALWAYS, NEVER, ALONE, FILES, SPOOL, SIGNAL, PROGRAMS].concat().len();
    assert_eq!(all.len(), expected, "{text}{errors}");
    all
}

/// What is done with these needs is what is in these lists, and nothing of the others.
fn assert_done(needs: Needs, done: &[usize]) {
    for (kind, name, was_done) in tried(needs) {
        assert_eq!(was_done, done.contains(&kind), "{needs:?}: {name}");
    }
}

#[test]
fn a_session_that_relays_can_do_nothing_else() {
    assert_done(Needs::NOTHING, &[0]);
}

#[test]
fn one_that_keeps_state_or_messages_has_files_for_them_alone() {
    assert_done(Needs::STATE, &[0, 3]);
    assert_done(Needs::SPOOL, &[0, 3, 4]);
}

#[test]
fn one_whose_mta_is_a_program_may_signal() {
    assert_done(Needs::CHILDREN, &[0, 5]);
}

#[test]
fn one_that_starts_programs_leaves_them_what_programs_need() {
    for (kind, name, done) in tried(Needs::PROGRAMS | Needs::STATE) {
        // What is forbidden to relaying alone.
        if kind != 2 {
            assert_eq!(done, kind != 1, "{name}");
        }
    }
}

#[test]
fn the_systems_resolver_may_read_all_and_connect_nowhere_else() {
    let done: Vec<_> =
        tried(Needs::SYSTEM_RESOLVER).into_iter().filter(|(.., done)| *done).collect();
    assert!(done.iter().any(|(_, name, _)| name == "read a file"));
    assert!(!done.iter().any(|(_, name, _)| name.starts_with("connect elsewhere")));
}
