/* Crash loops: random mini-transactions, death at any point, recovery, comparison with the model.
 */
#include "storage_model.h"

static struct model m;
static uint64_t repaired;

/* LG_TEST_SEEDS=n runs n times as many. */
static uint64_t
seeds(uint64_t n)
{
    const char *times = getenv("LG_TEST_SEEDS");
    return times ? n * strtoull(times, NULL, 10) : n;
}

static void
loop(uint32_t instances, uint64_t seed, int lives)
{
    model_open(&m, seed, 2, instances);
    uint64_t mtrs = 0;
    for (int life = 0; life < lives; life++) {
        model_life(&m, 300 * LG_MS);
        for (uint32_t i = 0; i < instances; i++)
            mtrs += m.in[i].mtrs;
        model_kill(&m, lg_sim_random(m.rig.sim) % 2);
    }
    CU_ASSERT(mtrs > (uint64_t)lives * 20);
    repaired += m.repaired;
    rig_close(&m.rig);
}

LG_TEST(test_recovery__one_instance_dies_again_and_again)
{
    for (uint64_t seed = 1; seed <= seeds(4); seed++)
        loop(1, seed, 8);
}

LG_TEST(test_recovery__two_threads_merge_by_version)
{
    for (uint64_t seed = 1; seed <= seeds(4); seed++)
        loop(2, seed, 8);
    CU_ASSERT(repaired > 0); /* torn blocks were among it */
}

LG_TEST(test_recovery__a_survivor_recovers_its_peer_while_working)
{
    uint64_t past_images = 0, held = 0, written = 0;
    for (uint64_t seed = 1; seed <= seeds(6); seed++) {
        model_open(&m, seed, 2, 2);
        for (int life = 0; life < 4; life++) {
            model_life(&m, 300 * LG_MS);
            CU_ASSERT_FATAL(rig_run(&m.rig, 0, model_lose_peer, &m, 100 * LG_SEC));
            past_images += m.stats.past_images;
            held += m.stats.blocks_held;
            written += m.stats.blocks_written;
            model_pass(&m, lg_sim_random(m.rig.sim) % (50 * LG_MS));
            CU_ASSERT_FATAL(rig_run(&m.rig, 0, model_check_survivor, &m, 100 * LG_SEC));
            model_pass(&m, lg_sim_random(m.rig.sim) % (50 * LG_MS));
            model_kill(&m, life % 2);
        }
        rig_close(&m.rig);
    }
    CU_ASSERT(past_images > 0 && held > 0 && written > 0);
}
