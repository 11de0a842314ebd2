/* tests/support/bridge/fake_broker.c: the test's side of the fake broker: its life, controls and observations. */
#include "support/bridge/fake_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static fake_broker *registry;     /* [registry_lock] */
static unsigned registry_counter; /* [registry_lock] */

fake_broker *fake__broker_find(const char *url)
{
    pthread_mutex_lock(&registry_lock);
    fake_broker *b = registry;
    while (b != NULL && (url == NULL || strcmp(b->url, url) != 0))
        b = b->next;
    pthread_mutex_unlock(&registry_lock);
    return b;
}

bool fake__client_is(const char *client, const char *name)
{
    if (name == NULL || strcmp(client, name) == 0)
        return true;
    const char *colon = strrchr(client, ':');
    return colon != NULL && strcmp(colon + 1, name) == 0;
}

/* ---- life ---- */

fake_broker *fake_broker_create(fake_mode mode)
{
    fake_broker *b = calloc(1, sizeof *b);
    assert(b != NULL);
    b->mode = mode;
    b->limits = (weft__link_limits){.receive_maximum = 20, .max_packet_bytes = UINT32_MAX};
    b->queue_max = 1000;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    pthread_mutex_lock(&registry_lock);
    (void)snprintf(b->url, sizeof b->url, "mqtt://fake-%u", ++registry_counter);
    b->next = registry;
    registry = b;
    pthread_mutex_unlock(&registry_lock);
    if (mode == FAKE_THREADED && pthread_create(&b->thread, NULL, fake__thread_run, b) != 0)
        abort();
    return b;
}

static void thread_end(fake_broker *b)
{
    pthread_mutex_lock(&b->lock);
    b->ending = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
    if (b->mode == FAKE_THREADED)
        pthread_join(b->thread, NULL);
}

static void contents_free(fake_broker *b)
{
    for (session *s = b->sessions, *next; s != NULL; s = next) {
        next = s->next;
        fake__session_free(s);
    }
    for (topic_count *c = b->counts, *next; c != NULL; c = next) {
        next = c->next;
        free(c->topic);
        free(c);
    }
    item_list *lists[] = {&b->work, &b->acks, &b->stuck, &b->retained};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        fake__list_clear(lists[i]);
    for (size_t i = 0; i < b->denied_count; i++)
        free(b->denied[i]);
    for (size_t i = 0; i < b->deaf_count; i++)
        free(b->deaf[i]);
}

