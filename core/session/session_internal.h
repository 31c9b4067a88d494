/* What the files of core/session share. The model is in session.h and at the head of each file. */
#ifndef LG_SESSION_INTERNAL_H
#define LG_SESSION_INTERNAL_H

#include "temp.h"
#include "arena.h"
#include "assert.h"
#include "catalog_admin.h"
#include "catalog_deps.h"
#include "encoding.h"
#include "error.h"
#include "ddl.h"
#include "exec.h"
#include "ges.h"
#include "list.h"
#include "map.h"
#include "mem.h"
#include "notify.h"
#include "pgwire.h"
#include "rows.h"
#include "session.h"
#include "session_plans.h"
#include "session_stats.h"
#include "settings.h"
#include "sock.h"
#include "spill.h"
#include "strbuf.h"
#include "txn.h"

#define LG_SESSION_OUT_MAX      (1u << 30) /* one batch of replies may not outgrow this */
#define LG_SESSION_FLUSH_AT     65536      /* replies are sent on when this much has gathered */
#define LG_SESSION_AUTH_TIMEOUT (60 * LG_SEC)
#define LG_SESSION_MAX_PARAMS   65535

#define LG_SESSION_SCRATCH  32  /* scratch kept for the next session that wakes */
#define LG_SESSION_OUT_KEEP 512 /* bytes of reply buffer an idle session keeps */

typedef struct lg_session_cache lg_session_cache;

/* What a session needs only while it has a fiber. */
typedef struct lg_session_scratch {
    lg_arena *statement;
    lg_arena *rows;
} lg_session_scratch;

struct lg_session_server {
    lg_session_server_config cfg;
    lg_sock *listener;
    lg_fiber *acceptor;
    lg_list sessions;
    uint32_t session_count;
    uint32_t ended; /* sessions, ever */
    uint32_t next_serial;
    lg_map *by_pid;
    lg_session_cache *cache; /* of statements */
    lg_sqlstats *sqlstats;
    uint64_t metered;                                      /* runs so far */
    struct lg_session_monitor *monitored[LG_MONITOR_KEPT]; /* a ring */
    uint64_t monitored_count;
    uint64_t db_base[LG_STAT_COUNT], shared_base[LG_STAT_COUNT]; /* at the last pg_stat_reset* */
    uint64_t db_reset_us, shared_reset_us, started_us;
    uint64_t db_temp_files, db_temp_bytes;                  /* as db_base */
    bool log_commands;                                      /* log_line_prefix has %i */
    struct lg_session_scratch *scratch[LG_SESSION_SCRATCH]; /* of sessions that have become idle */
    uint32_t scratch_count;
    bool draining;
    bool stopping;
    lg_fiber *sweeper; /* of temporary objects that the dead left */
    bool sweep_again;
    lg_waitq gone; /* woken when a session or the acceptor ends */
};

typedef enum lg_session_state {
    LG_SESSION_STARTUP,
    LG_SESSION_IDLE,
    LG_SESSION_ACTIVE,
    LG_SESSION_ENDING
} lg_session_state;

/* A plan and all it is made of; counted, for a plan that was replaced may still run in a portal. */
typedef struct lg_session_plan {
    lg_arena *arena;
    lg_bind bind;
    lg_plan *plan;
    lg_cat_deps deps;        /* what it was made from: good while none of that changed */
    uint64_t own_generation; /* and, when it is this session's own, neither did that */
    uint32_t env;            /* planning environment it may be shared in; 0: this session's own */
    uint32_t refs;
    /* A cursor's: the tables whose ctids are the plan's last columns, beyond plan->ncols. */
    uint32_t nhidden;
    lg_oid *hidden;
    bool marked; /* FOR UPDATE or its kin */
} lg_session_plan;

/* A prepared statement: of the extended protocol or of SQL's PREPARE; counted likewise. One with an
 * env is shared: it has no name, and only sessions in that environment use it. One with a base has
 * its text, tree and parameters from there, and its plan while the environments agree. */
