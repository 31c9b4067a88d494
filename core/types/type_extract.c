/* extract (numeric results), date_part (double), date_trunc. */
#include "datetime.h"
#include "numeric.h"
#include "types_values.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>

enum field {
    X_US,
    X_MS,
    X_SECOND,
    X_MINUTE,
    X_HOUR,
    X_DAY,
    X_WEEK,
    X_MONTH,
    X_QUARTER,
    X_YEAR,
    X_DECADE,
    X_CENTURY,
    X_MILLENNIUM,
    X_EPOCH,
    X_DOW,
    X_ISODOW,
    X_DOY,
    X_ISOYEAR,
    X_JULIAN,
    X_TIMEZONE,
    X_TIMEZONE_HOUR,
    X_TIMEZONE_MINUTE,
    X_UNKNOWN
};

static const struct {
    const char *name;
    enum field field;
} fields[] = {
    {"microseconds", X_US},
    {"microsecond", X_US},
    {"us", X_US},
    {"usec", X_US},
    {"usecs", X_US},
    {"milliseconds", X_MS},
    {"millisecond", X_MS},
    {"ms", X_MS},
    {"msec", X_MS},
    {"msecs", X_MS},
    {"second", X_SECOND},
    {"seconds", X_SECOND},
    {"sec", X_SECOND},
    {"secs", X_SECOND},
    {"s", X_SECOND},
    {"minute", X_MINUTE},
    {"minutes", X_MINUTE},
    {"min", X_MINUTE},
    {"mins", X_MINUTE},
    {"m", X_MINUTE},
    {"hour", X_HOUR},
    {"hours", X_HOUR},
    {"hr", X_HOUR},
    {"hrs", X_HOUR},
    {"h", X_HOUR},
    {"day", X_DAY},
    {"days", X_DAY},
    {"d", X_DAY},
    {"week", X_WEEK},
    {"weeks", X_WEEK},
    {"w", X_WEEK},
    {"month", X_MONTH},
    {"months", X_MONTH},
    {"mon", X_MONTH},
    {"mons", X_MONTH},
    {"quarter", X_QUARTER},
    {"qtr", X_QUARTER},
    {"year", X_YEAR},
    {"years", X_YEAR},
    {"yr", X_YEAR},
    {"yrs", X_YEAR},
    {"y", X_YEAR},
    {"decade", X_DECADE},
    {"decades", X_DECADE},
    {"dec", X_DECADE},
    {"decs", X_DECADE},
    {"century", X_CENTURY},
    {"centuries", X_CENTURY},
    {"cent", X_CENTURY},
    {"c", X_CENTURY},
    {"millennium", X_MILLENNIUM},
    {"millennia", X_MILLENNIUM},
    {"mil", X_MILLENNIUM},
    {"mils", X_MILLENNIUM},
    {"epoch", X_EPOCH},
    {"dow", X_DOW},
    {"isodow", X_ISODOW},
    {"doy", X_DOY},
    {"isoyear", X_ISOYEAR},
    {"julian", X_JULIAN},
    {"jd", X_JULIAN},
    {"timezone", X_TIMEZONE},
    {"timezone_hour", X_TIMEZONE_HOUR},
    {"timezone_h", X_TIMEZONE_HOUR},
    {"timezone_minute", X_TIMEZONE_MINUTE},
    {"timezone_m", X_TIMEZONE_MINUTE},
};

static enum field
field_arg(const lg_call *c, char *name, size_t size)
{
    size_t n = ARG_LEN(0) < size ? ARG_LEN(0) : size - 1;
    for (size_t i = 0; i < n; i++)
        name[i] = (char)tolower((unsigned char)ARG_STR(0)[i]);
    name[n] = 0;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(fields[i].name, name) == 0)
            return fields[i].field;
    return X_UNKNOWN;
}

static const char *
type_name(lg_oid t)
{
    return lg_type_get(t)->sql_name;
}

static lg_datum
bad_field(lg_call *c, enum field f, const char *name, lg_oid type)
{
    bool trunc = strncmp(c->func->name, "date_trunc", 10) == 0;
    bool date_word = f == X_DOW || f == X_ISODOW || f == X_DOY || f == X_ISOYEAR ||
                     (trunc && (f == X_EPOCH || f == X_JULIAN));
    if (f == X_UNKNOWN || date_word)
        return lg_call_error(c, "22023", "unit \"%s\" not recognized for type %s", name,
                             type_name(type));
    return lg_call_error(c, "0A000", "unit \"%s\" not supported for type %s", name,
                         type_name(type));
}

