/* nodes/options.c: command lines over getopt_long, with one table for parsing and help.
 *
 * getopt's own messages are switched off: ours name the subcommand and the option that was probably meant. */
#include "nodes/options.h"

#include <getopt.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPTIONS_MAX = 64, LONG_BASE = 256, WORD_MAX = 64 };

static const option_row help_row = {"help", 'h', NULL, "show this help"};

/* The rows of a command in the order getopt numbers them, and its two notations. */
typedef struct grammar {
    const option_row *rows[OPTIONS_MAX];
    size_t count;
    struct option longs[OPTIONS_MAX + 1];
    char shorts[2 * OPTIONS_MAX + 2];
} grammar;

static void grammar_add(grammar *g, const option_row *row)
{
    if (g->count == OPTIONS_MAX)
        abort();
    g->longs[g->count] = (struct option){.name = row->name,
                                         .has_arg = row->argument != NULL ? required_argument : no_argument,
                                         .val = LONG_BASE + (int)g->count};
    size_t at = strlen(g->shorts);
    if (row->letter != 0) {
        g->shorts[at++] = row->letter;
        if (row->argument != NULL)
            g->shorts[at] = ':';
    }
    g->rows[g->count++] = row;
}

static void grammar_init(grammar *g, const command *c)
{
    *g = (grammar){.shorts = ":"};
    for (const option_row *row = c->options; row != NULL && row->name != NULL; row++)
        grammar_add(g, row);
    grammar_add(g, &help_row);
}

static const option_row *grammar_row(const grammar *g, int val)
{
    if (val >= LONG_BASE)
        return g->rows[val - LONG_BASE];
    for (size_t i = 0; i < g->count; i++)
        if (g->rows[i]->letter != 0 && g->rows[i]->letter == val)
            return g->rows[i];
    return NULL;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance by rows; words longer than WORD_MAX count as far. */
static size_t word_distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1], width = strlen(b);
    if (width > WORD_MAX || strlen(a) > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = smaller(changed, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[width];
}

const char *word_nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t distance = word_distance(word, candidates[i]);
        if (distance < best_distance) {
            best = candidates[i];
            best_distance = distance;
        }
    }
    return best;
}

static void say_where_help_is(const command *c)
{
    fprintf(stderr, "weft %s --help lists the options.\n", c->name);
}

static void say_unknown_long(const command *c, const grammar *g, const char *given)
{
    char word[WORD_MAX + 1];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(given + 2, "="), given + 2);
    const char *names[OPTIONS_MAX];
    size_t like = 0;
    for (size_t i = 0; i < g->count; i++) {
        names[i] = g->rows[i]->name;
        like += strncmp(names[i], word, strlen(word)) == 0;
    }
    const char *near = word_nearest(word, names, g->count);
    if (like > 1)
        fprintf(stderr, "weft %s: --%s is ambiguous", c->name, word);
    else
        fprintf(stderr, "weft %s: unknown option --%s", c->name, word);
    if (near != NULL)
        fprintf(stderr, "; did you mean --%s?\n", near);
    else
        fprintf(stderr, ".\n");
}

static void say_rejected(const command *c, const grammar *g, int result, const char *given)
{
    const option_row *row = grammar_row(g, optopt);
    if (result == ':' && row != NULL)
        fprintf(stderr, "weft %s: --%s needs %s.\n", c->name, row->name, row->argument);
    else if (row != NULL)
        fprintf(stderr, "weft %s: --%s takes no value.\n", c->name, row->name);
    else if (optopt == 0)
        say_unknown_long(c, g, given);
    else
        fprintf(stderr, "weft %s: unknown option -%c.\n", c->name, optopt);
    say_where_help_is(c);
}

args_result args_parse(const command *c, int argc, char **argv, args *ret)
{
    grammar g;
    grammar_init(&g, c);
    *ret = (args){.command = c, .values = calloc((size_t)argc + 1, sizeof *ret->values)};
    if (ret->values == NULL) {
        fprintf(stderr, "weft %s: out of memory.\n", c->name);
        return ARGS_BAD;
    }
    optind = 0; /* glibc: start over */
    opterr = 0;
    int result;
    while ((result = getopt_long(argc, argv, g.shorts, g.longs, NULL)) != -1) {
        if (result == '?' || result == ':') {
            say_rejected(c, &g, result, argv[optind - 1]);
            return ARGS_BAD;
        }
        const option_row *row = grammar_row(&g, result);
        if (row == &help_row)
            return ARGS_HELP;
        ret->values[ret->value_count++] = (args_value){row, row->argument != NULL ? optarg : NULL};
    }
    ret->rest = argv + optind;
    ret->rest_count = (size_t)(argc - optind);
    return ARGS_OK;
}

void args_fini(args *a)
{
    free(a->values);
    *a = (args){0};
}

static int option_width(const option_row *row)
{
    return (int)(strlen(row->name) + (row->argument != NULL ? strlen(row->argument) + 1 : 0));
}

static void print_option(const option_row *row, int width, FILE *out)
{
    fprintf(out, row->letter != 0 ? "  -%c, " : "      ", row->letter);
    fprintf(out, "--%s%s%s%*s", row->name, row->argument != NULL ? " " : "", row->argument != NULL ? row->argument : "",
            width - option_width(row), "");
    const char *line = row->help;
    for (;;) {
        int length = (int)strcspn(line, "\n");
        fprintf(out, "  %.*s\n", length, line);
        if (line[length] == '\0')
            return;
        line += length + 1;
        fprintf(out, "%*s", width + 8, "");
    }
}

