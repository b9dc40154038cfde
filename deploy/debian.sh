# Sourced by what installs Debian's packages. `prepare_apt` sets the array `apt`, with the right to install; where there is
# none it calls `ask_and_leave`, which the caller has.
prepare_apt() {
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || ask_and_leave
        root=(sudo -n)
    fi
    command -v apt-get >/dev/null || ask_and_leave
    echo "Installing $*"
    apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
    "${apt[@]}" update || true
}
