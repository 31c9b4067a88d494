/* SQL/JSON path expressions: a value of type jsonpath is its canonical text; it is parsed again
 * where it is run. Not for other modules. */
#ifndef LG_TYPES_JSONPATH_H
#define LG_TYPES_JSONPATH_H

#include "json.h"

typedef enum lg_jp_kind {
    LG_JP_ROOT,
    LG_JP_CURRENT,
    LG_JP_LAST,
    LG_JP_VARIABLE,
    LG_JP_NULL,
    LG_JP_TRUE,
    LG_JP_FALSE,
    LG_JP_NUMBER,
    LG_JP_STRING,
    LG_JP_KEY,
    LG_JP_ANY_KEY,
    LG_JP_ANY_ARRAY,
    LG_JP_INDEX,
    LG_JP_ANY, /* .** */
    LG_JP_FILTER,
    LG_JP_METHOD,
    LG_JP_BINARY, /* arithmetic: op */
    LG_JP_UNARY,
    LG_JP_COMPARE,
    LG_JP_AND,
    LG_JP_OR,
    LG_JP_NOT,
    LG_JP_EXISTS,
    LG_JP_UNKNOWN, /* (x) is unknown */
    LG_JP_STARTS,
    LG_JP_LIKE
} lg_jp_kind;

typedef struct lg_jp lg_jp;
struct lg_jp {
    lg_jp_kind kind;
    const char *op; /* operators; a method's name; the flags of like_regex */
    const char *s;  /* keys, strings, variables, numbers, patterns */
    size_t len;
    lg_jp *left, *right;
    lg_jp *next;          /* the accessor after this */
    uint32_t n;           /* INDEX: pairs */
    lg_jp **from, **to;   /* to[i] NULL: one element */
    uint32_t first, last; /* ANY: levels; UINT32_MAX: last */
};

typedef struct lg_jsonpath {
    bool strict;
    lg_jp *root;
} lg_jsonpath;

/* NULL after reporting an error. In c->arena unless a is given. */
const lg_jsonpath *lg_jsonpath_parse(lg_call *c, lg_arena *a, const char *s, size_t len);
void lg_jsonpath_put(lg_abuf *b, const lg_jsonpath *p);

#endif
