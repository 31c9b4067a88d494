/* Rows on their way into a table: gathered, then put in together. Used by INSERT of many rows,
 * COPY and CREATE TABLE AS.
 *
 * A FLUSH inserts all rows gathered, then the entries of one index after another, sorted. What one
 * row does not allow must be told of the first such row, as if they had gone in one by one: so on
 * any such outcome everything is taken back to before the flush, and the rows do go in singly. */
#include "rows_internal.h"
#include "relstat.h"
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX 65536u /* as PostgreSQL's COPY */

struct lg_xinsert_row {
    lg_datum *values;
    uint8_t *nulls;
    uint64_t number;
};

struct lg_xinsert {
    lg_xtarget *t;
    lg_arena *a; /* what is gathered */
    lg_arena *work;
    struct lg_xinsert_row *rows;
    lg_access_row *stored;
    lg_access_entry *entries;
    uint32_t n, max;
    size_t bytes;
    bool together; /* nothing that must be looked at row by row */
    bool references;
};

lg_xinsert *
lg_xinsert_open(lg_xtarget *t, uint32_t max_rows)
{
    lg_xinsert *in = lg_zalloc(sizeof *in);
    in->t = t;
    in->max = max_rows;
    in->a = lg_arena_create("rows to insert", 512 << 10);
    in->work = lg_arena_create("insert", 64 << 10);
    in->rows = lg_alloc(max_rows * sizeof *in->rows);
    in->stored = lg_alloc(max_rows * sizeof *in->stored);
    in->together = t->acc->ops->rows_insert != NULL;
    for (uint32_t i = 0; i < t->t->nindexes; i++)
        in->together &= t->t->indexes[i].index->immediate;
    for (uint16_t i = 0; i < t->rel->nconstraints; i++)
        in->references |= t->rel->constraints[i].type == 'f';
    return in;
}

void
lg_xinsert_close(lg_xinsert *in)
{
    if (!in)
        return;
    lg_free(in->entries);
    lg_free(in->stored);
    lg_free(in->rows);
    lg_arena_destroy(in->work);
    lg_arena_destroy(in->a);
    lg_free(in);
}

lg_arena *
lg_xinsert_arena(lg_xinsert *in)
{
    return in->a;
}

/* ---- together ---- */

static int
entry_compare(const void *pa, const void *pb)
{
    const lg_access_entry *a = pa, *b = pb;
    int c = memcmp(a->key, b->key, a->len < b->len ? a->len : b->len);
    if (c)
        return c;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return (a->tid > b->tid) - (a->tid < b->tid);
}

static lg_status
put_entries(lg_xinsert *in, const lg_plan_index *pi)
{
    lg_xtarget *t = in->t;
    uint32_t n = 0;
    bool sorted = true;
    if (!in->entries)
        in->entries = lg_alloc(in->max * sizeof *in->entries);
    for (uint32_t i = 0; i < in->n; i++) {
        const struct lg_xinsert_row *r = &in->rows[i];
        lg_access_entry *e = &in->entries[n];
        size_t len;
        lg_status st =
            lg_xtarget_index_key(t, in->work, pi, r->values, r->nulls, &e->key, &len, &e->unique);
        if (st == LG_NOT_FOUND)
            continue;
        LG_TRY(st);
        e->len = (uint32_t)len;
        e->tid = in->stored[i].tid;
        sorted = sorted && (n == 0 || entry_compare(&e[-1], e) < 0);
        n++;
    }
    if (!sorted)
        qsort(in->entries, n, sizeof *in->entries, entry_compare);
    return t->acc->ops->entries_insert(t->acc->arg, lg_cat_txn(t->x->es->cat), &pi->index->storage,
                                       in->entries, n);
}

static lg_status
put_together(lg_xinsert *in)
{
    lg_xtarget *t = in->t;
    LG_TRY(t->acc->ops->rows_insert(t->acc->arg, lg_cat_txn(t->x->es->cat), &t->rel->storage,
                                    in->stored, in->n));
    for (uint32_t i = 0; i < t->t->nindexes; i++) {
        LG_TRY(put_entries(in, &t->t->indexes[i]));
        lg_arena_reset(in->work);
    }
    lg_cat_relstat_changed(t->x->es->cat, t->rel->oid, in->n, 0, 0);
    return LG_OK;
}

static lg_status
references_written(lg_xinsert *in)
{
    for (uint32_t i = 0; i < in->n && in->references; i++) {
        const struct lg_xinsert_row *r = &in->rows[i];
        lg_arena_reset(in->work);
        LG_TRY(lg_xfk_written(in->t, in->work, in->stored[i].tid, NULL, NULL, r->values, r->nulls));
    }
    return LG_OK;
}

/* ---- one by one ---- */

static lg_status
put_singly(lg_xinsert *in, uint64_t *ret_number)
{
    for (uint32_t i = 0; i < in->n; i++) {
        const struct lg_xinsert_row *r = &in->rows[i];
        lg_tid tid, other;
        *ret_number = r->number;
        lg_arena_reset(in->work);
        LG_TRY(
            lg_xtarget_insert(in->t, in->work, r->values, r->nulls, false, 0, NULL, &tid, &other));
    }
    return LG_OK;
}

/* ---- the face ---- */

static bool
about_a_row(lg_status st)
{
    return st == LG_EXISTS || st == LG_TOO_LARGE || st == LG_SQL;
}

lg_status
lg_xinsert_flush(lg_xinsert *in, uint64_t *ret_number)
{
    lg_xtarget *t = in->t;
    const lg_access *acc = t->acc;
    struct lg_txn *txn = lg_cat_txn(t->x->es->cat);
    lg_status st;
    *ret_number = 0;
    if (in->n > 1 && in->together) {
        uint64_t before = acc->ops->savepoint(acc->arg, txn);
        st = put_together(in);
        if (about_a_row(st)) {
            LG_TRY(acc->ops->rollback_to(acc->arg, txn, before));
            lg_error_clear(t->x->es->err);
            st = put_singly(in, ret_number);
        } else if (st == LG_OK) {
            st = references_written(in);
        }
    } else {
        st = put_singly(in, ret_number);
    }
    in->n = 0;
    in->bytes = 0;
    lg_arena_reset(in->work);
    lg_arena_reset(in->a);
    return st;
}

lg_status
lg_xinsert_add(lg_xinsert *in, const lg_datum *values, const uint8_t *nulls, uint64_t number,
               uint64_t *ret_number)
{
    uint16_t ncols = in->t->rel->ncols;
    struct lg_xinsert_row *r = &in->rows[in->n];
    lg_access_row *s = &in->stored[in->n++];
    size_t len;
    r->values = lg_arena_dup(in->a, values, ncols * sizeof *values);
    r->nulls = lg_arena_dup(in->a, nulls, ncols);
    r->number = number;
    lg_row_encode_arena(in->t->rel->rowcols, ncols, values, nulls, in->a, &s->bytes, &len);
    s->len = (uint32_t)len;
    in->bytes += len;
    *ret_number = 0;
    return in->n == in->max || in->bytes >= BYTES_MAX ? lg_xinsert_flush(in, ret_number) : LG_OK;
}
