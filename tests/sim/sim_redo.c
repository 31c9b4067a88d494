/* Invariants 5 and 7, watched directly: before a thread gives redo up (its checkpoint passes a record,
 * or it is released after recovery), the disk durably holds every block of that record at least as
 * new, whoever wrote it.
 *
 * Each thread's durable redo is followed record by record on the disk. What each record changed is
 * kept until the thread's header on the disk lets go of it; then the block's durable image is looked
 * at. A block that is just being written, or whose place nobody knows now, is looked at again. */
#include "sim_world.h"

#include "buf.h"
#include "redo_internal.h"
#include "sim_disk.h"
#include "volume.h"
#include <string.h>

#define AT_ONCE (1u << 20)

struct change {
    lg_lsn lsn;
    uint64_t key;
    lg_version version;
};

struct thread {
    uint32_t incarnation; /* of the redo thread; 0: not followed yet */
    lg_lsn pos;           /* next record */
    struct change *changes;
    size_t first, count, cap; /* [first, count) */
};

struct sim_redo {
    struct thread thread[SIM_MAX_NODES];
    lg_map *open; /* key + 1 -> (version): let go of, and not yet seen on disk */
    uint8_t *buffer;
};

static struct sim_redo *
state_of(sim_world *w)
{
    if (!w->redo) {
        w->redo = lg_zalloc(sizeof *w->redo);
        w->redo->open = lg_map_create();
        w->redo->buffer = lg_alloc(AT_ONCE + LG_REDO_PAGE_BYTES);
    }
    return w->redo;
}

static lg_redo *
redo_of(const sim_world *w, unsigned node)
{
    lg_buf_cache *c = w->node[node].heap ? w->kind->cache(&w->node[node]) : NULL;
    return c ? lg_buf_redo(c) : NULL;
}

/* ---- following a thread ---- */

static void
remember(struct thread *t, lg_lsn lsn, const lg_redo_change *c)
{
    if (t->count == t->cap && t->first > t->cap / 2) {
        memmove(t->changes, t->changes + t->first, (t->count - t->first) * sizeof *t->changes);
        t->count -= t->first;
        t->first = 0;
    }
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 4096;
        t->changes = lg_realloc(t->changes, t->cap * sizeof *t->changes);
    }
    t->changes[t->count++] = (struct change){lsn, lg_addr_key(c->addr), c->after};
}

/* Stream bytes [from, to) of the ring; from is on a sector. */
static void
stream_read(sim_world *w, const lg_redo *r, lg_lsn from, lg_lsn to, uint8_t *buf)
{
    const char *name = sim_disk_name(r->area.disk_index);
    while (from < to) {
        uint64_t at = from % r->ring_bytes, len = r->ring_bytes - at;
        len = len < to - from ? len : to - from;
        lg_sim_disk_peek(w->sim, name, r->area.log_offset + at, buf, len);
        buf += len;
        from += len;
    }
}

/* One record at p; its length, 0: no whole one. */
static uint32_t
take_record(struct thread *t, const uint8_t *p, size_t left)
{
    const lg_redo_record_header *h = (const void *)p;
    uint32_t pos = 0;
    lg_redo_change c;
    if (left < sizeof *h || h->lsn != t->pos || h->incarnation != t->incarnation || h->len > left)
        return 0;
    while (lg_redo_change_next(h, &pos, &c) == LG_OK)
        remember(t, h->lsn, &c);
    return h->len;
}

static void
follow(sim_world *w, const lg_redo *r, struct thread *t)
{
    struct sim_redo *s = w->redo;
    while (t->pos < r->flushed) {
        lg_lsn from = t->pos / 512 * 512, to = r->flushed;
        if (to - from > AT_ONCE)
            to = from + AT_ONCE;
        stream_read(w, r, from, to, s->buffer);
        lg_lsn began = t->pos;
        while (t->pos < to) {
            const uint8_t *p = s->buffer + (t->pos - from);
            uint64_t mark;
            memcpy(&mark, p, sizeof mark);
            if (t->pos % r->align && mark == lg_redo__pad_mark(t->pos, t->incarnation)) {
                t->pos = lg_redo__align_up(t->pos, r->align);
                continue;
            }
            uint32_t len = take_record(t, p, to - t->pos);
            if (!len)
                break;
            t->pos += len;
        }
        if (t->pos == began) /* the next record is not there as a whole */
            return;
    }
}

/* ---- what is let go of ---- */

static void
let_go(sim_world *w, const struct change *c)
{
    uintptr_t have = (uintptr_t)lg_map_get(w->redo->open, c->key + 1);
    if (c->version > have)
        (void)lg_map_put(w->redo->open, c->key + 1, (void *)(uintptr_t)c->version);
}

static void
let_go_until(sim_world *w, struct thread *t, lg_lsn checkpoint)
{
    while (t->first < t->count && t->changes[t->first].lsn < checkpoint)
        let_go(w, &t->changes[t->first++]);
}

