/* Range scans: a leaf is copied under its latch and read at leisure; then the next one. Going right
 * follows the copy's right link: what a later split moved right is in the copy already. Going left
 * descends again for what is below the lowest key seen. */
#include "btree_internal.h"

struct lg_btree_scan {
    lg_segment *g;
    uint8_t *image;   /* the leaf's copy */
    uint32_t at, end; /* slots still to return: [at, end) */
    uint32_t next;    /* forward: the right sibling; 0: none */
    bool backward;
    bool finished;
    uint8_t *lo, *hi;
    uint32_t lo_len, hi_len;
    uint8_t *bound; /* backward: entries below (bound, bound_rowid) are next */
    uint32_t bound_len;
    uint64_t bound_rowid;
    bool bounded;
};

static uint8_t *
copy_bytes(const void *p, uint32_t len)
{
    uint8_t *c = lg_alloc(len + 1);
    if (len)
        memcpy(c, p, len);
    return c;
}

static lg_status
load(lg_btree_scan *sc, uint32_t block)
{
    lg_buf_cache *c = lg_segment_cache(sc->g);
    lg_buf *b;
    LG_TRY(lg_buf_get(c, (lg_addr){lg_segment_file(sc->g), block}, LG_LATCH_S, &b));
    memcpy(sc->image, b->data, lg_buf_block_bytes(c));
    lg_buf_put(c, b, LG_LATCH_S);
    return LG_OK;
}

/* ---- forward ---- */

static void
limit_forward(lg_btree_scan *sc, const lg_btree__key *from)
{
    const lg_btree__node *n = lg_btree__node_of(sc->image);
    sc->at = from ? lg_btree__find(sc->image, from) : 0;
    sc->end = n->count;
    sc->next = n->right;
    if (sc->hi_len) {
        lg_btree__key hi = {sc->hi, sc->hi_len, 0};
        sc->end = lg_btree__find(sc->image, &hi);
        if (sc->end < n->count || lg_btree__beyond(sc->image, &hi) == false)
            sc->next = 0; /* hi lies within this leaf */
    }
}

static lg_status
start_forward(lg_btree_scan *sc)
{
    lg_btree__key lo = {sc->lo, sc->lo_len, 0};
    uint32_t block;
    LG_TRY(lg_btree__descend(sc->g, &lo, 0, &block));
    LG_TRY(load(sc, block));
    while (lg_btree__beyond(sc->image, &lo))
        LG_TRY(load(sc, lg_btree__node_of(sc->image)->right));
    limit_forward(sc, &lo);
    return LG_OK;
}

/* ---- backward ---- */

/* Loads the leaf with the largest entry below the bound; LG_END when there is none. low: the
 * separator passed on the way down, below which nothing of that leaf lies. */
