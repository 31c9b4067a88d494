/* Readers of kind "sql", at work all the time: each takes one snapshot of everything on some
 * instance and compares. Whatever happens to instances,
 *   - the sum holds, and each account agrees with the ledger: no snapshot splits a commit;
 *   - what was acknowledged before the snapshot is in it, whichever instance committed (invariant
 *     11);
 *   - what any snapshot has shown is in every later one (invariant 2: nothing is shown before it is
 *     durable);
 *   - rows that were inserted together are all there or none, with their transfer;
 *   - the same snapshot reads the same twice. */
#include "sim_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    sim_world *w;
    uint32_t number;
};

/* ---- one reading ---- */

sim_reading *
sim_reading_create(void)
{
    sim_reading *r = lg_zalloc(sizeof *r);
    r->ops = lg_map_create();
    return r;
}

void
sim_reading_destroy(sim_reading *r)
{
    lg_map_destroy(r->ops);
    lg_free(r);
}

static void
balance_row(void *arg, unsigned count, char **v)
{
    sim_reading *r = arg;
    unsigned long id = count == 2 && v[0] ? strtoul(v[0], NULL, 10) : SIM_ACCOUNTS;
    if (id >= SIM_ACCOUNTS || !v[1])
        return;
    r->accounts++;
    r->balance[id] += strtoll(v[1], NULL, 10);
    r->sum += strtoll(v[1], NULL, 10);
}

static void
ledger_row(void *arg, unsigned count, char **v)
{
    sim_reading *r = arg;
    if (count != 4 || !v[0] || !v[1] || !v[2] || !v[3])
        return;
    (void)lg_map_put(r->ops, strtoull(v[0], NULL, 10), r);
    long long amount = strtoll(v[3], NULL, 10);
    r->owed[strtoul(v[1], NULL, 10) % SIM_ACCOUNTS] -= amount;
    r->owed[strtoul(v[2], NULL, 10) % SIM_ACCOUNTS] += amount;
}

static void
bulk_row(void *arg, unsigned count, char **v)
{
    sim_reading *r = arg;
    if (count != 3 || !v[0] || !v[1] || !v[2])
        return;
    bool whole = strtol(v[1], NULL, 10) == SIM_BULK &&
                 strtol(v[2], NULL, 10) == SIM_BULK * (SIM_BULK + 1) / 2;
    r->torn += !whole || !lg_map_get(r->ops, strtoull(v[0], NULL, 10));
}

lg_status
sim_reading_take(sim_pg *c, sim_reading *r)
{
    LG_TRY(sim_pg_query(c, "select id, balance from accounts", balance_row, r));
    LG_TRY(sim_pg_query(c, "select op, src, dst, amount from ledger", ledger_row, r));
    LG_TRY(sim_pg_query(c,
                        "select op, count(*), sum(length(note)) from bulk where k > 0 group by op",
                        bulk_row, r));
    /* the same by the index alone; both scans are of one snapshot */
    LG_TRY(sim_pg_query(c, "set enable_seqscan = off", NULL, NULL));
    LG_TRY(sim_pg_query(
        c, "select op, count(*), sum(k) from bulk where op > -9e18::bigint and k > 0 group by op",
        bulk_row, r));
    return sim_pg_query(c, "set enable_seqscan = on", NULL, NULL);
}

void
sim_reading_judge(sim_world *w, const sim_reading *r, unsigned node, size_t acks)
{
    if (r->accounts != SIM_ACCOUNTS)
        sim_fail(w, "node %u shows %u accounts", node, r->accounts);
    if (r->sum != (int64_t)SIM_ACCOUNTS * SIM_START)
        sim_fail(w, "node %u: the sum is %lld", node, (long long)r->sum);
    for (unsigned i = 0; i < SIM_ACCOUNTS; i++)
        if (r->balance[i] != SIM_START + r->owed[i])
            sim_fail(w, "node %u: account %u and the ledger disagree by %lld", node, i,
                     (long long)(r->balance[i] - SIM_START - r->owed[i]));
    if (r->torn)
        sim_fail(w, "node %u: of %u transfers the rows beside are not whole", node, r->torn);
    for (size_t i = 0; i < acks; i++)
        if (!lg_map_get(r->ops, w->acks[i].op)) {
            sim_fail(w, "node %u: acknowledged transfer %llx is lost (%zu of %zu)", node,
                     (unsigned long long)w->acks[i].op, i, acks);
            return;
        }
}

