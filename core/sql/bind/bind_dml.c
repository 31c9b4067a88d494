/* INSERT, UPDATE, DELETE. The target table is range table entry 0. */
#include "bind_copy.h"
#include "bind_internal.h"
#include <string.h>

static lg_status
target_column(lg_bind *b, const lg_relation *rel, const char *name, int32_t loc,
              const lg_column **ret)
{
    for (uint16_t i = 0; i < rel->ncols; i++)
        if (!rel->cols[i].dropped && !strcmp(rel->cols[i].name, name)) {
            *ret = &rel->cols[i];
            return LG_OK;
        }
    return lg_bind__error(b, loc, "42703", "column \"%s\" of relation \"%s\" does not exist", name,
                          rel->name);
}

/* A value for a column: assignment coercion with its typmod. defaults: the column whose default
 * it is by DEFAULT, the table's or a view's. */
static lg_status
assign(lg_bind *b, lg_expr *e, const lg_column *col, const lg_column *defaults, lg_expr **ret)
{
    if (e->kind == LG_EX_DEFAULT)
        return lg_bind_column_default(b, NULL, defaults, ret);
    lg_oid from = e->type;
    LG_TRY(lg_bind__coerce_to(b, e, lg_column_declared(col), col->typmod, LG_COERCE_ASSIGNMENT,
                              LG_FORM_IMPLICIT, e->loc, ret));
    if (*ret)
        return LG_OK;
    lg_bind__error(b, e->loc, "42804", "column \"%s\" is of type %s but expression is of type %s",
                   col->name, lg_bind__type_name(b, lg_column_declared(col)),
                   lg_bind__type_name(b, from));
    lg_error_hint(b->err, "You will need to rewrite or cast the expression.");
    return LG_SQL;
}

static lg_status
check_insertable(lg_bind *b, const lg_column *col, const lg_expr *e, int overriding)
{
    if (e->kind == LG_EX_DEFAULT)
        return LG_OK;
    if (col->generated) {
        lg_bind__error(b, -1, "428C9", "cannot insert a non-DEFAULT value into column \"%s\"",
                       col->name);
        lg_error_detail(b->err, "Column \"%s\" is a generated column.", col->name);
        return LG_SQL;
    }
    if (col->identity == 'a' && overriding == LG_A_OVERRIDING_NOT_SET) {
        lg_bind__error(b, -1, "428C9", "cannot insert a non-DEFAULT value into column \"%s\"",
                       col->name);
        lg_error_detail(b->err, "Column \"%s\" is an identity column defined as GENERATED ALWAYS.",
                        col->name);
        lg_error_hint(b->err, "Use OVERRIDING SYSTEM VALUE to override.");
        return LG_SQL;
    }
    return LG_OK;
}

typedef struct insert_cols {
    uint32_t n;
    const lg_column **cols; /* of the table */
    const lg_column **named, **defaults;
    const lg_ast_list **parts; /* c.f, a[1]: which part of it; NULL: the whole column */
    bool listed;
    int32_t *locs;
} insert_cols;

static lg_status
insert_column(lg_bind *b, const lg_changed *t, const lg_column *named, int32_t loc,
              const lg_ast_list *part, insert_cols *ret)
{
    const lg_column *col;
    LG_TRY(lg_bind__changed_column(b, t, named->attnum, LG_CMD_INSERT, &col));
    for (uint32_t k = 0; k < ret->n; k++)
        if (ret->cols[k] == col && !(part && ret->parts[k]))
            return t->use && ret->named[k] != named
                       ? lg_bind__error(b, -1, "42601",
                                        "multiple assignments to same column \"%s\"", col->name)
                       : lg_bind__error(b, loc, "42701", "column \"%s\" specified more than once",
                                        named->name);
    ret->locs[ret->n] = loc;
    ret->named[ret->n] = named;
    ret->parts[ret->n] = part;
    ret->defaults[ret->n] = t->cols[named->attnum - 1].defaults;
    ret->cols[ret->n++] = col;
    return LG_OK;
}

