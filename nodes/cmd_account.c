/* nodes/cmd_account.c: `weft account`: asks the cluster what became of every event, and whether both sides agree.
 *
 * It listens only. Nodes are known by their births; whoever only listens has none, so that answers are waited for a
 * little longer than it takes all nodes. Answers come on a thread of the bridge; the main thread waits. */
#include "nodes/account_print.h"
#include "nodes/broker_options.h"
#include "nodes/commands.h"
#include "nodes/deadline.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    LISTENERS_MS = 500, /* how long those without a birth get to answer */
    AGAIN_MS = 500,     /* between two questions while waiting for a quiet moment */
    POLL_MS = 20,
    PEERS_MAX = 10000,
};

static const option_row rows[] = {
    BROKER_OPTION_ROWS,
    {"wait", 'w', "S", "ask again for up to S seconds until everything has settled and adds up"},
    {"timeout", 0, "S", "how long to wait for the broker and for answers (5)"},
    {"json", 'j', NULL, "print one JSON object"},
    {0},
};

typedef struct accounting {
    const broker_options *broker;
    char *const *names;
    size_t name_count;
    int64_t timeout_ms;
    pthread_mutex_t mutex;
    account_book book;      /* [mutex] answers to the present question */
    char *peers[PEERS_MAX]; /* [mutex] those that are up */
    size_t peer_count;      /* [mutex] */
    bool refused;           /* [mutex] */
} accounting;

/* ---- on threads of the bridge ---- */

static void on_account(const weft_account *account, void *user)
{
    accounting *a = user;
    pthread_mutex_lock(&a->mutex);
    account_book_take(&a->book, account);
    pthread_mutex_unlock(&a->mutex);
}

static void peer_note_locked(accounting *a, const char *node, bool up)
{
    size_t i = 0;
    while (i < a->peer_count && strcmp(a->peers[i], node) != 0)
        i++;
    if (up && i == a->peer_count && i < PEERS_MAX && (a->peers[i] = strdup(node)) != NULL)
        a->peer_count++;
    if (!up && i < a->peer_count) {
        free(a->peers[i]);
        a->peers[i] = a->peers[--a->peer_count];
    }
}

static void on_notice(const weft_notice *notice, void *user)
{
    accounting *a = user;
    pthread_mutex_lock(&a->mutex);
    if (notice->kind == WEFT_NOTICE_PEER_UP || notice->kind == WEFT_NOTICE_PEER_DOWN)
        peer_note_locked(a, notice->node, notice->kind == WEFT_NOTICE_PEER_UP);
    if (notice->kind == WEFT_NOTICE_CONNECT_FAILED)
        a->refused = notice->status == WEFT_REFUSED;
    pthread_mutex_unlock(&a->mutex);
}

/* ---- one question ---- */

static bool name_answered_locked(const accounting *a, const char *name)
{
    const account_page *page = account_book_find(&a->book, name);
    return page != NULL && page->complete;
}

/* A node that is up, or was named, and has not answered; NULL if there is none. */
static const char *missing_locked(const accounting *a)
{
    for (size_t i = 0; i < a->name_count; i++)
        if (!name_answered_locked(a, a->names[i]))
            return a->names[i];
    for (size_t i = 0; i < a->peer_count; i++)
        if (!name_answered_locked(a, a->peers[i]))
            return a->peers[i];
    return NULL;
}

static void moment_pass(void)
{
    const struct timespec poll = {.tv_nsec = POLL_MS * 1000000L};
    (void)nanosleep(&poll, NULL);
}

static weft_status question_ask(accounting *a, weft_bridge *bridge)
{
    pthread_mutex_lock(&a->mutex);
    account_book_clear(&a->book);
    pthread_mutex_unlock(&a->mutex);
    weft_status st = weft_bridge_ask_accounts(bridge, NULL, on_account, a);
    int64_t deadline = deadline_in_ms(a->timeout_ms), listeners = deadline_in_ms(LISTENERS_MS);
    bool whole = false;
    while (st == WEFT_OK && deadline_left_ms(deadline, 1) > 0 && (!whole || deadline_left_ms(listeners, 1) > 0)) {
        moment_pass();
        pthread_mutex_lock(&a->mutex);
        whole = missing_locked(a) == NULL;
        pthread_mutex_unlock(&a->mutex);
    }
    return st;
}

