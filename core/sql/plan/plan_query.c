/* One query level above its joins: grouping, distinct, order, limit; set operations; WITH; what
 * stands in FROM beside relations. */
#include "plan_internal.h"
#include <string.h>

/* ---- FROM items that are not relations ---- */

static void
whole_map(lg_planner *p, lg_built *b, uint32_t rte, const lg_rte *r, lg_node *n)
{
    b->node = n;
    b->n = r->ncols;
    b->map = LG_NEWN(p->a, lg_colref, r->ncols + 1);
    for (uint32_t i = 0; i < r->ncols; i++)
        b->map[i] = (lg_colref){rte, (int16_t)(i + 1)};
    n->ncols = r->ncols;
    n->cols = r->cols;
    if (n->kind == LG_NODE_CTE_SCAN || n->kind == LG_NODE_WORKTABLE_SCAN)
        n->cte.in = r->cols;
    else if (n->kind == LG_NODE_FUNCTION_SCAN)
        n->func.in = r->cols;
}

typedef struct lateral {
    lg_pq *pq;
    lg_item *it;
} lateral;

/* Vars of this level inside a FROM item are siblings' columns. */
static lg_expr *
to_params(lg_expr *e, void *arg)
{
    lateral *l = arg;
    lg_planner *p = l->pq->p;
    if (e->kind != LG_EX_VAR || e->var.up)
        return lg_expr_mutate(p->a, e, to_params, l);
    lg_expr *x = lg_expr_new(p->a, LG_EX_EXEC, e->type, 0);
    x->typmod = e->typmod;
    x->collation = e->collation;
    for (uint32_t i = 0; i < l->it->nset; i++)
        if (lg_expr_equal(l->it->set[i].expr, e)) {
            x->exec = l->it->set[i].exec;
            return x;
        }
    x->exec = lg_plan__exec_param(p, e->type);
    lg_outer *s = LG_NEWN(p->a, lg_outer, l->it->nset + 1);
    if (l->it->nset)
        memcpy(s, l->it->set, l->it->nset * sizeof *s);
    s[l->it->nset++] = (lg_outer){e, x->exec};
    l->it->set = s;
    return x;
}

static lg_status
lateral_expr(lg_pq *pq, lg_item *it, lg_expr *e, lg_expr **ret)
{
    LG_TRY(lg_plan__expr(pq, e, &e));
    lateral l = {pq, it};
    *ret = to_params(e, &l);
    return LG_OK;
}

static lg_status
function_item(lg_pq *pq, lg_rte *r, lg_item *it, lg_node **ret)
{
    lg_planner *p = pq->p;
    lg_node *n = lg_plan__node(p, LG_NODE_FUNCTION_SCAN);
    n->func.nfuncs = r->nfuncs;
    n->func.funcs = LG_NEWN(p->a, lg_expr *, r->nfuncs + 1);
    uint32_t *cols = LG_NEWN(p->a, uint32_t, r->nfuncs + 1);
    n->rows = 1;
    for (uint32_t i = 0; i < r->nfuncs; i++) {
        LG_TRY(lateral_expr(pq, it, r->funcs[i].expr, &n->func.funcs[i]));
        cols[i] = r->funcs[i].ncols;
        const lg_expr *f = n->func.funcs[i];
        if (f->kind == LG_EX_FUNC && lg_func_retset(f->func.func))
            n->rows = strstr(f->func.func->name, "unnest") ? 10 : 1000;
    }
    n->func.func_cols = cols;
    n->func.ordinality = r->ordinality;
    n->func.alias = r->alias;
    n->cost = n->rows * p->s->cpu_tuple_cost;
    n->width = 32;
    *ret = n;
    return LG_OK;
}

static lg_status
values_item(lg_pq *pq, lg_rte *r, lg_item *it, lg_node **ret)
{
    lg_planner *p = pq->p;
    lg_node *n = lg_plan__node(p, LG_NODE_VALUES);
    n->values.nrows = r->nrows;
    n->values.nrowcols = r->ncols;
    n->values.rows = LG_NEWN(p->a, lg_expr **, r->nrows + 1);
    for (uint32_t i = 0; i < r->nrows; i++) {
        n->values.rows[i] = LG_NEWN(p->a, lg_expr *, r->ncols + 1);
        for (uint32_t c = 0; c < r->ncols; c++)
            LG_TRY(lateral_expr(pq, it, r->rows[i][c], &n->values.rows[i][c]));
    }
    n->rows = r->nrows;
    n->cost = n->rows * p->s->cpu_tuple_cost;
    n->width = 32;
    *ret = n;
    return LG_OK;
}

static lg_status
subquery_item(lg_pq *pq, lg_rte *r, lg_item *it, lg_node **ret)
{
    lg_pq *child;
    uint32_t n;
    lg_outer *set;
    LG_TRY(lg_plan__query(pq->p, pq, r->subquery, &child, ret));
    LG_TRY(lg_plan__take_outer(pq, child, &n, &set));
    lg_outer *all = LG_NEWN(pq->p->a, lg_outer, it->nset + n + 1);
    for (uint32_t i = 0; i < it->nset; i++)
        all[i] = it->set[i];
    for (uint32_t i = 0; i < n; i++)
        all[it->nset + i] = set[i];
    it->set = all;
    it->nset += n;
    return LG_OK;
}

static lg_status
cte_item(lg_pq *pq, lg_rte *r, lg_node **ret)
{
    lg_planner *p = pq->p;
    lg_pq *owner = pq;
    for (uint32_t i = 0; i < r->cte_up && owner->parent; i++)
        owner = owner->parent;
    lg_node *n = lg_plan__node(p, r->cte_self ? LG_NODE_WORKTABLE_SCAN : LG_NODE_CTE_SCAN);
    n->cte.alias = r->alias;
    n->cte.name = owner->q->ctes[r->cte].name;
    if (r->cte_self) {
        n->cte.worktable = owner->worktable;
        n->cte.param = owner->worktable_param;
        n->rows = 100;
    } else {
        n->cte.cte = owner->cte_plan[r->cte];
        const lg_node *root = p->plan->ctes[n->cte.cte].root;
        n->rows = root->rows;
        n->width = root->width;
    }
    n->cost = n->rows * p->s->cpu_tuple_cost;
    *ret = n;
    return LG_OK;
}

