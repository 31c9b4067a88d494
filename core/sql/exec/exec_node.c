/* Executions and what all nodes share: making the tree, quals and targets. */
#include "exec_team.h"
#include "exec_internal.h"
#include <string.h>

/* ---- nodes ---- */

static const lg_xnode_ops *
ops_of(lg_node_kind kind)
{
    switch (kind) {
    case LG_NODE_RESULT:
        return &lg_xops_result;
    case LG_NODE_VALUES:
        return &lg_xops_values;
    case LG_NODE_SEQ_SCAN:
        return &lg_xops_seq_scan;
    case LG_NODE_INDEX_SCAN:
        return &lg_xops_index_scan;
    case LG_NODE_TID_SCAN:
        return &lg_xops_tid_scan;
    case LG_NODE_FUNCTION_SCAN:
        return &lg_xops_function_scan;
    case LG_NODE_SUBQUERY_SCAN:
        return &lg_xops_subquery_scan;
    case LG_NODE_CTE_SCAN:
        return &lg_xops_cte_scan;
    case LG_NODE_WORKTABLE_SCAN:
        return &lg_xops_worktable_scan;
    case LG_NODE_RECURSIVE_UNION:
        return &lg_xops_recursive_union;
    case LG_NODE_NESTED_LOOP:
        return &lg_xops_nested_loop;
    case LG_NODE_HASH_JOIN:
        return &lg_xops_hash_join;
    case LG_NODE_MERGE_JOIN:
        return &lg_xops_merge_join;
    case LG_NODE_SORT:
        return &lg_xops_sort;
    case LG_NODE_LIMIT:
        return &lg_xops_limit;
    case LG_NODE_AGG:
        return &lg_xops_agg;
    case LG_NODE_WINDOW:
        return &lg_xops_window;
    case LG_NODE_UNIQUE:
        return &lg_xops_unique;
    case LG_NODE_SETOP:
        return &lg_xops_setop;
    case LG_NODE_APPEND:
        return &lg_xops_append;
    case LG_NODE_PROJECT_SET:
        return &lg_xops_project_set;
    case LG_NODE_LOCK_ROWS:
        return &lg_xops_lock_rows;
    case LG_NODE_MODIFY:
        return &lg_xops_modify;
    }
    return NULL;
}

lg_status
lg_xnode_make(lg_exec *x, const lg_node *plan, lg_xnode **ret)
{
    lg_xnode *s = LG_NEW(x->arena, lg_xnode);
    s->plan = plan;
    s->quals = plan->quals;
    s->ops = ops_of((lg_node_kind)plan->kind);
    s->x = x;
    if (!s->ops)
        return LG_UNSUPPORTED;
    x->tree->nodes[plan->id] = s;
    if (plan->left) {
        LG_TRY(lg_xnode_make(x, plan->left, &s->left));
        s->left->parent = s;
    }
    if (plan->right) {
        LG_TRY(lg_xnode_make(x, plan->right, &s->right));
        s->right->parent = s;
    }
    *ret = s;
    return LG_OK;
}

static lg_status
open_node(lg_xnode *s)
{
    s->scratch = lg_arena_create("operator", 1024);
    s->opened = true;
    return s->ops->open ? s->ops->open(s) : LG_OK;
}

lg_status
lg_xnode_open(lg_xnode *s)
{
    return s->opened ? LG_OK : open_node(s);
}

const lg_oid *
lg_xnode_types(lg_xnode *s, const lg_node *n)
{
    lg_oid *t = LG_NEWN(s->x->arena, lg_oid, n->ncols + 1);
    for (uint32_t i = 0; i < n->ncols; i++)
        t[i] = n->cols[i].type;
    return t;
}

