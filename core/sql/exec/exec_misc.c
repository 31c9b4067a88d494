/* Set-returning functions, CTEs and recursion, subplans. */
#include "exec_internal.h"
#include "record.h"
#include "type.h"
#include <stdlib.h>
#include <string.h>

/* ---- set-returning calls ---- */

struct srf {
    const lg_srf *srf;
    lg_call *call;
    void *state;
    lg_datum *args;
    uint8_t *nulls;
    bool open, done;
    uint32_t ncols;
    lg_arena *arena;
};

/* Evaluates the arguments and opens the set. A strict call with a NULL argument is empty. */
static lg_status
srf_start(lg_ectx *c, const lg_expr *e, struct srf *f)
{
    lg_exec *x = c->x;
    if (!f->arena)
        f->arena = lg_arena_create("set", 1024);
    lg_arena_reset(f->arena);
    f->call = lg_xexpr_call_site(x, e);
    f->srf = lg_fntable_get_srf(x->es->env->ext, e->func.func);
    if (!f->srf)
        return lg_error_set(x->es->err, "0A000", "function %s is not supported",
                            e->func.func->name);
    if (!f->args) {
        f->args = LG_NEWN(x->arena, lg_datum, e->nargs + 1);
        f->nulls = LG_NEWN(x->arena, uint8_t, e->nargs + 1);
    }
    f->done = false;
    for (uint32_t i = 0; i < e->nargs; i++) {
        bool null;
        LG_TRY(lg_xexpr_eval(c, e->args[i], &f->args[i], &null));
        f->args[i] = null ? 0 : lg_datum_copy(e->args[i]->type, f->args[i], f->arena);
        f->nulls[i] = null;
        if (null && lg_func_strict(e->func.func))
            f->done = true;
    }
    f->call->args = f->args;
    f->call->nulls = f->nulls;
    f->call->arena = f->arena;
    f->open = true;
    return f->done ? LG_OK : f->srf->open(f->call, &f->state);
}

static lg_status
srf_next(struct srf *f, lg_datum *v, uint8_t *nulls, bool *ret_done)
{
    if (!f->done) {
        f->call->args = f->args;
        f->call->nulls = f->nulls;
        f->call->arena = f->arena;
        f->call->isnull = false;
        nulls[0] = 0;
        lg_status st = f->srf->next(f->call, f->state, v, nulls);
        if (st == LG_END)
            f->done = true;
        else if (st != LG_OK)
            return st;
    }
    *ret_done = f->done;
    return LG_OK;
}

/* ---- FUNCTION_SCAN ---- */

/* A function with OUT columns that is not set-returning gives one row the same way. */
static bool
gives_rows(const lg_expr *e)
{
    return e->kind == LG_EX_FUNC && (lg_func_retset(e->func.func) || e->func.func->n_out > 0);
}

struct fscan {
    struct srf *fs;
    bool started;
    int64_t ordinal;
};

static lg_status
function_open(lg_xnode *s)
{
    const lg_node *p = s->plan;
    struct fscan *f = s->state = LG_NEW(s->x->arena, struct fscan);
    uint32_t n = 0;
    f->fs = LG_NEWN(s->x->arena, struct srf, p->func.nfuncs + 1);
    for (uint32_t i = 0; i < p->func.nfuncs; i++)
        n += p->func.func_cols[i];
    lg_oid *types = LG_NEWN(s->x->arena, lg_oid, n + 2);
    uint32_t at = 0;
    for (uint32_t i = 0; i < p->func.nfuncs; i++) {
        const lg_expr *e = p->func.funcs[i];
        for (uint32_t k = 0; k < p->func.func_cols[i]; k++, at++) {
            const lg_func *fn = e->kind == LG_EX_FUNC ? e->func.func : NULL;
            types[at] = fn && fn->n_out                   ? lg_expr_out_type(e, k)
                        : e->columns && k < e->columns->n ? e->columns->fields[k].type
                                                          : e->type;
        }
    }
    if (p->func.ordinality)
        types[n++] = LG_T_INT8;
    lg_xbatch_init(&s->in, s->x->arena, n, types, 128);
    return LG_OK;
}

