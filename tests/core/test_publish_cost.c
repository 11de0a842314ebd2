/* Publishing to inline takers takes no lock and allocates nothing: counted by standing in for the functions that would.
 * Sanitizers stand in for the same functions, so with them there is nothing to count and the case is skipped. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "support/suite.h"
#include "weft/tap.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
static atomic_uint allocations;
static atomic_uint locks;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes)
{
    allocations++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    allocations++;
    return __libc_calloc(count, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    allocations++;
    return __libc_memalign(alignment, bytes);
}

int pthread_mutex_lock(pthread_mutex_t *lock)
{
    static _Atomic(void *) real;
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    int (*call)(pthread_mutex_t *);
    *(void **)&call = real;
    locks++;
    return call(lock);
}
#endif

enum { ROUNDS = 3000 };

typedef struct inner {
    weft_dispatcher *bus;
    uint64_t calls;
} inner;

static weft_status count(const weft_event *event, void *user)
{
    (void)event;
    ++*(uint64_t *)user;
    return WEFT_OK;
}

static weft_status publish_inside(const weft_event *event, void *user)
{
    (void)event;
    inner *i = user;
    i->calls++;
    return weft_publish(i->bus, &(weft_event){.type = WEFT_TOKEN_USAGE, .token_usage = {.model = "m"}});
}

static weft_status tap_accept(void *user, weft_event *event)
{
    event->id.seq = ++*(uint64_t *)user;
    return WEFT_OK;
}

static void tap_interest_changed(void *user, uint32_t topics)
{
    (void)user;
    (void)topics;
}

static const weft_tap_ops ops = {.accept = tap_accept, .interest_changed = tap_interest_changed};

static void publish_round(weft_dispatcher *bus)
{
    const char *tags[] = {"red"};
    weft_event event = {.type = WEFT_TOOL_CALL_START,
                        .session_id = "s1",
                        .source = "agent.a",
                        .tags = tags,
                        .tag_count = 1,
                        .tool_call_start = {.tool_name = "t", .call_id = "c"}};
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){.type = WEFT_AGENT_START}), WEFT_OK);
}

#ifdef SANITIZED
static void inline_takers_cost_no_lock_and_no_allocation(void)
{
    (void)publish_round;
    (void)publish_inside;
    (void)count;
    (void)ops;
    suite_skip("a sanitizer stands in for malloc and the locks");
}
#else
static void inline_takers_cost_no_lock_and_no_allocation(void)
{
    weft_dispatcher *bus = NULL;
    uint64_t all = 0, cost = 0, taken = 0;
    const char *tags[] = {"red"};
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(NULL, &bus), WEFT_OK);
    inner nested = {.bus = bus};
    weft_filter tools = {
        .topics = WEFT_TOPIC_TOOL, .source = "agent.*", .tags_required = tags, .tags_required_count = 1};
    CU_ASSERT_EQUAL(weft_subscribe(bus, &(weft_filter){.session_id = "s1"}, count, &all, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_subscribe(bus, &tools, publish_inside, &nested, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_subscribe(bus, &(weft_filter){.topics = WEFT_TOPIC_COST}, count, &cost, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &taken), WEFT_OK);
    publish_round(bus); /* a thread's first registers it */
    all = cost = taken = 0;
    unsigned allocations_before = allocations, locks_before = locks;
    for (int i = 0; i < ROUNDS; i++)
        publish_round(bus);
    CU_ASSERT_EQUAL(allocations, allocations_before);
    CU_ASSERT_EQUAL(locks, locks_before);
    CU_ASSERT_EQUAL(all, ROUNDS);
    CU_ASSERT_EQUAL(cost, ROUNDS);
    CU_ASSERT_EQUAL(taken, 3 * ROUNDS);
    /* The counting counts: a queue does cost both. */
    CU_ASSERT_EQUAL(weft_subscribe_with(bus, NULL, &(weft_subscribe_opts){.queued = true}, count, &all, NULL), WEFT_OK);
    allocations_before = allocations;
    locks_before = locks;
    publish_round(bus);
    CU_ASSERT(allocations > allocations_before);
    CU_ASSERT(locks > locks_before);
    weft_dispatcher_destroy(bus);
}
#endif

SUITE(core_publish_cost, CASE(inline_takers_cost_no_lock_and_no_allocation))