/* The columns that are given: those listed, or the first `given` of all. */
static lg_status
insert_columns(lg_bind *b, const lg_changed *t, const lg_ast_list *list, uint32_t given,
               insert_cols *ret)
{
    const lg_relation *rel = t->rel;
    uint32_t max = list->n > rel->ncols ? list->n : rel->ncols;
    ret->n = 0;
    ret->listed = list->n > 0;
    ret->cols = LG_NEWN(b->arena, const lg_column *, max + 1);
    ret->named = LG_NEWN(b->arena, const lg_column *, max + 1);
    ret->defaults = LG_NEWN(b->arena, const lg_column *, max + 1);
    ret->locs = LG_NEWN(b->arena, int32_t, max + 1);
    ret->parts = LG_NEWN(b->arena, const lg_ast_list *, max + 1);
    for (uint32_t i = 0; i < list->n; i++) {
        const lg_ast_res_target *r = lg_ast_as(list->at[i], res_target);
        const lg_column *named;
        LG_TRY(target_column(b, rel, r->name, r->h.loc, &named));
        LG_TRY(
            insert_column(b, t, named, r->h.loc, r->indirection.n ? &r->indirection : NULL, ret));
    }
    for (uint16_t i = 0; !list->n && i < rel->ncols; i++)
        if (!rel->cols[i].dropped && (!t->use || ret->n < given))
            LG_TRY(insert_column(b, t, &rel->cols[i], -1, NULL, ret));
    return LG_OK;
}

static lg_status
check_width(lg_bind *b, const insert_cols *c, uint32_t n, int32_t extra_loc)
{
    if (n > c->n)
        return lg_bind__error(b, extra_loc, "42601",
                              "INSERT has more expressions than target columns");
    if (c->listed && n < c->n)
        return lg_bind__error(b, c->locs[n], "42601",
                              "INSERT has more target columns than expressions");
    return LG_OK;
}

/* What a part of a column gets, as the part's type: found by assigning to it once, for nothing. */
static lg_status
part_value(lg_level *l, const insert_cols *c, uint32_t i, lg_expr *e, lg_expr **ret)
{
    const lg_column *col = c->cols[i];
    lg_expr *base = lg_expr_const(l->b->arena, col->type, 0, true), *whole;
    return lg_bind__assign_part(l, col, base, c->parts[i], c->locs[i], e, ret, &whole);
}

/* One row of VALUES, coerced to the columns. */
static lg_status
insert_row(lg_level *l, const lg_ast_list *row, const insert_cols *c, int overriding,
           lg_clause clause, lg_expr **ret)
{
    lg_bind *b = l->b;
    LG_TRY(check_width(b, c, row->n, row->n > c->n ? lg_bind__loc(row->at[c->n]) : -1));
    for (uint32_t i = 0; i < row->n; i++) {
        lg_expr *e;
        LG_TRY(lg_bind__clause_expr(l, row->at[i], clause, &e));
        LG_TRY(check_insertable(b, c->cols[i], e, overriding));
        if (c->parts[i]) {
            LG_TRY(part_value(l, c, i, e, &ret[i]));
            continue;
        }
        if (overriding == LG_A_OVERRIDING_USER_VALUE && c->cols[i]->identity)
            LG_TRY(lg_bind_column_default(b, NULL, c->cols[i], &ret[i]));
        else
            LG_TRY(assign(b, e, c->cols[i], c->defaults[i], &ret[i]));
    }
    return LG_OK;
}

static lg_status
source_from(lg_level *l, lg_rte *rte)
{
    lg_from *f = LG_NEW(l->b->arena, lg_from);
    f->rte = lg_bind__add_rte(l, rte);
    l->q->from = f;
    l->q->source_rte = f->rte;
    l->q->insert_values = true;
    return LG_OK;
}