/* --- ISO weeks --- */

static int
iso_week(int y, int m, int d, int *ret_year)
{
    int jd = lg_jdate(y, m, d), year = y + 1, start;
    for (;; year--) {
        int day4 = lg_jdate(year, 1, 4);
        start = day4 - day4 % 7; /* Monday of week 1: day number 0 is a Monday */
        if (jd >= start)
            break;
    }
    *ret_year = year;
    return (jd - start) / 7 + 1;
}

/* --- results: an exact value v / 10^scale --- */

static lg_datum
result(lg_call *c, __int128 v, int scale)
{
    if (c->func->result == LG_T_FLOAT8)
        return lg_datum_float8((double)v / pow(10, scale));
    lg_num x = lg_num_of_int128(c->arena, v);
    lg_datum d;
    if (scale) {
        lg_num div = lg_num_of_int(c->arena, (int64_t)llrint(pow(10, scale)));
        x = lg_num_div(c->arena, &x, &div, scale, true);
    }
    if (!lg_num_pack(c->arena, &x, &d))
        return lg_call_error(c, "22003", "value overflows numeric format");
    return d;
}

static lg_datum
infinite(lg_call *c, enum field f, bool neg, const char *name, lg_oid type)
{
    switch (f) {
    case X_YEAR:
    case X_DECADE:
    case X_CENTURY:
    case X_MILLENNIUM:
    case X_JULIAN:
    case X_ISOYEAR:
    case X_EPOCH: {
        if (c->func->result == LG_T_FLOAT8)
            return lg_datum_float8(neg ? -(double)INFINITY : (double)INFINITY);
        lg_num x = {.kind = neg ? LG_NUM_NINF : LG_NUM_PINF};
        lg_datum d = 0;
        (void)lg_num_pack(c->arena, &x, &d);
        return d;
    }
    case X_UNKNOWN:
        return bad_field(c, f, name, type);
    default:
        RET_NULL();
    }
}

static int
year_field(enum field f, int y)
{
    switch (f) {
    case X_YEAR:
        return y > 0 ? y : y - 1;
    case X_DECADE:
        return y >= 0 ? y / 10 : -((8 - (y - 1)) / 10);
    case X_CENTURY:
        return y > 0 ? (y + 99) / 100 : -((99 - (y - 1)) / 100);
    default:
        return y > 0 ? (y + 999) / 1000 : -((999 - (y - 1)) / 1000);
    }
}

/* Fields that dates have. False: not one of them. */
static bool
date_field(lg_call *c, enum field f, const lg_dt *t, lg_datum *ret)
{
    int jd = lg_jdate(t->year, t->mon, t->day), iy, v;
    switch (f) {
    case X_DAY:
        v = t->day;
        break;
    case X_MONTH:
        v = t->mon;
        break;
    case X_QUARTER:
        v = (t->mon - 1) / 3 + 1;
        break;
    case X_WEEK:
        v = iso_week(t->year, t->mon, t->day, &iy);
        break;
    case X_YEAR:
    case X_DECADE:
    case X_CENTURY:
    case X_MILLENNIUM:
        v = year_field(f, t->year);
        break;
    case X_ISOYEAR:
        (void)iso_week(t->year, t->mon, t->day, &iy);
        v = iy > 0 ? iy : iy - 1;
        break;
    case X_DOW:
        v = (jd + 1) % 7;
        break;
    case X_ISODOW:
        v = (jd + 1) % 7 ? (jd + 1) % 7 : 7;
        break;
    case X_DOY:
        v = jd - lg_jdate(t->year, 1, 1) + 1;
        break;
    default:
        return false;
    }
    *ret = result(c, v, 0);
    return true;
}

static bool
time_field(lg_call *c, enum field f, int hour, int min, int sec, int us, lg_datum *ret)
{
    int64_t total = sec * 1000000LL + us;
    switch (f) {
    case X_US:
        *ret = result(c, total, 0);
        return true;
    case X_MS:
        *ret = result(c, total, 3);
        return true;
    case X_SECOND:
        *ret = result(c, total, 6);
        return true;
    case X_MINUTE:
        *ret = result(c, min, 0);
        return true;
    case X_HOUR:
        *ret = result(c, hour, 0);
        return true;
    default:
        return false;
    }
}

