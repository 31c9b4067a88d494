/* SELECT, VALUES, WITH, set operations, grouping and ordering. */
#include "bind_copy.h"
#include "bind_internal.h"
#include <string.h>

lg_level *
lg_bind__level_new(lg_bind *b, lg_level *parent, lg_cmd cmd)
{
    lg_level *l = LG_NEW(b->arena, lg_level);
    l->b = b;
    l->parent = parent;
    l->q = LG_NEW(b->arena, lg_query);
    l->q->cmd = cmd;
    l->q->parent = parent ? parent->q : NULL;
    return l;
}

/* ---- target lists ---- */

void
lg_bind__target_origin(const lg_level *l, lg_target *t)
{
    const lg_expr *e = t->expr;
    if (e->kind != LG_EX_VAR || e->var.up || e->var.attno <= 0)
        return;
    const lg_outcol *c = &l->q->rtes[e->var.rte]->cols[e->var.attno - 1];
    t->table = c->table;
    t->table_attnum = c->attnum;
}

static lg_status
add_target(lg_level *l, lg_expr *e, const char *name, lg_target **t, uint32_t *n, uint32_t *cap)
{
    if (*n == *cap) {
        *cap = *cap ? 2 * *cap : 8;
        lg_target *x = LG_NEWN(l->b->arena, lg_target, *cap);
        if (*n)
            memcpy(x, *t, *n * sizeof *x);
        *t = x;
    }
    if (*n >= 1664)
        return lg_bind__error(l->b, -1, "54011", "target lists can have at most 1664 entries");
    lg_target *x = &(*t)[(*n)++];
    *x = (lg_target){.expr = e, .name = name};
    lg_bind__target_origin(l, x);
    return LG_OK;
}

static bool
is_star(const lg_ast *n)
{
    if (n->tag != LG_AST_COLUMN_REF)
        return false;
    const lg_ast_list *f = &lg_ast_as(n, column_ref)->fields;
    return f->at[f->n - 1]->tag == LG_AST_A_STAR;
}

/* (t).*: the names are the table's. */
static const char *
row_column_name(lg_level *l, const lg_ast_a_indirection *a, uint32_t i)
{
    const lg_ast_list *f =
        a->arg->tag == LG_AST_COLUMN_REF ? &lg_ast_as(a->arg, column_ref)->fields : NULL;
    const char *name = f ? lg_ast_list_str(f, f->n - 1) : NULL;
    for (uint32_t k = 0; name && k < l->nns; k++) {
        const lg_nsitem *it = &l->ns[k];
        if (!it->name || strcmp(it->name, name) != 0)
            continue;
        for (uint32_t c = 0; c < it->ncols; c++)
            if (it->col_names[c] && !i--)
                return it->col_names[c];
    }
    return lg_arena_printf(l->b->arena, "f%u", i + 1);
}

/* (f(x)).*: the OUT columns of a record-returning call. */
static lg_status
expand_record(lg_level *l, const lg_ast_a_indirection *a, lg_target **t, uint32_t *n, uint32_t *cap)
{
    lg_expr *e;
    LG_TRY(lg_bind__expr(l, a->arg, &e));
    e = lg_bind__row_alone(e);
    if (e->kind == LG_EX_FUNC && e->func.func->n_out) {
        const lg_func *f = e->func.func;
        for (uint32_t i = 0; i < f->n_out; i++) {
            lg_expr *x = lg_expr_new(l->b->arena, LG_EX_FIELD, lg_expr_out_type(e, i), 1);
            x->args[0] = e;
            x->field = i + 1;
            LG_TRY(add_target(l, x, lg_bind__out_name(l->b, f, i), t, n, cap));
        }
        return LG_OK;
    }
    if (e->kind == LG_EX_ROW) {
        for (uint32_t i = 0; i < e->nargs; i++)
            LG_TRY(add_target(l, e->args[i], row_column_name(l, a, i), t, n, cap));
        return LG_OK;
    }
    if (lg_usertype_of(e->type) == LG_UT_ROW) {
        const lg_row_type *rt;
        LG_TRY(lg_usertype_row(l->b->env, e->type, l->b->arena, l->b->err, &rt));
        for (uint32_t i = 0; i < rt->n; i++)
            LG_TRY(add_target(l, lg_bind__field(l->b, e, rt, i),
                              lg_arena_strdup(l->b->arena, rt->fields[i].name), t, n, cap));
        return LG_OK;
    }
    return lg_bind__error(l->b, e->loc, "42809",
                          "row expansion of this expression is not supported");
}

lg_status
lg_bind__targets(lg_level *l, const lg_ast_list *list, lg_clause clause, uint32_t *ret_n,
                 lg_target **ret_targets)
{
    lg_bind *b = l->b;
    lg_target *t = NULL;
    uint32_t n = 0, cap = 0;
    lg_clause was = l->clause;
    l->clause = clause;
    for (uint32_t i = 0; i < list->n; i++) {
        const lg_ast_res_target *r = lg_ast_as(list->at[i], res_target);
        if (is_star(r->val)) {
            const lg_nsitem *items;
            uint32_t ni, up;
            LG_TRY(lg_bind__star_items(l, lg_ast_as(r->val, column_ref), &items, &ni, &up));
            for (uint32_t k = 0; k < ni; k++)
                for (uint32_t c = 0; c + items[k].not_in_star < items[k].ncols; c++)
                    if (items[k].col_names[c]) {
                        lg_copier copy = {.a = b->arena, .raise = up};
                        lg_expr *e = lg_copy_expr(&copy, items[k].col_exprs[c], 0);
                        e->loc = r->h.loc;
                        lg_bind__use(&items[k], (int)c);
                        LG_TRY(add_target(l, e, items[k].col_names[c], &t, &n, &cap));
                    }
            continue;
        }
        if (r->val->tag == LG_AST_A_INDIRECTION) {
            const lg_ast_a_indirection *a = lg_ast_as(r->val, a_indirection);
            if (a->indirection.at[a->indirection.n - 1]->tag == LG_AST_A_STAR) {
                LG_TRY(expand_record(l, a, &t, &n, &cap));
                continue;
            }
        }
        lg_expr *e;
        LG_TRY(lg_bind__expr(l, r->val, &e));
        LG_TRY(add_target(l, e, r->name ? r->name : lg_bind__column_name(r->val), &t, &n, &cap));
    }
    l->clause = was;
    *ret_n = n;
    *ret_targets = t;
    return LG_OK;
}

