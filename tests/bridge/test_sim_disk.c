/* The simulated disk: what SQLite and the journal may rely on, and that it breaks as it says. */
#include "bridge/journal.h"
#include "support/disk/sim_disk.h"
#include "support/suite.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char path[] = "/journal/host.db";

/* ---- one file ---- */

/* What is in a file after a write of `length` bytes of this letter, a sync or none, and an end. */
static sqlite3_file *file_open(sim_disk *d)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(sim_disk_ops(d)->vfs);
    sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB;
    CU_ASSERT_EQUAL_FATAL(vfs->xOpen(vfs, path, file, flags, NULL), SQLITE_OK);
    return file;
}

static void file_close(sqlite3_file *file)
{
    (void)file->pMethods->xClose(file);
    free(file);
}

static int file_write(sqlite3_file *file, char letter, int length, sqlite3_int64 at)
{
    char bytes[8192];
    memset(bytes, letter, sizeof bytes);
    return file->pMethods->xWrite(file, bytes, length, at);
}

static int file_sync(sqlite3_file *file)
{
    return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
}

/* Reads with a handle of its own; what is not there is '.'. */
static const char *file_text(sim_disk *d, int length)
{
    static char bytes[8193];
    sqlite3_file *file = file_open(d);
    (void)file->pMethods->xRead(file, bytes, length, 0);
    for (int i = 0; i < length; i++)
        bytes[i] = bytes[i] == '\0' ? '.' : bytes[i];
    bytes[length] = '\0';
    file_close(file);
    return bytes;
}

static int name_sync(sim_disk *d)
{
    return sim_disk_ops(d)->directory_sync(sim_disk_ops(d)->user, "/journal");
}

static void a_kill_keeps_what_was_written(void)
{
    sim_disk *d = sim_disk_create(1);
    sqlite3_file *file = file_open(d);
    CU_ASSERT_EQUAL(file_write(file, 'a', 10, 0), SQLITE_OK);
    sim_disk_crash(d, SIM_DISK_KILL);
    file_close(file);
    CU_ASSERT_STRING_EQUAL(file_text(d, 10), "aaaaaaaaaa");
    sim_disk_destroy(d);
}

static void a_power_cut_keeps_what_was_synced(void)
{
    unsigned lost = 0, kept = 0, torn = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        sim_disk *d = sim_disk_create(seed);
        sqlite3_file *file = file_open(d);
        CU_ASSERT_EQUAL(file_write(file, 'a', 1024, 0), SQLITE_OK);
        CU_ASSERT_EQUAL(file_sync(file), SQLITE_OK);
        CU_ASSERT_EQUAL(name_sync(d), 0);
        CU_ASSERT_EQUAL(file_write(file, 'b', 1024, 512), SQLITE_OK);
        sim_disk_crash(d, SIM_DISK_POWER_CUT);
        file_close(file);
        const char *text = file_text(d, 1536);
        CU_ASSERT_EQUAL(text[511], 'a');
        lost += text[512] == 'a' && text[1024] == '.';
        kept += text[512] == 'b' && text[1024] == 'b';
        torn += (text[512] == 'b') != (text[1024] == 'b');
        CU_ASSERT_EQUAL(text[512], text[1023]); /* within a sector all or nothing */
        sim_disk_destroy(d);
    }
    CU_ASSERT(lost > 10);
    CU_ASSERT(kept > 10);
    CU_ASSERT(torn > 0);
}

static void a_power_cut_may_take_names_that_were_not_synced(void)
{
    unsigned gone = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        sim_disk *d = sim_disk_create(seed);
        sqlite3_file *file = file_open(d);
        CU_ASSERT_EQUAL(file_sync(file), SQLITE_OK);
        sim_disk_crash(d, SIM_DISK_POWER_CUT);
        file_close(file);
        gone += sim_disk_file_size(d, path, "") < 0;
        sim_disk_destroy(d);
    }
    CU_ASSERT(gone > 0 && gone < 50);
}

