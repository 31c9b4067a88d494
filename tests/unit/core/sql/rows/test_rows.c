/* The queue of checks of a session that has none, and modes of constraints over savepoints. */
#include "lg_test.h"
#include "rows_internal.h"

LG_TEST(test_rows__modes_go_back_with_the_savepoint)
{
    lg_exec_session es = {0};
    lg_exec_checks_marks m;
    lg_oid k = 20001;
    CU_ASSERT_FALSE(lg_xcheck_pending(&es, 1));
    CU_ASSERT_FALSE(lg_xcheck_deferred(&es, k, true, false));
    LG_ASSERT_OK(lg_xcheck_set(&es, 1, &k, true));
    CU_ASSERT_TRUE(lg_xcheck_deferred(&es, k, true, false));
    CU_ASSERT_FALSE(lg_xcheck_deferred(&es, k, false, false)); /* never */
    lg_exec_checks_mark(&es, &m);
    LG_ASSERT_OK(lg_xcheck_set(&es, 0, NULL, false)); /* ALL IMMEDIATE */
    CU_ASSERT_FALSE(lg_xcheck_deferred(&es, k, true, true));
    lg_exec_checks_rollback_to(&es, m);
    CU_ASSERT_TRUE(lg_xcheck_deferred(&es, k, true, false));
    LG_ASSERT_OK(lg_exec_checks_commit(&es));
    lg_exec_checks_end(&es);
    CU_ASSERT_FALSE(lg_xcheck_deferred(&es, k, true, false));
    lg_exec_checks_fini(&es);
}

LG_TEST(test_rows__events_are_pending_until_the_end)
{
    lg_exec_session es = {0};
    lg_exec_checks_marks m;
    lg_exec_checks_mark(&es, &m);
    lg_xcheck_event e = {
        .kind = LG_XCHECK_UNIQUE, .table = 7, .deferrable = true, .deferred = true};
    lg_xcheck_add(&es, &e);
    CU_ASSERT_TRUE(lg_xcheck_pending(&es, 7));
    CU_ASSERT_FALSE(lg_xcheck_pending(&es, 8));
    LG_ASSERT_OK(lg_xcheck_statement(&es, 0)); /* it is deferred */
    CU_ASSERT_TRUE(lg_xcheck_pending(&es, 7));
    lg_exec_checks_rollback_to(&es, m);
    CU_ASSERT_FALSE(lg_xcheck_pending(&es, 7));
    lg_exec_checks_end(&es);
    lg_exec_checks_fini(&es);
}
