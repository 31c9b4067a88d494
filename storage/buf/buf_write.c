/* Writing dirty blocks to their places.
 *
 * A batch takes private sealed copies (no latch is held during I/O), makes the redo of all of them
 * durable (WAL rule), and goes through the double-write area. A frame being written counts as
 * used, so its mode cannot leave before the write is done (invariant 4). When it was changed
 * meanwhile it stays dirty from the first change after the copy (next_rec_lsn). */
#include "buf_internal.h"
#include "assert.h"
#include <string.h>

/* ---- the dirty list: ordered by rec_lsn, dirty blocks and past images ---- */

static void
dirty_list_insert(lg_buf_cache *c, lg_buf *f)
{
    lg_list *at = c->dirty.prev;
    while (at != &c->dirty && LG_CONTAINER_OF(at, lg_buf, dirty_link)->rec_lsn > f->rec_lsn)
        at = at->prev;
    lg_list_insert_after(at, &f->dirty_link);
}

/* Changed while a copy is on its way to disk: the first change counts. */
static void
changed_since_copy(lg_buf_cache *c, const lg_buf *f, lg_lsn rec_lsn)
{
    for (uint32_t i = 0; i < c->batch_count; i++) {
        lg_buf__write *w = &c->batch[i];
        if (w->b != f)
            continue;
        if (w->next_rec_lsn == LG_LSN_NONE)
            w->next_rec_lsn = rec_lsn;
        return;
    }
    LG_UNREACHABLE();
}

void
lg_buf__mark_dirty(lg_buf_cache *c, lg_buf *f, lg_lsn rec_lsn)
{
    if (__builtin_expect(f->writing, 0))
        changed_since_copy(c, f, rec_lsn);
    f->dirty = true;
    f->pi = false; /* from now on we write it ourselves; rec_lsn keeps the checkpoint back */
    if (f->rec_lsn != LG_LSN_NONE)
        return;
    f->rec_lsn = rec_lsn;
    dirty_list_insert(c, f);
}

void
lg_buf__rec_lsn_drop(lg_buf *f)
{
    if (f->dirty || f->pi)
        return;
    f->rec_lsn = LG_LSN_NONE;
    lg_list_remove(&f->dirty_link);
}

void
lg_buf__mark_clean(lg_buf *f)
{
    f->dirty = false;
    lg_buf__rec_lsn_drop(f);
}

lg_lsn
lg_buf_oldest_rec_lsn(const lg_buf_cache *c)
{
    if (lg_list_empty(&c->dirty))
        return LG_LSN_MAX;
    return LG_CONTAINER_OF(c->dirty.next, lg_buf, dirty_link)->rec_lsn;
}

/* ---- a batch ---- */

static void
batch_begin(lg_buf_cache *c)
{
    while (c->write_busy)
        (void)!lg_waitq_wait(&c->writeq, LG_WAIT_DB_FILE_WRITE, LG_FOREVER, false);
    c->write_busy = true;
}

static void
batch_end(lg_buf_cache *c)
{
    c->write_busy = false;
    lg_waitq_wake_all(&c->writeq);
}

enum take { TAKEN, BUSY, UNLOCATED, DROPPED };

/* Takes a copy of the frame into the batch. Never blocks. */
static enum take
batch_take(lg_buf_cache *c, lg_buf *f, uint32_t i)
{
    lg_dwb_block *w = &c->batch_blocks[i];
    lg_addr map_block;
    if (f->writing || f->revoking || f->evicting || f->reading)
        return BUSY;
    lg_status st = lg_volume_locate(c->cfg.volume, f->addr, &w->place, &map_block);
    if (st != LG_OK)
        return st == LG_NOT_FOUND ? UNLOCATED : DROPPED;
    if (!lg_latch_try(&f->latch, LG_LATCH_S))
        return BUSY;
    uint8_t *copy = c->staging + (size_t)i * c->block_bytes;
    memcpy(copy, f->data, c->block_bytes);
    lg_latch_release(&f->latch, LG_LATCH_S);
    lg_block_seal(copy, c->block_bytes);
    w->image = copy;
    f->users++;
    f->pins++;
    f->writing = true;
    c->batch[i] = (lg_buf__write){f, lg_block_version(copy), LG_LSN_NONE};
    c->batch_count = i + 1;
    LG_ASSERT(c->batch[i].version >= f->disk_version);
    return TAKEN;
}

static void
written(lg_buf_cache *c, const lg_buf__write *w)
{
    lg_buf *b = w->b;
    b->disk_version = w->version;
    if (b->pi && b->pi_version <= w->version)
        b->pi = false;
    if (b->rec_lsn != LG_LSN_NONE) {
        lg_list_remove(&b->dirty_link);
        /* The duty to write may also have come from a peer meanwhile, for this very version. */
        b->dirty = lg_block_version(b->data) != w->version;
        LG_ASSERT(!b->dirty || w->next_rec_lsn != LG_LSN_NONE);
        if (b->dirty)
            b->rec_lsn = w->next_rec_lsn;
        if (b->dirty || b->pi)
            dirty_list_insert(c, b);
        else
            b->rec_lsn = LG_LSN_NONE;
    }
    c->cfg.coherence.ops->written(c->cfg.coherence.self, b->addr, w->version);
}

