/* nodes/acl.h: who may do what at a Mosquitto broker, as the files that it reads. */
#ifndef WEFT_NODES_ACL_H
#define WEFT_NODES_ACL_H

#include "weft/access.h"
#include "weft/wire.h"

#include <stddef.h>
#include <stdio.h>

typedef struct acl_user {
    char name[WEFT_NAME_MAX_BYTES + 1];
    weft_role role;
} acl_user;

typedef struct acl {
    acl_user *users; /* in the order added */
    size_t count;
} acl;

void acl_fini(acl *a);

/* Adds "NAME", a node, or "ROLE=NAME". Returns whether it did; error gets what is wrong with the word. */
bool acl_add(acl *a, const char *word, char *error, size_t error_bytes);
/* Adds what stands in a file: words as above, apart by blanks; # begins a comment. error names file and line. */
bool acl_add_file(acl *a, const char *path, char *error, size_t error_bytes);

/* The access rules of a fabric. any_node: whoever else can log in may what a node may, under its own name. */
void acl_write(const acl *a, const char *fabric, bool any_node, FILE *out);
/* Commands for a shell that ask for each user's password and keep it in a file. */
void acl_write_passwords(const acl *a, const char *path, FILE *out);
/* The broker's configuration; dir holds acl, passwd, ca.crt, broker.crt and broker.key. */
void acl_write_configuration(const char *dir, FILE *out);

#endif
