/* The instance's side of the agent's protocol (agent_proto.h): one connection, a reader fiber, the
 * lease.
 *
 * The reader takes WELCOME, VIEW, LEASE, STOP, FENCED as they come. When the connection breaks no
 * lease is renewed any more: the instance goes on until its lease ends, then the write gate closes
 * and it dies. */
#include "instance_internal.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_TIMEOUT (30 * LG_SEC)
#define WELCOME_TIMEOUT (600 * LG_SEC) /* another instance may be recovering everything */
#define STATE_EVERY     (2 * LG_SEC)
#define STATE_DRAINING  (100 * LG_MS)
#define LINKS_SETTLE    (100 * LG_MS) /* in a new view all have to be connected first */

static lg_status
send_line(lg_instance *in, lg_agent_writer *w)
{
    size_t len;
    LG_TRY(lg_agent_end(w, &len));
    if (!in->agent)
        return LG_OK;
    return lg_sock_write_all(in->agent, w->buf, len, lg_run_now_ns(in->env.run) + 5 * LG_SEC);
}

/* A state that does not arrive is told again soon; a dead agent shows at the reader. */
static void
send_or_leave(lg_instance *in, lg_agent_writer *w)
{
    lg_status st = send_line(in, w);
    if (st != LG_OK)
        lg_log_warn(in->env.log, "agent", "could not write to the agent: %s", lg_status_text(st));
}

lg_status
lg_instance__lease_gate(void *arg)
{
    lg_instance *in = arg;
    if (in->alone || lg_run_now_exact_ns(in->env.run) < in->lease_until)
        return LG_OK;
    return LG_FENCED;
}

/* ---- what the agent says ---- */

static void
on_view(lg_instance *in, const lg_agent_line *l)
{
    lg_agent_view v;
    lg_reconf_member members[LG_AGENT_MEMBERS_MAX];
    bool included = false;
    if (lg_agent_line_view(l, &v) != LG_OK || v.epoch <= in->view.epoch)
        return;
    in->view = v;
    for (uint32_t i = 0; i < v.member_count; i++) {
        const lg_agent_member *m = &in->view.members[i];
        members[i] = (lg_reconf_member){m->node, m->incarnation, m->address};
        included |= m->node == in->cfg.node && m->incarnation == in->incarnation;
    }
    if (included && in->reconf) {
        lg_status st = lg_reconf_view(in->reconf, v.epoch, members, v.member_count);
        lg_instance__agent_links(in);
        if (st != LG_OK)
            lg_instance__die(in, st, "the new view cannot be taken");
    } else if (!included && in->state >= LG_INSTANCE_RECOVERING) {
        lg_instance__die(in, LG_FENCED, "the cluster goes on without this instance");
    }
    lg_waitq_wake_all(&in->changed);
}

static void
copy_text(char *to, size_t size, const lg_agent_line *l, const char *key)
{
    const char *v = lg_agent_line_get(l, key);
    snprintf(to, size, "%.*s", (int)size - 1, v ? v : "");
}

static void
on_info(lg_instance *in, const lg_agent_line *l)
{
    const char *topic = lg_agent_line_get(l, "topic");
    uint64_t row = lg_agent_line_u64(l, "row", 0);
    if (topic && !strcmp(topic, "vote") && row >= 1 && row <= LG_VIEW_VOTES) {
        lg_view_vote *v = &in->cluster.votes[row - 1];
        copy_text(v->path, sizeof v->path, l, "path");
        copy_text(v->state, sizeof v->state, l, "state");
        v->rounds = lg_agent_line_u64(l, "rounds", 0);
        v->errors = lg_agent_line_u64(l, "errors", 0);
        v->last_ok_us = lg_agent_line_u64(l, "last_ok_us", 0);
        v->round_us = lg_agent_line_u64(l, "round_us", 0);
        v->set = true;
    } else if (topic && !strcmp(topic, "node") && row >= 1 && row < LG_VIEW_NODES) {
        lg_view_node *n = &in->cluster.nodes[row];
        copy_text(n->agent, sizeof n->agent, l, "agent");
        copy_text(n->instance, sizeof n->instance, l, "instance");
        copy_text(n->network, sizeof n->network, l, "network");
        n->incarnation = lg_agent_line_u64(l, "incarnation", 0);
        n->lost = lg_agent_line_u64(l, "lost", 0);
        n->condemned = lg_agent_line_u64(l, "condemned", 0) != 0;
        n->set = true;
    }
}

static void
on_drain(lg_instance *in, const char *mode)
{
    in->refusing = mode && strcmp(mode, "off");
    in->winding = mode && !strcmp(mode, "end");
    if (in->sessions && !in->stopping)
        lg_session_server_wind_down(in->sessions, in->winding);
    lg_instance__agent_links(in); /* the teller looks more often */
}

