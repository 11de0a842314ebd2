/* nodes/bench_report.h: the result of a bench, a figure a row: as a table for people, or one JSON object. */
#ifndef WEFT_NODES_BENCH_REPORT_H
#define WEFT_NODES_BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "nodes/histogram.h"
#include "weft/json.h"

typedef struct bench_report {
    bool json;
    weft_text text;
} bench_report;

/* name is what was measured: "pub". */
void bench_report_begin(bench_report *r, bool json, const char *name);
/* Each row has a member's name in JSON, and words for people. */
void bench_report_count(bench_report *r, const char *member, const char *words, uint64_t value);
void bench_report_number(bench_report *r, const char *member, const char *words, double value, const char *unit);
void bench_report_flag(bench_report *r, const char *member, bool value); /* JSON only */
void bench_report_text(bench_report *r, const char *member, const char *words, const char *value);
/* Of values in ns: "MEMBER_us": {"mean", "p50", "p90", "p99", "p999", "max"}; null if there are none. */
void bench_report_latency(bench_report *r, const char *member, const char *words, const histogram *ns);
/* Ends it and writes it to standard output. Returns false if that cannot be. */
bool bench_report_end(bench_report *r);

#endif
