/* Drops of files that were cut short: by the death of the dropper, or because another instance could
 * not let go of the file in time.
 *
 * A drop is DROPPING in the file table from its first step on (space_file.c). Whoever recovered the
 * dead, whoever starts alone, and whoever gave up a drop of its own marks itself due; the fiber here
 * finishes all drops it finds. Two that sweep at once, or beside the dropper, do no harm. */
#include "instance_internal.h"

#define SWEEP_EVERY LG_SEC

void
lg_instance__sweep_due(lg_instance *in)
{
    in->sweep_due = true;
}

static void
sweep_main(void *arg)
{
    lg_instance *in = arg;
    while (!in->stopping) {
        if (in->sweep_due) {
            in->sweep_due = false;
            lg_status st = lg_space_sweep(in->space);
            if (st != LG_OK && !in->stopping) {
                in->sweep_due = true;
                lg_log_warn(in->env.log, "space", "dropped files keep their space for now: %s",
                            lg_status_text(st));
            }
        }
        lg_time until = lg_run_now_ns(in->env.run) + SWEEP_EVERY;
        lg_status st = lg_waitq_wait(&in->changed, LG_WAIT_BACKGROUND_IDLE, until, false);
        (void)st; /* looked at again */
    }
    in->sweep_runs = false;
    lg_waitq_wake_all(&in->changed);
}

lg_status
lg_instance__sweep_start(lg_instance *in)
{
    if (in->alone)
        in->sweep_due = true;
    in->sweep_runs = true;
    lg_status st = lg_run_spawn(in->env.run, "sweep", 0, sweep_main, in, NULL);
    in->sweep_runs = st == LG_OK;
    return st;
}
