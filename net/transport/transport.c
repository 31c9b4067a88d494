/* The part of the transport that all fabrics share: kinds, buffer pools, life of links.
 *
 * Invariants
 * 1. A buffer is in exactly one place: its pool, the fabric, or the one owner it was handed to.
 * 2. on_message comes only between on_open and on_down of its link; on_down at most once.
 * 3. After lg_link_close no callback names that link. */
#include "transport_internal.h"

#include "assert.h"
#include "mem.h"
#include <stdio.h>
#include <string.h>

static const struct kind {
    const char *name;
    const lg_transport_ops *ops;
} kinds[] = {
    {"sim", &lg_transport__sim},
    {"shm", &lg_transport__ofi_rdm},
    {"efa", &lg_transport__ofi_rdm},
    {"ucx", &lg_transport__ucx},
};

static const lg_transport_ops *
ops_of(const char *kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, kind) == 0)
            return kinds[i].ops;
    return &lg_transport__ofi_msg; /* tcp, verbs and whatever else libfabric offers */
}

static void
pool_init(lg_transport *t, unsigned cls, uint32_t cap, uint32_t count)
{
    lg_netbuf_pool *p = &t->pools[cls];
    size_t stride = ((size_t)cap + LG_NETBUF_HEADROOM + 63) & ~(size_t)63;
    lg_list_init(&p->free);
    p->cap = cap;
    p->count = p->available = count;
    p->bufs = lg_zalloc(sizeof(lg_netbuf) * count);
    p->memory_bytes = stride * count;
    p->memory = lg_alloc_aligned(4096, p->memory_bytes);
    /* Pushed in reverse: the first ones are used first, the rest is never touched until needed. */
    for (uint32_t i = count; i-- > 0;) {
        lg_netbuf *b = &p->bufs[i];
        b->data = p->memory + stride * i + LG_NETBUF_HEADROOM;
        b->cap = cap;
        b->owner = t;
        b->size_class = (uint8_t)cls;
        lg_list_push_front(&p->free, &b->link);
    }
}

void
lg_transport__init_common(lg_transport *t, const lg_transport_ops *ops,
                          const lg_transport_config *cfg)
{
    t->ops = ops;
    t->cfg = *cfg;
    t->run = cfg->run;
    lg_list_init(&t->links);
    lg_list_init(&t->reap);
    snprintf(t->kind, sizeof t->kind, "%s", cfg->kind);
    pool_init(t, 0, 512, t->cfg.small_buffers);
    pool_init(t, 1, t->cfg.block_bytes + 1024, t->cfg.block_buffers);
    pool_init(t, 2, t->cfg.max_message_bytes, t->cfg.large_buffers);
}

void
lg_transport__fini_common(lg_transport *t)
{
    for (unsigned i = 0; i < LG_NETBUF_CLASSES; i++) {
        lg_free(t->pools[i].bufs);
        lg_free(t->pools[i].memory);
    }
}

lg_status
lg_transport_create(const lg_transport_config *cfg, lg_transport **ret_t)
{
    lg_transport_config c = *cfg;
    if (!c.run || !c.kind || !c.address || !c.events.on_open || !c.events.on_message ||
        !c.events.on_down)
        return LG_INVALID;
    c.block_bytes = c.block_bytes ? c.block_bytes : 8192;
    c.max_message_bytes =
        c.max_message_bytes ? c.max_message_bytes : 16 * 1024 + c.block_bytes + 512;
    c.small_buffers = c.small_buffers ? c.small_buffers : 8192;
    c.block_buffers = c.block_buffers ? c.block_buffers : 1024;
    c.large_buffers = c.large_buffers ? c.large_buffers : 512;
    c.recv_depth = c.recv_depth ? c.recv_depth : 32;
    return ops_of(c.kind)->create(&c, ret_t);
}

void
lg_transport_destroy(lg_transport *t)
{
    if (t)
        t->ops->destroy(t);
}

const char *
lg_transport_address(const lg_transport *t)
{
    return t->address;
}

const char *
lg_transport_kind(const lg_transport *t)
{
    return t->kind;
}

unsigned
lg_transport_caps(const lg_transport *t)
{
    return t->caps;
}

/* ---- links ---- */

void
lg_transport__link_init(lg_transport *t, lg_link *l, bool outgoing)
{
    l->t = t;
    l->state = LG_LINK_OPENING;
    l->outgoing = outgoing;
    lg_list_push_back(&t->links, &l->node);
}

lg_status
lg_transport_connect(lg_transport *t, const char *address, void *user, lg_link **ret_link)
{
    lg_link *l;
    LG_TRY(t->ops->connect(t, address, &l));
    l->user = user;
    *ret_link = l;
    return LG_OK;
}

