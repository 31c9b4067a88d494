/* Functions and procedures made by users: rows of lg_proc (pg_proc's columns and a signature that is
 * unique with name and schema), as descriptors that bind, plan and exec use like those of built-in
 * functions. pg_proc shows both.
 *
 * A descriptor lives in the arena that the caller gives, as long as what was bound with it. Every
 * lookup notes LG_DEP_PROC_NAME, so that a plan goes when a function of that name is made, replaced
 * or dropped. They may block. */
#ifndef LG_CATALOG_CAT_PROC_H
#define LG_CATALOG_CAT_PROC_H

#include "catalog.h"
#include "func.h"

#define LG_LANG_SQL 14

typedef struct lg_proc {
    lg_func func; /* flags has LG_FUNC_USER */
    lg_oid nsp;
    const char *schema;
    lg_oid owner;
    lg_datum acl;     /* aclitem[]; 0: the default */
    bool secdef;      /* SECURITY DEFINER */
    bool parsed_body; /* BEGIN ATOMIC or RETURN: `body` is the statements that it stands for */
    const char *body;
    uint32_t nconfig; /* SET clauses, "name=value" */
    const char *const *config;
    uint32_t nall; /* all parameters in order, with their modes i o b v t, and names ("": none) */
    const lg_oid *all_types;
    const char *modes;
    const char *const *names;
    const char *const *in_names; /* of the nargs input parameters */
    const char *out_name;        /* of the only OUT parameter; NULL */
    char parallel;
    float cost, rows;
    uint32_t path; /* which schema of the search path it was found in; 0: named by its schema */
} lg_proc;

static inline const lg_proc *
lg_proc_of(const lg_func *f)
{
    return (const lg_proc *)(const void *)f; /* func is the first member */
}

/* All of that name: in the schema, or in those of the search path; "#oid" (stored texts name them so)
 * is the one of that OID. LG_NOT_FOUND: no such schema. */
LG_MUST lg_status lg_cat_procs(lg_cat *c, const char *schema, const char *name, lg_arena *a,
                               lg_proc ***ret, uint32_t *ret_n);
LG_MUST lg_status lg_cat_proc(lg_cat *c, lg_oid oid, lg_arena *a, lg_proc **ret);
/* Would the name and these argument types, unqualified, find this very function? */
LG_MUST lg_status lg_cat_proc_visible(lg_cat *c, const lg_proc *p, bool *ret);
/* How calls are run: exec's, told once. */
void lg_catalog_proc_calls(lg_catalog *cat, lg_fn fn, const lg_srf *srf);

#endif
