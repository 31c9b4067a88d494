/* What INSERT, UPDATE and DELETE change: a table, or PostgreSQL's automatically updatable view of
 * one, through as many views as there are.
 *
 * The statement is bound as one on the table below: range table entry 0 is the table, and the name
 * of the view stands for columns that are the view's expressions over it. So nothing is rewritten
 * afterwards. The views' conditions are added to WHERE (UPDATE, DELETE) or, with CHECK OPTION, to
 * what a new row must satisfy; whom a view allows what is noted in the query's `views`. */
#include "bind_copy.h"
#include "bind_internal.h"
#include <string.h>

static lg_status
not_updatable(lg_bind *b, const lg_relation *view, lg_cmd cmd, const char *why)
{
    const char *what = cmd == LG_CMD_INSERT   ? "insert into"
                       : cmd == LG_CMD_UPDATE ? "update"
                                              : "delete from";
    const char *ing = cmd == LG_CMD_INSERT   ? "inserting into"
                      : cmd == LG_CMD_UPDATE ? "updating"
                                             : "deleting from";
    const char *verb = cmd == LG_CMD_INSERT ? "INSERT" : cmd == LG_CMD_UPDATE ? "UPDATE" : "DELETE";
    lg_bind__error(b, -1, "55000", "cannot %s view \"%s\"", what, view->name);
    lg_error_detail(b->err, "%s", why);
    lg_error_hint(b->err,
                  "To enable %s the view, provide an INSTEAD OF %s trigger or an "
                  "unconditional ON %s DO INSTEAD rule.",
                  ing, verb, verb);
    return LG_SQL;
}

/* Why the query of a view forbids it; NULL: nothing does so far. */
static const char *
why_not_text(const lg_ast_select_stmt *s)
{
    if (s->distinct_clause.n)
        return "Views containing DISTINCT are not automatically updatable.";
    if (s->group_clause.n)
        return "Views containing GROUP BY are not automatically updatable.";
    if (s->having_clause)
        return "Views containing HAVING are not automatically updatable.";
    if (s->op > LG_A_SETOP_NONE)
        return "Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable.";
    if (s->with_clause)
        return "Views containing WITH are not automatically updatable.";
    if (s->limit_count || s->limit_offset)
        return "Views containing LIMIT or OFFSET are not automatically updatable.";
    return NULL;
}

#define NOT_ONE_TABLE                                                                              \
    "Views that do not select from a single table or view are not automatically updatable."

static const char *
why_not_bound(const lg_query *q)
{
    if (q->has_aggs)
        return "Views that return aggregate functions are not automatically updatable.";
    for (uint32_t i = 0; i < q->ntargets; i++)
        if (lg_expr_has_kind(q->targets[i].expr, LG_EX_WINDOW))
            return "Views that return window functions are not automatically updatable.";
    if (q->has_srfs)
        return "Views that return set-returning functions are not automatically updatable.";
    return NULL;
}

static const char *
why_not_column(const lg_expr *e)
{
    if (e->kind == LG_EX_VAR && e->var.attno < 0)
        return "View columns that refer to system columns are not updatable.";
    if (e->kind == LG_EX_ROW && lg_usertype_of(e->type) == LG_UT_ROW)
        return "View columns that return whole-row references are not updatable.";
    return "View columns that are not columns of their base relation are not updatable.";
}

static void
changed_init(lg_bind *b, lg_relation *rel, lg_changed *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->rel = rel;
    ret->cols = LG_NEWN(b->arena, lg_changed_col, rel->ncols + 1u);
}

/* A table: each column is itself. */
static void
table_target(lg_level *l, lg_relation *rel, const lg_ast_alias *alias, lg_changed *ret)
{
    changed_init(l->b, rel, ret);
    ret->base = rel;
    ret->rte = lg_bind__relation_rte(l->b, rel, alias, LG_LOCK_ROW_EXCLUSIVE);
    for (uint16_t i = 0; i < rel->ncols; i++)
        ret->cols[i] = (lg_changed_col){.col = &rel->cols[i], .defaults = &rel->cols[i]};
    lg_bind__add_rte(l, ret->rte);
    ret->item = lg_bind__nsitem(l, l->q->nrtes - 1);
}