/* A record as the columns that the statement wants of it; a NULL one as NULLs. */
static lg_status
record_columns(lg_xnode *s, const lg_row_type *t, lg_datum *v, uint8_t *nulls)
{
    lg_record r = {.n = 0};
    if (!nulls[0])
        lg_record_unpack(v[0], s->scratch, &r);
    if (!nulls[0] && !t->oid && r.n != t->n) {
        lg_error_set(s->x->es->err, "42804",
                     "function return row and query-specified return row do not match");
        lg_error_detail(s->x->es->err, "Returned row contains %u attributes, but query expects %u.",
                        r.n, t->n);
        return LG_SQL;
    }
    for (uint32_t k = 0; !t->oid && k < t->n && k < r.n; k++)
        if (r.types[k] != t->fields[k].type && !(r.nulls[k] && r.types[k] == LG_T_UNKNOWN)) {
            lg_error_set(s->x->es->err, "42804",
                         "function return row and query-specified return row do not match");
            lg_error_detail(s->x->es->err,
                            "Returned type %s at ordinal position %u, but query expects %s.",
                            lg_type_name(s->x->es->env, r.types[k], -1, s->scratch), k + 1,
                            lg_type_name(s->x->es->env, t->fields[k].type, -1, s->scratch));
            return LG_SQL;
        }
    for (uint32_t k = 0; k < t->n; k++) {
        nulls[k] = k >= r.n || r.nulls[k];
        v[k] = nulls[k] ? 0 : r.values[k];
    }
    return LG_OK;
}

static lg_status
function_row(lg_xnode *s, uint32_t at, bool *ret_any)
{
    const lg_node *p = s->plan;
    struct fscan *f = s->state;
    uint32_t col = 0;
    *ret_any = false;
    for (uint32_t i = 0; i < p->func.nfuncs; i++) {
        const lg_expr *e = p->func.funcs[i];
        uint32_t nc = p->func.func_cols[i];
        lg_datum v[64];
        uint8_t nulls[64] = {0};
        bool is_done = true;
        LG_ASSERT(nc <= 64);
        if (gives_rows(e)) {
            LG_TRY(srf_next(&f->fs[i], v, nulls, &is_done));
        } else if (!f->fs[i].done) { /* one row */
            bool null;
            LG_TRY(lg_xexpr_scalar(s->x, s->scratch, e, &v[0], &null));
            nulls[0] = null;
            f->fs[i].done = true;
            is_done = false;
        }
        if (e->columns && !is_done)
            LG_TRY(record_columns(s, e->columns, v, nulls));
        for (uint32_t k = 0; k < nc; k++, col++)
            lg_vector_set(s->in.b.cols[col], at, is_done ? 0 : v[k], is_done || nulls[k]);
        *ret_any |= !is_done;
    }
    if (p->func.ordinality)
        lg_vector_set(s->in.b.cols[col], at, lg_datum_int8(++f->ordinal), false);
    return LG_OK;
}

static lg_status
function_fetch(lg_xnode *s, lg_xbatch **ret)
{
    const lg_node *p = s->plan;
    struct fscan *f = s->state;
    if (!f->started) {
        for (uint32_t i = 0; i < p->func.nfuncs; i++) {
            const lg_expr *e = p->func.funcs[i];
            lg_ectx c = {.x = s->x, .arena = s->scratch, .cap = 1};
            f->fs[i].done = false;
            if (gives_rows(e))
                LG_TRY(srf_start(&c, e, &f->fs[i]));
        }
        f->started = true;
        f->ordinal = 0;
    }
    uint32_t n = 0;
    while (n < s->in.cap) {
        bool any;
        LG_TRY(function_row(s, n, &any));
        if (!any)
            break;
        n++;
    }
    if (!n)
        return LG_END;
    s->in.b.n = n;
    s->in.b.sel = NULL;
    *ret = &s->in;
    return LG_OK;
}

static lg_status
function_rescan(lg_xnode *s)
{
    ((struct fscan *)s->state)->started = false;
    return LG_OK;
}

