"""What sessions do when nothing can be written: messages that cannot be kept are refused for now, what is only
remembered is not, and nothing stays behind."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import real  # noqa: E402

STATE = "/srv/state"
CONFIG = """
state = "/srv/state"
[tls]
cert = "/srv/tls/mx.crt"
key = "/srv/tls/mx.key"
[[filter]]
type = "interval"
least = "1ms"
[[filter]]
type = "program"
at = "message"
contract = "original"
run = ["/srv/filter"]
"""
# It makes a large message of a small one that asks for it.
FILTER = """#!/bin/sh
sed -n '/^DATA.$/,$p' >/tmp/kept.$$
if grep -q '^Subject: grow' /tmp/kept.$$; then
    printf 'DATA\\r\\n'
    yes 'and so on' | head -n 100000 | sed 's/$/\\r/'
    printf '.\\r\\n'
else
    cat /tmp/kept.$$
fi
rm /tmp/kept.$$
"""
NO_ROOM = b"452 4.3.1 Insufficient system storage, try again later\r\n"
TROUBLE = re.compile(rb"451 4\.3\.0 [^\r\n]+\r\n")
results = real.Results("full")


def message(size, subject=b"x"):
    return b"Subject: " + subject + b"\r\n\r\n" + b"some octets of text, again and again.\r\n" * (size // 39)


def used():
    room = os.statvfs(STATE)
    return (room.f_blocks - room.f_bfree) * room.f_frsize


def fill():
    with open(STATE + "/ballast", "wb", buffering=0) as ballast:
        try:
            while ballast.write(b"x" * 4096):
                pass
        except OSError:
            pass


def opens(port):
    client = real.Client(port)
    client.reply()
    client.command(b"EHLO x")
    return client


def sends(client, content):
    for line in real.ENVELOPE[1:]:
        client.command(line)
    client.send(content + b".\r\n")
    return client.reply()


def check(port, sink, log):
    taken = len(sink.messages())
    client = opens(port)
    results.ok(sends(client, message(2000000)) == NO_ROOM, "a message that cannot be kept is refused for now",
               client.seen[-200:])
    client.send(b"QUIT\r\n")
    client.rest()
    client.close()
    client = opens(port)
    reply = sends(client, message(1000, b"grow"))
    results.ok(TROUBLE.fullmatch(reply), "so is one whose answer cannot be kept", reply)
    results.ok(sends(client, message(1000)) == real.Sink.STORED, "the session goes on: a small one is taken",
               client.seen[-200:])
    results.ok(sends(client, message(200000)) == real.Sink.STORED, "and one that fits into memory", client.seen[-200:])
    client.command(b"QUIT")
    client.rest()
    client.close()
    wanted = [message(1000) + b".\r\n", message(200000) + b".\r\n"]
    results.ok(sink.messages()[taken:] == wanted, "the MTA has those two, whole, and no other",
               [len(text) for text in sink.messages()[taken:]])
    results.ok(log.wait_for(rb"session=note .*why=<cannot\\x20keep\\x20a\\x20message:\\x20No\\x20space"), "the log says why",
               log.lines)
    results.ok(log.wait_for(rb"session=trouble filter=program .*cannot\\x20be\\x20kept"), "of the answer as well",
               log.lines)


class Sink(real.Sink):
    def messages(self):
        return [message for talk in self.talks for message in talk.messages]


def check_without_any_room(port, sink, log):
    os.unlink(STATE + "/intervals")
    fill()
    start, taken = len(log.lines), len(sink.messages())
    client = opens(port)
    results.ok(b"250 STARTTLS" in client.seen, "with a full disk STARTTLS is offered", client.seen)
    results.ok(sends(client, message(300)) == real.Sink.STORED, "and a message taken", client.seen[-200:])
    client.command(b"QUIT")
    client.close()
    results.ok(len(sink.messages()) == taken + 1, "by the MTA, too")
    results.ok(log.wait_for(rb"session=note filter=interval .*No\\x20space", start), "the log says what is not remembered",
               log.lines[start:])
    shake = subprocess.run(["/usr/bin/openssl", "s_client", "-quiet", "-starttls", "smtp", "-connect",
                            "127.0.0.1:%d" % port], input=b"QUIT\r\n", capture_output=True, timeout=10)
    results.ok(b"221 " in shake.stdout, "TLS is spoken all the same", shake.stdout + shake.stderr)
    results.ok(log.wait_for(rb"session=note .*cannot\\x20be\\x20resumed.*No\\x20space", start), "though not resumed",
               log.lines[start:])
    os.unlink(STATE + "/ballast")


def main():
    sink, log = Sink(), real.Syslog()
    with open("/srv/config.toml", "w") as config:
        config.write(CONFIG)
    with open("/srv/filter", "w") as program:
        program.write(FILTER)
    os.chmod("/srv/filter", 0o755)
    port = 2525
    listen = subprocess.Popen(["/usr/sbin/smtp-wrapper", "listen", "--config", "/srv/config.toml", "127.0.0.1:%d" % port],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    real.until(lambda: real.answers(port))
    results.attempt("messages", check, port, sink, log)
    results.ok(used() <= 16384 and sorted(os.listdir(STATE)) == ["intervals"], "nothing of it is left",
               (used(), os.listdir(STATE)))
    results.attempt("no room at all", check_without_any_room, port, sink, log)
    client, replies = real.relay_once(port)
    results.ok(replies[5] == real.Sink.STORED, "with room again all is as ever", replies)
    listen.terminate()
    results.ok(listen.wait(5) == 0, "listen ends with status 0")


results.attempt("all of it", main)
results.finish()
