/* Assignment to an element or a slice of an array: PostgreSQL's array_set_element and
 * array_set_slice. */
#include "eval_internal.h"
#include "type.h"
#include <string.h>

#define MAX_ITEMS 134217727

typedef struct bounds {
    int n;
    int32_t lo[LG_ARRAY_MAX_DIM], hi[LG_ARRAY_MAX_DIM];
    bool has_lo[LG_ARRAY_MAX_DIM], has_hi[LG_ARRAY_MAX_DIM];
} bounds;

static lg_status
fail(lg_ectx *c, const char *text)
{
    return lg_error_set(c->x->es->err, "2202E", "%s", text);
}

static lg_status
subscript(lg_ectx *c, const lg_expr *e, int32_t *ret, bool *ret_has)
{
    lg_datum v;
    bool null;
    *ret_has = e != NULL;
    if (!e)
        return LG_OK;
    LG_TRY(lg_xexpr_eval(c, e, &v, &null));
    if (null)
        return lg_error_set(c->x->es->err, "22004",
                            "array subscript in assignment must not be null");
    *ret = lg_int4(v);
    return LG_OK;
}

/* args: the array, subscripts (pairs for a slice), the value. */
static lg_status
read_bounds(lg_ectx *c, const lg_expr *e, bounds *b)
{
    *b = (bounds){.n = 0};
    for (uint32_t i = 1; i + 1 < e->nargs; b->n++) {
        if (b->n == LG_ARRAY_MAX_DIM)
            return lg_error_set(c->x->es->err, "54000",
                                "number of array dimensions (%d) exceeds the maximum allowed (%d)",
                                b->n + 1, LG_ARRAY_MAX_DIM);
        if (e->is_slice)
            LG_TRY(subscript(c, e->args[i++], &b->lo[b->n], &b->has_lo[b->n]));
        LG_TRY(subscript(c, e->args[i++], &b->hi[b->n], &b->has_hi[b->n]));
    }
    return LG_OK;
}

/* A one-dimensional array with room for [lo, hi] too; what is between is NULL. */
static lg_status
extend(lg_ectx *c, lg_array *x, int32_t lo, int32_t hi)
{
    int64_t first = x->lbs[0], last = first + x->dims[0] - 1;
    int64_t nfirst = lo < first ? lo : first, nlast = hi > last ? hi : last;
    if (nlast - nfirst + 1 > MAX_ITEMS)
        return lg_error_set(c->x->es->err, "54000", "array size exceeds the maximum allowed (%d)",
                            MAX_ITEMS);
    uint32_t n = (uint32_t)(nlast - nfirst + 1), shift = (uint32_t)(first - nfirst);
    lg_datum *v = LG_NEWN(c->arena, lg_datum, n + 1);
    uint8_t *nulls = LG_NEWN(c->arena, uint8_t, n + 1);
    memset(nulls, 1, n);
    for (uint32_t i = 0; i < x->n; i++) {
        v[shift + i] = x->values[i];
        nulls[shift + i] = x->nulls ? x->nulls[i] : 0;
    }
    x->values = v;
    x->nulls = nulls;
    x->n = n;
    x->lbs[0] = (int32_t)nfirst;
    x->dims[0] = (int32_t)n;
    return LG_OK;
}

static void
need_nulls(lg_ectx *c, lg_array *x)
{
    if (!x->nulls)
        x->nulls = LG_NEWN(c->arena, uint8_t, x->n + 1);
}

static lg_status
set_element(lg_ectx *c, lg_array *x, const bounds *b, lg_datum value, bool null)
{
    if (!x->ndim) { /* as many dimensions as subscripts, of one element */
        x->ndim = b->n;
        x->n = 0;
        for (int i = 0; i < b->n; i++) {
            x->dims[i] = i == 0 && b->n == 1 ? 0 : 1;
            x->lbs[i] = b->hi[i];
        }
        if (b->n > 1) {
            x->n = 1;
            x->values = LG_NEWN(c->arena, lg_datum, 1);
            x->nulls = LG_NEWN(c->arena, uint8_t, 1);
        }
    }
    if (x->ndim != b->n)
        return fail(c, "wrong number of array subscripts");
    if (x->ndim == 1)
        LG_TRY(extend(c, x, b->hi[0], b->hi[0]));
    uint32_t at = 0;
    for (int i = 0; i < x->ndim; i++) {
        int64_t k = (int64_t)b->hi[i] - x->lbs[i];
        if (k < 0 || k >= x->dims[i])
            return fail(c, "array subscript out of range");
        at = at * (uint32_t)x->dims[i] + (uint32_t)k;
    }
    need_nulls(c, x);
    x->values[at] = value;
    x->nulls[at] = null;
    return LG_OK;
}

