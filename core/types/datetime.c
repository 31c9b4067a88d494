/* Calendar arithmetic (Julian day numbers), zone conversion, output. */
#include "datetime.h"
#include <stdio.h>
#include <stdlib.h>

static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const day_names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* Fliegel and Van Flandern's day number, as PostgreSQL's date2j. */
int
lg_jdate(int y, int m, int d)
{
    if (m > 2) {
        m += 1;
        y += 4800;
    } else {
        m += 13;
        y += 4799;
    }
    int century = y / 100;
    int julian = y * 365 - 32167;
    julian += y / 4 - century + century / 4;
    julian += 7834 * m / 256 + d;
    return julian;
}

void
lg_jdate_split(int jd, int *year, int *mon, int *day)
{
    unsigned julian = (unsigned)jd + 32044, quad = julian / 146097;
    unsigned extra = (julian - quad * 146097) * 4 + 3;
    julian += 60 + quad * 3 + extra / 146097;
    quad = julian / 1461;
    julian -= quad * 1461;
    int y = (int)(julian * 4 / 1461);
    julian = (y != 0 ? (julian + 305) % 365 : (julian + 306) % 366) + 123;
    y += (int)(quad * 4);
    *year = y - 4800;
    quad = julian * 2141 / 65536;
    *day = (int)(julian - 7834 * quad / 256);
    *mon = (int)((quad + 10) % 12 + 1);
}

static bool
leap(int y)
{
    return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

int
lg_month_days(int year, int mon)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[mon - 1] + (mon == 2 && leap(year));
}

/* 4714-11-24 BC (Julian day 0) up to 5874897. */
bool
lg_date_valid(int y, int m, int d)
{
    if (y < -4713 || (y == -4713 && (m < 11 || (m == 11 && d < 24))))
        return false;
    return y < 5874898 && m >= 1 && m <= 12 && d >= 1 && d <= lg_month_days(y, m);
}

void
lg_ts_split(int64_t ts, lg_dt *t)
{
    int64_t day = ts / LG_US_PER_DAY, us = ts % LG_US_PER_DAY;
    if (us < 0) {
        us += LG_US_PER_DAY;
        day--;
    }
    lg_jdate_split((int)(day + LG_PG_EPOCH_JDATE), &t->year, &t->mon, &t->day);
    t->hour = (int)(us / 3600000000LL);
    t->min = (int)(us / 60000000 % 60);
    t->sec = (int)(us / LG_US_PER_S % 60);
    t->us = (int)(us % LG_US_PER_S);
    t->offset = 0;
    t->abbrev = "";
}

static int64_t
floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t
unix_seconds(int64_t ts)
{
    return floor_div(ts, LG_US_PER_S) + LG_TS_UNIX_EPOCH_US / LG_US_PER_S;
}

void
lg_tstz_split(const lg_env *env, int64_t ts, const lg_tz *tz, lg_dt *t)
{
    (void)env;
    const char *abbrev;
    int32_t off = lg_tz_offset(tz, unix_seconds(ts), NULL, &abbrev);
    lg_ts_split(ts + off * LG_US_PER_S, t);
    t->offset = off;
    t->abbrev = abbrev;
}

bool
lg_ts_join(const lg_dt *t, int64_t *ret)
{
    if (!lg_date_valid(t->year, t->mon, t->day))
        return false;
    int64_t day = lg_jdate(t->year, t->mon, t->day) - LG_PG_EPOCH_JDATE;
    int64_t us = ((t->hour * 60LL + t->min) * 60 + t->sec) * LG_US_PER_S + t->us;
    __int128 r = (__int128)day * LG_US_PER_DAY + us;
    if (r < LG_TS_MIN || r >= LG_TS_END)
        return false;
    *ret = (int64_t)r;
    return true;
}

/* Looks a day to either side. When a transition lies between: a local time that either offset puts
 * on its own side is plain; in a gap the offset before it holds, in an overlap the one after. */
