/* Kind "ges": interconnect, reconfiguration and enqueues only: no disks. Clients on every node lock
 * a few resources in random modes. Checked: no two members ever hold conflicting modes; a lock that
 * a living member holds survives every reconfiguration; after the last fault everybody gets on. */
#include "sim_world.h"

#include "ges.h"
#include "msg.h"
#include "participant.h"
#include "reconf.h"
#include <stdio.h>
#include <string.h>

#define RESOURCES 5u
#define CLIENTS   3u
#define HOLDS_MAX 256
#define PROGRESS  5u /* locks that every client must get after the last fault */

struct hold {
    uint32_t node;
    uint64_t incarnation;
    uint32_t client;
    uint32_t resource;
    lg_lock_mode mode; /* LG_LOCK_NONE: free slot */
};

struct ges_state {
    struct hold holds[HOLDS_MAX]; /* what clients were granted, in the order of truth */
    uint64_t grants, timeouts, deadlocks;
};

struct ges_instance {
    sim_node *n;
    lg_scn_clock clock;
    lg_rpc *rpc;
    lg_ges *ges;
    lg_reconf *reconf;
    bool working;
    unsigned late[CLIENTS]; /* grants in quiet times */
};

struct ges_client {
    struct ges_instance *in;
    uint32_t number;
};

static struct ges_state *
state_of(sim_world *w)
{
    return w->kind_state;
}

static struct ges_instance *
instance_of(const sim_node *n)
{
    return (struct ges_instance *)(void *)n->inst;
}

/* ---- the truth ---- */

static bool
counts(const sim_world *w, uint32_t node, uint64_t incarnation)
{
    return (w->members >> node & 1) && w->incarnations[node] == incarnation;
}

static void
check_grant(sim_world *w, const struct hold *h)
{
    if (!counts(w, h->node, h->incarnation))
        return; /* a zombie's belief: whatever it writes is fenced */
    const struct ges_state *s = state_of(w);
    for (unsigned i = 0; i < HOLDS_MAX; i++) {
        const struct hold *o = &s->holds[i];
        if (o == h || o->mode == LG_LOCK_NONE || o->resource != h->resource ||
            !counts(w, o->node, o->incarnation) || (o->node == h->node && o->client == h->client))
            continue;
        if (lg_lock_conflicts(o->mode, h->mode))
            sim_fail(w, "resource %u: node %u client %u has %s, node %u client %u %s", h->resource,
                     o->node, o->client, lg_lock_mode_name(o->mode), h->node, h->client,
                     lg_lock_mode_name(h->mode));
    }
}

static struct hold *
note_grant(struct ges_client *c, uint32_t resource, lg_lock_mode mode)
{
    sim_node *n = c->in->n;
    struct ges_state *s = state_of(n->w);
    s->grants++;
    for (unsigned i = 0; i < HOLDS_MAX; i++) {
        struct hold *h = &s->holds[i];
        if (h->mode != LG_LOCK_NONE && n->w->node[h->node].incarnation == h->incarnation)
            continue; /* in use; those of lives that are over are free */
        *h = (struct hold){n->id, n->incarnation, c->number, resource, mode};
        check_grant(n->w, h);
        return h;
    }
    sim_fail(n->w, "too many locks");
    return NULL;
}

/* ---- clients ---- */

static void
nap(sim_node *n, uint64_t us)
{
    (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(n->run) + us * 1000, LG_WAIT_SLEEP);
}

static lg_status
lock_some(struct ges_client *c, lg_ges_owner *o, struct hold **held)
{
    sim_node *n = c->in->n;
    static const lg_lock_mode modes[] = {LG_LOCK_ACCESS_SHARE, LG_LOCK_ROW_EXCLUSIVE, LG_LOCK_SHARE,
                                         LG_LOCK_EXCLUSIVE, LG_LOCK_ACCESS_EXCLUSIVE};
    unsigned count = 1 + (unsigned)(lg_run_random(n->run) % 2);
    for (unsigned i = 0; i < count; i++) {
        uint64_t r = lg_run_random(n->run);
        uint32_t resource = (uint32_t)(r % RESOURCES);
        lg_lock_mode mode = modes[r / RESOURCES % 5];
        LG_TRY(lg_ges_lock(o, (lg_ges_res){LG_GES_ADVISORY, 0, resource}, mode, 0,
                           lg_run_now_exact_ns(n->run) + 2 * LG_SEC));
        held[i] = note_grant(c, resource, mode);
        nap(n, r >> 40 & 0x3ff);
    }
    return LG_OK;
}

