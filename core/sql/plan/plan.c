/* The face of plan, and what its stages share. */
#include "plan_internal.h"
#include <math.h>
#include <string.h>

void
lg_plan_settings_init(lg_plan_settings *s)
{
    *s = (lg_plan_settings){.seqscan = true,
                            .indexscan = true,
                            .indexonlyscan = true,
                            .nestloop = true,
                            .hashjoin = true,
                            .mergejoin = true,
                            .hashagg = true,
                            .sort = true,
                            .random_page_cost = 4.0,
                            .seq_page_cost = 1.0,
                            .cpu_tuple_cost = 0.01,
                            .cpu_index_tuple_cost = 0.005,
                            .cpu_operator_cost = 0.0025};
}

bool
lg_plan__index_usable(lg_planner *p, const lg_index *ix)
{
    if (!ix->valid)
        return false;
    if (p->s->snapshot && ix->since > p->s->snapshot) {
        p->plan->left_out = true;
        return false;
    }
    if (ix->since > p->plan->since)
        p->plan->since = ix->since;
    return true;
}

lg_node *
lg_plan__node(lg_planner *p, lg_node_kind kind)
{
    lg_node *n = LG_NEW(p->a, lg_node);
    n->kind = (uint8_t)kind;
    n->id = p->plan->n_nodes++;
    return n;
}

uint32_t
lg_plan__exec_param(lg_planner *p, lg_oid type)
{
    lg_plan *pl = p->plan;
    if (pl->n_exec_params == p->exec_cap) {
        p->exec_cap = p->exec_cap ? 2 * p->exec_cap : 8;
        lg_oid *t = LG_NEWN(p->a, lg_oid, p->exec_cap);
        if (pl->n_exec_params)
            memcpy(t, pl->exec_param_types, pl->n_exec_params * sizeof *t);
        pl->exec_param_types = t;
    }
    ((lg_oid *)(uintptr_t)pl->exec_param_types)[pl->n_exec_params] = type;
    return pl->n_exec_params++;
}

uint32_t
lg_plan__add_subplan(lg_planner *p, lg_node *root, bool uses_params)
{
    lg_plan *pl = p->plan;
    if (pl->nsubplans == p->sub_cap) {
        p->sub_cap = p->sub_cap ? 2 * p->sub_cap : 4;
        lg_plan_subplan *s = LG_NEWN(p->a, lg_plan_subplan, p->sub_cap);
        if (pl->nsubplans)
            memcpy(s, pl->subplans, pl->nsubplans * sizeof *s);
        pl->subplans = s;
    }
    pl->subplans[pl->nsubplans] = (lg_plan_subplan){root, uses_params};
    return pl->nsubplans++;
}

lg_outcol
lg_plan__outcol(const lg_expr *e, const char *name)
{
    return (lg_outcol){
        .name = name, .type = e->type, .typmod = e->typmod, .collation = e->collation};
}

lg_expr *
lg_plan__slot(lg_planner *p, int32_t slot, lg_oid type, int32_t typmod, lg_oid coll)
{
    lg_expr *e = lg_expr_new(p->a, LG_EX_SLOT, type, 0);
    e->slot = slot;
    e->typmod = typmod;
    e->collation = coll;
    return e;
}

lg_expr *
lg_plan__and_list(lg_planner *p, lg_expr *const *list, uint32_t n)
{
    if (!n)
        return NULL;
    if (n == 1)
        return list[0];
    lg_expr *e = lg_expr_new(p->a, LG_EX_AND, LG_T_BOOL, n);
    memcpy(e->args, list, n * sizeof *list);
    return e;
}

static void
split(lg_expr *e, lg_expr **out, uint32_t *n)
{
    if (e->kind == LG_EX_AND) {
        for (uint32_t i = 0; i < e->nargs; i++)
            split(e->args[i], out, n);
    } else if (!(e->kind == LG_EX_CONST && !e->konst.isnull && e->konst.value)) {
        out[(*n)++] = e;
    }
}

