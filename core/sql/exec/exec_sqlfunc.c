/* Running functions in SQL that were not merged into the query (plan_inline.c).
 *
 * A body's statements are planned when they are first reached, and kept by the session with what
 * they were made from, as its prepared statements are; a call that meets its own plans in use (the
 * function calls itself) makes others. A VOLATILE function's statements each have a snapshot of
 * their own and so see what those before them did; others see what the caller sees. The caller's
 * snapshot is put back. All rows of a set are collected before the first is given. */
#include "bind_sqlfunc.h"
#include "catalog_deps.h"
#include "exec_internal.h"
#include "map.h"
#include "record.h"
#include "txn.h"
#include <string.h>

#define STACK_MAX (384u << 10)
#define KEPT_MAX  500u

typedef struct part {
    const lg_ast *stmt;
    lg_arena *arena; /* of the plan; NULL: none */
    lg_bind bind;
    lg_plan *plan;
    lg_cat_deps deps;
    uint64_t own_generation;
} part;

typedef struct body {
    struct body *next; /* of the same function */
    lg_arena *arena;
    const char *text;
    lg_oid user, result;
    uint32_t nargs;
    lg_oid *types;
    uint32_t n;
    part *parts;
    bool busy;
} body;

static void
part_clear(part *p)
{
    if (!p->arena)
        return;
    if (p->plan)
        lg_plan_fini(p->plan);
    else
        lg_bind_fini(&p->bind);
    lg_cat_deps_fini(&p->deps);
    lg_arena_destroy(p->arena);
    p->arena = NULL;
    p->plan = NULL;
}

static void
body_free(body *b)
{
    for (uint32_t i = 0; i < b->n; i++)
        part_clear(&b->parts[i]);
    lg_arena_destroy(b->arena);
}

static void
functions_clear(lg_exec_session *es)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    if (!es->functions)
        return;
    while (lg_map_next(es->functions, &pos, &key, &v))
        for (body *b = v, *next; b; b = next) {
            next = b->next;
            body_free(b);
        }
    lg_map_destroy(es->functions);
    es->functions = NULL;
}

static bool
same(const body *b, const lg_exec_session *es, const lg_proc *p, const lg_oid *types, lg_oid result)
{
    return !b->busy && b->user == lg_cat_user(es->cat) && b->result == result &&
           b->nargs == p->func.nargs && !memcmp(b->types, types, b->nargs * sizeof *types) &&
           !strcmp(b->text, p->body);
}

static lg_status
body_get(lg_exec_session *es, const lg_proc *p, const lg_oid *types, lg_oid result, body **ret)
{
    lg_parse_tree *t;
    if (!es->functions)
        es->functions = lg_map_create();
    body *first = lg_map_get(es->functions, p->func.oid);
    for (body *b = first; b; b = b->next)
        if (same(b, es, p, types, result)) {
            *ret = b;
            return LG_OK;
        }
    lg_arena *a = lg_arena_create("function", 2048);
    lg_status st = lg_parse_sql(es->run, p->body, a, es->err, &t);
    if (st != LG_OK) {
        lg_arena_destroy(a);
        return st;
    }
    body *b = LG_NEW(a, body);
    *b = (body){.arena = a,
                .text = lg_arena_strdup(a, p->body),
                .user = lg_cat_user(es->cat),
                .result = result,
                .nargs = p->func.nargs,
                .n = t->n};
    b->types = lg_arena_dup(a, types, (b->nargs + 1) * sizeof *types);
    b->parts = LG_NEWN(a, part, t->n + 1);
    for (uint32_t i = 0; i < t->n; i++)
        b->parts[i].stmt = t->stmts[i].stmt;
    b->next = first;
    lg_map_put(es->functions, p->func.oid, b);
    *ret = b;
    return LG_OK;
}

/* ---- planning ---- */

