#!/bin/bash
# Makes a Debian or Ubuntu a hypervisor of this front-end. Run it as root there:
#
#   bash install-node.sh kvm|lxc [--keys-only]
#
# --keys-only leaves the packages alone, for other distributions: install OpenNebula's
# node package there by its manual first.
# shellcheck disable=SC2154 # the chart puts what is about the release before this line
set -euo pipefail

fail() { echo "install-node: $*" >&2; exit 1; }

require_machine() {
    [[ $(id -u) == 0 ]] || fail "run it as root"
    [[ -n $public_key ]] || fail "the release knows no public key: set ssh.publicKey in the chart's values"
}

# distribution: as OpenNebula's repository names it, such as Debian/12.
distribution() {
    # shellcheck source=/dev/null
    source /etc/os-release
    case $ID in
    debian) echo "Debian/$VERSION_ID" ;;
    ubuntu) echo "Ubuntu/$VERSION_ID" ;;
    *) fail "there are no packages for $ID here: install opennebula-node-$driver by OpenNebula's manual, and run this again with --keys-only" ;;
    esac
}

install_packages() {
    local system
    system=$(distribution)
    apt-get update -qq
    apt-get install -y -qq ca-certificates curl >/dev/null
    mkdir -p /etc/apt/keyrings
    curl --fail --silent --show-error --location "$key_url" -o /etc/apt/keyrings/opennebula.asc ||
        fail "cannot fetch $key_url, which signs OpenNebula's packages"
    echo "deb [signed-by=/etc/apt/keyrings/opennebula.asc] $repository/$version/$system stable opennebula" \
        >/etc/apt/sources.list.d/opennebula.list
    apt-get update -qq
    apt-get install -y -qq "opennebula-node-$driver" >/dev/null ||
        fail "cannot install opennebula-node-$driver from $repository/$version/$system"
}

# add_line FILE LINE: once.
add_line() {
    grep -qxF "$2" "$1" 2>/dev/null || echo "$2" >>"$1"
}

# add_first FILE LINE: once, before all else.
add_first() {
    local had
    had=$(cat "$1" 2>/dev/null) || true
    grep -qxF "$2" <<<"$had" || printf '%s\n' "$2" ${had:+"$had"} >"$1"
}

install_keys() {
    local home name
    home=$(getent passwd oneadmin | cut -d: -f6) || fail "there is no user oneadmin: install opennebula-node-$driver first"
    mkdir -p "$home/.ssh"
    add_line "$home/.ssh/authorized_keys" "$public_key"
    name=$frontend
    ((frontend_port == 22)) || name="[$frontend]:$frontend_port"
    [[ -z $host_key ]] || add_line "$home/.ssh/known_hosts" "$name $host_key"
    # In a file of its own, for the port may be another the next time. What is first counts.
    printf 'Host %s\n    Port %s\n' "$frontend" "$frontend_port" >"$home/.ssh/config.frontend"
    add_first "$home/.ssh/config" "Include config.frontend"
    chown -R oneadmin:oneadmin "$home/.ssh"
    chmod 700 "$home/.ssh"
}

# A warning only: names may come later than machines. Asked for ahosts, getent takes an
# address as well.
check_frontend() {
    getent ahosts "$frontend" >/dev/null ||
        echo "install-node: warning: this machine cannot resolve $frontend, the front-end's SSH name; set ssh.hostname in the chart's values to one that it can" >&2
}

driver=${1-}
[[ $driver =~ ^(kvm|lxc)$ ]] || fail "usage: install-node.sh kvm|lxc [--keys-only]"
require_machine
[[ ${2-} == --keys-only ]] || install_packages
install_keys
check_frontend
echo "install-node: this machine is ready; add it to hosts in the chart's values, with driver: $driver"
