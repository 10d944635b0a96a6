"""What a connection costs under each unit, in turns: a greeting and QUIT, one client at a time and eight.

All that takes part runs ahead of ordinary processes, so that what else the machine does changes little. Processor time
is that of systemd, of the sessions (which it, or `listen`, waits for) and of the journal.
"""
import os
import subprocess
import sys
import time

import flood
import real
from units import OURS, UNITS, none_left, run, start, systemctl

BARE = "[Unit]\nCollectMode=inactive-or-failed\n[Service]\nExecStart=/usr/sbin/smtp-wrapper\nStandardInput=socket\nStandardError=journal\n"
ROUNDS = 3
RATE = 200  # connections a second that the default unit must be good for, one after the other
TICK = os.sysconf("SC_CLK_TCK")


def pid(unit):
    return int(systemctl("show", "-p", "MainPID", "--value", unit).strip() or 0)


def spent(pids):
    """Processor time in seconds, with that of children that were waited for."""
    total = 0
    for one in filter(None, pids):
        with open("/proc/%d/stat" % one) as file:
            total += sum(map(int, file.read().rpartition(")")[2].split()[11:15]))
    return total / TICK


def ahead(pids, yes):
    """Sessions inherit it from systemd."""
    for one in pids:
        os.sched_setscheduler(one, os.SCHED_RR if yes else os.SCHED_OTHER, os.sched_param(1 if yes else 0))


class Unit:
    def __init__(self, name, socket, text=None, count=100):
        self.name, self.socket, self.text, self.count = name, socket, text, count
        self.rates, self.waits, self.cpu, self.trouble = {1: [], 8: []}, [], [], []

    def __enter__(self):
        path = OURS + "smtp-wrapper@.service"
        if self.text:
            with open(path, "w") as file:
                file.write(self.text)
            run("systemctl", "daemon-reload")
        start(self.socket)
        flood.Crowd(25, 8).run(("first", flood.greeted()) for _ in range(8))

    def __exit__(self, *_):
        run("systemctl", "stop", self.socket, self.socket.replace(".socket", ".service"))
        if self.text:
            os.unlink(OURS + "smtp-wrapper@.service")
            run("systemctl", "daemon-reload")

    def measure(self):
        with self:
            who = [1, pid("systemd-journald.service"), pid("smtp-wrapper-listen.service")]
            before = spent(who)
            for at_once in self.rates:
                crowd, begun = flood.Crowd(25, at_once), time.monotonic()
                outcome = crowd.run(("client", flood.greeted()) for _ in range(self.count))
                self.rates[at_once].append(self.count / (time.monotonic() - begun))
                if at_once == 1:
                    self.waits.append(sorted(crowd.waits)[len(crowd.waits) // 2])
                served = outcome.pop(("client", "served"), 0)
                if outcome:
                    self.trouble.append("%s: %s" % (outcome, run("journalctl", "--no-pager", "-p", "warning", "-n", "5", "-o", "cat")[1]))
                # One start in many may fail where the machine has no process left to give.
                if served < 0.98 * self.count:
                    raise RuntimeError("%s: %s" % (self.name, self.trouble[-1]))
            real.until(lambda: not systemctl("list-units", "--all", "smtp-wrapper@*.service").strip(), 20, 0.05)
            self.cpu.append((spent(who) - before) / self.count / len(self.rates))


def text_of(name):
    with open(UNITS + name) as file:
        return file.read()


def check(results):
    sink = subprocess.Popen([sys.executable, "-S", "/real/lib/flood_sink.py", "/dev/null"])
    real.until(lambda: real.answers(real.PORT_OF_MTA))
    units = [Unit("bare", "smtp-wrapper.socket", BARE), Unit("default", "smtp-wrapper.socket", text_of("smtp-wrapper@.service")),
             Unit("hardened", "smtp-wrapper.socket", text_of("smtp-wrapper-hardened@.service"), 20),
             Unit("listen", "smtp-wrapper-listen.socket", count=300)]
    everybody = [1, pid("systemd-journald.service"), sink.pid, os.getpid()]
    try:
        ahead(everybody, True)
        for unit in units * ROUNDS:
            unit.measure()
    finally:
        ahead(everybody, False)
        sink.kill()
        sink.wait(5)
    cpu = {unit.name: min(unit.cpu) for unit in units}
    for unit in units:
        results.note("%-8s %4.0f connections a second, %4.0f with eight at once; greeting after %.1f ms; %.2f ms of CPU, %.2f times the default's" % (
            unit.name, max(unit.rates[1]), max(unit.rates[8]), min(unit.waits) * 1000, cpu[unit.name] * 1000, cpu[unit.name] / cpu["default"]))
        for trouble in unit.trouble:
            results.note("%s: %s" % (unit.name, trouble.replace("\n", "; ")))
    bare, rate = max(units[0].rates[1]), max(units[1].rates[1])
    # On a slow machine the mere start of a process is too slow for that.
    results.ok(rate >= min(RATE, 0.6 * bare), "default unit: %d connections a second, or 0.6 of what is possible" % RATE, "%.0f" % rate)
    for name, than, most in (("default", "bare", 1.7), ("listen", "default", 0.3), ("hardened", "default", 15)):
        ratio = cpu[name] / cpu[than]
        results.ok(ratio <= most, "%s: at most %s times the CPU of %s" % (name, most, than), "%.2f" % ratio)
    none_left(results.ok, "after the rates")
