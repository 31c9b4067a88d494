/* Numerics a vector at a time, as scaled 64-bit integers.
 *
 * A batch of numerics that all have the same display scale and fit into 63 bits is read once into
 * integers; +, - and * on them are exact, and so are comparisons and sums (128 bits). The result's
 * scale is what numeric arithmetic gives: the greater one, or the sum for *. Whatever does not fit
 * (another scale in the same batch, NaN, overflow, other functions) answers LG_NOT_FOUND, and the
 * caller goes the general way; so the answer never depends on which way was taken. */
#include "eval_internal.h"
#include "numeric_scaled.h"
#include <string.h>

#define F_ADD   1724u
#define F_SUB   1725u
#define F_MUL   1726u
#define F_MINUS 1771u
#define F_INT2  1782u
#define F_INT4  1740u
#define F_INT8  1781u
#define F_EQ    1718u
#define F_LE    1723u

static const int64_t power10[] = {1,
                                  10,
                                  100,
                                  1000,
                                  10000,
                                  100000,
                                  1000000,
                                  10000000,
                                  100000000,
                                  1000000000,
                                  10000000000,
                                  100000000000,
                                  1000000000000,
                                  10000000000000,
                                  100000000000000,
                                  1000000000000000,
                                  10000000000000000};

/* ---- one value ---- */

lg_datum
lg_xnum_write(lg_arena *a, int64_t v, int scale)
{
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    uint16_t flags = (uint16_t)((v < 0 ? 0x4000u : 0) | (unsigned)scale);
    int16_t digit[8];
    int n = 0, frac = (scale + 3) / 4, pad = 4 * frac - scale, at = 8;
    if (pad && u) { /* the lowest base digit has fewer decimals */
        uint64_t unit = (uint64_t)power10[4 - pad];
        digit[--at] = (int16_t)(u % unit * (uint64_t)power10[pad]);
        u /= unit;
        n++;
    }
    for (; u; u /= LG_NUM_BASE, n++)
        digit[--at] = (int16_t)(u % LG_NUM_BASE);
    int16_t weight = n ? (int16_t)(n - frac - 1) : 0;
    while (n && digit[at + n - 1] == 0) /* no zero digit trails */
        n--;
    lg_varlen *x = lg_varlen_new(a, 4 + 2 * (size_t)n);
    memcpy(x->data, &flags, 2);
    memcpy(x->data + 2, &weight, 2);
    memcpy(x->data + 4, digit + at, 2 * (size_t)n);
    return lg_datum_ptr(x);
}

/* ---- vectors ---- */

static void
num_init(lg_ectx *c, lg_xnum *x, bool constant)
{
    uint32_t cap = constant ? 1 : c->cap;
    *x = (lg_xnum){.constant = constant};
    x->v = lg_arena_alloc(c->arena, cap * sizeof *x->v);
    x->null = NULL;
}

/* NULLs of a column: shared with the vector itself. */
static lg_status
read_column(lg_ectx *c, const lg_vector *v, const uint16_t *sel, uint32_t n, lg_xnum *ret)
{
    bool nulls = v->maybe_null;
    if (v->num) {
        *ret = (lg_xnum){(int64_t *)(uintptr_t)v->num, nulls ? v->null : NULL, false, v->num_scale};
        return n ? LG_OK : LG_NOT_FOUND;
    }
    num_init(c, ret, v->constant);
    if (v->constant) {
        if (nulls && v->null[0])
            return LG_NOT_FOUND;
        return lg_numeric_scaled(v->v[0], &ret->v[0], &ret->scale) ? LG_OK : LG_NOT_FOUND;
    }
    int scale = -1;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = lg_sel_row(sel, i);
        int s;
        if (nulls && v->null[row]) {
            ret->null = v->null;
            ret->v[row] = 0;
            continue;
        }
        if (!lg_numeric_scaled(v->v[row], &ret->v[row], &s) || (s != scale && scale >= 0))
            return LG_NOT_FOUND;
        scale = s;
    }
    ret->scale = scale < 0 ? 0 : scale;
    return scale < 0 && n ? LG_NOT_FOUND : LG_OK;
}

