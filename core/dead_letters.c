/* core/dead_letters.c: letters are found by bisection; those behind one that is taken out move up.
 *
 * Simplification: to take one out of the middle costs a walk over the ring; with some hundred thousand letters it wants
 * a list. */
#include "core/dead_letters.h"

#include <assert.h>
#include <stdlib.h>

const char *weft_dead_reason_name(weft_dead_reason reason)
{
    static const char *const names[] = {
        [WEFT_DEAD_UNSPECIFIED] = "unspecified",
        [WEFT_DEAD_OVERFLOW] = "overflow",
        [WEFT_DEAD_FAILED] = "failed",
        [WEFT_DEAD_SUSPENDED] = "suspended",
    };
    return (unsigned)reason < sizeof names / sizeof *names ? names[reason] : names[WEFT_DEAD_UNSPECIFIED];
}

weft_status weft__dead_letters_init(weft__dead_letters *letters, uint32_t max)
{
    assert(max > 0);
    *letters = (weft__dead_letters){.max = max};
    return pthread_mutex_init(&letters->lock, NULL) == 0 ? WEFT_OK : WEFT_NO_MEMORY;
}

void weft__dead_letters_fini(weft__dead_letters *letters)
{
    weft__dead_letters_clear(letters);
    pthread_mutex_destroy(&letters->lock);
}

static weft_dead_letter *letter_at(weft__dead_letters *letters, uint32_t index)
{
    return &letters->ring[((uint64_t)letters->start + index) % letters->max];
}

/* How many letters have an id up to this one. */
static uint32_t count_up_to_locked(weft__dead_letters *letters, uint64_t id)
{
    uint32_t low = 0, high = letters->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (letter_at(letters, middle)->id <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool index_of_locked(weft__dead_letters *letters, uint64_t id, uint32_t *ret)
{
    uint32_t behind = count_up_to_locked(letters, id);
    if (behind == 0 || letter_at(letters, behind - 1)->id != id)
        return false;
    *ret = behind - 1;
    return true;
}

static weft_dead_letter oldest_take_locked(weft__dead_letters *letters)
{
    weft_dead_letter oldest = *letter_at(letters, 0);
    letters->start = (letters->start + 1) % letters->max;
    letters->count--;
    return oldest;
}

static weft_dead_letter index_take_locked(weft__dead_letters *letters, uint32_t index)
{
    weft_dead_letter taken = *letter_at(letters, index);
    letters->count--;
    for (; index < letters->count; index++)
        *letter_at(letters, index) = *letter_at(letters, index + 1);
    return taken;
}

static weft__dead_result add_locked(weft__dead_letters *letters, const weft_dead_letter *letter,
                                    weft_dead_letter *ret_gone)
{
    weft__dead_result result = WEFT__DEAD_STORED;
    if (letters->ring == NULL && (letters->ring = calloc(letters->max, sizeof *letters->ring)) == NULL) {
        *ret_gone = *letter;
        return WEFT__DEAD_NO_MEMORY;
    }
    if (letters->count == letters->max) {
        *ret_gone = oldest_take_locked(letters);
        result = WEFT__DEAD_DISPLACED;
    }
    weft_dead_letter *added = letter_at(letters, letters->count++);
    *added = *letter;
    added->id = ++letters->last_id;
    return result;
}

weft__dead_result weft__dead_letters_add(weft__dead_letters *letters, const weft_dead_letter *letter)
{
    weft_dead_letter gone = {0};
    pthread_mutex_lock(&letters->lock);
    weft__dead_result result = add_locked(letters, letter, &gone);
    pthread_mutex_unlock(&letters->lock);
    weft_event_release(gone.event);
    return result;
}

bool weft__dead_letters_get_subscription(weft__dead_letters *letters, uint64_t id, weft_subscription *ret)
{
    uint32_t index;
    pthread_mutex_lock(&letters->lock);
    bool found = index_of_locked(letters, id, &index);
    if (found)
        *ret = letter_at(letters, index)->subscription;
    pthread_mutex_unlock(&letters->lock);
    return found;
}

bool weft__dead_letters_take(weft__dead_letters *letters, uint64_t id, weft_dead_letter *ret)
{
    uint32_t index;
    pthread_mutex_lock(&letters->lock);
    bool found = index_of_locked(letters, id, &index);
    if (found)
        *ret = index_take_locked(letters, index);
    pthread_mutex_unlock(&letters->lock);
    return found;
}

static weft_dead_letter letter_copy(const weft_dead_letter *letter)
{
    weft_dead_letter copy = *letter;
    copy.event = weft_event_keep(letter->event);
    return copy;
}

size_t weft__dead_letters_list(weft__dead_letters *letters, uint64_t after_id, weft_dead_letter *ret, size_t max)
{
    size_t stored = 0;
    pthread_mutex_lock(&letters->lock);
    for (uint32_t i = count_up_to_locked(letters, after_id); i < letters->count && stored < max; i++)
        ret[stored++] = letter_copy(letter_at(letters, i));
    pthread_mutex_unlock(&letters->lock);
    return stored;
}

weft_status weft__dead_letters_forget(weft__dead_letters *letters, uint64_t id)
{
    weft_dead_letter letter;
    if (!weft__dead_letters_take(letters, id, &letter))
        return WEFT_NOT_FOUND;
    weft_event_release(letter.event);
    return WEFT_OK;
}

static uint64_t last_id(weft__dead_letters *letters)
{
    pthread_mutex_lock(&letters->lock);
    uint64_t id = letters->last_id;
    pthread_mutex_unlock(&letters->lock);
    return id;
}

static bool oldest_take(weft__dead_letters *letters, uint64_t up_to_id, weft_dead_letter *ret)
{
    pthread_mutex_lock(&letters->lock);
    bool any = letters->count > 0 && letter_at(letters, 0)->id <= up_to_id;
    if (any)
        *ret = oldest_take_locked(letters);
    pthread_mutex_unlock(&letters->lock);
    return any;
}

size_t weft__dead_letters_drain(weft__dead_letters *letters, void (*visit)(const weft_dead_letter *letter, void *user),
                                void *user)
{
    size_t visited = 0;
    weft_dead_letter letter;
    for (uint64_t up_to_id = last_id(letters); oldest_take(letters, up_to_id, &letter); visited++) {
        visit(&letter, user);
        weft_event_release(letter.event);
    }
    return visited;
}

void weft__dead_letters_clear(weft__dead_letters *letters)
{
    pthread_mutex_lock(&letters->lock);
    weft__dead_letters cleared = {
        .max = letters->max, .ring = letters->ring, .start = letters->start, .count = letters->count};
    letters->ring = NULL;
    letters->count = 0;
    pthread_mutex_unlock(&letters->lock);
    for (uint32_t i = 0; i < cleared.count; i++)
        weft_event_release(letter_at(&cleared, i)->event);
    free(cleared.ring);
}
