/* Frames of window functions: which rows of the partition belong to the current row's frame; the
 * RANGE tests of PostgreSQL's in_range functions. */
#include "exec_window.h"
#include "numeric.h"
#include "type.h"
#include <math.h>
#include <string.h>

/* ---- is a value within an offset of another? ---- */

struct lg_xrange {
    lg_oid type, offset_type;
    lg_compare_fn cmp; /* of the sums */
    lg_call add, sub, widen;
    bool widens; /* dates are compared as timestamps */
    bool asc, nulls_first;
    uint32_t slot;
};

static lg_status
bad_offset(lg_xframe *f)
{
    return lg_error_set(f->x->es->err, "22013",
                        "invalid preceding or following size in window function");
}

static lg_status
int_in_range(lg_xframe *f, lg_datum val, lg_datum base, lg_datum offset, bool sub, bool less,
             bool *ret)
{
    if (lg_int8(offset) < 0)
        return bad_offset(f);
    __int128 sum = lg_int8(base);
    sum += sub ? -(__int128)lg_int8(offset) : (__int128)lg_int8(offset);
    *ret = less ? lg_int8(val) <= sum : lg_int8(val) >= sum;
    return LG_OK;
}

static lg_status
float_in_range(lg_xframe *f, lg_datum v, lg_datum b, lg_datum offset, bool sub, bool less,
               bool *ret)
{
    bool f4 = f->range->type == LG_T_FLOAT4;
    double val = f4 ? (double)lg_float4(v) : lg_float8(v);
    double base = f4 ? (double)lg_float4(b) : lg_float8(b), off = lg_float8(offset);
    if (isnan(off) || off < 0)
        return bad_offset(f);
    if (isnan(val) || isnan(base)) {
        *ret = isnan(val) ? isnan(base) || !less : less;
        return LG_OK;
    }
    if (isinf(off) && isinf(base) && (sub ? base > 0 : base < 0)) {
        *ret = true;
        return LG_OK;
    }
    double sum = sub ? base - off : base + off;
    *ret = less ? val <= sum : val >= sum;
    return LG_OK;
}

/* -2 -infinity, 0 finite, 2 infinity, 3 NaN */
static int
special(const lg_num *x)
{
    return x->kind == LG_NUM_NAN ? 3 : x->kind == LG_NUM_PINF ? 2 : x->kind == LG_NUM_NINF ? -2 : 0;
}

static lg_status
numeric_in_range(lg_xframe *f, lg_datum v, lg_datum b, lg_datum offset, bool sub, bool less,
                 bool *ret)
{
    lg_num val = lg_num_unpack(f->tmp, v), base = lg_num_unpack(f->tmp, b),
           off = lg_num_unpack(f->tmp, offset);
    int sv = special(&val), sb = special(&base), so = special(&off);
    if (so == 3 || so == -2 || (!so && off.neg && !lg_num_is_zero(&off)))
        return bad_offset(f);
    if (sv == 3 || sb == 3) {
        *ret = sv == 3 ? sb == 3 || !less : less;
    } else if (so == 2) {
        if (sub ? sb == 2 : sb == -2)
            *ret = true;
        else if (sub)
            *ret = less ? sv == -2 : true;
        else
            *ret = less ? true : sv == 2;
    } else if (sv) {
        *ret = sv == sb || (sv == 2 ? !less : less);
    } else if (sb) {
        *ret = sb == -2 ? !less : less;
    } else {
        lg_num sum = sub ? lg_num_sub(f->tmp, &base, &off) : lg_num_add(f->tmp, &base, &off);
        int d = lg_num_compare(&val, &sum);
        *ret = less ? d <= 0 : d >= 0;
    }
    return LG_OK;
}

static lg_status
time_in_range(lg_xframe *f, lg_datum v, lg_datum b, lg_datum offset, bool sub, bool less, bool *ret)
{
    int64_t us = lg_interval_of(offset).us;
    int d;
    if (us < 0)
        return bad_offset(f);
    if (f->range->type == LG_T_TIME) {
        __int128 sum = (__int128)lg_int8(b) + (sub ? -(__int128)us : (__int128)us);
        *ret = less ? lg_int8(v) <= sum : lg_int8(v) >= sum;
        return LG_OK;
    }
    lg_timetz sum;
    memcpy(&sum, lg_ptr(b), sizeof sum);
    if (!sub && us > INT64_MAX / 2 - sum.us) {
        *ret = less;
        return LG_OK;
    }
    sum.us = sub ? sum.us - us : sum.us + us;
    d = f->range->cmp(v, lg_datum_ptr(lg_arena_dup(f->tmp, &sum, sizeof sum)));
    *ret = less ? d <= 0 : d >= 0;
    return LG_OK;
}

