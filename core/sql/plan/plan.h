/* Plan: a bound query (bound.h) to a tree of physical operators that exec runs.
 *
 * A plan is immutable once made and may be run many times and by several fibers at once: all state
 * is exec's, kept per execution in arrays indexed by node id (lg_plan.n_nodes), expression id
 * (n_expr_ids) and execution parameter (n_exec_params).
 *
 * ROWS. Every node has an input row and an output row. Expressions of a node read its input row by
 * slot (LG_EX_SLOT):
 *   scan of a relation   its columns: slot attno - 1; system columns: slot LG_SYSCOL_* (< 0)
 *   scan of anything else its columns from 0
 *   one child            the child's output row
 *   join                 left's output row, then right's: right column i is slot left->ncols + i
 *   window               the child's output row, then the functions' results
 *   aggregate            group keys (0 .. ngroup-1), then aggregate results, then with grouping
 *                        sets the number of the set (int4); but keys and the
 *                        aggregates' arguments themselves are over the child's output row
 * `quals` (a conjunction; NULL: none) filter input rows, then `targets` make the output row;
 * targets NULL: the output row is the input row. So plain columns pass through without a copy.
 * Semi and anti joins: targets may use left's columns only.
 *
 * Which columns of its relation a scan must decode: `needed`, ascending attnos. */
#ifndef LG_SQL_PLAN_H
#define LG_SQL_PLAN_H

#include "bind.h"

typedef enum lg_node_kind {
    LG_NODE_RESULT, /* no child: one row; with a child: project and filter */
    LG_NODE_VALUES,
    LG_NODE_SEQ_SCAN,
    LG_NODE_INDEX_SCAN, /* index_only when the index has all needed columns */
    LG_NODE_TID_SCAN,   /* WHERE ctid = ... */
    LG_NODE_FUNCTION_SCAN,
    LG_NODE_SUBQUERY_SCAN,
    LG_NODE_CTE_SCAN,
    LG_NODE_WORKTABLE_SCAN, /* the recursive reference */
    LG_NODE_RECURSIVE_UNION,
    LG_NODE_NESTED_LOOP,
    LG_NODE_HASH_JOIN,
    LG_NODE_MERGE_JOIN,
    LG_NODE_SORT, /* limit > 0 with top-n when bound is known: see sort.top_n */
    LG_NODE_LIMIT,
    LG_NODE_AGG,    /* plain, sorted or hashed */
    LG_NODE_WINDOW, /* child is sorted by partition and order */
    LG_NODE_UNIQUE, /* child is sorted by the keys */
    LG_NODE_SETOP,  /* INTERSECT, EXCEPT by hash */
    LG_NODE_APPEND,
    LG_NODE_PROJECT_SET, /* set-returning calls in targets */
    LG_NODE_LOCK_ROWS,
    LG_NODE_MODIFY,
} lg_node_kind;

typedef enum lg_join_kind {
    LG_JOIN_INNER,
    LG_JOIN_LEFT,
    LG_JOIN_RIGHT,
    LG_JOIN_FULL,
    LG_JOIN_SEMI,
    LG_JOIN_ANTI,
    LG_JOIN_RIGHT_SEMI, /* HASH_JOIN only: right's rows that have a match, or none; */
    LG_JOIN_RIGHT_ANTI, /* `targets` may use right's columns only */
} lg_join_kind;

typedef struct lg_node lg_node;

/* One condition on an index key. Conditions of a scan are ordered by key; keys 0 .. k-1 have
 * equalities (EQ, ANY or IS NULL), key k may have up to two inequalities, and more conditions on
 * later keys filter entries. value is over the execution's parameters only (no slots). NULL values
 * match nothing. */
typedef enum lg_cond_op {
    LG_COND_LT = 1,
    LG_COND_LE,
    LG_COND_EQ,
    LG_COND_GE,
    LG_COND_GT,
    LG_COND_IS_NULL,
    LG_COND_NOT_NULL,
    LG_COND_ANY, /* equal to any element of the array value */
} lg_cond_op;

typedef struct lg_index_cond {
    uint16_t key;        /* position in the index */
    uint8_t op;          /* lg_cond_op */
    bool boundary;       /* part of the range; else tested on each entry or row */
    lg_expr *value;      /* NULL for the NULL tests */
    lg_oid value_type;   /* of value (ANY: of its elements); not always the key's type: */
    const lg_expr *qual; /* the condition as written, over the scan's input row (EXPLAIN) */
} lg_index_cond;

/* Turns a condition's value into the key's type. ret_none: nothing can match (NULL, out of
 * range for EQ); ret_all: no restriction on this side (out of range for an inequality). LT and GT
 * may become LE and GE. Types are equal, binary compatible or both integers. */
