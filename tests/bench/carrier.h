/* tests/bench/carrier.h: what brings events to other processes: weft, and what one would use instead of it.
 *
 * Threads    a sender is one thread's, so is opening and closing; a receiver takes on threads of its own. Everything
 *            that fails ends the process. */
#ifndef WEFT_TESTS_BENCH_CARRIER_H
#define WEFT_TESTS_BENCH_CARRIER_H

#include "bench/ledger.h"
#include "bench/load.h"
#include "bench/server.h"

typedef struct bench_sender_opts {
    const char *address; /* of the server */
    const char *dir;     /* for files */
    unsigned index;      /* among the senders */
    const bench_load *load;
    bool soon; /* each event shall arrive soon, rather than all with little effort */
    unsigned
        parcel_bytes; /* of send_parcel: events are packed by hand until so many are full; 0: one event a message */
} bench_sender_opts;

typedef struct bench_receiver_opts {
    const char *address;
    unsigned index;       /* among the receivers */
    bench_ledger *ledger; /* takes what comes */
} bench_receiver_opts;

typedef struct bench_carrier {
    const char *name;
    const bench_server_kind *server;
    void *(*sender_open)(const bench_sender_opts *opts);
    /* One of the two: the event of that number, or a parcel of events (parcel.h), the newest of that topic. Blocks
     * while there is no room; may gather what it is given. */
    void (*send)(void *sender, uint64_t number);
    void (*send_parcel)(void *sender, const uint8_t *parcel, size_t bytes, unsigned topic);
    /* Called before the sender's thread rests: nothing may stay gathered. NULL: nothing ever does. */
    void (*push)(void *sender);
    /* Blocks until everything is as safe as this carrier promises. */
    void (*finish)(void *sender);
    void (*sender_close)(void *sender);
    /* Returns when it would receive what is sent from now on. */
    void *(*receiver_open)(const bench_receiver_opts *opts);
    void (*receiver_close)(void *receiver);
} bench_carrier;

/* Typed events, journal synchronised. */
extern const bench_carrier bench_carry_weft;
/* One event a message, QoS 1: over a socket of our own, as many under way as the broker takes; and with Paho. */
extern const bench_carrier bench_carry_mqtt;
extern const bench_carrier bench_carry_paho;
/* Absent (sender_open NULL) where the library was missing when this was built. */
extern const bench_carrier bench_carry_jetstream;
extern const bench_carrier bench_carry_redis;

/* NULL: there is none of that name. */
const bench_carrier *bench_carrier_find(const char *name);
/* Whether this build has it and its server is installed. */
bool bench_carrier_present(const bench_carrier *carrier);

#endif
