# A room for a test with real programs: sourced by the scripts beside this folder.
#
#   room 'PACKAGES'... fetches Debian packages (nothing is installed on the host, no maintainer script runs, so no
#                      daemon starts) and runs this script once more in private namespaces (network, mounts,
#                      processes, host name). That second run gets $ROOM: an overlay of the host's root whose writes go
#                      to memory, with the packages unpacked in it, the program as /usr/sbin/smtp-wrapper,
#                      the repository's tests/real as /real, its systemd/, inetd/ and filters/ below /shipped.
#                      Packages that cannot be installed together go into arguments of their own.
#   in_room COMMAND…   runs a command with $ROOM as its root.
#
# What is downloaded stays in ${SMTP_WRAPPER_TEST_CACHE:-/var/cache/smtp-wrapper-tests}; all else is gone afterwards.
# When anything is missing the test fails; it is never skipped.

set -eu
REAL_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TEST_NAME=$(basename "$0")
CACHE=${SMTP_WRAPPER_TEST_CACHE:-/var/cache/smtp-wrapper-tests}

give_up() { # a test that cannot run has failed, and says so in the same words as every other failure
	echo "not ok - $*"
	echo "$TEST_NAME: 0 passed, 1 failed"
	exit 1
}

apt_quiet() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 \
		-o Acquire::Retries=2 -o Acquire::http::Timeout=60 "$@" </dev/null
}

# Downloads what the host lacks of some packages and prints the folder. Its name is made from the names and versions
# that apt would install, so a changed host or mirror leads to another folder and never to a mixture.
download() {
	local plan folder
	plan=$(apt_quiet -s install "$@" 2>>"$CACHE/apt.log") || return 1
	plan=$(printf '%s' "$plan" | grep '^Inst ' || true)
	folder=$CACHE/$(printf '%s' "$plan" | sha256sum | cut -c1-16)
	if [ ! -e "$folder/complete" ]; then
		mkdir -p "$folder/partial"
		if [ -n "$plan" ]; then
			apt_quiet install --download-only -o Dir::Cache::archives="$folder" "$@" >>"$CACHE/apt.log" 2>&1 || return 1
		fi
		touch "$folder/complete"
	fi
	echo "$folder"
}

fetch() {
	mkdir -p "$CACHE"
	exec 9>"$CACHE/lock"
	flock -w 300 9 # two tests at once would get in each other's way
	# A fresh machine has no package lists; old lists name versions that the mirror no longer has.
	download "$@" || { apt_quiet update >>"$CACHE/apt.log" 2>&1; download "$@"; } || {
		tail -5 "$CACHE/apt.log" | sed 's/^/# apt: /' >&2
		return 1
	}
}

in_room() { chroot "$ROOM" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"; }

furnish() { # inside the namespaces: builds $ROOM
	local folders=$1 binary=$2 deb node # $3: an empty folder
	ROOM=$3
	mount -t tmpfs -o mode=755 room "$ROOM"
	mkdir "$ROOM"/upper "$ROOM"/work "$ROOM"/root
	mount -t overlay -o "lowerdir=/,upperdir=$ROOM/upper,workdir=$ROOM/work" room "$ROOM/root"
	ROOM=$ROOM/root
	find $folders -maxdepth 1 -name '*.deb' | while read -r deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$ROOM"
	done
	mount -t proc proc "$ROOM/proc"
	mount --rbind /sys "$ROOM/sys"
	mount -t tmpfs -o mode=755 dev "$ROOM/dev"
	for node in null zero full random urandom tty; do
		touch "$ROOM/dev/$node"
		mount --bind "/dev/$node" "$ROOM/dev/$node"
	done
	ln -s /proc/self/fd "$ROOM/dev/fd"
	mkdir -m 1777 "$ROOM/dev/shm"
	mount -t tmpfs -o mode=1777 tmp "$ROOM/tmp"
	mount -t tmpfs -o mode=755 run "$ROOM/run"
	mkdir -p "$ROOM/real" "$ROOM/shipped"
	cp -r "$REAL_DIR"/. "$ROOM/real/"
	cp -r "$REAL_DIR"/../../systemd "$REAL_DIR"/../../inetd "$REAL_DIR"/../../filters "$ROOM/shipped/"
	install -m 755 "$binary" "$ROOM/usr/sbin/smtp-wrapper"
	printf '127.0.0.1 localhost mx.test\n::1 localhost\n' >"$ROOM/etc/hosts"
	rm -f "$ROOM/etc/resolv.conf"
	: >"$ROOM/etc/resolv.conf"
	echo mx.test >"$ROOM/etc/mailname"
	hostname mx.test
	in_room ip link set lo up
}

room() {
	if [ -n "${_ROOM_FOLDERS:-}" ]; then
		# Not "furnish || give_up": bash would then ignore the failure of any command but the last in it.
		trap 'give_up "the room could not be built"' EXIT
		furnish "$_ROOM_FOLDERS" "$_ROOM_BINARY" "$_ROOM_PLACE"
		trap - EXIT
		return
	fi
	[ "$(id -u)" = 0 ] || give_up "needs root (namespaces, mounts)"
	[ $# -gt 0 ] && [ -n "${BINARY:-}" ] && [ -x "$BINARY" ] || give_up "usage: $TEST_NAME BINARY (an executable smtp-wrapper)"
	local begun=$SECONDS together folder
	_ROOM_FOLDERS=
	for together in "$@"; do
		folder=$(fetch $together) || give_up "packages not to be had: $together"
		_ROOM_FOLDERS="$_ROOM_FOLDERS $folder"
	done
	_ROOM_BINARY=$(realpath "$BINARY")
	_ROOM_PLACE=$(mktemp -d /run/smtp-wrapper-room.XXXXXX)
	trap 'rmdir "$_ROOM_PLACE"' EXIT # the mounts in it go with the namespace
	export _ROOM_FOLDERS _ROOM_BINARY _ROOM_PLACE
	echo "# $TEST_NAME: packages ready after $((SECONDS - begun)) s"
	local status=0
	# The time limit is the last resort: each wait inside has its own. --kill-child takes every process along.
	timeout -k 5 "${TEST_LIMIT:-240}" unshare -n -m -p -u -f --mount-proc --propagation private --kill-child \
		"$0" "$BINARY" || status=$?
	if [ "$status" -ge 124 ]; then
		echo "not ok - ended by the time limit or by a signal (status $status)"
		echo "$TEST_NAME: 0 passed, 1 failed"
	fi
	echo "# $TEST_NAME: $((SECONDS - begun)) s in all"
	exit "$status"
}
