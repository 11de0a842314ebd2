/* core/event_private.h: how an event lent to handlers and its kept copy belong together.
 *
 * A keeper stands right before its event in memory, and the event points to it. Only then does it count: a struct
 * copied out of a handler still points to the old keeper, but no longer stands behind it, and so is a plain event,
 * whatever has become of the keeper since.
 *
 *   weft__loan loan;
 *   weft__event_borrow(&loan, event);
 *   loan.event.accepted_ms = now;       stamps first: the first keep freezes the copy
 *   handler(&loan.event, user);         each weft_event_keep inside shares one copy
 *   weft__loan_done(&loan);
 *
 * An event that is kept already and needs no stamp is handed on as it is: weft_event_keep only counts a reference.
 *
 * An event may also be handed to inline handlers without a loan, then it stands in a pass. A keeper of its own comes
 * before the pass, and a struct copied out of a handler is no longer the event of the pass. */
#ifndef WEFT_CORE_EVENT_PRIVATE_H
#define WEFT_CORE_EVENT_PRIVATE_H

#include <stdatomic.h>

#include "core/block_pool.h"
#include "core/event_plan.h"
#include "weft/clock.h"
#include "weft/schema.h"

/* Lengths of the strings of one event, measured while validating. Holds as long as none of them is changed. */
typedef struct weft__layout {
    const weft__plan *plan; /* of the event's type */
    size_t bytes;           /* of all strings but id.node, those of tags and attributes too, each with its NUL */
    size_t sizes[WEFT__PLAN_STRINGS_MAX]; /* of each in the type's plan, with its NUL; 0: absent */
} weft__layout;

/* As weft_event_validate, and remembers what a copy needs. */
weft_status weft__event_check(const weft_event *event, weft__layout *ret, const char **ret_field);

typedef struct weft__fault {
    const char *field;
    const char *what; /* "missing"; both static */
} weft__fault;

/* As weft_event_validate, and says what is wrong. What only a publisher owes is not asked for unless `publishing`: an
 * event of another node, which may know other rules, must arrive. ret_fault is untouched if the event is good. */
weft_status weft__event_judge(const weft_event *event, bool publishing, weft__fault *ret_fault);
/* Measures an event that nobody has validated. */
void weft__event_measure(const weft_event *event, weft__layout *ret);

typedef struct weft__attribute_sizes {
    size_t key;
    size_t value;
} weft__attribute_sizes;

/* Of an event whose strings lie in a message, without NULs, found to be UTF-8 and measured by the reader: sizes as in a
 * layout, and those of tags, keys and values, which are all there. */
typedef struct weft__spans {
    weft__layout *layout;
    const size_t *tags;
    const weft__attribute_sizes *attributes;
} weft__spans;

/* Copies such an event; only id.node has to have its NUL. Ownership: one reference. NULL when memory is out. */
const weft_event *weft__event_keep_spans(const weft_event *event, const weft__spans *spans);
/* As weft__event_judge for the copy, by what the reader has measured. */
weft_status weft__event_judge_measured(const weft_event *kept, weft__layout *layout, weft__fault *ret_fault);

struct weft_event_keeper {
    _Atomic(const weft_event *) kept; /* the copy, one reference of which is ours; NULL: none yet */
};

typedef struct weft__loan {
    const weft__layout *layout; /* of the event but for id.node; NULL: a copy measures it */
    struct weft_event_keeper keeper;
    weft_event event;
} weft__loan;

/* Makes a shallow copy of the event that remembers its kept copy. Strings and arrays stay the original's. The loan must
 * not move. Ownership: end it with weft__loan_done. No allocation. */
void weft__event_borrow(weft__loan *loan, const weft_event *event);
/* Gives back the loan's own reference to the kept copy, if somebody made one. */
void weft__loan_done(weft__loan *loan);

/* As weft_event_keep, n references (at least 1) at once. */
const weft_event *weft__event_keep_n(const weft_event *event, unsigned n);
/* The same on a loan, but one of the n references is the loan's own, which forgets the copy: nobody shall keep through
 * the loan any more (who does gets a copy of his own). A fresh copy then costs no atomic operation. */
const weft_event *weft__loan_keep_last(weft__loan *loan, unsigned n);

/* Whether the event is one that weft_event_keep returned. */
bool weft__event_is_kept(const weft_event *event);

/* An event handed to inline handlers as it is, without a loan: those on this thread that keep it inside share one
 * copy, with its times set. Passes lie inside one another on the publisher's stack. */
typedef struct weft__pass {
    const weft_event *event;
    const weft_event *kept; /* NULL: nobody has kept it */
    const weft_clock *clock;
    struct weft__pass *outer;
} weft__pass;

extern _Thread_local weft__pass *weft__passing; /* innermost of this thread */

static inline void weft__pass_begin(weft__pass *pass, const weft_event *event, const weft_clock *clock)
{
    *pass = (weft__pass){.event = event, .clock = clock, .outer = weft__passing};
    weft__passing = pass;
}

static inline void weft__pass_end(weft__pass *pass)
{
    weft__passing = pass->outer;
    if (__builtin_expect(pass->kept != NULL, 0))
        weft_event_release(pass->kept);
}

/* Where a field of the event is; the kind says what lies there. */
static inline const void *weft__field_at(const weft_event *event, const weft_field *field)
{
    return (const char *)event + field->offset;
}

#endif
