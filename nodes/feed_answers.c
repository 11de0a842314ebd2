/* nodes/feed_answers.c: a ring of owed answers in front of a text of due ones. */
#include "nodes/feed_answers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const uint64_t not_published = UINT64_MAX;

bool feed_answers_init(feed_answers *a)
{
    *a = (feed_answers){.ring = calloc(FEED_ANSWERS_MAX, sizeof *a->ring)};
    return a->ring != NULL;
}

void feed_answers_fini(feed_answers *a)
{
    for (uint64_t ticket = a->first; ticket < a->next; ticket++)
        free(a->ring[ticket % FEED_ANSWERS_MAX].error);
    free(a->ring);
    weft_text_fini(&a->out);
    *a = (feed_answers){0};
}

bool feed_answers_has_room(const feed_answers *a)
{
    return a->next - a->first < FEED_ANSWERS_MAX && a->out.length - a->out_written < FEED_ANSWERS_MAX_BYTES;
}

bool feed_answers_is_empty(const feed_answers *a)
{
    return a->next == a->first;
}

static feed_answer *answer_of(feed_answers *a, uint64_t ticket)
{
    return &a->ring[ticket % FEED_ANSWERS_MAX];
}

uint64_t feed_answers_owe(feed_answers *a, uint64_t line)
{
    *answer_of(a, a->next) = (feed_answer){.line = line, .receipt = not_published};
    return a->next++;
}

void feed_answers_accept(feed_answers *a, uint64_t ticket, uint64_t receipt)
{
    answer_of(a, ticket)->receipt = receipt;
}

void feed_answers_refuse(feed_answers *a, uint64_t ticket, const char *error)
{
    feed_answer *answer = answer_of(a, ticket);
    answer->receipt = 0;
    answer->error = strdup(error);
}

void feed_answers_withdraw(feed_answers *a, uint64_t ticket)
{
    while (a->next > ticket)
        free(answer_of(a, --a->next)->error);
}

static void say_error(feed_answers *a, const char *error, uint64_t line)
{
    weft_text_printf(&a->out, "{\"error\": ");
    weft_text_json_string(&a->out, error);
    weft_text_printf(&a->out, ", \"line\": %" PRIu64 "}\n", line);
}

void feed_answers_settle(feed_answers *a, uint64_t written)
{
    for (; a->first < a->next; a->first++) {
        feed_answer *answer = answer_of(a, a->first);
        if (answer->receipt > written)
            return;
        if (answer->error == NULL) {
            weft_text_printf(&a->out, "{\"ok\": %" PRIu64 "}\n", answer->line);
            continue;
        }
        say_error(a, answer->error, answer->line);
        free(answer->error);
        answer->error = NULL;
    }
}

void feed_answers_greet(feed_answers *a, const char *feed, uint64_t line, const char *state)
{
    weft_text_printf(&a->out, "{\"feed\": ");
    weft_text_json_string(&a->out, feed);
    weft_text_printf(&a->out, ", \"line\": %" PRIu64, line);
    if (state != NULL) {
        weft_text_printf(&a->out, ", \"state\": ");
        weft_text_json_string(&a->out, state);
    }
    weft_text_printf(&a->out, "}\n");
}

void feed_answers_refuse_greeting(feed_answers *a, const char *error)
{
    say_error(a, error, 0);
}

bool feed_answers_has_due(const feed_answers *a)
{
    return a->out_written < a->out.length;
}

static void forget_due(feed_answers *a)
{
    weft_text_clear(&a->out);
    a->out_written = 0;
}

bool feed_answers_failed(const feed_answers *a)
{
    return a->out.failed;
}

bool feed_answers_write(feed_answers *a, int fd)
{
    while (fd >= 0 && feed_answers_has_due(a)) {
        ssize_t put = send(fd, a->out.data + a->out_written, a->out.length - a->out_written, MSG_NOSIGNAL);
        if (put < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        a->out_written += (size_t)put;
    }
    forget_due(a);
    return true;
}
