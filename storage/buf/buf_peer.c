/* What the coherence implementation does with buffers on behalf of peers: install, grant, revoke,
 * and what
 * reconfiguration asks. */
#include "buf_internal.h"
#include "assert.h"
#include <string.h>

#define CROWD_HOLDS 4u

lg_buf *
lg_buf_find(lg_buf_cache *c, lg_addr addr)
{
    lg_buf *f = lg_buf__lookup(c, addr);
    if (!f)
        return NULL;
    f->pins++;
    return f;
}

void
lg_buf_unpin(lg_buf_cache *c, lg_buf *b)
{
    (void)c;
    LG_ASSERT(b->pins > 0);
    b->pins--;
}

lg_status
lg_buf_install(lg_buf_cache *c, lg_buf *b, const void *image, bool dirty)
{
    lg_buf *f = b;
    LG_TRY(lg_block_verify(image, c->block_bytes, b->addr));
    lg_version arrived = lg_block_version(image);
    lg_version have = b->valid ? lg_block_version(b->data) : 0;
    if (arrived < have || (b->pi && arrived < b->pi_version))
        return LG_CORRUPT; /* invariant 3: versions never go back */
    if (!b->valid || arrived != have) {
        LG_ASSERT(b->users == 0 || (f->writing && b->users == 1));
        memcpy(b->data, image, c->block_bytes);
        b->valid = true;
    }
    lg_scn_observe(c->cfg.clock, lg_version_scn(arrived));
    if (dirty && (!b->dirty || f->writing))
        lg_buf__mark_dirty(c, f, c->cfg.redo ? lg_redo_end(c->cfg.redo) : 0);
    return LG_OK;
}

lg_status
lg_buf_recovered(lg_buf_cache *c, lg_addr addr, const void *image)
{
    lg_buf *f = lg_buf__lookup(c, addr);
    if (!f || f->mode != LG_MODE_X || f->converting)
        return LG_NOT_FOUND;
    f->pins++;
    while (f->writing || f->users > 0) { /* the image it began with, on its way to disk */
        lg_waitq *q = f->users > 0 ? &f->idleq : &f->convq;
        (void)!lg_waitq_wait(q, LG_WAIT_BUFFER_BUSY, LG_FOREVER, false);
    }
    lg_status st = f->mode == LG_MODE_X ? lg_buf_install(c, f, image, true) : LG_NOT_FOUND;
    f->pins--;
    return st;
}

bool
lg_buf_adopt(lg_buf_cache *c, lg_buf *b)
{
    if (b->mode < LG_MODE_S || !b->valid || b->evicting)
        return false;
    if (!b->dirty && b->disk_version != lg_block_version(b->data))
        lg_buf__mark_dirty(c, b, c->cfg.redo ? lg_redo_end(c->cfg.redo) : 0);
    return true;
}

void
lg_buf_granted(lg_buf_cache *c, lg_buf *b, lg_mode mode)
{
    LG_ASSERT(mode >= b->mode);
    b->mode = mode;
    b->granted_at = lg_run_now_ns(c->cfg.run);
    b->used = false;
}

/* ---- revoke ---- */

/* Until when the block stays: a grant that was not used yet for the minimum hold; X for which several
 * fibers had waited for CROWD_HOLDS of it, so that all of them have their turn, and those who come
 * meanwhile. A block that everybody wants travels less often so; what one fiber wants leaves at once. */
static lg_time
held_until(const lg_buf_cache *c, const lg_buf *f)
{
    lg_time hold = c->cfg.min_hold_us * 1000ULL;
    if (f->crowd && f->mode == LG_MODE_X)
        return f->granted_at + CROWD_HOLDS * hold;
    return f->used || f->users > 0 ? 0 : f->granted_at + hold;
}

/* Waits for the turn of this revoker: the minimum hold of a grant, another revoker, a disk read.
 * LG_OK: nothing of that now. An eviction is not waited for: its release may itself be
 * waiting for the master that sent us. f is pinned. */
