/* FROM and WHERE: items, conditions, join order, and the chosen path as nodes. */
#include "plan_internal.h"
#include "mem.h"
#include <math.h>
#include <string.h>

typedef struct cond {
    lg_expr *e;
    uint64_t mask; /* items it needs */
} cond;

typedef struct problem {
    lg_pq *pq;
    uint32_t n;
    lg_item items[LG_MAX_ITEMS];
    uint32_t ncond;
    cond *conds;
    bool *nonnull;    /* range table entries that WHERE makes non-null */
    uint8_t *item_of; /* range table entry -> item + 1 */
    uint32_t budget;  /* items that FROM may still become */
    lg_expr **where;  /* conjuncts of WHERE; NULL: went into a part */
    uint32_t nwhere;
    uint32_t norder; /* wanted of the result */
    const lg_sort_item *order;
} problem;

/* ---- strictness: which entries a condition rejects NULL rows of ---- */

static void
strict_vars_in(const lg_expr *e, bool *out, bool top)
{
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_VAR:
        if (!e->var.up)
            out[e->var.rte] = true;
        return;
    case LG_EX_FUNC:
        if (!lg_func_strict(e->func.func) || lg_func_retset(e->func.func))
            return;
        break;
    case LG_EX_ARRAY_OP:
        if (e->use_or && lg_func_strict(e->func.func))
            strict_vars_in(e->args[0], out, false);
        return;
    case LG_EX_AND: /* of a conjunction at the top all parts count */
        if (!top)
            return;
        for (uint32_t i = 0; i < e->nargs; i++)
            strict_vars_in(e->args[i], out, true);
        return;
    case LG_EX_RELABEL:
    case LG_EX_COERCE_IO:
        break;
    case LG_EX_NOT:
        if (e->args[0]->kind == LG_EX_IS_NULL)
            return;
        break;
    case LG_EX_IS_NULL:
        if (!e->negated || e->args[0]->kind == LG_EX_ROW)
            return;
        break;
    default:
        return;
    }
    for (uint32_t i = 0; i < e->nargs; i++)
        strict_vars_in(e->args[i], out, false);
}

static void
strict_vars(const lg_expr *e, bool *out)
{
    strict_vars_in(e, out, true);
}

static bool
subtree_has(const lg_from *f, const bool *rtes)
{
    return f->is_join ? subtree_has(f->left, rtes) || subtree_has(f->right, rtes) : rtes[f->rte];
}

static void
mark_subtree(const lg_from *f, bool *rtes)
{
    if (f->is_join) {
        mark_subtree(f->left, rtes);
        mark_subtree(f->right, rtes);
    } else {
        rtes[f->rte] = true;
    }
}

/* Outer joins whose NULL rows a condition above throws away are narrower joins. */
static void
reduce_outer(lg_from *f, bool *nonnull)
{
    if (!f || !f->is_join)
        return;
    if (f->join_type == LG_A_JOIN_FULL) {
        bool l = subtree_has(f->left, nonnull), r = subtree_has(f->right, nonnull);
        f->join_type = l && r ? LG_A_JOIN_INNER
                       : l    ? LG_A_JOIN_LEFT
                       : r    ? LG_A_JOIN_RIGHT
                              : LG_A_JOIN_FULL;
    }
    if (f->join_type == LG_A_JOIN_LEFT && subtree_has(f->right, nonnull))
        f->join_type = LG_A_JOIN_INNER;
    if (f->join_type == LG_A_JOIN_RIGHT && subtree_has(f->left, nonnull))
        f->join_type = LG_A_JOIN_INNER;
    if (f->join_type == LG_A_JOIN_INNER && f->quals)
        strict_vars(f->quals, nonnull);
    reduce_outer(f->left, nonnull);
    reduce_outer(f->right, nonnull);
}

/* ---- items ---- */

typedef struct rte_scan {
    bool *rtes;
} rte_scan;

static bool
scan_rtes(const lg_expr *e, void *arg)
{
    rte_scan *s = arg;
    if (e->kind == LG_EX_VAR && !e->var.up)
        s->rtes[e->var.rte] = true;
    return lg_expr_walk(e, scan_rtes, s);
}

static uint64_t
mask_of(const problem *pr, const lg_expr *e)
{
    uint64_t m = 0;
    uint32_t n = pr->pq->q->nrtes;
    bool *used = lg_zalloc(n + 1);
    rte_scan s = {used};
    scan_rtes(e, &s);
    for (uint32_t i = 0; i < n; i++)
        if (used[i] && pr->item_of[i])
            m |= 1ULL << (pr->item_of[i] - 1);
    lg_free(used);
    return m;
}

static void
add_cond(problem *pr, lg_expr *e)
{
    cond *c = LG_NEWN(pr->pq->p->a, cond, pr->ncond + 1);
    if (pr->ncond)
        memcpy(c, pr->conds, pr->ncond * sizeof *c);
    c[pr->ncond].e = e;
    pr->conds = c;
    pr->ncond++;
}

static bool
only_from(const problem *pr, const lg_expr *e, const bool *rtes)
{
    uint32_t n = pr->pq->q->nrtes;
    bool *used = LG_NEWN(pr->pq->p->a, bool, n + 1), any = false;
    rte_scan s = {used};
    scan_rtes(e, &s);
    for (uint32_t i = 0; i < n; i++) {
        any = any || used[i];
        if (used[i] && !rtes[i])
            return false;
    }
    return any;
}

/* What an OR says about one entry alone: its branches' conditions on it. NULL when a branch has
 * none. It restricts the scan; the OR itself stays. */
static lg_expr *
or_about(problem *pr, const lg_expr *e, const bool *rtes)
{
    lg_planner *p = pr->pq->p;
    lg_expr *any = lg_expr_new(p->a, LG_EX_OR, LG_T_BOOL, e->nargs);
    for (uint32_t i = 0; i < e->nargs; i++) {
        lg_expr **part, *mine = NULL;
        uint32_t n = lg_plan__split_and(p, e->args[i], &part);
        for (uint32_t k = 0; k < n; k++)
            if (only_from(pr, part[k], rtes) && !lg_expr_has_kind(part[k], LG_EX_SUBPLAN) &&
                lg_expr_volatility(part[k]) != 'v')
                mine = lg_expr_and(p->a, mine, part[k]);
        if (!mine)
            return NULL;
        any->args[i] = mine;
    }
    return any;
}

static void
add_conds(problem *pr, lg_expr *e)
{
    lg_planner *p = pr->pq->p;
    uint32_t nrtes = pr->pq->q->nrtes;
    lg_expr **list;
    uint32_t n = lg_plan__split_and(p, e, &list);
    for (uint32_t i = 0; i < n; i++) {
        add_cond(pr, list[i]);
        if (list[i]->kind != LG_EX_OR || nrtes > 64)
            continue;
        for (uint32_t r = 0; r < nrtes; r++) {
            bool *one = LG_NEWN(p->a, bool, nrtes + 1);
            one[r] = true;
            if (only_from(pr, list[i], one))
                break;
            lg_expr *about = or_about(pr, list[i], one);
            if (about)
                add_cond(pr, about);
        }
    }
}

static lg_status
new_item(problem *pr, lg_item **ret)
{
    if (pr->n == LG_MAX_ITEMS)
        return lg_error_set(pr->pq->p->b->err, "54001", "too many tables in one FROM clause");
    *ret = &pr->items[pr->n++];
    **ret = (lg_item){.rte = UINT32_MAX, .type = LG_JOIN_INNER};
    return LG_OK;
}

static lg_status
leaf_item(problem *pr, uint32_t rte, lg_item **ret)
{
    LG_TRY(new_item(pr, ret));
    pr->item_of[rte] = (uint8_t)pr->n;
    if (pr->pq->q->rtes[rte]->kind == LG_RTE_RELATION) {
        (*ret)->rte = rte;
        return LG_OK;
    }
    LG_TRY(lg_plan__rte(pr->pq, rte, *ret));
    for (uint32_t i = 0; i < (*ret)->nset; i++) {
        lg_plan__mark_needed(pr->pq, (*ret)->set[i].expr);
        (*ret)->needs |= mask_of(pr, (*ret)->set[i].expr);
    }
    return LG_OK;
}

/* What of WHERE has not gone into a part that was planned on its own. */
static void
add_where(problem *pr)
{
    for (uint32_t i = 0; i < pr->nwhere; i++)
        if (pr->where[i])
            add_conds(pr, pr->where[i]);
}

static lg_status solve(problem *pr, const lg_sort_item *order, uint32_t norder, lg_built *ret,
                       bool *ret_sorted);
static lg_status flatten(problem *pr, lg_from *f, uint64_t *ret_mask);

