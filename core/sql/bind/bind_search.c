/* SEARCH and CYCLE of a recursive WITH query, as PostgreSQL rewrites them:
 *
 *   start                SELECT c1, ..., ARRAY[ROW(search columns)] | ROW(0, search columns),
 *                               not-a-cycle, ARRAY[ROW(cycle columns)]  FROM (start) s(c1, ...)
 *   UNION [ALL]
 *   step                 SELECT c1, ..., seq || ARRAY[ROW(...)] | ROW(seq's depth + 1, ...),
 *                               CASE WHEN ROW(...) = ANY (path) THEN a-cycle ELSE not-a-cycle END,
 *                               path || ARRAY[ROW(...)]
 *                        FROM (step, with the query's own seq, mark, path added) s(c1, ..., seq, mark, path)
 *                        WHERE mark <> a-cycle
 *
 * It is done on the syntax tree, before the step is bound: c1 ... are the columns of the start, which
 * was bound alone. The added columns are not in the * of queries inside. */
#include "bind_internal.h"
#include <stdio.h>
#include <string.h>

typedef struct rewriting {
    lg_bind *b;
    lg_arena *a;
    const lg_ast_common_table_expr *c;
    const lg_cte *cte;
    const lg_ast_ctesearch_clause *search;
    const lg_ast_ctecycle_clause *cycle;
    lg_oid mark_type;
} rewriting;

/* ---- pieces of syntax ---- */

static lg_ast *
string_node(lg_arena *a, const char *s)
{
    lg_ast_value *v = LG_NEW(a, lg_ast_value);
    *v = (lg_ast_value){.h = {LG_AST_STRING, -1}, .sval = s};
    return &v->h;
}

static lg_ast *
integer_node(lg_arena *a, int32_t i)
{
    lg_ast_value *v = LG_NEW(a, lg_ast_value);
    *v = (lg_ast_value){.h = {LG_AST_INTEGER, -1}, .ival = i};
    return &v->h;
}

static lg_ast_list
list_of(lg_arena *a, uint32_t n, lg_ast *const *at)
{
    return (lg_ast_list){n, lg_arena_dup(a, at, n * sizeof *at)};
}

static lg_ast *
column_node(lg_arena *a, const char *table, const char *column)
{
    lg_ast_column_ref *r = LG_NEW(a, lg_ast_column_ref);
    *r = (lg_ast_column_ref){
        .h = {LG_AST_COLUMN_REF, -1},
        .fields = list_of(a, 2, (lg_ast *[]){string_node(a, table), string_node(a, column)})};
    return &r->h;
}

static lg_ast *
target_node(lg_arena *a, const char *name, lg_ast *val)
{
    lg_ast_res_target *t = LG_NEW(a, lg_ast_res_target);
    *t = (lg_ast_res_target){.h = {LG_AST_RES_TARGET, -1}, .name = name, .val = val};
    return &t->h;
}

static lg_ast *
op_node(lg_arena *a, int kind, const char *name, lg_ast *x, lg_ast *y)
{
    lg_ast_a_expr *e = LG_NEW(a, lg_ast_a_expr);
    *e = (lg_ast_a_expr){.h = {LG_AST_A_EXPR, -1},
                         .kind = kind,
                         .name = list_of(a, 1, (lg_ast *[]){string_node(a, name)}),
                         .lexpr = x,
                         .rexpr = y};
    return &e->h;
}

static lg_ast *
row_node(lg_arena *a, uint32_t n, lg_ast *const *args, int32_t format)
{
    lg_ast_row_expr *r = LG_NEW(a, lg_ast_row_expr);
    *r = (lg_ast_row_expr){
        .h = {LG_AST_ROW_EXPR, -1}, .args = list_of(a, n, args), .row_format = format};
    return &r->h;
}

static lg_ast *
array_node(lg_arena *a, lg_ast *element)
{
    lg_ast_a_array_expr *e = LG_NEW(a, lg_ast_a_array_expr);
    *e = (lg_ast_a_array_expr){.h = {LG_AST_A_ARRAY_EXPR, -1}, .elements = list_of(a, 1, &element)};
    return &e->h;
}

static lg_ast *
cast_node(lg_arena *a, lg_ast *arg, lg_oid type)
{
    lg_ast_type_name *t = LG_NEW(a, lg_ast_type_name);
    lg_ast_type_cast *k = LG_NEW(a, lg_ast_type_cast);
    lg_ast *names[2] = {string_node(a, "pg_catalog"), string_node(a, lg_type_get(type)->name)};
    *t = (lg_ast_type_name){
        .h = {LG_AST_TYPE_NAME, -1}, .names = list_of(a, 2, names), .typemod = -1};
    *k = (lg_ast_type_cast){.h = {LG_AST_TYPE_CAST, -1}, .arg = arg, .type_name = t};
    return &k->h;
}