/* The columns of the view over those of what it selects from. */
static void
view_columns(lg_bind *b, lg_changed *v, const lg_changed *in, const lg_query *q)
{
    lg_nsitem *it = &v->item;
    uint32_t n = 0;
    it->ncols = v->rel->ncols;
    it->col_names = LG_NEWN(b->arena, const char *, it->ncols + 1);
    it->col_exprs = LG_NEWN(b->arena, lg_expr *, it->ncols + 1);
    for (uint32_t i = 0; i < q->ntargets && n < it->ncols; i++) {
        if (q->targets[i].junk)
            continue;
        lg_expr *e = q->targets[i].expr;
        lg_changed_col *c = &v->cols[n];
        const lg_column *own = &v->rel->cols[n];
        uint32_t k = 0;
        it->col_names[n] = own->name;
        it->col_exprs[n++] = e;
        while (k < in->item.ncols &&
               !(in->item.col_names[k] && lg_expr_equal(e, in->item.col_exprs[k])))
            k++;
        bool same = k < in->item.ncols;
        c->inner = same ? (int16_t)(k + 1) : 0;
        if (same)
            *c = (lg_changed_col){.col = in->cols[k].col,
                                  .defaults = in->cols[k].defaults,
                                  .inner = c->inner,
                                  .why = in->cols[k].why,
                                  .why_view = in->cols[k].why_view,
                                  .why_name = in->cols[k].why_name};
        else
            *c = (lg_changed_col){
                .why = why_not_column(e), .why_view = v->rel, .why_name = own->name};
        if (own->default_sql)
            c->defaults = own;
    }
}

/* The conditions of the view, for the rows that are changed and for the new ones. */
static void
view_conditions(lg_level *top, const lg_relation *view, lg_cmd cmd, bool cascaded, lg_expr *where)
{
    lg_query *q = top->q;
    lg_copier c = {.a = top->b->arena};
    if (!where)
        return;
    if (cmd != LG_CMD_INSERT)
        q->where = lg_expr_and(c.a, q->where, where);
    if (cmd == LG_CMD_DELETE)
        return;
    lg_view_check *list = LG_NEWN(c.a, lg_view_check, q->nchecks + 2);
    if (q->nchecks)
        memcpy(list, q->checks, q->nchecks * sizeof *list);
    if (view->check_option || cascaded)
        list[q->nchecks++] = (lg_view_check){view->name, lg_copy_expr(&c, where, 0), false};
    if (cmd == LG_CMD_INSERT)
        list[q->nchecks++] = (lg_view_check){view->name, lg_copy_expr(&c, where, 0), true};
    q->checks = list;
}

static void
add_use(lg_bind *b, lg_query *q, lg_changed *v, lg_oid as, lg_view_use *inner)
{
    lg_view_use *u = LG_NEW(b->arena, lg_view_use);
    uint32_t n = v->rel->ncols;
    *u = (lg_view_use){.view = v->rel, .check_as = as, .inner = inner, .next = q->views};
    u->read = LG_NEWN(b->arena, uint8_t, n + 1);
    u->inserted = LG_NEWN(b->arena, uint8_t, n + 1);
    u->updated = LG_NEWN(b->arena, uint8_t, n + 1);
    u->inner_col = LG_NEWN(b->arena, int16_t, n + 1);
    for (uint32_t i = 0; i < n; i++)
        u->inner_col[i] = v->cols[i].inner;
    v->item.used = u->read;
    v->use = q->views = u;
}

static void
rename_columns(lg_nsitem *it, const lg_ast_alias *alias)
{
    uint32_t k = 0;
    if (!alias)
        return;
    it->name = alias->aliasname;
    it->schema = NULL;
    for (uint32_t i = 0; i < it->ncols && k < alias->colnames.n; i++)
        if (it->col_names[i])
            it->col_names[i] = lg_ast_list_str(&alias->colnames, k++);
}

static lg_status view_target(lg_level *top, lg_relation *rel, lg_cmd cmd, bool cascaded,
                             lg_changed *ret);

/* What the view selects from, as the one item that its expressions see. */
static lg_status
view_source(lg_level *top, lg_level *l, const lg_ast_range_var *rv, const lg_relation *view,
            lg_cmd cmd, bool cascaded, lg_changed *ret)
{
    lg_bind *b = top->b;
    lg_relation *rel;
    LG_TRY(lg_bind__open(b, rv, LG_LOCK_ROW_EXCLUSIVE, &rel));
    if (rel->kind == LG_REL_TABLE && !rel->virtual_rel) {
        table_target(l, rel, rv->alias, ret);
        rename_columns(&ret->item, rv->alias);
    } else if (rel->kind == LG_REL_VIEW && !rel->virtual_rel) {
        LG_TRY(view_target(top, rel, cmd, cascaded, ret));
        rename_columns(&ret->item, rv->alias);
        lg_bind__add_rte(l, ret->rte);
    } else {
        return not_updatable(b, view, cmd, NOT_ONE_TABLE);
    }
    lg_bind__ns_push(l, &ret->item);
    return LG_OK;
}

