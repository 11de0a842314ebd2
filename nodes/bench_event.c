/* nodes/bench_event.c: one table of samples; the maker sets what differs from one event to the next: session, ids, and
 * stamp. Nothing is allocated for an event. */
#include "nodes/bench_event.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weft/schema.h"
#include "weft/wire.h"

enum { ID_BYTES = 40, PAD_ATTRIBUTE_BYTES = 16 };

#define MODEL "claude-opus-4-5"
#define USAGE                                                                                                          \
    {                                                                                                                  \
        MODEL, 9, 412, 48211, 733, 0.0389                                                                              \
    }

/* A round: about what an agent's turn looks like. */
static const weft_event samples[] = {
    {.type = WEFT_SESSION_STATUS_CHANGED, .session_status_changed = {.status = WEFT_SESSION_BUSY}},
    {.type = WEFT_LLM_REQUEST_START, .llm_request_start = {.model = MODEL}},
    {.type = WEFT_LLM_RESPONSE_END, .llm_response_end = {MODEL, NULL, 9, 412, 2200}},
    {.type = WEFT_TOKEN_USAGE, .token_usage = USAGE},
    {.type = WEFT_TOOL_CALL_START, .tool_call_start = {.tool_name = "Bash"}},
    {.type = WEFT_TOOL_CALL_END, .tool_call_end = {"Bash", NULL, 1234, true}},
    {.type = WEFT_SESSION_MUTATION, .session_mutation = {"message_added", 7}},
    {.type = WEFT_AGENT_START, .agent_start = {.task = "find where the tests wait"}},
    {.type = WEFT_TOOL_CALL_START, .tool_call_start = {.tool_name = "Read"}},
    {.type = WEFT_TOOL_CALL_END, .tool_call_end = {"Read", NULL, 87, true}},
    {.type = WEFT_TOKEN_USAGE, .token_usage = USAGE},
    {.type = WEFT_AGENT_END, .agent_end = {.success = true}},
    {.type = WEFT_CUSTOM, .custom = {"bench_note", "bench", "{\"step\": 3, \"of\": 7}"}},
    {.type = WEFT_CONFIG_RELOADED},
    {.type = WEFT_TOKEN_USAGE, .token_usage = USAGE},
    {.type = WEFT_SESSION_STATUS_CHANGED, .session_status_changed = {.status = WEFT_SESSION_IDLE}},
};
enum { SAMPLE_COUNT = sizeof samples / sizeof *samples };

typedef struct kind {
    weft_event event;
    size_t id_offset; /* of the string that says which call or request; 0: none */
    bool begins;      /* its id is a new one */
    unsigned topic;   /* its number */
} kind;

struct bench_maker {
    kind kinds[SAMPLE_COUNT]; /* const after create */
    size_t kind_count;
    uint32_t session_count;
    char (*sessions)[ID_BYTES];
    char *pad; /* one text; the events take ends of it */
    uint32_t host;
    uint64_t taken;
    uint64_t ids; /* begun */
    uint64_t numbers[WEFT_TOPIC_MAX];
    weft_event event; /* the present one, and what it points to */
    char id[ID_BYTES];
    char stamp[BENCH_STAMP_BYTES];
    weft_attribute attributes[SAMPLE_COUNT][2];
};

/* ---- the stamp ---- */

uint32_t bench_host(void)
{
    char boot[64];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, boot, sizeof boot) : 0;
    if (fd >= 0)
        (void)close(fd);
    return length > 0 ? weft_crc32c(0, boot, (size_t)length) : 0;
}

static char *hex_write(char *at, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i-- > 0; value >>= 4)
        at[i] = "0123456789abcdef"[value & 15];
    return at + digits;
}

static bool hex_read(const char **at, unsigned digits, char end, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < digits; i++) {
        unsigned char c = (unsigned char)*(*at)++;
        unsigned digit = c >= '0' && c <= '9' ? c - (unsigned)'0' : c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10 : 16;
        if (digit > 15)
            return false;
        value = value << 4 | digit;
    }
    *ret = value;
    return *(*at)++ == end;
}

void bench_stamp_write(const bench_stamp *stamp, char out[BENCH_STAMP_BYTES])
{
    char *at = hex_write(out, stamp->host, 8);
    *at++ = '.';
    at = hex_write(at, stamp->number, 12);
    *at++ = '.';
    *hex_write(at, (uint64_t)stamp->due_ns, 16) = '\0';
}

