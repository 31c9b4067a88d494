/* The extended query protocol: Parse, Bind, Describe, Execute, Close; everything after an error is
 * skipped until Sync, which ends an implicit transaction. */
#include "session_internal.h"
#include <stdio.h>
#include <string.h>

/* What a message's reading ended with: too little, or too much. */
static lg_status
malformed(lg_session *s, const lg_pgwire_cursor *c)
{
    return lg_error_set(&s->err, "08P01",
                        c->bad ? "insufficient data left in message" : "invalid message format");
}

static lg_status
refuse_in_failed(lg_session *s, const lg_ast *stmt)
{
    if (s->txn_state != LG_SESSION_TXN_FAILED || !stmt || lg_session__ends_failed(stmt))
        return LG_OK;
    return lg_error_set(
        &s->err, "25P02",
        "current transaction is aborted, commands ignored until end of transaction block");
}

/* ---- Parse ---- */

static lg_status
parse_text(lg_session *s, lg_arena *arena, const char *text, const lg_ast **ret_stmt)
{
    lg_parse_tree *tree;
    LG_TRY(lg_parse_sql(s->server->cfg.run, text, arena, &s->err, &tree));
    if (tree->n > 1)
        return lg_error_set(&s->err, "42601",
                            "cannot insert multiple commands into a prepared statement");
    *ret_stmt = tree->n ? tree->stmts[0].stmt : NULL;
    return LG_OK;
}

/* The statement that the session's one is based on: shared when the text is known, else parsed. */
static lg_status
parse_base(lg_session *s, const char *text, uint32_t nparams, const lg_oid *params,
           lg_session_lookup *l, lg_prepared **ret_base)
{
    const lg_ast *stmt = NULL;
    *ret_base = lg_session__cache_find_parse(s, text, nparams, params, l);
    if (*ret_base)
        return LG_OK;
    lg_arena *arena = lg_arena_create("prepared", 2048);
    const char *copy = lg_arena_strdup(arena, text);
    lg_status st = parse_text(s, arena, copy, &stmt);
    if (st != LG_OK) {
        lg_arena_destroy(arena);
        return st;
    }
    LG_TRY(lg_session__prepare(s, "", copy, stmt, arena, nparams, params, ret_base));
    lg_session__cache_keep_parse(l, *ret_base);
    return LG_OK;
}

static lg_status
on_parse(lg_session *s, lg_pgwire_cursor *c)
{
    const char *name, *text;
    size_t len;
    LG_TRY(lg_session__get_text(s, c, s->statement, &name, &len));
    LG_TRY(lg_session__get_text(s, c, s->statement, &text, &len));
    uint32_t nparams = lg_pgwire_u16(c);
    lg_oid *params = LG_NEWN(s->statement, lg_oid, nparams);
    lg_session_lookup look;
    lg_prepared *base = NULL, *p = NULL;
    lg_status st;
    for (uint32_t i = 0; i < nparams; i++)
        params[i] = lg_pgwire_u32(c);
    if (!lg_pgwire_at_end(c))
        return malformed(s, c);
    lg_session__statement_begin(s, text, len);
    lg_session__log_message(s, "parse", name, NULL, text);
    if (!*name)
        lg_session__prepared_drop(s, "");
    LG_CHECK(parse_base(s, text, nparams, params, &look, &base));
    LG_CHECK(refuse_in_failed(s, base->stmt));
    if (*name && lg_session__prepared_find(s, name)) {
        st = lg_error_set(&s->err, "42P05", "prepared statement \"%s\" already exists", name);
        goto out;
    }
    p = lg_session__prepared_wrap(s, name, base);
    if (base->stmt && lg_bind_is_query(base->stmt)) {
        LG_CHECK(lg_session__txn_statement(s, base->stmt));
        LG_CHECK(lg_session__plan(s, p));
    }
    lg_session__cache_put_parse(s, &look, base);
    lg_session__prepared_store(s, p);
    p = NULL;
    lg_pgwire_send_empty(&s->out, '1');
out:
    lg_session__prepared_unref(p);
    lg_session__prepared_unref(base);
    return st;
}

/* ---- Bind ---- */

