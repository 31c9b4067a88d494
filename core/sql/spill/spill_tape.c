/* Rows on temporary files: chunks, cursors, partitions. See spill.h. */
#include "spill.h"
#include "type.h"
#include <string.h>

/* ---- budgets, errors ---- */

size_t
lg_xbudget_sort(const lg_exec *x)
{
    return x->es->temp && x->es->work_mem ? x->es->work_mem : SIZE_MAX;
}

size_t
lg_xbudget_hash(const lg_exec *x)
{
    return x->es->temp && x->es->work_mem ? x->es->hash_mem : SIZE_MAX;
}

lg_status
lg_xtemp_error(lg_exec *x, lg_status st, const char *what)
{
    switch (st) {
    case LG_LIMIT:
        return lg_error_set(x->es->err, "53400",
                            "temporary file size exceeds temp_file_limit (%llukB)",
                            (unsigned long long)(x->es->temp_owner->limit_bytes >> 10));
    case LG_DISK_FULL:
        return lg_error_set(x->es->err, "53100",
                            "could not %s temporary file: No space left on device", what);
    case LG_IO:
        return lg_error_set(x->es->err, "58030", "could not %s temporary file: Input/output error",
                            what);
    case LG_NO_DISK:
        return lg_error_set(x->es->err, "58P01",
                            "could not open temporary file: No such file or directory");
    default:
        return st;
    }
}

/* ---- gathering ---- */

void
lg_xtape_init(lg_xtape *t, lg_exec *x, uint32_t ncols, const lg_oid *types, uint32_t chunk_bytes)
{
    memset(t, 0, sizeof *t);
    t->x = x;
    t->ncols = ncols;
    t->chunk_bytes = chunk_bytes < 2048 ? 2048 : chunk_bytes;
    t->cols = lg_zalloc((ncols + 1) * sizeof *t->cols);
    for (uint32_t i = 0; i < ncols; i++) {
        const lg_type *ty = lg_type_get(types[i]);
        t->cols[i].store = (uint8_t)(ty ? ty->store : LG_STORE_BYVAL);
        t->cols[i].size = ty ? ty->size : 0;
        t->cols[i].type = types[i];
    }
}

static inline size_t
value_size(const lg_xcolbuf *c, lg_datum d)
{
    switch (c->store) {
    case LG_STORE_VARLEN:
        return sizeof(lg_varlen) + lg_text_len(d);
    case LG_STORE_FIXED:
        return c->size;
    case LG_STORE_CSTRING:
        return strlen(lg_cstring(d)) + 1;
    default:
        return 0;
    }
}

static void
room(lg_xcolbuf *c, size_t more)
{
    if (c->len + more <= c->cap)
        return;
    while (c->cap < c->len + more)
        c->cap = c->cap ? c->cap * 2 : 512;
    c->data = lg_realloc(c->data, c->cap);
}

static void
gather(lg_xtape *t, uint32_t i, lg_datum d, bool null)
{
    lg_xcolbuf *c = &t->cols[i];
    if (!c->nulls)
        c->nulls = lg_alloc(LG_BATCH);
    c->nulls[t->gathered] = null;
    if (null) {
        c->has_null = true;
        if (c->store != LG_STORE_BYVAL && c->store != LG_STORE_NONE)
            return;
        d = 0;
    }
    size_t n = value_size(c, d), was = c->len;
    if (n) {
        room(c, n);
        memcpy(c->data + c->len, lg_ptr(d), n);
        c->len += n;
    } else {
        room(c, sizeof d);
        memcpy(c->data + c->len, &d, sizeof d);
        c->len += sizeof d;
        c->wide |= d != (lg_datum)(int64_t)(int32_t)d;
    }
    t->bytes += c->len - was;
}

static lg_status
gathered_one(lg_xtape *t)
{
    t->gathered++;
    t->rows++;
    t->bytes += t->ncols;
    return t->gathered == LG_BATCH || t->bytes >= t->chunk_bytes ? lg_xtape_flush(t) : LG_OK;
}

lg_status
lg_xtape_add(lg_xtape *t, lg_vector *const *cols, uint32_t at)
{
    for (uint32_t i = 0; i < t->ncols; i++) {
        bool null = !cols[i] || lg_vector_is_null(cols[i], at);
        gather(t, i, null ? 0 : lg_vector_value(cols[i], at), null);
    }
    return gathered_one(t);
}

