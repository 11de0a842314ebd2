/* bridge/journal_sync.c: what other threads do for the journal: sync the WAL, move it into the database.
 *
 * sync is an fdatasync on a descriptor of our own for PATH-wal, so that no thread waits on SQLite for a disk. Closing
 * such a descriptor would end the process's POSIX locks on that file; that is harmless here, because SQLite keeps all
 * its locks on the database and PATH-shm, and none on the WAL.
 *
 * checkpoint uses a connection of its own. PASSIVE neither waits for the journal thread nor makes it wait, and lets the
 * next append begin the WAL anew if it has moved everything. Under a steady load it never has: so beyond a size the WAL
 * is begun anew by force (RESTART) with appends held off by write_lock. Rounds of moving and syncing before it, each
 * with what came during the one before, leave some pages and two nearly empty syncs for the while they wait: one of the
 * database, and the append's own, of the WAL's new header. The file keeps its size, because writing over it is cheaper
 * than making it grow; only one that got out of hand is cut (TRUNCATE).
 *
 * After a failed fdatasync the kernel may count pages as clean that it never wrote, and a second call would say OK. The
 * content is still in its cache: from there an emptying checkpoint brings it into the database, and only that ends the
 * failure. What a killed process left in the WAL is treated the same: nobody knows whether a sync of it had failed. */
#include "bridge/journal_db.h"

#include <sqlite3.h>

enum {
    PAGE_BYTES = 4096,
    PASSIVE_PAGES = 16 * 1024 * 1024 / PAGE_BYTES, /* what then begins the WAL anew pays for a sync: seldom */
    RESTART_PAGES = 64 * 1024 * 1024 / PAGE_BYTES,
    TRUNCATE_PAGES = 256 * 1024 * 1024 / PAGE_BYTES,
    LEFT_PAGES = 64, /* moved while appends wait; on a slow disk what ROUNDS_MAX leave */
    ROUNDS_MAX = 8,
};

/* [checkpoint_lock] Returns a result of SQLite: BUSY if somebody is reading. */
static int wal_empty(weft__journal *j, int mode)
{
    (void)pthread_mutex_lock(&j->write_lock);
    int rc = sqlite3_wal_checkpoint_v2(j->checkpointer, NULL, mode, NULL, NULL);
    if (rc == SQLITE_OK)
        atomic_store(&j->wal_pages, 0);
    (void)pthread_mutex_unlock(&j->write_lock);
    return rc;
}

/* [checkpoint_lock] Through SQLite's own descriptor: closing another one would end the process's locks on the file. */
static int database_sync(weft__journal *j)
{
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(j->checkpointer, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    return rc == SQLITE_OK && file != NULL ? file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) : rc;
}

/* BUSY: a reader or somebody else's checkpoint; the next call tries again. */
static weft_status checkpoint_status(weft__journal *j, int rc)
{
    return rc == SQLITE_BUSY ? WEFT_OK : weft__journal_status(j->checkpointer, rc);
}

/* Moves what is in the WAL by now. */
static weft_status wal_move(weft__journal *j, int *ret_in_wal)
{
    (void)pthread_mutex_lock(&j->checkpoint_lock);
    int rc = sqlite3_wal_checkpoint_v2(j->checkpointer, NULL, SQLITE_CHECKPOINT_PASSIVE, ret_in_wal, NULL);
    if (rc == SQLITE_OK && *ret_in_wal >= RESTART_PAGES)
        rc = database_sync(j);
    (void)pthread_mutex_unlock(&j->checkpoint_lock);
    if (rc == SQLITE_BUSY)
        *ret_in_wal = 0;
    return checkpoint_status(j, rc);
}

static weft_status wal_restart(weft__journal *j, int mode)
{
    (void)pthread_mutex_lock(&j->checkpoint_lock);
    weft_status st = checkpoint_status(j, wal_empty(j, mode));
    (void)pthread_mutex_unlock(&j->checkpoint_lock);
    return st;
}

weft_status weft__journal_checkpoint(weft__journal *j)
{
    if (j->path == NULL || atomic_load(&j->wal_pages) < PASSIVE_PAGES)
        return WEFT_OK;
    int before = 0, in_wal = 0;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        weft_status st = wal_move(j, &in_wal);
        if (st == WEFT_OK && in_wal >= RESTART_PAGES)
            st = weft__journal_sync(j);
        if (st != WEFT_OK || in_wal < RESTART_PAGES)
            return st;
        if (in_wal - before <= LEFT_PAGES)
            break;
        before = in_wal;
    }
    return wal_restart(j, in_wal < TRUNCATE_PAGES ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_TRUNCATE);
}

/* Without the second sync a power cut could bring back the WAL with holes, of which SQLite would take what stands
 * before the first for the truth. */
static weft_status sync_repair(weft__journal *j)
{
    (void)pthread_mutex_lock(&j->checkpoint_lock);
    weft_status st = weft__journal_status(j->checkpointer, wal_empty(j, SQLITE_CHECKPOINT_TRUNCATE));
    int error = st == WEFT_OK ? j->disk->sync(j->disk->user, j->wal) : 0;
    (void)pthread_mutex_unlock(&j->checkpoint_lock);
    return error == 0 ? st : weft__journal_errno_status(error);
}

void weft__journal_sync_distrust(weft__journal *j)
{
    j->sync_failed = sync_repair(j) != WEFT_OK;
}

/* [sync_lock] */
static weft_status wal_sync(weft__journal *j)
{
    uint64_t commits = atomic_load(&j->commits);
    if (commits == j->synced)
        return WEFT_OK;
    int error = 0;
    if (j->sync_failed) {
        weft_status st = sync_repair(j);
        if (st != WEFT_OK)
            return st;
    } else if ((error = j->disk->sync(j->disk->user, j->wal)) != 0) {
        j->sync_failed = true;
        return weft__journal_errno_status(error);
    }
    j->sync_failed = false;
    j->synced = commits;
    return WEFT_OK;
}

weft_status weft__journal_sync(weft__journal *j)
{
    if (j->path == NULL)
        return WEFT_OK;
    (void)pthread_mutex_lock(&j->sync_lock);
    weft_status st = wal_sync(j);
    (void)pthread_mutex_unlock(&j->sync_lock);
    return st;
}
