"""Users of a real Postfix with Cyrus SASL whose host names S25R refuses (see ../auth): curl and swaks say AUTH."""
import os
import subprocess
import sys

sys.path.insert(0, "/real/lib")
import real

RESULTS = real.Results("auth-users")
ok = RESULTS.ok
FOLDER = os.environ["MAIL_OF_ALICE"]
CONFIG = """
[upstream]
address = "127.0.0.1:%d"
[session]
hostname = "wrapper.test"
auth_lifts = %s
[dns]
resolver = "system"
[[filter]]
type = "relay"
domains = ["mx.test"]
[[filter]]
type = "s25r"
local = true
"""
# name: port of the wrapper, of the MTA, auth_lifts
WRAPPERS = {"lifts": (2601, 8025, "true"), "does not": (2602, 8025, "false"), "no AUTH": (2603, 8027, "true")}
LOG = "/tmp/auth.log"


def start(port, mta, lifts):
    path = "/tmp/auth-%d.toml" % port
    with open(path, "w") as file:
        file.write(CONFIG % (mta, lifts))
    return subprocess.Popen(["/usr/sbin/smtp-wrapper", "listen", "--config", path, "--log", "stderr", "127.0.0.1:%d" % port],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(LOG, "ab"))


def curl(port, word, *options, to="alice@mx.test"):
    """curl's exit status and what it showed; 67 is a refused login, 55 a refused recipient."""
    path = "/tmp/%s.eml" % word
    with open(path, "w") as file:
        file.write("From: alice@mx.test\r\nSubject: %s\r\n\r\n.text\r\n" % word)
    done = subprocess.run(["curl", "-sv", "--interface", "127.0.0.7", "--max-time", "20", "smtp://127.0.0.1:%d/client.test" % port,
                           "--mail-from", word + "@client.test", "--mail-rcpt", to, "-T", path, *options],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    return done.returncode, done.stderr.decode("latin-1")


def swaks(port, word, *options):
    done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(port), "--local-interface", "127.0.0.7", "--helo", "client.test",
                           "--from", word + "@client.test", "--to", "alice@mx.test", "--h-Subject", word, *options],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=40)
    return done.returncode, (done.stdout + done.stderr).decode("latin-1")


def delivered(word, seconds=real.WAIT):
    def look():
        names = os.listdir(FOLDER) if os.path.isdir(FOLDER) else []
        texts = (open(os.path.join(FOLDER, name), "rb").read() for name in names)
        return any(b"\nSubject: " + word.encode() + b"\n" in text for text in texts)
    return real.until(look, seconds, 0.05)


def log_of(word):
    """The wrapper's lines about this sender."""
    with open(LOG, "rb") as file:
        return [line.decode("latin-1") for line in file if b"from=<%s@client.test>" % word.encode() in line]


USER = ("--user", "alice@mx.test:secret")


def with_a_password():
    for method in ("PLAIN", "LOGIN", "CRAM-MD5"):
        word = "curl-" + method.lower()
        status, shown = curl(2601, word, *USER, "--login-options", "AUTH=" + method)
        ok(status == 0 and delivered(word), "curl, AUTH %s: from a dial-up line, delivered" % method, shown)
        lines = log_of(word)
        ok(len(lines) == 1 and "verdict=pass" in lines[0] and "auth=%s lifted=s25r.r" % method.lower() in lines[0],
           "curl, AUTH %s: the log tells" % method, "".join(lines))
        word = "swaks-" + method.lower()
        status, shown = swaks(2601, word, "--auth", method, "--auth-user", "alice@mx.test", "--auth-password", "secret")
        ok(status == 0 and delivered(word), "swaks, AUTH %s: delivered" % method, shown)
    status, shown = curl(2601, "elsewhere", *USER, to="someone@elsewhere.test")
    ok("nowhere to go" in shown and "rule=mta" in "".join(log_of("elsewhere")),
       "whom a user may write to is Postfix's affair, and not the filter's that guards it", shown)


def without():
    for name, options in (("no-password", ()), ("wrong-password", ("--user", "alice@mx.test:wrong"))):
        status, shown = curl(2601, name, *options)
        refused = "535 5.7.8" in shown if options else "450 4.7.1" in shown and "verdict=temp rule=s25r" in "".join(log_of(name))
        ok(status != 0 and refused, "curl, %s: refused" % name, shown)
    status, shown = swaks(2601, "optional", "--auth-optional", "LOGIN", "--auth-user", "alice@mx.test", "--auth-password", "wrong")
    ok(status != 0 and "535 5.7.8" in shown and "450 4.7.1" in shown, "swaks goes on behind a wrong password, and is held", shown)
    status, shown = curl(2602, "strict", *USER)
    ok(status != 0 and "lifted" not in "".join(log_of("strict")), "without auth_lifts nothing is lifted", shown)
    status, shown = curl(2603, "no-auth")
    ok(status != 0 and "450 4.7.1" in shown, "an MTA without AUTH: held", shown)
    words = ("no-password", "wrong-password", "optional", "strict", "no-auth")
    ok(not any(delivered(word, 0) for word in words), "nothing of them is delivered")


def main():
    wrappers = [start(*WRAPPERS[name]) for name in WRAPPERS]
    ports = [port for port, _, _ in WRAPPERS.values()]
    if ok(real.until(lambda: all(real.answers(port) for port in ports)), "the wrappers listen"):
        RESULTS.attempt("with a password", with_a_password)
        RESULTS.attempt("without", without)
    for wrapper in wrappers:
        wrapper.terminate()
        wrapper.wait(10)
    RESULTS.finish()


main()