typedef struct lg_prepared {
    lg_arena *arena; /* text, tree, parameter types; with a base only what differs, or NULL */
    struct lg_prepared *base;
    uint32_t env;
    const char *name;
    const char *text;
    const lg_ast *stmt;         /* NULL: empty query */
    lg_session_plan *planned;   /* NULL: not yet, or a utility statement */
    lg_sqlstat *stat;           /* NULL: not looked up yet; of the base where there is one */
    int32_t text_loc, text_len; /* its part of the text; 0: all */
    uint32_t nparams;
    lg_oid *params; /* resolved types */
    bool from_sql;
    bool cursor; /* DECLAREd */
    uint64_t prepared_at_us;
    uint32_t refs;
} lg_prepared;

/* A portal: a bound statement being executed, or an SQL cursor. */
typedef struct lg_portal {
    lg_arena *arena; /* parameters, formats */
    const char *name;
    lg_prepared *prepared;
    lg_session_plan *planned;
    lg_snapshot snapshot; /* of its statement; a cursor keeps it */
    bool unconfirmed;     /* and may miss what others committed (exec.h) */
    lg_exec *exec;        /* open once the first Execute or FETCH came */
    lg_datum *values;
    uint8_t *nulls;
    uint32_t nformats;
    uint16_t *formats; /* of the result's columns: none, one for all, or one each */
    bool is_cursor;
    lg_prepared *declared_by; /* a cursor's tree lives in the DECLARE's statement */
    bool drop_rows;           /* MOVE */
    uint64_t *at;             /* of plan->nhidden tables: the ctids of the last row given */
    bool *at_null;
    bool on_row;                  /* that is where it stands */
    bool scroll, no_scroll, hold; /* as DECLARE said */
    bool survives;                /* a held cursor whose transaction has committed */
    struct lg_session_held *held; /* its rows, once they are kept in memory (session_cursor.c) */
    bool done;                    /* ran to its end */
    bool utility_ran;
    uint64_t rows;
    uint64_t metered_ns; /* of a call that is not over */
} lg_portal;

/* What a run of a portal is measured from. */
typedef struct lg_session_meter {
    lg_sqlstat *stat;               /* NULL: not counted */
    struct lg_session_meter *outer; /* of the statement that runs this one */
    uint64_t serial;
    lg_time start;
    uint64_t gc_current, gc_cr, temp_read, temp_written;
    uint64_t count[LG_STAT_OWNED];
    uint64_t wait_ns[LG_WAIT_COUNT];
} lg_session_meter;

/* session_log.c, session_logstmt.c: what is logged, as of the settings */
#define LG_SESSION_LOG_MAX (1u << 20) /* of one message */
enum { LG_SESSION_LOG_NONE, LG_SESSION_LOG_DDL, LG_SESSION_LOG_MOD, LG_SESSION_LOG_ALL };
typedef struct lg_session_logs {
    int64_t min_ms, sample_ms, temp_kb;         /* negative: never */
    int64_t parameter_max, parameter_max_error; /* bytes of each; negative: all */
    double sample_rate, txn_rate;
    int min_messages, min_error_statement; /* ranks of severities */
    uint8_t statements;                    /* LG_SESSION_LOG_* */
    bool duration;
    bool timed; /* duration, min_ms, sample_ms or txn_rate want the time */
    bool verbose, terse;
} lg_session_logs;

/* What is known of the message that runs, for the log; texts in the statement's arena. */
typedef struct lg_session_logged {
    uint64_t start_us; /* 0: as query_start_us */
    const char *what;  /* "execute"; NULL: of the simple protocol */
    const char *name, *portal;
    const char *detail;
    bool done; /* the statement is in the log */
    bool open; /* its transaction was open before */
} lg_session_logged;