bool bench_stamp_read(const weft_event *event, bench_stamp *ret)
{
    for (size_t i = 0; i < event->attribute_count; i++) {
        const char *at = event->attributes[i].value;
        uint64_t host, number, due;
        if (strcmp(event->attributes[i].key, BENCH_ATTRIBUTE) != 0)
            continue;
        if (at == NULL || !hex_read(&at, 8, '.', &host) || !hex_read(&at, 12, '.', &number) ||
            !hex_read(&at, 16, '\0', &due))
            return false;
        *ret = (bench_stamp){(uint32_t)host, number, (int64_t)due};
        return true;
    }
    return false;
}

/* ---- making ---- */

static size_t id_offset_of(const weft_schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].kind == WEFT_FIELD_ID && schema->fields[i].number != 0)
            return schema->fields[i].offset;
    return 0;
}

static void id_set(weft_event *event, size_t offset, const char *id)
{
    if (offset != 0)
        memcpy((char *)event + offset, &id, sizeof id);
}

static void present_set(bench_maker *m, size_t at, int64_t due_ns)
{
    const kind *k = &m->kinds[at];
    uint64_t round = m->taken / m->kind_count;
    bench_stamp stamp = {m->host, m->numbers[k->topic] + 1, due_ns};
    m->event = k->event;
    m->event.session_id = m->sessions[round % m->session_count];
    bench_stamp_write(&stamp, m->stamp);
    if (k->id_offset != 0) {
        (void)hex_write(m->id + sizeof "call_" - 1, m->ids + k->begins, 12);
        id_set(&m->event, k->id_offset, m->id);
    }
}

const weft_event *bench_maker_next(bench_maker *m, int64_t due_ns)
{
    present_set(m, m->taken % m->kind_count, due_ns);
    return &m->event;
}

void bench_maker_taken(bench_maker *m)
{
    const kind *k = &m->kinds[m->taken % m->kind_count];
    m->numbers[k->topic]++;
    m->ids += k->begins;
    m->taken++;
}

/* ---- setting up ---- */

static void kinds_choose(bench_maker *m, const bench_maker_opts *opts)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const weft_schema *schema = weft_schema_of(samples[i].type);
        if (opts->topics != 0 && (opts->topics & (uint32_t)schema->topic) == 0)
            continue;
        kind *k = &m->kinds[m->kind_count];
        weft_attribute *attributes = m->attributes[m->kind_count++];
        *k = (kind){.event = samples[i],
                    .id_offset = id_offset_of(schema),
                    .begins = schema->ended_by != WEFT_EVENT_NONE,
                    .topic = weft_topic_number(schema->topic)};
        attributes[0] = (weft_attribute){BENCH_ATTRIBUTE, m->stamp};
        k->event.flags = opts->flags;
        k->event.source = "bench";
        k->event.agent_id = "a1";
        k->event.attributes = attributes;
        k->event.attribute_count = 1;
    }
}

/* Pads each kind on its own: they differ in what they carry. */
static void kinds_pad(bench_maker *m, uint32_t size)
{
    for (size_t i = 0; i < m->kind_count; i++) {
        m->taken = i;
        present_set(m, i, 0);
        m->event.id.seq = 1000000;
        size_t bytes = weft_event_encoded_bytes(&m->event) + PAD_ATTRIBUTE_BYTES;
        if (bytes >= size)
            continue;
        m->attributes[i][1] = (weft_attribute){BENCH_PAD_ATTRIBUTE, m->pad + bytes};
        m->kinds[i].event.attribute_count = 2;
    }
    m->taken = 0;
}

static void sessions_name(bench_maker *m, const char *prefix)
{
    for (uint32_t i = 0; i < m->session_count; i++)
        (void)snprintf(m->sessions[i], ID_BYTES, "%.24s-%06" PRIu32, prefix, i + 1);
}

weft_status bench_maker_create(const bench_maker_opts *opts, bench_maker **ret)
{
    bench_maker *m = calloc(1, sizeof *m);
    if (m == NULL)
        return WEFT_NO_MEMORY;
    m->session_count = opts->sessions;
    m->sessions = calloc(opts->sessions, sizeof *m->sessions);
    m->pad = malloc(opts->size + 1u);
    if (m->sessions == NULL || m->pad == NULL) {
        bench_maker_destroy(m);
        return WEFT_NO_MEMORY;
    }
    m->host = bench_host();
    memset(m->pad, 'x', opts->size);
    m->pad[opts->size] = '\0';
    (void)snprintf(m->id, sizeof m->id, "call_%012d", 0);
    sessions_name(m, opts->prefix);
    kinds_choose(m, opts);
    kinds_pad(m, opts->size);
    *ret = m;
    return WEFT_OK;
}

void bench_maker_destroy(bench_maker *m)
{
    if (m == NULL)
        return;
    free(m->sessions);
    free(m->pad);
    free(m);
}
