/* Inside core/sql/exec.
 *
 * MODEL  lg_exec is one execution of a plan. Each plan node has an lg_xnode with an input function
 * (`fetch`, by kind) that gives batches of input rows; lg_xnode_next applies the node's quals and
 * targets to them, so kinds only produce rows. A batch is valid until the next call on its node;
 * by-reference values lie in the node's scratch arena (reset at each call) or below it.
 *
 * Expressions are evaluated a vector at a time where a kernel or a simple rule exists, else row by
 * row (exec_expr.c); both read the input row as columns of vectors at a row number. */
#ifndef LG_EXEC_INTERNAL_H
#define LG_EXEC_INTERNAL_H

#include "array.h"
#include "assert.h"
#include "exec.h"
#include "exec_rows.h"
#include "map.h"
#include "mem.h"
#include "strbuf.h"
#include "txn.h"
#include <stdio.h>

typedef struct lg_xnode lg_xnode;

#define LG_SYSCOLS 7 /* index -slot */

typedef struct lg_xbatch {
    lg_batch b;
    uint32_t cap;               /* rows the vectors have room for: beyond every row number */
    lg_vector *sys[LG_SYSCOLS]; /* system columns of a relation scan; NULL: none */
} lg_xbatch;

/* Numerics as integers: value = v[row] / 10^scale (exec_num.c). */
typedef struct lg_xnum {
    int64_t *v;
    const uint8_t *null; /* NULL: no row is */
    bool constant;
    int scale;
} lg_xnum;

/* What was computed for a batch already: aggregates often share parts of their arguments. */
#define LG_XNUM_MEMO 16u
typedef struct lg_xnum_memo {
    const uint16_t *sel; /* for this selection */
    uint32_t n, used;
    const lg_expr *expr[LG_XNUM_MEMO];
    lg_xnum num[LG_XNUM_MEMO];
    lg_status st[LG_XNUM_MEMO];
} lg_xnum_memo;

/* What the work of a node and of those below it did to blocks, temporary files and redo. */
typedef struct lg_xusage {
    uint64_t gets, reads, changes, temp_reads, temp_writes, cr, current, redo_records, redo_bytes;
    lg_time read_ns, temp_read_ns, temp_write_ns, gc_ns;
} lg_xusage;

/* Of the session so far. */
void lg_xusage_now(const lg_exec_session *es, lg_xusage *ret);
void lg_xusage_add(lg_xusage *to, const lg_xusage *from, const lg_xusage *upto);

/* What a node used for rows it keeps, for EXPLAIN ANALYZE; batches 0, method NULL: nothing to say. */
typedef struct lg_xspace {
    const char *method; /* of a sort */
    uint64_t memory, disk, buckets, batches;
} lg_xspace;

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