/* ---- ORDER BY, GROUP BY, DISTINCT ---- */

lg_status
lg_bind__item_operators(lg_level *l, lg_oid type, bool desc, bool need_order, int32_t loc,
                        lg_sort_item *it)
{
    lg_bind *b = l->b;
    it->eq = lg_operator_get(lg_type_eq_operator(type));
    it->lt = lg_operator_get(desc ? lg_type_gt_operator(type) : lg_type_lt_operator(type));
    if (need_order && !it->lt) {
        lg_bind__error(b, loc, "42883", "could not identify an ordering operator for type %s",
                       lg_bind__type_name(b, type));
        lg_error_hint(b->err, "Use an explicit ordering operator or modify the query.");
        return LG_SQL;
    }
    if (!it->eq)
        return lg_bind__error(b, loc, "42883",
                              "could not identify an equality operator for type %s",
                              lg_bind__type_name(b, type));
    return LG_OK;
}

lg_status
lg_bind__order_item(lg_level *l, const lg_ast_sort_by *s, lg_expr *e, lg_sort_item *ret)
{
    lg_bind *b = l->b;
    *ret = (lg_sort_item){.desc = s->sortby_dir == LG_A_SORTBY_DESC};
    LG_TRY(lg_bind__item_operators(l, e->type, ret->desc, s->sortby_dir != LG_A_SORTBY_USING,
                                   e->loc, ret));
    if (s->sortby_dir == LG_A_SORTBY_USING) {
        const char *name = lg_ast_list_str(&s->use_op, s->use_op.n - 1);
        const lg_operator *op;
        LG_TRY(lg_bind__find_op(b, NULL, name, e->type, e->type, s->h.loc, &op));
        if (op != ret->lt && op->oid != lg_type_gt_operator(e->type)) {
            lg_bind__error(b, s->h.loc, "42809", "operator %s is not a valid ordering operator",
                           name);
            lg_error_hint(b->err, "Ordering operators must be \"<\" or \">\" members of btree "
                                  "operator families.");
            return LG_SQL;
        }
        ret->desc = op->oid == lg_type_gt_operator(e->type);
        ret->lt = op;
    }
    ret->nulls_first = s->sortby_nulls == LG_A_SORTBY_NULLS_FIRST ||
                       (s->sortby_nulls == LG_A_SORTBY_NULLS_DEFAULT && ret->desc);
    return LG_OK;
}

uint32_t
lg_bind__target_ref(lg_query *q, lg_target *t)
{
    if (!t->ref) {
        uint32_t max = 0;
        for (uint32_t i = 0; i < q->ntargets; i++)
            max = q->targets[i].ref > max ? q->targets[i].ref : max;
        t->ref = max + 1;
    }
    return t->ref;
}

/* Adds a junk target when no equal one exists. */
static lg_status
find_or_add(lg_level *l, lg_expr *e, uint32_t *ret_index)
{
    lg_query *q = l->q;
    for (uint32_t i = 0; i < q->ntargets; i++)
        if (lg_expr_equal(q->targets[i].expr, e) && lg_expr_volatility(e) != 'v') {
            *ret_index = i;
            return LG_OK;
        }
    for (uint32_t i = 0; i < q->ntargets; i++)
        if (lg_expr_equal(q->targets[i].expr, e)) {
            *ret_index = i;
            return LG_OK;
        }
    lg_target *t = LG_NEWN(l->b->arena, lg_target, q->ntargets + 1);
    if (q->ntargets)
        memcpy(t, q->targets, q->ntargets * sizeof *t);
    t[q->ntargets] = (lg_target){.expr = e, .junk = true};
    q->targets = t;
    *ret_index = q->ntargets++;
    return LG_OK;
}

static bool
visible_input_column(lg_level *l, const lg_ast_column_ref *c)
{
    lg_expr *e;
    lg_error saved = *l->b->err;
    lg_level only = *l; /* this level only: outer columns do not hide result names */
    only.parent = NULL;
    bool ok =
        lg_bind__column_ref(&only, c, &e) == LG_OK && lg_bind__row_alone(e)->kind != LG_EX_ROW;
    bool ambiguous = l->b->err->set && !strcmp(l->b->err->sqlstate, "42702");
    *l->b->err = saved;
    return ok || ambiguous;
}

