/* Statements with much to do, in the workload of kind "wide": joins, sorts and groups over a table in memory
 * too small for them, so that they go to temporary files, with compute threads (one member, which runs
 * inside lg_team_finish) and columns in memory, while instances die and others change the table.
 *
 * The changes leave alone what the statements add up: each row's id stays, and values of k are only
 * exchanged between two groups of the same size. A statement that has an answer has the right one. */
#include "sim_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS   4000
#define GROUPS 40
#define EACH   (ROWS / GROUPS)
#define IDS    ((int64_t)ROWS * (ROWS + 1) / 2)

struct worker {
    sim_world *w;
    unsigned number;
};

struct answer {
    unsigned rows, wrong;
    int64_t ids;
};

lg_status
sim_big_table(sim_pg *c)
{
    char sql[200];
    LG_TRY(sim_pg_query(c,
                        "create table if not exists big (id int primary key, k int, a bigint, "
                        "pad text)",
                        NULL, NULL));
    snprintf(sql, sizeof sql,
             "insert into big select g, g %% %d, g, repeat(chr(97 + g %% 23), 60 + g %% 90) "
             "from generate_series(1, %d) g",
             GROUPS, ROWS);
    return sim_pg_query(c, sql, NULL, NULL);
}

/* Rows of {count, sum of ids}. */
static void
group_row(void *arg, unsigned count, char **v)
{
    struct answer *r = arg;
    r->rows++;
    if (count < 2 || !v[0] || !v[1]) {
        r->wrong++;
        return;
    }
    r->wrong += strtol(v[0], NULL, 10) != EACH;
    r->ids += strtoll(v[1], NULL, 10);
}

static void
total_row(void *arg, unsigned count, char **v)
{
    struct answer *r = arg;
    r->rows++;
    if (count < 2 || !v[0] || !v[1]) {
        r->wrong++;
        return;
    }
    r->wrong += strtol(v[0], NULL, 10) != ROWS;
    r->ids += strtoll(v[1], NULL, 10);
}

static const struct question {
    const char *sql;
    bool groups;
} questions[] = {
    {"select count(*), sum(x.id) from big x join big y on x.id = y.a", false},
    {"select count(*), sum(id) from (select id, pad from big order by pad, id offset 0) s", false},
    {"select count(*), sum(id), min(pad), max(a) from big group by k", true},
    {"select count(*), sum(id) from (select id, row_number() over (partition by k order by pad, "
     "id) "
     "from big offset 0) s",
     false},
    {"select count(*), sum(id) from big where a > 0 and k >= 0", false},
    {"select count(*), sum(id) from (select id, pad from big union select id, pad from big) s",
     false},
    {"select count(*), sum(x.id) from big x, (select k, count(*) n from big group by k) g where "
     "x.k = g.k",
     false},
    {"select count(*), sum(x.id) from big x where exists (select from big y where y.a = x.id and "
     "y.pad is not null)",
     false},
};

static lg_status
ask(sim_world *w, sim_pg *c, unsigned node)
{
    const struct question *q = &questions[sim_draw(w, sizeof questions / sizeof questions[0])];
    struct answer r = {0};
    LG_TRY(sim_pg_query(c, q->sql, q->groups ? group_row : total_row, &r));
    if (r.wrong || r.rows != (q->groups ? GROUPS : 1) || r.ids != IDS)
        sim_fail(w, "node %u: \"%s\": %u rows, %u wrong, ids add up to %lld", node, q->sql, r.rows,
                 r.wrong, (long long)r.ids);
    w->big_done++;
    return LG_OK;
}

static lg_status
change(sim_world *w, sim_pg *c)
{
    char sql[240];
    unsigned a = (unsigned)sim_draw(w, GROUPS), b = (unsigned)sim_draw(w, GROUPS);
    switch (sim_draw(w, 4)) {
    case 0: /* the whole table, and back */
        LG_TRY(sim_pg_query(c, "begin", NULL, NULL));
        LG_TRY(sim_pg_query(c, "update big set k = -1, a = -a", NULL, NULL));
        return sim_pg_query(c, "rollback", NULL, NULL);
    case 1:
        snprintf(sql, sizeof sql,
                 "update big set pad = repeat(chr(97 + %u), 40 + id %% 120) where k = %u", b % 23,
                 a);
        break;
    case 2: /* out and in again by a table made for it */
        snprintf(sql, sizeof sql,
                 "with gone as (delete from big where k = %u returning *) "
                 "select count(*) from gone; insert into big select g.id, %u, g.id, 'back' "
                 "from generate_series(1, %d) g(id) where not exists (select from big b where b.id "
                 "= g.id)",
                 a, a, ROWS);
        break;
    default:
        snprintf(sql, sizeof sql,
                 "update big set k = case when k = %u then %u else %u end where k in (%u, %u)", a,
                 b, a, a, b);
    }
    return sim_pg_query(c, sql, NULL, NULL);
}

/* A table made of a sort, with an index; gone at the end, however far it came. */
static lg_status
copy(sim_world *w, sim_pg *c, unsigned node)
{
    struct answer r = {0};
    LG_TRY(sim_pg_query(c, "begin", NULL, NULL));
    LG_TRY(
        sim_pg_query(c, "create table big_copy as select * from big order by pad, id", NULL, NULL));
    LG_TRY(sim_pg_query(c, "create index on big_copy (pad, id)", NULL, NULL));
    LG_TRY(
        sim_pg_query(c, "select count(*), sum(id) from big_copy where pad >= ''", total_row, &r));
    if (r.wrong || r.ids != IDS)
        sim_fail(w, "node %u: a copy has other rows, ids add up to %lld", node, (long long)r.ids);
    return sim_pg_query(c, "rollback", NULL, NULL);
}

static lg_status
step(sim_world *w, sim_pg *c, unsigned number, unsigned node)
{
    uint64_t what = sim_draw(w, 10);
    if (number == 0 && what < 5)
        return change(w, c);
    return what == 9 ? copy(w, c, node) : ask(w, c, node);
}

static void
worker_fiber(void *arg)
{
    struct worker *k = arg;
    sim_world *w = k->w;
    while (!w->stop_work && w->verdict == 0) {
        sim_pg c;
        unsigned node = 1 + (unsigned)sim_draw(w, w->node_count);
        if (w->bank_ready && sim_sql_connect(w, &c, node) == LG_OK) {
            lg_status st = sim_pg_query(
                &c, "set work_mem = 64; set min_parallel_table_scan_size = 0", NULL, NULL);
            for (unsigned i = 0; st == LG_OK && i < 10 && !w->stop_work && w->verdict == 0; i++) {
                w->node[0].active++;
                st = step(w, &c, k->number, node);
                if (st == LG_SQL && !sim_sql_excused(c.sqlstate) &&
                    strcmp(c.sqlstate, "53100") != 0)
                    sim_fail(w, "a large statement failed: %s %s", c.sqlstate, c.message);
                if (st == LG_SQL)
                    st = sim_pg_query(&c, "rollback", NULL, NULL);
                w->node[0].active--;
                sim_sql_nap(w, 20000 + sim_draw(w, 150000));
            }
            sim_pg_close(&c);
        }
        sim_sql_nap(w, 30000);
    }
}

void
sim_big_start(sim_world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct worker *k = lg_zalloc(sizeof *k);
        *k = (struct worker){w, i};
        if (lg_run_spawn(sim_sql_run(w), "big", 0, worker_fiber, k, NULL) != LG_OK)
            sim_fail(w, "no fiber");
    }
}
