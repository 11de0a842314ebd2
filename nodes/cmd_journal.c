/* nodes/cmd_journal.c: `weft journal`: what a node's journal holds, on this host, whether the node runs or not. */
#include "nodes/broker_options.h"
#include "nodes/commands.h"
#include "nodes/filter_options.h"
#include "nodes/journal_print.h"
#include "nodes/places.h"
#include "weft/journal.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static const option_row rows[] = {
    {"journal", 0, "FILE", "this journal, not that of a node"},
    {"node", 'n', "NAME", "the journal of this node (the host's name)"},
    {"fabric", 'f', "NAME", "in this fabric (" BROKER_FABRIC_DEFAULT ")"},
    {"state-dir", 0, "DIR", "kept under this directory ($XDG_STATE_HOME/weft, ~/.local/state/weft)"},
    {"topic", 't', "TOPIC", "ls, export: only this topic (may be repeated)"},
    {"session", 0, "ID", "export: only events of this session"},
    {"since", 0, "TIME", "ls, export: accepted from then on, " MOMENT_HELP},
    {"until", 0, "TIME", "ls, export: accepted before"},
    {"pending", 0, NULL, "ls, export: only what the broker has not acknowledged"},
    {"all", 0, NULL, "purge: also what the broker has not acknowledged: it is never sent"},
    {"yes", 'y', NULL, "purge: do it"},
    {"json", 'j', NULL, "print JSON, one object a line (export always does)"},
    {0},
};

typedef struct job {
    const args *args;
    const char *path;
    const char *what; /* ls: rows, streams, feeds */
    weft_journal_query query;
    journal_printer printer;
    uint64_t damaged; /* rows passed over */
} job;

static int say(const char *detail, weft_status st)
{
    fprintf(stderr, "weft journal: %s.\n", detail != NULL ? detail : weft_status_text(st));
    bool input = st == WEFT_NOT_FOUND || st == WEFT_INVALID || st == WEFT_UNSUPPORTED;
    if (st == WEFT_CORRUPT)
        fprintf(stderr, "The node's next start moves the file aside and carries over what can be read.\n");
    return input ? EXIT_USAGE : EXIT_JOB_FAILED;
}

/* Runs a walk over the journal; its status. */
static int look(job *j, weft_status (*walk)(weft_journal_view *, job *))
{
    weft_journal_view *v;
    const char *reason = NULL;
    weft_status st = weft_journal_view_open(j->path, &v, &reason);
    if (st != WEFT_OK)
        return say(reason, st);
    st = walk(v, j);
    weft_journal_view_close(v);
    bool reader_gone = st == WEFT_STOPPED;
    return st == WEFT_OK || reader_gone ? EXIT_DONE : say(NULL, st);
}

/* ---- stat ---- */

static weft_status on_stream(const weft_journal_stream *stream, void *user)
{
    return journal_print_stream(user, stream);
}

static weft_status stat_walk(weft_journal_view *v, job *j)
{
    weft_journal_totals totals;
    weft_status st = weft_journal_view_totals(v, &totals);
    if (st == WEFT_OK)
        st = journal_print_totals(&j->printer, j->path, &totals);
    if (st == WEFT_OK && !j->printer.json)
        st = weft_journal_view_streams(v, on_stream, &j->printer);
    return st;
}

static int stat_run(job *j)
{
    return look(j, stat_walk);
}

/* ---- ls ---- */

static weft_status on_entry(const weft_journal_entry *entry, void *user)
{
    return journal_print_entry(user, entry);
}

static weft_status on_feed(const weft_journal_feed *feed, void *user)
{
    return journal_print_feed(user, feed);
}

static weft_status ls_walk(weft_journal_view *v, job *j)
{
    if (strcmp(j->what, "streams") == 0)
        return weft_journal_view_streams(v, on_stream, &j->printer);
    if (strcmp(j->what, "feeds") == 0)
        return weft_journal_view_feeds(v, on_feed, &j->printer);
    return weft_journal_view_rows(v, &j->query, on_entry, &j->printer);
}

static int ls_run(job *j)
{
    static const char *const whats[] = {"rows", "streams", "feeds"};
    j->what = j->args->rest_count > 1 ? j->args->rest[1] : "rows";
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++)
        if (strcmp(j->what, whats[i]) == 0)
            return look(j, ls_walk);
    return args_usage(j->args, "ls shows rows, streams or feeds, not '%s'.", j->what);
}

/* ---- export ---- */

static weft_status on_event(const weft_event *event, void *user)
{
    return journal_print_event(&((job *)user)->printer, event);
}

static weft_status on_damaged(const weft_journal_entry *entry, void *user)
{
    job *j = user;
    j->damaged++;
    fprintf(stderr, "weft journal: row %" PRId64 " is left out: %s.\n", entry->row, entry->damage);
    return WEFT_OK;
}

static weft_status export_walk(weft_journal_view *v, job *j)
{
    return weft_journal_view_events(v, &j->query, on_event, on_damaged, j);
}

static int export_run(job *j)
{
    int status = look(j, export_walk);
    return status == EXIT_DONE && j->damaged > 0 ? EXIT_JOB_FAILED : status;
}

/* ---- verify ---- */

static void on_finding(const weft_journal_finding *finding, void *user)
{
    journal_print_finding(user, finding);
}

