/* Registries of built-in functions, operators, casts, aggregates and operator classes, with
 * PostgreSQL 15's OIDs. Constant tables made from the *.def lists; no life cycle.
 *
 * A function is one of
 *   - implemented here: fn is set (and perhaps a vector kernel);
 *   - an upper layer's (current_database, nextval, pg_get_indexdef, regclassin, ...): listed with
 *     LG_FUNC_EXT; fn is a trampoline to what that layer put into the instance's lg_fntable, which
 *     the session's lg_env names. Calling one that nobody registered is error 0A000;
 *   - an aggregate or a window function (kind 'a', 'w'): fn is NULL; see lg_agg. Window functions
 *     are the executor's.
 *
 * Calling: fill an lg_call once per call site, then per row set args and nulls and use
 * lg_func_call (which handles strictness). A function reports an error with lg_call_error: it sets
 * c->st, and the result is void. Results live in c->arena; state that should live as long as the
 * call site (a compiled regular expression, array metadata) in c->perm, hung on c->cache. */
#ifndef LG_TYPES_FUNC_H
#define LG_TYPES_FUNC_H

#include "env.h"
#include "type.h"
#include "vector.h"

typedef struct lg_func lg_func;
typedef lg_datum (*lg_fn)(lg_call *c);

struct lg_call {
    const lg_func *func;
    const lg_datum *args;
    const uint8_t *nulls;
    uint32_t nargs;
    bool isnull;  /* set by the function: the result is NULL */
    lg_status st; /* LG_OK until the function reports an error */
    const lg_oid
        *argtypes;  /* the actual types (polymorphic functions need them); NULL = declared */
    lg_oid rettype; /* the actual result type; 0 = declared */
    const struct lg_row_type *columns; /* of a record result, where the caller says; NULL */
    lg_oid collation;
    lg_env *env;
    lg_error *err;
    lg_arena *arena; /* results and scratch; reset by the caller per row or batch */
    lg_arena *perm;  /* lives as long as the call site */
    void *cache;     /* the function's own, in perm; starts NULL */
    void *site;      /* the caller's own */
};

/* Vector kernel: results for the selected rows into ret (whose v and null have room). Arguments
 * may be constant. Returns LG_OK or c->st. */
typedef lg_status (*lg_kernel)(lg_call *c, const lg_vector *const *args, const uint16_t *sel,
                               uint32_t n, lg_vector *ret);

/* Set-returning functions: open once per call, then next until LG_END. A function with OUT
 * columns (n_out > 0) fills ret_values[0..n_out-1], else one value. State lives in c->arena, which
 * must not be reset in between. */
typedef struct lg_srf {
    lg_status (*open)(lg_call *c, void **ret_state);
    lg_status (*next)(lg_call *c, void *state, lg_datum *ret_values, uint8_t *ret_nulls);
} lg_srf;

#define LG_FUNC_STRICT    1u
#define LG_FUNC_RETSET    2u
#define LG_FUNC_EXT       4u /* an upper layer's */
#define LG_FUNC_LEAKPROOF 8u
#define LG_FUNC_USER      16u /* made by a user: core/catalog's lg_proc */

struct lg_func {
    lg_oid oid;
    const char *name;
    lg_oid result;
    const lg_oid *args; /* input arguments */
    uint16_t nargs;
    uint16_t ndefaults;   /* trailing arguments with a default */
    const char *defaults; /* their expressions, comma-separated, or NULL */
    lg_oid variadic;      /* element type when the last argument is VARIADIC; 0 if none */
    char kind;            /* f function, a aggregate, w window, p procedure */
    char volatility;      /* i, s, v */
    uint16_t flags;       /* LG_FUNC_* */
    uint16_t index;       /* position in the table: lg_func_at(index) */
    const char *argnames; /* all arguments' names (IN then OUT), comma-separated, or NULL */
    uint16_t n_out;       /* OUT or TABLE columns of a record result */
    const lg_oid *out_types;
    lg_fn fn;
    lg_kernel kernel;  /* or NULL: lg_func_call_vector loops */
    const lg_srf *srf; /* retset functions implemented here */
};

