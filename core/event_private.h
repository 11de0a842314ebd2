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
 * An event that is kept already and needs no stamp is handed on as it is: weft_event_keep only counts a reference. */
#ifndef WEFT_CORE_EVENT_PRIVATE_H
#define WEFT_CORE_EVENT_PRIVATE_H

#include <stdatomic.h>

#include "weft/schema.h"

struct weft_event_keeper {
    _Atomic(const weft_event *) kept; /* the copy, one reference of which is ours; NULL: none yet */
};

typedef struct weft__loan {
    struct weft_event_keeper keeper;
    weft_event event;
} weft__loan;

/* Makes a shallow copy of the event that remembers its kept copy. Strings and arrays stay the original's. The loan must
 * not move. Ownership: end it with weft__loan_done. No allocation. */
void weft__event_borrow(weft__loan *loan, const weft_event *event);
/* Gives back the loan's own reference to the kept copy, if somebody made one. */
void weft__loan_done(weft__loan *loan);

/* Whether the event is one that weft_event_keep returned. */
bool weft__event_is_kept(const weft_event *event);

static inline bool weft__field_is_string(const weft_field *field)
{
    return field->kind <= WEFT_FIELD_JSON;
}

/* Where a field of the event is; the kind says what lies there. */
static inline const void *weft__field_at(const weft_event *event, const weft_field *field)
{
    return (const char *)event + field->offset;
}

#endif