/* The statement may be dropped by what it does; the log still has its text then. */
static void
log_text_of(lg_session *s, lg_prepared *p)
{
    lg_session__prepared_unref(s->log_of);
    s->log_of = p;
    p->refs++;
}

static lg_status
bind_value(lg_session *s, lg_portal *portal, uint32_t i, uint16_t format, const char *data,
           uint32_t len)
{
    lg_oid type = portal->prepared->params[i];
    const char *value = data;
    size_t size = len;
    if (format > 1)
        return lg_error_set(&s->err, "22023", "unsupported format code: %d", (int16_t)format);
    if (format == 0 || (s->encoding && lg_type_sends_text(type)))
        LG_TRY(lg_session__decode(s, data, len, portal->arena, &value, &size));
    if (format == 0)
        return lg_type_input(&s->env, type, lg_arena_strndup(portal->arena, value, size), -1,
                             portal->arena, &s->err, &portal->values[i]);
    return lg_type_recv(&s->env, type, value, size, -1, portal->arena, &s->err, &portal->values[i]);
}

/* Says which parameter an error is about. What it was is not shown, as with PostgreSQL's
 * log_parameter_max_length_on_error of 0. */
static lg_status
about_parameter(lg_session *s, const lg_portal *portal, uint32_t i, uint16_t format, lg_status st)
{
    lg_error *e = &s->err;
    if (st != LG_SQL)
        return st;
    if (!strcmp(e->sqlstate, "22P03") && !strcmp(e->message, "incorrect binary data format"))
        e->message = lg_arena_printf(e->arena, "%s in bind parameter %u", e->message, i + 1);
    const char *named =
        *portal->name ? lg_arena_printf(e->arena, "portal \"%s\"", portal->name) : "unnamed portal";
    bool shown = format == 0 && strcmp(e->sqlstate, "22021") != 0;
    e->context = lg_arena_printf(e->arena, "%s%s%s parameter $%u%s", e->context ? e->context : "",
                                 e->context ? "\n" : "", named, i + 1, shown ? " = '...'" : "");
    return st;
}

static uint16_t
format_code(const char *p)
{
    return (uint16_t)((uint8_t)p[0] << 8 | (uint8_t)p[1]);
}

static lg_status
bind_values(lg_session *s, lg_portal *portal, lg_pgwire_cursor *c)
{
    uint32_t nformats = lg_pgwire_u16(c);
    const char *formats = lg_pgwire_bytes(c, nformats * 2ul);
    uint32_t n = lg_pgwire_u16(c);
    const lg_prepared *p = portal->prepared;
    if (c->bad)
        return malformed(s, c);
    if (nformats > 1 && nformats != n)
        return lg_error_set(&s->err, "08P01",
                            "bind message has %u parameter formats but %u parameters", nformats, n);
    if (n != p->nparams)
        return lg_error_set(
            &s->err, "08P01",
            "bind message supplies %u parameters, but prepared statement \"%s\" requires %u", n,
            p->name, p->nparams);
    portal->values = LG_NEWN(portal->arena, lg_datum, n);
    portal->nulls = LG_NEWN(portal->arena, uint8_t, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = nformats <= 1 ? 0 : i;
        uint16_t format = nformats ? format_code(formats + 2ul * at) : 0;
        uint32_t len = lg_pgwire_u32(c);
        if (len == UINT32_MAX) {
            portal->nulls[i] = 1;
            continue;
        }
        const char *data = lg_pgwire_bytes(c, len);
        if (!data)
            return malformed(s, c);
        LG_TRY(about_parameter(s, portal, i, format, bind_value(s, portal, i, format, data, len)));
    }
    return LG_OK;
}

static lg_status
bind_result_formats(lg_session *s, lg_portal *portal, lg_pgwire_cursor *c)
{
    const lg_outcol *cols;
    uint32_t ncols;
    uint32_t n = lg_pgwire_u16(c);
    portal->formats = LG_NEWN(portal->arena, uint16_t, n);
    portal->nformats = n;
    for (uint32_t i = 0; i < n; i++)
        portal->formats[i] = lg_pgwire_u16(c);
    if (!lg_pgwire_at_end(c))
        return malformed(s, c);
    if (n <= 1)
        return LG_OK;
    LG_TRY(lg_session__columns(s, portal->prepared, portal->arena, &cols, &ncols));
    if (n != ncols)
        return lg_error_set(&s->err, "08P01",
                            "bind message has %u result formats but query has %u columns", n,
                            ncols);
    return LG_OK;
}