/* ---- readers ---- */

static void
judge_seen(sim_world *w, const sim_reading *r, unsigned node, size_t seen)
{
    for (size_t i = 0; i < seen; i++)
        if (!lg_map_get(r->ops, w->seen[i])) {
            sim_fail(w, "node %u: transfer %llx was seen once and is gone", node,
                     (unsigned long long)w->seen[i]);
            return;
        }
    size_t pos = 0;
    uint64_t op;
    lg_heap *outer = lg_heap_switch(NULL);
    if (!w->seen_ops)
        w->seen_ops = lg_map_create();
    while (lg_map_next(r->ops, &pos, &op, NULL)) {
        if (lg_map_get(w->seen_ops, op))
            continue;
        (void)lg_map_put(w->seen_ops, op, w);
        if (w->seen_count == w->seen_cap) {
            w->seen_cap = w->seen_cap ? w->seen_cap * 2 : 4096;
            w->seen = lg_realloc(w->seen, w->seen_cap * sizeof *w->seen);
        }
        w->seen[w->seen_count++] = op;
    }
    (void)lg_heap_switch(outer);
}

static lg_status
look(sim_world *w, sim_pg *c, unsigned node)
{
    size_t acks = w->ack_count, seen = w->seen_count, skew_acks = w->skew_ack_count;
    sim_reading *r = sim_reading_create(), *again = sim_reading_create();
    lg_status st = sim_pg_query(c, "begin isolation level repeatable read", NULL, NULL);
    if (st == LG_OK)
        st = sim_reading_take(c, r);
    if (st == LG_OK)
        st = sim_skew_look(w, c, node, skew_acks);
    if (st == LG_OK)
        st = sim_pg_query(c, "select id, balance from accounts", balance_row, again);
    if (st == LG_OK && w->verdict == 0) {
        sim_reading_judge(w, r, node, acks);
        judge_seen(w, r, node, seen);
        if (memcmp(r->balance, again->balance, sizeof r->balance) != 0)
            sim_fail(w, "node %u: a snapshot reads differently the second time", node);
        w->readings++;
    }
    if (st == LG_SQL && !sim_sql_excused(c->sqlstate))
        sim_fail(w, "node %u: a reading failed: %s %s", node, c->sqlstate, c->message);
    if (st == LG_OK || st == LG_SQL)
        st = sim_pg_query(c, "rollback", NULL, NULL);
    sim_reading_destroy(r);
    sim_reading_destroy(again);
    return st;
}

static void
reader_fiber(void *arg)
{
    struct reader *k = arg;
    sim_world *w = k->w;
    while (!w->stop_work && w->verdict == 0) {
        sim_pg c;
        unsigned node = 1 + (unsigned)sim_draw(w, w->node_count);
        if (w->bank_ready && sim_sql_connect(w, &c, node) == LG_OK) {
            for (unsigned i = 0; i < 8 && !w->stop_work && w->verdict == 0; i++) {
                if (look(w, &c, node) != LG_OK)
                    break;
                sim_sql_nap(w, 20000 + sim_draw(w, 150000));
            }
            sim_pg_close(&c);
        }
        sim_sql_nap(w, 30000);
    }
}

void
sim_readers_start(sim_world *w, unsigned count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct reader *k = lg_zalloc(sizeof *k);
        *k = (struct reader){w, i};
        if (lg_run_spawn(sim_sql_run(w), "reader", 0, reader_fiber, k, NULL) != LG_OK)
            sim_fail(w, "no fiber");
    }
}
