/* libfabric, connected (message) endpoints: "tcp" by default, "verbs" and other providers by name.
 *
 * One passive endpoint listens, one endpoint per link; all share one event queue (connections) and
 * one completion queue. Messages are two-sided: on TCP emulated one-sided writes are far slower.
 * The kernel (or the adapter) keeps order and reports loss as a broken connection.
 *
 * Invariants
 * 1. Every posted operation's context is the private_words of its buffer; the buffer is on its
 *    link's `posted` list from posting to completion.
 * 2. Endpoints are closed only by reap(), never while completions are being walked; after fi_close
 *    the completion queue is drained, what is then still posted goes back to the pool.
 * 3. All completions are taken before events, so that what came before a shutdown is delivered.
 *
 * The event queue is looked at when a completion failed (a connection ended) and by a timer: its
 * own descriptor cannot be trusted (libfabric 1.17's tcp leaves its wake-up signal set after an
 * accept, and an idle worker would spin), and reading the queue costs a system call each time. */
#include "transport_internal.h"

#include "assert.h"
#include "mem.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <stdio.h>
#include <string.h>

#define OFI_VERSION    FI_VERSION(1, 17)
#define BATCH          32
#define EVENTS_OPENING (1 * LG_MS) /* looks at the event queue: while a link is opening, else */
#define EVENTS_IDLE    (10 * LG_MS)

typedef struct ofi_msg {
    lg_transport base;
    struct fi_info *info;
    struct fid_fabric *fabric;
    struct fid_domain *domain;
    struct fid_eq *eq;
    struct fid_cq *cq;
    struct fid_pep *pep;
    struct fid_mr *mr[LG_NETBUF_CLASSES]; /* NULL unless the provider wants local registration */
    lg_poller poller;
    lg_fd_watch *cq_watch;
    lg_timer eq_timer;
    bool events_due;
    bool cq_due; /* the completion queue may have something: looked at until it is armed again */
} ofi_msg;

typedef struct ofi_link {
    lg_link base;
    struct fid_ep *ep; /* NULL once closed */
    lg_list posted;    /* buffers the fabric has */
    lg_list waiting;   /* to be sent when the fabric takes more */
    uint32_t recv_missing;
} ofi_link;

/* What an implementation keeps in lg_netbuf.private_words; ctx first (invariant 1). */
struct slot {
    struct fi_context ctx; /* 4 pointers */
    ofi_link *link;
    uint64_t is_recv;
};
_Static_assert(sizeof(struct slot) <= sizeof(((lg_netbuf *)0)->private_words), "slot fits");

static struct slot *
slot_of(lg_netbuf *b)
{
    return (struct slot *)(void *)b->private_words;
}

static lg_netbuf *
buf_of(void *op_context)
{
    return LG_CONTAINER_OF(op_context, lg_netbuf, private_words);
}

static void *
desc_of(ofi_msg *t, const lg_netbuf *b)
{
    struct fid_mr *mr = t->mr[b->size_class];
    return mr ? fi_mr_desc(mr) : NULL;
}

/* ---- receive and send ---- */

static void
post_receives(ofi_msg *t, ofi_link *l)
{
    t->cq_due = true;
    while (l->recv_missing && l->ep) {
        lg_netbuf *b = lg_transport__get_large(&t->base);
        if (!b)
            return; /* buffer_back tries again */
        *slot_of(b) = (struct slot){.link = l, .is_recv = 1};
        if (fi_recv(l->ep, b->data, b->cap, desc_of(t, b), 0, &slot_of(b)->ctx)) {
            lg_netbuf_put(b);
            return; /* the next completion tries again */
        }
        lg_list_push_back(&l->posted, &b->link);
        l->recv_missing--;
    }
}

static void
ofi_buffer_back(lg_transport *base)
{
    LG_LIST_FOREACH (it, &base->links)
        post_receives((ofi_msg *)base, LG_CONTAINER_OF(it, ofi_link, base.node));
}

