/* See recoverer.h. */
#include "recoverer.h"

#include "assert.h"
#include "map.h"
#include "mem.h"
#include "waitq.h"
#include <stdlib.h>
#include <string.h>

#define SETTLE_LIMIT (30 * LG_SEC)
#define STALE_EVERY  (10 * LG_MS)

struct lg_recoverer {
    lg_recoverer_config cfg;
    uint64_t pending; /* slots */
    uint64_t epoch;   /* of the recovery under way */
    lg_recovery *rec; /* this member is the recoverer and has analysed */
    lg_cf_block *set; /* sorted by address: the recovery set ... */
    bool *held;       /* ... and whether a living member has the block */
    uint32_t count, cap;
    unsigned tasks;  /* fibers, also those given up */
    lg_waitq idle;   /* the last of them has ended */
    lg_map *fetched; /* blocks brought here in X to be recovered, and not yet recovered */
    lg_recovery_stats stats;
    lg_recoverer_times times;
};

/* Adds the time since *began to *sum and begins anew. */
static void
clock_part(const lg_recoverer *r, lg_time *began, lg_time *sum)
{
    lg_time now = lg_run_now_exact_ns(r->cfg.run);
    *sum += now - *began;
    *began = now;
}

/* ---- the recovery set ---- */

static void
forget(lg_recoverer *r)
{
    if (r->rec)
        lg_recovery_progress(r->rec, &r->stats);
    lg_recovery_destroy(r->rec);
    r->rec = NULL;
    lg_free(r->set);
    lg_free(r->held);
    r->set = NULL;
    r->held = NULL;
    r->count = r->cap = 0;
}

static void
collect(void *arg, lg_addr addr)
{
    lg_recoverer *r = arg;
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 1024;
        r->set = lg_realloc(r->set, sizeof(lg_cf_block) * r->cap);
    }
    r->set[r->count++] = (lg_cf_block){.addr = addr};
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = lg_addr_key(((const lg_cf_block *)a)->addr);
    uint64_t y = lg_addr_key(((const lg_cf_block *)b)->addr);
    return x < y ? -1 : x > y;
}

static bool
env_held(void *arg, lg_addr addr)
{
    lg_recoverer *r = arg;
    lg_cf_block key = {.addr = addr};
    lg_cf_block *found = bsearch(&key, r->set, r->count, sizeof key, compare);
    return found && r->held[found - r->set];
}

/* ---- what waits for other members ----
 *
 * A member that is lost while we wait for it would hold the script up for ever: the newer view that
 * tells of its loss is taken only when this step returns. So such waits are done by a task, a fiber
 * of its own, and given up as soon as a newer view is there. A task given up ends by itself once
 * the newer epoch has aborted what it waits for; it owns what it touches. */

struct task {
    lg_recoverer *r;
    lg_status (*fn)(struct task *t);
    uint64_t epoch;
    lg_waitq over;
    bool finished;
    bool abandoned;
    lg_status st;
    lg_addr addr;
    lg_version version;
    lg_version on_disk;  /* past_image_task: known of the disk; 0: nothing */
    uint8_t *image;      /* owned; past_image_task */
    lg_cf_block *blocks; /* owned; filter_task */
    bool *held;
    uint32_t count;
};

static void
task_free(struct task *t)
{
    lg_free(t->image);
    lg_free(t->blocks);
    lg_free(t->held);
    lg_free(t);
}

static void
task_fiber(void *arg)
{
    struct task *t = arg;
    lg_recoverer *r = t->r;
    t->st = t->fn(t);
    t->finished = true;
    if (--r->tasks == 0)
        (void)lg_waitq_wake_all(&r->idle);
    if (t->abandoned)
        task_free(t);
    else
        (void)lg_waitq_wake_all(&t->over);
}

static struct task *
task_new(lg_recoverer *r, lg_status (*fn)(struct task *t))
{
    struct task *t = lg_zalloc(sizeof *t);
    t->r = r;
    t->fn = fn;
    t->epoch = r->epoch;
    lg_waitq_init(&t->over);
    return t;
}

