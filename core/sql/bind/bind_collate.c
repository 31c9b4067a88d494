/* Collations of expressions, as PostgreSQL's parse_collate.c: a column's is implicit, COLLATE's is
 * explicit; explicit beats implicit, another beats the default; two explicit ones are an error, two
 * implicit ones leave it open, which is an error only for who needs one. */
#include "bind_internal.h"
#include "collate.h"
#include <string.h>

typedef enum strength { NONE, IMPLICIT, CONFLICT, EXPLICIT } strength;

typedef struct state {
    lg_oid coll;
    strength s;
    int32_t loc;
    lg_oid other; /* explicit mismatch: the other one; 0: none */
} state;

static void
merge(state *to, const state *x)
{
    if (x->other && !to->other)
        *to = *x;
    if (to->other)
        return;
    if (x->s > to->s) {
        *to = *x;
    } else if (x->s == to->s && x->coll != to->coll && x->s == IMPLICIT) {
        if (to->coll == LG_COLLATION_DEFAULT)
            *to = *x;
        else if (x->coll != LG_COLLATION_DEFAULT)
            to->s = CONFLICT;
    } else if (x->s == to->s && x->coll != to->coll && x->s == EXPLICIT) {
        to->other = x->coll;
        to->loc = x->loc;
    }
}

static lg_oid
type_collation(lg_oid type)
{
    const lg_type *t = lg_type_get(type);
    return t ? t->collation : 0;
}

static state
state_of(const lg_expr *e)
{
    state r = {.loc = e->loc};
    if (e->kind == LG_EX_RELABEL && e->form == LG_FORM_SQL) {
        r.coll = e->collation;
        r.s = EXPLICIT;
        return r;
    }
    if (e->kind == LG_EX_DOMAIN && e->collation && e->collation != LG_COLLATION_DEFAULT) {
        r.coll = e->collation; /* the domain's own */
        r.s = IMPLICIT;
        return r;
    }
    bool leaf = e->kind == LG_EX_VAR || e->kind == LG_EX_CONST || e->kind == LG_EX_PARAM ||
                e->kind == LG_EX_SUBLINK || e->kind == LG_EX_AGG || e->kind == LG_EX_WINDOW;
    for (uint32_t i = 0; !leaf && i < e->nargs; i++)
        if (e->kind != LG_EX_CASE || (i & 1) != e->has_arg || i + 1 == e->nargs) {
            state x = state_of(e->args[i]);
            merge(&r, &x);
        }
    lg_oid own = type_collation(e->type);
    if (r.other || (own && r.s))
        return r;
    if (!own)
        return (state){.loc = e->loc};
    r.coll = leaf && e->collation ? e->collation : own;
    r.s = IMPLICIT;
    r.loc = e->loc;
    return r;
}

static const char *
name_of(lg_bind *b, lg_oid coll)
{
    const lg_collation *k = lg_collation_get(coll);
    const char *name = k ? k->name : "?";
    if (!k && b->catalog.collation_name &&
        b->catalog.collation_name(b->catalog.arg, coll, b->arena, &name) != LG_OK)
        name = "?";
    return name;
}

static lg_status
mismatch(lg_bind *b, const state *r)
{
    return lg_bind__error(b, r->loc, "42P21",
                          "collation mismatch between explicit collations \"%s\" and \"%s\"",
                          name_of(b, r->coll), name_of(b, r->other));
}

static bool
compares_text(const lg_expr *e)
{
    return e->func.op && e->type == LG_T_BOOL && e->nargs == 2 &&
           type_collation(e->args[0]->type) && type_collation(e->args[1]->type) &&
           strpbrk(e->func.op->name, "<>=~");
}

