/* Who connects: the instance and lagoonctl on the unix socket; other agents, and lagoonctl from
 * elsewhere, over TCP, where the cluster key is proved first (agent_auth.h). */
#include "agent.h"
#include "assert.h"
#include <stdio.h>
#include <string.h>

#define OUT_MAX      (64 * 1024)
#define LISTEN_LIMIT (10 * LG_SEC)

struct visitor {
    agent *a;
    lg_sock *sock;
    bool local;                  /* came over the unix socket */
    bool trusted;                /* local, or has proved the cluster key */
    char nonce[2][LG_AGENT_HEX]; /* the client's, ours */
    agent_conn *conn;            /* after HELLO */
    char in[LG_AGENT_LINE_MAX];
    size_t in_len;
};

/* ---- to the instance ---- */

void
agent_say(agent *a, lg_agent_writer *w)
{
    size_t len;
    lg_status st = lg_agent_end(w, &len);
    LG_ASSERT(st == LG_OK);
    if (!a->conn)
        return;
    lg_strbuf_append(&a->conn->out, w->buf, len);
    if (lg_strbuf_status(&a->conn->out) != LG_OK)
        agent_child_kill(a, "it does not read what its agent says");
    lg_waitq_wake_all(&a->conn->wake);
}

/* Owns the connection: the reader hands it over and takes no part in its end. */
static void
writer_main(void *arg)
{
    agent_conn *c = arg;
    lg_strbuf now;
    lg_strbuf_init(&now, OUT_MAX);
    lg_status st = LG_OK;
    while (st == LG_OK && (!c->closing || c->out.len)) {
        if (c->out.len == 0) {
            (void)!lg_waitq_wait(&c->wake, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
            continue;
        }
        lg_strbuf taken = c->out;
        c->out = now;
        now = taken;
        st = lg_sock_write_all(c->sock, now.data, now.len, LG_FOREVER);
        lg_strbuf_reset(&now);
    }
    while (!c->closing)
        (void)!lg_waitq_wait(&c->wake, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
    lg_sock_close(c->sock);
    lg_strbuf_fini(&now);
    lg_strbuf_fini(&c->out);
    lg_free(c);
}

/* ---- from the instance ---- */

static bool
hello(struct visitor *v, const lg_agent_line *l)
{
    agent *a = v->a;
    lg_member *m = lg_membership_member(a->ms);
    pid_t pid = (pid_t)lg_agent_line_u64(l, "pid", 0);
    if (!v->local || !a->child || pid != a->child || a->conn) {
        lg_log_warn(a->log, "agent", "HELLO of a stranger, pid %d", (int)pid);
        return false;
    }
    agent_conn *c = lg_zalloc(sizeof *c);
    c->sock = v->sock;
    lg_strbuf_init(&c->out, OUT_MAX);
    lg_waitq_init(&c->wake);
    if (lg_run_spawn(a->run, "instance writer", 0, writer_main, c, NULL) != LG_OK) {
        lg_free(c);
        return false;
    }
    a->conn = v->conn = c;
    m->mine.incarnation++;
    m->mine.instance = LG_MEMBER_STARTING;
    m->mine.pid = (uint32_t)pid;
    m->mine.draining = LG_DRAIN_OFF;
    m->mine.reservations = 0;
    agent_show(a, LG_INSTANCE_STARTING, NULL);
    m->mine.done_epoch = 0;
    m->mine.link_epoch = m->mine.link_broken = m->mine.link_lost = 0;
    m->mine.address[0] = 0;
    lg_membership_changed(a->ms);
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    lg_agent_begin(&w, buf, "LIFE");
    lg_agent_add_u64(&w, "incarnation", m->mine.incarnation);
    agent_say(a, &w);
    return true;
}

static void
take_state(agent *a, lg_member *m, const lg_agent_line *l)
{
    const char *state = lg_agent_line_get(l, "state"), *listen = lg_agent_line_get(l, "listen");
    uint32_t shown = state ? (uint32_t)lg_instance_state_parse(state) : m->mine.shown_state;
    uint64_t epoch = lg_agent_line_u64(l, "epoch", m->mine.link_epoch);
    uint32_t broken = (uint32_t)lg_agent_line_u64(l, "broken", m->mine.link_broken);
    uint32_t lost = (uint32_t)lg_agent_line_u64(l, "lost", m->mine.link_lost);
    if (broken != m->mine.link_broken || lost != m->mine.link_lost ||
        (broken && epoch != m->mine.link_epoch)) {
        lg_log_info(a->log, "agent", "the instance says: in epoch %llu broken %x, lost %x",
                    (unsigned long long)epoch, broken, lost);
        lg_membership_changed(a->ms);
    }
    m->mine.link_epoch = epoch;
    m->mine.link_broken = broken;
    m->mine.link_lost = lost;
    uint32_t sessions = (uint32_t)lg_agent_line_u64(l, "sessions", 0);
    m->mine.reservations = (uint32_t)lg_agent_line_u64(l, "reservations", 0);
    uint32_t drain = LG_DRAIN_ORDERED + (uint32_t)lg_agent_line_u64(l, "drain", 0);
    if (m->mine.draining && (drain > m->mine.draining || sessions != m->mine.sessions)) {
        m->mine.draining = drain > m->mine.draining ? drain : m->mine.draining;
        lg_membership_changed(a->ms);
    }
    m->mine.sessions = sessions;
    if (listen)
        snprintf(m->mine.listen, sizeof m->mine.listen, "%.*s", LG_MEMBER_ADDRESS - 1, listen);
    agent_show(a, shown, NULL);
}

static void
from_instance(struct visitor *v, const lg_agent_line *l)
{
    agent *a = v->a;
    lg_member *m = lg_membership_member(a->ms);
    if (a->conn != v->conn)
        return; /* its process has ended; the rest of its words is void */
    if (!strcmp(l->type, "READY") && a->welcomed && m->mine.instance == LG_MEMBER_STARTING) {
        const char *address = lg_agent_line_get(l, "address");
        snprintf(m->mine.address, sizeof m->mine.address, "%.*s", LG_MEMBER_ADDRESS - 1,
                 address ? address : "");
        m->mine.instance = LG_MEMBER_READY;
        lg_membership_changed(a->ms);
    } else if (!strcmp(l->type, "DONE")) {
        uint64_t epoch = lg_agent_line_u64(l, "epoch", 0);
        if (epoch > m->mine.done_epoch)
            m->mine.done_epoch = epoch;
        lg_membership_changed(a->ms);
    } else if (!strcmp(l->type, "STATE")) {
        take_state(a, m, l);
    } else if (!strcmp(l->type, "LEAVE")) {
        a->leaving = true;
    }
}

/* ---- visitors ---- */

/* AUTH, then PROOF. */
static bool
prove(struct visitor *v, const lg_agent_line *l)
{
    agent *a = v->a;
    if (!strcmp(l->type, "AUTH") && !v->nonce[1][0]) {
        const char *nonce = lg_agent_line_get(l, "nonce");
        unsigned char random[LG_AGENT_NONCE_BYTES];
        char mac[LG_AGENT_HEX], buf[LG_AGENT_LINE_MAX];
        lg_agent_writer w;
        if (!nonce || strlen(nonce) != LG_AGENT_HEX - 1)
            return false;
        lg_run_random_bytes(a->run, random, sizeof random);
        lg_agent_hex(random, v->nonce[1]);
        snprintf(v->nonce[0], sizeof v->nonce[0], "%s", nonce);
        lg_agent_mac(a->key, a->key_len, "agent", v->nonce[0], v->nonce[1], mac);
        lg_agent_begin(&w, buf, "CHALLENGE");
        lg_agent_add(&w, "nonce", v->nonce[1]);
        lg_agent_add(&w, "mac", mac);
        agent_row(a, v->sock, &w);
        return true;
    }
    v->trusted = !strcmp(l->type, "PROOF") && v->nonce[1][0] &&
                 lg_agent_mac_good(a->key, a->key_len, "client", v->nonce[0], v->nonce[1],
                                   lg_agent_line_get(l, "mac"));
    if (!v->trusted)
        agent_end(a, v->sock, CTL_AUTH, "the cluster key is not proved");
    return v->trusted;
}

/* False: done with this visitor. */
static bool
on_line(struct visitor *v, char *text)
{
    lg_agent_line l;
    if (lg_agent_line_decode(text, &l) != LG_OK)
        return false;
    if (v->conn) {
        from_instance(v, &l);
        return true;
    }
    if (!v->trusted)
        return prove(v, &l);
    if (!strcmp(l.type, "BEAT")) {
        agent_beat(v->a, &l);
        return true;
    }
    if (!strcmp(l.type, "HELLO"))
        return hello(v, &l);
    if (!strcmp(l.type, "CTL"))
        agent_ctl(v->a, v->sock, &l);
    return false;
}

static void
visitor_main(void *arg)
{
    struct visitor *v = arg;
    bool go_on = true;
    while (go_on) {
        size_t n;
        if (v->in_len == sizeof v->in ||
            lg_sock_read(v->sock, v->in + v->in_len, sizeof v->in - v->in_len, LG_FOREVER, &n) !=
                LG_OK)
            break;
        v->in_len += n;
        char *start = v->in, *nl;
        while (go_on && (nl = memchr(start, '\n', v->in_len - (size_t)(start - v->in)))) {
            *nl = 0;
            go_on = on_line(v, start);
            start = nl + 1;
        }
        v->in_len -= (size_t)(start - v->in);
        memmove(v->in, start, v->in_len);
    }
    if (!v->conn) {
        lg_sock_close(v->sock);
    } else if (v->a->conn == v->conn) {
        v->conn->closing = true; /* the process is looked at by its own fiber */
        lg_waitq_wake_all(&v->conn->wake);
        v->a->conn = NULL;
        if (!v->a->leaving) /* its lease cannot be renewed any more */
            agent_child_kill(v->a, "it closed the connection to its agent");
    }
    lg_free(v);
}

struct door {
    agent *a;
    lg_sock *listener;
    bool local;
};

static void
door_main(void *arg)
{
    struct door *d = arg;
    for (;;) {
        lg_sock *s;
        lg_status st = lg_sock_accept(d->listener, LG_FOREVER, &s);
        if (st == LG_CLOSED)
            break;
        if (st != LG_OK) {
            (void)!lg_fiber_sleep_until(lg_run_now_ns(d->a->run) + 100 * LG_MS,
                                        LG_WAIT_BACKGROUND_IDLE);
            continue;
        }
        struct visitor *v = lg_zalloc(sizeof *v);
        v->a = d->a;
        v->sock = s;
        v->local = v->trusted = d->local;
        if (lg_run_spawn(d->a->run, "visitor", 0, visitor_main, v, NULL) != LG_OK) {
            lg_sock_close(s);
            lg_free(v);
        }
    }
    lg_free(d);
}

static lg_status
open_door(agent *a, const char *address, bool local)
{
    struct door *d = lg_zalloc(sizeof *d);
    d->a = a;
    d->local = local;
    lg_status st = lg_sock_listen_wait(a->run, address, 64, lg_run_now_ns(a->run) + LISTEN_LIMIT,
                                       &d->listener);
    if (st == LG_OK)
        st = lg_run_spawn(a->run, "door", 0, door_main, d, NULL);
    if (st != LG_OK) {
        lg_log_error(a->log, "agent", "cannot listen at %s: %s", address, lg_status_text(st));
        lg_free(d);
    }
    return st;
}

lg_status
agent_listen(agent *a)
{
    /* the port first: it is the proof that no other agent of this node runs, whose socket file
     * would be replaced */
    if (a->key_len)
        LG_TRY(open_door(a, a->cfg.address, false));
    return open_door(a, a->cfg.socket, true);
}
