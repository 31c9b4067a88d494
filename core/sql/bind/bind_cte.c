/* WITH: which order its queries are bound in, what recursion is allowed (PostgreSQL's
 * parse_cte.c), and the queries themselves.
 *
 * In WITH RECURSIVE a query may name later ones, and itself: the syntax trees are searched for
 * references before anything is bound, and the queries are bound so that each comes after what it
 * refers to. */
#include "bind_internal.h"
#include <string.h>

/* ---- references among the queries of one WITH RECURSIVE ---- */

typedef struct hidden { /* names that an inner WITH hides */
    const lg_ast_with_clause *w;
    uint32_t upto; /* its queries before this one; all with RECURSIVE */
    const struct hidden *next;
} hidden;

typedef enum recursion {
    R_OK,
    R_NONRECURSIVE,
    R_SUBLINK,
    R_OUTER_JOIN,
    R_INTERSECT,
    R_EXCEPT,
} recursion;

typedef struct search {
    lg_bind *b;
    const lg_ast_with_clause *w;
    uint32_t self;  /* the query being searched */
    uint64_t *deps; /* collecting: bits of the queries referred to */
    const hidden *inner;
    /* checking the form of a recursive query */
    bool checking;
    recursion context;
    uint32_t nself;
    lg_status st;
} search;

static bool visit(const lg_ast *n, void *arg);

static const char *
cte_name(const lg_ast_with_clause *w, uint32_t i)
{
    return lg_ast_as(w->ctes.at[i], common_table_expr)->ctename;
}

static bool
is_hidden(const search *s, const char *name)
{
    for (const hidden *h = s->inner; h; h = h->next)
        for (uint32_t i = 0; i < h->upto; i++)
            if (!strcmp(cte_name(h->w, i), name))
                return true;
    return false;
}

static bool
visit_reference(search *s, const lg_ast_range_var *rv)
{
    static const char *const texts[] = {
        NULL,
        "recursive reference to query \"%s\" must not appear within its non-recursive term",
        "recursive reference to query \"%s\" must not appear within a subquery",
        "recursive reference to query \"%s\" must not appear within an outer join",
        "recursive reference to query \"%s\" must not appear within INTERSECT",
        "recursive reference to query \"%s\" must not appear within EXCEPT",
    };
    if (rv->schemaname || is_hidden(s, rv->relname))
        return false;
    for (uint32_t i = 0; i < s->w->ctes.n; i++) {
        const char *name = cte_name(s->w, i);
        if (strcmp(name, rv->relname) != 0)
            continue;
        if (!s->checking) {
            s->deps[s->self * s->w->ctes.n + i] = 1;
            return false;
        }
        if (i != s->self)
            return false;
        if (s->context != R_OK)
            s->st = lg_bind__error(s->b, rv->h.loc, "42P19", texts[s->context], name);
        else if (++s->nself > 1)
            s->st = lg_bind__error(
                s->b, rv->h.loc, "42P19",
                "recursive reference to query \"%s\" must not appear more than once", name);
        return s->st != LG_OK;
    }
    return false;
}

static bool
visit_in(search *s, recursion context, const lg_ast *n)
{
    recursion was = s->context;
    if (was == R_OK)
        s->context = context;
    bool stop = n && visit(n, s);
    s->context = was;
    return stop;
}

/* The queries of an inner WITH, then the statement that has it. */
static bool
visit_with(search *s, const lg_ast_with_clause *w, const lg_ast *n)
{
    hidden h = {w, w->recursive ? w->ctes.n : 0, s->inner};
    s->inner = &h;
    bool stop = false;
    for (uint32_t i = 0; i < w->ctes.n && !stop; i++) {
        stop = visit(lg_ast_as(w->ctes.at[i], common_table_expr)->ctequery, s);
        if (!w->recursive)
            h.upto = i + 1;
    }
    h.upto = w->ctes.n;
    stop = stop || lg_ast_walk(n, visit, s);
    s->inner = h.next;
    return stop;
}

