/* FROM: range table, joins, and the names that expressions see. */
#include "bind_copy.h"
#include "bind_internal.h"
#include "cat_proc.h"
#include <string.h>

uint32_t
lg_bind__add_rte(lg_level *l, lg_rte *rte)
{
    lg_query *q = l->q;
    if (q->nrtes == l->rtes_cap) {
        l->rtes_cap = l->rtes_cap ? 2 * l->rtes_cap : 4;
        lg_rte **r = LG_NEWN(l->b->arena, lg_rte *, l->rtes_cap);
        if (q->nrtes)
            memcpy(r, q->rtes, q->nrtes * sizeof *r);
        q->rtes = r;
    }
    q->rtes[q->nrtes] = rte;
    return q->nrtes++;
}

void
lg_bind__ns_push(lg_level *l, const lg_nsitem *it)
{
    if (l->nns == l->ns_cap) {
        l->ns_cap = l->ns_cap ? 2 * l->ns_cap : 4;
        lg_nsitem *n = LG_NEWN(l->b->arena, lg_nsitem, l->ns_cap);
        if (l->nns)
            memcpy(n, l->ns, l->nns * sizeof *n);
        l->ns = n;
    }
    l->ns[l->nns++] = *it;
}

static lg_outcol
syscol(int16_t attno)
{
    switch (attno) {
    case LG_SYSCOL_CTID:
        return (lg_outcol){.name = "ctid", .type = LG_T_TID, .typmod = -1, .attnum = attno};
    case LG_SYSCOL_XMIN:
        return (lg_outcol){.name = "xmin", .type = LG_T_XID, .typmod = -1, .attnum = attno};
    case LG_SYSCOL_CMIN:
        return (lg_outcol){.name = "cmin", .type = LG_T_CID, .typmod = -1, .attnum = attno};
    case LG_SYSCOL_XMAX:
        return (lg_outcol){.name = "xmax", .type = LG_T_XID, .typmod = -1, .attnum = attno};
    case LG_SYSCOL_CMAX:
        return (lg_outcol){.name = "cmax", .type = LG_T_CID, .typmod = -1, .attnum = attno};
    default:
        return (lg_outcol){.name = "tableoid", .type = LG_T_OID, .typmod = -1, .attnum = attno};
    }
}

lg_expr *
lg_bind__var(lg_bind *b, const lg_rte *rte, uint32_t rte_index, int16_t attno)
{
    lg_outcol c = attno > 0 ? rte->cols[attno - 1] : syscol(attno);
    lg_expr *e = lg_expr_new(b->arena, LG_EX_VAR, c.type, 0);
    e->typmod = c.typmod;
    e->collation = c.collation ? c.collation : e->collation;
    e->var.rte = rte_index;
    e->var.attno = attno;
    if (attno > 0 && rte->kind == LG_RTE_RELATION && rte->rel)
        e->domain = rte->rel->cols[attno - 1].domain;
    return e;
}

/* ---- raising expressions into subqueries ---- */

lg_expr *
lg_bind__raise(lg_bind *b, lg_expr *e, uint32_t levels)
{
    lg_copier c = {.a = b->arena, .raise = levels};
    return levels ? lg_copy_expr(&c, e, 0) : e;
}

/* ---- range table entries ---- */

static void
note_named(lg_bind *b, lg_rte *rte)
{
    if (b->view_depth)
        return;
    if (b->nnamed == b->named_cap) {
        lg_rte **more = LG_NEWN(b->arena, lg_rte *, 2 * b->named_cap + 8);
        if (b->nnamed)
            memcpy(more, b->named, b->nnamed * sizeof(lg_rte *));
        b->named = more;
        b->named_cap = 2 * b->named_cap + 8;
    }
    b->named[b->nnamed++] = rte;
}

lg_rte *
lg_bind__relation_rte(lg_bind *b, lg_relation *rel, const lg_ast_alias *alias, lg_lockmode lock)
{
    lg_rte *rte = LG_NEW(b->arena, lg_rte);
    rte->kind = LG_RTE_RELATION;
    rte->rel = rel;
    rte->lock = lock;
    rte->check_as = b->check_as;
    rte->alias = alias ? alias->aliasname : rel->name;
    rte->has_alias = alias != NULL;
    note_named(b, rte);
    rte->ncols = rel->ncols;
    rte->cols = LG_NEWN(b->arena, lg_outcol, rel->ncols + 1u);
    for (uint16_t i = 0; i < rel->ncols; i++) {
        const lg_column *c = &rel->cols[i];
        rte->cols[i] = (lg_outcol){.name = c->dropped ? NULL : c->name,
                                   .type = c->type,
                                   .typmod = c->typmod,
                                   .collation = c->collation,
                                   .table = rel->oid,
                                   .attnum = (int16_t)(i + 1)};
    }
    return rte;
}

/* The alias's column list renames the first columns. */
lg_status
lg_bind__alias_columns(lg_bind *b, lg_rte *rte, const lg_ast_alias *alias, const char *what)
{
    if (!alias || !alias->colnames.n)
        return LG_OK;
    uint32_t i = 0, avail = 0;
    for (uint32_t c = 0; c < rte->ncols; c++)
        avail += rte->cols[c].name != NULL;
    if (alias->colnames.n > avail)
        return lg_bind__error(b, -1, "42P10",
                              "%s \"%s\" has %u columns available but %u columns specified", what,
                              rte->alias, avail, alias->colnames.n);
    for (uint32_t c = 0; c < rte->ncols && i < alias->colnames.n; c++)
        if (rte->cols[c].name)
            rte->cols[c].name = lg_ast_list_str(&alias->colnames, i++);
    return LG_OK;
}

lg_nsitem
lg_bind__nsitem(lg_level *l, uint32_t rte_index)
{
    const lg_rte *rte = l->q->rtes[rte_index];
    lg_nsitem it = {.name = rte->alias,
                    .rte = rte,
                    .rte_index = rte_index,
                    .ncols = rte->ncols,
                    .rel_visible = true,
                    .cols_visible = true,
                    .lateral_ok = true};
    if (rte->kind == LG_RTE_RELATION || rte->view) {
        const lg_relation *r = rte->rel ? rte->rel : rte->view;
        it.relid = r->oid;
        it.schema = rte->has_alias ? NULL : r->schema;
    }
    if (rte->kind == LG_RTE_CTE && rte->cte_up) {
        const lg_level *at = l;
        for (uint32_t i = 0; i < rte->cte_up; i++)
            at = at->parent;
        it.not_in_star = at->q->ctes[rte->cte].added;
    }
    it.col_names = LG_NEWN(l->b->arena, const char *, rte->ncols + 1);
    it.col_exprs = LG_NEWN(l->b->arena, lg_expr *, rte->ncols + 1);
    for (uint32_t i = 0; i < rte->ncols; i++) {
        it.col_names[i] = rte->cols[i].name;
        if (rte->cols[i].name)
            it.col_exprs[i] = lg_bind__var(l->b, rte, rte_index, (int16_t)(i + 1));
    }
    return it;
}

