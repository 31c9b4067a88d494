/* Start and stop of an instance, in order. */
#include "instance_internal.h"
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#define VERSION "0.1"

void
lg_instance__die(lg_instance *in, lg_status why, const char *what)
{
    lg_log_error(in->env.log, "instance", "stopping at once: %s: %s", what, lg_status_text(why));
    in->env.die(in->env.arg, why);
}

static void
on_redo_broken(void *arg, lg_status why)
{
    lg_instance__die(arg, why, "the redo thread cannot be written");
}

static void
on_reconf_failed(void *arg, uint64_t epoch, const char *step, lg_status st)
{
    char what[96];
    snprintf(what, sizeof what, "reconfiguration %llu failed in step %s", (unsigned long long)epoch,
             step);
    lg_instance__die(arg, st, what);
}

static const char *
nodes_text(uint64_t mask, char *buf, size_t size)
{
    size_t len = 0;
    buf[0] = 0;
    for (uint32_t n = 1; n < LG_NODES_MAX; n++)
        if (lg_node_in(mask, n) && len < size)
            len += (size_t)snprintf(buf + len, size - len, "%s%u", len ? "," : "", n);
    return buf;
}

/* What an operator looks for in the log after a death: who, what stands still, when it was over. */
static void
log_recovery(lg_instance *in, const lg_reconf_record *r, double all)
{
    lg_recovery_stats s;
    lg_recoverer_times t;
    char dead[96];
    lg_recoverer_stats(in->recoverer, &s, &t);
    nodes_text(r->dead, dead, sizeof dead);
    if (r->recoverer != in->cfg.node || t.epoch != r->epoch)
        lg_log_info(in->env.log, "reconf",
                    "epoch %llu: instance %s recovered by instance %u; all blocks are open after "
                    "%.3f s",
                    (unsigned long long)r->epoch, dead, r->recoverer, all);
    else
        lg_log_info(in->env.log, "reconf",
                    "epoch %llu: instance %s recovered by this one: %llu bytes of redo, %llu "
                    "records, %llu blocks, %llu of them written; all blocks are open after %.3f s",
                    (unsigned long long)r->epoch, dead, (unsigned long long)s.redo_bytes,
                    (unsigned long long)s.records, (unsigned long long)s.blocks_in_set,
                    (unsigned long long)s.blocks_written, all);
}

static void
on_reconf_change(void *arg, const lg_reconf_record *r)
{
    lg_instance *in = arg;
    char members[96], other[96];
    unsigned long long epoch = r->epoch;
    lg_time last = 0;
    for (int s = 0; s < LG_RECONF_STEPS; s++)
        last = r->end[s] > last ? r->end[s] : last;
    double all = (double)(last - r->start[LG_RECONF_PUBLISH]) / 1e9;
    nodes_text(r->members, members, sizeof members);
    if (r->running && r->dead)
        lg_log_warn(in->env.log, "reconf",
                    "epoch %llu: instance %s died or was fenced; members %s go on, instance %u "
                    "recovers; blocks and locks it had stand still until then",
                    epoch, nodes_text(r->dead, other, sizeof other), members, r->recoverer);
    else if (r->running)
        lg_log_info(in->env.log, "reconf", "epoch %llu: members %s%s%s", epoch, members,
                    r->joiners ? "; joined: " : "",
                    r->joiners ? nodes_text(r->joiners, other, sizeof other) : "");
    else if (r->status == LG_STALE_EPOCH)
        lg_log_info(in->env.log, "reconf", "epoch %llu: a newer one takes over", epoch);
    else if (r->status == LG_OK && r->dead)
        log_recovery(in, r, all);
    else if (r->status == LG_OK)
        lg_log_info(in->env.log, "reconf", "epoch %llu: open after %.3f s", epoch, all);
}

static const char *
archive_dir(const lg_instance *in)
{
    return *in->cfg.archive_dir ? in->cfg.archive_dir : NULL;
}

/* ---- storage below the redo thread ---- */

