"""Runs as a service under a real systemd (see ../setups): sendmail behind the wrapper, with the original's set-ups."""
import os
import subprocess
import sys
import time

sys.path.insert(0, "/real/lib")
import real

RESULTS = real.Results("setups")
ok = RESULTS.ok
FILTERS = "/usr/lib/smtp-wrapper/filters/"
PORT = 25
HEADER = b"From: <someone@client.test>\r\nTo: <alice@mx.test>\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\nMessage-ID: <%s@client.test>\r\nSubject: %s\r\n\r\n"


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.stdout.decode("utf-8", "replace")


class Supervisor:
    """A command that accepts on port 25 and starts sessions with these options."""

    def __init__(self, command):
        self.command = command

    def start(self, options):
        self.process = subprocess.Popen(self.command(options), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        return real.until(lambda: real.answers(PORT), 10)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        real.until(lambda: not real.answers(PORT), 10)


def inetd(options):
    with open("/tmp/inetd.conf", "w") as conf:
        conf.write("%d stream tcp nowait mail /usr/sbin/smtp-wrapper smtp-wrapper %s\n" % (PORT, " ".join(options)))
    return ["/usr/sbin/inetd", "-i", "/tmp/inetd.conf"]


class Systemd:
    """The shipped units, with these options by a drop-in."""

    def start(self, options):
        folder = "/etc/systemd/system/smtp-wrapper@.service.d"
        os.makedirs(folder, exist_ok=True)
        with open(folder + "/options.conf", "w") as file:
            file.write("[Service]\nExecStart=\nExecStart=/usr/sbin/smtp-wrapper %s\n" % " ".join(options))
        run("systemctl", "daemon-reload")
        run("systemctl", "start", "smtp-wrapper.socket")
        return real.until(lambda: real.answers(PORT), 10)

    def stop(self):
        run("systemctl", "stop", "smtp-wrapper.socket")


SUPERVISORS = {
    "openbsd-inetd": Supervisor(inetd),
    "tcpserver": Supervisor(lambda options: ["tcpserver", "-RHl0", "0", str(PORT), "/usr/sbin/smtp-wrapper"] + options),
    "systemd": Systemd(),
    "listen": Supervisor(lambda options: ["/usr/sbin/smtp-wrapper", "listen"] + options + [str(PORT)]),
}


def mailbox(word):
    folder = "/srv/mail/alice"
    for name in os.listdir(folder):
        if not name.startswith("."):
            with open(os.path.join(folder, name), "rb") as file:
                text = file.read()
            if b"Return-Path: <%s@client.test>" % word in text:
                return text
    return None


def session(source, word, recipient=b"alice@mx.test", body=b"..a dot\r\ncaf\xc3\xa9\r\n"):
    """The codes of a session's replies."""
    client = real.Client(PORT, source=source, wait=30)
    replies = [client.reply(), client.command(b"EHLO client.test"), client.command(b"MAIL FROM:<%s@client.test>" % word),
               client.command(b"RCPT TO:<%s>" % recipient)]
    if replies[-1][:1] == b"2":
        replies.append(client.command(b"DATA"))
        client.send(HEADER % (word, word) + body + b".\r\n")
        replies.append(client.reply())
    client.command(b"QUIT")
    client.close()
    return [reply[:3] for reply in replies], replies


def delivered(what, word, body=b".a dot\ncaf\xc3\xa9\n"):
    mail = real.until(lambda: mailbox(word), real.WAIT, 0.05)
    ok(mail is not None and mail.endswith(body), what + ": in the mailbox, octet for octet", mail)


def logged(what, *words):
    def there():
        lines = run("journalctl", "--no-pager", "-o", "cat", "-t", "smtp-wrapper").splitlines()
        return [line for line in lines if all(word in line for word in words)]
    ok(real.until(there, 10, 0.2), what + ": the log says why", words)


def none_left(what):
    def left():
        lines = run("ps", "-eo", "pid,args").splitlines()
        return [line for line in lines if "smtp-wrapper" in line and " listen " not in line and "tcpserver" not in line]
    real.until(lambda: not left(), 10, 0.1)
    ok(not left(), what + ": no session and no filter is left", left())


def s25r(name):
    mark = name.replace("-", "").encode()
    codes, replies = session("127.0.0.5", b"good-" + mark)
    ok(codes == [b"220", b"250", b"250", b"250", b"354", b"250"], name + ", S25R: a mail host gets mail through", replies)
    delivered(name + ", S25R", b"good-" + mark)
    codes, replies = session("127.0.0.2", b"dialup-" + mark)
    ok(codes[-1] == b"450" and len(codes) == 4, name + ", S25R: a dial-up host is refused softly, at RCPT", replies)
    logged(name + ", S25R", "from=<dialup-%s@client.test>" % mark.decode(), "verdict=temp", "why=<rule\\x201:\\x20p1-2-3-4.dialup.example>")
    codes, replies = session("127.0.0.3", b"nameless-" + mark)
    ok(codes[-1] == b"450" and len(codes) == 4, name + ", S25R: a host without a name is refused softly", replies)
    codes, replies = session("127.0.0.2", b"pm-" + mark, b"postmaster@mx.test")
    ok(codes[-1] == b"250", name + ", S25R: postmaster is reached by a dial-up host", replies)
    none_left(name + ", S25R")


def relay(name):
    mark = name.replace("-", "").encode()
    codes, replies = session("127.0.0.2", b"ours-" + mark)
    ok(codes[-2:] == [b"354", b"250"], name + ", relay control: mail for us passes", replies)
    delivered(name + ", relay control", b"ours-" + mark)
    codes, replies = session("127.0.0.2", b"relay-" + mark, b"victim@elsewhere.test")
    ok(codes[-1] == b"450" and len(codes) == 6, name + ", relay control: a stranger's message for elsewhere is refused", replies)
    logged(name + ", relay control", "from=<relay-%s@client.test>" % mark.decode(), "verdict=temp", "why=<no\\x20relay:")
    codes, replies = session("127.0.0.4", b"friend-" + mark, b"victim@elsewhere.test")
    ok(codes[-1] == b"250" and len(codes) == 6, name + ", relay control: a friend's message for elsewhere passes", replies)
    large = b"0123456789abcdef\r\n" * 100000
    codes, replies = session("127.0.0.2", b"large-" + mark, body=large)
    ok(codes[-1] == b"250", name + ", relay control: a message of 1.8 MB passes", replies)
    delivered(name + ", relay control, large", b"large-" + mark, large.replace(b"\r\n", b"\n"))
    none_left(name + ", relay control")


def configured():
    """The filter of the program itself, before a sendmail that relays for 127.0.0.1 whatever one configures."""
    with open("/tmp/relay.toml", "w") as file:
        file.write('[[filter]]\ntype = "relay"\ndomains = ["mx.test"]\nclients = ["127.0.0.4"]\n')
    run("/usr/sbin/smtp-wrapper", "compile", "/tmp/relay.toml")
    listen = SUPERVISORS["listen"]
    ok(listen.start(["--config", "/tmp/relay.toml"]), "listen accepts with a configuration")
    codes, replies = session("127.0.0.2", b"filter-relay", b"victim@elsewhere.test")
    ok(codes[-1] == b"554" and len(codes) == 4, "the relay filter refuses a stranger's recipient elsewhere", replies)
    codes, replies = session("127.0.0.2", b"filter-route", b"victim%elsewhere.test@mx.test")
    ok(codes[-1] == b"554", "the relay filter refuses the percent hack", replies)
    codes, replies = session("127.0.0.4", b"filter-friend", b"victim@elsewhere.test")
    ok(codes[-1] == b"250", "the relay filter lets a friend's message pass", replies)
    codes, replies = session("127.0.0.2", b"filter-ours")
    ok(codes[-1] == b"250", "the relay filter lets mail for us pass", replies)
    delivered("relay filter", b"filter-ours")
    listen.stop()


def everything():
    with open("/etc/mail/test.program") as file:
        sendmail = file.read().strip()
    cf = "-C/etc/mail/test.cf"
    subprocess.run([sendmail, cf, "-bi"], timeout=30, stdout=subprocess.DEVNULL, check=True)
    subprocess.run([sendmail, cf, "-bd", "-q1h"], timeout=30, check=True)
    ok(real.until(lambda: real.answers(real.PORT_OF_MTA), 20), "sendmail is there")
    for name, supervisor in SUPERVISORS.items():
        for options, check in ((["-if", FILTERS + "s25r.sh"], s25r), (["-f", FILTERS + "relay-check.sh"], relay)):
            if ok(supervisor.start(options), name + " accepts with " + " ".join(options)):
                RESULTS.attempt(name, check, name)
            supervisor.stop()
    configured()


RESULTS.attempt("set-ups", everything)
RESULTS.finish()
