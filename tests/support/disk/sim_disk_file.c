/* tests/support/disk/sim_disk_file.c: a file as the kernel's cache has it, and what the platter would have of it.
 *
 * Writes go into `bytes` at once; each leaves a change that remembers what stood there. A power cut undoes all changes,
 * draws which of them had reached the platter, and does those again. What reaches it is a sector as the cache had it,
 * so that a write brings along the earlier ones to the same sector. */
#include "support/disk/sim_disk_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

sim_file *sim__file_new(void)
{
    sim_file *f = calloc(1, sizeof *f);
    assert(f != NULL);
    f->refs = 1;
    return f;
}

sim_file *sim__file_ref(sim_file *f)
{
    f->refs++;
    return f;
}

static void change_fini(sim_change *c)
{
    free(c->before);
    free(c->after);
}

void sim__file_unref(sim_file *f)
{
    if (--f->refs > 0)
        return;
    for (size_t i = 0; i < f->change_count; i++)
        change_fini(&f->changes[i]);
    free(f->changes);
    free(f->bytes);
    free(f);
}

/* Makes room; what is new is zero. */
static void bytes_reserve(sim_file *f, size_t size)
{
    if (size <= f->capacity)
        return;
    size_t capacity = f->capacity == 0 ? SIM_PAGE : f->capacity;
    while (capacity < size)
        capacity *= 2;
    f->bytes = realloc(f->bytes, capacity);
    assert(f->bytes != NULL);
    memset(f->bytes + f->capacity, 0, capacity - f->capacity);
    f->capacity = capacity;
}

/* Remembers what stands in a range that is about to change. Bytes beyond the size are zero. */
static void change_note(sim_file *f, uint64_t group, size_t at, size_t length, bool cut)
{
    if (f->change_count == f->change_capacity) {
        f->change_capacity = f->change_capacity == 0 ? 16 : 2 * f->change_capacity;
        f->changes = realloc(f->changes, f->change_capacity * sizeof *f->changes);
        assert(f->changes != NULL);
    }
    sim_change *c = &f->changes[f->change_count++];
    *c = (sim_change){.cut = cut, .group = group, .at = at, .length = length, .before = malloc(length + 1)};
    assert(c->before != NULL);
    memcpy(c->before, f->bytes + at, length);
}

size_t sim__file_read(const sim_file *f, size_t at, void *bytes, size_t length)
{
    size_t there = at >= f->size ? 0 : f->size - at < length ? f->size - at : length;
    if (there > 0)
        memcpy(bytes, f->bytes + at, there);
    return there;
}

static uint64_t used_of(const sim_disk *d)
{
    uint64_t used = 0;
    for (size_t i = 0; i < d->names.count; i++)
        used += d->names.items[i].file->size;
    return used;
}

/* How many of the bytes that a file is to grow by there is room for. */
static size_t room_for(const sim_disk *d, size_t growth)
{
    uint64_t used = used_of(d);
    uint64_t room = d->capacity == 0 ? growth : d->capacity > used ? d->capacity - used : 0;
    return room < growth ? (size_t)room : growth;
}

static void part_write(sim_file *f, uint64_t group, size_t at, const uint8_t *bytes, size_t length)
{
    change_note(f, group, at, length, false);
    memcpy(f->bytes + at, bytes, length);
}

int sim__file_write(sim_disk *d, uint64_t life, sim_file *f, size_t at, const void *bytes, size_t length)
{
    int error = sim__begin(d, life, SIM_DISK_WRITE);
    if (error != 0)
        return error;
    size_t growth = at + length > f->size ? at + length - f->size : 0;
    size_t missing = growth - room_for(d, growth);
    size_t written = missing < length ? length - missing : 0;
    bytes_reserve(f, at + length);
    uint64_t group = ++d->groups;
    for (size_t done = 0; done < written;) {
        size_t in_page = SIM_PAGE - (at + done) % SIM_PAGE;
        size_t part = written - done < in_page ? written - done : in_page;
        part_write(f, group, at + done, (const uint8_t *)bytes + done, part);
        done += part;
    }
    if (written > 0 && at + written > f->size)
        f->size = at + written;
    if (missing > 0)
        d->last_error = ENOSPC;
    return missing > 0 ? ENOSPC : 0;
}

int sim__file_cut(sim_disk *d, uint64_t life, sim_file *f, size_t size)
{
    int error = sim__begin(d, life, SIM_DISK_WRITE);
    if (error != 0)
        return error;
    if (size < f->size) {
        change_note(f, ++d->groups, size, f->size - size, true);
        memset(f->bytes + size, 0, f->size - size);
    }
    bytes_reserve(f, size);
    f->size = size;
    return 0;
}

/* ---- sync ---- */