/* One column more: LG_SYSCOL_TABLEOID, which is NULL only where an outer join has no row of the item. */
static void
add_oid(lg_planner *p, uint32_t rte, const char *alias, lg_built *b)
{
    lg_node *x = lg_plan__node(p, LG_NODE_SUBQUERY_SCAN), *n = b->node;
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, b->n + 1);
    lg_colref *map = LG_NEWN(p->a, lg_colref, b->n + 1);
    x->targets = LG_NEWN(p->a, lg_expr *, b->n + 1);
    for (uint32_t i = 0; i < b->n; i++) {
        const lg_outcol *c = &n->cols[i];
        x->targets[i] = lg_plan__slot(p, (int32_t)i, c->type, c->typmod, c->collation);
        cols[i] = *c;
        map[i] = b->map[i];
    }
    x->targets[b->n] = lg_expr_const(p->a, LG_T_OID, lg_datum_oid(1), false);
    cols[b->n] = (lg_outcol){.name = "tableoid", .type = LG_T_OID, .typmod = -1};
    map[b->n] = (lg_colref){rte, LG_SYSCOL_TABLEOID};
    x->subquery.alias = alias;
    x->left = n;
    x->rows = n->rows;
    x->cost = n->cost;
    x->startup_cost = n->startup_cost;
    x->width = n->width + 4;
    x->cols = cols;
    *b = (lg_built){.node = x, .map = map, .n = b->n + 1};
    x->ncols = b->n;
}

lg_status
lg_plan__rte(lg_pq *pq, uint32_t rte, lg_item *it)
{
    lg_rte *r = pq->q->rtes[rte];
    lg_node *n = NULL;
    switch (r->kind) {
    case LG_RTE_FUNCTION:
        LG_TRY(function_item(pq, r, it, &n));
        break;
    case LG_RTE_VALUES:
        LG_TRY(values_item(pq, r, it, &n));
        break;
    case LG_RTE_SUBQUERY:
        lg_plan__drop_unread(pq, rte);
        LG_TRY(subquery_item(pq, r, it, &n));
        break;
    case LG_RTE_CTE:
        LG_TRY(cte_item(pq, r, &n));
        break;
    default:
        n = lg_plan__node(pq->p, LG_NODE_RESULT);
        n->rows = 1;
        break;
    }
    whole_map(pq->p, &it->built, rte, r, n);
    if (r->whole && pq->needed[rte][LG_NEEDED_BASE + LG_SYSCOL_TABLEOID])
        add_oid(pq->p, rte, r->alias, &it->built);
    return LG_OK;
}

/* ---- WITH ---- */

static bool
inlinable(const lg_pq *pq, uint32_t i, uint32_t *ret_rte)
{
    const lg_cte *c = &pq->q->ctes[i];
    if (c->recursive || c->refs != 1 || c->materialized == LG_A_CTE_MATERIALIZE_ALWAYS ||
        c->query->cmd != LG_CMD_SELECT || c->query->nmarks)
        return false;
    for (uint32_t t = 0; t < c->query->ntargets; t++)
        if (lg_expr_volatility(c->query->targets[t].expr) == 'v')
            return false;
    if (c->query->where && lg_expr_volatility(c->query->where) == 'v')
        return false;
    for (uint32_t r = 0; r < pq->q->nrtes; r++) {
        const lg_rte *e = pq->q->rtes[r];
        if (e->kind == LG_RTE_CTE && !e->cte_up && e->cte == i && !e->cte_self) {
            *ret_rte = r;
            return true;
        }
    }
    return false;
}

static lg_status plan_recursive(lg_pq *pq, lg_cte *c, lg_node **ret);
static lg_status plan_setop_node(lg_pq *pq, const lg_setop *s, lg_node **ret);

static lg_status
plan_ctes(lg_pq *pq)
{
    lg_planner *p = pq->p;
    lg_query *q = pq->q;
    pq->cte_plan = LG_NEWN(p->a, uint32_t, q->nctes + 1);
    for (uint32_t i = 0; i < q->nctes; i++) {
        lg_cte *c = &q->ctes[i];
        uint32_t rte;
        pq->cte_plan[i] = UINT32_MAX;
        if (c->query->cmd == LG_CMD_SELECT && !c->refs && !c->recursive)
            continue;
        if (inlinable(pq, i, &rte)) {
            q->rtes[rte]->kind = LG_RTE_SUBQUERY;
            q->rtes[rte]->subquery = c->query;
            continue;
        }
        lg_node *root;
        if (c->recursive) {
            LG_TRY(plan_recursive(pq, c, &root));
        } else {
            lg_pq *child;
            uint32_t n;
            lg_outer *set;
            LG_TRY(lg_plan__query(p, pq, c->query, &child, &root));
            LG_TRY(lg_plan__take_outer(pq, child, &n, &set));
        }
        lg_plan *pl = p->plan;
        if (pl->nctes == p->cte_cap) {
            p->cte_cap = p->cte_cap ? 2 * p->cte_cap : 4;
            lg_plan_cte *x = LG_NEWN(p->a, lg_plan_cte, p->cte_cap);
            if (pl->nctes)
                memcpy(x, pl->ctes, pl->nctes * sizeof *x);
            pl->ctes = x;
        }
        pl->ctes[pl->nctes] = (lg_plan_cte){c->name, root, c->query->cmd != LG_CMD_SELECT};
        pq->cte_plan[i] = pl->nctes++;
    }
    return LG_OK;
}