/* Targets over the selected rows; plain columns are passed through. */
static lg_status
project(lg_xnode *s, lg_xbatch *in, lg_xbatch **ret)
{
    const lg_node *p = s->plan;
    lg_ectx c = {
        .x = s->x, .cols = in->b.cols, .sys = in->sys, .cap = in->cap, .arena = s->scratch};
    if (!s->out.b.cols)
        s->out.b.cols = LG_NEWN(s->x->arena, lg_vector *, p->ncols + 1);
    for (uint32_t i = 0; i < p->ncols; i++)
        if (s->used && !s->used[i] && p->targets[i]->kind == LG_EX_SLOT)
            s->out.b.cols[i] = lg_xvector_none(s->x);
        else
            LG_TRY(lg_xexpr_vector(&c, p->targets[i], in->b.sel, in->b.n, &s->out.b.cols[i]));
    s->out.b.ncols = p->ncols;
    s->out.b.sel = in->b.sel;
    s->out.b.n = in->b.n;
    s->out.cap = in->cap;
    *ret = &s->out;
    return LG_OK;
}

/* Kinds whose quals or targets are not over the rows that fetch gives. */
static bool
own_projection(const lg_node *p)
{
    return p->kind == LG_NODE_MODIFY || p->kind == LG_NODE_PROJECT_SET;
}

static lg_status
next_batch(lg_xnode *s, lg_xbatch **ret)
{
    const lg_node *p = s->plan;
    if (!s->opened)
        LG_TRY(open_node(s));
    for (;;) {
        lg_xbatch *in;
        lg_arena_reset(s->scratch);
        LG_TRY(s->ops->fetch(s, &in));
        LG_TRY(lg_xcheck(s->x));
        if (s->quals && !own_projection(p)) {
            lg_ectx c = {
                .x = s->x, .cols = in->b.cols, .sys = in->sys, .cap = in->cap, .arena = s->scratch};
            uint32_t n;
            if (!s->sel)
                s->sel = LG_NEWN(s->x->arena, uint16_t, in->cap > 1 ? LG_BATCH : 1);
            else if (in->cap > 1 && s->out.cap == 1)
                s->sel = LG_NEWN(s->x->arena, uint16_t, LG_BATCH);
            s->out.cap = in->cap;
            LG_TRY(lg_xexpr_filter(&c, s->quals, in->b.sel, in->b.n, s->sel, &n));
            s->filtered += in->b.n - n;
            if (!n)
                continue;
            in->b.sel = s->sel;
            in->b.n = n;
        }
        if (!in->b.n)
            continue;
        if (p->targets && !own_projection(p))
            return project(s, in, ret);
        *ret = in;
        return LG_OK;
    }
}

void
lg_exec_instrument(lg_exec *x, bool usage)
{
    x->tree->instrument = true;
    x->tree->instrument_usage = usage;
}

const lg_exec_node_stats *
lg_exec_node_stats_get(const lg_exec *x, uint32_t node, lg_arena *a)
{
    lg_xnode *s = x->tree->nodes[node];
    if (!s)
        return NULL;
    lg_exec_node_stats *r = LG_NEW(a, lg_exec_node_stats);
    *r = (lg_exec_node_stats){.rows = s->rows,
                              .loops = s->loops,
                              .filtered = s->filtered,
                              .heap_fetches = s->heap_fetches,
                              .join_filtered = s->join_filtered,
                              .inserted = s->inserted,
                              .conflicting = s->conflicting,
                              .helpers = s->helpers,
                              .time_ns = s->time_ns,
                              .first_ns = s->first_ns,
                              .usage = s->usage};
    if (s->opened && s->space)
        s->space(s, &r->space);
    return r;
}

bool
lg_exec_node_counts(const lg_exec *x, uint32_t node, lg_exec_node_stats *ret)
{
    const lg_xnode *s = x->tree->nodes[node];
    if (!s)
        return false;
    *ret = (lg_exec_node_stats){
        .rows = s->rows, .loops = s->loops ? s->loops : s->opened, .filtered = s->filtered};
    return true;
}

/* ---- what EXPLAIN ANALYZE counts (exec_stats.h) ---- */

