/* timestamp and timestamptz: input, output, comparison, arithmetic, casts, clock functions. */
#include "datetime.h"
#include "types_values.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>

static lg_datum
overflow(lg_call *c)
{
    return lg_call_error(c, "22008", "timestamp out of range");
}

static lg_datum
checked(lg_call *c, int64_t t)
{
    return lg_ts_finite(t) && !lg_ts_valid(t) ? overflow(c) : lg_datum_int8(t);
}

/* --- input and output --- */

static int64_t
start_of_local_day(const lg_env *env, int shift)
{
    return ((int64_t)lg_env_current_date(env) + shift) * LG_US_PER_DAY;
}

static lg_datum
ts_in(lg_call *c, bool with_zone)
{
    const char *s = ARG_CSTR(0);
    const char *type = with_zone ? "timestamp with time zone" : "timestamp";
    lg_dt_parsed p;
    int64_t t = 0;
    if (!lg_dt_parse(c, s, type, &p))
        return 0;
    const lg_tz *tz = c->env->tz;
    bool local = true; /* t is local time still */
    switch (p.kind) {
    case LG_DT_INFINITY:
        return lg_datum_int8(LG_TS_INFINITY);
    case LG_DT_NEG_INFINITY:
        return lg_datum_int8(LG_TS_NEG_INFINITY);
    case LG_DT_EPOCH:
        return lg_datum_int8(-LG_TS_UNIX_EPOCH_US);
    case LG_DT_NOW:
        t = lg_env_localtimestamp(c->env);
        break;
    case LG_DT_TODAY:
    case LG_DT_TOMORROW:
    case LG_DT_YESTERDAY:
        t = start_of_local_day(c->env, p.kind == LG_DT_TODAY      ? 0
                                       : p.kind == LG_DT_TOMORROW ? 1
                                                                  : -1);
        t += ((p.dt.hour * 60LL + p.dt.min) * 60 + p.dt.sec) * LG_US_PER_S + p.dt.us;
        break;
    default:
        if (!p.has_date)
            return lg_call_error(c, "22007", "invalid input syntax for type %s: \"%s\"", type, s);
        if (!lg_ts_join(&p.dt, &t))
            return lg_call_error(c, "22008", "timestamp out of range: \"%s\"", s);
    }
    if (with_zone && p.has_zone && !p.zone) {
        t -= p.offset * LG_US_PER_S;
        local = false;
    } else if (p.has_zone && p.zone) {
        tz = p.zone;
    }
    if (with_zone && local)
        t = lg_ts_to_utc(tz, t);
    t = lg_time_round(t, ARG_INT4(2));
    if (!lg_ts_valid(t))
        return lg_call_error(c, "22008", "timestamp out of range: \"%s\"", s);
    return lg_datum_int8(t);
}

LG_FN(timestamp_in)
{
    return ts_in(c, false);
}
LG_FN(timestamptz_in)
{
    return ts_in(c, true);
}

static lg_datum
ts_out(lg_call *c, bool with_zone)
{
    char *buf = lg_arena_alloc(c->arena, 96);
    lg_ts_text(c->env, ARG_INT8(0), with_zone, buf);
    return lg_datum_ptr(buf);
}

LG_FN(timestamp_out)
{
    return ts_out(c, false);
}
LG_FN(timestamptz_out)
{
    return ts_out(c, true);
}
LG_FN(timestamp_recv)
{
    return checked(c, (int64_t)lg_recv_uint(c, lg_ptr(ARG(0)), 8));
}
LG_FN(timestamptz_recv)
{
    return checked(c, (int64_t)lg_recv_uint(c, lg_ptr(ARG(0)), 8));
}
LG_FN(timestamp_send)
{
    return lg_send_uint(c, ARG(0), 8);
}
LG_FN(timestamptz_send)
{
    return lg_send_uint(c, ARG(0), 8);
}
LG_FN(timestamp_scale)
{
    return checked(c, lg_time_round(ARG_INT8(0), ARG_INT4(1)));
}
LG_FN(timestamptz_scale)
{
    return checked(c, lg_time_round(ARG_INT8(0), ARG_INT4(1)));
}

/* --- typmod of time, timetz, timestamp, timestamptz: the precision --- */

