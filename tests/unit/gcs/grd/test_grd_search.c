/* Exhaustive search (grd_model.h): every order in which messages may arrive, fibers run, blocks
 * change, get written and are given up, epochs come, instances die and come back, within small
 * budgets: one block, two or three instances. States are compared as a whole (hashed), so a state
 * is gone into once. From every state in which nothing is under way any more, everything asked must
 * have been answered.
 *
 * By default each budget gets three seconds of the processor at most. With LG_GRD_SEARCH set there
 * is no limit, and larger budgets follow. */
#define NODES  4 /* 1 .. 3 */
#define KEYS   1
#define MSGS   12
#define SERVED 4
#include "grd_model.h"

#include "grd_internal.h"
#include "hash.h"
#include "map.h"
#include <time.h>

typedef struct budget {
    uint64_t members;
    uint8_t requests, changes, writes, releases, demands, cancels, epochs, deaths;
} budget;

typedef struct state {
    world w;
    budget left;
} state;

typedef struct search {
    uint64_t *seen; /* open addressing; 0: free */
    uint64_t cap, count, moves, ends;
    double limit_s;
    struct timespec began;
    bool out_of_time;
    char path[4096]; /* of moves, for the report */
    unsigned depth;
} search;

/* ---- copying and comparing ---- */

static lg_grd *
grd_copy(const lg_grd *g)
{
    lg_grd *c = lg_alloc(sizeof *c);
    c->self = g->self;
    lg_grd__table_copy(&g->table, &c->table);
    return c;
}

static state *
state_copy(const state *s)
{
    state *c = lg_alloc(sizeof *c);
    *c = *s;
    for (uint32_t n = 1; n < NODES; n++)
        c->w.grd[n] = grd_copy(s->w.grd[n]);
    return c;
}

static void
state_free(state *s)
{
    for (uint32_t n = 1; n < NODES; n++)
        lg_grd_destroy(s->w.grd[n]);
    lg_free(s);
}

static uint64_t
mix(uint64_t h, uint64_t v)
{
    return lg_hash_u64(h ^ (v + 0x9E3779B97F4A7C15ULL + (h << 6) + (h >> 2)));
}

static uint64_t
hash_msg(uint64_t h, const msg *m)
{
    const lg_grd_event *e = &m->ev;
    const lg_grd_action *a = &m->act;
    h = mix(h, m->kind | (uint64_t)m->from << 8 | (uint64_t)m->acks << 16 |
                   (uint64_t)m->image << 24 | (uint64_t)m->dirty << 25 |
                   (uint64_t)m->from_pi << 26);
    h = mix(h, m->id);
    h = mix(h, m->version << 32 | m->pi_version);
    if (m->kind == M_EVENT) {
        h = mix(h, e->kind | (uint64_t)e->node << 8 | (uint64_t)e->mode << 16 |
                       (uint64_t)e->have << 20 | (uint64_t)e->requester << 24 |
                       (uint64_t)e->pi_node << 32);
        h = mix(h, e->id);
        return mix(h, e->version << 32 | e->pi_version);
    }
    if (m->kind == M_BLOCK || m->kind == M_ACK)
        return h;
    h = mix(h, a->kind | (uint64_t)a->requester << 8 | (uint64_t)a->mode << 16 |
                   (uint64_t)a->how << 20 | (uint64_t)a->acks << 24 | (uint64_t)a->from_pi << 32 |
                   (uint64_t)a->no_image << 33 | (uint64_t)a->claim << 34);
    return mix(h, a->version);
}

