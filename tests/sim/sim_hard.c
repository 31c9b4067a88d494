/* The harder faults: several deaths at once, deaths while others recover, quick restarts that join
 * a reconfiguration, two nodes that do not hear each other while everybody else does, slow and lost
 * disks, completions that do not come, clocks that run fast or slow, links that break by themselves, power loss. */
#include "sim_world.h"

#include "sim_disk.h"

static sim_node *
alive(sim_world *w)
{
    for (unsigned tries = 0; tries < 8; tries++) {
        sim_node *n = &w->node[1 + sim_draw(w, w->node_count)];
        if (n->heap && !sim_paused(w, n))
            return n;
    }
    return NULL;
}

static void
kill_some(sim_world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        sim_node *n = alive(w);
        if (!n)
            return;
        sim_log(w, "kill node %u too", n->id);
        sim_node_end(w, n->id);
        w->kills++;
    }
}

/* ---- deaths in the middle of a reconfiguration or of recovery ---- */

static void
strike(void *arg)
{
    sim_world *w = arg;
    if (w->quiet)
        return;
    sim_node *n = alive(w);
    if (n && sim_draw(w, 4) == 0) {
        lg_time ms = sim_draw(w, 2) ? 1 + sim_draw(w, 60) : 560 + sim_draw(w, 400);
        sim_log(w, "pause node %u in the middle, for %llu ms", n->id, (unsigned long long)ms);
        sim_pause(w, n, ms);
    } else if (n) {
        kill_some(w, 1);
    }
}

void
sim_hard_view(sim_world *w)
{
    if (sim_draw(w, 5) < 2)
        (void)lg_sim_at(w->sim, lg_sim_now(w->sim) + sim_draw(w, 40 * LG_MS), NULL, strike, w);
}

/* ---- links ---- */

struct pair {
    sim_world *w;
    unsigned a, b;
};

static void
heal_pair(void *arg)
{
    struct pair *p = arg;
    p->w->pair_cut[p->a][p->b] = false;
    sim_cuts_apply(p->w);
    sim_log(p->w, "nodes %u and %u hear each other again", p->a, p->b);
    lg_free(p);
}

static void
fault_pair(sim_world *w)
{
    if (w->node_count < 2)
        return;
    unsigned a = 1 + (unsigned)sim_draw(w, w->node_count - 1);
    unsigned b = a + 1 + (unsigned)sim_draw(w, w->node_count - a);
    if (w->pair_cut[a][b])
        return;
    lg_time ms = sim_draw(w, 2) ? 5 + sim_draw(w, 200) : 500 + sim_draw(w, 2500);
    sim_log(w, "nodes %u and %u do not hear each other for %llu ms", a, b, (unsigned long long)ms);
    w->pair_cut[a][b] = true;
    sim_cuts_apply(w);
    struct pair *p = lg_alloc(sizeof *p);
    *p = (struct pair){w, a, b};
    (void)lg_sim_at(w->sim, lg_sim_now(w->sim) + ms * LG_MS, NULL, heal_pair, p);
}

/* ---- disks ---- */

static void
disks_well(void *arg)
{
    sim_world *w = arg;
    for (unsigned d = 0; d < SIM_DISKS; d++) {
        lg_sim_disk_set_slowness(w->sim, sim_disk_name(d), 100);
        for (unsigned i = 1; i <= w->node_count; i++)
            lg_sim_disk_detach(w->sim, sim_disk_name(d), i, false);
    }
}

static void
lose_nothing(sim_world *w)
{
    for (unsigned d = 0; d < SIM_DISKS; d++)
        for (unsigned i = 1; i <= w->node_count; i++)
            lg_sim_disk_lose(w->sim, sim_disk_name(d), i, LG_SIM_LOSE_NOTHING);
}

static void
fault_disks(sim_world *w)
{
    unsigned d = (unsigned)sim_draw(w, SIM_DISKS);
    lg_time ms = 10 + sim_draw(w, 300);
    sim_node *n = alive(w);
    if (sim_draw(w, 3) == 0 && n) {
        sim_log(w, "node %u loses disk %u for %llu ms", n->id, d, (unsigned long long)ms);
        lg_sim_disk_detach(w->sim, sim_disk_name(d), n->id, true);
        n->lost_disk = true;
    } else {
        uint32_t percent = 200 + (uint32_t)sim_draw(w, 3000);
        sim_log(w, "disk %u is slow (%u%%) for %llu ms", d, percent, (unsigned long long)ms);
        lg_sim_disk_set_slowness(w->sim, sim_disk_name(d), percent);
    }
    (void)lg_sim_at(w->sim, lg_sim_now(w->sim) + ms * LG_MS, NULL, disks_well, w);
}

