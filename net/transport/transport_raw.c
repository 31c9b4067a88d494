/* Links over datagrams. See transport_raw.h. */
#include "transport_raw.h"

#include "assert.h"
#include "mem.h"
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CONNECT_REPEAT  (5 * LG_MS)
#define CONNECT_MAX     (2 * LG_SEC)
#define FAREWELL_ROUNDS 1000

static lg_raw *
raw_of(lg_raw_link *l)
{
    return (lg_raw *)l->base.t;
}

static lg_raw_link *
link_of(lg_list *n)
{
    return LG_CONTAINER_OF(n, lg_raw_link, base.node);
}

void
lg_raw__broken(lg_raw_link *l)
{
    lg_timer_stop(&l->timer);
    l->peer_gone = true;
    lg_transport__down(&l->base, LG_PEER_DOWN);
}

/* ---- out ---- */

static void
give(lg_raw_link *l, lg_netbuf *b)
{
    lg_raw *t = raw_of(l);
    lg_status st = LG_WOULD_WAIT;
    if (lg_list_empty(&l->waiting))
        st = t->fabric->send(l, b);
    if (st == LG_OK) {
        l->base.queued--;
    } else { /* a broken link is noticed by the poller: no callback from within a send */
        lg_list_push_back(&l->waiting, &b->link);
        t->waiting_links++;
    }
}

static void
control_send(lg_raw_link *l, uint16_t kind)
{
    lg_raw *t = raw_of(l);
    lg_netbuf *b = lg_netbuf_get(&t->base, sizeof(lg_raw_hello));
    if (!b)
        return; /* repeated by the dialler; a CLOSE is found out by the next message */
    lg_raw_hello h = {.number = l->number, .pid = (uint32_t)getpid()};
    snprintf(h.address, sizeof h.address, "%s", t->base.address);
    memcpy(b->data, &h, sizeof h);
    b->len = sizeof h;
    *lg_raw__head(b) = (lg_raw_head){LG_RAW_MAGIC, kind, l->peer_number, l->cookie, 0};
    l->base.queued++;
    give(l, b);
}

lg_status
lg_raw__send(lg_link *base, lg_netbuf *b, uint32_t body_len, const lg_frame_ref *frame)
{
    (void)body_len;
    (void)frame;
    lg_raw_link *l = (lg_raw_link *)base;
    *lg_raw__head(b) =
        (lg_raw_head){LG_RAW_MAGIC, LG_RAW_DATA, l->peer_number, l->cookie, l->tx_seq++};
    base->queued++;
    give(l, b);
    return LG_OK;
}

static bool
flush_link(lg_raw_link *l, unsigned *ret_n)
{
    lg_raw *t = raw_of(l);
    while (!lg_list_empty(&l->waiting)) {
        lg_netbuf *b = LG_CONTAINER_OF(lg_list_pop_front(&l->waiting), lg_netbuf, link);
        lg_status st = t->fabric->send(l, b);
        if (st == LG_WOULD_WAIT) {
            lg_list_push_front(&l->waiting, &b->link);
            return false;
        }
        l->base.queued--;
        (*ret_n)++;
        if (st != LG_OK) {
            lg_netbuf_put(b);
            lg_raw__broken(l);
            return true;
        }
    }
    return true;
}

unsigned
lg_raw__flush(lg_raw *t)
{
    unsigned n = 0;
    if (!t->waiting_links)
        return 0;
    t->waiting_links = 0;
    LG_LIST_FOREACH_SAFE (it, &t->base.links) {
        lg_raw_link *l = link_of(it);
        if (l->base.state == LG_LINK_OPENING || l->base.state == LG_LINK_OPEN)
            t->waiting_links += !flush_link(l, &n);
    }
    return n;
}

/* ---- connections ---- */

static void
peer_process_ended(void *arg)
{
    lg_raw_link *l = arg;
    lg_run_unwatch_fd(l->pid_watch);
    l->pid_watch = NULL;
    lg_raw__broken(l);
}

static void
watch_process(lg_raw_link *l, uint32_t pid)
{
    if (!raw_of(l)->fabric->local || pid == (uint32_t)getpid())
        return;
    l->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (l->pid_fd >= 0 &&
        lg_run_watch_fd(l->base.t->run, l->pid_fd, peer_process_ended, l, &l->pid_watch) != LG_OK)
        l->pid_watch = NULL;
}

static lg_raw_link *
link_new(lg_raw *t, const char *address, bool outgoing)
{
    lg_raw_link *l = lg_zalloc(sizeof *l);
    lg_transport__link_init(&t->base, &l->base, outgoing);
    l->number = ++t->next_number;
    l->pid_fd = -1;
    lg_list_init(&l->waiting);
    snprintf(l->peer_address, sizeof l->peer_address, "%s", address);
    lg_timer_init(&l->timer, t->base.run, NULL, l);
    return l;
}

static void
connect_again(void *arg)
{
    lg_raw_link *l = arg;
    lg_raw *t = raw_of(l);
    lg_time now = lg_run_now_ns(t->base.run);
    if (now > l->give_up) {
        lg_raw__broken(l);
        return;
    }
    if (!l->attached)
        l->attached = t->fabric->attach(l, NULL) == LG_OK;
    if (l->attached && lg_list_empty(&l->waiting))
        control_send(l, LG_RAW_CONNECT);
    lg_timer_start(&l->timer, now + CONNECT_REPEAT);
}

