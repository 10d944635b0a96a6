"""Traffic for the tests of logs: clients of every kind on addresses of their own, a name server that names them, an MTA
that refuses some mail, and the program under `listen` with a log of some style.

usage: traffic.py PROGRAM FOLDER: writes native.log, json.log, postfix.log, original.log into FOLDER
"""
import os
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import real

STYLES = ("native", "json", "postfix", "original")
PORT, DNS = 2525, 5300
HELD, DIALUP, UNKNOWN_USER = "127.0.0.3", "127.0.0.4", "127.0.0.5"
DENIED, EARLY, RELAYING, HTTP, ERRORS = "127.0.0.66", "127.0.0.7", "127.0.0.8", "127.0.0.9", "127.0.0.10"
REFUSED_BY_MTA, LEAVES, HOSTILE_NAME, HOSTILE, VICTIM = "127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14", "127.0.0.99"
NAMES = {
    "127.0.0.2": "mx1.friend.example", DIALUP: "p1-2-3-4.dialup.example", UNKNOWN_USER: "mx.sender.example",
    DENIED: "mail.denied.example", EARLY: "mail.early.example", RELAYING: "mail.relaying.example",
    HTTP: "scan.example", ERRORS: "mail.errors.example", REFUSED_BY_MTA: "mx.bulk.example",
    LEAVES: "mx.leaves.example", HOSTILE_NAME: "x[%s]" % VICTIM, HOSTILE: "mx.hostile.example",
}
CONFIGURATION = """
[dns]
servers = ["127.0.0.1:%d"]
[[filter]]
type = "deny"
entries = ["%s"]
[[filter]]
type = "early"
delay = "200ms"
only = ["%s"]
[[filter]]
type = "relay"
domains = ["mx.test"]
[[filter]]
type = "s25r"
local = true
""" % (DNS, DENIED, EARLY)
LOOKALIKE = b"NOQUEUE: reject: RCPT from unknown[127.0.0.99]: 554 5.7.1 Service unavailable"


class NameServer:
    """Answers PTR and A for NAMES, and that there is no such name for all others."""

    def __init__(self):
        self.zone = {}
        for ip, name in NAMES.items():
            labels = tuple(name.split(".")) if "[" not in name else (name,)
            self.zone[tuple(reversed(ip.split("."))) + ("in-addr", "arpa")] = (12, self.wire(labels))
            self.zone[labels] = (1, socket.inet_aton(ip))
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", DNS))
        threading.Thread(target=self._serve, daemon=True).start()

    @staticmethod
    def wire(labels):
        return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"

    def _serve(self):
        while True:
            query, client = self.sock.recvfrom(1500)
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode("latin1").lower())
                at += 1 + query[at]
            kind = struct.unpack("!H", query[at + 1:at + 3])[0]
            found = self.zone.get(tuple(labels))
            data = b""
            if found and found[0] == kind:
                data = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(found[1])) + found[1]
            head = query[:2] + struct.pack("!HHHHH", 0x8180 if found else 0x8183, 1, 1 if data else 0, 0, 0)
            self.sock.sendto(head + query[12:at + 5] + data, client)


class Mta(real.Sink):
    """Knows everybody but nobody@, and takes no bulk mail."""

    def answer(self, verb, line):
        if verb == b"RCPT" and b"nobody@" in line:
            return b"550 5.1.1 <nobody@mx.test>: Recipient address rejected: User unknown in local recipient table\r\n"
        return super().answer(verb, line)

    def verdict(self, talk):
        bulk = any(b"bulk@" in line for line in talk.commands)
        return b"554 5.7.1 No bulk mail here\r\n" if bulk else self.STORED


def session(source, lines, message=None):
    """Says the lines, and the message behind the last; returns the replies."""
    client = real.Client(PORT, source=source)
    try:
        replies = [client.reply()] + [client.command(line) for line in lines]
        if message is not None:
            client.send(message)
            replies.append(client.reply())
        replies.append(client.command(b"QUIT"))
        client.rest()
        return replies
    except (EOFError, OSError):
        return []
    finally:
        client.close()


