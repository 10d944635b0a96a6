"""Sessions in a chroot without libraries, devices, users or syslog: names are asked of the name server that
etc/resolv.conf names, lists are searched in their compiled form, and no privilege is left."""
import os
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import real  # noqa: E402

JAIL = "/srv/jail"
NOBODY = 65534
NAMES = {1: b"mail.example.org", 2: b"dsl-127-0-0-2.example.net", 4: b"host.bad.example", 6: b"pool7.example.com"}
SILENT = 5  # the name server says nothing of this one
CONFIG = """
[dns]
time_limit = "1s"
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


def into_jail():
    os.chroot(JAIL)
    os.chdir("/")
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def session(doors, number):
    """The reply to RCPT for the client 127.0.0.NUMBER, and the log."""
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.bind(("127.0.0.%d" % number, 0))
    client.connect(doors.getsockname())
    client.settimeout(real.WAIT)
    conn, _ = doors.accept()
    process = subprocess.Popen(["/smtp-wrapper", "--log", "stderr"], stdin=conn, stdout=conn, stderr=subprocess.PIPE,
                               env={}, preexec_fn=into_jail)
    conn.close()
    lines = client.makefile("rb")

    def reply():
        line = lines.readline()
        while line[3:4] == b"-":
            line = lines.readline()
        return line
    reply()
    for command in (b"EHLO client.test", b"MAIL FROM:<a@client.test>"):
        client.sendall(command + b"\r\n")
        reply()
    client.sendall(b"RCPT TO:<b@mx.test>\r\n")
    said = reply()
    client.sendall(b"QUIT\r\n")
    reply()
    _, log = process.communicate(timeout=real.WAIT)
    client.close()
    return said, log, process.returncode


def main():
    os.makedirs(JAIL + "/etc/smtp-wrapper")
    subprocess.run(["install", "-m", "755", "/usr/sbin/smtp-wrapper", JAIL + "/smtp-wrapper"], check=True)
    for path, text in (("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
                       ("smtp-wrapper/smtp-wrapper.toml", CONFIG),
                       ("smtp-wrapper/deny.list", "# nobody else\n192.0.2.0/24\n.bad.example  550 5.7.1 not from there\n")):
        with open(JAIL + "/etc/" + path, "w") as file:
            file.write(text)
    compiled = subprocess.run(["/smtp-wrapper", "compile"], env={}, capture_output=True,
                              preexec_fn=lambda: (os.chroot(JAIL), os.chdir("/")))
    results.ok(compiled.returncode == 0, "the configuration and its list are compiled in the jail", compiled.stderr)
    # The static binary has nothing that takes a backtrace.
    mistaken = subprocess.run(["/smtp-wrapper", "report", "/nowhere"], env={"RUST_BACKTRACE": "1"}, capture_output=True,
                              preexec_fn=lambda: (os.chroot(JAIL), os.chdir("/")))
    results.ok(mistaken.returncode == 78 and b"/nowhere" in mistaken.stderr, "a tool says what is wrong", mistaken)
    name_server()
    real.Sink()
    doors = real.listener(0)
    for number, reply, logged, what in (
            (1, b"250 ", b"", "a mail host is let through"),
            (2, b"450 4.7.1 S25R check, be patient [r1]\r\n", b"ptr=<dsl-127-0-0-2.example.net> fcrdns=pass", "a dial-up line"),
            (3, b"450 4.7.25 reverse lookup failure, be patient\r\n", b"fcrdns=permerror", "a host without a name"),
            (4, b"550 5.7.1 not from there\r\n", b"why=<deny.list:3>", "a host on the compiled list"),
            (SILENT, b"250 ", b"fcrdns=temperror dns=1/timeout/", "no answer of DNS refuses nobody"),
            (6, b"250 ", b"", "an expression, compiled in the session")):
        said, log, status = session(doors, number)
        results.ok(said.startswith(reply), "%s: the reply" % what, said)
        results.ok(logged in log, "%s: the log" % what, log)
        results.ok(status == 0 and b"session=note" not in log and b"panic" not in log, "%s: the end" % what, log)
    results.finish()


main()
