/* Arrays: a varlen whose payload is {i32 ndim, u32 element type, i32 has_nulls, i32 dims[ndim],
 * i32 lower bounds[ndim], null bitmap if has_nulls, the elements packed as in a row}. int2vector
 * and oidvector are one-dimensional arrays with lower bound 0. An empty array has ndim 0. */
#ifndef LG_TYPES_ARRAY_H
#define LG_TYPES_ARRAY_H

#include "datum.h"

#define LG_ARRAY_MAX_DIM 6

typedef struct lg_array {
    lg_oid elem;
    int32_t ndim;
    int32_t dims[LG_ARRAY_MAX_DIM];
    int32_t lbs[LG_ARRAY_MAX_DIM];
    uint32_t n;       /* elements in all */
    lg_datum *values; /* by-reference ones point into the array datum */
    uint8_t *nulls;
} lg_array;

/* Unpacks; values and nulls are made in the arena. */
void lg_array_unpack(lg_datum array, lg_arena *a, lg_array *ret);
/* Packs an lg_array; nulls NULL = none. The element type must be a built-in one (for user-made
 * types pass the OID of their storage's built-in type). */
lg_datum lg_array_pack(lg_arena *a, const lg_array *x);
/* One dimension, lower bound 1. */
lg_datum lg_array_make(lg_arena *a, lg_oid elem, uint32_t n, const lg_datum *values,
                       const uint8_t *nulls);
/* n arrays of one shape as one array of a dimension more. In ret_why, on 0: the SQLSTATE and text of
 * what array_agg says; those that are NULL or empty are among the complaints. */
lg_datum lg_array_stack(lg_arena *a, uint32_t n, const lg_datum *arrays, const uint8_t *nulls,
                        const char **ret_state, const char **ret_why);
lg_datum lg_array_int2vector(lg_arena *a, uint32_t n, const int16_t *x);
lg_datum lg_array_oidvector(lg_arena *a, uint32_t n, const lg_oid *x);
/* array[i] or array[i][j]...: false when out of bounds, of the wrong dimension, or NULL. */
bool lg_array_element(lg_datum array, int nsub, const int32_t *subs, lg_arena *a, lg_datum *ret);
/* array[l1:u1][...]; a missing bound is the array's own (has_ NULL = all given). */
lg_datum lg_array_slice(lg_datum array, int nsub, const int32_t *lower, const int32_t *upper,
                        const uint8_t *has_lower, const uint8_t *has_upper, lg_arena *a);

#endif
