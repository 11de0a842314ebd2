/* nodes/cmd_acl.c: `weft acl gen`: what a Mosquitto broker needs to know of the users of a fabric. */
#include "nodes/acl.h"
#include "nodes/broker_options.h"
#include "nodes/commands.h"

#include <limits.h>
#include <string.h>

#define DIR_DEFAULT "/etc/mosquitto/weft"

static const option_row rows[] = {
    {"fabric", 'f', "NAME", "the fabric that they belong to (" BROKER_FABRIC_DEFAULT ")"},
    {"file", 0, "FILE", "read users from this file too: [ROLE=]NAME apart by blanks, # begins a comment"},
    {"any-node", 0, NULL, "whoever else can log in is a node, under its own user's name"},
    {"passwd", 0, NULL, "print the commands that give each user a password, instead of the rules"},
    {"conf", 0, NULL, "print a configuration of the broker, instead of the rules"},
    {"dir", 'd', "DIR", "where the broker keeps acl, passwd, ca.crt, broker.crt and broker.key (" DIR_DEFAULT ")"},
    {0},
};

static bool users_read(const args *a, acl *list)
{
    char error[PATH_MAX + 512];
    for (size_t i = 1; i < a->rest_count; i++)
        if (!acl_add(list, a->rest[i], error, sizeof error)) {
            args_usage(a, "%s.", error);
            return false;
        }
    for (size_t i = 0; i < args_count(a, "file"); i++)
        if (!acl_add_file(list, args_nth(a, "file", i), error, sizeof error)) {
            args_usage(a, "--file: %s.", error);
            return false;
        }
    return true;
}

/* Returns EXIT_DONE or EXIT_USAGE. */
static int options_check(const args *a, const char *fabric, const char *dir)
{
    if (a->rest_count == 0 || strcmp(a->rest[0], "gen") != 0)
        return args_usage(a, "what to do? There is: weft acl gen.");
    if (args_flag(a, "passwd") && args_flag(a, "conf"))
        return args_usage(a, "--passwd and --conf are two texts; ask for one after the other.");
    if (!weft_name_valid(fabric))
        return args_usage(a, "--fabric: '%s' is no name; use 1 to %d of a-z 0-9 _ . - (not - alone).", fabric,
                          WEFT_NAME_MAX_BYTES);
    if (strlen(dir) > PATH_MAX - 16 || strpbrk(dir, "\r\n") != NULL)
        return args_usage(a, "--dir: that is no directory.");
    return EXIT_DONE;
}

static int print(const args *a, const acl *list, const char *fabric, const char *dir)
{
    char path[PATH_MAX];
    if (args_flag(a, "conf")) {
        acl_write_configuration(dir, stdout);
        return EXIT_DONE;
    }
    if (list->count == 0 && (args_flag(a, "passwd") || !args_flag(a, "any-node")))
        return args_usage(a, "for whom? Give names, --file FILE or --any-node.");
    if (args_flag(a, "passwd")) {
        (void)snprintf(path, sizeof path, "%.*s/passwd", PATH_MAX - 16, dir);
        acl_write_passwords(list, path, stdout);
    } else {
        acl_write(list, fabric, args_flag(a, "any-node"), stdout);
    }
    return EXIT_DONE;
}

static int run(const args *a)
{
    const char *fabric = args_text(a, "fabric", BROKER_FABRIC_DEFAULT), *dir = args_text(a, "dir", DIR_DEFAULT);
    acl list = {0};
    int status = options_check(a, fabric, dir);
    if (status == EXIT_DONE && !users_read(a, &list))
        status = EXIT_USAGE;
    if (status == EXIT_DONE)
        status = print(a, &list, fabric, dir);
    acl_fini(&list);
    return status;
}

const command cmd_acl = {
    .name = "acl",
    .synopsis = "gen [OPTION]… [ROLE=]NAME…",
    .summary = "Prints access rules, passwords or a configuration for a Mosquitto broker.",
    .details = "  weft acl gen host-a host-b listener=ops tap=web >/etc/mosquitto/weft/acl\n"
               "  weft acl gen --conf >/etc/mosquitto/conf.d/weft.conf\n"
               "  weft acl gen --passwd host-a host-b listener=ops tap=web >passwords && sh passwords\n\n"
               "Roles, node if none is given; each user writes under its own name only:\n"
#define X(name, text, meaning) "  " #text ": " meaning "\n"
    WEFT_ROLE_MAP(X)
#undef X
        "A user's name is the name of its node (--node), or what --user says to pub and sub. Exit status: 0, or 2\n"
        "when a name or role is at fault.",
    .options = rows,
    .run = run,
};