/* Writes the n copies of the batch. Blocks the fiber. */
static lg_status
batch_write(lg_buf_cache *c, uint32_t n)
{
    lg_lsn redo_end = 0;
    for (uint32_t i = 0; i < n; i++)
        if (c->batch[i].b->last_lsn > redo_end)
            redo_end = c->batch[i].b->last_lsn;
    lg_status st = c->cfg.redo ? lg_redo_flush(c->cfg.redo, redo_end) : LG_OK;
    if (st == LG_OK)
        st = lg_dwb_write(c->cfg.dwb, c->batch_blocks, n);
    if (st != LG_OK && c->cfg.redo && lg_dwb_broken(c->cfg.dwb) != LG_OK)
        lg_redo_give_up(c->cfg.redo, st);
    for (uint32_t i = 0; i < n; i++) {
        lg_buf *f = c->batch[i].b;
        f->writing = false;
        if (st == LG_OK)
            written(c, &c->batch[i]);
        lg_buf__user_leaves(f);
        lg_waitq_wake_all(&f->convq);
    }
    return st;
}

static void
demand(lg_buf_cache *c, lg_buf *f)
{
    c->cfg.coherence.ops->demand_write(c->cfg.coherence.self, f->addr, f->pi_version);
}

struct collected {
    uint32_t taken;
    lg_addr busy; /* the oldest that could not be taken now */
    lg_addr unlocated;
    bool any_busy, any_unlocated;
};

static struct collected
collect(lg_buf_cache *c, lg_lsn up_to, uint32_t most)
{
    struct collected r = {0};
    LG_LIST_FOREACH_SAFE (at, &c->dirty) {
        lg_buf *f = LG_CONTAINER_OF(at, lg_buf, dirty_link);
        if (f->rec_lsn >= up_to || r.taken == most)
            break;
        if (f->pi && !f->dirty) {
            demand(c, f);
            continue;
        }
        LG_ASSERT(f->dirty && f->mode >= LG_MODE_S && f->valid);
        switch (batch_take(c, f, r.taken)) {
        case TAKEN:
            r.taken++;
            break;
        case BUSY:
            if (!r.any_busy)
                r.busy = f->addr;
            r.any_busy = true;
            break;
        case UNLOCATED:
            r.unlocated = f->addr;
            r.any_unlocated = true;
            break;
        case DROPPED: /* its file is gone: nobody will ever read it */
            lg_buf__mark_clean(f);
            break;
        }
    }
    return r;
}

/* Waits until a block that was latched or on its way elsewhere may be free. */
static lg_status
wait_busy(lg_buf_cache *c, lg_addr addr)
{
    lg_buf *f = lg_buf__lookup(c, addr);
    if (!f)
        return LG_OK;
    f->pins++;
    if (f->writing || f->revoking || f->evicting || f->reading) {
        lg_status st = lg_waitq_wait(&f->convq, LG_WAIT_BUFFER_BUSY,
                                     lg_run_now_ns(c->cfg.run) + 10 * LG_MS, false);
        (void)st; /* looked at again either way */
    } else {
        lg_latch_acquire(&f->latch, LG_LATCH_S, LG_WAIT_BUFFER_BUSY);
        lg_latch_release(&f->latch, LG_LATCH_S);
    }
    f->pins--;
    return LG_OK;
}

/* LG_INVALID: its file is being dropped; nobody will ever read the block, nothing is to be written.
 */
static lg_status
locate_or_drop(lg_buf_cache *c, lg_addr addr)
{
    lg_volume_place place;
    lg_status st = lg_buf_locate(c, addr, &place);
    lg_buf *f = st == LG_INVALID ? lg_buf__lookup(c, addr) : NULL;
    if (f && f->dirty && !f->writing)
        lg_buf__mark_clean(f);
    return st;
}

/* One round. LG_NOT_FOUND: there was nothing to write. */
static lg_status
write_round(lg_buf_cache *c, lg_lsn up_to, uint32_t most, uint32_t *ret_written, bool wait_for_busy)
{
    batch_begin(c);
    struct collected r = collect(c, up_to, most < c->batch_max ? most : c->batch_max);
    lg_status st = r.taken ? batch_write(c, r.taken) : LG_NOT_FOUND;
    batch_end(c);
    *ret_written = st == LG_OK ? r.taken : 0;
    if (st != LG_NOT_FOUND)
        return st;
    if (r.any_unlocated) {
        st = locate_or_drop(c, r.unlocated);
        return st == LG_INVALID ? LG_OK : st;
    }
    return r.any_busy && wait_for_busy ? wait_busy(c, r.busy) : LG_NOT_FOUND;
}

lg_status
lg_buf_write_dirty(lg_buf_cache *c, lg_lsn up_to, uint32_t max_blocks, uint32_t *ret_written)
{
    uint32_t total = 0;
    lg_status st = LG_OK;
    while (st == LG_OK && total < max_blocks) {
        uint32_t n;
        st = write_round(c, up_to, max_blocks - total, &n, true);
        total += n;
    }
    if (ret_written)
        *ret_written = total;
    return st == LG_NOT_FOUND ? LG_OK : st;
}