/* A join subtree planned on its own, with conditions that concern it alone. */
static lg_status
solve_subtree(problem *outer, lg_from *f, lg_expr **conds, uint32_t n, lg_built *ret)
{
    problem *pr = LG_NEW(outer->pq->p->a, problem);
    pr->pq = outer->pq;
    pr->nonnull = outer->nonnull;
    pr->item_of = LG_NEWN(outer->pq->p->a, uint8_t, outer->pq->q->nrtes + 1);
    pr->budget = LG_FROM_MAX;
    pr->where = LG_NEWN(outer->pq->p->a, lg_expr *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        pr->where[pr->nwhere++] = conds[i];
    uint64_t mask;
    bool sorted;
    LG_TRY(flatten(pr, f, &mask));
    add_where(pr);
    return solve(pr, NULL, 0, ret, &sorted);
}

/* An equality that hashing can find: of hashable operators, and of those that PostgreSQL only merges by
 * (bit strings) when a type here has a hash. */
static bool
hashes(const lg_operator *op)
{
    return op->can_hash || (op->can_merge && op->left == op->right && lg_type_hash_fn(op->left) &&
                            lg_type_equal_fn(op->left));
}

static lg_oid key_hash_type(const lg_expr *key);

/* The same for merging. */
static bool
merges(const lg_expr *e)
{
    const lg_operator *op = e->func.op;
    return (op->can_merge && op->left == op->right && lg_type_compare_fn(key_hash_type(e))) ||
           (op->can_hash && lg_type_compare_fn(key_hash_type(e)));
}

/* e as an equality of something of left with something of right. */
static lg_expr *
join_key(const problem *pr, lg_expr *e, const bool *left, const bool *right, bool merge)
{
    if (e->kind != LG_EX_FUNC || !e->func.op || e->nargs != 2 ||
        !(merge ? merges(e) : hashes(e->func.op)))
        return NULL;
    if (lg_expr_has_kind(e, LG_EX_SUBPLAN) || lg_expr_volatility(e) == 'v')
        return NULL;
    if (only_from(pr, e->args[0], left) && only_from(pr, e->args[1], right))
        return e;
    if (!only_from(pr, e->args[0], right) || !only_from(pr, e->args[1], left))
        return NULL;
    const lg_operator *c = e->func.op->commutator ? lg_operator_get(e->func.op->commutator) : NULL;
    if (!c || !lg_func_get(c->func))
        return NULL;
    lg_expr *swap[2] = {e->args[1], e->args[0]};
    lg_expr *n = lg_expr_call(pr->pq->p->a, lg_func_get(c->func), c, 2, swap);
    n->collation = e->collation;
    return n;
}

static lg_expr *
hash_key(const problem *pr, lg_expr *e, const bool *left, const bool *right)
{
    return join_key(pr, e, left, right, false);
}

static lg_status full_join(problem *pr, lg_from *f, lg_item *it);

/* LEFT JOIN: right enters by a condition of its own after everything on the left. */
static lg_status
outer_join(problem *pr, lg_from *left, lg_from *right, lg_expr *quals, uint64_t *ret_mask)
{
    lg_pq *pq = pr->pq;
    lg_planner *p = pq->p;
    uint64_t lmask;
    pq->has_outer_join = true;
    if (pr->budget > 1)
        pr->budget--;
    LG_TRY(flatten(pr, left, &lmask));
    bool *rr = LG_NEWN(p->a, bool, pq->q->nrtes + 1);
    mark_subtree(right, rr);
    lg_expr **list;
    uint32_t n = lg_plan__split_and(p, quals, &list), non = 0, nloc = 0;
    lg_expr **on = LG_NEWN(p->a, lg_expr *, n + 1), **loc = LG_NEWN(p->a, lg_expr *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        if (only_from(pr, list[i], rr))
            loc[nloc++] = list[i];
        else
            on[non++] = list[i];
    }
    lg_item *it = NULL;
    if (!right->is_join) {
        LG_TRY(leaf_item(pr, right->rte, &it));
        it->local = loc;
        it->nlocal = nloc;
    } else {
        lg_built b;
        LG_TRY(solve_subtree(pr, right, loc, nloc, &b));
        LG_TRY(new_item(pr, &it));
        it->built = b;
        for (uint32_t i = 0; i < pq->q->nrtes; i++)
            if (rr[i])
                pr->item_of[i] = (uint8_t)pr->n;
    }
    it->type = LG_JOIN_LEFT;
    it->needs |= lmask;
    it->on = on;
    it->non = non;
    *ret_mask = lmask | 1ULL << (pr->n - 1);
    return LG_OK;
}

/* A part of the tree as one item, with the conditions of WHERE on it alone (`inner`: they may go). */
static lg_status
part_item(problem *pr, lg_from *f, uint64_t *ret_mask)
{
    lg_pq *pq = pr->pq;
    lg_planner *p = pq->p;
    lg_item *it = NULL;
    lg_built b;
    uint32_t n = 0;
    bool *rtes = LG_NEWN(p->a, bool, pq->q->nrtes + 1);
    lg_expr **mine = LG_NEWN(p->a, lg_expr *, pr->nwhere + 1);
    mark_subtree(f, rtes);
    for (uint32_t i = 0; i < pr->nwhere; i++)
        if (pr->where[i] && only_from(pr, pr->where[i], rtes)) {
            mine[n++] = pr->where[i];
            pr->where[i] = NULL;
        }
    LG_TRY(solve_subtree(pr, f, mine, n, &b));
    LG_TRY(new_item(pr, &it));
    it->built = b;
    for (uint32_t i = 0; i < pq->q->nrtes; i++)
        if (rtes[i])
            pr->item_of[i] = (uint8_t)pr->n;
    *ret_mask = 1ULL << (pr->n - 1);
    return LG_OK;
}

/* Does something of the part name its siblings (LATERAL)? */
static bool
is_lateral_part(const problem *pr, const lg_from *f)
{
    if (f->is_join)
        return is_lateral_part(pr, f->left) || is_lateral_part(pr, f->right);
    const lg_rte *r = pr->pq->q->rtes[f->rte];
    return r->lateral || r->kind == LG_RTE_FUNCTION || r->kind == LG_RTE_VALUES;
}

static lg_status
flatten(problem *pr, lg_from *f, uint64_t *ret_mask)
{
    lg_item *it = NULL;
    uint64_t l, r;
    if (!f->is_join) {
        LG_TRY(leaf_item(pr, f->rte, &it));
        *ret_mask = 1ULL << (pr->n - 1);
        return LG_OK;
    }
    if (pr->budget == 1 && !is_lateral_part(pr, f))
        return part_item(pr, f, ret_mask);
    uint32_t budget = pr->budget;
    if (f->join_type == LG_A_JOIN_INNER && lg_plan__leaves(f) > budget) {
        /* as much of the tree's top as fits, what is below as one item */
        uint32_t right = lg_plan__leaves(f->right);
        pr->budget = right < budget ? budget - right : budget > 1 ? budget / 2 : 1;
        LG_TRY(flatten(pr, f->left, &l));
        pr->budget = right < budget ? right : budget > 1 ? budget - budget / 2 : 1;
        LG_TRY(flatten(pr, f->right, &r));
        add_conds(pr, f->quals);
        *ret_mask = l | r;
        return LG_OK;
    }
    switch (f->join_type) {
    case LG_A_JOIN_INNER:
        LG_TRY(flatten(pr, f->left, &l));
        LG_TRY(flatten(pr, f->right, &r));
        add_conds(pr, f->quals);
        *ret_mask = l | r;
        return LG_OK;
    case LG_A_JOIN_LEFT:
        return outer_join(pr, f->left, f->right, f->quals, ret_mask);
    case LG_A_JOIN_RIGHT:
        return outer_join(pr, f->right, f->left, f->quals, ret_mask);
    default:
        pr->pq->has_outer_join = true;
        LG_TRY(new_item(pr, &it));
        *ret_mask = 1ULL << (pr->n - 1);
        return full_join(pr, f, it);
    }
}

typedef struct mention {
    uint32_t rte;
    bool yes;
} mention;

static bool
find_mention(const lg_expr *e, void *arg)
{
    mention *m = arg;
    if (e->kind == LG_EX_VAR && !e->var.up && e->var.rte == m->rte)
        m->yes = true;
    return m->yes || lg_expr_walk(e, find_mention, m);
}

static bool
mentions(const lg_expr *e, uint32_t rte)
{
    mention m = {rte, false};
    find_mention(e, &m);
    return m.yes;
}

static bool
is_var(const lg_expr *e, uint32_t rte, int16_t attno)
{
    while (e->kind == LG_EX_RELABEL)
        e = e->args[0];
    return e->kind == LG_EX_VAR && !e->var.up && e->var.rte == rte && e->var.attno == attno;
}

/* column = something of other entries, by the type's own equality. */
bool
lg_plan__equates(const lg_expr *e, uint32_t rte, int16_t attno)
{
    if (e->kind != LG_EX_FUNC || !e->func.op || !e->func.op->can_hash || e->nargs != 2)
        return false;
    for (int side = 0; side < 2; side++) {
        if (is_var(e->args[side], rte, attno) && !mentions(e->args[1 - side], rte))
            return true;
    }
    return false;
}

/* Do the conditions find at most one row of the entry: equalities for all keys of a unique index?
 */
bool
lg_plan__at_most_one(const lg_pq *pq, uint32_t rte, lg_expr *const *on, uint32_t n)
{
    const lg_rte *r = pq->q->rtes[rte];
    if (r->kind != LG_RTE_RELATION)
        return false;
    /* the catalog's tables that are computed have no indexes, but what PostgreSQL's guarantee */
    bool computed = r->rel->virtual_rel && r->rel->is_system &&
                    r->rel->namespace_oid == LG_NSP_CATALOG && r->rel->oid < 14000;
    for (uint32_t c = 0; computed && c < n; c++)
        if (r->ncols && r->cols[0].name && !strcmp(r->cols[0].name, "oid") &&
            lg_plan__equates(on[c], rte, 1))
            return true;
    for (uint16_t i = 0; i < r->rel->nindexes; i++) {
        const lg_index *ix = r->rel->indexes[i];
        bool all = ix->unique && ix->immediate && !ix->predicate_sql && !ix->nexprs &&
                   lg_plan__index_usable(pq->p, ix);
        for (uint16_t k = 0; k < ix->nkeys && all; k++) {
            all = false;
            for (uint32_t c = 0; c < n && !all; c++)
                all = lg_plan__equates(on[c], rte, ix->attnum[k]);
        }
        if (all)
            return true;
    }
    return false;
}

/* Subqueries that were pulled up join after everything that their condition names. */
static lg_status
semi_items(problem *pr)
{
    lg_pq *pq = pr->pq;
    lg_planner *p = pq->p;
    for (uint32_t i = 0; i < pq->nsemis; i++) {
        const lg_semi *s = &pq->semis[i];
        lg_item *it = NULL;
        LG_TRY(leaf_item(pr, s->rte, &it));
        lg_expr **list;
        bool *self = LG_NEWN(p->a, bool, pq->q->nrtes + 1);
        uint32_t n = lg_plan__split_and(p, s->on, &list);
        self[s->rte] = true;
        it->type = s->type;
        it->on = LG_NEWN(p->a, lg_expr *, n + 1);
        it->local = LG_NEWN(p->a, lg_expr *, n + 1);
        for (uint32_t k = 0; k < n; k++) {
            if (only_from(pr, list[k], self)) {
                it->local[it->nlocal++] = list[k];
                continue;
            }
            it->on[it->non++] = list[k];
            it->needs |= mask_of(pr, list[k]);
        }
        it->needs &= ~(1ULL << (pr->n - 1));
        if (s->type == LG_JOIN_SEMI && lg_plan__at_most_one(pq, s->rte, it->on, it->non)) {
            /* a plain join then, which may begin with this item */
            for (uint32_t k = 0; k < it->non; k++)
                add_cond(pr, it->on[k]);
            it->non = 0;
            it->needs = 0;
            it->type = LG_JOIN_INNER;
            continue;
        }
        /* an outer join's right side is there only after its own needs */
        for (uint32_t k = 0; k + 1 < pr->n; k++)
            if ((it->needs >> k & 1) && pr->items[k].type != LG_JOIN_INNER)
                it->needs |= pr->items[k].needs;
        if (!it->needs)
            it->needs = 1;
    }
    return LG_OK;
}

/* ---- Vars to slots ---- */

typedef struct fixer {
    lg_pq *pq;
    const lg_colref *map;
    uint32_t n;
    uint32_t table; /* scan of this entry: slots are attno - 1 */
    bool is_table;
    /* other Vars become execution parameters */
    lg_outer *params;
    uint32_t *nparams;
} fixer;

static lg_expr *
fix(lg_expr *e, void *arg)
{
    fixer *f = arg;
    lg_planner *p = f->pq->p;
    if (e->kind != LG_EX_VAR)
        return lg_expr_mutate(p->a, e, fix, f);
    if (f->is_table && e->var.rte == f->table)
        return lg_plan__slot(p, e->var.attno > 0 ? e->var.attno - 1 : e->var.attno, e->type,
                             e->typmod, e->collation);
    for (uint32_t i = 0; !f->is_table && i < f->n; i++)
        if (f->map[i].rte == e->var.rte && f->map[i].attno == e->var.attno)
            return lg_plan__slot(p, (int32_t)i, e->type, e->typmod, e->collation);
    if (f->params) {
        lg_expr *x = lg_expr_new(p->a, LG_EX_EXEC, e->type, 0);
        x->typmod = e->typmod;
        x->collation = e->collation;
        for (uint32_t i = 0; i < *f->nparams; i++)
            if (lg_expr_equal(f->params[i].expr, e)) {
                x->exec = f->params[i].exec;
                return x;
            }
        x->exec = lg_plan__exec_param(p, e->type);
        f->params[(*f->nparams)++] = (lg_outer){e, x->exec};
        return x;
    }
    lg_error_set(p->b->err, "XX000", "variable not found in subplan target list");
    return e;
}

lg_expr *
lg_plan__fix(lg_pq *pq, const lg_expr *e, const lg_colref *map, uint32_t n)
{
    fixer f = {.pq = pq, .map = map, .n = n};
    return e ? fix((lg_expr *)(uintptr_t)e, &f) : NULL;
}

static lg_expr *
fix_list(fixer *f, lg_expr *const *list, uint32_t n)
{
    lg_expr **order = LG_NEWN(f->pq->p->a, lg_expr *, n + 1);
    double *cost = LG_NEWN(f->pq->p->a, double, n + 1);
    for (uint32_t i = 0; i < n; i++) { /* dear conditions last: subplans, LIKE */
        double c = lg_plan__qual_cost(f->pq, list[i]);
        uint32_t k = i;
        for (; k > 0 && cost[k - 1] > c; k--) {
            cost[k] = cost[k - 1];
            order[k] = order[k - 1];
        }
        cost[k] = c;
        order[k] = list[i];
    }
    lg_expr *all = lg_plan__and_list(f->pq->p, order, n);
    return all ? fix(all, f) : NULL;
}

/* ---- building nodes ---- */

#define MAX_LOOP_PARAMS 256

static lg_outcol
system_column(int16_t att)
{
    bool xid = att == LG_SYSCOL_XMIN || att == LG_SYSCOL_XMAX;
    return (lg_outcol){.name = att == LG_SYSCOL_CTID ? "ctid" : "system",
                       .type = att == LG_SYSCOL_CTID       ? LG_T_TID
                               : att == LG_SYSCOL_TABLEOID ? LG_T_OID
                               : xid                       ? LG_T_XID
                                                           : LG_T_CID,
                       .typmod = -1};
}

static lg_built
build_scan(problem *pr, const lg_path *path, lg_outer *params, uint32_t *nparams)
{
    lg_pq *pq = pr->pq;
    lg_planner *p = pq->p;
    const lg_item *it = &pr->items[path->item];
    const lg_rte *rte = pq->q->rtes[it->rte];
    lg_node *n = lg_plan__node(p, path->by_tid  ? LG_NODE_TID_SCAN
                                  : path->index ? LG_NODE_INDEX_SCAN
                                                : LG_NODE_SEQ_SCAN);
    fixer f = {.pq = pq, .is_table = true, .table = it->rte, .params = params, .nparams = nparams};
    n->scan.rel = rte->rel;
    n->scan.alias = rte->alias;
    n->scan.index = path->index;
    n->scan.backward = path->backward;
    n->scan.index_only = path->index_only;
    n->scan.unique = path->unique;
    n->scan.nconds = path->nconds;
    n->scan.conds = LG_NEWN(p->a, lg_index_cond, path->nconds + 1);
    for (uint32_t i = 0; i < path->nconds; i++) {
        lg_index_cond *c = &n->scan.conds[i];
        *c = path->conds[i];
        if (c->value)
            c->value = fix(c->value, &f);
        c->qual = fix((lg_expr *)(uintptr_t)c->qual, &f);
    }
    n->quals = fix_list(&f, path->quals, path->nquals);
    n->rows = path->rows;
    n->cost = path->cost;
    n->startup_cost = path->startup;
    /* output: the columns used above; decode also what the quals use */
    const bool *need = pq->needed[it->rte];
    lg_built b = {.node = n};
    b.map = LG_NEWN(p->a, lg_colref, rte->ncols + LG_NEEDED_BASE + 1);
    int16_t *needed = LG_NEWN(p->a, int16_t, rte->ncols + 1);
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, rte->ncols + LG_NEEDED_BASE + 1);
    n->targets = LG_NEWN(p->a, lg_expr *, rte->ncols + LG_NEEDED_BASE + 1);
    for (int32_t att = LG_SYSCOL_TABLEOID; att <= (int32_t)rte->ncols; att++) {
        if (!att || !need[att + LG_NEEDED_BASE])
            continue;
        lg_outcol c = att > 0 ? rte->cols[att - 1] : system_column((int16_t)att);
        n->targets[b.n] = lg_plan__slot(p, att > 0 ? att - 1 : att, c.type, c.typmod, c.collation);
        cols[b.n] = c;
        b.map[b.n] = (lg_colref){it->rte, (int16_t)att};
        if (att > 0)
            needed[n->scan.nneeded++] = (int16_t)att;
        b.n++;
    }
    n->scan.needed = needed;
    n->ncols = b.n;
    n->cols = cols;
    for (uint32_t i = 0; i < b.n; i++) {
        const lg_type *t = lg_type_get(cols[i].type);
        n->width += t && t->size ? t->size : 32;
    }
    return b;
}