typedef enum lg_session_txn_state {
    LG_SESSION_TXN_NONE,     /* a statement starts an implicit one */
    LG_SESSION_TXN_IMPLICIT, /* until the end of the simple query or Sync */
    LG_SESSION_TXN_BLOCK,
    LG_SESSION_TXN_FAILED /* a block that only ROLLBACK [TO] can follow */
} lg_session_txn_state;

/* session_notify.c: what a transaction wants of LISTEN and NOTIFY */
typedef struct lg_session_notify lg_session_notify;
typedef struct lg_session_notify_mark {
    uint32_t actions, items;
} lg_session_notify_mark;

typedef struct lg_session_savepoint {
    lg_list link;
    char *name;
    lg_txn_savepoint storage;
    lg_cat_mark catalog;
    size_t settings;
    lg_session_notify_mark notify;
    lg_exec_checks_marks checks;
} lg_session_savepoint;

typedef enum lg_cancel_reason {
    LG_CANCEL_USER,
    LG_CANCEL_STATEMENT_TIMEOUT,
    LG_CANCEL_MEMORY
} lg_cancel_reason;

struct lg_session {
    lg_list link;
    lg_session_server *server;
    lg_sock *sock;
    lg_fiber *fiber; /* NULL while idle */
    lg_session_state state;
    uint32_t pid; /* instance << LG_SESSION_PID_BITS | serial */
    uint32_t cancel_key;
    uint64_t logon_us;
    lg_status pending_end; /* why the session has to end, from outside */

    const lg_encoding *encoding; /* of the client, if it is to be converted; else NULL */
    bool lost_sync; /* the client speaks of something else: the session ends after the error */
    lg_pgwire_reader in;
    lg_strbuf out;
    bool skip_to_sync;  /* after an error in the extended protocol */
    bool extended_open; /* extended messages came since the last Sync */
    bool terminate;

    char user[64];
    char database[64];
    lg_oid database_oid; /* whose enqueue is held in SHARE; 0: none */
    lg_oid role_oid;     /* the session's user; more in session_user.c */
    lg_oid auth_oid;     /* who logged in */
    bool superuser;      /* is the current user one? */
    bool auth_super, session_super;
    const char *as_user, *as_role; /* settings that are in force */
    struct lg_session_known *known;
    int32_t role_limit; /* of connections, when it logged in */
    lg_settings *settings;

    lg_arena *arena;             /* session */
    lg_session_scratch *scratch; /* NULL while idle */
    lg_arena *statement;         /* reset between statements; from the scratch */
    lg_arena *rows;              /* scratch of result conversion, reset per batch; likewise */
    lg_error err;
    lg_stats stats;

    lg_cat *cat;
    lg_ges_owner owner; /* of enqueues */
    lg_env env;
    lg_exec_session es;
    lg_temp_owner temp_owner;
    lg_session_logs logs;
    lg_session_logged logged;
    const char *log_text; /* of the message that runs; NULL: none */
    lg_prepared *log_of;  /* whose text that is, referenced; NULL: the message's own */
    uint64_t log_lines;
    bool log_disconnection;
    bool txn_sampled; /* log_transaction_sample_rate chose it */
    char log_command[LG_COMMAND_TAG_MAX];

    lg_session_txn_state txn_state;
    bool several; /* the simple query that runs has more than one statement */
    lg_txn *txn;
    lg_snapshot snapshot;
    bool have_snapshot; /* of the transaction, under REPEATABLE READ */
    uint64_t seen;  /* lg_txn_keep_mark: commits that are not durable yet; see lg_session__flush */
    bool out_shows; /* `out` has more than what a transaction block may be told before that */
    lg_list savepoints; /* newest first */

    lg_notify_listener listener;
    lg_session_notify *notify; /* of the transaction; NULL: nothing */
    lg_strbuf notified;        /* for the client, when it is outside a transaction */

    lg_strmap *prepared;
    lg_strmap *portals;
    lg_portal *running;      /* the one being executed */
    lg_session_meter *meter; /* of it, or of a utility statement; NULL: nothing runs */

