/* Ways to scan one relation; costs. */
#include "plan_internal.h"
#include "collate.h"
#include <math.h>
#include <string.h>

/* ---- statistics ---- */

double
lg_plan__rel_pages(const lg_relation *r)
{
    if (r->pages)
        return r->pages;
    return r->tuples >= 0 ? 1 : 10;
}

double
lg_plan__rel_tuples(const lg_relation *r)
{
    if (r->tuples > 0)
        return r->tuples;
    if (r->tuples == 0 && !r->pages)
        return 1;
    double width = 24;
    for (uint16_t i = 0; i < r->ncols; i++) {
        const lg_type *t = lg_type_get(r->cols[i].type);
        width += t && t->size ? t->size : 32;
    }
    return lg_plan__rel_pages(r) * (8168.0 / width);
}

/* ---- index conditions ---- */

static const lg_expr *
strip(const lg_expr *e)
{
    while (e->kind == LG_EX_RELABEL)
        e = e->args[0];
    return e;
}

static bool
is_column(const lg_expr *e, uint32_t rte, int16_t attno)
{
    e = strip(e);
    return e->kind == LG_EX_VAR && !e->var.up && e->var.rte == rte && e->var.attno == attno;
}

typedef struct ref_scan {
    uint32_t rte;
    const bool *usable; /* other entries that may be used; NULL: none */
    bool bad;
} ref_scan;

static bool
scan_refs(const lg_expr *e, void *arg)
{
    ref_scan *s = arg;
    if (e->kind == LG_EX_VAR && !e->var.up &&
        (e->var.rte == s->rte || !s->usable || !s->usable[e->var.rte]))
        s->bad = true;
    if (e->kind == LG_EX_SUBPLAN && e->subplan.nset)
        s->bad = true;
    return s->bad || lg_expr_walk(e, scan_refs, s);
}

/* Can e be computed before the scan starts? */
static bool
is_outside(const lg_expr *e, uint32_t rte, const bool *usable)
{
    ref_scan s = {rte, usable, false};
    scan_refs(e, &s);
    return !s.bad && lg_expr_volatility(e) != 'v';
}

static bool
text_like(lg_oid t)
{
    return t == LG_T_TEXT || t == LG_T_VARCHAR || t == LG_T_NAME;
}

static bool
int_like(lg_oid t)
{
    return t == LG_T_INT2 || t == LG_T_INT4 || t == LG_T_INT8;
}

static bool
oid_like(lg_oid t)
{
    return t == LG_T_OID || t == LG_T_REGCLASS || t == LG_T_REGTYPE || t == LG_T_REGPROC ||
           t == LG_T_REGNAMESPACE || t == LG_T_REGROLE;
}

/* May a value of type v be encoded for a key of type k? */
static bool
encodable(lg_oid k, lg_oid v)
{
    return k == v || (text_like(k) && text_like(v)) || (int_like(k) && int_like(v)) ||
           (oid_like(k) && oid_like(v));
}

/* An index with its expression keys bound over the entry. */
typedef struct keyed {
    const lg_index *ix;
    uint32_t rte;
    lg_expr *expr[LG_INDEX_MAX_KEYS]; /* NULL: a column */
} keyed;

/* Is e the value of that key? */
static bool
is_key(const keyed *k, uint16_t key, const lg_expr *e)
{
    if (k->ix->attnum[key])
        return is_column(e, k->rte, k->ix->attnum[key]);
    return k->expr[key] &&
           (lg_expr_equal(e, k->expr[key]) || lg_expr_equal(strip(e), strip(k->expr[key])));
}

/* The collation as keys have it: 0 when by bytes. */
static lg_oid
ordering(lg_oid collation)
{
    return lg_collation_is_c(collation) ? 0 : collation;
}

