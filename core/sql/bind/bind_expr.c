/* Expressions: PostgreSQL's parse_expr.c. */
#include "bind_internal.h"
#include <stdlib.h>
#include <string.h>

/* ---- constants and parameters ---- */

static lg_status
bind_number(lg_bind *b, const lg_ast_value *v, lg_expr **ret)
{
    char *end;
    long long x = strtoll(v->sval, &end, 10);
    size_t digits = strspn(v->sval, "-0123456789");
    if (!v->sval[digits] && !*end && digits <= 20 &&
        !(x == INT64_MAX && strcmp(v->sval, "9223372036854775807") != 0) &&
        !(x == INT64_MIN && strcmp(v->sval, "-9223372036854775808") != 0)) {
        *ret = x >= INT32_MIN && x <= INT32_MAX
                   ? lg_expr_const(b->arena, LG_T_INT4, lg_datum_int4((int32_t)x), false)
                   : lg_expr_const(b->arena, LG_T_INT8, lg_datum_int8(x), false);
        return LG_OK;
    }
    lg_datum d;
    lg_status st = lg_type_input(b->env, LG_T_NUMERIC, v->sval, -1, b->arena, b->err, &d);
    if (st != LG_OK) {
        lg_error_from_status(b->err, st);
        lg_bind__position(b, v->h.loc);
        return LG_SQL;
    }
    *ret = lg_expr_const(b->arena, LG_T_NUMERIC, d, false);
    return LG_OK;
}

static lg_status
bind_const(lg_bind *b, const lg_ast *n, lg_expr **ret)
{
    const lg_ast_value *v = lg_ast_as(n, value);
    lg_expr *e = NULL;
    switch (n->tag) {
    case LG_AST_INTEGER:
        e = lg_expr_const(b->arena, LG_T_INT4, lg_datum_int4(v->ival), false);
        break;
    case LG_AST_FLOAT:
        LG_TRY(bind_number(b, v, &e));
        break;
    case LG_AST_BOOLEAN:
        e = lg_expr_bool(b->arena, v->ival != 0);
        break;
    case LG_AST_STRING:
        e = lg_expr_const(b->arena, LG_T_UNKNOWN, lg_datum_ptr(v->sval), false);
        break;
    case LG_AST_BIT_STRING:
        e = lg_expr_const(b->arena, LG_T_BIT, 0, false);
        LG_TRY(lg_type_input(b->env, LG_T_BIT, v->sval, -1, b->arena, b->err, &e->konst.value));
        break;
    default:
        e = lg_expr_const(b->arena, LG_T_UNKNOWN, lg_datum_ptr(""), true);
        break;
    }
    e->loc = n->loc;
    *ret = e;
    return LG_OK;
}

static lg_status
bind_param(lg_bind *b, const lg_ast_param_ref *p, lg_expr **ret)
{
    uint32_t n = (uint32_t)p->number;
    if (p->number < 1 || n > 65535 || (!b->infer_params && n > b->nparams))
        return lg_bind__error(b, p->h.loc, "42P02", "there is no parameter $%d", p->number);
    if (n > b->params_cap && b->infer_params) {
        uint32_t cap = n + 8;
        lg_oid *t = LG_NEWN(b->arena, lg_oid, cap);
        if (b->nparams)
            memcpy(t, b->params, b->nparams * sizeof *t);
        b->params = t;
        b->params_cap = cap;
    }
    if (n > b->nparams)
        b->nparams = n;
    if (!b->params[n - 1])
        b->params[n - 1] = LG_T_UNKNOWN;
    lg_expr *e = lg_expr_new(b->arena, LG_EX_PARAM, b->params[n - 1], 0);
    e->param.number = p->number;
    e->loc = p->h.loc;
    *ret = e;
    return LG_OK;
}

/* ---- small helpers ---- */

int32_t
lg_bind__loc(const lg_ast *n)
{
    if (!n)
        return -1;
    switch (n->tag) {
    case LG_AST_A_EXPR: {
        int32_t l = lg_bind__loc(lg_ast_as(n, a_expr)->lexpr);
        return l >= 0 ? l : n->loc;
    }
    case LG_AST_TYPE_CAST: {
        int32_t l = lg_bind__loc(lg_ast_as(n, type_cast)->arg);
        return l >= 0 && (n->loc < 0 || l < n->loc) ? l : n->loc;
    }
    case LG_AST_BOOL_EXPR: {
        const lg_ast_bool_expr *e = lg_ast_as(n, bool_expr);
        int32_t l = e->args.n ? lg_bind__loc(e->args.at[0]) : -1;
        return l >= 0 && l < n->loc ? l : n->loc;
    }
    case LG_AST_SELECT_STMT: {
        const lg_ast_select_stmt *s = lg_ast_as(n, select_stmt);
        if (s->target_list.n)
            return lg_ast_as(s->target_list.at[0], res_target)->h.loc;
        return -1;
    }
    default:
        return n->loc;
    }
}

static bool
leftmost(const lg_expr *e, void *arg)
{
    int32_t *at = arg;
    if (e->loc >= 0 && (*at < 0 || e->loc < *at))
        *at = e->loc;
    return lg_expr_walk(e, leftmost, at);
}

int32_t
lg_bind__expr_loc(const lg_expr *e)
{
    int32_t at = -1;
    if (e)
        leftmost(e, &at);
    return at;
}

lg_status
lg_bind__resolve_unknown(lg_bind *b, lg_expr **e)
{
    if ((*e)->type != LG_T_UNKNOWN)
        return LG_OK;
    return lg_bind__coerce(b, *e, LG_T_TEXT, -1, LG_COERCE_IMPLICIT, LG_FORM_IMPLICIT, (*e)->loc,
                           e);
}

lg_status
lg_bind__bool_operand(lg_level *l, lg_expr *e, const char *what, lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_oid from = e->type;
    if (from != LG_T_BOOL) {
        LG_TRY(lg_bind__coerce_to(b, e, LG_T_BOOL, -1, LG_COERCE_ASSIGNMENT, LG_FORM_IMPLICIT,
                                  e->loc, ret));
        if (!*ret)
            return lg_bind__error(b, lg_bind__expr_loc(e), "42804",
                                  "argument of %s must be type boolean, not type %s", what,
                                  lg_bind__type_name(b, from));
    } else {
        *ret = e;
    }
    if (lg_expr_returns_set(*ret))
        return lg_bind__error(b, lg_bind__expr_loc(e), "42804",
                              "argument of %s must not return a set", what);
    return LG_OK;
}

lg_status
lg_bind__clause_expr(lg_level *l, const lg_ast *n, lg_clause clause, lg_expr **ret)
{
    lg_clause was = l->clause;
    l->clause = clause;
    lg_status st = lg_bind__expr(l, n, ret);
    l->clause = was;
    return st;
}

lg_status
lg_bind__condition(lg_level *l, const lg_ast *n, lg_clause clause, const char *what, lg_expr **ret)
{
    *ret = NULL;
    if (!n)
        return LG_OK;
    LG_TRY(lg_bind__clause_expr(l, n, clause, ret));
    return lg_bind__bool_operand(l, *ret, what, ret);
}

static void
op_name(const lg_ast_list *name, const char **ret_schema, const char **ret_name)
{
    *ret_schema = name->n > 1 ? lg_ast_list_str(name, name->n - 2) : NULL;
    *ret_name = lg_ast_list_str(name, name->n - 1);
}

lg_status
lg_bind__op(lg_level *l, const lg_ast_list *name, const char *plain, lg_expr *left, lg_expr *right,
            int32_t loc, lg_expr **ret)
{
    const char *schema = NULL;
    if (name)
        op_name(name, &schema, &plain);
    return lg_bind__make_op(l->b, schema, plain, left, right, loc, ret);
}

static lg_expr *
make_not(lg_bind *b, lg_expr *x)
{
    lg_expr *e = lg_expr_new(b->arena, LG_EX_NOT, LG_T_BOOL, 1);
    e->args[0] = x;
    return e;
}

