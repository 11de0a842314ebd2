/* The mailbox alone, and through queued subscriptions. */
#include "core/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/lost.h"
#include "support/fake_clock.h"
#include "support/gate.h"
#include "support/suite.h"

enum { NOW_MS = 1000000, PATIENCE_MS = 20000, AN_HOUR_MS = 3600000 };

static weft__mail numbered(uint64_t number)
{
    weft_event event = {
        .type = WEFT_SESSION_MUTATION, .session_id = "s", .session_mutation = {.mutation = "m", .seq = number}};
    return weft__mail_of_event(weft_event_keep(&event), WEFT_ORIGIN_LOCAL);
}

static weft__put_result put(weft__mailbox *box, uint64_t number)
{
    uint64_t dropped;
    bool schedule;
    weft__put_result result = weft__mailbox_put(box, numbered(number), WEFT__PUT_WAIT, &dropped, &schedule);
    CU_ASSERT_EQUAL(dropped, result != WEFT__PUT_STORED);
    return result;
}

static uint64_t number_of(weft__mail mail)
{
    const weft_event *event = mail.packed != 0 ? weft__mail_event(mail) : NULL;
    return event != NULL ? event->session_mutation.seq : 0;
}

/* The number of the oldest event, 0 if there is none. */
static uint64_t take(weft__mailbox *box, uint64_t *ret_untold)
{
    weft__batch batch;
    bool schedule;
    (void)weft__mailbox_take(box, 1, &batch, &schedule);
    if (ret_untold != NULL)
        *ret_untold = batch.untold;
    if (batch.count == 0)
        return 0;
    uint64_t number = number_of(batch.mails[0]);
    weft__mail_release(batch.mails[0]);
    return number;
}

static void box_init(weft__mailbox *box, uint32_t max, weft_overflow overflow, uint32_t block_ms)
{
    weft__mailbox_opts opts = {.max = max, .overflow = overflow, .block_ms = block_ms, .concurrency = 1};
    CU_ASSERT_EQUAL_FATAL(weft__mailbox_init(box, &opts), WEFT_OK);
}

static void gives_back_in_order(void)
{
    weft__mailbox box;
    box_init(&box, 3, WEFT_OVERFLOW_DROP_OLDEST, 0);
    uint64_t next = 1;
    for (uint64_t number = 1; number <= 20; number++) {
        CU_ASSERT_EQUAL(put(&box, number), WEFT__PUT_STORED);
        if (number % 3 == 0)
            while (weft__mailbox_depth(&box) > 0)
                CU_ASSERT_EQUAL(take(&box, NULL), next++);
    }
    CU_ASSERT_EQUAL(weft__mailbox_depth(&box), 2);
    weft__mailbox_fini(&box);
}

static void drops_the_oldest(void)
{
    weft__mailbox box;
    uint64_t untold;
    box_init(&box, 2, WEFT_OVERFLOW_DROP_OLDEST, 0);
    for (uint64_t number = 1; number <= 5; number++)
        CU_ASSERT_EQUAL(put(&box, number), number <= 2 ? WEFT__PUT_STORED : WEFT__PUT_DISPLACED);
    CU_ASSERT_EQUAL(take(&box, &untold), 4);
    CU_ASSERT_EQUAL(untold, 3);
    CU_ASSERT_EQUAL(take(&box, &untold), 5);
    CU_ASSERT_EQUAL(untold, 0);
    weft__mailbox_fini(&box);
}

static void drops_the_newest(void)
{
    weft__mailbox box;
    uint64_t untold;
    box_init(&box, 2, WEFT_OVERFLOW_DROP_NEWEST, 0);
    for (uint64_t number = 1; number <= 5; number++)
        CU_ASSERT_EQUAL(put(&box, number), number <= 2 ? WEFT__PUT_STORED : WEFT__PUT_DROPPED);
    CU_ASSERT_EQUAL(take(&box, &untold), 1);
    CU_ASSERT_EQUAL(untold, 3);
    CU_ASSERT_EQUAL(take(&box, NULL), 2);
    weft__mailbox_fini(&box);
}

static void blocking_ends_with_the_deadline(void)
{
    weft__mailbox box;
    box_init(&box, 1, WEFT_OVERFLOW_BLOCK, 1);
    CU_ASSERT_EQUAL(put(&box, 1), WEFT__PUT_STORED);
    CU_ASSERT_EQUAL(put(&box, 2), WEFT__PUT_DROPPED);
    CU_ASSERT_EQUAL(take(&box, NULL), 1);
    weft__mailbox_fini(&box);
}

