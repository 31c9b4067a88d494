/* JSON values: json keeps its text as it was written; jsonb is kept as canonical text (keys sorted
 * by length and bytes, no duplicates, one space after : and ,), so that equal values are equal
 * bytes but for the scale of numbers. Both are parsed into a tree when looked into. */
#ifndef LG_TYPES_JSON_H
#define LG_TYPES_JSON_H

#include "types_values.h"

typedef enum lg_json_kind {
    LG_JSON_NULL,
    LG_JSON_STRING,
    LG_JSON_NUMBER,
    LG_JSON_FALSE,
    LG_JSON_TRUE,
    LG_JSON_ARRAY,
    LG_JSON_OBJECT
} lg_json_kind;

typedef struct lg_json {
    lg_json_kind kind;
    const char *text; /* the value as written */
    size_t len;
    const char *s; /* strings: unescaped */
    size_t slen;
    uint32_t n; /* elements or pairs */
    struct lg_json **v;
    struct lg_json **keys; /* objects: strings */
} lg_json;

/* NULL after reporting an error, which says json for both types as PostgreSQL's. */
lg_json *lg_json_parse(lg_call *c, const char *s, size_t len);
/* Is it json? Escapes may stand for what text cannot hold; false after reporting an error. */
bool lg_json_check(lg_call *c, const char *s, size_t len);
/* Canonical text. */
void lg_json_put(lg_call *c, lg_abuf *b, const lg_json *x);
void lg_json_put_string(lg_abuf *b, const char *s, size_t len);
const lg_json *lg_json_field(const lg_json *x, const char *key, size_t len); /* or NULL */
int lg_json_compare(const lg_json *a, const lg_json *b);

/* Aggregates (agg.c lists them). */
#define LG_JSON_AGG_STATE 48
void lg_json__agg_step(lg_call *c, void *state);
void lg_json__object_agg_step(lg_call *c, void *state);
lg_datum lg_json__agg_final(lg_call *c, void *state);
lg_datum lg_json__object_agg_final(lg_call *c, void *state);

#endif
