"""Messages in chunks to a real Postfix (see ../auth), which takes chunks or does not, by hand and from Exim: what is in
the mailbox is what was sent."""
import os
import random
import socket
import subprocess
import sys

sys.path.insert(0, "/real/lib")
import real

RESULTS = real.Results("auth-chunks")
ok = RESULTS.ok
FOLDER = os.environ["MAIL_OF_ALICE"]
# What keeps the message for a filter, and passes it as it is.
NULL = """#!/bin/sh
cat >/tmp/kept.$$ && sed -n '/^DATA/,$p' /tmp/kept.$$
"""
FILTER = """
[[filter]]
type = "program"
at = "message"
contract = "original"
run = ["/tmp/null"]
"""
WRAPPERS = {"BDAT": (2611, 8025, ""), "DATA": (2612, 8026, ""), "filter": (2613, 8025, FILTER)}


def start(port, mta, filters):
    path = "/tmp/chunks-%d.toml" % port
    with open(path, "w") as file:
        file.write('[upstream]\naddress = "127.0.0.1:%d"\n%s' % (mta, filters))
    return subprocess.Popen(["/usr/sbin/smtp-wrapper", "listen", "--config", path, "--log", "stderr", "127.0.0.1:%d" % port],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open("/tmp/chunks.log", "ab"))


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 30)
        self.file = self.sock.makefile("rb")
        self.reply()

    def reply(self):
        lines = b""
        while True:
            line = self.file.readline()
            lines += line
            if line[3:4] != b"-":
                return lines

    def ask(self, octets):
        self.sock.sendall(octets)
        return self.reply()


def delivered(word, seconds=real.WAIT):
    """The message behind its mark, as it is in the mailbox."""
    mark = b"X-Mark: " + word + b"\n"

    def look():
        for name in os.listdir(FOLDER) if os.path.isdir(FOLDER) else []:
            with open(os.path.join(FOLDER, name), "rb") as file:
                text = file.read()
            if mark in text:
                return text[text.index(mark):]
        return None
    return real.until(look, seconds, 0.05)


def message(word, dice):
    """Lines of any octets but NUL, CR and LF; many dots, and whatever looks like an end of mail data."""
    lines = [b"X-Mark: " + word, b""]
    for _ in range(dice.randrange(60)):
        lines.append(dice.choice([b".", b"..", b".\t", b"", b"QUIT", b"BDAT 5 LAST", b".x" * dice.randrange(200),
                                  bytes(dice.choice(range(32, 256)) for _ in range(dice.randrange(400)))]))
    return b"\r\n".join(lines) + b"\r\n"


def in_chunks(text, dice):
    cuts = sorted(dice.randrange(len(text) + 1) for _ in range(dice.randrange(6)))
    chunks = [text[a:b] for a, b in zip([0] + cuts, cuts + [len(text)])]
    if dice.random() < 0.3:
        chunks.append(b"")
    return [b"BDAT %d%s\r\n%s" % (len(c), b" LAST" if n + 1 == len(chunks) else b"", c) for n, c in enumerate(chunks)]


def random_messages(name, port):
    dice = random.Random(port)
    client = Client(port)
    offered = client.ask(b"EHLO client.test\r\n")
    ok(b"CHUNKING" in offered and b"BINARYMIME" not in offered, name + ": CHUNKING is offered", offered)
    wanted, replies = {}, []
    for number in range(15):
        word = b"%s-%d" % (name.encode(), number)
        text = message(word, dice)
        wanted[word] = text.replace(b"\r\n", b"\n")
        start = b"MAIL FROM:<%s@client.test>\r\nRCPT TO:<alice@mx.test>\r\n" % word
        parts = [start] + in_chunks(text, dice)
        if dice.random() < 0.5:
            client.sock.sendall(b"".join(parts))
            replies += [client.reply() for _ in range(len(parts) + 1)]
        else:
            client.sock.sendall(start)
            replies += [client.reply(), client.reply()]
            replies += [client.ask(part) for part in parts[1:]]
    ok(all(reply[:3] == b"250" for reply in replies), name + ": each chunk is taken", [r for r in replies if r[:3] != b"250"])
    client.ask(b"QUIT\r\n")
    same = [delivered(word) == text for word, text in wanted.items()]
    ok(all(same), name + ": 15 messages in random chunks are in the mailbox, octet for octet", repr(same))


