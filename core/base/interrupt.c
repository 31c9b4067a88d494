#include "interrupt.h"
#include <string.h>

#define COPY_STEP ((size_t)4 << 20)

static _Thread_local lg_poll_fn installed; /* of the thread, as the current heap is (mem.c) */

void
lg_poll_install(lg_poll_fn fn)
{
    installed = fn;
}

bool
lg_poll(void)
{
    return installed && installed();
}

void
lg_poll_copy(void *to, const void *from, size_t n)
{
    while (n > COPY_STEP) {
        memcpy(to, from, COPY_STEP);
        to = (char *)to + COPY_STEP;
        from = (const char *)from + COPY_STEP;
        n -= COPY_STEP;
        (void)lg_poll();
    }
    if (n)
        memcpy(to, from, n);
}
