/* UCX: active messages over endpoints made by socket address; UCX picks the lanes.
 *
 * Only the eager protocol is used (RNDV_THRESH=inf), which keeps order; the raw link's sequence
 * numbers prove it. An acceptor learns which endpoint a CONNECT came over by its reply endpoint.
 * An endpoint that fails says so in a callback, noted and handled by the poller.
 *
 * Invariant: a buffer given to UCX is on `sending` until its callback; endpoints are closed by the
 * poller only, and freed when UCX says that they are closed. */
#include "transport_raw.h"

#include "assert.h"
#include "mem.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucp/api/ucp.h>

#define AM_ID 1

typedef struct ucx {
    lg_raw raw;
    ucp_context_h context;
    ucp_worker_h worker;
    ucp_listener_h listener;
    lg_poller poller;
    lg_fd_watch *watch;
    lg_list endpoints; /* struct endpoint */
    unsigned sending;
    bool failed_some;
} ucx;

/* One per connection, in both directions of making it. */
struct endpoint {
    lg_list node;
    ucx *t;
    ucp_ep_h ep;
    lg_raw_link *link; /* NULL: accepted, its CONNECT has not come yet; or link is gone */
    bool failed;
    bool closing;        /* freed by endpoint_closed */
    void *close_request; /* NULL: given up at destruction */
};

static struct endpoint **
endpoint_of(lg_raw_link *l)
{
    return (struct endpoint **)(void *)&l->fabric[0];
}

/* ---- endpoints ---- */

static void
endpoint_failed(void *arg, ucp_ep_h ep, ucs_status_t status)
{
    (void)ep;
    (void)status;
    struct endpoint *e = arg;
    e->failed = true;
    e->t->failed_some = true;
}

static struct endpoint *
endpoint_open(ucx *t, ucp_ep_params_t *params)
{
    struct endpoint *e = lg_zalloc(sizeof *e);
    e->t = t;
    params->field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLER | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
    params->err_mode = UCP_ERR_HANDLING_MODE_PEER;
    params->err_handler.cb = endpoint_failed;
    params->err_handler.arg = e;
    if (ucp_ep_create(t->worker, params, &e->ep) != UCS_OK) {
        lg_free(e);
        return NULL;
    }
    lg_list_push_back(&t->endpoints, &e->node);
    return e;
}

static void
endpoint_free(struct endpoint *e)
{
    lg_list_remove(&e->node);
    lg_free(e);
}

static void
endpoint_closed(void *request, ucs_status_t status, void *arg)
{
    (void)status;
    struct endpoint *e = arg;
    if (!e->close_request)
        return;
    ucp_request_free(request);
    endpoint_free(e);
}

/* What was sent before still goes out, unless the endpoint has failed. */
static void
endpoint_close(struct endpoint *e)
{
    e->closing = true;
    ucp_request_param_t p = {.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_CALLBACK |
                                             UCP_OP_ATTR_FIELD_USER_DATA,
                             .flags = e->failed ? UCP_EP_CLOSE_FLAG_FORCE : 0,
                             .cb.send = endpoint_closed,
                             .user_data = e};
    e->close_request = ucp_ep_close_nbx(e->ep, &p);
    if (!UCS_PTR_IS_PTR(e->close_request))
        endpoint_free(e);
}

static void
connection_requested(ucp_conn_request_h request, void *arg)
{
    ucp_ep_params_t p = {.field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST, .conn_request = request};
    (void)endpoint_open(arg, &p); /* a request that cannot be taken fails at the dialler */
}

static lg_status
parse(const char *address, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    char host[80], port[16];
    LG_TRY(lg_transport__split_address(address, host, sizeof host, port, sizeof port));
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *ai;
    if (getaddrinfo(host, port, &hints, &ai) != 0)
        return LG_INVALID;
    memcpy(ret, ai->ai_addr, ai->ai_addrlen);
    *ret_len = ai->ai_addrlen;
    freeaddrinfo(ai);
    return LG_OK;
}

/* ---- the raw fabric ---- */

static lg_status
ucx_attach(lg_raw_link *l, void *from)
{
    ucx *t = (ucx *)l->base.t;
    if (from) {
        LG_LIST_FOREACH (it, &t->endpoints) {
            struct endpoint *e = LG_CONTAINER_OF(it, struct endpoint, node);
            if (e->ep != (ucp_ep_h)from || e->link || e->closing)
                continue;
            e->link = l;
            *endpoint_of(l) = e;
            return LG_OK;
        }
        return LG_PROTOCOL;
    }
    struct sockaddr_storage sa;
    ucp_ep_params_t p = {.field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR,
                         .flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER};
    LG_TRY(parse(l->peer_address, &sa, &p.sockaddr.addrlen));
    p.sockaddr.addr = (struct sockaddr *)&sa;
    struct endpoint *e = endpoint_open(t, &p);
    if (!e)
        return LG_PEER_DOWN;
    e->link = l;
    *endpoint_of(l) = e;
    return LG_OK;
}

