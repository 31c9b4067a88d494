/* GRD: the global resource directory of blocks, and the state machines of a block's global mode.
 * Pure: step(state, event) -> actions. No I/O, clock, fiber or message in here; cachefusion drives
 * it with real messages, tests/unit/gcs/grd with every interleaving.
 *
 * ROLES of an instance for one block
 *   master     keeps the directory entry. Found by key -> bucket -> lg_grd_map. (lg_grd_step)
 *   requester  wants S or X; at most one request per block and instance. (lg_grd_req_x)
 *   holder     has S or X, or a past image (PI). (lg_grd_serve)
 *
 * PICTURE (function at the master in brackets)
 *
 *   requester --REQUEST--> master [request]
 *       master --FORWARD-----> holder --BLOCK--> requester --CLAIM--> master [claim]
 *              --INVALIDATE--> S holders --INV_ACK--> requester
 *              <--NOT_HERE---- a holder that has it no longer [not_here: route on]
 *              --GRANT-------> requester (on disk, or it has the content itself)
 *   holder --RELEASE--> master [release]            (evicted, clean)
 *   holder --WRITTEN--> master [written] --PI_DISCARD--> PI holders
 *   PI holder --DEMAND_WRITE--> master [demand_write] --WRITE--> holder
 *
 * ENTRY {x, s, pi, conversion, queue}: conversion IDLE -> (request: start) -> WAIT_CLAIM -> (claim)
 * -> IDLE, then the next of the queue. A grant that needs nobody else completes at once, without a
 * claim: the master's later messages to that instance arrive after it.
 *
 * WHAT THE DIRECTORY IS BUILT ON
 *  F1  Messages between two instances arrive in order, or not at all until the next epoch (rpc.h).
 *  F2  The current image of a block is the one with the largest version among all images that
 *      survive: S, X, past images and the disk. (Changes of a dead instance that are in none of
 *      these are in its redo; those blocks stay gated until recovery has applied it.)
 *      The version of a past image is that of the image in the frame, which may be newer than the
 *      change of its own that keeps it (pi_version in buf.h): the directory means the former.
 *  F3  A past image stays until a version at least as new is on disk. A clean block is on disk.
 *
 * INVARIANTS (asserted here, explored by the tests)
 *  I1  x != 0 implies s == 0, at the master; at most one instance uses X, and none S beside it.
 *  I2  One conversion at a time per block; it is the only one who may move the block.
 *  I3  The directory may name a holder that is none any more (its RELEASE is under way or was lost
 *      with an epoch): NOT_HERE heals that. It never misses a holder, nor the newest past image
 * when there is no holder. I4  Disk is granted only when no holder is left and every past image
 * known has been asked. I5  Within an epoch, the version a requester gets never falls below one
 * that was claimed before.
 *
 * RACES and what settles them
 *  release x forward      the holder answers NOT_HERE; by F1 its RELEASE came before; route on
 *  release x request      F1: in order; "have" in the request corrects a stale entry
 *  upgrade x invalidate   the requester loses S while queued; at its turn it is not in s: gets the
 * image grant x forward        F1; the holder serves a forward only when its own granted request is
 * finished epoch changes          all conversions and queues are dropped everywhere (lg_grd_reset);
 * requesters ask again after the rebuild. A BLOCK that was lost leaves the past image, or the disk
 * (F2). Claims the master has not acknowledged are told again as HOLDING, and so are all past
 * images and everything in lost buckets. death of the master    its buckets move to survivors;
 * holders tell them what they hold death of a holder      lg_grd_reset removes it; its redo decides
 * what stays gated (reconf) death of a requester   its conversion is dropped with the epoch; the
 * old holder has the past image
 */
#ifndef LG_GRD_GRD_H
#define LG_GRD_GRD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LG_GRD_NODES   64 /* node numbers 1 .. 63 */
#define LG_GRD_BUCKETS 1024

typedef enum lg_grd_mode { LG_GRD_N = 0, LG_GRD_S = 1, LG_GRD_X = 2 } lg_grd_mode;

