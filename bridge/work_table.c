/* bridge/work_table.c: slots of hash and place, the works themselves in chunks, which do not move.
 *
 * Slots and chunks grow with the works, and are given back when no work is left. */
#include "bridge/work_table.h"

#include "bridge/hash.h"
#include "bridge/packed_event.h"
#include "bridge/topic_map.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 256, YOUNG_MAX = 256 };

weft_status weft__work_table_init(weft__work_table *t)
{
    *t = (weft__work_table){.slot_count = SLOTS_FIRST};
    t->slots = calloc(SLOTS_FIRST, sizeof *t->slots);
    return t->slots != NULL ? WEFT_OK : WEFT_NO_MEMORY;
}

/* ---- lists ---- */

static void list_add(weft__work_list *l, weft__work_link *link)
{
    link->older = l->newest;
    link->newer = NULL;
    *(l->newest != NULL ? &l->newest->newer : &l->oldest) = link;
    l->newest = link;
    l->count++;
}

static void list_remove(weft__work_list *l, weft__work_link *link)
{
    *(link->older != NULL ? &link->older->newer : &l->oldest) = link->newer;
    *(link->newer != NULL ? &link->newer->older : &l->newest) = link->older;
    l->count--;
}

/* ---- owners ---- */

static weft__work_owner **owner_bucket(weft__work_table *t, uint64_t hash)
{
    return &t->owners[hash % WEFT__OWNER_BUCKETS];
}

static uint64_t node_hash(const weft__work_table *t, const char *node)
{
    return weft__hash_text((uintptr_t)t, node, strlen(node));
}

static void owner_drop_if_empty(weft__work_table *t, weft__work_owner *o)
{
    if (o->works.count + o->ended > 0 || o == t->recent)
        return;
    weft__work_owner **at = owner_bucket(t, o->hash);
    while (*at != o)
        at = &(*at)->same_bucket;
    *at = o->same_bucket;
    free(o);
}

static void recent_set(weft__work_table *t, weft__work_owner *o)
{
    weft__work_owner *before = t->recent;
    t->recent = o;
    if (before != NULL)
        owner_drop_if_empty(t, before);
}

static weft__work_owner *owner_find(weft__work_table *t, const char *node, uint64_t hash)
{
    weft__work_owner *o = *owner_bucket(t, hash);
    while (o != NULL && (o->hash != hash || strcmp(o->name, node) != 0))
        o = o->same_bucket;
    if (o != NULL)
        recent_set(t, o);
    return o;
}

static bool is_recent(const weft__work_table *t, const char *node)
{
    return t->recent != NULL && strcmp(t->recent->name, node) == 0;
}

weft__work_owner *weft__work_owner_find(weft__work_table *t, const char *node)
{
    return is_recent(t, node) ? t->recent : owner_find(t, node, node_hash(t, node));
}

static weft__work_owner *owner_add(weft__work_table *t, const char *node, uint64_t hash)
{
    weft__work_owner *o = calloc(1, sizeof *o), **bucket = owner_bucket(t, hash);
    if (o == NULL)
        return NULL;
    weft__name_copy(o->name, node);
    o->hash = hash;
    o->due_ms = INT64_MAX;
    o->same_bucket = *bucket;
    *bucket = o;
    recent_set(t, o);
    return o;
}

/* ---- finding ---- */

void weft__work_key_init(weft__work_table *t, const char *node, weft_event_type type, const char *id,
                         weft__work_key *ret)
{
    *ret = (weft__work_key){.node = node, .id = id, .id_bytes = (uint32_t)strlen(id), .type = (uint16_t)type};
    ret->node_hash = is_recent(t, node) ? t->recent->hash : node_hash(t, node);
    ret->owner = is_recent(t, node) ? t->recent : owner_find(t, node, ret->node_hash);
    ret->hash = (uint32_t)weft__hash_text(ret->node_hash + ret->type, id, ret->id_bytes);
}

static weft__work *work_at(const weft__work_table *t, const weft__work_slot *slot)
{
    uint32_t place = slot->place_after - 1;
    return &t->chunks[place / WEFT__CHUNK_WORKS][place % WEFT__CHUNK_WORKS];
}

static uint32_t slot_next(const weft__work_table *t, uint32_t i)
{
    return (i + 1) & (t->slot_count - 1);
}

