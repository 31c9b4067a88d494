/* Aggregates: count, sum, avg, min, max, bool_and/or, bit_and/or/xor, string_agg, array_agg, and
 * the variance family. Each is a small state, a step for one row, mostly a step for a vector, a
 * merge of two states and a final function. */
#include "type_bit.h"
#include "array.h"
#include "collate.h"
#include "interrupt.h"
#include "json.h"
#include "numeric.h"
#include "types_values.h"
#include <math.h>

/* --- count --- */

struct count {
    int64_t n;
};

static void
count_star_step(lg_call *c, void *state)
{
    (void)c;
    ((struct count *)state)->n++;
}

static lg_status
count_star_one(lg_call *c, void *state, const lg_vector *const *args, const uint16_t *sel,
               uint32_t n)
{
    (void)c;
    (void)args;
    (void)sel;
    ((struct count *)state)->n += n;
    return LG_OK;
}

static void
count_step(lg_call *c, void *state)
{
    ((struct count *)state)->n += !c->nulls[0];
}

static lg_status
count_one(lg_call *c, void *state, const lg_vector *const *args, const uint16_t *sel, uint32_t n)
{
    (void)c;
    struct count *s = state;
    if (!args[0]->maybe_null) {
        s->n += n;
        return LG_OK;
    }
    for (uint32_t i = 0; i < n; i++)
        s->n += !lg_vector_is_null(args[0], lg_sel_row(sel, i));
    return LG_OK;
}

static void
count_merge(lg_call *c, void *state, const void *other)
{
    (void)c;
    ((struct count *)state)->n += ((const struct count *)other)->n;
}

static lg_datum
count_final(lg_call *c, void *state)
{
    (void)c;
    return lg_datum_int8(((struct count *)state)->n);
}

static void
count_star_unstep(lg_call *c, void *state)
{
    (void)c;
    ((struct count *)state)->n--;
}

static void
count_unstep(lg_call *c, void *state)
{
    ((struct count *)state)->n -= !c->nulls[0];
}

/* --- sums of integers: 128 bits hold any number of 64-bit values --- */

struct isum {
    __int128 sum;
    int64_t n;
} __attribute__((packed, aligned(8)));

static void
isum_add(struct isum *s, __int128 v, int64_t n)
{
    s->sum += v;
    s->n += n;
}

static void
isum_step(lg_call *c, void *state)
{
    if (!c->nulls[0])
        isum_add(state, ARG_INT8(0), 1);
}

static void
isum_unstep(lg_call *c, void *state)
{
    if (!c->nulls[0])
        isum_add(state, -(__int128)ARG_INT8(0), -1);
}

/* int2 and int4: up to 1,024 of them fit into 64 bits. */
static lg_status
isum4_one(lg_call *c, void *state, const lg_vector *const *args, const uint16_t *sel, uint32_t n)
{
    (void)c;
    const lg_vector *x = args[0];
    int64_t sum = 0, count = n;
    if (!sel && !x->maybe_null && !x->constant) {
        for (uint32_t i = 0; i < n; i++)
            sum += (int64_t)x->v[i];
    } else {
        count = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = lg_sel_row(sel, i);
            if (lg_vector_is_null(x, row))
                continue;
            sum += lg_int8(lg_vector_value(x, row));
            count++;
        }
    }
    isum_add(state, sum, count);
    return LG_OK;
}

static void
isum_merge(lg_call *c, void *state, const void *other)
{
    (void)c;
    const struct isum *o = other;
    isum_add(state, o->sum, o->n);
}

static lg_datum
numeric_result(lg_call *c, const lg_num *x)
{
    lg_datum d;
    if (!lg_num_pack(c->arena, x, &d))
        return lg_call_error(c, "22003", "value overflows numeric format");
    return d;
}

static lg_datum
isum_final_int8(lg_call *c, void *state)
{
    struct isum *s = state;
    if (s->n == 0)
        RET_NULL();
    if (s->sum != (int64_t)s->sum)
        return lg_call_error(c, "22003", "bigint out of range");
    return lg_datum_int8((int64_t)s->sum);
}

static lg_datum
isum_final_numeric(lg_call *c, void *state)
{
    struct isum *s = state;
    if (s->n == 0)
        RET_NULL();
    lg_num x = lg_num_of_int128(c->arena, s->sum);
    return numeric_result(c, &x);
}

static lg_datum
quotient(lg_call *c, const lg_num *sum, int64_t n)
{
    lg_num d = lg_num_of_int(c->arena, n);
    lg_num q = lg_num_div(c->arena, sum, &d, lg_num_div_scale(sum, &d), true);
    return numeric_result(c, &q);
}

static lg_datum
isum_final_avg(lg_call *c, void *state)
{
    struct isum *s = state;
    if (s->n == 0)
        RET_NULL();
    lg_num x = lg_num_of_int128(c->arena, s->sum);
    return quotient(c, &x, s->n);
}

/* --- sums of floats --- */

