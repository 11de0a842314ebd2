/* tests/support/disk/sim_disk_vfs.c: the simulated disk as SQLite uses it: files, locks between connections, and the
 * shared memory of a WAL, which is plain memory here.
 *
 * Locks follow SQLite's own for Unix (os_unix.c): shared, reserved, pending, exclusive; eight shared-memory locks. A
 * handle of an earlier life fails all operations and is seen by nobody. */
#include "support/disk/sim_disk_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHM_REGIONS_MAX = 64 };

typedef struct sim_shm {
    unsigned refs;
    int count;
    void *regions[SHM_REGIONS_MAX];
} sim_shm;

typedef struct sim_handle {
    sqlite3_file base;
    sim_disk *disk;
    sim_file *file;
    struct sim_handle *next; /* of the file */
    uint64_t life;
    char *remove_at_close; /* NULL: not */
    bool sync_names;       /* the next sync makes the name durable, too */
    int level;             /* SQLITE_LOCK_… */
    sim_shm *shm;
    unsigned shm_shared, shm_exclusive; /* a bit a lock */
    int last_error;
} sim_handle;

static sim_handle *handle_enter(sqlite3_file *base)
{
    sim_handle *h = (sim_handle *)(void *)base;
    pthread_mutex_lock(&h->disk->mutex);
    return h;
}

static int handle_leave(sim_handle *h, int rc)
{
    pthread_mutex_unlock(&h->disk->mutex);
    return rc;
}

/* Leaves with an errno value as SQLite's code for the operation. */
static int handle_leave_with(sim_handle *h, int error, int code)
{
    if (error != 0)
        h->last_error = error;
    return handle_leave(h, error == 0 ? SQLITE_OK : error == ENOSPC ? SQLITE_FULL : code);
}

static bool handle_lives(const sim_handle *h)
{
    return h->life == h->disk->life;
}

/* ---- content ---- */

static int file_read(sqlite3_file *base, void *bytes, int length, sqlite3_int64 at)
{
    sim_handle *h = handle_enter(base);
    int error = sim__begin(h->disk, h->life, SIM_DISK_READ);
    if (error != 0)
        return handle_leave_with(h, error, SQLITE_IOERR_READ);
    size_t there = sim__file_read(h->file, (size_t)at, bytes, (size_t)length);
    memset((uint8_t *)bytes + there, 0, (size_t)length - there);
    return handle_leave(h, there == (size_t)length ? SQLITE_OK : SQLITE_IOERR_SHORT_READ);
}

static int file_write(sqlite3_file *base, const void *bytes, int length, sqlite3_int64 at)
{
    sim_handle *h = handle_enter(base);
    int error = sim__file_write(h->disk, h->life, h->file, (size_t)at, bytes, (size_t)length);
    return handle_leave_with(h, error, SQLITE_IOERR_WRITE);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    sim_handle *h = handle_enter(base);
    return handle_leave_with(h, sim__file_cut(h->disk, h->life, h->file, (size_t)size), SQLITE_IOERR_TRUNCATE);
}

static int file_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    sim_handle *h = handle_enter(base);
    int error = sim__file_sync(h->disk, h->life, h->file);
    if (error == 0 && h->sync_names) {
        error = sim__names_sync(h->disk, h->life);
        h->sync_names = error != 0;
    }
    return handle_leave_with(h, error, SQLITE_IOERR_FSYNC);
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret)
{
    sim_handle *h = handle_enter(base);
    *ret = (sqlite3_int64)h->file->size;
    return handle_leave(h, handle_lives(h) ? SQLITE_OK : SQLITE_IOERR_FSTAT);
}

/* ---- locks ---- */

/* The strongest lock of the other handles. */
static int others_level(const sim_handle *h)
{
    int level = SQLITE_LOCK_NONE;
    for (const sim_handle *other = h->file->handles; other != NULL; other = other->next)
        if (other != h && other->level > level)
            level = other->level;
    return level;
}

static int lock_take(sim_handle *h, int level)
{
    int others = others_level(h);
    if (h->level >= level)
        return SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED && others >= SQLITE_LOCK_PENDING)
        return SQLITE_BUSY;
    if (level >= SQLITE_LOCK_RESERVED && others >= SQLITE_LOCK_RESERVED)
        return SQLITE_BUSY;
    if (level == SQLITE_LOCK_EXCLUSIVE && others >= SQLITE_LOCK_SHARED) {
        h->level = SQLITE_LOCK_PENDING;
        return SQLITE_BUSY;
    }
    h->level = level;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
    sim_handle *h = handle_enter(base);
    return handle_leave(h, handle_lives(h) ? lock_take(h, level) : SQLITE_IOERR_LOCK);
}

static int file_unlock(sqlite3_file *base, int level)
{
    sim_handle *h = handle_enter(base);
    if (h->level > level)
        h->level = level;
    return handle_leave(h, SQLITE_OK);
}

