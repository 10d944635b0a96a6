#!/bin/sh
# null.sh - contents filter (-f): passes every message as it is. A beginning for one's own.
#
# Input:       HELO, MAIL and RCPT lines, a line DATA, the message, a line with a dot; all end in CR LF.
# Answer:      the line DATA and what follows it, as it came.
#
# A contents filter must not answer before it has the whole message. So sed takes away what stands before DATA, and
# tail, asked for more lines than there can be, keeps the rest until its input ends. (One process in awk does the
# same at half the speed, and loses octets 0 on some systems.)
set -u
sed -e '/^DATA.\{0,1\}$/,$!d' | tail -n 2147483647