/* Does the conjunct restrict key `key` of the index? Fills *c. */
static bool
match_cond(const keyed *kx, uint16_t key, lg_expr *q, const bool *usable, lg_index_cond *c)
{
    const lg_index *ix = kx->ix;
    uint32_t rte = kx->rte;
    lg_oid kt = ix->key[key].type;
    const lg_opclass *oc = lg_opclass_get(ix->opclass[key]);
    *c = (lg_index_cond){.key = key, .qual = q};
    if (q->kind == LG_EX_IS_NULL && is_key(kx, key, q->args[0])) {
        c->op = q->negated ? LG_COND_NOT_NULL : LG_COND_IS_NULL;
        return !q->negated;
    }
    if (!oc)
        oc = lg_opclass_default(LG_AM_BTREE, kt);
    if (!oc)
        return false;
    if (q->kind == LG_EX_ARRAY_OP && q->use_or && q->func.op && is_key(kx, key, q->args[0]) &&
        is_outside(q->args[1], rte, usable) && lg_amop_strategy(oc->family, q->func.op->oid) == 3) {
        c->op = LG_COND_ANY;
        c->value = q->args[1];
        c->value_type = lg_type_elem(q->args[1]->type);
        return encodable(kt, c->value_type);
    }
    if (q->kind != LG_EX_FUNC || !q->func.op || q->nargs != 2)
        return false;
    const lg_operator *op = q->func.op;
    lg_expr *v = NULL;
    if (is_key(kx, key, q->args[0])) {
        v = q->args[1];
    } else if (is_key(kx, key, q->args[1]) && op->commutator) {
        v = q->args[0];
        op = lg_operator_get(op->commutator);
    }
    if (!v || !op || !is_outside(v, rte, usable))
        return false;
    int st = lg_amop_strategy(oc->family, op->oid);
    if (!st ||
        (st != LG_COND_EQ && ordering(q->incoll) != ix->key[key].collation)) /* another order */
        return false;
    c->op = (uint8_t)st;
    c->value = v;
    c->value_type = v->type;
    if (!encodable(kt, v->type)) {
        v = (lg_expr *)(uintptr_t)strip(v);
        c->value_type = v->type;
    }
    return encodable(kt, c->value_type);
}

typedef struct retarget {
    lg_arena *a;
    uint32_t rte;
} retarget;

/* Stored texts are bound with the relation as entry 0. */
static lg_expr *
to_entry(lg_expr *e, void *arg)
{
    retarget *r = arg;
    lg_expr *n = lg_expr_mutate(r->a, e, to_entry, r);
    if (n->kind == LG_EX_VAR)
        n->var.rte = r->rte;
    return n;
}

/* Partial index: its predicate must be one of the conditions. */
static bool
predicate_holds(lg_pq *pq, const lg_rte *rte, uint32_t rte_index, const lg_index *ix,
                lg_expr *const *quals, uint32_t n)
{
    if (!ix->predicate_sql)
        return true;
    lg_expr *p, **parts;
    lg_error saved = *pq->p->b->err;
    if (lg_bind_expr_text(pq->p->b, ix->predicate_sql, LG_PLACE_PREDICATE, rte->rel, 0, -1, &p)) {
        *pq->p->b->err = saved;
        return false;
    }
    retarget r = {pq->p->a, rte_index};
    uint32_t np = lg_plan__split_and(pq->p, to_entry(lg_plan__fold(pq->p, p), &r), &parts);
    for (uint32_t i = 0; i < np; i++) {
        bool have = false;
        for (uint32_t k = 0; k < n && !have; k++)
            have = lg_expr_equal(parts[i], quals[k]);
        if (!have)
            return false;
    }
    return true;
}

/* Expression keys; one that does not bind any more simply matches nothing. */
static void
bind_keys(lg_pq *pq, const lg_rte *rte, keyed *k)
{
    lg_bind *b = pq->p->b;
    uint16_t at = 0;
    for (uint16_t key = 0; k->ix->nexprs && key < k->ix->nkeys; key++) {
        lg_expr *e;
        lg_error saved = *b->err;
        if (k->ix->attnum[key] || at >= k->ix->nexprs)
            continue;
        if (lg_bind_expr_text(b, k->ix->exprs[at++], LG_PLACE_USING, rte->rel, 0, -1, &e)) {
            *b->err = saved;
            continue;
        }
        retarget r = {pq->p->a, k->rte};
        k->expr[key] = to_entry(lg_plan__fold(pq->p, e), &r);
    }
}

