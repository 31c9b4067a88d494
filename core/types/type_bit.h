/* Bit strings: order. Not for other modules. */
#ifndef LG_TYPES_TYPE_BIT_H
#define LG_TYPES_TYPE_BIT_H

#include "datum.h"

/* By their bytes, then by their lengths. */
int lg_bit_compare(lg_datum a, lg_datum b);

#endif
