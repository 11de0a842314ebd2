/* bridge/sync_thread.c: the sync agent, which brings to the disk what the journal agent has written, and the checkpoint
 * agent, which moves it into the database: apart, because a flush waits for the one and must not for the other. */
#include "bridge/bridge_private.h"

enum { SYNC_MS = 100 };

/* Syncs when somebody waits for it, else every SYNC_MS while there is something to sync; only at the end if the process
 * alone is guarded against. */
static void journal_sync(weft_bridge *b, int64_t now, bool stopping)
{
    pthread_mutex_lock(&b->mutex);
    bool waited_for = b->flush_waiters > 0;
    uint64_t written = b->written_receipt;
    bool behind = written > b->synced_receipt && (stopping || b->opts.durability != WEFT_DURABLE_PROCESS);
    pthread_mutex_unlock(&b->mutex);
    if (!behind || !(waited_for || stopping || now - b->synced_ms >= SYNC_MS))
        return;
    pthread_rwlock_rdlock(&b->journal_lock);
    weft_status st = b->journal != NULL ? weft__journal_sync(b->journal) : WEFT_IO;
    pthread_rwlock_unlock(&b->journal_lock);
    b->synced_ms = weft__bridge_mono_ms(b);
    if (st == WEFT_OK)
        weft__bridge_step(b, WEFT__STEP_SYNCED);
    pthread_mutex_lock(&b->mutex);
    if (st == WEFT_OK)
        b->synced_receipt = written;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
}

int64_t weft__sync_turn(weft_bridge *b)
{
    pthread_mutex_lock(&b->mutex);
    bool stopping = b->sync_stopping;
    pthread_mutex_unlock(&b->mutex);
    journal_sync(b, weft__bridge_mono_ms(b), stopping);
    return stopping ? -1 : SYNC_MS;
}

int64_t weft__checkpoint_turn(weft_bridge *b)
{
    pthread_mutex_lock(&b->mutex);
    bool stopping = b->sync_stopping;
    pthread_mutex_unlock(&b->mutex);
    if (stopping)
        return -1;
    pthread_rwlock_rdlock(&b->journal_lock);
    if (b->journal != NULL)
        (void)weft__journal_checkpoint(b->journal);
    pthread_rwlock_unlock(&b->journal_lock);
    return SYNC_MS;
}
