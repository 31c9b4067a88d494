/* Ordered-set and hypothetical-set aggregates over the kept rows of one group: percentile_disc,
 * percentile_cont, mode; rank, dense_rank, percent_rank, cume_dist of a row that is not there. A
 * kept row is the aggregate's arguments (direct ones first), then its ORDER BY columns. Some of the
 * rows may lie on a temporary file. */
#include "collate.h"
#include "text.h"
#include "exec_internal.h"
#include "type.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct ordered {
    lg_exec *x;
    const lg_expr *e;
    lg_xstore *t; /* sorted */
    lg_arena *a;
    const lg_xsort_key *keys;
    uint64_t from, n; /* percentiles and mode: those without NULL */
    uint32_t slot;    /* of the first ORDER BY column */
    lg_xcursor at[2]; /* of even and odd rows: two neighbours can be held */
} ordered;

static lg_status
row_at(ordered *o, uint64_t i, const lg_datum **ret)
{
    return lg_xstore_row(o->t, &o->at[i & 1], i, ret);
}

static int
compare_rows(const ordered *o, const lg_datum *a, const lg_datum *b)
{
    return lg_xsort_compare(o->keys, o->e->agg.norder, a, b, o->t->ncols);
}

static lg_status
row_is_null(ordered *o, uint64_t i, bool *ret)
{
    const lg_datum *row;
    LG_TRY(row_at(o, i, &row));
    *ret = lg_xrow_nulls(row, o->t->ncols)[o->slot];
    return LG_OK;
}

/* The direct argument; of an empty group it can depend on parameters only. */
static lg_status
direct(ordered *o, uint32_t i, lg_datum *ret, bool *ret_null)
{
    if (o->t->n) {
        const lg_datum *row;
        LG_TRY(row_at(o, 0, &row));
        *ret_null = lg_xrow_nulls(row, o->t->ncols)[i];
        *ret = *ret_null ? 0 : lg_datum_copy(o->e->args[i]->type, row[i], o->a);
        return LG_OK;
    }
    *ret = 0;
    *ret_null = true;
    if (lg_expr_has_kind(o->e->args[i], LG_EX_SLOT))
        return LG_OK;
    return lg_xexpr_scalar(o->x, o->a, o->e->args[i], ret, ret_null);
}

static lg_status
skip_nulls(ordered *o)
{
    uint64_t hi = o->t->n;
    bool null = true;
    while (o->from < hi) {
        LG_TRY(row_is_null(o, o->from, &null));
        if (!null)
            break;
        o->from++;
    }
    for (; hi > o->from; hi--) {
        LG_TRY(row_is_null(o, hi - 1, &null));
        if (!null)
            break;
    }
    o->n = hi - o->from;
    return LG_OK;
}

/* What a collation's key was made of. */
static lg_datum
text_of_key(ordered *o, lg_datum key)
{
    const lg_expr *of = o->e->args[o->e->nargs - 1];
    lg_datum d = lg_collate_key_text(o->a, key);
    size_t n = lg_text_len(d), chars = (size_t)lg_utf8_count(lg_text_data(d), n);
    size_t want = of->type == LG_T_BPCHAR && of->typmod > 4 ? (size_t)of->typmod - 4 : 0;
    if (chars >= want)
        return d;
    char *padded = lg_arena_alloc(o->a, n + want - chars);
    memcpy(padded, lg_text_data(d), n);
    memset(padded + n, ' ', want - chars);
    return lg_datum_text(o->a, padded, n + want - chars);
}

/* The ordered value of row i of those without NULL. */
static lg_status
value_at(ordered *o, uint64_t i, lg_datum *ret)
{
    const lg_datum *row;
    LG_TRY(row_at(o, o->from + i, &row));
    lg_oid type = o->e->agg.order[0].expr->type, of = o->e->args[o->e->nargs - 1]->type;
    if (type == LG_T_BYTEA && of != LG_T_BYTEA) /* ordered by a collation's keys */
        *ret = text_of_key(o, row[o->slot]);
    else
        *ret = lg_datum_copy(type, row[o->slot], o->a);
    return LG_OK;
}

/* ---- percentiles ---- */

static lg_status
check_fraction(const ordered *o, double p)
{
    if (p >= 0 && p <= 1)
        return LG_OK;
    return lg_error_set(o->x->es->err, "22003", "percentile value %g is not between 0 and 1", p);
}

static lg_status
operate(const ordered *o, const char *name, lg_datum x, lg_oid right, lg_datum y, lg_datum *ret)
{
    const lg_operator *op = lg_operator_find(name, LG_T_INTERVAL, right);
    lg_datum args[2] = {x, y};
    uint8_t nulls[2] = {0, 0};
    lg_call c;
    if (!op)
        return LG_UNSUPPORTED;
    lg_call_init(&c, lg_func_get(op->func), o->x->es->env, o->x->es->err, o->a, o->a);
    c.args = args;
    c.nulls = nulls;
    c.nargs = 2;
    *ret = lg_func_call(&c);
    return c.st;
}

static lg_status
between(const ordered *o, lg_oid type, lg_datum lo, lg_datum hi, double part, lg_datum *ret)
{
    lg_datum d;
    if (type == LG_T_FLOAT8) {
        double x = lg_float8(lo), y = lg_float8(hi);
        *ret = lg_datum_float8(x + part * (y - x));
        return LG_OK;
    }
    LG_TRY(operate(o, "-", hi, LG_T_INTERVAL, lo, &d));
    LG_TRY(operate(o, "*", d, LG_T_FLOAT8, lg_datum_float8(part), &d));
    return operate(o, "+", d, LG_T_INTERVAL, lo, ret);
}

