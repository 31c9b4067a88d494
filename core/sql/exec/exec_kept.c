/* Rows that DISTINCT, ORDER BY and WITHIN GROUP keep until their group is given out (lg_xkept): one
 * for each such aggregate, the rows of all its groups.
 *
 * A row is the aggregate's arguments, its ORDER BY columns, and the number of its group. In memory
 * the rows of a group are a list. When they are too many, all groups' rows go out as one sorted run,
 * by the group's number first; as groups are given out in the order of their numbers, one merge of
 * all runs gives every group its rows.
 *
 *   GATHERING --lg_xkept_out--> GATHERING (with runs) --first lg_xkept_open--> READING --reset--> */
#include "exec_agg.h"
#include "type.h"
#include <string.h>

#define MERGED 256u /* rows taken from the merge at once */

lg_status
lg_xkept_create(lg_exec *x, const lg_expr *e, lg_xkept **ret)
{
    lg_xkept *k = *ret = LG_NEW(x->arena, lg_xkept);
    uint32_t n = 0, norder = e->agg.norder;
    k->x = x;
    k->e = e;
    k->ncols = e->nargs + norder + 1;
    k->types = LG_NEWN(x->arena, lg_oid, k->ncols);
    k->keys = LG_NEWN(x->arena, lg_xsort_key, k->ncols);
    for (uint32_t i = 0; i < e->nargs; i++)
        k->types[i] = e->args[i]->type;
    for (uint32_t i = 0; i < norder; i++)
        k->types[e->nargs + i] = e->agg.order[i].expr->type;
    k->types[k->ncols - 1] = LG_T_INT8;
    k->keys[n++] = (lg_xsort_key){k->ncols - 1, lg_type_compare_fn(LG_T_INT8), false, false};
    for (uint32_t i = 0; i < norder; i++)
        k->keys[n++] = (lg_xsort_key){e->nargs + i, lg_type_compare_fn(k->types[e->nargs + i]),
                                      e->agg.order[i].desc, e->agg.order[i].nulls_first};
    for (uint32_t i = 0; e->agg.distinct && i < e->nargs; i++)
        k->keys[n++] = (lg_xsort_key){i, lg_type_compare_fn(k->types[i]), false, false};
    k->nkeys = n;
    for (uint32_t i = 0; i < n; i++)
        if (!k->keys[i].cmp)
            return LG_UNSUPPORTED;
    k->arena = lg_arena_create("kept rows", 8 << 10);
    k->last = lg_arena_create("kept row", 256);
    k->tmp = lg_arena_create("kept steps", 1024);
    return LG_OK;
}

/* ---- gathering ---- */

lg_datum *
lg_xkept_add(lg_xkept *k, lg_xkept_group *g)
{
    lg_datum *link = lg_arena_alloc(k->arena, sizeof *link + k->ncols * (sizeof(lg_datum) + 1) + 1);
    lg_datum *row = link + 1;
    *link = lg_datum_ptr(NULL);
    row[k->ncols - 1] = (lg_datum)g->number;
    lg_xrow_nulls(row, k->ncols)[k->ncols - 1] = 0;
    if (g->n++)
        g->last[-1] = lg_datum_ptr(row);
    else
        g->first = row;
    g->last = row;
    k->n++;
    return row;
}

size_t
lg_xkept_bytes(const lg_xkept *k)
{
    return lg_arena_used_bytes(k->arena) + k->n * 2 * sizeof(lg_datum *);
}

/* The group's rows, sorted: k->rows. */
static lg_status
sort_group(lg_xkept *k, const lg_xkept_group *g)
{
    uint64_t i = 0;
    if (g->n > k->cap) {
        k->cap = g->n > 2 * k->cap ? g->n : 2 * k->cap;
        k->rows = lg_realloc(k->rows, k->cap * sizeof *k->rows);
    }
    for (lg_datum *row = g->first; i < g->n; i++) {
        k->rows[i] = row;
        row = lg_ptr(row[-1]);
    }
    return lg_xsort_rows(k->x, k->keys + 1, k->nkeys - 1, k->rows, g->n, k->ncols);
}

static bool
same_rows(const lg_xkept *k, const lg_datum *a, const lg_datum *b)
{
    return lg_xsort_compare(k->keys, k->nkeys, a, b, k->ncols) == 0;
}

static lg_status
group_out(lg_xkept *k, lg_xkept_group *g)
{
    LG_TRY(sort_group(k, g));
    for (uint64_t i = 0; i < g->n; i++) {
        if (k->e->agg.distinct && i && same_rows(k, k->rows[i - 1], k->rows[i]))
            continue;
        LG_TRY(lg_xextsort_add(k->ext, k->rows[i]));
        if (i % LG_BATCH == 0)
            LG_TRY(lg_xcheck(k->x));
    }
    g->n = 0;
    return LG_OK;
}

