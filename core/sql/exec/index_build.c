/* Building an index over the rows that a table has: all keys are made, sorted as the tree sorts
 * them, and given to the access method in order. Equal neighbours in a unique index are the error.
 * What would take too much memory is put in row by row instead, as is an index of an access method
 * that cannot be built at once. */
#include "ddl_internal.h"
#include <stdlib.h>
#include <string.h>

#define BUILD_MAX (1ULL << 30)

struct entry {
    const uint8_t *key;
    uint32_t len;
    bool unique;
    lg_tid tid;
};

struct build {
    lg_util *u;
    lg_relation *rel;
    const lg_plan_index *pi;
    lg_xtarget *t;
    const lg_access *acc;
    const struct lg_snapshot *snap;
    lg_arena *keys;
    struct entry *e;
    uint64_t n, cap, at;
    lg_datum *v; /* the row */
    uint8_t *nulls;
};

static int
compare(const struct entry *a, const struct entry *b)
{
    int c = memcmp(a->key, b->key, a->len < b->len ? a->len : b->len);
    if (c)
        return c;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return (a->tid > b->tid) - (a->tid < b->tid);
}

/* A merge sort, as it can be stopped. */
static lg_status
sort_entries(struct build *b, struct entry *e, struct entry *tmp, uint64_t n)
{
    if (n < 2)
        return LG_OK;
    uint64_t h = n / 2, i = 0, j = h, k = 0;
    LG_TRY(sort_entries(b, e, tmp, h));
    LG_TRY(sort_entries(b, e + h, tmp, n - h));
    if (compare(&e[h - 1], &e[h]) <= 0)
        return LG_OK;
    while (i < h && j < n) {
        tmp[k++] = compare(&e[i], &e[j]) <= 0 ? e[i++] : e[j++];
        if (k % 4096 == 0)
            LG_TRY(lg_xcheck(b->t->x));
    }
    memcpy(tmp + k, e + i, (h - i) * sizeof *e);
    k += h - i;
    memcpy(e, tmp, k * sizeof *e);
    return LG_OK;
}

static lg_status
next_entry(void *arg, const uint8_t **key, uint32_t *len, lg_tid *tid)
{
    struct build *b = arg;
    if (b->at == b->n)
        return LG_END;
    const struct entry *e = &b->e[b->at++];
    if (b->at % 1024 == 0) {
        lg_xprogress_set(b->u->es, LG_INDEX_TUPLES, (int64_t)b->at);
        LG_TRY(lg_xcheck(b->t->x));
    }
    *key = e->key;
    *len = e->len;
    *tid = e->tid;
    return LG_OK;
}

/* The entry of a row that is known to be there, in the ordinary way: it makes the error too. */
static lg_status
insert_entry(struct build *b, lg_tid tid)
{
    const uint8_t *row;
    size_t len;
    lg_arena *a = lg_arena_create("index entry", 0);
    lg_status st = b->acc->ops->row_fetch(b->acc->arg, lg_cat_txn(b->u->cat), b->snap,
                                          &b->rel->storage, tid, a, &row, &len);
    if (st == LG_OK)
        st = lg_xrow_decode(b->rel, row, len, b->v, b->nulls);
    if (st == LG_OK)
        st = lg_xtarget_index_row(b->t, a, b->pi, b->v, b->nulls, tid);
    lg_arena_destroy(a);
    return st;
}

static lg_status
insert_all(struct build *b)
{
    for (uint64_t i = 0; i < b->n; i++) {
        LG_TRY(insert_entry(b, b->e[i].tid));
        LG_TRY(lg_xcheck(b->t->x));
    }
    b->n = 0;
    return LG_OK;
}