static lg_ast *
subselect_node(lg_arena *a, const lg_ast_select_stmt *q, const char *alias, lg_ast_list columns)
{
    lg_ast_alias *al = LG_NEW(a, lg_ast_alias);
    lg_ast_range_subselect *s = LG_NEW(a, lg_ast_range_subselect);
    *al = (lg_ast_alias){.h = {LG_AST_ALIAS, -1}, .aliasname = alias, .colnames = columns};
    *s = (lg_ast_range_subselect){
        .h = {LG_AST_RANGE_SUBSELECT, -1}, .subquery = lg_arena_dup(a, q, sizeof *q), .alias = al};
    return &s->h;
}

/* ---- the two sides ---- */

static const char *
inner_name(lg_arena *a, uint32_t i)
{
    return lg_arena_printf(a, "c%u", i + 1);
}

/* ROW of the named columns, led by `first` unless that is NULL. */
static lg_ast *
row_of(const rewriting *w, const char *table, const lg_ast_list *names, lg_ast *first)
{
    lg_ast **args = LG_NEWN(w->a, lg_ast *, names->n + 1);
    uint32_t n = 0;
    if (first)
        args[n++] = first;
    for (uint32_t i = 0; i < names->n; i++)
        for (uint32_t k = 0; k < w->cte->ncols; k++)
            if (!strcmp(w->cte->cols[k].name, lg_ast_list_str(names, i))) {
                args[n++] = column_node(w->a, table, inner_name(w->a, k));
                break;
            }
    return row_node(w->a, n, args, LG_A_COERCE_EXPLICIT_CALL);
}

static lg_ast *
mark_node(const rewriting *w, bool cycle)
{
    return cast_node(w->a, cycle ? w->cycle->cycle_mark_value : w->cycle->cycle_mark_default,
                     w->mark_type);
}

/* The columns of FROM, then those that are added, from `extra`. */
static lg_ast_select_stmt *
wrap(const rewriting *w, const lg_ast_select_stmt *inner, const char *table, uint32_t nadded,
     const char *const *added, lg_ast *const *extra, uint32_t nextra)
{
    lg_ast_select_stmt *s = LG_NEW(w->a, lg_ast_select_stmt);
    uint32_t n = w->cte->ncols;
    lg_ast **names = LG_NEWN(w->a, lg_ast *, n + nadded + 1);
    lg_ast **targets = LG_NEWN(w->a, lg_ast *, n + nextra + 1);
    for (uint32_t i = 0; i < n; i++) {
        names[i] = string_node(w->a, inner_name(w->a, i));
        targets[i] =
            target_node(w->a, w->cte->cols[i].name, column_node(w->a, table, inner_name(w->a, i)));
    }
    for (uint32_t i = 0; i < nadded; i++)
        names[n + i] = string_node(w->a, added[i]);
    memcpy(targets + n, extra, nextra * sizeof *extra);
    lg_ast *from = subselect_node(w->a, inner, table, list_of(w->a, n + nadded, names));
    *s = (lg_ast_select_stmt){.h = {LG_AST_SELECT_STMT, -1},
                              .op = LG_A_SETOP_NONE,
                              .target_list = list_of(w->a, n + nextra, targets),
                              .from_clause = list_of(w->a, 1, &from)};
    return s;
}

static lg_ast_select_stmt *
start_side(const rewriting *w, const lg_ast_select_stmt *q)
{
    static const char table[] = "*TLOCRN*";
    lg_arena *a = w->a;
    lg_ast *extra[3];
    uint32_t n = 0;
    if (w->search) {
        const lg_ast_list *cols = &w->search->search_col_list;
        lg_ast *v = w->search->search_breadth_first
                        ? row_of(w, table, cols, cast_node(a, integer_node(a, 0), LG_T_INT8))
                        : array_node(a, row_of(w, table, cols, NULL));
        extra[n++] = target_node(a, w->search->search_seq_column, v);
    }
    if (w->cycle) {
        extra[n++] = target_node(a, w->cycle->cycle_mark_column, mark_node(w, false));
        extra[n++] = target_node(a, w->cycle->cycle_path_column,
                                 array_node(a, row_of(w, table, &w->cycle->cycle_col_list, NULL)));
    }
    return wrap(w, q, table, 0, NULL, extra, n);
}

/* CASE WHEN row = ANY (path) THEN a-cycle ELSE not-a-cycle END */
static lg_ast *
mark_case(const rewriting *w, lg_ast *row, lg_ast *path)
{
    lg_ast_case_when *when = LG_NEW(w->a, lg_ast_case_when);
    lg_ast_case_expr *k = LG_NEW(w->a, lg_ast_case_expr);
    *when = (lg_ast_case_when){.h = {LG_AST_CASE_WHEN, -1},
                               .expr = op_node(w->a, LG_A_AEXPR_OP_ANY, "=", row, path),
                               .result = mark_node(w, true)};
    *k = (lg_ast_case_expr){.h = {LG_AST_CASE_EXPR, -1},
                            .args = list_of(w->a, 1, (lg_ast *[]){&when->h}),
                            .defresult = mark_node(w, false)};
    return &k->h;
}