static bool
visit_join(search *s, const lg_ast_join_expr *j)
{
    bool l = j->jointype == LG_A_JOIN_RIGHT || j->jointype == LG_A_JOIN_FULL;
    bool r = j->jointype == LG_A_JOIN_LEFT || j->jointype == LG_A_JOIN_FULL;
    return visit_in(s, l ? R_OUTER_JOIN : R_OK, j->larg) ||
           visit_in(s, r ? R_OUTER_JOIN : R_OK, j->rarg) || (j->quals && visit(j->quals, s));
}

static bool
visit(const lg_ast *n, void *arg)
{
    search *s = arg;
    s->st = s->st != LG_OK ? s->st : lg_bind__stack_check(s->b);
    if (s->st != LG_OK)
        return true;
    switch (n->tag) {
    case LG_AST_RANGE_VAR:
        return visit_reference(s, lg_ast_as(n, range_var));
    case LG_AST_WITH_CLAUSE:
        return false; /* by its statement */
    case LG_AST_SELECT_STMT: {
        const lg_ast_select_stmt *q = lg_ast_as(n, select_stmt);
        if (q->with_clause)
            return visit_with(s, q->with_clause, n);
        if (s->checking && q->op == LG_A_SETOP_INTERSECT)
            return visit_in(s, R_INTERSECT, &q->larg->h) || visit_in(s, R_INTERSECT, &q->rarg->h);
        if (s->checking && q->op == LG_A_SETOP_EXCEPT)
            return visit_in(s, R_OK, &q->larg->h) || visit_in(s, R_EXCEPT, &q->rarg->h);
        return lg_ast_walk(n, visit, s);
    }
    case LG_AST_INSERT_STMT:
        if (lg_ast_as(n, insert_stmt)->with_clause)
            return visit_with(s, lg_ast_as(n, insert_stmt)->with_clause, n);
        return lg_ast_walk(n, visit, s);
    case LG_AST_UPDATE_STMT:
        if (lg_ast_as(n, update_stmt)->with_clause)
            return visit_with(s, lg_ast_as(n, update_stmt)->with_clause, n);
        return lg_ast_walk(n, visit, s);
    case LG_AST_DELETE_STMT:
        if (lg_ast_as(n, delete_stmt)->with_clause)
            return visit_with(s, lg_ast_as(n, delete_stmt)->with_clause, n);
        return lg_ast_walk(n, visit, s);
    case LG_AST_SUB_LINK:
        return visit_in(s, R_SUBLINK, lg_ast_as(n, sub_link)->subselect) ||
               (lg_ast_as(n, sub_link)->testexpr && visit(lg_ast_as(n, sub_link)->testexpr, s));
    case LG_AST_JOIN_EXPR:
        if (s->checking)
            return visit_join(s, lg_ast_as(n, join_expr));
        return lg_ast_walk(n, visit, s);
    default:
        return lg_ast_walk(n, visit, s);
    }
}

/* A query that refers to itself is `start UNION [ALL] step`, itself in step only and once. */
static lg_status
check_form(search *s, const lg_ast_common_table_expr *c)
{
    lg_bind *b = s->b;
    const lg_ast_select_stmt *q =
        c->ctequery->tag == LG_AST_SELECT_STMT ? lg_ast_as(c->ctequery, select_stmt) : NULL;
    if (!q)
        return lg_bind__error(b, c->h.loc, "42P19",
                              "recursive query \"%s\" must not contain data-modifying statements",
                              c->ctename);
    if (q->op != LG_A_SETOP_UNION)
        return lg_bind__error(b, c->h.loc, "42P19",
                              "recursive query \"%s\" does not have the form non-recursive-term "
                              "UNION [ALL] recursive-term",
                              c->ctename);
    s->checking = true;
    s->nself = 0;
    s->context = R_OK;
    if (!visit_in(s, R_NONRECURSIVE, &q->larg->h))
        visit(&q->rarg->h, s);
    LG_TRY(s->st);
    const char *what = q->sort_clause.n      ? "ORDER BY"
                       : q->limit_offset     ? "OFFSET"
                       : q->limit_count      ? "LIMIT"
                       : q->locking_clause.n ? "FOR UPDATE/SHARE"
                                             : NULL;
    const lg_ast *at = q->sort_clause.n  ? q->sort_clause.at[0]
                       : q->limit_offset ? q->limit_offset
                                         : q->limit_count;
    if (at && at->tag == LG_AST_SORT_BY)
        at = lg_ast_as(at, sort_by)->node;
    if (what)
        return lg_bind__error(b, at ? lg_bind__loc(at) : -1, "0A000",
                              "%s in a recursive query is not implemented", what);
    return LG_OK;
}

