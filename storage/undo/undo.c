/* Undo segments: the ring of extents and the records in it. Model: undo.h.
 *
 * INVARIANTS
 *  1. cur_block and cur_used change only in lg_undo_append, under the X latch of that block.
 *  2. The sequence number of an extent is in the directory (block 0) before a record is written to
 * it.
 *  3. An extent is given a new number only when every hold begins after its old one, or is of before the
 * restart and ends before it.
 *  4. Holds of this life are linked in the order of first_seq: the head is the oldest. Those of before the
 * restart are apart; all of them hold the same extents.
 */
#include "undo.h"
#include "assert.h"
#include "hash.h"
#include "space_file.h"
#include <string.h>

#define CTL_MAGIC   0x4e55474cu /* "LGUN" */
#define CTL_OFF     LG_BLOCK_HEADER_BYTES
#define CTL_DIR_OFF 64u
#define BLK_OFF     LG_BLOCK_HEADER_BYTES
#define BLK_DATA    64u
#define FIRST_BLOCK (1u + LG_UNDO_TABLES)
#define NO_EXTENT   UINT32_MAX

typedef struct undo_ctl {
    uint32_t magic;
    uint32_t useg;
    uint32_t extents;
    uint32_t extent_aus;
} undo_ctl;

typedef struct undo_blk {
    uint64_t seq;
    uint16_t used;
    uint16_t count;
    uint32_t reserved;
} undo_blk;

typedef struct undo_extent {
    uint64_t seq;     /* 0: never used */
    lg_time ended_at; /* when the last transaction in it ended */
    bool first;       /* never written before this number */
} undo_extent;

struct lg_undo {
    lg_undo_config cfg;
    lg_buf_cache *cache;
    lg_run *run;
    uint32_t block_bytes;
};

struct lg_undo_seg {
    lg_undo *undo;
    uint16_t useg;
    uint32_t file;
    undo_extent *extents;
    uint32_t per_extent; /* blocks */
    uint64_t extent_bytes;
    uint32_t extent_count, extent_max;
    uint64_t next_seq;
    uint32_t cur_extent; /* NO_EXTENT: nothing appended yet */
    uint32_t cur_block;
    uint32_t cur_used;
    uint32_t next_extent; /* prepared: has its number, not yet begun */
    bool preparing;
    lg_waitq prepareq;
    lg_list holds, old_holds;
    uint64_t reused, reused_early;
    lg_time reused_until; /* the newest end of a transaction whose undo was written over */
};

lg_status
lg_undo_create(const lg_undo_config *cfg, lg_undo **ret_undo)
{
    lg_undo *u = lg_zalloc(sizeof *u);
    u->cfg = *cfg;
    if (u->cfg.max_bytes == 0)
        u->cfg.max_bytes = 1ULL << 30;
    u->cache = lg_space_cache(cfg->space);
    u->run = lg_buf_run(u->cache);
    u->block_bytes = lg_buf_block_bytes(u->cache);
    if (u->cfg.keep_bytes == 0 || u->cfg.keep_bytes > u->cfg.max_bytes)
        u->cfg.keep_bytes = u->cfg.max_bytes;
    *ret_undo = u;
    return LG_OK;
}

void
lg_undo_destroy(lg_undo *u)
{
    lg_free(u);
}

lg_undo_config *
lg_undo_cfg(lg_undo *u)
{
    return &u->cfg;
}

lg_addr
lg_undo_table_addr(lg_undo *u, uint16_t useg, uint32_t table)
{
    uint32_t file;
    if (u->cfg.file_of(u->cfg.arg, useg, &file) != LG_OK)
        return LG_ADDR_NONE;
    return (lg_addr){file, 1 + table};
}

/* ---- segments ---- */

static lg_status
format_header_block(lg_undo *u, uint32_t file, uint32_t block, const undo_ctl *ctl)
{
    lg_mtr m;
    lg_buf *b;
    lg_mtr_begin(&m, u->cache);
    lg_status st = lg_mtr_get(&m, (lg_addr){file, block}, LG_LATCH_X, LG_MTR_NEW, &b);
    if (st != LG_OK) {
        lg_mtr_abort(&m);
        return st;
    }
    lg_mtr_format(&m, b, LG_BLOCK_UNDO_HEADER);
    if (ctl)
        lg_mtr_set(&m, b, CTL_OFF, ctl, sizeof *ctl);
    lg_mtr_commit(&m, NULL);
    return LG_OK;
}

