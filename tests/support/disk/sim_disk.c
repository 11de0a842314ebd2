/* tests/support/disk/sim_disk.c: the disk's life, its names, and what goes wrong with it. */
#include "support/disk/sim_disk_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* xorshift64* */
uint64_t sim__random(sim_disk *d, uint64_t below)
{
    d->random ^= d->random >> 12;
    d->random ^= d->random << 25;
    d->random ^= d->random >> 27;
    return (d->random * UINT64_C(0x2545F4914F6CDD1D) >> 16) % below;
}

/* ---- operations ---- */

static int fault_of(sim_disk *d, sim_disk_op op)
{
    if ((d->fault.ops & op) == 0 || d->fault.count == 0)
        return 0;
    if (d->fault.skip > 0) {
        d->fault.skip--;
        return 0;
    }
    if (d->fault.count != UINT64_MAX)
        d->fault.count--;
    return d->fault.error;
}

static unsigned op_bit(sim_disk_op op)
{
    return op == SIM_DISK_WRITE ? 0 : op == SIM_DISK_SYNC ? 1 : op == SIM_DISK_NAME ? 2 : 3;
}

int sim__begin(sim_disk *d, uint64_t life, sim_disk_op op)
{
    int error = EIO;
    if (life == d->life) {
        d->counts[op_bit(op)]++;
        error = d->read_only && (op & (SIM_DISK_WRITE | SIM_DISK_NAME)) != 0 ? EROFS : fault_of(d, op);
    }
    if (error != 0)
        d->last_error = error;
    return error;
}

/* ---- lists of names ---- */

static void name_fini(sim_name *n)
{
    free(n->name);
    free(n->to);
    if (n->file != NULL)
        sim__file_unref(n->file);
}

static void names_add(sim_names *names, const char *name, const char *to, sim_file *file)
{
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 8 : 2 * names->capacity;
        names->items = realloc(names->items, names->capacity * sizeof *names->items);
        assert(names->items != NULL);
    }
    names->items[names->count++] = (sim_name){
        .name = strdup(name), .to = to != NULL ? strdup(to) : NULL, .file = file != NULL ? sim__file_ref(file) : NULL};
}

static void names_clear(sim_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        name_fini(&names->items[i]);
    names->count = 0;
}

static void names_fini(sim_names *names)
{
    names_clear(names);
    free(names->items);
}

static void names_copy(sim_names *to, const sim_names *from)
{
    names_clear(to);
    for (size_t i = 0; i < from->count; i++)
        names_add(to, from->items[i].name, NULL, from->items[i].file);
}

static sim_name *names_find(const sim_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i].name, name) == 0)
            return &names->items[i];
    return NULL;
}

static void names_remove(sim_names *names, const char *name)
{
    sim_name *n = names_find(names, name);
    if (n == NULL)
        return;
    name_fini(n);
    *n = names->items[--names->count];
}

/* Does what an entry of name_changes says. */
static void names_apply(sim_names *names, const sim_name *change)
{
    if (change->file != NULL) {
        names_remove(names, change->name);
        names_add(names, change->name, NULL, change->file);
    } else if (change->to != NULL) {
        sim_name *n = names_find(names, change->name);
        sim_file *file = n != NULL ? sim__file_ref(n->file) : NULL;
        names_remove(names, change->name);
        names_remove(names, change->to);
        if (file != NULL) {
            names_add(names, change->to, NULL, file);
            sim__file_unref(file);
        }
    } else {
        names_remove(names, change->name);
    }
}

static void name_change(sim_disk *d, const char *name, const char *to, sim_file *file)
{
    names_add(&d->name_changes, name, to, file);
    names_apply(&d->names, &d->name_changes.items[d->name_changes.count - 1]);
}

/* ---- names ---- */

sim_file *sim__file_find(sim_disk *d, const char *name)
{
    const sim_name *n = names_find(&d->names, name);
    return n != NULL ? n->file : NULL;
}

int sim__file_create(sim_disk *d, uint64_t life, const char *name, sim_file **ret)
{
    *ret = sim__file_find(d, name);
    if (*ret != NULL)
        return life == d->life ? 0 : EIO;
    int error = sim__begin(d, life, SIM_DISK_NAME);
    if (error != 0)
        return error;
    *ret = sim__file_new();
    name_change(d, name, NULL, *ret);
    sim__file_unref(*ret);
    return 0;
}

int sim__file_remove(sim_disk *d, uint64_t life, const char *name)
{
    if (life == d->life && sim__file_find(d, name) == NULL)
        return ENOENT;
    int error = sim__begin(d, life, SIM_DISK_NAME);
    if (error == 0)
        name_change(d, name, NULL, NULL);
    return error;
}

int sim__file_rename(sim_disk *d, uint64_t life, const char *from, const char *to)
{
    if (life == d->life && sim__file_find(d, from) == NULL)
        return ENOENT;
    int error = sim__begin(d, life, SIM_DISK_NAME);
    if (error == 0)
        name_change(d, from, to, NULL);
    return error;
}

int sim__names_sync(sim_disk *d, uint64_t life)
{
    int error = sim__begin(d, life, SIM_DISK_SYNC);
    if (error != 0)
        return error;
    names_clear(&d->name_changes);
    names_copy(&d->synced_names, &d->names);
    return 0;
}

/* ---- life ---- */

