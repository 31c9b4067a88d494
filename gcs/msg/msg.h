/* Messages between instances: numbers, payloads, size checks. The list is msg.def; README.md prints
 * it as a table. Senders of a payload fill every byte (zero the struct first); receivers may trust
 * sizes after lg_msg_check. Node numbers inside are checked by the receiving module. */
#ifndef LG_MSG_MSG_H
#define LG_MSG_MSG_H

#include "rpc.h"

#define LG_MSG(sym, name, payload, body, flags, from, to, purpose, effect, idem) LG_MSG_##sym,
typedef enum lg_msg_type {
#include "msg.def"
    LG_MSG_COUNT
} lg_msg_type;
#undef LG_MSG

/* For lg_rpc_config: LG_MSG_COUNT entries. */
const lg_rpc_type *lg_msg_types(void);
/* The documentation of a type: from, to, purpose, effect. */
typedef struct lg_msg_doc {
    const char *name, *from, *to, *purpose, *effect;
    uint32_t min_payload;
    bool body, any_epoch, idempotent;
} lg_msg_doc;
const lg_msg_doc *lg_msg_doc_of(uint16_t type);
/* LG_PROTOCOL when the payload is too short for its type, its count lies or a body is missing. */
LG_MUST lg_status lg_msg_check(const lg_rpc_msg *m);

/* ---- blocks. key: lg_addr_key. id: the requester's request id, unique in its life ---- */

typedef struct lg_msg_gcs_request {
    uint64_t key;
    uint64_t id;
    uint8_t mode;   /* lg_grd_mode wanted */
    uint8_t have;   /* mode held when sent */
    uint8_t is_new; /* content not needed */
    uint8_t pad[5];
} lg_msg_gcs_request;

typedef struct lg_msg_gcs_forward {
    uint64_t key;
    uint64_t id;
    uint32_t requester;
    uint8_t mode;     /* wanted by the requester */
    uint8_t acks;     /* invalidation acks the requester has to wait for */
    uint8_t from_pi;  /* nobody holds it: serve the past image, if the disk has nothing newer */
    uint8_t no_image; /* the requester has the block: only give it up */
} lg_msg_gcs_forward;

typedef struct lg_msg_gcs_grant {
    uint64_t key;
    uint64_t id;
    uint8_t mode;
    uint8_t how;   /* lg_grd_how: where the content is */
    uint8_t acks;  /* invalidation acks to wait for */
    uint8_t claim; /* a claim is expected */
    uint8_t pad[4];
} lg_msg_gcs_grant;

typedef struct lg_msg_gcs_block {
    uint64_t key;
    uint64_t id;
    uint64_t version;    /* of the body, or given up */
    uint64_t pi_version; /* the sender keeps a past image of this version; 0 none */
    uint64_t
        redo_lsn; /* {thread = sender, LSN} of its last change: durable already (invariant 1) */
    uint32_t flush_us; /* the holder's time for redo and for the whole service */
    uint32_t serve_us;
    uint8_t mode;  /* granted (GCS_BLOCK) */
    uint8_t dirty; /* the duty to write it comes along */
    uint8_t acks;  /* invalidation acks to wait for */
    uint8_t hops;
    uint8_t from_pi; /* a past image: the disk may be newer */
    uint8_t busy;    /* the holder had to flush redo first */
    uint8_t pad[2];
    uint64_t disk_version; /* known to the sender to be on disk */
} lg_msg_gcs_block;

typedef struct lg_msg_gcs_claim {
    uint64_t key;
    uint64_t id;
    uint64_t version;    /* of the block as received; 0 when it comes from disk */
    uint64_t pi_version; /* left behind at pi_node; 0 none */
    uint32_t pi_node;
    uint8_t mode;
    uint8_t pad[3];
} lg_msg_gcs_claim;

typedef struct lg_msg_gcs_claim_ack {
    uint64_t count; /* claims of the requester that the master has processed in this epoch */
} lg_msg_gcs_claim_ack;

typedef struct lg_msg_gcs_not_here {
    uint64_t key;
    uint64_t id;         /* of the conversion */
    uint64_t pi_version; /* but a past image of this version; 0 none */
    uint32_t requester;
    uint32_t pad;
} lg_msg_gcs_not_here;

typedef struct lg_msg_gcs_release {
    uint64_t key;
    uint64_t pi_version;
} lg_msg_gcs_release;

typedef struct lg_msg_gcs_version {
    uint64_t key;
    uint64_t version;
} lg_msg_gcs_version;

typedef struct lg_msg_gcs_cancel {
    uint64_t key;
    uint64_t id;
} lg_msg_gcs_cancel;