static lg_status
part_plan(lg_exec_session *es, const lg_proc *p, const body *b, part *x, bool last)
{
    lg_query *q;
    LG_TRY(lg_cat_refresh(es->cat));
    if (x->arena && x->own_generation == lg_cat_own_generation(es->cat) && !x->plan->left_out &&
        (!es->snapshot || x->plan->since <= es->snapshot->scn) &&
        lg_cat_deps_good(es->cat, &x->deps))
        return LG_OK;
    part_clear(x);
    x->arena = lg_arena_create("function plan", 4096);
    x->own_generation = lg_cat_own_generation(es->cat);
    lg_cat_deps *outer = lg_cat_deps_swap(es->cat, NULL);
    lg_cat_deps_begin(es->cat, &x->deps);
    lg_bind_init(&x->bind, es->cat, es->run, x->arena, es->env, es->err, NULL);
    lg_bind_function_begin(&x->bind, p, b->types);
    x->bind.stack_base = es->stack_base;
    lg_status st = lg_bind_function_query(&x->bind, p, b->result, x->stmt, last, &q);
    if (st == LG_OK)
        st = lg_exec_plan(es, &x->bind, q, &x->plan);
    lg_cat_deps_end(es->cat);
    lg_cat_deps_swap(es->cat, outer);
    if (st != LG_OK)
        part_clear(x);
    return st;
}

/* ---- running ---- */

typedef struct run {
    lg_exec_session *es;
    const lg_proc *p;
    const lg_datum *args;
    const uint8_t *nulls;
    lg_exec_sink sink;
    void *sink_arg;
    bool one; /* only the first row is wanted */
} run;

static lg_status
run_plan(run *r, body *b, part *x, bool last)
{
    lg_exec_session *es = r->es;
    lg_exec *e = NULL;
    uint64_t n;
    lg_status st = LG_RETRY;
    for (int tries = 0; tries < 10 && st == LG_RETRY; tries++) {
        LG_TRY(part_plan(es, r->p, b, x, last));
        if (r->p->func.volatility != 'v' && !x->plan->read_only)
            return lg_error_set(es->err, "0A000", "%s is not allowed in a non-volatile function",
                                x->plan->cmd == LG_CMD_INSERT   ? "INSERT"
                                : x->plan->cmd == LG_CMD_UPDATE ? "UPDATE"
                                : x->plan->cmd == LG_CMD_DELETE ? "DELETE"
                                                                : "SELECT FOR UPDATE");
        st = lg_exec_open(es, x->plan, r->args, r->nulls, &e);
        if (st == LG_RETRY)
            lg_cat_deps_spoil(&x->deps);
    }
    if (st == LG_RETRY)
        return lg_error_set(es->err, "55P03", "the tables of the statement keep changing");
    LG_TRY(st);
    bool rows = last && b->result != LG_T_VOID;
    bool first = rows && r->one && x->plan->cmd == LG_CMD_SELECT && !x->plan->has_modifying_ctes;
    st = lg_exec_fetch(e, first ? 1 : 0, rows ? r->sink : NULL, r->sink_arg, &n);
    lg_exec_close(e);
    return st == LG_END ? LG_OK : st;
}

static lg_status
run_utility(run *r, const lg_ast *stmt)
{
    char tag[LG_TAG_MAX], name[LG_COMMAND_TAG_MAX];
    lg_exec_session *es = r->es;
    if (r->p->func.volatility != 'v')
        return lg_error_set(es->err, "0A000", "%s is not allowed in a non-volatile function",
                            lg_ast_command_tag(stmt, name));
    lg_arena *a = lg_arena_create("function utility", 1024);
    lg_status st = stmt->tag == LG_AST_COPY_STMT || !es->utility
                       ? LG_UNSUPPORTED
                       : es->utility(es, a, stmt, NULL, NULL, NULL, tag);
    if (st == LG_UNSUPPORTED)
        st = lg_error_set(es->err, "0A000", "%s is not allowed in an SQL function",
                          lg_ast_command_tag(stmt, name));
    lg_arena_destroy(a);
    return st;
}

/* A snapshot that sees what this transaction has done so far. */
static lg_status
snapshot_now(lg_exec_session *es, lg_snapshot *ret)
{
    struct lg_txn *txn = lg_cat_txn(es->cat);
    if (es->repeatable_read && es->snapshot) {
        *ret = *es->snapshot;
        lg_txn_snapshot_refresh_own(txn, ret);
    } else {
        LG_TRY(lg_txn_fresh(lg_txn_sys_of(txn), true));
        lg_txn_snapshot(txn, ret);
    }
    return LG_OK;
}

