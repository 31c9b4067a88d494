/* Names of the statistics and wait events of stat.def and wait.def. */
#include "stats.h"
#include <stddef.h>

#define LG_STAT(sym, name, cls) {name, cls},
static const struct {
    const char *name;
    const char *cls;
} stat_rows[LG_STAT_COUNT] = {
#include "stat.def"
};
#undef LG_STAT

#define LG_WAIT(sym, name, ocls, pgtype) {name, ocls, pgtype},
static const struct {
    const char *name;
    const char *cls;
    const char *pg_type;
} wait_rows[LG_WAIT_COUNT] = {
#include "wait.def"
};
#undef LG_WAIT

void
lg_stats_wait(lg_stats *s, lg_wait event, uint64_t ns)
{
    if (!s)
        return;
    s->wait_count[event]++;
    s->wait_ns[event] += ns;
    if (ns > s->wait_max_ns[event])
        s->wait_max_ns[event] = ns;
}

const char *
lg_stat_name(lg_stat which)
{
    return which < LG_STAT_COUNT ? stat_rows[which].name : "unknown";
}

const char *
lg_stat_class(lg_stat which)
{
    return which < LG_STAT_COUNT ? stat_rows[which].cls : "unknown";
}

const char *
lg_wait_name(lg_wait which)
{
    return which < LG_WAIT_COUNT ? wait_rows[which].name : "unknown";
}

const char *
lg_wait_class(lg_wait which)
{
    return which < LG_WAIT_COUNT ? wait_rows[which].cls : "unknown";
}

const char *
lg_wait_pg_type(lg_wait which)
{
    return which < LG_WAIT_COUNT ? wait_rows[which].pg_type : "unknown";
}
