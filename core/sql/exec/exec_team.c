/* Teams for pipelines (exec_team.h). */
#include "exec_team.h"
#include "collate.h"
#include "exec_internal.h"
#include <string.h>

/* Fewer rows than that are not worth a thread; more groups not the merging. */
#define MIN_ROWS   20000.0
#define MAX_GROUPS 100000.0

struct lg_xteam {
    lg_xnode *sink, *scan;
    lg_team *team;
    uint32_t n;
    lg_exec **copies;
    lg_status (*run)(lg_xnode *copy);
    bool finished;
    lg_status st; /* of the members */
};

/* ---- what may be done so ---- */

static bool
plain_type(lg_oid t)
{
    switch (t) {
    case LG_T_BOOL:
    case LG_T_CHAR:
    case LG_T_INT2:
    case LG_T_INT4:
    case LG_T_INT8:
    case LG_T_FLOAT4:
    case LG_T_FLOAT8:
    case LG_T_NUMERIC:
    case LG_T_TEXT:
    case LG_T_VARCHAR:
    case LG_T_BPCHAR:
    case LG_T_DATE:
    case LG_T_TIME:
    case LG_T_TIMESTAMP:
    case LG_T_INTERVAL:
    case LG_T_OID:
        return true;
    default:
        return false;
    }
}

static bool
pure_func(const lg_func *f)
{
    return f && f->fn && f->oid < LG_OID_FIRST_NORMAL && f->volatility == 'i' &&
           !(f->flags & (LG_FUNC_EXT | LG_FUNC_USER | LG_FUNC_RETSET)) && plain_type(f->result);
}

/* lg_expr_walk's way: true stops. */
static bool
impure(const lg_expr *e, void *arg)
{
    bool array = e->kind == LG_EX_CONST && lg_type_elem(e->type);
    if ((!plain_type(e->type) && !array) || !lg_collation_is_c(e->collation) ||
        !lg_collation_is_c(e->incoll))
        return true;
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_FUNC:
    case LG_EX_NULLIF:
    case LG_EX_DISTINCT:
        if (!pure_func(e->func.func) || e->variadic)
            return true;
        break;
    case LG_EX_ARRAY_OP:
        if (!pure_func(e->func.func) || e->args[1]->kind != LG_EX_CONST ||
            !plain_type(lg_type_elem(e->args[1]->type)))
            return true;
        break;
    case LG_EX_SLOT:
        if (e->slot < 0)
            return true;
        break;
    case LG_EX_CONST:
    case LG_EX_PARAM:
    case LG_EX_EXEC:
    case LG_EX_AND:
    case LG_EX_OR:
    case LG_EX_NOT:
    case LG_EX_CASE:
    case LG_EX_CASE_TEST:
    case LG_EX_COALESCE:
    case LG_EX_GREATEST:
    case LG_EX_LEAST:
    case LG_EX_IS_NULL:
    case LG_EX_BOOL_TEST:
    case LG_EX_RELABEL:
        break;
    default:
        return true;
    }
    return lg_expr_walk(e, impure, arg);
}

static bool
pure(const lg_expr *e)
{
    return !e || !impure(e, NULL);
}

/* Columns that are only passed on may be of any type. */
static bool
pure_row(const lg_node *n)
{
    for (uint32_t i = 0; n->targets && i < n->ncols; i++)
        if ((n->targets[i]->kind != LG_EX_SLOT || n->targets[i]->slot < 0) && !pure(n->targets[i]))
            return false;
    return pure(n->quals);
}

static bool
pure_join(const lg_node *n)
{
    uint8_t t = n->join.type;
    if (t != LG_JOIN_INNER && t != LG_JOIN_LEFT && t != LG_JOIN_SEMI && t != LG_JOIN_ANTI)
        return false;
    for (uint32_t i = 0; i < n->join.nkeys; i++)
        if (!pure(n->join.keys[i].left) || !plain_type(n->join.keys[i].hash_type))
            return false;
    return pure(n->join.join_quals) && pure_row(n);
}