/* WITH RECURSIVE: the query is `start UNION [ALL] step`. The level of the set operation itself
 * has nothing but its leaves. */
static lg_status
plan_recursive(lg_pq *pq, lg_cte *c, lg_node **ret)
{
    lg_planner *p = pq->p;
    lg_query *q = c->query;
    lg_pq *level = LG_NEW(p->a, lg_pq);
    level->p = p;
    level->parent = pq;
    level->q = q;
    if (!q->setop || q->setop->op != LG_A_SETOP_UNION || q->nsort || q->limit || q->offset)
        return lg_error_set(p->b->err, "0A000",
                            "this form of recursive query \"%s\" is not supported", c->name);
    lg_node *n = lg_plan__node(p, LG_NODE_RECURSIVE_UNION);
    uint32_t was = pq->worktable, was_param = pq->worktable_param, k;
    lg_outer *set;
    LG_TRY(plan_ctes(level));
    n->recursive.distinct = !q->setop->all;
    n->recursive.worktable = n->id;
    n->recursive.param = lg_plan__exec_param(p, LG_T_INT4);
    pq->worktable_param = n->recursive.param;
    pq->worktable = n->id;
    LG_TRY(plan_setop_node(level, q->setop->left, &n->left));
    LG_TRY(plan_setop_node(level, q->setop->right, &n->right));
    LG_TRY(lg_plan__take_outer(pq, level, &k, &set));
    pq->worktable = was;
    pq->worktable_param = was_param;
    n->ncols = n->left->ncols;
    n->cols = n->left->cols;
    n->rows = n->left->rows + 10 * n->right->rows;
    n->cost = n->left->cost + 10 * n->right->cost;
    n->width = n->left->width;
    *ret = n;
    return LG_OK;
}

/* ---- set operations ---- */

static bool
hashable_type(lg_oid t)
{
    const lg_operator *op = lg_operator_get(lg_type_eq_operator(t));
    return op && op->can_hash;
}

static lg_group_key *
all_keys(lg_planner *p, const lg_node *n)
{
    lg_group_key *k = LG_NEWN(p->a, lg_group_key, n->ncols + 1);
    for (uint32_t i = 0; i < n->ncols; i++)
        k[i] = (lg_group_key){i, n->cols[i].type,
                              lg_operator_get(lg_type_eq_operator(n->cols[i].type))};
    return k;
}

/* Distinct rows by hashing. */
static lg_node *
hash_distinct(lg_planner *p, lg_node *in)
{
    lg_node *n = lg_plan__node(p, LG_NODE_AGG);
    n->left = in;
    n->agg.hashed = true;
    n->agg.ngroup = in->ncols;
    n->agg.group = all_keys(p, in);
    n->ncols = in->ncols;
    n->cols = in->cols;
    n->width = in->width;
    n->rows = in->rows < 1 ? 1 : in->rows > 200 ? in->rows / 2 : in->rows;
    n->agg.groups = n->rows;
    n->startup_cost = n->cost = in->cost + in->rows * p->s->cpu_operator_cost * in->ncols;
    return n;
}

static lg_status append_leaves(lg_pq *pq, const lg_setop *s, lg_node **list, uint32_t *n);

/* Branches that never give a row; the last one stays. */
static uint32_t
drop_empty(lg_planner *p, lg_node **list, uint32_t n)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!lg_plan__is_empty(p, list[i]) || (!k && i + 1 == n))
            list[k++] = list[i];
    return k;
}

static lg_status
plan_setop_node(lg_pq *pq, const lg_setop *s, lg_node **ret)
{
    lg_planner *p = pq->p;
    if (s->op == LG_A_SETOP_NONE) {
        lg_pq *child;
        uint32_t n;
        lg_outer *set;
        LG_TRY(lg_plan__query(p, pq, pq->q->rtes[s->rte]->subquery, &child, ret));
        return lg_plan__take_outer(pq, child, &n, &set);
    }
    if (s->op == LG_A_SETOP_UNION) {
        lg_node *n = lg_plan__node(p, LG_NODE_APPEND);
        lg_node **list = LG_NEWN(p->a, lg_node *, pq->q->nrtes + 1);
        LG_TRY(append_leaves(pq, s->left, list, &n->append.n));
        LG_TRY(append_leaves(pq, s->right, list, &n->append.n));
        n->append.n = drop_empty(p, list, n->append.n);
        n->append.children = list;
        n->ncols = s->ncols;
        n->cols = s->cols;
        for (uint32_t i = 0; i < n->append.n; i++) {
            n->rows += list[i]->rows;
            n->cost += list[i]->cost;
            n->width = list[i]->width;
        }
        *ret = s->all ? n : hash_distinct(p, n);
        return LG_OK;
    }
    lg_node *n = lg_plan__node(p, LG_NODE_SETOP);
    LG_TRY(plan_setop_node(pq, s->left, &n->left));
    LG_TRY(plan_setop_node(pq, s->right, &n->right));
    n->setop.op = s->op;
    n->setop.all = s->all;
    n->ncols = s->ncols;
    n->cols = s->cols;
    n->setop.keys = all_keys(p, n);
    n->rows = n->left->rows;
    n->cost = n->left->cost + n->right->cost + (n->left->rows + n->right->rows) * 0.01;
    n->width = n->left->width;
    *ret = n;
    return LG_OK;
}

/* UNION ALL below UNION ALL is one list. */
static lg_status
append_leaves(lg_pq *pq, const lg_setop *s, lg_node **list, uint32_t *n)
{
    if (s->op == LG_A_SETOP_UNION && s->all) {
        LG_TRY(append_leaves(pq, s->left, list, n));
        return append_leaves(pq, s->right, list, n);
    }
    return plan_setop_node(pq, s, &list[(*n)++]);
}

/* ---- sorting and limits ---- */

