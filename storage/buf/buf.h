/* Buffer cache: the blocks of the volume in this instance's memory.
 *
 * One frame per block address (consistent-read copies are private to their reader). A buffer is
 *
 *   mode   N/S/X  global mode held (coherence.h); the data is current while mode >= S
 *   dirty         changed here (or received dirty) and not yet on disk; rec_lsn = first change in
 *                 this instance's thread that the disk lacks. S+dirty happens after X -> S.
 *   past image    pi: a change of ours left with the block in X before it was on disk. The frame
 *                 keeps the newest image we have; pi_version and rec_lsn hold the checkpoint back
 *                 until a version >= pi_version is on disk (lg_buf_superseded). mode may be
 *                 N, S or X.
 *   converting    one fiber is in coherence->acquire for it; others wait on convq
 *   revoking      a peer wants it; new users wait (after a bounded local burst) until it is done
 *   users         fibers between "mode found sufficient" and unlatch, plus a disk write in flight
 *   pins          reasons not to evict the frame
 *
 * States (function behind each transition):
 *   absent -> N (frame_allocate) -> S/X (lg_buf_get via acquire + lg_buf_install or disk read)
 *   X -> S, X -> N+pi, S -> N (lg_buf_revoke, on a peer's request)    N/S/X clean -> absent (evict)
 *
 * Only a holder in S or X writes a dirty block to its place (invariant 4), after its redo is
 * durable up to last_lsn (WAL rule) and after a whole copy of it is durable in the double-write
 * area (invariant 10).
 *
 * LATCHING  The latch guards the data against local fibers; the order is parent before child, left
 * before right, header before data, own undo last. A fiber that holds a latch must not wait for
 * another instance (invariant 8): all gets of a mini-transaction come before its first change and
 * go through lg_mtr_get, which returns LG_RETRY instead of waiting (mtr.h).
 */
#ifndef LG_BUF_BUF_H
#define LG_BUF_BUF_H

#include "block.h"
#include "coherence.h"
#include "redo.h"
#include "run.h"
#include "volume.h"
#include "waitq.h"

typedef struct lg_buf_cache lg_buf_cache;

typedef struct lg_buf {
    lg_addr addr;
    uint8_t *data; /* block_bytes, 4 KiB aligned */
    lg_mode mode;
    uint32_t hash_next; /* storage/buf's own: the next frame of the bucket, or free one */
    uint16_t users;
    uint16_t pins;
    uint16_t mode_epoch; /* storage/buf's own: counts revokes: was a mode held all the time? */
    bool dirty : 1;
    bool pi : 1;
    bool converting : 1;
    bool revoking : 1;
    bool valid : 1;    /* data holds an image (of data's version) */
    bool reading : 1;  /* storage/buf's own: from disk, by the converting fiber */
    bool writing : 1;  /* storage/buf's own: a copy is on its way to disk */
    bool evicting : 1; /* storage/buf's own: its mode is being given up */
    bool used : 1;     /* storage/buf's own: since the grant or lg_buf_secure */
    bool crowd : 1;    /* storage/buf's own: X was waited for by several fibers */
    lg_latch latch;
    lg_waitq idleq; /* the revoker, waiting for users == 0 */
    /* To here a cache line, which is all that a hit looks at. */
    lg_waitq convq;  /* waiting for a conversion or a revoke to end */
    lg_lsn rec_lsn;  /* LG_LSN_NONE when neither dirty nor pi */
    lg_lsn last_lsn; /* end of the last record of ours that changed it */
    lg_version pi_version;
    lg_version disk_version; /* newest version known to be on disk; 0 unknown */
    lg_time granted_at;      /* when the present mode was granted: minimum hold */
    lg_list dirty_link;      /* storage/buf's own: while rec_lsn != LG_LSN_NONE */
} lg_buf;
_Static_assert(offsetof(lg_buf, convq) == 64 && sizeof(lg_buf) == 128,
               "many frames: a byte more for each counts");

typedef struct lg_buf_config {
    lg_run *run;
    lg_volume *volume;
    lg_redo *redo; /* this instance's thread; NULL: given later (lg_buf_set_redo) */
    lg_scn_clock *clock;
    lg_coherence coherence;
    uint64_t cache_bytes;
    uint32_t min_hold_us;               /* a granted mode stays at least this long; 0 = 500. X
                                         * that several fibers had waited for: four times as long */
    struct lg_dwb *dwb;                 /* this instance's double-write area (dwb.h); not owned */
    const struct lg_buf_policy *policy; /* replacement; NULL = clock (buf_policy.h) */
} lg_buf_config;

LG_MUST lg_status lg_buf_cache_create(const lg_buf_config *cfg, lg_buf_cache **ret_cache);
void lg_buf_cache_destroy(lg_buf_cache *c); /* drops everything; writes nothing */
uint32_t lg_buf_block_bytes(const lg_buf_cache *c);
lg_run *lg_buf_run(const lg_buf_cache *c);
lg_scn_clock *lg_buf_clock(const lg_buf_cache *c);
lg_redo *lg_buf_redo(const lg_buf_cache *c);
/* An instance joins the cluster before its own thread is open: until then it changes nothing. Once.
 */
