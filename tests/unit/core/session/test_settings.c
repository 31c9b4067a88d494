/* Settings: PostgreSQL's rules for values, transactions and savepoints. Expected texts were read
 * from PostgreSQL 15. */
#include "lg_test.h"
#include "settings.h"
#include <string.h>
#include <strings.h>

struct fixture {
    lg_arena *arena;
    lg_error err;
    lg_settings *s;
};

static void
setup(struct fixture *f)
{
    f->arena = lg_arena_create("test", 0);
    lg_error_init(&f->err, f->arena);
    f->s = lg_settings_create(NULL, NULL);
}

static void
teardown(struct fixture *f)
{
    lg_settings_destroy(f->s);
    lg_arena_destroy(f->arena);
}

static lg_status
set(struct fixture *f, const char *name, const char *value, lg_set_how how)
{
    lg_error_clear(&f->err);
    return lg_settings_set(f->s, name, value, how, true, &f->err);
}

static void
expect_shown(struct fixture *f, const char *name, const char *expected)
{
    char buf[64];
    const char *shown = lg_settings_show(f->s, name, buf, sizeof buf);
    CU_ASSERT_PTR_NOT_NULL_FATAL(shown);
    CU_ASSERT_STRING_EQUAL(shown, expected);
}

LG_TEST(test_settings__values_are_shown_in_their_largest_unit)
{
    static const char *const cases[][3] = {
        {"work_mem", NULL, "4MB"},
        {"work_mem", "4.5MB", "4608kB"},
        {"work_mem", "2GB", "2GB"},
        {"statement_timeout", "1.5s", "1500ms"},
        {"statement_timeout", "90000", "90s"},
        {"statement_timeout", "0", "0"},
        {"standard_conforming_strings", "of", "off"},
        {"bytea_output", "ESCAPE", "escape"},
        {"standard_conforming_strings", "tr", "on"},
        {"random_page_cost", "1.1", "1.1"},
    };
    struct fixture f;
    setup(&f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        LG_ASSERT_OK(set(&f, cases[i][0], cases[i][1], LG_SET_SESSION));
        expect_shown(&f, cases[i][0], cases[i][2]);
    }
    teardown(&f);
}

LG_TEST(test_settings__bad_values_have_postgresqls_errors)
{
    static const char *const cases[][4] = {
        {"work_mem", "1XB", "22023", "invalid value for parameter \"work_mem\": \"1XB\""},
        {"work_mem", "1", "22023",
         "1 kB is outside the valid range for parameter \"work_mem\" (64 .. 2147483647)"},
        {"row_security", "foo", "22023", "parameter \"row_security\" requires a Boolean value"},
        {"bytea_output", "foo", "22023", "invalid value for parameter \"bytea_output\": \"foo\""},
        {"nosuch", "1", "42704", "unrecognized configuration parameter \"nosuch\""},
        {"server_version", "1", "55P02", "parameter \"server_version\" cannot be changed"},
    };
    struct fixture f;
    setup(&f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(set(&f, cases[i][0], cases[i][1], LG_SET_SESSION), LG_SQL);
        CU_ASSERT_STRING_EQUAL(f.err.sqlstate, cases[i][2]);
        CU_ASSERT_STRING_EQUAL(f.err.message, cases[i][3]);
    }
    CU_ASSERT_EQUAL(set(&f, "bytea_output", "foo", LG_SET_SESSION), LG_SQL);
    CU_ASSERT_STRING_EQUAL(f.err.hint, "Available values: escape, hex.");
    teardown(&f);
}

LG_TEST(test_settings__rollback_undoes_and_commit_keeps)
{
    struct fixture f;
    setup(&f);
    lg_settings_txn_begin(f.s);
    LG_ASSERT_OK(set(&f, "search_path", "a", LG_SET_SESSION));
    LG_ASSERT_OK(set(&f, "my.own", "1", LG_SET_SESSION));
    lg_settings_txn_end(f.s, false);
    expect_shown(&f, "search_path", "\"$user\", public");
    CU_ASSERT_STRING_EQUAL(lg_settings_get(f.s, "my.own"), "");
    lg_settings_txn_begin(f.s);
    LG_ASSERT_OK(set(&f, "search_path", "a", LG_SET_SESSION));
    lg_settings_txn_end(f.s, true);
    expect_shown(&f, "search_path", "a");
    teardown(&f);
}