struct fsum {
    double sum;
    int64_t n;
};

static double
float_arg(const lg_call *c, uint32_t i)
{
    return lg_argtype(c, i) == LG_T_FLOAT4 ? (double)ARG_FLOAT4(i) : ARG_FLOAT8(i);
}

static void
fsum_step(lg_call *c, void *state)
{
    struct fsum *s = state;
    if (c->nulls[0])
        return;
    s->sum += float_arg(c, 0);
    s->n++;
}

/* float4 sums are kept in float4, as PostgreSQL does. */
static void
fsum4_step(lg_call *c, void *state)
{
    struct fsum *s = state;
    if (c->nulls[0])
        return;
    s->sum = (double)((float)s->sum + ARG_FLOAT4(0));
    s->n++;
}

static lg_datum
fsum_final(lg_call *c, void *state)
{
    struct fsum *s = state;
    if (s->n == 0)
        RET_NULL();
    return c->func->result == LG_T_FLOAT4 ? lg_datum_float4((float)s->sum)
                                          : lg_datum_float8(s->sum);
}

static void
fsum_merge(lg_call *c, void *state, const void *other)
{
    (void)c;
    struct fsum *s = state;
    const struct fsum *o = other;
    s->sum += o->sum;
    s->n += o->n;
}

/* --- sums of numerics, with squares for the variances --- */

struct nsum {
    lg_num_sum sum;
    lg_num_sum squares;
    int64_t n;
    int64_t nan, pinf, ninf;
};

static void
nsum_take(lg_call *c, struct nsum *s, lg_datum d, int sign, bool squares)
{
    lg_numeric_view v;
    lg_numeric_view_of(d, &v);
    s->n += sign;
    if (v.nan || v.inf) {
        *(v.nan ? &s->nan : v.negative ? &s->ninf : &s->pinf) += sign;
        return;
    }
    lg_num_sum_add(&s->sum, c->perm, &v, sign);
    if (squares) {
        lg_num x = lg_num_unpack(c->arena, d);
        x = lg_num_mul(c->arena, &x, &x, 2 * x.dscale);
        if (!lg_num_pack(c->arena, &x, &d)) {
            lg_call_error(c, "22003", "value overflows numeric format");
            return;
        }
        lg_numeric_view_of(d, &v);
        lg_num_sum_add(&s->squares, c->perm, &v, sign);
    }
}

static void
nsum_step(lg_call *c, void *state)
{
    if (!c->nulls[0])
        nsum_take(c, state, ARG(0), 1, false);
}

/* What the sum is when NaN or infinities were seen. */
static bool
nsum_special(const struct nsum *s, lg_num *ret)
{
    if (!s->nan && !s->pinf && !s->ninf)
        return false;
    bool nan = s->nan || (s->pinf && s->ninf);
    *ret = (lg_num){.kind = nan ? LG_NUM_NAN : s->pinf ? LG_NUM_PINF : LG_NUM_NINF};
    return true;
}

static lg_datum
nsum_final(lg_call *c, void *state)
{
    struct nsum *s = state;
    lg_num x;
    if (s->n == 0)
        RET_NULL();
    if (!nsum_special(s, &x))
        x = lg_num_sum_result(&s->sum, c->arena);
    return numeric_result(c, &x);
}

static lg_datum
nsum_final_avg(lg_call *c, void *state)
{
    struct nsum *s = state;
    lg_num x;
    if (s->n == 0)
        RET_NULL();
    if (nsum_special(s, &x))
        return numeric_result(c, &x);
    x = lg_num_sum_result(&s->sum, c->arena);
    return quotient(c, &x, s->n);
}

void
lg_agg_count_add(void *state, int64_t n)
{
    ((struct count *)state)->n += n;
}

bool
lg_agg_numeric_empty(const void *state)
{
    return ((const struct nsum *)state)->n == 0;
}

void
lg_agg_numeric_add(lg_call *c, void *state, __int128 sum, int scale, int64_t n)
{
    static const int64_t power[] = {1, 10, 100, 1000};
    struct nsum *s = state;
    int frac = (scale + LG_NUM_DEC - 1) / LG_NUM_DEC, up = frac * LG_NUM_DEC - scale;
    int16_t digits[2][12];
    uint32_t count = 0;
    bool neg = sum < 0;
    unsigned __int128 u = neg ? 0 - (unsigned __int128)sum : (unsigned __int128)sum;
    s->n += n;
    /* the lowest base digit has fewer decimals than the others */
    int64_t unit = power[up] == 1 ? LG_NUM_BASE : LG_NUM_BASE / power[up];
    for (bool first = true; u || first; first = false) {
        int64_t base = first ? unit : LG_NUM_BASE;
        digits[0][count++] = (int16_t)((int64_t)(u % (uint64_t)base) * (first ? power[up] : 1));
        u /= (uint64_t)base;
    }
    for (uint32_t i = 0; i < count; i++)
        digits[1][i] = digits[0][count - 1 - i];
    lg_numeric_view v = {.negative = neg,
                         .weight = (int32_t)count - 1 - frac,
                         .dscale = scale,
                         .ndigits = (int32_t)count,
                         .digits = (const char *)digits[1]};
    lg_num_sum_add(&s->sum, c->perm, &v, 1);
}

