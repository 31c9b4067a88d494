/* Arrays: packing, unpacking, elements, comparison. */
#include "array.h"
#include "assert.h"
#include "hash.h"
#include "types_internal.h"
#include "types_values.h"

struct head {
    int32_t ndim;
    lg_oid elem;
    int32_t has_nulls;
};

static size_t
element_size(const lg_type *t, lg_datum d)
{
    switch (t->store) {
    case LG_STORE_VARLEN:
        return sizeof(lg_varlen) + lg_text_len(d);
    case LG_STORE_CSTRING:
        return strlen(lg_cstring(d)) + 1;
    default:
        return t->size;
    }
}

static lg_datum
load(const lg_type *t, const char *p)
{
    if (t->store != LG_STORE_BYVAL)
        return lg_datum_ptr(p);
    lg_datum d = 0;
    memcpy(&d, p, t->size);
    bool is_signed = t->oid == LG_T_INT2 || t->oid == LG_T_INT4 || t->oid == LG_T_DATE;
    if (is_signed)
        d = t->size == 2 ? lg_datum_int2((int16_t)d) : lg_datum_int4((int32_t)d);
    return d;
}

void
lg_array_unpack(lg_datum array, lg_arena *a, lg_array *x)
{
    const lg_varlen *v = lg_varlen_of(array);
    struct head h;
    memcpy(&h, v->data, sizeof h);
    x->elem = h.elem;
    x->ndim = h.ndim;
    x->n = h.ndim ? 1 : 0;
    const char *p = v->data + sizeof h;
    size_t bytes = sizeof(int32_t) * (size_t)h.ndim;
    memcpy(x->dims, p, bytes);
    memcpy(x->lbs, p + bytes, bytes);
    p += 2 * bytes;
    for (int i = 0; i < h.ndim; i++)
        x->n *= (uint32_t)x->dims[i];
    x->values = lg_arena_alloc(a, sizeof(lg_datum) * (x->n ? x->n : 1));
    x->nulls = lg_arena_alloc(a, x->n ? x->n : 1);
    const uint8_t *bitmap = NULL;
    if (h.has_nulls) {
        bitmap = (const uint8_t *)p;
        p += (x->n + 7) / 8;
    }
    const lg_type *t = lg_type_get(x->elem);
    for (uint32_t i = 0; i < x->n; i++) {
        x->nulls[i] = bitmap && !(bitmap[i / 8] & 1u << (i % 8));
        x->values[i] = 0;
        if (x->nulls[i])
            continue;
        x->values[i] = load(t, p);
        p += element_size(t, t->store == LG_STORE_BYVAL ? 0 : x->values[i]);
    }
}

lg_datum
lg_array_pack(lg_arena *a, const lg_array *x)
{
    const lg_type *t = lg_type_get(x->elem);
    LG_ASSERT(t && t->store != LG_STORE_NONE);
    struct head h = {x->n ? x->ndim : 0, x->elem, 0};
    size_t size = sizeof h + 2 * sizeof(int32_t) * (size_t)h.ndim;
    for (uint32_t i = 0; i < x->n; i++) {
        if (x->nulls && x->nulls[i])
            h.has_nulls = 1;
        else
            size += element_size(t, x->values[i]);
    }
    size += h.has_nulls ? (x->n + 7) / 8 : 0;
    if (lg_value_impossible(size)) {
        lg_array none = {.elem = x->elem};
        return lg_array_pack(a, &none);
    }
    lg_varlen *v = lg_varlen_new(a, size);
    char *p = v->data;
    size_t bytes = sizeof(int32_t) * (size_t)h.ndim;
    memcpy(p, &h, sizeof h);
    memcpy(p + sizeof h, x->dims, bytes);
    memcpy(p + sizeof h + bytes, x->lbs, bytes);
    p += sizeof h + 2 * bytes;
    if (h.has_nulls) {
        memset(p, 0, (x->n + 7) / 8);
        for (uint32_t i = 0; i < x->n; i++)
            if (!x->nulls[i])
                p[i / 8] = (char)(p[i / 8] | (char)(1u << (i % 8)));
        p += (x->n + 7) / 8;
    }
    for (uint32_t i = 0; i < x->n; i++) {
        if (x->nulls && x->nulls[i])
            continue;
        size_t n = element_size(t, x->values[i]);
        memcpy(p, t->store == LG_STORE_BYVAL ? (const void *)&x->values[i] : lg_ptr(x->values[i]),
               n);
        p += n;
    }
    return lg_datum_ptr(v);
}

