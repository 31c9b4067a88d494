/* Subqueries of FROM that are only FROM and WHERE are merged into the query (so views cost
 * nothing). IN and EXISTS in WHERE become semi joins, NOT EXISTS an anti join, where that is safe.
 * Done before the level's expressions are prepared. The subquery enters the range table: as the
 * relation itself when it is a plain scan of one (so that an index can serve the join), else as a
 * subquery.
 */
#include "plan_internal.h"
#include "collate.h"
#include <string.h>

/* ---- what an expression refers to ---- */

typedef struct refs {
    bool inner;   /* this level */
    bool outer;   /* exactly one level up */
    bool further; /* beyond, or something that hides references */
} refs;

static bool
find_refs(const lg_expr *e, void *arg)
{
    refs *r = arg;
    if (e->kind == LG_EX_VAR) {
        r->inner = r->inner || !e->var.up;
        r->outer = r->outer || e->var.up == 1;
        r->further = r->further || e->var.up > 1;
    }
    if (e->kind == LG_EX_SUBLINK || (e->kind == LG_EX_AGG && e->agg.up))
        r->further = true;
    return lg_expr_walk(e, find_refs, r);
}

static refs
refs_of(const lg_expr *e)
{
    refs r = {0};
    if (e)
        find_refs(e, &r);
    return r;
}

static bool
from_is_local(const lg_query *q, const lg_from *f)
{
    if (!f)
        return false;
    if (!f->is_join)
        return q->rtes[f->rte]->kind == LG_RTE_RELATION;
    refs r = refs_of(f->quals);
    return !r.outer && !r.further && from_is_local(q, f->left) && from_is_local(q, f->right);
}

/* A SELECT that is nothing but FROM and WHERE. */
static bool
is_plain(const lg_query *q)
{
    return q->cmd == LG_CMD_SELECT && !q->setop && !q->nctes && !q->grouped && !q->has_aggs &&
           !q->having && !q->ndistinct && !q->limit && !q->offset && !q->for_update &&
           !q->has_srfs && !q->nwindows;
}

/* ---- rewriting ---- */

typedef struct rewrite {
    lg_arena *a;
    uint32_t rte;     /* the new entry */
    bool is_relation; /* inner Vars keep their attno; else they go through cols */
    lg_expr **cols;   /* output columns of the subquery, being collected */
    uint32_t ncols, cap;
    const lg_query *sub; /* for LG_EX_SUBCOL */
} rewrite;

static uint32_t
output_column(rewrite *w, lg_expr *v)
{
    for (uint32_t i = 0; i < w->ncols; i++)
        if (lg_expr_equal(w->cols[i], v))
            return i;
    if (w->ncols == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 4;
        lg_expr **x = LG_NEWN(w->a, lg_expr *, w->cap);
        if (w->ncols)
            memcpy(x, w->cols, w->ncols * sizeof *x);
        w->cols = x;
    }
    w->cols[w->ncols] = v;
    return w->ncols++;
}

/* A condition of the subquery, seen from the query above. */
static lg_expr *
lift(lg_expr *e, void *arg)
{
    rewrite *w = arg;
    lg_expr *n = lg_expr_mutate(w->a, e, lift, w);
    if (n->kind != LG_EX_VAR)
        return n;
    if (n->var.up) {
        n->var.up--;
    } else if (w->is_relation) {
        n->var.rte = w->rte;
    } else {
        n->var.attno = (int16_t)(output_column(w, e) + 1);
        n->var.rte = w->rte;
    }
    return n;
}

static const lg_expr *
sub_output(const lg_query *q, int32_t i)
{
    int32_t k = 0;
    for (uint32_t t = 0; t < q->ntargets; t++)
        if (!q->targets[t].junk && k++ == i)
            return q->targets[t].expr;
    return NULL;
}

/* The test of IN: the subquery's columns become expressions over the new entry. */
static lg_expr *
lift_test(lg_expr *e, void *arg)
{
    rewrite *w = arg;
    if (e->kind != LG_EX_SUBCOL)
        return lg_expr_mutate(w->a, e, lift_test, w);
    const lg_expr *out = sub_output(w->sub, e->slot);
    if (w->is_relation)
        return lift((lg_expr *)(uintptr_t)out, w);
    lg_expr *v = lg_expr_new(w->a, LG_EX_VAR, e->type, 0);
    v->typmod = e->typmod;
    v->collation = e->collation;
    v->var.rte = w->rte;
    v->var.attno = (int16_t)(e->slot + 1);
    return v;
}