/* Whether a later change that no failed sync dropped covers this one: its page was written, or cut off. */
static bool covered_since(const sim_file *f, size_t doomed)
{
    const sim_change *d = &f->changes[doomed];
    for (size_t i = doomed + 1; i < f->change_count; i++) {
        const sim_change *c = &f->changes[i];
        if (!c->doomed && (c->cut ? c->at < d->at + d->length : c->at / SIM_PAGE == d->at / SIM_PAGE))
            return true;
    }
    return false;
}

void sim__file_settle(sim_file *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->change_count; i++)
        f->changes[i].doomed = f->changes[i].doomed && !covered_since(f, i);
    for (size_t i = 0; i < f->change_count; i++) {
        if (f->changes[i].doomed)
            f->changes[kept++] = f->changes[i];
        else
            change_fini(&f->changes[i]);
    }
    f->change_count = kept;
    f->synced_size = f->size;
}

int sim__file_sync(sim_disk *d, uint64_t life, sim_file *f)
{
    int error = sim__begin(d, life, SIM_DISK_SYNC);
    if (error == 0)
        sim__file_settle(f);
    for (size_t i = 0; error != 0 && life == d->life && i < f->change_count; i++)
        f->changes[i].doomed = !f->changes[i].cut;
    return error;
}

/* ---- power cut ---- */

/* How much of what was under way a cut lets through. */
typedef enum mood { MOOD_NOTHING, MOOD_ALL, MOOD_FIRST, MOOD_SOME, MOOD_COUNT } mood;
typedef enum fate { FATE_LOST, FATE_TORN, FATE_WHOLE } fate;

static void changes_undo(sim_file *f)
{
    for (size_t i = f->change_count; i > 0; i--) {
        sim_change *c = &f->changes[i - 1];
        bytes_reserve(f, c->at + c->length);
        c->after = malloc(c->length + 1);
        assert(c->after != NULL);
        memcpy(c->after, f->bytes + c->at, c->length);
        memcpy(f->bytes + c->at, c->before, c->length);
    }
}

static fate fate_draw(sim_disk *d, mood m, bool before_first)
{
    switch (m) {
    case MOOD_NOTHING:
        return FATE_LOST;
    case MOOD_ALL:
        return FATE_WHOLE;
    case MOOD_FIRST:
        return before_first ? FATE_WHOLE : FATE_LOST;
    default:
        return (fate)sim__random(d, 3);
    }
}

/* For each sector the newest change that brought it to the platter, counted from 1. */
static size_t *sectors_draw(sim_disk *d, const sim_file *f, bool *cuts)
{
    size_t *newest = calloc(f->capacity / SIM_SECTOR + 1, sizeof *newest);
    assert(newest != NULL);
    mood m = (mood)sim__random(d, MOOD_COUNT);
    size_t first = (size_t)sim__random(d, f->change_count + 1);
    fate fate_now = FATE_LOST;
    for (size_t i = 0; i < f->change_count; i++) {
        const sim_change *c = &f->changes[i];
        if (i == 0 || c->group != f->changes[i - 1].group)
            fate_now = fate_draw(d, m, i < first);
        cuts[i] = c->cut && fate_now != FATE_LOST;
        for (size_t s = c->at / SIM_SECTOR; !c->cut && s * SIM_SECTOR < c->at + c->length; s++)
            if (fate_now == FATE_WHOLE || (fate_now == FATE_TORN && sim__random(d, 2) == 0))
                newest[s] = i + 1;
    }
    return newest;
}

static void change_redo(sim_file *f, const sim_change *c, size_t number, const size_t *newest)
{
    for (size_t i = 0; i < c->length; i++) {
        size_t at = c->at + i;
        if (newest[at / SIM_SECTOR] < number)
            continue;
        f->bytes[at] = c->after[i];
        if (at >= f->size)
            f->size = at + 1;
    }
}

void sim__file_power_cut(sim_disk *d, sim_file *f)
{
    changes_undo(f);
    bool *cuts = calloc(f->change_count + 1, sizeof *cuts);
    assert(cuts != NULL);
    size_t *newest = sectors_draw(d, f, cuts);
    f->size = f->synced_size;
    for (size_t i = 0; i < f->change_count; i++) {
        const sim_change *c = &f->changes[i];
        if (!c->cut) {
            change_redo(f, c, i + 1, newest);
        } else if (cuts[i] && f->size > c->at) {
            memset(f->bytes + c->at, 0, f->size - c->at);
            f->size = c->at;
        }
    }
    if (f->capacity > f->size)
        memset(f->bytes + f->size, 0, f->capacity - f->size);
    for (size_t i = 0; i < f->change_count; i++)
        change_fini(&f->changes[i]);
    f->change_count = 0;
    f->synced_size = f->size;
    free(newest);
    free(cuts);
}
