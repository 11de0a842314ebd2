/* tests/support/disk/sim_disk_private.h: what the parts of the simulated disk share. Everything is [disk->mutex].
 *
 *   sim_disk.c       life, names, faults
 *   sim_disk_file.c  a file's content, and what of it survives a power cut
 *   sim_disk_vfs.c   SQLite's view
 *   sim_disk_ops.c   the journal's view */
#ifndef WEFT_TESTS_SIM_DISK_PRIVATE_H
#define WEFT_TESTS_SIM_DISK_PRIVATE_H

#include "support/disk/sim_disk.h"

#include <pthread.h>
#include <sqlite3.h>

enum { SIM_SECTOR = 512, SIM_PAGE = 4096, SIM_LOCKS_MAX = 8, SIM_OPEN_MAX = 32 };

/* One write that is not synced, within one page, or one cut of the file's end. */
typedef struct sim_change {
    bool cut;
    bool doomed;    /* a sync failed with it */
    uint64_t group; /* the same for all parts of one write */
    size_t at;
    size_t length;
    uint8_t *before; /* what stood in [at, at + length) */
    uint8_t *after;  /* while a power cut runs */
} sim_change;

typedef struct sim_file {
    unsigned refs;
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    size_t synced_size;
    sim_change *changes;
    size_t change_count;
    size_t change_capacity;
    struct sim_handle *handles; /* SQLite's, of this life */
    struct sim_shm *shm;        /* of this life */
} sim_file;

/* A name, or an operation on names. */
typedef struct sim_name {
    char *name;
    char *to;       /* of a renaming */
    sim_file *file; /* NULL in an operation: removing, or renaming */
} sim_name;

typedef struct sim_names {
    sim_name *items;
    size_t count;
    size_t capacity;
} sim_names;

typedef struct sim_open {
    sim_file *file; /* NULL: free */
    uint64_t life;
} sim_open;

struct sim_disk {
    pthread_mutex_t mutex;
    weft__disk ops;
    sqlite3_vfs vfs;
    char vfs_name[32];
    uint64_t random;
    uint64_t life;
    uint64_t groups; /* writes so far */
    sim_names names;
    sim_names synced_names;
    sim_names name_changes; /* since */
    char *locks[SIM_LOCKS_MAX];
    sim_open open[SIM_OPEN_MAX];
    sim_disk_fault fault;
    uint64_t counts[4]; /* by bit of sim_disk_op */
    uint64_t capacity;
    bool read_only;
    bool allocates;
    int last_error;
};

uint64_t sim__random(sim_disk *d, uint64_t below);

/* Counts an operation of a life; 0, or why it fails. */
int sim__begin(sim_disk *d, uint64_t life, sim_disk_op op);

/* ---- names ---- */

sim_file *sim__file_find(sim_disk *d, const char *name);
/* Returns 0 or an errno value, with a file that is there. */
int sim__file_create(sim_disk *d, uint64_t life, const char *name, sim_file **ret);
int sim__file_remove(sim_disk *d, uint64_t life, const char *name);
int sim__file_rename(sim_disk *d, uint64_t life, const char *from, const char *to);
int sim__names_sync(sim_disk *d, uint64_t life);

/* ---- content ---- */

sim_file *sim__file_new(void);
sim_file *sim__file_ref(sim_file *f);
void sim__file_unref(sim_file *f);
/* Returns how much of it there was. */
size_t sim__file_read(const sim_file *f, size_t at, void *bytes, size_t length);
int sim__file_write(sim_disk *d, uint64_t life, sim_file *f, size_t at, const void *bytes, size_t length);
int sim__file_cut(sim_disk *d, uint64_t life, sim_file *f, size_t size);
/* What has been written is on the platter, but for what a failed sync has dropped. */
void sim__file_settle(sim_file *f);
int sim__file_sync(sim_disk *d, uint64_t life, sim_file *f);
void sim__file_power_cut(sim_disk *d, sim_file *f);

/* ---- views ---- */

void sim__vfs_init(sim_disk *d);
/* Handles and shared memory of the old life belong to the file no more. */
void sim__handles_disown(sim_file *f);
void sim__ops_init(sim_disk *d);

#endif
