/* The wires between modules that do not know each other: transactions of other instances, enqueues
 * of the catalog, and the instance's own calls (INSTANCE_CALL). */
#include "instance_internal.h"
#include <string.h>

#define FORGET_LIMIT (30 * LG_SEC)
#define FORGET_ASK   (5 * LG_SEC) /* a peer that recovers answers after that */

/* ---- transactions of other instances ---- */

#define STATUS_UPPER_BOUND 0x80000000u

static lg_status
ask_status(lg_instance *in, uint32_t node, lg_xid xid, lg_txn_status *ret)
{
    uint32_t state = 0;
    lg_status st = lg_cf_txn_status(in->cf, node, xid, &state, &ret->scn);
    ret->upper_bound = (state & STATUS_UPPER_BOUND) != 0;
    ret->state = (lg_txn_state)(state & ~STATUS_UPPER_BOUND);
    return st;
}

static uint64_t others(const lg_instance *in);

/* Whom to ask next about an undo segment: its owner, then who had it last, then the rest. */
static uint32_t
next_to_ask(const lg_instance *in, uint32_t useg, uint64_t left)
{
    uint32_t adopter = useg <= LG_INSTANCE_MAX ? in->adopter[useg] : 0;
    if (lg_node_in(left, useg))
        return useg;
    if (adopter && lg_node_in(left, adopter))
        return adopter;
    return (uint32_t)__builtin_ctzll(left);
}

/* Whoever has the segment loaded answers. LG_PEER_DOWN: nobody has, all members have said so; one
 * that cannot be reached may have it, and a reader that looked at the table block instead would
 * miss a commit that is under way: it waits until a view decides. */
static lg_status
resolve_remote(void *arg, lg_xid xid, lg_scn snapshot, lg_txn_status *ret)
{
    lg_instance *in = arg;
    uint32_t useg = lg_xid_useg(xid);
    (void)snapshot; /* every message carries the clock, which is not below it */
    for (;;) {
        uint64_t left = others(in);
        bool sure = true;
        while (left) {
            uint32_t node = next_to_ask(in, useg, left);
            lg_status st = ask_status(in, node, xid, ret);
            left &= ~(1ull << node);
            if (st == LG_OK && node != useg && useg <= LG_INSTANCE_MAX)
                in->adopter[useg] = (uint8_t)node;
            if (st == LG_PEER_DOWN || st == LG_STALE_EPOCH)
                sure = false;
            else if (st != LG_NOT_FOUND)
                return st;
        }
        if (sure)
            return LG_PEER_DOWN;
        LG_TRY(lg_fiber_sleep_until(lg_run_now_ns(in->env.run) + 5 * LG_MS, LG_WAIT_TX_OUTCOME));
    }
}

static lg_ges_owner *find_owner(void *arg, uint64_t xid);
static lg_scn oldest_snapshot(void *arg);

/* Every wait for a transaction, of this instance's or another's, is an edge that deadlock probes
 * follow. */
static void
wait_changed(void *arg, lg_xid waiter, lg_xid target, bool waiting, lg_status how)
{
    lg_instance *in = arg;
    lg_ges_owner *o = find_owner(in, waiter);
    if (!o)
        return; /* it has no transaction yet, so nobody waits for it */
    if (!waiting) {
        lg_ges_txn_wait_end(o, how);
        return;
    }
    uint32_t node = lg_xid_useg(target);
    if (node <= LG_INSTANCE_MAX && !lg_node_in(lg_reconf_members(in->reconf), node))
        node = in->adopter[node] ? in->adopter[node] : in->cfg.node;
    if (how == LG_DEADLOCK)
        lg_ges_txn_wait_refused(o, target, node);
    else if (lg_ges_txn_wait_begin(o, target, node) == LG_DEADLOCK)
        lg_txn_kill_wait(in->txns, waiter, LG_DEADLOCK);
}

static lg_status
wait_remote(void *arg, lg_xid waiter, lg_xid xid, lg_time deadline)
{
    lg_instance *in = arg;
    uint32_t useg = lg_xid_useg(xid);
    uint32_t adopter = useg <= LG_INSTANCE_MAX ? in->adopter[useg] : 0;
    lg_status st = LG_NOT_FOUND;
    (void)waiter; /* its edge was told by wait_changed */
    if (lg_node_in(others(in), useg))
        st = lg_cf_txn_wait(in->cf, useg, xid, deadline);
    if (st == LG_NOT_FOUND && adopter != useg && lg_node_in(others(in), adopter))
        st = lg_cf_txn_wait(in->cf, adopter, xid, deadline);
    if (st != LG_PEER_DOWN && st != LG_STALE_EPOCH && st != LG_NOT_FOUND)
        return st;
    /* a view is on its way, or a start: look again soon */
    return lg_fiber_sleep_until(lg_run_now_ns(in->env.run) + 5 * LG_MS, LG_WAIT_ENQ_TX);
}

