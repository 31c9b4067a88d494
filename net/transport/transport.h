/* Transport: reliable, ordered links between instances, over libfabric, UCX or the simulator.
 *
 * MODEL
 * An lg_transport listens at one address and holds links. A link carries whole messages (at most
 * max_message_bytes), each delivered once and in the order sent, until the link goes down. A link
 * that cannot keep that promise goes down, is reported, and never comes back: a new link is a new
 * beginning. Nothing is encrypted or authenticated here (net/rpc proves the cluster key).
 *
 * Everything happens on the worker of `run`: no call blocks, all events come as callbacks on the
 * worker's native stack, never from within a call of this interface. In between the transport is
 * driven by a poller on that worker and wakes it by a descriptor when it sleeps.
 *
 * BUFFERS
 * Messages live in pooled buffers (lg_netbuf) of three sizes, all made at creation. A message is
 * built in a buffer, given to lg_link_send, and from then on belongs to the transport. A received
 * message belongs to the on_message callback until lg_netbuf_put.
 *
 * BLOCKS  A message may end in a block image (body). When the transport is ONE_SIDED and the
 * receiver named a frame (lg_frame_ref, from lg_transport_frame_ref), the body is written straight
 * into that frame before the rest is delivered as a message; else the body is part of the message.
 *
 * LIFE OF A LINK
 *     connect -> OPENING -> on_open -> OPEN -> on_down -> DOWN -> lg_link_close -> gone
 *     (accepted)            on_open -> OPEN ...
 * on_down is called once, also for a connection that could not be made. lg_link_close is legal in
 * every state; after it no event of that link comes any more and what was not sent is dropped.
 */
#ifndef LG_NET_TRANSPORT_H
#define LG_NET_TRANSPORT_H

#include "list.h"
#include "run.h"
#include "status.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct lg_transport lg_transport;
typedef struct lg_link lg_link;

#define LG_NETBUF_USER_BYTES 160

typedef struct lg_netbuf {
    lg_list link; /* for whoever owns the buffer now */
    uint8_t *data;
    uint32_t cap;
    uint32_t len; /* bytes of the message */
    lg_transport *owner;
    uint8_t size_class;
    /* The owner's scratch area: a layer above keeps its view of the message here. */
    _Alignas(16) uint8_t user[LG_NETBUF_USER_BYTES];
    uint64_t private_words[10]; /* the implementation's */
} lg_netbuf;

/* Names a frame of this instance to a peer; travels inside messages. */
typedef struct lg_frame_ref {
    uint64_t address;
    uint64_t key;
} lg_frame_ref;

typedef struct lg_transport_events {
    void *arg;
    void (*on_open)(void *arg, lg_link *l, bool outgoing);
    void (*on_message)(void *arg, lg_link *l, lg_netbuf *b); /* b now belongs to the callee */
    void (*on_down)(void *arg, lg_link *l, lg_status why);   /* LG_CLOSED: the peer closed it */
} lg_transport_events;

typedef struct lg_transport_config {
    lg_run *run;
    /* "tcp" (libfabric), "shm" (libfabric), "verbs", "efa" or another libfabric provider with
     * message endpoints, "ucx", "sim". */
    const char *kind;
    /* tcp, verbs, ucx: "127.0.0.1:7001" (port 0: chosen, see lg_transport_address). shm: a name
     * unique on the machine. sim: "sim:<node>:<port>". */
    const char *address;
    uint32_t block_bytes;       /* 0 = 8 KiB; largest body */
    uint32_t max_message_bytes; /* 0 = 16 KiB + block_bytes + 512 */
    uint32_t small_buffers;     /* of 512 bytes;               0 = 8192 */
    uint32_t block_buffers;     /* of block_bytes + 1 KiB;     0 = 1024 */
    uint32_t large_buffers;     /* of max_message_bytes;       0 = 512 (receives use these) */
    uint32_t recv_depth;        /* receives posted per link;   0 = 32 */
    lg_transport_events events;
} lg_transport_config;

enum { LG_TRANSPORT_ONE_SIDED = 1 };

/* LG_UNSUPPORTED: the fabric is not there; LG_INVALID: bad address; LG_SYSTEM: could not listen. */
LG_MUST lg_status lg_transport_create(const lg_transport_config *cfg, lg_transport **ret_t);
void lg_transport_destroy(lg_transport *t);              /* closes all links; no callbacks */
const char *lg_transport_address(const lg_transport *t); /* what peers pass to connect */
const char *lg_transport_kind(const lg_transport *t);
unsigned lg_transport_caps(const lg_transport *t);

/* Starts connecting; on_open or on_down follows. `user` as by lg_link_set_user. */
LG_MUST lg_status lg_transport_connect(lg_transport *t, const char *address, void *user,
                                       lg_link **ret_link);
void lg_link_close(lg_link *l);
void lg_link_set_user(lg_link *l, void *user);
void *lg_link_user(const lg_link *l);
bool lg_link_is_open(const lg_link *l);

/* NULL when no buffer of a size that fits is left. len is 0. */
lg_netbuf *lg_netbuf_get(lg_transport *t, uint32_t cap_bytes);
void lg_netbuf_put(lg_netbuf *b); /* back to its pool; NULL is fine */

/* Sends b (its len bytes). Takes b in every case. Never blocks: what the fabric cannot take now is
 * queued. LG_PEER_DOWN when the link is not open (on_down has come or is about to). With a frame
 * and body_len > 0 the last body_len bytes are the body for that frame; frame must be NULL when
 * the transport is not ONE_SIDED. */
LG_MUST lg_status lg_link_send(lg_link *l, lg_netbuf *b, uint32_t body_len,
                               const lg_frame_ref *frame);
uint32_t lg_link_queued(const lg_link *l); /* messages given to lg_link_send and not yet sent */

/* Registers memory that frames live in (the buffer cache), once, before the first link. */
LG_MUST lg_status lg_transport_register(lg_transport *t, void *base, size_t size_bytes);
LG_MUST lg_status lg_transport_frame_ref(lg_transport *t, const void *frame, lg_frame_ref *ret_ref);

#endif
