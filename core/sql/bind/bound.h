/* Bound query: a SELECT, INSERT, UPDATE, DELETE (or VALUES) with every name resolved and every
 * expression typed. Shaped as PostgreSQL's Query: a range table, a join tree over it, a target
 * list. Lives in one arena; relations in it are referenced until the owner of the query (bind.h) or
 * of the plan made from it lets them go. */
#ifndef LG_SQL_BOUND_H
#define LG_SQL_BOUND_H

#include "ast_enum.h"
#include "catalog.h"
#include "expr.h"

typedef struct lg_query lg_query;
typedef struct lg_from lg_from;

/* What the client is told of a result column. */
typedef struct lg_outcol {
    const char *name;
    lg_oid type;
    int32_t typmod;
    lg_oid collation;
    lg_oid table; /* the column it is, if it is one; 0 */
    int16_t attnum;
} lg_outcol;

typedef enum lg_rte_kind {
    LG_RTE_RELATION,
    LG_RTE_SUBQUERY, /* also a view */
    LG_RTE_JOIN,     /* names only: its columns are Vars of its sides or coalesces of them */
    LG_RTE_FUNCTION,
    LG_RTE_VALUES,
    LG_RTE_CTE,
    LG_RTE_RESULT, /* one row, no columns */
} lg_rte_kind;

typedef struct lg_rte_func {
    lg_expr *expr;
    uint32_t ncols; /* columns it contributes */
} lg_rte_func;

typedef struct lg_rte {
    lg_rte_kind kind;
    const char *alias; /* the name it goes by; for deparsing and EXPLAIN */
    bool has_alias;    /* written by the user */
    bool whole;        /* no table: is asked for LG_SYSCOL_TABLEOID, not NULL where it has a row */
    bool lateral;
    uint32_t ncols;
    lg_outcol *cols; /* RELATION: one per attnum, dropped ones have name NULL */
    /* RELATION */
    lg_relation *rel;
    lg_lockmode lock;
    lg_oid check_as; /* whose privileges count, also for a view: 0 the user, else a view's owner */
    /* SUBQUERY */
    lg_query *subquery;
    const lg_relation *view; /* the view it came from, or NULL */
    /* JOIN */
    uint8_t join_type;     /* LG_A_JOIN_* */
    lg_expr **alias_exprs; /* one per column */
    /* FUNCTION: ROWS FROM (...) has several */
    uint32_t nfuncs;
    lg_rte_func *funcs;
    bool ordinality; /* one more column, int8 */
    /* VALUES: rows of ncols expressions */
    uint32_t nrows;
    lg_expr ***rows;
    /* CTE */
    uint32_t cte_up; /* query levels up */
    uint32_t cte;    /* index in that query's ctes */
    bool cte_self;   /* the recursive reference inside the CTE itself */
} lg_rte;

typedef struct lg_cte {
    const char *name;
    lg_query *query;
    bool recursive;       /* UNION [ALL] that refers to itself */
    uint8_t materialized; /* LG_A_CTE_MATERIALIZE_* */
    uint32_t refs;
    uint32_t ncols;
    lg_outcol *cols;
    uint32_t added; /* its last columns are those of SEARCH and CYCLE */
} lg_cte;

/* Node of the join tree. */
struct lg_from {
    bool is_join;
    bool listed;       /* items of FROM with a comma between */
    uint32_t rte;      /* the relation, or the join's own entry */
    uint8_t join_type; /* LG_A_JOIN_INNER, LEFT, FULL, RIGHT; after planning SEMI, ANTI too */
    lg_from *left, *right;
    lg_expr *quals; /* ON; NULL: none */
};

typedef struct lg_target {
    lg_expr *expr;
    const char *name; /* NULL only when junk */
    uint32_t ref;     /* > 0: sort, group and distinct items name it by this number */
    int16_t attnum;   /* INSERT, UPDATE: the column assigned */
    bool junk;        /* not part of the result */
    lg_oid table;     /* origin, see lg_outcol */
    int16_t table_attnum;
} lg_target;

/* ORDER BY, GROUP BY, DISTINCT item. eq and lt are the type's own (or USING's). */
typedef struct lg_sort_item {
    uint32_t ref; /* the target with this ref; 0: expr is set (aggregate ORDER BY) */
    lg_expr *expr;
    const lg_operator *eq;
    const lg_operator *lt; /* the ordering operator: < or, for DESC, > ; NULL: not sortable */
    bool desc;
    bool nulls_first;
} lg_sort_item;

/* A window: of the WINDOW clause, or of OVER (...). Frames in PostgreSQL's bits. */
#define LG_FRAME_NONDEFAULT      0x00001
#define LG_FRAME_RANGE           0x00002
#define LG_FRAME_ROWS            0x00004
#define LG_FRAME_GROUPS          0x00008
#define LG_FRAME_BETWEEN         0x00010
#define LG_FRAME_START_UNBOUNDED 0x00020
#define LG_FRAME_END_UNBOUNDED   0x00100
#define LG_FRAME_START_CURRENT   0x00200
#define LG_FRAME_END_CURRENT     0x00400
#define LG_FRAME_START_PRECEDING 0x00800 /* an offset */
#define LG_FRAME_END_PRECEDING   0x01000
#define LG_FRAME_START_FOLLOWING 0x02000
#define LG_FRAME_END_FOLLOWING   0x04000
#define LG_FRAME_EXCLUDE_CURRENT 0x08000
#define LG_FRAME_EXCLUDE_GROUP   0x10000
#define LG_FRAME_EXCLUDE_TIES    0x20000
#define LG_FRAME_START_OFFSET    (LG_FRAME_START_PRECEDING | LG_FRAME_START_FOLLOWING)
#define LG_FRAME_END_OFFSET      (LG_FRAME_END_PRECEDING | LG_FRAME_END_FOLLOWING)
#define LG_FRAME_EXCLUSION                                                                         \
    (LG_FRAME_EXCLUDE_CURRENT | LG_FRAME_EXCLUDE_GROUP | LG_FRAME_EXCLUDE_TIES)
