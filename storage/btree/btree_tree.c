/* Going down, and splits. */
#include "btree_internal.h"

static lg_addr
addr_of(lg_segment *g, uint32_t block)
{
    return (lg_addr){lg_segment_file(g), block};
}

lg_status
lg_btree__descend_latched(lg_segment *g, const lg_btree__key *k, uint8_t level, lg_buf **ret_buf)
{
    lg_buf_cache *c = lg_segment_cache(g);
    uint32_t block = LG_BTREE__ROOT;
    for (;;) {
        lg_buf *b;
        LG_TRY(lg_buf_get(c, addr_of(g, block), LG_LATCH_S, &b));
        const lg_btree__node *n = lg_btree__node_of(b->data);
        if (lg_btree__beyond(b->data, k)) {
            block = n->right;
        } else if (n->level <= level) {
            *ret_buf = b;
            return LG_OK;
        } else {
            block = (uint32_t)lg_btree__entry_at(b->data, lg_btree__child(b->data, k))->ref;
        }
        lg_buf_put(c, b, LG_LATCH_S);
    }
}

lg_status
lg_btree__descend(lg_segment *g, const lg_btree__key *k, uint8_t level, uint32_t *ret_block)
{
    lg_buf *b;
    LG_TRY(lg_btree__descend_latched(g, k, level, &b));
    *ret_block = b->addr.block;
    lg_buf_put(lg_segment_cache(g), b, LG_LATCH_S);
    return LG_OK;
}

static lg_status
latch(lg_segment *g, lg_mtr *m, const lg_btree__key *k, uint8_t level, bool grows, uint32_t *block,
      lg_buf **ret_buf)
{
    for (;;) {
        lg_mtr_begin(m, lg_segment_cache(g));
        lg_status st = lg_mtr_get(m, addr_of(g, *block), LG_LATCH_X, 0, ret_buf);
        if (st != LG_OK) {
            lg_mtr_abort(m);
            return st;
        }
        const lg_btree__node *n = lg_btree__node_of((*ret_buf)->data);
        bool grown = n->level > level; /* the root was split under us: go down again */
        bool incomplete = grows && (n->flags & LG_BTREE__INCOMPLETE);
        bool beyond = lg_btree__beyond((*ret_buf)->data, k);
        uint32_t right = n->right;
        if (!grown && !incomplete && !beyond)
            return LG_OK;
        lg_mtr_abort(m);
        if (grown)
            LG_TRY(lg_btree__descend(g, k, level, block));
        else if (incomplete)
            LG_TRY(lg_btree__complete(g, *block));
        else
            *block = right;
    }
}

lg_status
lg_btree__latch(lg_segment *g, lg_mtr *m, const lg_btree__key *k, uint8_t level, uint32_t *block,
                lg_buf **ret_buf)
{
    return latch(g, m, k, level, true, block, ret_buf);
}

lg_status
lg_btree__latch_undo(lg_segment *g, lg_mtr *m, const lg_btree__key *k, uint32_t *block,
                     lg_buf **ret_buf)
{
    return latch(g, m, k, 0, false, block, ret_buf);
}

/* Where to cut: near the middle by bytes; 90/10 when k goes to the end of the rightmost node. */
static uint32_t
cut_of(const void *image, const lg_btree__key *k)
{
    const lg_btree__node *n = lg_btree__node_of(image);
    uint32_t total = 0, sum = 0;
    for (uint32_t i = 0; i < n->count; i++)
        total += lg_btree__entry_at(image, i)->len + LG_BTREE__ENTRY_BYTES + 2;
    bool rising = !n->right && lg_btree__find(image, k) == n->count;
    uint32_t target = rising ? total / 10 * 9 : total / 2;
    uint32_t cut = 0;
    while (cut < n->count && sum < target)
        sum += lg_btree__entry_at(image, cut++)->len + LG_BTREE__ENTRY_BYTES + 2;
    if (cut >= n->count)
        cut = n->count - 1;
    return cut ? cut : 1;
}

