/* Statements that are the session's own: transactions, SET and SHOW, PREPARE and EXECUTE, cursors,
 * DISCARD. */
#include "session_internal.h"
#include "cat_type.h"
#include "acl.h"
#include "buf.h"
#include "redo.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool
lg_session__is_txn_command(const lg_ast *stmt)
{
    return stmt->tag == LG_AST_TRANSACTION_STMT;
}

bool
lg_session__ends_failed(const lg_ast *stmt)
{
    if (stmt->tag != LG_AST_TRANSACTION_STMT)
        return false;
    switch (lg_ast_as(stmt, transaction_stmt)->kind) {
    case LG_A_TRANS_STMT_COMMIT:
    case LG_A_TRANS_STMT_ROLLBACK:
    case LG_A_TRANS_STMT_ROLLBACK_TO:
    case LG_A_TRANS_STMT_PREPARE:
        return true;
    default:
        return false;
    }
}

/* ---- SET ---- */

/* One argument of SET as text. quote: list settings (search_path) keep identifiers quoted as
 * needed. */
static const char *
set_argument(lg_session *s, const lg_ast *arg, bool quote)
{
    const lg_ast_value *v = (const void *)arg;
    if (arg->tag == LG_AST_TYPE_CAST) /* SET TIME ZONE INTERVAL '...' */
        return set_argument(s, lg_ast_as(arg, type_cast)->arg, false);
    switch (v->h.tag) {
    case LG_AST_INTEGER:
        return lg_arena_printf(s->statement, "%d", v->ival);
    case LG_AST_BOOLEAN:
        return v->ival ? "true" : "false";
    case LG_AST_STRING:
        return quote ? lg_quote_ident(s->statement, v->sval) : v->sval;
    default:
        return v->sval ? v->sval : "";
    }
}

static const char *
set_value(lg_session *s, const lg_ast_variable_set_stmt *v)
{
    bool list = v->args.n > 1 || !strcasecmp(v->name, "search_path");
    const char *text = "";
    for (uint32_t i = 0; i < v->args.n; i++)
        text =
            i ? lg_arena_printf(s->statement, "%s, %s", text, set_argument(s, v->args.at[i], list))
              : set_argument(s, v->args.at[i], list);
    return text;
}

static lg_status
set_one(lg_session *s, const char *name, const char *value, bool local)
{
    return lg_settings_set(s->settings, name, value, local ? LG_SET_LOCAL : LG_SET_SESSION,
                           s->superuser, &s->err);
}

lg_status
lg_session__txn_options(lg_session *s, const lg_ast_list *options, bool session)
{
    for (uint32_t i = 0; i < options->n; i++) {
        const lg_ast_def_elem *d = lg_ast_as(options->at[i], def_elem);
        const char *value = set_argument(s, d->arg, false);
        if (strcmp(d->defname, "transaction_isolation") != 0)
            value = !strcmp(value, "1") || !strcmp(value, "true") ? "on" : "off";
        const char *name =
            session ? lg_arena_printf(s->statement, "default_%s", d->defname) : d->defname;
        LG_TRY(set_one(s, name, value, !session));
    }
    return LG_OK;
}

static lg_status
set_multi(lg_session *s, const lg_ast_variable_set_stmt *v)
{
    if (!strcmp(v->name, "TRANSACTION")) {
        if (s->txn_state != LG_SESSION_TXN_BLOCK)
            lg_session__notice(s, "WARNING", "25P01",
                               "SET TRANSACTION can only be used in transaction blocks");
        return lg_session__txn_options(s, &v->args, false);
    }
    if (!strcmp(v->name, "SESSION CHARACTERISTICS"))
        return lg_session__txn_options(s, &v->args, true);
    if (!strcmp(v->name, "TRANSACTION SNAPSHOT"))
        return lg_session__txn_import_snapshot(s, set_argument(s, v->args.at[0], false));
    return lg_error_set(&s->err, "0A000", "SET %s is not supported", v->name);
}

