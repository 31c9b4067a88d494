/* Entries: insert, mark, unique checks, rollback. The model is in btree.h and btree_internal.h. */
#include "btree_internal.h"
#include "mem.h"

enum { OP_INSERT = 1, OP_MARK = 2 }; /* and LG_BTREE__OP_INSERT_MANY */

/* Undo payload: what the entry was before (absent: ref and flags are zero and was is false), its
 * key. */
struct undo_payload {
    uint64_t rowid;
    uint64_t ref;
    uint16_t flags;
    uint16_t was;
    uint32_t len;
    uint8_t key[];
};

static uint32_t
payload_bytes(uint32_t key_len)
{
    return (uint32_t)sizeof(struct undo_payload) + key_len;
}

static lg_status
check_key(const lg_segment *g, uint32_t len)
{
    uint32_t bytes = lg_buf_block_bytes(lg_segment_cache(g));
    uint32_t max = bytes >= 8192 ? LG_BTREE_KEY_MAX : 1200;
    return len <= max ? LG_OK : LG_TOO_LARGE;
}

static void
format_root(lg_mtr *m, lg_buf *b)
{
    lg_mtr_format(m, b, LG_BLOCK_BTREE);
    lg_btree__node n = {.flags = LG_BTREE__LEAF, .low = (uint16_t)lg_buf_block_bytes(m->cache)};
    lg_mtr_set(m, b, LG_BTREE__NODE_OFF, &n, sizeof n);
}

lg_status
lg_btree_begin(lg_segment *g)
{
    return lg_segment_begin(g, format_root);
}

lg_status
lg_btree_init(lg_segment *g)
{
    lg_mtr m;
    lg_buf *b;
    uint32_t block;
    unsigned flags;
    LG_TRY(lg_segment_alloc(g, &block, &flags));
    LG_ASSERT(block == LG_BTREE__ROOT);
    lg_mtr_begin(&m, lg_segment_cache(g));
    lg_status st = lg_mtr_get(&m, (lg_addr){lg_segment_file(g), block}, LG_LATCH_X, flags, &b);
    if (st != LG_OK) {
        lg_mtr_abort(&m);
        return st;
    }
    format_root(&m, b);
    lg_mtr_commit(&m, NULL);
    return LG_OK;
}

/* ---- unique ---- */

/* What the transactions of entries met so far turned out to be, as of one SCN. A key that is deleted
 * and inserted again and again has any number of entries, more than the cache of outcomes is sure
 * to hold at once: what was resolved is kept until the end of the search. */
struct known {
    struct outcome {
        lg_xid xid;
        lg_txn_state state;
    } * list;
    uint32_t count, cap;
};

static void
known_add(struct known *k, lg_xid xid, lg_txn_state state)
{
    if (k->count == k->cap) {
        k->cap = k->cap ? 2 * k->cap : 8;
        k->list = lg_realloc(k->list, k->cap * sizeof *k->list);
    }
    k->list[k->count++] = (struct outcome){xid, state};
}

static bool
known_find(const struct known *k, lg_xid xid, lg_txn_state *ret)
{
    for (uint32_t i = k->count; i-- > 0;)
        if (k->list[i].xid == xid) {
            *ret = k->list[i].state;
            return true;
        }
    return false;
}

/* What an entry with an equal key means to an insert by t. LG_OK: nothing; LG_DUPLICATE_KEY;
 * LG_IN_DOUBT; LG_WOULD_WAIT: its transaction must be resolved first (out.xid). */
static lg_status
judge(lg_txn *t, const lg_btree__entry *e, lg_scn now, const struct known *known, lg_btree_out *out)
{
    lg_txn_status s;
    lg_txn_sys *sys = lg_txn_sys_of(t);
    bool marked = e->flags & LG_BTREE__MARKED;
    out->rowid = e->rowid;
    out->xid = e->ref;
    if (e->ref == LG_XID_NONE || e->ref == lg_txn_xid(t))
        return marked ? LG_OK : LG_DUPLICATE_KEY;
    if (!known_find(known, e->ref, &s.state)) {
        lg_status st = lg_txn_peek(sys, e->ref, now, &s);
        if (st != LG_OK)
            return st;
    }
    if (s.state == LG_XID_ACTIVE || s.state == LG_XID_COMMITTING || s.state == LG_XID_ABORTED)
        return LG_IN_DOUBT; /* aborted: its rollback is on the way to this entry */
    return marked ? LG_OK : LG_DUPLICATE_KEY;
}