/* True: gone to the fabric or failed for good. */
static bool
send_now(ofi_msg *t, ofi_link *l, lg_netbuf *b)
{
    *slot_of(b) = (struct slot){.link = l};
    t->cq_due = true; /* what was armed no longer holds */
    ssize_t rc = fi_send(l->ep, b->data, b->len, desc_of(t, b), 0, &slot_of(b)->ctx);
    if (rc == -FI_EAGAIN)
        return false;
    if (rc) { /* the event queue reports the broken connection */
        l->base.queued--;
        lg_netbuf_put(b);
        return true;
    }
    lg_list_push_back(&l->posted, &b->link);
    return true;
}

static lg_status
ofi_send(lg_link *base, lg_netbuf *b, uint32_t body_len, const lg_frame_ref *frame)
{
    (void)body_len;
    (void)frame;
    ofi_link *l = (ofi_link *)base;
    base->queued++;
    if (!lg_list_empty(&l->waiting) || !send_now((ofi_msg *)base->t, l, b))
        lg_list_push_back(&l->waiting, &b->link);
    return LG_OK;
}

static unsigned
flush_waiting(ofi_msg *t)
{
    unsigned n = 0;
    LG_LIST_FOREACH (it, &t->base.links) {
        ofi_link *l = LG_CONTAINER_OF(it, ofi_link, base.node);
        while (!lg_list_empty(&l->waiting) && l->base.state == LG_LINK_OPEN) {
            lg_netbuf *b = LG_CONTAINER_OF(lg_list_pop_front(&l->waiting), lg_netbuf, link);
            if (!send_now(t, l, b)) {
                lg_list_push_front(&l->waiting, &b->link);
                break;
            }
            n++;
        }
    }
    return n;
}

/* ---- completions ---- */

static void
completed(ofi_msg *t, void *op_context, size_t len, bool ok)
{
    lg_netbuf *b = buf_of(op_context);
    struct slot *s = slot_of(b);
    ofi_link *l = s->link;
    lg_list_remove(&b->link);
    if (!s->is_recv) {
        l->base.queued--;
        lg_netbuf_put(b);
        return;
    }
    l->recv_missing++;
    if (!ok) {
        lg_netbuf_put(b);
        return;
    }
    post_receives(t, l);
    b->len = (uint32_t)len;
    lg_transport__deliver(&l->base, b);
}

/* Returns how many; stops at an empty queue. A failed operation is not fatal by itself: the event
 * queue tells when the connection is gone. A receive that was too small is: the stream is cut. */
static unsigned
take_completions(ofi_msg *t)
{
    struct fi_cq_msg_entry e[BATCH];
    unsigned total = 0;
    for (unsigned round = 0; round < 8; round++) {
        ssize_t n = fi_cq_read(t->cq, e, BATCH);
        if (n == -FI_EAVAIL) {
            struct fi_cq_err_entry err = {0};
            t->events_due = true;
            if (fi_cq_readerr(t->cq, &err, 0) > 0 && err.op_context) {
                ofi_link *l = slot_of(buf_of(err.op_context))->link;
                completed(t, err.op_context, 0, false);
                if (err.err != FI_ECANCELED)
                    lg_transport__down(&l->base, LG_PEER_DOWN);
            }
            total++;
            continue;
        }
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            completed(t, e[i].op_context, e[i].len, true);
        total += (unsigned)n;
    }
    return total;
}

/* ---- connections ---- */

static lg_status
endpoint_open(ofi_msg *t, ofi_link *l, struct fi_info *info)
{
    if (fi_endpoint(t->domain, info, &l->ep, l))
        return LG_SYSTEM;
    if (fi_ep_bind(l->ep, &t->eq->fid, 0) ||
        fi_ep_bind(l->ep, &t->cq->fid, FI_TRANSMIT | FI_RECV) || fi_enable(l->ep))
        return LG_SYSTEM;
    l->recv_missing = t->base.cfg.recv_depth;
    post_receives(t, l);
    return LG_OK;
}

