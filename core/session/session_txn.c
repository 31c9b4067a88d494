/* Transactions of a session, as a client sees them.
 *
 *   NONE           --statement--> IMPLICIT
 *   IMPLICIT       --end of query or Sync--> NONE (committed; rolled back on error)
 *   NONE, IMPLICIT --BEGIN--> BLOCK
 *   BLOCK          --COMMIT, ROLLBACK--> NONE
 *   BLOCK          --error--> FAILED
 *   FAILED         --ROLLBACK, COMMIT (as ROLLBACK)--> NONE
 *   FAILED         --ROLLBACK TO--> BLOCK
 *
 * An error in a block without savepoints rolls back in storage at once (locks go), the block stays
 * FAILED until the client ends it; with savepoints everything after the innermost one is taken
 * back.
 *
 * SERIALIZABLE is strict two-phase locking of tables: what a transaction reads is locked against
 * writers, what it writes against other such readers, until it has committed; its snapshot moves
 * up with each new lock, so it reads what it locked. Serial order is commit order. A READ ONLY
 * one needs no locks: a snapshot is a prefix of that order. A cycle of waits ends with 40001.
 *
 * COMMIT's order: deferred constraints, catalog (may wait for the dictionary enqueue), notifications (every
 * instance has them), storage (durable and heard by all), then catalog and settings let go.
 */
#include "session_internal.h"
#include <stdio.h>
#include <string.h>

char
lg_session__txn_char(const lg_session *s)
{
    switch (s->txn_state) {
    case LG_SESSION_TXN_BLOCK:
        return 'T';
    case LG_SESSION_TXN_FAILED:
        return 'E';
    default:
        return 'I';
    }
}

uint64_t
lg_session__xid(const lg_session *s)
{
    return s->txn ? lg_txn_xid(s->txn) : 0;
}

static void
warn(lg_session *s, const char *sqlstate, const char *message)
{
    lg_session__notice(s, "WARNING", sqlstate, message);
}

static bool
repeatable(const lg_session *s)
{
    const char *level = lg_settings_string(s->settings, LG_SETTING_transaction_isolation);
    return level[0] == 'r' && level[5] == 't'; /* repeatable read, not read committed */
}

bool
lg_session__serializable(const lg_session *s)
{
    return lg_settings_string(s->settings, LG_SETTING_transaction_isolation)[0] == 's';
}

/* A table was locked: nothing that was read so far can have changed, so reading goes on as of now.
 */
static void
on_locked(void *arg)
{
    lg_session *s = arg;
    lg_txn_snapshot_advance(s->txn, &s->snapshot);
    if (s->es.snapshot && s->es.snapshot != &s->snapshot)
        lg_txn_snapshot_advance(s->txn, (lg_snapshot *)(uintptr_t)s->es.snapshot);
}

static lg_status
begin_storage(lg_session *s)
{
    if (s->txn)
        return LG_OK;
    s->txn = lg_txn_begin(s->server->cfg.sql.txns);
    lg_txn_keep_mark(s->txn, &s->seen);
    lg_cat_begin(s->cat, s->txn);
    s->have_snapshot = false;
    s->xact_start_us = lg_run_wall_us(s->server->cfg.run);
    s->env.txn_ts = (int64_t)s->xact_start_us - LG_TS_UNIX_EPOCH_US;
    return LG_OK;
}

/* A new transaction takes its characteristics from the session's defaults. Most find them equal, as
 * they were when the settings last changed. */
static lg_status
default_characteristics(lg_session *s)
{
    static const struct {
        lg_setting_id is, from;
        const char *name;
    } pairs[] = {
        {LG_SETTING_transaction_isolation, LG_SETTING_default_transaction_isolation,
         "transaction_isolation"},
        {LG_SETTING_transaction_read_only, LG_SETTING_default_transaction_read_only,
         "transaction_read_only"},
        {LG_SETTING_transaction_deferrable, LG_SETTING_default_transaction_deferrable,
         "transaction_deferrable"},
    };
    uint32_t version = lg_settings_version(s->settings) + 1;
    if (s->defaults_version == version)
        return LG_OK;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const char *value = lg_settings_string(s->settings, pairs[i].from);
        if (strcmp(lg_settings_string(s->settings, pairs[i].is), value) != 0)
            LG_TRY(lg_settings_set(s->settings, pairs[i].name, value, LG_SET_LOCAL, true, &s->err));
    }
    if (lg_settings_version(s->settings) + 1 == version)
        s->defaults_version = version;
    return LG_OK;
}