static void
function_close(lg_xnode *s)
{
    struct fscan *f = s->state;
    for (uint32_t i = 0; f && i < s->plan->func.nfuncs; i++)
        lg_arena_destroy(f->fs[i].arena);
}

const lg_xnode_ops lg_xops_function_scan = {function_open, function_fetch, function_rescan,
                                            function_close};

/* ---- PROJECT_SET: calls at the top of targets; several run side by side, padded with NULL ---- */

struct pset {
    struct srf *fs; /* one per target */
    lg_xbatch *input;
    uint32_t at;
    bool in_row;
    lg_xbatch one; /* without a child: one row of no columns */
};

static bool
is_set(const lg_expr *e)
{
    return e->kind == LG_EX_FUNC && lg_func_retset(e->func.func);
}

static lg_status
pset_open(lg_xnode *s)
{
    struct pset *t = s->state = LG_NEW(s->x->arena, struct pset);
    t->fs = LG_NEWN(s->x->arena, struct srf, s->plan->ncols + 1);
    lg_oid *types = LG_NEWN(s->x->arena, lg_oid, s->plan->ncols + 1);
    for (uint32_t i = 0; i < s->plan->ncols; i++)
        types[i] = s->plan->targets[i]->type;
    lg_xbatch_init(&s->in, s->x->arena, s->plan->ncols, types, LG_BATCH);
    return LG_OK;
}

static lg_datum
record_of(lg_arena *a, const lg_expr *call, const lg_datum *vals, const uint8_t *nulls)
{
    uint32_t n = call->func.func->n_out;
    lg_oid *types = LG_NEWN(a, lg_oid, n);
    for (uint32_t k = 0; k < n; k++)
        types[k] = lg_expr_out_type(call, k);
    return lg_record_pack(a, LG_T_RECORD, n, types, vals, nulls, NULL);
}

static lg_status
pset_row(lg_xnode *s, lg_ectx *c, uint32_t n, bool *ret_any)
{
    struct pset *t = s->state;
    *ret_any = false;
    for (uint32_t i = 0; i < s->plan->ncols; i++) {
        const lg_expr *e = s->plan->targets[i];
        lg_datum v = 0, vals[64];
        uint8_t nulls[64] = {0};
        bool null = true, fin;
        if (is_set(e)) {
            LG_TRY(srf_next(&t->fs[i], vals, nulls, &fin));
            if (!fin) {
                const lg_func *fn = e->func.func;
                v = fn->n_out ? record_of(t->fs[i].arena, e, vals, nulls) : vals[0];
                null = !fn->n_out && nulls[0];
                *ret_any = true;
            }
        } else {
            LG_TRY(lg_xexpr_eval(c, e, &v, &null));
        }
        lg_vector_set(s->in.b.cols[i], n, v, null);
    }
    return LG_OK;
}

static lg_status
pset_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct pset *t = s->state;
    for (;;) {
        if (!t->input) {
            if (s->left) {
                LG_TRY(lg_xnode_next(s->left, &t->input));
            } else {
                if (t->at == UINT32_MAX)
                    return LG_END;
                t->one.cap = t->one.b.n = 1;
                t->input = &t->one;
            }
            t->at = 0;
        }
        uint32_t n = 0;
        while (t->at < t->input->b.n && n < LG_BATCH) {
            lg_ectx c = {.x = s->x,
                         .cols = t->input->b.cols,
                         .sys = t->input->sys,
                         .cap = t->input->cap,
                         .arena = s->scratch,
                         .row = lg_xbatch_row(t->input, t->at)};
            if (!t->in_row) {
                if (n)
                    break; /* the previous row's set memory is about to be reused */
                for (uint32_t i = 0; i < s->plan->ncols; i++)
                    if (is_set(s->plan->targets[i]))
                        LG_TRY(srf_start(&c, s->plan->targets[i], &t->fs[i]));
                t->in_row = true;
            }
            bool any;
            LG_TRY(pset_row(s, &c, n, &any));
            if (any) {
                n++;
            } else {
                t->in_row = false;
                t->at++;
            }
        }
        if (n) {
            s->in.b.n = n;
            s->in.b.sel = NULL;
            *ret = &s->in;
            return LG_OK;
        }
        if (t->at >= t->input->b.n) {
            t->input = NULL;
            if (!s->left)
                t->at = UINT32_MAX;
        }
    }
}

