/* bridge/topic_map.c: the tree of topics, written and taken apart. One row a tree says which levels follow its name. */
#include "bridge/topic_map.h"

#include <stdio.h>
#include <string.h>

enum { LEVELS_MAX = 5 };

typedef enum topic_level {
    LEVEL_NONE,
    LEVEL_SENDER,
    LEVEL_TO,
    LEVEL_WORD,
    LEVEL_TOPIC,
    LEVEL_TYPE,
    LEVEL_SESSION,
} topic_level;

typedef struct tree_row {
    const char *name;
    topic_level levels[LEVELS_MAX]; /* ends with LEVEL_NONE */
} tree_row;

static const tree_row trees[] = {
    [WEFT__TREE_EVT] = {"evt", {LEVEL_TOPIC, LEVEL_SENDER}},
    [WEFT__TREE_JSON] = {"json", {LEVEL_TOPIC, LEVEL_TYPE, LEVEL_SENDER, LEVEL_SESSION}},
    [WEFT__TREE_LIVE] = {"live", {LEVEL_SENDER}},
    [WEFT__TREE_STATE] = {"state", {LEVEL_SENDER}},
    [WEFT__TREE_BEAT] = {"beat", {LEVEL_SENDER}},
    [WEFT__TREE_CMD] = {"cmd", {LEVEL_TO, LEVEL_WORD, LEVEL_SENDER}},
    [WEFT__TREE_RPC] = {"rpc", {LEVEL_WORD, LEVEL_SENDER}},
    [WEFT__TREE_REPLY] = {"reply", {LEVEL_TO, LEVEL_SENDER, LEVEL_WORD}},
};
enum { TREE_COUNT = sizeof trees / sizeof *trees };

static const char prefix[] = "weft/v1/";

/* ---- names ---- */

static bool bytes_all_in(const char *bytes, bool (*wanted)(char c))
{
    size_t length = 0;
    for (; bytes[length] != '\0'; length++)
        if (length == WEFT_NAME_MAX_BYTES || !wanted(bytes[length]))
            return false;
    return length > 0;
}

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

/* What passes through an id level unescaped. */
static bool id_byte(char c)
{
    return name_byte(c) || (c >= 'A' && c <= 'Z') || c == ':';
}

bool weft_name_valid(const char *name)
{
    return name != NULL && bytes_all_in(name, name_byte) && strcmp(name, "-") != 0;
}

static bool name_or_any(const char *name)
{
    return weft_name_valid(name) || (name != NULL && strcmp(name, "+") == 0);
}

static bool recipient(const char *name)
{
    return name_or_any(name) || (name != NULL && strcmp(name, "-") == 0);
}

static bool word_or_any(const char *word)
{
    return word != NULL && (bytes_all_in(word, id_byte) || strcmp(word, "+") == 0);
}

/* ---- ids as levels ---- */

