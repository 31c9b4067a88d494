/* Shared by plan's files.
 *
 * STAGES of one query level (lg_pq)
 *   plan_prep.c   expressions: fold constants, outer references to execution parameters, sublinks
 * to subplans, EXISTS and IN in WHERE to semi and anti joins plan_join.c   the join tree to items
 * and conditions; dynamic programming (greedy beyond LG_DP_MAX items) over left-deep trees of
 * paths; the best path to nodes plan_path.c   ways to scan one relation, selectivities, costs
 *   plan_decorrelate.c, plan_large.c  correlated aggregates as joins; very long FROMs
 *   plan_query.c  above the joins: grouping, distinct, sorting, limits, set operations, WITH
 *   plan_window.c window functions, above grouping
 *   plan_modify.c INSERT, UPDATE, DELETE, row locks
 *   plan.c        the face; numbering; EXPLAIN's lines are in plan_explain.c
 *
 * ITEMS are what joins combine: a relation, or something planned on its own (subquery, function,
 * VALUES, CTE, the inside of a FULL JOIN or of an outer join's right side). An item that enters by
 * LEFT, SEMI or ANTI join is `special`: it is joined by its own condition, after its `needs`. */
#ifndef LG_SQL_PLAN_INTERNAL_H
#define LG_SQL_PLAN_INTERNAL_H

#include "plan.h"

#define LG_DP_MAX    10u
#define LG_MAX_ITEMS 64u
#define LG_FROM_MAX  56u /* of FROM at once: the rest of the items are for EXISTS and IN */

typedef struct lg_planner {
    lg_bind *b;
    lg_arena *a;
    const lg_plan_settings *s;
    lg_plan *plan;
    uint32_t exec_cap, sub_cap, cte_cap;
    uint32_t inline_depth;
} lg_planner;

/* An output column of a node under construction: which Var it holds. */
typedef struct lg_colref {
    uint32_t rte;
    int16_t attno;
} lg_colref;

typedef struct lg_built {
    lg_node *node;
    uint32_t n;
    lg_colref *map; /* n = node->ncols */
} lg_built;

/* An outer reference: an expression of the parent level whose value the parent must put into an
 * execution parameter before this level runs. */
typedef struct lg_outer {
    lg_expr *expr;
    uint32_t exec;
} lg_outer;

/* A subquery of WHERE that is joined instead (plan_pullup.c). */
typedef struct lg_semi {
    uint32_t rte;
    uint8_t type; /* LG_JOIN_SEMI, LG_JOIN_ANTI */
    lg_expr *on;
} lg_semi;

typedef struct lg_pq {
    lg_planner *p;
    struct lg_pq *parent;
    lg_query *q;
    uint32_t nouter, outer_cap;
    lg_outer *outer;
    uint32_t *cte_plan; /* plan's index of each CTE; UINT32_MAX: inlined */
    uint32_t worktable_param;
    uint32_t worktable; /* of the recursive union being planned at this level's child; node id */
    bool has_outer_join;
    uint32_t nsemis;
    lg_semi *semis;
    /* columns of each range table entry that something above the scan uses */
    bool **needed;         /* [rte][attno], system columns at attno + 8 */
    lg_expr *all_quals;    /* WHERE and inner ON conditions, for rechecks */
    double tuple_fraction; /* rows wanted by LIMIT; 0: all */
    bool distinct_keys;    /* DISTINCT: the junk targets follow from the others, and stay */
} lg_pq;

#define LG_NEEDED_BASE 8

typedef struct lg_item {
    uint32_t rte; /* UINT32_MAX: built */
    lg_built built;
    uint64_t needs; /* special: items that must be there first; lateral ones too */
    uint8_t type;   /* lg_join_kind it enters by */
    lg_expr **on;   /* special: the join condition's conjuncts */
    uint32_t non;
    lg_expr **local; /* conditions on this item alone */
    uint32_t nlocal;
    uint32_t nset; /* lateral: parameters set from other items */
    lg_outer *set;
    double rows;
    struct lg_path *best; /* cheapest unparameterized */
} lg_item;

typedef enum lg_path_kind {
    LG_PATH_SCAN,
    LG_PATH_BUILT,
    LG_PATH_LOOP,
    LG_PATH_HASH,
    LG_PATH_MERGE,
} lg_path_kind;

