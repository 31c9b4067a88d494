/* An instance's configuration: defaults, and a message that names the key for everything wrong. */
#include "instance.h"
#include "lg_test.h"
#include <stdio.h>
#include <string.h>

static lg_status
read_text(const char *text, lg_instance_config *ret, char *message, size_t size)
{
    lg_config *c;
    LG_ASSERT_OK(lg_config_parse(text, strlen(text), &c, message, size));
    lg_status st = lg_instance_config_read(c, ret, message, size);
    lg_config_free(c);
    return st;
}

LG_TEST(test_instance_config__a_full_document_is_read)
{
    lg_instance_config cfg;
    char message[256] = "";
    LG_ASSERT_OK(
        read_text("instance: 3\nname: c\nlisten: 127.0.0.1:5443\ncache: 1GiB\nundo_retention: "
                  "10s\nmemory_limit: 2GiB\n"
                  "interconnect: {transport: shm, address: x}\nagent: unix:/a\ncluster_key: /k\n"
                  "archive: /arch\nmax_sessions: 7\nworker_nice: -3\nvolume: [/d1, /d2]\n",
                  &cfg, message, sizeof message));
    CU_ASSERT_EQUAL(cfg.node, 3);
    CU_ASSERT_EQUAL(cfg.cache_bytes, 768ull << 20); /* a quarter is for columns */
    CU_ASSERT_EQUAL(cfg.column_cache_bytes, 256ull << 20);
    CU_ASSERT_EQUAL(cfg.memory_limit_bytes, 2048ull << 20);
    CU_ASSERT_EQUAL(cfg.undo_retention_ms, 10000);
    CU_ASSERT_EQUAL(cfg.disk_count, 2);
    CU_ASSERT_STRING_EQUAL(cfg.disks[1], "/d2");
    CU_ASSERT_STRING_EQUAL(cfg.transport, "shm");
    CU_ASSERT_EQUAL(cfg.max_sessions, 7);
    CU_ASSERT_EQUAL(cfg.worker_nice, -3);
}

LG_TEST(test_instance_config__defaults_stand_for_what_is_missing)
{
    lg_instance_config cfg;
    char message[256] = "";
    LG_ASSERT_OK(read_text("instance: 1\nlisten: 127.0.0.1:1\nvolume: [/d]\n", &cfg, message,
                           sizeof message));
    CU_ASSERT_STRING_EQUAL(cfg.name, "lagoon1");
    CU_ASSERT_STRING_EQUAL(cfg.agent, "");
    CU_ASSERT_EQUAL(cfg.cache_bytes + cfg.column_cache_bytes, 128ull << 20);
    CU_ASSERT(cfg.memory_limit_bytes >= 64ull << 20);
    CU_ASSERT_EQUAL(cfg.disk_timeout_ms, 60000);
    CU_ASSERT_EQUAL(cfg.worker_nice, -10);
}

LG_TEST(test_instance_config__settings_of_sessions_are_checked)
{
    static const char head[] = "instance: 1\nlisten: a\nvolume: [/d]\n";
    static const char *const bad[] = {
        "settings: {log_statement: some}\n",    "settings: {nonsense: 1}\n",
        "settings: {block_size: 4096}\n",       "settings: {autovacuum: on}\n",
        "settings: {log_executor_stats: on}\n", "settings: {log_destination: syslog}\n",
        "settings: {work_mem: [1]}\n"};
    lg_instance_config cfg;
    char message[256] = "", text[512];
    snprintf(text, sizeof text,
             "%ssettings: {log_connections: on, log_line_prefix: '%%m ', work_mem: 8MB}\n", head);
    LG_ASSERT_OK(read_text(text, &cfg, message, sizeof message));
    CU_ASSERT_STRING_EQUAL(lg_instance_config_setting(&cfg, "log_line_prefix"), "%m ");
    CU_ASSERT_STRING_EQUAL(lg_instance_config_setting(&cfg, "LOG_CONNECTIONS"), "on");
    CU_ASSERT_STRING_EQUAL(lg_instance_config_setting(&cfg, "log_destination"), "jsonlog");
    CU_ASSERT_PTR_NULL(lg_instance_config_setting(&cfg, "log_statement"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "%s%s", head, bad[i]);
        CU_ASSERT_EQUAL(read_text(text, &cfg, message, sizeof message), LG_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(message, "settings."));
    }
}

LG_TEST(test_instance_config__what_is_wrong_is_named)
{
    static const char *const cases[][2] = {
        {"listen: a\nvolume: [/d]\n", "instance"},
        {"instance: 16\nlisten: a\nvolume: [/d]\n", "instance"},
        {"instance: 1\nvolume: [/d]\n", "listen"},
        {"instance: 1\nlisten: a\n", "volume"},
        {"instance: 1\nlisten: a\nvolume: []\n", "volume"},
        {"instance: 1\nlisten: a\nvolume: [/d]\ncache: 1k\n", "cache"},
        {"instance: 1\nlisten: a\nvolume: [/d]\nagent: unix:/x\n", "cluster_key"},
        {"instance: 1\nlisten: a\nvolume: [/d]\ndisk_timeout: 10ms\n", "disk_timeout"},
        {"instance: 1\nlisten: a\nvolume: [/d]\nworker_nice: -21\n", "worker_nice"},
        {"instance: 1\nlisten: a\nvolume: [/d]\nnosuch: 1\n", "nosuch"},
    };
    lg_instance_config cfg;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char message[256] = "";
        CU_ASSERT_EQUAL(read_text(cases[i][0], &cfg, message, sizeof message), LG_CONFIG);
        CU_ASSERT_EQUAL(strncmp(message, cases[i][1], strlen(cases[i][1])), 0);
    }
}