static void a_sync_that_failed_leaves_its_writes_unsynced(void)
{
    unsigned lost = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        sim_disk *d = sim_disk_create(seed);
        sqlite3_file *file = file_open(d);
        CU_ASSERT_EQUAL(name_sync(d), 0);
        CU_ASSERT_EQUAL(file_write(file, 'a', 10, 0), SQLITE_OK);
        sim_disk_fail(d, &(sim_disk_fault){.ops = SIM_DISK_SYNC, .count = 1, .error = EIO});
        CU_ASSERT_EQUAL(file_sync(file), SQLITE_IOERR_FSYNC);
        CU_ASSERT_EQUAL(file_write(file, 'b', 10, 4096), SQLITE_OK);
        CU_ASSERT_EQUAL(file_sync(file), SQLITE_OK);
        sim_disk_crash(d, SIM_DISK_POWER_CUT);
        file_close(file);
        const char *text = file_text(d, 4106);
        lost += text[0] == '.';
        CU_ASSERT_EQUAL(text[4096], 'b');
        sim_disk_destroy(d);
    }
    CU_ASSERT(lost > 0 && lost < 50);
}

static void what_was_open_before_the_end_changes_nothing(void)
{
    sim_disk *d = sim_disk_create(1);
    const weft__disk *ops = sim_disk_ops(d);
    sqlite3_file *file = file_open(d);
    int lock, later;
    CU_ASSERT_EQUAL(ops->lock(ops->user, "/journal/lock", &lock), 0);
    CU_ASSERT_EQUAL(ops->lock(ops->user, "/journal/lock", &later), EWOULDBLOCK);
    CU_ASSERT_EQUAL(file->pMethods->xLock(file, SQLITE_LOCK_SHARED), SQLITE_OK);
    CU_ASSERT_EQUAL(file->pMethods->xLock(file, SQLITE_LOCK_EXCLUSIVE), SQLITE_OK);
    sim_disk_crash(d, SIM_DISK_KILL);
    CU_ASSERT_EQUAL(ops->lock(ops->user, "/journal/lock", &later), 0);
    ops->unlock(ops->user, lock);
    CU_ASSERT_EQUAL(ops->lock(ops->user, "/journal/lock", &lock), EWOULDBLOCK);
    sqlite3_file *young = file_open(d);
    CU_ASSERT_EQUAL(young->pMethods->xLock(young, SQLITE_LOCK_SHARED), SQLITE_OK);
    CU_ASSERT_EQUAL(file_write(file, 'a', 10, 0), SQLITE_IOERR_WRITE);
    CU_ASSERT_EQUAL(file_sync(file), SQLITE_IOERR_FSYNC);
    CU_ASSERT_EQUAL(file->pMethods->xTruncate(file, 0), SQLITE_IOERR_TRUNCATE);
    CU_ASSERT_STRING_EQUAL(file_text(d, 3), "...");
    file_close(file);
    file_close(young);
    ops->unlock(ops->user, later);
    sim_disk_destroy(d);
}

static void a_full_disk_takes_what_fits_and_more_when_raised(void)
{
    sim_disk *d = sim_disk_create(1);
    sqlite3_file *file = file_open(d);
    sim_disk_set_capacity(d, 1000);
    CU_ASSERT_EQUAL(file_write(file, 'a', 900, 0), SQLITE_OK);
    CU_ASSERT_EQUAL(file_write(file, 'b', 200, 900), SQLITE_FULL);
    CU_ASSERT_EQUAL(sim_disk_used(d), 1000);
    CU_ASSERT_EQUAL(file_write(file, 'c', 900, 0), SQLITE_OK);
    sim_disk_set_capacity(d, 0);
    CU_ASSERT_EQUAL(file_write(file, 'b', 200, 900), SQLITE_OK);
    file_close(file);
    sim_disk_destroy(d);
}

/* ---- SQLite ---- */

static void statement_run(sqlite3 *db, const char *sql, int expected)
{
    CU_ASSERT_EQUAL(sqlite3_exec(db, sql, NULL, NULL, NULL), expected);
}

static sqlite3 *database_open(sim_disk *d)
{
    sqlite3 *db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open_v2(path, &db, flags, sim_disk_ops(d)->vfs), SQLITE_OK);
    return db;
}

