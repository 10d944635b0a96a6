"""What the tests with real programs share: results, a scripted MTA, a client that sees every octet, a syslog socket.

Only the modules of Debian's python3-minimal are used. Every wait has a deadline.
"""
import os
import re
import socket
import sys
import threading
import time

WAIT = 15.0  # seconds: the longest wait for something that is expected to come
REPLY_LINE = re.compile(rb"^[2-5][0-5][0-9]([ -][^\r\n]*)?\r\n$")
PORT_OF_MTA = 8025


class Results:
    """Prints TAP-like lines and keeps the count."""

    def __init__(self, name):
        self.name, self.passed, self.failed, self.begun = name, 0, 0, time.monotonic()

    def ok(self, good, what, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
        print(("ok - " if good else "not ok - ") + what, flush=True)
        if not good and detail != "":
            text = detail if isinstance(detail, str) else repr(detail)
            for line in text.splitlines()[:40]:
                print("#     " + line[:600], flush=True)
        return good

    def note(self, text):
        print("# " + text, flush=True)

    def attempt(self, what, function, *arguments):
        """Runs a group of checks; an exception in it is a failure of its own, and the rest goes on."""
        try:
            return function(*arguments)
        except Exception as error:  # whatever it is, it belongs into the report
            return self.ok(False, what, "%s: %s" % (type(error).__name__, error))

    def finish(self):
        print("# %s: %.1f s of testing" % (self.name, time.monotonic() - self.begun))
        print("%s: %d passed, %d failed" % (self.name, self.passed, self.failed), flush=True)
        sys.exit(1 if self.failed else 0)


def until(condition, seconds=WAIT, step=0.02):
    """The first true value of condition(), or its last value when the time is over."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(step)


def answers(port, host="127.0.0.1"):
    """Whether something listens, without making a connection (which would start a session)."""
    wanted = "%04X" % port
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as lines:
            for line in lines:
                field = line.split()
                if field[1].endswith(":" + wanted) and field[3] == "0A":
                    return True
    return False


def listener(port, host="127.0.0.1"):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(512)
    return sock


class Talk:
    """What one session sent to the scripted MTA."""

    def __init__(self):
        self.commands, self.messages, self.ended = [], [], False


class Sink:
    """A scripted MTA. `silent_after` names the verb after which it says nothing more (as a stopped process would);
    "connect" means that it never even greets."""

    GREETING = b"220 sink.test ESMTP at your service\r\n"
    EHLO = (b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n250-CHUNKING\r\n250-XCLIENT NAME"
            b" ADDR\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 X-UNHEARD-OF\r\n")
    REPLIES = {b"HELO": b"250 sink.test\r\n", b"EHLO": EHLO, b"MAIL": b"250 2.1.0 sender fine\r\n",
               b"RCPT": b"250 2.1.5 recipient fine\r\n", b"DATA": b"354 go ahead\r\n", b"RSET": b"250 2.0.0 reset\r\n",
               b"NOOP": b"250 2.0.0 noop\r\n", b"QUIT": b"221 2.0.0 sink closes\r\n"}
    STORED = b"250 2.0.0 stored as one\r\n"

    def __init__(self, port=PORT_OF_MTA, silent_after=None):
        self.silent_after, self.talks, self.stopping = silent_after, [], False
        self.hold = 0  # seconds to think before the reply to end of mail data
        self.sock = listener(port)
        if silent_after != "connect":
            threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            if self.stopping:
                conn.close()
                return
            talk = Talk()
            self.talks.append(talk)
            threading.Thread(target=self._serve, args=(conn, talk), daemon=True).start()

    def _serve(self, conn, talk):
        conn.settimeout(120)
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = conn.makefile("rb")
        try:
            conn.sendall(self.GREETING)
            while True:
                line = lines.readline()
                if not line:
                    break
                talk.commands.append(line)
                verb = line[:4].upper()
                if self.silent_after and verb == self.silent_after:
                    lines.read()
                    break
                conn.sendall(self.answer(verb, line))
                if verb == b"DATA":
                    message = []
                    while not message or message[-1] != b".\r\n":
                        message.append(lines.readline())
                        if not message[-1]:
                            return
                    talk.messages.append(b"".join(message))
                    time.sleep(self.hold)
                    conn.sendall(self.verdict(talk))
                if verb == b"QUIT":
                    break
        except OSError:
            pass
        finally:
            talk.ended = True
            conn.close()

    def answer(self, verb, _line):
        return self.REPLIES.get(verb, b"500 5.5.1 sink knows no such thing\r\n")

    def verdict(self, _talk):
        """The reply to the end of mail data."""
        return self.STORED

    def close(self):
        self.stopping = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self.sock.close()


class Client:
    """An SMTP client that keeps every octet it was sent."""

    def __init__(self, port, host="127.0.0.1", source=None, wait=WAIT):
        self.sock = socket.create_connection((host, port), wait, (source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(wait)
        self.seen, self.taken = b"", 0

    def _more(self):
        octets = self.sock.recv(65536)
        self.seen += octets
        return octets

    def reply(self):
        """One whole reply, all its lines."""
        start = self.taken
        while True:
            end = self.seen.find(b"\n", self.taken)
            if end < 0:
                if not self._more():
                    raise EOFError("closed after %r" % self.seen[start:])
                continue
            line, self.taken = self.seen[self.taken:end + 1], end + 1
            if not REPLY_LINE.match(line):
                raise ValueError("not an SMTP reply line: %r" % line)
            if line[3:4] != b"-":
                return self.seen[start:self.taken]

    def send(self, octets):
        self.sock.sendall(octets)

    def command(self, line):
        self.send(line + b"\r\n")
        return self.reply()

    def rest(self):
        """Everything until the other side closes."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            pass
        start, self.taken = self.taken, len(self.seen)
        return self.seen[start:]

    def close(self):
        self.sock.close()

    def vanish(self):
        """As when the client's machine loses power: a reset, not an orderly end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


MESSAGE = (b"Subject: one\r\nMessage-ID: <one@client.test>\r\n\r\nplain\r\n..a dot more\r\n...two\r\n8-bit \xe9\xff\r\n"
           b"\r\n" + b"x" * 998 + b"\r\ntrailing blank \r\n.\r\n")
ENVELOPE = [b"EHLO client.test", b"MAIL FROM:<a@client.test>", b"RCPT TO:<b@mx.test>", b"DATA"]


def relay_once(port, host="127.0.0.1", source=None):
    """One session, one message. Returns the client (closed) and its replies: greeting … reply to QUIT, and what came
    after that (which has to be nothing)."""
    client = Client(port, host, source)
    try:
        replies = [client.reply()]
        for line in ENVELOPE:
            replies.append(client.command(line))
        client.send(MESSAGE)
        replies.append(client.reply())
        replies.append(client.command(b"QUIT"))
        replies.append(client.rest())
    finally:
        client.close()
    return client, replies


def check_relay(results, what, sink, port, host="127.0.0.1"):
    """A message is relayed byte for byte, and the client sees the MTA's replies and nothing else."""
    before = len(sink.talks)
    _, replies = relay_once(port, host)
    talk = sink.talks[before]
    until(lambda: talk.ended)
    results.ok(talk.messages == [MESSAGE], what + ": the mail data reached the MTA byte for byte", talk.messages)
    wanted = [line + b"\r\n" for line in ENVELOPE] + [b"QUIT\r\n"]
    results.ok(talk.commands == wanted, what + ": the commands reached the MTA as typed", talk.commands)
    known = [r[4:] for r in replies[1].splitlines()[1:]]
    # Without filters STARTTLS is the MTA's; CHUNKING is offered always.
    passed = {b"PIPELINING", b"SIZE 10240000", b"ENHANCEDSTATUSCODES", b"8BITMIME", b"STARTTLS", b"CHUNKING"}
    results.ok(set(known) == passed, what + ": EHLO keywords by the allow-list only", replies[1])
    others = [replies[0]] + replies[2:]
    results.ok(others == [Sink.GREETING, Sink.REPLIES[b"MAIL"], Sink.REPLIES[b"RCPT"], Sink.REPLIES[b"DATA"], Sink.STORED,
                          Sink.REPLIES[b"QUIT"], b""], what + ": the client saw the MTA's replies and nothing else", others)
    return replies


class Syslog:
    """The other end of /dev/log."""

    def __init__(self, path="/dev/log"):
        self.path, self.lines = path, []
        if os.path.exists(path):
            os.unlink(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        os.chmod(path, 0o666)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            self.lines.append(self.sock.recv(65536))

    def wait_for(self, pattern, start=0, seconds=5):
        """The first line from `start` on that matches, or None."""
        expression = re.compile(pattern)
        return until(lambda: next((line for line in self.lines[start:] if expression.search(line)), None), seconds)

    def remove(self):
        os.unlink(self.path)
