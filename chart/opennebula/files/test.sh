#!/bin/bash
# Asks a release by its Services, as its users would.
set -euo pipefail

fail() { echo "test: $*" >&2; exit 1; }

# eventually COMMAND…: a Service knows the pod a moment after it is ready.
eventually() {
    local try
    for try in {1..20}; do
        "$@" && return
        ((try == 20)) || sleep 2
    done
    return 1
}

# answers NAME URL CODE…: with one of these codes.
answers() {
    local name=$1 url=$2
    shift 2
    eventually has_code "$url" "$@" || fail "$name does not answer at $url as it should: $code, not $*"
    echo "test: $name answers at $url"
}

# has_code URL CODE…
has_code() {
    code=$(curl --silent --output /dev/null --max-time 10 --write-out '%{http_code}' "$1") || code="nothing"
    [[ " ${*:2} " == *" $code "* ]]
}

# logs_in: oneadmin's session goes by the standard input, which no list of processes
# shows.
logs_in() {
    local session
    session=$(sed 's/&/\&amp;/g; s/</\&lt;/g' /run/secrets/oneadmin/password)
    curl --silent --show-error --fail --max-time 10 --header 'Content-Type: text/xml' --data @- "$API" <<XML 2>/dev/null | grep -q '<boolean>1</boolean>'
<?xml version="1.0"?><methodCall><methodName>one.user.info</methodName><params><param><value><string>oneadmin:$session</string></value></param><param><value><int>-1</int></value></param></params></methodCall>
XML
}

listens() {
    eventually connects "$2" || fail "$1 does not listen at ${2/\//:}"
    echo "test: $1 listens at ${2/\//:}"
}

connects() { (exec 3<>"/dev/tcp/$1") 2>/dev/null; }

answers Sunstone "$SUNSTONE/fireedge/sunstone" 200
eventually logs_in || fail "oneadmin cannot log in at $API with the Secret's password"
echo "test: oneadmin logs in at $API"
answers OneFlow "$FLOW/service" 200 401
answers OneGate "$GATE/" 200 401
listens monitord "$MONITOR"
listens "the SSH server" "$SSH"
echo "test: all is well"