/* The target that an ORDER BY, GROUP BY or DISTINCT ON item means. */
lg_status
lg_bind__find_item(lg_level *l, const lg_ast *n, lg_clause clause, bool names, uint32_t *ret_index)
{
    lg_bind *b = l->b;
    lg_query *q = l->q;
    const char *what = lg_bind__clause_name(clause);
    if (names && n->tag == LG_AST_COLUMN_REF && lg_ast_as(n, column_ref)->fields.n == 1) {
        const char *name = lg_ast_list_str(&lg_ast_as(n, column_ref)->fields, 0);
        bool inputs_first =
            clause == LG_CL_GROUP_BY && visible_input_column(l, lg_ast_as(n, column_ref));
        int at = -1;
        for (uint32_t i = 0; name && !inputs_first && i < q->ntargets; i++) {
            const lg_target *t = &q->targets[i];
            if (t->junk || strcmp(t->name, name) != 0)
                continue;
            if (at >= 0 && !lg_expr_equal(q->targets[at].expr, t->expr))
                return lg_bind__error(b, n->loc, "42702", "%s \"%s\" is ambiguous", what, name);
            at = at < 0 ? (int)i : at;
        }
        if (at >= 0) {
            *ret_index = (uint32_t)at;
            return LG_OK;
        }
    }
    if (names && n->tag == LG_AST_INTEGER) {
        int32_t want = lg_ast_as(n, value)->ival, at = 0;
        for (uint32_t i = 0; i < q->ntargets; i++)
            if (!q->targets[i].junk && ++at == want) {
                *ret_index = i;
                return LG_OK;
            }
        return lg_bind__error(b, n->loc, "42P10", "%s position %d is not in select list", what,
                              want);
    }
    if (names && (n->tag == LG_AST_STRING || n->tag == LG_AST_FLOAT || n->tag == LG_AST_NULL))
        return lg_bind__error(b, n->loc, "42601", "non-integer constant in %s", what);
    lg_expr *e;
    LG_TRY(lg_bind__clause_expr(l, n, clause, &e));
    LG_TRY(lg_bind__resolve_unknown(b, &e));
    return find_or_add(l, e, ret_index);
}

static lg_status
bind_order(lg_level *l, const lg_ast_list *list)
{
    lg_query *q = l->q;
    q->sort = LG_NEWN(l->b->arena, lg_sort_item, list->n + 1);
    for (uint32_t i = 0; i < list->n; i++) {
        const lg_ast_sort_by *s = lg_ast_as(list->at[i], sort_by);
        uint32_t at;
        LG_TRY(lg_bind__find_item(l, s->node, LG_CL_ORDER_BY, true, &at));
        LG_TRY(lg_bind__resolve_unknown(l->b, &q->targets[at].expr));
        lg_sort_item it;
        LG_TRY(lg_bind__order_item(l, s, q->targets[at].expr, &it));
        it.ref = lg_bind__target_ref(q, &q->targets[at]);
        bool dup = false;
        for (uint32_t k = 0; k < q->nsort; k++)
            dup = dup || q->sort[k].ref == it.ref;
        if (!dup)
            q->sort[q->nsort++] = it;
    }
    return LG_OK;
}

static lg_status
distinct_item(lg_level *l, lg_target *t, lg_sort_item *ret)
{
    lg_query *q = l->q;
    LG_TRY(lg_bind__resolve_unknown(l->b, &t->expr));
    uint32_t ref = lg_bind__target_ref(q, t);
    for (uint32_t i = 0; i < q->nsort; i++)
        if (q->sort[i].ref == ref) {
            *ret = q->sort[i];
            return LG_OK;
        }
    *ret = (lg_sort_item){.ref = ref};
    return lg_bind__item_operators(l, t->expr->type, false, false, t->expr->loc, ret);
}

static lg_status
bind_distinct_on(lg_level *l, const lg_ast_list *list)
{
    lg_query *q = l->q;
    lg_bind *b = l->b;
    uint32_t *refs = LG_NEWN(b->arena, uint32_t, list->n + 1), n = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        uint32_t at;
        LG_TRY(lg_bind__find_item(l, list->at[i], LG_CL_DISTINCT_ON, true, &at));
        refs[n++] = lg_bind__target_ref(q, &q->targets[at]);
    }
    int32_t loc = lg_bind__loc(list->at[0]);
    q->distinct = LG_NEWN(b->arena, lg_sort_item, list->n + 1);
    q->distinct_on = true;
    /* In ORDER BY's order, whose first items they must be. */
    bool skipped = false;
    for (uint32_t s = 0; s < q->nsort; s++) {
        bool member = false;
        for (uint32_t i = 0; i < n; i++)
            member = member || refs[i] == q->sort[s].ref;
        if (member && skipped)
            return lg_bind__error(b, loc, "42P10",
                                  "SELECT DISTINCT ON expressions must match "
                                  "initial ORDER BY expressions");
        if (member)
            q->distinct[q->ndistinct++] = q->sort[s];
        else
            skipped = true;
    }
    for (uint32_t i = 0; i < n; i++) {
        bool have = false;
        for (uint32_t k = 0; k < q->ndistinct; k++)
            have = have || q->distinct[k].ref == refs[i];
        if (have)
            continue;
        if (skipped)
            return lg_bind__error(b, lg_bind__loc(list->at[i]), "42P10",
                                  "SELECT DISTINCT ON expressions must match "
                                  "initial ORDER BY expressions");
        for (uint32_t t = 0; t < q->ntargets; t++)
            if (q->targets[t].ref == refs[i])
                LG_TRY(distinct_item(l, &q->targets[t], &q->distinct[q->ndistinct++]));
    }
    return LG_OK;
}

