/* nodes/secret_file.c: a password stands in one line, so that `printf %s secret` and an editor both write it well. */
#include "nodes/secret_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FORBIDDEN = S_IRWXO | S_IWGRP };

/* Judges the file that is open, not one that may take its place. */
static bool is_private(FILE *file, const char *path, char *error, size_t error_bytes)
{
    struct stat status;
    if (fstat(fileno(file), &status) != 0) {
        (void)snprintf(error, error_bytes, "cannot read %s: %s", path, strerror(errno));
        return false;
    }
    if (S_ISDIR(status.st_mode)) {
        (void)snprintf(error, error_bytes, "cannot read %s: it is a directory", path);
        return false;
    }
    if (S_ISREG(status.st_mode) && (status.st_mode & FORBIDDEN) != 0) {
        (void)snprintf(error, error_bytes, "%s is open to others (mode %04o); chmod 600 it", path,
                       (unsigned)status.st_mode & 07777u);
        return false;
    }
    return true;
}

static FILE *secret_open(const char *path, char *error, size_t error_bytes)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)snprintf(error, error_bytes, "cannot read %s: %s", path, strerror(errno));
        return NULL;
    }
    if (is_private(file, path, error, error_bytes))
        return file;
    (void)fclose(file);
    return NULL;
}

bool secret_file_check(const char *path, char *error, size_t error_bytes)
{
    FILE *file = secret_open(path, error, error_bytes);
    if (file == NULL)
        return false;
    (void)fclose(file);
    return true;
}

/* Returns what is wrong with the line; NULL: nothing. */
static const char *line_read(FILE *file, char *out, size_t room)
{
    size_t length = 0;
    int c;
    while ((c = getc(file)) != EOF && c != '\n') {
        if (c == '\0')
            return "its first line holds a NUL";
        if (length + 1 == room)
            return "its first line is too long";
        out[length++] = (char)c;
    }
    if (ferror(file))
        return strerror(errno);
    if (length > 0 && out[length - 1] == '\r')
        length--;
    out[length] = '\0';
    return length == 0 ? "its first line is empty" : NULL;
}

bool secret_file_read(const char *path, char *out, size_t room, char *error, size_t error_bytes)
{
    FILE *file = secret_open(path, error, error_bytes);
    if (file == NULL)
        return false;
    (void)setvbuf(file, NULL, _IONBF, 0); /* no copy of it stays behind in a buffer */
    const char *fault = line_read(file, out, room);
    if (fault != NULL)
        (void)snprintf(error, error_bytes, "cannot read a line of %s: %s", path, fault);
    (void)fclose(file);
    return fault == NULL;
}