static uint32_t
collect_conds(const keyed *kx, lg_expr *const *quals, uint32_t nquals, const bool *usable,
              lg_index_cond *conds, bool *used, bool *ret_unique)
{
    const lg_index *ix = kx->ix;
    uint32_t n = 0;
    uint16_t eq_keys = 0;
    bool all_eq = true;
    for (uint16_t key = 0; key < ix->nkeys; key++) {
        bool eq = false, lower = false, upper = false;
        for (int pass = 0; pass < 2 && !eq; pass++)
            for (uint32_t i = 0; i < nquals && !eq; i++) {
                lg_index_cond c;
                if (used[i] || !match_cond(kx, key, quals[i], usable, &c))
                    continue;
                bool is_eq = c.op == LG_COND_EQ || c.op == LG_COND_ANY || c.op == LG_COND_IS_NULL;
                if (pass == 0 && !is_eq)
                    continue;
                if (pass == 1) {
                    bool up = c.op == LG_COND_LT || c.op == LG_COND_LE;
                    if (up ? upper : lower)
                        continue;
                    upper = upper || up;
                    lower = lower || !up;
                }
                c.boundary = true;
                conds[n++] = c;
                used[i] = true;
                eq = is_eq;
                all_eq = all_eq && (!is_eq || c.op == LG_COND_EQ);
            }
        if (!eq)
            break;
        eq_keys++;
    }
    *ret_unique = ix->unique && ix->immediate && eq_keys == ix->nkeys && all_eq;
    return n;
}

/* ---- costs ---- */

typedef struct qual_cost {
    lg_pq *pq;
    double cost;
} qual_cost;

static bool
add_cost(const lg_expr *e, void *arg)
{
    qual_cost *q = arg;
    double op = q->pq->p->s->cpu_operator_cost;
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_FUNC:
        /* patterns; what looks into the catalog */
        q->cost += e->func.op && e->func.op->name[0] == '~' ? 4 * op
                   : e->func.func->flags & LG_FUNC_EXT      ? 10 * op
                                                            : op;
        break;
    case LG_EX_ARRAY_OP:
        q->cost += op * (e->args[1]->kind == LG_EX_ARRAY ? e->args[1]->nargs : 5);
        break;
    case LG_EX_SUBPLAN: {
        const lg_node *root = q->pq->p->plan->subplans[e->subplan.plan].root;
        q->cost += e->subplan.nset ? root->cost : 2 * op;
        break;
    }
    default:
        break;
    }
    return lg_expr_walk(e, add_cost, q);
}

double
lg_plan__qual_cost(lg_pq *pq, const lg_expr *e)
{
    qual_cost q = {pq, 0};
    add_cost(e, &q);
    return q.cost;
}

/* Each condition sees what those before it left; the dear ones come last. */
double
lg_plan__quals_cost(lg_pq *pq, lg_expr *const *list, uint32_t n)
{
    double cheap = 0, dear = 0, left = 1;
    for (uint32_t i = 0; i < n; i++) {
        double c = lg_plan__qual_cost(pq, list[i]);
        if (c > 1) {
            dear += c;
        } else {
            cheap += c;
            left *= lg_plan__selectivity(pq, list[i]);
        }
    }
    return cheap + dear * left;
}

/* A table of some size is read from columns kept in memory (core/columns) when it is read often: a
 * few bytes a row, conditions a vector at a time. */
#define COLUMN_PAGES  16
#define COLUMN_PAGE   0.1
#define COLUMN_TUPLE  0.4
#define COLUMN_OUTPUT 0.5

static void
seq_cost(lg_pq *pq, const lg_relation *r, lg_path *p)
{
    const lg_plan_settings *s = pq->p->s;
    double t = lg_plan__rel_tuples(r);
    p->startup = 0;
    double pages = lg_plan__rel_pages(r), quals = lg_plan__quals_cost(pq, p->quals, p->nquals);
    if (pages >= COLUMN_PAGES && !r->virtual_rel)
        p->cost = pages * s->seq_page_cost * COLUMN_PAGE +
                  t * (s->cpu_tuple_cost + quals) * COLUMN_TUPLE +
                  p->rows * s->cpu_tuple_cost * COLUMN_OUTPUT;
    else
        p->cost = pages * s->seq_page_cost + t * (s->cpu_tuple_cost + quals);
    if (!s->seqscan)
        p->cost += 1e10;
}

/* Of the order of the index's first column with that of the rows. */
static double
key_correlation(const lg_relation *r, const lg_index *ix)
{
    int16_t att = ix->attnum[0];
    const lg_colstats *st = att > 0 ? lg_relation_colstats(r, att) : NULL;
    return st ? st->correlation : 0;
}

