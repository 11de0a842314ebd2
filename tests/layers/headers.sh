#!/bin/sh
# tests/layers/headers.sh [ROOT]: compiles each public header alone, first and twice in its file, as C11 and as C++17.
#
# The compilers come in $CC and $CXX. Without a C++ compiler it ends with 77 (skipped) once C has passed.
set -eu
root=${1:-$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)}
cc=${CC:-cc}
cxx=${CXX:-}
warnings='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror'
failed=0
count=0

# alone HEADER COMPILER ARGUMENT…
alone() {
    header=$1
    shift
    # shellcheck disable=SC2086 # one word a warning
    printf '#include "weft/%s"\n#include "weft/%s"\n' "$header" "$header" |
        "$@" $warnings -fsyntax-only -I "$root/core/include" -I "$root/bridge/include" - || {
        echo "weft/$header does not compile alone: $*"
        failed=1
    }
}

for path in "$root"/core/include/weft/*.h "$root"/bridge/include/weft/*.h; do
    [ -e "$path" ] || continue
    count=$((count + 1))
    alone "$(basename "$path")" "$cc" -std=c11 -xc -Wstrict-prototypes
    [ -z "$cxx" ] || alone "$(basename "$path")" "$cxx" -std=c++17 -xc++
done

echo "$count headers"
[ "$count" -gt 0 ] && [ $failed -eq 0 ] || exit 1
[ -n "$cxx" ] || { echo "skipped: no C++ compiler" && exit 77; }