static void
sum_merge(lg_call *c, lg_num_sum *to, const lg_num_sum *from)
{
    lg_num x = lg_num_sum_result(from, c->arena);
    lg_datum d;
    lg_numeric_view v;
    if (!lg_num_pack(c->arena, &x, &d)) {
        lg_call_error(c, "22003", "value overflows numeric format");
        return;
    }
    lg_numeric_view_of(d, &v);
    v.dscale = from->dscale;
    lg_num_sum_add(to, c->perm, &v, 1);
}

static void
nsum_merge(lg_call *c, void *state, const void *other)
{
    struct nsum *s = state;
    const struct nsum *o = other;
    s->n += o->n;
    s->nan += o->nan;
    s->pinf += o->pinf;
    s->ninf += o->ninf;
    sum_merge(c, &s->sum, &o->sum);
    sum_merge(c, &s->squares, &o->squares);
}

static void
nvar_step(lg_call *c, void *state)
{
    if (!c->nulls[0])
        nsum_take(c, state, ARG(0), 1, true);
}

static void
ivar_step(lg_call *c, void *state)
{
    lg_datum d;
    if (c->nulls[0])
        return;
    lg_num x = lg_num_of_int(c->arena, ARG_INT8(0));
    if (lg_num_pack(c->arena, &x, &d))
        nsum_take(c, state, d, 1, true);
}

/* (N sum(x^2) - sum(x)^2) / (N (N - 1)), or / N^2 for the population. */
static lg_datum
nvar(lg_call *c, struct nsum *s, bool sample, bool root)
{
    lg_arena *a = c->arena;
    lg_num special;
    if (s->n <= (sample ? 1 : 0))
        RET_NULL();
    if (nsum_special(s, &special)) {
        special.kind = LG_NUM_NAN;
        return numeric_result(c, &special);
    }
    lg_num n = lg_num_of_int(a, s->n), n1 = lg_num_of_int(a, s->n - 1);
    lg_num sum = lg_num_sum_result(&s->sum, a), sq = lg_num_sum_result(&s->squares, a);
    int scale = 2 * sum.dscale;
    sum = lg_num_mul(a, &sum, &sum, scale);
    sq = lg_num_mul(a, &n, &sq, scale);
    sq = lg_num_sub(a, &sq, &sum);
    if (lg_num_is_zero(&sq) || sq.neg) {
        lg_num zero = lg_num_of_int(a, 0);
        return numeric_result(c, &zero);
    }
    lg_num d = lg_num_mul(a, &n, sample ? &n1 : &n, 0);
    scale = lg_num_div_scale(&sq, &d);
    lg_num r = lg_num_div(a, &sq, &d, scale, true);
    if (root)
        r = lg_num_sqrt(a, &r, scale);
    return numeric_result(c, &r);
}

static lg_datum
nvar_samp(lg_call *c, void *s)
{
    return nvar(c, s, true, false);
}
static lg_datum
nvar_pop(lg_call *c, void *s)
{
    return nvar(c, s, false, false);
}
static lg_datum
nstd_samp(lg_call *c, void *s)
{
    return nvar(c, s, true, true);
}
static lg_datum
nstd_pop(lg_call *c, void *s)
{
    return nvar(c, s, false, true);
}

/* --- floats: Youngs and Cramer's update, as PostgreSQL. Two variables for covariance. --- */

struct fvar {
    double n, sx, sxx, sy, syy, sxy;
};

static void
fvar_step(lg_call *c, void *state)
{
    struct fvar *s = state;
    if (c->nulls[0])
        return;
    double x = float_arg(c, 0), old_n = s->n;
    s->n += 1;
    s->sx += x;
    if (old_n > 0) {
        double t = x * s->n - s->sx;
        s->sxx += t * t / (s->n * old_n);
    } else if (!isfinite(x)) {
        s->sxx = NAN;
    }
}

static void
fvar_merge(lg_call *c, void *state, const void *other)
{
    (void)c;
    struct fvar *s = state;
    const struct fvar *o = other;
    if (o->n == 0)
        return;
    if (s->n == 0) {
        *s = *o;
        return;
    }
    double n = s->n + o->n, tx = s->sx / s->n - o->sx / o->n, ty = s->sy / s->n - o->sy / o->n;
    double w = s->n * o->n / n;
    s->sxx += o->sxx + w * tx * tx;
    s->syy += o->syy + w * ty * ty;
    s->sxy += o->sxy + w * tx * ty;
    s->sx += o->sx;
    s->sy += o->sy;
    s->n = n;
}

