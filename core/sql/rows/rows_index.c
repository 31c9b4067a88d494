/* Building an index over the rows that a table has: all keys are made, sorted as the tree sorts
 * them, and given to the access method in order. Equal neighbours in a unique index are the error.
 * Keys beyond maintenance_work_mem go to a temporary file as sorted runs. Where there is none, what
 * would take too much memory is put in row by row instead, as is an index of an access method that
 * cannot be built at once. */
#include "rows_internal.h"
#include "spill.h"
#include "relstat.h"
#include "type.h"
#include <stdlib.h>
#include <string.h>

#define BUILD_MAX (1ULL << 30) /* without temporary files */
#define MERGED    256u

struct entry {
    const uint8_t *key;
    uint32_t len;
    bool unique;
    lg_tid tid;
};

struct build {
    lg_exec_session *es;
    lg_arena *a;
    lg_relation *rel;
    const lg_plan_index *pi;
    lg_xtarget *t;
    const lg_access *acc;
    const struct lg_snapshot *snap;
    lg_arena *keys;
    struct entry *e;
    uint64_t n, cap, at, all;
    lg_datum *v; /* the row */
    uint8_t *nulls;
    /* Entries on a temporary file: rows of (key, row id, unique). */
    lg_xextsort *ext;
    size_t budget;
    bool some_unique; /* NULLs are never the same */
    lg_datum *merged[MERGED];
    uint32_t merged_at, nmerged;
    lg_tid last; /* given out */
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

/* ---- on a temporary file ---- */

static const lg_oid run_types[] = {LG_T_BYTEA, LG_T_INT8, LG_T_BOOL};
#define RUN_COLS 3u

static int
compare_keys(lg_datum a, lg_datum b)
{
    size_t n = lg_text_len(a), m = lg_text_len(b);
    int c = memcmp(lg_text_data(a), lg_text_data(b), n < m ? n : m);
    return c ? c : (n > m) - (n < m);
}

static size_t
budget_of(const struct build *b)
{
    const lg_exec_session *es = b->es;
    if (!es->temp || !es->maintenance_work_mem)
        return BUILD_MAX;
    return es->maintenance_work_mem;
}

/* All entries in memory as a sorted run. */
static lg_status
run_out(struct build *b)
{
    lg_exec *x = b->t->x;
    if (!b->ext) {
        lg_xsort_key *keys = LG_NEWN(b->a, lg_xsort_key, 2);
        keys[0] = (lg_xsort_key){0, compare_keys, false, false};
        keys[1] = (lg_xsort_key){1, lg_type_compare_fn(LG_T_INT8), false, false};
        LG_TRY(lg_xextsort_create(x, RUN_COLS, run_types, keys, 2, b->budget, &b->ext));
    }
    lg_arena *a = lg_arena_create("index entry", 0);
    struct entry *tmp = lg_alloc(b->n * sizeof *tmp);
    lg_status st = sort_entries(b, b->e, tmp, b->n);
    lg_free(tmp);
    for (uint64_t i = 0; i < b->n && st == LG_OK; i++) {
        const struct entry *e = &b->e[i];
        lg_datum *row = lg_xrow_new(a, RUN_COLS);
        memset(lg_xrow_nulls(row, RUN_COLS), 0, RUN_COLS);
        row[0] = lg_datum_text(a, (const char *)e->key, e->len);
        row[1] = (lg_datum)e->tid;
        row[2] = lg_datum_bool(e->unique);
        st = lg_xextsort_add(b->ext, row);
        lg_arena_reset(a);
        if (st == LG_OK && i % 1024 == 0)
            st = lg_xcheck(x);
    }
    lg_arena_destroy(a);
    LG_TRY(st);
    lg_arena_reset(b->keys);
    lg_free(b->e);
    b->e = NULL;
    b->n = b->cap = 0;
    return lg_xextsort_end_run(b->ext);
}

static lg_status
merged_next(struct build *b, struct entry *ret)
{
    if (b->merged_at == b->nmerged) {
        b->merged_at = b->nmerged = 0;
        LG_TRY(lg_xextsort_next(b->ext, b->merged, MERGED, &b->nmerged));
        LG_TRY(lg_xcheck(b->t->x));
    }
    const lg_datum *row = b->merged[b->merged_at++];
    *ret = (struct entry){(const uint8_t *)lg_text_data(row[0]), (uint32_t)lg_text_len(row[0]),
                          lg_bool(row[2]), (lg_tid)row[1]};
    return LG_OK;
}

static lg_status
merge_start(struct build *b)
{
    b->merged_at = b->nmerged = 0;
    return lg_xextsort_start(b->ext);
}

/* ---- in order ---- */

static lg_status
next_entry(void *arg, const uint8_t **key, uint32_t *len, lg_tid *tid)
{
    struct build *b = arg;
    struct entry e;
    if (b->ext) {
        LG_TRY(merged_next(b, &e));
    } else {
        if (b->at == b->n)
            return LG_END;
        e = b->e[b->at];
    }
    if (++b->at % 1024 == 0) {
        lg_xprogress_set(b->es, LG_INDEX_TUPLES, (int64_t)b->at);
        LG_TRY(lg_xcheck(b->t->x));
    }
    *key = e.key;
    *len = e.len;
    *tid = b->last = e.tid;
    return LG_OK;
}

/* The entry of a row that is known to be there, in the ordinary way: it makes the error too. */
static lg_status
insert_entry(struct build *b, lg_tid tid)
{
    const uint8_t *row;
    size_t len;
    lg_arena *a = lg_arena_create("index entry", 0);
    lg_status st = b->acc->ops->row_fetch(b->acc->arg, lg_cat_txn(b->es->cat), b->snap,
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

static bool
repeats(const struct entry *x, const struct entry *y)
{
    return y->unique && x->len == y->len && memcmp(x->key, y->key, x->len) == 0;
}

/* Says which key is there twice. */
static lg_status
repeated(struct build *b, lg_tid x, lg_tid y)
{
    LG_TRY(insert_entry(b, x));
    return insert_entry(b, y);
}

static lg_status
check_merged(struct build *b)
{
    lg_arena *keys[2] = {lg_arena_create("index key", 0), lg_arena_create("index key", 0)};
    struct entry last = {.key = NULL}, e;
    lg_status st = merge_start(b);
    for (unsigned i = 0; st == LG_OK && (st = merged_next(b, &e)) == LG_OK; i ^= 1) {
        if (last.key && repeats(&last, &e)) {
            st = repeated(b, last.tid, e.tid);
            break;
        }
        lg_arena_reset(keys[i]);
        last = e;
        last.key = lg_arena_dup(keys[i], e.key, e.len + 1u);
    }
    lg_arena_destroy(keys[0]);
    lg_arena_destroy(keys[1]);
    return st == LG_END ? LG_OK : st;
}

static lg_status
sort_all(struct build *b)
{
    if (b->ext)
        return b->n ? run_out(b) : LG_OK;
    struct entry *tmp = lg_alloc(b->n * sizeof *tmp);
    lg_status st = sort_entries(b, b->e, tmp, b->n);
    lg_free(tmp);
    return st;
}

static lg_status
check_unique(struct build *b)
{
    if (!b->some_unique)
        return LG_OK;
    if (b->ext)
        return check_merged(b);
    for (uint64_t i = 1; i < b->n; i++)
        if (repeats(&b->e[i - 1], &b->e[i]))
            return repeated(b, b->e[i - 1].tid, b->e[i].tid);
    return LG_OK;
}

static lg_status
finish(struct build *b)
{
    if (!b->n && !b->ext)
        return LG_OK;
    lg_xprogress_set(b->es, LG_INDEX_TUPLES_TOTAL, (int64_t)b->all);
    lg_xprogress_set(b->es, LG_INDEX_SUBPHASE, 3);
    LG_TRY(sort_all(b));
    LG_TRY(check_unique(b));
    lg_xprogress_set(b->es, LG_INDEX_SUBPHASE, 5);
    if (b->ext)
        LG_TRY(merge_start(b));
    lg_status st = b->acc->ops->index_build(b->acc->arg, lg_cat_txn(b->es->cat),
                                            &b->pi->index->storage, next_entry, b);
    return st == LG_TOO_LARGE ? insert_entry(b, b->last) : st;
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
    b->all++;
    b->some_unique |= unique;
    return LG_OK;
}

lg_status
lg_xindex_build(lg_exec_session *es, lg_arena *arena, lg_relation *rel, lg_xtarget *t,
                const lg_plan_index *pi)
{
    struct build b = {.es = es, .a = arena, .rel = rel, .pi = pi, .t = t};
    lg_arena *a = lg_arena_create("index rows", 0);
    bool one_by_one;
    void *scan;
    lg_xprogress_begin(es, "CREATE INDEX", rel->oid);
    lg_xprogress_set(es, LG_INDEX_COMMAND, 1);
    lg_xprogress_set(es, LG_INDEX_OID, pi->index->oid);
    lg_xprogress_set(es, LG_INDEX_AM, 403);
    lg_xprogress_set(es, LG_INDEX_PHASE, 2);
    lg_xprogress_set(es, LG_INDEX_SUBPHASE, 2);
    lg_xprogress_set(es, LG_INDEX_BLOCKS_TOTAL, rel->pages);
    b.acc = lg_catalog_access(lg_cat_catalog(es->cat));
    b.snap = b.acc->ops->snapshot_latest(b.acc->arg, lg_cat_txn(es->cat), arena);
    b.keys = lg_arena_create("index keys", 1 << 20);
    b.v = LG_NEWN(arena, lg_datum, rel->ncols + 1u);
    b.nulls = LG_NEWN(arena, uint8_t, rel->ncols + 1u);
    b.budget = budget_of(&b);
    one_by_one = !b.acc->ops->index_build;
    uint64_t rows = 0;
    lg_status st =
        b.acc->ops->scan_open(b.acc->arg, lg_cat_txn(es->cat), b.snap, &rel->storage, &scan);
    while (st == LG_OK) {
        const uint8_t *row;
        size_t len;
        lg_tid tid;
        lg_arena_reset(a);
        st = b.acc->ops->scan_next(scan, a, &tid, &row, &len);
        rows += st == LG_OK;
        if (st == LG_OK)
            lg_xprogress_set(es, LG_INDEX_BLOCKS, (int64_t)(uint32_t)(tid >> 16) + 1);
        if (st == LG_OK && one_by_one) {
            st = lg_xrow_decode(rel, row, len, b.v, b.nulls);
            if (st == LG_OK)
                st = lg_xtarget_index_row(t, a, pi, b.v, b.nulls, tid);
        } else if (st == LG_OK) {
            st = add_row(&b, a, row, len, tid);
            if (st == LG_OK && lg_arena_used_bytes(b.keys) + 2 * b.n * sizeof *b.e > b.budget) {
                one_by_one = b.budget == BUILD_MAX;
                st = one_by_one ? insert_all(&b) : run_out(&b);
            }
        }
        if (st == LG_OK)
            st = lg_xcheck(t->x);
        if (st != LG_OK)
            b.acc->ops->scan_close(scan);
    }
    lg_catalog_relstat_scanned(lg_cat_catalog(es->cat), rel->oid, false, rows);
    if (st == LG_END)
        st = finish(&b);
    lg_xextsort_destroy(b.ext);
    lg_free(b.e);
    lg_arena_destroy(b.keys);
    lg_arena_destroy(a);
    return st;
}
