"""A thousand slow clients of many addresses against `smtp-wrapper listen`, and a good one beside them."""
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import real  # noqa: E402

LIMIT = 8.0  # seconds: what sessions are told with --time-limit
SLACK = 3.0  # seconds beyond, on a busy machine
CLIENTS = 1000
ADDRESSES = 50
PORT = 2525
LOG = "/tmp/log"
MEMORY = 100 * 1024  # KiB, of all sessions together
TURNED_AWAY = b"421 4.4.2 Time limit exceeded, closing connection\r\n"
TOO_LONG = b"421 4.4.2 Session time limit exceeded, closing connection\r\n"
HELP = b"".join(b"214-2.0.0 %s\r\n" % (b"x" * 70) for _ in range(40)) + b"214 2.0.0 that is all\r\n"

EHLO = b"EHLO slow.example\r\n"
ENVELOPE = [EHLO, b"MAIL FROM:<a@slow.example>\r\n", b"RCPT TO:<b@mx.test>\r\n"]
results = real.Results("loris")


class Kind:
    """What a slow client does: what it says in turn, each after a reply; what it sends an octet of now and then, if
    anything; how often its time begins anew at most; and what it is told at the end."""

    def __init__(self, says, trickle=None, times=1, told=TURNED_AWAY, end="session.client-silent", reads=True):
        self.says, self.trickle, self.times, self.told, self.end = says, trickle, times, told, end
        self.reads = reads


KINDS = {
    "says nothing": Kind([]),
    # The first octet of a line begins a wait, those behind it do not.
    "never ends a command": Kind([EHLO], b"NOOP " + b"x" * 200, 2),
    "falls silent within a transaction": Kind(ENVELOPE),
    "falls silent within a message": Kind(ENVELOPE + [b"DATA\r\n", b"Subject: slow\r\n\r\nhalf a li"]),
    "falls silent within a chunk": Kind(ENVELOPE + [b"BDAT 100000\r\nhalf a chunk"]),
    # Each octet of a message is progress, and has only the session's limit before it.
    "sends its message octet by octet": Kind(ENVELOPE + [b"DATA\r\n"], b"x" * 200, None, TOO_LONG, "session.too-long"),
    "never reads": Kind([b"HELP\r\n" * 16], None, 1, None, "client-stuck", reads=False),
    "never ends a handshake": Kind([EHLO, b"STARTTLS\r\n", b"\x16\x03\x01\x01"], b"\0" * 200, 1, b"", "tls.failed"),
}


