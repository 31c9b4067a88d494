/* An instance's configuration, read from YAML. */
#include "instance_internal.h"
#include "settings.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool
copy(char *to, size_t size, const char *from)
{
    if (!from)
        return true;
    return (size_t)snprintf(to, size, "%s", from) < size;
}

static lg_status
wrong(char *message, size_t size, const char *key, const char *what)
{
    snprintf(message, size, "%s: %s", key, what);
    return LG_CONFIG;
}

static lg_status
read_disks(const lg_config *c, lg_instance_config *ret, char *message, size_t size)
{
    size_t n = lg_config_count(c, "volume");
    if (n == 0 || n > LG_INSTANCE_MAX_DISKS)
        return wrong(message, size, "volume", "a list of 1 to 32 disks is needed");
    for (size_t i = 0; i < n; i++) {
        char path[32];
        snprintf(path, sizeof path, "volume[%zu]", i);
        if (!lg_config_string(c, path) ||
            !copy(ret->disks[i], sizeof ret->disks[i], lg_config_string(c, path)))
            return wrong(message, size, path, "a path of less than 256 bytes is needed");
    }
    ret->disk_count = (uint32_t)n;
    return LG_OK;
}

const char *
lg_instance_config_setting(const lg_instance_config *cfg, const char *name)
{
    for (uint32_t i = 0; i < cfg->setting_count; i++)
        if (!strcasecmp(cfg->settings[i].name, name))
            return cfg->settings[i].value;
    return NULL;
}

/* Settings that only the server's configuration changes, and that are obeyed. */
static bool
server_setting(const char *name)
{
    static const char *const names[] = {"log_line_prefix", "log_checkpoints", "log_destination"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcasecmp(name, names[i]))
            return true;
    return false;
}

static lg_status
check_setting(lg_settings *known, const char *name, const char *value, lg_error *err)
{
    const lg_setting_info *info = lg_settings_info(name);
    if (!strcasecmp(name, "log_destination") && strcmp(value, "jsonlog") != 0 &&
        strcmp(value, "stderr") != 0)
        return lg_error_set(err, "22023", "is jsonlog or stderr");
    if (info && (!strcmp(info->context, "internal") || !strcmp(info->context, "postmaster") ||
                 (!strcmp(info->context, "sighup") && !server_setting(name))))
        return lg_error_set(err, "55P02", "parameter \"%s\" cannot be changed", info->name);
    return lg_settings_set(known, name, value, LG_SET_FORCE, true, err);
}

/* settings: {name: value, ...} */
static lg_status
read_settings(const lg_config *c, lg_instance_config *ret, char *message, size_t size)
{
    size_t n = lg_config_count(c, "settings");
    lg_status st = LG_OK;
    if (n >= LG_INSTANCE_MAX_SETTINGS)
        return wrong(message, size, "settings", "are too many");
    lg_settings *known = lg_settings_create(NULL, NULL);
    lg_arena *arena = lg_arena_create("settings", 1024);
    for (size_t i = 0; st == LG_OK && i < n; i++) {
        lg_error err;
        char path[96];
        const char *name = lg_config_key(c, "settings", i);
        lg_error_init(&err, arena);
        snprintf(path, sizeof path, "settings.%s", name ? name : "");
        const char *value = name ? lg_config_string(c, path) : NULL;
        if (!value || !copy(ret->settings[i].name, sizeof ret->settings[i].name, name) ||
            !copy(ret->settings[i].value, sizeof ret->settings[i].value, value))
            st = wrong(message, size, path, "a name and a value of less than 208 bytes are needed");
        else if (check_setting(known, name, value, &err) != LG_OK)
            st = wrong(message, size, path, err.message ? err.message : "is no setting");
        ret->setting_count = (uint32_t)i + 1;
    }
    lg_arena_destroy(arena);
    lg_settings_destroy(known);
    if (st == LG_OK && !lg_instance_config_setting(ret, "log_destination")) {
        snprintf(ret->settings[n].name, sizeof ret->settings[n].name, "log_destination");
        snprintf(ret->settings[n].value, sizeof ret->settings[n].value, "jsonlog");
        ret->setting_count++;
    }
    return st;
}