void lg_index_cond_convert(lg_oid key_type, lg_oid value_type, uint8_t *op, lg_datum *value,
                           bool *ret_none, bool *ret_all);

typedef struct lg_node_sortkey {
    uint32_t slot; /* in the child's output row */
    const lg_operator *lt;
    lg_oid type;
    lg_oid collation;
    bool desc;
    bool nulls_first;
} lg_node_sortkey;

/* An equality of two columns, for hashing and merging. left is over the left child's row, right
 * over the right child's row (slots from 0 in both). */
typedef struct lg_join_key {
    lg_expr *left, *right;
    const lg_operator *eq; /* the types may differ (int4 = int8): hash by a common type */
    lg_oid hash_type;      /* both sides' values are hashed as this type */
} lg_join_key;

typedef struct lg_group_key {
    uint32_t slot; /* in the child's output row */
    lg_oid type;
    const lg_operator *eq;
} lg_group_key;

/* Columns' new values. */
typedef struct lg_assign {
    int16_t attno;
    lg_expr *expr;
} lg_assign;

typedef struct lg_plan_check {
    const char *name;
    lg_expr *expr; /* over the new row; fails when false */
} lg_plan_check;

typedef struct lg_plan_index {
    const lg_index *index;
    lg_expr **exprs; /* its expression keys in order, over the row; NULL: none */
    uint32_t nexprs;
    lg_expr *predicate;
} lg_plan_index;

/* Target table of LG_NODE_MODIFY, also used by COPY (lg_plan_target): everything that a new row
 * must go through. Expressions are over the table's row (slot attno - 1). */
typedef struct lg_plan_target {
    lg_relation *rel;
    uint32_t ngenerated;
    lg_assign *generated; /* stored generated columns, to compute after all others */
    uint32_t nchecks;
    lg_plan_check *checks;
    uint32_t nindexes;
    lg_plan_index *indexes;
} lg_plan_target;

typedef struct lg_plan_mark {
    const lg_relation *rel;
    uint32_t base;    /* slot of the relation's first column in the input row: it is there
                         whole, rel->ncols columns, then its ctid at base + ncols (NULL when
                         an outer join null-extended the row: then nothing to lock) */
    uint8_t strength; /* LG_A_LCS_* */
    uint8_t wait;     /* LG_A_LOCK_WAIT_* */
} lg_plan_mark;

