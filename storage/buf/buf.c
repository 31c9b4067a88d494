/* The cache: lookup, getting a block in a mode and latched, locating it.
 *
 * Everything runs on one worker, so what is known stays true until the fiber blocks; after that
 * the loop in lg_buf__get begins again from the gate. */
#include "buf_internal.h"
#include "assert.h"
#include "hash.h"
#include <string.h>

/* ---- hash ---- */

static inline uint32_t
bucket_of(const lg_buf_cache *c, lg_addr addr)
{
    return (uint32_t)lg_hash_u64(lg_addr_key(addr)) & c->hash_mask;
}

lg_buf *
lg_buf__lookup(lg_buf_cache *c, lg_addr addr)
{
    for (uint32_t at = c->hash[bucket_of(c, addr)]; at != LG_BUF_NO_FRAME;) {
        lg_buf *f = &c->frames[at];
        if (f->addr.block == addr.block && f->addr.file == addr.file)
            return f;
        at = f->hash_next;
    }
    return NULL;
}

void
lg_buf__hash_remove(lg_buf_cache *c, lg_buf *f)
{
    uint32_t *at = &c->hash[bucket_of(c, f->addr)];
    while (*at != lg_buf__number(c, f))
        at = &c->frames[*at].hash_next;
    *at = f->hash_next;
    f->hash_next = LG_BUF_NO_FRAME;
}

/* ---- life ---- */

static void *
zeroed(size_t bytes)
{
    void *p = lg_io_buf_alloc(bytes);
    memset(p, 0, bytes);
    return p;
}

static void
frames_make(lg_buf_cache *c)
{
    c->memory = lg_io_buf_alloc((size_t)c->frame_count * c->block_bytes);
    lg_io_register_memory(lg_volume_io(c->cfg.volume), c->memory,
                          (size_t)c->frame_count * c->block_bytes);
    c->frames = zeroed(c->frame_count * sizeof *c->frames);
    uint32_t buckets = 16;
    while (buckets < c->frame_count * 2)
        buckets *= 2;
    c->hash_mask = buckets - 1;
    c->hash = lg_io_buf_alloc(buckets * sizeof *c->hash);
    memset(c->hash, 0xff, buckets * sizeof *c->hash); /* LG_BUF_NO_FRAME */
    c->free = LG_BUF_NO_FRAME;
    for (uint32_t i = c->frame_count; i-- > 0;) {
        lg_buf *f = &c->frames[i];
        f->data = c->memory + (size_t)i * c->block_bytes;
        f->addr = LG_ADDR_NONE;
        f->rec_lsn = LG_LSN_NONE;
        lg_list_init(&f->dirty_link);
        f->hash_next = c->free;
        c->free = i;
    }
    c->free_count = c->frame_count;
}

lg_status
lg_buf_cache_create(const lg_buf_config *cfg, lg_buf_cache **ret_cache)
{
    uint32_t bb = lg_volume_block_bytes(cfg->volume);
    uint64_t frames = cfg->cache_bytes / bb;
    if (frames < 2 * LG_MTR_MAX_BLOCKS || frames > UINT32_MAX / 4 || !cfg->dwb)
        return LG_INVALID;
    lg_buf_cache *c = lg_zalloc(sizeof *c);
    c->cfg = *cfg;
    if (!c->cfg.coherence.ops)
        c->cfg.coherence.ops = &lg_coherence_local;
    if (c->cfg.min_hold_us == 0)
        c->cfg.min_hold_us = 500;
    c->stats = lg_run_stats(cfg->run);
    c->block_bytes = bb;
    c->frame_count = (uint32_t)frames;
    frames_make(c);
    lg_list_init(&c->dirty);
    lg_list_init(&c->wants);
    lg_waitq_init(&c->gateq);
    lg_waitq_init(&c->freeq);
    lg_waitq_init(&c->writeq);
    c->policy = cfg->policy ? cfg->policy : &lg_buf_policy_clock;
    c->policy_state = c->policy->create(c->frame_count);
    c->batch_max = lg_dwb_batch_blocks(cfg->dwb);
    c->staging = lg_io_buf_alloc((size_t)c->batch_max * bb);
    c->batch = lg_zalloc(c->batch_max * sizeof *c->batch);
    c->batch_blocks = lg_zalloc(c->batch_max * sizeof *c->batch_blocks);
    *ret_cache = c;
    return LG_OK;
}

