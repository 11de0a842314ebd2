/* nodes/secret_file.h: files that hold a password or a key, and so are nobody else's business. */
#ifndef WEFT_NODES_SECRET_FILE_H
#define WEFT_NODES_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a file can be read by us, and not by everybody: others may do nothing with it, the group may not write it.
 * Pipes and sockets pass. error gets what is wrong and what to do, naming the file. */
bool secret_file_check(const char *path, char *error, size_t error_bytes);

/* Checks, then reads the first line, without its end; it may have room - 1 bytes and must not be empty. */
bool secret_file_read(const char *path, char *out, size_t room, char *error, size_t error_bytes);

#endif