static lg_datum
fvar(lg_call *c, struct fvar *s, bool sample, bool root)
{
    if (s->n <= (sample ? 1 : 0))
        RET_NULL();
    double v = s->sxx / (sample ? s->n - 1 : s->n);
    return lg_datum_float8(root ? sqrt(v) : v);
}

static lg_datum
fvar_samp(lg_call *c, void *s)
{
    return fvar(c, s, true, false);
}
static lg_datum
fvar_pop(lg_call *c, void *s)
{
    return fvar(c, s, false, false);
}
static lg_datum
fstd_samp(lg_call *c, void *s)
{
    return fvar(c, s, true, true);
}
static lg_datum
fstd_pop(lg_call *c, void *s)
{
    return fvar(c, s, false, true);
}

/* The float8 average divides the plain sum, as PostgreSQL does. */
static lg_datum
favg_final(lg_call *c, void *state)
{
    struct fsum *s = state;
    if (s->n == 0)
        RET_NULL();
    return lg_datum_float8(s->sum / (double)s->n);
}

/* Pairs (Y, X). */
static void
regr_step(lg_call *c, void *state)
{
    struct fvar *s = state;
    if (c->nulls[0] || c->nulls[1])
        return;
    double y = ARG_FLOAT8(0), x = ARG_FLOAT8(1), old_n = s->n;
    s->n += 1;
    s->sx += x;
    s->sy += y;
    if (old_n > 0) {
        double tx = x * s->n - s->sx, ty = y * s->n - s->sy, scale = 1.0 / (s->n * old_n);
        s->sxx += tx * tx * scale;
        s->syy += ty * ty * scale;
        s->sxy += tx * ty * scale;
    } else {
        if (!isfinite(x))
            s->sxx = s->sxy = NAN;
        if (!isfinite(y))
            s->syy = s->sxy = NAN;
    }
}

static lg_datum
regr_count(lg_call *c, void *s)
{
    (void)c;
    return lg_datum_int8((int64_t)((struct fvar *)s)->n);
}

#define REGR(name, min_n, null_if, expr)                                                           \
    static lg_datum name(lg_call *c, void *state)                                                  \
    {                                                                                              \
        struct fvar *s = state;                                                                    \
        if (s->n < (min_n) || (null_if))                                                           \
            RET_NULL();                                                                            \
        return lg_datum_float8(expr);                                                              \
    }

REGR(regr_sxx, 1, false, s->sxx)
REGR(regr_syy, 1, false, s->syy)
REGR(regr_sxy, 1, false, s->sxy)
REGR(regr_avgx, 1, false, s->sx / s->n)
REGR(regr_avgy, 1, false, s->sy / s->n)
REGR(regr_r2, 1, s->sxx == 0, s->syy == 0 ? 1.0 : s->sxy * s->sxy / (s->sxx * s->syy))
REGR(regr_slope, 1, s->sxx == 0, s->sxy / s->sxx)
REGR(regr_intercept, 1, s->sxx == 0, (s->sy - s->sx * s->sxy / s->sxx) / s->n)
REGR(covar_pop, 1, false, s->sxy / s->n)
REGR(covar_samp, 2, false, s->sxy / (s->n - 1))
REGR(corr, 1, s->sxx == 0 || s->syy == 0, s->sxy / sqrt(s->sxx * s->syy))

/* --- min and max, by the argument type's order --- */

struct extreme {
    lg_datum v;
    void *buf; /* of by-reference values */
    size_t cap;
    lg_compare_fn cmp;
    lg_oid type;
    bool set;
};

static void
extreme_keep(lg_call *c, struct extreme *s, lg_datum d)
{
    size_t n = lg_datum_size(s->type, d);
    s->set = true;
    s->v = d;
    if (n == 0)
        return;
    if (n > s->cap) {
        s->cap = n * 2;
        s->buf = lg_arena_alloc(c->perm, s->cap);
    }
    memcpy(s->buf, lg_ptr(d), n);
    s->v = lg_datum_ptr(s->buf);
}

static void
extreme_take(lg_call *c, struct extreme *s, lg_datum d, int sign)
{
    if (!s->cmp) {
        s->type = lg_argtype(c, 0);
        s->cmp = lg_type_compare_fn(s->type);
    }
    bool text = s->type == LG_T_TEXT || s->type == LG_T_VARCHAR || s->type == LG_T_BPCHAR;
    if (s->set && text && !lg_collation_is_c(c->collation)) {
        int r = lg_collate_compare(c->env, c->collation, lg_text_data(d), lg_text_len(d),
                                   lg_text_data(s->v), lg_text_len(s->v));
        if (sign * r > 0)
            extreme_keep(c, s, d);
        return;
    }
    if (!s->set || sign * s->cmp(d, s->v) > 0)
        extreme_keep(c, s, d);
}

static void
max_step(lg_call *c, void *s)
{
    if (!c->nulls[0])
        extreme_take(c, s, ARG(0), 1);
}
static void
min_step(lg_call *c, void *s)
{
    if (!c->nulls[0])
        extreme_take(c, s, ARG(0), -1);
}

