/* Shared by bind's files. See bind.h for the face.
 *
 * A level is one query while it is bound: its bound query in the making and the names that its
 * expressions may use. Levels are linked to the enclosing query's; a name found k levels out gives
 * an expression whose Vars have up = k.
 *
 * A namespace item is one thing in FROM that names can refer to: every visible column with the
 * expression it stands for (a Var, or for a merged USING column of a FULL JOIN a COALESCE). So a
 * join needs no range table entry of its own. */
#ifndef LG_SQL_BIND_INTERNAL_H
#define LG_SQL_BIND_INTERNAL_H

#include "bind.h"

typedef struct lg_nsitem {
    const char *name;  /* alias or relation name; NULL: columns only (a join without alias) */
    const lg_rte *rte; /* NULL for a join */
    uint32_t rte_index;
    lg_oid relid;
    const char *schema; /* for schema.table.column; NULL: alias given */
    uint32_t ncols;
    const char **col_names; /* NULL: dropped */
    lg_expr **col_exprs;
    bool rel_visible;     /* name.column works */
    bool cols_visible;    /* column works */
    uint32_t not_in_star; /* so many of its last columns */
    bool lateral_only;    /* only for LATERAL references */
    bool lateral_ok;
    bool nullable; /* an outer join may have put NULLs in place of its rows */
    uint8_t *used; /* by column number from 1, [0] the whole row: notes what is read; may be NULL */
} lg_nsitem;

static inline void
lg_bind__use(const lg_nsitem *it, int col)
{
    if (it->used && col >= 0)
        it->used[col + 1] = 1;
}

/* What kind of clause is being bound: names it in errors. */
typedef enum lg_clause {
    LG_CL_NONE,
    LG_CL_JOIN_ON,
    LG_CL_JOIN_USING,
    LG_CL_FROM_SUBSELECT,
    LG_CL_FROM_FUNCTION,
    LG_CL_WHERE,
    LG_CL_HAVING,
    LG_CL_FILTER,
    LG_CL_TARGET,
    LG_CL_INSERT_TARGET,
    LG_CL_UPDATE_SOURCE,
    LG_CL_UPDATE_TARGET,
    LG_CL_GROUP_BY,
    LG_CL_ORDER_BY,
    LG_CL_DISTINCT_ON,
    LG_CL_LIMIT,
    LG_CL_OFFSET,
    LG_CL_RETURNING,
    LG_CL_VALUES,
    LG_CL_VALUES_SINGLE,
    LG_CL_CHECK,
    LG_CL_DEFAULT,
    LG_CL_INDEX,
    LG_CL_PREDICATE,
    LG_CL_GENERATED,
    LG_CL_USING,
    LG_CL_EXECUTE,
    LG_CL_COPY_WHERE,
    LG_CL_WINDOW_PARTITION,
    LG_CL_WINDOW_ORDER,
    LG_CL_FRAME_RANGE,
    LG_CL_FRAME_ROWS,
    LG_CL_FRAME_GROUPS,
} lg_clause;

typedef struct lg_level lg_level;

struct lg_level {
    lg_bind *b;
    lg_level *parent;
    lg_query *q;
    uint32_t rtes_cap;
    uint32_t nns, ns_cap;
    lg_nsitem *ns;
    lg_clause clause;
    bool lateral_active;
    const lg_ast_with_clause *with;
    uint32_t visible_ctes;      /* of q->ctes, for a non-recursive WITH */
    const lg_ast_list *locking; /* FOR UPDATE of the statement (views, subqueries) */
    bool in_agg;                /* inside an aggregate's arguments */
    bool resolve_unknowns;      /* unknown outputs become text */
    bool multi_targets;
    uint32_t nwindefs, windefs_cap; /* WINDOW clause, then those of OVER (...) as they are met */
    const lg_ast_window_def **windefs;
    lg_expr *multi; /* the sublink of UPDATE SET (a, b) = (SELECT ...) */
};

/* --- errors and small things (bind.c) --- */
__attribute__((format(printf, 4, 5), cold)) lg_status
lg_bind__error(lg_bind *b, int32_t loc, const char *sqlstate, const char *fmt, ...);
void lg_bind__position(lg_bind *b, int32_t loc); /* of an error already set */
const char *lg_bind__clause_name(lg_clause c);
LG_MUST lg_status lg_bind__stack_check(lg_bind *b);
/* The name of OUT column i. */
const char *lg_bind__out_name(lg_bind *b, const lg_func *f, uint32_t i);
LG_MUST lg_status lg_bind__check_privileges(lg_bind *b, const lg_query *q); /* bind_priv.c */
LG_MUST lg_status lg_bind__open(lg_bind *b, const lg_ast_range_var *rv, lg_lockmode lock,
                                lg_relation **ret_rel);
