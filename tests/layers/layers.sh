#!/bin/sh
# tests/layers/layers.sh [ROOT]: holds the includes of a tree against the walls between its layers.
#
#   core     its own headers and C's; no word of transports, stores or wire formats, no files, no sockets
#   bridge   core; Paho in mqtt_link.c alone, OpenSSL in tls_probe.c alone, SQLite in journal*, cursor_store and record_store, protobuf in codec*
#            and control.c
#   nodes    public headers of core and bridge, and its own
#   public   headers include public headers of their own layer or below, and C's
#
# Prints one line for each breach; fails if there is one, or if a layer has no files.
set -eu
root=${1:-$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)}
cd "$root"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
breaches=$work/breaches
: >"$breaches"

# Every include under the given folders, as FILE:LINE:<header> or FILE:LINE:"header".
includes() {
    find "$@" -name '*.[ch]' -exec grep -nHE '^[[:space:]]*#[[:space:]]*include' {} + |
        sed -E 's/^([^:]*:[0-9]*:).*include[[:space:]]*([<"][^>"]*[>"]).*$/\1\2/'
}

# Lines of stdin that match are breaches of the rule; of `only`, those that do not match.
never() {
    grep -E "$2" | sed "s|\$|  ($1)|" >>"$breaches" || true
}
only() {
    grep -vE "$2" | sed "s|\$|  ($1)|" >>"$breaches" || true
}

# A regular expression for the public headers of the given layers: weft/(a|b)\.h
public() {
    names=$(for layer; do find "$layer/include/weft" -name '*.h' -exec basename {} .h \;; done | sort | paste -sd '|' -)
    printf 'weft/(%s)\\.h' "${names:-none}"
}

for layer in core bridge nodes; do
    if [ -z "$(find $layer -name '*.[ch]' 2>/dev/null | head -n 1)" ]; then
        echo "layers: no files in $root/$layer" >&2
        exit 1
    fi
    includes $layer >"$work/$layer"
done
grep -h '^[^:]*/include/' "$work/core" "$work/bridge" >"$work/public" || true

c_headers='(assert|complex|ctype|errno|float|inttypes|iso646|limits|locale|math|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|time)\.h'
paho='<MQTT[A-Za-z]*\.h>'
openssl='<openssl/[a-z0-9_]*\.h>'
sqlite='<sqlite3[a-z]*\.h>'
protobuf='<(protobuf-c/.*|google/.*)>|\.pb-c\.h[">]'
outside='<(sys/(socket|stat|un|mman|epoll)|netinet/.*|arpa/.*|netdb|fcntl|dirent)\.h>'
own='"[a-z0-9_]+\.h"' # beside the file that includes it

only 'core includes core' "^[^:]*:[0-9]*:(<[^>]*>|\"($(public core)|core/[a-z0-9_/]+\.h)\"|$own)\$" <"$work/core"
never 'core knows no transport, store or wire format' ":($paho|$sqlite|$protobuf)\$|:$paho|:$sqlite|:$openssl" <"$work/core"
never 'core opens no files and no sockets' ":$outside\$" <"$work/core"
find core -name '*.[ch]' -exec grep -niHE 'mqtt|paho|sqlite|protobuf|pb-c|(^|[^a-z])qos([^a-z]|$)' {} + |
    never 'core has no word for these' .

only 'bridge includes core and bridge' \
    "^[^:]*:[0-9]*:(<[^>]*>|\"($(public core bridge)|(core|bridge)/[a-z0-9_/]+\.h|weft/v1/[a-z]+\.pb-c\.h)\"|$own)\$" \
    <"$work/bridge"
grep -vE '^bridge/mqtt_link\.c:' "$work/bridge" | never 'only mqtt_link.c includes Paho' ":$paho"
grep -vE '^bridge/tls_probe\.c:' "$work/bridge" | never 'only tls_probe.c includes OpenSSL' ":$openssl"
grep -vE '^bridge/(journal[a-z_]*|cursor_store|record_store)\.[ch]:' "$work/bridge" |
    never 'only the journal and the stores of cursors include SQLite' ":$sqlite"
grep -vE '^bridge/(codec[a-z_]*\.[ch]|control\.c):' "$work/bridge" |
    never 'only the codec includes protobuf' ":.*($protobuf)"

only 'nodes includes public headers and nodes' \
    "^[^:]*:[0-9]*:(<[^>]*>|\"($(public core bridge)|nodes/[a-z0-9_/]+\.h)\"|$own)\$" <"$work/nodes"
never 'nodes knows no transport, store or wire format' ":($paho|$sqlite|$openssl)|$protobuf" <"$work/nodes"

only 'a public header includes public headers' "^[^:]*:[0-9]*:(<$c_headers>|\"$(public core bridge)\")\$" <"$work/public"
grep '^core/' "$work/public" | only 'a public header of core includes core' "^[^:]*:[0-9]*:(<.*>|\"$(public core)\")\$"

sort -u "$breaches"
[ ! -s "$breaches" ]
