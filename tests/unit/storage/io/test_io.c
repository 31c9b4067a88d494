/* Disks: the same cases on io_uring, posix and the simulated disk. */
#include "lg_test.h"
#include "io.h"
#include "sim.h"
#include "sim_disk.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DISK_BYTES = 1 << 20 };

struct world {
    lg_run *run;
    lg_sim *sim;
    lg_faults *faults;
    lg_io_backend backend;
    char path[80];
    lg_io *io;
    lg_disk *disk;
    void (*body)(struct world *w);
    int pending;
    lg_status last;
    lg_fiber *fiber;
    bool open_gate;
    int gate_asked, gate_opens;
    bool finished;
};

static void
world_main(void *arg)
{
    struct world *w = arg;
    lg_disk *none;
    LG_ASSERT_OK(lg_io_create(w->run, w->backend, &w->io));
    CU_ASSERT_EQUAL(lg_disk_open(w->io, w->path, 0, &none), LG_NO_DISK);
    LG_ASSERT_OK(lg_disk_create(w->io, w->path, DISK_BYTES));
    CU_ASSERT_EQUAL(lg_disk_create(w->io, w->path, DISK_BYTES), LG_EXISTS);
    LG_ASSERT_OK(lg_disk_open(w->io, w->path, 0, &w->disk));
    CU_ASSERT_EQUAL(lg_disk_size(w->disk), DISK_BYTES);
    w->body(w);
    lg_disk_close(w->disk);
    lg_io_destroy(w->io);
    w->finished = true;
    if (!w->sim)
        lg_run_stop(w->run);
}

static void
everywhere(void (*body)(struct world *w))
{
    static const lg_io_backend backends[] = {LG_IO_URING, LG_IO_POSIX, LG_IO_AUTO};
    for (int i = 0; i < 3; i++) {
        struct world w = {.backend = backends[i], .body = body, .faults = lg_faults_create()};
        snprintf(w.path, sizeof w.path, "/tmp/lg_test_io.%d", (int)getpid());
        if (i == 2)
            LG_ASSERT_OK(lg_sim_create(11, &w.sim));
        lg_run_config cfg = {.name = "t", .sim = w.sim, .faults = w.faults};
        LG_ASSERT_OK(lg_run_create(&cfg, &w.run));
        LG_ASSERT_OK(lg_run_spawn(w.run, "main", 0, world_main, &w, NULL));
        if (w.sim)
            (void)!lg_sim_run(w.sim, NULL, NULL, 100 * LG_SEC);
        else
            LG_ASSERT_OK(lg_run_loop(w.run));
        CU_ASSERT(w.finished);
        lg_run_destroy(w.run);
        lg_sim_destroy(w.sim);
        lg_faults_destroy(w.faults);
        unlink(w.path);
    }
}

static void
round_trip(struct world *w)
{
    char *a = lg_io_buf_alloc(8192), *b = lg_io_buf_alloc(8192);
    lg_io_register_memory(w->io, a, 8192);
    memset(a, 7, 8192);
    LG_ASSERT_OK(lg_disk_read(w->disk, 65536, b, 8192, LG_WAIT_DB_FILE_READ));
    CU_ASSERT_EQUAL(b[0], 0);
    LG_ASSERT_OK(lg_disk_write(w->disk, 65536, a, 8192, 0, LG_WAIT_DB_FILE_WRITE));
    LG_ASSERT_OK(lg_disk_write(w->disk, 8192, a, 4096, LG_IO_LAZY, LG_WAIT_DB_FILE_WRITE));
    LG_ASSERT_OK(lg_disk_sync(w->disk, LG_WAIT_DB_FILE_WRITE));
    LG_ASSERT_OK(lg_disk_read(w->disk, 65536, b, 8192, LG_WAIT_DB_FILE_READ));
    CU_ASSERT_EQUAL(memcmp(a, b, 8192), 0);
    memset(a, 0, 8192);
    LG_ASSERT_OK(lg_disk_read(w->disk, 8192, a, 4096, LG_WAIT_DB_FILE_READ));
    CU_ASSERT_EQUAL(a[4095], 7);
    CU_ASSERT_EQUAL(lg_disk_read(w->disk, DISK_BYTES, b, 8192, LG_WAIT_DB_FILE_READ), LG_IO);
    CU_ASSERT_EQUAL(lg_disk_read(w->disk, 100, b, 8192, LG_WAIT_DB_FILE_READ), LG_INVALID);
    lg_free(a);
    lg_free(b);
}

