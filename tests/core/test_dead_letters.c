/* The ring of dead letters alone. Letters are told apart by the seq of their event. */
#include "core/dead_letters.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "support/suite.h"

enum { LETTERS_MAX = 64 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
static bool memory_out;

void *__libc_calloc(size_t count, size_t bytes);

void *calloc(size_t count, size_t bytes)
{
    return memory_out ? NULL : __libc_calloc(count, bytes);
}
#endif

static weft_dead_letter letter_of(uint64_t number)
{
    weft_event event = {
        .type = WEFT_SESSION_MUTATION, .session_id = "s", .session_mutation = {.mutation = "m", .seq = number}};
    return (weft_dead_letter){.event = weft_event_keep(&event),
                              .origin = WEFT_ORIGIN_REMOTE,
                              .subscription = {number + 100},
                              .reason = WEFT_DEAD_FAILED,
                              .status = WEFT_IO,
                              .attempts = 3,
                              .died_ms = 5000 + (int64_t)number};
}

static weft__dead_result add(weft__dead_letters *letters, uint64_t number)
{
    weft_dead_letter letter = letter_of(number);
    return weft__dead_letters_add(letters, &letter);
}

static void setup(weft__dead_letters *letters, uint32_t max, uint64_t numbers)
{
    CU_ASSERT_EQUAL_FATAL(weft__dead_letters_init(letters, max), WEFT_OK);
    for (uint64_t number = 1; number <= numbers; number++)
        (void)add(letters, number);
}

/* Checks that the letters above after_id have these ids, up to a 0. The numbers are the same. */
static void check_list(weft__dead_letters *letters, uint64_t after_id, const uint64_t *ids)
{
    weft_dead_letter found[LETTERS_MAX];
    size_t count = weft__dead_letters_list(letters, after_id, found, LETTERS_MAX);
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(found[i].id, *ids);
        CU_ASSERT_EQUAL(found[i].event->session_mutation.seq, *ids);
        weft_event_release(found[i].event);
        ids += *ids != 0;
    }
    CU_ASSERT_EQUAL(*ids, 0);
}

#define IDS(...)                                                                                                       \
    (const uint64_t[])                                                                                                 \
    {                                                                                                                  \
        __VA_ARGS__, 0                                                                                                 \
    }

static void lists_oldest_first_above_an_id(void)
{
    weft__dead_letters letters;
    weft_dead_letter found[2];
    setup(&letters, 8, 5);
    check_list(&letters, 0, IDS(1, 2, 3, 4, 5));
    check_list(&letters, 3, IDS(4, 5));
    check_list(&letters, 5, IDS(0));
    check_list(&letters, UINT64_MAX, IDS(0));
    CU_ASSERT_EQUAL(weft__dead_letters_list(&letters, 1, found, 2), 2);
    CU_ASSERT_EQUAL(found[1].id, 3);
    CU_ASSERT_EQUAL(weft__dead_letters_list(&letters, 1, NULL, 0), 0);
    weft_event_release(found[0].event);
    weft_event_release(found[1].event);
    weft__dead_letters_fini(&letters);
}

static void keeps_all_of_a_letter_but_its_id(void)
{
    weft__dead_letters letters;
    weft_dead_letter found, letter = letter_of(1);
    setup(&letters, 8, 0);
    letter.id = 77;
    CU_ASSERT_EQUAL(weft__dead_letters_add(&letters, &letter), WEFT__DEAD_STORED);
    CU_ASSERT_EQUAL_FATAL(weft__dead_letters_list(&letters, 0, &found, 1), 1);
    CU_ASSERT_PTR_EQUAL(found.event, letter.event);
    CU_ASSERT_EQUAL(found.origin, WEFT_ORIGIN_REMOTE);
    CU_ASSERT_EQUAL(found.subscription.id, 101);
    CU_ASSERT_EQUAL(found.reason, WEFT_DEAD_FAILED);
    CU_ASSERT_EQUAL(found.status, WEFT_IO);
    CU_ASSERT_EQUAL(found.attempts, 3);
    CU_ASSERT_EQUAL(found.died_ms, 5001);
    weft_event_release(found.event);
    weft__dead_letters_fini(&letters);
}