/* Joins down to the scan of a table of some size? What is cheap to see comes first. */
static bool
pipeline(const lg_exec_session *es, const lg_node *top)
{
    const lg_node *n = top;
    while (n->kind == LG_NODE_HASH_JOIN)
        n = n->left;
    if (n->kind != LG_NODE_SEQ_SCAN || !n->targets || top->nparams)
        return false;
    const lg_relation *r = n->scan.rel;
    if (r->virtual_rel || r->kind == LG_REL_SEQUENCE || r->pages < es->min_parallel_blocks ||
        (es->min_parallel_blocks && r->tuples < (float)MIN_ROWS))
        return false;
    for (n = top; n->kind == LG_NODE_HASH_JOIN; n = n->left)
        if (!pure_join(n))
            return false;
    return pure_row(n);
}

static bool
mergeable(const lg_expr *e)
{
    const lg_func *f = e->agg.func;
    const lg_agg *a = lg_agg_get(f->oid);
    if (!a || !a->merge || e->agg.within || e->agg.distinct || e->agg.norder ||
        !pure(e->agg.filter) || !lg_collation_is_c(e->incoll) || !lg_collation_is_c(e->collation))
        return false;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (!pure(e->args[i]))
            return false;
    switch (f->oid) {
    case 2803: /* count(*) */
    case 2147: /* count */
    case 2107: /* sum, avg of int8, int4, int2, numeric */
    case 2108:
    case 2109:
    case 2114:
    case 2100:
    case 2101:
    case 2102:
    case 2103:
        return true;
    default:
        return (!strcmp(f->name, "min") || !strcmp(f->name, "max")) && e->nargs == 1 &&
               plain_type(e->args[0]->type);
    }
}

static bool
agg_may(const lg_node *n)
{
    if (n->agg.nsets || (!n->agg.hashed && n->agg.ngroup) ||
        (n->agg.ngroup && n->agg.groups > MAX_GROUPS))
        return false;
    for (uint32_t i = 0; i < n->agg.ngroup; i++)
        if (!plain_type(n->agg.group[i].type))
            return false;
    for (uint32_t i = 0; i < n->agg.naggs; i++)
        if (!mergeable(n->agg.aggs[i]))
            return false;
    return true;
}

static bool
table_may(const lg_node *n)
{
    for (uint32_t i = 0; i < n->join.nkeys; i++)
        if (!pure(n->join.keys[i].right) || !plain_type(n->join.keys[i].hash_type))
            return false;
    return n->right->rows >= MIN_ROWS;
}

uint32_t
lg_xteam_planned(const lg_exec_session *es, const lg_node *sink)
{
    bool agg = sink->kind == LG_NODE_AGG;
    if (!es->max_helpers || !es->run || (agg ? !sink->left : !sink->right))
        return 0;
    if (!pipeline(es, agg ? sink->left : sink->right) || !(agg ? agg_may(sink) : table_may(sink)))
        return 0;
    uint32_t most = lg_team_most(es->run);
    return most < es->max_helpers ? most : es->max_helpers;
}

/* ---- copies ---- */

static void
share_used(lg_xnode *copy, lg_xnode *of)
{
    copy->used = of->used;
    copy->used_known = true;
}

static lg_xnode *
below(const lg_xnode *sink)
{
    return sink->plan->kind == LG_NODE_AGG ? sink->left : sink->right;
}

static lg_status
cancel_asked(void *arg)
{
    return lg_team_stopped(arg) ? LG_CANCELED : LG_OK;
}

