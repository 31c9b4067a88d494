/* The functions behind pg_stat_database, pg_stat_all_tables, pg_stat_bgwriter, pg_stat_wal and their
 * kin: what this instance counted, in PostgreSQL's form. Resets keep the counters and remember where
 * they stood, for gv$sysstat goes on. Also pg_blocking_pids, over all instances. */
#include "array.h"
#include "buf.h"
#include "func.h"
#include "numeric.h"
#include "redo.h"
#include "relstat.h"
#include "session_internal.h"
#include "virtual.h"
#include <string.h>

static lg_session *
session_of(const lg_call *c)
{
    return ((lg_exec_session *)c->env->session)->arg;
}

/* ---- tables and indexes ---- */

static const lg_relstat *
stat_of(const lg_call *c)
{
    static const lg_relstat none;
    const lg_catalog *cat = lg_cat_catalog(session_of(c)->cat);
    const lg_relstat *r = lg_catalog_relstat_find(cat, lg_oid_of(c->args[0]));
    return r ? r : &none;
}

#define COUNTER(fn, field)                                                                         \
    static lg_datum fn(lg_call *c)                                                                 \
    {                                                                                              \
        return lg_datum_int8((int64_t)stat_of(c)->field);                                          \
    }
#define MOMENT(fn, field)                                                                          \
    static lg_datum fn(lg_call *c)                                                                 \
    {                                                                                              \
        c->isnull = stat_of(c)->field == 0;                                                        \
        return lg_datum_int8(stat_of(c)->field);                                                   \
    }

COUNTER(fn_scans, scans)
COUNTER(fn_returned, returned)
COUNTER(fn_fetched, fetched)
COUNTER(fn_inserted, inserted)
COUNTER(fn_updated, updated)
COUNTER(fn_deleted, deleted)
COUNTER(fn_live, live)
COUNTER(fn_dead, dead)
COUNTER(fn_modified, modified)
COUNTER(fn_ins_since_vacuum, inserted_since_vacuum)
COUNTER(fn_analyzed, analyzed)
COUNTER(fn_vacuumed, vacuumed)
MOMENT(fn_analyzed_at, analyzed_at)
MOMENT(fn_vacuumed_at, vacuumed_at)

/* Of the relation's file, of this instance since it started or since the last reset. */
static lg_buf_file_counts
blocks_of(lg_call *c)
{
    const lg_session *s = session_of(c);
    lg_buf_file_counts none = {0, 0};
    lg_relation *rel;
    lg_status st = lg_cat_relation_by_oid(s->cat, lg_oid_of(c->args[0]), &rel);
    if (st == LG_NOT_FOUND)
        return none;
    if (st != LG_OK) {
        c->st = st;
        return none;
    }
    uint32_t file = rel->storage.file;
    lg_relation_unref(rel);
    return s->server->cfg.buf ? lg_buf_file_count(s->server->cfg.buf, file) : none;
}

static lg_datum
fn_blocks_fetched(lg_call *c)
{
    return lg_datum_int8((int64_t)blocks_of(c).gets);
}

static lg_datum
fn_blocks_hit(lg_call *c)
{
    lg_buf_file_counts n = blocks_of(c);
    return lg_datum_int8(n.gets > n.reads ? (int64_t)(n.gets - n.reads) : 0);
}

/* ---- the database ---- */

/* Since the last pg_stat_reset. */
static uint64_t
counted(const lg_call *c, lg_stat which)
{
    const lg_session_server *srv = session_of(c)->server;
    uint64_t now = lg_run_stats(srv->cfg.run)->count[which];
    return now - srv->db_base[which];
}

static bool
this_database(const lg_call *c)
{
    return lg_oid_of(c->args[0]) == lg_cat_database_oid(session_of(c)->cat);
}

#define DB_STAT(fn, which)                                                                         \
    static lg_datum fn(lg_call *c)                                                                 \
    {                                                                                              \
        return lg_datum_int8(this_database(c) ? (int64_t)counted(c, which) : 0);                   \
    }