static lg_volume *
any_volume(const sim_world *w)
{
    for (unsigned i = 1; i <= w->node_count; i++)
        if (redo_of(w, i))
            return lg_buf_volume(w->kind->cache(&w->node[i]));
    return NULL;
}

/* A file that is being dropped is written no more. Who changed the table has it in his cache. */
static bool
dropped(sim_world *w, lg_volume *v, uint32_t file)
{
    static uint8_t image[SIM_BLOCK_BYTES];
    uint32_t off, entry;
    lg_addr table = lg_vol_table_addr(v, file, &off);
    lg_volume_place p;
    lg_addr none;
    for (unsigned i = 1; i <= w->node_count; i++) {
        lg_buf_cache *c = sim_is_member(w, i) ? w->kind->cache(&w->node[i]) : NULL;
        lg_buf *b = c ? lg_buf_find(c, table) : NULL;
        if (!b)
            continue;
        memcpy(&entry, b->data + off, 4);
        bool gone = b->valid && b->mode != LG_MODE_N && (entry & LG_VOL_TABLE_DROPPING);
        lg_buf_unpin(c, b);
        if (gone)
            return true;
    }
    if (lg_volume_locate(v, table, &p, &none) != LG_OK)
        return false;
    lg_sim_disk_peek(w->sim, sim_disk_name(p.disk_index), p.offset, image, sizeof image);
    memcpy(&entry, image + off, 4);
    return (entry & LG_VOL_TABLE_DROPPING) != 0;
}

/* A dead dropper's table entry may be in its redo only: wait for recovery. */
static bool
quiet_cluster(const sim_world *w)
{
    for (unsigned i = 1; i <= w->node_count; i++)
        if (sim_is_member(w, i) && !w->kind->settled(&w->node[i]))
            return false;
    return w->members != 0;
}

enum seen { ON_DISK, LATER, MISSING };

static enum seen
look(sim_world *w, lg_volume *v, lg_addr addr, lg_version version, lg_version *ret_found)
{
    static uint8_t image[SIM_BLOCK_BYTES];
    lg_volume_place p;
    lg_addr none;
    lg_status st = lg_volume_locate(v, addr, &p, &none);
    if (st != LG_OK)
        return st == LG_INVALID ? ON_DISK : LATER;
    lg_sim_disk_peek_durable(w->sim, sim_disk_name(p.disk_index), p.offset, image, sizeof image);
    if (lg_block_verify(image, sizeof image, addr) != LG_OK)
        return LATER;
    *ret_found = lg_block_version(image);
    if (*ret_found >= version)
        return ON_DISK;
    if (addr.file == 0)
        return MISSING;
    return dropped(w, v, addr.file) ? ON_DISK : quiet_cluster(w) ? MISSING : LATER;
}

static void
check_open(sim_world *w)
{
    enum { MOST = 512 };
    uint64_t key, done[MOST];
    unsigned n = 0;
    size_t pos = 0;
    void *value;
    lg_volume *v = any_volume(w);
    while (v && n < MOST && lg_map_next(w->redo->open, &pos, &key, &value)) {
        lg_addr addr = lg_addr_from_key(key - 1);
        lg_version version = (uintptr_t)value, found = 0;
        enum seen seen = look(w, v, addr, version, &found);
        if (seen == MISSING)
            sim_fail(w,
                     "block %u.%u: redo up to version %llx was let go of, the disk has %llx only",
                     addr.file, addr.block, (unsigned long long)version, (unsigned long long)found);
        if (seen != LATER)
            done[n++] = key;
    }
    while (n > 0)
        (void)lg_map_remove(w->redo->open, done[--n]);
}

/* ---- face ---- */

void
sim_check_redo(sim_world *w)
{
    lg_heap *outer = lg_heap_switch(NULL);
    struct sim_redo *s = state_of(w);
    for (unsigned i = 1; i <= w->node_count; i++) {
        lg_redo *r = redo_of(w, i);
        struct thread *t = &s->thread[i - 1];
        if (!r || r->header.state != LG_REDO_OPEN)
            continue;
        if (t->incarnation != r->header.incarnation) {
            let_go_until(w, t, LG_LSN_MAX); /* recovered: all of the earlier life is let go of */
            t->incarnation = r->header.incarnation;
            t->pos = r->header.checkpoint;
        }
        follow(w, r, t);
        let_go_until(w, t, r->header.checkpoint);
    }
    check_open(w);
    (void)lg_heap_switch(outer);
}

void
sim_check_redo_end(sim_world *w)
{
    if (!w->redo)
        return;
    for (unsigned i = 0; i < SIM_MAX_NODES; i++)
        lg_free(w->redo->thread[i].changes);
    lg_map_destroy(w->redo->open);
    lg_free(w->redo->buffer);
    lg_free(w->redo);
}
