/* Bind: a syntax tree (ast.h) to a bound query (bound.h): names, types, functions, operators,
 * coercions, by PostgreSQL 15's rules and with its error codes, texts and positions.
 *
 * An lg_bind is the context of one statement: made on the caller's stack, used for one
 * lg_bind_query, then kept as long as the query (its list of relations holds the references) and
 * ended with lg_bind_fini, unless the plan takes the relations over (plan.h).
 * Binding looks relations up and locks them (ACCESS SHARE, or what the statement needs) through
 * lg_bind_catalog and so may block. Runs on the caller's fiber; recursion is bounded by stack_bytes
 * (54001). */
#ifndef LG_SQL_BIND_H
#define LG_SQL_BIND_H

#include "bound.h"
#include "parse.h"
#include "usertype.h"

/* What bind needs of the catalog. lg_bind_catalog_init gives the real one; tests bring theirs. */
struct lg_proc; /* cat_proc.h */
typedef struct lg_bind_catalog {
    void *arg;
    lg_status (*relation_by_name)(void *arg, const char *schema, const char *name,
                                  lg_relation **ret_rel);
    lg_status (*relation_by_oid)(void *arg, lg_oid oid, lg_relation **ret_rel);
    lg_status (*lock)(void *arg, lg_oid rel, lg_lockmode mode, bool nowait);
    lg_status (*type_by_name)(void *arg, const char *schema, const char *name, lg_oid *ret_oid);
    lg_status (*namespace_by_name)(void *arg, const char *name, lg_oid *ret_oid);
    /* Column names when a relation or index is shown: quoting and visibility. */
    lg_status (*relation_visible)(void *arg, lg_oid oid, bool *ret);
    /* What of `want` (acl.h) a user has on a relation, a column, a schema; as 0: the session's. All
     * NULL: everything is allowed. */
    lg_status (*relation_mask)(void *arg, lg_oid as, const lg_relation *rel, uint32_t want,
                               uint32_t *ret);
    lg_status (*column_mask)(void *arg, lg_oid as, const lg_relation *rel, const lg_column *col,
                             uint32_t want, uint32_t *ret);
    lg_status (*schema_usable)(void *arg, const char *schema, bool *ret);
    /* Functions that users made, by name; ret_catalog: where pg_catalog stands in the search path,
     * as lg_proc's path. NULL: there are none. */
    lg_status (*procs)(void *arg, const char *schema, const char *name, lg_arena *a,
                       struct lg_proc ***ret, uint32_t *ret_n, uint32_t *ret_catalog);
    lg_status (*proc_usable)(void *arg, const struct lg_proc *p, bool *ret);
    /* Collations. NULL: those built in. */
    lg_status (*collation)(void *arg, const char *schema, const char *name, lg_arena *a,
                           lg_oid *ret);
    lg_status (*collation_name)(void *arg, lg_oid oid, lg_arena *a, const char **ret);
    lg_oid default_collation; /* of the database, when it is ICU's; 0: by bytes (bind_default.c) */
    const char *database;     /* for the three-part names; NULL: any */
} lg_bind_catalog;

void lg_bind_catalog_init(lg_bind_catalog *bc, lg_cat *cat);

typedef struct lg_bind_relation {
    lg_relation *rel;
    lg_lockmode lock; /* the strongest asked for */
    bool below_view;  /* named in views' texts only */
} lg_bind_relation;