static uint64_t
hash_buffer(uint64_t h, const buffer *b)
{
    const lg_grd_req *r = &b->req;
    h = mix(h, b->mode | (uint64_t)b->dirty << 2 | (uint64_t)b->pi << 3 |
                   (uint64_t)b->pending << 4 | (uint64_t)b->sent << 5 | (uint64_t)b->granted << 6 |
                   (uint64_t)b->unacked << 7);
    h = mix(h, (b->mode || b->pi ? b->version << 32 : 0) | (b->pi ? b->pi_version : 0));
    if (b->pending) {
        h = mix(h, r->want | (uint64_t)r->have << 2 | (uint64_t)r->answered << 4 |
                       (uint64_t)r->complete << 5 | (uint64_t)r->refused << 6 |
                       (uint64_t)r->claim << 7 | (uint64_t)r->dirty << 8 |
                       (uint64_t)r->authoritative << 9 | (uint64_t)r->how << 10 |
                       (uint64_t)r->acks_expected << 16 | (uint64_t)r->acks_got << 24 |
                       (uint64_t)r->pi_node << 32);
        h = mix(h, r->version << 32 | r->pi_version);
        h = mix(h, b->taken);
    }
    h = mix(h, r->id);
    for (uint32_t i = 0; i < b->serve_count; i++)
        h = hash_msg(h, &b->served[i]);
    return mix(h, b->serve_count);
}

static uint64_t
hash_grd(uint64_t h, const lg_grd *g)
{
    grd_entry view;
    const grd_entry *e = lg_grd__table_look(&g->table, key_of(0), &view);
    if (!e)
        return mix(h, 0);
    h = mix(h, e->x | e->s << 8 | e->claimed << 16 | e->demand << 32);
    h = mix(h, e->conv.active | e->conv.spread << 1 | (uint64_t)e->conv.mode << 2 |
                   (uint64_t)e->conv.acks << 4 | (uint64_t)e->conv.node << 12 |
                   (uint64_t)e->conv.asked << 20);
    h = mix(h, e->conv.id);
    uint64_t pis = 0; /* in any order */
    for (uint32_t i = 0; i < e->pi_count; i++)
        pis += mix(e->pi[i].node, e->pi[i].version);
    h = mix(h, pis);
    for (uint32_t i = 0; i < e->queue_count; i++)
        h = mix(h, e->queue[i].node | (uint64_t)e->queue[i].mode << 8 | e->queue[i].id << 16);
    return mix(h, e->queue_count);
}

static uint64_t
hash_state(const state *s)
{
    const world *w = &s->w;
    const budget *b = &s->left;
    uint64_t h = mix(w->members, w->latest[0] << 32 | w->disk[0]);
    h = mix(h, b->requests | (uint64_t)b->changes << 8 | (uint64_t)b->writes << 16 |
                   (uint64_t)b->releases << 24 | (uint64_t)b->demands << 32 |
                   (uint64_t)b->cancels << 40 | (uint64_t)b->epochs << 48 |
                   (uint64_t)b->deaths << 56);
    for (uint32_t n = 1; n < NODES; n++) {
        h = hash_buffer(h, &w->b[n][0]);
        h = hash_grd(h, w->grd[n]);
        for (uint32_t to = 1; to < NODES; to++) {
            const chan *c = &w->ch[n][to];
            for (uint32_t i = c->head; i != c->tail; i++)
                h = hash_msg(h, &c->m[i % MSGS]);
            h = mix(h, c->tail - c->head);
        }
    }
    return h ? h : 1;
}

/* True: not seen before. */
static bool
remember(search *x, uint64_t h)
{
    if (x->count * 2 >= x->cap) {
        uint64_t cap = x->cap ? x->cap * 2 : 1u << 16, *seen = lg_zalloc(cap * sizeof *seen);
        for (uint64_t i = 0; i < x->cap; i++) {
            if (!x->seen[i])
                continue;
            uint64_t at = x->seen[i] & (cap - 1);
            while (seen[at])
                at = (at + 1) & (cap - 1);
            seen[at] = x->seen[i];
        }
        lg_free(x->seen);
        x->seen = seen;
        x->cap = cap;
    }
    uint64_t at = h & (x->cap - 1);
    while (x->seen[at] && x->seen[at] != h)
        at = (at + 1) & (x->cap - 1);
    if (x->seen[at])
        return false;
    x->seen[at] = h;
    x->count++;
    return true;
}

/* ---- moves ---- */

static void explore(search *x, const state *s);

