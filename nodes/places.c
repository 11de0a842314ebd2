/* nodes/places.c: names and paths by the XDG base directory specification, with what to do where it is not in use. */
#include "nodes/places.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char places_name_char(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
    return fits ? c : '-';
}

void places_name_from(const char *text, char out[WEFT_NAME_MAX_BYTES + 1])
{
    size_t length = 0;
    for (; text[length] != '\0' && length < WEFT_NAME_MAX_BYTES; length++)
        out[length] = places_name_char(text[length]);
    out[length] = '\0';
    if (length == 0 || strcmp(out, "-") == 0)
        memcpy(out, "node", sizeof "node");
}

void places_node_name(char out[WEFT_NAME_MAX_BYTES + 1])
{
    char host[HOST_NAME_MAX + 1] = "";
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    places_name_from(host, out);
}

void places_process_name(const char *user_name, const char *kind, char out[WEFT_NAME_MAX_BYTES + 1])
{
    char host[WEFT_NAME_MAX_BYTES + 1], tail[48];
    if (user_name != NULL && weft_name_valid(user_name)) {
        (void)snprintf(out, WEFT_NAME_MAX_BYTES + 1, "%s", user_name);
        return;
    }
    places_node_name(host);
    int tail_length = snprintf(tail, sizeof tail, ".%.16s.%ld", kind, (long)getpid());
    (void)snprintf(out, WEFT_NAME_MAX_BYTES + 1, "%.*s%s", WEFT_NAME_MAX_BYTES - tail_length, host, tail);
}

bool directory_make_all(const char *path)
{
    char partial[PATH_MAX];
    if ((size_t)snprintf(partial, sizeof partial, "%s", path) >= sizeof partial) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (char *slash = strchr(partial + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(partial, 0700) != 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return mkdir(partial, 0700) == 0 || errno == EEXIST;
}

/* Anybody may write in /tmp: a directory there counts only when it is ours alone. */
static bool is_ours_alone(const char *path)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT;
    return S_ISDIR(info.st_mode) && info.st_uid == geteuid() && (info.st_mode & 077) == 0;
}

bool places_socket(const char *node, char *out, const char **reason)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime != NULL && runtime[0] == '/') {
        (void)snprintf(out, PATH_MAX, "%s/weft/%s.sock", runtime, node);
        return true;
    }
    char directory[64];
    (void)snprintf(directory, sizeof directory, "/tmp/weft-%lu", (unsigned long)geteuid());
    if (!is_ours_alone(directory)) {
        *reason = "the directory /tmp/weft-{uid} is not yours alone; remove it, or name the socket with --socket";
        return false;
    }
    (void)snprintf(out, PATH_MAX, "%s/%s.sock", directory, node);
    return true;
}

static const char *home_directory(void)
{
    const char *home = getenv("HOME");
    if (home != NULL && home[0] == '/')
        return home;
    const struct passwd *user = getpwuid(geteuid());
    return user != NULL ? user->pw_dir : NULL;
}

bool places_journal(const char *state_dir, const char *fabric, const char *node, char *out, const char **reason)
{
    char standard[PATH_MAX];
    const char *state_home = getenv("XDG_STATE_HOME"), *home = home_directory();
    if (state_dir == NULL && state_home != NULL && state_home[0] == '/')
        (void)snprintf(standard, sizeof standard, "%s/weft", state_home);
    else if (state_dir == NULL && home != NULL)
        (void)snprintf(standard, sizeof standard, "%s/.local/state/weft", home);
    else if (state_dir == NULL) {
        *reason = "there is no home directory to keep the journal in; name one with --state-dir";
        return false;
    }
    int length = snprintf(out, PATH_MAX, "%s/%s/%s/journal.db", state_dir != NULL ? state_dir : standard, fabric, node);
    *reason = "the path of the journal is too long";
    return length > 0 && length < PATH_MAX;
}
