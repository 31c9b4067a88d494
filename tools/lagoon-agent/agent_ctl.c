/* What lagoonctl asks. Rows show TARGET beside STATE; a command for another node goes into the own
 * slot, where the other agent finds it. Exit codes: OPERATORS. */
#include "agent.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct reply {
    agent *a;
    lg_sock *sock;
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
};

static void
flush(struct reply *r)
{
    agent_row(r->a, r->sock, &r->w);
}

void
agent_row(agent *a, lg_sock *s, lg_agent_writer *w)
{
    size_t len;
    if (lg_agent_end(w, &len) == LG_OK)
        (void)!lg_sock_write_all(s, w->buf, len, lg_run_now_ns(a->run) + 5 * LG_SEC);
}

void
agent_end(agent *a, lg_sock *s, int code, const char *message)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    lg_agent_begin(&w, buf, "END");
    lg_agent_add_u64(&w, "code", (uint64_t)code);
    lg_agent_add(&w, "message", message);
    agent_row(a, s, &w);
}

static void
end(struct reply *r, int code, const char *message)
{
    agent_end(r->a, r->sock, code, message);
}

static void
endf(struct reply *r, int code, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    end(r, code, text);
}

static const lg_vote_slot *
slot_of(agent *a, uint32_t node)
{
    lg_member *m = lg_membership_member(a->ms);
    return node == a->cfg.node ? &m->mine : &m->seen.slot[node];
}

/* Nodes that have ever run and were not removed. */
static uint32_t
known(agent *a)
{
    uint32_t mask = lg_member_known(lg_membership_member(a->ms));
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
        if (n != a->cfg.node && slot_of(a, n)->target == AGENT_REMOVED &&
            !lg_member_alive(lg_membership_member(a->ms), n, lg_run_now_exact_ns(a->run)))
            mask &= ~(1u << n);
    return mask;
}

/* "2", "lagoon2", "node2": the number at the end; 0: none. */
static uint32_t
node_named(agent *a, const char *name)
{
    const char *p = name + strlen(name);
    while (p > name && p[-1] >= '0' && p[-1] <= '9')
        p--;
    unsigned long n = *p ? strtoul(p, NULL, 10) : 0;
    return n < LG_MEMBER_NODES && (known(a) >> n & 1) ? (uint32_t)n : 0;
}

/* ---- rows ---- */

static void
add_since(struct reply *r, uint64_t seconds)
{
    char when[32] = "";
    time_t t = (time_t)seconds;
    struct tm tm;
    if (seconds && gmtime_r(&t, &tm))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    lg_agent_add(&r->w, "since", when);
}

static void
row_instance(struct reply *r, uint32_t node)
{
    agent *a = r->a;
    lg_member *m = lg_membership_member(a->ms);
    const lg_vote_slot *s = slot_of(a, node);
    bool alive = lg_member_alive(m, node, lg_run_now_exact_ns(a->run)) && s->seq;
    bool member = m->view.members >> node & 1 && m->view.incarnation[node] == s->incarnation;
    char name[32];
    snprintf(name, sizeof name, "lagoon%u", node);
    lg_agent_begin(&r->w, r->buf, "ROW");
    lg_agent_add_u64(&r->w, "node", node);
    lg_agent_add(&r->w, "name", name);
    lg_agent_add(&r->w, "target",
                 s->target == 1               ? "ONLINE"
                 : s->target == AGENT_REMOVED ? "REMOVED"
                                              : "OFFLINE");
    lg_agent_add(&r->w, "state", alive ? agent_state_name(s) : "UNKNOWN");
    lg_agent_add(&r->w, "member", member ? "yes" : "no");
    lg_agent_add_u64(&r->w, "incarnation", s->incarnation);
    lg_agent_add_u64(&r->w, "pid", s->pid);
    lg_agent_add_u64(&r->w, "sessions", s->sessions);
    lg_agent_add_u64(&r->w, "restarts", s->restarts);
    lg_agent_add(&r->w, "listen", s->listen);
    lg_agent_add(&r->w, "interconnect", s->address);
    add_since(r, s->since_s);
    lg_agent_add(&r->w, "reason", alive ? s->reason : "its agent does not run");
    flush(r);
}

