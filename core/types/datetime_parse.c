/* Reading dates, times and zones in all the forms that PostgreSQL takes.
 *
 * The text is cut into tokens: numbers with their separators ("1999-01-08", "04:05:06.7"), words,
 * and signed zone offsets. Each token fills some of {year, month, day, time, zone}; numbers without
 * separators are dealt with by length and by what is still missing. */
#include "datetime.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define MAX_TOKENS 24

enum tkind { T_NUMBER, T_DATE, T_TIME, T_WORD, T_ZONE };

struct token {
    enum tkind kind;
    char s[64];
};

struct state {
    lg_call *c;
    const char *text;
    const char *type;
    lg_dt_parsed *r;
    struct token tok[MAX_TOKENS];
    int n;
    bool has_year, has_mon, has_day, two_digit_year, bc, pm, am, word_month, iso_order;
};

static bool
bad_syntax(struct state *s)
{
    lg_call_error(s->c, "22007", "invalid input syntax for type %s: \"%s\"", s->type, s->text);
    return false;
}

static bool
field_overflow(struct state *s, bool hint)
{
    lg_call_error(s->c, "22008", "date/time field value out of range: \"%s\"", s->text);
    if (hint)
        lg_error_hint(s->c->err, "Perhaps you need a different \"datestyle\" setting.");
    return false;
}

static bool
zone_overflow(struct state *s)
{
    lg_call_error(s->c, "22009", "time zone displacement out of range: \"%s\"", s->text);
    return false;
}

/* --- words --- */