typedef struct lg_path {
    lg_path_kind kind;
    double rows, cost, startup;
    double weight; /* of a join: cost, and what the wanted order costs then */
    /* SCAN */
    uint32_t item;
    const lg_index *index; /* NULL: sequential */
    bool backward, by_tid, index_only, unique;
    uint32_t nconds;
    lg_index_cond *conds; /* value still in Vars of other items: becomes parameters */
    lg_expr **quals;      /* what remains to filter */
    uint32_t nquals;
    uint32_t nsorted; /* of the wanted order, satisfied */
    /* joins */
    struct lg_path *left, *right;
    uint8_t type;     /* lg_join_kind */
    lg_expr **jquals; /* decide the join; without the hash keys */
    uint32_t njquals;
    lg_expr **fquals; /* filter after it */
    uint32_t nfquals;
    lg_expr **keys; /* HASH, MERGE: equalities */
    uint32_t nkeys;
    bool sort_left, sort_right; /* MERGE: inputs that are not in the keys' order */
    bool inner_unique;
    uint32_t norder; /* what the rows are ordered by, ascending, NULLs last */
    lg_expr **order;
} lg_path;

/* --- plan.c --- */
lg_node *lg_plan__node(lg_planner *p, lg_node_kind kind);
uint32_t lg_plan__exec_param(lg_planner *p, lg_oid type);
uint32_t lg_plan__add_subplan(lg_planner *p, lg_node *root, bool uses_params);
/* The node with the given output instead (targets over its current output row). */
lg_node *lg_plan__project(lg_planner *p, lg_node *n, uint32_t ncols, lg_expr **exprs,
                          const lg_outcol *cols);
lg_expr *lg_plan__slot(lg_planner *p, int32_t slot, lg_oid type, int32_t typmod, lg_oid coll);
lg_outcol lg_plan__outcol(const lg_expr *e, const char *name);
lg_expr *lg_plan__and_list(lg_planner *p, lg_expr *const *list, uint32_t n);
uint32_t lg_plan__split_and(lg_planner *p, lg_expr *e, lg_expr ***ret);
void lg_plan__finish(lg_planner *p);
/* May reads use the index, for what it finds or for what it promises (at most one row)? */
bool lg_plan__index_usable(lg_planner *p, const lg_index *ix);
void lg_plan__sort_cost(lg_planner *p, lg_node *n);

/* --- plan_prep.c --- */
LG_MUST lg_status lg_plan__prepare(lg_pq *pq);
LG_MUST lg_status lg_plan__expr(lg_pq *pq, lg_expr *e, lg_expr **ret);
lg_expr *lg_plan__fold(lg_planner *p, lg_expr *e);
uint32_t lg_plan__outer_param(lg_pq *pq, lg_expr *parent_expr);
LG_MUST lg_status lg_plan__take_outer(lg_pq *pq, const lg_pq *child, uint32_t *ret_n,
                                      lg_outer **ret);
void lg_plan__mark_needed(lg_pq *pq, const lg_expr *e);
void lg_plan__mark_row(lg_pq *pq, uint32_t rte);

/* --- plan_inline.c --- */
/* The expression that a call of a user's function stands for; NULL: it must be called. */
lg_expr *lg_plan__inline_call(lg_planner *p, const lg_expr *call);
void lg_plan__inline_sets(lg_pq *pq); /* functions in FROM */

/* --- plan_pushdown.c --- */
/* Constants through equalities; conditions into the subqueries that stay. */
void lg_plan__push_down(lg_pq *pq);
/* Columns of a subquery that nothing above reads are not computed. */
void lg_plan__drop_unread(lg_pq *pq, uint32_t rte);
bool lg_plan__never(lg_planner *p, lg_expr *cond); /* false for all rows, known now */
bool lg_plan__is_empty(lg_planner *p, const lg_node *n);

/* --- plan_decorrelate.c --- */
/* Correlated subqueries with aggregates become joins with groups, where that is cheaper. */
void lg_plan__decorrelate(lg_pq *pq);

/* --- plan_large.c --- */
/* More relations than can be joined at once: neighbours in FROM are made to be those that conditions
 * connect. */
void lg_plan__order_from(lg_pq *pq);
uint32_t lg_plan__leaves(const lg_from *f);