static void
commit_send(void *arg, lg_scn scn)
{
    lg_cf_scn_broadcast_start(((lg_instance *)arg)->cf, scn);
}

static lg_status
commit_wait(void *arg, lg_scn scn)
{
    return lg_cf_scn_broadcast(((lg_instance *)arg)->cf, scn);
}

static lg_status
fresh(void *arg, bool cancelable)
{
    return lg_cf_scn_fresh(((lg_instance *)arg)->cf, cancelable);
}

void
lg_instance__txn_hooks(lg_instance *in, lg_txn_hooks *ret)
{
    *ret = (lg_txn_hooks){.arg = in,
                          .resolve_remote = resolve_remote,
                          .wait_remote = wait_remote,
                          .commit_send = commit_send,
                          .commit_wait = commit_wait,
                          .fresh = fresh,
                          .wait_changed = wait_changed,
                          .oldest_snapshot = oldest_snapshot};
}

/* ---- how this instance answers ---- */

static lg_status
answer_status(void *arg, uint64_t xid, uint32_t *ret_state, lg_scn *ret_scn)
{
    lg_instance *in = arg;
    lg_txn_status s;
    if (!in->txns)
        return LG_NOT_FOUND;
    LG_TRY(lg_txn_status_local(in->txns, xid, lg_scn_current(&in->clock), &s));
    *ret_state = (uint32_t)s.state | (s.upper_bound ? STATUS_UPPER_BOUND : 0);
    *ret_scn = s.scn;
    return LG_OK;
}

static lg_status
answer_wait(void *arg, uint64_t xid, lg_time deadline)
{
    lg_instance *in = arg;
    return in->txns ? lg_txn_wait_finished(in->txns, xid, deadline) : LG_NOT_FOUND;
}

static lg_status
build_cr(void *arg, lg_addr addr, void *image, lg_scn snapshot)
{
    lg_instance *in = arg;
    (void)addr;
    return in->txns ? lg_txn_cr_rollback(in->txns, image, snapshot) : LG_RETRY;
}

void
lg_instance__cf_hooks(lg_instance *in)
{
    lg_cf_txn_hooks h = {in, answer_status, answer_wait};
    lg_cf_set_txn(in->cf, &h);
    lg_cf_set_cr(in->cf, build_cr, in);
    lg_ges_set_txn_hook(in->ges, find_owner, in);
}

/* The enqueue owner of the session that runs a transaction: where deadlock probes go on. */
static lg_ges_owner *
find_owner(void *arg, uint64_t xid)
{
    lg_instance *in = arg;
    return in->sessions ? lg_session_owner_of(in->sessions, xid) : NULL;
}

/* ---- INSTANCE_CALL: {what, arguments}; each is served in a fiber and may block ---- */

enum call_what {
    CALL_FORGET_FILE = 1,     /* file: a segment is being dropped; drop its buffers */
    CALL_OLDEST_SNAPSHOT = 4, /* replies the oldest snapshot in use, now or later */
    CALL_CANCEL = 3,          /* pid, key: a cancel request that reached another instance */
    CALL_SESSIONS = 5,        /* an lg_session_ask: replies the answer */
};

struct call {
    uint64_t what;
    uint64_t a, b;
};

struct serving {
    lg_instance *in;
    struct call call;
    lg_rpc_token token;
};

/* One that is still starting has looked for blocks too if it recovered others. */
static lg_status
forget_file(lg_instance *in, uint32_t file)
{
    if (in->space)
        return lg_segment_forget(in->space, file);
    return in->buf ? lg_buf_drop_file(in->buf, file) : LG_OK;
}

static void
serve_main(void *arg)
{
    struct serving *v = arg;
    lg_instance *in = v->in;
    lg_status st = LG_PROTOCOL;
    lg_scn scn = 0;
    switch (v->call.what) {
    case CALL_FORGET_FILE:
        st = forget_file(in, (uint32_t)v->call.a);
        break;
    case CALL_OLDEST_SNAPSHOT:
        scn = in->txns ? lg_txn_oldest_local_snapshot(in->txns) : lg_scn_current(&in->clock);
        st = LG_OK;
        break;
    case CALL_CANCEL:
        if (in->sessions)
            lg_session_cancel(in->sessions, (uint32_t)v->call.a, (uint32_t)v->call.b);
        st = LG_OK;
        break;
    case CALL_SESSIONS: {
        lg_session_ask ask = {.what = (uint32_t)v->call.a,
                              .id = (uint32_t)v->call.b,
                              .flags = (uint32_t)(v->call.b >> 32)};
        scn = in->sessions ? lg_session_answer(in->sessions, &ask) : 0;
        st = LG_OK;
        break;
    }
    default:
        break;
    }
    lg_status sent = lg_rpc_reply(in->rpc, &v->token, st, &scn, sizeof scn, NULL, 0);
    (void)sent; /* a caller that is gone asks no more */
    lg_free(v);
    in->serving--;
    lg_waitq_wake_all(&in->changed);
}