static lg_status
insert_values(lg_level *l, const lg_ast_select_stmt *s, const insert_cols *c, int overriding,
              uint32_t *ret_n, lg_expr **exprs)
{
    lg_bind *b = l->b;
    uint32_t nrows = s->values_lists.n;
    const lg_ast_list *first = &lg_ast_as(s->values_lists.at[0], list_node)->list;
    *ret_n = first->n;
    if (nrows == 1)
        return insert_row(l, first, c, overriding, LG_CL_VALUES_SINGLE, exprs);
    lg_rte *rte = LG_NEW(b->arena, lg_rte);
    rte->kind = LG_RTE_VALUES;
    rte->alias = "*VALUES*";
    rte->nrows = nrows;
    rte->ncols = first->n;
    rte->rows = LG_NEWN(b->arena, lg_expr **, nrows);
    for (uint32_t r = 0; r < nrows; r++) {
        const lg_ast_list *row = &lg_ast_as(s->values_lists.at[r], list_node)->list;
        if (row->n != first->n)
            return lg_bind__error(b, row->n ? lg_bind__loc(row->at[0]) : -1, "42601",
                                  "VALUES lists must all be the same length");
        rte->rows[r] = LG_NEWN(b->arena, lg_expr *, row->n + 1);
        LG_TRY(insert_row(l, row, c, overriding, LG_CL_VALUES, rte->rows[r]));
    }
    rte->cols = LG_NEWN(b->arena, lg_outcol, first->n + 1);
    for (uint32_t i = 0; i < first->n; i++)
        rte->cols[i] = (lg_outcol){.name = lg_arena_printf(b->arena, "column%u", i + 1),
                                   .type = c->parts[i] ? rte->rows[0][i]->type : c->cols[i]->type,
                                   .typmod = c->cols[i]->typmod,
                                   .collation = c->cols[i]->collation};
    LG_TRY(source_from(l, rte));
    for (uint32_t i = 0; i < first->n; i++)
        exprs[i] = lg_bind__var(b, rte, l->q->source_rte, (int16_t)(i + 1));
    return LG_OK;
}

static lg_status
insert_select(lg_level *l, const lg_ast *s, const insert_cols *c, int overriding, uint32_t *ret_n,
              lg_expr **exprs)
{
    lg_bind *b = l->b;
    lg_query *q;
    LG_TRY(lg_bind__query(b, l, s, NULL, false, &q));
    uint32_t n = 0;
    for (uint32_t i = 0; i < q->ntargets; i++) {
        lg_target *t = &q->targets[i];
        if (t->junk)
            continue;
        if (n >= c->n)
            return check_width(b, c, n + 1, t->expr->loc);
        if (t->expr->type == LG_T_UNKNOWN && c->parts[n])
            LG_TRY(part_value(l, c, n, t->expr, &t->expr));
        else if (t->expr->type == LG_T_UNKNOWN)
            LG_TRY(lg_bind__coerce(b, t->expr, c->cols[n]->type, -1, LG_COERCE_ASSIGNMENT,
                                   LG_FORM_IMPLICIT, t->expr->loc, &t->expr));
        n++;
    }
    LG_TRY(check_width(b, c, n, -1));
    lg_rte *rte = LG_NEW(b->arena, lg_rte);
    rte->kind = LG_RTE_SUBQUERY;
    rte->alias = "*SELECT*";
    rte->subquery = q;
    rte->ncols = lg_query_outcols(q, b->arena, &rte->cols);
    LG_TRY(source_from(l, rte));
    for (uint32_t i = 0; i < n; i++) {
        lg_expr *v = lg_bind__var(b, rte, l->q->source_rte, (int16_t)(i + 1));
        LG_TRY(check_insertable(b, c->cols[i], v, overriding));
        v->loc = q->targets[i].expr->loc;
        if (c->parts[i]) {
            exprs[i] = v;
            continue;
        }
        LG_TRY(assign(b, v, c->cols[i], c->defaults[i], &exprs[i]));
    }
    *ret_n = n;
    return LG_OK;
}