typedef struct lg_bind {
    /* set by the caller */
    lg_bind_catalog catalog;
    struct lg_run *run; /* for parsing stored texts; NULL as in parse.h */
    lg_arena *arena;    /* everything made goes here */
    lg_env *env;        /* for input functions of literals */
    lg_error *err;
    const char *sql; /* the text that locations refer to; NULL: positions are not set */
    /* Parameter types: in and out. nparams fixed types when !infer; else unknown ones (0 or
     * LG_T_UNKNOWN) are inferred and the array (in the arena) grows. */
    bool infer_params;
    uint32_t nparams;
    lg_oid *params;
    /* The body of a function is bound: its name, and those of its parameters; NULL: none. */
    const char *func_name;
    uint32_t nparam_names;
    const char *const *param_names;
    const lg_oid *out_types; /* of its OUT parameters where they are polymorphic; NULL: declared */
    size_t stack_bytes;      /* of the fiber that may be used from here; 0 = 512 KiB */
    /* A domain's check is bound: what VALUE is; 0: there is none. */
    lg_oid value_type;
    int32_t value_typmod;
    /* results */
    uint32_t nrelations;
    lg_bind_relation *relations;
    uint32_t nnamed; /* entries that the text itself names, of relations and views */
    struct lg_rte **named;
    /* private */
    uint32_t named_cap;
    uint32_t relations_cap;
    uint32_t params_cap;
    const char *stack_base;
    uint32_t depth;
    lg_oid check_as; /* binding a view: its owner */
    uint32_t view_depth;
    bool calling;               /* the function call at hand is CALL's */
    uint32_t nprocs, procs_cap; /* functions of users that were called, for who depends on them */
    lg_oid *colls;
    uint32_t ncolls; /* likewise collations that were named */
    lg_oid *procs;
    uint32_t nkeys; /* constraints: primary keys that GROUP BY relies on */
    lg_oid *keys;
    bool no_lock; /* binding stored expressions */
} lg_bind;

void lg_bind_init(lg_bind *b, lg_cat *cat, struct lg_run *run, lg_arena *arena, lg_env *env,
                  lg_error *err, const char *sql);
void lg_bind_fini(lg_bind *b); /* lets the relations go */

/* Is it a statement that lg_bind_query takes (SELECT, VALUES, INSERT, UPDATE, DELETE)? The rest are
 * utilities, done by exec from the tree. */
bool lg_bind_is_query(const lg_ast *stmt);
LG_MUST lg_status lg_bind_query(lg_bind *b, const lg_ast *stmt, lg_query **ret_query);
/* The result's columns (RETURNING's for INSERT, UPDATE, DELETE); 0 when there are none. */
uint32_t lg_query_outcols(const lg_query *q, lg_arena *a, lg_outcol **ret_cols);

/* What the query itself names, not what its views do: fn is called with each relation and each of
 * its columns that is used (0: none is), and with the types of constants and coercions (rel NULL). */
typedef void (*lg_query_use_fn)(void *arg, const lg_relation *rel, int16_t attnum, lg_oid type);
void lg_query_uses(const lg_query *q, lg_arena *a, lg_query_use_fn fn, void *arg);

/* Can the view be changed automatically, and which of its columns (one byte each)? ret_why: why
 * not, in PostgreSQL's words. */
LG_MUST lg_status lg_bind_view_updatable(lg_bind *b, lg_relation *rel, uint8_t *ret_cols, bool *ret,
                                         const char **ret_why);

/* ---- for DDL and utilities ---- */

/* The key of an index, which needs one collation: else 42P22. */
LG_MUST lg_status lg_bind_index_collation(lg_bind *b, lg_expr *e);
/* Type name of the syntax to OID and typmod (-1: none). serial names give LG_NOT_FOUND with
 * *ret_oid 0 when ret_serial is NULL, else their integer type and *ret_serial = 2, 4, 8. */
LG_MUST lg_status lg_bind_collation_name(lg_bind *b, const lg_ast_list *name, int32_t loc,
                                         lg_oid *ret);
LG_MUST lg_status lg_bind_type_name(lg_bind *b, const lg_ast_type_name *t, lg_oid *ret_type,
                                    int32_t *ret_typmod, int *ret_serial);

