#!/bin/sh
# relay-check.sh - contents filter (-f): which recipients strangers may write to.
#
# Unless the client's address matches relay_allow_host_db, each RCPT line must match relay_allow_address_db; else the
# message is refused, with the reason in the log. Else it passes as it is. Lists are files in $SW_LISTS, one extended
# regular expression a line, # for comments; one that is missing is empty, so that nobody may relay. An expression
# for the domain example.org and nothing else is `@example\.org>`.
#
# By hand:     printf 'RCPT TO:<a@example.org>\r\nDATA\r\n.\r\n' | SW_FROM_IP=192.0.2.1 ./relay-check.sh
#
# The filter type "relay" of smtp-wrapper.toml(5) does this better and for nothing: it refuses at RCPT.
set -u
: "${SW_LISTS:=/etc/smtp-wrapper/lists}"

expressions() {
    [ -s "$SW_LISTS/$1" ] && sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$SW_LISTS/$1"
}

hosts=$(expressions relay_allow_host_db)
addresses=$(expressions relay_allow_address_db)
if [ -n "$hosts" ] && printf '%s\n' "$SW_FROM_IP" | grep -E -q -e "$hosts"; then
    exec "$(dirname "$0")/null.sh"
fi

# The commands, line by line; `read` leaves the message in the input.
cr=$(printf '\r')
while IFS= read -r line; do
    line=${line%"$cr"}
    case $line in
        [Rr][Cc][Pp][Tt]\ *)
            if [ -z "$addresses" ] || ! printf '%s\n' "$line" | grep -E -i -q -e "$addresses"; then
                # Not before the whole message is here.
                cat >/dev/null
                printf 'no relay: %s\n' "$line"
                exit
            fi
            ;;
        DATA)
            { printf 'DATA\r\n'; cat; } | "$(dirname "$0")/null.sh"
            exit
            ;;
    esac
done