/* A view's own defaults for its columns that are not given. */
static lg_status
view_defaults(lg_bind *b, const lg_changed *t, const insert_cols *c, uint32_t n, lg_query *q)
{
    for (uint16_t i = 0; t->use && i < t->rel->ncols; i++) {
        const lg_changed_col *x = &t->cols[i];
        const lg_column *col;
        bool given = false;
        if (!x->defaults || x->defaults == x->col)
            continue;
        for (uint32_t k = 0; k < n; k++)
            given |= c->cols[k] == x->col;
        if (given)
            continue;
        LG_TRY(lg_bind__changed_column(b, t, (int16_t)(i + 1), LG_CMD_INSERT, &col));
        lg_expr *e;
        LG_TRY(lg_bind_column_default(b, NULL, x->defaults, &e));
        LG_TRY(assign(b, e, col, col, &q->targets[col->attnum - 1].expr));
        q->inserted[col->attnum] = 1;
    }
    return LG_OK;
}

/* Targets for every column of the table, in order: given, default or NULL. */
static lg_status
fill_columns(lg_level *l, const lg_changed *t, const insert_cols *c, uint32_t n, lg_expr **exprs)
{
    lg_bind *b = l->b;
    lg_query *q = l->q;
    lg_relation *rel = t->base;
    q->ntargets = rel->ncols;
    q->targets = LG_NEWN(b->arena, lg_target, rel->ncols + 1u);
    for (uint32_t i = 0; i < n; i++) {
        lg_expr **to = &q->targets[c->cols[i]->attnum - 1].expr;
        if (c->parts[i]) {
            lg_expr *base = *to ? *to : lg_expr_const(b->arena, c->cols[i]->type, 0, true);
            LG_TRY(lg_bind__assign_part(l, c->cols[i], base, c->parts[i], c->locs[i], exprs[i],
                                        NULL, to));
            LG_TRY(assign(b, *to, c->cols[i], NULL, to));
        } else {
            *to = exprs[i];
        }
        q->inserted[c->cols[i]->attnum] = 1;
    }
    LG_TRY(view_defaults(b, t, c, n, q));
    for (uint16_t i = 0; i < rel->ncols; i++) {
        lg_target *x = &q->targets[i];
        x->attnum = (int16_t)(i + 1);
        x->name = rel->cols[i].dropped ? "dropped" : rel->cols[i].name;
        if (!x->expr)
            LG_TRY(lg_bind_column_default(b, rel, &rel->cols[i], &x->expr));
    }
    return LG_OK;
}

/* ---- ON CONFLICT ---- */

static bool
index_columns_match(const lg_index *ix, const int16_t *attnums, uint32_t n)
{
    if (!ix->unique || !ix->valid || ix->nexprs)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        bool have = false;
        for (uint16_t k = 0; k < ix->nkeys; k++)
            have = have || ix->attnum[k] == attnums[i];
        if (!have)
            return false;
    }
    for (uint16_t k = 0; k < ix->nkeys; k++) {
        bool have = false;
        for (uint32_t i = 0; i < n; i++)
            have = have || ix->attnum[k] == attnums[i];
        if (!have)
            return false;
    }
    return true;
}

/* Does the index have exactly these expressions as keys, beyond the columns? */
static lg_status
index_matches(lg_level *l, lg_relation *rel, const lg_index *ix, const int16_t *attnums, uint32_t n,
              lg_expr **exprs, uint32_t nexprs, const lg_expr *where, bool *ret)
{
    lg_bind *b = l->b;
    *ret = false;
    if (!ix->unique || !ix->valid || ix->nexprs != nexprs)
        return LG_OK;
    lg_index plain = *ix;
    plain.nexprs = 0;
    int16_t with_expr[LG_INDEX_MAX_KEYS + 1];
    if (n > LG_INDEX_MAX_KEYS)
        return LG_OK;
    memcpy(with_expr, attnums, n * sizeof *attnums);
    if (nexprs)
        with_expr[n] = 0;
    if (!index_columns_match(&plain, with_expr, n + (nexprs ? 1 : 0)))
        return LG_OK;
    for (uint32_t i = 0; i < nexprs; i++) {
        bool have = false;
        for (uint32_t k = 0; k < nexprs && !have; k++) {
            lg_expr *e;
            LG_TRY(lg_bind_expr_text(b, ix->exprs[k], LG_PLACE_USING, rel, 0, -1, &e));
            have = lg_expr_equal(e, exprs[i]);
        }
        if (!have)
            return LG_OK;
    }
    if (ix->predicate_sql) {
        lg_expr *p;
        if (!where)
            return LG_OK;
        LG_TRY(lg_bind_expr_text(b, ix->predicate_sql, LG_PLACE_PREDICATE, rel, 0, -1, &p));
        bool implied = lg_expr_equal(p, where);
        for (uint32_t i = 0; where->kind == LG_EX_AND && i < where->nargs; i++)
            implied = implied || lg_expr_equal(p, where->args[i]);
        if (!implied)
            return LG_OK;
    }
    *ret = true;
    return LG_OK;
}