void
lg_link_close(lg_link *l)
{
    LG_ASSERT(l->state != LG_LINK_CLOSED);
    l->state = LG_LINK_CLOSED;
    lg_list_remove(&l->node);
    lg_list_push_back(&l->t->reap, &l->node);
    l->t->ops->close(l);
}

void
lg_link_set_user(lg_link *l, void *user)
{
    l->user = user;
}

void *
lg_link_user(const lg_link *l)
{
    return l->user;
}

bool
lg_link_is_open(const lg_link *l)
{
    return l->state == LG_LINK_OPEN;
}

uint32_t
lg_link_queued(const lg_link *l)
{
    return l->queued;
}

lg_status
lg_link_send(lg_link *l, lg_netbuf *b, uint32_t body_len, const lg_frame_ref *frame)
{
    LG_ASSERT(b->len <= b->cap && body_len <= b->len);
    LG_ASSERT(!frame || (l->t->caps & LG_TRANSPORT_ONE_SIDED));
    if (l->state != LG_LINK_OPEN) {
        lg_netbuf_put(b);
        return LG_PEER_DOWN;
    }
    return l->t->ops->send(l, b, body_len, frame);
}

void
lg_transport__opened(lg_link *l)
{
    if (l->state != LG_LINK_OPENING)
        return;
    l->state = LG_LINK_OPEN;
    l->t->cfg.events.on_open(l->t->cfg.events.arg, l, l->outgoing);
}

void
lg_transport__down(lg_link *l, lg_status why)
{
    if (l->state == LG_LINK_DOWN || l->state == LG_LINK_CLOSED)
        return;
    l->state = LG_LINK_DOWN;
    l->t->cfg.events.on_down(l->t->cfg.events.arg, l, why);
}

void
lg_transport__deliver(lg_link *l, lg_netbuf *b)
{
    if (l->state != LG_LINK_OPEN) {
        lg_netbuf_put(b);
        return;
    }
    l->t->cfg.events.on_message(l->t->cfg.events.arg, l, b);
}

/* ---- buffers ---- */

static lg_netbuf *
pool_get(lg_netbuf_pool *p)
{
    lg_list *n = lg_list_pop_front(&p->free);
    if (!n)
        return NULL;
    p->available--;
    lg_netbuf *b = LG_CONTAINER_OF(n, lg_netbuf, link);
    b->len = 0;
    return b;
}

lg_netbuf *
lg_netbuf_get(lg_transport *t, uint32_t cap_bytes)
{
    for (unsigned i = 0; i < LG_NETBUF_CLASSES; i++) {
        if (cap_bytes > t->pools[i].cap)
            continue;
        lg_netbuf *b = pool_get(&t->pools[i]);
        if (b)
            return b;
    }
    return NULL;
}

lg_netbuf *
lg_transport__get_large(lg_transport *t)
{
    lg_netbuf *b = pool_get(&t->pools[LG_NETBUF_CLASSES - 1]);
    if (!b)
        t->wants_buffer = true;
    return b;
}

void
lg_netbuf_put(lg_netbuf *b)
{
    if (!b)
        return;
    lg_transport *t = b->owner;
    lg_netbuf_pool *p = &t->pools[b->size_class];
    LG_DEBUG_ASSERT(p->available < p->count);
    lg_list_push_front(&p->free, &b->link);
    p->available++;
    if (t->wants_buffer && b->size_class == LG_NETBUF_CLASSES - 1 && t->ops->buffer_back) {
        t->wants_buffer = false;
        t->ops->buffer_back(t);
    }
}

/* ---- memory of frames, addresses ---- */

lg_status
lg_transport_register(lg_transport *t, void *base, size_t size_bytes)
{
    return t->ops->reg ? t->ops->reg(t, base, size_bytes) : LG_OK;
}

lg_status
lg_transport_frame_ref(lg_transport *t, const void *frame, lg_frame_ref *ret_ref)
{
    if (!t->ops->frame_ref)
        return LG_UNSUPPORTED;
    return t->ops->frame_ref(t, frame, ret_ref);
}

lg_status
lg_transport__split_address(const char *address, char *host, size_t host_size, char *port,
                            size_t port_size)
{
    const char *colon = strrchr(address, ':');
    if (!colon || colon == address || !colon[1])
        return LG_INVALID;
    const char *from = address;
    size_t n = (size_t)(colon - address);
    if (from[0] == '[' && from[n - 1] == ']') {
        from++;
        n -= 2;
    }
    if (n >= host_size || strlen(colon + 1) >= port_size)
        return LG_INVALID;
    memcpy(host, from, n);
    host[n] = 0;
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return LG_OK;
}
