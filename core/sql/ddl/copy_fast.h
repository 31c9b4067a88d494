/* COPY's short ways for plain lines and plain values (copy_fast.c). */
#ifndef LG_EXEC_COPY_FAST_H
#define LG_EXEC_COPY_FAST_H

#include "rows.h"

typedef struct lg_xcopy_field {
    const char *s;
    size_t len;
    bool null;
} lg_xcopy_field;

/* The fields of the text line at s, where they lie. Returns the line's length with its end; 0: the
 * line is not all here, has not n fields, or has escapes other than \N. */
size_t lg_xcopy_line(const char *s, size_t len, char delim, const char *null_text, size_t null_len,
                     lg_xcopy_field *f, uint32_t n);
/* False: not in the plain form. The value is what the type's input function would give. */
bool lg_xcopy_fast(lg_oid type, int32_t typmod, const char *s, size_t len, lg_arena *a,
                   lg_datum *ret);

#endif