static lg_status
begin(lg_session *s, lg_session_txn_state state)
{
    if (s->txn_state == LG_SESSION_TXN_NONE) {
        lg_settings_txn_begin(s->settings);
        LG_TRY(default_characteristics(s));
    }
    LG_TRY(begin_storage(s));
    s->txn_state = state;
    return LG_OK;
}

/* A newer snapshot for the statement that is running: READ COMMITTED runs it again. */
void
lg_session__txn_new_snapshot(lg_session *s)
{
    lg_snapshot *target = s->running ? &s->running->snapshot : &s->snapshot;
    lg_txn_snapshot(s->txn, target);
    s->es.snapshot = target;
}

/* Statements that read nothing as of a snapshot, so that SET TRANSACTION may still follow. */
static bool
needs_snapshot(const lg_ast *stmt)
{
    switch (stmt->tag) {
    case LG_AST_VARIABLE_SET_STMT:
    case LG_AST_VARIABLE_SHOW_STMT:
    case LG_AST_CONSTRAINTS_SET_STMT:
    case LG_AST_LOCK_STMT:
    case LG_AST_FETCH_STMT:
    case LG_AST_CLOSE_PORTAL_STMT:
    case LG_AST_PREPARE_STMT:
    case LG_AST_DEALLOCATE_STMT:
    case LG_AST_LISTEN_STMT:
    case LG_AST_NOTIFY_STMT:
    case LG_AST_UNLISTEN_STMT:
        return false;
    default:
        return true;
    }
}

lg_status
lg_session__txn_import_snapshot(lg_session *s, const char *id)
{
    uint32_t high, low, serial;
    char end;
    if (s->txn_state != LG_SESSION_TXN_BLOCK)
        return lg_error_set(&s->err, "25P01",
                            "SET TRANSACTION SNAPSHOT can only be used in transaction blocks");
    if (!repeatable(s) && !lg_session__serializable(s))
        return lg_error_set(&s->err, "0A000",
                            "a snapshot-importing transaction must have isolation level "
                            "SERIALIZABLE or REPEATABLE READ");
    if (lg_session__serializable(s) &&
        !lg_settings_bool(s->settings, LG_SETTING_transaction_read_only))
        return lg_error_set(&s->err, "0A000",
                            "a serializable transaction cannot import a snapshot from a "
                            "non-serializable transaction");
    if (s->have_snapshot)
        return lg_error_set(&s->err, "25001",
                            "SET TRANSACTION SNAPSHOT must be called before any query");
    if (sscanf(id, "%8X-%8X-%u%c", &high, &low, &serial, &end) != 3)
        return lg_error_set(&s->err, "22023", "invalid snapshot identifier: \"%s\"", id);
    lg_scn scn = (lg_scn)high << 32 | low;
    LG_TRY(lg_txn_fresh(s->server->cfg.sql.txns, true)); /* else it may seem to be of the future */
    if (lg_txn_snapshot_at(s->txn, scn, &s->snapshot) != LG_OK)
        return lg_error_set(&s->err, "22023", "invalid snapshot identifier: \"%s\"", id);
    s->have_snapshot = true;
    return LG_OK;
}

