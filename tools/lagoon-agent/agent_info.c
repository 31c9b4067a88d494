/* What lagoonctl and the instance's views (gv$vote, gv$member, gv$fence) show of voting files,
 * nodes and fencing; warnings about voting files. */
#include "agent.h"
#include <stdio.h>
#include <string.h>

#define TELL_EVERY (2 * LG_SEC)

void
agent_vote_add(agent *a, lg_agent_writer *w, uint32_t vote)
{
    lg_vote_info v;
    lg_membership_vote_info(a->ms, vote, &v);
    lg_agent_add_u64(w, "vote", vote + 1);
    lg_agent_add(w, "path", a->cfg.vote[vote]);
    lg_agent_add(w, "state", v.ok ? "ONLINE" : v.lost ? "FORGOTTEN" : "OFFLINE");
    lg_agent_add_u64(w, "rounds", v.rounds);
    lg_agent_add_u64(w, "errors", v.errors);
    lg_agent_add_u64(w, "last_ok_us", v.last_ok_us);
    lg_agent_add_u64(w, "round_us", v.round_ns / 1000);
}

void
agent_watch_votes(agent *a)
{
    uint32_t bad = 0;
    bool lost_quorum = !a->stopping && !lg_membership_quorate(a->ms);
    for (uint32_t i = 0; i < a->cfg.vote_count; i++) {
        lg_vote_info v;
        lg_membership_vote_info(a->ms, i, &v);
        bad |= v.ok ? 0 : 1u << i;
        if ((bad ^ a->votes_bad) >> i & 1) {
            if (v.ok)
                lg_log_info(a->log, "vote", "%s is counted again", a->cfg.vote[i]);
            else
                lg_log_warn(a->log, "vote", "%s %s; the cluster goes on while a majority is left",
                            a->cfg.vote[i],
                            v.lost ? "has forgotten what it held: it is not counted until every "
                                     "node has written it again"
                                   : "does not answer");
        }
    }
    if (lost_quorum && !a->quorum_lost)
        lg_log_error(a->log, "vote",
                     "no majority of the voting files: the instance ends with its lease");
    else if (!lost_quorum && a->quorum_lost)
        lg_log_info(a->log, "vote", "a majority of the voting files answers again");
    if (bad != a->votes_bad || lost_quorum != a->quorum_lost)
        a->info_at = 0;
    a->votes_bad = bad;
    a->quorum_lost = lost_quorum;
}

static void
tell_nodes(agent *a)
{
    lg_member *m = lg_membership_member(a->ms);
    lg_time now = lg_run_now_exact_ns(a->run);
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        const lg_vote_slot *s = n == a->cfg.node ? &m->mine : &m->seen.slot[n];
        char buf[LG_AGENT_LINE_MAX];
        lg_agent_writer w;
        if (!s->seq)
            continue;
        bool alive = lg_member_alive(m, n, now);
        lg_agent_begin(&w, buf, "INFO");
        lg_agent_add(&w, "topic", "node");
        lg_agent_add_u64(&w, "row", n);
        lg_agent_add_u64(&w, "incarnation", s->incarnation);
        lg_agent_add(&w, "agent", alive ? "ONLINE" : "OFFLINE");
        lg_agent_add(&w, "instance", alive ? agent_state_name(s) : "UNKNOWN");
        lg_agent_add(&w, "network",
                     n == a->cfg.node || (m->mine.heard >> n & 1) ? "HEARD" : "SILENT");
        lg_agent_add_u64(&w, "lost", s->link_lost);
        lg_agent_add_u64(&w, "condemned", m->view.condemned >> n & 1);
        agent_say(a, &w);
    }
}

void
agent_tell_views(agent *a, bool at_once)
{
    lg_time now = lg_run_now_exact_ns(a->run);
    if (!a->conn || (!at_once && a->info_at && now - a->info_at < TELL_EVERY))
        return;
    a->info_at = now;
    for (uint32_t i = 0; i < a->cfg.vote_count; i++) {
        char buf[LG_AGENT_LINE_MAX];
        lg_agent_writer w;
        lg_agent_begin(&w, buf, "INFO");
        lg_agent_add(&w, "topic", "vote");
        lg_agent_add_u64(&w, "row", i + 1);
        agent_vote_add(a, &w, i);
        agent_say(a, &w);
    }
    tell_nodes(a);
}