/* Looks at all entries with the key, from a leaf latched X in m on to the right. */
static lg_status
scan_equal(lg_txn *t, lg_segment *g, lg_mtr *m, lg_buf *b, const uint8_t *key, uint32_t len,
           lg_scn now, const struct known *known, lg_btree_out *out)
{
    lg_btree__key from = {key, len, 0};
    uint32_t i = lg_btree__find(b->data, &from);
    for (;;) {
        const lg_btree__node *n = lg_btree__node_of(b->data);
        for (; i < n->count; i++) {
            const lg_btree__entry *e = lg_btree__entry_at(b->data, i);
            if (e->len != len || memcmp(e->key, key, len) != 0)
                return LG_NOT_FOUND;
            lg_status st = judge(t, e, now, known, out);
            if (st != LG_OK)
                return st;
        }
        const lg_btree__entry *high = lg_btree__high(b->data);
        if (!high || high->len != len || memcmp(high->key, key, len) != 0)
            return LG_NOT_FOUND;
        LG_TRY(lg_mtr_get(m, (lg_addr){lg_segment_file(g), n->right}, LG_LATCH_X, 0, &b));
        i = 0;
    }
}

/* Begins m, latches the first leaf that may hold the key, scans. LG_NOT_FOUND: no conflict and the
 * latches are held; anything else: nothing is held. */
static lg_status
unique_search(lg_txn *t, lg_segment *g, lg_mtr *m, const uint8_t *key, uint32_t len,
              struct known *known, lg_btree_out *out)
{
    lg_btree__key from = {key, len, 0};
    uint32_t block;
    lg_buf *b;
    /* fixed: what a peer answers stays good while we look again; the wait asks for the present */
    lg_scn now = lg_scn_current(lg_buf_clock(lg_segment_cache(g)));
    LG_TRY(lg_btree__descend(g, &from, 0, &block));
    for (;;) {
        LG_TRY(lg_btree__latch(g, m, &from, 0, &block, &b));
        lg_status st = scan_equal(t, g, m, b, key, len, now, known, out);
        if (st == LG_NOT_FOUND)
            return st;
        if (st == LG_RETRY) {
            st = lg_mtr_restart(m);
            lg_mtr_abort(m);
            LG_TRY(st);
            continue;
        }
        lg_mtr_abort(m);
        if (st != LG_WOULD_WAIT)
            return st;
        lg_txn_status s;
        LG_TRY(lg_txn_resolve(lg_txn_sys_of(t), out->xid, now, &s));
        known_add(known, out->xid, s.state);
    }
}

static lg_status
unique_latch(lg_txn *t, lg_segment *g, lg_mtr *m, const uint8_t *key, uint32_t len,
             lg_btree_out *out)
{
    struct known known = {0};
    lg_status st = unique_search(t, g, m, key, len, &known, out);
    lg_free(known.list);
    return st;
}

/* ---- insert ---- */

static lg_uptr
write_undo(lg_txn *t, lg_segment *g, lg_mtr *m, lg_txn_undo *u, uint32_t block, uint8_t op,
           const lg_btree__key *k, const lg_btree__entry *before)
{
    uint8_t bytes[sizeof(struct undo_payload) + LG_BTREE_KEY_MAX];
    struct undo_payload *p = (struct undo_payload *)bytes;
    memset(p, 0, sizeof *p);
    p->rowid = k->rowid;
    p->len = k->len;
    if (before) {
        p->was = 1;
        p->ref = before->ref;
        p->flags = before->flags;
    }
    if (k->len)
        memcpy(p->key, k->bytes, k->len);
    lg_undo_rec rec = {.file = lg_segment_file(g),
                       .block = block,
                       .kind = LG_UNDO_BTREE,
                       .op = op,
                       .len = (uint16_t)payload_bytes(k->len)};
    return lg_txn_undo_append(t, m, u, &rec, bytes);
}