lg_status
lg_session__txn_statement(lg_session *s, const lg_ast *stmt)
{
    if (s->txn_state == LG_SESSION_TXN_NONE)
        LG_TRY(begin(s, LG_SESSION_TXN_IMPLICIT));
    s->es.unconfirmed = false;
    if (!needs_snapshot(stmt))
        return LG_OK;
    int64_t lock_timeout_ms = lg_settings_int(s->settings, LG_SETTING_lock_timeout);
    lg_txn_set_lock_deadline(s->txn, lock_timeout_ms > 0 ? lg_run_now_exact_ns(s->server->cfg.run) +
                                                               (uint64_t)lock_timeout_ms * LG_MS
                                                         : LG_FOREVER);
    s->es.repeatable_read = repeatable(s) || lg_session__serializable(s);
    s->es.read_only = lg_settings_bool(s->settings, LG_SETTING_transaction_read_only);
    if (lg_session__serializable(s) && !s->es.read_only)
        lg_cat_lock_serializable(s->cat, on_locked, s);
    s->es.unconfirmed = !s->es.repeatable_read;
    if (s->es.repeatable_read && !s->have_snapshot)
        LG_TRY(lg_txn_fresh(s->server->cfg.sql.txns, true));
    if (!s->es.repeatable_read || !s->have_snapshot) {
        /* Nothing open needs the older ones: purge may go on. */
        if (!s->es.repeatable_read && lg_strmap_count(s->portals) == 0)
            lg_txn_snapshots_done(s->txn);
        lg_txn_snapshot(s->txn, &s->snapshot);
        s->have_snapshot = true;
    } else {
        lg_txn_snapshot_refresh_own(s->txn, &s->snapshot);
    }
    s->es.snapshot = &s->snapshot;
    return LG_OK;
}

/* The statement's snapshot was taken without asking the other instances what they have committed
 * (lg_txn_fresh). Most statements need it to be known; those that do not are told by their plan. */
lg_status
lg_session__txn_confirm(lg_session *s)
{
    if (!s->es.unconfirmed || !s->txn)
        return LG_OK;
    LG_TRY(lg_txn_fresh(s->server->cfg.sql.txns, true));
    s->es.unconfirmed = false;
    lg_txn_snapshot(s->txn, &s->snapshot);
    return LG_OK;
}

/* ---- endings ---- */

static void
pop_savepoint(lg_session *s)
{
    lg_session_savepoint *sp = LG_CONTAINER_OF(s->savepoints.next, lg_session_savepoint, link);
    lg_list_remove(&sp->link);
    lg_free(sp->name);
    lg_free(sp);
}

static void
finish(lg_session *s, bool committed)
{
    while (!lg_list_empty(&s->savepoints))
        pop_savepoint(s);
    lg_exec_checks_end(&s->es);
    lg_settings_txn_end(s->settings, committed);
    s->txn_state = LG_SESSION_TXN_NONE;
    s->have_snapshot = false;
    s->xact_start_us = 0;
    if (s->applied_version != lg_settings_version(s->settings) + 1) {
        lg_status st = lg_session__settings_changed(s);
        (void)st; /* values were checked when they were set */
    }
}

/* Rolls storage and catalog back; the session's own state is finish()'s. A rollback that fails (a
 * disk error, fencing) leaves the transaction to be rolled back by whoever recovers this instance.
 */
static void
rollback_storage(lg_session *s)
{
    lg_session__portals_drop_all(s, false);
    if (!s->txn)
        return;
    lg_status st = lg_txn_rollback(s->txn);
    s->txn = NULL;
    if (st != LG_OK)
        lg_log_error(s->server->cfg.log, "session", "rollback failed: %s", lg_status_text(st));
    lg_session__notify_end(s, false);
    lg_cat_end(s->cat, false);
    lg_stat_inc(&s->stats, LG_STAT_USER_ROLLBACKS);
    lg_stat_inc(lg_run_stats(s->server->cfg.run), LG_STAT_USER_ROLLBACKS);
}

static void
rollback(lg_session *s)
{
    rollback_storage(s);
    finish(s, false);
}

static lg_status
commit(lg_session *s)
{
    s->es.snapshot = &s->snapshot;
    lg_status st = lg_exec_checks_commit(&s->es);
    if (st == LG_OK)
        st = lg_session__cursors_hold(s);
    if (st != LG_OK) {
        rollback(s);
        return st;
    }
    lg_session__portals_drop_all(s, false);
    if (s->txn) {
        st = lg_ddl_temp_commit(&s->es, s->statement);
        if (st == LG_OK)
            st = lg_cat_pre_commit(s->cat);
        if (st == LG_OK)
            st = lg_session__notify_pre_commit(s);
        if (st != LG_OK) {
            rollback(s);
            return st;
        }
        if (!lg_cat_did_ddl(s->cat) && !s->notify)
            lg_txn_release_early(s->txn);
        st = lg_txn_commit(s->txn);
        if (st == LG_IO || st == LG_FENCED)
            return LG_FENCED; /* the outcome is unknown: the instance stops, recovery decides */
        s->txn = NULL;
        lg_session__notify_end(s, st == LG_OK);
        lg_cat_end(s->cat, st == LG_OK);
        if (st != LG_OK) {
            finish(s, false);
            return st;
        }
        lg_stat_inc(&s->stats, LG_STAT_USER_COMMITS);
        lg_stat_inc(lg_run_stats(s->server->cfg.run), LG_STAT_USER_COMMITS);
    }
    finish(s, true);
    return LG_OK;
}

