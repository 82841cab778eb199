#!/usr/bin/env bash
# Installs a .deb on this machine, starts the server as its unit does, sees it answer and keep what it was told,
# and removes it. Needs root on Debian, and no systemd: deb-test.sh FILE.deb
set -euo pipefail
deb=$1
fail() { echo "deb-test: $*" >&2; exit 1; }
skip() {
	[ "${CI:-}" != true ] || fail "$*"
	echo "deb-test is skipped: $*"
	exit 0
}
command -v dpkg >/dev/null || skip "this is no Debian"
[ "$(id -u)" = 0 ] || skip "only root may install packages"
! dpkg -s tododb >/dev/null 2>&1 || skip "tododb is installed here"
[ ! -e /var/lib/tododb ] && [ ! -e /etc/tododb ] || skip "there are data of tododb here"

work=$(mktemp -d)
server=
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	dpkg -P tododb >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap finish EXIT

dpkg -i "$deb" >"$work/dpkg" 2>&1 || { cat "$work/dpkg"; fail "it cannot be installed"; }
unit=/lib/systemd/system/tododb.service
value() { sed -n "s/^$1=//p" "$unit"; }
if command -v systemd-analyze >/dev/null; then
	systemd-analyze verify "$unit" 2>&1 | grep -i tododb && fail "the unit has mistakes"
	systemd-analyze security --offline=true --threshold=25 "$unit" >"$work/security" 2>&1 || { tail -n 3 "$work/security"; fail "the unit lets the server do too much"; }
fi
[ "$(stat -c '%U:%G %a' /var/lib/tododb)" = "tododb:tododb 700" ] || fail "the data folder is not the server's alone"
[ "$(stat -c '%U:%G %a' /etc/tododb/tododb.ini)" = "root:tododb 640" ] || fail "others can read the settings"

# start runs ExecStart as systemd would: as the unit's user, with its umask and files.
start() {
	: >"$work/out"
	(
		umask "$(value UMask)"
		ulimit -n "$(value LimitNOFILE)" 2>/dev/null || true
		# shellcheck disable=SC2046 # a command line of several words
		exec env -i PATH=/usr/bin:/bin TODODB_LISTEN=127.0.0.1:0 COUCHDB_USER=admin COUCHDB_PASSWORD=secret \
			setpriv --reuid "$(value User)" --regid "$(value Group)" --clear-groups --no-new-privs $(value ExecStart)
	) >"$work/out" 2>"$work/log" &
	server=$!
	base=
	for _ in $(seq 300); do
		base=$(sed -n 's/.*listening on http:\/\/\([^ /]*\).*/\1/p' "$work/out")
		[ -n "$base" ] && break
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	[ -n "$base" ] || { cat "$work/log"; fail "the server does not start"; }
}
stop() {
	kill "$server"
	wait "$server" || fail "the server does not stop well"
	server=
}

start
tododb doctor --up "http://$base" || fail "the server is not up"
curl -fsS -X PUT "http://admin:secret@$base/recipes" >/dev/null
curl -fsS -X PUT "http://admin:secret@$base/recipes/pancakes" -d '{"eggs":2}' >/dev/null
stop
start
curl -fsS "http://admin:secret@$base/recipes/pancakes" | grep -q '"eggs":2' || fail "a document is lost"
stop
ls -l /var/lib/tododb/local.ini | grep -q '^-rw-------' || fail "others could read what the server writes"

dpkg -r tododb >>"$work/dpkg" 2>&1
[ ! -e /usr/bin/tododb ] && [ ! -e "$unit" ] || fail "the program is left"
[ -e /var/lib/tododb/databases ] || fail "removing takes the data"
touch /var/lib/tododb/keep-on-purge
dpkg -i "$deb" >>"$work/dpkg" 2>&1
dpkg -P tododb >>"$work/dpkg" 2>&1
[ -e /var/lib/tododb/databases ] || fail "purging takes data that were to be kept"
rm /var/lib/tododb/keep-on-purge
dpkg -i "$deb" >>"$work/dpkg" 2>&1
dpkg -P tododb >>"$work/dpkg" 2>&1
[ ! -e /var/lib/tododb ] && [ ! -e /etc/tododb ] || fail "purging leaves data"
! getent passwd tododb >/dev/null || fail "purging leaves the user"
echo "the package installs, runs and goes"
