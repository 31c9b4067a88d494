/* to_char of dates, times and intervals; to_date and to_timestamp. A template is a list of nodes:
 * keywords with modifiers, and literal text. */
#include "datetime.h"
#include "text.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum key {
    K_NONE,
    K_HH24,
    K_HH12,
    K_MI,
    K_SS,
    K_MS,
    K_US,
    K_FF,
    K_SSSS,
    K_AM,
    K_AM_DOT,
    K_Y_YYY,
    K_YYYY,
    K_YYY,
    K_YY,
    K_Y,
    K_IYYY,
    K_IYY,
    K_IY,
    K_I,
    K_BC,
    K_BC_DOT,
    K_MONTH,
    K_MON,
    K_MM,
    K_DAY,
    K_DY,
    K_DDD,
    K_DD,
    K_D,
    K_IDDD,
    K_ID,
    K_W,
    K_WW,
    K_IW,
    K_CC,
    K_J,
    K_Q,
    K_RM,
    K_TZ,
    K_TZH,
    K_TZM,
    K_OF
};

/* Longest first among those with a common start. */
static const struct {
    const char *name;
    enum key key;
} keys[] = {
    {"A.D.", K_BC_DOT}, {"A.M.", K_AM_DOT}, {"AD", K_BC},   {"AM", K_AM},       {"B.C.", K_BC_DOT},
    {"BC", K_BC},       {"CC", K_CC},       {"DAY", K_DAY}, {"DDD", K_DDD},     {"DD", K_DD},
    {"DY", K_DY},       {"D", K_D},         {"FF", K_FF},   {"HH24", K_HH24},   {"HH12", K_HH12},
    {"HH", K_HH12},     {"IDDD", K_IDDD},   {"ID", K_ID},   {"IW", K_IW},       {"IYYY", K_IYYY},
    {"IYY", K_IYY},     {"IY", K_IY},       {"I", K_I},     {"J", K_J},         {"MI", K_MI},
    {"MM", K_MM},       {"MONTH", K_MONTH}, {"MON", K_MON}, {"MS", K_MS},       {"OF", K_OF},
    {"P.M.", K_AM_DOT}, {"PM", K_AM},       {"Q", K_Q},     {"RM", K_RM},       {"SSSSS", K_SSSS},
    {"SSSS", K_SSSS},   {"SS", K_SS},       {"TZH", K_TZH}, {"TZM", K_TZM},     {"TZ", K_TZ},
    {"US", K_US},       {"WW", K_WW},       {"W", K_W},     {"Y,YYY", K_Y_YYY}, {"YYYY", K_YYYY},
    {"YYY", K_YYY},     {"YY", K_YY},       {"Y", K_Y}};

struct node {
    enum key key;
    int digits; /* FF1..FF6 */
    bool fm, th, th_upper;
    const char *text; /* as written: literal text, or the keyword for its case */
    size_t len;
};

/* Keywords are written in capitals or in small letters; names of months and days also like This. */
static bool
same_word(const char *p, const char *name, size_t len)
{
    if (strncmp(p, name, len) == 0)
        return true;
    bool title = strcmp(name, "MONTH") == 0 || strcmp(name, "MON") == 0 ||
                 strcmp(name, "DAY") == 0 || strcmp(name, "DY") == 0;
    for (size_t i = 0; i < len; i++)
        if (p[i] != tolower((unsigned char)name[i]) && !(title && i == 0 && p[0] == name[0]))
            return false;
    return true;
}

static bool
find_key(const char *p, const char *end, struct node *n)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        size_t len = strlen(keys[i].name);
        if ((size_t)(end - p) < len || !same_word(p, keys[i].name, len))
            continue;
        n->key = keys[i].key;
        n->text = p;
        n->len = len;
        if (n->key == K_FF) {
            if (p + 2 >= end || p[2] < '1' || p[2] > '6')
                continue;
            n->digits = p[2] - '0';
            n->len++;
        }
        return true;
    }
    return false;
}