static lg_expr *
combine(lg_bind *b, lg_expr_kind kind, lg_expr *x, lg_expr *y)
{
    if (!x || !y)
        return x ? x : y;
    if (x->kind == kind && kind == LG_EX_OR) {
        lg_expr *e = lg_expr_new(b->arena, kind, LG_T_BOOL, x->nargs + 1);
        memcpy(e->args, x->args, x->nargs * sizeof *x->args);
        e->args[x->nargs] = y;
        return e;
    }
    if (kind == LG_EX_AND)
        return lg_expr_and(b->arena, x, y);
    lg_expr *e = lg_expr_new(b->arena, kind, LG_T_BOOL, 2);
    e->args[0] = x;
    e->args[1] = y;
    return e;
}

/* ---- rows ---- */

/* (a, b) op (c, d), as the chain of comparisons that it means. */
static lg_status
row_compare(lg_level *l, const char *op, uint32_t n, lg_expr **x, lg_expr **y, int32_t loc,
            lg_expr **ret)
{
    lg_bind *b = l->b;
    if (!n)
        return lg_bind__error(b, loc, "0A000", "cannot compare rows of zero length");
    bool eq = !strcmp(op, "="), ne = !strcmp(op, "<>");
    *ret = NULL;
    if (eq || ne) {
        for (uint32_t i = 0; i < n; i++) {
            lg_expr *e;
            LG_TRY(lg_bind__make_op(b, NULL, op, x[i], y[i], loc, &e));
            *ret = combine(b, eq ? LG_EX_AND : LG_EX_OR, *ret, e);
        }
        return LG_OK;
    }
    if (strcmp(op, "<") && strcmp(op, "<=") && strcmp(op, ">") && strcmp(op, ">="))
        return lg_bind__error(b, loc, "0A000",
                              "could not determine interpretation of row comparison operator %s",
                              op);
    const char strict[2] = {op[0], 0};
    for (uint32_t i = n; i-- > 0;) {
        lg_expr *lt, *same;
        LG_TRY(lg_bind__make_op(b, NULL, i + 1 == n ? op : strict, x[i], y[i], loc, &lt));
        if (!*ret) {
            *ret = lt;
            continue;
        }
        LG_TRY(lg_bind__make_op(b, NULL, "=", x[i], y[i], loc, &same));
        *ret = combine(b, LG_EX_OR, lt, lg_expr_and(b->arena, same, *ret));
    }
    return LG_OK;
}

static lg_status
rows_op(lg_level *l, const lg_ast_list *name, const lg_expr *x, const lg_expr *y, int32_t loc,
        lg_expr **ret)
{
    const char *schema, *op;
    op_name(name, &schema, &op);
    if (x->nargs != y->nargs)
        return lg_bind__error(l->b, loc, "42601", "unequal number of entries in row expressions");
    return row_compare(l, op, x->nargs, x->args, y->args, loc, ret);
}

/* ---- operators with syntax of their own ---- */

static lg_status
bind_distinct(lg_level *l, const lg_ast_a_expr *a, lg_expr *x, lg_expr *y, lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_expr *e = NULL;
    if (x->kind == LG_EX_ROW && y->kind == LG_EX_ROW) {
        if (x->nargs != y->nargs)
            return lg_bind__error(b, a->h.loc, "42601",
                                  "unequal number of entries in row expressions");
        for (uint32_t i = 0; i < x->nargs; i++) {
            lg_expr *d, *op;
            LG_TRY(lg_bind__op(l, NULL, "=", x->args[i], y->args[i], a->h.loc, &op));
            d = lg_arena_dup(b->arena, op, sizeof *op);
            d->kind = LG_EX_DISTINCT;
            e = combine(b, LG_EX_OR, e, d);
        }
    } else {
        bool xn = x->kind == LG_EX_CONST && x->konst.isnull;
        bool yn = y->kind == LG_EX_CONST && y->konst.isnull;
        if (xn || yn) {
            e = lg_expr_new(b->arena, LG_EX_IS_NULL, LG_T_BOOL, 1);
            e->args[0] = yn ? x : y;
            LG_TRY(lg_bind__resolve_unknown(b, &e->args[0]));
            e->negated = a->kind == LG_A_AEXPR_DISTINCT;
            e->loc = a->h.loc;
            *ret = e;
            return LG_OK;
        }
        LG_TRY(lg_bind__op(l, &a->name, NULL, x, y, a->h.loc, &e));
        e->kind = LG_EX_DISTINCT;
        e->type = LG_T_BOOL;
    }
    *ret = a->kind == LG_A_AEXPR_NOT_DISTINCT ? make_not(b, e) : e;
    return LG_OK;
}

static bool
has_var(const lg_expr *e, void *arg)
{
    (void)arg;
    return (e->kind == LG_EX_VAR && e->var.up == 0) || e->kind == LG_EX_SUBLINK ||
           lg_expr_walk(e, has_var, NULL);
}

/* The constants of an IN list as one = ANY (ARRAY[...]), when they have a common type. */
static lg_status
in_array(lg_level *l, const lg_ast_a_expr *a, bool use_or, lg_expr *x, lg_expr **items, uint32_t n,
         bool *done, lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_expr **all = LG_NEWN(b->arena, lg_expr *, n + 1);
    uint32_t k = 1;
    all[0] = x;
    for (uint32_t i = 0; i < n; i++)
        if (!has_var(items[i], NULL) && items[i]->kind != LG_EX_ROW)
            all[k++] = items[i];
    if (k <= 2 || x->kind == LG_EX_ROW)
        return LG_OK;
    lg_oid t;
    LG_TRY(lg_bind__common_type(b, all, k, NULL, &t));
    if (!t || t == LG_T_RECORD || !lg_bind__array_of(t))
        return LG_OK;
    for (uint32_t i = 1; i < k; i++)
        if (!lg_bind__can_coerce(1, &all[i]->type, &t, LG_COERCE_IMPLICIT))
            return LG_OK;
    lg_expr *arr = lg_expr_new(b->arena, LG_EX_ARRAY, lg_bind__array_of(t), k - 1);
    for (uint32_t i = 1; i < k; i++)
        LG_TRY(lg_bind__coerce_common(b, all[i], t, "IN", &arr->args[i - 1]));
    const char *schema, *name;
    op_name(&a->name, &schema, &name);
    arr->loc = a->h.loc;
    LG_TRY(lg_bind__array_op(b, schema, name, use_or, x, arr, a->h.loc, ret));
    for (uint32_t i = 0; i < n; i++)
        done[i] = !has_var(items[i], NULL) && items[i]->kind != LG_EX_ROW;
    return LG_OK;
}

static lg_status
bind_in(lg_level *l, const lg_ast_a_expr *a, lg_expr **ret)
{
    lg_bind *b = l->b;
    const lg_ast_list *list = &lg_ast_as(a->rexpr, list_node)->list;
    bool use_or = strcmp(lg_ast_list_str(&a->name, a->name.n - 1), "<>") != 0;
    lg_expr *x, **items = LG_NEWN(b->arena, lg_expr *, list->n + 1);
    bool *done = LG_NEWN(b->arena, bool, list->n + 1);
    LG_TRY(lg_bind__expr(l, a->lexpr, &x));
    for (uint32_t i = 0; i < list->n; i++)
        LG_TRY(lg_bind__expr(l, list->at[i], &items[i]));
    *ret = NULL;
    LG_TRY(in_array(l, a, use_or, x, items, list->n, done, ret));
    for (uint32_t i = 0; i < list->n; i++) {
        lg_expr *e;
        if (done[i])
            continue;
        if (x->kind == LG_EX_ROW && items[i]->kind == LG_EX_ROW)
            LG_TRY(rows_op(l, &a->name, x, items[i], a->h.loc, &e));
        else
            LG_TRY(lg_bind__op(l, &a->name, NULL, x, items[i], a->h.loc, &e));
        LG_TRY(lg_bind__bool_operand(l, e, "IN", &e));
        *ret = combine(b, use_or ? LG_EX_OR : LG_EX_AND, *ret, e);
    }
    return LG_OK;
}