    char query[1024]; /* the start of the statement, for views */
    uint64_t query_start_us;
    uint64_t query_id; /* of the statement; 0: not known */
    bool metered;      /* statements are counted, as of metered_version of the settings */
    uint32_t metered_version;
    uint32_t applied_version;  /* of the settings, plus one: as of the last settings_changed */
    uint32_t defaults_version; /* of the settings, plus one: the transaction's equal the defaults */
    uint64_t state_change_us;
    uint64_t xact_start_us;
    uint32_t plan_env; /* as of plan_env_version and _user */
    uint32_t plan_env_version;
    lg_oid plan_env_user;
    lg_timer idle_timer;
    bool idle_timed_out;
    lg_timer statement_timer;
    lg_cancel_reason cancel_reason;
};

/* ---- session_server.c ---- */
void lg_session__create(lg_session_server *srv, lg_sock *sock);
void lg_session__end(lg_session *s);
void lg_session__scratch_take(lg_session *s); /* with the fiber */
void lg_session__scratch_give(lg_session *s);

/* ---- session_loop.c ---- */
LG_MUST lg_status lg_session__spawn(lg_session *s);
void lg_session__wake(lg_session *s);
void lg_session__on_idle_timeout(void *arg);
LG_MUST lg_status lg_session__read_message(lg_session *s, bool startup, lg_time deadline,
                                           lg_pgwire_msg *ret_msg);
LG_MUST lg_status lg_session__flush(lg_session *s);
void lg_session__report_settings(lg_session *s);
void lg_session__ready(lg_session *s);
void lg_session__set_state(lg_session *s, lg_session_state state);

/* ---- session_log.c ---- */
void lg_session__log_start(lg_session_server *srv);
void lg_session__log_settings(lg_session *s);
bool lg_session__logs(const lg_session *s, const char *severity);
/* A line of severity LOG; detail may be NULL. */
__attribute__((format(printf, 4, 5))) void
lg_session__log(lg_session *s, bool hide_statement, const char *detail, const char *fmt, ...);
void lg_session__log_error(lg_session *s, const char *severity); /* s->err */
void lg_session__log_notice(lg_session *s, const char *severity, const char *sqlstate,
                            const char *message, const char *detail);
void lg_session__log_received(lg_session *s);
void lg_session__log_authenticated(lg_session *s, bool password);
void lg_session__log_authorized(lg_session *s);
void lg_session__log_gone(lg_session *s);

/* ---- session_logstmt.c ---- */
void lg_session__log_begin(lg_session *s, const char *text);
/* stmt NULL: an empty query. */
void lg_session__log_simple(lg_session *s, const lg_ast *stmt);
void lg_session__log_command(lg_session *s, const lg_ast *stmt);
/* Of the extended protocol: "parse", "bind"; name and portal may be NULL. */
void lg_session__log_message(lg_session *s, const char *what, const char *name, const char *portal,
                             const char *text);
void lg_session__log_execute(lg_session *s, const lg_portal *p);
void lg_session__log_end(lg_session *s, const lg_portal *p); /* p: if it is still there */
void lg_session__log_error_context(lg_session *s, const lg_portal *p);

void lg_session__send_error(lg_session *s, lg_status st, const char *severity);
LG_MUST lg_status lg_session__still_in_sync(lg_session *s);
bool lg_session__ends_session(lg_status st);

/* ---- session_auth.c ---- */
LG_MUST lg_status lg_session__start(lg_session *s);

/* ---- session_progress.c ---- */
void lg_session__progress_register(lg_fntable *t);

/* ---- session_env.c: what statements run in ---- */
typedef struct lg_session_role {
    lg_oid oid;
    bool super, can_login;
    int32_t limit; /* of connections; -1: none */
    const char *password;
} lg_session_role;

LG_MUST lg_status lg_session__find_role(lg_session *s, const char *name, lg_session_role *ret_role);
LG_MUST lg_status lg_session__open_database(lg_session *s);