static uint32_t
add_rte(lg_planner *p, lg_query *q, lg_rte *rte)
{
    lg_rte **r = LG_NEWN(p->a, lg_rte *, q->nrtes + 1);
    memcpy(r, q->rtes, q->nrtes * sizeof *r);
    r[q->nrtes] = rte;
    q->rtes = r;
    return q->nrtes++;
}

static void
add_semi(lg_pq *pq, uint32_t rte, uint8_t type, lg_expr *on)
{
    lg_planner *p = pq->p;
    lg_semi *s = LG_NEWN(p->a, lg_semi, pq->nsemis + 1);
    if (pq->nsemis)
        memcpy(s, pq->semis, pq->nsemis * sizeof *s);
    s[pq->nsemis++] = (lg_semi){rte, type, on};
    pq->semis = s;
}

static lg_rte *
subquery_rte(lg_planner *p, lg_query *q)
{
    lg_rte *r = LG_NEW(p->a, lg_rte);
    r->kind = LG_RTE_SUBQUERY;
    r->alias = "ANY_subquery";
    r->subquery = q;
    r->ncols = lg_query_outcols(q, p->a, &r->cols);
    return r;
}

static bool
single_relation(const lg_query *q)
{
    return q->from && !q->from->is_join && q->nrtes == 1 &&
           q->rtes[q->from->rte]->kind == LG_RTE_RELATION;
}

/* One that has groups, too: it is planned on its own and its rows are joined. */
static bool
stands_alone(const lg_query *q)
{
    refs having = refs_of(q->having);
    return q->cmd == LG_CMD_SELECT && q->from && !q->setop && !q->nctes && !q->nsets &&
           !q->ndistinct && !q->limit && !q->offset && !q->nmarks && !q->has_srfs && !q->nwindows &&
           !having.outer && !having.further;
}

/* x IN (SELECT ...) without references outward. */
static bool
pull_up_in(lg_pq *pq, const lg_expr *link)
{
    lg_planner *p = pq->p;
    lg_query *sub = link->sublink.query;
    refs test = refs_of(link->args[0]), where = refs_of(sub->where);
    if (!test.inner || test.further || !stands_alone(sub) || !from_is_local(sub, sub->from) ||
        where.outer || where.further || lg_expr_volatility(link->args[0]) == 'v')
        return false;
    for (uint32_t i = 0; i < sub->ntargets; i++) {
        refs r = refs_of(sub->targets[i].expr);
        if (r.outer || r.further || lg_expr_volatility(sub->targets[i].expr) == 'v')
            return false;
    }
    rewrite w = {.a = p->a, .sub = sub, .is_relation = is_plain(sub) && single_relation(sub)};
    lg_expr *on = NULL;
    if (w.is_relation) {
        w.rte = add_rte(p, pq->q, sub->rtes[sub->from->rte]);
        if (sub->where)
            on = lift(sub->where, &w);
    } else {
        w.rte = add_rte(p, pq->q, subquery_rte(p, sub));
    }
    on = lg_expr_and(p->a, lift_test(link->args[0], &w), on);
    add_semi(pq, w.rte, LG_JOIN_SEMI, on);
    return true;
}

/* The query's FROM and local conditions, giving the columns that the join needs. */
static lg_query *
reduced(lg_planner *p, const lg_query *sub, lg_expr *where, const rewrite *w)
{
    lg_query *q = lg_arena_dup(p->a, sub, sizeof *sub);
    q->where = where;
    q->nsort = 0;
    q->ntargets = w->ncols;
    q->targets = LG_NEWN(p->a, lg_target, w->ncols + 1);
    for (uint32_t i = 0; i < w->ncols; i++)
        q->targets[i] =
            (lg_target){.expr = w->cols[i], .name = lg_arena_printf(p->a, "c%u", i + 1)};
    return q;
}