LG_TEST(test_io__round_trip)
{
    everywhere(round_trip);
}

static void
one_done(lg_io_req *req, lg_status st)
{
    struct world *w = req->arg;
    CU_ASSERT_EQUAL(st, LG_OK);
    if (--w->pending == 0)
        lg_fiber_unpark(w->fiber);
}

static void
many(struct world *w)
{
    enum { N = 64 };
    static lg_io_req req[N];
    static struct iovec iov[2];
    char *buf = lg_io_buf_alloc(N * 4096);
    for (int i = 0; i < N * 4096; i++)
        buf[i] = (char)(i / 4096);
    w->fiber = lg_fiber_self();
    w->pending = N;
    for (int i = 0; i < N; i++) {
        req[i] = (lg_io_req){.disk = w->disk,
                             .op = LG_IO_WRITE,
                             .flags = LG_IO_LAZY,
                             .offset = (uint64_t)(N - 1 - i) * 4096,
                             .buf = buf + i * 4096,
                             .len = 4096,
                             .done = one_done,
                             .arg = w};
        lg_io_submit(&req[i]);
    }
    while (w->pending)
        (void)!lg_fiber_park(LG_WAIT_NONE, LG_FOREVER, false);
    iov[0] = (struct iovec){buf, 4096};
    iov[1] = (struct iovec){buf + 12288, 8192};
    req[0] = (lg_io_req){
        .disk = w->disk, .op = LG_IO_READ, .iov = iov, .iovcnt = 2, .done = one_done, .arg = w};
    w->pending = 1;
    lg_io_submit(&req[0]);
    while (w->pending)
        (void)!lg_fiber_park(LG_WAIT_NONE, LG_FOREVER, false);
    CU_ASSERT_EQUAL(buf[0], N - 1);
    CU_ASSERT_EQUAL(buf[12288], N - 2);
    CU_ASSERT_EQUAL(buf[16384 + 4095], N - 3);
    CU_ASSERT_EQUAL(buf[4096], 1);
    lg_free(buf);
}

LG_TEST(test_io__many_in_flight_and_vectors)
{
    everywhere(many);
}

static lg_status
gate(void *arg)
{
    return ((struct world *)arg)->open_gate ? LG_OK : LG_TIMEOUT;
}

static lg_status
gate_counts(void *arg)
{
    struct world *w = arg;
    return ++w->gate_asked <= w->gate_opens ? LG_OK : LG_TIMEOUT;
}

static void
gated(struct world *w)
{
    char *a = lg_io_buf_alloc(4096);
    memset(a, 1, 4096);
    lg_io_set_write_gate(w->io, gate, w);
    CU_ASSERT_EQUAL(lg_disk_write(w->disk, 0, a, 4096, 0, LG_WAIT_DB_FILE_WRITE), LG_FENCED);
    CU_ASSERT_EQUAL(lg_disk_sync(w->disk, LG_WAIT_DB_FILE_WRITE), LG_FENCED);
    LG_ASSERT_OK(lg_disk_read(w->disk, 0, a, 4096, LG_WAIT_DB_FILE_READ));
    CU_ASSERT_EQUAL(a[0], 0);
    w->open_gate = true;
    LG_ASSERT_OK(lg_disk_write(w->disk, 0, a, 4096, 0, LG_WAIT_DB_FILE_WRITE));
    lg_faults_arm(w->faults, "io_write", &(lg_fault_spec){.status = LG_IO, .count = 1});
    lg_faults_arm(w->faults, "io_read", &(lg_fault_spec){.status = LG_CORRUPT, .count = 1});
    lg_faults_arm(w->faults, "io_sync", &(lg_fault_spec){.status = LG_DISK_FULL, .count = 1});
    CU_ASSERT_EQUAL(lg_disk_write(w->disk, 0, a, 4096, 0, LG_WAIT_DB_FILE_WRITE), LG_IO);
    CU_ASSERT_EQUAL(lg_disk_read(w->disk, 0, a, 4096, LG_WAIT_DB_FILE_READ), LG_CORRUPT);
    CU_ASSERT_EQUAL(lg_disk_sync(w->disk, LG_WAIT_DB_FILE_WRITE), LG_DISK_FULL);
    LG_ASSERT_OK(lg_disk_write(w->disk, 0, a, 4096, 0, LG_WAIT_DB_FILE_WRITE));
    lg_free(a);
}

