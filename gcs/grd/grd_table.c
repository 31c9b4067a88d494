/* The directory's table: open addressing with linear probing; removal shifts the following slots
 * back, so there are no tombstones.
 *
 * An entry AT REST (holders, and nothing under way: no conversion, queue, past image, demand) is the
 * slot itself. Anything more makes it BUSY: a grd_entry of its own, for as long as that lasts. Most
 * blocks of a full cache are at rest, and it is they who decide how much memory a directory takes.
 *
 * A step works on a grd_entry in any case: take unpacks a resting entry into the scratch entry, and
 * settle puts it where it belongs afterwards. One step at a time. */
#include "grd_internal.h"

#include "assert.h"
#include "hash.h"
#include "mem.h"
#include <string.h>

#define MIN_SLOTS 16

enum { SLOT_EMPTY = 0, SLOT_REST = 1, SLOT_BUSY = 2 };

void
lg_grd__table_init(grd_table *t)
{
    memset(t, 0, sizeof *t);
    t->slots = lg_zalloc(MIN_SLOTS * sizeof *t->slots);
    t->mask = MIN_SLOTS - 1;
}

static void
entry_free(grd_entry *e)
{
    lg_free(e->pi);
    lg_free(e->queue);
    lg_free(e);
}

void
lg_grd__table_fini(grd_table *t)
{
    for (size_t i = 0; i <= t->mask; i++)
        if (t->slots[i].state == SLOT_BUSY)
            entry_free(t->slots[i].u.busy);
    lg_free(t->scratch.pi);
    lg_free(t->scratch.queue);
    lg_free(t->slots);
}

/* The slot that has the key, or the empty one where it would go. */
static size_t
find(const grd_table *t, uint64_t key)
{
    size_t i = lg_hash_u64(key) & t->mask;
    while (t->slots[i].state != SLOT_EMPTY && t->slots[i].key != key)
        i = (i + 1) & t->mask;
    return i;
}

static void
grow(grd_table *t)
{
    grd_slot *old = t->slots;
    size_t n = t->mask + 1;
    t->mask = n * 2 - 1;
    t->slots = lg_zalloc(n * 2 * sizeof *t->slots);
    for (size_t i = 0; i < n; i++)
        if (old[i].state != SLOT_EMPTY)
            t->slots[find(t, old[i].key)] = old[i];
    lg_free(old);
}

static grd_slot *
put(grd_table *t, uint64_t key)
{
    size_t i = find(t, key);
    if (t->slots[i].state == SLOT_EMPTY) {
        if ((t->count + 1) * 4 > (t->mask + 1) * 3) {
            grow(t);
            i = find(t, key);
        }
        t->slots[i].key = key;
        t->count++;
    }
    return &t->slots[i];
}

void
lg_grd__table_remove(grd_table *t, uint64_t key)
{
    size_t hole = find(t, key);
    if (t->slots[hole].state == SLOT_EMPTY)
        return;
    if (t->slots[hole].state == SLOT_BUSY)
        entry_free(t->slots[hole].u.busy);
    for (size_t i = (hole + 1) & t->mask; t->slots[i].state != SLOT_EMPTY; i = (i + 1) & t->mask) {
        size_t home = lg_hash_u64(t->slots[i].key) & t->mask;
        /* a slot may move back only as far as its home */
        if (((i - home) & t->mask) >= ((i - hole) & t->mask)) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole] = (grd_slot){0};
    t->count--;
}

static void
unpack(const grd_slot *s, grd_entry *e)
{
    e->key = s->key;
    e->x = s->x;
    e->s = s->u.s;
    e->claimed = s->claimed;
}

/* Clears all but the memory it owns. */
static void
entry_clear(grd_entry *e, uint64_t key)
{
    *e = (grd_entry){
        .key = key, .pi = e->pi, .pi_cap = e->pi_cap, .queue = e->queue, .queue_cap = e->queue_cap};
}

grd_entry *
lg_grd__table_take(grd_table *t, uint64_t key)
{
    const grd_slot *s = &t->slots[find(t, key)];
    if (s->state == SLOT_BUSY)
        return s->u.busy;
    entry_clear(&t->scratch, key);
    if (s->state == SLOT_REST)
        unpack(s, &t->scratch);
    return &t->scratch;
}

static bool
is_empty(const grd_entry *e)
{
    return !e->x && !e->s && !e->pi_count && !e->conv.active && !e->queue_count;
}

static bool
at_rest(const grd_entry *e)
{
    return !e->pi_count && !e->conv.active && !e->queue_count && !e->demand;
}

void
lg_grd__table_settle(grd_table *t, grd_entry *e)
{
    uint64_t key = e->key;
    if (is_empty(e)) {
        lg_grd__table_remove(t, key);
        return;
    }
    grd_slot *s = put(t, key);
    if (at_rest(e)) {
        LG_ASSERT(e->x < LG_GRD_NODES);
        bool own = s->state == SLOT_BUSY;
        s->state = SLOT_REST;
        s->x = (uint8_t)e->x;
        s->u.s = e->s;
        s->claimed = e->claimed;
        if (own)
            entry_free(e);
    } else if (s->state != SLOT_BUSY) {
        LG_ASSERT(e == &t->scratch);
        s->u.busy = lg_alloc(sizeof *e);
        *s->u.busy = *e; /* and what it owns */
        s->state = SLOT_BUSY;
        memset(e, 0, sizeof *e);
    }
}

const grd_entry *
lg_grd__table_look(const grd_table *t, uint64_t key, grd_entry *view)
{
    const grd_slot *s = &t->slots[find(t, key)];
    if (s->state == SLOT_EMPTY)
        return NULL;
    if (s->state == SLOT_BUSY)
        return s->u.busy;
    memset(view, 0, sizeof *view);
    unpack(s, view);
    return view;
}

bool
lg_grd__table_next(const grd_table *t, size_t *pos, uint64_t *ret_key)
{
    while (*pos <= t->mask) {
        const grd_slot *s = &t->slots[(*pos)++];
        if (s->state == SLOT_EMPTY)
            continue;
        *ret_key = s->key;
        return true;
    }
    return false;
}

void
lg_grd__table_copy(const grd_table *from, grd_table *to)
{
    *to = *from;
    memset(&to->scratch, 0, sizeof to->scratch);
    to->slots = lg_alloc((from->mask + 1) * sizeof *to->slots);
    memcpy(to->slots, from->slots, (from->mask + 1) * sizeof *to->slots);
    for (size_t i = 0; i <= to->mask; i++) {
        if (to->slots[i].state != SLOT_BUSY)
            continue;
        const grd_entry *e = to->slots[i].u.busy;
        grd_entry *d = lg_alloc(sizeof *d);
        *d = *e;
        d->pi = e->pi_cap ? lg_alloc(e->pi_cap * sizeof *d->pi) : NULL;
        d->queue = e->queue_cap ? lg_alloc(e->queue_cap * sizeof *d->queue) : NULL;
        if (e->pi_count)
            memcpy(d->pi, e->pi, e->pi_count * sizeof *d->pi);
        if (e->queue_count)
            memcpy(d->queue, e->queue, e->queue_count * sizeof *d->queue);
        to->slots[i].u.busy = d;
    }
}
