/* LISTEN and NOTIFY over all instances.
 *
 * MODEL
 * A hub per instance keeps who listens here and a queue of publications. A publication is all that
 * one transaction notifies. Every instance receives every publication, in one order: the publisher
 * holds the NOTIFY enqueue in X from before the first message until the outcome is told, so
 * publications follow each other in commit order everywhere. Whoever begins to listen takes the
 * enqueue in S for a moment: a transaction that commits after LISTEN did is heard, wherever both
 * run.
 *
 *   publisher                      every hub
 *   lg_notify_publish  --QUEUE-->  PENDING (call: acknowledged)
 *   storage commit
 *   lg_notify_finish   --DONE--->  COMMITTED: delivered in queue order      ABORTED: dropped
 *
 * FAILURE  A publisher that dies in between, or a DONE that is lost, leaves a PENDING publication
 * at the head of the queue: after a while its transaction's outcome is asked for, as any reader of
 * its rows would; so a notification is heard exactly when its transaction is there after recovery.
 * An xid that leaves its instance before anything of it is durable names another transaction after a
 * death: the next incarnation finds the slot unused and gives the same xid again. So the transaction
 * is made to outlive a crash (cfg.keep) before anybody is told its xid.
 * A transaction that wrote nothing has no outcome to ask for: it is sent as COMMITTED, and what its
 * publisher's death cuts off is lost, as its client was told nothing. A dead instance's listeners
 * are gone with it.
 *
 * The queue is bounded by what publishers put in while a head is in doubt; a listener's own backlog
 * is bounded by the session.
 *
 * THREADS  Everything on the instance's worker. LOCKS  publish blocks on the enqueue and on peers:
 * no latch may be held. */
#ifndef LG_NOTIFY_NOTIFY_H
#define LG_NOTIFY_NOTIFY_H

#include "ges.h"
#include "list.h"
#include "rpc.h"
#include "run.h"

#define LG_NOTIFY_CHANNEL_MAX 71   /* bytes: a database and a name, as the session makes it */
#define LG_NOTIFY_PAYLOAD_MAX 7999 /* bytes, as PostgreSQL's */

typedef struct lg_notify_hub lg_notify_hub;

typedef enum lg_notify_outcome {
    LG_NOTIFY_UNKNOWN, /* still active, or cannot be told now */
    LG_NOTIFY_COMMITTED,
    LG_NOTIFY_ABORTED
} lg_notify_outcome;

typedef struct lg_notify_config {
    lg_run *run;
    lg_rpc *rpc; /* NULL: an instance alone */
    lg_ges *ges;
    uint32_t node;
    uint64_t incarnation;
    /* The outcome of a transaction of any instance. May block. */
    lg_notify_outcome (*outcome)(void *arg, uint64_t xid);
    /* Our transaction, which has written: what it did so far is durable, and so its xid is its own
     * for ever, when it returns LG_OK. Blocks. May be NULL. */
    lg_status (*keep)(void *arg, uint64_t xid);
    void *arg;
} lg_notify_config;

LG_MUST lg_status lg_notify_create(const lg_notify_config *cfg, lg_notify_hub **ret_hub);
/* No session is left: peers' publications are ignored from now on. Blocks until the hub's fiber has
 * ended. NULL is fine, as below. */
void lg_notify_stop(lg_notify_hub *hub);
void lg_notify_destroy(lg_notify_hub *hub); /* stopped before; the rpc is gone */

/* ---- listeners: embedded in a session ---- */

typedef struct lg_notify_listener {
    lg_list subscriptions;
    /* One notification; must not block. */
    void (*deliver)(void *arg, const char *channel, const char *payload, uint32_t pid);
    void *arg;
} lg_notify_listener;

void lg_notify_listener_init(lg_notify_listener *l,
                             void (*deliver)(void *arg, const char *channel, const char *payload,
                                             uint32_t pid),
                             void *arg);
/* Waits for publications under way; then listens. Listening already is fine. */
LG_MUST lg_status lg_notify_listen(lg_notify_hub *hub, lg_ges_owner *owner, lg_notify_listener *l,
                                   const char *channel);
bool lg_notify_listening(const lg_notify_listener *l, const char *channel);
void lg_notify_unlisten(lg_notify_hub *hub, lg_notify_listener *l,
                        const char *channel); /* NULL: all */
/* Visits the channels of a listener: *pos starts as NULL. NULL at the end. */
const char *lg_notify_next_channel(const lg_notify_listener *l, const lg_list **pos);

/* ---- publishing ---- */

typedef struct lg_notify_item {
    const char *channel;
    const char *payload;
} lg_notify_item;

typedef struct lg_notify_publication {
    uint64_t xid; /* 0: the transaction has written nothing */
    uint32_t pid; /* of the session, for the client */
    uint64_t id;  /* set by publish */
} lg_notify_publication;

/* Before the commit: every hub has the items when it returns LG_OK. With other instances, the
 * transaction's redo so far is durable by then (cfg.keep). Takes the enqueue as a lock of
 * owner's transaction. Cancelable. On an error nothing will be delivered. */
LG_MUST lg_status lg_notify_publish(lg_notify_hub *hub, lg_ges_owner *owner,
                                    lg_notify_publication *p, const lg_notify_item *items,
                                    uint32_t count);
/* After the commit or its failure; the enqueue is still held. Never blocks. Listeners here have
 * their notifications when it returns. */
void lg_notify_finish(lg_notify_hub *hub, const lg_notify_publication *p, bool committed);

/* Publications queued here whose outcome is not known yet: for views and tests. */
uint32_t lg_notify_queued(const lg_notify_hub *hub);

#endif