static lg_rte *
query_rte(lg_bind *b, lg_query *q, const char *alias)
{
    lg_rte *rte = LG_NEW(b->arena, lg_rte);
    rte->kind = LG_RTE_SUBQUERY;
    rte->subquery = q;
    rte->alias = alias;
    rte->has_alias = alias != NULL;
    rte->ncols = lg_query_outcols(q, b->arena, &rte->cols);
    return rte;
}

static lg_status
bind_view(lg_level *l, lg_relation *rel, const lg_ast_alias *alias, lg_rte **ret)
{
    lg_bind *b = l->b;
    lg_parse_tree *t;
    LG_TRY(lg_parse_sql(b->run, rel->view_sql, b->arena, b->err, &t));
    if (t->n != 1)
        return LG_CORRUPT;
    const char *sql = b->sql;
    bool infer = b->infer_params;
    uint32_t np = b->nparams;
    lg_oid as = b->check_as;
    LG_TRY(lg_bind__stack_check(b));
    b->view_depth++;
    b->check_as = rel->security_invoker ? as : rel->owner;
    b->sql = NULL;
    b->infer_params = false;
    b->nparams = 0;
    lg_query *q;
    lg_status st = lg_bind__query(b, NULL, t->stmts[0].stmt, NULL, true, &q);
    b->view_depth--;
    b->sql = sql;
    b->infer_params = infer;
    b->nparams = np;
    b->check_as = as;
    LG_TRY(st);
    lg_rte *rte = query_rte(b, q, alias ? alias->aliasname : rel->name);
    rte->has_alias = alias != NULL;
    rte->view = rel;
    note_named(b, rte);
    rte->check_as = as;
    for (uint32_t i = 0; i < rte->ncols && i < rel->ncols; i++) {
        rte->cols[i].name = rel->cols[i].name;
        rte->cols[i].table = rel->oid;
        rte->cols[i].attnum = (int16_t)(i + 1);
    }
    *ret = rte;
    return LG_OK;
}

/* A WITH query of that name, innermost first. */
static bool
find_cte(lg_level *l, const char *name, uint32_t *ret_up, uint32_t *ret_index)
{
    uint32_t up = 0;
    for (lg_level *at = l; at; at = at->parent, up++)
        for (uint32_t i = 0; i < at->visible_ctes; i++)
            if (!strcmp(at->q->ctes[i].name, name)) {
                *ret_up = up;
                *ret_index = i;
                return true;
            }
    return false;
}

static lg_status
cte_rte(lg_level *l, const lg_ast_range_var *rv, uint32_t up, uint32_t index, lg_rte **ret)
{
    lg_bind *b = l->b;
    lg_level *at = l;
    for (uint32_t i = 0; i < up; i++)
        at = at->parent;
    lg_cte *c = &at->q->ctes[index];
    lg_rte *rte = LG_NEW(b->arena, lg_rte);
    rte->kind = LG_RTE_CTE;
    rte->alias = rv->alias ? rv->alias->aliasname : c->name;
    rte->has_alias = rv->alias != NULL;
    rte->cte = index;
    rte->cte_up = up;
    if (!c->cols)
        return lg_bind__error(b, rv->h.loc, "42P19",
                              "recursive reference to query \"%s\" must not appear within its "
                              "non-recursive term",
                              c->name);
    if (c->query && c->query->cmd != LG_CMD_SELECT && !c->query->nreturning)
        return lg_bind__error(b, rv->h.loc, "0A000",
                              "WITH query \"%s\" does not have a RETURNING clause", c->name);
    rte->cte_self = !c->query;
    c->recursive = c->recursive || rte->cte_self;
    if (!rte->cte_self)
        c->refs++;
    rte->ncols = c->ncols;
    rte->cols = lg_arena_dup(b->arena, c->cols, (c->ncols + 1) * sizeof(lg_outcol));
    *ret = rte;
    return LG_OK;
}

static lg_lockmode
lock_for(const lg_level *l, const char *alias)
{
    for (uint32_t i = 0; l->locking && i < l->locking->n; i++) {
        const lg_ast_locking_clause *lc = lg_ast_as(l->locking->at[i], locking_clause);
        if (!lc->locked_rels.n)
            return LG_LOCK_ROW_SHARE;
        for (uint32_t j = 0; j < lc->locked_rels.n; j++)
            if (!strcmp(lg_ast_as(lc->locked_rels.at[j], range_var)->relname, alias))
                return LG_LOCK_ROW_SHARE;
    }
    return LG_LOCK_ACCESS_SHARE;
}

/* A relation that does not exist, but a WITH query that comes later does. */
static void
hint_later_cte(lg_level *l, const char *name)
{
    lg_error *err = l->b->err;
    if (!err->set || strcmp(err->sqlstate, "42P01") != 0)
        return;
    for (const lg_level *at = l; at; at = at->parent)
        for (uint32_t i = 0; at->with && i < at->with->ctes.n; i++)
            if (!strcmp(lg_ast_as(at->with->ctes.at[i], common_table_expr)->ctename, name)) {
                lg_error_detail(err,
                                "There is a WITH item named \"%s\", but it cannot be referenced "
                                "from this part of the query.",
                                name);
                lg_error_hint(err, "Use WITH RECURSIVE, or re-order the WITH items to remove "
                                   "forward references.");
                return;
            }
}

static lg_status
bind_range_var(lg_level *l, const lg_ast_range_var *rv, lg_rte **ret)
{
    lg_bind *b = l->b;
    uint32_t up, index;
    const char *alias = rv->alias ? rv->alias->aliasname : rv->relname;
    if (!rv->schemaname && find_cte(l, rv->relname, &up, &index)) {
        LG_TRY(cte_rte(l, rv, up, index, ret));
    } else {
        lg_relation *rel;
        lg_status st = lg_bind__open(b, rv, lock_for(l, alias), &rel);
        if (st != LG_OK && !rv->schemaname)
            hint_later_cte(l, rv->relname);
        LG_TRY(st);
        if (rel->kind == LG_REL_INDEX)
            return lg_bind__error(b, rv->h.loc, "42809", "\"%s\" is an index", rel->name);
        if (rel->kind == LG_REL_VIEW && !rel->virtual_rel)
            LG_TRY(bind_view(l, rel, rv->alias, ret));
        else
            *ret = lg_bind__relation_rte(b, rel, rv->alias, lock_for(l, alias));
    }
    return lg_bind__alias_columns(b, *ret, rv->alias, "table");
}