static int file_check_reserved(sqlite3_file *base, int *ret)
{
    sim_handle *h = handle_enter(base);
    *ret = h->level >= SQLITE_LOCK_RESERVED || others_level(h) >= SQLITE_LOCK_RESERVED;
    return handle_leave(h, SQLITE_OK);
}

/* ---- shared memory ---- */

static void shm_unref(sim_shm *shm)
{
    if (--shm->refs > 0)
        return;
    for (int i = 0; i < shm->count; i++)
        free(shm->regions[i]);
    free(shm);
}

static int shm_join(sim_handle *h)
{
    if (h->shm != NULL)
        return SQLITE_OK;
    if (!handle_lives(h))
        return SQLITE_IOERR_SHMOPEN;
    if (h->file->shm == NULL && (h->file->shm = calloc(1, sizeof *h->file->shm)) == NULL)
        return SQLITE_NOMEM;
    h->shm = h->file->shm;
    h->shm->refs++;
    return SQLITE_OK;
}

static int shm_region(sim_handle *h, int region, int bytes, bool extend, void volatile **ret)
{
    *ret = NULL;
    int rc = shm_join(h);
    if (rc != SQLITE_OK || region >= SHM_REGIONS_MAX)
        return rc != SQLITE_OK ? rc : SQLITE_FULL;
    while (extend && h->shm->count <= region) {
        void *memory = calloc(1, (size_t)bytes);
        if (memory == NULL)
            return SQLITE_NOMEM;
        h->shm->regions[h->shm->count++] = memory;
    }
    *ret = region < h->shm->count ? h->shm->regions[region] : NULL;
    return SQLITE_OK;
}

static int file_shm_map(sqlite3_file *base, int region, int bytes, int extend, void volatile **ret)
{
    sim_handle *h = handle_enter(base);
    return handle_leave(h, shm_region(h, region, bytes, extend != 0, ret));
}

static int shm_lock(sim_handle *h, unsigned mask, int flags)
{
    if (flags & SQLITE_SHM_UNLOCK) {
        h->shm_shared &= ~mask;
        h->shm_exclusive &= ~mask;
        return SQLITE_OK;
    }
    unsigned shared = 0, exclusive = 0;
    for (const sim_handle *other = h->file->handles; other != NULL; other = other->next)
        if (other != h) {
            shared |= other->shm_shared;
            exclusive |= other->shm_exclusive;
        }
    bool want_exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    if (((want_exclusive ? shared | exclusive : exclusive) & mask) != 0)
        return SQLITE_BUSY;
    *(want_exclusive ? &h->shm_exclusive : &h->shm_shared) |= mask;
    return SQLITE_OK;
}

static int file_shm_lock(sqlite3_file *base, int first, int count, int flags)
{
    sim_handle *h = handle_enter(base);
    unsigned mask = ((1u << count) - 1) << first;
    return handle_leave(h, handle_lives(h) ? shm_lock(h, mask, flags) : SQLITE_IOERR_SHMLOCK);
}

static void file_shm_barrier(sqlite3_file *base)
{
    (void)handle_leave(handle_enter(base), 0);
}

/* The memory goes with the last who used it, as the file goes in os_unix.c. */
static int file_shm_unmap(sqlite3_file *base, int remove)
{
    (void)remove;
    sim_handle *h = handle_enter(base);
    if (h->shm != NULL) {
        if (h->shm->refs == 1 && h->file->shm == h->shm)
            h->file->shm = NULL;
        shm_unref(h->shm);
    }
    h->shm = NULL;
    h->shm_shared = h->shm_exclusive = 0;
    return handle_leave(h, SQLITE_OK);
}

void sim__handles_disown(sim_file *f)
{
    for (sim_handle *h = f->handles; h != NULL; h = h->next) {
        h->level = SQLITE_LOCK_NONE;
        h->shm_shared = h->shm_exclusive = 0;
    }
    f->handles = NULL;
    f->shm = NULL; /* its handles have it still */
}

/* ---- handles ---- */

static int file_close(sqlite3_file *base)
{
    (void)file_shm_unmap(base, 0);
    sim_handle *h = handle_enter(base);
    sim_disk *d = h->disk;
    sim_handle **at = &h->file->handles;
    while (*at != NULL && *at != h)
        at = &(*at)->next;
    if (*at == h)
        *at = h->next;
    if (h->remove_at_close != NULL)
        (void)sim__file_remove(d, h->life, h->remove_at_close);
    free(h->remove_at_close);
    sim__file_unref(h->file);
    pthread_mutex_unlock(&d->mutex);
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *argument)
{
    sim_handle *h = handle_enter(base);
    if (op != SQLITE_FCNTL_LAST_ERRNO)
        return handle_leave(h, SQLITE_NOTFOUND);
    *(int *)argument = h->last_error;
    return handle_leave(h, SQLITE_OK);
}