/* A filter on an item that is not a relation. */
static lg_built
filter_built(problem *pr, lg_built b, lg_expr *const *quals, uint32_t n, double sel)
{
    lg_planner *p = pr->pq->p;
    if (!n)
        return b;
    fixer f = {.pq = pr->pq, .map = b.map, .n = b.n};
    lg_expr *e = fix_list(&f, quals, n);
    lg_node *x = b.node;
    bool own = (x->kind == LG_NODE_FUNCTION_SCAN || x->kind == LG_NODE_VALUES ||
                x->kind == LG_NODE_CTE_SCAN || x->kind == LG_NODE_WORKTABLE_SCAN) &&
               !x->targets;
    if (!own) {
        x = lg_plan__node(p, LG_NODE_SUBQUERY_SCAN);
        x->subquery.alias = b.n ? pr->pq->q->rtes[b.map[0].rte]->alias : "subquery";
        x->left = b.node;
        x->ncols = b.n;
        x->cols = b.node->cols;
        x->cost = b.node->cost + b.node->rows * p->s->cpu_operator_cost;
        x->startup_cost = b.node->startup_cost;
        x->width = b.node->width;
        x->rows = b.node->rows;
    }
    x->quals = lg_expr_and(p->a, x->quals, e);
    x->rows = x->rows * sel < 1 ? 1 : x->rows * sel;
    b.node = x;
    return b;
}

