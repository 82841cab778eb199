#!/bin/sh
# Debian keeps that a service is to start, in case that the package comes back, until it is purged.
set -e
if [ -d /run/systemd/system ]; then
	case "$1" in
	remove) systemctl stop tododb.service || true ;;
	0) systemctl disable --now tododb.service || true ;;
	esac
fi