typedef struct putter {
    weft__mailbox *box;
    weft__put_result result;
} putter;

static void *put_two(void *user)
{
    putter *p = user;
    p->result = put(p->box, 2);
    return NULL;
}

static bool somebody_blocks(void *user)
{
    weft__mailbox *box = user;
    weft__spinlock_lock(&box->lock);
    bool blocks = box->blocked > 0;
    weft__spinlock_unlock(&box->lock);
    return blocks;
}

static pthread_t block_on(putter *p)
{
    pthread_t thread;
    CU_ASSERT_EQUAL(put(p->box, 1), WEFT__PUT_STORED);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, put_two, p), 0);
    CU_ASSERT(suite_wait(somebody_blocks, p->box, PATIENCE_MS));
    return thread;
}

static void blocking_ends_with_room(void)
{
    weft__mailbox box;
    box_init(&box, 1, WEFT_OVERFLOW_BLOCK, AN_HOUR_MS);
    putter p = {.box = &box};
    pthread_t thread = block_on(&p);
    CU_ASSERT_EQUAL(take(&box, NULL), 1);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(p.result, WEFT__PUT_STORED);
    CU_ASSERT_EQUAL(take(&box, NULL), 2);
    weft__mailbox_fini(&box);
}

static void blocking_ends_with_the_subscription(void)
{
    weft__mailbox box;
    box_init(&box, 1, WEFT_OVERFLOW_BLOCK, AN_HOUR_MS);
    putter p = {.box = &box};
    pthread_t thread = block_on(&p);
    CU_ASSERT_EQUAL(weft__mailbox_set_state(&box, WEFT__MAILBOX_CLOSED), 1);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(p.result, WEFT__PUT_CLOSED);
    CU_ASSERT_EQUAL(weft__mailbox_set_state(&box, WEFT__MAILBOX_OPEN), 0);
    CU_ASSERT_EQUAL(put(&box, 3), WEFT__PUT_CLOSED);
    weft__mailbox_fini(&box);
}

static void a_displaced_loss_record_is_not_lost(void)
{
    weft__mailbox box;
    uint64_t dropped, untold;
    bool schedule;
    box_init(&box, 1, WEFT_OVERFLOW_DROP_OLDEST, 0);
    weft__mail record = weft__mail_of_lost(weft__lost_copy(&(weft_lost){.node = "n", .count = 40}));
    CU_ASSERT_EQUAL(weft__mailbox_put(&box, record, WEFT__PUT_NOW, &dropped, &schedule), WEFT__PUT_STORED);
    CU_ASSERT_EQUAL(weft__mailbox_put(&box, numbered(1), WEFT__PUT_NOW, &dropped, &schedule), WEFT__PUT_DISPLACED);
    CU_ASSERT_EQUAL(dropped, 0);
    CU_ASSERT_EQUAL(take(&box, &untold), 1);
    CU_ASSERT_EQUAL(untold, 40);
    weft__mailbox_fini(&box);
}

static bool put_schedules(weft__mailbox *box, weft__mail mail)
{
    uint64_t dropped;
    bool schedule;
    CU_ASSERT_EQUAL(weft__mailbox_put(box, mail, WEFT__PUT_NOW, &dropped, &schedule), WEFT__PUT_STORED);
    return schedule;
}

static void asks_for_a_worker_once(void)
{
    weft__mailbox box;
    box_init(&box, 8, WEFT_OVERFLOW_DROP_OLDEST, 0);
    CU_ASSERT(put_schedules(&box, numbered(1)));
    CU_ASSERT_FALSE(put_schedules(&box, numbered(2)));
    CU_ASSERT_FALSE(weft__mailbox_miss(&box, 1));
    weft__mailbox_begin(&box);
    CU_ASSERT_EQUAL(take(&box, NULL), 1);
    CU_ASSERT(weft__mailbox_rest(&box));
    weft__mailbox_begin(&box);
    CU_ASSERT_EQUAL(take(&box, NULL), 2);
    CU_ASSERT_FALSE(weft__mailbox_rest(&box));
    CU_ASSERT(weft__mailbox_miss(&box, 1));
    weft__mailbox_fini(&box);
}

