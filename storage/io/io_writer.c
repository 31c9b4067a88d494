/* Urgent writes: threads that bring a write to the disk while its waiter stops for it.
 *
 * A durable direct write in the ring is ended by kernel threads: one is woken when the data is on the
 * device, writes what the file system changed and asks for the flush, each with a sleep between. They
 * run at normal priority, so on a machine with much to run each of these steps waits for a processor,
 * though the worker itself would not (lg_run_prioritize). A thread of ours takes all steps in one
 * system call, and has the priority of the worker, which is where it is made.
 *
 * The thread costs some ten microseconds of processor time more, and on a machine with little to run it
 * is hardly faster. So both ways are timed: the ring has the writes until it takes twice as long, and each
 * 32nd goes the other way, to see how that is.
 *
 * A thread and its request pass to and fro: `busy` is the worker's; between sem_post and the posted
 * written() the rest belongs to the thread. */
#include "assert.h"
#include "io_internal.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/uio.h>

#define STACK_BYTES (256u << 10)
#define LOOK_EVERY  32u
#define MUCH_SLOWER 2u

struct lg_io__writer {
    lg_io *io;
    lg_io_req *req;
    bool busy;
    bool stop;
    int res; /* bytes, or -errno */
    sem_t go;
    pthread_t thread;
};

/* On the worker's native stack. */
static void
written(void *arg)
{
    lg_io__writer *w = arg;
    lg_io_req *req = w->req;
    w->busy = false;
    req->ring.fn(&req->ring, w->res);
}

/* The gate again: the thread may have been stopped since the worker asked. */
static int
write_now(const lg_io__writer *w)
{
    const lg_io_req *req = w->req;
    struct iovec v = {(char *)req->buf + req->progress, req->len - req->progress};
    if (lg_io__gate(req->disk) != LG_OK)
        return -EBADE;
    ssize_t n = pwritev2(req->disk->fd, &v, 1, (off_t)(req->offset + req->progress), RWF_DSYNC);
    return n < 0 ? -errno : (int)n;
}

static void *
writer_main(void *arg)
{
    lg_io__writer *w = arg;
    for (;;) {
        while (sem_wait(&w->go) != 0)
            continue; /* EINTR */
        if (w->stop)
            return NULL;
        w->res = write_now(w);
        lg_run_post(w->io->run, written, w);
    }
}

static bool
writer_start(lg_io__writer *w)
{
    sigset_t all, old;
    pthread_attr_t attr;
    sigfillset(&all);
    sem_init(&w->go, 0, 0);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&w->thread, &attr, writer_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        sem_destroy(&w->go);
    return rc == 0;
}

static lg_io__writer *
writer_find(lg_io *io)
{
    for (unsigned i = 0; i < io->writer_count; i++)
        if (!io->writer[i]->busy)
            return io->writer[i];
    if (io->writer_count == LG_IO_WRITERS)
        return NULL;
    lg_io__writer *w = lg_zalloc(sizeof *w);
    w->io = io;
    if (!writer_start(w)) {
        lg_free(w);
        return NULL;
    }
    return io->writer[io->writer_count++] = w;
}

static bool
thread_wanted(lg_io *io)
{
    bool look = io->urgent_count++ % LOOK_EVERY == 0;
    bool slow = io->pace[1] && io->pace[0] > MUCH_SLOWER * io->pace[1];
    return slow != look;
}

void
lg_io__writer_note(const lg_io_req *req)
{
    lg_io *io = req->disk->io;
    lg_time *pace = &io->pace[req->by_thread], took = lg_run_now_exact_ns(io->run) - req->urgent_at;
    *pace = *pace ? *pace - *pace / 8 + took / 8 : took;
}

bool
lg_io__writer_take(lg_io_req *req)
{
    lg_io *io = req->disk->io;
    lg_io__writer *w = thread_wanted(io) ? writer_find(io) : NULL;
    req->urgent_at = lg_run_now_exact_ns(io->run);
    req->by_thread = w != NULL;
    if (!w)
        return false;
    w->busy = true;
    w->req = req;
    sem_post(&w->go);
    return true;
}

void
lg_io__writers_stop(lg_io *io)
{
    for (unsigned i = 0; i < io->writer_count; i++) {
        lg_io__writer *w = io->writer[i];
        LG_ASSERT(!w->busy);
        w->stop = true;
        sem_post(&w->go);
        pthread_join(w->thread, NULL);
        sem_destroy(&w->go);
        lg_free(w);
    }
    io->writer_count = 0;
}
