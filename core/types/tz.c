/* Time zones: TZif files of the system's tzdata (RFC 8536) and POSIX TZ strings, which a file's
 * footer gives for times after its last transition. A cache per instance: a zone's file is read
 * when it is first named, with plain stdio (a few kilobytes, as name resolution is not on any hot
 * path and needs no simulation: the files are part of the installation). */
#include "env.h"
#include "map.h"
#include "mem.h"
#include "types_values.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define ZONE_DIR "/usr/share/zoneinfo"

struct ttype {
    int32_t offset; /* seconds east */
    bool dst;
    char abbrev[12];
};

/* When a POSIX rule switches: Mm.w.d, Jn or n, at `time` seconds after midnight. */
struct rule {
    char kind; /* 'M', 'J', 'N' */
    int month, week, day;
    int32_t time;
};

struct lg_tz {
    char name[64];
    int n; /* transitions */
    int64_t *at;
    uint8_t *type;
    int ntypes;
    struct ttype *types;
    bool has_posix;
    bool posix_dst;
    struct ttype std, dst;
    struct rule start, end;
};

struct lg_tz_cache {
    lg_strmap *zones;
    lg_collators *collators;
};

lg_tz_cache *
lg_tz_cache_create(void)
{
    lg_tz_cache *c = lg_zalloc(sizeof *c);
    c->zones = lg_strmap_create();
    return c;
}

static void
tz_free(lg_tz *z)
{
    lg_free(z->at);
    lg_free(z->type);
    lg_free(z->types);
    lg_free(z);
}

void
lg_tz_cache_destroy(lg_tz_cache *c)
{
    if (!c)
        return;
    size_t pos = 0, len;
    const char *key;
    void *v;
    while (lg_strmap_next(c->zones, &pos, &key, &len, &v))
        tz_free(v);
    lg_strmap_destroy(c->zones);
    lg_collators__destroy(c->collators);
    lg_free(c);
}

lg_collators **
lg_tz__collators(lg_tz_cache *c)
{
    return &c->collators;
}

const char *
lg_tz_name(const lg_tz *tz)
{
    return tz ? tz->name : "UTC";
}

/* --- POSIX strings: CET-1CEST,M3.5.0,M10.5.0/3 --- */

static const char *
posix_abbrev(const char *p, char *to)
{
    size_t n = 0;
    bool quoted = *p == '<';
    p += quoted;
    while (*p && (quoted ? *p != '>' : isalpha((unsigned char)*p) != 0)) {
        if (n < 11)
            to[n++] = *p;
        p++;
    }
    to[n] = 0;
    return n >= 1 ? p + (quoted && *p == '>') : NULL;
}

static const char *
posix_time(const char *p, int32_t *ret)
{
    int sign = 1, part = 0;
    int32_t unit = 3600, total = 0;
    if (*p == '-' || *p == '+')
        sign = *p++ == '-' ? -1 : 1;
    if (!isdigit((unsigned char)*p))
        return NULL;
    while (part++ < 3 && isdigit((unsigned char)*p)) {
        int32_t v = 0;
        while (isdigit((unsigned char)*p) && v < 1000)
            v = v * 10 + (*p++ - '0');
        if (v > (unit == 3600 ? 167 : 59))
            return NULL;
        total += v * unit;
        unit /= 60;
        if (*p != ':')
            break;
        p++;
    }
    *ret = sign * total;
    return p;
}

static const char *
posix_rule(const char *p, struct rule *r)
{
    int used = 0;
    r->time = 7200;
    if (sscanf(p, "M%d.%d.%d%n", &r->month, &r->week, &r->day, &used) == 3)
        r->kind = 'M';
    else if (sscanf(p, "J%d%n", &r->day, &used) == 1)
        r->kind = 'J';
    else if (sscanf(p, "%d%n", &r->day, &used) == 1)
        r->kind = 'N';
    else
        return NULL;
    p += used;
    return *p == '/' ? posix_time(p + 1, &r->time) : p;
}

/* POSIX offsets count westwards. */
static bool
posix_parse(lg_tz *z, const char *p)
{
    p = posix_abbrev(p, z->std.abbrev);
    if (!p || !(p = posix_time(p, &z->std.offset)))
        return false;
    z->std.offset = -z->std.offset;
    z->has_posix = true;
    if (!*p)
        return true;
    if (!(p = posix_abbrev(p, z->dst.abbrev)))
        return false;
    z->dst.dst = true;
    z->dst.offset = z->std.offset + 3600;
    if (*p && *p != ',') {
        if (!(p = posix_time(p, &z->dst.offset)))
            return false;
        z->dst.offset = -z->dst.offset;
    }
    z->posix_dst = true;
    if (*p == ',') {
        p = posix_rule(p + 1, &z->start);
        return p && *p == ',' && (p = posix_rule(p + 1, &z->end)) && !*p;
    }
    z->start = (struct rule){'M', 3, 2, 0, 7200};
    z->end = (struct rule){'M', 11, 1, 0, 7200};
    return !*p;
}

