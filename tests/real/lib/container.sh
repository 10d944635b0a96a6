# A container with a real systemd as PID 1, whose root is the room: sourced behind room.sh.
#
#   container SECONDS INSIDE.py ARGUMENTS…   boots it with the shipped units installed and runs tests/real/lib/INSIDE.py
#                      in it as a service; what that prints is printed, and its exit status is the container's.

container() {
	local limit=$1 units=$ROOM/etc/systemd/system follower status=0
	shift
	rm -rf "$units" # what the host has enabled is not to start here
	mkdir -p "$units"
	install -m 644 "$ROOM"/shipped/systemd/*.socket "$ROOM"/shipped/systemd/*.service "$ROOM/usr/lib/systemd/system/"
	install -m 644 "$ROOM/shipped/systemd/smtp-wrapper.conf" "$ROOM/usr/lib/sysusers.d/"
	install -m 644 "$ROOM/shipped/systemd/smtp-wrapper.tmpfiles" "$ROOM/usr/lib/tmpfiles.d/smtp-wrapper.conf"
	in_room systemd-sysusers smtp-wrapper.conf || give_up "sysusers file not accepted"

	tr -d - </proc/sys/kernel/random/uuid >"$ROOM/etc/machine-id" # with a host's the journal would be linked to the host's
	cat >"$units/test.target" <<-'U'
		[Unit]
		Requires=sysinit.target
		Wants=test.service
		After=sysinit.target
		AllowIsolate=yes
	U
	cat >"$units/test.service" <<-U
		[Unit]
		DefaultDependencies=no
		After=sysinit.target
		[Service]
		Type=oneshot
		ExecStart=/usr/bin/python3 -S /real/lib/$*
		StandardOutput=append:/tmp/out/log
		StandardError=append:/tmp/out/log
		ExecStopPost=/bin/sh -c 'test "\$\$EXIT_STATUS" = 0; systemctl --no-block exit \$\$?'
		TimeoutStartSec=$limit
		LimitNOFILE=65536
	U
	mkdir -p "$ROOM/guest" "$ROOM/tmp/out"
	mount --bind "$ROOM" "$ROOM/guest"
	: >"$ROOM/tmp/out/log"
	tail -n +1 -f "$ROOM/tmp/out/log" &
	follower=$!
	# A session may shut itself in; nspawn does not know these calls for harmless.
	in_room SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn -D /guest --private-network -b --register=no --keep-unit \
		--system-call-filter='landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp' \
		--console=pipe --bind=/tmp/out -- systemd.unit=test.target </dev/null >"$ROOM/tmp/console" 2>&1 || status=$?
	sleep 0.2
	kill "$follower"
	grep -q "^$TEST_NAME: " "$ROOM/tmp/out/log" || {
		tail -20 "$ROOM/tmp/console" | sed 's/^/# console: /'
		give_up "systemd did not come up, or the test did not end (status $status)"
	}
	return "$status"
}
