/* nodes/log.c: formats into a buffer on the stack, then one write(2): lines of several threads never mix. */
#include "nodes/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2000 };

static const struct {
    const char *id;
    log_level level;
} kinds[] = {
#define X(name, id, level) {id, LEVEL_##level},
    LOG_MAP(X)
#undef X
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static atomic_int lowest = LEVEL_INFO;

void log_set_level(log_level level)
{
    atomic_store(&lowest, (int)level);
}

static size_t append_head(char *line, size_t room, log_id id)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(line, room, "%Y-%m-%dT%H:%M:%S", &utc);
    length += (size_t)snprintf(line + length, room - length, ".%03ldZ %-5s %-19s ", now.tv_nsec / 1000000,
                               level_names[kinds[id].level], kinds[id].id);
    return length;
}

void log_say(log_id id, const char *format, ...)
{
    if ((int)kinds[id].level < atomic_load(&lowest))
        return;
    char line[LINE_MAX_BYTES + 2];
    size_t length = append_head(line, LINE_MAX_BYTES, id);
    va_list list;
    va_start(list, format);
    int wanted = vsnprintf(line + length, LINE_MAX_BYTES - length, format, list);
    va_end(list);
    size_t end = length + (wanted > 0 ? (size_t)wanted : 0);
    if (end > LINE_MAX_BYTES - 1)
        end = LINE_MAX_BYTES - 1;
    for (size_t i = length; i < end; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = ' ';
    line[end++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, end); /* there is nobody left to tell */
    (void)ignored;
}
