"""Sessions in a directory that `smtp-wrapper jail` made, without libraries, devices or other users: started as root, they
go into it by themselves; or chroot(8) starts them in there.
"""
import os
import re
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import real  # noqa: E402

PROGRAM = "/usr/sbin/smtp-wrapper"
JAIL = "/srv/jail"
USER = 1001
STATE = "/var/lib/smtp-wrapper"
CONFIG = "/etc/smtp-wrapper/smtp-wrapper.toml"
MAIL_LOG = "/var/log/mail.log"
NAMES = {1: b"mail.example.org", 2: b"dsl-127-0-0-2.example.net", 4: b"host.bad.example", 6: b"pool7.example.com",
         7: b"often.example.org"}
SILENT = 5  # the name server says nothing of this one
TEXT = """
[sandbox]
user = "smtpw"
[dns]
time_limit = "1s"
[[filter]]
type = "interval"
least = "1h"
only = ["127.0.0.7"]
[[filter]]
type = "allow"
entries = ["/^pool[0-9]+\\\\.example\\\\.com$/"]
[[filter]]
type = "deny"
lists = ["deny.list"]
[[filter]]
type = "s25r"
local = true
"""
DENY = "# nobody else\n192.0.2.0/24\n.bad.example  550 5.7.1 not from there\n"
results = real.Results("jail")


def wire(name):
    return b"".join(bytes([len(label)]) + label for label in name.split(b".")) + b"\0"


def answer(query):
    """The answer of a name server that knows NAMES; None for the one it is silent about."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]])
        at += 1 + query[at]
    question, kind = query[12:at + 5], struct.unpack(">H", query[at + 1:at + 3])[0]
    name = b".".join(labels).lower()
    data = None
    for number, host in NAMES.items():
        if kind == 12 and name == b"%d.0.0.127.in-addr.arpa" % number:
            data = wire(host)
        if kind == 1 and name == host:
            data = bytes([127, 0, 0, number])
    if kind == 12 and name.startswith(b"%d." % SILENT):
        return None
    head = query[:2] + struct.pack(">HHHHH", 0x8180 if data else 0x8183, 1, 1 if data else 0, 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data if data else b""
    return head + question + record


def name_server():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 53))

    def serve():
        while True:
            query, client = sock.recvfrom(512)
            reply = answer(query)
            if reply:
                sock.sendto(reply, client)
    threading.Thread(target=serve, daemon=True).start()


def written(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    return path


def jail(*options):
    done = subprocess.run([PROGRAM, "jail", JAIL, *options], env={}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Syslogd:
    """A real one, that listens where the host's programs look, and in the jail."""

    def __init__(self):
        self.start()

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/syslogd", "-n", "-f", "/etc/syslog.conf", "-a", JAIL + "/dev/log"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not real.until(lambda: os.path.exists("/dev/log") and os.path.exists(JAIL + "/dev/log")):
            raise RuntimeError("syslogd does not listen")

    def stop(self):
        self.process.terminate()
        self.process.wait(5)
        for path in ("/dev/log", JAIL + "/dev/log"):
            if os.path.exists(path):
                os.unlink(path)


def log_size():
    return os.path.getsize(MAIL_LOG)


def logged(start, pattern):
    """The first line behind so many octets of the log that matches; waits for it."""
    def look():
        with open(MAIL_LOG, "rb") as file:
            file.seek(start)
            return next((line for line in file if re.search(pattern, line)), None)
    return real.until(look, 5)


def inetd(line):
    def command(port):
        return ["/usr/sbin/inetd", "-i", written("/tmp/inetd.conf", "127.0.0.1:%d stream tcp nowait.9999 root %s\n" % (port, line))]
    return command


def tcpserver(*program):
    return lambda port: ["tcpserver", "-H", "-R", "-l0", "127.0.0.1", str(port), *program]


CHROOT = ["/usr/sbin/chroot", "--userspec=%d:%d" % (USER, USER), "--groups=", JAIL, PROGRAM]
# name, its command line, are sessions started in the jail?
WAYS = [
    ("inetd as root, --chroot", inetd("%s smtp-wrapper --chroot %s" % (PROGRAM, JAIL)), False),
    ("tcpserver as root, --chroot", tcpserver(PROGRAM, "--chroot", JAIL), False),
    ("inetd, chroot(8)", inetd("%s chroot %s" % (CHROOT[0], " ".join(CHROOT[1:]))), True),
    ("tcpserver, chroot(8)", tcpserver(*CHROOT), True),
]