/* Signed by-value types: the datums compare as integers. */
static lg_status
int_extreme_one(void *state, const lg_vector *x, const uint16_t *sel, uint32_t n, bool max)
{
    struct extreme *s = state;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = lg_sel_row(sel, i);
        if (lg_vector_is_null(x, row))
            continue;
        int64_t v = lg_int8(lg_vector_value(x, row));
        if (!s->set || (max ? v > lg_int8(s->v) : v < lg_int8(s->v))) {
            s->set = true;
            s->v = lg_datum_int8(v);
        }
    }
    return LG_OK;
}

static lg_status
int_max_one(lg_call *c, void *s, const lg_vector *const *args, const uint16_t *sel, uint32_t n)
{
    (void)c;
    return int_extreme_one(s, args[0], sel, n, true);
}

static lg_status
int_min_one(lg_call *c, void *s, const lg_vector *const *args, const uint16_t *sel, uint32_t n)
{
    (void)c;
    return int_extreme_one(s, args[0], sel, n, false);
}

static void
max_merge(lg_call *c, void *state, const void *other)
{
    const struct extreme *o = other;
    if (o->set)
        extreme_take(c, state, o->v, 1);
}

static void
min_merge(lg_call *c, void *state, const void *other)
{
    const struct extreme *o = other;
    if (o->set)
        extreme_take(c, state, o->v, -1);
}

static lg_datum
extreme_final(lg_call *c, void *state)
{
    struct extreme *s = state;
    if (!s->set)
        RET_NULL();
    return s->v;
}

/* --- bool_and, bool_or, bit_and, bit_or, bit_xor --- */

struct bits {
    uint64_t v;
    bool set;
};

#define BITS(name, OP)                                                                             \
    static void name##_step(lg_call *c, void *state)                                               \
    {                                                                                              \
        struct bits *s = state;                                                                    \
        if (c->nulls[0])                                                                           \
            return;                                                                                \
        s->v = s->set ? (s->v OP ARG(0)) : ARG(0);                                                 \
        s->set = true;                                                                             \
    }                                                                                              \
    static void name##_merge(lg_call *c, void *state, const void *other)                           \
    {                                                                                              \
        struct bits *s = state;                                                                    \
        const struct bits *o = other;                                                              \
        (void)c;                                                                                   \
        if (!o->set)                                                                               \
            return;                                                                                \
        s->v = s->set ? (s->v OP o->v) : o->v;                                                     \
        s->set = true;                                                                             \
    }

BITS(and, &)
BITS(or, |)
BITS(xor, ^)

static lg_datum
bits_final(lg_call *c, void *state)
{
    struct bits *s = state;
    if (!s->set)
        RET_NULL();
    return s->v;
}

/* ... of bit strings: the value so far is one that extreme_keep keeps. */
static void
bitstring_take(lg_call *c, struct extreme *s, lg_datum d, lg_fn op)
{
    s->type = LG_T_BIT;
    if (!s->set) {
        extreme_keep(c, s, d);
        return;
    }
    lg_datum args[2] = {s->v, d};
    lg_call two = *c;
    two.args = args;
    two.nargs = 2;
    lg_datum r = op(&two);
    c->st = two.st;
    if (two.st == LG_OK)
        extreme_keep(c, s, r);
}

#define BITSTRING(name, FN)                                                                        \
    static void name##_bits_step(lg_call *c, void *state)                                          \
    {                                                                                              \
        if (!c->nulls[0])                                                                          \
            bitstring_take(c, state, ARG(0), FN);                                                  \
    }                                                                                              \
    static void name##_bits_merge(lg_call *c, void *state, const void *other)                      \
    {                                                                                              \
        const struct extreme *o = other;                                                           \
        if (o->set)                                                                                \
            bitstring_take(c, state, o->v, FN);                                                    \
    }

BITSTRING(and, lg_fn_bit_and)
BITSTRING(or, lg_fn_bit_or)
BITSTRING(xor, lg_fn_bitxor)

/* --- sum and avg of intervals --- */

struct ivsum {
    __int128 us, days, months;
    int64_t n;
} __attribute__((packed, aligned(8)));

static void
ivsum_take(struct ivsum *s, lg_datum d, int sign)
{
    lg_interval iv = lg_interval_of(d);
    s->us += sign * (__int128)iv.us;
    s->days += sign * iv.days;
    s->months += sign * iv.months;
    s->n += sign;
}

static void
ivsum_step(lg_call *c, void *s)
{
    if (!c->nulls[0])
        ivsum_take(s, ARG(0), 1);
}
static void
ivsum_unstep(lg_call *c, void *s)
{
    if (!c->nulls[0])
        ivsum_take(s, ARG(0), -1);
}

static void
ivsum_merge(lg_call *c, void *state, const void *other)
{
    (void)c;
    struct ivsum *s = state;
    const struct ivsum *o = other;
    s->us += o->us;
    s->days += o->days;
    s->months += o->months;
    s->n += o->n;
}