void
lg_buf_cache_destroy(lg_buf_cache *c)
{
    if (!c)
        return;
    LG_ASSERT(!c->write_busy);
    lg_buf__mtr_pool_drop(c);
    c->policy->destroy(c->policy_state);
    lg_free(c->batch_blocks);
    lg_free(c->batch);
    lg_free(c->files);
    lg_free(c->staging);
    lg_free(c->hash);
    lg_free(c->frames);
    lg_free(c->memory);
    lg_free(c);
}

uint32_t
lg_buf_block_bytes(const lg_buf_cache *c)
{
    return c->block_bytes;
}

lg_run *
lg_buf_run(const lg_buf_cache *c)
{
    return c->cfg.run;
}

lg_scn_clock *
lg_buf_clock(const lg_buf_cache *c)
{
    return c->cfg.clock;
}

lg_redo *
lg_buf_redo(const lg_buf_cache *c)
{
    return c->cfg.redo;
}

void
lg_buf_set_redo(lg_buf_cache *c, lg_redo *redo)
{
    LG_ASSERT(!c->cfg.redo);
    c->cfg.redo = redo;
}

lg_volume *
lg_buf_volume(const lg_buf_cache *c)
{
    return c->cfg.volume;
}

/* ---- locating ---- */

lg_status
lg_buf_locate(lg_buf_cache *c, lg_addr addr, lg_volume_place *ret_place)
{
    for (;;) {
        lg_addr map_block;
        lg_buf *b;
        lg_status st = lg_volume_locate(c->cfg.volume, addr, ret_place, &map_block);
        if (st != LG_NOT_FOUND)
            return st;
        LG_TRY(lg_buf__get(c, map_block, LG_LATCH_S, 0, &b));
        st = lg_volume_map_install(c->cfg.volume, addr, map_block, b->data);
        lg_buf_put(c, b, LG_LATCH_S);
        LG_TRY(st);
    }
}

/* ---- getting ---- */

static inline lg_mode
mode_for(lg_latch_mode latch)
{
    return latch == LG_LATCH_X ? LG_MODE_X : LG_MODE_S;
}

static inline bool
usable(const lg_buf *f, lg_mode want)
{
    return f->mode >= want && f->valid && !f->revoking && !f->evicting;
}

void
lg_buf__user_leaves(lg_buf *b)
{
    LG_ASSERT(b->users > 0 && b->pins > 0);
    b->pins--;
    if (--b->users == 0)
        lg_waitq_wake_all(&b->idleq);
}

lg_status
lg_buf_try_get(lg_buf_cache *c, lg_addr addr, lg_latch_mode latch, lg_buf **ret_buf)
{
    if (__builtin_expect(c->gate && c->gate(c->gate_arg, addr), 0))
        return LG_WOULD_WAIT;
    lg_buf *f = lg_buf__lookup(c, addr);
    if (!f || !usable(f, mode_for(latch)) || !lg_latch_try(&f->latch, latch))
        return LG_WOULD_WAIT;
    f->users++;
    f->pins++;
    c->policy->touched(c->policy_state, lg_buf__number(c, f));
    lg_stat_inc(c->stats, LG_STAT_LOGICAL_READS);
    lg_buf__file(c, addr.file)->gets++;
    *ret_buf = f;
    return LG_OK;
}

bool
lg_buf_same(lg_buf_cache *c, lg_addr addr, lg_version version)
{
    if (c->gate && c->gate(c->gate_arg, addr))
        return false;
    lg_buf *f = lg_buf__lookup(c, addr);
    if (!f || !usable(f, LG_MODE_S) || lg_block_version(f->data) != version)
        return false;
    if (!lg_latch_try(&f->latch, LG_LATCH_S)) /* being changed */
        return false;
    lg_latch_release(&f->latch, LG_LATCH_S);
    c->policy->touched(c->policy_state, lg_buf__number(c, f));
    lg_stat_inc(c->stats, LG_STAT_LOGICAL_READS);
    lg_buf__file(c, addr.file)->gets++;
    return true;
}

