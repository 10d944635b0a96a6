"""Real delivery: a client, the wrapper under tcpserver, a real MTA on 8025, mailboxes (see ../mta-postfix, ../mta-sendmail).

MAIL_OF_ALICE and MAIL_OF_BOB name folders with one file a message. Each message is found again by its reverse-path,
which is a word of its own and which both MTAs write into the Return-Path header.
"""
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, "/real/lib")
import real

MTA = sys.argv[1]
RESULTS = real.Results("mta-" + MTA)
ok, note = RESULTS.ok, RESULTS.note
WRAPPER, DIRECT = 2525, real.PORT_OF_MTA
FOLDERS = {"alice": os.environ["MAIL_OF_ALICE"], "bob": os.environ["MAIL_OF_BOB"]}
ALLOWED = set("PIPELINING 8BITMIME SIZE DSN SMTPUTF8 ENHANCEDSTATUSCODES AUTH HELP VRFY EXPN DELIVERBY MT-PRIORITY LIMITS"
              " NO-SOLICITING CHUNKING BINARYMIME".split())
HEADER = b"From: <someone@client.test>\r\nTo: <alice@mx.test>\r\nDate: Mon, 23 Nov 2026 09:00:00 +0000\r\nMessage-ID: <%s@client.test>\r\nSubject: %s\r\n"


def header(word):
    return HEADER % (word, word)


def stuffed(octets):
    return re.sub(rb"(?m)^\.", b"..", octets)


def mailbox(user="alice"):
    folder = FOLDERS[user]
    if not os.path.isdir(folder):
        return []
    mails = []
    for name in os.listdir(folder):
        if not name.startswith("."):
            with open(os.path.join(folder, name), "rb") as file:
                mails.append(file.read())
    return mails


def found(word, user="alice", seconds=real.WAIT):
    """The delivered message with this reverse-path, or None."""
    mark = b"Return-Path: <%s@client.test>" % word
    return real.until(lambda: next((mail for mail in mailbox(user) if mark in mail), None), seconds, 0.05)


def session(port=WRAPPER, ehlo=b"EHLO client.test"):
    client = real.Client(port, wait=30)
    client.reply()
    client.command(ehlo)
    return client


def envelope(client, word, recipients=(b"alice@mx.test",), parameters=b""):
    replies = [client.command(b"MAIL FROM:<%s@client.test>%s" % (word, parameters))]
    replies += [client.command(b"RCPT TO:<%s>" % recipient) for recipient in recipients]
    return replies + [client.command(b"DATA")]


def check_delivered(what, word, message, user="alice"):
    mail = found(word, user)
    if not ok(mail is not None, what + ": delivered", "not in the mailbox of " + user + "\n" + log_tail()):
        return
    wanted = message.replace(b"\r\n", b"\n")
    good = mail.endswith(wanted)
    detail = ""
    if not good:
        at = next((i for i in range(min(len(mail), len(wanted))) if mail[-1 - i] != wanted[-1 - i]), min(len(mail), len(wanted)))
        detail = "from the end, octet %d differs\nsent: %r\nkept: %r" % (at, wanted[-at - 60:][:120], mail[-at - 60:][:120])
    ok(good, what + ": header and body octet for octet as sent", detail)


def log_tail():
    with open(os.environ["LOG"], "rb") as file:
        return file.read()[-1500:].decode("latin1")


BODIES = {
    b"dots": b".\r\n..\r\n...\r\n.leading\r\nin. the. middle.\r\n.\r\n",
    b"eight-bit": b"caf\xc3\xa9 \xff\xfe \xa0\r\n" + bytes(range(0xa0, 0x100)) + b"\r\n",
    b"high-controls": bytes(range(0x80, 0xa0)) + b"\r\n",
    b"long-lines": b"".join(bytes([97 + n % 26]) * n + b"\r\n" for n in (1, 72, 512, 990, 997, 998)),
    b"blanks": b" leading\r\ntrailing \t\r\n\r\n\r\n \r\n\ttab\r\n\r\n",
    b"from-line": b"From here on\r\n>From there\r\n",
    b"looks-like-smtp": b"QUIT\r\nRSET\r\nMAIL FROM:<x@y>\r\nDATA\r\n250 ok\r\n",
    b"empty-body": b"",
    b"five-megabytes": (b"0123456789abcdef" * 4 + b"\r\n") * 79000,
}


def bodies():
    for word, body in BODIES.items():
        client = session()
        message = header(word) + b"\r\n" + body
        parameters = b" BODY=8BITMIME" if max(body, default=0) > 127 else b""
        replies = envelope(client, word, parameters=parameters)
        client.send(stuffed(message) + b".\r\n")
        replies.append(client.reply())
        codes = [reply[:3] for reply in replies]
        ok(codes == [b"250", b"250", b"354", b"250"], word.decode() + ": accepted", replies)
        client.command(b"QUIT")
        ok(client.rest() == b"", word.decode() + ": nothing after the reply to QUIT")
        client.close()
        check_delivered(word.decode(), word, message)