lg_status
lg_instance_config_read(const lg_config *c, lg_instance_config *ret, char *message, size_t size)
{
    static const char *const strings[] = {"name",
                                          "listen",
                                          "interconnect.transport",
                                          "interconnect.address",
                                          "agent",
                                          "cluster_key",
                                          "archive",
                                          "temp"};
    int64_t node = 0;
    int64_t sessions = 10000;
    int64_t nice = -10;
    memset(ret, 0, sizeof *ret);
    ret->cache_bytes = 128ull << 20;
    ret->undo_retention_ms = 900000;
    ret->disk_timeout_ms = 60000;
    if (lg_config_int(c, "instance", &node) != LG_OK || node < 1 || node > LG_INSTANCE_MAX)
        return wrong(message, size, "instance", "a number from 1 to 15 is needed");
    ret->node = (uint32_t)node;
    snprintf(ret->name, sizeof ret->name, "lagoon%u", ret->node);
    snprintf(ret->transport, sizeof ret->transport, "tcp");
    snprintf(ret->interconnect, sizeof ret->interconnect, "127.0.0.1:0");
    snprintf(ret->temp_dir, sizeof ret->temp_dir, "/var/tmp");
    struct {
        char *to;
        size_t size;
    } targets[] = {{ret->name, sizeof ret->name},
                   {ret->listen, sizeof ret->listen},
                   {ret->transport, sizeof ret->transport},
                   {ret->interconnect, sizeof ret->interconnect},
                   {ret->agent, sizeof ret->agent},
                   {ret->cluster_key, sizeof ret->cluster_key},
                   {ret->archive_dir, sizeof ret->archive_dir},
                   {ret->temp_dir, sizeof ret->temp_dir}};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        if (!copy(targets[i].to, targets[i].size, lg_config_string(c, strings[i])))
            return wrong(message, size, strings[i], "is too long");
    if (strcmp(ret->temp_dir, "none") == 0)
        ret->temp_dir[0] = '\0';
    LG_TRY(read_disks(c, ret, message, size));
    if (lg_failed(lg_config_bytes(c, "cache", &ret->cache_bytes)) ||
        ret->cache_bytes < (8ull << 20))
        return wrong(message, size, "cache", "a size of at least 8MiB is needed");
    uint64_t columns = UINT64_MAX; /* not said: a quarter of the cache, out of it */
    if (lg_failed(lg_config_bytes(c, "column_cache", &columns)))
        return wrong(message, size, "column_cache", "a size is needed, 0 for none");
    ret->column_cache_bytes = columns == UINT64_MAX ? ret->cache_bytes / 4 : columns;
    if (columns == UINT64_MAX)
        ret->cache_bytes -= ret->column_cache_bytes;
    ret->memory_limit_bytes = lg_run_memory_bytes() / 4;
    if (lg_failed(lg_config_bytes(c, "memory_limit", &ret->memory_limit_bytes)) ||
        (ret->memory_limit_bytes && ret->memory_limit_bytes < (64ull << 20)))
        return wrong(message, size, "memory_limit",
                     "a size of at least 64MiB is needed, 0 for none");
    if (lg_failed(lg_config_duration_ms(c, "undo_retention", &ret->undo_retention_ms)))
        return wrong(message, size, "undo_retention", "a duration is needed");
    if (lg_failed(lg_config_duration_ms(c, "disk_timeout", &ret->disk_timeout_ms)) ||
        ret->disk_timeout_ms < 1000)
        return wrong(message, size, "disk_timeout", "a duration of at least 1s is needed");
    if (lg_failed(lg_config_int(c, "max_sessions", &sessions)) || sessions < 1 ||
        sessions > 1000000)
        return wrong(message, size, "max_sessions", "a number from 1 to 1000000 is needed");
    ret->max_sessions = (uint32_t)sessions;
    if (lg_failed(lg_config_int(c, "worker_nice", &nice)) || nice < -20 || nice > 19)
        return wrong(message, size, "worker_nice", "a number from -20 to 19 is needed");
    ret->worker_nice = (int32_t)nice;
    if (lg_failed(lg_config_bool(c, "trust_unix", &ret->trust_unix)))
        return wrong(message, size, "trust_unix", "true or false is needed");
    LG_TRY(read_settings(c, ret, message, size));
    if (!*ret->listen)
        return wrong(message, size, "listen", "is missing");
    if (*ret->agent && !*ret->cluster_key)
        return wrong(message, size, "cluster_key", "is needed beside agent");
    const char *unknown = lg_config_unknown(c);
    if (unknown)
        return wrong(message, size, unknown, "unknown key");
    return LG_OK;
}
