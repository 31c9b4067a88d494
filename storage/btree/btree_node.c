/* Nodes: order, search, changes inside one block. */
#include "btree_internal.h"

int
lg_btree__compare(const lg_btree__key *k, const lg_btree__entry *e)
{
    uint32_t n = k->len < e->len ? k->len : e->len;
    int c = n ? memcmp(k->bytes, e->key, n) : 0;
    if (c)
        return c;
    if (k->len != e->len)
        return k->len < e->len ? -1 : 1;
    return k->rowid < e->rowid ? -1 : k->rowid > e->rowid;
}

uint32_t
lg_btree__find(const void *block, const lg_btree__key *k)
{
    uint32_t lo = 0, hi = lg_btree__node_of(block)->count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (lg_btree__compare(k, lg_btree__entry_at(block, mid)) > 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The last entry <= k; entry 0 is minus infinity. */
uint32_t
lg_btree__child(const void *block, const lg_btree__key *k)
{
    uint32_t lo = 1, hi = lg_btree__node_of(block)->count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (lg_btree__compare(k, lg_btree__entry_at(block, mid)) >= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo - 1;
}

uint32_t
lg_btree__room(const void *block)
{
    const lg_btree__node *n = lg_btree__node_of(block);
    return n->low - (LG_BTREE__SLOTS_OFF + 2u * n->count);
}

static void
set_header(lg_mtr *m, lg_buf *b, const lg_btree__node *n)
{
    lg_mtr_set(m, b, LG_BTREE__NODE_OFF, n, sizeof *n);
}

static uint32_t
put_entry(lg_mtr *m, lg_buf *b, uint32_t low, const lg_btree__key *k, uint64_t ref, uint16_t flags)
{
    uint8_t bytes[LG_BTREE__ENTRY_BYTES + LG_BTREE_KEY_MAX];
    lg_btree__entry e = {.rowid = k->rowid, .ref = ref, .len = (uint16_t)k->len, .flags = flags};
    uint32_t size = LG_BTREE__ENTRY_BYTES + k->len;
    memcpy(bytes, &e, LG_BTREE__ENTRY_BYTES);
    if (k->len)
        memcpy(bytes + LG_BTREE__ENTRY_BYTES, k->bytes, k->len);
    low -= size;
    lg_mtr_set(m, b, low, bytes, size);
    return low;
}

void
lg_btree__entry_add(lg_mtr *m, lg_buf *b, uint32_t slot, const lg_btree__key *k, uint64_t ref,
                    uint16_t flags)
{
    lg_btree__node n = *lg_btree__node_of(b->data);
    uint32_t at = LG_BTREE__SLOTS_OFF + 2 * slot;
    LG_ASSERT(slot <= n.count && lg_btree__room(b->data) >= LG_BTREE__ENTRY_BYTES + k->len + 2);
    n.low = (uint16_t)put_entry(m, b, n.low, k, ref, flags);
    if (slot < n.count)
        lg_mtr_move(m, b, at + 2, at, 2u * (n.count - slot));
    lg_mtr_set_u16(m, b, at, n.low);
    n.count++;
    set_header(m, b, &n);
}

void
lg_btree__entry_remove(lg_mtr *m, lg_buf *b, uint32_t slot)
{
    lg_btree__node n = *lg_btree__node_of(b->data);
    uint32_t at = LG_BTREE__SLOTS_OFF + 2 * slot;
    LG_ASSERT(slot < n.count);
    n.dead = (uint16_t)(n.dead + LG_BTREE__ENTRY_BYTES + lg_btree__entry_at(b->data, slot)->len);
    n.count--;
    if (slot < n.count)
        lg_mtr_move(m, b, at, at + 2, 2u * (n.count - slot));
    set_header(m, b, &n);
}

void
lg_btree__entry_set(lg_mtr *m, lg_buf *b, uint32_t slot, uint64_t ref, uint16_t flags)
{
    uint32_t off = (uint32_t)((uint8_t *)lg_btree__entry_at(b->data, slot) - b->data);
    lg_mtr_set_u64(m, b, off + offsetof(lg_btree__entry, ref), ref);
    lg_mtr_set_u16(m, b, off + offsetof(lg_btree__entry, flags), flags);
}

void
lg_btree__rebuild(lg_mtr *m, lg_buf *b, const void *image, uint32_t from, uint32_t to,
                  const lg_btree__key *high, uint32_t right, uint8_t flags)
{
    const lg_btree__node *old = lg_btree__node_of(image);
    lg_btree__node n = {.level = old->level, .flags = flags, .right = right};
    uint32_t low = lg_buf_block_bytes(m->cache);
    if (high) {
        low = put_entry(m, b, low, high, 0, 0);
        n.high_off = (uint16_t)low;
    }
    for (uint32_t i = from; i < to; i++) {
        const lg_btree__entry *e = lg_btree__entry_at(image, i);
        lg_btree__key k = {e->key, e->len, e->rowid};
        low = put_entry(m, b, low, &k, e->ref, e->flags);
        lg_mtr_set_u16(m, b, LG_BTREE__SLOTS_OFF + 2 * (i - from), (uint16_t)low);
    }
    n.count = (uint16_t)(to - from);
    n.low = (uint16_t)low;
    set_header(m, b, &n);
}
