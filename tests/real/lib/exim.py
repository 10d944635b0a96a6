"""Exim with filters/mta/exim.conf (see ../mta-exim), and what it would do without the header."""
import subprocess
import sys

sys.path.insert(0, "/real/lib")
import real
from samples import SHIPPED, STRANGER, STRANGER_6, Session, Wrapper, delivers, foreign, run, tails, with_text

NEIGHBOURLY = "127.0.0.1:8026"  # these two relay for 127.0.0.1, as Debian's configuration does
TOLD = "127.0.0.1:8027"


def sample(ok):
    if not ok(real.until(lambda: real.answers(8025)), "Exim listens with exim.conf", tails()):
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
    ok(reply[:1] == b"5", "identity is missing: Exim refuses: " + reply.decode().strip(), (session.said, tails(wrapper)))
    session.quit()
    wrapper.stop()


def start(port, proxy):
    path = "/etc/exim4/%d.conf" % port
    with open(SHIPPED + "exim.conf") as file:
        text = file.read()
    for old, new in (("ports = 8025", "ports = %d" % port), ("relay_from_hosts =\n", "relay_from_hosts = 127.0.0.1\n"),
                     ("hosts_proxy = 127.0.0.1", "hosts_proxy = " + proxy)):
        if old not in text:
            raise ValueError(old + " is not in the sample")
        text = text.replace(old, new)
    with open(path, "w") as file:
        file.write(text)
    subprocess.run(["exim4", "-C", path, "-bd", "-oP", "/run/exim-%d.pid" % port], check=True, timeout=20)
    return real.until(lambda: real.answers(port))


def open_relay(ok):
    """An Exim that relays for 127.0.0.1, without and with the client's address."""
    ok(start(8026, "") and start(8027, "127.0.0.1"), "two that relay for 127.0.0.1 listen", tails())
    for what, options, code in (("without identity it relays for everybody", ("--upstream", NEIGHBOURLY), b"250"),
                                ("with proxy-v1 it does not", ("--identity", "proxy-v1", "--upstream", TOLD), b"550"),
                                ("with proxy-v2 it does not", ("--identity", "proxy-v2", "--upstream", TOLD), b"550")):
        wrapper = Wrapper(2610, with_text("none", ""), *options)
        reply = foreign(wrapper.port)
        ok(reply[:3] == code, "Exim relays for 127.0.0.1, %s: %s" % (what, reply.decode().strip()), tails(wrapper))
        wrapper.stop()


run("mta-exim", sample, half_set, open_relay)