def mail(sender, *recipients, helo=b"client.example", data=True):
    lines = [b"EHLO " + helo, b"MAIL FROM:<" + sender + b">"] + [b"RCPT TO:<" + to + b">" for to in recipients]
    return lines + ([b"DATA"] if data else [])


MESSAGE = b"Subject: hello\r\n\r\nsome text\r\n.\r\n"


def all_of_it():
    """One session of each kind; of what S25R holds, three tries."""
    session("127.0.0.2", mail(b"anna@friend.example", b"alice@mx.test"), MESSAGE)
    session("127.0.0.2", mail(b"", b"alice@mx.test", b"bob@mx.test", helo=b"mx1.friend.example"), MESSAGE)
    for _ in range(3):
        session(HELD, mail(b"news@shop.example", b"alice@mx.test", helo=b"mail.shop.example", data=False))
    session(DIALUP, mail(b"x@y.example", b"alice@mx.test", b"bob@mx.test", helo=b"xxdlk", data=False))
    session(UNKNOWN_USER, mail(b"carl@sender.example", b"nobody@mx.test", data=False))
    session(DENIED, mail(b"spam@denied.example", b"alice@mx.test", data=False))
    client = real.Client(PORT, source=EARLY)
    client.send(b"EHLO early\r\n")
    client.reply(), client.reply()
    [client.command(line) for line in mail(b"a@early.example", b"alice@mx.test", data=False)[1:]]
    client.command(b"QUIT")
    client.close()
    session(RELAYING, mail(b"probe@relaying.example", b"probe@elsewhere.example", data=False))
    session(HTTP, [b"GET / HTTP/1.1"])
    session(ERRORS, [b"EHLO errors"] + [b"XYZZY"] * 30)
    session(REFUSED_BY_MTA, mail(b"bulk@bulk.example", b"alice@mx.test"), MESSAGE)
    client = real.Client(PORT, source=LEAVES)
    client.reply()
    [client.command(line) for line in mail(b"dora@leaves.example", b"alice@mx.test", data=False)]
    client.close()
    session(HOSTILE_NAME, mail(b"h@hostile.example", b"nobody@mx.test", data=False))
    hostile = b'"' + LOOKALIKE + b'"@hostile.example'
    session(HOSTILE, mail(hostile, b"alice@mx.test", helo=b"x " + LOOKALIKE), MESSAGE)
    session(HOSTILE, mail(hostile, b"nobody@mx.test", helo=b"]: x: client=" + LOOKALIKE, data=False))


def run(program, folder, style):
    """All of it, with the log in this style; the file of its lines as a syslogd writes them."""
    config, path = os.path.join(folder, "config.toml"), os.path.join(folder, style + ".sock")
    with open(config, "w") as file:
        file.write(CONFIGURATION)
    log, mta = real.Syslog(path), Mta()
    command = [program, "listen", "127.0.0.1:%d" % PORT, "--config", config, "--state", folder, "--log", "syslog:" + path,
               "--log-style", style]
    with open(os.path.join(folder, "listen.err"), "ab") as errors:
        process = subprocess.Popen(command, stderr=errors)
    try:
        if not real.until(lambda: real.answers(PORT)):
            raise RuntimeError("listen does not listen")
        all_of_it()
        mta.close()
        session("127.0.0.2", [])
        real.until(lambda: sum(END[style] in line for line in log.lines) >= SESSIONS)
    finally:
        process.terminate()
        process.wait(10)
    file = os.path.join(folder, style + ".log")
    stamp = time.strftime("%b %e %H:%M:%S mx ").encode()
    with open(file, "wb") as out:
        for line in log.lines:
            out.write(stamp + line.split(b">", 1)[1] + b"\n")
    return file


SESSIONS = 18
END = {"native": b" session=end ", "json": b'"session":"end"', "postfix": b"]: disconnect from ", "original": b"]: end. IP="}

if __name__ == "__main__":
    NameServer()
    for style in STYLES:
        run(sys.argv[1], sys.argv[2], style)