class Mta(real.Sink):
    """One thread for all connections."""

    def __init__(self):
        self.stopping, self.sock = False, real.listener(real.PORT_OF_MTA)
        self.taken = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        poll, talks = select.epoll(), {}
        poll.register(self.sock, select.EPOLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self.sock.fileno():
                    conn, _ = self.sock.accept()
                    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    conn.settimeout(5)
                    talks[conn.fileno()] = [conn, b"", False]
                    poll.register(conn, select.EPOLLIN)
                    conn.sendall(self.GREETING)
                    continue
                talk = talks[fd]
                try:
                    octets = talk[0].recv(65536)
                    if octets:
                        talk[1] += octets
                        self.obey(talk)
                        continue
                except OSError:
                    pass
                poll.unregister(fd)
                talks.pop(fd)[0].close()

    def obey(self, talk):
        while True:
            if talk[2]:
                message, end, rest = talk[1].partition(b"\r\n.\r\n")
                if not end:
                    return
                self.taken.append(message + end)
                talk[1], talk[2] = rest, False
                talk[0].sendall(self.STORED)
            line, end, rest = talk[1].partition(b"\r\n")
            if not end:
                return
            talk[1], verb = rest, line[:4].upper()
            talk[2] = verb == b"DATA"
            if verb == b"HELP":
                talk[0].sendall(HELP)
            elif verb != b"BDAT":
                talk[0].sendall(self.answer(verb, line))


class Slow:
    """One client."""

    def __init__(self, number):
        self.name = list(KINDS)[number % len(KINDS)]
        self.kind = KINDS[self.name]
        self.sock = socket.socket()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.kind.reads:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.sock.bind(("127.0.1.%d" % (1 + number % ADDRESSES), 0))
        self.sock.setblocking(False)
        self.sock.connect_ex(("127.0.0.1", PORT))
        self.seen, self.said, self.trickled = b"", 0, 0
        self.waits_since = self.ended = None

    def reads(self):
        """Takes what has come; says the next word after each reply."""
        try:
            octets = self.sock.recv(65536)
        except ConnectionResetError:
            octets = b""
        except BlockingIOError:
            return
        if not octets:
            self.ended = time.monotonic()
            self.sock.close()
            return
        self.seen += octets
        lines = self.seen.splitlines(True)
        if not self.ready() and lines[-1].endswith(b"\n") and lines[-1][3:4] == b" ":
            if self.said < len(self.kind.says):
                self.sock.send(self.kind.says[self.said])
            self.said += 1
            if self.ready():
                self.waits_since, self.seen = time.monotonic(), b""
        elif self.ready() and not self.kind.reads:
            raise AssertionError("who never reads has read")

    def ready(self):
        # The last word has no reply, if it is half of something; of what has, the reply is waited for.
        return self.said > len(self.kind.says) or (self.said == len(self.kind.says) and self.said and self.is_half())

    def is_half(self):
        return not self.kind.says[-1].endswith(b"\r\n") or not self.kind.reads

    def trickles(self):
        if self.ended is None and self.kind.trickle:
            try:
                self.sock.send(self.kind.trickle[self.trickled:self.trickled + 1])
            except OSError:
                return
            self.trickled += 1


class Crowd:
    """All of them, in one thread."""

    def __init__(self):
        self.poll, self.clients, self.trickled = select.epoll(), {}, time.monotonic()

    def gathers(self, count):
        for number in range(count):
            client = Slow(number)
            self.clients[client.sock.fileno()] = client
            self.poll.register(client.sock, select.EPOLLIN)
            if number % 20 == 19:  # the listener's queue is finite
                self.tends(0.01)

    def of(self, condition):
        return [client for client in self.clients.values() if condition(client)]

    def tends(self, seconds):
        end = time.monotonic() + seconds
        while True:
            for fd, _ in self.poll.poll(max(0, min(0.1, end - time.monotonic()))):
                client = self.clients[fd]
                client.reads()
                if client.ended or (client.ready() and not client.kind.reads):
                    self.leaves(fd, client)
            now = time.monotonic()
            if now - self.trickled > 1:
                self.trickled = now
                for client in self.of(Slow.ready):
                    client.trickles()
            if now >= end:
                return

    def leaves(self, fd, client):
        if not client.ended:
            self.poll.unregister(fd)
        # Its number may be another's now.
        self.clients[(fd, id(client))] = self.clients.pop(fd)

    def until(self, condition, seconds):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.tends(0.1)
        return condition()


class Good:
    """A client that sends a message again and again, each as any client would."""

    def __init__(self):
        self.times, self.faults, self.stopping = [], [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping:
            begun = time.monotonic()
            try:
                _, replies = real.relay_once(PORT, source="127.0.2.1")
                if replies[5] != real.Sink.STORED:
                    self.faults.append(replies)
            except (OSError, EOFError, ValueError) as error:
                self.faults.append(repr(error))
            self.times.append(time.monotonic() - begun)
            time.sleep(0.3)

    def stop(self):
        self.stopping = True
        self.thread.join()


def sessions(of):
    """The processes of all sessions, by their parent."""
    try:
        with open("/proc/%d/task/%d/children" % (of, of)) as children:
            return [int(pid) for pid in children.read().split()]
    except OSError:
        return []


def sum_of(pids, what):
    total = 0
    for pid in pids:
        try:
            total += what(pid)
        except (OSError, ValueError):  # it is gone, and uses nothing
            pass
    return total


def pss(pid):
    with open("/proc/%d/smaps_rollup" % pid) as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))


def busy(pid):
    """Nanoseconds on a processor."""
    with open("/proc/%d/schedstat" % pid) as stat:
        return int(stat.read().split()[0])


