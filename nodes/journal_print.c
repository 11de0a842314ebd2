/* nodes/journal_print.c: each thing has its table row and its JSON object side by side. */
#include "nodes/journal_print.h"

#include "nodes/timestamp.h"

#include <inttypes.h>
#include <stdio.h>

void journal_printer_fini(journal_printer *p)
{
    weft_text_fini(&p->text);
}

/* ---- pieces ---- */

const char *bytes_text(uint64_t bytes, char room[16])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(room, 16, unit > 0 && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return room;
}

static const char *topic_text(weft_topic topic)
{
    const char *name = weft_topic_name(topic);
    return name != NULL ? name : "?";
}

static const char *time_text(int64_t ms, char room[TIMESTAMP_BYTES])
{
    if (ms <= 0)
        return "-";
    timestamp_format(ms, room);
    return room;
}

static weft_status text_out(journal_printer *p)
{
    bool written = !p->text.failed && fwrite(p->text.data, 1, p->text.length, stdout) == p->text.length;
    weft_text_clear(&p->text);
    return written ? WEFT_OK : WEFT_STOPPED;
}

static void head_print(journal_printer *p, const char *head)
{
    if (!p->headed)
        (void)puts(head);
    p->headed = true;
}

/* {"name":number … with a comma before all but the first */
static void number_add(weft_text *text, const char *name, uint64_t value)
{
    char last = text->length > 0 ? text->data[text->length - 1] : '{';
    weft_text_printf(text, "%s\"%s\":%" PRIu64, last == '{' ? "" : ",", name, value);
}

static void string_add(weft_text *text, const char *name, const char *value)
{
    char last = text->length > 0 ? text->data[text->length - 1] : '{';
    weft_text_printf(text, "%s\"%s\":", last == '{' ? "" : ",", name);
    weft_text_json_string(text, value);
}

/* ---- totals ---- */

static void totals_json(weft_text *t, const char *path, const weft_journal_totals *totals)
{
    weft_text_printf(t, "{");
    string_add(t, "path", path);
    number_add(t, "epoch", totals->epoch);
    number_add(t, "streams", totals->streams);
    number_add(t, "feeds", totals->feeds);
    number_add(t, "rows", totals->rows);
    number_add(t, "row_bytes", totals->row_bytes);
    number_add(t, "events", totals->events);
    number_add(t, "pending_rows", totals->pending_rows);
    number_add(t, "pending_events", totals->pending_events);
    number_add(t, "oldest_ms", (uint64_t)totals->oldest_ms);
    number_add(t, "newest_ms", (uint64_t)totals->newest_ms);
    number_add(t, "file_bytes", totals->file_bytes);
    number_add(t, "log_bytes", totals->log_bytes);
    number_add(t, "reserve_bytes", totals->reserve_bytes);
    weft_text_printf(t, "}\n");
}

static void totals_text(weft_text *t, const char *path, const weft_journal_totals *totals)
{
    char bytes[3][16], times[2][TIMESTAMP_BYTES];
    weft_text_printf(t, "%s\n", path);
    weft_text_printf(t, "epoch    %" PRIu64 "\n", totals->epoch);
    weft_text_printf(t, "events   %" PRIu64 " in %" PRIu64 " rows, %s", totals->events, totals->rows,
                     bytes_text(totals->row_bytes, bytes[0]));
    if (totals->rows > 0)
        weft_text_printf(t, ", accepted from %s to %s", time_text(totals->oldest_ms, times[0]),
                         time_text(totals->newest_ms, times[1]));
    weft_text_printf(t, "\npending  %" PRIu64 " events in %" PRIu64 " rows wait for the broker\n",
                     totals->pending_events, totals->pending_rows);
    weft_text_printf(t, "feeds    %" PRIu64 "\n", totals->feeds);
    weft_text_printf(t, "disk     file %s, log %s, reserve %s\n", bytes_text(totals->file_bytes, bytes[0]),
                     bytes_text(totals->log_bytes, bytes[1]), bytes_text(totals->reserve_bytes, bytes[2]));
    if (totals->streams > 0)
        weft_text_printf(t, "\n");
}

