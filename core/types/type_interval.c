/* interval: input in all of PostgreSQL's forms, output, arithmetic, typmod, justify. */
#include "datetime.h"
#include "types_values.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* Field bits of a typmod's upper half (interval year to month ...). */
enum {
    F_MONTH = 1 << 1,
    F_YEAR = 1 << 2,
    F_DAY = 1 << 3,
    F_HOUR = 1 << 10,
    F_MINUTE = 1 << 11,
    F_SECOND = 1 << 12
};
#define FULL_RANGE     0x7fff
#define FULL_PRECISION 0xffff

enum unit {
    U_US,
    U_MS,
    U_SECOND,
    U_MINUTE,
    U_HOUR,
    U_DAY,
    U_WEEK,
    U_MONTH,
    U_YEAR,
    U_DECADE,
    U_CENTURY,
    U_MILLENNIUM
};

static const struct {
    const char *name;
    enum unit unit;
} units[] = {
    {"us", U_US},
    {"usec", U_US},
    {"usecs", U_US},
    {"usecond", U_US},
    {"useconds", U_US},
    {"microsecond", U_US},
    {"microseconds", U_US},
    {"microsecon", U_US},
    {"ms", U_MS},
    {"msec", U_MS},
    {"msecs", U_MS},
    {"mseconds", U_MS},
    {"millisecond", U_MS},
    {"milliseconds", U_MS},
    {"millisecon", U_MS},
    {"s", U_SECOND},
    {"sec", U_SECOND},
    {"secs", U_SECOND},
    {"second", U_SECOND},
    {"seconds", U_SECOND},
    {"m", U_MINUTE},
    {"min", U_MINUTE},
    {"mins", U_MINUTE},
    {"minute", U_MINUTE},
    {"minutes", U_MINUTE},
    {"h", U_HOUR},
    {"hr", U_HOUR},
    {"hrs", U_HOUR},
    {"hour", U_HOUR},
    {"hours", U_HOUR},
    {"d", U_DAY},
    {"day", U_DAY},
    {"days", U_DAY},
    {"w", U_WEEK},
    {"week", U_WEEK},
    {"weeks", U_WEEK},
    {"mon", U_MONTH},
    {"mons", U_MONTH},
    {"month", U_MONTH},
    {"months", U_MONTH},
    {"y", U_YEAR},
    {"yr", U_YEAR},
    {"yrs", U_YEAR},
    {"year", U_YEAR},
    {"years", U_YEAR},
    {"dec", U_DECADE},
    {"decs", U_DECADE},
    {"decade", U_DECADE},
    {"decades", U_DECADE},
    {"c", U_CENTURY},
    {"cent", U_CENTURY},
    {"century", U_CENTURY},
    {"centuries", U_CENTURY},
    {"mil", U_MILLENNIUM},
    {"mils", U_MILLENNIUM},
    {"millennium", U_MILLENNIUM},
    {"millennia", U_MILLENNIUM},
};

static bool
find_unit(const char *w, size_t n, enum unit *ret)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].name) == n && strncasecmp(units[i].name, w, n) == 0) {
            *ret = units[i].unit;
            return true;
        }
    return false;
}

/* What is read so far, wide enough not to overflow. */
struct acc {
    __int128 us, days, months;
    uint32_t seen; /* units, as bits */
    bool any;
    bool twice; /* a unit came a second time */
};

#define TIME_UNITS (1u << U_SECOND | 1u << U_MINUTE | 1u << U_HOUR)

static void
see(struct acc *a, uint32_t bits)
{
    a->twice |= (a->seen & bits) != 0;
    a->seen |= bits;
    a->any = true;
}

static void
add_days_fraction(struct acc *a, double f, int scale)
{
    f *= scale;
    int days = (int)f;
    a->days += days;
    a->us += (__int128)rint((f - days) * 86400e6);
}

