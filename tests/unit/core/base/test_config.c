/* Configuration, fault points, log, statistics. */
#include "lg_test.h"
#include "config.h"
#include "fault.h"
#include "log.h"
#include "stats.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char text[] = "cluster:\n"
                           "  name: demo\n"
                           "  nodes:\n"
                           "    - address: 127.0.0.1:6001\n"
                           "    - address: 127.0.0.1:6002\n"
                           "cache: 64MiB\n"
                           "timeout: 3s\n"
                           "plain: 250\n"
                           "archive: off\n"
                           "number: -12\n"
                           "misspelt: 1\n";

static lg_config *
parse(const char *s)
{
    char msg[200];
    lg_config *c = NULL;
    LG_ASSERT_OK(lg_config_parse(s, strlen(s), &c, msg, sizeof msg));
    return c;
}

LG_TEST(test_config__paths_and_units)
{
    lg_config *c = parse(text);
    int64_t i = 0;
    uint64_t u = 0;
    bool b = true;
    CU_ASSERT_STRING_EQUAL(lg_config_string(c, "cluster.name"), "demo");
    CU_ASSERT_STRING_EQUAL(lg_config_string(c, "cluster.nodes[1].address"), "127.0.0.1:6002");
    CU_ASSERT_PTR_NULL(lg_config_string(c, "cluster.nodes[2].address"));
    CU_ASSERT_PTR_NULL(lg_config_string(c, "cluster"));
    CU_ASSERT_EQUAL(lg_config_count(c, "cluster.nodes"), 2);
    CU_ASSERT_EQUAL(lg_config_bytes(c, "cache", &u), LG_OK);
    CU_ASSERT_EQUAL(u, 64u << 20);
    CU_ASSERT_EQUAL(lg_config_duration_ms(c, "timeout", &u), LG_OK);
    CU_ASSERT_EQUAL(u, 3000);
    CU_ASSERT_EQUAL(lg_config_duration_ms(c, "plain", &u), LG_OK);
    CU_ASSERT_EQUAL(u, 250);
    CU_ASSERT_EQUAL(lg_config_bool(c, "archive", &b), LG_OK);
    CU_ASSERT_FALSE(b);
    CU_ASSERT_EQUAL(lg_config_int(c, "number", &i), LG_OK);
    CU_ASSERT_EQUAL(i, -12);
    CU_ASSERT_EQUAL(lg_config_int(c, "absent", &i), LG_NOT_FOUND);
    CU_ASSERT_EQUAL(lg_config_int(c, "cluster.name", &i), LG_CONFIG);
    CU_ASSERT_EQUAL(lg_config_bytes(c, "number", &u), LG_CONFIG);
    CU_ASSERT_EQUAL(lg_config_bytes(c, "timeout", &u), LG_CONFIG);
    CU_ASSERT_EQUAL(i, -12);
    (void)lg_config_string(c, "cluster.nodes[0].address");
    CU_ASSERT_STRING_EQUAL(lg_config_unknown(c), "misspelt");
    (void)lg_config_string(c, "misspelt");
    CU_ASSERT_PTR_NULL(lg_config_unknown(c));
    CU_ASSERT_STRING_EQUAL(lg_config_key(c, "cluster", 1), "nodes");
    lg_config_free(c);
}

LG_TEST(test_config__errors_name_the_line)
{
    static const char *const bad[] = {"a: [1, 2\nb: 3\n", "a: 1\na: 2\n", "? [x]\n: 1\n",
                                      "a: &x\n  b: *x\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char msg[200] = "";
        lg_config *c = NULL;
        CU_ASSERT_EQUAL(lg_config_parse(bad[i], strlen(bad[i]), &c, msg, sizeof msg), LG_CONFIG);
        CU_ASSERT_PTR_NULL(c);
        CU_ASSERT(strncmp(msg, "line ", 5) == 0);
    }
    lg_config *c = parse("");
    CU_ASSERT_PTR_NULL(lg_config_string(c, "x"));
    lg_config_free(c);
    char msg[200];
    CU_ASSERT_EQUAL(lg_config_load("/nonexistent/x.yaml", &c, msg, sizeof msg), LG_CONFIG);
}

