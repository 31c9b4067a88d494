/* Statement statistics of an instance: what pg_stat_statements, v$sql and v$sqlstats show.
 *
 * A statement is its query id (libpg_query's fingerprint), its user and whether it came from the
 * client; a prepared statement keeps a pointer to its entry, so the hot path counts without looking
 * anything up. At most LG_SQLSTAT_MAX; the one used longest ago goes first, and what still points to
 * it counts into the void until it looks again. Owned by the worker; nothing blocks. */
#ifndef LG_SESSION_SESSION_STATS_H
#define LG_SESSION_SESSION_STATS_H

#include "arena.h"
#include "datum.h"
#include "list.h"
#include "stats.h"

#define LG_SQLSTAT_MAX   5000u
#define LG_SQLSTAT_PLANS 256u

typedef struct lg_sqlstat {
    lg_list link; /* used longest ago first */
    uint32_t refs;
    bool gone; /* evicted or reset */
    lg_oid user, database;
    uint64_t id;
    struct lg_sqlstat_plan *plan; /* that it ran with; of the LG_SQLSTAT_PLANS that ran last */
    const char *text;             /* constants as $n, as it was first written */
    uint64_t first_us, last_us;   /* wall clock */
    uint64_t calls, rows, plans;
    double total_ms, min_ms, max_ms, mean_ms, m2; /* Welford */
    double plan_total_ms, plan_min_ms, plan_max_ms, plan_mean_ms, plan_m2;
    uint64_t count[LG_STAT_OWNED];
    uint64_t temp_read, temp_written;                         /* blocks of temporary files */
    uint64_t gc_current, gc_cr;                               /* waits for blocks of others */
    uint64_t cluster_ns, io_ns, lock_ns, commit_ns, other_ns; /* waits, by class */
} lg_sqlstat;

typedef struct lg_sqlstats lg_sqlstats;

/* The next one, oldest use first; NULL starts and ends. */
const lg_sqlstat *lg_sqlstats_next(const lg_sqlstats *t, const lg_sqlstat *after);
void lg_sqlstats_info(const lg_sqlstats *t, uint64_t *ret_evicted, uint64_t *ret_reset_us);

static inline uint64_t
lg_sqlstat_count(const lg_sqlstat *e, lg_stat which)
{
    return e->count[which - LG_STAT_OWNED_FIRST];
}

#endif