static bool
zone_field(lg_call *c, enum field f, int32_t off, lg_datum *ret)
{
    switch (f) {
    case X_TIMEZONE:
        *ret = result(c, off, 0);
        return true;
    case X_TIMEZONE_HOUR:
        *ret = result(c, off / 3600, 0);
        return true;
    case X_TIMEZONE_MINUTE:
        *ret = result(c, off / 60 % 60, 0);
        return true;
    default:
        return false;
    }
}

static lg_datum
ts_extract(lg_call *c, lg_oid type)
{
    char name[80];
    enum field f = field_arg(c, name, sizeof name);
    int64_t ts = ARG_INT8(1);
    bool zoned = type == LG_T_TIMESTAMPTZ;
    lg_dt t;
    lg_datum d;
    if (!lg_ts_finite(ts))
        return infinite(c, f, ts < 0, name, type);
    if (f == X_EPOCH)
        return result(c, (__int128)ts + LG_TS_UNIX_EPOCH_US, 6);
    if (zoned)
        lg_tstz_split(c->env, ts, c->env->tz, &t);
    else
        lg_ts_split(ts, &t);
    if (f == X_JULIAN) {
        __int128 day = lg_jdate(t.year, t.mon, t.day);
        int64_t us = ((t.hour * 60LL + t.min) * 60 + t.sec) * LG_US_PER_S + t.us;
        if (c->func->result == LG_T_FLOAT8)
            return lg_datum_float8((double)day + (double)us / 86400e6);
        lg_num x = lg_num_of_int128(c->arena, day * LG_US_PER_DAY + us);
        lg_num by = lg_num_of_int(c->arena, LG_US_PER_DAY);
        lg_num q = lg_num_of_int(c->arena, us), dn = lg_num_of_int128(c->arena, day);
        /* the fraction is us / 86,400,000,000, divided as numeric would, then added */
        q = lg_num_div(c->arena, &q, &by, lg_num_div_scale(&q, &by), true);
        x = lg_num_add(c->arena, &dn, &q);
        return lg_num_pack(c->arena, &x, &d) ? d : 0;
    }
    if (time_field(c, f, t.hour, t.min, t.sec, t.us, &d) || date_field(c, f, &t, &d) ||
        (zoned && zone_field(c, f, t.offset, &d)))
        return d;
    return bad_field(c, f, name, type);
}

LG_FN(timestamp_part)
{
    return ts_extract(c, LG_T_TIMESTAMP);
}
LG_FN(timestamptz_part)
{
    return ts_extract(c, LG_T_TIMESTAMPTZ);
}
LG_FN(extract_timestamp)
{
    return ts_extract(c, LG_T_TIMESTAMP);
}
LG_FN(extract_timestamptz)
{
    return ts_extract(c, LG_T_TIMESTAMPTZ);
}

LG_FN(extract_date)
{
    char name[80];
    enum field f = field_arg(c, name, sizeof name);
    int32_t date = ARG_INT4(1);
    lg_dt t = {0};
    lg_datum d;
    if (!lg_date_finite(date)) {
        if (f == X_JULIAN || f == X_EPOCH || f == X_YEAR || f == X_DECADE || f == X_CENTURY ||
            f == X_MILLENNIUM || f == X_ISOYEAR)
            return infinite(c, f, date < 0, name, LG_T_DATE);
        lg_dt any = {2000, 1, 1, 0, 0, 0, 0, 0, NULL};
        if (date_field(c, f, &any, &d))
            RET_NULL();
        return bad_field(c, f, name, LG_T_DATE);
    }
    if (f == X_EPOCH)
        return result(c, ((__int128)date + LG_PG_EPOCH_JDATE - 2440588) * 86400, 0);
    if (f == X_JULIAN)
        return result(c, date + (__int128)LG_PG_EPOCH_JDATE, 0);
    lg_jdate_split(date + LG_PG_EPOCH_JDATE, &t.year, &t.mon, &t.day);
    return date_field(c, f, &t, &d) ? d : bad_field(c, f, name, LG_T_DATE);
}

