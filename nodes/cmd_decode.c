/* nodes/cmd_decode.c: `weft decode`: what mosquitto_sub shows, as JSON. */
#include "nodes/commands.h"
#include "nodes/lines_each.h"
#include "weft/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2 * WEFT_BATCH_MAX_BYTES + 66000 }; /* the largest message in hex, and the longest topic */

static const option_row rows[] = {
    {"raw", 'r', NULL, "standard input is one payload as it is, not lines"},
    {"topic", 't', "TOPIC", "with --raw: the topic it came under (without: events)"},
    {0},
};

/* ---- lines ---- */

typedef struct decoding {
    weft_text text;
    uint64_t bad;
} decoding;

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes in place; the bytes take half the room of the digits. */
static bool hex_decode(char *hex, size_t length, size_t *ret_bytes)
{
    for (size_t i = 0; i + 1 < length; i += 2) {
        int high = nibble(hex[i]), low = nibble(hex[i + 1]);
        if (high < 0 || low < 0)
            return false;
        hex[i / 2] = (char)(high << 4 | low);
    }
    *ret_bytes = length / 2;
    return length % 2 == 0;
}

static bool bad_line(decoding *d, uint64_t number, const char *topic, const char *reason)
{
    fprintf(stderr, "weft decode: line %" PRIu64 "%s%s: %s.\n", number, topic[0] != '\0' ? ", " : "", topic, reason);
    d->bad++;
    return true;
}

static bool text_print(weft_text *text)
{
    bool alive = text->data == NULL || fwrite(text->data, 1, text->length, stdout) == text->length;
    weft_text_clear(text);
    return alive;
}

static bool on_line(char *text, size_t length, uint64_t number, void *user)
{
    decoding *d = user;
    if (text == NULL)
        return bad_line(d, number, "", "longer than any message");
    if (length == 0)
        return true;
    char *space = strrchr(text, ' ');
    if (space == NULL || space == text)
        return bad_line(d, number, "", "expected TOPIC HEX, as mosquitto_sub -F '%t %x' prints");
    *space = '\0';
    char *payload = space + 1;
    size_t bytes;
    if (!hex_decode(payload, length - (size_t)(payload - text), &bytes))
        return bad_line(d, number, text, "the payload is not hexadecimal");
    const char *reason = NULL;
    size_t before = d->text.length;
    weft_status st = weft_message_to_json(text, (const uint8_t *)payload, bytes, &d->text, &reason);
    if (st == WEFT_OK)
        return text_print(&d->text);
    d->text.length = before;
    return bad_line(d, number, text, reason != NULL ? reason : weft_status_text(st));
}

static void on_pause(void *user)
{
    (void)user;
    (void)fflush(stdout);
}

static int decode_lines(void)
{
    decoding d = {0};
    bool read = lines_each(STDIN_FILENO, LINE_MAX_BYTES, &(lines_handler){on_line, on_pause, &d});
    if (!read)
        fprintf(stderr, "weft decode: cannot read standard input: %s.\n", strerror(errno));
    weft_text_fini(&d.text);
    return read && d.bad == 0 ? EXIT_DONE : EXIT_USAGE;
}

/* ---- one payload ---- */

static weft_status events_to_json(const uint8_t *bytes, size_t length, weft_text *text, const char **reason)
{
    weft_batch *batch = NULL;
    weft_status st = weft_batch_decode(bytes, length, &batch, reason);
    for (size_t i = 0; st == WEFT_OK && i < batch->event_count; i++) {
        st = weft_event_to_json(batch->events[i], text);
        weft_text_append(text, "\n", 1);
    }
    weft_batch_free(batch);
    return st;
}

static int decode_payload(const char *topic, const uint8_t *bytes, size_t length)
{
    weft_text text = {0};
    const char *reason = NULL;
    weft_status st = topic != NULL ? weft_message_to_json(topic, bytes, length, &text, &reason)
                                   : events_to_json(bytes, length, &text, &reason);
    if (st == WEFT_OK)
        (void)text_print(&text);
    else
        fprintf(stderr, "weft decode: standard input, %zu bytes: %s.\n", length,
                reason != NULL ? reason : weft_status_text(st));
    weft_text_fini(&text);
    return st == WEFT_OK ? EXIT_DONE : EXIT_USAGE;
}

static int decode_raw(const char *topic)
{
    size_t room = WEFT_BATCH_MAX_BYTES + 1;
    uint8_t *bytes = malloc(room);
    if (bytes == NULL) {
        fprintf(stderr, "weft decode: out of memory.\n");
        return EXIT_JOB_FAILED;
    }
    size_t length = fread(bytes, 1, room, stdin);
    int status = EXIT_USAGE;
    if (ferror(stdin))
        fprintf(stderr, "weft decode: cannot read standard input: %s.\n", strerror(errno));
    else
        status = decode_payload(topic, bytes, length);
    free(bytes);
    return status;
}

static int run(const args *a)
{
    const char *topic = args_text(a, "topic", NULL);
    if (a->rest_count > 0)
        return args_usage(a, "'%s' is too much; it reads standard input.", a->rest[0]);
    if (topic != NULL && !args_flag(a, "raw"))
        return args_usage(a, "--topic goes with --raw; lines name their topics.");
    (void)signal(SIGPIPE, SIG_IGN);
    return args_flag(a, "raw") ? decode_raw(topic) : decode_lines();
}

const command cmd_decode = {
    .name = "decode",
    .synopsis = "[--raw [--topic TOPIC]]",
    .summary = "Turns messages of the fabric into JSON, one object a line.",
    .details = "  mosquitto_sub -t 'weft/v1/#' -F '%t %x' | weft decode\n"
               "  mosquitto_sub -C 1 -N -t 'weft/v1/+/evt/cost/#' | weft decode --raw\n\n"
               "A line that cannot be decoded is named on standard error and the others are still printed; the exit\n"
               "status is 2 then.",
    .options = rows,
    .run = run,
};