static void
ucx_detach(lg_raw_link *l)
{
    struct endpoint *e = *endpoint_of(l);
    e->link = NULL;
    endpoint_close(e);
}

static void
sent(void *request, ucs_status_t status, void *arg)
{
    (void)status; /* a failure is the endpoint's */
    lg_netbuf *b = arg;
    ((ucx *)b->owner)->sending--;
    lg_netbuf_put(b);
    ucp_request_free(request);
}

static lg_status
ucx_send(lg_raw_link *l, lg_netbuf *b)
{
    ucx *t = (ucx *)l->base.t;
    struct endpoint *e = *endpoint_of(l);
    if (e->failed)
        return LG_PEER_DOWN;
    ucp_request_param_t p = {.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK |
                                             UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS,
                             .flags = UCP_AM_SEND_FLAG_EAGER | UCP_AM_SEND_FLAG_REPLY,
                             .cb.send = sent,
                             .user_data = b};
    t->sending++;
    void *rq =
        ucp_am_send_nbx(e->ep, AM_ID, NULL, 0, lg_raw__head(b), b->len + sizeof(lg_raw_head), &p);
    if (UCS_PTR_IS_PTR(rq))
        return LG_OK;
    t->sending--;
    if (UCS_PTR_IS_ERR(rq))
        return LG_PEER_DOWN;
    lg_netbuf_put(b); /* sent at once */
    return LG_OK;
}

static const lg_raw_fabric fabric = {ucx_attach, ucx_detach, ucx_send, false};

/* ---- polling ---- */

static ucs_status_t
message_arrived(void *arg, const void *header, size_t header_len, void *data, size_t len,
                const ucp_am_recv_param_t *param)
{
    (void)header;
    (void)header_len;
    ucx *t = arg;
    if (len < sizeof(lg_raw_head) || (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV))
        return UCS_OK;
    lg_netbuf *b = lg_netbuf_get(&t->raw.base, (uint32_t)(len - sizeof(lg_raw_head)));
    if (!b)
        return UCS_OK; /* the gap in sequence takes the link down: reported */
    memcpy(lg_raw__head(b), data, len);
    b->len = (uint32_t)(len - sizeof(lg_raw_head));
    lg_raw__arrived(&t->raw, b, param->reply_ep);
    return UCS_OK;
}

static void
handle_failed(ucx *t)
{
    t->failed_some = false;
    LG_LIST_FOREACH_SAFE (it, &t->endpoints) {
        struct endpoint *e = LG_CONTAINER_OF(it, struct endpoint, node);
        if (!e->failed || e->closing)
            continue;
        if (e->link)
            lg_raw__broken(e->link); /* closed when the link is */
        else
            endpoint_close(e);
    }
}

static unsigned
ucx_poll(void *arg)
{
    ucx *t = arg;
    unsigned n = 0;
    for (unsigned i = 0; i < 64 && ucp_worker_progress(t->worker); i++)
        n++;
    n += lg_raw__flush(&t->raw);
    if (t->failed_some)
        handle_failed(t);
    if (!lg_list_empty(&t->raw.base.reap))
        lg_raw__reap(&t->raw, false);
    return n;
}

static bool
ucx_arm(void *arg)
{
    ucx *t = arg;
    return lg_list_empty(&t->raw.base.reap) && !t->failed_some && !t->raw.waiting_links &&
           ucp_worker_arm(t->worker) == UCS_OK;
}

/* ---- life ---- */