static void
on_call(void *arg, lg_rpc_msg *m)
{
    lg_instance *in = arg;
    if (m->payload_len != sizeof(struct call) || in->closing)
        return; /* the caller asks again, until a view is without this instance */
    struct serving *v = lg_zalloc(sizeof *v);
    v->in = in;
    v->token = m->token;
    memcpy(&v->call, m->payload, sizeof v->call);
    if (lg_run_spawn(in->env.run, "instance call", 0, serve_main, v, NULL) != LG_OK)
        lg_free(v); /* the caller's deadline ends it */
    else
        in->serving++;
}

lg_status
lg_instance__calls_serve(lg_instance *in)
{
    lg_rpc_handle(in->rpc, LG_MSG_INSTANCE_CALL, on_call, in);
    return LG_OK;
}

static lg_status
call(lg_instance *in, uint32_t node, const struct call *c, lg_time timeout, lg_scn *ret_scn)
{
    lg_rpc_request rq = {.node = node,
                         .type = LG_MSG_INSTANCE_CALL,
                         .payload = c,
                         .payload_len = sizeof *c,
                         .deadline = lg_run_now_ns(in->env.run) + timeout};
    lg_rpc_msg *reply = NULL;
    lg_status st = lg_rpc_call(in->rpc, &rq, &reply);
    if (st == LG_OK && ret_scn && reply->payload_len == sizeof *ret_scn)
        memcpy(ret_scn, reply->payload, sizeof *ret_scn);
    lg_rpc_msg_free(reply);
    return st;
}

static uint64_t
others(const lg_instance *in)
{
    return in->alone ? 0 : lg_reconf_members(in->reconf) & ~(1ull << in->cfg.node);
}

/* Asks each of the others, until it answers. LG_PEER_DOWN: one of them could not be asked. */
static lg_status
forget_round(lg_instance *in, uint32_t file, lg_time deadline)
{
    struct call c = {CALL_FORGET_FILE, file, 0};
    uint64_t mask = others(in);
    bool lost = false;
    for (uint32_t node = 1; node < LG_NODES_MAX; node++) {
        lg_status st = LG_OK;
        if (lg_node_in(mask, node))
            do
                st = call(in, node, &c, FORGET_ASK, NULL);
            while (st == LG_TIMEOUT && !in->stopping && lg_run_now_ns(in->env.run) < deadline);
        lost |= st == LG_PEER_DOWN;
        if (st != LG_OK && st != LG_PEER_DOWN)
            return st;
    }
    return lost ? LG_PEER_DOWN : LG_OK;
}

/* Every other instance lets go of a file that is being dropped, before its space is freed. One that
 * cannot be asked may live and write still: only a view without it, which fences it, or one in which
 * it answers, says more. Who joins later cannot find the file any more. */
static lg_status
forget_by_all(lg_instance *in, uint32_t file)
{
    lg_time deadline = lg_run_now_ns(in->env.run) + FORGET_LIMIT;
    for (;;) {
        uint64_t epoch = lg_reconf_open_epoch(in->reconf);
        lg_status st = forget_round(in, file, deadline);
        if (st == LG_OK && !lg_reconf_stale(in->reconf, epoch))
            return LG_OK;
        if (st != LG_OK && st != LG_PEER_DOWN)
            return st;
        if (in->stopping)
            return LG_SHUTDOWN;
        LG_TRY(lg_reconf_wait_open(in->reconf, epoch + 1, deadline));
    }
}

lg_status
lg_instance__forget_everywhere(void *arg, uint32_t file)
{
    lg_instance *in = arg;
    lg_status st = in->alone ? LG_OK : forget_by_all(in, file);
    if (st != LG_OK) /* the drop ends here; it is finished later */
        lg_instance__sweep_due(in);
    return st;
}