static lg_status
infer_arbiters(lg_level *l, const lg_changed *t, const lg_ast_infer_clause *c, lg_on_conflict *oc)
{
    lg_bind *b = l->b;
    lg_relation *rel = t->base;
    oc->arbiters = LG_NEWN(b->arena, lg_oid, rel->nindexes + 1u);
    if (c->conname) {
        for (uint16_t i = 0; !t->use && i < rel->nconstraints; i++)
            if (!strcmp(rel->constraints[i].name, c->conname)) {
                if (!rel->constraints[i].index || rel->constraints[i].type == 'f')
                    return lg_bind__error(
                        b, -1, "42809", "constraint in ON CONFLICT clause has no associated index");
                oc->arbiters[oc->narbiters++] = rel->constraints[i].index;
                return LG_OK;
            }
        return lg_bind__error(b, -1, "42704", "constraint \"%s\" for table \"%s\" does not exist",
                              c->conname, t->rel->name);
    }
    int16_t *att = LG_NEWN(b->arena, int16_t, c->index_elems.n + 1);
    lg_expr **exprs = LG_NEWN(b->arena, lg_expr *, c->index_elems.n + 1);
    uint32_t n = 0, nexprs = 0;
    for (uint32_t i = 0; i < c->index_elems.n; i++) {
        const lg_ast_index_elem *e = lg_ast_as(c->index_elems.at[i], index_elem);
        if (e->name) {
            const lg_column *col = lg_relation_column_by_name(t->rel, e->name);
            if (!col)
                return lg_bind__error(b, c->h.loc, "42703", "column \"%s\" does not exist",
                                      e->name);
            const lg_expr *x = t->item.col_exprs[col->attnum - 1];
            lg_copier copy = {.a = b->arena};
            if (x->kind == LG_EX_VAR)
                att[n++] = x->var.attno;
            else
                exprs[nexprs++] = lg_copy_expr(&copy, x, 0);
        } else {
            LG_TRY(lg_bind__expr(l, e->expr, &exprs[nexprs++]));
        }
    }
    lg_expr *where = NULL;
    LG_TRY(lg_bind__condition(l, c->where_clause, LG_CL_PREDICATE, "WHERE", &where));
    for (uint16_t i = 0; i < rel->nindexes; i++) {
        bool ok;
        LG_TRY(index_matches(l, rel, rel->indexes[i], att, n, exprs, nexprs, where, &ok));
        if (ok)
            oc->arbiters[oc->narbiters++] = rel->indexes[i]->oid;
    }
    if (!oc->narbiters)
        return lg_bind__error(b, -1, "42P10",
                              "there is no unique or exclusion constraint matching the ON CONFLICT "
                              "specification");
    return LG_OK;
}

static lg_status bind_set(lg_level *l, const lg_changed *t, const lg_ast_list *list,
                          uint32_t *ret_n, lg_target **ret);