static lg_status
run_statements(run *r, body *b)
{
    lg_exec_session *es = r->es;
    const struct lg_snapshot *outer = es->snapshot;
    lg_snapshot *inner = es->inner, own;
    lg_status st = LG_OK;
    bool fresh = r->p->func.volatility == 'v' && outer;
    for (uint32_t i = 0; i < b->n && st == LG_OK; i++) {
        bool last = i + 1 == b->n;
        const lg_ast *stmt = b->parts[i].stmt;
        if (fresh) {
            es->snapshot = outer;
            st = snapshot_now(es, &own);
            es->snapshot = &own;
        } else if (outer) {
            own = *outer;
            if (es->unconfirmed)
                st = lg_txn_snapshot_renew(lg_cat_txn(es->cat), &own);
            es->snapshot = &own;
        }
        es->inner = &own;
        if (st == LG_OK)
            st = lg_bind_is_query(stmt) ? run_plan(r, b, &b->parts[i], last) : run_utility(r, stmt);
    }
    es->snapshot = outer;
    es->inner = inner;
    return st;
}

/* ---- SECURITY DEFINER and SET ---- */

typedef struct saved {
    lg_oid user;
    const char *sql;
    uint32_t n;
    const char **names, **values;
} saved;

static lg_status
enter(lg_exec_session *es, const lg_proc *p, lg_arena *a, saved *s)
{
    *s = (saved){.user = lg_cat_user(es->cat), .sql = es->sql};
    s->names = LG_NEWN(a, const char *, p->nconfig + 1);
    s->values = LG_NEWN(a, const char *, p->nconfig + 1);
    es->sql = NULL;
    if (p->secdef)
        lg_cat_set_user(es->cat, p->owner);
    for (uint32_t i = 0; i < p->nconfig && es->set_setting; i++) {
        const char *eq = strchr(p->config[i], '=');
        if (!eq)
            continue;
        const char *name = lg_arena_strndup(a, p->config[i], (size_t)(eq - p->config[i]));
        const char *old = es->setting ? es->setting(es->arg, name) : NULL;
        s->names[s->n] = name;
        s->values[s->n++] = old ? lg_arena_strdup(a, old) : NULL;
        LG_TRY(es->set_setting(es->arg, name, eq + 1, true));
    }
    return LG_OK;
}

static lg_status
leave(lg_exec_session *es, const saved *s, lg_status st)
{
    es->sql = s->sql;
    lg_cat_set_user(es->cat, s->user);
    for (uint32_t i = s->n; i-- > 0;)
        if (s->values[i] && st == LG_OK) /* after an error the transaction takes them back */
            LG_KEEP(es->set_setting(es->arg, s->names[i], s->values[i], true));
    return st;
}

static lg_status
run_function(run *r, const lg_oid *types, lg_oid result)
{
    lg_exec_session *es = r->es;
    const char *here = (const char *)__builtin_frame_address(0), *base = es->stack_base;
    saved s;
    body *b;
    if (!base)
        es->stack_base = here;
    if (base && (size_t)(base > here ? base - here : here - base) > STACK_MAX) {
        lg_error_set(es->err, "54001", "stack depth limit exceeded");
        lg_error_hint(es->err, "Increase the configuration parameter \"max_stack_depth\" "
                               "(currently 2048kB), after ensuring the platform's stack depth "
                               "limit is adequate.");
        return LG_SQL;
    }
    if (!base && es->functions && lg_map_count(es->functions) > KEPT_MAX)
        functions_clear(es);
    lg_arena *a = lg_arena_create("function call", 512);
    lg_status st = enter(es, r->p, a, &s);
    if (st == LG_OK)
        st = body_get(es, r->p, types, result, &b);
    if (st == LG_OK) {
        b->busy = true;
        st = run_statements(r, b);
        b->busy = false;
    }
    st = leave(es, &s, st);
    lg_arena_destroy(a);
    es->stack_base = base;
    if (st < 0 && es->err->set && !es->err->context)
        lg_error_context(es->err, "SQL function \"%s\" statement 1", r->p->func.name);
    return st;
}

/* ---- results ---- */

typedef struct rows {
    lg_arena *a;
    lg_oid result; /* a record: columns are put into one */
    bool columns;  /* each column on its own (OUT parameters) */
    uint32_t ncols;
    uint64_t n, at, cap;
    lg_datum **list; /* ncols values, then as many nulls */
} rows;