class Running:
    """A super-server, started for a `with` block."""

    port = 2500

    def __init__(self, how):
        Running.port += 1
        self.port, self.how = Running.port, how

    def __enter__(self):
        # As the super-server's own standard error would be, lest one line of it get lost.
        self.process = subprocess.Popen(self.how(self.port), stdin=subprocess.DEVNULL, stdout=sys.stdout, stderr=sys.stdout)
        if not real.until(lambda: real.answers(self.port), 10):
            raise RuntimeError("does not listen")
        return self.port

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(5)


def asks(port, number):
    """A client that has been greeted, and what it is told at RCPT."""
    client = real.Client(port, source="127.0.0.%d" % number)
    client.reply()
    for command in (b"EHLO client.test", b"MAIL FROM:<a@client.test>"):
        client.command(command)
    return client, client.command(b"RCPT TO:<b@mx.test>")


def ends(client):
    client.command(b"QUIT")
    client.close()


def judged(name, port):
    for number, reply, said, what in (
            (1, b"250 ", b"", "a mail host is let through"),
            (2, b"450 4.7.1 S25R check, be patient [r1]\r\n", b"ptr=<dsl-127-0-0-2.example.net> fcrdns=pass", "a dial-up line"),
            (3, b"450 4.7.25 reverse lookup failure, be patient\r\n", b"fcrdns=permerror", "a host without a name"),
            (4, b"550 5.7.1 not from there\r\n", b"why=<deny.list:3>", "a host on the compiled list"),
            (SILENT, b"250 ", b"fcrdns=temperror dns=1/timeout/", "no answer of DNS refuses nobody"),
            (6, b"250 ", b"", "an expression, compiled in the session")):
        start = log_size()
        client, reply_got = asks(port, number)
        ends(client)
        results.ok(reply_got.startswith(reply), "%s: %s: the reply" % (name, what), reply_got)
        line = logged(start, rb"session=end end=quit")
        results.ok(line and b"ip=[127.0.0.%d]" % number in line, "%s: %s: syslog has the end" % (name, what), line)
        results.ok(logged(start, re.escape(said)), "%s: %s: the log" % (name, what))
        with open(MAIL_LOG, "rb") as file:
            file.seek(start)
            lines = file.read()
        odd = re.search(rb"session=(note|trouble|none|panic)", lines)
        results.ok(not odd, "%s: %s: nothing is amiss" % (name, what), lines)


def who_it_is(name, port):
    """A session that goes on: whose it is, and in which directory."""
    client, _ = asks(port, 1)
    ours = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid) as file:
                words = file.read()
            with open("/proc/%s/status" % pid) as file:
                status = file.read()
            if "smtp-wrapper" in words.split("\0")[0] and "tcpserver" not in words:
                ours.append((status, os.readlink("/proc/%s/root" % pid)))
        except OSError:
            pass
    ends(client)
    if not results.ok(len(ours) == 1, name + ": a session goes on", ours):
        return
    status, root = ours[0]
    line = lambda key: re.search(r"(?m)^%s:[ \t]*(.*)$" % key, status).group(1).split()
    results.ok(line("Uid") == line("Gid") == [str(USER)] * 4, name + ": it is the user, for good", status)
    results.ok(line("Groups") == [], name + ": it has no further groups", status)
    results.ok(set(line("CapEff") + line("CapPrm")) == {"0" * 16}, name + ": it has no privilege", status)
    results.ok(root == JAIL, name + ": its root directory is the jail", root)


def interval(name, port, first):
    client, said = asks(port, 7)
    client.close()  # who comes too soon is told 421
    results.ok(said[:1] == (b"2" if first else b"4"), name + ": the interval, " + ("first time" if first else "once more"), said)


def after_a_restart(name, port, syslogd):
    """syslogd is started anew while a session goes on: that one is not held up, and the next one is logged."""
    client, _ = asks(port, 1)
    syslogd.stop()
    syslogd.start()
    ends(client)
    start = log_size()
    client, _ = asks(port, 6)
    ends(client)
    results.ok(logged(start, rb"session=end end=quit"), name + ": a session after a restart of syslogd is logged")