static lg_node_sortkey
sort_key(const lg_sort_item *it, uint32_t slot, const lg_node *n)
{
    return (lg_node_sortkey){.slot = slot,
                             .lt = it->lt,
                             .type = n->cols[slot].type,
                             .collation = n->cols[slot].collation,
                             .desc = it->desc,
                             .nulls_first = it->nulls_first};
}

static uint32_t
target_of(const lg_query *q, uint32_t ref)
{
    for (uint32_t i = 0; i < q->ntargets; i++)
        if (q->targets[i].ref == ref)
            return i;
    return 0;
}

static lg_node *
add_sort(lg_pq *pq, lg_node *in, const lg_sort_item *items, uint32_t n, const uint32_t *slots,
         bool top)
{
    lg_planner *p = pq->p;
    lg_node *s = lg_plan__node(p, LG_NODE_SORT);
    s->left = in;
    s->ncols = in->ncols;
    s->cols = in->cols;
    s->sort.keys = LG_NEWN(p->a, lg_node_sortkey, n + 1);
    for (uint32_t i = 0; i < n; i++)
        s->sort.keys[s->sort.nkeys++] = sort_key(&items[i], slots[i], in);
    if (top && pq->q->limit && !pq->q->with_ties) {
        s->sort.top_n = pq->q->limit;
        s->sort.top_n_offset = pq->q->offset;
    }
    lg_plan__sort_cost(p, s);
    return s;
}

static double
const_count(const lg_expr *e, double otherwise)
{
    return e && e->kind == LG_EX_CONST && !e->konst.isnull ? (double)lg_int8(e->konst.value)
                                                           : otherwise;
}

static lg_expr *
copy_expr(lg_expr *e, void *arg)
{
    return lg_expr_mutate((lg_arena *)arg, e, copy_expr, arg);
}

static lg_node *
add_limit(lg_pq *pq, lg_node *in, const uint32_t *sort_slots)
{
    lg_planner *p = pq->p;
    lg_query *q = pq->q;
    if (!q->limit && !q->offset)
        return in;
    lg_node *n = lg_plan__node(p, LG_NODE_LIMIT);
    n->left = in;
    n->ncols = in->ncols;
    n->cols = in->cols;
    n->width = in->width;
    n->limit.limit = q->limit ? copy_expr(q->limit, p->a) : NULL;
    n->limit.offset = q->offset ? copy_expr(q->offset, p->a) : NULL;
    if (q->with_ties) {
        n->limit.ties = LG_NEWN(p->a, lg_node_sortkey, q->nsort + 1);
        for (uint32_t i = 0; i < q->nsort; i++)
            n->limit.ties[n->limit.nties++] = sort_key(&q->sort[i], sort_slots[i], in);
    }
    double want = const_count(q->limit, in->rows * 0.1 < 1 ? 1 : in->rows * 0.1);
    double skip = q->offset ? const_count(q->offset, 0) : 0;
    n->rows = want < in->rows ? want : in->rows;
    n->startup_cost = in->startup_cost;
    n->cost = in->startup_cost +
              (in->cost - in->startup_cost) *
                  (in->rows > 0 && want + skip < in->rows ? (want + skip) / in->rows : 1);
    return n;
}

/* ---- grouping ---- */

typedef struct grouper {
    lg_pq *pq;
    lg_expr **keys;
    uint32_t nkeys, keys_cap;
    lg_expr **aggs;
    uint32_t naggs, aggs_cap;
    uint32_t *key_of; /* [position in q->group]: its key */
} grouper;

static void
push_expr(lg_arena *a, lg_expr ***list, uint32_t *n, uint32_t *cap, lg_expr *e)
{
    for (uint32_t i = 0; i < *n; i++)
        if (lg_expr_equal((*list)[i], e))
            return;
    if (*n == *cap) {
        *cap = *cap ? 2 * *cap : 8;
        lg_expr **x = LG_NEWN(a, lg_expr *, *cap);
        if (*n)
            memcpy(x, *list, *n * sizeof *x);
        *list = x;
    }
    (*list)[(*n)++] = e;
}

static bool
is_key(const grouper *g, const lg_expr *e)
{
    for (uint32_t i = 0; i < g->nkeys; i++)
        if (lg_expr_equal(g->keys[i], e))
            return true;
    return false;
}

/* Aggregates, and columns that the keys determine (those become keys too). */
static bool
collect_aggs(const lg_expr *e, void *arg)
{
    grouper *g = arg;
    lg_arena *a = g->pq->p->a;
    lg_expr *x = (lg_expr *)(uintptr_t)e;
    if (is_key(g, e))
        return false;
    if (e->kind == LG_EX_GROUPING)
        return false;
    if (e->kind == LG_EX_AGG)
        push_expr(a, &g->aggs, &g->naggs, &g->aggs_cap, x);
    else if (e->kind == LG_EX_VAR)
        push_expr(a, &g->keys, &g->nkeys, &g->keys_cap, x);
    else
        return lg_expr_walk(e, collect_aggs, g);
    return false;
}

static bool
collect_agg_vars(const lg_expr *e, void *arg)
{
    grouper *g = arg; /* keys doubles as the list of child columns */
    if (e->kind == LG_EX_VAR)
        push_expr(g->pq->p->a, &g->keys, &g->nkeys, &g->keys_cap, (lg_expr *)(uintptr_t)e);
    return lg_expr_walk(e, collect_agg_vars, g);
}

/* Is the key in the grouping set? Keys that others determine are in all of them. */
static bool
key_in_set(const grouper *g, uint32_t key, uint32_t set)
{
    const lg_query *q = g->pq->q;
    bool listed = false;
    for (uint32_t i = 0; i < q->ngroup; i++)
        listed = listed || g->key_of[i] == key;
    for (uint32_t i = 0; i < q->set_len[set]; i++)
        if (g->key_of[q->sets[set][i]] == key)
            return true;
    return !listed;
}

