/* The worker's standing with the scheduler: its share and how soon it runs after it wakes.
 *
 * A worker does little at a time and sleeps between; what it does is what clients, peers and disks
 * wait for. On a machine with much to run it is not its share that makes it slow but the wait at each
 * wake-up, until the slice of whoever has the processor is over (some ms). Since 6.12 Linux lets a
 * waking thread that asked for a shorter slice than the running one go first, as long as it has not had
 * more than its share. That needs no permission and changes no share. */
#include "assert.h"
#include "run_internal.h"
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS 100000 /* the least that Linux takes */

/* 0: the system's own. Before 6.12 nothing changes. */
static void
slice_set(uint64_t ns)
{
    struct sched_attr attr = {.size = sizeof attr};
    if (syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0) != 0 ||
        attr.sched_policy != SCHED_NORMAL)
        return;
    attr.sched_runtime = ns;
    attr.sched_deadline = attr.sched_period = 0;
    attr.sched_flags = 0;
    (void)syscall(SYS_sched_setattr, 0, &attr, 0);
}

int
lg_run_prioritize(lg_run *r, int by)
{
    LG_ASSERT(r->real && !r->looping);
    int before = getpriority(PRIO_PROCESS, 0), want = before + by;
    struct rlimit most;
    if (setpriority(PRIO_PROCESS, 0, want) != 0 && getrlimit(RLIMIT_NICE, &most) == 0) {
        /* Not root: as far as RLIMIT_NICE goes, which is kept as 20 - nice. */
        int least = 20 - (int)(most.rlim_cur > 40 ? 40 : most.rlim_cur);
        if (least < before)
            (void)setpriority(PRIO_PROCESS, 0, least);
    }
    slice_set(SLICE_NS);
    r->prompt = true;
    int now = getpriority(PRIO_PROCESS, 0);
    r->nice_by += now - before;
    return now;
}

/* Raising is always allowed; a thread inherits what its creator has. */
void
lg_run__helper_begin(lg_run *r)
{
    if (r->nice_by)
        (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - r->nice_by);
    if (r->prompt)
        slice_set(0);
}
