/* External merge sort. Runs that were sorted in memory lie one behind the other on a tape; they are
 * merged k ways by a tree of losers, with a chunk of each run in memory and the next one on its way
 * from the disk (storage/temp's windows). As many runs as the budget has chunks for are merged at
 * once; while there are more, consecutive runs are merged into longer ones on another tape.
 *
 * LOSER TREE  tree[1..k-1] hold the losers of their matches, tree[0] the overall winner: after the
 * winner's run has moved on, one match per level finds the next (Knuth, vol. 3, 5.4.1). A run at its
 * end loses to all. Of equal rows the one of the earlier run wins: the sort is stable. */
#include "spill.h"
#include <string.h>

#define RUNS_LEAST 6u /* merged at once, whatever the budget is; as PostgreSQL */
#define RUNS_MOST  256u

typedef struct run {
    uint64_t from, to; /* rows of the tape */
} run;

typedef struct source {
    lg_xcursor c;
    lg_datum **rows; /* of its chunk */
    uint32_t at, n;
    uint64_t next, to; /* rows of the tape not read yet */
    bool ended;
} source;

struct lg_xextsort {
    lg_exec *x;
    uint32_t ncols, nkeys;
    const lg_oid *types;
    const lg_xsort_key *keys;
    uint32_t chunk_bytes, fan; /* runs merged at once */
    lg_xtape tape;
    run *runs;
    uint64_t nruns, cap;
    uint64_t most_bytes; /* on disk */
    /* the merge going on */
    source *src;
    uint32_t k;
    uint32_t *tree;
    lg_arena **spent; /* chunks whose rows were given out: freed at the next call */
    uint32_t nspent, spent_cap;
};

lg_status
lg_xextsort_create(lg_exec *x, uint32_t ncols, const lg_oid *types, const lg_xsort_key *keys,
                   uint32_t nkeys, size_t budget, lg_xextsort **ret)
{
    lg_xextsort *e = lg_zalloc(sizeof *e);
    size_t chunk = budget / 64;
    e->x = x;
    e->ncols = ncols;
    e->types = types;
    e->keys = keys;
    e->nkeys = nkeys;
    e->chunk_bytes = chunk < LG_TEMP_BUFFER_MIN   ? LG_TEMP_BUFFER_MIN
                     : chunk > LG_TEMP_BUFFER_MAX ? LG_TEMP_BUFFER_MAX
                                                  : (uint32_t)chunk;
    size_t fan = budget / (4 * (size_t)e->chunk_bytes); /* decoded, and two windows */
    e->fan = fan < RUNS_LEAST ? RUNS_LEAST : fan > RUNS_MOST ? RUNS_MOST : (uint32_t)fan;
    lg_xtape_init(&e->tape, x, ncols, types, e->chunk_bytes);
    *ret = e;
    return LG_OK;
}

static void
add_run(lg_xextsort *e, uint64_t from, uint64_t to)
{
    if (e->nruns == e->cap) {
        e->cap = e->cap ? e->cap * 2 : 16;
        e->runs = lg_realloc(e->runs, e->cap * sizeof *e->runs);
    }
    e->runs[e->nruns++] = (run){from, to};
}

lg_status
lg_xextsort_add(lg_xextsort *e, const lg_datum *row)
{
    return lg_xtape_add_row(&e->tape, row);
}

lg_status
lg_xextsort_end_run(lg_xextsort *e)
{
    uint64_t from = e->nruns ? e->runs[e->nruns - 1].to : 0;
    LG_TRY(lg_xtape_flush(&e->tape)); /* chunks do not reach over runs */
    if (e->tape.rows > from)
        add_run(e, from, e->tape.rows);
    return LG_OK;
}

lg_status
lg_xextsort_run(lg_xextsort *e, lg_datum *const *rows, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        LG_TRY(lg_xextsort_add(e, rows[i]));
        if (i % LG_BATCH == 0)
            LG_TRY(lg_xcheck(e->x));
    }
    return lg_xextsort_end_run(e);
}

/* ---- merging ---- */

/* The source's next chunk. The one it had may still be read: it is spent, not freed. */
static lg_status
source_chunk(lg_xextsort *e, lg_xtape *t, source *s)
{
    if (s->n && s->c.arena) {
        if (e->nspent == e->spent_cap) {
            e->spent_cap = e->spent_cap ? e->spent_cap * 2 : 16;
            e->spent = lg_realloc(e->spent, e->spent_cap * sizeof *e->spent);
        }
        e->spent[e->nspent++] = s->c.arena;
        s->c.arena = NULL;
    }
    s->at = s->n = 0;
    s->ended = s->next >= s->to;
    if (s->ended)
        return LG_OK;
    s->c.chunk.n = 0;
    LG_TRY(lg_xtape_read(t, &s->c, s->next, true));
    s->rows = s->c.chunk.rows;
    s->n = s->c.chunk.n;
    s->next += s->n;
    return lg_xcheck(e->x);
}

static bool
before(const lg_xextsort *e, uint32_t a, uint32_t b)
{
    const source *x = &e->src[a], *y = &e->src[b];
    if (x->ended || y->ended)
        return !x->ended || (y->ended && a < b);
    int d = lg_xsort_compare(e->keys, e->nkeys, x->rows[x->at], y->rows[y->at], e->ncols);
    return d ? d < 0 : a < b;
}

