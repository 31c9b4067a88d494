/* Mini-transactions: see mtr.h.
 *
 * Redo space is reserved with the latches: each X get makes sure that the reservation covers a
 * whole image of every block latched X, so neither a change nor commit can ever wait. A fiber
 * never waits for redo space while it holds a latch: the checkpointer may need that very block.
 *
 * The operations of a block are recorded as they are made; when they outgrow a block's size they
 * are replaced at commit by one image of the whole block. */
#include "buf_internal.h"
#include "assert.h"
#include <string.h>

#define RECORD_FIXED_BYTES sizeof(lg_redo_record_header)
#define FORMAT_OP_BYTES    10

struct log_block {
    lg_buf *buf;
    uint8_t *ops; /* room for a block */
    uint32_t len;
    bool whole;      /* ops outgrew the block: log its image */
    uint8_t *before; /* debug builds: the image before the first change */
};

struct lg_mtr_log {
    struct lg_mtr_log *next; /* in the pool */
    uint32_t reserved;       /* bytes of redo; 0: none */
    uint32_t x_count;        /* blocks latched X so far */
    uint32_t count;
    struct log_block blocks[LG_MTR_MAX_BLOCKS];
    lg_redo_change_header headers[LG_MTR_MAX_BLOCKS];
    struct iovec parts[3 * LG_MTR_MAX_BLOCKS];
};

/* ---- the pool of logs ---- */

static struct lg_mtr_log *
log_take(lg_buf_cache *c)
{
    struct lg_mtr_log *log = c->mtr_pool;
    if (!log)
        return lg_zalloc(sizeof *log);
    c->mtr_pool = log->next;
    c->mtr_pool_count--;
    log->reserved = log->x_count = log->count = 0;
    return log;
}

static void
log_free(struct lg_mtr_log *log)
{
    for (unsigned i = 0; i < LG_MTR_MAX_BLOCKS; i++) {
        lg_free(log->blocks[i].ops);
        lg_free(log->blocks[i].before);
    }
    lg_free(log);
}

void
lg_buf__mtr_pool_drop(lg_buf_cache *c)
{
    while (c->mtr_pool) {
        struct lg_mtr_log *log = c->mtr_pool;
        c->mtr_pool = log->next;
        log_free(log);
    }
}

static void
log_give(lg_buf_cache *c, struct lg_mtr_log *log)
{
    if (!log)
        return;
    if (log->reserved)
        lg_redo_unreserve(c->cfg.redo, log->reserved);
    if (c->mtr_pool_count == LG_MTR_POOL_MAX) {
        log_free(log);
        return;
    }
    log->next = c->mtr_pool;
    c->mtr_pool = log;
    c->mtr_pool_count++;
}

/* ---- getting blocks ---- */

static void leave(lg_mtr *m);

void
lg_mtr_begin(lg_mtr *m, lg_buf_cache *cache)
{
    m->cache = cache;
    m->block_count = 0;
    m->changed = false;
    m->want_redo = false;
    m->log = NULL;
}

static uint32_t
record_bound(const lg_buf_cache *c, uint32_t blocks)
{
    return (uint32_t)RECORD_FIXED_BYTES +
           blocks * (c->block_bytes + (uint32_t)sizeof(lg_redo_change_header) + 32);
}

/* Makes the reservation cover one more X block; false: there is no space now. */
static bool
reserve_one_more(lg_mtr *m)
{
    lg_buf_cache *c = m->cache;
    if (!m->log)
        m->log = log_take(c);
    struct lg_mtr_log *log = m->log;
    uint32_t need = record_bound(c, log->x_count + 1);
    if (log->reserved == 0) {
        if (!lg_redo_try_reserve(c->cfg.redo, need))
            return false;
        log->reserved = need;
    } else if (need > log->reserved) {
        if (!lg_redo_try_reserve_more(c->cfg.redo, need - log->reserved))
            return false;
        log->reserved = need;
    }
    log->x_count++;
    return true;
}

