# OpenSMTPD in a room that has its package: sourced behind room.sh. Mail for alice at example.org is in /var/mail/alice.

# The package is unpacked, not installed, so what its script would have made is made here.
for user in opensmtpd opensmtpq; do
	in_room getent passwd "$user" >/dev/null || in_room useradd -r -M -d /var/empty "$user"
done
in_room getent passwd alice >/dev/null || in_room useradd -m -s /bin/sh alice
in_room sh -c 'mkdir -p -m 711 /var/empty /var/spool/smtpd && chgrp opensmtpq /usr/sbin/smtpctl && chmod 2755 /usr/sbin/smtpctl'
echo 'postmaster: root' >"$ROOM/etc/aliases"
install -m 644 "$ROOM/shipped/filters/mta/opensmtpd.conf" "$ROOM/etc/smtpd.conf"
