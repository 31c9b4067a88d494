/* Which columns of a node's output anybody reads.
 *
 * Plans pass whole rows from join to join (plan.h: targets NULL); what is read of them is found here,
 * from the top, so that hash tables keep and joins fill only that. Known are hash and merge joins and aggregates
 * above; below anything else all columns count as read. */
#include "exec_internal.h"

typedef struct mark {
    bool *used;
    uint32_t n;
} mark;

static bool
mark_slots(const lg_expr *e, void *arg)
{
    mark *m = arg;
    if (e->kind == LG_EX_SLOT && e->slot >= 0 && (uint32_t)e->slot < m->n)
        m->used[e->slot] = true;
    return lg_expr_walk(e, mark_slots, m);
}

lg_vector *
lg_xvector_none(lg_exec *x)
{
    if (!x->tree->none) {
        x->tree->none = LG_NEW(x->arena, lg_vector);
        lg_vector_init(x->tree->none, x->arena, LG_T_TEXT, 1);
        x->tree->none->constant = true;
        x->tree->none->v[0] = 0;
        x->tree->none->null[0] = 1;
    }
    return x->tree->none;
}

bool
lg_xjoin_used(lg_xnode *s, bool *used)
{
    const lg_node *p = s->plan;
    const bool *out = lg_xnode_used(s);
    mark m = {used, p->left->ncols + p->right->ncols};
    if (!p->targets && !out)
        return false;
    for (uint32_t i = 0; i < p->ncols; i++) {
        if (!p->targets)
            used[i] |= out[i];
        else if (!out || out[i] || p->targets[i]->kind != LG_EX_SLOT)
            (void)mark_slots(p->targets[i], &m);
    }
    if (p->quals)
        (void)mark_slots(p->quals, &m);
    if (p->join.join_quals)
        (void)mark_slots(p->join.join_quals, &m);
    return true;
}

/* Of a child of a hash or merge join. */
static const bool *
below_join(lg_xnode *up, lg_xnode *s)
{
    const lg_node *p = up->plan;
    uint32_t nl = p->left->ncols, nr = p->right->ncols;
    bool right = up->right == s;
    bool *joined = LG_NEWN(s->x->arena, bool, nl + nr + 1);
    if (!lg_xjoin_used(up, joined))
        return NULL;
    bool *used = joined + (right ? nl : 0);
    mark m = {used, right ? nr : nl};
    for (uint32_t i = 0; i < p->join.nkeys; i++)
        (void)mark_slots(right ? p->join.keys[i].right : p->join.keys[i].left, &m);
    return used;
}

static const bool *
below_agg(const lg_xnode *up, const lg_xnode *s)
{
    const lg_node *p = up->plan;
    mark m = {LG_NEWN(s->x->arena, bool, s->plan->ncols + 1), s->plan->ncols};
    for (uint32_t i = 0; i < p->agg.ngroup; i++)
        m.used[p->agg.group[i].slot] = true;
    for (uint32_t i = 0; i < p->agg.naggs; i++)
        (void)mark_slots(p->agg.aggs[i], &m);
    return m.used;
}

const bool *
lg_xnode_used(lg_xnode *s)
{
    lg_xnode *up = s->parent;
    if (s->used_known || !up)
        return s->used;
    s->used_known = true;
    if (up->plan->kind == LG_NODE_HASH_JOIN || up->plan->kind == LG_NODE_MERGE_JOIN)
        s->used = below_join(up, s);
    else if (up->plan->kind == LG_NODE_AGG && up->plan->agg.naggs + up->plan->agg.ngroup > 0)
        s->used = below_agg(up, s);
    return s->used;
}
