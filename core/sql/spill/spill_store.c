/* Rows kept in order (lg_xstore). A store with a budget writes what it has to a tape when it is over
 * it: rows [0, out) are on the tape then, rows [out, n) in memory.
 *
 * SLABS  Rows in memory that were given out in a batch must live until that reader's next call, but
 * another reader's next row may be what drives them out (two scans of one WITH query). So the memory
 * of such a store is counted: a cursor holds the slab that its last batch is in. */
#include "spill.h"
#include <string.h>

struct lg_xslab {
    lg_arena *arena;
    uint32_t refs;
};

static struct lg_xslab *
slab_new(void)
{
    struct lg_xslab *s = lg_alloc(sizeof *s);
    s->arena = lg_arena_create("rows", 32 << 10);
    s->refs = 1;
    return s;
}

void
lg_xslab_unref(struct lg_xslab *s)
{
    if (!s || --s->refs)
        return;
    lg_arena_destroy(s->arena);
    lg_free(s);
}

/* A slab of its own for the store: the present one when nobody else looks at it. */
static void
slab_fresh(lg_xstore *t)
{
    if (t->slab->refs == 1) {
        lg_arena_reset(t->slab->arena);
        return;
    }
    lg_xslab_unref(t->slab);
    t->slab = slab_new();
    t->arena = t->slab->arena;
}

void
lg_xstore_init(lg_xstore *t, uint32_t ncols)
{
    memset(t, 0, sizeof *t);
    t->slab = slab_new();
    t->arena = t->slab->arena;
    t->ncols = ncols;
    t->budget = SIZE_MAX;
}

void
lg_xstore_init_spill(lg_xstore *t, lg_exec *x, uint32_t ncols, const lg_oid *types, size_t budget)
{
    lg_xstore_init(t, ncols);
    t->x = x;
    t->types = types;
    t->budget = budget;
}

void
lg_xstore_add(lg_xstore *t, lg_datum *row)
{
    uint64_t n = t->n - t->out;
    if (n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->rows = lg_realloc(t->rows, t->cap * sizeof *t->rows);
    }
    t->rows[n] = row;
    t->n++;
}

void
lg_xstore_add_batch(lg_xstore *t, const lg_xbatch *b)
{
    for (uint32_t i = 0; i < b->b.n; i++)
        lg_xstore_add(t, lg_xrow_copy(t->arena, b->b.cols, t->ncols, lg_xbatch_row(b, i)));
}

/* ---- out to the tape ---- */

static lg_status
drive_out(lg_xstore *t)
{
    if (!t->tape) {
        t->tape = lg_alloc(sizeof *t->tape);
        size_t chunk = t->budget / 16;
        lg_xtape_init(t->tape, t->x, t->ncols, t->types,
                      chunk > LG_TEMP_BUFFER_MAX ? LG_TEMP_BUFFER_MAX : (uint32_t)chunk);
    }
    for (; t->out < t->n; t->out++) {
        LG_TRY(lg_xtape_add_row(t->tape, t->rows[t->out - (t->n - t->held)]));
        if (t->out % (4 * LG_BATCH) == 0)
            LG_TRY(lg_xcheck(t->x));
    }
    slab_fresh(t);
    t->held = 0;
    return LG_OK;
}

lg_status
lg_xstore_weigh(lg_xstore *t)
{
    size_t bytes = lg_arena_used_bytes(t->arena) + (size_t)(t->n - t->out) * sizeof *t->rows;
    if (t->budget != SIZE_MAX && bytes > t->budget) {
        t->held = t->n - t->out;
        LG_TRY(drive_out(t));
        bytes = 0;
    }
    if (t->peak < bytes)
        t->peak = bytes;
    return t->x ? lg_xmemory(t->x, &t->bytes, bytes) : LG_OK;
}

lg_status
lg_xstore_put(lg_xstore *t, lg_vector *const *cols, uint32_t at)
{
    lg_xstore_add(t, lg_xrow_copy(t->arena, cols, t->ncols, at));
    return (t->n & 15) == 0 ? lg_xstore_weigh(t) : LG_OK;
}

lg_status
lg_xstore_put_batch(lg_xstore *t, const lg_xbatch *b)
{
    for (uint32_t i = 0; i < b->b.n; i++)
        LG_TRY(lg_xstore_put(t, b->b.cols, lg_xbatch_row(b, i)));
    return lg_xstore_weigh(t);
}

uint64_t
lg_xstore_disk_bytes(const lg_xstore *t)
{
    return t->tape ? lg_xtape_bytes(t->tape) : 0;
}

/* ---- away ---- */

static void
tape_drop(lg_xstore *t)
{
    if (!t->tape)
        return;
    lg_xtape_fini(t->tape);
    lg_free(t->tape);
    t->tape = NULL;
    t->out = 0;
}

