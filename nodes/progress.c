/* nodes/progress.c: see the header. */
#include "nodes/progress.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REDRAW_MS = 200, LINE_MS = 5000, RATE_MS = 500, LEFT_MAX_S = 99 * 3600 };

const char *number_grouped(uint64_t value, char out[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value);
    char *at = out;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return out;
}

/* ---- the text ---- */

static const char *span_text(double seconds, char out[32])
{
    uint64_t s = seconds < LEFT_MAX_S ? (uint64_t)(seconds + 0.5) : LEFT_MAX_S;
    if (s < 120)
        (void)snprintf(out, 32, "%" PRIu64 " s", s);
    else if (s < 7200)
        (void)snprintf(out, 32, "%" PRIu64 " min", (s + 30) / 60);
    else
        (void)snprintf(out, 32, "%" PRIu64 " h", (s + 1800) / 3600);
    return out;
}

static const char *bar_text(double share, char out[PROGRESS_BAR_CELLS + 4])
{
    int full = (int)(share * PROGRESS_BAR_CELLS);
    out[0] = '[';
    memset(out + 1, '.', PROGRESS_BAR_CELLS);
    memset(out + 1, '#', (size_t)full);
    memcpy(out + 1 + PROGRESS_BAR_CELLS, "] ", 3);
    return out;
}

/* A whole that is not yet reached is no 100%. */
static int percent(double share)
{
    int whole = (int)(share * 100);
    return whole > 100 ? 100 : whole;
}

void progress_format(const progress_point *point, bool bar, char out[PROGRESS_TEXT_BYTES])
{
    char cells[PROGRESS_BAR_CELLS + 4], count[32], rate[32], span[32], part[16] = "";
    bool known = point->share >= 0;
    double share = point->share > 1 ? 1 : point->share;
    double elapsed_s = (double)point->elapsed_ms / 1000;
    bool ends = known && share > 0.001;
    if (known)
        (void)snprintf(part, sizeof part, "%3d%%  ", percent(share));
    (void)snprintf(out, PROGRESS_TEXT_BYTES, "%s%s%s %s, %s/s, %s%s", bar && known ? bar_text(share, cells) : "", part,
                   number_grouped(point->count, count), point->noun,
                   number_grouped((uint64_t)(point->per_second + 0.5), rate),
                   span_text(ends ? elapsed_s * (1 - share) / share : elapsed_s, span), ends ? " left" : "");
}

/* ---- drawing ---- */

void progress_begin(progress *p, FILE *out, int64_t now_ms)
{
    *p = (progress){.out = out,
                    .terminal = out != NULL && isatty(fileno(out)),
                    .began_ms = now_ms,
                    .drawn_ms = now_ms,
                    .counted_ms = now_ms};
}

static void rate_take(progress *p, uint64_t count, int64_t now_ms)
{
    int64_t passed_ms = now_ms - p->counted_ms;
    bool first = p->counted_ms == p->began_ms;
    if (passed_ms <= 0 || (passed_ms < RATE_MS && !first) || count < p->counted)
        return;
    p->per_second = (double)(count - p->counted) * 1000 / (double)passed_ms;
    if (passed_ms < RATE_MS)
        return; /* better than none, until there is more to go by */
    p->counted = count;
    p->counted_ms = now_ms;
}

/* A line that wraps could not be drawn over. */
static int columns_of(FILE *out)
{
    struct winsize size = {0};
    bool known = ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    return known ? size.ws_col - 1 : PROGRESS_TEXT_BYTES;
}

void progress_show(progress *p, uint64_t count, const char *noun, double share, int64_t now_ms)
{
    char text[PROGRESS_TEXT_BYTES];
    if (p->out == NULL)
        return;
    rate_take(p, count, now_ms);
    if (now_ms - p->drawn_ms < (p->terminal ? REDRAW_MS : LINE_MS))
        return;
    p->drawn_ms = now_ms;
    progress_format(&(progress_point){count, noun, share, p->per_second, now_ms - p->began_ms}, p->terminal, text);
    if (p->terminal)
        fprintf(p->out, "\r\033[K%.*s", columns_of(p->out), text);
    else
        fprintf(p->out, "%s\n", text);
    fflush(p->out);
    p->drawn = p->terminal;
}

void progress_end(progress *p)
{
    if (p->out == NULL || !p->drawn)
        return;
    fputs("\r\033[K", p->out);
    fflush(p->out);
    p->drawn = false;
}
