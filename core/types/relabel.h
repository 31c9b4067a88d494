/* Binary coercions between by-value types. */
#ifndef LG_TYPES_RELABEL_H
#define LG_TYPES_RELABEL_H

#include "datum.h"

/* The datum of `to` that has the bits of d, a datum of the binary-coercible type `from`: 32-bit
 * numbers are sign-extended in one type and zero-extended in another. */
lg_datum lg_datum_relabel(lg_oid from, lg_oid to, lg_datum d);

#endif