static lg_status
bind_distinct(lg_level *l, const lg_ast_list *list)
{
    lg_query *q = l->q;
    if (list->n && list->at[0])
        return bind_distinct_on(l, list);
    q->distinct = LG_NEWN(l->b->arena, lg_sort_item, q->ntargets + 1);
    for (uint32_t i = 0; i < q->ntargets; i++) {
        lg_target *t = &q->targets[i];
        for (uint32_t k = 0; t->junk && k < q->nsort; k++)
            if (q->sort[k].ref == t->ref)
                return lg_bind__error(l->b, lg_bind__expr_loc(t->expr), "42P10",
                                      "for SELECT DISTINCT, ORDER BY expressions must appear in "
                                      "select list");
        if (t->junk)
            continue;
        LG_TRY(distinct_item(l, t, &q->distinct[q->ndistinct++]));
    }
    return LG_OK;
}

static bool
has_level_var(const lg_expr *e, void *arg)
{
    return (e->kind == LG_EX_VAR && e->var.up == 0) || lg_expr_walk(e, has_level_var, arg);
}

lg_status
lg_bind__no_level_vars(lg_level *l, const lg_expr *e, const char *what)
{
    if (has_level_var(e, NULL))
        return lg_bind__error(l->b, lg_bind__expr_loc(e), "42P10",
                              "argument of %s must not contain variables", what);
    return LG_OK;
}

static lg_status
bind_limit(lg_level *l, const lg_ast *n, lg_clause clause, lg_expr **ret)
{
    lg_bind *b = l->b;
    const char *what = lg_bind__clause_name(clause);
    *ret = NULL;
    if (!n)
        return LG_OK;
    lg_expr *e;
    LG_TRY(lg_bind__clause_expr(l, n, clause, &e));
    LG_TRY(lg_bind__coerce_to(b, e, LG_T_INT8, -1, LG_COERCE_ASSIGNMENT, LG_FORM_IMPLICIT, e->loc,
                              ret));
    if (!*ret)
        return lg_bind__error(b, e->loc, "42804", "argument of %s must be type bigint, not type %s",
                              what, lg_bind__type_name(b, e->type));
    LG_TRY(lg_bind__no_level_vars(l, *ret, what));
    if ((*ret)->kind == LG_EX_CONST && (*ret)->konst.isnull)
        *ret = NULL;
    return LG_OK;
}

/* ---- grouping checks ---- */

typedef struct group_check {
    lg_level *l;
    uint32_t deep; /* subquery levels below l */
    lg_status st;
    const lg_expr **keys;
    uint32_t nkeys;
    bool in_direct; /* direct arguments of an ordered-set aggregate */
} group_check;

static bool check_ungrouped(const lg_expr *e, void *arg);

/* Grouped by the whole primary key: every other column of the table is determined. */
static bool
determined_by_key(const group_check *g, const lg_expr *v)
{
    const lg_rte *rte = g->l->q->rtes[v->var.rte];
    const lg_index *pk = rte->kind == LG_RTE_RELATION ? rte->rel->primary : NULL;
    if (!pk)
        return false;
    for (uint16_t i = 0; i < pk->nkeys; i++) {
        bool have = false;
        for (uint32_t k = 0; k < g->nkeys && !have; k++)
            have = g->keys[k]->kind == LG_EX_VAR && g->keys[k]->var.up == 0 &&
                   g->keys[k]->var.rte == v->var.rte && g->keys[k]->var.attno == pk->attnum[i];
        if (!have)
            return false;
    }
    return true;
}

/* The statement is right only as long as there is the key. */
static void
note_key(lg_bind *b, lg_oid constraint)
{
    for (uint32_t i = 0; i < b->nkeys; i++)
        if (b->keys[i] == constraint)
            return;
    if (b->view_depth || !constraint)
        return;
    lg_oid *more = LG_NEWN(b->arena, lg_oid, b->nkeys + 1);
    if (b->nkeys)
        memcpy(more, b->keys, b->nkeys * sizeof *more);
    b->keys = more;
    b->keys[b->nkeys++] = constraint;
}

static void
check_query(const lg_query *q, group_check *g)
{
    g->deep++;
    for (uint32_t i = 0; i < q->ntargets; i++)
        check_ungrouped(q->targets[i].expr, g);
    if (q->where)
        check_ungrouped(q->where, g);
    if (q->having)
        check_ungrouped(q->having, g);
    g->deep--;
}

static const char *
var_name(const lg_level *l, const lg_expr *v)
{
    const lg_rte *rte = l->q->rtes[v->var.rte];
    if (v->var.attno <= 0)
        return "ctid";
    return lg_arena_printf(l->b->arena, "%s.%s", rte->alias, rte->cols[v->var.attno - 1].name);
}

static bool
check_grouping_args(const lg_expr *e, group_check *g)
{
    for (uint32_t i = 0; i < e->nargs; i++) {
        bool key = false;
        for (uint32_t k = 0; k < g->nkeys; k++)
            key = key || lg_expr_equal(e->args[i], g->keys[k]);
        if (!key) {
            g->st = lg_bind__error(g->l->b, lg_bind__expr_loc(e->args[i]), "42803",
                                   "arguments to GROUPING must be grouping expressions of the "
                                   "associated query level");
            return true;
        }
    }
    return false;
}