static lg_btree__key
key_of(const lg_btree__entry *e)
{
    return (lg_btree__key){e->key, e->len, e->rowid};
}

struct fresh {
    uint32_t block;
    unsigned flags;
};

/* The root keeps its block: its content goes into two new nodes under it. */
static lg_status
split_root(lg_segment *g, const void *image, uint32_t cut, lg_mtr *m, lg_buf *root,
           const struct fresh *f)
{
    uint32_t left = f[0].block, right = f[1].block;
    lg_buf *lb, *rb;
    uint8_t flags = lg_btree__node_of(image)->flags;
    LG_TRY(lg_mtr_get(m, addr_of(g, left), LG_LATCH_X, f[0].flags, &lb));
    LG_TRY(lg_mtr_get(m, addr_of(g, right), LG_LATCH_X, f[1].flags, &rb));
    lg_btree__key sep = key_of(lg_btree__entry_at(image, cut));
    lg_mtr_format(m, lb, LG_BLOCK_BTREE);
    lg_mtr_format(m, rb, LG_BLOCK_BTREE);
    lg_btree__rebuild(m, lb, image, 0, cut, &sep, right, flags);
    lg_btree__rebuild(m, rb, image, cut, lg_btree__node_of(image)->count, NULL, 0, flags);
    lg_mtr_format(m, root, LG_BLOCK_BTREE);
    lg_btree__node n = {.level = (uint8_t)(lg_btree__node_of(image)->level + 1),
                        .low = (uint16_t)lg_buf_block_bytes(m->cache)};
    lg_mtr_set(m, root, LG_BTREE__NODE_OFF, &n, sizeof n);
    lg_btree__key none = {NULL, 0, 0};
    lg_btree__entry_add(m, root, 0, &none, left, 0);
    lg_btree__entry_add(m, root, 1, &sep, right, 0);
    return LG_OK;
}

static lg_status
split_node(lg_segment *g, const void *image, uint32_t cut, lg_mtr *m, lg_buf *b,
           const struct fresh *f)
{
    uint32_t right = f->block;
    lg_buf *rb;
    const lg_btree__node *n = lg_btree__node_of(image);
    LG_TRY(lg_mtr_get(m, addr_of(g, right), LG_LATCH_X, f->flags, &rb));
    lg_btree__key sep = key_of(lg_btree__entry_at(image, cut));
    lg_btree__entry *high = lg_btree__high(image);
    lg_btree__key old_high;
    if (high)
        old_high = key_of(high);
    lg_mtr_format(m, rb, LG_BLOCK_BTREE);
    lg_btree__rebuild(m, rb, image, cut, n->count, high ? &old_high : NULL, n->right, n->flags);
    lg_btree__rebuild(m, b, image, 0, cut, &sep, right, n->flags | LG_BTREE__INCOMPLETE);
    return LG_OK;
}

static bool
still_full(const void *image, const lg_btree__key *k)
{
    return lg_btree__room(image) < LG_BTREE__ENTRY_BYTES + k->len + 2 &&
           lg_btree__node_of(image)->count >= 2;
}

