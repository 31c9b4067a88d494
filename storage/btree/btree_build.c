/* Bulk build, and the checker of the tree's invariants. */
#include "btree_internal.h"

struct lg_btree_build {
    lg_segment *g;
    uint32_t block; /* the rightmost leaf */
};

lg_status
lg_btree_build_begin(lg_segment *g, lg_btree_build **ret_build)
{
    lg_btree_build *b = lg_zalloc(sizeof *b);
    b->g = g;
    b->block = LG_BTREE__ROOT;
    *ret_build = b;
    return LG_OK;
}

/* Rising keys: each goes to the end of the rightmost leaf; splits leave 90 % behind. */
lg_status
lg_btree_build_add(lg_btree_build *bd, const void *key, uint32_t len, uint64_t rowid)
{
    lg_btree__key k = {key, len, rowid};
    if (len > LG_BTREE_KEY_MAX)
        return LG_TOO_LARGE;
    for (;;) {
        lg_mtr m;
        lg_buf *b;
        LG_TRY(lg_btree__latch(bd->g, &m, &k, 0, &bd->block, &b));
        if (lg_btree__room(b->data) >= LG_BTREE__ENTRY_BYTES + len + 2) {
            lg_btree__entry_add(&m, b, lg_btree__find(b->data, &k), &k, LG_XID_NONE, 0);
            lg_mtr_commit(&m, NULL);
            return LG_OK;
        }
        lg_mtr_abort(&m);
        LG_TRY(lg_btree__split(bd->g, bd->block, &k));
        if (bd->block == LG_BTREE__ROOT)
            LG_TRY(lg_btree__descend(bd->g, &k, 0, &bd->block));
    }
}

lg_status
lg_btree_build_finish(lg_btree_build *b)
{
    lg_free(b);
    return LG_OK;
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
