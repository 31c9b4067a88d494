/* Life, accepting, probes, choice of an instance, status. */
#include "listener_internal.h"

#include "assert.h"
#include "config.h"
#include "mem.h"
#include "pgwire.h"
#include <stdio.h>
#include <string.h>

#define STACK_BYTES  (64 * 1024)
#define LISTEN_LIMIT (5 * LG_SEC)

typedef struct lg_listener_socket {
    lg_list node;
    lg_listener *l;
    lg_sock *sock;
    bool is_status;
} lg_listener_socket;

struct probe {
    lg_listener *l;
    unsigned target;
};

/* ---- fibers ---- */

lg_status
lg_listener__spawn(lg_listener *l, const char *name, void (*fn)(void *arg), void *arg)
{
    LG_TRY(lg_run_spawn(l->run, name, STACK_BYTES, fn, arg, NULL));
    l->fibers++;
    return LG_OK;
}

void
lg_listener__fiber_left(lg_listener *l)
{
    l->fibers--;
    if (l->stopping)
        (void)lg_waitq_wake_all(&l->changed);
}

/* ---- choice ---- */

static bool
usable(const lg_listener_target *t)
{
    return t->up && (!t->state[0] || strcmp(t->state, "OPEN") == 0);
}

int
lg_listener__choose(const lg_listener *l, uint64_t among, uint64_t tried)
{
    int best = -1;
    for (unsigned i = 0; i < l->cfg.instance_count; i++) {
        const lg_listener_target *t = &l->targets[i];
        if (!(among & 1ULL << i) || (tried & 1ULL << i) || !usable(t))
            continue;
        const lg_listener_target *b = best < 0 ? NULL : &l->targets[best];
        uint64_t load = t->connections + t->load;
        if (!b || load < b->connections + b->load ||
            (load == b->connections + b->load && t->total < b->total))
            best = (int)i;
    }
    return best;
}

void
lg_listener__mark(lg_listener *l, unsigned target, bool up, const char *why)
{
    lg_listener_target *t = &l->targets[target];
    if (up)
        t->failed_probes = 0;
    if (t->up == up)
        return;
    t->up = up;
    t->ever_up |= up;
    lg_log_info(l->log, "listener", "instance %u at %s is %s%s%s", t->conf.id, t->conf.address,
                up ? "up" : "down", why ? ": " : "", why ? why : "");
}

/* ---- probes ---- */

/* Connects and asks for TLS: any one-byte answer shows a living server. */
static lg_status
probe_once(lg_listener *l, const lg_listener_target *t)
{
    static const unsigned char ask[8] = {0, 0, 0, 8, 4, 210, 22, 47}; /* SSLRequest */
    lg_time deadline = lg_run_now_exact_ns(l->run) + l->cfg.probe_timeout_ms * LG_MS;
    lg_sock *s;
    LG_TRY(lg_sock_connect(l->run, t->conf.address, deadline, &s));
    char answer;
    size_t n;
    lg_status st = lg_sock_write_all(s, ask, sizeof ask, deadline);
    if (st == LG_OK)
        st = lg_sock_read(s, &answer, 1, deadline, &n);
    lg_sock_close(s);
    return st;
}

static void
probe_fiber(void *arg)
{
    struct probe *p = arg;
    lg_listener *l = p->l;
    lg_listener_target *t = &l->targets[p->target];
    while (!l->stopping) {
        lg_status st = probe_once(l, t);
        if (l->stopping)
            break;
        if (st == LG_OK) {
            lg_listener__mark(l, p->target, true, NULL);
        } else if (++t->failed_probes >= l->cfg.probe_failures || st == LG_PEER_DOWN) {
            lg_listener__mark(l, p->target, false, lg_status_text(st));
            /* It may hang without having closed anything. */
            if (t->failed_probes >= l->cfg.probe_failures)
                lg_listener__sessions_close(l, (int)p->target);
        }
        lg_time next = lg_run_now_exact_ns(l->run) + l->cfg.probe_ms * LG_MS;
        /* While down it is looked for more often: a restarted instance is found quickly. */
        if (!t->up)
            next -= l->cfg.probe_ms * LG_MS * 3 / 4;
        (void)!lg_waitq_wait(&l->changed, LG_WAIT_BACKGROUND_IDLE, next, false);
    }
    lg_free(p);
    lg_listener__fiber_left(l);
}

