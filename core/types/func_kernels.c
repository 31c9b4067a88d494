/* Vector kernels of the hot functions, in loops that gcc vectorizes. Arguments are dense or
 * constant, the selection mostly absent: those cases get loops of their own. */
#pragma GCC optimize("O3")
#include "types_values.h"

/* NULLs of a strict function: ret->null is the OR of the arguments' and ret->maybe_null says
 * whether there can be any. */
static void
merge_nulls(const lg_vector *const *args, uint32_t nargs, const uint16_t *sel, uint32_t n,
            lg_vector *ret)
{
    ret->maybe_null = false;
    for (uint32_t i = 0; i < nargs; i++) {
        const lg_vector *x = args[i];
        if (!x->maybe_null || (x->constant && !x->null[0]))
            continue;
        bool first = !ret->maybe_null;
        ret->maybe_null = true;
        for (uint32_t k = 0; k < n; k++) {
            uint32_t row = lg_sel_row(sel, k);
            uint8_t is = x->null[x->constant ? 0 : row];
            ret->null[row] = first ? is : (uint8_t)(ret->null[row] | is);
        }
    }
}

/* r[row] = EXPR over x and y of type T read by LOAD. */
#define BINARY(T, LOAD, EXPR)                                                                      \
    do {                                                                                           \
        const lg_datum *a_ = args[0]->v, *b_ = args[1]->v;                                         \
        lg_datum *r_ = ret->v;                                                                     \
        bool ca_ = args[0]->constant, cb_ = args[1]->constant;                                     \
        if (!sel && !ca_ && cb_) {                                                                 \
            T y = LOAD(b_[0]);                                                                     \
            for (uint32_t i_ = 0; i_ < n; i_++) {                                                  \
                T x = LOAD(a_[i_]);                                                                \
                r_[i_] = EXPR;                                                                     \
            }                                                                                      \
        } else if (!sel && !ca_ && !cb_) {                                                         \
            for (uint32_t i_ = 0; i_ < n; i_++) {                                                  \
                T x = LOAD(a_[i_]), y = LOAD(b_[i_]);                                              \
                r_[i_] = EXPR;                                                                     \
            }                                                                                      \
        } else {                                                                                   \
            for (uint32_t i_ = 0; i_ < n; i_++) {                                                  \
                uint32_t row_ = lg_sel_row(sel, i_);                                               \
                T x = LOAD(a_[ca_ ? 0 : row_]), y = LOAD(b_[cb_ ? 0 : row_]);                      \
                r_[row_] = EXPR;                                                                   \
            }                                                                                      \
        }                                                                                          \
    } while (0)

#define SIGNED(d)   ((int64_t)(d))
#define UNSIGNED(d) (d)

#define COMPARE_ONE(name, T, LOAD, OP)                                                             \
    LG_KERNEL(name)                                                                                \
    {                                                                                              \
        merge_nulls(args, 2, sel, n, ret);                                                         \
        BINARY(T, LOAD, (lg_datum)(x OP y));                                                       \
        return LG_OK;                                                                              \
    }
