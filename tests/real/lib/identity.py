"""The client's identity at a real Postfix (see ../mta-postfix): XCLIENT, PROXY headers in and out, and Postfix's
`sendmail -bs` as a program. What Postfix made of it stands in its Received header and in its log."""
import os
import socket
import subprocess
import sys

sys.path.insert(0, "/real/lib")
import real

RESULTS = real.Results("mta-postfix-identity")
ok = RESULTS.ok
FOLDER = os.environ["MAIL_OF_ALICE"]
# name, port of the wrapper, its configuration
WRAPPERS = {
    "xclient": (2601, 'identity = "xclient"\naddress = "127.0.0.1:8027"'),
    "proxy-v1": (2602, 'identity = "proxy-v1"\naddress = "127.0.0.1:8026"'),
    "proxy-v2": (2603, 'identity = "proxy-v2"\naddress = "127.0.0.1:8026"'),
    "unwilling": (2604, 'identity = "xclient"\naddress = "127.0.0.1:8025"'),
    "choosy": (2605, 'identity = "xclient"\naddress = ["127.0.0.1:1", "127.0.0.1:8028"]'),
    "program": (2606, 'address = "exec:/usr/sbin/sendmail -bs"'),
    "by name": (2607, 'identity = "xclient"\naddress = "127.0.0.1:8027"'),
}
# No name server, which is known at once; or the file of hosts, and a long wait for who is not in it.
NAMES = {"by name": 'resolver = "system"'}
NO_NAMES = 'servers = ["127.0.0.1:1"]'
REST = """
[session]
hostname = "wrapper.test"
proxy_from = ["127.0.0.9"]
[dns]
%s
[[filter]]
type = "deny"
entries = ["127.0.0.8"]
"""
V6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 4000 25\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes((192, 0, 2, 7, 192, 0, 2, 1)) + b"\x0f\xa0\0\x19"


def start(name):
    port, upstream = WRAPPERS[name]
    path = "/tmp/identity-%d.toml" % port
    with open(path, "w") as file:
        file.write("[upstream]\n" + upstream + REST % NAMES.get(name, NO_NAMES))
    return subprocess.Popen(["/usr/sbin/smtp-wrapper", "listen", "--config", path, "--log", "stderr", "127.0.0.1:%d" % port],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open("/tmp/identity.log", "ab"))


class Client:
    def __init__(self, port, source="127.0.0.7", first=b""):
        self.sock = socket.create_connection(("127.0.0.1", port), real.WAIT, (source, 0))
        self.file = self.sock.makefile("rb")
        self.sock.sendall(first)

    def reply(self):
        lines = b""
        while True:
            line = self.file.readline()
            lines += line
            if line[3:4] != b"-":
                return lines

    def command(self, line):
        self.sock.sendall(line + b"\r\n")
        return self.reply()

    def close(self):
        self.sock.close()


def log_tail():
    with open(os.environ["LOG"], "rb") as file:
        postfix = file.read()[-1500:]
    with open("/tmp/identity.log", "rb") as file:
        return (postfix + b"\n" + file.read()[-1500:]).decode("latin1")


def found(word):
    def look():
        for name in os.listdir(FOLDER):
            with open(os.path.join(FOLDER, name), "rb") as file:
                mail = file.read()
            if b"Return-Path: <%s@" % word in mail:
                return mail
        return None
    return real.until(look, real.WAIT, 0.05)


def mail(name, word, wanted, source="127.0.0.7", first=b""):
    client = Client(WRAPPERS[name][0], source, first)
    what = "%s, %s" % (name, word.decode())
    greeting = client.reply()
    ok(greeting[:4] == b"220 ", what + ": greeted", (greeting, log_tail()))
    offered = client.command(b"EHLO its.own.name")
    ok(b"XCLIENT" not in offered, what + ": XCLIENT is not offered", offered)
    client.command(b"MAIL FROM:<%s@client.test>" % word)
    if name != "program":
        # To 127.0.0.1 this Postfix would relay.
        reply = client.command(b"RCPT TO:<someone@elsewhere.test>")
        ok(reply[:3] == b"554", what + ": the client is no neighbour of the MTA", reply)
    codes = [client.command(line)[:3] for line in (b"RCPT TO:<alice@mx.test>", b"DATA", b"Subject: x\r\n\r\nx\r\n.", b"QUIT")]
    client.close()
    ok(codes == [b"250", b"354", b"250", b"221"], what + ": accepted", codes)
    delivered = found(word) or b""
    received = b" ".join(delivered.split(b"Received: from", 1)[-1].split(b"\n\n")[0].split())
    ok(wanted in received, what + ": Received from " + wanted.decode(), (received, log_tail()))


def held():
    client = Client(WRAPPERS["xclient"][0], "127.0.0.8")
    client.reply()
    client.command(b"EHLO held.test")
    client.command(b"MAIL FROM:<held@client.test>")
    refused = client.command(b"RCPT TO:<alice@mx.test>")
    ok(refused[:3] == b"554", "held: refused by our filter", refused)
    reply = client.command(b"RCPT TO:<postmaster>")
    ok(reply[:3] == b"250", "held: postmaster is reached", (reply, log_tail()))
    client.close()

    def logged():
        with open(os.environ["LOG"], "rb") as file:
            return b"client=unknown[127.0.0.8]" in file.read()
    ok(real.until(logged), "held: Postfix knows the client", log_tail())


def refusals():
    client = Client(WRAPPERS["unwilling"][0])
    reply = client.reply()
    ok(reply[:9] == b"421 4.3.0", "Postfix does not take XCLIENT from us: no session", reply)
    client.close()
    client = Client(WRAPPERS["choosy"][0])
    reply = client.reply()
    ok(reply[:3] == b"554" and b"127.0.0.7" in reply, "the second greeting refuses the true client", (reply, log_tail()))
    client.close()
    client = Client(WRAPPERS["choosy"][0], "127.0.0.10")
    reply = client.reply()
    ok(reply[:3] == b"220", "and greets another", (reply, log_tail()))
    client.close()


def main():
    wrappers = [start(name) for name in WRAPPERS]
    try:
        ports = [port for port, _ in WRAPPERS.values()] + [8026, 8027, 8028]
        if not ok(real.until(lambda: all(real.answers(port) for port in ports)), "all listen", log_tail()):
            return
        RESULTS.attempt("xclient", mail, "by name", b"by-name", b"its.own.name (client.test [127.0.0.7])")
        RESULTS.attempt("xclient", mail, "xclient", b"nameless", b"its.own.name (unknown [127.0.0.10])", "127.0.0.10")
        RESULTS.attempt("proxy-v1", mail, "proxy-v1", b"line", b"[127.0.0.7])")
        RESULTS.attempt("proxy-v2", mail, "proxy-v2", b"binary", b"[127.0.0.7])")
        for name in ("xclient", "proxy-v1", "proxy-v2"):
            for first, word, wanted in ((V2, b"balanced-4", b"[192.0.2.7])"), (V6, b"balanced-6", b"[IPv6:2001:db8::7])")):
                RESULTS.attempt(name, mail, name, b"%s-%s" % (name.encode(), word), wanted, "127.0.0.9", first)
        RESULTS.attempt("program", mail, "program", b"program", b"its.own.name")
        RESULTS.attempt("held", held)
        RESULTS.attempt("refusals", refusals)
    finally:
        for wrapper in wrappers:
            wrapper.terminate()
            wrapper.wait(5)
        RESULTS.finish()


main()