static void
client_fiber(void *arg)
{
    struct ges_client *c = arg;
    sim_node *n = c->in->n;
    struct ges_state *s = state_of(n->w);
    for (;;) {
        lg_ges_owner o;
        struct hold *held[2] = {NULL, NULL};
        lg_ges_owner_init(c->in->ges, &o, NULL);
        lg_status st = lock_some(c, &o, held);
        s->timeouts += st == LG_LOCK_NOT_AVAILABLE;
        s->deadlocks += st == LG_DEADLOCK;
        if (st == LG_OK && n->w->quiet)
            c->in->late[c->number]++;
        if (st != LG_OK && st != LG_LOCK_NOT_AVAILABLE && st != LG_DEADLOCK)
            n->w->errors++;
        nap(n, lg_run_random(n->run) % 2000);
        for (unsigned i = 0; i < 2; i++)
            if (held[i]) {
                check_grant(n->w, held[i]); /* still nobody beside us */
                held[i]->mode = LG_LOCK_NONE;
            }
        lg_ges_owner_fini(&o);
        n->w->attempts++;
        nap(n, 100 + lg_run_random(n->run) % 1000);
    }
}

/* ---- the instance ---- */

static void
on_open(void *arg, uint64_t epoch)
{
    struct ges_instance *in = arg;
    sim_node *n = in->n;
    sim_log(n->w, "node %u is open in %llu", n->id, (unsigned long long)epoch);
    n->open = epoch == n->w->epoch;
    n->w->bank_ready = true; /* faults may begin */
    if (in->working)
        return;
    in->working = true;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct ges_client *c = lg_alloc(sizeof *c);
        *c = (struct ges_client){in, i};
        if (lg_run_spawn(n->run, "client", 0, client_fiber, c, NULL) != LG_OK)
            sim_fail(n->w, "no fiber");
    }
}

static void
on_failed(void *arg, uint64_t epoch, const char *step, lg_status st)
{
    (void)epoch;
    sim_node_give_up(((struct ges_instance *)arg)->n, step, st);
}

static void
peer_down(void *arg, uint32_t node, uint64_t incarnation, lg_status why)
{
    sim_node *n = ((struct ges_instance *)arg)->n;
    sim_log(n->w, "node %u loses %u.%llu: %s", n->id, node, (unsigned long long)incarnation,
            lg_status_name(why));
    sim_node_lost_peer(n);
}

/* Another participant freezes first and takes its time, as cachefusion does. */
static lg_status
slow_freeze(void *self, const lg_reconf_change *c)
{
    const struct ges_instance *in = self;
    (void)c;
    lg_time until = lg_run_now_ns(in->n->run) + sim_draw(in->n->w, 4) * LG_MS;
    (void)!lg_fiber_sleep_until(until, LG_WAIT_BACKGROUND_IDLE);
    return LG_OK;
}

static lg_status
open_all(struct ges_instance *in)
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
                        .arg = in,
                        .on_peer_down = peer_down};
    LG_TRY(lg_rpc_create(&rc, &in->rpc));
    lg_ges_config gc = {.run = n->run, .rpc = in->rpc, .node = n->id};
    LG_TRY(lg_ges_create(&gc, &in->ges));
    lg_reconf_config fc = {.run = n->run,
                           .rpc = in->rpc,
                           .node = n->id,
                           .incarnation = n->incarnation,
                           .arg = in,
                           .on_open = on_open,
                           .on_failed = on_failed};
    LG_TRY(lg_reconf_create(&fc, &in->reconf));
    lg_participant p = {.name = "slow", .self = in, .freeze = slow_freeze};
    lg_reconf_add(in->reconf, &p);
    lg_ges_participant(in->ges, &p);
    lg_reconf_add(in->reconf, &p);
    return LG_OK;
}

