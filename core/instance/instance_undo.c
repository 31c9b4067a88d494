/* Whose undo is open where.
 *
 * INVARIANT  The transaction table of an undo segment is loaded by at most one instance at a time:
 * its owner (segment number = node) from start to end, or one that rolls back for a dead owner.
 * Whoever loads it holds the enqueue UNDO/segment in exclusive mode, from before the load until
 * nothing of it is in memory any more. Enqueues survive reconfigurations with their holders and
 * fall with the dead (ges.h), so no view, message or order of events decides this, only the
 * enqueue.
 *
 *   owner       start: waits for its enqueue (an adopter ends its rollback first), loads, rolls
 * back what an earlier life left; keeps the enqueue until it ends recoverer   after every change of
 * the view: tries each segment once. Taken: its owner is alive and looks after it itself, or
 * another adopter does. Got it: loads, rolls back, lets go
 *
 * A ROLLBACK THAT FAILS  (a block that cannot be read, or that contradicts its undo) ends no instance:
 * whoever took over would fail in the same way, and one bad block would stop them all, one after the
 * other. The other transactions of the segment are rolled back. This one stays active: what it changed is
 * seen by nobody, and who wants to change it too waits. The segment and its enqueue are let go (nothing of
 * it is in memory then, and its table's blocks tell the truth), so that its owner may start; the
 * attempt is made again and again, here and by the owner when it is back. An instance that is itself
 * broken (redo, lease, disks) is ended by what watches over that.
 *
 * A segment that nobody has loaded has no running transaction: its table blocks, which are
 * coherent, tell the truth (lg_txn_resolve). Where a segment's answers come from is therefore asked
 * (instance_wire.c); adopter[] only says whom to ask first.
 */
#include "instance_internal.h"

#define UNDO_SEGMENTS 1u /* id1 of these enqueues */

static lg_ges_res
enqueue_of(uint16_t useg)
{
    return (lg_ges_res){.type = LG_GES_OTHER, .id1 = UNDO_SEGMENTS, .id2 = useg};
}

/* ---- our own segment ---- */

lg_status
lg_instance__undo_lock_own(lg_instance *in)
{
    lg_ges_owner_init(in->ges, &in->undo_owner, NULL);
    in->undo_owned = true;
    for (;;) {
        lg_status st = lg_ges_lock(&in->undo_owner, enqueue_of((uint16_t)in->cfg.node),
                                   LG_LOCK_ACCESS_EXCLUSIVE, LG_GES_SESSION,
                                   lg_run_now_ns(in->env.run) + LG_SEC);
        if (st != LG_LOCK_NOT_AVAILABLE)
            return st;
        if (in->stopping || in->agent_lost)
            return LG_SHUTDOWN;
    }
}

void
lg_instance__undo_unlock_own(lg_instance *in)
{
    if (in->undo_owned)
        lg_ges_owner_fini(&in->undo_owner);
    in->undo_owned = false;
}

/* ---- rolling back ---- */

#define AGAIN      LG_SEC
#define AGAIN_MOST (60 * LG_SEC)

/* For another owner: under its enqueue, if that is free. */
static lg_status
adopt(lg_instance *in, uint16_t useg)
{
    lg_ges_owner owner;
    lg_ges_owner_init(in->ges, &owner, NULL);
    lg_status st = lg_ges_lock(&owner, enqueue_of(useg), LG_LOCK_ACCESS_EXCLUSIVE,
                               LG_GES_NOWAIT | LG_GES_SESSION, LG_FOREVER);
    if (st == LG_OK) {
        st = lg_txn_recover_segment(in->txns, useg);
        lg_txn_release_segment(in->txns, useg);
        if (st == LG_OK)
            lg_log_debug(in->env.log, "undo", "undo segment %u: nothing is left to roll back",
                         useg);
    } else if (st == LG_LOCK_NOT_AVAILABLE) {
        st = LG_OK;
    }
    lg_ges_owner_fini(&owner);
    return st;
}