static lg_status
bind_between(lg_level *l, const lg_ast_a_expr *a, lg_expr **ret)
{
    lg_bind *b = l->b;
    const lg_ast_list *list = &lg_ast_as(a->rexpr, list_node)->list;
    lg_expr *x, *lo, *hi, *e1, *e2, *e3, *e4;
    LG_TRY(lg_bind__expr(l, a->lexpr, &x));
    LG_TRY(lg_bind__expr(l, list->at[0], &lo));
    LG_TRY(lg_bind__expr(l, list->at[1], &hi));
    bool not = a->kind == LG_A_AEXPR_NOT_BETWEEN || a->kind == LG_A_AEXPR_NOT_BETWEEN_SYM;
    bool sym = a->kind == LG_A_AEXPR_BETWEEN_SYM || a->kind == LG_A_AEXPR_NOT_BETWEEN_SYM;
    const char *op1 = not ? "<" : ">=", *op2 = not ? ">" : "<=";
    lg_expr_kind in = not ? LG_EX_OR : LG_EX_AND, out = not ? LG_EX_AND : LG_EX_OR;
    LG_TRY(lg_bind__op(l, NULL, op1, x, lo, a->h.loc, &e1));
    LG_TRY(lg_bind__op(l, NULL, op2, x, hi, a->h.loc, &e2));
    *ret = combine(b, in, e1, e2);
    if (sym) {
        LG_TRY(lg_bind__op(l, NULL, op1, x, hi, a->h.loc, &e3));
        LG_TRY(lg_bind__op(l, NULL, op2, x, lo, a->h.loc, &e4));
        *ret = combine(b, out, *ret, combine(b, in, e3, e4));
    }
    (*ret)->loc = a->h.loc;
    return LG_OK;
}

static lg_status bind_row_sublink(lg_level *l, const lg_ast_a_expr *a, lg_expr **ret);

static lg_status
bind_a_expr(lg_level *l, const lg_ast_a_expr *a, lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_expr *x = NULL, *y = NULL;
    const char *schema, *name;
    if (a->kind == LG_A_AEXPR_IN)
        return bind_in(l, a, ret);
    if (a->kind >= LG_A_AEXPR_BETWEEN)
        return bind_between(l, a, ret);
    if (a->kind == LG_A_AEXPR_OP && a->lexpr && a->lexpr->tag == LG_AST_ROW_EXPR && a->rexpr &&
        a->rexpr->tag == LG_AST_SUB_LINK &&
        lg_ast_as(a->rexpr, sub_link)->sub_link_type == LG_A_EXPR_SUBLINK)
        return bind_row_sublink(l, a, ret);
    if (a->lexpr)
        LG_TRY(lg_bind__expr(l, a->lexpr, &x));
    LG_TRY(lg_bind__expr(l, a->rexpr, &y));
    op_name(&a->name, &schema, &name);
    switch (a->kind) {
    case LG_A_AEXPR_OP_ANY:
    case LG_A_AEXPR_OP_ALL:
        return lg_bind__array_op(b, schema, name, a->kind == LG_A_AEXPR_OP_ANY, x, y, a->h.loc,
                                 ret);
    case LG_A_AEXPR_DISTINCT:
    case LG_A_AEXPR_NOT_DISTINCT:
        return bind_distinct(l, a, x, y, ret);
    case LG_A_AEXPR_NULLIF:
        LG_TRY(lg_bind__op(l, &a->name, NULL, x, y, a->h.loc, ret));
        (*ret)->kind = LG_EX_NULLIF;
        (*ret)->type = (*ret)->args[0]->type;
        (*ret)->typmod = (*ret)->args[0]->typmod;
        (*ret)->collation = (*ret)->args[0]->collation;
        return LG_OK;
    default:
        if (x && x->kind == LG_EX_ROW && y->kind == LG_EX_ROW)
            return rows_op(l, &a->name, x, y, a->h.loc, ret);
        return lg_bind__op(l, &a->name, NULL, x, y, a->h.loc, ret);
    }
}

static lg_status
bind_bool(lg_level *l, const lg_ast_bool_expr *n, lg_expr **ret)
{
    static const char *const names[] = {"", "AND", "OR", "NOT"};
    lg_expr_kind kind = n->boolop == LG_A_AND_EXPR  ? LG_EX_AND
                        : n->boolop == LG_A_OR_EXPR ? LG_EX_OR
                                                    : LG_EX_NOT;
    lg_expr *e = lg_expr_new(l->b->arena, kind, LG_T_BOOL, n->args.n);
    e->loc = n->h.loc;
    for (uint32_t i = 0; i < n->args.n; i++) {
        LG_TRY(lg_bind__expr(l, n->args.at[i], &e->args[i]));
        LG_TRY(lg_bind__bool_operand(l, e->args[i], names[n->boolop], &e->args[i]));
    }
    *ret = e;
    return LG_OK;
}

/* ---- subqueries ---- */

static lg_status
check_sublink_place(lg_level *l, int32_t loc)
{
    const char *where = NULL;
    switch (l->clause) {
    case LG_CL_CHECK:
        where = "check constraint";
        break;
    case LG_CL_DEFAULT:
        where = "DEFAULT expression";
        break;
    case LG_CL_INDEX:
        where = "index expression";
        break;
    case LG_CL_PREDICATE:
        where = "index predicate";
        break;
    case LG_CL_GENERATED:
        where = "column generation expression";
        break;
    case LG_CL_USING:
        where = "transform expression";
        break;
    case LG_CL_EXECUTE:
        where = "EXECUTE parameter";
        break;
    case LG_CL_COPY_WHERE:
        where = "COPY FROM WHERE condition";
        break;
    default:
        return LG_OK;
    }
    return lg_bind__error(l->b, loc, "0A000", "cannot use subquery in %s", where);
}

static lg_status
sublink(lg_level *l, const lg_ast *subselect, lg_sublink link, int32_t loc, lg_expr **ret,
        uint32_t *ret_ncols, lg_outcol **ret_cols)
{
    lg_bind *b = l->b;
    LG_TRY(check_sublink_place(l, loc));
    lg_query *q;
    bool resolve = link != LG_SUBLINK_ANY && link != LG_SUBLINK_ALL;
    LG_TRY(lg_bind__query(b, l, subselect, NULL, resolve, &q));
    l->q->has_sublinks = true;
    *ret_ncols = lg_query_outcols(q, b->arena, ret_cols);
    lg_expr *e = lg_expr_new(b->arena, LG_EX_SUBLINK, LG_T_BOOL, 0);
    e->sublink.link = (uint8_t)link;
    e->sublink.query = q;
    e->loc = loc;
    *ret = e;
    return LG_OK;
}

static lg_expr *
subcol(lg_bind *b, const lg_outcol *c, uint32_t i)
{
    lg_expr *e = lg_expr_new(b->arena, LG_EX_SUBCOL, c->type, 0);
    e->slot = (int32_t)i;
    e->typmod = c->typmod;
    e->collation = c->collation;
    return e;
}

