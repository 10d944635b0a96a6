"""sendmail with filters/mta/sendmail.mc behind sendmail.toml, and started as a program (see ../mta-sendmail)."""
import os
import signal
import sys

sys.path.insert(0, "/real/lib")
import real
from samples import SHIPPED, STRANGER_6, Session, Wrapper, delivers, foreign, found, processes, program, run, tails, with_text


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


def background(ok):
    """Without -odi it delivers in a child, which is not to be ended with the session."""
    with open(SHIPPED + "exec-sendmail.toml") as file:
        text = file.read()
    ok(" -odi" in text, "the sample has -odi")
    wrapper = Wrapper(2640, with_text("background", text.replace(" -odi", "")), user=0)
    words = [b"background-%d" % number for number in range(20)]
    taken = 0
    for word in words:
        session = Session(wrapper.port, word)
        session.recipient(b"alice@example.org")
        session.client.command(b"DATA")
        session.client.send(b"Subject: %s\r\n\r\nx\r\n.\r\nQUIT\r\n" % word)
        taken += session.client.reply()[:3] == b"250"
        session.client.rest()
        session.client.close()
    ok(taken == len(words), "sendmail in the background: %d messages are taken" % len(words), taken)
    missing = [word for word in words if found(word) is None]
    ok(not missing, "sendmail in the background: all are delivered", (missing, tails(wrapper)))
    ok(real.until(lambda: not processes(b"-bs"), 5), "sendmail in the background: no process is left", processes(b"-bs"))
    wrapper.stop()


run("mta-sendmail-samples", sample, started, background)