lg_status
lg_xkept_out(lg_xkept *k, struct group *const *groups, uint64_t ngroups, uint32_t index)
{
    if (!k->ext)
        LG_TRY(lg_xextsort_create(k->x, k->ncols, k->types, k->keys, k->nkeys,
                                  lg_xbudget_sort(k->x), &k->ext));
    for (uint64_t i = 0; i < ngroups; i++) {
        lg_xkept_group *g = groups[i]->kept[index];
        if (g->n)
            LG_TRY(group_out(k, g));
        if (i % LG_BATCH == 0)
            LG_TRY(lg_xcheck(k->x));
    }
    LG_TRY(lg_xextsort_end_run(k->ext));
    lg_arena_reset(k->arena);
    lg_free(k->rows);
    k->rows = NULL;
    k->n = k->cap = 0;
    return LG_OK;
}

/* ---- reading ---- */

lg_status
lg_xkept_open(lg_xkept *k, const lg_xkept_group *g)
{
    k->group = g;
    k->pos = 0;
    k->prev = NULL;
    return k->ext ? LG_OK : sort_group(k, g);
}

/* The next row of the merge, whatever its group. The one before may be asked for once more. */
static lg_status
merge_peek(lg_xkept *k, const lg_datum **ret)
{
    if (k->at == k->nmerged) {
        if (!k->merged)
            k->merged = LG_NEWN(k->x->arena, lg_datum *, MERGED);
        if (k->prev) {
            lg_datum *copy;
            lg_arena_reset(k->last);
            copy = lg_xrow_new(k->last, k->ncols);
            memcpy(lg_xrow_nulls(copy, k->ncols), lg_xrow_nulls(k->prev, k->ncols), k->ncols);
            for (uint32_t i = 0; i < k->ncols; i++)
                copy[i] = lg_xrow_nulls(copy, k->ncols)[i]
                              ? 0
                              : lg_datum_copy(k->types[i], k->prev[i], k->last);
            k->prev = copy;
        }
        k->at = k->nmerged = 0;
        LG_TRY(lg_xextsort_next(k->ext, k->merged, MERGED, &k->nmerged));
        LG_TRY(lg_xcheck(k->x));
    }
    *ret = k->merged[k->at];
    return LG_OK;
}

static lg_status
next_row(lg_xkept *k, const lg_datum **ret)
{
    if (!k->ext) {
        if (k->pos == k->group->n)
            return LG_END;
        if (k->pos % LG_BATCH == 0)
            LG_TRY(lg_xcheck(k->x));
        *ret = k->rows[k->pos++];
        return LG_OK;
    }
    LG_TRY(merge_peek(k, ret));
    if ((uint64_t)(*ret)[k->ncols - 1] != k->group->number)
        return LG_END;
    k->at++;
    return LG_OK;
}

lg_status
lg_xkept_next(lg_xkept *k, const lg_datum **ret)
{
    for (;;) {
        LG_TRY(next_row(k, ret));
        bool again = k->e->agg.distinct && k->prev && same_rows(k, k->prev, *ret);
        k->prev = *ret;
        if (!again)
            return LG_OK;
    }
}

lg_status
lg_xkept_all(lg_xkept *k, lg_xstore *t)
{
    const lg_datum *row;
    lg_status st;
    while ((st = next_row(k, &row)) == LG_OK) {
        if (!k->ext) {
            lg_xstore_add(t, k->rows[k->pos - 1]);
            continue;
        }
        lg_datum *copy = lg_xrow_new(t->arena, k->ncols);
        const uint8_t *nulls = lg_xrow_nulls(row, k->ncols);
        memcpy(lg_xrow_nulls(copy, k->ncols), nulls, k->ncols);
        for (uint32_t i = 0; i < k->ncols; i++)
            copy[i] = nulls[i] ? 0 : lg_datum_copy(k->types[i], row[i], t->arena);
        lg_xstore_add(t, copy);
        if (t->n % 16 == 0)
            LG_TRY(lg_xstore_weigh(t));
    }
    return st == LG_END ? lg_xstore_weigh(t) : st;
}

uint64_t
lg_xkept_disk_bytes(const lg_xkept *k)
{
    return k->ext ? lg_xextsort_disk_bytes(k->ext) : 0;
}

void
lg_xkept_reset(lg_xkept *k)
{
    if (!k->arena)
        return;
    lg_xextsort_destroy(k->ext);
    k->ext = NULL;
    k->at = k->nmerged = 0;
    k->n = 0;
    lg_arena_reset(k->arena);
}

void
lg_xkept_fini(lg_xkept *k)
{
    if (!k || !k->arena)
        return;
    lg_xkept_reset(k);
    lg_free(k->rows);
    lg_arena_destroy(k->arena);
    lg_arena_destroy(k->last);
    lg_arena_destroy(k->tmp);
    k->arena = NULL;
}
