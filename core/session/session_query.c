/* The simple query protocol: one message, any number of statements, one implicit transaction. */
#include "session_internal.h"
#include <stdio.h>
#include <string.h>

static void
on_statement_timeout(void *arg)
{
    lg_session *s = arg;
    if (s->fiber && s->state == LG_SESSION_ACTIVE) {
        s->cancel_reason = LG_CANCEL_STATEMENT_TIMEOUT;
        lg_fiber_cancel(s->fiber, LG_CANCELED);
    }
}

/* In an allocation of the session's fiber (mem.h): fails the statement as a cancel would. */
static void
on_memory(void *arg)
{
    lg_session *s = arg;
    s->cancel_reason = LG_CANCEL_MEMORY;
    lg_fiber_cancel(s->fiber, LG_CANCELED);
}

void
lg_session__statement_begin(lg_session *s, const char *text, size_t len)
{
    size_t n = len < sizeof s->query - 1 ? len : sizeof s->query - 1;
    memcpy(s->query, text, n);
    s->query[n] = 0;
    s->query_id = 0;
    s->query_start_us = lg_run_wall_us(s->server->cfg.run);
    s->env.stmt_ts = (int64_t)s->query_start_us - LG_TS_UNIX_EPOCH_US;
    s->cancel_reason = LG_CANCEL_USER;
    lg_status stale = lg_fiber_canceled(s->fiber); /* a cancel that came between statements */
    (void)stale;
    lg_mem_meter *meter = lg_fiber_meter(s->fiber);
    meter->bytes = 0;
    meter->over = on_memory;
    meter->arg = s;
    int64_t timeout_ms = lg_settings_int(s->settings, LG_SETTING_statement_timeout);
    if (timeout_ms > 0) {
        lg_timer_init(&s->statement_timer, s->server->cfg.run, on_statement_timeout, s);
        lg_timer_start(&s->statement_timer,
                       lg_run_now_exact_ns(s->server->cfg.run) + (uint64_t)timeout_ms * LG_MS);
    }
}

void
lg_session__statement_end(lg_session *s)
{
    if (s->statement_timer.slot)
        lg_timer_stop(&s->statement_timer);
    lg_fiber_meter(s->fiber)->over = NULL;
    /* A cancel that came when the statement had failed already is not the next one's, nor the session's. */
    lg_status late = lg_fiber_canceled(s->fiber);
    if (late != LG_OK && late != LG_CANCELED)
        lg_fiber_cancel(s->fiber, late);
}

static lg_status
refuse_in_failed(lg_session *s, const lg_ast *stmt)
{
    if (s->txn_state != LG_SESSION_TXN_FAILED || lg_session__ends_failed(stmt))
        return LG_OK;
    return lg_error_set(
        &s->err, "25P02",
        "current transaction is aborted, commands ignored until end of transaction block");
}

static lg_status
run_portal(lg_session *s, lg_portal *portal)
{
    char tag[LG_TAG_MAX] = "";
    const lg_outcol *cols;
    uint32_t ncols;
    if (lg_bind_is_query(portal->prepared->stmt)) {
        /* Only what is locked is sure to have the columns that are told. */
        LG_TRY(lg_session__portal_open(s, portal));
        cols = portal->planned->plan->cols;
        ncols = portal->planned->plan->ncols;
    } else {
        LG_TRY(lg_session__columns(s, portal->prepared, portal->arena, &cols, &ncols));
    }
    if (portal->prepared->nparams && !portal->values)
        return lg_session__refuse_params(s, portal->prepared);
    if (lg_session__gives_rows(portal->prepared, ncols))
        lg_session__send_columns(s, cols, ncols, NULL, 0);
    lg_status st = lg_session__portal_run(s, portal, 0, tag);
    if (st != LG_END)
        return st;
    lg_pgwire_send_complete(&s->out, tag);
    return LG_OK;
}

static void
drop_unnamed(lg_session *s)
{
    lg_portal *portal = lg_session__portal_find(s, "");
    if (portal)
        lg_session__portal_drop(s, portal);
}

/* One statement of a simple query: its own arena, an unnamed portal of its own. */
static lg_status
run_one(lg_session *s, const char *text, const lg_parse_stmt *part, lg_arena *arena)
{
    const lg_ast *stmt = part->stmt;
    lg_prepared *p;
    lg_portal *portal = NULL;
    lg_session__log_command(s, stmt);
    lg_status st = refuse_in_failed(s, stmt);
    if (st != LG_OK) {
        lg_arena_destroy(arena);
        return st;
    }
    LG_TRY(lg_session__prepare(s, "", text, stmt, arena, 0, NULL, &p));
    p->text_loc = part->loc;
    p->text_len = part->len;
    if (!lg_session__is_txn_command(stmt))
        LG_CHECK(lg_session__txn_statement(s, stmt));
    LG_CHECK(lg_session__portal_create(s, "", p, &portal));
    st = run_portal(s, portal);
out:
    drop_unnamed(s);
    lg_session__prepared_unref(p);
    return st;
}