static account_verdict verdict_of_locked(const accounting *a)
{
    account_verdict v = {.sums = account_book_compare(&a->book, a->names, a->name_count, NULL, NULL),
                         .whole = !a->book.failed && a->book.count > 0,
                         .nobody = a->book.count == 0,
                         .missing = missing_locked(a)};
    for (size_t i = 0; i < a->book.count; i++)
        v.whole = v.whole && a->book.pages[i].complete && !a->book.pages[i].account.truncated;
    v.whole = v.whole && v.missing == NULL;
    return v;
}

/* ---- the command ---- */

static int answer_print(accounting *a, bool json)
{
    weft_text out = {0};
    pthread_mutex_lock(&a->mutex);
    account_verdict v = verdict_of_locked(a);
    (json ? account_print_json : account_print_table)(&a->book, a->names, a->name_count, &v, &out);
    pthread_mutex_unlock(&a->mutex);
    bool written = !out.failed && fwrite(out.data, 1, out.length, stdout) == out.length;
    weft_text_fini(&out);
    return written && account_verdict_good(&v) ? EXIT_DONE : EXIT_JOB_FAILED;
}

static int no_peer(const accounting *a)
{
    if (a->refused)
        fprintf(stderr, "weft account: the broker at %s refuses us; does it want --user and --password-file?\n",
                a->broker->url);
    else
        fprintf(stderr, "weft account: cannot reach the broker at %s; is it running? (--broker names another)\n",
                a->broker->url);
    return EXIT_NO_PEER;
}

static int ask_until_quiet(accounting *a, weft_bridge *bridge, int64_t wait_ms, bool json)
{
    if (weft_bridge_wait_ready(bridge, (uint32_t)a->timeout_ms) != WEFT_OK)
        return no_peer(a);
    int64_t deadline = deadline_in_ms(wait_ms);
    for (;;) {
        int64_t again = deadline_in_ms(AGAIN_MS);
        if (question_ask(a, bridge) != WEFT_OK)
            return EXIT_JOB_FAILED;
        pthread_mutex_lock(&a->mutex);
        account_verdict v = verdict_of_locked(a);
        pthread_mutex_unlock(&a->mutex);
        if (account_verdict_good(&v) || deadline_left_ms(deadline, 1) == 0)
            return answer_print(a, json);
        while (deadline_left_ms(again, 1) > 0)
            moment_pass();
    }
}

static void accounting_fini(accounting *a)
{
    account_book_clear(&a->book);
    for (size_t i = 0; i < a->peer_count; i++)
        free(a->peers[i]);
    pthread_mutex_destroy(&a->mutex);
}

static int run(const args *words)
{
    broker_options broker;
    int64_t wait_ms, timeout_ms;
    if (broker_options_read(words, &broker) != EXIT_DONE || !args_seconds(words, "wait", 0, &wait_ms) ||
        !args_seconds(words, "timeout", 5000, &timeout_ms))
        return EXIT_USAGE;
    for (size_t i = 0; i < words->rest_count; i++)
        if (!weft_name_valid(words->rest[i]))
            return args_usage(words, "'%s' is no node's name.", words->rest[i]);
    static accounting a;
    a = (accounting){
        .broker = &broker, .names = words->rest, .name_count = words->rest_count, .timeout_ms = timeout_ms};
    pthread_mutex_init(&a.mutex, NULL);
    weft_dispatcher *dispatcher = NULL;
    weft_bridge *bridge = NULL;
    const char *reason = NULL;
    weft_bridge_opts opts = {.listen_only = true, .on_notice = on_notice, .user = &a};
    broker_options_apply(&broker, &opts);
    weft_status st = weft_dispatcher_create(NULL, &dispatcher);
    if (st == WEFT_OK)
        st = weft_bridge_create(dispatcher, &opts, &bridge, &reason);
    int status = EXIT_USAGE;
    if (st == WEFT_OK)
        status = ask_until_quiet(&a, bridge, wait_ms, args_flag(words, "json"));
    else
        fprintf(stderr, "weft account: %s: %s.\n", broker.url, reason != NULL ? reason : weft_status_text(st));
    weft_bridge_destroy(bridge);
    weft_dispatcher_destroy(dispatcher);
    accounting_fini(&a);
    return status;
}

const command cmd_account = {
    .name = "account",
    .synopsis = "[OPTION]… [NODE]…",
    .summary = "Shows what became of every event, by both sides of each stream, and whether they agree.",
    .details =
        "At a quiet moment published = before + delivered + lost holds for each stream and observer: `before` is what\n"
        "was published before somebody began to listen. With NODEs only their streams, and what they receive.\n"
        "Exit status: 0 everything adds up, 1 something does not, is under way, or a node did not answer,\n"
        "3 the broker could not be reached.",
    .options = rows,
    .run = run,
};