static lg_status
pset_rescan(lg_xnode *s)
{
    struct pset *t = s->state;
    t->input = NULL;
    t->in_row = false;
    t->at = 0;
    return s->left ? lg_xnode_rescan(s->left) : LG_OK;
}

static void
pset_close(lg_xnode *s)
{
    struct pset *t = s->state;
    for (uint32_t i = 0; t && i < s->plan->ncols; i++)
        lg_arena_destroy(t->fs[i].arena);
}

const lg_xnode_ops lg_xops_project_set = {pset_open, pset_fetch, pset_rescan, pset_close};

/* ---- CTE_SCAN ---- */

struct cscan {
    lg_xcursor at;
    uint64_t run; /* of the WITH query that the position is in */
};

/* Changes when an execution parameter that the WITH query depends on was set. */
static uint64_t
params_stamp(const lg_xnode *root)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < root->plan->nparams; i++)
        n += root->x->exec_version[root->plan->params[i]];
    return n;
}

/* Starts the WITH query over when its parameters are others than those of the rows kept. */
static lg_status
cte_current(lg_xcte *cte)
{
    uint64_t stamp = params_stamp(cte->root);
    if (cte->stamp == stamp)
        return LG_OK;
    cte->stamp = stamp;
    if (!cte->store->n && !cte->done)
        return LG_OK;
    lg_xstore_reset(cte->store);
    cte->done = false;
    cte->run++;
    return lg_xnode_rescan(cte->root);
}

static lg_status
cte_open(lg_xnode *s)
{
    s->state = LG_NEW(s->x->arena, struct cscan);
    return LG_OK;
}

/* Rows of a store as a batch of this node, whose columns are those of `n`. */
static lg_status
store_batch(lg_xnode *s, lg_xstore *t, const lg_node *n, lg_xcursor *at, lg_xbatch **ret)
{
    if (!s->in.cap)
        lg_xbatch_init(&s->in, s->x->arena, t->ncols, lg_xnode_types(s, n), LG_BATCH);
    return lg_xstore_batch(s, t, at, ret);
}

static lg_status
cte_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct cscan *c = s->state;
    lg_xcte *cte = &s->x->tree->ctes[s->plan->cte.cte];
    if (!cte->store) {
        cte->store = LG_NEW(s->x->arena, lg_xstore);
        lg_xstore_init_spill(cte->store, s->x, cte->root->plan->ncols,
                             lg_xnode_types(s, cte->root->plan), lg_xbudget_sort(s->x));
    }
    LG_TRY(cte_current(cte));
    if (c->run != cte->run) {
        c->run = cte->run;
        c->at.pos = 0;
    }
    while (!cte->done && c->at.pos >= cte->store->n) { /* as far as somebody needs it */
        lg_xbatch *b;
        lg_status st = lg_xnode_next(cte->root, &b);
        if (st == LG_END) {
            cte->done = true;
            break;
        }
        LG_TRY(st);
        LG_TRY(lg_xstore_put_batch(cte->store, b));
    }
    return store_batch(s, cte->store, cte->root->plan, &c->at, ret);
}

static lg_status
cte_rescan(lg_xnode *s)
{
    ((struct cscan *)s->state)->at.pos = 0;
    return LG_OK;
}

static void
cte_close(lg_xnode *s)
{
    struct cscan *c = s->state;
    if (c)
        lg_xcursor_fini(&c->at);
}

const lg_xnode_ops lg_xops_cte_scan = {cte_open, cte_fetch, cte_rescan, cte_close};

/* ---- RECURSIVE_UNION and its WORKTABLE_SCAN ---- */

struct rhash {
    uint64_t hash;
    uint32_t at;
};