/* LG_STALE_EPOCH: given up, t is gone. Else t is the caller's. */
static lg_status
task_run(struct task *t)
{
    lg_recoverer *r = t->r;
    LG_TRY(lg_run_spawn(r->cfg.run, "recovery task", 0, task_fiber, t, NULL));
    r->tasks++;
    while (!t->finished) {
        lg_time until = lg_run_now_exact_ns(r->cfg.run) + STALE_EVERY;
        (void)!lg_waitq_wait(&t->over, LG_WAIT_GC_RECOVERY, until, false);
        if (!t->finished && lg_reconf_stale(r->cfg.reconf, t->epoch)) {
            t->abandoned = true;
            return LG_STALE_EPOCH;
        }
    }
    return LG_OK;
}

/* The newest surviving image comes here with the mode: nobody else can have the block meanwhile, it
 * is closed. */
static lg_status
past_image_task(struct task *t)
{
    lg_recoverer *r = t->r;
    lg_buf_cache *c = r->cfg.cache;
    lg_buf *b;
    lg_cf_recovery_begin(r->cfg.cf, t->epoch);
    lg_status st = lg_buf_get(c, t->addr, LG_LATCH_X, &b);
    if (st == LG_OK) {
        (void)lg_map_put(r->fetched, lg_addr_key(t->addr) + 1, r);
        memcpy(t->image, b->data, lg_buf_block_bytes(c));
        lg_block_seal(t->image, lg_buf_block_bytes(c));
        t->on_disk = b->disk_version;
        lg_buf_put(c, b, LG_LATCH_X);
    }
    lg_cf_recovery_end(r->cfg.cf);
    return st == LG_CORRUPT || st == LG_INVALID ? LG_NOT_FOUND : st;
}

/* Metadata through which blocks are found. It may be with a member that is just being lost. */
static lg_status
map_block_task(struct task *t)
{
    lg_recoverer *r = t->r;
    lg_buf_cache *c = r->cfg.cache;
    lg_buf *b;
    lg_cf_recovery_begin(r->cfg.cf, t->epoch);
    lg_status st = lg_buf_get(c, t->addr, LG_LATCH_S, &b);
    if (st == LG_OK) {
        memcpy(t->image, b->data, lg_buf_block_bytes(c));
        lg_buf_put(c, b, LG_LATCH_S);
    }
    lg_cf_recovery_end(r->cfg.cf);
    return st;
}

static lg_status
image_by(lg_recoverer *r, lg_status (*fn)(struct task *t), lg_addr addr, void *ret_image,
         lg_version *ret_disk)
{
    struct task *t = task_new(r, fn);
    t->addr = addr;
    t->image = lg_io_buf_alloc(lg_buf_block_bytes(r->cfg.cache));
    LG_TRY(task_run(t));
    lg_status st = t->st;
    if (st == LG_OK)
        memcpy(ret_image, t->image, lg_buf_block_bytes(r->cfg.cache));
    if (ret_disk)
        *ret_disk = t->on_disk;
    task_free(t);
    return st;
}

static lg_status
env_past_image(void *arg, lg_addr addr, void *ret_image, lg_version *ret_disk)
{
    return image_by(arg, past_image_task, addr, ret_image, ret_disk);
}

static lg_status
env_map_block(void *arg, lg_addr addr, void *ret_image)
{
    return image_by(arg, map_block_task, addr, ret_image, NULL);
}

static void
env_open(void *arg, const lg_addr *addrs, uint32_t count)
{
    lg_recoverer *r = arg;
    if (!lg_reconf_stale(r->cfg.reconf, r->epoch))
        lg_cf_recovery_open(r->cfg.cf, addrs, count);
}

/* The disk has the recovered block (and the buffer that its image came through): past images may
 * go. */
static void
env_written(void *arg, lg_addr addr, lg_version version)
{
    lg_recoverer *r = arg;
    (void)lg_map_remove(r->fetched, lg_addr_key(addr) + 1);
    lg_coherence co = lg_cf_coherence(r->cfg.cf);
    co.ops->written(co.self, addr, version);
}

static lg_status
write_task(struct task *t)
{
    return lg_cf_write_through(t->r->cfg.cf, t->addr, t->version);
}

static void
env_demand_write(void *arg, lg_addr addr, lg_version version)
{
    struct task *t = task_new(arg, write_task);
    t->addr = addr;
    t->version = version;
    /* Settling waits until it is on disk, and asks again. */
    if (task_run(t) == LG_OK)
        task_free(t);
}

static lg_status
filter_task(struct task *t)
{
    return lg_cf_recovery_filter(t->r->cfg.cf, t->blocks, t->count, t->held);
}