/* The step's reference to the query among the items of FROM; NULL: it is deeper. */
static const char *
own_alias(const rewriting *w, const lg_ast *item)
{
    if (item->tag == LG_AST_JOIN_EXPR) {
        const char *left = own_alias(w, lg_ast_as(item, join_expr)->larg);
        return left ? left : own_alias(w, lg_ast_as(item, join_expr)->rarg);
    }
    if (item->tag != LG_AST_RANGE_VAR)
        return NULL;
    const lg_ast_range_var *rv = lg_ast_as(item, range_var);
    if (rv->schemaname || strcmp(rv->relname, w->c->ctename) != 0)
        return NULL;
    return rv->alias ? rv->alias->aliasname : rv->relname;
}

static bool
names_it(const lg_ast *n, void *arg)
{
    const rewriting *w = arg;
    if (n->tag == LG_AST_RANGE_VAR && !lg_ast_as(n, range_var)->schemaname &&
        !strcmp(lg_ast_as(n, range_var)->relname, w->c->ctename))
        return true;
    return lg_ast_walk(n, names_it, arg);
}

/* Does an inner WITH hide the query? */
static bool
hides_it(const rewriting *w, const lg_ast_with_clause *with)
{
    for (uint32_t i = 0; with && i < with->ctes.n; i++)
        if (!strcmp(lg_ast_as(with->ctes.at[i], common_table_expr)->ctename, w->c->ctename))
            return true;
    return false;
}

static lg_status
step_side(const rewriting *w, const lg_ast_select_stmt *q, lg_ast_select_stmt **ret)
{
    static const char table[] = "*TROCRN*";
    static const char *const inner[] = {"s", "m", "p"};
    lg_arena *a = w->a;
    const char *alias = NULL, *added[3], *from[3];
    lg_ast *extra[3], *path = column_node(a, table, "p");
    uint32_t n = 0;
    for (uint32_t i = 0; i < q->from_clause.n && !alias && !hides_it(w, q->with_clause); i++)
        alias = own_alias(w, q->from_clause.at[i]);
    if (!alias && !names_it(&q->h, (void *)(uintptr_t)w))
        return lg_bind__error(w->b, w->c->h.loc, "42601", "WITH query is not recursive");
    if (!alias)
        return lg_bind__error(
            w->b, -1, "0A000",
            "with a SEARCH or CYCLE clause, the recursive reference to WITH query "
            "\"%s\" must be at the top level of its right-hand SELECT",
            w->c->ctename);
    if (w->search) {
        const lg_ast_list *cols = &w->search->search_col_list;
        lg_ast *seq = column_node(a, table, "s"), *v;
        if (w->search->search_breadth_first) {
            lg_ast *depth = row_node(a, 1, &seq, LG_BIND_ROW_FIRST);
            v = row_of(w, table, cols, op_node(a, LG_A_AEXPR_OP, "+", depth, integer_node(a, 1)));
        } else {
            v = op_node(a, LG_A_AEXPR_OP, "||", seq, array_node(a, row_of(w, table, cols, NULL)));
        }
        added[n] = inner[0];
        from[n] = w->search->search_seq_column;
        extra[n++] = target_node(a, w->search->search_seq_column, v);
    }
    if (w->cycle) {
        lg_ast *row = row_of(w, table, &w->cycle->cycle_col_list, NULL);
        added[n] = inner[1];
        from[n] = w->cycle->cycle_mark_column;
        extra[n++] = target_node(a, w->cycle->cycle_mark_column, mark_case(w, row, path));
        added[n] = inner[2];
        from[n] = w->cycle->cycle_path_column;
        extra[n++] = target_node(a, w->cycle->cycle_path_column,
                                 op_node(a, LG_A_AEXPR_OP, "||", path, array_node(a, row)));
    }
    lg_ast_select_stmt *more = lg_arena_dup(a, q, sizeof *q);
    more->target_list.at = LG_NEWN(a, lg_ast *, q->target_list.n + n);
    memcpy(more->target_list.at, q->target_list.at, q->target_list.n * sizeof(lg_ast *));
    for (uint32_t i = 0; i < n; i++)
        more->target_list.at[more->target_list.n++] =
            target_node(a, NULL, column_node(a, alias, from[i]));
    *ret = wrap(w, more, table, n, added, extra, n);
    if (w->cycle)
        (*ret)->where_clause =
            op_node(a, LG_A_AEXPR_OP, "<>", column_node(a, table, "m"), mark_node(w, true));
    return LG_OK;
}

