/* Datums: one SQL value in 64 bits.
 *
 * By-value types live in the datum itself, in a canonical form so that equal values are equal
 * datums (floats excepted: see float.h's comparison):
 *   bool 0/1; "char" zero-extended byte; int2, int4, int8, date sign-extended; oid and its aliases,
 *   xid, cid zero-extended; float8 its bits; float4 its bits zero-extended; time, timestamp,
 *   timestamptz int64 microseconds; tid block << 16 | slot.
 * All others are pointers:
 *   variable length (text, varchar, bpchar, bytea, name, numeric, json, jsonb, arrays, ...): an
 *   lg_varlen; uuid 16 bytes; interval an lg_interval; timetz an lg_timetz; cstring a char *.
 * The pointed-to structs are packed, so that a value can be used where it lies in a stored row.
 * Memory belongs to whoever made it: mostly an arena or the row that was decoded. */
#ifndef LG_TYPES_DATUM_H
#define LG_TYPES_DATUM_H

#include "arena.h"
#include "mem.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint32_t lg_oid;
typedef uint64_t lg_datum;

#define LG_OID_NONE 0u
/* The first OID that is not a built-in object's. */
#define LG_OID_FIRST_NORMAL 16384u

typedef struct __attribute__((packed)) lg_varlen {
    uint32_t len; /* bytes of data; the header not counted */
    char data[];
} lg_varlen;

typedef struct __attribute__((packed)) lg_interval {
    int64_t us;
    int32_t days;
    int32_t months;
} lg_interval;

typedef struct __attribute__((packed)) lg_timetz {
    int64_t us;
    int32_t zone; /* seconds west of Greenwich, as PostgreSQL */
} lg_timetz;

#define LG_UUID_BYTES 16
#define LG_NAME_MAX   63 /* bytes of a name; longer ones are cut */

/* Infinity, as PostgreSQL. */
#define LG_DATE_INFINITY     INT32_MAX
#define LG_DATE_NEG_INFINITY INT32_MIN
#define LG_TS_INFINITY       INT64_MAX
#define LG_TS_NEG_INFINITY   INT64_MIN

static inline lg_datum
lg_datum_bool(bool x)
{
    return x ? 1 : 0;
}
static inline lg_datum
lg_datum_char(char x)
{
    return (uint8_t)x;
}
static inline lg_datum
lg_datum_int2(int16_t x)
{
    return (lg_datum)(int64_t)x;
}
static inline lg_datum
lg_datum_int4(int32_t x)
{
    return (lg_datum)(int64_t)x;
}
static inline lg_datum
lg_datum_int8(int64_t x)
{
    return (lg_datum)x;
}
static inline lg_datum
lg_datum_oid(lg_oid x)
{
    return x;
}
static inline lg_datum
lg_datum_ptr(const void *p)
{
    return (lg_datum)(uintptr_t)p;
}

static inline lg_datum
lg_datum_float4(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline lg_datum
lg_datum_float8(double x)
{
    lg_datum d;
    memcpy(&d, &x, sizeof d);
    return d;
}

static inline bool
lg_bool(lg_datum d)
{
    return d != 0;
}
static inline char
lg_char(lg_datum d)
{
    return (char)d;
}
static inline int16_t
lg_int2(lg_datum d)
{
    return (int16_t)d;
}
static inline int32_t
lg_int4(lg_datum d)
{
    return (int32_t)d;
}
static inline int64_t
lg_int8(lg_datum d)
{
    return (int64_t)d;
}
static inline lg_oid
lg_oid_of(lg_datum d)
{
    return (lg_oid)d;
}
static inline void *
lg_ptr(lg_datum d)
{
    return (void *)(uintptr_t)d;
}
static inline const char *
lg_cstring(lg_datum d)
{
    return (const char *)(uintptr_t)d;
}

static inline const lg_varlen *
lg_varlen_of(lg_datum d)
{
    return (const lg_varlen *)(uintptr_t)d;
}

static inline float
lg_float4(lg_datum d)
{
    uint32_t u = (uint32_t)d;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline double
lg_float8(lg_datum d)
{
    double x;
    memcpy(&x, &d, sizeof x);
    return x;
}

static inline lg_interval
lg_interval_of(lg_datum d)
{
    lg_interval iv;
    memcpy(&iv, lg_ptr(d), sizeof iv);
    return iv;
}

static inline uint32_t
lg_text_len(lg_datum d)
{
    return lg_varlen_of(d)->len;
}
static inline const char *
lg_text_data(lg_datum d)
{
    return lg_varlen_of(d)->data;
}

/* An uninitialised varlen of len bytes. */
static inline lg_varlen *
lg_varlen_new(lg_arena *a, size_t len)
{
    lg_varlen *v = (lg_varlen *)lg_arena_alloc(a, sizeof *v + len);
    v->len = (uint32_t)len;
    return v;
}

/* Lets others run meanwhile. Empty when there is no memory: the statement is going to fail. */
lg_datum lg_datum_text_large(lg_arena *a, const char *s, size_t len);

/* Text (or bytea, name: anything whose payload is plain bytes) from bytes, copied. */
static inline lg_datum
lg_datum_text(lg_arena *a, const char *s, size_t len)
{
    if (len >= LG_MEM_LARGE)
        return lg_datum_text_large(a, s, len);
    lg_varlen *v = lg_varlen_new(a, len);
    if (len)
        memcpy(v->data, s, len);
    return lg_datum_ptr(v);
}

static inline lg_datum
lg_datum_cstring_text(lg_arena *a, const char *s)
{
    return lg_datum_text(a, s, strlen(s));
}

static inline lg_datum
lg_datum_interval(lg_arena *a, lg_interval iv)
{
    return lg_datum_ptr(lg_arena_dup(a, &iv, sizeof iv));
}

/* The text as a NUL-terminated string in the arena. */
static inline char *
lg_text_cstring(lg_arena *a, lg_datum d)
{
    return lg_arena_strndup(a, lg_text_data(d), lg_text_len(d));
}

#endif
