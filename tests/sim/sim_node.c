/* One instance of the simulator: everything from the simulated disk to cache fusion and recovery,
 * put together as core/instance does. */
#include "sim_world.h"

#include "cachefusion_internal.h"
#include "ckpt.h"
#include "dwb.h"
#include "msg.h"
#include "recoverer.h"
#include "recovery.h"
#include "sim_disk.h"
#include <stdio.h>
#include <string.h>

#define LOG_FILE_BYTES (1u << 20)
#define CACHE_BLOCKS   96u /* few, so that blocks are evicted all the time */

struct sim_instance {
    sim_node *n;
    lg_scn_clock clock;
    lg_io *io;
    lg_volume *volume;
    lg_redo *redo;
    lg_dwb *dwb;
    lg_rpc *rpc;
    lg_cf *cf;
    lg_buf_cache *cache;
    lg_ckpt *ckpt;
    lg_reconf *reconf;
    lg_recoverer *recoverer;
    bool working; /* has begun to open its thread */
    bool at_work;
    bool local; /* the only node there is: no cluster around it */
};

/* ---- the lease: asked before every write ---- */

static lg_status
write_gate(void *arg)
{
    sim_node *n = arg;
    return lg_run_now_exact_ns(n->run) < n->lease_until || n->w->endless_lease == n->id ? LG_OK
                                                                                        : LG_FENCED;
}

/* ---- the volume ---- */

static const char *const *
disk_paths(void)
{
    static const char *paths[SIM_DISKS];
    for (unsigned i = 0; i < SIM_DISKS; i++)
        paths[i] = sim_disk_name(i);
    return paths;
}

static lg_status
volume_make(sim_instance *in)
{
    lg_volume_create_config c = {.io = in->io,
                                 .paths = disk_paths(),
                                 .disk_count = SIM_DISKS,
                                 .block_bytes = SIM_BLOCK_BYTES,
                                 .instances = SIM_MAX_NODES,
                                 .log_files = 2,
                                 .log_file_bytes = LOG_FILE_BYTES,
                                 .name = "sim"};
    return lg_volume_create(&c, false);
}

static lg_status
volume_open(sim_instance *in)
{
    char missing[64];
    if (in->n->cold) {
        lg_status st = volume_make(in);
        if (st != LG_OK && st != LG_EXISTS)
            return st;
    }
    return lg_volume_open(in->io, disk_paths(), SIM_DISKS, missing, sizeof missing, &in->volume);
}

/* ---- boot ---- */

static void
redo_broken(void *arg, lg_status why)
{
    sim_node_give_up(((sim_instance *)arg)->n, "redo", why);
}

static void
peer_down(void *arg, uint32_t node, uint64_t incarnation, lg_status why)
{
    (void)node;
    (void)incarnation;
    (void)why;
    sim_node_lost_peer(((sim_instance *)arg)->n);
}

static void begin_work(void *arg);

static void
on_open(void *arg, uint64_t epoch)
{
    sim_instance *in = arg;
    sim_node *n = in->n;
    sim_log(n->w, "node %u is open in %llu", n->id, (unsigned long long)epoch);
    n->open = epoch == n->w->epoch;
    if (in->working)
        return;
    in->working = true;
    if (in->local)
        sim_bank_start(n);
    else if (lg_run_spawn(n->run, "work", 0, begin_work, in, NULL) != LG_OK)
        sim_node_give_up(n, "spawn", LG_NO_MEMORY);
}

static void
on_failed(void *arg, uint64_t epoch, const char *step, lg_status st)
{
    (void)epoch;
    sim_node_give_up(((sim_instance *)arg)->n, step, st);
}

/* Cold: all threads are recovered here, before anybody joins. */
static lg_status
recover_cold(sim_instance *in)
{
    sim_node *n = in->n;
    lg_recovery_stats stats;
    if (!n->cold)
        return LG_OK;
    lg_status st = lg_recovery_cold(n->run, in->volume, n->id - 1, &in->clock, NULL, &stats);
    sim_log(n->w, "node %u cold recovery: %s, %llu blocks", n->id, lg_status_name(st),
            (unsigned long long)stats.blocks_done);
    return st;
}

static lg_status
open_storage(sim_instance *in)
{
    sim_node *n = in->n;
    LG_TRY(lg_io_create(n->run, LG_IO_AUTO, &in->io));
    lg_io_set_write_gate(in->io, write_gate, n);
    LG_TRY(volume_open(in));
    LG_TRY(recover_cold(in));
    return lg_dwb_create(n->run, in->volume, n->id - 1, &in->dwb);
}

