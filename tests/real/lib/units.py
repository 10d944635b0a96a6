"""systemd, as the tests in a container talk to it."""
import os
import subprocess

import real

UNITS = "/usr/lib/systemd/system/"
OURS = "/etc/systemd/system/"


def run(*words, wait=30):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=wait)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def systemctl(*words):
    return run("systemctl", "--no-pager", "--plain", "--no-legend", *words)[1]


def start(unit):
    code, text = run("systemctl", "start", unit)
    if code:
        raise RuntimeError("%s does not start: %s" % (unit, text + run("systemctl", "status", "--no-pager", unit)[1]))


def sessions():
    listed = systemctl("list-units", "--all", "smtp-wrapper@*.service", "smtp-wrapper-hardened@*.service")
    return [line.split()[0] for line in listed.splitlines() if line.strip()]


def none_left(ok, what):
    real.until(lambda: not sessions(), 20, 0.1)
    ok(not sessions(), what + ": no session unit is left", sessions())
    failed = systemctl("list-units", "--failed", "smtp-wrapper*")
    ok(failed.strip() == "", what + ": no failed unit", failed)


def drop_in(unit, text):
    folder = "%s%s.d" % (OURS, unit)
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/test.conf", "w") as file:
        file.write(text)
    run("systemctl", "daemon-reload")


def no_drop_in(unit):
    os.unlink("%s%s.d/test.conf" % (OURS, unit))
    run("systemctl", "daemon-reload")


def journal(since=None):
    words = ["journalctl", "--no-pager", "-o", "json", "-t", "smtp-wrapper"] + (["--since", since] if since else [])
    return run(*words)[1].splitlines()