static lg_status
revoke_turn(lg_buf_cache *c, lg_buf *f, lg_mode to)
{
    for (;;) {
        if (f->mode <= to)
            return LG_NOT_FOUND;
        lg_time until = held_until(c, f);
        if (f->revoking || f->reading)
            LG_TRY(lg_waitq_wait(&f->convq, LG_WAIT_GC_BUFFER_BUSY_RELEASE, LG_FOREVER, false));
        else if (lg_run_now_ns(c->cfg.run) < until)
            LG_TRY(lg_fiber_sleep_until(until, LG_WAIT_GC_BUFFER_BUSY_RELEASE));
        else
            return LG_OK;
    }
}

/* Nobody uses the frame and nobody can begin to: revoking is set. */
static lg_status
step_down(lg_buf_cache *c, lg_buf *f, lg_mode to, void *ret_image, bool *ret_dirty,
          lg_version *ret_version)
{
    lg_buf *b = f;
    lg_time waited = 0;
    c->revoke_flush_ns = 0;
    if (b->mode <= to)
        return LG_NOT_FOUND;
    if (!b->valid) {
        LG_ASSERT(!b->dirty);
        b->mode = to;
        f->mode_epoch++;
        return LG_READ_DISK;
    }
    if ((ret_image || b->dirty) && c->cfg.redo && b->last_lsn > lg_redo_flushed(c->cfg.redo)) {
        lg_time began = lg_run_now_exact_ns(c->cfg.run);
        LG_TRY(lg_redo_flush(c->cfg.redo, b->last_lsn)); /* invariant 1 */
        waited = lg_run_now_exact_ns(c->cfg.run) - began;
    }
    LG_ASSERT(b->users == 0 && b->mode > to);
    lg_version version = lg_block_version(b->data);
    if (ret_image) {
        memcpy(ret_image, b->data, c->block_bytes);
        lg_block_seal(ret_image, c->block_bytes);
    }
    c->revoke_flush_ns = waited;
    if (ret_dirty)
        *ret_dirty = b->dirty;
    if (ret_version)
        *ret_version = version;
    b->mode = to;
    f->mode_epoch++;
    f->crowd = false;
    if (to != LG_MODE_N)
        return LG_OK;
    if (b->dirty) {
        b->dirty = false;
        b->pi = true;
        b->pi_version = version;
    }
    b->valid = b->pi;
    return LG_OK;
}

lg_status
lg_buf_revoke(lg_buf_cache *c, lg_addr addr, lg_mode to, void *ret_image, bool *ret_dirty,
              lg_version *ret_version)
{
    lg_buf *f = lg_buf__lookup(c, addr);
    if (!f)
        return LG_NOT_FOUND;
    f->pins++;
    lg_status st = revoke_turn(c, f, to);
    if (st == LG_OK) {
        f->revoking = true;
        while (f->users > 0)
            (void)!lg_waitq_wait(&f->idleq, LG_WAIT_GC_BUFFER_BUSY_RELEASE, LG_FOREVER, false);
        st = step_down(c, f, to, ret_image, ret_dirty, ret_version);
        f->revoking = false;
        lg_waitq_wake_all(&f->convq);
    }
    f->pins--;
    return st;
}

lg_time
lg_buf_revoke_flush_ns(const lg_buf_cache *c)
{
    return c->revoke_flush_ns;
}

void
lg_buf_superseded(lg_buf_cache *c, lg_addr addr, lg_version version)
{
    lg_buf *f = lg_buf__lookup(c, addr);
    if (!f)
        return;
    lg_buf *b = f;
    if (version > b->disk_version && (!b->valid || version <= lg_block_version(b->data)))
        b->disk_version = version;
    if (!b->pi || version < b->pi_version)
        return;
    b->pi = false;
    if (b->mode == LG_MODE_N && !b->converting)
        b->valid = false;
    lg_buf__rec_lsn_drop(f);
}

/* ---- dropped files ---- */

