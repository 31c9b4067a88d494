/* Assignment to a part of a column: UPDATE t SET a[2] = ..., c.f = ...; INSERT INTO t (c.f). The new
 * value of the column is its old one with the part replaced. */
#include "bind_copy.h"
#include "bind_internal.h"
#include <string.h>

typedef struct path {
    lg_level *l;
    const char *column;
    const lg_ast_list *steps;
    int32_t loc;
    lg_expr **leaf; /* the value as the part's type */
} path;

static lg_status
mismatch(lg_bind *b, int32_t loc, lg_oid want, lg_oid have, const char *name, bool subscripted)
{
    lg_bind__error(b, loc, "42804",
                   subscripted ? "subscripted assignment to \"%s\" requires type %s but expression "
                                 "is of type %s"
                               : "subfield \"%s\" is of type %s but expression is of type %s",
                   name, lg_bind__type_name(b, want), lg_bind__type_name(b, have));
    lg_error_hint(b->err, "You will need to rewrite or cast the expression.");
    return LG_SQL;
}

static lg_status
leaf(const path *p, lg_oid type, int32_t typmod, const char *name, bool subscripted, lg_expr *value,
     lg_expr **ret)
{
    lg_oid have = value->type;
    LG_TRY(lg_bind__coerce_to(p->l->b, value, type, typmod, LG_COERCE_ASSIGNMENT, LG_FORM_IMPLICIT,
                              value->loc, ret));
    if (*ret && p->leaf)
        *p->leaf = *ret;
    return *ret ? LG_OK : mismatch(p->l->b, p->loc, type, have, name, subscripted);
}

static lg_status assign_step(const path *p, uint32_t at, lg_expr *base, const char *name,
                             lg_expr *value, lg_expr **ret);

static lg_status
assign_elements(const path *p, uint32_t at, lg_expr *base, const char *name, lg_expr *value,
                lg_expr **ret)
{
    lg_bind *b = p->l->b;
    uint32_t to = at;
    lg_expr *sub, *part;
    while (to < p->steps->n && p->steps->at[to]->tag == LG_AST_A_INDICES)
        to++;
    if (!lg_bind__element_of(base->type))
        return lg_bind__error(b, p->loc, "42804",
                              "cannot subscript type %s because it does not support subscripting",
                              lg_bind__type_name(b, base->type));
    LG_TRY(lg_bind__subscripts(p->l, base, p->steps, at, to, p->loc, &sub));
    if (to == p->steps->n)
        LG_TRY(leaf(p, sub->type, base->typmod, name, true, value, &part));
    else
        LG_TRY(assign_step(p, to, sub, name, value, &part));
    lg_expr *e = lg_expr_new(b->arena, LG_EX_ARRAY_SET, base->type, sub->nargs + 1);
    memcpy(e->args, sub->args, sub->nargs * sizeof *sub->args);
    e->args[sub->nargs] = part;
    e->is_slice = sub->is_slice;
    e->typmod = base->typmod;
    e->collation = base->collation;
    e->loc = p->loc;
    *ret = e;
    return LG_OK;
}

static lg_status
assign_field(const path *p, uint32_t at, lg_expr *base, const char *name, lg_expr *value,
             lg_expr **ret)
{
    lg_bind *b = p->l->b;
    const char *field = lg_ast_str(p->steps->at[at]);
    const lg_row_type *t;
    uint32_t k = 0;
    lg_expr *part;
    if (!field || lg_usertype_of(base->type) != LG_UT_ROW)
        return lg_bind__error(b, p->loc, "42804",
                              "cannot assign to field \"%s\" of column \"%s\" because its type %s "
                              "is not a composite type",
                              field ? field : "*", name, lg_bind__type_name(b, base->type));
    LG_TRY(lg_usertype_row(b->env, base->type, b->arena, b->err, &t));
    while (k < t->n && strcmp(t->fields[k].name, field) != 0)
        k++;
    if (k == t->n)
        return lg_bind__error(b, p->loc, "42703",
                              "cannot assign to field \"%s\" of column \"%s\" because there is no "
                              "such column in data type %s",
                              field, name, lg_bind__type_name(b, base->type));
    lg_oid declared = t->fields[k].domain ? t->fields[k].domain : t->fields[k].type;
    if (at + 1 == p->steps->n)
        LG_TRY(leaf(p, declared, t->fields[k].typmod, field, false, value, &part));
    else
        LG_TRY(assign_step(p, at + 1, lg_bind__field(b, base, t, k), field, value, &part));
    lg_expr *e = lg_expr_new(b->arena, LG_EX_ROW, base->type, t->n);
    for (uint32_t i = 0; i < t->n; i++)
        e->args[i] = i == k ? part : lg_bind__field(b, base, t, i);
    e->loc = p->loc;
    *ret = e;
    return LG_OK;
}

static lg_status
assign_step(const path *p, uint32_t at, lg_expr *base, const char *name, lg_expr *value,
            lg_expr **ret)
{
    LG_TRY(lg_bind__stack_check(p->l->b));
    if (p->steps->at[at]->tag == LG_AST_A_INDICES)
        return assign_elements(p, at, base, name, value, ret);
    return assign_field(p, at, base, name, value, ret);
}

lg_status
lg_bind__assign_part(lg_level *l, const lg_column *col, lg_expr *base, const lg_ast_list *steps,
                     int32_t loc, lg_expr *value, lg_expr **ret_leaf, lg_expr **ret)
{
    path p = {l, col->name, steps, loc, ret_leaf};
    lg_copier c = {.a = l->b->arena};
    if (value->kind == LG_EX_DEFAULT)
        return lg_bind__error(l->b, loc, "0A000",
                              steps->at[0]->tag == LG_AST_A_INDICES
                                  ? "cannot set an array element to DEFAULT"
                                  : "cannot set a subfield to DEFAULT");
    if (base->type != col->type) { /* of a domain */
        LG_TRY(lg_bind__coerce(l->b, base, col->type, -1, LG_COERCE_IMPLICIT, LG_FORM_IMPLICIT, -1,
                               &base));
    }
    return assign_step(&p, 0, lg_copy_expr(&c, base, 0), col->name, value, ret);
}