static void waiting_for_room_forgets_no_worker(void)
{
    weft__mailbox box;
    weft__mailbox_opts opts = {.max = 1, .overflow = WEFT_OVERFLOW_BLOCK, .block_ms = 1, .concurrency = 2};
    uint64_t dropped;
    bool schedule;
    CU_ASSERT_EQUAL_FATAL(weft__mailbox_init(&box, &opts), WEFT_OK);
    CU_ASSERT(put_schedules(&box, numbered(1)));
    weft__mailbox_begin(&box);
    CU_ASSERT_EQUAL(weft__mailbox_put(&box, numbered(2), WEFT__PUT_WAIT, &dropped, &schedule), WEFT__PUT_DROPPED);
    CU_ASSERT(schedule);
    CU_ASSERT_FALSE(weft__mailbox_rest(&box));
    weft__mailbox_fini(&box);
}

static void asks_for_as_many_workers_as_may_share_it(void)
{
    weft__mailbox box;
    weft__mailbox_opts opts = {.max = 8, .concurrency = 2};
    CU_ASSERT_EQUAL_FATAL(weft__mailbox_init(&box, &opts), WEFT_OK);
    CU_ASSERT(put_schedules(&box, numbered(1)));
    weft__mailbox_begin(&box);
    CU_ASSERT(put_schedules(&box, numbered(2)));
    weft__mailbox_begin(&box);
    CU_ASSERT_FALSE(put_schedules(&box, numbered(3)));
    CU_ASSERT_EQUAL(take(&box, NULL), 1);
    CU_ASSERT(weft__mailbox_rest(&box));
    weft__mailbox_fini(&box);
}

static weft__mail urgent(uint64_t number, weft_priority priority)
{
    weft_event event = {.type = WEFT_SESSION_MUTATION,
                        .session_id = "s",
                        .priority = priority,
                        .session_mutation = {.mutation = "m", .seq = number}};
    return weft__mail_of_event(weft_event_keep(&event), WEFT_ORIGIN_LOCAL);
}

static void the_highest_priority_goes_first(void)
{
    static const uint64_t order[] = {4, 5, 3, 1, 7, 2, 6};
    weft__mailbox box;
    box_init(&box, 8, WEFT_OVERFLOW_DROP_OLDEST, 0);
    (void)put_schedules(&box, numbered(1));
    (void)put_schedules(&box, urgent(2, WEFT_PRIORITY_LOW));
    (void)put_schedules(&box, urgent(3, WEFT_PRIORITY_HIGH));
    (void)put_schedules(&box, urgent(4, WEFT_PRIORITY_CRITICAL));
    (void)put_schedules(&box, urgent(5, WEFT_PRIORITY_CRITICAL));
    (void)put_schedules(&box, urgent(6, WEFT_PRIORITY_LOW));
    (void)put_schedules(&box, urgent(7, WEFT_PRIORITY_NORMAL));
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        CU_ASSERT_EQUAL(take(&box, NULL), order[i]);
    weft__mailbox_fini(&box);
}

static void full_it_drops_the_oldest_of_the_lowest_priority(void)
{
    weft__mailbox box;
    uint64_t dropped;
    bool schedule;
    box_init(&box, 2, WEFT_OVERFLOW_DROP_OLDEST, 0);
    (void)put_schedules(&box, urgent(1, WEFT_PRIORITY_HIGH));
    (void)put_schedules(&box, numbered(2));
    weft__mail low = urgent(3, WEFT_PRIORITY_LOW), high = urgent(4, WEFT_PRIORITY_HIGH);
    CU_ASSERT_EQUAL(weft__mailbox_put(&box, low, WEFT__PUT_NOW, &dropped, &schedule), WEFT__PUT_DROPPED);
    CU_ASSERT_EQUAL(weft__mailbox_put(&box, high, WEFT__PUT_NOW, &dropped, &schedule), WEFT__PUT_DISPLACED);
    CU_ASSERT_EQUAL(take(&box, NULL), 1);
    CU_ASSERT_EQUAL(take(&box, NULL), 4);
    weft__mailbox_fini(&box);
}

