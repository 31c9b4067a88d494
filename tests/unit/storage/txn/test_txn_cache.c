/* The cache of other instances' outcomes. */
#include "hash.h"
#include "lg_test.h"
#include "mem.h"
#include "txn_internal.h"

static bool
known(lg_txn_sys *s, lg_xid xid, lg_scn scn)
{
    lg_txn_status st;
    return lg_txn_peek(s, xid, LG_SCN_MAX - 1, &st) == LG_OK && st.state == LG_XID_COMMITTED &&
           st.scn == scn;
}

/* A search that looks at several transactions in turn resolves one after the other: none may push
 * another out before all are there. */
LG_TEST(test_txn_cache__outcomes_of_one_set_stay_together)
{
    lg_txn_sys s = {0};
    lg_xid xid[CACHE_WAYS + 1];
    uint32_t n = 0, sets = CACHE_SLOTS / CACHE_WAYS;
    s.segs = lg_map_create();
    s.resolved = lg_zalloc(CACHE_SLOTS * sizeof *s.resolved);
    for (uint32_t wrap = 1; n <= CACHE_WAYS; wrap++) {
        lg_xid x = lg_xid_make(2, 1, wrap);
        if (lg_hash_u64(x) % sets == 0)
            xid[n++] = x;
    }
    for (uint32_t i = 0; i < CACHE_WAYS; i++)
        lg_txn__cache_put(&s, xid[i], &(lg_txn_status){LG_XID_COMMITTED, 100 + i, false}, 1000);
    for (uint32_t i = 0; i < CACHE_WAYS; i++)
        CU_ASSERT(known(&s, xid[i], 100 + i));
    /* Again: nothing is there twice, so nothing goes. */
    lg_txn__cache_put(&s, xid[3], &(lg_txn_status){LG_XID_COMMITTED, 103, false}, 1000);
    for (uint32_t i = 0; i < CACHE_WAYS; i++)
        CU_ASSERT(known(&s, xid[i], 100 + i));
    /* One too many: the oldest goes. */
    lg_txn__cache_put(&s, xid[CACHE_WAYS], &(lg_txn_status){LG_XID_COMMITTED, 200, false}, 1000);
    CU_ASSERT(!known(&s, xid[0], 100));
    CU_ASSERT(known(&s, xid[CACHE_WAYS], 200));
    lg_free(s.resolved);
    lg_map_destroy(s.segs);
}

LG_TEST(test_txn_cache__active_is_forgotten_on_demand)
{
    lg_txn_sys s = {0};
    lg_txn_status st;
    lg_xid x = lg_xid_make(2, 1, 7);
    s.segs = lg_map_create();
    s.resolved = lg_zalloc(CACHE_SLOTS * sizeof *s.resolved);
    lg_txn__cache_put(&s, x, &(lg_txn_status){LG_XID_ACTIVE, 0, false}, 50);
    CU_ASSERT_EQUAL(lg_txn_peek(&s, x, 50, &st), LG_OK);
    CU_ASSERT_EQUAL(lg_txn_peek(&s, x, 51, &st), LG_WOULD_WAIT); /* may have committed since */
    lg_txn_forget_active(&s, x);
    CU_ASSERT_EQUAL(lg_txn_peek(&s, x, 50, &st), LG_WOULD_WAIT);
    lg_free(s.resolved);
    lg_map_destroy(s.segs);
}

/* What a dead instance told of a rollback was not durable: only commits keep. */
LG_TEST(test_txn_cache__only_commits_outlive_a_death)
{
    lg_txn_sys s = {0};
    lg_txn_status st;
    lg_xid committed = lg_xid_make(2, 1, 7), bound = lg_xid_make(2, 2, 7);
    lg_xid aborted = lg_xid_make(2, 3, 7), active = lg_xid_make(2, 4, 7);
    s.segs = lg_map_create();
    s.resolved = lg_zalloc(CACHE_SLOTS * sizeof *s.resolved);
    lg_txn__cache_put(&s, committed, &(lg_txn_status){LG_XID_COMMITTED, 40, false}, 50);
    lg_txn__cache_put(&s, bound, &(lg_txn_status){LG_XID_COMMITTED, 40, true}, 50);
    lg_txn__cache_put(&s, aborted, &(lg_txn_status){LG_XID_ABORTED, 0, false}, 50);
    lg_txn__cache_put(&s, active, &(lg_txn_status){LG_XID_ACTIVE, 0, false}, 50);
    CU_ASSERT_EQUAL(lg_txn_peek(&s, aborted, 50, &st), LG_OK);
    lg_txn_forget_doubtful(&s);
    CU_ASSERT(known(&s, committed, 40));
    CU_ASSERT_EQUAL(lg_txn_peek(&s, bound, 50, &st), LG_WOULD_WAIT);
    CU_ASSERT_EQUAL(lg_txn_peek(&s, aborted, 50, &st), LG_WOULD_WAIT);
    CU_ASSERT_EQUAL(lg_txn_peek(&s, active, 50, &st), LG_WOULD_WAIT);
    lg_free(s.resolved);
    lg_map_destroy(s.segs);
}