static ofi_link *
link_new(ofi_msg *t, bool outgoing)
{
    ofi_link *l = lg_zalloc(sizeof *l);
    lg_transport__link_init(&t->base, &l->base, outgoing);
    lg_list_init(&l->posted);
    lg_list_init(&l->waiting);
    return l;
}

static void
accept_request(ofi_msg *t, struct fi_info *info)
{
    ofi_link *l = link_new(t, false);
    lg_status st = endpoint_open(t, l, info);
    if (st == LG_OK && fi_accept(l->ep, NULL, 0))
        st = LG_SYSTEM;
    if (st != LG_OK) /* nobody above knows this link */
        lg_link_close(&l->base);
    fi_freeinfo(info);
}

static unsigned
take_events(ofi_msg *t)
{
    unsigned n = 0;
    for (;; n++) {
        struct fi_eq_cm_entry e;
        uint32_t event;
        ssize_t rc = fi_eq_read(t->eq, &event, &e, sizeof e, 0);
        if (rc == -FI_EAVAIL) {
            struct fi_eq_err_entry err = {0};
            if (fi_eq_readerr(t->eq, &err, 0) > 0 && err.fid && err.fid != &t->pep->fid)
                lg_transport__down(&((ofi_link *)err.fid->context)->base, LG_PEER_DOWN);
            continue;
        }
        if (rc < 0)
            return n;
        if (event == FI_CONNREQ)
            accept_request(t, e.info);
        else if (event == FI_CONNECTED)
            lg_transport__opened(&((ofi_link *)e.fid->context)->base);
        else if (event == FI_SHUTDOWN) {
            ofi_link *l = (ofi_link *)e.fid->context;
            while (take_completions(t))
                ;
            lg_transport__down(&l->base, LG_CLOSED);
        }
    }
}

static void
put_all(lg_list *list)
{
    lg_list *n;
    while ((n = lg_list_pop_front(list)))
        lg_netbuf_put(LG_CONTAINER_OF(n, lg_netbuf, link));
}

/* Frees closed links. Events for them may still sit in the queue: taken first. */
static void
reap(ofi_msg *t)
{
    lg_list dead;
    lg_list_init(&dead);
    lg_list *n;
    while ((n = lg_list_pop_front(&t->base.reap))) {
        ofi_link *l = LG_CONTAINER_OF(n, ofi_link, base.node);
        if (l->ep) {
            (void)fi_shutdown(l->ep, 0);
            (void)fi_close(&l->ep->fid);
            l->ep = NULL;
        }
        lg_list_push_back(&dead, n);
    }
    if (lg_list_empty(&dead))
        return;
    while (take_completions(t))
        ;
    while ((n = lg_list_pop_front(&dead))) {
        ofi_link *l = LG_CONTAINER_OF(n, ofi_link, base.node);
        put_all(&l->posted);
        put_all(&l->waiting);
        lg_free(l);
    }
}

static unsigned
ofi_poll(void *arg)
{
    ofi_msg *t = arg;
    unsigned n = t->cq_due && !lg_list_empty(&t->base.links) ? take_completions(t) : 0;
    if (t->events_due) {
        t->events_due = false;
        n += take_events(t);
    }
    n += flush_waiting(t);
    if (!lg_list_empty(&t->base.reap))
        reap(t);
    return n;
}

static bool
ofi_arm(void *arg)
{
    ofi_msg *t = arg;
    struct fid *cq = &t->cq->fid;
    if (!lg_list_empty(&t->base.reap) || t->events_due)
        return false;
    if (lg_list_empty(&t->base.links) || !t->cq_due)
        return true;
    t->cq_due = fi_trywait(t->fabric, &cq, 1) != FI_SUCCESS;
    return !t->cq_due;
}

/* The descriptor of an armed queue became readable. */
static void
cq_ready(void *arg)
{
    ofi_msg *t = arg;
    t->cq_due = true;
}