/* A statement of the cache, whose reference this spends. ret_ran false: nothing was done, for the
 * constants do not fit, which the whole way tells best. */
static lg_status
run_shared(lg_session *s, lg_prepared *p, const lg_session_lookup *look, bool *ret_ran)
{
    lg_portal *portal;
    lg_status st = LG_OK;
    *ret_ran = true;
    lg_session__log_command(s, p->stmt);
    LG_CHECK(refuse_in_failed(s, p->stmt));
    if (!lg_session__is_txn_command(p->stmt))
        LG_CHECK(lg_session__txn_statement(s, p->stmt));
    LG_CHECK(lg_session__portal_create(s, "", p, &portal));
    if (look->nconsts && lg_session__cache_values(s, look, portal) != LG_OK) {
        lg_error_clear(&s->err);
        *ret_ran = false;
    } else {
        st = run_portal(s, portal);
    }
    drop_unnamed(s);
out:
    lg_session__prepared_unref(p);
    return st;
}

/* A text of one statement: perhaps one that is worth keeping. */
static lg_status
run_learnt(lg_session *s, lg_session_lookup *look, const lg_ast *stmt, bool *ret_ran)
{
    lg_prepared *p;
    *ret_ran = true;
    lg_session__log_command(s, stmt);
    LG_TRY(refuse_in_failed(s, stmt));
    if (lg_bind_is_query(stmt))
        LG_TRY(lg_session__txn_statement(s, stmt));
    lg_status st = lg_session__cache_learn(s, look, stmt, &p);
    if (st == LG_OK)
        return run_shared(s, p, look, ret_ran);
    *ret_ran = st != LG_NOT_FOUND;
    return st;
}

/* The text's trees live as long as the message; a statement's own things as long as its plan. */
static lg_status
run_text(lg_session *s, const char *text, size_t len)
{
    lg_session_lookup look;
    lg_parse_tree *tree;
    lg_prepared *p = lg_session__cache_find(s, text, len, &look);
    bool known = p != NULL, ran;
    lg_status st;
    if (known) {
        lg_session__log_simple(s, p->stmt);
        st = run_shared(s, p, &look, &ran);
        if (ran)
            return st;
    }
    LG_TRY(lg_parse_sql(s->server->cfg.run, text, s->statement, &s->err, &tree));
    if (tree->n == 0) {
        lg_session__log_simple(s, NULL);
        lg_pgwire_send_empty(&s->out, 'I');
        return LG_OK;
    }
    for (uint32_t i = 0; i < tree->n && !known; i++)
        lg_session__log_simple(s, tree->stmts[i].stmt);
    if (tree->n == 1 && !known) {
        st = run_learnt(s, &look, tree->stmts[0].stmt, &ran);
        if (ran)
            return st;
    }
    s->several = tree->n > 1;
    for (uint32_t i = 0; i < tree->n; i++) {
        LG_TRY(run_one(s, tree->sql, &tree->stmts[i], lg_arena_create("statement", 1024)));
        if (i + 1 < tree->n && lg_session__ends_session(s->pending_end))
            return s->pending_end;
    }
    return LG_OK;
}

lg_status
lg_session__simple_query(lg_session *s, const lg_pgwire_msg *m)
{
    lg_pgwire_cursor c = lg_pgwire_cursor_of(m);
    const char *text;
    size_t len;
    lg_stat_inc(lg_run_stats(s->server->cfg.run), LG_STAT_USER_CALLS);
    lg_status st = lg_session__get_text(s, &c, s->statement, &text, &len);
    if (st == LG_OK && !lg_pgwire_at_end(&c))
        st = lg_error_set(&s->err, "08P01", "invalid message format");
    if (st != LG_OK)
        text = "", len = 0;
    lg_session__log_begin(s, text);
    lg_session__statement_begin(s, text, len);
    if (st == LG_OK)
        st = run_text(s, text, len);
    if (st == LG_OK)
        st = lg_session__txn_end_implicit(s);
    if (st == LG_OK)
        lg_session__log_end(s, NULL);
    lg_session__statement_end(s);
    s->several = false;
    if (st != LG_OK) {
        if (lg_session__ends_session(st))
            return st;
        lg_session__send_error(s, st, "ERROR");
        lg_session__txn_statement_failed(s);
        LG_TRY(lg_session__still_in_sync(s));
    }
    s->log_text = NULL;
    lg_session__ready(s);
    lg_arena_reset(s->statement);
    return LG_OK;
}