/* date_part(text, date) goes by way of timestamp. */
LG_FN(oid_1384)
{
    const lg_datum *saved = c->args;
    int32_t date = lg_int4(ARG(1));
    int64_t ts;
    if (!lg_date_to_ts(date, &ts))
        return lg_call_error(c, "22008", "date out of range for timestamp");
    lg_datum args[2] = {ARG(0), lg_datum_int8(ts)};
    c->args = args; /* of this call only: a batch goes on with its own */
    lg_datum ret = ts_extract(c, LG_T_TIMESTAMP);
    c->args = saved;
    return ret;
}

static lg_datum
time_extract(lg_call *c, lg_oid type, int64_t us, int32_t offset)
{
    char name[80];
    enum field f = field_arg(c, name, sizeof name);
    lg_datum d;
    int64_t s = us / LG_US_PER_S;
    if (f == X_EPOCH)
        return result(c, us - offset * LG_US_PER_S, 6);
    if (time_field(c, f, (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60),
                   (int)(us % LG_US_PER_S), &d) ||
        (type == LG_T_TIMETZ && zone_field(c, f, offset, &d)))
        return d;
    return bad_field(c, f, name, type);
}

static lg_datum
timetz_extract(lg_call *c)
{
    lg_timetz t;
    memcpy(&t, lg_ptr(ARG(1)), sizeof t);
    return time_extract(c, LG_T_TIMETZ, t.us, -t.zone);
}

LG_FN(time_part)
{
    return time_extract(c, LG_T_TIME, ARG_INT8(1), 0);
}
LG_FN(extract_time)
{
    return time_extract(c, LG_T_TIME, ARG_INT8(1), 0);
}
LG_FN(timetz_part)
{
    return timetz_extract(c);
}
LG_FN(extract_timetz)
{
    return timetz_extract(c);
}

static lg_datum
interval_extract(lg_call *c)
{
    char name[80];
    enum field f = field_arg(c, name, sizeof name);
    lg_interval iv = lg_interval_of(ARG(1));
    int64_t s = iv.us / LG_US_PER_S;
    int year = iv.months / 12, mon = iv.months % 12;
    lg_datum d;
    switch (f) {
    case X_HOUR:
        return result(c, s / 3600, 0);
    case X_DAY:
        return result(c, iv.days, 0);
    case X_MONTH:
        return result(c, mon, 0);
    case X_QUARTER:
        return result(c, mon / 3 + 1, 0);
    case X_YEAR:
        return result(c, year, 0);
    case X_DECADE:
        return result(c, year / 10, 0);
    case X_CENTURY:
        return result(c, year / 100, 0);
    case X_MILLENNIUM:
        return result(c, year / 1000, 0);
    case X_EPOCH: /* years of 365.25 days, months of 30 */
        return result(c,
                      (__int128)iv.us + ((__int128)year * 1461 * 6 + (__int128)mon * 30 * 24 +
                                         (__int128)iv.days * 24) *
                                            3600000000LL,
                      6);
    default:
        break;
    }
    if (time_field(c, f, 0, (int)(s / 60 % 60), (int)(s % 60), (int)(iv.us % LG_US_PER_S), &d))
        return d;
    return bad_field(c, f, name, LG_T_INTERVAL);
}

LG_FN(interval_part)
{
    return interval_extract(c);
}
LG_FN(extract_interval)
{
    return interval_extract(c);
}

/* --- date_trunc --- */

