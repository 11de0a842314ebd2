/* nodes/options.h: what a subcommand is, and its command line, read by one table that also prints the help. */
#ifndef WEFT_NODES_OPTIONS_H
#define WEFT_NODES_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What every subcommand exits with. */
enum {
    EXIT_DONE = 0,
    EXIT_JOB_FAILED = 1, /* differences, undelivered events, a deadline that passed */
    EXIT_USAGE = 2,      /* the command line, or an input file, is at fault */
    EXIT_NO_PEER = 3,    /* the broker or the node cannot be reached */
    EXIT_FENCED = 4,     /* a newer process holds the node name */
};

typedef struct option_row {
    const char *name;     /* without the dashes */
    char letter;          /* 0: none */
    const char *argument; /* "URL", shown in help; NULL: a flag */
    const char *help;     /* one line, or several with \n between */
} option_row;

typedef struct args args;

typedef struct command command;

struct command {
    const char *name;          /* of a verb with its command's before it: "bench pub" */
    const char *synopsis;      /* "[OPTION]… TYPE [field=value]…", without the program and the name */
    const char *summary;       /* one line */
    const char *details;       /* printed below the options in help; NULL: nothing */
    const option_row *options; /* ends with a zeroed row; NULL: none. --help is always there */
    int (*run)(const args *a); /* the exit status */
    /* Commands of their own under this one, chosen by its first word; ends with NULL. Where there are any, this one has
     * neither options nor run. NULL: none. */
    const command *const *verbs;
};

/* One command line, taken apart. Everything points into argv. */
typedef struct args_value {
    const option_row *option;
    const char *value; /* NULL for a flag */
} args_value;

struct args {
    const command *command;
    args_value *values; /* in the order given */
    size_t value_count;
    char **rest; /* what is no option */
    size_t rest_count;
};

typedef enum args_result { ARGS_OK, ARGS_HELP, ARGS_BAD } args_result;

/* Takes argv apart (argv[0] is the command's name; argv is permuted). Says on stderr what is wrong and where help is.
 * Ownership: release with args_fini, whatever the result. Not thread-safe (getopt). */
args_result args_parse(const command *c, int argc, char **argv, args *ret);
void args_fini(args *a);

/* Parses, then runs the command (of several verbs the one that the first word names) or prints its help; the exit
 * status. A standard output that could not be written turns success into failure, unless its reader has gone. */
int command_main(const command *c, int argc, char **argv);
/* The verb of that name, NULL if there is none. */
const command *command_verb(const command *c, const char *name);
void command_print_help(const command *c, FILE *out);

/* The last value given for an option, or fallback. The name must stand in the command's table. */
const char *args_text(const args *a, const char *name, const char *fallback);
bool args_flag(const args *a, const char *name);
/* How often an option was given, and its values in order. */
size_t args_count(const args *a, const char *name);
const char *args_nth(const args *a, const char *name, size_t index);

/* A whole number, or a time in seconds ("10", "0.5"), within bounds. On a bad value they say so on stderr and return
 * false: return EXIT_USAGE then. */
bool args_number(const args *a, const char *name, int64_t min, int64_t max, int64_t fallback, int64_t *ret);
bool args_seconds(const args *a, const char *name, int64_t fallback_ms, int64_t *ret_ms);

/* Says "weft NAME: …" on stderr, and where help is. Returns EXIT_USAGE. */
int args_usage(const args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The candidate nearest to a mistyped word, NULL if none is near. */
const char *word_nearest(const char *word, const char *const *candidates, size_t count);

#endif