DB_STAT(fn_db_commits, LG_STAT_USER_COMMITS)
DB_STAT(fn_db_rollbacks, LG_STAT_USER_ROLLBACKS)
DB_STAT(fn_db_blocks_fetched, LG_STAT_LOGICAL_READS)
DB_STAT(fn_db_deadlocks, LG_STAT_ENQUEUE_DEADLOCKS)
DB_STAT(fn_db_sessions, LG_STAT_LOGONS_CUMULATIVE)

static lg_datum
fn_db_blocks_hit(lg_call *c)
{
    uint64_t gets = counted(c, LG_STAT_LOGICAL_READS), reads = counted(c, LG_STAT_PHYSICAL_READS);
    return lg_datum_int8(this_database(c) && gets > reads ? (int64_t)(gets - reads) : 0);
}

static lg_datum
fn_db_numbackends(lg_call *c)
{
    return lg_datum_int4(this_database(c) ? (int32_t)lg_session_count(session_of(c)->server) : 0);
}

/* All sessions share one scratch file: its counts. */
static lg_temp_info
temp_counted(const lg_call *c)
{
    const lg_session_server *srv = session_of(c)->server;
    lg_temp_info t = {.dir = ""};
    if (!srv->cfg.sql.temp || !this_database(c))
        return t;
    lg_temp_info_get(srv->cfg.sql.temp, &t);
    t.files_made -= srv->db_temp_files;
    t.bytes_written -= srv->db_temp_bytes;
    return t;
}

static lg_datum
fn_db_temp_files(lg_call *c)
{
    return lg_datum_int8((int64_t)temp_counted(c).files_made);
}

static lg_datum
fn_db_temp_bytes(lg_call *c)
{
    return lg_datum_int8((int64_t)temp_counted(c).bytes_written);
}

#define DB_TUPLES(fn, field)                                                                       \
    static lg_datum fn(lg_call *c)                                                                 \
    {                                                                                              \
        lg_relstat sum;                                                                            \
        lg_catalog_relstat_sum(lg_cat_catalog(session_of(c)->cat), &sum);                          \
        return lg_datum_int8(this_database(c) ? (int64_t)sum.field : 0);                           \
    }

DB_TUPLES(fn_db_returned, returned)
DB_TUPLES(fn_db_fetched, fetched)
DB_TUPLES(fn_db_inserted, inserted)
DB_TUPLES(fn_db_updated, updated)
DB_TUPLES(fn_db_deleted, deleted)

static lg_datum
fn_zero_float(lg_call *c)
{
    (void)c;
    return lg_datum_float8(0);
}

static lg_datum
moment(lg_call *c, uint64_t us)
{
    c->isnull = us == 0;
    return lg_datum_int8((int64_t)us - LG_TS_UNIX_EPOCH_US);
}

static lg_datum
fn_db_reset_time(lg_call *c)
{
    return moment(c, this_database(c) ? session_of(c)->server->db_reset_us : 0);
}

/* ---- the instance ---- */

static uint64_t
shared(const lg_call *c, lg_stat which)
{
    const lg_session_server *srv = session_of(c)->server;
    return lg_run_stats(srv->cfg.run)->count[which] - srv->shared_base[which];
}

#define SHARED_STAT(fn, which)                                                                     \
    static lg_datum fn(lg_call *c)                                                                 \
    {                                                                                              \
        return lg_datum_int8((int64_t)shared(c, which));                                           \
    }

SHARED_STAT(fn_checkpoints, LG_STAT_CHECKPOINTS)
SHARED_STAT(fn_buffers_written, LG_STAT_PHYSICAL_WRITES)
SHARED_STAT(fn_buffers_read, LG_STAT_PHYSICAL_READS)

static lg_datum
fn_shared_reset_time(lg_call *c)
{
    return moment(c, session_of(c)->server->shared_reset_us);
}

/* ---- one row ---- */

static lg_status
once_open(lg_call *c, void **ret_state)
{
    *ret_state = lg_arena_zalloc(c->arena, sizeof(bool));
    return LG_OK;
}

static bool
once(void *state)
{
    bool *given = state, first = !*given;
    *given = true;
    return first;
}