struct lg_node {
    uint8_t kind;   /* lg_node_kind */
    uint32_t id;    /* < lg_plan.n_nodes */
    uint32_t ncols; /* output row */
    const lg_outcol *cols;
    lg_expr *quals;        /* see ROWS */
    lg_expr **targets;     /* ncols of them, or NULL */
    lg_node *left, *right; /* children */
    double rows, cost, startup_cost;
    int32_t width;
    /* Execution parameters whose change makes an earlier result of this subtree worthless. */
    uint32_t nparams;
    const uint32_t *params;
    union {
        struct {
            uint32_t nrows;
            lg_expr ***rows; /* nrows x ncols (before targets); no input row */
            uint32_t nrowcols;
        } values;
        struct {
            lg_relation *rel;
            const char *alias;
            const lg_index *index; /* INDEX_SCAN */
            uint32_t nneeded;
            const int16_t *needed;
            uint32_t nconds;
            lg_index_cond *conds; /* INDEX_SCAN; TID_SCAN: conds[0].value is the tid(s) */
            bool backward;
            bool index_only;
            bool unique; /* at most one row: all keys of a unique index are EQ */
        } scan;
        struct {
            uint32_t nfuncs;
            lg_expr **funcs; /* calls; a set or one row each; ROWS FROM pads with NULL */
            const uint32_t *func_cols;
            bool ordinality;
            const char *alias;
            const lg_outcol *in; /* its columns, for EXPLAIN: targets may choose among them */
        } func;
        struct {
            const char *alias; /* SUBQUERY_SCAN: the child is left */
        } subquery;
        struct {
            uint32_t cte;       /* CTE_SCAN: index in lg_plan.ctes */
            uint32_t worktable; /* WORKTABLE_SCAN: id of its RECURSIVE_UNION */
            uint32_t param;     /* WORKTABLE_SCAN: set whenever the working table is another */
            const char *alias;
            const char *name;
            const lg_outcol *in; /* its columns, as those of func */
        } cte;
        struct {
            bool distinct; /* UNION, not UNION ALL; left: start, right: step */
            uint32_t worktable;
            uint32_t param; /* as of the WORKTABLE_SCAN: what the step depends on */
        } recursive;
        struct {
            uint8_t type;        /* lg_join_kind */
            lg_expr *join_quals; /* the ON condition beyond the keys, over both rows; decides
                                    null extension, whereas `quals` filter afterwards */
            uint32_t nkeys;      /* HASH_JOIN (right is hashed), MERGE_JOIN (both sorted) */
            lg_join_key *keys;
            const lg_node_sortkey *merge_order;
            /* NESTED_LOOP: before right is (re)started for a left row, execution parameter set[i]
             * gets set_expr[i] over the left row. */
            uint32_t nset;
            const uint32_t *set;
            lg_expr **set_expr;
            bool inner_unique; /* at most one match: stop after it */
            bool null_aware;   /* ANTI for NOT IN: a NULL on the right empties the result, a
                                  NULL on the left drops the row unless right is empty */
        } join;
        struct {
            uint32_t nkeys;
            lg_node_sortkey *keys;
            lg_expr *top_n;        /* int8: rows needed (limit + offset); NULL: all */
            lg_expr *top_n_offset; /* added to top_n; NULL: 0 */
            uint32_t presorted;    /* leading keys the input is sorted by already */
        } sort;
        struct {
            lg_expr *limit, *offset; /* int8 over parameters; NULL: none */
            uint32_t nties;          /* WITH TIES: the sort keys */
            lg_node_sortkey *ties;
        } limit;
        struct {
            bool hashed; /* else sorted by the keys (or no keys: one group) */
            uint32_t ngroup;
            lg_group_key *group;
            uint32_t naggs;
            lg_expr **aggs; /* LG_EX_AGG; arguments over the child's row */
            uint32_t nsets; /* GROUPING SETS: each a list of positions in group */
            uint32_t **sets;
            uint32_t *set_len;
            double groups;
        } agg;
        struct {
            uint32_t npart;
            lg_group_key *part;
            uint32_t norder;
            lg_node_sortkey *order;
            int32_t frame;        /* LG_FRAME_* */
            lg_expr *start, *end; /* offsets, over parameters only; see lg_window */
            uint32_t nfuncs;
            lg_expr **funcs; /* LG_EX_WINDOW; arguments are slots of the child's row or constants,
                                filters slots */
        } window;
        struct {
            uint32_t nkeys;
            lg_group_key *keys;
        } unique;
        struct {
            uint8_t op;         /* LG_A_SETOP_INTERSECT, EXCEPT */
            bool all;           /* left and right have the same columns */
            lg_group_key *keys; /* one per column */
        } setop;
        struct {
            uint32_t n;
            lg_node **children; /* left and right are NULL */
        } append;
        struct {
            uint32_t nmarks;
            lg_plan_mark *marks;
            lg_expr *recheck; /* over the input row: when a locked row was found changed, its
                                 newest version is put at mark.base and this must hold, else
                                 the row is left out. NULL: nothing to check */
            bool restart;     /* recheck cannot tell: run the statement again instead */
        } lock;
        struct {
            lg_cmd cmd;
            lg_plan_target target;
            /* The input row (child's output):
             *   INSERT  the new row: slot attno - 1 for all rel->ncols columns
             *   UPDATE, DELETE  the old row likewise, its ctid in slot rel->ncols, then columns of
             *           other relations that expressions need
             * UPDATE: the new row is the old one with assigns, over the input row.
             * When the row was changed after the snapshot (READ COMMITTED): put its newest
             * version into the old row's slots; recheck must hold; then assign again. restart: run
             * the whole statement again instead. */
            uint32_t nassigns;
            lg_assign *assigns;
            lg_expr *recheck;
            bool restart;
            /* INSERT ... ON CONFLICT. Expressions over the existing row at slot attno - 1, its ctid
             * in slot ncols, the proposed row (EXCLUDED) from slot ncols + 1. */
            uint8_t on_conflict; /* LG_A_ONCONFLICT_*; 0: none */
            uint32_t narbiters;
            const lg_oid *arbiters;
            uint32_t nconflict_assigns;
            lg_assign *conflict_assigns;
            lg_expr *conflict_where;
            bool can_set_tag; /* counts in the command tag */
            /* WITH CHECK OPTION of the views it was named by: over the new row as `targets`, after
             * it is stored; must be true. name is the view's. */
            uint32_t nchecks;
            lg_plan_check *checks;
            /* and what the existing row must satisfy that ON CONFLICT DO UPDATE meets */
            uint32_t nvisible;
            lg_plan_check *visible;
            /* RETURNING: `targets` over the row {new (DELETE: old) row, ctid, other columns as
             * in the input row}; NULL and ncols 0: none. */
        } modify;
    };
};