/* ---- buckets and masters ---- */

/* Rendezvous hashing: a bucket's master is the member with the highest hash of {bucket, member}. So
 * a member's death moves its buckets only, a join takes a fair share, and all agree without a
 * message. */
typedef struct lg_grd_map {
    uint64_t members; /* bit mask */
    uint8_t master[LG_GRD_BUCKETS];
} lg_grd_map;

void lg_grd_map_build(lg_grd_map *map, uint64_t members);
uint32_t lg_grd_bucket(uint64_t key);
uint32_t lg_grd_master(const lg_grd_map *map, uint64_t key);
/* Must the key's bucket be rebuilt? Its master changed, or did not survive (a quick restart). */
bool lg_grd_lost(const lg_grd_map *old_map, const lg_grd_map *new_map, uint64_t survivors,
                 uint64_t key);

/* ---- the master ---- */

typedef struct lg_grd lg_grd;

typedef enum lg_grd_event_kind {
    LG_GRD_REQUEST,      /* node, id, mode, have */
    LG_GRD_CLAIM,        /* node, id, mode, version, pi_node, pi_version */
    LG_GRD_NOT_HERE,     /* node, id, requester, pi_version */
    LG_GRD_RELEASE,      /* node, pi_version */
    LG_GRD_WRITTEN,      /* version */
    LG_GRD_DEMAND_WRITE, /* node, version: of its past image */
    LG_GRD_CANCEL,       /* node, id */
    LG_GRD_HOLDING,      /* node, mode, pi_version: rebuild */
} lg_grd_event_kind;

typedef struct lg_grd_event {
    lg_grd_event_kind kind;
    uint32_t node; /* who says it */
    uint64_t key;
    uint64_t id;
    uint8_t mode;
    uint8_t have;
    uint32_t requester;
    uint32_t pi_node;
    uint64_t version;
    uint64_t pi_version;
} lg_grd_event;

/* Where the content of a grant is. */
typedef enum lg_grd_how {
    LG_GRD_DISK = 1,    /* on disk (or in an INV_ACK: the newest wins) */
    LG_GRD_OWN = 2,     /* the requester holds S: its own copy */
    LG_GRD_OWN_PI = 3,  /* its own past image, unless the disk has a newer version */
    LG_GRD_REFUSED = 4, /* canceled */
} lg_grd_how;

typedef enum lg_grd_action_kind {
    LG_GRD_SEND_FORWARD,    /* to, id, requester, mode, acks, from_pi */
    LG_GRD_SEND_INVALIDATE, /* to, id, requester, no_image */
    LG_GRD_SEND_GRANT,      /* to, id, mode, how, acks, claim */
    LG_GRD_SEND_PI_DISCARD, /* to, version */
    LG_GRD_SEND_WRITE,      /* to, version */
} lg_grd_action_kind;

typedef struct lg_grd_action {
    lg_grd_action_kind kind;
    uint32_t to;
    uint64_t key;
    uint64_t id;
    uint64_t version;
    uint32_t requester;
    uint8_t mode;
    uint8_t how;
    uint8_t acks;
    bool from_pi;
    bool no_image;
    bool claim;
} lg_grd_action;

#define LG_GRD_ACTIONS_MAX 256
typedef struct lg_grd_actions {
    unsigned count;
    lg_grd_action a[LG_GRD_ACTIONS_MAX];
} lg_grd_actions;

lg_grd *lg_grd_create(uint32_t self); /* self: preferred as a source, it saves a hop */
void lg_grd_destroy(lg_grd *g);
/* One event. out is overwritten. Events of nodes out of range are ignored. */
void lg_grd_step(lg_grd *g, const lg_grd_event *e, lg_grd_actions *out);
/* A new epoch: drops all conversions and queues, everything of nodes that are not in `alive`
 * (survivors), and the entries of buckets that are not `self`'s in both maps; full: all entries. */