static lg_status
bind_on_conflict(lg_level *l, const lg_changed *t, const lg_ast_on_conflict_clause *c)
{
    lg_bind *b = l->b;
    lg_on_conflict *oc = LG_NEW(b->arena, lg_on_conflict);
    oc->action = (uint8_t)c->action;
    l->q->on_conflict = oc;
    l->nns = 0; /* the source is not visible here */
    lg_bind__ns_push(l, &t->item);
    if (c->infer)
        LG_TRY(infer_arbiters(l, t, c->infer, oc));
    else if (c->action == LG_A_ONCONFLICT_UPDATE) {
        lg_bind__error(b, c->h.loc, "42601",
                       "ON CONFLICT DO UPDATE requires inference specification or constraint name");
        lg_error_hint(b->err, "For example, ON CONFLICT (column_name).");
        return LG_SQL;
    }
    if (c->action == LG_A_ONCONFLICT_UPDATE) {
        lg_rte *ex = lg_bind__relation_rte(b, t->base, NULL, LG_LOCK_NONE);
        ex->alias = "excluded";
        ex->has_alias = true;
        oc->excluded = lg_bind__add_rte(l, ex);
        lg_nsitem it = lg_bind__excluded_item(l, t, oc->excluded);
        lg_bind__ns_push(l, &it);
        LG_TRY(bind_set(l, t, &c->target_list, &oc->nset, &oc->set));
        LG_TRY(lg_bind__condition(l, c->where_clause, LG_CL_WHERE, "WHERE", &oc->where));
    }
    l->nns = 0;
    return LG_OK;
}

static lg_status
bind_returning(lg_level *l, const lg_ast_list *list)
{
    LG_TRY(lg_bind__targets(l, list, LG_CL_RETURNING, &l->q->nreturning, &l->q->returning));
    for (uint32_t i = 0; i < l->q->nreturning; i++)
        LG_TRY(lg_bind__resolve_unknown(l->b, &l->q->returning[i].expr));
    return LG_OK;
}

/* How many values each row of the source has, as far as the syntax tells. */
static uint32_t
source_width(const lg_relation *rel, const lg_ast *source)
{
    const lg_ast_select_stmt *s = source ? lg_ast_as(source, select_stmt) : NULL;
    return !s                  ? 0
           : s->values_lists.n ? lg_ast_as(s->values_lists.at[0], list_node)->list.n
                               : rel->ncols;
}

lg_status
lg_bind__insert(lg_level *l, const lg_ast_insert_stmt *s)
{
    lg_bind *b = l->b;
    lg_changed t;
    insert_cols c;
    uint32_t n = 0;
    LG_TRY(lg_bind__with(l, s->with_clause));
    LG_TRY(lg_bind__open_changed(l, s->relation, LG_CMD_INSERT, &t));
    LG_TRY(insert_columns(b, &t, &s->cols, source_width(t.rel, s->select_stmt), &c));
    lg_expr **exprs = LG_NEWN(b->arena, lg_expr *, c.n + 1);
    int over = s->override ? s->override : LG_A_OVERRIDING_NOT_SET;
    if (s->select_stmt) {
        const lg_ast_select_stmt *sel = lg_ast_as(s->select_stmt, select_stmt);
        bool values = sel->values_lists.n && !sel->with_clause && !sel->sort_clause.n &&
                      !sel->limit_count && !sel->limit_offset;
        if (values)
            LG_TRY(insert_values(l, sel, &c, over, &n, exprs));
        else
            LG_TRY(insert_select(l, s->select_stmt, &c, over, &n, exprs));
    }
    LG_TRY(fill_columns(l, &t, &c, n, exprs));
    l->nns = 0;
    if (s->on_conflict_clause)
        LG_TRY(bind_on_conflict(l, &t, s->on_conflict_clause));
    if (!s->returning_list.n)
        return LG_OK;
    lg_bind__ns_push(l, &t.item);
    return bind_returning(l, &s->returning_list);
}

/* ---- UPDATE, DELETE ---- */