def large(name, port):
    client = Client(port)
    client.ask(b"EHLO client.test\r\n")
    word = b"large-" + name.encode()
    client.ask(b"MAIL FROM:<%s@client.test>\r\n" % word)
    client.ask(b"RCPT TO:<alice@mx.test>\r\n")
    text = b"X-Mark: " + word + b"\r\n\r\n" + b"".join(b".%d\r\n" % n if n % 9 == 0 else b"%070d\r\n" % n for n in range(100000))
    replies = [client.ask(b"BDAT %d%s\r\n" % (len(text[at:at + 1000001]), b" LAST" if at + 1000001 >= len(text) else b"")
                          + text[at:at + 1000001]) for at in range(0, len(text), 1000001)]
    ok(all(reply[:3] == b"250" for reply in replies) and delivered(word) == text.replace(b"\r\n", b"\n"),
       "%s: %d chunks of 1 MB" % (name, len(replies)), replies)
    client.ask(b"QUIT\r\n")


def refused(name, port):
    client = Client(port)
    client.ask(b"EHLO client.test\r\n")
    said = [client.ask(b"BDAT 6\r\nQUIT\r\n"), client.ask(b"MAIL FROM:<none@client.test>\r\n"), client.ask(b"BDAT 6 LAST\r\nQUIT\r\n"),
            client.ask(b"RCPT TO:<alice@mx.test>\r\n"), client.ask(b"BDAT 19\r\nX-Mark: none\r\n\r\nx\ny")]
    ok([reply[:3] for reply in said] == [b"503", b"250", b"554", b"250", b"550"] and client.file.readline() == b"",
       name + ": chunks out of order, and with a bare LF", said)
    client = Client(port)
    client.ask(b"EHLO client.test\r\n")
    client.ask(b"MAIL FROM:<none@client.test>\r\n")
    client.ask(b"RCPT TO:<alice@mx.test>\r\n")
    client.ask(b"BDAT 16\r\nX-Mark: none\r\n\r\n")
    client.sock.sendall(b"BDAT 100 LAST\r\nhalf of it")
    client.sock.close()
    ok(delivered(b"none", 1) is None, name + ": half a message is none")


def exim(name, address):
    word = b"exim-" + name.encode()
    text = b"X-Mark: " + word + b"\n\n" + b".\n..x\ntext\n" * 1000
    done = subprocess.run(["/usr/sbin/exim4", "-odf", "-oi", "-f", "exim@client.test", address], input=text, capture_output=True, timeout=60)
    with open("/var/log/exim4/mainlog", "rb") as file:
        sent = [line for line in file if b"=> " + address.encode() in line]
    ok(done.returncode == 0 and len(sent) == 1 and b" K " in sent[0], name + ": Exim sends in chunks", (done, sent))
    got = delivered(word)
    ok(got is not None and got[got.index(b"\n\n"):] == text[text.index(b"\n\n"):], name + ": Exim's message is in the mailbox")


def main():
    with open("/tmp/null", "w") as file:
        file.write(NULL)
    os.chmod("/tmp/null", 0o755)
    wrappers = [start(*WRAPPERS[name]) for name in WRAPPERS]
    if ok(real.until(lambda: all(real.answers(port) for port, _, _ in WRAPPERS.values())), "the wrappers listen"):
        for name, (port, _, _) in WRAPPERS.items():
            RESULTS.attempt(name + ", random", random_messages, name, port)
            RESULTS.attempt(name + ", large", large, name, port)
            RESULTS.attempt(name + ", refused", refused, name, port)
        RESULTS.attempt("Exim, BDAT", exim, "BDAT", "alice@mx.test")
        RESULTS.attempt("Exim, DATA", exim, "DATA", "alice+data@mx.test")
    for wrapper in wrappers:
        wrapper.terminate()
        wrapper.wait(10)
    RESULTS.finish()


main()
