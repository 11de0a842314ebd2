/* nodes/broker_options.c: checks at the command line what would otherwise fail later, in the background. */
#include "nodes/broker_options.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool password_read(const args *a, const char *path, char *out, size_t room)
{
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(out, (int)room, file) == NULL) {
        args_usage(a, "--password-file: cannot read a line of %s: %s.", path,
                   file != NULL ? "it is empty" : strerror(errno));
        if (file != NULL)
            (void)fclose(file);
        return false;
    }
    (void)fclose(file);
    size_t length = strcspn(out, "\r\n");
    if (length + 1 == room) {
        args_usage(a, "--password-file: the first line of %s has more than %zu bytes.", path, room - 2);
        return false;
    }
    out[length] = '\0';
    return true;
}

static bool files_readable(const args *a)
{
    static const char *const names[] = {"ca", "cert", "key"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = args_text(a, names[i], NULL);
        if (path != NULL && access(path, R_OK) != 0) {
            args_usage(a, "--%s: cannot read %s: %s.", names[i], path, strerror(errno));
            return false;
        }
    }
    return true;
}

static bool pairs_complete(const args *a)
{
    if ((args_text(a, "cert", NULL) == NULL) != (args_text(a, "key", NULL) == NULL)) {
        args_usage(a, "--cert and --key belong together.");
        return false;
    }
    if (args_text(a, "password-file", NULL) != NULL && args_text(a, "user", NULL) == NULL) {
        args_usage(a, "--password-file needs --user.");
        return false;
    }
    return true;
}

int broker_options_read(const args *a, broker_options *ret)
{
    *ret = (broker_options){.url = args_text(a, "broker", BROKER_URL_DEFAULT),
                            .fabric = args_text(a, "fabric", BROKER_FABRIC_DEFAULT),
                            .user = args_text(a, "user", NULL),
                            .ca_file = args_text(a, "ca", NULL),
                            .cert_file = args_text(a, "cert", NULL),
                            .key_file = args_text(a, "key", NULL)};
    if (!weft_name_valid(ret->fabric))
        return args_usage(a, "--fabric: '%s' is no name; use 1 to %d of a-z 0-9 _ . - (not - alone).", ret->fabric,
                          WEFT_NAME_MAX_BYTES);
    int64_t keep_alive;
    if (!pairs_complete(a) || !files_readable(a) || !args_number(a, "keep-alive", 1, 3600, 0, &keep_alive))
        return EXIT_USAGE;
    ret->keep_alive_s = (uint32_t)keep_alive;
    const char *password_file = args_text(a, "password-file", NULL);
    if (password_file != NULL && !password_read(a, password_file, ret->password, sizeof ret->password))
        return EXIT_USAGE;
    return EXIT_DONE;
}

void broker_options_apply(const broker_options *o, weft_bridge_opts *bridge)
{
    bridge->url = o->url;
    bridge->fabric = o->fabric;
    bridge->username = o->user;
    bridge->password = o->password[0] != '\0' ? o->password : NULL;
    bridge->ca_file = o->ca_file;
    bridge->cert_file = o->cert_file;
    bridge->key_file = o->key_file;
    bridge->keep_alive_s = o->keep_alive_s;
}

const char *node_option_read(const args *a, const char *fallback)
{
    const char *node = args_text(a, "node", fallback);
    if (weft_name_valid(node))
        return node;
    args_usage(a, "--node: '%s' is no name; use 1 to %d of a-z 0-9 _ . - (not - alone).", node, WEFT_NAME_MAX_BYTES);
    return NULL;
}
