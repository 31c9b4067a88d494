/* Files of the server: whoever waits for the other end of a FIFO can be cancelled, and no helper
 * thread waits with it. */
#include "lg_test.h"
#include "server_file.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAITERS = 12 }; /* more than there are helper threads */

struct copy {
    struct world *w;
    bool write;
    lg_fiber *fiber;
    lg_status st;
    int error;
    size_t n;
    bool done;
};

struct world {
    lg_run *run;
    char path[80];
    struct copy waiter[WAITERS];
};

static void
copy_main(void *arg)
{
    struct copy *c = arg;
    lg_server_file *f = NULL;
    char buf[4096] = {0};
    size_t n;
    c->st = lg_server_file_open(c->w->run, c->w->path, c->write, &f, &c->error);
    while (c->st == LG_OK && (!c->write || c->n < 1 << 20)) {
        n = sizeof buf;
        c->st = c->write ? lg_server_file_write(f, buf, n, &c->error)
                         : lg_server_file_read(f, buf, sizeof buf, &n, &c->error);
        if (c->st == LG_OK)
            c->n += n;
        if (n == 0)
            break;
    }
    int ignored;
    (void)lg_server_file_close(f, &ignored);
    c->done = true;
}

static void
start(struct world *w, struct copy *c, bool write)
{
    *c = (struct copy){.w = w, .write = write};
    LG_ASSERT_OK(lg_run_spawn(w->run, "copy", 0, copy_main, c, &c->fiber));
}

static void
pause_ms(struct world *w, unsigned ms)
{
    (void)!lg_fiber_sleep_until(lg_run_now_ns(w->run) + ms * LG_MS, LG_WAIT_SLEEP);
}

static bool
finished(struct copy *c)
{
    for (int i = 0; i < 1000 && !c->done; i++)
        pause_ms(c->w, 10);
    return c->done;
}

static void
cancelled(struct world *w, bool write)
{
    for (int i = 0; i < WAITERS; i++)
        start(w, &w->waiter[i], write);
    pause_ms(w, 60);
    char other[100];
    snprintf(other, sizeof other, "%s.other", w->path);
    lg_server_file *f;
    int e;
    LG_ASSERT_OK(lg_server_file_open(w->run, other, true, &f, &e)); /* helpers are free */
    LG_ASSERT_OK(lg_server_file_close(f, &e));
    unlink(other);
    for (int i = 0; i < WAITERS; i++) {
        CU_ASSERT_FALSE(w->waiter[i].done);
        lg_fiber_cancel(w->waiter[i].fiber, LG_CANCELED);
    }
    for (int i = 0; i < WAITERS; i++) {
        CU_ASSERT(finished(&w->waiter[i]));
        CU_ASSERT_EQUAL(w->waiter[i].st, LG_CANCELED);
    }
}

static void
fifo_main(void *arg)
{
    struct world *w = arg;
    cancelled(w, false);
    cancelled(w, true);

    /* A reader waits for its writer, also for one that pauses, and ends with it. */
    struct copy *c = &w->waiter[0];
    start(w, c, false);
    pause_ms(w, 30);
    CU_ASSERT_FALSE(c->done);
    int fd = open(w->path, O_WRONLY | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    pause_ms(w, 30);
    CU_ASSERT_FALSE(c->done);
    CU_ASSERT_EQUAL(write(fd, "abc", 3), 3);
    pause_ms(w, 30);
    CU_ASSERT_EQUAL(write(fd, "de", 2), 2);
    CU_ASSERT_FALSE(c->done);
    close(fd);
    CU_ASSERT(finished(c));
    CU_ASSERT_EQUAL(c->st, LG_OK);
    CU_ASSERT_EQUAL(c->n, 5);

    /* A writer that came and went without a word is the end too. */
    start(w, c, false);
    pause_ms(w, 30);
    fd = open(w->path, O_WRONLY | O_CLOEXEC);
    close(fd);
    CU_ASSERT(finished(c));
    CU_ASSERT_EQUAL(c->st, LG_OK);
    CU_ASSERT_EQUAL(c->n, 0);

    /* A writer waits for its reader, and for room; nothing is lost. */
    start(w, c, true);
    pause_ms(w, 30);
    fd = open(w->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    size_t got = 0;
    char buf[5000];
    for (int i = 0; i < 2000 && (!c->done || got < c->n); i++) {
        ssize_t n = read(fd, buf, sizeof buf);
        got += n > 0 ? (size_t)n : 0;
        pause_ms(w, n > 0 ? 0 : 5);
    }
    CU_ASSERT(finished(c));
    CU_ASSERT_EQUAL(c->st, LG_OK);
    CU_ASSERT_EQUAL(got, 1 << 20);
    close(fd);

    /* A full FIFO whose reader says nothing: cancelled; one whose reader leaves: EPIPE. */
    for (int leaves = 0; leaves < 2; leaves++) {
        fd = open(w->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        start(w, c, true);
        pause_ms(w, 60);
        CU_ASSERT_FALSE(c->done);
        CU_ASSERT(c->n > 0);
        if (!leaves)
            lg_fiber_cancel(c->fiber, LG_CANCELED);
        else
            close(fd);
        CU_ASSERT(finished(c));
        CU_ASSERT_EQUAL(c->st, leaves ? LG_IO : LG_CANCELED);
        CU_ASSERT_EQUAL(c->error, leaves ? EPIPE : 0);
        if (!leaves)
            close(fd);
    }
    lg_run_stop(w->run);
}

LG_TEST(test_server_file__who_waits_for_the_other_end_of_a_fifo_can_be_cancelled)
{
    struct world w = {0};
    signal(SIGPIPE, SIG_IGN);
    snprintf(w.path, sizeof w.path, "/tmp/lg_test_fifo.%d", (int)getpid());
    unlink(w.path);
    CU_ASSERT_EQUAL_FATAL(mkfifo(w.path, 0600), 0);
    LG_ASSERT_OK(lg_run_create(&(lg_run_config){.name = "t"}, &w.run));
    LG_ASSERT_OK(lg_run_spawn(w.run, "main", 0, fifo_main, &w, NULL));
    LG_ASSERT_OK(lg_run_loop(w.run));
    lg_run_destroy(w.run);
    unlink(w.path);
}