static lg_status
open_volume(lg_instance *in)
{
    const char *paths[LG_INSTANCE_MAX_DISKS];
    char missing[300] = "";
    for (uint32_t i = 0; i < in->cfg.disk_count; i++)
        paths[i] = in->cfg.disks[i];
    LG_TRY(lg_io_create(in->env.run, LG_IO_AUTO, &in->io));
    lg_io_set_write_gate(in->io, lg_instance__lease_gate, in);
    LG_TRY(lg_instance__disk_watch_start(in));
    lg_status st =
        lg_volume_open(in->io, paths, in->cfg.disk_count, missing, sizeof missing, &in->volume);
    if (st != LG_OK) {
        lg_log_error(in->env.log, "instance", "volume: %s %s", lg_status_text(st), missing);
        return st;
    }
    for (uint32_t i = 0; i < lg_volume_disk_count(in->volume); i++) {
        st = lg_disk_lock(lg_volume_disk(in->volume, i), in->cfg.node);
        if (st == LG_EXISTS) {
            lg_log_error(in->env.log, "instance", "another process runs as instance %u",
                         in->cfg.node);
            return LG_CONFIG;
        }
        LG_TRY(st);
    }
    return lg_dwb_create(in->env.run, in->volume, in->cfg.node - 1, &in->dwb);
}

/* The key of this life on every disk, where the devices have reservations: its agent's peers can
 * then throw it out. Else the lease is what fences us (fence.h). */
static lg_status
register_keys(lg_instance *in)
{
    lg_disk *disks[LG_INSTANCE_MAX_DISKS];
    uint32_t n = lg_volume_disk_count(in->volume);
    for (uint32_t i = 0; i < n; i++)
        disks[i] = lg_volume_disk(in->volume, i);
    lg_status st = lg_fence_register(disks, n, lg_fence_key(in->cfg.node, in->incarnation));
    in->reservations = st == LG_OK;
    if (st == LG_OK)
        lg_log_info(in->env.log, "fence", "registered for persistent reservations on %u disks", n);
    return st == LG_UNSUPPORTED ? LG_OK : st;
}

static lg_status
create_buffers(lg_instance *in, lg_coherence coherence)
{
    lg_buf_config bc = {
        .run = in->env.run,
        .volume = in->volume,
        .redo = in->redo,
        .clock = &in->clock,
        .coherence = coherence,
        .cache_bytes = in->cfg.cache_bytes,
        .dwb = in->dwb,
    };
    return lg_buf_cache_create(&bc, &in->buf);
}

/* ---- the cluster ---- */

static lg_status
read_key(const char *path, char *key, size_t size, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return LG_CONFIG;
    ssize_t n = read(fd, key, size);
    close(fd);
    if (n < 16)
        return LG_CONFIG;
    *ret_len = (size_t)n;
    return LG_OK;
}

/* A connection that breaks between two living members: what was under way is lost, so nothing may
 * follow in this epoch (rpc.h). The agents are told; a new view comes, with all of us when the
 * connection is back, without some when it stays away (member.h: LINKS). */
#define SILENCE_LIMIT (3 * LG_SEC)

static void
on_peer_up(void *arg, uint32_t node, uint64_t incarnation)
{
    (void)node;
    (void)incarnation;
    lg_instance__agent_links(arg);
}

static void
on_peer_down(void *arg, uint32_t node, uint64_t incarnation, lg_status why)
{
    lg_instance *in = arg;
    (void)incarnation;
    lg_log_warn(in->env.log, "instance", "connection to instance %u lost: %s", node,
                lg_status_text(why));
    lg_instance__agent_links(in);
}

static lg_status
create_rpc(lg_instance *in)
{
    char key[256];
    size_t key_len;
    lg_status st = read_key(in->cfg.cluster_key, key, sizeof key, &key_len);
    if (st != LG_OK) {
        lg_log_error(in->env.log, "instance", "cluster key %s cannot be read", in->cfg.cluster_key);
        return st;
    }
    lg_rpc_config rc = {
        .run = in->env.run,
        .scn = &in->clock,
        .transport = in->cfg.transport,
        .address = in->cfg.interconnect,
        .node = in->cfg.node,
        .incarnation = in->incarnation,
        .key = key,
        .key_len = key_len,
        .types = lg_msg_types(),
        .type_count = LG_MSG_COUNT,
        .block_bytes = lg_volume_block_bytes(in->volume),
        .silence_ns = SILENCE_LIMIT,
        .arg = in,
        .on_peer_up = on_peer_up,
        .on_peer_down = on_peer_down,
    };
    return lg_rpc_create(&rc, &in->rpc);
}

