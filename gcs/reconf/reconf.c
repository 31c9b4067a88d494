/* The reconfiguration script and its barriers. See reconf.h. */
#include "reconf.h"

#include "assert.h"
#include "mem.h"
#include "msg.h"
#include "waitq.h"
#include <string.h>

#define MAX_PARTICIPANTS 16
#define RECORDS          64

/* What the others have told of the epoch that the script works on. */
typedef struct peer_state {
    uint32_t reached; /* steps finished + 1; 0: not heard of */
    uint64_t base_epoch, base_members, pending;
    bool partial;
} peer_state;

struct lg_reconf {
    lg_reconf_config cfg;
    lg_participant participants[MAX_PARTICIPANTS];
    unsigned participant_count;

    uint64_t view_epoch; /* newest view */
    lg_reconf_member view[LG_NODES_MAX];
    char *addresses[LG_NODES_MAX];
    uint32_t view_count;

    uint64_t script_epoch; /* the epoch that peers[] is about */
    peer_state peers[LG_NODES_MAX];
    uint64_t open_epoch, open_members; /* the base: the last view opened here */
    uint64_t done_epoch;               /* the last script that ran to its end */
    bool partial;                      /* a rebuild has begun since */
    uint64_t pending;                  /* dead nodes not known to be recovered */

    lg_reconf_change change;
    lg_reconf_record records[RECORDS];
    uint64_t record_count;
    lg_reconf_record *record; /* of the running script */
    lg_waitq changed;         /* a view, a peer's step, a step of ours */
    bool stopping, stopped;
};

/* ---- barrier ---- */

static void
on_step(void *arg, lg_rpc_msg *m)
{
    lg_reconf *r = arg;
    const lg_msg_reconf_step *s = m->payload;
    if (lg_msg_check(m) != LG_OK || m->node >= LG_NODES_MAX || s->epoch != r->script_epoch)
        return;
    peer_state *p = &r->peers[m->node];
    if (s->step + 1 > p->reached)
        p->reached = s->step + 1;
    if (s->step == LG_RECONF_FREEZE) { /* all must compute from the same: how it stood before */
        p->base_epoch = s->base_epoch;
        p->base_members = s->base_members;
        p->pending = s->pending;
        p->partial = s->partial != 0;
    }
    lg_waitq_wake_all(&r->changed);
}

bool
lg_reconf_stale(const lg_reconf *r, uint64_t epoch)
{
    return r->stopping || r->view_epoch > epoch;
}

/* Tells all members that this step is finished here and waits until all have said so. */
static lg_status
barrier(lg_reconf *r, const lg_reconf_change *c, lg_reconf_step step)
{
    lg_msg_reconf_step m = {.epoch = c->epoch, .step = step};
    m.base_epoch = r->open_epoch;
    m.base_members = r->open_members;
    m.pending = r->pending;
    m.partial = r->partial;
    if (step == LG_RECONF_FREEZE)
        r->peers[c->self] =
            (peer_state){0, m.base_epoch, m.base_members, m.pending, m.partial != 0};
    r->peers[c->self].reached = step + 1;
    for (uint32_t i = 0; i < c->count; i++)
        if (c->list[i].node != c->self) /* if it is lost, a newer view will say so */
            (void)!lg_rpc_send(r->cfg.rpc, c->list[i].node, LG_MSG_RECONF_STEP, &m, sizeof m, NULL,
                               0);
    for (;;) {
        bool all = true;
        for (uint32_t i = 0; i < c->count; i++)
            all &= r->peers[c->list[i].node].reached > (uint32_t)step;
        if (lg_reconf_stale(r, c->epoch))
            return LG_STALE_EPOCH;
        if (all)
            return LG_OK;
        (void)!lg_waitq_wait(&r->changed, LG_WAIT_GC_REMASTER, LG_FOREVER, false);
    }
}

/* ---- the change ---- */

static void
change_init(lg_reconf *r, lg_reconf_change *c)
{
    memset(c, 0, sizeof *c);
    c->epoch = r->view_epoch;
    c->self = r->cfg.node;
    c->count = r->view_count;
    memcpy(c->list, r->view, r->view_count * sizeof r->view[0]);
    for (uint32_t i = 0; i < c->count; i++)
        c->members |= 1ULL << c->list[i].node;
    c->base_members = r->open_members;
}

