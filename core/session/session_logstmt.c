/* Statements and their durations in the log: log_statement, log_duration, log_min_duration_statement,
 * log_min_duration_sample with log_statement_sample_rate, log_transaction_sample_rate, and the
 * parameters (log_parameter_max_length, log_parameter_max_length_on_error), in PostgreSQL's words.
 *
 * A message is begun (log_begin), its statement logged before it runs (log_simple, log_execute), and
 * once it has ended well its duration is (log_end): with the statement only if that was not logged. */
#include "session_internal.h"
#include <stdio.h>
#include <string.h>

/* ---- which statements ---- */

static bool
explain_runs(const lg_ast_explain_stmt *e)
{
    for (uint32_t i = 0; i < e->options.n; i++) {
        const lg_ast_def_elem *d = lg_ast_as(e->options.at[i], def_elem);
        const lg_ast_value *v = (const void *)d->arg;
        if (strcmp(d->defname, "analyze") != 0)
            continue;
        return !v || !(v->sval ? !strcmp(v->sval, "off") || !strcmp(v->sval, "false") ||
                                     !strcmp(v->sval, "0")
                               : v->ival == 0);
    }
    return false;
}

/* As PostgreSQL's GetCommandLogLevel. */
static uint8_t
level_of(lg_session *s, const lg_ast *stmt)
{
    const lg_prepared *p;
    switch (stmt->tag) {
    case LG_AST_SELECT_STMT:
        return lg_ast_as(stmt, select_stmt)->into_clause ? LG_SESSION_LOG_DDL : LG_SESSION_LOG_ALL;
    case LG_AST_INSERT_STMT:
    case LG_AST_UPDATE_STMT:
    case LG_AST_DELETE_STMT:
    case LG_AST_MERGE_STMT:
    case LG_AST_TRUNCATE_STMT:
        return LG_SESSION_LOG_MOD;
    case LG_AST_COPY_STMT:
        return lg_ast_as(stmt, copy_stmt)->is_from ? LG_SESSION_LOG_MOD : LG_SESSION_LOG_ALL;
    case LG_AST_PREPARE_STMT:
        return level_of(s, lg_ast_as(stmt, prepare_stmt)->query);
    case LG_AST_EXECUTE_STMT:
        p = lg_session__prepared_find(s, lg_ast_as(stmt, execute_stmt)->name);
        return p && p->stmt ? level_of(s, p->stmt) : LG_SESSION_LOG_ALL;
    case LG_AST_EXPLAIN_STMT:
        return explain_runs(lg_ast_as(stmt, explain_stmt))
                   ? level_of(s, lg_ast_as(stmt, explain_stmt)->query)
                   : LG_SESSION_LOG_ALL;
    case LG_AST_TRANSACTION_STMT:
    case LG_AST_CONSTRAINTS_SET_STMT:
    case LG_AST_VARIABLE_SET_STMT:
    case LG_AST_VARIABLE_SHOW_STMT:
    case LG_AST_DISCARD_STMT:
    case LG_AST_VACUUM_STMT:
    case LG_AST_REINDEX_STMT:
    case LG_AST_CHECK_POINT_STMT:
    case LG_AST_LOCK_STMT:
    case LG_AST_DEALLOCATE_STMT:
    case LG_AST_DECLARE_CURSOR_STMT:
    case LG_AST_FETCH_STMT:
    case LG_AST_CLOSE_PORTAL_STMT:
    case LG_AST_LISTEN_STMT:
    case LG_AST_UNLISTEN_STMT:
    case LG_AST_NOTIFY_STMT:
    case LG_AST_DO_STMT:
    case LG_AST_CALL_STMT:
    case LG_AST_LOAD_STMT:
        return LG_SESSION_LOG_ALL;
    default:
        return LG_SESSION_LOG_DDL;
    }
}

/* ---- details ---- */

/* "prepare: ..." of what EXECUTE runs; NULL: it is none. */
static const char *
prepared_text(lg_session *s, const lg_ast *stmt)
{
    if (!stmt || stmt->tag != LG_AST_EXECUTE_STMT)
        return NULL;
    const lg_prepared *p = lg_session__prepared_find(s, lg_ast_as(stmt, execute_stmt)->name);
    return p ? lg_arena_printf(s->statement, "prepare: %s", p->text) : NULL;
}

static void
put_quoted(lg_strbuf *b, const char *text, size_t n, int64_t max)
{
    bool cut = max >= 0 && n > (size_t)max;
    if (cut) {
        n = (size_t)max;
        while (n && ((unsigned char)text[n] & 0xC0) == 0x80)
            n--; /* not within a character */
    }
    lg_strbuf_putc(b, '\'');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\'')
            lg_strbuf_putc(b, '\'');
        lg_strbuf_putc(b, text[i]);
    }
    lg_strbuf_puts(b, cut ? "...'" : "'");
}

/* "$1 = '5', $2 = NULL", in the statement's arena; NULL: there are none, or they are not wanted. */
static const char *
parameters(lg_session *s, const lg_portal *p, int64_t max)
{
    lg_strbuf b;
    lg_error ignored;
    if (!p || !p->prepared->nparams || !p->values || max == 0)
        return NULL;
    lg_error_init(&ignored, s->statement);
    lg_strbuf_init(&b, LG_SESSION_LOG_MAX);
    for (uint32_t i = 0; i < p->prepared->nparams; i++) {
        const char *text;
        size_t len;
        lg_strbuf_printf(&b, "%s$%u = ", i ? ", " : "", i + 1);
        if (p->nulls[i])
            lg_strbuf_puts(&b, "NULL");
        else if (lg_type_output(&s->env, p->prepared->params[i], p->values[i], s->statement,
                                &ignored, &text, &len) == LG_OK)
            put_quoted(&b, text, len, max);
    }
    const char *all = lg_arena_strndup(s->statement, b.data ? b.data : "", b.len);
    lg_strbuf_fini(&b);
    return all;
}