static inline bool
lg_func_strict(const lg_func *f)
{
    return f->flags & LG_FUNC_STRICT;
}
static inline bool
lg_func_retset(const lg_func *f)
{
    return f->flags & LG_FUNC_RETSET;
}

const lg_func *lg_func_get(lg_oid oid); /* NULL: none */
/* All functions of that name: an array of ret_n neighbours, sorted by OID; NULL and 0 if none. */
const lg_func *lg_func_by_name(const char *name, uint32_t *ret_n);
uint32_t lg_func_count(void);
const lg_func *lg_func_at(uint32_t i);

/* Sets up a call site: c->func, env, arenas; args to be set by the caller. */
void lg_call_init(lg_call *c, const lg_func *f, lg_env *env, lg_error *err, lg_arena *arena,
                  lg_arena *perm);
__attribute__((format(printf, 3, 4), cold)) lg_datum lg_call_error(lg_call *c, const char *sqlstate,
                                                                   const char *fmt, ...);

/* One row. After it, look at c->st, then c->isnull. */
static inline lg_datum
lg_func_call(lg_call *c)
{
    c->isnull = false;
    if (lg_func_strict(c->func))
        for (uint32_t i = 0; i < c->nargs; i++)
            if (c->nulls[i]) {
                c->isnull = true;
                return 0;
            }
    return c->func->fn(c);
}

/* A batch: the kernel if there is one, else a loop over the selected rows. */
LG_MUST lg_status lg_func_call_vector(lg_call *c, const lg_vector *const *args, uint32_t nargs,
                                      const uint16_t *sel, uint32_t n, lg_vector *ret);

/* Implementations by upper layers, one table per instance. */
lg_fntable *lg_fntable_create(void);
void lg_fntable_destroy(lg_fntable *t);
void lg_fntable_set(lg_fntable *t, lg_oid func, lg_fn fn);
void lg_fntable_set_srf(lg_fntable *t, lg_oid func, const lg_srf *srf);
lg_fn lg_fntable_get(const lg_fntable *t, const lg_func *f);
const lg_srf *lg_fntable_get_srf(const lg_fntable *t, const lg_func *f); /* or f->srf */

/* --- operators --- */
typedef struct lg_operator {
    lg_oid oid;
    const char *name;
    lg_oid left; /* 0: prefix operator */
    lg_oid right;
    lg_oid result;
    lg_oid func;
    lg_oid commutator; /* 0 if none, as below */
    lg_oid negator;
    bool can_merge;
    bool can_hash;
} lg_operator;

const lg_operator *lg_operator_get(lg_oid oid);
const lg_operator *lg_operator_by_name(const char *name, uint32_t *ret_n); /* neighbours */
/* Exact argument types; NULL if none. */
const lg_operator *lg_operator_find(const char *name, lg_oid left, lg_oid right);
uint32_t lg_operator_count(void);
const lg_operator *lg_operator_at(uint32_t i);

/* --- casts --- */
typedef struct lg_cast {
    lg_oid oid;
    lg_oid source;
    lg_oid target;
    lg_oid func;  /* 0 unless method is 'f' */
    char context; /* i implicit, a assignment, e explicit */
    char method;  /* f function, b binary coercible, i input/output */
} lg_cast;

/* pg_cast's rows only; a cast with source = target applies a typmod (func(value, typmod,
 * explicit)). Not listed, as in PostgreSQL: text types to and from anything by I/O; arrays by
 * element. */
const lg_cast *lg_cast_find(lg_oid source, lg_oid target);
uint32_t lg_cast_count(void);
const lg_cast *lg_cast_at(uint32_t i);

/* --- aggregates --- */
/* State of one group: state_size bytes, zeroed by the caller, then init. State that grows hangs
 * off it in c->perm, which the executor sets to the group arena. step skips rows with a NULL
 * argument itself where the aggregate ignores NULLs. */