/* After the first barrier everybody knows everybody's base, so all compute the same. */
static void
change_complete(const lg_reconf *r, lg_reconf_change *c)
{
    uint64_t base_epoch = 0, before = 0;
    c->incremental = true;
    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t node = c->list[i].node;
        const peer_state *p = &r->peers[node];
        if (p->partial) /* also a member that was never open may hold something */
            c->incremental = false;
        if (p->base_epoch == 0) {
            c->joiners |= 1ULL << node;
            continue;
        }
        c->survivors |= 1ULL << node;
        before |= p->base_members | p->pending;
        if (base_epoch && base_epoch != p->base_epoch)
            c->incremental = false;
        if (p->base_epoch >= base_epoch) {
            base_epoch = p->base_epoch;
            c->base_members = p->base_members;
        }
    }
    c->cold = c->survivors == 0;
    c->dead = before & ~c->survivors;
    c->recoverer = (uint32_t)__builtin_ctzll(c->cold ? c->members : c->survivors);
}

/* ---- the script ---- */

typedef lg_status (*step_fn)(void *self, const lg_reconf_change *c);

/* One step of all participants. pick: the offset of the function in lg_participant. */
static lg_status
run_step(lg_reconf *r, const lg_reconf_change *c, lg_reconf_step step)
{
    for (unsigned i = 0; i < r->participant_count; i++) {
        const lg_participant *p = &r->participants[i];
        step_fn fn = step == LG_RECONF_FREEZE    ? p->freeze
                     : step == LG_RECONF_REBUILD ? p->rebuild
                     : step == LG_RECONF_ANALYSE ? p->analyse
                     : step == LG_RECONF_RECOVER ? p->recover
                                                 : p->opened;
        if (fn)
            LG_TRY(fn(p->self, c));
        if (lg_reconf_stale(r, c->epoch))
            return LG_STALE_EPOCH;
    }
    return LG_OK;
}

static void
begin(lg_reconf *r, lg_reconf_step step)
{
    lg_time now = lg_run_now_exact_ns(r->cfg.run);
    for (int s = 0; s < LG_RECONF_STEPS; s++)
        if (r->record->start[s] && !r->record->end[s])
            r->record->end[s] = now;
    if (step < LG_RECONF_STEPS)
        r->record->start[step] = now;
}

/* Global work goes on: blocks and enqueues outside the closed set. */
static void
thaw(lg_reconf *r, const lg_reconf_change *c)
{
    begin(r, LG_RECONF_THAW);
    for (unsigned i = 0; i < r->participant_count; i++)
        if (r->participants[i].thaw)
            r->participants[i].thaw(r->participants[i].self, c);
}

/* The instance is open: this view is the base that the next change is measured from. */
static void
set_open(lg_reconf *r, const lg_reconf_change *c)
{
    r->open_epoch = c->epoch;
    r->open_members = c->members;
    r->partial = false;
    r->pending = c->dead;
    if (r->cfg.on_open)
        r->cfg.on_open(r->cfg.arg, c->epoch);
    lg_waitq_wake_all(&r->changed);
}