/* ---- checks ---- */

static bool
has_column(const lg_cte *cte, const char *name)
{
    for (uint32_t i = 0; i < cte->ncols; i++)
        if (!strcmp(cte->cols[i].name, name))
            return true;
    return false;
}

static lg_status
check_columns(const rewriting *w, const lg_ast_list *names, const char *what, int32_t loc)
{
    for (uint32_t i = 0; i < names->n; i++) {
        const char *name = lg_ast_list_str(names, i);
        if (!has_column(w->cte, name))
            return lg_bind__error(w->b, loc, "42601",
                                  "%s column \"%s\" not in WITH query column list", what, name);
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(name, lg_ast_list_str(names, k)))
                return lg_bind__error(w->b, loc, "42701",
                                      "%s column \"%s\" specified more than once", what, name);
    }
    return LG_OK;
}

static lg_status
check_new(const rewriting *w, const char *name, const char *what, int32_t loc)
{
    return has_column(w->cte, name)
               ? lg_bind__error(w->b, loc, "42601",
                                "%s column name \"%s\" already used in WITH query column list",
                                what, name)
               : LG_OK;
}

static lg_status
check_same(const rewriting *w, const char *x, const char *y, const char *what, int32_t loc)
{
    return strcmp(x, y) == 0 ? lg_bind__error(w->b, loc, "42601", "%s are the same", what) : LG_OK;
}

static lg_status
check_cycle(lg_level *l, rewriting *w)
{
    const lg_ast_ctecycle_clause *k = w->cycle;
    lg_expr *e[2];
    LG_TRY(check_columns(w, &k->cycle_col_list, "cycle", k->h.loc));
    LG_TRY(check_new(w, k->cycle_mark_column, "cycle mark", k->h.loc));
    LG_TRY(lg_bind__expr(l, k->cycle_mark_value, &e[0]));
    LG_TRY(lg_bind__expr(l, k->cycle_mark_default, &e[1]));
    LG_TRY(lg_bind__common_type(w->b, e, 2, "CYCLE", &w->mark_type));
    for (int i = 0; i < 2; i++)
        LG_TRY(lg_bind__coerce_common(w->b, e[i], w->mark_type,
                                      i ? "CYCLE/SET/DEFAULT" : "CYCLE/SET/TO", &e[i]));
    if (!lg_type_equal_fn(w->mark_type) || w->mark_type == LG_T_JSON)
        return lg_bind__error(w->b, -1, "42883",
                              "could not identify an equality operator for type %s",
                              lg_bind__type_name(w->b, w->mark_type));
    LG_TRY(check_new(w, k->cycle_path_column, "cycle path", k->h.loc));
    return check_same(w, k->cycle_mark_column, k->cycle_path_column,
                      "cycle mark column name and cycle path column name", k->h.loc);
}

lg_status
lg_bind__search_cycle(lg_level *l, const lg_ast_common_table_expr *c, const lg_cte *cte,
                      const lg_ast_select_stmt **ret, uint32_t *ret_added)
{
    rewriting w = {.b = l->b,
                   .a = l->b->arena,
                   .c = c,
                   .cte = cte,
                   .search = c->search_clause,
                   .cycle = c->cycle_clause};
    const lg_ast_select_stmt *q = lg_ast_as(c->ctequery, select_stmt);
    if (q->larg->op != LG_A_SETOP_NONE || q->rarg->op != LG_A_SETOP_NONE)
        return lg_bind__error(l->b, -1, q->larg->op != LG_A_SETOP_NONE ? "0A000" : "42601",
                              "with a SEARCH or CYCLE clause, the %s side of the UNION must be a "
                              "SELECT",
                              q->larg->op != LG_A_SETOP_NONE ? "left" : "right");
    if (w.search) {
        LG_TRY(check_columns(&w, &w.search->search_col_list, "search", w.search->h.loc));
        LG_TRY(check_new(&w, w.search->search_seq_column, "search sequence", w.search->h.loc));
    }
    if (w.cycle)
        LG_TRY(check_cycle(l, &w));
    if (w.search && w.cycle) {
        LG_TRY(check_same(&w, w.search->search_seq_column, w.cycle->cycle_mark_column,
                          "search sequence column name and cycle mark column name",
                          w.search->h.loc));
        LG_TRY(check_same(&w, w.search->search_seq_column, w.cycle->cycle_path_column,
                          "search sequence column name and cycle path column name",
                          w.search->h.loc));
    }
    lg_ast_select_stmt *made = lg_arena_dup(w.a, q, sizeof *q);
    made->larg = start_side(&w, q->larg);
    LG_TRY(step_side(&w, q->rarg, &made->rarg));
    *ret_added = (w.search != NULL) + 2u * (w.cycle != NULL);
    *ret = made;
    return LG_OK;
}
