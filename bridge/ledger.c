/* bridge/ledger.c: a short list, searched from its newest end, where the streams in use are. */
#include "bridge/ledger.h"

#include <string.h>

void weft__ledger_init(weft__ledger *l)
{
    memset(l, 0, sizeof *l);
    pthread_mutex_init(&l->mutex, NULL);
}

void weft__ledger_fini(weft__ledger *l)
{
    pthread_mutex_destroy(&l->mutex);
}

static weft__ledger_entry *entry_find_locked(weft__ledger *l, uint64_t epoch, weft_topic topic)
{
    for (size_t i = l->count; i > 0; i--)
        if (l->entries[i - 1].epoch == epoch && l->entries[i - 1].topic == topic)
            return &l->entries[i - 1];
    return NULL;
}

/* The first without anything pending, else the first; the last ones are in use. */
static void entry_drop_locked(weft__ledger *l)
{
    size_t gone = 0;
    while (gone < WEFT__LEDGER_MAX - WEFT_TOPIC_MAX && weft__ledger_pending(l->entries[gone].counts) > 0)
        gone++;
    if (gone == WEFT__LEDGER_MAX - WEFT_TOPIC_MAX)
        gone = 0;
    l->count--;
    memmove(&l->entries[gone], &l->entries[gone + 1], (l->count - gone) * sizeof *l->entries);
}

/* Entries are sorted by epoch. */
static weft__ledger_entry *entry_obtain_locked(weft__ledger *l, uint64_t epoch, weft_topic topic)
{
    weft__ledger_entry *found = entry_find_locked(l, epoch, topic);
    if (found != NULL)
        return found;
    if (l->count == WEFT__LEDGER_MAX)
        entry_drop_locked(l);
    size_t i = l->count++;
    for (; i > 0 && l->entries[i - 1].epoch > epoch; i--)
        l->entries[i] = l->entries[i - 1];
    l->entries[i] = (weft__ledger_entry){.epoch = epoch, .topic = topic};
    return &l->entries[i];
}

static void count_locked(weft__ledger *l, weft__ledger_entry *entry, weft__ledger_column column, uint64_t events)
{
    l->totals[column] += events;
    if (entry != NULL)
        entry->counts[column] += events;
}

void weft__ledger_carry(weft__ledger *l, const weft__position *position, uint64_t pending)
{
    pthread_mutex_lock(&l->mutex);
    weft__ledger_entry *entry = entry_obtain_locked(l, position->epoch, position->topic);
    entry->last_seq = position->last_seq;
    entry->events = position->events;
    count_locked(l, entry, WEFT__LEDGER_LEFT, pending);
    pthread_mutex_unlock(&l->mutex);
}

void weft__ledger_written(weft__ledger *l, uint64_t epoch, weft_topic topic, uint64_t last_seq, uint64_t events)
{
    pthread_mutex_lock(&l->mutex);
    weft__ledger_entry *entry = entry_obtain_locked(l, epoch, topic);
    entry->last_seq = last_seq;
    entry->events += events;
    count_locked(l, entry, WEFT__LEDGER_WRITTEN, events);
    pthread_mutex_unlock(&l->mutex);
}

void weft__ledger_add(weft__ledger *l, uint64_t epoch, weft_topic topic, weft__ledger_column column, uint64_t events)
{
    pthread_mutex_lock(&l->mutex);
    count_locked(l, entry_find_locked(l, epoch, topic), column, events);
    pthread_mutex_unlock(&l->mutex);
}

bool weft__ledger_end(weft__ledger *l, uint64_t epoch, weft_topic topic, weft__position *ret)
{
    pthread_mutex_lock(&l->mutex);
    const weft__ledger_entry *entry = entry_find_locked(l, epoch, topic);
    bool known = entry != NULL && entry->last_seq > 0;
    if (known)
        *ret = (weft__position){epoch, topic, entry->last_seq, entry->events};
    pthread_mutex_unlock(&l->mutex);
    return known;
}

size_t weft__ledger_earlier(weft__ledger *l, uint64_t epoch, weft__position *positions, size_t max)
{
    size_t count = 0;
    pthread_mutex_lock(&l->mutex);
    for (size_t i = l->count; i > 0 && count < max; i--) {
        const weft__ledger_entry *entry = &l->entries[i - 1];
        if (entry->epoch < epoch && entry->events > 0 && weft__ledger_pending(entry->counts) == 0)
            positions[count++] = (weft__position){entry->epoch, entry->topic, entry->last_seq, entry->events};
    }
    pthread_mutex_unlock(&l->mutex);
    return count;
}

size_t weft__ledger_list(weft__ledger *l, weft__ledger_entry entries[WEFT__LEDGER_MAX])
{
    pthread_mutex_lock(&l->mutex);
    size_t count = l->count;
    memcpy(entries, l->entries, count * sizeof *entries);
    pthread_mutex_unlock(&l->mutex);
    return count;
}

void weft__ledger_totals(weft__ledger *l, uint64_t totals[WEFT__LEDGER_COLUMNS])
{
    pthread_mutex_lock(&l->mutex);
    memcpy(totals, l->totals, sizeof l->totals);
    pthread_mutex_unlock(&l->mutex);
}

uint64_t weft__ledger_lost(const uint64_t counts[WEFT__LEDGER_COLUMNS])
{
    uint64_t lost = 0;
    for (int column = WEFT__LEDGER_LOST; column < WEFT__LEDGER_COLUMNS; column++)
        lost += counts[column];
    return lost;
}

uint64_t weft__ledger_pending(const uint64_t counts[WEFT__LEDGER_COLUMNS])
{
    uint64_t known = counts[WEFT__LEDGER_LEFT] + counts[WEFT__LEDGER_WRITTEN];
    uint64_t settled = counts[WEFT__LEDGER_ACKED] + weft__ledger_lost(counts);
    return known > settled ? known - settled : 0;
}