static lg_buf *
find_of_file(lg_buf_cache *c, uint32_t file, uint32_t *from)
{
    for (uint32_t i = *from; i < c->frame_count; i++) {
        lg_buf *f = &c->frames[i];
        if (f->addr.file == file && f->addr.block != UINT32_MAX && file != 0) {
            *from = i;
            return f;
        }
    }
    return NULL;
}

static lg_status
drop_frame(lg_buf_cache *c, lg_buf *f, uint32_t file)
{
    f->pins++;
    while (f->users > 0 || f->converting || f->revoking || f->evicting || f->writing) {
        lg_waitq *q = f->users > 0 ? &f->idleq : &f->convq;
        (void)!lg_waitq_wait(q, LG_WAIT_BUFFER_BUSY, lg_run_now_ns(c->cfg.run) + 10 * LG_MS, false);
    }
    LG_ASSERT(f->addr.file == file);
    f->dirty = f->pi = false;
    lg_buf__rec_lsn_drop(f);
    lg_status st = lg_buf__mode_release(c, f);
    f->pins--;
    if (st == LG_OK && f->pins == 0 && f->mode == LG_MODE_N && f->rec_lsn == LG_LSN_NONE &&
        !f->converting && lg_waitq_empty(&f->convq))
        lg_buf__frame_free(c, f);
    return st;
}

lg_status
lg_buf_drop_file(lg_buf_cache *c, uint32_t file)
{
    uint32_t from = 0;
    lg_buf *f;
    LG_ASSERT(file != 0);
    while (c->gate) /* recovery may be about to write closed blocks of the file to their places */
        LG_TRY(lg_waitq_wait(&c->gateq, LG_WAIT_GC_RECOVERY, LG_FOREVER, false));
    /* First, without a yield since: what is read or written from here on has to locate its block
     * anew, and cannot. Writes under way are waited for below. */
    lg_volume_map_forget(c->cfg.volume, file);
    while ((f = find_of_file(c, file, &from))) {
        LG_TRY(drop_frame(c, f, file));
        from++; /* somebody else may hold a pin on it still: it is clean and in mode N */
    }
    return LG_OK;
}

/* ---- reconfiguration ---- */

void
lg_buf_visit(lg_buf_cache *c, lg_buf_visit_fn fn, void *arg)
{
    for (uint32_t i = 0; i < c->frame_count; i++) {
        lg_buf *b = &c->frames[i];
        if (b->mode != LG_MODE_N || b->pi)
            fn(arg, b);
    }
}

lg_status
lg_buf_image(lg_buf_cache *c, lg_addr addr, void *ret_image, lg_version *ret_version,
             bool *ret_current)
{
    lg_buf *f = lg_buf__lookup(c, addr);
    if (!f || !f->valid || (f->mode == LG_MODE_N && !f->pi) || f->reading)
        return LG_NOT_FOUND;
    if (c->cfg.redo && f->last_lsn > lg_redo_flushed(c->cfg.redo))
        return LG_WOULD_WAIT;
    if (ret_image) {
        memcpy(ret_image, f->data, c->block_bytes);
        lg_block_seal(ret_image, c->block_bytes);
    }
    *ret_version = lg_block_version(f->data);
    *ret_current = f->mode >= LG_MODE_S;
    return LG_OK;
}

void
lg_buf_set_gate(lg_buf_cache *c, bool (*blocked)(void *arg, lg_addr addr), void *arg)
{
    c->gate = blocked;
    c->gate_arg = arg;
    lg_waitq_wake_all(&c->gateq);
}

void
lg_buf_count(const lg_buf_cache *c, lg_buf_counts *ret)
{
    *ret = (lg_buf_counts){.frames = c->frame_count, .free = c->free_count};
    for (uint32_t i = 0; i < c->frame_count; i++) {
        const lg_buf *b = &c->frames[i];
        if (b->addr.block == UINT32_MAX && b->addr.file == 0)
            continue;
        ret->x += b->mode == LG_MODE_X;
        ret->s += b->mode == LG_MODE_S;
        ret->n += b->mode == LG_MODE_N;
        ret->pi += b->pi;
        ret->dirty += b->dirty;
    }
}