/* Days since 1970-01-01 of a civil date (Howard Hinnant's algorithm). */
static int64_t
days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool
leap(int64_t y)
{
    return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

/* Local seconds since 1970 at which the rule strikes in a year. */
static int64_t
rule_at(const struct rule *r, int64_t year)
{
    int64_t day;
    if (r->kind == 'M') {
        static const int mdays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        int64_t first = days_from_civil(year, r->month, 1);
        int wday = (int)(((first + 4) % 7 + 7) % 7);
        int d = 1 + (r->day - wday + 7) % 7 + (r->week - 1) * 7;
        int last = mdays[(r->month - 1) % 12] + (r->month == 2 && leap(year));
        while (d > last)
            d -= 7;
        day = first + d - 1;
    } else {
        day = days_from_civil(year, 1, 1) + r->day - (r->kind == 'J');
        if (r->kind == 'J' && leap(year) && r->day >= 60)
            day++;
    }
    return day * 86400 + r->time;
}

static int64_t
year_of(int64_t unix_s)
{
    int64_t days = unix_s / 86400 - (unix_s % 86400 < 0);
    int64_t y = 1970 + (int64_t)((double)days / 365.2425);
    while (days_from_civil(y, 1, 1) > days)
        y--;
    while (days_from_civil(y + 1, 1, 1) <= days)
        y++;
    return y;
}

static const struct ttype *
posix_type(const lg_tz *z, int64_t unix_s)
{
    if (!z->posix_dst)
        return &z->std;
    int64_t year = year_of(unix_s + z->std.offset);
    int64_t start = rule_at(&z->start, year) - z->std.offset;
    int64_t end = rule_at(&z->end, year) - z->dst.offset;
    bool dst = start < end ? unix_s >= start && unix_s < end : !(unix_s >= end && unix_s < start);
    return dst ? &z->dst : &z->std;
}

/* --- TZif --- */

static int64_t
be(const uint8_t *p, int n)
{
    int64_t v = (int8_t)p[0];
    for (int i = 1; i < n; i++)
        v = (int64_t)((uint64_t)v << 8 | p[i]);
    return v;
}

struct counts {
    size_t isutc, isstd, leap, time, type, chars;
};

static bool
header(const uint8_t *p, size_t left, struct counts *k)
{
    if (left < 44 || memcmp(p, "TZif", 4) != 0)
        return false;
    k->isutc = (size_t)be(p + 20, 4);
    k->isstd = (size_t)be(p + 24, 4);
    k->leap = (size_t)be(p + 28, 4);
    k->time = (size_t)be(p + 32, 4);
    k->type = (size_t)be(p + 36, 4);
    k->chars = (size_t)be(p + 40, 4);
    return k->time < 10000 && k->type > 0 && k->type < 256 && k->chars < 10000;
}

static size_t
block_size(const struct counts *k, size_t width)
{
    return k->time * (width + 1) + k->type * 6 + k->chars + k->leap * (width + 4) + k->isstd +
           k->isutc;
}

static bool
tzif_parse(lg_tz *z, const uint8_t *buf, size_t len)
{
    struct counts k;
    if (!header(buf, len, &k) || buf[4] < '2')
        return false;
    size_t at = 44 + block_size(&k, 4);
    if (at > len || !header(buf + at, len - at, &k) || len - at < 44 + block_size(&k, 8))
        return false;
    const uint8_t *p = buf + at + 44;
    z->n = (int)k.time;
    z->ntypes = (int)k.type;
    z->at = lg_alloc(sizeof(int64_t) * (k.time + 1));
    z->type = lg_alloc(k.time + 1);
    z->types = lg_zalloc(sizeof(struct ttype) * k.type);
    for (size_t i = 0; i < k.time; i++)
        z->at[i] = be(p + 8 * i, 8);
    p += 8 * k.time;
    memcpy(z->type, p, k.time);
    p += k.time;
    const char *chars = (const char *)p + 6 * k.type;
    for (size_t i = 0; i < k.type; i++, p += 6) {
        z->types[i].offset = (int32_t)be(p, 4);
        z->types[i].dst = p[4];
        if (p[5] < k.chars)
            snprintf(z->types[i].abbrev, sizeof z->types[i].abbrev, "%.*s", (int)(k.chars - p[5]),
                     chars + p[5]);
    }
    for (size_t i = 0; i < k.time; i++)
        if (z->type[i] >= k.type)
            return false;
    const char *foot = (const char *)buf + at + 44 + block_size(&k, 8);
    const char *end = (const char *)buf + len;
    if (foot < end && *foot == '\n') {
        char tz[128];
        size_t n = 0;
        for (foot++; foot < end && *foot != '\n' && n < sizeof tz - 1; foot++)
            tz[n++] = *foot;
        tz[n] = 0;
        if (n && !posix_parse(z, tz))
            z->has_posix = false;
    }
    return true;
}

static bool
safe_name(const char *s)
{
    if (!isalpha((unsigned char)*s) || strstr(s, ".."))
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("/_-+", *s))
            return false;
    return true;
}