LG_TEST(test_fault__skip_and_count)
{
    lg_faults *f = lg_faults_create();
    CU_ASSERT_EQUAL(LG_FAULT(f, "io"), LG_OK);
    lg_faults_arm(f, "io", &(lg_fault_spec){.status = LG_IO, .skip = 1, .count = 2});
    CU_ASSERT_EQUAL(LG_FAULT(f, "other"), LG_OK);
    CU_ASSERT_EQUAL(LG_FAULT(f, "io"), LG_OK);
    CU_ASSERT_EQUAL(LG_FAULT(f, "io"), LG_IO);
    CU_ASSERT_EQUAL(LG_FAULT(f, "io"), LG_IO);
    CU_ASSERT_EQUAL(LG_FAULT(f, "io"), LG_OK);
    CU_ASSERT_EQUAL(lg_faults_hits(f, "io"), 3);
    CU_ASSERT_FALSE(lg_faults_armed(f));
    lg_faults_arm(f, "io", &(lg_fault_spec){.status = LG_IO});
    CU_ASSERT_EQUAL(LG_FAULT(f, "io"), LG_IO);
    lg_faults_disarm(f, "io");
    CU_ASSERT_EQUAL(LG_FAULT(f, "io"), LG_OK);
    CU_ASSERT_EQUAL(LG_FAULT((lg_faults *)NULL, "io"), LG_OK);
    lg_faults_destroy(f);
}

static void
count_kill(void *arg)
{
    ++*(int *)arg;
}

static void
check_pausing(void *arg, const char *name)
{
    lg_faults *f = *(lg_faults **)((char *)arg + 8);
    CU_ASSERT_TRUE(lg_faults_pausing(f, name));
    lg_faults_disarm(f, name);
    CU_ASSERT_FALSE(lg_faults_pausing(f, name));
}

LG_TEST(test_fault__hooks)
{
    struct {
        int kills;
        lg_faults *f;
    } t = {0, lg_faults_create()};
    lg_faults_set_hooks(t.f,
                        &(lg_fault_hooks){.arg = &t, .kill = count_kill, .pause = check_pausing});
    lg_faults_arm(t.f, "die", &(lg_fault_spec){.action = LG_FAULT_KILL, .count = 1});
    lg_faults_arm(t.f, "stop", &(lg_fault_spec){.action = LG_FAULT_PAUSE});
    CU_ASSERT_EQUAL(LG_FAULT(t.f, "die"), LG_OK);
    CU_ASSERT_EQUAL(LG_FAULT(t.f, "stop"), LG_OK);
    CU_ASSERT_EQUAL(t.kills, 1);
    lg_faults_destroy(t.f);
}

static uint64_t
fixed_time(void *arg)
{
    (void)arg;
    return 1700000000123456789ULL;
}

LG_TEST(test_log__one_escaped_json_line)
{
    int fd[2];
    CU_ASSERT_EQUAL_FATAL(pipe(fd), 0);
    lg_log *log = lg_log_create(fd[1], "i1", LG_LOG_INFO, fixed_time, NULL);
    lg_log_debug(log, "m", "hidden");
    lg_log_warn(log, "m", "a \"quoted\"\n%d", 7);
    lg_log_info(NULL, "m", "nowhere");
    char line[500];
    ssize_t n = read(fd[0], line, sizeof line - 1);
    CU_ASSERT_FATAL(n > 0);
    line[n] = 0;
    CU_ASSERT_STRING_EQUAL(line, "{\"ts\":\"2023-11-14T22:13:20.123456Z\",\"level\":\"warn\","
                                 "\"instance\":\"i1\",\"module\":\"m\","
                                 "\"msg\":\"a \\\"quoted\\\"\\n7\"}\n");
    lg_log_destroy(log);
    close(fd[0]);
    close(fd[1]);
}

LG_TEST(test_stats__names_and_waits)
{
    lg_stats s = {0};
    lg_stats_wait(&s, LG_WAIT_LATCH, 5);
    lg_stats_wait(&s, LG_WAIT_LATCH, 3);
    lg_stats_wait(NULL, LG_WAIT_LATCH, 3);
    CU_ASSERT_EQUAL(s.wait_count[LG_WAIT_LATCH], 2);
    CU_ASSERT_EQUAL(s.wait_ns[LG_WAIT_LATCH], 8);
    CU_ASSERT_EQUAL(s.wait_max_ns[LG_WAIT_LATCH], 5);
    CU_ASSERT_STRING_EQUAL(lg_wait_name(LG_WAIT_LATCH), "latch free");
    CU_ASSERT_STRING_EQUAL(lg_wait_class(LG_WAIT_LATCH), "Concurrency");
    CU_ASSERT_STRING_EQUAL(lg_wait_pg_type(LG_WAIT_LATCH), "LWLock");
    CU_ASSERT_STRING_EQUAL(lg_stat_name(LG_STAT_REDO_SIZE), "redo size");
    CU_ASSERT_STRING_EQUAL(lg_stat_class(LG_STAT_REDO_SIZE), "redo");
}