static lg_status
wal_next(lg_call *c, void *state, lg_datum *v, uint8_t *nulls)
{
    if (!once(state))
        return LG_END;
    lg_num bytes = lg_num_of_int(c->arena, (int64_t)shared(c, LG_STAT_REDO_SIZE));
    memset(nulls, 0, 9);
    v[0] = lg_datum_int8((int64_t)shared(c, LG_STAT_REDO_ENTRIES));
    v[1] = lg_datum_int8(0);
    nulls[2] = !lg_num_pack(c->arena, &bytes, &v[2]);
    v[3] = lg_datum_int8((int64_t)shared(c, LG_STAT_REDO_SPACE_WAITS));
    v[4] = v[5] = lg_datum_int8((int64_t)shared(c, LG_STAT_REDO_WRITES));
    v[6] = v[7] = lg_datum_float8(0);
    v[8] = lg_datum_int8((int64_t)session_of(c)->server->shared_reset_us - LG_TS_UNIX_EPOCH_US);
    return LG_OK;
}

static lg_status
archiver_next(lg_call *c, void *state, lg_datum *v, uint8_t *nulls)
{
    if (!once(state))
        return LG_END;
    memset(nulls, 1, 7);
    memset(v, 0, 7 * sizeof *v);
    nulls[0] = nulls[3] = nulls[6] = 0;
    struct lg_redo *redo = session_of(c)->server->cfg.redo;
    const lg_redo_archive_info *i = redo ? lg_redo_archive_info_of(redo) : NULL;
    if (i && i->files) {
        const lg_redo_archived_file *f = &i->last[(i->files - 1) % LG_REDO_ARCHIVED_KEPT];
        char name[64];
        lg_redo_archive_name(lg_redo_thread(redo), f->incarnation, f->from, name, sizeof name);
        v[0] = lg_datum_int8((int64_t)i->files);
        v[1] = lg_datum_cstring_text(c->arena, name);
        v[2] = lg_datum_int8((int64_t)f->done_us - LG_TS_UNIX_EPOCH_US);
        nulls[1] = nulls[2] = 0;
    }
    if (i && i->failures) {
        v[3] = lg_datum_int8((int64_t)i->failures);
        v[5] = lg_datum_int8((int64_t)i->failed_us - LG_TS_UNIX_EPOCH_US);
        nulls[5] = 0;
    }
    v[6] = lg_datum_int8((int64_t)session_of(c)->server->shared_reset_us - LG_TS_UNIX_EPOCH_US);
    return LG_OK;
}

static const lg_srf wal_srf = {once_open, wal_next};
static const lg_srf archiver_srf = {once_open, archiver_next};

/* ---- prepared statements and cursors of the session ---- */

struct walk {
    size_t pos;
};

static lg_status
walk_open(lg_call *c, void **ret_state)
{
    *ret_state = lg_arena_zalloc(c->arena, sizeof(struct walk));
    return LG_OK;
}

static lg_datum
text(lg_call *c, const char *s)
{
    return lg_datum_cstring_text(c->arena, s);
}

static lg_status
cursor_next(lg_call *c, void *state, lg_datum *v, uint8_t *nulls)
{
    lg_session *s = session_of(c);
    struct walk *w = state;
    const char *name;
    size_t len;
    void *p;
    while (lg_strmap_next(s->portals, &w->pos, &name, &len, &p)) {
        const lg_portal *portal = p;
        if (!portal->is_cursor)
            continue;
        memset(nulls, 0, 6);
        v[0] = text(c, portal->name);
        v[1] = text(c, portal->prepared->text);
        v[2] = lg_datum_bool(portal->hold);
        v[3] = lg_datum_bool(portal->nformats && portal->formats[0]);
        v[4] = lg_datum_bool(portal->scroll || !portal->no_scroll);
        v[5] = lg_datum_int8((int64_t)portal->prepared->prepared_at_us - LG_TS_UNIX_EPOCH_US);
        return LG_OK;
    }
    return LG_END;
}

static const lg_srf cursor_srf = {walk_open, cursor_next};