/* Fills r->held. */
static lg_status
ask_who_holds(lg_recoverer *r)
{
    struct task *t = task_new(r, filter_task);
    t->count = r->count;
    t->blocks = lg_alloc(sizeof *t->blocks * r->count);
    memcpy(t->blocks, r->set, sizeof *t->blocks * r->count);
    t->held = lg_zalloc(r->count);
    LG_TRY(task_run(t));
    lg_status st = t->st;
    if (st == LG_OK)
        memcpy(r->held, t->held, r->count);
    task_free(t);
    return st;
}

static bool
env_still_valid(void *arg)
{
    lg_recoverer *r = arg;
    return !lg_reconf_stale(r->cfg.reconf, r->epoch);
}

/* ---- steps ---- */

static uint64_t
slots_of(uint64_t nodes)
{
    return nodes >> 1; /* slot = node - 1 */
}

/* A recovery that was cut short leaves blocks here in X that lack the changes of the dead: they
 * must not be taken for a living holder's. Their images stay as past images. */
static void
give_up_fetched(lg_recoverer *r)
{
    uint32_t count = (uint32_t)lg_map_count(r->fetched), n = 0;
    uint64_t *keys = lg_alloc(sizeof *keys * (count + 1));
    size_t pos = 0;
    while (n < count && lg_map_next(r->fetched, &pos, &keys[n], NULL))
        n++;
    for (uint32_t i = 0; i < n; i++) {
        bool dirty;
        lg_version version;
        /* LG_NOT_FOUND: it is gone from here already. */
        (void)!lg_buf_revoke(r->cfg.cache, lg_addr_from_key(keys[i] - 1), LG_MODE_N, NULL, &dirty,
                             &version);
        (void)lg_map_remove(r->fetched, keys[i]);
    }
    lg_free(keys);
}

static lg_status
step_freeze(void *self, const lg_reconf_change *c)
{
    lg_recoverer *r = self;
    forget(r); /* of an epoch that is over */
    give_up_fetched(r);
    r->epoch = c->epoch;
    return LG_OK;
}

/* Who is dead is known once all are frozen and have told what they had open. */
static lg_status
step_rebuild(void *self, const lg_reconf_change *c)
{
    lg_recoverer *r = self;
    r->pending |= slots_of(c->dead);
    if (c->cold) { /* nobody here knows who was open: every thread may be a dead one's ... */
        r->pending = (1ULL << LG_VOLUME_MAX_INSTANCES) - 1;
        if (lg_buf_redo(r->cfg.cache)) /* ... but our own, once it is open in this life */
            r->pending &= ~(1ULL << lg_redo_thread(lg_buf_redo(r->cfg.cache)));
        if (r->cfg.threads_open_early)
            r->pending &= ~slots_of(c->members);
    }
    /* A survivor's thread is its own, alive: an earlier life of it was recovered before it opened,
     * even if the end of that reconfiguration was not seen here. */
    r->pending &= ~slots_of(c->survivors);
    return LG_OK;
}

static lg_status
find_threads(lg_recoverer *r, uint32_t *ret_threads, uint32_t *ret_count)
{
    *ret_count = 0;
    for (uint32_t slot = 0; slot < LG_VOLUME_MAX_INSTANCES; slot++) {
        lg_redo_header h;
        lg_volume_area area;
        if (!(r->pending >> slot & 1) ||
            lg_volume_instance_area(r->cfg.volume, slot, &area) != LG_OK)
            continue;
        lg_status st = lg_redo_header_read(r->cfg.volume, slot, &h);
        if (st == LG_NOT_FOUND) /* no such instance */
            continue;
        LG_TRY(st);
        /* What it committed before it left in good order must be in the snapshots of all (cf_scn.c);
         * the redo of an open thread says the rest. */
        lg_scn_observe(r->cfg.clock, h.scn);
        if (h.state == LG_REDO_OPEN)
            ret_threads[(*ret_count)++] = slot;
    }
    return LG_OK;
}

/* What nobody holds is closed, on every member. */
static lg_status
close_set(lg_recoverer *r)
{
    lg_recovery_visit(r->rec, collect, r);
    if (r->count == 0)
        return LG_OK;
    qsort(r->set, r->count, sizeof *r->set, compare);
    r->held = lg_zalloc(r->count);
    LG_TRY(ask_who_holds(r));
    lg_cf_block *closed = lg_alloc(sizeof *closed * r->count);
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->count; i++)
        if (!r->held[i])
            closed[n++] = r->set[i];
    lg_status st = lg_cf_recovery_close(r->cfg.cf, closed, n);
    lg_free(closed);
    return st;
}

