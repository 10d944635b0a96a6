"""A crowd of SMTP clients in one process: what each of them does is a generator, and one epoll waits for all.

A client yields what it sends and is given the reply that comes; `LEAVE` and `RESET` end it without waiting. Each comes
from an address of its own, so that limits per address say nothing here.
"""
import os
import select
import socket
import struct
import time

PATIENCE = 60.0  # seconds that a client waits for a reply; a machine that is busy may be slow
LEAVE, RESET = object(), object()
ADDRESSES = 4000  # 127.1.0.1 and on; more than there are sessions at once


def whole(letter):
    """A session with a message; the letter has its text's only line, and gets its reply."""
    yield b""
    yield b"EHLO client.test\r\n"
    yield b"MAIL FROM:<a@client.test>\r\n"
    yield b"RCPT TO:<b@mx.test>\r\n"
    yield b"DATA\r\n"
    letter.reply = yield b"Subject: one of many\r\n\r\n" + letter.text + b"\r\n.\r\n"
    yield b"QUIT\r\n"


def greeted():
    """As little as a session can be."""
    yield b""
    yield b"QUIT\r\n"


def gone_at_once():
    yield LEAVE


def reset_at_once():
    yield RESET


GARBAGE = (b"GET / HTTP/1.1\r\nHost: mx.test\r\n\r\n",
           b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(range(256)) * 2,
           b"\0" * 3000,
           b"\n\r\n\r\r\n" * 200,
           b"EHLO " + b"x" * 9000 + b"\r\n")


def garbage(number):
    yield b""
    yield GARBAGE[number % len(GARBAGE)] + b"\r\n"
    yield LEAVE


def gone_in_command():
    yield b""
    yield b"EHLO client.test\r\n"
    yield b"MAIL FROM:<a@client.test>\r\n"
    yield b"RCPT TO:<b@mx", LEAVE


def gone_in_message(how):
    """Must not become a message, whatever the MTA has of it."""
    yield b""
    yield b"EHLO client.test\r\n"
    yield b"MAIL FROM:<a@client.test>\r\n"
    yield b"RCPT TO:<b@mx.test>\r\n"
    yield b"DATA\r\n"
    yield b"Subject: one of many\r\n\r\ncut off\r\n.", how


class Letter:
    def __init__(self, text):
        self.text, self.reply = text, b""

    def is_stored(self):
        return self.reply[:3] == b"250"


class Client:
    def __init__(self, script, kind):
        self.script, self.kind, self.seen, self.begun = script, kind, b"", time.monotonic()
        self.greeted = None  # seconds until the greeting was there


class Crowd:
    """Runs clients, `at_once` of them at a time, against a port of 127.0.0.1."""

    def __init__(self, port, at_once):
        self.port, self.at_once, self.poll, self.here, self.next = port, at_once, select.epoll(), {}, 0
        self.outcome, self.waits = {}, []

    def run(self, clients):
        """`clients` are pairs of kind and script. Returns how many of each kind came to which end."""
        clients = iter(clients)
        while True:
            while len(self.here) < self.at_once:
                one = next(clients, None)
                if one is None:
                    break
                self.begin(Client(one[1], one[0]))
            if not self.here:
                return self.outcome
            for fd, _ in self.poll.poll(1.0):
                self.hear(*self.here[fd])
            self.lose_patience()

    def begin(self, client):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.next = self.next % ADDRESSES + 1
        sock.bind(("127.1.%d.%d" % divmod(self.next, 250), 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self.here[sock.fileno()] = sock, client
        self.poll.register(sock.fileno(), select.EPOLLIN)
        sock.connect_ex(("127.0.0.1", self.port))
        first = next(client.script)
        if first in (LEAVE, RESET):
            # An orderly end, or a reset, behind a connection that is made.
            self.poll.modify(sock.fileno(), select.EPOLLOUT)
            client.script = first

    def hear(self, sock, client):
        if client.script in (LEAVE, RESET):
            failed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return self.end(sock, client, "left" if not failed else os.strerror(failed), client.script)
        try:
            octets = sock.recv(65536)
        except BlockingIOError:
            return None
        except OSError:
            return self.end(sock, client, "reset")
        if not octets:
            return self.end(sock, client, "closed")
        client.seen += octets
        while True:
            reply = whole_reply(client.seen)
            if not reply:
                return None
            if client.greeted is None:
                client.greeted = time.monotonic() - client.begun
                self.waits.append(client.greeted)
                if reply[:3] != b"220":
                    return self.end(sock, client, reply[:3].decode("latin-1"))
            client.seen = client.seen[len(reply):]
            try:
                said = client.script.send(reply)
            except StopIteration:
                return self.end(sock, client, "served")
            said, how = said if isinstance(said, tuple) else (said, None)
            if said in (LEAVE, RESET):
                said, how = b"", said
            try:
                sock.sendall(said)
            except OSError:
                return self.end(sock, client, "reset")
            if how:
                return self.end(sock, client, "left", how)

    def end(self, sock, client, how, leaving=LEAVE):
        del self.here[sock.fileno()]
        self.poll.unregister(sock.fileno())
        if leaving is RESET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        self.outcome[client.kind, how] = self.outcome.get((client.kind, how), 0) + 1

    def lose_patience(self):
        oldest = time.monotonic() - PATIENCE
        for sock, client in [one for one in self.here.values() if one[1].begun < oldest]:
            self.end(sock, client, "timeout")


def whole_reply(seen):
    """The first reply, all its lines; only the last has no hyphen behind the code (RFC 5321 4.2.1)."""
    at = 0
    while True:
        end = seen.find(b"\n", at)
        if end < 0:
            return b""
        if seen[at + 3:at + 4] != b"-":
            return seen[:end + 1]
        at = end + 1