lg_datum
lg_array_make(lg_arena *a, lg_oid elem, uint32_t n, const lg_datum *values, const uint8_t *nulls)
{
    lg_array x = {.elem = elem,
                  .ndim = n ? 1 : 0,
                  .dims = {(int32_t)n},
                  .lbs = {1},
                  .n = n,
                  .values = (lg_datum *)(uintptr_t)values,
                  .nulls = (uint8_t *)(uintptr_t)nulls};
    return lg_array_pack(a, &x);
}

/* Vectors start at 0. */
static lg_datum
make_vector(lg_arena *a, lg_oid elem, uint32_t n, const lg_datum *values)
{
    lg_array x = {.elem = elem,
                  .ndim = 1,
                  .dims = {(int32_t)n},
                  .lbs = {0},
                  .n = n,
                  .values = (lg_datum *)(uintptr_t)values};
    return lg_array_pack(a, &x);
}

lg_datum
lg_array_int2vector(lg_arena *a, uint32_t n, const int16_t *x)
{
    lg_datum *v = lg_arena_alloc(a, sizeof *v * (n ? n : 1));
    for (uint32_t i = 0; i < n; i++)
        v[i] = lg_datum_int2(x[i]);
    return make_vector(a, LG_T_INT2, n, v);
}

lg_datum
lg_array_oidvector(lg_arena *a, uint32_t n, const lg_oid *x)
{
    lg_datum *v = lg_arena_alloc(a, sizeof *v * (n ? n : 1));
    for (uint32_t i = 0; i < n; i++)
        v[i] = x[i];
    return make_vector(a, LG_T_OID, n, v);
}

bool
lg_array_element(lg_datum array, int nsub, const int32_t *subs, lg_arena *a, lg_datum *ret)
{
    lg_array x;
    lg_array_unpack(array, a, &x);
    if (x.ndim != nsub || x.n == 0)
        return false;
    uint32_t at = 0;
    for (int i = 0; i < nsub; i++) {
        int64_t k = (int64_t)subs[i] - x.lbs[i];
        if (k < 0 || k >= x.dims[i])
            return false;
        at = at * (uint32_t)x.dims[i] + (uint32_t)k;
    }
    *ret = x.values[at];
    return !x.nulls[at];
}

lg_datum
lg_array_slice(lg_datum array, int nsub, const int32_t *lower, const int32_t *upper,
               const uint8_t *has_lower, const uint8_t *has_upper, lg_arena *a)
{
    lg_array x, r;
    lg_array_unpack(array, a, &x);
    r = x;
    r.n = 0;
    int32_t from[LG_ARRAY_MAX_DIM] = {0}, count[LG_ARRAY_MAX_DIM] = {0};
    if (nsub > x.ndim)
        return lg_array_pack(a, &r);
    uint32_t total = 1;
    for (int i = 0; i < x.ndim; i++) {
        int64_t lo = x.lbs[i], hi = (int64_t)x.lbs[i] + x.dims[i] - 1;
        if (i < nsub && (!has_lower || has_lower[i]) && lower[i] > lo)
            lo = lower[i];
        if (i < nsub && (!has_upper || has_upper[i]) && upper[i] < hi)
            hi = upper[i];
        if (lo > hi)
            return lg_array_pack(a, &r);
        from[i] = (int32_t)(lo - x.lbs[i]);
        count[i] = (int32_t)(hi - lo + 1);
        r.dims[i] = count[i];
        r.lbs[i] = 1;
        total *= (uint32_t)count[i];
    }
    r.values = lg_arena_alloc(a, sizeof(lg_datum) * total);
    r.nulls = lg_arena_alloc(a, total);
    r.n = total;
    for (uint32_t k = 0; k < total; k++) {
        uint32_t rest = k, at = 0, stride = 1;
        for (int i = x.ndim - 1; i >= 0; i--) {
            at += ((uint32_t)from[i] + rest % (uint32_t)count[i]) * stride;
            rest /= (uint32_t)count[i];
            stride *= (uint32_t)x.dims[i];
        }
        r.values[k] = x.values[at];
        r.nulls[k] = x.nulls[at];
    }
    return lg_array_pack(a, &r);
}

