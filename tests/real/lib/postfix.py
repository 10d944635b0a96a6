"""Postfix with filters/mta/postfix.master.cf and postfix-proxy.master.cf, its sendmail as a program, and what a Postfix
that relays for 127.0.0.1, as most do, would do without identity (see ../mta-postfix)."""
import os
import subprocess
import sys

sys.path.insert(0, "/real/lib")
import real
from samples import SHIPPED, STRANGER_6, Wrapper, delivers, foreign, program, run, tails, with_text

# With the mynetworks that a Postfix has by itself for its own host. XCLIENT, PROXY, neither.
USUAL = """
127.0.0.1:8031 inet n - n - - smtpd
  -o smtpd_authorized_xclient_hosts=127.0.0.1 -o mynetworks=127.0.0.0/8
  -o smtpd_relay_restrictions=permit_mynetworks,reject_unauth_destination
127.0.0.1:8032 inet n - n - - smtpd
  -o smtpd_upstream_proxy_protocol=haproxy -o mynetworks=127.0.0.0/8
  -o smtpd_relay_restrictions=permit_mynetworks,reject_unauth_destination
127.0.0.1:8033 inet n - n - - smtpd
  -o mynetworks=127.0.0.0/8 -o smtpd_relay_restrictions=permit_mynetworks,reject_unauth_destination
"""


def postfix(command):
    subprocess.run(["postfix", command], check=True, timeout=30, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start(sample):
    with open("/etc/postfix/master.cf", "w") as master:
        for name in (SHIPPED + sample, "/etc/postfix/rest.cf"):
            with open(name) as file:
                master.write(file.read())
        master.write(USUAL)
    postfix("start")
    return real.until(lambda: real.answers(8025) and real.answers(8033))


def sample(ok):
    for name in ("postfix", "postfix-proxy"):
        if not ok(start(name + ".master.cf"), "Postfix listens with %s.master.cf" % name, tails()):
            return
        options = [()] if name == "postfix" else [(), ("--identity", "proxy-v1")]
        for number, option in enumerate(options):
            wrapper = Wrapper(2601 + number, SHIPPED + name + ".toml", *option)
            what, word = name + ".toml" + ", v1" * number, b"%s-%d" % (name.encode(), number)
            delivers(ok, what, wrapper, word)
            delivers(ok, what + ", IPv6", wrapper, word + b"-six", STRANGER_6)
            wrapper.stop()
        # A mistake at our end: Postfix takes every client for 127.0.0.1, or hears no header.
        wrapper = Wrapper(2605, with_text("none", ""), "--upstream", "127.0.0.1:8025", "--time-limit", "8")
        if name == "postfix":
            reply = foreign(wrapper.port)
            ok(reply[:3] == b"554", "%s: identity is missing: no relay: %s" % (name, reply.decode().strip()), tails(wrapper))
        else:
            client = real.Client(wrapper.port, "192.0.2.1", "192.0.2.7", wait=30)
            reply = client.reply()
            ok(reply[:3] == b"421", "%s: identity is missing: no session: %s" % (name, reply.decode().strip()), tails(wrapper))
            client.close()
        wrapper.stop()
        if name == "postfix":
            postfix("stop")


def open_relay(ok):
    relay = '[[filter]]\ntype = "relay"\ndomains = ["example.org"]\n'
    for what, port, identity, text, code in (
            ("without identity it relays for everybody", 8033, "none", "", b"250"),
            ("and so where XCLIENT would be taken, but none comes", 8031, "none", "", b"250"),
            ("with xclient it does not", 8031, "xclient", "", b"554"),
            ("with proxy-v1 it does not", 8032, "proxy-v1", "", b"554"),
            ("with proxy-v2 it does not", 8032, "proxy-v2", "", b"554"),
            ("with the relay filter it does not", 8033, "none", relay, b"554")):
        wrapper = Wrapper(2610, with_text("relay", text), "--upstream", "127.0.0.1:%d" % port, "--identity", identity)
        reply = foreign(wrapper.port)
        ok(reply[:3] == code, "Postfix with mynetworks 127.0.0.0/8: %s: %s" % (what, reply.decode().strip()), tails(wrapper))
        wrapper.stop()


def started(ok):
    program(ok, "exec-sendmail.toml, Postfix's sendmail", b"program")
    # Debian has no qmail: only that the sample starts the program that it names, and that the filter is before it.
    os.makedirs("/var/qmail/bin")
    with open("/var/qmail/bin/qmail-smtpd", "w") as file:
        file.write("#!/bin/sh\nexec /usr/sbin/sendmail -bs\n")
    os.chmod("/var/qmail/bin/qmail-smtpd", 0o755)
    program(ok, "exec-qmail.toml, Postfix's sendmail in qmail-smtpd's place", b"in-its-place", sample="exec-qmail.toml")


run("mta-postfix-samples", sample, open_relay, started)