/* --- plan_pullup.c --- */
/* LEFT JOINs that find at most one row and are asked for none of its columns go. */
void lg_plan__drop_joins(lg_pq *pq);
void lg_plan__pull_up_sublinks(lg_pq *pq);
void lg_plan__pull_up_subqueries(lg_pq *pq);
/* Columns that FROM items use of their siblings are needed. */
void lg_plan__mark_laterals(lg_pq *pq);
/* min and max of an indexed column become the first row of an index scan. */
void lg_plan__minmax(lg_pq *pq);

/* --- plan_path.c --- */
void lg_plan__base_path(lg_pq *pq, lg_item *it, uint32_t index, const lg_sort_item *order,
                        uint32_t norder, lg_path **ret_cheapest, lg_path **ret_sorted);
/* The best index scan that uses conditions on other items in `have`; NULL: none. */
lg_path *lg_plan__param_path(lg_pq *pq, lg_item *it, uint32_t index, lg_expr *const *quals,
                             uint32_t nquals, const bool *usable_rtes);
/* The cheapest index scan that gives the rows in the order of the columns, ascending, NULLs last;
 * NULL: none does. */
lg_path *lg_plan__ordered_path(lg_pq *pq, lg_item *it, uint32_t index, lg_expr *const *columns,
                               uint32_t n);
/* The columns in the order in which some index has them first: positions in `columns`. False: none
 * does. `from`: the first index to look at; goes on. */
bool lg_plan__index_order(lg_pq *pq, const lg_item *it, lg_expr *const *columns, uint32_t n,
                          uint16_t *from, uint32_t *ret_order);
/* What evaluating a condition once costs. */
double lg_plan__qual_cost(lg_pq *pq, const lg_expr *e);
double lg_plan__quals_cost(lg_pq *pq, lg_expr *const *list, uint32_t n);
double lg_plan__rel_tuples(const lg_relation *r);
double lg_plan__rel_pages(const lg_relation *r);

/* --- plan_sel.c --- */
double lg_plan__selectivity(lg_pq *pq, const lg_expr *e);
double lg_plan__list_selectivity(lg_pq *pq, lg_expr *const *list, uint32_t n);
double lg_plan__distinct(lg_pq *pq, const lg_expr *e, double rows);
double lg_plan__semi_selectivity(lg_pq *pq, const lg_expr *e, const bool *left, double rows);

/* --- plan_join.c --- */
/* Do the conditions find at most one row of the entry? */
bool lg_plan__equates(const lg_expr *e, uint32_t rte, int16_t attno); /* the column with others */
bool lg_plan__at_most_one(const lg_pq *pq, uint32_t rte, lg_expr *const *on, uint32_t n);
/* Plans FROM and WHERE. sort: the order wanted, for single relations; *ret_sorted says that the
 * result has it. */
LG_MUST lg_status lg_plan__from(lg_pq *pq, const lg_sort_item *order, uint32_t norder,
                                lg_built *ret, bool *ret_sorted);
/* e with its Vars as slots of a row described by map. */
lg_expr *lg_plan__fix(lg_pq *pq, const lg_expr *e, const lg_colref *map, uint32_t n);

/* --- plan_query.c --- */
/* root's output: the query's non-junk targets. */
LG_MUST lg_status lg_plan__query(lg_planner *p, lg_pq *parent, lg_query *q, lg_pq **ret_pq,
                                 lg_node **ret_root);
LG_MUST lg_status lg_plan__rte(lg_pq *pq, uint32_t rte, lg_item *it);

/* --- plan_window.c --- */
/* Windows over in's row; t: the targets over that row, then over the result's. *ret_sorted: the
 * rows come in the query's ORDER BY. */
lg_node *lg_plan__windows(lg_pq *pq, lg_node *in, lg_expr **t, bool *ret_sorted);

/* --- plan_modify.c --- */
LG_MUST lg_status lg_plan__insert(lg_pq *pq, lg_node **ret);
LG_MUST lg_status lg_plan__change(lg_pq *pq, lg_node **ret);
/* sorted: b's rows are in ORDER BY's order already. */
LG_MUST lg_status lg_plan__lock_rows(lg_pq *pq, lg_built *b, bool sorted);
/* The row layout that locking and changing need: the whole rows of `rtes`, each followed by its
 * ctid, then every other column that was built. ret_base: slot of each first column. */
void lg_plan__row_layout(lg_pq *pq, lg_built *b, const uint32_t *rtes, uint32_t n,
                         uint32_t *ret_base);

#endif