static lg_status
on_bind(lg_session *s, lg_pgwire_cursor *c)
{
    lg_portal *portal;
    const char *portal_name, *name;
    size_t len;
    LG_TRY(lg_session__get_text(s, c, s->statement, &portal_name, &len));
    LG_TRY(lg_session__get_text(s, c, s->statement, &name, &len));
    lg_prepared *p = lg_session__prepared_find(s, name);
    if (!p)
        return *name ? lg_error_set(&s->err, "26000", "prepared statement \"%s\" does not exist",
                                    name)
                     : lg_error_set(&s->err, "26000", "unnamed prepared statement does not exist");
    LG_TRY(refuse_in_failed(s, p->stmt));
    if (p->stmt && !lg_session__is_txn_command(p->stmt))
        LG_TRY(lg_session__txn_statement(s, p->stmt));
    lg_session__statement_begin(s, p->text, strlen(p->text));
    log_text_of(s, p);
    lg_session__log_message(s, "bind", name, portal_name, p->text);
    LG_TRY(lg_session__plan(s, p));
    LG_TRY(lg_session__portal_create(s, portal_name, p, &portal));
    lg_status st = bind_values(s, portal, c);
    if (st == LG_OK)
        st = bind_result_formats(s, portal, c);
    if (st != LG_OK) {
        lg_session__portal_drop(s, portal);
        return st;
    }
    lg_pgwire_send_empty(&s->out, '2');
    return LG_OK;
}

/* ---- Describe, Execute, Close ---- */

static lg_status
describe_statement(lg_session *s, const char *name)
{
    const lg_outcol *cols;
    uint32_t ncols;
    lg_prepared *p = lg_session__prepared_find(s, name);
    if (!p)
        return lg_error_set(&s->err, "26000", "prepared statement \"%s\" does not exist", name);
    LG_TRY(refuse_in_failed(s, p->stmt));
    if (p->stmt && lg_bind_is_query(p->stmt))
        LG_TRY(lg_session__txn_statement(s, p->stmt));
    LG_TRY(lg_session__columns(s, p, s->statement, &cols, &ncols));
    size_t at = lg_pgwire_begin(&s->out, 't');
    lg_pgwire_put_u16(&s->out, (uint16_t)p->nparams);
    for (uint32_t i = 0; i < p->nparams; i++)
        lg_pgwire_put_u32(&s->out, p->params[i]);
    lg_pgwire_end(&s->out, at);
    if (lg_session__gives_rows(p, ncols))
        lg_session__send_columns(s, cols, ncols, NULL, 0);
    else
        lg_pgwire_send_empty(&s->out, 'n');
    return LG_OK;
}

static lg_status
describe_portal(lg_session *s, const char *name)
{
    const lg_outcol *cols;
    uint32_t ncols;
    lg_portal *portal = lg_session__portal_find(s, name);
    if (!portal)
        return lg_error_set(&s->err, "34000", "portal \"%s\" does not exist", name);
    LG_TRY(refuse_in_failed(s, portal->prepared->stmt));
    LG_TRY(lg_session__columns(s, portal->prepared, portal->arena, &cols, &ncols));
    if (lg_session__gives_rows(portal->prepared, ncols))
        lg_session__send_columns(s, cols, ncols, portal->formats, portal->nformats);
    else
        lg_pgwire_send_empty(&s->out, 'n');
    return LG_OK;
}

static lg_status
on_describe(lg_session *s, lg_pgwire_cursor *c)
{
    char what = (char)lg_pgwire_u8(c);
    const char *name;
    size_t len;
    LG_TRY(lg_session__get_text(s, c, s->statement, &name, &len));
    if (!lg_pgwire_at_end(c) || (what != 'S' && what != 'P'))
        return malformed(s, c);
    return what == 'S' ? describe_statement(s, name) : describe_portal(s, name);
}