/* Removes entries that are marked by transactions everybody sees as committed. In an mtr of its
 * own; returns whether anything was removed. */
static lg_status
prune(lg_txn_sys *sys, lg_segment *g, uint32_t block, uint64_t *ret_removed)
{
    lg_mtr m;
    lg_buf *b;
    lg_scn horizon = lg_txn_horizon(sys);
    uint32_t bytes = lg_buf_block_bytes(lg_segment_cache(g));
    *ret_removed = 0;
    lg_mtr_begin(&m, lg_segment_cache(g));
    lg_status st = lg_mtr_get(&m, (lg_addr){lg_segment_file(g), block}, LG_LATCH_X, 0, &b);
    if (st != LG_OK) {
        lg_mtr_abort(&m);
        return st;
    }
    const lg_btree__node *n = lg_btree__node_of(b->data);
    for (uint32_t i = n->count; i-- > 0;) {
        const lg_btree__entry *e = lg_btree__entry_at(b->data, i);
        lg_txn_status s;
        if (!(e->flags & LG_BTREE__MARKED) || lg_txn_peek(sys, e->ref, horizon, &s) != LG_OK ||
            s.state != LG_XID_COMMITTED || s.scn > horizon)
            continue;
        lg_btree__entry_remove(&m, b, i);
        (*ret_removed)++;
    }
    if (!*ret_removed && !lg_btree__node_of(b->data)->dead) {
        lg_mtr_abort(&m);
        return LG_OK;
    }
    void *image = lg_alloc_aligned(16, bytes);
    memcpy(image, b->data, bytes);
    const lg_btree__node *old = lg_btree__node_of(image);
    const lg_btree__entry *high = lg_btree__high(image);
    lg_btree__key hk;
    if (high)
        hk = (lg_btree__key){high->key, high->len, high->rowid};
    lg_btree__rebuild(&m, b, image, 0, old->count, high ? &hk : NULL, old->right, old->flags);
    lg_free(image);
    lg_mtr_commit(&m, NULL);
    return LG_OK;
}

static lg_status
make_room(lg_txn *t, lg_segment *g, uint32_t block, const lg_btree__key *k)
{
    uint64_t removed;
    LG_TRY(prune(lg_txn_sys_of(t), g, block, &removed));
    return removed ? LG_OK : lg_btree__split(g, block, k);
}

/* Adds or revives the entry in leaf b, held in m. LG_RETRY, LG_DISK_FULL-like room wants are told
 * by *ret_full. */
static lg_status
insert_here(lg_txn *t, lg_segment *g, lg_mtr *m, lg_buf *b, const lg_btree__key *k, bool *ret_full)
{
    lg_txn_undo u;
    uint32_t slot = lg_btree__find(b->data, k);
    const lg_btree__node *n = lg_btree__node_of(b->data);
    lg_btree__entry *e = slot < n->count ? lg_btree__entry_at(b->data, slot) : NULL;
    bool same = e && lg_btree__compare(k, e) == 0;
    *ret_full = false;
    if (same && !(e->flags & LG_BTREE__MARKED))
        return LG_EXISTS;
    if (!same && lg_btree__room(b->data) < LG_BTREE__ENTRY_BYTES + k->len + 2) {
        *ret_full = true;
        return LG_OK;
    }
    LG_TRY(lg_txn_undo_get(t, m, payload_bytes(k->len), &u));
    write_undo(t, g, m, &u, b->addr.block, OP_INSERT, k, same ? e : NULL);
    if (same)
        lg_btree__entry_set(m, b, slot, lg_txn_xid(t), 0);
    else
        lg_btree__entry_add(m, b, slot, k, lg_txn_xid(t), 0);
    lg_mtr_commit(m, NULL);
    return LG_END; /* done and committed */
}

