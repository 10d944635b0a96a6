# Exim in a room that has its packages: sourced behind room.sh. Mail for alice at example.org is in /var/mail/alice.

# The packages are unpacked, not installed, so what their scripts would have made is made here.
in_room getent passwd Debian-exim >/dev/null || in_room useradd -r -M Debian-exim
in_room getent passwd alice >/dev/null || in_room useradd -m -s /bin/sh alice
in_room mkdir -p /var/spool/exim4 /var/log/exim4
in_room chown Debian-exim:Debian-exim /var/spool/exim4 /var/log/exim4
in_room chmod 4755 /usr/sbin/exim4
echo 'postmaster: root' >"$ROOM/etc/aliases"
install -m 644 "$ROOM/shipped/filters/mta/exim.conf" "$ROOM/etc/exim4/exim4.conf"
