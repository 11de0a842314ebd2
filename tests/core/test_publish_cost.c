/* Publishing to inline takers takes no lock and allocates nothing: counted by standing in for the functions that would.
 * It makes no system call: a child of which the kernel takes them all away lives. Sanitizers stand in for the same
 * functions, and call what they like, so with them the cases are skipped. */
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fake_clock.h"
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

static bool publish_round(weft_dispatcher *bus)
{
    const char *tags[] = {"red"};
    weft_event event = {.type = WEFT_TOOL_CALL_START,
                        .session_id = "s1",
                        .source = "agent.a",
                        .tags = tags,
                        .tag_count = 1,
                        .tool_call_start = {.tool_name = "t", .call_id = "c"}};
    return weft_publish(bus, &event) == WEFT_OK &&
           weft_publish(bus, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a"}) == WEFT_OK &&
           weft_publish(bus, &(weft_event){.type = WEFT_AGENT_START, .timestamp_ms = 1, .agent_id = "a"}) == WEFT_OK;
}

/* A dispatcher with inline takers of all kinds. */
typedef struct scene {
    weft_dispatcher *bus;
    inner nested;
    uint64_t all, cost, plain, taken;
} scene;

static bool scene_init(scene *s, const weft_clock *clock)
{
    static const char *const tags[] = {"red"};
    *s = (scene){0};
    if (weft_dispatcher_create(&(weft_dispatcher_opts){.clock = clock}, &s->bus) != WEFT_OK)
        return false;
    s->nested.bus = s->bus;
    weft_filter tools = {
        .topics = WEFT_TOPIC_TOOL, .source = "agent.*", .tags_required = tags, .tags_required_count = 1};
    weft_filter agents = {.topics = WEFT_TOPIC_AGENT}, costs = {.topics = WEFT_TOPIC_COST};
    return weft_subscribe(s->bus, &(weft_filter){.session_id = "s1"}, count, &s->all, NULL) == WEFT_OK &&
           weft_subscribe(s->bus, &tools, publish_inside, &s->nested, NULL) == WEFT_OK &&
           weft_subscribe(s->bus, &agents, count, &s->plain, NULL) == WEFT_OK &&
           weft_subscribe(s->bus, &costs, count, &s->cost, NULL) == WEFT_OK;
}

static bool queue_add(scene *s)
{
    weft_subscribe_opts queued = {.queued = true};
    return weft_subscribe_with(s->bus, NULL, &queued, count, &s->all, NULL) == WEFT_OK;
}

#ifdef SANITIZED
static void inline_takers_cost_no_lock_and_no_allocation(void)
{
    (void)publish_round;
    (void)scene_init;
    (void)queue_add;
    (void)ops;
    suite_skip("a sanitizer stands in for malloc and the locks");
}

static void inline_takers_cost_no_system_call(void)
{
    suite_skip("a sanitizer makes system calls of its own");
}
#else
/* A thread's first publish registers it. */
static void check_rounds_cost_nothing(scene *s)
{
    CU_ASSERT(publish_round(s->bus));
    s->all = s->cost = s->plain = s->taken = 0;
    unsigned allocations_before = allocations, locks_before = locks;
    bool published = true;
    for (int i = 0; i < ROUNDS; i++)
        published = publish_round(s->bus) && published;
    CU_ASSERT_EQUAL(allocations, allocations_before);
    CU_ASSERT_EQUAL(locks, locks_before);
    CU_ASSERT(published);
    CU_ASSERT_EQUAL(s->all, ROUNDS);
    CU_ASSERT_EQUAL(s->cost, ROUNDS);
    CU_ASSERT_EQUAL(s->plain, 2 * ROUNDS);
}

static void inline_takers_cost_no_lock_and_no_allocation(void)
{
    scene s;
    CU_ASSERT_FATAL(scene_init(&s, NULL));
    check_rounds_cost_nothing(&s);
    CU_ASSERT_EQUAL(weft_tap_attach(s.bus, &ops, &s.taken), WEFT_OK);
    check_rounds_cost_nothing(&s);
    CU_ASSERT_EQUAL(s.taken, 4 * ROUNDS);
    /* The counting counts: a queue does cost both. */
    CU_ASSERT(queue_add(&s));
    unsigned allocations_before = allocations, locks_before = locks;
    CU_ASSERT(publish_round(s.bus));
    CU_ASSERT(allocations > allocations_before);
    CU_ASSERT(locks > locks_before);
    weft_dispatcher_destroy(s.bus);
}

/* From here on any system call of this thread but its exit kills the process. */
static bool system_calls_give_up(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    return prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { CHILD_PUBLISHED, CHILD_REFUSED, CHILD_HAS_NO_SCENE, CHILD_IS_FREE };
enum { INLINE, TAPPED, CALLING };

/* The clock is a fake one: on some machines asking the system's is a system call. */
static int child_publish(int takers)
{
    scene s;
    fake_clock clock;
    fake_clock_init(&clock, 1000);
    if (!scene_init(&s, &clock.clock) || (takers == TAPPED && weft_tap_attach(s.bus, &ops, &s.taken) != WEFT_OK) ||
        !publish_round(s.bus))
        return CHILD_HAS_NO_SCENE;
    if (!system_calls_give_up())
        return CHILD_IS_FREE;
    if (takers == CALLING)
        (void)syscall(SYS_getppid);
    for (int i = 0; i < ROUNDS; i++)
        if (!publish_round(s.bus))
            return CHILD_REFUSED;
    return CHILD_PUBLISHED;
}

static int status_of_child(int takers)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(child_publish(takers));
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    return status;
}

static void inline_takers_cost_no_system_call(void)
{
    int status = status_of_child(INLINE);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_IS_FREE) {
        suite_skip("the kernel does not take system calls away");
        return;
    }
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_PUBLISHED);
    status = status_of_child(TAPPED);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_PUBLISHED);
    /* They are taken away indeed. */
    status = status_of_child(CALLING);
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}
#endif

SUITE(core_publish_cost, CASE(inline_takers_cost_no_lock_and_no_allocation), CASE(inline_takers_cost_no_system_call))
