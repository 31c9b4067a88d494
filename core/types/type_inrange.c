/* in_range(value, base, offset, sub, less): is value <= (less) or >= base -/+ offset? The executor
 * asks it for the ends of RANGE frames. */
#include "datetime.h"
#include "numeric.h"
#include "types_values.h"

#define SUB  ARG_BOOL(3)
#define LESS ARG_BOOL(4)

static lg_datum
bad_size(lg_call *c)
{
    return lg_call_error(c, "22013", "invalid preceding or following size in window function");
}

static lg_datum
answer(const lg_call *c, int cmp)
{
    return lg_datum_bool(LESS ? cmp <= 0 : cmp >= 0);
}

/* A sum beyond the integers is beyond every value. */
static lg_datum
in_range_int(lg_call *c)
{
    int64_t val = ARG_INT8(0), base = ARG_INT8(1), offset = ARG_INT8(2), sum;
    if (offset < 0)
        return bad_size(c);
    if (SUB ? __builtin_sub_overflow(base, offset, &sum)
            : __builtin_add_overflow(base, offset, &sum))
        return lg_datum_bool(SUB ? !LESS : LESS);
    return answer(c, (val > sum) - (val < sum));
}

LG_FN(in_range_int8_int8)
{
    return in_range_int(c);
}
LG_FN(in_range_int4_int8)
{
    return in_range_int(c);
}
LG_FN(in_range_int4_int4)
{
    return in_range_int(c);
}
LG_FN(in_range_int4_int2)
{
    return in_range_int(c);
}
LG_FN(in_range_int2_int8)
{
    return in_range_int(c);
}
LG_FN(in_range_int2_int4)
{
    return in_range_int(c);
}
LG_FN(in_range_int2_int2)
{
    return in_range_int(c);
}

static lg_datum
in_range_double(lg_call *c, double val, double base)
{
    double offset = ARG_FLOAT8(2);
    if (__builtin_isnan(offset) || offset < 0)
        return bad_size(c);
    if (__builtin_isnan(val))
        return lg_datum_bool(__builtin_isnan(base) || !LESS);
    if (__builtin_isnan(base))
        return lg_datum_bool(LESS);
    if (__builtin_isinf(offset) && __builtin_isinf(base) && (SUB ? base > 0 : base < 0))
        return lg_datum_bool(true); /* the sum would be NaN */
    double sum = SUB ? base - offset : base + offset;
    return answer(c, (val > sum) - (val < sum));
}

LG_FN(in_range_float8_float8)
{
    return in_range_double(c, ARG_FLOAT8(0), ARG_FLOAT8(1));
}
LG_FN(in_range_float4_float8)
{
    return in_range_double(c, (double)ARG_FLOAT4(0), (double)ARG_FLOAT4(1));
}

LG_FN(in_range_numeric_numeric)
{
    lg_num val = lg_num_unpack(c->arena, ARG(0)), base = lg_num_unpack(c->arena, ARG(1));
    lg_num offset = lg_num_unpack(c->arena, ARG(2));
    if (offset.kind == LG_NUM_NAN || offset.kind == LG_NUM_NINF ||
        (offset.kind == LG_NUM_FINITE && offset.neg && !lg_num_is_zero(&offset)))
        return bad_size(c);
    if (val.kind == LG_NUM_NAN)
        return lg_datum_bool(base.kind == LG_NUM_NAN || !LESS);
    if (base.kind == LG_NUM_NAN)
        return lg_datum_bool(LESS);
    if (offset.kind == LG_NUM_PINF) {
        if (base.kind == (SUB ? LG_NUM_PINF : LG_NUM_NINF))
            return lg_datum_bool(true); /* the sum would be NaN */
        if (SUB)
            return lg_datum_bool(!LESS || val.kind == LG_NUM_NINF);
        return lg_datum_bool(LESS || val.kind == LG_NUM_PINF);
    }
    if (val.kind != LG_NUM_FINITE || base.kind != LG_NUM_FINITE)
        return answer(c, lg_num_compare(&val, &base));
    lg_num sum = SUB ? lg_num_sub(c->arena, &base, &offset) : lg_num_add(c->arena, &base, &offset);
    return answer(c, lg_num_compare(&val, &sum));
}

