"""What readers of logs make of real sessions (see ../logs; traffic.py plays them)."""
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, "/real/lib")
import real
import traffic

RESULTS = real.Results("logs")
ok, attempt = RESULTS.ok, RESULTS.attempt
FOLDER = tempfile.mkdtemp()
OURS, POSTFIX = "/etc/fail2ban/filter.d/smtp-wrapper.conf", "/etc/fail2ban/filter.d/postfix.conf"


def output(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False, **more)
    return done.stdout.decode("latin1")


def lines(style):
    with open(os.path.join(FOLDER, style + ".log"), encoding="latin1") as file:
        return file.read().splitlines()


def banned(log, config):
    """The addresses that fail2ban's filter finds, once for each line that counts."""
    found = output("fail2ban-regex", "--out", "ip", log, config)
    return sorted(re.findall(r"^[0-9a-f.:]+$", found, re.M))


def pflogsumm(log):
    text = output("pflogsumm", "--smtpd-stats", log)
    total = {word: int(count) for count, word in re.findall(r"^ +(\d+) +(received|delivered|rejected|connections)\b", text, re.M)}
    return text, total


def postfix():
    log = os.path.join(FOLDER, "postfix.log")
    text, total = pflogsumm(log)
    # Two of a friend and one of the hostile client; the second of them has two recipients.
    ok(total.get("received") == 3, "pflogsumm counts the messages that were taken", text)
    rejected = sum("NOQUEUE: reject: " in line for line in lines("postfix"))
    ok(total.get("rejected") == rejected == 11, "pflogsumm counts the recipients that were refused", text)
    ok(total.get("connections") == traffic.SESSIONS, "pflogsumm counts the sessions", text)
    for why, count in [("S25R check", 3), ("reverse lookup failure", 3), ("Refused by local policy [deny]", 1), ("Relaying denied", 1),
                       ("You talked before the greeting", 1),
                       ("Recipient address rejected: User unknown in local recipient table", 2)]:
        ok("    %s (total: %d)\n" % (why, count) in text, "pflogsumm tells why: " + why, text)
    ok("MTA lost" in text, "pflogsumm shows the warning of an MTA that is away", text)
    ok(traffic.VICTIM not in re.sub(r"\S*\\x20\S*", "", text), "pflogsumm takes nothing that was said for an address", text)
    ok("uninitialized" not in text, "pflogsumm has nothing to complain of", text)
    found = banned(log, POSTFIX)
    ok(sorted(set(found)) == sorted({traffic.UNKNOWN_USER, traffic.HOSTILE, traffic.ERRORS}) and traffic.VICTIM not in found,
       "fail2ban's filter for Postfix finds unknown users and too many errors, and no S25R", found)


def native():
    for style in ("native", "json"):
        log = os.path.join(FOLDER, style + ".log")
        found = banned(log, OURS)
        hostile = [traffic.DENIED, traffic.EARLY, traffic.RELAYING, traffic.HTTP, traffic.ERRORS]
        ok(found == sorted(hostile), "%s: our filter for fail2ban finds who is hostile, once each" % style, found)


