/* Fencing: the proof that an instance can change nothing any more (invariant 6).
 *
 *   exit         its agent has seen the process end; lg_fence_wait_locks proves that no request of
 * it is left in the kernel, since an open-lock lives as long as the open file and each request
 * holds a reference to that. No time needs to pass. lease        it wrote only while its lease
 * lasted; gcs/member leaves it out of a view only when that has ended, with a margin. reservation
 * lg_fence_preempt throws its key out on every device that has persistent reservations, and reads
 * back that it is gone.
 */
#ifndef LG_FENCE_FENCE_H
#define LG_FENCE_FENCE_H

#include "io.h"

/* Blocks until the open-locks of `slot` have fallen on all disks. LG_TIMEOUT: one still stands. */
LG_MUST lg_status lg_fence_wait_locks(lg_run *r, lg_disk *const *disks, uint32_t count,
                                      uint32_t slot, lg_time deadline);
/* The reservation key of one life of an instance. */
uint64_t lg_fence_key(uint32_t node, uint64_t incarnation);
/* Registers the key on all disks and reserves them for those who are registered. LG_UNSUPPORTED
 * when some disk has no reservations: then none keeps the key. Blocking. */
LG_MUST lg_status lg_fence_register(lg_disk *const *disks, uint32_t count, uint64_t key);
/* LG_OK: every disk says afterwards that our key is registered and the victim's is not.
 * LG_UNSUPPORTED when some disk has no reservations, LG_IO when one says yes and keeps the key,
 * LG_FENCED when our own key is gone: then the lease must be waited out. Blocking. */
LG_MUST lg_status lg_fence_preempt(lg_disk *const *disks, uint32_t count, uint64_t own_key,
                                   uint64_t victim_key);

#endif
