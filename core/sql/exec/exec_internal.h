/* Inside core/sql/exec.
 *
 * MODEL  lg_exec is one execution of a plan. Each plan node has an lg_xnode with an input function
 * (`fetch`, by kind) that gives batches of input rows; lg_xnode_next applies the node's quals and
 * targets to them, so kinds only produce rows. A batch is valid until the next call on its node;
 * by-reference values lie in the node's scratch arena (reset at each call) or below it.
 *
 * Expressions (core/sql/eval) are evaluated over the input rows as columns of vectors. */
#ifndef LG_EXEC_INTERNAL_H
#define LG_EXEC_INTERNAL_H

#include "array.h"
#include "assert.h"
#include "exec.h"
#include "exec_stats.h"
#include "map.h"
#include "mem.h"
#include "rows.h"
#include "spill.h"
#include "strbuf.h"
#include "txn.h"
#include <stdio.h>

typedef struct lg_xnode lg_xnode;

typedef struct lg_xnode_ops {
    lg_status (*open)(lg_xnode *s);                   /* may be NULL */
    lg_status (*fetch)(lg_xnode *s, lg_xbatch **ret); /* LG_END */
    lg_status (*rescan)(lg_xnode *s);                 /* back to the start; params may differ */
    void (*close)(lg_xnode *s);                       /* may be NULL */
} lg_xnode_ops;

/* Keys that a hash join has, as a bloom filter (simd.h). words NULL: nothing is known now. */
typedef struct lg_xbloom {
    uint64_t *words, mask;
} lg_xbloom;

/* A hash join above needs no row whose key, of these columns of the scan, its filter does not have. */
#define LG_XPUSH_MAX  8u
#define LG_XPUSH_KEYS 2u
typedef struct lg_xpush {
    uint16_t att[LG_XPUSH_KEYS];
    uint16_t natts;
    const lg_xbloom *bloom;
} lg_xpush;

struct lg_xnode {
    const lg_node *plan;
    const lg_xnode_ops *ops;
    lg_exec *x;
    lg_xnode *left, *right, *parent;
    lg_arena *scratch;    /* reset at each lg_xnode_next */
    lg_xbatch in;         /* what fetch gives, for kinds that build batches */
    lg_xbatch out;        /* after targets */
    uint16_t *sel;        /* after quals */
    const lg_expr *quals; /* of the plan, less what fetch applies itself */
    lg_xpush *push;
    uint32_t push_n;
    const bool *used; /* lg_xnode_used, once asked */
    bool used_known;
    bool few; /* a join above needs to know only whether there is a row */
    bool opened;
    bool for_change; /* INDEX_SCAN of one row below MODIFY: the row is fetched to be changed */
    /* EXPLAIN ANALYZE */
    uint64_t rows, loops, filtered;
    uint64_t heap_fetches; /* rows that an index scan asked the table for */
    uint64_t join_filtered, inserted, conflicting;
    uint32_t helpers; /* compute threads that it had */
    lg_time time_ns, first_ns;
    lg_xusage *usage;
    void (*space)(lg_xnode *s, lg_xspace *ret); /* set by open; may be NULL */
    void *state;                                /* of the kind */
};

typedef struct lg_xsubplan {
    lg_xnode *root;
    bool done; /* init plans and hashed ones: the result is kept */
    bool isnull;
    lg_datum value;
    /* ANY and ALL: rows kept, or as a set */
    struct lg_xstore *rows;
    struct lg_xcursor *at;
    struct lg_xset *set;
    bool has_null;
} lg_xsubplan;

typedef struct lg_xcte {
    lg_xnode *root;
    bool done;
    struct lg_xstore *store;
    uint64_t run;   /* how often it was started over */
    uint64_t stamp; /* of the parameters that the rows were made with */
} lg_xcte;