static bool
pull_up_exists(lg_pq *pq, const lg_expr *link, bool not )
{
    lg_planner *p = pq->p;
    lg_query *sub = link->sublink.query;
    lg_expr **list, *local = NULL, *joined = NULL;
    if (!is_plain(sub) || !from_is_local(sub, sub->from) || lg_expr_volatility(sub->where) == 'v')
        return false;
    uint32_t n = lg_plan__split_and(p, sub->where, &list);
    for (uint32_t i = 0; i < n; i++) {
        refs r = refs_of(list[i]);
        if (r.further)
            return false;
        if (r.outer)
            joined = lg_expr_and(p->a, joined, list[i]);
        else
            local = lg_expr_and(p->a, local, list[i]);
    }
    if (!joined)
        return false;
    rewrite w = {.a = p->a, .sub = sub, .is_relation = single_relation(sub)};
    lg_expr *on;
    if (w.is_relation) {
        w.rte = add_rte(p, pq->q, sub->rtes[sub->from->rte]);
        on = lift(joined, &w);
        if (local)
            on = lg_expr_and(p->a, on, lift(local, &w));
    } else {
        w.rte = pq->q->nrtes;
        on = lift(joined, &w);
        if (!w.ncols)
            return false;
        add_rte(p, pq->q, subquery_rte(p, reduced(p, sub, local, &w)));
    }
    add_semi(pq, w.rte, not ? LG_JOIN_ANTI : LG_JOIN_SEMI, on);
    return true;
}

static bool
pull_up(lg_pq *pq, const lg_expr *e)
{
    bool not = e->kind == LG_EX_NOT;
    const lg_expr *link = not ? e->args[0] : e;
    if (link->kind != LG_EX_SUBLINK)
        return false;
    if (link->sublink.link == LG_SUBLINK_EXISTS)
        return pull_up_exists(pq, link, not );
    if (link->sublink.link == LG_SUBLINK_ANY && !not )
        return pull_up_in(pq, link);
    return false;
}

void
lg_plan__pull_up_sublinks(lg_pq *pq)
{
    lg_query *q = pq->q;
    lg_expr **list, *rest = NULL;
    if (q->cmd != LG_CMD_SELECT || q->nmarks || !q->from || !q->where || !q->has_sublinks)
        return;
    uint32_t n = lg_plan__split_and(pq->p, q->where, &list);
    for (uint32_t i = 0; i < n; i++)
        if (!pull_up(pq, list[i]))
            rest = lg_expr_and(pq->p->a, rest, list[i]);
    q->where = rest;
}

/* ---- subqueries in FROM ---- */

/* Rewrites every expression of a query, the nested ones too: fn gets the depth below q. In place at
 * the roots; fn returns the new expression. */
typedef struct walker {
    lg_arena *a;
    lg_expr *(*fn)(struct walker *w, lg_expr *e, uint32_t depth);
    void (*rte)(struct walker *w, lg_rte *r, uint32_t depth); /* or NULL */
    uint32_t rte_index;                                       /* pulled up: entry of the parent */
    uint32_t offset; /* of the child's entries in the parent */
    const lg_query *child;
    lg_pq *pq;      /* whose columns are noted */
    uint32_t depth; /* of the expression being rewritten */
    bool used;      /* find_use has found one */
} walker;

static void walk_query(walker *w, lg_query *q, uint32_t depth);

static void
walk_one(walker *w, lg_expr **e, uint32_t depth)
{
    if (*e)
        *e = w->fn(w, *e, depth);
}

static void
walk_targets(walker *w, lg_target *t, uint32_t n, uint32_t depth)
{
    for (uint32_t i = 0; i < n; i++)
        walk_one(w, &t[i].expr, depth);
}

static void
walk_from(walker *w, lg_from *f, uint32_t depth)
{
    if (!f || !f->is_join)
        return;
    walk_one(w, &f->quals, depth);
    walk_from(w, f->left, depth);
    walk_from(w, f->right, depth);
}

static void
walk_rte(walker *w, lg_rte *r, uint32_t depth)
{
    if (w->rte)
        w->rte(w, r, depth);
    if (r->kind == LG_RTE_SUBQUERY)
        walk_query(w, r->subquery, depth + 1);
    for (uint32_t i = 0; r->kind == LG_RTE_FUNCTION && i < r->nfuncs; i++)
        walk_one(w, &r->funcs[i].expr, depth);
    for (uint32_t i = 0; r->kind == LG_RTE_VALUES && i < r->nrows; i++)
        for (uint32_t c = 0; c < r->ncols; c++)
            walk_one(w, &r->rows[i][c], depth);
}