static lg_outcol *
concat_cols(lg_planner *p, const lg_built *l, const lg_built *r, lg_built *out)
{
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, l->n + r->n + 1);
    out->map = LG_NEWN(p->a, lg_colref, l->n + r->n + 1);
    out->n = l->n + r->n;
    for (uint32_t i = 0; i < out->n; i++) {
        const lg_built *s = i < l->n ? l : r;
        uint32_t k = i < l->n ? i : i - l->n;
        cols[i] = s->node->cols[k];
        out->map[i] = s->map[k];
    }
    return cols;
}

static lg_oid
common_hash_type(const lg_operator *op)
{
    if (op->left == op->right)
        return op->left;
    bool ints = (op->left == LG_T_INT2 || op->left == LG_T_INT4 || op->left == LG_T_INT8) &&
                (op->right == LG_T_INT2 || op->right == LG_T_INT4 || op->right == LG_T_INT8);
    if (ints)
        return LG_T_INT8;
    if (op->left == LG_T_FLOAT4 || op->left == LG_T_FLOAT8)
        return LG_T_FLOAT8;
    return LG_T_TEXT;
}

/* A polymorphic = (anyarray) hashes by the actual type. */
static lg_oid
key_hash_type(const lg_expr *key)
{
    lg_oid t = common_hash_type(key->func.op);
    const lg_type *ty = lg_type_get(t);
    return !ty || ty->typtype == 'p' ? key->args[0]->type : t;
}

static bool
is_lateral(const problem *pr, const lg_path *right)
{
    return right->kind == LG_PATH_BUILT && pr->items[right->item].nset;
}

static lg_built build(problem *pr, const lg_path *path, lg_outer *params, uint32_t *nparams);

static void
finish_join(problem *pr, const lg_path *path, lg_node *n, const lg_built *l, const lg_built *r,
            lg_built *out)
{
    lg_planner *p = pr->pq->p;
    n->left = l->node;
    n->right = r->node;
    n->join.type = path->type;
    n->rows = path->rows;
    n->cost = path->cost;
    n->startup_cost = path->startup;
    n->width = l->node->width + r->node->width;
    lg_outcol *cols = concat_cols(p, l, r, out);
    out->node = n;
    fixer f = {.pq = pr->pq, .map = out->map, .n = out->n};
    n->join.join_quals = fix_list(&f, path->jquals, path->njquals);
    n->quals = fix_list(&f, path->fquals, path->nfquals);
    if (path->type == LG_JOIN_SEMI || path->type == LG_JOIN_ANTI) {
        out->n = l->n;
        n->targets = LG_NEWN(p->a, lg_expr *, l->n + 1);
        for (uint32_t i = 0; i < l->n; i++)
            n->targets[i] =
                lg_plan__slot(p, (int32_t)i, cols[i].type, cols[i].typmod, cols[i].collation);
    }
    if (path->type == LG_JOIN_RIGHT_SEMI || path->type == LG_JOIN_RIGHT_ANTI) {
        cols += l->n;
        out->map += l->n;
        out->n = r->n;
        n->targets = LG_NEWN(p->a, lg_expr *, r->n + 1);
        for (uint32_t i = 0; i < r->n; i++)
            n->targets[i] = lg_plan__slot(p, (int32_t)(l->n + i), cols[i].type, cols[i].typmod,
                                          cols[i].collation);
    }
    n->ncols = out->n;
    n->cols = cols;
}

static lg_built
build_loop(problem *pr, const lg_path *path)
{
    lg_planner *p = pr->pq->p;
    lg_outer *set = LG_NEWN(p->a, lg_outer, MAX_LOOP_PARAMS);
    uint32_t nset = 0;
    lg_built l = build(pr, path->left, NULL, NULL), out;
    lg_built r = build(pr, path->right, set, &nset);
    lg_node *n = lg_plan__node(p, LG_NODE_NESTED_LOOP);
    if (is_lateral(pr, path->right)) {
        const lg_item *it = &pr->items[path->right->item];
        for (uint32_t i = 0; i < it->nset && nset < MAX_LOOP_PARAMS; i++)
            set[nset++] = it->set[i];
    }
    uint32_t *ids = LG_NEWN(p->a, uint32_t, nset + 1);
    n->join.set_expr = LG_NEWN(p->a, lg_expr *, nset + 1);
    fixer f = {.pq = pr->pq, .map = l.map, .n = l.n};
    for (uint32_t i = 0; i < nset; i++) {
        ids[i] = set[i].exec;
        n->join.set_expr[i] = fix(set[i].expr, &f);
    }
    n->join.nset = nset;
    n->join.set = ids;
    n->join.inner_unique = path->right->kind == LG_PATH_SCAN && path->right->unique;
    finish_join(pr, path, n, &l, &r, &out);
    return out;
}

static lg_built
build_hash(problem *pr, const lg_path *path)
{
    lg_planner *p = pr->pq->p;
    lg_built l = build(pr, path->left, NULL, NULL), r = build(pr, path->right, NULL, NULL), out;
    lg_node *n = lg_plan__node(p, LG_NODE_HASH_JOIN);
    n->join.nkeys = path->nkeys;
    n->join.keys = LG_NEWN(p->a, lg_join_key, path->nkeys);
    for (uint32_t i = 0; i < path->nkeys; i++) {
        const lg_expr *k = path->keys[i];
        n->join.keys[i].left = lg_plan__fix(pr->pq, k->args[0], l.map, l.n);
        n->join.keys[i].right = lg_plan__fix(pr->pq, k->args[1], r.map, r.n);
        n->join.keys[i].eq = k->func.op;
        n->join.keys[i].hash_type = key_hash_type(k);
    }
    finish_join(pr, path, n, &l, &r, &out);
    return out;
}

