/* A world for storage tests: simulated disks and nodes that can be killed. */
#ifndef LG_STORAGE_RIG_H
#define LG_STORAGE_RIG_H

#include "lg_test.h"
#include "io.h"
#include "run.h"
#include "sim.h"
#include "sim_disk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In a fiber a failed fatal CUnit assertion would jump to another stack: stop instead. */
#define RIG_OK(expr)                                                                               \
    do {                                                                                           \
        lg_status rig_st_ = (expr);                                                                \
        if (rig_st_ != LG_OK) {                                                                    \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #expr,                          \
                    lg_status_name(rig_st_));                                                      \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct rig_node {
    lg_run *run;
    lg_heap *heap;
    lg_faults *faults;
    lg_stats stats;
};

struct rig {
    lg_sim *sim;
    uint32_t disks;
    struct rig_node nodes[4];
};

static const char *const rig_disk_names[] = {"disk0", "disk1", "disk2", "disk3"};

static inline void
rig_open(struct rig *r, uint64_t seed, uint32_t disks, uint64_t disk_bytes)
{
    memset(r, 0, sizeof *r);
    RIG_OK(lg_sim_create(seed, &r->sim));
    r->disks = disks;
    for (uint32_t i = 0; i < disks; i++)
        RIG_OK(lg_sim_disk_create(r->sim, rig_disk_names[i], disk_bytes));
}

static inline void
rig_node_start(struct rig *r, uint32_t n)
{
    struct rig_node *node = &r->nodes[n];
    node->heap = lg_heap_create();
    node->faults = lg_faults_create();
    memset(&node->stats, 0, sizeof node->stats);
    lg_run_config cfg = {.name = "node",
                         .sim = r->sim,
                         .sim_node = n,
                         .heap = node->heap,
                         .stats = &node->stats,
                         .faults = node->faults};
    RIG_OK(lg_run_create(&cfg, &node->run));
    lg_fault_hooks hooks;
    lg_run_fault_hooks(node->run, &hooks);
    lg_faults_set_hooks(node->faults, &hooks);
}

static inline void
rig_node_kill(struct rig *r, uint32_t n)
{
    struct rig_node *node = &r->nodes[n];
    if (!node->run)
        return;
    lg_run_destroy(node->run);
    lg_faults_destroy(node->faults); /* what was armed in a fiber lies in the heap */
    lg_heap_destroy(node->heap);
    node->run = NULL;
}

/* Lets writes in flight land (or not): what fencing waits for. */
static inline void
rig_settle(struct rig *r)
{
    (void)!lg_sim_run(r->sim, NULL, NULL, LG_SEC);
}

static inline void
rig_close(struct rig *r)
{
    for (uint32_t i = 0; i < 4; i++)
        rig_node_kill(r, i);
    lg_sim_destroy(r->sim);
}

struct rig_call {
    void (*fn)(void *arg);
    void *arg;
    bool done;
};

static inline void
rig_call_fiber(void *arg)
{
    struct rig_call *c = arg;
    c->fn(c->arg);
    c->done = true;
}

static inline bool
rig_call_done(void *arg)
{
    return ((struct rig_call *)arg)->done;
}

/* Runs fn in a fiber of the node until it returns; false: `limit` of virtual time passed first. */
static inline bool
rig_run(struct rig *r, uint32_t n, void (*fn)(void *arg), void *arg, lg_time limit)
{
    static struct rig_call calls[64];
    static unsigned at;
    struct rig_call *c = &calls[at++ % 64];
    *c = (struct rig_call){fn, arg, false};
    RIG_OK(lg_run_spawn(r->nodes[n].run, "test", 0, rig_call_fiber, c, NULL));
    return lg_sim_run(r->sim, rig_call_done, c, limit) == LG_OK;
}

#endif
