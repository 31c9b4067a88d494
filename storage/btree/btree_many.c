/* Many entries at once: those that go into one leaf are one mini-transaction with one undo record.
 *
 * A RUN is the longest start of what is left that one leaf takes with nothing to think about: room
 * for all, no entry that is there already, no equal key beside a unique one. What stops a run goes
 * in by itself (lg_btree_insert), which splits, revives, waits, finds duplicates.
 *
 * ROLLBACK of a run is by key, as always, leaf by leaf: several mini-transactions when the leaf was
 * split since; only the last moves the transaction's undo on. After a crash between them what is
 * gone already is passed over: nobody can have put it in again, as the row ids are still ours. */
#include "btree_internal.h"

#define RUN_MAX LG_BTREE__RUN_MAX

/* Payload: u16 count, then {row id u64, length u16, key} each. */
#define ITEM_BYTES 10u

struct run {
    uint32_t n;
    uint32_t bytes;   /* of the entries */
    uint32_t payload; /* of the undo record */
    uint16_t pos[RUN_MAX];
};

static bool
key_equal(const lg_btree_item *it, const uint8_t *key, uint32_t len)
{
    return it->len == len && memcmp(it->key, key, len) == 0;
}

/* From where on entries matter to the item: all equal keys, or itself. */
static lg_btree__key
from_of(const lg_btree_item *it)
{
    return (lg_btree__key){it->key, it->len, it->unique ? 0 : it->rowid};
}

static bool
plain(const void *leaf, const lg_btree_item *it, uint32_t *ret_pos)
{
    lg_btree__key k = from_of(it);
    if (lg_btree__beyond(leaf, &k))
        return false;
    *ret_pos = lg_btree__find(leaf, &k);
    if (*ret_pos < lg_btree__node_of(leaf)->count) {
        const lg_btree__entry *e = lg_btree__entry_at(leaf, *ret_pos);
        return it->unique ? !key_equal(it, e->key, e->len) : lg_btree__compare(&k, e) != 0;
    }
    const lg_btree__entry *high = lg_btree__high(leaf);
    return !it->unique || !high || !key_equal(it, high->key, high->len);
}

static void
run_plan(const void *leaf, const lg_btree_item *it, uint32_t n, uint32_t payload_max, struct run *r)
{
    uint32_t room = lg_btree__room(leaf);
    r->n = r->bytes = 0;
    r->payload = sizeof(uint16_t);
    while (r->n < n && r->n < RUN_MAX) {
        const lg_btree_item *e = &it[r->n];
        uint32_t bytes = LG_BTREE__ENTRY_BYTES + e->len, pos;
        if (e->len > LG_BTREE_KEY_MAX || r->bytes + bytes + 2 * (r->n + 1) > room ||
            r->payload + ITEM_BYTES + e->len > payload_max ||
            (e->unique && r->n > 0 && key_equal(e, e[-1].key, e[-1].len)) || !plain(leaf, e, &pos))
            return;
        r->pos[r->n++] = (uint16_t)pos;
        r->bytes += bytes;
        r->payload += ITEM_BYTES + e->len;
    }
}

/* The entries as one run of bytes, then the slots from the first new one on. */
static void
run_apply(lg_mtr *m, lg_buf *b, const lg_btree_item *it, const struct run *r, lg_xid xid)
{
    lg_btree__node n = *lg_btree__node_of(b->data);
    uint32_t old = r->pos[0], at = n.low, low = n.low - r->bytes, k = 0;
    uint32_t slots_off = LG_BTREE__SLOTS_OFF + 2 * old, nslots = n.count - old + r->n;
    uint8_t *image = lg_alloc(r->bytes + 2 * nslots), *slots = image + r->bytes;
    for (uint32_t i = 0; i < nslots; i++) {
        if (k < r->n && r->pos[k] == old) {
            lg_btree__entry e = {
                .rowid = it[k].rowid, .ref = xid, .len = (uint16_t)it[k].len, .flags = 0};
            at -= LG_BTREE__ENTRY_BYTES + it[k].len;
            memcpy(image + (at - low), &e, LG_BTREE__ENTRY_BYTES);
            if (it[k].len)
                memcpy(image + (at - low) + LG_BTREE__ENTRY_BYTES, it[k].key, it[k].len);
            uint16_t off = (uint16_t)at;
            memcpy(slots + 2 * i, &off, 2);
            k++;
        } else {
            memcpy(slots + 2 * i, b->data + LG_BTREE__SLOTS_OFF + 2 * old++, 2);
        }
    }
    LG_ASSERT(at == low && k == r->n);
    lg_mtr_set(m, b, low, image, r->bytes);
    lg_mtr_set(m, b, slots_off, slots, 2 * nslots);
    n.low = (uint16_t)low;
    n.count = (uint16_t)(n.count + r->n);
    lg_mtr_set(m, b, LG_BTREE__NODE_OFF, &n, sizeof n);
    lg_free(image);
}