void
lg_instance__cancel_remote(void *arg, uint32_t instance, uint32_t pid, uint32_t key)
{
    lg_instance *in = arg;
    struct call c = {CALL_CANCEL, pid, key};
    if (lg_node_in(others(in), instance)) {
        lg_status st = call(in, instance, &c, 5 * LG_SEC, NULL);
        (void)st; /* a cancel is a request: it may come too late */
    }
}

lg_status
lg_instance__ask_sessions(void *arg, uint32_t instance, const lg_session_ask *ask,
                          uint64_t *ret_answer)
{
    lg_instance *in = arg;
    struct call c = {CALL_SESSIONS, ask->what, (uint64_t)ask->flags << 32 | ask->id};
    uint64_t mask = others(in);
    lg_status st = LG_OK;
    *ret_answer = 0;
    for (uint32_t node = 1; node < LG_NODES_MAX; node++) {
        uint64_t answer = 0;
        if (!lg_node_in(mask, node) || (instance && instance != node))
            continue;
        lg_status one = call(in, node, &c, 5 * LG_SEC, &answer);
        if (one == LG_OK)
            *ret_answer += answer;
        else if (one != LG_PEER_DOWN)
            st = one;
    }
    return st;
}

lg_status
lg_instance__undo_file_of(void *arg, uint16_t useg, uint32_t *ret_file)
{
    lg_instance *in = arg;
    if (useg > LG_INSTANCE_MAX || !in->control.undo_file[useg])
        return LG_NOT_FOUND;
    *ret_file = in->control.undo_file[useg];
    return LG_OK;
}

#define UNDO_KEEP_MIN   (64ull << 20)
#define UNDO_MAX_MIN    (1ull << 30)
#define UNDO_EXTENTS    1000u /* about as many as a segment's directory has room for */
#define UNDO_EXTENT_AUS 16u   /* at most */

/* How much of the volume undo may take: a sixteenth for each instance's old versions, up to half for what its
 * open transactions have done. Segments get extents that they can reach that with. */
lg_status
lg_instance__undo_create(lg_instance *in)
{
    lg_volume *v = lg_buf_volume(in->buf);
    uint64_t bytes = 0;
    for (uint32_t d = 0; d < lg_volume_disk_count(v); d++)
        bytes += (uint64_t)lg_volume_disk_aus(v, d) * LG_VOLUME_AU_BYTES;
    lg_undo_config uc = {.space = in->space,
                         .retention_ms = in->cfg.undo_retention_ms,
                         .max_bytes = bytes / 2 > UNDO_MAX_MIN ? bytes / 2 : UNDO_MAX_MIN,
                         .keep_bytes = bytes / 16 > UNDO_KEEP_MIN ? bytes / 16 : UNDO_KEEP_MIN,
                         .extent_aus = 1,
                         .file_of = lg_instance__undo_file_of,
                         .arg = in};
    while (uc.extent_aus < UNDO_EXTENT_AUS &&
           (uint64_t)uc.extent_aus * UNDO_EXTENTS * LG_VOLUME_AU_BYTES < bytes / 2)
        uc.extent_aus *= 2;
    return lg_undo_create(&uc, &in->undo);
}

/* ---- the oldest snapshot of the others ----
 *
 * Purge and pruning may take only what no snapshot of any instance needs. Each second every other
 * member is asked; it answers the oldest snapshot in use, at most its clock, so nothing it takes
 * later is older. The least answer is good until the next round; before the first one, and when
 * somebody does not answer, what is known stays (at first 0: nothing is taken). A joiner's clock is
 * past it: it heard everybody's during the reconfiguration. */

static lg_scn
oldest_snapshot(void *arg)
{
    return ((lg_instance *)arg)->others_oldest;
}

void
lg_instance__horizon_main(void *arg)
{
    lg_instance *in = arg;
    while (!in->stopping) {
        struct call c = {CALL_OLDEST_SNAPSHOT, 0, 0};
        lg_scn oldest = lg_scn_current(&in->clock); /* nobody there: a joiner will be past it */
        uint64_t mask = others(in);
        for (uint32_t node = 1; node < LG_NODES_MAX; node++) {
            lg_scn scn = 0;
            if (!lg_node_in(mask, node))
                continue;
            if (call(in, node, &c, 2 * LG_SEC, &scn) != LG_OK)
                scn = in->others_oldest;
            if (scn < oldest)
                oldest = scn;
        }
        if (oldest > in->others_oldest)
            in->others_oldest = oldest;
        if (lg_fiber_sleep_until(lg_run_now_ns(in->env.run) + LG_SEC, LG_WAIT_BACKGROUND_IDLE) !=
            LG_OK)
            break;
    }
    in->horizon_runs = false;
    lg_waitq_wake_all(&in->changed);
}