/* What an execution of a plan has beside lg_exec (eval.h). */
struct lg_xtree {
    lg_xnode *root;
    lg_xnode **nodes; /* by node id */
    lg_xsubplan *subplans;
    lg_xcte *ctes;
    void **worktables; /* by node id of the recursive union */
    uint64_t rows;
    uint32_t checks_from; /* where the events of this statement begin (rows.h) */
    bool started, checked;
    bool ended;
    bool instrument, instrument_usage;
    struct lg_xhelper *helper; /* of a copy that a compute thread runs (exec_team.h); else NULL */
    /* batch being handed out across fetches with a row limit */
    lg_xbatch *pending;
    uint32_t pending_at;
    uint32_t restarts;
    lg_vector *none;        /* lg_xvector_none */
    struct lg_xstore *kept; /* the result of a statement with data-modifying WITH queries */
    struct lg_xcursor *kept_at;
    lg_xbatch kept_batch;
};

/* Rows of the store from the cursor on, as a batch of s->in; LG_END. */
lg_status lg_xstore_batch(lg_xnode *s, lg_xstore *t, struct lg_xcursor *c, lg_xbatch **ret);

/* ---- nodes ---- */

void lg_xtree_end(lg_exec *x); /* lg_exec.end */
lg_status lg_xnode_make(lg_exec *x, const lg_node *plan, lg_xnode **ret);
lg_status lg_xnode_next(lg_xnode *s, lg_xbatch **ret); /* LG_END; batches have n > 0 */
lg_status lg_xnode_open(lg_xnode *s); /* if it is not: what the first lg_xnode_next does */
lg_status lg_xnode_rescan(lg_xnode *s);
/* Which output columns the node above reads; NULL: all. Others may be given as anything that can be
 * read (lg_xvector_none). Asked when the nodes above are open. (exec_used.c) */
const bool *lg_xnode_used(lg_xnode *s);
/* Which columns of the joined row are read, other than as keys; false: all. */
bool lg_xjoin_used(lg_xnode *s, bool *used);
lg_vector *lg_xvector_none(lg_exec *x); /* NULL in all rows */
void lg_xnode_close(lg_xnode *s);
const lg_oid *lg_xnode_types(lg_xnode *s, const lg_node *n); /* of the output columns */

extern const lg_xnode_ops lg_xops_result, lg_xops_values, lg_xops_seq_scan, lg_xops_index_scan,
    lg_xops_tid_scan, lg_xops_function_scan, lg_xops_subquery_scan, lg_xops_cte_scan,
    lg_xops_worktable_scan, lg_xops_recursive_union, lg_xops_nested_loop, lg_xops_hash_join,
    lg_xops_merge_join, lg_xops_sort, lg_xops_limit, lg_xops_agg, lg_xops_window, lg_xops_unique,
    lg_xops_setop, lg_xops_append, lg_xops_project_set, lg_xops_lock_rows, lg_xops_modify;

/* ---- subplans (exec_misc.c) ---- */

void lg_xsubplan_close(lg_xsubplan *sp);
lg_status lg_xsubplan_eval(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null);

/* ---- ordered-set aggregates (exec_ordered.c) ---- */

struct lg_xsort_key;
/* The value over a group's kept rows, sorted by keys, in a. */
lg_status lg_xordered_final(lg_exec *x, const lg_expr *e, lg_xstore *t,
                            const struct lg_xsort_key *keys, lg_arena *a, lg_datum *ret,
                            bool *ret_null);

/* ---- keys ---- */

lg_status lg_xsort_keys(lg_exec *x, const lg_node_sortkey *keys, uint32_t n, lg_xsort_key **ret);

/* A newer snapshot for the statement that runs, a session's or a function's. */
static inline lg_status
lg_exec__new_snapshot(lg_exec_session *es)
{
    if (!es->inner)
        return es->new_snapshot(es->arg);
    lg_txn_snapshot(lg_cat_txn(es->cat), es->inner);
    es->snapshot = es->inner;
    return LG_OK;
}

#endif