void lg_buf_set_redo(lg_buf_cache *c, lg_redo *redo);
lg_volume *lg_buf_volume(const lg_buf_cache *c);

/* ---- readers and writers of this instance ---- */

/* Gets the block in the mode that the latch needs (S latch: mode S or X; X latch: mode X), pinned
 * and latched. Blocks the fiber; no latch may be held by the fiber. LG_CORRUPT, LG_IO, LG_TIMEOUT.
 * */
LG_MUST lg_status lg_buf_get(lg_buf_cache *c, lg_addr addr, lg_latch_mode latch, lg_buf **ret_buf);
/* The same, but never waits for I/O or another instance, nor for a latch: LG_WOULD_WAIT. */
LG_MUST lg_status lg_buf_try_get(lg_buf_cache *c, lg_addr addr, lg_latch_mode latch,
                                 lg_buf **ret_buf);
void lg_buf_put(lg_buf_cache *c, lg_buf *b, lg_latch_mode latch); /* unlatch, unpin */
/* Would lg_buf_try_get for reading give the block in this version? Counts as a read of it. */
bool lg_buf_same(lg_buf_cache *c, lg_addr addr, lg_version version);
/* Many blocks will be asked for by lg_buf_same: brings what it reads of them into the processor's
 * caches, stage by stage, each for all of them before the next: 0 where they are looked up, 1 their
 * frames, 2 their heads. */
#define LG_BUF_SAME_STAGES 3u
void lg_buf_same_ahead(const lg_buf_cache *c, lg_addr addr, unsigned stage);
/* Brings the block here in the mode, without latching: what a fiber does after LG_RETRY, holding
 * nothing. The minimum hold time makes the retry succeed. flags: lg_mtr_get_flags. */
LG_MUST lg_status lg_buf_secure(lg_buf_cache *c, lg_addr addr, lg_latch_mode latch, unsigned flags);

/* Where a block lies, reading map blocks through the cache as needed. LG_INVALID: not mapped (never
 * allocated, or its file was dropped). Blocks the fiber; no latch may be held. */
LG_MUST lg_status lg_buf_locate(lg_buf_cache *c, lg_addr addr, lg_volume_place *ret_place);

/* A private consistent copy as of snapshot: from our own current image (then *ret_current = true:
 * the copy may hold newer changes, the caller rolls it back itself) or built by the holder. frame:
 * block_bytes, caller's. Blocks the fiber. */
LG_MUST lg_status lg_buf_read_copy(lg_buf_cache *c, lg_addr addr, lg_scn snapshot, void *frame,
                                   bool *ret_current);

/* Forgets all blocks of a file that is being dropped: its mappings, its buffers (unwritten), their
 * modes; waits for writes under way and for a recovery. Every instance must have done it, after
 * lg_space_file_drop_begin, before the file's AUs are freed, or a late write could land in somebody
 * else's block (space_file.c). Blocks the fiber. */
LG_MUST lg_status lg_buf_drop_file(lg_buf_cache *c, uint32_t file);

/* ---- reading ahead (buf_ahead.c) ---- */

/* A scan over [0, blocks) of a file tells where it is; blocks behind that are read by fibers of the
 * stream's own. A scan that is large against the cache pushes out what it brought itself. */
typedef struct lg_buf_stream lg_buf_stream;
lg_buf_stream *lg_buf_stream_open(lg_buf_cache *c, uint32_t file, uint32_t blocks, lg_scn snapshot);
void lg_buf_stream_at(lg_buf_stream *s, uint32_t block);
/* The scan itself had to bring this block. */
void lg_buf_stream_brought(lg_buf_stream *s, uint32_t block);
void lg_buf_stream_close(lg_buf_stream *s); /* blocks until its fibers have ended; NULL is fine */
/* Is the block here, readable? It may be gone at the next wait. */
bool lg_buf_present(lg_buf_cache *c, lg_addr addr);

/* ---- writing: the checkpointer and eviction ---- */

/* Writes dirty buffers whose rec_lsn < up_to (LG_LSN_MAX: all), oldest first, at most max_blocks,
 * and
 * demands writes for past images in the way. Returns when they are on disk. */
LG_MUST lg_status lg_buf_write_dirty(lg_buf_cache *c, lg_lsn up_to, uint32_t max_blocks,
                                     uint32_t *ret_written);
/* The oldest rec_lsn over dirty and past-image buffers; LG_LSN_MAX when there is none: the thread
 * may be reused up to the smaller of this and the flushed LSN at the time of the call (invariants
 * 5, 7). */
lg_lsn lg_buf_oldest_rec_lsn(const lg_buf_cache *c);

/* ---- for the coherence implementation: peers' requests ---- */

/* The buffer if it is in the cache (pinned), else NULL. Never blocks. */
lg_buf *lg_buf_find(lg_buf_cache *c, lg_addr addr);
void lg_buf_unpin(lg_buf_cache *c, lg_buf *b);