static int file_sector_size(sqlite3_file *base)
{
    (void)base;
    return SIM_PAGE;
}

static int file_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = file_close,
                                           .xRead = file_read,
                                           .xWrite = file_write,
                                           .xTruncate = file_truncate,
                                           .xSync = file_sync,
                                           .xFileSize = file_size,
                                           .xLock = file_lock,
                                           .xUnlock = file_unlock,
                                           .xCheckReservedLock = file_check_reserved,
                                           .xFileControl = file_control,
                                           .xSectorSize = file_sector_size,
                                           .xDeviceCharacteristics = file_characteristics,
                                           .xShmMap = file_shm_map,
                                           .xShmLock = file_shm_lock,
                                           .xShmBarrier = file_shm_barrier,
                                           .xShmUnmap = file_shm_unmap};

/* ---- the file system ---- */

/* name may be NULL: a file that only its handle knows. */
static int open_locked(sim_disk *d, const char *name, sim_handle *h, int flags, int *ret_flags)
{
    int error = 0;
    if (name == NULL) {
        h->file = sim__file_new();
    } else if ((h->file = sim__file_find(d, name)) != NULL) {
        sim__file_ref(h->file);
    } else if ((flags & SQLITE_OPEN_CREATE) == 0) {
        error = ENOENT;
    } else if ((error = sim__file_create(d, d->life, name, &h->file)) == 0) {
        sim__file_ref(h->file);
        h->sync_names = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    }
    if (error != 0) {
        d->last_error = error;
        return SQLITE_CANTOPEN;
    }
    if (d->read_only && ret_flags != NULL)
        *ret_flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    else if (ret_flags != NULL)
        *ret_flags = flags;
    if ((flags & SQLITE_OPEN_DELETEONCLOSE) && name != NULL)
        h->remove_at_close = strdup(name);
    h->next = h->file->handles;
    h->file->handles = h;
    h->base.pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *ret_flags)
{
    sim_disk *d = vfs->pAppData;
    sim_handle *h = (sim_handle *)(void *)base;
    memset(h, 0, sizeof *h);
    h->disk = d;
    pthread_mutex_lock(&d->mutex);
    h->life = d->life;
    int rc = open_locked(d, name, h, flags, ret_flags);
    pthread_mutex_unlock(&d->mutex);
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_names)
{
    sim_disk *d = vfs->pAppData;
    pthread_mutex_lock(&d->mutex);
    int error = sim__file_remove(d, d->life, name);
    if (error == 0 && sync_names)
        error = sim__names_sync(d, d->life);
    pthread_mutex_unlock(&d->mutex);
    return error == 0 ? SQLITE_OK : error == ENOENT ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    (void)flags;
    sim_disk *d = vfs->pAppData;
    pthread_mutex_lock(&d->mutex);
    *ret = sim__file_find(d, name) != NULL;
    pthread_mutex_unlock(&d->mutex);
    return SQLITE_OK;
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *name, int bytes, char *ret)
{
    (void)vfs;
    return snprintf(ret, (size_t)bytes, "%s", name) < bytes ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_randomness(sqlite3_vfs *vfs, int bytes, char *ret)
{
    sim_disk *d = vfs->pAppData;
    pthread_mutex_lock(&d->mutex);
    for (int i = 0; i < bytes; i++)
        ret[i] = (char)sim__random(d, 256);
    pthread_mutex_unlock(&d->mutex);
    return bytes;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return microseconds;
}

/* Noon of 2026-01-01 as a Julian day, in ms: nothing here depends on it. */
static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
    (void)vfs;
    *ret = INT64_C(2461042) * 86400000;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int bytes, char *text)
{
    (void)bytes;
    (void)text;
    sim_disk *d = vfs->pAppData;
    pthread_mutex_lock(&d->mutex);
    int error = d->last_error;
    pthread_mutex_unlock(&d->mutex);
    return error;
}

void sim__vfs_init(sim_disk *d)
{
    d->vfs = (sqlite3_vfs){.iVersion = 2,
                           .szOsFile = sizeof(sim_handle),
                           .mxPathname = 512,
                           .zName = d->vfs_name,
                           .pAppData = d,
                           .xOpen = vfs_open,
                           .xDelete = vfs_delete,
                           .xAccess = vfs_access,
                           .xFullPathname = vfs_full_pathname,
                           .xRandomness = vfs_randomness,
                           .xSleep = vfs_sleep,
                           .xCurrentTimeInt64 = vfs_time,
                           .xGetLastError = vfs_last_error};
    int rc = sqlite3_vfs_register(&d->vfs, 0);
    assert(rc == SQLITE_OK);
    (void)rc;
}
