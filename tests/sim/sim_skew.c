/* SERIALIZABLE transactions in the workload of kind "sql", and the proof that they were serial.
 *
 * Two tables, ping and pong. Each transaction counts both and inserts one row into one of them with
 * the two counts. Snapshot isolation would let two of them pass that did not see each other (write
 * skew). If there is a serial order, then in every snapshot
 *   - the rows of a table carry 0, 1, 2 ... as the count of their own table, each once;
 *   - of row i of ping and row j of pong exactly one has seen the other. */
#include "sim_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 600u /* rows of a table; then nothing more is inserted */

struct side {
    uint32_t seen[MOST]; /* of the other table's rows, by the row that came as the n-th */
    bool there[MOST];
    uint32_t count;
};

struct reading {
    sim_world *w;
    struct side side[2];
    struct side *at;
    lg_map *ops;
};

static const char *const table[2] = {"ping", "pong"};

lg_status
sim_skew_tables(sim_pg *c)
{
    for (unsigned i = 0; i < 2; i++) {
        char sql[120];
        snprintf(sql, sizeof sql, "create table if not exists %s (own int, seen int, op bigint)",
                 table[i]);
        LG_TRY(sim_pg_query(c, sql, NULL, NULL));
    }
    return LG_OK;
}

/* ---- judging ---- */

static void
row(void *arg, unsigned count, char **v)
{
    struct reading *r = arg;
    if (count != 3 || !v[0] || !v[1] || !v[2])
        return;
    unsigned long own = strtoul(v[0], NULL, 10);
    struct side *s = r->at;
    s->count++;
    if (own >= MOST || s->there[own]) {
        sim_fail(r->w, "not serializable: two rows of %s saw %lu before them", table[s - r->side],
                 own);
        return;
    }
    s->there[own] = true;
    s->seen[own] = (uint32_t)strtoul(v[1], NULL, 10);
    (void)lg_map_put(r->ops, strtoull(v[2], NULL, 10), r);
}

static void
judge(const struct reading *r)
{
    const struct side *a = &r->side[0], *b = &r->side[1];
    for (unsigned k = 0; k < 2; k++)
        for (uint32_t i = 0; i < r->side[k].count; i++)
            if (i < MOST && !r->side[k].there[i]) {
                sim_fail(r->w, "not serializable: %s has %u rows, none that saw %u", table[k],
                         r->side[k].count, i);
                return;
            }
    for (uint32_t i = 0; i < a->count; i++)
        for (uint32_t j = 0; j < b->count; j++)
            if ((j < a->seen[i]) == (i < b->seen[j])) {
                sim_fail(r->w, "write skew: row %u of ping and row %u of pong %s saw each other", i,
                         j, j < a->seen[i] ? "both" : "neither");
                return;
            }
}

/* In the transaction that the connection is in. acks: given before the snapshot was taken. */
lg_status
sim_skew_look(sim_world *w, sim_pg *c, unsigned node, size_t acks)
{
    struct reading *r = lg_zalloc(sizeof *r);
    lg_status st = LG_OK;
    r->w = w;
    r->ops = lg_map_create();
    for (unsigned k = 0; st == LG_OK && k < 2; k++) {
        char sql[80];
        snprintf(sql, sizeof sql, "select own, seen, op from %s", table[k]);
        r->at = &r->side[k];
        st = sim_pg_query(c, sql, row, r);
    }
    if (st == LG_OK && w->verdict == 0)
        judge(r);
    for (size_t i = 0; st == LG_OK && w->verdict == 0 && i < acks; i++)
        if (!lg_map_get(r->ops, w->skew_acks[i]))
            sim_fail(w, "node %u: acknowledged serializable transaction %llx is lost", node,
                     (unsigned long long)w->skew_acks[i]);
    lg_map_destroy(r->ops);
    lg_free(r);
    return st;
}

/* ---- the clients ---- */

static void
count_row(void *arg, unsigned count, char **v)
{
    if (count == 1 && v[0])
        *(uint32_t *)arg = (uint32_t)strtoul(v[0], NULL, 10);
}

static void
acknowledge(sim_world *w, uint64_t op)
{
    lg_heap *outer = lg_heap_switch(NULL);
    if (w->skew_ack_count == w->skew_ack_cap) {
        w->skew_ack_cap = w->skew_ack_cap ? w->skew_ack_cap * 2 : 1024;
        w->skew_acks = lg_realloc(w->skew_acks, w->skew_ack_cap * sizeof *w->skew_acks);
    }
    w->skew_acks[w->skew_ack_count++] = op;
    (void)lg_heap_switch(outer);
}

static lg_status
transaction(sim_world *w, sim_pg *c, unsigned side)
{
    uint32_t n[2] = {0};
    char sql[120];
    bool weak = w->mutate && strcmp(w->mutate, "skew") == 0;
    uint64_t op = 1ull << 60 | ++w->op_counter[0];
    lg_status st = sim_pg_query(
        c, weak ? "begin isolation level repeatable read" : "begin isolation level serializable",
        NULL, NULL);
    for (unsigned i = 0; st == LG_OK && i < 2; i++) {
        unsigned k = i ^ (unsigned)(op & 1);
        snprintf(sql, sizeof sql, "select count(*) from %s", table[k]);
        st = sim_pg_query(c, sql, count_row, &n[k]);
    }
    bool full = n[0] + 8 > MOST || n[1] + 8 > MOST;
    snprintf(sql, sizeof sql, "insert into %s values (%u, %u, %llu)", table[side], n[side],
             n[side ^ 1], (unsigned long long)op);
    if (st == LG_OK && !full)
        st = sim_pg_query(c, sql, NULL, NULL);
    if (st == LG_OK && !full)
        st = sim_pg_query(c, "commit", NULL, NULL);
    if (st == LG_OK && !full) {
        acknowledge(w, op);
        return LG_OK;
    }
    if (st == LG_SQL && !sim_sql_excused(c->sqlstate))
        sim_fail(w, "a serializable transaction failed: %s %s", c->sqlstate, c->message);
    return st == LG_OK || st == LG_SQL ? sim_pg_query(c, "rollback", NULL, NULL) : st;
}

static lg_status
count_and_insert(sim_world *w, sim_pg *c, unsigned number, unsigned node, unsigned round)
{
    (void)node;
    return transaction(w, c, (number + round / 5) % 2);
}

void
sim_skew_start(sim_world *w, unsigned count)
{
    sim_sql_clients("serializable", count,
                    &(sim_sql_client){.w = w,
                                      .rounds = 20,
                                      .us = 2000,
                                      .us_more = 30000,
                                      .us_between = 30000,
                                      .act = count_and_insert});
}