static uint32_t
count_conjuncts(const lg_expr *e)
{
    uint32_t n = 0;
    if (e->kind != LG_EX_AND)
        return 1;
    for (uint32_t i = 0; i < e->nargs; i++)
        n += count_conjuncts(e->args[i]);
    return n;
}

uint32_t
lg_plan__split_and(lg_planner *p, lg_expr *e, lg_expr ***ret)
{
    uint32_t n = 0;
    *ret = NULL;
    if (!e)
        return 0;
    *ret = LG_NEWN(p->a, lg_expr *, count_conjuncts(e));
    split(e, *ret, &n);
    return n;
}

/* ---- projecting ---- */

typedef struct subst {
    lg_planner *p;
    lg_expr **targets;
} subst;

static lg_expr *
substitute(lg_expr *e, void *arg)
{
    subst *s = arg;
    if (e->kind == LG_EX_SLOT && e->slot >= 0)
        return s->targets[e->slot];
    return lg_expr_mutate(s->p->a, e, substitute, s);
}

/* Kinds whose targets can be replaced in place. */
static bool
merges(const lg_node *n)
{
    switch ((lg_node_kind)n->kind) {
    case LG_NODE_SEQ_SCAN:
    case LG_NODE_INDEX_SCAN:
    case LG_NODE_TID_SCAN:
    case LG_NODE_RESULT:
    case LG_NODE_NESTED_LOOP:
    case LG_NODE_HASH_JOIN:
    case LG_NODE_MERGE_JOIN:
    case LG_NODE_AGG:
    case LG_NODE_WINDOW:
    case LG_NODE_VALUES:
    case LG_NODE_FUNCTION_SCAN:
    case LG_NODE_CTE_SCAN:
    case LG_NODE_WORKTABLE_SCAN:
    case LG_NODE_SUBQUERY_SCAN:
    case LG_NODE_SORT:
    case LG_NODE_LIMIT:
    case LG_NODE_UNIQUE:
    case LG_NODE_LOCK_ROWS:
        return true;
    default:
        return false;
    }
}

static bool
identity(const lg_node *n, uint32_t ncols, lg_expr **exprs)
{
    if (n->ncols != ncols)
        return false;
    for (uint32_t i = 0; i < ncols; i++)
        if (exprs[i]->kind != LG_EX_SLOT || exprs[i]->slot != (int32_t)i)
            return false;
    return true;
}

/* May the node's targets be evaluated again inside others, or more than once? */
static bool
cheap_targets(const lg_node *n)
{
    for (uint32_t i = 0; n->targets && i < n->ncols; i++)
        if (n->targets[i]->kind != LG_EX_SLOT && n->targets[i]->kind != LG_EX_CONST)
            return false;
    return true;
}

lg_node *
lg_plan__project(lg_planner *p, lg_node *n, uint32_t ncols, lg_expr **exprs, const lg_outcol *cols)
{
    if (identity(n, ncols, exprs)) {
        n->cols = cols;
        return n;
    }
    bool has_set = false;
    for (uint32_t i = 0; i < ncols; i++)
        has_set = has_set || lg_expr_returns_set(exprs[i]);
    if (merges(n) && cheap_targets(n) && !has_set) {
        lg_expr **t = LG_NEWN(p->a, lg_expr *, ncols + 1);
        subst s = {p, n->targets};
        for (uint32_t i = 0; i < ncols; i++)
            t[i] = n->targets ? substitute(exprs[i], &s) : exprs[i];
        n->targets = t;
    } else {
        lg_node *r = lg_plan__node(p, has_set ? LG_NODE_PROJECT_SET : LG_NODE_RESULT);
        r->left = n;
        r->rows = n->rows * (has_set ? 10 : 1);
        r->cost = n->cost + n->rows * p->s->cpu_tuple_cost;
        r->startup_cost = n->startup_cost;
        r->targets = exprs;
        n = r;
    }
    n->ncols = ncols;
    n->cols = cols;
    return n;
}

