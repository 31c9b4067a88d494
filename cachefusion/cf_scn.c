/* SCNs across instances: what was acknowledged anywhere is in every snapshot taken later, anywhere.
 *
 * Two ways lead there, chosen for each pair of instances by the one that reads:
 *   listening      the committer tells it each SCN before the commit is acknowledged; its
 *                  snapshots are then free
 *   not listening  the committer tells it nothing; before it takes a snapshot that must be fresh
 *                  it asks, and the answer makes it listening
 * A listener that has heard LEAVE_AFTER SCNs in a row without taking a fresh snapshot leaves with its
 * next reply. So whoever only changes rows that it finds by key (it reads their newest version,
 * which coherence brings: lg_cf_scn_fresh is not called) costs the others' commits nothing.
 *
 *   reader n: hears[m]                          committer m: listens[n] (not deaf)
 *     not hearing --SCN_ASK(gen)------------->    listens; a new gen: heard[n] = now
 *     hearing     <-SCN_ANSWER(gen, scn)------
 *     hearing     <-SCN_BROADCAST(scn)--------    one at a time, the newest wanted
 *     hearing     --SCN_REPLY(scn)----------->    heard[n] = scn: commits up to it are done
 *     not hearing --SCN_REPLY(scn, leave, gen)>   listens no more, unless asked again since
 *
 * One message at a time is on its way to each listener; its answer sends the next if commits have
 * come meanwhile. A fiber sends the first, so that everybody who is ready to commit in this round
 * gets into it: a burst of commits costs one message per listener and round trip.
 *
 * INVARIANTS
 *  1. hears at the reader implies listens at the committer: the reader takes it up only with the
 *     answer, and lets go of it before it says so; the committer the other way round. Whoever is
 *     not known (a start, a joiner) listens as far as the committer is concerned.
 *  2. While n hears m, n's clock is at least heard[n] at m. A reply is sent after the clock has taken
 *     the SCN in. An answer is taken up with its SCN, which is at least that of the gen's first
 *     answer; a question repeated raises heard no more, since its first answer may have arrived.
 *  3. A leave of an older question (gen) ends nothing, and none is said while a question is under
 *     way. Lost messages are repeated; repeating is harmless.
 *  4. A commit is acknowledged when every member that listens has heard its SCN.
 *  5. A fresh snapshot needs hears from every member of the view opened last. Of one that died or
 *     left nobody hears any more: whoever had not heard it waits for the next view to open, and
 *     by then has heard the SCN of its redo thread, which the recoverer read before (participant.h:
 *     analyse; of a thread closed in good order the header says it) and which came with the
 *     recoverer's message that it had.
 *
 * WHY IT HOLDS. A commit c of m is acknowledged; then a statement on n takes a fresh snapshot.
 *   n hears m at that moment, since the answer of gen g. m took g in before it acknowledged c: then n
 *     listened when c was (1), so c <= heard[n] (4), and c <= n's clock (2). Or after: then c was in
 *     m's clock when it answered, and n took that in.
 *   n does not hear m: it asks and has the case above, or m is gone and a view without it opens (5).
 *   m or n is another incarnation than the one that asked: both begin anew when the view that has it
 *     opens (thaw), n listening and not hearing. Until then n's old hears is of one that tells it: a
 *     new committer tells all who are members, and it is opened only after all of them are frozen.
 *   n is no member of m's view any more: it was fenced before that view was published, and m does
 *     not answer it.
 * Epochs: ASK and ANSWER cross them, they say nothing of blocks. BROADCAST and REPLY do not: what is
 * lost with an epoch is sent again at thaw.
 * Without a fresh snapshot n still sees c in what c has changed: a clock is in each message, and a
 * block's version, which is not below the SCN of what was marked in it, goes into the clock of who
 * reads it from a disk.
 */
#include "cachefusion_internal.h"

