"""An MTA for floods: one process, one epoll. usage: flood_sink.py FILE; the text of each message is a line of FILE,
written before the client hears of it."""
import os
import select
import socket
import sys

GREETING = b"220 sink.test ESMTP at your service\r\n"
REPLIES = {b"EHLO": b"250-sink.test\r\n250 PIPELINING\r\n", b"DATA": b"354 go ahead\r\n", b"QUIT": b"221 2.0.0 closes\r\n"}
END = b"\r\n.\r\n"


class Talk:
    def __init__(self, sock):
        self.sock, self.seen, self.in_message = sock, b"", False

    def hear(self, octets, stored):
        """Answers what has come; false when the session is over."""
        self.seen += octets
        while True:
            message, end, rest = self.seen.partition(END if self.in_message else b"\r\n")
            if not end:
                return True
            self.seen = rest
            if self.in_message:
                os.write(stored, message.rpartition(b"\r\n")[2] + b"\n")
                self.in_message = False
                self.sock.sendall(b"250 2.0.0 stored\r\n")
                continue
            verb = message[:4].upper()
            self.in_message = verb == b"DATA"
            self.sock.sendall(REPLIES.get(verb, b"250 2.0.0 fine\r\n"))
            if verb == b"QUIT":
                return False


def main():
    stored = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    doors = socket.create_server(("127.0.0.1", 8025), backlog=4096)
    doors.setblocking(False)
    poll, talks = select.epoll(), {}
    poll.register(doors.fileno(), select.EPOLLIN)
    while True:
        for fd, _ in poll.poll():
            try:
                if fd == doors.fileno():
                    sock = doors.accept()[0]
                    talks[sock.fileno()] = Talk(sock)
                    poll.register(sock.fileno(), select.EPOLLIN)
                    sock.sendall(GREETING)
                    continue
                octets = talks[fd].sock.recv(65536)
                goes_on = octets and talks[fd].hear(octets, stored)
            except BlockingIOError:
                continue
            except OSError:
                goes_on = False
            if not goes_on and fd in talks:
                poll.unregister(fd)
                talks.pop(fd).sock.close()


main()