def check_ends(crowd, log):
    for name, kind in KINDS.items():
        clients = crowd.of(lambda client: client.name == name)
        told = [client for client in clients if kind.told is not None and client.seen != kind.told]
        results.ok(not told, "who %s is told %s" % (name, kind.told or "nothing"), [c.seen for c in told[:3]])
        ends = [float(t) for t in re.findall(r"session=end end=%s .* t=([0-9.]+)" % re.escape(kind.end), log)]
        wanted = len(crowd.of(lambda client: client.kind.end == kind.end))
        results.ok(len(ends) == wanted, "who %s: the log has end=%s" % (name, kind.end), "%d of %d" % (len(ends), wanted))
        if kind.times:
            # Of who does not read only the log knows.
            waited = [c.ended - c.waits_since for c in clients] if kind.reads else ends
            wrong = [time for time in waited if not LIMIT - 1 < time < LIMIT * kind.times + SLACK]
            results.ok(not wrong, "who %s is turned away after %.0f s%s" % (
                name, LIMIT, ", twice at most" if kind.times > 1 else ""), wrong[:5])


def main():
    mta = Mta()
    log = open(LOG, "wb")
    listen = subprocess.Popen(
        ["/usr/sbin/smtp-wrapper", "listen", "--max", "1200", "--max-per-address", "2000", "--config", "none",
         "--log", "stderr", "--time-limit", str(LIMIT), "--tls-cert", "/srv/tls/mx.crt", "--tls-key", "/srv/tls/mx.key",
         "--hostname", "mx.test", "--state", "/srv/state", "127.0.0.1:%d" % PORT],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    real.until(lambda: real.answers(PORT))
    crowd, good = Crowd(), Good()
    begun = time.monotonic()
    crowd.gathers(CLIENTS)
    there = crowd.until(lambda: all(client.ready() for client in crowd.clients.values()), LIMIT - 1)
    results.ok(there, "%d clients are where they stay, after %.1f s" % (CLIENTS, time.monotonic() - begun),
               [(c.name, c.said, c.seen) for c in crowd.of(lambda c: not c.ready())[:5]])
    crowd.tends(0.5)

    pids = sessions(listen.pid)
    results.ok(len(pids) >= CLIENTS, "each has a session", len(pids))
    memory, before, at = sum_of(pids, pss), sum_of(pids, busy), time.monotonic()
    results.note("%d sessions: %d KiB, %.2f s of a processor to start" % (len(pids), memory, before / 1e9))
    results.ok(memory <= MEMORY, "the sessions have %d MiB at most" % (MEMORY // 1024), memory)
    crowd.tends(2)
    pids = [pid for pid in pids if os.path.exists("/proc/%d" % pid)]
    share = (sum_of(pids, busy) - before) / 1e9 / (time.monotonic() - at)
    results.note("while they wait: %.2f %% of a processor" % (100 * share))
    results.ok(share < 0.05, "waiting takes less than 5 % of a processor", share)

    gone = crowd.until(lambda: all(c.ended for c in crowd.of(lambda c: c.kind.times and c.kind.reads)),
                       2 * LIMIT + SLACK)
    results.ok(gone, "those whose time is over are turned away",
               [c.name for c in crowd.of(lambda c: c.kind.times and c.kind.reads and not c.ended)[:5]])
    staying = crowd.of(lambda c: not c.kind.times)
    results.ok(staying and not any(c.ended for c in staying), "who sends on has its time")
    good.stop()
    # The two hours of a session are over for those that are left.
    for pid in sessions(listen.pid):
        os.kill(pid, signal.SIGALRM)
    results.ok(crowd.until(lambda: all(c.ended for c in staying), SLACK), "the session's limit ends these, too")

    results.note("the good client: %d messages, %.2f s at most" % (len(good.times), max(good.times)))
    results.ok(not good.faults, "a good client is served all the while", good.faults[:3])
    results.ok(len(good.times) > 10 and max(good.times) < 2, "and soon", max(good.times))
    results.ok(len(mta.taken) == len(good.times), "the MTA has its messages, and no other", len(mta.taken))

    results.ok(real.until(lambda: not sessions(listen.pid), 5), "no session is left", sessions(listen.pid))
    listen.terminate()
    results.ok(listen.wait(5) == 0, "listen ends with status 0")
    names = [open("/proc/%s/comm" % pid).read().strip() for pid in os.listdir("/proc") if pid.isdigit()]
    results.ok("smtp-wrapper" not in names, "no process is left", names)
    with open(LOG, encoding="latin-1") as lines:
        text = lines.read()
    check_ends(crowd, text)
    results.ok("session=trouble" not in text and "cannot" not in text, "nothing went wrong",
               [line for line in text.splitlines() if "cannot" in line or "trouble" in line][:5])


results.attempt("all of it", main)
results.finish()
