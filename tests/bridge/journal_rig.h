/* tests/bridge/journal_rig.h: a directory of one's own, rows with checksums, and a collector of what walks give. */
#ifndef WEFT_TESTS_JOURNAL_RIG_H
#define WEFT_TESTS_JOURNAL_RIG_H

#include "bridge/journal.h"
#include "support/suite.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RIG_EPOCH = 1000, RIG_ROWS_MAX = 4096, RIG_BYTES_MAX = 65536 };

typedef struct rig {
    char directory[64];
    char path[128];
    weft__journal *journal;
    bool damaged;
    const char *reason;
} rig;

static inline weft_status rig_open_with(rig *r, uint64_t max_bytes, uint64_t retention_ms)
{
    weft__journal_opts opts = {.path = r->path, .max_bytes = max_bytes, .retention_ms = retention_ms};
    r->damaged = false;
    return weft__journal_open(&opts, &r->journal, &r->damaged, &r->reason);
}

static inline weft_status rig_open(rig *r)
{
    return rig_open_with(r, 0, 0);
}

static inline void rig_close(rig *r)
{
    weft__journal_close(r->journal);
    r->journal = NULL;
}

static inline weft_status rig_reopen(rig *r)
{
    rig_close(r);
    return rig_open(r);
}

/* A directory with nothing in it. */
static inline void rig_prepare(rig *r)
{
    const char *base = getenv("TMPDIR");
    *r = (rig){0};
    (void)snprintf(r->directory, sizeof r->directory, "%.40s/weft-XXXXXX", base != NULL ? base : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(r->directory));
    (void)snprintf(r->path, sizeof r->path, "%s/journal.db", r->directory);
}

static inline void rig_init(rig *r)
{
    rig_prepare(r);
    CU_ASSERT_EQUAL_FATAL(rig_open(r), WEFT_OK);
}

static inline int rig_unlink(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void rig_fini(rig *r)
{
    rig_close(r);
    (void)nftw(r->directory, rig_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const char *rig_name(const rig *r, const char *suffix)
{
    static char name[192];
    (void)snprintf(name, sizeof name, "%s%s", r->path, suffix);
    return name;
}

static inline bool rig_exists(const rig *r, const char *suffix)
{
    return access(rig_name(r, suffix), F_OK) == 0;
}

static inline off_t rig_size(const rig *r, const char *suffix)
{
    struct stat info;
    return stat(rig_name(r, suffix), &info) == 0 ? info.st_size : -1;
}

/* A message of `length` bytes that names its seq and ends in its checksum. */
static inline const uint8_t *message(uint64_t seq, size_t length)
{
    static uint8_t bytes[RIG_BYTES_MAX];
    static const uint8_t tag[] = {0xfd, 0xff, 0xff, 0xff, 0x0f};
    memset(bytes, (int)('a' + seq % 26), length);
    (void)snprintf((char *)bytes, length, "message %llu.", (unsigned long long)seq);
    memcpy(bytes + length - 9, tag, sizeof tag);
    uint32_t crc = weft_crc32c(0, bytes, length - 9);
    for (int i = 0; i < 4; i++)
        bytes[length - 4 + (size_t)i] = (uint8_t)(crc >> 8 * i);
    return bytes;
}

static inline weft__journal_row row_of(weft_topic topic, uint64_t seq)
{
    return (weft__journal_row){.epoch = RIG_EPOCH,
                               .topic = topic,
                               .prev_seq = seq - 1,
                               .first_seq = seq,
                               .last_seq = seq,
                               .event_count = 1,
                               .priority = WEFT_PRIORITY_NORMAL,
                               .accepted_ms = 1000 * (int64_t)seq,
                               .bytes = message(seq, 100),
                               .length = 100};
}

/* Appends one row alone. */
static inline weft_status append_one(rig *r, weft_topic topic, uint64_t seq)
{
    weft__journal_row row = row_of(topic, seq);
    return weft__journal_append(r->journal, &row, 1, NULL, 0);
}

static inline void append_range(rig *r, weft_topic topic, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++)
        CU_ASSERT_EQUAL_FATAL(append_one(r, topic, seq), WEFT_OK);
}

typedef struct collected {
    size_t count;
    size_t damaged;  /* given without bytes */
    size_t altered;  /* bytes that no test wrote */
    size_t unsorted; /* id not above the one before */
    weft__journal_row rows[RIG_ROWS_MAX];
} collected;

static inline weft_status collect(const weft__journal_row *row, void *user)
{
    collected *c = user;
    if (row->bytes == NULL)
        c->damaged++;
    else if (memcmp(row->bytes, message(row->last_seq, row->length), row->length) != 0)
        c->altered++;
    if (c->count > 0 && row->id <= c->rows[c->count - 1].id)
        c->unsorted++;
    if (c->count < RIG_ROWS_MAX)
        c->rows[c->count++] = *row;
    return WEFT_OK;
}

/* All pending rows; ownership: static, until the next call. */
static inline const collected *pending(rig *r)
{
    static collected c;
    c.count = c.damaged = c.altered = c.unsorted = 0;
    CU_ASSERT_EQUAL(weft__journal_each_pending(r->journal, 0, RIG_ROWS_MAX, collect, &c), WEFT_OK);
    CU_ASSERT_EQUAL(c.altered, 0);
    CU_ASSERT_EQUAL(c.unsorted, 0);
    return &c;
}

/* Overwrites bytes of a file. */
static inline void file_patch(const char *path, off_t at, const void *bytes, size_t length)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(pwrite(fd, bytes, length, at), (ssize_t)length);
    (void)close(fd);
}

/* Where a file holds these bytes; -1: nowhere. */
static inline off_t file_find(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *content = malloc(size + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(content);
    CU_ASSERT_EQUAL(fread(content, 1, size, file), size);
    (void)fclose(file);
    const char *found = memmem(content, size, bytes, length);
    off_t at = found == NULL ? -1 : (off_t)(found - content);
    free(content);
    return at;
}

#endif
