/* The model that the tests of grd explore: instances with model buffers, one disk, FIFO channels. A
 * test includes this once, with its sizes: NODES (numbers 1 .. NODES-1), KEYS, MSGS of a channel,
 * SERVED (wishes waiting at a holder). What happens next is
 * the test's choice; each function here is one atomic step.
 *
 * After each step (check_state): at most one X and none beside S, whoever may read has the newest
 * version, the disk is not newer than that; the newest image is never lost (recover). */
#ifndef GRD_MODEL_H
#define GRD_MODEL_H

#include "grd.h"
#include "lg_test.h"
#include "mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    uint64_t taken;     /* version of the image kept for it */
    bool unacked;       /* a claim the master may not have seen */
    msg served[SERVED]; /* FIFO of what peers want of this block */
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
        CHECK(w, b->serve_count < SERVED);
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

/* served: bit n * KEYS + k: that service was under way and ends unanswered. start: whose rebuild is
 * first. */
static void
new_epoch(world *w, uint64_t dead, uint64_t join, bool full, uint64_t served, uint32_t start)
{
    uint64_t survivors = w->members & ~dead;
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
            if (b->serve_count && (served >> (n * KEYS + k) & 1))
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
    for (uint32_t n = 1; n < NODES; n++)
        for (uint32_t k = 0; k < KEYS; k++)
            if (w->b[n][k].pending)
                send_request(w, n, k);
}

/* ---- what an instance may do by itself ---- */

static bool
may_request(const world *w, uint32_t n, uint32_t k, lg_grd_mode want)
{
    const buffer *b = &w->b[n][k];
    return !b->pending && b->mode < want;
}

static void
do_request(world *w, uint32_t n, uint32_t k, lg_grd_mode want)
{
    buffer *b = &w->b[n][k];
    b->pending = true;
    b->req.want = (uint8_t)want;
    send_request(w, n, k);
}

static bool
may_change(const world *w, uint32_t n, uint32_t k)
{
    return w->b[n][k].mode == LG_GRD_X;
}

static void
do_change(world *w, uint32_t n, uint32_t k)
{
    buffer *b = &w->b[n][k];
    b->version = ++w->latest[k];
    b->dirty = true;
    w->writes++;
}

static bool
may_write(const world *w, uint32_t n, uint32_t k)
{
    return w->b[n][k].dirty && w->b[n][k].mode >= LG_GRD_S;
}

static void
do_write(world *w, uint32_t n, uint32_t k)
{
    buffer *b = &w->b[n][k];
    CHECK(w, b->version == w->latest[k]);
    CHECK(w, b->version >= w->disk[k]);
    w->disk[k] = b->version;
    b->dirty = false;
    if (b->pi && b->pi_version <= b->version)
        b->pi = false;
    to_master(w, n,
              (lg_grd_event){.kind = LG_GRD_WRITTEN, .key = key_of(k), .version = b->version});
}

static bool
may_release(const world *w, uint32_t n, uint32_t k)
{
    const buffer *b = &w->b[n][k];
    return b->mode && !b->dirty && !b->pi && !b->pending;
}

static void
do_release(world *w, uint32_t n, uint32_t k)
{
    w->b[n][k].mode = LG_GRD_N;
    to_master(w, n, (lg_grd_event){.kind = LG_GRD_RELEASE, .key = key_of(k)});
}

static void
do_demand(world *w, uint32_t n, uint32_t k)
{
    to_master(w, n,
              (lg_grd_event){
                  .kind = LG_GRD_DEMAND_WRITE, .key = key_of(k), .version = w->b[n][k].pi_version});
}

static bool
may_cancel(const world *w, uint32_t n, uint32_t k)
{
    const buffer *b = &w->b[n][k];
    return b->pending && b->sent && !b->granted;
}

static void
do_cancel(world *w, uint32_t n, uint32_t k)
{
    to_master(w, n,
              (lg_grd_event){.kind = LG_GRD_CANCEL, .key = key_of(k), .id = w->b[n][k].req.id});
}

#endif