static lg_status
create_cluster(lg_instance *in)
{
    lg_participant p;
    LG_TRY(create_rpc(in));
    lg_cf_config cc = {.run = in->env.run,
                       .rpc = in->rpc,
                       .clock = &in->clock,
                       .volume = in->volume,
                       .node = in->cfg.node,
                       .block_bytes = lg_volume_block_bytes(in->volume)};
    LG_TRY(lg_cf_create(&cc, &in->cf));
    LG_TRY(create_buffers(in, lg_cf_coherence(in->cf)));
    LG_TRY(lg_cf_attach(in->cf, in->buf));
    lg_ges_config gc = {.run = in->env.run, .rpc = in->rpc, .node = in->cfg.node};
    LG_TRY(lg_ges_create(&gc, &in->ges));
    lg_reconf_config rc = {.run = in->env.run,
                           .rpc = in->rpc,
                           .node = in->cfg.node,
                           .incarnation = in->incarnation,
                           .arg = in,
                           .on_change = on_reconf_change,
                           .on_failed = on_reconf_failed};
    LG_TRY(lg_reconf_create(&rc, &in->reconf));
    lg_cf_participant(in->cf, &p);
    lg_reconf_add(in->reconf, &p);
    lg_ges_participant(in->ges, &p);
    lg_reconf_add(in->reconf, &p);
    lg_recoverer_config vc = {.run = in->env.run,
                              .volume = in->volume,
                              .dwb = in->dwb,
                              .cache = in->buf,
                              .cf = in->cf,
                              .clock = &in->clock,
                              .reconf = in->reconf,
                              .archive_dir = archive_dir(in),
                              .settle_limit = 2 * in->cfg.disk_timeout_ms * LG_MS};
    LG_TRY(lg_recoverer_create(&vc, &in->recoverer));
    lg_recoverer_participant(in->recoverer, &p);
    lg_reconf_add(in->reconf, &p);
    lg_instance__undo_participant(in, &p);
    lg_reconf_add(in->reconf, &p);
    lg_instance__cf_hooks(in);
    return lg_instance__calls_serve(in);
}

/* Until a view with us is open and its recovery done. */
static lg_status
join(lg_instance *in)
{
    lg_instance__agent_state(in, LG_INSTANCE_MOUNTED);
    LG_TRY(lg_instance__agent_ready(in));
    while (lg_reconf_open_epoch(in->reconf) == 0) {
        if (in->agent_lost)
            return LG_CLOSED;
        if (in->stopping)
            return LG_SHUTDOWN;
        lg_status st = lg_reconf_wait_open(in->reconf, 1, lg_run_now_ns(in->env.run) + LG_SEC);
        if (st != LG_OK && st != LG_TIMEOUT)
            return st;
    }
    return lg_reconf_wait_done(in->reconf, LG_FOREVER);
}

/* A cold starter writes before there is a view: not before its agent has told it the lease. */
static lg_status
wait_lease(lg_instance *in)
{
    lg_time deadline = lg_run_now_ns(in->env.run) + 30 * LG_SEC;
    while (lg_instance__lease_gate(in) != LG_OK) {
        if (in->agent_lost)
            return LG_CLOSED;
        LG_TRY(lg_waitq_wait(&in->changed, LG_WAIT_MEMBERSHIP, deadline, true));
    }
    return LG_OK;
}

/* Nobody else runs: every thread that is not CLEAN is a dead one's. */
static lg_status
recover_cold(lg_instance *in)
{
    lg_recovery_stats rs;
    lg_status st = lg_recovery_cold(in->env.run, in->volume, in->cfg.node - 1, &in->clock,
                                    archive_dir(in), &rs);
    if (st != LG_OK && rs.failed.file != LG_ADDR_NONE.file)
        lg_log_error(in->env.log, "recovery", "block %u of file %u cannot be recovered: %s",
                     rs.failed.block, rs.failed.file, lg_status_text(st));
    LG_TRY(st);
    if (rs.threads)
        lg_log_info(in->env.log, "recovery", "%u threads, %llu records, %llu blocks written",
                    rs.threads, (unsigned long long)rs.records,
                    (unsigned long long)rs.blocks_written);
    return LG_OK;
}