static lg_status
do_set(lg_session *s, const lg_ast_variable_set_stmt *v, char tag[LG_TAG_MAX])
{
    lg_status st;
    bool reset = v->kind == LG_A_VAR_RESET || v->kind == LG_A_VAR_RESET_ALL;
    snprintf(tag, LG_TAG_MAX, "%s", reset ? "RESET" : "SET");
    if (v->is_local && s->txn_state != LG_SESSION_TXN_BLOCK)
        lg_session__notice(s, "WARNING", "25P01",
                           "SET LOCAL can only be used in transaction blocks");
    switch (v->kind) {
    case LG_A_VAR_SET_VALUE: {
        const char *value = set_value(s, v);
        if (!strcasecmp(v->name, "session_authorization")) {
            st = lg_session__set_authorization(s, value, v->is_local);
            break;
        }
        if (!strcasecmp(v->name, "role"))
            LG_TRY(lg_session__set_role(s, value));
        st = set_one(s, v->name, value, v->is_local);
        break;
    }
    case LG_A_VAR_SET_DEFAULT:
    case LG_A_VAR_RESET:
        st = !strcasecmp(v->name, "session_authorization")
                 ? lg_session__set_authorization(s, NULL, v->is_local)
                 : set_one(s, v->name, NULL, v->is_local);
        break;
    case LG_A_VAR_SET_MULTI:
        st = set_multi(s, v);
        break;
    case LG_A_VAR_RESET_ALL:
        st = lg_settings_reset_all(s->settings, &s->err);
        break;
    default:
        st = LG_OK; /* SET x FROM CURRENT outside a function */
    }
    LG_TRY(st);
    return lg_session__settings_changed(s);
}

/* ---- SHOW ---- */

static const char *
show_name(const char *name)
{
    if (!strcasecmp(name, "timezone"))
        return "TimeZone";
    for (int i = 0; i < LG_SETTING_COUNT; i++)
        if (!strcasecmp(lg_setting_info_of((lg_setting_id)i)->name, name))
            return lg_setting_info_of((lg_setting_id)i)->name;
    return name;
}

static lg_status
do_show(lg_session *s, const char *name, char tag[LG_TAG_MAX])
{
    char buf[64];
    snprintf(tag, LG_TAG_MAX, "SHOW");
    if (!strcasecmp(name, "all")) {
        for (int i = 0; i < LG_SETTING_COUNT; i++) {
            const lg_setting_info *info = lg_setting_info_of((lg_setting_id)i);
            const char *row[3] = {
                info->name, lg_settings_show(s->settings, info->name, buf, sizeof buf), info->text};
            lg_session__send_text_row(s, 3, row);
        }
        return LG_OK;
    }
    const char *value = lg_settings_show(s->settings, name, buf, sizeof buf);
    if (!value)
        return lg_error_set(&s->err, "42704", "unrecognized configuration parameter \"%s\"", name);
    lg_session__send_text_row(s, 1, &value);
    return LG_OK;
}

/* ---- PREPARE, EXECUTE, DEALLOCATE ---- */