static lg_status
run_script(lg_reconf *r, lg_reconf_change *c)
{
    lg_rpc_member members[LG_NODES_MAX];

    /* publish: from here on messages of older epochs are dropped, newer ones were held for us */
    begin(r, LG_RECONF_PUBLISH);
    for (uint32_t i = 0; i < c->count; i++)
        members[i] = (lg_rpc_member){c->list[i].node, c->list[i].incarnation, c->list[i].address};
    memset(r->peers, 0, sizeof r->peers);
    r->script_epoch = c->epoch;
    for (unsigned i = 0; i < r->participant_count; i++) /* nothing yields from here to set_view */
        if (r->participants[i].stop)
            r->participants[i].stop(r->participants[i].self, c);
    LG_TRY(lg_rpc_set_view(r->cfg.rpc, c->epoch, members, c->count));
    for (uint32_t i = 0; i < c->count; i++)
        c->list[i].address = NULL; /* ours only until the next view arrives */

    begin(r, LG_RECONF_FREEZE);
    LG_TRY(run_step(r, c, LG_RECONF_FREEZE));
    LG_TRY(barrier(r, c, LG_RECONF_FREEZE));
    change_complete(r, c);
    r->record->joiners = c->joiners;
    r->record->dead = c->dead;
    r->record->recoverer = c->recoverer;
    if (r->cfg.on_change)
        r->cfg.on_change(r->cfg.arg, r->record);

    begin(r, LG_RECONF_REBUILD);
    r->partial = true; /* masters forget: until we are open, only a full rebuild will do */
    LG_TRY(run_step(r, c, LG_RECONF_REBUILD));
    LG_TRY(barrier(r, c, LG_RECONF_REBUILD));

    bool recovery = c->dead != 0 || c->cold;
    bool late =
        c->cold || lg_node_in(c->dead, c->self); /* our own thread is to be recovered first */
    begin(r, LG_RECONF_ANALYSE);
    if (recovery)
        LG_TRY(run_step(r, c, LG_RECONF_ANALYSE));
    /* Needed in any case: whoever thaws may ask any master, and each master must have heard
     * everybody's holdings: it has when it has passed the barrier before, which it says with this
     * one. */
    LG_TRY(barrier(r, c, LG_RECONF_ANALYSE));
    thaw(r, c);
    if (!late)
        set_open(r, c);
    if (recovery) {
        begin(r, LG_RECONF_RECOVER);
        LG_TRY(run_step(r, c, LG_RECONF_RECOVER));
        LG_TRY(barrier(r, c, LG_RECONF_RECOVER));
    }
    if (late)
        set_open(r, c);
    begin(r, LG_RECONF_OPEN);
    LG_TRY(run_step(r, c, LG_RECONF_OPEN));
    r->pending = 0;
    return LG_OK;
}

static void
run_view(lg_reconf *r)
{
    lg_reconf_change *c = &r->change;
    change_init(r, c);
    r->record = &r->records[r->record_count++ % RECORDS];
    *r->record = (lg_reconf_record){.epoch = c->epoch, .members = c->members, .running = true};
    r->record->wall_us = lg_run_wall_us(r->cfg.run);
    lg_stat_inc(lg_run_stats(r->cfg.run), LG_STAT_RECONFIGURATIONS);
    lg_status st = run_script(r, c);
    const char *failed_in = "publish";
    for (int s = 0; s < LG_RECONF_STEPS; s++)
        if (r->record->start[s] && !r->record->end[s])
            failed_in = lg_reconf_step_name((lg_reconf_step)s);
    begin(r, LG_RECONF_STEPS);
    r->record->running = false;
    r->record->status = st;
    if (r->cfg.on_change)
        r->cfg.on_change(r->cfg.arg, r->record);
    if (st == LG_OK)
        r->done_epoch = c->epoch;
    else if (st != LG_STALE_EPOCH && !lg_reconf_stale(r, c->epoch)) {
        /* LG_STALE_EPOCH without a newer view: another member has it already; ours is on its way */
        r->done_epoch = c->epoch;
        if (r->cfg.on_failed)
            r->cfg.on_failed(r->cfg.arg, c->epoch, failed_in, st);
    }
    lg_waitq_wake_all(&r->changed);
}

