/* Typed expressions: what bind makes of the syntax, what plan rewrites and exec runs.
 *
 * One struct for all kinds. Children are always in args[0..nargs-1], so that walking and rewriting
 * are generic (lg_expr_walk, lg_expr_mutate). Types are final: every coercion is explicit in the
 * tree. Trees are immutable once made and live in the arena of their query or plan.
 *
 * Bind gives LG_EX_VAR (relation of the range table, column) and LG_EX_SUBLINK. Plan replaces them
 * by LG_EX_SLOT (column of the node's input row), LG_EX_EXEC (parameter set at run time) and
 * LG_EX_SUBPLAN, and gives every node that may need run-time state a number in `id`. What exec
 * sees is marked [x] below; the rest never reaches it. */
#ifndef LG_SQL_EXPR_H
#define LG_SQL_EXPR_H

#include "arena.h"
#include "func.h"
#include "type.h"

typedef enum lg_expr_kind {
    LG_EX_CONST,     /* [x] konst */
    LG_EX_PARAM,     /* [x] param.number: $1 is 1 */
    LG_EX_VAR,       /* var */
    LG_EX_SLOT,      /* [x] slot: column of the input row; < 0: see LG_SYSCOL_* */
    LG_EX_EXEC,      /* [x] exec: parameter set by a nested loop or for a subplan */
    LG_EX_FUNC,      /* [x] func: a call; operators and cast functions are calls too */
    LG_EX_AND,       /* [x] args; three-valued, short-circuit; likewise OR and NOT */
    LG_EX_OR,        /* [x] */
    LG_EX_NOT,       /* [x] args[0] */
    LG_EX_CASE,      /* [x] when0, then0, when1, then1, ..., else; with has_arg the argument comes
                        first and the whens hold LG_EX_CASE_TEST in its place */
    LG_EX_CASE_TEST, /* [x] the value of the innermost enclosing CASE's argument, or the element
                        of the innermost enclosing LG_EX_ARRAY_COERCE */
    LG_EX_COALESCE,  /* [x] args */
    LG_EX_GREATEST,  /* [x] args, all of the result's type; NULLs ignored */
    LG_EX_LEAST,     /* [x] */
    LG_EX_NULLIF,    /* [x] func is the = operator; result NULL when true, else args[0] */
    LG_EX_DISTINCT,  /* [x] IS DISTINCT FROM; func is the = operator */
    LG_EX_IS_NULL,   /* [x] args[0]; of a ROW: all fields; negated: IS NOT NULL */
    LG_EX_BOOL_TEST, /* [x] booltest: LG_A_IS_TRUE ... of ast_enum.h */
    LG_EX_ARRAY,     /* [x] ARRAY[...]; args are elements, or arrays when multidim */
    LG_EX_ARRAY_OP,  /* [x] args[0] op ANY/ALL (args[1]); func, use_or */
    LG_EX_ROW,       /* [x] ROW(...): type record, or a composite one */
    LG_EX_FIELD,     /* [x] field number `field` (from 1) of the record args[0] */
    LG_EX_SUBSCRIPT, /* [x] args[0] the array, then indices; slices: lower, upper pairs */
    LG_EX_RELABEL,   /* [x] same bits, other type (binary coercible) or collation */
    LG_EX_COERCE_IO, /* [x] through text: output function of args[0], input function of type */
    LG_EX_ARRAY_COERCE, /* [x] args[0] the array, args[1] what to do with each LG_EX_CASE_TEST */
    LG_EX_AGG,      /* agg: an aggregate; to exec only inside lg_plan's list of aggregates [x] */
    LG_EX_WINDOW,   /* agg: a window function, or an aggregate over a window; to exec only inside a
                       LG_NODE_WINDOW [x] */
    LG_EX_GROUPING, /* GROUPING(args): gone after planning */
    LG_EX_SUBLINK,  /* sublink: a subquery */
    LG_EX_SUBCOL,   /* output column `slot` of the enclosing sublink's subquery; in a subplan's
                       test [x] */
    LG_EX_SUBPLAN,  /* [x] subplan */
    LG_EX_DOMAIN,   /* [x] args[0], a value of the base type, after it was found to keep the
                       constraints of `domain` */
    LG_EX_DOMAIN_VALUE, /* [x] VALUE in a domain's check */
    LG_EX_DEFAULT,      /* DEFAULT in VALUES or SET; gone after bind */
    LG_EX_ARRAY_SET,    /* [x] args[0], an array or NULL, with the element (is_slice: the slice) at
                           the subscripts args[1 ..] replaced by the last of args */
} lg_expr_kind;

/* System columns as attribute numbers and (negative) slots, PostgreSQL's numbers. */
#define LG_SYSCOL_CTID     (-1)
#define LG_SYSCOL_XMIN     (-2)
#define LG_SYSCOL_CMIN     (-3)
#define LG_SYSCOL_XMAX     (-4)
#define LG_SYSCOL_CMAX     (-5)
#define LG_SYSCOL_TABLEOID (-6)

/* How a call was written, for the deparser and for EXPLAIN. */
typedef enum lg_func_form {
    LG_FORM_CALL,     /* f(x) */
    LG_FORM_OPERATOR, /* op is set */
    LG_FORM_EXPLICIT, /* x::type */
    LG_FORM_IMPLICIT, /* coercion the user did not write: not shown */
    LG_FORM_SQL,      /* EXTRACT(... FROM ...), CURRENT_DATE and such: see sql_value */
} lg_func_form;

typedef struct lg_expr lg_expr;
struct lg_query;
struct lg_sort_item;

