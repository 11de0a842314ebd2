/* tests/support/bridge/fake_link.c: the links' side of the fake broker: operations, and callbacks in order. */
#include "support/bridge/fake_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- callbacks ---- */

void fake__work_push_locked(fake_broker *b, item *i)
{
    fake__list_push(&b->work, i);
    pthread_cond_broadcast(&b->changed);
}

void fake__ack_push_locked(fake_broker *b, weft__link *link, int token, weft_status status)
{
    item *i = fake__item_create(NULL, NULL, 0, 0, false);
    i->kind = ITEM_ACK;
    i->link = link;
    i->token = token;
    i->status = status;
    if (b->hold_acks)
        fake__list_push(&b->acks, i);
    else
        fake__work_push_locked(b, i);
}

static void item_call(const item *i, const weft__link_callbacks *callbacks)
{
    switch (i->kind) {
    case ITEM_MESSAGE:
        callbacks->on_message(callbacks->user, i->topic, i->payload, i->length, i->retain);
        break;
    case ITEM_ACK:
        callbacks->on_acked(callbacks->user, i->token, i->status);
        break;
    case ITEM_DOWN:
        callbacks->on_down(callbacks->user);
        break;
    }
}

/* Runs one callback, without the lock. */
static void work_run_locked(fake_broker *b, item *i)
{
    weft__link *link = i->link;
    if (i->kind == ITEM_ACK)
        link->in_flight--;
    link->calling = true;
    if (i->kind == ITEM_MESSAGE && b->delivery_tap != NULL)
        b->delivery_tap(b->delivery_user, link->client, i->topic, i->payload, i->length);
    pthread_mutex_unlock(&b->lock);
    item_call(i, &link->callbacks);
    fake__item_free(i);
    pthread_mutex_lock(&b->lock);
    link->calling = false;
    pthread_cond_broadcast(&b->changed);
}

/* A lost connection shows at the client itself. */
static bool item_passes_locked(const fake_broker *b, const item *i)
{
    return i->kind == ITEM_DOWN || (!b->frozen && !(fake__ways_locked(b, i->link->client) & FAKE_NO_IN));
}

/* Takes the first callback that is due to a client. */
static item *work_pop_locked(fake_broker *b, const char *client)
{
    item *before = NULL, *i = b->work.first;
    while (i != NULL && !(fake__client_is(i->link->client, client) && item_passes_locked(b, i))) {
        before = i;
        i = i->next;
    }
    if (i != NULL)
        fake__list_remove(&b->work, before, i);
    return i;
}