static void
run_undo(lg_txn *t, lg_segment *g, lg_mtr *m, lg_txn_undo *u, uint32_t block,
         const lg_btree_item *it, const struct run *r)
{
    uint8_t *payload = lg_alloc(r->payload);
    uint16_t count = (uint16_t)r->n;
    uint32_t at = sizeof count;
    memcpy(payload, &count, sizeof count);
    for (uint32_t i = 0; i < r->n; i++) {
        uint16_t len = (uint16_t)it[i].len;
        memcpy(payload + at, &it[i].rowid, 8);
        memcpy(payload + at + 8, &len, 2);
        if (len)
            memcpy(payload + at + ITEM_BYTES, it[i].key, len);
        at += ITEM_BYTES + len;
    }
    lg_undo_rec rec = {.file = lg_segment_file(g),
                       .block = block,
                       .kind = LG_UNDO_BTREE,
                       .op = LG_BTREE__OP_INSERT_MANY,
                       .len = (uint16_t)r->payload};
    lg_txn_undo_append(t, m, u, &rec, payload);
    lg_free(payload);
}

/* The next run; r->n 0: the first item must go by itself. */
static lg_status
run_insert(lg_txn *t, lg_segment *g, const lg_btree_item *it, uint32_t n, struct run *r)
{
    uint32_t block, most = lg_buf_block_bytes(lg_segment_cache(g)) / 4, want = sizeof(uint16_t);
    for (uint32_t i = 0; i < n && want < most; i++)
        want += ITEM_BYTES + it[i].len;
    if (want > most)
        want = most;
    lg_btree__key k = from_of(&it[0]);
    LG_TRY(lg_btree__descend(g, &k, 0, &block));
    for (;;) {
        lg_mtr m;
        lg_buf *b;
        lg_txn_undo u;
        LG_TRY(lg_txn_undo_reserve(t, want));
        LG_TRY(lg_btree__latch(g, &m, &k, 0, &block, &b));
        run_plan(b->data, it, n, want, r);
        lg_status st = r->n > 0 ? lg_txn_undo_get(t, &m, r->payload, &u) : LG_OK;
        if (st == LG_OK && r->n > 0) {
            run_undo(t, g, &m, &u, block, it, r);
            run_apply(&m, b, it, r, lg_txn_xid(t));
            lg_mtr_commit(&m, NULL);
            return LG_OK;
        }
        if (st == LG_RETRY) {
            st = lg_mtr_restart(&m);
            lg_mtr_abort(&m);
            LG_TRY(st);
            continue;
        }
        lg_mtr_abort(&m);
        return st;
    }
}

lg_status
lg_btree_insert_many(lg_txn *t, lg_segment *g, const lg_btree_item *items, uint32_t n,
                     uint32_t *ret_done, lg_btree_out *ret_out)
{
    struct run r;
    *ret_done = 0;
    while (*ret_done < n) {
        const lg_btree_item *it = items + *ret_done;
        LG_TRY(run_insert(t, g, it, n - *ret_done, &r));
        if (r.n == 0) {
            LG_TRY(lg_btree_insert(t, g, it->key, it->len, it->rowid, it->unique, ret_out));
            r.n = 1;
        }
        *ret_done += r.n;
    }
    return LG_OK;
}

