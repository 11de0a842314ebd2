/* tests/support/system/link_end.c: links under test, with their ears. */
#include "support/system/link_end.h"

#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POUR_MS = 30000 };

static const weft__link_ops *const ops = &weft__mqtt_link;

static void hear_message(void *user, const char *topic, const uint8_t *payload, size_t length, bool retained)
{
    ear *e = user;
    pthread_mutex_lock(&e->lock);
    e->messages++;
    e->late += e->down;
    e->last_retained = retained;
    for (size_t i = 1; i < length && length > sizeof e->last_payload; i++)
        if (payload[i] != payload[0]) {
            e->strange++;
            break;
        }
    (void)snprintf(e->last_topic, sizeof e->last_topic, "%s", topic);
    (void)snprintf(e->last_payload, sizeof e->last_payload, "%.*s", (int)(length < 100 ? length : 100), payload);
    pthread_mutex_unlock(&e->lock);
}

static void hear_ack(void *user, int token, weft_status status)
{
    ear *e = user;
    pthread_mutex_lock(&e->lock);
    e->late += e->down;
    e->acked += status == WEFT_OK;
    e->refused += status != WEFT_OK;
    e->strange += token < 1 || token >= TOKENS;
    if (token >= 1 && token < TOKENS)
        e->ack_of[token]++;
    pthread_mutex_unlock(&e->lock);
}

static void hear_down(void *user)
{
    ear *e = user;
    pthread_mutex_lock(&e->lock);
    e->downs++;
    e->down = true;
    pthread_mutex_unlock(&e->lock);
}

/* Reads one counter under the lock. */
static unsigned heard(ear *e, const unsigned *counter)
{
    pthread_mutex_lock(&e->lock);
    unsigned value = *counter;
    pthread_mutex_unlock(&e->lock);
    return value;
}

bool goal_met(void *user)
{
    const goal *g = user;
    return heard(g->e, g->counter) >= g->value;
}

static const char will_text[] = "gone";

weft__link_opts end_options(const char *url, const char *id)
{
    return (weft__link_opts){.url = url,
                             .client_id = id,
                             .will_topic = "live/a",
                             .will = (const uint8_t *)will_text,
                             .will_bytes = sizeof will_text - 1,
                             .keep_alive_s = 10,
                             .connect_timeout_s = 10,
                             .session_expiry_s = 300};
}

end *end_create(const weft__link_opts *opts)
{
    end *n = calloc(1, sizeof *n);
    weft__link_callbacks callbacks = {hear_message, hear_ack, hear_down, &n->ear};
    pthread_mutex_init(&n->ear.lock, NULL);
    CU_ASSERT_EQUAL_FATAL(ops->create(opts, &callbacks, &n->link), WEFT_OK);
    return n;
}

weft_status end_connect(end *n, bool clean)
{
    pthread_mutex_lock(&n->ear.lock);
    n->ear.down = false;
    pthread_mutex_unlock(&n->ear.lock);
    return ops->connect(n->link, clean, &n->limits, &n->reason);
}

end *end_open(const char *url, const char *id)
{
    weft__link_opts opts = end_options(url, id);
    end *n = end_create(&opts);
    CU_ASSERT_EQUAL_FATAL(end_connect(n, true), WEFT_OK);
    return n;
}

static void end_free(end *n)
{
    CU_ASSERT_EQUAL(n->ear.strange, 0);
    CU_ASSERT_EQUAL(n->ear.late, 0);
    pthread_mutex_destroy(&n->ear.lock);
    free(n);
}

void end_crash(end *n)
{
    ops->destroy(n->link);
    end_free(n);
}

void end_close(end *n)
{
    ops->disconnect(n->link);
    ops->destroy(n->link);
    end_free(n);
}

weft_status end_say(end *n, const char *topic, const char *text, bool retain)
{
    int token = 0;
    return ops->publish(n->link, topic, (const uint8_t *)text, strlen(text), 1, retain, &token);
}

typedef struct pouring {
    end *end;
    const uint8_t *payload;
    size_t bytes;
    weft_status status;
} pouring;

/* Publishes once; false only while the window is full. */
static bool pour_one(void *user)
{
    pouring *p = user;
    int token = 0;
    p->status = ops->publish(p->end->link, "flood", p->payload, p->bytes, 1, false, &token);
    return p->status != WEFT_FULL;
}

unsigned end_pour(end *n, size_t bytes, unsigned count)
{
    uint8_t *payload = malloc(bytes);
    pouring p = {.end = n, .payload = payload, .bytes = bytes};
    unsigned done = 0;
    while (done < count && p.status == WEFT_OK) {
        memset(payload, 'a' + (int)(done % 26), bytes);
        done += suite_wait(pour_one, &p, POUR_MS) && p.status == WEFT_OK;
    }
    free(payload);
    return done;
}

void end_expect_retained(end *n, const char *topic, const char *text)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    CU_ASSERT_EQUAL(ops->peek(n->link, topic, &bytes, &length, NULL), WEFT_OK);
    if (text == NULL) {
        CU_ASSERT_PTR_NULL(bytes);
    } else {
        CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
        CU_ASSERT_EQUAL(length, strlen(text));
        CU_ASSERT_EQUAL(memcmp(bytes, text, length), 0);
    }
    free(bytes);
}

broker *broker_run(const char *lines)
{
    broker *b = broker_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    if (lines != NULL)
        broker_configure(b, lines);
    CU_ASSERT_TRUE_FATAL(broker_start(b));
    return b;
}
