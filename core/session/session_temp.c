/* The end of temporary objects: with their session, and of sessions whose instance died. */
#include "session_internal.h"
#include <string.h>

#define SWEEP_AGAIN      LG_SEC        /* somebody was making segments ... */
#define SWEEP_AGAIN_MOST (60 * LG_SEC) /* ... or it failed: each time later */

/* A transaction of its own: begin, fn, commit; an error rolls back. */
static lg_status
in_transaction(lg_session_server *srv, lg_exec_session *es, lg_arena *a, const char *schema,
               lg_status (*fn)(lg_exec_session *es, lg_arena *a, const char *schema))
{
    lg_snapshot snap;
    lg_txn *t = lg_txn_begin(srv->cfg.sql.txns);
    lg_cat_begin(es->cat, t);
    lg_status st = lg_txn_fresh(srv->cfg.sql.txns, false);
    lg_txn_snapshot(t, &snap);
    es->snapshot = &snap;
    if (st == LG_OK)
        st = fn(es, a, schema);
    if (st == LG_OK)
        st = lg_cat_pre_commit(es->cat);
    bool committed = false;
    if (st == LG_OK) {
        st = lg_txn_commit(t);
        committed = st == LG_OK;
    } else {
        (void)!lg_txn_rollback(t); /* else whoever recovers this instance rolls it back */
    }
    lg_cat_end(es->cat, committed);
    lg_exec_checks_end(es);
    es->snapshot = NULL;
    return st;
}

static lg_status
drop_own(lg_exec_session *es, lg_arena *a, const char *schema)
{
    (void)schema;
    return lg_ddl_temp_drop(es, a);
}

void
lg_session__temp_end(lg_session *s)
{
    if (!s->cat || !lg_cat_temp_namespace(s->cat) || s->txn)
        return;
    if (lg_fiber_self())
        (void)!lg_fiber_canceled(lg_fiber_self()); /* the client went away: that is known */
    lg_cat_set_user(s->cat, LG_ROLE_BOOTSTRAP);
    lg_status st = in_transaction(s->server, &s->es, s->statement, NULL, drop_own);
    if (st != LG_OK)
        lg_log_warn(s->server->cfg.log, "session", "temporary objects were left behind: %s",
                    lg_status_text(st));
}

/* ---- what the dead left ---- */

struct sweep {
    const char *const *names;
    uint32_t n;
};

static lg_status
list_schemas(lg_exec_session *es, lg_arena *a, const char *arg)
{
    struct sweep *w = (struct sweep *)(uintptr_t)arg;
    return lg_ddl_temp_list(es, a, &w->names, &w->n);
}

static lg_status
sweep_all(lg_session_server *srv, lg_exec_session *es, lg_arena *a)
{
    struct sweep w = {.n = 0};
    LG_TRY(in_transaction(srv, es, a, (const char *)&w, list_schemas));
    for (uint32_t i = 0; i < w.n; i++) {
        lg_status st = lg_cat_temp_claim(es->cat, w.names[i]);
        if (st == LG_LOCK_NOT_AVAILABLE) /* its session lives */
            continue;
        LG_TRY(st);
        st = in_transaction(srv, es, a, w.names[i], lg_ddl_temp_sweep);
        lg_cat_temp_unclaim(es->cat, w.names[i]);
        LG_TRY(st);
        lg_log_info(srv->cfg.log, "session", "dropped what was left in %s", w.names[i]);
    }
    return LG_OK;
}

/* ---- segments that nobody names ---- */

struct lost {
    lg_rel_storage *segments;
    uint32_t n;
};

static lg_status
list_lost(lg_exec_session *es, lg_arena *a, const char *arg)
{
    struct lost *w = (struct lost *)(uintptr_t)arg;
    return lg_cat_segments_lost(es->cat, a, &w->segments, &w->n);
}

/* LG_LOCK_NOT_AVAILABLE: later. */
static lg_status
sweep_segments(lg_session_server *srv, lg_exec_session *es, lg_arena *a)
{
    struct lost w = {.n = 0};
    LG_TRY(lg_cat_segments_claim(es->cat));
    lg_status st = in_transaction(srv, es, a, (const char *)&w, list_lost);
    lg_cat_segments_unclaim(es->cat);
    LG_TRY(st);
    uint32_t given = 0;
    for (uint32_t i = 0; i < w.n && !srv->stopping; i++) {
        lg_status one = lg_cat_segment_reclaim(es->cat, &w.segments[i]);
        given += one == LG_OK;
        LG_KEEP(one); /* one that cannot go does not hold up the others */
    }
    if (given)
        lg_log_info(srv->cfg.log, "session", "gave back the space of %u segments of the dead",
                    given);
    return st;
}

static void
sweep_main(void *arg)
{
    lg_session_server *srv = arg;
    lg_time wait = SWEEP_AGAIN;
    bool again = false; /* only for the segments */
    do {
        bool objects = srv->sweep_again || !again;
        srv->sweep_again = again = false;
        lg_arena *a = lg_arena_create("sweep", 0);
        lg_ges_owner owner;
        lg_env env;
        lg_error err;
        lg_cat *cat = NULL;
        lg_error_init(&err, a);
        lg_env_init(&env);
        env.tzs = srv->cfg.sql.tzs;
        env.ext = srv->cfg.sql.functions;
        lg_ges_owner_init(srv->cfg.sql.ges, &owner, NULL);
        lg_status st = lg_cat_create(srv->cfg.sql.catalog, LG_ROLE_BOOTSTRAP, "", &cat);
        if (st == LG_OK) {
            lg_exec_session es = {.run = srv->cfg.run,
                                  .cat = cat,
                                  .env = &env,
                                  .err = &err,
                                  .utility = lg_ddl_utility};
            env.session = &es;
            env.user = &lg_exec_usertypes;
            lg_cat_set_owner(cat, &owner);
            st = objects ? sweep_all(srv, &es, a) : LG_OK;
            if (st == LG_OK) {
                st = sweep_segments(srv, &es, a);
                again = st != LG_OK;
            }
            lg_ddl_session_fini(&es);
            lg_exec_session_fini(&es);
            lg_cat_destroy(cat);
        }
        lg_ges_owner_fini(&owner);
        if (st != LG_OK && st != LG_LOCK_NOT_AVAILABLE && !srv->stopping) {
            wait = 2 * wait < SWEEP_AGAIN_MOST ? 2 * wait : SWEEP_AGAIN_MOST;
            lg_log_warn(srv->cfg.log, "session", "objects and space of the dead stay: %s",
                        err.set ? err.message : lg_status_text(st));
        }
        lg_arena_destroy(a);
        if (again && !srv->stopping) {
            lg_time until = lg_run_now_ns(srv->cfg.run) + wait;
            (void)!lg_fiber_sleep_until(until, LG_WAIT_BACKGROUND_IDLE);
        }
    } while ((srv->sweep_again || again) && !srv->stopping);
    srv->sweeper = NULL;
    lg_waitq_wake_all(&srv->gone);
}

void
lg_session_server_sweep(lg_session_server *srv)
{
    srv->sweep_again = true;
    if (srv->sweeper || srv->stopping)
        return;
    if (lg_run_spawn(srv->cfg.run, "sweep", 0, sweep_main, srv, &srv->sweeper) != LG_OK)
        lg_log_warn(srv->cfg.log, "session", "no fiber to sweep temporary objects with");
}