/* Services that the agents know, after those of the configuration. */
static void
read_services(lg_listener *l, const lg_config *c)
{
    char path[64];
    size_t n = lg_config_count(c, "services");
    l->cfg.service_count = l->fixed_services;
    for (size_t i = 0; i < n && l->cfg.service_count < LG_LISTENER_MAX_SERVICES; i++) {
        lg_listener_service s = {.instances = 0};
        snprintf(path, sizeof path, "services[%zu].name", i);
        const char *name = lg_config_string(c, path);
        snprintf(path, sizeof path, "services[%zu].database", i);
        const char *database = lg_config_string(c, path);
        snprintf(path, sizeof path, "services[%zu].instances", i);
        size_t count = lg_config_count(c, path);
        for (size_t k = 0; k < count; k++) {
            int64_t id = 0;
            snprintf(path, sizeof path, "services[%zu].instances[%zu]", i, k);
            (void)lg_config_int(c, path, &id);
            for (unsigned t = 0; t < l->cfg.instance_count; t++)
                if (l->cfg.instances[t].id == id)
                    s.instances |= 1ULL << t;
        }
        if (!name || !s.instances)
            continue;
        snprintf(s.name, sizeof s.name, "%s", name);
        snprintf(s.database, sizeof s.database, "%s", database ? database : "");
        l->cfg.services[l->cfg.service_count++] = s;
    }
}

/* An instance that was added while we run, or that listens somewhere else now. */
static lg_listener_target *
learn_instance(lg_listener *l, int64_t id, const char *address)
{
    unsigned k = 0;
    while (k < l->cfg.instance_count && l->cfg.instances[k].id != id)
        k++;
    lg_listener_target *t = &l->targets[k];
    bool usable_address = address && *address && strlen(address) < sizeof t->conf.address;
    if (k < l->cfg.instance_count)
        return t;
    if (k == LG_LISTENER_MAX_INSTANCES || id < 1 || id > 2047 || !usable_address)
        return NULL;
    struct probe *p = lg_zalloc(sizeof *p);
    *p = (struct probe){l, k};
    *t = (lg_listener_target){.conf = {.id = (uint32_t)id}};
    snprintf(t->conf.address, sizeof t->conf.address, "%s", address);
    l->cfg.instances[k] = t->conf;
    if (lg_listener__spawn(l, "probe", probe_fiber, p) != LG_OK) {
        lg_free(p);
        return NULL;
    }
    l->cfg.instance_count++;
    lg_log_info(l->log, "listener", "instance %u at %s is new", t->conf.id, t->conf.address);
    return t;
}

/* The agent's word on each instance. A file that is missing or unreadable says nothing. */
static void
read_status_file(lg_listener *l)
{
    lg_config *c;
    char message[128], path[64];
    if (lg_config_load(l->cfg.status_file, &c, message, sizeof message) != LG_OK)
        return;
    size_t n = lg_config_count(c, "instances");
    for (size_t i = 0; i < n; i++) {
        int64_t id = 0, load = 0;
        snprintf(path, sizeof path, "instances[%zu].id", i);
        (void)lg_config_int(c, path, &id);
        snprintf(path, sizeof path, "instances[%zu].load", i);
        (void)lg_config_int(c, path, &load);
        snprintf(path, sizeof path, "instances[%zu].state", i);
        const char *state = lg_config_string(c, path);
        snprintf(path, sizeof path, "instances[%zu].address", i);
        lg_listener_target *t = learn_instance(l, id, lg_config_string(c, path));
        if (!t)
            continue;
        t->load = load > 0 ? (uint64_t)load : 0;
        snprintf(t->state, sizeof t->state, "%s", state ? state : "");
    }
    read_services(l, c);
    lg_config_free(c);
}

static void
status_file_fiber(void *arg)
{
    lg_listener *l = arg;
    while (!l->stopping) {
        read_status_file(l);
        lg_time next = lg_run_now_exact_ns(l->run) + l->cfg.probe_ms * LG_MS;
        (void)!lg_waitq_wait(&l->changed, LG_WAIT_BACKGROUND_IDLE, next, false);
    }
    lg_listener__fiber_left(l);
}

/* ---- accepting ---- */

static void
answer_status(lg_listener *l, lg_sock *s)
{
    lg_strbuf b;
    lg_strbuf_init(&b, 64 * 1024);
    lg_strbuf_printf(&b, "{\"connections\":%u,\"instances\":[", l->session_count);
    for (unsigned i = 0; i < l->cfg.instance_count; i++) {
        const lg_listener_target *t = &l->targets[i];
        lg_strbuf_printf(&b,
                         "%s{\"id\":%u,\"address\":\"%s\",\"up\":%s,\"state\":\"%s\","
                         "\"connections\":%u,\"total\":%llu,\"failures\":%llu,\"load\":%llu}",
                         i ? "," : "", t->conf.id, t->conf.address, t->up ? "true" : "false",
                         t->state, t->connections, (unsigned long long)t->total,
                         (unsigned long long)t->failures, (unsigned long long)t->load);
    }
    lg_strbuf_puts(&b, "]}\n");
    (void)!lg_sock_write_all(s, b.data, b.len, lg_run_now_ns(l->run) + LG_SEC);
    lg_strbuf_fini(&b);
    lg_sock_close(s);
}