/* x op ANY|ALL (subquery): the test over the left side and the subquery's columns. */
static lg_status
quantified(lg_level *l, const lg_ast_sub_link *s, lg_expr **ret)
{
    lg_bind *b = l->b;
    uint32_t n;
    lg_outcol *cols;
    lg_expr *left, *link;
    bool any = s->sub_link_type == LG_A_ANY_SUBLINK;
    LG_TRY(lg_bind__expr(l, s->testexpr, &left));
    LG_TRY(sublink(l, s->subselect, any ? LG_SUBLINK_ANY : LG_SUBLINK_ALL, s->h.loc, &link, &n,
                   &cols));
    bool row = left->kind == LG_EX_ROW && s->testexpr->tag == LG_AST_ROW_EXPR; /* not a table's */
    uint32_t want = row ? left->nargs : 1;
    lg_expr **x = row ? left->args : &left;
    if (n < want)
        return lg_bind__error(b, s->h.loc, "42601", "subquery has too few columns");
    if (n > want)
        return lg_bind__error(b, s->h.loc, "42601", "subquery has too many columns");
    const char *schema = NULL, *name = "=";
    if (s->oper_name.n)
        op_name(&s->oper_name, &schema, &name);
    lg_expr **y = LG_NEWN(b->arena, lg_expr *, n);
    for (uint32_t i = 0; i < n; i++)
        y[i] = subcol(b, &cols[i], i);
    lg_expr *test;
    /* A column that is an unknown literal takes the left side's type. */
    for (uint32_t i = 0; i < n; i++)
        if (cols[i].type == LG_T_UNKNOWN) {
            lg_query *q = link->sublink.query;
            lg_oid t = x[i]->type == LG_T_UNKNOWN ? LG_T_TEXT : x[i]->type;
            LG_TRY(lg_bind__coerce(b, q->targets[i].expr, t, -1, LG_COERCE_IMPLICIT,
                                   LG_FORM_IMPLICIT, -1, &q->targets[i].expr));
            y[i]->type = q->targets[i].expr->type;
        }
    if (n == 1)
        LG_TRY(lg_bind__make_op(b, schema, name, x[0], y[0], s->h.loc, &test));
    else
        LG_TRY(row_compare(l, name, n, x, y, s->h.loc, &test));
    if (test->type != LG_T_BOOL)
        return lg_bind__error(b, s->h.loc, "42804",
                              "row comparison operator must yield type "
                              "boolean, not type %s",
                              lg_bind__type_name(b, test->type));
    link->args = LG_NEWN(b->arena, lg_expr *, 1);
    link->nargs = 1;
    link->args[0] = test;
    *ret = link;
    return LG_OK;
}

static lg_status
bind_sublink(lg_level *l, const lg_ast_sub_link *s, lg_expr **ret)
{
    lg_bind *b = l->b;
    uint32_t n;
    lg_outcol *cols;
    switch (s->sub_link_type) {
    case LG_A_EXISTS_SUBLINK:
        return sublink(l, s->subselect, LG_SUBLINK_EXISTS, s->h.loc, ret, &n, &cols);
    case LG_A_ANY_SUBLINK:
    case LG_A_ALL_SUBLINK:
        return quantified(l, s, ret);
    case LG_A_EXPR_SUBLINK:
    case LG_A_ARRAY_SUBLINK: {
        bool array = s->sub_link_type == LG_A_ARRAY_SUBLINK;
        LG_TRY(sublink(l, s->subselect, array ? LG_SUBLINK_ARRAY : LG_SUBLINK_EXPR, s->h.loc, ret,
                       &n, &cols));
        if (n != 1)
            return lg_bind__error(b, s->h.loc, "42601", "subquery must return only one column");
        (*ret)->type = cols[0].type;
        (*ret)->typmod = cols[0].typmod;
        (*ret)->collation = cols[0].collation;
        if (array) {
            lg_oid t =
                lg_bind__is_array(cols[0].type) ? cols[0].type : lg_bind__array_of(cols[0].type);
            if (!t)
                return lg_bind__error(b, s->h.loc, "42704",
                                      "could not find array type for data type %s",
                                      lg_bind__type_name(b, cols[0].type));
            (*ret)->type = t;
        }
        return LG_OK;
    }
    default:
        return lg_bind__error(b, s->h.loc, "0A000", "this kind of subquery is not supported");
    }
}

/* (a, b) = (SELECT x, y): field by field over the subquery's one row. */
static lg_status
bind_row_sublink(lg_level *l, const lg_ast_a_expr *a, lg_expr **ret)
{
    lg_bind *b = l->b;
    const lg_ast_sub_link *s = lg_ast_as(a->rexpr, sub_link);
    lg_expr *left, *link;
    uint32_t n;
    lg_outcol *cols;
    const char *schema, *name;
    LG_TRY(lg_bind__expr(l, a->lexpr, &left));
    LG_TRY(sublink(l, s->subselect, LG_SUBLINK_MULTI, s->h.loc, &link, &n, &cols));
    if (n != left->nargs)
        return lg_bind__error(b, s->h.loc, "42601", "subquery has too %s columns",
                              n < left->nargs ? "few" : "many");
    link->type = LG_T_RECORD;
    lg_expr **y = LG_NEWN(b->arena, lg_expr *, n);
    for (uint32_t i = 0; i < n; i++) {
        y[i] = lg_expr_new(b->arena, LG_EX_FIELD, cols[i].type, 1);
        y[i]->args[0] = link;
        y[i]->field = i + 1;
    }
    op_name(&a->name, &schema, &name);
    return row_compare(l, name, n, left->args, y, a->h.loc, ret);
}

/* ---- CASE and friends ---- */

#define SETS_IN "set-returning functions are not allowed in "

static lg_status
bind_case(lg_level *l, const lg_ast_case_expr *c, lg_expr **ret)
{
    lg_bind *b = l->b;
    uint32_t n = c->args.n, at = c->arg ? 1 : 0;
    lg_expr *e = lg_expr_new(b->arena, LG_EX_CASE, 0, 2 * n + 1 + at);
    lg_expr *test = NULL;
    e->loc = c->h.loc;
    if (c->arg) {
        LG_TRY(lg_bind__expr(l, c->arg, &e->args[0]));
        LG_TRY(lg_bind__resolve_unknown(b, &e->args[0]));
        LG_TRY(lg_bind__no_sets(b, e->args[0], SETS_IN "CASE"));
        e->has_arg = true;
        test = lg_expr_new(b->arena, LG_EX_CASE_TEST, e->args[0]->type, 0);
        test->typmod = e->args[0]->typmod;
        test->collation = e->args[0]->collation;
    }
    lg_expr **results = LG_NEWN(b->arena, lg_expr *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const lg_ast_case_when *w = lg_ast_as(c->args.at[i], case_when);
        lg_expr *cond;
        LG_TRY(lg_bind__expr(l, w->expr, &cond));
        if (test)
            LG_TRY(lg_bind__make_op(b, NULL, "=", test, cond, w->h.loc, &cond));
        LG_TRY(lg_bind__bool_operand(l, cond, "CASE/WHEN", &e->args[at + 2 * i]));
        LG_TRY(lg_bind__expr(l, w->result, &results[i + 1]));
    }
    if (c->defresult)
        LG_TRY(lg_bind__expr(l, c->defresult, &results[0]));
    else
        results[0] = lg_expr_const(b->arena, LG_T_UNKNOWN, lg_datum_ptr(""), true);
    for (uint32_t i = 0; i < n; i++)
        LG_TRY(lg_bind__no_sets(b, e->args[at + 2 * i], SETS_IN "CASE"));
    for (uint32_t i = 0; i <= n; i++)
        LG_TRY(lg_bind__no_sets(b, results[i], SETS_IN "CASE"));
    LG_TRY(lg_bind__common_type(b, results, n + 1, "CASE", &e->type));
    for (uint32_t i = 0; i <= n; i++)
        LG_TRY(lg_bind__coerce_common(b, results[i], e->type, "CASE/WHEN", &results[i]));
    for (uint32_t i = 0; i < n; i++)
        e->args[at + 2 * i + 1] = results[i + 1];
    e->args[at + 2 * n] = results[0];
    e->typmod = lg_bind__common_typmod(results + (c->defresult ? 0 : 1), n + (c->defresult ? 1 : 0),
                                       e->type);
    LG_TRY(lg_bind__collate_value(b, e));
    *ret = e;
    return LG_OK;
}

