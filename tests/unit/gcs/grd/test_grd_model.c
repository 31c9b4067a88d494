/* N instances with model buffers, one disk, FIFO channels: random interleavings of everything that
 * may happen, with epochs that drop messages, deaths, joins. After each step: at most one X and
 * none beside S, whoever reads sees the newest version, no newest image is ever lost; at the end
 * all queues drain. A seed that fails is printed and replays. */
#include "grd.h"
#include "lg_test.h"
#include "mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES 5 /* 1 .. 4 used at most */
#define KEYS  3
#define MSGS  512

typedef enum msg_kind {
    M_EVENT,
    M_FORWARD,
    M_INVALIDATE,
    M_GRANT,
    M_BLOCK,
    M_ACK,
    M_DISCARD,
    M_WRITE
} msg_kind;

typedef struct msg {
    msg_kind kind;
    lg_grd_event ev;
    lg_grd_action act;
    uint64_t key, id, version, pi_version;
    uint32_t from, acks;
    bool image, dirty, from_pi;
} msg;

typedef struct chan {
    msg m[MSGS];
    uint32_t head, tail;
} chan;

typedef struct buffer {
    lg_grd_mode mode;
    uint64_t version; /* of the image; valid when mode >= S or pi */
    bool dirty, pi;
    uint64_t pi_version;
    /* the request in flight */
    bool pending;
    bool sent;
    bool granted; /* complete, the fiber has not finished it yet: served only after */
    lg_grd_req req;
    uint64_t taken; /* version of the image kept for it */
    bool unacked;   /* a claim the master may not have seen */
    msg served[64]; /* FIFO of what peers want of this block */
    uint32_t serve_count;
} buffer;

typedef struct world {
    uint64_t rng;
    uint64_t epoch;
    uint64_t members;
    lg_grd_map map;
    lg_grd *grd[NODES];
    buffer b[NODES][KEYS];
    chan ch[NODES][NODES];
    uint64_t disk[KEYS], latest[KEYS];
    uint64_t next_id;
    uint64_t seed;
    const char *failed;
    uint64_t done_requests, epochs, reads, writes, pi_served;
} world;

static uint64_t
rnd(world *w, uint64_t n)
{
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return (w->rng * 0x2545F4914F6CDD1DULL >> 33) % n;
}

