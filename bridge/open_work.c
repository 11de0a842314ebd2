/* bridge/open_work.c: what events tell of works, and what time and the lives of nodes do to them.
 *
 * Simplification accepted: a node whose life is over is looked through as a whole when something of it is due. It has
 * expired when nodes are seen to leave tens of thousands of works open. */
#include "bridge/open_work.h"

#include "bridge/synthetic.h"
#include "bridge/work_table.h"
#include "weft/schema.h"

#include <stdlib.h>

enum {
    WORKS_MAX = 50000,
    NODE_WORKS_MAX = 10000,
    BYTES_MAX = 64 << 20,
    ENDS_MAX = 4096,
};

struct weft__open_work {
    weft__open_work_opts opts;
    weft__open_work_ops ops;
    const weft_field *id_of[WEFT_EVENT_TYPE_COUNT];           /* of what begins and what ends */
    weft_event_type begun_by[WEFT_EVENT_TYPE_COUNT];          /* of what ends */
    weft_event_type named_by_envelope[WEFT_EVENT_TYPE_COUNT]; /* begins, and its id is one that other events carry */
    size_t named_count;
    weft__work_table table;
    bool paused;
    int64_t due_ms;
    weft__open_work_stats stats;
};

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
    weft_status st = weft__work_table_init(&w->table);
    if (st != WEFT_OK) {
        free(w);
        return st;
    }
    *ret = w;
    return WEFT_OK;
}

void weft__open_work_destroy(weft__open_work *w)
{
    if (w == NULL)
        return;
    weft__work_table_fini(&w->table);
    free(w);
}

/* ---- what is seen ---- */

static void work_forget(weft__open_work *w, weft__work *one)
{
    w->stats.forgotten++;
    weft__work_remove(&w->table, one);
}

static void room_make(weft__open_work *w, const weft__work_owner *o, size_t bytes)
{
    const weft__work_table *t = &w->table;
    if (o != NULL && o->works.count >= w->opts.node_max)
        work_forget(w, weft__work_of_owner(o->works.oldest));
    while (t->works.count > 0 && (t->works.count >= w->opts.max || t->bytes + bytes > w->opts.bytes_max))
        work_forget(w, weft__work_of_all(t->works.oldest));
}

static bool is_before(const weft__work *one, const weft_event *event)
{
    return one->epoch != event->id.epoch ? one->epoch < event->id.epoch : one->seq < event->id.seq;
}

static void work_begin_to_die(weft__open_work *w, weft__work *one, const char *why, int64_t now_ms)
{
    if (one->state != WEFT__WORK_OPEN)
        return;
    weft__work_set_state(&w->table, one, WEFT__WORK_DYING);
    one->over_ms = now_ms;
    one->why = why;
    int64_t due = now_ms + w->opts.grace_ms;
    if (due < one->owner->due_ms)
        one->owner->due_ms = due;
    if (due < w->due_ms)
        w->due_ms = due;
}

static void work_open(weft__open_work *w, const weft_event *event, weft__work_key *key, int64_t now_ms)
{
    const char *why = NULL;
    weft__life life = w->ops.life(w->ops.user, event->id.node, event->id.epoch, &why);
    if (life == WEFT__LIFE_UNKNOWN)
        return;
    room_make(w, key->owner, weft_event_kept_bytes(event));
    weft__work *one = weft__work_add_begun(&w->table, key, event, is_of_envelope(w->id_of[event->type]));
    if (one == NULL)
        w->stats.forgotten++;
    else if (life == WEFT__LIFE_OVER)
        work_begin_to_die(w, one, why, now_ms);
}

static void begin_take(weft__open_work *w, const weft_event *event, const char *id, int64_t now_ms)
{
    weft__work_key key;
    weft__work_key_init(&w->table, event->id.node, event->type, id, &key);
    weft__work *known = weft__work_find(&w->table, &key);
    if (known != NULL) {
        bool news = is_before(known, event);
        bool ended = known->state == WEFT__WORK_ENDED;
        if (news || ended)
            weft__work_remove(&w->table, known);
        if (!news)
            return;
    }
    work_open(w, event, &key, now_ms);
}

static void end_remember(weft__open_work *w, const weft_event *event, weft__work_key *key)
{
    if (w->table.ends.count >= ENDS_MAX)
        weft__work_remove(&w->table, weft__work_of_all(w->table.ends.oldest));
    (void)weft__work_add_ended(&w->table, key, event);
}

static void end_take(weft__open_work *w, const weft_event *event, const char *id)
{
    weft__work_key key;
    weft__work_key_init(&w->table, event->id.node, w->begun_by[event->type], id, &key);
    weft__work *known = weft__work_find(&w->table, &key);
    if (known != NULL && !is_before(known, event))
        return;
    bool first = known == NULL || known->state == WEFT__WORK_ENDED;
    if (known != NULL)
        weft__work_remove(&w->table, known);
    if (first && w->ops.lacks(w->ops.user, event))
        end_remember(w, event, &key);
}