/* The winner below node i; losers stay on the way. Leaf j is node k + j. */
static uint32_t
play(lg_xextsort *e, uint32_t i)
{
    if (i >= e->k)
        return i - e->k;
    uint32_t a = play(e, 2 * i), b = play(e, 2 * i + 1);
    bool first = before(e, a, b);
    e->tree[i] = first ? b : a;
    return first ? a : b;
}

static void
replay(lg_xextsort *e)
{
    uint32_t w = e->tree[0];
    for (uint32_t i = (w + e->k) / 2; i >= 1; i /= 2)
        if (before(e, e->tree[i], w)) {
            uint32_t l = e->tree[i];
            e->tree[i] = w;
            w = l;
        }
    e->tree[0] = w;
}

static void
spent_free(lg_xextsort *e)
{
    for (uint32_t i = 0; i < e->nspent; i++)
        lg_arena_destroy(e->spent[i]);
    e->nspent = 0;
}

static void
merge_end(lg_xextsort *e)
{
    for (uint32_t i = 0; e->src && i < e->k; i++)
        lg_xcursor_fini(&e->src[i].c);
    lg_free(e->src);
    lg_free(e->tree);
    e->src = NULL;
    e->tree = NULL;
    spent_free(e);
}

static lg_status
merge_begin(lg_xextsort *e, uint64_t first, uint32_t k)
{
    merge_end(e);
    e->k = k;
    e->src = lg_zalloc(k * sizeof *e->src);
    e->tree = lg_zalloc((k + 1) * sizeof *e->tree);
    for (uint32_t i = 0; i < k; i++) {
        source *s = &e->src[i];
        s->next = e->runs[first + i].from;
        s->to = e->runs[first + i].to;
        LG_TRY(source_chunk(e, &e->tape, s));
    }
    e->tree[0] = k > 1 ? play(e, 1) : 0;
    return LG_OK;
}

lg_status
lg_xextsort_next(lg_xextsort *e, lg_datum **rows, uint32_t cap, uint32_t *ret_n)
{
    uint32_t n = 0;
    spent_free(e);
    while (n < cap) {
        source *s = &e->src[e->tree[0]];
        if (s->ended)
            break;
        rows[n++] = s->rows[s->at++];
        if (s->at == s->n)
            LG_TRY(source_chunk(e, &e->tape, s));
        if (e->k > 1)
            replay(e);
    }
    *ret_n = n;
    return n ? LG_OK : LG_END;
}

/* Runs [first, first + k) as one run of `to`. */
static lg_status
merge_into(lg_xextsort *e, uint64_t first, uint32_t k, lg_xtape *to)
{
    lg_datum *rows[256];
    lg_status st;
    uint32_t n;
    LG_TRY(merge_begin(e, first, k));
    while ((st = lg_xextsort_next(e, rows, 256, &n)) == LG_OK)
        for (uint32_t i = 0; i < n; i++)
            LG_TRY(lg_xtape_add_row(to, rows[i]));
    return st == LG_END ? lg_xtape_flush(to) : st;
}

static lg_status
merge_pass(lg_xextsort *e, lg_xtape *to, run *longer, uint64_t *ret_n)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < e->nruns; i += e->fan) {
        uint64_t left = e->nruns - i, from = to->rows;
        LG_TRY(merge_into(e, i, left < e->fan ? (uint32_t)left : e->fan, to));
        longer[n++] = (run){from, to->rows};
    }
    *ret_n = n;
    return lg_xtape_finish(to);
}

lg_status
lg_xextsort_start(lg_xextsort *e)
{
    LG_TRY(lg_xtape_finish(&e->tape));
    while (e->nruns > e->fan) {
        lg_xtape to;
        uint64_t n = 0;
        lg_xtape_init(&to, e->x, e->ncols, e->types, e->chunk_bytes);
        run *longer = lg_alloc((e->nruns / e->fan + 1) * sizeof *longer);
        lg_status st = merge_pass(e, &to, longer, &n);
        uint64_t bytes = lg_xtape_bytes(&e->tape) + lg_xtape_bytes(&to);
        if (e->most_bytes < bytes)
            e->most_bytes = bytes;
        merge_end(e);
        lg_xtape_fini(st == LG_OK ? &e->tape : &to);
        if (st != LG_OK) {
            lg_free(longer);
            return st;
        }
        e->tape = to;
        lg_free(e->runs);
        e->runs = longer;
        e->nruns = e->cap = n;
    }
    return merge_begin(e, 0, (uint32_t)e->nruns);
}

uint64_t
lg_xextsort_disk_bytes(const lg_xextsort *e)
{
    uint64_t now = lg_xtape_bytes(&e->tape);
    return now > e->most_bytes ? now : e->most_bytes;
}

void
lg_xextsort_destroy(lg_xextsort *e)
{
    if (!e)
        return;
    merge_end(e);
    lg_xtape_fini(&e->tape);
    lg_free(e->runs);
    lg_free(e->spent);
    lg_free(e);
}