/* b's rows sorted by the expressions: keys[i] is where the sorted row has them. */
static void
sort_built(problem *pr, lg_built *b, lg_expr *const *exprs, uint32_t n, bool sort, lg_expr **keys)
{
    lg_planner *p = pr->pq->p;
    uint32_t cols = b->n;
    for (uint32_t i = 0; i < n; i++)
        keys[i] = lg_plan__fix(pr->pq, exprs[i], b->map, b->n);
    if (!sort)
        return;
    lg_node *s = lg_plan__node(p, LG_NODE_SORT);
    lg_expr **t = LG_NEWN(p->a, lg_expr *, b->n + n + 1);
    lg_outcol *oc = LG_NEWN(p->a, lg_outcol, b->n + n + 1);
    lg_colref *map = LG_NEWN(p->a, lg_colref, b->n + n + 1);
    for (uint32_t i = 0; i < b->n; i++) {
        const lg_outcol *c = &b->node->cols[i];
        t[i] = lg_plan__slot(p, (int32_t)i, c->type, c->typmod, c->collation);
        oc[i] = *c;
        map[i] = b->map[i];
    }
    s->sort.keys = LG_NEWN(p->a, lg_node_sortkey, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const lg_expr *e = keys[i];
        while (e->kind == LG_EX_RELABEL)
            e = e->args[0];
        uint32_t slot = e->kind == LG_EX_SLOT && e->slot >= 0 ? (uint32_t)e->slot : cols;
        if (slot == cols) {
            t[cols] = keys[i];
            oc[cols] = lg_plan__outcol(keys[i], "key");
            map[cols++] = (lg_colref){UINT32_MAX, 0};
            keys[i] =
                lg_plan__slot(p, (int32_t)slot, t[slot]->type, t[slot]->typmod, t[slot]->collation);
        }
        s->sort.keys[s->sort.nkeys++] =
            (lg_node_sortkey){.slot = slot,
                              .lt = lg_operator_get(lg_type_lt_operator(keys[i]->type)),
                              .type = keys[i]->type,
                              .collation = keys[i]->collation};
    }
    s->left = cols > b->n ? lg_plan__project(p, b->node, cols, t, oc) : b->node;
    s->ncols = cols;
    s->cols = s->left->cols;
    lg_plan__sort_cost(p, s);
    *b = (lg_built){.node = s, .n = cols, .map = map};
}

static lg_built
merge_built(problem *pr, const lg_path *path, lg_built l, lg_built r)
{
    lg_planner *p = pr->pq->p;
    lg_node *n = lg_plan__node(p, LG_NODE_MERGE_JOIN);
    lg_expr **le = LG_NEWN(p->a, lg_expr *, path->nkeys + 1),
            **lk = LG_NEWN(p->a, lg_expr *, path->nkeys + 1);
    lg_expr **re = LG_NEWN(p->a, lg_expr *, path->nkeys + 1),
            **rk = LG_NEWN(p->a, lg_expr *, path->nkeys + 1);
    lg_built out;
    for (uint32_t i = 0; i < path->nkeys; i++) {
        le[i] = path->keys[i]->args[0];
        re[i] = path->keys[i]->args[1];
    }
    sort_built(pr, &l, le, path->nkeys, path->sort_left, lk);
    sort_built(pr, &r, re, path->nkeys, path->sort_right, rk);
    n->join.nkeys = path->nkeys;
    n->join.inner_unique = path->inner_unique;
    n->join.keys = LG_NEWN(p->a, lg_join_key, path->nkeys + 1);
    for (uint32_t i = 0; i < path->nkeys; i++)
        n->join.keys[i] = (lg_join_key){.left = lk[i],
                                        .right = rk[i],
                                        .eq = path->keys[i]->func.op,
                                        .hash_type = key_hash_type(path->keys[i])};
    finish_join(pr, path, n, &l, &r, &out);
    return out;
}

static lg_built
build(problem *pr, const lg_path *path, lg_outer *params, uint32_t *nparams)
{
    switch (path->kind) {
    case LG_PATH_SCAN:
        return build_scan(pr, path, params, nparams);
    case LG_PATH_BUILT:
        return pr->items[path->item].built;
    case LG_PATH_LOOP:
        return build_loop(pr, path);
    case LG_PATH_HASH:
        return build_hash(pr, path);
    case LG_PATH_MERGE:
        return merge_built(pr, path, build(pr, path->left, NULL, NULL),
                           build(pr, path->right, NULL, NULL));
    }
    return (lg_built){0};
}

/* ---- FULL JOIN ---- */

/* Its conditions as keys and what is left of them; true: something is left. */
static bool
full_keys(const problem *pr, lg_path *path, lg_expr *const *list, uint32_t n, const bool *lr,
          const bool *rr, bool merge)
{
    bool variable = false;
    path->kind = merge ? LG_PATH_MERGE : LG_PATH_HASH;
    path->keys = LG_NEWN(pr->pq->p->a, lg_expr *, n + 1);
    path->jquals = LG_NEWN(pr->pq->p->a, lg_expr *, n + 1);
    path->nkeys = path->njquals = 0;
    for (uint32_t i = 0; i < n; i++) {
        lg_expr *k = join_key(pr, list[i], lr, rr, merge);
        if (k) {
            path->keys[path->nkeys++] = k;
            continue;
        }
        path->jquals[path->njquals++] = list[i];
        variable |= list[i]->kind != LG_EX_CONST;
    }
    return variable;
}

static lg_status
full_join(problem *pr, lg_from *f, lg_item *it)
{
    lg_pq *pq = pr->pq;
    lg_planner *p = pq->p;
    uint32_t index = (uint32_t)(it - pr->items);
    lg_built l, r;
    LG_TRY(solve_subtree(pr, f->left, NULL, 0, &l));
    LG_TRY(solve_subtree(pr, f->right, NULL, 0, &r));
    bool *lr = LG_NEWN(p->a, bool, pq->q->nrtes + 1), *rr = LG_NEWN(p->a, bool, pq->q->nrtes + 1);
    mark_subtree(f->left, lr);
    mark_subtree(f->right, rr);
    lg_expr **list;
    uint32_t n = lg_plan__split_and(p, f->quals, &list);
    lg_path path = {.kind = LG_PATH_HASH, .type = LG_JOIN_FULL};
    bool variable = full_keys(pr, &path, list, n, lr, rr, !p->s->hashjoin && p->s->mergejoin);
    if (!path.nkeys && variable)
        variable = full_keys(pr, &path, list, n, lr, rr, true);
    if (!path.nkeys && variable)
        return lg_error_set(p->b->err, "0A000",
                            "FULL JOIN is only supported with merge-joinable or hash-joinable join "
                            "conditions");
    path.rows = l.node->rows > r.node->rows ? l.node->rows : r.node->rows;
    path.cost = l.node->cost + r.node->cost + (l.node->rows + r.node->rows) * 0.02;
    for (uint32_t i = 0; i < pq->q->nrtes; i++)
        if (lr[i] || rr[i])
            pr->item_of[i] = (uint8_t)(index + 1);
    if (path.kind == LG_PATH_MERGE && path.nkeys) {
        path.sort_left = path.sort_right = true;
        pr->items[index].built = merge_built(pr, &path, l, r);
        return LG_OK;
    }
    lg_node *x = lg_plan__node(p, path.nkeys ? LG_NODE_HASH_JOIN : LG_NODE_NESTED_LOOP);
    x->join.nkeys = path.nkeys;
    x->join.keys = LG_NEWN(p->a, lg_join_key, path.nkeys + 1);
    for (uint32_t i = 0; i < path.nkeys; i++) {
        x->join.keys[i].left = lg_plan__fix(pq, path.keys[i]->args[0], l.map, l.n);
        x->join.keys[i].right = lg_plan__fix(pq, path.keys[i]->args[1], r.map, r.n);
        x->join.keys[i].eq = path.keys[i]->func.op;
        x->join.keys[i].hash_type = key_hash_type(path.keys[i]);
    }
    finish_join(pr, &path, x, &l, &r, &pr->items[index].built);
    return LG_OK;
}

/* ---- join order ---- */

static void
rtes_of_mask(const problem *pr, uint64_t mask, bool *out)
{
    for (uint32_t i = 0; i < pr->pq->q->nrtes; i++)
        out[i] = pr->item_of[i] && (mask >> (pr->item_of[i] - 1) & 1);
}

typedef struct joiner {
    problem *pr;
    uint64_t mask;
    lg_path *left;
    uint32_t item;
    lg_expr **conds, **after; /* decide the join; filter after an outer one */
    uint32_t nconds, nafter;
    bool *lr, *rr;
    bool all; /* nothing is left to join */
    double rows;
    lg_path *best;
} joiner;

/* Sorting copies rows, and compares them. */
static double
sort_cost(const lg_planner *p, double rows)
{
    double n = rows < 2 ? 2 : rows;
    return n * (10 * p->s->cpu_tuple_cost + 2 * p->s->cpu_operator_cost * log2(n));
}

/* Do the path's rows come in the wanted order? */
static bool
order_given(const problem *pr, const lg_path *p)
{
    const lg_query *q = pr->pq->q;
    if (p->norder < pr->norder)
        return false;
    for (uint32_t i = 0; i < pr->norder; i++) {
        const lg_sort_item *o = &pr->order[i];
        const lg_expr *e = NULL;
        for (uint32_t t = 0; t < q->ntargets; t++)
            if (q->targets[t].ref == o->ref)
                e = q->targets[t].expr;
        if (!e || o->desc || o->nulls_first || !lg_expr_equal(e, p->order[i]))
            return false;
    }
    return true;
}

