/* Inside net/rpc.
 *
 *   rpc.c       life, view, counters
 *   rpc_conn.c  connections: dialling, handshake, credits, loss
 *   rpc_send.c  messages out: building, queues, loop-back; messages in: checks, epochs, dispatch
 *   rpc_call.c  requests and replies
 *
 * A conn is one link. A peer is a member of the view; it has at most one authenticated conn. A conn
 * of a member that the local view does not know yet is `early`: it is attached when the view comes.
 * Of two members the one with the lower number dials, so there is never a choice between two links;
 * a second link from a dialler means that it gave up the first.
 *
 * Conn:  HELLO (link opening, handshake) -> READY -> closed and freed (never comes back)
 * Peer:  in view -> connected <-> not connected; `broken` until the next epoch when messages that
 *        were sent over a lost link may not have arrived. */
#ifndef LG_NET_RPC_INTERNAL_H
#define LG_NET_RPC_INTERNAL_H

#include "rpc.h"
#include "transport.h"
#include "waitq.h"

#define LG_RPC_VERSION   1
#define LG_RPC_NONCE     32
#define LG_RPC_MAC       32
#define LG_RPC_DIAL_MIN  (20 * LG_MS)
#define LG_RPC_DIAL_MAX  (500 * LG_MS)
#define LG_RPC_HELLO_MAX (3 * LG_SEC)
#define LG_RPC_BEATS     6 /* in silence_ns */

enum { /* control types */
       LG_RPC_T_HELLO1 = 0xFF00,
       LG_RPC_T_HELLO2,
       LG_RPC_T_HELLO3,
       LG_RPC_T_CREDIT,
};

enum { /* flags of a frame */
       LG_RPC_F_REPLY = 1,
       LG_RPC_F_ANY_EPOCH = 2,
};

/* What precedes every payload on the wire, little-endian. The body follows the payload, padded to
 * 8 bytes. */
typedef struct lg_rpc_frame {
    uint16_t type;
    uint16_t flags;
    uint32_t node;
    uint64_t incarnation;
    uint64_t epoch;
    uint64_t scn;
    uint64_t request_id;
    uint32_t token_node;
    int32_t status;
    uint64_t token_incarnation;
    uint32_t payload_len;
    uint32_t body_len;
    uint16_t credits; /* returned to the receiver of this message */
    uint16_t token_type;
    uint32_t crc; /* crc32c of this header with crc = 0, then of the payload */
} lg_rpc_frame;
_Static_assert(sizeof(lg_rpc_frame) == 72, "wire format");

typedef struct lg_rpc_hello {
    uint32_t magic;
    uint32_t version;
    uint32_t node;
    uint32_t peer_node; /* whom the sender means to talk to */
    uint64_t incarnation;
    uint64_t peer_incarnation;
    uint32_t credits;
    uint32_t block_bytes;
    uint8_t nonce[LG_RPC_NONCE];
    uint8_t mac[LG_RPC_MAC];
} lg_rpc_hello;

typedef struct lg_rpc_peer lg_rpc_peer;

typedef struct lg_rpc_conn {
    lg_list node; /* in rpc->conns */
    lg_rpc *rpc;
    lg_link *link;
    lg_rpc_peer *peer; /* NULL while in handshake or early */
    uint64_t serial;
    bool dialled;
    bool ready;      /* keys proved both ways */
    bool hello_sent; /* acceptor: HELLO2 sent, waits for HELLO3 */
    uint32_t peer_node;
    uint64_t peer_incarnation;
    uint8_t nonce[2][LG_RPC_NONCE]; /* 0 dialler's, 1 acceptor's */
    uint32_t credits;               /* left to send with */
    uint32_t owed;                  /* processed here, not yet returned */
    bool sent, heard;               /* anything since the last beat */
    uint32_t quiet;                 /* beats without a message from the peer */
    uint64_t used_epoch; /* newest epoch in which an epoch-bound message was sent over it */
    lg_timer timer;      /* handshake limit */
} lg_rpc_conn;

struct lg_rpc_peer {
    lg_list node; /* in rpc->peers */
    lg_rpc *rpc;
    uint32_t number;
    uint64_t incarnation;
    char address[128];
    bool in_view; /* scratch of set_view */
    bool broken;
    bool was_up;
    lg_rpc_conn *conn; /* READY one, or NULL */
    lg_rpc_conn *dialling;
    lg_timer redial;
    lg_time redial_ns;
    lg_list queue; /* netbufs waiting for credit or connection */
    uint32_t queued;
    lg_waitq room; /* fibers in throttle */
    lg_rpc_peer_info info;
};

