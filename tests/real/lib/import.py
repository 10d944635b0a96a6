"""The same sessions at a Postfix with access tables, told by XCLIENT who the client is, and at `explain` with what
`import` has made of the tables (see ../import)."""
import random
import socket
import subprocess
import sys

sys.path.insert(0, "/real/lib")
import real

RESULTS = real.Results("import")
ok = RESULTS.ok

TABLES = {
    "client": """\
example.com         REJECT
mail.example.com    OK
unknown             450 4.7.25 no name
192.0.2             REJECT
192.0.2.7           OK
2001:db8            554 go
2001:db8::1         OK
com                 DEFER
a.example.net       452 4.2.1 x
""",
    "sender": """\
example.net         REJECT
friend@example.net  OK
news@               450 later
<>                  554 5.7.1 no bounces
\t  here
x.example.net       DUNNO
""",
    "helo": "/^localhost$/ REJECT you\n!/\\./ 450 no dots\n/^\\[/ DUNNO\n/\\.(lan|local)$/ 504 5.5.2 x\n",
    "networks": "192.0.2.128/25 OK\n192.0.2.64/26 REJECT\n198.51.100.0/24 DUNNO\n198.51.0.0/16 450 net\n2001:db8:1::/48 REJECT\n",
    "recipient": "full@ours.example 452 4.2.2 full\nours.example OK\nlist@ REJECT\n",
    "patterns": "/^mx[0-9]+\\./ OK\n/^203\\.0\\.113\\.9/ REJECT\n/\\.dyn\\./ 450 dyn\n",
}
NAMES = [None, "mail.example.com", "a.mail.example.com", "b.example.com", "example.com", "example2.com", "mail.example.org",
         "a.example.net", "b.a.example.net", "mx12.dyn.example", "p1.dyn.example", "notexample.com"]
ADDRESSES = ["203.0.113.1", "203.0.113.9", "203.0.113.99", "192.0.2.6", "192.0.2.7", "192.0.2.70", "192.0.2.200",
             "192.0.20.7", "198.51.100.1", "198.51.7.1", "2001:db8::1", "2001:db8::2", "2001:db8:1::2", "2001:db80::2"]
HELOS = ["client.example", "client.example", "localhost", "nodots", "[203.0.113.1]", "pc.lan"]
SENDERS = ["a@example.org", "a@example.org", "a@example.net", "Friend@example.net", "a@y.example.net", "a@x.example.net",
           "news@example.org", "news@example.net", ""]
RECIPIENTS = ["u@ours.example", "full@ours.example", "u@sub.ours.example", "list@ours.example"]


def postfix(case):
    """The reply to RCPT."""
    name, ip, helo, sender, recipient = case
    with socket.create_connection(("127.0.0.1", 8025), timeout=real.WAIT) as connection:
        file = connection.makefile("rb")

        def reply():
            while True:
                line = file.readline()
                if not line or line[3:4] != b"-":
                    return line.decode(errors="replace")

        reply()
        address = "IPV6:" + ip if ":" in ip else ip
        for line in ("EHLO test", "XCLIENT NAME=%s ADDR=%s" % (name or "[UNAVAILABLE]", address), "EHLO " + helo,
                     "MAIL FROM:<%s>" % sender, "RCPT TO:<%s>" % recipient):
            connection.sendall(line.encode() + b"\r\n")
            said = reply()
        connection.sendall(b"QUIT\r\n")
        return said


def explain(case):
    """The refusal, or 250."""
    name, ip, helo, sender, recipient = case
    told = subprocess.run(["/usr/sbin/smtp-wrapper", "explain", ip, "--ptr", name or "none", "--helo", helo, "--from", sender,
                           "--to", recipient, "--config", "/tmp/new/smtp-wrapper.toml"],
                          capture_output=True, text=True, timeout=30).stdout
    said = [line[3:] for line in told.splitlines() if line.startswith("S: ") and line[3] in "45"]
    return (said[-1] if said else "250"), told


def test():
    for name, text in TABLES.items():
        with open("/etc/postfix/" + name, "w") as file:
            file.write(text)
    subprocess.run(["postmap", "hash:/etc/postfix/client"], check=True, timeout=30)
    with open("/tmp/words") as file:
        words = file.read()
    made = subprocess.run(["/usr/sbin/smtp-wrapper", "import", "postfix-access", words, "--into", "/tmp/new"],
                          capture_output=True, text=True, timeout=30)
    # What is not carried is what is said: DUNNO of names.
    ok(made.returncode == 0, "everything is carried", made.stdout + made.stderr)
    chance = random.Random(20261125)
    pick = lambda: tuple(chance.choice(of) for of in (NAMES, ADDRESSES, HELOS, SENDERS, RECIPIENTS))
    seen, different = {}, []
    for case in {pick() for _ in range(400)}:
        theirs, (ours, told) = postfix(case), explain(case)
        seen[theirs[:3]] = seen.get(theirs[:3], 0) + 1
        if theirs[:3] != ours[:3]:
            different.append("%r\nPostfix: %s\nours: %s\n%s" % (case, theirs, ours, told))
    RESULTS.note("Postfix said " + ", ".join("%d times %s" % (n, code) for code, n in sorted(seen.items())))
    ok(all(seen.get(code, 0) > 5 for code in ("250", "450", "452", "554")), "all kinds of verdicts were seen", repr(seen))
    ok(not different, "Postfix and what was imported say the same", "%d differ\n%s" % (len(different), "\n".join(different[:2])))


RESULTS.attempt("import", test)
RESULTS.finish()
