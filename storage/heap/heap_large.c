/* Rows too long for a block: compressed in place when that is enough, else a chain of blocks. */
#include "heap_internal.h"
#include <lz4.h>

typedef struct large_head {
    uint32_t next; /* 0: the last */
    uint32_t len;
    uint64_t chain_id;
} large_head;

#define LARGE_OFF  LG_BLOCK_HEADER_BYTES
#define LARGE_DATA 64u

static lg_status
block_write(lg_segment *g, uint32_t block, unsigned flags, const large_head *h,
            const uint8_t *bytes)
{
    lg_mtr m;
    lg_buf *b;
    lg_mtr_begin(&m, lg_segment_cache(g));
    lg_status st = lg_mtr_get(&m, (lg_addr){lg_segment_file(g), block}, LG_LATCH_X, flags, &b);
    if (st != LG_OK) {
        lg_mtr_abort(&m);
        return st;
    }
    lg_mtr_format(&m, b, LG_BLOCK_LARGE);
    lg_mtr_set(&m, b, LARGE_OFF, h, sizeof *h);
    lg_mtr_set(&m, b, LARGE_DATA, bytes, h->len);
    lg_mtr_commit(&m, NULL);
    return LG_OK;
}

static lg_status
chain_write(lg_segment *g, const uint8_t *bytes, heap_large *l)
{
    uint32_t room = lg_buf_block_bytes(lg_segment_cache(g)) - LARGE_DATA;
    uint32_t block;
    unsigned flags, next_flags = 0;
    LG_TRY(lg_segment_alloc(g, &block, &flags));
    l->first_block = block;
    l->chain_id = lg_run_random(lg_buf_run(lg_segment_cache(g)));
    for (uint32_t at = 0; at < l->stored_len;) {
        uint32_t n = l->stored_len - at < room ? l->stored_len - at : room;
        large_head h = {0, n, l->chain_id};
        if (at + n < l->stored_len)
            LG_TRY(lg_segment_alloc(g, &h.next, &next_flags));
        LG_TRY(block_write(g, block, flags, &h, bytes + at));
        at += n;
        block = h.next;
        flags = next_flags;
    }
    return LG_OK;
}

/* ---- compression ---- */

/* A large row keeps a processor busy for seconds: then it is a helper thread's work, so that the
 * worker serves the others. */
struct lz4 {
    const char *from;
    char *to;
    int len, room; /* bytes of from, to */
    int n;         /* what came of it */
};

static void
compress_fn(void *arg)
{
    struct lz4 *z = arg;
    z->n = LZ4_compress_default(z->from, z->to, z->len, z->room);
}

static void
decompress_fn(void *arg)
{
    struct lz4 *z = arg;
    z->n = LZ4_decompress_safe(z->from, z->to, z->len, z->room);
}

static int
lz4_run(void (*fn)(void *arg), const void *from, uint32_t len, void *to, uint32_t room)
{
    struct lz4 z = {.from = from, .to = to, .len = (int)len, .room = (int)room};
    if ((len > room ? len : room) >= LG_MEM_LARGE && lg_fiber_self())
        lg_run_offload(lg_fiber_run(lg_fiber_self()), fn, &z);
    else
        fn(&z);
    return z.n;
}

lg_status
lg_heap__store(lg_segment *g, lg_arena *a, const void *row, uint32_t len, heap_content *ret)
{
    uint32_t max = lg_heap__inline_max(lg_buf_block_bytes(lg_segment_cache(g)));
    *ret = (heap_content){0, row, len};
    if (len <= max)
        return LG_OK;
    if (len > LG_HEAP_ROW_MAX)
        return LG_TOO_LARGE;
    int bound = LZ4_compressBound((int)len);
    uint8_t *z = lg_alloc(4 + (size_t)bound);
    int n = lz4_run(compress_fn, row, len, z + 4, (uint32_t)bound);
    lg_status st = LG_OK;
    if (n > 0 && (uint32_t)n + 4 <= max) {
        memcpy(z, &len, 4);
        *ret = (heap_content){ROW_LZ4, lg_arena_dup(a, z, (size_t)n + 4), (uint32_t)n + 4};
    } else {
        heap_large *l = LG_NEW(a, heap_large);
        bool better = n > 0 && (uint32_t)n < len - len / 8;
        l->raw_len = len;
        l->stored_len = better ? (uint32_t)n : len;
        st = chain_write(g, better ? z + 4 : row, l);
        *ret = (heap_content){ROW_LARGE, (const uint8_t *)l, sizeof *l};
    }
    lg_free(z);
    return st;
}

/* Calls for each block of the chain: copies its bytes (buf not NULL). LG_SNAPSHOT_TOO_OLD: reused.
 */
static lg_status
chain_step(lg_segment *g, const heap_large *l, uint32_t block, uint8_t *buf, uint32_t room,
           large_head *ret)
{
    lg_buf_cache *c = lg_segment_cache(g);
    lg_buf *b;
    LG_TRY(lg_buf_get(c, (lg_addr){lg_segment_file(g), block}, LG_LATCH_S, &b));
    memcpy(ret, b->data + LARGE_OFF, sizeof *ret);
    bool good = ((lg_block_header *)(void *)b->data)->type == LG_BLOCK_LARGE &&
                ret->chain_id == l->chain_id && ret->len <= room && ret->len > 0;
    if (good && buf)
        memcpy(buf, b->data + LARGE_DATA, ret->len);
    lg_buf_put(c, b, LG_LATCH_S);
    return good ? LG_OK : LG_SNAPSHOT_TOO_OLD;
}

lg_status
lg_heap__large_read(lg_segment *g, const heap_large *l, uint8_t *buf)
{
    bool packed = l->stored_len != l->raw_len;
    uint8_t *to = packed ? lg_alloc(l->stored_len) : buf;
    lg_status st = LG_OK;
    uint32_t block = l->first_block;
    for (uint32_t at = 0; at < l->stored_len && st == LG_OK;) {
        large_head h;
        st = chain_step(g, l, block, to + at, l->stored_len - at, &h);
        at += h.len;
        block = h.next;
    }
    if (packed) {
        if (st == LG_OK &&
            lz4_run(decompress_fn, to, l->stored_len, buf, l->raw_len) != (int)l->raw_len)
            st = LG_CORRUPT;
        lg_free(to);
    }
    return st;
}

lg_status
lg_heap__large_free(lg_segment *g, const heap_large *l)
{
    uint32_t block = l->first_block;
    for (uint32_t at = 0; at < l->stored_len;) {
        large_head h;
        lg_status st = chain_step(g, l, block, NULL, l->stored_len - at, &h);
        if (st == LG_SNAPSHOT_TOO_OLD)
            return LG_OK; /* freed already */
        LG_TRY(st);
        at += h.len;
        LG_TRY(lg_segment_free(g, block));
        block = h.next;
    }
    return LG_OK;
}
