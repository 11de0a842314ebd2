/* nodes/account_print.c: see account_print.h. */
#include "nodes/account_print.h"

#include <inttypes.h>
#include <string.h>

bool account_verdict_good(const account_verdict *v)
{
    return v->whole && v->sums.by_state[ACCOUNT_UNDER_WAY] == 0 && v->sums.by_state[ACCOUNT_DIFFERS] == 0;
}

/* ---- for people ---- */

static void own_print(const weft_stream_account *own, weft_text *out)
{
    weft_text_printf(
        out,
        "%s %s %" PRIu64 "\n    published %" PRIu64 "  written %" PRIu64 "  sent %" PRIu64 "  acknowledged %" PRIu64
        "  resent %" PRIu64 "  replayed %" PRIu64 "  lost %" PRIu64 "  pending %" PRIu64,
        own->node, weft_topic_name(own->topic), own->epoch, own->published, own->written, own->sent, own->acknowledged,
        own->resent, own->replayed, weft_stream_account_lost(own) + own->unwritten, own->pending);
    if (own->joined > 0)
        weft_text_printf(out, "  joined to others %" PRIu64, own->joined);
    weft_text_append(out, "\n", 1);
}

static void lost_print(const weft_stream_account *r, weft_text *out)
{
    const struct {
        const char *name;
        uint64_t events;
    } reasons[] = {{"unspecified", r->lost_unspecified}, {"retention", r->lost_retention},
                   {"overflow", r->lost_overflow},       {"too large", r->lost_too_large},
                   {"corrupt", r->lost_corrupt},         {"unreachable", r->lost_unreachable}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].events > 0)
            weft_text_printf(out, "  lost (%s) %" PRIu64, reasons[i].name, reasons[i].events);
    if (r->lost_ranges > 0)
        weft_text_printf(out, "  lost ranges %" PRIu64, r->lost_ranges);
}

static void received_print(const account_pair *pair, weft_text *out)
{
    const weft_stream_account *r = pair->received;
    weft_text_printf(out, "  > %s%s  ", pair->observer->node, pair->observer->listener ? " (listens)" : "");
    if (pair->own == NULL)
        weft_text_printf(out, "of %s %s %" PRIu64 "  ", r->node, weft_topic_name(r->topic), r->epoch);
    weft_text_printf(out, "before %" PRIu64 "  delivered %" PRIu64 "  duplicates %" PRIu64 "  healed %" PRIu64,
                     r->before, r->delivered, r->duplicates, r->healed);
    lost_print(r, out);
    if (r->open_gaps > 0)
        weft_text_printf(out, "  open gaps %" PRIu64, r->open_gaps);
    if (r->held > 0)
        weft_text_printf(out, "  held %" PRIu64, r->held);
    weft_text_printf(out, "  %s", account_state_text(pair->state));
    if (r->unaccounted != 0)
        weft_text_printf(out, " by %" PRId64, r->unaccounted);
    weft_text_append(out, "\n", 1);
}

static void pair_print(const account_pair *pair, void *user)
{
    if (pair->received == NULL)
        own_print(pair->own, user);
    else
        received_print(pair, user);
}

/* Messages that belong to no stream, and what was dropped before anybody looked into it. */
static void drops_print(const weft_account *a, weft_text *out)
{
    if (a->dropped_overflow > 0)
        weft_text_printf(out, "%s dropped %" PRIu64 " for want of room (messages are healed later)\n", a->node,
                         a->dropped_overflow);
    for (size_t i = 0; i < a->stream_count; i++) {
        const weft_stream_account *r = &a->streams[i];
        if (r->epoch == 0)
            weft_text_printf(out,
                             "%s dropped messages of %s %s: malformed %" PRIu64 "  corrupt %" PRIu64
                             "  in another's name %" PRIu64 "\n",
                             a->node, strcmp(r->node, "-") == 0 ? "others" : r->node,
                             r->topic != 0 ? weft_topic_name(r->topic) : "beside the events", r->dropped_malformed,
                             r->dropped_corrupt, r->dropped_foreign);
    }
}

