/* weft/dead_letter.h: events that a subscription could not take or handle, kept to be looked at and delivered again.
 *
 * A ring of weft_dispatcher_opts.dead_letters_max: a new letter displaces the oldest, which is counted
 * (weft_dispatcher_stats.dead_letters_displaced). Any thread may call everything here, also from a handler. */
#ifndef WEFT_DEAD_LETTER_H
#define WEFT_DEAD_LETTER_H

#include "weft/dispatcher.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weft_dead_reason {
    WEFT_DEAD_UNSPECIFIED,
    WEFT_DEAD_OVERFLOW,  /* the mailbox was full, and its policy is WEFT_OVERFLOW_DEAD_LETTER */
    WEFT_DEAD_FAILED,    /* the handler failed as often as the subscription's attempts allow */
    WEFT_DEAD_SUSPENDED, /* the subscription is suspended, having failed too often in a row */
} weft_dead_reason;

/* "overflow" … total. */
const char *weft_dead_reason_name(weft_dead_reason reason);

typedef struct weft_dead_letter {
    uint64_t id;             /* from 1, in the order of dying; never used again */
    const weft_event *event; /* a reference */
    weft_origin origin;
    weft_subscription subscription; /* for which it died; may have ended since */
    weft_dead_reason reason;
    weft_status status; /* what the handler returned last; OK if it was not called */
    uint32_t attempts;  /* handler calls */
    int64_t died_ms;    /* since the epoch, UTC */
} weft_dead_letter;

/* Copies the letters with an id above after_id, oldest first. Ownership: release the event of each.
 * Returns the number stored in letters[0..max). */
size_t weft_dead_letters_list(weft_dispatcher *d, uint64_t after_id, weft_dead_letter *letters, size_t max);

/* Delivers a letter again to its subscription, as if the event had just matched; the letter is gone, and a new one is
 * made should that fail too. A suspended subscription is resumed first. Blocks as weft_publish does.
 * Returns OK; NOT_FOUND if there is no such letter, or its subscription has ended (the letter stays then); STOPPED,
 * NESTED or NO_MEMORY, as weft_publish. */
weft_status weft_dead_letter_redeliver(weft_dispatcher *d, uint64_t id);

/* Forgets a letter. Returns OK or NOT_FOUND. */
weft_status weft_dead_letter_forget(weft_dispatcher *d, uint64_t id);

/* Hands each letter there is at the call to visit, oldest first, and forgets it. The letter's event is borrowed. No
 * lock is held around visit. Returns how many. */
size_t weft_dead_letters_drain(weft_dispatcher *d, void (*visit)(const weft_dead_letter *letter, void *user),
                               void *user);

#ifdef __cplusplus
}
#endif
#endif