LG_TEST(test_io__gate_and_fault_points)
{
    everywhere(gated);
}

/* More than there are threads for them: the others go by the ring. */
static void
urgent(struct world *w)
{
    enum { N = 9 };
    static lg_io_req req[N];
    char *buf = lg_io_buf_alloc(N * 8192), *back = lg_io_buf_alloc(N * 8192);
    w->open_gate = true;
    lg_io_set_write_gate(w->io, gate, w);
    for (int round = 1; round <= 3; round++) {
        w->fiber = lg_fiber_self();
        w->pending = N;
        for (int i = 0; i < N; i++) {
            memset(buf + i * 8192, round * 16 + i, 8192);
            req[i] = (lg_io_req){.disk = w->disk,
                                 .op = LG_IO_WRITE,
                                 .flags = LG_IO_URGENT,
                                 .offset = (uint64_t)i * 8192,
                                 .buf = buf + i * 8192,
                                 .len = 8192,
                                 .done = one_done,
                                 .arg = w};
            lg_io_submit(&req[i]);
        }
        while (w->pending)
            (void)!lg_fiber_park(LG_WAIT_NONE, LG_FOREVER, false);
        LG_ASSERT_OK(lg_disk_read(w->disk, 0, back, N * 8192, LG_WAIT_DB_FILE_READ));
        CU_ASSERT_EQUAL(memcmp(buf, back, N * 8192), 0);
    }
    CU_ASSERT_EQUAL(lg_io_oldest(w->io), 0);
    w->open_gate = false;
    CU_ASSERT_EQUAL(lg_disk_write(w->disk, 0, back, 4096, LG_IO_URGENT, LG_WAIT_DB_FILE_WRITE),
                    LG_FENCED);
    lg_free(buf);
    lg_free(back);
}

LG_TEST(test_io__urgent_writes)
{
    everywhere(urgent);
}

/* The way that is slow is looked at now and then, and taken again when it is not. */
static void
urgent_ways(struct world *w)
{
    char *buf = lg_io_buf_alloc(8192);
    memset(buf, 3, 8192);
    w->gate_asked = 0;
    w->gate_opens = INT_MAX;
    lg_io_set_write_gate(w->io, gate_counts, w);
    enum { N = 640 };
    for (int i = 0; i < N; i++)
        LG_ASSERT_OK(lg_disk_write(w->disk, 0, buf, 8192, LG_IO_URGENT, LG_WAIT_DB_FILE_WRITE));
    /* A thread asks once more: at least the looks are by one, or all but the looks. */
    int by_thread = w->gate_asked - N;
    bool ring = w->backend == LG_IO_URING;
    CU_ASSERT(by_thread >= (ring ? N / 32 : 0));
    CU_ASSERT(by_thread <= (ring ? N - N / 32 : 0));
    lg_free(buf);
}

LG_TEST(test_io__urgent_writes_try_both_ways)
{
    everywhere(urgent_ways);
}

static void
last_done(lg_io_req *req, lg_status st)
{
    struct world *w = req->arg;
    w->last = st;
    w->pending = 0;
    lg_fiber_unpark(w->fiber);
}