static lg_status
new_from_slice(lg_ectx *c, lg_array *x, const bounds *b, const lg_array *src)
{
    int64_t n = 1;
    for (int i = 0; i < b->n; i++) {
        if (!b->has_lo[i] || !b->has_hi[i]) {
            fail(c, "array slice subscript must provide both boundaries");
            lg_error_detail(c->x->es->err, "When assigning to a slice of an empty array value, "
                                           "slice boundaries must be fully specified.");
            return LG_SQL;
        }
        int64_t d = (int64_t)b->hi[i] - b->lo[i] + 1;
        if (d < 0 || n * d > MAX_ITEMS)
            return d < 0 ? fail(c, "upper bound cannot be less than lower bound")
                         : lg_error_set(c->x->es->err, "54000",
                                        "array size exceeds the maximum allowed (%d)", MAX_ITEMS);
        x->dims[i] = (int32_t)d;
        x->lbs[i] = b->lo[i];
        n *= d;
    }
    if ((uint64_t)n > src->n)
        return fail(c, "source array too small");
    x->ndim = n ? b->n : 0;
    x->n = (uint32_t)n;
    x->values = src->values;
    x->nulls = src->nulls;
    return LG_OK;
}

static lg_status
set_slice(lg_ectx *c, lg_array *x, bounds *b, const lg_array *src)
{
    if (!x->ndim)
        return new_from_slice(c, x, b, src);
    if (x->ndim < b->n)
        return fail(c, "wrong number of array subscripts");
    int32_t at[LG_ARRAY_MAX_DIM];
    int64_t n = 1;
    for (int i = 0; i < x->ndim; i++) {
        if (i >= b->n || !b->has_lo[i])
            b->lo[i] = x->lbs[i];
        if (i >= b->n || !b->has_hi[i])
            b->hi[i] = x->lbs[i] + x->dims[i] - 1;
        if (b->lo[i] > b->hi[i])
            return fail(c, "upper bound cannot be less than lower bound");
        if (x->ndim > 1 && (b->lo[i] < x->lbs[i] || b->hi[i] >= x->lbs[i] + x->dims[i]))
            return fail(c, "array subscript out of range");
        n *= (int64_t)b->hi[i] - b->lo[i] + 1;
        at[i] = b->lo[i];
    }
    if ((uint64_t)n > src->n)
        return fail(c, "source array too small");
    if (x->ndim == 1)
        LG_TRY(extend(c, x, b->lo[0], b->hi[0]));
    need_nulls(c, x);
    for (uint32_t k = 0; k < (uint32_t)n; k++) {
        uint32_t to = 0;
        for (int i = 0; i < x->ndim; i++)
            to = to * (uint32_t)x->dims[i] + (uint32_t)(at[i] - x->lbs[i]);
        x->values[to] = src->values[k];
        x->nulls[to] = src->nulls && src->nulls[k];
        for (int i = x->ndim - 1; i >= 0 && ++at[i] > b->hi[i]; i--)
            at[i] = b->lo[i];
    }
    return LG_OK;
}

lg_status
lg_xarray_set(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_datum array, value;
    bool null, value_null;
    lg_array x = {0}, src;
    bounds b;
    LG_TRY(lg_xexpr_eval(c, e->args[0], &array, &null));
    LG_TRY(read_bounds(c, e, &b));
    LG_TRY(lg_xexpr_eval(c, e->args[e->nargs - 1], &value, &value_null));
    *ret_null = false;
    if (e->is_slice && value_null && !null) { /* as PostgreSQL: nothing changes */
        *ret = array;
        return LG_OK;
    }
    if (!null)
        lg_array_unpack(array, c->arena, &x);
    x.elem = lg_type_elem(e->type);
    if (e->is_slice && !value_null) {
        lg_array_unpack(value, c->arena, &src);
        LG_TRY(set_slice(c, &x, &b, &src));
    } else if (!e->is_slice) {
        LG_TRY(set_element(c, &x, &b, value, value_null));
    }
    *ret = lg_array_pack(c->arena, &x);
    return LG_OK;
}