/* GROUPING(...): a bit for each argument that the row's set does not group by. */
static lg_expr *
grouping_value(grouper *g, const lg_expr *e)
{
    lg_planner *p = g->pq->p;
    const lg_query *q = g->pq->q;
    const lg_operator *eq = lg_operator_find("=", LG_T_INT4, LG_T_INT4);
    if (!q->nsets)
        return lg_expr_const(p->a, LG_T_INT4, 0, false);
    lg_expr *c = lg_expr_new(p->a, LG_EX_CASE, LG_T_INT4, 2 * q->nsets + 2);
    c->has_arg = true;
    c->args[0] = lg_plan__slot(p, (int32_t)(g->nkeys + g->naggs), LG_T_INT4, -1, 0);
    for (uint32_t s = 0; s < q->nsets; s++) {
        int32_t bits = 0;
        for (uint32_t i = 0; i < e->nargs; i++) {
            uint32_t key = 0;
            while (key < g->nkeys && !lg_expr_equal(g->keys[key], e->args[i]))
                key++;
            bits = (int32_t)((uint32_t)bits << 1) | !key_in_set(g, key, s);
        }
        lg_expr *test[2] = {lg_expr_new(p->a, LG_EX_CASE_TEST, LG_T_INT4, 0),
                            lg_expr_const(p->a, LG_T_INT4, lg_datum_int4((int32_t)s), false)};
        c->args[1 + 2 * s] = lg_expr_call(p->a, lg_func_get(eq->func), eq, 2, test);
        c->args[2 + 2 * s] = lg_expr_const(p->a, LG_T_INT4, lg_datum_int4(bits), false);
    }
    c->args[1 + 2 * q->nsets] = lg_expr_const(p->a, LG_T_INT4, 0, false);
    return c;
}

/* e over the aggregate's row. */
static lg_expr *
over_groups(lg_expr *e, void *arg)
{
    grouper *g = arg;
    lg_planner *p = g->pq->p;
    for (uint32_t i = 0; i < g->nkeys; i++)
        if (lg_expr_equal(g->keys[i], e))
            return lg_plan__slot(p, (int32_t)i, e->type, e->typmod, e->collation);
    if (e->kind == LG_EX_AGG)
        for (uint32_t i = 0; i < g->naggs; i++)
            if (lg_expr_equal(g->aggs[i], e))
                return lg_plan__slot(p, (int32_t)(g->nkeys + i), e->type, e->typmod, e->collation);
    if (e->kind == LG_EX_GROUPING)
        return grouping_value(g, e);
    return lg_expr_mutate(p->a, e, over_groups, g);
}

typedef struct child_cols {
    lg_pq *pq;
    lg_expr **cols;
    uint32_t n;
} child_cols;

static lg_expr *
over_child(lg_expr *e, void *arg)
{
    child_cols *c = arg;
    for (uint32_t i = 0; i < c->n; i++)
        if (lg_expr_equal(c->cols[i], e))
            return lg_plan__slot(c->pq->p, (int32_t)i, e->type, e->typmod, e->collation);
    return lg_expr_mutate(c->pq->p->a, e, over_child, c);
}

static lg_node *
sort_for_groups(lg_pq *pq, lg_node *in, const grouper *g)
{
    lg_planner *p = pq->p;
    lg_node *s = lg_plan__node(p, LG_NODE_SORT);
    s->left = in;
    s->ncols = in->ncols;
    s->cols = in->cols;
    s->sort.keys = LG_NEWN(p->a, lg_node_sortkey, g->nkeys + 1);
    for (uint32_t i = 0; i < g->nkeys; i++) {
        lg_sort_item it = {.lt = lg_operator_get(lg_type_lt_operator(g->keys[i]->type))};
        s->sort.keys[s->sort.nkeys++] = sort_key(&it, i, in);
    }
    lg_plan__sort_cost(p, s);
    return s;
}

static void
add_sets(grouper *g, lg_node *n, lg_outcol *out)
{
    lg_arena *a = g->pq->p->a;
    const lg_query *q = g->pq->q;
    n->agg.nsets = q->nsets;
    n->agg.sets = LG_NEWN(a, uint32_t *, q->nsets + 1);
    n->agg.set_len = LG_NEWN(a, uint32_t, q->nsets + 1);
    for (uint32_t s = 0; s < q->nsets; s++) {
        n->agg.sets[s] = LG_NEWN(a, uint32_t, g->nkeys + 1);
        for (uint32_t k = 0; k < g->nkeys; k++)
            if (key_in_set(g, k, s))
                n->agg.sets[s][n->agg.set_len[s]++] = k;
    }
    out[n->ncols++] = (lg_outcol){.name = "set", .type = LG_T_INT4, .typmod = -1};
}