static lg_status
want(lg_mtr *m, lg_addr addr, lg_latch_mode latch, unsigned flags, bool redo)
{
    m->want = addr;
    m->want_latch = latch;
    m->want_flags = flags;
    m->want_redo = redo;
    return LG_RETRY;
}

/* The first block: may wait, for the block and for redo space, holding no latch either time. */
static lg_status
get_first(lg_mtr *m, lg_addr addr, lg_latch_mode latch, unsigned flags, lg_buf **ret_buf)
{
    lg_buf_cache *c = m->cache;
    for (;;) {
        LG_TRY(lg_buf__get(c, addr, latch, flags, ret_buf));
        if (latch != LG_LATCH_X || reserve_one_more(m))
            return LG_OK;
        lg_buf_put(c, *ret_buf, latch);
        m->log->reserved = 0;
        LG_TRY(lg_redo_reserve(c->cfg.redo, record_bound(c, 1)));
        m->log->reserved = record_bound(c, 1);
    }
}

lg_status
lg_mtr_get(lg_mtr *m, lg_addr addr, lg_latch_mode latch, unsigned flags, lg_buf **ret_buf)
{
    lg_buf *b;
    for (uint32_t i = 0; i < m->block_count; i++) {
        b = m->blocks[i].buf;
        if (b->addr.block == addr.block && b->addr.file == addr.file) {
            LG_ASSERT(m->blocks[i].latch >= latch);
            *ret_buf = b;
            return LG_OK;
        }
    }
    LG_ASSERT(!m->changed && m->block_count < LG_MTR_MAX_BLOCKS);
    if (m->block_count == 0) {
        lg_status st = get_first(m, addr, latch, flags, &b);
        if (st != LG_OK) {
            leave(m);
            return st;
        }
    } else {
        if (lg_buf_try_get(m->cache, addr, latch, &b) != LG_OK)
            return want(m, addr, latch, flags, false);
        if (latch == LG_LATCH_X && !reserve_one_more(m)) {
            lg_buf_put(m->cache, b, latch);
            return want(m, addr, latch, flags, true);
        }
    }
    m->blocks[m->block_count++] = (lg_mtr_block){.buf = b, .latch = latch};
    *ret_buf = b;
    return LG_OK;
}

/* Lets go of everything. */
static void
leave(lg_mtr *m)
{
    while (m->block_count > 0) {
        lg_mtr_block *e = &m->blocks[--m->block_count];
        lg_buf_put(m->cache, e->buf, e->latch);
    }
    log_give(m->cache, m->log);
    m->log = NULL;
    m->changed = false;
}

lg_status
lg_mtr_restart(lg_mtr *m)
{
    LG_ASSERT(!m->changed);
    uint32_t bytes = m->want_redo && m->log ? record_bound(m->cache, m->log->x_count + 1) : 0;
    leave(m);
    if (bytes) {
        LG_TRY(lg_redo_reserve(m->cache->cfg.redo, bytes));
        lg_redo_unreserve(m->cache->cfg.redo, bytes);
    }
    return lg_buf_secure(m->cache, m->want, m->want_latch, m->want_flags);
}

void
lg_mtr_unlatch_early(lg_mtr *m, lg_buf *b)
{
    for (uint32_t i = 0; i < m->block_count; i++) {
        if (m->blocks[i].buf != b)
            continue;
        LG_ASSERT(!m->blocks[i].changed);
        lg_buf_put(m->cache, b, m->blocks[i].latch);
        m->blocks[i] = m->blocks[--m->block_count];
        return;
    }
    LG_UNREACHABLE();
}

void
lg_mtr_abort(lg_mtr *m)
{
    LG_ASSERT(!m->changed);
    leave(m);
}

/* ---- changes ---- */