lg_status
lg_btree__split(lg_segment *g, uint32_t block, const lg_btree__key *k)
{
    lg_mtr m;
    lg_buf *b;
    struct fresh fresh[2];
    bool root = block == LG_BTREE__ROOT;
    uint32_t bytes = lg_buf_block_bytes(lg_segment_cache(g));
    LG_TRY(lg_segment_alloc(g, &fresh[0].block, &fresh[0].flags));
    lg_status st = root ? lg_segment_alloc(g, &fresh[1].block, &fresh[1].flags) : LG_OK;
    if (st != LG_OK) {
        lg_segment_unalloc(g, fresh[0].block);
        return st;
    }
    void *image = lg_alloc_aligned(16, bytes);
    bool used = false;
    lg_mtr_begin(&m, lg_segment_cache(g));
    for (;;) {
        st = lg_mtr_get(&m, addr_of(g, block), LG_LATCH_X, 0, &b);
        if (st != LG_OK)
            break;
        const lg_btree__node *n = lg_btree__node_of(b->data);
        /* Split by somebody else meanwhile, or still to be completed: the caller looks again. */
        if (!still_full(b->data, k) || (n->flags & LG_BTREE__INCOMPLETE) ||
            lg_btree__beyond(b->data, k))
            break;
        memcpy(image, b->data, bytes);
        uint32_t cut = cut_of(image, k);
        st = root ? split_root(g, image, cut, &m, b, fresh)
                  : split_node(g, image, cut, &m, b, fresh);
        if (st != LG_RETRY) {
            used = st == LG_OK;
            break;
        }
        st = lg_mtr_restart(&m);
        if (st != LG_OK)
            break;
    }
    if (used)
        lg_mtr_commit(&m, NULL);
    else
        lg_mtr_abort(&m);
    lg_free(image);
    if (!used) {
        lg_segment_unalloc(g, fresh[0].block);
        if (root)
            lg_segment_unalloc(g, fresh[1].block);
        return st;
    }
    return root ? LG_OK : lg_btree__complete(g, block);
}

/* Puts the separator of an incomplete node's right sibling into the parent, then clears the flag.
 */
lg_status
lg_btree__complete(lg_segment *g, uint32_t block)
{
    lg_buf_cache *c = lg_segment_cache(g);
    lg_mtr m;
    lg_buf *b, *pb;
    uint8_t copy[LG_BTREE__ENTRY_BYTES + LG_BTREE_KEY_MAX];
    LG_TRY(lg_buf_get(c, addr_of(g, block), LG_LATCH_S, &b));
    lg_btree__node n = *lg_btree__node_of(b->data);
    lg_btree__entry *high = lg_btree__high(b->data);
    bool incomplete = (n.flags & LG_BTREE__INCOMPLETE) && high;
    if (incomplete)
        memcpy(copy, high, LG_BTREE__ENTRY_BYTES + high->len);
    lg_buf_put(c, b, LG_LATCH_S);
    if (!incomplete)
        return LG_OK;
    lg_btree__key sep = key_of((lg_btree__entry *)copy);
    uint8_t level = (uint8_t)(n.level + 1);
    uint32_t parent;
    LG_TRY(lg_btree__descend(g, &sep, level, &parent));
    for (;;) {
        LG_TRY(lg_btree__latch(g, &m, &sep, level, &parent, &pb));
        uint32_t slot = lg_btree__child(pb->data, &sep);
        bool there = slot > 0 && lg_btree__compare(&sep, lg_btree__entry_at(pb->data, slot)) == 0;
        if (there) {
            lg_mtr_abort(&m);
            break;
        }
        if (lg_btree__room(pb->data) < LG_BTREE__ENTRY_BYTES + sep.len + 2) {
            lg_mtr_abort(&m);
            LG_TRY(lg_btree__split(g, parent, &sep));
            LG_TRY(lg_btree__descend(g, &sep, level, &parent));
            continue;
        }
        lg_btree__entry_add(&m, pb, slot + 1, &sep, n.right, 0);
        lg_mtr_commit(&m, NULL);
        break;
    }
    lg_mtr_begin(&m, c);
    lg_status st = lg_mtr_get(&m, addr_of(g, block), LG_LATCH_X, 0, &b);
    if (st != LG_OK) {
        lg_mtr_abort(&m);
        return st;
    }
    lg_btree__node now = *lg_btree__node_of(b->data);
    lg_btree__entry *now_high = lg_btree__high(b->data);
    if ((now.flags & LG_BTREE__INCOMPLETE) && now_high && lg_btree__compare(&sep, now_high) == 0) {
        now.flags &= (uint8_t)~LG_BTREE__INCOMPLETE;
        lg_mtr_set(&m, b, LG_BTREE__NODE_OFF, &now, sizeof now);
        lg_mtr_commit(&m, NULL);
    } else {
        lg_mtr_abort(&m);
    }
    return LG_OK;
}
