/* Cache Fusion inside: what its files share. */
#ifndef LG_CACHEFUSION_INTERNAL_H
#define LG_CACHEFUSION_INTERNAL_H

#include "assert.h"
#include "cachefusion.h"
#include "grd.h"
#include "list.h"
#include "map.h"
#include "mem.h"
#include "msg.h"
#include "reconf.h"
#include "volume.h"
#include "waitq.h"
#include <string.h>

#define CF_RECOVERY_FIBERS 64
#define CF_CLAIM_ACK_EVERY 32

/* One wish of a peer, for a server fiber. */
typedef struct cf_work {
    lg_list link; /* in its element's queue, or free */
    uint16_t type;
    uint32_t from;
    uint64_t epoch;
    lg_time arrived;
    lg_rpc_token token;
    union {
        lg_msg_gcs_forward forward;
        lg_msg_gcs_version version;
    } u;
} cf_work;

/* A block with something under way: our request for it, or peers' wishes. Exists only so long. */
typedef struct cf_elem {
    uint64_t key;
    /* requester */
    bool requesting;
    bool aborted;     /* the epoch ended */
    bool by_recovery; /* asked by a fiber between recovery_begin and _end */
    lg_grd_req req;
    lg_rpc_msg *image; /* the newest that came */
    lg_time sent_at;
    uint32_t from; /* who sent the image */
    uint64_t disk_version;
    bool busy_holder;
    lg_waitq q;
    /* holder */
    lg_list work;
    bool serving; /* a server fiber has it */
    bool ready;   /* in cf->ready */
    lg_list ready_link;
} cf_elem;

/* Messages to oneself: handled when the caller is done. */
typedef struct cf_self_msg {
    lg_list link;
    uint16_t type;
    union {
        lg_msg_gcs_request request;
        lg_msg_gcs_forward forward;
        lg_msg_gcs_grant grant;
        lg_msg_gcs_block block;
        lg_msg_gcs_claim claim;
        lg_msg_gcs_not_here not_here;
        lg_msg_gcs_release release;
        lg_msg_gcs_version version;
        lg_msg_gcs_cancel cancel;
    } u;
} cf_self_msg;

/* Claims a master may not have in its directory yet, in the order sent. */
typedef struct cf_unacked {
    uint64_t *keys;
    uint32_t count, cap;
    uint64_t acked; /* claims of this epoch that were acknowledged */
} cf_unacked;

/* Between recovery_begin and _end. */
typedef struct cf_recovery_fiber {
    lg_fiber *fiber;
    uint64_t epoch; /* whose recovery it works for */
} cf_recovery_fiber;

/* SCNs between this instance and another (cf_scn.c). All zero: it is told all, and not heard. */
typedef struct cf_scn_peer {
    /* as committer */
    lg_scn heard;   /* is known to have heard */
    uint64_t asked; /* its newest question */
    bool flying;    /* a broadcast is on its way */
    bool deaf;      /* it does not listen: it asks before it takes a fresh snapshot */
    /* as reader */
    bool hears;         /* tells us before it acknowledges */
    uint64_t asking;    /* gen of our question under way, 0 none */
    uint64_t uses_seen; /* of scn_uses at its last broadcast */
    uint32_t unused;    /* broadcasts since without a fresh snapshot */
} cf_scn_peer;

struct lg_cf {
    lg_cf_config cfg;
    lg_run *run;
    lg_rpc *rpc;
    lg_buf_cache *buf;
    lg_stats *stats;
    uint32_t node;
    uint64_t epoch;
    uint64_t members;
    bool frozen;
    bool stopping;
    lg_waitq thawq;
    lg_grd *grd;
    lg_grd_map map; /* of this epoch */
    lg_grd_actions actions;
    lg_map *elems;
    uint64_t next_id;

    lg_list servers; /* fibers that serve (cf_serve.c) */
    lg_list ready;   /* elements with work for a server fiber */
    lg_waitq serverq;
    uint32_t serving, finishing; /* fibers that freeze waits for */
    uint32_t fibers;             /* alive */
    lg_waitq drainedq;
    lg_list free_work;

    lg_list self_msgs, free_self;
    bool draining;

    cf_unacked unacked[LG_NODES_MAX]; /* by master */
    uint64_t claims_in[LG_NODES_MAX]; /* as master, by requester, this epoch */

    /* consistent reads */
    lg_cf_cr_fn cr_fn;
    void *cr_arg;
    lg_list cr_queue;
    lg_waitq crq;
    lg_map *cr_served; /* key -> copies of the version served since it changed (packed) */