struct recursion {
    lg_xstore work, next;
    lg_xset *all; /* rows given so far (UNION) */
    lg_datum *row;
    uint8_t *take;
    struct rhash *order;
    bool started, step_open;
    lg_xcursor at;
};

static lg_status
recursive_open(lg_xnode *s)
{
    struct recursion *r = s->state = LG_NEW(s->x->arena, struct recursion);
    uint32_t n = s->plan->left->ncols;
    const lg_oid *types = lg_xnode_types(s, s->plan->left);
    lg_xstore_init_spill(&r->work, s->x, n, types, lg_xbudget_sort(s->x));
    lg_xstore_init_spill(&r->next, s->x, n, types, lg_xbudget_sort(s->x));
    s->x->tree->worktables[s->plan->recursive.worktable] = &r->work;
    if (!s->plan->recursive.distinct)
        return LG_OK;
    r->row = lg_xrow_new(s->x->arena, n);
    r->take = LG_NEWN(s->x->arena, uint8_t, LG_BATCH);
    r->order = LG_NEWN(s->x->arena, struct rhash, LG_BATCH);
    return lg_xset_create(s->x, n, types, lg_xbudget_hash(s->x), &r->all);
}

static int
compare_hashes(const void *pa, const void *pb)
{
    int64_t a = (int64_t)((const struct rhash *)pa)->hash;
    int64_t b = (int64_t)((const struct rhash *)pb)->hash;
    return (a > b) - (a < b);
}

static void
load_row(struct recursion *r, const lg_xbatch *b, uint32_t row)
{
    uint32_t n = r->work.ncols;
    for (uint32_t i = 0; i < n; i++) {
        bool null = lg_vector_is_null(b->b.cols[i], row);
        lg_xrow_nulls(r->row, n)[i] = null;
        r->row[i] = null ? 0 : lg_vector_value(b->b.cols[i], row);
    }
}

/* Which of the batch's rows were not given yet: r->take. Those on the temporary file are looked for
 * in its order. */
static lg_status
find_new(struct recursion *r, const lg_xbatch *b)
{
    const uint8_t *nulls = lg_xrow_nulls(r->row, r->work.ncols);
    for (uint32_t i = 0; i < b->b.n; i++) {
        load_row(r, b, lg_xbatch_row(b, i));
        r->order[i] = (struct rhash){lg_xset_hash(r->all, r->row, nulls), i};
    }
    if (lg_xset_on_disk(r->all))
        qsort(r->order, b->b.n, sizeof *r->order, compare_hashes);
    for (uint32_t i = 0; i < b->b.n; i++) {
        struct rhash *o = &r->order[i];
        bool has;
        load_row(r, b, lg_xbatch_row(b, o->at));
        LG_TRY(lg_xset_has(r->all, r->row, nulls, o->hash, &has));
        r->take[o->at] = !has;
        if (!has)
            LG_TRY(lg_xset_add(r->all, r->row, nulls, o->hash));
    }
    return LG_OK;
}

/* Keeps the batch's new rows in `into`. */
static lg_status
recursive_take(lg_xnode *s, const lg_xbatch *b, lg_xstore *into)
{
    struct recursion *r = s->state;
    if (r->all)
        LG_TRY(find_new(r, b));
    for (uint32_t i = 0; i < b->b.n; i++)
        if (!r->all || r->take[i])
            LG_TRY(lg_xstore_put(into, b->b.cols, lg_xbatch_row(b, i)));
    return LG_OK;
}

static lg_status
recursive_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct recursion *r = s->state;
    lg_xbatch *b;
    lg_status st;
    if (!r->started) {
        r->started = true;
        while ((st = lg_xnode_next(s->left, &b)) == LG_OK)
            LG_TRY(recursive_take(s, b, &r->work));
        if (st != LG_END)
            return st;
        r->at.pos = 0;
    }
    for (;;) {
        /* Give what is in the working table, then make the next one from it. */
        st = store_batch(s, &r->work, s->plan->left, &r->at, ret);
        if (st != LG_END)
            return st;
        if (!r->work.n)
            return LG_END;
        lg_xexec_param_set(s->x, s->plan->recursive.param, 0, true);
        if (r->step_open)
            LG_TRY(lg_xnode_rescan(s->right));
        r->step_open = true;
        while ((st = lg_xnode_next(s->right, &b)) == LG_OK)
            LG_TRY(recursive_take(s, b, &r->next));
        if (st != LG_END)
            return st;
        lg_xstore t = r->work;
        r->work = r->next;
        r->next = t;
        lg_xstore_reset(&r->next);
        r->at.pos = 0;
    }
}