/* Whatever the worker had leave for: a lease that ended before the thread came to run. */
static void
fenced_late(struct world *w)
{
    static lg_io_req req;
    char *buf = lg_io_buf_alloc(4096), *back = lg_io_buf_alloc(4096);
    memset(buf, 5, 4096);
    w->fiber = lg_fiber_self();
    w->pending = 1;
    w->gate_asked = 0;
    w->gate_opens = 1;
    lg_io_set_write_gate(w->io, gate_counts, w);
    req = (lg_io_req){.disk = w->disk,
                      .op = LG_IO_WRITE,
                      .flags = LG_IO_URGENT,
                      .buf = buf,
                      .len = 4096,
                      .done = last_done,
                      .arg = w};
    lg_io_submit(&req);
    while (w->pending)
        (void)!lg_fiber_park(LG_WAIT_NONE, LG_FOREVER, false);
    LG_ASSERT_OK(lg_disk_read(w->disk, 0, back, 4096, LG_WAIT_DB_FILE_READ));
    /* By a thread it was asked twice and refused; elsewhere once. */
    CU_ASSERT_EQUAL(w->last, w->gate_asked == 2 ? LG_FENCED : LG_OK);
    CU_ASSERT_EQUAL(back[0], w->gate_asked == 2 ? 0 : 5);
    CU_ASSERT_EQUAL(w->gate_asked, w->backend == LG_IO_URING ? 2 : 1);
    lg_free(buf);
    lg_free(back);
}

LG_TEST(test_io__an_urgent_write_asks_the_gate_where_it_is_written)
{
    everywhere(fenced_late);
}

static void
locks(struct world *w)
{
    lg_disk *other;
    LG_ASSERT_OK(lg_disk_open(w->io, w->path, 0, &other));
    LG_ASSERT_OK(lg_disk_lock_probe(other, 2));
    LG_ASSERT_OK(lg_disk_lock(w->disk, 2));
    CU_ASSERT_EQUAL(lg_disk_lock_probe(other, 2), LG_EXISTS);
    CU_ASSERT_EQUAL(lg_disk_lock_probe(w->disk, 2), LG_EXISTS);
    CU_ASSERT_EQUAL(lg_disk_lock_probe(other, 3), LG_OK);
    CU_ASSERT_EQUAL(lg_disk_lock(other, 2), LG_EXISTS);
    LG_ASSERT_OK(lg_disk_lock(other, 3));
    lg_disk_close(other);
    LG_ASSERT_OK(lg_disk_lock_probe(w->disk, 3));
    CU_ASSERT_EQUAL(lg_disk_pr_preempt(w->disk, 1, 2), LG_UNSUPPORTED);
}

LG_TEST(test_io__open_locks)
{
    everywhere(locks);
}