/* The thread of an earlier life is released by whoever recovers it: the living, after we joined. */
static lg_status
open_redo(sim_instance *in)
{
    sim_node *n = in->n;
    lg_redo_config rc = {.run = n->run,
                         .volume = in->volume,
                         .thread = n->id - 1,
                         .clock = &in->clock,
                         .buffer_bytes = 256 * 1024,
                         .on_broken = redo_broken,
                         .arg = in};
    for (;;) {
        lg_status st = lg_redo_open(&rc, &in->redo);
        if (st != LG_EXISTS)
            return st;
        (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(n->run) + 10 * LG_MS, LG_WAIT_SLEEP);
    }
}

static lg_status
open_rpc(sim_instance *in)
{
    sim_node *n = in->n;
    char address[32];
    snprintf(address, sizeof address, "sim:%u:7000", n->id);
    lg_rpc_config rc = {.run = n->run,
                        .scn = &in->clock,
                        .transport = "sim",
                        .address = address,
                        .node = n->id,
                        .incarnation = n->incarnation,
                        .key = "simulated",
                        .key_len = 9,
                        .types = lg_msg_types(),
                        .type_count = LG_MSG_COUNT,
                        .block_bytes = SIM_BLOCK_BYTES,
                        .arg = in,
                        .on_peer_down = peer_down};
    LG_TRY(lg_rpc_create(&rc, &in->rpc));
    lg_cf_config cc = {.run = n->run,
                       .rpc = in->rpc,
                       .clock = &in->clock,
                       .volume = in->volume,
                       .node = n->id,
                       .block_bytes = SIM_BLOCK_BYTES};
    return lg_cf_create(&cc, &in->cf);
}

static lg_status
open_cache(sim_instance *in)
{
    sim_node *n = in->n;
    lg_buf_config bc = {.run = n->run,
                        .volume = in->volume,
                        .redo = in->redo,
                        .clock = &in->clock,
                        .coherence = in->local ? (lg_coherence){&lg_coherence_local, NULL}
                                               : lg_cf_coherence(in->cf),
                        .cache_bytes = CACHE_BLOCKS * SIM_BLOCK_BYTES,
                        .dwb = in->dwb};
    LG_TRY(lg_buf_cache_create(&bc, &in->cache));
    if (!in->local)
        LG_TRY(lg_cf_attach(in->cf, in->cache));
    return LG_OK;
}

static lg_status
open_ckpt(sim_instance *in)
{
    sim_node *n = in->n;
    lg_ckpt_config kc = {.run = n->run,
                         .cache = in->cache,
                         .redo = in->redo,
                         .target_bytes = LOG_FILE_BYTES / 2,
                         .interval_ms = 100,
                         .max_dirty_ms = 1000};
    return lg_ckpt_create(&kc, &in->ckpt);
}

static lg_status
open_reconf(sim_instance *in)
{
    sim_node *n = in->n;
    lg_reconf_config fc = {.run = n->run,
                           .rpc = in->rpc,
                           .node = n->id,
                           .incarnation = n->incarnation,
                           .arg = in,
                           .on_open = on_open,
                           .on_failed = on_failed};
    LG_TRY(lg_reconf_create(&fc, &in->reconf));
    lg_recoverer_config rc = {.run = n->run,
                              .volume = in->volume,
                              .dwb = in->dwb,
                              .cache = in->cache,
                              .cf = in->cf,
                              .clock = &in->clock,
                              .reconf = in->reconf};
    LG_TRY(lg_recoverer_create(&rc, &in->recoverer));
    lg_participant p;
    lg_cf_participant(in->cf, &p);
    lg_reconf_add(in->reconf, &p);
    lg_recoverer_participant(in->recoverer, &p);
    lg_reconf_add(in->reconf, &p);
    return LG_OK;
}

/* In a view, everything recovered: our own thread, then the work. */
static void
begin_work(void *arg)
{
    sim_instance *in = arg;
    sim_node *n = in->n;
    lg_status st;
    LG_CHECK(lg_reconf_wait_done(in->reconf, LG_FOREVER));
    LG_CHECK(open_redo(in));
    lg_buf_set_redo(in->cache, in->redo);
    LG_CHECK(open_ckpt(in));
    sim_bank_start(n);
    in->at_work = true;
    return;
out:
    sim_node_give_up(n, "start", st);
}

/* As core/instance does. */
static void
disk_watch(void *arg)
{
    sim_instance *in = arg;
    for (;;) {
        lg_time now = lg_run_now_ns(in->n->run), oldest = in->io ? lg_io_oldest(in->io) : 0;
        if (oldest && now - oldest > SIM_DISK_TIMEOUT)
            sim_node_give_up(in->n, "disk", LG_IO);
        (void)!lg_fiber_sleep_until(now + LG_SEC, LG_WAIT_SLEEP);
    }
}