void
lg_plan__sort_cost(lg_planner *p, lg_node *n)
{
    double rows = n->left->rows < 2 ? 2 : n->left->rows;
    double k = n->sort.top_n ? log2(rows < 32 ? rows : 32) : log2(rows);
    n->rows = n->left->rows;
    n->startup_cost = n->left->cost + 2 * p->s->cpu_operator_cost * rows * k;
    n->cost = n->startup_cost + p->s->cpu_operator_cost * rows;
    n->width = n->left->width;
}

/* ---- numbering and parameters ---- */

typedef struct finish {
    lg_planner *p;
    bool *used;      /* execution parameters used by what is being walked */
    bool **sub_used; /* the same of each subplan and CTE, once known */
    bool **cte_used;
} finish;

static void finish_root(finish *f, lg_node *root, bool **memo);

static bool
number(const lg_expr *ce, void *arg)
{
    finish *f = arg;
    lg_plan *pl = f->p->plan;
    lg_expr *e = (lg_expr *)(uintptr_t)ce;
    e->id = pl->n_expr_ids++;
    if (e->kind == LG_EX_EXEC)
        f->used[e->exec] = true;
    if (e->kind == LG_EX_SUBPLAN) {
        uint32_t at = e->subplan.plan;
        finish_root(f, pl->subplans[at].root, &f->sub_used[at]);
        for (uint32_t i = 0; i < pl->n_exec_params; i++) {
            bool set_here = false;
            for (uint32_t k = 0; k < e->subplan.nset; k++)
                set_here = set_here || e->subplan.set[k] == i;
            f->used[i] = f->used[i] || (f->sub_used[at][i] && !set_here);
        }
        pl->subplans[at].uses_params = pl->subplans[at].root->nparams > 0;
        e->subplan.init = !pl->subplans[at].uses_params;
    }
    return lg_expr_walk(e, number, f);
}

static void
number_list(finish *f, lg_expr **list, uint32_t n)
{
    for (uint32_t i = 0; list && i < n; i++)
        if (list[i])
            number(list[i], f);
}

static void
number_one(finish *f, lg_expr *e)
{
    if (e)
        number(e, f);
}

static void
number_assigns(finish *f, lg_assign *as, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        number_one(f, as[i].expr);
}

static void
number_target(finish *f, lg_plan_target *t)
{
    number_assigns(f, t->generated, t->ngenerated);
    for (uint32_t i = 0; i < t->nchecks; i++)
        number_one(f, t->checks[i].expr);
    for (uint32_t i = 0; i < t->nindexes; i++) {
        number_list(f, t->indexes[i].exprs, t->indexes[i].nexprs);
        number_one(f, t->indexes[i].predicate);
    }
}

