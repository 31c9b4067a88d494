/* A set of rows that grows (lg_xset): what a hashed subquery gave, what a recursion has seen.
 *
 * In memory a hash table. Over the budget its rows go out as a run: a tape sorted by hash, whose
 * first hash of every chunk stays in memory, so that a look-up reads one chunk of each run. A run at
 * most twice as long as the one behind it is merged with that: there are some log2(n) of them. NULLs
 * are the same as each other. */
#include "spill.h"
#include "type.h"
#include <string.h>

typedef struct run {
    lg_xtape tape;
    int64_t *first; /* hash of each chunk's first row */
    uint64_t nfirst, cap;
    lg_xcursor at;
} run;

struct lg_xset {
    lg_exec *x;
    uint32_t ncols; /* the hash is the first */
    lg_oid *types;
    lg_hash_fn *hf;
    lg_equal_fn *eq;
    size_t budget, told;
    uint32_t chunk_bytes;
    lg_arena *arena;
    lg_xhash hash;
    run **runs;
    uint32_t nruns, cap;
    uint64_t n;
};

static void
memory_empty(lg_xset *s)
{
    if (s->arena)
        lg_arena_reset(s->arena);
    else
        s->arena = lg_arena_create("set", 8 << 10);
    lg_xhash_init(&s->hash, s->arena);
}

lg_status
lg_xset_create(lg_exec *x, uint32_t ncols, const lg_oid *types, size_t budget, lg_xset **ret)
{
    lg_xset *s = LG_NEW(x->arena, lg_xset);
    size_t chunk = budget / 64;
    s->x = x;
    s->ncols = ncols + 1;
    s->types = LG_NEWN(x->arena, lg_oid, s->ncols);
    s->hf = LG_NEWN(x->arena, lg_hash_fn, s->ncols);
    s->eq = LG_NEWN(x->arena, lg_equal_fn, s->ncols);
    s->types[0] = LG_T_INT8;
    for (uint32_t i = 0; i < ncols; i++) {
        s->types[i + 1] = types[i];
        s->hf[i + 1] = lg_type_hash_fn(types[i]);
        s->eq[i + 1] = lg_type_equal_fn(types[i]);
        if (!s->hf[i + 1] || !s->eq[i + 1])
            return LG_UNSUPPORTED;
    }
    s->budget = budget;
    s->chunk_bytes = chunk < LG_TEMP_BUFFER_MIN ? LG_TEMP_BUFFER_MIN
                     : chunk > (64u << 10)      ? 64u << 10
                                                : (uint32_t)chunk;
    memory_empty(s);
    *ret = s;
    return LG_OK;
}

/* ---- runs ---- */

static run *
run_new(lg_xset *s)
{
    run *r = lg_zalloc(sizeof *r);
    lg_xtape_init(&r->tape, s->x, s->ncols, s->types, s->chunk_bytes);
    return r;
}

static void
run_free(run *r)
{
    lg_xcursor_fini(&r->at);
    lg_xtape_fini(&r->tape);
    lg_free(r->first);
    lg_free(r);
}

static lg_status
run_add(run *r, const lg_datum *row)
{
    if (!r->tape.gathered) { /* begins a chunk */
        if (r->nfirst == r->cap) {
            r->cap = r->cap ? r->cap * 2 : 16;
            r->first = lg_realloc(r->first, r->cap * sizeof *r->first);
        }
        r->first[r->nfirst++] = (int64_t)row[0];
    }
    return lg_xtape_add_row(&r->tape, row);
}

/* The run's row at `pos`; NULL behind the last. */
static lg_status
run_row(run *r, uint64_t pos, const lg_datum **ret)
{
    *ret = NULL;
    if (pos >= r->tape.rows)
        return LG_OK;
    if (!r->at.chunk.rows)
        r->at.chunk.n = 0; /* read for its columns only */
    LG_TRY(lg_xtape_read(&r->tape, &r->at, pos, true));
    *ret = r->at.chunk.rows[pos - r->at.chunk.first];
    return LG_OK;
}

