/* What EXPLAIN prints, in its four formats: properties in groups, as PostgreSQL's. */
#ifndef LG_EXPLAIN_OUT_H
#define LG_EXPLAIN_OUT_H

#include "strbuf.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum lg_xformat {
    LG_XFORMAT_TEXT,
    LG_XFORMAT_XML,
    LG_XFORMAT_JSON,
    LG_XFORMAT_YAML
} lg_xformat;

#define LG_XOUT_DEPTH 512

typedef struct lg_xout {
    lg_xformat format;
    lg_strbuf b;
    int indent;
    int depth;
    bool begun[LG_XOUT_DEPTH]; /* by open group: it has a member */
} lg_xout;

void lg_xout_init(lg_xout *o, lg_xformat format);
void lg_xout_fini(lg_xout *o);
void lg_xout_begin(lg_xout *o);
void lg_xout_end(lg_xout *o);

/* label NULL: a member of a list. labeled: its members have labels. */
void lg_xout_open(lg_xout *o, const char *type, const char *label, bool labeled);
void lg_xout_close(lg_xout *o, const char *type, bool labeled);
void lg_xout_text(lg_xout *o, const char *label, const char *value);
void lg_xout_int(lg_xout *o, const char *label, const char *unit, uint64_t value);
void lg_xout_float(lg_xout *o, const char *label, const char *unit, double value, int digits);
void lg_xout_bool(lg_xout *o, const char *label, bool value);
void lg_xout_list(lg_xout *o, const char *label, const char *const *items, uint32_t n);

static inline bool
lg_xout_is_text(const lg_xout *o)
{
    return o->format == LG_XFORMAT_TEXT;
}
void lg_xout_indent(lg_xout *o); /* text: the blanks that begin a line */

#endif
