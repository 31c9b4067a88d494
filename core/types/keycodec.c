/* Order-preserving encodings.
 *
 *   signed integers     big-endian with the sign bit flipped
 *   unsigned            big-endian
 *   float               IEEE bits, all inverted if negative, else the sign bit set; -0 as 0, NaN as
 *                       the greatest
 *   text-like           the bytes (which hold no NUL), then 0
 *   ... in ICU's order  ICU's sort key, which ends with its only 0, then as above
 *   bytea               0 as {0, 255}, then {0, 0}
 *   numeric             class byte (-inf, negative, zero, positive, inf, NaN), exponent, digits + 1
 *                       each big-endian, 0 0; negative ones inverted
 *   uuid                its bytes
 *   interval            the 128-bit total of microseconds
 *   timetz              time in UTC, then the zone
 *   inet                as bytea: see lg_inet_key
 *   jsonb               as bytea: nothing for [], else the kind's rank, then text-like, numeric, or the
 *                       number of members and they (with their keys)
 *   arrays              {1, element} or {2} for NULL, then 0, then dimensions and bounds
 */
#include "keycodec.h"
#include "array.h"
#include "collate.h"
#include "json.h"
#include "numeric.h"
#include "types_values.h"
#include "usertype.h"
#include <math.h>

struct out {
    uint8_t *p;
    size_t cap;
    size_t len;
    uint8_t flip; /* 0xff for DESC */
};

static inline void
put(struct out *o, uint8_t x)
{
    if (o->len < o->cap)
        o->p[o->len] = x ^ o->flip;
    o->len++;
}

static void
put_be(struct out *o, uint64_t x, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        put(o, (uint8_t)(x >> (8 * i)));
}

static void
put_signed(struct out *o, int64_t x, int bytes)
{
    put_be(o, (uint64_t)x ^ 1ULL << (8 * bytes - 1), bytes);
}

static void
put_bytes(struct out *o, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(o, (uint8_t)s[i]);
}

static void
put_float(struct out *o, double x)
{
    if (x == 0)
        x = 0; /* -0 */
    if (isnan(x))
        x = NAN;
    uint64_t u = lg_datum_float8(x);
    if (isnan(x))
        u = 0x7ff8000000000000ULL;
    put_be(o, u >> 63 ? ~u : u | 1ULL << 63, 8);
}

static void
put_bytea(struct out *o, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(o, (uint8_t)s[i]);
        if (!s[i])
            put(o, 0xff);
    }
    put(o, 0);
    put(o, 0);
}

static void
put_numeric(struct out *o, lg_datum d)
{
    lg_numeric_view v;
    lg_numeric_view_of(d, &v);
    if (v.nan || v.inf) {
        put(o, v.nan ? 5 : v.negative ? 0 : 4);
        return;
    }
    if (v.ndigits == 0) {
        put(o, 2);
        return;
    }
    put(o, v.negative ? 1 : 3);
    uint8_t flip = v.negative ? 0xff : 0;
    o->flip ^= flip;
    put_signed(o, v.weight, 4);
    for (int i = 0; i < v.ndigits; i++)
        put_be(o, (uint64_t)lg_numeric_digit(&v, i) + 1, 2);
    put_be(o, 0, 2);
    o->flip ^= flip;
}

static void put_value(struct out *o, lg_oid type, lg_datum d);

static void
put_array(struct out *o, lg_datum d)
{
    lg_arena *a = lg_arena_create("key", 0);
    lg_array x;
    lg_array_unpack(d, a, &x);
    for (uint32_t i = 0; i < x.n; i++) {
        put(o, x.nulls[i] ? 2 : 1);
        if (!x.nulls[i])
            put_value(o, x.elem, x.values[i]);
    }
    put(o, 0);
    put_be(o, (uint64_t)x.ndim, 1);
    for (int i = 0; i < x.ndim; i++)
        put_signed(o, x.dims[i], 4);
    for (int i = 0; i < x.ndim; i++)
        put_signed(o, x.lbs[i], 4);
    lg_arena_destroy(a);
}

/* As lg_json_compare orders them. */
static void
put_json(struct out *o, lg_arena *a, const lg_json *x)
{
    static const uint8_t rank[] = {1, 2, 3, 4, 5, 6, 7};
    put(o, rank[x->kind]);
    if (x->kind == LG_JSON_STRING) {
        put_bytes(o, x->s, x->slen);
        put(o, 0);
    } else if (x->kind == LG_JSON_NUMBER) {
        lg_num v;
        lg_datum d;
        const char *end;
        if (lg_num_parse(a, lg_arena_strndup(a, x->text, x->len), &v, &end) &&
            lg_num_pack(a, &v, &d))
            put_numeric(o, d);
    } else if (x->kind == LG_JSON_ARRAY || x->kind == LG_JSON_OBJECT) {
        put_be(o, x->n, 4);
        for (uint32_t i = 0; i < x->n; i++) {
            if (x->kind == LG_JSON_OBJECT) {
                put_bytes(o, x->keys[i]->s, x->keys[i]->slen);
                put(o, 0);
            }
            put_json(o, a, x->v[i]);
        }
    }
}