static bool
time_is_up(search *x)
{
    struct timespec now;
    if (x->limit_s == 0 || x->out_of_time || x->moves % 1024)
        return x->out_of_time;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    x->out_of_time =
        (double)(now.tv_sec - x->began.tv_sec) + (double)(now.tv_nsec - x->began.tv_nsec) / 1e9 >
        x->limit_s;
    return x->out_of_time;
}

/* After a move: checks, then goes on from there. c is consumed. */
static void
go_on(search *x, state *c, char what, uint32_t a, uint32_t b)
{
    x->moves++;
    int n = snprintf(x->path + x->depth, sizeof x->path - x->depth, " %c%u%u", what, a, b);
    unsigned depth = x->depth;
    check_state(&c->w);
    if (c->w.failed)
        printf("after%s\n", x->path);
    CU_ASSERT_FATAL(c->w.failed == NULL);
    x->depth += (unsigned)n;
    if (!time_is_up(x) && remember(x, hash_state(c)))
        explore(x, c);
    x->depth = depth;
    x->path[depth] = 0;
    state_free(c);
}

static void
moves_of_messages(search *x, const state *s, bool *ret_quiet)
{
    for (uint32_t from = 1; from < NODES; from++)
        for (uint32_t to = 1; to < NODES; to++) {
            if (s->w.ch[from][to].head == s->w.ch[from][to].tail)
                continue;
            state *c = state_copy(s);
            deliver(&c->w, from, to);
            *ret_quiet = false;
            go_on(x, c, 'm', from, to);
        }
    for (uint32_t n = 1; n < NODES; n++) {
        const buffer *b = &s->w.b[n][0];
        if (!alive(&s->w, n))
            continue;
        if (b->granted) {
            state *c = state_copy(s);
            finish(&c->w, n, 0);
            *ret_quiet = false;
            go_on(x, c, 'f', n, 0);
        } else if (b->serve_count) {
            state *c = state_copy(s);
            serve(&c->w, n, 0, true);
            *ret_quiet = false;
            go_on(x, c, 's', n, 0);
        }
    }
}

typedef struct choice {
    char name;
    size_t budget; /* offset of what it costs */
    bool (*may)(const world *w, uint32_t n, uint32_t k);
    void (*act)(world *w, uint32_t n, uint32_t k);
} choice;

static bool
may_ask_s(const world *w, uint32_t n, uint32_t k)
{
    return may_request(w, n, k, LG_GRD_S);
}

static void
ask_s(world *w, uint32_t n, uint32_t k)
{
    do_request(w, n, k, LG_GRD_S);
}

static bool
may_ask_x(const world *w, uint32_t n, uint32_t k)
{
    return may_request(w, n, k, LG_GRD_X);
}

static void
ask_x(world *w, uint32_t n, uint32_t k)
{
    do_request(w, n, k, LG_GRD_X);
}

static bool
may_demand(const world *w, uint32_t n, uint32_t k)
{
    return w->b[n][k].pi;
}

static const choice choices[] = {
    {'S', offsetof(budget, requests), may_ask_s, ask_s},
    {'X', offsetof(budget, requests), may_ask_x, ask_x},
    {'C', offsetof(budget, changes), may_change, do_change},
    {'W', offsetof(budget, writes), may_write, do_write},
    {'R', offsetof(budget, releases), may_release, do_release},
    {'D', offsetof(budget, demands), may_demand, do_demand},
    {'K', offsetof(budget, cancels), may_cancel, do_cancel},
};

static void
moves_of_instances(search *x, const state *s)
{
    for (uint32_t n = 1; n < NODES; n++)
        for (unsigned i = 0; i < sizeof choices / sizeof choices[0]; i++) {
            const choice *ch = &choices[i];
            if (!alive(&s->w, n) || s->w.b[n][0].granted ||
                !((const uint8_t *)&s->left)[ch->budget] || !ch->may(&s->w, n, 0))
                continue;
            state *c = state_copy(s);
            ((uint8_t *)&c->left)[ch->budget]--;
            ch->act(&c->w, n, 0);
            go_on(x, c, ch->name, n, 0);
        }
}

/* Every set of deaths, with everybody else coming or not, the dead coming back at once or not, the
 * directory rebuilt in part or as a whole, and services cut short or not. */