def without_stderr(name, port, sink):
    """What is opened is not taken for the standard error that the log is to go to: the MTA would be told the log."""
    before = len(sink.talks)
    _, replies = real.relay_once(port)
    talk = sink.talks[before]
    real.until(lambda: talk.ended)
    results.ok(talk.messages == [real.MESSAGE] and replies[5] == real.Sink.STORED,
               name + ": a message is relayed byte for byte", replies)
    odd = [line for line in talk.commands if b"v=1" in line]
    results.ok(not odd, name + ": the MTA is told nothing of the log", odd)


def theirs():
    """What in the jail the sessions' user may write."""
    found = []
    for folder, folders, files in os.walk(JAIL):
        for path in [folder] + [os.path.join(folder, file) for file in files]:
            stat = os.lstat(path)
            if stat.st_uid == USER or stat.st_mode & 0o002 or (stat.st_gid == USER and stat.st_mode & 0o020):
                found.append(path[len(JAIL):])
    return found


def main():
    with open("/etc/passwd", "a") as users, open("/etc/group", "a") as groups:
        users.write("smtpw:x:%d:%d::/nonexistent:/usr/sbin/nologin\n" % (USER, USER))
        groups.write("smtpw:x:%d:\nextra:x:1002:smtpw\n" % USER)
    written("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    written("/etc/syslog.conf", "mail.*\t%s\n" % MAIL_LOG)
    written(MAIL_LOG, "")
    written(CONFIG, TEXT)
    written("/etc/smtp-wrapper/deny.list", DENY)
    status, out, err = jail()
    results.ok(status == 0 and not err, "the jail is made", out + err)
    for part in ("smtp-wrapper smtp-wrapper --chroot /srv/jail\n", "chroot --userspec=1001:1001 /srv/jail /usr/sbin/smtp-wrapper\n",
                 "RootDirectory=/srv/jail\n", 'Socket="/srv/jail/dev/log"'):
        results.ok(part in out, "it says how it is used: " + part.strip(), out)
    results.ok(theirs() == [STATE], "its sessions may write the state directory alone", theirs())
    # The static binary has nothing that takes a backtrace.
    mistaken = subprocess.run(CHROOT + ["report", "/nowhere"], env={"RUST_BACKTRACE": "1"}, capture_output=True)
    results.ok(mistaken.returncode == 78 and b"/nowhere" in mistaken.stderr, "a tool says what is wrong in there", mistaken)
    name_server()
    sink = real.Sink()
    syslogd = Syslogd()
    first = True
    for name, how, _ in WAYS:
        with Running(how) as port:
            results.attempt(name, judged, name, port)
            results.attempt(name, who_it_is, name, port)
            results.attempt(name, interval, name, port, first)
            results.attempt(name, interval, name, port, False)
            results.attempt(name, after_a_restart, name, port, syslogd)
            before = len(sink.talks)
            _, replies = real.relay_once(port, source="127.0.0.1")
            results.ok(sink.talks[before].messages == [real.MESSAGE] and replies[5] == real.Sink.STORED,
                       name + ": a message is relayed byte for byte", replies)
        first = False
    name = "a jail without /dev/null, standard error closed, --log stderr"
    with Running(tcpserver("/bin/sh", "-c", "exec %s --config none --log stderr 2>&-" % " ".join(CHROOT))) as port:
        results.attempt(name, without_stderr, name, port, sink)
    intervals = os.stat(JAIL + STATE + "/intervals")
    results.ok(intervals.st_uid == USER and not os.path.exists(STATE), "the state is in the jail, the user's")
    # Outside the list has one more; inside once the jail is made anew.
    written("/etc/smtp-wrapper/deny.list", DENY + "127.0.0.1  550 5.7.1 nor from there\n")
    subprocess.run([PROGRAM, "compile"], check=True, stdout=subprocess.DEVNULL)
    for anew in (False, True):
        if anew:
            status, out, err = jail()
            results.ok(status == 0 and not err, "the jail is made anew", out + err)
        for name, how, inside in WAYS[1::2]:
            with Running(how) as port:
                client, said = asks(port, 1)
                ends(client)
            refused = anew or not inside
            what = "%s: the list is that %s" % (name, "of the jail" if inside else "outside")
            results.ok(said.startswith(b"550 5.7.1 nor" if refused else b"250 "), what, said)
    syslogd.stop()
    results.finish()


main()