static lg_status
do_prepare(lg_session *s, const lg_portal *portal, const lg_ast_prepare_stmt *ps,
           char tag[LG_TAG_MAX])
{
    lg_bind b;
    lg_prepared *p;
    lg_oid *params = LG_NEWN(s->statement, lg_oid, ps->argtypes.n);
    snprintf(tag, LG_TAG_MAX, "PREPARE");
    if (lg_session__prepared_find(s, ps->name))
        return lg_error_set(&s->err, "42P05", "prepared statement \"%s\" already exists", ps->name);
    lg_bind_init(&b, s->cat, s->server->cfg.run, s->statement, &s->env, &s->err,
                 portal->prepared->text);
    lg_status st = LG_OK;
    for (uint32_t i = 0; st == LG_OK && i < ps->argtypes.n; i++) {
        int32_t typmod;
        st = lg_bind_type_name(&b, lg_ast_as(ps->argtypes.at[i], type_name), &params[i], &typmod,
                               NULL);
    }
    lg_bind_fini(&b);
    LG_TRY(st);
    /* The tree of the inner statement must outlive this one: it is parsed again in its own arena.
     */
    lg_arena *arena = lg_arena_create("prepared", 2048);
    const char *text = lg_arena_strdup(arena, portal->prepared->text);
    lg_parse_tree *tree = NULL;
    st = lg_parse_sql(s->server->cfg.run, text, arena, &s->err, &tree);
    const lg_ast *query = NULL;
    for (uint32_t i = 0; st == LG_OK && i < tree->n; i++) {
        const lg_ast *stmt = tree->stmts[i].stmt;
        if (stmt->tag == LG_AST_PREPARE_STMT &&
            !strcmp(lg_ast_as(stmt, prepare_stmt)->name, ps->name))
            query = lg_ast_as(stmt, prepare_stmt)->query;
    }
    if (st != LG_OK || !query) {
        lg_arena_destroy(arena);
        return st != LG_OK ? st : LG_INTERNAL;
    }
    LG_TRY(lg_session__prepare(s, ps->name, text, query, arena, ps->argtypes.n, params, &p));
    p->from_sql = true;
    st = lg_session__plan(s, p);
    if (st != LG_OK) {
        lg_session__prepared_unref(p);
        return st;
    }
    lg_session__prepared_store(s, p);
    return LG_OK;
}

/* Evaluates the arguments of EXECUTE by running a SELECT of them cast to the parameters' types. */
struct capture {
    lg_portal *portal;
};

static lg_status
capture_row(void *arg, const lg_batch *b)
{
    lg_portal *p = ((struct capture *)arg)->portal;
    for (uint32_t i = 0; i < b->ncols && b->n; i++) {
        uint32_t row = lg_sel_row(b->sel, 0);
        p->nulls[i] = lg_vector_is_null(b->cols[i], row);
        if (!p->nulls[i])
            p->values[i] =
                lg_datum_copy(p->prepared->params[i], lg_vector_value(b->cols[i], row), p->arena);
    }
    return LG_OK;
}

/* SELECT arg::type, ... */
static lg_status
select_of_arguments(lg_session *s, lg_arena *a, const lg_prepared *prep,
                    const lg_ast_execute_stmt *e, const lg_ast **ret)
{
    lg_ast_select_stmt *sel = LG_NEW(a, lg_ast_select_stmt);
    sel->h = (lg_ast){LG_AST_SELECT_STMT, -1};
    sel->op = LG_A_SETOP_NONE;
    sel->target_list = (lg_ast_list){prep->nparams, LG_NEWN(a, lg_ast *, prep->nparams)};
    for (uint32_t i = 0; i < prep->nparams; i++) {
        lg_ast_value *part = LG_NEWN(a, lg_ast_value, 2);
        lg_ast *names[2] = {&part[0].h, &part[1].h};
        bool visible;
        lg_ast_type_name *type = LG_NEW(a, lg_ast_type_name);
        lg_ast_type_cast *cast = LG_NEW(a, lg_ast_type_cast);
        lg_ast_res_target *target = LG_NEW(a, lg_ast_res_target);
        part[0].h = part[1].h = (lg_ast){LG_AST_STRING, -1};
        LG_TRY(
            lg_cat_type_names(s->cat, prep->params[i], a, &part[0].sval, &part[1].sval, &visible));
        type->h = (lg_ast){LG_AST_TYPE_NAME, -1};
        type->names = (lg_ast_list){2, lg_arena_dup(a, names, sizeof names)};
        type->typemod = -1;
        cast->h = (lg_ast){LG_AST_TYPE_CAST, -1};
        cast->arg = e->params.at[i];
        cast->type_name = type;
        target->h = (lg_ast){LG_AST_RES_TARGET, -1};
        target->val = &cast->h;
        sel->target_list.at[i] = &target->h;
    }
    *ret = &sel->h;
    return LG_OK;
}

