/* A client's bytes against a whole instance: one simulated instance lives through all inputs, each
 * is a connection of its own. The first byte: even, the rest is SQL, sent as one simple query; odd,
 * the rest is what follows the startup packet, raw. The instance must answer or close the
 * connection, and must still answer a SELECT on another connection afterwards; it may never end. */
#include "fuzz.h"

#include "instance.h"
#include "mem.h"
#include "run.h"
#include "sim.h"
#include "sim_disk.h"
#include "sim_pg.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_NODE  40u
#define DISK_BYTES   (192u << 20)
#define ANSWER_LIMIT (30 * LG_SEC) /* of virtual time: statement_timeout is 2 s */

struct world {
    lg_sim *sim;
    lg_heap *heap;
    lg_run *server, *client;
    lg_instance *in;
    lg_status status;
    bool done; /* what was asked for last */
    const uint8_t *data;
    size_t size;
};

static struct world *the_world; /* libFuzzer has no place for a handle */

static void
fail(const char *what, lg_status st)
{
    fprintf(stderr, "%s: %s\n", what, lg_status_name(st));
    abort();
}

static bool
is_done(void *arg)
{
    return ((struct world *)arg)->done;
}

static void
until_done(struct world *w, const char *what, lg_time limit)
{
    lg_status st = lg_sim_run(w->sim, is_done, w, limit);
    if (st != LG_OK)
        fail(what, st);
    w->done = false;
}

static void
instance_config(lg_instance_config *c)
{
    memset(c, 0, sizeof *c);
    c->node = 1;
    snprintf(c->name, sizeof c->name, "fuzz");
    snprintf(c->listen, sizeof c->listen, "sim:1:5432");
    snprintf(c->transport, sizeof c->transport, "sim");
    c->disk_count = 1;
    snprintf(c->disks[0], sizeof c->disks[0], "disk");
    c->cache_bytes = 16u << 20;
    c->column_cache_bytes = 2u << 20;
    c->undo_retention_ms = 1000;
    c->disk_timeout_ms = 60000;
    c->max_sessions = 16;
    c->trust_unix = true;
}

static void
create_fiber(void *arg)
{
    struct world *w = arg;
    lg_instance_env env = {.run = w->client};
    lg_instance_create_config cc = {.instances = 1,
                                    .block_bytes = 8192,
                                    .log_file_bytes = 4u << 20,
                                    .database = "lagoon",
                                    .user = "lagoon",
                                    .password = "lagoon"};
    instance_config(&cc.instance);
    w->status = lg_instance_create_database(&env, &cc);
    w->done = true;
}

static void
die(void *arg, lg_status why)
{
    (void)arg;
    fail("the instance ended", why);
}

static void
instance_fiber(void *arg)
{
    struct world *w = arg;
    lg_instance_env env = {
        .run = w->server, .stats = lg_run_stats(w->server), .die = die, .arg = w};
    lg_instance_config c;
    instance_config(&c);
    fail("the instance returned", lg_instance_run(&env, &c, &w->in));
}

static lg_status
ask(struct world *w, sim_pg *c, const char *sql)
{
    lg_status st = sim_pg_query(c, sql, NULL, NULL);
    (void)w;
    return st == LG_SQL ? LG_OK : st;
}

static void
first_fiber(void *arg)
{
    static const char *const setup[] = {
        "CREATE TABLE t (a int PRIMARY KEY, b text, c numeric(10,2), d timestamptz, e int[], f "
        "jsonb)",
        ("INSERT INTO t SELECT i, 'row ' || i, i / 3.0, now(), ARRAY[i, i], '{\"k\": 1}' "
         "FROM generate_series(1, 20) i"),
        "CREATE TABLE u (a int REFERENCES t, x float8 DEFAULT 1, y bytea)",
        "INSERT INTO u SELECT i FROM generate_series(1, 20) i",
        "CREATE VIEW v AS SELECT t.a, u.x FROM t JOIN u USING (a)",
        "CREATE SEQUENCE s"};
    struct world *w = arg;
    sim_pg c;
    while (sim_pg_connect(&c, w->client, "sim:1:5432", "lagoon", "lagoon") != LG_OK)
        (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(w->client) + 10 * LG_MS, LG_WAIT_SLEEP);
    for (size_t i = 0; i < sizeof setup / sizeof setup[0]; i++)
        (void)!ask(w, &c, setup[i]);
    sim_pg_close(&c);
    w->done = true;
}

