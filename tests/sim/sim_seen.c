/* What a client was shown is there for good: counters that only grow, in rows that everybody wants, in the
 * workload of kind "sql".
 *
 * A statement may see a commit before that is durable (storage/txn, EARLY RELEASE); its client must not,
 * for a crash would take back what it was shown. So no statement, on any instance, may find a counter
 * below what any client had been shown before the statement began. */
#include "sim_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 6u /* transactions of a connection */

struct looker {
    sim_world *w;
    unsigned number;
};

lg_status
sim_seen_table(sim_pg *c)
{
    LG_TRY(sim_pg_query(c, "create table if not exists seen (id int primary key, n bigint)", NULL,
                        NULL));
    return sim_pg_query(c, "insert into seen values (0, 1), (1, 1) on conflict do nothing", NULL,
                        NULL);
}

static void
number(void *arg, unsigned count, char **v)
{
    if (count == 1 && v[0])
        *(uint64_t *)arg = strtoull(v[0], NULL, 10);
}

/* A statement that gives back the counter, plus `added` of its own. */
static lg_status
look(sim_world *w, sim_pg *c, unsigned k, const char *sql, uint64_t added)
{
    uint64_t floor = w->shown[k], n = 0;
    LG_TRY(sim_pg_query(c, sql, number, &n));
    if (n < floor + added)
        sim_fail(w, "counter %u: %llu was shown to a client, now it is %llu", k,
                 (unsigned long long)floor, (unsigned long long)(n - added));
    if (!w->mutate || strcmp(w->mutate, "shown") != 0)
        n -= added; /* its own increment is not committed */
    if (n > w->shown[k])
        w->shown[k] = n;
    return LG_OK;
}

/* A block that changes nothing, because the counter has grown: that is told at its end, which begins
 * another block in the same answer. */
static lg_status
ask_in_block(sim_world *w, sim_pg *c, unsigned k)
{
    char sql[100];
    uint64_t floor = w->shown[k];
    snprintf(sql, sizeof sql, "update seen set n = n where id = %u and n <= %llu", k,
             (unsigned long long)floor);
    LG_TRY(sim_pg_query(c, "begin", NULL, NULL));
    LG_TRY(sim_pg_query(c, sql, NULL, NULL));
    bool grown = strcmp(c->tag, "UPDATE 0") == 0;
    LG_TRY(sim_pg_query(c, sim_draw(w, 2) ? "commit and chain" : "commit; begin", NULL, NULL));
    if (grown && w->shown[k] <= floor)
        w->shown[k] = floor + 1;
    return sim_pg_query(c, "rollback", NULL, NULL);
}

static lg_status
transaction(sim_world *w, sim_pg *c, unsigned k)
{
    if (sim_sql_wide(w) && sim_draw(w, 4) == 0)
        return ask_in_block(w, c, k);
    char change[100], tell[120], show[100];
    snprintf(change, sizeof change, "update seen set n = n + 1 where id = %u", k);
    snprintf(tell, sizeof tell, "%s returning n", change);
    snprintf(show, sizeof show, "select n from seen where id = %u", k);
    switch (sim_draw(w, 6)) {
    case 0:
        return look(w, c, k, show, 0);
    case 1:
        return sim_pg_query(c, change, NULL, NULL);
    case 2:
        LG_TRY(sim_pg_query(c, "begin", NULL, NULL));
        LG_TRY(look(w, c, k, tell, 1));
        return sim_pg_query(c, sim_draw(w, 2) ? "commit" : "rollback", NULL, NULL);
    case 3: /* after the counter was changed in a block */
        LG_TRY(sim_pg_query(c, "begin", NULL, NULL));
        LG_TRY(sim_pg_query(c, change, NULL, NULL));
        LG_TRY(look(w, c, k, show, 1));
        return sim_pg_query(c, "rollback", NULL, NULL);
    default:
        LG_TRY(sim_pg_query(c, "begin", NULL, NULL));
        LG_TRY(sim_pg_query(c, change, NULL, NULL));
        return sim_pg_query(c, "commit", NULL, NULL);
    }
}

static void
looker_fiber(void *arg)
{
    struct looker *l = arg;
    sim_world *w = l->w;
    while (!w->stop_work && w->verdict == 0) {
        sim_pg c;
        unsigned node = 1 + (unsigned)sim_draw(w, w->node_count);
        if (w->bank_ready && sim_sql_connect(w, &c, node) == LG_OK) {
            lg_status st = LG_OK;
            for (unsigned i = 0; i < BLOCKS && !w->stop_work && w->verdict == 0; i++) {
                w->node[0].active++;
                st = transaction(w, &c, (l->number + i / 3) % 2);
                if (st == LG_SQL && !sim_sql_excused(c.sqlstate))
                    sim_fail(w, "a counter's statement failed: %s %s", c.sqlstate, c.message);
                if (st == LG_SQL)
                    st = sim_pg_query(&c, "rollback", NULL, NULL);
                w->node[0].active--;
                if (st != LG_OK)
                    break;
                sim_sql_nap(w, sim_draw(w, 400));
            }
            sim_pg_close(&c);
        }
        sim_sql_nap(w, 20000 + sim_draw(w, 20000));
    }
}

void
sim_seen_start(sim_world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct looker *l = lg_zalloc(sizeof *l);
        *l = (struct looker){w, i};
        if (lg_run_spawn(sim_sql_run(w), "looker", 0, looker_fiber, l, NULL) != LG_OK)
            sim_fail(w, "no fiber");
    }
}