static lg_status
evaluate_arguments(lg_session *s, const char *text, const lg_ast_execute_stmt *e, lg_portal *p)
{
    const lg_prepared *prep = p->prepared;
    p->values = LG_NEWN(p->arena, lg_datum, prep->nparams);
    p->nulls = LG_NEWN(p->arena, uint8_t, prep->nparams);
    if (e->params.n != prep->nparams) {
        lg_status st = lg_error_set(
            &s->err, "42601", "wrong number of parameters for prepared statement \"%s\"", e->name);
        lg_error_detail(&s->err, "Expected %u parameters but got %u.", prep->nparams, e->params.n);
        return st;
    }
    if (!prep->nparams)
        return LG_OK;
    struct capture c = {p};
    uint64_t n;
    lg_exec *x = NULL;
    lg_prepared *select;
    lg_arena *arena = lg_arena_create("arguments", 2048);
    const lg_ast *stmt;
    lg_status st = select_of_arguments(s, arena, prep, e, &stmt);
    if (st != LG_OK) {
        lg_arena_destroy(arena);
        return st;
    }
    LG_TRY(lg_session__prepare(s, "", text, stmt, arena, 0, NULL, &select));
    st = lg_session__plan(s, select);
    if (st == LG_OK)
        st = lg_exec_open(&s->es, select->planned->plan, NULL, NULL, &x);
    if (st == LG_OK)
        st = lg_exec_fetch(x, 0, capture_row, &c, &n);
    lg_exec_close(x);
    lg_session__prepared_unref(select);
    return st == LG_END ? LG_OK : st;
}

static lg_status
do_execute(lg_session *s, lg_portal *portal, const lg_ast_execute_stmt *e, char tag[LG_TAG_MAX])
{
    lg_portal *inner;
    lg_prepared *p = lg_session__prepared_find(s, e->name);
    if (!p)
        return lg_error_set(&s->err, "26000", "prepared statement \"%s\" does not exist", e->name);
    LG_TRY(lg_session__portal_create(s, "<execute>", p, &inner));
    inner->formats =
        lg_arena_dup(inner->arena, portal->formats, portal->nformats * sizeof(uint16_t));
    inner->nformats = portal->nformats;
    lg_status st = lg_session__plan(s, p);
    if (st == LG_OK)
        st = evaluate_arguments(s, portal->prepared->text, e, inner);
    if (st == LG_OK)
        st = lg_session__portal_run(s, inner, 0, tag);
    inner = lg_session__portal_find(s, "<execute>");
    if (inner)
        lg_session__portal_drop(s, inner);
    return st;
}

static lg_status
do_deallocate(lg_session *s, const char *name, char tag[LG_TAG_MAX])
{
    if (!name) {
        snprintf(tag, LG_TAG_MAX, "DEALLOCATE ALL");
        lg_session__prepared_drop_all(s);
        return LG_OK;
    }
    snprintf(tag, LG_TAG_MAX, "DEALLOCATE");
    if (!lg_session__prepared_find(s, name))
        return lg_error_set(&s->err, "26000", "prepared statement \"%s\" does not exist", name);
    lg_session__prepared_drop(s, name);
    return LG_OK;
}

/* ---- cursors ---- */