int32_t
lg_tz_local_offset(const lg_tz *tz, int64_t local_ts)
{
    int64_t local = unix_seconds(local_ts);
    int64_t lo = local - 86400 * 3 / 2, hi = local + 86400 * 3 / 2;
    int32_t before = lg_tz_offset(tz, lo, NULL, NULL), after = lg_tz_offset(tz, hi, NULL, NULL);
    if (before == after)
        return before;
    while (hi - lo > 1) {
        int64_t mid = lo + (hi - lo) / 2;
        if (lg_tz_offset(tz, mid, NULL, NULL) == before)
            lo = mid;
        else
            hi = mid;
    }
    int64_t t1 = local - before, t2 = local - after;
    if (t1 < hi && t2 < hi)
        return before;
    if (t1 >= hi && t2 >= hi)
        return after;
    return t1 > t2 ? before : after;
}

int64_t
lg_ts_to_local(const lg_tz *tz, int64_t ts)
{
    if (!lg_ts_finite(ts))
        return ts;
    return ts + lg_tz_offset(tz, unix_seconds(ts), NULL, NULL) * LG_US_PER_S;
}

int64_t
lg_ts_to_utc(const lg_tz *tz, int64_t local)
{
    return lg_ts_finite(local) ? local - lg_tz_local_offset(tz, local) * LG_US_PER_S : local;
}

int64_t
lg_env_localtimestamp(const lg_env *env)
{
    return lg_ts_to_local(env->tz, env->txn_ts);
}

int32_t
lg_env_current_date(const lg_env *env)
{
    return (int32_t)floor_div(lg_env_localtimestamp(env), LG_US_PER_DAY);
}

/* --- output --- */

static char *
put_date(const lg_env *env, char *p, const lg_dt *t)
{
    int y = t->year > 0 ? t->year : 1 - t->year;
    bool dmy = env && env->dateorder == LG_DATEORDER_DMY;
    int first = dmy ? t->day : t->mon, second = dmy ? t->mon : t->day;
    switch (env ? env->datestyle : LG_DATESTYLE_ISO) {
    case LG_DATESTYLE_SQL:
        return p + sprintf(p, "%02d/%02d/%04d", first, second, y);
    case LG_DATESTYLE_POSTGRES:
        return p + sprintf(p, "%02d-%02d-%04d", first, second, y);
    case LG_DATESTYLE_GERMAN:
        return p + sprintf(p, "%02d.%02d.%04d", t->day, t->mon, y);
    default:
        return p + sprintf(p, "%04d-%02d-%02d", y, t->mon, t->day);
    }
}

void
lg_date_text(const lg_env *env, int32_t date, char *buf)
{
    if (!lg_date_finite(date)) {
        strcpy(buf, date < 0 ? "-infinity" : "infinity");
        return;
    }
    lg_dt t = {0};
    lg_jdate_split(date + LG_PG_EPOCH_JDATE, &t.year, &t.mon, &t.day);
    char *p = put_date(env, buf, &t);
    strcpy(p, t.year <= 0 ? " BC" : "");
}

static char *
put_fraction(char *p, int us)
{
    if (us) {
        p += sprintf(p, ".%06d", us);
        while (p[-1] == '0')
            *--p = 0;
    }
    return p;
}

