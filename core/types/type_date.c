/* date, time, timetz: input, output, comparison, arithmetic, casts. */
#include "datetime.h"
#include "types_values.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static lg_datum
text_result(lg_call *c, const char *s)
{
    return lg_datum_ptr(lg_arena_strdup(c->arena, s));
}

static lg_datum
date_overflow(lg_call *c)
{
    return lg_call_error(c, "22008", "date out of range");
}

static lg_datum
ts_overflow(lg_call *c)
{
    return lg_call_error(c, "22008", "timestamp out of range");
}

/* --- date --- */

LG_FN(date_in)
{
    lg_dt_parsed p;
    const char *s = ARG_CSTR(0);
    if (!lg_dt_parse(c, s, "date", &p))
        return 0;
    int32_t today = lg_env_current_date(c->env);
    switch (p.kind) {
    case LG_DT_INFINITY:
        return lg_datum_int4(LG_DATE_INFINITY);
    case LG_DT_NEG_INFINITY:
        return lg_datum_int4(LG_DATE_NEG_INFINITY);
    case LG_DT_EPOCH:
        return lg_datum_int4(-10957);
    case LG_DT_NOW:
    case LG_DT_TODAY:
        return lg_datum_int4(today);
    case LG_DT_TOMORROW:
        return lg_datum_int4(today + 1);
    case LG_DT_YESTERDAY:
        return lg_datum_int4(today - 1);
    default:
        break;
    }
    if (!p.has_date)
        return lg_call_error(c, "22007", "invalid input syntax for type date: \"%s\"", s);
    if (!lg_date_valid(p.dt.year, p.dt.mon, p.dt.day))
        return lg_call_error(c, "22008", "date out of range: \"%s\"", s);
    return lg_datum_int4(lg_jdate(p.dt.year, p.dt.mon, p.dt.day) - LG_PG_EPOCH_JDATE);
}

LG_FN(date_out)
{
    char buf[40];
    lg_date_text(c->env, ARG_INT4(0), buf);
    return text_result(c, buf);
}

LG_FN(date_recv)
{
    int32_t d = (int32_t)lg_recv_uint(c, lg_ptr(ARG(0)), 4);
    if (lg_date_finite(d) && (d < -2451545 || d >= LG_DATE_END))
        return date_overflow(c);
    return lg_datum_int4(d);
}
LG_FN(date_send)
{
    return lg_send_uint(c, ARG(0), 4);
}