/* False: the field cannot be truncated to. */
static bool
trunc_dt(enum field f, lg_dt *t)
{
    int iy;
    switch (f) {
    case X_WEEK: {
        int jd = lg_jdate(t->year, t->mon, t->day);
        lg_jdate_split(jd - jd % 7, &t->year, &t->mon, &t->day);
        break;
    }
    case X_MILLENNIUM:
        t->year = t->year > 0 ? (t->year + 999) / 1000 * 1000 - 999
                              : -((999 - (t->year - 1)) / 1000) * 1000 + 1;
        t->mon = t->day = 1;
        break;
    case X_CENTURY:
        t->year =
            t->year > 0 ? (t->year + 99) / 100 * 100 - 99 : -((99 - (t->year - 1)) / 100) * 100 + 1;
        t->mon = t->day = 1;
        break;
    case X_DECADE:
        t->year = t->year > 0 ? t->year / 10 * 10 : -((8 - (t->year - 1)) / 10) * 10;
        t->mon = t->day = 1;
        break;
    case X_YEAR:
        t->mon = t->day = 1;
        break;
    case X_QUARTER:
        t->mon = (t->mon - 1) / 3 * 3 + 1;
        t->day = 1;
        break;
    case X_MONTH:
        t->day = 1;
        break;
    case X_DAY:
        break;
    case X_HOUR:
        t->min = t->sec = t->us = 0;
        return true;
    case X_MINUTE:
        t->sec = t->us = 0;
        return true;
    case X_SECOND:
        t->us = 0;
        return true;
    case X_MS:
        t->us = t->us / 1000 * 1000;
        return true;
    case X_US:
        return true;
    default:
        (void)iy;
        return false;
    }
    t->hour = t->min = t->sec = t->us = 0;
    return true;
}

static lg_datum
trunc_ts(lg_call *c, lg_oid type, const lg_tz *tz, int32_t fixed, bool use_fixed)
{
    char name[80];
    enum field f = field_arg(c, name, sizeof name);
    int64_t ts = ARG_INT8(1), r;
    bool zoned = type == LG_T_TIMESTAMPTZ;
    lg_dt t;
    if (!lg_ts_finite(ts))
        return ARG(1);
    int64_t local = !zoned ? ts : use_fixed ? ts + fixed * LG_US_PER_S : lg_ts_to_local(tz, ts);
    lg_ts_split(local, &t);
    if (!trunc_dt(f, &t))
        return bad_field(c, f, name, type);
    if (!lg_ts_join(&t, &r))
        return lg_call_error(c, "22008", "timestamp out of range");
    if (!zoned)
        return lg_datum_int8(r);
    if (use_fixed)
        return lg_datum_int8(r - fixed * LG_US_PER_S);
    /* below a day the offset in force stays, so that an hour repeated in autumn keeps its place */
    if (f == X_HOUR || f == X_MINUTE || f == X_SECOND || f == X_MS || f == X_US)
        return lg_datum_int8(r - (local - ts));
    return lg_datum_int8(lg_ts_to_utc(tz, r));
}

LG_FN(timestamp_trunc)
{
    return trunc_ts(c, LG_T_TIMESTAMP, NULL, 0, false);
}
LG_FN(timestamptz_trunc)
{
    return trunc_ts(c, LG_T_TIMESTAMPTZ, c->env->tz, 0, false);
}

LG_FN(timestamptz_trunc_zone)
{
    const lg_tz *tz;
    int32_t off;
    char *name = lg_text_cstring(c->arena, ARG(2));
    if (ARG_INT8(1) == LG_TS_INFINITY || ARG_INT8(1) == LG_TS_NEG_INFINITY)
        return ARG(1);
    if (!lg_zone_find(c, name, &tz, &off))
        return lg_call_error(c, "22023", "time zone \"%s\" not recognized", name);
    return trunc_ts(c, LG_T_TIMESTAMPTZ, tz, off, tz == NULL);
}

LG_FN(interval_trunc)
{
    char name[80];
    enum field f = field_arg(c, name, sizeof name);
    lg_interval iv = lg_interval_of(ARG(1));
    static const int64_t us[] = {1, 1000, 1000000, 60000000, 3600000000LL};
    static const int years[] = {12, 120, 1200, 12000};
    if (f <= X_HOUR) {
        iv.us = iv.us / us[f] * us[f];
    } else if (f == X_DAY) {
        iv.us = 0;
    } else if (f == X_MONTH || f == X_QUARTER) {
        iv.us = 0;
        iv.days = 0;
        if (f == X_QUARTER)
            iv.months = iv.months / 3 * 3;
    } else if (f >= X_YEAR && f <= X_MILLENNIUM) {
        iv = (lg_interval){0, 0, iv.months / years[f - X_YEAR] * years[f - X_YEAR]};
    } else {
        lg_datum d = bad_field(c, f, name, LG_T_INTERVAL);
        if (f == X_WEEK)
            lg_error_detail(c->err, "Months usually have fractional weeks.");
        return d;
    }
    return lg_datum_interval(c->arena, iv);
}
