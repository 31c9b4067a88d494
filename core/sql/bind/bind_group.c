/* GROUP BY: plain items, grouping sets, ROLLUP and CUBE; the GROUPING() function.
 *
 * q->group lists every grouping expression once. A query with grouping sets has them expanded:
 * the items of GROUP BY are combined (each with each), every set a list of positions in q->group.
 */
#include "bind_internal.h"
#include <string.h>

#define MAX_SETS 4096u
#define MAX_CUBE 12u

typedef struct gset {
    uint32_t n;
    uint32_t *at; /* positions in q->group */
} gset;

typedef struct gsets {
    uint32_t n, cap;
    gset *at;
} gsets;

static lg_status
add_key(lg_level *l, const lg_ast *n, uint32_t *ret_pos)
{
    lg_query *q = l->q;
    uint32_t at;
    LG_TRY(lg_bind__find_item(l, n, LG_CL_GROUP_BY, true, &at));
    LG_TRY(lg_bind__resolve_unknown(l->b, &q->targets[at].expr));
    const lg_expr *e = q->targets[at].expr;
    if (lg_expr_has_kind(e, LG_EX_AGG))
        return lg_bind__error(l->b, e->loc, "42803",
                              "aggregate functions are not allowed in GROUP BY");
    if (lg_expr_has_kind(e, LG_EX_WINDOW))
        return lg_bind__error(l->b, lg_bind__window_loc(e), "42P20",
                              "window functions are not allowed in GROUP BY");
    lg_sort_item it = {.ref = lg_bind__target_ref(q, &q->targets[at])};
    for (uint32_t i = 0; i < q->ngroup; i++)
        if (q->group[i].ref == it.ref) {
            *ret_pos = i;
            return LG_OK;
        }
    /* the order asked for, where there is one, so that one sort serves both */
    for (uint32_t i = 0; i < q->nsort; i++)
        if (q->sort[i].ref == it.ref)
            it = q->sort[i];
    if (!it.eq)
        LG_TRY(lg_bind__item_operators(l, e->type, false, false, n->loc, &it));
    *ret_pos = q->ngroup;
    q->group[q->ngroup++] = it;
    return LG_OK;
}

static uint32_t
count_leaves(const lg_ast_list *list)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        const lg_ast *x = list->at[i];
        if (x->tag == LG_AST_GROUPING_SET)
            n += count_leaves(&lg_ast_as(x, grouping_set)->content);
        else if (x->tag == LG_AST_ROW_EXPR)
            n += count_leaves(&lg_ast_as(x, row_expr)->args);
        else
            n++;
    }
    return n;
}

/* ---- sets of positions ---- */

static lg_status
add_set(lg_level *l, gsets *s, const gset *x)
{
    if (s->n == MAX_SETS)
        return lg_bind__error(l->b, -1, "54001", "too many grouping sets present (maximum %u)",
                              MAX_SETS);
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 4;
        gset *at = LG_NEWN(l->b->arena, gset, s->cap);
        if (s->n)
            memcpy(at, s->at, s->n * sizeof *at);
        s->at = at;
    }
    s->at[s->n++] = *x;
    return LG_OK;
}

static gset
unite(lg_level *l, const gset *x, const gset *y)
{
    gset r = {.n = 0, .at = LG_NEWN(l->b->arena, uint32_t, x->n + y->n + 1)};
    for (uint32_t i = 0; i < x->n + y->n; i++) {
        uint32_t pos = i < x->n ? x->at[i] : y->at[i - x->n];
        bool have = false;
        for (uint32_t k = 0; k < r.n; k++)
            have = have || r.at[k] == pos;
        if (!have)
            r.at[r.n++] = pos;
    }
    return r;
}

/* One expression, or a list in parentheses. */
static lg_status
simple_set(lg_level *l, const lg_ast *x, gset *ret)
{
    const lg_ast_row_expr *row = x->tag == LG_AST_ROW_EXPR ? lg_ast_as(x, row_expr) : NULL;
    bool list = row && row->row_format == LG_A_COERCE_IMPLICIT_CAST;
    gset all = {0};
    for (uint32_t i = 0; i < (list ? row->args.n : 1); i++) {
        uint32_t pos;
        LG_TRY(add_key(l, list ? row->args.at[i] : x, &pos));
        gset one = {1, &pos};
        all = unite(l, &all, &one);
    }
    *ret = all;
    return LG_OK;
}

static lg_status
content_sets(lg_level *l, const lg_ast_list *content, gset **ret)
{
    *ret = LG_NEWN(l->b->arena, gset, content->n + 1);
    for (uint32_t i = 0; i < content->n; i++)
        LG_TRY(simple_set(l, content->at[i], &(*ret)[i]));
    return LG_OK;
}

static lg_status
rollup(lg_level *l, const lg_ast_list *content, gsets *ret)
{
    gset *c, empty = {0};
    LG_TRY(content_sets(l, content, &c));
    for (uint32_t i = 1; i < content->n; i++)
        c[i] = unite(l, &c[i - 1], &c[i]);
    for (uint32_t i = content->n; i > 0; i--)
        LG_TRY(add_set(l, ret, &c[i - 1]));
    return add_set(l, ret, &empty);
}