static void
on_line(lg_instance *in, char *text)
{
    lg_agent_line l;
    if (lg_agent_line_decode(text, &l) != LG_OK) {
        lg_log_warn(in->env.log, "agent", "the agent sent a malformed line");
        return;
    }
    if (!strcmp(l.type, "LIFE") && in->incarnation == 0) {
        in->incarnation = lg_agent_line_u64(&l, "incarnation", 0);
        lg_waitq_wake_all(&in->changed);
    } else if (!strcmp(l.type, "WELCOME")) {
        in->incarnation = lg_agent_line_u64(&l, "incarnation", 0);
        in->welcomed = true;
        in->cold = lg_agent_line_u64(&l, "cold", 0) != 0;
        lg_waitq_wake_all(&in->changed);
    } else if (!strcmp(l.type, "LEASE")) {
        lg_time until = lg_agent_line_u64(&l, "until_ns", 0);
        if (until > in->lease_until)
            in->lease_until = until;
        lg_waitq_wake_all(&in->changed);
    } else if (!strcmp(l.type, "VIEW")) {
        on_view(in, &l);
    } else if (!strcmp(l.type, "INFO")) {
        on_info(in, &l);
    } else if (!strcmp(l.type, "DRAIN")) {
        on_drain(in, lg_agent_line_get(&l, "mode"));
    } else if (!strcmp(l.type, "STOP")) {
        const char *mode = lg_agent_line_get(&l, "mode");
        lg_instance_stop(in, mode && !strcmp(mode, "immediate") ? 0 : 10000);
    } else if (!strcmp(l.type, "FENCED")) {
        lg_instance__die(in, LG_FENCED, "fenced by the cluster");
    }
}

static void
read_agent(lg_instance *in)
{
    for (;;) {
        size_t n;
        lg_status st = lg_sock_read(in->agent, in->agent_in + in->agent_in_len,
                                    sizeof in->agent_in - in->agent_in_len, LG_FOREVER, &n);
        if (st != LG_OK)
            break;
        in->agent_in_len += n;
        char *start = in->agent_in;
        for (char *nl;
             (nl = memchr(start, '\n', in->agent_in_len - (size_t)(start - in->agent_in)));) {
            *nl = 0;
            on_line(in, start);
            start = nl + 1;
        }
        in->agent_in_len -= (size_t)(start - in->agent_in);
        memmove(in->agent_in, start, in->agent_in_len);
        if (in->agent_in_len == sizeof in->agent_in)
            break;
    }
    in->agent_lost = true;
    lg_waitq_wake_all(&in->changed);
    if (in->stopping)
        return;
    lg_log_error(in->env.log, "agent", "the agent is gone; writing until the lease ends");
    lg_status slept = lg_fiber_sleep_until(in->lease_until, LG_WAIT_MEMBERSHIP);
    (void)slept;
    if (!in->stopping)
        lg_instance__die(in, LG_FENCED, "the lease has ended and no agent renews it");
}

static void
reader_main(void *arg)
{
    lg_instance *in = arg;
    read_agent(in);
    in->agent_fibers--;
}

/* How it stands with the members of the newest view: broken: messages of this epoch were lost;
 * lost: there is no connection. */
static struct lg_instance__links
links_now(const lg_instance *in)
{
    struct lg_instance__links k = {0};
    lg_rpc_peer_info info;
    if (!in->rpc)
        return k;
    k.epoch = lg_rpc_epoch(in->rpc);
    for (unsigned pos = 0; lg_rpc_peer_next(in->rpc, &pos, &info);) {
        k.broken |= info.broken ? 1ull << info.node : 0;
        k.lost |= info.connected ? 0 : 1ull << info.node;
    }
    return k;
}

static bool
links_news(const lg_instance *in)
{
    struct lg_instance__links k = links_now(in);
    return k.broken != in->links_told.broken || k.lost != in->links_told.lost ||
           (k.broken && k.epoch != in->links_told.epoch);
}

void
lg_instance__agent_links(lg_instance *in)
{
    in->links_changed = true;
    lg_waitq_wake_all(&in->links);
}

/* Repeats the state with the load, so that an agent's listener balances on fresh numbers, and tells
 * at once when it stands otherwise with the connections. */
