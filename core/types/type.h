/* The table of built-in types: PostgreSQL 15's OIDs, names and pg_type facts (type.def), with
 * compare, equality, hash and text/binary conversion for each. Constant data, no life cycle.
 * Types made by users (enums, composites, domains) are the catalog's: see usertype.h. */
#ifndef LG_TYPES_TYPE_H
#define LG_TYPES_TYPE_H

#include "datum.h"
#include "error.h"
#include "type_oids.h" /* LG_T_INT4 = 23, ... */

typedef struct lg_call lg_call;
typedef struct lg_env lg_env;

/* How a value of the type is held in a datum and in a stored row. */
typedef enum lg_store {
    LG_STORE_BYVAL,   /* in the datum; `size` bytes in a row */
    LG_STORE_VARLEN,  /* lg_varlen */
    LG_STORE_FIXED,   /* pointer to `size` bytes */
    LG_STORE_CSTRING, /* char *, never stored */
    LG_STORE_NONE,    /* pseudo-types without values */
} lg_store;

typedef struct lg_type {
    lg_oid oid;
    const char *name;     /* pg_type.typname: "int4" */
    const char *sql_name; /* format_type without typmod: "integer" */
    int16_t typlen;       /* pg_type facts; Lagoon's own layout is store and size */
    bool typbyval;
    char typtype;  /* b, p, c, ... */
    char category; /* typcategory */
    bool preferred;
    char delim;
    char align;
    char storage;
    lg_oid elem;                               /* subscripting yields this; 0 if none */
    lg_oid array;                              /* its array type; 0 if none */
    lg_oid in, out, recv, send, modin, modout; /* functions */
    lg_oid collation;                          /* 100 default, 950 C (name), 0 */
    lg_store store;
    uint8_t size;
} lg_type;

/* NULL: not built in. For user-made types the facts of their class (usertype.h). */
const lg_type *lg_type_get(lg_oid oid);
const lg_type *lg_type_by_name(const char *typname);  /* pg_type.typname, "int4" */
const lg_type *lg_type_by_sql_name(const char *name); /* also "integer", "int4", "integer[]" */
uint32_t lg_type_count(void);
const lg_type *lg_type_at(uint32_t i); /* all of them, in the order of their OIDs */

/* The element type of an array, the array type of a type; 0: none. Of user-made types too. */
lg_oid lg_type_elem(lg_oid type);
lg_oid lg_type_array(lg_oid type);

static inline bool
lg_type_is_array(const lg_type *t)
{
    return (t->category == 'A' || t->elem == 2249) && t->typlen == -1; /* record[] is one too */
}

/* What format_type(oid, typmod) returns, e.g. "character varying(10)"; typmod -1 = none. In the
 * arena or static. For an unknown OID "???". */
const char *lg_type_format(lg_arena *a, lg_oid oid, int32_t typmod);

/* Compare (btree order: <0, 0, >0), equality and hash. NULL when the type has none (json, xid has
 * only equality and hash). Equal values have equal hashes. */
typedef int (*lg_compare_fn)(lg_datum a, lg_datum b);
typedef bool (*lg_equal_fn)(lg_datum a, lg_datum b);
typedef uint64_t (*lg_hash_fn)(lg_datum d);
lg_compare_fn lg_type_compare_fn(lg_oid oid);
lg_equal_fn lg_type_equal_fn(lg_oid oid);
lg_hash_fn lg_type_hash_fn(lg_oid oid);

/* Copies a value into the arena (by-value ones are returned as they are). */
lg_datum lg_datum_copy(lg_oid type, lg_datum d, lg_arena *a);
/* Bytes behind the datum (0 for by-value): for memory accounting and spilling. */
size_t lg_datum_size(lg_oid type, lg_datum d);

/* Text and binary conversion with the environment's DateStyle, time zone etc. `arena` gets the
 * result; on failure err says why (22P02, 22003, 22008, ...). Input applies typmod only as the
 * type's input function does (as COPY and literals need it). Arrays go by their element type. */
LG_MUST lg_status lg_type_input(const lg_env *env, lg_oid type, const char *s, int32_t typmod,
                                lg_arena *arena, lg_error *err, lg_datum *ret);
LG_MUST lg_status lg_type_output(const lg_env *env, lg_oid type, lg_datum d, lg_arena *arena,
                                 lg_error *err, const char **ret, size_t *ret_len);
/* Is the binary form text, too, of the client's encoding? */
bool lg_type_sends_text(lg_oid type);
LG_MUST lg_status lg_type_recv(const lg_env *env, lg_oid type, const void *data, size_t len,
                               int32_t typmod, lg_arena *arena, lg_error *err, lg_datum *ret);
LG_MUST lg_status lg_type_send(const lg_env *env, lg_oid type, lg_datum d, lg_arena *arena,
                               lg_error *err, const char **ret, size_t *ret_len);

#endif
