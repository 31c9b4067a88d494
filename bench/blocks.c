/* bench-blocks [--transport T]... [--count N]: an 8 KiB block fetched by Cache Fusion from another
 * process, through the real buffer caches, directory and interconnect; p50 and p99 in microseconds.
 *
 *   current  the block in X from its X holder (dirty there, its redo durable): the old holder keeps
 *            a past image, the new one claims it
 *   shared   the block in S from its X holder
 *   cr       a consistent copy from the X holder (the builder gives the image as it is)
 *
 * Beside it bench-interconnect's `raw` of the same transport. Two instances, both directory
 * masters: every fetch is of the two-message kind or goes by way of oneself. */
#include "cachefusion.h"
#include "dwb.h"
#include "mem.h"
#include "msg.h"
#include "mtr.h"
#include "reconf.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK  8192
#define BLOCKS 400 /* of the metadata area, which nobody else uses here */
#define VALUE  64

struct bench {
    const char *kind, *what;
    const char *path;
    unsigned count;
    bool server;
    char mine[128], peer[128];
    lg_run *run;
    lg_scn_clock clock;
    lg_io *io;
    lg_volume *volume;
    lg_redo *redo;
    lg_dwb *dwb;
    lg_rpc *rpc;
    lg_cf *cf;
    lg_buf_cache *cache;
    lg_reconf *reconf;
    uint64_t *ns;
    unsigned done;
};

static lg_addr
block_at(const struct bench *b, uint32_t i)
{
    return lg_vol_map_addr(b->volume, 40 + i);
}

static lg_status
as_it_is(void *arg, lg_addr addr, void *image, lg_scn snapshot)
{
    (void)arg;
    (void)addr;
    (void)image;
    (void)snapshot;
    return LG_OK;
}

/* ---- an instance without SQL ---- */

static lg_status
disk_make(lg_run *run, const char *path)
{
    lg_io *io;
    const char *paths[1] = {path};
    LG_TRY(lg_io_create(run, LG_IO_AUTO, &io));
    lg_volume_create_config c = {.io = io,
                                 .paths = paths,
                                 .disk_count = 1,
                                 .block_bytes = BLOCK,
                                 .instances = 2,
                                 .log_files = 2,
                                 .log_file_bytes = 16 << 20,
                                 .name = "bench"};
    return lg_volume_create(&c, true);
}

static lg_status
instance_open(struct bench *b)
{
    char missing[64];
    const char *paths[1] = {b->path};
    uint32_t node = b->server ? 2 : 1;
    LG_TRY(lg_io_create(b->run, LG_IO_AUTO, &b->io));
    LG_TRY(lg_volume_open(b->io, paths, 1, missing, sizeof missing, &b->volume));
    lg_redo_config rc = {
        .run = b->run, .volume = b->volume, .thread = node - 1, .clock = &b->clock};
    LG_TRY(lg_redo_open(&rc, &b->redo));
    LG_TRY(lg_dwb_create(b->run, b->volume, node - 1, &b->dwb));
    lg_cf_config cc = {.run = b->run,
                       .rpc = b->rpc,
                       .clock = &b->clock,
                       .volume = b->volume,
                       .node = node,
                       .block_bytes = BLOCK,
                       .cr_per_version = 200};
    LG_TRY(lg_cf_create(&cc, &b->cf));
    lg_cf_set_cr(b->cf, as_it_is, NULL);
    lg_buf_config bc = {.run = b->run,
                        .volume = b->volume,
                        .redo = b->redo,
                        .clock = &b->clock,
                        .coherence = lg_cf_coherence(b->cf),
                        .cache_bytes = 2000 * BLOCK,
                        .dwb = b->dwb};
    LG_TRY(lg_buf_cache_create(&bc, &b->cache));
    LG_TRY(lg_cf_attach(b->cf, b->cache));
    lg_reconf_config fc = {.run = b->run, .rpc = b->rpc, .node = node, .incarnation = 1};
    LG_TRY(lg_reconf_create(&fc, &b->reconf));
    lg_participant p;
    lg_cf_participant(b->cf, &p);
    lg_reconf_add(b->reconf, &p);
    lg_reconf_member m[2] = {{1, 1, b->server ? b->peer : b->mine},
                             {2, 1, b->server ? b->mine : b->peer}};
    LG_TRY(lg_reconf_view(b->reconf, 1, m, 2));
    return lg_reconf_wait_open(b->reconf, 1, LG_FOREVER);
}