def empty_message():
    """The end of mail data right after the 354: the dot is on the first line."""
    client = session()
    envelope(client, b"nothing-at-all")
    client.send(b".\r\n")
    reply = client.reply()
    ok(reply[:3] == b"250", "a message without any octet: accepted", reply)
    client.close()
    ok(found(b"nothing-at-all") is not None, "a message without any octet: delivered", log_tail())


def several_in_one_session():
    client = session()
    words = [b"several-%d" % number for number in range(3)]
    for word in words:
        envelope(client, word)
        client.send(header(word) + b"\r\nbody of " + word + b"\r\n.\r\n")
        ok(client.reply()[:3] == b"250", word.decode() + " in one session: accepted")
        client.command(b"MAIL FROM:<given-up@client.test>")
        ok(client.command(b"RSET")[:3] == b"250", word.decode() + ": RSET after another MAIL")
    client.command(b"QUIT")
    client.close()
    for word in words:
        check_delivered(word.decode(), word, header(word) + b"\r\nbody of " + word + b"\r\n")


def pipelined():
    message = header(b"pipelined") + b"\r\n..stuffed\r\n"
    client = session()
    client.send(b"MAIL FROM:<pipelined@client.test>\r\nRCPT TO:<alice@mx.test>\r\nRCPT TO:<nobody-there@mx.test>\r\nRCPT TO:<bob@mx.test>\r\nDATA\r\n")
    codes = [client.reply()[:3] for _ in range(5)]
    ok(codes == [b"250", b"250", b"550", b"250", b"354"], "pipelining client: five replies in order", codes)
    client.send(message + b".\r\nNOOP\r\nQUIT\r\n")
    codes = [client.reply()[:3] for _ in range(3)]
    ok(codes == [b"250", b"250", b"221"], "pipelining client: NOOP and QUIT right behind the end of mail data", codes)
    client.close()
    for user in FOLDERS:
        check_delivered("pipelining client, " + user, b"pipelined", message.replace(b"..s", b".s"), user)


def recipients():
    client = session()
    replies = envelope(client, b"two-recipients", (b"alice@mx.test", b"bob@mx.test"))
    ok([reply[:3] for reply in replies] == [b"250", b"250", b"250", b"354"], "two recipients: accepted", replies)
    message = header(b"two-recipients") + b"\r\nfor both\r\n"
    client.send(message + b".\r\n")
    client.reply()
    client.close()
    for user in FOLDERS:
        check_delivered("two recipients, " + user, b"two-recipients", message, user)


def the_mtas_own_words():
    """What the MTA refuses, it refuses in its own words: the same as when asked directly."""
    commands = [b"RCPT TO:<nobody-there@mx.test>", b"RCPT TO:<someone@elsewhere.test>", b"RSET", b"VRFY alice", b"NOOP",
                b"MAIL FROM:<big@client.test> SIZE=99999999999"]
    answers = []
    for port in (WRAPPER, DIRECT):
        client = session(port)
        client.command(b"MAIL FROM:<words@client.test>")
        answers.append([client.command(command) for command in commands])
        client.close()
    for command, through, direct in zip(commands, *answers):
        ok(through == direct, command.decode() + ": the MTA's own reply " + direct[:50].decode().strip(), (through, direct))
    ok(answers[0][0][:1] == b"5", "unknown recipients are refused", answers[0][0])
    if answers[0][1][:1] != b"5":
        # sendmail's rules let 127.0.0.1 relay, always; and the wrapper's address is what the MTA sees.
        note("this %s takes mail for foreign domains from 127.0.0.1, and so from every client of the wrapper" % MTA)


def keywords():
    offers = []
    for port in (WRAPPER, DIRECT):
        client = real.Client(port)
        client.reply()
        lines = client.command(b"EHLO client.test").decode().splitlines()[1:]
        offers.append({line[4:] for line in lines})
        client.close()
    through, direct = offers
    wanted = {line for line in direct if line.split()[0].upper() in ALLOWED}
    # Chunks are taken for an MTA that does not know them.
    wanted.add("CHUNKING")
    ok(through == wanted, "EHLO keywords: %s (not offered: %s)" % (sorted(through), sorted(direct - through)), (through, direct))
    for command, code in ((b"STARTTLS", b"502"), (b"XCLIENT ADDR=192.0.2.1", b"502"), (b"ETRN mx.test", b"502")):
        client = session()
        reply = client.command(command)
        ok(reply[:3] == code, command.decode() + " is answered " + code.decode(), reply)
        client.close()


