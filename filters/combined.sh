#!/bin/sh
# combined.sh - contents filter (-f): several in a row.
#
# Usage:       combined.sh FILTER FILTER ...        (run = ["/path/combined.sh", "/path/a", "/path/b"])
#
# Each gets what the one before it answered, with the commands in front; the first that refuses has the last word.
# smtp-wrapper.toml(5) asks several filters in a row as well, without a shell and with each its own on_error; this is
# for the one program that -f takes.
set -u
[ $# -gt 0 ] || exec "$(dirname "$0")/null.sh"

crlf=$(printf '\r\n.'); crlf=${crlf%.}
commands=
while IFS= read -r line; do
    case $line in
        DATA*) break ;;
    esac
    commands=$commands$line'
'
done

# What a filter answers is kept until it has ended: nothing may be answered before. It has no name in any folder.
chain() {
    filter=$1
    shift
    "$filter" | {
        IFS= read -r first || exit 0
        case $first in
            DATA*)
                if [ $# -eq 0 ]; then
                    printf '%s\n' "$first"
                    cat
                else
                    { printf '%s%s\n' "$commands" "$first"; cat; } | chain "$@"
                fi
                ;;
            *)
                cat >/dev/null
                printf '%s\n' "$first"
                ;;
        esac
    }
}

{ printf '%sDATA%s' "$commands" "$crlf"; cat; } | chain "$@"
