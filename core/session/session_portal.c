/* Portals: statements bound to parameters and run, at once or piece by piece; SQL cursors are
 * portals too. A portal ends with its transaction. */
#include "session_internal.h"
#include <stdio.h>
#include <string.h>

lg_status
lg_session__portal_create(lg_session *s, const char *name, lg_prepared *prepared,
                          lg_portal **ret_portal)
{
    lg_portal *old = lg_session__portal_find(s, name);
    if (old && *name)
        return lg_error_set(&s->err, "42P03", "cursor \"%s\" already exists", name);
    if (old)
        lg_session__portal_drop(s, old);
    lg_portal *p = lg_zalloc(sizeof *p);
    p->arena = lg_arena_create("portal", 1024);
    p->name = lg_arena_strdup(p->arena, name);
    p->prepared = prepared;
    prepared->refs++;
    lg_strmap_put(s->portals, name, strlen(name), p);
    *ret_portal = p;
    return LG_OK;
}

lg_portal *
lg_session__portal_find(lg_session *s, const char *name)
{
    return lg_strmap_get(s->portals, name, strlen(name));
}

void
lg_session__portal_drop(lg_session *s, lg_portal *p)
{
    lg_strmap_remove(s->portals, p->name, strlen(p->name));
    lg_session__meter_drop(p);
    lg_exec_close(p->exec);
    lg_session__held_drop(p->held);
    lg_session__plan_unref(p->planned);
    lg_session__prepared_unref(p->prepared);
    lg_session__prepared_unref(p->declared_by);
    lg_arena_destroy(p->arena);
    lg_free(p);
}

void
lg_session__portals_drop_all(lg_session *s, bool held)
{
    size_t pos = 0, len;
    const char *name;
    void *v;
    while (lg_strmap_next(s->portals, &pos, &name, &len, &v)) {
        lg_portal *p = v;
        if (p->survives && !held)
            continue;
        lg_session__portal_drop(s, p);
        pos = 0; /* the map changed: start over */
    }
}

/* SQL cursors only: portals of the protocol stay. */
void
lg_session__cursors_drop_all(lg_session *s)
{
    size_t pos = 0, len;
    const char *name;
    void *v;
    while (lg_strmap_next(s->portals, &pos, &name, &len, &v)) {
        lg_portal *p = v;
        if (!p->is_cursor)
            continue;
        lg_session__portal_drop(s, p);
        pos = 0; /* the map changed: start over */
    }
}

/* Opens the execution; a plan that turns out to be out of date is made again. */
lg_status
lg_session__portal_open(lg_session *s, lg_portal *p)
{
    p->snapshot = s->snapshot;
    s->es.snapshot = &p->snapshot;
    for (int tries = 0; tries < 10; tries++) {
        lg_session_plan *plan;
        LG_TRY(lg_session__plan_for(s, p->prepared, p->snapshot.scn, &plan));
        lg_session__plan_unref(p->planned);
        p->planned = plan;
        if (s->es.unconfirmed && !lg_exec_reads_newest(p->planned->plan)) {
            LG_TRY(lg_session__txn_confirm(s));
            p->snapshot = s->snapshot;
        }
        p->unconfirmed = s->es.unconfirmed;
        lg_status st = lg_exec_open(&s->es, p->planned->plan, p->values, p->nulls, &p->exec);
        if (st != LG_RETRY)
            return st;
        lg_cat_deps_spoil(&p->prepared->planned->deps);
    }
    return lg_error_set(&s->err, "55P03", "the tables of the statement keep changing");
}

/* Does the statement tell its client more than a count that a transaction block will confirm? */
static bool
shows(const lg_session *s, const lg_portal *p, const lg_plan *plan)
{
    bool writes =
        plan->cmd == LG_CMD_INSERT || plan->cmd == LG_CMD_UPDATE || plan->cmd == LG_CMD_DELETE;
    return !writes || s->txn_state != LG_SESSION_TXN_BLOCK ||
           lg_session__gives_rows(p->prepared, plan->ncols);
}