static lg_status
finish(struct build *b)
{
    if (!b->n)
        return LG_OK;
    lg_xprogress_set(b->u->es, LG_INDEX_TUPLES_TOTAL, (int64_t)b->n);
    lg_xprogress_set(b->u->es, LG_INDEX_SUBPHASE, 3);
    struct entry *tmp = lg_alloc(b->n * sizeof *tmp);
    lg_status sorted = sort_entries(b, b->e, tmp, b->n);
    lg_free(tmp);
    LG_TRY(sorted);
    lg_xprogress_set(b->u->es, LG_INDEX_SUBPHASE, 5);
    for (uint64_t i = 1; i < b->n; i++) {
        const struct entry *x = &b->e[i - 1], *y = &b->e[i];
        if (y->unique && x->len == y->len && memcmp(x->key, y->key, x->len) == 0) {
            LG_TRY(insert_entry(b, x->tid));
            return insert_entry(b, y->tid); /* says which key is there twice */
        }
    }
    lg_status st = b->acc->ops->index_build(b->acc->arg, &b->pi->index->storage, next_entry, b);
    if (st == LG_TOO_LARGE)
        return insert_entry(b, b->e[b->at - 1].tid);
    return st;
}

static lg_status
add_row(struct build *b, lg_arena *a, const uint8_t *row, size_t len, lg_tid tid)
{
    const uint8_t *key;
    size_t key_len;
    bool unique;
    LG_TRY(lg_xrow_decode(b->rel, row, len, b->v, b->nulls));
    lg_status st = lg_xtarget_index_key(b->t, a, b->pi, b->v, b->nulls, &key, &key_len, &unique);
    if (st != LG_OK)
        return st == LG_NOT_FOUND ? LG_OK : st;
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 1024;
        b->e = lg_realloc(b->e, b->cap * sizeof *b->e);
    }
    b->e[b->n++] =
        (struct entry){lg_arena_dup(b->keys, key, key_len), (uint32_t)key_len, unique, tid};
    return LG_OK;
}

lg_status
lg_util__index_build(lg_util *u, lg_relation *rel, lg_xtarget *t, const lg_plan_index *pi)
{
    struct build b = {.u = u, .rel = rel, .pi = pi, .t = t};
    lg_arena *a = lg_arena_create("index rows", 0);
    bool one_by_one;
    void *scan;
    lg_xprogress_begin(u->es, "CREATE INDEX", rel->oid);
    lg_xprogress_set(u->es, LG_INDEX_COMMAND, 1);
    lg_xprogress_set(u->es, LG_INDEX_OID, pi->index->oid);
    lg_xprogress_set(u->es, LG_INDEX_AM, 403);
    lg_xprogress_set(u->es, LG_INDEX_PHASE, 2);
    lg_xprogress_set(u->es, LG_INDEX_SUBPHASE, 2);
    lg_xprogress_set(u->es, LG_INDEX_BLOCKS_TOTAL, rel->pages);
    b.acc = lg_catalog_access(lg_cat_catalog(u->cat));
    b.snap = b.acc->ops->snapshot_latest(b.acc->arg, lg_cat_txn(u->cat), u->a);
    b.keys = lg_arena_create("index keys", 1 << 20);
    b.v = LG_NEWN(u->a, lg_datum, rel->ncols + 1u);
    b.nulls = LG_NEWN(u->a, uint8_t, rel->ncols + 1u);
    one_by_one = !b.acc->ops->index_build;
    lg_status st =
        b.acc->ops->scan_open(b.acc->arg, lg_cat_txn(u->cat), b.snap, &rel->storage, &scan);
    while (st == LG_OK) {
        const uint8_t *row;
        size_t len;
        lg_tid tid;
        lg_arena_reset(a);
        st = b.acc->ops->scan_next(scan, a, &tid, &row, &len);
        if (st == LG_OK)
            lg_xprogress_set(u->es, LG_INDEX_BLOCKS, (int64_t)(uint32_t)(tid >> 16) + 1);
        if (st == LG_OK && one_by_one) {
            st = lg_xrow_decode(rel, row, len, b.v, b.nulls);
            if (st == LG_OK)
                st = lg_xtarget_index_row(t, a, pi, b.v, b.nulls, tid);
        } else if (st == LG_OK) {
            st = add_row(&b, a, row, len, tid);
            if (st == LG_OK && lg_arena_used_bytes(b.keys) + b.cap * sizeof *b.e > BUILD_MAX) {
                st = insert_all(&b);
                one_by_one = true;
            }
        }
        if (st == LG_OK)
            st = lg_xcheck(t->x);
        if (st != LG_OK)
            b.acc->ops->scan_close(scan);
    }
    if (st == LG_END)
        st = finish(&b);
    lg_free(b.e);
    lg_arena_destroy(b.keys);
    lg_arena_destroy(a);
    return st;
}
