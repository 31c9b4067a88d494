/* Inside net/transport: what the implementations share.
 *
 * The generic part (transport.c) owns the buffer pools, the table of kinds and the life of links;
 * an implementation embeds lg_transport and lg_link at the start of its own structs.
 *
 * Links are never freed inside a callback: lg_link_close marks the link and puts it on `reap`; the
 * implementation's poller frees reaped links at the end of a round. */
#ifndef LG_NET_TRANSPORT_INTERNAL_H
#define LG_NET_TRANSPORT_INTERNAL_H

#include "transport.h"

#define LG_NETBUF_HEADROOM 32u /* before data: an implementation's own framing */
#define LG_NETBUF_CLASSES  3

typedef enum lg_link_state {
    LG_LINK_OPENING,
    LG_LINK_OPEN,
    LG_LINK_DOWN,   /* on_down was called or is about to be */
    LG_LINK_CLOSED, /* lg_link_close was called: silent, waits to be reaped */
} lg_link_state;

struct lg_link {
    lg_transport *t;
    lg_list node; /* in t->links, or in t->reap once closed */
    void *user;
    lg_link_state state;
    bool outgoing;
    uint32_t queued;
};

typedef struct lg_transport_ops {
    lg_status (*create)(const lg_transport_config *cfg, lg_transport **ret_t);
    void (*destroy)(lg_transport *t); /* ends and frees all but what fini_common frees */
    lg_status (*connect)(lg_transport *t, const char *address, lg_link **ret_link);
    void (*close)(lg_link *l); /* just moved to t->reap: make sure the poller comes by */
    lg_status (*send)(lg_link *l, lg_netbuf *b, uint32_t body_len, const lg_frame_ref *frame);
    lg_status (*reg)(lg_transport *t, void *base, size_t size_bytes);
    lg_status (*frame_ref)(lg_transport *t, const void *frame, lg_frame_ref *ret_ref);
    /* A buffer of the large class came back while the implementation wanted one; may be NULL. */
    void (*buffer_back)(lg_transport *t);
} lg_transport_ops;

typedef struct lg_netbuf_pool {
    lg_list free;
    uint32_t cap;
    uint32_t count;
    uint32_t available;
    lg_netbuf *bufs;
    uint8_t *memory;
    size_t memory_bytes;
    void *mr; /* the implementation's registration of memory */
} lg_netbuf_pool;

struct lg_transport {
    const lg_transport_ops *ops;
    lg_transport_config cfg; /* defaults filled in; strings not kept */
    lg_run *run;
    lg_list links;
    lg_list reap;
    lg_netbuf_pool pools[LG_NETBUF_CLASSES];
    char kind[16];
    char address[128];
    unsigned caps;
    bool wants_buffer; /* buffer_back is called at the next put of a large buffer */
};

void lg_transport__init_common(lg_transport *t, const lg_transport_ops *ops,
                               const lg_transport_config *cfg);
void lg_transport__fini_common(lg_transport *t); /* frees the pools, not t */
void lg_transport__link_init(lg_transport *t, lg_link *l, bool outgoing);
lg_netbuf *lg_transport__get_large(lg_transport *t);

/* Callbacks, with the state changes that go with them. Nothing happens on a closed link. */
void lg_transport__opened(lg_link *l);
void lg_transport__down(lg_link *l, lg_status why);
void lg_transport__deliver(lg_link *l, lg_netbuf *b);

/* "host:port" or "[v6]:port" into two strings; LG_INVALID when it is neither. */
LG_MUST lg_status lg_transport__split_address(const char *address, char *host, size_t host_size,
                                              char *port, size_t port_size);

extern const lg_transport_ops lg_transport__ofi_msg;
extern const lg_transport_ops lg_transport__ofi_rdm;
extern const lg_transport_ops lg_transport__ucx;
extern const lg_transport_ops lg_transport__sim;

#endif