static bool work_matches(const weft__work *one, const weft__work_key *key)
{
    return one->type == key->type && one->owner == key->owner && one->id_bytes == key->id_bytes &&
           memcmp(one->id, key->id, key->id_bytes) == 0;
}

weft__work *weft__work_find(const weft__work_table *t, const weft__work_key *key)
{
    uint32_t i = key->hash & (t->slot_count - 1);
    for (; t->slots[i].place_after != 0; i = slot_next(t, i))
        if (t->slots[i].hash == key->hash && work_matches(work_at(t, &t->slots[i]), key))
            return work_at(t, &t->slots[i]);
    return NULL;
}

/* ---- slots ---- */

static void slot_put(weft__work_table *t, weft__work_slot slot)
{
    uint32_t i = slot.hash & (t->slot_count - 1);
    while (t->slots[i].place_after != 0)
        i = slot_next(t, i);
    t->slots[i] = slot;
}

/* What stands behind it and would not be found any more moves up. */
static void slot_clear(weft__work_table *t, uint32_t hash, uint32_t place_after)
{
    uint32_t mask = t->slot_count - 1, gap = hash & mask;
    while (t->slots[gap].place_after != place_after)
        gap = slot_next(t, gap);
    for (uint32_t i = slot_next(t, gap); t->slots[i].place_after != 0; i = slot_next(t, i)) {
        uint32_t home = t->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        t->slots[gap] = t->slots[i];
        gap = i;
    }
    t->slots[gap].place_after = 0;
}

static bool slots_resize(weft__work_table *t, uint32_t count)
{
    weft__work_slot *old = t->slots, *slots = calloc(count, sizeof *slots);
    uint32_t old_count = t->slot_count;
    if (slots == NULL)
        return false;
    t->slots = slots;
    t->slot_count = count;
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i].place_after != 0)
            slot_put(t, old[i]);
    free(old);
    return true;
}

static size_t works_count(const weft__work_table *t)
{
    return t->works.count + t->ends.count;
}

/* ---- places ---- */

static bool chunk_add(weft__work_table *t)
{
    if (t->chunk_count == t->chunk_max) {
        size_t max = 2 * t->chunk_max + 4;
        weft__work **chunks = realloc(t->chunks, max * sizeof *chunks);
        if (chunks == NULL)
            return false;
        t->chunks = chunks;
        t->chunk_max = max;
    }
    weft__work *chunk = malloc(WEFT__CHUNK_WORKS * sizeof *chunk);
    if (chunk == NULL)
        return false;
    for (size_t i = WEFT__CHUNK_WORKS; i-- > 0;) {
        chunk[i].place = (uint32_t)(t->chunk_count * WEFT__CHUNK_WORKS + i);
        chunk[i].in_all.older = t->free;
        t->free = &chunk[i].in_all;
    }
    t->chunks[t->chunk_count++] = chunk;
    return true;
}

static void chunks_free(weft__work_table *t)
{
    while (t->chunk_count > 0)
        free(t->chunks[--t->chunk_count]);
    t->free = NULL;
}

static weft__work *place_take(weft__work_table *t)
{
    if (works_count(t) >= t->slot_count / 2 && !slots_resize(t, 2 * t->slot_count))
        return NULL;
    if (t->free == NULL && !chunk_add(t))
        return NULL;
    weft__work *one = weft__work_of_all(t->free);
    t->free = t->free->older;
    return one;
}

/* The first chunk stays: it is what a few calls at a time need. */
static void place_give_back(weft__work_table *t, weft__work *one)
{
    one->in_all.older = t->free;
    t->free = &one->in_all;
    if (works_count(t) > 0 || t->chunk_count <= 1)
        return;
    chunks_free(t);
    (void)slots_resize(t, SLOTS_FIRST);
}

/* ---- adding and removing ---- */

/* In no list yet. */
static weft__work *work_add(weft__work_table *t, weft__work_key *key, const weft_event *event)
{
    if (key->owner == NULL)
        key->owner = owner_add(t, key->node, key->node_hash);
    weft__work *one = key->owner != NULL ? place_take(t) : NULL;
    if (one == NULL)
        return NULL;
    *one = (weft__work){.place = one->place,
                        .owner = key->owner,
                        .epoch = event->id.epoch,
                        .seq = event->id.seq,
                        .hash = key->hash,
                        .id_bytes = key->id_bytes,
                        .type = key->type};
    slot_put(t, (weft__work_slot){one->hash, one->place + 1});
    return one;
}