static void what_is_urgent_goes_before_what_is_in_hand(void)
{
    weft__mailbox box;
    weft__batch batch;
    bool schedule;
    box_init(&box, 8, WEFT_OVERFLOW_DROP_OLDEST, 0);
    for (uint64_t number = 1; number <= 3; number++)
        (void)put_schedules(&box, numbered(number));
    weft__mailbox_begin(&box);
    CU_ASSERT(weft__mailbox_take(&box, 3, &batch, &schedule));
    CU_ASSERT_EQUAL_FATAL(batch.count, 3);
    (void)put_schedules(&box, numbered(4));
    CU_ASSERT_FALSE(weft__mailbox_is_urgent(&box));
    (void)put_schedules(&box, urgent(5, WEFT_PRIORITY_HIGH));
    CU_ASSERT(weft__mailbox_is_urgent(&box));
    CU_ASSERT_EQUAL(number_of(batch.mails[0]), 1);
    weft__mail_release(batch.mails[0]);
    uint64_t dropped;
    CU_ASSERT_EQUAL(weft__mailbox_put_back(&box, &batch, 1, &dropped), WEFT__PUT_STORED);
    static const uint64_t order[] = {5, 2, 3, 4};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        CU_ASSERT_EQUAL(take(&box, NULL), order[i]);
    weft__mailbox_fini(&box);
}

static void paused_it_keeps_what_comes(void)
{
    weft__mailbox box;
    box_init(&box, 8, WEFT_OVERFLOW_DROP_OLDEST, 0);
    CU_ASSERT_FALSE(weft__mailbox_pause(&box, true));
    CU_ASSERT_FALSE(put_schedules(&box, numbered(1)));
    CU_ASSERT_EQUAL(take(&box, NULL), 0);
    CU_ASSERT(weft__mailbox_pause(&box, false));
    CU_ASSERT_EQUAL(take(&box, NULL), 1);
    weft__mailbox_fini(&box);
}

static void hands_back_what_is_to_be_a_dead_letter(void)
{
    weft__mailbox box;
    uint64_t dropped;
    bool schedule;
    box_init(&box, 1, WEFT_OVERFLOW_DEAD_LETTER, 0);
    (void)put_schedules(&box, numbered(1));
    weft__mail mail = numbered(2);
    CU_ASSERT_EQUAL(weft__mailbox_put(&box, mail, WEFT__PUT_TRY, &dropped, &schedule), WEFT__PUT_DEAD);
    CU_ASSERT_EQUAL(dropped, 0);
    weft__mail_release(mail);
    CU_ASSERT_EQUAL(take(&box, NULL), 1);
    weft__mailbox_fini(&box);
}

/* ---- queued subscriptions ---- */

enum { SEEN_MAX = 4096 };

typedef struct reader {
    weft_dispatcher *bus;
    weft_subscription sub;
    gate *held; /* NULL: does not wait */
    atomic_int inside;
    atomic_int most_inside;
    atomic_uint count;
    uint64_t seen[SEEN_MAX];
    atomic_uint_fast64_t lost;
    uint64_t expected; /* handled and lost together, in the end */
    weft_lost last_lost;
    unsigned lost_before; /* events seen when the first loss was told */
} reader;

static weft_status read_one(const weft_event *event, void *user)
{
    reader *r = user;
    int inside = atomic_fetch_add(&r->inside, 1) + 1;
    if (inside > r->most_inside)
        r->most_inside = inside;
    if (r->held != NULL)
        CU_ASSERT(gate_pass(r->held));
    if (r->count < SEEN_MAX)
        r->seen[r->count] = event->session_mutation.seq;
    atomic_fetch_sub(&r->inside, 1);
    atomic_fetch_add(&r->count, 1);
    return WEFT_OK;
}

static void note_lost(const weft_lost *lost, void *user)
{
    reader *r = user;
    if (r->lost == 0)
        r->lost_before = r->count;
    r->lost += lost->count;
    r->last_lost = *lost;
}

static weft_dispatcher *bus_create(const weft_dispatcher_opts *opts)
{
    weft_dispatcher *bus = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(opts, &bus), WEFT_OK);
    return bus;
}

static void read_queued(reader *r, weft_dispatcher *bus, uint32_t queue_max, weft_overflow overflow)
{
    r->bus = bus;
    weft_subscribe_opts opts = {
        .queued = true, .queue_max = queue_max, .overflow = overflow, .block_ms = AN_HOUR_MS, .on_lost = note_lost};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe_with(bus, NULL, &opts, read_one, r, &r->sub), WEFT_OK);
}

static void publish(weft_dispatcher *bus, uint64_t number)
{
    weft_event event = {
        .type = WEFT_SESSION_MUTATION, .session_id = "s", .session_mutation = {.mutation = "m", .seq = number}};
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
}