/* The view's text, bound over the table below; b's state is the view's. */
static lg_status
bind_text(lg_level *top, lg_changed *v, lg_cmd cmd, bool cascaded, lg_oid as)
{
    lg_bind *b = top->b;
    lg_relation *rel = v->rel;
    lg_parse_tree *t;
    lg_changed in;
    lg_expr *where = NULL;
    LG_TRY(lg_parse_sql(b->run, rel->view_sql, b->arena, b->err, &t));
    if (t->n != 1 || t->stmts[0].stmt->tag != LG_AST_SELECT_STMT)
        return LG_CORRUPT;
    const lg_ast_select_stmt *s = lg_ast_as(t->stmts[0].stmt, select_stmt);
    const char *why = why_not_text(s);
    if (!why && (s->from_clause.n != 1 || s->values_lists.n))
        why = NOT_ONE_TABLE;
    if (!why && s->from_clause.at[0]->tag == LG_AST_RANGE_TABLE_SAMPLE)
        why = "Views containing TABLESAMPLE are not automatically updatable.";
    if (!why && s->from_clause.at[0]->tag != LG_AST_RANGE_VAR)
        why = NOT_ONE_TABLE;
    if (why)
        return not_updatable(b, rel, cmd, why);
    lg_level *l = lg_bind__level_new(b, NULL, LG_CMD_SELECT);
    bool deep = cascaded || rel->check_option == 'c';
    LG_TRY(view_source(top, l, lg_ast_as(s->from_clause.at[0], range_var), rel, cmd, deep, &in));
    LG_TRY(lg_bind__targets(l, &s->target_list, LG_CL_TARGET, &l->q->ntargets, &l->q->targets));
    for (uint32_t i = 0; i < l->q->ntargets; i++)
        LG_TRY(lg_bind__resolve_unknown(b, &l->q->targets[i].expr));
    why = why_not_bound(l->q);
    if (why)
        return not_updatable(b, rel, cmd, why);
    LG_TRY(lg_bind__condition(l, s->where_clause, LG_CL_WHERE, "WHERE", &where));
    top->q->has_sublinks |= l->q->has_sublinks;
    v->base = in.base;
    v->rte = in.rte;
    view_columns(b, v, &in, l->q);
    add_use(b, top->q, v, as, in.use);
    bool any = cmd == LG_CMD_DELETE;
    for (uint32_t i = 0; i < v->item.ncols; i++)
        any |= v->cols[i].inner != 0;
    if (!any)
        return not_updatable(b, rel, cmd,
                             "Views that have no updatable columns are not automatically "
                             "updatable.");
    view_conditions(top, rel, cmd, cascaded, where);
    return LG_OK;
}

static lg_status
view_target(lg_level *top, lg_relation *rel, lg_cmd cmd, bool cascaded, lg_changed *ret)
{
    lg_bind *b = top->b;
    const char *sql = b->sql;
    bool infer = b->infer_params;
    uint32_t np = b->nparams;
    lg_oid as = b->check_as;
    LG_TRY(lg_bind__stack_check(b));
    b->view_depth++;
    changed_init(b, rel, ret);
    b->check_as = rel->security_invoker ? as : rel->owner;
    b->sql = NULL;
    b->infer_params = false;
    b->nparams = 0;
    lg_status st = bind_text(top, ret, cmd, cascaded, as);
    b->view_depth--;
    b->sql = sql;
    b->infer_params = infer;
    b->nparams = np;
    b->check_as = as;
    LG_TRY(st);
    lg_rte *shown = LG_NEW(b->arena, lg_rte); /* for names and the type of the whole row only */
    shown->kind = LG_RTE_SUBQUERY;
    shown->alias = rel->name;
    shown->view = rel;
    ret->item.name = rel->name;
    ret->item.rte = shown;
    ret->item.relid = rel->oid;
    ret->item.schema = rel->schema;
    ret->item.rel_visible = ret->item.cols_visible = ret->item.lateral_ok = true;
    return LG_OK;
}

