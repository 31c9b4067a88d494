/* A disk that does not answer.
 *
 * A request that never comes back (a lost completion, a path that hangs) would hold for ever what
 * waits for it: a commit, a block that another instance wants, a recovery. The lease goes on, so the
 * others cannot know. So the instance looks at the age of its oldest request and ends itself when
 * that is over disk_timeout: then it is fenced and recovered like any other dead one. So it does until
 * its last request is done: one that is being stopped is a member still, and may wait for a disk itself. */
#include "instance_internal.h"

#define LOOK_EVERY LG_SEC

static void
disk_watch_main(void *arg)
{
    lg_instance *in = arg;
    while (!in->disks_over) {
        lg_time now = lg_run_now_ns(in->env.run), oldest = lg_io_oldest(in->io);
        if (oldest && now - oldest > in->cfg.disk_timeout_ms * LG_MS) {
            lg_instance__die(in, LG_IO,
                             "a request to a disk has not come back within disk_timeout");
            break;
        }
        lg_status st =
            lg_waitq_wait(&in->changed, LG_WAIT_BACKGROUND_IDLE, now + LOOK_EVERY, false);
        (void)st; /* looked at again */
    }
    in->disk_watch_runs = false;
    lg_waitq_wake_all(&in->changed);
}

lg_status
lg_instance__disk_watch_start(lg_instance *in)
{
    in->disk_watch_runs = true;
    lg_status st = lg_run_spawn(in->env.run, "disk watch", 0, disk_watch_main, in, NULL);
    in->disk_watch_runs = st == LG_OK;
    return st;
}

void
lg_instance__disk_watch_stop(lg_instance *in)
{
    in->disks_over = true;
    lg_waitq_wake_all(&in->changed);
    while (in->disk_watch_runs)
        (void)!lg_waitq_wait(&in->changed, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
}