/* ---- the holder: takes all blocks in X, changes them, makes its redo durable ---- */

static lg_status
change(struct bench *b, uint32_t i)
{
    lg_mtr m;
    lg_buf *buf;
    lg_mtr_begin(&m, b->cache);
    LG_TRY(lg_mtr_get(&m, block_at(b, i), LG_LATCH_X, 0, &buf));
    if (lg_block_version(buf->data) == 0)
        lg_mtr_format(&m, buf, LG_BLOCK_HEAP);
    lg_mtr_set_u64(&m, buf, VALUE, lg_block_version(buf->data));
    lg_mtr_commit(&m, NULL);
    return LG_OK;
}

struct asked {
    struct bench *b;
    lg_rpc_token token;
};

static void
take_all(void *arg)
{
    struct asked *a = arg;
    struct bench *b = a->b;
    lg_status st = LG_OK;
    uint64_t nothing = 0;
    for (uint32_t i = 0; i < BLOCKS && st == LG_OK; i++)
        st = change(b, i);
    if (st == LG_OK)
        st = lg_redo_flush(b->redo, lg_redo_end(b->redo));
    (void)!lg_rpc_reply(b->rpc, &a->token, st, &nothing, sizeof nothing, NULL, 0);
    lg_free(a);
}

static void
on_ask(void *arg, lg_rpc_msg *m)
{
    struct asked *a = lg_alloc(sizeof *a);
    *a = (struct asked){arg, m->token};
    if (lg_run_spawn(a->b->run, "take", 0, take_all, a, NULL) != LG_OK)
        abort();
}

/* ---- the one who fetches ---- */

static lg_status
fetch(struct bench *b, uint32_t i, uint8_t *frame)
{
    if (strcmp(b->what, "cr") == 0) {
        bool current;
        LG_TRY(
            lg_buf_read_copy(b->cache, block_at(b, i), lg_scn_current(&b->clock), frame, &current));
        return current ? LG_RETRY : LG_OK;
    }
    lg_latch_mode mode = strcmp(b->what, "shared") == 0 ? LG_LATCH_S : LG_LATCH_X;
    lg_buf *buf;
    LG_TRY(lg_buf_get(b->cache, block_at(b, i), mode, &buf));
    lg_buf_put(b->cache, buf, mode);
    return LG_OK;
}

static lg_status
rounds(struct bench *b)
{
    uint8_t *frame = lg_alloc_aligned(4096, BLOCK);
    lg_msg_any ask = {0};
    lg_rpc_request rq = {.node = 2,
                         .type = LG_MSG_INSTANCE_CALL,
                         .payload = &ask,
                         .payload_len = sizeof ask,
                         .deadline = LG_FOREVER};
    while (b->done < b->count) {
        LG_TRY(lg_rpc_call(b->rpc, &rq, NULL));
        for (uint32_t i = 0; i < BLOCKS && b->done < b->count; i++) {
            lg_time began = lg_run_now_exact_ns(b->run);
            LG_TRY(fetch(b, i, frame));
            b->ns[b->done++] = lg_run_now_exact_ns(b->run) - began;
        }
    }
    lg_free(frame);
    return LG_OK;
}

static void
instance_main(void *arg)
{
    struct bench *b = arg;
    lg_status st = instance_open(b);
    if (st == LG_OK && !b->server)
        st = rounds(b);
    if (st != LG_OK)
        printf("%s %s: %s\n", b->kind, b->what, lg_status_name(st));
    if (st != LG_OK || !b->server)
        lg_run_stop(b->run);
}

