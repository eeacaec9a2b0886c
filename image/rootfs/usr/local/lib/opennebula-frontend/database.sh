# shellcheck shell=bash
# oned's database for the roles that care for it as a whole: its schema, its
# backups. Sourced after lib.sh, never run.
# shellcheck disable=SC2154 # which assigns what is not assigned here

backups=${ONE_BACKUP_DIR:-$home/backups/database}

is_server() { [[ -f $client ]]; }
backend() { if is_server; then echo mysql; else echo sqlite; fi; }

sql() { "$lib/sql"; }

# client_option NAME: what the client's file says, such as user.
client_option() { my_print_defaults --defaults-extra-file="$client" client mysql onedb | sed -n "s/^--$1=//p" | tail -n1; }

# run_onedb COMMAND [OPTION…]: upstream's own tool. It asks for the password,
# which so stands neither in a list of processes nor in an environment.
run_onedb() {
    if ! is_server; then
        onedb "$@" --type sqlite --sqlite "$home/one.db" </dev/null
        return
    fi
    client_option password | onedb "$@" --type mysql --server "$(client_option server)" \
        --port "$(client_option port)" --username "$(client_option user)" --dbname "$(client_option database)"
}

# schema: how the database stands to this release: current, empty, older, newer.
schema() {
    local said code=0
    if ! is_server && [[ ! -s $home/one.db ]]; then
        echo empty
        return
    fi
    said=$(run_onedb version 2>&1) || code=$?
    case $code in
    0) echo current ;;
    1) # upstream's word for what it cannot read, as well
        said=$(tables 2>&1) || fail "the database cannot be read: $(tail -n1 <<<"$said")"
        echo empty
        ;;
    2) echo older ;;
    3) echo newer ;;
    *) fail "onedb cannot read the schema of the database: $(tail -n1 <<<"$said")" ;;
    esac
}

# schema_version: the number that the database itself holds, such as 7.2.0.
schema_version() { sql <<<'SELECT version FROM local_db_versioning ORDER BY oid DESC LIMIT 1;' 2>/dev/null || echo none; }

# newer: what is the matter with a schema that this release does not know, and the mend.
newer() {
    local kept mend
    kept=$(backups_of 'before-[0-9]*' | head -n1)
    mend="restore a backup of before with the role restore"
    [[ -z $kept ]] || mend="restore the backup $kept, of schema $(manifest "$backups/$kept" schema), with the role restore"
    echo "the database has schema $(schema_version), which is newer than OpenNebula $(<"$packaged/version"): install the newer release again, or $mend"
}

# tables: their names, one a line.
tables() {
    if is_server; then
        sql <<<'SHOW TABLES;'
    else
        sql <<<"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%';"
    fi
}

# wait_lock DESCRIPTOR FILE HELD: takes the lock on a file that is open, and says what
# it means while another one has it.
wait_lock() {
    ! flock --nonblock "$1" || return 0
    say "$3: waiting for it"
    flock --timeout "$ONE_LOCK_WAIT" "$1" || fail "the lock $2 was not given up within $ONE_LOCK_WAIT s"
}

# lock_database: until this process ends, no other migrates or restores. The lock
# lies on the volume, and in the server for those that share it without a volume.
lock_database() {
    require_number ONE_LOCK_WAIT 3600 0
    local got
    mkdir -p "$state"
    exec {lock}>"$state/lock"
    wait_lock "$lock" "$state/lock" "another process works on the database as a whole"
    is_server || return 0
    coproc server_lock { sql; }
    echo "SELECT GET_LOCK('opennebula-frontend', $ONE_LOCK_WAIT);" >&"${server_lock[1]}"
    read -r got <&"${server_lock[0]}" || fail "the database server gave no lock"
    [[ $got == 1 ]] || fail "another front-end works on the database: its lock was not given up within $ONE_LOCK_WAIT s"
}

# refuse_running: nobody else may use the database while it changes as a whole.
refuse_running() {
    require_number ONE_STOP_WAIT 120 0
    local end=$((SECONDS + ONE_STOP_WAIT))
    is_used || return 0
    say "waiting for oned to stop"
    while is_used; do
        ((SECONDS < end)) || fail "oned still uses the database after $ONE_STOP_WAIT s: stop it first (in Kubernetes: scale its StatefulSet to 0)"
        sleep 2
    done
}