static lg_status
recursive_rescan(lg_xnode *s)
{
    struct recursion *r = s->state;
    lg_xstore_reset(&r->work);
    lg_xstore_reset(&r->next);
    if (r->all)
        lg_xset_clear(r->all);
    r->started = false;
    r->at.pos = 0;
    return lg_xnode_rescan(s->left);
}

static void
recursive_close(lg_xnode *s)
{
    struct recursion *r = s->state;
    if (!r)
        return;
    lg_xcursor_fini(&r->at);
    lg_xstore_fini(&r->work);
    lg_xstore_fini(&r->next);
    lg_xset_fini(r->all);
}

const lg_xnode_ops lg_xops_recursive_union = {recursive_open, recursive_fetch, recursive_rescan,
                                              recursive_close};

static lg_status
worktable_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct cscan *c = s->state;
    lg_xstore *t = s->x->tree->worktables[s->plan->cte.worktable];
    return t ? store_batch(s, t, s->plan, &c->at, ret) : LG_END;
}

const lg_xnode_ops lg_xops_worktable_scan = {cte_open, worktable_fetch, cte_rescan, cte_close};

/* ---- subplans ---- */

/* Starts the subquery for the current row. */
static lg_status
subplan_start(lg_ectx *c, const lg_expr *e, lg_xsubplan *sp)
{
    uint32_t first = e->nargs - e->subplan.nset;
    for (uint32_t i = 0; i < e->subplan.nset; i++) {
        lg_datum v;
        bool null;
        LG_TRY(lg_xexpr_eval(c, e->args[first + i], &v, &null));
        lg_xexec_param_set(c->x, e->subplan.set[i], v, null);
    }
    return lg_xnode_rescan(sp->root);
}

/* EXISTS, EXPR, ARRAY, MULTI: one value; by-reference ones in a. */
static lg_status
subplan_value(lg_ectx *c, const lg_expr *e, lg_xsubplan *sp, lg_arena *a, lg_datum *ret,
              bool *ret_null)
{
    lg_xbatch *b;
    lg_status st = lg_xnode_next(sp->root, &b);
    *ret = 0;
    *ret_null = true;
    if (e->subplan.link == LG_SUBLINK_EXISTS) {
        *ret = lg_datum_bool(st == LG_OK);
        *ret_null = false;
        return st == LG_END ? LG_OK : st;
    }
    if (e->subplan.link == LG_SUBLINK_ARRAY) {
        uint32_t n = 0, cap = 64;
        lg_datum *v = LG_NEWN(a, lg_datum, cap);
        uint8_t *nulls = LG_NEWN(a, uint8_t, cap);
        lg_oid type = sp->root->plan->cols[0].type;
        for (; st == LG_OK; st = lg_xnode_next(sp->root, &b))
            for (uint32_t i = 0; i < b->b.n; i++) {
                if (n == cap) {
                    lg_datum *v2 = LG_NEWN(a, lg_datum, cap * 2);
                    uint8_t *n2 = LG_NEWN(a, uint8_t, cap * 2);
                    memcpy(v2, v, cap * sizeof *v);
                    memcpy(n2, nulls, cap);
                    v = v2, nulls = n2, cap *= 2;
                }
                uint32_t row = lg_xbatch_row(b, i);
                nulls[n] = lg_vector_is_null(b->b.cols[0], row);
                v[n] = nulls[n] ? 0 : lg_datum_copy(type, lg_vector_value(b->b.cols[0], row), a);
                n++;
            }
        if (st != LG_END)
            return st;
        *ret_null = false;
        const lg_type *t = lg_type_get(type);
        if (t && lg_type_is_array(t) && n) {
            const char *sqlstate, *why;
            *ret = lg_array_stack(a, n, v, nulls, &sqlstate, &why);
            return *ret ? LG_OK : lg_error_set(c->x->es->err, sqlstate, "%s", why);
        }
        *ret = lg_array_make(a, t && lg_type_is_array(t) ? lg_type_elem(type) : type, n, v, nulls);
        return LG_OK;
    }
    if (st == LG_END)
        return LG_OK;
    LG_TRY(st);
    uint32_t ncols = sp->root->plan->ncols, row = lg_xbatch_row(b, 0);
    lg_datum *kept = lg_xrow_copy(a, b->b.cols, ncols, row);
    if (b->b.n > 1 || (st = lg_xnode_next(sp->root, &b)) == LG_OK)
        return lg_error_set(c->x->es->err, "21000",
                            "more than one row returned by a subquery used as an expression");
    if (st != LG_END)
        return st;
    if (e->subplan.link == LG_SUBLINK_MULTI) {
        lg_oid *types = LG_NEWN(a, lg_oid, ncols + 1);
        for (uint32_t i = 0; i < ncols; i++)
            types[i] = sp->root->plan->cols[i].type;
        *ret = lg_record_pack(a, LG_T_RECORD, ncols, types, kept, lg_xrow_nulls(kept, ncols), NULL);
        *ret_null = false;
        return LG_OK;
    }
    *ret = kept[0];
    *ret_null = lg_xrow_nulls(kept, ncols)[0];
    return LG_OK;
}