/* ---- our own redo, undo, transactions ---- */

/* The thread of an earlier life is released by whoever recovers it; that may take a moment. */
static lg_status
open_redo(lg_instance *in)
{
    lg_redo_config rc = {
        .run = in->env.run,
        .volume = in->volume,
        .thread = in->cfg.node - 1,
        .clock = &in->clock,
        .archive_dir = archive_dir(in),
        .on_broken = on_redo_broken,
        .on_archive = lg_instance__on_archive,
        .arg = in,
    };
    for (;;) {
        lg_status st = lg_redo_open(&rc, &in->redo);
        if (st != LG_EXISTS)
            return st;
        if (in->stopping || in->agent_lost)
            return LG_SHUTDOWN;
        LG_TRY(lg_fiber_sleep_until(lg_run_now_ns(in->env.run) + 10 * LG_MS, LG_WAIT_GC_RECOVERY));
    }
}

static lg_status
open_transactions(lg_instance *in)
{
    LG_TRY(open_redo(in));
    if (in->alone)
        LG_TRY(create_buffers(in, (lg_coherence){&lg_coherence_local, NULL}));
    else
        lg_buf_set_redo(in->buf, in->redo);
    lg_ckpt_config kc = {.run = in->env.run, .cache = in->buf, .redo = in->redo};
    LG_TRY(lg_ckpt_create(&kc, &in->ckpt));
    LG_TRY(lg_space_create(in->buf, &in->space));
    LG_TRY(lg_space_taken_return(in->buf));
    if (!in->alone)
        lg_space_set_forget(in->space, lg_instance__forget_everywhere, in);
    lg_status control = lg_instance__control_read(in->buf, &in->control);
    if (control == LG_UNSUPPORTED)
        lg_log_error(in->env.log, "instance",
                     "the disks have format %u, this build reads %u: dump the database with the "
                     "build that made it, create it anew, restore",
                     in->control.format, LG_CONTROL_FORMAT);
    LG_TRY(control);
    if (!in->control.undo_file[in->cfg.node]) {
        lg_log_error(in->env.log, "instance", "the database has no undo segment for instance %u",
                     in->cfg.node);
        return LG_CONFIG;
    }
    if (!in->alone)
        LG_TRY(lg_instance__undo_lock_own(in));
    LG_TRY(lg_instance__undo_create(in));
    lg_txn_config tc = {.undo = in->undo, .space = in->space, .useg = (uint16_t)in->cfg.node};
    if (!in->alone)
        lg_instance__txn_hooks(in, &tc.hooks);
    LG_TRY(lg_txn_sys_create(&tc, &in->txns));
    lg_heap_register(in->txns);
    lg_btree_register(in->txns);
    uint64_t own = 1ull << in->cfg.node;
    lg_instance__undo_recover(in, in->alone || in->recover_all ? UINT64_MAX : own);
    in->recover_all = false;
    return LG_OK;
}

/* ---- SQL ---- */

static void
tell_instance(void *arg, lg_view_instance *ret)
{
    lg_instance *in = arg;
    static const char host[] = "localhost";
    *ret = (lg_view_instance){.name = in->cfg.name,
                              .host = host,
                              .version = VERSION,
                              .state = in->state,
                              .startup_us = in->startup_us,
                              .incarnation = in->incarnation,
                              .epoch = in->view.epoch,
                              .scn = lg_scn_current(&in->clock)};
}

static void
tell_membership(void *arg, lg_agent_view *ret)
{
    *ret = ((lg_instance *)arg)->view;
}

static bool
tell_fence(void *arg, uint32_t i, lg_view_fence *ret)
{
    lg_instance *in = arg;
    if (i >= lg_volume_disk_count(in->volume))
        return false;
    *ret = (lg_view_fence){.path = in->cfg.disks[i],
                           .reservations = in->reservations,
                           .key = lg_fence_key(in->cfg.node, in->incarnation)};
    return true;
}

