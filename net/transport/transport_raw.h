/* Links over a fabric that only moves datagrams (libfabric's RDM endpoints, UCX active messages).
 *
 * Every datagram begins with a lg_raw_head in the buffer's headroom. A link is known by a number at
 * each end; a cookie chosen by the dialler tells this connection from all earlier ones; a sequence
 * number proves that nothing was lost or overtaken: a gap takes the link down.
 *
 *   dialler OPENING -- CONNECT {number, cookie, address} --> acceptor OPEN (on_open)
 *   dialler OPEN (on_open) <-- ACCEPT {number}
 *   DATA both ways; CLOSE ends it.
 * CONNECT is repeated until the answer comes or CONNECT_MAX has passed. */
#ifndef LG_NET_TRANSPORT_RAW_H
#define LG_NET_TRANSPORT_RAW_H

#include "transport_internal.h"

#define LG_RAW_MAGIC 0x4c47u

enum { LG_RAW_CONNECT = 1, LG_RAW_ACCEPT, LG_RAW_DATA, LG_RAW_CLOSE };

typedef struct lg_raw_head {
    uint16_t magic;
    uint16_t kind;
    uint32_t to; /* the receiver's number of the link; 0 in CONNECT */
    uint32_t cookie;
    uint32_t seq; /* DATA */
} lg_raw_head;
_Static_assert(sizeof(lg_raw_head) <= LG_NETBUF_HEADROOM, "head fits");

typedef struct lg_raw_hello { /* of CONNECT and ACCEPT */
    uint32_t number;
    uint32_t pid;
    char address[128];
} lg_raw_hello;

typedef struct lg_raw_link {
    lg_link base;
    uint32_t number;
    uint32_t peer_number;
    uint32_t cookie;
    uint32_t tx_seq;
    uint32_t rx_seq;
    bool attached;   /* the fabric's part is there */
    bool peer_gone;  /* nothing may be sent any more, not even a farewell */
    lg_list waiting; /* netbufs the fabric did not take yet */
    lg_timer timer;  /* dialler: repeats CONNECT */
    lg_time give_up;
    lg_fd_watch *pid_watch; /* the peer's process, where it is on this machine */
    int pid_fd;
    char peer_address[128];
    uint32_t farewell;  /* closed: rounds for which CLOSE was tried */
    uint64_t fabric[4]; /* the fabric's */
} lg_raw_link;

typedef struct lg_raw_fabric {
    /* Makes peer_address reachable. For an accepted link the datagram that brought it is `from`. */
    lg_status (*attach)(lg_raw_link *l, void *from);
    void (*detach)(lg_raw_link *l);
    /* Sends headroom and data. LG_OK: taken; LG_WOULD_WAIT: later; else the link is broken. */
    lg_status (*send)(lg_raw_link *l, lg_netbuf *b);
    bool local; /* peers are processes of this machine: watch them */
} lg_raw_fabric;

typedef struct lg_raw {
    lg_transport base;
    const lg_raw_fabric *fabric;
    uint32_t next_number;
    unsigned waiting_links; /* hint: some link has waiting buffers */
} lg_raw;

static inline lg_raw_head *
lg_raw__head(lg_netbuf *b)
{
    return (lg_raw_head *)(void *)(b->data - sizeof(lg_raw_head));
}

/* A datagram: b->data/len is what follows the head, which lies before it. Takes b. */
void lg_raw__arrived(lg_raw *t, lg_netbuf *b, void *from);
void lg_raw__broken(lg_raw_link *l);
unsigned lg_raw__flush(lg_raw *t);
/* Says farewell on closed links and frees them; called by the poller, outside of any walk over
 * links and after taking in what has come: a peer that is gone is not written to. */
void lg_raw__reap(lg_raw *t, bool at_once);

/* Before destruction: what the peers said last is taken in, in silence. */
void lg_raw__mute(lg_raw *t);

lg_status lg_raw__connect(lg_transport *t, const char *address, lg_link **ret_link);
void lg_raw__close(lg_link *l);
lg_status lg_raw__send(lg_link *l, lg_netbuf *b, uint32_t body_len, const lg_frame_ref *frame);

#endif
