/* A model broker answers messages one after the other, each after a way there and back: how large does the window get?
 */
#include "bridge/window.h"
#include "support/suite.h"

enum { MESSAGES = 20000, QUEUE = 1024 };

typedef struct broker {
    int64_t way_ns;  /* there and back */
    int64_t work_ns; /* a message */
    int64_t free_ns; /* has done what came before */
} broker;

/* Sends as much as the window lets; returns the time of the last acknowledgement. */
static int64_t flood(weft__window *w, broker *b, int64_t now_ns)
{
    static int64_t acks[QUEUE];
    int sent = 0, acked = 0;
    while (acked < MESSAGES) {
        for (; sent < MESSAGES && (size_t)(sent - acked) < w->size; sent++) {
            int64_t begin = now_ns > b->free_ns ? now_ns : b->free_ns;
            b->free_ns = begin + b->work_ns;
            acks[sent % QUEUE] = b->free_ns + b->way_ns;
            weft__window_sent(w, sent, now_ns);
        }
        weft__window_full(w);
        now_ns = acks[acked % QUEUE];
        weft__window_acked(w, acked++, now_ns);
    }
    return now_ns;
}

static void a_near_broker_gets_few_messages_at_a_time(void)
{
    weft__window w;
    broker b = {.way_ns = 50000, .work_ns = 25000};
    weft__window_begin(&w, 64);
    int64_t took = flood(&w, &b, 0);
    CU_ASSERT_TRUE(w.size >= 4 && w.size <= 12);
    CU_ASSERT_TRUE(took < MESSAGES * b.work_ns * 11 / 10); /* and is kept busy */
}

static void a_far_broker_gets_all_it_takes(void)
{
    weft__window w;
    broker b = {.way_ns = 50000000, .work_ns = 25000};
    weft__window_begin(&w, 64);
    (void)flood(&w, &b, 0);
    CU_ASSERT_EQUAL(w.size, 64);
}

static void the_window_follows_a_longer_way(void)
{
    weft__window w;
    broker b = {.way_ns = 50000, .work_ns = 25000};
    weft__window_begin(&w, 64);
    int64_t now = flood(&w, &b, 0);
    b.way_ns = 5000000;
    for (int i = 0; i < 8; i++) /* until the shorter way is forgotten */
        now = flood(&w, &b, now);
    CU_ASSERT_TRUE(w.size > 32);
}

static void a_window_that_nobody_fills_stays(void)
{
    weft__window w;
    weft__window_begin(&w, 64);
    size_t size = w.size;
    for (int i = 0; i < 100; i++) {
        weft__window_sent(&w, i, i * 1000000);
        weft__window_acked(&w, i, i * 1000000 + (i % 2 ? 100 : 900000));
    }
    CU_ASSERT_EQUAL(w.size, size);
}

static void never_more_than_the_broker_takes_nor_none(void)
{
    for (size_t max = 1; max < 5; max++) {
        weft__window w;
        broker b = {.way_ns = 1000, .work_ns = 25000};
        weft__window_begin(&w, max);
        (void)flood(&w, &b, 0);
        CU_ASSERT_TRUE(w.size >= 1 && w.size <= max);
    }
}

SUITE(bridge_window, CASE(a_near_broker_gets_few_messages_at_a_time), CASE(a_far_broker_gets_all_it_takes),
      CASE(the_window_follows_a_longer_way), CASE(a_window_that_nobody_fills_stays),
      CASE(never_more_than_the_broker_takes_nor_none))