static void
put_jsonb(struct out *o, lg_datum d)
{
    lg_arena *a = lg_arena_create("key", 0);
    lg_error err;
    lg_call c = {.arena = a, .err = &err};
    lg_error_init(&err, a);
    const lg_json *x = lg_json_parse(&c, lg_text_data(d), lg_text_len(d));
    struct out k = {NULL, 0, 0, 0};
    while (x && (x->kind != LG_JSON_ARRAY || x->n)) {
        k.len = 0;
        put_json(&k, a, x);
        if (k.len <= k.cap)
            break;
        k.cap = k.len;
        k.p = lg_arena_alloc(a, k.cap);
    }
    put_bytea(o, (const char *)k.p, k.len);
    lg_arena_destroy(a);
}

static size_t
text_len(lg_oid type, lg_datum d)
{
    return type == LG_T_BPCHAR ? lg_bpchar_len(d) : lg_text_len(d);
}

static void
put_collated(struct out *o, const lg_keycol *col, lg_datum d)
{
    uint8_t buf[256], *key = buf;
    size_t len = text_len(col->type, d);
    lg_arena *a = lg_arena_create("key", 0);
    size_t n = lg_collator_key(col->collator, a, lg_text_data(d), len, buf, sizeof buf, &key);
    put_bytes(o, (const char *)key, n);
    put_bytes(o, lg_text_data(d), len);
    put(o, 0);
    lg_arena_destroy(a);
}

int
lg_key_compare(const lg_keycol *col, lg_datum a, lg_datum b)
{
    if (!col->collator)
        return lg_type_compare_fn(col->type)(a, b);
    return lg_collator_compare(col->collator, lg_text_data(a), text_len(col->type, a),
                               lg_text_data(b), text_len(col->type, b));
}

static void
put_value(struct out *o, lg_oid type, lg_datum d)
{
    switch (type) {
    case LG_T_INET:
    case LG_T_CIDR: {
        uint8_t key[LG_INET_KEY_MAX];
        put_bytea(o, (const char *)key, lg_inet_key(d, key));
        return;
    }
    case LG_T_JSONB:
        put_jsonb(o, d);
        return;
    case LG_T_BOOL:
    case LG_T_CHAR:
        put(o, (uint8_t)d);
        return;
    case LG_T_INT2:
        put_signed(o, lg_int8(d), 2);
        return;
    case LG_T_INT4:
    case LG_T_DATE:
        put_signed(o, lg_int8(d), 4);
        return;
    case LG_T_INT8:
    case LG_T_TIME:
    case LG_T_TIMESTAMP:
    case LG_T_TIMESTAMPTZ:
        put_signed(o, lg_int8(d), 8);
        return;
    case LG_T_OID:
    case LG_T_REGCLASS:
    case LG_T_REGTYPE:
    case LG_T_REGPROC:
    case LG_T_REGPROCEDURE:
    case LG_T_REGOPER:
    case LG_T_REGOPERATOR:
    case LG_T_REGROLE:
    case LG_T_REGNAMESPACE:
    case LG_T_REGCOLLATION:
    case LG_T_XID:
    case LG_T_CID:
        put_be(o, d, 4);
        return;
    case LG_T_TID:
    case LG_T_XID8:
    case LG_T_PG_LSN:
        put_be(o, d, 8);
        return;
    case LG_T_FLOAT4:
        put_float(o, (double)lg_float4(d));
        return;
    case LG_T_FLOAT8:
        put_float(o, lg_float8(d));
        return;
    case LG_T_BPCHAR:
        put_bytes(o, lg_text_data(d), lg_bpchar_len(d));
        put(o, 0);
        return;
    case LG_T_BYTEA:
        put_bytea(o, lg_text_data(d), lg_text_len(d));
        return;
    case LG_T_UUID:
        put_bytes(o, lg_ptr(d), LG_UUID_BYTES);
        return;
    case LG_T_MACADDR:
        put_bytes(o, lg_ptr(d), 6);
        return;
    case LG_T_MACADDR8:
        put_bytes(o, lg_ptr(d), 8);
        return;
    case LG_T_BIT:
    case LG_T_VARBIT: { /* the bytes, then the length that they hold */
        uint32_t bits;
        memcpy(&bits, lg_text_data(d), 4);
        put_bytea(o, lg_text_data(d) + 4, lg_text_len(d) - 4);
        put_be(o, bits, 4);
        return;
    }
    case LG_T_NUMERIC:
        put_numeric(o, d);
        return;
    case LG_T_INTERVAL: {
        __int128 t = lg_interval_total_us(lg_interval_of(d));
        put_be(o, (uint64_t)(t >> 64) ^ 1ULL << 63, 8);
        put_be(o, (uint64_t)t, 8);
        return;
    }
    case LG_T_TIMETZ: {
        lg_timetz t;
        memcpy(&t, lg_ptr(d), sizeof t);
        put_signed(o, t.us + (int64_t)t.zone * 1000000, 8);
        put_signed(o, t.zone, 4);
        return;
    }
    default: {
        const lg_type *t = lg_type_get(type);
        if (lg_usertype_of(type) == LG_UT_ENUM) {
            put_be(o, d, 8);
            return;
        }
        if (t && lg_type_is_array(t)) {
            put_array(o, d);
            return;
        }
        put_bytes(o, lg_text_data(d), lg_text_len(d));
        put(o, 0);
        return;
    }
    }
}

