/* tests/nodes/fake_journal.h: what the feed server publishes into, with commits and crashes on demand. */
#ifndef WEFT_TESTS_FAKE_JOURNAL_H
#define WEFT_TESTS_FAKE_JOURNAL_H

#include "nodes/feed_server.h"

#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAKE_EVENTS_MAX = 20000, FAKE_MARKS_MAX = 8 };

typedef struct fake_mark {
    char feed[32];
    uint64_t line, pending_line;
    char state[64], pending_state[64];
} fake_mark;

typedef struct fake_journal {
    pthread_mutex_t lock;
    feed_server *server; /* woken by commits */
    bool commits;        /* at once; else fake_journal_commit does */
    weft_status refusal; /* of every publish; OK: none */
    size_t events, committed_events;
    char (*sessions)[40]; /* session_id of each event */
    size_t groups;
    uint64_t receipt, written;
    fake_mark marks[FAKE_MARKS_MAX];
} fake_journal;

static inline fake_mark *fake_mark_of(fake_journal *j, const char *feed)
{
    size_t i = 0;
    while (j->marks[i].feed[0] != '\0' && strcmp(j->marks[i].feed, feed) != 0)
        i++;
    CU_ASSERT_TRUE_FATAL(i < FAKE_MARKS_MAX);
    snprintf(j->marks[i].feed, sizeof j->marks[i].feed, "%s", feed);
    return &j->marks[i];
}

static inline void fake_commit_locked(fake_journal *j)
{
    j->written = j->receipt;
    j->committed_events = j->events;
    for (size_t i = 0; i < FAKE_MARKS_MAX; i++) {
        j->marks[i].line = j->marks[i].pending_line;
        memcpy(j->marks[i].state, j->marks[i].pending_state, sizeof j->marks[i].state);
    }
}

static inline weft_status fake_take_locked(fake_journal *j, const weft_event *const *events, size_t count,
                                           const weft_feed_mark *mark, uint64_t *ret_receipt, size_t *ret_index)
{
    if (j->refusal != WEFT_OK)
        return j->refusal;
    for (size_t i = 0; i < count; i++)
        if (strcmp(events[i]->session_id, "bad") == 0) {
            *ret_index = i;
            return WEFT_TOO_LARGE;
        }
    for (size_t i = 0; i < count && j->events < FAKE_EVENTS_MAX; i++)
        snprintf(j->sessions[j->events++], sizeof *j->sessions, "%s", events[i]->session_id);
    if (mark != NULL) {
        fake_mark *own = fake_mark_of(j, mark->feed);
        own->pending_line = mark->line;
        if (mark->state != NULL)
            snprintf(own->pending_state, sizeof own->pending_state, "%.*s", (int)mark->state_bytes, mark->state);
    }
    j->groups++;
    *ret_receipt = ++j->receipt;
    if (j->commits)
        fake_commit_locked(j);
    return WEFT_OK;
}

static inline weft_status fake_publish_group(void *user, const weft_event *const *events, size_t count,
                                             const weft_feed_mark *mark, uint64_t *ret_receipt, size_t *ret_index)
{
    fake_journal *j = user;
    pthread_mutex_lock(&j->lock);
    weft_status st = fake_take_locked(j, events, count, mark, ret_receipt, ret_index);
    pthread_mutex_unlock(&j->lock);
    return st;
}

static inline uint64_t fake_written(void *user)
{
    fake_journal *j = user;
    pthread_mutex_lock(&j->lock);
    uint64_t written = j->written;
    pthread_mutex_unlock(&j->lock);
    return written;
}

static inline weft_status fake_feed(void *user, const char *feed, uint64_t *ret_line, char **ret_state,
                                    size_t *ret_bytes)
{
    fake_journal *j = user;
    pthread_mutex_lock(&j->lock);
    const fake_mark *mark = fake_mark_of(j, feed);
    *ret_line = mark->line;
    *ret_state = mark->state[0] != '\0' ? strdup(mark->state) : NULL;
    *ret_bytes = strlen(mark->state);
    pthread_mutex_unlock(&j->lock);
    return mark->line > 0 ? WEFT_OK : WEFT_NOT_FOUND;
}

static const feed_ops fake_ops = {fake_publish_group, fake_written, fake_feed};

static inline void fake_journal_init(fake_journal *j)
{
    *j = (fake_journal){.commits = true, .sessions = calloc(FAKE_EVENTS_MAX, sizeof *j->sessions)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(j->sessions);
    pthread_mutex_init(&j->lock, NULL);
}

static inline void fake_journal_fini(fake_journal *j)
{
    pthread_mutex_destroy(&j->lock);
    free(j->sessions);
}

static inline void fake_journal_commit(fake_journal *j)
{
    pthread_mutex_lock(&j->lock);
    fake_commit_locked(j);
    pthread_mutex_unlock(&j->lock);
    feed_server_wake(j->server);
}

/* The process died: what was not committed never was. */
static inline void fake_journal_crash(fake_journal *j)
{
    pthread_mutex_lock(&j->lock);
    j->events = j->committed_events;
    for (size_t i = 0; i < FAKE_MARKS_MAX; i++) {
        j->marks[i].pending_line = j->marks[i].line;
        memcpy(j->marks[i].pending_state, j->marks[i].state, sizeof j->marks[i].state);
    }
    j->receipt = j->written = 0;
    pthread_mutex_unlock(&j->lock);
}

static inline void fake_journal_set(fake_journal *j, bool commits, weft_status refusal)
{
    pthread_mutex_lock(&j->lock);
    j->commits = commits;
    j->refusal = refusal;
    pthread_mutex_unlock(&j->lock);
}

static inline size_t fake_journal_events(fake_journal *j)
{
    pthread_mutex_lock(&j->lock);
    size_t events = j->events;
    pthread_mutex_unlock(&j->lock);
    return events;
}

#endif