LG_TEST(test_io__lock_falls_with_the_process)
{
    char path[80];
    snprintf(path, sizeof path, "/tmp/lg_test_lock.%d", (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT, 0600), go[2];
    CU_ASSERT_FATAL(fd >= 0 && pipe(go) == 0);
    CU_ASSERT_EQUAL_FATAL(ftruncate(fd, 4096), 0);
    pid_t pid = fork();
    if (pid == 0) { /* holds the lock until it is killed */
        struct flock fl = {.l_type = F_WRLCK, .l_start = (1LL << 61) + 5, .l_len = 1};
        int mine = open(path, O_RDWR);
        char ok = fcntl(mine, F_OFD_SETLK, &fl) == 0;
        (void)!write(go[1], &ok, 1);
        for (;;)
            pause();
    }
    char ok = 0;
    CU_ASSERT_EQUAL(read(go[0], &ok, 1), 1);
    CU_ASSERT_EQUAL(ok, 1);
    lg_run *r;
    lg_io *io;
    lg_disk *d;
    LG_ASSERT_OK(lg_run_create(&(lg_run_config){.name = "t"}, &r));
    LG_ASSERT_OK(lg_io_create(r, LG_IO_AUTO, &io));
    LG_ASSERT_OK(lg_disk_open(io, path, 0, &d));
    CU_ASSERT_EQUAL(lg_disk_lock_probe(d, 5), LG_EXISTS);
    kill(pid, 9);
    waitpid(pid, NULL, 0);
    CU_ASSERT_EQUAL(lg_disk_lock_probe(d, 5), LG_OK);
    lg_disk_close(d);
    lg_io_destroy(io);
    lg_run_destroy(r);
    close(fd);
    close(go[0]);
    close(go[1]);
    unlink(path);
}

/* ---- simulated only: kills, torn writes, power loss, reservations ---- */

struct node {
    lg_run *run;
    lg_io *io;
    lg_heap *heap;
    lg_status st;
    bool lazy;
    bool done;
    uint64_t key;
};

static void
node_writes(void *arg)
{
    struct node *n = arg;
    lg_io *io;
    lg_disk *d;
    LG_ASSERT_OK(lg_io_create(n->run, LG_IO_AUTO, &io));
    n->io = io;
    LG_ASSERT_OK(lg_disk_open(io, "d", 0, &d));
    LG_ASSERT_OK(lg_disk_lock(d, 1));
    if (n->key)
        LG_ASSERT_OK(lg_disk_pr_register(d, n->key));
    char *buf = lg_io_buf_alloc(8192);
    memset(buf, 0xaa, 8192);
    n->st = lg_disk_write(d, 0, buf, 8192, n->lazy ? LG_IO_LAZY : 0, LG_WAIT_DB_FILE_WRITE);
    n->done = true;
    if (n->key)
        n->st = lg_disk_write(d, 8192, buf, 8192, 0, LG_WAIT_DB_FILE_WRITE);
    (void)!lg_fiber_sleep_until(LG_FOREVER, LG_WAIT_SLEEP);
}

static void
node_start(lg_sim *s, struct node *n, uint32_t id)
{
    n->heap = lg_heap_create();
    lg_run_config cfg = {.name = "n", .sim = s, .sim_node = id, .heap = n->heap};
    LG_ASSERT_OK(lg_run_create(&cfg, &n->run));
    LG_ASSERT_OK(lg_run_spawn(n->run, "w", 0, node_writes, n, NULL));
}

static void
node_kill(struct node *n)
{
    lg_run_destroy(n->run);
    lg_heap_destroy(n->heap);
}

static int
sectors_written(lg_sim *s)
{
    unsigned char buf[8192];
    lg_sim_disk_peek(s, "d", 0, buf, sizeof buf);
    int n = 0;
    for (int i = 0; i < 16; i++) {
        n += buf[i * 512] == 0xaa;
        CU_ASSERT_EQUAL(buf[i * 512], buf[i * 512 + 511]); /* a sector is never torn */
    }
    return n;
}

LG_TEST(test_sim_disk__kill_leaves_whole_torn_or_nothing)
{
    int whole = 0, torn = 0, nothing = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        lg_sim *s;
        LG_ASSERT_OK(lg_sim_create(seed, &s));
        LG_ASSERT_OK(lg_sim_disk_create(s, "d", DISK_BYTES));
        struct node n = {0}, after = {0};
        node_start(s, &n, 1);
        (void)!lg_sim_run(s, NULL, NULL, 60 * 1000);
        CU_ASSERT_FALSE(n.done);
        node_kill(&n);
        (void)!lg_sim_run(s, NULL, NULL, LG_SEC);
        int got = sectors_written(s);
        whole += got == 16;
        nothing += got == 0;
        torn += got > 0 && got < 16;
        node_start(s, &after, 1); /* the open-lock has fallen */
        (void)!lg_sim_run(s, NULL, NULL, LG_SEC);
        CU_ASSERT(after.done);
        node_kill(&after);
        lg_sim_destroy(s);
    }
    CU_ASSERT(whole > 20 && torn > 20 && nothing > 20);
}