static lg_status
read_integers(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n, lg_xnum *ret)
{
    lg_vector *v;
    LG_TRY(lg_xexpr_vector(c, e, sel, n, &v));
    if (v->constant && lg_vector_is_null(v, 0))
        return LG_NOT_FOUND;
    num_init(c, ret, v->constant);
    if (v->constant) {
        ret->v[0] = (int64_t)v->v[0];
        return LG_OK;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = lg_sel_row(sel, i);
        ret->v[row] = (int64_t)v->v[row];
        if (v->maybe_null && v->null[row]) {
            ret->null = v->null;
            ret->v[row] = 0;
        }
    }
    return LG_OK;
}

/* The same number at a greater scale, in place of a copy. */
static bool
rescale(lg_ectx *c, lg_xnum *x, int scale, const uint16_t *sel, uint32_t n)
{
    if (x->scale == scale)
        return true;
    int64_t f = power10[scale - x->scale], *out;
    bool over = false;
    if (x->constant) {
        out = lg_arena_alloc(c->arena, sizeof *out);
        over = __builtin_mul_overflow(x->v[0], f, &out[0]);
    } else {
        out = lg_arena_alloc(c->arena, c->cap * sizeof *out);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = lg_sel_row(sel, i);
            over |= __builtin_mul_overflow(x->v[row], f, &out[row]);
        }
    }
    x->v = out;
    x->scale = scale;
    return !over;
}

static const uint8_t *
join_nulls(lg_ectx *c, const lg_xnum *a, const lg_xnum *b, const uint16_t *sel, uint32_t n)
{
    if (!a->null || !b->null)
        return a->null ? a->null : b->null;
    uint8_t *out = lg_arena_alloc(c->arena, c->cap);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = lg_sel_row(sel, i);
        out[row] = a->null[row] | b->null[row];
    }
    return out;
}

#define EACH(CALL)                                                                                 \
    do {                                                                                           \
        bool ca_ = a.constant, cb_ = b.constant;                                                   \
        for (uint32_t i_ = 0; i_ < m; i_++) {                                                      \
            uint32_t row = r.constant ? 0 : lg_sel_row(sel, i_);                                   \
            over |= CALL(a.v[ca_ ? 0 : row], b.v[cb_ ? 0 : row], &r.v[row]);                       \
        }                                                                                          \
    } while (0)

static lg_status
binary(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n, lg_xnum *ret)
{
    lg_xnum a, b, r;
    lg_oid f = e->func.func->oid;
    bool over = false;
    LG_TRY(lg_xnum_vector(c, e->args[0], sel, n, &a));
    LG_TRY(lg_xnum_vector(c, e->args[1], sel, n, &b));
    num_init(c, &r, a.constant && b.constant);
    uint32_t m = r.constant ? 1 : n;
    if (f == F_MUL) {
        r.scale = a.scale + b.scale;
        if (r.scale > LG_SCALED_MAX)
            return LG_NOT_FOUND;
        EACH(__builtin_mul_overflow);
    } else {
        r.scale = a.scale > b.scale ? a.scale : b.scale;
        if (!rescale(c, &a, r.scale, sel, n) || !rescale(c, &b, r.scale, sel, n))
            return LG_NOT_FOUND;
        if (f == F_ADD)
            EACH(__builtin_add_overflow);
        else
            EACH(__builtin_sub_overflow);
    }
    r.null = join_nulls(c, &a, &b, sel, n);
    *ret = r;
    return over ? LG_NOT_FOUND : LG_OK;
}

bool
lg_xnum_is(const lg_expr *e)
{
    if (e->kind != LG_EX_FUNC || e->type != LG_T_NUMERIC)
        return false;
    lg_oid f = e->func.func->oid;
    return f == F_ADD || f == F_SUB || f == F_MUL;
}

