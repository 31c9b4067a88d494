/* The network between agents: heartbeats, each with the word whether there is news on the voting
 * files.
 *
 * What is decided goes over the voting files alone. Heartbeats say who hears whom, which membership
 * needs to tell a node without a network from one with a quiet instance (member.h), and make the
 * others look at once. One connection each way; BEAT {node, boot, look} after the proof of the key.
 */
#include "agent.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_LIMIT LG_SEC

lg_status
agent_key_load(agent *a)
{
    if (!a->cfg.cluster_key[0])
        return LG_OK;
    int fd = open(a->cfg.cluster_key, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, a->key, sizeof a->key) : -1;
    if (fd >= 0)
        close(fd);
    if (n < 16)
        return LG_CONFIG;
    a->key_len = (size_t)n;
    return LG_OK;
}

/* ---- hearing ---- */

void
agent_beat(agent *a, const lg_agent_line *l)
{
    lg_member *m = lg_membership_member(a->ms);
    uint64_t node = lg_agent_line_u64(l, "node", 0);
    if (node < 1 || node >= LG_MEMBER_NODES || node == a->cfg.node)
        return;
    a->heard_at[node] = lg_run_now_exact_ns(a->run);
    uint64_t boot = lg_agent_line_u64(l, "boot", 0);
    if (boot != a->boot_of[node]) { /* what we have with it leads to an earlier life */
        a->boot_of[node] = boot;
        lg_waitq_wake_all(&a->peers);
    }
    if (!(m->mine.heard >> node & 1)) {
        m->mine.heard |= 1u << node;
        lg_membership_changed(a->ms);
    } else if (lg_agent_line_u64(l, "look", 0)) {
        lg_membership_look(a->ms);
    }
}

/* A time in which we ourselves did not run says nothing about the others. */
void
agent_heard(agent *a)
{
    lg_member *m = lg_membership_member(a->ms);
    lg_time now = lg_run_now_exact_ns(a->run), gap = a->round_at ? now - a->round_at : 0;
    uint32_t heard = m->mine.heard;
    a->round_at = now;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        lg_time *at = &a->heard_at[n];
        if (*at && gap > 4 * a->cfg.heartbeat_ms * LG_MS)
            *at = *at + gap < now ? *at + gap : now;
        if ((heard >> n & 1) && now - *at > a->cfg.link_ms * LG_MS)
            heard &= ~(1u << n);
    }
    if (heard == m->mine.heard)
        return;
    char lost[96];
    if (m->mine.heard & ~heard)
        lg_log_warn(a->log, "agent", "no heartbeat over the network from nodes %s",
                    agent_nodes_text(m->mine.heard & ~heard, lost, sizeof lost));
    m->mine.heard = heard;
    lg_membership_changed(a->ms);
}

/* ---- speaking ---- */

static lg_status
read_line(agent *a, lg_sock *s, lg_time limit, char *buf, size_t size, lg_agent_line *ret)
{
    size_t len = 0, n;
    (void)a;
    while (len < size) {
        LG_TRY(lg_sock_read(s, buf + len, size - len, limit, &n));
        len += n;
        char *nl = memchr(buf, '\n', len);
        if (nl) {
            *nl = 0;
            return lg_agent_line_decode(buf, ret);
        }
    }
    return LG_PROTOCOL;
}

static lg_status
say(lg_sock *s, lg_agent_writer *w, lg_time limit)
{
    size_t len;
    LG_TRY(lg_agent_end(w, &len));
    return lg_sock_write_all(s, w->buf, len, limit);
}

/* Both prove the key. */
static lg_status
shake_hands(agent *a, lg_sock *s, lg_time limit)
{
    unsigned char random[LG_AGENT_NONCE_BYTES];
    char nonce[LG_AGENT_HEX], mac[LG_AGENT_HEX], buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    lg_agent_line l;
    lg_run_random_bytes(a->run, random, sizeof random);
    lg_agent_hex(random, nonce);
    lg_agent_begin(&w, buf, "AUTH");
    lg_agent_add(&w, "nonce", nonce);
    LG_TRY(say(s, &w, limit));
    LG_TRY(read_line(a, s, limit, buf, sizeof buf, &l));
    const char *theirs = lg_agent_line_get(&l, "nonce");
    if (strcmp(l.type, "CHALLENGE") || !theirs || strlen(theirs) != LG_AGENT_HEX - 1 ||
        !lg_agent_mac_good(a->key, a->key_len, "agent", nonce, theirs,
                           lg_agent_line_get(&l, "mac")))
        return LG_AUTH;
    lg_agent_mac(a->key, a->key_len, "client", nonce, theirs, mac);
    lg_agent_begin(&w, buf, "PROOF");
    lg_agent_add(&w, "mac", mac);
    return say(s, &w, limit);
}

static lg_status
peer_connect(struct agent_peer *p)
{
    agent *a = p->a;
    const lg_vote_slot *slot = &lg_membership_member(a->ms)->seen.slot[p->node];
    char address[LG_MEMBER_ADDRESS];
    lg_time limit = lg_run_now_ns(a->run) + CONNECT_LIMIT;
    memcpy(address, slot->agent_address, sizeof address);
    p->boot = a->boot_of[p->node];
    LG_TRY(lg_sock_connect(a->run, address, limit, &p->sock));
    lg_status st = shake_hands(a, p->sock, limit);
    if (st != LG_OK) {
        lg_sock_close(p->sock);
        p->sock = NULL;
    }
    return st;
}

static lg_status
beat(struct agent_peer *p, bool look)
{
    agent *a = p->a;
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    if (p->sock && p->boot != a->boot_of[p->node]) {
        lg_sock_close(p->sock);
        p->sock = NULL;
    }
    if (!p->sock)
        LG_TRY(peer_connect(p));
    lg_agent_begin(&w, buf, "BEAT");
    lg_agent_add_u64(&w, "node", a->cfg.node);
    lg_agent_add_u64(&w, "boot", lg_membership_member(a->ms)->mine.boot);
    lg_agent_add_u64(&w, "look", look);
    lg_status st = say(p->sock, &w, lg_run_now_ns(a->run) + CONNECT_LIMIT);
    if (st != LG_OK) {
        lg_sock_close(p->sock);
        p->sock = NULL;
    }
    return st;
}

void
agent_peer_main(void *arg)
{
    struct agent_peer *p = arg;
    agent *a = p->a;
    uint64_t told = 0;
    while (!a->stopping) {
        lg_member *m = lg_membership_member(a->ms);
        lg_time wake = lg_run_now_ns(a->run) + a->cfg.heartbeat_ms * LG_MS;
        while (a->news == told && p->boot == a->boot_of[p->node] && !a->stopping)
            if (lg_waitq_wait(&a->peers, LG_WAIT_BACKGROUND_IDLE, wake, false) == LG_TIMEOUT)
                break;
        bool look = a->news != told;
        told = a->news;
        const lg_vote_slot *slot = &m->seen.slot[p->node];
        bool there = slot->seq && slot->agent_address[0] &&
                     lg_member_alive(m, p->node, lg_run_now_exact_ns(a->run));
        if (!there) {
            p->boot = a->boot_of[p->node];
        } else if (beat(p, look) != LG_OK) {
            /* an agent that was started again: once more at once; else with the next beat */
            if (beat(p, look) != LG_OK)
                p->boot = a->boot_of[p->node];
        }
    }
    lg_sock_close(p->sock);
    lg_free(p);
}
