/* tests/support/bridge/fake_link.h: a broker inside the test, and links to it.
 *
 * Several links attach to one broker by its URL, so that several nodes can live in one test. It keeps what matters of
 * MQTT: topics with + and #, QoS 1 acknowledgements and windows, retained messages, wills, sessions with queues,
 * takeover of a client id, and that a node gets its own messages back. What can go wrong goes wrong on demand only.
 *
 * Clients are named by client id, or by what follows its last ':' (so "a" is "weft:dev:a"); NULL is any.
 * Threads: any. FAKE_THREADED: callbacks come from one thread of the broker's. FAKE_PUMPED: from fake_broker_pump.
 * Either way each link sees its callbacks in order, one at a time, but for fake_broker_ack_early. */
#ifndef WEFT_TESTS_FAKE_LINK_H
#define WEFT_TESTS_FAKE_LINK_H

#include "bridge/link.h"

typedef struct fake_broker fake_broker;

extern const weft__link_ops fake_link;

typedef enum fake_mode { FAKE_THREADED, FAKE_PUMPED } fake_mode;

fake_broker *fake_broker_create(fake_mode mode);
/* All links must be destroyed before. */
void fake_broker_destroy(fake_broker *b);
const char *fake_broker_url(const fake_broker *b);

/* Runs callbacks until none is due; how many. */
size_t fake_broker_pump(fake_broker *b);
/* Runs up to max callbacks that are due to a client, in order; how many. */
size_t fake_broker_pump_client(fake_broker *b, const char *client, size_t max);
/* How many it could run. */
size_t fake_broker_due(fake_broker *b, const char *client);
/* Whether nothing is under way: no callback due or running. Held, queued and stuck messages do not count. */
bool fake_broker_idle(fake_broker *b);

/* ---- what it allows ---- */

/* For connects from now on. Default 20 and UINT32_MAX. */
void fake_broker_set_limits(fake_broker *b, uint32_t receive_maximum, uint32_t max_packet_bytes);
/* How many messages a session keeps for an absent client; more are dropped and counted. Default 1,000. */
void fake_broker_set_queue_max(fake_broker *b, size_t messages);
/* Connects and peeks fail with this status; OK ends that. */
void fake_broker_refuse(fake_broker *b, weft_status status);
/* Acknowledges publishes to a filter as REFUSED instead of passing them on; NULL ends that. At most 8 filters. */
void fake_broker_deny(fake_broker *b, const char *filter);

/* Answers subscriptions to exactly this filter with REFUSED; NULL ends that. At most 8 filters. */
void fake_broker_deny_subscribe(fake_broker *b, const char *filter);

/* ---- what happens to it ---- */

/* Its end: connections break, no will is published, unacknowledged messages are gone. Sessions and retained messages
 * stay, as if saved, unless forgotten. */
void fake_broker_stop(fake_broker *b);
void fake_broker_start(fake_broker *b);
/* Loses retained messages and what sessions hold and subscribed to. */
void fake_broker_forget(fake_broker *b);
/* As SIGSTOP: what is published is stuck until it thaws, nothing is delivered, connects time out. */
void fake_broker_freeze(fake_broker *b);
void fake_broker_thaw(fake_broker *b);
/* Breaks the connections of a client; its will is published. Returns how many broke. */
unsigned fake_broker_cut(fake_broker *b, const char *client);

typedef enum fake_ways { FAKE_JOINED = 0, FAKE_NO_OUT = 1, FAKE_NO_IN = 2, FAKE_APART = 3 } fake_ways;
/* Cuts the wire between a client and the broker without breaking connections: what the client publishes (NO_OUT) or is
 * to get (NO_IN) waits. Joined again, it arrives, unless the connection was broken meanwhile: then what was published
 * over it is gone, and the session keeps what was to be got. Subscribing breaks the connection, connects time out. At
 * most 8 clients, also such as connect later. */
void fake_broker_part(fake_broker *b, const char *client, fake_ways ways);

/* ---- acknowledgements ---- */

/* Keeps acknowledgements back until released (oldest first; how many were). */
void fake_broker_hold_acks(fake_broker *b, bool hold);
size_t fake_broker_release_acks(fake_broker *b, size_t max);
size_t fake_broker_held_acks(fake_broker *b);
/* Acknowledges on the publisher's thread, before publish returns the token. */
void fake_broker_ack_early(fake_broker *b, bool early);

/* ---- faults ---- */

typedef enum fake_action {
    /* on a publish */
    FAKE_LOSE,       /* neither passed on nor acknowledged */
    FAKE_CUT_BEFORE, /* the publisher's connections break before the broker has the message … */
    FAKE_TOO_LARGE,  /* not passed on, and acknowledged as too large */
    FAKE_CUT_AFTER,  /* … or after it was passed on, but not acknowledged */
    /* on a delivery */
    FAKE_DROP,      /* acknowledged, not delivered */
    FAKE_DUPLICATE, /* delivered twice */
    FAKE_SWAP,      /* delivered after the next one to the same client */
    FAKE_HOLD,      /* delivered when fake_broker_release_held says so */
    FAKE_CORRUPT,   /* the last byte of the payload is changed */
} fake_action;

typedef struct fake_fault {
    fake_action action;
    const char *filter; /* NULL: any topic. Both strings must outlive the fault. */
    const char *client; /* the publisher or the receiver */
    unsigned skip;      /* this many pass before */
    unsigned count;     /* 0: one */
} fake_fault;

/* Adds a fault, which applies to `count` messages. At most 32 at a time. */
void fake_broker_add_fault(fake_broker *b, const fake_fault *fault);
size_t fake_broker_release_held(fake_broker *b);

/* Random faults, drawn from the seed in the order of publishes and deliveries; NULL ends them. */
typedef struct fake_chaos {
    uint64_t seed;
    unsigned lose_permille;
    unsigned cut_permille;
    unsigned drop_permille;
    unsigned duplicate_permille;
    unsigned swap_permille;
} fake_chaos;

void fake_broker_set_chaos(fake_broker *b, const fake_chaos *chaos);

/* ---- what it sees ---- */

/* Publishes as a stranger whom no access rule or publish fault holds. */
void fake_broker_publish(fake_broker *b, const char *topic, const void *payload, size_t length, int qos, bool retain);
/* Publishes taken so far whose topic matches (not: denied or lost ones). */
uint64_t fake_broker_count(fake_broker *b, const char *filter);
/* Messages dropped because the queue of a session was full. */
uint64_t fake_broker_dropped(fake_broker *b);
/* A copy of the retained message of a topic, NULL if none. Ownership: malloc'ed. */
uint8_t *fake_broker_retained(fake_broker *b, const char *topic, size_t *ret_bytes);
bool fake_broker_connected(fake_broker *b, const char *client);
bool fake_broker_subscribed(fake_broker *b, const char *client, const char *filter);

/* Sees each publish taken, in order; client is "" for strangers. Called under the broker's lock: must not call it. */
typedef void (*fake_tap_fn)(void *user, const char *client, const char *topic, const uint8_t *payload, size_t length,
                            int qos, bool retain);
void fake_broker_set_tap(fake_broker *b, fake_tap_fn tap, void *user);

/* Sees each message handed to a client, before the client does; the same holds. */
typedef void (*fake_delivery_fn)(void *user, const char *client, const char *topic, const uint8_t *payload,
                                 size_t length);
void fake_broker_set_delivery_tap(fake_broker *b, fake_delivery_fn tap, void *user);

/* Whether an MQTT topic filter matches a topic (MQTT 5 section 4.7). */
bool fake_topic_matches(const char *filter, const char *topic);

#endif