static bool
check_ungrouped(const lg_expr *e, void *arg)
{
    group_check *g = arg;
    if (g->st != LG_OK)
        return true;
    if (e->kind == LG_EX_AGG && e->agg.up == g->deep) {
        g->in_direct = true;
        for (uint32_t i = 0; i < e->agg.ndirect && g->st == LG_OK; i++)
            check_ungrouped(e->args[i], g);
        g->in_direct = false;
        return g->st != LG_OK;
    }
    if (e->kind == LG_EX_GROUPING && !g->deep)
        return check_grouping_args(e, g);
    if (g->deep == 0)
        for (uint32_t i = 0; i < g->nkeys; i++)
            if (lg_expr_equal(e, g->keys[i]))
                return false;
    if (e->kind == LG_EX_VAR && e->var.up == g->deep) {
        lg_expr v = *e;
        v.var.up = 0;
        for (uint32_t i = 0; i < g->nkeys; i++)
            if (lg_expr_equal(&v, g->keys[i]))
                return false;
        if (determined_by_key(g, &v)) {
            note_key(g->l->b, g->l->q->rtes[v.var.rte]->rel->primary->constraint);
            return false;
        }
        if (g->deep)
            g->st = lg_bind__error(g->l->b, e->loc, "42803",
                                   "subquery uses ungrouped column \"%s\" from outer query",
                                   var_name(g->l, &v));
        else
            g->st = lg_bind__error(g->l->b, e->loc, "42803",
                                   "column \"%s\" must appear in the GROUP BY clause or be used in "
                                   "an aggregate function",
                                   var_name(g->l, &v));
        if (!g->deep && g->in_direct)
            lg_error_detail(g->l->b->err, "Direct arguments of an ordered-set aggregate must use "
                                          "only grouped columns.");
        return true;
    }
    if (e->kind == LG_EX_SUBLINK)
        check_query(e->sublink.query, g);
    return lg_expr_walk(e, check_ungrouped, g);
}

static bool
find_agg(const lg_expr *e, void *arg)
{
    if (e->kind == LG_EX_AGG && !e->agg.up) {
        *(int32_t *)arg = e->loc;
        return true;
    }
    return lg_expr_walk(e, find_agg, arg);
}

static int32_t
first_agg(const lg_query *q)
{
    int32_t loc = -1;
    for (uint32_t i = 0; i < q->ntargets && loc < 0; i++)
        find_agg(q->targets[i].expr, &loc);
    if (q->having && loc < 0)
        find_agg(q->having, &loc);
    return loc;
}

lg_status
lg_bind__check_grouping(lg_level *l)
{
    lg_query *q = l->q;
    q->grouped = q->grouped || q->has_aggs || q->having;
    for (uint32_t i = 0; q->has_aggs && i < q->nrtes; i++)
        if (q->rtes[i]->kind == LG_RTE_CTE && q->rtes[i]->cte_self)
            return lg_bind__error(l->b, first_agg(q), "42P19",
                                  "aggregate functions are not allowed in a recursive query's "
                                  "recursive term");
    if (!q->grouped)
        return LG_OK;
    group_check g = {.l = l};
    g.keys = LG_NEWN(l->b->arena, const lg_expr *, q->ngroup + 1);
    for (uint32_t i = 0; i < q->ngroup; i++)
        for (uint32_t t = 0; t < q->ntargets; t++)
            if (q->targets[t].ref == q->group[i].ref)
                g.keys[g.nkeys++] = q->targets[t].expr;
    for (uint32_t i = 0; i < q->ntargets && g.st == LG_OK; i++)
        check_ungrouped(q->targets[i].expr, &g);
    if (q->having && g.st == LG_OK)
        check_ungrouped(q->having, &g);
    return g.st;
}

/* ---- VALUES ---- */

static lg_status
bind_values(lg_level *l, const lg_ast_select_stmt *s)
{
    lg_bind *b = l->b;
    lg_rte *rte = LG_NEW(b->arena, lg_rte);
    rte->kind = LG_RTE_VALUES;
    rte->alias = "*VALUES*";
    rte->lateral = true;
    rte->nrows = s->values_lists.n;
    rte->rows = LG_NEWN(b->arena, lg_expr **, rte->nrows);
    l->clause = LG_CL_VALUES;
    for (uint32_t r = 0; r < rte->nrows; r++) {
        const lg_ast_list *row = &lg_ast_as(s->values_lists.at[r], list_node)->list;
        if (r == 0)
            rte->ncols = row->n;
        if (row->n != rte->ncols)
            return lg_bind__error(b, row->n ? lg_bind__loc(row->at[0]) : -1, "42601",
                                  "VALUES lists must all be the same length");
        rte->rows[r] = LG_NEWN(b->arena, lg_expr *, row->n + 1);
        for (uint32_t c = 0; c < row->n; c++) {
            if (row->at[c]->tag == LG_AST_SET_TO_DEFAULT)
                return lg_bind__error(b, row->at[c]->loc, "42601",
                                      "DEFAULT is not allowed in this context");
            LG_TRY(lg_bind__expr(l, row->at[c], &rte->rows[r][c]));
        }
    }
    l->clause = LG_CL_NONE;
    rte->cols = LG_NEWN(b->arena, lg_outcol, rte->ncols + 1);
    lg_expr **col = LG_NEWN(b->arena, lg_expr *, rte->nrows + 1);
    for (uint32_t c = 0; c < rte->ncols; c++) {
        for (uint32_t r = 0; r < rte->nrows; r++)
            col[r] = rte->rows[r][c];
        lg_oid t;
        LG_TRY(lg_bind__common_type(b, col, rte->nrows, "VALUES", &t));
        for (uint32_t r = 0; r < rte->nrows; r++)
            LG_TRY(lg_bind__coerce_common(b, col[r], t, "VALUES", &rte->rows[r][c]));
        for (uint32_t r = 0; r < rte->nrows; r++)
            col[r] = rte->rows[r][c];
        const lg_type *ty = lg_type_get(t);
        rte->cols[c] = (lg_outcol){.name = lg_arena_printf(b->arena, "column%u", c + 1),
                                   .type = t,
                                   .typmod = lg_bind__common_typmod(col, rte->nrows, t),
                                   .collation = ty ? ty->collation : 0};
    }
    lg_from *f = LG_NEW(b->arena, lg_from);
    f->rte = lg_bind__add_rte(l, rte);
    l->q->from = f;
    lg_nsitem it = lg_bind__nsitem(l, f->rte);
    lg_bind__ns_push(l, &it);
    uint32_t n = 0, cap = 0;
    for (uint32_t c = 0; c < rte->ncols; c++)
        LG_TRY(add_target(l, it.col_exprs[c], rte->cols[c].name, &l->q->targets, &n, &cap));
    l->q->ntargets = n;
    return LG_OK;
}