static lg_datum
precision_in(lg_call *c, const char *type, const char *zone)
{
    lg_array_view v;
    lg_array_cstrings(c, ARG(0), &v);
    if (v.n != 1)
        return lg_call_error(c, "22023", "invalid type modifier");
    int64_t p = lg_parse_int(c, v.strings[0], INT32_MIN, INT32_MAX, "integer");
    if (c->st)
        return 0;
    if (p < 0)
        return lg_call_error(c, "22023", "%s(%d)%s precision must not be negative", type, (int)p,
                             zone);
    return lg_datum_int8(p > 6 ? 6 : p);
}

static lg_datum
precision_out(lg_call *c, const char *zone)
{
    int32_t p = ARG_INT4(0);
    return lg_datum_ptr(p >= 0 ? lg_arena_printf(c->arena, "(%d)%s", p, zone) : zone);
}

#define WITH    " with time zone"
#define WITHOUT " without time zone"
LG_FN(timestamptypmodin)
{
    return precision_in(c, "TIMESTAMP", "");
}
LG_FN(timestamptztypmodin)
{
    return precision_in(c, "TIMESTAMP", " WITH TIME ZONE");
}
LG_FN(timetypmodin)
{
    return precision_in(c, "TIME", "");
}
LG_FN(timetztypmodin)
{
    return precision_in(c, "TIME", " WITH TIME ZONE");
}
LG_FN(timestamptypmodout)
{
    return precision_out(c, WITHOUT);
}
LG_FN(timestamptztypmodout)
{
    return precision_out(c, WITH);
}
LG_FN(timetypmodout)
{
    return precision_out(c, WITHOUT);
}
LG_FN(timetztypmodout)
{
    return precision_out(c, WITH);
}

/* --- comparison --- */

static int
compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

LG_FN(timestamp_eq)
{
    return ARG(0) == ARG(1);
}
LG_FN(timestamp_ne)
{
    return ARG(0) != ARG(1);
}
LG_FN(timestamp_lt)
{
    return ARG_INT8(0) < ARG_INT8(1);
}
LG_FN(timestamp_le)
{
    return ARG_INT8(0) <= ARG_INT8(1);
}
LG_FN(timestamp_gt)
{
    return ARG_INT8(0) > ARG_INT8(1);
}
LG_FN(timestamp_ge)
{
    return ARG_INT8(0) >= ARG_INT8(1);
}
LG_FN(timestamp_cmp)
{
    return lg_datum_int4(compare(ARG_INT8(0), ARG_INT8(1)));
}
LG_FN(timestamp_larger)
{
    return ARG_INT8(0) > ARG_INT8(1) ? ARG(0) : ARG(1);
}
LG_FN(timestamp_smaller)
{
    return ARG_INT8(0) < ARG_INT8(1) ? ARG(0) : ARG(1);
}
LG_FN(timestamp_finite)
{
    return lg_ts_finite(ARG_INT8(0));
}

static int
mixed(const lg_call *c, int zoned)
{
    int64_t a = ARG_INT8(0), b = ARG_INT8(1);
    return zoned == 1 ? compare(lg_ts_to_utc(c->env->tz, a), b)
                      : compare(a, lg_ts_to_utc(c->env->tz, b));
}

