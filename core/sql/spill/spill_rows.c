/* Kept rows in memory: batches, rows in arenas, hash tables, sorting; and what a statement may keep. */
#include "spill.h"
#include <string.h>

/* ---- batches and kept rows ---- */

void
lg_xbatch_init(lg_xbatch *b, lg_arena *a, uint32_t ncols, const lg_oid *types, uint32_t cap)
{
    lg_vector *v = LG_NEWN(a, lg_vector, ncols + 1);
    memset(b, 0, sizeof *b);
    b->b.ncols = ncols;
    b->b.cols = LG_NEWN(a, lg_vector *, ncols + 1);
    b->cap = cap;
    for (uint32_t i = 0; i < ncols; i++) {
        lg_vector_init(&v[i], a, types[i], cap);
        b->b.cols[i] = &v[i];
    }
}

lg_datum *
lg_xrow_copy(lg_arena *a, lg_vector *const *cols, uint32_t ncols, uint32_t at)
{
    lg_datum *row = lg_xrow_new(a, ncols);
    uint8_t *nulls = lg_xrow_nulls(row, ncols);
    for (uint32_t i = 0; i < ncols; i++) {
        bool null = !cols[i] || lg_vector_is_null(cols[i], at);
        nulls[i] = null;
        row[i] = null ? 0 : lg_datum_copy(cols[i]->type, lg_vector_value(cols[i], at), a);
    }
    return row;
}

/* ---- what a statement may keep ---- */

#define STATEMENT_MAX (2ULL << 30)

lg_status
lg_xmemory(lg_exec *x, size_t *mine, size_t now)
{
    x->memory += now - *mine;
    *mine = now;
    if (x->memory <= STATEMENT_MAX)
        return LG_OK;
    lg_error_set(x->es->err, "53200", "out of memory");
    lg_error_detail(x->es->err, "Sorts, hash tables and groups of one statement may keep %llu MB.",
                    STATEMENT_MAX >> 20);
    return LG_SQL;
}

/* ---- hash tables ---- */

void
lg_xhash_init(lg_xhash *h, lg_arena *a)
{
    memset(h, 0, sizeof *h);
    h->arena = a;
}

static void
hash_grow(lg_xhash *h)
{
    uint64_t nb = h->nbuckets ? h->nbuckets * 4 : 64;
    lg_xhash_entry **b = LG_NEWN(h->arena, lg_xhash_entry *, nb);
    for (uint64_t i = 0; i < h->nbuckets; i++) {
        lg_xhash_entry *e = h->buckets[i], *next;
        for (; e; e = next) {
            next = e->next;
            e->next = b[e->hash & (nb - 1)];
            b[e->hash & (nb - 1)] = e;
        }
    }
    h->buckets = b;
    h->nbuckets = nb;
}

lg_xhash_entry *
lg_xhash_add(lg_xhash *h, uint64_t hash, lg_datum *row)
{
    if (h->n >= h->nbuckets)
        hash_grow(h);
    lg_xhash_entry *e = LG_NEW(h->arena, lg_xhash_entry);
    e->hash = hash;
    e->row = row;
    e->next = h->buckets[hash & (h->nbuckets - 1)];
    h->buckets[hash & (h->nbuckets - 1)] = e;
    h->n++;
    return e;
}

/* ---- sorting ---- */

int
lg_xsort_compare(const lg_xsort_key *keys, uint32_t nkeys, const lg_datum *a, const lg_datum *b,
                 uint32_t ncols)
{
    const uint8_t *an = lg_xrow_nulls(a, ncols), *bn = lg_xrow_nulls(b, ncols);
    for (uint32_t i = 0; i < nkeys; i++) {
        uint32_t s = keys[i].slot;
        if (an[s] || bn[s]) {
            if (an[s] && bn[s])
                continue;
            return (an[s] != 0) == keys[i].nulls_first ? -1 : 1;
        }
        int d = keys[i].cmp(a[s], b[s]);
        if (d)
            return keys[i].desc ? -d : d;
    }
    return 0;
}

struct merge {
    lg_exec *x;
    lg_status st; /* of a sort that was stopped */
    const lg_xsort_key *keys;
    uint32_t nkeys, ncols;
};

/* Stable: equal rows come in input order. */
static void
merge_sort(lg_datum **rows, lg_datum **tmp, uint64_t n, struct merge *t)
{
    if (n < 2 || t->st != LG_OK)
        return;
    if (n > LG_BATCH)
        t->st = lg_xcheck(t->x);
    uint64_t h = n / 2, i = 0, j = h, k = 0;
    merge_sort(rows, tmp, h, t);
    merge_sort(rows + h, tmp, n - h, t);
    if (lg_xsort_compare(t->keys, t->nkeys, rows[h - 1], rows[h], t->ncols) <= 0)
        return;
    while (i < h && j < n) {
        tmp[k++] = lg_xsort_compare(t->keys, t->nkeys, rows[i], rows[j], t->ncols) <= 0 ? rows[i++]
                                                                                        : rows[j++];
        if (k % (4 * LG_BATCH) == 0 && (t->st = lg_xcheck(t->x)) != LG_OK)
            return;
    }
    while (i < h)
        tmp[k++] = rows[i++];
    memcpy(rows, tmp, k * sizeof *rows);
}

lg_status
lg_xsort_rows(lg_exec *x, const lg_xsort_key *keys, uint32_t nkeys, lg_datum **rows, uint64_t n,
              uint32_t ncols)
{
    struct merge m = {.x = x, .keys = keys, .nkeys = nkeys, .ncols = ncols};
    lg_datum **tmp = lg_alloc((n + 1) * sizeof *tmp);
    merge_sort(rows, tmp, n, &m);
    lg_free(tmp);
    return m.st;
}
