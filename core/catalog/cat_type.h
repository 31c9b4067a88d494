/* Types as the dictionary knows them: lookups by name and OID, descriptors of user-made ones
 * (usertype.h). Descriptors live in the session's type cache: until the transaction ends, whatever
 * others change meanwhile. All may block. */
#ifndef LG_CATALOG_CAT_TYPE_H
#define LG_CATALOG_CAT_TYPE_H

#include "catalog.h"
#include "usertype.h"

/* LG_NOT_FOUND: no such type, or not of that kind. */
LG_MUST lg_status lg_cat_enum_type(lg_cat *c, lg_oid oid, const lg_enum_type **ret);
LG_MUST lg_status lg_cat_row_type(lg_cat *c, lg_oid oid, const lg_row_type **ret);

typedef struct lg_cat_check {
    lg_oid oid;
    const char *name;
    const char *sql; /* over VALUE */
} lg_cat_check;

typedef struct lg_cat_domain {
    lg_domain_type type;
    bool not_null;
    uint32_t nchecks; /* those of domains below come first; by name within one domain */
    const lg_cat_check *checks;
} lg_cat_domain;

LG_MUST lg_status lg_cat_domain_type(lg_cat *c, lg_oid oid, const lg_cat_domain **ret);

/* Name and schema of any type. Would the bare name find it? */
LG_MUST lg_status lg_cat_type_names(lg_cat *c, lg_oid oid, lg_arena *a, const char **ret_schema,
                                    const char **ret_name, bool *ret_visible);

#endif
