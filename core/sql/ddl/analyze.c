/* ANALYZE: counts a table's rows and takes a sample of them, from which come each column's null
 * fraction, width, distinct count, most common values, histogram and correlation, by the rules of
 * PostgreSQL's std_typanalyze, into pg_statistic. Descriptors carry them (lg_colstats), so that
 * they are coherent across instances as the dictionary is. */
#include "relstat.h"
#include "array.h"
#include "ddl_internal.h"
#include "interrupt.h"
#include "rowcodec.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TARGET     100u  /* where neither the column nor the session says */
#define PER_TARGET 300u  /* rows of the sample for each most common value or bound */
#define WIDE       1024u /* values above are not looked at */
#define KIND_MCV   1
#define KIND_HIST  2
#define KIND_CORR  3
#define POLL_EVERY 128u /* rows looked at or compared */

struct counts {
    float tuples;
    uint32_t pages;
};

static void
set_counts(lg_cat_row *row, void *arg)
{
    const struct counts *c = arg;
    SETC(row, pg_class, reltuples, lg_datum_float4(c->tuples));
    SETC(row, pg_class, relpages, lg_datum_int4((int32_t)c->pages));
}

/* ---- sample ---- */

struct sampled {
    lg_tid tid;
    uint32_t len, cap;
    uint8_t *bytes;
};

struct sample {
    struct sampled *rows;
    uint32_t n, limit;
    uint64_t total;
    uint64_t random;
};

static uint64_t
draw(struct sample *s, uint64_t below)
{
    s->random += 0x9e3779b97f4a7c15u;
    uint64_t z = s->random;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint64_t)(((unsigned __int128)(z ^ z >> 31) * below) >> 64);
}

/* Each row is in the sample with the same probability (Waterman's algorithm R). */
static void
take(struct sample *s, lg_tid tid, const uint8_t *bytes, size_t len)
{
    uint64_t at = s->total++;
    if (at >= s->limit && (at = draw(s, at + 1)) >= s->limit)
        return;
    struct sampled *r = &s->rows[at];
    if (at == s->n)
        s->n++;
    if (r->cap < len) {
        r->bytes = lg_realloc(r->bytes, len);
        r->cap = (uint32_t)len;
    }
    memcpy(r->bytes, bytes, len);
    r->len = (uint32_t)len;
    r->tid = tid;
}

static int
by_tid(const void *a, const void *b)
{
    lg_tid x = ((const struct sampled *)a)->tid, y = ((const struct sampled *)b)->tid;
    return (x > y) - (x < y);
}

static lg_status
scan_all(lg_util *u, lg_relation *r, struct sample *s)
{
    const lg_access *acc = lg_catalog_access(lg_cat_catalog(u->cat));
    const struct lg_snapshot *snap = acc->ops->snapshot_latest(acc->arg, lg_cat_txn(u->cat), u->a);
    void *scan;
    lg_arena *a = lg_arena_create("analyze", 0);
    lg_status st = acc->ops->scan_open(acc->arg, lg_cat_txn(u->cat), snap, &r->storage, &scan);
    if (st == LG_OK) {
        lg_access_row rows[256];
        lg_xprogress_begin(u->es, "ANALYZE", r->oid);
        lg_xprogress_set(u->es, LG_ANALYZE_PHASE, 1);
        lg_xprogress_set(u->es, LG_ANALYZE_BLOCKS_TOTAL, r->pages);
        for (;;) {
            uint32_t n = 1;
            size_t len = 0;
            if (acc->ops->scan_rows) {
                st = acc->ops->scan_rows(scan, rows, 256, &n);
            } else {
                st = acc->ops->scan_next(scan, a, &rows[0].tid, &rows[0].bytes, &len);
                rows[0].len = (uint32_t)len;
            }
            if (st != LG_OK)
                break;
            if (n)
                lg_xprogress_set(u->es, LG_ANALYZE_BLOCKS,
                                 (int64_t)(uint32_t)(rows[n - 1].tid >> 16) + 1);
            for (uint32_t i = 0; i < n; i++)
                take(s, rows[i].tid, rows[i].bytes, rows[i].len);
            lg_arena_reset(a);
            if (lg_fiber_self() && lg_fiber_should_yield()) {
                lg_fiber_yield();
                if (u->es->check_cancel && (st = u->es->check_cancel(u->es->arg)) != LG_OK)
                    break;
            }
        }
        acc->ops->scan_close(scan);
        st = st == LG_END ? LG_OK : st;
    }
    lg_arena_destroy(a);
    qsort(s->rows, s->n, sizeof *s->rows, by_tid);
    lg_xprogress_set(u->es, LG_ANALYZE_PHASE, 3);
    return st;
}

