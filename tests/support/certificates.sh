#!/bin/sh
# tests/support/certificates.sh DIR: the certificates of the tests (NAME.crt, NAME.key), made with openssl.
#
#   ca, other           two authorities
#   broker, expired     of ca, for localhost; the second was valid until yesterday
#   client, late        of ca, for host-a; the second was valid until yesterday
#   foreign             of other, for host-a
#   twin                of ca, for host-b
set -eu
cd "$1"
exec >>certificates.log 2>&1

# key NAME CN ARGUMENT…
key() {
    name=$1 common=$2
    shift 2
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$common" -keyout "$name.key" "$@"
}

# signed NAME CN AUTHORITY DAYS
signed() {
    key "$1" "$2" -out "$1.csr"
    openssl x509 -req -days "$4" -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -CAcreateserial -extfile names -out "$1.crt"
}

echo subjectAltName=DNS:localhost >names
for name in ca other; do key $name $name -x509 -days 2 -out $name.crt; done
signed broker localhost ca 2
signed expired localhost ca -1
signed client host-a ca 2
signed late host-a ca -1
signed foreign host-a other 2
signed twin host-b ca 2