static lg_status
merge_rows(lg_xset *s, run *a, run *b, run *to)
{
    uint64_t i = 0, j = 0;
    const lg_datum *x, *y;
    LG_TRY(run_row(a, 0, &x));
    LG_TRY(run_row(b, 0, &y));
    while (x || y) {
        if (x && (!y || (int64_t)x[0] <= (int64_t)y[0])) {
            LG_TRY(run_add(to, x));
            LG_TRY(run_row(a, ++i, &x));
        } else {
            LG_TRY(run_add(to, y));
            LG_TRY(run_row(b, ++j, &y));
        }
        if ((i + j) % LG_BATCH == 0)
            LG_TRY(lg_xcheck(s->x));
    }
    return lg_xtape_finish(&to->tape);
}

/* The last two runs become one. */
static lg_status
merge_last(lg_xset *s)
{
    run *a = s->runs[s->nruns - 2], *b = s->runs[s->nruns - 1], *to = run_new(s);
    lg_status st = merge_rows(s, a, b, to);
    if (st != LG_OK) {
        run_free(to);
        return st;
    }
    run_free(a);
    run_free(b);
    s->runs[s->nruns - 2] = to;
    s->nruns--;
    return LG_OK;
}

static lg_status
memory_out(lg_xset *s, run *r)
{
    uint64_t n = 0;
    lg_xsort_key key = {0, lg_type_compare_fn(LG_T_INT8), false, false};
    lg_datum **rows = lg_alloc((s->hash.n + 1) * sizeof *rows);
    for (uint64_t i = 0; i < s->hash.nbuckets; i++)
        for (lg_xhash_entry *e = s->hash.buckets[i]; e; e = e->next)
            rows[n++] = e->row;
    lg_status st = lg_xsort_rows(s->x, &key, 1, rows, n, s->ncols);
    for (uint64_t i = 0; i < n && st == LG_OK; i++) {
        st = run_add(r, rows[i]);
        if (st == LG_OK && i % LG_BATCH == 0)
            st = lg_xcheck(s->x);
    }
    lg_free(rows);
    return st == LG_OK ? lg_xtape_finish(&r->tape) : st;
}

static lg_status
spill(lg_xset *s)
{
    run *r = run_new(s);
    lg_status st = memory_out(s, r);
    if (st != LG_OK) {
        run_free(r);
        return st;
    }
    if (s->nruns == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 8;
        s->runs = lg_realloc(s->runs, s->cap * sizeof(run *));
    }
    s->runs[s->nruns++] = r;
    memory_empty(s);
    while (s->nruns > 1 && s->runs[s->nruns - 2]->tape.rows <= 2 * s->runs[s->nruns - 1]->tape.rows)
        LG_TRY(merge_last(s));
    return LG_OK;
}

lg_status
lg_xset_settle(lg_xset *s)
{
    if (!s->nruns)
        return LG_OK;
    if (s->hash.n)
        LG_TRY(spill(s));
    while (s->nruns > 1)
        LG_TRY(merge_last(s));
    return LG_OK;
}

/* ---- rows ---- */

uint64_t
lg_xset_hash(const lg_xset *s, const lg_datum *v, const uint8_t *nulls)
{
    uint64_t h = 0;
    for (uint32_t i = 1; i < s->ncols; i++)
        h = h * 31 + (nulls[i - 1] ? 7 : s->hf[i](v[i - 1]));
    return h;
}

static inline bool
same_value(const lg_xset *s, uint32_t i, lg_datum a, bool a_null, lg_datum b, bool b_null)
{
    return a_null || b_null ? a_null && b_null : s->eq[i](a, b);
}

