#!/usr/bin/env bash
# Sees to the browser that the board's tests drive: Debian's Chromium. Installs it where it may, and says in one sentence
# what to install where it may not.
set -euo pipefail
. "$(dirname "$0")/debian.sh"

has_chromium() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null
}

ask_and_leave() {
    echo "Please install chromium, and run make test again." >&2
    exit 1
}

if ! has_chromium; then
    prepare_apt chromium
    "${apt[@]}" install --yes --no-install-recommends chromium fonts-dejavu-core >/dev/null || ask_and_leave
    has_chromium || ask_and_leave
fi
