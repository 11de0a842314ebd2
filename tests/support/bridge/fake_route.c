/* tests/support/bridge/fake_route.c: what the fake broker does with a message: lists, sessions, faults, deliveries. */
#include "support/bridge/fake_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- items and lists ---- */

item *fake__item_create(const char *topic, const void *payload, size_t length, int qos, bool retain)
{
    item *i = calloc(1, sizeof *i);
    assert(i != NULL);
    i->qos = qos;
    i->retain = retain;
    i->length = length;
    if (topic != NULL) {
        i->topic = strdup(topic);
        i->payload = malloc(length + 1);
        assert(i->topic != NULL && i->payload != NULL);
        if (length > 0)
            memcpy(i->payload, payload, length);
    }
    return i;
}

static item *item_copy(const item *i)
{
    return fake__item_create(i->topic, i->payload, i->length, i->qos, i->retain);
}

void fake__item_free(item *i)
{
    if (i == NULL)
        return;
    free(i->topic);
    free(i->payload);
    free(i);
}

void fake__list_push(item_list *list, item *i)
{
    i->next = NULL;
    if (list->last != NULL)
        list->last->next = i;
    else
        list->first = i;
    list->last = i;
    list->count++;
}

void fake__list_remove(item_list *list, item *before, item *i)
{
    *(before != NULL ? &before->next : &list->first) = i->next;
    if (list->last == i)
        list->last = before;
    list->count--;
    i->next = NULL;
}

item *fake__list_pop(item_list *list)
{
    item *i = list->first;
    if (i != NULL)
        fake__list_remove(list, NULL, i);
    return i;
}

void fake__list_clear(item_list *list)
{
    for (item *i = fake__list_pop(list); i != NULL; i = fake__list_pop(list))
        fake__item_free(i);
}

item_list fake__list_extract(item_list *list, const weft__link *link)
{
    item_list taken = {0};
    for (size_t left = list->count; left > 0; left--) {
        item *i = fake__list_pop(list);
        fake__list_push(i->link == link ? &taken : list, i);
    }
    return taken;
}

/* ---- topics ---- */

static const char *level_end(const char *text)
{
    return text + strcspn(text, "/");
}

bool fake_topic_matches(const char *filter, const char *topic)
{
    if (*topic == '$' && (*filter == '+' || *filter == '#'))
        return false;
    for (;;) {
        if (strcmp(filter, "#") == 0)
            return true;
        const char *filter_end = level_end(filter), *topic_end = level_end(topic);
        size_t length = (size_t)(filter_end - filter);
        bool any = length == 1 && *filter == '+';
        if (!any && (length != (size_t)(topic_end - topic) || memcmp(filter, topic, length) != 0))
            return false;
        if (*topic_end == '\0')
            return *filter_end == '\0' || strcmp(filter_end, "/#") == 0;
        if (*filter_end == '\0')
            return false;
        filter = filter_end + 1;
        topic = topic_end + 1;
    }
}

static void topic_count_locked(fake_broker *b, const char *topic)
{
    topic_count *c = b->counts;
    while (c != NULL && strcmp(c->topic, topic) != 0)
        c = c->next;
    if (c == NULL) {
        c = calloc(1, sizeof *c);
        assert(c != NULL);
        c->topic = strdup(topic);
        c->next = b->counts;
        b->counts = c;
    }
    c->count++;
}

/* ---- sessions ---- */

session *fake__session_of_locked(fake_broker *b, const weft__link *link)
{
    session *s = b->sessions;
    while (s != NULL && s->link != link)
        s = s->next;
    return s;
}

void fake__session_clear(session *s)
{
    for (subscription *sub = s->subscriptions, *next; sub != NULL; sub = next) {
        next = sub->next;
        free(sub->filter);
        free(sub);
    }
    s->subscriptions = NULL;
    fake__list_clear(&s->queue);
    fake__list_clear(&s->held);
    fake__item_free(s->swapped);
    s->swapped = NULL;
}

void fake__session_free(session *s)
{
    fake__session_clear(s);
    free(s);
}