static lg_status
load_below(lg_btree_scan *sc)
{
    lg_buf_cache *c = lg_segment_cache(sc->g);
    for (;;) {
        lg_btree__key bound = {sc->bound, sc->bound_len, sc->bound_rowid};
        uint8_t low[LG_BTREE_KEY_MAX];
        lg_btree__key low_key = {low, 0, 0};
        bool has_low = false;
        uint32_t block = LG_BTREE__ROOT;
        for (;;) {
            lg_buf *b;
            LG_TRY(lg_buf_get(c, (lg_addr){lg_segment_file(sc->g), block}, LG_LATCH_S, &b));
            const lg_btree__node *n = lg_btree__node_of(b->data);
            const lg_btree__entry *high = lg_btree__high(b->data);
            /* Strictly below the bound: go right while the node's high key is below it. */
            if (high && (!sc->bounded || lg_btree__compare(&bound, high) > 0)) {
                memcpy(low, high->key, high->len);
                low_key = (lg_btree__key){low, high->len, high->rowid};
                has_low = true;
                block = n->right;
            } else if (n->level == 0) {
                memcpy(sc->image, b->data, lg_buf_block_bytes(c));
                block = 0;
            } else {
                uint32_t slot = n->count - 1u;
                if (sc->bounded)
                    for (slot = lg_btree__child(b->data, &bound);
                         slot > 0 &&
                         lg_btree__compare(&bound, lg_btree__entry_at(b->data, slot)) <= 0;)
                        slot--;
                const lg_btree__entry *e = lg_btree__entry_at(b->data, slot);
                if (slot > 0) {
                    memcpy(low, e->key, e->len);
                    low_key = (lg_btree__key){low, e->len, e->rowid};
                    has_low = true;
                }
                block = (uint32_t)e->ref;
            }
            lg_buf_put(c, b, LG_LATCH_S);
            if (!block)
                break;
        }
        sc->end =
            sc->bounded ? lg_btree__find(sc->image, &bound) : lg_btree__node_of(sc->image)->count;
        sc->at = 0;
        /* What comes next lies below this leaf. */
        lg_free(sc->bound);
        sc->bound = copy_bytes(low_key.bytes, low_key.len);
        sc->bound_len = low_key.len;
        sc->bound_rowid = low_key.rowid;
        sc->bounded = true;
        if (sc->lo_len) {
            lg_btree__key lo = {sc->lo, sc->lo_len, 0};
            sc->at = lg_btree__find(sc->image, &lo);
            if (!has_low || lg_btree__compare(&lo, lg_btree__entry_at(sc->image, 0)) > 0)
                sc->finished = true;
        }
        if (!has_low)
            sc->finished = true;
        if (sc->at < sc->end || sc->finished)
            return sc->at < sc->end ? LG_OK : LG_END;
    }
}

/* ---- face ---- */

lg_status
lg_btree_scan_open(lg_txn *t, lg_segment *g, const lg_snapshot *snap, const void *lo,
                   uint32_t lo_len, const void *hi, uint32_t hi_len, bool backward,
                   lg_btree_scan **ret_scan)
{
    lg_btree_scan *sc = lg_zalloc(sizeof *sc);
    (void)t;
    (void)snap; /* every entry says heap_check: the row decides */
    sc->g = g;
    sc->backward = backward;
    sc->image = lg_alloc_aligned(16, lg_buf_block_bytes(lg_segment_cache(g)));
    sc->lo = copy_bytes(lo, lo_len);
    sc->lo_len = lo_len;
    sc->hi = copy_bytes(hi, hi_len);
    sc->hi_len = hi_len;
    lg_status st;
    if (backward) {
        sc->bound = copy_bytes(hi, hi_len);
        sc->bound_len = hi_len;
        sc->bounded = hi_len > 0;
        st = load_below(sc);
        if (st == LG_END) {
            sc->finished = true;
            st = LG_OK;
        }
    } else {
        st = start_forward(sc);
    }
    if (st != LG_OK) {
        lg_btree_scan_close(sc);
        return st;
    }
    *ret_scan = sc;
    return LG_OK;
}

static void
give(lg_btree_scan *sc, uint32_t slot, lg_btree_entry *ret)
{
    const lg_btree__entry *e = lg_btree__entry_at(sc->image, slot);
    *ret = (lg_btree_entry){e->key, e->len, e->rowid, true};
}

lg_status
lg_btree_scan_next(lg_btree_scan *sc, lg_btree_entry *ret)
{
    while (sc->at >= sc->end) {
        if (sc->backward) {
            if (sc->finished)
                return LG_END;
            LG_TRY(load_below(sc));
        } else {
            if (!sc->next)
                return LG_END;
            LG_TRY(load(sc, sc->next));
            limit_forward(sc, NULL);
        }
    }
    if (sc->backward)
        give(sc, --sc->end, ret);
    else
        give(sc, sc->at++, ret);
    return LG_OK;
}

void
lg_btree_scan_close(lg_btree_scan *sc)
{
    if (!sc)
        return;
    lg_free(sc->image);
    lg_free(sc->lo);
    lg_free(sc->hi);
    lg_free(sc->bound);
    lg_free(sc);
}
