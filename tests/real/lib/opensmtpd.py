"""OpenSMTPD with filters/mta/opensmtpd.conf (see ../mta-opensmtpd), and what it would do without the header."""
import os
import subprocess
import sys

sys.path.insert(0, "/real/lib")
import real
from samples import SHIPPED, STRANGER_6, Session, Wrapper, delivers, foreign, run, tails, with_text


def start(config, port=8025):
    with open(os.environ["LOG"], "ab") as log:
        process = subprocess.Popen(["smtpd", "-d", "-v", "-f", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    real.until(lambda: real.answers(port))
    return process


def stop(process, port=8025):
    process.terminate()
    process.wait(10)
    real.until(lambda: not real.answers(port))


def sample(ok):
    process = start("/etc/smtpd.conf")
    if not ok(real.answers(8025), "OpenSMTPD listens with opensmtpd.conf", tails()):
        return
    wrapper = Wrapper(2601, SHIPPED + "opensmtpd.toml")
    delivers(ok, "opensmtpd.toml", wrapper, b"v2")
    delivers(ok, "opensmtpd.toml, IPv6", wrapper, b"v2-six", STRANGER_6)
    wrapper.stop()
    # A client of the port who gives himself out for 127.0.0.1 gains nothing.
    wrapper = Wrapper(2602, SHIPPED + "opensmtpd.toml", host="127.0.0.1")
    session = Session(wrapper.port, b"local", "127.0.0.1", host="127.0.0.1")
    reply = session.recipient(b"victim@elsewhere.test")
    ok(reply[:1] == b"5", "not even 127.0.0.1 may write to everybody: " + reply.decode().strip(), session.said)
    session.quit()
    wrapper.stop()
    # identity at one end alone: no mail, rather than mail from 127.0.0.1.
    wrapper = Wrapper(2603, with_text("none", ""), "--upstream", "127.0.0.1:8025", "--time-limit", "5")
    client = real.Client(wrapper.port, "192.0.2.1", "192.0.2.7", wait=30)
    reply = client.reply()
    ok(reply[:3] == b"421", "identity is missing: no session: " + reply.decode().strip(), tails(wrapper))
    client.close()
    wrapper.stop()
    stop(process)


def open_relay(ok):
    """An OpenSMTPD that relays for 127.0.0.1, as its own first configuration does, without and with the client's
    address."""
    with open(SHIPPED + "opensmtpd.conf") as file:
        text = file.read()
    with open("/etc/neighbourly.conf", "w") as file:
        file.write(text + 'listen on 127.0.0.1 port 8026\nmatch from local for any action "outbound"\n')
    process = start("/etc/neighbourly.conf")
    for what, options, code in (("without identity it relays for everybody", ("--upstream", "127.0.0.1:8026"), b"250"),
                                ("with proxy-v2 it does not", ("--identity", "proxy-v2"), b"550")):
        wrapper = Wrapper(2610, with_text("none", ""), *options)
        reply = foreign(wrapper.port)
        ok(reply[:3] == code, "OpenSMTPD relays for 127.0.0.1, %s: %s" % (what, reply.decode().strip()), tails(wrapper))
        wrapper.stop()
    stop(process)


if __name__ == "__main__":
    run("mta-opensmtpd", sample, open_relay)
