"""Runs as a service under a real systemd (see ../systemd): the shipped units, on the ports they name.

The network is private, so port 25 is ours and no unit needs to be altered.
"""
import os
import re
import sys
import threading
import time

sys.path.insert(0, "/real/lib")
import hardened
import rates
import real
from units import UNITS, drop_in, journal, no_drop_in, none_left, run, sessions, start, systemctl

RESULTS = real.Results("systemd")
ok, note = RESULTS.ok, RESULTS.note


def verify():
    """Keys that this systemd does not know are those of which the file says so; and the score is as stated."""
    old = int(re.search(r"\d+", run("systemctl", "--version")[1]).group()) < 255
    for name, score in (("smtp-wrapper.socket", False), ("smtp-wrapper@2541.socket", False), ("smtp-wrapper@x.service", True),
                        ("smtp-wrapper-hardened@x.service", True), ("smtp-wrapper-listen.socket", False),
                        ("smtp-wrapper-listen.service", True)):
        path = UNITS + name
        template = re.sub("@.*[.]", "@.", path)
        if path != template:
            os.symlink(template, "/tmp/" + name)
            path = "/tmp/" + name
        with open(template) as file:
            text = file.read()
        code, found = run("systemd-analyze", "verify", "--man=no", path)
        if old and "\nPollLimitBurst=" in text:
            found = re.sub(r"\S+: Unknown key '?(name ')?PollLimitBurst' in section '?\[?Socket\]?'?, ignoring\.\n", "", found, count=1)
        ok(code == 0 and not found.strip(), "systemd-analyze verify " + name, found)
        if score:
            stated = re.search(r"(?m)^# systemd-analyze security: (\S+) \(252\)$", text)
            found = run("systemd-analyze", "security", "--offline=true", "--no-pager", template)[1]
            ok(stated and "exposure level for %s: %s " % (re.sub("@.*", "@", name), stated.group(1)) in re.sub("@i.service", "@", found)
               , name + ": the score is as stated: " + (stated.group(1) if stated else "not at all"), found[-200:])


def plain_socket(sink):
    state = os.stat("/var/lib/smtp-wrapper")
    user = int(run("id", "-u", "smtp-wrapper")[1])
    ok((state.st_uid, state.st_mode & 0o7777) == (user, 0o700), "systemd-tmpfiles made the state directory", state)
    start("smtp-wrapper.socket")
    real.check_relay(RESULTS, "smtp-wrapper.socket", sink, 25)
    real.check_relay(RESULTS, "smtp-wrapper.socket over IPv6", sink, 25, "::1")
    text = run("journalctl", "--no-pager", "-o", "json", "-t", "smtp-wrapper", "--output-fields",
               "MESSAGE,PRIORITY,SYSLOG_FACILITY,_SYSTEMD_UNIT,_UID")
    lines = real.until(lambda: [line for line in journal() if "verdict=pass" in line and "to=<b@mx.test>" in line], 5, 0.2)
    ok(lines and "ip=[127.0.0.1]" in lines[0], "the journal has the verdict, an IPv4-mapped address made plain", text)
    line = (lines or [""])[0]
    for field in ('"PRIORITY":"6"', '"SYSLOG_FACILITY":"2"', '"_SYSTEMD_UNIT":"smtp-wrapper@'):
        ok(field in line.replace('" : "', '":"'), "the journal's line has " + field, line)
    ok('"_UID":"%s"' % user in line.replace('" : "', '":"'), "the session ran as its own user (%s)" % user, line)
    none_left(ok, "after relaying")


def templates(sink):
    escaped = run("systemd-escape", "--template=smtp-wrapper@.socket", "[::1]:2542")[1].strip()
    for unit, host, port in (("smtp-wrapper@127.0.0.1:2540.socket", "127.0.0.1", 2540), ("smtp-wrapper@2541.socket", "127.0.0.1", 2541),
                             (escaped, "::1", 2542)):
        start(unit)
        real.check_relay(RESULTS, unit, sink, port, host)
        run("systemctl", "stop", unit)


def third_descriptor(sink):
    drop_in("smtp-wrapper@.service", "[Service]\nStandardInput=null\nStandardOutput=journal\n")
    try:
        real.check_relay(RESULTS, "without StandardInput=socket (fd 3)", sink, 25)
    finally:
        no_drop_in("smtp-wrapper@.service")


