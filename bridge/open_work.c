/* bridge/open_work.c: a hash table of works by (node, variant, id); each hangs in the list of its node, and all in one
 * list by age, for the bounds.
 *
 * Simplification accepted: a node whose life is over is looked through as a whole when something of it is due. It has
 * expired when nodes are seen to leave tens of thousands of works open. */
#include "bridge/open_work.h"

#include "bridge/synthetic.h"
#include "bridge/topic_map.h"
#include "weft/schema.h"

#include <stdlib.h>
#include <string.h>

enum {
    BUCKETS = 4096,
    WORKS_MAX = 50000,
    NODE_WORKS_MAX = 10000,
    BYTES_MAX = 64 << 20,
    ENDS_MAX = 4096,
};

typedef enum work_state { WORK_OPEN, WORK_DYING, WORK_CLOSED, WORK_ENDED /* its end came first */ } work_state;

typedef struct list_node {
    struct list_node *older, *newer;
} list_node;

typedef struct list {
    list_node *oldest, *newest;
    size_t count;
} list;

typedef struct owner {
    struct owner *next;
    char name[WEFT_NAME_MAX_BYTES + 1];
    list works;
    size_t dying;
    int64_t due_ms; /* when the first of the dying is, or earlier */
} owner;

typedef struct work {
    list_node in_all;   /* of `works`, or of `ends` when WORK_ENDED */
    list_node in_owner; /* not when WORK_ENDED */
    struct work *same_bucket;
    owner *owner; /* NULL when WORK_ENDED */
    work_state state;
    weft_event_type type; /* of the beginning */
    uint64_t epoch, seq;  /* of the newest event that told of it */
    int64_t over_ms;      /* dying: since when */
    const char *why;      /* dying, closed */
    const weft_event *begin;
    size_t bytes;
    const char *node; /* behind the id in this block */
    char id[];
} work;

struct weft__open_work {
    weft__open_work_opts opts;
    weft__open_work_ops ops;
    const weft_field *id_of[WEFT_EVENT_TYPE_COUNT];           /* of what begins and what ends */
    weft_event_type begun_by[WEFT_EVENT_TYPE_COUNT];          /* of what ends */
    weft_event_type named_by_envelope[WEFT_EVENT_TYPE_COUNT]; /* begins, and its id is one that other events carry */
    size_t named_count;
    work *buckets[BUCKETS];
    owner *owners;
    owner *recent; /* found last: events of one node come together */
    list works;
    list ends;
    size_t bytes;
    size_t dying;
    size_t closed;
    bool paused;
    int64_t due_ms;
    weft__open_work_stats stats;
};

/* ---- lists ---- */

static void list_add(list *l, list_node *node)
{
    node->older = l->newest;
    node->newer = NULL;
    *(l->newest != NULL ? &l->newest->newer : &l->oldest) = node;
    l->newest = node;
    l->count++;
}

static void list_remove(list *l, list_node *node)
{
    *(node->older != NULL ? &node->older->newer : &l->oldest) = node->newer;
    *(node->newer != NULL ? &node->newer->older : &l->newest) = node->older;
    l->count--;
}

static work *work_of_all(list_node *node)
{
    return (work *)(void *)node;
}

static work *work_of_owner(list_node *node)
{
    return (work *)(void *)((char *)node - offsetof(work, in_owner));
}

/* ---- create ---- */

static bool is_of_envelope(const weft_field *field)
{
    return field->number == 0;
}

static void variants_read(weft__open_work *w)
{
    for (unsigned type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        const weft_schema *schema = weft_schema_of((weft_event_type)type);
        if (schema->ended_by == WEFT_EVENT_NONE)
            continue;
        w->id_of[type] = weft_schema_field(schema, schema->ended_id);
        w->id_of[schema->ended_by] = weft_schema_field(weft_schema_of(schema->ended_by), schema->ended_id);
        w->begun_by[schema->ended_by] = schema->type;
        if (is_of_envelope(w->id_of[type]))
            w->named_by_envelope[w->named_count++] = schema->type;
    }
}

weft_status weft__open_work_create(const weft__open_work_opts *opts, const weft__open_work_ops *ops,
                                   weft__open_work **ret)
{
    weft__open_work *w = calloc(1, sizeof *w);
    if (w == NULL)
        return WEFT_NO_MEMORY;
    w->opts = *opts;
    w->ops = *ops;
    w->due_ms = INT64_MAX;
    if (w->opts.max == 0)
        w->opts.max = WORKS_MAX;
    if (w->opts.node_max == 0)
        w->opts.node_max = NODE_WORKS_MAX;
    if (w->opts.bytes_max == 0)
        w->opts.bytes_max = BYTES_MAX;
    variants_read(w);
    *ret = w;
    return WEFT_OK;
}

