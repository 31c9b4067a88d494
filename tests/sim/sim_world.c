/* The world: clusterware and faults. See sim_world.h. */
#include "sim_world.h"

#include "sim_disk.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TICK       (10 * LG_MS)
#define DISK_BYTES (96u << 20)
#define WORK_TIME  (6 * LG_SEC)
#define END_LIMIT  (120 * LG_SEC) /* of virtual time, to converge after the last fault */

static const char *const disk_names[SIM_DISKS] = {"lagoon.d0", "lagoon.d1"};

const char *
sim_disk_name(unsigned i)
{
    return disk_names[i];
}

void
sim_log(sim_world *w, const char *fmt, ...)
{
    if (!w->verbose)
        return;
    va_list ap;
    va_start(ap, fmt);
    lg_time t = lg_sim_now(w->sim) - 1000 * LG_SEC;
    printf("%7llu.%06llu ", (unsigned long long)(t / LG_SEC),
           (unsigned long long)(t % LG_SEC / 1000));
    vprintf(fmt, ap);
    putchar('\n');
    fflush(stdout);
    va_end(ap);
}

void
sim_fail(sim_world *w, const char *fmt, ...)
{
    char message[sizeof w->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    if (w->verdict >= 0) /* the first is the one to tell */
        memcpy(w->message, message, sizeof message);
    w->verdict = -1;
    sim_log(w, "FAIL %s", message);
}

uint64_t
sim_draw(sim_world *w, uint64_t below)
{
    return lg_sim_random(w->sim) % below;
}

static uint64_t
draw(sim_world *w, uint64_t below)
{
    return sim_draw(w, below);
}

static sim_node *
node_at(sim_world *w, unsigned id)
{
    return &w->node[id];
}

static void
append(sim_world *w, sim_ack **list, size_t *count, size_t *cap, const sim_ack *ack)
{
    lg_heap *outer = lg_heap_switch(NULL);
    if (*count == *cap) {
        *cap = *cap ? *cap * 2 : 4096;
        *list = lg_realloc(*list, sizeof(sim_ack) * *cap);
    }
    (*list)[*count] = *ack;
    (*list)[(*count)++].at = lg_sim_now(w->sim);
    (void)lg_heap_switch(outer);
}

void
sim_acknowledge(sim_world *w, const sim_ack *ack)
{
    append(w, &w->acks, &w->ack_count, &w->ack_cap, ack);
}

void
sim_begun(sim_world *w, const sim_ack *ack)
{
    append(w, &w->tries, &w->try_count, &w->try_cap, ack);
}

/* ---- life of nodes ---- */

static void
node_start(sim_world *w, unsigned id, bool cold)
{
    sim_node *n = node_at(w, id);
    uint64_t incarnation = n->incarnation + 1;
    *n = (sim_node){.w = w,
                    .id = id,
                    .incarnation = incarnation,
                    .cold = cold,
                    .agent = n->agent,
                    .cut = n->cut};
    n->heap = lg_heap_create();
    lg_run_config rc = {.name = "sim", .sim = w->sim, .sim_node = id, .heap = n->heap};
    lg_heap *outer = lg_heap_switch(n->heap);
    lg_status st = lg_run_create(&rc, &n->run);
    if (st == LG_OK)
        w->kind->boot(n);
    (void)lg_heap_switch(outer);
    if (st != LG_OK)
        sim_fail(w, "node %u does not start", id);
    sim_log(w, "node %u starts, incarnation %llu%s", id, (unsigned long long)incarnation,
            cold ? ", cold" : "");
}

static void
node_end(sim_world *w, unsigned id)
{
    sim_node *n = node_at(w, id);
    if (!n->heap)
        return;
    lg_run_destroy(n->run);
    lg_heap_destroy(n->heap);
    if (w->kind->ended)
        w->kind->ended(n);
    n->run = NULL;
    n->heap = NULL;
    n->inst = NULL;
    n->ready = n->open = n->failed = false;
    n->paused_until = 0;
    lg_sim_pause_node(w->sim, id, 0);
    n->restart_at = lg_sim_now(w->sim) + 20 * LG_MS + draw(w, 600) * LG_MS;
    if (w->hard && draw(w, 3) == 0) /* back before the others have noticed */
        n->restart_at = lg_sim_now(w->sim) + draw(w, 40) * LG_MS;
}

void
sim_node_end(sim_world *w, unsigned id)
{
    node_end(w, id);
}

void
sim_node_give_up(sim_node *n, const char *why, lg_status st)
{
    if (n->failed)
        return;
    n->failed = true;
    n->why = why;
    n->why_status = st;
}

void
sim_node_lost_peer(sim_node *n)
{
    n->w->report = true;
}

static bool
paused(const sim_world *w, const sim_node *n)
{
    return n->paused_until > lg_sim_now(w->sim);
}

bool
sim_paused(const sim_world *w, const sim_node *n)
{
    return paused(w, n);
}

static bool
reachable(const sim_world *w, const sim_node *n)
{
    return n->heap && !n->cut && !paused(w, n);
}

/* ---- leases: told by an event of the node, so that a stalled node hears of it late ---- */

static void
lease_arrives(void *arg)
{
    sim_node *n = arg;
    n->lease_until = n->lease_given;
    if (n->w->kind->lease)
        n->w->kind->lease(n);
}

/* As gcs/member has it (M2, M3): a lease lasts from the beginning of the round that gives it,
 * however late it is told, and whoever decides the next view has seen that heartbeat, or the
 * lease is not given. So nobody who was left out gets one. */
static void
give_leases(sim_world *w)
{
    for (unsigned i = 1; i <= w->node_count; i++) {
        sim_node *n = node_at(w, i);
        bool candidate = !(w->members >> i & 1) && !n->was_member; /* starting */
        if (!reachable(w, n) || (!sim_is_member(w, i) && !candidate))
            continue;
        n->last_beat = lg_sim_now(w->sim);
        n->lease_given = lg_run_now_exact_ns(n->run) + SIM_LEASE;
        (void)lg_sim_at(w->sim, lg_sim_now(w->sim), n->run, lease_arrives, n);
    }
}

/* ---- views ---- */

struct view_message {
    sim_node *n;
    uint64_t epoch;
    unsigned count;
    lg_rpc_member m[SIM_MAX_NODES];
    char address[SIM_MAX_NODES][32];
};

static void
view_arrives(void *arg)
{
    struct view_message *v = arg;
    if (v->epoch == v->n->w->epoch)
        v->n->w->kind->view(v->n, v->epoch, v->m, v->count);
    lg_free(v);
}

static void
publish(sim_world *w, uint64_t members)
{
    w->epoch++;
    w->members = members;
    w->views++;
    w->report = false;
    w->view_after = lg_sim_now(w->sim) + 30 * LG_MS;
    for (unsigned i = 1; i <= w->node_count; i++)
        w->incarnations[i] = members >> i & 1 ? node_at(w, i)->incarnation : 0;
    sim_log(w, "view %llu: members %llx", (unsigned long long)w->epoch,
            (unsigned long long)members >> 1);
    for (unsigned i = 1; i <= w->node_count; i++) {
        sim_node *n = node_at(w, i);
        if (!(members >> i & 1))
            continue;
        if (w->node_count > 1)
            n->open = false; /* until it tells */
        n->cold = false;
        n->was_member = true;
        struct view_message *v;
        lg_heap *outer = lg_heap_switch(n->heap);
        v = lg_zalloc(sizeof *v);
        (void)lg_heap_switch(outer);
        v->n = n;
        v->epoch = w->epoch;
        for (unsigned k = 1; k <= w->node_count; k++) {
            if (!(members >> k & 1))
                continue;
            snprintf(v->address[v->count], sizeof v->address[0], "sim:%u:7000", k);
            v->m[v->count] = (lg_rpc_member){k, w->incarnations[k], v->address[v->count]};
            v->count++;
        }
        (void)lg_sim_at(w->sim, lg_sim_now(w->sim) + draw(w, 8 * LG_MS), n->run, view_arrives, v);
    }
    if (w->hard && !w->quiet && w->bank_ready)
        sim_hard_view(w);
}

/* Its agent has seen the process end, but what it was writing may still land: its locks on the
 * disks stay until then. */
static bool
dying(const sim_world *w, unsigned id)
{
    for (unsigned i = 0; i < SIM_DISKS; i++)
        if (lg_sim_disk_dying(w->sim, disk_names[i], id))
            return true;
    return false;
}

/* A member stays as long as its process lives and its lease has not run out with margin. */
static bool
stays(const sim_world *w, unsigned id)
{
    const sim_node *n = &w->node[id];
    if (!n->heap || n->incarnation != w->incarnations[id])
        return false;
    return n->last_beat + SIM_LEASE + SIM_MARGIN > lg_sim_now(w->sim);
}

static void
decide_view(sim_world *w)
{
    uint64_t next = 0;
    bool change = false;
    for (unsigned i = 1; i <= w->node_count; i++) {
        sim_node *n = node_at(w, i);
        if ((w->members >> i & 1) && dying(w, i))
            return;
        if (w->members >> i & 1) {
            if (stays(w, i))
                next |= 1ULL << i;
            else
                change = true;
        } else if (n->ready && !n->was_member && reachable(w, n) && (w->members || n->cold)) {
            next |= 1ULL << i;
            change = true;
        }
    }
    if (!change && !(w->report && w->members))
        return;
    if (lg_sim_now(w->sim) < w->view_after)
        return;
    if (next) {
        publish(w, next);
    } else if (w->members) {
        sim_log(w, "all members are gone");
        w->members = 0;
        memset(w->incarnations, 0, sizeof w->incarnations);
    }
}

/* Nobody is in a view: whoever is still there (starting, waiting) is ended; one starts cold, the
 * others when it is in. */
static void
restart_nodes(sim_world *w)
{
    bool cold_one = false;
    for (unsigned i = 1; i <= w->node_count; i++)
        cold_one |= node_at(w, i)->heap && node_at(w, i)->cold;
    for (unsigned i = 1; i <= w->node_count; i++) {
        sim_node *n = node_at(w, i);
        if (!w->members && n->heap && !n->cold && !paused(w, n)) /* zombies shall wake */
            node_end(w, i);
        if (n->heap || lg_sim_now(w->sim) < n->restart_at || dying(w, i))
            continue;
        if (w->members >> i & 1)
            continue; /* its death is not decided yet */
        if (w->members) {
            node_start(w, i, false);
        } else if (!cold_one) {
            /* Zombies of the last view must be fenced by their leases first. */
            node_start(w, i, true);
            cold_one = true;
            w->colds++;
        }
    }
}

/* Instances that gave up, and those that wake up and hear that they are out. */
static void
end_hopeless(sim_world *w)
{
    for (unsigned i = 1; i <= w->node_count; i++) {
        sim_node *n = node_at(w, i);
        if (!n->heap || paused(w, n))
            continue;
        bool evicted = n->was_member && !(w->members >> i & 1);
        bool other_life = (w->members >> i & 1) && w->incarnations[i] != n->incarnation;
        if (n->failed)
            sim_log(w, "node %u gives up: %s: %s", i, n->why, lg_status_name(n->why_status));
        if (n->failed || ((evicted || other_life) && !n->cut)) {
            /* What was done to it before, and ends it now: a disk that was away or took a request
             * with it; a stop that met a reconfiguration, which the others finish. */
            bool before = (n->why_status == LG_IO && (w->lost || n->lost_disk)) ||
                          n->why_status == LG_SHUTDOWN;
            if (w->quiet && n->failed && n->why_status != LG_OK && n->why_status != LG_FENCED &&
                n->why_status != LG_PEER_DOWN && !before && !evicted && !other_life)
                sim_fail(w, "node %u gave up in quiet times: %s: %s", i, n->why,
                         lg_status_name(n->why_status));
            node_end(w, i);
        }
    }
}

/* ---- faults ---- */

static sim_node *
any_alive(sim_world *w)
{
    for (unsigned tries = 0; tries < 8; tries++) {
        sim_node *n = node_at(w, 1 + (unsigned)draw(w, w->node_count));
        if (n->heap && !paused(w, n))
            return n;
    }
    return NULL;
}

void
sim_cuts_apply(sim_world *w)
{
    for (unsigned i = 1; i <= w->node_count; i++)
        for (unsigned k = i + 1; k <= w->node_count; k++)
            lg_simnet_cut(w->sim, i, k,
                          node_at(w, i)->cut || node_at(w, k)->cut || w->pair_cut[i][k]);
}

static void
cut_node(sim_world *w, sim_node *n, bool cut)
{
    n->cut = cut;
    sim_cuts_apply(w);
}

static void
heal(void *arg)
{
    sim_node *n = arg;
    if (n->cut)
        cut_node(n->w, n, false);
    sim_log(n->w, "node %u is reachable again", n->id);
}

static void
fault_kill(sim_world *w, sim_node *n)
{
    sim_log(w, "kill node %u", n->id);
    w->kills++;
    node_end(w, n->id);
}

static void
fault_kill_all(sim_world *w)
{
    sim_log(w, "kill all");
    for (unsigned i = 1; i <= w->node_count; i++)
        node_end(w, i);
    if (draw(w, 2)) {
        sim_log(w, "power loss");
        for (unsigned i = 0; i < SIM_DISKS; i++)
            lg_sim_disk_power_loss(w->sim, disk_names[i]);
        sim_check_power_lost(w);
    }
    w->kills++;
}

static void
fault_pause(sim_world *w, sim_node *n)
{
    sim_pause(w, n, draw(w, 3) ? 1 + draw(w, 80) : 300 + draw(w, 1500));
}

void
sim_pause(sim_world *w, sim_node *n, lg_time for_ms)
{
    n->paused_until = lg_sim_now(w->sim) + for_ms * LG_MS;
    sim_log(w, "pause node %u for %llu ms", n->id, (unsigned long long)for_ms);
    lg_sim_pause_node(w->sim, n->id, n->paused_until);
    w->pauses++;
}

static void
fault_cut(sim_world *w, sim_node *n)
{
    lg_time for_ms = draw(w, 2) ? 10 + draw(w, 200) : 500 + draw(w, 2500);
    if (n->cut)
        return;
    sim_log(w, "cut node %u off for %llu ms", n->id, (unsigned long long)for_ms);
    cut_node(w, n, true);
    (void)lg_sim_at(w->sim, lg_sim_now(w->sim) + for_ms * LG_MS, NULL, heal, n);
    w->cuts++;
}

static void
fault_disk(sim_world *w)
{
    unsigned d = (unsigned)draw(w, SIM_DISKS);
    lg_time ms = 5 + draw(w, 120);
    sim_log(w, "disk %u stalls for %llu ms", d, (unsigned long long)ms);
    lg_sim_disk_stall(w->sim, disk_names[d], lg_sim_now(w->sim) + ms * LG_MS);
}

static void
fault(sim_world *w)
{
    sim_node *n = any_alive(w);
    if (!n)
        return;
    w->faults++;
    uint64_t what = draw(w, 100);
    if (what < 35) {
        fault_kill(w, n);
    } else if (what < 40) {
        fault_kill_all(w);
    } else if (what < 60) {
        fault_pause(w, n);
    } else if (what < 75) {
        fault_cut(w, n);
    } else if (what < 85) {
        unsigned other = 1 + (unsigned)draw(w, w->node_count);
        sim_log(w, "break connections of %u and %u", n->id, other);
        lg_simnet_break(w->sim, n->id, other);
    } else {
        fault_disk(w);
    }
}

static void
fault_due(void *arg)
{
    sim_world *w = arg;
    if (w->quiet)
        return;
    if (w->bank_ready && w->hard && draw(w, 2))
        sim_hard_fault(w);
    else if (w->bank_ready)
        fault(w);
    lg_time gap = (50 + draw(w, w->hard ? 500 : 900)) * LG_MS;
    (void)lg_sim_at(w->sim, lg_sim_now(w->sim) + gap, NULL, fault_due, w);
}

/* ---- the end: everything heals, everybody comes back, one reads all ---- */

static void
begin_quiet(sim_world *w)
{
    sim_log(w, "quiet: %zu acknowledged, %llu attempts", w->ack_count,
            (unsigned long long)w->attempts);
    w->quiet = true;
    w->quiet_since = lg_sim_now(w->sim);
    w->stop_work = true;
    for (unsigned i = 1; i <= w->node_count; i++) {
        sim_node *n = node_at(w, i);
        if (n->cut)
            cut_node(w, n, false);
        lg_sim_set_drift_ppm(w->sim, i, 0);
    }
    if (w->hard)
        sim_hard_quiet(w);
}

/* Whoever was fenced before the quiet, or waits for a disk in vain, has had the time to notice. */
static bool
all_open(sim_world *w)
{
    lg_time notice = w->lost ? SIM_DISK_TIMEOUT + 2 * LG_SEC : SIM_LEASE;
    if (lg_sim_now(w->sim) < w->quiet_since + notice)
        return false;
    for (unsigned i = 1; i <= w->node_count; i++) {
        sim_node *n = node_at(w, i);
        if (!n->heap || !n->open || paused(w, n) || !w->kind->settled(n))
            return false;
    }
    return true;
}

static void
tick(void *arg)
{
    sim_world *w = arg;
    lg_time now = lg_sim_now(w->sim);
    end_hopeless(w);
    give_leases(w);
    decide_view(w);
    restart_nodes(w);
    if (!w->quiet && w->bank_ready && now >= w->until)
        begin_quiet(w);
    if (w->mutate && !w->mutated && w->bank_ready)
        sim_mutate(w);
    if (w->quiet && w->verdict == 0 && !w->verifying && all_open(w)) {
        w->verifying = true;
        sim_log(w, "verify");
        w->kind->verify(w);
    }
    (void)lg_sim_at(w->sim, now + TICK, NULL, tick, w);
}

static void
work_time_begins(sim_world *w)
{
    w->until = lg_sim_now(w->sim) + WORK_TIME / 2 + draw(w, WORK_TIME);
}

static void
set_up(sim_world *w, unsigned nodes)
{
    w->node_count = 1 + (unsigned)draw(w, SIM_MAX_NODES);
    if (nodes)
        w->node_count = nodes;
    w->account_blocks = 4 + (uint32_t)draw(w, draw(w, 2) ? 40 : 220);
    for (unsigned i = 0; i < SIM_DISKS; i++)
        if (lg_sim_disk_create(w->sim, disk_names[i], DISK_BYTES) != LG_OK)
            sim_fail(w, "no disk");
    lg_simnet_knobs k;
    lg_simnet_get(w->sim, &k);
    k.slow_per_million = (uint32_t)draw(w, 20000);
    k.break_after_ns = (200 + draw(w, 1500)) * LG_MS;
    lg_simnet_set(w->sim, &k);
    for (unsigned i = 1; i <= w->node_count; i++) {
        w->node[i] = (sim_node){.w = w, .id = i};
        lg_sim_set_drift_ppm(w->sim, i, (int32_t)draw(w, 400) - 200);
    }
    if (w->hard)
        sim_hard_begin(w);
    w->until = UINT64_MAX; /* set when the bank is there */
    if (w->kind->world_begin)
        w->kind->world_begin(w);
    sim_watch_begin(w);
    (void)lg_sim_at(w->sim, lg_sim_now(w->sim), NULL, tick, w);
    (void)lg_sim_at(w->sim, lg_sim_now(w->sim) + 300 * LG_MS, NULL, fault_due, w);
}

/* True when the run is over. */
static bool
over(sim_world *w, lg_time began)
{
    if (w->bank_ready && w->until == UINT64_MAX)
        work_time_begins(w);
    if (w->verdict == 0 && lg_sim_now(w->sim) > began + WORK_TIME * 2 + END_LIMIT)
        sim_fail(w, "does not converge");
    return w->verdict != 0;
}

int
sim_world_run(const sim_kind *kind, uint64_t seed, const sim_options *opt)
{
    bool verbose = opt->verbose;
    sim_world *w = lg_zalloc(sizeof *w);
    w->kind = kind;
    w->seed = seed;
    w->verbose = verbose;
    w->hard = opt->hard;
    w->mutate = opt->mutate;
    w->watch_file = opt->watch_file;
    w->watch_block = opt->watch_block;
    if (lg_sim_create(seed, &w->sim) != LG_OK)
        return -1;
    set_up(w, opt->nodes);
    lg_time began = lg_sim_now(w->sim);
    for (uint64_t step = 0; !over(w, began); step++) {
        if (!lg_sim_step(w->sim))
            sim_fail(w, "nothing left to do");
        if (step % 256 == 0)
            sim_check_modes(w);
        if (step % 256 == 0 && w->kind->check)
            w->kind->check(w);
        if (step % 512 == 0)
            sim_check_floors(w);
        if (step % 512 == 256)
            sim_check_redo(w);
        if (step % 128 == 0)
            sim_check_fibers(w);
        if (step % 4096 == 0)
            sim_check_disk(w);
    }
    if (w->verdict < 0)
        printf("seed %llu: %s\n", (unsigned long long)seed, w->message);
    if (verbose)
        printf("seed %llu: %zu and %zu acknowledged, %llu DDL, %llu errors, %llu readings, %llu "
               "views, "
               "%llu kills, "
               "%llu pauses, %llu cuts, %llu cold starts, "
               "%llu large statements, %llu notifications heard\n",
               (unsigned long long)seed, w->ack_count, w->skew_ack_count,
               (unsigned long long)w->ddl_done, (unsigned long long)w->errors,
               (unsigned long long)w->readings, (unsigned long long)w->views,
               (unsigned long long)w->kills, (unsigned long long)w->pauses,
               (unsigned long long)w->cuts, (unsigned long long)w->colds,
               (unsigned long long)w->big_done, (unsigned long long)w->told_heard);
    int verdict = w->verdict;
    if (verdict < 0 && verbose && kind->post_mortem)
        kind->post_mortem(w);
    sim_watch_end(w);
    sim_check_redo_end(w);
    for (unsigned i = 1; i <= w->node_count; i++)
        node_end(w, i);
    if (kind->world_end)
        kind->world_end(w);
    lg_sim_destroy(w->sim);
    sim_check_end(w);
    lg_free(w->acks);
    lg_free(w->tries);
    lg_free(w->seen);
    lg_free(w->skew_acks);
    lg_map_destroy(w->seen_ops);
    lg_map_destroy(w->numbers);
    lg_free(w);
    return verdict > 0 ? 0 : -1;
}
