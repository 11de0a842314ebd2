/* tests/support/disk/sim_disk.h: a disk in memory that breaks on demand, for the journal and SQLite at once.
 *
 * It keeps what has been written and what has been synced apart. A kill ends the process: what was written stays. A
 * power cut keeps what was synced; of the other writes some stay, whole, in part (torn where sectors of 512 bytes meet)
 * or not at all, drawn from the seed, and of the other names (created, removed, renamed) the first few.
 * A sync that fails leaves its writes unsynced for good: a later one that succeeds covers only pages written since, or
 * written again.
 *
 * After either end all that was open fails every operation and changes nothing, so that whoever held it can be
 * destroyed in peace. Directories exist by themselves.
 *
 * Threads: any. */
#ifndef WEFT_TESTS_SIM_DISK_H
#define WEFT_TESTS_SIM_DISK_H

#include "bridge/journal_disk.h"

#include <stddef.h>
#include <stdint.h>

typedef struct sim_disk sim_disk;

sim_disk *sim_disk_create(uint64_t seed);
/* All that was open on it must be closed before. */
void sim_disk_destroy(sim_disk *d);

/* For weft__journal_opts; its vfs is the name to open databases with. Lives as long as the disk. */
const weft__disk *sim_disk_ops(const sim_disk *d);

typedef enum sim_disk_end { SIM_DISK_KILL, SIM_DISK_POWER_CUT } sim_disk_end;
void sim_disk_crash(sim_disk *d, sim_disk_end how);

/* ---- faults ---- */

/* What changes a disk; a mask. */
typedef enum sim_disk_op {
    SIM_DISK_WRITE = 1, /* truncating, too */
    SIM_DISK_SYNC = 2,
    SIM_DISK_NAME = 4, /* creating, removing, renaming */
    SIM_DISK_CHANGE = 7,
    SIM_DISK_READ = 8,
} sim_disk_op;

typedef struct sim_disk_fault {
    unsigned ops;
    uint64_t skip;  /* this many such operations succeed before */
    uint64_t count; /* this many fail; UINT64_MAX: all from there on */
    int error;      /* errno */
} sim_disk_fault;

/* Replaces the fault before; NULL: none. */
void sim_disk_fail(sim_disk *d, const sim_disk_fault *fault);
/* How many such operations there have been, failed ones included. */
uint64_t sim_disk_count(sim_disk *d, unsigned ops);

/* Writes that would make the files larger than this in all fail with ENOSPC; 0: no bound. */
void sim_disk_set_capacity(sim_disk *d, uint64_t bytes);
/* Whether it can allocate a file beforehand (it can not at first: that costs memory). */
void sim_disk_set_allocates(sim_disk *d, bool allocates);
/* Changes fail with EROFS. As with a remount, what was written before is synced. */
void sim_disk_set_read_only(sim_disk *d, bool read_only);
/* Changes a bit, drawn from the seed, of the file at path + suffix. Returns false if there is none, or it is empty. */
bool sim_disk_flip(sim_disk *d, const char *path, const char *suffix);

/* ---- what it sees ---- */

uint64_t sim_disk_used(sim_disk *d);
/* -1: no such file. */
int64_t sim_disk_file_size(sim_disk *d, const char *path, const char *suffix);

#endif