LG_TEST(test_sim_disk__a_lost_request_is_seen_by_its_age)
{
    for (int what = LG_SIM_LOSE_COMPLETION; what <= LG_SIM_LOSE_REQUEST; what++) {
        lg_sim *s;
        LG_ASSERT_OK(lg_sim_create(9, &s));
        LG_ASSERT_OK(lg_sim_disk_create(s, "d", DISK_BYTES));
        struct node n = {0}, after = {0};
        lg_sim_disk_lose(s, "d", 1, (lg_sim_lose)what);
        node_start(s, &n, 1);
        (void)!lg_sim_run(s, NULL, NULL, 10 * LG_SEC);
        CU_ASSERT_FALSE(n.done);
        CU_ASSERT_EQUAL(sectors_written(s), what == LG_SIM_LOSE_COMPLETION ? 16 : 0);
        CU_ASSERT_NOT_EQUAL(lg_io_oldest(n.io), 0);
        node_kill(&n);
        node_start(s, &after, 1); /* once */
        (void)!lg_sim_run(s, NULL, NULL, LG_SEC);
        CU_ASSERT(after.done);
        CU_ASSERT_EQUAL(lg_io_oldest(after.io), 0);
        node_kill(&after);
        lg_sim_destroy(s);
    }
}

LG_TEST(test_sim_disk__power_loss_takes_only_what_was_not_synced)
{
    int lost = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        for (int lazy = 0; lazy < 2; lazy++) {
            lg_sim *s;
            LG_ASSERT_OK(lg_sim_create(seed, &s));
            LG_ASSERT_OK(lg_sim_disk_create(s, "d", DISK_BYTES));
            struct node n = {.lazy = lazy};
            node_start(s, &n, 1);
            (void)!lg_sim_run(s, NULL, NULL, LG_SEC);
            CU_ASSERT(n.done && n.st == LG_OK);
            CU_ASSERT_EQUAL(sectors_written(s), 16);
            lg_sim_disk_power_loss(s, "d");
            if (lazy)
                lost += sectors_written(s) < 16;
            else
                CU_ASSERT_EQUAL(sectors_written(s), 16);
            node_kill(&n);
            lg_sim_destroy(s);
        }
    }
    CU_ASSERT(lost > 10);
}

static void
preempter(void *arg)
{
    struct node *n = arg;
    lg_io *io;
    lg_disk *d;
    LG_ASSERT_OK(lg_io_create(n->run, LG_IO_AUTO, &io));
    LG_ASSERT_OK(lg_disk_open(io, "d", 0, &d));
    LG_ASSERT_OK(lg_disk_pr_register(d, 200));
    LG_ASSERT_OK(lg_disk_pr_preempt(d, 200, 100));
    lg_disk_close(d);
    lg_io_destroy(io);
}

LG_TEST(test_sim_disk__preempted_key_cannot_write)
{
    lg_sim *s;
    LG_ASSERT_OK(lg_sim_create(4, &s));
    LG_ASSERT_OK(lg_sim_disk_create(s, "d", DISK_BYTES));
    lg_sim_disk_set_pr(s, "d", true);
    struct node victim = {.key = 100}, other = {0};
    node_start(s, &victim, 1);
    lg_sim_disk_stall(s, "d", lg_sim_now(s) + LG_SEC);
    (void)!lg_sim_run(s, NULL, NULL, LG_MS);
    LG_ASSERT_OK(lg_run_create(&(lg_run_config){.name = "o", .sim = s, .sim_node = 2}, &other.run));
    LG_ASSERT_OK(lg_run_spawn(other.run, "p", 0, preempter, &other, NULL));
    (void)!lg_sim_run(s, NULL, NULL, 10 * LG_MS);
    CU_ASSERT_FALSE(victim.done); /* stalled */
    (void)!lg_sim_run(s, NULL, NULL, 2 * LG_SEC);
    CU_ASSERT(victim.done);
    CU_ASSERT_EQUAL(victim.st, LG_FENCED);
    CU_ASSERT_EQUAL(sectors_written(s), 0);
    lg_run_destroy(other.run);
    node_kill(&victim);
    lg_sim_destroy(s);
}