/* A session goes on in a later life of its node: its agents outlive the process that speaks for them. */
static void work_carry_on(weft__open_work *w, const weft_event *event, int64_t now_ms)
{
    for (size_t i = 0; i < w->named_count; i++) {
        weft_event_type type = w->named_by_envelope[i];
        const char *id = *(const char *const *)(const void *)((const char *)event + w->id_of[type]->offset);
        if (id == NULL || id[0] == '\0')
            continue;
        weft__work_key key;
        weft__work_key_init(&w->table, event->id.node, type, id, &key);
        weft__work *known = weft__work_find(&w->table, &key);
        if (known == NULL || known->state != WEFT__WORK_DYING || known->epoch >= event->id.epoch)
            continue;
        weft__work_set_state(&w->table, known, WEFT__WORK_OPEN);
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
    if (w->table.dying > 0)
        work_carry_on(w, event, now_ms);
}

/* ---- lives ---- */

void weft__open_work_over(weft__open_work *w, const char *node, uint64_t epoch, const char *why, int64_t now_ms)
{
    weft__work_owner *o = weft__work_owner_find(&w->table, node);
    if (o == NULL)
        return;
    for (weft__work_link *at = o->works.oldest; at != NULL; at = at->newer)
        if (weft__work_of_owner(at)->epoch <= epoch)
            work_begin_to_die(w, weft__work_of_owner(at), why, now_ms);
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

static void work_reopen(weft__open_work *w, weft__work *one)
{
    const weft_event *begin = weft__work_begin(one);
    const weft_event *again =
        begin != NULL ? weft__synthetic_begin(begin, one->why, weft_clock_wall_ms(w->opts.clock)) : NULL;
    weft_event_release(begin);
    weft__work_set_state(&w->table, one, WEFT__WORK_OPEN);
    w->stats.reopened++;
    made_deliver(w, again);
}

void weft__open_work_alive(weft__open_work *w, const char *node, uint64_t epoch, int64_t now_ms)
{
    weft__work_owner *o = weft__work_owner_find(&w->table, node);
    for (weft__work_link *at = o != NULL ? o->works.oldest : NULL, *newer; at != NULL; at = newer) {
        weft__work *one = weft__work_of_owner(at);
        newer = at->newer; /* the last removal takes the owner with it */
        if (one->epoch < epoch && one->state == WEFT__WORK_CLOSED)
            weft__work_remove(&w->table, one);
        else if (one->epoch < epoch)
            work_begin_to_die(w, one, "replaced", now_ms);
        else if (one->epoch == epoch && one->state == WEFT__WORK_CLOSED)
            work_reopen(w, one);
        else if (one->epoch == epoch)
            weft__work_set_state(&w->table, one, WEFT__WORK_OPEN);
    }
}

static void unwanted_remove(weft__open_work *w, const weft__work_list *list, uint32_t topics)
{
    for (weft__work_link *at = list->oldest, *newer; at != NULL; at = newer) {
        weft__work *one = weft__work_of_all(at);
        newer = at->newer;
        if (!((uint32_t)weft_schema_of((weft_event_type)one->type)->topic & topics))
            weft__work_remove(&w->table, one);
    }
}

void weft__open_work_interest(weft__open_work *w, uint32_t topics)
{
    unwanted_remove(w, &w->table.works, topics);
    unwanted_remove(w, &w->table.ends, topics);
}

/* ---- time ---- */

void weft__open_work_pause(weft__open_work *w)
{
    w->paused = true;
}

static void owner_restart_grace(weft__open_work *w, weft__work_owner *o, int64_t now_ms)
{
    for (weft__work_link *at = o->works.oldest; at != NULL; at = at->newer)
        if (weft__work_of_owner(at)->state == WEFT__WORK_DYING)
            weft__work_of_owner(at)->over_ms = now_ms;
    o->due_ms = o->dying > 0 ? now_ms + w->opts.grace_ms : INT64_MAX;
}

void weft__open_work_resume(weft__open_work *w, int64_t now_ms)
{
    w->paused = false;
    w->due_ms = w->table.dying > 0 ? now_ms + w->opts.grace_ms : INT64_MAX;
    for (size_t i = 0; i < WEFT__OWNER_BUCKETS; i++)
        for (weft__work_owner *o = w->table.owners[i]; o != NULL; o = o->same_bucket)
            owner_restart_grace(w, o, now_ms);
}

static void work_close(weft__open_work *w, weft__work *one)
{
    const weft_event *begin = weft__work_begin(one);
    const weft_event *end =
        begin != NULL ? weft__synthetic_end(begin, one->why, weft_clock_wall_ms(w->opts.clock)) : NULL;
    weft_event_release(begin);
    weft__work_set_state(&w->table, one, WEFT__WORK_CLOSED);
    w->stats.closed++;
    made_deliver(w, end);
}

/* The youngest first: a call before the session that made it. */
static void owner_close_due(weft__open_work *w, weft__work_owner *o, int64_t now_ms)
{
    o->due_ms = INT64_MAX;
    for (weft__work_link *at = o->works.newest; at != NULL && o->dying > 0; at = at->older) {
        weft__work *one = weft__work_of_owner(at);
        int64_t due = one->over_ms + w->opts.grace_ms;
        if (one->state != WEFT__WORK_DYING)
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
    for (size_t i = 0; i < WEFT__OWNER_BUCKETS; i++)
        for (weft__work_owner *o = w->table.owners[i]; o != NULL; o = o->same_bucket) {
            if (o->due_ms <= now_ms)
                owner_close_due(w, o, now_ms);
            if (o->due_ms < w->due_ms)
                w->due_ms = o->due_ms;
        }
}

void weft__open_work_get_stats(const weft__open_work *w, weft__open_work_stats *ret)
{
    *ret = w->stats;
    ret->open = w->table.works.count - w->table.closed;
}