lg_status
lg_instance__catalog_create(lg_instance *in)
{
    in->tzs = lg_tz_cache_create();
    in->functions = lg_fntable_create();
    lg_syscat_functions_register(in->functions);
    lg_session_functions_register(in->functions);
    lg_access access = lg_access_storage(in->txns);
    if (in->cfg.column_cache_bytes)
        access.columns = in->columns = lg_columns_create(in->cfg.column_cache_bytes);
    lg_catalog_config cc = {.run = in->env.run, .access = access, .ges = in->ges, .tzs = in->tzs};
    LG_TRY(lg_catalog_create(&cc, &in->catalog));
    lg_exec_procs_register(in->catalog);
    LG_TRY(lg_syscat_views_register(in->catalog));
    return lg_session_views_register(in->catalog);
}

/* Also before a database is made, so that its catalog lists them, under the same OIDs. */
lg_status
lg_instance__views_create(lg_instance *in)
{
    lg_views_config vc = {.run = in->env.run,
                          .rpc = in->rpc,
                          .catalog = in->catalog,
                          .node = in->cfg.node,
                          .ges = in->ges,
                          .cf = in->cf,
                          .buf = in->buf,
                          .reconf = in->reconf,
                          .arg = in,
                          .instance = tell_instance,
                          .cluster = in->alone ? NULL : &in->cluster,
                          .fence = tell_fence,
                          .membership = tell_membership};
    LG_TRY(lg_views_create(&vc, &in->views));
    LG_TRY(lg_instance__recovery_view(in));
    LG_TRY(lg_instance__memory_views(in));
    return lg_instance__log_views(in);
}

static lg_status
open_catalog(lg_instance *in)
{
    LG_TRY(lg_instance__catalog_create(in));
    LG_TRY(lg_instance__views_create(in));
    lg_catalog_root root = {{in->control.catalog_file, in->control.catalog_head}};
    lg_txn *t = lg_txn_begin(in->txns);
    lg_status st = lg_catalog_open(in->catalog, t, &root);
    LG_KEEP(lg_txn_rollback(t));
    return st;
}

static lg_status
may_connect(void *arg)
{
    const lg_instance *in = arg;
    return in->refusing ? LG_DRAINING : LG_OK;
}

static lg_status
checkpoint(void *arg, lg_time deadline)
{
    const lg_instance *in = arg;
    return lg_ckpt_full(in->ckpt, deadline);
}

static lg_status
open_sessions(lg_instance *in)
{
    for (uint32_t i = 0; i < in->cfg.setting_count; i++)
        in->defaults[i] = (lg_session_default){in->cfg.settings[i].name, in->cfg.settings[i].value};
    if (*in->cfg.temp_dir)
        LG_TRY(lg_temp_create(in->env.run, in->cfg.temp_dir, &in->temp));
    lg_session_server_config sc = {
        .run = in->env.run,
        .log = in->env.log,
        .sql = {in->catalog, in->txns, in->ges, in->tzs, in->functions, in->notify, in->temp},
        .instance = in->cfg.node,
        .listen = in->cfg.listen,
        .max_sessions = in->cfg.max_sessions,
        .secret = in->control.secret,
        .secret_len = sizeof in->control.secret,
        .trust_unix = in->cfg.trust_unix,
        .may_connect = may_connect,
        .checkpoint = checkpoint,
        .buf = in->buf,
        .redo = in->redo,
        .defaults = in->defaults,
        .ndefaults = in->cfg.setting_count,
        .may_answer = in->alone ? NULL : lg_instance__lease_gate,
        .cancel_remote = in->alone ? NULL : lg_instance__cancel_remote,
        .ask_remote = in->alone ? NULL : lg_instance__ask_sessions,
        .arg = in,
    };
    lg_status st = lg_session_server_start(&sc, &in->sessions);
    if (st != LG_OK) {
        lg_log_error(in->env.log, "instance", "cannot listen on %s: %s", in->cfg.listen,
                     lg_status_text(st));
        return st;
    }
    lg_views_set_sessions(in->views, in->sessions);
    return LG_OK;
}