static void
index_cost(lg_pq *pq, const lg_relation *r, lg_path *p, double sel)
{
    const lg_plan_settings *s = pq->p->s;
    double t = lg_plan__rel_tuples(r), pages = lg_plan__rel_pages(r);
    double n = p->unique ? 1 : t * sel;
    n = n < 1 ? 1 : n;
    double ipages = p->index->pages ? p->index->pages : t / 200 + 1;
    double leaf = ceil(ipages * sel);
    double depth = t > 1 ? ceil(log(t) / log(200.0)) : 1;
    p->startup = depth * 0.5 * s->cpu_tuple_cost + log2(t < 2 ? 2 : t) * s->cpu_operator_cost;
    /* Blocks are mostly in the cache, where they wait for memory: the way down costs about as much
     * as two rows. Rows that lie together in the table are found in a block just seen. Index-only scans
     * ask the table for few: those of late transactions (all, of a table that may be new). */
    double asked = p->index_only && pages >= COLUMN_PAGES ? 0.1 : 1;
    double near = key_correlation(r, p->index);
    double fetch = pages < COLUMN_PAGES ? 0.05 : 0.25 - 0.2 * near * near;
    p->cost = p->startup + leaf * s->seq_page_cost * 0.1 + asked * n * s->random_page_cost * fetch +
              s->random_page_cost * (pages < COLUMN_PAGES ? 0.1
                                     : asked < 1          ? 0.2
                                                          : 0.4) +
              n * (s->cpu_index_tuple_cost + s->cpu_tuple_cost + p->nconds * s->cpu_operator_cost +
                   lg_plan__quals_cost(pq, p->quals, p->nquals));
    if (!s->indexscan)
        p->cost += 1e10;
}