/* Installs an image that arrived (checked: crc, address, version >= what we have). dirty: no disk
 * has it yet; the sender's duty to write it came along (rec_lsn = this thread's current end). Sets
 * nothing of the mode. */
LG_MUST lg_status lg_buf_install(lg_buf_cache *c, lg_buf *b, const void *image, bool dirty);
/* The duty to write the block came to us (whoever had it is gone, or gave it up): a block held in S
 * or X that is not known to be on disk in this version turns dirty, so that it stays until it is.
 * Also while our own redo thread is not open. False: we do not hold it, or are giving it up. */
bool lg_buf_adopt(lg_buf_cache *c, lg_buf *b);
/* Sets the mode after a grant (asserts it does not go down). */
void lg_buf_granted(lg_buf_cache *c, lg_buf *b, lg_mode mode);

/* Takes the mode down to `to` for a peer, blocking the calling (server) fiber:
 *   1. revoking = true; waits until users == 0 and the minimum hold is over (a bounded burst of
 *      local requests is served first);
 *   2. when an image is to be shipped or a change is to be left behind: flushes redo up to last_lsn
 *      (invariant 1);
 *   3. copies the image to ret_image if not NULL (sealed), sets *ret_dirty and *ret_version;
 *   4. to == S: mode S, stays dirty (we still write it). to == N: dirty becomes pi; clean is
 *      invalid.
 *   5. revoking = false, wakes waiters (who then convert again).
 * LG_NOT_FOUND: we do not hold it above `to` (already gave it up). LG_READ_DISK: the mode is down,
 * but we had no image (our disk read failed): the current one is on disk. LG_IO, LG_FENCED: nothing
 * changed. */
LG_MUST lg_status lg_buf_revoke(lg_buf_cache *c, lg_addr addr, lg_mode to, void *ret_image,
                                bool *ret_dirty, lg_version *ret_version);
/* What the revoke that has just returned waited for redo: to be asked before the fiber blocks. */
lg_time lg_buf_revoke_flush_ns(const lg_buf_cache *c);
/* A version is on disk: past images up to it go. */
void lg_buf_superseded(lg_buf_cache *c, lg_addr addr, lg_version version);
/* Makes sure that our image is on disk (a peer or recovery demands it): writes when we hold the
 * block in S or X and it is dirty or not known to be on disk in this version. LG_NOT_FOUND: we do
 * not hold it. Blocks the calling fiber. */
LG_MUST lg_status lg_buf_write_one(lg_buf_cache *c, lg_addr addr);

/* Recovery made this image (sealed) of a block. We hold it in X: the buffer gets the image, dirty;
 * lg_buf_write_blocks must follow. LG_NOT_FOUND: we do not hold it in X, the caller writes it. */
LG_MUST lg_status lg_buf_recovered(lg_buf_cache *c, lg_addr addr, const void *image);
/* lg_buf_write_one for many, batched. Blocks that we do not hold are passed over. */
LG_MUST lg_status lg_buf_write_blocks(lg_buf_cache *c, const lg_addr *addrs, uint32_t count);

/* Reconfiguration: visits every buffer that holds a mode or a past image (to rebuild directories).
 * fn must not block. */
typedef void (*lg_buf_visit_fn)(void *arg, lg_buf *b);
void lg_buf_visit(lg_buf_cache *c, lg_buf_visit_fn fn, void *arg);
/* Reconfiguration: the newest image we have of a block (current or past image), sealed, into
 * ret_image
 * (may be NULL: only looks). LG_NOT_FOUND: none. LG_WOULD_WAIT: its redo is not durable yet. Never
 * blocks. */
lg_status lg_buf_image(lg_buf_cache *c, lg_addr addr, void *ret_image, lg_version *ret_version,
                       bool *ret_current);

/* Recovery gates (setting one again wakes the waiters to look again): while set, lg_buf_get of a
 * block for which `blocked` says true waits (invariant:
 * blocks in a dead thread's recovery set stay closed). NULL opens everything and wakes waiters. */
void lg_buf_set_gate(lg_buf_cache *c, bool (*blocked)(void *arg, lg_addr addr), void *arg);

typedef struct lg_buf_counts {
    uint64_t frames, x, s, n, pi, dirty, free;
} lg_buf_counts;
void lg_buf_count(const lg_buf_cache *c, lg_buf_counts *ret);

/* How often blocks of a file were asked for on this instance, and read from its disks (ahead of their
 * use too), since the start or the last reset. Zero for files from LG_BUF_FILES_COUNTED on. */
#define LG_BUF_FILES_COUNTED 65536u
typedef struct lg_buf_file_counts {
    uint64_t gets, reads;
} lg_buf_file_counts;
lg_buf_file_counts lg_buf_file_count(const lg_buf_cache *c, uint32_t file);
uint32_t lg_buf_files_counted(const lg_buf_cache *c);   /* beyond the last one with counts */
void lg_buf_file_reset(lg_buf_cache *c, uint32_t file); /* 0: all */

#endif
