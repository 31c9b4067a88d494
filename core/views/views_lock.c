/* Locks: gv$lock, and by session gv$ges_enqueue (behind pg_locks and pg_blocking_pids),
 * gv$ges_blocking_enqueue, gv$locked_object. What the instance knows; nothing here blocks. */
#include "views_internal.h"
#include <string.h>

#define COLUMNS(...) static const lg_virtual_column columns[] = {__VA_ARGS__}
#define ADD(w, name, fn)                                                                           \
    lg_views_add((w), (name), columns, (uint16_t)(sizeof columns / sizeof columns[0]), (fn), (w))

static const char *
resource_type(uint32_t type)
{
    static const char *const names[] = {"?", "TM", "DI", "UL", "SQ", "DD", "OT", "DB"};
    return type < LG_GES_TYPES ? names[type] : "?";
}

/* ---- gv$ges_enqueue ---- */

enum {
    Q_PID,
    Q_RESOURCE,
    Q_HELD,
    Q_REQUESTED,
    Q_LOCKTYPE,
    Q_DATABASE,
    Q_RELATION,
    Q_VIRTUALXID,
    Q_TRANSACTIONID,
    Q_CLASSID,
    Q_OBJID,
    Q_OBJSUBID,
    Q_VIRTUALTRANSACTION,
    Q_MODE,
    Q_GRANTED,
    Q_WAITSTART,
    Q_MASTER,
    Q_BLOCKING,
    Q_COLUMNS
};

struct lock_visit {
    lg_views *w;
    lg_view_sink *sink;
    bool tables, conflicts; /* gv$locked_object, gv$ges_blocking_enqueue */
};

struct enqueue {
    lg_datum v[Q_COLUMNS];
    uint8_t nulls[Q_COLUMNS];
};

static void
put(struct enqueue *q, int column, lg_datum d)
{
    q->v[column] = d;
    q->nulls[column] = 0;
}

static void
start(struct enqueue *q, lg_view_sink *sink, uint32_t pid, const char *locktype,
      const char *resource)
{
    char vx[32];
    memset(q->v, 0, sizeof q->v);
    memset(q->nulls, 1, sizeof q->nulls);
    put(q, Q_RESOURCE, lg_view_text(sink, resource));
    put(q, Q_LOCKTYPE, lg_view_text(sink, locktype));
    put(q, Q_HELD, lg_datum_int4(0));
    put(q, Q_REQUESTED, lg_datum_int4(0));
    put(q, Q_GRANTED, lg_datum_bool(true));
    put(q, Q_BLOCKING, lg_datum_bool(false));
    if (!pid)
        return;
    put(q, Q_PID, lg_datum_int4((int32_t)pid));
    snprintf(vx, sizeof vx, "%u/%u", pid >> LG_SESSION_PID_BITS,
             pid & ((1u << LG_SESSION_PID_BITS) - 1));
    put(q, Q_VIRTUALTRANSACTION, lg_view_text(sink, vx));
}

static uint64_t
since_us(const lg_views *w, lg_time since)
{
    lg_time now = lg_run_now_ns(w->cfg.run);
    return lg_run_wall_us(w->cfg.run) - (now > since ? (now - since) / 1000 : 0);
}

static void
mode(struct enqueue *q, const struct lock_visit *x, lg_lock_mode held, lg_lock_mode requested,
     lg_time since)
{
    lg_lock_mode shown = requested != LG_LOCK_NONE ? requested : held;
    put(q, Q_HELD, lg_datum_int4(held));
    put(q, Q_REQUESTED, lg_datum_int4(requested));
    put(q, Q_MODE, lg_view_text(x->sink, lg_lock_mode_name(shown)));
    put(q, Q_GRANTED, lg_datum_bool(requested == LG_LOCK_NONE));
    if (requested != LG_LOCK_NONE && since)
        put(q, Q_WAITSTART, lg_view_time(since_us(x->w, since)));
}