#define REPEAT_AFTER (100 * LG_MS)
#define LEAVE_AFTER  3u

static bool
others(const lg_cf *cf, uint32_t node)
{
    return node != cf->node && (cf->members >> node & 1) != 0;
}

/* ---- the committer ---- */

static bool
to_be_told(const lg_cf *cf, uint32_t node, lg_scn scn)
{
    const cf_scn_peer *p = &cf->scn_peer[node];
    return others(cf, node) && !p->deaf && p->heard < scn;
}

static void
send_next(lg_cf *cf, uint32_t node)
{
    cf_scn_peer *p = &cf->scn_peer[node];
    if (cf->frozen || p->flying || !to_be_told(cf, node, cf->scn_wanted))
        return;
    lg_msg_scn m = {.scn = cf->scn_wanted};
    p->flying = true;
    cf->counts.scn_broadcasts++;
    /* to a peer that is down: the next view says what becomes of it */
    (void)!lg_rpc_send(cf->rpc, node, LG_MSG_SCN_BROADCAST, &m, sizeof m, NULL, 0);
}

static void
on_reply(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    if (lg_msg_check(m) != LG_OK || m->node >= LG_NODES_MAX)
        return;
    const lg_msg_scn *r = m->payload;
    cf_scn_peer *p = &cf->scn_peer[m->node];
    p->flying = false;
    if (r->scn > p->heard)
        p->heard = r->scn;
    if (r->leave && r->gen >= p->asked)
        p->deaf = true;
    lg_waitq_wake_all(&cf->scnq);
    send_next(cf, m->node);
}

static void
on_ask(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    if (lg_msg_check(m) != LG_OK || m->node >= LG_NODES_MAX)
        return;
    cf_scn_peer *p = &cf->scn_peer[m->node];
    if (!others(cf, m->node))
        return; /* put out, or not let in yet: it asks again */
    lg_msg_scn a = *(const lg_msg_scn *)m->payload;
    a.scn = cf->cfg.clock ? lg_scn_current(cf->cfg.clock) : 0;
    p->deaf = false;
    if (a.gen > p->asked) {
        p->asked = a.gen;
        if (a.scn > p->heard)
            p->heard = a.scn; /* it does not take up hearing before it has this */
    }
    (void)!lg_rpc_send(cf->rpc, m->node, LG_MSG_SCN_ANSWER, &a, sizeof a, NULL, 0);
}