weft_status journal_print_totals(journal_printer *p, const char *path, const weft_journal_totals *totals)
{
    if (p->json)
        totals_json(&p->text, path, totals);
    else
        totals_text(&p->text, path, totals);
    return text_out(p);
}

/* ---- streams and feeds ---- */

weft_status journal_print_stream(journal_printer *p, const weft_journal_stream *s)
{
    char bytes[16];
    if (!p->json) {
        head_print(p, "EPOCH          TOPIC           LAST SEQ   ACKNOWLEDGED     ROWS      BYTES  PENDING EVENTS");
        weft_text_printf(&p->text, "%-14" PRIu64 " %-8s %15" PRIu64 " %14" PRIu64 " %8" PRIu64 " %10s %15" PRIu64 "\n",
                         s->epoch, topic_text(s->topic), s->last_seq, s->acked_seq, s->rows,
                         bytes_text(s->row_bytes, bytes), s->pending_events);
        return text_out(p);
    }
    weft_text_printf(&p->text, "{");
    number_add(&p->text, "epoch", s->epoch);
    string_add(&p->text, "topic", topic_text(s->topic));
    number_add(&p->text, "last_seq", s->last_seq);
    number_add(&p->text, "acked_seq", s->acked_seq);
    number_add(&p->text, "rows", s->rows);
    number_add(&p->text, "row_bytes", s->row_bytes);
    number_add(&p->text, "pending_rows", s->pending_rows);
    number_add(&p->text, "pending_events", s->pending_events);
    weft_text_printf(&p->text, "}\n");
    return text_out(p);
}

weft_status journal_print_feed(journal_printer *p, const weft_journal_feed *f)
{
    char bytes[16], time[TIMESTAMP_BYTES];
    if (!p->json) {
        head_print(p, "LAST MOVED                      LINE      STATE  FEED");
        weft_text_printf(&p->text, "%-24s %11" PRIu64 " %10s  %s\n", time_text(f->touched_ms, time), f->line,
                         bytes_text(f->state_bytes, bytes), f->feed);
        return text_out(p);
    }
    weft_text_printf(&p->text, "{");
    string_add(&p->text, "feed", f->feed);
    number_add(&p->text, "line", f->line);
    number_add(&p->text, "state_bytes", f->state_bytes);
    number_add(&p->text, "touched_ms", (uint64_t)f->touched_ms);
    weft_text_printf(&p->text, "}\n");
    return text_out(p);
}

/* ---- rows and events ---- */

static const char *priority_text(weft_priority priority)
{
    static const char *const names[] = {"normal", "low", "normal", "high", "critical"};
    return (size_t)priority < sizeof names / sizeof *names ? names[priority] : "?";
}

weft_status journal_print_entry(journal_printer *p, const weft_journal_entry *e)
{
    char bytes[16], time[TIMESTAMP_BYTES], seqs[48];
    if (!p->json) {
        head_print(
            p, "ROW      ACCEPTED                 EPOCH          TOPIC    SEQ                    EVENTS      BYTES  "
               "PRIORITY  STATE");
        (void)snprintf(seqs, sizeof seqs, "%" PRIu64 " to %" PRIu64, e->first_seq, e->last_seq);
        weft_text_printf(&p->text, "%-8" PRId64 " %-24s %-14" PRIu64 " %-8s %-22s %6" PRIu32 " %10s  %-8s  %s%s\n",
                         e->row, time_text(e->accepted_ms, time), e->epoch, topic_text(e->topic), seqs, e->event_count,
                         bytes_text(e->bytes, bytes), priority_text(e->priority),
                         e->damage != NULL ? "damaged: "
                         : e->pending      ? "pending"
                                           : "acknowledged",
                         e->damage != NULL ? e->damage : "");
        return text_out(p);
    }
    weft_text_printf(&p->text, "{");
    number_add(&p->text, "row", (uint64_t)e->row);
    number_add(&p->text, "accepted_ms", (uint64_t)e->accepted_ms);
    number_add(&p->text, "epoch", e->epoch);
    string_add(&p->text, "topic", topic_text(e->topic));
    number_add(&p->text, "prev_seq", e->prev_seq);
    number_add(&p->text, "first_seq", e->first_seq);
    number_add(&p->text, "last_seq", e->last_seq);
    number_add(&p->text, "events", e->event_count);
    number_add(&p->text, "bytes", e->bytes);
    string_add(&p->text, "priority", priority_text(e->priority));
    weft_text_printf(&p->text, ",\"pending\":%s", e->pending ? "true" : "false");
    if (e->damage != NULL)
        string_add(&p->text, "damage", e->damage);
    weft_text_printf(&p->text, "}\n");
    return text_out(p);
}