static lg_status
cube(lg_level *l, const lg_ast_grouping_set *g, gsets *ret)
{
    gset *c;
    if (g->content.n > MAX_CUBE)
        return lg_bind__error(l->b, g->h.loc, "54011", "CUBE is limited to %u elements", MAX_CUBE);
    LG_TRY(content_sets(l, &g->content, &c));
    for (uint32_t mask = 0; mask < 1u << g->content.n; mask++) {
        gset s = {0};
        for (uint32_t i = 0; i < g->content.n; i++)
            if (mask & 1u << i)
                s = unite(l, &s, &c[i]);
        LG_TRY(add_set(l, ret, &s));
    }
    return LG_OK;
}

/* The sets of one item of GROUP BY or of GROUPING SETS. */
static lg_status
item_sets(lg_level *l, const lg_ast *x, gsets *ret)
{
    gset s = {0};
    LG_TRY(lg_bind__stack_check(l->b));
    if (x->tag != LG_AST_GROUPING_SET) {
        LG_TRY(simple_set(l, x, &s));
        return add_set(l, ret, &s);
    }
    const lg_ast_grouping_set *g = lg_ast_as(x, grouping_set);
    switch (g->kind) {
    case LG_A_GROUPING_SET_EMPTY:
        return add_set(l, ret, &s);
    case LG_A_GROUPING_SET_ROLLUP:
        return rollup(l, &g->content, ret);
    case LG_A_GROUPING_SET_CUBE:
        return cube(l, g, ret);
    default:
        for (uint32_t i = 0; i < g->content.n; i++)
            LG_TRY(item_sets(l, g->content.at[i], ret));
        return LG_OK;
    }
}

static bool
same_set(const gset *x, const gset *y)
{
    uint32_t have = 0;
    for (uint32_t i = 0; i < x->n; i++)
        for (uint32_t k = 0; k < y->n; k++)
            have += x->at[i] == y->at[k];
    return x->n == y->n && have == x->n;
}

static lg_status
expand(lg_level *l, const lg_ast_list *list, bool distinct)
{
    lg_query *q = l->q;
    gset empty = {0};
    gsets all = {0};
    LG_TRY(add_set(l, &all, &empty));
    for (uint32_t i = 0; i < list->n; i++) {
        gsets item = {0}, next = {0};
        LG_TRY(item_sets(l, list->at[i], &item));
        for (uint32_t x = 0; x < all.n; x++)
            for (uint32_t y = 0; y < item.n; y++) {
                gset s = unite(l, &all.at[x], &item.at[y]);
                LG_TRY(add_set(l, &next, &s));
            }
        all = next;
    }
    q->sets = LG_NEWN(l->b->arena, uint32_t *, all.n + 1);
    q->set_len = LG_NEWN(l->b->arena, uint32_t, all.n + 1);
    for (uint32_t i = 0; i < all.n; i++) {
        bool repeated = false;
        for (uint32_t k = 0; distinct && k < i && !repeated; k++)
            repeated = same_set(&all.at[i], &all.at[k]);
        if (repeated)
            continue;
        q->sets[q->nsets] = all.at[i].at;
        q->set_len[q->nsets++] = all.at[i].n;
    }
    return LG_OK;
}

lg_status
lg_bind__group(lg_level *l, const lg_ast_list *list, bool distinct)
{
    lg_query *q = l->q;
    bool sets = false;
    q->group = LG_NEWN(l->b->arena, lg_sort_item, count_leaves(list) + 1);
    q->grouped = list->n > 0;
    for (uint32_t i = 0; i < list->n; i++)
        sets = sets || (list->at[i]->tag == LG_AST_GROUPING_SET &&
                        lg_ast_as(list->at[i], grouping_set)->kind != LG_A_GROUPING_SET_EMPTY);
    if (sets)
        return expand(l, list, distinct);
    for (uint32_t i = 0; i < list->n; i++) {
        gset s;
        if (list->at[i]->tag != LG_AST_GROUPING_SET)
            LG_TRY(simple_set(l, list->at[i], &s));
    }
    return LG_OK;
}

/* ---- GROUPING() ---- */

lg_status
lg_bind__grouping(lg_level *l, const lg_ast_grouping_func *g, lg_expr **ret)
{
    lg_bind *b = l->b;
    if (g->args.n > 31)
        return lg_bind__error(b, g->h.loc, "54023", "GROUPING must have fewer than 32 arguments");
    switch (l->clause) {
    case LG_CL_TARGET:
    case LG_CL_HAVING:
    case LG_CL_ORDER_BY:
    case LG_CL_DISTINCT_ON:
    case LG_CL_WINDOW_PARTITION:
    case LG_CL_WINDOW_ORDER:
        break;
    case LG_CL_JOIN_ON:
    case LG_CL_JOIN_USING:
        return lg_bind__error(b, g->h.loc, "42803",
                              "grouping operations are not allowed in JOIN conditions");
    case LG_CL_FROM_FUNCTION:
        return lg_bind__error(b, g->h.loc, "42803",
                              "grouping operations are not allowed in functions in FROM");
    default:
        return lg_bind__error(b, g->h.loc, "42803", "grouping operations are not allowed in %s",
                              lg_bind__clause_name(l->clause));
    }
    lg_expr *e = lg_expr_new(b->arena, LG_EX_GROUPING, LG_T_INT4, g->args.n);
    e->loc = g->h.loc;
    for (uint32_t i = 0; i < g->args.n; i++)
        LG_TRY(lg_bind__expr(l, g->args.at[i], &e->args[i]));
    l->q->has_aggs = true;
    *ret = e;
    return LG_OK;
}