/* session_user.c */
void lg_session__user_begin(lg_session *s, const lg_session_role *role);
/* May it be set? The setting is the caller's. */
LG_MUST lg_status lg_session__set_role(lg_session *s, const char *value);
/* NULL: who logged in. */
LG_MUST lg_status lg_session__set_authorization(lg_session *s, const char *value, bool local);
LG_MUST lg_status lg_session__user_apply(lg_session *s);
void lg_session__release_database(lg_session *s);

/* session_signal.c */
uint32_t lg_session__database_sessions(void *arg, lg_oid db, bool end);
uint32_t lg_session__role_sessions(lg_session *s);
void lg_session__signal_functions(lg_fntable *t);
LG_MUST lg_status lg_session__settings_changed(lg_session *s);
LG_MUST lg_status lg_session__check_setting(void *arg, lg_setting_id id, const char *value,
                                            char *ret_canonical, size_t size, lg_error *err);
void lg_session__sql_open(lg_session *s);
void lg_session__sql_close(lg_session *s);
void lg_session__notice(lg_session *s, const char *severity, const char *sqlstate,
                        const char *message);

/* ---- session_txn.c ---- */
char lg_session__txn_char(const lg_session *s); /* I, T, E */
uint64_t lg_session__xid(const lg_session *s);
bool lg_session__serializable(const lg_session *s);
/* Before a statement: an implicit transaction when there is none, a snapshot unless it is one of
 * those that need none (SET, SHOW, LOCK ...), the clock. */
LG_MUST lg_status lg_session__txn_statement(lg_session *s, const lg_ast *stmt);
/* Of the running statement, which has not read yet: when its snapshot may miss what others have
 * committed (es.unconfirmed), takes one that does not. Blocks. */
LG_MUST lg_status lg_session__txn_confirm(lg_session *s);
/* SET TRANSACTION SNAPSHOT: reads as of what pg_export_snapshot gave, on any instance. */
LG_MUST lg_status lg_session__txn_import_snapshot(lg_session *s, const char *id);
void lg_session__txn_new_snapshot(lg_session *s);
/* Commits the implicit transaction and begins another. */
LG_MUST lg_status lg_session__txn_next(lg_session *s);
/* After an error in a statement. */
void lg_session__txn_statement_failed(lg_session *s);
/* The end of a simple query or Sync: commits or rolls back an implicit transaction. */
LG_MUST lg_status lg_session__txn_end_implicit(lg_session *s);
/* BEGIN, COMMIT, SAVEPOINT, ... */
LG_MUST lg_status lg_session__txn_command(lg_session *s, const lg_ast *stmt, char tag[LG_TAG_MAX]);
void lg_session__txn_abandon(lg_session *s); /* the session ends */
/* Options of BEGIN, SET TRANSACTION, SET SESSION CHARACTERISTICS (session_utility.c). */
LG_MUST lg_status lg_session__txn_options(lg_session *s, const lg_ast_list *options, bool session);

/* ---- session_statement.c: parse, bind, plan ---- */
/* Binds and plans p's statement if it has no plan or the plan is out of date. */
LG_MUST lg_status lg_session__plan(lg_session *s, lg_prepared *p);
/* The caller's reference to a plan that is good for the snapshot. */
LG_MUST lg_status lg_session__plan_for(lg_session *s, lg_prepared *p, lg_scn snapshot,
                                       lg_session_plan **ret);
void lg_session__plan_settings(void *arg, lg_plan_settings *ps);
LG_MUST lg_status lg_session__prepare(lg_session *s, const char *name, const char *text,
                                      const lg_ast *stmt, lg_arena *arena, uint32_t nparams,
                                      const lg_oid *params, lg_prepared **ret_p);
