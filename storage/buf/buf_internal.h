/* What the files of storage/buf share: the frame around an lg_buf, and the cache. */
#ifndef LG_BUF_BUF_INTERNAL_H
#define LG_BUF_BUF_INTERNAL_H

#include "buf.h"
#include "buf_policy.h"
#include "dwb.h"
#include "mtr.h"

#define LG_BUF_LATCH_RANK 0 /* the order among blocks is the access methods' business */
#define LG_MTR_POOL_MAX   64

struct lg_buf__frame {
    lg_buf b; /* first */
    lg_buf_cache *cache;
    struct lg_buf__frame *hash_next; /* or the next free frame */
    lg_list dirty_link;              /* in cache->dirty while b.rec_lsn != LG_LSN_NONE */
    uint32_t number;
    uint32_t mode_epoch; /* counts revokes: was a mode held all the time? */
    bool reading;        /* from disk, by the converting fiber */
    bool writing;        /* a copy is on its way to disk */
    bool evicting;       /* its mode is being given up */
    bool used;           /* since the grant or lg_buf_secure */
    lg_lsn next_rec_lsn; /* first change since the copy that is being written was taken */
    lg_version writing_version;
};

struct lg_buf_cache {
    lg_buf_config cfg;
    lg_stats *stats;
    uint32_t block_bytes;
    uint32_t frame_count;
    struct lg_buf__frame *frames;
    uint8_t *memory;
    uint32_t hash_mask;
    struct lg_buf__frame **hash;
    struct lg_buf__frame *free;
    uint32_t free_count;
    lg_list dirty; /* frames in order of rec_lsn: dirty and past images */
    const lg_buf_policy *policy;
    void *policy_state;
    bool (*gate)(void *arg, lg_addr addr);
    void *gate_arg;
    lg_waitq gateq;
    lg_waitq freeq;
    /* one write batch at a time */
    bool write_busy;
    lg_waitq writeq;
    lg_list wants; /* blocks that peers want on disk: buf_write.c */
    uint8_t *staging;
    uint32_t batch_max;
    struct lg_buf__frame **batch;
    lg_dwb_block *batch_blocks;
    /* logs of mini-transactions at rest */
    struct lg_mtr_log *mtr_pool;
    uint32_t mtr_pool_count;
};

static inline struct lg_buf__frame *
lg_buf__frame_of(lg_buf *b)
{
    return (struct lg_buf__frame *)(void *)b;
}

/* ---- buf.c ---- */
struct lg_buf__frame *lg_buf__lookup(lg_buf_cache *c, lg_addr addr);
void lg_buf__hash_remove(lg_buf_cache *c, struct lg_buf__frame *f);
LG_MUST lg_status lg_buf__get(lg_buf_cache *c, lg_addr addr, lg_latch_mode latch, unsigned flags,
                              lg_buf **ret_buf);
void lg_buf__user_leaves(lg_buf *b);

/* ---- buf_evict.c ---- */
/* A frame for addr, in the hash and pinned: an existing one, or a new one in mode N without an
 * image.
 * Blocks the fiber. */
LG_MUST lg_status lg_buf__frame_take(lg_buf_cache *c, lg_addr addr, struct lg_buf__frame **ret);
void lg_buf__frame_free(lg_buf_cache *c, struct lg_buf__frame *f); /* out of the hash, not pinned */
/* Gives the frame free when nobody uses it and it is clean. LG_NOT_FOUND: it stays. Blocks. */
LG_MUST lg_status lg_buf__frame_evict(lg_buf_cache *c, struct lg_buf__frame *f);
/* Gives up the mode of a pinned frame nobody uses (evicting is set meanwhile). Blocks. */
LG_MUST lg_status lg_buf__mode_release(lg_buf_cache *c, struct lg_buf__frame *f);

/* ---- buf_write.c ---- */
void lg_buf__mark_dirty(struct lg_buf__frame *f, lg_lsn rec_lsn);
void lg_buf__mark_clean(struct lg_buf__frame *f); /* and takes it off the list unless pi */
void lg_buf__rec_lsn_drop(struct lg_buf__frame *f);
/* Writes some dirty blocks so that frames become clean; LG_NOT_FOUND: nothing can be written. */
LG_MUST lg_status lg_buf__write_some(lg_buf_cache *c, uint32_t most);

/* ---- mtr.c ---- */
void lg_buf__mtr_pool_drop(lg_buf_cache *c);

#endif
