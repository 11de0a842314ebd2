/* tests/nodes/temp_file.h: a directory of its own for a test's files. */
#ifndef WEFT_TESTS_TEMP_FILE_H
#define WEFT_TESTS_TEMP_FILE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { TEMP_PATH_BYTES = 512 };

static inline void temp_dir_make(char ret[TEMP_PATH_BYTES])
{
    const char *base = getenv("TMPDIR");
    snprintf(ret, TEMP_PATH_BYTES, "%s/weft-test-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(ret) == NULL)
        abort();
}

static inline int temp_remove(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void temp_dir_remove(const char *dir)
{
    (void)nftw(dir, temp_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void temp_path(char ret[TEMP_PATH_BYTES], const char *dir, const char *name)
{
    char path[TEMP_PATH_BYTES]; /* dir and ret may lie in one object */
    snprintf(path, sizeof path, "%.400s/%.100s", dir, name);
    memcpy(ret, path, sizeof path);
}

/* Writes (mode "w") or appends ("a") text. */
static inline void temp_write(const char *path, const char *mode, const char *text)
{
    FILE *file = fopen(path, mode);
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

/* Appends a gzip member. */
static inline void temp_write_gz(const char *path, const char *text)
{
    gzFile file = gzopen(path, "ab");
    if (file == NULL || gzputs(file, text) < 0 || gzclose(file) != Z_OK)
        abort();
}

#endif