static int64_t integer_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    CU_ASSERT_EQUAL_FATAL(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    int rc = sqlite3_step(stmt);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    int64_t value = text == NULL ? -1 : strcmp(text, "ok") == 0 ? 1 : sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return value;
}

/* One life: writes with two connections until the end. Returns the rows committed by then, of which synced is known. */
static int64_t life_run(sim_disk *d, const char *pragmas, uint64_t *random, int64_t rows, sim_disk_end how)
{
    sqlite3 *db = database_open(d), *other = database_open(d);
    statement_run(db, pragmas, SQLITE_OK);
    statement_run(db, "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, b BLOB)", SQLITE_OK);
    for (int i = 0; i < 12; i++) {
        char sql[128];
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        (void)snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%lld, zeroblob(%d))", (long long)++rows,
                       (int)(*random >> 33) % 6000);
        statement_run(db, sql, SQLITE_OK);
        if (*random >> 60 == 0)
            (void)sqlite3_wal_checkpoint_v2(other, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    sim_disk_crash(d, how);
    (void)sqlite3_close(other);
    (void)sqlite3_close(db);
    return rows;
}

static void crashes_try(const char *pragmas, bool synced)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        sim_disk *d = sim_disk_create(seed);
        uint64_t random = seed;
        int64_t rows = 0;
        for (int life = 0; life < 5; life++) {
            sim_disk_end how = (random >> 40) % 3 == 0 ? SIM_DISK_KILL : SIM_DISK_POWER_CUT;
            int64_t written = life_run(d, pragmas, &random, rows, how);
            sqlite3 *db = database_open(d);
            CU_ASSERT_EQUAL(integer_of(db, "PRAGMA integrity_check"), 1);
            rows = integer_of(db, "SELECT count(*) FROM t");
            CU_ASSERT_EQUAL(integer_of(db, "SELECT coalesce(max(id), 0) FROM t"), rows);
            CU_ASSERT(rows == written || (how == SIM_DISK_POWER_CUT && !synced && rows < written));
            (void)sqlite3_close(db);
        }
        sim_disk_destroy(d);
    }
}

static void sqlite_keeps_its_promises_on_it(void)
{
    crashes_try("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", true);
    crashes_try("PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA", true);
}

/* Not synced: whatever the power cut leaves is a whole number of commits. */
static void sqlite_loses_only_the_newest_without_syncs(void)
{
    crashes_try("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", false);
}

/* ---- the journal ---- */

static weft__journal *journal_open(sim_disk *d, weft_status expected)
{
    weft__journal_opts opts = {.path = path, .disk = sim_disk_ops(d)};
    weft__journal *j = NULL;
    CU_ASSERT_EQUAL(weft__journal_open(&opts, &j, NULL, NULL), expected);
    return j;
}

static weft_status journal_append(weft__journal *j, uint64_t seq)
{
    weft__journal_row row = {.epoch = 1,
                             .topic = WEFT_TOPIC_COST,
                             .prev_seq = seq - 1,
                             .first_seq = seq,
                             .last_seq = seq,
                             .event_count = 1,
                             .bytes = (const uint8_t *)"any",
                             .length = 3};
    return weft__journal_append(j, &row, 1, NULL, 0);
}

static uint64_t rows_of(weft__journal *j)
{
    weft__journal_stats stats;
    weft__journal_get_stats(j, &stats);
    return stats.rows;
}

static void the_journal_keeps_what_it_synced(void)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        sim_disk *d = sim_disk_create(seed);
        weft__journal *j = journal_open(d, WEFT_OK);
        for (uint64_t seq = 1; seq <= 20; seq++) {
            CU_ASSERT_EQUAL(journal_append(j, seq), WEFT_OK);
            if (seq == 10)
                CU_ASSERT_EQUAL(weft__journal_sync(j), WEFT_OK);
        }
        (void)journal_open(d, WEFT_EXISTS);
        sim_disk_crash(d, SIM_DISK_POWER_CUT);
        weft__journal_close(j);
        j = journal_open(d, WEFT_OK);
        CU_ASSERT(rows_of(j) >= 10 && rows_of(j) <= 20);
        weft__journal_close(j);
        sim_disk_destroy(d);
    }
}