static lg_status
bind_subselect(lg_level *l, const lg_ast_range_subselect *s, lg_rte **ret)
{
    lg_bind *b = l->b;
    if (!s->alias) {
        lg_bind__error(b, lg_bind__loc(s->subquery), "42601",
                       lg_ast_as(s->subquery, select_stmt)->values_lists.n
                           ? "VALUES in FROM must have an alias"
                           : "subquery in FROM must have an alias");
        lg_error_hint(b->err, "For example, FROM (SELECT ...) [AS] foo.");
        return LG_SQL;
    }
    lg_clause was = l->clause;
    l->clause = LG_CL_FROM_SUBSELECT;
    bool lat = l->lateral_active;
    l->lateral_active = s->lateral;
    lg_query *q;

    LG_TRY(lg_bind__query(b, l, s->subquery, NULL, true, &q));
    l->lateral_active = lat;
    l->clause = was;
    *ret = query_rte(b, q, s->alias->aliasname);
    (*ret)->lateral = s->lateral;
    return lg_bind__alias_columns(b, *ret, s->alias, "table");
}

/* ---- functions in FROM ---- */

static lg_status
coldef_columns(lg_bind *b, const lg_ast_list *defs, lg_outcol *cols, uint32_t *n)
{
    for (uint32_t i = 0; i < defs->n; i++) {
        const lg_ast_column_def *d = lg_ast_as(defs->at[i], column_def);
        lg_outcol *c = &cols[(*n)++];
        *c = (lg_outcol){.name = d->colname};
        LG_TRY(lg_bind_type_name(b, d->type_name, &c->type, &c->typmod, NULL));
        const lg_type *t = lg_type_get(c->type);
        c->collation = t ? t->collation : 0;
    }
    return LG_OK;
}

/* The i-th OUT column's name: names list inputs first. */
const char *
lg_bind__out_name(lg_bind *b, const lg_func *f, uint32_t i)
{
    const char *p = f->argnames;
    uint32_t skip = 0;
    if (p) {
        uint32_t total = 1;
        for (const char *q = p; *q; q++)
            total += *q == ',';
        skip = total > f->n_out ? total - f->n_out : 0;
        for (uint32_t k = 0; k < skip + i && p; k++) {
            p = strchr(p, ',');
            p = p ? p + 1 : NULL;
        }
    }
    if (!p || !*p || *p == ',')
        return lg_arena_printf(b->arena, "column%u", i + 1);
    return lg_arena_strndup(b->arena, p, strcspn(p, ","));
}

/* The name of the one value that f gives, where its declaration has one; NULL. */
static const char *
value_name(lg_bind *b, const lg_func *f)
{
    if (f->flags & LG_FUNC_USER)
        return lg_proc_of(f)->out_name;
    const char *last = f->argnames;
    uint32_t n = last ? 1 : 0;
    for (const char *p = last; p && (p = strchr(p, ',')); n++)
        last = ++p;
    return n > f->nargs ? lg_arena_strdup(b->arena, last) : NULL;
}

/* The column definition list as the type of the call's records. */
static lg_status
record_columns(lg_bind *b, lg_expr *e, lg_outcol *cols, uint32_t n)
{
    if (e->type != LG_T_RECORD || (e->kind == LG_EX_FUNC && e->func.func->n_out))
        return lg_bind__error(b, e->loc, "42601",
                              e->kind == LG_EX_FUNC && e->func.func->n_out
                                  ? "a column definition list is redundant for a function with OUT "
                                    "parameters"
                                  : "a column definition list is only allowed for functions "
                                    "returning \"record\"");
    lg_row_type *t = LG_NEW(b->arena, lg_row_type);
    lg_row_field *f = LG_NEWN(b->arena, lg_row_field, n + 1);
    t->name = "record";
    t->n = n;
    t->fields = f;
    for (uint32_t i = 0; i < n; i++) {
        f[i] = (lg_row_field){
            .name = cols[i].name, .typmod = cols[i].typmod, .collation = cols[i].collation};
        LG_TRY(lg_usertype_base(b->env, cols[i].type, b->arena, b->err, &f[i].type, NULL));
        f[i].domain = f[i].type == cols[i].type ? 0 : cols[i].type;
        cols[i].type = f[i].type;
    }
    e->columns = t;
    return LG_OK;
}

static lg_status
func_columns(lg_bind *b, lg_expr *e, const char *name, const lg_ast_list *defs, lg_outcol *cols,
             uint32_t *n, uint32_t *ret_ncols)
{
    uint32_t before = *n;
    const lg_func *f = e->kind == LG_EX_FUNC ? e->func.func : NULL;
    if (defs && defs->n) {
        LG_TRY(coldef_columns(b, defs, cols, n));
        LG_TRY(record_columns(b, e, cols + before, *n - before));
    } else if (!f || !f->n_out ? lg_usertype_of(e->type) == LG_UT_ROW : false) {
        LG_TRY(lg_usertype_row(b->env, e->type, b->arena, b->err, &e->columns));
        for (uint32_t i = 0; i < e->columns->n; i++) {
            const lg_row_field *x = &e->columns->fields[i];
            cols[(*n)++] = (lg_outcol){.name = lg_arena_strdup(b->arena, x->name),
                                       .type = x->type,
                                       .typmod = x->typmod,
                                       .collation = x->collation};
        }
    } else if (f && f->n_out > 0) {
        for (uint32_t i = 0; i < f->n_out; i++) {
            lg_oid type = lg_expr_out_type(e, i);
            const lg_type *t = lg_type_get(type);
            cols[(*n)++] = (lg_outcol){.name = lg_bind__out_name(b, f, i),
                                       .type = type,
                                       .typmod = -1,
                                       .collation = t ? t->collation : 0};
        }
    } else if (e->type == LG_T_RECORD) {
        return lg_bind__error(b, e->loc, "42601",
                              "a column definition list is required for functions returning "
                              "\"record\"");
    } else {
        const char *out = f ? value_name(b, f) : NULL;
        cols[(*n)++] = (lg_outcol){.name = out && *out ? out : name,
                                   .type = e->type,
                                   .typmod = e->typmod,
                                   .collation = e->collation};
    }
    *ret_ncols = *n - before;
    return LG_OK;
}

/* unnest(a, b) in FROM is ROWS FROM (unnest(a), unnest(b)). */
static lg_status
split_unnest(lg_bind *b, const lg_ast_range_function *r, lg_ast_list *ret)
{
    const lg_ast_list *pair = &lg_ast_as(r->functions.at[0], list_node)->list;
    if (r->functions.n != 1 || pair->at[0]->tag != LG_AST_FUNC_CALL)
        return LG_OK;
    const lg_ast_func_call *c = lg_ast_as(pair->at[0], func_call);
    const char *name = lg_ast_list_str(&c->funcname, c->funcname.n - 1);
    if (!name || strcmp(name, "unnest") != 0 || c->args.n < 2)
        return LG_OK;
    ret->n = c->args.n;
    ret->at = LG_NEWN(b->arena, lg_ast *, c->args.n);
    for (uint32_t i = 0; i < c->args.n; i++) {
        lg_ast_func_call *one = lg_arena_dup(b->arena, c, sizeof *c);
        lg_ast_list_node *p = LG_NEW(b->arena, lg_ast_list_node);
        one->args.n = 1;
        one->args.at = &c->args.at[i];
        p->h.tag = LG_AST_LIST;
        p->list.n = 1;
        p->list.at = LG_NEWN(b->arena, lg_ast *, 1);
        p->list.at[0] = &one->h;
        ret->at[i] = &p->h;
    }
    return LG_OK;
}