LG_TEST(test_settings__local_ends_with_the_transaction)
{
    struct fixture f;
    setup(&f);
    lg_settings_txn_begin(f.s);
    LG_ASSERT_OK(set(&f, "search_path", "b", LG_SET_SESSION));
    LG_ASSERT_OK(set(&f, "search_path", "c", LG_SET_LOCAL));
    expect_shown(&f, "search_path", "c");
    lg_settings_txn_end(f.s, true);
    expect_shown(&f, "search_path", "b");
    lg_settings_txn_begin(f.s);
    LG_ASSERT_OK(set(&f, "search_path", "d", LG_SET_LOCAL));
    LG_ASSERT_OK(set(&f, "search_path", "e", LG_SET_SESSION));
    lg_settings_txn_end(f.s, true);
    expect_shown(&f, "search_path", "e");
    teardown(&f);
}

LG_TEST(test_settings__savepoint_rollback_undoes_what_came_after)
{
    struct fixture f;
    setup(&f);
    lg_settings_txn_begin(f.s);
    LG_ASSERT_OK(set(&f, "search_path", "a", LG_SET_SESSION));
    size_t mark = lg_settings_mark(f.s);
    LG_ASSERT_OK(set(&f, "search_path", "b", LG_SET_SESSION));
    LG_ASSERT_OK(set(&f, "search_path", "c", LG_SET_LOCAL));
    lg_settings_rollback_to(f.s, mark);
    expect_shown(&f, "search_path", "a");
    lg_settings_txn_end(f.s, true);
    expect_shown(&f, "search_path", "a");
    teardown(&f);
}

LG_TEST(test_settings__reset_goes_to_the_sessions_default)
{
    struct fixture f;
    setup(&f);
    LG_ASSERT_OK(set(&f, "application_name", "psql", LG_SET_DEFAULT));
    LG_ASSERT_OK(set(&f, "application_name", "other", LG_SET_SESSION));
    expect_shown(&f, "application_name", "other");
    LG_ASSERT_OK(lg_settings_reset_all(f.s, &f.err));
    expect_shown(&f, "application_name", "psql");
    teardown(&f);
}

LG_TEST(test_settings__each_change_of_a_reported_setting_is_reported_once)
{
    struct fixture f;
    const char *value;
    unsigned n = 0;
    setup(&f);
    while (lg_settings_next_report(f.s, &value))
        n++;
    CU_ASSERT_EQUAL(n, 13);
    LG_ASSERT_OK(set(&f, "work_mem", "1MB", LG_SET_SESSION));
    CU_ASSERT_PTR_NULL(lg_settings_next_report(f.s, &value));
    LG_ASSERT_OK(set(&f, "application_name", "x", LG_SET_SESSION));
    const lg_setting_info *i = lg_settings_next_report(f.s, &value);
    CU_ASSERT_PTR_NOT_NULL_FATAL(i);
    CU_ASSERT_STRING_EQUAL(i->name, "application_name");
    CU_ASSERT_STRING_EQUAL(value, "x");
    CU_ASSERT_PTR_NULL(lg_settings_next_report(f.s, &value));
    teardown(&f);
}

LG_TEST(test_settings__the_list_is_sorted_for_the_search)
{
    for (int i = 1; i < LG_SETTING_COUNT; i++)
        CU_ASSERT(strcasecmp(lg_setting_info_of((lg_setting_id)(i - 1))->name,
                             lg_setting_info_of((lg_setting_id)i)->name) < 0);
}

LG_TEST(test_settings__contexts_decide_what_a_session_may_set)
{
    static const char *const cases[][3] = {
        {"synchronize_seqscans", "off", ""},
        {"xmloption", "document", ""},
        {"block_size", "4096", "parameter \"block_size\" cannot be changed"},
        {"wal_level", "logical",
         "parameter \"wal_level\" cannot be changed without restarting the server"},
        {"log_checkpoints", "on", "parameter \"log_checkpoints\" cannot be changed now"},
        {"log_connections", "on",
         "parameter \"log_connections\" cannot be set after connection start"},
    };
    struct fixture f;
    setup(&f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lg_status st = set(&f, cases[i][0], cases[i][1], LG_SET_SESSION);
        if (!*cases[i][2]) {
            CU_ASSERT_EQUAL(st, LG_OK);
            expect_shown(&f, cases[i][0], cases[i][1]);
        } else {
            CU_ASSERT_EQUAL(st, LG_SQL);
            CU_ASSERT_STRING_EQUAL(f.err.message, cases[i][2]);
        }
    }
    teardown(&f);
}