static void
row_node(struct reply *r, uint32_t node)
{
    agent *a = r->a;
    lg_member *m = lg_membership_member(a->ms);
    const lg_vote_slot *s = slot_of(a, node);
    bool alive = lg_member_alive(m, node, lg_run_now_exact_ns(a->run)) && s->seq;
    char name[32];
    snprintf(name, sizeof name, "node%u", node);
    lg_agent_begin(&r->w, r->buf, "ROW");
    lg_agent_add_u64(&r->w, "node", node);
    lg_agent_add(&r->w, "name", name);
    lg_agent_add(&r->w, "state", alive ? "ONLINE" : "OFFLINE");
    lg_agent_add(&r->w, "instance",
                 alive ? lg_instance_state_name((lg_instance_state)s->shown_state) : "UNKNOWN");
    lg_agent_add(&r->w, "address", s->agent_address);
    lg_agent_add_u64(&r->w, "heartbeat", s->seq);
    flush(r);
}

static void
row_vote(struct reply *r, uint32_t i)
{
    lg_agent_begin(&r->w, r->buf, "ROW");
    agent_vote_add(r->a, &r->w, i);
    flush(r);
}

static void
row_cluster(struct reply *r)
{
    agent *a = r->a;
    lg_member *m = lg_membership_member(a->ms);
    lg_agent_begin(&r->w, r->buf, "ROW");
    lg_agent_add_u64(&r->w, "epoch", m->view.epoch);
    lg_agent_add_u64(&r->w, "members", (uint64_t)__builtin_popcount(m->view.members));
    lg_agent_add_u64(&r->w, "nodes", (uint64_t)__builtin_popcount(known(a)));
    lg_agent_add(&r->w, "quorum", lg_membership_quorate(a->ms) ? "yes" : "no");
    lg_agent_add_u64(&r->w, "victims", (uint64_t)__builtin_popcount(m->view.victims));
    lg_agent_add(&r->w, "fence", !m->view.victims ? "" : m->view.by_lease ? "lease" : "exit");
    lg_agent_add_u64(&r->w, "lease_ms", a->cfg.lease_ms);
    lg_agent_add_u64(&r->w, "dead_after_ms", a->cfg.dead_ms);
    flush(r);
}

static void
row_config(struct reply *r)
{
    agent *a = r->a;
    const char *const kv[][2] = {{"node", a->cfg.name},
                                 {"program", a->cfg.program},
                                 {"instance_config", a->cfg.instance_config},
                                 {"instance_log", a->cfg.instance_log},
                                 {"socket", a->cfg.socket},
                                 {"address", a->cfg.address}};
    for (size_t i = 0; i < sizeof kv / sizeof kv[0]; i++) {
        lg_agent_begin(&r->w, r->buf, "ROW");
        lg_agent_add(&r->w, "key", kv[i][0]);
        lg_agent_add(&r->w, "value", kv[i][1]);
        flush(r);
    }
}

/* The tree: one row for each resource, TARGET beside STATE, and what comes next. */
static void
row_tree(struct reply *r, const char *resource, uint32_t node, const char *target,
         const char *state, uint64_t since, const char *reason, const char *next)
{
    char name[48];
    snprintf(name, sizeof name, "%s%u", strcmp(resource, "instance") ? resource : "lagoon", node);
    lg_agent_begin(&r->w, r->buf, "ROW");
    lg_agent_add(&r->w, "resource", resource);
    lg_agent_add(&r->w, "name", name);
    lg_agent_add(&r->w, "target", target);
    lg_agent_add(&r->w, "state", state);
    add_since(r, since);
    lg_agent_add(&r->w, "reason", reason);
    lg_agent_add(&r->w, "next", next);
    flush(r);
}

