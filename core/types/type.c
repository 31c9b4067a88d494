/* The table of types: lookup, names, compare, hash, conversion. */
#include "encoding.h"
#include "interrupt.h"
#include "type.h"
#include "hash.h"
#include "types_internal.h"
#include "record.h"
#include "relabel.h"
#include "type_bit.h"
#include "types_values.h"
#include <stdio.h>
#include <strings.h>

#define LG_TYPE(...) {__VA_ARGS__},
static const lg_type types[] = {
#include "type.def"
};
#undef LG_TYPE
#define TYPE_COUNT (sizeof types / sizeof *types)

const lg_type *
lg_type_get(lg_oid oid)
{
    if (lg_usertype_of(oid) != LG_UT_NONE)
        return lg_type__user(oid);
    uint32_t lo = 0, hi = TYPE_COUNT;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (types[mid].oid == oid)
            return &types[mid];
        if (types[mid].oid < oid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

uint32_t
lg_type_count(void)
{
    return TYPE_COUNT;
}

const lg_type *
lg_type_at(uint32_t i)
{
    return &types[i];
}

const lg_type *
lg_type_by_name(const char *typname)
{
    for (uint32_t i = 0; i < TYPE_COUNT; i++)
        if (strcmp(types[i].name, typname) == 0)
            return &types[i];
    return NULL;
}

const lg_type *
lg_type_by_sql_name(const char *name)
{
    static const struct {
        const char *name;
        lg_oid oid;
    } aliases[] = {{"int", LG_T_INT4},
                   {"decimal", LG_T_NUMERIC},
                   {"dec", LG_T_NUMERIC},
                   {"char", LG_T_BPCHAR},
                   {"float", LG_T_FLOAT8},
                   {"varchar", LG_T_VARCHAR},
                   {"timestamp", LG_T_TIMESTAMP},
                   {"time", LG_T_TIME}};
    char base[64];
    size_t n = strlen(name);
    bool array = n > 2 && strcmp(name + n - 2, "[]") == 0;
    if (n >= sizeof base)
        return NULL;
    memcpy(base, name, n + 1);
    if (array)
        base[n - 2] = 0;
    const lg_type *t = NULL;
    for (uint32_t i = 0; !t && i < sizeof aliases / sizeof *aliases; i++)
        if (strcasecmp(aliases[i].name, base) == 0)
            t = lg_type_get(aliases[i].oid);
    for (uint32_t i = 0; !t && i < TYPE_COUNT; i++)
        if (strcasecmp(types[i].sql_name, base) == 0)
            t = &types[i];
    if (!t)
        t = lg_type_by_name(base);
    return t && array ? lg_type_get(t->array) : t;
}

/* --- format_type --- */

static const char *
interval_fields(int32_t typmod)
{
    switch ((typmod >> 16) & 0x7fff) {
    case 0x0004:
        return " year";
    case 0x0002:
        return " month";
    case 0x0008:
        return " day";
    case 0x0400:
        return " hour";
    case 0x0800:
        return " minute";
    case 0x1000:
        return " second";
    case 0x0006:
        return " year to month";
    case 0x0408:
        return " day to hour";
    case 0x0c08:
        return " day to minute";
    case 0x1c08:
        return " day to second";
    case 0x0c00:
        return " hour to minute";
    case 0x1c00:
        return " hour to second";
    case 0x1800:
        return " minute to second";
    default:
        return "";
    }
}

static const char *
format_with_typmod(lg_arena *a, const lg_type *t, int32_t typmod)
{
    switch (t->oid) {
    case LG_T_BPCHAR:
        if (typmod < 0)
            return "character";
        return lg_arena_printf(a, "character(%d)", typmod - 4);
    case LG_T_VARCHAR:
        return lg_arena_printf(a, "character varying(%d)", typmod - 4);
    case LG_T_NUMERIC: {
        int32_t p = ((typmod - 4) >> 16) & 0xffff;
        int32_t s = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
        return lg_arena_printf(a, "numeric(%d,%d)", p, s);
    }
    case LG_T_TIMESTAMP:
        return lg_arena_printf(a, "timestamp(%d) without time zone", typmod);
    case LG_T_TIMESTAMPTZ:
        return lg_arena_printf(a, "timestamp(%d) with time zone", typmod);
    case LG_T_TIME:
        return lg_arena_printf(a, "time(%d) without time zone", typmod);
    case LG_T_TIMETZ:
        return lg_arena_printf(a, "time(%d) with time zone", typmod);
    case LG_T_INTERVAL: {
        const char *fields = interval_fields(typmod);
        if ((typmod & 0xffff) == 0xffff)
            return lg_arena_printf(a, "interval%s", fields);
        return lg_arena_printf(a, "interval%s(%d)", fields, typmod & 0xffff);
    }
    case LG_T_BOOL:
    case LG_T_INT2:
    case LG_T_INT4:
    case LG_T_INT8:
    case LG_T_FLOAT4:
    case LG_T_FLOAT8:
        return t->sql_name;
    default:
        return lg_arena_printf(a, "%s(%d)", t->sql_name, typmod);
    }
}

const char *
lg_type_format(lg_arena *a, lg_oid oid, int32_t typmod)
{
    const lg_type *t = lg_type_get(oid);
    if (oid == 0)
        return "-";
    if (!t || lg_usertype_of(oid) != LG_UT_NONE)
        return "???"; /* lg_type_name knows */
    if (lg_type_is_array(t) && t->storage != 'p' && lg_type_get(t->elem)) {
        if (typmod < 0)
            return t->sql_name;
        return lg_arena_printf(a, "%s[]", format_with_typmod(a, lg_type_get(t->elem), typmod));
    }
    return typmod < 0 ? t->sql_name : format_with_typmod(a, t, typmod);
}

LG_FN(format_type)
{
    if (ARG_NULL(0))
        RET_NULL();
    const lg_type *t = lg_type_get(ARG_OID(0));
    int32_t typmod = ARG_NULL(1) ? -1 : ARG_INT4(1);
    if (lg_usertype_of(ARG_OID(0)) != LG_UT_NONE)
        return lg_datum_cstring_text(c->arena, lg_type_name(c->env, ARG_OID(0), -1, c->arena));
    /* format_type(bpchar, NULL) says character, and with typmod -1 bpchar. */
    if (t && t->oid == LG_T_BPCHAR && typmod < 0)
        return lg_datum_cstring_text(c->arena, ARG_NULL(1) ? "character" : "bpchar");
    return lg_datum_cstring_text(c->arena, lg_type_format(c->arena, ARG_OID(0), typmod));
}

LG_FN(pg_typeof)
{
    return lg_datum_oid(lg_argtype(c, 0));
}

/* --- compare, equality, hash --- */

static int
compare_int(lg_datum a, lg_datum b)
{
    return ((int64_t)a > (int64_t)b) - ((int64_t)a < (int64_t)b);
}

static int
compare_uint(lg_datum a, lg_datum b)
{
    return (a > b) - (a < b);
}

static bool
equal_uint(lg_datum a, lg_datum b)
{
    return a == b;
}

static uint64_t
hash_uint(lg_datum d)
{
    return lg_hash_u64(d);
}

static int
compare_double(double x, double y)
{
    if (__builtin_isnan(x))
        return __builtin_isnan(y) ? 0 : 1;
    if (__builtin_isnan(y))
        return -1;
    return (x > y) - (x < y);
}

static int
compare_float8(lg_datum a, lg_datum b)
{
    return compare_double(lg_float8(a), lg_float8(b));
}

static int
compare_float4(lg_datum a, lg_datum b)
{
    return compare_double((double)lg_float4(a), (double)lg_float4(b));
}

static bool
equal_float8(lg_datum a, lg_datum b)
{
    return compare_float8(a, b) == 0;
}

static bool
equal_float4(lg_datum a, lg_datum b)
{
    return compare_float4(a, b) == 0;
}

/* float4 and float8 of the same value hash alike (mixed hash joins). */
static uint64_t
hash_double(double x)
{
    if (x == 0)
        x = 0;
    if (__builtin_isnan(x))
        return lg_hash_u64(0x7ff8000000000000ULL);
    return lg_hash_u64(lg_datum_float8(x));
}

static uint64_t
hash_float8(lg_datum d)
{
    return hash_double(lg_float8(d));
}

static uint64_t
hash_float4(lg_datum d)
{
    return hash_double((double)lg_float4(d));
}

int
lg_bytes_compare(const char *a, size_t na, const char *b, size_t nb)
{
    size_t n = na < nb ? na : nb;
    int r = n ? memcmp(a, b, n) : 0;
    return r ? r : (na > nb) - (na < nb);
}

static int
compare_text(lg_datum a, lg_datum b)
{
    return lg_bytes_compare(lg_text_data(a), lg_text_len(a), lg_text_data(b), lg_text_len(b));
}

static bool
equal_text(lg_datum a, lg_datum b)
{
    uint32_t n = lg_text_len(a);
    return n == lg_text_len(b) && memcmp(lg_text_data(a), lg_text_data(b), n) == 0;
}

static uint64_t
hash_text(lg_datum d)
{
    return lg_hash_bytes(lg_text_data(d), lg_text_len(d), 0);
}

size_t
lg_bpchar_len(lg_datum d)
{
    size_t n = lg_text_len(d);
    while (n && lg_text_data(d)[n - 1] == ' ')
        n--;
    return n;
}

static int
compare_bpchar(lg_datum a, lg_datum b)
{
    return lg_bytes_compare(lg_text_data(a), lg_bpchar_len(a), lg_text_data(b), lg_bpchar_len(b));
}

static bool
equal_bpchar(lg_datum a, lg_datum b)
{
    return compare_bpchar(a, b) == 0;
}

static uint64_t
hash_bpchar(lg_datum d)
{
    return lg_hash_bytes(lg_text_data(d), lg_bpchar_len(d), 0);
}

static int
compare_uuid(lg_datum a, lg_datum b)
{
    return memcmp(lg_ptr(a), lg_ptr(b), LG_UUID_BYTES);
}

static bool
equal_uuid(lg_datum a, lg_datum b)
{
    return compare_uuid(a, b) == 0;
}

static uint64_t
hash_uuid(lg_datum d)
{
    return lg_hash_bytes(lg_ptr(d), LG_UUID_BYTES, 0);
}

static int
compare_macaddr(lg_datum a, lg_datum b)
{
    return memcmp(lg_ptr(a), lg_ptr(b), 6);
}

static bool
equal_macaddr(lg_datum a, lg_datum b)
{
    return compare_macaddr(a, b) == 0;
}

static uint64_t
hash_macaddr(lg_datum d)
{
    return lg_hash_bytes(lg_ptr(d), 6, 0);
}

static int
compare_macaddr8(lg_datum a, lg_datum b)
{
    return memcmp(lg_ptr(a), lg_ptr(b), 8);
}

static bool
equal_macaddr8(lg_datum a, lg_datum b)
{
    return compare_macaddr8(a, b) == 0;
}

static uint64_t
hash_macaddr8(lg_datum d)
{
    return lg_hash_bytes(lg_ptr(d), 8, 0);
}

static bool
equal_numeric(lg_datum a, lg_datum b)
{
    return lg_numeric_compare(a, b) == 0;
}

static bool
equal_interval(lg_datum a, lg_datum b)
{
    return lg_interval_compare(a, b) == 0;
}

static bool
equal_timetz(lg_datum a, lg_datum b)
{
    return lg_timetz_compare(a, b) == 0;
}

static bool
equal_jsonb(lg_datum a, lg_datum b)
{
    return lg_jsonb_compare(a, b) == 0;
}

static bool
equal_array(lg_datum a, lg_datum b)
{
    return lg_array_compare(a, b) == 0;
}

static bool
equal_record(lg_datum a, lg_datum b)
{
    return lg_record_compare(a, b) == 0;
}

struct order {
    lg_compare_fn compare;
    lg_equal_fn equal;
    lg_hash_fn hash;
};

static struct order
order_of(lg_oid oid)
{
    switch (oid) {
    case LG_T_BOOL:
    case LG_T_INT2:
    case LG_T_INT4:
    case LG_T_INT8:
    case LG_T_DATE:
    case LG_T_TIME:
    case LG_T_TIMESTAMP:
    case LG_T_TIMESTAMPTZ:
        return (struct order){compare_int, equal_uint, hash_uint};
    case LG_T_CHAR:
    case LG_T_OID:
    case LG_T_TID:
    case LG_T_XID8:
    case LG_T_PG_LSN:
    case LG_T_REGCLASS:
    case LG_T_REGTYPE:
    case LG_T_REGPROC:
    case LG_T_REGPROCEDURE:
    case LG_T_REGOPER:
    case LG_T_REGOPERATOR:
    case LG_T_REGROLE:
    case LG_T_REGNAMESPACE:
    case LG_T_REGCOLLATION:
        return (struct order){compare_uint, equal_uint, hash_uint};
    case LG_T_XID:
    case LG_T_CID:
        return (struct order){NULL, equal_uint, hash_uint};
    case LG_T_FLOAT4:
        return (struct order){compare_float4, equal_float4, hash_float4};
    case LG_T_FLOAT8:
        return (struct order){compare_float8, equal_float8, hash_float8};
    case LG_T_TEXT:
    case LG_T_VARCHAR:
    case LG_T_NAME:
    case LG_T_BYTEA:
    case LG_T_UNKNOWN:
    case LG_T_REFCURSOR:
        return (struct order){compare_text, equal_text, hash_text};
    case LG_T_ACLITEM:
        return (struct order){NULL, equal_text, hash_text};
    case LG_T_BPCHAR:
        return (struct order){compare_bpchar, equal_bpchar, hash_bpchar};
    case LG_T_UUID:
        return (struct order){compare_uuid, equal_uuid, hash_uuid};
    case LG_T_NUMERIC:
        return (struct order){lg_numeric_compare, equal_numeric, lg_numeric_hash};
    case LG_T_JSONB:
        return (struct order){lg_jsonb_compare, equal_jsonb, lg_jsonb_hash};
    case LG_T_MACADDR:
        return (struct order){compare_macaddr, equal_macaddr, hash_macaddr};
    case LG_T_MACADDR8:
        return (struct order){compare_macaddr8, equal_macaddr8, hash_macaddr8};
    case LG_T_BIT:
    case LG_T_VARBIT:
        return (struct order){lg_bit_compare, equal_text, hash_text};
    case LG_T_CIDR:
    case LG_T_INET:
        return (struct order){lg_inet_compare, equal_text, hash_text};
    case LG_T_INTERVAL:
        return (struct order){lg_interval_compare, equal_interval, lg_interval_hash};
    case LG_T_TIMETZ:
        return (struct order){lg_timetz_compare, equal_timetz, lg_timetz_hash};
    case LG_T_RECORD:
        return (struct order){lg_record_compare, equal_record, lg_record_hash};
    default: {
        if (lg_usertype_of(oid) == LG_UT_ENUM)
            return (struct order){compare_uint, equal_uint, hash_uint};
        if (lg_usertype_of(oid) == LG_UT_ROW)
            return (struct order){lg_record_compare, equal_record, lg_record_hash};
        const lg_type *t = lg_type_get(oid);
        if (t && lg_type_is_array(t))
            return (struct order){lg_array_compare, equal_array, lg_array_hash};
        return (struct order){NULL, NULL, NULL};
    }
    }
}

lg_compare_fn
lg_type_compare_fn(lg_oid oid)
{
    return order_of(oid).compare;
}

lg_equal_fn
lg_type_equal_fn(lg_oid oid)
{
    return order_of(oid).equal;
}

lg_hash_fn
lg_type_hash_fn(lg_oid oid)
{
    return order_of(oid).hash;
}

/* --- copies --- */

lg_datum
lg_datum_relabel(lg_oid from, lg_oid to, lg_datum d)
{
    if (from == LG_T_INT4 && to != LG_T_INT4) {
        const lg_type *t = lg_type_get(to);
        return t && t->store == LG_STORE_BYVAL && t->size == 4 && to != LG_T_DATE ? (uint32_t)d : d;
    }
    return to == LG_T_INT4 && from != LG_T_INT4 ? lg_datum_int4((int32_t)(uint32_t)d) : d;
}

size_t
lg_datum_size(lg_oid type, lg_datum d)
{
    const lg_type *t = lg_type_get(type);
    switch (t ? t->store : LG_STORE_BYVAL) {
    case LG_STORE_VARLEN:
        return sizeof(lg_varlen) + lg_text_len(d);
    case LG_STORE_FIXED:
        return t->size;
    case LG_STORE_CSTRING:
        return strlen(lg_cstring(d)) + 1;
    default:
        return 0;
    }
}

lg_datum
lg_datum_text_large(lg_arena *a, const char *s, size_t len)
{
    lg_varlen *v = lg_varlen_new(a, lg_mem_refused(len) ? 0 : len);
    lg_poll_copy(v->data, s, v->len);
    return lg_datum_ptr(v);
}

static lg_datum
copy_large(lg_oid type, lg_datum d, size_t n, lg_arena *a)
{
    if (type == LG_T_TEXT || type == LG_T_VARCHAR || type == LG_T_BPCHAR || type == LG_T_BYTEA)
        return lg_datum_text_large(a, lg_text_data(d), lg_text_len(d));
    void *p = lg_arena_alloc(a, n);
    lg_poll_copy(p, lg_ptr(d), n);
    return lg_datum_ptr(p);
}

lg_datum
lg_datum_copy(lg_oid type, lg_datum d, lg_arena *a)
{
    size_t n = lg_datum_size(type, d);
    if (n >= LG_MEM_LARGE)
        return copy_large(type, d, n, a);
    return n ? lg_datum_ptr(lg_arena_dup(a, lg_ptr(d), n)) : d;
}

/* --- conversion --- */

struct io {
    lg_call call;
    lg_datum args[3];
    uint8_t nulls[3];
    lg_oid type;
};

static lg_status
io_init(struct io *io, const lg_env *env, const lg_type *t, lg_oid type, lg_oid func,
        lg_arena *arena, lg_error *err)
{
    const lg_func *f = t ? lg_func_get(func) : NULL;
    if (!f) {
        return lg_error_set(err, "42883", "no %s function available for type %s",
                            t && (func == t->in || func == t->recv) ? "input" : "output",
                            lg_type_name(env, type, -1, arena));
    }
    io->type = type;
    lg_call_init(&io->call, f, (lg_env *)(uintptr_t)env, err, arena, arena);
    io->call.args = io->args;
    io->call.nulls = io->nulls;
    memset(io->nulls, 0, sizeof io->nulls);
    return LG_OK;
}

static lg_oid
io_param(lg_oid type)
{
    lg_oid elem = lg_type_elem(type);
    return elem ? elem : type;
}

lg_status
lg_type_input(const lg_env *env, lg_oid type, const char *s, int32_t typmod, lg_arena *arena,
              lg_error *err, lg_datum *ret)
{
    struct io io;
    const lg_type *t = lg_type_get(type);
    LG_TRY(io_init(&io, env, t, type, t ? t->in : 0, arena, err));
    io.args[0] = lg_datum_ptr(s);
    io.args[1] = io_param(type);
    io.args[2] = lg_datum_int4(typmod);
    io.call.nargs = 3;
    *ret = io.call.func->fn(&io.call);
    return io.call.st;
}

lg_status
lg_type_output(const lg_env *env, lg_oid type, lg_datum d, lg_arena *arena, lg_error *err,
               const char **ret, size_t *ret_len)
{
    struct io io;
    const lg_type *t = lg_type_get(type);
    if (t && (type == LG_T_TEXT || type == LG_T_VARCHAR || type == LG_T_BPCHAR)) {
        *ret = lg_text_data(d); /* no NUL after it: the length counts */
        *ret_len = lg_text_len(d);
        return LG_OK;
    }
    LG_TRY(io_init(&io, env, t, type, t ? t->out : 0, arena, err));
    io.args[0] = d;
    io.call.argtypes = &io.type;
    lg_datum r = io.call.func->fn(&io.call);
    LG_TRY(io.call.st);
    *ret = lg_cstring(r);
    *ret_len = strlen(*ret);
    return LG_OK;
}

bool
lg_type_sends_text(lg_oid type)
{
    switch (type) {
    case LG_T_TEXT:
    case LG_T_VARCHAR:
    case LG_T_BPCHAR:
    case LG_T_NAME:
    case LG_T_JSON:
    case LG_T_JSONB:
    case LG_T_JSONPATH:
    case LG_T_UNKNOWN:
    case LG_T_CSTRING:
        return true;
    default:;
    }
    const lg_type *t = lg_type_get(type);
    return t && t->typtype == 'e';
}

lg_status
lg_type_recv(const lg_env *env, lg_oid type, const void *data, size_t len, int32_t typmod,
             lg_arena *arena, lg_error *err, lg_datum *ret)
{
    struct io io;
    const lg_type *t = lg_type_get(type);
    LG_TRY(io_init(&io, env, t, type, t ? t->recv : 0, arena, err));
    lg_recvbuf buf = {data, len, 0};
    io.args[0] = lg_datum_ptr(&buf);
    io.args[1] = io_param(type);
    io.args[2] = lg_datum_int4(typmod);
    io.call.nargs = 3;
    *ret = io.call.func->fn(&io.call);
    LG_TRY(io.call.st);
    if (buf.pos != buf.len)
        return lg_error_set(err, "22P03", "incorrect binary data format");
    return LG_OK;
}

lg_status
lg_type_send(const lg_env *env, lg_oid type, lg_datum d, lg_arena *arena, lg_error *err,
             const char **ret, size_t *ret_len)
{
    struct io io;
    const lg_type *t = lg_type_get(type);
    LG_TRY(io_init(&io, env, t, type, t ? t->send : 0, arena, err));
    io.args[0] = d;
    io.call.argtypes = &io.type;
    lg_datum r = io.call.func->fn(&io.call);
    LG_TRY(io.call.st);
    *ret = lg_text_data(r);
    *ret_len = lg_text_len(r);
    return LG_OK;
}

/* --- receive helpers --- */

bool
lg_recv_bytes(lg_call *c, lg_recvbuf *b, void *to, size_t n)
{
    if (b->len - b->pos < n) {
        lg_call_error(c, "08P01", "%s data left in message", n == 1 ? "no" : "insufficient");
        return false;
    }
    memcpy(to, b->data + b->pos, n);
    b->pos += n;
    return true;
}

bool
lg_recv_octets(lg_call *c, lg_recvbuf *b, uint8_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!lg_recv_bytes(c, b, to + i, 1))
            return false;
    return true;
}

const char *
lg_recv_text(lg_call *c, lg_recvbuf *b, size_t *ret_len)
{
    const char *s = (const char *)b->data + b->pos;
    *ret_len = b->len - b->pos;
    b->pos = b->len;
    c->st = lg_encoding_verify(s, *ret_len, c->err);
    if (c->st == LG_OK)
        return s;
    c->isnull = true;
    return NULL;
}

uint64_t
lg_recv_uint(lg_call *c, lg_recvbuf *b, size_t n)
{
    uint8_t x[8];
    uint64_t v = 0;
    if (!lg_recv_bytes(c, b, x, n))
        return 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | x[i];
    return v;
}

lg_datum
lg_send_uint(lg_call *c, uint64_t v, size_t n)
{
    lg_varlen *r = lg_varlen_new(c->arena, n);
    for (size_t i = 0; i < n; i++)
        r->data[i] = (char)(uint8_t)(v >> (8 * (n - 1 - i)));
    return lg_datum_ptr(r);
}
