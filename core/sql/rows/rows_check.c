/* The queue of checks that come after the row, and SET CONSTRAINTS. The model is in rows_internal.h. */
#include "rows_internal.h"
#include <string.h>

struct mode { /* of SET CONSTRAINTS, newest last; constraint 0: ALL */
    lg_oid constraint;
    bool deferred;
};

struct lg_xchecks {
    lg_arena *arena; /* what events point at; reset when there is none */
    lg_xcheck_event *events;
    uint32_t n, cap;
    struct mode *modes;
    uint32_t nmodes, capmodes;
    uint64_t clock;
};

struct open_table {
    struct open_table *next;
    lg_oid table;
    lg_relation *rel;
    lg_bind bind;
    lg_plan_target pt;
    lg_exec *x;
    lg_xtarget t;
};

struct lg_xcheck_run {
    lg_exec_session *es;
    lg_arena *tables, *row;
    struct open_table *open;
};

static struct lg_xchecks *
checks_of(lg_exec_session *es)
{
    if (!es->checks) {
        es->checks = lg_zalloc(sizeof *es->checks);
        es->checks->clock = 1;
        es->checks->arena = lg_arena_create("checks", 0);
    }
    return es->checks;
}

lg_arena *
lg_xcheck_keep(lg_exec_session *es)
{
    return checks_of(es)->arena;
}

bool
lg_xcheck_deferred(const lg_exec_session *es, lg_oid constraint, bool deferrable, bool initially)
{
    if (!deferrable || !es->checks)
        return deferrable && initially;
    for (uint32_t i = es->checks->nmodes; i-- > 0;) {
        const struct mode *m = &es->checks->modes[i];
        if (!m->constraint || m->constraint == constraint)
            return m->deferred;
    }
    return initially;
}

void
lg_xcheck_add(lg_exec_session *es, const lg_xcheck_event *e)
{
    struct lg_xchecks *c = checks_of(es);
    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 64;
        c->events = lg_realloc(c->events, c->cap * sizeof *c->events);
    }
    c->events[c->n++] = *e;
}

bool
lg_xcheck_pending(const lg_exec_session *es, lg_oid table)
{
    for (uint32_t i = 0; es->checks && i < es->checks->n; i++)
        if (!es->checks->events[i].done && es->checks->events[i].table == table)
            return true;
    return false;
}

/* ---- running ---- */

lg_arena *
lg_xcheck_arena(lg_xcheck_run *r)
{
    return r->row;
}

static lg_status
open_table(lg_xcheck_run *r, struct open_table *o)
{
    LG_TRY(lg_cat_relation_by_oid(r->es->cat, o->table, &o->rel));
    lg_bind_init(&o->bind, r->es->cat, r->es->run, r->tables, r->es->env, r->es->err, NULL);
    o->next = r->open;
    r->open = o; /* closed with the run, whatever comes */
    LG_TRY(lg_plan_target_make(&o->bind, o->rel, &o->pt));
    LG_TRY(lg_exec_bare(r->es, 1024, &o->x));
    return lg_xtarget_open(o->x, &o->pt, 0, &o->t);
}

lg_status
lg_xcheck_target(lg_xcheck_run *r, lg_oid table, lg_lockmode mode, lg_xtarget **ret)
{
    LG_TRY(lg_cat_lock(r->es->cat, table, mode, false));
    struct open_table *o = r->open;
    while (o && o->table != table)
        o = o->next;
    if (!o) {
        o = LG_NEW(r->tables, struct open_table);
        o->table = table;
        LG_TRY(open_table(r, o));
    }
    *ret = &o->t;
    return LG_OK;
}

static lg_status
run_unique(lg_xcheck_run *r, const lg_xcheck_event *e)
{
    lg_xtarget *t;
    LG_TRY(lg_xcheck_target(r, e->table, LG_LOCK_ROW_EXCLUSIVE, &t));
    return lg_xtarget_recheck_unique(t, r->row, e->object, e->tid);
}

static bool
wanted(const lg_exec_session *es, const lg_xcheck_event *e, bool all)
{
    return !e->done && (all || !lg_xcheck_deferred(es, e->constraint, e->deferrable, e->deferred));
}

