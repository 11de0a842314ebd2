/* bridge/drops.c: a list that is walked for each dropped message. */
#include "bridge/drops.h"

#include "bridge/topic_map.h"

#include <string.h>

static weft__drop_entry *entry_obtain(weft__drops *drops, const char *sender, weft_topic topic)
{
    for (size_t i = 0; i < drops->count; i++)
        if (drops->entries[i].topic == topic && strcmp(drops->entries[i].sender, sender) == 0)
            return &drops->entries[i];
    if (drops->count == WEFT__DROPS_MAX)
        return &drops->entries[WEFT__DROPS_MAX - 1];
    weft__drop_entry *entry = &drops->entries[drops->count++];
    bool last = drops->count == WEFT__DROPS_MAX;
    weft__name_copy(entry->sender, last ? "-" : sender);
    entry->topic = last ? 0 : topic;
    return entry;
}

void weft__drops_add(weft__drops *drops, const char *sender, weft_topic topic, weft__drop_reason reason)
{
    entry_obtain(drops, sender, topic)->messages[reason]++;
}

uint64_t weft__drops_sum(const weft__drops *drops, weft__drop_reason reason)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < drops->count; i++)
        sum += drops->entries[i].messages[reason];
    return sum;
}