static lg_node *
make_agg_node(lg_pq *pq, grouper *g, const lg_built *b)
{
    lg_planner *p = pq->p;
    grouper cols = {.pq = pq};
    bool hash = true;
    for (uint32_t i = 0; i < g->nkeys; i++) {
        push_expr(p->a, &cols.keys, &cols.nkeys, &cols.keys_cap, g->keys[i]);
        hash = hash && hashable_type(g->keys[i]->type);
    }
    for (uint32_t i = 0; i < g->naggs; i++)
        collect_agg_vars(g->aggs[i], &cols);
    lg_expr **t = LG_NEWN(p->a, lg_expr *, cols.nkeys + 1);
    lg_outcol *oc = LG_NEWN(p->a, lg_outcol, cols.nkeys + 1);
    for (uint32_t i = 0; i < cols.nkeys; i++) {
        t[i] = lg_plan__fix(pq, cols.keys[i], b->map, b->n);
        oc[i] = lg_plan__outcol(t[i], "key");
    }
    lg_node *in = lg_plan__project(p, b->node, cols.nkeys, t, oc);
    if (!hash)
        in = sort_for_groups(pq, in, g);
    lg_node *n = lg_plan__node(p, LG_NODE_AGG);
    n->left = in;
    n->agg.hashed = hash && g->nkeys > 0;
    n->agg.ngroup = g->nkeys;
    n->agg.group = LG_NEWN(p->a, lg_group_key, g->nkeys + 1);
    double groups = 1;
    for (uint32_t i = 0; i < g->nkeys; i++) {
        n->agg.group[i] = (lg_group_key){i, g->keys[i]->type,
                                         lg_operator_get(lg_type_eq_operator(g->keys[i]->type))};
        groups *= lg_plan__distinct(pq, g->keys[i], in->rows);
    }
    n->agg.naggs = g->naggs;
    n->agg.aggs = LG_NEWN(p->a, lg_expr *, g->naggs + 1);
    child_cols cc = {pq, cols.keys, cols.nkeys};
    for (uint32_t i = 0; i < g->naggs; i++)
        n->agg.aggs[i] = lg_expr_mutate(p->a, g->aggs[i], over_child, &cc);
    n->ncols = g->nkeys + g->naggs;
    lg_outcol *out = LG_NEWN(p->a, lg_outcol, n->ncols + 2);
    for (uint32_t i = 0; i < n->ncols; i++)
        out[i] = lg_plan__outcol(i < g->nkeys ? g->keys[i] : g->aggs[i - g->nkeys], "agg");
    if (pq->q->nsets)
        add_sets(g, n, out);
    n->cols = out;
    n->rows = n->agg.groups = groups > in->rows && in->rows >= 1 ? in->rows : groups;
    n->cost = in->cost + in->rows * p->s->cpu_operator_cost * (g->nkeys + g->naggs + 1);
    n->startup_cost = n->agg.hashed || !g->nkeys ? n->cost : in->startup_cost;
    n->width = 32;
    return n;
}

/* ---- SELECT ---- */

static bool
args_return_sets(const lg_expr *e)
{
    for (uint32_t i = 0; i < e->nargs; i++)
        if (lg_expr_returns_set(e->args[i]))
            return true;
    return false;
}

static bool
is_set_call(const lg_expr *e)
{
    return e->kind == LG_EX_FUNC && lg_func_retset(e->func.func);
}

/* Set-returning calls below other calls: first a node that gives their values as columns. Those in
 * arguments of others come below these, a node for each level; all calls of one level advance
 * together. */
typedef struct set_split {
    lg_planner *p;
    lg_expr **calls;
    uint32_t n, cap, base;
} set_split;

static lg_expr *
take_sets(lg_expr *e, void *arg)
{
    set_split *s = arg;
    if (is_set_call(e) && !args_return_sets(e)) {
        push_expr(s->p->a, &s->calls, &s->n, &s->cap, e);
        for (uint32_t i = 0; i < s->n; i++)
            if (lg_expr_equal(s->calls[i], e))
                return lg_plan__slot(s->p, (int32_t)(s->base + i), e->type, e->typmod,
                                     e->collation);
    }
    return lg_expr_mutate(s->p->a, e, take_sets, s);
}

static lg_node *
project_targets(lg_pq *pq, lg_node *in, uint32_t n, lg_expr **exprs, lg_outcol *cols)
{
    lg_planner *p = pq->p;
    bool nested = false;
    for (uint32_t i = 0; i < n; i++)
        nested = nested || (lg_expr_returns_set(exprs[i]) &&
                            (!is_set_call(exprs[i]) || args_return_sets(exprs[i])));
    if (!nested)
        return lg_plan__project(p, in, n, exprs, cols);
    set_split s = {.p = p, .base = in->ncols};
    lg_expr **outer = LG_NEWN(p->a, lg_expr *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        outer[i] = take_sets(exprs[i], &s);
    uint32_t m = in->ncols + s.n;
    lg_expr **inner = LG_NEWN(p->a, lg_expr *, m + 1);
    lg_outcol *ic = LG_NEWN(p->a, lg_outcol, m + 1);
    for (uint32_t i = 0; i < m; i++) {
        inner[i] = i < in->ncols ? lg_plan__slot(p, (int32_t)i, in->cols[i].type,
                                                 in->cols[i].typmod, in->cols[i].collation)
                                 : s.calls[i - in->ncols];
        ic[i] = lg_plan__outcol(inner[i], "set");
    }
    return project_targets(pq, lg_plan__project(p, in, m, inner, ic), n, outer, cols);
}

/* Drops junk columns at the top. */
static lg_node *
drop_junk(lg_pq *pq, lg_node *n)
{
    lg_query *q = pq->q;
    lg_planner *p = pq->p;
    uint32_t k = 0;
    lg_expr **t = LG_NEWN(p->a, lg_expr *, q->ntargets + 1);
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, q->ntargets + 1);
    for (uint32_t i = 0; i < q->ntargets; i++)
        if (!q->targets[i].junk) {
            cols[k] = n->cols[i];
            t[k++] = lg_plan__slot(p, (int32_t)i, n->cols[i].type, n->cols[i].typmod,
                                   n->cols[i].collation);
        }
    return k == q->ntargets ? n : lg_plan__project(p, n, k, t, cols);
}

