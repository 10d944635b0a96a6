#!/bin/sh
# relay-check.sh - contents filter (-f): which recipients strangers may write to.
#
# Unless the client's address matches relay_allow_host_db, each recipient must match relay_allow_address_db; else the
# message is refused, with the reason in the log. Else it passes as it is. Lists are files in $SW_LISTS, one extended
# regular expression a line, # for comments; one that is missing is empty, so that nobody may relay. They are searched
# in the line `RCPT TO:<path>`, without what may follow it: an expression for the domain example.org and nothing else
# is `@example\.org>`. A path in which some program could read another domain (quotes, two @, %, !, a source route)
# is refused whatever the lists say; postmaster without a domain is not.
#
# The refusal is for now, as in the original; for one for good, name the filter in smtp-wrapper.toml with
# on_hit = "554 5.7.1 Relaying denied" instead of -f.
#
# By hand:     printf 'RCPT TO:<a@example.org>\r\nDATA\r\n.\r\n' | SW_FROM_IP=192.0.2.1 ./relay-check.sh
#
# The filter type "relay" of smtp-wrapper.toml(5) does this better and for nothing: it refuses at RCPT.
set -u
: "${SW_LISTS:=/etc/smtp-wrapper/lists}"

expressions() {
    [ -s "$SW_LISTS/$1" ] && sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$SW_LISTS/$1"
}

# Not before the whole message is here.
refuse() {
    cat >/dev/null
    printf '%s\n' "$1"
    exit
}

# Is there a match for $2 in the expressions $3 of the list $1? One bad expression is not an empty list.
matches() {
    [ -n "$3" ] || return 1
    printf '%s\n' "$2" | grep -E -i -q -e "$3" 2>/dev/null
    case $? in
        0) return 0 ;;
        1) return 1 ;;
        *) refuse "broken list: $SW_LISTS/$1" ;;
    esac
}

# May a stranger write to this path?
ours() {
    case $1 in
        [Pp][Oo][Ss][Tt][Mm][Aa][Ss][Tt][Ee][Rr]) return 0 ;;
        *[\"%!,:\\\ ]* | @* | *@*@*) return 1 ;;
        *@*) matches relay_allow_address_db "RCPT TO:<$1>" "$addresses" ;;
        *) return 1 ;;
    esac
}

hosts=$(expressions relay_allow_host_db)
addresses=$(expressions relay_allow_address_db)
if matches relay_allow_host_db "$SW_FROM_IP" "$hosts"; then
    exec "$(dirname "$0")/null.sh"
fi

# The commands, line by line; `read` leaves the message in the input.
cr=$(printf '\r')
while IFS= read -r line; do
    line=${line%"$cr"}
    case $line in
        [Rr][Cc][Pp][Tt]\ *)
            # Up to the first > a path is whole, or has a quote in it and is refused.
            path=${line#*<}
            [ "$path" != "$line" ] && ours "${path%%>*}" || refuse "no relay: $line"
            ;;
        DATA)
            { printf 'DATA\r\n'; cat; } | "$(dirname "$0")/null.sh"
            exit
            ;;
    esac
done
