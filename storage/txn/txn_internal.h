/* Inside of storage/txn. */
#ifndef LG_TXN_TXN_INTERNAL_H
#define LG_TXN_TXN_INTERNAL_H

#include "undo_ops.h"
#include "map.h"

/* A slot of the transaction table, on disk and in memory. */
typedef struct lg_txn_slot {
    uint32_t wrap;
    uint8_t state; /* lg_txn_state; 0: never used */
    uint8_t flags;
    uint16_t reserved;
    lg_scn scn;       /* of the commit */
    lg_scn begin_scn; /* whatever used the slot before had ended at or below it */
    lg_uptr first;    /* its first record: what the slot held before */
    lg_uptr last;     /* the first record in the last block written; exact with SLOT_EXACT */
} lg_txn_slot;
_Static_assert(sizeof(lg_txn_slot) == 40, "transaction slot");

#define SLOT_EXACT     1u /* `last` is the next record to take back: some were already */
#define TABLE_DATA_OFF 64u

typedef struct lg_txn_seg { /* an undo segment whose statuses are answered here */
    uint16_t useg;
    uint32_t nslots;
    uint32_t per_table;
    lg_txn_slot *slots;
    lg_txn **txns; /* running in the slot */
    uint32_t next_slot;
    uint32_t recovering;
    bool recover_running;
} lg_txn_seg;

typedef struct lg_txn_cached {
    lg_xid xid;
    lg_txn_status status;
    lg_scn as_of; /* ACTIVE: good for snapshots up to it */
} lg_txn_cached;

#define CACHE_SLOTS 8192u
#define CACHE_WAYS  8u
#define TXN_TOUCHED 16u
#define BLOOM_WORDS 16u

struct lg_txn_sys {
    lg_txn_config cfg;
    lg_buf_cache *cache;
    lg_run *run;
    lg_scn_clock *clock;
    lg_undo_seg *own_undo;
    lg_txn_seg *own;
    lg_map *segs;       /* useg -> lg_txn_seg */
    lg_list txns;       /* running, all */
    lg_list early;      /* committing, released early: ascending early_seq */
    uint64_t early_seq; /* of the newest */
    lg_waitq slotq;     /* for a slot of own to become free */
    const lg_undo_ops *undo_ops[LG_UNDO_KIND_COUNT];
    const lg_block_ops *block_ops[16];
    lg_txn_cached *resolved;
    bool recovery_stopped;
};

struct lg_txn {
    lg_txn_sys *sys;
    lg_txn_seg *seg;
    lg_xid xid;
    lg_txn_state state;
    bool recovering;
    bool force_table; /* the next record must write the slot: `last` there is exact */
    uint32_t seq;
    lg_uptr last;
    uint32_t last_block;
    lg_txn_slot before; /* what the slot held */
    lg_undo_hold hold;
    lg_waitq finishq; /* waiting for it to finish, or to be released early */
    bool release_early;
    uint64_t early_seq; /* 0: not released */
    lg_list early_link;
    uint64_t *mark; /* lg_txn_keep_mark; NULL: sees nothing early */
    lg_xid waiting_for;
    lg_fiber *wait_fiber;
    lg_status killed;
    lg_time lock_deadline;
    lg_time began_at;
    lg_scn oldest_snapshot; /* LG_SCN_MAX: none in use */
    lg_list link;
    lg_addr touched[TXN_TOUCHED];
    uint32_t touched_count;
    uint64_t bloom[BLOOM_WORDS];
};

/* txn_table.c */
LG_MUST lg_status lg_txn__seg_load(lg_txn_sys *s, uint16_t useg, lg_txn_seg **ret_seg);
void lg_txn__seg_free(lg_txn_seg *g);
lg_txn_seg *lg_txn__seg_find(const lg_txn_sys *s, uint16_t useg);
lg_addr lg_txn__slot_addr(const lg_txn_sys *s, const lg_txn_seg *g, uint32_t slot,
                          uint32_t *ret_off);
LG_MUST lg_status lg_txn__slot_take(lg_txn_sys *s, lg_txn *t);
void lg_txn__slot_put(lg_mtr *m, lg_buf *table, uint32_t off, const lg_txn_slot *slot);

/* txn_status.c */
lg_txn *lg_txn__find(const lg_txn_sys *s, lg_xid xid);
void lg_txn__cache_put(lg_txn_sys *s, lg_xid xid, const lg_txn_status *st, lg_scn as_of);

/* txn.c */
lg_txn *lg_txn__new(lg_txn_sys *s);
void lg_txn__free(lg_txn *t);
/* Takes back records newer than seq. */
LG_MUST lg_status lg_txn__undo_to(lg_txn *t, uint32_t seq);

#endif
