/* Deep copies of expressions and queries: what stands in one place of a statement and is needed in
 * another too, since plan changes what it is given. Everything is made in the arena; relations are
 * shared. */
#ifndef LG_BIND_COPY_H
#define LG_BIND_COPY_H

#include "bound.h"

typedef struct lg_copier lg_copier;
struct lg_copier {
    lg_arena *a;
    /* Asked about each expression, depth queries down from where the copy began: what stands for
     * it in the copy; NULL: a copy of itself. May be NULL. */
    lg_expr *(*leaf)(lg_copier *c, const lg_expr *e, uint32_t depth);
    void *arg;
    uint32_t beyond; /* for leaf: levels between what it copies from and where the copy goes */
    uint32_t raise;  /* references out of the copied part go this many levels further up */
};

lg_expr *lg_copy_expr(lg_copier *c, const lg_expr *e, uint32_t depth);
lg_query *lg_copy_query(lg_copier *c, const lg_query *q, uint32_t depth);

#endif