/* ---- one column ---- */

static uint32_t
target_of(const lg_util *u, const lg_column *col)
{
    uint32_t by_session = u->es->statistics_target;
    return col->stat_target ? (uint32_t)col->stat_target - 1 : by_session ? by_session : TARGET;
}

struct value {
    lg_datum v;
    uint32_t tupno; /* in the order of the table */
};

struct run { /* of equal values in the sorted sample */
    uint32_t first, count;
};

struct column {
    lg_arena *a;
    lg_compare_fn cmp;
    uint32_t work; /* comparisons so far: the sort lets others run */
    uint32_t rows, nulls, wide, n;
    uint32_t target;     /* so many most common values and parts of the histogram at most */
    double width, total; /* summed; rows of the table */
    struct value *values;
    float null_frac, distinct, correlation;
    uint32_t nmcv, nbounds;
    lg_datum *mcv, *bounds;
    lg_datum *freq; /* float4 */
};

static int
compare_values(const void *pa, const void *pb, void *arg)
{
    const struct value *a = pa, *b = pb;
    struct column *c = arg;
    if (++c->work % POLL_EVERY == 0)
        (void)lg_poll();
    int d = c->cmp(a->v, b->v);
    return d ? d : (a->tupno > b->tupno) - (a->tupno < b->tupno);
}

static int
by_count(const void *pa, const void *pb)
{
    const struct run *a = pa, *b = pb;
    return a->count != b->count ? (a->count < b->count ? 1 : -1)
                                : (a->first > b->first) - (a->first < b->first);
}

/* Haas and Stokes, as PostgreSQL uses it. */
static void
estimate_distinct(struct column *c, uint32_t distinct, uint32_t multiple)
{
    double n = c->rows - c->nulls, total = c->total * (1 - c->null_frac);
    if (!multiple) {
        c->distinct = -(1 - c->null_frac);
        return;
    }
    if (!c->wide && multiple == distinct) {
        c->distinct = (float)distinct;
    } else {
        double f1 = distinct - multiple + c->wide, d = f1 + multiple;
        double est = n > 0 && total > 0 ? n * d / ((n - f1) + f1 * n / total) : 0;
        est = est < d ? d : est > total ? total : est;
        c->distinct = (float)floor(est + 0.5);
    }
    if (c->distinct > 0.1 * c->total)
        c->distinct = (float)-(c->distinct / c->total);
}

/* How many of the most common values are common enough to be worth keeping. */
static uint32_t
worth_keeping(const struct column *c, const struct run *runs, uint32_t n)
{
    if (c->rows >= c->total || c->total <= 1)
        return n;
    double distinct = c->distinct < 0 ? -c->distinct * c->total : c->distinct, sum = 0;
    for (uint32_t i = 0; i + 1 < n; i++)
        sum += runs[i].count;
    while (n > 0) {
        double sel = 1 - sum / c->rows - c->null_frac, others = distinct - (n - 1);
        sel = sel < 0 ? 0 : sel > 1 ? 1 : sel;
        if (others > 1)
            sel /= others;
        double N = c->total, s = c->rows, K = N * runs[n - 1].count / s;
        double sd = sqrt(s * K * (N - K) * (N - s) / (N * N * (N - 1)));
        if (runs[n - 1].count > sel * s + 2 * sd + 0.5)
            break;
        n--;
        if (n)
            sum -= runs[n - 1].count;
    }
    return n;
}

static void
find_mcvs(struct column *c, struct run *runs, uint32_t nruns, uint32_t distinct)
{
    uint32_t n = nruns < c->target ? nruns : c->target;
    qsort(runs, nruns, sizeof *runs, by_count);
    if (!(nruns == distinct && !c->wide && c->distinct > 0 && nruns <= c->target)) {
        while (n && runs[n - 1].count < 2)
            n--;
        n = worth_keeping(c, runs, n);
    }
    c->nmcv = n;
    c->mcv = LG_NEWN(c->a, lg_datum, n + 1);
    c->freq = LG_NEWN(c->a, lg_datum, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        c->mcv[i] = c->values[runs[i].first].v;
        c->freq[i] = lg_datum_float4((float)runs[i].count / (float)c->rows);
    }
}