lg_status
lg_btree_insert(lg_txn *t, lg_segment *g, const void *key, uint32_t len, uint64_t rowid,
                bool unique, lg_btree_out *ret_out)
{
    lg_btree__key k = {key, len, rowid};
    uint32_t block = 0;
    lg_mtr m;
    lg_buf *b;
    bool full;
    LG_TRY(check_key(g, len));
    for (;;) {
        lg_status st;
        LG_TRY(lg_txn_undo_reserve(t, payload_bytes(len)));
        if (unique) {
            st = unique_latch(t, g, &m, key, len, ret_out);
            if (st != LG_NOT_FOUND)
                return st;
            /* The place of (key, rowid) is among the equal ones just scanned: one of the latched
             * leaves. */
            b = m.blocks[0].buf;
            for (uint32_t i = 1; i < m.block_count && lg_btree__beyond(b->data, &k); i++)
                b = m.blocks[i].buf;
        } else {
            LG_TRY(lg_btree__descend(g, &k, 0, &block));
            LG_TRY(lg_btree__latch(g, &m, &k, 0, &block, &b));
        }
        block = b->addr.block;
        if (lg_btree__beyond(b->data, &k)) { /* equal keys end exactly at this leaf's end */
            uint32_t right = lg_btree__node_of(b->data)->right;
            st = lg_mtr_get(&m, (lg_addr){lg_segment_file(g), right}, LG_LATCH_X, 0, &b);
            block = right;
            if (st == LG_OK && (lg_btree__node_of(b->data)->flags & LG_BTREE__INCOMPLETE)) {
                lg_mtr_abort(&m);
                LG_TRY(lg_btree__complete(g, right));
                continue;
            }
        } else {
            st = LG_OK;
        }
        if (st == LG_OK)
            st = insert_here(t, g, &m, b, &k, &full);
        if (st == LG_END)
            return LG_OK;
        if (st == LG_RETRY) {
            st = lg_mtr_restart(&m);
            lg_mtr_abort(&m);
            LG_TRY(st);
            continue;
        }
        lg_mtr_abort(&m);
        LG_TRY(st);
        LG_TRY(make_room(t, g, block, &k));
    }
}

lg_status
lg_btree_probe(lg_txn *t, lg_segment *g, const void *key, uint32_t len, lg_btree_out *ret_out)
{
    lg_mtr m;
    LG_TRY(check_key(g, len));
    lg_status st = unique_latch(t, g, &m, key, len, ret_out);
    if (st == LG_NOT_FOUND)
        lg_mtr_abort(&m);
    return st == LG_DUPLICATE_KEY ? LG_OK : st;
}

/* ---- mark ---- */

lg_status
lg_btree_delete(lg_txn *t, lg_segment *g, const void *key, uint32_t len, uint64_t rowid)
{
    lg_btree__key k = {key, len, rowid};
    uint32_t block;
    LG_TRY(check_key(g, len));
    for (;;) {
        lg_mtr m;
        lg_buf *b;
        lg_txn_undo u;
        LG_TRY(lg_txn_undo_reserve(t, payload_bytes(len)));
        LG_TRY(lg_btree__descend(g, &k, 0, &block));
        LG_TRY(lg_btree__latch(g, &m, &k, 0, &block, &b));
        uint32_t slot = lg_btree__find(b->data, &k);
        lg_btree__entry *e =
            slot < lg_btree__node_of(b->data)->count ? lg_btree__entry_at(b->data, slot) : NULL;
        if (!e || lg_btree__compare(&k, e) != 0 || (e->flags & LG_BTREE__MARKED)) {
            lg_mtr_abort(&m);
            return LG_NOT_FOUND;
        }
        lg_status st = lg_txn_undo_get(t, &m, payload_bytes(len), &u);
        if (st == LG_OK) {
            write_undo(t, g, &m, &u, block, OP_MARK, &k, e);
            lg_btree__entry_set(&m, b, slot, lg_txn_xid(t), LG_BTREE__MARKED);
            lg_mtr_commit(&m, NULL);
            return LG_OK;
        }
        if (st == LG_RETRY)
            st = lg_mtr_restart(&m);
        lg_mtr_abort(&m);
        LG_TRY(st);
    }
}

