/* Sequences in the workload of kind "wide": no number is given to two clients, whichever instance gives it,
 * whoever dies; and rows that took their number from an identity column have each its own. */
#include "sim_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCES 2u

struct taken {
    sim_world *w;
    unsigned sequence, node;
};

lg_status
sim_numbers_tables(sim_pg *c)
{
    return sim_pg_query(
        c,
        "create sequence if not exists numbers0; "
        "create sequence if not exists numbers1 cache 7 increment by 3; "
        "create table if not exists numbered (id bigint generated always as identity "
        "primary key, n int)",
        NULL, NULL);
}

static void
number_row(void *arg, unsigned count, char **v)
{
    struct taken *t = arg;
    sim_world *w = t->w;
    uint64_t n = count && v[0] ? strtoull(v[0], NULL, 10) : 0;
    lg_heap *outer = lg_heap_switch(NULL);
    if (!w->numbers)
        w->numbers = lg_map_create();
    bool was = lg_map_put(w->numbers, n << 2 | (t->sequence + 1), w) != NULL;
    (void)lg_heap_switch(outer);
    if (was || n == 0)
        sim_fail(w, "node %u: sequence %u gives %llu a second time", t->node, t->sequence,
                 (unsigned long long)n);
}

static lg_status
take(sim_world *w, sim_pg *c, unsigned node)
{
    char sql[160];
    struct taken t = {w, (unsigned)sim_draw(w, SEQUENCES), node};
    unsigned n = 1 + (unsigned)sim_draw(w, sim_draw(w, 4) ? 3 : 90);
    switch (sim_draw(w, 5)) {
    case 0:
        snprintf(sql, sizeof sql, "insert into numbered (n) select g from generate_series(1, %u) g",
                 n);
        return sim_pg_query(c, sql, NULL, NULL);
    case 1: /* what a rollback gave away is gone too */
        snprintf(sql, sizeof sql, "select nextval('numbers%u')", t.sequence);
        LG_TRY(sim_pg_query(c, "begin", NULL, NULL));
        LG_TRY(sim_pg_query(c, sql, number_row, &t));
        return sim_pg_query(c, "rollback", NULL, NULL);
    default:
        snprintf(sql, sizeof sql, "select nextval('numbers%u') from generate_series(1, %u)",
                 t.sequence, n);
        return sim_pg_query(c, sql, number_row, &t);
    }
}

static lg_status
take_or_fail(sim_world *w, sim_pg *c, unsigned number, unsigned node, unsigned round)
{
    (void)number, (void)round;
    lg_status st = take(w, c, node);
    if (st == LG_SQL && !sim_sql_excused(c->sqlstate))
        sim_fail(w, "a number cannot be had: %s %s", c->sqlstate, c->message);
    return st == LG_SQL ? sim_pg_query(c, "rollback", NULL, NULL) : st;
}

void
sim_numbers_start(sim_world *w, unsigned count)
{
    sim_sql_clients(
        "numbers", count,
        &(sim_sql_client){
            .w = w, .rounds = 30, .us_more = 20000, .us_between = 20000, .act = take_or_fail});
}
