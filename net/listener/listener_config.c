/* The listener's configuration from YAML. */
#include "listener_internal.h"

#include "config.h"
#include <stdio.h>
#include <string.h>

void
lg_listener_config_init(lg_listener_config *ret_cfg)
{
    memset(ret_cfg, 0, sizeof *ret_cfg);
    ret_cfg->probe_ms = 1000;
    ret_cfg->probe_timeout_ms = 2000;
    ret_cfg->probe_failures = 2;
    ret_cfg->startup_ms = 30000;
    ret_cfg->connect_ms = 2000;
    ret_cfg->max_connections = 10000;
}

struct reader {
    const lg_config *c;
    char *message;
    size_t message_size;
};

static lg_status
bad(const struct reader *r, const char *path, const char *what)
{
    snprintf(r->message, r->message_size, "%s: %s", path, what);
    return LG_CONFIG;
}

/* Required when `need`. */
static lg_status
text(const struct reader *r, const char *path, char *ret, size_t size, bool need)
{
    const char *s = lg_config_string(r->c, path);
    if (!s)
        return need ? bad(r, path, "missing") : LG_OK;
    if (strlen(s) >= size)
        return bad(r, path, "too long");
    snprintf(ret, size, "%s", s);
    return LG_OK;
}

static lg_status
duration(const struct reader *r, const char *path, uint64_t *ret)
{
    lg_status st = lg_config_duration_ms(r->c, path, ret);
    return st == LG_NOT_FOUND || (st == LG_OK && *ret > 0) ? LG_OK : bad(r, path, "not a duration");
}

static lg_status
read_listen(const struct reader *r, lg_listener_config *cfg)
{
    char path[64];
    size_t n = lg_config_count(r->c, "listen");
    if (n == 0 || n > LG_LISTENER_MAX_ADDRESSES)
        return bad(r, "listen", "a list of 1 to 8 addresses is needed");
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "listen[%zu]", i);
        LG_TRY(text(r, path, cfg->listen[i], sizeof cfg->listen[i], true));
    }
    cfg->listen_count = (unsigned)n;
    return LG_OK;
}

static lg_status
read_instances(const struct reader *r, lg_listener_config *cfg)
{
    char path[64];
    size_t n = lg_config_count(r->c, "instances");
    if (n == 0 || n > LG_LISTENER_MAX_INSTANCES)
        return bad(r, "instances", "a list of 1 to 64 instances is needed");
    for (size_t i = 0; i < n; i++) {
        lg_listener_instance *inst = &cfg->instances[i];
        snprintf(path, sizeof path, "instances[%zu].address", i);
        LG_TRY(text(r, path, inst->address, sizeof inst->address, true));
        snprintf(path, sizeof path, "instances[%zu].id", i);
        int64_t id = 0;
        if (lg_config_int(r->c, path, &id) != LG_OK || id < 1 || id > 2047)
            return bad(r, path, "a number from 1 to 2047 is needed");
        inst->id = (uint32_t)id;
        for (size_t k = 0; k < i; k++)
            if (cfg->instances[k].id == inst->id)
                return bad(r, path, "used twice");
    }
    cfg->instance_count = (unsigned)n;
    return LG_OK;
}

static lg_status
read_service(const struct reader *r, size_t at, lg_listener_config *cfg)
{
    char path[80];
    lg_listener_service *s = &cfg->services[at];
    snprintf(path, sizeof path, "services[%zu].name", at);
    LG_TRY(text(r, path, s->name, sizeof s->name, true));
    snprintf(path, sizeof path, "services[%zu].database", at);
    LG_TRY(text(r, path, s->database, sizeof s->database, false));
    snprintf(path, sizeof path, "services[%zu].instances", at);
    size_t n = lg_config_count(r->c, path);
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "services[%zu].instances[%zu]", at, i);
        int64_t id = 0;
        if (lg_config_int(r->c, path, &id) != LG_OK)
            return bad(r, path, "a number is needed");
        unsigned k = 0;
        while (k < cfg->instance_count && cfg->instances[k].id != id)
            k++;
        if (k == cfg->instance_count)
            return bad(r, path, "no such instance");
        s->instances |= 1ULL << k;
    }
    return LG_OK;
}

static lg_status
read_all(const struct reader *r, lg_listener_config *cfg)
{
    LG_TRY(read_listen(r, cfg));
    LG_TRY(read_instances(r, cfg));
    size_t n = lg_config_count(r->c, "services");
    if (n > LG_LISTENER_MAX_SERVICES)
        return bad(r, "services", "more than 64");
    for (size_t i = 0; i < n; i++)
        LG_TRY(read_service(r, i, cfg));
    cfg->service_count = (unsigned)n;
    LG_TRY(text(r, "status_listen", cfg->status_listen, sizeof cfg->status_listen, false));
    LG_TRY(text(r, "status_file", cfg->status_file, sizeof cfg->status_file, false));
    LG_TRY(duration(r, "probe_interval", &cfg->probe_ms));
    LG_TRY(duration(r, "probe_timeout", &cfg->probe_timeout_ms));
    LG_TRY(duration(r, "startup_timeout", &cfg->startup_ms));
    LG_TRY(duration(r, "connect_timeout", &cfg->connect_ms));
    int64_t v = (int64_t)cfg->probe_failures;
    if (lg_failed(lg_config_int(r->c, "probe_failures", &v)) || v < 1)
        return bad(r, "probe_failures", "a positive number is needed");
    cfg->probe_failures = (uint64_t)v;
    v = cfg->max_connections;
    if (lg_failed(lg_config_int(r->c, "max_connections", &v)) || v < 1 || v > 1000000)
        return bad(r, "max_connections", "a positive number is needed");
    cfg->max_connections = (unsigned)v;
    const char *unknown = lg_config_unknown(r->c);
    return unknown ? bad(r, unknown, "unknown setting") : LG_OK;
}

lg_status
lg_listener_config_parse(const char *yaml, size_t len, lg_listener_config *ret_cfg,
                         char *ret_message, size_t message_size)
{
    lg_config *c;
    LG_TRY(lg_config_parse(yaml, len, &c, ret_message, message_size));
    struct reader r = {c, ret_message, message_size};
    lg_listener_config_init(ret_cfg);
    lg_status st = read_all(&r, ret_cfg);
    lg_config_free(c);
    return st;
}