lg_status
lg_xtape_add_values(lg_xtape *t, const lg_datum *row, const uint8_t *nulls)
{
    for (uint32_t i = 0; i < t->ncols; i++)
        gather(t, i, row[i], nulls[i]);
    return gathered_one(t);
}

lg_status
lg_xtape_add_row(lg_xtape *t, const lg_datum *row)
{
    return lg_xtape_add_values(t, row, lg_xrow_nulls(row, t->ncols));
}

/* ---- chunks: u32 rows, u32 bytes behind; per column u8 null bytes?, u8 wide, u32 bytes of
 * values, then both ---- */

#define HEAD     8u
#define COL_HEAD 6u

static size_t
column_bytes(const lg_xtape *t, const lg_xcolbuf *c)
{
    bool narrow = (c->store == LG_STORE_BYVAL || c->store == LG_STORE_NONE) && !c->wide;
    return narrow ? t->gathered * sizeof(int32_t) : c->len;
}

static char *
put(char *at, const void *p, size_t n)
{
    if (n)
        memcpy(at, p, n);
    return at + n;
}

static char *
put_column(const lg_xtape *t, const lg_xcolbuf *c, char *at)
{
    uint32_t n = t->gathered, len = (uint32_t)column_bytes(t, c);
    *at++ = (char)c->has_null;
    *at++ = (char)c->wide;
    at = put(at, &len, sizeof len);
    if (c->has_null)
        at = put(at, c->nulls, n);
    if (len == c->len)
        return put(at, c->data, len);
    for (uint32_t i = 0; i < n; i++) {
        lg_datum d;
        memcpy(&d, c->data + i * sizeof d, sizeof d);
        int32_t v = (int32_t)d;
        at = put(at, &v, sizeof v);
    }
    return at;
}

static lg_status
make_file(lg_xtape *t)
{
    lg_exec_session *es = t->x->es;
    if (t->file)
        return LG_OK;
    lg_status st = lg_temp_file_create(es->temp, es->temp_owner, t->chunk_bytes, &t->file);
    if (st != LG_OK)
        return lg_xtemp_error(t->x, st, "create");
    t->id = ++es->tape_ids;
    return LG_OK;
}

lg_status
lg_xtape_flush(lg_xtape *t)
{
    uint32_t n = t->gathered;
    size_t bytes = 0;
    if (!n)
        return LG_OK;
    LG_TRY(make_file(t));
    for (uint32_t i = 0; i < t->ncols; i++)
        bytes += COL_HEAD + (t->cols[i].has_null ? n : 0) + column_bytes(t, &t->cols[i]);
    if (bytes > UINT32_MAX)
        return LG_LIMIT;
    char *chunk = lg_alloc(HEAD + bytes), *at = chunk;
    uint32_t size = (uint32_t)bytes;
    at = put(at, &n, sizeof n);
    at = put(at, &size, sizeof size);
    for (uint32_t i = 0; i < t->ncols; i++) {
        lg_xcolbuf *c = &t->cols[i];
        at = put_column(t, c, at);
        c->len = 0;
        c->has_null = c->wide = false;
    }
    if (t->ndir == t->dir_cap) {
        t->dir_cap = t->dir_cap ? t->dir_cap * 2 : 16;
        t->dir = lg_realloc(t->dir, t->dir_cap * sizeof *t->dir);
    }
    t->dir[t->ndir++] = (lg_xtape_chunk){lg_temp_file_size(t->file), t->rows - n};
    t->gathered = 0;
    t->bytes = 0;
    lg_status st = lg_temp_file_write(t->file, chunk, HEAD + bytes);
    lg_free(chunk);
    return st == LG_OK ? LG_OK : lg_xtemp_error(t->x, st, "write to");
}

static void
columns_free(lg_xtape *t)
{
    for (uint32_t i = 0; t->cols && i < t->ncols; i++) {
        lg_free(t->cols[i].data);
        lg_free(t->cols[i].nulls);
        t->cols[i].data = NULL;
        t->cols[i].nulls = NULL;
        t->cols[i].cap = t->cols[i].len = 0;
    }
}

