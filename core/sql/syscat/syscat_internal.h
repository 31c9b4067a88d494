/* Functions that need the catalog or the session: what the syscat_*.c files share. Each file
 * registers its own by name: all overloads get the same implementation, which looks at nargs. */
#ifndef LG_SYSCAT_INTERNAL_H
#define LG_SYSCAT_INTERNAL_H

#include "catalog_admin.h"
#include "syscat.h"
#include "func.h"

static inline lg_exec_session *
lg_fx_session(const lg_call *c)
{
    return (lg_exec_session *)c->env->session;
}

static inline lg_datum
lg_fx_null(lg_call *c)
{
    c->isnull = true;
    return 0;
}

/* A failed status as the call's result. */
static inline lg_datum
lg_fx_fail(lg_call *c, lg_status st)
{
    c->st = st;
    c->isnull = true;
    return 0;
}

static inline lg_datum
lg_fx_text(lg_call *c, const char *s)
{
    return lg_datum_cstring_text(c->arena, s);
}

typedef struct lg_fx_entry {
    const char *name;
    lg_fn fn;
} lg_fx_entry;

void lg_fx_register(lg_fntable *t, const lg_fx_entry *list, size_t n);
void lg_fx_register_reg(lg_fntable *t);
void lg_fx_register_defs(lg_fntable *t);
void lg_fx_register_acl(lg_fntable *t);
void lg_fx_register_sys(lg_fntable *t);
void lg_fx_register_proc(lg_fntable *t);
void lg_fx_register_describe(lg_fntable *t);
void lg_fx_register_identify(lg_fntable *t);
void lg_fx_register_props(lg_fntable *t);
/* "f(integer)" or "f": its OID; LG_NOT_FOUND. */
lg_status lg_fx_procedure_by_text(lg_call *c, const char *text, lg_oid *ret);

/* A possibly qualified name ("public"."T", a.b) into its parts, folded and unquoted. False: 42602
 * is reported. */
bool lg_fx_split_name(lg_call *c, const char *text, const char *ret_parts[3], int *ret_n);
/* A relation by its text as regclass takes it; LG_NOT_FOUND when there is none. */
lg_status lg_fx_relation_by_text(lg_call *c, const char *text, lg_relation **ret_rel);
/* The relation's name, with its schema when it is not visible; quoted. */
lg_status lg_fx_relation_name(lg_call *c, lg_oid oid, bool always_schema, const char **ret_name);

/* As pg_get_expr and pg_get_indexdef give them. */
lg_status lg_fx_expression_text(lg_call *c, const char *stored, lg_relation *rel,
                                const char **ret_text);
const char *lg_fx_index_text(lg_call *c, lg_relation *rel, const lg_index *ix, bool pretty);

/* Would the bare name find the function? For lg_deparse; arg is the lg_call. */
bool lg_fx_proc_visible(void *arg, const struct lg_proc *p);
/* pg_get_viewdef without the semicolon. */
const char *lg_fx_view_text(lg_call *c, const lg_relation *rel, bool pretty);

#endif
