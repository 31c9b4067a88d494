/* Clock (second chance): a reference bit a frame, set by a hit, cleared as the hand passes. */
#include "buf_policy.h"
#include "mem.h"

struct clock {
    uint32_t frames;
    uint32_t hand;
    uint8_t referenced[];
};

static void *
clock_create(uint32_t frame_count)
{
    struct clock *k = lg_zalloc(sizeof *k + frame_count);
    k->frames = frame_count;
    return k;
}

static void
clock_destroy(void *state)
{
    lg_free(state);
}

static void
clock_reference(void *state, uint32_t frame)
{
    ((struct clock *)state)->referenced[frame] = 1;
}

static void
clock_emptied(void *state, uint32_t frame)
{
    ((struct clock *)state)->referenced[frame] = 0;
}

static uint32_t
clock_candidate(void *state)
{
    struct clock *k = state;
    for (;;) {
        uint32_t at = k->hand;
        k->hand = at + 1 == k->frames ? 0 : at + 1;
        if (!k->referenced[at])
            return at;
        k->referenced[at] = 0;
    }
}

const lg_buf_policy lg_buf_policy_clock = {
    .create = clock_create,
    .destroy = clock_destroy,
    .filled = clock_reference,
    .touched = clock_reference,
    .emptied = clock_emptied,
    .candidate = clock_candidate,
};