lg_status
lg_raw__connect(lg_transport *base, const char *address, lg_link **ret_link)
{
    lg_raw *t = (lg_raw *)base;
    if (strlen(address) >= sizeof(((lg_raw_link *)0)->peer_address))
        return LG_INVALID;
    lg_raw_link *l = link_new(t, address, true);
    l->cookie = (uint32_t)lg_run_random(base->run);
    l->give_up = lg_run_now_exact_ns(base->run) + CONNECT_MAX;
    l->timer.fn = connect_again;
    lg_timer_start(&l->timer, 0);
    *ret_link = &l->base;
    return LG_OK;
}

void
lg_raw__close(lg_link *base)
{
    lg_raw_link *l = (lg_raw_link *)base;
    lg_timer_stop(&l->timer);
    if (l->pid_watch)
        lg_run_unwatch_fd(l->pid_watch);
    l->pid_watch = NULL;
}

static void
mute_link(void *arg, lg_link *l, bool outgoing)
{
    (void)arg;
    (void)l;
    (void)outgoing;
}

static void
mute_message(void *arg, lg_link *l, lg_netbuf *b)
{
    (void)arg;
    (void)l;
    lg_netbuf_put(b);
}

static void
mute_down(void *arg, lg_link *l, lg_status why)
{
    (void)arg;
    (void)l;
    (void)why;
}

void
lg_raw__mute(lg_raw *t)
{
    t->base.cfg.events = (lg_transport_events){NULL, mute_link, mute_message, mute_down};
}

/* True when nothing is left to be said. */
static bool
farewell_done(lg_raw_link *l)
{
    unsigned sent;
    if (!l->attached || !l->peer_number || l->peer_gone)
        return true;
    if (l->farewell++ == 0)
        control_send(l, LG_RAW_CLOSE);
    else
        (void)flush_link(l, &sent);
    return lg_list_empty(&l->waiting) || l->farewell > FAREWELL_ROUNDS;
}

void
lg_raw__reap(lg_raw *t, bool at_once)
{
    LG_LIST_FOREACH_SAFE (it, &t->base.reap) {
        lg_raw_link *l = link_of(it);
        if (!farewell_done(l) && !at_once)
            continue;
        lg_list *n;
        while ((n = lg_list_pop_front(&l->waiting)))
            lg_netbuf_put(LG_CONTAINER_OF(n, lg_netbuf, link));
        if (l->attached)
            t->fabric->detach(l);
        if (l->pid_fd >= 0)
            close(l->pid_fd);
        lg_list_remove(&l->base.node);
        lg_free(l);
    }
}

/* ---- in ---- */

static lg_raw_link *
find_in(lg_list *list, const lg_raw_head *h)
{
    LG_LIST_FOREACH (it, list) {
        lg_raw_link *l = link_of(it);
        if (l->number == h->to && l->cookie == h->cookie)
            return l;
    }
    return NULL;
}

static lg_raw_link *
find(lg_raw *t, const lg_raw_head *h)
{
    return find_in(&t->base.links, h);
}

static void
connect_arrived(lg_raw *t, const lg_raw_head *h, const lg_raw_hello *hello, void *from)
{
    LG_LIST_FOREACH (it, &t->base.links) { /* a repetition: our answer was late */
        lg_raw_link *l = link_of(it);
        if (!l->base.outgoing && l->cookie == h->cookie && l->peer_number == hello->number)
            return;
    }
    lg_raw_link *l = link_new(t, hello->address, false);
    l->cookie = h->cookie;
    l->peer_number = hello->number;
    if (t->fabric->attach(l, from) != LG_OK) {
        lg_link_close(&l->base);
        return;
    }
    l->attached = true;
    watch_process(l, hello->pid);
    control_send(l, LG_RAW_ACCEPT);
    lg_transport__opened(&l->base);
}

static void
control_arrived(lg_raw *t, const lg_raw_head *h, const lg_netbuf *b, void *from)
{
    lg_raw_hello hello;
    if (b->len != sizeof hello)
        return;
    memcpy(&hello, b->data, sizeof hello);
    hello.address[sizeof hello.address - 1] = 0;
    if (h->kind == LG_RAW_CONNECT) {
        connect_arrived(t, h, &hello, from);
        return;
    }
    lg_raw_link *l = find(t, h);
    if (!l && h->kind == LG_RAW_CLOSE) /* closed on both sides at once */
        l = find_in(&t->base.reap, h);
    if (l && h->kind == LG_RAW_ACCEPT && l->base.state == LG_LINK_OPENING) {
        lg_timer_stop(&l->timer);
        l->peer_number = hello.number;
        watch_process(l, hello.pid);
        lg_transport__opened(&l->base);
    } else if (l && h->kind == LG_RAW_CLOSE) {
        lg_timer_stop(&l->timer);
        l->peer_gone = true;
        lg_transport__down(&l->base, LG_CLOSED);
    }
}

void
lg_raw__arrived(lg_raw *t, lg_netbuf *b, void *from)
{
    lg_raw_head h = *lg_raw__head(b);
    if (h.magic != LG_RAW_MAGIC || h.kind != LG_RAW_DATA) {
        if (h.magic == LG_RAW_MAGIC)
            control_arrived(t, &h, b, from);
        lg_netbuf_put(b);
        return;
    }
    lg_raw_link *l = find(t, &h);
    if (!l || l->base.state != LG_LINK_OPEN) {
        lg_netbuf_put(b);
        return;
    }
    if (h.seq != l->rx_seq++) {
        lg_netbuf_put(b);
        lg_raw__broken(l);
        return;
    }
    lg_transport__deliver(&l->base, b);
}
