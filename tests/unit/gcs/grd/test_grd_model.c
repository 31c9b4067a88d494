/* Random interleavings of everything that may happen (grd_model.h), with epochs that drop messages,
 * deaths, joins; at the end all queues drain. A seed that fails is printed and replays. */
#define NODES  5 /* 1 .. 4 used at most */
#define KEYS   3
#define MSGS   512
#define SERVED 64
#include "grd_model.h"

static uint64_t
rnd(world *w, uint64_t n)
{
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return (w->rng * 0x2545F4914F6CDD1DULL >> 33) % n;
}

static void
local_action(world *w, uint32_t n, uint32_t k)
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
    case 1: {
        lg_grd_mode want = b->mode == LG_GRD_S || rnd(w, 2) ? LG_GRD_X : LG_GRD_S;
        if (may_request(w, n, k, want))
            do_request(w, n, k, want);
        return;
    }
    case 2:
        if (may_change(w, n, k))
            do_change(w, n, k);
        return;
    case 3:
        if (may_write(w, n, k))
            do_write(w, n, k);
        return;
    case 4:
        if (may_release(w, n, k))
            do_release(w, n, k);
        return;
    default:
        if (b->pi && rnd(w, 4) == 0)
            do_demand(w, n, k);
        if (may_cancel(w, n, k) && rnd(w, 8) == 0)
            do_cancel(w, n, k);
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
    bool full = rnd(w, 4) == 0;
    new_epoch(w, dead, join, full, rnd(w, 1ULL << 30), (uint32_t)rnd(w, NODES));
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
                local_action(w, n, (uint32_t)rnd(w, KEYS));
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