static void a_new_letter_displaces_the_oldest(void)
{
    weft__dead_letters letters;
    setup(&letters, 3, 0);
    for (uint64_t number = 1; number <= 10; number++)
        CU_ASSERT_EQUAL(add(&letters, number), number <= 3 ? WEFT__DEAD_STORED : WEFT__DEAD_DISPLACED);
    check_list(&letters, 0, IDS(8, 9, 10));
    check_list(&letters, 8, IDS(9, 10));
    weft__dead_letters_fini(&letters);
}

static void one_letter_is_a_ring_too(void)
{
    weft__dead_letters letters;
    setup(&letters, 1, 4);
    check_list(&letters, 0, IDS(4));
    CU_ASSERT_EQUAL(weft__dead_letters_forget(&letters, 4), WEFT_OK);
    CU_ASSERT_EQUAL(add(&letters, 5), WEFT__DEAD_STORED);
    check_list(&letters, 0, IDS(5));
    weft__dead_letters_fini(&letters);
}

static void nothing_is_displaced_while_there_is_room(void)
{
    weft__dead_letters letters;
    setup(&letters, 4, 6);
    CU_ASSERT_EQUAL(weft__dead_letters_forget(&letters, 5), WEFT_OK);
    CU_ASSERT_EQUAL(weft__dead_letters_forget(&letters, 4), WEFT_OK);
    CU_ASSERT_EQUAL(add(&letters, 7), WEFT__DEAD_STORED);
    CU_ASSERT_EQUAL(add(&letters, 8), WEFT__DEAD_STORED);
    check_list(&letters, 0, IDS(3, 6, 7, 8));
    check_list(&letters, 4, IDS(6, 7, 8));
    CU_ASSERT_EQUAL(add(&letters, 9), WEFT__DEAD_DISPLACED);
    check_list(&letters, 0, IDS(6, 7, 8, 9));
    weft__dead_letters_fini(&letters);
}