static void
walk_query(walker *w, lg_query *q, uint32_t depth)
{
    walk_targets(w, q->targets, q->ntargets, depth);
    walk_targets(w, q->returning, q->nreturning, depth);
    walk_one(w, &q->where, depth);
    walk_one(w, &q->having, depth);
    walk_one(w, &q->limit, depth);
    walk_one(w, &q->offset, depth);
    walk_from(w, q->from, depth);
    for (uint32_t i = 0; i < q->nwindows; i++) {
        walk_one(w, &q->windows[i].start, depth);
        walk_one(w, &q->windows[i].end, depth);
    }
    for (uint32_t i = 0; i < q->nrtes; i++)
        walk_rte(w, q->rtes[i], depth);
    for (uint32_t i = 0; i < q->nctes; i++)
        walk_query(w, q->ctes[i].query, depth + 1);
    for (uint32_t i = 0; i < q->nchecks; i++)
        walk_one(w, &q->checks[i].expr, depth);
    if (q->on_conflict) {
        walk_targets(w, q->on_conflict->set, q->on_conflict->nset, depth);
        walk_one(w, &q->on_conflict->where, depth);
    }
}

typedef struct step {
    walker *w;
    uint32_t depth;
} step;

/* Into the children, and into the queries of sublinks. */
static lg_expr *
descend(walker *w, lg_expr *e, uint32_t depth, lg_expr *(*fn)(lg_expr *, void *))
{
    step s = {w, depth};
    lg_expr *n = lg_expr_mutate(w->a, e, fn, &s);
    if (n->kind == LG_EX_SUBLINK)
        walk_query(w, n->sublink.query, depth + 1);
    return n;
}

/* Child's expressions become the parent's: its entries move up by the offset, everything further
 * out comes one level nearer. */
static lg_expr *
rebase(lg_expr *e, void *arg)
{
    step *s = arg;
    lg_expr *n = descend(s->w, e, s->depth, rebase);
    if (n->kind == LG_EX_VAR) {
        if (n->var.up == s->depth)
            n->var.rte += s->w->offset;
        else if (n->var.up > s->depth)
            n->var.up--;
    }
    if (n->kind == LG_EX_AGG && n->agg.up > s->depth)
        n->agg.up--;
    return n;
}

static lg_expr *
rebase_root(walker *w, lg_expr *e, uint32_t depth)
{
    step s = {w, depth};
    return rebase(e, &s);
}

static void
rebase_rte(walker *w, lg_rte *r, uint32_t depth)
{
    (void)w;
    if (r->kind == LG_RTE_CTE && r->cte_up > depth)
        r->cte_up--;
}

static lg_expr *
raise_by(lg_expr *e, void *arg)
{
    step *s = arg;
    lg_expr *n = lg_expr_mutate(s->w->a, e, raise_by, s);
    if (n->kind == LG_EX_VAR)
        n->var.up += s->depth;
    return n;
}

/* ---- what LATERAL items use ---- */

static lg_expr *
note(lg_expr *e, void *arg)
{
    step *s = arg;
    if (e->kind == LG_EX_VAR && e->var.up == s->depth)
        s->w->pq->needed[e->var.rte][e->var.attno + LG_NEEDED_BASE] = true;
    return descend(s->w, e, s->depth, note);
}

static lg_expr *
note_root(walker *w, lg_expr *e, uint32_t depth)
{
    step s = {w, depth};
    return note(e, &s);
}

void
lg_plan__mark_laterals(lg_pq *pq)
{
    lg_query *q = pq->q;
    walker w = {.a = pq->p->a, .fn = note_root, .pq = pq};
    for (uint32_t i = 0; q->from && q->from->is_join && i < q->nrtes; i++)
        walk_rte(&w, q->rtes[i], 0);
}

/* Parent's references to the subquery become its output expressions. */
static lg_expr *
replace(lg_expr *e, void *arg)
{
    step *s = arg;
    walker *w = s->w;
    if (e->kind == LG_EX_VAR && e->var.up == s->depth && e->var.rte == w->rte_index) {
        step up = {w, s->depth};
        return raise_by((lg_expr *)(uintptr_t)sub_output(w->child, e->var.attno - 1), &up);
    }
    return descend(w, e, s->depth, replace);
}