static lg_status
percentile(ordered *o, bool cont, lg_oid type, double p, lg_datum *ret)
{
    if (!cont) {
        double row = ceil(p * (double)o->n);
        uint64_t at = row > 1 ? (uint64_t)row - 1 : 0;
        return value_at(o, at < o->n ? at : o->n - 1, ret);
    }
    double at = p * (double)(o->n - 1);
    uint64_t first = (uint64_t)floor(at), second = (uint64_t)ceil(at);
    lg_datum lo, hi;
    LG_TRY(value_at(o, first, &lo));
    if (first == second) {
        *ret = lo;
        return LG_OK;
    }
    LG_TRY(value_at(o, second, &hi));
    return between(o, type, lo, hi, at - (double)first, ret);
}

static lg_status
percentiles(ordered *o, bool cont, lg_datum fractions, lg_datum *ret)
{
    lg_array p, r;
    lg_array_unpack(fractions, o->a, &p);
    r = p;
    r.elem = o->e->args[1]->type;
    r.values = LG_NEWN(o->a, lg_datum, p.n + 1);
    r.nulls = LG_NEWN(o->a, uint8_t, p.n + 1);
    for (uint32_t i = 0; i < p.n; i++)
        if (!p.nulls || !p.nulls[i])
            LG_TRY(check_fraction(o, lg_float8(p.values[i])));
    for (uint32_t i = 0; i < p.n; i++) {
        r.nulls[i] = p.nulls && p.nulls[i];
        if (!r.nulls[i])
            LG_TRY(percentile(o, cont, r.elem, lg_float8(p.values[i]), &r.values[i]));
    }
    *ret = lg_array_pack(o->a, &r);
    return LG_OK;
}

static lg_status
percentile_final(ordered *o, bool cont, bool multi, lg_datum *ret, bool *ret_null)
{
    lg_datum p;
    bool null;
    LG_TRY(direct(o, 0, &p, &null));
    LG_TRY(skip_nulls(o));
    *ret_null = true;
    if (null)
        return LG_OK;
    if (!multi)
        LG_TRY(check_fraction(o, lg_float8(p)));
    if (!o->n)
        return LG_OK;
    *ret_null = false;
    return multi ? percentiles(o, cont, p, ret)
                 : percentile(o, cont, o->e->type, lg_float8(p), ret);
}

static lg_status
mode_final(ordered *o, lg_datum *ret, bool *ret_null)
{
    uint64_t best = 0, run = 0, best_at = 0;
    const lg_datum *row, *prev = NULL;
    LG_TRY(skip_nulls(o));
    *ret_null = !o->n;
    for (uint64_t i = 0; i < o->n; i++, prev = row) {
        LG_TRY(row_at(o, o->from + i, &row));
        run = i && !compare_rows(o, prev, row) ? run + 1 : 1;
        if (run > best) {
            best = run;
            best_at = i;
        }
        if (i % LG_BATCH == 0)
            LG_TRY(lg_xcheck(o->x));
    }
    return o->n ? value_at(o, best_at, ret) : LG_OK;
}

/* ---- hypothetical rows ---- */

static lg_status
hypothetical(ordered *o, lg_oid func, lg_datum *ret)
{
    uint64_t before = 0, upto = 0, groups = 0;
    lg_datum *row = lg_xrow_new(o->a, o->t->ncols);
    memset(row, 0, o->t->ncols * (sizeof *row + 1));
    for (uint32_t i = 0; i < o->e->agg.ndirect; i++) {
        bool null;
        LG_TRY(direct(o, i, &row[o->slot + i], &null));
        lg_xrow_nulls(row, o->t->ncols)[o->slot + i] = null;
    }
    const lg_datum *at, *prev = NULL;
    for (uint64_t i = 0; i < o->t->n; i++, prev = at) {
        LG_TRY(row_at(o, i, &at));
        int d = compare_rows(o, at, row);
        if (d > 0)
            break;
        upto++;
        before += d < 0;
        groups += d < 0 && (!i || compare_rows(o, prev, at) != 0);
        if (i % LG_BATCH == 0)
            LG_TRY(lg_xcheck(o->x));
    }
    double n = (double)o->t->n;
    if (func == 3986)
        *ret = lg_datum_int8((int64_t)before + 1);
    else if (func == 3988)
        *ret = lg_datum_float8(o->t->n ? (double)before / n : 0);
    else if (func == 3990)
        *ret = lg_datum_float8((double)(upto + 1) / (n + 1));
    else
        *ret = lg_datum_int8((int64_t)groups + 1);
    return LG_OK;
}

static lg_status
final_value(ordered *o, lg_datum *ret, bool *ret_null)
{
    lg_oid f = o->e->agg.func->oid;
    switch (f) {
    case 3972:
    case 3978:
        return percentile_final(o, false, f == 3978, ret, ret_null);
    case 3974:
    case 3976:
    case 3980:
    case 3982:
        return percentile_final(o, true, f >= 3980, ret, ret_null);
    case 3984:
        return mode_final(o, ret, ret_null);
    default:
        return hypothetical(o, f, ret);
    }
}

lg_status
lg_xordered_final(lg_exec *x, const lg_expr *e, lg_xstore *t, const lg_xsort_key *keys, lg_arena *a,
                  lg_datum *ret, bool *ret_null)
{
    ordered o = {.x = x, .e = e, .t = t, .a = a, .keys = keys, .slot = e->nargs};
    *ret = 0;
    *ret_null = false;
    lg_status st = final_value(&o, ret, ret_null);
    lg_xcursor_fini(&o.at[0]);
    lg_xcursor_fini(&o.at[1]);
    return st;
}