void fake_broker_destroy(fake_broker *b)
{
    if (b == NULL)
        return;
    assert(b->links == NULL);
    pthread_mutex_lock(&registry_lock);
    fake_broker **at = &registry;
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    pthread_mutex_unlock(&registry_lock);
    thread_end(b);
    contents_free(b);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

const char *fake_broker_url(const fake_broker *b)
{
    return b->url;
}

bool fake_broker_idle(fake_broker *b)
{
    pthread_mutex_lock(&b->lock);
    bool idle = b->work.count == 0;
    for (const weft__link *link = b->links; link != NULL; link = link->next)
        idle = idle && !link->calling;
    pthread_mutex_unlock(&b->lock);
    return idle;
}

/* ---- what it allows ---- */

void fake_broker_set_limits(fake_broker *b, uint32_t receive_maximum, uint32_t max_packet_bytes)
{
    pthread_mutex_lock(&b->lock);
    b->limits = (weft__link_limits){.receive_maximum = receive_maximum, .max_packet_bytes = max_packet_bytes};
    pthread_mutex_unlock(&b->lock);
}

void fake_broker_set_queue_max(fake_broker *b, size_t messages)
{
    pthread_mutex_lock(&b->lock);
    b->queue_max = messages;
    pthread_mutex_unlock(&b->lock);
}

void fake_broker_refuse(fake_broker *b, weft_status status)
{
    pthread_mutex_lock(&b->lock);
    b->refuse = status;
    pthread_mutex_unlock(&b->lock);
}

static void filters_change_locked(char *filters[DENIED_MAX], size_t *count, const char *filter)
{
    assert(filter == NULL || *count < DENIED_MAX);
    if (filter != NULL)
        filters[(*count)++] = strdup(filter);
    else
        while (*count > 0)
            free(filters[--*count]);
}

void fake_broker_deny(fake_broker *b, const char *filter)
{
    pthread_mutex_lock(&b->lock);
    filters_change_locked(b->denied, &b->denied_count, filter);
    pthread_mutex_unlock(&b->lock);
}

void fake_broker_deny_subscribe(fake_broker *b, const char *filter)
{
    pthread_mutex_lock(&b->lock);
    filters_change_locked(b->deaf, &b->deaf_count, filter);
    pthread_mutex_unlock(&b->lock);
}

/* ---- what happens to it ---- */

void fake_broker_stop(fake_broker *b)
{
    pthread_mutex_lock(&b->lock);
    b->stopped = true;
    b->frozen = false;
    fake__list_clear(&b->stuck);
    for (weft__link *link = b->links; link != NULL; link = link->next)
        fake__link_drop_locked(link, false);
    pthread_mutex_unlock(&b->lock);
}

void fake_broker_start(fake_broker *b)
{
    pthread_mutex_lock(&b->lock);
    b->stopped = false;
    pthread_mutex_unlock(&b->lock);
}

void fake_broker_forget(fake_broker *b)
{
    pthread_mutex_lock(&b->lock);
    fake__list_clear(&b->retained);
    for (session *s = b->sessions; s != NULL; s = s->next)
        fake__session_clear(s);
    pthread_mutex_unlock(&b->lock);
}

void fake_broker_freeze(fake_broker *b)
{
    pthread_mutex_lock(&b->lock);
    b->frozen = true;
    pthread_mutex_unlock(&b->lock);
}

void fake_broker_thaw(fake_broker *b)
{
    pthread_mutex_lock(&b->lock);
    b->frozen = false;
    for (size_t left = b->stuck.count; left > 0; left--) {
        item *i = fake__list_pop(&b->stuck);
        weft__link *from = i->link;
        if (i->on_wire) {
            fake__list_push(&b->stuck, i);
            continue;
        }
        if (fake__publish_locked(b, from, i))
            fake__ack_push_locked(b, from, i->token, WEFT_OK);
        fake__item_free(i);
    }
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

unsigned fake_broker_cut(fake_broker *b, const char *client)
{
    unsigned cut = 0;
    pthread_mutex_lock(&b->lock);
    for (weft__link *link = b->links; link != NULL; link = link->next)
        if (link->up && fake__client_is(link->client, client)) {
            fake__link_drop_locked(link, true);
            cut++;
        }
    pthread_mutex_unlock(&b->lock);
    return cut;
}

fake_ways fake__ways_locked(const fake_broker *b, const char *client)
{
    for (size_t i = 0; i < PARTED_MAX; i++)
        if (b->parted[i].ways != FAKE_JOINED && fake__client_is(client, b->parted[i].client))
            return b->parted[i].ways;
    return FAKE_JOINED;
}

/* What was waiting on the wire arrives, in order. */
static void wire_join_locked(fake_broker *b)
{
    for (size_t left = b->stuck.count; left > 0; left--) {
        item *i = fake__list_pop(&b->stuck);
        weft__link *from = i->link;
        if (!i->on_wire || (from != NULL && (fake__ways_locked(b, from->client) & FAKE_NO_OUT))) {
            fake__list_push(&b->stuck, i);
            continue;
        }
        i->on_wire = false;
        if (from != NULL && from->up && from->connection == i->connection) {
            if (b->frozen) {
                fake__list_push(&b->stuck, i);
                continue;
            }
            if (fake__publish_locked(b, from, i))
                fake__ack_push_locked(b, from, i->token, WEFT_OK);
        }
        fake__item_free(i);
    }
    pthread_cond_broadcast(&b->changed);
}

void fake_broker_part(fake_broker *b, const char *client, fake_ways ways)
{
    pthread_mutex_lock(&b->lock);
    size_t i = 0;
    while (i < PARTED_MAX && (b->parted[i].ways == FAKE_JOINED || strcmp(b->parted[i].client, client) != 0))
        i++;
    for (size_t unused = 0; i == PARTED_MAX && unused < PARTED_MAX; unused++)
        if (b->parted[unused].ways == FAKE_JOINED)
            i = unused;
    assert(i < PARTED_MAX);
    (void)snprintf(b->parted[i].client, sizeof b->parted[i].client, "%s", client);
    b->parted[i].ways = ways;
    wire_join_locked(b);
    pthread_mutex_unlock(&b->lock);
}

/* ---- acknowledgements ---- */

void fake_broker_hold_acks(fake_broker *b, bool hold)
{
    pthread_mutex_lock(&b->lock);
    b->hold_acks = hold;
    pthread_mutex_unlock(&b->lock);
}

size_t fake_broker_release_acks(fake_broker *b, size_t max)
{
    size_t released = 0;
    pthread_mutex_lock(&b->lock);
    for (; released < max && b->acks.count > 0; released++)
        fake__work_push_locked(b, fake__list_pop(&b->acks));
    pthread_mutex_unlock(&b->lock);
    return released;
}

size_t fake_broker_held_acks(fake_broker *b)
{
    pthread_mutex_lock(&b->lock);
    size_t held = b->acks.count;
    pthread_mutex_unlock(&b->lock);
    return held;
}

void fake_broker_ack_early(fake_broker *b, bool early)
{
    pthread_mutex_lock(&b->lock);
    b->ack_early = early;
    pthread_mutex_unlock(&b->lock);
}

/* ---- faults ---- */

void fake_broker_add_fault(fake_broker *b, const fake_fault *fault)
{
    pthread_mutex_lock(&b->lock);
    assert(b->fault_count < FAULTS_MAX);
    b->faults[b->fault_count] = *fault;
    if (fault->count == 0)
        b->faults[b->fault_count].count = 1;
    b->fault_count++;
    pthread_mutex_unlock(&b->lock);
}

size_t fake_broker_release_held(fake_broker *b)
{
    size_t released = 0;
    pthread_mutex_lock(&b->lock);
    for (session *s = b->sessions; s != NULL; s = s->next)
        for (item *i = fake__list_pop(&s->held); i != NULL; i = fake__list_pop(&s->held), released++)
            fake__session_push_locked(b, s, i);
    pthread_mutex_unlock(&b->lock);
    return released;
}

void fake_broker_set_chaos(fake_broker *b, const fake_chaos *chaos)
{
    pthread_mutex_lock(&b->lock);
    b->chaos = chaos != NULL ? *chaos : (fake_chaos){0};
    b->random = b->chaos.seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    pthread_mutex_unlock(&b->lock);
}

/* ---- what it sees ---- */

void fake_broker_publish(fake_broker *b, const char *topic, const void *payload, size_t length, int qos, bool retain)
{
    item *message = fake__item_create(topic, payload, length, qos, retain);
    pthread_mutex_lock(&b->lock);
    (void)fake__publish_locked(b, NULL, message);
    pthread_mutex_unlock(&b->lock);
    fake__item_free(message);
}

uint64_t fake_broker_count(fake_broker *b, const char *filter)
{
    uint64_t count = 0;
    pthread_mutex_lock(&b->lock);
    for (const topic_count *c = b->counts; c != NULL; c = c->next)
        if (fake_topic_matches(filter, c->topic))
            count += c->count;
    pthread_mutex_unlock(&b->lock);
    return count;
}

uint64_t fake_broker_dropped(fake_broker *b)
{
    pthread_mutex_lock(&b->lock);
    uint64_t dropped = b->dropped;
    pthread_mutex_unlock(&b->lock);
    return dropped;
}

uint8_t *fake_broker_retained(fake_broker *b, const char *topic, size_t *ret_bytes)
{
    uint8_t *bytes = NULL;
    pthread_mutex_lock(&b->lock);
    const item *i = fake__retained_find_locked(b, topic);
    if (i != NULL && (bytes = malloc(i->length)) != NULL) {
        memcpy(bytes, i->payload, i->length);
        *ret_bytes = i->length;
    }
    pthread_mutex_unlock(&b->lock);
    return bytes;
}

bool fake_broker_connected(fake_broker *b, const char *client)
{
    bool connected = false;
    pthread_mutex_lock(&b->lock);
    for (const weft__link *link = b->links; link != NULL; link = link->next)
        connected = connected || (link->up && fake__client_is(link->client, client));
    pthread_mutex_unlock(&b->lock);
    return connected;
}

bool fake_broker_subscribed(fake_broker *b, const char *client, const char *filter)
{
    bool subscribed = false;
    pthread_mutex_lock(&b->lock);
    for (const session *s = b->sessions; s != NULL; s = s->next)
        for (const subscription *sub = s->subscriptions; sub != NULL; sub = sub->next)
            subscribed = subscribed || (fake__client_is(s->client, client) && strcmp(sub->filter, filter) == 0);
    pthread_mutex_unlock(&b->lock);
    return subscribed;
}

void fake_broker_set_tap(fake_broker *b, fake_tap_fn tap, void *user)
{
    pthread_mutex_lock(&b->lock);
    b->tap = tap;
    b->tap_user = user;
    pthread_mutex_unlock(&b->lock);
}

void fake_broker_set_delivery_tap(fake_broker *b, fake_delivery_fn tap, void *user)
{
    pthread_mutex_lock(&b->lock);
    b->delivery_tap = tap;
    b->delivery_user = user;
    pthread_mutex_unlock(&b->lock);
}