static lg_expr *
replace_root(walker *w, lg_expr *e, uint32_t depth)
{
    step s = {w, depth};
    return replace(e, &s);
}

/* The leaf of the join tree for an entry; *nullable: an outer join may null it. */
static lg_from **
find_leaf(lg_from **f, uint32_t rte, bool *nullable)
{
    if (!(*f)->is_join)
        return (*f)->rte == rte ? f : NULL;
    bool l = *nullable, r = *nullable;
    uint8_t t = (*f)->join_type;
    l = l || t == LG_A_JOIN_RIGHT || t == LG_A_JOIN_FULL;
    r = r || t == LG_A_JOIN_LEFT || t == LG_A_JOIN_FULL;
    lg_from **x = find_leaf(&(*f)->left, rte, &l);
    if (x) {
        *nullable = l;
        return x;
    }
    x = find_leaf(&(*f)->right, rte, &r);
    *nullable = r;
    return x;
}

static void
shift_from(lg_from *f, uint32_t by)
{
    if (f->is_join) {
        shift_from(f->left, by);
        shift_from(f->right, by);
    } else {
        f->rte += by;
    }
}

/* A condition of an outer join, or below one, that looks out of the subquery: the join order could not keep
 * it where it is. */
static bool
outer_join_looks_out(const lg_from *f, bool below)
{
    if (!f->is_join)
        return false;
    bool outer = f->join_type != LG_A_JOIN_INNER;
    refs r = refs_of(f->quals);
    return ((below || outer) && (r.outer || r.further)) ||
           outer_join_looks_out(f->left, below || outer) ||
           outer_join_looks_out(f->right, below || outer);
}

static bool
may_pull_up(const lg_query *c, bool nullable, bool columns_only)
{
    if (!is_plain(c) || c->nsort || !c->from || (nullable && c->where) ||
        outer_join_looks_out(c->from, nullable))
        return false;
    for (uint32_t i = 0; i < c->ntargets; i++) {
        const lg_expr *e = c->targets[i].expr;
        if (c->targets[i].junk || lg_expr_has_kind(e, LG_EX_SUBLINK) ||
            lg_expr_volatility(e) == 'v' || (columns_only && (e->kind != LG_EX_VAR || e->var.up)))
            return false;
    }
    return true;
}

/* FOR UPDATE over the subquery, which was handed down to its tables, is the query's again: rows are
 * locked when they are returned. */
static void
take_marks(lg_planner *p, lg_query *q, const lg_query *c, uint32_t offset)
{
    if (!c->nmarks)
        return;
    lg_rowmark *m = LG_NEWN(p->a, lg_rowmark, q->nmarks + c->nmarks);
    if (q->nmarks)
        memcpy(m, q->marks, q->nmarks * sizeof *m);
    for (uint32_t i = 0; i < c->nmarks; i++) {
        m[q->nmarks + i] = c->marks[i];
        m[q->nmarks + i].rte += offset;
    }
    q->marks = m;
    q->nmarks += c->nmarks;
}

static bool
pull_up_one(lg_planner *p, lg_query *q, uint32_t rte)
{
    lg_query *c = q->rtes[rte]->subquery;
    bool nullable = false;
    if ((q->rtes[rte]->view && q->rtes[rte]->view->security_barrier) || q->rtes[rte]->whole)
        return false;
    lg_from **leaf = q->from ? find_leaf(&q->from, rte, &nullable) : NULL;
    /* What is grouped by sets becomes NULL as a whole: an expression would no longer be found. */
    if (!leaf || !may_pull_up(c, nullable, nullable || q->nsets) || q->nrtes + c->nrtes > 1000)
        return false;
    walker w = {.a = p->a, .fn = rebase_root, .rte = rebase_rte, .offset = q->nrtes};
    uint32_t w_offset = w.offset;
    walk_query(&w, c, 0);
    shift_from(c->from, w_offset);
    lg_rte **r = LG_NEWN(p->a, lg_rte *, q->nrtes + c->nrtes);
    memcpy(r, q->rtes, q->nrtes * sizeof *r);
    memcpy(r + q->nrtes, c->rtes, c->nrtes * sizeof *r);
    *leaf = c->from;
    q->rtes[rte]->kind = LG_RTE_RESULT; /* no longer in the join tree */
    q->rtes[rte]->subquery = NULL;
    w = (walker){.a = p->a, .fn = replace_root, .rte_index = rte, .child = c};
    walk_query(&w, q, 0);
    q->rtes = r;
    q->nrtes += c->nrtes;
    q->where = lg_expr_and(p->a, q->where, c->where);
    q->has_sublinks = q->has_sublinks || c->has_sublinks;
    take_marks(p, q, c, w_offset);
    return true;
}

