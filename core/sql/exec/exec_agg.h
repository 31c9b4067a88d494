/* Shared by exec_agg.c (the node), exec_group.c (a batch at a time), exec_kept.c (rows of DISTINCT and
 * ORDER BY). */
#ifndef LG_EXEC_AGG_H
#define LG_EXEC_AGG_H

#include "exec_internal.h"

/* A sum of numerics being collected in 128 bits: n values of one scale. Goes into the aggregate's
 * own state when another scale comes, and at the end. */
typedef struct lg_xnumacc {
    __int128 sum;
    int64_t n;
    int64_t scale;
} lg_xnumacc;

/* Rows that an aggregate keeps of one group. */
typedef struct lg_xkept_group {
    uint64_t number; /* of the group */
    lg_datum *first, *last;
    uint64_t n; /* in memory */
} lg_xkept_group;

struct group;

/* exec_kept.c: all groups' rows of one aggregate with DISTINCT or ORDER BY. */
typedef struct lg_xkept {
    lg_exec *x;
    const lg_expr *e;
    uint32_t ncols, nkeys;
    lg_oid *types;
    lg_xsort_key *keys; /* the group's number first */
    lg_arena *arena;
    uint64_t n;        /* rows in memory */
    lg_xextsort *ext;  /* NULL: none went out */
    lg_datum **merged; /* rows of the merge, [at, nmerged) not used yet */
    uint32_t at, nmerged;
    lg_datum **rows; /* sorted ones of a group in memory */
    uint64_t cap;
    /* of the group that is read */
    const lg_xkept_group *group;
    uint64_t pos;
    const lg_datum *prev;
    lg_arena *last; /* prev, when the merge went on behind it */
    lg_arena *tmp;  /* for the aggregate's steps */
} lg_xkept;

LG_MUST lg_status lg_xkept_create(lg_exec *x, const lg_expr *e, lg_xkept **ret);
/* A row to be filled with values in k->arena. */
lg_datum *lg_xkept_add(lg_xkept *k, lg_xkept_group *g);
size_t lg_xkept_bytes(const lg_xkept *k);
LG_MUST lg_status lg_xkept_out(lg_xkept *k, struct group *const *groups, uint64_t ngroups,
                               uint32_t index);
/* A group's rows in order, without repeats if DISTINCT; groups in the order of their numbers, each
 * once. A row lives until the next call. LG_END. */
LG_MUST lg_status lg_xkept_open(lg_xkept *k, const lg_xkept_group *g);
LG_MUST lg_status lg_xkept_next(lg_xkept *k, const lg_datum **ret);
/* All of them into a fresh store, repeats too; what it has of them lives with k. */
LG_MUST lg_status lg_xkept_all(lg_xkept *k, lg_xstore *t);
uint64_t lg_xkept_disk_bytes(const lg_xkept *k);
void lg_xkept_reset(lg_xkept *k); /* for other groups */
void lg_xkept_fini(lg_xkept *k);  /* NULL is fine */

struct aggcall {
    const lg_expr *e;
    const lg_agg *agg;
    lg_call call;
    lg_datum *args;
    uint8_t *nulls;
    size_t state_at; /* offset in the group's block */
    size_t acc_at;   /* of its lg_xnumacc, when numeric */
    uint32_t nargs;
    bool numeric; /* sum or avg of numerics */
    bool sums;    /* sum of numerics */
    int64_t *num; /* sums: of the groups given out */
    bool counts;  /* count(*), count(x) */
    lg_xkept *kept;
};

struct group {
    lg_datum *keys; /* ngroup datums and nulls */
    char *states;
    lg_xkept_group **kept; /* DISTINCT and ORDER BY: per aggregate that needs it */
    uint32_t set;
    bool is_empty_set;
};

struct gslot {
    uint64_t hash;
    struct group *group;
};

/* The keys of a group as they lay in the present batch: the same pointer is the same value. */
#define GSEEN_KEYS 4u
struct gseen {
    struct group *group;
    lg_datum v[GSEEN_KEYS];
};

struct aggstate {
    struct aggcall *aggs;
    size_t states_bytes;
    size_t told;           /* memory */
    lg_arena *arena;       /* groups */
    lg_xhash *hash;        /* one per set */
    struct group **groups; /* in the order first met */
    uint64_t ngroups, cap;
    lg_hash_fn *hf;
    lg_equal_fn *eq;
    bool built;
    uint64_t pos;
    uint32_t nsets;
    /* by batches: open addressing over all groups; per row of the batch its hash and group */
    struct gslot *slots;
    uint64_t nslots;
    uint64_t *hashes;
    struct gseen *seen;       /* while there are few groups */
    struct group *null_group; /* one key: of NULL */
    struct group **by_row;
    void **states;
    struct aggspill *spill;
    bool closed;    /* no new groups: their rows go to tapes */
    bool last_only; /* sorted input: only rows of the last group are still taken */
    size_t peak;
    uint64_t disk, nparts;
    lg_xbatch *input; /* sorted: what the groups given out left of a batch (rest) */
    lg_xbatch part, rest;
    uint16_t *sel;
};

/* Input that waits for memory: rows of one grouping set. */
typedef struct aggpart {
    struct aggpart *next;
    lg_xtape tape;
    uint32_t set, shift, depth;
} aggpart;

struct aggspill {
    lg_xparts *parts;    /* by set */
    aggpart *todo, *now; /* now NULL: the child */
    lg_xcursor at;
    lg_xbatch in;
    const lg_oid *types;
};

/* exec_aggspill.c. Input that does not make new groups any more when their memory is used up: */
LG_MUST lg_status lg_xagg_input(lg_xnode *s, lg_xbatch **ret); /* the child, or a tape */
LG_MUST lg_status lg_xagg_weigh(lg_xnode *s);                  /* after each batch */
LG_MUST lg_status lg_xagg_out(lg_xnode *s, const lg_xbatch *b, uint32_t row, uint64_t hash,
                              uint32_t set);
LG_MUST lg_status lg_xagg_next_part(lg_xnode *s); /* after all groups were given out; LG_END */
LG_MUST lg_status lg_xagg_kept_end(lg_xnode *s);  /* all rows are in */
void lg_xagg_spill_drop(lg_xnode *s);

static inline bool
lg_xagg_keeps_rows(const lg_expr *e)
{
    return e->agg.distinct || e->agg.norder;
}

bool lg_xgroup_same(const lg_xnode *s, const struct group *gr, const lg_xbatch *b, uint32_t row);
struct group *lg_xagg_new_group(lg_xnode *s, uint32_t set);
/* One row into one aggregate of a group. */
lg_status lg_xagg_step_row(lg_xnode *s, struct aggcall *a, struct group *gr, uint32_t index,
                           lg_ectx *c);

/* exec_group.c: a batch into its groups (one set of keys), or all of it into `one`. */
lg_status lg_xgroup_batch(lg_xnode *s, struct group *one, const lg_xbatch *b);
/* A group of a member's table (exec_team.h) into ours. */
LG_MUST lg_status lg_xgroup_merge(lg_xnode *s, struct aggstate *from, struct group *gr);
void lg_xgroup_reset(struct aggstate *g);
/* What was collected beside the aggregate's state goes into it. */
void lg_xgroup_finish(struct aggcall *a, struct group *gr);

#endif