static void
state_main(void *arg)
{
    lg_instance *in = arg;
    lg_time next = 0, links_at = LG_FOREVER;
    while (!in->agent_lost && !in->closing) {
        lg_time now = lg_run_now_ns(in->env.run);
        if (now >= next || (now >= links_at && links_news(in))) {
            lg_instance__agent_state(in, in->state);
            next = lg_run_now_ns(in->env.run) + (in->refusing ? STATE_DRAINING : STATE_EVERY);
        } else if (in->refusing && next > now + STATE_DRAINING) {
            next = now;
            continue;
        }
        if (now >= links_at)
            links_at = LG_FOREVER;
        lg_status st = LG_OK;
        if (!in->links_changed)
            st = lg_waitq_wait(&in->links, LG_WAIT_BACKGROUND_IDLE,
                               next < links_at ? next : links_at, true);
        if (st != LG_OK && st != LG_TIMEOUT)
            break;
        if (in->links_changed) {
            lg_time settle = links_now(in).broken ? LG_MS : LINKS_SETTLE;
            lg_time at = lg_run_now_ns(in->env.run) + settle;
            links_at = at < links_at ? at : links_at;
        }
        in->links_changed = false;
    }
    in->agent_teller = NULL;
    in->agent_fibers--;
}

void
lg_instance__agent_close(lg_instance *in)
{
    in->stopping = true;
    if (in->agent_teller)
        lg_fiber_cancel(in->agent_teller, LG_SHUTDOWN);
    if (in->agent)
        lg_sock_close(in->agent);
    while (in->agent_fibers > 0) {
        lg_status slept =
            lg_fiber_sleep_until(lg_run_now_ns(in->env.run) + LG_MS, LG_WAIT_MEMBERSHIP);
        (void)slept; /* looked at again */
    }
}

/* ---- what we say ---- */

lg_status
lg_instance__agent_welcome(lg_instance *in)
{
    lg_time deadline = lg_run_now_ns(in->env.run) + WELCOME_TIMEOUT;
    while (!in->welcomed) {
        if (in->agent_lost)
            return LG_CLOSED;
        LG_TRY(lg_waitq_wait(&in->changed, LG_WAIT_MEMBERSHIP, deadline, true));
    }
    return LG_OK;
}

lg_status
lg_instance__agent_connect(lg_instance *in)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    lg_time deadline = lg_run_now_ns(in->env.run) + CONNECT_TIMEOUT;
    LG_TRY(lg_sock_connect(in->env.run, in->cfg.agent, deadline, &in->agent));
    lg_agent_begin(&w, buf, "HELLO");
    lg_agent_add_u64(&w, "node", in->cfg.node);
    lg_agent_add_u64(&w, "pid", (uint64_t)getpid());
    LG_TRY(send_line(in, &w));
    LG_TRY(lg_run_spawn(in->env.run, "agent reader", 0, reader_main, in, NULL));
    in->agent_fibers++;
    while (in->incarnation == 0) {
        if (in->agent_lost)
            return LG_CLOSED;
        LG_TRY(lg_waitq_wait(&in->changed, LG_WAIT_MEMBERSHIP, deadline, true));
    }
    LG_TRY(lg_run_spawn(in->env.run, "agent state", 0, state_main, in, &in->agent_teller));
    in->agent_fibers++;
    return LG_OK;
}

lg_status
lg_instance__agent_ready(lg_instance *in)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    lg_agent_begin(&w, buf, "READY");
    lg_agent_add(&w, "address", lg_rpc_address(in->rpc));
    return send_line(in, &w);
}

void
lg_instance__agent_state(lg_instance *in, lg_instance_state state)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    in->state = state;
    if (in->alone)
        return;
    lg_agent_begin(&w, buf, "STATE");
    lg_agent_add(&w, "state", lg_instance_state_name(state));
    lg_agent_add_u64(&w, "sessions", in->sessions ? lg_session_count(in->sessions) : 0);
    lg_agent_add(&w, "listen", in->cfg.listen);
    lg_agent_add_u64(&w, "reservations", in->reservations);
    lg_agent_add_u64(&w, "drain", in->winding ? 2 : in->refusing);
    in->links_told = links_now(in);
    lg_agent_add_u64(&w, "epoch", in->links_told.epoch);
    lg_agent_add_u64(&w, "broken", in->links_told.broken);
    lg_agent_add_u64(&w, "lost", in->links_told.lost);
    send_or_leave(in, &w);
}

void
lg_instance__agent_done(lg_instance *in, uint64_t epoch)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    if (in->alone)
        return;
    lg_agent_begin(&w, buf, "DONE");
    lg_agent_add_u64(&w, "epoch", epoch);
    send_or_leave(in, &w);
}

void
lg_instance__agent_leave(lg_instance *in)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    if (in->alone)
        return;
    lg_agent_begin(&w, buf, "LEAVE");
    lg_agent_add_u64(&w, "epoch", in->view.epoch);
    send_or_leave(in, &w);
}
