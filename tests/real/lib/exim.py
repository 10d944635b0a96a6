"""Exim with filters/mta/exim.conf (see ../mta-exim), and what it would do without the header."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, "/real/lib")
import real
from samples import SHIPPED, STRANGER_6, Session, Wrapper, delivers, foreign, program, run, tails, with_text

NEIGHBOURLY = "127.0.0.1:8026"  # these two relay for 127.0.0.1, as Debian's configuration does
TOLD = "127.0.0.1:8027"
PID = "/run/exim-shipped.pid"


def sample(ok):
    if not ok(start_shipped(), "Exim listens with exim.conf", tails()):
        return
    for port, options in ((2601, ()), (2602, ("--identity", "proxy-v1"))):
        wrapper = Wrapper(port, SHIPPED + "exim.toml", *options)
        name = "PROXY v1" if options else "exim.toml, PROXY v2"
        word = b"v1" if options else b"v2"
        delivers(ok, name, wrapper, word)
        delivers(ok, name + ", IPv6", wrapper, word + b"-six", STRANGER_6)
        wrapper.stop()


def half_set(ok):
    """identity at one end alone: no mail, rather than mail from 127.0.0.1."""
    wrapper = Wrapper(2603, with_text("none", ""), "--upstream", "127.0.0.1:8025")
    session = Session(wrapper.port, b"half-set")
    reply = session.recipient(b"alice@example.org")
    ok(all(said[:1] == b"5" for said in session.said) and reply[:1] == b"5",
       "identity is missing: Exim takes no command: %s" % [said.decode().strip() for said in session.said], tails(wrapper))
    session.quit()
    wrapper.stop()


def start_shipped():
    """The sample as it lies there, in the place that Exim reads: with any other (-C) Exim cannot deliver."""
    subprocess.run(["exim4", "-bd", "-oP", PID], check=True, timeout=20)
    return real.until(lambda: real.answers(8025))


def stop_shipped():
    with open(PID) as file:
        os.kill(int(file.readline()), signal.SIGTERM)


def start(port, *changes):
    """One more Exim, on this port, with these changes of the sample."""
    path = "/etc/exim4/%d.conf" % port
    with open(SHIPPED + "exim.conf") as file:
        text = file.read()
    for old, new in (("ports = 8025\n", "ports = %d\n" % port), *changes):
        if old not in text:
            raise ValueError(old + " is not in the sample")
        text = text.replace(old, new)
    with open(path, "w") as file:
        file.write(text)
    subprocess.run(["exim4", "-C", path, "-bd", "-oP", "/run/exim-%d.pid" % port], check=True, timeout=20)
    return real.until(lambda: real.answers(port))


def open_relay(ok):
    """An Exim that relays for 127.0.0.1, without and with the client's address."""
    neighbourly = ("relay_from_hosts =\n", "relay_from_hosts = 127.0.0.1\n")
    ok(start(8026, neighbourly, ("hosts_proxy = 127.0.0.1\n", "")) and start(8027, neighbourly), "two that relay for 127.0.0.1 listen", tails())
    for what, options, code in (("without identity it relays for everybody", ("--upstream", NEIGHBOURLY), b"250"),
                                ("with proxy-v1 it does not", ("--identity", "proxy-v1", "--upstream", TOLD), b"550"),
                                ("with proxy-v2 it does not", ("--identity", "proxy-v2", "--upstream", TOLD), b"550")):
        wrapper = Wrapper(2610, with_text("none", ""), *options)
        reply = foreign(wrapper.port)
        ok(reply[:3] == code, "Exim relays for 127.0.0.1, %s: %s" % (what, reply.decode().strip()), tails(wrapper))
        wrapper.stop()


def started(ok):
    program(ok, "exec-sendmail.toml, Exim's sendmail", b"program", relays=False)


if __name__ == "__main__":
    run("mta-exim", sample, half_set, open_relay, started)
