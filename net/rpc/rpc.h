/* RPC: messages between instances (or agents): framing, peers, cluster key, epochs, SCN, credits,
 * request and reply.
 *
 * MODEL
 * An lg_rpc is one member's end of the interconnect. The current view (lg_rpc_set_view) says who
 * its peers are; it connects to them, proves and checks the cluster key (HMAC-SHA256 challenge both
 * ways) and reconnects as long as they are in the view. A message to a peer that is in the view but
 * not connected yet waits in a bounded queue. To oneself it goes through the run queue.
 *
 * ORDER AND LOSS  Messages to one peer arrive in the order sent. When a connection breaks, what was
 * under way is lost, so that peer is `broken` until the next epoch: sends and calls to it return
 * LG_PEER_DOWN, pending calls fail, on_peer_down reports it. Only ANY_EPOCH types go on (over a new
 * connection), because they stand on their own.
 *
 * EPOCH  Every message carries its sender's epoch. Of an older epoch: dropped (a call is answered
 * LG_STALE_EPOCH). Of a newer: held until the local view catches up. ANY_EPOCH types pass always,
 * but an incarnation older than the view's is never heard. A new view fails all pending calls:
 * LG_PEER_DOWN when the peer left or came back as another incarnation, else LG_STALE_EPOCH
 * (ANY_EPOCH types to a peer that stays go on).
 *
 * SCN  Every message carries the sender's clock; it is observed before the handler runs.
 *
 * CREDITS  A peer may have `credits` messages unprocessed here. A sender without credit queues;
 * lg_rpc_call waits first when the queue is long; lg_rpc_throttle waits for it explicitly. A queue
 * over its hard bound breaks the connection: reported, never a silent drop.
 *
 * SILENCE  A network that swallows everything breaks no connection. Whoever has sent nothing for a
 * sixth of silence_ns sends an empty frame; a connection on which nothing came for that time is
 * lost.
 *
 * HANDLERS run on the worker's native stack, one at a time, in order of arrival; they must not
 * block. They may send, reply at once or later (keep the token), or take the message.
 *
 * All calls are made on the worker of `run`. "Blocks" means the calling fiber.
 * BODY  A message may carry a block image beside its payload. Payload is covered by the message's
 * crc32c; the body by the block's own checksum, which the receiver of a block verifies.
 */
#ifndef LG_NET_RPC_H
#define LG_NET_RPC_H

#include "run.h"
#include "scn.h"
#include "status.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct lg_rpc lg_rpc;

#define LG_RPC_MAX_PAYLOAD (16u * 1024)

/* Message types are numbers 0 .. type_count-1 (below 0xFF00), listed by the user of this module. */
enum {
    LG_RPC_ANY_EPOCH = 1, /* legal whatever the epochs */
};
typedef struct lg_rpc_type {
    const char *name;
    uint32_t flags;
} lg_rpc_type;

typedef struct lg_rpc_config {
    lg_run *run;
    lg_scn_clock *scn;     /* may be NULL (agents) */
    const char *transport; /* kind and address as in transport.h */
    const char *address;
    uint32_t node; /* this member's number, >= 1 */
    uint64_t incarnation;
    const void *key; /* cluster key, copied */
    size_t key_len;
    const lg_rpc_type *types; /* must outlive the rpc */
    uint16_t type_count;
    uint32_t block_bytes; /* largest body; 0 = 8 KiB */
    uint32_t credits;     /* 0 = 256 */
    uint32_t max_calls;   /* pending at once; 0 = 4096 */
    uint32_t max_queue;   /* messages queued per peer; 0 = 4096 */
    lg_time silence_ns;   /* a connection that is silent for so long is lost; 0: never looked at */
    void *arg;            /* of the two below; either may be NULL */
    void (*on_peer_up)(void *arg, uint32_t node, uint64_t incarnation);
    void (*on_peer_down)(void *arg, uint32_t node, uint64_t incarnation, lg_status why);
} lg_rpc_config;

/* on_peer_up and on_peer_down may come from within lg_rpc_set_view and lg_rpc_send: they note what
 * happened and return. */
LG_MUST lg_status lg_rpc_create(const lg_rpc_config *cfg, lg_rpc **ret_rpc);
/* Pending and new calls end with LG_SHUTDOWN; sends go on. Then let the calling fibers leave. */
void lg_rpc_stop(lg_rpc *rpc);
void lg_rpc_destroy(lg_rpc *rpc); /* no fiber is inside a call any more; NULL is fine */
const char *lg_rpc_address(const lg_rpc *rpc); /* to be put into the view */
uint32_t lg_rpc_node(const lg_rpc *rpc);
uint64_t lg_rpc_incarnation(const lg_rpc *rpc);
uint64_t lg_rpc_epoch(const lg_rpc *rpc);

typedef struct lg_rpc_member {
    uint32_t node;
    uint64_t incarnation;
    const char *address;
} lg_rpc_member;

/* The new view: epoch never decreases; members include oneself or the others only, as you like. */
LG_MUST lg_status lg_rpc_set_view(lg_rpc *rpc, uint64_t epoch, const lg_rpc_member *members,
                                  unsigned count);
bool lg_rpc_peer_connected(const lg_rpc *rpc, uint32_t node); /* oneself: true */
bool lg_rpc_peer_in_view(const lg_rpc *rpc, uint32_t node);

/* ---- messages ---- */

/* Names the pending call that a reply completes. May be sent to a third instance, which then
 * replies directly to the caller. */