void *fake__thread_run(void *broker)
{
    fake_broker *b = broker;
    pthread_mutex_lock(&b->lock);
    while (!b->ending) {
        item *i = work_pop_locked(b, NULL);
        if (i != NULL)
            work_run_locked(b, i);
        else
            pthread_cond_wait(&b->changed, &b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

size_t fake_broker_pump_client(fake_broker *b, const char *client, size_t max)
{
    size_t done = 0;
    assert(b->mode == FAKE_PUMPED);
    pthread_mutex_lock(&b->lock);
    for (item *i; done < max && (i = work_pop_locked(b, client)) != NULL; done++)
        work_run_locked(b, i);
    pthread_mutex_unlock(&b->lock);
    return done;
}

size_t fake_broker_pump(fake_broker *b)
{
    return fake_broker_pump_client(b, NULL, SIZE_MAX);
}

size_t fake_broker_due(fake_broker *b, const char *client)
{
    size_t due = 0;
    pthread_mutex_lock(&b->lock);
    for (const item *i = b->work.first; i != NULL; i = i->next)
        due += fake__client_is(i->link->client, client) && item_passes_locked(b, i);
    pthread_mutex_unlock(&b->lock);
    return due;
}

/* ---- connections ---- */

/* Takes back what was on its way to a link; a durable session keeps its QoS 1 messages for later, in order. */
static void link_recall_locked(weft__link *link)
{
    fake_broker *b = link->broker;
    session *s = fake__session_of_locked(b, link);
    item_list mine = fake__list_extract(&b->work, link);
    item_list acks = fake__list_extract(&b->acks, link);
    fake__list_clear(&acks);
    if (s != NULL)
        s->link = NULL;
    for (item *i = fake__list_pop(&mine); i != NULL; i = fake__list_pop(&mine))
        if (i->kind == ITEM_MESSAGE && s != NULL)
            fake__session_push_locked(b, s, i);
        else
            fake__item_free(i);
    if (s != NULL)
        fake__session_leave_locked(b, s);
}

static void will_publish_locked(weft__link *link)
{
    if (link->will_topic == NULL || link->receive_only)
        return;
    item *will = fake__item_create(link->will_topic, link->will, link->will_bytes, 1, true);
    (void)fake__publish_locked(link->broker, NULL, will);
    fake__item_free(will);
}

void fake__link_drop_locked(weft__link *link, bool with_will)
{
    if (!link->up)
        return;
    link_recall_locked(link);
    link->up = false;
    item *down = fake__item_create(NULL, NULL, 0, 0, false);
    down->kind = ITEM_DOWN;
    down->link = link;
    fake__work_push_locked(link->broker, down);
    if (with_will)
        will_publish_locked(link);
}

/* Ends the connections from the client's side, and with them all callbacks. */
static void link_close_locked(weft__link *link, bool with_will)
{
    bool was_up = link->up;
    link_recall_locked(link);
    link->up = false;
    if (was_up && with_will)
        will_publish_locked(link);
    while (link->calling)
        pthread_cond_wait(&link->broker->changed, &link->broker->lock);
}

static weft_status broker_reach_locked(const fake_broker *b, const weft__link *link, const char **reason)
{
    const char *ignored;
    reason = reason != NULL ? reason : &ignored;
    if (b->stopped) {
        *reason = "connection refused by the fake broker: nothing listens there";
        return WEFT_UNREACHABLE;
    }
    if (b->frozen || fake__ways_locked(b, link->client) != FAKE_JOINED) {
        *reason = "the fake broker took the connection but does not answer";
        return WEFT_TIMEOUT;
    }
    if (b->refuse != WEFT_OK)
        *reason = "the fake broker refuses connections";
    return b->refuse;
}

static void takeover_locked(fake_broker *b, const weft__link *newcomer)
{
    for (weft__link *other = b->links; other != NULL; other = other->next)
        if (other != newcomer && strcmp(other->client, newcomer->client) == 0)
            fake__link_drop_locked(other, true);
}

static void link_open_locked(fake_broker *b, weft__link *link, bool clean)
{
    takeover_locked(b, link);
    link->up = true;
    link->connection = ++b->connections;
    link->limits = b->limits;
    link->in_flight = 0;
    link->last_token = 0;
    session *s = fake__session_open_locked(b, link, clean);
    for (item *i = fake__list_pop(&s->queue); i != NULL; i = fake__list_pop(&s->queue)) {
        i->link = link;
        fake__work_push_locked(b, i);
    }
}

static weft_status link_connect(weft__link *link, bool clean, weft__link_limits *ret_limits, const char **reason)
{
    fake_broker *b = link->broker;
    pthread_mutex_lock(&b->lock);
    link_close_locked(link, !b->stopped);
    weft_status status = broker_reach_locked(b, link, reason);
    if (status == WEFT_OK) {
        link_open_locked(b, link, clean);
        if (ret_limits != NULL)
            *ret_limits = link->limits;
    }
    pthread_mutex_unlock(&b->lock);
    return status;
}

static void link_disconnect(weft__link *link)
{
    pthread_mutex_lock(&link->broker->lock);
    link_close_locked(link, false);
    pthread_mutex_unlock(&link->broker->lock);
}

/* ---- create and destroy ---- */

static weft_status link_set_will(weft__link *link, const uint8_t *will, size_t will_bytes)
{
    uint8_t *copy = malloc(will_bytes + 1);
    assert(copy != NULL);
    if (will_bytes > 0)
        memcpy(copy, will, will_bytes);
    pthread_mutex_lock(&link->broker->lock);
    free(link->will);
    link->will = copy;
    link->will_bytes = will_bytes;
    pthread_mutex_unlock(&link->broker->lock);
    return WEFT_OK;
}

static weft_status link_create(const weft__link_opts *opts, const weft__link_callbacks *callbacks, weft__link **ret)
{
    fake_broker *b = fake__broker_find(opts->url);
    if (b == NULL || opts->client_id == NULL)
        return WEFT_INVALID;
    weft__link *link = calloc(1, sizeof *link);
    assert(link != NULL);
    link->broker = b;
    link->callbacks = *callbacks;
    link->receive_only = opts->receive_only;
    link->session_expiry_s = opts->session_expiry_s;
    (void)snprintf(link->client, sizeof link->client, "%s", opts->client_id);
    if (opts->will_topic != NULL)
        link->will_topic = strdup(opts->will_topic);
    (void)link_set_will(link, opts->will, opts->will_bytes);
    pthread_mutex_lock(&b->lock);
    link->next = b->links;
    b->links = link;
    pthread_mutex_unlock(&b->lock);
    *ret = link;
    return WEFT_OK;
}

static void stuck_disown_locked(fake_broker *b, const weft__link *link)
{
    for (item *i = b->stuck.first; i != NULL; i = i->next)
        if (i->link == link)
            i->link = NULL;
}

static void link_destroy(weft__link *link)
{
    if (link == NULL)
        return;
    fake_broker *b = link->broker;
    pthread_mutex_lock(&b->lock);
    link_close_locked(link, true);
    stuck_disown_locked(b, link);
    weft__link **at = &b->links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    pthread_mutex_unlock(&b->lock);
    free(link->will_topic);
    free(link->will);
    free(link);
}

/* ---- messages ---- */

static bool deaf_locked(const fake_broker *b, const char *filter)
{
    for (size_t i = 0; i < b->deaf_count; i++)
        if (strcmp(b->deaf[i], filter) == 0)
            return true;
    return false;
}

static weft_status subscription_change(weft__link *link, const char *filter, int qos)
{
    fake_broker *b = link->broker;
    weft_status status = WEFT_UNREACHABLE;
    pthread_mutex_lock(&b->lock);
    if (b->frozen || fake__ways_locked(b, link->client) != FAKE_JOINED)
        fake__link_drop_locked(link, !b->frozen);
    if (link->up && qos >= 0 && deaf_locked(b, filter)) {
        status = WEFT_REFUSED;
    } else if (link->up) {
        fake__subscribe_locked(b, fake__session_of_locked(b, link), filter, qos);
        status = WEFT_OK;
    }
    pthread_mutex_unlock(&b->lock);
    return status;
}

static weft_status link_subscribe(weft__link *link, const char *filter, int qos)
{
    return subscription_change(link, filter, qos);
}

static weft_status link_subscribe_many(weft__link *link, weft__link_filter *filters, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        filters[i].status = subscription_change(link, filters[i].filter, filters[i].qos);
        if (filters[i].status == WEFT_UNREACHABLE)
            return WEFT_UNREACHABLE;
    }
    return WEFT_OK;
}

static weft_status link_unsubscribe(weft__link *link, const char *filter)
{
    return subscription_change(link, filter, -1);
}

static weft_status publish_check_locked(const weft__link *link, const char *topic, size_t length, int qos)
{
    if (!link->up || link->receive_only)
        return WEFT_UNREACHABLE;
    if (12 + strlen(topic) + length > link->limits.max_packet_bytes)
        return WEFT_TOO_LARGE;
    return qos > 0 && link->in_flight >= link->limits.receive_maximum ? WEFT_FULL : WEFT_OK;
}

/* Numbers the message and gives it to the broker. Returns whether to acknowledge at once. */
static bool message_send_locked(weft__link *link, item **message)
{
    fake_broker *b = link->broker;
    (*message)->link = link;
    (*message)->connection = link->connection;
    if ((*message)->qos > 0) {
        link->in_flight++;
        (*message)->token = link->last_token = link->last_token % 65535 + 1;
    }
    bool cut_off = (fake__ways_locked(b, link->client) & FAKE_NO_OUT) != 0;
    if (b->frozen || cut_off) {
        (*message)->on_wire = cut_off;
        fake__list_push(&b->stuck, *message);
        *message = NULL;
        return false;
    }
    bool ack_now = fake__publish_locked(b, link, *message);
    link->in_flight -= ack_now;
    return ack_now;
}

static weft_status link_publish(weft__link *link, const char *topic, const uint8_t *payload, size_t length, int qos,
                                bool retain, int *ret_token)
{
    fake_broker *b = link->broker;
    item *message = fake__item_create(topic, payload, length, qos, retain);
    bool ack_now = false;
    int token = 0;
    pthread_mutex_lock(&b->lock);
    weft_status status = publish_check_locked(link, topic, length, qos);
    if (status == WEFT_OK) {
        ack_now = message_send_locked(link, &message);
        token = qos > 0 ? link->last_token : 0;
    }
    pthread_mutex_unlock(&b->lock);
    fake__item_free(message);
    if (ack_now)
        link->callbacks.on_acked(link->callbacks.user, token, WEFT_OK);
    if (status == WEFT_OK && ret_token != NULL)
        *ret_token = token;
    return status;
}

static weft_status link_peek(weft__link *link, const char *topic, uint8_t **ret, size_t *ret_bytes, const char **reason)
{
    pthread_mutex_lock(&link->broker->lock);
    weft_status status = broker_reach_locked(link->broker, link, reason);
    pthread_mutex_unlock(&link->broker->lock);
    if (status != WEFT_OK)
        return status;
    *ret_bytes = 0;
    *ret = fake_broker_retained(link->broker, topic, ret_bytes);
    return WEFT_OK;
}

const weft__link_ops fake_link = {
    .create = link_create,
    .connect = link_connect,
    .set_will = link_set_will,
    .subscribe = link_subscribe,
    .subscribe_many = link_subscribe_many,
    .unsubscribe = link_unsubscribe,
    .publish = link_publish,
    .peek = link_peek,
    .disconnect = link_disconnect,
    .destroy = link_destroy,
};