void lg_grd_reset(lg_grd *g, const lg_grd_map *old_map, const lg_grd_map *new_map, uint64_t alive,
                  bool full);

/* What an entry says; false: nothing is known of the block (nobody has it). */
typedef struct lg_grd_info {
    uint64_t key;
    uint32_t x;      /* 0: none */
    uint64_t s;      /* bit mask */
    uint64_t pi;     /* bit mask */
    uint64_t pi_max; /* newest past image */
    bool converting;
    uint32_t requester;
    uint8_t mode; /* being converted to */
    uint32_t queued;
} lg_grd_info;
bool lg_grd_find(const lg_grd *g, uint64_t key, lg_grd_info *ret_info);
bool lg_grd_next(const lg_grd *g, size_t *pos, lg_grd_info *ret_info);
size_t lg_grd_count(const lg_grd *g);

/* ---- the requester ----
 *
 *   SENT -> (block or grant: answered) -> (all acks) -> COMPLETE
 * Acks may come before the answer. Content is the newest of what BLOCK and acks bring, and of the
 * disk unless what came is authoritative (F2). */
typedef struct lg_grd_req {
    uint64_t key;
    uint64_t id;
    uint8_t want;
    uint8_t have; /* when sent; falls to N when S is taken away meanwhile (the driver says so) */
    bool answered;
    bool complete;
    bool refused;
    bool claim;         /* the master waits for a claim */
    bool dirty;         /* the duty to write it came along */
    bool authoritative; /* an image came that is known to be the current one */
    uint8_t how;        /* lg_grd_how of a grant; 0: a block came */
    uint32_t acks_expected;
    uint32_t acks_got;
    uint64_t version; /* of the newest image that came; 0 none */
    uint32_t pi_node;
    uint64_t pi_version;
    uint32_t hops;
} lg_grd_req;

/* What came: bits. */
enum lg_grd_req_result {
    LG_GRD_REQ_TAKE = 1,     /* keep the image that came: it is the newest */
    LG_GRD_REQ_COMPLETE = 2, /* the mode is held: claim it if req->claim */
    LG_GRD_REQ_IGNORE = 4,   /* not for this request */
};
void lg_grd_req_init(lg_grd_req *r, uint64_t key, uint64_t id, lg_grd_mode want, lg_grd_mode have);
/* image: a body came. from_pi: a past image: the disk may have a newer one. */
unsigned lg_grd_req_block(lg_grd_req *r, uint32_t from, uint64_t id, uint64_t version, bool image,
                          bool from_pi, bool dirty, uint32_t acks, uint64_t pi_version);
unsigned lg_grd_req_grant(lg_grd_req *r, uint64_t id, uint8_t how, uint32_t acks, bool claim);
unsigned lg_grd_req_ack(lg_grd_req *r, uint32_t from, uint64_t id, uint64_t version, bool image,
                        bool dirty);

/* ---- the holder ---- */

/* What this instance has of a block. */
typedef struct lg_grd_local {
    lg_grd_mode mode;
    bool pi;             /* a past image (perhaps beside a mode) */
    uint64_t pi_version; /* of the image */
} lg_grd_local;

/* What to do for a FORWARD or INVALIDATE; the driver does it and answers. */
typedef struct lg_grd_serve {
    enum {
        LG_GRD_SERVE_REVOKE,  /* take the mode down to `to`, ship the image if `ship` */
        LG_GRD_SERVE_PI,      /* ship the past image; the requester compares with the disk */
        LG_GRD_SERVE_NOTHING, /* NOT_HERE, or an empty INV_ACK */
    } what;
    lg_grd_mode to;
    bool ship;
} lg_grd_serve;
lg_grd_serve lg_grd_serve_forward(const lg_grd_local *l, lg_grd_mode wanted, bool from_pi);
/* An S copy that must go; when the requester lacks the content, a dirty copy or a past image is
 * shipped with the ack. */
lg_grd_serve lg_grd_serve_invalidate(const lg_grd_local *l, bool no_image);

#endif