/* A quantity: whole and fractional part (of the same sign). */
static void
add_unit(struct acc *a, enum unit u, int64_t v, double f)
{
    static const int64_t us[] = {1, 1000, 1000000, 60000000, 3600000000LL};
    static const int months[] = {1, 12, 120, 1200, 12000};
    see(a, 1u << u);
    if (u <= U_HOUR) {
        a->us += (__int128)v * us[u] + (__int128)rint(f * (double)us[u]);
    } else if (u == U_DAY || u == U_WEEK) {
        int scale = u == U_WEEK ? 7 : 1;
        a->days += (__int128)v * scale;
        add_days_fraction(a, f, scale);
    } else if (u == U_MONTH) {
        a->months += v;
        add_days_fraction(a, f, 30);
    } else {
        a->months += (__int128)v * months[u - U_MONTH] + (int)rint(f * months[u - U_MONTH]);
    }
}

static bool
bad_syntax(lg_call *c, const char *s)
{
    lg_call_error(c, "22007", "invalid input syntax for type interval: \"%s\"", s);
    return false;
}

static bool
out_of_range(lg_call *c, const char *s)
{
    lg_call_error(c, "22015", "interval field value out of range: \"%s\"", s);
    return false;
}

/* '.' and its digits, of which there may be none. An exponent is not part of it. */
static const char *
scan_fraction(const char *p, double *f)
{
    char digits[64] = ".";
    size_t n = 1;
    for (p++; isdigit((unsigned char)*p); p++)
        if (n < sizeof digits - 1)
            digits[n++] = *p;
    *f = n > 1 ? strtod(digits, NULL) : 0;
    return p;
}

/* [sign] digits [. digits]; both parts carry the sign. */
static const char *
scan_number(const char *p, int64_t *v, double *f, bool *ret_neg, bool *range)
{
    bool neg = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    if (!isdigit((unsigned char)*p) && !(*p == '.' && isdigit((unsigned char)p[1])))
        return NULL;
    *v = 0;
    *f = 0;
    for (; isdigit((unsigned char)*p); p++)
        if (__builtin_mul_overflow(*v, 10, v) || __builtin_add_overflow(*v, *p - '0', v))
            *range = true;
    if (*p == '.')
        p = scan_fraction(p, f);
    if (neg) {
        *v = (int64_t)(0 - (uint64_t)*v);
        *f = -*f;
    }
    *ret_neg = neg;
    return p;
}

/* P1Y2M3DT4H5M6.7S, P0001-02-03T04:05:06, P4W */
static bool
parse_iso(lg_call *c, const char *s, struct acc *a)
{
    const char *p = s + 1;
    bool time = false, range = false;
    if (!*p)
        return bad_syntax(c, s);
    while (*p) {
        int64_t v;
        double f;
        bool neg;
        if (*p == 'T') {
            time = true;
            p++;
            continue;
        }
        const char *q = scan_number(p, &v, &f, &neg, &range);
        if (!q)
            return bad_syntax(c, s);
        if (!time && *q == '-') { /* years-months-days */
            int y = 0, m = 0, d = 0, used = 0;
            if (sscanf(p, "%d-%d-%d%n", &y, &m, &d, &used) != 3)
                return bad_syntax(c, s);
            add_unit(a, U_YEAR, y, 0);
            add_unit(a, U_MONTH, m, 0);
            add_unit(a, U_DAY, d, 0);
            p += used;
            continue;
        }
        if (time && *q == ':') {
            int h = 0, m = 0, used = 0;
            double sec = 0;
            if (sscanf(p, "%d:%d:%lf%n", &h, &m, &sec, &used) != 3)
                return bad_syntax(c, s);
            add_unit(a, U_HOUR, h, 0);
            add_unit(a, U_MINUTE, m, 0);
            add_unit(a, U_SECOND, 0, sec);
            p += used;
            continue;
        }
        enum unit u;
        switch (*q) {
        case 'Y':
            u = U_YEAR;
            break;
        case 'M':
            u = time ? U_MINUTE : U_MONTH;
            break;
        case 'W':
            u = U_WEEK;
            break;
        case 'D':
            u = U_DAY;
            break;
        case 'H':
            u = U_HOUR;
            break;
        case 'S':
            u = U_SECOND;
            break;
        default:
            return bad_syntax(c, s);
        }
        add_unit(a, u, v, f);
        p = q + 1;
    }
    return range ? out_of_range(c, s) : a->any || time ? true : bad_syntax(c, s);
}