static lg_status
call2(lg_call *c, lg_arena *a, lg_datum x, lg_datum y, lg_datum *ret)
{
    lg_datum args[2] = {x, y};
    uint8_t nulls[2] = {0, 0};
    c->args = args;
    c->nulls = nulls;
    c->arena = a;
    *ret = lg_func_call(c);
    lg_status st = c->st;
    c->st = LG_OK;
    return st;
}

/* Timestamps, dates and intervals, by the types' own operators. */
static lg_status
interval_in_range(lg_xframe *f, lg_datum v, lg_datum b, lg_datum offset, bool sub, bool less,
                  bool *ret)
{
    struct lg_xrange *r = f->range;
    lg_interval zero = {0};
    lg_datum sum;
    if (lg_type_compare_fn(LG_T_INTERVAL)(offset, lg_datum_ptr(&zero)) < 0)
        return bad_offset(f);
    LG_TRY(call2(sub ? &r->sub : &r->add, f->tmp, b, offset, &sum));
    if (r->widens)
        LG_TRY(call2(&r->widen, f->tmp, v, 0, &v));
    int d = r->cmp(v, sum);
    *ret = less ? d <= 0 : d >= 0;
    return LG_OK;
}

static lg_status
in_range(lg_xframe *f, lg_datum val, lg_datum base, lg_datum offset, bool sub, bool less, bool *ret)
{
    switch (f->range->type) {
    case LG_T_INT2:
    case LG_T_INT4:
    case LG_T_INT8:
        return int_in_range(f, val, base, offset, sub, less, ret);
    case LG_T_FLOAT4:
    case LG_T_FLOAT8:
        return float_in_range(f, val, base, offset, sub, less, ret);
    case LG_T_NUMERIC:
        return numeric_in_range(f, val, base, offset, sub, less, ret);
    case LG_T_TIME:
    case LG_T_TIMETZ:
        return time_in_range(f, val, base, offset, sub, less, ret);
    default:
        return interval_in_range(f, val, base, offset, sub, less, ret);
    }
}

static lg_status
open_operator(lg_xframe *f, const char *name, lg_oid left, lg_call *ret)
{
    const lg_operator *op = lg_operator_find(name, left, LG_T_INTERVAL);
    if (!op)
        return LG_UNSUPPORTED;
    lg_call_init(ret, lg_func_get(op->func), f->x->es->env, f->x->es->err, f->tmp, f->perm);
    ret->nargs = 2;
    return LG_OK;
}

static lg_status
open_range(lg_xframe *f)
{
    const lg_node_sortkey *k = &f->plan->window.order[0];
    struct lg_xrange *r = f->range = LG_NEW(f->perm, struct lg_xrange);
    r->type = k->type;
    r->slot = k->slot;
    r->asc = !k->desc;
    r->nulls_first = k->nulls_first;
    r->cmp = lg_type_compare_fn(k->type);
    if (k->type != LG_T_DATE && k->type != LG_T_TIMESTAMP && k->type != LG_T_TIMESTAMPTZ &&
        k->type != LG_T_INTERVAL)
        return LG_OK;
    LG_TRY(open_operator(f, "+", k->type, &r->add));
    LG_TRY(open_operator(f, "-", k->type, &r->sub));
    if (k->type == LG_T_DATE) {
        const lg_cast *c = lg_cast_find(LG_T_DATE, LG_T_TIMESTAMP);
        if (!c || !c->func)
            return LG_UNSUPPORTED;
        lg_call_init(&r->widen, lg_func_get(c->func), f->x->es->env, f->x->es->err, f->tmp,
                     f->perm);
        r->widen.nargs = 1;
        r->widens = true;
        r->cmp = lg_type_compare_fn(LG_T_TIMESTAMP);
    }
    return LG_OK;
}

/* ---- life ---- */