/* ---- set operations ---- */

static bool
is_leaf(const lg_ast_select_stmt *s)
{
    return s->op == LG_A_SETOP_NONE || s->sort_clause.n || s->limit_count || s->limit_offset ||
           s->locking_clause.n || s->with_clause;
}

/* A leaf whose targets may be coerced in place; else it is wrapped. */
static bool
plain_targets(const lg_query *q)
{
    return !q->setop && !q->ndistinct && !q->nsort && !q->ngroup;
}

static const char *
setop_name(int op)
{
    return op == LG_A_SETOP_UNION ? "UNION" : op == LG_A_SETOP_INTERSECT ? "INTERSECT" : "EXCEPT";
}

static lg_status
setop_leaf(lg_level *l, const lg_ast_select_stmt *s, lg_setop *node)
{
    lg_bind *b = l->b;
    lg_query *q;
    LG_TRY(lg_bind__query(b, l, &s->h, NULL, false, &q));
    lg_rte *rte = LG_NEW(b->arena, lg_rte);
    rte->kind = LG_RTE_SUBQUERY;
    rte->subquery = q;
    rte->alias = lg_arena_printf(b->arena, "*SELECT* %u", l->q->nrtes + 1);
    rte->ncols = lg_query_outcols(q, b->arena, &rte->cols);
    node->op = LG_A_SETOP_NONE;
    node->rte = lg_bind__add_rte(l, rte);
    node->ncols = rte->ncols;
    node->cols = rte->cols;
    return LG_OK;
}

static lg_expr *
leaf_expr(lg_level *l, const lg_setop *n, uint32_t c)
{
    while (n->op != LG_A_SETOP_NONE)
        n = n->left;
    lg_query *q = l->q->rtes[n->rte]->subquery;
    uint32_t k = 0;
    for (uint32_t i = 0; i < q->ntargets; i++)
        if (!q->targets[i].junk && k++ == c)
            return q->targets[i].expr;
    return NULL;
}

static lg_status
setop_columns(lg_level *l, lg_setop *n)
{
    lg_bind *b = l->b;
    const char *name = setop_name(n->op);
    if (n->left->ncols != n->right->ncols)
        return lg_bind__error(b, lg_bind__expr_loc(leaf_expr(l, n->right, 0)), "42601",
                              "each %s query must have the same number of columns", name);
    n->ncols = n->left->ncols;
    n->cols = lg_arena_dup(b->arena, n->left->cols, (n->ncols + 1) * sizeof(lg_outcol));
    for (uint32_t c = 0; c < n->ncols; c++) {
        lg_expr x = *leaf_expr(l, n->left, c), y = *leaf_expr(l, n->right, c);
        x.type = n->left->cols[c].type;
        y.type = n->right->cols[c].type;
        x.typmod = n->left->cols[c].typmod;
        y.typmod = n->right->cols[c].typmod;
        lg_expr *both[2] = {&x, &y};
        LG_TRY(lg_bind__common_type(b, both, 2, name, &n->cols[c].type));
        const lg_type *t = lg_type_get(n->cols[c].type);
        lg_oid lc = n->left->cols[c].collation, rc = n->right->cols[c].collation;
        n->cols[c].collation = !t || !t->collation ? 0 : lc && lc != t->collation ? lc : rc;
        if (t && t->collation && !n->cols[c].collation)
            n->cols[c].collation = t->collation;
        n->cols[c].typmod = lg_bind__common_typmod(both, 2, n->cols[c].type);
        n->cols[c].table = 0;
        n->cols[c].attnum = 0;
        if (!n->all && !lg_type_eq_operator(n->cols[c].type))
            return lg_bind__error(b, x.loc, "42883",
                                  "could not identify an equality operator for type %s",
                                  lg_bind__type_name(b, n->cols[c].type));
    }
    return LG_OK;
}

static lg_status
setop_tree(lg_level *l, const lg_ast_select_stmt *s, bool top, lg_setop **ret)
{
    lg_setop *n = LG_NEW(l->b->arena, lg_setop);
    *ret = n;
    LG_TRY(lg_bind__stack_check(l->b));
    if (!top && is_leaf(s))
        return setop_leaf(l, s, n);
    n->op = (uint8_t)s->op;
    n->all = s->all;
    LG_TRY(setop_tree(l, s->larg, false, &n->left));
    LG_TRY(setop_tree(l, s->rarg, false, &n->right));
    return setop_columns(l, n);
}