/* A statement of the session with that name on a shared one. */
lg_prepared *lg_session__prepared_wrap(lg_session *s, const char *name, lg_prepared *base);
lg_prepared *lg_session__prepared_find(lg_session *s, const char *name);
void lg_session__prepared_store(lg_session *s, lg_prepared *p);
void lg_session__prepared_drop(lg_session *s, const char *name);
void lg_session__prepared_drop_all(lg_session *s);
void lg_session__prepared_unref(lg_prepared *p);
lg_session_plan *lg_session__plan_ref(lg_session_plan *p);
void lg_session__plan_unref(lg_session_plan *p);
/* Does the statement give rows? A SELECT does though it may have no columns. */
static inline bool
lg_session__gives_rows(const lg_prepared *p, uint32_t ncols)
{
    return ncols || (p->stmt && p->stmt->tag == LG_AST_SELECT_STMT && lg_bind_is_query(p->stmt));
}
/* The result columns of a statement, whatever it is; 0: none. */
LG_MUST lg_status lg_session__refuse_params(lg_session *s, lg_prepared *p);
LG_MUST lg_status lg_session__columns(lg_session *s, lg_prepared *p, lg_arena *a,
                                      const lg_outcol **ret_cols, uint32_t *ret_n);

/* ---- session_cache.c: statements that sessions share ---- */
/* One look-up, from the text to what may be learnt of it. Lives as long as the message. */
typedef struct lg_session_lookup {
    const char *text;
    size_t len;
    const char *shape; /* the text with its constants lifted; NULL: cannot be */
    size_t shape_len;
    const char *shape_key, *text_key, *query_key, *parse_key; /* NULL: not to be kept */
    size_t shape_key_len, text_key_len, query_key_len, parse_key_len;
    bool refused; /* the shape is known to be not worth it */
    bool worth;   /* the Parse came before */
    uint32_t env;
    uint32_t nconsts; /* the statement's parameters */
    lg_parse_shape_const consts[LG_PARSE_SHAPE_CONSTS];
} lg_session_lookup;

lg_session_cache *lg_session__cache_create(void);
void lg_session__cache_destroy(lg_session_cache *c);
/* The planning environment's number; 0: nothing is shared at present. */
uint32_t lg_session__plan_env(lg_session *s);
/* A simple query: the shared statement (a reference), or NULL and what learn needs. */
lg_prepared *lg_session__cache_find(lg_session *s, const char *text, size_t len,
                                    lg_session_lookup *l);
/* After the parse found one statement: the shared statement to run instead, LG_NOT_FOUND: run it as
 * it is. Plans, so it may block; its transaction has begun. */
LG_MUST lg_status lg_session__cache_learn(lg_session *s, lg_session_lookup *l, const lg_ast *stmt,
                                          lg_prepared **ret_p);
/* The constants as the portal's parameters. An error here is better told by the whole way. */
LG_MUST lg_status lg_session__cache_values(lg_session *s, const lg_session_lookup *l,
                                           lg_portal *portal);
/* The same for a Parse message: keep() before p is planned, put() after. */
lg_prepared *lg_session__cache_find_parse(lg_session *s, const char *text, uint32_t nparams,
                                          const lg_oid *params, lg_session_lookup *l);
void lg_session__cache_keep_parse(lg_session_lookup *l, lg_prepared *p);
void lg_session__cache_put_parse(lg_session *s, const lg_session_lookup *l, lg_prepared *p);

/* ---- session_portal.c ---- */
LG_MUST lg_status lg_session__portal_create(lg_session *s, const char *name, lg_prepared *p,
                                            lg_portal **ret_portal);
lg_portal *lg_session__portal_find(lg_session *s, const char *name);
void lg_session__portal_drop(lg_session *s, lg_portal *p);
/* At the end of a transaction; with `held` also those that outlive theirs. */
void lg_session__portals_drop_all(lg_session *s, bool held);
void lg_session__cursors_drop_all(lg_session *s);
LG_MUST lg_status lg_session__portal_open(lg_session *s, lg_portal *p); /* the execution begins */
/* Runs up to max_rows (0: all) into the client; LG_END when it is finished, LG_OK: suspended.
 * describe: a RowDescription first. tag is set at the end. */