lg_status
lg_xframe_open(lg_xframe *f, lg_exec *x, const lg_node *plan, lg_arena *perm, lg_arena *tmp)
{
    *f = (lg_xframe){.plan = plan, .x = x, .perm = perm, .tmp = tmp};
    f->ncols = plan->left->ncols;
    LG_TRY(lg_xsort_keys(x, plan->window.order, plan->window.norder, &f->order));
    if ((plan->window.frame & LG_FRAME_RANGE) && (plan->window.start || plan->window.end))
        return open_range(f);
    return LG_OK;
}

void
lg_xframe_rescan(lg_xframe *f)
{
    f->have_offsets = false;
}

void
lg_xframe_close(lg_xframe *f)
{
    lg_xcursor_fini(&f->here);
    lg_xcursor_fini(&f->there);
    lg_free(f->groups);
    f->groups = NULL;
}

static lg_status
offset(lg_xframe *f, const lg_expr *e, const char *which, lg_datum *ret)
{
    bool null;
    LG_TRY(lg_xexpr_scalar(f->x, f->perm, e, ret, &null));
    if (null)
        return lg_error_set(f->x->es->err, "22004", "frame %s offset must not be null", which);
    if (!(f->plan->window.frame & LG_FRAME_RANGE) && lg_int8(*ret) < 0)
        return lg_error_set(f->x->es->err, "22013", "frame %s offset must not be negative", which);
    return LG_OK;
}

lg_status
lg_xframe_offsets(lg_xframe *f)
{
    if (f->have_offsets)
        return LG_OK;
    if (f->plan->window.start)
        LG_TRY(offset(f, f->plan->window.start, "starting", &f->start_value));
    if (f->plan->window.end)
        LG_TRY(offset(f, f->plan->window.end, "ending", &f->end_value));
    f->start_count = lg_int8(f->start_value);
    f->end_count = lg_int8(f->end_value);
    f->have_offsets = true;
    return LG_OK;
}

static lg_status
peers(lg_xframe *f, uint64_t i, uint64_t j, bool *ret)
{
    const lg_datum *a, *b;
    LG_TRY(lg_xstore_row(f->rows, &f->here, i, &a));
    LG_TRY(lg_xstore_row(f->rows, &f->there, j, &b));
    *ret = lg_xsort_compare(f->order, f->plan->window.norder, a, b, f->ncols) == 0;
    return LG_OK;
}

static lg_status
find_groups(lg_xframe *f)
{
    f->ngroups = 0;
    for (uint64_t i = 0; i < f->n; i++) {
        bool same = false;
        if (i)
            LG_TRY(peers(f, i - 1, i, &same));
        if (i % LG_BATCH == 0)
            LG_TRY(lg_xcheck(f->x));
        if (same)
            continue;
        if (f->ngroups + 1 >= f->groups_cap) {
            f->groups_cap = f->groups_cap ? 2 * f->groups_cap : 64;
            f->groups = lg_realloc(f->groups, f->groups_cap * sizeof *f->groups);
        }
        f->groups[f->ngroups++] = i;
    }
    if (f->groups)
        f->groups[f->ngroups] = f->n;
    return LG_OK;
}

lg_status
lg_xframe_partition(lg_xframe *f, lg_xstore *rows)
{
    f->rows = rows;
    f->n = rows->n;
    f->head = f->tail = 0;
    f->peer_from = f->peer_end = 0;
    f->group = 0;
    return f->plan->window.frame & LG_FRAME_GROUPS ? find_groups(f) : LG_OK;
}

/* ---- one row ---- */

static uint64_t
plus(uint64_t at, int64_t by, uint64_t max)
{
    return (uint64_t)by > max - at ? max : at + (uint64_t)by;
}

static uint64_t
minus(uint64_t at, int64_t by)
{
    return (uint64_t)by > at ? 0 : at - (uint64_t)by;
}

/* The first row at or after *pos for which the RANGE bound holds (head) or no longer holds (tail).
 */
