/* What statements run in: the environment of functions, the executor's callbacks, checked settings,
 * the user and the database. */
#include "session_internal.h"
#include "acl.h"
#include "array.h"
#include "scram.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- callbacks ---- */

static int64_t
clock_ts(void *arg)
{
    lg_session *s = arg;
    return (int64_t)lg_run_wall_us(s->server->cfg.run) - LG_TS_UNIX_EPOCH_US;
}

static void
random_bytes(void *arg, void *buf, size_t len)
{
    lg_session *s = arg;
    lg_run_random_bytes(s->server->cfg.run, buf, len);
}

static lg_status
next_txn(void *arg)
{
    return lg_session__txn_next(arg);
}

static lg_status
new_snapshot(void *arg)
{
    lg_session__txn_new_snapshot(arg);
    return LG_OK;
}

/* Asked between batches: takes a pending cancel and gives other sessions their turn. */
static lg_status
check_cancel(void *arg)
{
    lg_session *s = arg;
    LG_TRY(lg_fiber_canceled(s->fiber));
    if (s->pending_end != LG_OK)
        return s->pending_end;
    if (lg_fiber_should_yield())
        lg_fiber_yield();
    return LG_OK;
}

/* Severities from least to most worth telling, as client_min_messages orders them. */
static int
severity_rank(const char *name)
{
    static const char *const order[] = {"debug5", "debug4", "debug3",  "debug2", "debug1",
                                        "log",    "notice", "warning", "error"};
    if (!strncasecmp(name, "debug", 5) && !name[5])
        return 4;
    for (int i = 0; i < 9; i++)
        if (!strcasecmp(name, order[i]))
            return i;
    return 9; /* INFO is always sent */
}

static void
notice(lg_session *s, const char *severity, const char *sqlstate, const char *message,
       const char *detail)
{
    lg_error e;
    lg_session__log_notice(s, severity, sqlstate, message, detail);
    const char *least = lg_settings_string(s->settings, LG_SETTING_client_min_messages);
    if (severity_rank(severity) < severity_rank(least))
        return;
    s->out_shows = true;
    memset(&e, 0, sizeof e);
    e.set = true;
    snprintf(e.sqlstate, sizeof e.sqlstate, "%s", sqlstate);
    e.message = message;
    e.detail = detail;
    lg_session__put_error(s, severity, &e);
}

void
lg_session__notice(lg_session *s, const char *severity, const char *sqlstate, const char *message)
{
    notice(s, severity, sqlstate, message, NULL);
}

static void
es_notice(void *arg, const char *severity, const char *sqlstate, const char *message,
          const char *detail)
{
    notice(arg, severity, sqlstate, message, detail);
}

static const char *
es_setting(void *arg, const char *name)
{
    lg_session *s = arg;
    char buf[64];
    const char *v = lg_settings_show(s->settings, name, buf, sizeof buf);
    return v == buf ? lg_arena_strdup(s->statement, buf) : v;
}

static bool
es_changed_setting(void *arg, size_t *pos, const char **ret_name, const char **ret_value)
{
    const lg_session *s = arg;
    lg_setting_id id;
    if (!lg_settings_next_changed(s->settings, pos, &id, ret_value))
        return false;
    *ret_name = lg_setting_info_of(id)->name;
    *ret_value = es_setting(arg, *ret_name);
    return true;
}

static lg_status
es_set_setting(void *arg, const char *name, const char *value, bool local)
{
    lg_session *s = arg;
    LG_TRY(lg_settings_set(s->settings, name, value, local ? LG_SET_LOCAL : LG_SET_SESSION,
                           s->superuser, &s->err));
    return lg_session__settings_changed(s);
}

static lg_status
es_check_setting(void *arg, const char *name, const char *value)
{
    lg_session *s = arg;
    return lg_settings_check(s->settings, name, value, s->superuser, &s->err);
}

static int32_t
es_backend_pid(void *arg)
{
    lg_session *s = arg;
    return (int32_t)s->pid;
}

