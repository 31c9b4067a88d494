/* Bit strings: order, and what aggregates use. Not for other modules. */
#ifndef LG_TYPES_TYPE_BIT_H
#define LG_TYPES_TYPE_BIT_H

#include "func.h"

/* By their bytes, then by their lengths. */
int lg_bit_compare(lg_datum a, lg_datum b);
lg_datum lg_fn_bit_and(lg_call *c);
lg_datum lg_fn_bit_or(lg_call *c);
lg_datum lg_fn_bitxor(lg_call *c);

#endif
