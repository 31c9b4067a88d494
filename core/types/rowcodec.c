/* Rows as bytes. */
#include "rowcodec.h"
#include "types_internal.h"
#include "assert.h"
#include <endian.h>

#define HAS_NULLS 0x8000u

_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "by-value attributes are stored as they lie");

void
lg_rowcol_init(lg_rowcol *c, lg_oid type)
{
    const lg_type *t = lg_type_get(type);
    LG_ASSERT(t && t->store != LG_STORE_NONE);
    c->type = type;
    c->store = (uint8_t)t->store;
    c->size = t->size;
    c->is_signed = type == LG_T_INT2 || type == LG_T_INT4 || type == LG_T_DATE;
}

static bool
any_null(uint32_t n, const uint8_t *nulls)
{
    uint8_t any = 0;
    for (uint32_t i = 0; nulls && i < n; i++)
        any |= nulls[i];
    return any;
}

static size_t
attr_size(const lg_rowcol *c, lg_datum d)
{
    return c->store == LG_STORE_VARLEN ? sizeof(lg_varlen) + lg_text_len(d) : c->size;
}

size_t
lg_row_size(const lg_rowcol *cols, uint32_t n, const lg_datum *values, const uint8_t *nulls)
{
    size_t size = 2 + (any_null(n, nulls) ? (n + 7) / 8 : 0);
    for (uint32_t i = 0; i < n; i++)
        if (!nulls || !nulls[i])
            size += attr_size(&cols[i], values[i]);
    return size;
}

size_t
lg_row_encode(const lg_rowcol *cols, uint32_t n, const lg_datum *values, const uint8_t *nulls,
              uint8_t *buf)
{
    LG_ASSERT(n <= LG_ROW_MAX_COLUMNS);
    bool has_nulls = any_null(n, nulls);
    uint16_t head = (uint16_t)(n | (has_nulls ? HAS_NULLS : 0));
    memcpy(buf, &head, 2);
    uint8_t *p = buf + 2;
    if (has_nulls) {
        memset(p, 0, (n + 7) / 8);
        for (uint32_t i = 0; i < n; i++)
            if (!nulls[i])
                p[i / 8] |= (uint8_t)(1u << (i % 8));
        p += (n + 7) / 8;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (nulls && nulls[i])
            continue;
        size_t size = attr_size(&cols[i], values[i]);
        memcpy(p, cols[i].store == LG_STORE_BYVAL ? (const void *)&values[i] : lg_ptr(values[i]),
               size);
        p += size;
    }
    return (size_t)(p - buf);
}

void
lg_row_encode_arena(const lg_rowcol *cols, uint32_t n, const lg_datum *values, const uint8_t *nulls,
                    lg_arena *a, const uint8_t **ret, size_t *ret_len)
{
    size_t size = lg_row_size(cols, n, values, nulls);
    if (lg_value_impossible(size)) {
        uint8_t *none = lg_arena_alloc(a, n);
        memset(none, 1, n);
        nulls = none;
        size = lg_row_size(cols, n, values, nulls);
    }
    uint8_t *buf = lg_arena_alloc(a, size);
    *ret_len = lg_row_encode(cols, n, values, nulls, buf);
    *ret = buf;
}

uint32_t
lg_row_natts(const uint8_t *row, size_t len)
{
    if (len < 2)
        return 0;
    uint16_t head;
    memcpy(&head, row, 2);
    return head & ~HAS_NULLS;
}

/* A walk over the stored attributes. */
struct walk {
    const uint8_t *p;
    const uint8_t *end;
    const uint8_t *bitmap; /* NULL: no nulls */
    uint32_t natts;
};

static lg_status
walk_start(struct walk *w, const uint8_t *row, size_t len)
{
    uint16_t head;
    if (len < 2)
        return LG_CORRUPT;
    memcpy(&head, row, 2);
    w->natts = head & ~HAS_NULLS;
    w->p = row + 2;
    w->end = row + len;
    w->bitmap = NULL;
    if (head & HAS_NULLS) {
        w->bitmap = w->p;
        w->p += (w->natts + 7) / 8;
        if (w->p > w->end)
            return LG_CORRUPT;
    }
    return LG_OK;
}

static inline bool
walk_is_null(const struct walk *w, uint32_t i)
{
    return w->bitmap && !(w->bitmap[i / 8] & 1u << (i % 8));
}

static inline lg_datum
load_byval(const lg_rowcol *c, const uint8_t *p)
{
    switch (c->size) {
    case 1:
        return *p;
    case 2: {
        int16_t x;
        memcpy(&x, p, 2);
        return lg_datum_int2(x);
    }
    case 4: {
        uint32_t x;
        memcpy(&x, p, 4);
        return c->is_signed ? lg_datum_int4((int32_t)x) : x;
    }
    default: {
        lg_datum x;
        memcpy(&x, p, 8);
        return x;
    }
    }
}

/* The next attribute, which is not null; advances. */
static inline lg_status
walk_value(struct walk *w, const lg_rowcol *c, lg_datum *ret)
{
    size_t left = (size_t)(w->end - w->p), size = c->size;
    if (c->store == LG_STORE_VARLEN) {
        if (left < sizeof(lg_varlen))
            return LG_CORRUPT;
        size = sizeof(lg_varlen) + lg_text_len(lg_datum_ptr(w->p));
    }
    if (left < size)
        return LG_CORRUPT;
    *ret = c->store == LG_STORE_BYVAL ? load_byval(c, w->p) : lg_datum_ptr(w->p);
    w->p += size;
    return LG_OK;
}

lg_status
lg_row_decode(const lg_rowcol *cols, uint32_t upto, const uint8_t *row, size_t len,
              lg_datum *ret_values, uint8_t *ret_nulls, uint32_t *ret_natts)
{
    struct walk w;
    LG_TRY(walk_start(&w, row, len));
    uint32_t n = upto < w.natts ? upto : w.natts;
    for (uint32_t i = 0; i < n; i++) {
        ret_nulls[i] = walk_is_null(&w, i);
        if (ret_nulls[i])
            ret_values[i] = 0;
        else
            LG_TRY(walk_value(&w, &cols[i], &ret_values[i]));
    }
    for (uint32_t i = n; i < upto; i++) {
        ret_values[i] = 0;
        ret_nulls[i] = 1;
    }
    if (ret_natts)
        *ret_natts = n;
    return LG_OK;
}

lg_status
lg_row_decode_vectors(const lg_rowcol *cols, uint32_t upto, const uint8_t *row, size_t len,
                      lg_vector *const *vecs, uint32_t at, uint32_t *ret_natts)
{
    struct walk w;
    LG_TRY(walk_start(&w, row, len));
    uint32_t n = upto < w.natts ? upto : w.natts;
    for (uint32_t i = 0; i < n; i++) {
        lg_datum d = 0;
        bool null = walk_is_null(&w, i);
        if (!null)
            LG_TRY(walk_value(&w, &cols[i], &d));
        if (vecs[i])
            lg_vector_set(vecs[i], at, d, null);
    }
    for (uint32_t i = n; i < upto; i++)
        if (vecs[i])
            lg_vector_set(vecs[i], at, 0, true);
    if (ret_natts)
        *ret_natts = n;
    return LG_OK;
}