struct lg_expr {
    uint8_t kind;      /* lg_expr_kind */
    uint8_t form;      /* lg_func_form, also of relabel and the coercions */
    bool negated;      /* IS_NULL */
    bool use_or;       /* ARRAY_OP: ANY; else ALL */
    bool has_arg;      /* CASE */
    bool multidim;     /* ARRAY */
    bool is_slice;     /* SUBSCRIPT */
    bool variadic;     /* FUNC: the last argument is an array for VARIADIC */
    uint8_t ndefaults; /* FUNC: how many of the last arguments were not written */
    uint8_t sql_value; /* FUNC: LG_A_SVFOP_* when it stands for CURRENT_DATE and such, else 0 */
    uint8_t booltest;
    lg_oid type;
    int32_t typmod;
    lg_oid collation;
    lg_oid incoll; /* FUNC, ARRAY_OP, AGG: what the arguments' collations come to; 0: none */
    const struct lg_row_type *columns; /* FUNC in FROM: of its record result; NULL */
    lg_oid domain; /* the domain that the value is declared as (VAR, DOMAIN); 0: none */
    int32_t loc;   /* byte offset in the statement; -1 */
    uint32_t id;   /* after planning: index of run-time state, < lg_plan.n_expr_ids */
    uint32_t nargs;
    lg_expr **args;
    union {
        struct {
            lg_datum value;
            bool isnull;
        } konst;
        struct {
            int32_t number;
        } param;
        struct {
            uint32_t rte;  /* index in the query's range table */
            uint32_t up;   /* query levels up; 0 = this one */
            int16_t attno; /* from 1; negative: LG_SYSCOL_* */
        } var;
        int32_t slot;   /* SLOT, SUBCOL (from 0) */
        uint32_t exec;  /* EXEC: index < lg_plan.n_exec_params */
        uint32_t field; /* FIELD */
        struct {
            const char *const *names; /* NULL: those of type, or f1, f2 ... */
        } row;
        struct {
            const lg_func *func;
            const lg_operator *op; /* NULL: not written as an operator */
        } func;                    /* FUNC, NULLIF, DISTINCT, ARRAY_OP */
        struct {
            const lg_func *func;
            const lg_expr *filter; /* NULL: none */
            uint32_t norder;
            struct lg_sort_item *order; /* over expressions, see bound.h */
            uint32_t up;                /* query level that it belongs to */
            uint32_t ndirect;           /* ordered-set aggregates: the first arguments, outside
                                           WITHIN GROUP; the others are the ORDER BY's items */
            bool within;                /* an ordered-set aggregate */
            uint32_t window;            /* WINDOW: index in the query's windows */
            bool star;                  /* count(*) */
            bool distinct;
        } agg; /* AGG, WINDOW */
        struct {
            uint8_t link; /* lg_sublink */
            struct lg_query *query;
            /* args[0] of ANY and ALL: the test, with LG_EX_SUBCOL for the subquery's columns */
        } sublink;
        struct {
            uint8_t link;  /* lg_sublink */
            uint32_t plan; /* index in lg_plan.subplans */
            bool hashed;   /* ANY: build a hash table of the subquery's rows once */
            bool init;     /* uncorrelated: run once per execution, lazily */
            /* ANY, ALL: args[0] is the test; then, for every set[i], the expression over the
             * current row whose value goes to execution parameter set[i] before the run. */
            uint32_t nset;
            const uint32_t *set;
        } subplan;
    };
};

typedef enum lg_sublink {
    LG_SUBLINK_EXISTS,
    LG_SUBLINK_ANY, /* args[0] for any row; NULL rules as PostgreSQL */
    LG_SUBLINK_ALL,
    LG_SUBLINK_EXPR,  /* the one value; more than one row is error 21000 */
    LG_SUBLINK_ARRAY, /* ARRAY(subquery) */
    LG_SUBLINK_MULTI, /* (a, b) = (SELECT ...) of UPDATE SET: a record, see LG_EX_FIELD */
} lg_sublink;

lg_expr *lg_expr_new(lg_arena *a, lg_expr_kind kind, lg_oid type, uint32_t nargs);
lg_expr *lg_expr_const(lg_arena *a, lg_oid type, lg_datum value, bool isnull);
lg_expr *lg_expr_bool(lg_arena *a, bool value);
/* A call of f (an operator's when op is not NULL) with n arguments, copied. */
lg_expr *lg_expr_call(lg_arena *a, const lg_func *f, const lg_operator *op, uint32_t n,
                      lg_expr *const *args);
/* Both sides ANDed, flattened; either may be NULL. */
lg_expr *lg_expr_and(lg_arena *a, lg_expr *x, lg_expr *y);

/* Calls fn on the children of e (args, an aggregate's or window function's filter and order); stops
 * at true. Does not enter subqueries. */
bool lg_expr_walk(const lg_expr *e, bool (*fn)(const lg_expr *e, void *arg), void *arg);
/* A copy of e whose children are what fn returns for them. */
lg_expr *lg_expr_mutate(lg_arena *a, const lg_expr *e, lg_expr *(*fn)(lg_expr *e, void *arg),
                        void *arg);
bool lg_expr_equal(const lg_expr *x, const lg_expr *y); /* ignores locations and forms */
/* The type of OUT column k of a call; anyelement is what the first argument is an array of. */
lg_oid lg_expr_out_type(const lg_expr *call, uint32_t k);
/* 'i', 's' or 'v': the least stable function in e; sublinks count as 'v'. */
char lg_expr_volatility(const lg_expr *e);
bool lg_expr_has_kind(const lg_expr *e, lg_expr_kind kind);
bool lg_expr_returns_set(const lg_expr *e); /* a set-returning call anywhere in it */

#endif
