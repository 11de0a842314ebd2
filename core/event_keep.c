/* core/event_keep.c: the kept copy of an event: one block of memory, counted references, never changed.
 *
 * Block      header, event, tags, attributes, then every string with its NUL.
 * Invariant  a kept event's keeper holds that event; a loan's keeper and a pass hold at most one copy, and one
 *            reference to it.
 * Threads    any. Several threads may keep one loan at once: the copy that loses the race is freed. A pass is its
 *            thread's own. */
#include "core/event_private.h"

#include <assert.h>
#include <string.h>

typedef struct kept_block {
    size_t bytes; /* const after create */
    atomic_uint refs;
    struct weft_event_keeper keeper;
    weft_event event;
} kept_block;

_Static_assert(offsetof(kept_block, event) - offsetof(kept_block, keeper) ==
                   offsetof(weft__loan, event) - offsetof(weft__loan, keeper),
               "a keeper stands right before its event, in a block as in a loan");

_Thread_local weft__pass *weft__passing;

static struct weft_event_keeper *keeper_of(const weft_event *event)
{
    uintptr_t own = (uintptr_t)event - offsetof(weft__loan, event) + offsetof(weft__loan, keeper);
    return (uintptr_t)event->keeper == own ? event->keeper : NULL;
}

static kept_block *block_of(const weft_event *kept)
{
    return (kept_block *)((uintptr_t)kept - offsetof(kept_block, event));
}

static const weft__layout *layout_of(const weft_event *lent)
{
    return ((const weft__loan *)((uintptr_t)lent - offsetof(weft__loan, event)))->layout;
}

bool weft__event_is_kept(const weft_event *event)
{
    struct weft_event_keeper *keeper = keeper_of(event);
    return keeper != NULL && atomic_load_explicit(&keeper->kept, memory_order_relaxed) == event;
}

/* ---- measuring ---- */

static size_t string_bytes(const char *string)
{
    return string != NULL ? strlen(string) + 1 : 0;
}

void weft__event_measure(const weft_event *event, weft__layout *ret)
{
    const weft__plan *plan = ret->plan = weft__plan_of(event->type);
    ret->bytes = 0;
    for (unsigned i = 0; i < plan->string_count; i++) {
        ret->sizes[i] = string_bytes(weft__plan_string_of(event, &plan->strings[i]));
        ret->bytes += ret->sizes[i];
    }
    for (size_t i = 0; event->tags != NULL && i < event->tag_count; i++)
        ret->bytes += string_bytes(event->tags[i]);
    for (size_t i = 0; event->attributes != NULL && i < event->attribute_count; i++)
        ret->bytes += string_bytes(event->attributes[i].key) + string_bytes(event->attributes[i].value);
}

static size_t block_bytes(const weft_event *event, const weft__layout *layout, size_t node_bytes)
{
    size_t tags = event->tags != NULL ? event->tag_count : 0;
    size_t attributes = event->attributes != NULL ? event->attribute_count : 0;
    return sizeof(kept_block) + tags * sizeof *event->tags + attributes * sizeof *event->attributes + layout->bytes +
           node_bytes;
}

/* ---- copying ---- */

static const char *copy_string(char **at, const char *string, size_t bytes)
{
    if (bytes == 0)
        return NULL;
    char *to = *at;
    memcpy(to, string, bytes - 1);
    to[bytes - 1] = '\0';
    *at += bytes;
    return to;
}

static void copy_strings(char **at, weft_event *event, const weft__layout *layout, size_t node_bytes)
{
    const weft__plan *plan = layout->plan;
    for (unsigned i = 0; i < plan->string_count; i++) {
        const char **string = (const char **)((char *)event + plan->strings[i].offset);
        *string = copy_string(at, *string, layout->sizes[i]);
    }
    if (plan->type == WEFT_EVENT_NONE) /* nobody knows which bytes of its payload are pointers */
        memset(&event->custom, 0, sizeof event->custom);
    event->id.node = copy_string(at, event->id.node, node_bytes);
}

static void copy_tags(char **at, weft_event *event, const char **to, const size_t *sizes)
{
    const char *const *from = event->tags;
    for (size_t i = 0; i < event->tag_count; i++)
        to[i] = copy_string(at, from[i], sizes != NULL ? sizes[i] : string_bytes(from[i]));
    event->tags = event->tag_count > 0 ? to : NULL;
}

static void copy_attributes(char **at, weft_event *event, weft_attribute *to, const weft__attribute_sizes *sizes)
{
    const weft_attribute *from = event->attributes;
    for (size_t i = 0; i < event->attribute_count; i++) {
        to[i].key = copy_string(at, from[i].key, sizes != NULL ? sizes[i].key : string_bytes(from[i].key));
        to[i].value = copy_string(at, from[i].value, sizes != NULL ? sizes[i].value : string_bytes(from[i].value));
    }
    event->attributes = event->attribute_count > 0 ? to : NULL;
}

/* The arrays hold pointers and come first, where the block is aligned for them. */
static void copy_arrays(char **at, weft_event *event, const weft__spans *spans)
{
    event->tag_count = event->tags != NULL ? event->tag_count : 0;
    event->attribute_count = event->attributes != NULL ? event->attribute_count : 0;
    const char **tags = (const char **)(void *)*at;
    weft_attribute *attributes = (weft_attribute *)(void *)(tags + event->tag_count);
    *at = (char *)(attributes + event->attribute_count);
    copy_tags(at, event, tags, spans != NULL ? spans->tags : NULL);
    copy_attributes(at, event, attributes, spans != NULL ? spans->attributes : NULL);
}

