/* Nodes: order, search, changes inside one block. */
#include "btree_internal.h"

/* The first eight bytes as a number that compares as they do; a shorter key has zeros behind it. */
static inline uint64_t
head_of(const uint8_t *bytes, uint32_t len)
{
    uint64_t v;
    if (len >= sizeof v) {
        memcpy(&v, bytes, sizeof v);
        return __builtin_bswap64(v);
    }
    v = 0;
    for (uint32_t i = 0; i < len; i++)
        v |= (uint64_t)bytes[i] << (56 - 8 * i);
    return v;
}

/* The same of an entry's, in whose front is its header. */
static inline uint64_t
head_of_entry(const lg_btree__entry *e)
{
    uint64_t v;
    _Static_assert(LG_BTREE__ENTRY_BYTES >= sizeof v, "the window lies in the entry");
    if (e->len >= sizeof v) {
        memcpy(&v, e->key, sizeof v);
        return __builtin_bswap64(v);
    }
    if (e->len == 0)
        return 0;
    memcpy(&v, e->key - (sizeof v - e->len), sizeof v);
    return __builtin_bswap64(v) << 8 * (sizeof v - e->len);
}

/* With different heads the heads decide: a zero that stands for no byte is below or equal to any. */
static inline int
compare_with(const lg_btree__key *k, uint64_t head, const lg_btree__entry *e)
{
    uint64_t other = head_of_entry(e);
    if (head != other)
        return head < other ? -1 : 1;
    uint32_t n = k->len < e->len ? k->len : e->len;
    if (n > sizeof head) {
        int c = memcmp(k->bytes + sizeof head, e->key + sizeof head, n - sizeof head);
        if (c)
            return c;
    }
    if (k->len != e->len)
        return k->len < e->len ? -1 : 1;
    return k->rowid < e->rowid ? -1 : k->rowid > e->rowid;
}

int
lg_btree__compare(const lg_btree__key *k, const lg_btree__entry *e)
{
    return compare_with(k, head_of(k->bytes, k->len), e);
}

static uint32_t
find_within(const void *block, const lg_btree__key *k, uint64_t head, uint32_t lo, uint32_t hi)
{
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (compare_with(k, head, lg_btree__entry_at(block, mid)) > 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

uint32_t
lg_btree__find(const void *block, const lg_btree__key *k)
{
    return find_within(block, k, head_of(k->bytes, k->len), 0, lg_btree__node_of(block)->count);
}

/* In steps that double: what lies near costs little. */
uint32_t
lg_btree__find_from(const void *block, const lg_btree__key *k, uint32_t from)
{
    uint64_t head = head_of(k->bytes, k->len);
    uint32_t count = lg_btree__node_of(block)->count, lo = from, step = 1, at = from;
    while (at < count && compare_with(k, head, lg_btree__entry_at(block, at)) > 0) {
        lo = at + 1;
        at += step;
        step *= 2;
    }
    return find_within(block, k, head, lo, at < count ? at : count);
}

/* The last entry <= k; entry 0 is minus infinity. */
uint32_t
lg_btree__child(const void *block, const lg_btree__key *k)
{
    uint64_t head = head_of(k->bytes, k->len);
    uint32_t lo = 1, hi = lg_btree__node_of(block)->count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (compare_with(k, head, lg_btree__entry_at(block, mid)) >= 0)
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