void
lg_xusage_now(const lg_exec_session *es, lg_xusage *ret)
{
    const lg_stats *t = es->stats;
    const lg_temp_owner *o = es->temp_owner;
    *ret = (lg_xusage){0};
    if (t) {
        lg_fiber_stats();
        ret->gets = t->count[LG_STAT_LOGICAL_READS];
        ret->reads = t->count[LG_STAT_PHYSICAL_READS];
        ret->changes = t->count[LG_STAT_BLOCK_CHANGES];
        ret->cr = t->count[LG_STAT_GC_CR_RECEIVED];
        ret->current = t->count[LG_STAT_GC_CURRENT_RECEIVED];
        ret->redo_records = t->count[LG_STAT_REDO_ENTRIES];
        ret->redo_bytes = t->count[LG_STAT_REDO_SIZE];
        ret->read_ns = (lg_time)t->wait_ns[LG_WAIT_DB_FILE_READ];
        ret->gc_ns =
            (lg_time)(t->wait_ns[LG_WAIT_GC_CURRENT_REQUEST] + t->wait_ns[LG_WAIT_GC_CR_REQUEST]);
    }
    if (o) {
        ret->temp_reads = o->pages_read;
        ret->temp_writes = o->pages_written;
        ret->temp_read_ns = o->read_ns;
        ret->temp_write_ns = o->write_ns;
    }
}

void
lg_xusage_add(lg_xusage *to, const lg_xusage *from, const lg_xusage *upto)
{
    to->gets += upto->gets - from->gets;
    to->reads += upto->reads - from->reads;
    to->changes += upto->changes - from->changes;
    to->temp_reads += upto->temp_reads - from->temp_reads;
    to->temp_writes += upto->temp_writes - from->temp_writes;
    to->cr += upto->cr - from->cr;
    to->current += upto->current - from->current;
    to->redo_records += upto->redo_records - from->redo_records;
    to->redo_bytes += upto->redo_bytes - from->redo_bytes;
    to->read_ns += upto->read_ns - from->read_ns;
    to->temp_read_ns += upto->temp_read_ns - from->temp_read_ns;
    to->temp_write_ns += upto->temp_write_ns - from->temp_write_ns;
    to->gc_ns += upto->gc_ns - from->gc_ns;
}

static lg_status
next_measured(lg_xnode *s, lg_xbatch **ret)
{
    lg_run *run = s->x->es->run;
    lg_xusage before, after;
    if (s->x->tree->instrument_usage)
        lg_xusage_now(s->x->es, &before);
    lg_time from = lg_run_now_exact_ns(run);
    if (!s->loops)
        s->loops = 1;
    lg_status st = next_batch(s, ret);
    s->time_ns += lg_run_now_exact_ns(run) - from;
    if (s->x->tree->instrument_usage) {
        if (!s->usage)
            s->usage = LG_NEW(s->x->arena, lg_xusage);
        lg_xusage_now(s->x->es, &after);
        lg_xusage_add(s->usage, &before, &after);
    }
    if (st == LG_OK) {
        if (!s->rows)
            s->first_ns = s->time_ns;
        s->rows += (*ret)->b.n;
    }
    return st;
}

lg_status
lg_xnode_next(lg_xnode *s, lg_xbatch **ret)
{
    if (lg_fiber_cancel_pending())
        LG_TRY(lg_xcheck(s->x));
    if (s->x->tree->instrument)
        return next_measured(s, ret);
    LG_TRY(next_batch(s, ret));
    s->rows += (*ret)->b.n;
    return LG_OK;
}

lg_status
lg_xnode_rescan(lg_xnode *s)
{
    if (!s->opened)
        return LG_OK;
    s->loops++;
    return s->ops->rescan(s);
}

void
lg_xnode_close(lg_xnode *s)
{
    if (!s)
        return;
    if (s->opened && s->ops->close)
        s->ops->close(s);
    lg_arena_destroy(s->scratch);
    s->scratch = NULL;
    s->opened = false;
}

