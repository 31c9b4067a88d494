/* Records: rows as values. A varlen whose payload is {u32 type, u16 fields, u16 bytes of names, the
 * fields' type OIDs, their names each ending in NUL, the fields as lg_row_encode writes them}.
 * `type` is LG_T_RECORD or a composite type, whose names are the catalog's: then none are stored.
 * Self-describing: comparison, hashing and output need nothing else. */
#ifndef LG_TYPES_RECORD_H
#define LG_TYPES_RECORD_H

#include "usertype.h"

typedef struct lg_record {
    lg_oid type;
    uint32_t n;
    lg_oid *types;
    lg_datum *values; /* by-reference ones point into the record */
    uint8_t *nulls;
    const char **names; /* NULL: none stored */
} lg_record;

#define LG_RECORD_MAX 1664u

/* names may be NULL. A field of type unknown is stored as text. */
lg_datum lg_record_pack(lg_arena *a, lg_oid type, uint32_t n, const lg_oid *types,
                        const lg_datum *values, const uint8_t *nulls, const char *const *names);
void lg_record_unpack(lg_datum record, lg_arena *a, lg_record *ret);
/* The names of the fields: stored ones, the composite type's, or f1, f2, ... */
LG_MUST lg_status lg_record_names(const lg_env *env, const lg_record *r, lg_arena *a, lg_error *err,
                                  const char *const **ret);
/* By the fields' btree orders, nulls last; asserts nothing about the types: unlike ones compare by
 * their OIDs (the operators report 42804 first). */
int lg_record_compare(lg_datum a, lg_datum b);
uint64_t lg_record_hash(lg_datum d);

#endif
