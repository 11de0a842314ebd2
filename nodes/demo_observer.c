/* nodes/demo_observer.c: a dispatcher and a bridge that only listens, in this process. What was handled is remembered
 * one bit an event, per (node, epoch): the check does not trust the bridge's own. */
#include "nodes/demo_observer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { READY_MS = 15000 };

typedef struct life {
    uint8_t *handled; /* a bit a seq */
    size_t bytes;
} life;

typedef struct host {
    totals totals;
} host;

struct demo_observer {
    weft_dispatcher *bus;
    weft_bridge *bridge;
    weft_subscription subscription;
    pthread_mutex_t mutex;
    totals all;        /* [mutex], all below too */
    string_map hosts;  /* of host */
    string_map lives;  /* "node epoch" → life */
    string_map births; /* "node epoch" */
    size_t nodes_born;
    pthread_cond_t born;
    observer_count count;
};

static void host_free(void *value)
{
    totals_fini(&((host *)value)->totals);
    free(value);
}

static void life_free(void *value)
{
    free(((life *)value)->handled);
    free(value);
}

static void *map_need(string_map *map, const char *key, size_t size)
{
    void *value = string_map_get(map, key);
    if (value == NULL && (value = calloc(1, size)) != NULL && !string_map_put(map, key, value)) {
        free(value);
        value = NULL;
    }
    return value;
}

static void life_key(char *key, size_t bytes, const char *node, uint64_t epoch)
{
    snprintf(key, bytes, "%s %llu", node, (unsigned long long)epoch);
}

/* Whether this event was handled before; remembers it. */
static bool handled_before_locked(demo_observer *o, const weft_event_id *id)
{
    char key[WEFT_NAME_MAX_BYTES + 32];
    life_key(key, sizeof key, id->node, id->epoch);
    life *l = map_need(&o->lives, key, sizeof *l);
    size_t at = (size_t)(id->seq / 8);
    if (l != NULL && at >= l->bytes) {
        size_t bytes = 2 * at + 64;
        uint8_t *handled = realloc(l->handled, bytes);
        if (handled == NULL)
            return false;
        memset(handled + l->bytes, 0, bytes - l->bytes);
        l->handled = handled;
        l->bytes = bytes;
    }
    if (l == NULL)
        return false;
    uint8_t bit = (uint8_t)(1u << (id->seq % 8));
    bool before = (l->handled[at] & bit) != 0;
    l->handled[at] |= bit;
    return before;
}

static weft_status on_event(const weft_event *event, void *user)
{
    demo_observer *o = user;
    if ((event->flags & WEFT_FLAG_SYNTHETIC) != 0) /* made up here, when a node died */
        return WEFT_OK;
    pthread_mutex_lock(&o->mutex);
    o->count.events++;
    o->count.duplicates += handled_before_locked(o, &event->id);
    weft_status st = totals_add_event(&o->all, event);
    host *h = map_need(&o->hosts, event->id.node, sizeof *h);
    if (st == WEFT_OK)
        st = h != NULL ? totals_add_event(&h->totals, event) : WEFT_NO_MEMORY;
    pthread_mutex_unlock(&o->mutex);
    return st;
}

static void on_lost(const weft_lost *lost, void *user)
{
    demo_observer *o = user;
    pthread_mutex_lock(&o->mutex);
    o->count.lost += lost->count > 0 ? lost->count : 1;
    pthread_mutex_unlock(&o->mutex);
}

static void on_notice(const weft_notice *notice, void *user)
{
    static char known;
    demo_observer *o = user;
    char node[WEFT_NAME_MAX_BYTES + 32], born[WEFT_NAME_MAX_BYTES + 32];
    if (notice->kind != WEFT_NOTICE_PEER_UP)
        return;
    snprintf(node, sizeof node, "%s", notice->node);
    life_key(born, sizeof born, notice->node, notice->epoch);
    pthread_mutex_lock(&o->mutex);
    bool node_known = string_map_get(&o->births, node) != NULL;
    bool life_known = string_map_get(&o->births, born) != NULL;
    if (string_map_put(&o->births, node, &known) && string_map_put(&o->births, born, &known))
        o->count.epochs_changed += node_known && !life_known;
    o->nodes_born += !node_known;
    pthread_cond_signal(&o->born);
    pthread_mutex_unlock(&o->mutex);
}

