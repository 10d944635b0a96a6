#!/usr/bin/env python3
"""tag-subject.py - contents filter (-f): puts [outside] before the subject of each message.

An example of a filter that rewrites. It works on octets, for mail is not text; it takes the dots that transparency
(RFC 5321 4.5.2) put in front of lines as they are, since it adds no line that begins with one.

Usage: tag-subject.py [TAG]
"""

import sys

TAG = (sys.argv[1] if len(sys.argv) > 1 else "[outside]").encode()

# DATA is a line of its own; a command may end in these letters.
everything = b"\r\n" + sys.stdin.buffer.read()
commands, data, message = everything.partition(b"\r\nDATA\r\n")
if not data:
    sys.exit("no DATA")
if message.startswith(b"\r\n"):  # no header at all
    header, between, body = b"", b"", message
else:
    header, between, body = message.partition(b"\r\n\r\n")
lines = header.split(b"\r\n")
for n, line in enumerate(lines):
    if line.lower().startswith(b"subject:"):
        subject = line[len(b"subject:"):].strip()
        if TAG not in subject:
            lines[n] = b"Subject: " + TAG + b" " + subject
        break
sys.stdout.buffer.write(b"DATA\r\n" + b"\r\n".join(lines) + between + body)
