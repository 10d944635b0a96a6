"""The samples in filters/mta as they lie there: a real MTA with its own, smtp-wrapper with the one beside it, a client
with an address that is not ours. What the MTA made of the client stands in its Received header and in its log.

A test has MAIL_OF_ALICE (a file, or a folder of messages) and LOG (the MTA's) in its environment.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, "/real/lib")
import real

SHIPPED = "/shipped/filters/mta/"
NOBODY = 65534
# Of the networks for documentation, so that neither we nor an MTA can take them for neighbours.
US, STRANGER, OTHER = "192.0.2.1", "192.0.2.7", "198.51.100.7"
US_6, STRANGER_6 = "2001:db8::1", "2001:db8::7"


def addresses():
    """Ours on the interface; the strangers' only by a route, for an MTA may take any address of an interface for its own
    host (OpenSMTPD's "from local" does)."""
    def ip(words):
        subprocess.run(["ip"] + words.split(), check=True)
    ip("address add %s/32 dev lo" % US)
    for address in (STRANGER, OTHER):
        ip("route add local %s/32 dev lo" % address)
    for address in (US_6, STRANGER_6):  # IPv6 lets nobody bind by a route
        ip("address add %s/128 dev lo nodad" % address)


class Wrapper:
    """smtp-wrapper with a configuration, on a port of its own."""

    def __init__(self, port, config, *options, user=NOBODY, host=None):
        self.port, self.log_file = port, "/tmp/wrapper-%d.log" % port
        places = [host + ":%d" % port] if host else ["%s:%d" % (US, port), "[%s]:%d" % (US_6, port)]
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/smtp-wrapper", "listen", "--config", config, "--log", "stderr", *options, *places],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, user=user, extra_groups=[])
        real.until(lambda: real.answers(port))

    def log(self):
        with open(self.log_file, "rb") as file:
            return file.read()

    def logged(self, *words):
        return real.until(lambda: any(all(word in line for word in words) for line in self.log().splitlines()), 5)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def with_text(name, text):
    """A configuration of a test's own."""
    path = "/tmp/%s.toml" % name
    with open(path, "w") as file:
        file.write(text)
    return path


def mails():
    place = os.environ["MAIL_OF_ALICE"]
    if os.path.isdir(place):
        names = [os.path.join(place, name) for name in os.listdir(place) if not name.startswith(".")]
        return [open(name, "rb").read() for name in names]
    if not os.path.exists(place):
        return []
    with open(place, "rb") as file:
        return re.split(rb"(?m)^From ", file.read())


def found(word):
    mark = b"\nSubject: %s\n" % word
    return real.until(lambda: next((mail for mail in mails() if mark in mail), None), real.WAIT, 0.05)


def mta_log():
    with open(os.environ["LOG"], "rb") as file:
        return file.read()


def tails(*wrappers):
    return "\n".join(log[-1500:].decode("latin1") for log in [mta_log()] + [wrapper.log() for wrapper in wrappers])


class Session:
    """A client that has said EHLO and MAIL."""

    def __init__(self, port, word, source=STRANGER, host=None):
        host = host or (US_6 if ":" in source else US)
        self.client = real.Client(port, host, source, wait=30)
        self.greeting = self.client.reply()
        self.word = word
        self.said = [self.client.command(b"EHLO its.own.name"), self.client.command(b"MAIL FROM:<%s@client.test>" % word)]

    def recipient(self, recipient):
        reply = self.client.command(b"RCPT TO:<%s>" % recipient)
        self.said.append(reply)
        return reply

    def message(self):
        self.said.append(self.client.command(b"DATA"))
        text = b"From: <x@client.test>\r\nMessage-ID: <%s@client.test>\r\nDate: Wed, 25 Nov 2026 09:00:00 +0000\r\nSubject: %s\r\n\r\n"
        self.client.send(text % (self.word, self.word) + b"..a dot\r\ncaf\xc3\xa9\r\n.\r\n")
        self.said.append(self.client.reply())
        return self.said[-1]

    def quit(self):
        self.said.append(self.client.command(b"QUIT"))
        self.client.close()


def foreign(port, source=STRANGER):
    """What a stranger is told who wants to write to a domain elsewhere."""
    session = Session(port, b"foreign", source)
    reply = session.recipient(b"victim@elsewhere.test")
    session.quit()
    return reply


def delivers(ok, what, wrapper, word, source=STRANGER, seen=True, **where):
    """A stranger's mail for us comes to the mailbox, for elsewhere it is refused; with `seen`, the MTA knows him."""
    before = len(mta_log())
    session = Session(wrapper.port, word, source, **where)
    ok(session.greeting[:4] == b"220 ", what + ": greeted", (session.greeting, tails(wrapper)))
    reply = session.recipient(b"victim@elsewhere.test")
    ok(reply[:1] == b"5", what + ": no open relay: " + reply.decode().strip(), reply)
    accepted = session.recipient(b"alice@example.org")[:3] == b"250" and session.message()[:3] == b"250"
    ok(accepted, what + ": mail for us is accepted", (session.said, tails(wrapper)))
    session.quit()
    mail = found(word) or b""
    ok(mail.rstrip().endswith(b"\n.a dot\ncaf\xc3\xa9"), what + ": delivered as sent", (mail, tails(wrapper)))
    ok(wrapper.logged(b"ip=[%s]" % source.encode(), b"verdict=pass", b"to=<alice@example.org>"),
       what + ": our log has the client", wrapper.log()[-1500:].decode("latin1"))
    # The first header is that of the MTA before us; what we or a client wrote stands below.
    received = b" ".join(re.split(rb"\sby ", mail.split(b"Received: ", 1)[-1])[0].split())
    address = source.encode()
    ok((address in received) == seen, what + ": the MTA's Received header: " + received.decode("latin1"), mail)
    if seen:
        ok(real.until(lambda: address in mta_log()[before:], 5), what + ": the MTA's log has the client", tails(wrapper))


def processes(*names):
    """The command lines of these programs that run."""
    lines = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                line = file.read().replace(b"\0", b" ")
        except OSError:
            continue
        if any(name in line for name in names):
            lines.append(line)
    return lines


def program(ok, what, word, user=NOBODY, sample="exec-sendmail.toml", relays=True):
    """The MTA started for the session, with the relay filter of the sample; `relays`: what would be without that."""
    wrapper = Wrapper(2630, SHIPPED + sample, user=user)
    delivers(ok, what, wrapper, word, seen=False)
    ok(wrapper.logged(b"rule=relay"), what + ": it was the filter that refused", tails(wrapper))
    left = real.until(lambda: not processes(b"-bs"), 5)
    ok(left, what + ": no process of it is left", processes(b"-bs"))
    wrapper.stop()
    with open(SHIPPED + sample) as file:
        text = file.read().split("[[filter]]")[0]
    wrapper = Wrapper(2631, with_text("no-filter", text), user=user)
    reply = foreign(wrapper.port)
    ok((reply[:3] == b"250") == relays, what + ": without the filter: " + reply.decode().strip(), tails(wrapper))
    wrapper.stop()


def run(name, *groups):
    results = real.Results(name)
    addresses()
    for group in groups:
        results.attempt(group.__name__, group, results.ok)
    results.finish()