static lg_status
copy_make(lg_xteam *m, size_t limit, lg_exec **ret)
{
    lg_exec *x = m->sink->x, *c;
    lg_arena *a = lg_arena_create("member", 16 << 10);
    struct lg_xhelper *h = LG_NEW(a, struct lg_xhelper);
    *ret = c = LG_NEW(a, lg_exec);
    lg_error_init(&h->err, a);
    h->limit = limit;
    h->env = *x->es->env;
    h->env.check_cancel = NULL;
    h->es = (lg_exec_session){.run = x->es->run,
                              .cat = x->es->cat,
                              .env = &h->env,
                              .err = &h->err,
                              .snapshot = x->es->snapshot};
    c->es = &h->es;
    c->tree = LG_NEW(a, struct lg_xtree);
    c->tree->helper = h;
    c->plan = x->plan;
    c->arena = a;
    c->params = x->params;
    c->param_nulls = x->param_nulls;
    c->exec_values = x->exec_values;
    c->exec_nulls = x->exec_nulls;
    c->exec_version = x->exec_version;
    c->tree->checked = true;
    c->sites = LG_NEWN(a, void *, x->plan->n_expr_ids + 1);
    c->tree->nodes = LG_NEWN(a, lg_xnode *, x->plan->n_nodes + 1);
    LG_TRY(lg_xnode_make(c, m->sink->plan, &h->sink));
    share_used(h->sink, m->sink);
    lg_xnode *to = below(h->sink), *from = below(m->sink);
    for (; from; from = from->plan->kind == LG_NODE_HASH_JOIN ? from->left : NULL, to = to->left) {
        share_used(to, from);
        if (from->plan->kind == LG_NODE_HASH_JOIN)
            share_used(to->right, from->right);
    }
    if (m->sink->plan->kind == LG_NODE_HASH_JOIN)
        share_used(h->sink->left, m->sink->left);
    return lg_xnode_open(h->sink);
}

/* The joins between, with the worker's tables; the scan. */
static lg_status
copy_link(lg_xteam *m, lg_exec *c)
{
    lg_xnode *to = below(c->tree->helper->sink), *from = below(m->sink);
    c->team = m->team;
    c->tree->helper->env.check_cancel = cancel_asked;
    c->tree->helper->env.check_arg = m->team;
    for (; from->plan->kind == LG_NODE_HASH_JOIN; from = from->left, to = to->left) {
        LG_TRY(lg_xnode_open(to));
        lg_xhash_adopt(to, from);
    }
    to->push = from->push;
    to->push_n = from->push_n;
    LG_TRY(lg_xnode_open(to));
    return lg_xscan_follow(to, m->team);
}

static void
copy_free(lg_exec *c)
{
    for (uint32_t i = 0; c && i < c->plan->n_nodes; i++)
        lg_xnode_close(c->tree->nodes[i]);
    if (c)
        lg_arena_destroy(c->arena);
}

/* ---- members ---- */

static void
member(lg_team *t, void *arg, unsigned number)
{
    lg_xteam *m = arg;
    struct lg_xhelper *h = m->copies[number]->tree->helper;
    h->st = m->run(h->sink);
    if (h->st != LG_OK)
        lg_team_stop(t);
}

/* ---- the worker ---- */

/* The joins from the top down to the scan, as running the plan would build them. */
static lg_status
build_joins(lg_xteam *m, bool *ret_ready)
{
    lg_exec *x = m->sink->x;
    lg_xnode *n = below(m->sink);
    *ret_ready = false;
    for (; n->plan->kind == LG_NODE_HASH_JOIN; n = n->left) {
        bool shared;
        lg_time from = x->tree->instrument ? lg_run_now_exact_ns(x->es->run) : 0;
        LG_TRY(lg_xnode_open(n));
        LG_TRY(lg_xhash_share(n, &shared));
        lg_time took = x->tree->instrument ? lg_run_now_exact_ns(x->es->run) - from : 0;
        for (lg_xnode *up = n; up != m->sink; up = up->parent)
            up->time_ns += took;
        if (!shared)
            return LG_OK;
    }
    LG_TRY(lg_xnode_open(n));
    m->scan = n;
    *ret_ready = lg_xscan_in_columns(n);
    return LG_OK;
}

static lg_status
start(lg_xteam *m)
{
    lg_exec *x = m->sink->x;
    size_t budget = lg_xbudget_hash(x);
    lg_status st = LG_OK;
    for (uint32_t i = 0; st == LG_OK && i < m->n; i++)
        st = copy_make(m, budget == SIZE_MAX ? budget : budget / (2 * m->n), &m->copies[i]);
    if (st == LG_OK)
        m->team = lg_team_create(x->es->run, m->n, member, m);
    return st;
}

