# shellcheck shell=bash
# What the roles have in common. Sourced, never run.
# shellcheck disable=SC2034 # used by those that source it

lib=/usr/local/lib/opennebula-frontend
packaged=/usr/share/opennebula-frontend # what the packages ship, laid aside at build time
home=/var/lib/one
auth=$home/.one
state=$home/.opennebula-frontend # what this image records on the volume
changed_drivers=$state/drivers-changed # there until the hosts have them, too
agent_socket=/run/one/ssh-agent.sock
# The database client's own file, with the password. It is written where the database
# is a server; without it the database is SQLite's.
client=/etc/one/.my.cnf

say() { echo "${0##*/}: $*"; }
fail() { echo "${0##*/}: $*" >&2; exit 1; }

# require_bootstrap: /etc/one is complete, bootstrap having written it.
require_bootstrap() {
    [[ -f /etc/one/.bootstrapped ]] ||
        fail "/etc/one has no configuration yet: run the role bootstrap first, with the same volumes (or configure, in a pod beside the front-end's)"
}

# require_folders FOLDER…: volumes, which this role writes to.
require_folders() {
    local d
    for d in "$@"; do
        [[ -d $d ]] || fail "$d is missing: mount a volume there"
        [[ -w $d && -x $d ]] || fail "$d is not writable for uid $(id -u), gid $(id -g): its volume must belong to 9869, and be mounted where the root file system is read-only (in Kubernetes: fsGroup: 9869)"
    done
}

# write_configuration: /etc/one becomes the packaged one with the deployment's settings.
write_configuration() {
    find /etc/one -mindepth 1 -delete
    # Not the folder itself: as a volume's root it is not ours to change.
    (cd "$packaged/etc" && cp -r --preserve=mode,timestamps -t /etc/one -- *)
    ruby "$lib/configure.rb" "${0##*/}"
    touch /etc/one/.bootstrapped
}

# require_configuration: /etc/one is complete, or is made so: a pod that runs beside the
# front-end's has one of its own.
require_configuration() {
    [[ -f /etc/one/.bootstrapped ]] || "$lib/roles/configure"
}

# require_number NAME DEFAULT LEAST [MOST]: the setting NAME is a whole number.
require_number() {
    local name=$1 least=$3 most=${4-} range="$3 or more"
    [[ -z $most ]] || range="from $least to $most"
    [[ -n ${!name-} ]] || printf -v "$name" %s "$2"
    if [[ ! ${!name} =~ ^[0-9]{1,9}$ ]] || ((10#${!name} < least || 10#${!name} > ${most:-999999999})); then
        fail "$name is \"${!name}\"; give a whole number, $range"
    fi
}

# Without rights of root, sshd can have no lower port.
require_sshd_port() { require_number ONE_SSHD_PORT 2222 1024 65535; }

# require_choice NAME DEFAULT OTHER: the setting NAME is one of both.
require_choice() {
    [[ -n ${!1-} ]] || printf -v "$1" %s "$2"
    [[ ${!1} == "$2" || ${!1} == "$3" ]] || fail "$1 is \"${!1}\"; it can be $2 or $3"
}

# wait_for SECONDS WHAT COMMAND…: until the command succeeds; fails in the end.
wait_for() {
    local seconds=$1 what=$2 end=$((SECONDS + $1))
    shift 2
    "$@" && return
    say "waiting for $what"
    until "$@"; do
        ((SECONDS < end)) || fail "$what did not come within $seconds s"
        sleep 1
    done
}

# write_state NAME TEXT: records it on the volume, completely or not at all.
write_state() {
    echo "$2" >"$state/$1.partial"
    sync "$state/$1.partial"
    mv "$state/$1.partial" "$state/$1"
}

# xmlrpc_version: what oned's API says when oneadmin asks for its version. The
# credentials go by the standard input, which no list of processes shows.
xmlrpc_version() {
    local session
    session=$(sed 's/&/\&amp;/g; s/</\&lt;/g' "$auth/one_auth")
    curl --noproxy '*' --silent --show-error --fail --max-time 5 \
        --header 'Content-Type: text/xml' --data @- http://localhost:2633/RPC2 <<-XML
		<?xml version="1.0"?><methodCall><methodName>one.system.version</methodName><params><param><value><string>$session</string></value></param></params></methodCall>
	XML
}

# oned_answers: it serves its API, whether it likes the password or not.
oned_answers() { xmlrpc_version 2>/dev/null | grep -q '<methodResponse>'; }

# follow_logs FILE…: copies to stdout what services write into their own files,
# where they cannot be told to use stdout. Ends with the container.
follow_logs() {
    local file
    for file in "$@"; do
        : >>"/var/log/one/$file"
    done
    (cd /var/log/one && exec tail --quiet --lines=0 --follow=name --retry "$@" 2>/dev/null) &
}