static void
send_all(lg_cf *cf)
{
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
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

static bool
heard_by_all(const lg_cf *cf, lg_scn scn)
{
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (to_be_told(cf, n, scn))
            return false;
    return true;
}

/* A connection that broke took the message or its answer along, and no new view says so: it is sent
 * again, which does no harm. */
static void
repeat(lg_cf *cf)
{
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (to_be_told(cf, n, cf->scn_wanted)) {
            cf->scn_peer[n].flying = false;
            send_next(cf, n);
        }
}

void
lg_cf_scn_broadcast_start(lg_cf *cf, lg_scn scn)
{
    if (scn > cf->scn_wanted)
        cf->scn_wanted = scn;
    cf->counts.scn_covered++;
    if (!heard_by_all(cf, scn))
        lg_waitq_wake_all(&cf->scn_sendq);
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

/* ---- the reader ---- */

static bool
opened_with(const lg_cf *cf, uint32_t node)
{
    return node != cf->node && (cf->scn_members >> node & 1) != 0;
}

/* Has it heard enough for nothing? Not of one that is no member yet here: nobody would ask it. */
static bool
leaves(lg_cf *cf, uint32_t node)
{
    cf_scn_peer *p = &cf->scn_peer[node];
    if (p->uses_seen != cf->scn_uses) {
        p->uses_seen = cf->scn_uses;
        p->unused = 0;
    }
    return ++p->unused >= LEAVE_AFTER && !cf->frozen && opened_with(cf, node) && !p->asking;
}

static void
on_broadcast(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    if (lg_msg_check(m) != LG_OK || m->node >= LG_NODES_MAX)
        return;
    cf_scn_peer *p = &cf->scn_peer[m->node];
    lg_msg_scn r = {.scn = ((const lg_msg_scn *)m->payload)->scn, .gen = cf->scn_gen};
    if (cf->cfg.clock)
        lg_scn_observe(cf->cfg.clock, r.scn);
    if (leaves(cf, m->node)) {
        p->hears = false;
        r.leave = 1;
    }
    (void)!lg_rpc_send(cf->rpc, m->node, LG_MSG_SCN_REPLY, &r, sizeof r, NULL, 0);
}

static void
on_answer(void *arg, lg_rpc_msg *m)
{
    lg_cf *cf = arg;
    if (lg_msg_check(m) != LG_OK || m->node >= LG_NODES_MAX)
        return;
    const lg_msg_scn *a = m->payload;
    cf_scn_peer *p = &cf->scn_peer[m->node];
    if (!p->asking || a->gen != p->asking)
        return;
    if (cf->cfg.clock)
        lg_scn_observe(cf->cfg.clock, a->scn);
    p->asking = 0;
    p->hears = true;
    p->unused = 0;
    lg_waitq_wake_all(&cf->freshq);
}

static bool
hears_all(const lg_cf *cf)
{
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (opened_with(cf, n) && !cf->scn_peer[n].hears)
            return false;
    return true;
}

static void
ask(lg_cf *cf, bool again)
{
    for (uint32_t n = 1; n < LG_NODES_MAX; n++) {
        cf_scn_peer *p = &cf->scn_peer[n];
        if (!opened_with(cf, n) || p->hears || (p->asking && !again))
            continue;
        if (!p->asking)
            p->asking = ++cf->scn_gen;
        lg_msg_scn m = {.gen = p->asking};
        cf->counts.scn_asks++;
        (void)!lg_rpc_send(cf->rpc, n, LG_MSG_SCN_ASK, &m, sizeof m, NULL, 0);
    }
}

lg_status
lg_cf_scn_fresh(lg_cf *cf, bool cancelable)
{
    cf->scn_uses++;
    for (bool again = false; !hears_all(cf);) {
        if (cf->stopping)
            return LG_SHUTDOWN;
        ask(cf, again);
        lg_time until = lg_run_now_ns(cf->run) + REPEAT_AFTER;
        lg_status st = lg_waitq_wait(&cf->freshq, LG_WAIT_SCN_ASK, until, cancelable);
        again = st == LG_TIMEOUT;
        if (!again)
            LG_TRY(st);
    }
    return LG_OK;
}

/* ---- both ---- */

void
lg_cf__scn_register(lg_cf *cf)
{
    lg_rpc_handle(cf->rpc, LG_MSG_SCN_BROADCAST, on_broadcast, cf);
    lg_rpc_handle(cf->rpc, LG_MSG_SCN_REPLY, on_reply, cf);
    lg_rpc_handle(cf->rpc, LG_MSG_SCN_ASK, on_ask, cf);
    lg_rpc_handle(cf->rpc, LG_MSG_SCN_ANSWER, on_answer, cf);
}

/* A new epoch: what was on its way may be lost; who has left need not hear it. Who stays keeps what
 * it had in both roles; who is new begins anew. */
void
lg_cf__scn_thaw(lg_cf *cf, uint64_t joiners)
{
    cf->scn_members = cf->members;
    for (uint32_t n = 1; n < LG_NODES_MAX; n++) {
        cf_scn_peer *p = &cf->scn_peer[n];
        p->flying = false;
        if (!others(cf, n) || (joiners >> n & 1))
            *p = (cf_scn_peer){0};
    }
    send_all(cf);
    lg_waitq_wake_all(&cf->scnq);
    lg_waitq_wake_all(&cf->freshq);
}