#define SET_PLACE "set-returning functions must appear at top level of FROM"

/* A set-returning call stands alone in FROM, not in another's arguments. */
static lg_status
check_top_set(lg_bind *b, const lg_expr *e)
{
    bool top = e->kind == LG_EX_FUNC && lg_func_retset(e->func.func);
    lg_status st = top ? LG_OK : lg_bind__no_sets(b, e, SET_PLACE);
    for (uint32_t i = 0; top && i < e->nargs && st == LG_OK; i++)
        st = lg_bind__no_sets(b, e->args[i], SET_PLACE);
    if (st != LG_OK)
        b->err->hint = NULL;
    return st;
}

static lg_status
bind_function(lg_level *l, const lg_ast_range_function *r, lg_rte **ret)
{
    lg_bind *b = l->b;
    lg_rte *rte = LG_NEW(b->arena, lg_rte);
    lg_outcol *cols = LG_NEWN(b->arena, lg_outcol, 1700);
    uint32_t n = 0;
    const char *first = NULL;
    rte->kind = LG_RTE_FUNCTION;
    rte->lateral = true;
    lg_ast_list functions = r->functions;
    LG_TRY(split_unnest(b, r, &functions));
    rte->nfuncs = functions.n;
    rte->funcs = LG_NEWN(b->arena, lg_rte_func, functions.n);
    bool lat = l->lateral_active;
    lg_clause was = l->clause;
    l->lateral_active = true;
    l->clause = LG_CL_FROM_FUNCTION;
    for (uint32_t i = 0; i < functions.n; i++) {
        const lg_ast_list *pair = &lg_ast_as(functions.at[i], list_node)->list;
        const lg_ast_list *defs = NULL;
        if (pair->n > 1 && pair->at[1] && pair->at[1]->tag == LG_AST_LIST)
            defs = &lg_ast_as(pair->at[1], list_node)->list;
        if (!r->is_rowsfrom)
            defs = &r->coldeflist;
        lg_expr *e;
        LG_TRY(lg_bind__expr(l, pair->at[0], &e));
        LG_TRY(lg_bind__resolve_unknown(b, &e));
        LG_TRY(check_top_set(b, e));
        const char *name = lg_bind__column_name(pair->at[0]);
        first = first ? first : name;
        rte->funcs[i].expr = e;
        LG_TRY(func_columns(b, e, r->alias && functions.n == 1 ? r->alias->aliasname : name, defs,
                            cols, &n, &rte->funcs[i].ncols));
    }
    l->lateral_active = lat;
    l->clause = was;
    if (r->ordinality) {
        rte->ordinality = true;
        cols[n++] = (lg_outcol){.name = "ordinality", .type = LG_T_INT8, .typmod = -1};
    }
    rte->cols = lg_arena_dup(b->arena, cols, (n + 1) * sizeof *cols);
    rte->ncols = n;
    rte->alias = r->alias ? r->alias->aliasname : first;
    rte->has_alias = r->alias != NULL;
    *ret = rte;
    return lg_bind__alias_columns(b, rte, r->alias, "table");
}

/* ---- joins ---- */

typedef struct from_result {
    lg_from *node;
    lg_nsitem item;          /* all its columns, for USING and * */
    uint32_t ns_from, ns_to; /* its items in the level's namespace */
} from_result;

static lg_status bind_from_item(lg_level *l, const lg_ast *n, from_result *ret);

static lg_status
leaf(lg_level *l, lg_rte *rte, from_result *ret)
{
    for (uint32_t i = 0; i < l->nns; i++)
        if (l->ns[i].name && rte->alias && l->ns[i].rel_visible &&
            !strcmp(l->ns[i].name, rte->alias) &&
            !(l->ns[i].relid && rte->rel && l->ns[i].relid != rte->rel->oid && l->ns[i].schema &&
              !rte->has_alias))
            return lg_bind__error(l->b, -1, "42712", "table name \"%s\" specified more than once",
                                  rte->alias);
    lg_from *f = LG_NEW(l->b->arena, lg_from);
    f->rte = lg_bind__add_rte(l, rte);
    ret->node = f;
    ret->item = lg_bind__nsitem(l, f->rte);
    ret->ns_from = l->nns;
    lg_bind__ns_push(l, &ret->item);
    ret->ns_to = l->nns;
    return LG_OK;
}

static int
find_in_item(const lg_nsitem *it, const char *name, bool *ambiguous)
{
    int at = -1;
    *ambiguous = false;
    for (uint32_t i = 0; i < it->ncols; i++)
        if (it->col_names[i] && !strcmp(it->col_names[i], name)) {
            if (at >= 0)
                *ambiguous = true;
            at = (int)i;
        }
    return at;
}

static lg_status
using_list(lg_level *l, const lg_ast_join_expr *j, const lg_nsitem *a, const lg_nsitem *c,
           const char ***ret, uint32_t *ret_n)
{
    *ret_n = 0;
    *ret = LG_NEWN(l->b->arena, const char *, a->ncols + j->using_clause.n + 1);
    for (uint32_t i = 0; i < j->using_clause.n; i++)
        (*ret)[(*ret_n)++] = lg_ast_list_str(&j->using_clause, i);
    bool amb;
    for (uint32_t i = 0; j->is_natural && i < a->ncols; i++)
        if (a->col_names[i] && find_in_item(c, a->col_names[i], &amb) >= 0)
            (*ret)[(*ret_n)++] = a->col_names[i];
    return LG_OK;
}

static lg_status
using_side(lg_level *l, const lg_nsitem *it, const char *name, const char *side, lg_expr **ret,
           int *ret_at)
{
    bool amb;
    int at = find_in_item(it, name, &amb);
    if (at < 0)
        return lg_bind__error(l->b, -1, "42703",
                              "column \"%s\" specified in USING clause does not exist in %s table",
                              name, side);
    if (amb)
        return lg_bind__error(l->b, -1, "42702",
                              "common column name \"%s\" appears more than once in %s table", name,
                              side);
    *ret = it->col_exprs[at];
    *ret_at = at;
    return LG_OK;
}

/* The merged column of USING: the side that is never null-extended, or both. */
static lg_status
merged(lg_level *l, int type, lg_expr *x, lg_expr *y, lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_expr *both[2] = {x, y};
    lg_oid t;
    LG_TRY(lg_bind__common_type(b, both, 2, "JOIN/USING", &t));
    LG_TRY(lg_bind__coerce_common(b, x, t, "JOIN/USING", &x));
    LG_TRY(lg_bind__coerce_common(b, y, t, "JOIN/USING", &y));
    if (type == LG_A_JOIN_FULL) {
        lg_expr *e = lg_expr_new(b->arena, LG_EX_COALESCE, t, 2);
        e->args[0] = x;
        e->args[1] = y;
        *ret = e;
    } else {
        *ret = type == LG_A_JOIN_RIGHT ? y : x;
    }
    return LG_OK;
}

