/* The simulator's world: N simulated workers stepped from one seed; virtual time; the registry in
 * which simulated disks (storage/io) and networks (net/transport) keep their shared state. */
#ifndef LG_RUN_SIM_H
#define LG_RUN_SIM_H

#include "run.h"

LG_MUST lg_status lg_sim_create(uint64_t seed, lg_sim **ret_sim);
void lg_sim_destroy(lg_sim *s);
uint64_t lg_sim_seed(const lg_sim *s);
uint64_t lg_sim_random(lg_sim *s);
bool lg_sim_chance(lg_sim *s, uint32_t per_million);
lg_time lg_sim_now(const lg_sim *s); /* true time; a node's clock may drift from it */

/* Runs the next thing (a runnable fiber of some node, or the next event, advancing time). False
 * when nothing is left to do. */
bool lg_sim_step(lg_sim *s);
/* Steps until done() or until `limit` ns of virtual time have passed: LG_TIMEOUT. With done NULL,
 * to the end of all work: LG_OK. LG_END when nothing is left to do and done() is still false. */
lg_status lg_sim_run(lg_sim *s, bool (*done)(void *arg), void *arg, lg_time limit);

/* An event of the world (message arrival, disk completion) at a virtual time. If owner is given and
 * that run is destroyed first, the event is dropped; while its node is paused, the event waits. fn
 * runs with the owner's heap current. Once fn was called the handle is dead: do not cancel it. */
typedef struct lg_sim_event lg_sim_event;
lg_sim_event *lg_sim_at(lg_sim *s, lg_time when, lg_run *owner, void (*fn)(void *arg), void *arg);
void lg_sim_cancel(lg_sim *s, lg_sim_event *e);

/* Faults of a node: its worker stops being stepped (SIGSTOP) and later goes on with stale ideas of
 * time; its clock runs fast or slow. Killing: lg_run_destroy + lg_heap_destroy from outside. */
void lg_sim_pause_node(lg_sim *s, uint32_t node, lg_time until);
void lg_sim_set_drift_ppm(lg_sim *s, uint32_t node, int32_t ppm);

/* Shared state by name, made on first use by the module that owns the name. Allocated outside any
 * instance's heap. */
void *lg_sim_state(lg_sim *s, const char *name, void *(*make)(lg_sim *s), void (*drop)(void *));

#endif
