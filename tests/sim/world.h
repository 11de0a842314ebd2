/* tests/sim/world.h: everything that a schedule is made of, in one thread, determined by its seed.
 *
 *   plan.c       what kind of schedule a seed asks for
 *   world.c      the world's clock, trace and violations
 *   events.c     events made from a number, and what in them must arrive unchanged
 *   history.c    the world's own lists: what was published, what became of it, who handled it
 *   host.c       the lives of a host: boot, turns, kill, power cut, stop
 *   traffic.c    publishing, feeds, subscribers
 *   schedule.c   picks the steps, heals everything, lets time pass
 *   checks.c     what must hold in the end
 *   main.c       seeds, processes, the printed result
 *
 * What a host is made of (weft's dispatcher and bridge, SQLite) is the real thing; its clock, disk and broker are not.
 */
#ifndef WEFT_SIM_WORLD_H
#define WEFT_SIM_WORLD_H

#include "bridge/bridge_private.h"
#include "sim/plan.h"
#include "support/disk/sim_disk.h"

enum { FEEDS = 2, SUBSCRIBERS_MAX = 4, LATE_MS = 60000 };

/* ---- the world's own lists ---- */

typedef enum fate {
    FATE_REFUSED,  /* publish said no: nobody may handle it */
    FATE_TAKEN,    /* publish said yes */
    FATE_WRITTEN,  /* survives the death of the process */
    FATE_SYNCED,   /* survives a power cut */
    FATE_APPENDED, /* its process was killed between writing and saying so */
    FATE_DOUBTFUL, /* a power cut may have taken it: may be handled or not */
    FATE_VOID,     /* died in memory: nobody else may handle it */
} fate;

typedef struct published {
    unsigned host;
    unsigned life;
    weft_topic topic;
    uint64_t epoch;
    uint64_t seq;
    uint64_t receipt;
    uint64_t content; /* a hash of what must arrive unchanged */
    fate fate;
    bool expires;
    unsigned feed; /* from 1; 0: of no feed */
    uint64_t line;
    bool repeated; /* the mark did not cover its line: what comes of that line is another event */
    int64_t at_ms;
} published;

typedef struct reported {
    unsigned host;
    weft_lost lost;
} reported;

typedef struct position {
    unsigned host;
    uint64_t epoch;
    weft_topic topic;
    uint64_t seq;
} position;

/* One subscription of one life of a host. */
typedef struct subscriber {
    struct subscriber *next;
    struct host *host;
    unsigned number;
    unsigned life;
    uint32_t topics;
    bool local_too;
    weft_subscription handle;
    bool open;                               /* subscribed, and its process lives */
    bool ready;                              /* and the broker knew it */
    size_t from[HOSTS_MAX][WEFT_TOPIC_MAX];  /* events from this one on are owed; SIZE_MAX: none yet */
    size_t heard[HOSTS_MAX][WEFT_TOPIC_MAX]; /* the same, by what was heard of the host alone */
    uint8_t *seen;
    size_t seen_capacity;
    position *positions; /* newest in order of each stream */
    size_t position_count, position_capacity;
    reported *reports;
    size_t report_count, report_capacity;
    size_t handled;
} subscriber;

/* ---- hosts ---- */

typedef struct host {
    struct world *world;
    unsigned index;
    char name[8];
    sim_disk *disk;
    weft_clock clock;
    int64_t wall_ms; /* ahead of the world */
    weft_dispatcher *bus;
    weft_bridge *bridge; /* NULL: down */
    unsigned life;       /* counts from 1 */
    int64_t due_ms[WEFT__AGENT_COUNT];
    bool kill_armed;
    weft__step kill_step;
    unsigned kill_left;
    sim_disk_end kill_how;
    bool dying; /* ended inside a turn; buried after it */
    bool died_appending;
    sim_disk_end died_how;
    uint64_t end_written, end_synced; /* receipts, when it ended */
    uint64_t lines[FEEDS];            /* last published of each feed */
    bool feed_unread[FEEDS];
    bool lossy;     /* may have to give up what it accepted, and say so */
    bool rotten;    /* bits have changed on its disk */
    bool clock_set; /* by more than what peers have to put up with */
    bool disk_broken;
    fake_ways parted;
    int64_t parted_ms;
    subscriber *subscribers; /* of all lives, newest first */
} host;

typedef struct world {
    uint64_t seed;
    draw draw;
    plan plan;
    bool tracing;
    uint64_t trace_hash;
    unsigned step;
    int64_t now_ms;
    fake_broker *broker;
    bool broker_down;
    int64_t frozen_ms; /* since; 0: not */
    host hosts[HOSTS_MAX];
    published *published;
    size_t published_count, published_capacity;
    unsigned subscriber_count;
    size_t handled;
    unsigned violations;
    char violation[512]; /* the first */
} world;

/* ---- world.c ---- */

void world_init(world *w, uint64_t seed, bool tracing);
void world_fini(world *w);
void world_trace(world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says that a promise was broken. */
void world_violation(world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
int world_host_of(const world *w, const char *node);

/* ---- events.c ---- */

/* Makes the event with this number; it lives until the next. */
const weft_event *event_make(world *w, const host *h, size_t number);
/* -1: an event that nobody made. */
int64_t event_number(const weft_event *event);
uint64_t event_content(const weft_event *event);

/* ---- history.c ---- */

/* Begins a record of an event about to be published. */
published *history_begin(world *w, host *h, const weft_event *event);
void history_taken(world *w, host *h, size_t number, weft_status st, uint64_t epoch, uint64_t seq, uint64_t receipt);
/* A life has ended: what becomes of what it published. `stopped`: in order. */
void history_life_ended(host *h, bool stopped);
/* What the stored mark of a feed says about its lines. */
void history_feed_read(host *h, unsigned feed, uint64_t line);
/* A host has sent a batch of its events. */
void history_sent(host *h, const uint8_t *bytes, size_t length);
weft_status history_handle(const weft_event *event, void *user);
void history_lost(const weft_lost *lost, void *user);
/* From now on a ready subscriber knows where the streams of a host (topic 0: all) stand, so that nothing of them can
 * get lost unseen. `heard`: by a message; else because it was there before the host was, whose clock proves it. */
void subscriber_knows(subscriber *s, unsigned from_host, weft_topic topic, bool heard);
bool subscriber_has_seen(const subscriber *s, size_t number);
/* Whether this subscriber must have handled this event by the end. */
bool subscriber_is_owed(const subscriber *s, size_t number);
bool subscriber_was_told_lost(const subscriber *s, const published *p);
void subscriber_free(subscriber *s);

/* ---- host.c ---- */

void host_init(world *w, unsigned index);
void host_fini(host *h);
bool host_boot(host *h);
/* Gives an agent its turn. */
void host_turn(host *h, weft__agent_id agent);
bool host_is_due(const host *h, weft__agent_id agent);
void host_end(host *h, sim_disk_end how);
void host_stop(host *h);
void host_look(host *h); /* which subscribers have become ready */
/* Told of each message that a host is handed. */
void host_delivered(host *h, const char *topic);

/* ---- traffic.c ---- */

void traffic_publish(host *h);
void traffic_feed(host *h);
void traffic_subscribe(host *h);
void traffic_unsubscribe(host *h);

/* ---- schedule.c ---- */

/* Runs the whole schedule of the world's seed, and the checks. */
void schedule_run(world *w);

/* ---- checks.c ---- */

/* Whether everybody has handled what is owed, and nothing is under way. */
bool checks_are_settled(world *w);
void checks_run(world *w);

#endif