static void
script_fiber(void *arg)
{
    lg_reconf *r = arg;
    uint64_t handled = 0;
    while (!r->stopping) {
        if (r->view_epoch == handled) {
            (void)!lg_waitq_wait(&r->changed, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
            continue;
        }
        handled = r->view_epoch;
        run_view(r);
    }
    r->stopped = true;
    lg_waitq_wake_all(&r->changed);
}

/* ---- face ---- */

lg_status
lg_reconf_create(const lg_reconf_config *cfg, lg_reconf **ret_r)
{
    lg_reconf *r = lg_zalloc(sizeof *r);
    r->cfg = *cfg;
    lg_waitq_init(&r->changed);
    lg_rpc_handle(cfg->rpc, LG_MSG_RECONF_STEP, on_step, r);
    lg_status st = lg_run_spawn(cfg->run, "reconf", 0, script_fiber, r, NULL);
    if (st != LG_OK) {
        lg_free(r);
        return st;
    }
    *ret_r = r;
    return LG_OK;
}

void
lg_reconf_destroy(lg_reconf *r)
{
    if (!r)
        return;
    r->stopping = true;
    lg_waitq_wake_all(&r->changed);
    while (!r->stopped && lg_fiber_self())
        (void)!lg_waitq_wait(&r->changed, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
    for (uint32_t i = 0; i < LG_NODES_MAX; i++)
        lg_free(r->addresses[i]);
    lg_free(r);
}

void
lg_reconf_add(lg_reconf *r, const lg_participant *p)
{
    LG_ASSERT(r->participant_count < MAX_PARTICIPANTS && r->view_epoch == 0);
    r->participants[r->participant_count++] = *p;
}

lg_status
lg_reconf_view(lg_reconf *r, uint64_t epoch, const lg_reconf_member *members, uint32_t count)
{
    bool self = false;
    if (epoch <= r->view_epoch || count == 0 || count >= LG_NODES_MAX)
        return LG_OK;
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].node == 0 || members[i].node >= LG_NODES_MAX)
            return LG_INVALID;
        self |= members[i].node == r->cfg.node && members[i].incarnation == r->cfg.incarnation;
    }
    if (!self)
        return LG_FENCED;
    for (uint32_t i = 0; i < count; i++) {
        char *address = members[i].address ? lg_strdup(members[i].address) : NULL;
        lg_free(r->addresses[i]);
        r->addresses[i] = address;
        r->view[i] = members[i];
        r->view[i].address = address;
    }
    r->view_count = count;
    r->view_epoch = epoch;
    for (unsigned i = 0; i < r->participant_count; i++)
        if (r->participants[i].interrupt)
            r->participants[i].interrupt(r->participants[i].self);
    lg_waitq_wake_all(&r->changed);
    return LG_OK;
}

uint64_t
lg_reconf_open_epoch(const lg_reconf *r)
{
    return r->open_epoch;
}

uint64_t
lg_reconf_members(const lg_reconf *r)
{
    uint64_t members = 0;
    for (uint32_t i = 0; i < r->view_count; i++)
        members |= 1ULL << r->view[i].node;
    return members;
}

lg_status
lg_reconf_wait_open(lg_reconf *r, uint64_t epoch, lg_time deadline)
{
    while (r->open_epoch < epoch || r->open_epoch == 0) {
        if (r->stopping)
            return LG_SHUTDOWN;
        LG_TRY(lg_waitq_wait(&r->changed, LG_WAIT_GC_REMASTER, deadline, true));
    }
    return LG_OK;
}

lg_status
lg_reconf_wait_done(lg_reconf *r, lg_time deadline)
{
    while (r->done_epoch < r->view_epoch || r->view_epoch == 0) {
        if (r->stopping)
            return LG_SHUTDOWN;
        LG_TRY(lg_waitq_wait(&r->changed, LG_WAIT_GC_REMASTER, deadline, true));
    }
    return LG_OK;
}

const char *
lg_reconf_step_name(lg_reconf_step s)
{
    static const char *const names[LG_RECONF_STEPS] = {
        [LG_RECONF_PUBLISH] = "publish view",
        [LG_RECONF_FREEZE] = "freeze",
        [LG_RECONF_REBUILD] = "rebuild directory",
        [LG_RECONF_ANALYSE] = "analyse redo",
        [LG_RECONF_THAW] = "open unaffected",
        [LG_RECONF_RECOVER] = "recover",
        [LG_RECONF_OPEN] = "open all",
    };
    return (unsigned)s < LG_RECONF_STEPS ? names[s] : "?";
}

bool
lg_reconf_next(const lg_reconf *r, unsigned *pos, lg_reconf_record *ret_record)
{
    uint64_t kept = r->record_count < RECORDS ? r->record_count : RECORDS;
    if (*pos >= kept)
        return false;
    *ret_record = r->records[(r->record_count - 1 - (*pos)++) % RECORDS];
    return true;
}