static void
batch_init(lg_xnode *s, const lg_xstore *t)
{
    const lg_node *n = s->plan->left ? s->plan->left : s->plan;
    uint32_t cap = t->n < LG_BATCH && !t->out ? (uint32_t)t->n : LG_BATCH;
    lg_oid *types = LG_NEWN(s->x->arena, lg_oid, t->ncols + 1);
    for (uint32_t i = 0; i < t->ncols; i++)
        types[i] = i < n->ncols ? n->cols[i].type : LG_T_TEXT;
    lg_xbatch_init(&s->in, s->x->arena, t->ncols, types, cap);
}

lg_status
lg_xstore_batch(lg_xnode *s, lg_xstore *t, lg_xcursor *c, lg_xbatch **ret)
{
    if (c->pos >= t->n)
        return LG_END;
    if (!s->in.cap)
        batch_init(s, t);
    *ret = &s->in;
    return lg_xstore_fill(t, c, &s->in);
}

/* ---- executions ---- */

/* What a read-only transaction must not do: change rows of others than temporary tables, or lock them. */
static const char *
forbidden_when_read_only(const lg_plan *plan)
{
    static const char *const locking[] = {[LG_A_LCS_FORKEYSHARE] = "SELECT FOR KEY SHARE",
                                          [LG_A_LCS_FORSHARE] = "SELECT FOR SHARE",
                                          [LG_A_LCS_FORNOKEYUPDATE] = "SELECT FOR NO KEY UPDATE",
                                          [LG_A_LCS_FORUPDATE] = "SELECT FOR UPDATE"};
    if (plan->cmd == LG_CMD_SELECT && !plan->has_modifying_ctes && !plan->lock_strength)
        return NULL;
    for (uint32_t i = 0; i < plan->nrelations; i++)
        if (plan->relations[i].lock >= LG_LOCK_ROW_SHARE &&
            plan->relations[i].rel->persistence != 't')
            return plan->cmd == LG_CMD_INSERT   ? "INSERT"
                   : plan->cmd == LG_CMD_UPDATE ? "UPDATE"
                   : plan->cmd == LG_CMD_DELETE ? "DELETE"
                   : plan->lock_strength        ? locking[plan->lock_strength]
                                                : "SELECT";
    return NULL;
}

void
lg_exec_bind_init(lg_exec_session *es, lg_arena *a, lg_bind *b)
{
    lg_bind_init(b, es->cat, es->run, a, es->env, es->err, es->sql);
}

int
lg_exec_position(const lg_exec_session *es, int32_t loc)
{
    int n = 1;
    if (loc < 0 || !es->sql)
        return 0;
    for (int32_t i = 0; i < loc && es->sql[i]; i++)
        n += (es->sql[i] & 0xc0) != 0x80;
    return n;
}

lg_status
lg_exec_plan(lg_exec_session *es, lg_bind *b, lg_query *q, lg_plan **ret_plan)
{
    lg_plan_settings *ps = LG_NEW(b->arena, lg_plan_settings);
    lg_plan_settings_init(ps);
    if (es->plan_settings)
        es->plan_settings(es->arg, ps);
    ps->snapshot = es->snapshot ? es->snapshot->scn : 0;
    return lg_plan_query(b, q, ps, ret_plan);
}

/* lg_exec.end */
void
lg_xtree_end(lg_exec *x)
{
    for (uint32_t i = 0; i < x->plan->n_nodes; i++)
        lg_xnode_close(x->tree->nodes[i]);
    for (uint32_t i = 0; i < x->plan->nsubplans; i++)
        lg_xsubplan_close(&x->tree->subplans[i]);
    for (uint32_t i = 0; i < x->plan->nctes; i++)
        if (x->tree->ctes[i].store)
            lg_xstore_fini(x->tree->ctes[i].store);
    if (x->tree->kept) {
        if (x->tree->kept_at)
            lg_xcursor_fini(x->tree->kept_at);
        lg_xstore_fini(x->tree->kept);
    }
}

