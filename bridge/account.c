/* bridge/account.c: gathers both sides of the account, asks others for theirs, and answers them.
 *
 * An answer goes out in messages of some ten rows, at most ROWS_MAX rows in all; one that would only queue up behind
 * many others is not given: the asker asks again. Threads: any; answers: the journal thread, of a listener the downlink
 * thread. */
#include "bridge/bridge_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS_MAX = 4096,
    ROW_BYTES_MAX = 512, /* encoded */
    ANSWER_BYTES = 14 * 1024,
    ANSWER_OVERHEAD_BYTES = 512,
    ANSWERS_WAITING_MAX = 256,
};

static const char request_prefix[] = "account.";

uint64_t weft_stream_account_lost(const weft_stream_account *a)
{
    return a->lost_unspecified + a->lost_retention + a->lost_overflow + a->lost_too_large + a->lost_corrupt +
           a->lost_unreachable;
}

/* ---- gathering ---- */

static weft_stream_account own_describe(const weft_bridge *b, const weft__ledger_entry *e)
{
    const uint64_t *lost = &e->counts[WEFT__LEDGER_LOST];
    return (weft_stream_account){.node = b->node,
                                 .epoch = e->epoch,
                                 .topic = e->topic,
                                 .own = true,
                                 .last_seq = e->last_seq,
                                 .published = e->events,
                                 .written = e->counts[WEFT__LEDGER_WRITTEN],
                                 .left = e->counts[WEFT__LEDGER_LEFT],
                                 .sent = e->counts[WEFT__LEDGER_SENT],
                                 .resent = e->counts[WEFT__LEDGER_RESENT],
                                 .acknowledged = e->counts[WEFT__LEDGER_ACKED],
                                 .replayed = e->counts[WEFT__LEDGER_REPLAYED],
                                 .unwritten = e->counts[WEFT__LEDGER_UNWRITTEN],
                                 .pending = weft__ledger_pending(e->counts),
                                 .lost_unspecified = lost[WEFT_LOST_UNSPECIFIED],
                                 .lost_retention = lost[WEFT_LOST_RETENTION],
                                 .lost_overflow = lost[WEFT_LOST_OVERFLOW],
                                 .lost_too_large = lost[WEFT_LOST_TOO_LARGE],
                                 .lost_corrupt = lost[WEFT_LOST_CORRUPT],
                                 .lost_unreachable = lost[WEFT_LOST_UNREACHABLE]};
}

/* Looked at after the ledger, so that nothing seems written that was not published. What was dropped behind the last
 * event of a stream that is written is in nobody's books but here. */
static size_t published_add(weft_bridge *b, const weft__ledger_entry *entries, weft_stream_account *rows, size_t count,
                            uint64_t *ret_refused)
{
    size_t known = count;
    weft__published published;
    weft__intake_published(&b->intake, &published);
    *ret_refused = published.refused;
    for (unsigned number = 1; number < WEFT_TOPIC_MAX; number++) {
        weft_topic topic = weft_topic_from_number(number);
        size_t i = 0;
        while (i < count && (rows[i].epoch != published.epoch || rows[i].topic != topic))
            i++;
        if (i == count && published.events[number] == 0)
            continue;
        if (i == count)
            rows[count++] =
                (weft_stream_account){.node = b->node, .epoch = published.epoch, .topic = topic, .own = true};
        rows[i].published = published.events[number];
        rows[i].unwritten += published.drops[number] - (i < known ? entries[i].counts[WEFT__LEDGER_DROPPED] : 0);
    }
    return count;
}

static void deltas_add(weft_bridge *b, weft_account *a, weft_stream_account *rows)
{
    weft__deltas_counts c;
    weft__position end = {0};
    weft__deltas_get_counts(&b->deltas, &c);
    (void)weft__deltas_position(&b->deltas, a->epoch, &end);
    a->refused += c.refused;
    if (c.published > 0)
        rows[a->stream_count++] = (weft_stream_account){.node = b->node,
                                                        .epoch = a->epoch,
                                                        .topic = (weft_topic)WEFT__DELTA_TOPIC,
                                                        .own = true,
                                                        .last_seq = end.last_seq,
                                                        .published = c.published,
                                                        .sent = c.sent,
                                                        .joined = c.joined,
                                                        .pending = c.waiting,
                                                        .lost_overflow = c.lost[WEFT_LOST_OVERFLOW],
                                                        .lost_too_large = c.lost[WEFT_LOST_TOO_LARGE],
                                                        .lost_unreachable = c.lost[WEFT_LOST_UNREACHABLE]};
}

static size_t own_gather(weft_bridge *b, weft_stream_account *rows, uint64_t *ret_refused)
{
    weft__ledger_entry *entries = calloc(WEFT__LEDGER_MAX, sizeof *entries);
    if (entries == NULL)
        return 0;
    size_t count = weft__ledger_list(&b->ledger, entries);
    for (size_t i = 0; i < count; i++)
        rows[i] = own_describe(b, &entries[i]);
    count = published_add(b, entries, rows, count, ret_refused);
    free(entries);
    return count;
}

/* One block: the account, its rows, and the names that they point to. */
static weft_account *account_create(size_t received)
{
    enum { OWN_MAX = WEFT__LEDGER_MAX + WEFT_TOPIC_MAX };
    size_t rows = OWN_MAX + received;
    return calloc(1, sizeof(weft_account) + rows * sizeof(weft_stream_account) + received * sizeof(weft__name_buffer));
}