/* Evenly spaced values of what is not a most common value. */
static void
find_bounds(struct column *c, const struct run *mcvs, uint32_t distinct)
{
    uint32_t want = distinct - c->nmcv, n = c->n, kept = 0;
    if (want > c->target + 1)
        want = c->target + 1;
    if (want < 2)
        return;
    bool *drop = LG_NEWN(c->a, bool, n + 1);
    for (uint32_t i = 0; i < c->nmcv; i++)
        memset(drop + mcvs[i].first, 1, mcvs[i].count);
    lg_datum *rest = LG_NEWN(c->a, lg_datum, n + 1);
    for (uint32_t i = 0; i < n; i++)
        if (!drop[i])
            rest[kept++] = c->values[i].v;
    c->bounds = LG_NEWN(c->a, lg_datum, want);
    for (uint32_t i = 0; i < want; i++)
        c->bounds[i] = rest[(uint64_t)i * (kept - 1) / (want - 1)];
    c->nbounds = want;
}

static void
find_statistics(struct column *c)
{
    uint32_t nruns = 0, distinct = 0, multiple = 0;
    struct run *runs = LG_NEWN(c->a, struct run, c->n + 1);
    double xy = 0, n = c->n;
    qsort_r(c->values, c->n, sizeof *c->values, compare_values, c);
    for (uint32_t i = 0; i < c->n; i++) {
        if (i % POLL_EVERY == 0)
            (void)lg_poll();
        xy += (double)i * c->values[i].tupno;
        if (i && c->cmp(c->values[i - 1].v, c->values[i].v) == 0) {
            multiple += ++runs[nruns - 1].count == 2;
            continue;
        }
        distinct++;
        runs[nruns++] = (struct run){i, 1};
    }
    estimate_distinct(c, distinct, multiple);
    find_mcvs(c, runs, nruns, distinct);
    find_bounds(c, runs, distinct);
    double x = (n - 1) * n / 2, x2 = (n - 1) * n * (2 * n - 1) / 6;
    double below = n * x2 - x * x;
    c->correlation = n > 1 && below > 0 ? (float)((n * xy - x * x) / below) : 0;
}

/* ---- pg_statistic ---- */

static lg_status
store_column(lg_util *u, const lg_relation *r, const lg_column *col, const struct column *c)
{
    lg_cat_row row;
    lg_datum corr = lg_datum_float4(c->correlation);
    int slot = 0;
    lg_cat_row_init(LG_REL_pg_statistic, &row);
    SETC(&row, pg_statistic, starelid, lg_datum_oid(r->oid));
    SETC(&row, pg_statistic, staattnum, lg_datum_int2(col->attnum));
    SETC(&row, pg_statistic, stainherit, lg_datum_bool(false));
    SETC(&row, pg_statistic, stanullfrac, lg_datum_float4(c->null_frac));
    SETC(&row, pg_statistic, stawidth, lg_datum_int4((int32_t)c->width));
    SETC(&row, pg_statistic, stadistinct, lg_datum_float4(c->distinct));
#define SLOT(kind, op, numbers, values)                                                            \
    do {                                                                                           \
        LG_ROW_SET(&row, LG_AT_pg_statistic_stakind1 + slot, lg_datum_int2(kind));                 \
        LG_ROW_SET(&row, LG_AT_pg_statistic_staop1 + slot, lg_datum_oid(op));                      \
        LG_ROW_SET(&row, LG_AT_pg_statistic_stacoll1 + slot, lg_datum_oid(col->collation));        \
        if (numbers)                                                                               \
            LG_ROW_SET(&row, LG_AT_pg_statistic_stanumbers1 + slot, numbers);                      \
        if (values)                                                                                \
            LG_ROW_SET(&row, LG_AT_pg_statistic_stavalues1 + slot, values);                        \
        slot++;                                                                                    \
    } while (0)
    if (c->nmcv)
        SLOT(KIND_MCV, lg_type_eq_operator(col->type),
             lg_array_make(c->a, LG_T_FLOAT4, c->nmcv, c->freq, NULL),
             lg_array_make(c->a, col->type, c->nmcv, c->mcv, NULL));
    if (c->nbounds)
        SLOT(KIND_HIST, lg_type_lt_operator(col->type), (lg_datum)0,
             lg_array_make(c->a, col->type, c->nbounds, c->bounds, NULL));
    if (c->n > 1)
        SLOT(KIND_CORR, lg_type_lt_operator(col->type),
             lg_array_make(c->a, LG_T_FLOAT4, 1, &corr, NULL), (lg_datum)0);
#undef SLOT
    return lg_cat_insert(u->cat, LG_REL_pg_statistic, &row);
}