# is_used: a server lists the connections of our own user, without asking for more
# rights. Those of this script are the one that asks, and the one with the lock.
is_used() {
    local others
    if ! is_server; then
        oned_answers
        return
    fi
    others=$(sql <<<"SELECT COUNT(*) FROM information_schema.processlist
        WHERE db = DATABASE() AND user = SUBSTRING_INDEX(USER(), '@', 1) AND id <> CONNECTION_ID()
        AND id <> COALESCE(IS_USED_LOCK('opennebula-frontend'), 0) AND COALESCE(state, '') <> 'User lock';") ||
        fail "the database server does not say who uses it"
    ((others > 0))
}

# While the database may be half changed, a file says which backup puts it right.
begin_change() { write_state migrating "$1"; }
end_change() { rm -f "$state/migrating"; }
changing() { [[ ! -s $state/migrating ]] || cat "$state/migrating"; }

# dump: the whole database as SQL, as it is at one moment. oned may go on.
dump() {
    if is_server; then
        mariadb-dump --defaults-extra-file="$client" --single-transaction --quick --hex-blob \
            --skip-lock-tables --default-character-set=utf8mb4 "$(client_option database)"
    else
        sqlite3 -batch -bail -cmd '.timeout 60000' "$home/one.db" .dump
    fi
}

# is_complete FILE: the dump was written to its end.
is_complete() {
    local last
    last=$(gzip --decompress --stdout "$1" | tail -n1) || return
    if is_server; then [[ $last == "-- Dump completed"* ]]; else [[ $last == "COMMIT;" ]]; fi
}

# share_database: until this process ends, nobody changes the database as a whole.
# It does not wait: there is nothing to back up in what is half changed. A volume that
# cannot be written to is enough, and with a server none.
share_database() {
    local lock busy="the database is being migrated or restored: try again when that has ended"
    [[ -z $(changing) ]] || fail "a migration or restore of the database was broken off: run the role migrate, which puts it right, and then this one"
    { : >>"$state/lock"; } 2>/dev/null || :
    if [[ -e $state/lock ]]; then
        exec {lock}<"$state/lock"
        flock --shared --nonblock "$lock" || fail "$busy"
    fi
    is_server || return 0
    [[ $(sql <<<"SELECT IS_FREE_LOCK('opennebula-frontend');") == 1 ]] || fail "$busy"
}

# lock_backups: of two backups into one folder the second waits. So what a killed one
# left behind is nobody's.
lock_backups() {
    require_number ONE_LOCK_WAIT 3600 0
    { mkdir -p "$backups" && (umask 077 && : >>"$backups/.lock"); } ||
        fail "cannot write to $backups: ONE_BACKUP_DIR must be writable for uid $(id -u)"
    exec {backups_lock}<"$backups/.lock"
    wait_lock "$backups_lock" "$backups/.lock" "another backup is being written to $backups"
    rm -rf "$backups"/.*.partial
}

unlock_backups() { exec {backups_lock}<&-; }

# timestamp: now, as names end with it.
timestamp() { date --utc +%Y%m%dT%H%M%SZ; }

# name_backup KIND: sets backup to a path that is not taken.
name_backup() {
    backup=$backups/opennebula-$1-$(timestamp)
    [[ ! -e $backup ]] || { sleep 1; name_backup "$1"; }
}

# take_backup KIND: a folder with the dump, the key for encrypted attributes, what
# they are, and their checksums. Sets backup to its path.
take_backup() {
    lock_backups
    name_backup "$1"
    local partial=$backups/.${backup##*/}.partial
    (umask 077 && mkdir "$partial") || fail "cannot write to $backups: ONE_BACKUP_DIR must be writable for uid $(id -u)"
    (umask 077 && dump | gzip >"$partial/database.sql.gz") || fail "the dump of the database failed; nothing was kept"
    is_complete "$partial/database.sql.gz" || fail "the dump of the database is not complete; nothing was kept"
    copy_key "$partial"
    cat >"$partial/manifest" <<-MANIFEST
		release $(<"$packaged/version")
		schema $(schema_version)
		backend $(backend)
		created $(date --utc +%Y-%m-%dT%H:%M:%SZ)
	MANIFEST
    (cd "$partial" && sha256sum -- * >SHA256SUMS)
    sync "$partial"/*
    mv -T "$partial" "$backup"
    unlock_backups
}

copy_key() {
    if [[ -f $auth/one_key ]]; then
        install -m 600 "$auth/one_key" "$1/one_key"
    else
        say "warning: there is no $auth/one_key: encrypted attributes of this backup will not be readable without it"
    fi
}

# check_backup DIR: all there, unchanged, and of this kind of database.
check_backup() {
    local of
    [[ -d $1 ]] || fail "there is no backup $1; there are: $(all_backups)"
    [[ -s $1/SHA256SUMS && -s $1/manifest ]] || fail "$1 is not a backup: it has no manifest or no SHA256SUMS"
    (cd "$1" && sha256sum --check --quiet --strict SHA256SUMS) ||
        fail "the backup $1 is damaged: its checksums do not match"
    of=$(manifest "$1" backend)
    [[ $of == "$(backend)" ]] || fail "the backup $1 is of a database of the kind $of, and this one is $(backend)"
}

# manifest DIR KEY
manifest() { awk -v key="$2" '$1 == key { print $2 }' "$1/manifest"; }

# prune_backups KIND: removes the oldest of a kind beyond ONE_BACKUP_KEEP.
prune_backups() {
    local name
    backups_of "$1" | tail -n "+$((ONE_BACKUP_KEEP + 1))" |
        while read -r name; do
            remove_backup "$name"
            say "removed $name"
        done
}

# remove_backup NAME: with the log of its migration.
remove_backup() { rm -rf "${backups:?}/$1" "$backups/$1.log"; }

# backups_of KIND: their names, the newest first. The kind is a pattern of what stands
# in the name. Names end with the time, which so orders them.
backups_of() {
    find "$backups" -mindepth 1 -maxdepth 1 -type d -name "opennebula-$1" -printf '%f\n' 2>/dev/null |
        sed 's/.*-\(.*\)/\1 &/' | sort --reverse | cut -d' ' -f2
}

list_backups() { find "$backups" -mindepth 1 -maxdepth 1 -name 'opennebula-*' -printf '%f\n' 2>/dev/null | sort; }

# all_backups: their names, for a sentence.
all_backups() {
    local names
    names=$(list_backups | paste -sd ' ')
    echo "${names:-none}"
}

# load_backup DIR: the database becomes what the backup holds, and nothing else.
load_backup() {
    load_dump "$1"
    load_key "$1"
}

load_dump() {
    if is_server; then
        drop_tables
        { echo 'SET FOREIGN_KEY_CHECKS = 0;'; gzip --decompress --stdout "$1/database.sql.gz"; } | sql
    else
        rm -f "$home/one.db.partial"
        gzip --decompress --stdout "$1/database.sql.gz" | sqlite3 -batch -bail "$home/one.db.partial"
        sync "$home/one.db.partial"
        rm -f "$home/one.db-journal" "$home/one.db-wal" "$home/one.db-shm"
        mv -T "$home/one.db.partial" "$home/one.db"
    fi
}

# The key belongs to the database: it opens what oned encrypted there.
load_key() {
    [[ -f $1/one_key ]] || return 0
    ! cmp --silent "$1/one_key" "$auth/one_key" || return 0
    [[ ! -f $auth/one_key ]] || mv "$auth/one_key" "$auth/one_key.before-restore"
    install -m 600 "$1/one_key" "$auth/one_key"
    say "restored one_key, with which attributes are encrypted"
}

# Tables that a newer schema added would be in the way of the next migration.
drop_tables() {
    # shellcheck disable=SC2016 # these quotes are SQL's
    { echo 'SET FOREIGN_KEY_CHECKS = 0;'; tables | sed 's/.*/DROP TABLE IF EXISTS `&`;/'; } | sql
}