lg_status
lg_xtape_finish(lg_xtape *t)
{
    if (t->finished)
        return LG_OK;
    LG_TRY(lg_xtape_flush(t));
    t->finished = true;
    columns_free(t);
    if (!t->file)
        return LG_OK;
    lg_status st = lg_temp_file_seal(t->file);
    return st == LG_OK ? LG_OK : lg_xtemp_error(t->x, st, "write to");
}

void
lg_xtape_fini(lg_xtape *t)
{
    columns_free(t);
    lg_free(t->cols);
    lg_free(t->dir);
    lg_temp_file_close(t->file);
    memset(t, 0, sizeof *t);
}

uint64_t
lg_xtape_bytes(const lg_xtape *t)
{
    return t->file ? lg_temp_file_size(t->file) : 0;
}

/* ---- reading ---- */

struct decode {
    const char *at, *end;
    uint32_t n;
    lg_arena *a;
};

static bool
column_decode(struct decode *d, const lg_xcolbuf *c, lg_vector *v)
{
    uint32_t len;
    if (d->end - d->at < (ptrdiff_t)COL_HEAD)
        return false;
    bool has_null = d->at[0], wide = d->at[1];
    memcpy(&len, d->at + 2, sizeof len);
    d->at += COL_HEAD;
    if ((uint64_t)(d->end - d->at) < (uint64_t)len + (has_null ? d->n : 0))
        return false;
    memset(v->null, 0, d->n);
    if (has_null) {
        memcpy(v->null, d->at, d->n);
        d->at += d->n;
    }
    const char *p = d->at;
    d->at += len;
    if (c->store == LG_STORE_BYVAL || c->store == LG_STORE_NONE) {
        if (len != d->n * (wide ? sizeof(lg_datum) : sizeof(int32_t)))
            return false;
        if (wide)
            memcpy(v->v, p, len);
        for (uint32_t i = 0; !wide && i < d->n; i++) {
            int32_t x;
            memcpy(&x, p + i * sizeof x, sizeof x);
            v->v[i] = (lg_datum)(int64_t)x;
        }
        return true;
    }
    for (uint32_t i = 0; i < d->n; i++) {
        v->v[i] = 0;
        if (v->null[i])
            continue;
        if (p >= d->at)
            return false;
        v->v[i] = lg_datum_ptr(p);
        p += value_size(c, v->v[i]);
    }
    return p == d->at;
}

static void
make_rows(lg_xchunk *k, uint32_t ncols, lg_arena *a)
{
    size_t stride = (ncols * (sizeof(lg_datum) + 1) + 8) / 8 * 8;
    char *mem = lg_arena_alloc(a, stride * k->n + 8);
    k->rows = LG_NEWN(a, lg_datum *, k->n);
    for (uint32_t r = 0; r < k->n; r++) {
        lg_datum *row = k->rows[r] = (lg_datum *)(void *)(mem + r * stride);
        uint8_t *nulls = lg_xrow_nulls(row, ncols);
        for (uint32_t i = 0; i < ncols; i++) {
            row[i] = k->vecs[i].v[r];
            nulls[i] = k->vecs[i].null[r];
        }
    }
}

static lg_status
chunk_read(lg_xtape *t, lg_xcursor *c, uint64_t at, bool by_rows)
{
    uint32_t head[2];
    lg_xchunk *k = &c->chunk;
    k->n = 0;
    if (!c->arena)
        c->arena = lg_arena_create("chunk", 4096);
    lg_arena_reset(c->arena);
    if (lg_temp_reader_tell(c->reader) != t->dir[at].offset)
        lg_temp_reader_seek(c->reader, t->dir[at].offset);
    LG_TRY(lg_temp_read(c->reader, head, sizeof head));
    char *mem = lg_arena_alloc(c->arena, (size_t)head[1] + 8);
    LG_TRY(lg_temp_read(c->reader, mem, head[1]));
    struct decode d = {mem, mem + head[1], head[0], c->arena};
    if (!d.n || d.n > LG_BATCH)
        return LG_CORRUPT;
    k->vecs = LG_NEWN(c->arena, lg_vector, t->ncols + 1);
    k->cols = LG_NEWN(c->arena, lg_vector *, t->ncols + 1);
    for (uint32_t i = 0; i < t->ncols; i++) {
        k->cols[i] = &k->vecs[i];
        lg_vector_init(&k->vecs[i], c->arena, t->cols[i].type, d.n + 1);
        if (!column_decode(&d, &t->cols[i], &k->vecs[i]))
            return LG_CORRUPT;
    }
    k->first = t->dir[at].row;
    k->rows = NULL;
    k->n = d.n;
    if (by_rows)
        make_rows(k, t->ncols, c->arena);
    return LG_OK;
}