struct cursor_sink {
    lg_portal *p;
    lg_session_sink *out; /* NULL: the rows are dropped */
};

/* Of a cursor with hidden columns. */
static lg_status
cursor_rows(void *arg, const lg_batch *b)
{
    struct cursor_sink *c = arg;
    if (b->n)
        lg_session__cursor_note(c->p, b, b->n - 1);
    return c->out ? lg_session__sink(c->out, b) : LG_OK;
}

static lg_status
run_query(lg_session *s, lg_portal *p, uint64_t max_rows, char tag[LG_TAG_MAX])
{
    if (!p->exec)
        LG_TRY(lg_session__portal_open(s, p));
    const lg_plan *plan = p->planned->plan;
    lg_session_sink sink = {s, p->formats, p->nformats, plan->cols, plan->ncols};
    s->out_shows |= shows(s, p, plan);
    uint64_t n = 0;
    lg_portal *outer = s->running;
    s->running = p;
    s->es.snapshot = &p->snapshot;
    s->es.unconfirmed = p->unconfirmed;
    bool gives = lg_session__gives_rows(p->prepared, plan->ncols) && !p->drop_rows;
    struct cursor_sink cursor = {p, gives ? &sink : NULL};
    bool hidden = p->planned->nhidden != 0;
    lg_status st = lg_exec_fetch(p->exec, max_rows,
                                 hidden  ? cursor_rows
                                 : gives ? lg_session__sink
                                         : NULL,
                                 hidden ? (void *)&cursor : &sink, &n);
    p->on_row = max_rows && n == max_rows;
    s->running = outer;
    s->es.snapshot = outer ? &outer->snapshot : &s->snapshot;
    s->es.unconfirmed = outer && outer->unconfirmed;
    p->rows += n;
    if (st != LG_END)
        return st;
    p->done = true;
    lg_exec_tag(plan, plan->cmd == LG_CMD_SELECT ? n : lg_exec_rows(p->exec), tag);
    return LG_END;
}

static lg_status
portal_run(lg_session *s, lg_portal *p, uint64_t max_rows, char tag[LG_TAG_MAX])
{
    const lg_ast *stmt = p->prepared->stmt;
    s->es.sql = p->prepared->text;
    lg_stat_inc(&s->stats, LG_STAT_EXECUTE_COUNT);
    lg_stat_inc(lg_run_stats(s->server->cfg.run), LG_STAT_EXECUTE_COUNT);
    if (lg_bind_is_query(stmt)) {
        if (p->done) { /* run to its end before: nothing more comes */
            lg_exec_tag(p->planned->plan, 0, tag);
            return LG_END;
        }
        return run_query(s, p, max_rows, tag);
    }
    if (p->utility_ran)
        return lg_error_set(&s->err, "55000", "portal \"%s\" cannot be run", p->name);
    p->utility_ran = true;
    s->out_shows |= !lg_session__is_txn_command(stmt);
    if (!lg_session__is_txn_command(stmt))
        LG_TRY(lg_session__txn_confirm(s));
    lg_status st = lg_session__utility(s, p, stmt, tag);
    if (st == LG_UNSUPPORTED && !s->err.set) {
        lg_session_sink sink = {s, p->formats, p->nformats, NULL, 0};
        lg_bind params;
        lg_bind_init(&params, s->cat, s->server->cfg.run, s->statement, &s->env, &s->err,
                     p->prepared->text);
        st = lg_ddl_utility(&s->es, s->statement, stmt, &params, lg_session__sink, &sink, tag);
        lg_bind_fini(&params);
    }
    return st == LG_OK ? LG_END : st;
}

lg_status
lg_session__portal_run(lg_session *s, lg_portal *p, uint64_t max_rows, char tag[LG_TAG_MAX])
{
    lg_session_meter m;
    lg_session__meter_start(s, p, &m);
    bool query = lg_bind_is_query(p->prepared->stmt); /* others may drop their own portal */
    lg_status st = portal_run(s, p, max_rows, tag);
    lg_session__meter_stop(s, query ? p : NULL, &m, st, tag);
    return st;
}