lg_status
lg_bind__open_changed(lg_level *l, const lg_ast_range_var *rv, lg_cmd cmd, lg_changed *ret)
{
    lg_bind *b = l->b;
    lg_relation *rel;
    LG_TRY(lg_bind__open(b, rv, LG_LOCK_ROW_EXCLUSIVE, &rel));
    if (rel->kind == LG_REL_SEQUENCE)
        return lg_bind__error(b, -1, "42809", "cannot change sequence \"%s\"", rel->name);
    if (rel->kind == LG_REL_INDEX)
        return lg_bind__error(b, rv->h.loc, "42809", "\"%s\" is an index", rel->name);
    if (rel->kind == LG_REL_MATVIEW)
        return lg_bind__error(b, -1, "42809", "cannot change materialized view \"%s\"", rel->name);
    if (rel->virtual_rel)
        return lg_bind__error(b, -1, "55000", "cannot change \"%s\": it is a view of the system",
                              rel->name);
    if (rel->kind != LG_REL_VIEW) {
        table_target(l, rel, rv->alias, ret);
    } else {
        LG_TRY(view_target(l, rel, cmd, false, ret));
        lg_bind__add_rte(l, ret->rte);
        rename_columns(&ret->item, rv->alias);
    }
    if (rv->alias && ret->use) {
        lg_rte *shown = lg_arena_dup(b->arena, ret->item.rte, sizeof *shown);
        shown->has_alias = true;
        shown->alias = rv->alias->aliasname;
        ret->item.rte = shown;
    }
    ret->cmd = cmd;
    l->q->inserted = LG_NEWN(b->arena, uint8_t, ret->base->ncols + 1u);
    return LG_OK;
}

lg_status
lg_bind__changed_column(lg_bind *b, const lg_changed *c, int16_t attno, lg_cmd cmd,
                        const lg_column **ret)
{
    const lg_changed_col *x = &c->cols[attno - 1];
    if (x->col) {
        for (lg_view_use *u = c->use; u && attno; attno = u->inner_col[attno - 1], u = u->inner)
            (cmd == LG_CMD_INSERT ? u->inserted : u->updated)[attno] = 1;
        *ret = x->col;
        return LG_OK;
    }
    lg_bind__error(b, -1, "0A000", "cannot %s column \"%s\" of view \"%s\"",
                   c->cmd == LG_CMD_INSERT ? "insert into" : "update", x->why_name,
                   x->why_view->name);
    lg_error_detail(b->err, "%s", x->why);
    return LG_SQL;
}

/* ---- the same names over EXCLUDED ---- */

static lg_expr *
over_excluded(lg_copier *c, const lg_expr *e, uint32_t depth)
{
    if (e->kind != LG_EX_VAR || e->var.up != depth || e->var.rte != 0)
        return NULL;
    lg_expr *n = lg_arena_dup(c->a, e, sizeof *e);
    n->var.rte = *(uint32_t *)c->arg;
    return n;
}

lg_nsitem
lg_bind__excluded_item(lg_level *l, const lg_changed *c, uint32_t excluded)
{
    lg_copier copy = {.a = l->b->arena, .leaf = over_excluded, .arg = &excluded};
    lg_nsitem it = c->item;
    it.name = "excluded";
    it.schema = NULL;
    it.rte = c->use ? c->item.rte : l->q->rtes[excluded];
    it.rte_index = excluded;
    it.col_exprs = LG_NEWN(l->b->arena, lg_expr *, it.ncols + 1);
    for (uint32_t i = 0; i < it.ncols; i++)
        it.col_exprs[i] = lg_copy_expr(&copy, c->item.col_exprs[i], 0);
    return it;
}

/* ---- pg_relation_is_updatable ---- */

lg_status
lg_bind_view_updatable(lg_bind *b, lg_relation *rel, uint8_t *ret_cols, bool *ret,
                       const char **ret_why)
{
    lg_error err;
    lg_error *was = b->err;
    lg_changed c;
    *ret = false;
    memset(ret_cols, 0, rel->ncols);
    b->stack_base = (const char *)__builtin_frame_address(0);
    b->no_lock = true;
    lg_error_init(&err, b->arena);
    b->err = &err;
    lg_level *l = lg_bind__level_new(b, NULL, LG_CMD_DELETE);
    lg_status st = view_target(l, rel, LG_CMD_DELETE, false, &c);
    b->err = was;
    if (st == LG_SQL) {
        *ret_why = err.detail;
        return LG_OK;
    }
    LG_TRY(st);
    *ret = true;
    for (uint16_t i = 0; i < rel->ncols; i++)
        ret_cols[i] = c.cols[i].col != NULL;
    return LG_OK;
}
