#!/usr/bin/env bash
# Boots a Debian with systemd in namespaces of its own and sees the service there as people have it: what it may do, how it
# starts, fails and comes back, upgrades, removals. Needs root, Linux, debootstrap and Debian's archive (DEBIAN, if
# it is elsewhere): unit-test.sh FOLDER, which has an older and a newer .deb and .rpm.
set -euo pipefail
folder=$1
[ "$(id -u)" = 0 ] || { echo "unit-test: only root can boot a system" >&2; exit 1; }
work=$(mktemp -d)
root=$work/root
init=
group=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)/tododb-unit-test
finish() {
	[ -z "$init" ] || kill -9 "$init" 2>/dev/null || true
	wait 2>/dev/null || true
	find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
	rm -rf --one-file-system "$work"
}
trap finish EXIT

debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,curl,passwd,procps,rpm bookworm "$root" \
	"${DEBIAN:-http://deb.debian.org/debian}" >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
mkdir "$root/packages"
cp "$folder"/*.deb "$folder"/*.rpm "$root/packages"
cat >"$root/tododb-boot" <<'EOF'
set -e
ip link set lo up 2>/dev/null || true
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t securityfs none sys/kernel/security || true
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
for n in null zero full random urandom tty; do
	touch dev/$n
	mount --bind /dev/$n dev/$n
done
ln -s /proc/self/fd dev/fd
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs run
mkdir -p old
pivot_root . old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c 'umount -l /old; exec /lib/systemd/systemd'
EOF
cat >"$root/tododb-inside" <<'EOF'
set -euo pipefail
fail() { echo "unit-test: $*" >&2; journalctl -u tododb -o cat -n 20 --no-pager >&2; exit 1; }
at=http://admin:secret@127.0.0.1
is() { [ "$(systemctl is-active tododb)" = "$1" ] || fail "it is not $1: $2"; }
asks() { curl -fsS --max-time 60 "$@" || fail "no answer: $*"; }

dpkg -i /packages/tododb_0.0.0*.deb >/dev/null 2>&1 || fail "the .deb cannot be installed"
is active "after the installation"
systemctl stop tododb
rm -rf /var/lib/tododb/*
cat >>/etc/tododb/tododb.ini <<'X'
[admins]
admin = secret
[chttpd]
port = 80
socket = /run/tododb/tododb.sock
[ssl]
https = self
port = 443
[backup]
target = /var/backups/tododb
schedule = 1h
X
install -d -m 0700 -o tododb -g tododb /var/backups/tododb
systemctl start tododb || fail "it does not start with ports below 1024"
asks --cacert /var/lib/tododb/https/authority.crt https://localhost/ >/dev/null
asks --unix-socket /run/tododb/tododb.sock -u admin:secret http://localhost/_all_dbs >/dev/null
asks -X PUT $at/recipes >/dev/null
asks -X PUT $at/recipes/_design/all -d '{"views": {"eggs": {"map": "function (doc) { emit(null, doc.eggs) }", "reduce": "function (keys, values) { return sum(values) }"}}}' >/dev/null
asks -X PUT $at/recipes/pancakes -d '{"eggs": 2}' >/dev/null
asks $at/recipes/_design/all/_view/eggs | grep -q '"value":2' || fail "functions do not run in the sandbox"
for i in $(seq 300); do
	[ -z "$(ls -A /var/backups/tododb/backups 2>/dev/null)" ] || break
	sleep 0.1
done
[ -n "$(ls -A /var/backups/tododb/backups)" ] || fail "it does not back itself up"

systemctl reload tododb
is active "after a reload"
kill -9 "$(systemctl show -p MainPID --value tododb)"
for i in $(seq 300); do
	[ "$(systemctl show -p NRestarts --value tododb) $(systemctl is-active tododb)" != "1 active" ] || break
	sleep 0.1
done
is active "after it was killed"
asks $at/recipes/pancakes | grep -q '"eggs":2' || fail "a document is lost"
cp /etc/tododb/tododb.ini /right.ini
echo '[chttpd' >>/etc/tododb/tododb.ini
! systemctl restart tododb 2>/dev/null || fail "it starts with settings that cannot be read"
is failed "with settings that cannot be right, there is no use in another try"
cat /right.ini >/etc/tododb/tododb.ini
systemctl start tododb

dpkg --force-confold -i "$(ls /packages/*.deb | grep -v _0.0.0)" >/dev/null 2>&1 || fail "the .deb cannot be upgraded"
is active "after an upgrade"
cmp -s /right.ini /etc/tododb/tododb.ini || fail "an upgrade changes the settings"
[ "$(stat -c '%U:%G %a' /etc/tododb/tododb.ini)" = "root:tododb 640" ] || fail "others can read the settings"
asks $at/recipes/pancakes >/dev/null
dpkg -r tododb >/dev/null 2>&1
[ -e /var/lib/tododb/databases ] && [ -e /etc/tododb/tododb.ini ] || fail "removing takes data or settings"
dpkg -P tododb >/dev/null 2>&1
[ ! -e /var/lib/tododb ] && [ ! -e /etc/tododb ] || fail "purging leaves data"
[ -e /var/backups/tododb/backups ] || fail "purging takes backups"

rpm() { command rpm --nodeps --force-debian "$@" >/dev/null 2>&1; }
rpm -i /packages/tododb-0.0.0*.rpm || fail "the .rpm cannot be installed"
is inactive "it is the administrator who starts it"
echo '; mine' >>/etc/tododb/tododb.ini
systemctl enable --now tododb 2>/dev/null
before=$(systemctl show -p MainPID --value tododb)
rpm -U "$(ls /packages/*.rpm | grep -v -- -0.0.0)" || fail "the .rpm cannot be upgraded"
is active "after an upgrade"
[ "$before" != "$(systemctl show -p MainPID --value tododb)" ] || fail "an upgrade leaves the old one running"
grep -q '; mine' /etc/tododb/tododb.ini || fail "an upgrade changes the settings"
command rpm -e tododb >/dev/null 2>&1
is inactive "after the removal"
[ -e /var/lib/tododb/databases ] && grep -q '; mine' /etc/tododb/tododb.ini.rpmsave || fail "removing takes data or settings"
EOF

mkdir "$group"
(
	echo "$BASHPID" >"$group/cgroup.procs"
	exec unshare -m -p -f -u -i -n -C --propagation private sh "$root/tododb-boot" "$root"
) >"$work/console" 2>&1 </dev/null &
for _ in $(seq 600); do
	init=$(pgrep -P $! || true)
	[ -z "$init" ] || [ "$(cat /proc/"$init"/comm 2>/dev/null)" != systemd ] || break
	sleep 0.1
done
inside() { nsenter -t "$init" -m -p -u -i -n -C env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
for _ in $(seq 600); do
	case $(inside systemctl is-system-running 2>/dev/null || true) in running | degraded) break ;; esac
	sleep 0.1
done
inside bash /tododb-inside || { tail "$work/console"; exit 1; }
echo "the service starts, is confined, comes back, upgrades and goes, as .deb and as .rpm"
