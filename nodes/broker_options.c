/* nodes/broker_options.c: checks at the command line what would otherwise fail later, in the background. */
#include "nodes/broker_options.h"

#include "nodes/secret_file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* An option, else what the environment says where the command has the option at all. */
static const char *setting(const args *a, const char *name, const char *variable)
{
    const option_row *row = a->command->options;
    while (row->name != NULL && strcmp(row->name, name) != 0)
        row++;
    const char *value = row->name != NULL ? getenv(variable) : NULL;
    return args_text(a, name, value != NULL && *value != '\0' ? value : NULL);
}

static bool password_copy(const args *a, const char *value, broker_options *ret)
{
    size_t length = strlen(value);
    if (length >= sizeof ret->password) {
        args_usage(a, "$WEFT_PASSWORD has more than %zu bytes.", sizeof ret->password - 1);
        return false;
    }
    memcpy(ret->password, value, length + 1);
    return true;
}

/* A file that was named on the command line wins over the environment. */
static bool password_read(const args *a, broker_options *ret)
{
    char error[PATH_MAX + 256];
    const char *path = setting(a, "password-file", "WEFT_PASSWORD_FILE"), *value = NULL;
    if (args_count(a, "password-file") == 0 && setting(a, "user", "WEFT_USER") != NULL)
        value = getenv("WEFT_PASSWORD");
    if (value != NULL && *value != '\0')
        return password_copy(a, value, ret);
    if (path == NULL || secret_file_read(path, ret->password, sizeof ret->password, error, sizeof error))
        return true;
    args_usage(a, "--password-file: %s.", error);
    return false;
}

static bool files_readable(const args *a, const broker_options *o)
{
    const struct {
        const char *name, *path;
    } files[] = {{"ca", o->ca_file}, {"cert", o->cert_file}};
    char error[PATH_MAX + 256];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i].path != NULL && access(files[i].path, R_OK) != 0) {
            args_usage(a, "--%s: cannot read %s: %s.", files[i].name, files[i].path, strerror(errno));
            return false;
        }
    if (o->key_file == NULL || secret_file_check(o->key_file, error, sizeof error))
        return true;
    args_usage(a, "--key: %s.", error);
    return false;
}

/* TLS that is asked for but not used would be a silent loss of protection. */
static bool tls_meant(const args *a, const broker_options *o)
{
    bool ca = args_count(a, "ca") > 0;
    if (strncasecmp(o->url, "mqtts://", 8) == 0 || (!ca && args_count(a, "cert") == 0))
        return true;
    args_usage(a, "--%s is for TLS, which %s does not ask for; use mqtts://.", ca ? "ca" : "cert", o->url);
    return false;
}

static bool pairs_complete(const args *a, const broker_options *o)
{
    if ((o->cert_file == NULL) != (o->key_file == NULL)) {
        args_usage(a, "--cert and --key belong together.");
        return false;
    }
    if (setting(a, "password-file", "WEFT_PASSWORD_FILE") != NULL && o->user == NULL) {
        args_usage(a, "--password-file needs --user.");
        return false;
    }
    return true;
}

int broker_options_read(const args *a, broker_options *ret)
{
    *ret = (broker_options){.url = args_text(a, "broker", BROKER_URL_DEFAULT),
                            .fabric = args_text(a, "fabric", BROKER_FABRIC_DEFAULT),
                            .user = setting(a, "user", "WEFT_USER"),
                            .ca_file = setting(a, "ca", "WEFT_CA"),
                            .cert_file = setting(a, "cert", "WEFT_CERT"),
                            .key_file = setting(a, "key", "WEFT_KEY")};
    if (!weft_name_valid(ret->fabric))
        return args_usage(a, "--fabric: '%s' is no name; use 1 to %d of a-z 0-9 _ . - (not - alone).", ret->fabric,
                          WEFT_NAME_MAX_BYTES);
    int64_t keep_alive;
    if (!pairs_complete(a, ret) || !files_readable(a, ret) || !tls_meant(a, ret) || !password_read(a, ret) ||
        !args_number(a, "keep-alive", 1, 3600, 0, &keep_alive))
        return EXIT_USAGE;
    ret->keep_alive_s = (uint32_t)keep_alive;
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