static lg_datum
ivsum_final(lg_call *c, void *state)
{
    struct ivsum *s = state;
    if (s->n == 0)
        RET_NULL();
    if (s->us != (int64_t)s->us || s->days != (int32_t)s->days || s->months != (int32_t)s->months)
        return lg_call_error(c, "22008", "interval out of range");
    lg_interval iv = {(int64_t)s->us, (int32_t)s->days, (int32_t)s->months};
    return lg_datum_interval(c->arena, iv);
}

static lg_datum
ivavg_final(lg_call *c, void *state)
{
    struct ivsum *s = state;
    lg_datum d = ivsum_final(c, state);
    if (c->isnull || c->st)
        return 0;
    return lg_interval_div(c, lg_interval_of(d), (double)s->n);
}

/* --- string_agg, array_agg --- */

struct stragg {
    lg_abuf b;
    bool set;
};

static void
stragg_step(lg_call *c, void *state)
{
    struct stragg *s = state;
    if (c->nulls[0])
        return;
    if (!s->set)
        lg_abuf_init(&s->b, c->perm);
    if (!lg_call_fits(c, s->b.len + (c->nulls[1] ? 0 : ARG_LEN(1)) + ARG_LEN(0)))
        return;
    if (s->set && !c->nulls[1])
        lg_abuf_add(&s->b, ARG_STR(1), ARG_LEN(1));
    lg_abuf_add(&s->b, ARG_STR(0), ARG_LEN(0));
    s->set = true;
}

static lg_datum
stragg_final(lg_call *c, void *state)
{
    struct stragg *s = state;
    if (!s->set)
        RET_NULL();
    return lg_datum_text(c->arena, s->b.p, s->b.len);
}

struct arragg {
    lg_datum *v;
    uint8_t *nulls;
    uint32_t n;
    uint32_t cap;
    lg_oid type;
};

static void
arragg_add(lg_call *c, struct arragg *s, lg_datum d, bool null)
{
    if (s->n == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 8;
        lg_datum *v = lg_arena_alloc(c->perm, sizeof *v * cap);
        uint8_t *nulls = lg_arena_alloc(c->perm, cap);
        if (s->n) {
            memcpy(v, s->v, sizeof *v * s->n);
            memcpy(nulls, s->nulls, s->n);
        }
        s->v = v;
        s->nulls = nulls;
        s->cap = cap;
    }
    s->v[s->n] = null ? 0 : lg_datum_copy(s->type, d, c->perm);
    s->nulls[s->n++] = null;
}

static void
arragg_step(lg_call *c, void *state)
{
    struct arragg *s = state;
    s->type = lg_argtype(c, 0);
    arragg_add(c, s, ARG(0), c->nulls[0]);
}

static void
arragg_merge(lg_call *c, void *state, const void *other)
{
    struct arragg *s = state;
    const struct arragg *o = other;
    s->type = o->n ? o->type : s->type;
    for (uint32_t i = 0; i < o->n; i++)
        arragg_add(c, s, o->v[i], o->nulls[i]);
}

static lg_datum
arragg_final(lg_call *c, void *state)
{
    struct arragg *s = state;
    if (s->n == 0)
        RET_NULL();
    return lg_array_make(c->arena, s->type, s->n, s->v, s->nulls);
}

/* array_agg(anyarray): arrays of one shape become one of a dimension more. */
static lg_datum
arraggarr_final(lg_call *c, void *state)
{
    struct arragg *s = state;
    const char *sqlstate, *why;
    if (s->n == 0)
        RET_NULL();
    lg_datum d = lg_array_stack(c->arena, s->n, s->v, s->nulls, &sqlstate, &why);
    return d ? d : lg_call_error(c, sqlstate, "%s", why);
}

/* --- the list --- */

#define MAX_OF(oid, one)                                                                           \
    {                                                                                              \
        oid, sizeof(struct extreme), NULL, max_step, one, max_merge, extreme_final, NULL           \
    }
#define MIN_OF(oid, one)                                                                           \
    {                                                                                              \
        oid, sizeof(struct extreme), NULL, min_step, one, min_merge, extreme_final, NULL           \
    }
#define NSUM(oid, step, final)                                                                     \
    {                                                                                              \
        oid, sizeof(struct nsum), NULL, step, NULL, nsum_merge, final, NULL                        \
    }
#define FVAR(oid, final)                                                                           \
    {                                                                                              \
        oid, sizeof(struct fvar), NULL, fvar_step, NULL, fvar_merge, final, NULL                   \
    }
#define REGRESSION(oid, final)                                                                     \
    {                                                                                              \
        oid, sizeof(struct fvar), NULL, regr_step, NULL, fvar_merge, final, NULL                   \
    }
#define BITWISE(oid, op)                                                                           \
    {                                                                                              \
        oid, sizeof(struct bits), NULL, op##_step, NULL, op##_merge, bits_final, NULL              \
    }