static lg_status
join_columns(lg_level *l, const lg_ast_join_expr *j, from_result *a, from_result *c, lg_from *f,
             lg_nsitem *it)
{
    lg_bind *b = l->b;
    const char **names;
    uint32_t n;
    LG_TRY(using_list(l, j, &a->item, &c->item, &names, &n));
    uint32_t total = a->item.ncols + c->item.ncols;
    it->col_names = LG_NEWN(b->arena, const char *, total + 1);
    it->col_exprs = LG_NEWN(b->arena, lg_expr *, total + 1);
    bool *used_a = LG_NEWN(b->arena, bool, a->item.ncols + 1);
    bool *used_c = LG_NEWN(b->arena, bool, c->item.ncols + 1);
    for (uint32_t i = 0; i < n; i++) {
        lg_expr *x, *y, *eq, *m;
        int ia, ic;
        LG_TRY(using_side(l, &a->item, names[i], "left", &x, &ia));
        LG_TRY(using_side(l, &c->item, names[i], "right", &y, &ic));
        used_a[ia] = used_c[ic] = true;
        LG_TRY(lg_bind__make_op(b, NULL, "=", x, y, -1, &eq));
        f->quals = lg_expr_and(b->arena, f->quals, eq);
        LG_TRY(merged(l, j->jointype, x, y, &m));
        it->col_names[it->ncols] = names[i];
        it->col_exprs[it->ncols++] = m;
    }
    for (uint32_t i = 0; i < a->item.ncols; i++)
        if (!used_a[i] && a->item.col_names[i]) {
            it->col_names[it->ncols] = a->item.col_names[i];
            it->col_exprs[it->ncols++] = a->item.col_exprs[i];
        }
    for (uint32_t i = 0; i < c->item.ncols; i++)
        if (!used_c[i] && c->item.col_names[i]) {
            it->col_names[it->ncols] = c->item.col_names[i];
            it->col_exprs[it->ncols++] = c->item.col_exprs[i];
        }
    return LG_OK;
}

static lg_status
bind_join(lg_level *l, const lg_ast_join_expr *j, from_result *ret)
{
    lg_bind *b = l->b;
    from_result a, c;
    LG_TRY(lg_bind__stack_check(b));
    ret->ns_from = l->nns;
    LG_TRY(bind_from_item(l, j->larg, &a));
    /* The right side may refer to the left one laterally; RIGHT and FULL joins may not. */
    bool ok = j->jointype == LG_A_JOIN_INNER || j->jointype == LG_A_JOIN_LEFT;
    for (uint32_t i = a.ns_from; i < a.ns_to; i++) {
        l->ns[i].lateral_only = true;
        l->ns[i].lateral_ok = ok;
    }
    LG_TRY(bind_from_item(l, j->rarg, &c));
    for (uint32_t i = a.ns_from; i < a.ns_to; i++) {
        l->ns[i].lateral_only = false;
        l->ns[i].lateral_ok = true;
    }
    lg_from *f = LG_NEW(b->arena, lg_from);
    f->is_join = true;
    f->join_type = (uint8_t)j->jointype;
    f->left = a.node;
    f->right = c.node;
    f->rte = UINT32_MAX;
    lg_nsitem it = {.cols_visible = true, .lateral_ok = true};
    LG_TRY(join_columns(l, j, &a, &c, f, &it));
    if (j->quals) {
        /* ON sees the two sides only. */
        uint32_t all = l->nns, base = ret->ns_from;
        lg_nsitem *ns = l->ns;
        l->ns = ns + base;
        l->nns = all - base;
        lg_expr *on;
        LG_TRY(lg_bind__condition(l, j->quals, LG_CL_JOIN_ON, "JOIN/ON", &on));
        l->ns = ns;
        l->nns = all;
        f->quals = lg_expr_and(b->arena, f->quals, on);
    }
    for (uint32_t i = ret->ns_from; i < l->nns; i++) {
        bool left = i < a.ns_to;
        l->ns[i].nullable = l->ns[i].nullable || j->jointype == LG_A_JOIN_FULL ||
                            j->jointype == (left ? LG_A_JOIN_RIGHT : LG_A_JOIN_LEFT);
        l->ns[i].cols_visible = false;
        if (j->alias)
            l->ns[i].rel_visible = false;
    }
    if (j->alias) {
        it.name = j->alias->aliasname;
        it.rel_visible = true;
        if (j->alias->colnames.n > it.ncols)
            return lg_bind__error(b, -1, "42P10",
                                  "column alias list for \"%s\" has too many entries", it.name);
        for (uint32_t i = 0; i < j->alias->colnames.n; i++)
            it.col_names[i] = lg_ast_list_str(&j->alias->colnames, i);
    } else if (j->join_using_alias) {
        lg_nsitem u = it;
        u.name = j->join_using_alias->aliasname;
        u.cols_visible = false;
        u.rel_visible = true;
        u.ncols = j->using_clause.n;
        lg_bind__ns_push(l, &u);
    }
    ret->node = f;
    ret->item = it;
    lg_bind__ns_push(l, &it);
    ret->ns_to = l->nns;
    return LG_OK;
}

/* ---- TABLESAMPLE: a subquery whose WHERE says which rows are in the sample ---- */

static lg_status
sample_argument(lg_level *l, const lg_ast *n, lg_oid type, lg_expr **ret)
{
    lg_oid from;
    LG_TRY(lg_bind__clause_expr(l, n, LG_CL_FROM_FUNCTION, ret));
    LG_TRY(lg_bind__no_sets(l->b, *ret, "set-returning functions are not allowed in TABLESAMPLE"));
    from = (*ret)->type;
    LG_TRY(lg_bind__coerce_to(l->b, *ret, type, -1, LG_COERCE_ASSIGNMENT, LG_FORM_IMPLICIT,
                              (*ret)->loc, ret));
    return *ret ? LG_OK
                : lg_bind__error(l->b, lg_bind__loc(n), "42804",
                                 "argument of TABLESAMPLE must be type %s, not type %s",
                                 lg_bind__type_name(l->b, type), lg_bind__type_name(l->b, from));
}