static struct node *
parse_template(lg_call *c, const char *p, size_t size, uint32_t *ret_n)
{
    const char *end = p + size;
    struct node *v = lg_arena_zalloc(c->arena, sizeof *v * (size + 1));
    uint32_t n = 0;
    while (p < end) {
        struct node *x = &v[n];
        bool fm = false;
        while (end - p >= 2 && (strncasecmp(p, "FM", 2) == 0 || strncasecmp(p, "FX", 2) == 0 ||
                                strncasecmp(p, "TM", 2) == 0)) {
            fm |= toupper((unsigned char)p[1]) == 'M'; /* TM: no padding either */
            p += 2;
        }
        if (p >= end)
            break;
        x->fm = fm;
        if (find_key(p, end, x)) {
            p += x->len;
            if (end - p >= 2 && strncasecmp(p, "TH", 2) == 0) {
                x->th = true;
                x->th_upper = *p == 'T';
                p += 2;
            } else if (end - p >= 2 && strncasecmp(p, "SP", 2) == 0) {
                p += 2;
            }
            n++;
            continue;
        }
        if (*p == '"') {
            for (p++; p < end && *p != '"'; p++) {
                if (*p == '\\' && p + 1 < end)
                    p++;
                v[n++] = (struct node){.text = p, .len = 1};
            }
            p += p < end;
            continue;
        }
        if (*p == '\\' && p + 1 < end && p[1] == '"')
            p++;
        size_t len = lg_utf8_len((uint8_t)*p);
        x->text = p;
        x->len = len > (size_t)(end - p) ? (size_t)(end - p) : len;
        p += x->len;
        n++;
    }
    *ret_n = n;
    return v;
}

/* --- output --- */

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const romans[] = {"I",   "II",   "III", "IV", "V",  "VI",
                                     "VII", "VIII", "IX",  "X",  "XI", "XII"};

static const char *
ordinal(long long v, bool upper)
{
    int d = (int)(llabs(v) % 100);
    int k = d >= 11 && d <= 13 ? 0 : d % 10;
    static const char *const lo[] = {"th", "st", "nd", "rd"}, *const up[] = {"TH", "ST", "ND",
                                                                             "RD"};
    k = k > 3 ? 0 : k;
    return upper ? up[k] : lo[k];
}

static void
put_number(lg_abuf *b, const struct node *n, long long v, int width)
{
    bool counts_sign = n->key == K_DD || n->key == K_DDD;
    if (n->fm)
        lg_abuf_printf(b, "%lld", v);
    else
        lg_abuf_printf(b, "%0*lld", v < 0 && !counts_sign ? width + 1 : width, v);
    if (n->th)
        lg_abuf_puts(b, ordinal(v, n->th_upper));
}

/* A name in the case of the keyword: MONTH, Month, month. */
static void
put_name(lg_abuf *b, const struct node *n, const char *name, size_t len, int width)
{
    bool upper = isupper((unsigned char)n->text[0]) && isupper((unsigned char)n->text[1]);
    bool lower = islower((unsigned char)n->text[0]);
    for (size_t i = 0; i < len; i++)
        lg_abuf_putc(b, (char)(upper   ? toupper((unsigned char)name[i])
                               : lower ? tolower((unsigned char)name[i])
                                       : name[i]));
    for (int i = (int)len; !n->fm && i < width; i++)
        lg_abuf_putc(b, ' ');
}

static int
iso_week(int y, int m, int d, int *ret_year, int *ret_day)
{
    int jd = lg_jdate(y, m, d);
    for (int year = y + 1;; year--) {
        int day4 = lg_jdate(year, 1, 4), start = day4 - day4 % 7;
        if (jd >= start) {
            *ret_year = year;
            *ret_day = jd - start + 1;
            return (jd - start) / 7 + 1;
        }
    }
}

struct moment {
    lg_dt t;
    int64_t hour; /* of intervals, any number */
    bool interval, zoned;
};

