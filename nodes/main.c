/* nodes/main.c: the program `weft`: finds the subcommand in the table of commands.h and runs it. */
#include "nodes/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const command *const table[] = {
#define X(name) &cmd_##name,
    COMMAND_MAP(X)
#undef X
        NULL,
};

static const command *command_find(const char *name)
{
    for (size_t i = 0; table[i] != NULL; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

static void print_overview(FILE *out)
{
    fprintf(out, "usage: weft COMMAND [OPTION]…\n\n"
                 "An event fabric for clusters of AI agents: typed events cross hosts over an MQTT broker.\n\n"
                 "commands:\n");
    for (size_t i = 0; table[i] != NULL; i++)
        fprintf(out, "  %-10s  %s\n", table[i]->name, table[i]->summary);
    fprintf(out, "\nweft help COMMAND explains a command; weft --version prints the version.\n");
}

static int say_unknown(const char *name)
{
    const char *names[sizeof table / sizeof *table] = {0};
    size_t count = 0;
    for (; table[count] != NULL; count++)
        names[count] = table[count]->name;
    const char *near = word_nearest(name, names, count);
    fprintf(stderr, "weft: unknown command '%s'", name);
    if (near != NULL)
        fprintf(stderr, "; did you mean '%s'", near);
    fprintf(stderr, "%s\nweft help lists the commands.\n", near != NULL ? "?" : ".");
    return EXIT_USAGE;
}

static int run_help(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    const command *c = command_find(argv[1]);
    if (c == NULL)
        return say_unknown(argv[1]);
    const command *verb = argc > 2 ? command_verb(c, argv[2]) : NULL;
    command_print_help(verb != NULL ? verb : c, stdout);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    unsetenv("http_proxy"); /* Paho would go through them, and knows no exceptions */
    unsetenv("https_proxy");
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return run_help(argc - 1, argv + 1);
    if (strcmp(name, "--version") == 0) {
        printf("weft %s\n", WEFT_VERSION);
        return EXIT_DONE;
    }
    const command *c = command_find(name);
    return c != NULL ? command_main(c, argc - 1, argv + 1) : say_unknown(name);
}