#define COMPARE(p)                                                                                 \
    LG_FN(p##_eq)                                                                                  \
    {                                                                                              \
        return ARG_INT8(0) == ARG_INT8(1);                                                         \
    }                                                                                              \
    LG_FN(p##_ne)                                                                                  \
    {                                                                                              \
        return ARG_INT8(0) != ARG_INT8(1);                                                         \
    }                                                                                              \
    LG_FN(p##_lt)                                                                                  \
    {                                                                                              \
        return ARG_INT8(0) < ARG_INT8(1);                                                          \
    }                                                                                              \
    LG_FN(p##_le)                                                                                  \
    {                                                                                              \
        return ARG_INT8(0) <= ARG_INT8(1);                                                         \
    }                                                                                              \
    LG_FN(p##_gt)                                                                                  \
    {                                                                                              \
        return ARG_INT8(0) > ARG_INT8(1);                                                          \
    }                                                                                              \
    LG_FN(p##_ge)                                                                                  \
    {                                                                                              \
        return ARG_INT8(0) >= ARG_INT8(1);                                                         \
    }                                                                                              \
    LG_FN(p##_cmp)                                                                                 \
    {                                                                                              \
        return lg_datum_int4((ARG_INT8(0) > ARG_INT8(1)) - (ARG_INT8(0) < ARG_INT8(1)));           \
    }                                                                                              \
    LG_FN(p##_larger)                                                                              \
    {                                                                                              \
        return ARG_INT8(0) > ARG_INT8(1) ? ARG(0) : ARG(1);                                        \
    }                                                                                              \
    LG_FN(p##_smaller)                                                                             \
    {                                                                                              \
        return ARG_INT8(0) < ARG_INT8(1) ? ARG(0) : ARG(1);                                        \
    }

COMPARE(date)
COMPARE(time)

LG_FN(date_finite)
{
    return lg_date_finite(ARG_INT4(0));
}

LG_FN(date_mi)
{
    int32_t a = ARG_INT4(0), b = ARG_INT4(1);
    if (!lg_date_finite(a) || !lg_date_finite(b))
        return lg_call_error(c, "22008", "cannot subtract infinite dates");
    return lg_datum_int4(a - b);
}

static lg_datum
date_shift(lg_call *c, int64_t by)
{
    int32_t d = ARG_INT4(0);
    if (!lg_date_finite(d))
        return ARG(0);
    int64_t r = d + by;
    if (r < -2451545 || r >= LG_DATE_END)
        return date_overflow(c);
    return lg_datum_int8(r);
}

LG_FN(date_pli)
{
    return date_shift(c, ARG_INT4(1));
}
LG_FN(date_mii)
{
    return date_shift(c, -(int64_t)ARG_INT4(1));
}
bool
lg_date_to_ts(int32_t d, int64_t *ret)
{
    if (!lg_date_finite(d)) {
        *ret = d < 0 ? LG_TS_NEG_INFINITY : LG_TS_INFINITY;
        return true;
    }
    __int128 t = (__int128)d * LG_US_PER_DAY;
    *ret = (int64_t)t;
    return t >= LG_TS_MIN && t < LG_TS_END;
}

static lg_datum
date_range(lg_call *c)
{
    return lg_call_error(c, "22008", "date out of range for timestamp");
}

LG_FN(date_timestamp)
{
    int64_t t;
    return lg_date_to_ts(ARG_INT4(0), &t) ? lg_datum_int8(t) : date_range(c);
}

LG_FN(date_timestamptz)
{
    int64_t t;
    return lg_date_to_ts(ARG_INT4(0), &t) ? lg_datum_int8(lg_ts_to_utc(c->env->tz, t))
                                          : date_range(c);
}

static lg_datum
ts_date(int64_t t)
{
    if (!lg_ts_finite(t))
        return lg_datum_int4(t < 0 ? LG_DATE_NEG_INFINITY : LG_DATE_INFINITY);
    int64_t d = t / LG_US_PER_DAY - (t % LG_US_PER_DAY < 0);
    return lg_datum_int4((int32_t)d);
}

LG_FN(timestamp_date)
{
    return ts_date(ARG_INT8(0));
}
LG_FN(timestamptz_date)
{
    return ts_date(lg_ts_to_local(c->env->tz, ARG_INT8(0)));
}

static lg_datum
date_plus_interval(lg_call *c, int sign)
{
    int64_t t;
    lg_interval iv = lg_interval_of(ARG(1));
    if (sign < 0)
        iv = (lg_interval){-iv.us, -iv.days, -iv.months};
    if (!lg_date_to_ts(ARG_INT4(0), &t))
        return date_range(c);
    return lg_ts_add_interval(c, t, iv, false, &t) ? lg_datum_int8(t) : 0;
}

LG_FN(date_pl_interval)
{
    return date_plus_interval(c, 1);
}
LG_FN(date_mi_interval)
{
    return date_plus_interval(c, -1);
}

LG_FN(datetime_timestamp)
{
    int64_t t;
    if (!lg_date_to_ts(ARG_INT4(0), &t))
        return date_range(c);
    if (lg_ts_finite(t))
        t += ARG_INT8(1);
    return lg_ts_finite(t) && !lg_ts_valid(t) ? ts_overflow(c) : lg_datum_int8(t);
}

/* date against timestamp and timestamptz */
static int
compare_date_ts(int32_t d, int64_t ts, const lg_tz *tz, bool with_zone)
{
    int64_t t;
    if (!lg_date_to_ts(d, &t))
        return d < 0 ? -1 : 1;
    if (with_zone)
        t = lg_ts_to_utc(tz, t);
    return (t > ts) - (t < ts);
}

#define DATE_CROSS(other, zone)                                                                    \
    static int date_vs_##other(const lg_call *c)                                                   \
    {                                                                                              \
        return compare_date_ts(ARG_INT4(0), ARG_INT8(1), c->env->tz, zone);                        \
    }                                                                                              \
    static int other##_vs_date(const lg_call *c)                                                   \
    {                                                                                              \
        return -compare_date_ts(ARG_INT4(1), ARG_INT8(0), c->env->tz, zone);                       \
    }                                                                                              \
    LG_FN(date_eq_##other)                                                                         \
    {                                                                                              \
        return date_vs_##other(c) == 0;                                                            \
    }                                                                                              \
    LG_FN(date_ne_##other)                                                                         \
    {                                                                                              \
        return date_vs_##other(c) != 0;                                                            \
    }                                                                                              \
    LG_FN(date_lt_##other)                                                                         \
    {                                                                                              \
        return date_vs_##other(c) < 0;                                                             \
    }                                                                                              \
    LG_FN(date_le_##other)                                                                         \
    {                                                                                              \
        return date_vs_##other(c) <= 0;                                                            \
    }                                                                                              \
    LG_FN(date_gt_##other)                                                                         \
    {                                                                                              \
        return date_vs_##other(c) > 0;                                                             \
    }                                                                                              \
    LG_FN(date_ge_##other)                                                                         \
    {                                                                                              \
        return date_vs_##other(c) >= 0;                                                            \
    }                                                                                              \
    LG_FN(date_cmp_##other)                                                                        \
    {                                                                                              \
        return lg_datum_int4(date_vs_##other(c));                                                  \
    }                                                                                              \
    LG_FN(other##_eq_date)                                                                         \
    {                                                                                              \
        return other##_vs_date(c) == 0;                                                            \
    }                                                                                              \
    LG_FN(other##_ne_date)                                                                         \
    {                                                                                              \
        return other##_vs_date(c) != 0;                                                            \
    }                                                                                              \
    LG_FN(other##_lt_date)                                                                         \
    {                                                                                              \
        return other##_vs_date(c) < 0;                                                             \
    }                                                                                              \
    LG_FN(other##_le_date)                                                                         \
    {                                                                                              \
        return other##_vs_date(c) <= 0;                                                            \
    }                                                                                              \
    LG_FN(other##_gt_date)                                                                         \
    {                                                                                              \
        return other##_vs_date(c) > 0;                                                             \
    }                                                                                              \
    LG_FN(other##_ge_date)                                                                         \
    {                                                                                              \
        return other##_vs_date(c) >= 0;                                                            \
    }                                                                                              \
    LG_FN(other##_cmp_date)                                                                        \
    {                                                                                              \
        return lg_datum_int4(other##_vs_date(c));                                                  \
    }

DATE_CROSS(timestamp, false)
DATE_CROSS(timestamptz, true)

LG_FN(make_date)
{
    int y = ARG_INT4(0), m = ARG_INT4(1), d = ARG_INT4(2);
    bool bc = y < 0;
    if (bc)
        y = 1 + y; /* there is no year 0: -1 is 1 BC */
    if ((ARG_INT4(0) == 0) || m < 1 || m > 12 || d < 1 || d > 31 || d > lg_month_days(y, m))
        return lg_call_error(c, "22008", "date field value out of range: %d-%02d-%02d",
                             ARG_INT4(0) == INT32_MIN ? INT32_MIN : y, m, d);
    if (!lg_date_valid(y, m, d))
        return lg_call_error(c, "22008", "date out of range: %d-%02d-%02d", y, m, d);
    return lg_datum_int4(lg_jdate(y, m, d) - LG_PG_EPOCH_JDATE);
}

/* --- time --- */

static int64_t
day_us(const lg_dt *t)
{
    return ((t->hour * 60LL + t->min) * 60 + t->sec) * LG_US_PER_S + t->us;
}

/* The special words as a moment of the session's local clock. */
static bool
local_word(lg_call *c, const lg_dt_parsed *p, int64_t *ret)
{
    if (p->kind == LG_DT_NOW) {
        *ret = lg_env_localtimestamp(c->env);
        return true;
    }
    return false;
}

static int64_t
us_of_day(int64_t ts)
{
    int64_t r = ts % LG_US_PER_DAY;
    return r < 0 ? r + LG_US_PER_DAY : r;
}

LG_FN(time_in)
{
    lg_dt_parsed p;
    int64_t t;
    if (!lg_dt_parse(c, ARG_CSTR(0), "time", &p))
        return 0;
    if (local_word(c, &p, &t))
        return lg_datum_int8(us_of_day(t));
    if (p.kind != LG_DT_NORMAL || (!p.has_time))
        return lg_call_error(c, "22007", "invalid input syntax for type time: \"%s\"", ARG_CSTR(0));
    if (day_us(&p.dt) > LG_US_PER_DAY)
        return lg_call_error(c, "22008", "date/time field value out of range: \"%s\"", ARG_CSTR(0));
    return lg_datum_int8(lg_time_round(day_us(&p.dt), ARG_INT4(2)));
}

LG_FN(time_out)
{
    char buf[40];
    lg_time_text(ARG_INT8(0), buf);
    return text_result(c, buf);
}

LG_FN(time_recv)
{
    int64_t t = (int64_t)lg_recv_uint(c, lg_ptr(ARG(0)), 8);
    if (t < 0 || t > LG_US_PER_DAY)
        return lg_call_error(c, "22008", "time out of range");
    return lg_datum_int8(lg_time_round(t, ARG_INT4(2)));
}
LG_FN(time_send)
{
    return lg_send_uint(c, ARG(0), 8);
}
LG_FN(time_scale)
{
    return lg_datum_int8(lg_time_round(ARG_INT8(0), ARG_INT4(1)));
}

LG_FN(timestamp_time)
{
    if (!lg_ts_finite(ARG_INT8(0)))
        RET_NULL();
    return lg_datum_int8(us_of_day(ARG_INT8(0)));
}

LG_FN(timestamptz_time)
{
    if (!lg_ts_finite(ARG_INT8(0)))
        RET_NULL();
    return lg_datum_int8(us_of_day(lg_ts_to_local(c->env->tz, ARG_INT8(0))));
}

LG_FN(time_interval)
{
    return lg_datum_interval(c->arena, (lg_interval){ARG_INT8(0), 0, 0});
}
LG_FN(interval_time)
{
    return lg_datum_int8(us_of_day(lg_interval_of(ARG(0)).us));
}
LG_FN(time_mi_time)
{
    return lg_datum_interval(c->arena, (lg_interval){ARG_INT8(0) - ARG_INT8(1), 0, 0});
}
LG_FN(time_pl_interval)
{
    return lg_datum_int8(us_of_day(ARG_INT8(0) + lg_interval_of(ARG(1)).us % LG_US_PER_DAY));
}
LG_FN(time_mi_interval)
{
    return lg_datum_int8(us_of_day(ARG_INT8(0) - lg_interval_of(ARG(1)).us % LG_US_PER_DAY));
}

LG_FN(make_time)
{
    int h = ARG_INT4(0), m = ARG_INT4(1);
    double s = ARG_FLOAT8(2);
    bool whole = h == 24 && m == 0 && s == 0;
    if (h < 0 || m < 0 || m > 59 || !(s >= 0 && s <= 60) || (h > 23 && !whole))
        return lg_call_error(c, "22008", "time field value out of range: %d:%02d:%s", h, m,
                             isinf(s)   ? (s < 0 ? "-Infinity" : "Infinity")
                             : isnan(s) ? "NaN"
                                        : lg_arena_printf(c->arena, "%02g", s));
    return lg_datum_int8((h * 60LL + m) * 60 * LG_US_PER_S + (int64_t)rint(s * 1e6));
}

/* --- timetz --- */

static lg_datum
make_timetz(lg_call *c, int64_t us, int32_t zone)
{
    lg_timetz t = {us, zone};
    return lg_datum_ptr(lg_arena_dup(c->arena, &t, sizeof t));
}

static lg_timetz
timetz_arg(const lg_call *c, uint32_t i)
{
    lg_timetz t;
    memcpy(&t, lg_ptr(ARG(i)), sizeof t);
    return t;
}

LG_FN(timetz_in)
{
    lg_dt_parsed p;
    int64_t t;
    if (!lg_dt_parse(c, ARG_CSTR(0), "time with time zone", &p))
        return 0;
    if (local_word(c, &p, &t))
        return make_timetz(c, us_of_day(t), -lg_tz_local_offset(c->env->tz, t));
    if (p.kind != LG_DT_NORMAL || !p.has_time)
        return lg_call_error(
            c, "22007", "invalid input syntax for type time with time zone: \"%s\"", ARG_CSTR(0));
    if (day_us(&p.dt) > LG_US_PER_DAY)
        return lg_call_error(c, "22008", "date/time field value out of range: \"%s\"", ARG_CSTR(0));
    int32_t off = p.offset;
    if (!p.has_zone || p.zone) {
        const lg_tz *tz = p.has_zone ? p.zone : c->env->tz;
        /* A date that no timestamp reaches: UTC, as PostgreSQL takes it. */
        bool far = p.has_date && (p.dt.year > 294276 || p.dt.year < -4713);
        int64_t day = far          ? 0
                      : p.has_date ? lg_jdate(p.dt.year, p.dt.mon, p.dt.day) - LG_PG_EPOCH_JDATE
                                   : lg_env_current_date(c->env);
        off = far ? 0 : lg_tz_local_offset(tz, day * LG_US_PER_DAY + day_us(&p.dt));
    }
    return make_timetz(c, lg_time_round(day_us(&p.dt), ARG_INT4(2)), -off);
}

LG_FN(timetz_out)
{
    char buf[64];
    lg_timetz t = timetz_arg(c, 0);
    lg_time_text(t.us, buf);
    lg_zone_text(-t.zone, buf + strlen(buf));
    return text_result(c, buf);
}

LG_FN(timetz_recv)
{
    lg_recvbuf *b = lg_ptr(ARG(0));
    int64_t us = (int64_t)lg_recv_uint(c, b, 8);
    int32_t zone = (int32_t)lg_recv_uint(c, b, 4);
    if (us < 0 || us > LG_US_PER_DAY)
        return lg_call_error(c, "22008", "time out of range");
    if (zone <= -16 * 3600 || zone >= 16 * 3600)
        return lg_call_error(c, "22009", "time zone displacement out of range");
    return make_timetz(c, lg_time_round(us, ARG_INT4(2)), zone);
}

LG_FN(timetz_send)
{
    lg_timetz t = timetz_arg(c, 0);
    lg_abuf b;
    lg_abuf_for(&b, c);
    for (int i = 7; i >= 0; i--)
        lg_abuf_putc(&b, (char)((uint64_t)t.us >> (8 * i)));
    for (int i = 3; i >= 0; i--)
        lg_abuf_putc(&b, (char)((uint32_t)t.zone >> (8 * i)));
    return lg_abuf_text(&b);
}

LG_FN(timetz_eq)
{
    return lg_timetz_compare(ARG(0), ARG(1)) == 0;
}
LG_FN(timetz_ne)
{
    return lg_timetz_compare(ARG(0), ARG(1)) != 0;
}
LG_FN(timetz_lt)
{
    return lg_timetz_compare(ARG(0), ARG(1)) < 0;
}
LG_FN(timetz_le)
{
    return lg_timetz_compare(ARG(0), ARG(1)) <= 0;
}
LG_FN(timetz_gt)
{
    return lg_timetz_compare(ARG(0), ARG(1)) > 0;
}
LG_FN(timetz_ge)
{
    return lg_timetz_compare(ARG(0), ARG(1)) >= 0;
}
LG_FN(timetz_cmp)
{
    return lg_datum_int4(lg_timetz_compare(ARG(0), ARG(1)));
}
LG_FN(timetz_larger)
{
    return lg_timetz_compare(ARG(0), ARG(1)) > 0 ? ARG(0) : ARG(1);
}
LG_FN(timetz_smaller)
{
    return lg_timetz_compare(ARG(0), ARG(1)) < 0 ? ARG(0) : ARG(1);
}
LG_FN(timetz_time)
{
    return lg_datum_int8(timetz_arg(c, 0).us);
}
LG_FN(timetz_scale)
{
    lg_timetz t = timetz_arg(c, 0);
    return make_timetz(c, lg_time_round(t.us, ARG_INT4(1)), t.zone);
}

LG_FN(time_timetz)
{
    int64_t now = lg_env_current_date(c->env) * LG_US_PER_DAY + ARG_INT8(0);
    return make_timetz(c, ARG_INT8(0), -lg_tz_local_offset(c->env->tz, now));
}

LG_FN(timestamptz_timetz)
{
    if (!lg_ts_finite(ARG_INT8(0)))
        RET_NULL();
    int64_t local = lg_ts_to_local(c->env->tz, ARG_INT8(0));
    return make_timetz(c, us_of_day(local), -(int32_t)((local - ARG_INT8(0)) / LG_US_PER_S));
}

LG_FN(timetz_pl_interval)
{
    lg_timetz t = timetz_arg(c, 0);
    return make_timetz(c, us_of_day(t.us + lg_interval_of(ARG(1)).us % LG_US_PER_DAY), t.zone);
}

LG_FN(timetz_mi_interval)
{
    lg_timetz t = timetz_arg(c, 0);
    return make_timetz(c, us_of_day(t.us - lg_interval_of(ARG(1)).us % LG_US_PER_DAY), t.zone);
}

LG_FN(datetimetz_timestamptz)
{
    int64_t t;
    lg_timetz z = timetz_arg(c, 1);
    if (!lg_date_to_ts(ARG_INT4(0), &t))
        return date_range(c);
    if (lg_ts_finite(t))
        t += z.us + z.zone * LG_US_PER_S;
    return lg_ts_finite(t) && !lg_ts_valid(t) ? ts_overflow(c) : lg_datum_int8(t);
}