/* ---- rollback: by key ---- */

/* What the record changed is taken back in the leaf that has it now. LG_CORRUPT, before any change: the
 * leaf contradicts the record. */
static lg_status
leaf_undo(lg_mtr *m, lg_buf *b, const lg_btree__key *k, const struct undo_payload *p)
{
    uint32_t slot = lg_btree__find(b->data, k);
    const lg_btree__node *n = lg_btree__node_of(b->data);
    bool there = slot < n->count && lg_btree__compare(k, lg_btree__entry_at(b->data, slot)) == 0;
    /* a mark is missing when the insert of the entry was of an index built beside us, and was
     * rolled back first */
    if (!there)
        return p->was ? LG_OK : LG_CORRUPT;
    if (p->was)
        lg_btree__entry_set(m, b, slot, p->ref, p->flags);
    else
        lg_btree__entry_remove(m, b, slot);
    return LG_OK;
}

/* LG_INVALID: the index is dropped; nothing was changed. g NULL: it was dropped before. */
static lg_status
undo_one(const lg_undo_apply *a, lg_segment *g)
{
    const struct undo_payload *p = (const struct undo_payload *)a->payload;
    lg_btree__key k = {p->key, p->len, p->rowid};
    for (;;) {
        lg_mtr m;
        lg_buf *b = NULL, *table;
        uint32_t block = 0;
        if (g) {
            LG_TRY(lg_btree__descend(g, &k, 0, &block));
            LG_TRY(lg_btree__latch_undo(g, &m, &k, &block, &b));
        } else {
            lg_mtr_begin(&m, lg_txn_sys_cache(lg_txn_sys_of(a->txn)));
        }
        lg_status st = lg_txn_undo_done_get(a, &m, &table);
        if (st == LG_OK && g)
            st = leaf_undo(&m, b, &k, p);
        if (st == LG_OK) {
            lg_txn_undo_done(a, &m, table);
            lg_mtr_commit(&m, NULL);
            return LG_OK;
        }
        if (st == LG_RETRY)
            st = lg_mtr_restart(&m);
        lg_mtr_abort(&m);
        LG_TRY(st);
    }
}

/* Who rolls back for the dead holds no lock on the index, which may be dropped at any moment: then
 * nothing is left to take back. */
static lg_status
apply_undo(const lg_undo_apply *a)
{
    lg_segment *g;
    lg_status st = lg_segment_open(lg_txn_sys_space(lg_txn_sys_of(a->txn)), a->rec->file, &g);
    if (st == LG_OK)
        st = a->rec->op == LG_BTREE__OP_INSERT_MANY ? lg_btree__undo_many(a, g) : undo_one(a, g);
    return st == LG_INVALID || st == LG_NOT_FOUND ? undo_one(a, NULL) : st;
}

void
lg_btree_register(lg_txn_sys *s)
{
    static const lg_undo_ops ops = {LG_UNDO_BTREE, apply_undo};
    lg_txn_register_undo(s, &ops);
}

lg_status
lg_btree_purge(lg_txn_sys *s, lg_segment *g, uint64_t *ret_removed)
{
    lg_btree__key first = {NULL, 0, 0};
    uint32_t block;
    *ret_removed = 0;
    LG_TRY(lg_btree__descend(g, &first, 0, &block));
    while (block) {
        uint64_t removed;
        lg_buf *b;
        LG_TRY(prune(s, g, block, &removed));
        *ret_removed += removed;
        LG_TRY(
            lg_buf_get(lg_segment_cache(g), (lg_addr){lg_segment_file(g), block}, LG_LATCH_S, &b));
        block = lg_btree__node_of(b->data)->right;
        lg_buf_put(lg_segment_cache(g), b, LG_LATCH_S);
    }
    return LG_OK;
}