static lg_status
step_analyse(void *self, const lg_reconf_change *c)
{
    lg_recoverer *r = self;
    if (c->recoverer != c->self || !r->pending)
        return LG_OK;
    uint32_t threads[LG_VOLUME_MAX_INSTANCES], count;
    LG_TRY(find_threads(r, threads, &count));
    lg_recovery_config rc = {
        .run = r->cfg.run,
        .volume = r->cfg.volume,
        .dwb = r->cfg.dwb,
        .cache = r->cfg.cache,
        .clock = r->cfg.clock,
        .threads = threads,
        .thread_count = count,
        .areas = r->pending, /* also of those that had not opened their threads yet */
        .env = {r, env_held, env_past_image, env_map_block, env_written, env_open, env_demand_write,
                env_still_valid},
        .archive_dir = r->cfg.archive_dir};
    lg_time began = lg_run_now_exact_ns(r->cfg.run);
    r->times = (lg_recoverer_times){.epoch = c->epoch, .running = true};
    LG_TRY(lg_recovery_create(&rc, &r->rec));
    LG_TRY(lg_recovery_repair(r->rec));
    LG_TRY(lg_recovery_analyse(r->rec));
    clock_part(r, &began, &r->times.analyse_ns);
    lg_status st = close_set(r);
    clock_part(r, &began, &r->times.filter_ns);
    return st;
}

static lg_status
step_recover(void *self, const lg_reconf_change *c)
{
    lg_recoverer *r = self;
    if (!r->rec)
        return LG_OK;
    lg_time began = lg_run_now_exact_ns(r->cfg.run);
    lg_status st = lg_recovery_apply(r->rec);
    clock_part(r, &began, &r->times.apply_ns);
    if (st == LG_OK)
        st = lg_recovery_settle(r->rec, lg_run_now_exact_ns(r->cfg.run) + r->cfg.settle_limit);
    if (st == LG_OK && !env_still_valid(r))
        st = LG_STALE_EPOCH;
    if (st == LG_OK)
        st = lg_recovery_release(r->rec);
    clock_part(r, &began, &r->times.settle_ns);
    r->times.running = st != LG_OK;
    return st != LG_OK && lg_reconf_stale(r->cfg.reconf, c->epoch) ? LG_STALE_EPOCH : st;
}

static lg_status
step_opened(void *self, const lg_reconf_change *c)
{
    lg_recoverer *r = self;
    uint64_t done = r->pending;
    forget(r);
    r->pending = 0;
    if (done && c->recoverer == c->self && r->cfg.adopt)
        r->cfg.adopt(r->cfg.arg, done);
    return LG_OK;
}

/* ---- face ---- */

lg_status
lg_recoverer_create(const lg_recoverer_config *cfg, lg_recoverer **ret_r)
{
    lg_recoverer *r = lg_zalloc(sizeof *r);
    r->cfg = *cfg;
    if (!r->cfg.settle_limit)
        r->cfg.settle_limit = SETTLE_LIMIT;
    lg_waitq_init(&r->idle);
    r->fetched = lg_map_create();
    *ret_r = r;
    return LG_OK;
}

void
lg_recoverer_destroy(lg_recoverer *r)
{
    if (!r)
        return;
    while (r->tasks) /* they read from disks and through the cache, which end after us */
        (void)!lg_waitq_wait(&r->idle, LG_WAIT_GC_RECOVERY, LG_FOREVER, false);
    forget(r);
    lg_map_destroy(r->fetched);
    lg_free(r);
}

void
lg_recoverer_participant(lg_recoverer *r, lg_participant *ret_p)
{
    *ret_p = (lg_participant){.name = "recovery",
                              .self = r,
                              .freeze = step_freeze,
                              .rebuild = step_rebuild,
                              .analyse = step_analyse,
                              .recover = step_recover,
                              .opened = step_opened};
}

uint64_t
lg_recoverer_pending(const lg_recoverer *r)
{
    return r->pending;
}

void
lg_recoverer_stats(const lg_recoverer *r, lg_recovery_stats *ret, lg_recoverer_times *ret_times)
{
    *ret_times = r->times;
    *ret = r->stats;
    if (r->rec)
        lg_recovery_progress(r->rec, ret);
}