LG_MUST lg_status lg_session__portal_run(lg_session *s, lg_portal *p, uint64_t max_rows,
                                         char tag[LG_TAG_MAX]);

/* ---- session_stats.c: statement statistics ---- */
lg_sqlstats *lg_session__stats_create(uint64_t now_us);
void lg_session__stats_destroy(lg_sqlstats *t);
void lg_session__stats_reset(lg_sqlstats *t, lg_oid user, uint64_t id,
                             uint64_t now_us); /* 0: all */
void lg_session__stat_unref(lg_sqlstat *e);    /* NULL */
void lg_session__meter_start(lg_session *s, lg_portal *p, lg_session_meter *m);
void lg_session__meter_stop(lg_session *s, lg_portal *p, lg_session_meter *m, lg_status st,
                            const char *tag);
void lg_session__meter_drop(lg_portal *p);
/* 0: plans are not counted (pg_stat_statements.track_planning). */
lg_time lg_session__meter_plan_start(lg_session *s);
void lg_session__meter_plan_stop(lg_session *s, lg_prepared *p, lg_time start);
struct lg_call;
lg_datum lg_session__fn_statements_reset(struct lg_call *c); /* session_views.c */

/* Adds the waits since then to e's, by class. */
void lg_session__meter_waits(const lg_session *s, const lg_session_meter *m, lg_sqlstat *e);

/* ---- session_plans.c ---- */
struct lg_sqlstat_plan {
    lg_list link;
    lg_sqlstat *stat;
    lg_arena *arena; /* it lies in it, too */
    lg_time at;
    uint32_t nrows;
    lg_plan_row *rows;
    uint64_t hash;
};
typedef struct lg_sqlstat_plan lg_sqlstat_plan;
/* The nodes of a plan, with its subplans and CTEs; returns how many. x: with what they have done so
 * far; may be NULL. Some names are those of the statement and of the catalog. ret_hash: the same for
 * plans of the same operations on the same objects. */
uint32_t lg_session__plan_rows(lg_session_server *srv, const lg_plan *plan, const lg_exec *x,
                               lg_arena *a, lg_plan_row **ret_rows, uint64_t *ret_hash);
/* With all names in the arena. */
uint32_t lg_session__plan_kept(lg_session_server *srv, const lg_plan *plan, const lg_exec *x,
                               lg_arena *a, lg_plan_row **ret_rows, uint64_t *ret_hash);
void lg_session__monitor_keep(lg_session *s, const lg_portal *p, const lg_session_meter *m,
                              lg_status st, uint64_t rows);
void lg_session__monitor_fini(lg_session_server *srv);

/* ---- session_pgstat.c: the functions behind pg_stat_* ---- */
void lg_session__pgstat_register(lg_fntable *t);
void lg_session__zones_register(lg_fntable *t); /* session_zones.c */
void lg_session__info_register(lg_fntable *t);  /* session_info.c */
void lg_session__pgstat_start(lg_session_server *srv);
extern const struct lg_virtual_rel lg_session__prepared_rel; /* pg_prepared_statements */

/* ---- session_cursor.c: held and scrollable cursors ---- */
typedef struct lg_session_held lg_session_held;
void lg_session__held_drop(lg_session_held *h); /* NULL is fine */
/* After DECLARE opened it. */
LG_MUST lg_status lg_session__cursor_opened(lg_session *s, lg_portal *p);
/* lg_env.current_of. */
lg_datum lg_session__current_of(lg_call *c);
/* Notes the row that the cursor gave, which is row i of the batch. */
void lg_session__cursor_note(lg_portal *p, const lg_batch *b, uint32_t i);
/* Before COMMIT: keeps the rows of cursors WITH HOLD. */
LG_MUST lg_status lg_session__cursors_hold(lg_session *s);
/* FETCH and MOVE in any direction; p->rows counts what was given. */
LG_MUST lg_status lg_session__cursor_fetch(lg_session *s, lg_portal *p, int direction,
                                           int64_t how_many);