void
lg_plan__pull_up_subqueries(lg_pq *pq)
{
    lg_query *q = pq->q;
    if (q->setop)
        return;
    for (uint32_t i = 0; i < q->nrtes; i++)
        if (q->rtes[i]->kind == LG_RTE_SUBQUERY)
            pull_up_one(pq->p, q, i);
}

/* ---- outer joins that add nothing ---- */

static lg_expr *
find_use(lg_expr *e, void *arg)
{
    step *s = arg;
    if (e->kind == LG_EX_VAR && e->var.up == s->depth && e->var.rte == s->w->rte_index)
        s->w->used = true;
    return descend(s->w, e, s->depth, find_use);
}

static lg_expr *
find_use_root(walker *w, lg_expr *e, uint32_t depth)
{
    step s = {w, depth};
    (void)find_use(e, &s);
    return e;
}

/* The groups of a subquery are as its keys: those are among the columns, and all are equated. */
static bool
one_group(const lg_query *c, uint32_t rte, lg_expr *const *on, uint32_t n)
{
    if (!c->ngroup || c->nsets || c->setop || c->has_srfs || c->has_ctes_modifying || c->nmarks)
        return false;
    for (uint32_t g = 0; g < c->ngroup; g++) {
        bool found = false;
        int16_t col = 0;
        for (uint32_t t = 0; t < c->ntargets && !found; t++) {
            if (c->targets[t].junk)
                continue;
            col++;
            for (uint32_t i = 0; i < n && c->targets[t].ref == c->group[g].ref; i++)
                found = found || lg_plan__equates(on[i], rte, col);
        }
        if (!found)
            return false;
    }
    for (uint32_t t = 0; t < c->ntargets; t++)
        if (lg_expr_volatility(c->targets[t].expr) == 'v')
            return false;
    return true;
}

/* Is what may be missing of the join of no consequence? */
static bool
adds_nothing(lg_pq *pq, lg_from *f, const lg_from *side)
{
    lg_query *q = pq->q;
    lg_expr **on, *quals = f->quals;
    uint32_t rte = side->rte, n;
    if (side->is_join || !quals || lg_expr_volatility(quals) == 'v')
        return false;
    n = lg_plan__split_and(pq->p, quals, &on);
    const lg_rte *r = q->rtes[rte];
    if (r->kind == LG_RTE_SUBQUERY ? !one_group(r->subquery, rte, on, n)
                                   : !lg_plan__at_most_one(pq, rte, on, n))
        return false;
    walker w = {.a = pq->p->a, .fn = find_use_root, .rte_index = rte};
    f->quals = NULL;
    walk_query(&w, q, 0);
    f->quals = quals;
    return !w.used;
}

static bool
drop_in(lg_pq *pq, lg_from **f)
{
    lg_from *j = *f;
    if (!j->is_join)
        return false;
    if (j->join_type == LG_A_JOIN_LEFT && adds_nothing(pq, j, j->right)) {
        pq->q->rtes[j->right->rte]->kind = LG_RTE_RESULT;
        *f = j->left;
        return true;
    }
    if (j->join_type == LG_A_JOIN_RIGHT && adds_nothing(pq, j, j->left)) {
        pq->q->rtes[j->left->rte]->kind = LG_RTE_RESULT;
        *f = j->right;
        return true;
    }
    return drop_in(pq, &j->left) || drop_in(pq, &j->right);
}

void
lg_plan__drop_joins(lg_pq *pq)
{
    lg_query *q = pq->q;
    if (q->cmd != LG_CMD_SELECT || q->setop || q->nmarks || !q->from)
        return;
    while (drop_in(pq, &q->from))
        continue;
}

/* ---- min and max ---- */

static bool
leads_an_index(lg_planner *p, const lg_relation *r, int16_t attno)
{
    for (uint16_t i = 0; i < r->nindexes; i++)
        if (r->indexes[i]->attnum[0] == attno && !r->indexes[i]->predicate_sql &&
            lg_plan__index_usable(p, r->indexes[i]))
            return true;
    return false;
}

