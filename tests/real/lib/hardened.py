"""The hardened unit of a session: it serves what the cheap one serves, and forbids what it says (see systemd_inside.py)."""
import os
import re
import socket
import struct
import subprocess
import threading

import flood
import real
from units import OURS, UNITS, drop_in, no_drop_in, none_left, run, sessions, systemctl

HARDENED, PLACE = UNITS + "smtp-wrapper-hardened@.service", OURS + "smtp-wrapper@.service"
STATE, TRACES, QUEUE = "/var/lib/smtp-wrapper", "/var/log/smtp-wrapper", "/var/spool/queue"
CONFIGURATION = "/etc/smtp-wrapper/smtp-wrapper.toml"


def configured(text):
    os.makedirs(os.path.dirname(CONFIGURATION), exist_ok=True)
    with open(CONFIGURATION, "w") as file:
        file.write(text)


def owned(path):
    """Gives a file to the user that sessions run as."""
    os.chown(path, *(int(run("id", which, "smtp-wrapper")[1]) for which in ("-u", "-g")))


def script(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)


def in_place(results, sink):
    """Both ways that the unit's head names."""
    ok = results.ok
    os.symlink(HARDENED, PLACE)
    run("systemctl", "daemon-reload")
    client = real.Client(25)
    client.reply()
    ok([name for name in sessions() if name.startswith("smtp-wrapper-hardened@")], "a link: sessions are hardened ones", sessions())
    client.close()
    none_left(ok, "a link")
    os.unlink(PLACE)
    run("cp", HARDENED, PLACE)
    run("systemctl", "daemon-reload")
    client = real.Client(25)
    client.reply()
    name = (sessions() or ["none"])[0]
    shown = systemctl("show", "-p", "ProtectSystem", "--value", name).strip()
    ok(name.startswith("smtp-wrapper@") and shown == "strict", "a copy: sessions are hardened, and called as before", (name, shown))
    client.close()
    real.check_relay(results, "hardened", sink, 25)
    real.check_relay(results, "hardened, over IPv6", sink, 25, "::1")


def name_server():
    """127.0.0.2 is p1-2-3-4.dialup.example, and nobody else has a name."""
    name = b"\x08p1-2-3-4\x06dialup\x07example\x00"

    def answer(query):
        question = query[12:]
        data = name if question.startswith(b"\x012\x010\x010\x03127") else None
        data = bytes([127, 0, 0, 2]) if question.startswith(name + b"\0\1") else data
        question = question[:question.index(b"\0") + 5]
        head = query[:2] + struct.pack(">HHHHH", 0x8180 if data else 0x8183, 1, 1 if data else 0, 0, 0)
        return head + question + (b"\xc0\x0c" + question[-4:] + struct.pack(">IH", 60, len(data)) + data if data else b"")

    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.53", 53))

    def serve():
        while True:
            query, client = sock.recvfrom(512)
            sock.sendto(answer(query), client)
    threading.Thread(target=serve, daemon=True).start()


def real_session(ok, sink):
    """DNS, state, a message that does not fit into memory through a program, a trace, TLS."""
    name_server()
    with open("/etc/resolv.conf", "w") as file:
        file.write("nameserver 127.0.0.53\n")
    os.makedirs(TRACES, exist_ok=True)
    owned(TRACES)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
        "/CN=mx.test", "-keyout", "/etc/ssl/mx.key", "-out", "/etc/ssl/mx.pem")
    owned("/etc/ssl/mx.key")
    configured('''
[log]
trace = ["127.0.0.7 until 2100-01-01T00:00Z"]
trace_to = "%s"
[tls]
cert = "/etc/ssl/mx.pem"
key = "/etc/ssl/mx.key"
[[filter]]
type = "interval"
least = "1h"
only = ["127.0.0.6"]
[[filter]]
type = "s25r"
local = true
only = ["127.0.0.2"]
[[filter]]
type = "program"
at = "message"
contract = "original"
run = ["/shipped/filters/null.sh"]
''' % TRACES)

    def reply_to_rcpt(source):
        client = real.Client(25, source=source)
        client.reply()
        replies = [client.command(line) for line in real.ENVELOPE[:3]]
        client.close()
        return replies[2]
    rcpt = reply_to_rcpt("127.0.0.2")
    ok(re.match(rb"450 4\.7\.1 S25R check, be patient \[r[1-6]\]", rcpt), "hardened: DNS is asked, and S25R refuses", rcpt)
    twice = [reply_to_rcpt("127.0.0.6") for _ in range(2)]
    ok(twice[0][:3] == b"250" and twice[1][:1] == b"4", "hardened: sessions share the state directory", twice)

    client = real.Client(25, source="127.0.0.7")
    client.reply()
    for line in real.ENVELOPE:
        client.command(line)
    message = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 60_000 + b".\r\n"
    client.send(message)
    stored = client.reply()
    client.command(b"QUIT")
    arrived = real.until(lambda: [talk for talk in sink.talks if talk.messages == [message]])
    ok(stored == real.Sink.STORED and arrived, "hardened: 1 MB goes through a program byte for byte", stored)
    traces = real.until(lambda: os.listdir(TRACES))
    ok(len(traces) == 1, "hardened: a trace is written", traces)

    done = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-connect", "127.0.0.1:25", "-quiet", "-ign_eof"],
                          input=b"QUIT\r\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
    ok(b"221 " in done.stdout and b"CN = mx.test" in done.stdout, "hardened: STARTTLS", done.stdout)
    ok({"intervals", "tls-tickets"} <= set(os.listdir(STATE)), "hardened: state and tickets are kept", os.listdir(STATE))