/* The unit of a number without one: the last field of interval FIELD. */
static enum unit
default_unit(int32_t typmod)
{
    int range = typmod < 0 ? FULL_RANGE : (typmod >> 16) & 0x7fff;
    if (range == FULL_RANGE || (range & F_SECOND))
        return U_SECOND;
    return range & F_MINUTE  ? U_MINUTE
           : range & F_HOUR  ? U_HOUR
           : range & F_DAY   ? U_DAY
           : range & F_MONTH ? U_MONTH
                             : U_YEAR;
}

/* hh:mm[:ss[.f]] after an optional sign; with MINUTE TO SECOND mm:ss. */
static const char *
scan_time(const char *p, struct acc *a, int32_t typmod, bool *bad, bool *range)
{
    bool neg = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    char *end;
    int64_t part[3] = {0, 0, 0};
    int n = 0;
    double f = 0;
    while (n < 3) {
        part[n++] = strtoll(p, &end, 10);
        p = end;
        if (*p != ':' || n == 3)
            break;
        p++;
        if (!isdigit((unsigned char)*p)) {
            *bad = n < 2;
            break;
        }
    }
    if (*p == '.')
        p = scan_fraction(p, &f);
    bool ms =
        n == 2 && (f != 0 || (typmod >= 0 && ((typmod >> 16) & 0x7fff) == (F_MINUTE | F_SECOND)));
    if (ms) {
        part[2] = part[1];
        part[1] = part[0];
        part[0] = 0;
    }
    if (part[1] > 59 || part[2] > 60)
        *range = true;
    __int128 us = ((__int128)part[0] * 3600 + (__int128)part[1] * 60 + part[2]) * 1000000 +
                  (__int128)rint(f * 1e6);
    a->us += neg ? -us : us;
    see(a, TIME_UNITS);
    return p;
}

/* The standard's "-1 2:03": a sign before the first field, and no other, is that of all of them. */
static bool
sign_of_all(const char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    if (*s != '-')
        return false;
    for (bool digit = true; *++s; digit = isalnum((unsigned char)*s))
        if ((*s == '-' || *s == '+') && !digit)
            return false;
    return true;
}

static bool
parse_plain(lg_call *c, const char *s, int32_t typmod, struct acc *a)
{
    const char *p = s;
    bool ago = false, bad = false, range = false;
    while (*p && !bad) {
        int64_t v;
        double f;
        bool neg;
        if (isspace((unsigned char)*p) || *p == '@' || *p == ',') {
            p++;
            continue;
        }
        if (isalpha((unsigned char)*p)) {
            size_t n = 0;
            while (isalpha((unsigned char)p[n]))
                n++;
            if (n == 3 && strncasecmp(p, "ago", 3) == 0)
                ago = true;
            else
                return bad_syntax(c, s);
            p += n;
            continue;
        }
        const char *q = scan_number(p, &v, &f, &neg, &range);
        if (!q)
            return bad_syntax(c, s);
        if (*q == ':') {
            p = scan_time(p, a, typmod, &bad, &range);
            continue;
        }
        if (*q == '-' && isdigit((unsigned char)q[1])) { /* years-months */
            char *end;
            long m = strtol(q + 1, &end, 10);
            if (m > 11)
                range = true;
            add_unit(a, U_YEAR, v, 0);
            add_unit(a, U_MONTH, neg ? -m : m, 0);
            p = end;
            continue;
        }
        const char *w = q;
        while (isspace((unsigned char)*w))
            w++;
        size_t n = 0;
        while (isalpha((unsigned char)w[n]))
            n++;
        enum unit u = default_unit(typmod);
        bool ago_next = n == 3 && strncasecmp(w, "ago", 3) == 0;
        if (n && !ago_next) {
            if (!find_unit(w, n, &u))
                return bad_syntax(c, s);
            p = w + n;
        } else {
            /* a number before a time is days: '1 04:05:06' */
            const char *t = w + (*w == '-' || *w == '+');
            size_t d = strspn(t, "0123456789");
            if (d && t[d] == ':')
                u = U_DAY;
            p = q;
        }
        add_unit(a, u, v, f);
    }
    if (bad || !a->any || a->twice)
        return bad_syntax(c, s);
    if (c->env && c->env->intervalstyle == LG_INTERVALSTYLE_SQL_STANDARD && sign_of_all(s)) {
        a->us = a->us > 0 ? -a->us : a->us;
        a->days = a->days > 0 ? -a->days : a->days;
        a->months = a->months > 0 ? -a->months : a->months;
    }
    if (range)
        return out_of_range(c, s);
    if (ago) {
        a->us = -a->us;
        a->days = -a->days;
        a->months = -a->months;
    }
    return true;
}

