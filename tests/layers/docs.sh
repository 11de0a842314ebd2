#!/bin/sh
# tests/layers/docs.sh [ROOT]: compiles the C examples of docs/*.md against the public headers.
#
# The blocks of one page make one file, in order. A block that has a line beginning with `static` is taken as it is; any
# other one becomes the body of a function that has a weft_dispatcher *bus. The compiler comes in $CC.
set -eu
root=${1:-$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)}
cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
failed=0
count=0

# The examples of a page as C, with the page's own line numbers.
examples() {
    awk -v page="$1" '
        function flush_block() {
            printf "#line %d \"%s\"\n", first, page
            if (whole) printf "%s", block
            else printf "static void example_at_line_%d(weft_dispatcher *bus) {\n#line %d \"%s\"\n%s}\n", first, first, page, block
        }
        /^```c$/ { inside = 1; whole = 0; block = ""; first = NR + 1; next }
        /^```$/ && inside { inside = 0; flush_block(); next }
        inside { block = block $0 "\n"; if ($0 ~ /^static /) whole = 1 }
        END { exit inside }' "$1"
}

for page in "$root"/docs/*.md; do
    grep -q '^```c$' "$page" || continue
    count=$((count + 1))
    examples "$page" >"$work/page.c"
    "$cc" -std=c11 -Wall -Wextra -Wpedantic -Wno-unused-function -Werror -fsyntax-only -I "$root/core/include" \
        -I "$root/bridge/include" "$work/page.c" || {
        echo "examples of $page do not compile"
        failed=1
    }
done

echo "$count pages with examples"
[ "$count" -gt 0 ] && [ $failed -eq 0 ]