static void
number_own(finish *f, lg_node *n)
{
    number_one(f, n->quals);
    number_list(f, n->targets, n->targets ? n->ncols : 0);
    switch ((lg_node_kind)n->kind) {
    case LG_NODE_VALUES:
        for (uint32_t r = 0; r < n->values.nrows; r++)
            number_list(f, n->values.rows[r], n->values.nrowcols);
        break;
    case LG_NODE_INDEX_SCAN:
    case LG_NODE_TID_SCAN:
        for (uint32_t i = 0; i < n->scan.nconds; i++)
            number_one(f, n->scan.conds[i].value);
        break;
    case LG_NODE_FUNCTION_SCAN:
        number_list(f, n->func.funcs, n->func.nfuncs);
        break;
    case LG_NODE_NESTED_LOOP:
    case LG_NODE_HASH_JOIN:
    case LG_NODE_MERGE_JOIN:
        number_one(f, n->join.join_quals);
        for (uint32_t i = 0; i < n->join.nkeys; i++) {
            number_one(f, n->join.keys[i].left);
            number_one(f, n->join.keys[i].right);
        }
        number_list(f, n->join.set_expr, n->join.nset);
        break;
    case LG_NODE_SORT:
        number_one(f, n->sort.top_n);
        number_one(f, n->sort.top_n_offset);
        break;
    case LG_NODE_LIMIT:
        number_one(f, n->limit.limit);
        number_one(f, n->limit.offset);
        break;
    case LG_NODE_AGG:
        number_list(f, n->agg.aggs, n->agg.naggs);
        break;
    case LG_NODE_WINDOW:
        number_list(f, n->window.funcs, n->window.nfuncs);
        number_one(f, n->window.start);
        number_one(f, n->window.end);
        break;
    case LG_NODE_LOCK_ROWS:
        number_one(f, n->lock.recheck);
        break;
    case LG_NODE_MODIFY:
        number_target(f, &n->modify.target);
        number_assigns(f, n->modify.assigns, n->modify.nassigns);
        number_one(f, n->modify.recheck);
        number_assigns(f, n->modify.conflict_assigns, n->modify.nconflict_assigns);
        number_one(f, n->modify.conflict_where);
        break;
    default:
        break;
    }
}

/* Numbers the subtree's expressions and finds the parameters that it depends on from outside. */
static void
finish_node(finish *outer, lg_node *n)
{
    lg_planner *p = outer->p;
    uint32_t np = p->plan->n_exec_params;
    finish f = *outer;
    f.used = LG_NEWN(p->a, bool, np + 1);
    number_own(&f, n);
    for (uint32_t i = 0; n->kind == LG_NODE_APPEND && i < n->append.n; i++)
        finish_node(&f, n->append.children[i]);
    if (n->left)
        finish_node(&f, n->left);
    if (n->right)
        finish_node(&f, n->right);
    if (n->kind == LG_NODE_CTE_SCAN) {
        finish_root(&f, p->plan->ctes[n->cte.cte].root, &f.cte_used[n->cte.cte]);
        for (uint32_t i = 0; i < np; i++)
            f.used[i] = f.used[i] || f.cte_used[n->cte.cte][i];
    }
    for (uint32_t i = 0; n->kind == LG_NODE_NESTED_LOOP && i < n->join.nset; i++)
        f.used[n->join.set[i]] = false;
    if (n->kind == LG_NODE_WORKTABLE_SCAN)
        f.used[n->cte.param] = true;
    if (n->kind == LG_NODE_RECURSIVE_UNION)
        f.used[n->recursive.param] = false;
    uint32_t *list = LG_NEWN(p->a, uint32_t, np + 1);
    n->nparams = 0;
    for (uint32_t i = 0; i < np; i++) {
        if (f.used[i])
            list[n->nparams++] = i;
        outer->used[i] = outer->used[i] || f.used[i];
    }
    n->params = list;
}

static void
finish_root(finish *f, lg_node *root, bool **memo)
{
    if (*memo)
        return;
    *memo = LG_NEWN(f->p->a, bool, f->p->plan->n_exec_params + 1);
    finish in = *f;
    in.used = *memo;
    finish_node(&in, root);
}

void
lg_plan__finish(lg_planner *p)
{
    lg_plan *pl = p->plan;
    bool *used = NULL;
    finish f = {.p = p};
    f.sub_used = LG_NEWN(p->a, bool *, pl->nsubplans + 1);
    f.cte_used = LG_NEWN(p->a, bool *, pl->nctes + 1);
    finish_root(&f, pl->root, &used);
    for (uint32_t i = 0; i < pl->nsubplans; i++)
        finish_root(&f, pl->subplans[i].root, &f.sub_used[i]);
    for (uint32_t i = 0; i < pl->nctes; i++)
        finish_root(&f, pl->ctes[i].root, &f.cte_used[i]);
    pl->cost = pl->root->cost;
}

