#!/bin/sh
# s25r.sh - IP filter (-if): refuses clients whose name looks like a dial-up line.
#
# Environment: SW_FROM_IP, the client's address; SW_LISTS, the folder of the lists; see s25r-rules.sh.
# Answer:      nothing, or the reason for which the client is refused, which goes to the log.
# By hand:     SW_FROM_IP=192.0.2.1 ./s25r.sh
#
# Refusals are for now: a mail server comes back, is seen in the log, and gets into white_hostname_db.
set -u
rules=$(dirname "$0")/s25r-rules.sh
# Silence would let everybody pass.
[ -r "$rules" ] || { echo "broken: $rules is missing"; exit; }
. "$rules"

judge "$SW_FROM_IP"
[ "$verdict" = pass ] || printf '%s\n' "$reason"
