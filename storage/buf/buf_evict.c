/* Finding frames: the free list, then victims, then writing dirty blocks to make victims. */
#include "buf_internal.h"
#include "assert.h"
#include "hash.h"

#define WRITE_AT_ONCE 64

static struct lg_buf__frame *
frame_bind(lg_buf_cache *c, lg_addr addr)
{
    struct lg_buf__frame *f = c->free;
    c->free = f->hash_next;
    c->free_count--;
    uint8_t *data = f->b.data;
    f->b = (lg_buf){.addr = addr, .data = data, .rec_lsn = LG_LSN_NONE, .pins = 1};
    lg_latch_init(&f->b.latch, LG_BUF_LATCH_RANK);
    lg_waitq_init(&f->b.convq);
    lg_waitq_init(&f->b.idleq);
    f->mode_epoch = 0;
    f->reading = f->writing = f->evicting = f->used = false;
    f->next_rec_lsn = LG_LSN_NONE;
    uint32_t bucket = (uint32_t)lg_hash_u64(lg_addr_key(addr)) & c->hash_mask;
    f->hash_next = c->hash[bucket];
    c->hash[bucket] = f;
    c->policy->filled(c->policy_state, f->number);
    return f;
}

void
lg_buf__frame_free(lg_buf_cache *c, struct lg_buf__frame *f)
{
    LG_ASSERT(f->b.pins == 0 && f->b.users == 0 && f->b.rec_lsn == LG_LSN_NONE);
    LG_ASSERT(f->b.mode == LG_MODE_N && !f->b.converting && !f->b.revoking && !f->writing);
    LG_ASSERT(lg_waitq_empty(&f->b.convq) && lg_latch_idle(&f->b.latch));
    lg_buf__hash_remove(c, f);
    c->policy->emptied(c->policy_state, f->number);
    f->b.addr = LG_ADDR_NONE;
    f->hash_next = c->free;
    c->free = f;
    c->free_count++;
    lg_waitq_wake_one(&c->freeq);
}

static bool
in_hash(const struct lg_buf__frame *f)
{
    return f->b.addr.block != UINT32_MAX || f->b.addr.file != 0;
}

static bool
can_go(const struct lg_buf__frame *f)
{
    return f->b.pins == 0 && f->b.users == 0 && f->b.rec_lsn == LG_LSN_NONE && !f->b.converting &&
           !f->b.revoking && !f->evicting && !f->writing && lg_waitq_empty(&f->b.convq);
}

lg_status
lg_buf__mode_release(lg_buf_cache *c, struct lg_buf__frame *f)
{
    lg_coherence *co = &c->cfg.coherence;
    LG_ASSERT(f->b.pins > 0 && f->b.users == 0 && !f->evicting);
    f->evicting = true;
    lg_status st = f->b.mode == LG_MODE_N ? LG_OK : co->ops->release(co->self, &f->b);
    f->evicting = false;
    if (st == LG_OK) {
        f->b.mode = LG_MODE_N;
        f->b.valid = false;
        f->mode_epoch++;
    }
    lg_waitq_wake_all(&f->b.convq);
    return st;
}

lg_status
lg_buf__frame_evict(lg_buf_cache *c, struct lg_buf__frame *f)
{
    if (!in_hash(f) || !can_go(f))
        return LG_NOT_FOUND;
    f->b.pins++;
    lg_status st = lg_buf__mode_release(c, f);
    f->b.pins--;
    LG_TRY(st);
    lg_stat_inc(c->stats, LG_STAT_BUFFERS_EVICTED);
    if (can_go(f) && f->b.mode == LG_MODE_N)
        lg_buf__frame_free(c, f);
    return LG_OK;
}

/* LG_OK: a frame may be free now. LG_NOT_FOUND: no clean unused frame. Blocks the fiber. */
static lg_status
evict_one(lg_buf_cache *c)
{
    for (uint32_t i = 0; i < 2 * c->frame_count; i++) {
        struct lg_buf__frame *f = &c->frames[c->policy->candidate(c->policy_state)];
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
lg_buf__frame_take(lg_buf_cache *c, lg_addr addr, struct lg_buf__frame **ret)
{
    for (;;) {
        struct lg_buf__frame *f = lg_buf__lookup(c, addr);
        if (f) {
            f->b.pins++;
            *ret = f;
            return LG_OK;
        }
        if (c->free) {
            *ret = frame_bind(c, addr);
            return LG_OK;
        }
        LG_TRY(make_room(c));
    }
}
