/* What the files of storage/buf share: the cache. A frame is an lg_buf. */
#ifndef LG_BUF_BUF_INTERNAL_H
#define LG_BUF_BUF_INTERNAL_H

#include "buf.h"
#include "buf_policy.h"
#include "dwb.h"
#include "mtr.h"

#define LG_BUF_LATCH_RANK 0 /* the order among blocks is the access methods' business */
#define LG_MTR_POOL_MAX   64

#define LG_BUF_NO_FRAME UINT32_MAX

/* A copy of a frame on its way to disk. */
typedef struct lg_buf__write {
    lg_buf *b;
    lg_version version;
    lg_lsn next_rec_lsn; /* first change since the copy was taken */
} lg_buf__write;

struct lg_buf_cache {
    lg_buf_config cfg;
    lg_stats *stats;
    uint32_t block_bytes;
    uint32_t frame_count;
    lg_buf *frames;
    uint8_t *memory;
    uint32_t hash_mask;
    uint32_t *hash; /* first frame of the bucket */
    uint32_t free;  /* first free frame */
    uint32_t free_count;
    lg_list dirty; /* frames in order of rec_lsn: dirty and past images */
    const lg_buf_policy *policy;
    void *policy_state;
    bool (*gate)(void *arg, lg_addr addr);
    void *gate_arg;
    lg_waitq gateq;
    lg_waitq freeq;
    lg_time revoke_flush_ns;   /* of the last revoke */
    lg_buf_file_counts *files; /* by number */
    uint32_t files_cap;
    /* one write batch at a time */
    bool write_busy;
    lg_waitq writeq;
    lg_list wants; /* blocks that peers want on disk: buf_write.c */
    uint8_t *staging;
    uint32_t batch_max;
    uint32_t batch_count; /* of the batch that is being written */
    lg_buf__write *batch;
    lg_dwb_block *batch_blocks;
    /* logs of mini-transactions at rest */
    struct lg_mtr_log *mtr_pool;
    uint32_t mtr_pool_count;
};

static inline uint32_t
lg_buf__number(const lg_buf_cache *c, const lg_buf *b)
{
    return (uint32_t)(b - c->frames);
}

/* ---- buf.c ---- */
lg_buf *lg_buf__lookup(lg_buf_cache *c, lg_addr addr);
void lg_buf__hash_remove(lg_buf_cache *c, lg_buf *f);
LG_MUST lg_status lg_buf__get(lg_buf_cache *c, lg_addr addr, lg_latch_mode latch, unsigned flags,
                              lg_buf **ret_buf);
void lg_buf__user_leaves(lg_buf *b);

/* ---- buf_evict.c ---- */
/* A frame for addr, in the hash and pinned: an existing one, or a new one in mode N without an
 * image.
 * Blocks the fiber. */
LG_MUST lg_status lg_buf__frame_take(lg_buf_cache *c, lg_addr addr, lg_buf **ret);
void lg_buf__frame_free(lg_buf_cache *c, lg_buf *f); /* out of the hash, not pinned */
/* Gives the frame free when nobody uses it and it is clean. LG_NOT_FOUND: it stays. Blocks. */
LG_MUST lg_status lg_buf__frame_evict(lg_buf_cache *c, lg_buf *f);
/* Gives up the mode of a pinned frame nobody uses (evicting is set meanwhile). Blocks. */
LG_MUST lg_status lg_buf__mode_release(lg_buf_cache *c, lg_buf *f);

/* ---- buf_write.c ---- */
void lg_buf__mark_dirty(lg_buf_cache *c, lg_buf *f, lg_lsn rec_lsn);
void lg_buf__mark_clean(lg_buf *f); /* and takes it off the list unless pi */
void lg_buf__rec_lsn_drop(lg_buf *f);
/* Writes some dirty blocks so that frames become clean; LG_NOT_FOUND: nothing can be written. */
LG_MUST lg_status lg_buf__write_some(lg_buf_cache *c, uint32_t most);

/* ---- mtr.c ---- */
void lg_buf__mtr_pool_drop(lg_buf_cache *c);

void lg_buf__files_grow(lg_buf_cache *c, uint32_t file);

static inline lg_buf_file_counts *
lg_buf__file(lg_buf_cache *c, uint32_t file)
{
    if (__builtin_expect(file >= c->files_cap, 0))
        lg_buf__files_grow(c, file);
    return &c->files[file < c->files_cap ? file : 0]; /* there is no file 0 */
}

#endif
