/* The SCN at commit: every other member hears it before the commit is acknowledged.
 *
 * One message at a time is on its way to each member, carrying the newest SCN wanted; its answer
 * sends the next if commits have come meanwhile. A fiber sends the first, so that everybody who is
 * ready to commit in this round gets into it. So a burst of commits costs one message per member and
 * round trip. scn_heard[n] is what member n is known to have heard. */
#include "cachefusion_internal.h"

#define REPEAT_AFTER (100 * LG_MS)

static bool
others(const lg_cf *cf, uint32_t node)
{
    return node != cf->node && (cf->members >> node & 1) != 0;
}

static void
send_next(lg_cf *cf, uint32_t node)
{
    if (cf->frozen || cf->scn_flying[node] || cf->scn_heard[node] >= cf->scn_wanted)
        return;
    lg_msg_scn m = {cf->scn_wanted};
    cf->scn_flying[node] = true;
    cf->scn_sent[node] = m.scn;
    cf->counts.scn_broadcasts++;
    /* to a peer that is down: the next view says what becomes of it */
    (void)!lg_rpc_send(cf->rpc, node, LG_MSG_SCN_BROADCAST, &m, sizeof m, NULL, 0);
}

static void
on_broadcast(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    if (lg_msg_check(m) != LG_OK)
        return;
    lg_msg_scn r = *(const lg_msg_scn *)m->payload;
    if (cf->cfg.clock)
        lg_scn_observe(cf->cfg.clock, r.scn);
    (void)!lg_rpc_send(cf->rpc, m->node, LG_MSG_SCN_REPLY, &r, sizeof r, NULL, 0);
}

static void
on_reply(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    if (lg_msg_check(m) != LG_OK || m->node >= LG_NODES_MAX)
        return;
    lg_scn scn = ((const lg_msg_scn *)m->payload)->scn;
    cf->scn_flying[m->node] = false;
    if (scn > cf->scn_heard[m->node])
        cf->scn_heard[m->node] = scn;
    lg_waitq_wake_all(&cf->scnq);
    send_next(cf, m->node);
}

void
lg_cf__scn_register(lg_cf *cf)
{
    lg_rpc_handle(cf->rpc, LG_MSG_SCN_BROADCAST, on_broadcast, cf);
    lg_rpc_handle(cf->rpc, LG_MSG_SCN_REPLY, on_reply, cf);
}

/* A new epoch: what was on its way may be lost; who has left need not hear it. */
void
lg_cf__scn_thaw(lg_cf *cf, uint64_t joiners)
{
    for (uint32_t n = 1; n < LG_NODES_MAX; n++) {
        cf->scn_flying[n] = false;
        if (!others(cf, n) || (joiners >> n & 1))
            cf->scn_heard[n] = 0; /* if it comes back, it has heard nothing */
    }
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (others(cf, n))
            send_next(cf, n);
    lg_waitq_wake_all(&cf->scnq);
}

static void
send_all(lg_cf *cf)
{
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (others(cf, n))
            send_next(cf, n);
}

void
lg_cf__scn_fiber(void *arg)
{
    lg_cf *cf = arg;
    while (!cf->stopping) {
        send_all(cf);
        (void)!lg_waitq_wait(&cf->scn_sendq, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
    }
    if (--cf->fibers == 0)
        lg_waitq_wake_all(&cf->drainedq);
}

void
lg_cf_scn_broadcast_start(lg_cf *cf, lg_scn scn)
{
    if (scn > cf->scn_wanted)
        cf->scn_wanted = scn;
    cf->counts.scn_covered++;
    lg_waitq_wake_all(&cf->scn_sendq);
}

static bool
heard_by_all(const lg_cf *cf, lg_scn scn)
{
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (others(cf, n) && cf->scn_heard[n] < scn)
            return false;
    return true;
}

/* A connection that broke took the message or its answer along, and no new view says so: it is sent
 * again, which does no harm. */
static void
repeat(lg_cf *cf)
{
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (others(cf, n) && cf->scn_heard[n] < cf->scn_wanted) {
            cf->scn_flying[n] = false;
            send_next(cf, n);
        }
}

lg_status
lg_cf_scn_broadcast(lg_cf *cf, lg_scn scn)
{
    if (cf->scn_wanted < scn)
        lg_cf_scn_broadcast_start(cf, scn);
    while (!heard_by_all(cf, scn)) {
        if (cf->stopping)
            return LG_SHUTDOWN;
        lg_time again = lg_run_now_ns(cf->run) + REPEAT_AFTER;
        lg_status st = lg_waitq_wait(&cf->scnq, LG_WAIT_SCN_BROADCAST, again, false);
        if (st == LG_TIMEOUT)
            repeat(cf);
        else
            LG_TRY(st);
    }
    return LG_OK;
}
