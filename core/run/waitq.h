/* Wait queues and latches, built on park/unpark. FIFO. Owned by one worker. */
#ifndef LG_RUN_WAITQ_H
#define LG_RUN_WAITQ_H

#include "run.h"

typedef struct lg_waitq {
    struct lg_waiter *first; /* of a ring; NULL: nobody waits. Zeroed memory is an empty queue */
} lg_waitq;

void lg_waitq_init(lg_waitq *q);
/* Blocks the fiber until woken. LG_OK, LG_TIMEOUT, or the cancel's status. The condition must be
 * looked at again after it returns. */
LG_MUST lg_status lg_waitq_wait(lg_waitq *q, lg_wait event, lg_time deadline, bool cancelable);
bool lg_waitq_wake_one(lg_waitq *q); /* false: nobody waited */
unsigned lg_waitq_wake_all(lg_waitq *q);
bool lg_waitq_empty(const lg_waitq *q);

/* Latch: short, in memory, shared (S) or exclusive (X), fair (a waiting X blocks later S). Never
 * held while waiting for another instance (invariant 8). rank: docs/LOCKING.md; a debug build
 * checks that ranks of held latches do not decrease. */
typedef enum lg_latch_mode { LG_LATCH_S = 1, LG_LATCH_X = 2 } lg_latch_mode;

typedef struct lg_latch {
    lg_waitq q;
    lg_fiber *owner;   /* the X holder */
    uint32_t shared;   /* S holders */
    uint8_t exclusive; /* 1 when held X */
    uint8_t rank;
} lg_latch;

void lg_latch_init(lg_latch *l, uint8_t rank);
void lg_latch_acquire(lg_latch *l, lg_latch_mode mode, lg_wait event); /* blocks the fiber */
bool lg_latch_try(lg_latch *l, lg_latch_mode mode);
void lg_latch_release(lg_latch *l, lg_latch_mode mode);
bool lg_latch_idle(const lg_latch *l); /* neither held nor awaited */

#endif