static const char *
parameters_detail(lg_session *s, const lg_portal *p)
{
    const char *all = parameters(s, p, s->logs.parameter_max);
    return all ? lg_arena_printf(s->statement, "parameters: %s", all) : NULL;
}

/* "execute name/portal: " and its kin. */
static const char *
extended_label(lg_session *s)
{
    const lg_session_logged *g = &s->logged;
    return lg_arena_printf(s->statement, "%s %s%s%s", g->what,
                           g->name && *g->name ? g->name : "<unnamed>",
                           g->portal && *g->portal ? "/" : "", g->portal ? g->portal : "");
}

/* ---- before ---- */

static bool
draw(lg_session *s, double rate)
{
    if (rate >= 1 || rate <= 0)
        return rate >= 1;
    return (double)(lg_run_random(s->server->cfg.run) >> 11) * 0x1p-53 <= rate;
}

void
lg_session__log_begin(lg_session *s, const char *text)
{
    s->log_text = text;
    s->logged = (lg_session_logged){.open = s->xact_start_us != 0};
    if (s->server->log_commands && s->state == LG_SESSION_ACTIVE) {
        char txn = lg_session__txn_char(s);
        snprintf(s->log_command, sizeof s->log_command, "%s",
                 txn == 'I'   ? "idle"
                 : txn == 'E' ? "idle in transaction (aborted)"
                              : "idle in transaction");
    }
    if (!s->logged.open) /* a transaction begins with it */
        s->txn_sampled = draw(s, s->logs.txn_rate);
    if (s->logs.timed)
        s->logged.start_us = lg_run_wall_us(s->server->cfg.run);
}

/* For %i of log_line_prefix: what runs from now on. */
void
lg_session__log_command(lg_session *s, const lg_ast *stmt)
{
    if (s->server->log_commands && stmt)
        lg_ast_command_tag(stmt, s->log_command);
}

void
lg_session__log_simple(lg_session *s, const lg_ast *stmt)
{
    if (s->logs.statements || s->logs.timed) {
        if (!s->logged.detail)
            s->logged.detail = prepared_text(s, stmt);
        uint8_t level = stmt ? level_of(s, stmt) : LG_SESSION_LOG_ALL;
        if (!s->logged.done && s->logs.statements >= level) {
            lg_session__log(s, true, s->logged.detail, "statement: %s", s->log_text);
            s->logged.done = true;
        }
    }
}

void
lg_session__log_message(lg_session *s, const char *what, const char *name, const char *portal,
                        const char *text)
{
    s->log_text = text;
    if (s->server->log_commands && *what != 'e')
        snprintf(s->log_command, sizeof s->log_command, "%s", *what == 'p' ? "PARSE" : "BIND");
    if (!s->logs.statements && !s->logs.timed)
        return;
    s->logged.what = what;
    s->logged.name = name ? lg_arena_strdup(s->statement, name) : NULL;
    s->logged.portal = portal ? lg_arena_strdup(s->statement, portal) : NULL;
}

void
lg_session__log_execute(lg_session *s, const lg_portal *p)
{
    bool again = p->exec || p->utility_ran;
    lg_session__log_command(s, p->prepared->stmt);
    lg_session__log_message(s, again ? "execute fetch from" : "execute", p->prepared->name, p->name,
                            p->prepared->text);
    if (!s->logs.statements && !s->logs.timed)
        return;
    s->logged.detail = parameters_detail(s, p);
    if (s->logs.statements < level_of(s, p->prepared->stmt))
        return;
    lg_session__log(s, true, s->logged.detail, "%s: %s", extended_label(s), s->log_text);
    s->logged.done = true;
}

/* ---- after ---- */

void
lg_session__log_end(lg_session *s, const lg_portal *p)
{
    const lg_session_logs *l = &s->logs;
    if (!l->timed && !s->txn_sampled)
        return;
    uint64_t from = s->logged.start_us ? s->logged.start_us : s->query_start_us;
    uint64_t us = lg_run_wall_us(s->server->cfg.run) - from;
    bool slow = l->min_ms >= 0 && us >= (uint64_t)l->min_ms * 1000;
    bool sample = l->sample_ms >= 0 && us >= (uint64_t)l->sample_ms * 1000;
    bool chosen = slow || (sample && draw(s, l->sample_rate)) || s->txn_sampled;
    if (!l->duration && !chosen)
        return;
    double ms = (double)us / 1000;
    if (!chosen || s->logged.done)
        lg_session__log(s, true, NULL, "duration: %.3f ms", ms);
    else if (!s->logged.what)
        lg_session__log(s, true, s->logged.detail, "duration: %.3f ms  statement: %s", ms,
                        s->log_text);
    else
        lg_session__log(s, true, s->logged.detail ? s->logged.detail : parameters_detail(s, p),
                        "duration: %.3f ms  %s: %s", ms, extended_label(s), s->log_text);
}

/* An error of Execute: with which parameters. */
void
lg_session__log_error_context(lg_session *s, const lg_portal *p)
{
    const char *values = p ? parameters(s, p, s->logs.parameter_max_error) : NULL;
    if (!values)
        return;
    const char *before = s->err.context;
    s->err.context = NULL;
    if (*p->name)
        lg_error_context(&s->err, "%s%sportal \"%s\" with parameters: %s", before ? before : "",
                         before ? "\n" : "", p->name, values);
    else
        lg_error_context(&s->err, "%s%sunnamed portal with parameters: %s", before ? before : "",
                         before ? "\n" : "", values);
}