static void
moves_of_epochs(search *x, const state *s)
{
    if (!s->left.epochs)
        return;
    uint64_t members = s->w.members;
    for (uint64_t dead = 0; dead < 1u << NODES; dead += 2) {
        if ((dead & ~members) || !(members & ~dead) ||
            (unsigned)__builtin_popcountll(dead) > s->left.deaths)
            continue;
        for (uint64_t join = 0; join < 1u << NODES; join += 2) {
            if (join & members & ~dead || join & ~s->left.members)
                continue;
            for (unsigned how = 0; how < 8; how++) {
                state *c = state_copy(s);
                c->left.epochs--;
                c->left.deaths = (uint8_t)(c->left.deaths - __builtin_popcountll(dead));
                new_epoch(&c->w, dead, join, how & 1, how & 2 ? UINT64_MAX : 0, how & 4 ? 3 : 0);
                go_on(x, c, 'E', (uint32_t)dead, (uint32_t)join);
            }
        }
    }
}

static void
explore(search *x, const state *s)
{
    bool quiet = true;
    moves_of_messages(x, s, &quiet);
    if (quiet) {
        x->ends++;
        for (uint32_t n = 1; n < NODES; n++)
            if (alive(&s->w, n) && s->w.b[n][0].pending) {
                printf("unanswered after%s\n", x->path);
                CU_FAIL_FATAL("a request is not answered");
            }
    }
    moves_of_instances(x, s);
    moves_of_epochs(x, s);
}

static bool
search_all(const budget *b, double limit_s)
{
    search *x = lg_zalloc(sizeof *x);
    state *s = lg_zalloc(sizeof *s);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &x->began);
    x->limit_s = limit_s;
    s->left = *b;
    s->w.members = b->members;
    lg_grd_map_build(&s->w.map, b->members);
    for (uint32_t n = 1; n < NODES; n++)
        s->w.grd[n] = lg_grd_create(n);
    (void)remember(x, hash_state(s));
    explore(x, s);
    printf(
        "  members %llx, %u requests, %u changes, %u writes, %u releases, %u demands, %u cancels, "
        "%u epochs, %u deaths: %llu states, %llu ends%s\n",
        (unsigned long long)b->members >> 1, b->requests, b->changes, b->writes, b->releases,
        b->demands, b->cancels, b->epochs, b->deaths, (unsigned long long)x->count,
        (unsigned long long)x->ends, x->out_of_time ? ", not all" : "");
    bool complete = !x->out_of_time;
    CU_ASSERT(x->ends > 0);
    state_free(s);
    lg_free(x->seen);
    lg_free(x);
    return complete;
}

/* requests, changes, writes, releases, demands, cancels, epochs, deaths */
static const budget small[] = {
    {0x6, 3, 2, 1, 1, 0, 1, 0, 0}, {0x6, 3, 1, 1, 0, 1, 0, 0, 0}, {0xE, 3, 1, 1, 0, 0, 0, 0, 0},
    {0x6, 2, 1, 1, 0, 0, 0, 1, 1}, {0x6, 2, 1, 0, 1, 0, 0, 2, 1}, {0xE, 2, 1, 0, 0, 0, 0, 1, 1},
};
static const budget large[] = {
    {0x6, 4, 2, 2, 1, 1, 1, 0, 0}, {0xE, 4, 2, 1, 1, 0, 0, 0, 0}, {0x6, 3, 2, 1, 1, 0, 0, 2, 1},
    {0xE, 3, 1, 1, 0, 0, 0, 1, 1}, {0xE, 2, 1, 1, 0, 0, 0, 2, 2}, {0xE, 3, 2, 1, 0, 1, 0, 1, 2},
};

LG_TEST(test_grd_search__every_interleaving_of_small_budgets)
{
    bool unbounded = getenv("LG_GRD_SEARCH") != NULL;
    for (unsigned i = 0; i < sizeof small / sizeof small[0]; i++)
        (void)search_all(&small[i], unbounded ? 0 : 3);
    for (unsigned i = 0; unbounded && i < sizeof large / sizeof large[0]; i++)
        (void)search_all(&large[i], 0);
}
