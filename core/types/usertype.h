/* Types made by users: enums, composites (and the row types of tables), domains.
 *
 * core/types knows no catalog, so an OID of such a type says what kind it is: the upper four bits
 * are an lg_usertype_class, the lower 28 the number that the catalog gave. From the class follows
 * everything that storing, copying, comparing and hashing need; lg_type_get answers with the facts
 * of the class (its `elem` and `array` are not those of the type: see lg_type_elem, lg_type_array).
 * An array type has the number of its element type and the class after it; the row type of a
 * relation has the relation's number.
 *
 * VALUES  an enum value is its sort order (enumsortorder as an ordered 32-bit number) in the upper
 * half and the OID of its pg_enum row in the lower, by value: it orders itself. A composite value
 * is a record (record.h). A value of a domain is a value of its base type: expressions and columns
 * have the base type, the domain is only met where values are made (lg_usertypes.domain_check).
 *
 * Names and labels come from the upper layer through lg_env.user. */
#ifndef LG_TYPES_USERTYPE_H
#define LG_TYPES_USERTYPE_H

#include "env.h"
#include "type.h"

#define LG_USERTYPE_SHIFT 28
#define LG_USERTYPE_MASK  0x0fffffffu

typedef enum lg_usertype_class {
    LG_UT_NONE, /* built in */
    LG_UT_ENUM,
    LG_UT_ENUM_ARRAY,
    LG_UT_ROW,
    LG_UT_ROW_ARRAY,
    LG_UT_DOMAIN,
    LG_UT_DOMAIN_ARRAY
} lg_usertype_class;

static inline lg_usertype_class
lg_usertype_of(lg_oid type)
{
    return (lg_usertype_class)(type >> LG_USERTYPE_SHIFT);
}
static inline lg_oid
lg_usertype_number(lg_oid type)
{
    return type & LG_USERTYPE_MASK;
}
static inline lg_oid
lg_usertype_oid(lg_usertype_class k, lg_oid number)
{
    return (lg_oid)k << LG_USERTYPE_SHIFT | number;
}
static inline bool
lg_usertype_is_domain(lg_oid type)
{
    return lg_usertype_of(type) == LG_UT_DOMAIN || lg_usertype_of(type) == LG_UT_DOMAIN_ARRAY;
}

typedef struct lg_enum_label {
    lg_oid oid;
    float order;
    const char *name;
} lg_enum_label;

typedef struct lg_enum_type {
    lg_oid oid;
    const char *name;
    uint32_t n;
    const lg_enum_label *labels; /* in their order */
} lg_enum_type;

typedef struct lg_row_field {
    const char *name;
    lg_oid type; /* what values have: a domain's base */
    int32_t typmod;
    lg_oid domain; /* 0: none */
    lg_oid collation;
} lg_row_field;

/* Fields that were dropped are not there; those added come last: a stored value may have fewer
 * fields than its type, the rest are NULL. */
typedef struct lg_row_type {
    lg_oid oid; /* 0: columns named in a statement */
    const char *name;
    uint32_t n;
    const lg_row_field *fields;
} lg_row_type;

typedef struct lg_domain_type {
    lg_oid oid;
    const char *name;
    lg_oid declared; /* what it was made over: perhaps another domain */
    lg_oid base;     /* never a domain */
    int32_t typmod;
    lg_oid collation;
    const char *default_sql; /* NULL: none */
} lg_domain_type;

/* What upper layers provide. Descriptors are made in the arena or live longer. LG_NOT_FOUND: no
 * such type (dropped). All may block. */
struct lg_usertypes {
    lg_status (*enum_type)(const lg_env *env, lg_oid type, lg_arena *a, const lg_enum_type **ret);
    lg_status (*row_type)(const lg_env *env, lg_oid type, lg_arena *a, const lg_row_type **ret);
    lg_status (*domain_type)(const lg_env *env, lg_oid type, lg_arena *a,
                             const lg_domain_type **ret);
    /* Does the value keep the domain's constraints (of an array of a domain: each element)? */
    lg_status (*domain_check)(const lg_env *env, lg_oid domain, lg_datum value, bool isnull,
                              lg_arena *a, lg_error *err);
    /* As format_type shows it: quoted, with its schema when that is not in the path. */
    const char *(*type_name)(const lg_env *env, lg_oid type, lg_arena *a);
    /* The same of a collation that a user made. NULL: there is none. */
    const char *(*collation_name)(const lg_env *env, lg_oid collation, lg_arena *a);
};

/* format_type for every type. */
const char *lg_type_name(const lg_env *env, lg_oid type, int32_t typmod, lg_arena *a);
/* LG_SQL with an error when there is no such type. */
LG_MUST lg_status lg_usertype_enum(const lg_env *env, lg_oid type, lg_arena *a, lg_error *err,
                                   const lg_enum_type **ret);
LG_MUST lg_status lg_usertype_row(const lg_env *env, lg_oid type, lg_arena *a, lg_error *err,
                                  const lg_row_type **ret);
LG_MUST lg_status lg_usertype_domain(const lg_env *env, lg_oid type, lg_arena *a, lg_error *err,
                                     const lg_domain_type **ret);
/* The type that values have: a domain's base, else type itself. */
LG_MUST lg_status lg_usertype_base(const lg_env *env, lg_oid type, lg_arena *a, lg_error *err,
                                   lg_oid *ret, int32_t *ret_typmod);

lg_datum lg_enum_datum(const lg_enum_label *l);
static inline lg_oid
lg_enum_oid(lg_datum d)
{
    return (lg_oid)d;
}
const lg_enum_label *lg_enum_by_name(const lg_enum_type *t, const char *name);

#endif