static void verdict_print(const account_verdict *v, weft_text *out)
{
    const size_t *by_state = v->sums.by_state;
    if (account_verdict_good(v)) {
        weft_text_printf(out, "adds up: %zu streams, %zu times received", v->sums.streams, v->sums.pairs);
    } else {
        const char *what = by_state[ACCOUNT_DIFFERS] > 0     ? "does not add up"
                           : by_state[ACCOUNT_UNDER_WAY] > 0 ? "not quiet"
                                                             : "not whole";
        weft_text_printf(out, "%s: of %zu, %zu add up, %zu are under way, %zu differ", what, v->sums.pairs,
                         by_state[ACCOUNT_ADDS_UP], by_state[ACCOUNT_UNDER_WAY], by_state[ACCOUNT_DIFFERS]);
    }
    if (by_state[ACCOUNT_ALONE] > 0)
        weft_text_printf(out, "; %zu cannot be compared", by_state[ACCOUNT_ALONE]);
    if (v->missing != NULL)
        weft_text_printf(out, "; %s has not answered", v->missing);
    else if (!v->whole)
        weft_text_printf(out, v->nobody ? "; nobody has answered" : "; not all streams are shown");
    weft_text_append(out, "\n", 1);
}

void account_print_table(const account_book *book, char *const *names, size_t name_count, const account_verdict *v,
                         weft_text *out)
{
    (void)account_book_compare(book, names, name_count, pair_print, out);
    for (size_t i = 0; i < book->count; i++)
        drops_print(&book->pages[i].account, out);
    verdict_print(v, out);
}

/* ---- for programs ---- */

static void member_put(weft_text *out, const char *name, uint64_t value)
{
    if (value != 0)
        weft_text_printf(out, ",\"%s\":%" PRIu64, name, value);
}

static void row_put(const weft_stream_account *row, weft_text *out)
{
    weft_text_printf(out, "{\"node\":");
    weft_text_json_string(out, row->node);
    weft_text_printf(out, ",\"epoch\":%" PRIu64 ",\"topic\":\"%s\"", row->epoch,
                     row->topic != 0 ? weft_topic_name(row->topic) : "");
#define X(name) member_put(out, #name, row->name);
    WEFT_ACCOUNT_MAP(X)
#undef X
    if (row->unaccounted != 0)
        weft_text_printf(out, ",\"unaccounted\":%" PRId64, row->unaccounted);
    weft_text_printf(out, "}");
}

typedef struct putting {
    weft_text *out;
    bool first;
} putting;

static void pair_put(const account_pair *pair, void *user)
{
    putting *p = user;
    weft_text_printf(p->out, "%s{\"state\":\"%s\"", p->first ? "" : ",",
                     pair->received == NULL ? "own" : account_state_text(pair->state));
    p->first = false;
    if (pair->own != NULL) {
        weft_text_printf(p->out, ",\"own\":");
        row_put(pair->own, p->out);
    }
    if (pair->received != NULL) {
        weft_text_printf(p->out, ",\"observer\":");
        weft_text_json_string(p->out, pair->observer->node);
        weft_text_printf(p->out, ",\"listener\":%s,\"received\":", pair->observer->listener ? "true" : "false");
        row_put(pair->received, p->out);
    }
    weft_text_printf(p->out, "}");
}

static void node_put(const weft_account *a, bool first, weft_text *out)
{
    bool first_drop = true;
    weft_text_printf(out, "%s{\"node\":", first ? "" : ",");
    weft_text_json_string(out, a->node);
    weft_text_printf(out, ",\"listener\":%s", a->listener ? "true" : "false");
    member_put(out, "epoch", a->epoch);
    member_put(out, "dropped_overflow", a->dropped_overflow);
    member_put(out, "dropped_own", a->dropped_own);
    member_put(out, "refused", a->refused);
    weft_text_printf(out, ",\"dropped\":[");
    for (size_t i = 0; i < a->stream_count; i++)
        if (a->streams[i].epoch == 0) {
            weft_text_printf(out, "%s", first_drop ? "" : ",");
            row_put(&a->streams[i], out);
            first_drop = false;
        }
    weft_text_printf(out, "]}");
}

void account_print_json(const account_book *book, char *const *names, size_t name_count, const account_verdict *v,
                        weft_text *out)
{
    putting p = {out, true};
    weft_text_printf(out, "{\"adds_up\":%s,\"whole\":%s,\"streams\":%zu,\"pairs\":%zu,\"under_way\":%zu,\"differ\":%zu",
                     account_verdict_good(v) ? "true" : "false", v->whole ? "true" : "false", v->sums.streams,
                     v->sums.pairs, v->sums.by_state[ACCOUNT_UNDER_WAY], v->sums.by_state[ACCOUNT_DIFFERS]);
    weft_text_printf(out, ",\"nodes\":[");
    for (size_t i = 0; i < book->count; i++)
        node_put(&book->pages[i].account, i == 0, out);
    weft_text_printf(out, "],\"accounts\":[");
    (void)account_book_compare(book, names, name_count, pair_put, &p);
    weft_text_printf(out, "]}\n");
}