static bool
es_in_block(void *arg)
{
    const lg_session *s = arg;
    return s->txn_state == LG_SESSION_TXN_BLOCK || s->several;
}

static lg_status
es_scram_verifier(void *arg, const char *password, lg_arena *a, const char **ret)
{
    lg_session *s = arg;
    uint8_t salt[16];
    char *text = lg_arena_alloc(a, LG_SCRAM_VERIFIER_MAX);
    lg_run_random_bytes(s->server->cfg.run, salt, sizeof salt);
    LG_TRY(lg_scram_verifier_make(password, salt, text));
    *ret = text;
    return LG_OK;
}

/* ---- settings that have to be understood ---- */

static const char *
trim_word(const char **p, char *word, size_t size)
{
    size_t n = 0;
    while (**p == ' ' || **p == ',')
        (*p)++;
    while (**p && **p != ' ' && **p != ',') {
        if (n + 1 < size)
            word[n++] = **p;
        (*p)++;
    }
    word[n] = 0;
    return n ? word : NULL;
}

static bool
parse_datestyle(const char *value, lg_datestyle *style, lg_dateorder *order, char bad[64])
{
    char word[64];
    bool order_given = false;
    while (trim_word(&value, word, sizeof word)) {
        if (!strcasecmp(word, "ISO"))
            *style = LG_DATESTYLE_ISO;
        else if (!strcasecmp(word, "SQL"))
            *style = LG_DATESTYLE_SQL;
        else if (!strncasecmp(word, "POSTGRES", 8))
            *style = LG_DATESTYLE_POSTGRES;
        else if (!strcasecmp(word, "German")) {
            *style = LG_DATESTYLE_GERMAN;
            if (!order_given)
                *order = LG_DATEORDER_DMY;
        } else if (!strcasecmp(word, "YMD") || !strcasecmp(word, "MDY") ||
                   !strcasecmp(word, "US") || !strncasecmp(word, "NONEURO", 7) ||
                   !strcasecmp(word, "DMY") || !strncasecmp(word, "EURO", 4)) {
            order_given = true;
            *order = !strcasecmp(word, "YMD")                                    ? LG_DATEORDER_YMD
                     : !strcasecmp(word, "DMY") || !strncasecmp(word, "EURO", 4) ? LG_DATEORDER_DMY
                                                                                 : LG_DATEORDER_MDY;
        } else if (strcasecmp(word, "DEFAULT") != 0) {
            snprintf(bad, 64, "%s", word);
            return false;
        }
    }
    return true;
}

static lg_status
check_datestyle(lg_session *s, const char *value, char *ret, size_t size, lg_error *err)
{
    static const char *const styles[] = {"ISO", "SQL", "Postgres", "German"};
    static const char *const orders[] = {"MDY", "DMY", "YMD"};
    lg_datestyle style = s->env.datestyle;
    lg_dateorder order = s->env.dateorder;
    char bad[64];
    if (!parse_datestyle(value, &style, &order, bad)) {
        lg_status st =
            lg_error_set(err, "22023", "invalid value for parameter \"DateStyle\": \"%s\"", value);
        lg_error_detail(err, "Unrecognized key word: \"%s\".", bad);
        return st;
    }
    snprintf(ret, size, "%s, %s", styles[style], orders[order]);
    return LG_OK;
}

static lg_status
check_encoding(const char *value, char *ret, size_t size, lg_error *err)
{
    const lg_encoding *e = lg_encoding_by_name(value);
    if (!e)
        return lg_error_set(err, "22023", "invalid value for parameter \"client_encoding\": \"%s\"",
                            value);
    if (!lg_encoding_convertible(e)) {
        lg_error_set(err, "0A000", "invalid value for parameter \"client_encoding\": \"%s\"",
                     value);
        lg_error_detail(err, "Conversion between %s and UTF8 is not supported.", e->name);
        return LG_SQL;
    }
    snprintf(ret, size, "%s", e->name);
    return LG_OK;
}