/* The query of the statement's DECLARE, in the arena. */
static lg_status
cursor_tree(lg_session *s, const lg_prepared *declare, const char *name, lg_arena *a,
            const lg_ast **ret)
{
    lg_parse_tree *tree;
    LG_TRY(lg_parse_sql(s->server->cfg.run, declare->text, a, &s->err, &tree));
    for (uint32_t i = 0; i < tree->n; i++) {
        const lg_ast *stmt = tree->stmts[i].stmt;
        if (stmt->tag != LG_AST_DECLARE_CURSOR_STMT ||
            (tree->n > 1 && tree->stmts[i].loc != declare->text_loc))
            continue;
        const lg_ast_declare_cursor_stmt *d = lg_ast_as(stmt, declare_cursor_stmt);
        *ret = d->query;
        if (strcmp(d->portalname, name) == 0)
            return LG_OK;
    }
    return LG_INTERNAL;
}

static lg_status
do_declare(lg_session *s, lg_portal *portal, const lg_ast_declare_cursor_stmt *d,
           char tag[LG_TAG_MAX])
{
    lg_portal *cursor;
    lg_prepared *p;
    snprintf(tag, LG_TAG_MAX, "DECLARE CURSOR");
    bool hold = d->options & LG_A_CURSOR_HOLD;
    if (s->txn_state != LG_SESSION_TXN_BLOCK && !hold)
        return lg_error_set(&s->err, "25P01",
                            "DECLARE CURSOR can only be used in transaction blocks");
    if (lg_session__portal_find(s, d->portalname))
        return lg_error_set(&s->err, "42P03", "cursor \"%s\" already exists", d->portalname);
    /* The message's tree goes with the message: the cursor has one of its own. */
    lg_arena *arena = lg_arena_create("prepared", 1024);
    const lg_ast *query;
    lg_status parsed = cursor_tree(s, portal->prepared, d->portalname, arena, &query);
    if (parsed != LG_OK) {
        lg_arena_destroy(arena);
        return parsed;
    }
    LG_TRY(lg_session__prepare(s, "", lg_arena_strdup(arena, portal->prepared->text), query, arena,
                               portal->prepared->nparams, portal->prepared->params, &p));
    p->cursor = true;
    lg_status st = lg_session__plan(s, p);
    if (st == LG_OK)
        st = lg_session__portal_create(s, d->portalname, p, &cursor);
    lg_session__prepared_unref(p);
    LG_TRY(st);
    cursor->is_cursor = true;
    cursor->hold = hold;
    cursor->scroll = d->options & LG_A_CURSOR_SCROLL;
    cursor->no_scroll = d->options & LG_A_CURSOR_NO_SCROLL;
    cursor->declared_by = portal->prepared;
    portal->prepared->refs++;
    cursor->values = lg_arena_dup(cursor->arena, portal->values, p->nparams * sizeof(lg_datum));
    cursor->nulls = lg_arena_dup(cursor->arena, portal->nulls, p->nparams);
    LG_TRY(lg_session__portal_open(s, cursor));
    return lg_session__cursor_opened(s, cursor);
}

static lg_status
do_fetch(lg_session *s, lg_portal *portal, const lg_ast_fetch_stmt *f, char tag[LG_TAG_MAX])
{
    lg_portal *cursor = lg_session__portal_find(s, f->portalname);
    if (!cursor)
        return lg_error_set(&s->err, "34000", "cursor \"%s\" does not exist", f->portalname);
    uint64_t before = cursor->rows;
    cursor->formats =
        lg_arena_dup(cursor->arena, portal->formats, portal->nformats * sizeof(uint16_t));
    cursor->nformats = portal->nformats;
    cursor->drop_rows = f->ismove;
    LG_TRY(lg_session__cursor_fetch(s, cursor, f->direction, f->how_many));
    snprintf(tag, LG_TAG_MAX, "%s %llu", f->ismove ? "MOVE" : "FETCH",
             (unsigned long long)(cursor->rows - before));
    return LG_OK;
}

static lg_status
do_close(lg_session *s, const char *name, char tag[LG_TAG_MAX])
{
    snprintf(tag, LG_TAG_MAX, name ? "CLOSE CURSOR" : "CLOSE CURSOR ALL");
    if (!name) {
        lg_session__cursors_drop_all(s);
        return LG_OK;
    }
    lg_portal *cursor = lg_session__portal_find(s, name);
    if (!cursor)
        return lg_error_set(&s->err, "34000", "cursor \"%s\" does not exist", name);
    lg_session__portal_drop(s, cursor);
    return LG_OK;
}