/* ---- life ---- */

static lg_notify_outcome
outcome(void *arg, uint64_t xid)
{
    lg_instance *in = arg;
    lg_txn_status status;
    if (!in->txns)
        return LG_NOTIFY_UNKNOWN;
    lg_txn_forget_active(in->txns, xid);
    if (lg_txn_resolve(in->txns, xid, 0, &status) != LG_OK)
        return LG_NOTIFY_UNKNOWN;
    return status.state == LG_XID_COMMITTED ? LG_NOTIFY_COMMITTED
           : status.state == LG_XID_ABORTED ? LG_NOTIFY_ABORTED
                                            : LG_NOTIFY_UNKNOWN;
}

/* The slot's first record is in the redo: once that is durable, recovery finds the slot taken. */
static lg_status
keep(void *arg, uint64_t xid)
{
    lg_instance *in = arg;
    (void)xid; /* its redo is behind us, with everybody else's */
    return lg_redo_flush(in->redo, lg_redo_end(in->redo));
}

/* Before this instance is a member: the others tell all members of their publications. */
static lg_status
open_notify(lg_instance *in)
{
    lg_notify_config nc = {.run = in->env.run,
                           .rpc = in->rpc,
                           .ges = in->ges,
                           .node = in->cfg.node,
                           .incarnation = in->incarnation,
                           .outcome = outcome,
                           .keep = keep,
                           .arg = in};
    return lg_notify_create(&nc, &in->notify);
}

static lg_status
start(lg_instance *in)
{
    LG_TRY(open_volume(in));
    if (in->alone) {
        lg_ges_config gc = {.run = in->env.run, .node = in->cfg.node};
        LG_TRY(recover_cold(in));
        LG_TRY(lg_ges_create(&gc, &in->ges));
        LG_TRY(open_notify(in));
    } else {
        LG_TRY(lg_instance__agent_connect(in));
        LG_TRY(register_keys(in));
        LG_TRY(create_cluster(in)); /* beside the recovery of an earlier life */
        LG_TRY(lg_instance__agent_welcome(in));
        if (in->cold) {
            LG_TRY(wait_lease(in));
            LG_TRY(recover_cold(in));
        }
        LG_TRY(open_notify(in));
        LG_TRY(join(in));
    }
    LG_TRY(open_transactions(in));
    if (!in->alone) {
        in->horizon_runs = true;
        lg_status st = lg_run_spawn(in->env.run, "horizon", 0, lg_instance__horizon_main, in, NULL);
        in->horizon_runs = st == LG_OK;
        LG_TRY(st);
    }
    LG_TRY(lg_instance__sweep_start(in));
    LG_TRY(open_catalog(in));
    if (lg_run_budget(in->env.run) && in->cfg.memory_limit_bytes)
        lg_budget_limit(lg_run_budget(in->env.run),
                        in->cfg.memory_limit_bytes + in->cfg.column_cache_bytes);
    return open_sessions(in);
}

static lg_status
write_all(lg_instance *in)
{
    return lg_ckpt_full(in->ckpt, lg_run_now_ns(in->env.run) + 60 * LG_SEC);
}

/* A clean end: everything on disk, the thread CLEAN, so that nobody has to recover anything. */
static lg_status
stop(lg_instance *in)
{
    lg_instance__agent_state(in, LG_INSTANCE_STOPPING);
    lg_session_server_drain(in->sessions, lg_run_now_ns(in->env.run) + in->drain_ms * LG_MS);
    lg_views_set_sessions(in->views, NULL); /* its sampler looks at them */
    lg_session_server_stop(in->sessions);
    in->sessions = NULL;
    LG_TRY(lg_space_release(in->space));
    LG_TRY(write_all(in));
    lg_instance__agent_leave(in);
    return LG_OK;
}