#define COMPARE(p, T, LOAD)                                                                        \
    COMPARE_ONE(p##eq, T, LOAD, ==)                                                                \
    COMPARE_ONE(p##ne, T, LOAD, !=)                                                                \
    COMPARE_ONE(p##lt, T, LOAD, <)                                                                 \
    COMPARE_ONE(p##le, T, LOAD, <=)                                                                \
    COMPARE_ONE(p##gt, T, LOAD, >)                                                                 \
    COMPARE_ONE(p##ge, T, LOAD, >=)

COMPARE(int2, int64_t, SIGNED)
COMPARE(int4, int64_t, SIGNED)
COMPARE(int8, int64_t, SIGNED)
COMPARE(int24, int64_t, SIGNED)
COMPARE(int42, int64_t, SIGNED)
COMPARE(int28, int64_t, SIGNED)
COMPARE(int82, int64_t, SIGNED)
COMPARE(int48, int64_t, SIGNED)
COMPARE(int84, int64_t, SIGNED)
COMPARE(date_, int64_t, SIGNED)
COMPARE(timestamp_, int64_t, SIGNED)
COMPARE(time_, int64_t, SIGNED)
COMPARE(oid, uint64_t, UNSIGNED)
COMPARE(char, uint64_t, UNSIGNED)
COMPARE(bool, uint64_t, UNSIGNED)

/* NaN is equal to NaN and above everything. */
#define IS_NAN(v) ((v) != (v))
#define FLOAT_COMPARE(p, LOAD)                                                                     \
    LG_KERNEL(p##eq)                                                                               \
    {                                                                                              \
        merge_nulls(args, 2, sel, n, ret);                                                         \
        BINARY(double, LOAD, (lg_datum)((x == y) | (IS_NAN(x) & IS_NAN(y))));                      \
        return LG_OK;                                                                              \
    }                                                                                              \
    LG_KERNEL(p##ne)                                                                               \
    {                                                                                              \
        merge_nulls(args, 2, sel, n, ret);                                                         \
        BINARY(double, LOAD, (lg_datum) !((x == y) | (IS_NAN(x) & IS_NAN(y))));                    \
        return LG_OK;                                                                              \
    }                                                                                              \
    LG_KERNEL(p##lt)                                                                               \
    {                                                                                              \
        merge_nulls(args, 2, sel, n, ret);                                                         \
        BINARY(double, LOAD, (lg_datum)((x < y) | (!IS_NAN(x) & IS_NAN(y))));                      \
        return LG_OK;                                                                              \
    }                                                                                              \
    LG_KERNEL(p##gt)                                                                               \
    {                                                                                              \
        merge_nulls(args, 2, sel, n, ret);                                                         \
        BINARY(double, LOAD, (lg_datum)((x > y) | (IS_NAN(x) & !IS_NAN(y))));                      \
        return LG_OK;                                                                              \
    }                                                                                              \
    LG_KERNEL(p##le)                                                                               \
    {                                                                                              \
        merge_nulls(args, 2, sel, n, ret);                                                         \
        BINARY(double, LOAD, (lg_datum)((x <= y) | IS_NAN(y)));                                    \
        return LG_OK;                                                                              \
    }                                                                                              \
    LG_KERNEL(p##ge)                                                                               \
    {                                                                                              \
        merge_nulls(args, 2, sel, n, ret);                                                         \
        BINARY(double, LOAD, (lg_datum)((x >= y) | IS_NAN(x)));                                    \
        return LG_OK;                                                                              \
    }

#define LOAD_FLOAT4(d) ((double)lg_float4(d))
FLOAT_COMPARE(float8, lg_float8)
FLOAT_COMPARE(float4, LOAD_FLOAT4)

/* Arithmetic computes every row, also those that are NULL, and collects "overflowed" in one word.
 * When that is set the batch is done again row by row, which finds the true error, or none. */
#define NARROW(name, T, OP)                                                                        \
    LG_KERNEL(name)                                                                                \
    {                                                                                              \
        uint64_t bad = 0;                                                                          \
        merge_nulls(args, 2, sel, n, ret);                                                         \
        BINARY(uint64_t, UNSIGNED,                                                                 \
               (bad |= (x OP y) ^ (uint64_t)(int64_t)(T)(x OP y), (lg_datum)(x OP y)));            \
        return bad ? lg_func__loop(c, args, 2, sel, n, ret) : LG_OK;                               \
    }

NARROW(int2pl, int16_t, +)
NARROW(int2mi, int16_t, -)
NARROW(int2mul, int16_t, *)
NARROW(int4pl, int32_t, +)
NARROW(int4mi, int32_t, -)
NARROW(int4mul, int32_t, *)
NARROW(int24pl, int32_t, +)
NARROW(int24mi, int32_t, -)
NARROW(int24mul, int32_t, *)
NARROW(int42pl, int32_t, +)
NARROW(int42mi, int32_t, -)
NARROW(int42mul, int32_t, *)

/* Overflow of an addition: both operands have the sign that the sum has not. */
#define WIDE(p)                                                                                    \
    LG_KERNEL(p##pl)                                                                               \
    {                                                                                              \
        uint64_t bad = 0;                                                                          \
        merge_nulls(args, 2, sel, n, ret);                                                         \
        BINARY(uint64_t, UNSIGNED, (bad |= ((x ^ (x + y)) & (y ^ (x + y))), x + y));               \
        return bad >> 63 ? lg_func__loop(c, args, 2, sel, n, ret) : LG_OK;                         \
    }                                                                                              \
    LG_KERNEL(p##mi)                                                                               \
    {                                                                                              \
        uint64_t bad = 0;                                                                          \
        merge_nulls(args, 2, sel, n, ret);                                                         \
        BINARY(uint64_t, UNSIGNED, (bad |= ((x ^ y) & (x ^ (x - y))), x - y));                     \
        return bad >> 63 ? lg_func__loop(c, args, 2, sel, n, ret) : LG_OK;                         \
    }

WIDE(int8)
WIDE(int28)
WIDE(int82)
WIDE(int48)
WIDE(int84)

/* An infinite or (for products) zero result may be an error: the row loop decides. */
#define FLOAT_ARITH(name, EXPR, SUSPECT)                                                           \
    LG_KERNEL(name)                                                                                \
    {                                                                                              \
        uint64_t bad = 0;                                                                          \
        merge_nulls(args, 2, sel, n, ret);                                                         \
        BINARY(double, lg_float8, (bad |= (uint64_t)(SUSPECT), lg_datum_float8(EXPR)));            \
        return bad ? lg_func__loop(c, args, 2, sel, n, ret) : LG_OK;                               \
    }
#define HUGE_RESULT(r) (!((r) <= 1.7e308 && (r) >= -1.7e308))

FLOAT_ARITH(float8pl, x + y, HUGE_RESULT(x + y))
FLOAT_ARITH(float8mi, x - y, HUGE_RESULT(x - y))
FLOAT_ARITH(float8mul, x *y, HUGE_RESULT(x *y) | (x * y == 0))
FLOAT_ARITH(float8div, x / y, HUGE_RESULT(x / y) | (x / y == 0) | (y == 0))

/* Widening casts change nothing in a datum. */
static lg_status
copy_vector(const lg_vector *x, const uint16_t *sel, uint32_t n, lg_vector *ret)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = lg_sel_row(sel, i);
        ret->v[row] = x->v[x->constant ? 0 : row];
    }
    return LG_OK;
}

#define WIDEN(name)                                                                                \
    LG_KERNEL(name)                                                                                \
    {                                                                                              \
        merge_nulls(args, 1, sel, n, ret);                                                         \
        return copy_vector(args[0], sel, n, ret);                                                  \
    }

WIDEN(i2toi4)
WIDEN(int28)
WIDEN(int48)

#define TEXT_EQUAL(name, WANT)                                                                     \
    LG_KERNEL(name)                                                                                \
    {                                                                                              \
        merge_nulls(args, 2, sel, n, ret);                                                         \
        for (uint32_t i = 0; i < n; i++) {                                                         \
            uint32_t row = lg_sel_row(sel, i);                                                     \
            if (ret->maybe_null && ret->null[row])                                                 \
                continue;                                                                          \
            lg_datum x = lg_vector_value(args[0], row), y = lg_vector_value(args[1], row);         \
            uint32_t len = lg_text_len(x);                                                         \
            bool same =                                                                            \
                len == lg_text_len(y) && memcmp(lg_text_data(x), lg_text_data(y), len) == 0;       \
            ret->v[row] = same == (WANT);                                                          \
        }                                                                                          \
        return LG_OK;                                                                              \
    }

TEXT_EQUAL(texteq, true)
TEXT_EQUAL(textne, false)
