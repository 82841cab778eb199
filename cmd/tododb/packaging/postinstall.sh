#!/bin/sh
# dpkg calls this with "configure" and the version that was there, rpm with the number of versions.
set -e
case "$1" in
configure) first=$([ -z "$2" ] && echo yes || true) ;;
1) first=yes ;;
2) first= ;;
*) exit 0 ;;
esac

if ! getent passwd tododb >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/tododb --no-create-home --shell /usr/sbin/nologin --comment tododb tododb
fi
install -d -m 0700 -o tododb -g tododb /var/lib/tododb
chown root:tododb /etc/tododb /etc/tododb/tododb.ini
chmod 0750 /etc/tododb
chmod 0640 /etc/tododb/tododb.ini # it may have passwords

# Settings that are wrong keep the server from starting, and nobody from installing.
silent() { echo "tododb does not start: journalctl -u tododb says why"; }
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if [ -z "$first" ] && [ "$1" = configure ] && systemctl --quiet is-enabled tododb.service; then
		systemctl restart tododb.service || silent # it does not run if the package was removed, not purged, and is back
	elif [ -z "$first" ]; then
		systemctl try-restart tododb.service || silent
	elif [ "$1" = configure ]; then
		systemctl enable tododb.service
		if systemctl start tododb.service; then
			echo "tododb runs at http://127.0.0.1:5984/; its administrator's password: journalctl -u tododb | grep password"
		else
			silent
		fi
	else
		systemctl preset tododb.service
		echo "start tododb with: systemctl enable --now tododb"
	fi
fi
