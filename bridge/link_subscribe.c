/* bridge/link_subscribe.c: what is subscribed at the broker follows what is wanted here. What the broker denies is told
 * once, left out, and tried again now and then: the administrator may have changed the rules. */
#include "bridge/link_thread.h"

enum { SUBSCRIBE_AGAIN_MS = 30000 };

/* A denial is told, and is no failure of the connection. */
static void answer_note(weft_bridge *b, uint32_t subject, const char *filter, weft_status answer)
{
    if (weft__denials_note_subscribe(&b->denials, subject, answer != WEFT_OK))
        weft__bridge_notice(
            b, &(weft_notice){.kind = WEFT_NOTICE_SUBSCRIBE_REFUSED, .status = WEFT_REFUSED, .text = filter});
    if (answer == WEFT_OK)
        return;
    b->wire.waiting |= subject;
    if (b->wire.subscribe_again_ms == 0)
        b->wire.subscribe_again_ms = weft__bridge_mono_ms(b) + SUBSCRIBE_AGAIN_MS;
}

/* Subscribes, unless that has been denied a moment ago. Returns OK, REFUSED or UNREACHABLE. */
static weft_status filter_subscribe(weft_bridge *b, uint32_t subject, const char *filter, int qos)
{
    if (b->wire.waiting & subject)
        return WEFT_REFUSED;
    weft_status st = b->link_ops->subscribe(b->link, filter, qos);
    if (st != WEFT_UNREACHABLE)
        answer_note(b, subject, filter, st);
    return st == WEFT_OK || st == WEFT_UNREACHABLE ? st : WEFT_REFUSED;
}

/* Asked for in one round trip. */
typedef struct fixed_filters {
    size_t count;
    weft__link_filter filters[WEFT__LINK_FILTERS_MAX];
    uint32_t subjects[WEFT__LINK_FILTERS_MAX];
    char names[WEFT__LINK_FILTERS_MAX][WEFT__TOPIC_MAX_BYTES];
} fixed_filters;

static weft_status filters_subscribe(weft_bridge *b, fixed_filters *f)
{
    weft_status st = f->count > 0 ? b->link_ops->subscribe_many(b->link, f->filters, f->count) : WEFT_OK;
    for (size_t i = 0; st == WEFT_OK && i < f->count; i++)
        answer_note(b, f->subjects[i], f->names[i], f->filters[i].status);
    return st;
}

weft_status weft__link_subscribe_fixed(weft_bridge *b, uint32_t missing)
{
    const struct {
        weft__tree tree, subject;
        const char *to;
    } fixed[] = {{WEFT__TREE_LIVE, WEFT__TREE_LIVE, NULL},
                 {WEFT__TREE_BEAT, WEFT__TREE_BEAT, NULL},
                 {WEFT__TREE_CMD, WEFT__TREE_CMD, b->node},
                 {WEFT__TREE_CMD, WEFT__TREE_NONE, "-"},
                 {WEFT__TREE_REPLY, WEFT__TREE_REPLY, b->node}};
    _Static_assert(sizeof fixed / sizeof *fixed <= WEFT__LINK_FILTERS_MAX, "asked for at once");
    fixed_filters f = {.count = 0};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        uint32_t subject = weft__subject_of_tree(fixed[i].subject);
        if ((missing & ~b->wire.waiting & subject) == 0)
            continue;
        /* Who only listens has one command to answer. */
        const char *word = !b->sends && fixed[i].tree == WEFT__TREE_CMD ? "account" : NULL;
        char *name = f.names[f.count];
        weft_status st = weft__topic_filter(name, b->fabric, fixed[i].tree, fixed[i].to, word, NULL);
        if (st != WEFT_OK)
            return st;
        f.subjects[f.count] = subject;
        f.filters[f.count++] = (weft__link_filter){.filter = name, .qos = fixed[i].tree == WEFT__TREE_BEAT ? 0 : 1};
    }
    return filters_subscribe(b, &f);
}

/* Brings the subscriptions for events in line with what is wanted; both ways. */
static weft_status subscribe_topics(weft_bridge *b, uint32_t wanted)
{
    char filter[WEFT__TOPIC_MAX_BYTES];
    for (unsigned number = 1; number < WEFT_TOPIC_MAX; number++) {
        weft_topic topic = weft_topic_from_number(number);
        uint32_t bit = (uint32_t)topic;
        if (((wanted ^ b->wire.subscribed) & bit) == 0)
            continue;
        int qos = bit & (uint32_t)WEFT_TOPICS_BEST_EFFORT ? 0 : 1;
        weft_status st = weft__topic_evt(filter, b->fabric, topic, "+");
        if (st == WEFT_OK)
            st = wanted & bit ? filter_subscribe(b, bit, filter, qos) : b->link_ops->unsubscribe(b->link, filter);
        if (st == WEFT_OK)
            b->wire.subscribed ^= bit;
        else if (st != WEFT_REFUSED)
            return st;
    }
    return WEFT_OK;
}

static uint32_t topics_denied(const weft_bridge *b)
{
    return b->wire.waiting & WEFT__SUBJECT_TOPICS_MASK;
}

void weft__link_downlink_expect(weft_bridge *b, uint32_t wanted)
{
    uint32_t topics = wanted & ~topics_denied(b);
    int64_t untold = 0;
    if (topics == atomic_load(&b->downlink_topics))
        return;
    (void)atomic_compare_exchange_strong(&b->downlink_told_ms, &untold, weft__bridge_mono_ms(b));
    atomic_store(&b->downlink_topics, topics);
}

weft_status weft__link_topics_follow(weft_bridge *b, uint32_t wanted)
{
    weft__link_downlink_expect(b, wanted);
    weft_status st = subscribe_topics(b, wanted);
    weft__link_downlink_expect(b, wanted);
    return st;
}

static weft_status denied_try_again(weft_bridge *b)
{
    if (b->wire.subscribe_again_ms == 0 || weft__bridge_mono_ms(b) < b->wire.subscribe_again_ms)
        return WEFT_OK;
    uint32_t missing = b->wire.waiting;
    b->wire.waiting = 0;
    b->wire.subscribe_again_ms = 0;
    return weft__link_subscribe_fixed(b, missing);
}

void weft__link_interest_follow(weft_bridge *b)
{
    uint32_t wanted = weft__bridge_topics(b);
    weft_status st = denied_try_again(b);
    if (st == WEFT_OK && atomic_exchange(&b->cursors.lives_wanted, false))
        st = weft__link_subscribe_fixed(b, weft__subject_of_tree(WEFT__TREE_LIVE)); /* it says again who lives */
    if (st == WEFT_OK && b->wire.subscribed == (wanted & ~topics_denied(b)))
        return;
    if (st == WEFT_OK)
        st = weft__link_topics_follow(b, wanted);
    if (st != WEFT_OK)
        atomic_store(&b->link_down, true);
    else
        weft__link_connected_set(b, true, b->wire.subscribed, WEFT_OK);
}