static void
events_timer(void *arg)
{
    ofi_msg *t = arg;
    bool opening = false;
    LG_LIST_FOREACH (it, &t->base.links)
        opening |= LG_CONTAINER_OF(it, lg_link, node)->state == LG_LINK_OPENING;
    t->events_due = true; /* the poller runs after the timers */
    lg_timer_start(&t->eq_timer,
                   lg_run_now_ns(t->base.run) + (opening ? EVENTS_OPENING : EVENTS_IDLE));
}

/* Closing before the worker sleeps: nothing but the next round is needed. */
static void
ofi_close(lg_link *l)
{
    put_all(&((ofi_link *)l)->waiting);
}

/* provider stays the caller's: see hints_free. */
static struct fi_info *
hints_new(char *provider)
{
    struct fi_info *h = fi_allocinfo();
    h->caps = FI_MSG;
    h->mode = FI_CONTEXT;
    h->ep_attr->type = FI_EP_MSG;
    h->addr_format = FI_SOCKADDR_IN;
    h->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
    h->domain_attr->threading = FI_THREAD_DOMAIN;
    h->domain_attr->data_progress = FI_PROGRESS_MANUAL;
    h->tx_attr->msg_order = FI_ORDER_SAS;
    h->rx_attr->msg_order = FI_ORDER_SAS;
    h->fabric_attr->prov_name = provider;
    /* fi_freeinfo frees it with libc's free */ /* raw: fi_freeinfo frees it */
    return h;
}

static void
hints_free(struct fi_info *h)
{
    h->fabric_attr->prov_name = NULL; /* not libfabric's to free */
    fi_freeinfo(h);
}

static lg_status
ofi_connect(lg_transport *base, const char *address, lg_link **ret_link)
{
    ofi_msg *t = (ofi_msg *)base;
    char host[80], port[16];
    LG_TRY(lg_transport__split_address(address, host, sizeof host, port, sizeof port));
    struct fi_info *hints = hints_new(base->kind), *info = NULL;
    int rc = fi_getinfo(OFI_VERSION, host, port, 0, hints, &info);
    hints_free(hints);
    if (rc)
        return LG_INVALID;
    ofi_link *l = link_new(t, true);
    lg_status st = endpoint_open(t, l, info);
    if (st == LG_OK && fi_connect(l->ep, info->dest_addr, NULL, 0))
        st = LG_PEER_DOWN;
    fi_freeinfo(info);
    if (st != LG_OK) {
        lg_link_close(&l->base);
        return st;
    }
    lg_timer_start(&t->eq_timer, lg_run_now_ns(base->run) + EVENTS_OPENING);
    *ret_link = &l->base;
    return LG_OK;
}

/* ---- life ---- */

static void
ofi_destroy(lg_transport *base)
{
    ofi_msg *t = (ofi_msg *)base;
    if (t->cq_watch)
        lg_run_unwatch_fd(t->cq_watch);
    if (t->eq_timer.run)
        lg_timer_stop(&t->eq_timer);
    if (t->poller.poll)
        lg_run_poller_remove(base->run, &t->poller);
    while (!lg_list_empty(&base->links))
        lg_link_close(LG_CONTAINER_OF(base->links.next, lg_link, node));
    if (t->cq)
        reap(t);
    if (t->pep)
        (void)fi_close(&t->pep->fid);
    for (unsigned i = 0; i < LG_NETBUF_CLASSES; i++)
        if (t->mr[i])
            (void)fi_close(&t->mr[i]->fid);
    if (t->cq)
        (void)fi_close(&t->cq->fid);
    if (t->domain)
        (void)fi_close(&t->domain->fid);
    if (t->eq)
        (void)fi_close(&t->eq->fid);
    if (t->fabric)
        (void)fi_close(&t->fabric->fid);
    if (t->info)
        fi_freeinfo(t->info);
    lg_transport__fini_common(base);
    lg_free(t);
}