/* Of a path of all items. */
static double
weight_of(const problem *pr, const lg_path *p)
{
    double rows = p->rows < 1 ? 1 : p->rows, want = pr->pq->tuple_fraction;
    if (!pr->norder)
        return p->cost;
    if (order_given(pr, p))
        return p->startup + (p->cost - p->startup) * (want > 0 && want < rows ? want / rows : 1);
    return p->cost + (want > 0 && want < rows ? 8 * pr->pq->p->s->cpu_operator_cost * rows
                                              : sort_cost(pr->pq->p, rows));
}

static void
consider(joiner *j, lg_path *p)
{
    p->rows = j->rows;
    p->fquals = j->after;
    p->nfquals = j->nafter;
    p->weight = j->all ? weight_of(j->pr, p) : p->cost;
    if (!j->best || p->weight < j->best->weight)
        j->best = p;
}

static lg_path *
new_join(joiner *j, lg_path_kind kind, lg_path *l, lg_path *r, uint8_t type)
{
    lg_path *p = LG_NEW(j->pr->pq->p->a, lg_path);
    p->kind = kind;
    p->left = l;
    p->right = r;
    p->type = type;
    return p;
}

static void
try_loop(joiner *j, lg_path *r)
{
    const lg_plan_settings *s = j->pr->pq->p->s;
    bool lat = is_lateral(j->pr, r);
    lg_path *p = new_join(j, LG_PATH_LOOP, j->left, r, j->pr->items[j->item].type);
    p->jquals = j->conds;
    p->njquals = j->nconds;
    p->startup = j->left->startup + r->startup;
    /* right begins anew for each row of left */
    p->cost = j->left->cost + (lat ? j->left->rows : 1) * r->cost +
              j->left->rows * s->cpu_tuple_cost +
              j->left->rows * r->rows *
                  (s->cpu_tuple_cost + lg_plan__quals_cost(j->pr->pq, j->conds, j->nconds));
    if (!s->nestloop)
        p->cost += 1e9;
    consider(j, p);
}

static void
try_param_loop(joiner *j)
{
    problem *pr = j->pr;
    lg_item *it = &pr->items[j->item];
    lg_planner *pl = pr->pq->p;
    if (it->rte == UINT32_MAX || !j->nconds)
        return;
    lg_expr **q = LG_NEWN(pl->a, lg_expr *, j->nconds + it->nlocal + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < j->nconds; i++)
        q[n++] = j->conds[i];
    for (uint32_t i = 0; i < it->nlocal; i++)
        q[n++] = it->local[i];
    lg_path *r = lg_plan__param_path(pr->pq, it, j->item, q, n, j->lr);
    if (!r)
        return;
    lg_path *p = new_join(j, LG_PATH_LOOP, j->left, r, it->type);
    p->startup = j->left->startup + r->startup;
    p->cost = j->left->cost + j->left->rows * r->cost + j->rows * pl->s->cpu_tuple_cost;
    if (!pl->s->nestloop)
        p->cost += 1e9;
    consider(j, p);
}

static void
try_hash(joiner *j, lg_path *r)
{
    problem *pr = j->pr;
    lg_planner *pl = pr->pq->p;
    uint8_t type = pr->items[j->item].type;
    lg_path *p = new_join(j, LG_PATH_HASH, j->left, r, type);
    p->keys = LG_NEWN(pl->a, lg_expr *, j->nconds + 1);
    p->jquals = LG_NEWN(pl->a, lg_expr *, j->nconds + 1);
    for (uint32_t i = 0; i < j->nconds; i++) {
        lg_expr *k = hash_key(pr, j->conds[i], j->lr, j->rr);
        if (k)
            p->keys[p->nkeys++] = k;
        else
            p->jquals[p->njquals++] = j->conds[i];
    }
    if (!p->nkeys || is_lateral(pr, r))
        return;
    double op = pl->s->cpu_operator_cost, tup = pl->s->cpu_tuple_cost;
    double put = 10 * tup; /* a row is copied into the table */
    double met = j->left->rows * r->rows * lg_plan__list_selectivity(pr->pq, p->keys, p->nkeys);
    double base = j->left->cost + r->cost + j->rows * tup;
    if (p->njquals)
        base += (met < 1 ? 1 : met) * lg_plan__quals_cost(pr->pq, p->jquals, p->njquals);
    p->startup = r->cost + r->rows * put;
    p->cost = base + r->rows * put + j->left->rows * (tup + op * p->nkeys);
    if (!pl->s->hashjoin)
        p->cost += 1e9;
    consider(j, p);
    if (type == LG_JOIN_FULL || type == LG_JOIN_RIGHT)
        return;
    lg_path *s = lg_arena_dup(pl->a, p, sizeof *p);
    s->left = r;
    s->right = j->left;
    s->type = type == LG_JOIN_LEFT   ? LG_JOIN_RIGHT
              : type == LG_JOIN_SEMI ? LG_JOIN_RIGHT_SEMI
              : type == LG_JOIN_ANTI ? LG_JOIN_RIGHT_ANTI
                                     : LG_JOIN_INNER;
    s->keys = LG_NEWN(pl->a, lg_expr *, p->nkeys + 1);
    for (uint32_t i = 0; i < p->nkeys; i++)
        s->keys[i] = hash_key(pr, p->keys[i], j->rr, j->lr);
    for (uint32_t i = 0; i < p->nkeys; i++)
        if (!s->keys[i])
            return;
    s->startup = j->left->cost + j->left->rows * put;
    s->cost = base + j->left->rows * put + r->rows * (tup + op * p->nkeys);
    if (!pl->s->hashjoin)
        s->cost += 1e9;
    consider(j, s);
}

/* ---- merge joins ---- */

static bool
ordered_by(const lg_path *p, lg_expr *const *exprs, uint32_t n)
{
    if (p->norder < n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!lg_expr_equal(p->order[i], exprs[i]))
            return false;
    return true;
}

/* The cheapest way to the path's rows in the order of the expressions. */
static lg_path *
in_order(joiner *j, lg_path *p, lg_expr *const *exprs, uint32_t n, bool *ret_sort, double *ret_cost)
{
    problem *pr = j->pr;
    *ret_sort = !ordered_by(p, exprs, n);
    *ret_cost = p->cost + (*ret_sort ? sort_cost(pr->pq->p, p->rows) : 0);
    if (p->kind != LG_PATH_SCAN || !*ret_sort)
        return p;
    lg_path *ix = lg_plan__ordered_path(pr->pq, &pr->items[p->item], p->item, exprs, n);
    if (!ix || ix->cost >= *ret_cost)
        return p;
    *ret_sort = false;
    *ret_cost = ix->cost;
    return ix;
}

static bool
one_of_item(const problem *pr, const lg_path *p, lg_expr *const *keys, uint32_t n)
{
    return p->kind == LG_PATH_SCAN && lg_plan__at_most_one(pr->pq, pr->items[p->item].rte, keys, n);
}

/* keys: left = right, in the order to merge by. */
static void
try_merge_keys(joiner *j, lg_path *left, lg_path *right, uint8_t type, lg_expr *const *keys,
               const lg_path *like)
{
    problem *pr = j->pr;
    lg_planner *pl = pr->pq->p;
    uint32_t n = like->nkeys;
    lg_path *p = lg_arena_dup(pl->a, like, sizeof *p);
    double lcost, rcost, op = pl->s->cpu_operator_cost, tup = pl->s->cpu_tuple_cost;
    lg_expr **le = LG_NEWN(pl->a, lg_expr *, n + 1), **re = LG_NEWN(pl->a, lg_expr *, n + 1);
    p->keys = LG_NEWN(pl->a, lg_expr *, n + 1);
    p->type = type;
    for (uint32_t i = 0; i < n; i++) {
        p->keys[i] = keys[i];
        le[i] = keys[i]->args[0];
        re[i] = keys[i]->args[1];
    }
    p->left = in_order(j, left, le, n, &p->sort_left, &lcost);
    p->right = in_order(j, right, re, n, &p->sort_right, &rcost);
    p->inner_unique = one_of_item(pr, right, keys, n);
    double met = left->rows * right->rows * lg_plan__list_selectivity(pr->pq, keys, n);
    p->startup =
        (p->sort_left ? lcost : p->left->startup) + (p->sort_right ? rcost : p->right->startup);
    p->cost = lcost + rcost + (left->rows + right->rows) * 2 * (tup + op * n) + j->rows * tup;
    if (!p->inner_unique) /* groups are looked for and kept */
        p->cost += right->rows * tup;
    if (p->njquals)
        p->cost += (met < 1 ? 1 : met) * lg_plan__quals_cost(pr->pq, p->jquals, p->njquals);
    if (!pl->s->mergejoin)
        p->cost += 1e9;
    bool ordered = type == LG_JOIN_INNER || type == LG_JOIN_SEMI ||
                   (!p->njquals && (type == LG_JOIN_LEFT || type == LG_JOIN_ANTI));
    p->norder = ordered ? n : 0;
    p->order = le;
    consider(j, p);
}

