/* Very long FROMs.
 *
 * A level joins LG_MAX_ITEMS items at most; of more, a part of the join tree is planned on its own
 * first (plan_join.c's flatten). For that the part must be joined by conditions, not be a product: where
 * the tree is all inner joins, its leaves are put in an order in which each is connected with one before
 * it. */
#include "plan_internal.h"
#include <string.h>

uint32_t
lg_plan__leaves(const lg_from *f)
{
    return f->is_join ? lg_plan__leaves(f->left) + lg_plan__leaves(f->right) : 1;
}

static bool
all_inner(const lg_query *q, const lg_from *f)
{
    if (!f->is_join)
        return !q->rtes[f->rte]->lateral && q->rtes[f->rte]->kind != LG_RTE_FUNCTION &&
               q->rtes[f->rte]->kind != LG_RTE_VALUES;
    return f->join_type == LG_A_JOIN_INNER && all_inner(q, f->left) && all_inner(q, f->right);
}

typedef struct list {
    lg_planner *p;
    uint32_t n;
    lg_from **leaf;
    lg_expr *quals;
} list;

static void
collect(list *l, lg_from *f)
{
    if (!f->is_join) {
        l->leaf[l->n++] = f;
        return;
    }
    collect(l, f->left);
    collect(l, f->right);
    l->quals = lg_expr_and(l->p->a, l->quals, f->quals);
}

static bool
mark_entries(const lg_expr *e, void *arg)
{
    bool *of = arg;
    if (e->kind == LG_EX_VAR && !e->var.up)
        of[e->var.rte] = true;
    return lg_expr_walk(e, mark_entries, of);
}

/* Is the entry named by a condition together with one that is there? */
static bool
is_connected(bool *const *named, uint32_t nconds, uint32_t nrtes, uint32_t rte, const bool *there)
{
    for (uint32_t c = 0; c < nconds; c++) {
        if (!named[c][rte])
            continue;
        for (uint32_t r = 0; r < nrtes; r++)
            if (named[c][r] && there[r])
                return true;
    }
    return false;
}

void
lg_plan__order_from(lg_pq *pq)
{
    lg_query *q = pq->q;
    lg_arena *a = pq->p->a;
    uint32_t n = q->from ? lg_plan__leaves(q->from) : 0;
    if (n <= LG_FROM_MAX || !all_inner(q, q->from))
        return;
    list l = {.p = pq->p, .leaf = LG_NEWN(a, lg_from *, n)};
    collect(&l, q->from);
    q->where = lg_expr_and(a, q->where, l.quals);
    lg_expr **conds;
    uint32_t nconds = lg_plan__split_and(pq->p, q->where, &conds);
    bool **named = LG_NEWN(a, bool *, nconds + 1), *there = LG_NEWN(a, bool, q->nrtes + 1);
    for (uint32_t i = 0; i < nconds; i++) {
        named[i] = LG_NEWN(a, bool, q->nrtes + 1);
        mark_entries(conds[i], named[i]);
    }
    lg_from *tree = l.leaf[0];
    there[tree->rte] = true;
    for (uint32_t k = 1; k < n; k++) {
        uint32_t at = 0, first = 0;
        for (uint32_t i = 1; i < n && !at; i++) {
            if (there[l.leaf[i]->rte])
                continue;
            first = first ? first : i;
            if (is_connected(named, nconds, q->nrtes, l.leaf[i]->rte, there))
                at = i;
        }
        at = at ? at : first;
        there[l.leaf[at]->rte] = true;
        lg_from *j = LG_NEW(a, lg_from);
        j->is_join = true;
        j->rte = l.leaf[at]->rte;
        j->join_type = LG_A_JOIN_INNER;
        j->left = tree;
        j->right = l.leaf[at];
        tree = j;
    }
    q->from = tree;
}