/* Gives every leaf the types of the whole. */
static lg_status
setop_coerce(lg_level *l, lg_setop *n, const lg_outcol *cols, const char *name)
{
    lg_bind *b = l->b;
    if (n->op != LG_A_SETOP_NONE) {
        for (uint32_t c = 0; c < n->ncols; c++) {
            n->cols[c].type = cols[c].type;
            n->cols[c].typmod = cols[c].typmod;
        }
        LG_TRY(setop_coerce(l, n->left, cols, name));
        return setop_coerce(l, n->right, cols, name);
    }
    lg_rte *rte = l->q->rtes[n->rte];
    lg_query *q = rte->subquery;
    bool differs = false;
    for (uint32_t c = 0; c < n->ncols; c++)
        differs = differs || rte->cols[c].type != cols[c].type;
    if (!differs)
        return LG_OK;
    bool unknown = false;
    for (uint32_t c = 0; c < n->ncols; c++)
        unknown = unknown || rte->cols[c].type == LG_T_UNKNOWN;
    if (!plain_targets(q) && !unknown) {
        lg_level *w = lg_bind__level_new(b, l, LG_CMD_SELECT);
        lg_rte *in = lg_arena_dup(b->arena, rte, sizeof *rte);
        lg_from *f = LG_NEW(b->arena, lg_from);
        f->rte = lg_bind__add_rte(w, in);
        w->q->from = f;
        w->q->targets = LG_NEWN(b->arena, lg_target, n->ncols + 1);
        w->q->ntargets = n->ncols;
        for (uint32_t c = 0; c < n->ncols; c++)
            w->q->targets[c] = (lg_target){.expr = lg_bind__var(b, in, 0, (int16_t)(c + 1)),
                                           .name = in->cols[c].name};
        q = rte->subquery = w->q;
    }
    uint32_t c = 0;
    for (uint32_t i = 0; i < q->ntargets; i++) {
        if (q->targets[i].junk)
            continue;
        LG_TRY(
            lg_bind__coerce_common(b, q->targets[i].expr, cols[c].type, name, &q->targets[i].expr));
        rte->cols[c].type = cols[c].type;
        rte->cols[c].typmod = cols[c].typmod;
        rte->cols[c].collation = cols[c].collation;
        c++;
    }
    return LG_OK;
}

static lg_status
bind_setop(lg_level *l, const lg_ast_select_stmt *s)
{
    lg_bind *b = l->b;
    lg_query *q = l->q;
    LG_TRY(setop_tree(l, s, true, &q->setop));
    LG_TRY(setop_coerce(l, q->setop, q->setop->cols, setop_name(s->op)));
    const lg_setop *left = q->setop;
    while (left->op != LG_A_SETOP_NONE)
        left = left->left;
    q->ntargets = q->setop->ncols;
    q->targets = LG_NEWN(b->arena, lg_target, q->ntargets + 1);
    for (uint32_t c = 0; c < q->ntargets; c++) {
        lg_expr *v = lg_bind__var(b, q->rtes[left->rte], left->rte, (int16_t)(c + 1));
        v->type = q->setop->cols[c].type;
        v->typmod = q->setop->cols[c].typmod;
        v->collation = q->setop->cols[c].collation;
        q->targets[c] = (lg_target){.expr = v, .name = q->setop->cols[c].name};
    }
    uint32_t before = q->ntargets;
    for (uint32_t i = 0; i < s->sort_clause.n; i++) {
        const lg_ast *n = lg_ast_as(s->sort_clause.at[i], sort_by)->node;
        bool simple = n->tag == LG_AST_INTEGER ||
                      (n->tag == LG_AST_COLUMN_REF && lg_ast_as(n, column_ref)->fields.n == 1);
        if (n->tag == LG_AST_COLUMN_REF && simple) {
            bool have = false;
            const char *name = lg_ast_list_str(&lg_ast_as(n, column_ref)->fields, 0);
            for (uint32_t c = 0; name && c < q->ntargets; c++)
                have = have || !strcmp(q->targets[c].name, name);
            if (!have)
                return lg_bind__error(b, n->loc, "42703", "column \"%s\" does not exist",
                                      name ? name : "*");
        }
        if (!simple) {
            lg_bind__error(b, lg_bind__loc(n), "0A000",
                           "invalid UNION/INTERSECT/EXCEPT ORDER BY clause");
            lg_error_detail(b->err,
                            "Only result column names can be used, not expressions or functions.");
            lg_error_hint(b->err, "Add the expression/function to every SELECT, or move the UNION "
                                  "into a FROM clause.");
            return LG_SQL;
        }
    }
    LG_TRY(bind_order(l, &s->sort_clause));
    return q->ntargets == before ? LG_OK : LG_INTERNAL;
}

/* ---- FOR UPDATE ---- */

static const char *
strength_name(int strength)
{
    static const char *const names[] = {
        "", "", "FOR KEY SHARE", "FOR SHARE", "FOR NO KEY UPDATE", "FOR UPDATE"};
    return names[strength];
}

static lg_status
check_lockable(lg_level *l, const lg_query *q, int strength)
{
    const char *bad = q->setop       ? "with UNION/INTERSECT/EXCEPT"
                      : q->ndistinct ? "with DISTINCT clause"
                      : q->ngroup    ? "with GROUP BY clause"
                      : q->having    ? "with HAVING clause"
                      : q->has_aggs  ? "with aggregate functions"
                      : q->nwindows  ? "with window functions"
                      : q->has_srfs  ? "with set-returning functions in the target list"
                                     : NULL;
    if (bad)
        return lg_bind__error(l->b, -1, "0A000", "%s is not allowed %s", strength_name(strength),
                              bad);
    return LG_OK;
}

