/* Comparison and hash of interval and timetz. */
#include "hash.h"
#include <math.h>
#include "types_values.h"

__int128
lg_interval_total_us(lg_interval iv)
{
    return (__int128)iv.us + ((__int128)iv.months * 30 + iv.days) * 86400000000LL;
}

int
lg_interval_compare(lg_datum a, lg_datum b)
{
    __int128 x = lg_interval_total_us(lg_interval_of(a)),
             y = lg_interval_total_us(lg_interval_of(b));
    return (x > y) - (x < y);
}

uint64_t
lg_interval_hash(lg_datum d)
{
    __int128 x = lg_interval_total_us(lg_interval_of(d));
    return lg_hash_u64((uint64_t)x ^ (uint64_t)(x >> 64));
}

static lg_timetz
timetz_of(lg_datum d)
{
    lg_timetz t;
    memcpy(&t, lg_ptr(d), sizeof t);
    return t;
}

/* By the time in UTC, then by zone. */
int
lg_timetz_compare(lg_datum a, lg_datum b)
{
    lg_timetz x = timetz_of(a), y = timetz_of(b);
    int64_t ux = x.us + x.zone * 1000000LL, uy = y.us + y.zone * 1000000LL;
    if (ux != uy)
        return ux > uy ? 1 : -1;
    return (x.zone > y.zone) - (x.zone < y.zone);
}

uint64_t
lg_timetz_hash(lg_datum d)
{
    lg_timetz t = timetz_of(d);
    return lg_hash_u64((uint64_t)t.us * 31 + (uint32_t)t.zone);
}

static bool
fits_int32(double x)
{
    return x >= -0x1p31 && x < 0x1p31;
}

/* Fractions of a month go to days (30 to the month), fractions of a day to time. */
lg_datum
lg_interval_of_parts(lg_call *c, double months, double days, double us)
{
    if (!fits_int32(months) || !fits_int32(days))
        return lg_call_error(c, "22008", "interval out of range");
    lg_interval r = {0, (int32_t)days, (int32_t)months};
    double month_days = rint((months - r.months) * 30 * 1e6) / 1e6;
    double sec = (days - r.days + month_days - (int32_t)month_days) * 86400.0;
    sec = rint(sec * 1e6) / 1e6;
    bool over = false;
    if (fabs(sec) >= 86400.0) {
        over = __builtin_add_overflow(r.days, (int32_t)(sec / 86400.0), &r.days);
        sec -= (int32_t)(sec / 86400.0) * 86400.0;
    }
    us = rint(us + sec * 1e6);
    if (over || __builtin_add_overflow(r.days, (int32_t)month_days, &r.days) ||
        !(us >= -0x1p63 && us < 0x1p63))
        return lg_call_error(c, "22008", "interval out of range");
    r.us = (int64_t)us;
    return lg_datum_interval(c->arena, r);
}

lg_datum
lg_interval_div(lg_call *c, lg_interval iv, double by)
{
    if (by == 0)
        return lg_call_error(c, "22012", "division by zero");
    return lg_interval_of_parts(c, iv.months / by, iv.days / by, (double)iv.us / by);
}