static void
status_tree(struct reply *r)
{
    agent *a = r->a;
    lg_member *m = lg_membership_member(a->ms);
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        const lg_vote_slot *s = slot_of(a, n);
        if (!(known(a) >> n & 1))
            continue;
        bool alive = lg_member_alive(m, n, lg_run_now_exact_ns(a->run)) && s->seq;
        bool open = alive && s->shown_state == LG_INSTANCE_OPEN, on = s->target == 1;
        row_tree(r, "node", n, "ONLINE", alive ? "ONLINE" : "OFFLINE", 0,
                 alive ? "" : "no heartbeat on the voting files",
                 alive ? "" : "start its lagoon-agent");
        row_tree(r, "instance", n,
                 on                           ? "ONLINE"
                 : s->target == AGENT_REMOVED ? "REMOVED"
                                              : "OFFLINE",
                 alive ? agent_state_name(s) : "UNKNOWN", s->since_s,
                 alive ? s->reason : "its agent does not run",
                 !alive                                  ? "start lagoon-agent on its node"
                 : open == on                            ? ""
                 : !on                                   ? "ends"
                 : s->shown_state == LG_INSTANCE_OFFLINE ? "its agent starts it again"
                 : m->view.members >> n & 1              ? "opens after recovery"
                                                         : "comes in with the next view");
    }
    for (uint32_t i = 0; i < a->cfg.vote_count; i++) {
        bool ok = lg_membership_vote_ok(a->ms, i);
        row_tree(r, "vote", i + 1, "ONLINE", ok ? "ONLINE" : "OFFLINE", 0,
                 ok ? "" : "it does not answer", ok ? "" : "is tried again; look at its disk");
    }
}

static void
status(struct reply *r, const char *noun, uint32_t only)
{
    agent *a = r->a;
    bool nodes = !strcmp(noun, "node"), instances = !strcmp(noun, "instance");
    if (!strcmp(noun, "all")) {
        status_tree(r);
    } else if (!strcmp(noun, "cluster")) {
        row_cluster(r);
    } else if (!strcmp(noun, "vote")) {
        for (uint32_t i = 0; i < a->cfg.vote_count; i++)
            row_vote(r, i);
    } else if (nodes || instances) {
        for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
            if ((known(a) >> n & 1) && (!only || only == n))
                (nodes ? row_node : row_instance)(r, n);
    } else {
        end(r, CTL_USAGE, "status knows cluster, node, instance, vote and service");
        return;
    }
    if (lg_membership_quorate(a->ms))
        end(r, CTL_OK, "");
    else
        end(r, CTL_NO_QUORUM,
            "this node reaches no majority of the voting files: lagoonctl status "
            "vote names them; look at their disks");
}

/* ---- commands ---- */

void
agent_command(agent *a, uint32_t verb)
{
    lg_member *m = lg_membership_member(a->ms);
    if (verb == AGENT_DRAIN || verb == AGENT_DRAIN_END || verb == AGENT_DRAIN_OFF) {
        if (verb == AGENT_DRAIN_OFF || !m->mine.draining)
            m->mine.draining = verb == AGENT_DRAIN_OFF ? LG_DRAIN_OFF : LG_DRAIN_ORDERED;
        agent_drain(a, verb == AGENT_DRAIN ? "refuse" : verb == AGENT_DRAIN_END ? "end" : "off");
        lg_membership_changed(a->ms);
        return;
    }
    if (verb == AGENT_FENCE) { /* comes back, if it is to run */
        agent_child_kill(a, "fenced by an operator");
        return;
    }
    if (verb == AGENT_START && m->mine.draining) {
        m->mine.draining = LG_DRAIN_OFF;
        agent_drain(a, "off");
    }
    m->mine.target = verb == AGENT_START || verb == AGENT_RESTART ? 1
                     : verb == AGENT_REMOVE                       ? AGENT_REMOVED
                                                                  : 0;
    a->backoff = 0;
    if (verb != AGENT_START)
        agent_child_stop(a, verb == AGENT_STOP_NOW ? "immediate" : "normal");
    lg_membership_changed(a->ms);
    lg_waitq_wake_all(&a->child_changed);
}

static void
send_command(agent *a, uint32_t node, uint32_t verb)
{
    lg_member *m = lg_membership_member(a->ms);
    uint64_t newest = m->seen.slot[node].command_done;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
        if (slot_of(a, n)->command_seq[node] > newest)
            newest = slot_of(a, n)->command_seq[node];
    m->mine.command[node] = verb;
    m->mine.command_seq[node] = newest + 1;
    lg_membership_changed(a->ms);
}

