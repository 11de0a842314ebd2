#!/bin/sh
# tests/layers/breaches.sh: layers.sh passes a small sound tree, and notices each breach of it.
set -eu
check=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)/layers.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
failed=0

# A tree that breaks no rule.
sound() {
    rm -rf "${work:?}/tree"
    mkdir -p "$work/tree/core/include/weft" "$work/tree/bridge/include/weft" "$work/tree/nodes"
    cd "$work/tree"
    echo '#include <stdint.h>' >core/include/weft/event.h
    printf '#include "weft/event.h"\n#include "core/utf8.h"\n#include <pthread.h>\n' >core/event.c
    echo '#include "weft/event.h"' >bridge/include/weft/wire.h
    printf '#include "link.h"\n#include <MQTTClient.h>\n' >bridge/mqtt_link.c
    echo '#include <openssl/ssl.h>' >bridge/tls_probe.c
    echo '#include <sqlite3.h>' >bridge/journal_row.c
    printf '#include "bridge/codec.h"\n#include "weft/v1/events.pb-c.h"\n#include <protobuf-c/protobuf-c.h>\n' >bridge/codec_bind.c
    printf '#include "weft/wire.h"\n#include "nodes/options.h"\n#include <sys/socket.h>\n' >nodes/main.c
}

# breach FILE LINE: the sound tree with one more line must fail, and the report must name the file.
breach() {
    sound
    printf '%s\n' "$2" >>"$1"
    if report=$(sh "$check" "$work/tree" 2>&1); then
        echo "not noticed: $1: $2"
        failed=1
    elif ! printf '%s\n' "$report" | grep -q "^$1:[0-9]*:"; then
        echo "not named: $1: $2: $report"
        failed=1
    fi
}

sound
if ! report=$(sh "$check" "$work/tree" 2>&1); then
    echo "a sound tree fails: $report"
    failed=1
fi

breach core/event.c '#include "bridge/link.h"'
breach core/event.c '#include "nodes/options.h"'
breach core/event.c '#include "weft/wire.h"'
breach core/event.c '#include <MQTTClient.h>'
breach core/event.c '#  include <sqlite3.h>'
breach core/event.c '#include <openssl/ssl.h>'
breach core/event.c '#include "weft/v1/events.pb-c.h"'
breach core/event.c '#include <protobuf-c/protobuf-c.h>'
breach core/event.c '#include <sys/socket.h>'
breach core/event.c '#include <fcntl.h>'
breach core/event.c '/* sent with QoS 1 */'
breach core/event.c 'int mqtt_port;'
breach core/event.c '#include "../bridge/link.h"'
breach core/include/weft/event.h '#include "core/utf8.h"'
breach core/include/weft/event.h '#include <pthread.h>'
breach core/include/weft/event.h '#include "weft/wire.h"'
breach bridge/include/weft/wire.h '#include <MQTTClient.h>'
breach bridge/include/weft/wire.h '#include <sqlite3.h>'
breach bridge/include/weft/wire.h '#include "weft/v1/events.pb-c.h"'
breach bridge/include/weft/wire.h '#include "bridge/link.h"'
breach bridge/journal_row.c '#include <MQTTAsync.h>'
breach bridge/journal_row.c '#include "weft/v1/events.pb-c.h"'
breach bridge/journal_row.c '#include <protobuf-c/protobuf-c.h>'
breach bridge/mqtt_link.c '#include <openssl/ssl.h>'
breach bridge/mqtt_link.c '#include <sqlite3.h>'
breach bridge/mqtt_link.c '#include "nodes/options.h"'
breach bridge/codec_bind.c '#include <MQTTClient.h>'
breach nodes/main.c '#include "core/utf8.h"'
breach nodes/main.c '#include "bridge/link.h"'
breach nodes/main.c '#include "weft/v1/events.pb-c.h"'
breach nodes/main.c '#include <MQTTClient.h>'
breach nodes/main.c '#include <sqlite3.h>'
breach nodes/main.c '#include <openssl/ssl.h>'
breach nodes/main.c '#include <protobuf-c/protobuf-c.h>'

sound
rm core/event.c core/include/weft/event.h
if sh "$check" "$work/tree" >/dev/null 2>&1; then
    echo "a tree without core passes"
    failed=1
fi
exit $failed
