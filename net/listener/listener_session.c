/* One client: its startup packet, the search for an instance, then two pumps that move bytes.
 *
 * A pump is a fiber while bytes flow and for LINGER_MS after; then it parks: lg_sock_on_readable
 * starts it again. Either end of either pump ends the session.
 *
 * States of a pump: RUNNING (a fiber) <-> PARKED -> ENDED
 *   RUNNING -> PARKED  pump_fiber, nothing came for LINGER_MS
 *   PARKED  -> RUNNING pump_wake
 *   any     -> ENDED   pump_fiber at end of stream; session_close when PARKED */
#include "listener_internal.h"

#include "assert.h"
#include "mem.h"
#include "pgwire.h"
#include <string.h>

#define LINGER_MS   200
#define RELAY_BYTES (16 * 1024)

enum pump_state { PUMP_NONE, PUMP_RUNNING, PUMP_PARKED, PUMP_ENDED };

typedef struct session session;

struct pump {
    session *s;
    lg_sock **from;
    lg_sock **to;
    enum pump_state state;
};

struct session {
    lg_list node;
    lg_listener *l;
    lg_sock *client;
    lg_sock *server;
    int target; /* -1: none yet */
    bool closed;
    bool starting; /* the startup fiber runs */
    struct pump pump[2];
};

static void
session_close(session *s)
{
    if (s->closed)
        return;
    s->closed = true;
    lg_sock_close(s->client);
    if (s->server)
        lg_sock_close(s->server);
    for (unsigned i = 0; i < 2; i++)
        if (s->pump[i].state == PUMP_PARKED)
            s->pump[i].state = PUMP_ENDED;
}

static void
session_free_if_done(session *s)
{
    if (!s->closed || s->starting || s->pump[0].state == PUMP_RUNNING ||
        s->pump[1].state == PUMP_RUNNING)
        return;
    if (s->target >= 0)
        s->l->targets[s->target].connections--;
    s->l->session_count--;
    lg_list_remove(&s->node);
    lg_free(s);
}

void
lg_listener__sessions_close(lg_listener *l, int target)
{
    LG_LIST_FOREACH_SAFE (it, &l->sessions) {
        session *s = LG_CONTAINER_OF(it, session, node);
        if (target >= 0 && s->target != target)
            continue;
        session_close(s);
        session_free_if_done(s);
    }
}

/* ---- the relay ---- */

static void pump_wake(void *arg);

/* Runs until the stream ends or falls silent. The session may have been closed before it begins: its
 * sockets are gone then. */
static lg_status
pump_run(struct pump *p)
{
    session *s = p->s;
    char buf[RELAY_BYTES];
    while (!s->closed) {
        size_t n;
        lg_time quiet = lg_run_now_ns(s->l->run) + LINGER_MS * LG_MS;
        lg_status st = lg_sock_read(*p->from, buf, sizeof buf, quiet, &n);
        if (st == LG_OK && !s->closed)
            st = lg_sock_write_all(*p->to, buf, n, LG_FOREVER);
        if (st != LG_OK && !s->closed)
            return st;
    }
    return LG_CLOSED;
}

static void
pump_fiber(void *arg)
{
    struct pump *p = arg;
    session *s = p->s;
    lg_listener *l = s->l;
    lg_status st = pump_run(p);
    if (st == LG_TIMEOUT) {
        p->state = PUMP_PARKED;
        lg_sock_on_readable(*p->from, pump_wake, p);
    } else {
        p->state = PUMP_ENDED;
        session_close(s);
        session_free_if_done(s);
    }
    lg_listener__fiber_left(l);
}

static void
pump_wake(void *arg)
{
    struct pump *p = arg;
    session *s = p->s;
    if (p->state != PUMP_PARKED)
        return;
    if (lg_listener__spawn(s->l, "relay", pump_fiber, p) == LG_OK) {
        p->state = PUMP_RUNNING;
        return;
    }
    session_close(s);
    session_free_if_done(s);
}

static lg_status
relay_start(session *s)
{
    s->pump[0] = (struct pump){.s = s, .from = &s->client, .to = &s->server};
    s->pump[1] = (struct pump){.s = s, .from = &s->server, .to = &s->client};
    for (unsigned i = 0; i < 2; i++) {
        LG_TRY(lg_listener__spawn(s->l, "relay", pump_fiber, &s->pump[i]));
        s->pump[i].state = PUMP_RUNNING;
    }
    return LG_OK;
}

/* ---- startup ---- */

static void
refuse(session *s, const char *sqlstate, const char *message)
{
    lg_error e = {.set = true, .message = message};
    memcpy(e.sqlstate, sqlstate, 6);
    lg_strbuf b;
    lg_strbuf_init(&b, 4096);
    lg_pgwire_send_error(&b, "FATAL", &e);
    (void)!lg_sock_write_all(s->client, b.data, b.len, lg_run_now_ns(s->l->run) + LG_SEC);
    lg_strbuf_fini(&b);
}