static void
put_year(lg_abuf *b, const struct node *n, int year, const struct moment *m, int digits)
{
    int y = m->interval || year > 0 ? year : 1 - year;
    static const int mod[] = {1, 10, 100, 1000};
    if (digits < 4)
        y %= mod[digits];
    put_number(b, n, y, digits);
}

/* Date keywords; false: not one. */
static bool
put_date_key(lg_call *c, lg_abuf *b, const struct node *n, const struct moment *m)
{
    const lg_dt *t = &m->t;
    int jd = m->interval ? 0 : lg_jdate(t->year, t->mon, t->day);
    int iy = t->year, iday = 0,
        week = m->interval ? 0 : iso_week(t->year, t->mon, t->day, &iy, &iday);
    int doy =
        m->interval ? (t->year * 12 + t->mon) * 30 + t->day : jd - lg_jdate(t->year, 1, 1) + 1;
    int dow = (jd + 1) % 7;
    switch (n->key) {
    case K_Y_YYY: {
        int y = t->year > 0 || m->interval ? t->year : 1 - t->year;
        lg_abuf_printf(b, "%d,%03d", y / 1000, y % 1000);
        return true;
    }
    case K_YYYY:
        put_year(b, n, t->year, m, 4);
        return true;
    case K_YYY:
        put_year(b, n, t->year, m, 3);
        return true;
    case K_YY:
        put_year(b, n, t->year, m, 2);
        return true;
    case K_Y:
        put_year(b, n, t->year, m, 1);
        return true;
    case K_IYYY:
        put_year(b, n, iy, m, 4);
        return true;
    case K_IYY:
        put_year(b, n, iy, m, 3);
        return true;
    case K_IY:
        put_year(b, n, iy, m, 2);
        return true;
    case K_I:
        put_year(b, n, iy, m, 1);
        return true;
    case K_MM:
        put_number(b, n, t->mon, 2);
        return true;
    case K_DD:
        put_number(b, n, t->day, 2);
        return true;
    case K_DDD:
        put_number(b, n, doy, 3);
        return true;
    case K_W:
        put_number(b, n, (t->day - 1) / 7 + 1, 1);
        return true;
    case K_WW:
        put_number(b, n, (doy - 1) / 7 + 1, 2);
        return true;
    case K_Q:
        if (t->mon)
            put_number(b, n, (t->mon - 1) / 3 + 1, 1);
        return true;
    case K_CC: {
        int y = t->year;
        put_number(b, n, m->interval ? y / 100 : y > 0 ? (y - 1) / 100 + 1 : y / 100 - 1, 2);
        return true;
    }
    case K_RM: {
        /* Intervals: whole years are month 12 (1 of negative ones), -1 is December, -2 November */
        int at = t->mon > 0 ? t->mon - 1 : t->mon < 0 ? 12 + t->mon : t->year > 0 ? 11 : 0;
        if (t->mon || t->year)
            put_name(b, n, romans[at], strlen(romans[at]), 4);
        return true;
    }
    case K_J:
        put_number(b, n, m->interval ? doy : jd, 1);
        return true;
    default:
        break;
    }
    if (n->key == K_MONTH || n->key == K_MON || n->key == K_DAY || n->key == K_DY ||
        n->key == K_D || n->key == K_ID || n->key == K_IW || n->key == K_IDDD || n->key == K_BC ||
        n->key == K_BC_DOT) {
        if (m->interval) {
            lg_call_error(c, "22007", "invalid format specification for an interval value");
            lg_error_hint(c->err, "Intervals are not tied to specific calendar dates.");
            return true;
        }
    }
    switch (n->key) {
    case K_MONTH:
        put_name(b, n, months[t->mon - 1], strlen(months[t->mon - 1]), 9);
        return true;
    case K_MON:
        put_name(b, n, months[t->mon - 1], 3, 0);
        return true;
    case K_DAY:
        put_name(b, n, days[dow], strlen(days[dow]), 9);
        return true;
    case K_DY:
        put_name(b, n, days[dow], 3, 0);
        return true;
    case K_D:
        put_number(b, n, dow + 1, 1);
        return true;
    case K_ID:
        put_number(b, n, dow ? dow : 7, 1);
        return true;
    case K_IW:
        put_number(b, n, week, 2);
        return true;
    case K_IDDD:
        put_number(b, n, iday, 3);
        return true;
    case K_BC:
    case K_BC_DOT: {
        const char *w =
            n->key == K_BC ? (t->year <= 0 ? "BC" : "AD") : (t->year <= 0 ? "B.C." : "A.D.");
        for (; *w; w++)
            lg_abuf_putc(
                b, (char)(islower((unsigned char)n->text[0]) ? tolower((unsigned char)*w) : *w));
        return true;
    }
    default:
        return false;
    }
}