static struct log_block *
log_block_add(lg_mtr *m, lg_buf *b)
{
    struct lg_mtr_log *log = m->log;
    uint32_t i = 0;
    while (i < m->block_count && m->blocks[i].buf != b)
        i++;
    LG_ASSERT(i < m->block_count && m->blocks[i].latch == LG_LATCH_X && log);
    LG_ASSERT(b->mode == LG_MODE_X && log->count < LG_MTR_MAX_BLOCKS);
    m->blocks[i].changed = true;
    m->changed = true;
    struct log_block *lb = &log->blocks[log->count++];
    lb->buf = b;
    lb->len = 0;
    lb->whole = false;
    if (!lb->ops)
        lb->ops = lg_alloc(m->cache->block_bytes);
#ifdef LG_DEBUG
    if (!lb->before)
        lb->before = lg_alloc_aligned(16, m->cache->block_bytes);
    memcpy(lb->before, b->data, m->cache->block_bytes);
#endif
    return lb;
}

static struct log_block *
log_block_of(lg_mtr *m, lg_buf *b)
{
    if (m->log)
        for (uint32_t i = m->log->count; i-- > 0;)
            if (m->log->blocks[i].buf == b)
                return &m->log->blocks[i];
    return log_block_add(m, b);
}

static void
op_put(lg_mtr *m, struct log_block *lb, const void *head, uint32_t head_len, const void *bytes,
       uint32_t len)
{
    if (lb->whole || lb->len + head_len + len > m->cache->block_bytes) {
        lb->whole = true;
        return;
    }
    memcpy(lb->ops + lb->len, head, head_len);
    memcpy(lb->ops + lb->len + head_len, bytes, len);
    lb->len += head_len + len;
}

static uint32_t
op_head(uint8_t *head, lg_change_op op, uint32_t a, uint32_t b)
{
    uint16_t v[2] = {(uint16_t)a, (uint16_t)b};
    head[0] = (uint8_t)op;
    memcpy(head + 1, v, sizeof v);
    return 1 + sizeof v;
}

static void
check_range(const lg_mtr *m, uint32_t off, uint32_t len)
{
    LG_ASSERT(off >= LG_BLOCK_HEADER_BYTES && off <= m->cache->block_bytes &&
              len <= m->cache->block_bytes - off);
}

void
lg_mtr_set(lg_mtr *m, lg_buf *b, uint32_t off, const void *bytes, uint32_t len)
{
    uint8_t head[8];
    check_range(m, off, len);
    if (len == 0 || memcmp(b->data + off, bytes, len) == 0)
        return;
    struct log_block *lb = log_block_of(m, b);
    op_put(m, lb, head, op_head(head, LG_CHANGE_SET, off, len), bytes, len);
    memmove(b->data + off, bytes, len);
}

void
lg_mtr_move(lg_mtr *m, lg_buf *b, uint32_t dst, uint32_t src, uint32_t len)
{
    uint8_t head[8];
    uint16_t n = (uint16_t)len;
    check_range(m, dst, len);
    check_range(m, src, len);
    if (len == 0 || dst == src)
        return;
    struct log_block *lb = log_block_of(m, b);
    op_put(m, lb, head, op_head(head, LG_CHANGE_MOVE, dst, src), &n, sizeof n);
    memmove(b->data + dst, b->data + src, len);
}

void
lg_mtr_fill(lg_mtr *m, lg_buf *b, uint32_t off, uint8_t byte, uint32_t len)
{
    uint8_t head[8];
    check_range(m, off, len);
    if (len == 0)
        return;
    struct log_block *lb = log_block_of(m, b);
    op_put(m, lb, head, op_head(head, LG_CHANGE_FILL, off, len), &byte, 1);
    memset(b->data + off, byte, len);
}

static void
format_op(uint8_t *op, uint8_t type, lg_addr addr)
{
    op[0] = LG_CHANGE_FORMAT;
    op[1] = type;
    memcpy(op + 2, &addr.file, 4);
    memcpy(op + 6, &addr.block, 4);
}