lg_status
lg_session__check_setting(void *arg, lg_setting_id id, const char *value, char *ret_canonical,
                          size_t size, lg_error *err)
{
    lg_session *s = arg;
    const lg_tz *tz;
    const char *now;
    switch (id) {
    case LG_SETTING_transaction_isolation:
        now = lg_settings_string(s->settings, id);
        if (s->have_snapshot && strcmp(now, value) != 0)
            return lg_error_set(err, "25001",
                                "SET TRANSACTION ISOLATION LEVEL must be called before any query");
        snprintf(ret_canonical, size, "%s", value);
        return LG_OK;
    case LG_SETTING_transaction_read_only:
        if (s->have_snapshot && strcmp(value, "off") == 0 && lg_settings_bool(s->settings, id))
            return lg_error_set(err, "25001",
                                "transaction read-write mode must be set before any query");
        snprintf(ret_canonical, size, "%s", value);
        return LG_OK;
    case LG_SETTING_TimeZone:
        tz = lg_tz_get(s->env.tzs, value);
        if (!tz)
            return lg_error_set(err, "22023", "invalid value for parameter \"TimeZone\": \"%s\"",
                                value);
        snprintf(ret_canonical, size, "%s", lg_tz_name(tz));
        return LG_OK;
    case LG_SETTING_DateStyle:
        return check_datestyle(s, value, ret_canonical, size, err);
    case LG_SETTING_client_encoding:
        return check_encoding(value, ret_canonical, size, err);
    default:
        snprintf(ret_canonical, size, "%s", value);
        return LG_OK;
    }
}

/* Brings what the settings say into the environment. Cheap: called after every change. */
/* How much memory statements may use, and what they may write to temporary files beyond it. */
static void
limits_changed(lg_session *s)
{
    const lg_settings *g = s->settings;
    int64_t limit = lg_settings_int(g, LG_SETTING_temp_file_limit);
    uint64_t work_mem = (uint64_t)lg_settings_int(g, LG_SETTING_work_mem) << 10;
    double multiplier = strtod(lg_settings_string(g, LG_SETTING_hash_mem_multiplier), NULL);
    s->es.temp = s->server->cfg.sql.temp;
    s->es.temp_owner = &s->temp_owner;
    s->es.work_mem = work_mem;
    s->es.maintenance_work_mem = (size_t)lg_settings_int(g, LG_SETTING_maintenance_work_mem) << 10;
    s->es.statistics_target = (uint32_t)lg_settings_int(g, LG_SETTING_default_statistics_target);
    s->es.hash_mem = (size_t)((double)work_mem * multiplier);
    int64_t gather = lg_settings_int(g, LG_SETTING_max_parallel_workers_per_gather);
    int64_t all = lg_settings_int(g, LG_SETTING_max_parallel_workers);
    s->es.max_helpers = (uint32_t)(gather < all ? gather : all);
    s->es.min_parallel_blocks =
        (uint32_t)lg_settings_int(g, LG_SETTING_min_parallel_table_scan_size);
    s->temp_owner.limit_bytes = limit < 0 ? 0 : (uint64_t)limit << 10;
    s->temp_owner.timing = lg_settings_bool(g, LG_SETTING_track_io_timing);
    lg_session__log_settings(s);
}