/* int8, int4, int2, float4, float8, numeric */
#define VARIANCES(i8, i4, i2, f4, f8, num, suffix)                                                 \
    NSUM(i8, ivar_step, n##suffix), NSUM(i4, ivar_step, n##suffix),                                \
        NSUM(i2, ivar_step, n##suffix), FVAR(f4, f##suffix), FVAR(f8, f##suffix),                  \
        NSUM(num, nvar_step, n##suffix)

static const lg_agg aggs[] = {
    {2803, sizeof(struct count), NULL, count_star_step, count_star_one, count_merge, count_final,
     count_star_unstep},
    {2147, sizeof(struct count), NULL, count_step, count_one, count_merge, count_final,
     count_unstep},
    {2107, sizeof(struct isum), NULL, isum_step, NULL, isum_merge, isum_final_numeric, isum_unstep},
    {2108, sizeof(struct isum), NULL, isum_step, isum4_one, isum_merge, isum_final_int8,
     isum_unstep},
    {2109, sizeof(struct isum), NULL, isum_step, isum4_one, isum_merge, isum_final_int8,
     isum_unstep},
    {2110, sizeof(struct fsum), NULL, fsum4_step, NULL, fsum_merge, fsum_final, NULL},
    {2111, sizeof(struct fsum), NULL, fsum_step, NULL, fsum_merge, fsum_final, NULL},
    {2113, sizeof(struct ivsum), NULL, ivsum_step, NULL, ivsum_merge, ivsum_final, ivsum_unstep},
    NSUM(2114, nsum_step, nsum_final),
    {2100, sizeof(struct isum), NULL, isum_step, NULL, isum_merge, isum_final_avg, isum_unstep},
    {2101, sizeof(struct isum), NULL, isum_step, isum4_one, isum_merge, isum_final_avg,
     isum_unstep},
    {2102, sizeof(struct isum), NULL, isum_step, isum4_one, isum_merge, isum_final_avg,
     isum_unstep},
    NSUM(2103, nsum_step, nsum_final_avg),
    {2104, sizeof(struct fsum), NULL, fsum_step, NULL, fsum_merge, favg_final, NULL},
    {2105, sizeof(struct fsum), NULL, fsum_step, NULL, fsum_merge, favg_final, NULL},
    {2106, sizeof(struct ivsum), NULL, ivsum_step, NULL, ivsum_merge, ivavg_final, ivsum_unstep},
    MAX_OF(2115, int_max_one),
    MAX_OF(2116, int_max_one),
    MAX_OF(2117, int_max_one),
    MAX_OF(2118, NULL),
    MAX_OF(2119, NULL),
    MAX_OF(2120, NULL),
    MAX_OF(2122, int_max_one),
    MAX_OF(2123, int_max_one),
    MAX_OF(2124, NULL),
    MAX_OF(2126, int_max_one),
    MAX_OF(2127, int_max_one),
    MAX_OF(2128, NULL),
    MAX_OF(2129, NULL),
    MAX_OF(2130, NULL),
    MAX_OF(2244, NULL),
    MAX_OF(2050, NULL),
    MAX_OF(2797, NULL),
    MAX_OF(3526, NULL),
    MIN_OF(3527, NULL),
    MAX_OF(3564, NULL),
    MAX_OF(4189, NULL),
    MAX_OF(5099, NULL),
    MIN_OF(2131, int_min_one),
    MIN_OF(2132, int_min_one),
    MIN_OF(2133, int_min_one),
    MIN_OF(2134, NULL),
    MIN_OF(2135, NULL),
    MIN_OF(2136, NULL),
    MIN_OF(2138, int_min_one),
    MIN_OF(2139, int_min_one),
    MIN_OF(2140, NULL),
    MIN_OF(2142, int_min_one),
    MIN_OF(2143, int_min_one),
    MIN_OF(2144, NULL),
    MIN_OF(2145, NULL),
    MIN_OF(2146, NULL),
    MIN_OF(2245, NULL),
    MIN_OF(2051, NULL),
    MIN_OF(2798, NULL),
    MIN_OF(3565, NULL),
    MIN_OF(4190, NULL),
    MIN_OF(5100, NULL),
    BITWISE(2517, and),
    BITWISE(2518, or),
    BITWISE(2519, and),
    BITWISE(2236, and),
    BITWISE(2237, or),
    BITWISE(2238, and),
    BITWISE(2239, or),
    BITWISE(2240, and),
    BITWISE(2241, or),
    {2242, sizeof(struct extreme), NULL, and_bits_step, NULL, and_bits_merge, extreme_final, NULL},
    {2243, sizeof(struct extreme), NULL, or_bits_step, NULL, or_bits_merge, extreme_final, NULL},
    {6167, sizeof(struct extreme), NULL, xor_bits_step, NULL, xor_bits_merge, extreme_final, NULL},
    BITWISE(6164, xor),
    BITWISE(6165, xor),
    BITWISE(6166, xor),
    VARIANCES(2718, 2719, 2720, 2721, 2722, 2723, var_pop),
    VARIANCES(2641, 2642, 2643, 2644, 2645, 2646, var_samp),
    VARIANCES(2148, 2149, 2150, 2151, 2152, 2153, var_samp),
    VARIANCES(2724, 2725, 2726, 2727, 2728, 2729, std_pop),
    VARIANCES(2712, 2713, 2714, 2715, 2716, 2717, std_samp),
    VARIANCES(2154, 2155, 2156, 2157, 2158, 2159, std_samp),
    REGRESSION(2818, regr_count),
    REGRESSION(2819, regr_sxx),
    REGRESSION(2820, regr_syy),
    REGRESSION(2821, regr_sxy),
    REGRESSION(2822, regr_avgx),
    REGRESSION(2823, regr_avgy),
    REGRESSION(2824, regr_r2),
    REGRESSION(2825, regr_slope),
    REGRESSION(2826, regr_intercept),
    REGRESSION(2827, covar_pop),
    REGRESSION(2828, covar_samp),
    REGRESSION(2829, corr),
    {3538, sizeof(struct stragg), NULL, stragg_step, NULL, NULL, stragg_final, NULL},
    {3545, sizeof(struct stragg), NULL, stragg_step, NULL, NULL, stragg_final, NULL},
    {3175, LG_JSON_AGG_STATE, NULL, lg_json__agg_step, NULL, NULL, lg_json__agg_final, NULL},
    {3267, LG_JSON_AGG_STATE, NULL, lg_json__agg_step, NULL, NULL, lg_json__agg_final, NULL},
    {3197, LG_JSON_AGG_STATE, NULL, lg_json__object_agg_step, NULL, NULL, lg_json__object_agg_final,
     NULL},
    {3270, LG_JSON_AGG_STATE, NULL, lg_json__object_agg_step, NULL, NULL, lg_json__object_agg_final,
     NULL},
    {2335, sizeof(struct arragg), NULL, arragg_step, NULL, arragg_merge, arragg_final, NULL},
    {4053, sizeof(struct arragg), NULL, arragg_step, NULL, arragg_merge, arraggarr_final, NULL},
};

const lg_agg *
lg_agg_get(lg_oid func)
{
    for (size_t i = 0; i < sizeof aggs / sizeof *aggs; i++)
        if (aggs[i].func == func)
            return &aggs[i];
    return NULL;
}

char
lg_agg_kind(lg_oid func, uint16_t *ret_direct)
{
    uint16_t none;
    if (!ret_direct)
        ret_direct = &none;
    *ret_direct = 0;
    if (func >= 3972 && func <= 3982 && func % 2 == 0) { /* percentile_disc, percentile_cont */
        *ret_direct = 1;
        return 'o';
    }
    if (func == 3984) /* mode */
        return 'o';
    if (func >= 3986 && func <= 3992 && func % 2 == 0) { /* rank ... dense_rank */
        *ret_direct = 1;
        return 'h';
    }
    return 'n';
}

#define LG_AGGSORT(agg, op) {agg, op},
static const lg_oid sort_operators[][2] = {
#include "aggsort.def"
};

lg_oid
lg_agg_sort_operator(lg_oid func)
{
    for (size_t i = 0; i < sizeof sort_operators / sizeof *sort_operators; i++)
        if (sort_operators[i][0] == func)
            return sort_operators[i][1];
    return 0;
}

static lg_status
step_rows(lg_call *c, const lg_agg *agg, void *one, void *const *states,
          const lg_vector *const *args, uint32_t nargs, const uint16_t *sel, uint32_t n)
{
    lg_datum v[8];
    uint8_t nulls[8];
    if (nargs > 8)
        return LG_LIMIT;
    c->args = v;
    c->nulls = nulls;
    c->nargs = nargs;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t row = lg_sel_row(sel, k);
        for (uint32_t i = 0; i < nargs; i++) {
            v[i] = lg_vector_value(args[i], row);
            nulls[i] = lg_vector_is_null(args[i], row);
        }
        agg->step(c, one ? one : states[k]);
        if (c->st != LG_OK)
            return c->st;
        if ((k & 31) == 31 && lg_poll())
            return LG_CANCELED;
    }
    return LG_OK;
}

lg_status
lg_agg_step_vector(lg_call *c, const lg_agg *agg, void *state, const lg_vector *const *args,
                   uint32_t nargs, const uint16_t *sel, uint32_t n)
{
    if (agg->step_one)
        return agg->step_one(c, state, args, sel, n);
    return step_rows(c, agg, state, NULL, args, nargs, sel, n);
}

lg_status
lg_agg_step_groups(lg_call *c, const lg_agg *agg, void *const *states, const lg_vector *const *args,
                   uint32_t nargs, const uint16_t *sel, uint32_t n)
{
    return step_rows(c, agg, NULL, states, args, nargs, sel, n);
}