static void
enqueue_row(void *arg, const lg_ges_row *r)
{
    static const char *const locktypes[] = {"?",      "relation", "object", "advisory",
                                            "object", "object",   "object", "object"};
    struct lock_visit *x = arg;
    struct enqueue q;
    char resource[64];
    uint32_t type = r->res.type < LG_GES_TYPES ? r->res.type : 0;
    uint32_t pid =
        r->user && x->w->cfg.sessions ? lg_session_pid_of(x->w->cfg.sessions, r->user) : 0;
    bool waits = r->requested != LG_LOCK_NONE;
    if ((x->tables && (type != LG_GES_TABLE || !pid || waits)) ||
        (x->conflicts && !waits && !r->blocking))
        return;
    snprintf(resource, sizeof resource, "%s:%u:%llu", resource_type(type), r->res.id1,
             (unsigned long long)r->res.id2);
    start(&q, x->sink, pid, locktypes[type], resource);
    mode(&q, x, r->held, r->requested, r->since);
    if (r->held == LG_LOCK_NONE && !waits)
        return;
    if (type == LG_GES_TABLE)
        put(&q, Q_DATABASE, lg_datum_oid(r->res.id1));
    if (type == LG_GES_ADVISORY) /* database << 2 | which kind of key */
        put(&q, Q_DATABASE, lg_datum_oid(r->res.id1 >> 2));
    put(&q, Q_MASTER, lg_datum_int4((int32_t)r->master));
    put(&q, Q_BLOCKING, lg_datum_bool(r->blocking));
    if (type == LG_GES_TABLE) {
        put(&q, Q_RELATION, lg_datum_oid((lg_oid)r->res.id2));
    } else {
        put(&q, Q_CLASSID,
            lg_datum_oid(type == LG_GES_ADVISORY ? (lg_oid)(r->res.id2 >> 32) : (lg_oid)type));
        put(&q, Q_OBJID, lg_datum_oid((lg_oid)r->res.id2));
        put(&q, Q_OBJSUBID, lg_datum_int2(type == LG_GES_ADVISORY ? r->res.id1 & 3 : 0));
    }
    x->sink->row(x->sink, q.v, q.nulls);
}

/* A transaction holds its own id; who waits for a row waits for the id of who changed it. */
static void
transaction_row(struct lock_visit *x, const lg_session_info *i, uint64_t xid, bool waits)
{
    struct enqueue q;
    char resource[64];
    snprintf(resource, sizeof resource, "TX:%llu", (unsigned long long)xid);
    start(&q, x->sink, i->pid, "transactionid", resource);
    put(&q, Q_TRANSACTIONID, lg_datum_int8((int64_t)xid));
    put(&q, Q_BLOCKING, lg_datum_bool(!waits && i->xid_awaited));
    mode(&q, x, waits ? LG_LOCK_NONE : LG_LOCK_EXCLUSIVE, waits ? LG_LOCK_SHARE : LG_LOCK_NONE,
         waits ? i->wait_since : 0);
    x->sink->row(x->sink, q.v, q.nulls);
}

static void
session_locks(struct lock_visit *x)
{
    lg_session_info i;
    uint32_t pos = 0;
    while (x->w->cfg.sessions && lg_session_next(x->w->cfg.sessions, &pos, &i)) {
        struct enqueue q;
        if (i.xact_start_us && !x->conflicts) {
            char vx[32];
            snprintf(vx, sizeof vx, "%u/%u", i.pid >> LG_SESSION_PID_BITS,
                     i.pid & ((1u << LG_SESSION_PID_BITS) - 1));
            start(&q, x->sink, i.pid, "virtualxid", vx);
            put(&q, Q_VIRTUALXID, lg_view_text(x->sink, vx));
            mode(&q, x, LG_LOCK_EXCLUSIVE, LG_LOCK_NONE, 0);
            x->sink->row(x->sink, q.v, q.nulls);
        }
        if (i.xid && (!x->conflicts || i.xid_awaited))
            transaction_row(x, &i, i.xid, false);
        if (i.wait_xid)
            transaction_row(x, &i, i.wait_xid, true);
    }
}

static void
enqueue_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    struct lock_visit x = {.w = w, .sink = sink};
    if (w->cfg.ges)
        lg_ges_visit(w->cfg.ges, enqueue_row, &x);
    session_locks(&x);
}

static void
blocking_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    struct lock_visit x = {.w = w, .sink = sink, .conflicts = true};
    if (w->cfg.ges)
        lg_ges_visit(w->cfg.ges, enqueue_row, &x);
    session_locks(&x);
}

static void
locked_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    struct lock_visit x = {.w = w, .sink = sink, .tables = true};
    if (w->cfg.ges)
        lg_ges_visit(w->cfg.ges, enqueue_row, &x);
}

/* ---- gv$lock ---- */