    /* SCN */
    lg_scn scn_wanted;
    cf_scn_peer scn_peer[LG_NODES_MAX];
    uint64_t scn_members; /* of the view opened last */
    uint64_t scn_gen;     /* of the last question */
    uint64_t scn_uses;    /* fresh snapshots */
    lg_waitq scnq;        /* commits */
    lg_waitq scn_sendq;   /* the fiber that sends */
    lg_waitq freshq;      /* snapshots */

    /* transactions */
    lg_cf_txn_hooks txn;

    /* recovery */
    bool interrupted;   /* a newer view has arrived; its freeze has not begun */
    bool rebuilding;    /* frozen, and the directory is not reset yet */
    lg_rpc_msg **early; /* holdings of faster members, until it is */
    uint32_t early_count, early_cap;
    lg_map *gate; /* key -> closed */
    cf_recovery_fiber recovery_fibers[CF_RECOVERY_FIBERS];
    unsigned recovery_fiber_count;

    lg_cf_transfer transfer[LG_NODES_MAX];
    lg_map *segments; /* file -> lg_cf_segment */
    lg_cf_counts counts;
};

/* cf.c */
cf_elem *lg_cf__elem(lg_cf *cf, uint64_t key); /* made when absent */
void lg_cf__elem_done(lg_cf *cf, cf_elem *e);  /* frees it when nothing is under way */
uint32_t lg_cf__master(const lg_cf *cf, uint64_t key);
void lg_cf__send(lg_cf *cf, uint32_t node, uint16_t type, const void *payload, uint32_t len,
                 const void *body);
void lg_cf__drain(lg_cf *cf); /* handles messages to oneself: at the end of each entry point */
lg_status lg_cf__spawn(lg_cf *cf, const char *name, lg_fiber_fn fn, void *arg);

/* cf_master.c */
void lg_cf__master_message(lg_cf *cf, uint16_t type, uint32_t from, const void *payload);
void lg_cf__master_event(lg_cf *cf, const lg_grd_event *ev);

/* cf_acquire.c */
lg_status lg_cf__acquire(void *self, lg_buf *b, lg_mode want, bool is_new, lg_time deadline);
lg_status lg_cf__release(void *self, lg_buf *b);
void lg_cf__written(void *self, lg_addr addr, lg_version version);
void lg_cf__demand_write(void *self, lg_addr addr, lg_version version);
/* m: the message itself when it came over the wire (may be taken), else NULL. */
void lg_cf__requester_message(lg_cf *cf, uint16_t type, uint32_t from, const void *payload,
                              lg_rpc_msg *m);
void lg_cf__requests_abort(lg_cf *cf);
void lg_cf__claims_forget(lg_cf *cf);

/* cf_serve.c */
void lg_cf__serve_message(lg_cf *cf, uint16_t type, uint32_t from, const void *payload,
                          const lg_rpc_token *token);
void lg_cf__serve_kick(lg_cf *cf, cf_elem *e);
void lg_cf__serve_drop(lg_cf *cf); /* what no fiber has begun */
void lg_cf__server_fiber(void *arg);
bool lg_cf__is_server_fiber(const lg_cf *cf); /* this fiber */

/* cf_cr.c */
lg_status lg_cf__read_consistent(void *self, lg_addr addr, lg_scn snapshot, void *frame,
                                 lg_time deadline);
void lg_cf__cr_register(lg_cf *cf);
void lg_cf__cr_fiber(void *arg);
void lg_cf__cr_drop(lg_cf *cf);

/* cf_reconf.c */
bool lg_cf__gate(void *arg, lg_addr addr);
void lg_cf__reconf_register(lg_cf *cf);
bool lg_cf__is_recovery_fiber(const lg_cf *cf);
bool lg_cf__is_stale_recovery(const lg_cf *cf); /* ... of an epoch that is over */
void lg_cf__gate_clear(lg_cf *cf);
void lg_cf__early_drop(lg_cf *cf);

/* cf_scn.c */
void lg_cf__scn_register(lg_cf *cf);
void lg_cf__scn_fiber(void *arg);
void lg_cf__scn_thaw(lg_cf *cf, uint64_t joiners);

/* cf_stats.c */
lg_cf_segment *lg_cf__segment(lg_cf *cf, uint64_t key);
void lg_cf__segments_drop(lg_cf *cf);

/* cf_txn.c */
void lg_cf__txn_register(lg_cf *cf);

#endif