static lg_status
rows_prepared(void *arg, lg_virtual_ctx *ctx)
{
    lg_session *s = ((lg_exec_session *)ctx->session)->arg;
    size_t pos = 0, len;
    const char *name;
    void *at;
    (void)arg;
    while (lg_strmap_next(s->prepared, &pos, &name, &len, &at)) {
        const lg_prepared *p = at;
        if (!*p->name)
            continue;
        lg_datum *types = LG_NEWN(ctx->arena, lg_datum, p->nparams + 1);
        for (uint32_t i = 0; i < p->nparams; i++)
            types[i] = lg_datum_oid(p->params[i]);
        lg_datum v[] = {lg_datum_cstring_text(ctx->arena, p->name),
                        lg_datum_cstring_text(ctx->arena, p->text),
                        lg_datum_int8((int64_t)p->prepared_at_us - LG_TS_UNIX_EPOCH_US),
                        lg_array_make(ctx->arena, LG_T_REGTYPE, p->nparams, types, NULL),
                        lg_datum_bool(p->from_sql),
                        lg_datum_int8(0),
                        lg_datum_int8(0)};
        ctx->emit(ctx, v, NULL);
    }
    return LG_OK;
}

static const lg_virtual_column prepared_columns[] = {
    {"name", LG_T_TEXT},
    {"statement", LG_T_TEXT},
    {"prepare_time", LG_T_TIMESTAMPTZ},
    {"parameter_types", 2211 /* regtype[] */},
    {"from_sql", LG_T_BOOL},
    {"generic_plans", LG_T_INT8},
    {"custom_plans", LG_T_INT8},
};

const lg_virtual_rel lg_session__prepared_rel = {.name = "pg_prepared_statements",
                                                 .columns = prepared_columns,
                                                 .ncolumns = 7,
                                                 .rows = rows_prepared};

/* ---- resetting ---- */

static void
base_take(const lg_session_server *srv, uint64_t *base)
{
    memcpy(base, lg_run_stats(srv->cfg.run)->count, LG_STAT_COUNT * sizeof *base);
}

static bool
may_reset(lg_call *c)
{
    if (session_of(c)->superuser)
        return true;
    c->st = lg_error_set(c->err, "42501", "permission denied for function %s", c->func->name);
    return false;
}

static lg_datum
fn_reset(lg_call *c)
{
    lg_session_server *srv = session_of(c)->server;
    if (!may_reset(c))
        return 0;
    base_take(srv, srv->db_base);
    if (srv->cfg.sql.temp) {
        lg_temp_info t;
        lg_temp_info_get(srv->cfg.sql.temp, &t);
        srv->db_temp_files = t.files_made;
        srv->db_temp_bytes = t.bytes_written;
    }
    srv->db_reset_us = lg_run_wall_us(srv->cfg.run);
    lg_catalog_relstat_reset(lg_cat_catalog(session_of(c)->cat), 0);
    if (srv->cfg.buf)
        lg_buf_file_reset(srv->cfg.buf, 0);
    return 0;
}

static lg_datum
fn_reset_shared(lg_call *c)
{
    lg_session_server *srv = session_of(c)->server;
    const char *what = lg_text_cstring(c->arena, c->args[0]);
    if (!may_reset(c))
        return 0;
    if (strcmp(what, "archiver") != 0 && strcmp(what, "bgwriter") != 0 &&
        strcmp(what, "recovery_prefetch") != 0 && strcmp(what, "wal") != 0) {
        c->st = lg_error_set(c->err, "22023", "unrecognized reset target: \"%s\"", what);
        lg_error_hint(c->err,
                      "Target must be \"archiver\", \"bgwriter\", \"recovery_prefetch\", or "
                      "\"wal\".");
        return 0;
    }
    base_take(srv, srv->shared_base);
    srv->shared_reset_us = lg_run_wall_us(srv->cfg.run);
    return 0;
}

static lg_datum
fn_reset_table(lg_call *c)
{
    const lg_session *s = session_of(c);
    lg_relation *rel;
    if (!may_reset(c))
        return 0;
    lg_catalog_relstat_reset(lg_cat_catalog(s->cat), lg_oid_of(c->args[0]));
    if (s->server->cfg.buf &&
        lg_cat_relation_by_oid(s->cat, lg_oid_of(c->args[0]), &rel) == LG_OK) {
        if (rel->storage.file)
            lg_buf_file_reset(s->server->cfg.buf, rel->storage.file);
        lg_relation_unref(rel);
    }
    return 0;
}

