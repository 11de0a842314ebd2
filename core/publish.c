/* core/publish.c: from weft_publish to the gates.
 *
 * An event that nobody but inline handlers takes goes straight to them, as it is. Any other is measured, validated and
 * lent: a shallow copy on this stack that takes its times, and of which those who keep it share one deep copy.
 * Threads    any.
 * Invariant  every publish is refused, delivered, or counted under a reason. */
#include "core/clock_private.h"
#include "core/run.h"

static void event_stamp(weft_event *event, int64_t now_ms)
{
    event->accepted_ms = now_ms;
    if (event->timestamp_ms == 0)
        event->timestamp_ms = now_ms;
}

/* Exactly where the stamp will be held against the time: by a time to live, a history or a journal. */
static int64_t stamp_of(const weft__place *p, const weft_event *event)
{
    bool exact = event->ttl_ms != 0 || p->d->history.max > 0 || weft__level_snapshot(p->level)->gates.tap.ops != NULL;
    return exact ? weft_clock_wall_ms(p->d->clock) : weft__clock_stamp_ms(p->d->clock);
}

static weft_status publish_checked(const weft__place *p, const weft_event *event, uint64_t except,
                                   const char **ret_field)
{
    weft__layout layout;
    weft_status status = weft__event_check(event, &layout, ret_field);
    if (status != WEFT_OK) {
        weft__count_in_slot(p->slot, WEFT__COUNT_REFUSED_INVALID, 1);
        return status;
    }
    weft__loan loan;
    weft__event_borrow(&loan, event);
    loan.layout = &layout;
    event_stamp(&loan.event, stamp_of(p, event));
    status = weft__gates_pass(p, &loan, except, ret_field);
    weft__loan_done(&loan);
    return status;
}

/* Its time is missing. */
static weft_status publish_stamped(const weft__place *p, const weft_event *event, uint64_t except)
{
    weft__loan loan;
    weft__event_borrow(&loan, event);
    event_stamp(&loan.event, weft__clock_stamp_ms(p->d->clock));
    weft__deliver_inline(p, &loan.event, WEFT_ORIGIN_LOCAL, except);
    weft__loan_done(&loan);
    return WEFT_OK;
}

/* Only inline handlers take the event. */
static weft_status publish_rare(const weft__place *p, const weft_event *event, uint64_t except)
{
    weft__pass pass;
    weft__pass_begin(&pass, event, p->d->clock);
    weft__deliver_inline(p, event, WEFT_ORIGIN_LOCAL, except);
    weft__pass_end(&pass);
    return WEFT_OK;
}

/* The commonest event: its time set, nobody but inline handlers takes it, and this is not one of those few that are
 * timed. */
WEFT__HOT void publish_common(weft_dispatcher *d, weft__slot *slot, weft__level *level, const weft__snapshot *snapshot,
                              const weft_event *event, size_t type)
{
    weft__pass pass;
    weft__pass_begin(&pass, event, d->clock);
    weft__count_own(&slot->counters.by_type[type], 1);
    if (weft__type_set_has_index(&snapshot->plain, type))
        weft__run_plain(d, slot, level, snapshot, event, type);
    else if (!weft__run_texts(d, slot, level, snapshot, event, type))
        weft__count_in_slot(slot, WEFT__COUNT_UNMATCHED, 1);
    weft__pass_end(&pass);
}

static weft_status __attribute__((noinline))
publish_with_care(const weft__place *p, const weft_event *event, uint64_t except, const char **ret_field)
{
    if (atomic_load_explicit(&p->d->state, memory_order_acquire) != WEFT__RUNNING) {
        weft__count_in_slot(p->slot, WEFT__COUNT_REFUSED_STOPPED, 1);
        return WEFT_STOPPED;
    }
    if (weft__type_set_has(&weft__level_snapshot(p->level)->careful, event->type))
        return publish_checked(p, event, except, ret_field);
    return event->timestamp_ms == 0 ? publish_stamped(p, event, except) : publish_rare(p, event, except);
}

static WEFT__COLD weft_status publish_null(weft_dispatcher *d)
{
    weft__count_unslotted(d, WEFT__COUNT_REFUSED_INVALID, 1);
    return WEFT_INVALID;
}

static WEFT__COLD weft_status publish_no_slot(weft_dispatcher *d)
{
    weft__count_unslotted(d, WEFT__COUNT_REFUSED_MEMORY, 1);
    return WEFT_NO_MEMORY;
}

static WEFT__COLD weft_status publish_nested(weft__slot *slot)
{
    weft__count_in_slot(slot, WEFT__COUNT_REFUSED_NESTED, 1);
    return WEFT_NESTED;
}

static inline bool is_common(weft_dispatcher *d, const weft__slot *slot, const weft_event *event, size_t type,
                             uint64_t except)
{
    return event->timestamp_ms != 0 && event->correlation_id == NULL && except == 0 &&
           weft__count_is_common(&slot->counters.by_type[type]) &&
           atomic_load_explicit(&d->state, memory_order_acquire) == WEFT__RUNNING;
}

WEFT__HOT weft_status publish(weft_dispatcher *d, const weft_event *event, uint64_t except, const char **ret_field)
{
    if (__builtin_expect(event == NULL, 0))
        return publish_null(d);
    weft__slot *slot = weft__slot_here(&d->slots);
    if (__builtin_expect(slot == NULL, 0))
        return publish_no_slot(d);
    weft__snapshot *snapshot;
    weft__level *level = weft__slot_begin_guarding(slot, &d->current, &snapshot);
    if (__builtin_expect(level == NULL, 0))
        return publish_nested(slot);
    size_t type = weft__type_index(event->type);
    weft_status status = WEFT_OK;
    bool quick = weft__type_set_has_index(&snapshot->plain, type) || weft__type_set_has_index(&snapshot->texts, type);
    if (quick && is_common(d, slot, event, type, except))
        publish_common(d, slot, level, snapshot, event, type);
    else
        status = publish_with_care(&(weft__place){d, slot, level}, event, except, ret_field);
    weft__slot_end(&d->slots, slot, level);
    return status;
}

weft_status weft__place_begin(weft__place *ret, weft_dispatcher *d)
{
    weft__slot *slot = weft__slot_here(&d->slots);
    if (slot == NULL)
        return publish_no_slot(d);
    weft__level *level = weft__slot_begin(slot, &d->current);
    if (level == NULL)
        return publish_nested(slot);
    *ret = (weft__place){d, slot, level};
    return WEFT_OK;
}

weft_status weft__publish_except(weft_dispatcher *d, const weft_event *event, weft_subscription except,
                                 const char **ret_field)
{
    if (ret_field != NULL)
        *ret_field = NULL;
    return publish(d, event, except.id, ret_field);
}

weft_status weft_publish_checked(weft_dispatcher *d, const weft_event *event, const char **ret_field)
{
    return weft__publish_except(d, event, (weft_subscription){0}, ret_field);
}

weft_status weft_publish(weft_dispatcher *d, const weft_event *event)
{
    return publish(d, event, 0, NULL);
}
