/* Statistics and wait events: two fixed lists (stat.def, wait.def) and the counters of one scope
 * (an instance, a session, a segment). Written by the scope's worker only; readers on other
 * instances get a copy by message. */
#ifndef LG_BASE_STATS_H
#define LG_BASE_STATS_H

#include <stdint.h>

#define LG_STAT(sym, name, cls) LG_STAT_##sym,
typedef enum lg_stat {
#include "stat.def"
    LG_STAT_COUNT
} lg_stat;
#undef LG_STAT

#define LG_WAIT(sym, name, ocls, pgtype) LG_WAIT_##sym,
typedef enum lg_wait {
#include "wait.def"
    LG_WAIT_COUNT
} lg_wait;
#undef LG_WAIT

typedef struct lg_stats {
    uint64_t count[LG_STAT_COUNT];
    uint64_t wait_count[LG_WAIT_COUNT];
    uint64_t wait_ns[LG_WAIT_COUNT];
    uint64_t wait_max_ns[LG_WAIT_COUNT];
} lg_stats;

/* Those that lg_fiber_stats gives to a fiber's owner: what its work did to blocks, redo and undo. */
#define LG_STAT_OWNED_FIRST LG_STAT_LOGICAL_READS
#define LG_STAT_OWNED       (LG_STAT_GC_GRANTS + 1 - LG_STAT_OWNED_FIRST)

static inline void
lg_stat_add(lg_stats *s, lg_stat which, uint64_t n)
{
    if (s)
        s->count[which] += n;
}

static inline void
lg_stat_inc(lg_stats *s, lg_stat which)
{
    lg_stat_add(s, which, 1);
}

void lg_stats_wait(lg_stats *s, lg_wait event, uint64_t ns); /* NULL is fine */
const char *lg_stat_name(lg_stat which);
const char *lg_stat_class(lg_stat which);
const char *lg_wait_name(lg_wait which);
const char *lg_wait_class(lg_wait which);   /* Oracle's class */
const char *lg_wait_pg_type(lg_wait which); /* PostgreSQL's wait_event_type */

#endif