#define CHECK(w, cond)                                                                             \
    do {                                                                                           \
        if (!(cond) && !(w)->failed) {                                                             \
            (w)->failed = #cond;                                                                   \
            printf("seed %llu: %s (line %d)\n", (unsigned long long)(w)->seed, #cond, __LINE__);   \
        }                                                                                          \
    } while (0)

static bool
alive(const world *w, uint32_t n)
{
    return (w->members >> n & 1) != 0;
}

static uint64_t
key_of(uint32_t k)
{
    return 1000 + k * 7919;
}

static uint32_t
index_of(uint64_t key)
{
    return (uint32_t)((key - 1000) / 7919);
}

static void
post(world *w, uint32_t from, uint32_t to, const msg *m)
{
    if (!alive(w, to) || !alive(w, from))
        return;
    chan *c = &w->ch[from][to];
    if (c->tail - c->head >= MSGS) {
        CHECK(w, !"channel full");
        return;
    }
    c->m[c->tail++ % MSGS] = *m;
    c->m[(c->tail - 1) % MSGS].from = from;
}

static void
to_master(world *w, uint32_t from, lg_grd_event ev)
{
    ev.node = from;
    msg m = {.kind = M_EVENT, .ev = ev, .key = ev.key};
    post(w, from, lg_grd_master(&w->map, ev.key), &m);
}

static void
step_master(world *w, uint32_t n, const lg_grd_event *ev)
{
    static lg_grd_actions out;
    lg_grd_step(w->grd[n], ev, &out);
    for (unsigned i = 0; i < out.count; i++) {
        const lg_grd_action *a = &out.a[i];
        static const msg_kind kinds[] = {M_FORWARD, M_INVALIDATE, M_GRANT, M_DISCARD, M_WRITE};
        msg m = {.kind = kinds[a->kind], .act = *a, .key = a->key, .id = a->id};
        post(w, n, a->to, &m);
    }
}

static void
send_request(world *w, uint32_t n, uint32_t k)
{
    buffer *b = &w->b[n][k];
    lg_grd_req_init(&b->req, key_of(k), ++w->next_id, b->req.want, b->mode);
    b->taken = 0;
    b->granted = false;
    b->sent = true;
    to_master(w, n,
              (lg_grd_event){.kind = LG_GRD_REQUEST,
                             .key = key_of(k),
                             .id = b->req.id,
                             .mode = b->req.want,
                             .have = (uint8_t)b->mode});
}

/* The acquiring fiber goes on: installs, claims. */
static void
finish(world *w, uint32_t n, uint32_t k)
{
    buffer *b = &w->b[n][k];
    lg_grd_req *r = &b->req;
    b->granted = b->pending = b->sent = false;
    if (r->refused)
        return;
    bool dirty = r->dirty;
    if (r->how == LG_GRD_OWN) {
        CHECK(w, b->mode >= LG_GRD_S);
        dirty |= b->dirty;
    } else {
        uint64_t v = b->taken;
        bool from_disk = false;
        if (r->how == LG_GRD_OWN_PI && b->pi && b->version > v) {
            v = b->version;
            dirty = true;
        }
        if (!r->authoritative && w->disk[k] >= v) {
            v = w->disk[k];
            from_disk = true;
        }
        if (!r->authoritative && !from_disk)
            dirty = true;
        if (b->pi)
            CHECK(w, v >= b->version);
        b->version = v;
        b->dirty = dirty && w->disk[k] < v;
    }
    if (r->how == LG_GRD_OWN)
        b->dirty = dirty;
    CHECK(w, b->version == w->latest[k]);
    b->mode = r->want;
    w->done_requests++;
    if (r->claim) {
        b->unacked = true;
        to_master(w, n,
                  (lg_grd_event){.kind = LG_GRD_CLAIM,
                                 .key = r->key,
                                 .id = r->id,
                                 .mode = r->want,
                                 .version = b->version,
                                 .pi_node = r->pi_node,
                                 .pi_version = r->pi_version});
    }
}

/* An image leaves: returns what goes along. */
static void
revoke(buffer *b, lg_grd_mode to, uint64_t *ret_version, bool *ret_dirty, uint64_t *ret_pi)
{
    *ret_version = b->version;
    *ret_dirty = b->dirty;
    *ret_pi = 0;
    b->mode = to;
    if (to == LG_GRD_N) {
        if (b->dirty) {
            b->pi = true;
            b->pi_version = b->version;
            *ret_pi = b->version;
        }
        b->dirty = false;
    } else {
        *ret_dirty = false; /* the holder still writes it */
    }
    if (b->pending && to == LG_GRD_N)
        b->req.have = LG_GRD_N;
}

/* One server fiber: the oldest wish for this block. answer false: the epoch ended meanwhile. */
static void
serve(world *w, uint32_t n, uint32_t k, bool answer)
{
    buffer *b = &w->b[n][k];
    msg m = b->served[0];
    memmove(&b->served[0], &b->served[1], (--b->serve_count) * sizeof m);
    lg_grd_local l = {b->mode, b->pi, b->pi_version};
    const lg_grd_action *a = &m.act;
    bool inv = m.kind == M_INVALIDATE;
    lg_grd_serve p = inv ? lg_grd_serve_invalidate(&l, a->no_image)
                         : lg_grd_serve_forward(&l, a->mode, a->from_pi);
    msg r = {.kind = inv ? M_ACK : M_BLOCK, .key = a->key, .id = a->id, .acks = a->acks};
    if (p.what == LG_GRD_SERVE_REVOKE) {
        uint64_t pi;
        revoke(b, p.to, &r.version, &r.dirty, &pi);
        r.pi_version = pi;
        r.image = p.ship && (!inv || r.dirty);
        if (inv && pi && answer)
            to_master(w, n,
                      (lg_grd_event){.kind = LG_GRD_NOT_HERE,
                                     .key = a->key,
                                     .id = a->id,
                                     .requester = a->requester,
                                     .pi_version = pi});
    } else if (p.what == LG_GRD_SERVE_PI) {
        w->pi_served++;
        r.version = b->version;
        r.image = r.from_pi = true;
        r.pi_version = b->version;
    }
    if (!answer)
        return;
    if (p.what == LG_GRD_SERVE_NOTHING && !inv) {
        to_master(w, n,
                  (lg_grd_event){.kind = LG_GRD_NOT_HERE,
                                 .key = a->key,
                                 .id = a->id,
                                 .requester = a->requester,
                                 .pi_version = b->pi ? b->version : 0});
        return;
    }
    post(w, n, a->requester, &r);
}

static void
deliver(world *w, uint32_t from, uint32_t to)
{
    chan *c = &w->ch[from][to];
    msg m = c->m[c->head++ % MSGS];
    buffer *b = &w->b[to][index_of(m.key)];
    unsigned res = 0;
    switch (m.kind) {
    case M_EVENT:
        step_master(w, to, &m.ev);
        if (m.ev.kind == LG_GRD_CLAIM && w->b[from][index_of(m.key)].req.id == m.ev.id)
            w->b[from][index_of(m.key)].unacked = false; /* the ack: harmless to be early */
        return;
    case M_FORWARD:
    case M_INVALIDATE:
        CHECK(w, b->serve_count < 64);
        b->served[b->serve_count++] = m;
        return;
    case M_GRANT:
        if (b->pending && b->sent)
            res = lg_grd_req_grant(&b->req, m.id, m.act.how, m.act.acks, m.act.claim);
        break;
    case M_BLOCK:
        if (b->pending && b->sent)
            res = lg_grd_req_block(&b->req, from, m.id, m.version, m.image, m.from_pi, m.dirty,
                                   m.acks, m.pi_version);
        break;
    case M_ACK:
        if (b->pending && b->sent)
            res = lg_grd_req_ack(&b->req, from, m.id, m.version, m.image, m.dirty);
        break;
    case M_DISCARD:
        if (b->pi && b->pi_version <= m.act.version)
            b->pi = false;
        return;
    case M_WRITE: {
        uint32_t k = index_of(m.key);
        if (b->mode >= LG_GRD_S && w->disk[k] < m.act.version)
            b->dirty = true; /* adopted */
        return;
    }
    }
    if (res & LG_GRD_REQ_TAKE)
        b->taken = m.version;
    if (res & LG_GRD_REQ_COMPLETE)
        b->granted = true;
}

static void
check_state(world *w)
{
    for (uint32_t k = 0; k < KEYS; k++) {
        int x = 0, s = 0;
        for (uint32_t n = 1; n < NODES; n++) {
            const buffer *b = &w->b[n][k];
            if (!alive(w, n))
                continue;
            x += b->mode == LG_GRD_X;
            s += b->mode == LG_GRD_S;
            if (b->mode >= LG_GRD_S)
                CHECK(w, b->version == w->latest[k]);
        }
        CHECK(w, x <= 1);
        CHECK(w, x == 0 || s == 0);
        CHECK(w, w->disk[k] <= w->latest[k]);
    }
}

/* What redo recovery does for the dead, and the check that nothing is lost without it. */
static void
recover(world *w, bool somebody_died)
{
    for (uint32_t k = 0; k < KEYS; k++) {
        uint64_t best = w->disk[k];
        uint32_t holder = 0;
        bool dirty = false;
        for (uint32_t n = 1; n < NODES; n++) {
            buffer *b = &w->b[n][k];
            if (!alive(w, n))
                continue;
            if ((b->mode || b->pi) && b->version > best)
                best = b->version;
            if (b->mode)
                holder = n;
            dirty |= b->mode && b->dirty;
        }
        if (!somebody_died)
            CHECK(w, best == w->latest[k]);
        if (somebody_died && holder && !dirty && w->disk[k] < w->latest[k])
            w->b[holder][k].dirty = true; /* ADOPT */
        if (somebody_died && best < w->latest[k]) {
            CHECK(w, holder == 0);
            w->disk[k] = w->latest[k];
        }
    }
}

static void
new_epoch(world *w, uint64_t dead, uint64_t join, bool full)
{
    uint64_t old_members = w->members, survivors = w->members & ~dead;
    lg_grd_map old_map = w->map;
    w->epochs++;
    for (uint32_t a = 1; a < NODES; a++)
        for (uint32_t c = 1; c < NODES; c++)
            w->ch[a][c].head = w->ch[a][c].tail = 0;
    for (uint32_t n = 1; n < NODES; n++)
        for (uint32_t k = 0; k < KEYS; k++) {
            buffer *b = &w->b[n][k];
            if (!(survivors >> n & 1)) {
                *b = (buffer){0};
                continue;
            }
            if (b->granted) /* freeze waits for the fiber; its claim is lost with the old epoch */
                finish(w, n, k);
            if (b->serve_count && rnd(w, 2)) /* a service under way ends unanswered */
                serve(w, n, k, false);
            b->serve_count = 0;
        }
    for (uint32_t a = 1; a < NODES; a++)
        for (uint32_t c = 1; c < NODES; c++)
            w->ch[a][c].head = w->ch[a][c].tail = 0;
    w->members = survivors | join;
    lg_grd_map_build(&w->map, w->members);
    for (uint32_t n = 1; n < NODES; n++) {
        if (!(survivors >> n & 1)) {
            lg_grd_destroy(w->grd[n]);
            w->grd[n] = lg_grd_create(n);
        } else {
            lg_grd_reset(w->grd[n], &old_map, &w->map, survivors, full);
        }
    }
    /* rebuild, in any order */
    uint32_t start = (uint32_t)rnd(w, NODES);
    for (uint32_t i = 0; i < NODES; i++) {
        uint32_t n = (start + i) % NODES;
        for (uint32_t k = 0; k < KEYS && n; k++) {
            buffer *b = &w->b[n][k];
            uint64_t key = key_of(k);
            bool lost = full || lg_grd_lost(&old_map, &w->map, survivors, key);
            if (!(survivors >> n & 1))
                continue;
            if (b->unacked || b->pi || (lost && b->mode)) {
                lg_grd_event ev = {.kind = LG_GRD_HOLDING,
                                   .node = n,
                                   .key = key,
                                   .mode = (uint8_t)b->mode,
                                   .pi_version = b->pi ? b->version : 0};
                step_master(w, lg_grd_master(&w->map, key), &ev);
            }
            b->unacked = false;
        }
    }
    recover(w, dead != 0);
    (void)old_members;
    for (uint32_t n = 1; n < NODES; n++)
        for (uint32_t k = 0; k < KEYS; k++)
            if (w->b[n][k].pending)
                send_request(w, n, k);
}

static void
local_action(world *w, uint32_t n, uint32_t k, bool start_new)
{
    buffer *b = &w->b[n][k];
    if (b->granted) {
        finish(w, n, k);
        return;
    }
    if (b->serve_count && rnd(w, 2)) {
        serve(w, n, k, true);
        return;
    }
    switch (rnd(w, 6)) {
    case 0:
    case 1:
        if (!b->pending && b->mode < LG_GRD_X && start_new) {
            lg_grd_mode want = b->mode == LG_GRD_S || rnd(w, 2) ? LG_GRD_X : LG_GRD_S;
            b->pending = true;
            b->req.want = (uint8_t)want;
            send_request(w, n, k);
        }
        return;
    case 2:
        if (b->mode == LG_GRD_X) {
            b->version = ++w->latest[k];
            b->dirty = true;
            w->writes++;
        }
        return;
    case 3:
        if (b->dirty && b->mode >= LG_GRD_S) {
            CHECK(w, b->version == w->latest[k]);
            CHECK(w, b->version >= w->disk[k]);
            w->disk[k] = b->version;
            b->dirty = false;
            if (b->pi && b->pi_version <= b->version)
                b->pi = false;
            to_master(
                w, n,
                (lg_grd_event){.kind = LG_GRD_WRITTEN, .key = key_of(k), .version = b->version});
        }
        return;
    case 4:
        if (b->mode && !b->dirty && !b->pi && !b->pending) {
            b->mode = LG_GRD_N;
            to_master(w, n, (lg_grd_event){.kind = LG_GRD_RELEASE, .key = key_of(k)});
        }
        return;
    default:
        if (b->pi && rnd(w, 4) == 0)
            to_master(w, n,
                      (lg_grd_event){
                          .kind = LG_GRD_DEMAND_WRITE, .key = key_of(k), .version = b->pi_version});
        if (b->pending && b->sent && !b->granted && rnd(w, 8) == 0)
            to_master(w, n,
                      (lg_grd_event){.kind = LG_GRD_CANCEL, .key = key_of(k), .id = b->req.id});
        return;
    }
}

static bool
deliver_some(world *w)
{
    uint32_t start = (uint32_t)rnd(w, NODES * NODES);
    for (uint32_t i = 0; i < NODES * NODES; i++) {
        uint32_t c = (start + i) % (NODES * NODES);
        chan *ch = &w->ch[c / NODES][c % NODES];
        if (ch->head != ch->tail) {
            deliver(w, c / NODES, c % NODES);
            return true;
        }
    }
    return false;
}

static void
random_epoch(world *w)
{
    uint64_t dead = 0, join = 0;
    for (uint32_t n = 1; n < NODES; n++) {
        if (alive(w, n) && rnd(w, 5) == 0)
            dead |= 1ULL << n;
        if (!alive(w, n) && rnd(w, 2))
            join |= 1ULL << n;
        if ((dead >> n & 1) && rnd(w, 3) == 0)
            join |= 1ULL << n; /* quick restart: a new incarnation */
    }
    if ((w->members & ~dead) == 0)
        dead = 0, join &= ~w->members;
    new_epoch(w, dead, join, rnd(w, 4) == 0);
}

/* No new requests: everything asked must be answered. */
static void
drain(world *w)
{
    bool more = true;
    for (int round = 0; more && round < 100000; round++) {
        more = deliver_some(w);
        for (uint32_t n = 1; n < NODES; n++)
            for (uint32_t k = 0; k < KEYS; k++) {
                buffer *b = &w->b[n][k];
                if (!alive(w, n))
                    continue;
                if (b->granted) {
                    finish(w, n, k);
                    more = true;
                } else if (b->serve_count) {
                    serve(w, n, k, true);
                    more = true;
                }
            }
        check_state(w);
        if (w->failed)
            return;
    }
    for (uint32_t n = 1; n < NODES; n++)
        for (uint32_t k = 0; k < KEYS; k++)
            CHECK(w, !alive(w, n) || !w->b[n][k].pending);
}

static world *
world_new(uint64_t seed, uint64_t members)
{
    world *w = lg_zalloc(sizeof *w);
    w->seed = seed;
    w->rng = seed * 0x9E3779B97F4A7C15ULL + 88172645463325252ULL;
    w->members = members;
    lg_grd_map_build(&w->map, members);
    for (uint32_t n = 1; n < NODES; n++)
        w->grd[n] = lg_grd_create(n);
    return w;
}

static void
world_free(world *w)
{
    for (uint32_t n = 1; n < NODES; n++)
        lg_grd_destroy(w->grd[n]);
    lg_free(w);
}

static bool
run_seed(uint64_t seed, unsigned steps, unsigned epoch_every, uint64_t *done)
{
    world *w = world_new(seed, seed % 3 == 0 ? 0xE : seed % 3 == 1 ? 0x1E : 0x6);
    for (unsigned i = 0; i < steps && !w->failed; i++) {
        if (epoch_every && rnd(w, epoch_every) == 0)
            random_epoch(w);
        else if (rnd(w, 2) == 0 || !deliver_some(w)) {
            uint32_t n = 1 + (uint32_t)rnd(w, NODES - 1);
            if (alive(w, n))
                local_action(w, n, (uint32_t)rnd(w, KEYS), true);
        }
        check_state(w);
    }
    if (!w->failed)
        drain(w);
    bool ok = w->failed == NULL;
    *done += w->done_requests;
    world_free(w);
    return ok;
}

static uint64_t
seeds(void)
{
    const char *s = getenv("LG_GRD_SEEDS");
    return s ? strtoull(s, NULL, 10) : 400;
}

LG_TEST(test_grd_model__one_epoch_random_interleavings)
{
    uint64_t done = 0;
    for (uint64_t seed = 1; seed <= seeds(); seed++)
        CU_ASSERT_FATAL(run_seed(seed, 600, 0, &done));
    CU_ASSERT(done > seeds() * 20);
}

LG_TEST(test_grd_model__epochs_deaths_and_joins)
{
    uint64_t done = 0;
    for (uint64_t seed = 1; seed <= seeds(); seed++)
        CU_ASSERT_FATAL(run_seed(seed + 1000000, 800, 60, &done));
    CU_ASSERT(done > seeds() * 10);
}