void
lg_buf_same_ahead(const lg_buf_cache *c, lg_addr addr, unsigned stage)
{
    const uint32_t *at = &c->hash[bucket_of(c, addr)];
    if (stage == 0)
        __builtin_prefetch(at);
    else if (*at == LG_BUF_NO_FRAME)
        return;
    else if (stage == 1)
        __builtin_prefetch(&c->frames[*at]);
    else
        __builtin_prefetch(c->frames[*at].data);
}

/* The mode is ours and the disk holds the current image. */
static lg_status
read_image(lg_buf_cache *c, lg_buf *f, unsigned flags)
{
    lg_volume_place place;
    lg_addr none;
    lg_status st = lg_volume_locate(c->cfg.volume, f->addr, &place, &none);
    if (st != LG_OK)
        return st == LG_NOT_FOUND ? LG_INVALID : st; /* dropped since */
    if ((flags & LG_MTR_FIRST) && !f->pi) { /* as if the disk had been found to hold nothing */
        memset(f->data, 0, c->block_bytes);
        f->valid = true;
        f->disk_version = 0;
        return LG_OK;
    }
    f->valid = false;
    f->reading = true;
    lg_stat_inc(c->stats, LG_STAT_PHYSICAL_READS);
    lg_buf__file(c, f->addr.file)->reads++;
    st = lg_volume_read_block(c->cfg.volume, &place, f->addr, f->data);
    f->reading = false;
    if (st == LG_CORRUPT && (flags & LG_MTR_NEW)) {
        memset(f->data, 0, c->block_bytes); /* its content was to be thrown away anyway */
        st = LG_OK;
    }
    if (st != LG_OK)
        return st;
    f->valid = true;
    f->disk_version = lg_block_version(f->data);
    lg_scn_observe(c->cfg.clock, lg_version_scn(f->disk_version));
    if (f->pi && f->pi_version <= f->disk_version) {
        f->pi = false;
        lg_buf__rec_lsn_drop(f);
    }
    return LG_OK;
}

/* One fiber at a time converts a buffer. */
static lg_status
convert(lg_buf_cache *c, lg_buf *f, lg_mode want, unsigned flags)
{
    lg_coherence *co = &c->cfg.coherence;
    uint32_t epoch = f->mode_epoch;
    bool had = f->mode >= LG_MODE_S && f->valid;
    lg_status st = LG_READ_DISK;
    f->converting = true;
    if (f->mode < want)
        st = co->ops->acquire(co->self, f, want, (flags & LG_MTR_NEW) != 0, LG_FOREVER);
    if (st == LG_READ_DISK)
        st = had && epoch == f->mode_epoch ? LG_OK : read_image(c, f, flags);
    f->converting = false;
    lg_waitq_wake_all(&f->convq);
    return st;
}

/* LG_OK: usable now. LG_RETRY: something had to be waited for. f is pinned. */
static lg_status
make_usable(lg_buf_cache *c, lg_buf *f, lg_mode want, unsigned flags)
{
    if (usable(f, want))
        return LG_OK;
    if (f->revoking || f->evicting || f->converting) {
        f->crowd |= f->converting && want == LG_MODE_X;
        LG_TRY(lg_waitq_wait(&f->convq, LG_WAIT_GC_BUFFER_BUSY_ACQUIRE, LG_FOREVER, false));
        return LG_RETRY;
    }
    LG_TRY(convert(c, f, want, flags));
    return LG_RETRY;
}

