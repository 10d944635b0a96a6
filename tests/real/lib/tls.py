"""Clients that encrypt, towards smtp-wrapper or past it (see ../tls)."""
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, "/real/lib")
import real
from samples import found, mta_log, with_text

RESULTS = real.Results("tls")
ok = RESULTS.ok
STATE = "/tmp/state"
OURS = ("--tls-cert", "/tls/ec.crt", "--tls-key", "/tls/ec.key", "--tls-cert", "/tls/rsa.crt", "--tls-key", "/tls/rsa.key")
TLS, IMPLICIT, NEWEST, PASS = 2601, 2602, 2603, 2604
MESSAGE = "From: <x@client.test>\nMessage-ID: <%s@client.test>\nDate: Wed, 25 Nov 2026 09:00:00 +0000\nSubject: %s\n\n%s\n"


class Wrapper:
    """smtp-wrapper on a port of 127.0.0.1, with no filters but those of the options."""

    def __init__(self, port, *options, upstream=8025):
        self.log_file = "/tmp/tls-%d.log" % port
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/smtp-wrapper", "listen", "--config", "none", "--log", "stderr", "--state", STATE,
                 "--max-per-address", "100", "--upstream", "127.0.0.1:%d" % upstream, *options, "127.0.0.1:%d" % port],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        real.until(lambda: real.answers(port))

    def logged(self, *words):
        return real.until(lambda: [line for line in self.lines() if all(word in line for word in words)], 5)

    def lines(self):
        with open(self.log_file, errors="replace") as file:
            return file.read().splitlines()


def run(*command, text="", limit=30):
    done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit)
    return done.returncode, done.stdout.decode("latin1")


def s_client(port, lines, *options, starttls=True, pause=0.1, commands=False):
    """openssl s_client, which is told the lines one by one; what it printed."""
    begin = (("-starttls", "smtp") if starttls else ()) + (() if commands else ("-ign_eof",))
    process = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-crlf", *begin, *options],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(3 * pause)
    for line in lines:
        try:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
        except OSError:
            break
        time.sleep(pause)
    try:
        return process.communicate(timeout=15)[0].decode("latin1")
    except subprocess.TimeoutExpired:
        process.kill()
        return "s_client does not end\n" + process.communicate()[0].decode("latin1")


def letter(word):
    return ["EHLO client.test", "MAIL FROM:<x@client.test>", "RCPT TO:<alice@mx.test>", "DATA",
            *(MESSAGE % (word, word, "..a dot")).splitlines(), ".", "QUIT"]


def with_openssl(wrapper, implicit):
    for name, options in (("TLS 1.3", ("-tls1_3",)), ("TLS 1.2", ("-tls1_2",)), ("RSA", ("-servername", "rsa.test"))):
        word = name.replace(" ", "").replace(".", "")
        said = s_client(TLS, letter(word), *options)
        ok("250 2.0.0" in said and found(word.encode()), "openssl: a message, " + name, said)
    ok(wrapper.logged("verdict=pass", "tls=TLSv1.2/TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"), "the log has version and cipher")
    said = s_client(IMPLICIT, letter("implicit"), starttls=False)
    ok(found(b"implicit") and implicit.logged("session=end", "tls=TLSv1.3/"), "openssl: TLS from the first octet", said)
    for version in ("tls1_3", "tls1_2"):
        session = "/tmp/session-" + version
        quits = ["EHLO client.test", "NOOP", "QUIT"]
        first = s_client(TLS, quits, "-" + version, "-sess_out", session)
        again = s_client(TLS, quits, "-" + version, "-sess_in", session)
        other = s_client(NEWEST if version == "tls1_3" else TLS, quits, "-" + version, "-sess_in", session)
        ok("New, TLSv1" in first and "Reused, TLSv1" in again and "Reused, TLSv1" in other,
           "openssl: %s is resumed in other processes" % version, first[-800:] + again[-800:])
    ok(wrapper.logged("session=end", "resumed=yes"), "the log says so")
    said = s_client(TLS, ["EHLO client.test", "R"], "-tls1_2", pause=0.5, commands=True)
    ok("RENEGOTIATING" in said and "no renegotiation" in said, "a renegotiation is refused", said[-800:])
    said = s_client(NEWEST, ["QUIT"], "-tls1_2")
    ok("alert protocol version" in said, "min_version: an older one gets an alert", said[-500:])
    for version in ("tls1_1", "tls1"):
        said = s_client(TLS, ["QUIT"], "-" + version, "-cipher", "ALL:@SECLEVEL=0")
        ok("Cipher is (NONE)" in said and "alert" in said, "%s gets an alert" % version, said[:800])


