# s25r-rules.sh - what s25r.sh and starpit.sh have in common; it is read by them, not run.
#
# judge IP    sets verdict to `pass`, `refuse` or `rule`, and reason to one line that says why:
#             black address: refuse; white address: pass; no name: refuse; black name: refuse; white name: pass;
#             a name that looks like a dial-up line by one of the six rules: rule; else pass.
#
# Lists are files in $SW_LISTS, one extended regular expression a line, # for comments; one that is missing is empty:
#             black_ip_db white_ip_db (matched against the address), black_hostname_db white_hostname_db (the name).
#
# resolve IP  prints the name of an address in lower case. Status 1: it has none. Status 2: there is no telling,
#             because DNS does not answer. $SW_RESOLVE names a program that does it instead.

: "${SW_LISTS:=/etc/smtp-wrapper/lists}"

# The rules of the original, on the name without a dot behind it.
s25r_rule() {
    printf '%s\n' "$1" | awk '
        /^[^.]*[0-9][^0-9.]+[0-9]/                       { print 1; exit }
        /^[^.]*[0-9][0-9][0-9][0-9][0-9]/                { print 2; exit }
        /^([^.]+\.)?[0-9][^.]*\.[^.]+\..+\.[a-z]/        { print 3; exit }
        /^[^.]*[0-9]\.[^.]*[0-9]-[0-9]/                  { print 4; exit }
        /^[^.]*[0-9]\.[^.]*[0-9]\.[^.]+\..+\./           { print 5; exit }
        /^(dhcp|dialup|ppp|adsl)[^.]*[0-9]/              { print 6; exit }'
}

# Does a line of the list match? One grep for the whole list. Comments and empty lines are taken out first: an
# empty expression would match everything.
listed() {
    [ -s "$SW_LISTS/$1" ] || return 1
    expressions=$(sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$SW_LISTS/$1")
    [ -n "$expressions" ] || return 1
    printf '%s\n' "$2" | grep -E -i -q -e "$expressions" 2>/dev/null
    case $? in
        0) return 0 ;;
        1) return 1 ;;
    esac
    # One bad expression switches off the whole list: that is not to go unseen.
    echo "broken list: $SW_LISTS/$1"
    exit
}

resolve() {
    if [ -n "${SW_RESOLVE:-}" ]; then
        answer=$("$SW_RESOLVE" "$1") || return
    elif command -v host >/dev/null 2>&1; then
        answer=$(host -W 5 "$1" 2>/dev/null) || case $answer in
            *NXDOMAIN* | *'has no PTR'*) return 1 ;;
            *) return 2 ;;
        esac
        answer=$(printf '%s\n' "$answer" | sed -n 's/.* domain name pointer //p')
    elif command -v dig >/dev/null 2>&1; then
        answer=$(dig +time=5 +tries=1 +noall +comments +answer -x "$1" 2>/dev/null) || return 2
        case $answer in
            *'status: NOERROR'* | *'status: NXDOMAIN'*) ;;
            *) return 2 ;;
        esac
        answer=$(printf '%s\n' "$answer" | awk '$4 == "PTR" { print $5 }')
    else
        # The system's resolver does not tell "none" from "no answer"; no answer is said only by its own trouble.
        answer=$(getent hosts "$1")
        case $? in
            0) answer=$(printf '%s\n' "$answer" | awk '{ print $2; exit }') ;;
            2) return 1 ;;
            *) return 2 ;;
        esac
    fi
    # Some names are no host names: what is left is safe to print.
    name=$(printf '%s\n' "$answer" | sed -n -e 's/\.$//' -e 1p | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9._-')
    [ -n "$name" ] || return 1
    printf '%s\n' "$name"
}

judge() {
    verdict=pass reason=
    if listed black_ip_db "$1"; then
        verdict=refuse reason="black address: $1"
        return
    fi
    listed white_ip_db "$1" && return
    name=$(resolve "$1")
    case $? in
        0) ;;
        1)
            verdict=refuse reason="no name: $1"
            return
            ;;
        # A name server that is away says nothing about the client.
        *) return ;;
    esac
    if listed black_hostname_db "$name"; then
        verdict=refuse reason="black name: $name"
        return
    fi
    listed white_hostname_db "$name" && return
    rule=$(s25r_rule "$name")
    [ -z "$rule" ] || { verdict=rule reason="rule $rule: $name"; }
}