static lg_status
move_range(lg_xframe *f, uint64_t i, bool tail, uint64_t *pos)
{
    const struct lg_xrange *r = f->range;
    int32_t fr = f->plan->window.frame;
    bool sub = fr & (tail ? LG_FRAME_END_PRECEDING : LG_FRAME_START_PRECEDING), less = tail;
    if (!r->asc) {
        sub = !sub;
        less = !less;
    }
    const lg_datum *cur, *row;
    LG_TRY(lg_xstore_row(f->rows, &f->here, i, &cur));
    bool curnull = lg_xrow_nulls(cur, f->ncols)[r->slot];
    for (; *pos < f->n; (*pos)++) {
        LG_TRY(lg_xstore_row(f->rows, &f->there, *pos, &row));
        bool null = lg_xrow_nulls(row, f->ncols)[r->slot], go;
        if (null || curnull) {
            if (tail)
                go = r->nulls_first ? null || !curnull : !null || curnull;
            else
                go = r->nulls_first ? null && !curnull : !null && curnull;
        } else {
            bool in = false;
            LG_TRY(in_range(f, row[r->slot], cur[r->slot], tail ? f->end_value : f->start_value,
                            sub, less, &in));
            go = tail ? in : !in;
        }
        if (!go)
            break;
    }
    return LG_OK;
}

static lg_status
find_head(lg_xframe *f, uint64_t i)
{
    int32_t fr = f->plan->window.frame;
    if (fr & LG_FRAME_START_UNBOUNDED)
        f->head = 0;
    else if (fr & LG_FRAME_START_CURRENT)
        f->head = fr & LG_FRAME_ROWS ? i : f->peer_from;
    else if (fr & LG_FRAME_RANGE)
        return move_range(f, i, false, &f->head);
    else if (fr & LG_FRAME_ROWS)
        f->head = fr & LG_FRAME_START_PRECEDING ? minus(i, f->start_count)
                                                : plus(i, f->start_count, f->n);
    else
        f->head =
            f->groups[fr & LG_FRAME_START_PRECEDING ? minus(f->group, f->start_count)
                                                    : plus(f->group, f->start_count, f->ngroups)];
    return LG_OK;
}

static lg_status
find_tail(lg_xframe *f, uint64_t i)
{
    int32_t fr = f->plan->window.frame;
    if (fr & LG_FRAME_END_UNBOUNDED)
        f->tail = f->n;
    else if (fr & LG_FRAME_END_CURRENT)
        f->tail = fr & LG_FRAME_ROWS ? i + 1 : f->peer_end;
    else if (fr & LG_FRAME_RANGE)
        return move_range(f, i, true, &f->tail);
    else if (fr & LG_FRAME_ROWS)
        f->tail = fr & LG_FRAME_END_PRECEDING ? minus(i + 1, f->end_count)
                                              : plus(i + 1, f->end_count, f->n);
    else if (fr & LG_FRAME_END_PRECEDING)
        f->tail = (uint64_t)f->end_count > f->group
                      ? 0
                      : f->groups[f->group - (uint64_t)f->end_count + 1];
    else
        f->tail = f->groups[plus(f->group + 1, f->end_count, f->ngroups)];
    return LG_OK;
}

static void
add_range(lg_xframe *f, uint64_t from, uint64_t to)
{
    if (from >= to)
        return;
    f->from[f->nranges] = from;
    f->to[f->nranges++] = to;
}

static void
exclude(lg_xframe *f, uint64_t i)
{
    int32_t fr = f->plan->window.frame;
    uint64_t a = f->peer_from, b = f->peer_end;
    f->nranges = 0;
    if (!(fr & LG_FRAME_EXCLUSION)) {
        add_range(f, f->head, f->tail);
        return;
    }
    if (fr & LG_FRAME_EXCLUDE_CURRENT) {
        a = i;
        b = i + 1;
    }
    add_range(f, f->head, a < f->tail ? a : f->tail);
    if ((fr & LG_FRAME_EXCLUDE_TIES) && i >= f->head && i < f->tail)
        add_range(f, i, i + 1);
    add_range(f, b > f->head ? b : f->head, f->tail);
}

lg_status
lg_xframe_row(lg_xframe *f, uint64_t i)
{
    if (i >= f->peer_end) {
        f->group += i > 0;
        f->peer_from = i;
        f->peer_end = i + 1;
        for (bool same = true; f->peer_end < f->n; f->peer_end++) {
            LG_TRY(peers(f, i, f->peer_end, &same));
            if (!same)
                break;
            if (f->peer_end % LG_BATCH == 0)
                LG_TRY(lg_xcheck(f->x));
        }
    }
    LG_TRY(find_head(f, i));
    LG_TRY(find_tail(f, i));
    exclude(f, i);
    return LG_OK;
}
