#!/usr/bin/env bash
# Prometheus for the tests: prints the folder with `prometheus` and `promtool`. Debian's package is unpacked into .venv
# and not installed, since that would start a server. Says in one sentence what to install where it may not.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/debian.sh

ask_and_leave() {
    echo "Please install prometheus (with promtool) to have its rules and dashboards tried." >&2
    exit 1
}

own=.venv/prometheus
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
    dirname "$(command -v prometheus)"
    exit
fi
mkdir -p $own
exec 9>$own.lock
flock 9
if [ ! -x $own/usr/bin/promtool ]; then
    prepare_apt prometheus >&2
    (cd $own && "${apt[@]}" download prometheus) >&2 || ask_and_leave
    dpkg-deb -x $own/prometheus_*.deb $own && rm $own/prometheus_*.deb
fi
echo "$PWD/$own/usr/bin"