/* Until the instance is where it was sent; a start is done when it is open. */
static bool
arrived(agent *a, uint32_t node, uint32_t verb, uint64_t incarnation)
{
    const lg_vote_slot *s = slot_of(a, node);
    bool open = s->shown_state == LG_INSTANCE_OPEN && s->instance == LG_MEMBER_READY;
    if (verb == AGENT_DRAIN || verb == AGENT_DRAIN_END) {
        uint32_t enough = verb == AGENT_DRAIN ? LG_DRAIN_REFUSES : LG_DRAIN_ENDS;
        return s->pid == 0 || (s->draining >= enough && s->sessions == 0);
    }
    if (verb == AGENT_DRAIN_OFF)
        return !s->draining;
    if (verb == AGENT_FENCE)
        return s->pid == 0 || s->incarnation > incarnation;
    if (verb == AGENT_START)
        return open && !s->draining;
    if (verb == AGENT_RESTART)
        return open && s->incarnation > incarnation;
    return s->pid == 0;
}

static void
order(agent *a, uint32_t node, uint32_t verb)
{
    if (node == a->cfg.node)
        agent_command(a, verb);
    else
        send_command(a, node, verb);
}

static bool
runs(agent *a, uint32_t node)
{
    return lg_member_alive(lg_membership_member(a->ms), node, lg_run_now_exact_ns(a->run));
}

/* False: not there in time, or its agent has died. */
static bool
wait_arrived(agent *a, uint32_t node, uint32_t verb, uint64_t incarnation, uint64_t timeout_s)
{
    lg_time limit = lg_run_now_ns(a->run) + timeout_s * LG_SEC;
    while (!arrived(a, node, verb, incarnation)) {
        if (lg_run_now_ns(a->run) >= limit || a->stopping || !runs(a, node))
            return false;
        (void)!lg_fiber_sleep_until(lg_run_now_ns(a->run) + 20 * LG_MS, LG_WAIT_BACKGROUND_IDLE);
    }
    return true;
}

/* No new sessions; those that are there may end by themselves for `timeout_s`, then idle ones are
 * ended, and the others with their transaction. */
static void
drain(struct reply *r, uint32_t node, uint64_t timeout_s)
{
    agent *a = r->a;
    const lg_vote_slot *s = slot_of(a, node);
    if (s->shown_state != LG_INSTANCE_OPEN) {
        endf(r, CTL_NOT_FOUND, "lagoon%u is %s, not open: there is nothing to drain", node,
             agent_state_name(s));
        return;
    }
    order(a, node, AGENT_DRAIN);
    if (!wait_arrived(a, node, AGENT_DRAIN, 0, timeout_s)) {
        order(a, node, AGENT_DRAIN_END);
        if (!wait_arrived(a, node, AGENT_DRAIN_END, 0, 10)) {
            endf(
                r, CTL_PARTIAL,
                "%u sessions are left, still in their transactions (gv$transaction); they end with "
                "them, or by lagoonctl stop instance lagoon%u --force",
                s->sessions, node);
            return;
        }
    }
    end(r, CTL_OK, "");
}

/* NULL: there is something to do. */
static const char *
already(agent *a, uint32_t node, uint32_t verb)
{
    const lg_vote_slot *s = slot_of(a, node);
    switch (verb) {
    case AGENT_START:
        return s->target == 1 && arrived(a, node, verb, 0) ? "is open" : NULL;
    case AGENT_STOP:
    case AGENT_STOP_NOW:
        return s->target != 1 && !s->pid ? "is stopped" : NULL;
    case AGENT_REMOVE:
        return s->target == AGENT_REMOVED && !s->pid ? "is removed" : NULL;
    case AGENT_DRAIN:
        return s->pid && arrived(a, node, verb, 0) ? "is drained" : NULL;
    case AGENT_DRAIN_OFF:
        return !s->draining ? "takes sessions" : NULL;
    default:
        return NULL;
    }
}

/* --dry-run: what would be done, and to how many sessions. */
static void
would(struct reply *r, uint32_t node, uint32_t verb)
{
    static const char *const what[] = {
        [AGENT_START] = "starts",
        [AGENT_STOP] = "sessions are drained, then it ends; it stays down",
        [AGENT_RESTART] = "sessions are drained, then it ends and starts again",
        [AGENT_STOP_NOW] = "sessions are ended, their transactions rolled back; it stays down",
        [AGENT_REMOVE] = "ends and is not shown once its agent is gone",
        [AGENT_DRAIN] = "takes no new sessions; idle ones are ended after the timeout, others with "
                        "their transaction",
        [AGENT_DRAIN_OFF] = "takes sessions again",
        [AGENT_FENCE] = "is killed at once, recovered by another one, and comes back"};
    const lg_vote_slot *s = slot_of(r->a, node);
    char name[32];
    snprintf(name, sizeof name, "lagoon%u", node);
    lg_agent_begin(&r->w, r->buf, "ROW");
    lg_agent_add(&r->w, "resource", "instance");
    lg_agent_add(&r->w, "name", name);
    lg_agent_add(&r->w, "state", agent_state_name(s));
    lg_agent_add_u64(&r->w, "sessions", s->sessions);
    lg_agent_add(&r->w, "action", what[verb]);
    flush(r);
}