lg_status
lg_bind__cte_order(lg_bind *b, const lg_ast_with_clause *w, const lg_ast_common_table_expr ***ret)
{
    uint32_t n = w->ctes.n, done = 0;
    *ret = LG_NEWN(b->arena, const lg_ast_common_table_expr *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        (*ret)[i] = lg_ast_as(w->ctes.at[i], common_table_expr);
    if (!w->recursive || n > 4096)
        return LG_OK;
    search s = {.b = b, .w = w, .deps = LG_NEWN(b->arena, uint64_t, (size_t)n * n + 1)};
    for (s.self = 0; s.self < n; s.self++) {
        visit((*ret)[s.self]->ctequery, &s);
        LG_TRY(s.st);
    }
    /* each after what it needs, otherwise in the order written */
    bool *placed = LG_NEWN(b->arena, bool, n + 1);
    uint32_t *at = LG_NEWN(b->arena, uint32_t, n + 1);
    while (done < n) {
        uint32_t pick = n;
        for (uint32_t i = 0; i < n && pick == n; i++) {
            bool ready = !placed[i];
            for (uint32_t k = 0; ready && k < n; k++)
                ready = k == i || placed[k] || !s.deps[i * n + k];
            if (ready)
                pick = i;
        }
        if (pick == n) {
            uint32_t first = 0;
            while (placed[first])
                first++;
            return lg_bind__error(b, (*ret)[first]->h.loc, "0A000",
                                  "mutual recursion between WITH items is not implemented");
        }
        placed[pick] = true;
        at[done++] = pick;
    }
    for (uint32_t i = 0; i < n; i++)
        (*ret)[i] = lg_ast_as(w->ctes.at[at[i]], common_table_expr);
    for (s.self = 0; s.self < n; s.self++)
        if (s.deps[s.self * n + s.self])
            LG_TRY(check_form(&s, lg_ast_as(w->ctes.at[s.self], common_table_expr)));
    return LG_OK;
}

/* ---- the queries ---- */

static lg_status
cte_columns(lg_bind *b, const lg_ast_common_table_expr *c, lg_cte *cte, const lg_query *q)
{
    cte->ncols = lg_query_outcols(q, b->arena, &cte->cols);
    if (c->aliascolnames.n > cte->ncols)
        return lg_bind__error(b, c->h.loc, "42P10",
                              "WITH query \"%s\" has %u columns available but %u columns specified",
                              cte->name, cte->ncols, c->aliascolnames.n);
    for (uint32_t i = 0; i < c->aliascolnames.n; i++)
        cte->cols[i].name = lg_ast_list_str(&c->aliascolnames, i);
    return LG_OK;
}

/* Column i of the leftmost leaf. */
static const lg_expr *
setop_first(const lg_query *q, uint32_t i)
{
    const lg_setop *n = q->setop;
    while (n->op != LG_A_SETOP_NONE)
        n = n->left;
    const lg_query *leaf = q->rtes[n->rte]->subquery;
    return i < leaf->ntargets ? leaf->targets[i].expr : NULL;
}

static lg_status
not_recursive(lg_bind *b, const lg_ast_common_table_expr *c)
{
    return lg_bind__error(b, c->h.loc, "42601", "WITH query is not recursive");
}

static lg_status
bind_cte(lg_level *l, const lg_ast_common_table_expr *c, bool recursive, uint32_t index)
{
    lg_bind *b = l->b;
    lg_cte *cte = &l->q->ctes[index];
    cte->name = c->ctename;
    bool extended = c->search_clause || c->cycle_clause;
    cte->materialized = (uint8_t)c->ctematerialized;
    lg_query *q;
    if (recursive && c->ctequery->tag == LG_AST_SELECT_STMT &&
        lg_ast_as(c->ctequery, select_stmt)->op == LG_A_SETOP_UNION) {
        const lg_ast_select_stmt *s = lg_ast_as(c->ctequery, select_stmt);
        l->visible_ctes = index + 1;
        lg_ast_select_stmt start = *s->larg; /* alone, for its columns */
        if (!start.with_clause)
            start.with_clause = s->with_clause;
        LG_TRY(lg_bind__query(b, l, &start.h, NULL, true, &q));
        LG_TRY(cte_columns(b, c, cte, q));
        if (extended) {
            LG_TRY(lg_bind__search_cycle(l, c, cte, &s, &cte->added));
            start = *s->larg;
            start.with_clause = s->with_clause;
            LG_TRY(lg_bind__query(b, l, &start.h, NULL, true, &q));
            cte->ncols = lg_query_outcols(q, b->arena, &cte->cols);
        }
        LG_TRY(lg_bind__query(b, l, &s->h, NULL, true, &q));
        if (extended && !cte->recursive)
            return not_recursive(b, c);
        if (cte->recursive) {
            lg_outcol *cols;
            uint32_t n = lg_query_outcols(q, b->arena, &cols);
            for (uint32_t i = 0; i < n; i++)
                if (cols[i].type != cte->cols[i].type) {
                    const lg_expr *e = q->setop ? setop_first(q, i) : NULL;
                    lg_bind__error(b, e ? lg_bind__expr_loc(e) : -1, "42804",
                                   "recursive query \"%s\" column %u has type %s in non-recursive "
                                   "term but type %s overall",
                                   cte->name, i + 1, lg_bind__type_name(b, cte->cols[i].type),
                                   lg_bind__type_name(b, cols[i].type));
                    lg_error_hint(b->err,
                                  "Cast the output of the non-recursive term to the correct type.");
                    return LG_SQL;
                }
        }
    } else if (extended) {
        return not_recursive(b, c);
    } else {
        LG_TRY(lg_bind__query(b, l, c->ctequery, NULL, true, &q));
    }
    if (q->cmd != LG_CMD_SELECT) {
        if (cte->recursive)
            return lg_bind__error(
                b, c->h.loc, "42P19",
                "recursive query \"%s\" must not contain data-modifying statements", cte->name);
        if (l->parent)
            return lg_bind__error(
                b, c->h.loc, "0A000",
                "WITH clause containing a data-modifying statement must be at the "
                "top level");
        l->q->has_ctes_modifying = true;
    }
    LG_TRY(cte_columns(b, c, cte, q));
    cte->query = q;
    l->visible_ctes = index + 1;
    return LG_OK;
}

lg_status
lg_bind__with(lg_level *l, const lg_ast_with_clause *w)
{
    if (!w)
        return LG_OK;
    const lg_ast_common_table_expr **order;
    for (uint32_t i = 0; i < w->ctes.n; i++)
        for (uint32_t k = i + 1; k < w->ctes.n; k++) {
            const lg_ast_common_table_expr *x = lg_ast_as(w->ctes.at[i], common_table_expr),
                                           *y = lg_ast_as(w->ctes.at[k], common_table_expr);
            if (!strcmp(x->ctename, y->ctename))
                return lg_bind__error(l->b, y->h.loc, "42712",
                                      "WITH query name \"%s\" specified more than once",
                                      y->ctename);
        }
    LG_TRY(lg_bind__cte_order(l->b, w, &order));
    l->with = w;
    l->q->nctes = w->ctes.n;
    l->q->ctes = LG_NEWN(l->b->arena, lg_cte, w->ctes.n);
    for (uint32_t i = 0; i < w->ctes.n; i++)
        LG_TRY(bind_cte(l, order[i], w->recursive, i));
    return LG_OK;
}