void
lg_mtr_format(lg_mtr *m, lg_buf *b, lg_block_type type)
{
    uint8_t op[FORMAT_OP_BYTES];
    struct log_block *lb = log_block_of(m, b);
    lg_version before = lg_block_version(b->data);
    lb->len = 0; /* what went before no longer matters */
    lb->whole = false;
    format_op(op, (uint8_t)type, b->addr);
    op_put(m, lb, op, sizeof op, op, 0);
    lg_status st = lg_change_apply(b->data, m->cache->block_bytes, op, sizeof op, before);
    LG_ASSERT(st == LG_OK);
}

/* ---- commit ---- */

/* Header, then the bytes behind it: made at commit, when they are final. */
static void
whole_image(const lg_buf_cache *c, struct log_block *lb)
{
    uint32_t n = c->block_bytes - LG_BLOCK_HEADER_BYTES;
    lg_block_header *h = (lg_block_header *)(void *)lb->buf->data;
    LG_ASSERT(h->flags == 0 && h->type != LG_BLOCK_FREE);
    format_op(lb->ops, h->type, lb->buf->addr);
    lb->len = FORMAT_OP_BYTES;
    lb->len += op_head(lb->ops + lb->len, LG_CHANGE_SET, LG_BLOCK_HEADER_BYTES, n);
    memcpy(lb->ops + lb->len, lb->buf->data + LG_BLOCK_HEADER_BYTES, n);
    lb->len += n;
}

/* Debug builds: the record, replayed on the image before, gives the image after. */
static void
prove(const lg_buf_cache *c, struct log_block *lb, lg_version after)
{
#ifdef LG_DEBUG
    lg_status st = lg_change_apply(lb->before, c->block_bytes, lb->ops, lb->len, after);
    LG_ASSERT(st == LG_OK);
    ((lg_block_header *)(void *)lb->before)->crc = 0;
    ((lg_block_header *)(void *)lb->buf->data)->crc = 0;
    LG_ASSERT(memcmp(lb->before, lb->buf->data, c->block_bytes) == 0);
#else
    (void)c, (void)lb, (void)after;
#endif
}

static uint32_t
describe(lg_buf_cache *c, struct lg_mtr_log *log, lg_scn scn)
{
    static const uint8_t zeros[8];
    uint32_t n = 0;
    for (uint32_t i = 0; i < log->count; i++) {
        struct log_block *lb = &log->blocks[i];
        lg_block_header *h = (lg_block_header *)(void *)lb->buf->data;
        lg_version before = h->version, after = lg_version_next(before, scn);
        if (lb->whole)
            whole_image(c, lb);
        h->version = after;
        prove(c, lb, after);
        log->headers[i] = (lg_redo_change_header){
            .file = lb->buf->addr.file,
            .block = lb->buf->addr.block,
            .before = before,
            .after = after,
            .ops_len = lb->len,
        };
        log->parts[n++] = (struct iovec){&log->headers[i], sizeof log->headers[i]};
        log->parts[n++] = (struct iovec){lb->ops, lb->len};
        if (lb->len % 8)
            log->parts[n++] = (struct iovec){(void *)(uintptr_t)zeros, 8 - lb->len % 8};
    }
    return n;
}

void
lg_mtr_commit(lg_mtr *m, lg_lsn *ret_lsn)
{
    lg_buf_cache *c = m->cache;
    struct lg_mtr_log *log = m->log;
    lg_lsn start, end = 0;
    if (m->changed) {
        /* Above every snapshot taken so far. */
        lg_scn scn = lg_scn_current(c->cfg.clock) + 1;
        uint32_t parts = describe(c, log, scn);
        lg_redo_append(c->cfg.redo, (uint16_t)log->count, log->parts, parts, scn, log->reserved,
                       &start, &end);
        log->reserved = 0;
        for (uint32_t i = 0; i < log->count; i++) {
            lg_buf *b = log->blocks[i].buf;
            lg_buf__mark_dirty(c, b, start);
            b->last_lsn = end;
        }
        lg_stat_add(c->stats, LG_STAT_BLOCK_CHANGES, log->count);
    }
    leave(m);
    if (ret_lsn)
        *ret_lsn = end;
}