lg_status
lg_undo_segment_create(lg_undo *u, uint16_t useg, uint32_t *ret_file)
{
    uint32_t file;
    LG_TRY(lg_space_file_create(u->cache, u->cfg.extent_aus ? u->cfg.extent_aus : 1, &file));
    undo_ctl ctl = {CTL_MAGIC, useg, 1, u->cfg.extent_aus ? u->cfg.extent_aus : 1};
    lg_status st = format_header_block(u, file, 0, &ctl);
    for (uint32_t i = 0; i < LG_UNDO_TABLES && st == LG_OK; i++)
        st = format_header_block(u, file, 1 + i, NULL);
    if (st != LG_OK) {
        LG_KEEP(lg_space_file_drop(u->cache, file));
        return st;
    }
    *ret_file = file;
    return LG_OK;
}

lg_status
lg_undo_segment_open(lg_undo *u, uint16_t useg, lg_undo_seg **ret_seg)
{
    uint32_t file;
    LG_TRY(u->cfg.file_of(u->cfg.arg, useg, &file));
    lg_buf *b;
    LG_TRY(lg_buf_get(u->cache, (lg_addr){file, 0}, LG_LATCH_S, &b));
    undo_ctl ctl;
    memcpy(&ctl, b->data + CTL_OFF, sizeof ctl);
    uint32_t max = (u->block_bytes - CTL_DIR_OFF) / 8;
    if (ctl.magic != CTL_MAGIC || ctl.useg != useg || ctl.extents > max || ctl.extent_aus == 0) {
        lg_buf_put(u->cache, b, LG_LATCH_S);
        return LG_CORRUPT;
    }
    lg_undo_seg *s = lg_zalloc(sizeof *s);
    s->undo = u;
    s->useg = useg;
    s->file = file;
    s->extent_bytes = (uint64_t)ctl.extent_aus * LG_VOLUME_AU_BYTES;
    s->per_extent = (uint32_t)(s->extent_bytes / u->block_bytes);
    s->extent_max = max;
    s->extents = lg_zalloc(max * sizeof *s->extents);
    s->extent_count = ctl.extents;
    s->next_seq = 1;
    for (uint32_t i = 0; i < ctl.extents; i++) {
        memcpy(&s->extents[i].seq, b->data + CTL_DIR_OFF + 8 * i, 8);
        s->extents[i].ended_at = lg_run_now_ns(u->run);
        if (s->extents[i].seq >= s->next_seq)
            s->next_seq = s->extents[i].seq + 1;
    }
    lg_buf_put(u->cache, b, LG_LATCH_S);
    s->cur_extent = s->next_extent = NO_EXTENT;
    lg_waitq_init(&s->prepareq);
    lg_list_init(&s->holds);
    lg_list_init(&s->old_holds);
    *ret_seg = s;
    return LG_OK;
}

void
lg_undo_segment_close(lg_undo_seg *s)
{
    if (!s)
        return;
    lg_free(s->extents);
    lg_free(s);
}

/* ---- holds ---- */

void
lg_undo_hold_init(lg_undo_hold *h)
{
    lg_list_init(&h->link);
    h->first_seq = h->last_seq = 0;
}

void
lg_undo_hold_old(lg_undo_seg *s, lg_undo_hold *h)
{
    h->first_seq = 1;
    h->last_seq = s->next_seq - 1;
    lg_list_push_back(&s->old_holds, &h->link);
}

void
lg_undo_hold_release(lg_undo_seg *s, lg_undo_hold *h)
{
    if (h->first_seq == 0)
        return;
    lg_time now = lg_run_now_ns(s->undo->run);
    if (s->cur_extent != NO_EXTENT && h->first_seq == s->extents[s->cur_extent].seq) {
        s->extents[s->cur_extent].ended_at = now;
    } else {
        for (uint32_t i = 0; i < s->extent_count; i++)
            if (s->extents[i].seq >= h->first_seq && s->extents[i].seq <= h->last_seq)
                s->extents[i].ended_at = now;
    }
    lg_list_remove(&h->link);
    h->first_seq = h->last_seq = 0;
}

/* ---- extents ---- */

