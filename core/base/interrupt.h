/* Long computations that know nothing of fibers (arithmetic on numbers of 100,000 digits, sorting)
 * ask now and then whether to go on. Whoever runs the thread installs the answer; asking lets others
 * run when the time slice is over. Costs a look at the clock: ask every 100 us or so of work.
 *
 * True: give up, and return anything that is safe to go on with. The statement is going to fail
 * whatever comes of it: the executor looks for a pending cancel before it gives out rows and before
 * it reports success. */
#ifndef LG_BASE_INTERRUPT_H
#define LG_BASE_INTERRUPT_H

#include <stdbool.h>
#include <stddef.h>

typedef bool (*lg_poll_fn)(void);

void lg_poll_install(lg_poll_fn fn); /* for the calling thread; NULL: never asked */
bool lg_poll(void);
/* memcpy that asks every few MiB, and copies all whatever the answer is. */
void lg_poll_copy(void *to, const void *from, size_t n);

#endif
