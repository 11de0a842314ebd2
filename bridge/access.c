/* bridge/access.c: one table: which roles may write or read which part of the tree. */
#include "weft/access.h"

#include "bridge/topic_map.h"

enum {
    NODE = 1 << WEFT_ROLE_NODE,
    LISTENER = 1 << WEFT_ROLE_LISTENER,
    RECORDER = 1 << WEFT_ROLE_RECORDER,
    PUBLISHER = 1 << WEFT_ROLE_PUBLISHER,
    TAP = 1 << WEFT_ROLE_TAP,
    ASKING = NODE | LISTENER | RECORDER,    /* for replays and accounts */
    ANSWERING = NODE | RECORDER | PUBLISHER /* to any command that comes */
};

static const char self[] = "self"; /* stands for the user's name */

typedef struct right_row {
    unsigned roles;
    bool write;
    weft__tree tree;
    const char *to;
    const char *word;
    const char *sender;
} right_row;

static const right_row rows[] = {
    {NODE | PUBLISHER, true, WEFT__TREE_EVT, NULL, NULL, self},
    {NODE | PUBLISHER, true, WEFT__TREE_JSON, NULL, NULL, self},
    {NODE | RECORDER, true, WEFT__TREE_LIVE, NULL, NULL, self},
    {NODE | RECORDER, true, WEFT__TREE_STATE, NULL, NULL, self},
    {NODE | RECORDER, true, WEFT__TREE_BEAT, NULL, NULL, self},
    {ASKING, true, WEFT__TREE_CMD, NULL, "replay", self},
    {ASKING, true, WEFT__TREE_CMD, NULL, "account", self},
    {ASKING | PUBLISHER, true, WEFT__TREE_REPLY, NULL, NULL, self},
    {NODE, true, WEFT__TREE_RPC, NULL, NULL, self},
    {ASKING, false, WEFT__TREE_EVT, NULL, NULL, NULL},
    {TAP, false, WEFT__TREE_JSON, NULL, NULL, NULL},
    {ASKING | PUBLISHER | TAP, false, WEFT__TREE_LIVE, NULL, NULL, NULL},
    {ASKING | PUBLISHER | TAP, false, WEFT__TREE_BEAT, NULL, NULL, NULL},
    {ASKING | TAP, false, WEFT__TREE_STATE, NULL, NULL, NULL},
    {ANSWERING, false, WEFT__TREE_CMD, self, NULL, NULL},
    {ANSWERING, false, WEFT__TREE_CMD, "-", NULL, NULL},
    {LISTENER, false, WEFT__TREE_CMD, self, "account", NULL},
    {LISTENER, false, WEFT__TREE_CMD, "-", "account", NULL},
    {ASKING | PUBLISHER, false, WEFT__TREE_REPLY, self, NULL, NULL},
    {NODE, false, WEFT__TREE_RPC, NULL, NULL, NULL},
};

static const char *const names[] = {
#define X(name, text, meaning) #text,
    WEFT_ROLE_MAP(X)
#undef X
};

const char *weft_role_name(weft_role role)
{
    return (unsigned)role < WEFT_ROLE_COUNT ? names[role] : "unknown";
}

weft_status weft_role_from_name(const char *name, weft_role *ret)
{
    for (unsigned i = 0; i < WEFT_ROLE_COUNT; i++)
        if (strcmp(names[i], name) == 0) {
            *ret = (weft_role)i;
            return WEFT_OK;
        }
    return WEFT_NOT_FOUND;
}

static const char *level_of(const char *level, const char *name)
{
    return level == self ? name : level;
}

weft_status weft_role_rights(weft_role role, const char *fabric, const char *name,
                             void (*each)(void *user, const weft_right *right), void *user)
{
    char filter[WEFT__TOPIC_MAX_BYTES];
    if ((unsigned)role >= WEFT_ROLE_COUNT || !weft_name_valid(fabric) || (name != NULL && !weft_name_valid(name)))
        return WEFT_INVALID;
    name = name != NULL ? name : "%u";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const right_row *row = &rows[i];
        if ((row->roles & 1u << (unsigned)role) == 0)
            continue;
        weft_status st = weft__topic_filter(filter, fabric, row->tree, level_of(row->to, name), row->word,
                                            level_of(row->sender, name));
        if (st != WEFT_OK)
            return st;
        each(user, &(weft_right){.write = row->write, .filter = filter});
    }
    return WEFT_OK;
}