def jailed(sink):
    """Sessions in a directory that `smtp-wrapper jail` made, with the lines for the unit that it prints."""
    code, text = run("/usr/sbin/smtp-wrapper", "jail", "/srv/jail", "--config", "none", "--user", "smtp-wrapper")
    lines = re.findall(r"(?m)^    ((?:ExecStart|User|Group|RootDirectory|BindReadOnlyPaths)=.*)$", text)
    ok(code == 0 and len(lines) == 5, "the jail is made, and says what the unit needs", text)
    for what, options in (("by the journal", ""), ("by syslog", " --log syslog")):
        before = len(journal())
        drop_in("smtp-wrapper@.service", "[Service]\nExecStart=\n" + "\n".join(lines).replace("--config", options + " --config") + "\n")
        try:
            real.check_relay(RESULTS, "in the jail, RootDirectory=", sink, 25)
            client = real.Client(25, source="127.0.0.5")
            client.reply()
            unit = (real.until(lambda: [name for name in sessions() if "127.0.0.5" in name]) or [""])[0]
            root = "/proc/%s/root" % systemctl("show", "-p", "MainPID", "--value", unit).strip()
            inside = sorted(os.listdir(root)) + sorted(os.listdir(root + "/usr/sbin")) if os.path.isdir(root) else []
            ok("smtp-wrapper" in inside and "python3" not in inside and not os.path.exists(root + "/usr/bin"),
               "the jail is the root directory of the session", inside)
            client.command(b"QUIT")
            client.close()
            logged = real.until(lambda: [line for line in journal()[before:] if "verdict=pass" in line], 5, 0.2)
            ok(logged, "in the jail: the log gets out " + what, run("journalctl", "--no-pager", "-n", "10")[1])
        finally:
            no_drop_in("smtp-wrapper@.service")
    none_left(ok, "after the jail")


def status_and_stop():
    client = real.Client(25, source="127.0.0.3")
    client.reply()
    client.command(b"EHLO idle.client.test")
    unit = (real.until(sessions) or [""])[0]
    ok("127.0.0.3" in unit, "the session's unit is named after the client", unit)
    # A session shows what it is doing once it has been at it for half a second.
    status = lambda: run("systemctl", "status", "--no-pager", "smtp-wrapper@*")[1]
    real.until(lambda: "Status:" in status())
    text = status()
    line = re.search(r'Status: "(.*)"', text)
    ok(line and line.group(1), "systemctl status 'smtp-wrapper@*' shows a STATUS text for an idle session", text)
    if line:
        note("STATUS of the idle session: " + line.group(1))
    stopped = time.monotonic()
    run("systemctl", "stop", unit)
    rest = client.rest()
    ok(re.fullmatch(rb"421 4\.3\.2[^\r\n]*\r\n", rest), "systemctl stop: the client gets one 421 4.3.2 line", rest)
    ok(time.monotonic() - stopped < 10, "systemctl stop is obeyed at once")
    client.close()
    none_left(ok, "after systemctl stop")


def stop_with_message_at_the_mta(sink):
    sink.hold = 1.5
    try:
        client = real.Client(25, source="127.0.0.4")
        client.reply()
        for line in real.ENVELOPE:
            client.command(line)
        client.send(real.MESSAGE)
        time.sleep(0.5)
        unit = sessions()[0]
        run("systemctl", "stop", unit)
        rest = client.rest()
        ok(rest.startswith(real.Sink.STORED), "systemctl stop while the MTA has the message: its 250 is passed on", rest)
        ok(re.fullmatch(rb"(421 4\.3\.2[^\r\n]*\r\n)?", rest[len(real.Sink.STORED):]), "and at most a 421 follows", rest)
    finally:
        sink.hold = 0


def without_mta():
    for _ in range(5):
        rest = real.Client(25).rest()
        if not re.fullmatch(rb"421 4\.3\.0[^\r\n]*\r\n", rest):
            ok(False, "no MTA: exactly one 421 4.3.0 line", rest)
            return
    ok(True, "no MTA: exactly one 421 4.3.0 line (five times)")
    none_left(ok, "without MTA")