static bool
held(const lg_undo_seg *s, uint64_t seq)
{
    if (!lg_list_empty(&s->holds) &&
        seq >= LG_CONTAINER_OF(s->holds.next, lg_undo_hold, link)->first_seq)
        return true;
    return !lg_list_empty(&s->old_holds) &&
           seq <= LG_CONTAINER_OF(s->old_holds.next, lg_undo_hold, link)->last_seq;
}

/* The oldest extent that may be used again; expired_only: retention counts. */
static uint32_t
extent_reusable(const lg_undo_seg *s, bool expired_only)
{
    lg_time now = lg_run_now_ns(s->undo->run);
    uint32_t best = NO_EXTENT;
    for (uint32_t i = 0; i < s->extent_count; i++) {
        const undo_extent *e = &s->extents[i];
        if (i == s->cur_extent || i == s->next_extent || (e->seq != 0 && held(s, e->seq)))
            continue;
        if (best != NO_EXTENT && e->seq >= s->extents[best].seq)
            continue;
        if (e->seq != 0 && expired_only && now - e->ended_at < s->undo->cfg.retention_ms * LG_MS)
            continue;
        best = i;
    }
    return best;
}

/* An extent will be written over. */
static void
note_reuse(lg_undo_seg *s, const undo_extent *e)
{
    if (!e->seq)
        return;
    s->reused++;
    if (lg_run_now_ns(s->undo->run) - e->ended_at < s->undo->cfg.retention_ms * LG_MS)
        s->reused_early++;
    if (e->ended_at > s->reused_until)
        s->reused_until = e->ended_at;
}

void
lg_undo_info_get(const lg_undo_seg *s, lg_undo_info *ret)
{
    const lg_undo *u = s->undo;
    lg_time now = lg_run_now_ns(u->run);
    *ret = (lg_undo_info){.useg = s->useg,
                          .file = s->file,
                          .extents = s->extent_count,
                          .extent_bytes = s->extent_bytes,
                          .max_bytes = u->cfg.max_bytes,
                          .retention_ms = u->cfg.retention_ms,
                          .reused = s->reused,
                          .reused_early = s->reused_early};
    for (uint32_t i = 0; i < s->extent_count; i++) {
        const undo_extent *e = &s->extents[i];
        if (i == s->cur_extent || (e->seq && held(s, e->seq)))
            ret->active++;
        else if (e->seq && now - e->ended_at < u->cfg.retention_ms * LG_MS)
            ret->unexpired++;
        else
            ret->expired++;
    }
    LG_LIST_FOREACH (it, &s->holds)
        ret->holds++;
    LG_LIST_FOREACH (it, &s->old_holds)
        ret->holds++;
    if (s->reused)
        ret->reach_ns = now > s->reused_until ? now - s->reused_until : 1;
}

/* Writes the number of extent i (which may be a new one at the end) to the directory. */
static lg_status
extent_number(lg_undo_seg *s, uint32_t i)
{
    lg_undo *u = s->undo;
    lg_mtr m;
    lg_buf *b;
    lg_mtr_begin(&m, u->cache);
    lg_status st = lg_mtr_get(&m, (lg_addr){s->file, 0}, LG_LATCH_X, 0, &b);
    if (st != LG_OK) {
        lg_mtr_abort(&m);
        return st;
    }
    uint64_t seq = s->next_seq;
    lg_mtr_set_u64(&m, b, CTL_DIR_OFF + 8 * i, seq);
    if (i == s->extent_count)
        lg_mtr_set_u32(&m, b, CTL_OFF + (uint32_t)offsetof(undo_ctl, extents), i + 1);
    lg_mtr_commit(&m, NULL);
    if (i == s->extent_count)
        s->extent_count++;
    s->next_seq = seq + 1;
    bool first = s->extents[i].seq == 0;
    s->extents[i] = (undo_extent){seq, lg_run_now_ns(u->run), first};
    s->next_extent = i;
    return LG_OK;
}

/* One more extent at the end of the file; LG_DISK_FULL. */
static lg_status
extent_extend(lg_undo_seg *s)
{
    lg_buf_cache *c = s->undo->cache;
    uint32_t per_au = LG_VOLUME_AU_BYTES / s->undo->block_bytes;
    uint32_t need = (s->extent_count + 1) * s->per_extent, blocks;
    LG_TRY(lg_space_file_blocks(c, s->file, &blocks));
    return blocks >= need ? LG_OK
                          : lg_space_file_extend(c, s->file, (need - blocks) / per_au, &blocks);
}