static void young_remove(weft__work_table *t, weft__work *one)
{
    if (!one->is_young)
        return;
    one->is_young = false;
    t->young_count--;
    while (t->young != NULL && !weft__work_of_all(t->young)->is_young)
        t->young = t->young->newer;
}

/* One that cannot be packed stays as it is. */
static void oldest_young_pack(weft__work_table *t)
{
    weft__work *one = weft__work_of_all(t->young);
    size_t bytes;
    young_remove(t, one);
    uint8_t *packed = weft__event_pack(one->begin, &bytes);
    const char *id = packed != NULL ? memmem(packed, bytes, one->id, one->id_bytes) : NULL;
    if (id == NULL) {
        free(packed);
        return;
    }
    weft_event_release(one->begin);
    t->bytes -= one->bytes - bytes;
    one->packed = packed;
    one->bytes = (uint32_t)bytes;
    one->id = id;
    one->is_packed = true;
}

static void young_add(weft__work_table *t, weft__work *one)
{
    one->is_young = true;
    if (t->young_count++ == 0)
        t->young = &one->in_all;
    if (t->young_count > YOUNG_MAX)
        oldest_young_pack(t);
}

const weft_event *weft__work_begin(const weft__work *one)
{
    return one->is_packed ? weft__event_unpack(one->packed, one->bytes) : weft_event_keep(one->begin);
}

weft__work *weft__work_add_begun(weft__work_table *t, weft__work_key *key, const weft_event *begin, bool may_last)
{
    const weft_event *kept = weft_event_keep(begin);
    weft__work *one = kept != NULL ? work_add(t, key, begin) : NULL;
    if (one == NULL) {
        weft_event_release(kept);
        return NULL;
    }
    one->begin = kept;
    one->id = key->id;
    one->bytes = (uint32_t)weft_event_kept_bytes(kept);
    t->bytes += one->bytes;
    list_add(&t->works, &one->in_all);
    list_add(&one->owner->works, &one->in_owner);
    if (may_last)
        young_add(t, one);
    return one;
}

weft__work *weft__work_add_ended(weft__work_table *t, weft__work_key *key, const weft_event *end)
{
    char *id = malloc(key->id_bytes);
    weft__work *one = id != NULL ? work_add(t, key, end) : NULL;
    if (one == NULL) {
        free(id);
        return NULL;
    }
    one->ended_id = memcpy(id, key->id, key->id_bytes);
    one->id = id;
    one->state = WEFT__WORK_ENDED;
    one->owner->ended++;
    list_add(&t->ends, &one->in_all);
    return one;
}

void weft__work_set_state(weft__work_table *t, weft__work *one, weft__work_state state)
{
    size_t was_dying = one->state == WEFT__WORK_DYING, is_dying = state == WEFT__WORK_DYING;
    one->owner->dying += is_dying - was_dying;
    t->dying += is_dying - was_dying;
    t->closed += (size_t)(state == WEFT__WORK_CLOSED) - (size_t)(one->state == WEFT__WORK_CLOSED);
    one->state = (uint8_t)state;
}

static void work_unlist(weft__work_table *t, weft__work *one)
{
    if (one->state == WEFT__WORK_ENDED) {
        one->owner->ended--;
        list_remove(&t->ends, &one->in_all);
        free(one->ended_id);
        return;
    }
    weft__work_set_state(t, one, WEFT__WORK_OPEN);
    young_remove(t, one);
    list_remove(&t->works, &one->in_all);
    list_remove(&one->owner->works, &one->in_owner);
    t->bytes -= one->bytes;
    if (one->is_packed)
        free(one->packed);
    else
        weft_event_release(one->begin);
}

void weft__work_remove(weft__work_table *t, weft__work *one)
{
    slot_clear(t, one->hash, one->place + 1);
    work_unlist(t, one);
    owner_drop_if_empty(t, one->owner);
    place_give_back(t, one);
}

void weft__work_table_fini(weft__work_table *t)
{
    while (t->works.count > 0)
        weft__work_remove(t, weft__work_of_all(t->works.oldest));
    while (t->ends.count > 0)
        weft__work_remove(t, weft__work_of_all(t->ends.oldest));
    recent_set(t, NULL);
    chunks_free(t);
    free(t->chunks);
    free(t->slots);
}
