/* bridge/journal_disk.h: what the journal asks of a file system beside what SQLite does through its VFS.
 *
 * The system's own is the default; tests bring one in memory that loses power. Both halves of a disk, these functions
 * and the VFS it names, see the same files.
 *
 * Functions that return int give 0 or an errno value. Paths are those that `resolve` gave, and names beside them.
 * Threads: any. */
#ifndef WEFT_BRIDGE_JOURNAL_DISK_H
#define WEFT_BRIDGE_JOURNAL_DISK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct weft__disk {
    const char *vfs; /* SQLite's name for it; NULL: SQLite's own */
    void *user;      /* first argument of all below */

    /* Makes one directory, 0700. */
    int (*directory_make)(void *user, const char *path);
    /* Makes names in a directory durable. */
    int (*directory_sync)(void *user, const char *path);
    /* The canonical name of a file that need not exist yet. Ownership: *ret is malloc'ed. */
    int (*resolve)(void *user, const char *path, char **ret);

    /* Creates the file if missing and gives it 0600. ENOTSUP: it is there and no regular file. */
    int (*create)(void *user, const char *path);
    bool (*exists)(void *user, const char *path);
    int (*remove)(void *user, const char *path);
    int (*rename)(void *user, const char *from, const char *to);

    /* Makes a file that takes up so many bytes, or makes it larger; on failure it is removed. ENOTSUP, or NULL: the
     * disk cannot. */
    int (*allocate)(void *user, const char *path, uint64_t bytes);
    /* All the bytes, free or not, of the file system that holds the path; 0: not known. May be NULL. */
    uint64_t (*capacity)(void *user, const char *path);

    /* Takes a lock that ends with the process, and that one process has only once. EWOULDBLOCK: taken. */
    int (*lock)(void *user, const char *path, int *ret_lock);
    void (*unlock)(void *user, int lock);

    /* A handle to sync a file's content with. */
    int (*open)(void *user, const char *path, int *ret_file);
    int (*sync)(void *user, int file);
    void (*close)(void *user, int file);
} weft__disk;

const weft__disk *weft__disk_system(void);

#endif