ATTEMPTS = '''#!/bin/sh
# Each attempt that comes off is a word. (The numbers of system calls are those of x86-64.)
{
    touch %(queue)s/wrote && echo wrote-elsewhere
    touch /var/tmp/shared; [ -e /var/tmp/shared-mark ] && echo sees-var-tmp
    cp /bin/true %(state)s/suid && chmod u+s %(state)s/suid && echo made-set-user-id
    nice -n 5 true 2>&1 | grep -q . || echo set-priority
    [ -d /proc/1 ] && echo sees-others
    [ -r /proc/meminfo ] && echo sees-the-kernel
    [ -e /dev/shared-mark ] && echo sees-devices
    python3 -S -c 'import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)' && echo netlink
    perl -e 'exit(syscall(444, 0, 0, 1) < 1)' && echo landlock
    perl -e '$allow = pack("L", 0x7fff0000); exit(syscall(317, 2, 0, $allow) != 0)' && echo seccomp
} >%(state)s/made 2>/dev/null
mv %(state)s/made %(state)s/attempts
'''
SHUTS_ITSELF_IN = ["landlock", "seccomp"]  # what a process may need to be safer still


def attempts(ok, what, expected):
    """What a filter that was broken into could do."""
    script("/usr/local/bin/attempts", ATTEMPTS % {"queue": QUEUE, "state": STATE})
    os.makedirs(QUEUE, exist_ok=True)
    owned(QUEUE)
    for mark in ("/var/tmp/shared-mark", "/dev/shared-mark"):
        open(mark, "w").close()
    report = STATE + "/attempts"
    if os.path.exists(report):
        os.unlink(report)
    # What the unit leaves, without what the session gives up itself.
    configured('[sandbox]\nmode = "off"\n[[filter]]\ntype = "program"\nat = "connect"\n'
               'run = ["/usr/local/bin/attempts"]\n')
    client = real.Client(25, source="127.0.0.8")
    client.reply()
    client.close()
    real.until(lambda: os.path.exists(report))
    os.unlink(CONFIGURATION)
    with open(report) as file:
        came_off = file.read().split()
    ok(came_off == expected, what, came_off)


MTA_PROGRAM = '''#!/bin/sh
# An MTA as `sendmail -bs` is one: it queues before it answers.
printf '220 program.test\\r\\n'
while IFS= read -r line; do
    case $line in
        EHLO*) printf '250 program.test\\r\\n' ;;
        DATA*) printf '354 go ahead\\r\\n'
            while IFS= read -r line && [ "$line" != "$(printf '.\\r')" ]; do :; done
            if echo kept >%s/message; then printf '250 kept\\r\\n'; else printf '451 no queue\\r\\n'; fi ;;
        QUIT*) printf '221 bye\\r\\n'; exit ;;
        *) printf '250 fine\\r\\n' ;;
    esac
done
'''


def program_upstream(ok):
    """An exec: upstream that queues by itself needs a place to write to, as the unit's head says."""
    script("/usr/local/bin/mta", MTA_PROGRAM % QUEUE)
    configured('[upstream]\naddress = "exec:/usr/local/bin/mta -bs"\n')
    ok(real.relay_once(25)[1][5][:3] == b"451", "hardened: an exec: upstream cannot write to its queue")
    drop_in("smtp-wrapper@.service", "[Service]\nReadWritePaths=%s\n" % QUEUE)
    try:
        replies = real.relay_once(25)[1]
        ok(replies[5][:3] == b"250" and os.path.exists(QUEUE + "/message"), "hardened: with ReadWritePaths= it can", replies)
    finally:
        no_drop_in("smtp-wrapper@.service")


def check(results, sink):
    """Before and behind it the cheap unit is in place."""
    ok = results.ok
    # The comparison: the same attempts, so that what the hardened unit forbids is not forbidden by something else.
    attempts(ok, "the cheap unit leaves to a filter what a user may do",
             ["wrote-elsewhere", "sees-var-tmp", "made-set-user-id", "set-priority", "sees-others", "sees-the-kernel",
              "sees-devices", "netlink"] + SHUTS_ITSELF_IN)
    try:
        in_place(results, sink)
        real_session(ok, sink)
        attempts(ok, "the hardened unit leaves a filter nothing of it", SHUTS_ITSELF_IN)
        program_upstream(ok)
        os.unlink(CONFIGURATION)
        crowd = flood.Crowd(25, 100)
        outcome = crowd.run(("client", flood.greeted() if n % 2 else flood.gone_at_once()) for n in range(150))
        results.note("hardened: 150 connections, 100 at a time: %s" % outcome)
        ok(outcome.get(("client", "served"), 0) == 75, "hardened: a flood is served", outcome)
        none_left(ok, "hardened, after a flood")
        private = lambda: [name for folder in ("/tmp", "/var/tmp") for name in os.listdir(folder)
                           if name.startswith("systemd-private-") and "-smtp-wrapper" in name]
        ok(real.until(lambda: not private()), "hardened: no private /tmp is left", private())
    finally:
        os.unlink(PLACE)
        run("systemctl", "daemon-reload")
    real.check_relay(results, "back to the cheap unit", sink, 25)
