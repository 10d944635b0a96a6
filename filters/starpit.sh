#!/bin/sh
# starpit.sh - IP filter (-if): a tarpit for clients whose name looks like a dial-up line.
#
# As s25r.sh, but a client that one of the rules hits only has to wait SW_STARPIT_TIME seconds (60). A robot does
# not, and when it goes away the filter is ended with it. Black addresses and names and clients without a name are
# refused as there.
#
# By hand:     SW_FROM_IP=192.0.2.1 SW_STARPIT_TIME=5 ./starpit.sh
set -u
rules=$(dirname "$0")/s25r-rules.sh
# Silence would let everybody pass.
[ -r "$rules" ] || { echo "broken: $rules is missing"; exit; }
. "$rules"

judge "$SW_FROM_IP"
case $verdict in
    rule) sleep "${SW_STARPIT_TIME:-60}" ;;
    refuse) printf '%s\n' "$reason" ;;
esac