static double
cond_selectivity(lg_pq *pq, const lg_index_cond *c, uint32_t n)
{
    lg_expr **list = LG_NEWN(pq->p->a, lg_expr *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        list[i] = (lg_expr *)(uintptr_t)c[i].qual;
    return lg_plan__list_selectivity(pq, list, n);
}

static bool
covers(lg_pq *pq, const lg_index *ix, uint32_t rte)
{
    const bool *need = pq->needed[rte];
    const lg_rte *r = pq->q->rtes[rte];
    if (!pq->p->s->indexonlyscan || ix->nexprs)
        return false;
    for (int i = 0; i < LG_NEEDED_BASE; i++)
        if (need[i])
            return false;
    for (uint32_t c = 1; c <= r->ncols; c++) {
        bool have = !need[LG_NEEDED_BASE + c];
        for (uint16_t k = 0; k < ix->nkeys && !have; k++)
            have = ix->attnum[k] == (int16_t)c && lg_key_lossless(ix->key[k].type);
        if (!have)
            return false;
    }
    return true;
}

static lg_path *
make_index_path(lg_pq *pq, lg_item *it, uint32_t item, const lg_index *ix, lg_expr *const *quals,
                uint32_t nquals, const bool *usable)
{
    lg_planner *pl = pq->p;
    const lg_rte *rte = pq->q->rtes[it->rte];
    bool *used = LG_NEWN(pl->a, bool, nquals + 1);
    lg_index_cond *conds = LG_NEWN(pl->a, lg_index_cond, nquals + 1);
    bool unique;
    if (!lg_plan__index_usable(pl, ix) || !predicate_holds(pq, rte, it->rte, ix, quals, nquals))
        return NULL;
    keyed kx = {.ix = ix, .rte = it->rte};
    bind_keys(pq, rte, &kx);
    uint32_t n = collect_conds(&kx, quals, nquals, usable, conds, used, &unique);
    lg_path *p = LG_NEW(pl->a, lg_path);
    p->kind = LG_PATH_SCAN;
    p->item = item;
    p->index = ix;
    p->conds = conds;
    p->nconds = n;
    p->unique = unique;
    p->quals = LG_NEWN(pl->a, lg_expr *, nquals + 1);
    double sel = cond_selectivity(pq, conds, n);
    for (uint32_t i = 0; i < nquals; i++)
        if (!used[i])
            p->quals[p->nquals++] = quals[i];
    double rest = lg_plan__list_selectivity(pq, p->quals, p->nquals);
    p->index_only = covers(pq, ix, it->rte);
    p->rows = lg_plan__rel_tuples(rte->rel) * sel * rest;
    if (unique && p->rows > 1)
        p->rows = 1;
    p->rows = p->rows < 1 ? 1 : p->rows;
    index_cost(pq, rte->rel, p, sel);
    return p;
}

/* What a sort by e orders, when it is in the key's order: an ICU collation's is by a function that
 * the planner put there. NULL: another order. */
static const lg_expr *
in_order_of(const lg_expr *e, const lg_keycol *key)
{
    bool icu = e->kind == LG_EX_FUNC && e->func.func == &lg_collate_key_func;
    lg_oid collation = icu ? lg_oid_of(e->args[1]->konst.value) : 0;
    return collation != key->collation ? NULL : icu ? e->args[0] : e;
}

/* How many leading items of the wanted order the index gives; *backward when read backwards. */
static uint32_t
gives_order(lg_pq *pq, const lg_path *p, uint32_t rte, const lg_sort_item *order, uint32_t n,
            bool *backward)
{
    uint32_t k = 0;
    uint16_t key = 0;
    *backward = false;
    for (; k < n; key++) {
        if (key >= p->index->nkeys)
            return k;
        const lg_expr *e = NULL;
        for (uint32_t t = 0; t < pq->q->ntargets; t++)
            if (pq->q->targets[t].ref == order[k].ref)
                e = pq->q->targets[t].expr;
        bool fixed = false;
        for (uint32_t c = 0; c < p->nconds; c++)
            fixed = fixed || (p->conds[c].key == key && p->conds[c].op == LG_COND_EQ);
        e = e ? in_order_of(e, &p->index->key[key]) : NULL;
        if (!e || !p->index->attnum[key] || !is_column(e, rte, p->index->attnum[key])) {
            if (fixed)
                continue;
            return k;
        }
        const lg_keycol *kc = &p->index->key[key];
        bool back = order[k].desc != kc->desc;
        bool nulls = order[k].nulls_first == (back ? !kc->nulls_first : kc->nulls_first);
        const lg_relation *r = pq->q->rtes[rte]->rel;
        if (!nulls && !lg_relation_column(r, p->index->attnum[key])->not_null)
            return k;
        if (k > 0 && back != *backward)
            return k;
        *backward = back;
        k++;
    }
    return k;
}

static lg_path *
tid_path(lg_pq *pq, lg_item *it, uint32_t item)
{
    for (uint32_t i = 0; i < it->nlocal; i++) {
        lg_expr *q = it->local[i];
        bool any = q->kind == LG_EX_ARRAY_OP && q->use_or;
        if ((q->kind != LG_EX_FUNC && !any) || !q->func.op || strcmp(q->func.op->name, "=") != 0)
            continue;
        if (!is_column(q->args[0], it->rte, LG_SYSCOL_CTID) ||
            !is_outside(q->args[1], it->rte, NULL))
            continue;
        lg_path *p = LG_NEW(pq->p->a, lg_path);
        p->kind = LG_PATH_SCAN;
        p->item = item;
        p->by_tid = true;
        p->conds = LG_NEW(pq->p->a, lg_index_cond);
        p->nconds = 1;
        p->conds[0] = (lg_index_cond){.op = any ? LG_COND_ANY : LG_COND_EQ,
                                      .value = q->args[1],
                                      .value_type = LG_T_TID,
                                      .boundary = true,
                                      .qual = q};
        p->quals = LG_NEWN(pq->p->a, lg_expr *, it->nlocal);
        for (uint32_t k = 0; k < it->nlocal; k++)
            if (k != i)
                p->quals[p->nquals++] = it->local[k];
        p->rows = 1;
        p->cost = pq->p->s->random_page_cost;
        return p;
    }
    return NULL;
}

void
lg_plan__base_path(lg_pq *pq, lg_item *it, uint32_t index, const lg_sort_item *order,
                   uint32_t norder, lg_path **ret_cheapest, lg_path **ret_sorted)
{
    lg_planner *pl = pq->p;
    lg_relation *r = pq->q->rtes[it->rte]->rel;
    lg_path *seq = LG_NEW(pl->a, lg_path);
    seq->kind = LG_PATH_SCAN;
    seq->item = index;
    seq->quals = it->local;
    seq->nquals = it->nlocal;
    double sel = lg_plan__list_selectivity(pq, it->local, it->nlocal);
    seq->rows = lg_plan__rel_tuples(r) * sel;
    seq->rows = seq->rows < 1 ? 1 : seq->rows;
    seq_cost(pq, r, seq);
    lg_path *best = seq, *sorted = NULL, *tid = tid_path(pq, it, index);
    if (tid)
        best = tid;
    for (uint16_t i = 0; i < r->nindexes && !r->virtual_rel; i++) {
        lg_path *p = make_index_path(pq, it, index, r->indexes[i], it->local, it->nlocal, NULL);
        if (!p)
            continue;
        bool back;
        if (norder && (p->nsorted = gives_order(pq, p, it->rte, order, norder, &back)) == norder) {
            p->backward = back;
            if (!sorted || p->cost < sorted->cost)
                sorted = p;
        }
        if (p->nconds && p->cost < best->cost)
            best = p;
        if (!p->nconds && p->index_only && p->cost < best->cost)
            best = p;
        if (p->unique && !tid) { /* nothing beats it */
            best = p;
            break;
        }
    }
    it->rows = best->rows;
    *ret_cheapest = best;
    *ret_sorted = sorted;
}

lg_path *
lg_plan__param_path(lg_pq *pq, lg_item *it, uint32_t index, lg_expr *const *quals, uint32_t nquals,
                    const bool *usable_rtes)
{
    const lg_relation *r = pq->q->rtes[it->rte]->rel;
    lg_path *best = NULL;
    if (r->virtual_rel)
        return NULL;
    for (uint16_t i = 0; i < r->nindexes; i++) {
        lg_path *p = make_index_path(pq, it, index, r->indexes[i], quals, nquals, usable_rtes);
        bool uses_outer = false;
        for (uint32_t c = 0; p && c < p->nconds; c++)
            uses_outer =
                uses_outer || (p->conds[c].value && lg_expr_has_kind(p->conds[c].value, LG_EX_VAR));
        if (p && uses_outer && (!best || p->cost < best->cost))
            best = p;
    }
    return best;
}

/* ---- in the order of columns ---- */

bool
lg_plan__index_order(lg_pq *pq, const lg_item *it, lg_expr *const *columns, uint32_t n,
                     uint16_t *from, uint32_t *ret_order)
{
    const lg_relation *r = pq->q->rtes[it->rte]->rel;
    while (*from < r->nindexes && !r->virtual_rel) {
        const lg_index *ix = r->indexes[(*from)++];
        uint32_t k = 0;
        for (; k < n && k < ix->nkeys; k++) {
            uint32_t c = 0;
            while (c < n && !(ix->attnum[k] && is_column(columns[c], it->rte, ix->attnum[k])))
                c++;
            if (c == n)
                break;
            ret_order[k] = c;
        }
        if (k == n)
            return true;
    }
    return false;
}

/* Does the index, read in one direction, give the columns ascending (as their values compare, not in
 * an ICU collation) with NULLs last? */
static bool
ascends(const lg_relation *r, const lg_index *ix, uint32_t rte, lg_expr *const *columns, uint32_t n,
        bool *backward)
{
    if (n > ix->nkeys)
        return false;
    for (uint32_t k = 0; k < n; k++) {
        const lg_keycol *kc = &ix->key[k];
        if (!ix->attnum[k] || !is_column(columns[k], rte, ix->attnum[k]) || kc->collation ||
            (k && kc->desc != *backward))
            return false;
        *backward = kc->desc;
        if (kc->nulls_first != kc->desc && !lg_relation_column(r, ix->attnum[k])->not_null)
            return false;
    }
    return true;
}

lg_path *
lg_plan__ordered_path(lg_pq *pq, lg_item *it, uint32_t index, lg_expr *const *columns, uint32_t n)
{
    const lg_relation *r = pq->q->rtes[it->rte]->rel;
    lg_path *best = NULL;
    bool back = false;
    for (uint16_t i = 0; i < r->nindexes && !r->virtual_rel; i++) {
        if (!ascends(r, r->indexes[i], it->rte, columns, n, &back))
            continue;
        lg_path *p = make_index_path(pq, it, index, r->indexes[i], it->local, it->nlocal, NULL);
        if (!p || (best && best->cost <= p->cost))
            continue;
        p->backward = back;
        best = p;
    }
    return best;
}
