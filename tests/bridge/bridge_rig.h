/* tests/bridge/bridge_rig.h: whole hosts (dispatcher and bridge) at a fake broker, and what each of them has handled.
 */
#ifndef WEFT_TESTS_BRIDGE_RIG_H
#define WEFT_TESTS_BRIDGE_RIG_H

#include "bridge/bridge_private.h"
#include "support/bridge/fake_link.h"
#include "support/suite.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEADLINE_MS = 20000, SEQS_MAX = 65536, READY_MS = 5000 };

/* ---- a host of the test ---- */

typedef struct host {
    fake_broker *broker;
    const char *name;
    char journal[128];
    weft_dispatcher *bus;
    weft_bridge *bridge;
    pthread_mutex_t mutex;
    size_t count;              /* [mutex] events from others, all below too */
    size_t wanted;             /* not under the mutex: set before waiting */
    uint64_t values[SEQS_MAX]; /* input_tokens, in the order handled */
    bool replayed[SEQS_MAX];
    size_t lost_reports;
    weft_lost lost;
    unsigned notices[WEFT_NOTICE_COUNT];
} host;

static inline weft_status on_event(const weft_event *event, void *user)
{
    host *h = user;
    pthread_mutex_lock(&h->mutex);
    if (h->count < SEQS_MAX) {
        h->values[h->count] = event->token_usage.input_tokens;
        h->replayed[h->count] = (event->flags & WEFT_FLAG_REPLAYED) != 0;
        h->count++;
    }
    pthread_mutex_unlock(&h->mutex);
    return WEFT_OK;
}

static inline void on_lost(const weft_lost *lost, void *user)
{
    host *h = user;
    pthread_mutex_lock(&h->mutex);
    h->lost_reports++;
    h->lost = *lost;
    pthread_mutex_unlock(&h->mutex);
}

static inline void on_notice(const weft_notice *notice, void *user)
{
    host *h = user;
    pthread_mutex_lock(&h->mutex);
    h->notices[notice->kind]++;
    pthread_mutex_unlock(&h->mutex);
}

static inline weft_status host_open(host *h, const weft_bridge_opts *extra)
{
    weft_bridge_opts opts = extra != NULL ? *extra : (weft_bridge_opts){0};
    opts.url = fake_broker_url(h->broker);
    opts.fabric = "dev";
    opts.node = h->name;
    opts.journal_path = h->journal[0] != '\0' ? h->journal : NULL;
    opts.on_notice = on_notice;
    opts.user = h;
    return weft__bridge_create_in(h->bus, &opts, &(weft__bridge_env){.link_ops = &fake_link}, &h->bridge, NULL);
}

static inline host *host_create(fake_broker *broker, const char *name)
{
    host *h = calloc(1, sizeof *h);
    h->broker = broker;
    h->name = name;
    pthread_mutex_init(&h->mutex, NULL);
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(NULL, &h->bus), WEFT_OK);
    return h;
}

static inline void host_listen(host *h, uint32_t topics)
{
    weft_subscription s;
    weft_filter filter = {.topics = topics, .origin = WEFT_ORIGIN_REMOTE};
    weft_subscribe_opts opts = {.name = "test", .on_lost = on_lost};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe_with(h->bus, &filter, &opts, on_event, h, &s), WEFT_OK);
}

static inline host *host_start(fake_broker *broker, const char *name, uint32_t listens_to)
{
    host *h = host_create(broker, name);
    if (listens_to != 0)
        host_listen(h, listens_to);
    CU_ASSERT_EQUAL_FATAL(host_open(h, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(h->bridge, READY_MS), WEFT_OK);
    return h;
}

static inline void host_destroy(host *h)
{
    weft_bridge_destroy(h->bridge);
    weft_dispatcher_destroy(h->bus);
    pthread_mutex_destroy(&h->mutex);
    free(h);
}

static inline weft_status publish(host *h, uint64_t value)
{
    weft_event event = {.type = WEFT_TOKEN_USAGE,
                        .session_id = "s1",
                        .token_usage = {.model = "m", .input_tokens = value, .cost_usd = 0.001}};
    return weft_publish(h->bus, &event);
}

static inline void publish_range(host *h, uint64_t from, uint64_t to)
{
    for (uint64_t value = from; value <= to; value++)
        CU_ASSERT_EQUAL_FATAL(publish(h, value), WEFT_OK);
}

static inline bool has_wanted(void *user)
{
    host *h = user;
    pthread_mutex_lock(&h->mutex);
    bool has = h->count >= h->wanted;
    pthread_mutex_unlock(&h->mutex);
    return has;
}

static inline bool host_gets(host *h, size_t count)
{
    h->wanted = count;
    return suite_wait(has_wanted, h, DEADLINE_MS);
}

/* Whether the host has handled from..to, once each; in order too, unless marked as replayed. */
static inline bool has_each_once(const host *h, uint64_t from, uint64_t to)
{
    unsigned char *seen = calloc(to + 1, 1);
    bool once = h->count == to - from + 1;
    uint64_t last = 0;
    for (size_t i = 0; i < h->count; i++) {
        if (h->values[i] < from || h->values[i] > to || seen[h->values[i]]++ > 0)
            once = false;
        else if (!h->replayed[i]) {
            once = once && h->values[i] > last;
            last = h->values[i];
        }
    }
    free(seen);
    return once;
}

static inline unsigned notices_of(host *h, weft_notice_kind kind)
{
    pthread_mutex_lock(&h->mutex);
    unsigned count = h->notices[kind];
    pthread_mutex_unlock(&h->mutex);
    return count;
}

static inline int entry_remove(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void journal_dir_make(char dir[64])
{
    strcpy(dir, "/tmp/weft-test.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

static inline void journal_dir_remove(const char *dir)
{
    nftw(dir, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
