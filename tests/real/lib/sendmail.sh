# sendmail in a room, which has its packages and m4: sourced behind room.sh. Mail for alice and bob at mx.test is kept
# in /srv/mail; $SENDMAIL is the program, /etc/mail/test.cf its configuration, with filters/mta/sendmail.mc in it: it
# listens on 127.0.0.1:8025.

# Unpacked, not installed: the packages' own configuration would take a minute. sendmail.cf is made by m4 from the
# packages' macros; a delivery agent of two lines keeps one file a message, with the octets sendmail gave it.
for user in alice bob; do
	in_room getent passwd "$user" >/dev/null || in_room useradd -m -s /bin/sh "$user"
	mkdir -p -m 777 "$ROOM/srv/mail/$user"
	chmod 777 "$ROOM/srv/mail/$user"
done
for group in smmsp smmta; do
	in_room getent passwd "$group" >/dev/null || in_room useradd -r "$group"
done
cat >"$ROOM/usr/local/bin/keep" <<'C'
#!/bin/sh
cat >"/srv/mail/$1/.$$" && mv "/srv/mail/$1/.$$" "/srv/mail/$1/$$.$(date +%N)"
C
chmod 755 "$ROOM/usr/local/bin/keep"
mkdir -p "$ROOM/etc/mail" "$ROOM/var/spool/mqueue" "$ROOM/var/lib/sendmail"
# F=n of the local mailer: no From_ line in front, so that every octet can be compared.
cat >"$ROOM/etc/mail/test.mc" <<'C'
divert(-1)
define(`_USE_ETC_MAIL_')
divert(0)dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME',`mx.test')dnl
define(`confPID_FILE',`/run/sendmail-test.pid')dnl
define(`STATUS_FILE',`/var/lib/sendmail/status')dnl
define(`ALIAS_FILE',`/etc/mail/test.aliases')dnl
define(`confFORWARD_PATH',`')dnl
define(`LOCAL_MAILER_PATH',`/usr/local/bin/keep')dnl
define(`LOCAL_MAILER_ARGS',`keep $u')dnl
define(`LOCAL_MAILER_FLAGS',`SPn')dnl
define(`confREFUSE_LA',`1000')dnl
define(`confQUEUE_LA',`1000')dnl
define(`confDONT_BLAME_SENDMAIL',`GroupWritableDirPathSafe')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`nocanonify')dnl
include(`/shipped/filters/mta/sendmail.mc')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
LOCAL_CONFIG
Cwmx.test example.org
C
echo 'postmaster: root' >"$ROOM/etc/mail/test.aliases"
printf 'hosts files\naliases files\npasswd files\n' >"$ROOM/etc/mail/test.switch"
in_room sh -c 'cd /etc/mail && m4 test.mc >test.cf && chown -R root:root /etc/mail /var/spool/mqueue && chmod 755 /etc/mail && chmod 700 /var/spool/mqueue'
sed -i 's,^#O ServiceSwitchFile=.*,O ServiceSwitchFile=/etc/mail/test.switch,' "$ROOM/etc/mail/test.cf"
SENDMAIL=/usr/lib/sm.bin/sendmail
[ -x "$ROOM$SENDMAIL" ] || SENDMAIL=/usr/libexec/sendmail/sendmail
[ -x "$ROOM$SENDMAIL" ] || give_up "no sendmail program in the package"