static lg_status
sample_condition(lg_level *l, const lg_ast_range_table_sample *s, lg_level *sub)
{
    lg_bind *b = l->b;
    const char *method = lg_ast_list_str(&s->method, s->method.n - 1);
    bool system = !strcmp(method, "system");
    lg_expr *args[4];
    uint32_t n;
    const lg_func *f = lg_func_by_name("lagoon_tablesample", &n);
    if (!system && strcmp(method, "bernoulli") != 0)
        return lg_bind__error(b, s->h.loc, "42704", "tablesample method %s does not exist", method);
    if (s->args.n != 1)
        return lg_bind__error(b, s->h.loc, "2202H",
                              "tablesample method %s requires 1 argument, not %u", method,
                              s->args.n);
    args[0] = lg_bind__var(b, sub->q->rtes[0], 0, LG_SYSCOL_CTID);
    LG_TRY(sample_argument(sub, s->args.at[0], LG_T_FLOAT4, &args[1]));
    if (s->repeatable)
        LG_TRY(sample_argument(sub, s->repeatable, LG_T_FLOAT8, &args[2]));
    else
        args[2] = lg_expr_const(b->arena, LG_T_FLOAT8, 0, true);
    args[3] = lg_expr_const(b->arena, LG_T_INT4,
                            lg_datum_int4((system ? 1 : 0) | (s->repeatable ? 2 : 0)), false);
    sub->q->where = lg_expr_call(b->arena, f, NULL, 4, args);
    return LG_OK;
}

static lg_status
bind_sample(lg_level *l, const lg_ast_range_table_sample *s, lg_rte **ret)
{
    lg_bind *b = l->b;
    const lg_ast_range_var *rv = lg_ast_as(s->relation, range_var);
    lg_rte *rel;
    LG_TRY(bind_range_var(l, rv, &rel));
    if (rel->kind != LG_RTE_RELATION || rel->rel->virtual_rel)
        return lg_bind__error(
            b, rv->h.loc, "0A000",
            "TABLESAMPLE clause can only be applied to tables and materialized views");
    lg_level *sub = lg_bind__level_new(b, l, LG_CMD_SELECT);
    lg_bind__add_rte(sub, rel);
    lg_from *f = LG_NEW(b->arena, lg_from);
    sub->q->from = f;
    LG_TRY(sample_condition(l, s, sub));
    lg_target *t = LG_NEWN(b->arena, lg_target, rel->ncols + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < rel->ncols; i++)
        if (rel->cols[i].name)
            t[n++] = (lg_target){.expr = lg_bind__var(b, rel, 0, (int16_t)(i + 1)),
                                 .name = rel->cols[i].name,
                                 .table = rel->cols[i].table,
                                 .table_attnum = rel->cols[i].attnum};
    sub->q->targets = t;
    sub->q->ntargets = n;
    *ret = query_rte(b, sub->q, rel->alias);
    (*ret)->has_alias = rel->has_alias;
    return LG_OK;
}

static lg_status
bind_from_item(lg_level *l, const lg_ast *n, from_result *ret)
{
    lg_rte *rte = NULL;
    *ret = (from_result){.ns_from = l->nns};
    switch (n->tag) {
    case LG_AST_RANGE_VAR:
        LG_TRY(bind_range_var(l, lg_ast_as(n, range_var), &rte));
        return leaf(l, rte, ret);
    case LG_AST_RANGE_SUBSELECT:
        LG_TRY(bind_subselect(l, lg_ast_as(n, range_subselect), &rte));
        return leaf(l, rte, ret);
    case LG_AST_RANGE_FUNCTION:
        LG_TRY(bind_function(l, lg_ast_as(n, range_function), &rte));
        return leaf(l, rte, ret);
    case LG_AST_JOIN_EXPR:
        return bind_join(l, lg_ast_as(n, join_expr), ret);
    case LG_AST_RANGE_TABLE_SAMPLE:
        LG_TRY(bind_sample(l, lg_ast_as(n, range_table_sample), &rte));
        return leaf(l, rte, ret);
    default:
        return lg_bind__error(l->b, n->loc, "0A000", "%s in FROM is not supported",
                              lg_ast_tag_name(n->tag));
    }
}

/* Comma list: earlier items are visible to later ones only laterally. */
lg_status
lg_bind__from_clause(lg_level *l, const lg_ast_list *from)
{
    uint32_t base = l->nns;
    for (uint32_t i = 0; i < from->n; i++) {
        from_result r;
        for (uint32_t k = base; k < l->nns; k++) {
            l->ns[k].lateral_only = true;
            l->ns[k].lateral_ok = true;
        }
        LG_TRY(bind_from_item(l, from->at[i], &r));
        if (!l->q->from) {
            l->q->from = r.node;
        } else {
            lg_from *f = LG_NEW(l->b->arena, lg_from);
            f->is_join = f->listed = true;
            f->join_type = LG_A_JOIN_INNER;
            f->rte = UINT32_MAX;
            f->left = l->q->from;
            f->right = r.node;
            l->q->from = f;
        }
    }
    for (uint32_t k = 0; k < l->nns; k++)
        l->ns[k].lateral_only = false;
    return LG_OK;
}

/* ---- column references ---- */

static bool
usable(const lg_level *at, const lg_nsitem *it)
{
    return !it->lateral_only || at->lateral_active;
}

static lg_expr *
found(lg_bind *b, lg_expr *e, uint32_t up, int32_t loc)
{
    /* A view's column may be any expression, and plan must not meet one query twice. */
    bool plain = !up && (e->kind == LG_EX_VAR || !lg_expr_has_kind(e, LG_EX_SUBLINK));
    lg_copier c = {.a = b->arena, .raise = up};
    lg_expr *n = plain ? lg_arena_dup(b->arena, e, sizeof *e) : lg_copy_expr(&c, e, 0);
    n->loc = loc;
    return n;
}

static lg_expr *
system_column(lg_bind *b, const lg_nsitem *it, const char *name)
{
    if (!it->rte || it->rte->kind != LG_RTE_RELATION)
        return NULL;
    for (int16_t a = LG_SYSCOL_CTID; a >= LG_SYSCOL_TABLEOID; a--)
        if (!strcmp(syscol(a).name, name))
            return lg_bind__var(b, it->rte, it->rte_index, a);
    return NULL;
}

static lg_status
ambiguous_column(lg_bind *b, const char *name, int32_t loc)
{
    return lg_bind__error(b, loc, "42702", "column reference \"%s\" is ambiguous", name);
}

static lg_status
invalid_lateral(lg_bind *b, const lg_nsitem *it, int32_t loc)
{
    lg_bind__error(b, loc, "42P10", "invalid reference to FROM-clause entry for table \"%s\"",
                   it->name ? it->name : "?");
    lg_error_detail(b->err, "The combining JOIN type must be INNER or LEFT for a LATERAL "
                            "reference.");
    return LG_SQL;
}