LG_MUST lg_status lg_bind__keep(lg_bind *b, lg_relation *rel, lg_lockmode lock);
LG_MUST lg_status lg_bind__query(lg_bind *b, lg_level *parent, const lg_ast *stmt,
                                 const lg_ast_list *locking, bool resolve_unknowns,
                                 lg_query **ret_query);
int32_t lg_bind__loc(const lg_ast *n); /* leftmost known location in the tree */
int32_t lg_bind__expr_loc(const lg_expr *e);
const char *lg_bind__type_name(lg_bind *b, lg_oid type);

/* --- bind_from.c --- */
uint32_t lg_bind__add_rte(lg_level *l, lg_rte *rte);
lg_nsitem lg_bind__nsitem(lg_level *l, uint32_t rte_index);
void lg_bind__ns_push(lg_level *l, const lg_nsitem *it);
LG_MUST lg_status lg_bind__from_clause(lg_level *l, const lg_ast_list *from);
lg_rte *lg_bind__relation_rte(lg_bind *b, lg_relation *rel, const lg_ast_alias *alias,
                              lg_lockmode lock);
LG_MUST lg_status lg_bind__alias_columns(lg_bind *b, lg_rte *rte, const lg_ast_alias *alias,
                                         const char *what);
LG_MUST lg_status lg_bind__column_ref(lg_level *l, const lg_ast_column_ref *c, lg_expr **ret);
lg_expr *lg_bind__var(lg_bind *b, const lg_rte *rte, uint32_t rte_index, int16_t attno);
lg_expr *lg_bind__raise(lg_bind *b, lg_expr *e, uint32_t levels); /* up += levels */
/* The items whose columns `*` means; qualified by name when name is not NULL. */
LG_MUST lg_status lg_bind__star_items(lg_level *l, const lg_ast_column_ref *c,
                                      const lg_nsitem **ret_items, uint32_t *ret_n,
                                      uint32_t *ret_up);

/* --- bind_expr.c --- */
LG_MUST lg_status lg_bind__expr(lg_level *l, const lg_ast *n, lg_expr **ret);
LG_MUST lg_status lg_bind__clause_expr(lg_level *l, const lg_ast *n, lg_clause clause,
                                       lg_expr **ret);
/* boolean; NULL n gives NULL */
LG_MUST lg_status lg_bind__condition(lg_level *l, const lg_ast *n, lg_clause clause,
                                     const char *what, lg_expr **ret);
LG_MUST lg_status lg_bind__bool_operand(lg_level *l, lg_expr *e, const char *what, lg_expr **ret);
/* op applied to bound operands; left NULL: prefix. */
LG_MUST lg_status lg_bind__op(lg_level *l, const lg_ast_list *name, const char *plain,
                              lg_expr *left, lg_expr *right, int32_t loc, lg_expr **ret);
/* Subscripts from .. to - 1 of the list, applied to base. */
LG_MUST lg_status lg_bind__subscripts(lg_level *l, lg_expr *base, const lg_ast_list *ind,
                                      uint32_t from, uint32_t to, int32_t loc, lg_expr **ret);
const char *lg_bind__column_name(const lg_ast *n); /* FigureColname */
/* Field i of a value of a composite type. */
/* Of a whole row that an outer join may have made NULL: the row without the look at that. Its fields are
 * NULL then all the same. */
lg_expr *lg_bind__row_alone(lg_expr *e);
lg_expr *lg_bind__field(lg_bind *b, lg_expr *base, const lg_row_type *t, uint32_t i);

/* --- bind_func.c --- */
typedef struct lg_call_site {
    const lg_ast_func_call *ast; /* NULL: made by the binder */
    const char *schema, *name;
    uint32_t nargs;
    lg_expr **args;
    const char **arg_names; /* NULL: all positional */
    bool star, distinct, variadic, within_group;
    int32_t loc;
} lg_call_site;

LG_MUST lg_status lg_bind__call(lg_level *l, const lg_call_site *s, lg_expr **ret);
/* 0A000 with the message when a set-returning call is in the expression. */
LG_MUST lg_status lg_bind__no_sets(lg_bind *b, const lg_expr *e, const char *message);
LG_MUST lg_status lg_bind__make_op(lg_bind *b, const char *schema, const char *name, lg_expr *left,
                                   lg_expr *right, int32_t loc, lg_expr **ret);
LG_MUST lg_status lg_bind__find_op(lg_bind *b, const char *schema, const char *name, lg_oid left,
                                   lg_oid right, int32_t loc, const lg_operator **ret);