/* Cuts fields that the typmod leaves out and rounds the seconds. */
bool
lg_interval_typmod(lg_call *c, lg_interval *iv, int32_t typmod)
{
    if (typmod < 0)
        return true;
    int range = (typmod >> 16) & 0x7fff, precision = typmod & 0xffff;
    int64_t hour = 3600000000LL, minute = 60000000;
    if (range != FULL_RANGE) {
        if (range == F_YEAR) {
            iv->months = iv->months / 12 * 12;
            iv->days = 0;
            iv->us = 0;
        } else if (!(range & ~(F_YEAR | F_MONTH))) {
            iv->days = 0;
            iv->us = 0;
        } else if (range == F_DAY) {
            iv->us = 0;
        } else if (!(range & (F_MINUTE | F_SECOND))) {
            iv->us = iv->us / hour * hour;
        } else if (!(range & F_SECOND)) {
            iv->us = iv->us / minute * minute;
        }
    }
    if (precision != FULL_PRECISION) {
        if (precision > 6) {
            lg_call_error(c, "22023", "interval(%d) precision must be between %d and %d", precision,
                          0, 6);
            return false;
        }
        iv->us = lg_time_round(iv->us, precision);
    }
    return true;
}

bool
lg_interval_parse(lg_call *c, const char *s, int32_t typmod, lg_interval *ret)
{
    struct acc a = {0};
    while (isspace((unsigned char)*s))
        s++;
    bool ok = *s == 'P' ? parse_iso(c, s, &a) : parse_plain(c, s, typmod, &a);
    if (!ok)
        return false;
    if (a.us != (int64_t)a.us || a.days != (int32_t)a.days || a.months != (int32_t)a.months)
        return out_of_range(c, s);
    *ret = (lg_interval){(int64_t)a.us, (int32_t)a.days, (int32_t)a.months};
    return lg_interval_typmod(c, ret, typmod);
}

LG_FN(interval_in)
{
    lg_interval iv;
    return lg_interval_parse(c, ARG_CSTR(0), ARG_INT4(2), &iv) ? lg_datum_interval(c->arena, iv)
                                                               : 0;
}

LG_FN(interval_out)
{
    char buf[200];
    lg_interval_text(c->env, lg_interval_of(ARG(0)), buf);
    return lg_datum_ptr(lg_arena_strdup(c->arena, buf));
}

LG_FN(interval_recv)
{
    lg_recvbuf *b = lg_ptr(ARG(0));
    lg_interval iv;
    iv.us = (int64_t)lg_recv_uint(c, b, 8);
    iv.days = (int32_t)lg_recv_uint(c, b, 4);
    iv.months = (int32_t)lg_recv_uint(c, b, 4);
    if (c->st || !lg_interval_typmod(c, &iv, ARG_INT4(2)))
        return 0;
    return lg_datum_interval(c->arena, iv);
}

