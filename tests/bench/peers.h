/* tests/bench/peers.h: what does the same work: weft itself, and what one would use or write instead of it. */
#ifndef WEFT_TESTS_BENCH_PEERS_H
#define WEFT_TESTS_BENCH_PEERS_H

#include "bench/work.h"

/* All of it missing (NULL): the library was, when this was built. */
typedef struct bench_peer {
    /* Ends the program where it fails. Ownership: destroy it; work outlives it. */
    void *(*create)(const bench_work *work);
    void (*destroy)(void *rig);
    /* Publishes an event so many times to all that want it. Blocks while somebody's queue is full. */
    void (*publish)(void *rig, const weft_event *event, uint64_t times);
    /* Handles so many events as a subscriber's thread; NULL: the peer has threads of its own, or handlers are inline.
     */
    void (*consume)(void *rig, unsigned subscriber, uint64_t events);
} bench_peer;

enum { BENCH_QUEUE_MAX = 4096 }; /* events that may wait for one subscriber, of all peers */

extern const bench_peer bench_weft;
/* The handlers of all subscribers, one after the other; filters are not looked at. */
extern const bench_peer bench_direct;
/* A table of filters and handlers, filled once; guarded: its epoch is announced and taken back round every publish, so
 * that another thread could replace the table. */
extern const bench_peer bench_table;
extern const bench_peer bench_guarded_table;
/* A signal detailed by type, with the event's address as its argument; session and source are looked at by the
 * callback. Marshalled by what GLib picks for that signature itself, or by its generic marshaller, as any other
 * signature is. */
extern const bench_peer bench_gsignal;
extern const bench_peer bench_gsignal_generic;
/* For each subscriber a bounded queue of allocated copies, with a mutex and two condition variables. */
extern const bench_peer bench_mutex_queue;
/* For one subscriber a ring of 128-byte slots, for one producer or, with a compare-and-swap, for several. */
extern const bench_peer bench_spsc_ring;
extern const bench_peer bench_mpsc_ring;
/* Over inproc: a pair of sockets for one subscriber, else publish-subscribe. */
extern const bench_peer bench_zmq;
extern const bench_peer bench_nng;

#endif