static void
accept_fiber(void *arg)
{
    lg_listener_socket *a = arg;
    lg_listener *l = a->l;
    while (!l->stopping) {
        lg_sock *s;
        lg_status st = lg_sock_accept(a->sock, LG_FOREVER, &s);
        if (l->stopping && st == LG_OK)
            lg_sock_close(s);
        if (l->stopping || st == LG_CLOSED)
            break;
        if (st != LG_OK) { /* out of descriptors: others must close first */
            (void)!lg_fiber_sleep_until(lg_run_now_ns(l->run) + 50 * LG_MS,
                                        LG_WAIT_BACKGROUND_IDLE);
            continue;
        }
        if (a->is_status)
            answer_status(l, s);
        else
            lg_listener__session_start(l, s);
    }
    lg_listener__fiber_left(l);
}

static lg_status
listen_at(lg_listener *l, const char *address, bool is_status)
{
    lg_sock *s;
    lg_status st =
        lg_sock_listen_wait(l->run, address, 1024, lg_run_now_ns(l->run) + LISTEN_LIMIT, &s);
    if (st != LG_OK) {
        lg_log_error(l->log, "listener", "cannot listen at %s: %s", address, lg_status_text(st));
        return st;
    }
    lg_listener_socket *a = lg_zalloc(sizeof *a);
    *a = (lg_listener_socket){.l = l, .sock = s, .is_status = is_status};
    lg_list_push_back(&l->sockets, &a->node);
    return lg_listener__spawn(l, "accept", accept_fiber, a);
}

/* ---- life ---- */

static lg_status
start_all(lg_listener *l)
{
    l->fixed_services = l->cfg.service_count;
    for (unsigned i = 0; i < l->cfg.instance_count; i++) {
        struct probe *p = lg_zalloc(sizeof *p);
        *p = (struct probe){l, i};
        lg_status st = lg_listener__spawn(l, "probe", probe_fiber, p);
        if (st != LG_OK) {
            lg_free(p);
            return st;
        }
    }
    if (l->cfg.status_file[0]) {
        read_status_file(l);
        LG_TRY(lg_listener__spawn(l, "status file", status_file_fiber, l));
    }
    for (unsigned i = 0; i < l->cfg.listen_count; i++)
        LG_TRY(listen_at(l, l->cfg.listen[i], false));
    return l->cfg.status_listen[0] ? listen_at(l, l->cfg.status_listen, true) : LG_OK;
}

lg_status
lg_listener_start(lg_run *run, const lg_listener_config *cfg, lg_log *log,
                  lg_listener **ret_listener)
{
    LG_ASSERT(cfg->instance_count <= LG_LISTENER_MAX_INSTANCES);
    lg_listener *l = lg_zalloc(sizeof *l);
    l->run = run;
    l->cfg = *cfg;
    l->log = log;
    lg_list_init(&l->sockets);
    lg_list_init(&l->sessions);
    lg_waitq_init(&l->changed);
    for (unsigned i = 0; i < cfg->instance_count; i++)
        l->targets[i] = (lg_listener_target){.conf = cfg->instances[i]};
    lg_status st = start_all(l);
    if (st != LG_OK) {
        lg_listener_stop(l);
        return st;
    }
    *ret_listener = l;
    return LG_OK;
}

void
lg_listener_stop(lg_listener *l)
{
    l->stopping = true;
    LG_LIST_FOREACH (it, &l->sockets)
        lg_sock_close(LG_CONTAINER_OF(it, lg_listener_socket, node)->sock);
    lg_listener__sessions_close(l, -1);
    (void)lg_waitq_wake_all(&l->changed);
    while (l->fibers > 0)
        (void)!lg_waitq_wait(&l->changed, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
    lg_list *n;
    while ((n = lg_list_pop_front(&l->sockets)))
        lg_free(LG_CONTAINER_OF(n, lg_listener_socket, node));
    LG_ASSERT(lg_list_empty(&l->sessions));
    lg_free(l);
}

unsigned
lg_listener_info(const lg_listener *l, lg_listener_instance_info *ret_infos, unsigned max)
{
    unsigned n = 0;
    for (; n < l->cfg.instance_count && n < max; n++) {
        const lg_listener_target *t = &l->targets[n];
        ret_infos[n] = (lg_listener_instance_info){.id = t->conf.id,
                                                   .up = t->up,
                                                   .connections = t->connections,
                                                   .total = t->total,
                                                   .failures = t->failures,
                                                   .load = t->load};
        memcpy(ret_infos[n].state, t->state, sizeof t->state);
    }
    return n;
}
