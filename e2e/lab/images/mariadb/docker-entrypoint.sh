#!/bin/bash
# Initialises an empty data folder from MARIADB_DATABASE, MARIADB_USER,
# MARIADB_PASSWORD_FILE and MARIADB_ROOT_PASSWORD_FILE, then runs the server.
set -euo pipefail
data=/var/lib/mysql
[[ ${1-} == mariadbd ]] || exec "$@"

# text quoted for SQL
quote() { printf "'%s'" "$(sed "s/[\\\\']/\\\\&/g")"; }

initialise() {
    local password root init=/tmp/init.sql
    password=$(quote <"$MARIADB_PASSWORD_FILE")
    root=$(quote <"$MARIADB_ROOT_PASSWORD_FILE")
    mariadb-install-db --datadir="$data" --skip-test-db --auth-root-authentication-method=normal >/dev/null
    (
        umask 077
        cat >"$init" <<-SQL
			CREATE DATABASE IF NOT EXISTS \`$MARIADB_DATABASE\`;
			CREATE USER '$MARIADB_USER'@'%' IDENTIFIED BY $password;
			GRANT ALL ON \`$MARIADB_DATABASE\`.* TO '$MARIADB_USER'@'%';
			CREATE USER 'root'@'%' IDENTIFIED BY $root;
			GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;
			ALTER USER 'root'@'localhost' IDENTIFIED BY $root;
			CREATE USER 'health'@'localhost';
		SQL
    )
    set -- "$@" "--init-file=$init"
    touch "$data/.initialised"
    exec mariadbd --datadir="$data" "$@"
}

shift
[[ -e $data/.initialised ]] || initialise "$@"
exec mariadbd --datadir="$data" "$@"
