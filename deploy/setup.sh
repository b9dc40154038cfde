#!/usr/bin/env bash
# Sees to what Vagt needs of the machine: Python 3.11 or newer, Java 17 or newer and Maven (the embedded broker), Node.js
# 18 or newer with npm (the board's pages are built with it), and libgomp (LightGBM). Installs what is missing where it
# may, says in one sentence what to install where it may not, and makes the virtual environment .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/debian.sh

find_python() {
    for python in python3.11 python3.12 python3.13 python3; do
        if "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            return 0
        fi
    done
    return 1
}

has_java() {
    local version
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge 17 ]
}

has_node() {
    command -v npm >/dev/null && node -e 'process.exit(Number(process.versions.node.split(".")[0] < 18))' >/dev/null 2>&1
}

has_libgomp() {
    [ "$(uname -s)" != Linux ] || "$python" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' >/dev/null 2>&1
}

list_missing() {
    missing=()
    find_python || { missing+=(python3 python3-venv); python=python3; }
    has_java || missing+=(openjdk-17-jre-headless)
    command -v mvn >/dev/null || missing+=(maven)
    has_node || missing+=(nodejs npm)
    has_libgomp || missing+=(libgomp1)
}

ask_and_leave() {
    echo "Please install ${missing[*]} (Python, Java, Maven and Node.js may be newer), and run make again." >&2
    exit 1
}

list_missing
if [ ${#missing[@]} -gt 0 ]; then
    prepare_apt "${missing[@]}"
    packages=("${missing[@]}")
    if [ -z "$(apt-cache madison openjdk-17-jre-headless 2>/dev/null)" ]; then
        packages=("${missing[@]/openjdk-17-jre-headless/default-jre-headless}")
    fi
    "${apt[@]}" install --yes --no-install-recommends "${packages[@]}" >/dev/null || ask_and_leave
    list_missing
    [ ${#missing[@]} -eq 0 ] || ask_and_leave
fi

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "Making .venv"
    "$python" -m venv --clear .venv
fi