void
lg_time_text(int64_t us, char *buf)
{
    int64_t s = us / LG_US_PER_S;
    char *p =
        buf + sprintf(buf, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    put_fraction(p, (int)(us % LG_US_PER_S));
}

void
lg_zone_text(int32_t off, char *buf)
{
    int a = abs(off);
    buf += sprintf(buf, "%c%02d", off < 0 ? '-' : '+', a / 3600);
    if (a % 3600)
        buf += sprintf(buf, ":%02d", a / 60 % 60);
    if (a % 60)
        sprintf(buf, ":%02d", a % 60);
}

void
lg_ts_text(const lg_env *env, int64_t ts, bool with_zone, char *buf)
{
    lg_dt t;
    char *p = buf;
    if (!lg_ts_finite(ts)) {
        strcpy(buf, ts < 0 ? "-infinity" : "infinity");
        return;
    }
    if (with_zone)
        lg_tstz_split(env, ts, env ? env->tz : NULL, &t);
    else
        lg_ts_split(ts, &t);
    lg_datestyle style = env ? env->datestyle : LG_DATESTYLE_ISO;
    int y = t.year > 0 ? t.year : 1 - t.year;
    if (style == LG_DATESTYLE_POSTGRES) {
        bool dmy = env->dateorder == LG_DATEORDER_DMY;
        int dow = (lg_jdate(t.year, t.mon, t.day) + 1) % 7;
        p += sprintf(p, "%s ", day_names[dow]);
        p += dmy ? sprintf(p, "%02d %s ", t.day, month_names[t.mon - 1])
                 : sprintf(p, "%s %02d ", month_names[t.mon - 1], t.day);
    } else {
        p = put_date(env, p, &t);
        *p++ = ' ';
    }
    p += sprintf(p, "%02d:%02d:%02d", t.hour, t.min, t.sec);
    p = put_fraction(p, t.us);
    if (style == LG_DATESTYLE_POSTGRES)
        p += sprintf(p, " %04d", y);
    if (with_zone) {
        bool word =
            style != LG_DATESTYLE_ISO && t.abbrev[0] && t.abbrev[0] != '+' && t.abbrev[0] != '-';
        if (word)
            p += sprintf(p, " %s", t.abbrev);
        else {
            if (style == LG_DATESTYLE_POSTGRES)
                *p++ = ' ';
            lg_zone_text(t.offset, p);
            p += strlen(p);
        }
    }
    strcpy(p, t.year <= 0 ? " BC" : "");
}

int64_t
lg_time_round(int64_t us, int32_t precision)
{
    static const int64_t unit[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    if (precision < 0 || precision > 5 || !lg_ts_finite(us))
        return us;
    int64_t u = unit[precision];
    if (us >= 0)
        return (us + u / 2) / u * u;
    return -((-us + u / 2) / u * u);
}

/* --- interval output --- */

static char *
put_part(char *p, int64_t v, const char *unit, bool *first, bool *was_negative)
{
    if (!v)
        return p;
    p += sprintf(p, "%s%s%lld %s%s", *first ? "" : " ", *was_negative && v > 0 ? "+" : "",
                 (long long)v, unit, v == 1 ? "" : "s");
    *was_negative = v < 0;
    *first = false;
    return p;
}

static void
interval_postgres(lg_interval iv, char *p)
{
    bool first = true, neg = false;
    p = put_part(p, iv.months / 12, "year", &first, &neg);
    p = put_part(p, iv.months % 12, "mon", &first, &neg);
    p = put_part(p, iv.days, "day", &first, &neg);
    if (first || iv.us) {
        bool minus = iv.us < 0;
        uint64_t u = minus ? 0 - (uint64_t)iv.us : (uint64_t)iv.us, s = u / 1000000;
        p += sprintf(p, "%s%s%02llu:%02llu:%02llu", first ? "" : " ",
                     minus ? "-"
                     : neg ? "+"
                           : "",
                     (unsigned long long)(s / 3600), (unsigned long long)(s / 60 % 60),
                     (unsigned long long)(s % 60));
        put_fraction(p, (int)(u % 1000000));
    }
}

static char *
iso_part(char *p, int64_t v, char unit)
{
    return v ? p + sprintf(p, "%lld%c", (long long)v, unit) : p;
}

static void
interval_iso(lg_interval iv, char *p)
{
    int64_t h = iv.us / 3600000000LL, m = iv.us / 60000000 % 60, s = iv.us / 1000000 % 60;
    int us = (int)(iv.us % 1000000);
    if (!iv.us && !iv.days && !iv.months) {
        strcpy(p, "PT0S");
        return;
    }
    *p++ = 'P';
    p = iso_part(p, iv.months / 12, 'Y');
    p = iso_part(p, iv.months % 12, 'M');
    p = iso_part(p, iv.days, 'D');
    if (iv.us)
        *p++ = 'T';
    p = iso_part(p, h, 'H');
    p = iso_part(p, m, 'M');
    if (s || us) {
        p += sprintf(p, "%s%lld", s < 0 || us < 0 ? "-" : "", (long long)llabs(s));
        p = put_fraction(p, abs(us));
        *p++ = 'S';
    }
    *p = 0;
}

static void
interval_verbose(lg_interval iv, char *p)
{
    struct {
        int64_t v;
        const char *unit;
    } part[] = {{iv.months / 12, "year"},
                {iv.months % 12, "mon"},
                {iv.days, "day"},
                {iv.us / 3600000000LL, "hour"},
                {iv.us / 60000000 % 60, "min"}};
    int64_t s = iv.us / 1000000 % 60;
    int us = (int)(iv.us % 1000000);
    bool zero = true, before = false;
    *p++ = '@';
    for (int i = 0; i < 5; i++) {
        int64_t v = part[i].v;
        if (!v)
            continue;
        if (zero)
            before = v < 0;
        if (before)
            v = -v;
        p += sprintf(p, " %lld %s%s", (long long)v, part[i].unit, v == 1 ? "" : "s");
        zero = false;
    }
    if (s || us) {
        bool neg = s < 0 || us < 0;
        if (zero) {
            before = neg;
            zero = false;
        }
        p += sprintf(p, " %s%lld", neg != before ? "-" : "", (long long)llabs(s));
        p = put_fraction(p, abs(us));
        p += sprintf(p, " sec%s", llabs(s) != 1 || us ? "s" : "");
    }
    if (zero)
        p += sprintf(p, " 0");
    strcpy(p, before ? " ago" : "");
}

static void
interval_sql(lg_interval iv, char *p)
{
    bool neg = iv.months < 0 || iv.days < 0 || iv.us < 0;
    bool pos = iv.months > 0 || iv.days > 0 || iv.us > 0;
    bool ym = iv.months != 0, dt = iv.days != 0 || iv.us != 0;
    bool plain = !(neg && pos) && !(ym && dt);
    int years = abs(iv.months) / 12, months = abs(iv.months) % 12, days = abs(iv.days);
    uint64_t u = iv.us < 0 ? 0 - (uint64_t)iv.us : (uint64_t)iv.us, s = u / 1000000;
    char time[48];
    char *q = time + sprintf(time, "%llu:%02llu:%02llu", (unsigned long long)(s / 3600),
                             (unsigned long long)(s / 60 % 60), (unsigned long long)(s % 60));
    put_fraction(q, (int)(u % 1000000));
    if (!neg && !pos)
        strcpy(p, "0");
    else if (!plain)
        sprintf(p, "%c%d-%d %c%d %c%s", iv.months < 0 ? '-' : '+', years, months,
                iv.days < 0 ? '-' : '+', days, iv.us < 0 ? '-' : '+', time);
    else if (ym)
        sprintf(p, "%s%d-%d", neg ? "-" : "", years, months);
    else if (days)
        sprintf(p, "%s%d %s", neg ? "-" : "", days, time);
    else
        sprintf(p, "%s%s", neg ? "-" : "", time);
}

void
lg_interval_text(const lg_env *env, lg_interval iv, char *buf)
{
    switch (env ? env->intervalstyle : LG_INTERVALSTYLE_POSTGRES) {
    case LG_INTERVALSTYLE_ISO_8601:
        interval_iso(iv, buf);
        return;
    case LG_INTERVALSTYLE_SQL_STANDARD:
        interval_sql(iv, buf);
        return;
    case LG_INTERVALSTYLE_POSTGRES_VERBOSE:
        interval_verbose(iv, buf);
        return;
    default:
        interval_postgres(iv, buf);
        return;
    }
}
