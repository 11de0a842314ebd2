/* nodes/acl.c: users with roles, and three texts about them. What a role may is bridge's to know (weft/access.h). */
#include "nodes/acl.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 255 };

void acl_fini(acl *a)
{
    free(a->users);
    *a = (acl){0};
}

static bool role_read(const char *word, size_t length, weft_role *ret)
{
    char name[WORD_MAX + 1];
    (void)snprintf(name, sizeof name, "%.*s", (int)length, word);
    return weft_role_from_name(name, ret) == WEFT_OK;
}

/* Returns what is wrong with a word; NULL: nothing. */
static const char *user_read(const char *word, acl_user *ret)
{
    const char *equals = strchr(word, '='), *name = equals != NULL ? equals + 1 : word;
    *ret = (acl_user){.role = WEFT_ROLE_NODE};
    if (equals != NULL && !role_read(word, (size_t)(equals - word), &ret->role))
        return "there is no such role; there are node, listener, recorder, publisher and tap";
    if (!weft_name_valid(name))
        return "that is no name; use 1 to 64 of a-z 0-9 _ . - (not - alone)";
    (void)snprintf(ret->name, sizeof ret->name, "%s", name);
    return NULL;
}

static const char *user_add(acl *a, const char *word)
{
    acl_user user;
    const char *fault = user_read(word, &user);
    if (fault != NULL)
        return fault;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->users[i].name, user.name) == 0)
            return "this name has a role already";
    acl_user *users = realloc(a->users, (a->count + 1) * sizeof *users);
    if (users == NULL)
        return "out of memory";
    a->users = users;
    a->users[a->count++] = user;
    return NULL;
}

bool acl_add(acl *a, const char *word, char *error, size_t error_bytes)
{
    const char *fault = user_add(a, word);
    if (fault != NULL)
        (void)snprintf(error, error_bytes, "'%.80s': %s", word, fault);
    return fault == NULL;
}

/* ---- files ---- */

/* Reads the next word of a line into out; false at its end. A word that is too long comes cut, and so is no name. */
static bool word_take(const char **at, char out[WORD_MAX + 1])
{
    while (isspace((unsigned char)**at))
        (*at)++;
    size_t length = strcspn(*at, " \t\r\n#");
    (void)snprintf(out, WORD_MAX + 1, "%.*s", (int)(length < WORD_MAX ? length : WORD_MAX), *at);
    *at += length;
    return length > 0;
}

static bool line_add(acl *a, const char *line, char *error, size_t error_bytes)
{
    char word[WORD_MAX + 1];
    while (word_take(&line, word))
        if (!acl_add(a, word, error, error_bytes))
            return false;
    return true;
}

bool acl_add_file(acl *a, const char *path, char *error, size_t error_bytes)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)snprintf(error, error_bytes, "cannot read %s: %s", path, strerror(errno));
        return false;
    }
    char *line = NULL, fault[WORD_MAX + 128];
    size_t room = 0;
    unsigned long number = 0;
    bool good = true;
    while (good && getline(&line, &room, file) >= 0) {
        number++;
        good = line_add(a, line, fault, sizeof fault);
    }
    if (!good)
        (void)snprintf(error, error_bytes, "%s:%lu: %s", path, number, fault);
    else if (ferror(file)) {
        (void)snprintf(error, error_bytes, "cannot read %s: %s", path, strerror(errno));
        good = false;
    }
    free(line);
    (void)fclose(file);
    return good;
}

/* ---- texts ---- */

typedef struct rights_out {
    FILE *out;
    const char *keyword;
} rights_out;

static void right_write(void *user, const weft_right *right)
{
    const rights_out *r = user;
    (void)fprintf(r->out, "%s %s %s\n", r->keyword, right->write ? "write" : "read", right->filter);
}

void acl_write(const acl *a, const char *fabric, bool any_node, FILE *out)
{
    rights_out topics = {out, "topic"}, patterns = {out, "pattern"};
    (void)fprintf(out,
                  "# The access rules of the fabric %s: nobody writes but under the name of its own user.\n"
                  "# Made by: weft acl gen. %s may nothing.\n",
                  fabric, any_node ? "Who does not log in" : "Who has no section");
    for (size_t i = 0; i < a->count; i++) {
        (void)fprintf(out, "\n# %s\nuser %s\n", weft_role_name(a->users[i].role), a->users[i].name);
        (void)weft_role_rights(a->users[i].role, fabric, a->users[i].name, right_write, &topics);
    }
    if (!any_node)
        return;
    (void)fprintf(out, "\n# Whoever else logs in is a node; %%u stands for its user.\n");
    (void)weft_role_rights(WEFT_ROLE_NODE, fabric, NULL, right_write, &patterns);
}

/* 'It'\''s' */
static void quoted_write(const char *text, FILE *out)
{
    (void)putc('\'', out);
    for (; *text != '\0'; text++)
        (void)fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, out);
    (void)putc('\'', out);
}

void acl_write_passwords(const acl *a, const char *path, FILE *out)
{
    (void)fprintf(out, "# Asks for the password of each user, twice; run it as the user that the broker runs as.\n"
                       "set -e\numask 077\n: >>");
    quoted_write(path, out);
    (void)putc('\n', out);
    for (size_t i = 0; i < a->count; i++) {
        (void)fprintf(out, "echo '%s (%s)'\nmosquitto_passwd ", a->users[i].name, weft_role_name(a->users[i].role));
        quoted_write(path, out);
        (void)fprintf(out, " '%s'\n", a->users[i].name);
    }
}

void acl_write_configuration(const char *dir, FILE *out)
{
    (void)fprintf(
        out,
        "# Mosquitto 2 for weft. Its limits keep what a slow subscriber misses within bounds; weft heals the rest.\n"
        "per_listener_settings false\n"
        "allow_anonymous false\n"
        "acl_file %s/acl\n"
        "password_file %s/passwd\n"
        "max_inflight_messages 128\n"
        "max_queued_messages 100000\n"
        "max_queued_bytes 268435456\n"
        "max_packet_size 262144\n"
        "queue_qos0_messages false\n"
        "persistence true\n"
        "autosave_interval 60\n"
        "persistent_client_expiration 7d\n"
        "set_tcp_nodelay true\n"
        "\n"
        "listener 8883\n"
        "cafile %s/ca.crt\n"
        "certfile %s/broker.crt\n"
        "keyfile %s/broker.key\n"
        "tls_version tlsv1.2\n"
        "# Certificates instead of passwords (their common name is the user): leave out password_file, and add\n"
        "#require_certificate true\n"
        "#use_identity_as_username true\n"
        "\n"
        "# For browsers.\n"
        "listener 8884\n"
        "protocol websockets\n"
        "cafile %s/ca.crt\n"
        "certfile %s/broker.crt\n"
        "keyfile %s/broker.key\n"
        "tls_version tlsv1.2\n",
        dir, dir, dir, dir, dir, dir, dir, dir);
}