static void a_letter_is_taken_once(void)
{
    weft__dead_letters letters;
    weft_dead_letter taken = {0};
    setup(&letters, 4, 6);
    CU_ASSERT(weft__dead_letters_take(&letters, 3, &taken));
    CU_ASSERT_EQUAL(taken.id, 3);
    CU_ASSERT_EQUAL(taken.event->session_mutation.seq, 3);
    weft_event_release(taken.event);
    taken.id = 99;
    CU_ASSERT(!weft__dead_letters_take(&letters, 3, &taken));
    CU_ASSERT(!weft__dead_letters_take(&letters, 2, &taken));
    CU_ASSERT(!weft__dead_letters_take(&letters, 0, &taken));
    CU_ASSERT(!weft__dead_letters_take(&letters, 7, &taken));
    CU_ASSERT_EQUAL(weft__dead_letters_forget(&letters, 3), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(taken.id, 99);
    check_list(&letters, 0, IDS(4, 5, 6));
    weft__dead_letters_fini(&letters);
}

static void tells_the_subscription_of_a_letter(void)
{
    weft__dead_letters letters;
    weft_subscription subscription = {99};
    setup(&letters, 4, 6);
    CU_ASSERT(!weft__dead_letters_get_subscription(&letters, 2, &subscription));
    CU_ASSERT_EQUAL(subscription.id, 99);
    CU_ASSERT(weft__dead_letters_get_subscription(&letters, 5, &subscription));
    CU_ASSERT_EQUAL(subscription.id, 105);
    check_list(&letters, 0, IDS(3, 4, 5, 6));
    weft__dead_letters_fini(&letters);
}

static void clearing_forgets_all_and_no_id_comes_again(void)
{
    weft__dead_letters letters;
    setup(&letters, 3, 5);
    weft__dead_letters_clear(&letters);
    check_list(&letters, 0, IDS(0));
    CU_ASSERT_EQUAL(weft__dead_letters_forget(&letters, 5), WEFT_NOT_FOUND);
    weft__dead_letters_clear(&letters);
    CU_ASSERT_EQUAL(add(&letters, 6), WEFT__DEAD_STORED);
    check_list(&letters, 0, IDS(6));
    weft__dead_letters_fini(&letters);
}

static void an_unused_ring_is_not_allocated(void)
{
    weft__dead_letters letters;
    setup(&letters, UINT32_MAX, 0);
    CU_ASSERT_PTR_NULL(letters.ring);
    check_list(&letters, 0, IDS(0));
    CU_ASSERT_EQUAL(weft__dead_letters_forget(&letters, 1), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(weft__dead_letters_drain(&letters, NULL, NULL), 0);
    weft__dead_letters_fini(&letters);
}

#ifdef SANITIZED
static void without_memory_the_new_letter_is_gone(void)
{
    suite_skip("a sanitizer stands in for calloc");
}
#else
static void without_memory_the_new_letter_is_gone(void)
{
    weft__dead_letters letters;
    weft_dead_letter letter = letter_of(1);
    setup(&letters, 4, 0);
    memory_out = true;
    weft__dead_result result = weft__dead_letters_add(&letters, &letter);
    memory_out = false;
    CU_ASSERT_EQUAL(result, WEFT__DEAD_NO_MEMORY);
    check_list(&letters, 0, IDS(0));
    CU_ASSERT_EQUAL(add(&letters, 1), WEFT__DEAD_STORED);
    check_list(&letters, 0, IDS(1));
    weft__dead_letters_fini(&letters);
}
#endif

/* ---- draining ---- */

typedef struct drainer {
    weft__dead_letters *letters;
    uint64_t seen[LETTERS_MAX];
    size_t count;
} drainer;

/* The lock is not held: what visit adds is not visited, what it takes away neither. */
static void visit_and_meddle(const weft_dead_letter *letter, void *user)
{
    drainer *d = user;
    CU_ASSERT_EQUAL(letter->event->session_mutation.seq, letter->id);
    d->seen[d->count++] = letter->id;
    CU_ASSERT_EQUAL(weft__dead_letters_forget(d->letters, letter->id), WEFT_NOT_FOUND);
    if (letter->id == 4)
        CU_ASSERT_EQUAL(weft__dead_letters_forget(d->letters, 6), WEFT_OK);
    (void)add(d->letters, 7 + d->count);
}

static void drains_what_was_there(void)
{
    weft__dead_letters letters;
    drainer d = {.letters = &letters};
    setup(&letters, 8, 7);
    CU_ASSERT_EQUAL(weft__dead_letters_forget(&letters, 2), WEFT_OK);
    CU_ASSERT_EQUAL(weft__dead_letters_drain(&letters, visit_and_meddle, &d), 5);
    CU_ASSERT_EQUAL(d.count, 5);
    for (size_t i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(d.seen[i], IDS(1, 3, 4, 5, 7)[i]);
    check_list(&letters, 0, IDS(8, 9, 10, 11, 12));
    weft__dead_letters_fini(&letters);
}

/* ---- against a plain array ---- */

typedef struct reference {
    uint64_t ids[LETTERS_MAX + 1];
    size_t count;
    uint64_t last_id;
} reference;

static bool reference_forget(reference *r, uint64_t id)
{
    size_t kept = 0, before = r->count;
    for (size_t i = 0; i < before; i++)
        if (r->ids[i] != id)
            r->ids[kept++] = r->ids[i];
    r->count = kept;
    return kept < before;
}

static void step(weft__dead_letters *letters, reference *r, unsigned dice)
{
    if (dice % 3 != 0) {
        bool full = r->count == letters->max;
        CU_ASSERT_EQUAL(add(letters, r->last_id + 1), full ? WEFT__DEAD_DISPLACED : WEFT__DEAD_STORED);
        if (full)
            (void)reference_forget(r, r->ids[0]);
        r->ids[r->count++] = ++r->last_id;
    } else {
        uint64_t id = r->last_id - dice / 3 % (letters->max + 2);
        CU_ASSERT_EQUAL(weft__dead_letters_forget(letters, id), reference_forget(r, id) ? WEFT_OK : WEFT_NOT_FOUND);
    }
}

static void agrees_with_a_plain_array(void)
{
    unsigned seed = 20240607;
    for (uint32_t max = 1; max < 24; max++) {
        weft__dead_letters letters;
        reference r = {0};
        setup(&letters, max, 0);
        for (int i = 0; i < 400; i++) {
            seed = seed * 1664525u + 1013904223u;
            step(&letters, &r, seed >> 12);
            r.ids[r.count] = 0;
            check_list(&letters, 0, r.ids);
        }
        weft__dead_letters_fini(&letters);
    }
}

/* ---- threads ---- */

enum { THREADS = 4, EACH = 2000 };

typedef struct crowd {
    weft__dead_letters letters;
    atomic_int stored, displaced, taken, running;
} crowd;

static void *add_many(void *user)
{
    crowd *c = user;
    for (uint64_t number = 1; number <= EACH; number++) {
        weft__dead_result result = add(&c->letters, number);
        atomic_fetch_add(result == WEFT__DEAD_STORED ? &c->stored : &c->displaced, 1);
    }
    atomic_fetch_sub(&c->running, 1);
    return NULL;
}

static void *take_many(void *user)
{
    crowd *c = user;
    weft_dead_letter found[4];
    while (c->running > 0) {
        size_t count = weft__dead_letters_list(&c->letters, 0, found, 4);
        for (size_t i = 0; i < count; i++) {
            if (weft__dead_letters_forget(&c->letters, found[i].id) == WEFT_OK)
                atomic_fetch_add(&c->taken, 1);
            weft_event_release(found[i].event);
        }
    }
    return NULL;
}

static void every_letter_is_kept_displaced_or_taken_once(void)
{
    static crowd c;
    pthread_t threads[THREADS];
    c = (crowd){.running = THREADS / 2};
    setup(&c.letters, 16, 0);
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, i % 2 ? take_many : add_many, &c), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(c.stored + c.displaced, THREADS / 2 * EACH);
    CU_ASSERT_EQUAL((uint32_t)(c.stored - c.taken), c.letters.count);
    CU_ASSERT_EQUAL(c.letters.last_id, (uint64_t)THREADS / 2 * EACH);
    weft__dead_letters_fini(&c.letters);
}

static void every_reason_has_a_name(void)
{
    CU_ASSERT_STRING_EQUAL(weft_dead_reason_name(WEFT_DEAD_OVERFLOW), "overflow");
    CU_ASSERT_STRING_EQUAL(weft_dead_reason_name(WEFT_DEAD_FAILED), "failed");
    CU_ASSERT_STRING_EQUAL(weft_dead_reason_name(WEFT_DEAD_SUSPENDED), "suspended");
    CU_ASSERT_STRING_EQUAL(weft_dead_reason_name((weft_dead_reason)99), "unspecified");
    CU_ASSERT_STRING_EQUAL(weft_dead_reason_name((weft_dead_reason)-1), "unspecified");
}

SUITE(core_dead_letters, CASE(lists_oldest_first_above_an_id), CASE(keeps_all_of_a_letter_but_its_id),
      CASE(a_new_letter_displaces_the_oldest), CASE(one_letter_is_a_ring_too),
      CASE(nothing_is_displaced_while_there_is_room), CASE(a_letter_is_taken_once),
      CASE(tells_the_subscription_of_a_letter), CASE(clearing_forgets_all_and_no_id_comes_again),
      CASE(an_unused_ring_is_not_allocated), CASE(without_memory_the_new_letter_is_gone), CASE(drains_what_was_there),
      CASE(agrees_with_a_plain_array), CASE(every_letter_is_kept_displaced_or_taken_once),
      CASE(every_reason_has_a_name))