/* A request of one node does not come back. */
static void
fault_lost(sim_world *w)
{
    sim_node *n = alive(w);
    unsigned d = (unsigned)sim_draw(w, SIM_DISKS);
    lg_sim_lose what = sim_draw(w, 2) ? LG_SIM_LOSE_COMPLETION : LG_SIM_LOSE_REQUEST;
    if (!n)
        return;
    sim_log(w, "node %u: a %s of disk %u is lost", n->id,
            what == LG_SIM_LOSE_COMPLETION ? "completion" : "request", d);
    lg_sim_disk_lose(w->sim, sim_disk_name(d), n->id, what);
    w->lost++;
}

static void
fault_power(sim_world *w)
{
    sim_log(w, "power loss everywhere");
    for (unsigned i = 1; i <= w->node_count; i++)
        sim_node_end(w, i);
    for (unsigned i = 0; i < SIM_DISKS; i++)
        lg_sim_disk_power_loss(w->sim, sim_disk_name(i));
    sim_check_power_lost(w);
    w->kills++;
}

static void
fault_clock(sim_world *w)
{
    unsigned id = 1 + (unsigned)sim_draw(w, w->node_count);
    int32_t ppm = (int32_t)sim_draw(w, 40000) - 20000;
    sim_log(w, "the clock of node %u is off by %d ppm", id, ppm);
    lg_sim_set_drift_ppm(w->sim, id, ppm);
}

/* A stall of several at once: all leases may run out, nobody has died. */
static void
fault_stall(sim_world *w)
{
    lg_time ms = sim_draw(w, 2) ? 20 + sim_draw(w, 200) : 300 + sim_draw(w, 900);
    sim_log(w, "several nodes stall for up to %llu ms", (unsigned long long)ms);
    for (unsigned i = 1; i <= w->node_count; i++) {
        sim_node *n = &w->node[i];
        if (n->heap && !sim_paused(w, n) && sim_draw(w, 3))
            sim_pause(w, n, 1 + sim_draw(w, ms));
    }
}

/* Ends in order: drains, writes all, leaves; perhaps several at once, or while another dies. */
static void
fault_stop(sim_world *w)
{
    for (unsigned i = 0, n = 1 + (unsigned)sim_draw(w, 2); i < n; i++) {
        sim_node *a = alive(w);
        if (!a || !a->open)
            continue;
        sim_log(w, "stop node %u", a->id);
        w->kind->stop(a);
    }
    if (sim_draw(w, 2))
        (void)lg_sim_at(w->sim, lg_sim_now(w->sim) + sim_draw(w, 60 * LG_MS), NULL, strike, w);
}

void
sim_hard_fault(sim_world *w)
{
    w->faults++;
    if (w->kind->stop && sim_draw(w, 6) == 0) {
        fault_stop(w);
        return;
    }
    uint64_t what = sim_draw(w, 100);
    if (what < 30)
        kill_some(w, 1 + (unsigned)sim_draw(w, 3));
    else if (what < 50)
        fault_pair(w);
    else if (what < 70)
        fault_disks(w);
    else if (what < 80)
        fault_clock(w);
    else if (what < 89)
        fault_stall(w);
    else if (what < 92)
        fault_lost(w);
    else
        fault_power(w);
}

void
sim_hard_begin(sim_world *w)
{
    lg_simnet_knobs k;
    lg_simnet_get(w->sim, &k);
    if (sim_draw(w, 2))
        k.break_per_million = (uint32_t)sim_draw(w, 60);
    k.slow_ns = sim_draw(w, 2) ? 5 * LG_MS : 40 * LG_MS;
    lg_simnet_set(w->sim, &k);
}

void
sim_hard_quiet(sim_world *w)
{
    lg_simnet_knobs k;
    lg_simnet_get(w->sim, &k);
    k.break_per_million = 0;
    lg_simnet_set(w->sim, &k);
    for (unsigned a = 1; a <= w->node_count; a++)
        for (unsigned b = 1; b <= w->node_count; b++)
            w->pair_cut[a][b] = false;
    sim_cuts_apply(w);
    disks_well(w);
    lose_nothing(w);
}