LG_FN(interval_send)
{
    lg_interval iv = lg_interval_of(ARG(0));
    lg_varlen *v = lg_varlen_new(c->arena, 16);
    for (int i = 0; i < 8; i++)
        v->data[i] = (char)((uint64_t)iv.us >> (56 - 8 * i));
    for (int i = 0; i < 4; i++) {
        v->data[8 + i] = (char)((uint32_t)iv.days >> (24 - 8 * i));
        v->data[12 + i] = (char)((uint32_t)iv.months >> (24 - 8 * i));
    }
    return lg_datum_ptr(v);
}

LG_FN(interval_scale)
{
    lg_interval iv = lg_interval_of(ARG(0));
    return lg_interval_typmod(c, &iv, ARG_INT4(1)) ? lg_datum_interval(c->arena, iv) : 0;
}

LG_FN(intervaltypmodin)
{
    lg_array_view v;
    lg_array_cstrings(c, ARG(0), &v);
    int64_t t[2] = {FULL_RANGE, FULL_PRECISION};
    for (uint32_t i = 0; i < v.n && i < 2 && !c->st; i++)
        t[i] = lg_parse_int(c, v.strings[i], INT32_MIN, INT32_MAX, "integer");
    if (c->st)
        return 0;
    if (v.n < 1 || v.n > 2)
        return lg_call_error(c, "22023", "invalid INTERVAL type modifier");
    if (v.n == 1 && t[0] == FULL_RANGE)
        return lg_datum_int4(-1);
    if (t[1] < 0)
        return lg_call_error(c, "22023", "INTERVAL(%d) precision must not be negative", (int)t[1]);
    if (v.n == 2 && t[1] > 6)
        t[1] = 6;
    return lg_datum_int4((int32_t)((t[0] & 0x7fff) << 16 | (t[1] & 0xffff)));
}

/* --- comparison --- */

LG_FN(interval_eq)
{
    return lg_interval_compare(ARG(0), ARG(1)) == 0;
}
LG_FN(interval_ne)
{
    return lg_interval_compare(ARG(0), ARG(1)) != 0;
}
LG_FN(interval_lt)
{
    return lg_interval_compare(ARG(0), ARG(1)) < 0;
}
LG_FN(interval_le)
{
    return lg_interval_compare(ARG(0), ARG(1)) <= 0;
}
LG_FN(interval_gt)
{
    return lg_interval_compare(ARG(0), ARG(1)) > 0;
}
LG_FN(interval_ge)
{
    return lg_interval_compare(ARG(0), ARG(1)) >= 0;
}
LG_FN(interval_cmp)
{
    return lg_datum_int4(lg_interval_compare(ARG(0), ARG(1)));
}
LG_FN(interval_larger)
{
    return lg_interval_compare(ARG(0), ARG(1)) > 0 ? ARG(0) : ARG(1);
}
LG_FN(interval_smaller)
{
    return lg_interval_compare(ARG(0), ARG(1)) < 0 ? ARG(0) : ARG(1);
}
LG_FN(interval_finite)
{
    return true;
}

/* --- arithmetic --- */

static lg_datum
interval_overflow(lg_call *c)
{
    return lg_call_error(c, "22008", "interval out of range");
}

static lg_datum
add(lg_call *c, lg_interval a, lg_interval b)
{
    int64_t us;
    int32_t days, months;
    if (__builtin_add_overflow(a.us, b.us, &us) || __builtin_add_overflow(a.days, b.days, &days) ||
        __builtin_add_overflow(a.months, b.months, &months))
        return interval_overflow(c);
    return lg_datum_interval(c->arena, (lg_interval){us, days, months});
}