static void
send_raw(struct world *w, sim_pg *c)
{
    lg_time limit = lg_run_now_exact_ns(w->client) + 5 * LG_SEC;
    char answer[4096];
    size_t got;
    static const char terminate[5] = {'X', 0, 0, 0, 4};
    if (lg_sock_write_all(c->sock, w->data, w->size, limit) != LG_OK ||
        lg_sock_write_all(c->sock, terminate, sizeof terminate, limit) != LG_OK)
        return;
    while (lg_sock_read(c->sock, answer, sizeof answer, limit, &got) == LG_OK)
        ;
}

static void
input_fiber(void *arg)
{
    struct world *w = arg;
    sim_pg c, other;
    lg_status st = sim_pg_connect(&c, w->client, "sim:1:5432", "lagoon", "lagoon");
    if (st != LG_OK)
        fail("connect", st);
    (void)!ask(w, &c, "SET statement_timeout = '2s'; BEGIN");
    bool raw = w->data[0] & 1;
    w->data++;
    w->size--;
    if (raw) {
        send_raw(w, &c);
    } else {
        char *sql = lg_alloc(w->size + 1);
        memcpy(sql, w->data, w->size);
        sql[w->size] = 0;
        (void)!ask(w, &c, sql);
        lg_free(sql);
    }
    sim_pg_close(&c);
    st = sim_pg_connect(&other, w->client, "sim:1:5432", "lagoon", "lagoon");
    if (st == LG_OK)
        st = ask(w, &other, "SELECT 1");
    if (st != LG_OK)
        fail("another session", st);
    sim_pg_close(&other);
    w->done = true;
}

static void
spawn(lg_run *run, const char *name, void (*fn)(void *), struct world *w)
{
    lg_status st = lg_run_spawn(run, name, 512 * 1024, fn, w, NULL);
    if (st != LG_OK)
        fail(name, st);
}

static struct world *
begin(void)
{
    struct world *w = calloc(1, sizeof *w);
    lg_status st = lg_sim_create(1, &w->sim);
    if (st == LG_OK)
        st = lg_sim_disk_create(w->sim, "disk", DISK_BYTES);
    w->heap = lg_heap_create();
    lg_heap *outer = lg_heap_switch(w->heap);
    lg_run_config client = {
        .name = "client", .sim = w->sim, .sim_node = CLIENT_NODE, .heap = w->heap};
    lg_run_config server = {.name = "server", .sim = w->sim, .sim_node = 1, .heap = w->heap};
    if (st == LG_OK)
        st = lg_run_create(&client, &w->client);
    if (st == LG_OK)
        st = lg_run_create(&server, &w->server);
    if (st != LG_OK)
        fail("world", st);
    spawn(w->client, "create", create_fiber, w);
    until_done(w, "create", 600 * LG_SEC);
    if (w->status != LG_OK)
        fail("create database", w->status);
    spawn(w->server, "instance", instance_fiber, w);
    spawn(w->client, "first", first_fiber, w);
    until_done(w, "first statements", 600 * LG_SEC);
    (void)lg_heap_switch(outer);
    return w;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 8192)
        return 0;
    if (!the_world)
        the_world = begin();
    the_world->data = data;
    the_world->size = size;
    lg_heap *outer = lg_heap_switch(the_world->heap);
    spawn(the_world->client, "input", input_fiber, the_world);
    until_done(the_world, "input", ANSWER_LIMIT);
    (void)lg_heap_switch(outer);
    return 0;
}
