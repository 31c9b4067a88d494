/* What a thing made from the dictionary depends on, and whether that still is as it was.
 *
 * A plan (a resolved search path, a list of roles) is made between lg_cat_deps_begin and _end; each
 * lookup in between notes the object it asked for. Later lg_cat_deps_good says whether any of them
 * has changed since. The model is at the head of catalog_deps.c.
 *
 * BLOCKS  only lg_cat_refresh. OWNERSHIP  an lg_cat_deps is its owner's: zeroed, and lg_cat_deps_fini.
 */
#ifndef LG_CATALOG_CATALOG_DEPS_H
#define LG_CATALOG_CATALOG_DEPS_H

#include "catalog.h"

typedef enum lg_dep_class {
    LG_DEP_ALL,            /* everything */
    LG_DEP_RELATION,       /* by OID */
    LG_DEP_RELATION_NAME,  /* by lg_dep_name: in whatever schema */
    LG_DEP_NAMESPACE,      /* by OID: its privileges */
    LG_DEP_NAMESPACE_NAME, /* by lg_dep_name */
    LG_DEP_ROLE,           /* by OID: attributes, and of what it is a member */
    LG_DEP_ROLE_NAME,      /* by lg_dep_name */
    LG_DEP_TYPE,           /* by OID; 0: some domain was altered or dropped */
    LG_DEP_TYPE_NAME,      /* by lg_dep_name */
    LG_DEP_DATABASE,       /* 0 */
    LG_DEP_PROC_NAME,      /* by lg_dep_name: functions made by users, in whatever schema */
} lg_dep_class;

typedef struct lg_cat_deps {
    uint64_t *keys;
    uint32_t n, cap;
    uint64_t since;   /* nothing may have changed after this; 0: never good */
    uint64_t checked; /* good as of this change */
} lg_cat_deps;

uint32_t lg_dep_name(const char *name);

/* Brings the instance's dictionary up to date: after it every change whose commit was acknowledged
 * before the call, on any instance, is applied. Costs nothing while nobody changes anything. */
LG_MUST lg_status lg_cat_refresh(lg_cat *c);

/* One at a time for a session; after lg_cat_refresh. */
void lg_cat_deps_begin(lg_cat *c, lg_cat_deps *d);
void lg_cat_deps_end(lg_cat *c);
/* Another one for a while: gives the one that was in use, or NULL. */
lg_cat_deps *lg_cat_deps_swap(lg_cat *c, lg_cat_deps *d);
/* For those who read catalog tables themselves. */
void lg_cat_depend(lg_cat *c, lg_dep_class cls, uint32_t id);
bool lg_cat_deps_good(const lg_cat *c, lg_cat_deps *d);
void lg_cat_deps_spoil(lg_cat_deps *d);
void lg_cat_deps_fini(lg_cat_deps *d);
/* Moves when this session's own transaction changes the catalog, or its user or path changes. */
uint64_t lg_cat_own_generation(const lg_cat *c);

#endif