LG_MUST lg_status lg_bind__array_op(lg_bind *b, const char *schema, const char *name, bool use_or,
                                    lg_expr *left, lg_expr *right, int32_t loc, lg_expr **ret);

/* --- bind_coerce.c --- */
typedef enum lg_coercion {
    LG_COERCE_IMPLICIT,
    LG_COERCE_ASSIGNMENT,
    LG_COERCE_EXPLICIT
} lg_coercion;

bool lg_bind__can_coerce(uint32_t n, const lg_oid *from, const lg_oid *to, lg_coercion ctx);
bool lg_bind__binary_coercible(lg_oid from, lg_oid to);
LG_MUST lg_status lg_bind__coerce(lg_bind *b, lg_expr *e, lg_oid type, int32_t typmod,
                                  lg_coercion ctx, lg_func_form form, int32_t loc, lg_expr **ret);
/* NULL in *ret when there is no such coercion; typmod applied. */
/* A ROW of one record that stands for that one's first field, a bigint (in no statement). */
#define LG_BIND_ROW_FIRST 1000
/* What a recursive query with SEARCH or CYCLE stands for; cte: with the columns of its start. */
LG_MUST lg_status lg_bind__search_cycle(lg_level *l, const lg_ast_common_table_expr *c,
                                        const lg_cte *cte, const lg_ast_select_stmt **ret,
                                        uint32_t *ret_added);
LG_MUST lg_status lg_bind__coerce_to(lg_bind *b, lg_expr *e, lg_oid type, int32_t typmod,
                                     lg_coercion ctx, lg_func_form form, int32_t loc,
                                     lg_expr **ret);
/* 0 in *ret and no error when what is NULL. */
LG_MUST lg_status lg_bind__common_type(lg_bind *b, lg_expr *const *e, uint32_t n, const char *what,
                                       lg_oid *ret);
LG_MUST lg_status lg_bind__coerce_common(lg_bind *b, lg_expr *e, lg_oid type, const char *what,
                                         lg_expr **ret);
/* Polymorphic arguments: fills in declared[] and gives the result's type. */
bool lg_bind__check_generic(const lg_oid *actual, const lg_oid *declared, uint32_t n);
LG_MUST lg_status lg_bind__enforce_generic(lg_bind *b, const lg_oid *actual, lg_oid *declared,
                                           uint32_t n, lg_oid result, lg_oid *ret_result);
bool lg_bind__polymorphic(lg_oid type);
bool lg_bind__is_array(lg_oid type);
lg_oid lg_bind__element_of(lg_oid type); /* 0: no array */
lg_oid lg_bind__array_of(lg_oid type);
bool lg_bind__is_string(lg_oid type); /* category S */
int32_t lg_bind__common_typmod(lg_expr *const *e, uint32_t n, lg_oid type);

/* --- bind_select.c --- */
LG_MUST lg_status lg_bind__targets(lg_level *l, const lg_ast_list *list, lg_clause clause,
                                   uint32_t *ret_n, lg_target **ret_targets);
LG_MUST lg_status lg_bind__select(lg_level *l, const lg_ast_select_stmt *s);
LG_MUST lg_status lg_bind__order_item(lg_level *l, const lg_ast_sort_by *s, lg_expr *e,
                                      lg_sort_item *ret);
LG_MUST lg_status lg_bind__check_grouping(lg_level *l);
void lg_bind__target_origin(const lg_level *l, lg_target *t);
lg_level *lg_bind__level_new(lg_bind *b, lg_level *parent, lg_cmd cmd);
LG_MUST lg_status lg_bind__resolve_unknown(lg_bind *b, lg_expr **e);

/* The index of the target that an item of a sort or group clause means; names: SQL92's rules, by
 * name or number too. */
LG_MUST lg_status lg_bind__find_item(lg_level *l, const lg_ast *n, lg_clause clause, bool names,
                                     uint32_t *ret_index);
uint32_t lg_bind__target_ref(lg_query *q, lg_target *t);
LG_MUST lg_status lg_bind__item_operators(lg_level *l, lg_oid type, bool desc, bool need_order,
                                          int32_t loc, lg_sort_item *it);
LG_MUST lg_status lg_bind__no_level_vars(lg_level *l, const lg_expr *e, const char *what);

/* --- bind_group.c --- */
LG_MUST lg_status lg_bind__group(lg_level *l, const lg_ast_list *list, bool distinct);
LG_MUST lg_status lg_bind__grouping(lg_level *l, const lg_ast_grouping_func *g, lg_expr **ret);