session *fake__session_open_locked(fake_broker *b, weft__link *link, bool clean)
{
    session *s = b->sessions;
    while (s != NULL && strcmp(s->client, link->client) != 0)
        s = s->next;
    if (s == NULL) {
        s = calloc(1, sizeof *s);
        assert(s != NULL);
        (void)snprintf(s->client, sizeof s->client, "%s", link->client);
        s->next = b->sessions;
        b->sessions = s;
    }
    if (clean)
        fake__session_clear(s);
    s->link = link;
    s->durable = link->session_expiry_s > 0;
    return s;
}

void fake__session_leave_locked(fake_broker *b, session *s)
{
    s->link = NULL;
    if (s->durable)
        return;
    session **at = &b->sessions;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    fake__session_free(s);
}

void fake__session_push_locked(fake_broker *b, session *s, item *i)
{
    i->link = s->link;
    if (s->link != NULL) {
        fake__work_push_locked(b, i);
    } else if (i->qos > 0 && s->durable && s->queue.count < b->queue_max) {
        fake__list_push(&s->queue, i);
    } else {
        b->dropped += i->qos > 0 && s->durable;
        fake__item_free(i);
    }
}

static subscription **subscription_find(session *s, const char *filter)
{
    subscription **at = &s->subscriptions;
    while (*at != NULL && strcmp((*at)->filter, filter) != 0)
        at = &(*at)->next;
    return at;
}

item *fake__retained_find_locked(fake_broker *b, const char *topic)
{
    item *i = b->retained.first;
    while (i != NULL && strcmp(i->topic, topic) != 0)
        i = i->next;
    return i;
}

void fake__subscribe_locked(fake_broker *b, session *s, const char *filter, int qos)
{
    subscription **at = subscription_find(s, filter);
    if (qos < 0 && *at != NULL) {
        subscription *gone = *at;
        *at = gone->next;
        free(gone->filter);
        free(gone);
    }
    if (qos < 0)
        return;
    if (*at == NULL) {
        *at = calloc(1, sizeof **at);
        assert(*at != NULL);
        (*at)->filter = strdup(filter);
    }
    (*at)->qos = qos;
    for (const item *i = b->retained.first; i != NULL; i = i->next)
        if (fake_topic_matches(filter, i->topic)) {
            item *copy = item_copy(i);
            copy->qos = qos < copy->qos ? qos : copy->qos;
            fake__session_push_locked(b, s, copy);
        }
}

/* ---- faults ---- */

/* xorshift64*: faults need no better, and the sequence must not depend on the platform. */
static bool chance_locked(fake_broker *b, unsigned permille)
{
    if (permille == 0)
        return false;
    b->random ^= b->random >> 12;
    b->random ^= b->random << 25;
    b->random ^= b->random >> 27;
    return (b->random * UINT64_C(0x2545F4914F6CDD1D) >> 33) % 1000 < permille;
}

/* Whether a fault of this kind is due for a message. */
static bool fault_due_locked(fake_broker *b, fake_action action, const char *topic, const char *client)
{
    for (size_t i = 0; i < b->fault_count; i++) {
        fake_fault *f = &b->faults[i];
        if (f->action != action || f->count == 0 || !fake__client_is(client, f->client) ||
            (f->filter != NULL && !fake_topic_matches(f->filter, topic)))
            continue;
        if (f->skip > 0) {
            f->skip--;
            continue;
        }
        f->count--;
        return true;
    }
    switch (action) {
    case FAKE_LOSE:
        return chance_locked(b, b->chaos.lose_permille);
    case FAKE_CUT_AFTER:
        return chance_locked(b, b->chaos.cut_permille);
    case FAKE_DROP:
        return chance_locked(b, b->chaos.drop_permille);
    case FAKE_DUPLICATE:
        return chance_locked(b, b->chaos.duplicate_permille);
    case FAKE_SWAP:
        return chance_locked(b, b->chaos.swap_permille);
    default:
        return false;
    }
}

/* ---- deliveries ---- */

