/* Inside core/types: how functions are written, and what the files share.
 *
 *     LG_FN(int4pl) { ... return lg_datum_int4(r); }
 *
 * defines the implementation of every pg_proc row whose prosrc is int4pl; tools/dev/gen_types.py
 * finds it by that line and lists it in func.def (functions that PostgreSQL writes in SQL are named
 * oid_N). LG_KERNEL(int4pl) is its vector kernel, LG_SRF(name) a set-returning function. */
#ifndef LG_TYPES_INTERNAL_H
#define LG_TYPES_INTERNAL_H

#include "func.h"
#include <stddef.h>

#define LG_FN(name)                                                                                \
    lg_datum lg_fn_##name(lg_call *c);                                                             \
    lg_datum lg_fn_##name(__attribute__((unused)) lg_call *c)
#define LG_KERNEL(name)                                                                            \
    lg_status lg_kn_##name(lg_call *c, const lg_vector *const *args, const uint16_t *sel,          \
                           uint32_t n, lg_vector *ret);                                            \
    lg_status lg_kn_##name(__attribute__((unused)) lg_call *c, const lg_vector *const *args,       \
                           const uint16_t *sel, uint32_t n, lg_vector *ret)
#define LG_SRF(name, open, next)                                                                   \
    extern const lg_srf lg_srf_##name;                                                             \
    const lg_srf lg_srf_##name = {open, next}

/* Arguments of the current call. */
#define ARG(i)        (c->args[i])
#define ARG_NULL(i)   (c->nulls[i])
#define ARG_BOOL(i)   lg_bool(ARG(i))
#define ARG_INT2(i)   lg_int2(ARG(i))
#define ARG_INT4(i)   lg_int4(ARG(i))
#define ARG_INT8(i)   lg_int8(ARG(i))
#define ARG_OID(i)    lg_oid_of(ARG(i))
#define ARG_FLOAT4(i) lg_float4(ARG(i))
#define ARG_FLOAT8(i) lg_float8(ARG(i))
#define ARG_STR(i)    lg_text_data(ARG(i))
#define ARG_LEN(i)    lg_text_len(ARG(i))
#define ARG_CSTR(i)   lg_cstring(ARG(i))

static inline lg_datum
lg_ret_null(lg_call *c)
{
    c->isnull = true;
    return 0;
}

#define RET_NULL() return lg_ret_null(c)

/* The type of argument i: the actual one where known. */
static inline lg_oid
lg_argtype(const lg_call *c, uint32_t i)
{
    return c->argtypes ? c->argtypes[i] : i < c->func->nargs ? c->func->args[i] : 0;
}

/* The binary input that a receive function reads (its `internal` argument). */
typedef struct lg_recvbuf {
    const uint8_t *data;
    size_t len;
    size_t pos;
} lg_recvbuf;

/* The facts of a user-made type's class; NULL: none. */
const lg_type *lg_type__user(lg_oid oid);

/* A batch row by row, without the kernel. */
lg_status lg_func__loop(lg_call *c, const lg_vector *const *args, uint32_t nargs,
                        const uint16_t *sel, uint32_t n, lg_vector *ret);

/* ICU's collators, kept with the zones. */
typedef struct lg_collators lg_collators;
lg_collators **lg_tz__collators(lg_tz_cache *c);
void lg_collators__destroy(lg_collators *c);

/* A growing text in an arena. One that is made for a call ends it with 54000 when it would pass
 * LG_TEXT_MAX; what is added from then on is thrown away. */
#define LG_TEXT_MAX 0x3ffffffbu /* bytes of a value */

typedef struct lg_abuf {
    lg_arena *a;
    struct lg_call *c; /* NULL: no limit, the caller knows one */
    char *p;
    size_t len;
    size_t cap;
} lg_abuf;

void lg_abuf_init(lg_abuf *b, lg_arena *a);
void lg_abuf_for(lg_abuf *b, struct lg_call *c);
/* False, and the call has failed: a result of so many bytes is too large. */
bool lg_call_fits(struct lg_call *c, size_t bytes);
/* A value of that size is too long for its header, or there is no memory: the statement is going to fail
 * with 53200, and the caller makes a small value instead. */
bool lg_value_impossible(size_t bytes);
void lg_abuf_add(lg_abuf *b, const char *s, size_t n);
void lg_abuf_puts(lg_abuf *b, const char *s);
void lg_abuf_putc(lg_abuf *b, char ch);
__attribute__((format(printf, 2, 3))) void lg_abuf_printf(lg_abuf *b, const char *fmt, ...);
char *lg_abuf_extend(lg_abuf *b, size_t n); /* n more bytes to write at the result */
lg_datum lg_abuf_text(lg_abuf *b);          /* what is there, as a text datum */
char *lg_abuf_cstring(lg_abuf *b);          /* NUL-terminated */

#endif
