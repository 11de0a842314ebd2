/* nodes/demo_view.c: redraws the same lines of the terminal four times a second; elsewhere a line a second. */
#include "nodes/demo_view.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "nodes/deadline.h"
#include "nodes/progress.h"

enum { ROWS_MAX = 64, REDRAW_MS = 250, LINE_MS = 1000, BAR_CELLS = 40, LINES_MIN = 5 };

struct demo_view {
    FILE *out;
    demo_observer *observer;
    const demo_feed *feed;
    uint64_t lines;
    bool terminal;
    int64_t started_ms;
    size_t drawn;     /* lines of the last table */
    unsigned percent; /* of the last line */
    uint64_t tokens;  /* of the last line */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stopping; /* [mutex] */
};

static void row_print(FILE *out, const observer_row *row)
{
    char sessions[32], requests[32], calls[32], errors[32], tokens[32];
    fprintf(out, "  %-20.20s %9s %11s %11s %7s %17s %12.2f\n", row->node, number_grouped(row->sessions, sessions),
            number_grouped(row->llm_requests, requests), number_grouped(row->tool_calls, calls),
            number_grouped(row->tool_errors, errors), number_grouped(row->tokens, tokens),
            weft_usd(row->cost_nano_usd));
}

/* Returns the number of lines, at most lines_max. */
static size_t table_print(FILE *out, demo_observer *observer, size_t lines_max)
{
    observer_row rows[ROWS_MAX], sum;
    size_t count = demo_observer_rows(observer, rows, ROWS_MAX, &sum);
    if (count + 2 > lines_max)
        count = lines_max - 2;
    fprintf(out, "  %-20s %9s %11s %11s %7s %17s %12s\n", "host", "sessions", "LLM calls", "tool calls", "errors",
            "tokens", "USD");
    for (size_t i = 0; i < count; i++)
        row_print(out, &rows[i]);
    row_print(out, &sum);
    return count + 2;
}

static unsigned percent(const demo_view *v)
{
    uint64_t done = demo_feed_progress(v->feed);
    return v->lines == 0 ? 100 : (unsigned)(done * 100 / v->lines);
}

/* A line that wraps, or one more than the screen has, would break the way back up. */
static struct winsize screen_size(FILE *out)
{
    struct winsize size = {0};
    if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row < LINES_MIN)
        size = (struct winsize){.ws_col = 80, .ws_row = 24};
    return size;
}

static void bar_print(FILE *out, const demo_view *v)
{
    observer_count count;
    char bar[BAR_CELLS + 1];
    unsigned done = percent(v);
    for (unsigned i = 0; i < BAR_CELLS; i++)
        bar[i] = i * 100 < done * BAR_CELLS ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    demo_observer_get_count(v->observer, &count);
    fprintf(out, "  [%s] %3u%%  %llu events in %lld s\n", bar, done, (unsigned long long)count.events,
            (long long)((deadline_now_ms() - v->started_ms) / 1000));
}

static void terminal_draw(demo_view *v)
{
    char *text = NULL;
    size_t length = 0;
    struct winsize size = screen_size(v->out);
    FILE *page = open_memstream(&text, &length);
    if (page == NULL)
        return;
    size_t lines = table_print(page, v->observer, size.ws_row - 2u) + 1;
    bar_print(page, v);
    bool printed = fclose(page) == 0;
    if (printed && v->drawn > 0)
        fprintf(v->out, "\033[%zuA\033[J", v->drawn);
    char *rest = text;
    for (char *line; printed && (line = strsep(&rest, "\n")) != NULL && rest != NULL;)
        fprintf(v->out, "%.*s\n", size.ws_col - 1, line);
    v->drawn = lines;
    free(text);
    fflush(v->out);
}

static void line_draw(demo_view *v)
{
    observer_row rows[ROWS_MAX], sum;
    size_t hosts = demo_observer_rows(v->observer, rows, ROWS_MAX, &sum);
    unsigned done = percent(v);
    if (done == 100 && v->percent == 100 && sum.tokens == v->tokens)
        return; /* the end has been shown */
    v->percent = done;
    v->tokens = sum.tokens;
    char calls[32], tokens[32];
    fprintf(v->out, "%3u%%  hosts %zu  sessions %llu  tool calls %s  tokens %s  USD %.2f\n", done, hosts,
            (unsigned long long)sum.sessions, number_grouped(sum.tool_calls, calls), number_grouped(sum.tokens, tokens),
            weft_usd(sum.cost_nano_usd));
    fflush(v->out);
}

static void draw(demo_view *v)
{
    if (v->terminal)
        terminal_draw(v);
    else
        line_draw(v);
}

static void *view_run(void *user)
{
    demo_view *v = user;
    pthread_mutex_lock(&v->mutex);
    while (!v->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        int64_t ns = until.tv_nsec + (v->terminal ? REDRAW_MS : LINE_MS) * 1000000LL;
        until.tv_sec += ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
        pthread_cond_timedwait(&v->wake, &v->mutex, &until);
        pthread_mutex_unlock(&v->mutex);
        draw(v);
        pthread_mutex_lock(&v->mutex);
    }
    pthread_mutex_unlock(&v->mutex);
    return NULL;
}

weft_status demo_view_start(FILE *out, demo_observer *observer, const demo_feed *feed, uint64_t lines, demo_view **ret)
{
    demo_view *v = calloc(1, sizeof *v);
    if (v == NULL)
        return WEFT_NO_MEMORY;
    *v = (demo_view){.out = out,
                     .observer = observer,
                     .feed = feed,
                     .lines = lines,
                     .terminal = isatty(fileno(out)),
                     .started_ms = deadline_now_ms()};
    pthread_mutex_init(&v->mutex, NULL);
    pthread_cond_init(&v->wake, NULL);
    if (pthread_create(&v->thread, NULL, view_run, v) != 0) {
        free(v);
        return WEFT_NO_MEMORY;
    }
    *ret = v;
    return WEFT_OK;
}

void demo_view_stop(demo_view *v)
{
    if (v == NULL)
        return;
    pthread_mutex_lock(&v->mutex);
    v->stopping = true;
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->mutex);
    pthread_join(v->thread, NULL);
    pthread_cond_destroy(&v->wake);
    pthread_mutex_destroy(&v->mutex);
    free(v);
}
