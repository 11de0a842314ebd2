/* bridge/replay_desk.c: a ring of askers, each with a ring of answers; and a bucket that fills with time.
 *
 * Askers are found by walking the ring: one that misses something is there once, however much it misses, and those that
 * miss nothing are not there. */
#include "bridge/replay_desk.h"

#include <stdlib.h>
#include <string.h>

enum {
    MESSAGE_BYTES = WEFT__REPLAY_BYTES_A_SECOND / WEFT__REPLAY_MESSAGES_A_SECOND, /* what a small one costs */
    BURST_BYTES = 1 << 20,
    QUESTIONS_OF_ONE_MAX = 256,
};

typedef struct answer {
    struct answer *next;
    weft__replay_answer *replay;
} answer;

typedef struct asker {
    struct asker *next;
    char node[WEFT_NAME_MAX_BYTES + 1];
    answer *first; /* whose turn is next */
    answer **last;
    size_t count;
} asker;

struct weft__replay_desk {
    const char *node;
    asker *first; /* whose turn is next */
    asker **last;
    size_t waiting;
    int64_t tokens; /* bytes; below 0 after a large part */
    int64_t filled_ms;
    weft__replay_send_fn send; /* of this turn */
    void *user;
};

weft_status weft__replay_desk_create(const char *node, weft__replay_desk **ret)
{
    weft__replay_desk *desk = calloc(1, sizeof *desk);
    if (desk == NULL)
        return WEFT_NO_MEMORY;
    desk->node = node;
    desk->last = &desk->first;
    desk->tokens = BURST_BYTES;
    *ret = desk;
    return WEFT_OK;
}

static void answer_free(answer *a)
{
    weft__replay_end(a->replay);
    free(a);
}

void weft__replay_desk_destroy(weft__replay_desk *desk)
{
    if (desk == NULL)
        return;
    for (asker *who = desk->first, *next_asker; who != NULL; who = next_asker) {
        next_asker = who->next;
        for (answer *a = who->first, *next; a != NULL; a = next) {
            next = a->next;
            answer_free(a);
        }
        free(who);
    }
    free(desk);
}

/* ---- questions ---- */

static asker *asker_obtain(weft__replay_desk *desk, const char *node)
{
    asker *who = desk->first;
    while (who != NULL && strcmp(who->node, node) != 0)
        who = who->next;
    if (who != NULL || (who = calloc(1, sizeof *who)) == NULL)
        return who;
    memcpy(who->node, node, strlen(node) + 1);
    who->last = &who->first;
    *desk->last = who;
    desk->last = &who->next;
    return who;
}

static bool answer_is_given_up(const answer *a, const weft__replay_request *request)
{
    const weft__replay_request *old = weft__replay_request_of(a->replay);
    return old->taker == request->taker && old->epoch == request->epoch && old->topic == request->topic;
}

static weft_status answer_append(weft__replay_desk *desk, asker *who, weft__replay_answer *replay)
{
    if (who->count == QUESTIONS_OF_ONE_MAX || desk->waiting == WEFT__REPLAY_QUESTIONS_MAX)
        return WEFT_FULL;
    answer *a = calloc(1, sizeof *a);
    if (a == NULL)
        return WEFT_NO_MEMORY;
    a->replay = replay;
    *who->last = a;
    who->last = &a->next;
    who->count++;
    desk->waiting++;
    return WEFT_OK;
}

/* An asker without answers is in the ring until its turn comes. */
weft_status weft__replay_desk_put(weft__replay_desk *desk, const weft__replay_request *request)
{
    asker *who = asker_obtain(desk, request->to);
    weft__replay_answer *replay = who != NULL ? weft__replay_begin(desk->node, request) : NULL;
    if (replay == NULL)
        return WEFT_NO_MEMORY;
    answer *a = who->first;
    while (a != NULL && !answer_is_given_up(a, request))
        a = a->next;
    if (a != NULL) {
        weft__replay_end(a->replay);
        a->replay = replay;
        return WEFT_OK;
    }
    weft_status st = answer_append(desk, who, replay);
    if (st != WEFT_OK)
        weft__replay_end(replay);
    return st;
}

size_t weft__replay_desk_waiting(const weft__replay_desk *desk)
{
    return desk->waiting;
}

/* ---- turns ---- */

static asker *asker_take(weft__replay_desk *desk)
{
    asker *who = desk->first;
    desk->first = who->next;
    if (desk->first == NULL)
        desk->last = &desk->first;
    who->next = NULL;
    return who;
}

static void asker_put_back(weft__replay_desk *desk, asker *who)
{
    if (who->count == 0) {
        free(who);
        return;
    }
    *desk->last = who;
    desk->last = &who->next;
}

static answer *answer_take(asker *who)
{
    answer *a = who->first;
    who->first = a->next;
    if (who->first == NULL)
        who->last = &who->first;
    a->next = NULL;
    return a;
}

static void answer_put_back(asker *who, answer *a)
{
    *who->last = a;
    who->last = &a->next;
}

static void part_send(void *user, const weft__replay_request *request, uint8_t *bytes, size_t length, uint64_t events)
{
    weft__replay_desk *desk = user;
    desk->tokens -= length > MESSAGE_BYTES ? (int64_t)length : MESSAGE_BYTES;
    desk->send(desk->user, request, bytes, length, events);
}

static void tokens_fill(weft__replay_desk *desk, int64_t now_ms)
{
    int64_t passed = now_ms - desk->filled_ms;
    desk->filled_ms = now_ms;
    if (passed < 0)
        return;
    desk->tokens += passed < 1000 ? passed * (WEFT__REPLAY_BYTES_A_SECOND / 1000) : BURST_BYTES;
    if (desk->tokens > BURST_BYTES)
        desk->tokens = BURST_BYTES;
}

static int64_t tokens_wait_ms(const weft__replay_desk *desk)
{
    return desk->tokens > 0 ? 0 : 1 + -desk->tokens / (WEFT__REPLAY_BYTES_A_SECOND / 1000);
}

weft_status weft__replay_desk_turn(weft__replay_desk *desk, weft__journal *j, int64_t now_ms, size_t max_bytes,
                                   weft__replay_send_fn send, void *user, int64_t *ret_wait_ms)
{
    weft_status st = WEFT_OK;
    tokens_fill(desk, now_ms);
    if (desk->waiting > 0 && desk->tokens > 0) {
        asker *who = asker_take(desk);
        answer *a = who->count > 0 ? answer_take(who) : NULL;
        bool done = false;
        desk->send = send;
        desk->user = user;
        if (a != NULL)
            st = weft__replay_go_on(a->replay, j, max_bytes, part_send, desk, &done);
        if (a != NULL && !done && st == WEFT_OK) {
            answer_put_back(who, a);
        } else if (a != NULL) {
            answer_free(a);
            who->count--;
            desk->waiting--;
        }
        asker_put_back(desk, who);
    }
    *ret_wait_ms = desk->waiting > 0 ? tokens_wait_ms(desk) : INT64_MAX;
    return st;
}
