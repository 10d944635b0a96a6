"""HAProxy, smtp-wrapper with proxy_from, and two MTAs that learn the client by a PROXY header (see ../mta-haproxy)."""
import socket
import subprocess
import sys

sys.path.insert(0, "/real/lib")
import exim
import opensmtpd
import real
from samples import OTHER, SHIPPED, STRANGER, STRANGER_6, US, Wrapper, delivers, found, mta_log, run, tails, with_text

BALANCER = "127.0.0.9"
EXIM, OPENSMTPD, BUSY = 8025, 8035, 8036
# HAProxy's port and option, and the wrapper's port.
WAYS = {"v1": (2701, "send-proxy", 2601), "v2": (2702, "send-proxy-v2", 2601), "fail-over": (2703, "send-proxy-v2", 2602)}
HAPROXY = """
global
  stats socket /run/haproxy.sock
defaults
  mode tcp
  timeout connect 5s
  timeout client 6m
  timeout server 6m
  timeout check 20s
"""
WAY = """
listen %s
  bind 192.0.2.1:%d
  bind [2001:db8::1]:%d
  option smtpchk EHLO balancer.test
  server wrapper 127.0.0.1:%d %s source 127.0.0.9 check inter 500ms fall 20 check-send-proxy
"""
# identity at both sides.
CONFIG = """
[upstream]
address = %s
identity = "proxy-v2"
[session]
proxy_from = ["127.0.0.9"]
"""


def haproxy():
    with open("/tmp/haproxy.cfg", "w") as file:
        file.write(HAPROXY)
        for name, (port, option, wrapper) in WAYS.items():
            file.write(WAY % (name, port, port, wrapper, option))
    with open("/tmp/haproxy.log", "wb") as log:
        return subprocess.Popen(["haproxy", "-db", "-f", "/tmp/haproxy.cfg"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def health():
    """What HAProxy says of the wrapper, for each way: UP, and how its last check went."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(5)
    sock.connect("/run/haproxy.sock")
    sock.sendall(b"show stat\n")
    with sock.makefile("r") as file:
        rows = [line.split(",") for line in file if line.strip()]
    head = rows[0]
    head[0] = head[0].lstrip("# ")
    table = [dict(zip(head, row)) for row in rows[1:]]
    return {row["pxname"]: (row["status"], row["check_status"]) for row in table if row["svname"] == "wrapper"}


def by(word, name):
    """Was this message delivered by the MTA of this name?"""
    mail = found(word) or b""
    return name in mail.split(b"Received: ", 1)[-1].split(b"\nFrom: ")[0]


def chain(ok):
    for name in ("v1", "v2"):
        WRAPPERS[0].port = WAYS[name][0]
        for number, source in enumerate((STRANGER, OTHER, STRANGER_6)):
            word = b"chain-%s-%d" % (name.encode(), number)
            delivers(ok, "HAProxy, PROXY %s, client %s" % (name, source), WRAPPERS[0], word, source)
        # A client's own header does not count.
        client = real.Client(WAYS[name][0], US, STRANGER)
        client.reply()
        reply = client.command(b"PROXY TCP4 127.0.0.1 127.0.0.1 4000 25")
        ok(reply[:1] == b"5", "HAProxy, PROXY %s: a client's own header is an unknown command" % name, reply)
        client.close()
    ok(b"ip=[127.0.0.1]" not in WRAPPERS[0].log(), "nobody was taken for 127.0.0.1", tails(WRAPPERS[0]))
    lines = [line for line in mta_log().splitlines() if b"H=" in line and b"[127.0.0." in line]
    ok(not lines, "and by Exim nobody for us or the balancer", lines)


def checks(ok):
    healthy = {name: ("UP", "L7OK") for name in WAYS}
    ok(real.until(lambda: health() == healthy, 10, 0.2), "HAProxy's own checks, with a header that says LOCAL, find us well", health())


def fail_over(ok):
    wrapper = WRAPPERS[1]
    wrapper.port = WAYS["fail-over"][0]

    def one(what, word, name):
        delivers(ok, what, wrapper, word)
        ok(by(word, name), "%s: delivered by %s" % (what, name.decode()), found(word))

    one("both are up", b"both", b"Exim")
    exim.stop_shipped()
    ok(real.until(lambda: not real.answers(EXIM)), "Exim is down")
    one("the first is down", b"down", b"OpenSMTPD")
    ok(wrapper.logged(b"ip=[%s]" % STRANGER.encode(), b"upstream=", b"%d" % EXIM), "the log tells of the first", tails(wrapper))
    ok(exim.start_shipped(), "Exim is up again", tails())
    one("both are up again", b"again", b"Exim")


def busy(ok):
    """A first one that greets with 4yz."""
    ok(exim.start(BUSY, ("acl_smtp_rcpt = acl_rcpt\n", "acl_smtp_rcpt = acl_rcpt\nacl_smtp_connect = acl_busy\n"),
                  ("begin acl\n", "begin acl\nacl_busy:\n  defer message = busy\n")), "a busy Exim listens", tails())
    wrapper = Wrapper(2603, with_text("busy", CONFIG % '["127.0.0.1:%d", "127.0.0.1:%d"]' % (BUSY, OPENSMTPD)))
    delivers(ok, "the first greets with 4yz", wrapper, b"busy")
    ok(by(b"busy", b"OpenSMTPD"), "the first greets with 4yz: delivered by OpenSMTPD", found(b"busy"))
    # None is left: what the last one said is the client's.
    alone = Wrapper(2604, with_text("alone", CONFIG % '["127.0.0.1:1", "127.0.0.1:%d"]' % BUSY))
    client = real.Client(alone.port, US, STRANGER)
    reply = client.reply()
    ok(reply[:3] in (b"421", b"451"), "one is down and the other busy: " + reply.decode().strip(), tails(alone))
    client.close()
    for one in (wrapper, alone):
        one.stop()


def everything(ok):
    with open("/etc/second.conf", "w") as file, open(SHIPPED + "opensmtpd.conf") as sample:
        file.write(sample.read().replace("port 8025", "port %d" % OPENSMTPD))
    second = opensmtpd.start("/etc/second.conf", OPENSMTPD)
    ok(exim.start_shipped() and real.answers(OPENSMTPD), "Exim and OpenSMTPD listen", tails())
    WRAPPERS.append(Wrapper(2601, with_text("chain", CONFIG % '"127.0.0.1:%d"' % EXIM), host="127.0.0.1"))
    WRAPPERS.append(Wrapper(2602, with_text("fail-over", CONFIG % '["127.0.0.1:%d", "127.0.0.1:%d"]' % (EXIM, OPENSMTPD)),
                            host="127.0.0.1"))
    balancer = haproxy()
    listens = real.until(lambda: all(real.answers(port) for port, _, _ in WAYS.values()))
    ok(listens, "HAProxy listens", open("/tmp/haproxy.log").read())
    for group in (chain, checks, fail_over, busy):
        try:
            group(ok)
        except Exception as error:
            said = open("/tmp/haproxy.log").read()
            ok(False, group.__name__, "%r\n%s\n%s" % (error, said, tails(*WRAPPERS)))
    balancer.terminate()
    balancer.wait(10)
    for wrapper in WRAPPERS:
        wrapper.stop()
    opensmtpd.stop(second, OPENSMTPD)


WRAPPERS = []
run("mta-haproxy", everything)
