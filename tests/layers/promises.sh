#!/bin/sh
# tests/layers/promises.sh [ROOT]: every test that docs/promises.md names, as `FILE::NAME`, is there, and every row of its
# tables names one.
set -eu
root=${1:-$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)}
page=$root/docs/promises.md
failed=0
count=0

for named in $(grep -o '`[A-Za-z0-9_.]*/[A-Za-z0-9_./]*::[A-Za-z0-9_]*`' "$page" | tr -d '\140' | sort -u); do
    count=$((count + 1))
    file=${named%%::*} name=${named##*::}
    if ! grep -qw -- "$name" "$root/tests/$file" 2>/dev/null; then
        echo "docs/promises.md names $named, which is not in tests/$file"
        failed=1
    fi
done

# Rows of tables, but for their heads.
without=$(awk '/^\|/ && last ~ /^\|/ && !/^\|[-| ]*$/ && !/`[A-Za-z0-9_.\/]*::[A-Za-z0-9_]*`/ { print FNR ": " $0 } { last = $0 }' "$page")
if [ -n "$without" ]; then
    echo "rows of docs/promises.md without a test:"
    echo "$without"
    failed=1
fi

echo "$count named tests"
[ "$count" -gt 0 ] && [ $failed -eq 0 ]