/* Ownership: the caller's, with `refs` references. Not yet seen by others: the caller may still set numbers in it.
 * spans may be NULL. */
static weft_event *block_fill(const weft_event *event, const weft__layout *layout, const weft__spans *spans,
                              unsigned refs)
{
    size_t node_bytes = string_bytes(event->id.node), bytes = block_bytes(event, layout, node_bytes);
    kept_block *block = weft__block_alloc(bytes);
    if (block == NULL)
        return NULL;
    char *at = (char *)(block + 1);
    block->event = *event;
    if (event->tag_count + event->attribute_count > 0)
        copy_arrays(&at, &block->event, spans);
    copy_strings(&at, &block->event, layout, node_bytes);
    assert(at == (char *)block + bytes);
    block->event.keeper = &block->keeper;
    block->bytes = bytes;
    atomic_init(&block->refs, refs);
    atomic_init(&block->keeper.kept, &block->event);
    return &block->event;
}

/* layout NULL: not measured yet. */
static weft_event *block_create(const weft_event *event, const weft__layout *layout, unsigned refs)
{
    weft__layout measured;
    if (layout == NULL) {
        weft__event_measure(event, &measured);
        layout = &measured;
    }
    return block_fill(event, layout, NULL, refs);
}

const weft_event *weft__event_keep_spans(const weft_event *event, const weft__spans *spans)
{
    return block_fill(event, spans->layout, spans, 1);
}

static const weft_event *ref(const weft_event *kept, unsigned n)
{
    if (n > 0)
        atomic_fetch_add_explicit(&block_of(kept)->refs, n, memory_order_relaxed);
    return kept;
}

/* ---- who shares the copy ---- */

/* Makes the copy of a loan, one more reference for the loan itself. */
static const weft_event *loan_keep(struct weft_event_keeper *keeper, const weft_event *event, unsigned n)
{
    const weft_event *kept = NULL;
    const weft_event *copy = block_create(event, layout_of(event), n + 1);
    if (copy == NULL)
        return NULL;
    if (atomic_compare_exchange_strong_explicit(&keeper->kept, &kept, copy, memory_order_acq_rel, memory_order_acquire))
        return copy;
    weft__block_free(block_of(copy));
    return ref(kept, n);
}

static const weft_event *pass_keep(weft__pass *pass, unsigned n)
{
    if (pass->kept != NULL)
        return ref(pass->kept, n);
    weft_event *copy = block_create(pass->event, NULL, n + 1);
    if (copy == NULL)
        return NULL;
    copy->accepted_ms = weft_clock_wall_ms(pass->clock);
    if (copy->timestamp_ms == 0)
        copy->timestamp_ms = copy->accepted_ms;
    pass->kept = copy;
    return copy;
}

static weft__pass *pass_of(const weft_event *event)
{
    weft__pass *pass = weft__passing;
    while (pass != NULL && pass->event != event)
        pass = pass->outer;
    return pass;
}

static const weft_event *plain_keep(const weft_event *event, unsigned n)
{
    weft__pass *pass = pass_of(event);
    return pass != NULL ? pass_keep(pass, n) : block_create(event, NULL, n);
}

const weft_event *weft__event_keep_n(const weft_event *event, unsigned n)
{
    struct weft_event_keeper *keeper = keeper_of(event);
    if (keeper == NULL)
        return plain_keep(event, n);
    const weft_event *kept = atomic_load_explicit(&keeper->kept, memory_order_acquire);
    return kept != NULL ? ref(kept, n) : loan_keep(keeper, event, n);
}

const weft_event *weft__loan_keep_last(weft__loan *loan, unsigned n)
{
    const weft_event *kept = atomic_load_explicit(&loan->keeper.kept, memory_order_acquire);
    if (kept == NULL)
        return block_create(&loan->event, loan->layout, n);
    (void)ref(kept, n - 1);
    atomic_store_explicit(&loan->keeper.kept, NULL, memory_order_relaxed);
    return kept;
}

const weft_event *weft_event_keep(const weft_event *event)
{
    return weft__event_keep_n(event, 1);
}

void weft_event_release(const weft_event *kept)
{
    if (kept == NULL)
        return;
    assert(weft__event_is_kept(kept));
    kept_block *block = block_of(kept);
    /* The last holder needs no atomic subtraction: nobody is left who could take a reference. */
    if (atomic_load_explicit(&block->refs, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1)
        weft__block_free(block);
}

size_t weft_event_kept_bytes(const weft_event *event)
{
    if (weft__event_is_kept(event))
        return block_of(event)->bytes;
    weft__layout layout;
    weft__event_measure(event, &layout);
    return block_bytes(event, &layout, string_bytes(event->id.node));
}

void weft__event_borrow(weft__loan *loan, const weft_event *event)
{
    loan->layout = NULL;
    loan->event = *event;
    loan->event.keeper = &loan->keeper;
    atomic_init(&loan->keeper.kept, NULL);
}

void weft__loan_done(weft__loan *loan)
{
    weft_event_release(atomic_load_explicit(&loan->keeper.kept, memory_order_acquire));
}