lg_status
lg_session__txn_next(lg_session *s)
{
    LG_TRY(commit(s));
    LG_TRY(begin(s, LG_SESSION_TXN_IMPLICIT));
    s->es.snapshot = &s->snapshot;
    return LG_OK;
}

/* Everything since the innermost savepoint. */
static lg_status
rollback_to_newest(lg_session *s)
{
    lg_session_savepoint *sp = LG_CONTAINER_OF(s->savepoints.next, lg_session_savepoint, link);
    LG_TRY(lg_txn_rollback_to(s->txn, sp->storage));
    lg_cat_rollback_to(s->cat, sp->catalog);
    lg_settings_rollback_to(s->settings, sp->settings);
    lg_session__notify_rollback_to(s, sp->notify);
    lg_exec_checks_rollback_to(&s->es, sp->checks);
    return lg_session__settings_changed(s);
}

void
lg_session__txn_statement_failed(lg_session *s)
{
    if (s->txn_state == LG_SESSION_TXN_FAILED)
        return;
    if (s->txn_state == LG_SESSION_TXN_BLOCK) {
        lg_session__portals_drop_all(s, false);
        s->txn_state = LG_SESSION_TXN_FAILED;
        if (lg_list_empty(&s->savepoints) || rollback_to_newest(s) != LG_OK)
            rollback_storage(s);
    } else if (s->txn_state == LG_SESSION_TXN_IMPLICIT) {
        rollback(s);
    }
}

lg_status
lg_session__txn_end_implicit(lg_session *s)
{
    return s->txn_state == LG_SESSION_TXN_IMPLICIT ? commit(s) : LG_OK;
}

void
lg_session__txn_abandon(lg_session *s)
{
    if (s->txn_state != LG_SESSION_TXN_NONE)
        rollback(s);
}

/* ---- commands ---- */

static lg_status
command_begin(lg_session *s, const lg_ast_transaction_stmt *t)
{
    if (s->txn_state == LG_SESSION_TXN_BLOCK) {
        warn(s, "25001", "there is already a transaction in progress");
        return LG_OK;
    }
    LG_TRY(begin(s, LG_SESSION_TXN_BLOCK));
    return lg_session__txn_options(s, &t->options, false);
}

static lg_status
chain_begin(lg_session *s, bool chain, const char *isolation, const char *read_only)
{
    if (!chain)
        return LG_OK;
    LG_TRY(begin(s, LG_SESSION_TXN_BLOCK));
    LG_TRY(lg_settings_set(s->settings, "transaction_isolation", isolation, LG_SET_LOCAL, true,
                           &s->err));
    return lg_settings_set(s->settings, "transaction_read_only", read_only, LG_SET_LOCAL, true,
                           &s->err);
}

static lg_status
command_end(lg_session *s, const lg_ast_transaction_stmt *t, char tag[LG_TAG_MAX])
{
    bool wants_commit = t->kind == LG_A_TRANS_STMT_COMMIT;
    bool commits = wants_commit && s->txn_state != LG_SESSION_TXN_FAILED;
    bool in_block = s->txn_state == LG_SESSION_TXN_BLOCK || s->txn_state == LG_SESSION_TXN_FAILED;
    char isolation[32], read_only[8];
    snprintf(isolation, sizeof isolation, "%s",
             lg_settings_string(s->settings, LG_SETTING_transaction_isolation));
    snprintf(read_only, sizeof read_only, "%s",
             lg_settings_string(s->settings, LG_SETTING_transaction_read_only));
    if (t->chain && !in_block)
        return lg_error_set(&s->err, "25P01", "%s can only be used in transaction blocks",
                            wants_commit ? "COMMIT AND CHAIN" : "ROLLBACK AND CHAIN");
    if (!in_block)
        warn(s, "25P01", "there is no transaction in progress");
    snprintf(tag, LG_TAG_MAX, "%s", commits ? "COMMIT" : "ROLLBACK");
    if (commits)
        LG_TRY(commit(s));
    else
        rollback(s);
    s->out_shows = true; /* confirms the block's tags; another block may begin in the same answer */
    return chain_begin(s, t->chain, isolation, read_only);
}