def many(count, parallel, hold=0.0, addresses=8):
    """`count` connections by `parallel` threads from several addresses. What became of them, and the time taken."""
    outcome, lock, left = {}, threading.Lock(), list(range(count))

    def one(number):
        try:
            client = real.Client(25, source="127.0.0.%d" % (11 + number % addresses), wait=30)
            try:
                greeting = client.reply()
                if greeting[:3] != b"220":
                    return greeting[:3].decode()
                time.sleep(hold)
                client.command(b"QUIT")
                return greeting[:3].decode()
            finally:
                client.close()
        except EOFError:
            return "closed"
        except ValueError:
            return "not SMTP"
        except OSError as error:
            return type(error).__name__

    def worker():
        while True:
            with lock:
                if not left:
                    return
                number = left.pop()
            what = one(number)
            with lock:
                outcome[what] = outcome.get(what, 0) + 1

    begun = time.monotonic()
    threads = [threading.Thread(target=worker) for _ in range(parallel)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    return outcome, time.monotonic() - begun


def flood(sink, unit):
    outcome, seconds = many(1000, 100)
    note("%s: 1000 connections, 100 at a time, from 8 addresses: %.1f s, %.0f a second, %s" % (unit, seconds, 1000 / seconds, outcome))
    ok(sum(outcome.values()) == 1000 and outcome.get("220", 0) >= 500, unit + ": most of 1000 connections were served", outcome)
    outcome, seconds = many(1000, 1000, hold=1.0, addresses=40)
    note("%s: 1000 connections at once from 40 addresses, each kept for a second: %.1f s, %s" % (unit, seconds, outcome))
    refused = {"421"} if "listen" in unit else {"closed", "ConnectionResetError"}  # systemd has no 421 to give
    ok(set(outcome) <= {"220"} | refused and outcome.get("220", 0) >= 100,
       "%s: of 1000 at once the caps let in some hundred, the others see: %s" % (unit, "/".join(sorted(refused))), outcome)
    state = systemctl("show", "-p", "ActiveState,SubState,Result", unit).split()
    ok("ActiveState=active" in state and "Result=success" in state, unit + ": the socket is alive after the floods", state)
    real.until(lambda: not sessions(), 30, 0.2)
    real.check_relay(RESULTS, unit + " after the floods", sink, 25)
    none_left(ok, "after the floods")


def listen_units(sink):
    start("smtp-wrapper-listen.socket")
    real.check_relay(RESULTS, "smtp-wrapper-listen.socket", sink, 25)
    real.check_relay(RESULTS, "smtp-wrapper-listen.socket over IPv6", sink, 25, "::1")
    state = systemctl("show", "-p", "ActiveState,SubState,StatusText", "smtp-wrapper-listen.service")
    ok("ActiveState=active" in state and "SubState=running" in state, "smtp-wrapper-listen.service is running (READY=1 arrived)", state)
    note("STATUS of the accepting process: " + state.replace("\n", " "))
    lines = real.until(lambda: [line for line in journal() if "smtp-wrapper-listen.service" in line and "verdict=pass" in line], 5, 0.2)
    ok(lines, "its sessions' lines are in the journal", run("journalctl", "--no-pager", "-n", "10")[1])

    hardened.attempts(ok, "smtp-wrapper-listen.service leaves a filter as little as the hardened unit", hardened.SHUTS_ITSELF_IN)

    clients = [real.Client(25, source="127.0.0.40") for _ in range(17)]
    firsts = [client.reply()[:3] for client in clients]
    ok(sorted(firsts) == [b"220"] * 16 + [b"421"], "the 17th session of an address is told 421", firsts)
    run("systemctl", "stop", "smtp-wrapper-listen.service")
    rests = [client.rest() for client, first in zip(clients, firsts) if first == b"220"]
    ok(all(re.fullmatch(rb"421 4\.3\.2[^\r\n]*\r\n", rest) for rest in rests), "systemctl stop: every session tells its client 421 4.3.2", rests)
    real.check_relay(RESULTS, "started again by the next connection", sink, 25)
    main = systemctl("show", "-p", "MainPID", "--value", "smtp-wrapper-listen.service").strip()
    os.kill(int(main), 9)
    real.check_relay(RESULTS, "after the accepting process was killed", sink, 25)
    flood(sink, "smtp-wrapper-listen.socket")
    run("systemctl", "stop", "smtp-wrapper-listen.socket", "smtp-wrapper-listen.service")


def main():
    note(run("systemctl", "--version")[1].splitlines()[0] + ", PID 1 is " + open("/proc/1/comm").read().strip())
    attempt = RESULTS.attempt
    attempt("verify", verify)
    attempt("rates", rates.check, RESULTS)
    sink = real.Sink()
    attempt("smtp-wrapper.socket", plain_socket, sink)
    attempt("template sockets", templates, sink)
    attempt("fd 3", third_descriptor, sink)
    attempt("jail", jailed, sink)
    attempt("status and stop", status_and_stop)
    attempt("stop in flight", stop_with_message_at_the_mta, sink)
    attempt("hardened", hardened.check, RESULTS, sink)
    attempt("flood", flood, sink, "smtp-wrapper.socket")
    sink.close()
    attempt("without MTA", without_mta)
    run("systemctl", "stop", "smtp-wrapper.socket")
    sink = real.Sink()
    attempt("listen units", listen_units, sink)
    RESULTS.finish()


main()
