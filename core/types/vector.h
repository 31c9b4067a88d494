/* Vectors: one column of a batch of up to LG_BATCH rows.
 *
 * A selection says which rows of a batch count: `sel == NULL` means rows 0..n-1, else the n row
 * numbers sel[0] < sel[1] < ... Results are written at the same row number as their arguments, so
 * a filter only makes a shorter selection and copies nothing.
 * `constant`: row 0 stands for every row (literals, parameters); v and null have one element.
 * `maybe_null` false: null[] is not to be read (it may be NULL). An operator that produces nulls
 * sets maybe_null and fills null[] for every selected row.
 * A batch of one is the common case: nothing here allocates or clears 1,024 of anything unasked. */
#ifndef LG_TYPES_VECTOR_H
#define LG_TYPES_VECTOR_H

#include "datum.h"

#define LG_BATCH 1024u

typedef struct lg_vector {
    lg_oid type;
    bool maybe_null;
    bool constant;
    lg_datum *v;
    uint8_t *null; /* 1 = NULL */
    /* Numerics whose integers are known already: v[row] = num[row] / 10^num_scale (of a row that is
     * not NULL). Only who fills v may set it. */
    const int64_t *num;
    int num_scale;
} lg_vector;

/* The row number of the i-th selected row. */
static inline uint32_t
lg_sel_row(const uint16_t *sel, uint32_t i)
{
    return sel ? sel[i] : i;
}

static inline lg_datum
lg_vector_value(const lg_vector *x, uint32_t row)
{
    return x->v[x->constant ? 0 : row];
}

static inline bool
lg_vector_is_null(const lg_vector *x, uint32_t row)
{
    return x->maybe_null && x->null[x->constant ? 0 : row];
}

static inline void
lg_vector_set(lg_vector *x, uint32_t row, lg_datum d, bool null)
{
    x->v[row] = d;
    x->null[row] = null;
}

/* Room for `cap` rows (use 1 for constants and single-row batches). */
static inline void
lg_vector_init(lg_vector *x, lg_arena *a, lg_oid type, uint32_t cap)
{
    x->type = type;
    x->maybe_null = true;
    x->constant = false;
    x->num = NULL;
    x->v = (lg_datum *)lg_arena_alloc(a, sizeof(lg_datum) * cap);
    x->null = (uint8_t *)lg_arena_alloc(a, cap);
}

/* The rows of (sel, n) for which the boolean vector is true (not null, not false), written to
 * ret_sel (may be the same array as sel); returns how many. */
uint32_t lg_sel_true(const lg_vector *b, const uint16_t *sel, uint32_t n, uint16_t *ret_sel);

#endif