lg_status
lg_exec_open(lg_exec_session *es, const lg_plan *plan, const lg_datum *params,
             const uint8_t *param_nulls, lg_exec **ret_exec)
{
    for (uint32_t i = 0; i < plan->nrelations; i++) {
        const lg_bind_relation *r = &plan->relations[i];
        LG_TRY(lg_cat_lock(es->cat, r->rel->oid, r->lock, false));
        /* also when a table of the catalog has become much larger than was planned for */
        if (r->rel->stale ||
            (r->rel->is_system && plan->sizes && r->rel->tuples > 4 * plan->sizes[i] + 200))
            return LG_RETRY;
        if (r->rel->kind == LG_REL_MATVIEW && !r->rel->populated) {
            lg_error_set(es->err, "55000", "materialized view \"%s\" has not been populated",
                         r->rel->name);
            lg_error_hint(es->err, "Use the REFRESH MATERIALIZED VIEW command.");
            return LG_SQL;
        }
        if (r->rel->persistence == 't' && r->rel->namespace_oid != lg_cat_temp_namespace(es->cat))
            return lg_error_set(es->err, "0A000",
                                "cannot access temporary tables of other sessions");
    }
    const char *forbidden = es->read_only ? forbidden_when_read_only(plan) : NULL;
    if (forbidden)
        return lg_error_set(es->err, "25006", "cannot execute %s in a read-only transaction",
                            forbidden);
    lg_arena *a = lg_arena_create("execution", 4096);
    lg_exec *x = LG_NEW(a, lg_exec);
    x->es = es;
    x->plan = plan;
    x->arena = a;
    x->params = params;
    x->param_nulls = param_nulls;
    x->tree = LG_NEW(a, struct lg_xtree);
    x->subplan = lg_xsubplan_eval;
    x->end = lg_xtree_end;
    x->tree->checked = plan->cmd == LG_CMD_SELECT && !plan->has_modifying_ctes;
    x->sites = LG_NEWN(a, void *, plan->n_expr_ids + 1);
    x->tree->nodes = LG_NEWN(a, lg_xnode *, plan->n_nodes + 1);
    x->tree->worktables = LG_NEWN(a, void *, plan->n_nodes + 1);
    if (plan->n_exec_params) {
        x->exec_values = LG_NEWN(a, lg_datum, plan->n_exec_params);
        x->exec_nulls = LG_NEWN(a, uint8_t, plan->n_exec_params);
        x->exec_version = LG_NEWN(a, uint64_t, plan->n_exec_params);
    }
    if (plan->nsubplans)
        x->tree->subplans = LG_NEWN(a, lg_xsubplan, plan->nsubplans);
    if (plan->nctes)
        x->tree->ctes = LG_NEWN(a, lg_xcte, plan->nctes);
    lg_status st = lg_xnode_make(x, plan->root, &x->tree->root);
    for (uint32_t i = 0; st == LG_OK && i < plan->nsubplans; i++)
        st = lg_xnode_make(x, plan->subplans[i].root, &x->tree->subplans[i].root);
    for (uint32_t i = 0; st == LG_OK && i < plan->nctes; i++)
        st = lg_xnode_make(x, plan->ctes[i].root, &x->tree->ctes[i].root);
    if (st != LG_OK) {
        lg_arena_destroy(a);
        return st;
    }
    *ret_exec = x;
    return LG_OK;
}

/* Hands out at most max rows of the pending batch. */
static lg_status
hand_out(lg_exec *x, uint64_t max, lg_exec_sink sink, void *arg, uint64_t *ret_n)
{
    lg_xbatch *p = x->tree->pending;
    uint32_t left = p->b.n - x->tree->pending_at;
    uint32_t n = max && max < left ? (uint32_t)max : left;
    if (sink) {
        uint16_t rows[LG_BATCH];
        lg_batch part = p->b;
        part.ncols = x->plan->ncols;
        if (n != p->b.n) {
            for (uint32_t i = 0; i < n; i++)
                rows[i] = (uint16_t)lg_xbatch_row(p, x->tree->pending_at + i);
            part.sel = rows;
            part.n = n;
        }
        LG_TRY(sink(arg, &part));
    }
    x->tree->pending_at += n;
    *ret_n = n;
    if (x->tree->pending_at == p->b.n)
        x->tree->pending = NULL;
    return LG_OK;
}

