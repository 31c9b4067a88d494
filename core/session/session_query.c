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

void
lg_session__statement_begin(lg_session *s, const char *text, size_t len)
{
    size_t n = len < sizeof s->query - 1 ? len : sizeof s->query - 1;
    memcpy(s->query, text, n);
    s->query[n] = 0;
    s->query_start_us = lg_run_wall_us(s->server->cfg.run);
    s->env.stmt_ts = (int64_t)s->query_start_us - LG_TS_UNIX_EPOCH_US;
    s->cancel_reason = LG_CANCEL_USER;
    lg_status stale = lg_fiber_canceled(s->fiber); /* a cancel that came between statements */
    (void)stale;
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
}

static lg_status
refuse_in_failed(lg_session *s, const lg_ast *stmt)
{
    if (s->txn_state != LG_SESSION_TXN_FAILED || lg_session__is_txn_command(stmt))
        return LG_OK;
    return lg_error_set(
        &s->err, "25P02",
        "current transaction is aborted, commands ignored until end of transaction block");
}

/* One statement of a simple query: its own arena, an unnamed portal of its own. */
static lg_status
run_one(lg_session *s, const char *text, const lg_ast *stmt, lg_arena *arena)
{
    char tag[LG_TAG_MAX] = "";
    lg_prepared *p;
    lg_portal *portal = NULL;
    const lg_outcol *cols;
    uint32_t ncols;
    lg_status st = refuse_in_failed(s, stmt);
    if (st != LG_OK) {
        lg_arena_destroy(arena);
        return st;
    }
    LG_TRY(lg_session__prepare(s, "", text, stmt, arena, 0, NULL, &p));
    if (!lg_session__is_txn_command(stmt))
        LG_CHECK(lg_session__txn_statement(s, stmt));
    LG_CHECK(lg_session__portal_create(s, "", p, &portal));
    LG_CHECK(lg_session__columns(s, p, portal->arena, &cols, &ncols));
    if (p->nparams) {
        st = lg_error_set(&s->err, "42P02", "there is no parameter $1");
        goto out;
    }
    if (ncols)
        lg_session__send_columns(s, cols, ncols, NULL, 0);
    st = lg_session__portal_run(s, portal, 0, tag);
    if (st == LG_END) {
        lg_pgwire_send_complete(&s->out, tag);
        st = LG_OK;
    }
out:
    portal = lg_session__portal_find(s, "");
    if (portal)
        lg_session__portal_drop(s, portal);
    lg_session__prepared_unref(p);
    return st;
}

/* Parses the whole text once to count and again per statement: a statement's tree lives as long as
 * its plan, the text's trees only as long as the message. */
static lg_status
run_text(lg_session *s, const char *text)
{
    lg_parse_tree *tree;
    LG_TRY(lg_parse_sql(s->server->cfg.run, text, s->statement, &s->err, &tree));
    if (tree->n == 0) {
        lg_pgwire_send_empty(&s->out, 'I');
        return LG_OK;
    }
    for (uint32_t i = 0; i < tree->n; i++) {
        LG_TRY(run_one(s, tree->sql, tree->stmts[i].stmt, lg_arena_create("statement", 1024)));
        if (i + 1 < tree->n && lg_session__ends_session(s->pending_end))
            return s->pending_end;
    }
    return LG_OK;
}

lg_status
lg_session__simple_query(lg_session *s, const lg_pgwire_msg *m)
{
    lg_pgwire_cursor c = lg_pgwire_cursor_of(m);
    const char *text = lg_arena_strdup(s->statement, lg_pgwire_cstr(&c));
    if (!lg_pgwire_at_end(&c)) {
        (void)lg_error_set(&s->err, "08P01", "invalid message format");
        return LG_PROTOCOL;
    }
    lg_stat_inc(lg_run_stats(s->server->cfg.run), LG_STAT_USER_CALLS);
    lg_session__statement_begin(s, text, strlen(text));
    lg_status st = run_text(s, text);
    if (st == LG_OK)
        st = lg_session__txn_end_implicit(s);
    lg_session__statement_end(s);
    if (st != LG_OK) {
        if (lg_session__ends_session(st))
            return st;
        lg_session__send_error(s, st, "ERROR");
        lg_session__txn_statement_failed(s);
    }
    lg_session__ready(s);
    lg_arena_reset(s->statement);
    return LG_OK;
}