/* ANY and ALL over one row of the subquery: three-valued. Returns whether the answer is known. */
static lg_status
subplan_test(lg_ectx *c, const lg_expr *e, const lg_datum *row, uint32_t ncols, bool *ret_known,
             bool *any_null)
{
    lg_datum v;
    bool null, all = e->subplan.link == LG_SUBLINK_ALL;
    const lg_datum *save = c->subcols;
    const uint8_t *save_nulls = c->subnulls;
    c->subcols = row;
    c->subnulls = lg_xrow_nulls(row, ncols);
    lg_status st = lg_xexpr_eval(c, e->args[0], &v, &null);
    c->subcols = save;
    c->subnulls = save_nulls;
    LG_TRY(st);
    if (null)
        *any_null = true;
    *ret_known = !null && lg_bool(v) != all;
    return LG_OK;
}

/* `x = SUBCOL 0` of one hashable type on both sides. */
static const lg_expr *
hashable_test(const lg_expr *e)
{
    const lg_expr *t = e->args[0];
    if (!e->subplan.hashed || e->subplan.link != LG_SUBLINK_ANY || t->kind != LG_EX_FUNC ||
        t->nargs != 2 || t->args[1]->kind != LG_EX_SUBCOL || t->args[1]->slot != 0 ||
        t->args[0]->type != t->args[1]->type || !t->func.op || !t->func.op->can_hash ||
        !lg_type_hash_fn(t->args[0]->type) || !lg_type_equal_fn(t->args[0]->type))
        return NULL;
    return t;
}

/* Uncorrelated ANY/ALL: the subquery's rows are kept, as a set where possible. */
static lg_status
subplan_keep(lg_exec *x, const lg_expr *e, lg_xsubplan *sp)
{
    lg_xbatch *b;
    lg_status st;
    const lg_node *p = sp->root->plan;
    const lg_expr *t = hashable_test(e);
    if (t) {
        LG_TRY(lg_xset_create(x, 1, &t->args[1]->type, lg_xbudget_hash(x), &sp->set));
    } else {
        lg_xstore *rows = LG_NEW(x->arena, lg_xstore);
        lg_xstore_init_spill(rows, x, p->ncols, lg_xnode_types(sp->root, p), lg_xbudget_sort(x));
        sp->at = LG_NEW(x->arena, lg_xcursor);
        sp->rows = rows;
    }
    while ((st = lg_xnode_next(sp->root, &b)) == LG_OK) {
        if (!t) {
            LG_TRY(lg_xstore_put_batch(sp->rows, b));
            continue;
        }
        for (uint32_t i = 0; i < b->b.n; i++) {
            uint32_t row = lg_xbatch_row(b, i);
            uint8_t null = lg_vector_is_null(b->b.cols[0], row);
            lg_datum v = null ? 0 : lg_vector_value(b->b.cols[0], row);
            sp->has_null |= null;
            LG_TRY(lg_xset_add(sp->set, &v, &null, lg_xset_hash(sp->set, &v, &null)));
        }
    }
    if (st != LG_END)
        return st;
    if (t)
        LG_TRY(lg_xset_settle(sp->set));
    sp->done = true;
    return LG_OK;
}