lg_status
lg_buf__get(lg_buf_cache *c, lg_addr addr, lg_latch_mode latch, unsigned flags, lg_buf **ret_buf)
{
    LG_DEBUG_ASSERT(lg_fiber_latches_held() == 0);
    if (__builtin_expect(lg_buf_try_get(c, addr, latch, ret_buf) == LG_OK, 1))
        return LG_OK;
    LG_ASSERT(lg_fiber_latches_held() == 0);
    lg_stat_inc(c->stats, LG_STAT_LOGICAL_READS);
    lg_buf__file(c, addr.file)->gets++;
    for (;;) {
        while (c->gate && c->gate(c->gate_arg, addr))
            LG_TRY(lg_waitq_wait(&c->gateq, LG_WAIT_GC_RECOVERY, LG_FOREVER, false));
        lg_buf *f = lg_buf__lookup(c, addr);
        if (f) {
            f->pins++;
        } else {
            lg_volume_place place;
            LG_TRY(lg_buf_locate(c, addr, &place));
            LG_TRY(lg_buf__frame_take(c, addr, &f));
            if (c->gate && c->gate(c->gate_arg, addr)) {
                f->pins--;
                continue;
            }
        }
        lg_status st = make_usable(c, f, mode_for(latch), flags);
        if (st != LG_OK) {
            f->pins--;
            if (st == LG_RETRY)
                continue;
            return st;
        }
        f->users++; /* from here on the mode stays: the latch wait is a local matter */
        c->policy->touched(c->policy_state, lg_buf__number(c, f));
        lg_latch_acquire(&f->latch, latch, LG_WAIT_BUFFER_BUSY);
        LG_DEBUG_ASSERT(f->mode >= mode_for(latch) && f->valid);
        *ret_buf = f;
        return LG_OK;
    }
}

lg_status
lg_buf_get(lg_buf_cache *c, lg_addr addr, lg_latch_mode latch, lg_buf **ret_buf)
{
    return lg_buf__get(c, addr, latch, 0, ret_buf);
}

void
lg_buf_put(lg_buf_cache *c, lg_buf *b, lg_latch_mode latch)
{
    (void)c;
    lg_latch_release(&b->latch, latch);
    b->used = true;
    lg_buf__user_leaves(b);
}

lg_status
lg_buf_secure(lg_buf_cache *c, lg_addr addr, lg_latch_mode latch, unsigned flags)
{
    lg_buf *b;
    LG_TRY(lg_buf__get(c, addr, latch, flags, &b));
    lg_buf_put(c, b, latch);
    /* The minimum hold starts anew, so that the retry finds the block here. */
    b->used = false;
    b->granted_at = lg_run_now_ns(c->cfg.run);
    return LG_OK;
}

lg_status
lg_buf_read_copy(lg_buf_cache *c, lg_addr addr, lg_scn snapshot, void *frame, bool *ret_current)
{
    lg_buf *b;
    lg_status st = lg_buf_try_get(c, addr, LG_LATCH_S, &b);
    if (st != LG_OK) {
        lg_buf *f = lg_buf__lookup(c, addr);
        bool ours = f && f->mode >= LG_MODE_S;
        bool gated = c->gate && c->gate(c->gate_arg, addr);
        if (!ours && !gated) {
            lg_coherence *co = &c->cfg.coherence;
            st = co->ops->read_consistent(co->self, addr, snapshot, frame, LG_FOREVER);
            if (st != LG_RETRY) {
                *ret_current = false;
                return st;
            }
        }
        LG_TRY(lg_buf_get(c, addr, LG_LATCH_S, &b));
    }
    memcpy(frame, b->data, c->block_bytes);
    lg_buf_put(c, b, LG_LATCH_S);
    *ret_current = true;
    return LG_OK;
}

/* ---- counts by file ---- */

void
lg_buf__files_grow(lg_buf_cache *c, uint32_t file)
{
    uint32_t cap = c->files_cap ? c->files_cap : 256;
    while (cap <= file && cap < LG_BUF_FILES_COUNTED)
        cap *= 2;
    if (cap == c->files_cap)
        return;
    c->files = lg_realloc(c->files, cap * sizeof *c->files);
    memset(c->files + c->files_cap, 0, (cap - c->files_cap) * sizeof *c->files);
    c->files_cap = cap;
}

lg_buf_file_counts
lg_buf_file_count(const lg_buf_cache *c, uint32_t file)
{
    return file && file < c->files_cap ? c->files[file] : (lg_buf_file_counts){0, 0};
}

uint32_t
lg_buf_files_counted(const lg_buf_cache *c)
{
    uint32_t n = c->files_cap;
    while (n && !c->files[n - 1].gets && !c->files[n - 1].reads)
        n--;
    return n;
}

void
lg_buf_file_reset(lg_buf_cache *c, uint32_t file)
{
    if (!file && c->files)
        memset(c->files, 0, c->files_cap * sizeof *c->files);
    else if (file && file < c->files_cap)
        c->files[file] = (lg_buf_file_counts){0, 0};
}