typedef struct lg_msg_gcs_held_item {
    uint64_t key;
    uint64_t pi_version;
    uint8_t mode;
    uint8_t pad[7];
} lg_msg_gcs_held_item;

typedef struct lg_msg_gcs_holding {
    uint32_t count; /* items follow: lg_msg_gcs_held_item[count] */
    uint32_t pad;
} lg_msg_gcs_holding;
#define LG_MSG_HOLDING_MAX 512

typedef struct lg_msg_gcs_cr {
    uint64_t key;
    uint64_t snapshot;
} lg_msg_gcs_cr;

typedef struct lg_msg_gcs_cr_forward {
    uint64_t key;
    uint64_t snapshot;
    lg_rpc_token token; /* of the reader's call */
} lg_msg_gcs_cr_forward;

typedef struct lg_msg_gcs_cr_reply { /* beside the copy */
    uint32_t flush_us;               /* the holder waited for its redo first; 0: it need not */
    uint32_t pad;
} lg_msg_gcs_cr_reply;

typedef struct lg_msg_gcs_held_reply { /* a bit per block asked for */
    uint32_t count;
    uint32_t pad;
    uint8_t held[512 / 8];       /* in S or X here */
    uint8_t past_image[512 / 8]; /* a past image here */
} lg_msg_gcs_held_reply;

/* GCS_HELD and GCS_GATE: lg_msg_gcs_version[count] follow. */
enum { LG_LIST_FIRST = 1, LG_LIST_LAST = 2, LG_LIST_OPEN = 4 };
typedef struct lg_msg_gcs_list {
    uint32_t count;
    uint32_t flags;
} lg_msg_gcs_list;
#define LG_MSG_LIST_MAX 512

/* ---- enqueues ---- */

typedef struct lg_msg_ges {
    uint32_t type;
    uint32_t id1;
    uint64_t id2;
    uint64_t id;     /* the requester's request id */
    uint64_t number; /* GRANT: of the grant; RELEASE: of the last grant seen */
    uint8_t mode;
    uint8_t held; /* the requester's present mode */
    uint8_t nowait;
    uint8_t pad[5];
} lg_msg_ges;

typedef struct lg_msg_ges_held_item {
    uint32_t type;
    uint32_t id1;
    uint64_t id2;
    uint8_t mode;
    uint8_t pad[7];
} lg_msg_ges_held_item;

typedef struct lg_msg_ges_holding {
    uint32_t count;
    uint32_t pad;
} lg_msg_ges_holding;

enum { LG_PROBE_MASTER = 1, LG_PROBE_HOLDER = 2, LG_PROBE_TXN = 3, LG_PROBE_WAITER = 4 };
typedef struct lg_msg_ges_probe {
    uint64_t initiator; /* gid of the owner that began it */
    uint64_t round;
    uint32_t type; /* the resource ... */
    uint32_t id1;
    uint64_t id2;
    uint64_t xid;   /* ... or the transaction waited for */
    uint32_t node;  /* the waiting instance */
    uint8_t target; /* LG_PROBE_x */
    uint8_t mode;   /* waited for */
    uint8_t hops;
    uint8_t pad;
} lg_msg_ges_probe;

/* ---- the cluster, transactions, the instance ---- */

typedef struct lg_msg_reconf_step {
    uint64_t epoch;
    uint64_t base_epoch; /* the view this member had open last; 0 none */
    uint64_t base_members;
    uint64_t pending; /* dead nodes whose recovery this member has not seen finished */
    uint32_t step;
    uint32_t partial; /* it has begun to rebuild since it was open last: not incremental */
} lg_msg_reconf_step;

typedef struct lg_msg_scn {
    uint64_t scn;
    uint64_t gen;   /* of the question: ASK, ANSWER, REPLY (the sender's last) */
    uint32_t leave; /* REPLY: tell me no more */
    uint32_t reserved;
} lg_msg_scn;

typedef struct lg_msg_tx {
    uint64_t xid;
    uint64_t snapshot;
} lg_msg_tx;

typedef struct lg_msg_tx_reply {
    uint64_t scn;         /* commit SCN */
    uint32_t state;       /* as txn defines it */
    uint32_t upper_bound; /* as txn defines it */
} lg_msg_tx_reply;

/* A publication, or the outcome of one; items follow in NOTIFY_QUEUE (core/notify). */
typedef struct lg_msg_notify {
    uint64_t xid; /* 0: of a transaction that wrote nothing */
    uint64_t incarnation;
    uint64_t id; /* unique in the publisher's life */
    uint32_t node;
    uint32_t pid;
    uint32_t chunk;
    uint8_t committed;
    uint8_t last;
    uint8_t pad[2];
} lg_msg_notify;

typedef struct lg_msg_any {
    uint64_t what;
} lg_msg_any;

#endif
