#include "support/system/link_end.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const weft__link_ops *const ops = &weft__mqtt_link;

static void returns_after_each_kill_of_the_broker(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a");
    for (unsigned round = 1; round <= 8; round++) {
        CU_ASSERT_EQUAL(ops->subscribe(a->link, "t", 1), WEFT_OK);
        CU_ASSERT_EQUAL(end_say(a, "t", "x", false), WEFT_OK);
        CU_ASSERT_TRUE(HEARS(&a->ear, messages, round));
        if (round % 2 == 0) { /* unread bytes turn the end into a reset */
            broker_freeze(b);
            (void)end_pour(a, 20000, 20);
        }
        broker_kill(b);
        CU_ASSERT_TRUE(HEARS(&a->ear, downs, round));
        CU_ASSERT_EQUAL(end_say(a, "t", "x", false), WEFT_UNREACHABLE);
        CU_ASSERT_EQUAL(end_connect(a, false), WEFT_UNREACHABLE);
        CU_ASSERT_TRUE_FATAL(broker_start(b));
        CU_ASSERT_EQUAL_FATAL(end_connect(a, false), WEFT_OK);
    }
    CU_ASSERT_EQUAL(a->ear.downs, 8);
    end_close(a);
    broker_destroy(b);
}

static void notices_a_frozen_broker(void)
{
    broker *b = broker_run(NULL);
    weft__link_opts opts = end_options(broker_url(b), "a");
    opts.keep_alive_s = 1;
    opts.connect_timeout_s = 1;
    end *a = end_create(&opts);
    CU_ASSERT_EQUAL_FATAL(end_connect(a, true), WEFT_OK);
    broker_freeze(b);
    CU_ASSERT(end_pour(a, 200000, 1000) < 1000);
    CU_ASSERT_TRUE(HEARS(&a->ear, downs, 1));
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(a->reason, "does not answer"));
    broker_thaw(b);
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    end_close(a);
    broker_destroy(b);
}

/* ---- many links in one process ---- */

typedef struct runner {
    const char *url;
    char id[16];
    atomic_uint good;
} runner;

static void *runner_run(void *user)
{
    runner *r = user;
    for (unsigned i = 0; i < 4; i++) {
        weft__link_opts opts = end_options(r->url, r->id);
        end *n = end_create(&opts);
        if (end_connect(n, true) == WEFT_OK && ops->subscribe(n->link, r->id, 1) == WEFT_OK &&
            end_say(n, r->id, "x", false) == WEFT_OK && HEARS(&n->ear, messages, 1))
            atomic_fetch_add(&r->good, 1);
        end_close(n);
    }
    return NULL;
}

static void keeps_links_of_one_process_apart(void)
{
    broker *b = broker_run(NULL);
    runner runners[4] = {{0}};
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        runners[i].url = broker_url(b);
        (void)snprintf(runners[i].id, sizeof runners[i].id, "runner-%u", i);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, runner_run, &runners[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(atomic_load(&runners[i].good), 4);
    }
    broker_destroy(b);
}

int main(int argc, char **argv)
{
    static const suite_case cases[] = {CASE(returns_after_each_kill_of_the_broker), CASE(notices_a_frozen_broker),
                                       CASE(keeps_links_of_one_process_apart)};
    if (!broker_available()) {
        (void)puts("skipped: mosquitto is not installed");
        return 77;
    }
    return suite_run("system_mqtt_outage", cases, sizeof cases / sizeof *cases, argc, argv);
}