typedef struct lg_agg {
    lg_oid func; /* the pg_proc OID, kind 'a' */
    uint16_t state_size;
    void (*init)(lg_call *c, void *state); /* or NULL: zeroed is right */
    void (*step)(lg_call *c, void *state); /* c->args, c->nulls; errors in c->st */
    /* Every selected row into one state; NULL: loop over step. */
    lg_status (*step_one)(lg_call *c, void *state, const lg_vector *const *args,
                          const uint16_t *sel, uint32_t n);
    void (*merge)(lg_call *c, void *state, const void *other); /* NULL: cannot be split */
    lg_datum (*final)(lg_call *c, void *state);                /* c->isnull */
    /* Moving windows: takes one row back; NULL if it cannot. */
    void (*unstep)(lg_call *c, void *state);
} lg_agg;

const lg_agg *lg_agg_get(lg_oid func); /* NULL: not implemented */
/* pg_aggregate.aggkind: 'n' plain, 'o' ordered-set, 'h' hypothetical-set; these two are the
 * executor's. *ret_direct (may be NULL): aggnumdirectargs, arguments outside WITHIN GROUP. */
char lg_agg_kind(lg_oid func, uint16_t *ret_direct);
/* min/max of the column's order can be had from an index: the operator (< or >), or 0. */
lg_oid lg_agg_sort_operator(lg_oid func);
/* Every selected row into one state, by step_one or a loop. */
LG_MUST lg_status lg_agg_step_vector(lg_call *c, const lg_agg *agg, void *state,
                                     const lg_vector *const *args, uint32_t nargs,
                                     const uint16_t *sel, uint32_t n);
/* Row sel[i] into states[i] (grouped). */
LG_MUST lg_status lg_agg_step_groups(lg_call *c, const lg_agg *agg, void *const *states,
                                     const lg_vector *const *args, uint32_t nargs,
                                     const uint16_t *sel, uint32_t n);

/* What an executor collected itself: count(*) and count(x); sum and avg of numerics (n values whose
 * sum is sum / 10^scale, scale the greatest of theirs). */
void lg_agg_count_add(void *state, int64_t n);
void lg_agg_numeric_add(lg_call *c, void *state, __int128 sum, int scale, int64_t n);
/* Has nothing been added to the state of sum or avg of numerics? */
bool lg_agg_numeric_empty(const void *state);

/* --- access method facts: opclass, amop, amproc --- */
typedef struct lg_opclass {
    lg_oid oid;
    lg_oid am; /* 403 btree, 405 hash */
    const char *name;
    lg_oid family;
    lg_oid intype;
    bool is_default;
    lg_oid keytype;
} lg_opclass;

typedef struct lg_amop {
    lg_oid oid;
    lg_oid family;
    lg_oid left;
    lg_oid right;
    int16_t strategy; /* btree: 1 <, 2 <=, 3 =, 4 >=, 5 >; hash: 1 = */
    lg_oid operator;
    lg_oid am;
} lg_amop;

#define LG_AM_BTREE 403u
#define LG_AM_HASH  405u

const lg_opclass *lg_opclass_get(lg_oid oid);
const lg_opclass *lg_opclass_default(lg_oid am, lg_oid type); /* NULL if none; binary-coercible
                                                      types (varchar) find their base's */
const lg_opclass *lg_opclass_by_name(lg_oid am, const char *name);
uint32_t lg_opclass_count(void);
const lg_opclass *lg_opclass_at(uint32_t i);
uint32_t lg_amop_count(void);
const lg_amop *lg_amop_at(uint32_t i);
/* The operator's strategy in the family; 0 if it is not a member. */
int lg_amop_strategy(lg_oid family, lg_oid operator);
/* The family's operator for a strategy and argument types; 0 if none. */
lg_oid lg_amop_operator(lg_oid family, lg_oid left, lg_oid right, int strategy);
/* The default equality and ordering operators of a type (0 if none), as GROUP BY, DISTINCT and
 * ORDER BY need them. Arrays answer with the anyarray operators. */
lg_oid lg_type_eq_operator(lg_oid type);
lg_oid lg_type_lt_operator(lg_oid type);
lg_oid lg_type_gt_operator(lg_oid type);

#endif