/* Unqualified: all visible columns of the innermost level that has the name. */
static lg_status
lookup_column(lg_level *l, const char *name, int32_t loc, lg_expr **ret)
{
    uint32_t up = 0;
    *ret = NULL;
    for (lg_level *at = l; at; at = at->parent, up++) {
        lg_expr *hit = NULL;
        for (uint32_t i = 0; i < at->nns; i++) {
            const lg_nsitem *it = &at->ns[i];
            if (!it->cols_visible || !usable(at, it))
                continue;
            bool amb;
            int c = find_in_item(it, name, &amb);
            lg_expr *e = c >= 0 ? it->col_exprs[c] : system_column(l->b, it, name);
            if (!e)
                continue;
            lg_bind__use(it, c);
            if (amb || hit)
                return ambiguous_column(l->b, name, loc);
            if (it->lateral_only && !it->lateral_ok)
                return invalid_lateral(l->b, it, loc);
            hit = e;
        }
        if (hit) {
            *ret = found(l->b, hit, up, loc);
            return LG_OK;
        }
    }
    return LG_OK;
}

static lg_status
lookup_item(lg_level *l, const char *schema, const char *name, int32_t loc, const lg_nsitem **ret,
            uint32_t *ret_up)
{
    uint32_t up = 0;
    *ret = NULL;
    for (lg_level *at = l; at; at = at->parent, up++) {
        for (uint32_t i = 0; i < at->nns; i++) {
            const lg_nsitem *it = &at->ns[i];
            if (!it->rel_visible || !it->name || strcmp(it->name, name) != 0 || !usable(at, it))
                continue;
            if (schema && (!it->schema || strcmp(schema, it->schema) != 0))
                continue;
            if (*ret)
                return lg_bind__error(l->b, loc, "42P09", "table reference \"%s\" is ambiguous",
                                      name);
            *ret = it;
            *ret_up = up;
        }
        if (*ret)
            return (*ret)->lateral_only && !(*ret)->lateral_ok ? invalid_lateral(l->b, *ret, loc)
                                                               : LG_OK;
    }
    return LG_OK;
}

static lg_status
missing_table(lg_level *l, const char *schema, const char *name, int32_t loc)
{
    lg_bind *b = l->b;
    for (lg_level *at = l; at; at = at->parent)
        for (uint32_t i = 0; i < at->nns; i++) {
            const lg_nsitem *it = &at->ns[i];
            if (it->name && !strcmp(it->name, name)) {
                lg_bind__error(b, loc, "42P01",
                               "invalid reference to FROM-clause entry for table \"%s\"", name);
                lg_error_hint(b->err,
                              "There is an entry for table \"%s\", but it cannot be referenced "
                              "from this part of the query.",
                              name);
                return LG_SQL;
            }
            const lg_relation *rel = !it->rte ? NULL : it->rte->rel ? it->rte->rel : it->rte->view;
            if (!schema && rel && it->rte->has_alias && !strcmp(rel->name, name)) {
                lg_bind__error(b, loc, "42P01",
                               "invalid reference to FROM-clause entry for table \"%s\"", name);
                lg_error_hint(b->err, "Perhaps you meant to reference the table alias \"%s\".",
                              it->rte->alias);
                return LG_SQL;
            }
        }
    return lg_bind__error(b, loc, "42P01", "missing FROM-clause entry for table \"%s\"", name);
}

/* The row where the item had one, NULL where an outer join had none for it: then the OID of the
 * table, which every row has, is missing too. What is no table has such a column for this alone
 * (lg_rte.whole). Shown as the row alone. */
static lg_expr *
row_or_null(lg_bind *b, const lg_nsitem *it, uint32_t up, lg_expr *row)
{
    lg_expr *oid = lg_expr_new(b->arena, LG_EX_VAR, LG_T_OID, 0);
    oid->var.rte = it->rte_index;
    oid->var.up = up;
    oid->var.attno = LG_SYSCOL_TABLEOID;
    lg_expr *none = lg_expr_new(b->arena, LG_EX_IS_NULL, LG_T_BOOL, 1);
    none->args[0] = oid;
    lg_expr *e = lg_expr_new(b->arena, LG_EX_CASE, row->type, 3);
    e->args[0] = none;
    e->args[1] = lg_expr_const(b->arena, row->type, 0, true);
    e->args[2] = row;
    e->form = LG_FORM_IMPLICIT;
    e->loc = row->loc;
    return e;
}

/* The whole row of an item as a record. */
static lg_expr *
whole_row(lg_bind *b, const lg_nsitem *it, uint32_t up, int32_t loc)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < it->ncols; i++)
        n += it->col_names[i] != NULL;
    const lg_relation *rel = it->rte && it->rte->kind == LG_RTE_RELATION   ? it->rte->rel
                             : it->rte && it->rte->kind == LG_RTE_SUBQUERY ? it->rte->view
                                                                           : NULL;
    lg_oid type = rel && !rel->is_system ? lg_usertype_oid(LG_UT_ROW, rel->oid) : LG_T_RECORD;
    lg_expr *e = lg_expr_new(b->arena, LG_EX_ROW, type, n);
    const char **names = LG_NEWN(b->arena, const char *, n + 1);
    n = 0;
    for (uint32_t i = 0; i < it->ncols; i++)
        if (it->col_names[i]) {
            lg_bind__use(it, (int)i);
            names[n] = it->col_names[i];
            e->args[n++] = found(b, it->col_exprs[i], up, loc);
        }
    e->row.names = type == LG_T_RECORD ? names : NULL;
    e->loc = loc;
    if (!it->nullable || !it->rte || it->rte->kind == LG_RTE_JOIN ||
        it->rte->kind == LG_RTE_RESULT ||
        (it->rte->kind == LG_RTE_RELATION && (!rel || type == LG_T_RECORD)))
        return e;
    ((lg_rte *)(uintptr_t)it->rte)->whole = it->rte->kind != LG_RTE_RELATION;
    return row_or_null(b, it, up, e);
}

lg_expr *
lg_bind__row_alone(lg_expr *e)
{
    bool row = e->kind == LG_EX_CASE && e->form == LG_FORM_IMPLICIT && e->nargs == 3 &&
               e->args[2]->kind == LG_EX_ROW;
    return row ? e->args[2] : e;
}

/* ---- a column that is not there: PostgreSQL's hints ---- */

static uint32_t
edit_distance(const char *x, const char *y)
{
    uint32_t n = (uint32_t)strlen(x), m = (uint32_t)strlen(y), row[65];
    if (n > 63 || m > 63)
        return 64;
    for (uint32_t j = 0; j <= m; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= n; i++) {
        uint32_t diag = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= m; j++) {
            uint32_t sub = diag + (x[i - 1] != y[j - 1]);
            uint32_t del = row[j] + 1, ins = row[j - 1] + 1;
            diag = row[j];
            row[j] = sub < del ? (sub < ins ? sub : ins) : (del < ins ? del : ins);
        }
    }
    return row[m];
}

#define MAX_FUZZY 3u

typedef struct fuzzy {
    uint32_t distance;
    uint32_t hits;
    const lg_rte *item[2];
    const char *column[2];
} fuzzy;