static lg_status
queues_open(ofi_msg *t)
{
    if (fi_fabric(t->info->fabric_attr, &t->fabric, NULL))
        return LG_SYSTEM;
    struct fi_eq_attr eq = {.size = 256, .wait_obj = FI_WAIT_FD};
    if (fi_eq_open(t->fabric, &eq, &t->eq, NULL))
        return LG_SYSTEM;
    if (fi_domain(t->fabric, t->info, &t->domain, NULL))
        return LG_SYSTEM;
    struct fi_cq_attr cq = {.size = 8192, .format = FI_CQ_FORMAT_MSG, .wait_obj = FI_WAIT_FD};
    if (fi_cq_open(t->domain, &cq, &t->cq, NULL))
        return LG_SYSTEM;
    if (!(t->info->domain_attr->mr_mode & FI_MR_LOCAL))
        return LG_OK;
    for (unsigned i = 0; i < LG_NETBUF_CLASSES; i++) {
        lg_netbuf_pool *p = &t->base.pools[i];
        if (fi_mr_reg(t->domain, p->memory, p->memory_bytes, FI_SEND | FI_RECV, 0, i, 0, &t->mr[i],
                      NULL))
            return LG_SYSTEM;
    }
    return LG_OK;
}

static lg_status
listen_open(ofi_msg *t)
{
    if (fi_passive_ep(t->fabric, t->info, &t->pep, NULL) || fi_pep_bind(t->pep, &t->eq->fid, 0) ||
        fi_listen(t->pep))
        return LG_SYSTEM;
    struct sockaddr_storage sa = {0};
    size_t len = sizeof sa;
    if (fi_getname(&t->pep->fid, &sa, &len))
        return LG_SYSTEM;
    char host[INET6_ADDRSTRLEN];
    if (sa.ss_family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&sa;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(t->base.address, sizeof t->base.address, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&sa;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(t->base.address, sizeof t->base.address, "%s:%u", host, ntohs(in->sin_port));
    }
    return LG_OK;
}

static lg_status
wake_open(ofi_msg *t)
{
    int cq_fd = -1;
    if (fi_control(&t->cq->fid, FI_GETWAIT, &cq_fd))
        return LG_SYSTEM;
    t->poller = (lg_poller){.poll = ofi_poll, .arm = ofi_arm, .arg = t};
    lg_run_poller_add(t->base.run, &t->poller);
    lg_timer_init(&t->eq_timer, t->base.run, events_timer, t);
    lg_timer_start(&t->eq_timer, 0);
    t->cq_due = true;
    return lg_run_watch_fd(t->base.run, cq_fd, cq_ready, t, &t->cq_watch);
}

static lg_status
ofi_create(const lg_transport_config *cfg, lg_transport **ret_t)
{
    char host[80], port[16];
    LG_TRY(lg_transport__split_address(cfg->address, host, sizeof host, port, sizeof port));
    char kind[32];
    snprintf(kind, sizeof kind, "%s", cfg->kind);
    struct fi_info *hints = hints_new(kind), *info = NULL;
    int rc = fi_getinfo(OFI_VERSION, host, port, FI_SOURCE, hints, &info);
    hints_free(hints);
    if (rc)
        return LG_UNSUPPORTED;
    ofi_msg *t = lg_zalloc(sizeof *t);
    lg_transport__init_common(&t->base, &lg_transport__ofi_msg, cfg);
    t->info = info;
    lg_status st;
    LG_CHECK(queues_open(t));
    LG_CHECK(listen_open(t));
    LG_CHECK(wake_open(t));
    *ret_t = &t->base;
    return LG_OK;
out:
    ofi_destroy(&t->base);
    return st;
}

const lg_transport_ops lg_transport__ofi_msg = {
    .create = ofi_create,
    .destroy = ofi_destroy,
    .connect = ofi_connect,
    .close = ofi_close,
    .send = ofi_send,
    .buffer_back = ofi_buffer_back,
};