#define MIXED(l, r, zoned)                                                                         \
    LG_FN(l##_eq_##r)                                                                              \
    {                                                                                              \
        return mixed(c, zoned) == 0;                                                               \
    }                                                                                              \
    LG_FN(l##_ne_##r)                                                                              \
    {                                                                                              \
        return mixed(c, zoned) != 0;                                                               \
    }                                                                                              \
    LG_FN(l##_lt_##r)                                                                              \
    {                                                                                              \
        return mixed(c, zoned) < 0;                                                                \
    }                                                                                              \
    LG_FN(l##_le_##r)                                                                              \
    {                                                                                              \
        return mixed(c, zoned) <= 0;                                                               \
    }                                                                                              \
    LG_FN(l##_gt_##r)                                                                              \
    {                                                                                              \
        return mixed(c, zoned) > 0;                                                                \
    }                                                                                              \
    LG_FN(l##_ge_##r)                                                                              \
    {                                                                                              \
        return mixed(c, zoned) >= 0;                                                               \
    }                                                                                              \
    LG_FN(l##_cmp_##r)                                                                             \
    {                                                                                              \
        return lg_datum_int4(mixed(c, zoned));                                                     \
    }

MIXED(timestamp, timestamptz, 1)
MIXED(timestamptz, timestamp, 0)

/* --- casts and zones --- */

LG_FN(timestamp_timestamptz)
{
    return checked(c, lg_ts_to_utc(c->env->tz, ARG_INT8(0)));
}
LG_FN(timestamptz_timestamp)
{
    return checked(c, lg_ts_to_local(c->env->tz, ARG_INT8(0)));
}

static bool
zone_arg(lg_call *c, const lg_tz **tz, int32_t *off)
{
    char *name = lg_text_cstring(c->arena, ARG(0));
    if (lg_zone_find(c, name, tz, off))
        return true;
    lg_call_error(c, "22023", "time zone \"%s\" not recognized", name);
    return false;
}

/* timestamp AT TIME ZONE zone -> timestamptz */
LG_FN(timestamp_zone)
{
    const lg_tz *tz;
    int32_t off;
    int64_t t = ARG_INT8(1);
    if (!lg_ts_finite(t))
        return ARG(1);
    if (!zone_arg(c, &tz, &off))
        return 0;
    return checked(c, tz ? lg_ts_to_utc(tz, t) : t - off * LG_US_PER_S);
}

LG_FN(timestamptz_zone)
{
    const lg_tz *tz;
    int32_t off;
    int64_t t = ARG_INT8(1);
    if (!lg_ts_finite(t))
        return ARG(1);
    if (!zone_arg(c, &tz, &off))
        return 0;
    return checked(c, tz ? lg_ts_to_local(tz, t) : t + off * LG_US_PER_S);
}

/* Seconds east of Greenwich that argument 0, an interval, says. */
static bool
interval_offset(lg_call *c, int32_t *ret)
{
    lg_interval iv = lg_interval_of(ARG(0));
    if (iv.months || iv.days) {
        char buf[200];
        lg_interval_text(c->env, iv, buf);
        lg_call_error(c, "22023", "interval time zone \"%s\" must not include months or days", buf);
        return false;
    }
    *ret = (int32_t)(iv.us / LG_US_PER_S);
    return true;
}

static lg_datum
interval_zone(lg_call *c, int sign)
{
    int32_t off;
    if (!lg_ts_finite(ARG_INT8(1)))
        return ARG(1);
    return interval_offset(c, &off) ? checked(c, ARG_INT8(1) + sign * (off * LG_US_PER_S)) : 0;
}

LG_FN(timestamp_izone)
{
    return interval_zone(c, -1);
}
LG_FN(timestamptz_izone)
{
    return interval_zone(c, 1);
}

static lg_datum
timetz_at(lg_call *c, int32_t off)
{
    lg_timetz t;
    memcpy(&t, lg_ptr(ARG(1)), sizeof t);
    int64_t us = (t.us + (t.zone + off) * LG_US_PER_S) % LG_US_PER_DAY;
    t.us = us < 0 ? us + LG_US_PER_DAY : us;
    t.zone = -off;
    return lg_datum_ptr(lg_arena_dup(c->arena, &t, sizeof t));
}

LG_FN(timetz_zone)
{
    const lg_tz *tz;
    int32_t off;
    if (!zone_arg(c, &tz, &off))
        return 0;
    if (tz)
        off = lg_tz_offset(tz, (c->env->txn_ts + LG_TS_UNIX_EPOCH_US) / LG_US_PER_S, NULL, NULL);
    return timetz_at(c, off);
}
LG_FN(timetz_izone)
{
    int32_t off;
    return interval_offset(c, &off) ? timetz_at(c, off) : 0;
}

/* --- arithmetic --- */

bool
lg_ts_add_interval(lg_call *c, int64_t ts, lg_interval iv, bool with_zone, int64_t *ret)
{
    const lg_tz *tz = with_zone ? c->env->tz : NULL;
    *ret = ts;
    if (!lg_ts_finite(ts))
        return true;
    lg_dt t;
    if (iv.months || iv.days) {
        lg_ts_split(with_zone ? lg_ts_to_local(tz, ts) : ts, &t);
        int64_t m = (int64_t)t.year * 12 + t.mon - 1 + iv.months;
        int64_t y = m >= 0 ? m / 12 : -((-m + 11) / 12);
        if (iv.months) {
            if (y < -4800 || y > 300000)
                goto range;
            t.year = (int)y;
            t.mon = (int)(m - y * 12) + 1;
            int last = lg_month_days(t.year, t.mon);
            t.day = t.day > last ? last : t.day;
            if (!lg_date_valid(t.year, t.mon, t.day))
                goto range;
        }
        int64_t jd = (int64_t)lg_jdate(t.year, t.mon, t.day) + iv.days;
        if (jd < 0 || jd > LG_DATE_END + (int64_t)LG_PG_EPOCH_JDATE)
            goto range;
        lg_jdate_split((int)jd, &t.year, &t.mon, &t.day);
        if (!lg_ts_join(&t, &ts))
            goto range;
        if (with_zone)
            ts = lg_ts_to_utc(tz, ts);
    }
    if (__builtin_add_overflow(ts, iv.us, &ts) || !lg_ts_valid(ts))
        goto range;
    *ret = ts;
    return true;
range:
    overflow(c);
    return false;
}

static lg_datum
add(lg_call *c, bool with_zone, int sign)
{
    lg_interval iv = lg_interval_of(ARG(1));
    int64_t r;
    if (sign < 0)
        iv = (lg_interval){(int64_t)(0 - (uint64_t)iv.us), -iv.days, -iv.months};
    return lg_ts_add_interval(c, ARG_INT8(0), iv, with_zone, &r) ? lg_datum_int8(r) : 0;
}

LG_FN(timestamp_pl_interval)
{
    return add(c, false, 1);
}
LG_FN(timestamp_mi_interval)
{
    return add(c, false, -1);
}
LG_FN(timestamptz_pl_interval)
{
    return add(c, true, 1);
}
LG_FN(timestamptz_mi_interval)
{
    return add(c, true, -1);
}

/* Whole days become days (justify_hours). */
LG_FN(timestamp_mi)
{
    int64_t a = ARG_INT8(0), b = ARG_INT8(1), r;
    if (!lg_ts_finite(a) || !lg_ts_finite(b))
        return lg_call_error(c, "22008", "cannot subtract infinite timestamps");
    if (__builtin_sub_overflow(a, b, &r))
        return lg_call_error(c, "22008", "interval out of range");
    lg_interval iv = {r % LG_US_PER_DAY, (int32_t)(r / LG_US_PER_DAY), 0};
    return lg_datum_interval(c->arena, iv);
}

/* The difference in years, months, days and time, by the calendar. */
static lg_datum
age_of(lg_call *c, int64_t a, int64_t b, const lg_tz *tz, bool with_zone)
{
    lg_dt x, y;
    if (!lg_ts_finite(a) || !lg_ts_finite(b))
        return overflow(c);
    if (with_zone) {
        lg_tstz_split(c->env, a, tz, &x);
        lg_tstz_split(c->env, b, tz, &y);
    } else {
        lg_ts_split(a, &x);
        lg_ts_split(b, &y);
    }
    bool neg = a < b;
    if (neg) {
        lg_dt t = x;
        x = y;
        y = t;
    }
    int64_t us =
        (((int64_t)(x.hour - y.hour) * 60 + (x.min - y.min)) * 60 + (x.sec - y.sec)) * LG_US_PER_S +
        (x.us - y.us);
    int days = x.day - y.day, mon = x.mon - y.mon, year = x.year - y.year;
    if (us < 0) {
        us += LG_US_PER_DAY;
        days--;
    }
    while (days < 0) { /* the length of the earlier date's month */
        days += lg_month_days(y.year, y.mon);
        mon--;
    }
    if (mon < 0) {
        mon += 12;
        year--;
    }
    lg_interval iv = {us, days, year * 12 + mon};
    if (neg)
        iv = (lg_interval){-us, -days, -(year * 12 + mon)};
    return lg_datum_interval(c->arena, iv);
}

LG_FN(timestamp_age)
{
    return age_of(c, ARG_INT8(0), ARG_INT8(1), NULL, false);
}
LG_FN(timestamptz_age)
{
    return age_of(c, ARG_INT8(0), ARG_INT8(1), c->env->tz, true);
}

LG_FN(oid_2059) /* age(timestamp): from the start of today */
{
    return age_of(c, start_of_local_day(c->env, 0), ARG_INT8(0), NULL, false);
}

LG_FN(oid_1386) /* age(timestamptz) */
{
    int64_t today = lg_ts_to_utc(c->env->tz, start_of_local_day(c->env, 0));
    return age_of(c, today, ARG_INT8(0), c->env->tz, true);
}

/* --- construction --- */

static bool
make_ts(lg_call *c, int64_t *ret)
{
    lg_dt t = {ARG_INT4(0), ARG_INT4(1), ARG_INT4(2), ARG_INT4(3), ARG_INT4(4), 0, 0, 0, NULL};
    double s = ARG_FLOAT8(5);
    bool bc = t.year < 0;
    if (bc)
        t.year++;
    if (ARG_INT4(0) == 0 || t.mon < 1 || t.mon > 12 || t.day < 1 ||
        t.day > lg_month_days(t.year, t.mon)) {
        lg_call_error(c, "22008", "date field value out of range: %d-%02d-%02d", ARG_INT4(0), t.mon,
                      t.day);
        return false;
    }
    bool whole = t.hour == 24 && t.min == 0 && s == 0;
    if (t.hour < 0 || t.min < 0 || t.min > 59 || !(s >= 0 && s <= 60) || (t.hour > 23 && !whole)) {
        lg_call_error(c, "22008", "time field value out of range: %d:%02d:%s", t.hour, t.min,
                      isinf(s)   ? (s < 0 ? "-Infinity" : "Infinity")
                      : isnan(s) ? "NaN"
                                 : lg_arena_printf(c->arena, "%02g", s));
        return false;
    }
    int64_t us = (int64_t)rint(s * 1e6);
    if (!lg_ts_join(&t, ret)) {
        lg_call_error(c, "22008", "timestamp out of range: %d-%02d-%02d %d:%02d:%02g", t.year,
                      t.mon, t.day, t.hour, t.min, s);
        return false;
    }
    *ret += us;
    return true;
}

LG_FN(make_timestamp)
{
    int64_t t;
    return make_ts(c, &t) ? lg_datum_int8(t) : 0;
}

LG_FN(make_timestamptz)
{
    int64_t t;
    return make_ts(c, &t) ? checked(c, lg_ts_to_utc(c->env->tz, t)) : 0;
}

LG_FN(make_timestamptz_at_timezone)
{
    int64_t t;
    const lg_tz *tz;
    int32_t off;
    if (!make_ts(c, &t))
        return 0;
    char *name = lg_text_cstring(c->arena, ARG(6));
    if (isdigit((unsigned char)*name)) {
        lg_call_error(c, "22023", "invalid input syntax for type %s: \"%s\"", "numeric time zone",
                      name);
        lg_error_hint(c->err, "Numeric time zones must have \"-\" or \"+\" as first character.");
        return 0;
    }
    lg_zone_number number =
        *name == '+' || *name == '-' ? lg_zone_numeric(name, &off) : LG_ZONE_BAD;
    if (number == LG_ZONE_RANGE)
        return lg_call_error(c, "22023", "numeric time zone \"%s\" out of range", name);
    if (number == LG_ZONE_OK)
        tz = NULL;
    else if (!lg_zone_find(c, name, &tz, &off))
        return lg_call_error(c, "22023", "time zone \"%s\" not recognized", name);
    return checked(c, tz ? lg_ts_to_utc(tz, t) : t - off * LG_US_PER_S);
}

LG_FN(float8_timestamptz) /* to_timestamp(double) */
{
    double s = ARG_FLOAT8(0);
    if (isnan(s))
        return lg_call_error(c, "22008", "timestamp cannot be NaN");
    if (isinf(s))
        return lg_datum_int8(s < 0 ? LG_TS_NEG_INFINITY : LG_TS_INFINITY);
    if (s < -210866803200.0 || s >= 9224318016000.0) {
        char b[40];
        snprintf(b, sizeof b, "%g", s);
        return lg_call_error(c, "22008", "timestamp out of range: \"%s\"", b);
    }
    s = rint((s - 946684800.0) * 1e6);
    return checked(c, (int64_t)s);
}

/* --- the clock --- */

LG_FN(now)
{
    return lg_datum_int8(c->env->txn_ts);
}
LG_FN(statement_timestamp)
{
    return lg_datum_int8(c->env->stmt_ts);
}
LG_FN(clock_timestamp)
{
    return lg_datum_int8(c->env->clock_ts ? c->env->clock_ts(c->env->arg) : c->env->stmt_ts);
}

LG_FN(timeofday)
{
    lg_dt t;
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const mons[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    lg_tstz_split(c->env, lg_int8(lg_fn_clock_timestamp(c)), c->env->tz, &t);
    return lg_datum_cstring_text(
        c->arena, lg_arena_printf(c->arena, "%s %s %02d %02d:%02d:%02d.%06d %04d %s",
                                  days[(lg_jdate(t.year, t.mon, t.day) + 1) % 7], mons[t.mon - 1],
                                  t.day, t.hour, t.min, t.sec, t.us, t.year, t.abbrev));
}

/* --- overlaps: a NULL end is not known to be later or earlier --- */

static lg_datum
overlaps(lg_call *c)
{
    int64_t s1 = ARG_INT8(0), e1 = ARG_INT8(1), s2 = ARG_INT8(2), e2 = ARG_INT8(3);
    bool ns1 = ARG_NULL(0), ne1 = ARG_NULL(1), ns2 = ARG_NULL(2), ne2 = ARG_NULL(3);
    if (ns1) {
        if (ne1)
            RET_NULL();
        s1 = e1;
        ne1 = true;
    } else if (!ne1 && s1 > e1) {
        int64_t t = s1;
        s1 = e1;
        e1 = t;
    }
    if (ns2) {
        if (ne2)
            RET_NULL();
        s2 = e2;
        ne2 = true;
    } else if (!ne2 && s2 > e2) {
        int64_t t = s2;
        s2 = e2;
        e2 = t;
    }
    if (s1 == s2) {
        if (ne1 || ne2)
            RET_NULL();
        return true;
    }
    bool first = s1 > s2; /* the second begins first */
    bool n = first ? ne2 : ne1;
    int64_t late = first ? s1 : s2, end = first ? e2 : e1;
    if (n)
        RET_NULL();
    if (late < end)
        return true;
    if (first ? ne1 : ne2)
        RET_NULL();
    return false;
}

LG_FN(overlaps_timestamp)
{
    return overlaps(c);
}
LG_FN(overlaps_time)
{
    return overlaps(c);
}

/* --- date_bin --- */

static lg_datum
bin(lg_call *c)
{
    lg_interval stride = lg_interval_of(ARG(0));
    int64_t t = ARG_INT8(1), origin = ARG_INT8(2);
    if (!lg_ts_finite(t))
        return ARG(1);
    if (!lg_ts_finite(origin))
        return lg_call_error(c, "22008", "origin out of range");
    if (stride.months)
        return lg_call_error(
            c, "0A000", "timestamps cannot be binned into intervals containing months or years");
    __int128 us = (__int128)stride.days * LG_US_PER_DAY + stride.us;
    if (us <= 0)
        return lg_call_error(c, "22008", "stride must be greater than zero");
    __int128 diff = (__int128)t - origin, delta = diff - diff % us;
    if (diff < 0 && us > 1 && diff % us)
        delta -= us;
    return checked(c, (int64_t)(origin + delta));
}

LG_FN(timestamp_bin)
{
    return bin(c);
}
LG_FN(timestamptz_bin)
{
    return bin(c);
}

/* --- generate_series --- */

struct series {
    int64_t at, stop;
    lg_interval step;
    bool down;
};

static lg_status
series_open(lg_call *c, void **ret_state)
{
    struct series *s = LG_NEW(c->arena, struct series);
    s->at = ARG_INT8(0);
    s->stop = ARG_INT8(1);
    s->step = lg_interval_of(ARG(2));
    __int128 total = lg_interval_total_us(s->step);
    if (total == 0) {
        lg_call_error(c, "22023", "step size cannot equal zero");
        return c->st;
    }
    s->down = total < 0;
    *ret_state = s;
    return LG_OK;
}

static lg_status
series_next(lg_call *c, void *state, lg_datum *ret, uint8_t *ret_null)
{
    struct series *s = state;
    if (s->down ? s->at < s->stop : s->at > s->stop)
        return LG_END;
    *ret = lg_datum_int8(s->at);
    *ret_null = 0;
    bool zoned = c->func->args[0] == LG_T_TIMESTAMPTZ;
    return lg_ts_add_interval(c, s->at, s->step, zoned, &s->at) ? LG_OK : c->st;
}

LG_SRF(generate_series_timestamp, series_open, series_next);
LG_SRF(generate_series_timestamptz, series_open, series_next);