/* What is not kept needs no reset. */
static lg_datum
fn_reset_nothing(lg_call *c)
{
    (void)may_reset(c);
    return 0;
}

static lg_datum
fn_nothing(lg_call *c)
{
    (void)c;
    return 0;
}

/* ---- pg_blocking_pids ---- */

/* Rows of gv$ges_enqueue: inst_id, pid, resource, held, requested (views_lock.c). */
struct edge {
    int32_t pid;
    lg_datum resource;
    int32_t held, requested;
    int64_t since; /* of the wait; 0: not known */
};

struct edges {
    lg_virtual_ctx v;
    struct edge *at;
    uint32_t n, cap;
};

enum { E_PID = 1, E_RESOURCE = 2, E_HELD = 3, E_REQUESTED = 4, E_WAITSTART = 16 };

static void
edge_add(lg_virtual_ctx *ctx, const lg_datum *values, const uint8_t *nulls)
{
    struct edges *e = (struct edges *)ctx;
    if (nulls && nulls[E_PID])
        return;
    if (e->n == e->cap) {
        uint32_t cap = e->cap ? e->cap * 2 : 64;
        struct edge *more = LG_NEWN(ctx->arena, struct edge, cap);
        if (e->n)
            memcpy(more, e->at, e->n * sizeof *more);
        e->at = more;
        e->cap = cap;
    }
    e->at[e->n++] = (struct edge){lg_int4(values[E_PID]), values[E_RESOURCE],
                                  lg_int4(values[E_HELD]), lg_int4(values[E_REQUESTED]),
                                  nulls && nulls[E_WAITSTART] ? 0 : lg_int8(values[E_WAITSTART])};
}

/* It holds what the waiter asks for, or asks for something that conflicts and came first. */
static bool
blocks(const struct edge *waiter, const struct edge *other)
{
    lg_datum a = waiter->resource, b = other->resource;
    bool first = other->requested != LG_LOCK_NONE && other->since && other->since < waiter->since;
    int32_t mode = other->held != LG_LOCK_NONE ? other->held : other->requested;
    return other->pid != waiter->pid && (other->held != LG_LOCK_NONE || first) &&
           lg_text_len(a) == lg_text_len(b) &&
           memcmp(lg_varlen_of(a)->data, lg_varlen_of(b)->data, lg_text_len(a)) == 0 &&
           lg_lock_conflicts((lg_lock_mode)waiter->requested, (lg_lock_mode)mode);
}

static lg_datum
fn_blocking_pids(lg_call *c)
{
    lg_exec_session *es = c->env->session;
    lg_relation *rel;
    int32_t pid = lg_int4(c->args[0]);
    c->st = lg_cat_relation_by_name(es->cat, "pg_catalog", "gv$ges_enqueue", &rel);
    if (c->st != LG_OK)
        return 0;
    struct edges e = {
        .v = {.cat = es->cat, .arena = c->arena, .err = c->err, .session = es, .emit = edge_add}};
    c->st = rel->virtual_rel->rows(rel->virtual_rel->arg, &e.v);
    lg_datum *pids = LG_NEWN(c->arena, lg_datum, e.n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; c->st == LG_OK && i < e.n; i++) {
        if (e.at[i].pid != pid || e.at[i].requested == LG_LOCK_NONE)
            continue;
        for (uint32_t k = 0; k < e.n; k++) {
            bool known = !blocks(&e.at[i], &e.at[k]);
            for (uint32_t x = 0; x < n && !known; x++)
                known = lg_int4(pids[x]) == e.at[k].pid;
            if (!known)
                pids[n++] = lg_datum_int4(e.at[k].pid);
        }
    }
    return lg_array_make(c->arena, LG_T_INT4, n, pids, NULL);
}

/* ---- registration ---- */