/* ---- the face ---- */

static bool
writes(const lg_node *n)
{
    if (!n)
        return false;
    if (n->kind == LG_NODE_MODIFY || n->kind == LG_NODE_LOCK_ROWS)
        return true;
    for (uint32_t i = 0; n->kind == LG_NODE_APPEND && i < n->append.n; i++)
        if (writes(n->append.children[i]))
            return true;
    return writes(n->left) || writes(n->right);
}

lg_status
lg_plan_query(lg_bind *b, lg_query *q, const lg_plan_settings *settings, lg_plan **ret_plan)
{
    lg_plan_settings defaults;
    if (!settings) {
        lg_plan_settings_init(&defaults);
        settings = lg_arena_dup(b->arena, &defaults, sizeof defaults);
    }
    lg_planner p = {.b = b, .a = b->arena, .s = settings};
    lg_plan *pl = p.plan = LG_NEW(b->arena, lg_plan);
    lg_pq *pq;
    pl->cmd = q->cmd;
    LG_TRY(lg_plan__query(&p, NULL, q, &pq, &pl->root));
    if (b->err->set)
        return LG_SQL;
    lg_plan__finish(&p);
    lg_outcol *cols;
    pl->ncols = lg_query_outcols(q, b->arena, &cols);
    pl->cols = cols;
    pl->nparams = b->nparams;
    pl->params = b->params;
    pl->nrelations = b->nrelations;
    pl->relations = b->relations;
    float *sizes = LG_NEWN(b->arena, float, pl->nrelations + 1);
    for (uint32_t i = 0; i < pl->nrelations; i++)
        sizes[i] = pl->relations[i].rel->tuples;
    pl->sizes = sizes;
    b->nrelations = b->relations_cap = 0;
    b->relations = NULL;
    pl->has_modifying_ctes = q->has_ctes_modifying;
    pl->is_call = q->is_call;
    pl->read_only = !writes(pl->root) && !pl->has_modifying_ctes;
    for (uint32_t i = 0; i < pl->nsubplans; i++)
        pl->read_only = pl->read_only && !writes(pl->subplans[i].root);
    for (uint32_t i = 0; i < pl->nctes; i++)
        pl->read_only = pl->read_only && !writes(pl->ctes[i].root);
    *ret_plan = pl;
    return LG_OK;
}

void
lg_plan_fini(lg_plan *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->nrelations; i++)
        lg_relation_unref(p->relations[i].rel);
    p->nrelations = 0;
}

static lg_expr *
to_slots(lg_expr *e, void *arg)
{
    lg_arena *a = arg;
    if (e->kind != LG_EX_VAR)
        return lg_expr_mutate(a, e, to_slots, a);
    lg_expr *s = lg_expr_new(a, LG_EX_SLOT, e->type, 0);
    s->slot = e->var.attno > 0 ? e->var.attno - 1 : e->var.attno;
    s->typmod = e->typmod;
    s->collation = e->collation;
    return s;
}

lg_status
lg_plan_expr(lg_bind *b, lg_expr *e, lg_expr **ret_expr, uint32_t *ret_n_ids)
{
    lg_plan none = {0};
    lg_planner p = {.b = b, .a = b->arena, .plan = &none};
    *ret_expr = to_slots(lg_plan__fold(&p, e), b->arena);
    finish f = {.p = &p, .used = LG_NEWN(b->arena, bool, 1)};
    number(*ret_expr, &f);
    *ret_n_ids = none.n_expr_ids;
    return LG_OK;
}

/* ---- what new rows go through ---- */

static lg_status
bind_over_row(lg_bind *b, lg_relation *rel, const char *text, lg_bind_place place, lg_oid type,
              int32_t typmod, lg_expr **ret)
{
    lg_expr *e;
    LG_TRY(lg_bind_expr_text(b, text, place, rel, type, typmod, &e));
    lg_plan none = {0};
    lg_planner p = {.b = b, .a = b->arena, .plan = &none};
    *ret = to_slots(lg_plan__fold(&p, e), b->arena);
    return LG_OK;
}

