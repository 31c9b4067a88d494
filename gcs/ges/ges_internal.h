/* GES inside. See ges.h for the model.
 *
 * MESSAGES (lg_msg_ges) and who handles them
 *   REQUEST  instance -> master   id; mode = all the instance will need; replaces an older one
 *   GRANT    master -> instance   id of the request, number of the grant (counted per instance);
 * mode = the instance's mode from now on (absolute) DENY     master -> instance   id; nowait
 * requests only BAST     master -> instance   mode = join of what others wait for and this instance
 * blocks; 0: no longer RELEASE  instance -> master   the answer to a BAST: number of the last grant
 * heard of that master; mode = what is left BUSY     instance -> master   after RELEASE: owners
 * stand in the way CANCEL   instance -> master   id HOLDING  instance -> new master
 *
 * RACES
 *   RELEASE x GRANT   the number is older: the master ignores it and asks again
 *   REQUEST x GRANT   the id is older: the instance does not use the grant, the absolute one for
 * its newer request follows (a request that the granted mode covers is granted as it is) CANCEL x
 * GRANT    no request is out: the grant is a sticky mode nobody uses An instance that asks for more
 * gives up at once the sticky surplus that the new mode would not cover, so that the absolute GRANT
 * never takes away what an owner holds. Its idea of its mode may be lower than the master's, never
 * higher; every BAST is answered with it. */
#ifndef LG_GES_INTERNAL_H
#define LG_GES_INTERNAL_H

#include "assert.h"
#include "ges.h"
#include "hash.h"
#include "map.h"
#include "mem.h"
#include "msg.h"
#include "participant.h"
#include <string.h>

/* One mode of one owner on one resource. */
typedef struct ges_hold {
    lg_list owner_link;
    lg_list res_link;
    lg_ges_owner *owner;
    struct ges_res *res;
    lg_lock_mode mode;
    bool session;
    uint32_t count;
    uint64_t seq;
} ges_hold;

typedef struct lg_ges_waiter {
    lg_list link;
    lg_ges_owner *owner;
    struct ges_res *res;
    lg_lock_mode mode;
    bool session;
    bool nowait;
    bool remote; /* waits for other instances (as seen by the last evaluation) */
    bool done;
    lg_status result;
} lg_ges_waiter;

/* A resource as this instance uses it. */
typedef struct ges_res {
    lg_ges_res key;
    lg_list holds;
    lg_list waiters;   /* FIFO */
    lg_list idle_link; /* in ges->idle while nobody holds or waits */
    lg_lock_mode granted;
    lg_lock_mode requested; /* at the master; NONE: no request out */
    bool requested_nowait;
    lg_lock_mode bast; /* others wait for this */
    uint64_t request_id;
} ges_res;

typedef struct ges_mwait {
    lg_list link;
    uint32_t node;
    lg_lock_mode mode;
    uint64_t id;
    bool nowait;
} ges_mwait;

/* A resource as its master sees it. */
typedef struct ges_mres {
    lg_ges_res key;
    uint8_t granted[LG_NODES_MAX];
    uint8_t asked[LG_NODES_MAX];         /* the BAST that is out */
    uint64_t grant_number[LG_NODES_MAX]; /* of the last grant */
    lg_list queue;
} ges_mres;

typedef struct ges_local_msg {
    lg_list link;
    uint16_t type;
    lg_msg_ges_probe body; /* the larger of lg_msg_ges and this */
} ges_local_msg;

struct lg_ges {
    lg_run *run;
    lg_rpc *rpc;
    lg_stats *stats;
    uint32_t node;
    uint32_t max_idle;
    lg_time probe_after;
    uint64_t members;
    bool frozen;
    bool blank; /* from stop to rebuild: as a master it knows nothing */
    lg_strmap *res;
    lg_strmap *mres;
    lg_list idle;
    uint32_t idle_count;
    lg_list owners;
    uint64_t next_gid, next_request, visit_mark, probe_round;
    uint64_t grants_sent[LG_NODES_MAX]; /* as master, in this epoch: numbers of grants */
    uint64_t grants_seen[LG_NODES_MAX]; /* by master: number of the last grant heard */
    lg_list inbox;                      /* messages to oneself */
    bool draining;
    lg_ges_notify_fn notify[LG_GES_TYPES];
    void *notify_arg[LG_GES_TYPES];
    lg_ges_owner *victim; /* found by the probe being handled */
    lg_ges_find_owner_fn find_owner;
    void *find_arg;
    lg_ges_counts counts;
};

/* ges.c */
ges_res *lg_ges__find(const lg_ges *g, lg_ges_res key);
ges_res *lg_ges__get(lg_ges *g, lg_ges_res key);
void lg_ges__evaluate(lg_ges *g, ges_res *r); /* serves local waiters; may ask the master */
void lg_ges__yield_mode(lg_ges *g,
                        ges_res *r); /* gives back what a BAST wants, as far as possible */
void lg_ges__lower(lg_ges *g, ges_res *r, lg_lock_mode to); /* the mode falls: notifies caches */
lg_lock_mode lg_ges__needed(const ges_res *r);              /* by the owners that hold */
void lg_ges__waiter_finish(lg_ges_waiter *w, lg_status st);
uint32_t lg_ges__master(const lg_ges *g, lg_ges_res key);
void lg_ges__client(lg_ges *g, uint16_t type, const lg_msg_ges *m);

/* ges_msg.c */
void lg_ges__send(lg_ges *g, uint32_t node, uint16_t type, lg_ges_res key, lg_lock_mode mode,
                  uint64_t id, uint64_t number, bool nowait);
void lg_ges__send_probe(lg_ges *g, uint32_t node, const lg_msg_ges_probe *p);
void lg_ges__drain(lg_ges *g);
void lg_ges__register(lg_ges *g);

/* ges_master.c */
void lg_ges__master_step(lg_ges *g, uint16_t type, uint32_t from, const lg_msg_ges *m);
void lg_ges__master_holding(lg_ges *g, uint32_t from, lg_ges_res key, lg_lock_mode mode);
void lg_ges__master_clear(lg_ges *g);
void lg_ges__master_probe(lg_ges *g, const lg_msg_ges_probe *p);

/* ges_deadlock.c */
bool lg_ges__local_cycle(lg_ges *g, lg_ges_owner *o);
void lg_ges__probe_start(lg_ges *g, lg_ges_owner *o);
void lg_ges__tell_begin(lg_ges_owner *o); /* its wait begins */
void lg_ges__tell_end(lg_ges_owner *o, lg_status how);
void lg_ges__on_probe_timer(void *arg);
void lg_ges__probe(lg_ges *g, const lg_msg_ges_probe *p);

#endif
