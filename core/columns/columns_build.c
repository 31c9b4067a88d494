/* Making a chunk: rows are walked once, columns that are wanted collected as 64-bit values or codes
 * of distinct values, and packed at the end. */
#include "columns.h"
#include "mem.h"
#include "numeric_scaled.h"
#include "type_oids.h"

#define MAX_ROWS 65535u

struct column {
    bool want;
    bool dict;
    bool plain;  /* DICT: hardly any value comes twice; no more looking */
    bool scaled; /* numerics of one scale so far */
    int scale;
    uint64_t *v; /* values or codes */
    uint8_t *null;
    int64_t min, max;
    uint32_t nvalues, cap_values;
    uint32_t *value_at;
    int64_t *num;
    uint8_t *bytes;
    size_t used, room;
    uint32_t *slots; /* open addressing: code + 1 */
    uint32_t nslots;
};

struct lg_chunk_build {
    const lg_rowcol *cols;
    uint16_t n, upto;
    uint32_t nrows, cap;
    struct column *c;
};

lg_chunk_build *
lg_chunk_build_begin(const lg_rowcol *cols, uint16_t n, const bool *want)
{
    lg_chunk_build *b = lg_zalloc(sizeof *b);
    b->cols = cols;
    b->n = n;
    b->c = lg_zalloc((size_t)(n + 1) * sizeof *b->c);
    for (uint16_t i = 0; i < n; i++) {
        struct column *c = &b->c[i];
        c->want = want[i];
        c->dict = cols[i].store != LG_STORE_BYVAL;
        c->scaled = cols[i].type == LG_T_NUMERIC;
        c->scale = -1;
        c->min = INT64_MAX;
        c->max = INT64_MIN;
        if (want[i])
            b->upto = (uint16_t)(i + 1);
    }
    return b;
}

void
lg_chunk_build_drop(lg_chunk_build *b)
{
    for (uint16_t i = 0; i < b->n; i++) {
        struct column *c = &b->c[i];
        lg_free(c->v);
        lg_free(c->null);
        lg_free(c->value_at);
        lg_free(c->num);
        lg_free(c->bytes);
        lg_free(c->slots);
    }
    lg_free(b->c);
    lg_free(b);
}

static void
grow(lg_chunk_build *b)
{
    b->cap = b->cap ? 2 * b->cap : 4096;
    for (uint16_t i = 0; i < b->upto; i++) {
        struct column *c = &b->c[i];
        if (!c->want)
            continue;
        c->v = lg_realloc(c->v, b->cap * sizeof *c->v);
        if (c->null)
            c->null = lg_realloc(c->null, b->cap);
    }
}

/* ---- distinct values ---- */

static inline uint64_t
hash_value(const uint8_t *p, uint32_t len)
{
    uint64_t h = len * 0x9E3779B97F4A7C15u, x;
    while (len >= 8) {
        memcpy(&x, p, 8);
        h = (h ^ x) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
        p += 8;
        len -= 8;
    }
    x = 0;
    memcpy(&x, p, len);
    h = (h ^ x) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
}

static void
add_slot(struct column *c, uint64_t hash, uint32_t code)
{
    uint32_t at = (uint32_t)hash & (c->nslots - 1);
    while (c->slots[at])
        at = (at + 1) & (c->nslots - 1);
    c->slots[at] = code + 1;
}

static uint32_t
size_at(const lg_rowcol *rc, const uint8_t *p)
{
    uint32_t len;
    if (rc->store != LG_STORE_VARLEN)
        return rc->size;
    memcpy(&len, p, 4);
    return len + 4;
}

static void
slots_grow(struct column *c, const lg_rowcol *rc)
{
    c->nslots = c->nslots ? 4 * c->nslots : 256;
    lg_free(c->slots);
    c->slots = lg_zalloc(c->nslots * sizeof *c->slots);
    for (uint32_t i = 0; i < c->nvalues; i++) {
        const uint8_t *p = c->bytes + c->value_at[i];
        add_slot(c, hash_value(p, size_at(rc, p)), i);
    }
}

static uint32_t
new_value(struct column *c, const uint8_t *p, uint32_t len)
{
    if (c->nvalues == c->cap_values) {
        c->cap_values = c->cap_values ? 2 * c->cap_values : 64;
        c->value_at = lg_realloc(c->value_at, c->cap_values * sizeof *c->value_at);
        if (c->scaled)
            c->num = lg_realloc(c->num, c->cap_values * sizeof *c->num);
    }
    if (c->room - c->used < len) {
        c->room = 2 * c->room + len + 1024;
        c->bytes = lg_realloc(c->bytes, c->room);
    }
    memcpy(c->bytes + c->used, p, len);
    c->value_at[c->nvalues] = (uint32_t)c->used;
    if (c->scaled) {
        int scale = -1;
        if (!lg_numeric_scaled(lg_datum_ptr(p), &c->num[c->nvalues], &scale) ||
            (c->scale >= 0 && scale != c->scale))
            c->scaled = false;
        c->scale = scale;
    }
    c->used += len;
    return c->nvalues++;
}

static uint32_t
code_of(struct column *c, const lg_rowcol *rc, const uint8_t *p, uint32_t len)
{
    if (c->plain)
        return new_value(c, p, len);
    if (2 * c->nvalues >= c->nslots)
        slots_grow(c, rc);
    uint64_t hash = hash_value(p, len);
    for (uint32_t at = (uint32_t)hash & (c->nslots - 1); c->slots[at];
         at = (at + 1) & (c->nslots - 1)) {
        const uint8_t *q = c->bytes + c->value_at[c->slots[at] - 1];
        if (size_at(rc, q) == len && memcmp(p, q, len) == 0)
            return c->slots[at] - 1;
    }
    uint32_t code = new_value(c, p, len);
    add_slot(c, hash, code);
    return code;
}