static weft_dispatcher_stats stats_of(weft_dispatcher *bus)
{
    weft_dispatcher_stats stats;
    weft_dispatcher_get_stats(bus, &stats);
    return stats;
}

static void queued_events_come_in_order_and_are_copies(void)
{
    reader r = {0};
    weft_dispatcher *bus = bus_create(NULL);
    read_queued(&r, bus, SEEN_MAX, WEFT_OVERFLOW_DROP_OLDEST);
    for (uint64_t number = 1; number <= 1000; number++) {
        char text[] = "mutation";
        weft_event event = {
            .type = WEFT_SESSION_MUTATION, .session_id = "s", .session_mutation = {.mutation = text, .seq = number}};
        CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
        memset(text, 0, sizeof text);
    }
    uint64_t undelivered = 77;
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, &undelivered), WEFT_OK);
    CU_ASSERT_EQUAL(undelivered, 0);
    CU_ASSERT_EQUAL_FATAL(r.count, 1000);
    for (uint64_t i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(r.seen[i], i + 1);
    weft_dispatcher_destroy(bus);
}

static weft_status publish_the_effect(const weft_event *event, void *user)
{
    if (event->session_mutation.seq == 1)
        publish(user, 2);
    return WEFT_OK;
}

static void an_effect_stands_behind_its_cause(void)
{
    reader r = {0};
    weft_dispatcher *bus = bus_create(NULL);
    CU_ASSERT_EQUAL(weft_subscribe(bus, NULL, publish_the_effect, bus, NULL), WEFT_OK);
    read_queued(&r, bus, 8, WEFT_OVERFLOW_DROP_OLDEST);
    publish(bus, 1);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(r.count, 2);
    CU_ASSERT_EQUAL(r.seen[0], 1);
    CU_ASSERT_EQUAL(r.seen[1], 2);
    weft_dispatcher_destroy(bus);
}

static void *publish_many(void *bus)
{
    for (uint64_t number = 1; number <= 500; number++)
        publish(bus, number);
    return NULL;
}

static void handlers_of_one_subscription_never_run_at_once(void)
{
    reader r = {0};
    pthread_t threads[4];
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.workers = 4});
    read_queued(&r, bus, 16, WEFT_OVERFLOW_BLOCK);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, publish_many, bus), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(r.count, 2000);
    CU_ASSERT_EQUAL(r.most_inside, 1);
    weft_dispatcher_destroy(bus);
}

static void two_subscriptions_run_side_by_side(void)
{
    gate held = GATE_CLOSED;
    reader a = {.held = &held}, b = {.held = &held};
    weft_dispatcher *bus = bus_create(NULL);
    read_queued(&a, bus, 4, WEFT_OVERFLOW_DROP_OLDEST);
    read_queued(&b, bus, 4, WEFT_OVERFLOW_DROP_OLDEST);
    publish(bus, 1);
    CU_ASSERT(gate_await(&held, 2));
    gate_open(&held);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(a.count + b.count, 2);
    weft_dispatcher_destroy(bus);
}

/* The handler holds event 1; of the five behind it two fit. */
static void overflow_is_told_in_its_place(void)
{
    gate held = GATE_CLOSED;
    reader r = {.held = &held};
    weft_subscription_stats stats;
    weft_dispatcher *bus = bus_create(NULL);
    read_queued(&r, bus, 2, WEFT_OVERFLOW_DROP_OLDEST);
    publish(bus, 1);
    CU_ASSERT(gate_await(&held, 1));
    for (uint64_t number = 2; number <= 6; number++)
        publish(bus, number);
    CU_ASSERT_EQUAL(weft_subscription_get_stats(bus, r.sub, &stats), WEFT_OK);
    CU_ASSERT_EQUAL(stats.queue_depth, 2);
    CU_ASSERT_EQUAL(stats.queue_max, 2);
    CU_ASSERT_EQUAL(stats.dropped_overflow, 3);
    gate_open(&held);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(r.count, 3);
    CU_ASSERT_EQUAL(r.seen[1], 5);
    CU_ASSERT_EQUAL(r.seen[2], 6);
    CU_ASSERT_EQUAL(r.lost, 3);
    CU_ASSERT_EQUAL(r.lost_before, 1);
    CU_ASSERT_PTR_NULL(r.last_lost.node);
    CU_ASSERT_EQUAL(r.last_lost.reason, WEFT_LOST_OVERFLOW);
    CU_ASSERT_EQUAL(stats_of(bus).dropped_overflow, 3);
    weft_dispatcher_destroy(bus);
}