/* Delivers and then what had been swapped behind this message. */
static void pass_locked(fake_broker *b, session *s, item *i)
{
    fake__session_push_locked(b, s, i);
    if (s->swapped != NULL) {
        item *behind = s->swapped;
        s->swapped = NULL;
        fake__session_push_locked(b, s, behind);
    }
}

static void deliver_locked(fake_broker *b, session *s, item *i)
{
    if (fault_due_locked(b, FAKE_CORRUPT, i->topic, s->client) && i->length > 0)
        i->payload[i->length - 1] ^= 0x55;
    if (fault_due_locked(b, FAKE_DROP, i->topic, s->client)) {
        fake__item_free(i);
    } else if (fault_due_locked(b, FAKE_HOLD, i->topic, s->client)) {
        fake__list_push(&s->held, i);
    } else if (s->swapped == NULL && fault_due_locked(b, FAKE_SWAP, i->topic, s->client)) {
        s->swapped = i;
    } else {
        if (fault_due_locked(b, FAKE_DUPLICATE, i->topic, s->client))
            fake__session_push_locked(b, s, item_copy(i));
        pass_locked(b, s, i);
    }
}

/* The best QoS of the subscriptions that match, -1 if none does. */
static int session_qos(const session *s, const char *topic)
{
    int qos = -1;
    for (const subscription *sub = s->subscriptions; sub != NULL; sub = sub->next)
        if (sub->qos > qos && fake_topic_matches(sub->filter, topic))
            qos = sub->qos;
    return qos;
}

static void route_locked(fake_broker *b, const item *message)
{
    for (session *s = b->sessions; s != NULL; s = s->next) {
        int qos = session_qos(s, message->topic);
        if (qos < 0)
            continue;
        item *copy = item_copy(message);
        copy->qos = qos < message->qos ? qos : message->qos;
        copy->retain = false;
        deliver_locked(b, s, copy);
    }
}

static void retain_locked(fake_broker *b, const item *message)
{
    for (size_t left = b->retained.count; left > 0; left--) {
        item *i = fake__list_pop(&b->retained);
        if (strcmp(i->topic, message->topic) == 0)
            fake__item_free(i);
        else
            fake__list_push(&b->retained, i);
    }
    if (message->length > 0)
        fake__list_push(&b->retained, item_copy(message));
}

static bool denied_locked(const fake_broker *b, const char *topic)
{
    for (size_t i = 0; i < b->denied_count; i++)
        if (fake_topic_matches(b->denied[i], topic))
            return true;
    return false;
}

/* Acknowledges to the publisher if it is still there. */
static bool acknowledge_locked(fake_broker *b, weft__link *from, const item *message, weft_status status)
{
    if (message->qos == 0 || !from->up || from->connection != message->connection)
        return false;
    if (b->ack_early && !b->hold_acks && status == WEFT_OK)
        return true;
    fake__ack_push_locked(b, from, message->token, status);
    return false;
}

bool fake__publish_locked(fake_broker *b, weft__link *from, const item *message)
{
    const char *client = from != NULL ? from->client : "";
    if (from != NULL) {
        if (fault_due_locked(b, FAKE_LOSE, message->topic, client))
            return false;
        if (fault_due_locked(b, FAKE_CUT_BEFORE, message->topic, client)) {
            fake__link_drop_locked(from, true);
            return false;
        }
        if (denied_locked(b, message->topic))
            return acknowledge_locked(b, from, message, WEFT_REFUSED);
        if (fault_due_locked(b, FAKE_TOO_LARGE, message->topic, client))
            return acknowledge_locked(b, from, message, WEFT_TOO_LARGE);
    }
    topic_count_locked(b, message->topic);
    if (b->tap != NULL)
        b->tap(b->tap_user, client, message->topic, message->payload, message->length, message->qos, message->retain);
    if (message->retain)
        retain_locked(b, message);
    route_locked(b, message);
    if (from == NULL)
        return false;
    if (fault_due_locked(b, FAKE_CUT_AFTER, message->topic, client)) {
        fake__link_drop_locked(from, true);
        return false;
    }
    return acknowledge_locked(b, from, message, WEFT_OK);
}