typedef struct lg_rpc_token {
    uint32_t node; /* of the caller; 0 = the message is one-way, no reply wanted */
    uint16_t type;
    uint16_t reserved;
    uint64_t incarnation; /* of the caller */
    uint64_t request_id;
} lg_rpc_token;

typedef struct lg_rpc_msg {
    uint16_t type;
    uint32_t node; /* sender */
    uint64_t incarnation;
    uint64_t epoch;
    lg_scn scn;
    lg_rpc_token token;  /* node 0: one-way */
    lg_status status;    /* of a reply: what the replier passed */
    const void *payload; /* 8-byte aligned */
    uint32_t payload_len;
    uint32_t body_len;
    const void *body; /* 8-byte aligned; NULL: none. The reply_body of the call when it named one */
} lg_rpc_msg;

/* m is valid until the handler returns, unless taken. */
typedef void (*lg_rpc_handler)(void *arg, lg_rpc_msg *m);

/* Registers the handler of a type, once; NULL takes it away. While there is none, calls of that
 * type are answered with LG_NOT_OPEN; a one-way message breaks the connection. */
void lg_rpc_handle(lg_rpc *rpc, uint16_t type, lg_rpc_handler fn, void *arg);
/* In a handler: the message now belongs to the caller, until lg_rpc_msg_free. Taken messages hold
 * the sender's credit: free them soon. */
void lg_rpc_msg_take(lg_rpc_msg *m);
void lg_rpc_msg_free(lg_rpc_msg *m); /* NULL is fine */

/* One-way. Does not block; payload and body are copied before it returns. LG_PEER_DOWN when the
 * node is not in the view or broken. LG_OK promises order, not arrival. */
LG_MUST lg_status lg_rpc_send(lg_rpc *rpc, uint32_t node, uint16_t type, const void *payload,
                              uint32_t payload_len, const void *body, uint32_t body_len);
/* Blocks while the queue to `node` is long. LG_OK, LG_PEER_DOWN, LG_TIMEOUT. */
LG_MUST lg_status lg_rpc_throttle(lg_rpc *rpc, uint32_t node, lg_time deadline);

typedef struct lg_rpc_request {
    uint32_t node;
    uint16_t type;
    bool cancelable;     /* blocking form only */
    lg_wait event;       /* blocking form only; 0 = LG_WAIT_RPC_REPLY */
    const void *payload; /* copied before the call blocks or returns */
    uint32_t payload_len;
    uint32_t body_len;
    const void *body;
    void *reply_body;        /* where the reply's body goes; NULL: stays in the reply. Must stay */
    uint32_t reply_body_cap; /* reserved until the call completes */
    lg_time deadline;        /* LG_FOREVER: until the reply or the peer leaves */
} lg_rpc_request;

/* Blocks until the reply. Returns the replier's status; without a reply LG_PEER_DOWN,
 * LG_STALE_EPOCH, LG_TIMEOUT, the cancel's status or LG_SHUTDOWN. *ret_reply (may be NULL) is the
 * reply, to be freed with lg_rpc_msg_free, or NULL when none came. */
LG_MUST lg_status lg_rpc_call(lg_rpc *rpc, const lg_rpc_request *rq, lg_rpc_msg **ret_reply);

/* Does not block. done is called exactly once, on the native stack and never from within this
 * call, unless the call is abandoned or this returns an error. reply is NULL when none came; it is
 * the callee's for the duration of done, unless taken with lg_rpc_msg_take. */
typedef void (*lg_rpc_done)(void *arg, lg_status st, lg_rpc_msg *reply);
LG_MUST lg_status lg_rpc_call_async(lg_rpc *rpc, const lg_rpc_request *rq, lg_rpc_done done,
                                    void *arg, uint64_t *ret_request_id);
void lg_rpc_call_abandon(lg_rpc *rpc, uint64_t request_id); /* unknown id: nothing */

/* Completes the call that `token` names, from any instance, once. Does not block. LG_PEER_DOWN
 * when the caller is gone: nothing more to do. */
LG_MUST lg_status lg_rpc_reply(lg_rpc *rpc, const lg_rpc_token *token, lg_status status,
                               const void *payload, uint32_t payload_len, const void *body,
                               uint32_t body_len);

/* ---- counters (gv$ views) ---- */

typedef struct lg_rpc_type_counters {
    uint64_t sent;
    uint64_t received;
    uint64_t bytes_sent;
    uint64_t bytes_received;
    uint64_t dropped_stale; /* of an older epoch or incarnation */
    uint64_t held;          /* of a newer epoch */
} lg_rpc_type_counters;

const lg_rpc_type_counters *lg_rpc_counters(const lg_rpc *rpc, uint16_t type);
const char *lg_rpc_type_name(const lg_rpc *rpc, uint16_t type);

typedef struct lg_rpc_peer_info {
    uint32_t node;
    uint64_t incarnation;
    bool connected;
    bool broken;      /* since this epoch */
    uint32_t queued;  /* waiting for credit or connection */
    uint32_t credits; /* left to send with */
    uint64_t reconnects;
    uint64_t credit_waits;
    uint64_t messages_sent, messages_received, bytes_sent, bytes_received;
    const char *address;
} lg_rpc_peer_info;

/* Start with *pos = 0; false at the end. */
bool lg_rpc_peer_next(const lg_rpc *rpc, unsigned *pos, lg_rpc_peer_info *ret_info);

#endif