/* Both ways round: kept groups cost, so the unique side is better on the right. */
static void
try_merge_order(joiner *j, lg_path *r, const lg_path *like, const uint32_t *order)
{
    problem *pr = j->pr;
    lg_planner *pl = pr->pq->p;
    uint8_t type = pr->items[j->item].type;
    lg_expr **keys = LG_NEWN(pl->a, lg_expr *, like->nkeys + 1);
    for (uint32_t i = 0; i < like->nkeys; i++)
        keys[i] = like->keys[order[i]];
    try_merge_keys(j, j->left, r, type, keys, like);
    if ((type != LG_JOIN_INNER && type != LG_JOIN_LEFT) ||
        !one_of_item(pr, j->left, keys, like->nkeys))
        return;
    for (uint32_t i = 0; i < like->nkeys; i++)
        if (!(keys[i] = join_key(pr, keys[i], j->rr, j->lr, true)))
            return;
    try_merge_keys(j, r, j->left, type == LG_JOIN_LEFT ? LG_JOIN_RIGHT : LG_JOIN_INNER, keys, like);
}

static void
try_merge_indexes(joiner *j, lg_path *r, const lg_path *like, const lg_path *of, int side)
{
    problem *pr = j->pr;
    lg_planner *pl = pr->pq->p;
    uint16_t from = 0;
    uint32_t *order = LG_NEWN(pl->a, uint32_t, like->nkeys + 1);
    lg_expr **cols = LG_NEWN(pl->a, lg_expr *, like->nkeys + 1);
    if (of->kind != LG_PATH_SCAN)
        return;
    for (uint32_t i = 0; i < like->nkeys; i++)
        cols[i] = like->keys[i]->args[side];
    while (lg_plan__index_order(pr->pq, &pr->items[of->item], cols, like->nkeys, &from, order))
        try_merge_order(j, r, like, order);
}

static void
try_merge(joiner *j, lg_path *r)
{
    problem *pr = j->pr;
    lg_planner *pl = pr->pq->p;
    lg_path *p = new_join(j, LG_PATH_MERGE, j->left, r, pr->items[j->item].type);
    p->keys = LG_NEWN(pl->a, lg_expr *, j->nconds + 1);
    p->jquals = LG_NEWN(pl->a, lg_expr *, j->nconds + 1);
    for (uint32_t i = 0; i < j->nconds; i++) {
        lg_expr *k = join_key(pr, j->conds[i], j->lr, j->rr, true);
        if (k)
            p->keys[p->nkeys++] = k;
        else
            p->jquals[p->njquals++] = j->conds[i];
    }
    if (!p->nkeys || is_lateral(pr, r))
        return;
    uint32_t *order = LG_NEWN(pl->a, uint32_t, p->nkeys + 1);
    for (uint32_t i = 0; i < p->nkeys; i++)
        order[i] = i;
    try_merge_order(j, r, p, order);
    if (p->nkeys < 2)
        return;
    try_merge_indexes(j, r, p, r, 1);
    try_merge_indexes(j, r, p, j->left, 0);
}

/* Several columns that name one row of a relation on either side: their selectivities are not
 * independent; one row of so many is meant. The conditions' joint selectivity, at least; 0: none
 * does so. */
static double
named_selectivity(const joiner *j)
{
    lg_pq *pq = j->pr->pq;
    double best = 0;
    lg_expr **named = LG_NEWN(pq->p->a, lg_expr *, j->nconds + 1);
    lg_expr **rest = LG_NEWN(pq->p->a, lg_expr *, j->nconds + 1);
    for (uint32_t r = 0; r < pq->q->nrtes; r++) {
        uint32_t n = 0, m = 0;
        if ((!j->lr[r] && !j->rr[r]) || pq->q->rtes[r]->kind != LG_RTE_RELATION)
            continue;
        bool one = false;
        for (uint32_t i = 0; i < j->nconds; i++) {
            if (mentions(j->conds[i], r))
                named[n++] = j->conds[i];
            else
                rest[m++] = j->conds[i];
            one = one || lg_plan__at_most_one(pq, r, &j->conds[i], 1);
        }
        if (one || n < 2 || !lg_plan__at_most_one(pq, r, named, n))
            continue;
        double s =
            lg_plan__list_selectivity(pq, rest, m) / lg_plan__rel_tuples(pq->q->rtes[r]->rel);
        best = s > best ? s : best;
    }
    return best;
}

static double
join_rows(joiner *j, double right)
{
    const lg_item *it = &j->pr->items[j->item];
    double sel = lg_plan__list_selectivity(j->pr->pq, j->conds, j->nconds), l = j->left->rows, n;
    double after = lg_plan__list_selectivity(j->pr->pq, j->after, j->nafter);
    if (it->type == LG_JOIN_SEMI || it->type == LG_JOIN_ANTI) {
        double part = 1;
        for (uint32_t i = 0; i < j->nconds; i++) {
            double s = lg_plan__semi_selectivity(j->pr->pq, j->conds[i], j->lr, right);
            part = s < part ? s : part;
        }
        /* that no row has a partner is more than the conditions' selectivities can tell */
        n = it->type == LG_JOIN_SEMI ? l * part : part > 0.9 ? l * 0.1 : l * (1 - part);
        n *= after;
        return n < 1 ? 1 : n;
    }
    double named = j->nconds > 1 ? named_selectivity(j) : 0;
    n = l * right * (sel < named ? named : sel);
    if (it->type == LG_JOIN_LEFT && n < l)
        n = l;
    n *= after;
    return n < 1 ? 1 : n;
}

static lg_path *
join_item(problem *pr, uint64_t mask, lg_path *left, uint32_t item)
{
    lg_item *it = &pr->items[item];
    lg_planner *p = pr->pq->p;
    uint64_t now = mask | 1ULL << item;
    joiner j = {.pr = pr, .mask = mask, .left = left, .item = item};
    j.all = (uint32_t)__builtin_popcountll(now) == pr->n;
    j.conds = LG_NEWN(p->a, lg_expr *, pr->ncond + it->non + 1);
    j.after = LG_NEWN(p->a, lg_expr *, pr->ncond + 1);
    j.lr = LG_NEWN(p->a, bool, pr->pq->q->nrtes + 1);
    j.rr = LG_NEWN(p->a, bool, pr->pq->q->nrtes + 1);
    rtes_of_mask(pr, mask, j.lr);
    rtes_of_mask(pr, 1ULL << item, j.rr);
    for (uint32_t i = 0; i < it->non; i++)
        j.conds[j.nconds++] = it->on[i];
    for (uint32_t i = 0; i < pr->ncond; i++) {
        const cond *c = &pr->conds[i];
        if ((c->mask & ~now) || !(c->mask & ~mask) || !c->mask)
            continue;
        if (it->type == LG_JOIN_INNER)
            j.conds[j.nconds++] = c->e;
        else
            j.after[j.nafter++] = c->e;
    }
    j.rows = join_rows(&j, it->best->rows);
    try_loop(&j, it->best);
    if (!it->nset) {
        try_hash(&j, it->best);
        try_merge(&j, it->best);
        try_param_loop(&j);
    }
    return j.best;
}

/* Conditions on single items go to them; those on special ones wait for the join. */
static void
place_conditions(problem *pr)
{
    lg_planner *p = pr->pq->p;
    uint32_t k = 0;
    for (uint32_t i = 0; i < pr->n; i++) {
        lg_item *it = &pr->items[i];
        lg_expr **l = LG_NEWN(p->a, lg_expr *, it->nlocal + pr->ncond + 1);
        if (it->nlocal)
            memcpy(l, it->local, it->nlocal * sizeof *l);
        it->local = l;
    }
    for (uint32_t i = 0; i < pr->ncond; i++) {
        cond c = pr->conds[i];
        c.mask = mask_of(pr, c.e);
        for (uint32_t s = 0; s < pr->n; s++)
            if ((c.mask >> s & 1) && pr->items[s].type != LG_JOIN_INNER)
                c.mask |= pr->items[s].needs;
        if (c.mask && !(c.mask & (c.mask - 1))) {
            lg_item *it = &pr->items[__builtin_ctzll(c.mask)];
            it->local[it->nlocal++] = c.e;
            continue;
        }
        pr->conds[k++] = c;
    }
    pr->ncond = k;
}