static lg_status
target_indexes(lg_bind *b, lg_relation *rel, lg_plan_target *t)
{
    t->indexes = LG_NEWN(b->arena, lg_plan_index, rel->nindexes + 1u);
    for (uint16_t i = 0; i < rel->nindexes; i++) {
        const lg_index *ix = rel->indexes[i];
        lg_plan_index *x = &t->indexes[t->nindexes++];
        x->index = ix;
        x->nexprs = ix->nexprs;
        if (ix->nexprs)
            x->exprs = LG_NEWN(b->arena, lg_expr *, ix->nexprs);
        for (uint16_t k = 0; k < ix->nexprs; k++)
            LG_TRY(bind_over_row(b, rel, ix->exprs[k], LG_PLACE_USING, 0, -1, &x->exprs[k]));
        if (ix->predicate_sql)
            LG_TRY(
                bind_over_row(b, rel, ix->predicate_sql, LG_PLACE_PREDICATE, 0, -1, &x->predicate));
    }
    return LG_OK;
}

lg_status
lg_plan_target_make(lg_bind *b, lg_relation *rel, lg_plan_target *t)
{
    *t = (lg_plan_target){.rel = rel};
    t->generated = LG_NEWN(b->arena, lg_assign, rel->ncols + 1u);
    t->checks = LG_NEWN(b->arena, lg_plan_check, rel->nconstraints + 1u);
    for (uint16_t i = 0; i < rel->ncols; i++) {
        const lg_column *c = &rel->cols[i];
        if (!c->generated || c->dropped)
            continue;
        lg_assign *as = &t->generated[t->ngenerated++];
        as->attno = (int16_t)(i + 1);
        LG_TRY(
            bind_over_row(b, rel, c->default_sql, LG_PLACE_USING, c->type, c->typmod, &as->expr));
    }
    for (uint16_t i = 0; i < rel->nconstraints; i++) {
        const lg_constraint *c = &rel->constraints[i];
        if (c->type != 'c')
            continue;
        lg_plan_check *k = &t->checks[t->nchecks++];
        k->name = c->name;
        LG_TRY(bind_over_row(b, rel, c->check_sql, LG_PLACE_CHECK, 0, -1, &k->expr));
    }
    return target_indexes(b, rel, t);
}

/* ---- index conditions of another integer width ---- */

static bool
int_range(lg_oid type, int64_t *lo, int64_t *hi)
{
    switch (type) {
    case LG_T_INT2:
        *lo = INT16_MIN;
        *hi = INT16_MAX;
        return true;
    case LG_T_INT4:
        *lo = INT32_MIN;
        *hi = INT32_MAX;
        return true;
    case LG_T_INT8:
        *lo = INT64_MIN;
        *hi = INT64_MAX;
        return true;
    default:
        return false;
    }
}

void
lg_index_cond_convert(lg_oid key_type, lg_oid value_type, uint8_t *op, lg_datum *value,
                      bool *ret_none, bool *ret_all)
{
    int64_t lo, hi, vlo, vhi;
    *ret_none = *ret_all = false;
    if (key_type == value_type || !int_range(key_type, &lo, &hi) ||
        !int_range(value_type, &vlo, &vhi))
        return;
    int64_t v = lg_int8(*value); /* sign-extended whatever the width */
    if (v >= lo && v <= hi)
        return;
    bool above = v > hi;
    switch (*op) {
    case LG_COND_LT:
    case LG_COND_LE:
        *ret_all = above;
        *ret_none = !above;
        break;
    case LG_COND_GT:
    case LG_COND_GE:
        *ret_all = !above;
        *ret_none = above;
        break;
    default:
        *ret_none = true;
    }
}
