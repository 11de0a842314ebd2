/* nodes/simulate_record.c: the generator's lines: ids, the members that every record has, and a file's order. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/simulate_private.h"
#include "nodes/timestamp.h"

void sim_uuid(simulation *sim, char ret[SIM_ID_BYTES])
{
    uint64_t a = random_next(&sim->random), b = random_next(&sim->random);
    snprintf(ret, SIM_ID_BYTES, "%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-a%03" PRIx64 "-%012" PRIx64, a >> 32,
             a >> 16 & 0xffff, a & 0xfff, b >> 48 & 0xfff, b & 0xffffffffffff);
}

void sim_id(simulation *sim, const char *prefix, char ret[SIM_ID_BYTES])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t length = (size_t)snprintf(ret, SIM_ID_BYTES, "%s", prefix);
    for (int i = 0; i < 22; i++)
        ret[length++] = digits[random_below(&sim->random, sizeof digits - 1)];
    ret[length] = '\0';
}

/* Takes the text. */
static void line_add(simulation *sim, int64_t time_ms, weft_text *text)
{
    sim_file *f = &sim->file;
    weft_text_append(text, "}\n", 2);
    if (f->count == f->capacity) {
        size_t capacity = f->capacity == 0 ? 1024 : f->capacity * 2;
        sim_line *lines = realloc(f->lines, capacity * sizeof *lines);
        sim->failed |= lines == NULL;
        if (lines != NULL) {
            f->lines = lines;
            f->capacity = capacity;
        }
    }
    if (sim->failed || text->failed) {
        sim->failed = true;
        weft_text_fini(text);
        return;
    }
    f->lines[f->count] = (sim_line){.time_ms = time_ms, .order = f->count, .text = text->data};
    f->count++;
}

static void append_formatted(weft_text *text, const char *format, va_list arguments)
{
    char *members = NULL;
    int length = vasprintf(&members, format, arguments);
    if (length >= 0)
        weft_text_append(text, members, (size_t)length);
    text->failed |= length < 0;
    if (length >= 0)
        free(members);
}

void sim_record(sim_session *s, int64_t time_ms, const char *type, const char *format, ...)
{
    weft_text text = {0};
    char uuid[SIM_ID_BYTES], time[TIMESTAMP_BYTES];
    sim_uuid(s->sim, uuid);
    timestamp_format(time_ms, time);
    weft_text_printf(&text, "{\"type\":\"%s\",\"uuid\":\"%s\"", type, uuid);
    if (s->last_uuid[0] != '\0')
        weft_text_printf(&text, ",\"parentUuid\":\"%s\"", s->last_uuid);
    weft_text_printf(&text, ",\"sessionId\":\"%s\",\"timestamp\":\"%s\",\"version\":\"%s\",\"operator\":\"%s\"", s->id,
                     time, s->progress ? "2.1.12" : "2.0.76", s->operator_name);
    va_list arguments;
    va_start(arguments, format);
    append_formatted(&text, format, arguments);
    va_end(arguments);
    memcpy(s->last_uuid, uuid, sizeof uuid);
    line_add(s->sim, time_ms, &text);
}

void sim_bare_record(sim_session *s, int64_t time_ms, const char *type, const char *members)
{
    weft_text text = {0};
    char time[TIMESTAMP_BYTES];
    timestamp_format(time_ms, time);
    weft_text_printf(&text, "{\"type\":\"%s\",\"sessionId\":\"%s\",\"timestamp\":\"%s\"%s", type, s->id, time, members);
    line_add(s->sim, time_ms, &text);
}

void sim_say(sim_speaker *sp, int64_t time_ms, const char *type, const char *message, const char *members)
{
    sim_session *s = sp->session;
    if (sp->agent[0] == '\0') {
        sim_record(s, time_ms, type, "%s,\"message\":%s", members, message);
        return;
    }
    char time[TIMESTAMP_BYTES], uuid[SIM_ID_BYTES];
    timestamp_format(time_ms, time);
    sim_uuid(s->sim, uuid);
    sim_record(
        s, time_ms, "progress",
        ",\"toolUseID\":\"agent_%s\",\"parentToolUseID\":\"%s\",\"data\":{\"type\":\"agent_progress\","
        "\"agentId\":\"%s\",\"message\":{\"type\":\"%s\",\"timestamp\":\"%s\",\"uuid\":\"%s\"%s,\"message\":%s}}",
        sp->message_uuid, sp->parent_call, sp->agent, type, time, uuid, members, message);
}