static bool
may_grow(const lg_undo_seg *s, uint64_t to)
{
    return s->extent_count < s->extent_max && (s->extent_count + 1) * s->extent_bytes <= to;
}

static lg_status
extent_prepare(lg_undo_seg *s)
{
    const lg_undo_config *cfg = &s->undo->cfg;
    uint32_t i = extent_reusable(s, true), early = extent_reusable(s, false);
    if (i == NO_EXTENT && !may_grow(s, cfg->keep_bytes))
        i = early;
    if (i == NO_EXTENT && may_grow(s, cfg->max_bytes)) {
        lg_status st = extent_extend(s);
        if (st == LG_OK)
            i = s->extent_count;
        else if (st != LG_DISK_FULL)
            return st;
    }
    if (i == NO_EXTENT)
        i = extent_reusable(s, false); /* again: growing may have blocked */
    if (i == NO_EXTENT)
        return LG_UNDO_FULL;
    undo_extent was = s->extents[i];
    LG_TRY(extent_number(s, i));
    note_reuse(s, &was);
    return LG_OK;
}

/* The block after the current one; 0: there is none prepared. */
static uint32_t
next_block(const lg_undo_seg *s)
{
    uint32_t per = s->per_extent;
    if (s->cur_extent != NO_EXTENT && s->cur_block + 1 < (s->cur_extent + 1) * per)
        return s->cur_block + 1;
    if (s->next_extent == NO_EXTENT)
        return 0;
    return s->next_extent == 0 ? FIRST_BLOCK : s->next_extent * per;
}

static bool
fits_current(const lg_undo_seg *s, uint32_t total)
{
    return s->cur_extent != NO_EXTENT && s->cur_used + total <= s->undo->block_bytes;
}

/* ---- writing ---- */

lg_status
lg_undo_reserve(lg_undo_seg *s, uint32_t payload_len)
{
    LG_ASSERT(payload_len <= LG_UNDO_MAX_PAYLOAD(s->undo->block_bytes));
    while (!fits_current(s, payload_len + 2 * (uint32_t)sizeof(lg_undo_rec)) &&
           next_block(s) == 0) {
        if (s->preparing) {
            LG_TRY(lg_waitq_wait(&s->prepareq, LG_WAIT_BUFFER_BUSY, LG_FOREVER, false));
            continue;
        }
        s->preparing = true;
        lg_status st = extent_prepare(s);
        s->preparing = false;
        lg_waitq_wake_all(&s->prepareq);
        LG_TRY(st);
    }
    return LG_OK;
}

lg_status
lg_undo_get(lg_undo_seg *s, lg_mtr *m, uint32_t total_len, lg_undo_place *ret_place)
{
    bool fresh = !fits_current(s, total_len);
    uint32_t block = fresh ? next_block(s) : s->cur_block;
    lg_addr addr = {s->file, block};
    if (block != 0) {
        lg_buf *b;
        bool first = fresh && s->extents[block / s->per_extent].first;
        unsigned flags = (fresh ? LG_MTR_NEW : 0u) | (first ? LG_MTR_FIRST : 0u);
        LG_TRY(lg_mtr_get(m, addr, LG_LATCH_X, flags, &b));
        if (fresh == !fits_current(s, total_len) &&
            block == (fresh ? next_block(s) : s->cur_block)) {
            *ret_place =
                (lg_undo_place){b, (uint16_t)(fresh ? BLK_DATA : s->cur_used), fresh, block};
            return LG_OK;
        }
    } else { /* others used up what was reserved: the caller reserves again */
        addr.block = 0;
    }
    m->want = addr;
    m->want_latch = LG_LATCH_S;
    m->want_flags = 0;
    return LG_RETRY;
}

static uint32_t
rec_check(lg_xid xid, lg_uptr p)
{
    return (uint32_t)lg_hash_u64(xid * 31 + p);
}

static void
block_begin(lg_undo_seg *s, lg_mtr *m, lg_undo_place *p)
{
    LG_ASSERT(p->block == next_block(s));
    if (s->next_extent != NO_EXTENT && p->block / s->per_extent == s->next_extent) {
        s->cur_extent = s->next_extent;
        s->next_extent = NO_EXTENT;
    }
    s->cur_block = p->block;
    s->cur_used = BLK_DATA;
    lg_mtr_format(m, p->buf, LG_BLOCK_UNDO);
    undo_blk h = {s->extents[s->cur_extent].seq, BLK_DATA, 0, 0};
    lg_mtr_set(m, p->buf, BLK_OFF, &h, sizeof h);
    p->fresh = false;
}

