/* tests/support/bridge/fake_private.h: what fake_link.c (connections, callbacks), fake_broker.c (the broker's controls)
 * and fake_route.c (topics, sessions, faults) share. Fields are [broker->lock] unless they say otherwise. */
#ifndef WEFT_TESTS_FAKE_PRIVATE_H
#define WEFT_TESTS_FAKE_PRIVATE_H

#include "support/bridge/fake_link.h"

#include <pthread.h>

enum { FAULTS_MAX = 32, DENIED_MAX = 8, PARTED_MAX = 8, NAME_BYTES = 256 };

/* One message on its way, in exactly one list. */
typedef struct item {
    struct item *next;
    enum { ITEM_MESSAGE, ITEM_ACK, ITEM_DOWN } kind;
    struct weft__link *link; /* to call back, or the publisher of a stuck one; NULL in a session's queue */
    uint64_t connection;     /* of a stuck publish */
    int token;
    weft_status status; /* ACK */
    int qos;
    bool retain;  /* to be retained; on delivery: sent because retained */
    bool on_wire; /* of a stuck one: the broker has not got it */
    char *topic;
    uint8_t *payload;
    size_t length;
} item;

typedef struct item_list {
    item *first;
    item *last;
    size_t count;
} item_list;

typedef struct subscription {
    struct subscription *next;
    int qos;
    char *filter;
} subscription;

/* What the broker keeps for a receiving client. */
typedef struct session {
    struct session *next;
    char client[NAME_BYTES];
    struct weft__link *link; /* NULL: absent */
    bool durable;            /* outlives the connection */
    subscription *subscriptions;
    item_list queue; /* while absent */
    item_list held;  /* FAKE_HOLD */
    item *swapped;   /* FAKE_SWAP */
} session;

typedef struct topic_count {
    struct topic_count *next;
    uint64_t count;
    char *topic;
} topic_count;

struct weft__link {
    struct weft__link *next;
    fake_broker *broker; /* const after create, as all up to session_expiry_s */
    weft__link_callbacks callbacks;
    char client[NAME_BYTES];
    char *will_topic;
    bool receive_only;
    uint32_t session_expiry_s;
    uint8_t *will;
    size_t will_bytes;
    bool up;
    bool calling; /* a callback runs */
    uint64_t connection;
    weft__link_limits limits;
    uint32_t in_flight;
    int last_token;
};

struct fake_broker {
    fake_broker *next; /* [registry] */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* work, the end of a callback, or of the broker */
    fake_mode mode;         /* const after create, as url and thread */
    char url[64];
    pthread_t thread;
    bool ending;
    bool stopped;
    bool frozen;
    bool hold_acks;
    bool ack_early;
    weft_status refuse;
    weft__link_limits limits;
    size_t queue_max;
    uint64_t dropped;
    uint64_t connections;
    uint64_t random;
    fake_chaos chaos;
    fake_fault faults[FAULTS_MAX];
    size_t fault_count;
    char *denied[DENIED_MAX];
    size_t denied_count;
    char *deaf[DENIED_MAX]; /* filters that nobody may subscribe to */
    size_t deaf_count;
    struct weft__link *links;
    session *sessions;
    topic_count *counts;
    item_list work;
    item_list acks; /* held */
    item_list stuck;
    item_list retained;
    fake_tap_fn tap;
    void *tap_user;
    fake_delivery_fn delivery_tap;
    void *delivery_user;
    struct {
        char client[NAME_BYTES];
        fake_ways ways;
    } parted[PARTED_MAX];
};

/* ---- fake_link.c ---- */
/* Queues a callback. */
void fake__work_push_locked(fake_broker *b, item *i);
void fake__ack_push_locked(fake_broker *b, struct weft__link *link, int token, weft_status status);
/* Breaks a link's connections. */
void fake__link_drop_locked(struct weft__link *link, bool with_will);
void *fake__thread_run(void *broker);

/* ---- fake_broker.c ---- */
fake_broker *fake__broker_find(const char *url);
bool fake__client_is(const char *client, const char *name);
fake_ways fake__ways_locked(const fake_broker *b, const char *client);

/* ---- fake_route.c ---- */
item *fake__item_create(const char *topic, const void *payload, size_t length, int qos, bool retain);
void fake__item_free(item *i);
void fake__list_push(item_list *list, item *i);
item *fake__list_pop(item_list *list);
/* before: the item in front of it; NULL: it is the first. */
void fake__list_remove(item_list *list, item *before, item *i);
void fake__list_clear(item_list *list);
/* Moves what belongs to a link out of a list. */
item_list fake__list_extract(item_list *list, const struct weft__link *link);

session *fake__session_open_locked(fake_broker *b, struct weft__link *link, bool clean);
session *fake__session_of_locked(fake_broker *b, const struct weft__link *link);
/* Detaches the session of a link that ends; frees it if it is not durable. */
void fake__session_leave_locked(fake_broker *b, session *s);
void fake__session_clear(session *s);
void fake__session_free(session *s);
void fake__session_push_locked(fake_broker *b, session *s, item *i);
/* qos -1 unsubscribes. */
void fake__subscribe_locked(fake_broker *b, session *s, const char *filter, int qos);
item *fake__retained_find_locked(fake_broker *b, const char *topic);

/* Takes a publish: faults, access, retained message, deliveries, acknowledgement. from is NULL for strangers.
 * Returns whether the caller has to acknowledge at once. */
bool fake__publish_locked(fake_broker *b, struct weft__link *from, const item *message);

#endif
