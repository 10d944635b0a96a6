"""sendmail with filters/mta/sendmail.mc behind sendmail.toml, and started as a program (see ../mta-sendmail)."""
import os
import signal
import sys

sys.path.insert(0, "/real/lib")
import real
from samples import SHIPPED, STRANGER_6, Wrapper, delivers, foreign, program, run, tails, with_text


def sample(ok):
    wrapper = Wrapper(2601, SHIPPED + "sendmail.toml")
    delivers(ok, "sendmail.toml", wrapper, b"sample", seen=False)
    delivers(ok, "sendmail.toml, IPv6", wrapper, b"sample-six", STRANGER_6, seen=False)
    ok(wrapper.logged(b"rule=relay"), "sendmail.toml: it was the filter that refused", tails(wrapper))
    wrapper.stop()
    wrapper = Wrapper(2602, with_text("none", ""), "--upstream", "127.0.0.1:8025")
    reply = foreign(wrapper.port)
    ok(reply[:3] == b"250", "without the filter it relays for everybody: " + reply.decode().strip(), tails(wrapper))
    wrapper.stop()


def started(ok):
    """By root, and with no daemon to help."""
    with open(os.environ["PID"]) as file:
        os.kill(int(file.readline()), signal.SIGTERM)
    ok(real.until(lambda: not real.answers(8025)), "the daemon is gone")
    program(ok, "exec-sendmail.toml, sendmail", b"program", user=0)


run("mta-sendmail-samples", sample, started)
