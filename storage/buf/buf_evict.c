/* Finding frames: the free list, then victims, then writing dirty blocks to make victims. */
#include "buf_internal.h"
#include "assert.h"
#include "hash.h"

#define WRITE_AT_ONCE 64

static lg_buf *
frame_bind(lg_buf_cache *c, lg_addr addr)
{
    lg_buf *f = &c->frames[c->free];
    c->free = f->hash_next;
    c->free_count--;
    uint8_t *data = f->data;
    *f = (lg_buf){.addr = addr, .data = data, .rec_lsn = LG_LSN_NONE, .pins = 1};
    lg_latch_init(&f->latch, LG_BUF_LATCH_RANK);
    lg_waitq_init(&f->convq);
    lg_waitq_init(&f->idleq);
    lg_list_init(&f->dirty_link);
    uint32_t bucket = (uint32_t)lg_hash_u64(lg_addr_key(addr)) & c->hash_mask;
    f->hash_next = c->hash[bucket];
    c->hash[bucket] = lg_buf__number(c, f);
    c->policy->filled(c->policy_state, lg_buf__number(c, f));
    return f;
}

void
lg_buf__frame_free(lg_buf_cache *c, lg_buf *f)
{
    LG_ASSERT(f->pins == 0 && f->users == 0 && f->rec_lsn == LG_LSN_NONE);
    LG_ASSERT(f->mode == LG_MODE_N && !f->converting && !f->revoking && !f->writing);
    LG_ASSERT(lg_waitq_empty(&f->convq) && lg_latch_idle(&f->latch));
    lg_buf__hash_remove(c, f);
    c->policy->emptied(c->policy_state, lg_buf__number(c, f));
    f->addr = LG_ADDR_NONE;
    f->hash_next = c->free;
    c->free = lg_buf__number(c, f);
    c->free_count++;
    lg_waitq_wake_one(&c->freeq);
}

static bool
in_hash(const lg_buf *f)
{
    return f->addr.block != UINT32_MAX || f->addr.file != 0;
}

static bool
can_go(const lg_buf *f)
{
    return f->pins == 0 && f->users == 0 && f->rec_lsn == LG_LSN_NONE && !f->converting &&
           !f->revoking && !f->evicting && !f->writing && lg_waitq_empty(&f->convq);
}

lg_status
lg_buf__mode_release(lg_buf_cache *c, lg_buf *f)
{
    lg_coherence *co = &c->cfg.coherence;
    LG_ASSERT(f->pins > 0 && f->users == 0 && !f->evicting);
    f->evicting = true;
    lg_status st = f->mode == LG_MODE_N ? LG_OK : co->ops->release(co->self, f);
    f->evicting = false;
    if (st == LG_OK) {
        f->mode = LG_MODE_N;
        f->valid = false;
        f->mode_epoch++;
    }
    lg_waitq_wake_all(&f->convq);
    return st;
}

lg_status
lg_buf__frame_evict(lg_buf_cache *c, lg_buf *f)
{
    if (!in_hash(f) || !can_go(f))
        return LG_NOT_FOUND;
    f->pins++;
    lg_status st = lg_buf__mode_release(c, f);
    f->pins--;
    LG_TRY(st);
    lg_stat_inc(c->stats, LG_STAT_BUFFERS_EVICTED);
    if (can_go(f) && f->mode == LG_MODE_N)
        lg_buf__frame_free(c, f);
    return LG_OK;
}

/* LG_OK: a frame may be free now. LG_NOT_FOUND: no clean unused frame. Blocks the fiber. */
static lg_status
evict_one(lg_buf_cache *c)
{
    for (uint32_t i = 0; i < 2 * c->frame_count; i++) {
        lg_buf *f = &c->frames[c->policy->candidate(c->policy_state)];
        lg_status st = lg_buf__frame_evict(c, f);
        if (st != LG_NOT_FOUND)
            return st;
    }
    return LG_NOT_FOUND;
}

static lg_status
make_room(lg_buf_cache *c)
{
    lg_status st = evict_one(c);
    if (st == LG_NOT_FOUND)
        st = lg_buf__write_some(c, WRITE_AT_ONCE);
    if (st == LG_NOT_FOUND) { /* all in use, or past images: their holders were asked to write */
        st =
            lg_waitq_wait(&c->freeq, LG_WAIT_FREE_BUFFER, lg_run_now_ns(c->cfg.run) + LG_MS, false);
        if (st == LG_TIMEOUT)
            st = LG_OK;
    }
    return st;
}

lg_status
lg_buf__frame_take(lg_buf_cache *c, lg_addr addr, lg_buf **ret)
{
    for (;;) {
        lg_buf *f = lg_buf__lookup(c, addr);
        if (f) {
            f->pins++;
            *ret = f;
            return LG_OK;
        }
        if (c->free_count > 0) {
            *ret = frame_bind(c, addr);
            return LG_OK;
        }
        LG_TRY(make_room(c));
    }
}
