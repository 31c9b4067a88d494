/* Parse: SQL text to syntax trees (ast.h), by libpg_query, which is PostgreSQL 15's own grammar.
 *
 * Nobody else includes libpg_query. It needs a deep stack and never yields, so it runs on the
 * worker's native stack (lg_run_on_native_stack); nesting and operator chains are bounded with the
 * scanner first, so that no statement can overflow it: such a one gets 54001.
 * Nothing here blocks; trees live in the caller's arena. */
#ifndef LG_SQL_PARSE_H
#define LG_SQL_PARSE_H

#include "arena.h"
#include "ast.h"
#include "error.h"

struct lg_run;

typedef struct lg_parse_stmt {
    lg_ast *stmt;
    int32_t loc; /* byte offset of the statement's text; locations in the tree count from the
                    start of the whole text */
    int32_t len; /* bytes, without the semicolon */
} lg_parse_stmt;

typedef struct lg_parse_tree {
    const char *sql; /* the whole text, copied into the arena */
    uint32_t n;      /* 0: nothing but blanks, comments and semicolons */
    lg_parse_stmt *stmts;
} lg_parse_tree;

/* run NULL: the caller is on a deep stack already (tests, tools). LG_SQL with 42601 and its kin and
 * the position in err, as PostgreSQL says it. */
LG_MUST lg_status lg_parse_sql(struct lg_run *run, const char *sql, lg_arena *a, lg_error *err,
                               lg_parse_tree **ret_tree);

/* One expression, as stored for defaults, checks, index keys and predicates. Locations in it mean
 * nothing to the client. */
LG_MUST lg_status lg_parse_expr(struct lg_run *run, const char *text, lg_arena *a, lg_error *err,
                                lg_ast **ret_expr);
/* A type name as in a cast: "numeric(10,2)[]". 42601 / "invalid type name". */
LG_MUST lg_status lg_parse_type(struct lg_run *run, const char *text, lg_arena *a, lg_error *err,
                                lg_ast_type_name **ret_type);

/* 1-based character (not byte) position of a byte offset, as the protocol's P field wants it. */
int lg_parse_position(const char *sql, int32_t byte_offset);

/* For the statement cache: the text with runs of blanks and comments collapsed, keywords and
 * identifiers folded to lower case, and every constant replaced by $n (numbered after the highest
 * parameter of the text), with the constants' places. In the arena. ret_n_consts counts them. */
typedef struct lg_parse_const {
    int32_t loc, len; /* in the original text */
    int32_t param;    /* the number it got */
} lg_parse_const;

LG_MUST lg_status lg_parse_normalize(struct lg_run *run, const char *sql, lg_arena *a,
                                     const char **ret_text, lg_parse_const **ret_consts,
                                     uint32_t *ret_n_consts);

/* libpg_query's fingerprint: the same for texts that differ in constants and spelling only. 0: it does
 * not parse. */
uint64_t lg_parse_fingerprint(struct lg_run *run, const char *sql);
/* The text with its constants as $n and otherwise as it was written, as pg_stat_statements shows it;
 * the text itself when it does not parse. In the arena. */
const char *lg_parse_pg_normalize(struct lg_run *run, const char *sql, lg_arena *a);

/* The shape of a single statement: what lg_parse_normalize gives, faster, for the usual texts only;
 * constants become $1, $2 ... in order. False: not certain to be read as the grammar would
 * (comments, escapes, parameters, several statements, more than fits); then there is none. No NUL
 * is added. */
#define LG_PARSE_SHAPE_CONSTS 64

typedef enum lg_parse_shape_kind {
    LG_PARSE_SHAPE_INT4,
    LG_PARSE_SHAPE_INT8,
    LG_PARSE_SHAPE_NUMERIC,
    LG_PARSE_SHAPE_STRING, /* with its quotes, '' inside */
} lg_parse_shape_kind;

typedef struct lg_parse_shape_const {
    uint32_t loc, len; /* in the text */
    lg_parse_shape_kind kind;
} lg_parse_shape_const;

bool lg_parse_shape(const char *sql, size_t len, char *out, size_t cap, size_t *ret_len,
                    lg_parse_shape_const consts[LG_PARSE_SHAPE_CONSTS], uint32_t *ret_n);

#endif
