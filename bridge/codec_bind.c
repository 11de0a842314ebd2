/* bridge/codec_bind.c: see codec_bind.h. */
#include "bridge/codec_bind.h"

#include <string.h>

/* ---- ours to theirs ---- */

static bool store_one(const weft__binding *b, const char *ours, char *wire)
{
    ours += b->offset;
    wire += b->wire_offset;
    switch (b->kind) {
    case WEFT__BIND_STRING:
        *(const char **)wire = *(const char *const *)ours;
        return true;
    case WEFT__BIND_BOOL:
        *(protobuf_c_boolean *)wire = *(const bool *)ours;
        return true;
    case WEFT__BIND_U32:
        *(uint32_t *)wire = *(const uint32_t *)ours;
        return true;
    case WEFT__BIND_ENUM:
    case WEFT__BIND_LEVEL:
    case WEFT__BIND_CAUSE:
        *(uint32_t *)wire = *(const uint32_t *)ours;
        return *(const uint32_t *)ours <= b->limit;
    case WEFT__BIND_TOPIC:
        *(uint32_t *)wire = weft_topic_number((weft_topic) * (const uint32_t *)ours);
        return *(uint32_t *)wire != 0;
    case WEFT__BIND_TOPIC_OR_NONE:
        *(uint32_t *)wire = *(const uint32_t *)ours != 0 ? weft_topic_number((weft_topic) * (const uint32_t *)ours) : 0;
        return true;
    case WEFT__BIND_TIME:
        memcpy(wire, ours, sizeof(uint64_t));
        return *(const int64_t *)ours >= 0;
    case WEFT__BIND_U64:
    case WEFT__BIND_I64:
    case WEFT__BIND_F64:
        memcpy(wire, ours, sizeof(uint64_t));
        return true;
    }
    return false;
}

bool weft__bind_store(const weft__binding *bindings, size_t count, const void *ours, void *wire)
{
    for (size_t i = 0; i < count; i++)
        if (!store_one(&bindings[i], ours, wire))
            return false;
    return true;
}

/* ---- theirs to ours ---- */

static weft_status load_topic(weft_topic *ours, uint32_t number)
{
    *ours = weft_topic_from_number(number);
    if (*ours != 0)
        return WEFT_OK;
    return number == 0 ? WEFT_MALFORMED : WEFT_UNSUPPORTED;
}

static weft_status load_limited(const weft__binding *b, uint32_t *ours, uint32_t value)
{
    if (value > b->limit && b->kind == WEFT__BIND_ENUM)
        return WEFT_MALFORMED;
    if (value > b->limit)
        value = b->kind == WEFT__BIND_LEVEL ? b->limit : 0;
    *ours = value;
    return WEFT_OK;
}

static weft_status load_one(const weft__binding *b, char *ours, const char *wire)
{
    const char *string;
    ours += b->offset;
    wire += b->wire_offset;
    switch (b->kind) {
    case WEFT__BIND_STRING:
        string = *(const char *const *)wire;
        *(const char **)ours = string != NULL && *string != '\0' ? string : NULL;
        return WEFT_OK;
    case WEFT__BIND_BOOL:
        *(bool *)ours = *(const protobuf_c_boolean *)wire != 0;
        return WEFT_OK;
    case WEFT__BIND_U32:
        *(uint32_t *)ours = *(const uint32_t *)wire;
        return WEFT_OK;
    case WEFT__BIND_ENUM:
    case WEFT__BIND_LEVEL:
    case WEFT__BIND_CAUSE:
        return load_limited(b, (uint32_t *)ours, *(const uint32_t *)wire);
    case WEFT__BIND_TOPIC:
        return load_topic((weft_topic *)ours, *(const uint32_t *)wire);
    case WEFT__BIND_TOPIC_OR_NONE:
        *(weft_topic *)ours = 0;
        return *(const uint32_t *)wire != 0 ? load_topic((weft_topic *)ours, *(const uint32_t *)wire) : WEFT_OK;
    case WEFT__BIND_TIME:
        memcpy(ours, wire, sizeof(uint64_t));
        return *(const int64_t *)ours >= 0 ? WEFT_OK : WEFT_MALFORMED;
    case WEFT__BIND_U64:
    case WEFT__BIND_I64:
    case WEFT__BIND_F64:
        memcpy(ours, wire, sizeof(uint64_t));
        return WEFT_OK;
    }
    return WEFT_MALFORMED;
}

weft_status weft__bind_load(const weft__binding *bindings, size_t count, void *ours, const void *wire,
                            const char **ret_culprit)
{
    for (size_t i = 0; i < count; i++) {
        weft_status st = load_one(&bindings[i], ours, wire);
        if (st != WEFT_OK) {
            *ret_culprit = bindings[i].name;
            return st;
        }
    }
    return WEFT_OK;
}