def helo_and_null_path():
    client = session(ehlo=b"EHLO name.in.ehlo.test")
    client.command(b"MAIL FROM:<>")
    client.command(b"RCPT TO:<alice@mx.test>")
    client.command(b"DATA")
    message = header(b"null-path") + b"\r\na bounce\r\n"
    client.send(message + b".\r\n")
    ok(client.reply()[:3] == b"250", "null reverse-path: accepted")
    client.close()
    mail = real.until(lambda: next((mail for mail in mailbox() if b"\nSubject: null-path\n" in mail), None), real.WAIT, 0.05)
    ok(mail is not None and mail.endswith(message.replace(b"\r\n", b"\n")), "null reverse-path: delivered as sent", log_tail())
    ok(mail is not None and b"from name.in.ehlo.test" in mail, "the client's EHLO name is in the MTA's Received header", mail)


def vanishing_clients():
    """No end of mail data from the client: no message, however the client leaves."""
    half = header(b"half") + b"\r\nhalf a mess"
    ends = {b"reset": (half, True), b"closed": (half, False), b"line-end": (half + b"\r\n", False), b"dot": (half + b"\r\n.", False),
            b"dot-cr": (half + b"\r\n.\r", False)}
    for name, (octets, hard) in ends.items():
        client = session()
        envelope(client, b"vanished-" + name)
        client.send(octets)
        time.sleep(0.1)  # so that the octets are with the wrapper, if not with the MTA
        client.vanish() if hard else client.close()
    return [b"vanished-" + name for name in ends]


SEPARATORS = {b"lf-dot-lf": b"\n.\n", b"lf-dot-crlf": b"\n.\r\n", b"crlf-dot-lf": b"\r\n.\n", b"cr-dot-cr": b"\r.\r", b"cr-dot-crlf": b"\r.\r\n",
              b"crlf-dot-cr": b"\r\n.\r", b"lf-dot-cr": b"\n.\r", b"cr-dot-lf": b"\r.\n"}


def smuggle(port, name, separator):
    """One message whose text holds a false end of mail data and a second envelope. Returns what was answered."""
    client = session(port)
    envelope(client, b"carrier-" + name)
    inner = b"MAIL FROM:<smuggled-%s@client.test>\r\nRCPT TO:<alice@mx.test>\r\nDATA\r\n" % name + header(b"smuggled-" + name) + b"\r\nsmuggled\r\n.\r\nQUIT\r\n"
    client.send(header(b"carrier-" + name) + b"\r\ncarrier" + separator + inner)
    client.sock.settimeout(10)
    try:
        answer = client.rest()
    except OSError as error:
        answer = b"no end within 10 s: " + repr(error).encode()
    client.close()
    return answer


def smuggling():
    for name, separator in SEPARATORS.items():
        answer = smuggle(WRAPPER, name, separator)
        ok(re.fullmatch(rb"550 5\.6\.11[^\r\n]*\r\n", answer), "smuggling by %r: one 550 5.6.11 line and closed" % separator, answer)
    return [prefix + name for name in SEPARATORS for prefix in (b"carrier-", b"smuggled-")]


def never_delivered(words):
    """A last message is the proof that the MTA has done all that came before it."""
    client = session()
    envelope(client, b"the-last")
    client.send(header(b"the-last") + b"\r\n.\r\n")
    client.reply()
    client.close()
    ok(found(b"the-last") is not None, "a last message is delivered")
    time.sleep(1)
    for word in words:
        ok(found(word, seconds=0) is None, word.decode() + ": not delivered")


def does_it_bite():
    """The same attempts without the wrapper, so that it is known what this MTA would have fallen for."""
    for name, separator in SEPARATORS.items():
        smuggle(DIRECT, b"direct-" + name, separator)
    time.sleep(1.5)
    fooled = [repr(separator)[1:] for name, separator in SEPARATORS.items() if found(b"smuggled-direct-" + name, seconds=0)]
    note("without the wrapper this %s takes as end of mail data: %s" % (MTA, ", ".join(fooled) or "only CRLF.CRLF"))
    if MTA == "postfix":  # Debian 12's default accepts LF; without that these tests would prove little
        ok(fooled, "without the wrapper this MTA is deceived, so the attempts above are real ones", log_tail())


def main():
    wrapper = subprocess.Popen(["tcpserver", "-H", "-R", "-l0", "-u", "65534", "-g", "65534", "127.0.0.1", str(WRAPPER), "/usr/sbin/smtp-wrapper"])
    try:
        if not ok(real.until(lambda: real.answers(DIRECT) and real.answers(WRAPPER)), MTA + " and the wrapper listen", log_tail()):
            return
        for port in (DIRECT, WRAPPER):
            client = real.Client(port)
            note("%s greets: %s" % ("the MTA" if port == DIRECT else "the wrapper", client.reply().decode().strip()))
            client.close()
        absent = []
        for group in (keywords, bodies, empty_message, several_in_one_session, pipelined, recipients, the_mtas_own_words,
                      helo_and_null_path, vanishing_clients, smuggling):
            words = RESULTS.attempt(group.__name__, group)
            absent += words if isinstance(words, list) else []
        RESULTS.attempt("never_delivered", never_delivered, absent)
        RESULTS.attempt("does_it_bite", does_it_bite)
    finally:
        wrapper.terminate()
        wrapper.wait(5)
        RESULTS.finish()


main()