weft_status journal_print_event(journal_printer *p, const weft_event *event)
{
    (void)weft_event_to_json(event, &p->text);
    weft_text_printf(&p->text, "\n");
    return text_out(p);
}

/* ---- findings ---- */

static void finding_text(weft_text *t, const weft_journal_finding *f)
{
    weft_text_printf(t, f->damage ? "damaged: " : "note: ");
    if (f->row != 0)
        weft_text_printf(t, "row %" PRId64, f->row);
    if (f->epoch != 0)
        weft_text_printf(t, "%s%s, epoch %" PRIu64, f->row != 0 ? " of " : "stream ", topic_text(f->topic), f->epoch);
    if (f->to_seq != 0)
        weft_text_printf(t, ", seq %" PRIu64 " to %" PRIu64, f->from_seq, f->to_seq);
    weft_text_printf(t, "%s%s\n", f->row != 0 || f->epoch != 0 ? ": " : "", f->text);
}

void journal_print_finding(journal_printer *p, const weft_journal_finding *f)
{
    if (!p->json) {
        finding_text(&p->text, f);
        (void)text_out(p);
        return;
    }
    weft_text_printf(&p->text, "{\"damage\":%s", f->damage ? "true" : "false");
    if (f->row != 0)
        number_add(&p->text, "row", (uint64_t)f->row);
    if (f->epoch != 0) {
        number_add(&p->text, "epoch", f->epoch);
        string_add(&p->text, "topic", topic_text(f->topic));
    }
    if (f->to_seq != 0) {
        number_add(&p->text, "from_seq", f->from_seq);
        number_add(&p->text, "to_seq", f->to_seq);
    }
    string_add(&p->text, "text", f->text);
    weft_text_printf(&p->text, "}\n");
    (void)text_out(p);
}

void journal_print_verdict(journal_printer *p, uint64_t damage, const weft_journal_totals *totals)
{
    if (p->json)
        weft_text_printf(&p->text, "{\"sound\":%s,\"damages\":%" PRIu64 "}\n", damage == 0 ? "true" : "false", damage);
    else if (damage == 0)
        weft_text_printf(&p->text, "sound: %" PRIu64 " rows, %" PRIu64 " events, %" PRIu64 " streams\n", totals->rows,
                         totals->events, totals->streams);
    else
        weft_text_printf(&p->text, "damaged in %" PRIu64 " place%s\n", damage, damage == 1 ? "" : "s");
    (void)text_out(p);
}

/* ---- purging ---- */

void journal_print_purged(journal_printer *p, const weft_journal_purge *what, const weft_journal_purged *d)
{
    char bytes[2][16];
    if (p->json) {
        weft_text_printf(&p->text, "{\"deleted\":%s", what->dry ? "false" : "true");
        number_add(&p->text, "rows", d->rows);
        number_add(&p->text, "events", d->events);
        number_add(&p->text, "pending_events", d->pending_events);
        number_add(&p->text, "bytes", d->bytes);
        number_add(&p->text, "file_bytes", d->file_bytes);
        weft_text_printf(&p->text, "}\n");
        (void)text_out(p);
        return;
    }
    weft_text_printf(&p->text, "%s %" PRIu64 " events in %" PRIu64 " rows, %s", what->dry ? "would delete" : "deleted",
                     d->events, d->rows, bytes_text(d->bytes, bytes[0]));
    if (what->pending_too)
        weft_text_printf(&p->text, "; %" PRIu64 " of these events the broker has not acknowledged", d->pending_events);
    if (what->dry)
        weft_text_printf(&p->text, "\nnothing is deleted without --yes\n");
    else
        weft_text_printf(&p->text, "; the file has shrunk by %s\n", bytes_text(d->file_bytes, bytes[1]));
    (void)text_out(p);
}
