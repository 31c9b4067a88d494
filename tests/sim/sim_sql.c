/* Kind "sql": core/instance as it is. Each node has an agent (a run of its own on the node, so that
 * it shares the node's clock, stalls and cuts, but outlives the instance's process) which speaks
 * the agent's protocol and passes on what the world's clusterware decides. Clients speak SQL over
 * simulated sockets: bank transfers with a ledger row each. */
#include "sim_sql.h"

#include "cachefusion_internal.h"
#include "instance_internal.h"
#include "sim_disk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENT_NODE 40u
#define CLIENTS     4u
#define OUTBOX      64

struct agent {
    sim_node *n;
    lg_heap *heap;
    lg_run *run;
    lg_sock *listener;
    lg_sock *conn;        /* of the instance that lives now */
    uint64_t incarnation; /* that it was welcomed with; 0: not yet */
    char *outbox[OUTBOX];
    unsigned out_from, out_to;
    lg_waitq out_wait;
    char in[2 * LG_AGENT_LINE_MAX];
    size_t in_len;
};

struct sql_state {
    struct agent agents[SIM_MAX_NODES + 1];
    lg_heap *heap; /* of the clients */
    lg_run *run;
    char key_path[64];
    bool created;
    lg_status create_status;
    bool tables_due;
};

static struct sql_state *
state_of(sim_world *w)
{
    return w->kind_state;
}

/* A single node is an instance alone: no agent, no interconnect. */
static bool
alone(const sim_world *w)
{
    return w->node_count == 1;
}

/* ---- the agent ---- */

static void
say(struct agent *a, const lg_agent_writer *w, size_t len)
{
    lg_heap *outer = lg_heap_switch(a->heap);
    if (a->conn && a->out_to - a->out_from < OUTBOX) {
        char *line = lg_alloc(len + 1);
        memcpy(line, w->buf, len);
        line[len] = 0;
        a->outbox[a->out_to++ % OUTBOX] = line;
        (void)lg_waitq_wake_all(&a->out_wait);
    }
    (void)lg_heap_switch(outer);
}

static void
end_and_say(struct agent *a, lg_agent_writer *w)
{
    size_t len;
    if (lg_agent_end(w, &len) == LG_OK)
        say(a, w, len);
}