static const struct {
    const char *name;
    lg_fn fn;
} list[] = {
    {"pg_stat_get_numscans", fn_scans},
    {"pg_stat_get_tuples_returned", fn_returned},
    {"pg_stat_get_tuples_fetched", fn_fetched},
    {"pg_stat_get_tuples_inserted", fn_inserted},
    {"pg_stat_get_tuples_updated", fn_updated},
    {"pg_stat_get_tuples_deleted", fn_deleted},
    {"pg_stat_get_blocks_fetched", fn_blocks_fetched},
    {"pg_stat_get_blocks_hit", fn_blocks_hit},
    {"pg_stat_get_live_tuples", fn_live},
    {"pg_stat_get_dead_tuples", fn_dead},
    {"pg_stat_get_mod_since_analyze", fn_modified},
    {"pg_stat_get_ins_since_vacuum", fn_ins_since_vacuum},
    {"pg_stat_get_analyze_count", fn_analyzed},
    {"pg_stat_get_vacuum_count", fn_vacuumed},
    {"pg_stat_get_last_analyze_time", fn_analyzed_at},
    {"pg_stat_get_last_vacuum_time", fn_vacuumed_at},
    {"pg_stat_get_db_xact_commit", fn_db_commits},
    {"pg_stat_get_db_xact_rollback", fn_db_rollbacks},
    {"pg_stat_get_db_blocks_fetched", fn_db_blocks_fetched},
    {"pg_stat_get_db_blocks_hit", fn_db_blocks_hit},
    {"pg_stat_get_db_deadlocks", fn_db_deadlocks},
    {"pg_stat_get_db_sessions", fn_db_sessions},
    {"pg_stat_get_db_temp_files", fn_db_temp_files},
    {"pg_stat_get_db_temp_bytes", fn_db_temp_bytes},
    {"pg_stat_get_db_numbackends", fn_db_numbackends},
    {"pg_stat_get_db_tuples_returned", fn_db_returned},
    {"pg_stat_get_db_tuples_fetched", fn_db_fetched},
    {"pg_stat_get_db_tuples_inserted", fn_db_inserted},
    {"pg_stat_get_db_tuples_updated", fn_db_updated},
    {"pg_stat_get_db_tuples_deleted", fn_db_deleted},
    {"pg_stat_get_db_blk_read_time", fn_zero_float},
    {"pg_stat_get_db_blk_write_time", fn_zero_float},
    {"pg_stat_get_db_session_time", fn_zero_float},
    {"pg_stat_get_db_active_time", fn_zero_float},
    {"pg_stat_get_db_idle_in_transaction_time", fn_zero_float},
    {"pg_stat_get_db_stat_reset_time", fn_db_reset_time},
    {"pg_stat_get_bgwriter_timed_checkpoints", fn_checkpoints},
    {"pg_stat_get_bgwriter_buf_written_checkpoints", fn_buffers_written},
    {"pg_stat_get_buf_alloc", fn_buffers_read},
    {"pg_stat_get_checkpoint_write_time", fn_zero_float},
    {"pg_stat_get_checkpoint_sync_time", fn_zero_float},
    {"pg_stat_get_bgwriter_stat_reset_time", fn_shared_reset_time},
    {"pg_stat_reset", fn_reset},
    {"pg_stat_reset_shared", fn_reset_shared},
    {"pg_stat_reset_single_table_counters", fn_reset_table},
    {"pg_stat_reset_single_function_counters", fn_reset_nothing},
    {"pg_stat_reset_slru", fn_reset_nothing},
    {"pg_stat_reset_subscription_stats", fn_reset_nothing},
    {"pg_stat_clear_snapshot", fn_nothing},
    {"pg_blocking_pids", fn_blocking_pids},
};

void
lg_session__pgstat_register(lg_fntable *t)
{
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        uint32_t n;
        const lg_func *f = lg_func_by_name(list[i].name, &n);
        for (uint32_t k = 0; f && k < n; k++)
            lg_fntable_set(t, f[k].oid, list[i].fn);
    }
    uint32_t n;
    lg_fntable_set_srf(t, lg_func_by_name("pg_stat_get_wal", &n)->oid, &wal_srf);
    lg_fntable_set_srf(t, lg_func_by_name("pg_stat_get_archiver", &n)->oid, &archiver_srf);
    lg_fntable_set_srf(t, lg_func_by_name("pg_cursor", &n)->oid, &cursor_srf);
}

void
lg_session__pgstat_start(lg_session_server *srv)
{
    srv->db_reset_us = srv->shared_reset_us = srv->started_us = lg_run_wall_us(srv->cfg.run);
}