typedef struct lg_plan_subplan {
    lg_node *root;
    bool uses_params; /* depends on execution parameters that its callers set */
} lg_plan_subplan;

typedef struct lg_plan_cte {
    const char *name;
    lg_node *root;
    bool modifies; /* INSERT, UPDATE, DELETE: run to its end whether or not it is read */
} lg_plan_cte;

typedef struct lg_plan {
    lg_cmd cmd;
    lg_node *root;
    uint32_t ncols; /* of the result: root's columns, 0 when the statement returns none */
    const lg_outcol *cols;
    uint32_t nparams; /* external parameters and their types */
    const lg_oid *params;
    uint32_t n_nodes, n_expr_ids, n_exec_params;
    const lg_oid *exec_param_types;
    uint32_t nsubplans;
    lg_plan_subplan *subplans;
    uint32_t nctes;
    lg_plan_cte *ctes; /* each run once per execution, on demand, and kept */
    bool has_modifying_ctes;
    uint8_t lock_strength; /* LG_A_LCS_* of a FOR UPDATE or the like, 0: none */
    bool is_call;          /* CALL */
    uint32_t nrelations;   /* to lock before each execution, and then look at `stale` */
    lg_bind_relation *relations;
    const float *sizes; /* rows that the planner took them to have */
    bool read_only;     /* neither writes nor locks rows nor calls functions that write */
    /* Not for a snapshot older than this SCN: it may see rows that an index looked at while planning
     * was built without (lg_index.since). */
    uint64_t since;
    bool
        left_out; /* indexes were left out for lg_plan_settings.snapshot: for such snapshots only */
    double cost;
} lg_plan;

/* Planner's settings (enable_*), all true by default. snapshot: the SCN that the plan will read as
 * of: newer indexes are left out; 0: all are used. */
typedef struct lg_plan_settings {
    uint64_t snapshot;
    bool seqscan, indexscan, indexonlyscan, nestloop, hashjoin, mergejoin, hashagg, sort;
    double random_page_cost, seq_page_cost, cpu_tuple_cost, cpu_index_tuple_cost, cpu_operator_cost;
} lg_plan_settings;

void lg_plan_settings_init(lg_plan_settings *s);

/* Plans q (which it may change) in b's arena. The plan takes over b's references to relations:
 * lg_plan_fini lets them go; memory is the arena's. settings NULL: defaults. */
LG_MUST lg_status lg_plan_query(lg_bind *b, lg_query *q, const lg_plan_settings *settings,
                                lg_plan **ret_plan);
void lg_plan_fini(lg_plan *p);

/* What rows put into rel by other ways (COPY) must go through. */
LG_MUST lg_status lg_plan_target_make(lg_bind *b, lg_relation *rel, lg_plan_target *ret_target);
/* An expression bound by lg_bind_expr over one row of a relation, ready for exec (slots =
 * attno - 1); *ret_n_ids: how many run-time states it needs. */
LG_MUST lg_status lg_plan_expr(lg_bind *b, lg_expr *e, lg_expr **ret_expr, uint32_t *ret_n_ids);

/* ---- EXPLAIN ---- */

/* "Index Scan using t_pkey on t", "Hash Left Join", ... as PostgreSQL's text format. */
const char *lg_plan_node_title(const lg_node *n, lg_arena *a);

typedef struct lg_plan_line {
    const char *label; /* "Index Cond", "Filter", "Sort Key", "Hash Cond", "Group Key" ... */
    const char *text;  /* "(id = 1)" */
    uint32_t n;        /* a list (keys): its items; the text is all of them */
    const char *const *items;
} lg_plan_line;

/* How names are shown. */
typedef struct lg_plan_words {
    const lg_plan *plan;
    lg_env *env;
    lg_arena *arena;
    bool verbose; /* columns always qualified, relations and functions with their schema */
} lg_plan_words;

const char *lg_plan_words_title(const lg_plan_words *w, const lg_node *n);
uint32_t lg_plan_words_lines(const lg_plan_words *w, const lg_node *n, lg_plan_line **ret_lines);
/* The columns of the node's output row, as VERBOSE shows them. */
uint32_t lg_plan_words_output(const lg_plan_words *w, const lg_node *n, const char ***ret);
/* The keys of one grouping set. */
uint32_t lg_plan_words_set(const lg_plan_words *w, const lg_node *n, uint32_t set,
                           const char ***ret);
/* The call of a FUNCTION_SCAN. */
const char *lg_plan_words_call(const lg_plan_words *w, const lg_node *n);

/* The lines below the title. */
uint32_t lg_plan_node_lines(const lg_plan *p, const lg_node *n, lg_env *env, lg_arena *a,
                            lg_plan_line **ret_lines);

#endif