static void
fuzzy_item(fuzzy *f, const lg_rte *it, const char *table, const char *name)
{
    uint32_t base = table ? edit_distance(table, it->alias) : 0;
    for (uint32_t c = 0; c < it->ncols; c++) {
        if (!it->cols[c].name)
            continue;
        uint32_t d = base + edit_distance(name, it->cols[c].name);
        if (d > MAX_FUZZY || d > strlen(name) / 2 || d > f->distance)
            continue;
        if (d < f->distance)
            f->hits = 0;
        f->distance = d;
        if (f->hits < 2) {
            f->item[f->hits] = it;
            f->column[f->hits] = it->cols[c].name;
        }
        f->hits++;
    }
}

static lg_status
column_missing(lg_level *l, const char *table, const char *name, int32_t loc)
{
    lg_error *err = l->b->err;
    fuzzy f = {.distance = MAX_FUZZY + 1};
    if (table)
        lg_bind__error(l->b, loc, "42703", "column %s.%s does not exist", table, name);
    else
        lg_bind__error(l->b, loc, "42703", "column \"%s\" does not exist", name);
    for (lg_level *at = l; at; at = at->parent)
        for (uint32_t i = 0; i < at->q->nrtes; i++) {
            const lg_rte *it = at->q->rtes[i];
            if (!it->alias)
                continue;
            for (uint32_t c = 0; !table && c < it->ncols; c++)
                if (it->cols[c].name && !strcmp(it->cols[c].name, name)) {
                    lg_error_hint(err,
                                  "There is a column named \"%s\" in table \"%s\", but it cannot "
                                  "be referenced from this part of the query.",
                                  name, it->alias);
                    return LG_SQL;
                }
            fuzzy_item(&f, it, table, name);
        }
    if (f.hits == 1)
        lg_error_hint(err, "Perhaps you meant to reference the column \"%s.%s\".", f.item[0]->alias,
                      f.column[0]);
    else if (f.hits == 2)
        lg_error_hint(err,
                      "Perhaps you meant to reference the column \"%s.%s\" or the column "
                      "\"%s.%s\".",
                      f.item[0]->alias, f.column[0], f.item[1]->alias, f.column[1]);
    return LG_SQL;
}

static lg_status
qualified(lg_level *l, const char *schema, const char *table, const char *name, int32_t loc,
          lg_expr **ret)
{
    lg_bind *b = l->b;
    const lg_nsitem *it;
    uint32_t up;
    LG_TRY(lookup_item(l, schema, table, loc, &it, &up));
    if (!it && !schema &&
        ((*ret = lg_bind__named_param(b, table, name, loc)) ||
         (*ret = lg_bind__param_field(b, table, name, loc))))
        return LG_OK;
    if (!it)
        return missing_table(l, schema, table, loc);
    bool amb;
    int c = find_in_item(it, name, &amb);
    if (amb)
        return ambiguous_column(b, name, loc);
    lg_expr *e = c >= 0 ? it->col_exprs[c] : system_column(b, it, name);
    if (e) {
        lg_bind__use(it, c);
        *ret = found(b, e, up, loc);
        return LG_OK;
    }
    /* t.f may be f(t), as x.count(...); only the plain error is given */
    return column_missing(l, table, name, loc);
}

lg_status
lg_bind__column_ref(lg_level *l, const lg_ast_column_ref *c, lg_expr **ret)
{
    lg_bind *b = l->b;
    int32_t loc = c->h.loc;
    uint32_t n = c->fields.n;
    const char *last = lg_ast_list_str(&c->fields, n - 1);
    if (l->clause == LG_CL_DEFAULT)
        return lg_bind__error(b, loc, "0A000", "cannot use column reference in DEFAULT expression");
    if (!last) { /* t.* as a value */
        const lg_nsitem *it;
        uint32_t up;
        if (n < 2)
            return lg_bind__error(b, loc, "42601", "row expansion via \"*\" is not supported here");
        const char *table = lg_ast_list_str(&c->fields, n - 2);
        LG_TRY(lookup_item(l, n > 2 ? lg_ast_list_str(&c->fields, n - 3) : NULL, table, loc, &it,
                           &up));
        if (!it)
            return missing_table(l, NULL, table, loc);
        *ret = whole_row(b, it, up, loc);
        return LG_OK;
    }
    if (n == 1 && b->value_type && strcmp(last, "value") == 0) {
        *ret = lg_expr_new(b->arena, LG_EX_DOMAIN_VALUE, b->value_type, 0);
        (*ret)->typmod = b->value_typmod;
        (*ret)->loc = loc;
        return LG_OK;
    }
    if (n == 1) {
        LG_TRY(lookup_column(l, last, loc, ret));
        if (*ret)
            return LG_OK;
        const lg_nsitem *it;
        uint32_t up;
        LG_TRY(lookup_item(l, NULL, last, loc, &it, &up));
        if (!it && (*ret = lg_bind__named_param(b, NULL, last, loc)))
            return LG_OK;
        if (!it)
            return column_missing(l, NULL, last, loc);
        if (it->rte && it->rte->kind == LG_RTE_FUNCTION && it->ncols == 1)
            *ret = found(b, it->col_exprs[0], up, loc);
        else
            *ret = whole_row(b, it, up, loc);
        return LG_OK;
    }
    if (n == 2)
        return qualified(l, NULL, lg_ast_list_str(&c->fields, 0), last, loc, ret);
    if (n == 3)
        return qualified(l, lg_ast_list_str(&c->fields, 0), lg_ast_list_str(&c->fields, 1), last,
                         loc, ret);
    if (n == 4 &&
        (!b->catalog.database || !strcmp(b->catalog.database, lg_ast_list_str(&c->fields, 0))))
        return qualified(l, lg_ast_list_str(&c->fields, 1), lg_ast_list_str(&c->fields, 2), last,
                         loc, ret);
    return lg_bind__error(b, loc, "42601", "improper qualified name (too many dotted names)");
}

lg_status
lg_bind__star_items(lg_level *l, const lg_ast_column_ref *c, const lg_nsitem **ret_items,
                    uint32_t *ret_n, uint32_t *ret_up)
{
    lg_bind *b = l->b;
    uint32_t n = c->fields.n;
    *ret_up = 0;
    if (n == 1) {
        lg_nsitem *list = LG_NEWN(b->arena, lg_nsitem, l->nns + 1);
        uint32_t k = 0;
        for (uint32_t i = 0; i < l->nns; i++)
            if (l->ns[i].cols_visible && !l->ns[i].lateral_only)
                list[k++] = l->ns[i];
        if (!k)
            return lg_bind__error(b, c->h.loc, "42601",
                                  "SELECT * with no tables specified is not valid");
        *ret_items = list;
        *ret_n = k;
        return LG_OK;
    }
    const char *table = lg_ast_list_str(&c->fields, n - 2);
    const char *schema = n > 2 ? lg_ast_list_str(&c->fields, n - 3) : NULL;
    LG_TRY(lookup_item(l, schema, table, c->h.loc, ret_items, ret_up));
    if (!*ret_items)
        return missing_table(l, schema, table, c->h.loc);
    *ret_n = 1;
    return LG_OK;
}