static lg_node *
add_distinct(lg_pq *pq, lg_node *in, bool *sorted)
{
    lg_planner *p = pq->p;
    lg_query *q = pq->q;
    bool hash = !q->distinct_on;
    if (hash && !pq->distinct_keys) /* DISTINCT sees the result only; junk targets are the last */
        in = drop_junk(pq, in);
    for (uint32_t i = 0; i < in->ncols; i++)
        hash = hash && hashable_type(in->cols[i].type);
    if (hash) {
        *sorted = false;
        return hash_distinct(p, in);
    }
    /* sort by the distinct items, then by the rest of ORDER BY */
    uint32_t n = 0, max = q->ndistinct + q->nsort;
    lg_sort_item *items = LG_NEWN(p->a, lg_sort_item, max + 1);
    uint32_t *slots = LG_NEWN(p->a, uint32_t, max + 1);
    for (uint32_t i = 0; i < q->ndistinct; i++) {
        items[n] = q->distinct[i];
        if (!items[n].lt)
            items[n].lt = lg_operator_get(
                lg_type_lt_operator(q->targets[target_of(q, items[n].ref)].expr->type));
        slots[n] = target_of(q, items[n].ref);
        n++;
    }
    for (uint32_t i = 0; i < q->nsort; i++) {
        bool have = false;
        for (uint32_t k = 0; k < q->ndistinct; k++)
            have = have || q->distinct[k].ref == q->sort[i].ref;
        if (!have) {
            items[n] = q->sort[i];
            slots[n++] = target_of(q, q->sort[i].ref);
        }
    }
    lg_node *s = add_sort(pq, in, items, n, slots, false);
    lg_node *u = lg_plan__node(p, LG_NODE_UNIQUE);
    u->left = s;
    u->ncols = s->ncols;
    u->cols = s->cols;
    u->width = s->width;
    u->rows = s->rows > 200 ? s->rows / 2 : s->rows;
    u->cost = s->cost + s->rows * p->s->cpu_operator_cost;
    u->startup_cost = s->startup_cost;
    u->unique.nkeys = q->ndistinct;
    u->unique.keys = LG_NEWN(p->a, lg_group_key, q->ndistinct + 1);
    for (uint32_t i = 0; i < q->ndistinct; i++)
        u->unique.keys[i] = (lg_group_key){slots[i], in->cols[slots[i]].type, q->distinct[i].eq};
    *sorted = q->distinct_on;
    return u;
}

static lg_outcol *
target_cols(lg_pq *pq, lg_expr *const *exprs)
{
    lg_query *q = pq->q;
    lg_outcol *cols = LG_NEWN(pq->p->a, lg_outcol, q->ntargets + 1);
    for (uint32_t i = 0; i < q->ntargets; i++) {
        cols[i] = lg_plan__outcol(exprs[i], q->targets[i].name);
        cols[i].table = q->targets[i].table;
        cols[i].attnum = q->targets[i].table_attnum;
    }
    return cols;
}

static lg_node *
order_and_limit(lg_pq *pq, lg_node *n, bool sorted)
{
    lg_query *q = pq->q;
    uint32_t *slots = LG_NEWN(pq->p->a, uint32_t, q->nsort + 1);
    for (uint32_t i = 0; i < q->nsort; i++)
        slots[i] = target_of(q, q->sort[i].ref);
    if (q->ndistinct)
        n = add_distinct(pq, n, &sorted);
    if (q->nsort && !sorted)
        n = add_sort(pq, n, q->sort, q->nsort, slots, true);
    return add_limit(pq, n, slots);
}

/* FOR UPDATE: whole rows travel up to LOCK_ROWS; targets are computed after it. */
static lg_status
plan_locking(lg_pq *pq, lg_built *b, bool sorted, lg_node **ret)
{
    lg_query *q = pq->q;
    lg_planner *p = pq->p;
    LG_TRY(lg_plan__lock_rows(pq, b, sorted));
    lg_node *n = add_limit(pq, b->node, NULL);
    lg_expr **t = LG_NEWN(p->a, lg_expr *, q->ntargets + 1);
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, q->ntargets + 1);
    uint32_t k = 0;
    for (uint32_t i = 0; i < q->ntargets; i++)
        if (!q->targets[i].junk) {
            t[k] = lg_plan__fix(pq, q->targets[i].expr, b->map, b->n);
            cols[k] = lg_plan__outcol(t[k], q->targets[i].name);
            cols[k].table = q->targets[i].table;
            cols[k++].attnum = q->targets[i].table_attnum;
        }
    *ret = lg_plan__project(p, n, k, t, cols);
    return LG_OK;
}

/*
 * Volatile targets that nothing sorts by are computed above ORDER BY and LIMIT: so nextval() numbers
 * the rows in their order, and only those that are given (PostgreSQL's postponed targets). Below,
 * what they read travels in columns of its own behind the targets.
 */
typedef struct postponed {
    lg_planner *p;
    bool *late; /* by target */
    lg_expr **extra;
    uint32_t n, cap, base;
} postponed;

static bool
find_late(const lg_pq *pq, lg_expr *const *t, bool *late)
{
    const lg_query *q = pq->q;
    bool any = false;
    if (q->ndistinct || q->has_srfs || (!q->nsort && !q->limit))
        return false;
    for (uint32_t i = 0; i < q->ntargets; i++) {
        bool sorts = false;
        for (uint32_t k = 0; k < q->nsort; k++)
            sorts = sorts || target_of(q, q->sort[k].ref) == i;
        late[i] = !sorts && !q->targets[i].junk && lg_expr_volatility(t[i]) == 'v';
        any = any || late[i];
    }
    return any;
}

static lg_expr *
from_extra(lg_expr *e, void *arg)
{
    postponed *w = arg;
    if (e->kind != LG_EX_SLOT)
        return lg_expr_mutate(w->p->a, e, from_extra, w);
    uint32_t at = 0;
    while (at < w->n && w->extra[at]->slot != e->slot)
        at++;
    if (at == w->n)
        push_expr(w->p->a, &w->extra, &w->n, &w->cap, e);
    return lg_plan__slot(w->p, (int32_t)(w->base + at), e->type, e->typmod, e->collation);
}