lg_status
lg_buf__write_some(lg_buf_cache *c, uint32_t most)
{
    uint32_t n;
    return write_round(c, LG_LSN_MAX, most, &n, false);
}

/* TAKEN: in the batch at i. DROPPED: nothing to write; *ret_held says whether we hold it. */
static enum take
take_one(lg_buf_cache *c, lg_addr addr, uint32_t i, bool *ret_held)
{
    lg_buf *f = lg_buf__lookup(c, addr);
    *ret_held = f && f->mode >= LG_MODE_S;
    if (!*ret_held || f->reading)
        return *ret_held ? BUSY : DROPPED;
    if (!f->valid) {
        *ret_held = false; /* our read failed: nothing of it is ours to write */
        return DROPPED;
    }
    if (f->writing)
        return BUSY;
    if (!f->dirty && f->disk_version == lg_block_version(f->data))
        return DROPPED;
    return batch_take(c, f, i);
}

/* Writes addrs[0..*ret_done) as far as they can be taken at once; at least one, waiting for it. */
static lg_status
write_listed(lg_buf_cache *c, const lg_addr *addrs, uint32_t count, uint32_t *ret_done,
             bool *ret_held)
{
    uint32_t taken = 0, i = 0;
    enum take t = DROPPED;
    batch_begin(c);
    for (; i < count && taken < c->batch_max; i++) {
        t = take_one(c, addrs[i], taken, ret_held);
        if (t == TAKEN)
            taken++;
        else if (t != DROPPED)
            break;
    }
    lg_status st = taken ? batch_write(c, taken) : LG_OK;
    batch_end(c);
    *ret_done = i;
    if (st != LG_OK || i > 0)
        return st;
    if (t == BUSY)
        return wait_busy(c, addrs[0]);
    st = locate_or_drop(c, addrs[0]);
    *ret_done = st == LG_INVALID; /* passed over */
    return st == LG_INVALID ? LG_OK : st;
}

lg_status
lg_buf_write_blocks(lg_buf_cache *c, const lg_addr *addrs, uint32_t count)
{
    bool held;
    while (count > 0) {
        uint32_t done;
        LG_TRY(write_listed(c, addrs, count, &done, &held));
        addrs += done;
        count -= done;
    }
    return LG_OK;
}

/* ---- one block, for a peer: those who come while a batch is on its way go into the next one ----
 */

struct want {
    lg_list link; /* in cache->wants until done */
    lg_addr addr;
    bool done, held;
    lg_status status;
};

static struct want *
want_of(lg_list *link)
{
    return LG_CONTAINER_OF(link, struct want, link);
}

static void
want_done(struct want *w, lg_status st)
{
    w->status = st;
    w->done = true;
}

static void
wants_fail(lg_buf_cache *c, lg_addr addr, lg_status why)
{
    LG_LIST_FOREACH_SAFE (at, &c->wants) {
        if (lg_addr_key(want_of(at)->addr) != lg_addr_key(addr))
            continue;
        lg_list_remove(at);
        want_done(want_of(at), why);
    }
}

/* One batch of all that is wanted; when none of it can be written now, waits for the first. */
static void
serve_wants(lg_buf_cache *c)
{
    uint32_t taken = 0;
    lg_list writing;
    struct want *stuck = NULL;
    enum take why = BUSY;
    lg_list_init(&writing);
    batch_begin(c);
    LG_LIST_FOREACH_SAFE (at, &c->wants) {
        struct want *w = want_of(at);
        if (taken == c->batch_max)
            break;
        enum take t = take_one(c, w->addr, taken, &w->held);
        if (t == TAKEN || t == DROPPED)
            lg_list_remove(&w->link);
        if (t == TAKEN) {
            lg_list_push_back(&writing, &w->link);
            taken++;
        } else if (t == DROPPED) {
            want_done(w, w->held ? LG_OK : LG_NOT_FOUND);
        } else if (!stuck) {
            stuck = w;
            why = t;
        }
    }
    lg_addr addr = stuck ? stuck->addr : LG_ADDR_NONE;
    lg_status st = taken ? batch_write(c, taken) : LG_OK;
    for (lg_list *l; (l = lg_list_pop_front(&writing));)
        want_done(want_of(l), st);
    batch_end(c);
    if (taken || !stuck)
        return; /* each has its own status */
    st = why == BUSY ? wait_busy(c, addr) : locate_or_drop(c, addr);
    if (st != LG_OK)
        wants_fail(c, addr, st);
}

lg_status
lg_buf_write_one(lg_buf_cache *c, lg_addr addr)
{
    struct want w = {.addr = addr};
    lg_list_push_back(&c->wants, &w.link);
    while (!w.done) {
        if (c->write_busy)
            (void)!lg_waitq_wait(&c->writeq, LG_WAIT_DB_FILE_WRITE, LG_FOREVER, false);
        else
            serve_wants(c);
    }
    return w.status;
}