bool
lg_key_supported(lg_oid type)
{
    const lg_type *t = lg_type_get(type);
    if (t && lg_type_is_array(t))
        return lg_key_supported(lg_type_elem(type));
    if (type == LG_T_RECORD || lg_usertype_of(type) == LG_UT_ROW)
        return false;
    return lg_type_compare_fn(type) != NULL;
}

bool
lg_key_lossless(lg_oid type)
{
    switch (type) {
    case LG_T_FLOAT4:
    case LG_T_FLOAT8:
    case LG_T_BPCHAR:
    case LG_T_NUMERIC:
    case LG_T_INTERVAL:
    case LG_T_BIT:
    case LG_T_VARBIT:
    case LG_T_INET:
    case LG_T_CIDR:
    case LG_T_JSONB:
        return false;
    default: {
        const lg_type *t = lg_type_get(type);
        return lg_key_supported(type) && !lg_type_is_array(t);
    }
    }
}

size_t
lg_key_encode(const lg_keycol *cols, uint32_t n, const lg_datum *values, const uint8_t *nulls,
              uint8_t *buf, size_t cap, bool *ret_has_null)
{
    struct out o = {buf, cap, 0, 0};
    bool has_null = false;
    for (uint32_t i = 0; i < n; i++) {
        o.flip = 0;
        if (nulls && nulls[i]) {
            put(&o, cols[i].nulls_first ? 0 : 2);
            has_null = true;
            continue;
        }
        put(&o, 1);
        o.flip = cols[i].desc ? 0xff : 0;
        if (cols[i].collator)
            put_collated(&o, &cols[i], values[i]);
        else
            put_value(&o, cols[i].type, values[i]);
    }
    if (ret_has_null)
        *ret_has_null = has_null;
    return o.len;
}

/* --- decoding --- */

struct in {
    const uint8_t *p;
    size_t left;
    uint8_t flip;
    bool bad;
};

static uint8_t
get(struct in *in)
{
    if (!in->left) {
        in->bad = true;
        return 0;
    }
    in->left--;
    return *in->p++ ^ in->flip;
}

static uint64_t
get_be(struct in *in, int bytes)
{
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++)
        x = x << 8 | get(in);
    return x;
}

static lg_datum
get_signed(struct in *in, int bytes)
{
    uint64_t x = get_be(in, bytes) ^ 1ULL << (8 * bytes - 1);
    int shift = 64 - 8 * bytes;
    return (lg_datum)((int64_t)(x << shift) >> shift);
}

static lg_datum
get_text(struct in *in, lg_arena *a)
{
    size_t n = 0;
    while (n < in->left && (in->p[n] ^ in->flip))
        n++;
    if (n == in->left) {
        in->bad = true;
        return 0;
    }
    lg_varlen *v = lg_varlen_new(a, n);
    for (size_t i = 0; i < n; i++)
        v->data[i] = (char)get(in);
    (void)get(in);
    return lg_datum_ptr(v);
}

static lg_datum
get_bytea(struct in *in, lg_arena *a)
{
    lg_abuf b;
    lg_abuf_init(&b, a);
    while (!in->bad) {
        uint8_t x = get(in);
        if (x == 0 && get(in) != 0xff)
            break;
        lg_abuf_putc(&b, (char)x);
    }
    return lg_abuf_text(&b);
}

static void
skip_double_zero(struct in *in)
{
    while (!in->bad && get_be(in, 2) != 0)
        ;
}