static lg_status
analyze_column(lg_util *u, const lg_relation *r, const lg_column *col, const struct sample *s,
               lg_arena *a)
{
    struct column c = {
        .a = a, .rows = s->n, .total = (double)s->total, .target = target_of(u, col)};
    const lg_type *type = lg_type_get(col->type);
    uint32_t at = (uint32_t)col->attnum - 1;
    lg_datum *v = LG_NEWN(a, lg_datum, at + 1);
    uint8_t *nulls = LG_NEWN(a, uint8_t, at + 1);
    c.cmp = lg_type_compare_fn(col->type);
    c.values = LG_NEWN(a, struct value, s->n + 1);
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t natts;
        if (i % POLL_EVERY == 0)
            (void)lg_poll();
        LG_TRY(
            lg_row_decode(r->rowcols, at + 1, s->rows[i].bytes, s->rows[i].len, v, nulls, &natts));
        if (natts <= at) {
            v[at] = col->missing;
            nulls[at] = !col->has_missing;
        }
        if (nulls[at]) {
            c.nulls++;
            continue;
        }
        size_t size = type && type->store != LG_STORE_VARLEN && type->size
                          ? type->size
                          : lg_datum_size(col->type, v[at]);
        /* PostgreSQL stores short values behind one byte: widths are told as there */
        bool small = type && type->store == LG_STORE_VARLEN && size < sizeof(lg_varlen) + 127;
        c.width += small ? (double)size - 3 : (double)size;
        if (type && type->store == LG_STORE_VARLEN && size > WIDE) {
            c.wide++;
            continue;
        }
        c.values[c.n++] = (struct value){v[at], i};
    }
    c.null_frac = (float)c.nulls / (float)c.rows;
    c.width = c.rows > c.nulls ? c.width / (c.rows - c.nulls) : 0;
    if (c.cmp && type && c.n)
        find_statistics(&c);
    return store_column(u, r, col, &c);
}

lg_status
lg_ddl_analyze_table(lg_util *u, lg_relation *r)
{
    const lg_access *acc = lg_catalog_access(lg_cat_catalog(u->cat));
    struct counts c = {0};
    struct sample s = {.random = r->oid};
    lg_status st = acc->ops->segment_blocks(acc->arg, &r->storage, &c.pages);
    if (st != LG_OK)
        return st;
    for (uint16_t i = 0; i < r->ncols; i++) {
        uint32_t want = r->cols[i].dropped ? 0 : PER_TARGET * target_of(u, &r->cols[i]);
        s.limit = want > s.limit ? want : s.limit;
    }
    s.limit = s.limit ? s.limit : 100;
    s.rows = lg_zalloc(s.limit * sizeof *s.rows);
    st = scan_all(u, r, &s);
    c.tuples = (float)s.total;
    lg_datum key = lg_datum_oid(r->oid);
    uint32_t gone;
    if (st == LG_OK)
        st = lg_cat_delete_where(u->cat, LG_REL_pg_statistic,
                                 LG_IX_pg_statistic_relid_att_inh_index, 1, &key, &gone);
    lg_arena *a = lg_arena_create("analyze column", 64 << 10);
    for (uint16_t i = 0; i < r->ncols && st == LG_OK && s.n; i++) {
        if (!r->cols[i].dropped && target_of(u, &r->cols[i]))
            st = analyze_column(u, r, &r->cols[i], &s, a);
        if (st == LG_OK && u->es->check_cancel)
            st = u->es->check_cancel(u->es->arg);
        lg_arena_reset(a);
    }
    lg_arena_destroy(a);
    for (uint32_t i = 0; i < s.limit; i++)
        lg_free(s.rows[i].bytes);
    lg_free(s.rows);
    if (st == LG_OK)
        st = lg_ddl_class_update(u, r->oid, set_counts, &c);
    for (uint16_t i = 0; i < r->nindexes && st == LG_OK; i++) {
        struct counts ic = {.tuples = c.tuples};
        st = acc->ops->segment_blocks(acc->arg, &r->indexes[i]->storage, &ic.pages);
        if (st == LG_OK)
            st = lg_ddl_class_update(u, r->indexes[i]->oid, set_counts, &ic);
    }
    if (st == LG_OK)
        lg_cat_relstat_analyzed(u->cat, r->oid, s.total);
    return st == LG_OK ? lg_cat_touch(u->cat, r->oid) : st;
}