lg_status
lg_btree__append_run(lg_segment *g, lg_xid xid, uint32_t *block, const lg_btree_item *it,
                     uint32_t n, uint32_t *ret_done)
{
    struct run r;
    lg_mtr m;
    lg_buf *b;
    lg_btree__key k = from_of(&it[0]);
    LG_TRY(lg_btree__latch(g, &m, &k, 0, block, &b));
    run_plan(b->data, it, n, UINT32_MAX, &r);
    *ret_done = r.n;
    if (r.n > 0) {
        run_apply(&m, b, it, &r, xid);
        lg_mtr_commit(&m, NULL);
    } else {
        lg_mtr_abort(&m);
    }
    return LG_OK;
}

/* ---- rollback ---- */

struct undo_list {
    const uint8_t *at;
    uint32_t left; /* bytes */
    uint32_t n;    /* items */
};

static bool
undo_item(struct undo_list *l, lg_btree__key *ret)
{
    uint16_t len;
    if (l->n == 0 || l->left < ITEM_BYTES)
        return false;
    memcpy(&ret->rowid, l->at, 8);
    memcpy(&len, l->at + 8, 2);
    if (l->left < ITEM_BYTES + len)
        return false;
    ret->bytes = l->at + ITEM_BYTES;
    ret->len = len;
    l->at += ITEM_BYTES + len;
    l->left -= ITEM_BYTES + len;
    l->n--;
    return true;
}

/* The entry of the key; NULL: gone already, before a crash. */
static const lg_btree__entry *
entry_of(const lg_buf *b, const lg_btree__key *k, uint32_t *ret_slot)
{
    *ret_slot = lg_btree__find(b->data, k);
    if (*ret_slot == lg_btree__node_of(b->data)->count)
        return NULL;
    const lg_btree__entry *e = lg_btree__entry_at(b->data, *ret_slot);
    return lg_btree__compare(k, e) == 0 ? e : NULL;
}

/* Takes out what the leaf has of the list; *l: the rest. LG_CORRUPT, before any change: an entry is
 * somebody else's. */
static lg_status
leaf_undo(lg_mtr *m, lg_buf *b, struct undo_list *l, lg_xid xid)
{
    lg_btree__key k;
    uint32_t slot;
    for (struct undo_list at = *l; undo_item(&at, &k) && !lg_btree__beyond(b->data, &k);) {
        const lg_btree__entry *e = entry_of(b, &k, &slot);
        if (e && (e->ref != xid || (e->flags & LG_BTREE__MARKED)))
            return LG_CORRUPT;
    }
    for (struct undo_list next = *l; undo_item(&next, &k) && !lg_btree__beyond(b->data, &k);
         *l = next)
        if (entry_of(b, &k, &slot))
            lg_btree__entry_remove(m, b, slot);
    return LG_OK;
}

/* Does the leaf end the list? */
static bool
leaf_is_last(const lg_buf *b, struct undo_list l)
{
    lg_btree__key k;
    while (undo_item(&l, &k))
        if (lg_btree__beyond(b->data, &k))
            return false;
    return true;
}

lg_status
lg_btree__undo_many(const lg_undo_apply *a, lg_segment *g)
{
    struct undo_list l = {a->payload + sizeof(uint16_t), a->rec->len - (uint32_t)sizeof(uint16_t),
                          0};
    uint16_t count;
    memcpy(&count, a->payload, sizeof count);
    l.n = count;
    for (;;) {
        lg_mtr m;
        lg_buf *b, *table = NULL;
        lg_btree__key k;
        uint32_t block;
        struct undo_list first = l;
        if (!undo_item(&first, &k))
            return LG_CORRUPT;
        LG_TRY(lg_btree__descend(g, &k, 0, &block));
        LG_TRY(lg_btree__latch_undo(g, &m, &k, &block, &b));
        bool last = leaf_is_last(b, l);
        lg_status st = last ? lg_txn_undo_done_get(a, &m, &table) : LG_OK;
        if (st == LG_RETRY) {
            st = lg_mtr_restart(&m);
            lg_mtr_abort(&m);
            LG_TRY(st);
            continue;
        }
        if (st == LG_OK)
            st = leaf_undo(&m, b, &l, a->rec->xid);
        if (st != LG_OK) {
            lg_mtr_abort(&m);
            return st;
        }
        if (last)
            lg_txn_undo_done(a, &m, table);
        lg_mtr_commit(&m, NULL);
        if (last)
            return LG_OK;
    }
}
