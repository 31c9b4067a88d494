/* How long waits were, by event: a histogram per instance. Bucket b counts waits of less than 2^b
 * microseconds and not less than 2^(b-1); the last one all longer ones. Owner: the run; read by its
 * worker. */
#ifndef LG_RUN_WAIT_HIST_H
#define LG_RUN_WAIT_HIST_H

#include "run.h"

#define LG_WAIT_BUCKETS 26u

uint64_t lg_run_wait_bucket(const lg_run *r, lg_wait event, uint32_t bucket);

#endif
