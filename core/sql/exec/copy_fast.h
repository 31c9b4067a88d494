/* COPY's short way for plain values (copy_fast.c). */
#ifndef LG_EXEC_COPY_FAST_H
#define LG_EXEC_COPY_FAST_H

#include "exec_internal.h"

/* False: not in the plain form. The value is what the type's input function would give. */
bool lg_xcopy_fast(lg_oid type, int32_t typmod, const char *s, lg_arena *a, lg_datum *ret);

#endif
