"""The shipped inetd lines and run scripts under the real super-servers, inside the room (see room.sh).

Under inetd the client's socket is standard error too. So each check compares the whole of what the client was sent.
"""
import re
import subprocess
import sys
import threading

sys.path.insert(0, "/real/lib")
import real
from super_servers import (PROGRAM, SHIPPED, Running, activate, inetutils_inetd, openbsd_inetd, shipped, tcpserver,
                           xinetd)

RESULTS = real.Results("inetd-family")

# name, its command line, its IPv6 address too?
FAMILY = [
    ("tcpserver", tcpserver, False),
    ("openbsd-inetd", openbsd_inetd("inetd.conf.debian"), True),
    ("openbsd-inetd with OpenBSD's file", openbsd_inetd("inetd.conf.openbsd"), False),
    ("xinetd", xinetd, True),
    ("inetutils-inetd", inetutils_inetd, False),
    ("systemd-socket-activate --inetd", activate("--inetd"), False),
    ("systemd-socket-activate, fd 3", activate(), False),
]


def one_421(what, got, text=rb"421 4\.3\.0"):
    good = re.fullmatch(text + rb"( [^\r\n]*)?\r\n", got)
    RESULTS.ok(good, what, got)


def relays(name, how, ipv6, syslog):
    start = len(syslog.lines)
    sink = real.Sink()
    try:
        with Running(how) as port:
            real.check_relay(RESULTS, name, sink, port)
            line = syslog.wait_for(rb"smtp-wrapper.*verdict=pass.*to=<b@mx\.test>", start)
            RESULTS.ok(line and b"ip=[127.0.0.1]" in line, name + ": the verdict is in syslog with the client's address", syslog.lines[start:])
            line = syslog.wait_for(rb"session=end end=quit", start)
            RESULTS.ok(line and line.startswith(b"<22>"), name + ": the session is in syslog as mail.info", syslog.lines[start:])
            if ipv6:
                real.check_relay(RESULTS, name + " over IPv6", sink, port, "::1")
            several(name, sink, port)
    finally:
        sink.close()


def several(name, sink, port):
    """Ten at once: each gets its own session."""
    before, faults = len(sink.talks), []

    def one():
        try:
            real.relay_once(port)
        except Exception as error:
            faults.append(repr(error))

    threads = [threading.Thread(target=one) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    real.until(lambda: all(talk.ended for talk in sink.talks[before:]))
    whole = [talk for talk in sink.talks[before:] if talk.messages == [real.MESSAGE]]
    RESULTS.ok(not faults and len(whole) == 10, name + ": ten sessions at once", faults or len(whole))


def without_mta(name, how, syslog):
    with Running(how) as port:
        one_421(name + ": no MTA: exactly one 421 4.3.0 line", real.Client(port).rest())
        syslog.remove()
        one_421(name + ": no MTA and no syslog: the same", real.Client(port).rest())
    syslog.__init__()


def stopped_mta(name, how):
    """A stopped process still has its connections accepted by the kernel; it only never says a word."""
    with Running(how, "--time-limit 1") as port:
        for silent_after, lines in (("connect", []), (b"MAIL", real.ENVELOPE[:2])):
            sink = real.Sink(silent_after=silent_after)
            try:
                client = real.Client(port)
                for line in lines:
                    client.reply()
                    client.send(line + b"\r\n")
                where = "before its greeting" if silent_after == "connect" else "after MAIL"
                one_421("%s: MTA stopped %s: one 421 4.3.0 line" % (name, where), client.rest())
                client.close()
            finally:
                sink.close()


def unknown_peer():
    """Standard input that is no socket, and nobody to say who the client is."""
    done = subprocess.run([PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, input=b"EHLO x\r\n", timeout=10)
    one_421("a pipe and no peer: one 421 4.3.0 line on fd 1", done.stdout)
    RESULTS.ok(done.returncode == 78, "a pipe and no peer: exit status 78", done.returncode)
    RESULTS.ok(done.stderr == b"", "a pipe and no peer: nothing on fd 2", done.stderr)


def mistakes():
    """Nothing but SMTP reaches the client, whatever the administrator wrote behind the program's name."""
    for name, how in (("openbsd-inetd", openbsd_inetd("inetd.conf.debian")), ("xinetd", xinetd)):
        with Running(how, "--log stderr") as port:
            one_421(name + ": --log stderr while that is the client's socket: still one 421 line", real.Client(port).rest())
        with Running(how, "--no-such-option") as port:
            one_421(name + ": an unknown option: one 421 4.3.x line", real.Client(port).rest(), rb"421 4\.3\.[0-9]")


def rate_limit():
    """300 connections within a minute must not switch the service off, as inetd's default of 256 would."""
    sink = real.Sink()
    try:
        with Running(openbsd_inetd("inetd.conf.debian")) as port:
            for _ in range(300):
                client = real.Client(port)
                client.reply()
                client.command(b"QUIT")
                client.close()
            RESULTS.ok(real.relay_once(port)[1][5] == real.Sink.STORED, "openbsd-inetd: alive after 300 connections in a row")
    finally:
        sink.close()


def files_that_cannot_run_here():
    for name, words in (("inetd.conf.freebsd", 7), ("inetd.conf.netbsd", 7)):
        lines = [line.split() for line in shipped(name).splitlines() if line and not line.startswith("#")]
        good = lines and all(len(l) == words and l[0] == "smtp" and l[1].split(",")[0] == "stream" and l[5].startswith("/") for l in lines)
        RESULTS.ok(good, name + ": seven fields a line (no such inetd in Debian)", lines)
    for name in ("tcpserver.run", "s6-tcpserver.run"):
        done = subprocess.run(["sh", "-n", SHIPPED + name], stderr=subprocess.PIPE, timeout=10)
        RESULTS.ok(done.returncode == 0, name + ": a correct shell script", done.stderr)


def main():
    syslog = real.Syslog()
    for name, how, ipv6 in FAMILY:
        RESULTS.attempt(name + ": relays", relays, name, how, ipv6, syslog)
        RESULTS.attempt(name + ": without MTA", without_mta, name, how, syslog)
        RESULTS.attempt(name + ": stopped MTA", stopped_mta, name, how)
    RESULTS.attempt("unknown peer", unknown_peer)
    RESULTS.attempt("mistakes", mistakes)
    RESULTS.attempt("rate limit", rate_limit)
    RESULTS.attempt("files", files_that_cannot_run_here)
    RESULTS.finish()


main()
