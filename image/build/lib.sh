# Shared by the steps of the image's build. Runs at build time only.
# shellcheck shell=bash
export DEBIAN_FRONTEND=noninteractive

# What a step writes must not tell when it was written: images of the same inputs
# are the same to the byte, and a layer stays the same from one release to the next.
epoch=1577836800 # 2020-01-01
export SOURCE_DATE_EPOCH=$epoch
began=$(date +@%s)

fail() { echo "install-opennebula: $*" >&2; exit 1; }

# The packages that a front-end is made of. A release lacks some of the optional
# ones, by its age or by who packed it.
required=(opennebula opennebula-tools opennebula-fireedge opennebula-flow opennebula-gate)
optional=(opennebula-guacd)
migration=(opennebula-migration opennebula-migration-community) # for onedb upgrade

# The repository serves for one step, and leaves nothing behind.
#
#   add_repository VERSION URL
add_repository() {
    local version=$1 ca=/run/secrets/ca-bundle
    repository=$2
    [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] ||
        fail "ONE_VERSION is \"$version\"; give a release as X.Y.Z, such as --build-arg ONE_VERSION=7.2.0"
    if [[ -s $ca ]]; then # a proxy that inspects TLS stands in between
        echo "Acquire::https::CAInfo \"$ca\";" >/etc/apt/apt.conf.d/99ca-bundle
    fi
    echo "deb [signed-by=/key/opennebula.asc] $repository stable opennebula" \
        >/etc/apt/sources.list.d/opennebula.list
    # A repository may hold several releases; what nobody names is of this one, too.
    printf 'Package: opennebula*\nPin: version %s\nPin-Priority: 1001\n\n' "$version" "$version-*" \
        >/etc/apt/preferences.d/opennebula
    apt-get update -o APT::Update::Error-Mode=any ||
        fail "apt refuses the repository $repository: it must be reachable, and signed by the key given as ONE_KEY"
}

remove_repository() {
    rm -f /etc/apt/apt.conf.d/99ca-bundle /etc/apt/sources.list.d/opennebula.list /etc/apt/preferences.d/opennebula
}

# The version of a package that belongs to the release: X.Y.Z or X.Y.Z-N.
candidate() {
    apt-cache madison "$1" | awk -v want="$version" '
        { v = $3 } v == want || index(v, want "-") == 1 { print v; exit }'
}

# Sets "wanted" to the release's packages, each with its version, and "missing" to
# the optional ones that it lacks.
find_release() {
    local package found
    wanted=() missing=()
    for package in "${required[@]}"; do
        found=$(candidate "$package")
        [[ -n $found ]] || fail "$repository has no $package $version; it has: $(
            apt-cache madison "$package" | awk '{ print $3 }' | sort -u | paste -sd ' ')"
        wanted+=("$package=$found")
    done
    for package in "${optional[@]}" "${migration[@]}"; do
        found=$(candidate "$package")
        if [[ -n $found ]]; then
            wanted+=("$package=$found")
        else
            missing+=("$package")
        fi
    done
}

# Removes what says when and how a step ran, and gives what it wrote one time.
settle() {
    find /var/log /var/cache/debconf /var/lib/dpkg /var/cache/ldconfig -type f \
        \( -path '/var/log/*' -o -name '*-old' -o -name aux-cache \) -delete
    rm -rf /etc/{passwd,group,shadow,gshadow,subuid,subgid}-
    rm -rf /var/lib/dbus/machine-id /root/.cache /root/.gnupg /tmp/* /var/tmp/*
    [[ ! -s /etc/machine-id ]] || : >/etc/machine-id # every host has its own
    # What is mounted is the builder's. It makes the mount points, and so changes the folders
    # that they are in, a moment before the step begins: for some, in the second before.
    local point mounted=() ours=(-path / -o -newermt "$began")
    while read -r _ _ _ _ point _; do
        [[ $point != / ]] || continue
        mounted+=(-path "$point" -prune -o)
        while point=${point%/*}; [[ -n $point ]]; do
            ours+=(-o -path "$point")
        done
    done </proc/self/mountinfo
    find / -xdev "${mounted[@]}" \( "${ours[@]}" \) -exec touch --no-dereference --date="@$epoch" {} +
}