static void
skip_numeric(struct in *in)
{
    uint8_t cls = get(in);
    if (cls != 1 && cls != 3)
        return;
    uint8_t flip = cls == 1 ? 0xff : 0;
    in->flip ^= flip;
    (void)get_be(in, 4);
    skip_double_zero(in);
    in->flip ^= flip;
}

static lg_datum get_value(struct in *in, lg_oid type, lg_arena *a);

static void
skip_array(struct in *in, lg_oid elem, lg_arena *a)
{
    for (uint8_t m; !in->bad && (m = get(in)) != 0;)
        if (m == 1)
            (void)get_value(in, elem, a);
    int ndim = get(in);
    for (int i = 0; !in->bad && i < 2 * ndim; i++)
        (void)get_be(in, 4);
}

static lg_datum
get_value(struct in *in, lg_oid type, lg_arena *a)
{
    switch (type) {
    case LG_T_BOOL:
    case LG_T_CHAR:
        return get(in);
    case LG_T_INT2:
        return get_signed(in, 2);
    case LG_T_INT4:
    case LG_T_DATE:
        return get_signed(in, 4);
    case LG_T_INT8:
    case LG_T_TIME:
    case LG_T_TIMESTAMP:
    case LG_T_TIMESTAMPTZ:
        return get_signed(in, 8);
    case LG_T_OID:
    case LG_T_REGCLASS:
    case LG_T_REGTYPE:
    case LG_T_REGPROC:
    case LG_T_REGPROCEDURE:
    case LG_T_REGOPER:
    case LG_T_REGOPERATOR:
    case LG_T_REGROLE:
    case LG_T_REGNAMESPACE:
    case LG_T_REGCOLLATION:
    case LG_T_XID:
    case LG_T_CID:
        return get_be(in, 4);
    case LG_T_TID:
    case LG_T_XID8:
    case LG_T_PG_LSN:
    case LG_T_FLOAT4:
    case LG_T_FLOAT8:
        return get_be(in, 8);
    case LG_T_BYTEA:
    case LG_T_INET:
    case LG_T_CIDR:
    case LG_T_JSONB:
        return get_bytea(in, a);
    case LG_T_UUID: {
        uint8_t *u = lg_arena_alloc(a, LG_UUID_BYTES);
        for (int i = 0; i < LG_UUID_BYTES; i++)
            u[i] = get(in);
        return lg_datum_ptr(u);
    }
    case LG_T_MACADDR:
    case LG_T_MACADDR8: {
        size_t n = type == LG_T_MACADDR ? 6 : 8;
        uint8_t *m = lg_arena_alloc(a, n);
        for (size_t i = 0; i < n; i++)
            m[i] = get(in);
        return lg_datum_ptr(m);
    }
    case LG_T_BIT:
    case LG_T_VARBIT:
        (void)get_bytea(in, a);
        (void)get_be(in, 4);
        return 0;
    case LG_T_NUMERIC:
        skip_numeric(in);
        return 0;
    case LG_T_INTERVAL:
        (void)get_be(in, 8);
        return get_be(in, 8);
    case LG_T_TIMETZ: {
        lg_timetz t;
        t.us = lg_int8(get_signed(in, 8));
        t.zone = lg_int4(get_signed(in, 4));
        t.us -= (int64_t)t.zone * 1000000;
        return lg_datum_ptr(lg_arena_dup(a, &t, sizeof t));
    }
    default: {
        const lg_type *t = lg_type_get(type);
        if (t && lg_type_is_array(t)) {
            skip_array(in, lg_type_elem(type), a);
            return 0;
        }
        if (lg_usertype_of(type) == LG_UT_ENUM)
            return get_be(in, 8);
        return get_text(in, a);
    }
    }
}

lg_status
lg_key_decode(const lg_keycol *cols, uint32_t n, const uint8_t *key, size_t len, lg_arena *a,
              lg_datum *ret_values, uint8_t *ret_nulls, size_t *ret_used)
{
    struct in in = {key, len, 0, false};
    for (uint32_t i = 0; i < n; i++) {
        in.flip = 0;
        uint8_t marker = get(&in);
        ret_nulls[i] = marker != 1;
        ret_values[i] = 0;
        if (marker == 1) {
            in.flip = cols[i].desc ? 0xff : 0;
            while (cols[i].collator && !in.bad && get(&in) != 0)
                ; /* the sort key */
            lg_datum d = get_value(&in, cols[i].type, a);
            ret_values[i] = lg_key_lossless(cols[i].type) ? d : 0;
        }
        if (in.bad || marker > 2)
            return LG_CORRUPT;
    }
    if (ret_used)
        *ret_used = len - in.left;
    return LG_OK;
}