static void
command(struct reply *r, uint32_t node, uint32_t verb, uint64_t timeout_s, bool dry)
{
    agent *a = r->a;
    const lg_vote_slot *s = slot_of(a, node);
    if (!runs(a, node)) {
        endf(r, CTL_NOT_FOUND,
             "the agent of node %u does not run, so its instance does not either: start "
             "lagoon-agent there",
             node);
        return;
    }
    const char *is = already(a, node, verb);
    if (is) {
        endf(r, CTL_OK, "lagoon%u %s already", node, is);
        return;
    }
    if (dry) {
        would(r, node, verb);
        end(r, CTL_OK, "");
        return;
    }
    uint64_t incarnation = s->incarnation;
    if (verb == AGENT_DRAIN) {
        drain(r, node, timeout_s);
        return;
    }
    order(a, node, verb);
    if (wait_arrived(a, node, verb, incarnation, timeout_s))
        end(r, CTL_OK, "");
    else if (!runs(a, node))
        endf(r, CTL_NOT_FOUND, "the agent of node %u has died meanwhile", node);
    else
        endf(r, CTL_TIMED_OUT,
             "asked for, but lagoon%u is %s after %llu s%s%s; it goes on: lagoonctl status, then "
             "the "
             "log of the instance",
             node, agent_state_name(s), (unsigned long long)timeout_s, *s->reason ? ": " : "",
             s->reason);
}

/* 0: no such verb. */
static uint32_t
verb_code(const char *verb, const char *mode)
{
    static const struct {
        const char *verb;
        uint32_t code;
    } verbs[] = {{"start", AGENT_START},      {"stop", AGENT_STOP},   {"restart", AGENT_RESTART},
                 {"remove", AGENT_REMOVE},    {"drain", AGENT_DRAIN}, {"fence", AGENT_FENCE},
                 {"undrain", AGENT_DRAIN_OFF}};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (!strcmp(verb, verbs[i].verb))
            return verbs[i].code == AGENT_STOP && mode && !strcmp(mode, "immediate")
                       ? AGENT_STOP_NOW
                       : verbs[i].code;
    return 0;
}

void
agent_ctl(agent *a, lg_sock *s, const lg_agent_line *l)
{
    struct reply *r = lg_zalloc(sizeof *r);
    r->a = a;
    r->sock = s;
    const char *verb = lg_agent_line_get(l, "verb"), *noun = lg_agent_line_get(l, "noun");
    const char *name = lg_agent_line_get(l, "name"), *timeout = lg_agent_line_get(l, "timeout");
    const char *mode = lg_agent_line_get(l, "mode");
    uint64_t limit = timeout ? strtoull(timeout, NULL, 10) : 90;
    uint32_t node = name ? node_named(a, name) : 0, code = 0;
    bool instance = noun && (!strcmp(noun, "instance") || !strcmp(noun, "node"));
    if (!verb || !noun)
        end(r, CTL_USAGE, "a verb and a noun are needed");
    else if (!strcmp(noun, "service"))
        agent_service_ctl(a, s, l, verb, name);
    else if (name && !node)
        endf(r, CTL_NOT_FOUND,
             "there is no node or instance \"%s\": lagoonctl status node lists them", name);
    else if (!strcmp(verb, "status"))
        status(r, noun, node);
    else if (!strcmp(verb, "config")) {
        row_config(r);
        end(r, CTL_OK, "");
    } else if (instance && !node)
        endf(r, CTL_USAGE, "which one? lagoonctl %s %s NAME", verb, noun);
    else if (instance && (code = verb_code(verb, mode)))
        command(r, node, code, limit, lg_agent_line_get(l, "dry-run") != NULL);
    else
        endf(r, CTL_USAGE, "there is no %s %s: lagoonctl help lists the commands", verb, noun);
    lg_free(r);
}