static lg_status
bind_common(lg_level *l, const lg_ast_list *args, lg_expr_kind kind, const char *what, int32_t loc,
            lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_expr *e = lg_expr_new(b->arena, kind, 0, args->n);
    for (uint32_t i = 0; i < args->n; i++)
        LG_TRY(lg_bind__expr(l, args->at[i], &e->args[i]));
    for (uint32_t i = 0; i < args->n && kind == LG_EX_COALESCE; i++)
        LG_TRY(lg_bind__no_sets(b, e->args[i], SETS_IN "COALESCE"));
    LG_TRY(lg_bind__common_type(b, e->args, e->nargs, what, &e->type));
    for (uint32_t i = 0; i < args->n; i++)
        LG_TRY(lg_bind__coerce_common(b, e->args[i], e->type, what, &e->args[i]));
    e->typmod = lg_bind__common_typmod(e->args, e->nargs, e->type);
    LG_TRY(lg_bind__collate_value(b, e));
    e->loc = loc;
    *ret = e;
    return LG_OK;
}

/* ARRAY[...]; nested ones make it multidimensional. type 0: find the common one. */
static lg_status
bind_array(lg_level *l, const lg_ast_a_array_expr *a, lg_oid array_type, int32_t typmod,
           lg_expr **ret)
{
    lg_bind *b = l->b;
    uint32_t n = a->elements.n;
    lg_expr *e = lg_expr_new(b->arena, LG_EX_ARRAY, array_type, n);
    e->loc = a->h.loc;
    for (uint32_t i = 0; i < n; i++) {
        const lg_ast *el = a->elements.at[i];
        if (el->tag == LG_AST_A_ARRAY_EXPR) {
            LG_TRY(bind_array(l, lg_ast_as(el, a_array_expr), array_type, typmod, &e->args[i]));
            e->multidim = true;
        } else {
            LG_TRY(lg_bind__expr(l, el, &e->args[i]));
            if (lg_bind__is_array(e->args[i]->type))
                e->multidim = true;
        }
    }
    lg_oid el;
    if (array_type) {
        el = e->multidim ? array_type : lg_bind__element_of(array_type);
    } else {
        if (!n) {
            lg_bind__error(b, a->h.loc, "42P18", "cannot determine type of empty array");
            lg_error_hint(b->err,
                          "Explicitly cast to the desired type, for example ARRAY[]::integer[].");
            return LG_SQL;
        }
        LG_TRY(lg_bind__common_type(b, e->args, n, "ARRAY", &el));
        e->type = e->multidim ? el : lg_bind__array_of(el);
        if (!e->type)
            return lg_bind__error(b, a->h.loc, "42704",
                                  "could not find array type for data type %s",
                                  lg_bind__type_name(b, el));
    }
    for (uint32_t i = 0; i < n; i++) {
        if (array_type) {
            lg_expr *x;
            LG_TRY(lg_bind__coerce_to(b, e->args[i], el, typmod, LG_COERCE_EXPLICIT,
                                      LG_FORM_EXPLICIT, a->h.loc, &x));
            if (!x)
                return lg_bind__error(b, e->args[i]->loc, "42846", "cannot cast type %s to %s",
                                      lg_bind__type_name(b, e->args[i]->type),
                                      lg_bind__type_name(b, el));
            e->args[i] = x;
        } else {
            LG_TRY(lg_bind__coerce_common(b, e->args[i], el, "ARRAY", &e->args[i]));
        }
    }
    LG_TRY(lg_bind__collate_value(b, e));
    *ret = e;
    return LG_OK;
}

/* ---- calls ---- */

static lg_status
bind_func_call(lg_level *l, const lg_ast_func_call *c, lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_call_site s = {.ast = c,
                      .schema = c->funcname.n > 1 ? lg_ast_list_str(&c->funcname, c->funcname.n - 2)
                                                  : NULL,
                      .name = lg_ast_list_str(&c->funcname, c->funcname.n - 1),
                      .nargs = c->args.n,
                      .star = c->agg_star,
                      .distinct = c->agg_distinct,
                      .variadic = c->func_variadic,
                      .within_group = c->agg_within_group,
                      .loc = c->h.loc};
    s.args = LG_NEWN(b->arena, lg_expr *, s.nargs + 1);
    bool calling = b->calling;
    b->calling = false;
    for (uint32_t i = 0; i < s.nargs; i++) {
        const lg_ast *a = c->args.at[i];
        if (a->tag == LG_AST_NAMED_ARG_EXPR) {
            if (!s.arg_names)
                s.arg_names = LG_NEWN(b->arena, const char *, s.nargs);
            s.arg_names[i] = lg_ast_as(a, named_arg_expr)->name;
            a = lg_ast_as(a, named_arg_expr)->arg;
        } else if (s.arg_names) {
            return lg_bind__error(b, a->loc, "42601",
                                  "positional argument cannot follow named argument");
        }
        LG_TRY(lg_bind__expr(l, a, &s.args[i]));
    }
    if (s.within_group)
        LG_TRY(lg_bind__within_args(l, c, &s));
    b->calling = calling;
    LG_TRY(lg_bind__call(l, &s, ret));
    if (c->funcformat == LG_A_COERCE_SQL_SYNTAX && (*ret)->kind == LG_EX_FUNC)
        (*ret)->form = LG_FORM_SQL;
    return LG_OK;
}

static lg_status
call_by_name(lg_level *l, const char *name, uint32_t n, lg_expr **args, int32_t loc, lg_expr **ret)
{
    lg_call_site s = {.name = name, .nargs = n, .args = args, .loc = loc};
    return lg_bind__call(l, &s, ret);
}

/* CURRENT_DATE and its kin are calls of now() and casts of it. */
static lg_status
bind_sql_value(lg_level *l, const lg_ast_sqlvalue_function *v, lg_expr **ret)
{
    static const struct {
        const char *func;
        lg_oid type;
    } map[] = {
        [LG_A_SVFOP_CURRENT_DATE] = {"now", LG_T_DATE},
        [LG_A_SVFOP_CURRENT_TIME] = {"now", LG_T_TIMETZ},
        [LG_A_SVFOP_CURRENT_TIME_N] = {"now", LG_T_TIMETZ},
        [LG_A_SVFOP_CURRENT_TIMESTAMP] = {"now", LG_T_TIMESTAMPTZ},
        [LG_A_SVFOP_CURRENT_TIMESTAMP_N] = {"now", LG_T_TIMESTAMPTZ},
        [LG_A_SVFOP_LOCALTIME] = {"now", LG_T_TIME},
        [LG_A_SVFOP_LOCALTIME_N] = {"now", LG_T_TIME},
        [LG_A_SVFOP_LOCALTIMESTAMP] = {"now", LG_T_TIMESTAMP},
        [LG_A_SVFOP_LOCALTIMESTAMP_N] = {"now", LG_T_TIMESTAMP},
        [LG_A_SVFOP_CURRENT_ROLE] = {"current_user", 0},
        [LG_A_SVFOP_CURRENT_USER] = {"current_user", 0},
        [LG_A_SVFOP_USER] = {"current_user", 0},
        [LG_A_SVFOP_SESSION_USER] = {"session_user", 0},
        [LG_A_SVFOP_CURRENT_CATALOG] = {"current_database", 0},
        [LG_A_SVFOP_CURRENT_SCHEMA] = {"current_schema", 0},
    };
    lg_expr *e;
    LG_TRY(call_by_name(l, map[v->op].func, 0, NULL, v->h.loc, &e));
    if (map[v->op].type) {
        bool n = v->op == LG_A_SVFOP_CURRENT_TIME_N || v->op == LG_A_SVFOP_CURRENT_TIMESTAMP_N ||
                 v->op == LG_A_SVFOP_LOCALTIME_N || v->op == LG_A_SVFOP_LOCALTIMESTAMP_N;
        LG_TRY(lg_bind__coerce_to(l->b, e, map[v->op].type, n ? v->typmod : -1, LG_COERCE_EXPLICIT,
                                  LG_FORM_EXPLICIT, v->h.loc, &e));
        if (!e)
            return LG_INTERNAL;
    }
    lg_expr *top = lg_arena_dup(l->b->arena, e, sizeof *e);
    top->form = LG_FORM_SQL;
    top->sql_value = (uint8_t)v->op;
    *ret = top;
    return LG_OK;
}

