/* Bulk build, and the checker of the tree's invariants. */
#include "btree_internal.h"

struct lg_btree_build {
    lg_segment *g;
    lg_xid xid;
    uint32_t block; /* the rightmost leaf */
    lg_btree_item items[LG_BTREE__RUN_MAX];
    uint32_t n;
    lg_arena *keys; /* of the items */
};

lg_status
lg_btree_build_begin(lg_txn *t, lg_segment *g, lg_btree_build **ret_build)
{
    lg_btree_build *b = lg_zalloc(sizeof *b);
    b->g = g;
    /* one that has written nothing leaves no trace of what became of it */
    b->xid = lg_txn_has_written(t) ? lg_txn_xid(t) : LG_XID_NONE;
    b->block = LG_BTREE__ROOT;
    b->keys = lg_arena_create("index build", 64 << 10);
    *ret_build = b;
    return LG_OK;
}

/* Rising keys: they go to the end of the rightmost leaf, as many at once as it takes; splits leave
 * 90 % behind. */
static lg_status
put_items(lg_btree_build *bd)
{
    uint32_t n = bd->n, done;
    lg_status st = LG_OK;
    bd->n = 0; /* also when it fails: nothing is put in twice */
    for (uint32_t at = 0; at < n && st == LG_OK; at += done) {
        const lg_btree_item *it = &bd->items[at];
        lg_btree__key k = {it->key, it->len, it->rowid};
        st = lg_btree__append_run(bd->g, bd->xid, &bd->block, it, n - at, &done);
        if (st != LG_OK || done > 0)
            continue;
        st = lg_btree__split(bd->g, bd->block, &k);
        if (st == LG_OK)
            st = lg_btree__descend(bd->g, &k, 0, &bd->block);
    }
    lg_arena_reset(bd->keys);
    return st;
}

lg_status
lg_btree_build_add(lg_btree_build *bd, const void *key, uint32_t len, uint64_t rowid)
{
    if (len > LG_BTREE_KEY_MAX)
        return LG_TOO_LARGE;
    bd->items[bd->n++] =
        (lg_btree_item){.key = lg_arena_dup(bd->keys, key, len), .len = len, .rowid = rowid};
    return bd->n == LG_BTREE__RUN_MAX ? put_items(bd) : LG_OK;
}

lg_status
lg_btree_build_finish(lg_btree_build *b)
{
    lg_status st = put_items(b);
    lg_arena_destroy(b->keys);
    lg_free(b);
    return st;
}

/* ---- check ---- */

struct checker {
    lg_segment *g;
    lg_btree_stat *stat;
};

static lg_status
check_node(struct checker *c, const void *image, uint8_t level, const lg_btree__key *low)
{
    const lg_btree__node *n = lg_btree__node_of(image);
    const lg_btree__entry *high = lg_btree__high(image);
    if (n->level != level || (n->right == 0) != (high == NULL) || (n->flags & LG_BTREE__INCOMPLETE))
        return LG_CORRUPT;
    for (uint32_t i = 0; i < n->count; i++) {
        const lg_btree__entry *e = lg_btree__entry_at(image, i);
        lg_btree__key k = {e->key, e->len, e->rowid};
        bool minus_infinity = level > 0 && i == 0;
        if (i > (level > 0) && lg_btree__compare(&k, lg_btree__entry_at(image, i - 1)) <= 0)
            return LG_CORRUPT;
        if (high && !minus_infinity && lg_btree__compare(&k, high) >= 0)
            return LG_CORRUPT;
        if (low && !minus_infinity) {
            lg_btree__entry *le = lg_zalloc(LG_BTREE__ENTRY_BYTES + low->len);
            le->rowid = low->rowid;
            le->len = (uint16_t)low->len;
            memcpy(le->key, low->bytes, low->len);
            int cmp = lg_btree__compare(&k, le);
            lg_free(le);
            if (cmp < 0)
                return LG_CORRUPT;
        }
        if (level == 0) {
            c->stat->entries++;
            c->stat->marked += (e->flags & LG_BTREE__MARKED) != 0;
        }
    }
    if (level == 0)
        c->stat->leaves++;
    else
        c->stat->inner++;
    return LG_OK;
}

/* Walks one level from left to right; each node's high key is the next one's lower bound. */
static lg_status
check_level(struct checker *c, uint32_t block, uint8_t level, uint32_t *ret_first_child)
{
    lg_buf_cache *cache = lg_segment_cache(c->g);
    uint8_t low_bytes[LG_BTREE_KEY_MAX];
    lg_btree__key low = {low_bytes, 0, 0};
    bool has_low = false;
    *ret_first_child = 0;
    while (block) {
        lg_buf *b;
        LG_TRY(lg_buf_get(cache, (lg_addr){lg_segment_file(c->g), block}, LG_LATCH_S, &b));
        lg_status st = check_node(c, b->data, level, has_low ? &low : NULL);
        const lg_btree__node *n = lg_btree__node_of(b->data);
        const lg_btree__entry *high = lg_btree__high(b->data);
        if (!*ret_first_child && level > 0 && n->count)
            *ret_first_child = (uint32_t)lg_btree__entry_at(b->data, 0)->ref;
        if (high) {
            memcpy(low_bytes, high->key, high->len);
            low.len = high->len;
            low.rowid = high->rowid;
            has_low = true;
        }
        block = n->right;
        lg_buf_put(cache, b, LG_LATCH_S);
        LG_TRY(st);
    }
    return LG_OK;
}

lg_status
lg_btree_check(lg_segment *g, lg_btree_stat *ret_stat)
{
    struct checker c = {g, ret_stat};
    lg_buf_cache *cache = lg_segment_cache(g);
    lg_buf *b;
    memset(ret_stat, 0, sizeof *ret_stat);
    LG_TRY(lg_buf_get(cache, (lg_addr){lg_segment_file(g), LG_BTREE__ROOT}, LG_LATCH_S, &b));
    uint8_t level = lg_btree__node_of(b->data)->level;
    lg_buf_put(cache, b, LG_LATCH_S);
    uint32_t block = LG_BTREE__ROOT;
    ret_stat->levels = level + 1u;
    for (;;) {
        uint32_t child;
        LG_TRY(check_level(&c, block, level, &child));
        if (level == 0)
            return LG_OK;
        block = child;
        level--;
    }
}