/* Element by element, NULL highest; then the number of elements, dimensions, their sizes and
 * lower bounds. */
int
lg_array_compare(lg_datum da, lg_datum db)
{
    lg_arena *a = lg_arena_create("array compare", 0);
    lg_array x, y;
    lg_array_unpack(da, a, &x);
    lg_array_unpack(db, a, &y);
    lg_compare_fn cmp = lg_type_compare_fn(x.elem);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < x.n && i < y.n; i++) {
        if (x.nulls[i] || y.nulls[i])
            r = x.nulls[i] - y.nulls[i];
        else
            r = cmp ? cmp(x.values[i], y.values[i]) : 0;
    }
    if (r == 0)
        r = (x.n > y.n) - (x.n < y.n);
    if (r == 0)
        r = x.ndim - y.ndim;
    for (int i = 0; r == 0 && i < x.ndim; i++)
        r = x.dims[i] - y.dims[i];
    for (int i = 0; r == 0 && i < x.ndim; i++)
        r = (x.lbs[i] > y.lbs[i]) - (x.lbs[i] < y.lbs[i]);
    lg_arena_destroy(a);
    return r;
}

uint64_t
lg_array_hash(lg_datum d)
{
    lg_arena *a = lg_arena_create("array hash", 0);
    lg_array x;
    lg_array_unpack(d, a, &x);
    lg_hash_fn hash = lg_type_hash_fn(x.elem);
    uint64_t h = 1;
    for (uint32_t i = 0; i < x.n; i++)
        h = lg_hash_u64(h * 31 + (x.nulls[i] || !hash ? 0 : hash(x.values[i])));
    lg_arena_destroy(a);
    return h;
}

void
lg_array_cstrings(lg_call *c, lg_datum array, lg_array_view *ret)
{
    lg_array x;
    lg_array_unpack(array, c->arena, &x);
    ret->n = x.n;
    ret->strings = lg_arena_alloc(c->arena, sizeof(char *) * (x.n ? x.n : 1));
    for (uint32_t i = 0; i < x.n; i++)
        ret->strings[i] = x.nulls[i] ? "" : lg_cstring(x.values[i]);
}

lg_datum
lg_array_stack(lg_arena *a, uint32_t n, const lg_datum *arrays, const uint8_t *nulls,
               const char **ret_state, const char **ret_why)
{
    lg_array r = {0};
    *ret_state = "2202E";
    for (uint32_t i = 0; i < n; i++) {
        lg_array x;
        if (nulls && nulls[i]) {
            *ret_state = "22004";
            *ret_why = "cannot accumulate null arrays";
            return 0;
        }
        lg_array_unpack(arrays[i], a, &x);
        if (x.n == 0) {
            *ret_why = "cannot accumulate empty arrays";
            return 0;
        }
        if (i == 0) {
            if (x.ndim == LG_ARRAY_MAX_DIM) {
                *ret_state = "54000";
                *ret_why = "number of array dimensions (7) exceeds the maximum allowed (6)";
                return 0;
            }
            r.elem = x.elem;
            r.ndim = x.ndim + 1;
            r.dims[0] = (int32_t)n;
            r.lbs[0] = 1;
            memcpy(r.dims + 1, x.dims, sizeof(int32_t) * (size_t)x.ndim);
            memcpy(r.lbs + 1, x.lbs, sizeof(int32_t) * (size_t)x.ndim);
            r.n = x.n * n;
            r.values = lg_arena_alloc(a, sizeof(lg_datum) * r.n);
            r.nulls = lg_arena_alloc(a, r.n);
        } else if (x.ndim != r.ndim - 1 ||
                   memcmp(x.dims, r.dims + 1, sizeof(int32_t) * (size_t)x.ndim) != 0) {
            *ret_why = "cannot accumulate arrays of different dimensionality";
            return 0;
        }
        memcpy(r.values + (size_t)i * x.n, x.values, sizeof(lg_datum) * x.n);
        memcpy(r.nulls + (size_t)i * x.n, x.nulls, x.n);
    }
    return lg_array_pack(a, &r);
}