/* ---- DISCARD ---- */

static lg_status
do_discard(lg_session *s, int target, char tag[LG_TAG_MAX])
{
    static const char *const tags[] = {"", "DISCARD ALL", "DISCARD PLANS", "DISCARD SEQUENCES",
                                       "DISCARD TEMP"};
    snprintf(tag, LG_TAG_MAX, "%s", tags[target]);
    if (target == LG_A_DISCARD_ALL) {
        if (s->txn_state == LG_SESSION_TXN_BLOCK)
            return lg_error_set(&s->err, "25001",
                                "DISCARD ALL cannot run inside a transaction block");
        lg_session__cursors_drop_all(s);
        lg_session__prepared_drop_all(s);
        LG_TRY(lg_session__set_authorization(s, NULL, false));
        LG_TRY(lg_settings_reset_all(s->settings, &s->err));
        LG_TRY(lg_session__settings_changed(s));
        lg_session__notify_unlisten_all(s);
        lg_ges_unlock_session(&s->owner, LG_GES_ADVISORY);
    }
    if (target == LG_A_DISCARD_ALL || target == LG_A_DISCARD_TEMP)
        LG_TRY(lg_ddl_temp_drop(&s->es, s->statement));
    if (target == LG_A_DISCARD_ALL || target == LG_A_DISCARD_SEQUENCES)
        lg_cat_sequences_discard(s->cat);
    return LG_OK;
}

/* ---- CHECKPOINT ---- */

/* For log_checkpoints. The checkpointer writes all the time; what it writes while CHECKPOINT waits is
 * counted. */
struct checkpoint_log {
    bool wanted;
    lg_time start;
    uint64_t written;
    lg_lsn from;
};

static uint64_t
physical_writes(const lg_session *s)
{
    const lg_stats *stats = lg_run_stats(s->server->cfg.run);
    return stats ? stats->count[LG_STAT_PHYSICAL_WRITES] : 0; /* a run may have none */
}

static void
checkpoint_starts(lg_session *s, struct checkpoint_log *l)
{
    const lg_session_server_config *cfg = &s->server->cfg;
    l->wanted = cfg->redo && lg_settings_bool(s->settings, LG_SETTING_log_checkpoints);
    if (!l->wanted)
        return;
    l->start = lg_run_now_exact_ns(cfg->run);
    l->written = physical_writes(s);
    l->from = lg_redo_checkpoint_lsn(cfg->redo);
    lg_session__log(s, true, NULL, "checkpoint starting: immediate force wait");
}

static void
checkpoint_ends(lg_session *s, const struct checkpoint_log *l)
{
    const lg_session_server_config *cfg = &s->server->cfg;
    lg_buf_counts buffers = {0};
    if (!l->wanted)
        return;
    double total = (double)(lg_run_now_exact_ns(cfg->run) - l->start) / 1e9;
    uint64_t n = physical_writes(s) - l->written;
    uint64_t kb = (lg_redo_checkpoint_lsn(cfg->redo) - l->from) >> 10;
    if (cfg->buf)
        lg_buf_count(cfg->buf, &buffers);
    lg_session__log(
        s, true, NULL,
        "checkpoint complete: wrote %llu buffers (%.1f%%); 0 WAL file(s) added, 0 removed, "
        "0 recycled; write=%.3f s, sync=0.000 s, total=%.3f s; sync files=0, "
        "longest=0.000 s, average=0.000 s; distance=%llu kB, estimate=%llu kB",
        (unsigned long long)n, buffers.frames ? 100.0 * (double)n / (double)buffers.frames : 0.0,
        total, total, (unsigned long long)kb, (unsigned long long)kb);
}

