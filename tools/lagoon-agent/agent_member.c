/* What the membership tells, and what that means for the own instance. */
#include "agent.h"
#include "assert.h"
#include "fence.h"
#include <stdio.h>
#include <string.h>

static void
tell_view(agent *a, const lg_member_view *v)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    lg_agent_view av;
    lg_member_agent_view(v, &av);
    lg_agent_begin(&w, buf, "VIEW");
    lg_agent_add_view(&w, &av);
    agent_say(a, &w);
    a->view_told = v->epoch;
}

void
agent_on_view(void *arg, const lg_member_view *v)
{
    agent *a = arg;
    char members[200] = "", victims[200] = "", condemned[96];
    for (uint32_t n = 1, at = 0, bt = 0; n < LG_MEMBER_NODES; n++) {
        if (v->members >> n & 1)
            at += (uint32_t)snprintf(members + at, sizeof members - at, " %u/%llu", n,
                                     (unsigned long long)v->incarnation[n]);
        else if (v->victims >> n & 1)
            bt += (uint32_t)snprintf(victims + bt, sizeof victims - bt, " %u/%llu", n,
                                     (unsigned long long)v->incarnation[n]);
    }
    if (v->condemned)
        lg_log_warn(a->log, "member", "nodes %s have to go: members cannot reach each other",
                    agent_nodes_text(v->condemned, condemned, sizeof condemned));
    lg_log_info(a->log, "member", "view %llu: members%s; victims%s%s; cold starter %u",
                (unsigned long long)v->epoch, members, victims,
                v->victims ? (v->by_lease ? " (lease)"
                              : v->by_key ? " (reservation)"
                                          : " (exit)")
                           : "",
                v->cold_node);
}

void
agent_on_lease(void *arg, lg_time until)
{
    agent *a = arg;
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    a->lease_until = until;
    if (!a->conn)
        return;
    lg_agent_begin(&w, buf, "LEASE");
    lg_agent_add_u64(&w, "until_ns", until);
    agent_say(a, &w);
}

static void
welcome(agent *a, const lg_member *m, bool cold)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    a->welcomed = true;
    a->welcomed_cold = cold;
    if (a->lease_until)
        agent_on_lease(a, a->lease_until);
    lg_agent_begin(&w, buf, "WELCOME");
    lg_agent_add_u64(&w, "incarnation", m->mine.incarnation);
    lg_agent_add_u64(&w, "cold", cold);
    agent_say(a, &w);
    lg_log_info(a->log, "agent", "instance welcomed, incarnation %llu%s",
                (unsigned long long)m->mine.incarnation, cold ? ", cold start" : "");
}

static void
carry_out_commands(agent *a, lg_member *m)
{
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        const lg_vote_slot *s = &m->seen.slot[n];
        if (n == a->cfg.node || s->command_seq[a->cfg.node] <= m->mine.command_done)
            continue;
        m->mine.command_done = s->command_seq[a->cfg.node];
        agent_command(a, s->command[a->cfg.node]);
    }
}

/* Must the instance end? NULL: no. */
static const char *
reason_to_end(agent *a, lg_member *m)
{
    bool in_view = lg_member_in_view(m), cold = lg_member_cold_starter(m);
    if (lg_member_condemned(m)) {
        a->condemned = true;
        return "it has no connection to other members";
    }
    if (a->began && !in_view)
        return "it is out of the view";
    if (a->welcomed && !a->began && !in_view && !cold) {
        if (a->welcomed_cold)
            return "another recovers the cluster";
        if (m->view.members == 0)
            return "all members it was to join are gone";
    }
    if (a->lease_until && (in_view || cold) && lg_run_now_exact_ns(a->run) >= a->lease_until)
        return "its lease has ended";
    return NULL;
}

/* Throws the keys of condemned members out, where our own instance's key lets us. The first who has
 * done it says so; a device without reservations leaves it to the lease. */
static void
throw_out(agent *a, lg_member *m)
{
    uint32_t due = m->view.condemned & ~(1u << a->cfg.node);
    if (m->mine.fence_epoch != m->view.epoch)
        m->mine.fenced = 0;
    m->mine.fence_epoch = m->view.epoch;
    due &= ~m->mine.fenced;
    if (!due || a->fencing || !m->mine.reservations || !lg_member_in_view(m) ||
        lg_member_condemned(m))
        return;
    uint64_t own = lg_fence_key(a->cfg.node, m->mine.incarnation), epoch = m->view.epoch;
    a->fencing = true; /* the ioctl blocks this fiber; rounds do not come here twice */
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        if (!(due >> n & 1))
            continue;
        uint64_t victim = lg_fence_key(n, m->view.incarnation[n]);
        lg_status st = lg_fence_preempt(a->disks, a->disk_count, own, victim);
        lg_log_warn(a->log, "fence", "key of node %u thrown out: %s", n, lg_status_text(st));
        if (st == LG_OK && a->disk_count == a->cfg.disk_count && m->view.epoch == epoch) {
            m->mine.fenced |= 1u << n;
            lg_membership_changed(a->ms);
        }
    }
    a->fencing = false;
}

/* Why does our instance wait at the door? */
static void
tell_unheard(agent *a, const lg_member *m)
{
    char nodes[96];
    uint32_t mask =
        m->mine.instance == LG_MEMBER_READY && !lg_member_in_view(m) ? lg_member_unheard(m) : 0;
    if (mask && mask != a->unheard)
        lg_log_warn(a->log, "agent", "not let in: no network to or from the agents of nodes %s",
                    agent_nodes_text(mask, nodes, sizeof nodes));
    a->unheard = mask;
}

void
agent_on_round(void *arg)
{
    agent *a = arg;
    lg_member *m = lg_membership_member(a->ms);
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    bool cold;
    agent_heard(a);
    throw_out(a, m);
    carry_out_commands(a, m);
    if (lg_member_merge_services(m))
        lg_membership_changed(a->ms);
    agent_status_file(a);
    agent_watch_votes(a);
    agent_tell_views(a, false);
    if (!a->child || !a->conn)
        return;
    const char *why = reason_to_end(a, m);
    if (why) {
        lg_agent_begin(&w, buf, "FENCED");
        agent_say(a, &w);
        agent_child_kill(a, why);
        return;
    }
    if (!a->welcomed && lg_membership_quorate(a->ms) &&
        lg_member_may_welcome(m, lg_run_now_exact_ns(a->run), &cold))
        welcome(a, m, cold);
    tell_unheard(a, m);
    if (!lg_member_in_view(m))
        return;
    a->began = true;
    if (a->view_told < m->view.epoch && !m->view.condemned) /* else the next one is near */
        tell_view(a, &m->view);
}

void
agent_on_news(void *arg)
{
    agent *a = arg;
    a->news++;
    lg_waitq_wake_all(&a->peers);
}
