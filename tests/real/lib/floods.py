"""10 000 connections through a front end, and what is left of them. usage: floods.py FRONT-END...

Some send a message, some leave at once, talk garbage, or leave in the middle of a command or a message. Afterwards the
front end must serve as before, with no more processes and memory than before, and the MTA must have exactly the
messages whose clients saw 250.
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, "/real/lib")
import flood
import real
import units
from super_servers import NOBODY, PROGRAM, Running, openbsd_inetd, tcpserver

RESULTS = real.Results("floods")
ok, note = RESULTS.ok, RESULTS.note
CONNECTIONS = 10_000
AT_ONCE = 200
# Faster than anything here serves them: each is closed or reset as soon as it is made.
BURST, BURST_AT_ONCE = 3000, 1000
# What a supervisor may have grown by. A leak of 64 octets for each connection is more than this.
GROWTH = 512  # KiB
STORED = "/tmp/stored"
# inetd's queue of connections is short. When a burst fills it, the kernel makes connections from cookies, some of them
# for clients that are gone and will never say so: only the time limit ends such a session, and 5 minutes are long.
IMPATIENT = "--time-limit 20"


def stat(pid):
    """The name of a process, and what /proc says behind it: its state, its parent, ..."""
    with open("/proc/%d/stat" % pid) as file:
        name, _, rest = file.read().partition("(")[2].rpartition(")")
    return name, rest.split()


def processes(which=lambda name, rest: True):
    """Those of this container: all, or some."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if which(*stat(int(pid))):
                found.append(int(pid))
        except OSError:
            continue
    return found


def sessions():
    return processes(lambda name, _: name == "smtp-wrapper")


def children(parent):
    """Also those that are not yet the program."""
    return processes(lambda _, rest: int(rest[1]) == parent)


def left():
    """What is left of sessions, for people: the state of each process ("Z" waits for its parent), what it waits for in
    the kernel, and its descriptors."""
    told = []
    for pid in sessions():
        try:
            folder = "/proc/%d/" % pid
            with open(folder + "wchan") as file:
                waits = file.read()
            told.append((pid, stat(pid)[1][0], waits, [os.readlink(folder + "fd/" + fd) for fd in os.listdir(folder + "fd")]))
        except OSError as error:
            told.append((pid, str(error)))
    return told


def memory(pid):
    """A process's heap and stacks in KiB. Not the pages of files, which come and go as the kernel likes."""
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))


class Mta:
    """The MTA in a process of its own."""

    def __enter__(self):
        open(STORED, "w").close()
        self.process = subprocess.Popen([sys.executable, "-S", "/real/lib/flood_sink.py", STORED])
        real.until(lambda: real.answers(real.PORT_OF_MTA))
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(5)

    @staticmethod
    def stored():
        with open(STORED, "rb") as file:
            return file.read().splitlines()


def mixture(count, letters):
    """Clients of all kinds in turns; those with messages add theirs to `letters`."""
    for number in range(count):
        turn = number % 8
        if turn < 3:
            letters.append(flood.Letter(b"letter %d" % number))
            yield "message", flood.whole(letters[-1])
        elif turn == 3:
            yield "at once", flood.gone_at_once() if number % 16 < 8 else flood.reset_at_once()
        elif turn == 4:
            yield "garbage", flood.garbage(number // 8)
        elif turn == 5:
            yield "in command", flood.gone_in_command()
        elif turn == 6:
            yield "in message", flood.gone_in_message(flood.LEAVE if number % 16 < 8 else flood.RESET)
        else:
            yield "greeted", flood.greeted()


def sent_again(what, port, letters):
    """Whoever was turned away at the door comes again, as a mail server does."""
    times = 0
    while times < 20 and not all(letter.is_stored() for letter in letters):
        times += 1
        time.sleep(0.5)
        flood.Crowd(port, 50).run([("message", flood.whole(letter)) for letter in letters if not letter.is_stored()])
    if times:
        note("%s: messages of clients that were turned away were sent again, %d times" % (what, times))


def flooded(what, port, supervisor, at_rest):
    """`supervisor` is the process that accepts; `at_rest()` tells whether nothing of a session is left."""
    with Mta() as mta:
        before, begun = len(processes()), time.monotonic()
        burst = flood.Crowd(port, BURST_AT_ONCE).run(("burst", flood.gone_at_once() if n % 2 else flood.reset_at_once()) for n in range(BURST))
        note("%s: %d clients that leave at once, in %.1f s" % (what, BURST, time.monotonic() - begun))
        ok(burst == {("burst", "left"): BURST}, what + ": faster than they can be served, all could connect", burst)

        # The first sessions made lists and buffers that stay; the others add nothing.
        flood.Crowd(port, AT_ONCE).run(mixture(1600, []))
        real.until(at_rest, 30, 0.1)
        kib = memory(supervisor)
        open(STORED, "w").close()

        letters, begun = [], time.monotonic()
        outcome = flood.Crowd(port, AT_ONCE).run(mixture(CONNECTIONS, letters))
        seconds = time.monotonic() - begun
        note("%s: %d connections in %.1f s, %.0f a second" % (what, CONNECTIONS, seconds, CONNECTIONS / seconds))
        note("%s: %s" % (what, ", ".join("%s %s: %d" % (*key, count) for key, count in sorted(outcome.items()))))
        ok(not [key for key in outcome if key[1] == "timeout"], what + ": nobody waited in vain", outcome)
        sent_again(what, port, letters)
        with_250 = sorted(letter.text for letter in letters if letter.is_stored())
        ok(len(with_250) == len(letters), what + ": every message was taken in the end", len(with_250))
        ok(real.until(at_rest, 60, 0.1), what + ": nothing of a session is left", left())
        stored = sorted(mta.stored())
        ok(stored == with_250, "%s: the MTA has exactly the %d messages whose clients saw 250" % (what, len(with_250)),
           (len(stored), sorted(set(stored) ^ set(with_250))[:5]))
        real.until(lambda: len(processes()) <= before, 10, 0.1)
        ok(len(processes()) <= before, "%s: as many processes as before (%d)" % (what, before), processes())
        now = memory(supervisor)
        ok(now <= kib + GROWTH, "%s: memory of the supervisor: %d KiB before, %d after" % (what, kib, now))
    sink = real.Sink()
    try:
        real.check_relay(RESULTS, what + ", after the flood", sink, port)
    finally:
        sink.close()


def inetd_family(what, how):
    running = Running(how, IMPATIENT)
    with running as port:
        itself = running.process.pid
        flooded(what, port, itself, lambda: not children(itself))
    real.until(lambda: not sessions())
    ok(not sessions(), what + ": and with it all is gone", left())


def listen(port, options):
    return NOBODY + [PROGRAM, "listen", "127.0.0.1:%d" % port, *options.split()]


def systemd(what):
    units.start("smtp-wrapper.socket")
    flooded(what, 25, 1, lambda: not units.sessions() and not sessions())
    units.none_left(ok, what)
    state = units.systemctl("show", "-p", "ActiveState,Result,NConnections", "smtp-wrapper.socket").split()
    ok({"ActiveState=active", "Result=success", "NConnections=0"} <= set(state), what + ": the socket is alive", state)


FRONT_ENDS = {
    "tcpserver": lambda what: inetd_family(what, tcpserver),
    "openbsd-inetd": lambda what: inetd_family(what, openbsd_inetd("inetd.conf.debian")),
    "listen": lambda what: inetd_family(what, listen),
    "systemd": systemd,
}


def main():
    for what in sys.argv[1:]:
        RESULTS.attempt(what, FRONT_ENDS[what], what)
    RESULTS.finish()


main()
