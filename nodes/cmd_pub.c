/* nodes/cmd_pub.c: `weft pub`: publishes one event from words, or many from JSON lines. */
#include "nodes/commands.h"
#include "nodes/event_words.h"
#include "nodes/feed_limits.h"
#include "nodes/lines_each.h"
#include "nodes/places.h"
#include "nodes/publisher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const option_row rows[] = {
    BROKER_OPTION_ROWS,
    {"node", 'n', "NAME", "publish through the node of this name on this host (the host's name)"},
    {"socket", 's', "PATH", "publish through the node that takes lines at this socket"},
    {"json", 'j', "FILE", "read events as JSON lines from a file; - is standard input"},
    {"timeout", 0, "S", "seconds to wait for the node or the broker (10)"},
    {0},
};

/* ---- one event ---- */

static int publish_words(const args *a, publisher *p)
{
    weft_text text = {0};
    char error[600] = "out of memory";
    weft_status st = event_words_to_json(a->rest[0], a->rest + 1, a->rest_count - 1, &text, error, sizeof error);
    int status = st == WEFT_OK ? publisher_send(p, text.data, text.length, 1) : args_usage(a, "%s", error);
    weft_text_fini(&text);
    return status;
}

/* The words are checked before anybody is connected to. */
static bool words_fit(const args *a)
{
    weft_text text = {0};
    char error[600] = "out of memory";
    weft_status st = event_words_to_json(a->rest[0], a->rest + 1, a->rest_count - 1, &text, error, sizeof error);
    weft_text_fini(&text);
    if (st != WEFT_OK)
        args_usage(a, "%s", error);
    return st == WEFT_OK;
}

/* ---- lines ---- */

typedef struct stream {
    publisher *publisher;
    int status; /* the worst so far */
} stream;

static bool on_line(char *text, size_t length, uint64_t number, void *user)
{
    stream *s = user;
    int status = publisher_send(s->publisher, text, length, number);
    if (status != EXIT_DONE)
        s->status = status;
    return status == EXIT_DONE || status == EXIT_USAGE;
}

static int publish_lines(int fd, const char *path, publisher *p)
{
    stream s = {.publisher = p, .status = EXIT_DONE};
    if (lines_each(fd, FEED_LINE_MAX_BYTES, &(lines_handler){.on_line = on_line, .user = &s}))
        return s.status;
    fprintf(stderr, "weft pub: cannot read %s: %s.\n", path, strerror(errno));
    return EXIT_USAGE;
}

/* ---- the command line ---- */

/* -1 without --json, -2 (said) when the file cannot be opened. */
static int json_open(const char *path)
{
    if (path == NULL)
        return -1;
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    fprintf(stderr, "weft pub: cannot open %s: %s.\n", path, strerror(errno));
    return -2;
}

/* A socket that was named must work; one that only might be there need not; a broker that was named wins over it. */
static int choose_way(const args *a, char room[PATH_MAX], publisher_opts *opts)
{
    char host[WEFT_NAME_MAX_BYTES + 1];
    const char *reason;
    bool named = args_text(a, "node", NULL) != NULL;
    places_node_name(host);
    const char *node = node_option_read(a, host);
    if (node == NULL)
        return EXIT_USAGE;
    opts->socket_path = args_text(a, "socket", NULL);
    opts->socket_required = opts->socket_path != NULL || named;
    if (opts->socket_required && args_text(a, "broker", NULL) != NULL)
        return args_usage(a, "--broker goes past the node; leave out --%s, or --broker.",
                          opts->socket_path != NULL ? "socket" : "node");
    if (opts->socket_path == NULL && args_text(a, "broker", NULL) == NULL && places_socket(node, room, &reason))
        opts->socket_path = room;
    else if (opts->socket_path == NULL && named)
        return args_usage(a, "%s.", reason);
    return EXIT_DONE;
}

static int publish(const args *a, int fd, const publisher_opts *opts)
{
    publisher *p = NULL;
    int opened = publisher_open(opts, &p);
    if (opened != EXIT_DONE)
        return opened;
    int sent = fd >= 0 ? publish_lines(fd, args_text(a, "json", NULL), p) : publish_words(a, p);
    int finished = sent == EXIT_DONE || sent == EXIT_USAGE ? publisher_finish(p) : sent;
    publisher_close(p);
    return finished != EXIT_DONE ? finished : sent;
}

static int run(const args *a)
{
    char room[PATH_MAX];
    publisher_opts opts = {.command = "pub"};
    int64_t timeout_ms;
    const char *json = args_text(a, "json", NULL);
    if (json == NULL && a->rest_count == 0)
        return args_usage(a, "what to publish? Give TYPE and fields, or --json FILE.");
    if (json != NULL && a->rest_count > 0)
        return args_usage(a, "'%s' is too much beside --json.", a->rest[0]);
    if (!args_seconds(a, "timeout", 10000, &timeout_ms) || broker_options_read(a, &opts.broker) != EXIT_DONE ||
        choose_way(a, room, &opts) != EXIT_DONE || (json == NULL && !words_fit(a)))
        return EXIT_USAGE;
    opts.timeout_ms = (uint32_t)timeout_ms;
    opts.source = json != NULL && strcmp(json, "-") == 0 ? "standard input" : json;
    int fd = json_open(json);
    if (fd == -2)
        return EXIT_USAGE;
    (void)signal(SIGPIPE, SIG_IGN);
    int status = publish(a, fd, &opts);
    if (fd > STDIN_FILENO)
        (void)close(fd);
    return status;
}

const command cmd_pub = {
    .name = "pub",
    .synopsis = "[OPTION]… TYPE [FIELD=VALUE]… | --json FILE",
    .summary = "Publishes an event, or many.",
    .details =
        "  weft pub token_usage session_id=s1 model=claude-opus-4-5 input_tokens=9 cost_usd=0.02\n"
        "  weft pub --json events.jsonl\n\n"
        "Any event takes session_id, agent_id, source … and tag=TEXT, attr.KEY=TEXT. It goes through this host's\n"
        "node if one runs; else, or with --broker, straight to the broker. Exit status 0: the node has written\n"
        "all of it, or the broker acknowledged it; 1 some is undelivered; 2 some line is bad (the others are\n"
        "published); 3 neither node nor broker can be reached.",
    .options = rows,
    .run = run,
};