typedef struct lg_rpc_call_slot {
    lg_list link; /* free, pending or completed list */
    uint64_t id;  /* 0: free */
    uint32_t node;
    bool any_epoch;
    bool completed;
    lg_status status;
    lg_netbuf *reply;
    void *reply_body;
    uint32_t reply_body_cap;
    lg_rpc_done done; /* NULL: a blocked fiber */
    void *arg;
    lg_fiber *fiber;
    lg_timer timer;
    lg_rpc *rpc;
} lg_rpc_call_slot;

struct lg_rpc {
    lg_rpc_config cfg;
    lg_run *run;
    lg_transport *t;
    uint8_t *key;
    uint64_t epoch;
    lg_list peers;
    lg_list conns;
    lg_list local; /* netbufs to oneself */
    lg_list held;  /* netbufs of a newer epoch, in order of arrival */
    lg_timer kick; /* runs what must not run inside a call: local, held, completed */
    lg_timer beat; /* see SILENCE */
    uint64_t conn_serial;
    lg_rpc_handler *handlers;
    void **handler_args;
    lg_rpc_type_counters *counters;
    lg_rpc_call_slot *slots;
    lg_list free_slots;
    lg_list pending;
    lg_list completed;
    lg_waitq slot_wait;
    uint64_t call_counter;
    bool closing;
};

/* A received message's view of its buffer, in lg_netbuf.user. */
typedef struct lg_rpc_rx {
    lg_rpc_msg m;
    lg_rpc *rpc;
    uint64_t conn_serial; /* 0: loop-back, or its credit is already returned */
    uint16_t flags;
    bool taken;
} lg_rpc_rx;
_Static_assert(sizeof(lg_rpc_rx) <= LG_NETBUF_USER_BYTES, "rx fits");

static inline lg_rpc_rx *
lg_rpc__rx(lg_netbuf *b)
{
    return (lg_rpc_rx *)(void *)b->user;
}

static inline lg_netbuf *
lg_rpc__buf_of(lg_rpc_msg *m)
{
    return LG_CONTAINER_OF(m, lg_netbuf, user);
}

static inline lg_rpc_frame *
lg_rpc__frame(lg_netbuf *b)
{
    return (lg_rpc_frame *)(void *)b->data;
}

static inline uint32_t
lg_rpc__pad8(uint32_t n)
{
    return (n + 7) & ~7u;
}

lg_rpc_peer *lg_rpc__peer(const lg_rpc *rpc, uint32_t node);
void lg_rpc__kick(lg_rpc *rpc);

/* rpc_conn.c */
void lg_rpc__on_open(void *arg, lg_link *l, bool outgoing);
void lg_rpc__on_down(void *arg, lg_link *l, lg_status why);
void lg_rpc__dial(lg_rpc_peer *p); /* when it is ours to dial and there is no conn */
void lg_rpc__attach_early(lg_rpc_peer *p);
void lg_rpc__conn_close(lg_rpc_conn *c);               /* quietly */
void lg_rpc__conn_lost(lg_rpc_conn *c, lg_status why); /* closes; the peer may become broken */
lg_rpc_conn *lg_rpc__conn_by_serial(lg_rpc *rpc, uint64_t serial);
void lg_rpc__control(lg_rpc_conn *c, lg_netbuf *b); /* a handshake or credit message */
void lg_rpc__beat(void *arg);                       /* timer: SILENCE */
void lg_rpc__credit_return(lg_rpc_conn *c);         /* one more message was processed */
void lg_rpc__on_control(lg_rpc_conn *c, const lg_rpc_frame *f, const uint8_t *payload);

/* rpc_send.c */
void lg_rpc__on_message(void *arg, lg_link *l, lg_netbuf *b);
typedef struct lg_rpc_out {
    uint16_t type;
    uint16_t flags;
    lg_rpc_token token;
    lg_status status;
    const void *payload;
    uint32_t payload_len;
    uint32_t body_len;
    const void *body;
} lg_rpc_out;
LG_MUST lg_status lg_rpc__send(lg_rpc *rpc, uint32_t node, uint64_t incarnation,
                               const lg_rpc_out *o); /* incarnation 0: whoever is in the view */
LG_MUST lg_status lg_rpc__throttle(lg_rpc *rpc, uint32_t node, bool any_epoch, lg_time deadline);
void lg_rpc__transmit(lg_rpc_conn *c, lg_netbuf *b);
void lg_rpc__flush(lg_rpc_peer *p);
void lg_rpc__purge(lg_rpc_peer *p, bool all); /* else only epoch-bound messages */
void lg_rpc__deliver_local(lg_rpc *rpc);
void lg_rpc__deliver_held(lg_rpc *rpc);

/* rpc_call.c */
LG_MUST lg_status lg_rpc__calls_init(lg_rpc *rpc);
void lg_rpc__complete(lg_rpc *rpc, lg_netbuf *reply); /* takes the buffer */
void lg_rpc__fail_calls(lg_rpc *rpc, uint32_t node, bool any_epoch_too, lg_status why);
void lg_rpc__run_completed(lg_rpc *rpc);

#endif
