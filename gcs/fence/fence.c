/* See fence.h. */
#include "fence.h"

#define LOCK_POLL     (2 * LG_MS)
#define PREEMPT_TRIES 3

lg_status
lg_fence_wait_locks(lg_run *r, lg_disk *const *disks, uint32_t count, uint32_t slot,
                    lg_time deadline)
{
    for (uint32_t i = 0; i < count;) {
        lg_status st = lg_disk_lock_probe(disks[i], slot);
        if (st == LG_OK) {
            i++;
            continue;
        }
        if (st != LG_EXISTS)
            return st;
        if (lg_run_now_ns(r) >= deadline)
            return LG_TIMEOUT;
        LG_TRY(lg_fiber_sleep_until(lg_run_now_ns(r) + LOCK_POLL, LG_WAIT_MEMBERSHIP));
    }
    return LG_OK;
}

uint64_t
lg_fence_key(uint32_t node, uint64_t incarnation)
{
    return (uint64_t)node << 56 | (incarnation & ((1ull << 56) - 1));
}

lg_status
lg_fence_register(lg_disk *const *disks, uint32_t count, uint64_t key)
{
    uint32_t done = 0;
    lg_status st = LG_OK;
    while (done < count && (st = lg_disk_pr_register(disks[done], key)) == LG_OK)
        done++;
    if (st != LG_OK) /* half a fence is none */
        while (done > 0)
            (void)!lg_disk_pr_unregister(disks[--done], key);
    return st;
}

/* The device's yes is not believed: it is asked what it has. */
static lg_status
preempt(lg_disk *d, uint64_t own_key, uint64_t victim_key)
{
    lg_status st = LG_EXISTS;
    for (unsigned i = 0; st == LG_EXISTS && i < PREEMPT_TRIES; i++) {
        LG_TRY(lg_disk_pr_preempt(d, own_key, victim_key));
        st = lg_disk_pr_check(d, own_key, victim_key);
    }
    return st == LG_EXISTS ? LG_IO : st;
}

lg_status
lg_fence_preempt(lg_disk *const *disks, uint32_t count, uint64_t own_key, uint64_t victim_key)
{
    lg_status st = LG_OK;
    for (uint32_t i = 0; i < count; i++)
        LG_KEEP(preempt(disks[i], own_key, victim_key)); /* all of them, whatever one says */
    return st;
}