/* The input collation of a call whose arguments are there, and the result's. */
lg_status
lg_bind__collate(lg_bind *b, lg_expr *e)
{
    state r = {.loc = e->loc};
    for (uint32_t i = 0; i < e->nargs; i++) {
        state x = state_of(e->args[i]);
        merge(&r, &x);
    }
    if (r.other)
        return mismatch(b, &r);
    if (r.s == CONFLICT && (e->kind == LG_EX_FUNC || e->kind == LG_EX_ARRAY_OP) &&
        compares_text(e)) {
        lg_bind__error(b, -1, "42P22",
                       "could not determine which collation to use for string comparison");
        lg_error_hint(b->err, "Use the COLLATE clause to set the collation explicitly.");
        return LG_SQL;
    }
    e->incoll = r.s == CONFLICT ? 0 : r.coll;
    lg_oid own = type_collation(e->type);
    e->collation = !own ? 0 : e->incoll ? e->incoll : own;
    return LG_OK;
}

lg_status
lg_bind__collate_value(lg_bind *b, lg_expr *e)
{
    state r = state_of(e);
    if (r.other)
        return mismatch(b, &r);
    lg_oid own = type_collation(e->type);
    e->collation = !own ? 0 : r.s && r.s != CONFLICT ? r.coll : own;
    return LG_OK;
}

lg_status
lg_bind_index_collation(lg_bind *b, lg_expr *e)
{
    state r = state_of(e);
    if (r.s == CONFLICT) {
        lg_bind__error(b, -1, "42P22",
                       "could not determine which collation to use for index expression");
        lg_error_hint(b->err, "Use the COLLATE clause to set the collation explicitly.");
        return LG_SQL;
    }
    return LG_OK;
}

static void
note_collation(lg_bind *b, lg_oid oid)
{
    if (lg_collation_class_of(oid) == LG_COLLATION_BUILTIN)
        return;
    for (uint32_t i = 0; i < b->ncolls; i++)
        if (b->colls[i] == oid)
            return;
    lg_oid *more = LG_NEWN(b->arena, lg_oid, b->ncolls + 1);
    if (b->ncolls)
        memcpy(more, b->colls, b->ncolls * sizeof *more);
    more[b->ncolls++] = oid;
    b->colls = more;
}

lg_status
lg_bind_collation_name(lg_bind *b, const lg_ast_list *name, int32_t loc, lg_oid *ret)
{
    const char *s = lg_ast_list_str(name, name->n - 1);
    const char *schema = name->n > 1 ? lg_ast_list_str(name, name->n - 2) : NULL;
    const lg_collation *k = schema && strcmp(schema, "pg_catalog") ? NULL : lg_collation_by_name(s);
    lg_status st = k ? LG_OK : LG_NOT_FOUND;
    *ret = k ? k->oid : 0;
    if (b->catalog.collation)
        st = b->catalog.collation(b->catalog.arg, schema, s, b->arena, ret);
    if (st != LG_NOT_FOUND) {
        LG_TRY(st);
        note_collation(b, *ret);
        return LG_OK;
    }
    lg_oid nsp;
    if (schema && b->catalog.namespace_by_name &&
        b->catalog.namespace_by_name(b->catalog.arg, schema, &nsp) == LG_NOT_FOUND)
        return lg_bind__error(b, loc, "3F000", "schema \"%s\" does not exist", schema);
    return lg_bind__error(b, loc, "42704",
                          schema ? "collation \"%s.%s\" for encoding \"UTF8\" does not exist"
                                 : "collation \"%s\" for encoding \"UTF8\" does not exist",
                          schema ? schema : s, s);
}

lg_status
lg_bind__collate_clause(lg_level *l, const lg_ast_collate_clause *c, lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_oid coll;
    lg_expr *x;
    LG_TRY(lg_bind__expr(l, c->arg, &x));
    LG_TRY(lg_bind__resolve_unknown(b, &x));
    LG_TRY(lg_bind_collation_name(b, &c->collname, c->h.loc, &coll));
    if (!type_collation(x->type))
        return lg_bind__error(b, c->h.loc, "42804", "collations are not supported by type %s",
                              lg_bind__type_name(b, x->type));
    lg_expr *e = lg_expr_new(b->arena, LG_EX_RELABEL, x->type, 1);
    e->args[0] = x;
    e->typmod = x->typmod;
    e->collation = coll;
    e->form = LG_FORM_SQL;
    e->loc = c->h.loc;
    *ret = e;
    return LG_OK;
}