/* ---- session_text.c ---- */
/* A client's text as UTF-8 and back; the result is data itself or lies in the arena. 22021, 22P05. */
LG_MUST lg_status lg_session__decode(lg_session *s, const char *data, size_t len, lg_arena *a,
                                     const char **ret, size_t *ret_len);
LG_MUST lg_status lg_session__get_text(lg_session *s, lg_pgwire_cursor *c, lg_arena *a,
                                       const char **ret, size_t *ret_len);
LG_MUST lg_status lg_session__encode(lg_session *s, const char *data, size_t len, lg_arena *a,
                                     const char **ret, size_t *ret_len);
void lg_session__put_name(lg_session *s, const char *name);
void lg_session__put_error(lg_session *s, const char *severity, const lg_error *e);
void lg_session__put_parameter(lg_session *s, const char *name, const char *value);

/* ---- session_result.c ---- */
void lg_session__send_columns(lg_session *s, const lg_outcol *cols, uint32_t n,
                              const uint16_t *formats, uint32_t nformats);
typedef struct lg_session_sink {
    lg_session *s;
    const uint16_t *formats;
    uint32_t nformats;
    const lg_outcol *cols;
    uint32_t ncols;
} lg_session_sink;
LG_MUST lg_status lg_session__sink(void *arg, const lg_batch *b); /* an lg_exec_sink: DataRows */
void lg_session__send_text_row(lg_session *s, uint32_t n, const char *const *values);

/* ---- session_query.c, session_extended.c ---- */
LG_MUST lg_status lg_session__simple_query(lg_session *s, const lg_pgwire_msg *m);
LG_MUST lg_status lg_session__extended(lg_session *s, const lg_pgwire_msg *m);
LG_MUST lg_status lg_session__sync(lg_session *s);
bool lg_session__has_unsynced(const lg_session *s);
void lg_session__statement_begin(lg_session *s, const char *text, size_t len);
void lg_session__statement_end(lg_session *s);

/* ---- session_utility.c: statements that are the session's own ---- */
/* LG_UNSUPPORTED with nothing set: not one of them. */
LG_MUST lg_status lg_session__utility(lg_session *s, lg_portal *p, const lg_ast *stmt,
                                      char tag[LG_TAG_MAX]);
uint32_t lg_session__utility_columns(lg_session *s, const lg_ast *stmt, lg_arena *a,
                                     const lg_outcol **ret_cols);
/* Runs in a failed transaction too (ROLLBACK and its kin). */
bool lg_session__ends_failed(const lg_ast *stmt);
bool lg_session__is_txn_command(const lg_ast *stmt);

/* ---- session_temp.c ---- */
void lg_session__temp_end(lg_session *s); /* the session ends */

/* ---- session_notify.c ---- */
void lg_session__notify_open(lg_session *s);
void lg_session__notify_close(lg_session *s);
void lg_session__notify_send(lg_session *s); /* into `out`, outside a transaction */
LG_MUST lg_status lg_session__notify_statement(lg_session *s, const lg_ast *stmt,
                                               char tag[LG_TAG_MAX]);
LG_MUST lg_status lg_session__notify_add(lg_session *s, const char *channel, const char *payload);
void lg_session__notify_unlisten_all(lg_session *s);
void lg_session__notify_mark(const lg_session *s, lg_session_notify_mark *ret);
void lg_session__notify_rollback_to(lg_session *s, lg_session_notify_mark mark);
/* May wait for other instances. On an error the transaction is to be rolled back. */
LG_MUST lg_status lg_session__notify_pre_commit(lg_session *s);
void lg_session__notify_end(lg_session *s, bool committed); /* the enqueue is still held */

/* ---- session_copy.c ---- */
void lg_session__copy_callbacks(lg_exec_session *es);

#endif