static int
month_of(const char *w)
{
    static const char *const names[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
    for (int i = 0; i < 12; i++)
        if (strcasecmp(w, names[i]) == 0 || (strlen(w) == 3 && strncasecmp(w, names[i], 3) == 0))
            return i + 1;
    return strcasecmp(w, "sept") == 0 ? 9 : 0;
}

static bool
is_day_name(const char *w)
{
    static const char *const names[] = {"sunday",   "monday", "tuesday",  "wednesday",
                                        "thursday", "friday", "saturday", "tues",
                                        "wednes",   "weds",   "thurs",    "thur"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(w, names[i]) == 0 || (strlen(w) == 3 && strncasecmp(w, names[i], 3) == 0))
            return true;
    return false;
}

/* Abbreviations of PostgreSQL's default set that people use; seconds east. */
static const struct {
    const char *name;
    int32_t offset;
} zone_abbrevs[] = {
    {"utc", 0},       {"gmt", 0},      {"z", 0},         {"zulu", 0},      {"ut", 0},
    {"wet", 0},       {"west", 3600},  {"bst", 3600},    {"cet", 3600},    {"cest", 7200},
    {"met", 3600},    {"mest", 7200},  {"mez", 3600},    {"mesz", 7200},   {"eet", 7200},
    {"eest", 10800},  {"sast", 7200},  {"msk", 10800},   {"msd", 14400},   {"eat", 10800},
    {"ist", 7200},    {"idt", 10800},  {"pkt", 18000},   {"npt", 20700},   {"mmt", 23400},
    {"ict", 25200},   {"wib", 25200},  {"hkt", 28800},   {"sgt", 28800},   {"pht", 28800},
    {"awst", 28800},  {"jst", 32400},  {"kst", 32400},   {"acst", 34200},  {"acdt", 37800},
    {"aest", 36000},  {"aedt", 39600}, {"nzst", 43200},  {"nzdt", 46800},  {"azot", -3600},
    {"art", -10800},  {"brt", -10800}, {"adt", -10800},  {"nst", -12600},  {"ndt", -9000},
    {"ast", -14400},  {"edt", -14400}, {"est", -18000},  {"cdt", -18000},  {"cst", -21600},
    {"mdt", -21600},  {"mst", -25200}, {"pdt", -25200},  {"pst", -28800},  {"akdt", -28800},
    {"akst", -32400}, {"hst", -36000}, {"hadt", -32400}, {"hast", -36000},
};

static bool
abbrev_offset(const char *w, int32_t *ret)
{
    for (size_t i = 0; i < sizeof zone_abbrevs / sizeof *zone_abbrevs; i++)
        if (strcasecmp(w, zone_abbrevs[i].name) == 0) {
            *ret = zone_abbrevs[i].offset;
            return true;
        }
    return false;
}

bool
lg_zone_find(lg_call *c, const char *name, const lg_tz **ret_tz, int32_t *ret_offset)
{
    *ret_tz = NULL;
    *ret_offset = 0;
    if (abbrev_offset(name, ret_offset))
        return true;
    /* A bare POSIX offset counts westwards, as in PostgreSQL's AT TIME ZONE '-8'. */
    if (*name == '+' || *name == '-' || isdigit((unsigned char)*name)) {
        char posix[72];
        snprintf(posix, sizeof posix, "<x>%s", name);
        *ret_tz = lg_tz_get(c->env->tzs, posix);
        return *ret_tz != NULL;
    }
    *ret_tz = lg_tz_get(c->env->tzs, name);
    return *ret_tz != NULL;
}

static bool
take_word(struct state *s, const char *w)
{
    static const struct {
        const char *word;
        lg_dt_kind kind;
    } specials[] = {{"infinity", LG_DT_INFINITY},  {"-infinity", LG_DT_NEG_INFINITY},
                    {"epoch", LG_DT_EPOCH},        {"now", LG_DT_NOW},
                    {"today", LG_DT_TODAY},        {"tomorrow", LG_DT_TOMORROW},
                    {"yesterday", LG_DT_YESTERDAY}};
    lg_dt_parsed *r = s->r;
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (strcasecmp(w, specials[i].word) == 0) {
            r->kind = specials[i].kind;
            return true;
        }
    int m = month_of(w);
    if (m) {
        if (s->has_mon && !s->has_day) { /* the number before was the day */
            r->dt.day = r->dt.mon;
            s->has_day = true;
        } else if (s->has_mon) {
            return bad_syntax(s);
        }
        r->dt.mon = m;
        s->has_mon = s->word_month = true;
        return true;
    }
    if (strcasecmp(w, "allballs") == 0) {
        r->has_time = r->has_zone = true;
        return true;
    }
    if (strcasecmp(w, "am") == 0 || strcasecmp(w, "pm") == 0) {
        s->am = tolower((unsigned char)*w) == 'a';
        s->pm = !s->am;
        return true;
    }
    if (strcasecmp(w, "bc") == 0 || strcasecmp(w, "ad") == 0) {
        s->bc = tolower((unsigned char)*w) == 'b';
        return true;
    }
    if (is_day_name(w) || strcasecmp(w, "t") == 0 || strcasecmp(w, "at") == 0 ||
        strcasecmp(w, "on") == 0 || strcasecmp(w, "dst") == 0)
        return true;
    const lg_tz *tz;
    int32_t off;
    if (lg_zone_find(s->c, w, &tz, &off)) {
        r->has_zone = true;
        r->zone = tz;
        r->offset = off;
        return true;
    }
    if (strpbrk(w, "/+-")) {
        char lower[64];
        size_t n = 0;
        for (; w[n] && n < sizeof lower - 1; n++)
            lower[n] = (char)tolower((unsigned char)w[n]);
        lower[n] = 0;
        lg_call_error(s->c, "22023", "time zone \"%s\" not recognized", lower);
        return false;
    }
    return bad_syntax(s);
}

/* --- numbers --- */

static int
digits_int(const char *p, size_t n)
{
    int v = 0;
    for (size_t i = 0; i < n && i < 9; i++)
        v = v * 10 + (p[i] - '0');
    return v;
}

/* A fraction ".123" in microseconds, rounded. */
static int
fraction_us(const char *p)
{
    char buf[40];
    snprintf(buf, sizeof buf, "0.%.30s", p);
    double x = strtod(buf, NULL) * 1000000.0;
    return (int)(x + 0.5);
}

/* hh:mm[:ss[.fff]] or hhmmss[.fff] */
/* Digits at p: as much as fits; what is too long is out of range anyway. */
static int
clock_part(const char *p, const char **ret_end)
{
    size_t n = strspn(p, "0123456789");
    *ret_end = p + n;
    return digits_int(p, n);
}

static bool
take_time(struct state *s, const char *p)
{
    lg_dt *t = &s->r->dt;
    const char *end;
    t->hour = clock_part(p, &end);
    t->min = t->sec = t->us = 0;
    if (*end != ':')
        return bad_syntax(s);
    if (!isdigit((unsigned char)end[1]))
        return bad_syntax(s);
    t->min = clock_part(end + 1, &end);
    if (*end == ':') {
        if (!isdigit((unsigned char)end[1]))
            return bad_syntax(s);
        t->sec = clock_part(end + 1, &end);
    } else if (*end == '.') { /* mm:ss.fff */
        t->sec = t->min;
        t->min = t->hour;
        t->hour = 0;
    }
    if (*end == '.') {
        t->us = fraction_us(end + 1);
        end++;
        while (isdigit((unsigned char)*end))
            end++;
    }
    if (*end)
        return bad_syntax(s);
    s->r->has_time = true;
    return true;
}

static void
set_year(struct state *s, const char *p, size_t n)
{
    s->r->dt.year = digits_int(p, n);
    s->has_year = true;
    s->two_digit_year = n <= 2;
}

/* A number of one or two digits (or a longer year) that stands alone, or as a part of a date with
 * separators: what it is depends on DateStyle and on what is missing. */
static bool
take_part(struct state *s, const char *p, size_t n, bool first)
{
    lg_dateorder order = s->c->env->dateorder;
    lg_dt *t = &s->r->dt;
    int v = digits_int(p, n);
    if (n >= 3 && !s->has_year) {
        set_year(s, p, n);
        if (first && !s->has_mon && !s->has_day)
            s->iso_order = true;
        return true;
    }
    if (n >= 3)
        return bad_syntax(s);
    bool ymd = s->iso_order || (order == LG_DATEORDER_YMD && !s->has_year && first);
    if (s->iso_order || (order == LG_DATEORDER_YMD && !s->word_month)) {
        if (!s->has_year && ymd)
            set_year(s, p, n);
        else if (!s->has_mon) {
            t->mon = v;
            s->has_mon = true;
        } else if (!s->has_day) {
            t->day = v;
            s->has_day = true;
        } else
            return bad_syntax(s);
        if (order == LG_DATEORDER_YMD && first)
            s->iso_order = true;
        return true;
    }
    if (s->word_month) {
        if (!s->has_day) {
            t->day = v;
            s->has_day = true;
        } else if (!s->has_year)
            set_year(s, p, n);
        else
            return bad_syntax(s);
        return true;
    }
    bool dmy = order == LG_DATEORDER_DMY;
    if (dmy ? !s->has_day : !s->has_mon) {
        *(dmy ? &t->day : &t->mon) = v;
        *(dmy ? &s->has_day : &s->has_mon) = true;
    } else if (dmy ? !s->has_mon : !s->has_day) {
        *(dmy ? &t->mon : &t->day) = v;
        *(dmy ? &s->has_mon : &s->has_day) = true;
    } else if (!s->has_year) {
        set_year(s, p, n);
    } else {
        return bad_syntax(s);
    }
    return true;
}

/* 1999-01-08, 1/8/1999, 8.1.1999, 08-Jan-99, 1999.008, Jan-08-1999 */
static bool
take_date(struct state *s, const char *p)
{
    lg_dt *t = &s->r->dt;
    struct {
        const char *p;
        size_t n;
    } part[3];
    int n = 0;
    if (s->has_year && s->has_mon && s->has_day)
        return bad_syntax(s);
    while (*p) {
        if (n == 3 || !isalnum((unsigned char)*p))
            return bad_syntax(s);
        part[n].p = p;
        bool alpha = isalpha((unsigned char)*p);
        while (*p && (alpha ? isalpha((unsigned char)*p) : isdigit((unsigned char)*p)))
            p++;
        part[n].n = (size_t)(p - part[n].p);
        n++;
        if (*p && !isalnum((unsigned char)*p))
            p++;
    }
    if (n == 2 && part[0].n == 4 && part[1].n == 3 && isdigit((unsigned char)*part[1].p)) {
        int jd = lg_jdate(digits_int(part[0].p, 4), 1, 1) + digits_int(part[1].p, 3) - 1;
        lg_jdate_split(jd, &t->year, &t->mon, &t->day);
        s->has_year = s->has_mon = s->has_day = true;
        return true;
    }
    for (int i = 0; i < n; i++) /* a word among the parts first */
        if (isalpha((unsigned char)*part[i].p)) {
            char w[16];
            snprintf(w, sizeof w, "%.*s", (int)(part[i].n > 15 ? 15 : part[i].n), part[i].p);
            t->mon = month_of(w);
            if (!t->mon)
                return bad_syntax(s);
            s->has_mon = s->word_month = true;
        }
    for (int i = 0; i < n; i++)
        if (isdigit((unsigned char)*part[i].p) && !take_part(s, part[i].p, part[i].n, i == 0))
            return false;
    return true;
}

/* Digits only: 19990108, 990108, 040506, 1999, 8 ... */
static bool
take_number(struct state *s, const char *p)
{
    lg_dt *t = &s->r->dt;
    const char *dot = strchr(p, '.');
    size_t n = dot ? (size_t)(dot - p) : strlen(p);
    bool have_date = s->has_year && s->has_mon && s->has_day;
    if ((n == 8 || n == 7 || n > 8) && !have_date && !s->has_mon && !dot && n >= 7) {
        t->year = digits_int(p, n - 4);
        t->mon = digits_int(p + n - 4, 2);
        t->day = digits_int(p + n - 2, 2);
        s->has_year = s->has_mon = s->has_day = true;
        return true;
    }
    bool time_only = strncmp(s->type, "time", 4) == 0 && s->type[4] != 's' && s->n == 1;
    if (n == 6 && !have_date && !s->has_mon && !dot && !s->r->has_time && !time_only) {
        set_year(s, p, 2);
        t->mon = digits_int(p + 2, 2);
        t->day = digits_int(p + 4, 2);
        s->has_mon = s->has_day = true;
        return true;
    }
    if ((n == 6 || n == 4) && (have_date || time_only) && !s->r->has_time) {
        t->hour = digits_int(p, 2);
        t->min = digits_int(p + 2, 2);
        t->sec = n == 6 ? digits_int(p + 4, 2) : 0;
        t->us = dot ? fraction_us(dot + 1) : 0;
        s->r->has_time = true;
        return true;
    }
    if (dot || n == 0)
        return bad_syntax(s);
    return take_part(s, p, n, false);
}

lg_zone_number
lg_zone_numeric(const char *p, int32_t *ret_offset)
{
    int sign = *p++ == '-' ? -1 : 1, h, m = 0, sec = 0;
    size_t n = strspn(p, "0123456789");
    if (n == 0)
        return LG_ZONE_BAD;
    if (p[n] == ':') {
        const char *q = p + n + 1;
        size_t k = strspn(q, "0123456789");
        h = digits_int(p, n);
        m = digits_int(q, k);
        q += k;
        if (k && *q == ':') {
            k = strspn(++q, "0123456789");
            sec = digits_int(q, k);
            q += k;
        }
        if (*q)
            return LG_ZONE_BAD;
    } else if (p[n]) {
        return LG_ZONE_BAD;
    } else if (n > 2) {
        h = digits_int(p, n - 2);
        m = digits_int(p + n - 2, 2);
    } else {
        h = digits_int(p, n);
    }
    if (h > 15 || m > 59 || sec > 59)
        return LG_ZONE_RANGE;
    *ret_offset = sign * (h * 3600 + m * 60 + sec);
    return LG_ZONE_OK;
}

static bool
take_zone(struct state *s, const char *p)
{
    lg_zone_number got = lg_zone_numeric(p, &s->r->offset);
    if (got != LG_ZONE_OK)
        return got == LG_ZONE_BAD ? bad_syntax(s) : zone_overflow(s);
    s->r->has_zone = true;
    s->r->zone = NULL;
    return true;
}

/* --- tokens --- */

static const char *
scan_number(const char *p, struct token *t)
{
    const char *q = p;
    t->kind = T_NUMBER;
    while (isdigit((unsigned char)*q))
        q++;
    if (*q == ':') {
        t->kind = T_TIME;
        while (isdigit((unsigned char)*q) || *q == ':' || *q == '.')
            q++;
    } else if ((*q == '-' || *q == '/' || *q == '.') && isalnum((unsigned char)q[1])) {
        char sep = *q;
        const char *r = q + 1;
        while (isdigit((unsigned char)*r) || isalpha((unsigned char)*r))
            r++;
        bool two = *r == sep && isalnum((unsigned char)r[1]);
        bool day_of_year = !two && r - q == 4 && q - p == 4 && isdigit((unsigned char)q[1]);
        if (two || day_of_year || (sep != '.' && isalpha((unsigned char)q[1]))) {
            t->kind = T_DATE;
            q = r;
            if (two) {
                q++;
                while (isdigit((unsigned char)*q))
                    q++;
            }
        } else if (sep == '.') {
            q++;
            while (isdigit((unsigned char)*q))
                q++;
        }
    }
    size_t n = (size_t)(q - p);
    snprintf(t->s, sizeof t->s, "%.*s", (int)(n > 63 ? 63 : n), p);
    return q;
}

/* after: not the first thing in the text. */
static const char *
scan_word(const char *p, bool after, struct token *t)
{
    const char *q = p;
    t->kind = T_WORD;
    while (isalpha((unsigned char)*q))
        q++;
    size_t n = (size_t)(q - p);
    if (*q == '-' && isdigit((unsigned char)q[1]) && n >= 3) {
        char w[16];
        snprintf(w, sizeof w, "%.*s", (int)(n > 15 ? 15 : n), p);
        if (month_of(w)) { /* Jan-08-1999 */
            t->kind = T_DATE;
            while (isdigit((unsigned char)*q) || *q == '-')
                q++;
            n = (size_t)(q - p);
            snprintf(t->s, sizeof t->s, "%.*s", (int)(n > 63 ? 63 : n), p);
            return q;
        }
    }
    bool posix = (*q == '-' || *q == '+') && isdigit((unsigned char)q[1]) && n >= 3 && after;
    if (*q == '/' || *q == '_' || posix) { /* a zone's full name, or GMT+4 */
        while (*q && (isalnum((unsigned char)*q) || strchr("/_-+:", *q)))
            q++;
    }
    n = (size_t)(q - p);
    snprintf(t->s, sizeof t->s, "%.*s", (int)(n > 63 ? 63 : n), p);
    return q;
}

static bool
scan(struct state *s)
{
    const char *p = s->text;
    bool time_seen = false;
    while (*p) {
        if (isspace((unsigned char)*p) || *p == ',') {
            p++;
            continue;
        }
        if (s->n == MAX_TOKENS)
            return bad_syntax(s);
        struct token *t = &s->tok[s->n];
        if (isdigit((unsigned char)*p)) {
            p = scan_number(p, t);
            time_seen |= t->kind == T_TIME || s->n > 0;
        } else if (isalpha((unsigned char)*p)) {
            if ((*p == 'T' || *p == 't') && isdigit((unsigned char)p[1])) {
                p++;
                continue;
            }
            if ((*p == 'J' || *p == 'j') && isdigit((unsigned char)p[1])) {
                char *end;
                long jd = strtol(p + 1, &end, 10);
                lg_jdate_split((int)jd, &s->r->dt.year, &s->r->dt.mon, &s->r->dt.day);
                s->has_year = s->has_mon = s->has_day = true;
                p = end;
                continue;
            }
            p = scan_word(p, s->n > 0, t);
        } else if ((*p == '+' || *p == '-') && isdigit((unsigned char)p[1]) && time_seen) {
            t->kind = T_ZONE;
            size_t n = 1 + strspn(p + 1, "0123456789:");
            snprintf(t->s, sizeof t->s, "%.*s", (int)(n > 63 ? 63 : n), p);
            p += n;
        } else if ((*p == '-' || *p == '+') && isalpha((unsigned char)p[1])) {
            t->s[0] = *p;
            struct token w;
            const char *q = scan_word(p + 1, false, &w);
            snprintf(t->s, sizeof t->s, "%s%.60s", *p == '-' ? "-" : "", w.s);
            t->kind = T_WORD;
            p = q;
        } else {
            return bad_syntax(s);
        }
        s->n++;
    }
    return true;
}

static bool
finish(struct state *s)
{
    lg_dt_parsed *r = s->r;
    lg_dt *t = &r->dt;
    if (r->kind != LG_DT_NORMAL)
        return true;
    if (s->has_year || s->has_mon || s->has_day) {
        if (!s->has_year || !s->has_mon || !s->has_day)
            return bad_syntax(s);
        r->has_date = true;
        if (s->bc) {
            if (t->year <= 0)
                return field_overflow(s, false);
            t->year = 1 - t->year;
        } else if (s->two_digit_year) {
            t->year += t->year < 70 ? 2000 : 1900;
        } else if (t->year == 0) {
            return field_overflow(s, false);
        }
        if (t->mon < 1 || t->mon > 12 || t->day < 1 || t->day > 31)
            return field_overflow(s, true);
        if (t->day > lg_month_days(t->year, t->mon))
            return field_overflow(s, false);
    }
    if (s->pm || s->am) {
        if (t->hour > 12)
            return field_overflow(s, false);
        t->hour = t->hour % 12 + (s->pm ? 12 : 0);
    }
    if (r->has_time) {
        bool whole = t->hour == 24 && !t->min && !t->sec && !t->us;
        if ((t->hour > 23 && !whole) || t->min > 59 || t->sec > 60)
            return field_overflow(s, false);
    }
    return true;
}

bool
lg_dt_parse(lg_call *c, const char *text, const char *type, lg_dt_parsed *ret)
{
    struct state s = {.c = c, .text = text, .type = type, .r = ret};
    memset(ret, 0, sizeof *ret);
    if (!scan(&s))
        return false;
    if (s.n == 0 && !s.has_day)
        return bad_syntax(&s);
    for (int i = 0; i < s.n; i++) {
        const char *w = s.tok[i].s;
        bool ok = false;
        switch (s.tok[i].kind) {
        case T_NUMBER:
            ok = take_number(&s, w);
            break;
        case T_DATE:
            ok = take_date(&s, w);
            break;
        case T_TIME:
            ok = take_time(&s, w);
            break;
        case T_WORD:
            ok = take_word(&s, w);
            break;
        case T_ZONE:
            ok = take_zone(&s, w);
            break;
        }
        if (!ok)
            return false;
    }
    return finish(&s);
}