static lg_node *
order_then_project(lg_pq *pq, lg_node *in, bool sorted, lg_expr **t, const bool *late)
{
    lg_planner *p = pq->p;
    uint32_t n = pq->q->ntargets;
    postponed w = {.p = p, .base = n};
    lg_expr **above = LG_NEWN(p->a, lg_expr *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        above[i] = late[i]
                       ? from_extra(t[i], &w)
                       : lg_plan__slot(p, (int32_t)i, t[i]->type, t[i]->typmod, t[i]->collation);
    lg_expr **below = LG_NEWN(p->a, lg_expr *, n + w.n + 1);
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, n + w.n + 1), *shown = target_cols(pq, t);
    for (uint32_t i = 0; i < n + w.n; i++) {
        below[i] = i >= n    ? w.extra[i - n]
                   : late[i] ? lg_expr_const(p->a, t[i]->type, 0, true)
                             : t[i];
        cols[i] = i < n ? shown[i] : lg_plan__outcol(below[i], "read");
    }
    in = order_and_limit(pq, lg_plan__project(p, in, n + w.n, below, cols), sorted);
    return lg_plan__project(p, in, n, above, shown);
}

static lg_status
plan_select(lg_pq *pq, lg_node **ret)
{
    lg_query *q = pq->q;
    lg_planner *p = pq->p;
    lg_built b;
    bool sorted;
    for (uint32_t i = 0; i < q->nmarks; i++)
        lg_plan__mark_row(pq, q->marks[i].rte);
    bool plain = !q->grouped && !q->ndistinct && !q->has_srfs && !q->nwindows;
    if (q->limit && plain)
        pq->tuple_fraction =
            const_count(q->limit, 10) + (q->offset ? const_count(q->offset, 0) : 0);
    LG_TRY(lg_plan__from(pq, q->sort, plain ? q->nsort : 0, &b, &sorted));
    sorted = sorted && q->nsort;
    if (q->nmarks)
        return plan_locking(pq, &b, sorted, ret);
    lg_expr **t = LG_NEWN(p->a, lg_expr *, q->ntargets + 1);
    lg_node *n = b.node;
    if (q->grouped) {
        grouper g = {.pq = pq, .key_of = LG_NEWN(p->a, uint32_t, q->ngroup + 1)};
        for (uint32_t i = 0; i < q->ngroup; i++) {
            lg_expr *key = q->targets[target_of(q, q->group[i].ref)].expr;
            push_expr(p->a, &g.keys, &g.nkeys, &g.keys_cap, key);
            while (!lg_expr_equal(g.keys[g.key_of[i]], key))
                g.key_of[i]++;
        }
        for (uint32_t i = 0; i < q->ntargets; i++)
            collect_aggs(q->targets[i].expr, &g);
        if (q->having)
            collect_aggs(q->having, &g);
        n = make_agg_node(pq, &g, &b);
        for (uint32_t i = 0; i < q->ntargets; i++)
            t[i] = over_groups(q->targets[i].expr, &g);
        if (q->having)
            n->quals = over_groups(q->having, &g);
    } else {
        for (uint32_t i = 0; i < q->ntargets; i++)
            t[i] = lg_plan__fix(pq, q->targets[i].expr, b.map, b.n);
    }
    if (q->nwindows)
        n = lg_plan__windows(pq, n, t, &sorted);
    bool *late = LG_NEWN(p->a, bool, q->ntargets + 1);
    if (find_late(pq, t, late)) {
        n = order_then_project(pq, n, sorted, t, late);
    } else {
        n = project_targets(pq, n, q->ntargets, t, target_cols(pq, t));
        n = order_and_limit(pq, n, sorted);
    }
    *ret = drop_junk(pq, n);
    return LG_OK;
}

/* The keys of ORDER BY that were added to a set operation's targets: calls over one of them. */
static lg_node *
add_order_keys(lg_pq *pq, lg_node *n)
{
    lg_query *q = pq->q;
    lg_planner *p = pq->p;
    lg_expr **t = LG_NEWN(p->a, lg_expr *, q->ntargets + 1);
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, q->ntargets + 1);
    for (uint32_t i = 0; i < q->ntargets; i++) {
        if (i < n->ncols) {
            cols[i] = n->cols[i];
            t[i] = lg_plan__slot(p, (int32_t)i, cols[i].type, cols[i].typmod, cols[i].collation);
            continue;
        }
        const lg_expr *key = q->targets[i].expr;
        uint32_t of = 0;
        while (of + 1 < n->ncols && !lg_expr_equal(q->targets[of].expr, key->args[0]))
            of++;
        lg_expr *args[2] = {t[of], key->args[1]};
        t[i] = lg_expr_call(p->a, key->func.func, NULL, 2, args);
        cols[i] = lg_plan__outcol(t[i], q->targets[i].name);
    }
    return lg_plan__project(p, n, q->ntargets, t, cols);
}

static lg_status
plan_setop(lg_pq *pq, lg_node **ret)
{
    lg_query *q = pq->q;
    lg_node *n;
    LG_TRY(plan_setop_node(pq, q->setop, &n));
    lg_outcol *cols = lg_arena_dup(pq->p->a, n->cols, (n->ncols + 1) * sizeof *cols);
    for (uint32_t i = 0; i < q->ntargets && i < n->ncols; i++)
        cols[i].name = q->targets[i].name;
    n->cols = cols;
    if (q->ntargets > n->ncols)
        n = add_order_keys(pq, n);
    n = order_and_limit(pq, n, false);
    *ret = drop_junk(pq, n);
    return LG_OK;
}

lg_status
lg_plan__query(lg_planner *p, lg_pq *parent, lg_query *q, lg_pq **ret_pq, lg_node **ret_root)
{
    lg_pq *pq = LG_NEW(p->a, lg_pq);
    pq->p = p;
    pq->parent = parent;
    pq->q = q;
    *ret_pq = pq;
    LG_TRY(plan_ctes(pq));
    LG_TRY(lg_plan__prepare(pq));
    if (q->cmd == LG_CMD_INSERT)
        return lg_plan__insert(pq, ret_root);
    if (q->cmd != LG_CMD_SELECT)
        return lg_plan__change(pq, ret_root);
    return q->setop ? plan_setop(pq, ret_root) : plan_select(pq, ret_root);
}
