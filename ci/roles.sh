#!/bin/bash
# Starts every role of a front-end in one container, and has each probed as a cluster
# would. It runs in the image, as its user, and leaves nothing behind.
set -euo pipefail

probed=(ssh-agent sshd oned guacd fireedge oneflow onegate proxy exporter)
others=(onehem timers) # nothing asks these whether they work: they must not end

secrets=$(mktemp -d)
head -c 18 /dev/urandom | base64 >"$secrets/password"
ssh-keygen -q -t ed25519 -N '' -f "$secrets/ssh-privatekey"
ssh-keygen -q -t ed25519 -N '' -f "$secrets/ssh-host-key"
export ONEADMIN_PASSWORD_FILE=$secrets/password ONE_SSH_DIR=$secrets ONE_HOSTNAME=localhost

opennebula-frontend bootstrap
declare -A processes
for role in "${probed[@]}" "${others[@]}"; do
  opennebula-frontend "$role" >"$secrets/$role.log" 2>&1 &
  processes[$role]=$!
done

fail() {
  tail -n 20 "$secrets/$1.log" >&2
  echo "the role $1 $2" >&2
  exit 1
}
for role in "${probed[@]}"; do
  deadline=$((SECONDS + 180))
  until opennebula-frontend probe "$role" >>"$secrets/$role.log" 2>&1; do
    ((SECONDS < deadline)) || fail "$role" "does not start"
    sleep 1
  done
  echo "$role works after $SECONDS s"
done
for role in "${others[@]}"; do
  kill -0 "${processes[$role]}" 2>/dev/null || fail "$role" "has ended"
  echo "$role runs"
done