static void print_options(const command *c, FILE *out)
{
    grammar g;
    grammar_init(&g, c);
    int width = 0;
    for (size_t i = 0; i < g.count; i++)
        if (option_width(g.rows[i]) > width)
            width = option_width(g.rows[i]);
    for (size_t i = 0; i < g.count; i++)
        print_option(g.rows[i], width, out);
}

/* ---- verbs ---- */

static const char *verb_name(const command *verb)
{
    return strrchr(verb->name, ' ') + 1;
}

const command *command_verb(const command *c, const char *name)
{
    for (size_t i = 0; c->verbs != NULL && c->verbs[i] != NULL; i++)
        if (strcmp(verb_name(c->verbs[i]), name) == 0)
            return c->verbs[i];
    return NULL;
}

static int say_unknown_verb(const command *c, const char *given)
{
    const char *names[OPTIONS_MAX];
    size_t count = 0;
    for (; count < OPTIONS_MAX && c->verbs[count] != NULL; count++)
        names[count] = verb_name(c->verbs[count]);
    const char *near = given != NULL ? word_nearest(given, names, count) : NULL;
    if (given == NULL)
        fprintf(stderr, "weft %s: say what to do", c->name);
    else
        fprintf(stderr, "weft %s: there is no '%s'", c->name, given);
    for (size_t i = 0; near == NULL && i < count; i++)
        fprintf(stderr, "%s%s", i == 0 ? ": " : i + 1 < count ? ", " : " or ", names[i]);
    if (near != NULL)
        fprintf(stderr, "; did you mean '%s'?\n", near);
    else
        fprintf(stderr, ".\n");
    fprintf(stderr, "weft %s --help explains them.\n", c->name);
    return EXIT_USAGE;
}

static void print_verbs(const command *c, FILE *out)
{
    for (size_t i = 0; c->verbs[i] != NULL; i++)
        fprintf(out, "  %-8s  %s\n", verb_name(c->verbs[i]), c->verbs[i]->summary);
    fprintf(out, "\nweft %s VERB --help lists the options of each.\n", c->name);
}

static int verb_main(const command *c, int argc, char **argv)
{
    const char *given = argc > 1 ? argv[1] : NULL;
    const command *verb = given != NULL ? command_verb(c, given) : NULL;
    if (verb != NULL)
        return command_main(verb, argc - 1, argv + 1);
    if (given == NULL || (strcmp(given, "--help") != 0 && strcmp(given, "-h") != 0))
        return say_unknown_verb(c, given);
    command_print_help(c, stdout);
    return EXIT_DONE;
}

/* ---- running ---- */

void command_print_help(const command *c, FILE *out)
{
    fprintf(out, "usage: weft %s%s%s\n\n%s\n\n%s:\n", c->name, c->synopsis[0] != '\0' ? " " : "", c->synopsis,
            c->summary, c->verbs != NULL ? "verbs" : "options");
    (c->verbs != NULL ? print_verbs : print_options)(c, out);
    if (c->details != NULL)
        fprintf(out, "\n%s\n", c->details);
}

/* A reader that has gone away had enough. */
static bool reader_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0;
}

/* What could not be written must not look like success, whatever wrote it. */
static int output_settle(const command *c, int status)
{
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (written || reader_gone())
        return status;
    fprintf(stderr, "weft %s: cannot write to standard output.\n", c->name);
    return status == EXIT_DONE ? EXIT_JOB_FAILED : status;
}

int command_main(const command *c, int argc, char **argv)
{
    if (c->verbs != NULL)
        return output_settle(c, verb_main(c, argc, argv));
    args a;
    int status = EXIT_DONE;
    switch (args_parse(c, argc, argv, &a)) {
    case ARGS_OK:
        status = c->run(&a);
        break;
    case ARGS_HELP:
        command_print_help(c, stdout);
        break;
    case ARGS_BAD:
        status = EXIT_USAGE;
        break;
    }
    args_fini(&a);
    return output_settle(c, status);
}

size_t args_count(const args *a, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < a->value_count; i++)
        count += strcmp(a->values[i].option->name, name) == 0;
    return count;
}

const char *args_nth(const args *a, const char *name, size_t index)
{
    for (size_t i = 0; i < a->value_count; i++)
        if (strcmp(a->values[i].option->name, name) == 0 && index-- == 0)
            return a->values[i].value;
    return NULL;
}

bool args_flag(const args *a, const char *name)
{
    return args_count(a, name) > 0;
}

const char *args_text(const args *a, const char *name, const char *fallback)
{
    size_t count = args_count(a, name);
    return count > 0 ? args_nth(a, name, count - 1) : fallback;
}

int args_usage(const args *a, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "weft %s: ", a->command->name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    say_where_help_is(a->command);
    return EXIT_USAGE;
}

bool args_number(const args *a, const char *name, int64_t min, int64_t max, int64_t fallback, int64_t *ret)
{
    const char *text = args_text(a, name, NULL);
    if (text == NULL) {
        *ret = fallback;
        return true;
    }
    char *end;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || value < min || value > max) {
        args_usage(a, "--%s: '%s' is not a whole number from %lld to %lld.", name, text, (long long)min,
                   (long long)max);
        return false;
    }
    *ret = value;
    return true;
}

bool args_seconds(const args *a, const char *name, int64_t fallback_ms, int64_t *ret_ms)
{
    const char *text = args_text(a, name, NULL);
    if (text == NULL) {
        *ret_ms = fallback_ms;
        return true;
    }
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value <= 4000000)) {
        args_usage(a, "--%s: '%s' is not a number of seconds from 0 to 4000000.", name, text);
        return false;
    }
    *ret_ms = (int64_t)(value * 1000 + 0.5);
    return true;
}
