/* tests/bench/parcel.h: events as the bytes in which peers carry them: encoded beforehand, which costs a peer nothing,
 * with what a receiver needs to tell them apart.
 *
 * Native byte order: both ends are this program. */
#ifndef WEFT_TESTS_BENCH_PARCEL_H
#define WEFT_TESTS_BENCH_PARCEL_H

#include <stddef.h>

#include "bench/ledger.h"
#include "bench/load.h"

typedef struct bench_parcel bench_parcel;

/* limit_bytes 0: one event a parcel. */
bench_parcel *bench_parcel_create(const bench_load *load, unsigned sender, size_t limit_bytes);
/* NULL is fine. */
void bench_parcel_destroy(bench_parcel *parcel);

/* Adds an event; whether the parcel is full now: then it is to be taken. */
bool bench_parcel_add(bench_parcel *parcel, uint64_t number);
/* What was added since the last time, NULL if nothing. Valid until the next add. ret_topic gets the number of
 * the newest event's topic. */
const uint8_t *bench_parcel_take(bench_parcel *parcel, size_t *ret_bytes, unsigned *ret_topic);

/* The receiver's side: enters each event of a parcel. */
void bench_parcel_enter(const uint8_t *bytes, size_t length, bench_ledger *ledger);

#endif