weft_status demo_observer_create(const char *url, const char *fabric, demo_observer **ret, const char **reason)
{
    demo_observer *o = calloc(1, sizeof *o);
    if (o == NULL)
        return WEFT_NO_MEMORY;
    pthread_mutex_init(&o->mutex, NULL);
    pthread_cond_init(&o->born, NULL);
    weft_filter filter = {.origin = WEFT_ORIGIN_REMOTE};
    weft_subscribe_opts subscribe = {.name = "observer", .on_lost = on_lost};
    weft_bridge_opts opts = {.url = url, .fabric = fabric, .listen_only = true, .on_notice = on_notice, .user = o};
    weft_status st = weft_dispatcher_create(NULL, &o->bus);
    if (st == WEFT_OK)
        st = weft_subscribe_with(o->bus, &filter, &subscribe, on_event, o, &o->subscription);
    if (st == WEFT_OK)
        st = weft_bridge_create(o->bus, &opts, &o->bridge, reason);
    if (st == WEFT_OK && (st = weft_bridge_wait_ready(o->bridge, READY_MS)) != WEFT_OK)
        *reason = "the broker does not answer";
    if (st != WEFT_OK) {
        demo_observer_destroy(o);
        return st;
    }
    *ret = o;
    return WEFT_OK;
}

void demo_observer_destroy(demo_observer *o)
{
    if (o == NULL)
        return;
    weft_bridge_destroy(o->bridge);
    weft_dispatcher_destroy(o->bus);
    totals_fini(&o->all);
    string_map_fini(&o->hosts, host_free);
    string_map_fini(&o->lives, life_free);
    string_map_fini(&o->births, NULL);
    pthread_cond_destroy(&o->born);
    pthread_mutex_destroy(&o->mutex);
    free(o);
}

weft_status demo_observer_wait_nodes(demo_observer *o, size_t nodes, uint32_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    pthread_mutex_lock(&o->mutex);
    while (o->nodes_born < nodes && pthread_cond_timedwait(&o->born, &o->mutex, &until) == 0)
        ;
    bool born = o->nodes_born >= nodes;
    pthread_mutex_unlock(&o->mutex);
    return born ? WEFT_OK : WEFT_TIMEOUT;
}

static void row_fill(observer_row *row, const char *name, const totals *t)
{
    snprintf(row->node, sizeof row->node, "%.*s", WEFT_NAME_MAX_BYTES, name);
    row->sessions = t->sessions.count;
    row->llm_requests = t->llm_requests;
    row->tool_calls = t->tool_calls;
    row->tool_errors = t->tool_errors;
    row->tokens = t->tokens.input + t->tokens.output + t->tokens.cache_read + t->tokens.cache_write;
    row->cost_nano_usd = t->cost_nano_usd;
}

static int row_order(const void *a, const void *b)
{
    return strcmp(((const observer_row *)a)->node, ((const observer_row *)b)->node);
}

size_t demo_observer_rows(demo_observer *o, observer_row *rows, size_t max, observer_row *ret_sum)
{
    size_t cursor = 0, count = 0;
    pthread_mutex_lock(&o->mutex);
    for (const string_map_entry *e; count < max && (e = string_map_next(&o->hosts, &cursor)) != NULL; count++)
        row_fill(&rows[count], e->key, &((const host *)e->value)->totals);
    row_fill(ret_sum, "all", &o->all);
    pthread_mutex_unlock(&o->mutex);
    qsort(rows, count, sizeof *rows, row_order);
    return count;
}

void demo_observer_get_count(demo_observer *o, observer_count *ret)
{
    pthread_mutex_lock(&o->mutex);
    *ret = o->count;
    pthread_mutex_unlock(&o->mutex);
}

void demo_observer_get_bridge_stats(demo_observer *o, weft_bridge_stats *ret)
{
    weft_bridge_get_stats(o->bridge, ret);
}

const totals *demo_observer_totals(demo_observer *o)
{
    return &o->all;
}