typedef struct minmax {
    lg_planner *p;
    const lg_query *q;
    bool ok;
    bool any;
} minmax;

static bool
check_minmax(const lg_expr *e, void *arg)
{
    minmax *m = arg;
    if (e->kind == LG_EX_AGG) {
        const lg_expr *v = e->nargs == 1 ? e->args[0] : NULL;
        m->any = true;
        if (!v || v->kind != LG_EX_VAR || v->var.up || v->var.attno <= 0 || e->agg.filter ||
            e->agg.norder || e->agg.up || !lg_collation_is_c(e->collation) ||
            !lg_agg_sort_operator(e->agg.func->oid) ||
            !leads_an_index(m->p, m->q->rtes[v->var.rte]->rel, v->var.attno))
            m->ok = false;
        return false;
    }
    if (e->kind == LG_EX_VAR || e->kind == LG_EX_SUBLINK)
        m->ok = false;
    return lg_expr_walk(e, check_minmax, m);
}

/* (SELECT v FROM the relation WHERE the conditions AND v IS NOT NULL ORDER BY v LIMIT 1): one level
 * down, so references outward grow by one. */
static lg_expr *
first_row(minmax *m, const lg_expr *agg)
{
    lg_arena *a = m->p->a;
    lg_query *s = lg_arena_dup(a, m->q, sizeof *s);
    const lg_expr *v = agg->args[0];
    const lg_operator *op = lg_operator_get(lg_agg_sort_operator(agg->agg.func->oid));
    bool desc = op->oid == lg_type_gt_operator(v->type);
    lg_expr *not_null = lg_expr_new(a, LG_EX_IS_NULL, LG_T_BOOL, 1);
    not_null->args[0] = (lg_expr *)(uintptr_t)v;
    not_null->negated = true;
    s->where = lg_expr_and(a, s->where, not_null);
    s->grouped = s->has_aggs = false;
    s->ntargets = 1;
    s->targets = LG_NEW(a, lg_target);
    s->targets[0] = (lg_target){.expr = (lg_expr *)(uintptr_t)v, .name = "v", .ref = 1};
    s->nsort = 1;
    s->sort = LG_NEW(a, lg_sort_item);
    s->sort[0] = (lg_sort_item){.ref = 1,
                                .eq = lg_operator_get(lg_type_eq_operator(v->type)),
                                .lt = op,
                                .desc = desc,
                                .nulls_first = desc};
    s->limit = lg_expr_const(a, LG_T_INT8, lg_datum_int8(1), false);
    lg_expr *link = lg_expr_new(a, LG_EX_SUBLINK, agg->type, 0);
    link->typmod = agg->typmod;
    link->collation = agg->collation;
    link->sublink.link = LG_SUBLINK_EXPR;
    link->sublink.query = s;
    return link;
}

static lg_expr *
replace_minmax(lg_expr *e, void *arg)
{
    minmax *m = arg;
    if (e->kind == LG_EX_AGG)
        return first_row(m, e);
    return lg_expr_mutate(m->p->a, e, replace_minmax, m);
}

void
lg_plan__minmax(lg_pq *pq)
{
    lg_query *q = pq->q;
    refs where = refs_of(q->where);
    if (q->cmd != LG_CMD_SELECT || !q->has_aggs || q->ngroup || q->nsets || q->having || q->setop ||
        q->nctes || q->nsort || q->ndistinct || q->nwindows || !q->from || q->from->is_join ||
        where.outer || where.further)
        return;
    const lg_rte *r = q->rtes[q->from->rte];
    if (r->kind != LG_RTE_RELATION || r->rel->virtual_rel || lg_plan__rel_pages(r->rel) < 4)
        return;
    minmax m = {pq->p, lg_arena_dup(pq->p->a, q, sizeof *q), true, false};
    for (uint32_t i = 0; i < q->ntargets; i++)
        check_minmax(q->targets[i].expr, &m);
    if (!m.ok || !m.any)
        return;
    for (uint32_t i = 0; i < q->ntargets; i++)
        q->targets[i].expr = replace_minmax(q->targets[i].expr, &m);
    q->from = NULL;
    q->where = NULL;
    q->grouped = q->has_aggs = false;
    q->has_sublinks = true;
}
