/* core/event_keep.c: the kept copy of an event: one block of memory, counted references, never changed.
 *
 * Block      header, event, tags, attributes, then every string with its NUL.
 * Invariant  a kept event's keeper holds that event; a loan's keeper holds at most one copy, and one reference to it.
 * Threads    any. Several threads may keep one loan at once: the copy that loses the race is freed. */
#include "core/event_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct kept_block {
    atomic_uint refs;
    size_t bytes; /* const after create */
    weft__loan loan;
} kept_block;

/* Lays out a block: counts its bytes, and copies them while `base` is not NULL. */
typedef struct packer {
    char *base;
    size_t used;
} packer;

static struct weft_event_keeper *keeper_of(const weft_event *event)
{
    uintptr_t own = (uintptr_t)event - offsetof(weft__loan, event) + offsetof(weft__loan, keeper);
    return (uintptr_t)event->keeper == own ? event->keeper : NULL;
}

static kept_block *block_of(const weft_event *kept)
{
    return (kept_block *)((uintptr_t)kept - offsetof(kept_block, loan) - offsetof(weft__loan, event));
}

bool weft__event_is_kept(const weft_event *event)
{
    struct weft_event_keeper *keeper = keeper_of(event);
    return keeper != NULL && atomic_load_explicit(&keeper->kept, memory_order_relaxed) == event;
}

static void *pack(packer *p, const void *from, size_t bytes)
{
    void *to = NULL;
    if (p->base != NULL && bytes > 0)
        to = memcpy(p->base + p->used, from, bytes);
    p->used += bytes;
    return to;
}

static const char *pack_string(packer *p, const char *string)
{
    return string != NULL ? pack(p, string, strlen(string) + 1) : NULL;
}

static void pack_fields(packer *p, weft_event *event, const weft_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i].number != 0 && weft__field_is_string(&fields[i])) {
            const char **string = (const char **)((char *)event + fields[i].offset);
            *string = pack_string(p, *string);
        }
}

static void pack_payload(packer *p, weft_event *event)
{
    const weft_schema *schema = weft_schema_of(event->type);
    if (schema != NULL)
        pack_fields(p, event, schema->fields, schema->field_count);
    else /* nobody knows which of its bytes are pointers */
        memset(&event->custom, 0, sizeof event->custom);
}

/* The arrays hold pointers and come first, where the block is aligned for them. */
static void pack_arrays(packer *p, weft_event *event)
{
    const weft_event from = *event;
    const char **tags = pack(p, from.tags, from.tag_count * sizeof *tags);
    weft_attribute *attributes = pack(p, from.attributes, from.attribute_count * sizeof *attributes);
    for (size_t i = 0; i < from.tag_count; i++) {
        const char *tag = pack_string(p, from.tags[i]);
        if (tags != NULL)
            tags[i] = tag;
    }
    for (size_t i = 0; i < from.attribute_count; i++) {
        const char *key = pack_string(p, from.attributes[i].key);
        const char *value = pack_string(p, from.attributes[i].value);
        if (attributes != NULL)
            attributes[i] = (weft_attribute){key, value};
    }
    event->tags = tags;
    event->attributes = attributes;
}

static void pack_event(packer *p, weft_event *event)
{
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    pack_arrays(p, event);
    event->id.node = pack_string(p, event->id.node);
    pack_fields(p, event, envelope, count);
    pack_payload(p, event);
}

static size_t block_bytes(const weft_event *event)
{
    packer count = {.base = NULL, .used = sizeof(kept_block)};
    weft_event scratch = *event;
    pack_event(&count, &scratch);
    return count.used;
}

static const weft_event *block_create(const weft_event *event, unsigned refs)
{
    size_t bytes = block_bytes(event);
    kept_block *block = malloc(bytes);
    if (block == NULL)
        return NULL;
    weft_event *copy = &block->loan.event;
    packer fill = {.base = (char *)block, .used = sizeof *block};
    *copy = *event;
    pack_event(&fill, copy);
    assert(fill.used == bytes);
    copy->keeper = &block->loan.keeper;
    block->bytes = bytes;
    atomic_init(&block->refs, refs);
    atomic_init(&block->loan.keeper.kept, copy);
    return copy;
}

static const weft_event *ref(const weft_event *kept)
{
    atomic_fetch_add_explicit(&block_of(kept)->refs, 1, memory_order_relaxed);
    return kept;
}

/* Makes the copy of a loan, one reference for the loan and one for the caller. */
static const weft_event *loan_keep(struct weft_event_keeper *keeper, const weft_event *event)
{
    const weft_event *kept = NULL;
    const weft_event *copy = block_create(event, 2);
    if (copy == NULL)
        return NULL;
    if (atomic_compare_exchange_strong_explicit(&keeper->kept, &kept, copy, memory_order_acq_rel, memory_order_acquire))
        return copy;
    free(block_of(copy));
    return ref(kept);
}

const weft_event *weft_event_keep(const weft_event *event)
{
    struct weft_event_keeper *keeper = keeper_of(event);
    if (keeper == NULL)
        return block_create(event, 1);
    const weft_event *kept = atomic_load_explicit(&keeper->kept, memory_order_acquire);
    return kept != NULL ? ref(kept) : loan_keep(keeper, event);
}

void weft_event_release(const weft_event *kept)
{
    if (kept == NULL)
        return;
    assert(weft__event_is_kept(kept));
    kept_block *block = block_of(kept);
    if (atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1)
        free(block);
}

size_t weft_event_kept_bytes(const weft_event *event)
{
    return weft__event_is_kept(event) ? block_of(event)->bytes : block_bytes(event);
}

void weft__event_borrow(weft__loan *loan, const weft_event *event)
{
    loan->event = *event;
    loan->event.keeper = &loan->keeper;
    atomic_init(&loan->keeper.kept, NULL);
}

void weft__loan_done(weft__loan *loan)
{
    weft_event_release(atomic_load_explicit(&loan->keeper.kept, memory_order_acquire));
}