static lg_status
on_execute(lg_session *s, lg_pgwire_cursor *c)
{
    char tag[LG_TAG_MAX] = "";
    const char *name;
    size_t len;
    LG_TRY(lg_session__get_text(s, c, s->statement, &name, &len));
    uint32_t max_rows = lg_pgwire_u32(c);
    lg_portal *portal = lg_session__portal_find(s, name);
    if (!lg_pgwire_at_end(c))
        return malformed(s, c);
    if (!portal)
        return lg_error_set(&s->err, "34000", "portal \"%s\" does not exist", name);
    if (!portal->prepared->stmt) {
        lg_pgwire_send_empty(&s->out, 'I');
        return LG_OK;
    }
    log_text_of(s, portal->prepared);
    lg_session__log_execute(s, portal);
    LG_TRY(refuse_in_failed(s, portal->prepared->stmt));
    if (!lg_session__is_txn_command(portal->prepared->stmt))
        LG_TRY(lg_session__txn_statement(s, portal->prepared->stmt));
    lg_stat_inc(lg_run_stats(s->server->cfg.run), LG_STAT_USER_CALLS);
    lg_status st = lg_session__portal_run(s, portal, (int32_t)max_rows > 0 ? max_rows : 0, tag);
    if (st == LG_END) {
        lg_pgwire_send_complete(&s->out, tag);
        return LG_OK;
    }
    if (st == LG_OK)
        lg_pgwire_send_empty(&s->out, 's');
    return st;
}

static lg_status
on_close(lg_session *s, lg_pgwire_cursor *c)
{
    char what = (char)lg_pgwire_u8(c);
    const char *name;
    size_t len;
    LG_TRY(lg_session__get_text(s, c, s->statement, &name, &len));
    if (!lg_pgwire_at_end(c) || (what != 'S' && what != 'P'))
        return malformed(s, c);
    if (what == 'S') {
        lg_session__prepared_drop(s, name);
    } else {
        lg_portal *portal = lg_session__portal_find(s, name);
        if (portal)
            lg_session__portal_drop(s, portal);
    }
    lg_pgwire_send_empty(&s->out, '3');
    return LG_OK;
}

static void
log_extended(lg_session *s, char type, lg_status st)
{
    const lg_portal *p = s->logged.portal || type != 'P'
                             ? lg_session__portal_find(s, s->logged.portal ? s->logged.portal : "")
                             : NULL;
    if (p && p->prepared != s->log_of)
        p = NULL;
    if (st == LG_OK && s->logged.what)
        lg_session__log_end(s, p);
    else if (st != LG_OK && type == 'E')
        lg_session__log_error_context(s, p);
}

lg_status
lg_session__extended(lg_session *s, const lg_pgwire_msg *m)
{
    lg_pgwire_cursor c = lg_pgwire_cursor_of(m);
    lg_status st = LG_PROTOCOL;
    s->extended_open = true;
    lg_session__log_begin(s, NULL);
    switch (m->type) {
    case 'P':
        st = on_parse(s, &c);
        break;
    case 'B':
        st = on_bind(s, &c);
        break;
    case 'D':
        st = on_describe(s, &c);
        break;
    case 'E':
        st = on_execute(s, &c);
        break;
    case 'C':
        st = on_close(s, &c);
        break;
    default:
        LG_UNREACHABLE();
    }
    if (s->logs.timed || s->logs.parameter_max_error != 0)
        log_extended(s, m->type, st);
    lg_session__statement_end(s);
    if (lg_session__ends_session(st))
        return st;
    if (st != LG_OK)
        lg_session__send_error(s, st, "ERROR");
    s->log_text = NULL;
    if (st == LG_OK)
        return LG_OK;
    lg_session__txn_statement_failed(s);
    s->skip_to_sync = true;
    return lg_session__still_in_sync(s);
}

lg_status
lg_session__sync(lg_session *s)
{
    lg_status st = lg_session__txn_end_implicit(s);
    s->extended_open = false;
    lg_session__prepared_unref(s->log_of);
    s->log_of = NULL;
    if (st != LG_OK) {
        if (lg_session__ends_session(st))
            return st;
        lg_session__send_error(s, st, "ERROR");
    }
    lg_session__ready(s);
    lg_arena_reset(s->statement);
    return LG_OK;
}

/* Between a message of the extended protocol and its Sync the session keeps its fiber: the
 * transaction is open, and the rest is on its way. */
bool
lg_session__has_unsynced(const lg_session *s)
{
    return s->extended_open;
}
