/* Rows of the TPC-H tables as COPY text, by the TPC-H specification (revision 3, clause 4.2).
 *
 *   tpchgen SCALE DIRECTORY      writes DIRECTORY/{region,nation,...,lineitem}.tbl
 *
 * Deterministic: every row draws from its own random stream, seeded by table and row number, so
 * that a file depends on the scale alone. The rows are not those of any other generator. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- random streams (splitmix64) ---- */

typedef struct rng {
    uint64_t s;
} rng;

static uint64_t
next64(rng *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static rng
stream(uint64_t table, uint64_t row)
{
    rng r = {table * 0xd1342543de82ef95u ^ row * 0x2545f4914f6cdd1du};
    next64(&r);
    return r;
}

/* Uniform in [lo, hi]. */
static int64_t
between(rng *r, int64_t lo, int64_t hi)
{
    unsigned __int128 span = (unsigned __int128)(hi - lo + 1);
    return lo + (int64_t)(span * next64(r) >> 64);
}

/* ---- word lists: clauses 4.2.2.13, 4.2.2.14 and 4.2.3 ---- */

typedef struct words {
    const char *const *w;
    int n;
} words;
#define WORDS(name, ...)                                                                           \
    static const char *const name##_list[] = {__VA_ARGS__};                                        \
    static const words name = {name##_list, (int)(sizeof name##_list / sizeof name##_list[0])}

WORDS(colors, "almond", "antique", "aquamarine", "azure", "beige", "bisque", "black", "blanched",
      "blue", "blush", "brown", "burlywood", "burnished", "chartreuse", "chiffon", "chocolate",
      "coral", "cornflower", "cornsilk", "cream", "cyan", "dark", "deep", "dim", "dodger", "drab",
      "firebrick", "floral", "forest", "frosted", "gainsboro", "ghost", "goldenrod", "green",
      "grey", "honeydew", "hot", "indian", "ivory", "khaki", "lace", "lavender", "lawn", "lemon",
      "light", "lime", "linen", "magenta", "maroon", "medium", "metallic", "midnight", "mint",
      "misty", "moccasin", "navajo", "navy", "olive", "orange", "orchid", "pale", "papaya", "peach",
      "peru", "pink", "plum", "powder", "puff", "purple", "red", "rose", "rosy", "royal", "saddle",
      "salmon", "sandy", "seashell", "sienna", "sky", "slate", "smoke", "snow", "spring", "steel",
      "tan", "thistle", "tomato", "turquoise", "violet", "wheat", "white", "yellow");
WORDS(type1, "STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO");
WORDS(type2, "ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED");
WORDS(type3, "TIN", "NICKEL", "BRASS", "STEEL", "COPPER");
WORDS(container1, "SM", "LG", "MED", "JUMBO", "WRAP");
WORDS(container2, "CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM");
WORDS(segments, "AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY", "HOUSEHOLD");
WORDS(priorities, "1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW");
WORDS(instructions, "DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN");
WORDS(modes, "REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB");
WORDS(regions, "AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST");
WORDS(nations, "ALGERIA", "ARGENTINA", "BRAZIL", "CANADA", "EGYPT", "ETHIOPIA", "FRANCE", "GERMANY",
      "INDIA", "INDONESIA", "IRAN", "IRAQ", "JAPAN", "JORDAN", "KENYA", "MOROCCO", "MOZAMBIQUE",
      "PERU", "CHINA", "ROMANIA", "SAUDI ARABIA", "VIETNAM", "RUSSIA", "UNITED KINGDOM",
      "UNITED STATES");
static const int nation_region[] = {0, 1, 1, 1, 4, 0, 3, 3, 2, 2, 4, 4, 2,
                                    4, 0, 0, 0, 1, 2, 3, 4, 2, 3, 3, 1};

WORDS(nouns, "packages", "requests", "accounts", "deposits", "foxes", "ideas", "theodolites",
      "pinto beans", "instructions", "dependencies", "excuses", "platelets", "asymptotes", "courts",
      "dolphins", "multipliers", "sauternes", "warthogs", "frets", "dinos", "attainments", "somas",
      "Tiresias'", "patterns", "forges", "braids", "hockey players", "frays", "warhorses",
      "dugouts", "notornis", "epitaphs", "pearls", "tithes", "waters", "orbits", "gifts", "sheaves",
      "depths", "sentiments", "decoys", "realms", "pains", "grouches", "escapades");
WORDS(verbs, "sleep", "wake", "are", "cajole", "haggle", "nag", "use", "boost", "affix", "detect",
      "integrate", "maintain", "nod", "was", "lose", "sublate", "solve", "thrash", "promise",
      "engage", "hinder", "print", "x-ray", "breach", "eat", "grow", "impress", "mold", "poach",
      "serve", "run", "dazzle", "snooze", "doze", "unwind", "kindle", "play", "hang", "believe",
      "doubt");
WORDS(adjectives, "special", "pending", "unusual", "express", "regular", "final", "ironic", "even",
      "bold", "silent", "furious", "sly", "careful", "blithe", "quick", "fluffy", "slow", "quiet",
      "ruthless", "thin", "close", "dogged", "daring", "brave", "stealthy", "permanent", "enticing",
      "idle", "busy");
WORDS(adverbs, "sometimes", "always", "never", "furiously", "slyly", "carefully", "blithely",
      "quickly", "fluffily", "slowly", "quietly", "ruthlessly", "thinly", "closely", "doggedly",
      "daringly", "bravely", "stealthily", "permanently", "enticingly", "idly", "busily",
      "regularly", "finally", "ironically", "evenly", "boldly", "silently");
WORDS(prepositions, "about", "above", "according to", "across", "after", "against", "along",
      "alongside of", "among", "around", "at", "atop", "before", "behind", "beneath", "beside",
      "besides", "between", "beyond", "by", "despite", "during", "except", "for", "from",
      "in place of", "inside", "instead of", "into", "near", "of", "on", "outside", "over", "past",
      "since", "through", "throughout", "to", "toward", "under", "until", "up", "upon", "without",
      "with", "within");
WORDS(auxiliaries, "do", "may", "might", "shall", "will", "would", "can", "could", "should",
      "ought to", "must", "will have to", "shall have to", "could have to", "should have to",
      "must have to", "need to", "try to");
WORDS(terminators, ".", ";", ":", "?", "!", "--");

static const char *
pick(rng *r, words w)
{
    return w.w[between(r, 0, w.n - 1)];
}

/* Nouns and adjectives: the first few are the frequent ones. */
static const char *
pick_often(rng *r, words w, int often)
{
    return w.w[between(r, 0, 1) ? between(r, 0, often - 1) : between(r, 0, w.n - 1)];
}

/* ---- pseudo text: clause 4.2.2.14 ---- */

#define POOL (16 << 20)
static char pool[POOL + 1024];
static size_t pool_len;

static void
put_word(const char *w)
{
    size_t n = strlen(w);
    if (pool_len && pool[pool_len - 1] != ' ')
        pool[pool_len++] = ' ';
    memcpy(pool + pool_len, w, n);
    pool_len += n;
}

static void
noun_phrase(rng *r)
{
    int64_t form = between(r, 0, 3);
    if (form == 3)
        put_word(pick(r, adverbs));
    if (form >= 1)
        put_word(pick_often(r, adjectives, 8));
    if (form == 2) {
        pool[pool_len++] = ',';
        put_word(pick_often(r, adjectives, 8));
    }
    put_word(pick_often(r, nouns, 4));
}

static void
verb_phrase(rng *r)
{
    int64_t form = between(r, 0, 3);
    if (form == 1 || form == 3)
        put_word(pick(r, auxiliaries));
    put_word(pick(r, verbs));
    if (form >= 2)
        put_word(pick(r, adverbs));
}

static void
prepositional_phrase(rng *r)
{
    put_word(pick(r, prepositions));
    put_word("the");
    noun_phrase(r);
}

static void
pool_fill(void)
{
    rng r = stream(99, 0);
    while (pool_len < POOL) {
        int64_t form = between(&r, 0, 4);
        noun_phrase(&r);
        if (form >= 3)
            prepositional_phrase(&r);
        verb_phrase(&r);
        if (form == 1 || form == 4)
            prepositional_phrase(&r);
        if (form == 2 || form == 3)
            noun_phrase(&r);
        const char *t = pick(&r, terminators);
        memcpy(pool + pool_len, t, strlen(t));
        pool_len += strlen(t);
        pool[pool_len++] = ' ';
    }
}

/* ---- output ---- */

typedef struct line {
    char b[2048];
    size_t n;
} line;

static void
put(line *l, const char *s, size_t n)
{
    memcpy(l->b + l->n, s, n);
    l->n += n;
}

static void
sep(line *l)
{
    if (l->n)
        l->b[l->n++] = '\t';
}

static void
str(line *l, const char *s)
{
    sep(l);
    put(l, s, strlen(s));
}

__attribute__((format(printf, 2, 3))) static void
fmt(line *l, const char *f, ...)
{
    va_list ap;
    sep(l);
    va_start(ap, f);
    l->n += (size_t)vsnprintf(l->b + l->n, 256, f, ap);
    va_end(ap);
}

static void
number(line *l, int64_t x)
{
    char t[24];
    int n = 0;
    sep(l);
    if (x < 0)
        put(l, "-", 1);
    uint64_t u = (uint64_t)(x < 0 ? -x : x);
    do
        t[n++] = (char)('0' + u % 10);
    while (u /= 10);
    while (n)
        l->b[l->n++] = t[--n];
}

/* Hundredths. */
static void
money(line *l, int64_t cents)
{
    char t[40];
    int64_t a = cents < 0 ? -cents : cents;
    int n =
        snprintf(t, sizeof t, "%s%" PRId64 ".%02d", cents < 0 ? "-" : "", a / 100, (int)(a % 100));
    sep(l);
    put(l, t, (size_t)n);
}

static void
text(line *l, rng *r, int lo, int hi)
{
    size_t n = (size_t)between(r, lo, hi);
    sep(l);
    put(l, pool + between(r, 0, (int64_t)(POOL - n)), n);
}

static void
vstring(line *l, rng *r, int lo, int hi)
{
    static const char set[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ, ";
    int64_t n = between(r, lo, hi);
    sep(l);
    for (int64_t i = 0; i < n; i++)
        l->b[l->n++] = set[next64(r) & 63];
}

static void
phone(line *l, rng *r, int64_t nation)
{
    fmt(l, "%d-%d-%d-%d", (int)nation + 10, (int)between(r, 100, 999), (int)between(r, 100, 999),
        (int)between(r, 1000, 9999));
}

/* Days since 1992-01-01. */
static void
date(line *l, int64_t day)
{
    static const int month[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 1992, m = 0;
    for (;; year++) {
        int days = year % 4 ? 365 : 366;
        if (day < days)
            break;
        day -= days;
    }
    for (;; m++) {
        int days = month[m] + (m == 1 && year % 4 == 0);
        if (day < days)
            break;
        day -= days;
    }
    char t[11] = {(char)('0' + year / 1000),
                  (char)('0' + year / 100 % 10),
                  (char)('0' + year / 10 % 10),
                  (char)('0' + year % 10),
                  '-',
                  (char)('0' + (m + 1) / 10),
                  (char)('0' + (m + 1) % 10),
                  '-',
                  (char)('0' + (day + 1) / 10),
                  (char)('0' + (day + 1) % 10)};
    sep(l);
    put(l, t, 10);
}
#define CURRENT_DAY 1263 /* 1995-06-17 */
#define LAST_DAY    2556 /* 1998-12-31 */

static void
end(line *l, FILE *f)
{
    l->b[l->n++] = '\n';
    if (fwrite(l->b, 1, l->n, f) != l->n) {
        perror("write");
        exit(1);
    }
    l->n = 0;
}

/* ---- tables: clause 4.2.3 ---- */

static int64_t suppliers, parts, customers, orders, clerks;

static FILE *
table(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.tbl", dir, name);
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        exit(1);
    }
    return f;
}

static void
done(FILE *f)
{
    if (fclose(f)) {
        perror("close");
        exit(1);
    }
}

static void
small_tables(const char *dir)
{
    line l = {.n = 0};
    FILE *f = table(dir, "region");
    for (int i = 0; i < regions.n; i++) {
        rng r = stream(1, (uint64_t)i);
        number(&l, i);
        str(&l, regions.w[i]);
        text(&l, &r, 31, 115);
        end(&l, f);
    }
    done(f);
    f = table(dir, "nation");
    for (int i = 0; i < nations.n; i++) {
        rng r = stream(2, (uint64_t)i);
        number(&l, i);
        str(&l, nations.w[i]);
        number(&l, nation_region[i]);
        text(&l, &r, 31, 114);
        end(&l, f);
    }
    done(f);
}

/* One supplier in 2,000 is complained about, one recommended. */
static void
supplier_comment(line *l, rng *r, int64_t key)
{
    size_t from = l->n + 1;
    text(l, r, 25, 100);
    int64_t what = (key - 1) % 2000;
    if (what != 1234 && what != 777)
        return;
    const char *second = what == 777 ? "Recommends" : "Complaints";
    size_t len = l->n - from, need = strlen("Customer") + strlen(second);
    size_t gap = len > need ? (size_t)between(r, 0, (int64_t)(len - need)) : 0;
    size_t at = from + (len > need + gap ? (size_t)between(r, 0, (int64_t)(len - need - gap)) : 0);
    memcpy(l->b + at, "Customer", 8);
    memcpy(l->b + at + 8 + gap, second, strlen(second));
}

static void
supplier_table(const char *dir)
{
    line l = {.n = 0};
    FILE *f = table(dir, "supplier");
    for (int64_t k = 1; k <= suppliers; k++) {
        rng r = stream(3, (uint64_t)k);
        int64_t nation = between(&r, 0, 24);
        number(&l, k);
        fmt(&l, "Supplier#%09" PRId64, k);
        vstring(&l, &r, 10, 40);
        number(&l, nation);
        phone(&l, &r, nation);
        money(&l, between(&r, -99999, 999999));
        supplier_comment(&l, &r, k);
        end(&l, f);
    }
    done(f);
}

static int64_t
retail_price(int64_t part)
{
    return 90000 + part / 10 % 20001 + 100 * (part % 1000);
}

static int64_t
part_supplier(int64_t part, int64_t i)
{
    int64_t s = suppliers;
    return (part + i * (s / 4 + (part - 1) / s)) % s + 1;
}

static void
part_name(line *l, rng *r)
{
    int64_t used[5];
    sep(l);
    for (int i = 0; i < 5; i++) {
        bool again = true;
        while (again) {
            used[i] = between(r, 0, colors.n - 1);
            again = false;
            for (int k = 0; k < i; k++)
                again |= used[k] == used[i];
        }
        if (i)
            put(l, " ", 1);
        put(l, colors.w[used[i]], strlen(colors.w[used[i]]));
    }
}

static void
part_tables(const char *dir)
{
    line l = {.n = 0};
    FILE *f = table(dir, "part"), *fs = table(dir, "partsupp");
    for (int64_t k = 1; k <= parts; k++) {
        rng r = stream(4, (uint64_t)k);
        int m = (int)between(&r, 1, 5);
        number(&l, k);
        part_name(&l, &r);
        fmt(&l, "Manufacturer#%d", m);
        fmt(&l, "Brand#%d%d", m, (int)between(&r, 1, 5));
        fmt(&l, "%s %s %s", pick(&r, type1), pick(&r, type2), pick(&r, type3));
        number(&l, between(&r, 1, 50));
        fmt(&l, "%s %s", pick(&r, container1), pick(&r, container2));
        money(&l, retail_price(k));
        text(&l, &r, 5, 22);
        end(&l, f);
        for (int64_t i = 0; i < 4; i++) {
            number(&l, k);
            number(&l, part_supplier(k, i));
            number(&l, between(&r, 1, 9999));
            money(&l, between(&r, 100, 100000));
            text(&l, &r, 49, 198);
            end(&l, fs);
        }
    }
    done(f);
    done(fs);
}

static void
customer_table(const char *dir)
{
    line l = {.n = 0};
    FILE *f = table(dir, "customer");
    for (int64_t k = 1; k <= customers; k++) {
        rng r = stream(5, (uint64_t)k);
        int64_t nation = between(&r, 0, 24);
        number(&l, k);
        fmt(&l, "Customer#%09" PRId64, k);
        vstring(&l, &r, 10, 40);
        number(&l, nation);
        phone(&l, &r, nation);
        money(&l, between(&r, -99999, 999999));
        str(&l, pick(&r, segments));
        text(&l, &r, 29, 116);
        end(&l, f);
    }
    done(f);
}

/* One line item; returns its price with tax and discount, in 1/1,000,000; *ret_open: not shipped.
 */
static int64_t
lineitem(FILE *f, rng *r, int64_t order, int n, int64_t order_day, bool *ret_open)
{
    line l = {.n = 0};
    int64_t part = between(r, 1, parts), quantity = between(r, 1, 50);
    int64_t price = quantity * retail_price(part);
    int64_t discount = between(r, 0, 10), tax = between(r, 0, 8);
    int64_t ship = order_day + between(r, 1, 121), commit = order_day + between(r, 30, 90);
    int64_t receipt = ship + between(r, 1, 30);
    *ret_open = ship > CURRENT_DAY;
    number(&l, order);
    number(&l, part);
    number(&l, part_supplier(part, between(r, 0, 3)));
    number(&l, n);
    money(&l, quantity * 100);
    money(&l, price);
    money(&l, discount);
    money(&l, tax);
    str(&l, receipt > CURRENT_DAY ? "N" : between(r, 0, 1) ? "R" : "A");
    str(&l, *ret_open ? "O" : "F");
    date(&l, ship);
    date(&l, commit);
    date(&l, receipt);
    str(&l, pick(r, instructions));
    str(&l, pick(r, modes));
    text(&l, r, 10, 43);
    end(&l, f);
    return price * (100 - discount) * (100 + tax);
}

static void
order_tables(const char *dir)
{
    line l = {.n = 0};
    FILE *f = table(dir, "orders"), *fl = table(dir, "lineitem");
    for (int64_t i = 0; i < orders; i++) {
        rng r = stream(6, (uint64_t)i);
        int64_t key = i / 8 * 32 + i % 8 + 1, customer, total = 0; /* 8 of each 32 keys */
        int64_t day = between(&r, 0, LAST_DAY - 151);
        int n = (int)between(&r, 1, 7), open = 0;
        do
            customer = between(&r, 1, customers);
        while (customer % 3 == 0);
        for (int k = 1; k <= n; k++) {
            bool o;
            total += lineitem(fl, &r, key, k, day, &o);
            open += o;
        }
        number(&l, key);
        number(&l, customer);
        str(&l, open == n ? "O" : open ? "P" : "F");
        money(&l, (total + 5000) / 10000);
        date(&l, day);
        str(&l, pick(&r, priorities));
        fmt(&l, "Clerk#%09" PRId64, between(&r, 1, clerks));
        number(&l, 0);
        text(&l, &r, 19, 78);
        end(&l, f);
    }
    done(f);
    done(fl);
}

int
main(int argc, char **argv)
{
    double scale = argc == 3 ? strtod(argv[1], NULL) : 0;
    if (scale <= 0) {
        fprintf(stderr, "usage: tpchgen SCALE DIRECTORY\n");
        return 2;
    }
    suppliers = (int64_t)(scale * 10000 + 0.5);
    parts = (int64_t)(scale * 200000 + 0.5);
    customers = (int64_t)(scale * 150000 + 0.5);
    orders = (int64_t)(scale * 1500000 + 0.5);
    clerks = scale * 1000 < 1 ? 1 : (int64_t)(scale * 1000 + 0.5);
    pool_fill();
    small_tables(argv[2]);
    supplier_table(argv[2]);
    part_tables(argv[2]);
    customer_table(argv[2]);
    order_tables(argv[2]);
    return 0;
}