static lg_datum
as_record(rows *r, const lg_batch *b, const lg_datum *v, const uint8_t *nulls)
{
    lg_oid *types = LG_NEWN(r->a, lg_oid, b->ncols + 1);
    for (uint32_t k = 0; k < b->ncols; k++)
        types[k] = b->cols[k]->type;
    return lg_record_pack(r->a, r->result, b->ncols, types, v, nulls, NULL);
}

static lg_status
collect(void *arg, const lg_batch *b)
{
    rows *r = arg;
    bool record = !r->columns &&
                  (r->result == LG_T_RECORD || (lg_usertype_of(r->result) == LG_UT_ROW &&
                                                !(b->ncols == 1 && b->cols[0]->type == r->result)));
    r->ncols = record ? 1 : b->ncols;
    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t at = lg_sel_row(b->sel, i);
        lg_datum *v = LG_NEWN(r->a, lg_datum, b->ncols + b->ncols / 8 + 2);
        uint8_t *nulls = (uint8_t *)(v + b->ncols);
        for (uint32_t k = 0; k < b->ncols; k++) {
            nulls[k] = lg_vector_is_null(b->cols[k], at);
            v[k] = nulls[k]
                       ? 0
                       : lg_datum_copy(b->cols[k]->type, lg_vector_value(b->cols[k], at), r->a);
        }
        if (record) {
            lg_datum d = as_record(r, b, v, nulls);
            v[0] = d;
            nulls = (uint8_t *)(v + 1);
            nulls[0] = 0;
        }
        if (r->n == r->cap) {
            uint64_t cap = r->cap ? 2 * r->cap : 8;
            lg_datum **more = LG_NEWN(r->a, lg_datum *, cap);
            if (r->n)
                memcpy(more, r->list, r->n * sizeof *more);
            r->list = more;
            r->cap = cap;
        }
        r->list[r->n++] = v;
    }
    return LG_OK;
}

static lg_oid
result_of(const lg_call *c)
{
    if (lg_usertype_is_domain(c->func->result)) /* rettype is its base */
        return c->func->result;
    return c->rettype ? c->rettype : c->func->result;
}

static lg_datum
call_scalar(lg_call *c)
{
    lg_exec_session *es = c->env->session;
    rows out = {.a = c->arena, .result = result_of(c)};
    run r = {.es = es,
             .p = lg_proc_of(c->func),
             .args = c->args,
             .nulls = c->nulls,
             .sink = collect,
             .sink_arg = &out,
             .one = true};
    lg_status st = run_function(&r, c->argtypes ? c->argtypes : c->func->args, out.result);
    c->isnull = true;
    if (st != LG_OK) {
        c->st = st;
        return 0;
    }
    if (!out.n)
        return 0;
    c->isnull = ((uint8_t *)(out.list[0] + out.ncols))[0] != 0;
    return c->isnull ? 0 : out.list[0][0];
}

static lg_status
set_open(lg_call *c, void **ret_state)
{
    rows *out = LG_NEW(c->arena, rows);
    const lg_func *f = c->func;
    *out = (rows){.a = c->arena, .result = result_of(c), .columns = f->n_out > 0};
    run r = {.es = c->env->session,
             .p = lg_proc_of(f),
             .args = c->args,
             .nulls = c->nulls,
             .sink = collect,
             .sink_arg = out,
             .one = !lg_func_retset(f)};
    *ret_state = out;
    return run_function(&r, c->argtypes ? c->argtypes : f->args, out->result);
}

static lg_status
set_next(lg_call *c, void *state, lg_datum *ret_values, uint8_t *ret_nulls)
{
    rows *r = state;
    if (!r->n && !r->at && !lg_func_retset(c->func)) { /* OUT parameters: always one row */
        r->at = 1;
        for (uint32_t k = 0; k < c->func->n_out; k++)
            ret_nulls[k] = 1;
        return LG_OK;
    }
    if (r->at >= r->n)
        return LG_END;
    const lg_datum *v = r->list[r->at++];
    memcpy(ret_values, v, r->ncols * sizeof *v);
    memcpy(ret_nulls, v + r->ncols, r->ncols);
    return LG_OK;
}

static const lg_srf set_calls = {set_open, set_next};

void
lg_exec_procs_register(lg_catalog *cat)
{
    lg_catalog_proc_calls(cat, call_scalar, &set_calls);
}

void
lg_exec_session_fini(lg_exec_session *es)
{
    functions_clear(es);
    lg_exec_checks_fini(es);
    lg_xdomains_fini(es);
}
