#include "interrupt.h"
#include <stddef.h>

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
