#!/bin/sh
# Sees to it that the named tools are there, by Debian's packages where they are missing.
# Usage: tests/deps.sh TOOL…     Does nothing, and asks for no rights, when all are there.
set -eu
PATH=$PATH:/usr/sbin:/sbin # where Debian keeps some tools from those who are not root

present() {
    case $1 in
    venv) python3 -c 'import venv, ensurepip' 2>/dev/null ;;
    innd) [ -x /usr/lib/news/bin/innd ] ;;
    perf) perf --version >/dev/null 2>&1 ;; # Debian's is a script that may find no program
    *) command -v "$1" >/dev/null ;;
    esac
}

package() {
    case $1 in
    venv) echo python3-venv ;;
    c++) echo g++ ;;
    nginx) echo nginx-light ;;
    perf) echo linux-perf ;;
    promtool) echo prometheus ;;
    telnet) echo inetutils-telnet ;;
    node) echo nodejs ;;
    innd) echo inn2 ;;
    ip) echo iproute2 ;;
    testssl) echo testssl.sh ;;
    taskset | nsenter) echo util-linux ;;
    systemd-socket-activate) echo systemd ;;
    *) echo "$1" ;;
    esac
}

missing=
for tool in "$@"; do
    present "$tool" || missing="$missing $(package "$tool")"
done
[ -n "$missing" ] || exit 0

give_up() {
    echo "$0: these are needed and not here:$missing" >&2
    echo "$0: $1; install them, then try again" >&2
    exit 1
}

command -v apt-get >/dev/null || give_up "this system has no apt-get to install them with"
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || give_up "only root may install them and there is no sudo"
    sudo=sudo
fi
echo "installing:$missing"
$sudo apt-get update -qq || give_up "apt-get update failed"
# With this runlevel no package starts its service.
# shellcheck disable=SC2086 # a list of packages
install() { $sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends $missing >/dev/null; }

# inn2 can't be set up on a machine whose name has no domain, unless it is told one: any will do.
name_inn() {
    [ -f /etc/news/inn.conf ] &&
        $sudo sed -i 's/^#domain:.*/domain: bellwether.invalid/' /etc/news/inn.conf &&
        $sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive dpkg --configure -a >/dev/null
}

install || name_inn || give_up "apt-get could not install them"
for tool in "$@"; do
    present "$tool" || give_up "$tool is still not found"
done