static bool
side_open(struct bench *b)
{
    char address[64] = "127.0.0.1:0";
    if (strcmp(b->kind, "shm") == 0)
        snprintf(address, sizeof address, "blocks%d", b->server);
    lg_run_config rc = {.name = "bench"};
    if (lg_run_create(&rc, &b->run) != LG_OK)
        return false;
    lg_rpc_config c = {.run = b->run,
                       .scn = &b->clock,
                       .transport = b->kind,
                       .address = address,
                       .node = b->server ? 2 : 1,
                       .incarnation = 1,
                       .key = "bench",
                       .key_len = 5,
                       .types = lg_msg_types(),
                       .type_count = LG_MSG_COUNT};
    if (lg_rpc_create(&c, &b->rpc) != LG_OK)
        return false;
    lg_rpc_handle(b->rpc, LG_MSG_INSTANCE_CALL, on_ask, b);
    snprintf(b->mine, sizeof b->mine, "%s", lg_rpc_address(b->rpc));
    return true;
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void
report(struct bench *b)
{
    unsigned skip = b->done / 10, n = b->done - skip; /* warming up */
    if (b->done < b->count) {
        printf("%-6s %-8s not available\n", b->kind, b->what);
        return;
    }
    qsort(b->ns + skip, n, sizeof *b->ns, compare);
    printf("%-6s %-8s p50 %7.1f us  p99 %7.1f us  (%u)\n", b->kind, b->what,
           (double)b->ns[skip + n / 2] / 1000, (double)b->ns[skip + n - n / 100 - 1] / 1000, n);
}

static void
measure(const char *kind, const char *what, const char *path, unsigned count)
{
    int down[2], up[2];
    if (pipe(down) || pipe(up))
        exit(1);
    fflush(NULL);
    pid_t child = fork(); /* before a fabric is opened */
    struct bench b = {
        .kind = kind, .what = what, .path = path, .count = count, .server = child == 0};
    int in = b.server ? down[0] : up[0], out = b.server ? up[1] : down[1];
    b.ns = lg_zalloc(sizeof(uint64_t) * count);
    if (!side_open(&b) || write(out, b.mine, sizeof b.mine) < 0 ||
        read(in, b.peer, sizeof b.peer) <= 0 ||
        lg_run_spawn(b.run, "instance", 0, instance_main, &b, NULL) != LG_OK)
        exit(1);
    (void)!lg_run_loop(b.run);
    if (b.server)
        exit(0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    report(&b);
}

struct made {
    lg_run *run;
    const char *path;
    lg_status st;
};

static void
make_main(void *arg)
{
    struct made *m = arg;
    m->st = disk_make(m->run, m->path);
    lg_run_stop(m->run);
}

static void
make(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct made m = {.path = path, .st = LG_SYSTEM};
    lg_run_config rc = {.name = "bench"};
    if (fd < 0 || posix_fallocate(fd, 0, 256 << 20) != 0 || close(fd) != 0 ||
        lg_run_create(&rc, &m.run) != LG_OK ||
        lg_run_spawn(m.run, "make", 0, make_main, &m, NULL) != LG_OK)
        exit(1);
    (void)!lg_run_loop(m.run);
    exit(m.st == LG_OK ? 0 : 1);
}

/* In a process of its own: fabric libraries do not survive a fork. */
static void
apart(const char *kind, const char *what, const char *path, unsigned count)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (!kind)
            make(path);
        else
            measure(kind, what, path, count);
        exit(0);
    }
    waitpid(child, &status, 0);
    if (!kind && status != 0) {
        printf("%s: no disk could be made there\n", path);
        exit(1);
    }
}

int
main(int argc, char **argv)
{
    const char *kinds[8] = {"tcp", "shm"};
    static const char *const whats[] = {"current", "shared", "cr"};
    unsigned kind_count = 0, count = 8000;
    char path[64];
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--transport") == 0 && kind_count < 8)
            kinds[kind_count++] = argv[i + 1];
        else if (strcmp(argv[i], "--count") == 0)
            count = (unsigned)atoi(argv[i + 1]);
    }
    kind_count = kind_count ? kind_count : 2;
    snprintf(path, sizeof path, "/tmp/lagoon-bench-blocks.%d", (int)getpid());
    for (unsigned k = 0; k < kind_count; k++)
        for (unsigned i = 0; i < 3; i++) {
            apart(NULL, NULL, path, 0);
            apart(kinds[k], whats[i], path, count);
        }
    unlink(path);
    return 0;
}