static void
item_paths(problem *pr, const lg_sort_item *order, uint32_t norder, lg_path **ret_sorted)
{
    lg_planner *p = pr->pq->p;
    *ret_sorted = NULL;
    for (uint32_t i = 0; i < pr->n; i++) {
        lg_item *it = &pr->items[i];
        if (it->rte != UINT32_MAX) {
            bool want = pr->n == 1 && norder;
            lg_path *sorted;
            lg_plan__base_path(pr->pq, it, i, order, want ? norder : 0, &it->best, &sorted);
            *ret_sorted = sorted;
            continue;
        }
        double sel = lg_plan__list_selectivity(pr->pq, it->local, it->nlocal);
        it->built = filter_built(pr, it->built, it->local, it->nlocal, sel);
        lg_path *b = LG_NEW(p->a, lg_path);
        b->kind = LG_PATH_BUILT;
        b->item = i;
        b->rows = it->built.node->rows;
        b->cost = it->built.node->cost;
        b->startup = it->built.node->startup_cost;
        it->best = b;
    }
}

static lg_path *
search_all(problem *pr)
{
    uint32_t full = (1u << pr->n) - 1;
    lg_path **best = LG_NEWN(pr->pq->p->a, lg_path *, full + 1);
    for (uint32_t i = 0; i < pr->n; i++)
        if (!pr->items[i].needs && pr->items[i].type == LG_JOIN_INNER)
            best[1u << i] = pr->items[i].best;
    for (uint32_t m = 1; m < full; m++)
        for (uint32_t i = 0; best[m] && i < pr->n; i++) {
            uint32_t to = m | 1u << i;
            if (to == m || (pr->items[i].needs & ~(uint64_t)m))
                continue;
            lg_path *p = join_item(pr, m, best[m], i);
            if (p && (!best[to] || p->weight < best[to]->weight))
                best[to] = p;
        }
    return best[full];
}

static lg_path *
search_greedy(problem *pr)
{
    uint64_t full = pr->n == 64 ? UINT64_MAX : (1ULL << pr->n) - 1, m = 0;
    lg_path *cur = NULL;
    for (uint32_t i = 0; i < pr->n; i++)
        if (!pr->items[i].needs && pr->items[i].type == LG_JOIN_INNER &&
            (!cur || pr->items[i].best->rows < cur->rows)) {
            cur = pr->items[i].best;
            m = 1ULL << i;
        }
    while (cur && m != full) {
        lg_path *best = NULL;
        uint64_t at = 0;
        for (uint32_t i = 0; i < pr->n; i++) {
            if ((m >> i & 1) || (pr->items[i].needs & ~m))
                continue;
            lg_path *p = join_item(pr, m, cur, i);
            if (!best || p->weight < best->weight) {
                best = p;
                at = 1ULL << i;
            }
        }
        if (!best)
            return NULL;
        cur = best;
        m |= at;
    }
    return cur;
}

static bool
prefer_sorted(const lg_pq *pq, const lg_path *sorted, const lg_path *best)
{
    double rows = best->rows < 2 ? 2 : best->rows, op = pq->p->s->cpu_operator_cost;
    double f = pq->tuple_fraction > 0 && pq->tuple_fraction < sorted->rows
                   ? pq->tuple_fraction / sorted->rows
                   : 1;
    return sorted->startup + (sorted->cost - sorted->startup) * f <=
           best->cost + 2 * op * rows * log2(rows);
}

static lg_status
solve(problem *pr, const lg_sort_item *order, uint32_t norder, lg_built *ret, bool *ret_sorted)
{
    lg_pq *pq = pr->pq;
    lg_path *sorted, *best;
    pr->order = order;
    pr->norder = norder;
    place_conditions(pr);
    item_paths(pr, order, norder, &sorted);
    *ret_sorted = false;
    if (pr->n == 1) {
        best = pr->items[0].best;
        if (sorted && prefer_sorted(pq, sorted, best)) {
            best = sorted;
            *ret_sorted = true;
        }
    } else {
        best = pr->n <= LG_DP_MAX ? search_all(pr) : search_greedy(pr);
        *ret_sorted = best && norder && order_given(pr, best);
    }
    if (!best)
        return lg_error_set(pq->p->b->err, "XX000", "could not find a join order");
    *ret = build(pr, best, NULL, NULL);
    /* conditions without columns: above everything */
    lg_expr **rest = LG_NEWN(pq->p->a, lg_expr *, pr->ncond + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < pr->ncond; i++)
        if (!pr->conds[i].mask)
            rest[n++] = pr->conds[i].e;
    if (n) {
        lg_node *r = lg_plan__node(pq->p, LG_NODE_RESULT);
        fixer f = {.pq = pq, .map = ret->map, .n = ret->n};
        r->quals = fix_list(&f, rest, n);
        r->left = ret->node;
        r->ncols = ret->n;
        r->cols = ret->node->cols;
        r->rows = ret->node->rows;
        r->cost = ret->node->cost;
        r->startup_cost = ret->node->startup_cost;
        r->width = ret->node->width;
        ret->node = r;
    }
    return LG_OK;
}

/* WHERE is false for all rows: none are read. */
static lg_built
nothing(lg_pq *pq)
{
    lg_planner *p = pq->p;
    uint32_t max = 0;
    for (uint32_t i = 0; i < pq->q->nrtes; i++)
        max += pq->q->rtes[i]->ncols + LG_NEEDED_BASE;
    lg_node *n = lg_plan__node(p, LG_NODE_RESULT);
    lg_outcol *cols = LG_NEWN(p->a, lg_outcol, max + 1);
    lg_built b = {.node = n, .map = LG_NEWN(p->a, lg_colref, max + 1)};
    n->targets = LG_NEWN(p->a, lg_expr *, max + 1);
    for (uint32_t i = 0; i < pq->q->nrtes; i++) {
        const lg_rte *r = pq->q->rtes[i];
        for (int32_t att = LG_SYSCOL_TABLEOID; att <= (int32_t)r->ncols; att++) {
            if (!att || !pq->needed[i][att + LG_NEEDED_BASE])
                continue;
            cols[b.n] = att > 0 ? r->cols[att - 1] : system_column((int16_t)att);
            n->targets[b.n] = lg_expr_const(p->a, cols[b.n].type, 0, true);
            n->targets[b.n]->typmod = cols[b.n].typmod;
            n->targets[b.n]->collation = cols[b.n].collation;
            b.map[b.n++] = (lg_colref){i, (int16_t)att};
        }
    }
    n->quals = lg_expr_bool(p->a, false);
    n->ncols = b.n;
    n->cols = cols;
    n->rows = 1;
    return b;
}

lg_status
lg_plan__from(lg_pq *pq, const lg_sort_item *order, uint32_t norder, lg_built *ret,
              bool *ret_sorted)
{
    lg_query *q = pq->q;
    lg_planner *p = pq->p;
    *ret_sorted = false;
    if (!q->from) {
        lg_node *n = lg_plan__node(p, LG_NODE_RESULT);
        n->quals = q->where;
        n->rows = 1;
        n->cost = p->s->cpu_tuple_cost;
        n->cols = LG_NEWN(p->a, lg_outcol, 1);
        *ret = (lg_built){.node = n, .map = LG_NEWN(p->a, lg_colref, 1)};
        return LG_OK;
    }
    if (q->cmd == LG_CMD_SELECT && !q->nmarks && lg_plan__never(p, q->where)) {
        *ret = nothing(pq);
        return LG_OK;
    }
    problem *pr = LG_NEW(p->a, problem);
    pr->pq = pq;
    pr->nonnull = LG_NEWN(p->a, bool, q->nrtes + 1);
    pr->item_of = LG_NEWN(p->a, uint8_t, q->nrtes + 1);
    if (q->where)
        strict_vars(q->where, pr->nonnull);
    reduce_outer(q->from, pr->nonnull);
    pr->budget = LG_FROM_MAX;
    pr->nwhere = lg_plan__split_and(p, q->where, &pr->where);
    uint64_t mask;
    LG_TRY(flatten(pr, q->from, &mask));
    LG_TRY(semi_items(pr));
    bool parted = false;
    for (uint32_t i = 0; i < pr->nwhere; i++)
        parted = parted || !pr->where[i];
    if (parted && (q->cmd != LG_CMD_SELECT || q->nmarks)) /* a row cannot be checked again then */
        return lg_error_set(p->b->err, "54001", "too many tables in one FROM clause");
    add_where(pr);
    lg_expr *all = NULL;
    for (uint32_t i = 0; i < pr->ncond; i++)
        all = lg_expr_and(p->a, all, pr->conds[i].e);
    pq->all_quals = all;
    return solve(pr, order, norder, ret, ret_sorted);
}