static lg_status
compute(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n, lg_xnum *ret)
{
    lg_vector *v;
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_RELABEL:
        return lg_xnum_vector(c, e->args[0], sel, n, ret);
    case LG_EX_FUNC:
        switch (e->func.func->oid) {
        case F_ADD:
        case F_SUB:
        case F_MUL:
            return binary(c, e, sel, n, ret);
        case F_INT2:
        case F_INT4:
        case F_INT8:
            return read_integers(c, e->args[0], sel, n, ret);
        default:
            return LG_NOT_FOUND;
        }
    case LG_EX_SLOT:
    case LG_EX_CONST:
    case LG_EX_PARAM:
    case LG_EX_EXEC:
        LG_TRY(lg_xexpr_vector(c, e, sel, n, &v));
        return read_column(c, v, sel, n, ret);
    default:
        return LG_NOT_FOUND;
    }
}

lg_status
lg_xnum_vector(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n, lg_xnum *ret)
{
    if (e->type != LG_T_NUMERIC)
        return LG_NOT_FOUND;
    lg_xnum_memo *m = c->memo;
    if (!m || m->sel != sel || m->n != n)
        return compute(c, e, sel, n, ret);
    for (uint32_t i = 0; i < m->used; i++)
        if (m->expr[i] == e || lg_expr_equal(m->expr[i], e)) {
            *ret = m->num[i];
            return m->st[i];
        }
    lg_status st = compute(c, e, sel, n, ret);
    if ((st == LG_OK || st == LG_NOT_FOUND) && m->used < LG_XNUM_MEMO) {
        m->expr[m->used] = e;
        m->num[m->used] = *ret;
        m->st[m->used++] = st;
    }
    return st;
}

lg_vector *
lg_xnum_pack(lg_ectx *c, const lg_xnum *x, const uint16_t *sel, uint32_t n)
{
    lg_vector *v = LG_NEW(c->arena, lg_vector);
    lg_vector_init(v, c->arena, LG_T_NUMERIC, x->constant ? 1 : c->cap);
    v->constant = x->constant;
    v->maybe_null = x->null != NULL;
    for (uint32_t i = 0; i < (x->constant ? 1 : n); i++) {
        uint32_t row = x->constant ? 0 : lg_sel_row(sel, i);
        v->v[row] = lg_xnum_write(c->arena, x->v[row], x->scale);
        v->null[row] = x->null && x->null[row];
    }
    return v;
}

/* ---- comparisons ---- */

bool
lg_xnum_compares(const lg_expr *e)
{
    return e->kind == LG_EX_FUNC && e->func.func->oid >= F_EQ && e->func.func->oid <= F_LE;
}

static bool
holds(lg_oid f, int64_t a, int64_t b)
{
    switch (f - F_EQ) {
    case 0:
        return a == b;
    case 1:
        return a != b;
    case 2:
        return a > b;
    case 3:
        return a >= b;
    case 4:
        return a < b;
    default:
        return a <= b;
    }
}

lg_status
lg_xnum_filter(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n, uint16_t *out,
               uint32_t *ret_n)
{
    lg_xnum a, b;
    lg_oid f = e->func.func->oid;
    uint32_t k = 0;
    LG_TRY(lg_xnum_vector(c, e->args[0], sel, n, &a));
    LG_TRY(lg_xnum_vector(c, e->args[1], sel, n, &b));
    int scale = a.scale > b.scale ? a.scale : b.scale;
    if (!rescale(c, &a, scale, sel, n) || !rescale(c, &b, scale, sel, n))
        return LG_NOT_FOUND;
    const uint8_t *null = join_nulls(c, &a, &b, sel, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = lg_sel_row(sel, i);
        bool t = holds(f, a.v[a.constant ? 0 : row], b.v[b.constant ? 0 : row]);
        out[k] = (uint16_t)row;
        k += t && !(null && null[row]);
    }
    *ret_n = k;
    return LG_OK;
}
