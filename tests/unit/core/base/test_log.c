/* Lines of the log: the escapes of log_line_prefix, lines that go on, JSON members. */
#include "log.h"
#include "lg_test.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t
fixed_now(void *arg)
{
    (void)arg;
    return 1700000000123456789ull; /* 2023-11-14 22:13:20.123 */
}

/* What a log of this form writes for the event. */
static const char *
written(lg_log_format format, const char *prefix, const lg_log_event *ev, char out[2048])
{
    int fds[2];
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    lg_log *log = lg_log_create(fds[1], "lagoon1", LG_LOG_INFO, fixed_now, NULL);
    lg_log_set_format(log, format, prefix);
    if (ev)
        lg_log_event_write(log, LG_LOG_INFO, "session", ev);
    else
        lg_log_info(log, "instance", "is open");
    lg_log_destroy(log);
    close(fds[1]);
    ssize_t n = read(fds[0], out, 2047);
    out[n > 0 ? n : 0] = '\0';
    close(fds[0]);
    return out;
}

static const lg_log_who who = {.application = "app",
                               .user = "u",
                               .database = "d",
                               .host = "10.0.0.1",
                               .port = "4711",
                               .backend_type = "client backend",
                               .command = "SELECT",
                               .pid = 1048577,
                               .start_us = 1700000000000000,
                               .vxid = "1/1",
                               .xid = 77,
                               .query_id = 5};

LG_TEST(test_log__every_escape_of_the_prefix)
{
    static const struct {
        const char *prefix, *line;
    } cases[] = {
        {"%a|%u|%d|", "app|u|d|LOG:  x\n"},
        {"%r %h ", "10.0.0.1(4711) 10.0.0.1 LOG:  x\n"},
        {"%p %P %b ", "1048577  client backend LOG:  x\n"},
        {"%t ", "2023-11-14 22:13:20 GMT LOG:  x\n"},
        {"%m ", "2023-11-14 22:13:20.123 GMT LOG:  x\n"},
        {"%n %s ", "1700000000.123 2023-11-14 22:13:20 GMT LOG:  x\n"},
        {"%i %e %c ", "SELECT 00000 6553f100.100001 LOG:  x\n"},
        {"%v %x %Q %% ", "1/1 77 5 % LOG:  x\n"},
        {"%5u|%-5u|%q%z", "    u|u    |LOG:  x\n"},
        {"%", "LOG:  x\n"},
        {"%-", "LOG:  x\n"},
        {"%99999999999u", "uLOG:  x\n"},
        {NULL, "LOG:  x\n"},
    };
    lg_log_event ev = {.who = &who, .severity = "LOG", .sqlstate = "00000", .message = "x"};
    char out[2048];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT_STRING_EQUAL(written(LG_LOG_TEXT, cases[i].prefix, &ev, out), cases[i].line);
}

LG_TEST(test_log__lines_of_nobody_end_at_q)
{
    char out[2048];
    CU_ASSERT_STRING_EQUAL(written(LG_LOG_TEXT, "%t %q%u@%d ", NULL, out),
                           "2023-11-14 22:13:20 GMT LOG:  instance: is open\n");
}

LG_TEST(test_log__parts_have_lines_of_their_own)
{
    uint64_t lines = 0;
    lg_log_who w = who;
    lg_log_event ev = {.who = &w,
                       .severity = "ERROR",
                       .sqlstate = "22012",
                       .message = "one\ntwo",
                       .detail = "why",
                       .hint = "what",
                       .context = "where",
                       .statement = "select\n1",
                       .position = 3};
    char out[2048];
    w.lines = &lines;
    CU_ASSERT_STRING_EQUAL(written(LG_LOG_TEXT, "%l ", &ev, out),
                           "1 ERROR:  one\n\ttwo at character 3\n2 DETAIL:  why\n3 HINT:  what\n"
                           "4 CONTEXT:  where\n5 STATEMENT:  select\n\t1\n");
    ev.terse = true;
    CU_ASSERT_STRING_EQUAL(written(LG_LOG_TEXT, "%l ", &ev, out),
                           "6 ERROR:  one\n\ttwo at character 3\n7 STATEMENT:  select\n\t1\n");
    ev.terse = false;
    ev.verbose = true;
    ev.statement = NULL;
    CU_ASSERT_PTR_NOT_NULL(strstr(written(LG_LOG_TEXT, "", &ev, out), "ERROR:  22012: one"));
}

LG_TEST(test_log__json_has_postgresqls_members)
{
    lg_log_event ev = {.who = &who,
                       .severity = "ERROR",
                       .sqlstate = "22012",
                       .message = "a \"b\"\n\x01",
                       .statement = "select 1"};
    char out[2048];
    written(LG_LOG_JSON, NULL, &ev, out);
    CU_ASSERT_STRING_EQUAL(
        out,
        "{\"ts\":\"2023-11-14T22:13:20.123456Z\",\"level\":\"info\",\"instance\":\"lagoon1\","
        "\"module\":\"session\",\"msg\":\"a \\\"b\\\"\\n\\u0001\",\"error_severity\":\"ERROR\","
        "\"state_code\":\"22012\",\"statement\":\"select 1\",\"user\":\"u\",\"dbname\":\"d\","
        "\"pid\":1048577,\"remote_host\":\"10.0.0.1\",\"remote_port\":4711,"
        "\"session_id\":\"6553f100.100001\",\"ps\":\"SELECT\","
        "\"session_start\":\"2023-11-14 22:13:20 GMT\",\"vxid\":\"1/1\",\"txid\":77,"
        "\"application_name\":\"app\",\"backend_type\":\"client backend\",\"query_id\":5}\n");
}
