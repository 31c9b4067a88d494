/* A failed assertion: say where, then die with a core. */
#include "assert.h"
#include <stdio.h>
#include <stdlib.h>

void
lg_assert_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "lagoon: assertion failed: %s at %s:%d\n", expr, file, line);
    fflush(stderr);
    abort();
}