static lg_status
bind_cast(lg_level *l, const lg_ast_type_cast *c, lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_oid type;
    int32_t typmod;
    LG_TRY(lg_bind_type_name(b, c->type_name, &type, &typmod, NULL));
    lg_expr *e;
    lg_oid elem = lg_bind__element_of(type);
    if (c->arg->tag == LG_AST_A_ARRAY_EXPR && elem) {
        LG_TRY(bind_array(l, lg_ast_as(c->arg, a_array_expr), type, typmod, &e));
        e->form = LG_FORM_EXPLICIT;
    } else {
        LG_TRY(lg_bind__expr(l, c->arg, &e));
    }
    int32_t loc = c->h.loc >= 0 ? c->h.loc : c->type_name->h.loc;
    LG_TRY(lg_bind__coerce_to(b, e, type, typmod, LG_COERCE_EXPLICIT, LG_FORM_EXPLICIT, loc, ret));
    if (!*ret)
        return lg_bind__error(b, loc, "42846", "cannot cast type %s to %s",
                              lg_bind__type_name(b, e->type), lg_bind__type_name(b, type));
    return LG_OK;
}

/* Of jsonb: what is at the path of the subscripts, as #> finds it. */
static lg_status
jsonb_subscripts(lg_level *l, lg_expr *base, const lg_ast_list *ind, uint32_t from, uint32_t to,
                 int32_t loc, lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_expr *path = lg_expr_new(b->arena, LG_EX_ARRAY, LG_T_TEXT_ARRAY, to - from);
    for (uint32_t i = from; i < to; i++) {
        const lg_ast_a_indices *x = lg_ast_as(ind->at[i], a_indices);
        lg_expr *v, *c = NULL;
        if (x->is_slice)
            return lg_bind__error(b, lg_bind__loc(x->uidx ? x->uidx : x->lidx), "42804",
                                  "jsonb subscript does not support slices");
        LG_TRY(lg_bind__expr(l, x->uidx, &v));
        int32_t at = lg_bind__expr_loc(v);
        bool number = v->type == LG_T_INT4 || v->type == LG_T_INT2;
        if (number)
            LG_TRY(lg_bind__coerce_to(b, v, LG_T_TEXT, -1, LG_COERCE_EXPLICIT, LG_FORM_EXPLICIT, at,
                                      &c));
        else
            LG_TRY(lg_bind__coerce_to(b, v, LG_T_TEXT, -1, LG_COERCE_IMPLICIT, LG_FORM_IMPLICIT, at,
                                      &c));
        if (!c) {
            lg_bind__error(b, at, "42804", "subscript type %s is not supported",
                           lg_bind__type_name(b, v->type));
            lg_error_hint(b->err, "jsonb subscript must be coercible to either integer or text.");
            return LG_SQL;
        }
        path->args[i - from] = c;
    }
    path->loc = loc;
    return lg_bind__make_op(b, NULL, "#>", base, path, loc, ret);
}

lg_status
lg_bind__subscripts(lg_level *l, lg_expr *base, const lg_ast_list *ind, uint32_t from, uint32_t to,
                    int32_t loc, lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_oid elem = lg_bind__element_of(base->type);
    if (base->type == LG_T_INT2VECTOR)
        elem = LG_T_INT2;
    if (base->type == LG_T_OIDVECTOR)
        elem = LG_T_OID;
    if (base->type == LG_T_NAME) /* its letters, counted from 0 */
        elem = LG_T_CHAR;
    if (base->type == LG_T_JSONB)
        return jsonb_subscripts(l, base, ind, from, to, loc, ret);
    if (!elem)
        return lg_bind__error(b, loc, "42804",
                              "cannot subscript type %s because it does not support subscripting",
                              lg_bind__type_name(b, base->type));
    bool slice = false;
    for (uint32_t i = from; i < to; i++)
        slice = slice || lg_ast_as(ind->at[i], a_indices)->is_slice;
    uint32_t n = to - from;
    lg_expr *e =
        lg_expr_new(b->arena, LG_EX_SUBSCRIPT, slice ? base->type : elem, 1 + (slice ? 2 * n : n));
    e->is_slice = slice;
    e->args[0] = base;
    e->typmod = base->typmod;
    e->collation = base->collation;
    e->loc = loc;
    for (uint32_t i = from; i < to; i++) {
        const lg_ast_a_indices *x = lg_ast_as(ind->at[i], a_indices);
        const lg_ast *sub[2] = {x->lidx, x->uidx};
        for (uint32_t k = slice ? 0 : 1; k < 2; k++) {
            lg_expr *v = NULL;
            if (sub[k]) {
                LG_TRY(lg_bind__expr(l, sub[k], &v));
                lg_expr *c;
                LG_TRY(lg_bind__coerce_to(b, v, LG_T_INT4, -1, LG_COERCE_ASSIGNMENT,
                                          LG_FORM_IMPLICIT, v->loc, &c));
                if (!c)
                    return lg_bind__error(b, v->loc, "42804",
                                          "array subscript must have type integer");
                v = c;
            } else if (slice && k == 0 && !x->is_slice) {
                v = lg_expr_const(b->arena, LG_T_INT4, 1, false);
            }
            e->args[1 + (slice ? 2 * (i - from) + k : i - from)] = v;
        }
    }
    *ret = e;
    return LG_OK;
}

lg_expr *
lg_bind__field(lg_bind *b, lg_expr *base, const lg_row_type *t, uint32_t i)
{
    const lg_row_field *f = &t->fields[i];
    base = lg_bind__row_alone(base);
    if (base->kind == LG_EX_ROW && i < base->nargs)
        return base->args[i];
    lg_expr *e = lg_expr_new(b->arena, LG_EX_FIELD, f->type, 1);
    e->args[0] = base;
    e->field = i + 1;
    e->typmod = f->typmod;
    e->domain = f->domain;
    if (f->collation)
        e->collation = f->collation;
    return e;
}

/* Where a record comes from: through the columns of subqueries to the call that makes it. */
static const lg_expr *
record_source(const lg_level *l, const lg_expr *e)
{
    const lg_query *q = l->q;
    while (e->kind == LG_EX_VAR && e->type == LG_T_RECORD && e->var.attno > 0) {
        for (uint32_t up = e->var.up; up && q; up--)
            q = q->parent;
        const lg_rte *r = q && e->var.rte < q->nrtes ? q->rtes[e->var.rte] : NULL;
        if (!r || r->kind != LG_RTE_SUBQUERY || r->subquery->setop)
            break;
        uint32_t n = 0, i = 0;
        while (i < r->subquery->ntargets &&
               (r->subquery->targets[i].junk || ++n < (uint32_t)e->var.attno))
            i++;
        if (i == r->subquery->ntargets)
            break;
        q = r->subquery;
        e = q->targets[i].expr;
    }
    return e;
}

/* A field of a record whose fields are known here: a row, a function with OUT columns. */
static lg_status
bind_field(lg_level *l, lg_expr *base, const char *name, int32_t loc, lg_expr **ret)
{
    lg_bind *b = l->b;
    const lg_expr *call = record_source(l, base);
    if (call->kind == LG_EX_FUNC && call->func.func->n_out) {
        const lg_func *f = call->func.func;
        const char *p = f->argnames;
        uint32_t total = 1, i = 0;
        for (const char *q = p; q && *q; q++)
            total += *q == ',';
        for (; p; i++) {
            size_t len = strcspn(p, ",");
            if (i + f->n_out >= total && len == strlen(name) && !strncmp(p, name, len)) {
                uint32_t k = i - (total - f->n_out);
                lg_expr *e = lg_expr_new(b->arena, LG_EX_FIELD, lg_expr_out_type(call, k), 1);
                e->args[0] = base;
                e->field = k + 1;
                e->loc = loc;
                *ret = e;
                return LG_OK;
            }
            p = p[len] ? p + len + 1 : NULL;
        }
    }
    if (lg_usertype_of(base->type) == LG_UT_ROW) {
        const lg_row_type *t;
        LG_TRY(lg_usertype_row(b->env, base->type, b->arena, b->err, &t));
        for (uint32_t i = 0; i < t->n; i++)
            if (strcmp(t->fields[i].name, name) == 0) {
                *ret = lg_bind__field(b, base, t, i);
                (*ret)->loc = loc;
                return LG_OK;
            }
        return lg_bind__error(b, loc, "42703", "column \"%s\" not found in data type %s", name,
                              lg_bind__type_name(b, base->type));
    }
    base = lg_bind__row_alone(base);
    for (uint32_t i = 0; base->kind == LG_EX_ROW && base->row.names && i < base->nargs; i++)
        if (strcmp(base->row.names[i], name) == 0) {
            *ret = base->args[i];
            return LG_OK;
        }
    if (base->type == LG_T_RECORD)
        return lg_bind__error(b, loc, "42703",
                              "could not identify column \"%s\" in record data type", name);
    return lg_bind__error(b, loc, "42809",
                          "column notation .%s applied to type %s, which is not a composite type",
                          name, lg_bind__type_name(b, base->type));
}