/* ---- rows ---- */

static void
put_null(lg_chunk_build *b, struct column *c)
{
    if (!c->null) {
        c->null = lg_alloc(b->cap);
        memset(c->null, 0, b->nrows);
    }
    c->null[b->nrows] = 1;
    c->v[b->nrows] = 0;
}

static inline int64_t
load(const lg_rowcol *rc, const uint8_t *p)
{
    int64_t x8;
    int32_t x4;
    int16_t x2;
    switch (rc->size) {
    case 1:
        return *p;
    case 2:
        memcpy(&x2, p, 2);
        return x2;
    case 4:
        memcpy(&x4, p, 4);
        return rc->is_signed ? x4 : (int64_t)(uint32_t)x4;
    default:
        memcpy(&x8, p, 8);
        return x8;
    }
}

static void
put_value(lg_chunk_build *b, struct column *c, const lg_rowcol *rc, const uint8_t *p, uint32_t len)
{
    if (c->null)
        c->null[b->nrows] = 0;
    if (c->dict) {
        c->v[b->nrows] = code_of(c, rc, p, len);
        if (b->nrows == 1023 && c->nvalues > 900)
            c->plain = true;
        return;
    }
    int64_t x = load(rc, p);
    c->min = x < c->min ? x : c->min;
    c->max = x > c->max ? x : c->max;
    c->v[b->nrows] = (uint64_t)x;
}

bool
lg_chunk_build_row(lg_chunk_build *b, const uint8_t *row, uint32_t len)
{
    uint16_t head;
    if (len < 2 || b->nrows == MAX_ROWS)
        return false;
    memcpy(&head, row, 2);
    uint16_t natts = head & 0x7FFFu;
    const uint8_t *p = row + 2, *end = row + len, *bits = NULL;
    if (natts < b->upto)
        return false;
    if (head & 0x8000u) {
        bits = p;
        p += (natts + 7) / 8;
    }
    if (b->nrows == b->cap)
        grow(b);
    for (uint16_t i = 0; i < b->upto; i++) {
        struct column *c = &b->c[i];
        const lg_rowcol *rc = &b->cols[i];
        if (bits && !(bits[i / 8] & 1u << (i % 8))) {
            if (c->want)
                put_null(b, c);
            continue;
        }
        if (end - p < (rc->store == LG_STORE_VARLEN ? 4 : rc->size))
            return false;
        uint32_t size = size_at(rc, p);
        if ((uint64_t)(end - p) < size)
            return false;
        if (c->want)
            put_value(b, c, rc, p, size);
        p += size;
    }
    b->nrows++;
    return true;
}

/* ---- the end ---- */

static void *
narrow(const uint64_t *v, const uint8_t *null, uint64_t base, uint32_t n, uint8_t width)
{
    uint8_t *out = lg_alloc((size_t)n * width + 8);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t x = null && null[i] ? 0 : v[i] - base;
        memcpy(out + (size_t)i * width, &x, width);
    }
    return out;
}

static uint8_t
width_for(uint64_t greatest)
{
    return greatest == 0            ? 0
           : greatest <= UINT8_MAX  ? 1
           : greatest <= UINT16_MAX ? 2
           : greatest <= UINT32_MAX ? 4
                                    : 8;
}

static size_t
finish(const lg_chunk_build *b, struct column *c, lg_chunk_col *k)
{
    size_t bytes = 0;
    uint32_t n = b->nrows;
    k->kind = c->dict ? LG_CHUNK_DICT : LG_CHUNK_INT;
    if (c->dict) {
        k->width = c->nvalues <= 256 ? 1 : 2;
        k->rows = narrow(c->v, c->null, 0, n, k->width);
        k->nvalues = c->nvalues;
        k->bytes = lg_realloc(c->bytes, c->used + 1);
        k->value_at = lg_realloc(c->value_at, (c->nvalues + 1) * sizeof *c->value_at);
        bytes += c->used + c->nvalues * sizeof *c->value_at;
        if (c->scaled && c->nvalues) {
            k->num = lg_realloc(c->num, c->nvalues * sizeof *c->num);
            k->num_scale = (int8_t)c->scale;
            c->num = NULL;
            bytes += c->nvalues * sizeof *c->num;
        }
        c->bytes = NULL;
        c->value_at = NULL;
    } else {
        k->min = c->min;
        k->max = c->max;
        k->width = c->min > c->max ? 0 : width_for((uint64_t)c->max - (uint64_t)c->min);
        if (k->width)
            k->rows = narrow(c->v, c->null, (uint64_t)c->min, n, k->width);
    }
    k->null = c->null;
    bytes += (size_t)n * k->width + (c->null ? n : 0) + sizeof *k;
    c->null = NULL;
    return bytes;
}

lg_chunk *
lg_chunk_build_end(lg_chunk_build *b)
{
    lg_chunk *k = lg_zalloc(sizeof *k);
    k->refs = 1;
    k->ncols = b->upto;
    k->nrows = b->nrows;
    k->cols = lg_zalloc((size_t)(k->ncols + 1) * sizeof *k->cols);
    k->bytes = sizeof *k;
    lg_list_init(&k->lru);
    for (uint16_t i = 0; i < b->upto; i++)
        if (b->c[i].want)
            k->bytes += finish(b, &b->c[i], &k->cols[i]);
    lg_chunk_build_drop(b);
    return k;
}