static void
add_mark(lg_level *l, lg_query *q, uint32_t rte, const lg_ast_locking_clause *c)
{
    for (uint32_t i = 0; i < q->nmarks; i++)
        if (q->marks[i].rte == rte) {
            if (c->strength > q->marks[i].strength)
                q->marks[i].strength = (uint8_t)c->strength;
            if (c->wait_policy > q->marks[i].wait)
                q->marks[i].wait = (uint8_t)c->wait_policy;
            return;
        }
    lg_rowmark *m = LG_NEWN(l->b->arena, lg_rowmark, q->nmarks + 1);
    if (q->nmarks)
        memcpy(m, q->marks, q->nmarks * sizeof *m);
    m[q->nmarks] = (lg_rowmark){rte, (uint8_t)c->strength, (uint8_t)c->wait_policy};
    q->marks = m;
    q->nmarks++;
}

/* A subquery's or view's rows are locked where they are read: in it. */
static lg_status
lock_entry(lg_level *l, lg_query *q, uint32_t rte, const lg_ast_locking_clause *c)
{
    lg_bind *b = l->b;
    lg_rte *r = q->rtes[rte];
    LG_TRY(lg_bind__stack_check(b));
    if (r->kind == LG_RTE_RELATION && !r->rel->virtual_rel) {
        add_mark(l, q, rte, c);
        for (uint32_t i = 0; i < b->nrelations; i++)
            if (b->relations[i].rel == r->rel && b->relations[i].lock < LG_LOCK_ROW_SHARE)
                b->relations[i].lock = LG_LOCK_ROW_SHARE;
    }
    if (r->kind != LG_RTE_SUBQUERY)
        return LG_OK;
    LG_TRY(check_lockable(l, r->subquery, c->strength));
    for (uint32_t i = 0; i < r->subquery->nrtes; i++)
        LG_TRY(lock_entry(l, r->subquery, i, c));
    return LG_OK;
}

static lg_status
bind_locking(lg_level *l, const lg_ast_list *clauses)
{
    lg_query *q = l->q;
    q->for_update = clauses->n > 0;
    for (uint32_t i = 0; i < clauses->n; i++) {
        const lg_ast_locking_clause *c = lg_ast_as(clauses->at[i], locking_clause);
        LG_TRY(check_lockable(l, q, c->strength));
        if (!c->locked_rels.n) {
            for (uint32_t r = 0; r < q->nrtes; r++)
                LG_TRY(lock_entry(l, q, r, c));
            continue;
        }
        for (uint32_t k = 0; k < c->locked_rels.n; k++) {
            const lg_ast_range_var *rv = lg_ast_as(c->locked_rels.at[k], range_var);
            bool found = false;
            for (uint32_t r = 0; r < q->nrtes; r++)
                if (q->rtes[r]->alias && !strcmp(q->rtes[r]->alias, rv->relname)) {
                    found = true;
                    if (q->rtes[r]->kind != LG_RTE_RELATION && q->rtes[r]->kind != LG_RTE_SUBQUERY)
                        return lg_bind__error(l->b, rv->h.loc, "0A000",
                                              "%s cannot be applied to %s",
                                              strength_name(c->strength),
                                              q->rtes[r]->kind == LG_RTE_FUNCTION ? "a function"
                                              : q->rtes[r]->kind == LG_RTE_VALUES ? "VALUES"
                                                                                  : "a WITH query");
                    LG_TRY(lock_entry(l, q, r, c));
                }
            if (!found)
                return lg_bind__error(l->b, rv->h.loc, "42P01",
                                      "relation \"%s\" in %s clause not found in FROM clause",
                                      rv->relname, strength_name(c->strength));
        }
    }
    return LG_OK;
}

/* ---- SELECT ---- */

static lg_status
bind_plain_select(lg_level *l, const lg_ast_select_stmt *s)
{
    lg_query *q = l->q;
    LG_TRY(lg_bind__window_clause(l, &s->window_clause));
    l->locking = &s->locking_clause;
    LG_TRY(lg_bind__from_clause(l, &s->from_clause));
    LG_TRY(lg_bind__targets(l, &s->target_list, LG_CL_TARGET, &q->ntargets, &q->targets));
    LG_TRY(lg_bind__condition(l, s->where_clause, LG_CL_WHERE, "WHERE", &q->where));
    LG_TRY(lg_bind__condition(l, s->having_clause, LG_CL_HAVING, "HAVING", &q->having));
    LG_TRY(bind_order(l, &s->sort_clause));
    LG_TRY(lg_bind__group(l, &s->group_clause, s->group_distinct));
    if (s->distinct_clause.n)
        LG_TRY(bind_distinct(l, &s->distinct_clause));
    return lg_bind__windows(l);
}

lg_status
lg_bind__select(lg_level *l, const lg_ast_select_stmt *s)
{
    lg_query *q = l->q;
    LG_TRY(lg_bind__with(l, s->with_clause));
    if (s->op != LG_A_SETOP_NONE)
        LG_TRY(bind_setop(l, s));
    else if (s->values_lists.n) {
        LG_TRY(bind_values(l, s));
        LG_TRY(bind_order(l, &s->sort_clause));
    } else
        LG_TRY(bind_plain_select(l, s));
    LG_TRY(bind_limit(l, s->limit_offset, LG_CL_OFFSET, &q->offset));
    LG_TRY(bind_limit(l, s->limit_count, LG_CL_LIMIT, &q->limit));
    q->with_ties = s->limit_option == LG_A_LIMIT_OPTION_WITH_TIES;
    if (l->resolve_unknowns)
        for (uint32_t i = 0; i < q->ntargets; i++)
            LG_TRY(lg_bind__resolve_unknown(l->b, &q->targets[i].expr));
    LG_TRY(lg_bind__check_grouping(l));
    return bind_locking(l, &s->locking_clause);
}