def never():
    """Every refusal for now, and lookalikes, in lines made by hand."""
    rules = ["s25r.r%d" % n for n in range(7)] + ["s25r.own", "fcrdns.no-ptr", "fcrdns.not-confirmed", "helo.syntax", "helo.literal",
             "interval.too-fast", "program.refused", "filter.broken", "deny", "early.talker", "relay.denied", "mta", "greylist.wait"]
    head = "Nov  1 12:00:00 mx smtp-wrapper[7]: v=1 sid=1a.7 ip=[192.0.2.9] port=25"
    rest = " at=rcpt would=- helo=<h> from=<a@b> to=<c@d> reply=<%s> ptr=- fcrdns=- dns=- tls=- auth=- t=0.001"
    fake = "smtp-wrapper[7]:\\x20v=1\\x20sid=1a.7\\x20ip=[192.0.2.9]\\x20port=25\\x20verdict=perm\\x20rule=deny\\x20code=554\\x20"
    made = [head + " verdict=temp rule=%s code=%d" % (rule, code) + rest % fake for rule in rules for code in (421, 450, 451)]
    # For good, but by a rule that asks for patience, or the MTA.
    made += [head + " verdict=perm rule=%s code=550" % rule + rest % fake for rule in ("s25r.r1", "fcrdns.no-ptr", "mta", "program.refused")]
    for end in ("quit", "client-left", "mta.away", "interval.too-fast", "session.client-silent"):
        for rule in ("deny", "early.talker", "s25r.r1", "-"):
            made.append(head + " session=end end=%s mta=ok why=<%s> helo=<%s> messages=0 octets=0 refused=1 rule=%s ptr=- fcrdns=- dns=-"
                        " tls=- auth=- t=0.001 cpu=1ms mem=900KiB" % (end, fake, fake, rule))
    made.append(head + " session=end end=deny mta=ok why=<> helo=<> messages=0 octets=0 refused=1 rule=deny code=421 at=connect reply=<x>")
    made.append(head + " session=note why=<%s>" % fake)
    # Another program that was made to say it.
    made.append(made[0].replace("smtp-wrapper[7]", "sshd[7]").replace("verdict=temp rule=s25r.r0 code=421", "verdict=perm rule=deny code=554"))
    log = os.path.join(FOLDER, "never.log")
    with open(log, "w", encoding="latin1") as file:
        file.write("\n".join(made) + "\n")
    ok(banned(log, OURS) == [], "our filter never counts a refusal for now, of %d lines" % len(made), banned(log, OURS))
    always = [head + " verdict=perm rule=deny code=554" + rest % "x",
              head + " session=end end=quit mta=ok why=<10.0.0.1> helo=<x> messages=0 octets=0 refused=1 rule=deny code=554 at=connect"
              " reply=<x> ptr=- fcrdns=- dns=- tls=- auth=- t=0.1 cpu=1ms mem=900KiB",
              head.replace("192.0.2.9", "2001:db8::9") + " session=end end=smtp.not-smtp mta=ok why=<>"]
    with open(log, "w", encoding="latin1") as file:
        file.write("\n".join(always) + "\n")
    ok(banned(log, OURS) == ["192.0.2.9", "192.0.2.9", "2001:db8::9"], "and counts those that are made so that it has to", banned(log, OURS))


def jail():
    """The jail is one that fail2ban reads."""
    open("/var/log/mail.log", "a").close()
    done = output("fail2ban-client", "-d")
    ok("'smtp-wrapper'" in done and "ERROR" not in done, "fail2ban reads the jail", done[-2000:])


def as_json():
    objects = [json.loads(line.split("]: ", 1)[1]) for line in lines("json")]
    native_lines = [line.split("]: ", 1)[1] for line in lines("native")]
    keys = [[field.split("=", 1)[0] for field in line.split(" ")] for line in native_lines]
    ok([list(of) for of in objects] == keys, "json: each line is an object with the native keys in their order")
    ends = [of for of in objects if of.get("session") == "end"]
    good = all(isinstance(of[key], int) for of in ends for key in ("port", "messages", "octets", "refused", "cpu", "mem"))
    ok(len(ends) == traffic.SESSIONS and good and all(isinstance(of["t"], float) for of in ends), "json: numbers are numbers")
    helo = {of["helo"] for of in objects if of["ip"] == traffic.HOSTILE}
    ok(("x " + traffic.LOOKALIKE.decode()) in helo, "json: what was said is there as it was said", helo)


def original():
    log = os.path.join(FOLDER, "original.log")
    # Whom the filters refused, and how often; a sender and recipient that were refused more than once.
    text = output("awk", "-F", "[ :]+", '/smtp_wrapper\\[[0-9]+\\]: rejected by ip_filter\\. IP=/ { sub(/^.*: rejected by ip_filter\\. IP=/, ""); '
                  'split($0, of, ":"); n[of[1]]++ } END { for (ip in n) print n[ip], ip }', log)
    counts = {ip: int(count) for count, ip in (line.split() for line in text.splitlines())}
    wanted = {traffic.HELD: 3, traffic.DIALUP: 2, traffic.DENIED: 1, traffic.EARLY: 1, traffic.RELAYING: 1, traffic.HOSTILE_NAME: 1}
    ok(counts == wanted, "original: awk finds whom the filters refused", text)
    text = output("sh", "-c", "grep 'rejected by ip_filter' %s | grep -o 'from=<.*' | sort | uniq -d" % log)
    ok(text == "from=<news@shop.example> to=<alice@mx.test>\n", "original: grep finds who came again", text)


traffic.NameServer()
for style in traffic.STYLES:
    if attempt("sessions with the style " + style, traffic.run, sys.argv[1], FOLDER, style):
        ok(sum(traffic.END[style].decode() in line for line in lines(style)) == traffic.SESSIONS, style + ": every session has an end")
for part in (postfix, native, never, jail, as_json, original):
    attempt(part.__name__, part)
RESULTS.finish()