static void
boot_fiber(void *arg)
{
    sim_instance *in = arg;
    sim_node *n = in->n;
    /* The first lease comes with the clusterware's next beat. */
    while (n->lease_until == 0)
        (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(n->run) + 5 * LG_MS, LG_WAIT_SLEEP);
    lg_status st;
    LG_CHECK(open_storage(in));
    if (in->local) {
        LG_CHECK(open_redo(in));
        LG_CHECK(open_cache(in));
        LG_CHECK(open_ckpt(in));
    } else {
        LG_CHECK(open_rpc(in));
        LG_CHECK(open_cache(in));
        LG_CHECK(open_reconf(in));
    }
    n->ready = true;
    return;
out:
    sim_node_give_up(n, "boot", st);
}

static void
boot(sim_node *n)
{
    sim_instance *in = lg_zalloc(sizeof *in);
    in->n = n;
    in->local = n->w->node_count == 1;
    n->inst = in;
    if (lg_run_spawn(n->run, "boot", 0, boot_fiber, in, NULL) != LG_OK ||
        lg_run_spawn(n->run, "disk watch", 0, disk_watch, in, NULL) != LG_OK)
        sim_node_give_up(n, "spawn", LG_NO_MEMORY);
}

/* ---- what the world asks ---- */

static void
view(sim_node *n, uint64_t epoch, const lg_rpc_member *members, unsigned count)
{
    if (n->inst->local) {
        on_open(n->inst, epoch);
        return;
    }
    lg_reconf_member m[SIM_MAX_NODES];
    for (unsigned i = 0; i < count; i++)
        m[i] = (lg_reconf_member){members[i].node, members[i].incarnation, members[i].address};
    lg_status st = lg_reconf_view(n->inst->reconf, epoch, m, count);
    if (st != LG_OK)
        sim_node_give_up(n, "view", st);
}

static lg_buf_cache *
cache_of(const sim_node *n)
{
    return n->inst ? n->inst->cache : NULL;
}

static bool
settled(const sim_node *n)
{
    if (n->inst && n->inst->local)
        return true;
    return n->inst && n->inst->at_work && n->inst->recoverer &&
           lg_recoverer_pending(n->inst->recoverer) == 0 &&
           lg_reconf_open_epoch(n->inst->reconf) == n->w->epoch;
}

lg_status
sim_instance_commit(sim_node *n, uint64_t lsn)
{
    sim_instance *in = n->inst;
    if (in->local)
        return lg_redo_flush(in->redo, lsn);
    lg_scn scn = lg_scn_next(&in->clock);
    lg_cf_scn_broadcast_start(in->cf, scn);
    LG_TRY(lg_redo_flush(in->redo, lsn));
    return lg_cf_scn_broadcast(in->cf, scn);
}

static bool
closed(const sim_node *n, uint64_t key)
{
    return n->inst && n->inst->cf && lg_map_get(n->inst->cf->gate, key);
}

/* Of a run that failed: how far each node came. */
static void
tell_state(sim_world *w)
{
    for (unsigned i = 1; i <= w->node_count; i++) {
        const sim_node *n = &w->node[i];
        const sim_instance *in = n->inst;
        if (!n->heap || !in->reconf)
            continue;
        lg_reconf_record r;
        unsigned pos = 0, at = 0;
        if (!lg_reconf_next(in->reconf, &pos, &r))
            continue;
        for (unsigned k = 0; k < LG_RECONF_STEPS; k++)
            at = r.start[k] ? k : at;
        lg_recovery_stats rs;
        lg_recoverer_times rt;
        lg_recoverer_stats(in->recoverer, &rs, &rt);
        sim_log(w,
                "node %u:%s pending %llx; open in %llu; epoch %llu: %s%s; recoverer %u; set %llu "
                "done %llu held %llu",
                i, in->at_work ? "" : " not at work;",
                (unsigned long long)lg_recoverer_pending(in->recoverer),
                (unsigned long long)lg_reconf_open_epoch(in->reconf), (unsigned long long)r.epoch,
                lg_reconf_step_name((lg_reconf_step)at), r.running ? ", running" : "", r.recoverer,
                (unsigned long long)rs.blocks_in_set, (unsigned long long)rs.blocks_done,
                (unsigned long long)rs.blocks_held);
        lg_rpc_peer_info info;
        for (pos = 0; lg_rpc_peer_next(in->rpc, &pos, &info);)
            sim_log(w, "  peer %u.%llu %s%s, %u queued, %u credits", info.node,
                    (unsigned long long)info.incarnation,
                    info.connected ? "connected" : "not connected", info.broken ? ", broken" : "",
                    info.queued, info.credits);
    }
}

const sim_kind sim_kind_storage = {
    .name = "storage",
    .boot = boot,
    .view = view,
    .settled = settled,
    .cache = cache_of,
    .closed = closed,
    .verify = sim_bank_verify,
    .post_mortem = tell_state,
};