/* Pending events from `from` on, all of them or those that are not deferred. */
static lg_status
run_events(lg_exec_session *es, uint32_t from, bool all)
{
    struct lg_xchecks *c = es->checks;
    lg_xcheck_run r = {.es = es};
    lg_status st = LG_OK;
    if (!c || from >= c->n)
        return LG_OK;
    r.tables = lg_arena_create("checked tables", 0);
    r.row = lg_arena_create("checked row", 0);
    for (uint32_t i = from; i < c->n && st == LG_OK; i++) { /* running adds events */
        if (!wanted(es, &c->events[i], all))
            continue;
        c->events[i].done = c->clock;
        lg_xcheck_event e = c->events[i]; /* the queue may move */
        lg_arena_reset(r.row);
        st = e.kind == LG_XCHECK_UNIQUE ? run_unique(&r, &e) : lg_xfk_run(&r, &e);
        if (st == LG_NOT_FOUND) /* dropped meanwhile: nothing is left to check */
            st = LG_OK;
        if (st == LG_OK && i % 256 == 255 && es->check_cancel)
            st = es->check_cancel(es->arg);
    }
    while (r.open) {
        struct open_table *o = r.open;
        r.open = o->next;
        lg_exec_close(o->x);
        lg_bind_fini(&o->bind);
        lg_relation_unref(o->rel);
    }
    lg_arena_destroy(r.tables);
    lg_arena_destroy(r.row);
    return st;
}

uint32_t
lg_xcheck_mark(const lg_exec_session *es)
{
    return es->checks ? es->checks->n : 0;
}

lg_status
lg_xcheck_statement(lg_exec_session *es, uint32_t from)
{
    struct lg_xchecks *c = es->checks;
    if (!c || c->n <= from)
        return LG_OK;
    LG_TRY(run_events(es, from, false));
    uint32_t n = from; /* no savepoint lies within a statement: what was run is over */
    for (uint32_t i = from; i < c->n; i++)
        if (!c->events[i].done)
            c->events[n++] = c->events[i];
    c->n = n;
    if (!n)
        lg_arena_reset(c->arena);
    return LG_OK;
}

lg_status
lg_xcheck_set(lg_exec_session *es, uint32_t noid, const lg_oid *oids, bool deferred)
{
    struct lg_xchecks *c = checks_of(es);
    for (uint32_t i = 0; i < (noid ? noid : 1); i++) {
        if (c->nmodes == c->capmodes) {
            c->capmodes = c->capmodes ? 2 * c->capmodes : 8;
            c->modes = lg_realloc(c->modes, c->capmodes * sizeof *c->modes);
        }
        c->modes[c->nmodes++] = (struct mode){noid ? oids[i] : 0, deferred};
    }
    return deferred ? LG_OK : run_events(es, 0, false);
}

/* ---- transactions ---- */

void
lg_exec_checks_mark(lg_exec_session *es, lg_exec_checks_marks *ret)
{
    memset(ret, 0, sizeof *ret);
    if (!es->checks)
        return;
    ret->events = es->checks->n;
    ret->modes = es->checks->nmodes;
    ret->clock = ++es->checks->clock;
}

void
lg_exec_checks_rollback_to(lg_exec_session *es, lg_exec_checks_marks m)
{
    struct lg_xchecks *c = es->checks;
    if (!c)
        return;
    if (c->n > m.events)
        c->n = m.events;
    if (c->nmodes > m.modes)
        c->nmodes = m.modes;
    for (uint32_t i = 0; i < c->n; i++)
        if (c->events[i].done >= m.clock)
            c->events[i].done = 0;
}

lg_status
lg_exec_checks_commit(lg_exec_session *es)
{
    return run_events(es, 0, true);
}

void
lg_exec_checks_end(lg_exec_session *es)
{
    struct lg_xchecks *c = es->checks;
    if (!c)
        return;
    c->n = c->nmodes = 0;
    lg_arena_reset(c->arena);
    if (c->cap > 4096) { /* a great transaction's */
        lg_free(c->events);
        c->events = NULL;
        c->cap = 0;
    }
}

void
lg_exec_checks_fini(lg_exec_session *es)
{
    struct lg_xchecks *c = es->checks;
    if (!c)
        return;
    lg_free(c->events);
    lg_free(c->modes);
    lg_arena_destroy(c->arena);
    lg_free(c);
    es->checks = NULL;
}