static bool
negated(lg_call *c, lg_interval *iv)
{
    if (__builtin_sub_overflow(0, iv->us, &iv->us) ||
        __builtin_sub_overflow(0, iv->days, &iv->days) ||
        __builtin_sub_overflow(0, iv->months, &iv->months)) {
        lg_call_error(c, "22008", "interval out of range");
        return false;
    }
    return true;
}

static lg_datum
in_range_ts(lg_call *c, int64_t val, int64_t base, bool with_zone)
{
    lg_interval offset = lg_interval_of(ARG(2));
    int64_t sum;
    if (lg_interval_total_us(offset) < 0)
        return bad_size(c);
    if ((SUB && !negated(c, &offset)) || !lg_ts_add_interval(c, base, offset, with_zone, &sum))
        return 0;
    return answer(c, (val > sum) - (val < sum));
}

LG_FN(in_range_timestamp_interval)
{
    return in_range_ts(c, ARG_INT8(0), ARG_INT8(1), false);
}
LG_FN(in_range_timestamptz_interval)
{
    return in_range_ts(c, ARG_INT8(0), ARG_INT8(1), true);
}

static bool
date_ts(lg_call *c, int32_t date, int64_t *ret)
{
    if (!lg_date_to_ts(date, ret)) {
        lg_call_error(c, "22008", "date out of range for timestamp");
        return false;
    }
    return true;
}

LG_FN(in_range_date_interval)
{
    int64_t val, base;
    if (!date_ts(c, ARG_INT4(0), &val) || !date_ts(c, ARG_INT4(1), &base))
        return 0;
    return in_range_ts(c, val, base, false);
}

LG_FN(in_range_interval_interval)
{
    lg_interval base = lg_interval_of(ARG(1)), offset = lg_interval_of(ARG(2)), sum;
    if (lg_interval_total_us(offset) < 0)
        return bad_size(c);
    if (SUB ? (__builtin_sub_overflow(base.us, offset.us, &sum.us) ||
               __builtin_sub_overflow(base.days, offset.days, &sum.days) ||
               __builtin_sub_overflow(base.months, offset.months, &sum.months))
            : (__builtin_add_overflow(base.us, offset.us, &sum.us) ||
               __builtin_add_overflow(base.days, offset.days, &sum.days) ||
               __builtin_add_overflow(base.months, offset.months, &sum.months)))
        return lg_call_error(c, "22008", "interval out of range");
    __int128 v = lg_interval_total_us(lg_interval_of(ARG(0))), s = lg_interval_total_us(sum);
    return answer(c, (v > s) - (v < s));
}

/* Times take only the interval's time of day, as time + interval does, but do not wrap around. */
LG_FN(in_range_time_interval)
{
    lg_interval offset = lg_interval_of(ARG(2));
    int64_t val = ARG_INT8(0), sum;
    if (offset.us < 0)
        return bad_size(c);
    if (SUB)
        sum = ARG_INT8(1) - offset.us;
    else if (__builtin_add_overflow(ARG_INT8(1), offset.us, &sum))
        return lg_datum_bool(LESS);
    return answer(c, (val > sum) - (val < sum));
}

LG_FN(in_range_timetz_interval)
{
    lg_interval offset = lg_interval_of(ARG(2));
    lg_timetz sum;
    memcpy(&sum, lg_ptr(ARG(1)), sizeof sum);
    if (offset.us < 0)
        return bad_size(c);
    if (SUB)
        sum.us -= offset.us;
    else if (__builtin_add_overflow(sum.us, offset.us, &sum.us))
        return lg_datum_bool(LESS);
    return answer(c, lg_timetz_compare(ARG(0), lg_datum_ptr(&sum)));
}