static lg_status
bind_indirection(lg_level *l, const lg_ast_a_indirection *a, lg_expr **ret)
{
    lg_expr *e;
    LG_TRY(lg_bind__expr(l, a->arg, &e));
    uint32_t n = a->indirection.n;
    for (uint32_t i = 0; i < n;) {
        const lg_ast *x = a->indirection.at[i];
        if (x->tag == LG_AST_A_INDICES) {
            uint32_t j = i;
            while (j < n && a->indirection.at[j]->tag == LG_AST_A_INDICES)
                j++;
            LG_TRY(lg_bind__subscripts(l, e, &a->indirection, i, j, lg_bind__loc(a->arg), &e));
            i = j;
        } else if (x->tag == LG_AST_STRING && e->kind == LG_EX_ROW && i == 0 &&
                   a->arg->tag == LG_AST_COLUMN_REF) { /* (t).column */
            const lg_ast_list *f = &lg_ast_as(a->arg, column_ref)->fields;
            lg_ast_column_ref *c = LG_NEW(l->b->arena, lg_ast_column_ref);
            *c = *lg_ast_as(a->arg, column_ref);
            c->fields.n = f->n + 1;
            c->fields.at = LG_NEWN(l->b->arena, lg_ast *, f->n + 1);
            memcpy(c->fields.at, f->at, f->n * sizeof *f->at);
            c->fields.at[f->n] = a->indirection.at[i++];
            LG_TRY(lg_bind__column_ref(l, c, &e));
        } else if (x->tag == LG_AST_STRING) {
            LG_TRY(bind_field(l, e, lg_ast_str(x), lg_bind__loc(a->arg), &e));
            i++;
        } else {
            return lg_bind__error(l->b, a->h.loc, "42601",
                                  "row expansion via \"*\" is not supported here");
        }
    }
    *ret = e;
    return LG_OK;
}

/* ---- tests and the dispatch ---- */

static lg_status
bind_null_test(lg_level *l, const lg_ast_null_test *t, lg_expr **ret)
{
    lg_expr *e = lg_expr_new(l->b->arena, LG_EX_IS_NULL, LG_T_BOOL, 1);
    LG_TRY(lg_bind__expr(l, t->arg, &e->args[0]));
    if (e->args[0]->kind != LG_EX_PARAM) /* a parameter that nothing else tells of is 42P18 */
        LG_TRY(lg_bind__resolve_unknown(l->b, &e->args[0]));
    e->negated = t->nulltesttype == LG_A_IS_NOT_NULL;
    e->loc = t->h.loc;
    *ret = e;
    return LG_OK;
}

static lg_status
bind_bool_test(lg_level *l, const lg_ast_boolean_test *t, lg_expr **ret)
{
    static const char *const names[] = {
        "", "IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE", "IS UNKNOWN", "IS NOT UNKNOWN"};
    lg_expr *e = lg_expr_new(l->b->arena, LG_EX_BOOL_TEST, LG_T_BOOL, 1);
    LG_TRY(lg_bind__expr(l, t->arg, &e->args[0]));
    LG_TRY(lg_bind__bool_operand(l, e->args[0], names[t->booltesttype], &e->args[0]));
    e->booltest = (uint8_t)t->booltesttype;
    e->loc = t->h.loc;
    *ret = e;
    return LG_OK;
}

static lg_status
bind_row(lg_level *l, const lg_ast_row_expr *r, lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_expr *e = lg_expr_new(b->arena, LG_EX_ROW, LG_T_RECORD, 1664);
    uint32_t n = 0;
    e->loc = r->h.loc;
    for (uint32_t i = 0; i < r->args.n; i++) {
        const lg_ast *a = r->args.at[i];
        if (a->tag == LG_AST_COLUMN_REF) { /* ROW(t.*) */
            const lg_ast_column_ref *c = lg_ast_as(a, column_ref);
            if (c->fields.at[c->fields.n - 1]->tag == LG_AST_A_STAR) {
                lg_expr *w;
                LG_TRY(lg_bind__column_ref(l, c, &w));
                w = lg_bind__row_alone(w);
                for (uint32_t k = 0; k < w->nargs && n < 1664; k++)
                    e->args[n++] = w->args[k];
                continue;
            }
        }
        if (n == 1664)
            return lg_bind__error(b, e->loc, "54011",
                                  "ROW expressions can have at most 1664 entries");
        LG_TRY(lg_bind__expr(l, a, &e->args[n++]));
    }
    e->nargs = n;
    *ret = e;
    if (r->row_format == LG_BIND_ROW_FIRST) {
        lg_expr *f = lg_expr_new(b->arena, LG_EX_FIELD, LG_T_INT8, 1);
        f->args[0] = e->args[0];
        f->field = 1;
        *ret = f;
    }
    return LG_OK;
}