void
lg_xstore_reset(lg_xstore *t)
{
    tape_drop(t);
    slab_fresh(t);
    t->n = t->out = 0;
    t->run++;
}

void
lg_xstore_fini(lg_xstore *t)
{
    if (!t->arena)
        return;
    tape_drop(t);
    lg_xslab_unref(t->slab);
    lg_free(t->rows);
    if (t->x)
        (void)!lg_xmemory(t->x, &t->bytes, 0);
    t->slab = NULL;
    t->arena = NULL;
    t->rows = NULL;
    t->n = t->out = t->cap = 0;
}

/* ---- reading ---- */

static void
cursor_holds(lg_xstore *t, lg_xcursor *c)
{
    if (c->slab == t->slab)
        return;
    lg_xslab_unref(c->slab);
    c->slab = t->slab;
    c->slab->refs++;
}

lg_status
lg_xstore_row(lg_xstore *t, lg_xcursor *c, uint64_t i, const lg_datum **ret)
{
    if (i >= t->out) {
        *ret = t->rows[i - t->out];
        return LG_OK;
    }
    LG_TRY(lg_xtape_read(t->tape, c, i, true));
    *ret = c->chunk.rows[i - c->chunk.first];
    return LG_OK;
}

lg_status
lg_xstore_fill(lg_xstore *t, lg_xcursor *c, lg_xbatch *b)
{
    uint32_t n = 0;
    if (c->pos >= t->n)
        return LG_END;
    if (c->pos < t->out) {
        LG_TRY(lg_xtape_read(t->tape, c, c->pos, false));
        const lg_xchunk *k = &c->chunk;
        uint32_t from = (uint32_t)(c->pos - k->first);
        n = k->n - from < b->cap ? k->n - from : b->cap;
        for (uint32_t i = 0; i < t->ncols; i++) {
            memcpy(b->b.cols[i]->v, k->vecs[i].v + from, n * sizeof(lg_datum));
            memcpy(b->b.cols[i]->null, k->vecs[i].null + from, n);
        }
        c->pos += n;
    } else {
        if (t->budget != SIZE_MAX)
            cursor_holds(t, c);
        for (; n < b->cap && c->pos < t->n; n++, c->pos++) {
            const lg_datum *row = t->rows[c->pos - t->out];
            const uint8_t *nulls = lg_xrow_nulls(row, t->ncols);
            for (uint32_t i = 0; i < t->ncols; i++)
                lg_vector_set(b->b.cols[i], n, row[i], nulls[i]);
        }
    }
    b->b.n = n;
    b->b.sel = NULL;
    return LG_OK;
}

/* ---- kept rows of cursors ---- */

struct lg_exec_kept {
    lg_exec *x;
    lg_xstore store;
    lg_xcursor at;
};

lg_status
lg_exec_kept_create(lg_exec_session *es, uint32_t ncols, const lg_outcol *cols,
                    lg_exec_kept **ret_kept)
{
    lg_exec *x;
    LG_TRY(lg_exec_bare(es, 0, &x));
    lg_exec_kept *k = lg_zalloc(sizeof *k);
    lg_oid *types = LG_NEWN(x->arena, lg_oid, ncols + 1);
    for (uint32_t i = 0; i < ncols; i++)
        types[i] = cols[i].type;
    k->x = x;
    lg_xstore_init_spill(&k->store, x, ncols, types, lg_xbudget_sort(x));
    *ret_kept = k;
    return LG_OK;
}

lg_status
lg_exec_kept_add(lg_exec_kept *k, const lg_batch *b)
{
    for (uint32_t i = 0; i < b->n; i++)
        LG_TRY(lg_xstore_put(&k->store, b->cols, lg_sel_row(b->sel, i)));
    return lg_xstore_weigh(&k->store);
}

lg_status
lg_exec_kept_finish(lg_exec_kept *k)
{
    return k->store.tape ? lg_xtape_finish(k->store.tape) : LG_OK;
}

uint64_t
lg_exec_kept_count(const lg_exec_kept *k)
{
    return k->store.n;
}

lg_status
lg_exec_kept_row(lg_exec_kept *k, uint64_t i, const lg_datum **ret_values,
                 const uint8_t **ret_nulls)
{
    LG_TRY(lg_xstore_row(&k->store, &k->at, i, ret_values));
    *ret_nulls = lg_xrow_nulls(*ret_values, k->store.ncols);
    return LG_OK;
}

void
lg_exec_kept_rest(lg_exec_kept *k)
{
    lg_xcursor_fini(&k->at);
}

void
lg_exec_kept_close(lg_exec_kept *k)
{
    if (!k)
        return;
    lg_xcursor_fini(&k->at);
    lg_xstore_fini(&k->store);
    lg_exec_close(k->x);
    lg_free(k);
}