/* Where an expression stands: decides what it may contain, and the error texts. */
typedef enum lg_bind_place {
    LG_PLACE_DEFAULT,   /* no columns, subqueries, aggregates, sets */
    LG_PLACE_CHECK,     /* columns of rel; no subqueries, aggregates, sets */
    LG_PLACE_INDEX,     /* as CHECK, and immutable only */
    LG_PLACE_PREDICATE, /* as INDEX, boolean */
    LG_PLACE_GENERATED, /* as INDEX, no generated columns */
    LG_PLACE_USING,     /* ALTER COLUMN TYPE ... USING */
    LG_PLACE_WHERE,     /* COPY ... WHERE */
    LG_PLACE_EXECUTE,   /* argument of EXECUTE: no columns, subqueries */
} lg_bind_place;

/* What a result column or index column of this expression is called; NULL: it says nothing. */
const char *lg_bind_figure_name(const lg_ast *expr);
/* An expression over one row of rel (may be NULL): Vars are rte 0. Coerced to type (by assignment,
 * with typmod) unless type is 0; boolean places need none. column names the column in errors. */
LG_MUST lg_status lg_bind_expr(lg_bind *b, const lg_ast *expr, lg_bind_place place,
                               lg_relation *rel, lg_oid type, int32_t typmod, const char *column,
                               lg_expr **ret_expr);
/* The same from a stored text. */
LG_MUST lg_status lg_bind_expr_text(lg_bind *b, const char *text, lg_bind_place place,
                                    lg_relation *rel, lg_oid type, int32_t typmod,
                                    lg_expr **ret_expr);
/* The value that a column gets when none is given: its default, nextval of its identity's sequence,
 * or NULL. */
LG_MUST lg_status lg_bind_column_default(lg_bind *b, lg_relation *rel, const lg_column *col,
                                         lg_expr **ret_expr);

/* ---- deparse: bound to SQL text as PostgreSQL prints it (ruleutils) ---- */

typedef struct lg_deparse {
    lg_arena *arena;
    lg_env *env; /* output functions of constants */
    /* Name of a relation (with schema when not visible) for regclass constants and FROM; may be
     * NULL: then the plain name. */
    const char *(*relation_name)(void *arg, lg_oid oid);
    void *arg;
    bool type_oids; /* user-made types and functions as "#oid": texts to be stored */
    bool qualify;   /* columns as table.column */
    bool pretty;    /* fewer parentheses, as pg_get_expr(..., true) */
    bool lines;     /* CASE over several lines; whole queries always are */
    /* Would the bare name find this function of a user? NULL: its schema is always shown. */
    bool (*proc_visible)(void *arg, const struct lg_proc *p);
    const char *const *param_names; /* of a function's body, quoted; NULL: $1 ... */
    uint32_t nparam_names;
    /* For plans: the text of a slot, execution parameter or subplan; NULL outside EXPLAIN. */
    const char *(*slot_name)(void *arg, const lg_expr *e);
} lg_deparse;

/* DECLARE CURSOR: adds the ctid of each table that WHERE CURRENT OF may name to the end of the bound
 * query's result: of those FOR UPDATE and its kin name, else (when it is a plain scan) of the one
 * table. ret_tables: their OIDs, in the arena; 0 of them: it has none. */
void lg_bind_cursor_rows(lg_bind *b, lg_query *q, lg_oid **ret_tables, uint32_t *ret_n);

/* Expression over one relation (defaults, checks, index keys): Vars of rte 0 name its columns. */
LG_MUST lg_status lg_deparse_expr(const lg_deparse *d, const lg_expr *e, const lg_relation *rel,
                                  const char **ret_text);
/* A whole SELECT, laid out as pg_get_viewdef does; without the semicolon. LG_UNSUPPORTED: it has
 * parts that cannot be printed. names: the n result columns are called so (NULL: as the query
 * says). */
LG_MUST lg_status lg_deparse_query(const lg_deparse *d, const lg_query *q, uint32_t n,
                                   const char *const *names, const char **ret_text);
/* A collation as it is written: quoted, with its schema when the bare name would not find it. */
const char *lg_deparse_collation(const lg_env *env, lg_oid oid, lg_arena *a);
/* quote_ident. */
const char *lg_quote_ident(lg_arena *a, const char *name);
const char *lg_quote_literal(lg_arena *a, const char *text);

#endif
