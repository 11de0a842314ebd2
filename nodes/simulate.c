/* nodes/simulate.c: operators, their sessions over the days, and the files. Sessions of one operator may overlap; their
 * lines are sorted by time before they are written, so one file holds them interleaved.
 *
 * The same bytes everywhere: integers only, and never two draws in one expression, whose order C leaves open. */
#include "nodes/simulate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nodes/ownership.h"
#include "nodes/simulate_private.h"

enum { OPERATORS = 5, SESSIONS = 120, DAYS = 27 };

static const int64_t start_ms = 1767571200000; /* 2026-01-05, a Monday */
static const int64_t day_ms = 86400000;

static const quantiles turns_per_session = {{1, 1, 2, 6, 13, 25, 53, 70}};
static const quantiles pause_ms = {{2000, 8000, 20000, 60000, 200000, 900000, 9000000, 60000000}};
/* When sessions start: few at night, most in the afternoon. */
static const quantiles start_of_day_ms = {{0, 9000000, 30000000, 52000000, 66000000, 77000000, 85000000, 86399999}};

/* ---- sessions ---- */

static void session_hooks(sim_session *s)
{
    static const char *const names[] = {"startup", "startup", "startup", "resume", "clear"};
    random_source *r = &s->sim->random;
    uint64_t count = s->progress ? random_below(r, 3) : 0;
    const char *name = names[random_below(r, sizeof names / sizeof *names)];
    for (uint64_t i = 0; i < count; i++)
        sim_record(
            s, s->now_ms, "progress",
            ",\"data\":{\"type\":\"hook_progress\",\"hookEvent\":\"SessionStart\",\"hookName\":\"SessionStart:%s\"}",
            name);
}

static const char *model_choose(random_source *r)
{
    uint64_t at = random_below(r, 100);
    return at < 84 ? "claude-opus-4-5-20251101" : at < 98 ? "claude-sonnet-4-5-20250929" : "claude-haiku-4-5-20251001";
}

static void session_run(simulation *sim, const simulate_opts *o, unsigned operator_index)
{
    random_source *r = &sim->random;
    char node[NODE_NAME_BYTES];
    sim_session s = {.sim = sim, .model = model_choose(r)};
    s.progress = random_chance(r, 680000);
    sim_uuid(sim, s.id);
    snprintf(s.operator_name, sizeof s.operator_name, "op%u", operator_index + 1);
    node_name_from(node, s.operator_name);
    s.now_ms = start_ms + (int64_t)random_below(r, o->days) * day_ms;
    s.now_ms += (int64_t)random_quantile(r, &start_of_day_ms);
    session_hooks(&s);
    uint64_t turns = random_quantile(r, &turns_per_session);
    uint64_t handover = random_chance(r, 25000) ? turns / 2 : 0;
    for (uint64_t i = 0; i < turns; i++) {
        if (i > 0 && i == handover)
            snprintf(s.operator_name, sizeof s.operator_name, "op%u", (operator_index + 1) % o->operators + 1);
        sim_turn(&s);
        s.now_ms += (int64_t)random_quantile(r, &pause_ms);
    }
    sim->failed |= !totals_add_session(sim->totals, s.id) || !totals_add_node(sim->totals, node);
}

/* ---- files ---- */

static int line_order(const void *a, const void *b)
{
    const sim_line *x = a, *y = b;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void file_clear(sim_file *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->lines[i].text);
    f->count = 0;
}

static bool file_write(sim_file *f, const char *path)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    qsort(f->lines, f->count, sizeof *f->lines, line_order);
    bool ok = true;
    for (size_t i = 0; ok && i < f->count; i++)
        ok = fputs(f->lines[i].text, file) >= 0;
    return fclose(file) == 0 && ok;
}

/* The sessions of one operator, and their file. Returns OK, IO with errno, or NO_MEMORY. */
static weft_status operator_run(simulation *sim, const simulate_opts *o, unsigned index, char path[PATH_MAX])
{
    uint64_t shares = (uint64_t)o->operators * (o->operators + 1) / 2; /* the first is the busiest */
    uint64_t left = 0;
    for (unsigned i = index + 1; i < o->operators; i++)
        left += o->operators - i;
    uint64_t share = o->operators - index;
    uint64_t count = o->sessions * (left + share) / shares - o->sessions * left / shares;
    file_clear(&sim->file);
    for (uint64_t i = 0; i < count; i++)
        session_run(sim, o, index);
    if (sim->failed)
        return WEFT_NO_MEMORY;
    if (snprintf(path, PATH_MAX, "%s/op%u.jsonl", o->dir, index + 1) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return WEFT_IO;
    }
    return file_write(&sim->file, path) ? WEFT_OK : WEFT_IO;
}

static weft_status opts_complete(simulate_opts *o, char *error, size_t error_size)
{
    o->operators = o->operators != 0 ? o->operators : OPERATORS;
    o->sessions = o->sessions != 0 ? o->sessions : SESSIONS;
    o->days = o->days != 0 ? o->days : DAYS;
    const char *wrong = o->operators > SIMULATE_OPERATORS_MAX ? "operators"
                        : o->sessions > SIMULATE_SESSIONS_MAX ? "sessions"
                        : o->days > SIMULATE_DAYS_MAX         ? "days"
                        : o->dir == NULL                      ? "dir"
                                                              : NULL;
    if (wrong == NULL)
        return WEFT_OK;
    snprintf(error, error_size, "%s: out of bounds", wrong);
    return WEFT_INVALID;
}

weft_status simulate_write(const simulate_opts *opts, prices *p, totals *ret, uint64_t *ret_records,
                           void (*on_file)(const char *path, void *user), void *user, char *error, size_t error_size)
{
    simulate_opts o = *opts;
    char path[PATH_MAX];
    uint64_t records = 0;
    weft_status status = opts_complete(&o, error, error_size);
    if (status != WEFT_OK)
        return status;
    simulation sim = {.random = {.state = o.seed}, .totals = ret, .prices = p};
    snprintf(path, sizeof path, "%s", o.dir);
    if (mkdir(o.dir, 0777) != 0 && errno != EEXIST)
        status = WEFT_IO;
    for (unsigned i = 0; status == WEFT_OK && i < o.operators; i++) {
        status = operator_run(&sim, &o, i, path);
        records += sim.file.count;
        if (status == WEFT_OK && on_file != NULL)
            on_file(path, user);
    }
    if (status == WEFT_IO)
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
    else if (status != WEFT_OK)
        snprintf(error, error_size, "%s", weft_status_text(status));
    file_clear(&sim.file);
    free(sim.file.lines);
    if (ret_records != NULL)
        *ret_records = records;
    return status;
}
