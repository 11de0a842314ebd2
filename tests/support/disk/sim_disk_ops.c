/* tests/support/disk/sim_disk_ops.c: the simulated disk as the journal uses it. */
#include "support/disk/sim_disk_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static sim_disk *disk_lock(void *user)
{
    sim_disk *d = user;
    pthread_mutex_lock(&d->mutex);
    return d;
}

static int disk_unlock(sim_disk *d, int error)
{
    pthread_mutex_unlock(&d->mutex);
    return error;
}

static int ops_directory_make(void *user, const char *path)
{
    (void)user;
    (void)path;
    return EEXIST;
}

static int ops_directory_sync(void *user, const char *path)
{
    (void)path;
    sim_disk *d = disk_lock(user);
    return disk_unlock(d, sim__names_sync(d, d->life));
}

static int ops_resolve(void *user, const char *path, char **ret)
{
    (void)user;
    *ret = strdup(path);
    return *ret != NULL ? 0 : ENOMEM;
}

static int ops_create(void *user, const char *path)
{
    sim_file *file;
    sim_disk *d = disk_lock(user);
    return disk_unlock(d, sim__file_create(d, d->life, path, &file));
}

static bool ops_exists(void *user, const char *path)
{
    sim_disk *d = disk_lock(user);
    return disk_unlock(d, sim__file_find(d, path) != NULL) != 0;
}

static int ops_remove(void *user, const char *path)
{
    sim_disk *d = disk_lock(user);
    return disk_unlock(d, sim__file_remove(d, d->life, path));
}

static int allocate_locked(sim_disk *d, const char *path, uint64_t bytes)
{
    sim_file *file;
    if (!d->allocates)
        return ENOTSUP;
    int error = sim__file_create(d, d->life, path, &file);
    if (error != 0 || file->size >= bytes)
        return error;
    uint8_t *nothing = calloc(1, bytes - file->size);
    error =
        nothing == NULL ? ENOMEM : sim__file_write(d, d->life, file, file->size, nothing, (size_t)bytes - file->size);
    free(nothing);
    if (error != 0)
        (void)sim__file_remove(d, d->life, path);
    return error;
}

static int ops_allocate(void *user, const char *path, uint64_t bytes)
{
    sim_disk *d = disk_lock(user);
    return disk_unlock(d, allocate_locked(d, path, bytes));
}

static int ops_rename(void *user, const char *from, const char *to)
{
    sim_disk *d = disk_lock(user);
    return disk_unlock(d, sim__file_rename(d, d->life, from, to));
}

/* A lock names its life, so that one of an earlier life frees nothing. */
static int lock_locked(sim_disk *d, const char *path, int *ret_lock)
{
    int free_slot = -1;
    for (int i = 0; i < SIM_LOCKS_MAX; i++) {
        if (d->locks[i] != NULL && strcmp(d->locks[i], path) == 0)
            return EWOULDBLOCK;
        if (d->locks[i] == NULL)
            free_slot = i;
    }
    if (free_slot < 0)
        return ENOLCK;
    d->locks[free_slot] = strdup(path);
    *ret_lock = (int)(d->life % 1000000) * SIM_LOCKS_MAX + free_slot;
    return 0;
}

static int ops_lock(void *user, const char *path, int *ret_lock)
{
    sim_disk *d = disk_lock(user);
    return disk_unlock(d, lock_locked(d, path, ret_lock));
}

static void ops_unlock(void *user, int lock)
{
    sim_disk *d = disk_lock(user);
    if (lock / SIM_LOCKS_MAX == (int)(d->life % 1000000)) {
        free(d->locks[lock % SIM_LOCKS_MAX]);
        d->locks[lock % SIM_LOCKS_MAX] = NULL;
    }
    (void)disk_unlock(d, 0);
}

static int open_locked(sim_disk *d, const char *path, int *ret_file)
{
    sim_file *file = sim__file_find(d, path);
    if (file == NULL)
        return ENOENT;
    for (int i = 0; i < SIM_OPEN_MAX; i++)
        if (d->open[i].file == NULL) {
            d->open[i] = (sim_open){sim__file_ref(file), d->life};
            *ret_file = i;
            return 0;
        }
    return EMFILE;
}

static int ops_open(void *user, const char *path, int *ret_file)
{
    sim_disk *d = disk_lock(user);
    return disk_unlock(d, open_locked(d, path, ret_file));
}

static int ops_sync(void *user, int file)
{
    sim_disk *d = disk_lock(user);
    return disk_unlock(d, sim__file_sync(d, d->open[file].life, d->open[file].file));
}

static void ops_close(void *user, int file)
{
    sim_disk *d = disk_lock(user);
    sim__file_unref(d->open[file].file);
    d->open[file] = (sim_open){0};
    (void)disk_unlock(d, 0);
}

void sim__ops_init(sim_disk *d)
{
    d->ops = (weft__disk){.vfs = d->vfs_name,
                          .user = d,
                          .directory_make = ops_directory_make,
                          .directory_sync = ops_directory_sync,
                          .resolve = ops_resolve,
                          .create = ops_create,
                          .exists = ops_exists,
                          .remove = ops_remove,
                          .rename = ops_rename,
                          .allocate = ops_allocate,
                          .lock = ops_lock,
                          .unlock = ops_unlock,
                          .open = ops_open,
                          .sync = ops_sync,
                          .close = ops_close};
}