/* Zone names compare without case; the file system does not. The usual capitalization is tried
 * when the given one has no file. */
static FILE *
open_zone(const char *name, char *canonical, size_t size)
{
    char path[160];
    snprintf(canonical, size, "%s", name);
    for (int pass = 0; pass < 3; pass++) {
        if (pass == 1) {
            bool start = true;
            for (char *p = canonical; *p; p++) {
                *p = (char)(start ? toupper((unsigned char)*p) : tolower((unsigned char)*p));
                start = *p == '/' || *p == '_' || *p == '-';
            }
        } else if (pass == 2) {
            for (char *p = canonical; *p; p++)
                *p = (char)toupper((unsigned char)*p);
        }
        snprintf(path, sizeof path, ZONE_DIR "/%s", canonical);
        FILE *f = fopen(path, "re");
        if (f)
            return f;
    }
    return NULL;
}

static bool
load_file(lg_tz *z, const char *name)
{
    static const size_t max = 1 << 17;
    FILE *f = safe_name(name) ? open_zone(name, z->name, sizeof z->name) : NULL;
    if (!f)
        return false;
    uint8_t *buf = lg_alloc(max);
    size_t n = fread(buf, 1, max, f);
    fclose(f);
    bool ok = tzif_parse(z, buf, n);
    lg_free(buf);
    return ok;
}

/* "-8", "5.5": hours east, as SET TIME ZONE takes them; shown as POSIX <+05:30>-05:30. With a colon it is a
 * POSIX offset. */
static bool
fixed_offset(lg_tz *z, const char *s)
{
    char *end;
    if (!strchr("+-.0123456789", *s) || s[strspn(s, "+-.0123456789")])
        return false;
    double hours = strtod(s, &end);
    if (*end || hours > 168 || hours < -168)
        return false;
    int32_t off = (int32_t)(hours * 3600);
    int32_t a = abs(off);
    char sign = off < 0 ? '-' : '+';
    int h = a / 3600, m = a / 60 % 60;
    z->has_posix = true;
    z->std.offset = off;
    if (m) {
        snprintf(z->std.abbrev, sizeof z->std.abbrev, "%c%02d:%02d", sign, h % 1000, m);
        snprintf(z->name, sizeof z->name, "<%s>%c%02d:%02d", z->std.abbrev, off < 0 ? '+' : '-', h,
                 m);
    } else {
        snprintf(z->std.abbrev, sizeof z->std.abbrev, "%c%02d", sign, h % 1000);
        snprintf(z->name, sizeof z->name, "<%s>%c%02d", z->std.abbrev, off < 0 ? '+' : '-', h);
    }
    return true;
}

const lg_tz *
lg_tz_get(lg_tz_cache *c, const char *name)
{
    size_t len = strlen(name);
    if (!c || len == 0 || len >= 64)
        return NULL;
    lg_tz *z = lg_strmap_get(c->zones, name, len);
    if (z)
        return z;
    z = lg_zalloc(sizeof *z);
    bool ok = fixed_offset(z, name);
    if (!ok)
        ok = load_file(z, name);
    if (!ok && !strchr(name, '/')) {
        char posix[72]; /* "+02:00" has no abbreviation */
        bool bare = *name == '+' || *name == '-' || isdigit((unsigned char)*name);
        snprintf(z->name, sizeof z->name, "%s", name);
        snprintf(posix, sizeof posix, "%s%s", bare ? "<x>" : "", name);
        ok = strpbrk(name, "0123456789") && posix_parse(z, posix);
    }
    if (!ok) {
        tz_free(z);
        return NULL;
    }
    lg_strmap_put(c->zones, name, len, z);
    return z;
}

int32_t
lg_tz_offset(const lg_tz *z, int64_t unix_s, bool *ret_is_dst, const char **ret_abbrev)
{
    static const struct ttype utc = {0, false, "UTC"};
    const struct ttype *t = &utc;
    if (z && z->n > 0 && (unix_s < z->at[z->n - 1] || !z->has_posix)) {
        int lo = 0, hi = z->n; /* the last transition at or before unix_s */
        while (lo < hi) {
            int mid = (lo + hi) / 2;
            if (z->at[mid] <= unix_s)
                lo = mid + 1;
            else
                hi = mid;
        }
        t = lo > 0 ? &z->types[z->type[lo - 1]] : &z->types[0];
    } else if (z && z->has_posix) {
        t = posix_type(z, unix_s);
    } else if (z && z->ntypes > 0) {
        t = &z->types[0];
    }
    if (ret_is_dst)
        *ret_is_dst = t->dst;
    if (ret_abbrev)
        *ret_abbrev = t->abbrev;
    return t->offset;
}