/* Data-modifying WITH queries run to their ends, whatever was read of them; so does the statement
 * itself before its first row is given out. Later ones first: they may read earlier ones. */
static lg_status
run_modifying(lg_exec *x)
{
    lg_xbatch *b;
    lg_status st;
    lg_xstore *kept = LG_NEW(x->arena, lg_xstore);
    lg_xstore_init_spill(kept, x, x->tree->root->plan->ncols,
                         lg_xnode_types(x->tree->root, x->tree->root->plan), lg_xbudget_sort(x));
    x->tree->kept = kept;
    x->tree->kept_at = LG_NEW(x->arena, lg_xcursor);
    while ((st = lg_xnode_next(x->tree->root, &b)) == LG_OK)
        LG_TRY(lg_xstore_put_batch(kept, b));
    for (uint32_t i = x->plan->nctes; st == LG_END && i > 0; i--) {
        if (!x->plan->ctes[i - 1].modifies)
            continue;
        while ((st = lg_xnode_next(x->tree->ctes[i - 1].root, &b)) == LG_OK)
            continue;
    }
    return st == LG_END ? LG_OK : st;
}

static lg_status
next_kept(lg_exec *x, lg_xbatch **ret)
{
    lg_xbatch *b = &x->tree->kept_batch;
    if (!x->tree->kept)
        LG_TRY(run_modifying(x));
    if (!b->cap)
        lg_xbatch_init(b, x->arena, x->tree->root->plan->ncols,
                       lg_xnode_types(x->tree->root, x->tree->root->plan), LG_BATCH);
    *ret = b;
    return lg_xstore_fill(x->tree->kept, x->tree->kept_at, b);
}

/* A statement that changes rows has changed them all when it gives its first batch: then come the
 * checks that waited for that. */
static lg_status
next_checked(lg_exec *x)
{
    if (!x->tree->checked && !x->tree->started)
        x->tree->checks_from = lg_xcheck_mark(x->es);
    x->tree->started = true;
    lg_status st = x->plan->has_modifying_ctes ? next_kept(x, &x->tree->pending)
                                               : lg_xnode_next(x->tree->root, &x->tree->pending);
    if (x->tree->checked || (st != LG_OK && st != LG_END))
        return st;
    x->tree->checked = true;
    lg_status checks = lg_xcheck_statement(x->es, x->tree->checks_from);
    return checks == LG_OK ? st : checks;
}

lg_status
lg_exec_fetch(lg_exec *x, uint64_t max_rows, lg_exec_sink sink, void *sink_arg, uint64_t *ret_n)
{
    uint64_t total = 0;
    *ret_n = 0;
    while (!max_rows || total < max_rows) {
        uint64_t n = 0;
        if (!x->tree->pending) {
            if (x->tree->ended)
                return LG_END;
            lg_status st = lg_xcanceled(x->es, next_checked(x));
            if (st == LG_END) {
                x->tree->ended = true;
                x->tree->pending = NULL;
                return LG_END;
            }
            LG_TRY(st);
            x->tree->pending_at = 0;
        }
        LG_TRY(hand_out(x, max_rows ? max_rows - total : 0, sink, sink_arg, &n));
        total += n;
        if (x->plan->cmd == LG_CMD_SELECT)
            x->tree->rows += n;
        *ret_n = total;
    }
    return LG_OK;
}

uint64_t
lg_exec_rows(const lg_exec *x)
{
    return x->tree->rows;
}

void
lg_exec_tag(const lg_plan *plan, uint64_t rows, char tag[LG_TAG_MAX])
{
    static const char *const names[] = {"SELECT", "INSERT 0", "UPDATE", "DELETE"};
    if (plan->is_call)
        snprintf(tag, LG_TAG_MAX, "CALL");
    else
        snprintf(tag, LG_TAG_MAX, "%s %llu", names[plan->cmd], (unsigned long long)rows);
}