lg_status
lg_session__settings_changed(lg_session *s)
{
    char bad[64];
    const lg_settings *g = s->settings;
    const char *style = lg_settings_string(g, LG_SETTING_IntervalStyle);
    s->env.tz = lg_tz_get(s->env.tzs, lg_settings_string(g, LG_SETTING_TimeZone));
    if (!parse_datestyle(lg_settings_string(g, LG_SETTING_DateStyle), &s->env.datestyle,
                         &s->env.dateorder, bad))
        return LG_INTERNAL;
    s->env.intervalstyle = !strcmp(style, "iso_8601")           ? LG_INTERVALSTYLE_ISO_8601
                           : !strcmp(style, "sql_standard")     ? LG_INTERVALSTYLE_SQL_STANDARD
                           : !strcmp(style, "postgres_verbose") ? LG_INTERVALSTYLE_POSTGRES_VERBOSE
                                                                : LG_INTERVALSTYLE_POSTGRES;
    s->env.extra_float_digits = (int)lg_settings_int(g, LG_SETTING_extra_float_digits);
    s->env.bytea_escape = !strcmp(lg_settings_string(g, LG_SETTING_bytea_output), "escape");
    const lg_encoding *enc = lg_encoding_by_name(lg_settings_string(g, LG_SETTING_client_encoding));
    s->es.client_encoding = enc;
    s->encoding = enc && enc->icu ? enc : NULL;
    limits_changed(s);
    if (s->cat) {
        lg_cat_set_search_path(s->cat, lg_settings_string(g, LG_SETTING_search_path));
        lg_cat_set_lock_timeout(s->cat, (uint32_t)lg_settings_int(g, LG_SETTING_lock_timeout));
        LG_TRY(lg_session__user_apply(s));
        s->applied_version = lg_settings_version(g) + 1;
    }
    return LG_OK;
}

/* ---- user and database ---- */

/* Catalog reads before log-in: a handle of the bootstrap superuser, a transaction that only reads.
 */
static lg_status
with_catalog(lg_session *s, lg_status (*fn)(lg_session *s, void *arg), void *arg)
{
    LG_TRY(lg_cat_create(s->server->cfg.sql.catalog, LG_ROLE_BOOTSTRAP, s->database, &s->cat));
    lg_cat_set_owner(s->cat, &s->owner);
    lg_txn *t = lg_txn_begin(s->server->cfg.sql.txns);
    lg_cat_begin(s->cat, t);
    lg_status st = fn(s, arg);
    lg_status ended = lg_txn_rollback(t);
    lg_cat_end(s->cat, false);
    if (st == LG_OK && ended < 0)
        st = ended;
    lg_cat_destroy(s->cat);
    s->cat = NULL;
    return st;
}

struct role_lookup {
    const char *name;
    lg_session_role *role;
};

static lg_status
role_by_name(lg_session *s, void *arg)
{
    struct role_lookup *l = arg;
    lg_role r;
    LG_TRY(lg_cat_role_by_name(s->cat, l->name, s->arena, &r));
    *l->role = (lg_session_role){r.oid, r.super, r.canlogin, r.connlimit, r.password};
    return LG_OK;
}

lg_status
lg_session__find_role(lg_session *s, const char *name, lg_session_role *ret_role)
{
    struct role_lookup l = {name, ret_role};
    memset(ret_role, 0, sizeof *ret_role);
    return with_catalog(s, role_by_name, &l);
}

/* What ALTER ROLE and ALTER DATABASE ... SET say: the session's defaults. A value that is no longer
 * good is passed over. */
static lg_status
apply_settings_of(lg_session *s, lg_oid db, lg_oid role)
{
    lg_cat_row row;
    lg_array x;
    lg_datum keys[2] = {lg_datum_oid(db), lg_datum_oid(role)};
    lg_status st =
        lg_cat_find(s->cat, LG_REL_pg_db_role_setting,
                    LG_IX_pg_db_role_setting_databaseid_rol_index, 2, keys, s->arena, &row);
    if (st == LG_NOT_FOUND)
        return LG_OK;
    LG_TRY(st);
    if (LG_ROW_NULL(&row, LG_AT_pg_db_role_setting_setconfig))
        return LG_OK;
    lg_array_unpack(LG_ROW_GET(&row, LG_AT_pg_db_role_setting_setconfig), s->arena, &x);
    for (uint32_t i = 0; i < x.n; i++) {
        char *name = lg_text_cstring(s->arena, x.values[i]), *eq = strchr(name, '=');
        if (!eq)
            continue;
        *eq = '\0';
        if (lg_settings_set(s->settings, name, eq + 1, LG_SET_DEFAULT, true, &s->err) != LG_OK)
            lg_error_clear(&s->err);
    }
    return LG_OK;
}

/* DROP DATABASE takes the enqueue before the row goes: who has it in SHARE and finds the row then
 * is safe. */