/* Of this instance: what it changed before is on the disks. A block whose newest version another
 * instance holds is written by that one. */
static lg_status
do_checkpoint(lg_session *s, char tag[LG_TAG_MAX])
{
    const lg_session_server_config *cfg = &s->server->cfg;
    bool may = s->superuser;
    snprintf(tag, LG_TAG_MAX, "CHECKPOINT");
    if (!may)
        LG_TRY(lg_cat_is_member(s->cat, lg_cat_user(s->cat), LG_ROLE_CHECKPOINT, false, &may));
    if (!may)
        return lg_error_set(&s->err, "42501",
                            "must be superuser or have privileges of pg_checkpoint to do "
                            "CHECKPOINT");
    if (!cfg->checkpoint)
        return LG_OK;
    struct checkpoint_log log;
    checkpoint_starts(s, &log);
    lg_status st = LG_TIMEOUT;
    while (st == LG_TIMEOUT) { /* in steps: it can be canceled */
        LG_TRY(s->es.check_cancel(s->es.arg));
        st = cfg->checkpoint(cfg->arg, lg_run_now_ns(cfg->run) + 100 * LG_MS);
    }
    if (st == LG_OK)
        checkpoint_ends(s, &log);
    return st;
}

/* LOAD: there are no libraries to load. */
static lg_status
do_load(lg_session *s, const char *name)
{
    if (!name)
        name = "";
    if (!s->superuser && (strncmp(name, "$libdir/plugins/", 16) || strchr(name + 16, '/')))
        return lg_error_set(&s->err, "42501", "access to library \"%s\" is not allowed", name);
    return lg_error_set(&s->err, "58P01", "could not access file \"%s\": No such file or directory",
                        name);
}

/* Statements of several transactions, which a block does not take. */
static const char *
concurrent_name(const lg_ast *stmt)
{
    if (stmt->tag == LG_AST_INDEX_STMT && lg_ast_as(stmt, index_stmt)->concurrent)
        return "CREATE INDEX CONCURRENTLY";
    if (stmt->tag == LG_AST_DROP_STMT && lg_ast_as(stmt, drop_stmt)->concurrent)
        return "DROP INDEX CONCURRENTLY";
    if (stmt->tag != LG_AST_REINDEX_STMT)
        return NULL;
    const lg_ast_list *params = &lg_ast_as(stmt, reindex_stmt)->params;
    for (uint32_t i = 0; i < params->n; i++)
        if (!strcmp(lg_ast_as(params->at[i], def_elem)->defname, "concurrently"))
            return "REINDEX CONCURRENTLY";
    return NULL;
}

