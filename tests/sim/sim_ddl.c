/* DDL in the workload of kind "sql": each client makes, fills, truncates and drops a table of its own
 * and its indexes, on whichever instance, while instances die. Files come and go, their units are used
 * again, and recovery meets files in every state of a drop.
 *
 * The client knows in which state its table must be. After a broken connection a statement may have
 * been done or not: two states are possible, and what it finds next must be one of them. */
#include "sim_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct state {
    bool exists;
    uint64_t rows;
    bool indexed;
};

struct ddl {
    sim_world *w;
    unsigned number;
    unsigned serial; /* of the table: a name is used once */
    struct state now, after;
    bool doubt; /* now or after */
    char name[32];
};

struct found {
    uint64_t count, sum;
};

static void
count_row(void *arg, unsigned count, char **v)
{
    struct found *f = arg;
    if (count == 2 && v[0])
        f->count = strtoull(v[0], NULL, 10);
    if (count == 2 && v[1])
        f->sum = strtoull(v[1], NULL, 10);
}

static bool
is_it(const struct state *s, bool exists, const struct found *f)
{
    if (s->exists != exists)
        return false;
    return !exists || (f->count == s->rows && f->sum == s->rows * (s->rows + 1) / 2);
}

/* Compares the table with what it must be, by a scan. The status of the connection. */
static lg_status
look(struct ddl *d, sim_pg *c)
{
    char sql[160];
    struct found f = {0};
    snprintf(sql, sizeof sql, "select count(*), sum(id) from %s", d->name);
    lg_status st = sim_pg_query(c, sql, count_row, &f);
    bool exists = st == LG_OK;
    if (st == LG_SQL && strcmp(c->sqlstate, "42P01") != 0) {
        if (!sim_sql_excused(c->sqlstate))
            sim_fail(d->w, "a look at %s failed: %s %s", d->name, c->sqlstate, c->message);
        return LG_RETRY;
    }
    if (st != LG_OK && st != LG_SQL)
        return st;
    bool now = is_it(&d->now, exists, &f), after = d->doubt && is_it(&d->after, exists, &f);
    if (!now && !after)
        sim_fail(d->w, "table %s: %s, %llu rows; it must be %s with %llu rows%s", d->name,
                 exists ? "there" : "not there", (unsigned long long)f.count,
                 d->now.exists ? "there" : "not there", (unsigned long long)d->now.rows,
                 d->doubt ? ", or have changed once" : "");
    if (now && after) /* the index: nobody knows; the next create says "if not exists" */
        d->after.indexed = d->now.indexed = false;
    if (after)
        d->now = d->after;
    d->doubt = false;
    return LG_OK;
}

static void
next_name(struct ddl *d)
{
    snprintf(d->name, sizeof d->name, "d%u_%u", d->number, ++d->serial);
}

/* Statements that take several transactions, or write the table anew: kind "wide". */
static void
choose_wide(struct ddl *d, char *sql, size_t len)
{
    sim_world *w = d->w;
    const char *t = d->name;
    struct state *s = &d->after;
    switch (sim_draw(w, 9)) {
    case 0:
    case 1:
        snprintf(sql, len, "create index concurrently if not exists %s_t on %s (t)", t, t);
        break;
    case 2:
        snprintf(sql, len, "drop index concurrently if exists %s_t", t);
        s->indexed = false;
        break;
    case 3:
        snprintf(sql, len, "reindex table %s%s", sim_draw(w, 2) ? "concurrently " : "", t);
        break;
    case 4:
        snprintf(sql, len, "alter table %s alter column id type %s", t,
                 sim_draw(w, 2) ? "bigint" : "int");
        break;
    case 5:
        snprintf(sql, len, "alter table %s alter column t type varchar(%u) using substr(t, 1, 400)",
                 t, 400 + (unsigned)sim_draw(w, 50));
        break;
    case 6:
        snprintf(sql, len,
                 "begin; alter table %s alter column id type numeric; insert into %s values (-1); "
                 "rollback",
                 t, t);
        break;
    case 7:
        snprintf(sql, len, "alter table %s add column c%u int default %u", t,
                 (unsigned)sim_draw(w, 1000000), (unsigned)sim_draw(w, 100));
        break;
    default:
        snprintf(sql, len, "update %s set t = repeat('z', %u)", t, (unsigned)sim_draw(w, 300));
    }
}