static lg_status
database_locked(lg_session *s, lg_database *db)
{
    for (;;) {
        LG_TRY(lg_cat_database_by_name(s->cat, s->database, s->arena, db));
        if (s->database_oid == db->oid)
            return LG_OK;
        lg_session__release_database(s);
        LG_TRY(lg_cat_database_enqueue(&s->owner, db->oid, LG_LOCK_SHARE, LG_FOREVER));
        s->database_oid = db->oid;
    }
}

void
lg_session__release_database(lg_session *s)
{
    if (s->database_oid)
        lg_cat_database_release(&s->owner, s->database_oid, LG_LOCK_SHARE);
    s->database_oid = 0;
}

/* The database, the right to connect to it, and settings, from the most general to the most
 * particular. */
static lg_status
database_by_name(lg_session *s, void *arg)
{
    lg_database *db = arg;
    uint32_t may;
    LG_TRY(database_locked(s, db));
    LG_TRY(lg_cat_database_mask(s->cat, s->role_oid, db->oid, LG_ACL_CONNECT, &may));
    if (!may) {
        lg_error_set(&s->err, "42501", "permission denied for database \"%s\"", s->database);
        lg_error_detail(&s->err, "User does not have CONNECT privilege.");
        return LG_SQL;
    }
    LG_TRY(apply_settings_of(s, 0, 0));
    LG_TRY(apply_settings_of(s, db->oid, 0));
    LG_TRY(apply_settings_of(s, 0, s->role_oid));
    return apply_settings_of(s, db->oid, s->role_oid);
}

struct opening {
    lg_database *db;
    lg_catalog *catalog;
};

static lg_status
open_catalog(lg_session *s, void *arg)
{
    struct opening *o = arg;
    return lg_catalog_of_database(s->server->cfg.sql.catalog, o->db, lg_cat_txn(s->cat),
                                  &o->catalog);
}

static lg_status
make_tables(lg_session *s, lg_database *db)
{
    lg_cat_row old, row;
    lg_datum key = lg_datum_oid(db->oid);
    LG_TRY(lg_cat_find(s->cat, LG_REL_pg_database, LG_IX_pg_database_oid_index, 1, &key, s->arena,
                       &old));
    db->root = lg_cat_database_root(&old);
    if (db->root.file) /* another session was faster */
        return LG_OK;
    row = old;
    LG_TRY(lg_cat_database_make(s->cat, db->oid, db->name, NULL, &db->root));
    lg_cat_database_set_root(&row, &db->root);
    return lg_cat_update(s->cat, LG_REL_pg_database, &old, &row);
}

/* The first session of a database whose tables are not made yet makes them, in a transaction of its
 * own, alone in the cluster. */
static lg_status
first_use(lg_session *s, lg_database *db)
{
    lg_session__release_database(s);
    LG_TRY(lg_cat_database_enqueue(&s->owner, db->oid, LG_LOCK_EXCLUSIVE, LG_FOREVER));
    lg_status st =
        lg_cat_create(s->server->cfg.sql.catalog, LG_ROLE_BOOTSTRAP, s->database, &s->cat);
    if (st == LG_OK) {
        lg_cat_set_owner(s->cat, &s->owner);
        lg_txn *t = lg_txn_begin(s->server->cfg.sql.txns);
        lg_cat_begin(s->cat, t);
        st = make_tables(s, db);
        if (st == LG_OK)
            st = lg_cat_pre_commit(s->cat);
        if (st != LG_OK) {
            LG_KEEP(lg_txn_rollback(t));
        } else {
            st = lg_txn_commit(t);
            if (st == LG_IO)
                st = LG_FENCED; /* the outcome is unknown: the instance stops */
        }
        lg_cat_end(s->cat, st == LG_OK);
        lg_cat_destroy(s->cat);
        s->cat = NULL;
    }
    lg_cat_database_release(&s->owner, db->oid, LG_LOCK_EXCLUSIVE);
    return st;
}

