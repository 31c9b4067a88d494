/* LISTEN and NOTIFY in the workload of kind "wide". Publishers raise a counter in a row and tell its new
 * value in the same transaction, so the committed values are 1, 2, 3 ... in commit order. A listener,
 * on whichever instance, hears
 *   - each number once and in order, none left out: nothing that was rolled back, nothing twice;
 *   - from its LISTEN on: its first is at most one above what it reads after LISTEN;
 *   - at the end, as long as its connection lives, the last of all. */
#include "sim_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTENERS_MOST 8u

struct told_listener {
    sim_world *w;
    unsigned node;
    bool listening;   /* its connection lives and LISTEN was answered */
    uint64_t first;   /* 0: none heard yet */
    uint64_t heard;   /* the newest */
    uint64_t at_most; /* where the first must be */
};

struct told {
    struct told_listener listener[LISTENERS_MOST];
    unsigned count;
};

struct teller {
    sim_world *w;
};

lg_status
sim_told_table(sim_pg *c)
{
    return sim_pg_query(
        c,
        "create table if not exists told (n bigint); insert into told select 0 where not "
        "exists (select from told)",
        NULL, NULL);
}

static void
number(void *arg, unsigned count, char **v)
{
    if (count == 1 && v[0])
        *(uint64_t *)arg = strtoull(v[0], NULL, 10);
}

/* ---- listeners ---- */

static void
hear(void *arg, const char *payload)
{
    struct told_listener *l = arg;
    uint64_t n = strtoull(payload, NULL, 10);
    if (l->w->mutate && strcmp(l->w->mutate, "deaf") == 0 && n % 50 == 0)
        return;
    if (l->heard && n != l->heard + 1)
        sim_fail(l->w, "a listener on node %u hears %llu after %llu", l->node,
                 (unsigned long long)n, (unsigned long long)l->heard);
    if (!l->first)
        l->first = n;
    l->heard = n;
    l->w->told_heard++;
}

static void
listen_once(struct told_listener *l)
{
    sim_world *w = l->w;
    sim_pg c;
    l->node = 1 + (unsigned)sim_draw(w, w->node_count);
    if (!w->bank_ready || sim_sql_connect(w, &c, l->node) != LG_OK)
        return;
    l->first = l->heard = 0;
    c.hear = hear;
    c.hear_arg = l;
    lg_status st = sim_pg_query(&c, "listen told", NULL, NULL);
    if (st == LG_OK)
        st = sim_pg_query(&c, "select n from told", number, &l->at_most);
    l->listening = st == LG_OK;
    unsigned rounds = 5 + (unsigned)sim_draw(w, 60);
    for (unsigned i = 0; st == LG_OK && w->verdict == 0 && (w->stop_work || i < rounds); i++) {
        sim_sql_nap(w, 30000 + sim_draw(w, 30000));
        st = sim_pg_query(&c, "select 1", NULL, NULL);
        if (st == LG_SQL && sim_sql_excused(c.sqlstate))
            st = LG_OK;
        if (l->first > l->at_most + 1)
            sim_fail(w, "a listener on node %u read %llu after LISTEN and hears %llu first",
                     l->node, (unsigned long long)l->at_most, (unsigned long long)l->first);
    }
    if (st == LG_SQL && !sim_sql_excused(c.sqlstate))
        sim_fail(w, "a listener failed: %s %s", c.sqlstate, c.message);
    l->listening = false;
    sim_pg_close(&c);
}

static void
listener_fiber(void *arg)
{
    struct told_listener *l = arg;
    while (l->w->verdict == 0) {
        listen_once(l);
        sim_sql_nap(l->w, 30000);
    }
}

lg_status
sim_told_look(sim_world *w, sim_pg *c)
{
    uint64_t n = 0;
    if (!w->told)
        return LG_OK;
    LG_TRY(sim_pg_query(c, "select n from told", number, &n));
    for (unsigned i = 0; i < w->told->count; i++) {
        const struct told_listener *l = &w->told->listener[i];
        if (l->listening && l->heard < n && l->at_most < n) {
            snprintf(c->message, sizeof c->message, "a listener on node %u has heard %llu of %llu",
                     l->node, (unsigned long long)l->heard, (unsigned long long)n);
            return LG_RETRY;
        }
    }
    return LG_OK;
}

/* ---- those who tell ---- */

static lg_status
tell(sim_world *w, sim_pg *c)
{
    char sql[80];
    uint64_t n = 0;
    LG_TRY(sim_pg_query(c, "begin", NULL, NULL));
    LG_TRY(sim_pg_query(c, "update told set n = n + 1 returning n", number, &n));
    snprintf(sql, sizeof sql, "notify told, '%llu'", (unsigned long long)n);
    LG_TRY(sim_pg_query(c, sql, NULL, NULL));
    if (sim_draw(w, 4) == 0) { /* several of one transaction */
        snprintf(sql, sizeof sql, "notify told, '%llu'", (unsigned long long)n + 1);
        LG_TRY(sim_pg_query(c, "update told set n = n + 1", NULL, NULL));
        LG_TRY(sim_pg_query(c, sql, NULL, NULL));
    }
    return sim_pg_query(c, sim_draw(w, 5) ? "commit" : "rollback", NULL, NULL);
}

static void
teller_fiber(void *arg)
{
    sim_world *w = ((struct teller *)arg)->w;
    while (!w->stop_work && w->verdict == 0) {
        sim_pg c;
        unsigned node = 1 + (unsigned)sim_draw(w, w->node_count);
        if (w->bank_ready && sim_sql_connect(w, &c, node) == LG_OK) {
            lg_status st = LG_OK;
            for (unsigned i = 0; st == LG_OK && i < 20 && !w->stop_work && w->verdict == 0; i++) {
                w->node[0].active++;
                st = tell(w, &c);
                if (st == LG_SQL && !sim_sql_excused(c.sqlstate))
                    sim_fail(w, "a notification failed: %s %s", c.sqlstate, c.message);
                if (st == LG_SQL)
                    st = sim_pg_query(&c, "rollback", NULL, NULL);
                w->node[0].active--;
                sim_sql_nap(w, 1000 + sim_draw(w, 40000));
            }
            sim_pg_close(&c);
        }
        sim_sql_nap(w, 20000);
    }
}

void
sim_told_start(sim_world *w, unsigned tellers, unsigned listeners)
{
    w->told = lg_zalloc(sizeof *w->told);
    w->told->count = listeners < LISTENERS_MOST ? listeners : LISTENERS_MOST;
    for (unsigned i = 0; i < w->told->count; i++) {
        w->told->listener[i].w = w;
        if (lg_run_spawn(sim_sql_run(w), "listener", 0, listener_fiber, &w->told->listener[i],
                         NULL) != LG_OK)
            sim_fail(w, "no fiber");
    }
    for (unsigned i = 0; i < tellers; i++) {
        struct teller *t = lg_zalloc(sizeof *t);
        t->w = w;
        if (lg_run_spawn(sim_sql_run(w), "teller", 0, teller_fiber, t, NULL) != LG_OK)
            sim_fail(w, "no fiber");
    }
}
