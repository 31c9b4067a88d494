/* Collations as the dictionary knows them: those built in (collate.h), in pg_catalog, and those that
 * users made: rows of lg_collation, which has pg_collation's columns. pg_collation shows both.
 *
 * Reading a user's tells core/types its locale (lg_collation_add). All may block. */
#ifndef LG_CATALOG_CAT_COLLATION_H
#define LG_CATALOG_CAT_COLLATION_H

#include "catalog.h"
#include "collate.h"

typedef struct lg_cat_collation {
    lg_oid oid, nsp, owner;
    const char *name, *schema;
    char provider; /* 'd', 'c', 'i' */
    int32_t encoding;
    const char *collate, *ctype; /* of libc; NULL */
    const char *locale;          /* of ICU; NULL */
    const char *version;         /* NULL: none */
} lg_cat_collation;

/* What "default" orders by in a database of ICU's, as a collation of its own; 0: by bytes. Nothing
 * stored has it: LG_COLLATION_DEFAULT stands for it. */
lg_oid lg_cat_default_collation(const lg_cat *c);
/* The collation to store. */
static inline lg_oid
lg_cat_collation_stored(const lg_cat *c, lg_oid oid)
{
    return oid && oid == lg_cat_default_collation(c) ? LG_COLLATION_DEFAULT : oid;
}

/* LG_NOT_FOUND: no such collation, or (by name) no such schema. NULL schema: by the search path. */
LG_MUST lg_status lg_cat_collation_by_oid(lg_cat *c, lg_oid oid, lg_arena *a,
                                          lg_cat_collation *ret);
LG_MUST lg_status lg_cat_collation_by_name(lg_cat *c, const char *schema, const char *name,
                                           lg_arena *a, lg_cat_collation *ret);
/* Would the bare name find it? */
LG_MUST lg_status lg_cat_collation_visible(lg_cat *c, const lg_cat_collation *k, lg_arena *a,
                                           bool *ret);

#endif