/* --- bind_ordered.c --- */
LG_MUST lg_status lg_bind__within_args(lg_level *l, const lg_ast_func_call *c, lg_call_site *s);
LG_MUST lg_status lg_bind__within_check(lg_level *l, const lg_call_site *s, const lg_func *f);
LG_MUST lg_status lg_bind__within_unify(lg_level *l, const lg_call_site *s);
LG_MUST lg_status lg_bind__within(lg_level *l, const lg_call_site *s, lg_expr *agg);

/* --- bind_cte.c --- */
LG_MUST lg_status lg_bind__with(lg_level *l, const lg_ast_with_clause *w);
/* The queries in the order to bind them; recursion that is not allowed is refused. */
LG_MUST lg_status lg_bind__cte_order(lg_bind *b, const lg_ast_with_clause *w,
                                     const lg_ast_common_table_expr ***ret);

/* --- bind_cursor.c --- */
LG_MUST lg_status lg_bind__current_of(lg_level *l, const lg_ast_current_of_expr *e, lg_expr **ret);

/* --- bind_default.c --- */
/* Of a bound statement or expression; NULL is fine. */
void lg_bind__default_collation(const lg_bind *b, lg_query *q, lg_expr *e);

/* --- bind_collate.c --- */
LG_MUST lg_status lg_bind__collate(lg_bind *b, lg_expr *e);
/* The same for what is no call: CASE, COALESCE, ARRAY and such. */
LG_MUST lg_status lg_bind__collate_value(lg_bind *b, lg_expr *e);
LG_MUST lg_status lg_bind__collate_clause(lg_level *l, const lg_ast_collate_clause *c,
                                          lg_expr **ret);

/* --- bind_window.c --- */
LG_MUST lg_status lg_bind__window_call(lg_level *l, const lg_call_site *s, const lg_func *f,
                                       lg_oid type, uint32_t n, lg_expr **args, lg_expr **ret);
/* After all other clauses: the windows that were met, into q->windows. */
LG_MUST lg_status lg_bind__windows(lg_level *l);
int32_t lg_bind__window_loc(const lg_expr *e); /* of the first window function in it */
LG_MUST lg_status lg_bind__window_clause(lg_level *l, const lg_ast_list *clause);

/* --- bind_assign.c --- */
/* base, the column's value, with the part that steps lead to replaced. ret_leaf (may be NULL): the
 * value as the part's type. */
LG_MUST lg_status lg_bind__assign_part(lg_level *l, const lg_column *col, lg_expr *base,
                                       const lg_ast_list *steps, int32_t loc, lg_expr *value,
                                       lg_expr **ret_leaf, lg_expr **ret);

/* --- bind_sqlfunc.c --- */
/* The parameter of that name of the function whose body is bound; NULL: none. */
lg_expr *lg_bind__named_param(lg_bind *b, const char *func, const char *name, int32_t loc);
lg_expr *lg_bind__param_field(lg_bind *b, const char *name, const char *field, int32_t loc);
LG_MUST lg_status lg_bind__call_stmt(lg_level *l, const lg_ast_call_stmt *s);

/* --- bind_view.c --- */

/* A column of what a statement changes. */
typedef struct lg_changed_col {
    const lg_column *col;      /* of the table; NULL: cannot be changed */
    const lg_column *defaults; /* whose default it gets: a view's own or the table's; NULL: none */
    int16_t inner;             /* of a view: number of the column below; 0: an expression */
    const char *why;           /* it cannot be changed, and in which view */
    const lg_relation *why_view;
    const char *why_name;
} lg_changed_col;

/* What a statement changes: a table, or a view of one. */
typedef struct lg_changed {
    lg_relation *rel;  /* as named */
    lg_relation *base; /* the table, entry 0 */
    lg_rte *rte;
    lg_nsitem item;       /* rel's names over entry 0 */
    lg_changed_col *cols; /* one per column of rel */
    lg_view_use *use;     /* NULL: a table */
    lg_cmd cmd;           /* of the statement */
} lg_changed;

LG_MUST lg_status lg_bind__open_changed(lg_level *l, const lg_ast_range_var *rv, lg_cmd cmd,
                                        lg_changed *ret);
/* The table's column that rel's column attno is; notes that cmd writes it. */
LG_MUST lg_status lg_bind__changed_column(lg_bind *b, const lg_changed *c, int16_t attno,
                                          lg_cmd cmd, const lg_column **ret);
lg_nsitem lg_bind__excluded_item(lg_level *l, const lg_changed *c, uint32_t excluded);

/* --- bind_dml.c --- */
LG_MUST lg_status lg_bind__insert(lg_level *l, const lg_ast_insert_stmt *s);
LG_MUST lg_status lg_bind__update(lg_level *l, const lg_ast_update_stmt *s);
LG_MUST lg_status lg_bind__delete(lg_level *l, const lg_ast_delete_stmt *s);

#endif