static void
writer_fiber(void *arg)
{
    struct agent *a = arg;
    for (;;) {
        while (a->out_from == a->out_to)
            (void)!lg_waitq_wait(&a->out_wait, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
        char *line = a->outbox[a->out_from++ % OUTBOX];
        if (a->conn)
            (void)!lg_sock_write_all(a->conn, line, strlen(line),
                                     lg_run_now_exact_ns(a->run) + LG_SEC);
        lg_free(line);
    }
}

static void lease(sim_node *n);

static void
hear(struct agent *a, char *text)
{
    sim_node *n = a->n;
    lg_agent_line l;
    if (lg_agent_line_decode(text, &l) != LG_OK) {
        sim_fail(n->w, "node %u: the instance sent a malformed line", n->id);
        return;
    }
    if (strcmp(l.type, "HELLO") == 0) {
        char buf[LG_AGENT_LINE_MAX];
        lg_agent_writer w;
        a->incarnation = n->incarnation;
        if (!n->cut) { /* with the first lease: a cold start writes at once */
            n->last_beat = lg_sim_now(n->w->sim);
            n->lease_until = lg_run_now_exact_ns(a->run) + SIM_LEASE;
            lease(n);
        }
        lg_agent_begin(&w, buf, "WELCOME");
        lg_agent_add_u64(&w, "incarnation", n->incarnation);
        lg_agent_add_u64(&w, "cold", n->cold);
        end_and_say(a, &w);
    } else if (strcmp(l.type, "READY") == 0) {
        n->ready = true;
    } else if (strcmp(l.type, "STATE") == 0) {
        const char *state = lg_agent_line_get(&l, "state");
        bool open = state && strcmp(state, "OPEN") == 0;
        /* messages were lost in this epoch, the connections are back: a new one */
        if (lg_agent_line_u64(&l, "broken", 0) && !lg_agent_line_u64(&l, "lost", 0) &&
            lg_agent_line_u64(&l, "epoch", 0) == n->w->epoch)
            n->w->report = true;
        if (open && !n->open)
            sim_log(n->w, "node %u is open", n->id);
        n->open = open;
    }
}

static void
talk(struct agent *a)
{
    a->in_len = 0;
    for (;;) {
        size_t got;
        lg_status st =
            lg_sock_read(a->conn, a->in + a->in_len, sizeof a->in - a->in_len, LG_FOREVER, &got);
        if (st != LG_OK)
            return;
        a->in_len += got;
        char *from = a->in, *nl;
        while ((nl = memchr(from, '\n', a->in_len - (size_t)(from - a->in)))) {
            *nl = 0;
            hear(a, from);
            from = nl + 1;
        }
        a->in_len -= (size_t)(from - a->in);
        memmove(a->in, from, a->in_len);
    }
}

static void
agent_fiber(void *arg)
{
    struct agent *a = arg;
    char address[32];
    snprintf(address, sizeof address, "sim:%u:9000", a->n->id);
    if (lg_sock_listen(a->run, address, 8, &a->listener) != LG_OK) {
        sim_fail(a->n->w, "agent %u cannot listen", a->n->id);
        return;
    }
    lg_sock *s;
    while (lg_sock_accept(a->listener, LG_FOREVER, &s) == LG_OK) {
        a->conn = s;
        a->incarnation = 0;
        talk(a);
        a->conn = NULL;
        while (a->out_from != a->out_to) /* was for the one that is gone */
            lg_free(a->outbox[a->out_from++ % OUTBOX]);
        lg_sock_close(s);
    }
}

static void
agent_start(sim_world *w, unsigned id)
{
    struct agent *a = &state_of(w)->agents[id];
    a->n = &w->node[id];
    a->n->agent = a;
    a->heap = lg_heap_create();
    lg_heap *outer = lg_heap_switch(a->heap);
    lg_run_config rc = {.name = "agent", .sim = w->sim, .sim_node = id, .heap = a->heap};
    lg_waitq_init(&a->out_wait);
    if (lg_run_create(&rc, &a->run) != LG_OK ||
        lg_run_spawn(a->run, "agent", 256 * 1024, agent_fiber, a, NULL) != LG_OK ||
        lg_run_spawn(a->run, "agent writer", 0, writer_fiber, a, NULL) != LG_OK)
        sim_fail(w, "agent %u does not start", id);
    (void)lg_heap_switch(outer);
}

/* ---- the instance ---- */

static void
die(void *arg, lg_status why)
{
    sim_node_give_up(arg, "instance", why);
}

static void
config_of(sim_world *w, unsigned id, lg_instance_config *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->node = id;
    snprintf(ret->name, sizeof ret->name, "sim%u", id);
    snprintf(ret->listen, sizeof ret->listen, "sim:%u:5432", id);
    snprintf(ret->transport, sizeof ret->transport, "sim");
    snprintf(ret->interconnect, sizeof ret->interconnect, "sim:%u:7000", id);
    if (!alone(w))
        snprintf(ret->agent, sizeof ret->agent, "sim:%u:9000", id);
    snprintf(ret->cluster_key, sizeof ret->cluster_key, "%s", state_of(w)->key_path);
    ret->disk_count = SIM_DISKS;
    for (unsigned i = 0; i < SIM_DISKS; i++)
        snprintf(ret->disks[i], sizeof ret->disks[i], "%s", sim_disk_name(i));
    ret->cache_bytes = 8u << 20;
    snprintf(ret->temp_dir, sizeof ret->temp_dir, "scratch");
    ret->column_cache_bytes = 1u << 20;
    ret->undo_retention_ms = 60000;
    ret->disk_timeout_ms = SIM_DISK_TIMEOUT / LG_MS;
    if (w->mutate && strcmp(w->mutate, "hang") == 0)
        ret->disk_timeout_ms = UINT32_MAX;
    ret->max_sessions = 64;
    ret->trust_unix = true;
}

struct running {
    sim_node *n;
    lg_instance *in;
};

static void
instance_fiber(void *arg)
{
    struct running *r = arg;
    sim_node *n = r->n;
    lg_log *log =
        n->w->verbose ? lg_log_create(STDERR_FILENO, "sim", LG_LOG_INFO, NULL, NULL) : NULL;
    lg_instance_env env = {
        .run = n->run, .log = log, .stats = lg_run_stats(n->run), .die = die, .arg = n};
    lg_instance_config cfg;
    config_of(n->w, n->id, &cfg);
    sim_node_give_up(n, "instance", lg_instance_run(&env, &cfg, &r->in));
}

/* Alone: nobody tells that it is open. */
static void
watch_fiber(void *arg)
{
    struct running *r = arg;
    while (!r->in || !r->in->sessions)
        (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(r->n->run) + 10 * LG_MS, LG_WAIT_SLEEP);
    r->n->open = true;
    sim_log(r->n->w, "node %u is open", r->n->id);
}

static void
boot(sim_node *n)
{
    struct running *r = lg_zalloc(sizeof *r);
    r->n = n;
    n->inst = (sim_instance *)(void *)r;
    if (alone(n->w)) {
        n->ready = true;
        if (lg_run_spawn(n->run, "watch", 0, watch_fiber, r, NULL) != LG_OK)
            sim_node_give_up(n, "spawn", LG_NO_MEMORY);
    }
    if (lg_run_spawn(n->run, "instance", 512 * 1024, instance_fiber, r, NULL) != LG_OK)
        sim_node_give_up(n, "spawn", LG_NO_MEMORY);
}

static lg_instance *
instance_of(const sim_node *n)
{
    return n->inst ? ((struct running *)(void *)n->inst)->in : NULL;
}

static void
stop_arrives(void *arg)
{
    sim_node *n = arg;
    if (instance_of(n))
        lg_instance_stop(instance_of(n), 200);
}

static void
stop(sim_node *n)
{
    (void)lg_sim_at(n->w->sim, lg_sim_now(n->w->sim), n->run, stop_arrives, n);
}

static void
lease(sim_node *n)
{
    struct agent *a = n->agent;
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    if (alone(n->w) || a->incarnation != n->incarnation)
        return;
    lg_agent_begin(&w, buf, "LEASE");
    lg_agent_add_u64(&w, "until_ns", n->lease_until);
    end_and_say(a, &w);
}

static void
view(sim_node *n, uint64_t epoch, const lg_rpc_member *members, unsigned count)
{
    struct agent *a = n->agent;
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    lg_agent_view v = {.epoch = epoch, .member_count = count};
    for (unsigned i = 0; i < count; i++) {
        v.members[i].node = members[i].node;
        v.members[i].incarnation = members[i].incarnation;
        snprintf(v.members[i].address, sizeof v.members[i].address, "%s", members[i].address);
    }
    if (alone(n->w) || a->incarnation != n->incarnation)
        return;
    lg_agent_begin(&w, buf, "VIEW");
    lg_agent_add_view(&w, &v);
    end_and_say(a, &w);
}

static bool
settled(const sim_node *n)
{
    const lg_instance *in = instance_of(n);
    if (alone(n->w))
        return in && in->sessions && in->rollbacks == 0;
    return in && in->reconf && in->recoverer && lg_reconf_open_epoch(in->reconf) == n->w->epoch &&
           lg_recoverer_pending(in->recoverer) == 0 && in->rollbacks == 0 && in->sessions;
}

static lg_buf_cache *
cache_of(const sim_node *n)
{
    const lg_instance *in = instance_of(n);
    return in ? in->buf : NULL;
}

static bool
closed(const sim_node *n, uint64_t key)
{
    const lg_instance *in = instance_of(n);
    return in && in->cf && lg_map_get(in->cf->gate, key);
}

static lg_txn_sys *
txns_of(const sim_node *n)
{
    const lg_instance *in = instance_of(n);
    return in && in->sessions ? in->txns : NULL;
}

/* ---- invariants ---- */

/* The transaction table of an undo segment is loaded by at most one instance: two would each answer
 * for its transactions from their own memory. */
static void
check(sim_world *w)
{
    for (uint16_t useg = 1; useg <= w->node_count; useg++) {
        unsigned holder = 0;
        for (unsigned i = 1; i <= w->node_count; i++) {
            const lg_instance *in = instance_of(&w->node[i]);
            if (!sim_is_member(w, i) || !in || !in->txns || !lg_txn_segment_loaded(in->txns, useg))
                continue;
            if (holder)
                sim_fail(w, "undo segment %u is loaded by nodes %u and %u", useg, holder, i);
            holder = i;
        }
    }
}

/* ---- post mortem ---- */

static void
tell_enqueue(void *arg, const lg_ges_row *row)
{
    sim_world *w = arg;
    if (row->requested != LG_LOCK_NONE || row->blocking || row->res.type == LG_GES_OTHER)
        sim_log(w, "  enqueue %u.%u.%llu%s: held %s, wanted %s%s, master %u", row->res.type,
                row->res.id1, (unsigned long long)row->res.id2, row->gid ? " by an owner" : "",
                lg_lock_mode_name(row->held), lg_lock_mode_name(row->requested),
                row->blocking ? ", blocking" : "", row->master);
}

static void
tell_block(void *arg, const lg_cf_element *e)
{
    if (e->acquiring || e->converting || e->queued || e->recovering)
        sim_log(
            arg,
            "  block %u.%u: mode %u%s%s%s%s%s, version %llx; master %u%s: x %u s %llx pi %llx%s "
            "%u queued",
            e->addr.file, e->addr.block, e->mode, e->dirty ? " dirty" : "", e->pi ? " pi" : "",
            e->acquiring ? " acquiring" : "", e->releasing ? " releasing" : "",
            e->recovering ? " closed" : "", (unsigned long long)e->version, e->master,
            e->mastered ? ", here" : "", e->x_holder, (unsigned long long)e->s_holders,
            (unsigned long long)e->pi_holders, e->converting ? " converting" : "", e->queued);
}

/* Of a run that failed: how far each instance came, and what it waits for. */
static void
tell_state(sim_world *w)
{
    for (unsigned i = 1; i <= w->node_count; i++) {
        const sim_node *n = &w->node[i];
        lg_instance *in = instance_of(n);
        lg_reconf_record r;
        unsigned pos = 0, at = 0;
        if (!in || !in->reconf || !lg_reconf_next(in->reconf, &pos, &r))
            continue;
        for (unsigned k = 0; k < LG_RECONF_STEPS; k++)
            at = r.start[k] ? k : at;
        sim_log(w,
                "node %u: incarnation %llu, %s%s%s, %u rollbacks; open in %llu; epoch %llu: %s%s, "
                "dead %llx, recoverer %u",
                i, (unsigned long long)n->incarnation, in->redo ? "redo open" : "no redo",
                in->txns ? ", transactions" : "", in->sessions ? ", sessions" : "", in->rollbacks,
                (unsigned long long)lg_reconf_open_epoch(in->reconf), (unsigned long long)r.epoch,
                lg_reconf_step_name((lg_reconf_step)at), r.running ? ", running" : "",
                (unsigned long long)r.dead, r.recoverer);
        lg_ges_visit(in->ges, tell_enqueue, w);
        lg_cf_elements(in->cf, tell_block, w);
        lg_rpc_peer_info info;
        for (pos = 0; lg_rpc_peer_next(in->rpc, &pos, &info);)
            sim_log(w, "  peer %u.%llu %s%s, %u queued, %u credits", info.node,
                    (unsigned long long)info.incarnation,
                    info.connected ? "connected" : "not connected", info.broken ? ", broken" : "",
                    info.queued, info.credits);
    }
}

/* ---- the world ---- */

static void
create_fiber(void *arg)
{
    sim_world *w = arg;
    struct sql_state *s = state_of(w);
    lg_log *log =
        w->verbose ? lg_log_create(STDERR_FILENO, "create", LG_LOG_INFO, NULL, NULL) : NULL;
    lg_instance_env env = {.run = s->run, .log = log};
    lg_instance_create_config cc = {.instances = w->node_count,
                                    .block_bytes = SIM_BLOCK_BYTES,
                                    .log_file_bytes = 2u << 20,
                                    .database = "lagoon",
                                    .user = "lagoon",
                                    .password = "lagoon"};
    config_of(w, 1, &cc.instance);
    s->create_status = lg_instance_create_database(&env, &cc);
    s->created = true;
}

static bool
created(void *arg)
{
    return state_of(arg)->created;
}

static void
write_key(struct sql_state *s)
{
    snprintf(s->key_path, sizeof s->key_path, "/tmp/lagoon-sim.%d.key", (int)getpid());
    FILE *f = fopen(s->key_path, "w");
    if (f) {
        fputs("a key for the simulated cluster\n", f);
        fclose(f);
    }
}

static void client_fiber(void *arg);

struct client {
    sim_world *w;
    uint32_t number;
};

static void
world_begin(sim_world *w)
{
    struct sql_state *s = lg_zalloc(sizeof *s);
    w->kind_state = s;
    write_key(s);
    s->heap = lg_heap_create();
    lg_heap *outer = lg_heap_switch(s->heap);
    lg_run_config rc = {.name = "clients", .sim = w->sim, .sim_node = CLIENT_NODE, .heap = s->heap};
    lg_status st = lg_run_create(&rc, &s->run);
    if (st == LG_OK)
        st = lg_run_spawn(s->run, "create", 512 * 1024, create_fiber, w, NULL);
    if (st == LG_OK)
        st = lg_sim_run(w->sim, created, w, 600 * LG_SEC);
    if (st == LG_OK)
        st = s->create_status;
    if (st != LG_OK)
        sim_fail(w, "the database is not created: %s", lg_status_name(st));
    for (uint32_t i = 0; i < CLIENTS && st == LG_OK; i++) {
        struct client *c = lg_zalloc(sizeof *c);
        *c = (struct client){w, i};
        st = lg_run_spawn(s->run, "client", 0, client_fiber, c, NULL);
    }
    if (st == LG_OK)
        sim_readers_start(w, w->hard ? 2 : 1);
    if (st == LG_OK)
        sim_skew_start(w, 2);
    if (st == LG_OK)
        sim_seen_start(w, 4);
    if (st == LG_OK)
        sim_ddl_start(w, w->hard ? 2 : 1);
    if (st == LG_OK && sim_sql_wide(w)) {
        sim_big_start(w, 2);
        sim_numbers_start(w, 2);
        sim_told_start(w, 2, 3);
    }
    (void)lg_heap_switch(outer);
    for (unsigned i = 1; i <= w->node_count; i++)
        agent_start(w, i);
}

static void
world_end(sim_world *w)
{
    struct sql_state *s = state_of(w);
    for (unsigned i = 1; i <= w->node_count; i++) {
        lg_run_destroy(s->agents[i].run);
        lg_heap_destroy(s->agents[i].heap);
    }
    lg_run_destroy(s->run);
    lg_heap_destroy(s->heap);
    (void)unlink(s->key_path);
    lg_free(s);
}

/* ---- clients ---- */

lg_run *
sim_sql_run(const sim_world *w)
{
    return ((const struct sql_state *)w->kind_state)->run;
}

lg_heap *
sim_sql_heap(const sim_world *w)
{
    return ((const struct sql_state *)w->kind_state)->heap;
}

static void
nap(sim_world *w, uint64_t us)
{
    lg_run *r = state_of(w)->run;
    (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(r) + us * 1000, LG_WAIT_SLEEP);
}

static lg_status
connect_to(sim_world *w, sim_pg *c, unsigned id)
{
    char address[32];
    snprintf(address, sizeof address, "sim:%u:5432", id);
    return sim_pg_connect(c, state_of(w)->run, address, "lagoon", "lagoon");
}

bool
sim_sql_wide(const sim_world *w)
{
    return w->kind == &sim_kind_wide;
}

void
sim_sql_nap(sim_world *w, uint64_t us)
{
    nap(w, us);
}

lg_status
sim_sql_connect(sim_world *w, sim_pg *c, unsigned node)
{
    return connect_to(w, c, node);
}

static void
session_fiber(void *arg)
{
    const sim_sql_client *k = arg;
    sim_world *w = k->w;
    while (!w->stop_work && w->verdict == 0) {
        sim_pg c;
        unsigned node = 1 + (unsigned)sim_draw(w, w->node_count);
        if (w->bank_ready && sim_sql_connect(w, &c, node) == LG_OK) {
            lg_status st = LG_OK;
            for (unsigned i = 0; st == LG_OK && i < k->rounds && !w->stop_work && w->verdict == 0;
                 i++) {
                w->node[0].active++;
                st = k->act(w, &c, k->number, node, i);
                w->node[0].active--;
                sim_sql_nap(w, k->us + sim_draw(w, k->us_more));
            }
            sim_pg_close(&c);
        }
        sim_sql_nap(w, k->us_between);
    }
}

void
sim_sql_clients(const char *name, unsigned count, const sim_sql_client *like)
{
    for (unsigned i = 0; i < count; i++) {
        sim_sql_client *k = lg_zalloc(sizeof *k);
        *k = *like;
        k->number = i;
        if (lg_run_spawn(sim_sql_run(k->w), name, 0, session_fiber, k, NULL) != LG_OK)
            sim_fail(k->w, "no fiber");
    }
}

/* Deadlock, serialization, lost connections, a snapshot too old, lost disks, an instance that ends.
 */
bool
sim_sql_excused(const char *sqlstate)
{
    return strcmp(sqlstate, "40P01") == 0 || strcmp(sqlstate, "40001") == 0 ||
           strcmp(sqlstate, "72000") == 0 || strcmp(sqlstate, "58030") == 0 || sqlstate[0] == '0' ||
           !strncmp(sqlstate, "57P", 3);
}

static lg_status
make_tables(sim_world *w, sim_pg *c)
{
    char sql[200];
    LG_TRY(sim_pg_query(
        c, "create table if not exists accounts (id int primary key, balance bigint, note text)",
        NULL, NULL));
    LG_TRY(
        sim_pg_query(c,
                     "create table if not exists ledger (op bigint primary key, src int, dst int, "
                     "amount int)",
                     NULL, NULL));
    LG_TRY(sim_skew_tables(c));
    LG_TRY(sim_seen_table(c));
    if (sim_sql_wide(w)) {
        LG_TRY(sim_big_table(c));
        LG_TRY(sim_numbers_tables(c));
        LG_TRY(sim_told_table(c));
    }
    LG_TRY(sim_pg_query(c,
                        "create table if not exists bulk (op bigint, k int, note text, primary key "
                        "(op, k)); create index if not exists bulk_k on bulk (k)",
                        NULL, NULL));
    snprintf(sql, sizeof sql,
             "insert into accounts (id, balance) select g, %d from generate_series(0, %u) g",
             SIM_START, SIM_ACCOUNTS - 1);
    LG_TRY(sim_pg_query(c, sql, NULL, NULL));
    w->bank_ready = true;
    return LG_OK;
}

/* What a transfer does besides, before it commits: row locks, work taken back, rows that grow and
 * move. */
static lg_status
besides(sim_pg *c, const sim_ack *a, unsigned what)
{
    char sql[200];
    switch (what) {
    case 0:
        return LG_RETRY; /* thinks better of it */
    case 1:
        snprintf(sql, sizeof sql,
                 "savepoint s; update accounts set balance = 0 where id = %u; "
                 "insert into ledger values (-1, 0, 0, 0); rollback to s",
                 a->from);
        break;
    case 2:
        snprintf(sql, sizeof sql, "update accounts set note = repeat('x', %u) where id = %u",
                 (unsigned)(a->op % 37) * 80, a->from);
        break;
    case 3:
        snprintf(sql, sizeof sql, "select balance from accounts where id = %u for update",
                 (a->from + 1) % SIM_ACCOUNTS);
        break;
    case 4:
        snprintf(
            sql, sizeof sql,
            "delete from ledger where op = %llu; insert into ledger values (%llu, %u, %u, %lld)",
            (unsigned long long)a->op, (unsigned long long)a->op, a->from, a->to,
            (long long)a->amount);
        break;
    case 5: /* many rows at once; all of them or none */
        snprintf(sql, sizeof sql,
                 "insert into bulk select %llu, g, repeat('y', g) from generate_series(1, %d) g",
                 (unsigned long long)a->op, SIM_BULK);
        break;
    case 6:
        snprintf(sql, sizeof sql,
                 "savepoint s; insert into bulk select -%llu, g from generate_series(1, 200) g; "
                 "rollback to s",
                 (unsigned long long)a->op);
        break;
    default:
        return LG_OK;
    }
    return sim_pg_query(c, sql, NULL, NULL);
}

/* One transfer; LG_OK: acknowledged. */
static lg_status
transfer(sim_pg *c, const sim_ack *a, unsigned what)
{
    char sql[4][160];
    snprintf(sql[0], sizeof sql[0], "update accounts set balance = balance - %lld where id = %u",
             (long long)a->amount, a->from);
    snprintf(sql[1], sizeof sql[1], "update accounts set balance = balance + %lld where id = %u",
             (long long)a->amount, a->to);
    snprintf(sql[2], sizeof sql[2], "insert into ledger values (%llu, %u, %u, %lld)",
             (unsigned long long)a->op, a->from, a->to, (long long)a->amount);
    lg_status st = sim_pg_query(c, "begin", NULL, NULL);
    for (unsigned i = 0; st == LG_OK && i < 3; i++)
        st = sim_pg_query(c, sql[i], NULL, NULL);
    if (st == LG_OK)
        st = besides(c, a, what);
    if (st == LG_OK)
        return sim_pg_query(c, "commit", NULL, NULL);
    if (st == LG_SQL || st == LG_RETRY) {
        char why[sizeof c->sqlstate]; /* the rollback's success must not hide it */
        memcpy(why, c->sqlstate, sizeof why);
        LG_TRY(sim_pg_query(c, "rollback", NULL, NULL));
        memcpy(c->sqlstate, why, sizeof why);
    }
    return st;
}

static void
client_work(sim_world *w, struct client *k, sim_pg *c)
{
    while (!w->stop_work) {
        if (!w->bank_ready) {
            if (k->number == 0 && make_tables(w, c) != LG_OK) {
                sim_fail(w, "the tables cannot be made: %s %s", c->sqlstate, c->message);
                return;
            }
            nap(w, 20000);
            continue;
        }
        uint64_t r = lg_sim_random(w->sim);
        sim_ack a = {.op = (uint64_t)(k->number + 1) << 40 | ++w->op_counter[0],
                     .from = (uint32_t)(r % SIM_ACCOUNTS),
                     .to = (uint32_t)(r / SIM_ACCOUNTS % SIM_ACCOUNTS),
                     .amount = (int64_t)(r >> 48) % 100};
        if (a.from == a.to)
            continue;
        w->attempts++;
        w->node[0].active++;
        lg_status st = transfer(c, &a, w->hard ? (unsigned)sim_draw(w, 20) : 20);
        w->node[0].active--;
        if (st == LG_OK)
            sim_acknowledge(w, &a);
        else
            w->errors++;
        if (st == LG_SQL && !sim_sql_excused(c->sqlstate))
            sim_fail(w, "a transfer failed: %s %s", c->sqlstate, c->message);
        if (st != LG_OK && st != LG_SQL && st != LG_RETRY)
            return;
        nap(w, 100 + lg_sim_random(w->sim) % 4000);
    }
}

static void
client_fiber(void *arg)
{
    struct client *k = arg;
    sim_world *w = k->w;
    while (!w->stop_work && w->verdict == 0) {
        sim_pg c;
        unsigned id = 1 + (unsigned)(lg_sim_random(w->sim) % w->node_count);
        if (connect_to(w, &c, id) == LG_OK) {
            client_work(w, k, &c);
            sim_pg_close(&c);
        }
        nap(w, 20000);
    }
}

/* ---- the end ---- */

#define READ_TRIES 40

static void
verify_fiber(void *arg)
{
    sim_world *w = arg;
    while (w->node[0].active)
        nap(w, 1000);
    sim_pg c;
    unsigned id = 1 + (unsigned)(lg_sim_random(w->sim) % w->node_count);
    lg_status st = LG_CLOSED;
    /* A broken link between living members may still make one of them give up and come back. */
    for (int tries = 0; st != LG_OK && tries < READ_TRIES; tries++) {
        sim_reading *r = sim_reading_create();
        st = connect_to(w, &c, id);
        if (st == LG_OK)
            st = sim_reading_take(&c, r);
        if (st == LG_OK)
            st = sim_skew_look(w, &c, id, w->skew_ack_count);
        if (st == LG_OK)
            st = sim_ddl_verify(w, &c);
        if (st == LG_OK)
            st = sim_space_look(w, &c, id);
        if (st == LG_OK)
            st = sim_told_look(w, &c);
        if (st == LG_OK)
            sim_reading_judge(w, r, id, w->ack_count);
        else if (tries + 1 == READ_TRIES)
            sim_fail(w, "node %u cannot be read at the end: %s %s", id, lg_status_name(st),
                     c.message);
        sim_pg_close(&c);
        sim_reading_destroy(r);
        if (st != LG_OK)
            nap(w, 500000);
    }
    if (w->verdict == 0)
        w->verdict = 1;
}

static void
verify(sim_world *w)
{
    lg_heap *outer = lg_heap_switch(state_of(w)->heap);
    if (lg_run_spawn(state_of(w)->run, "verify", 0, verify_fiber, w, NULL) != LG_OK)
        sim_fail(w, "no fiber");
    (void)lg_heap_switch(outer);
}

#define KIND(called, end_in_order)                                                                 \
    {                                                                                              \
        .name = called, .world_begin = world_begin, .world_end = world_end, .boot = boot,          \
        .lease = lease, .view = view, .settled = settled, .cache = cache_of, .check = check,       \
        .closed = closed, .post_mortem = tell_state, .txns = txns_of, .verify = verify,            \
        .stop = end_in_order,                                                                      \
    }
const sim_kind sim_kind_sql = KIND("sql", NULL);
const sim_kind sim_kind_wide = KIND("wide", stop); /* the same, and more to do at once */