static void
put_time_key(lg_call *c, lg_abuf *b, const struct node *n, const struct moment *m)
{
    const lg_dt *t = &m->t;
    static const int unit[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    int a = abs(t->offset);
    switch (n->key) {
    case K_HH24:
        put_number(b, n, m->hour, 2);
        break;
    case K_HH12:
        put_number(b, n, m->hour % 12 == 0 ? 12 : m->hour % 12, 2);
        break;
    case K_MI:
        put_number(b, n, t->min, 2);
        break;
    case K_SS:
        put_number(b, n, t->sec, 2);
        break;
    case K_MS:
        put_number(b, &(struct node){.th = n->th, .th_upper = n->th_upper}, t->us / 1000, 3);
        break;
    case K_US:
        put_number(b, &(struct node){.th = n->th, .th_upper = n->th_upper}, t->us, 6);
        break;
    case K_FF:
        lg_abuf_printf(b, "%0*d", n->digits, t->us / unit[n->digits]);
        break;
    case K_SSSS:
        put_number(b, &(struct node){.fm = true, .th = n->th},
                   (m->hour * 60 + t->min) * 60 + t->sec, 1);
        break;
    case K_AM:
    case K_AM_DOT: {
        bool pm = m->hour % 24 >= 12;
        const char *w = n->key == K_AM ? (pm ? "PM" : "AM") : (pm ? "P.M." : "A.M.");
        for (; *w; w++)
            lg_abuf_putc(
                b, (char)(islower((unsigned char)n->text[0]) ? tolower((unsigned char)*w) : *w));
        break;
    }
    case K_TZ:
    case K_TZH:
    case K_TZM:
    case K_OF:
        if (m->interval) {
            lg_call_error(c, "22007", "invalid format specification for an interval value");
            lg_error_hint(c->err, "Intervals are not tied to specific calendar dates.");
            break;
        }
        if (n->key == K_TZ) {
            for (const char *p = m->zoned ? t->abbrev : ""; *p; p++)
                lg_abuf_putc(
                    b,
                    (char)(islower((unsigned char)n->text[0]) ? tolower((unsigned char)*p) : *p));
        } else if (n->key == K_TZH) {
            lg_abuf_printf(b, "%c%02d", t->offset < 0 ? '-' : '+', a / 3600);
        } else if (n->key == K_TZM) {
            lg_abuf_printf(b, "%02d", a / 60 % 60);
        } else {
            lg_abuf_printf(b, "%c%0*d", t->offset < 0 ? '-' : '+', n->fm ? 0 : 2, a / 3600);
            if (a / 60 % 60)
                lg_abuf_printf(b, ":%02d", a / 60 % 60);
        }
        break;
    default:
        break;
    }
}

static lg_datum
to_char(lg_call *c, const struct moment *m)
{
    uint32_t count;
    struct node *n = parse_template(c, ARG_STR(1), ARG_LEN(1), &count);
    lg_abuf b;
    lg_abuf_for(&b, c);
    for (uint32_t i = 0; i < count && !c->st; i++) {
        if (n[i].key == K_NONE)
            lg_abuf_add(&b, n[i].text, n[i].len);
        else if (!put_date_key(c, &b, &n[i], m))
            put_time_key(c, &b, &n[i], m);
    }
    return c->st ? 0 : lg_abuf_text(&b);
}

LG_FN(timestamp_to_char)
{
    struct moment m = {0};
    if (ARG_LEN(1) == 0 || !lg_ts_finite(ARG_INT8(0)))
        RET_NULL();
    lg_ts_split(ARG_INT8(0), &m.t);
    m.hour = m.t.hour;
    return to_char(c, &m);
}

LG_FN(timestamptz_to_char)
{
    struct moment m = {.zoned = true};
    if (ARG_LEN(1) == 0 || !lg_ts_finite(ARG_INT8(0)))
        RET_NULL();
    lg_tstz_split(c->env, ARG_INT8(0), c->env->tz, &m.t);
    m.hour = m.t.hour;
    return to_char(c, &m);
}

LG_FN(interval_to_char)
{
    struct moment m = {.interval = true};
    lg_interval iv = lg_interval_of(ARG(0));
    if (ARG_LEN(1) == 0)
        RET_NULL();
    m.t.year = iv.months / 12;
    m.t.mon = iv.months % 12;
    m.t.day = iv.days;
    m.hour = iv.us / 3600000000LL;
    m.t.min = (int)(iv.us / 60000000 % 60);
    m.t.sec = (int)(iv.us / 1000000 % 60);
    m.t.us = (int)(iv.us % 1000000);
    return to_char(c, &m);
}

/* --- input --- */

struct fields {
    int year, mon, day, doy, hour, min, sec, us, iso_year, iso_week, iso_day, week, wom, jd, cc;
    int64_t ssss;
    int year_digits;
    bool has_year, has_mon, has_day, has_doy, has_iso_year, has_iso_week, has_ssss, has_jd;
    bool bc, pm, am, hh12, has_zone, has_tzm;
    int zone_sign, tzh, tzm;
    int32_t named_offset;
};

static bool
bad_value(lg_call *c, const struct node *n, const char *p, size_t left, int width)
{
    size_t len = strnlen(p, left), cut = 0;
    while (cut < len && cut < (size_t)width)
        cut++;
    lg_call_error(c, "22007", "invalid value \"%.*s\" for \"%.*s\"", (int)cut, p, (int)n->len,
                  n->text);
    lg_error_detail(c->err, "Value must be an integer.");
    return false;
}

/* A number of at most `width` digits where another digit may follow at once, else of any length. */
static bool
read_number(lg_call *c, const struct node *n, const struct node *next, const char **p,
            const char *end, int width, int64_t *ret, int *ret_digits)
{
    const char *s = *p;
    while (s < end && isspace((unsigned char)*s))
        s++;
    bool neg = false;
    if (s < end && (*s == '+' || *s == '-')) {
        neg = *s == '-';
        s++;
    }
    bool next_is_digit = next && next->key != K_NONE;
    int k = 0;
    *ret = 0;
    while (s < end && isdigit((unsigned char)*s) &&
           ((!next_is_digit && !n->fm) || n->fm || k < width)) {
        if (next_is_digit && !n->fm && k >= width)
            break;
        if (!next_is_digit && k > 18)
            break;
        *ret = *ret * 10 + (*s++ - '0');
        k++;
    }
    if (k == 0)
        return bad_value(c, n, *p, (size_t)(end - *p), width);
    if (neg)
        *ret = -*ret;
    *ret_digits = k;
    *p = s;
    return true;
}

static bool
read_word(lg_call *c, const struct node *n, const char *const *list, int count, int letters,
          const char **p, const char *end, int *ret)
{
    while (*p < end && isspace((unsigned char)**p))
        (*p)++;
    for (int i = 0; i < count; i++) {
        size_t len = letters ? (size_t)letters : strlen(list[i]);
        if ((size_t)(end - *p) >= len && strncasecmp(*p, list[i], len) == 0) {
            *ret = i;
            *p += len;
            return true;
        }
    }
    size_t cut = 0;
    while (*p + cut < end && !isspace((unsigned char)(*p)[cut]))
        cut++;
    lg_call_error(c, "22007", "invalid value \"%.*s\" for \"%.*s\"", (int)cut, *p, (int)n->len,
                  n->text);
    lg_error_detail(c->err,
                    "The given value did not match any of the allowed values for this field.");
    return false;
}

/* Two- and three-digit years are near 2020. */
static int
full_year(int v, int digits)
{
    if (digits >= 4)
        return v;
    if (v < 70)
        return v + 2000;
    if (v < 100)
        return v + 1900;
    if (v < 520)
        return v + 2000;
    return v < 1000 ? v + 1000 : v;
}

static int
width_of(enum key k)
{
    switch (k) {
    case K_MS:
    case K_DDD:
    case K_IDDD:
    case K_YYY:
    case K_IYY:
        return 3;
    case K_YYYY:
    case K_IYYY:
        return 4;
    case K_US:
        return 6;
    case K_SSSS:
        return 5;
    case K_J:
        return 7;
    case K_Y:
    case K_I:
    case K_D:
    case K_ID:
    case K_W:
    case K_Q:
        return 1;
    default:
        return 2;
    }
}

static int
scaled(int64_t v, int digits, int want)
{
    while (digits < want) {
        v *= 10;
        digits++;
    }
    while (digits > want) {
        v /= 10;
        digits--;
    }
    return (int)v;
}

static bool
read_key(lg_call *c, const struct node *n, const struct node *next, const char **p, const char *end,
         struct fields *f)
{
    int64_t v = 0;
    int d = 0, k = 0;
    static const char *const ampm[] = {"a.m.", "p.m.", "am", "pm"};
    static const char *const era[] = {"a.d.", "b.c.", "ad", "bc"};
    switch (n->key) {
    case K_AM:
    case K_AM_DOT:
        if (!read_word(c, n, ampm, 4, 0, p, end, &k))
            return false;
        f->pm = k % 2;
        f->am = !f->pm;
        f->hh12 = true;
        return true;
    case K_BC:
    case K_BC_DOT:
        if (!read_word(c, n, era, 4, 0, p, end, &k))
            return false;
        f->bc = k % 2;
        return true;
    case K_MONTH:
        f->has_mon = true;
        if (!read_word(c, n, months, 12, 0, p, end, &f->mon))
            return false;
        f->mon++;
        return true;
    case K_MON:
        f->has_mon = true;
        if (!read_word(c, n, months, 12, 3, p, end, &f->mon))
            return false;
        f->mon++;
        return true;
    case K_DAY:
        return read_word(c, n, days, 7, 0, p, end, &k);
    case K_DY:
        return read_word(c, n, days, 7, 3, p, end, &k);
    case K_RM: {
        static const char *const longest[] = {"VIII", "III", "VII", "XII", "II", "IV",
                                              "VI",   "IX",  "XI",  "I",   "V",  "X"};
        static const int value[] = {8, 3, 7, 12, 2, 4, 6, 9, 11, 1, 5, 10};
        if (!read_word(c, n, longest, 12, 0, p, end, &k))
            return false;
        f->mon = value[k];
        f->has_mon = true;
        return true;
    }
    case K_TZH:
        while (*p < end && isspace((unsigned char)**p))
            (*p)++;
        f->zone_sign = *p < end && **p == '-' ? -1 : 1;
        if (*p < end && (**p == '-' || **p == '+'))
            (*p)++;
        if (!read_number(c, n, next, p, end, 2, &v, &d))
            return false;
        f->tzh = (int)v;
        f->has_zone = true;
        return true;
    case K_TZ:
    case K_OF:
    case K_IDDD:
        lg_call_error(c, "0A000", "formatting field \"%.*s\" is only supported in to_char",
                      (int)n->len, n->text);
        return false;
    case K_Y_YYY: {
        int th = 0, rest = 0, used = 0;
        if (sscanf(*p, "%d,%03d%n", &th, &rest, &used) < 2) {
            lg_call_error(c, "22007", "invalid input string for \"Y,YYY\"");
            return false;
        }
        f->year = th * 1000 + rest;
        f->has_year = true;
        f->year_digits = 4;
        *p += used;
        return true;
    }
    default:
        break;
    }
    int width = n->key == K_FF ? n->digits : width_of(n->key);
    if (!read_number(c, n, next, p, end, width, &v, &d))
        return false;
    int i = (int)v;
    switch (n->key) {
    case K_HH24:
        f->hour = i;
        break;
    case K_HH12:
        f->hour = i;
        f->hh12 = true;
        break;
    case K_MI:
        f->min = i;
        break;
    case K_SS:
        f->sec = i;
        break;
    case K_MS:
        f->us = scaled(v, d, 3) * 1000;
        break;
    case K_US:
    case K_FF:
        f->us = scaled(v, d, 6);
        break;
    case K_SSSS:
        f->ssss = v;
        f->has_ssss = true;
        break;
    case K_YYYY:
    case K_YYY:
    case K_YY:
    case K_Y:
        f->has_year = true;
        f->year_digits = n->key == K_YYYY ? 4 : d;
        f->year = n->key == K_YYYY ? (d < 4 && d > 0 && !f->bc ? i : i) : full_year(i, d);
        break;
    case K_IYYY:
    case K_IYY:
    case K_IY:
    case K_I:
        f->has_iso_year = true;
        f->iso_year = n->key == K_IYYY ? i : full_year(i, d);
        break;
    case K_MM:
        f->mon = i;
        f->has_mon = true;
        break;
    case K_DD:
        f->day = i;
        f->has_day = true;
        break;
    case K_DDD:
        f->doy = i;
        f->has_doy = true;
        break;
    case K_ID:
        f->iso_day = i;
        break;
    case K_IW:
        f->iso_week = i;
        f->has_iso_week = true;
        break;
    case K_WW:
        f->week = i;
        break;
    case K_W:
        f->wom = i;
        break;
    case K_CC:
        f->cc = i;
        break;
    case K_J:
        f->jd = i;
        f->has_jd = true;
        break;
    case K_TZM:
        f->tzm = i;
        break;
    default:
        break; /* D and Q say nothing about the date */
    }
    if (n->th && end - *p >= 2)
        *p += 2;
    return true;
}

static bool
separator(char ch)
{
    return ispunct((unsigned char)ch) && ch != '"';
}

static bool
read_all(lg_call *c, struct fields *f)
{
    uint32_t count;
    struct node *n = parse_template(c, ARG_STR(1), ARG_LEN(1), &count);
    const char *p = lg_text_cstring(c->arena, ARG(0)), *end = p + ARG_LEN(0);
    while (p < end && isspace((unsigned char)*p))
        p++;
    for (uint32_t i = 0; i < count && p < end; i++) {
        if (n[i].key == K_NONE) {
            char t = n[i].text[0];
            if (isspace((unsigned char)t) || separator(t)) {
                /* a separator takes any separator or space, or nothing */
                if (isspace((unsigned char)*p)) {
                    while (p < end && isspace((unsigned char)*p))
                        p++;
                } else if (separator(*p) &&
                           !((*p == '-' || *p == '+') && i + 1 < count && n[i + 1].key == K_TZH)) {
                    p++;
                }
            } else {
                p += n[i].len;
            }
            continue;
        }
        while (p < end && isspace((unsigned char)*p))
            p++;
        if (n[i].key != K_TZH)
            while (p < end && separator(*p) &&
                   !(p + 1 < end && isdigit((unsigned char)p[1]) && *p == '-'))
                p++;
        if (p >= end)
            break;
        if (!read_key(c, &n[i], i + 1 < count ? &n[i + 1] : NULL, &p, end, f))
            return false;
    }
    return true;
}

static bool
out_of_range(lg_call *c)
{
    lg_call_error(c, "22008", "date/time field value out of range: \"%s\"",
                  lg_text_cstring(c->arena, ARG(0)));
    return false;
}

static bool
resolve(lg_call *c, struct fields *f, lg_dt *t)
{
    *t = (lg_dt){.year = 0, .mon = 1, .day = 1};
    if (f->hh12 && (f->hour < 1 || f->hour > 12)) {
        lg_call_error(c, "22007", "hour \"%d\" is invalid for the 12-hour clock", f->hour);
        lg_error_hint(c->err, "Use the 24-hour clock, or give an hour between 1 and 12.");
        return false;
    }
    if (f->pm && f->hour < 12)
        f->hour += 12;
    else if (f->am && f->hour == 12)
        f->hour = 0;
    t->hour = f->hour;
    t->min = f->min;
    t->sec = f->sec;
    t->us = f->us;
    if (f->has_ssss) {
        t->hour = (int)(f->ssss / 3600);
        t->min = (int)(f->ssss / 60 % 60);
        t->sec = (int)(f->ssss % 60);
    }
    if (f->has_year) {
        t->year = f->year;
        if (f->cc && f->year_digits <= 2)
            t->year = f->year % 100 + (f->year % 100 ? (f->cc - 1) * 100 : f->cc * 100);
        if (f->bc)
            t->year = t->year > 0 ? 1 - t->year : t->year;
        else if (t->year < 0)
            t->year++;
        else if (t->year == 0)
            t->year = 0;
    } else if (f->cc) {
        t->year = (f->cc - 1) * 100 + 1;
    }
    if (f->has_jd)
        lg_jdate_split(f->jd, &t->year, &t->mon, &t->day);
    if (f->has_iso_week || f->has_iso_year) {
        int day4 = lg_jdate(f->iso_year, 1, 4), start = day4 - day4 % 7;
        int week = f->has_iso_week ? f->iso_week : 1;
        lg_jdate_split(start + (week - 1) * 7 + (f->iso_day ? f->iso_day - 1 : 0), &t->year,
                       &t->mon, &t->day);
    }
    if (f->week)
        f->doy = (f->week - 1) * 7 + 1;
    if (f->wom)
        f->day = (f->wom - 1) * 7 + 1;
    if (f->has_mon)
        t->mon = f->mon;
    if (f->has_day || f->wom)
        t->day = f->day;
    if (t->hour < 0 || t->hour > 23 || t->min < 0 || t->min > 59 || t->sec < 0 || t->sec > 59)
        return out_of_range(c);
    if (f->has_doy || f->week) {
        if (f->doy < 1 || f->doy > 366)
            return out_of_range(c);
        int year = t->year;
        lg_jdate_split(lg_jdate(t->year, 1, 1) + f->doy - 1, &t->year, &t->mon, &t->day);
        if (t->year != year)
            return out_of_range(c);
        return true;
    }
    if (t->mon < 1 || t->mon > 12 || t->day < 1 || t->day > lg_month_days(t->year, t->mon))
        return out_of_range(c);
    return true;
}

LG_FN(to_date)
{
    struct fields f = {0};
    lg_dt t;
    if (!read_all(c, &f) || !resolve(c, &f, &t))
        return 0;
    if (!lg_date_valid(t.year, t.mon, t.day))
        return lg_call_error(c, "22008", "date out of range: \"%s\"",
                             lg_text_cstring(c->arena, ARG(0)));
    return lg_datum_int4(lg_jdate(t.year, t.mon, t.day) - LG_PG_EPOCH_JDATE);
}

LG_FN(to_timestamp)
{
    struct fields f = {0};
    lg_dt t;
    int64_t ts;
    if (!read_all(c, &f) || !resolve(c, &f, &t))
        return 0;
    if (!lg_ts_join(&t, &ts))
        return lg_call_error(c, "22008", "timestamp out of range");
    if (f.has_zone)
        ts -= f.zone_sign * (f.tzh * 3600 + f.tzm * 60) * LG_US_PER_S;
    else
        ts = lg_ts_to_utc(c->env->tz, ts);
    return lg_datum_int8(ts);
}