lg_status
lg_session__utility(lg_session *s, lg_portal *p, const lg_ast *stmt, char tag[LG_TAG_MAX])
{
    const char *alone = concurrent_name(stmt);
    if (alone && s->txn_state == LG_SESSION_TXN_BLOCK)
        return lg_error_set(&s->err, "25001", "%s cannot run inside a transaction block", alone);
    switch (stmt->tag) {
    case LG_AST_TRANSACTION_STMT:
        return lg_session__txn_command(s, stmt, tag);
    case LG_AST_VARIABLE_SET_STMT:
        return do_set(s, lg_ast_as(stmt, variable_set_stmt), tag);
    case LG_AST_VARIABLE_SHOW_STMT:
        return do_show(s, lg_ast_as(stmt, variable_show_stmt)->name, tag);
    case LG_AST_PREPARE_STMT:
        return do_prepare(s, p, lg_ast_as(stmt, prepare_stmt), tag);
    case LG_AST_EXECUTE_STMT:
        return do_execute(s, p, lg_ast_as(stmt, execute_stmt), tag);
    case LG_AST_DEALLOCATE_STMT:
        return do_deallocate(s, lg_ast_as(stmt, deallocate_stmt)->name, tag);
    case LG_AST_DECLARE_CURSOR_STMT:
        return do_declare(s, p, lg_ast_as(stmt, declare_cursor_stmt), tag);
    case LG_AST_FETCH_STMT:
        return do_fetch(s, p, lg_ast_as(stmt, fetch_stmt), tag);
    case LG_AST_CLOSE_PORTAL_STMT:
        return do_close(s, lg_ast_as(stmt, close_portal_stmt)->portalname, tag);
    case LG_AST_DISCARD_STMT:
        return do_discard(s, lg_ast_as(stmt, discard_stmt)->target, tag);
    case LG_AST_LOCK_STMT:
        if (s->txn_state != LG_SESSION_TXN_BLOCK)
            return lg_error_set(&s->err, "25P01",
                                "LOCK TABLE can only be used in transaction blocks");
        return LG_UNSUPPORTED; /* the executor's */
    case LG_AST_CONSTRAINTS_SET_STMT:
        if (s->txn_state != LG_SESSION_TXN_BLOCK)
            lg_session__notice(s, "WARNING", "25P01",
                               "SET CONSTRAINTS can only be used in transaction blocks");
        return LG_UNSUPPORTED; /* the executor's */
    case LG_AST_CHECK_POINT_STMT:
        return do_checkpoint(s, tag);
    case LG_AST_LOAD_STMT:
        return do_load(s, lg_ast_as(stmt, load_stmt)->filename);
    case LG_AST_SEC_LABEL_STMT:
        return lg_ast_as(stmt, sec_label_stmt)->provider
                   ? lg_error_set(&s->err, "22023", "security label provider \"%s\" is not loaded",
                                  lg_ast_as(stmt, sec_label_stmt)->provider)
                   : lg_error_set(&s->err, "22023", "no security label providers have been loaded");
    case LG_AST_LISTEN_STMT:
    case LG_AST_NOTIFY_STMT:
    case LG_AST_UNLISTEN_STMT:
        return lg_session__notify_statement(s, stmt, tag);
    default:
        return LG_UNSUPPORTED;
    }
}

static uint32_t
text_columns(lg_arena *a, uint32_t n, const char *const *names, const lg_outcol **ret_cols)
{
    lg_outcol *cols = LG_NEWN(a, lg_outcol, n);
    for (uint32_t i = 0; i < n; i++)
        cols[i] = (lg_outcol){.name = names[i], .type = LG_T_TEXT, .typmod = -1};
    *ret_cols = cols;
    return n;
}

uint32_t
lg_session__utility_columns(lg_session *s, const lg_ast *stmt, lg_arena *a,
                            const lg_outcol **ret_cols)
{
    static const char *const all[] = {"name", "setting", "description"};
    uint32_t n = 0;
    if (stmt->tag == LG_AST_VARIABLE_SHOW_STMT) {
        const char *name = lg_ast_as(stmt, variable_show_stmt)->name;
        if (!strcasecmp(name, "all"))
            return text_columns(a, 3, all, ret_cols);
        const char *shown = show_name(name);
        return text_columns(a, 1, &shown, ret_cols);
    }
    if (stmt->tag == LG_AST_EXECUTE_STMT) {
        lg_prepared *p = lg_session__prepared_find(s, lg_ast_as(stmt, execute_stmt)->name);
        /* An error shows again, with its text, when the statement runs. */
        if (p && lg_session__columns(s, p, a, ret_cols, &n) == LG_OK)
            return n;
        lg_error_clear(&s->err);
        return 0;
    }
    if (stmt->tag == LG_AST_FETCH_STMT) {
        const lg_ast_fetch_stmt *f = lg_ast_as(stmt, fetch_stmt);
        lg_portal *cursor = lg_session__portal_find(s, f->portalname);
        if (cursor && !f->ismove && cursor->planned) {
            *ret_cols = cursor->planned->plan->cols;
            return cursor->planned->plan->ncols;
        }
    }
    return 0;
}