#define LG_FRAME_DEFAULTS (LG_FRAME_RANGE | LG_FRAME_START_UNBOUNDED | LG_FRAME_END_CURRENT)

typedef struct lg_window {
    const char *name;    /* NULL: of an OVER (...) */
    const char *refname; /* the window it was made from, or NULL */
    uint32_t npart;
    lg_sort_item *part;
    uint32_t norder;
    lg_sort_item *order;
    bool copied_order; /* the order is refname's */
    int32_t frame;     /* LG_FRAME_* */
    lg_expr *start;    /* int8 for ROWS and GROUPS; for RANGE of the type that the order column's */
    lg_expr *end;      /* type is offset by */
} lg_window;

typedef struct lg_setop {
    uint8_t op; /* LG_A_SETOP_*; NONE: a leaf */
    bool all;
    uint32_t rte; /* leaf: subquery entry */
    struct lg_setop *left, *right;
    uint32_t ncols;
    lg_outcol *cols;
} lg_setop;

/* FOR UPDATE and its kin. */
typedef struct lg_rowmark {
    uint32_t rte;
    uint8_t strength; /* LG_A_LCS_* */
    uint8_t wait;     /* LG_A_LOCK_WAIT_* */
} lg_rowmark;

typedef struct lg_on_conflict {
    uint8_t action;     /* LG_A_ONCONFLICT_NOTHING, UPDATE */
    uint32_t narbiters; /* 0 with NOTHING: any unique index */
    lg_oid *arbiters;   /* index OIDs */
    uint32_t excluded;  /* range table entry of EXCLUDED */
    uint32_t nset;
    lg_target *set; /* attnum, expr over the table and EXCLUDED */
    lg_expr *where;
} lg_on_conflict;

/* A view that the statement's target is reached through, and which of its columns are used: by
 * attnum, [0] the whole row. */
typedef struct lg_view_use {
    const lg_relation *view;
    lg_oid check_as; /* as lg_rte's */
    uint8_t *read, *inserted, *updated;
    struct lg_view_use *inner; /* the view below, or NULL; */
    int16_t *inner_col;        /* each column's number in what is below; 0: an expression */
    struct lg_view_use *next;
} lg_view_use;

/* WITH CHECK OPTION: what a new row must satisfy, over the target table's columns. */
typedef struct lg_view_check {
    const char *view;
    lg_expr *expr;
    bool conflict; /* instead what the row must satisfy that ON CONFLICT DO UPDATE meets */
} lg_view_check;

typedef enum lg_cmd { LG_CMD_SELECT, LG_CMD_INSERT, LG_CMD_UPDATE, LG_CMD_DELETE } lg_cmd;

struct lg_query {
    lg_cmd cmd;
    lg_query *parent; /* for name resolution only */
    uint32_t nrtes;
    lg_rte **rtes;
    lg_from *from; /* NULL: no FROM (one row) */
    lg_expr *where;
    uint32_t ntargets;
    lg_target *targets; /* INSERT: one per assigned column, attnum set */
    uint32_t ngroup;
    lg_sort_item *group;
    uint32_t nsets; /* grouping sets: each an array of indexes into group; 0: none */
    uint32_t **sets;
    uint32_t *set_len;
    lg_expr *having;
    uint32_t nwindows;
    lg_window *windows;
    uint32_t ndistinct;
    lg_sort_item *distinct; /* with distinct_on false: all targets */
    bool distinct_on;
    uint32_t nsort;
    lg_sort_item *sort;
    lg_expr *limit; /* int8 */
    lg_expr *offset;
    bool with_ties;
    lg_setop *setop; /* its leaves are subqueries; targets are Vars of the leftmost */
    uint32_t nctes;
    lg_cte *ctes;
    uint32_t nmarks;
    lg_rowmark *marks;
    bool for_update; /* its own clause, not one of the query around it */
    bool has_aggs, has_sublinks, has_srfs, has_ctes_modifying;
    bool is_call; /* CALL: the one target is called for its effect, or selects OUT parameters */
    bool grouped; /* GROUP BY, HAVING or aggregates */
    /* INSERT, UPDATE, DELETE */
    uint32_t result_rte; /* the target table; range table entry 0 */
    lg_view_use *views;  /* through which it is changed */
    uint32_t nchecks;
    lg_view_check *checks; /* innermost view first */
    uint8_t *inserted;     /* INSERT: columns given, by attnum */
    lg_on_conflict *on_conflict;
    uint32_t nreturning;
    lg_target *returning;
    bool overriding_user; /* OVERRIDING USER VALUE */
    bool insert_values;   /* INSERT's rows come from entry values_rte, a VALUES or SELECT */
    uint32_t source_rte;
};

#endif