static uint32_t
code_of(const lg_pgwire_msg *m)
{
    lg_pgwire_cursor c = lg_pgwire_cursor_of(m);
    return lg_pgwire_u32(&c);
}

/* Reads up to and including the startup or cancel packet; requests for encryption are declined. */
static lg_status
read_startup(session *s, lg_pgwire_reader *r, lg_pgwire_msg *ret_msg)
{
    lg_time deadline = lg_run_now_exact_ns(s->l->run) + s->l->cfg.startup_ms * LG_MS;
    for (unsigned declined = 0;;) {
        size_t missing = 8, room, n;
        lg_status st = lg_pgwire_next(r, true, ret_msg, &missing);
        if (st == LG_OK) {
            uint32_t code = code_of(ret_msg);
            if (code != LG_PGWIRE_SSL_REQUEST && code != LG_PGWIRE_GSSENC_REQUEST)
                return LG_OK;
            if (++declined > 2)
                return LG_PROTOCOL;
            LG_TRY(lg_sock_write_all(s->client, "N", 1, deadline));
            continue;
        }
        if (st != LG_WOULD_WAIT)
            return st;
        char *at;
        LG_TRY(lg_pgwire_reader_space(r, missing, &at, &room));
        LG_TRY(lg_sock_read(s->client, at, room, deadline, &n));
        lg_pgwire_reader_filled(r, n);
    }
}

/* The startup packet for the instance: the service's name replaced by its database. */
static uint64_t
build_startup(const lg_listener *l, const lg_pgwire_msg *m, lg_strbuf *out, bool *ret_bad)
{
    uint64_t among = ~0ULL;
    const char *user = NULL, *database = NULL;
    lg_pgwire_cursor c = lg_pgwire_cursor_of(m);
    (void)lg_pgwire_u32(&c);
    for (const char *key; *(key = lg_pgwire_cstr(&c)) && !c.bad;) {
        const char *value = lg_pgwire_cstr(&c);
        if (strcmp(key, "user") == 0)
            user = value;
        else if (strcmp(key, "database") == 0)
            database = value;
    }
    *ret_bad = c.bad;
    if (c.bad)
        return 0;
    const char *name = database && *database ? database : user ? user : "";
    const lg_listener_service *found = NULL;
    for (unsigned i = 0; i < l->cfg.service_count && !found; i++)
        if (strcmp(l->cfg.services[i].name, name) == 0)
            found = &l->cfg.services[i];
    if (found && found->instances)
        among = found->instances;
    size_t at = lg_pgwire_begin(out, 0);
    c = lg_pgwire_cursor_of(m);
    lg_pgwire_put_u32(out, lg_pgwire_u32(&c));
    for (const char *key; *(key = lg_pgwire_cstr(&c));) {
        const char *value = lg_pgwire_cstr(&c);
        bool replace = found && found->database[0] && strcmp(key, "database") == 0;
        lg_pgwire_put_cstr(out, key);
        lg_pgwire_put_cstr(out, replace ? found->database : value);
    }
    if (found && found->database[0] && !database) {
        lg_pgwire_put_cstr(out, "database");
        lg_pgwire_put_cstr(out, found->database);
    }
    lg_pgwire_put_u8(out, 0);
    lg_pgwire_end(out, at);
    return among;
}

/* True when the first bytes of an answer are an error that says "not open now". */
static bool
says_not_open(const char *p, size_t n)
{
    return n > 5 && p[0] == 'E' && memmem(p, n, "C57P03", 7) != NULL;
}

/* Sends the startup packet to the target and reads the beginning of its answer. */
static lg_status
try_target(session *s, unsigned i, const lg_strbuf *startup, char *first, size_t size,
           size_t *ret_n)
{
    lg_listener *l = s->l;
    lg_time deadline = lg_run_now_exact_ns(l->run) + l->cfg.connect_ms * LG_MS;
    lg_sock *server;
    LG_TRY(lg_sock_connect(l->run, l->targets[i].conf.address, deadline, &server));
    lg_status st = lg_sock_write_all(server, startup->data, startup->len, deadline);
    if (st == LG_OK)
        st = lg_sock_read(server, first, size, deadline, ret_n);
    if (st == LG_OK && says_not_open(first, *ret_n))
        st = LG_NOT_OPEN;
    if (st == LG_OK && s->closed)
        st = LG_CLOSED;
    if (st != LG_OK) {
        lg_sock_close(server);
        return st;
    }
    s->server = server;
    return LG_OK;
}

