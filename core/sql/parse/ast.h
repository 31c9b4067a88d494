/* The syntax tree of one SQL statement: what the grammar says, before any name is resolved.
 *
 * Nodes are structs that begin with an lg_ast header and are told apart by its tag:
 *
 *     if (n->tag == LG_AST_SELECT_STMT)
 *         do_select(lg_ast_as(n, select_stmt));
 *
 * The list of nodes and their fields is ast.def, shaped as PostgreSQL's raw parse tree (gram.y), so
 * that its documentation and source explain every field. A tree lives in the arena it was made in
 * and is never changed afterwards. Names are NUL-terminated; an absent string is NULL. */
#ifndef LG_SQL_AST_H
#define LG_SQL_AST_H

#include "ast_enum.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lg_ast_tag {
    LG_AST_NONE,
    LG_AST_INTEGER,    /* lg_ast_value: ival */
    LG_AST_FLOAT,      /* lg_ast_value: sval, as written; also integers beyond int4 */
    LG_AST_BOOLEAN,    /* lg_ast_value: ival */
    LG_AST_STRING,     /* lg_ast_value: sval */
    LG_AST_BIT_STRING, /* lg_ast_value: sval, led by b or x */
    LG_AST_NULL,       /* lg_ast_value */
    LG_AST_LIST,       /* lg_ast_list_node */
#define LG_AST(Message, name, TAG, fields) LG_AST_##TAG,
#include "ast.def"
#undef LG_AST
    LG_AST_TAG_COUNT
} lg_ast_tag;

typedef struct lg_ast {
    lg_ast_tag tag;
    int32_t loc; /* byte offset in the source text; -1 unknown */
} lg_ast;

typedef struct lg_ast_list {
    uint32_t n;
    lg_ast **at; /* an element may be NULL */
} lg_ast_list;

/* A literal, both inside expressions and as a bare value (names, options). */
typedef struct lg_ast_value {
    lg_ast h;
    int32_t ival;
    const char *sval;
} lg_ast_value;

typedef struct lg_ast_list_node {
    lg_ast h;
    lg_ast_list list;
} lg_ast_list_node;

#define LG_AST(Message, name, TAG, fields) typedef struct lg_ast_##name lg_ast_##name;
#include "ast.def"
#undef LG_AST

#define NODE(x)               lg_ast *x;
#define LIST(x)               lg_ast_list x;
#define SUB(x, name, Message) lg_ast_##name *x;
#define STR(x)                const char *x;
#define INT(x)                int32_t x;
#define LONG(x)               int64_t x;
#define BOOL(x)               bool x;
#define ENUM(x)               int32_t x;
#define LOC
#define EMPTY
#define LG_AST(Message, name, TAG, fields)                                                         \
    struct lg_ast_##name {                                                                         \
        lg_ast h;                                                                                  \
        fields                                                                                     \
    };
#include "ast.def"
#undef LG_AST
#undef NODE
#undef LIST
#undef SUB
#undef STR
#undef INT
#undef LONG
#undef BOOL
#undef ENUM
#undef LOC
#undef EMPTY

/* The node as its struct; the tag must have been looked at. */
#define lg_ast_as(node, name) ((const lg_ast_##name *)(const void *)(node))

/* The string of a STRING node (names, operator symbols); NULL when it is not one. */
static inline const char *
lg_ast_str(const lg_ast *n)
{
    return n && n->tag == LG_AST_STRING ? ((const lg_ast_value *)(const void *)n)->sval : NULL;
}

/* The i-th string of a list of names. */
static inline const char *
lg_ast_list_str(const lg_ast_list *l, uint32_t i)
{
    return i < l->n ? lg_ast_str(l->at[i]) : NULL;
}

const char *lg_ast_tag_name(lg_ast_tag tag); /* "SelectStmt" */

/* What PostgreSQL calls the statement in errors: "CREATE TABLE". Written to tag, which is returned. */
enum { LG_COMMAND_TAG_MAX = 64 };
const char *lg_ast_command_tag(const lg_ast *stmt, char tag[LG_COMMAND_TAG_MAX]);

/* Calls fn on every child node of n (elements of lists too; NULLs left out); stops at true. */
bool lg_ast_walk(const lg_ast *n, bool (*fn)(const lg_ast *n, void *arg), void *arg);

/* PostgreSQL's bits in int fields. */
#define LG_A_CURSOR_BINARY      0x0001
#define LG_A_CURSOR_SCROLL      0x0002
#define LG_A_CURSOR_NO_SCROLL   0x0004
#define LG_A_CURSOR_INSENSITIVE 0x0008
#define LG_A_CURSOR_ASENSITIVE  0x0010
#define LG_A_CURSOR_HOLD        0x0020

#define LG_A_FETCH_ALL INT64_MAX

#endif