lg_status
lg_bind__expr(lg_level *l, const lg_ast *n, lg_expr **ret)
{
    lg_bind *b = l->b;
    LG_TRY(lg_bind__stack_check(b));
    if (!n)
        return LG_INTERNAL;
    switch (n->tag) {
    case LG_AST_INTEGER:
    case LG_AST_FLOAT:
    case LG_AST_BOOLEAN:
    case LG_AST_STRING:
    case LG_AST_BIT_STRING:
    case LG_AST_NULL:
        return bind_const(b, n, ret);
    case LG_AST_COLUMN_REF:
        return lg_bind__column_ref(l, lg_ast_as(n, column_ref), ret);
    case LG_AST_PARAM_REF:
        return bind_param(b, lg_ast_as(n, param_ref), ret);
    case LG_AST_A_EXPR:
        return bind_a_expr(l, lg_ast_as(n, a_expr), ret);
    case LG_AST_BOOL_EXPR:
        return bind_bool(l, lg_ast_as(n, bool_expr), ret);
    case LG_AST_FUNC_CALL:
        return bind_func_call(l, lg_ast_as(n, func_call), ret);
    case LG_AST_SUB_LINK:
        return bind_sublink(l, lg_ast_as(n, sub_link), ret);
    case LG_AST_CASE_EXPR:
        return bind_case(l, lg_ast_as(n, case_expr), ret);
    case LG_AST_COALESCE_EXPR:
        return bind_common(l, &lg_ast_as(n, coalesce_expr)->args, LG_EX_COALESCE, "COALESCE",
                           n->loc, ret);
    case LG_AST_MIN_MAX_EXPR: {
        bool g = lg_ast_as(n, min_max_expr)->op == LG_A_IS_GREATEST;
        return bind_common(l, &lg_ast_as(n, min_max_expr)->args, g ? LG_EX_GREATEST : LG_EX_LEAST,
                           g ? "GREATEST" : "LEAST", n->loc, ret);
    }
    case LG_AST_TYPE_CAST:
        return bind_cast(l, lg_ast_as(n, type_cast), ret);
    case LG_AST_COLLATE_CLAUSE:
        return lg_bind__collate_clause(l, lg_ast_as(n, collate_clause), ret);
    case LG_AST_ROW_EXPR:
        return bind_row(l, lg_ast_as(n, row_expr), ret);
    case LG_AST_A_ARRAY_EXPR:
        return bind_array(l, lg_ast_as(n, a_array_expr), 0, -1, ret);
    case LG_AST_A_INDIRECTION:
        return bind_indirection(l, lg_ast_as(n, a_indirection), ret);
    case LG_AST_SQLVALUE_FUNCTION:
        return bind_sql_value(l, lg_ast_as(n, sqlvalue_function), ret);
    case LG_AST_NULL_TEST:
        return bind_null_test(l, lg_ast_as(n, null_test), ret);
    case LG_AST_BOOLEAN_TEST:
        return bind_bool_test(l, lg_ast_as(n, boolean_test), ret);
    case LG_AST_SET_TO_DEFAULT: {
        if (l->clause != LG_CL_VALUES && l->clause != LG_CL_VALUES_SINGLE &&
            l->clause != LG_CL_INSERT_TARGET && l->clause != LG_CL_UPDATE_SOURCE)
            return lg_bind__error(b, n->loc, "42601", "DEFAULT is not allowed in this context");
        lg_expr *e = lg_expr_new(b->arena, LG_EX_DEFAULT, LG_T_UNKNOWN, 0);
        e->loc = n->loc;
        *ret = e;
        return LG_OK;
    }
    case LG_AST_MULTI_ASSIGN_REF: {
        const lg_ast_multi_assign_ref *m = lg_ast_as(n, multi_assign_ref);
        if (m->source->tag == LG_AST_ROW_EXPR) {
            const lg_ast_row_expr *r = lg_ast_as(m->source, row_expr);
            if (r->args.n != (uint32_t)m->ncolumns)
                return lg_bind__error(b, r->h.loc, "42601",
                                      "number of columns does not match number of values");
            return lg_bind__expr(l, r->args.at[m->colno - 1], ret);
        }
        if (m->source->tag != LG_AST_SUB_LINK)
            return lg_bind__error(b, m->source->loc, "0A000",
                                  "source for a multiple-column UPDATE item must be a sub-SELECT "
                                  "or ROW() expression");
        const lg_ast_sub_link *s = lg_ast_as(m->source, sub_link);
        uint32_t nc;
        lg_outcol *cols;
        if (m->colno == 1) {
            LG_TRY(sublink(l, s->subselect, LG_SUBLINK_MULTI, s->h.loc, &l->multi, &nc, &cols));
            l->multi->type = LG_T_RECORD;
            if (nc != (uint32_t)m->ncolumns)
                return lg_bind__error(b, s->h.loc, "42601",
                                      "number of columns does not match number of values");
        }
        nc = lg_query_outcols(l->multi->sublink.query, b->arena, &cols);
        lg_expr *e = lg_expr_new(b->arena, LG_EX_FIELD, cols[m->colno - 1].type, 1);
        e->args[0] = l->multi;
        e->field = (uint32_t)m->colno;
        e->typmod = cols[m->colno - 1].typmod;
        *ret = e;
        return LG_OK;
    }
    case LG_AST_GROUPING_FUNC:
        return lg_bind__grouping(l, lg_ast_as(n, grouping_func), ret);
    case LG_AST_CURRENT_OF_EXPR:
        return lg_bind__current_of(l, lg_ast_as(n, current_of_expr), ret);
    default:
        return lg_bind__error(b, n->loc, "0A000", "%s is not supported here",
                              lg_ast_tag_name(n->tag));
    }
}

/* ---- names of result columns ---- */

static int
figure_name(const lg_ast *n, const char **ret)
{
    if (!n)
        return 0;
    switch (n->tag) {
    case LG_AST_COLUMN_REF: {
        const lg_ast_list *f = &lg_ast_as(n, column_ref)->fields;
        const char *last = NULL;
        for (uint32_t i = 0; i < f->n; i++)
            if (lg_ast_list_str(f, i))
                last = lg_ast_list_str(f, i);
        *ret = last;
        return last ? 2 : 0;
    }
    case LG_AST_A_INDIRECTION: {
        const lg_ast_a_indirection *a = lg_ast_as(n, a_indirection);
        const char *last = NULL;
        for (uint32_t i = 0; i < a->indirection.n; i++)
            if (lg_ast_list_str(&a->indirection, i))
                last = lg_ast_list_str(&a->indirection, i);
        if (last) {
            *ret = last;
            return 2;
        }
        return figure_name(a->arg, ret);
    }
    case LG_AST_FUNC_CALL: {
        const lg_ast_list *f = &lg_ast_as(n, func_call)->funcname;
        *ret = lg_ast_list_str(f, f->n - 1);
        return 2;
    }
    case LG_AST_A_EXPR:
        if (lg_ast_as(n, a_expr)->kind == LG_A_AEXPR_NULLIF) {
            *ret = "nullif";
            return 2;
        }
        return 0;
    case LG_AST_TYPE_CAST: {
        const lg_ast_type_cast *c = lg_ast_as(n, type_cast);
        int strength = figure_name(c->arg, ret);
        if (strength <= 1 && c->type_name) {
            *ret = lg_ast_list_str(&c->type_name->names, c->type_name->names.n - 1);
            return 1;
        }
        return strength;
    }
    case LG_AST_COLLATE_CLAUSE:
        return figure_name(lg_ast_as(n, collate_clause)->arg, ret);
    case LG_AST_GROUPING_FUNC:
        *ret = "grouping";
        return 2;
    case LG_AST_SUB_LINK: {
        const lg_ast_sub_link *s = lg_ast_as(n, sub_link);
        if (s->sub_link_type == LG_A_EXISTS_SUBLINK || s->sub_link_type == LG_A_ARRAY_SUBLINK) {
            *ret = s->sub_link_type == LG_A_EXISTS_SUBLINK ? "exists" : "array";
            return 2;
        }
        if (s->sub_link_type != LG_A_EXPR_SUBLINK)
            return 0;
        const lg_ast_select_stmt *q = lg_ast_as(s->subselect, select_stmt);
        while (q->larg)
            q = q->larg;
        if (!q->target_list.n)
            return 0;
        const lg_ast_res_target *t = lg_ast_as(q->target_list.at[0], res_target);
        if (t->name) {
            *ret = t->name;
            return 2;
        }
        return figure_name(t->val, ret);
    }
    case LG_AST_CASE_EXPR: {
        int strength = figure_name(lg_ast_as(n, case_expr)->defresult, ret);
        if (strength <= 1) {
            *ret = "case";
            return 1;
        }
        return strength;
    }
    case LG_AST_A_ARRAY_EXPR:
        *ret = "array";
        return 2;
    case LG_AST_ROW_EXPR:
        *ret = "row";
        return 2;
    case LG_AST_COALESCE_EXPR:
        *ret = "coalesce";
        return 2;
    case LG_AST_MIN_MAX_EXPR:
        *ret = lg_ast_as(n, min_max_expr)->op == LG_A_IS_GREATEST ? "greatest" : "least";
        return 2;
    case LG_AST_SQLVALUE_FUNCTION: {
        static const char *const names[] = {"",
                                            "current_date",
                                            "current_time",
                                            "current_time",
                                            "current_timestamp",
                                            "current_timestamp",
                                            "localtime",
                                            "localtime",
                                            "localtimestamp",
                                            "localtimestamp",
                                            "current_role",
                                            "current_user",
                                            "user",
                                            "session_user",
                                            "current_catalog",
                                            "current_schema"};
        *ret = names[lg_ast_as(n, sqlvalue_function)->op];
        return 2;
    }
    default:
        return 0;
    }
}

const char *
lg_bind_figure_name(const lg_ast *n)
{
    const char *name = NULL;
    figure_name(n, &name);
    return name;
}

const char *
lg_bind__column_name(const lg_ast *n)
{
    const char *name = lg_bind_figure_name(n);
    return name ? name : "?column?";
}