static void
lock_emit(struct lock_visit *x, const char *type, int64_t id1, int64_t id2, uint32_t pid,
          const lg_ges_row *r)
{
    lg_time now = lg_run_now_ns(x->w->cfg.run);
    bool waiting = r->requested != LG_LOCK_NONE, timed = waiting && r->since && now > r->since;
    lg_datum v[] = {lg_view_text(x->sink, type),
                    lg_datum_int8(id1),
                    lg_datum_int8(id2),
                    lg_datum_int4((int32_t)pid),
                    lg_view_text(x->sink, lg_lock_mode_name(r->held)),
                    lg_view_text(x->sink, lg_lock_mode_name(r->requested)),
                    lg_datum_bool(r->user == NULL),
                    lg_datum_bool(r->blocking),
                    lg_datum_int4((int32_t)r->master),
                    lg_datum_float8(timed ? (double)(now - r->since) / 1e9 : 0)};
    uint8_t nulls[10] = {0};
    nulls[3] = pid == 0;
    nulls[4] = r->held == LG_LOCK_NONE;
    nulls[5] = !waiting;
    nulls[8] = r->master == 0;
    nulls[9] = !timed;
    x->sink->row(x->sink, v, nulls);
}

static void
lock_row(void *arg, const lg_ges_row *r)
{
    struct lock_visit *x = arg;
    uint32_t pid =
        r->user && x->w->cfg.sessions ? lg_session_pid_of(x->w->cfg.sessions, r->user) : 0;
    lock_emit(x, resource_type(r->res.type), r->res.id1, (int64_t)r->res.id2, pid, r);
}

/* id1 and id2 of a transaction as Oracle has them: undo segment << 16 | slot, wrap. */
static void
lock_transaction(struct lock_visit *x, const lg_session_info *i, uint64_t xid, bool waits)
{
    lg_ges_row r = {.user = x->w, /* a session's */
                    .held = waits ? LG_LOCK_NONE : LG_LOCK_EXCLUSIVE,
                    .requested = waits ? LG_LOCK_SHARE : LG_LOCK_NONE,
                    .blocking = !waits && i->xid_awaited,
                    .since = i->wait_since};
    lock_emit(x, "TX", (int64_t)(xid >> 32), (int64_t)(uint32_t)xid, i->pid, &r);
}

static void
lock_rows(void *arg, lg_view_sink *sink)
{
    lg_views *w = arg;
    struct lock_visit x = {.w = w, .sink = sink};
    lg_session_info i;
    uint32_t pos = 0;
    if (w->cfg.ges)
        lg_ges_visit(w->cfg.ges, lock_row, &x);
    while (w->cfg.sessions && lg_session_next(w->cfg.sessions, &pos, &i)) {
        if (i.xid)
            lock_transaction(&x, &i, i.xid, false);
        if (i.wait_xid)
            lock_transaction(&x, &i, i.wait_xid, true);
    }
}

static lg_status
add_lock(lg_views *w)
{
    COLUMNS({"type", LG_T_TEXT}, {"id1", LG_T_INT8}, {"id2", LG_T_INT8}, {"sid", LG_T_INT4},
            {"lmode", LG_T_TEXT}, {"request", LG_T_TEXT}, {"instance_mode", LG_T_BOOL},
            {"block", LG_T_BOOL}, {"master", LG_T_INT4}, {"seconds_in_wait", LG_T_FLOAT8});
    return ADD(w, "lock", lock_rows);
}

lg_status
lg_views__register_lock(lg_views *w)
{
    LG_TRY(add_lock(w));
    COLUMNS({"pid", LG_T_INT4}, {"resource", LG_T_TEXT}, {"held", LG_T_INT4},
            {"requested", LG_T_INT4}, {"locktype", LG_T_TEXT}, {"database", LG_T_OID},
            {"relation", LG_T_OID}, {"virtualxid", LG_T_TEXT}, {"transactionid", LG_T_INT8},
            {"classid", LG_T_OID}, {"objid", LG_T_OID}, {"objsubid", LG_T_INT2},
            {"virtualtransaction", LG_T_TEXT}, {"mode", LG_T_TEXT}, {"granted", LG_T_BOOL},
            {"waitstart", LG_T_TIMESTAMPTZ}, {"master", LG_T_INT4}, {"blocking", LG_T_BOOL});
    LG_TRY(ADD(w, "ges_enqueue", enqueue_rows));
    LG_TRY(ADD(w, "ges_blocking_enqueue", blocking_rows));
    return ADD(w, "locked_object", locked_rows);
}
