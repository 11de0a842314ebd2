#!/bin/sh
# search.sh HARNESS SEEDS: lets libFuzzer search from the seeds. What it finds on the way is kept beside the harness, so
# that the next search goes on from there; an input that breaks the harness is left there as crash-….
set -eu
found=$1.corpus
mkdir -p "$found"
exec "$1" -max_total_time="${WEFT_FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$1." "$found" "$2"