static void
boot(sim_node *n)
{
    struct ges_instance *in = lg_zalloc(sizeof *in);
    in->n = n;
    n->inst = (sim_instance *)(void *)in;
    lg_status st = open_all(in);
    n->ready = st == LG_OK;
    if (st != LG_OK)
        sim_node_give_up(n, "boot", st);
}

static void
view(sim_node *n, uint64_t epoch, const lg_rpc_member *members, unsigned count)
{
    lg_reconf_member m[SIM_MAX_NODES];
    for (unsigned i = 0; i < count; i++)
        m[i] = (lg_reconf_member){members[i].node, members[i].incarnation, members[i].address};
    lg_status st = lg_reconf_view(instance_of(n)->reconf, epoch, m, count);
    if (st != LG_OK)
        sim_node_give_up(n, "view", st);
}

static bool
settled(const sim_node *n)
{
    const struct ges_instance *in = instance_of(n);
    return in && in->reconf && lg_reconf_open_epoch(in->reconf) == n->w->epoch;
}

static struct lg_buf_cache *
no_cache(const sim_node *n)
{
    (void)n;
    return NULL;
}

static void
world_begin(sim_world *w)
{
    w->kind_state = lg_zalloc(sizeof(struct ges_state));
}

/* Of a run that failed: who is connected to whom, how far each came. */
static void
tell_connections(sim_world *w)
{
    for (unsigned i = 1; i <= w->node_count; i++) {
        const struct ges_instance *in = instance_of(&w->node[i]);
        if (!w->node[i].heap || !in->reconf)
            continue;
        lg_reconf_record r;
        unsigned pos = 0, at = 0;
        if (!lg_reconf_next(in->reconf, &pos, &r))
            continue;
        for (unsigned k = 0; k < LG_RECONF_STEPS; k++)
            at = r.start[k] ? k : at;
        sim_log(w, "node %u: open in %llu; epoch %llu: %s", i,
                (unsigned long long)lg_reconf_open_epoch(in->reconf), (unsigned long long)r.epoch,
                lg_reconf_step_name(at));
        lg_rpc_peer_info info;
        for (pos = 0; lg_rpc_peer_next(in->rpc, &pos, &info);)
            sim_log(w, "  peer %u.%llu %s%s, %u queued, %u credits, %llu sent, %llu received",
                    info.node, (unsigned long long)info.incarnation,
                    info.connected ? "connected" : "not connected", info.broken ? ", broken" : "",
                    info.queued, info.credits, (unsigned long long)info.messages_sent,
                    (unsigned long long)info.messages_received);
    }
}

static void
world_end(sim_world *w)
{
    struct ges_state *s = state_of(w);
    sim_log(w, "%llu locks granted, %llu timeouts, %llu deadlocks", (unsigned long long)s->grants,
            (unsigned long long)s->timeouts, (unsigned long long)s->deadlocks);
    lg_free(s);
}

/* Everybody gets on: looked at again and again by an event of the world. */
static void
look_at_progress(void *arg)
{
    sim_world *w = arg;
    bool all = true;
    for (unsigned i = 1; i <= w->node_count; i++)
        for (unsigned k = 0; k < CLIENTS; k++)
            all &= w->node[i].heap && instance_of(&w->node[i])->late[k] >= PROGRESS;
    if (all && w->verdict == 0)
        w->verdict = 1;
    else
        (void)lg_sim_at(w->sim, lg_sim_now(w->sim) + 50 * LG_MS, NULL, look_at_progress, w);
}

static void
verify(sim_world *w)
{
    look_at_progress(w);
}

const sim_kind sim_kind_ges = {
    .name = "ges",
    .world_begin = world_begin,
    .world_end = world_end,
    .boot = boot,
    .view = view,
    .settled = settled,
    .cache = no_cache,
    .verify = verify,
    .post_mortem = tell_connections,
};