struct lg_exec {
    lg_exec_session *es;
    const lg_plan *plan;
    lg_arena *arena;
    const lg_datum *params;
    const uint8_t *param_nulls;
    lg_datum *exec_values;
    uint8_t *exec_nulls;
    uint64_t *exec_version; /* moves at each set: who depends on it starts again */
    void **sites;           /* by expression id */
    lg_xnode *root;
    lg_xnode **nodes; /* by node id */
    lg_xsubplan *subplans;
    lg_xcte *ctes;
    void **worktables; /* by node id of the recursive union */
    uint64_t rows;
    uint32_t checks_from; /* where the events of this statement begin (exec_check.h) */
    bool started, checked;
    size_t memory; /* bytes of rows that sorts, hash tables and groups keep */
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

/* A node keeps `now` bytes (*mine: what it said last). A statement that keeps too much ends with
 * 53200 rather than take the instance down with it. */
lg_status lg_xmemory(lg_exec *x, size_t *mine, size_t now);

/* ---- rows kept in an arena: ncols datums, then ncols null bytes ---- */

static inline uint8_t *
lg_xrow_nulls(const lg_datum *row, uint32_t ncols)
{
    return (uint8_t *)(uintptr_t)(row + ncols);
}

static inline lg_datum *
lg_xrow_new(lg_arena *a, uint32_t ncols)
{
    return (lg_datum *)lg_arena_alloc(a, ncols * (sizeof(lg_datum) + 1) + 1);
}

/* Copies row `at` of the batch (values too) into the arena. */
lg_datum *lg_xrow_copy(lg_arena *a, lg_vector *const *cols, uint32_t ncols, uint32_t at);

/* Rows in order (exec_store.c). One made by lg_xstore_init stays in memory and its rows are
 * rows[0..n); one made by lg_xstore_init_spill (exec_spill.h) is read by cursor. */
typedef struct lg_xstore {
    lg_arena *arena; /* the slab's */
    uint32_t ncols;
    uint64_t n;
    uint64_t cap;
    lg_datum **rows; /* [out, n) */
    size_t bytes;    /* as told to lg_xmemory */
    size_t peak;
    /* of one that may go out to a temporary file */
    lg_exec *x;
    const lg_oid *types;
    size_t budget;
    uint64_t out;  /* rows on the tape */
    uint64_t held; /* while they are driven out: rows in memory */
    uint64_t run;  /* how often it was reset */
    struct lg_xtape *tape;
    struct lg_xslab *slab;
} lg_xstore;

struct lg_xcursor;

void lg_xslab_unref(struct lg_xslab *s); /* NULL is fine */
void lg_xstore_init(lg_xstore *t, uint32_t ncols);
void lg_xstore_add(lg_xstore *t, lg_datum *row); /* row is in t->arena */
void lg_xstore_add_batch(lg_xstore *t, const lg_xbatch *b);
void lg_xstore_reset(lg_xstore *t);
void lg_xstore_fini(lg_xstore *t);
/* Rows from the cursor's position on into a batch with vectors of its own; LG_END. They live until
 * the cursor's next call. */
lg_status lg_xstore_fill(lg_xstore *t, struct lg_xcursor *c, lg_xbatch *b);
/* The same as a batch of s->in. */
lg_status lg_xstore_batch(lg_xnode *s, lg_xstore *t, struct lg_xcursor *c, lg_xbatch **ret);

/* ---- hash table of kept rows by some columns ---- */

typedef struct lg_xhash_entry {
    struct lg_xhash_entry *next;
    uint64_t hash;
    lg_datum *row;
    void *extra;
} lg_xhash_entry;

typedef struct lg_xhash {
    lg_arena *arena;
    lg_xhash_entry **buckets;
    uint64_t nbuckets, n;
} lg_xhash;

void lg_xhash_init(lg_xhash *h, lg_arena *a);
lg_xhash_entry *lg_xhash_add(lg_xhash *h, uint64_t hash, lg_datum *row);
static inline lg_xhash_entry *
lg_xhash_first(const lg_xhash *h, uint64_t hash)
{
    return h->nbuckets ? h->buckets[hash & (h->nbuckets - 1)] : NULL;
}

/* ---- batches ---- */

/* Makes s->in with vectors of the node's own (cap rows). */
void lg_xbatch_init(lg_xbatch *b, lg_arena *a, uint32_t ncols, const lg_oid *types, uint32_t cap);
static inline uint32_t
lg_xbatch_row(const lg_xbatch *b, uint32_t i)
{
    return lg_sel_row(b->b.sel, i);
}

/* ---- nodes ---- */

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

/* ---- expressions ---- */

/* Over the selected rows; the result is a vector of the input or one in c->arena. */
lg_status lg_xexpr_vector(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n,
                          lg_vector **ret);
/* Rows for which e is true, into out (may be sel itself). */
lg_status lg_xexpr_filter(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n,
                          uint16_t *out, uint32_t *ret_n);
void lg_xexec_param_set(lg_exec *x, uint32_t param, lg_datum v, bool isnull);
void lg_xsubplan_close(lg_xsubplan *sp);
lg_call *lg_xexpr_call_site(lg_exec *x, const lg_expr *e);
lg_status lg_xsubplan_eval(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null);

/* ---- ordered-set aggregates (exec_ordered.c) ---- */

struct lg_xsort_key;
/* The value over a group's kept rows, sorted by keys, in a. */
lg_status lg_xordered_final(lg_exec *x, const lg_expr *e, lg_xstore *t,
                            const struct lg_xsort_key *keys, lg_arena *a, lg_datum *ret,
                            bool *ret_null);

/* ---- numerics (exec_num.c): LG_NOT_FOUND: go the general way ---- */

lg_status lg_xnum_vector(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n,
                         lg_xnum *ret);
bool lg_xnum_is(const lg_expr *e);       /* arithmetic that may go this way */
bool lg_xnum_compares(const lg_expr *e); /* a comparison of numerics */
lg_status lg_xnum_filter(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n,
                         uint16_t *out, uint32_t *ret_n);
lg_vector *lg_xnum_pack(lg_ectx *c, const lg_xnum *x, const uint16_t *sel, uint32_t n);

/* ---- keys ---- */

typedef struct lg_xsort_key {
    uint32_t slot;
    lg_compare_fn cmp;
    bool desc, nulls_first;
} lg_xsort_key;

int lg_xsort_compare(const lg_xsort_key *keys, uint32_t nkeys, const lg_datum *a, const lg_datum *b,
                     uint32_t ncols);
/* In place, stable; stops when the statement is canceled. */
lg_status lg_xsort_rows(lg_exec *x, const lg_xsort_key *keys, uint32_t nkeys, lg_datum **rows,
                        uint64_t n, uint32_t ncols);
lg_status lg_xsort_keys(lg_exec *x, const lg_node_sortkey *keys, uint32_t n, lg_xsort_key **ret);

/* LG_EX_ARRAY_SET (exec_assign.c) */
lg_status lg_xarray_set(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null);

/* ---- functions in SQL (exec_sqlfunc.c) ---- */
void lg_exec__functions_clear(lg_exec_session *es);
void lg_exec__functions_register(lg_catalog *cat);

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