lg_uptr
lg_undo_append(lg_undo_seg *s, lg_mtr *m, lg_undo_place *p, lg_undo_hold *h, const lg_undo_rec *rec,
               const void *payload)
{
    if (p->fresh)
        block_begin(s, m, p);
    LG_ASSERT(p->block == s->cur_block && p->off == s->cur_used);
    LG_ASSERT(s->cur_used + sizeof *rec + rec->len <= s->undo->block_bytes);
    lg_uptr at = lg_uptr_make(s->useg, p->block, p->off);
    lg_undo_rec r = *rec;
    r.check = rec_check(r.xid, at);
    lg_mtr_set(m, p->buf, p->off, &r, sizeof r);
    if (r.len)
        lg_mtr_set(m, p->buf, p->off + (uint32_t)sizeof r, payload, r.len);
    s->cur_used += (uint32_t)sizeof r + r.len;
    p->off = (uint16_t)s->cur_used;
    lg_mtr_set_u16(m, p->buf, BLK_OFF + (uint32_t)offsetof(undo_blk, used), (uint16_t)s->cur_used);
    uint64_t seq = s->extents[s->cur_extent].seq;
    if (h->first_seq == 0) {
        h->first_seq = seq;
        lg_list_push_back(&s->holds, &h->link);
    }
    h->last_seq = seq;
    lg_stat_inc(lg_run_stats(s->undo->run), LG_STAT_UNDO_RECORDS);
    return at;
}

/* ---- reading ---- */

/* The record at p in the block image, checked to be xid's. */
static bool
rec_at(const lg_undo *u, const uint8_t *data, lg_uptr p, lg_xid xid, lg_undo_rec *ret)
{
    uint32_t off = lg_uptr_off(p);
    uint16_t used;
    if (((const lg_block_header *)(const void *)data)->type != LG_BLOCK_UNDO)
        return false;
    memcpy(&used, data + BLK_OFF + offsetof(undo_blk, used), 2);
    if (used > u->block_bytes || off < BLK_DATA || off + sizeof *ret > used)
        return false;
    memcpy(ret, data + off, sizeof *ret);
    return (xid == LG_XID_NONE || ret->xid == xid) && ret->check == rec_check(ret->xid, p) &&
           off + sizeof *ret + ret->len <= used;
}

static lg_status
block_of(lg_undo *u, lg_uptr p, lg_buf **ret)
{
    uint32_t file;
    LG_TRY(u->cfg.file_of(u->cfg.arg, lg_uptr_useg(p), &file));
    return lg_buf_get(u->cache, (lg_addr){file, lg_uptr_block(p)}, LG_LATCH_S, ret);
}

lg_status
lg_undo_read(lg_undo *u, lg_uptr p, lg_xid xid, lg_undo_rec *ret_rec, void *buf)
{
    lg_buf *b;
    LG_TRY(block_of(u, p, &b));
    bool good = rec_at(u, b->data, p, xid, ret_rec);
    if (good)
        memcpy(buf, b->data + lg_uptr_off(p) + sizeof *ret_rec, ret_rec->len);
    lg_buf_put(u->cache, b, LG_LATCH_S);
    return good ? LG_OK : LG_SNAPSHOT_TOO_OLD;
}

lg_status
lg_undo_last_in_block(lg_undo *u, lg_uptr p, lg_xid xid, lg_uptr *ret_last)
{
    lg_buf *b;
    LG_TRY(block_of(u, p, &b));
    lg_undo_rec r;
    lg_status st = rec_at(u, b->data, p, xid, &r) ? LG_OK : LG_SNAPSHOT_TOO_OLD;
    if (st == LG_OK) {
        *ret_last = p;
        while (rec_at(u, b->data, p, LG_XID_NONE, &r)) {
            if (r.xid == xid)
                *ret_last = p;
            uint32_t next = lg_uptr_off(p) + (uint32_t)sizeof r + r.len;
            if (next + sizeof r > u->block_bytes)
                break;
            p = lg_uptr_make(lg_uptr_useg(p), lg_uptr_block(p), (uint16_t)next);
        }
    }
    lg_buf_put(u->cache, b, LG_LATCH_S);
    return st;
}