void weft__topic_escape(char *out, const char *id)
{
    static const char digits[] = "0123456789ABCDEF";
    if (id == NULL || *id == '\0') {
        strcpy(out, "-");
        return;
    }
    if (strcmp(id, "-") == 0) {
        strcpy(out, "%2D");
        return;
    }
    for (; *id != '\0'; id++) {
        if (id_byte(*id)) {
            *out++ = *id;
            continue;
        }
        *out++ = '%';
        *out++ = digits[(unsigned char)*id >> 4];
        *out++ = digits[*id & 0xf];
    }
    *out = '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that %XX stands for; 0 if it is no escape, or one that weft__topic_escape does not write. */
static char escape_read(const char *p)
{
    int high = digit_value(p[1]);
    int low = high < 0 ? -1 : digit_value(p[2]);
    if (low < 0)
        return '\0';
    char c = (char)(high * 16 + low);
    return id_byte(c) ? '\0' : c;
}

bool weft__topic_unescape(char *out, size_t out_bytes, const char *level)
{
    if (strcmp(level, "-") == 0)
        level = "";
    else if (strcmp(level, "%2D") == 0)
        level = "-";
    else if (*level == '\0')
        return false;
    for (; *level != '\0' && out_bytes > 1; out_bytes--) {
        char c = *level == '%' ? escape_read(level) : *level;
        if (c == '\0' || (*level != '%' && !id_byte(c)))
            return false;
        level += *level == '%' ? 3 : 1;
        *out++ = c;
    }
    if (*level != '\0' || out_bytes == 0)
        return false;
    *out = '\0';
    return true;
}

/* ---- writing ---- */

weft_status weft__topic_evt(char *out, const char *fabric, weft_topic topic, const char *node)
{
    if (!name_or_any(fabric) || weft_topic_number(topic) == 0 || !name_or_any(node))
        return WEFT_INVALID;
    (void)snprintf(out, WEFT__TOPIC_MAX_BYTES, "%s%s/evt/%s/%s", prefix, fabric, weft_topic_name(topic), node);
    return WEFT_OK;
}

weft_status weft__topic_json(char *out, const char *fabric, const weft_event *event, const char *node)
{
    char session[3 * WEFT_ID_MAX_BYTES + 3];
    const char *id = event->session_id;
    if (!name_or_any(fabric) || !name_or_any(node) || event->type <= WEFT_EVENT_NONE ||
        event->type >= WEFT_EVENT_TYPE_COUNT || (id != NULL && strlen(id) > WEFT_ID_MAX_BYTES))
        return WEFT_INVALID;
    weft__topic_escape(session, id);
    (void)snprintf(out, WEFT__TOPIC_MAX_BYTES, "%s%s/json/%s/%s/%s/%s", prefix, fabric,
                   weft_topic_name(weft_event_topic(event)), weft_event_type_name(event->type), node, session);
    return WEFT_OK;
}

weft_status weft__topic_node(char *out, const char *fabric, weft__tree live_state_or_beat, const char *node)
{
    if (live_state_or_beat < WEFT__TREE_LIVE || live_state_or_beat > WEFT__TREE_BEAT || !name_or_any(fabric) ||
        !name_or_any(node))
        return WEFT_INVALID;
    (void)snprintf(out, WEFT__TOPIC_MAX_BYTES, "%s%s/%s/%s", prefix, fabric, trees[live_state_or_beat].name, node);
    return WEFT_OK;
}

weft_status weft__topic_cmd(char *out, const char *fabric, const char *to, const char *verb, const char *from)
{
    if (!name_or_any(fabric) || !recipient(to) || !word_or_any(verb) || !name_or_any(from))
        return WEFT_INVALID;
    (void)snprintf(out, WEFT__TOPIC_MAX_BYTES, "%s%s/cmd/%s/%s/%s", prefix, fabric, to, verb, from);
    return WEFT_OK;
}

weft_status weft__topic_reply(char *out, const char *fabric, const char *to, const char *from, const char *request)
{
    if (!name_or_any(fabric) || !name_or_any(to) || !name_or_any(from) || !word_or_any(request))
        return WEFT_INVALID;
    (void)snprintf(out, WEFT__TOPIC_MAX_BYTES, "%s%s/reply/%s/%s/%s", prefix, fabric, to, from, request);
    return WEFT_OK;
}

weft_status weft__topic_filter(char *out, const char *fabric, weft__tree tree, const char *to, const char *word,
                               const char *sender)
{
    if (tree <= WEFT__TREE_NONE || (int)tree >= TREE_COUNT)
        return WEFT_INVALID;
    int length = snprintf(out, WEFT__TOPIC_MAX_BYTES, "%s%s/%s", prefix, fabric, trees[tree].name);
    for (const topic_level *kind = trees[tree].levels; *kind != LEVEL_NONE; kind++) {
        const char *name = *kind == LEVEL_TO ? to : *kind == LEVEL_WORD ? word : *kind == LEVEL_SENDER ? sender : NULL;
        if (length < 0 || length >= WEFT__TOPIC_MAX_BYTES)
            return WEFT_INVALID;
        length += snprintf(out + length, (size_t)(WEFT__TOPIC_MAX_BYTES - length), "/%s", name != NULL ? name : "+");
    }
    return length < WEFT__TOPIC_MAX_BYTES ? WEFT_OK : WEFT_INVALID;
}

/* ---- taking apart ---- */

/* Copies the level at *rest and moves *rest behind its slash, to NULL after the last level. */
static bool level_take(char *out, size_t out_bytes, const char **rest)
{
    if (*rest == NULL)
        return false;
    size_t length = strcspn(*rest, "/");
    if (length == 0 || length >= out_bytes)
        return false;
    memcpy(out, *rest, length);
    out[length] = '\0';
    *rest = (*rest)[length] == '/' ? *rest + length + 1 : NULL;
    return true;
}

static bool session_valid(const char *escaped)
{
    char id[WEFT_ID_MAX_BYTES + 1];
    return weft__topic_unescape(id, sizeof id, escaped);
}

static bool level_parse(topic_level kind, const char **rest, weft__topic_parts *parts)
{
    char name[WEFT_NAME_MAX_BYTES + 1];
    switch (kind) {
    case LEVEL_SENDER:
        return level_take(parts->sender, sizeof parts->sender, rest) && weft_name_valid(parts->sender);
    case LEVEL_TO:
        if (!level_take(parts->to, sizeof parts->to, rest))
            return false;
        return weft_name_valid(parts->to) || (parts->tree == WEFT__TREE_CMD && strcmp(parts->to, "-") == 0);
    case LEVEL_WORD:
        return level_take(parts->word, sizeof parts->word, rest) && bytes_all_in(parts->word, id_byte);
    case LEVEL_TOPIC:
        return level_take(name, sizeof name, rest) && (parts->topic = weft_topic_from_name(name)) != 0;
    case LEVEL_TYPE:
        parts->type = level_take(name, sizeof name, rest) ? weft_event_type_from_name(name) : WEFT_EVENT_NONE;
        return parts->type != WEFT_EVENT_NONE && weft_event_topic(&(weft_event){.type = parts->type}) == parts->topic;
    case LEVEL_SESSION:
        return level_take(parts->session, sizeof parts->session, rest) && session_valid(parts->session);
    case LEVEL_NONE:
        break;
    }
    return false;
}

static weft__tree tree_find(const char *name)
{
    for (int i = WEFT__TREE_EVT; i < TREE_COUNT; i++)
        if (strcmp(trees[i].name, name) == 0)
            return (weft__tree)i;
    return WEFT__TREE_NONE;
}

weft_status weft__topic_parse(const char *topic, weft__topic_parts *ret)
{
    weft__topic_parts parts = {0};
    char name[WEFT_NAME_MAX_BYTES + 1];
    if (strncmp(topic, prefix, sizeof prefix - 1) != 0)
        return WEFT_INVALID;
    const char *rest = topic + sizeof prefix - 1;
    if (!level_take(parts.fabric, sizeof parts.fabric, &rest) || !weft_name_valid(parts.fabric) ||
        !level_take(name, sizeof name, &rest))
        return WEFT_INVALID;
    parts.tree = tree_find(name);
    if (parts.tree == WEFT__TREE_NONE)
        return WEFT_INVALID;
    for (const topic_level *kind = trees[parts.tree].levels; *kind != LEVEL_NONE; kind++)
        if (!level_parse(*kind, &rest, &parts))
            return WEFT_INVALID;
    if (rest != NULL)
        return WEFT_INVALID;
    *ret = parts;
    return WEFT_OK;
}