/* ---- the table ---- */

static work **bucket_of(weft__open_work *w, const char *node, weft_event_type type, const char *id)
{
    uint64_t hash = 1469598103934665603ULL ^ (uint64_t)type; /* FNV-1a */
    for (const char *c = node; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
    for (const char *c = id; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
    return &w->buckets[(hash ^ (hash >> 32)) % BUCKETS];
}

static work *work_find(weft__open_work *w, const char *node, weft_event_type type, const char *id)
{
    work *found = *bucket_of(w, node, type, id);
    while (found != NULL && (found->type != type || strcmp(found->id, id) != 0 || strcmp(found->node, node) != 0))
        found = found->same_bucket;
    return found;
}

static void owner_drop_if_empty(weft__open_work *w, owner *o)
{
    if (o->works.count > 0)
        return;
    owner **at = &w->owners;
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    if (w->recent == o)
        w->recent = NULL;
    free(o);
}

static void state_set(weft__open_work *w, work *one, work_state state)
{
    if (one->state == WORK_DYING) {
        one->owner->dying--;
        w->dying--;
    }
    if (state == WORK_DYING) {
        one->owner->dying++;
        w->dying++;
    }
    w->closed -= one->state == WORK_CLOSED;
    w->closed += state == WORK_CLOSED;
    one->state = state;
}

static void work_unlink(weft__open_work *w, work *one)
{
    if (one->state == WORK_ENDED) {
        list_remove(&w->ends, &one->in_all);
        return;
    }
    state_set(w, one, WORK_OPEN);
    list_remove(&w->works, &one->in_all);
    list_remove(&one->owner->works, &one->in_owner);
    w->bytes -= one->bytes;
    owner_drop_if_empty(w, one->owner);
}

static void work_remove(weft__open_work *w, work *one)
{
    work **at = bucket_of(w, one->node, one->type, one->id);
    while (*at != one)
        at = &(*at)->same_bucket;
    *at = one->same_bucket;
    work_unlink(w, one);
    weft_event_release(one->begin);
    free(one);
}

void weft__open_work_destroy(weft__open_work *w)
{
    if (w == NULL)
        return;
    weft__open_work_interest(w, 0);
    free(w);
}

static owner *owner_find(weft__open_work *w, const char *node)
{
    if (w->recent != NULL && strcmp(w->recent->name, node) == 0)
        return w->recent;
    owner *o = w->owners;
    while (o != NULL && strcmp(o->name, node) != 0)
        o = o->next;
    if (o != NULL)
        w->recent = o;
    return o;
}

static owner *owner_need(weft__open_work *w, const char *node)
{
    owner *o = owner_find(w, node);
    if (o != NULL || (o = calloc(1, sizeof *o)) == NULL)
        return o;
    weft__name_copy(o->name, node);
    o->due_ms = INT64_MAX;
    o->next = w->owners;
    w->owners = o;
    return o;
}

/* Neither linked anywhere nor with a beginning yet. */
static work *work_create(const weft_event *event, weft_event_type type, const char *id)
{
    size_t id_bytes = strlen(id) + 1, node_bytes = strlen(event->id.node) + 1;
    work *one = calloc(1, sizeof *one + id_bytes + node_bytes);
    if (one == NULL)
        return NULL;
    memcpy(one->id, id, id_bytes);
    one->node = memcpy(one->id + id_bytes, event->id.node, node_bytes);
    one->type = type;
    one->epoch = event->id.epoch;
    one->seq = event->id.seq;
    return one;
}

static void work_hash(weft__open_work *w, work *one)
{
    work **bucket = bucket_of(w, one->node, one->type, one->id);
    one->same_bucket = *bucket;
    *bucket = one;
}

static void work_forget(weft__open_work *w, list_node *oldest, work *(*of)(list_node *))
{
    w->stats.forgotten++;
    work_remove(w, of(oldest));
}

static void room_make(weft__open_work *w, const char *node, size_t bytes)
{
    owner *o = owner_find(w, node);
    if (o != NULL && o->works.count >= w->opts.node_max)
        work_forget(w, o->works.oldest, work_of_owner);
    while (w->works.count > 0 && (w->works.count >= w->opts.max || w->bytes + bytes > w->opts.bytes_max))
        work_forget(w, w->works.oldest, work_of_all);
}

/* ---- what is seen ---- */

static bool is_before(const work *one, const weft_event *event)
{
    return one->epoch != event->id.epoch ? one->epoch < event->id.epoch : one->seq < event->id.seq;
}

static void work_begin_to_die(weft__open_work *w, work *one, const char *why, int64_t now_ms)
{
    if (one->state != WORK_OPEN)
        return;
    state_set(w, one, WORK_DYING);
    one->over_ms = now_ms;
    one->why = why;
    int64_t due = now_ms + w->opts.grace_ms;
    if (due < one->owner->due_ms)
        one->owner->due_ms = due;
    if (due < w->due_ms)
        w->due_ms = due;
}

static void work_open(weft__open_work *w, const weft_event *event, const char *id, int64_t now_ms)
{
    const char *why = NULL;
    weft__life life = w->ops.life(w->ops.user, event->id.node, event->id.epoch, &why);
    if (life == WEFT__LIFE_UNKNOWN)
        return;
    size_t bytes = weft_event_kept_bytes(event);
    room_make(w, event->id.node, bytes);
    owner *o = owner_need(w, event->id.node);
    work *one = o != NULL ? work_create(event, event->type, id) : NULL;
    if (one != NULL)
        one->begin = weft_event_keep(event);
    if (one == NULL || one->begin == NULL) {
        free(one);
        if (o != NULL)
            owner_drop_if_empty(w, o);
        w->stats.forgotten++;
        return;
    }
    one->owner = o;
    one->bytes = bytes;
    w->bytes += bytes;
    list_add(&w->works, &one->in_all);
    list_add(&o->works, &one->in_owner);
    work_hash(w, one);
    if (life == WEFT__LIFE_OVER)
        work_begin_to_die(w, one, why, now_ms);
}

static void begin_take(weft__open_work *w, const weft_event *event, const char *id, int64_t now_ms)
{
    work *known = work_find(w, event->id.node, event->type, id);
    if (known != NULL) {
        bool news = is_before(known, event);
        bool ended = known->state == WORK_ENDED;
        if (news || ended)
            work_remove(w, known);
        if (!news)
            return;
    }
    work_open(w, event, id, now_ms);
}

static void end_remember(weft__open_work *w, const weft_event *event, weft_event_type type, const char *id)
{
    if (w->ends.count >= ENDS_MAX)
        work_remove(w, work_of_all(w->ends.oldest));
    work *one = work_create(event, type, id);
    if (one == NULL)
        return;
    one->state = WORK_ENDED;
    list_add(&w->ends, &one->in_all);
    work_hash(w, one);
}

static void end_take(weft__open_work *w, const weft_event *event, const char *id)
{
    weft_event_type type = w->begun_by[event->type];
    work *known = work_find(w, event->id.node, type, id);
    if (known != NULL && !is_before(known, event))
        return;
    bool first = known == NULL || known->state == WORK_ENDED;
    if (known != NULL)
        work_remove(w, known);
    if (first)
        end_remember(w, event, type, id);
}

/* A session goes on in a later life of its node: its agents outlive the process that speaks for them. */
static void work_carry_on(weft__open_work *w, const weft_event *event, int64_t now_ms)
{
    for (size_t i = 0; i < w->named_count; i++) {
        weft_event_type type = w->named_by_envelope[i];
        const char *id = *(const char *const *)(const void *)((const char *)event + w->id_of[type]->offset);
        work *known = id != NULL && id[0] != '\0' ? work_find(w, event->id.node, type, id) : NULL;
        if (known == NULL || known->state != WORK_DYING || known->epoch >= event->id.epoch)
            continue;
        state_set(w, known, WORK_OPEN);
        known->epoch = event->id.epoch;
        known->seq = event->id.seq;
        const char *why = NULL;
        if (w->ops.life(w->ops.user, event->id.node, event->id.epoch, &why) == WEFT__LIFE_OVER)
            work_begin_to_die(w, known, why, now_ms);
    }
}

void weft__open_work_take(weft__open_work *w, const weft_event *event, int64_t now_ms)
{
    const weft_field *field = (unsigned)event->type < WEFT_EVENT_TYPE_COUNT ? w->id_of[event->type] : NULL;
    const char *id = NULL;
    if (event->id.node == NULL)
        return;
    if (field != NULL)
        id = *(const char *const *)(const void *)((const char *)event + field->offset);
    if (id != NULL && id[0] != '\0') {
        if (w->begun_by[event->type] != WEFT_EVENT_NONE)
            end_take(w, event, id);
        else
            begin_take(w, event, id, now_ms);
    }
    if (w->dying > 0)
        work_carry_on(w, event, now_ms);
}

/* ---- lives ---- */

void weft__open_work_over(weft__open_work *w, const char *node, uint64_t epoch, const char *why, int64_t now_ms)
{
    owner *o = owner_find(w, node);
    if (o == NULL)
        return;
    for (list_node *at = o->works.oldest; at != NULL; at = at->newer)
        if (work_of_owner(at)->epoch <= epoch)
            work_begin_to_die(w, work_of_owner(at), why, now_ms);
}

/* NULL: memory was out. */
static void made_deliver(weft__open_work *w, const weft_event *made)
{
    if (made != NULL)
        w->ops.deliver(w->ops.user, made);
    else
        w->stats.forgotten++;
    weft_event_release(made);
}

static void work_reopen(weft__open_work *w, work *one)
{
    const weft_event *again = weft__synthetic_begin(one->begin, one->why, weft_clock_wall_ms(w->opts.clock));
    state_set(w, one, WORK_OPEN);
    w->stats.reopened++;
    made_deliver(w, again);
}

void weft__open_work_alive(weft__open_work *w, const char *node, uint64_t epoch, int64_t now_ms)
{
    owner *o = owner_find(w, node);
    for (list_node *at = o != NULL ? o->works.oldest : NULL, *newer; at != NULL; at = newer) {
        work *one = work_of_owner(at);
        newer = at->newer; /* the last removal takes the owner with it */
        if (one->epoch < epoch && one->state == WORK_CLOSED)
            work_remove(w, one);
        else if (one->epoch < epoch)
            work_begin_to_die(w, one, "replaced", now_ms);
        else if (one->epoch == epoch && one->state == WORK_CLOSED)
            work_reopen(w, one);
        else if (one->epoch == epoch)
            state_set(w, one, WORK_OPEN);
    }
}

void weft__open_work_interest(weft__open_work *w, uint32_t topics)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (work *one = w->buckets[i], *next; one != NULL; one = next) {
            next = one->same_bucket;
            if (!((uint32_t)weft_schema_of(one->type)->topic & topics))
                work_remove(w, one);
        }
}

/* ---- time ---- */

void weft__open_work_pause(weft__open_work *w)
{
    w->paused = true;
}

static void owner_restart_grace(weft__open_work *w, owner *o, int64_t now_ms)
{
    for (list_node *at = o->works.oldest; at != NULL; at = at->newer)
        if (work_of_owner(at)->state == WORK_DYING)
            work_of_owner(at)->over_ms = now_ms;
    o->due_ms = o->dying > 0 ? now_ms + w->opts.grace_ms : INT64_MAX;
}

void weft__open_work_resume(weft__open_work *w, int64_t now_ms)
{
    w->paused = false;
    w->due_ms = w->dying > 0 ? now_ms + w->opts.grace_ms : INT64_MAX;
    for (owner *o = w->owners; o != NULL; o = o->next)
        owner_restart_grace(w, o, now_ms);
}

static void work_close(weft__open_work *w, work *one)
{
    const weft_event *end = weft__synthetic_end(one->begin, one->why, weft_clock_wall_ms(w->opts.clock));
    state_set(w, one, WORK_CLOSED);
    w->stats.closed++;
    made_deliver(w, end);
}

/* The youngest first: a call before the session that made it. */
static void owner_close_due(weft__open_work *w, owner *o, int64_t now_ms)
{
    o->due_ms = INT64_MAX;
    for (list_node *at = o->works.newest; at != NULL && o->dying > 0; at = at->older) {
        work *one = work_of_owner(at);
        int64_t due = one->over_ms + w->opts.grace_ms;
        if (one->state != WORK_DYING)
            continue;
        if (due <= now_ms)
            work_close(w, one);
        else if (due < o->due_ms)
            o->due_ms = due;
    }
}

void weft__open_work_tick(weft__open_work *w, int64_t now_ms)
{
    if (w->paused || now_ms < w->due_ms)
        return;
    w->due_ms = INT64_MAX;
    for (owner *o = w->owners; o != NULL; o = o->next) {
        if (o->due_ms <= now_ms)
            owner_close_due(w, o, now_ms);
        if (o->due_ms < w->due_ms)
            w->due_ms = o->due_ms;
    }
}

void weft__open_work_get_stats(const weft__open_work *w, weft__open_work_stats *ret)
{
    *ret = w->stats;
    ret->open = w->works.count - w->closed;
}
