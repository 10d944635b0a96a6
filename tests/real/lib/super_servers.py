"""The super-servers of the inetd family, with the lines and run scripts that are shipped."""
import os
import re
import subprocess

import real

SHIPPED = "/shipped/inetd/"
PROGRAM = "/usr/sbin/smtp-wrapper"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def shipped(name):
    with open(SHIPPED + name) as file:
        return file.read()


def written(name, text, mode=0o644):
    path = "/tmp/" + name
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def inetd_conf(name, port, options):
    """The file as shipped, but for the port, the path of the program and options at the end of the lines."""
    text = re.sub(r"(?m)^smtp(?=\s)", str(port), shipped(name))
    text = re.sub(r"(?m)^(?!#)(.*\s)/\S*/smtp-wrapper(\s+smtp-wrapper)$", r"\1" + PROGRAM + r"\2 " + options, text)
    return written("inetd.conf", text)


def openbsd_inetd(name):
    # -i: stay in the foreground. No -R: the lines themselves have to lift the limit.
    return lambda port, options: ["/usr/sbin/inetd", "-i", inetd_conf(name, port, options)]


def inetutils_inetd(port, options):
    return ["/usr/sbin/inetutils-inetd", "-d", inetd_conf("inetd.conf.debian", port, options)]


def xinetd(port, options):
    text = re.sub(r"(port\s*= )25\n", r"\g<1>%d\n" % port, shipped("xinetd.smtp-wrapper"))
    if options:
        text = text.replace("}", "\tserver_args = %s\n}" % options)
    return ["/usr/sbin/xinetd", "-dontfork", "-filelog", "/tmp/xinetd.log", "-pidfile", "/tmp/xinetd.pid", "-f", written("x.conf", text)]


def tcpserver(port, options):
    text = shipped("tcpserver.run").replace(" 0 25 ", " 0 %d " % port)
    return [written("run", text.rstrip("\n") + " " + options + "\n", 0o755)]


def activate(*how):
    return lambda port, options: NOBODY + ["systemd-socket-activate", *how, "-a", "-l", "127.0.0.1:%d" % port,
                                           PROGRAM] + options.split()


class Running:
    """A super-server, started for a `with` block."""

    port = 2500

    def __init__(self, how, options=""):
        Running.port += 1
        self.port = Running.port
        self.how, self.options = how, options

    def __enter__(self):
        self.log = open("/tmp/super-server.log", "w+")
        self.process = subprocess.Popen(self.how(self.port, self.options), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        if not real.until(lambda: real.answers(self.port), 10):
            self.__exit__()
            self.log.seek(0)
            raise RuntimeError("does not listen: " + self.log.read()[-500:])
        return self.port

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
