# shellcheck shell=bash
# What all hypervisors of the lab have in common, and their own scripts begin with. The
# Dockerfile of each has what it is told.
set -euo pipefail

served=/srv # over HTTP: disks for guests, and what was found out

fail() { echo "hypervisor: $*" >&2; exit 1; }

# What a machine's own start would have made.
make_folders() {
    install -d -m 755 /run/sshd
    install -d -m 750 -o oneadmin -g oneadmin /run/one /run/lock/one
    install -d -m 700 -o oneadmin -g oneadmin /run/one/ssh-socks
    ssh-keygen -A >/dev/null
}

# Whoever is logged in may ping, as where systemd runs.
let_ping() { echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range; }

# make_device FILE TYPE MAJOR MINOR GROUP: it may be that no driver is behind it.
make_device() {
    mkdir -p "${1%/*}"
    [[ -e $1 ]] || mknod "$1" "$2" "$3" "$4" || fail "cannot make $1: run it privileged"
    chgrp "$5" "$1"
    chmod 660 "$1"
}

# The bridge has a port of its own, as a machine's has a network card: OpenNebula removes
# one that is empty after the last virtual machine.
make_bridge() {
    ip link show br0 &>/dev/null && return
    ip link add br0 type bridge || fail "cannot make a bridge: run it privileged"
    ip address add "${BRIDGE_ADDRESS:-172.30.0.1/24}" dev br0
    ip link add uplink type veth peer name uplink-end
    ip link set uplink master br0 up
    ip link set uplink-end up
    ip link set br0 up
    join_peers
}

# Virtual machines of all machines are on one wire, as where br0 has a network card.
join_peers() {
    local peer
    [[ -n ${PEERS-} ]] || return 0
    ip link add overlay type vxlan id 30 dstport 4789 || fail "cannot make a VXLAN: leave PEERS out"
    for peer in $PEERS; do
        bridge fdb append 00:00:00:00:00:00 dev overlay dst "$(address_of "$peer")" ||
            fail "PEERS has $peer: give IPv4 addresses, or names that lead to them"
    done
    ip link set overlay master br0 up
}

# address_of PEER: IPv4. Its name may be known only once it has started, too.
address_of() {
    local address tries=0
    until read -r address _ < <(getent ahostsv4 "$1"); do
        ((++tries < 60)) || return 1
        sleep 1
    done
    echo "$address"
}

# By this, and not by its hardware, libvirt and OpenNebula tell a machine from others.
be_someone() {
    [[ -s /etc/machine-id ]] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
}

# enroll DRIVER: lets oneadmin in, as the chart has it.
enroll() {
    [[ -n ${ONEADMIN_PUBLIC_KEY-} ]] || return 0
    public_key=$ONEADMIN_PUBLIC_KEY frontend=${FRONTEND:-localhost} frontend_port=${FRONTEND_PORT:-22} \
        host_key=${FRONTEND_HOST_KEY-} bash /usr/local/share/install-node.sh "$1" --keys-only
}

# say_driver DRIVER: as the host is to be enrolled.
say_driver() {
    echo "$1" >"$served/driver"
    echo "hypervisor: the driver is $1"
}

# Whatever ends takes the others with it, also what was started before.
serve() {
    /usr/sbin/sshd -D -e &
    busybox httpd -f -p 80 -h "$served" &
    echo "hypervisor: ready"
    wait -n || true
    fail "a service has ended; what it said is above"
}