static lg_status
roll_back(lg_instance *in, uint16_t useg)
{
    return useg == in->cfg.node || in->alone ? lg_txn_recover_segment(in->txns, useg)
                                             : adopt(in, useg);
}

static void
pause_until(lg_instance *in, lg_time until)
{
    while (!in->closing && lg_run_now_ns(in->env.run) < until)
        (void)!lg_waitq_wait(&in->changed, LG_WAIT_BACKGROUND_IDLE, until, false);
}

static void
rollback_main(void *arg)
{
    struct lg_instance__rollback *r = arg;
    lg_instance *in = r->in;
    lg_time wait = AGAIN;
    lg_status st;
    while ((st = roll_back(in, r->useg)) != LG_OK && !in->closing) {
        lg_log_error(
            in->env.log, "undo",
            "undo segment %u: not everything that a dead instance left can be rolled back; "
            "what the rest has changed stays locked; next attempt in %llu s: %s",
            r->useg, (unsigned long long)(wait / LG_SEC), lg_status_text(st));
        pause_until(in, lg_run_now_ns(in->env.run) + wait);
        wait = 2 * wait < AGAIN_MOST ? 2 * wait : AGAIN_MOST;
    }
    in->rolling[r->useg] = NULL;
    in->rollbacks--;
    lg_waitq_wake_all(&in->changed);
    if (r->again && !in->closing) /* a view came meanwhile: what it left free is looked at too */
        lg_instance__undo_recover(in, 1ull << r->useg);
    lg_free(r);
}

void
lg_instance__undo_recover(lg_instance *in, uint64_t segments)
{
    if (in->closing) /* being taken apart: a view that opens now finds others, or the next start */
        return;
    for (uint32_t useg = 1; useg <= LG_INSTANCE_MAX; useg++) {
        if (!lg_node_in(segments, useg) || !in->control.undo_file[useg])
            continue;
        if (in->rolling[useg]) {
            in->rolling[useg]->again = useg != in->cfg.node;
            continue;
        }
        struct lg_instance__rollback *r = lg_zalloc(sizeof *r);
        *r = (struct lg_instance__rollback){.in = in, .useg = (uint16_t)useg};
        in->rolling[useg] = r;
        in->rollbacks++;
        lg_status st = lg_run_spawn(in->env.run, "rollback", 0, rollback_main, r, NULL);
        if (st != LG_OK) {
            in->rolling[useg] = NULL;
            in->rollbacks--;
            lg_free(r);
            lg_instance__die(in, st, "no fiber to roll back with");
        }
    }
}

/* Before any block opens that the dead one may have changed. */
static void
thaw(void *self, const lg_reconf_change *c)
{
    lg_instance *in = self;
    if (c->dead && in->txns)
        lg_txn_forget_doubtful(in->txns);
}

static lg_status
opened(void *self, const lg_reconf_change *c)
{
    lg_instance *in = self;
    for (uint32_t node = 1; node <= LG_INSTANCE_MAX; node++)
        if (lg_node_in(c->dead, node) || (c->cold && !lg_node_in(c->members, node)))
            in->adopter[node] = (uint8_t)c->recoverer;
    if (c->recoverer == in->cfg.node) {
        if (c->dead || c->cold)
            lg_instance__sweep_due(in);
        if (in->txns)
            lg_instance__undo_recover(in, ~(1ull << in->cfg.node));
        else
            in->recover_all = true; /* once transactions are up */
    }
    if (c->recoverer == in->cfg.node && c->dead && in->sessions)
        lg_session_server_sweep(in->sessions);
    lg_instance__agent_state(in, in->sessions ? LG_INSTANCE_OPEN : LG_INSTANCE_RECOVERING);
    lg_instance__agent_done(in, c->epoch);
    return LG_OK;
}

void
lg_instance__undo_participant(lg_instance *in, lg_participant *ret_p)
{
    *ret_p = (lg_participant){.name = "undo", .self = in, .thaw = thaw, .opened = opened};
}
