/* Three nodes at a broker that drops, repeats, swaps and cuts, two of them ended and begun again on their journals:
 * every event is handled, once, in the order of its stream unless marked. The seed is printed; WEFT_CHAOS_SEED and
 * WEFT_CHAOS_SECONDS (5) set another run. */
#include "bridge/bridge_rig.h"

enum { SENDERS = 2, EVENTS_MAX = 400000, STEP_MAX = 40 };

typedef struct handled {
    uint64_t value;
    uint64_t epoch;
    bool replayed;
} handled;

typedef struct handled_log {
    pthread_mutex_t mutex;
    handled events[SENDERS][EVENTS_MAX]; /* [mutex], all below too */
    size_t count[SENDERS];
    size_t lost_reports;
    size_t wanted[SENDERS]; /* not under the mutex: set before waiting */
} handled_log;

static const char *const sender_names[SENDERS] = {"a", "c"};

static weft_status on_handled(const weft_event *event, void *user)
{
    handled_log *l = user;
    size_t sender = event->id.node[0] == 'a' ? 0 : 1;
    pthread_mutex_lock(&l->mutex);
    if (l->count[sender] < EVENTS_MAX)
        l->events[sender][l->count[sender]++] =
            (handled){event->token_usage.input_tokens, event->id.epoch, (event->flags & WEFT_FLAG_REPLAYED) != 0};
    pthread_mutex_unlock(&l->mutex);
    return WEFT_OK;
}

static void on_lost_range(const weft_lost *lost, void *user)
{
    handled_log *l = user;
    pthread_mutex_lock(&l->mutex);
    l->lost_reports++;
    pthread_mutex_unlock(&l->mutex);
    printf("\n  lost: %s epoch %llu seq %llu to %llu, %s\n", lost->node, (unsigned long long)lost->epoch,
           (unsigned long long)lost->from_seq, (unsigned long long)lost->to_seq, weft_lost_reason_name(lost->reason));
}

static bool all_handled(void *user)
{
    handled_log *l = user;
    bool all = true;
    pthread_mutex_lock(&l->mutex);
    for (size_t i = 0; i < SENDERS; i++)
        all = all && l->count[i] >= l->wanted[i];
    pthread_mutex_unlock(&l->mutex);
    return all;
}

static size_t missing_or_twice(const handled *events, size_t count, size_t wanted)
{
    unsigned char *seen = calloc(wanted + 1, 1);
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++)
        if (events[i].value > wanted || seen[events[i].value]++ > 0)
            wrong++;
    for (size_t value = 1; value <= wanted; value++)
        wrong += seen[value] == 0;
    free(seen);
    return wrong;
}

/* Within an epoch; across them nothing is promised. */
static size_t out_of_order(const handled *events, size_t count)
{
    enum { EPOCHS = 4096 };
    static struct {
        uint64_t epoch, last;
    } lives[EPOCHS];
    size_t epochs = 0, wrong = 0;
    for (size_t i = 0; i < count; i++) {
        size_t e = 0;
        while (e < epochs && lives[e].epoch != events[i].epoch)
            e++;
        if (e == epochs) {
            CU_ASSERT_FATAL(epochs < EPOCHS);
            lives[epochs].last = 0;
            lives[epochs++].epoch = events[i].epoch;
        }
        if (events[i].replayed)
            continue;
        wrong += events[i].value <= lives[e].last;
        lives[e].last = events[i].value;
    }
    return wrong;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* One step of the run: something is published, and now and then a life ends or the broker does. */
static void step(fake_broker *broker, host *const *senders, handled_log *l, uint64_t *random)
{
    size_t i = next_random(random) % SENDERS;
    uint64_t count = next_random(random) % STEP_MAX;
    publish_range(senders[i], l->wanted[i] + 1, l->wanted[i] + count);
    l->wanted[i] += count;
    uint64_t fate = next_random(random) % 100;
    if (fate < 3) {
        if (fate == 0)
            CU_ASSERT_EQUAL(weft_bridge_flush(senders[i]->bridge, READY_MS), WEFT_OK);
        weft_bridge_destroy(senders[i]->bridge);
        CU_ASSERT_EQUAL_FATAL(host_open(senders[i], NULL), WEFT_OK);
    } else if (fate == 3) {
        fake_broker_stop(broker);
        if (next_random(random) % 2 == 0)
            fake_broker_forget(broker);
        fake_broker_start(broker);
    } else if (fate < 20) {
        (void)weft_bridge_drain(senders[i]->bridge, 50);
    }
}

static void nothing_is_lost_or_repeated_through_lives_and_faults(void)
{
    uint64_t seed = number_from("WEFT_CHAOS_SEED", 20), random = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    int64_t until = weft__mono_ns() + (int64_t)number_from("WEFT_CHAOS_SECONDS", 5) * 1000000000;
    char dir[64];
    journal_dir_make(dir);
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    handled_log *l = calloc(1, sizeof *l);
    pthread_mutex_init(&l->mutex, NULL);
    host *b = host_create(broker, "b");
    weft_subscription s;
    weft_filter filter = {.topics = WEFT_TOPIC_COST, .origin = WEFT_ORIGIN_REMOTE};
    weft_subscribe_opts opts = {.name = "test", .on_lost = on_lost_range};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe_with(b->bus, &filter, &opts, on_handled, l, &s), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(host_open(b, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(b->bridge, READY_MS), WEFT_OK);
    host *senders[SENDERS];
    for (size_t i = 0; i < SENDERS; i++) {
        senders[i] = host_create(broker, sender_names[i]);
        snprintf(senders[i]->journal, sizeof senders[i]->journal, "%s/%s.db", dir, sender_names[i]);
        CU_ASSERT_EQUAL_FATAL(host_open(senders[i], NULL), WEFT_OK);
        CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(senders[i]->bridge, READY_MS), WEFT_OK);
    }
    printf("(seed %llu) ", (unsigned long long)seed);
    fake_chaos chaos = {
        .seed = seed, .cut_permille = 3, .drop_permille = 30, .duplicate_permille = 30, .swap_permille = 30};
    fake_broker_set_chaos(broker, &chaos);
    while (weft__mono_ns() < until && l->wanted[0] < EVENTS_MAX - STEP_MAX && l->wanted[1] < EVENTS_MAX - STEP_MAX)
        step(broker, senders, l, &random);
    fake_broker_set_chaos(broker, NULL);
    CU_ASSERT_TRUE(suite_wait(all_handled, l, 60000));
    for (size_t i = 0; i < SENDERS; i++) {
        CU_ASSERT_EQUAL(missing_or_twice(l->events[i], l->count[i], l->wanted[i]), 0);
        CU_ASSERT_EQUAL(out_of_order(l->events[i], l->count[i]), 0);
    }
    CU_ASSERT_EQUAL(l->lost_reports, 0);
    printf("%zu events ", l->wanted[0] + l->wanted[1]);
    for (size_t i = 0; i < SENDERS; i++)
        host_destroy(senders[i]);
    host_destroy(b);
    pthread_mutex_destroy(&l->mutex);
    free(l);
    fake_broker_destroy(broker);
    journal_dir_remove(dir);
}

SUITE(bridge_chaos, CASE(nothing_is_lost_or_repeated_through_lives_and_faults))
