/* Inside core/sql/eval: ways that eval_expr.c takes. */
#ifndef LG_EVAL_INTERNAL_H
#define LG_EVAL_INTERNAL_H

#include "array.h"
#include "assert.h"
#include "eval.h"
#include "map.h"
#include "mem.h"
#include "strbuf.h"

/* ---- numerics (eval_num.c): LG_NOT_FOUND: go the general way ---- */

bool lg_xnum_is(const lg_expr *e);       /* arithmetic that may go this way */
bool lg_xnum_compares(const lg_expr *e); /* a comparison of numerics */
lg_status lg_xnum_filter(lg_ectx *c, const lg_expr *e, const uint16_t *sel, uint32_t n,
                         uint16_t *out, uint32_t *ret_n);
lg_vector *lg_xnum_pack(lg_ectx *c, const lg_xnum *x, const uint16_t *sel, uint32_t n);

/* LG_EX_ARRAY_SET (eval_assign.c) */
lg_status lg_xarray_set(lg_ectx *c, const lg_expr *e, lg_datum *ret, bool *ret_null);

#endif