static lg_session_savepoint *
find_savepoint(lg_session *s, const char *name)
{
    LG_LIST_FOREACH (it, &s->savepoints) {
        lg_session_savepoint *sp = LG_CONTAINER_OF(it, lg_session_savepoint, link);
        if (!strcmp(sp->name, name))
            return sp;
    }
    return NULL;
}

static lg_status
require_block(lg_session *s, const char *what)
{
    if (s->txn_state == LG_SESSION_TXN_BLOCK || s->txn_state == LG_SESSION_TXN_FAILED)
        return LG_OK;
    return lg_error_set(&s->err, "25P01", "%s can only be used in transaction blocks", what);
}

static lg_status
command_savepoint(lg_session *s, const char *name)
{
    LG_TRY(require_block(s, "SAVEPOINT"));
    lg_session_savepoint *sp = lg_zalloc(sizeof *sp);
    sp->name = lg_strdup(name);
    lg_txn_savepoint_take(s->txn, &sp->storage);
    sp->catalog = lg_cat_savepoint(s->cat);
    sp->settings = lg_settings_mark(s->settings);
    lg_session__notify_mark(s, &sp->notify);
    lg_exec_checks_mark(&s->es, &sp->checks);
    lg_list_push_front(&s->savepoints, &sp->link);
    return LG_OK;
}

static lg_status
command_release(lg_session *s, const char *name)
{
    LG_TRY(require_block(s, "RELEASE SAVEPOINT"));
    lg_session_savepoint *sp = find_savepoint(s, name);
    if (!sp)
        return lg_error_set(&s->err, "3B001", "savepoint \"%s\" does not exist", name);
    while (s->savepoints.next != &sp->link)
        pop_savepoint(s);
    pop_savepoint(s);
    return LG_OK;
}

static lg_status
command_rollback_to(lg_session *s, const char *name)
{
    LG_TRY(require_block(s, "ROLLBACK TO SAVEPOINT"));
    lg_session_savepoint *sp = find_savepoint(s, name);
    if (!sp)
        return lg_error_set(&s->err, "3B001", "savepoint \"%s\" does not exist", name);
    while (s->savepoints.next != &sp->link)
        pop_savepoint(s);
    lg_session__portals_drop_all(s, false);
    LG_TRY(rollback_to_newest(s));
    s->txn_state = LG_SESSION_TXN_BLOCK;
    return LG_OK;
}

lg_status
lg_session__txn_command(lg_session *s, const lg_ast *stmt, char tag[LG_TAG_MAX])
{
    const lg_ast_transaction_stmt *t = lg_ast_as(stmt, transaction_stmt);
    switch (t->kind) {
    case LG_A_TRANS_STMT_BEGIN:
        snprintf(tag, LG_TAG_MAX, "BEGIN");
        return command_begin(s, t);
    case LG_A_TRANS_STMT_START:
        snprintf(tag, LG_TAG_MAX, "START TRANSACTION");
        return command_begin(s, t);
    case LG_A_TRANS_STMT_COMMIT:
    case LG_A_TRANS_STMT_ROLLBACK:
        return command_end(s, t, tag);
    case LG_A_TRANS_STMT_SAVEPOINT:
        snprintf(tag, LG_TAG_MAX, "SAVEPOINT");
        return command_savepoint(s, t->savepoint_name);
    case LG_A_TRANS_STMT_RELEASE:
        snprintf(tag, LG_TAG_MAX, "RELEASE");
        return command_release(s, t->savepoint_name);
    case LG_A_TRANS_STMT_ROLLBACK_TO:
        snprintf(tag, LG_TAG_MAX, "ROLLBACK");
        return command_rollback_to(s, t->savepoint_name);
    default:
        return lg_error_set(&s->err, "55000", "prepared transactions are disabled");
    }
}