sim_disk *sim_disk_create(uint64_t seed)
{
    static pthread_mutex_t counter_lock = PTHREAD_MUTEX_INITIALIZER;
    static unsigned counter;
    sim_disk *d = calloc(1, sizeof *d);
    assert(d != NULL);
    pthread_mutex_init(&d->mutex, NULL);
    d->random = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    d->life = 1;
    pthread_mutex_lock(&counter_lock);
    (void)snprintf(d->vfs_name, sizeof d->vfs_name, "sim-disk-%u", ++counter);
    pthread_mutex_unlock(&counter_lock);
    sim__vfs_init(d);
    sim__ops_init(d);
    return d;
}

static void locks_forget(sim_disk *d)
{
    for (int i = 0; i < SIM_LOCKS_MAX; i++) {
        free(d->locks[i]);
        d->locks[i] = NULL;
    }
}

void sim_disk_destroy(sim_disk *d)
{
    if (d == NULL)
        return;
    (void)sqlite3_vfs_unregister(&d->vfs);
    for (int i = 0; i < SIM_OPEN_MAX; i++)
        assert(d->open[i].file == NULL);
    names_fini(&d->names);
    names_fini(&d->synced_names);
    names_fini(&d->name_changes);
    locks_forget(d);
    pthread_mutex_destroy(&d->mutex);
    free(d);
}

const weft__disk *sim_disk_ops(const sim_disk *d)
{
    return &d->ops;
}

static void power_cut(sim_disk *d)
{
    size_t kept = (size_t)sim__random(d, d->name_changes.count + 1);
    for (size_t i = 0; i < kept; i++)
        names_apply(&d->synced_names, &d->name_changes.items[i]);
    names_copy(&d->names, &d->synced_names);
    for (size_t i = 0; i < d->names.count; i++)
        sim__file_power_cut(d, d->names.items[i].file);
}

void sim_disk_crash(sim_disk *d, sim_disk_end how)
{
    pthread_mutex_lock(&d->mutex);
    d->life++;
    locks_forget(d);
    for (size_t i = 0; i < d->names.count; i++)
        sim__handles_disown(d->names.items[i].file);
    for (size_t i = 0; i < d->synced_names.count; i++)
        sim__handles_disown(d->synced_names.items[i].file);
    for (size_t i = 0; i < d->name_changes.count; i++)
        if (d->name_changes.items[i].file != NULL)
            sim__handles_disown(d->name_changes.items[i].file);
    if (how == SIM_DISK_POWER_CUT) {
        power_cut(d);
        names_clear(&d->name_changes);
    }
    pthread_mutex_unlock(&d->mutex);
}

/* ---- faults ---- */

void sim_disk_fail(sim_disk *d, const sim_disk_fault *fault)
{
    pthread_mutex_lock(&d->mutex);
    d->fault = fault != NULL ? *fault : (sim_disk_fault){0};
    pthread_mutex_unlock(&d->mutex);
}

uint64_t sim_disk_count(sim_disk *d, unsigned ops)
{
    uint64_t count = 0;
    pthread_mutex_lock(&d->mutex);
    for (unsigned bit = 0; bit < 4; bit++)
        if (ops & 1u << bit)
            count += d->counts[bit];
    pthread_mutex_unlock(&d->mutex);
    return count;
}

void sim_disk_set_capacity(sim_disk *d, uint64_t bytes)
{
    pthread_mutex_lock(&d->mutex);
    d->capacity = bytes;
    pthread_mutex_unlock(&d->mutex);
}

void sim_disk_set_allocates(sim_disk *d, bool allocates)
{
    pthread_mutex_lock(&d->mutex);
    d->allocates = allocates;
    pthread_mutex_unlock(&d->mutex);
}

static void all_sync(sim_disk *d)
{
    for (size_t i = 0; i < d->names.count; i++)
        sim__file_settle(d->names.items[i].file);
    names_clear(&d->name_changes);
    names_copy(&d->synced_names, &d->names);
}

void sim_disk_set_read_only(sim_disk *d, bool read_only)
{
    pthread_mutex_lock(&d->mutex);
    if (read_only)
        all_sync(d);
    d->read_only = read_only;
    pthread_mutex_unlock(&d->mutex);
}

static sim_file *file_beside_locked(sim_disk *d, const char *path, const char *suffix)
{
    char name[512];
    (void)snprintf(name, sizeof name, "%s%s", path, suffix);
    return sim__file_find(d, name);
}

bool sim_disk_flip(sim_disk *d, const char *path, const char *suffix)
{
    pthread_mutex_lock(&d->mutex);
    sim_file *f = file_beside_locked(d, path, suffix);
    bool any = f != NULL && f->size > 0;
    if (any) {
        size_t at = (size_t)sim__random(d, f->size);
        f->bytes[at] = (uint8_t)(f->bytes[at] ^ 1u << sim__random(d, 8));
    }
    pthread_mutex_unlock(&d->mutex);
    return any;
}

/* ---- what it sees ---- */

uint64_t sim_disk_used(sim_disk *d)
{
    uint64_t used = 0;
    pthread_mutex_lock(&d->mutex);
    for (size_t i = 0; i < d->names.count; i++)
        used += d->names.items[i].file->size;
    pthread_mutex_unlock(&d->mutex);
    return used;
}

int64_t sim_disk_file_size(sim_disk *d, const char *path, const char *suffix)
{
    pthread_mutex_lock(&d->mutex);
    const sim_file *f = file_beside_locked(d, path, suffix);
    int64_t size = f != NULL ? (int64_t)f->size : -1;
    pthread_mutex_unlock(&d->mutex);
    return size;
}