static lg_status
bind_set(lg_level *l, const lg_changed *c, const lg_ast_list *list, uint32_t *ret_n,
         lg_target **ret)
{
    lg_bind *b = l->b;
    lg_target *t = LG_NEWN(b->arena, lg_target, list->n + 1);
    bool *parts = LG_NEWN(b->arena, bool, list->n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        const lg_ast_res_target *r = lg_ast_as(list->at[i], res_target);
        const lg_column *col, *named;
        lg_expr *e;
        LG_TRY(lg_bind__clause_expr(l, r->val, LG_CL_UPDATE_SOURCE, &e));
        LG_TRY(target_column(b, c->rel, r->name, r->h.loc, &named));
        LG_TRY(lg_bind__changed_column(b, c, named->attnum, LG_CMD_UPDATE, &col));
        uint32_t same = n;
        for (uint32_t k = 0; k < n; k++)
            if (t[k].attnum == col->attnum)
                same = k;
        if (same < n && !(parts[same] && r->indirection.n))
            return lg_bind__error(b, -1, "42601", "multiple assignments to same column \"%s\"",
                                  col->name);
        if ((col->generated || col->identity == 'a') && e->kind != LG_EX_DEFAULT) {
            lg_bind__error(b, -1, "428C9", "column \"%s\" can only be updated to DEFAULT",
                           col->name);
            lg_error_detail(
                b->err,
                col->generated ? "Column \"%s\" is a generated column."
                               : "Column \"%s\" is an identity column defined as GENERATED ALWAYS.",
                col->name);
            return LG_SQL;
        }
        if (lg_expr_returns_set(e))
            return lg_bind__error(b, e->loc, "0A000",
                                  "set-returning functions are not allowed in UPDATE");
        if (r->indirection.n) {
            lg_expr *base = same < n ? t[same].expr : c->item.col_exprs[named->attnum - 1];
            LG_TRY(lg_bind__assign_part(l, col, base, &r->indirection, r->h.loc, e, NULL, &e));
        }
        t[same].attnum = col->attnum;
        t[same].name = col->name;
        parts[same] = r->indirection.n > 0;
        n += same == n;
        /* DEFAULT of a view's column is its own, or NULL: the table's counts in INSERT only */
        LG_TRY(assign(b, e, col, named, &t[same].expr));
    }
    *ret_n = n;
    *ret = t;
    return LG_OK;
}

/* The target, visible, joined with what FROM or USING lists. */
static lg_status
bind_target_from(lg_level *l, const lg_changed *t, const lg_ast_list *from)
{
    lg_from *f = LG_NEW(l->b->arena, lg_from);
    f->rte = 0;
    l->q->from = f;
    lg_bind__ns_push(l, &t->item);
    return lg_bind__from_clause(l, from);
}

/* The views' conditions come first, whatever the statement's own may do. */
static lg_status
bind_target_where(lg_level *l, const lg_ast *where)
{
    lg_query *q = l->q;
    lg_expr *of_views = q->where, *own;
    LG_TRY(lg_bind__condition(l, where, LG_CL_WHERE, "WHERE", &own));
    q->where = lg_expr_and(l->b->arena, of_views, own);
    return LG_OK;
}

lg_status
lg_bind__update(lg_level *l, const lg_ast_update_stmt *s)
{
    lg_changed t;
    lg_query *q = l->q;
    LG_TRY(lg_bind__with(l, s->with_clause));
    LG_TRY(lg_bind__open_changed(l, s->relation, LG_CMD_UPDATE, &t));
    LG_TRY(bind_target_from(l, &t, &s->from_clause));
    LG_TRY(bind_target_where(l, s->where_clause));
    LG_TRY(bind_set(l, &t, &s->target_list, &q->ntargets, &q->targets));
    return bind_returning(l, &s->returning_list);
}

lg_status
lg_bind__delete(lg_level *l, const lg_ast_delete_stmt *s)
{
    lg_changed t;
    LG_TRY(lg_bind__with(l, s->with_clause));
    LG_TRY(lg_bind__open_changed(l, s->relation, LG_CMD_DELETE, &t));
    LG_TRY(bind_target_from(l, &t, &s->using_clause));
    LG_TRY(bind_target_where(l, s->where_clause));
    return bind_returning(l, &s->returning_list);
}