/* Sessions of all instances count, this one too. Two that come at once may both be refused. */
static lg_status
check_limits(lg_session *s, const lg_database *db)
{
    if (s->superuser)
        return LG_OK;
    if (s->role_limit >= 0 && lg_session__role_sessions(s) > (uint32_t)s->role_limit)
        return lg_error_set(&s->err, "53300", "too many connections for role \"%s\"", s->user);
    if (db->connlimit >= 0 &&
        lg_session__database_sessions(s, db->oid, false) > (uint32_t)db->connlimit)
        return lg_error_set(&s->err, "53300", "too many connections for database \"%s\"",
                            s->database);
    return LG_OK;
}

lg_status
lg_session__open_database(lg_session *s)
{
    const lg_session_server_config *cfg = &s->server->cfg;
    lg_database db;
    struct opening o = {&db, NULL};
    lg_status st = with_catalog(s, database_by_name, &db);
    for (int tries = 0; st == LG_OK && db.allow_connections && !db.root.file; tries++) {
        st = tries < 10 ? first_use(s, &db) : LG_TIMEOUT;
        if (st == LG_OK)
            st = with_catalog(s, database_by_name, &db);
    }
    if (st == LG_NOT_FOUND)
        return lg_error_set(&s->err, "3D000", "database \"%s\" does not exist", s->database);
    LG_TRY(st);
    if (!db.allow_connections)
        return lg_error_set(&s->err, "55000",
                            "database \"%s\" is not currently accepting connections", s->database);
    LG_TRY(check_limits(s, &db));
    LG_TRY(with_catalog(s, open_catalog, &o));
    LG_TRY(lg_cat_create(o.catalog, s->role_oid, s->database, &s->cat));
    lg_cat_set_owner(s->cat, &s->owner);
    s->es = (lg_exec_session){
        .run = cfg->run,
        .cat = s->cat,
        .env = &s->env,
        .err = &s->err,
        .arg = s,
        .new_snapshot = new_snapshot,
        .next_txn = next_txn,
        .utility = lg_ddl_utility,
        .check_cancel = check_cancel,
        .notice = es_notice,
        .setting = es_setting,
        .plan_settings = lg_session__plan_settings,
        .set_setting = es_set_setting,
        .check_setting = es_check_setting,
        .stats = &s->stats,
        .changed_setting = es_changed_setting,
        .backend_pid = es_backend_pid,
        .in_block = es_in_block,
        .database_sessions = lg_session__database_sessions,
        .scram_verifier = es_scram_verifier,
    };
    limits_changed(s);
    lg_session__copy_callbacks(&s->es);
    s->env.session = &s->es;
    s->env.check_cancel = check_cancel;
    s->env.check_arg = s;
    s->env.user = &lg_exec_usertypes;
    s->env.current_of = lg_session__current_of;
    return LG_OK;
}

/* What every session has from its first moment. */
void
lg_session__sql_open(lg_session *s)
{
    lg_temp_owner_init(&s->temp_owner);
    lg_env_init(&s->env);
    s->env.clock_ts = clock_ts;
    s->env.random_bytes = random_bytes;
    s->env.arg = s;
    s->env.tzs = s->server->cfg.sql.tzs;
    s->env.ext = s->server->cfg.sql.functions;
    s->prepared = lg_strmap_create();
    s->portals = lg_strmap_create();
    lg_list_init(&s->savepoints);
    lg_ges_owner_init(s->server->cfg.sql.ges, &s->owner, s);
    lg_session__notify_open(s);
}

void
lg_session__sql_close(lg_session *s)
{
    lg_session__portals_drop_all(s, true);
    lg_session__txn_abandon(s);
    lg_session__temp_end(s);
    lg_session__notify_close(s);
    lg_session__prepared_drop_all(s);
    lg_strmap_destroy(s->prepared);
    lg_strmap_destroy(s->portals);
    lg_ddl_session_fini(&s->es);
    lg_exec_session_fini(&s->es);
    lg_temp_owner_fini(&s->temp_owner);
    lg_cat_destroy(s->cat);
    s->cat = NULL;
    lg_ges_owner_fini(&s->owner);
}