static bool
negate(lg_interval *iv)
{
    if (iv->us == INT64_MIN || iv->days == INT32_MIN || iv->months == INT32_MIN)
        return false;
    *iv = (lg_interval){-iv->us, -iv->days, -iv->months};
    return true;
}

LG_FN(interval_pl)
{
    return add(c, lg_interval_of(ARG(0)), lg_interval_of(ARG(1)));
}

LG_FN(interval_mi)
{
    lg_interval b = lg_interval_of(ARG(1));
    return negate(&b) ? add(c, lg_interval_of(ARG(0)), b) : interval_overflow(c);
}

LG_FN(interval_um)
{
    lg_interval iv = lg_interval_of(ARG(0));
    return negate(&iv) ? lg_datum_interval(c->arena, iv) : interval_overflow(c);
}

static lg_datum
multiply(lg_call *c, lg_interval iv, double by)
{
    return lg_interval_of_parts(c, iv.months * by, iv.days * by, (double)iv.us * by);
}

LG_FN(interval_mul)
{
    return multiply(c, lg_interval_of(ARG(0)), ARG_FLOAT8(1));
}
LG_FN(mul_d_interval)
{
    return multiply(c, lg_interval_of(ARG(1)), ARG_FLOAT8(0));
}
LG_FN(interval_div)
{
    return lg_interval_div(c, lg_interval_of(ARG(0)), ARG_FLOAT8(1));
}

/* --- justify --- */

static void
balance(int64_t *small, int64_t unit, int64_t *big)
{
    int64_t n = *small / unit;
    *small -= n * unit;
    *big += n;
    if (*big > 0 && *small < 0) {
        *small += unit;
        (*big)--;
    } else if (*big < 0 && *small > 0) {
        *small -= unit;
        (*big)++;
    }
}

static lg_datum
justify(lg_call *c, bool hours, bool days)
{
    lg_interval iv = lg_interval_of(ARG(0));
    int64_t us = iv.us, d = iv.days, m = iv.months;
    if (hours && days) { /* first bring days and time to one sign, then months */
        int64_t n = us / LG_US_PER_DAY;
        us -= n * LG_US_PER_DAY;
        d += n;
        n = d / 30;
        d -= n * 30;
        m += n;
        if (m > 0 && (d < 0 || (d == 0 && us < 0))) {
            d += 30;
            m--;
        } else if (m < 0 && (d > 0 || (d == 0 && us > 0))) {
            d -= 30;
            m++;
        }
        if (d > 0 && us < 0) {
            us += LG_US_PER_DAY;
            d--;
        } else if (d < 0 && us > 0) {
            us -= LG_US_PER_DAY;
            d++;
        }
    } else if (hours) {
        balance(&us, LG_US_PER_DAY, &d);
    } else {
        balance(&d, 30, &m);
    }
    if (d != (int32_t)d || m != (int32_t)m)
        return interval_overflow(c);
    return lg_datum_interval(c->arena, (lg_interval){us, (int32_t)d, (int32_t)m});
}

LG_FN(interval_justify_hours)
{
    return justify(c, true, false);
}
LG_FN(interval_justify_days)
{
    return justify(c, false, true);
}
LG_FN(interval_justify_interval)
{
    return justify(c, true, true);
}

LG_FN(make_interval)
{
    double sec = ARG_FLOAT8(6);
    if (!isfinite(sec))
        return interval_overflow(c);
    __int128 months = (__int128)ARG_INT4(0) * 12 + ARG_INT4(1);
    __int128 days = (__int128)ARG_INT4(2) * 7 + ARG_INT4(3);
    __int128 us = ((__int128)ARG_INT4(4) * 60 + ARG_INT4(5)) * 60000000 + (__int128)rint(sec * 1e6);
    if (months != (int32_t)months || days != (int32_t)days || us != (int64_t)us)
        return interval_overflow(c);
    return lg_datum_interval(c->arena, (lg_interval){(int64_t)us, (int32_t)days, (int32_t)months});
}