/* The chunk of a row: the one behind the last, mostly. */
static uint64_t
chunk_of(const lg_xtape *t, uint64_t pos)
{
    uint64_t lo = 0, hi = t->ndir;
    while (hi - lo > 1) {
        uint64_t mid = lo + (hi - lo) / 2;
        if (t->dir[mid].row <= pos)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

lg_status
lg_xtape_read(lg_xtape *t, lg_xcursor *c, uint64_t pos, bool by_rows)
{
    if (pos >= t->rows)
        return LG_END;
    if (!t->finished && t->ndir && pos >= t->rows - t->gathered)
        LG_TRY(lg_xtape_flush(t));
    else if (!t->ndir)
        LG_TRY(lg_xtape_flush(t));
    if (c->reader && c->tape != t->id)
        lg_xcursor_fini(c);
    if (c->reader && c->chunk.n && pos >= c->chunk.first && pos - c->chunk.first < c->chunk.n)
        return LG_OK;
    lg_status st = LG_OK;
    if (!c->reader) {
        st = lg_temp_reader_open(t->file, 0, t->chunk_bytes, &c->reader);
        c->tape = t->id;
    }
    if (st == LG_OK)
        st = chunk_read(t, c, chunk_of(t, pos), by_rows);
    return st == LG_OK ? LG_OK : lg_xtemp_error(t->x, st == LG_END ? LG_CORRUPT : st, "read from");
}

lg_status
lg_xtape_batch(lg_xtape *t, lg_xcursor *c, lg_xbatch *b)
{
    LG_TRY(lg_xtape_read(t, c, c->pos, false));
    LG_ASSERT(c->pos == c->chunk.first);
    memset(b, 0, sizeof *b);
    b->b.ncols = t->ncols;
    b->b.cols = c->chunk.cols;
    b->b.n = c->chunk.n;
    b->cap = c->chunk.n + 1;
    c->pos += c->chunk.n;
    return LG_OK;
}

void
lg_xcursor_fini(lg_xcursor *c)
{
    lg_temp_reader_close(c->reader);
    lg_arena_destroy(c->arena);
    c->reader = NULL;
    c->arena = NULL;
    memset(&c->chunk, 0, sizeof c->chunk);
    lg_xslab_unref(c->slab);
    c->slab = NULL;
}

/* ---- partitions ---- */

/* Each has a chunk being gathered and two buffers of its file: with a small budget there can be
 * few. */
uint32_t
lg_xparts_number(size_t budget, double bytes)
{
    uint32_t most = 4, n = 4;
    while (most < LG_XPARTS_MAX && (size_t)most * (64u << 10) < budget)
        most *= 2;
    while (n < most && (double)n * (double)budget < bytes * 1.25)
        n *= 2;
    return n;
}

void
lg_xparts_init(lg_xparts *p, lg_exec *x, uint32_t n, uint32_t shift, uint32_t ncols,
               const lg_oid *types, size_t budget)
{
    p->n = n;
    p->bits = (uint32_t)__builtin_ctz(n);
    p->shift = shift;
    p->tapes = lg_zalloc(n * sizeof *p->tapes);
    size_t chunk = budget / (n * 4);
    for (uint32_t i = 0; i < n; i++)
        lg_xtape_init(&p->tapes[i], x, ncols, types,
                      chunk > LG_TEMP_BUFFER_MAX / 2 ? LG_TEMP_BUFFER_MAX / 2 : (uint32_t)chunk);
}

lg_status
lg_xparts_finish(lg_xparts *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        LG_TRY(lg_xtape_finish(&p->tapes[i]));
    return LG_OK;
}

void
lg_xparts_fini(lg_xparts *p)
{
    for (uint32_t i = 0; p->tapes && i < p->n; i++)
        lg_xtape_fini(&p->tapes[i]);
    lg_free(p->tapes);
    memset(p, 0, sizeof *p);
}

uint64_t
lg_xparts_bytes(const lg_xparts *p)
{
    uint64_t n = 0;
    for (uint32_t i = 0; p->tapes && i < p->n; i++)
        n += lg_xtape_bytes(&p->tapes[i]);
    return n;
}