/* The first chunk that may hold the hash: equal ones can begin at the end of the one before. */
static uint64_t
chunk_of(const run *r, int64_t hash)
{
    uint64_t lo = 0, hi = r->nfirst;
    while (hi - lo > 1) {
        uint64_t mid = lo + (hi - lo) / 2;
        if (r->first[mid] < hash)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

static bool
chunk_has(const lg_xset *s, const lg_xchunk *k, const lg_datum *v, const uint8_t *nulls,
          int64_t hash)
{
    uint32_t lo = 0, hi = k->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if ((int64_t)k->vecs[0].v[mid] < hash)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < k->n && (int64_t)k->vecs[0].v[lo] == hash; lo++) {
        bool same = true;
        for (uint32_t i = 1; same && i < s->ncols; i++)
            same = same_value(s, i, k->vecs[i].v[lo], k->vecs[i].null[lo], v[i - 1], nulls[i - 1]);
        if (same)
            return true;
    }
    return false;
}

static lg_status
run_has(const lg_xset *s, run *r, const lg_datum *v, const uint8_t *nulls, int64_t hash, bool *ret)
{
    for (uint64_t c = chunk_of(r, hash); c < r->nfirst && r->first[c] <= hash; c++) {
        LG_TRY(lg_xtape_read(&r->tape, &r->at, r->tape.dir[c].row, false));
        if (chunk_has(s, &r->at.chunk, v, nulls, hash)) {
            *ret = true;
            return LG_OK;
        }
    }
    return LG_OK;
}

lg_status
lg_xset_has(lg_xset *s, const lg_datum *v, const uint8_t *nulls, uint64_t hash, bool *ret)
{
    *ret = false;
    for (const lg_xhash_entry *e = lg_xhash_first(&s->hash, hash); e; e = e->next) {
        const uint8_t *row_nulls = lg_xrow_nulls(e->row, s->ncols);
        bool same = e->hash == hash;
        for (uint32_t i = 1; same && i < s->ncols; i++)
            same = same_value(s, i, e->row[i], row_nulls[i], v[i - 1], nulls[i - 1]);
        if (same) {
            *ret = true;
            return LG_OK;
        }
    }
    for (uint32_t i = 0; i < s->nruns && !*ret; i++)
        LG_TRY(run_has(s, s->runs[i], v, nulls, (int64_t)hash, ret));
    return LG_OK;
}

lg_status
lg_xset_add(lg_xset *s, const lg_datum *v, const uint8_t *nulls, uint64_t hash)
{
    lg_datum *row = lg_xrow_new(s->arena, s->ncols);
    uint8_t *row_nulls = lg_xrow_nulls(row, s->ncols);
    row[0] = (lg_datum)hash;
    row_nulls[0] = 0;
    for (uint32_t i = 1; i < s->ncols; i++) {
        row[i] = nulls[i - 1] ? 0 : lg_datum_copy(s->types[i], v[i - 1], s->arena);
        row_nulls[i] = nulls[i - 1];
    }
    lg_xhash_add(&s->hash, hash, row);
    s->n++;
    if (s->n % 16)
        return LG_OK;
    size_t bytes = lg_arena_used_bytes(s->arena);
    if (bytes > s->budget) {
        LG_TRY(spill(s));
        bytes = lg_arena_used_bytes(s->arena);
    }
    return lg_xmemory(s->x, &s->told, bytes);
}

uint64_t
lg_xset_count(const lg_xset *s)
{
    return s->n;
}

bool
lg_xset_on_disk(const lg_xset *s)
{
    return s->nruns > 0;
}

void
lg_xset_clear(lg_xset *s)
{
    while (s->nruns)
        run_free(s->runs[--s->nruns]);
    memory_empty(s);
    s->n = 0;
}

void
lg_xset_fini(lg_xset *s)
{
    if (!s || !s->arena)
        return;
    lg_xset_clear(s);
    lg_free(s->runs);
    lg_arena_destroy(s->arena);
    s->arena = NULL;
    s->runs = NULL;
    (void)!lg_xmemory(s->x, &s->told, 0);
}