static weft_status verify_walk(weft_journal_view *v, job *j)
{
    weft_journal_totals totals;
    weft_status st = weft_journal_view_verify(v, on_finding, &j->printer, &j->damaged);
    if (st == WEFT_OK && j->damaged == 0)
        st = weft_journal_view_totals(v, &totals);
    if (st == WEFT_OK)
        journal_print_verdict(&j->printer, j->damaged, &totals);
    return st;
}

static int verify_run(job *j)
{
    int status = look(j, verify_walk);
    if (j->damaged > 0 && !j->printer.json)
        fprintf(stderr,
                "weft journal: events in damaged rows are reported lost to those who miss them; the others can\n"
                "be sent and healed. Damaged pages are moved aside at the node's next start, which carries over\n"
                "what can be read. `weft journal export` saves that now.\n");
    return status == EXIT_DONE && j->damaged > 0 ? EXIT_JOB_FAILED : status;
}

/* ---- purge ---- */

static int purge_run(job *j)
{
    bool confirmed = args_flag(j->args, "yes");
    weft_journal_purge what = {.pending_too = args_flag(j->args, "all"), .dry = !confirmed};
    weft_journal_purged purged;
    const char *reason = NULL;
    weft_status st = weft_journal_purge_path(j->path, &what, &purged, &reason);
    if (st == WEFT_EXISTS) {
        fprintf(stderr, "weft journal: %s is in use; stop its node first.\n", j->path);
        return EXIT_JOB_FAILED;
    }
    if (st != WEFT_OK)
        return say(reason, st);
    journal_print_purged(&j->printer, &what, &purged);
    return EXIT_DONE;
}

/* ---- the command line ---- */

static const struct {
    const char *name;
    int (*run)(job *j);
    size_t operands; /* after the name */
} verbs[] = {
    {"stat", stat_run, 0},     {"ls", ls_run, 1},       {"verify", verify_run, 0},
    {"export", export_run, 0}, {"purge", purge_run, 0},
};

static bool path_choose(const args *a, char room[PATH_MAX], const char **ret)
{
    char host[WEFT_NAME_MAX_BYTES + 1];
    const char *reason = NULL, *fabric = args_text(a, "fabric", BROKER_FABRIC_DEFAULT);
    *ret = args_text(a, "journal", room);
    if (*ret != room)
        return true;
    places_node_name(host);
    const char *node = node_option_read(a, host);
    if (node == NULL)
        return false;
    if (!weft_name_valid(fabric)) {
        args_usage(a, "--fabric: '%s' is no name.", fabric);
        return false;
    }
    if (places_journal(args_text(a, "state-dir", NULL), fabric, node, room, &reason))
        return true;
    args_usage(a, "%s.", reason);
    return false;
}

static bool query_read(const args *a, weft_journal_query *ret)
{
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    *ret = (weft_journal_query){.session_id = args_text(a, "session", NULL), .pending_only = args_flag(a, "pending")};
    return topics_option_read(a, "topic", &ret->topics) && moment_option_read(a, "since", now_ms, &ret->since_ms) &&
           moment_option_read(a, "until", now_ms, &ret->until_ms);
}

static int run_verb(const args *a, size_t verb)
{
    char room[PATH_MAX];
    job j = {.args = a, .printer = {.json = args_flag(a, "json")}};
    if (a->rest_count > 1 + verbs[verb].operands)
        return args_usage(a, "'%s' is too much.", a->rest[1 + verbs[verb].operands]);
    if (!path_choose(a, room, &j.path) || !query_read(a, &j.query))
        return EXIT_USAGE;
    (void)signal(SIGPIPE, SIG_IGN);
    int status = verbs[verb].run(&j);
    journal_printer_fini(&j.printer);
    return status;
}

static int run(const args *a)
{
    static const char *names[sizeof verbs / sizeof *verbs];
    const char *given = a->rest_count > 0 ? a->rest[0] : "";
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(given, verbs[i].name) == 0)
            return run_verb(a, i);
        names[i] = verbs[i].name;
    }
    const char *near = word_nearest(given, names, sizeof verbs / sizeof *verbs);
    if (a->rest_count == 0)
        return args_usage(a, "say what to do: stat, ls, verify, export or purge.");
    return args_usage(a, "there is no '%s'%s%s%s", given, near != NULL ? "; did you mean '" : ".",
                      near != NULL ? near : "", near != NULL ? "'?" : "");
}

const command cmd_journal = {
    .name = "journal",
    .synopsis = "stat|ls|verify|export|purge [OPTION]…",
    .summary = "Looks into the journal of a node of this host: what it holds, and whether it is sound.",
    .details = "  stat    what it holds, and how much of it waits for the broker\n"
               "  ls      lists its rows (each one message of a stream); also: ls streams, ls feeds\n"
               "  verify  reads everything: checksums, messages, that streams are whole; says which row is wrong\n"
               "  export  prints its events as JSON lines\n"
               "  purge   deletes what the broker has acknowledged, which others can then not be healed with\n"
               "The node may run meanwhile, but for purge. Without --yes purge only says what it would delete.\n"
               "Exit status: 0 done, 1 failed, or damage found, 2 usage, or not a journal.",
    .options = rows,
    .run = run,
};
