/* bridge/stream_account.c: holds what became of a stream's events here against what its publisher says there were. */
#include "bridge/stream.h"

#include <string.h>

static uint64_t lost_sum(const weft__stream_counts *counts, uint64_t *ret_ranges)
{
    uint64_t events = 0;
    *ret_ranges = 0;
    for (int reason = 0; reason < WEFT_LOST_REASON_COUNT; reason++) {
        events += counts->lost[reason];
        *ret_ranges += counts->lost_ranges[reason];
    }
    return events;
}

/* The events of all ranges whose number was not known. */
static void lost_ranges_resolve(weft__stream_counts *counts, uint64_t events)
{
    int reason = WEFT_LOST_UNSPECIFIED, reasons = 0;
    for (int i = 0; i < WEFT_LOST_REASON_COUNT; i++)
        if (counts->lost_ranges[i] > 0) {
            reason = i;
            reasons++;
        }
    counts->lost[reasons == 1 ? reason : WEFT_LOST_UNSPECIFIED] += events;
    memset(counts->lost_ranges, 0, sizeof counts->lost_ranges);
}

/* At a quiet moment. What is not known yet, the events before the baseline or those of lost ranges, is known now; if
 * both are, losses wait for the next such moment, and count as before. */
static void account_settle(weft__stream *s)
{
    uint64_t ranges, lost = lost_sum(&s->counts, &ranges);
    int64_t difference = (int64_t)(s->told_events - s->before - s->counts.delivered - lost);
    if (!s->before_known && difference >= 0) {
        s->before = (uint64_t)difference;
        s->before_known = true;
        memset(s->counts.lost_ranges, 0, sizeof s->counts.lost_ranges);
        difference = 0;
    } else if (ranges > 0 && difference >= 0) {
        lost_ranges_resolve(&s->counts, (uint64_t)difference);
        difference = 0;
    }
    s->unaccounted = difference;
}

void weft__stream_account_check(weft__stream *s)
{
    bool open = s->holes.count > 0 || s->held_count > 0;
    if (s->told_events > 0 && s->based && s->high == s->told_seq && !open)
        account_settle(s);
}

void weft__stream_tell(weft__stream *s, uint64_t seq, uint64_t events)
{
    if (events == 0)
        return;
    s->told_seq = seq;
    s->told_events = events;
    s->unshown = true;
    weft__stream_account_check(s);
}

void weft__stream_show(weft__stream *s)
{
    const weft__stream_counts *c = &s->counts;
    weft_stream_account *a = &s->shown;
    uint64_t ranges;
    (void)lost_sum(c, &ranges);
    *a = (weft_stream_account){.node = s->node,
                               .epoch = s->epoch,
                               .topic = s->topic,
                               .based = s->based,
                               .before_known = s->before_known,
                               .last_seq = s->high,
                               .published = s->told_seq == s->high ? s->told_events : 0,
                               .baseline = s->baseline,
                               .before = s->before,
                               .received = c->received,
                               .delivered = c->delivered,
                               .duplicates = c->duplicates,
                               .healed = c->healed,
                               .held = s->held_count,
                               .gaps = c->gaps,
                               .open_gaps = s->holes.count,
                               .lost_unspecified = c->lost[WEFT_LOST_UNSPECIFIED],
                               .lost_retention = c->lost[WEFT_LOST_RETENTION],
                               .lost_overflow = c->lost[WEFT_LOST_OVERFLOW],
                               .lost_too_large = c->lost[WEFT_LOST_TOO_LARGE],
                               .lost_corrupt = c->lost[WEFT_LOST_CORRUPT],
                               .lost_unreachable = c->lost[WEFT_LOST_UNREACHABLE],
                               .lost_ranges = ranges,
                               .unaccounted = s->unaccounted};
    s->unshown = false;
}