lg_status
lg_xteam_begin(lg_xnode *sink, lg_status (*run)(lg_xnode *copy), lg_xteam **ret_team)
{
    lg_exec *x = sink->x;
    bool ready;
    *ret_team = NULL;
    uint32_t n = x->tree->helper ? 0 : lg_xteam_planned(x->es, sink->plan);
    uint32_t free = n ? lg_team_available(x->es->run) : 0;
    if (!n || !free || !lg_fiber_self())
        return LG_OK;
    lg_xteam *m = LG_NEW(x->arena, lg_xteam);
    *m = (lg_xteam){.sink = sink, .n = n < free ? n : free, .run = run};
    LG_TRY(build_joins(m, &ready));
    if (!ready)
        return LG_OK;
    m->copies = LG_NEWN(x->arena, lg_exec *, m->n);
    lg_heap *outer = lg_heap_switch(NULL); /* the members' memory is not the instance's heap's */
    lg_status st = start(m);
    uint32_t made = m->team ? lg_team_size(m->team) : 0;
    for (uint32_t i = 0; st == LG_OK && i < made; i++)
        st = copy_link(m, m->copies[i]);
    for (uint32_t i = made; i < m->n; i++)
        copy_free(m->copies[i]);
    (void)lg_heap_switch(outer);
    m->n = made;
    if (!m->team)
        return st;
    *ret_team = m;
    if (st != LG_OK) {
        *ret_team = NULL;
        return lg_xteam_end(m, st);
    }
    sink->helpers = made;
    lg_xscan_lead(m->scan, m->team);
    lg_team_go(m->team);
    return LG_OK;
}

/* What EXPLAIN ANALYZE counts. */
static void
add_counts(const lg_exec *x, const lg_exec *c, const lg_xnode *sink)
{
    for (uint32_t i = 0; i < x->plan->n_nodes; i++) {
        const lg_xnode *from = c->tree->nodes[i];
        lg_xnode *to = x->tree->nodes[i];
        if (!from || !to || !from->opened || from == c->tree->helper->sink || to == sink)
            continue;
        to->rows += from->rows;
        to->filtered += from->filtered;
        to->join_filtered += from->join_filtered;
    }
}

static lg_status
take_error(lg_xteam *m, struct lg_xhelper *h)
{
    lg_error *err = m->sink->x->es->err;
    if (h->st == LG_OK || h->st == LG_CANCELED || m->st != LG_OK)
        return LG_OK;
    m->st = h->st;
    if (h->err.set) {
        (void)!lg_error_set(err, h->err.sqlstate, "%s", h->err.message);
        if (h->err.detail)
            lg_error_detail(err, "%s", h->err.detail);
        if (h->err.hint)
            lg_error_hint(err, "%s", h->err.hint);
    }
    return m->st;
}

lg_status
lg_xteam_finish(lg_xteam *m, lg_status (*absorb)(lg_xnode *sink, lg_xnode *copy))
{
    if (!m || m->finished)
        return LG_OK;
    m->finished = true;
    lg_team_finish(m->team);
    for (uint32_t i = 0; i < m->n; i++)
        LG_TRY(take_error(m, m->copies[i]->tree->helper));
    if (absorb && lg_team_stopped(m->team)) /* canceled */
        LG_TRY(lg_xcheck(m->sink->x));
    for (uint32_t i = 0; absorb && i < m->n; i++) {
        add_counts(m->sink->x, m->copies[i], m->sink);
        lg_xnode *scan = m->copies[i]->tree->nodes[m->scan->plan->id];
        lg_xscan_absorb(m->scan, scan);
        LG_TRY(absorb(m->sink, m->copies[i]->tree->helper->sink));
    }
    return LG_OK;
}

lg_status
lg_xteam_end(lg_xteam *m, lg_status st)
{
    if (!m)
        return st;
    lg_team_stop(m->team);
    lg_status members = lg_xteam_finish(m, NULL);
    lg_xscan_lead(m->scan, NULL);
    for (uint32_t i = 0; i < m->n; i++)
        copy_free(m->copies[i]);
    lg_xscan_let_go(m->scan, m->team);
    lg_team_destroy(m->team);
    if (m->st != LG_OK && (!lg_failed(st) || st == LG_CANCELED))
        return m->st;
    return members != LG_OK && !lg_failed(st) ? members : st;
}