void
lg_xsubplan_close(lg_xsubplan *sp)
{
    lg_xset_fini(sp->set);
    if (!sp->rows)
        return;
    lg_xcursor_fini(sp->at);
    lg_xstore_fini(sp->rows);
}

/* `x = ANY` of a set. */
static lg_status
subplan_set_has(lg_ectx *c, const lg_expr *e, lg_xsubplan *sp, lg_datum *ret, bool *ret_null)
{
    lg_datum v;
    bool null, known = false;
    LG_TRY(lg_xexpr_eval(c, e->args[0]->args[0], &v, &null));
    if (!null) {
        uint8_t nulls = 0;
        LG_TRY(lg_xset_has(sp->set, &v, &nulls, lg_xset_hash(sp->set, &v, &nulls), &known));
    }
    *ret = lg_datum_bool(known);
    *ret_null = !known && lg_xset_count(sp->set) && (null || sp->has_null);
    return LG_OK;
}

static lg_status
subplan_quantified(lg_ectx *c, const lg_expr *e, lg_xsubplan *sp, lg_datum *ret, bool *ret_null)
{
    uint32_t ncols = sp->root->plan->ncols;
    bool all = e->subplan.link == LG_SUBLINK_ALL, known = false, any_null = false;
    bool keep = !e->subplan.nset && !sp->root->plan->nparams;
    if (keep) {
        if (!sp->done)
            LG_TRY(subplan_keep(c->x, e, sp));
        if (sp->set)
            return subplan_set_has(c, e, sp, ret, ret_null);
        for (uint64_t i = 0; i < sp->rows->n && !known; i++) {
            const lg_datum *row;
            LG_TRY(lg_xstore_row(sp->rows, sp->at, i, &row));
            LG_TRY(subplan_test(c, e, row, ncols, &known, &any_null));
        }
    } else {
        lg_xbatch *b;
        lg_status st = LG_OK;
        LG_TRY(subplan_start(c, e, sp));
        while (!known && (st = lg_xnode_next(sp->root, &b)) == LG_OK)
            for (uint32_t i = 0; i < b->b.n && !known; i++)
                LG_TRY(subplan_test(c, e,
                                    lg_xrow_copy(c->arena, b->b.cols, ncols, lg_xbatch_row(b, i)),
                                    ncols, &known, &any_null));
        if (st != LG_OK && st != LG_END)
            return st;
    }
    *ret = lg_datum_bool(known != all);
    *ret_null = !known && any_null;
    return LG_OK;
}

lg_status
lg_xsubplan_eval(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null)
{
    lg_xsubplan *sp = &c->x->tree->subplans[e->subplan.plan];
    if (e->subplan.link == LG_SUBLINK_ANY || e->subplan.link == LG_SUBLINK_ALL)
        return subplan_quantified(c, e, sp, ret, ret_null);
    if (e->subplan.init && !e->subplan.nset && !sp->root->plan->nparams) {
        if (!sp->done) {
            LG_TRY(subplan_value(c, e, sp, c->x->arena, &sp->value, &sp->isnull));
            sp->done = true;
        }
        *ret = sp->value;
        *ret_null = sp->isnull;
        return LG_OK;
    }
    LG_TRY(subplan_start(c, e, sp));
    return subplan_value(c, e, sp, c->arena, ret, ret_null);
}
