/* Faults of the simulated network (transport kind "sim"), for tests and the simulator. Nodes are
 * those of lg_run_config.sim_node. All calls are made from outside the simulated instances.
 *
 * Links keep their order; different links reorder freely. A lost message is a broken link. A node's
 * death (its run is destroyed) closes its links as a kernel does; cut it off first to make it
 * vanish silently. While two nodes are cut off from each other, what they send waits; a link that
 * waits longer than break_after_ns goes down on both sides, each side when it finds out. */
#ifndef LG_NET_SIMNET_H
#define LG_NET_SIMNET_H

#include "sim.h"

typedef struct lg_simnet_knobs {
    uint64_t latency_min_ns;    /* 15 us */
    uint64_t latency_var_ns;    /* 100 us: uniform on top */
    uint32_t slow_per_million;  /* 5,000: messages that take up to slow_ns more */
    uint64_t slow_ns;           /* 5 ms */
    uint32_t break_per_million; /* 0: messages that break their link instead */
    uint64_t break_after_ns;    /* 2 s */
} lg_simnet_knobs;

void lg_simnet_get(lg_sim *s, lg_simnet_knobs *ret_knobs);
void lg_simnet_set(lg_sim *s, const lg_simnet_knobs *knobs);
void lg_simnet_cut(lg_sim *s, uint32_t node_a, uint32_t node_b, bool cut_off);
/* Breaks every link between the two now; what is under way is lost. */
void lg_simnet_break(lg_sim *s, uint32_t node_a, uint32_t node_b);
uint64_t lg_simnet_delivered(lg_sim *s); /* messages, ever */

#endif