def with_swaks_and_curl(wrapper):
    swaks = ("swaks", "--server", "127.0.0.1", "--from", "x@client.test", "--to", "alice@mx.test")
    status, said = run(*swaks, "--port", str(TLS), "--tls", "--header", "Subject: swaks")
    ok(status == 0 and found(b"swaks"), "swaks --tls", said[-1500:])
    status, said = run(*swaks, "--port", str(TLS), "--tls", "--pipeline", "--header", "Subject: pipelined")
    ok(status == 0 and found(b"pipelined"), "swaks --tls --pipeline", said[-1500:])
    status, said = run(*swaks, "--port", str(IMPLICIT), "--tls-on-connect", "--header", "Subject: swaks-implicit")
    ok(status == 0 and found(b"swaks-implicit"), "swaks --tls-on-connect", said[-1500:])
    # Eight megabytes, in lines.
    with open("/tmp/large.txt", "w") as file:
        file.write(MESSAGE % ("large", "large", "0123456789abcdef" * 4 + "\n") + ("0123456789abcdef" * 4 + "\n") * 125_000)
    run("sed", "-i", "s/$/\r/", "/tmp/large.txt")
    for name, url in (("curl", "smtp://ec.test:%d/client.test" % TLS), ("curl, smtps", "smtps://ec.test:%d/client.test" % IMPLICIT)):
        status, said = run("curl", "-sS", "--ssl-reqd", "--cacert", "/tls/ca.crt", "--url", url, "-T", "/tmp/large.txt",
                           "--mail-from", "x@client.test", "--mail-rcpt", "alice@mx.test")
        mail = found(b"large")
        ok(status == 0 and mail and mail.count(b"0123456789abcdef") == 4 * 125_001, name + ": 8 MB, and the certificate is verified", said)
        for file in os.listdir(os.environ["MAIL_OF_ALICE"]):
            os.remove(os.path.join(os.environ["MAIL_OF_ALICE"], file))


def with_mtas(wrapper, past):
    status, said = run("/usr/sbin/sendmail", "-f", "x@client.test", "out@mx.test", text=MESSAGE % ("postfix", "postfix", "text"))
    ok(status == 0 and found(b"postfix"), "Postfix sends encrypted", said + mta_log()[-1500:].decode("latin1"))
    ok(b"TLS connection established to ec.test[127.0.0.1]:2601: TLSv1.3" in mta_log(), "Postfix says so, and trusts the certificate",
       mta_log()[-1500:].decode("latin1"))
    ok(wrapper.logged("verdict=pass", "to=<out@mx.test>", "tls=TLSv1.3/"), "the log has it")
    status, said = run("posttls-finger", "-c", "-lsecure", "-F", "/tls/ca.crt", "[127.0.0.1]:%d" % TLS, "ec.test")
    ok("Verified TLS connection established" in said, "posttls-finger verifies it", said)
    status, said = run("exim4", "-odi", "-f", "x@client.test", "alice@mx.test", text=MESSAGE % ("exim", "exim", "text"))
    with open("/var/log/exim4/mainlog") as file:
        log = file.read()
    ok(found(b"exim") and "X=TLS1.3" in log, "Exim sends encrypted", said + log)
    # Past us, into a Postfix that encrypts itself.
    said = s_client(PASS, letter("past"))
    ok(found(b"past") and "CN = rsa.test" in said, "pass: it is the MTA's certificate", said)
    ok(past.logged("session=end", "end=tls.passed", "tls=pass"), "pass: the log says so")
    status, said = run("/usr/sbin/sendmail", "-f", "x@client.test", "past@mx.test", text=MESSAGE % ("far", "far", "text"))
    ok(status == 0 and found(b"far"), "pass: Postfix to Postfix", said + mta_log()[-1500:].decode("latin1"))
    status, said = run("swaks", "--server", "127.0.0.1", "--port", str(PASS), "--from", "x@client.test", "--to", "alice@mx.test",
                       "--header", "Subject: clear")
    ok(status == 0 and found(b"clear"), "pass: who does not encrypt is served as ever", said[-1500:])


def scan():
    for port in (TLS, IMPLICIT):
        begin = ("--starttls-smtp",) if port == TLS else ()
        status, said = run("sslscan", "--no-colour", *begin, "127.0.0.1:%d" % port, limit=60)
        offered = re.findall(r"^(?:Accepted|Preferred)\s+(\S+)\s+\S+ bits\s+(\S+)", said, re.M)
        weak = [pair for pair in offered if pair[0] not in ("TLSv1.2", "TLSv1.3") or not re.match("TLS_|ECDHE-", pair[1])
                or not re.search("GCM|CHACHA20", pair[1])]
        ok(status == 0 and len(offered) >= 6 and not weak, "sslscan: %d suites, none weak" % len(offered), "%s\n%s" % (weak, said))
        for version in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
            ok(re.search(r"^%s\s+disabled" % re.escape(version), said, re.M), "sslscan: no " + version, said)
        ok("Session renegotiation not supported" in said and "ompression enabled" not in said, "sslscan: no renegotiation, no compression", said)


def main():
    os.makedirs(STATE, exist_ok=True)
    os.makedirs(os.environ["MAIL_OF_ALICE"], exist_ok=True)
    run("chown", "-R", "alice", "/home/alice/Maildir")
    config = with_text("newest", 'state = "%s"\n[tls]\ncert = "/tls/ec.crt"\nkey = "/tls/ec.key"\nmin_version = "1.3"\n' % STATE)
    wrapper, implicit = Wrapper(TLS, *OURS), Wrapper(IMPLICIT, *OURS, "--tls-implicit")
    Wrapper(NEWEST, "--config", config)
    past = Wrapper(PASS, upstream=8026)
    RESULTS.attempt("openssl", with_openssl, wrapper, implicit)
    RESULTS.attempt("swaks and curl", with_swaks_and_curl, wrapper)
    RESULTS.attempt("MTAs", with_mtas, wrapper, past)
    RESULTS.attempt("sslscan", scan)
    RESULTS.finish()


main()
