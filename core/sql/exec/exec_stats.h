/* What the nodes of an execution did, for EXPLAIN ANALYZE (core/sql/explain).
 *
 * lg_exec_instrument comes between lg_exec_open and the first fetch; lg_exec_node_stats may be asked
 * until lg_exec_close. Nothing here blocks or fails. */
#ifndef LG_EXEC_STATS_H
#define LG_EXEC_STATS_H

#include "exec.h"

/* What the work of a node and of those below it did to blocks, temporary files and redo. */
typedef struct lg_xusage {
    uint64_t gets, reads, changes, temp_reads, temp_writes, cr, current, redo_records, redo_bytes;
    lg_time read_ns, temp_read_ns, temp_write_ns, gc_ns;
} lg_xusage;

/* Of the session so far. */
void lg_xusage_now(const lg_exec_session *es, lg_xusage *ret);
void lg_xusage_add(lg_xusage *to, const lg_xusage *from, const lg_xusage *upto);

/* What a node used for rows it keeps, for EXPLAIN ANALYZE; batches 0, method NULL: nothing to say. */
typedef struct lg_xspace {
    const char *method; /* of a sort */
    uint64_t memory, disk, buckets, batches;
} lg_xspace;

typedef struct lg_exec_node_stats {
    uint64_t rows, loops, filtered;
    uint64_t heap_fetches; /* rows that an index scan asked the table for */
    uint64_t join_filtered, inserted, conflicting;
    uint32_t helpers; /* compute threads that it had */
    lg_time time_ns, first_ns;
    const lg_xusage *usage; /* NULL: not measured */
    lg_xspace space;        /* of a node that was opened */
} lg_exec_node_stats;

/* Times are taken from now on; usage: and what is done to blocks. */
void lg_exec_instrument(lg_exec *x, bool usage);
/* In a; NULL: no such node ran. */
const lg_exec_node_stats *lg_exec_node_stats_get(const lg_exec *x, uint32_t node, lg_arena *a);
/* Of one that may be running, in another fiber: rows, loops and filtered only. False: it did not run. */
bool lg_exec_node_counts(const lg_exec *x, uint32_t node, lg_exec_node_stats *ret);
/* Compute threads that a sink (AGG, or HASH_JOIN for its right side) would have; 0: it is not done so. */
uint32_t lg_xteam_planned(const lg_exec_session *es, const lg_node *sink);

#endif
