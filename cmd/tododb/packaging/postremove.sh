#!/bin/sh
# Removing keeps the data. Purging, which rpm does not have, takes it too, unless somebody has asked to keep it:
#   touch /var/lib/tododb/keep-on-purge      or TODODB_KEEP_DATA=1 in the environment of dpkg
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
if [ "$1" = purge ]; then
	rm -f /etc/systemd/system/multi-user.target.wants/tododb.service
	if [ -n "$TODODB_KEEP_DATA" ] || [ -e /var/lib/tododb/keep-on-purge ]; then
		echo "tododb: /var/lib/tododb is kept, with the user tododb"
		exit 0
	fi
	rm -rf /var/lib/tododb /etc/tododb
	if getent passwd tododb >/dev/null; then
		userdel tododb || true
	fi
fi