/* Tries the instances of the service one after the other. */
static lg_status
connect_somewhere(session *s, uint64_t among, const lg_strbuf *startup)
{
    lg_listener *l = s->l;
    char first[2048];
    uint64_t tried = 0;
    for (;;) {
        int i = lg_listener__choose(l, among, tried);
        if (i < 0)
            return LG_NOT_OPEN;
        tried |= 1ULL << i;
        s->target = i;
        lg_listener_target *t = &l->targets[i];
        t->connections++; /* counts while connecting: a burst of clients spreads */
        size_t n = 0;
        lg_status st = try_target(s, (unsigned)i, startup, first, sizeof first, &n);
        if (st == LG_OK) {
            t->total++;
            return lg_sock_write_all(s->client, first, n, LG_FOREVER);
        }
        t->connections--;
        s->target = -1;
        if (s->closed)
            return LG_CLOSED;
        t->failures++;
        if (st == LG_PEER_DOWN)
            lg_listener__mark(l, (unsigned)i, false, lg_status_text(st));
    }
}

/* A cancel request goes to the instance whose number its process id carries; no answer is due. */
static void
forward_cancel(session *s, const lg_pgwire_msg *m)
{
    lg_listener *l = s->l;
    lg_pgwire_cursor c = lg_pgwire_cursor_of(m);
    (void)lg_pgwire_u32(&c);
    uint32_t id = lg_pgwire_u32(&c) >> LG_CANCEL_INSTANCE_SHIFT;
    for (unsigned i = 0; i < l->cfg.instance_count && !c.bad; i++) {
        if (l->targets[i].conf.id != id)
            continue;
        lg_time deadline = lg_run_now_exact_ns(l->run) + l->cfg.connect_ms * LG_MS;
        lg_sock *server;
        if (lg_sock_connect(l->run, l->targets[i].conf.address, deadline, &server) != LG_OK)
            return;
        lg_strbuf b;
        lg_strbuf_init(&b, LG_PGWIRE_STARTUP_MAX + 8);
        size_t at = lg_pgwire_begin(&b, 0);
        lg_strbuf_append(&b, m->data, m->len);
        lg_pgwire_end(&b, at);
        char end;
        size_t n;
        /* The client may go only after the cancel was taken: the server closes then. */
        if (lg_sock_write_all(server, b.data, b.len, deadline) == LG_OK)
            (void)!lg_sock_read(server, &end, 1, deadline, &n);
        lg_strbuf_fini(&b);
        lg_sock_close(server);
        return;
    }
}

static lg_status
session_begin(session *s)
{
    lg_pgwire_reader r;
    lg_pgwire_reader_init(&r);
    lg_strbuf startup;
    lg_strbuf_init(&startup, LG_PGWIRE_STARTUP_MAX + 256);
    lg_pgwire_msg m;
    lg_status st;
    LG_CHECK(read_startup(s, &r, &m));
    if (code_of(&m) == LG_PGWIRE_CANCEL_REQUEST) {
        forward_cancel(s, &m);
        st = LG_CLOSED;
        goto out;
    }
    bool bad;
    uint64_t among = build_startup(s->l, &m, &startup, &bad);
    if (bad) {
        refuse(s, "08P01", "invalid startup packet");
        st = LG_PROTOCOL;
        goto out;
    }
    /* What the client sent ahead (rare) follows its startup packet. */
    lg_strbuf_append(&startup, r.buf + r.begin, r.end - r.begin);
    LG_CHECK(lg_strbuf_status(&startup));
    st = connect_somewhere(s, among, &startup);
    if (st == LG_NOT_OPEN && !s->closed)
        refuse(s, "57P03", "no instance of this service is open");
out:
    lg_pgwire_reader_fini(&r);
    lg_strbuf_fini(&startup);
    return st;
}

static void
session_fiber(void *arg)
{
    session *s = arg;
    lg_listener *l = s->l;
    lg_status st = session_begin(s);
    if (st == LG_OK && !s->closed)
        st = relay_start(s);
    s->starting = false;
    if (st != LG_OK)
        session_close(s);
    session_free_if_done(s);
    lg_listener__fiber_left(l);
}

void
lg_listener__session_start(lg_listener *l, lg_sock *client)
{
    session *s = lg_zalloc(sizeof *s);
    *s = (session){.l = l, .client = client, .target = -1, .starting = true};
    lg_list_push_back(&l->sessions, &s->node);
    l->session_count++;
    bool full = l->session_count > l->cfg.max_connections;
    if (!full && lg_listener__spawn(l, "startup", session_fiber, s) == LG_OK)
        return;
    refuse(s, "53300", "too many connections");
    s->starting = false;
    session_close(s);
    session_free_if_done(s);
}