/* What an earlier life failed to sync is in the kernel's cache alone: a later sync that succeeds proves nothing. */
static void a_sync_that_failed_in_an_earlier_life_is_made_good(void)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        sim_disk *d = sim_disk_create(seed);
        weft__journal *j = journal_open(d, WEFT_OK);
        CU_ASSERT_EQUAL(journal_append(j, 1), WEFT_OK);
        sim_disk_fail(d, &(sim_disk_fault){.ops = SIM_DISK_SYNC, .count = 1, .error = EIO});
        CU_ASSERT_EQUAL(weft__journal_sync(j), WEFT_IO);
        sim_disk_crash(d, SIM_DISK_KILL);
        weft__journal_close(j);
        j = journal_open(d, WEFT_OK);
        CU_ASSERT_EQUAL(journal_append(j, 2), WEFT_OK);
        CU_ASSERT_EQUAL(weft__journal_sync(j), WEFT_OK);
        sim_disk_crash(d, SIM_DISK_POWER_CUT);
        weft__journal_close(j);
        j = journal_open(d, WEFT_OK);
        CU_ASSERT_EQUAL(rows_of(j), 2);
        weft__journal_close(j);
        sim_disk_destroy(d);
    }
}

static void the_journal_names_what_fails(void)
{
    sim_disk *d = sim_disk_create(1);
    weft__journal *j = journal_open(d, WEFT_OK);
    sim_disk_fail(d, &(sim_disk_fault){.ops = SIM_DISK_WRITE, .count = 1, .error = EIO});
    CU_ASSERT_EQUAL(journal_append(j, 1), WEFT_IO);
    CU_ASSERT_EQUAL(journal_append(j, 1), WEFT_OK);
    sim_disk_set_capacity(d, sim_disk_used(d));
    weft_status st = WEFT_OK;
    uint64_t seq = 1;
    while (st == WEFT_OK && seq < 1000)
        st = journal_append(j, ++seq);
    CU_ASSERT_EQUAL(st, WEFT_NO_SPACE);
    sim_disk_set_capacity(d, 0);
    CU_ASSERT_EQUAL(journal_append(j, seq), WEFT_OK);
    sim_disk_set_read_only(d, true);
    CU_ASSERT_EQUAL(journal_append(j, seq + 1), WEFT_IO);
    sim_disk_set_read_only(d, false);
    CU_ASSERT_EQUAL(journal_append(j, seq + 1), WEFT_OK);
    CU_ASSERT_EQUAL(rows_of(j), seq + 1);
    weft__journal_close(j);
    sim_disk_destroy(d);
}

/* Whatever bit changes, the journal opens again and has every row but those of one page, or says so. */
static void a_changed_bit_costs_the_journal_little(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        sim_disk *d = sim_disk_create(seed);
        weft__journal *j = journal_open(d, WEFT_OK);
        for (uint64_t seq = 1; seq <= 200; seq++)
            CU_ASSERT_EQUAL(journal_append(j, seq), WEFT_OK);
        sim_disk_crash(d, SIM_DISK_KILL);
        weft__journal_close(j);
        CU_ASSERT(sim_disk_flip(d, path, seed % 2 ? "" : "-wal"));
        j = journal_open(d, WEFT_OK);
        CU_ASSERT_EQUAL(journal_append(j, 201), WEFT_OK);
        weft__journal_close(j);
        sim_disk_destroy(d);
    }
}

SUITE(bridge_sim_disk, CASE(a_kill_keeps_what_was_written), CASE(a_power_cut_keeps_what_was_synced),
      CASE(a_power_cut_may_take_names_that_were_not_synced), CASE(a_sync_that_failed_leaves_its_writes_unsynced),
      CASE(what_was_open_before_the_end_changes_nothing), CASE(a_full_disk_takes_what_fits_and_more_when_raised),
      CASE(sqlite_keeps_its_promises_on_it), CASE(sqlite_loses_only_the_newest_without_syncs),
      CASE(the_journal_keeps_what_it_synced), CASE(a_sync_that_failed_in_an_earlier_life_is_made_good),
      CASE(the_journal_names_what_fails), CASE(a_changed_bit_costs_the_journal_little))
