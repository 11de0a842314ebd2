/* What the journal syncs and checkpoints, beside appends and on disks that refuse. */
#include "bridge/journal_db.h"
#include "bridge/journal_rig.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

/* Stands before the C library's, for the journal alone: SQLite's own syncs go the same way, and count as well. */
static atomic_bool sync_fails;
static atomic_int syncs;
static void (*during_sync)(void); /* called once, by the next sync */
static weft__journal *watched;    /* NULL: none */
static int syncs_awaited;         /* of the watched journal, with its appends held off */
int fdatasync(int fd);

int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    void (*call)(void) = during_sync;
    if (call != NULL) {
        during_sync = NULL;
        call();
    }
    if (watched != NULL && pthread_mutex_trylock(&watched->write_lock) != 0)
        syncs_awaited++;
    else if (watched != NULL)
        (void)pthread_mutex_unlock(&watched->write_lock);
    if (atomic_load(&sync_fails)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static void syncs_only_what_is_new(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 3);
    int before = atomic_load(&syncs);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(atomic_load(&syncs), before + 1);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 0, NULL, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(atomic_load(&syncs), before + 1);
    append_range(&r, WEFT_TOPIC_COST, 4, 5);
    CU_ASSERT_EQUAL(atomic_load(&syncs), before + 1); /* an append waits for no disk */
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(atomic_load(&syncs), before + 2);
    rig_fini(&r);
}

static void a_failed_sync_is_not_forgotten(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 10);
    atomic_store(&sync_fails, true);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_IO);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_IO);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 11), WEFT_OK);
    atomic_store(&sync_fails, false);
    CU_ASSERT(rig_size(&r, "-wal") > 0);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(rig_size(&r, "-wal"), 0); /* not trusted any more: all is in the database */
    append_range(&r, WEFT_TOPIC_COST, 12, 15);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(pending(&r)->count, 15);
    rig_fini(&r);
}

static size_t pending_count(rig *r)
{
    weft__journal_stats stats;
    weft__journal_get_stats(r->journal, &stats);
    return stats.pending_rows;
}

static void append_huge(rig *r, uint64_t *seq, uint64_t count)
{
    for (uint64_t end = *seq + count; *seq < end; (*seq)++) {
        weft__journal_row row = row_of(WEFT_TOPIC_COST, *seq);
        row.bytes = message(*seq, RIG_BYTES_MAX);
        row.length = RIG_BYTES_MAX;
        CU_ASSERT_EQUAL_FATAL(weft__journal_append(r->journal, &row, 1, NULL, 0), WEFT_OK);
    }
}

static void a_checkpoint_waits_for_the_wal_to_grow(void)
{
    rig r;
    uint64_t seq = 1;
    rig_init(&r);
    append_huge(&r, &seq, 10);
    off_t before = rig_size(&r, "");
    CU_ASSERT_EQUAL(weft__journal_checkpoint(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(rig_size(&r, ""), before); /* too little to bother */
    append_huge(&r, &seq, 300);
    CU_ASSERT_EQUAL(weft__journal_checkpoint(r.journal), WEFT_OK);
    CU_ASSERT(rig_size(&r, "") > 300 * RIG_BYTES_MAX);
    off_t wal = rig_size(&r, "-wal");
    append_huge(&r, &seq, 200);
    CU_ASSERT_EQUAL(rig_size(&r, "-wal"), wal); /* written from the beginning again */
    rig_fini(&r);
}

static rig *busy_rig;
static uint64_t busy_seq;

static void busy_append(void)
{
    append_huge(busy_rig, &busy_seq, 1);
}

/* An append comes while a checkpoint runs, as always under load: then the checkpoint never moves everything. */
static void a_busy_journal_does_not_let_its_wal_grow(void)
{
    rig r;
    rig_init(&r);
    busy_rig = &r;
    busy_seq = 1;
    append_huge(&r, &busy_seq, 1100);
    off_t wal = rig_size(&r, "-wal");
    CU_ASSERT(wal > 64 * 1024 * 1024);
    during_sync = busy_append;
    CU_ASSERT_EQUAL(weft__journal_checkpoint(r.journal), WEFT_OK);
    CU_ASSERT_PTR_NULL(during_sync); /* it came */
    wal = rig_size(&r, "-wal");
    append_huge(&r, &busy_seq, 100);
    CU_ASSERT_EQUAL(rig_size(&r, "-wal"), wal);
    CU_ASSERT_EQUAL(pending_count(&r), busy_seq - 1);
    rig_fini(&r);
}

/* What comes while a checkpoint syncs is synced in a round of its own, not while appends wait. */
static void appends_do_not_wait_for_a_checkpoints_syncs(void)
{
    rig r;
    rig_init(&r);
    busy_rig = &r;
    busy_seq = 1;
    append_huge(&r, &busy_seq, 1100);
    during_sync = busy_append;
    watched = r.journal;
    syncs_awaited = 0;
    CU_ASSERT_EQUAL(weft__journal_checkpoint(r.journal), WEFT_OK);
    watched = NULL;
    CU_ASSERT_PTR_NULL(during_sync);
    CU_ASSERT_EQUAL(syncs_awaited, 0);
    rig_fini(&r);
}

static atomic_bool appends_done;
static atomic_int background_failures;

static void *sync_run(void *journal)
{
    while (!atomic_load(&appends_done))
        if (weft__journal_sync(journal) != WEFT_OK)
            atomic_fetch_add(&background_failures, 1);
    return NULL;
}

static void *checkpoint_run(void *journal)
{
    while (!atomic_load(&appends_done)) {
        if (weft__journal_checkpoint(journal) != WEFT_OK)
            atomic_fetch_add(&background_failures, 1);
        (void)poll(NULL, 0, 1);
    }
    return NULL;
}

static void sync_and_checkpoint_run_beside_appends(void)
{
    rig r;
    uint64_t seq = 1;
    pthread_t threads[2];
    rig_init(&r);
    atomic_store(&appends_done, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[0], NULL, sync_run, r.journal), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[1], NULL, checkpoint_run, r.journal), 0);
    for (int i = 0; i < 40; i++) {
        append_huge(&r, &seq, 50);
        CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, seq - 20), WEFT_OK);
        CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 0, NULL, NULL), WEFT_OK);
        CU_ASSERT_EQUAL(pending(&r)->count, 19);
    }
    atomic_store(&appends_done, true);
    (void)pthread_join(threads[0], NULL);
    (void)pthread_join(threads[1], NULL);
    CU_ASSERT_EQUAL(atomic_load(&background_failures), 0);
    CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    weft__journal_stats stats;
    weft__journal_get_stats(r.journal, &stats);
    CU_ASSERT_EQUAL(stats.rows, 2000);
    CU_ASSERT_EQUAL(stats.pending_rows, 19);
    rig_fini(&r);
}

SUITE(bridge_journal_sync, CASE(syncs_only_what_is_new), CASE(a_failed_sync_is_not_forgotten),
      CASE(a_checkpoint_waits_for_the_wal_to_grow), CASE(a_busy_journal_does_not_let_its_wal_grow),
      CASE(appends_do_not_wait_for_a_checkpoints_syncs), CASE(sync_and_checkpoint_run_beside_appends))
