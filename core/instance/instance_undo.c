/* Whose undo is open where. A segment is its owner's (undo segment number = node); when the owner
 * dies the view's recoverer adopts it: it answers for the dead one's transactions at once and rolls
 * the unfinished ones back in a fiber. The owner, when it comes back, asks everybody first
 * (CALL_UNDO_CLAIM): the adopter answers when the rollback is complete and its hands are off.
 *
 * Every member keeps adopter[node], told by the change alone: dead nodes go to the recoverer, and
 * so do those whose adopter died. Before transactions are up here (a start), what is to be adopted
 * waits in adopt_later.
 */
#include "instance_internal.h"

static void
rollback_main(void *arg)
{
    struct lg_instance__rollback *r = arg;
    lg_instance *in = r->in;
    lg_status st = lg_txn_recover_segment(in->txns, r->useg);
    if (st == LG_OK)
        lg_log_info(in->env.log, "undo", "undo segment %u: nothing is left to roll back", r->useg);
    else if (!in->stopping)
        lg_instance__die(in, st, "the undo of a dead instance cannot be rolled back");
    in->rolling[r->useg] = false;
    in->rollbacks--;
    lg_free(r);
    lg_waitq_wake_all(&in->changed);
}

lg_status
lg_instance__adopt(lg_instance *in, uint64_t nodes)
{
    for (uint32_t node = 1; node <= LG_INSTANCE_MAX; node++) {
        if (!lg_node_in(nodes, node) || !in->control.undo_file[node] || in->rolling[node])
            continue;
        if (node != in->cfg.node)
            LG_TRY(lg_txn_adopt_segment(in->txns, (uint16_t)node));
        struct lg_instance__rollback *r = lg_zalloc(sizeof *r);
        r->in = in;
        r->useg = (uint16_t)node;
        in->rolling[node] = true;
        in->rollbacks++;
        in->adopted |= 1ull << node;
        LG_TRY(lg_run_spawn(in->env.run, "rollback", 0, rollback_main, r, NULL));
    }
    return LG_OK;
}

/* The adopter's side of a claim. Blocks. */
lg_status
lg_instance__undo_let_go(lg_instance *in, uint32_t node)
{
    if (node == 0 || node > LG_INSTANCE_MAX)
        return LG_PROTOCOL;
    while (lg_node_in(in->adopt_later, node) || in->rolling[node])
        LG_TRY(lg_waitq_wait(&in->changed, LG_WAIT_GC_RECOVERY, LG_FOREVER, false));
    if (lg_node_in(in->adopted, node) && node != in->cfg.node) {
        lg_txn_release_segment(in->txns, (uint16_t)node);
        in->adopted &= ~(1ull << node);
    }
    in->adopter[node] = 0;
    return LG_OK;
}

static lg_status
opened(void *self, const lg_reconf_change *c)
{
    lg_instance *in = self;
    uint64_t mine = 0;
    for (uint32_t node = 1; node <= LG_INSTANCE_MAX; node++) {
        bool orphaned = in->adopter[node] && !lg_node_in(c->members, in->adopter[node]);
        if (!lg_node_in(c->dead, node) && !orphaned && !(c->cold && !lg_node_in(c->members, node)))
            continue;
        in->adopter[node] = (uint8_t)c->recoverer;
        if (c->recoverer == in->cfg.node)
            mine |= 1ull << node;
    }
    if (in->txns)
        LG_TRY(lg_instance__adopt(in, mine));
    else
        in->adopt_later |= mine;
    lg_instance__agent_state(in, in->sessions ? LG_INSTANCE_OPEN : LG_INSTANCE_RECOVERING);
    lg_instance__agent_done(in, c->epoch);
    return LG_OK;
}

void
lg_instance__undo_participant(lg_instance *in, lg_participant *ret_p)
{
    *ret_p = (lg_participant){.name = "undo", .self = in, .opened = opened};
}