/* Takes apart what was made, however far the start came. */
void
lg_instance__teardown(lg_instance *in, bool clean)
{
    in->stopping = in->closing = true;
    if (in->txns)
        lg_txn_recovery_stop(in->txns);
    lg_waitq_wake_all(&in->changed);
    while (in->horizon_runs || in->sweep_runs || in->rollbacks || in->serving) {
        lg_status waited = lg_waitq_wait(&in->changed, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
        (void)waited; /* looked at again */
    }
    if (in->views)
        lg_views_set_sessions(in->views, NULL);
    lg_session_server_stop(in->sessions);
    lg_notify_stop(in->notify);
    lg_views_destroy(in->views);
    lg_catalog_destroy(in->catalog);
    lg_columns_destroy(in->columns);
    lg_fntable_destroy(in->functions);
    lg_tz_cache_destroy(in->tzs);
    if (in->ckpt) {
        /* what rolled back or swept until now is not in the checkpoint of stop() */
        if (clean)
            clean = write_all(in) == LG_OK;
        lg_ckpt_destroy(in->ckpt);
    }
    if (in->cf) /* until here others are answered, from transactions, undo, buffers and redo */
        lg_cf_stop(in->cf);
    lg_txn_sys_destroy(in->txns);
    in->txns = NULL;
    lg_instance__undo_unlock_own(in);
    lg_undo_destroy(in->undo);
    lg_space_destroy(in->space);
    if (in->redo) {
        lg_status st = lg_redo_close(in->redo, clean);
        if (st != LG_OK)
            lg_log_error(in->env.log, "instance", "closing the redo thread: %s",
                         lg_status_text(st));
    }
    lg_reconf *reconf = in->reconf;
    in->reconf = NULL; /* the agent goes on telling views until the end */
    if (reconf)
        lg_reconf_destroy(reconf);
    if (in->ges)
        lg_ges_destroy(in->ges);
    lg_recoverer_destroy(in->recoverer);
    if (in->buf)
        lg_buf_cache_destroy(in->buf);
    if (in->cf)
        lg_cf_destroy(in->cf);
    lg_rpc_destroy(in->rpc);
    lg_notify_destroy(in->notify);
    lg_temp_destroy(in->temp);
    lg_dwb_destroy(in->dwb);
    lg_volume_close(in->volume);
    lg_instance__disk_watch_stop(in);
    lg_io_destroy(in->io);
    lg_instance__agent_close(in);
}

lg_status
lg_instance_run(const lg_instance_env *env, const lg_instance_config *cfg,
                lg_instance **ret_instance)
{
    lg_instance *in = lg_zalloc(sizeof *in);
    in->env = *env;
    in->cfg = *cfg;
    in->alone = !*cfg->agent;
    in->incarnation = in->alone ? 1 : 0;
    in->startup_us = lg_run_wall_us(env->run);
    in->state = LG_INSTANCE_STARTING;
    lg_waitq_init(&in->changed);
    lg_waitq_init(&in->links);
    *ret_instance = in;
    lg_log_info(env->log, "instance", "%s starts: version %s, %u disks, %llu MiB of buffers",
                cfg->name, VERSION, cfg->disk_count, (unsigned long long)cfg->cache_bytes >> 20);
    lg_status st = start(in);
    if (st == LG_OK) {
        lg_log_info(env->log, "instance", "%s is open on %s", cfg->name, cfg->listen);
        lg_instance__agent_state(in, LG_INSTANCE_OPEN);
        while (!in->stopping) {
            lg_status waited =
                lg_waitq_wait(&in->changed, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
            (void)waited; /* looked at again */
        }
        st = stop(in);
    } else {
        lg_log_error(env->log, "instance", "start failed: %s", lg_status_text(st));
    }
    *ret_instance = NULL;
    lg_log_info(env->log, "instance", "%s ends", cfg->name);
    lg_instance__teardown(in, st == LG_OK);
    lg_log_info(env->log, "instance", "%s has ended: %s", cfg->name,
                st == LG_OK ? "its redo is closed, nothing is to be recovered"
                            : "its redo is open, the others or its next start recover it");
    lg_free(in);
    return st;
}

void
lg_instance_stop(lg_instance *in, uint64_t drain_ms)
{
    if (!in || in->stopping)
        return;
    in->stopping = true;
    in->drain_ms = drain_ms;
    lg_waitq_wake_all(&in->changed);
}