/* The next statement and what it makes of the table. */
static void
choose(struct ddl *d, char *sql, size_t len)
{
    sim_world *w = d->w;
    const char *t = d->name;
    struct state *s = &d->after;
    *s = d->now;
    if (!s->exists) {
        next_name(d);
        snprintf(sql, len, "create table %s (id int%s, t text)", t,
                 sim_draw(w, 2) ? " primary key" : "");
        *s = (struct state){.exists = true};
        return;
    }
    if (sim_sql_wide(w) && sim_draw(w, 2)) {
        choose_wide(d, sql, len);
        return;
    }
    unsigned what = (unsigned)sim_draw(w, 16);
    uint64_t n = sim_draw(w, 4) ? 1 + sim_draw(w, 60) : 500 + sim_draw(w, 1500);
    if (what < 5 && s->rows < 4000) {
        snprintf(sql, len,
                 "insert into %s select g, repeat('y', %u) from generate_series(%llu, %llu) g", t,
                 (unsigned)sim_draw(w, 300), (unsigned long long)s->rows + 1,
                 (unsigned long long)(s->rows + n));
        s->rows += n;
    } else if (what < 6) {
        snprintf(sql, len, "delete from %s", t);
        s->rows = 0;
    } else if (what < 8) {
        snprintf(sql, len, "truncate table %s", t);
        s->rows = 0;
    } else if (what < 9) {
        snprintf(sql, len, "begin; truncate %s; insert into %s values (1); rollback", t, t);
    } else if (what < 10) {
        snprintf(sql, len, "begin; create index on %s (t); drop table %s; rollback", t, t);
    } else if (what < 12 && !s->indexed) {
        snprintf(sql, len, "create index if not exists %s_t on %s (t)", t, t);
        s->indexed = true;
    } else if (what < 13 && s->indexed) {
        snprintf(sql, len, "drop index if exists %s_t", t);
        s->indexed = false;
    } else {
        snprintf(sql, len, "drop table %s", t);
        *s = (struct state){0};
    }
}

/* One statement. LG_OK: done or refused; else the connection is gone. */
static lg_status
step(struct ddl *d, sim_pg *c)
{
    char sql[240];
    sim_world *w = d->w;
    if (d->doubt || sim_draw(w, 4) == 0)
        return look(d, c);
    choose(d, sql, sizeof sql);
    lg_status st = sim_pg_query(c, sql, NULL, NULL);
    if (st == LG_OK) {
        d->now = d->after;
        w->ddl_done++;
        return LG_OK;
    }
    d->doubt = true; /* an error may also come after a commit that was on its way */
    if (st != LG_SQL)
        return st;
    bool full = strcmp(c->sqlstate, "53100") == 0;
    if (!full && !sim_sql_excused(c->sqlstate))
        sim_fail(w, "\"%s\" failed: %s %s", sql, c->sqlstate, c->message);
    return sim_pg_query(c, "rollback", NULL, NULL); /* of the blocks that begin */
}

static void
ddl_fiber(void *arg)
{
    struct ddl *d = arg;
    sim_world *w = d->w;
    while (!w->stop_work && w->verdict == 0) {
        sim_pg c;
        unsigned node = 1 + (unsigned)sim_draw(w, w->node_count);
        if (w->bank_ready && sim_sql_connect(w, &c, node) == LG_OK) {
            lg_status st = LG_OK;
            for (unsigned i = 0; st == LG_OK && i < 12 && !w->stop_work && w->verdict == 0; i++) {
                w->node[0].active++;
                st = step(d, &c);
                w->node[0].active--;
                sim_sql_nap(w, 1000 + sim_draw(w, 40000));
            }
            sim_pg_close(&c);
        }
        sim_sql_nap(w, 30000);
    }
}

void
sim_ddl_start(sim_world *w, unsigned count)
{
    w->ddl_count = count;
    w->ddls = lg_zalloc(count * sizeof *w->ddls);
    for (unsigned i = 0; i < count; i++) {
        struct ddl *d = lg_zalloc(sizeof *d);
        *d = (struct ddl){.w = w, .number = i};
        next_name(d);
        w->ddls[i] = d;
        if (lg_run_spawn(sim_sql_run(w), "ddl", 0, ddl_fiber, d, NULL) != LG_OK)
            sim_fail(w, "no fiber");
    }
}

lg_status
sim_ddl_verify(sim_world *w, sim_pg *c)
{
    for (unsigned i = 0; i < w->ddl_count; i++)
        LG_TRY(look(w->ddls[i], c));
    return LG_OK;
}

const char *
sim_ddl_table(const sim_world *w)
{
    for (unsigned i = 0; i < w->ddl_count; i++)
        if (w->ddls[i]->now.exists && !w->ddls[i]->doubt)
            return w->ddls[i]->name;
    return NULL;
}