static void
ucx_destroy(lg_transport *base)
{
    ucx *t = (ucx *)base;
    if (t->watch)
        lg_run_unwatch_fd(t->watch);
    if (t->poller.poll)
        lg_run_poller_remove(base->run, &t->poller);
    lg_raw__mute(&t->raw);
    if (t->listener)
        ucp_listener_destroy(t->listener);
    while (!lg_list_empty(&base->links))
        lg_link_close(LG_CONTAINER_OF(base->links.next, lg_link, node));
    for (unsigned i = 0; t->worker && t->sending && i < 1000; i++)
        ucp_worker_progress(t->worker); /* lets the farewells out */
    lg_raw__reap(&t->raw, true);
    LG_LIST_FOREACH_SAFE (it, &t->endpoints)
        if (!LG_CONTAINER_OF(it, struct endpoint, node)->closing)
            endpoint_close(LG_CONTAINER_OF(it, struct endpoint, node));
    for (unsigned i = 0; t->worker && !lg_list_empty(&t->endpoints) && i < 20000; i++)
        ucp_worker_progress(t->worker);
    LG_LIST_FOREACH (it, &t->endpoints) { /* peers that do not answer */
        struct endpoint *e = LG_CONTAINER_OF(it, struct endpoint, node);
        void *rq = e->close_request;
        e->close_request = NULL;
        ucp_request_free(rq);
    }
    if (t->worker)
        ucp_worker_destroy(t->worker);
    LG_LIST_FOREACH_SAFE (it, &t->endpoints)
        endpoint_free(LG_CONTAINER_OF(it, struct endpoint, node));
    if (t->context)
        ucp_cleanup(t->context);
    lg_transport__fini_common(base);
    lg_free(t);
}

static lg_status
worker_open(ucx *t)
{
    ucp_config_t *config;
    if (ucp_config_read(NULL, NULL, &config) != UCS_OK)
        return LG_SYSTEM;
    ucp_params_t p = {.field_mask = UCP_PARAM_FIELD_FEATURES,
                      .features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP};
    ucs_status_t rc = ucp_config_modify(config, "RNDV_THRESH", "inf");
    if (rc == UCS_OK)
        rc = ucp_init(&p, config, &t->context);
    ucp_config_release(config);
    if (rc != UCS_OK)
        return LG_UNSUPPORTED;
    ucp_worker_params_t w = {.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
                             .thread_mode = UCS_THREAD_MODE_SINGLE};
    if (ucp_worker_create(t->context, &w, &t->worker) != UCS_OK)
        return LG_SYSTEM;
    ucp_am_handler_param_t h = {.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID |
                                              UCP_AM_HANDLER_PARAM_FIELD_CB |
                                              UCP_AM_HANDLER_PARAM_FIELD_ARG,
                                .id = AM_ID,
                                .cb = message_arrived,
                                .arg = t};
    return ucp_worker_set_am_recv_handler(t->worker, &h) == UCS_OK ? LG_OK : LG_SYSTEM;
}

static lg_status
listen_open(ucx *t, const char *address)
{
    struct sockaddr_storage sa;
    ucp_listener_params_t p = {.field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR |
                                             UCP_LISTENER_PARAM_FIELD_CONN_HANDLER,
                               .conn_handler = {connection_requested, t}};
    LG_TRY(parse(address, &sa, &p.sockaddr.addrlen));
    p.sockaddr.addr = (struct sockaddr *)&sa;
    if (ucp_listener_create(t->worker, &p, &t->listener) != UCS_OK)
        return LG_SYSTEM;
    ucp_listener_attr_t a = {.field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR};
    if (ucp_listener_query(t->listener, &a) != UCS_OK)
        return LG_SYSTEM;
    char host[80], port[16];
    if (getnameinfo((struct sockaddr *)&a.sockaddr, sizeof a.sockaddr, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return LG_SYSTEM;
    snprintf(t->raw.base.address, sizeof t->raw.base.address,
             strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    return LG_OK;
}

static lg_status
wake_open(ucx *t)
{
    int fd;
    if (ucp_worker_get_efd(t->worker, &fd) != UCS_OK)
        return LG_SYSTEM;
    t->poller = (lg_poller){.poll = ucx_poll, .arm = ucx_arm, .arg = t};
    lg_run_poller_add(t->raw.base.run, &t->poller);
    return lg_run_watch_fd(t->raw.base.run, fd, NULL, NULL, &t->watch);
}

static lg_status
ucx_create(const lg_transport_config *cfg, lg_transport **ret_t)
{
    ucx *t = lg_zalloc(sizeof *t);
    lg_transport__init_common(&t->raw.base, &lg_transport__ucx, cfg);
    t->raw.fabric = &fabric;
    t->raw.next_number = (uint32_t)lg_run_random(cfg->run) & 0xffff;
    lg_list_init(&t->endpoints);
    lg_status st;
    LG_CHECK(worker_open(t));
    LG_CHECK(listen_open(t, cfg->address));
    LG_CHECK(wake_open(t));
    *ret_t = &t->raw.base;
    return LG_OK;
out:
    ucx_destroy(&t->raw.base);
    return st;
}

const lg_transport_ops lg_transport__ucx = {
    .create = ucx_create,
    .destroy = ucx_destroy,
    .connect = lg_raw__connect,
    .close = lg_raw__close,
    .send = lg_raw__send,
};