static void own_rows_gather(weft_bridge *b, weft_account *a, weft_stream_account *rows)
{
    a->stream_count = own_gather(b, rows, &a->refused);
    deltas_add(b, a, rows);
}

static weft_account *account_gather(weft_bridge *b, size_t max, size_t *ret_received)
{
    weft_account *a = account_create(max);
    if (a == NULL)
        return NULL;
    weft_stream_account *rows = (weft_stream_account *)(a + 1);
    weft__name_buffer *names = (weft__name_buffer *)(rows + WEFT__LEDGER_MAX + WEFT_TOPIC_MAX + max);
    *a = (weft_account){.node = b->node,
                        .listener = !b->sends,
                        .epoch = b->sends ? atomic_load(&b->epoch) : 0,
                        .last = true,
                        .dropped_overflow = atomic_load(&b->dropped_overflow),
                        .dropped_own = atomic_load(&b->dropped_own),
                        .streams = rows};
    if (b->sends)
        own_rows_gather(b, a, rows);
    *ret_received = weft__downlink_accounts(b->downlink, rows + a->stream_count, names, max);
    a->stream_count += *ret_received < max ? *ret_received : max;
    return a;
}

weft_status weft_bridge_account(weft_bridge *b, weft_account **ret)
{
    enum { NEW_ONES = 64 };
    size_t max = 0, received = 0;
    for (;;) {
        weft_account *a = account_gather(b, max, &received);
        if (a == NULL)
            return WEFT_NO_MEMORY;
        if (received <= max) {
            *ret = a;
            return WEFT_OK;
        }
        free(a);
        max = received + NEW_ONES;
    }
}

void weft_account_free(weft_account *a)
{
    free(a);
}

/* ---- answering ---- */

static size_t rows_a_message(const weft_bridge *b)
{
    size_t limit = atomic_load(&b->payload_max);
    if (limit > ANSWER_BYTES)
        limit = ANSWER_BYTES;
    return limit > ANSWER_OVERHEAD_BYTES + ROW_BYTES_MAX ? (limit - ANSWER_OVERHEAD_BYTES) / ROW_BYTES_MAX : 1;
}

void weft__account_answer(weft_bridge *b, const char *to, const char *request_id)
{
    char topic[WEFT__TOPIC_MAX_BYTES];
    weft_account *account;
    if (weft__queue_count(&b->control) > ANSWERS_WAITING_MAX ||
        weft__topic_reply(topic, b->fabric, to, b->node, request_id) != WEFT_OK ||
        weft_bridge_account(b, &account) != WEFT_OK)
        return;
    size_t count = account->stream_count < ROWS_MAX ? account->stream_count : ROWS_MAX, done = 0;
    account->truncated = account->stream_count > ROWS_MAX;
    weft__reply reply = {.node = b->node, .request_id = request_id, .has_account = true, .account = *account};
    do {
        size_t rows = count - done < rows_a_message(b) ? count - done : rows_a_message(b);
        reply.account.streams = account->streams + done;
        reply.account.stream_count = rows;
        done += rows;
        reply.last = done == count;
        uint8_t *bytes;
        size_t length;
        if (weft__reply_encode(&reply, &bytes, &length) != WEFT_OK)
            break;
        weft__bridge_send(b, topic, bytes, length, 1, false);
        reply.index++;
    } while (done < count);
    weft_account_free(account);
}

/* ---- asking ---- */

weft_status weft_bridge_ask_accounts(weft_bridge *b, const char *node, weft_account_fn on_account, void *user)
{
    char topic[WEFT__TOPIC_MAX_BYTES];
    weft__account_ask ask = {.on_account = on_account, .user = user};
    if (node != NULL && !weft_name_valid(node))
        return WEFT_INVALID;
    pthread_mutex_lock(&b->mutex);
    uint64_t number = b->account_ask.number + 1;
    ask.number = number;
    snprintf(ask.request_id, sizeof ask.request_id, "%s%llu", request_prefix, (unsigned long long)number);
    b->account_ask = ask;
    pthread_mutex_unlock(&b->mutex);
    weft__command command = {.from = b->node, .request_id = ask.request_id};
    uint8_t *bytes;
    size_t length;
    weft_status st = weft__topic_cmd(topic, b->fabric, node != NULL ? node : "-", "account", b->node);
    if (st == WEFT_OK)
        st = weft__command_encode(&command, &bytes, &length);
    if (st == WEFT_OK)
        weft__bridge_send(b, topic, bytes, length, 1, false);
    return st;
}

bool weft__account_asked(const char *request_id)
{
    return strncmp(request_id, request_prefix, sizeof request_prefix - 1) == 0;
}

void weft__account_take(weft_bridge *b, const char *sender, const uint8_t *bytes, size_t length)
{
    weft__reply *reply;
    const char *reason = NULL;
    weft_status st = weft__reply_decode(bytes, length, &reply, &reason);
    if (st != WEFT_OK || strcmp(reply->node, sender) != 0) {
        weft__downlink_drop(b->downlink, sender, st, st == WEFT_OK ? "an answer in another node's name" : reason);
        if (st == WEFT_OK)
            free(reply);
        return;
    }
    pthread_mutex_lock(&b->mutex);
    weft__account_ask ask = b->account_ask;
    pthread_mutex_unlock(&b->mutex);
    if (ask.on_account != NULL && reply->has_account && strcmp(ask.request_id, reply->request_id) == 0)
        ask.on_account(&reply->account, ask.user);
    free(reply);
}