static weft_status publish_to_itself(const weft_event *event, void *user)
{
    reader *r = user;
    if (r->count++ == 0) {
        publish(r->bus, 2);
        publish(r->bus, event->session_mutation.seq + 2);
    }
    return WEFT_OK;
}

static bool read_or_lost_all(void *user)
{
    reader *r = user;
    return r->count + r->lost == r->expected;
}

static bool read_two(void *user)
{
    return ((reader *)user)->count >= 2;
}

/* If it waited, it would for an hour. */
static void a_handler_does_not_wait_for_its_own_mailbox(void)
{
    reader r = {.bus = bus_create(NULL)};
    weft_subscribe_opts opts = {
        .queued = true, .queue_max = 1, .overflow = WEFT_OVERFLOW_BLOCK, .block_ms = AN_HOUR_MS};
    CU_ASSERT_EQUAL(weft_subscribe_with(r.bus, NULL, &opts, publish_to_itself, &r, &r.sub), WEFT_OK);
    publish(r.bus, 1);
    CU_ASSERT(suite_wait(read_two, &r, PATIENCE_MS));
    CU_ASSERT_EQUAL(weft_dispatcher_stop(r.bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(r.count, 2);
    CU_ASSERT_EQUAL(stats_of(r.bus).dropped_overflow, 1);
    weft_dispatcher_destroy(r.bus);
}

typedef struct producer {
    weft_dispatcher *bus;
    uint64_t events;
} producer;

static weft_status produce(const weft_event *event, void *user)
{
    const producer *p = user;
    (void)event;
    for (uint64_t number = 1; number <= p->events; number++)
        publish(p->bus, number);
    return WEFT_OK;
}

/* A queued handler feeds a queued reader that holds one event. */
static void produce_for(reader *r, uint32_t workers, uint64_t events)
{
    producer p = {.bus = bus_create(&(weft_dispatcher_opts){.workers = workers}), .events = events};
    weft_filter to_reader = {.topics = WEFT_TOPIC_SESSION}, to_producer = {.topics = WEFT_TOPIC_AGENT};
    weft_subscribe_opts queued = {
        .queued = true, .queue_max = 1, .overflow = WEFT_OVERFLOW_BLOCK, .block_ms = AN_HOUR_MS, .on_lost = note_lost};
    CU_ASSERT_EQUAL(weft_subscribe_with(p.bus, &to_reader, &queued, read_one, r, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_subscribe_with(p.bus, &to_producer, &queued, produce, &p, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(p.bus, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a"}), WEFT_OK);
    r->expected = events;
    CU_ASSERT(suite_wait(read_or_lost_all, r, PATIENCE_MS));
    weft_dispatcher_destroy(p.bus);
}

static void a_worker_waits_while_another_can_make_room(void)
{
    reader r = {0};
    produce_for(&r, 2, 500);
    CU_ASSERT_EQUAL(r.count, 500);
    CU_ASSERT_EQUAL(r.lost, 0);
}

/* If it waited, it would for an hour. */
static void the_last_worker_does_not_wait(void)
{
    reader r = {0};
    produce_for(&r, 1, 500);
    CU_ASSERT_EQUAL(r.count, 1);
    CU_ASSERT_EQUAL(r.lost, 499);
}

static void expired_events_are_counted_not_handled(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    gate held = GATE_CLOSED;
    reader r = {.held = &held};
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.clock = &clock.clock});
    read_queued(&r, bus, 8, WEFT_OVERFLOW_DROP_OLDEST);
    publish(bus, 1);
    CU_ASSERT(gate_await(&held, 1));
    for (uint64_t ttl_ms = 10; ttl_ms <= 12; ttl_ms++) {
        weft_event event = {
            .type = WEFT_SESSION_MUTATION, .session_id = "s", .ttl_ms = ttl_ms, .session_mutation = {"m", ttl_ms}};
        CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
    }
    fake_clock_advance(&clock, 11);
    gate_open(&held);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(r.count, 3);
    CU_ASSERT_EQUAL(r.seen[1], 11);
    CU_ASSERT_EQUAL(stats_of(bus).expired, 1);
    weft_subscription_stats stats;
    CU_ASSERT_EQUAL(weft_subscription_get_stats(bus, r.sub, &stats), WEFT_OK);
    CU_ASSERT_EQUAL(stats.expired, 1);
    CU_ASSERT_EQUAL(stats.handler_timed, 1);
    weft_dispatcher_destroy(bus);
}

static weft_status unsubscribe_self(const weft_event *event, void *user)
{
    reader *r = user;
    CU_ASSERT(gate_pass(r->held));
    r->seen[r->count++] = event->session_mutation.seq;
    return weft_unsubscribe(r->bus, r->sub);
}

static void unsubscribing_drops_and_counts_the_mailbox(void)
{
    gate held = GATE_CLOSED;
    reader r = {.bus = bus_create(NULL), .held = &held};
    weft_subscribe_opts opts = {.queued = true};
    CU_ASSERT_EQUAL(weft_subscribe_with(r.bus, NULL, &opts, unsubscribe_self, &r, &r.sub), WEFT_OK);
    for (uint64_t number = 1; number <= 5; number++)
        publish(r.bus, number);
    CU_ASSERT(gate_await(&held, 1));
    gate_open(&held);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(r.bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(r.count, 1);
    CU_ASSERT_EQUAL(stats_of(r.bus).dropped_unsubscribed, 4);
    CU_ASSERT_EQUAL(stats_of(r.bus).handled, 1);
    weft_dispatcher_destroy(r.bus);
}

static bool is_empty(void *user)
{
    reader *r = user;
    weft_subscription_stats stats;
    CU_ASSERT_EQUAL_FATAL(weft_subscription_get_stats(r->bus, r->sub, &stats), WEFT_OK);
    return stats.queue_depth == 0;
}

static void *open_when_empty(void *user)
{
    reader *r = user;
    CU_ASSERT(suite_wait(is_empty, r, PATIENCE_MS));
    gate_open(r->held);
    return NULL;
}

/* The handler is let go only when stop has emptied the mailbox. */
static void stop_counts_what_it_could_not_deliver(void)
{
    gate held = GATE_CLOSED;
    reader r = {.held = &held};
    uint64_t undelivered = 0;
    pthread_t opener;
    weft_dispatcher *bus = bus_create(NULL);
    read_queued(&r, bus, 8, WEFT_OVERFLOW_DROP_OLDEST);
    publish(bus, 1);
    CU_ASSERT(gate_await(&held, 1));
    for (uint64_t number = 2; number <= 5; number++)
        publish(bus, number);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&opener, NULL, open_when_empty, &r), 0);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, 1, &undelivered), WEFT_TIMEOUT);
    pthread_join(opener, NULL);
    CU_ASSERT_EQUAL(undelivered, 4);
    CU_ASSERT_EQUAL(r.count, 1);
    CU_ASSERT_EQUAL(stats_of(bus).dropped_stopped, 4);
    CU_ASSERT_EQUAL(weft_dispatcher_start(bus), WEFT_OK);
    publish(bus, 6);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(r.seen[1], 6);
    weft_dispatcher_destroy(bus);
}

SUITE(core_mailbox, CASE(gives_back_in_order), CASE(drops_the_oldest), CASE(drops_the_newest),
      CASE(blocking_ends_with_the_deadline), CASE(blocking_ends_with_room), CASE(blocking_ends_with_the_subscription),
      CASE(a_displaced_loss_record_is_not_lost), CASE(asks_for_a_worker_once), CASE(waiting_for_room_forgets_no_worker),
      CASE(asks_for_as_many_workers_as_may_share_it), CASE(the_highest_priority_goes_first),
      CASE(full_it_drops_the_oldest_of_the_lowest_priority), CASE(what_is_urgent_goes_before_what_is_in_hand),
      CASE(paused_it_keeps_what_comes), CASE(hands_back_what_is_to_be_a_dead_letter),
      CASE(queued_events_come_in_order_and_are_copies), CASE(an_effect_stands_behind_its_cause),
      CASE(handlers_of_one_subscription_never_run_at_once), CASE(two_subscriptions_run_side_by_side),
      CASE(overflow_is_told_in_its_place), CASE(a_handler_does_not_wait_for_its_own_mailbox),
      CASE(a_worker_waits_while_another_can_make_room), CASE(the_last_worker_does_not_wait),
      CASE(expired_events_are_counted_not_handled), CASE(unsubscribing_drops_and_counts_the_mailbox),
      CASE(stop_counts_what_it_could_not_deliver))
