#!/bin/bash
# Succeeds when the server answers a query. The official script takes options
# that say what to check; any of them is this check.
set -euo pipefail
exec mariadb --user=health --protocol=socket --batch --execute='SELECT 1' >/dev/null
