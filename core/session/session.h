/* Sessions: PostgreSQL clients of this instance.
 *
 * A connection is a small record (lg_session). It has a fiber only while it has something to do: an
 * idle session waits for its socket to become readable without a stack, and its read buffer is
 * given back. The fiber reads messages, runs statements through parse, bind, plan and exec, gathers
 * the replies and sends them in one write when no further message is at hand.
 *
 *   accept -> STARTUP (start-up packet, SCRAM) -> ACTIVE <-> IDLE (no fiber) -> ENDING -> gone
 *             session_auth.c                      session_loop.c              session_server.c
 *
 * A BackendKeyData process id is instance << 20 | serial: a cancel request that arrives at any
 * instance or listener finds its way. Owned by the instance's worker; a fiber is canceled with
 * lg_fiber_cancel, which every cancelable wait and every batch of an executor honours.
 *
 * Errors of a client's doing go to the client; what the server should know is logged here.
 */
#ifndef LG_SESSION_SESSION_H
#define LG_SESSION_SESSION_H

#include "log.h"
#include "exec.h"
#include "run.h"

typedef struct lg_session_server lg_session_server;
typedef struct lg_session lg_session;

#define LG_SESSION_PID_BITS 20 /* of the serial */

struct lg_txn_sys;

/* What statements run on: one of each per instance. */
typedef struct lg_session_sql {
    lg_catalog *catalog;
    struct lg_txn_sys *txns;
    struct lg_ges *ges;
    lg_tz_cache *tzs;
    lg_fntable *functions;
    struct lg_notify_hub *notify; /* NULL: no LISTEN, no NOTIFY */
    struct lg_temp *temp;         /* NULL: statements keep all their rows in memory */
} lg_session_sql;

/* Asked about sessions, of the instance that has them. */
typedef enum lg_session_what {
    LG_SESSION_ASK_ROLE = 1,  /* id: pid -> role << 1 | 1; 0: no such session */
    LG_SESSION_ASK_CANCEL,    /* id: pid -> 1: there is such a session */
    LG_SESSION_ASK_TERMINATE, /* the same */
    LG_SESSION_ASK_DATABASE,  /* id: database -> how many are connected; flags */
    LG_SESSION_ASK_LOGINS,    /* id: role -> how many have logged in as it */
} lg_session_what;

#define LG_SESSION_ASK_END   1u /* and end them */
#define LG_SESSION_ASK_SUPER 2u /* superusers' too */

typedef struct lg_session_ask {
    uint32_t what;
    uint32_t id;
    uint32_t flags;
} lg_session_ask;

/* A setting that the instance's configuration gives its sessions. */
typedef struct lg_session_default {
    const char *name, *value;
} lg_session_default;

typedef struct lg_session_server_config {
    lg_run *run;
    lg_log *log;
    lg_session_sql sql;
    uint32_t instance;  /* 1.. */
    const char *listen; /* "127.0.0.1:5441"; several, separated by commas */
    uint32_t max_sessions;
    const void *secret; /* of the cluster, for mock verifiers */
    size_t secret_len;
    bool trust_unix; /* peers on a unix socket need no password */
    /* LG_OK when sessions may start; else why not (LG_NOT_OPEN, LG_SHUTDOWN). */
    lg_status (*may_connect)(void *arg);
    /* Asked before anything is sent to a client: not LG_OK while this instance may be out of the
     * cluster, and what it has read may be old. Then it waits. May be NULL; must not block. */
    lg_status (*may_answer)(void *arg);
    /* A cancel request for another instance. */
    void (*cancel_remote)(void *arg, uint32_t instance, uint32_t pid, uint32_t key);
    /* Has another instance answer (lg_session_answer there); instance 0: all others, answers
     * added. May block. NULL: there are none. */
    lg_status (*ask_remote)(void *arg, uint32_t instance, const lg_session_ask *ask,
                            uint64_t *ret_answer);
    /* CHECKPOINT: lg_ckpt_full. Blocks. NULL: nothing to write. */
    lg_status (*checkpoint)(void *arg, lg_time deadline);
    const lg_session_default *defaults;
    uint32_t ndefaults;
    struct lg_buf_cache *buf; /* for pg_stat_bgwriter and log_checkpoints; may be NULL */
    struct lg_redo *redo;     /* for pg_stat_archiver; may be NULL */
    void *arg;
} lg_session_server_config;

LG_MUST lg_status lg_session_server_start(const lg_session_server_config *cfg,
                                          lg_session_server **ret_server);
/* No new sessions. Idle ones end at once, active ones at the end of their transaction; after
 * `deadline` all are ended. Blocks the fiber until none is left. */
void lg_session_server_drain(lg_session_server *s, lg_time deadline);
/* Ends idle sessions now and the others at the end of their transaction, for as long as it is on.
 * New sessions are the business of may_connect. Does not block. */
void lg_session_server_wind_down(lg_session_server *s, bool on);
void lg_session_server_stop(lg_session_server *s); /* drained before */

/* Drops temporary objects of sessions that are no more, in the background: an instance has died. It
 * begins so by itself, too. */
void lg_session_server_sweep(lg_session_server *s);

/* Cancels the statement of a session of this instance if the key is right. */
void lg_session_cancel(lg_session_server *s, uint32_t pid, uint32_t key);
/* pg_cancel_backend and pg_terminate_backend: false when there is no such session. */
bool lg_session_signal(lg_session_server *s, uint32_t pid, lg_status why);

uint64_t lg_session_answer(lg_session_server *s, const lg_session_ask *ask);

/* The enqueue owner of the session that runs the transaction; NULL: none here. */
struct lg_ges_owner *lg_session_owner_of(lg_session_server *s, uint64_t xid);

typedef struct lg_session_info {
    uint32_t pid;
    const char *user;
    const char *database;
    const char *application;
    const char *client;
    const char *state; /* active, idle, idle in transaction, idle in transaction (aborted) */
    const char *query;
    uint64_t logon_us, query_start_us, state_change_us, xact_start_us;
    uint64_t xid; /* 0: none */
    lg_wait wait;
    lg_time wait_since;
    const lg_stats *stats;
    uint64_t query_id; /* 0: not known */
    uint32_t user_oid;
    bool xid_awaited;  /* somebody waits for xid to end */
    uint64_t wait_xid; /* the transaction whose row it waits for; 0: none */
    const lg_progress *progress;
} lg_session_info;
/* Of the session that an enqueue's owner belongs to (lg_ges_row.user); 0: it is no session. */
uint32_t lg_session_pid_of(const lg_session_server *s, const void *owner);

const struct lg_sqlstats *lg_session_sqlstats(const lg_session_server *s); /* session_stats.h */

uint32_t lg_session_count(const lg_session_server *s);
/* Visits sessions: *pos starts at 0. False at the end. */
bool lg_session_next(lg_session_server *s, uint32_t *pos, lg_session_info *ret_info);

/* Functions that are the session's own: pg_notify and its kin. */
void lg_session_functions_register(lg_fntable *t);
/* pg_settings. Once per catalog, before it is opened. */
LG_MUST lg_status lg_session_views_register(lg_catalog *cat);

#endif
