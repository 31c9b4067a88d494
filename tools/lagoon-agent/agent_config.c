/* /DIR/nodeN.yaml, and the list of disks out of the instance's own configuration. */
#include "agent.h"
#include <stdio.h>
#include <string.h>

static bool
copy(char *to, size_t size, const char *from)
{
    return from && (size_t)snprintf(to, size, "%s", from) < size;
}

static lg_status
wrong(char *message, size_t size, const char *key)
{
    snprintf(message, size, "%s: missing or too long", key);
    return LG_CONFIG;
}

static lg_status
read_lists(const lg_config *c, agent_config *ret, char *message, size_t size)
{
    char path[64];
    size_t votes = lg_config_count(c, "votes"), nodes = lg_config_count(c, "nodes");
    if (votes == 0 || votes > LG_VOTE_FILES_MAX)
        return wrong(message, size, "votes");
    for (size_t i = 0; i < votes; i++) {
        snprintf(path, sizeof path, "votes[%zu]", i);
        if (!copy(ret->vote[i], sizeof ret->vote[i], lg_config_string(c, path)))
            return wrong(message, size, path);
    }
    ret->vote_count = (uint32_t)votes;
    for (size_t i = 0; i < nodes;
         i++) { /* for people: agents find each other on the voting files */
        snprintf(path, sizeof path, "nodes[%zu].node", i);
        (void)lg_config_string(c, path);
        snprintf(path, sizeof path, "nodes[%zu].address", i);
        (void)lg_config_string(c, path);
    }
    return LG_OK;
}

static lg_status
read_all(const lg_config *c, agent_config *ret, char *message, size_t size)
{
    const struct {
        const char *key;
        char *to;
        size_t size;
    } strings[] = {{"name", ret->name, sizeof ret->name},
                   {"socket", ret->socket, sizeof ret->socket},
                   {"address", ret->address, sizeof ret->address},
                   {"instance.program", ret->program, sizeof ret->program},
                   {"instance.config", ret->instance_config, sizeof ret->instance_config},
                   {"instance.log", ret->instance_log, sizeof ret->instance_log}};
    int64_t node = 0;
    if (lg_config_int(c, "node", &node) != LG_OK || node < 1 || node >= LG_MEMBER_NODES)
        return wrong(message, size, "node");
    ret->node = (uint32_t)node;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        if (!copy(strings[i].to, strings[i].size, lg_config_string(c, strings[i].key)))
            return wrong(message, size, strings[i].key);
    if (lg_config_string(c, "status_file") &&
        !copy(ret->status_file, sizeof ret->status_file, lg_config_string(c, "status_file")))
        return wrong(message, size, "status_file");
    LG_TRY(read_lists(c, ret, message, size));
    if (lg_failed(lg_config_duration_ms(c, "heartbeat", &ret->heartbeat_ms)) ||
        lg_failed(lg_config_duration_ms(c, "lease", &ret->lease_ms)) ||
        lg_failed(lg_config_duration_ms(c, "dead_after", &ret->dead_ms)) ||
        lg_failed(lg_config_duration_ms(c, "link_timeout", &ret->link_ms)) ||
        ret->dead_ms < ret->lease_ms + 200 || ret->lease_ms < 2 * ret->heartbeat_ms) {
        snprintf(message, size,
                 "heartbeat, lease, dead_after: lease needs 2 heartbeats, dead_after 200 ms more");
        return LG_CONFIG;
    }
    if (lg_config_string(c, "cluster_key") &&
        !copy(ret->cluster_key, sizeof ret->cluster_key, lg_config_string(c, "cluster_key")))
        return wrong(message, size, "cluster_key");
    const char *unknown = lg_config_unknown(c);
    if (unknown) {
        snprintf(message, size, "%s: unknown key", unknown);
        return LG_CONFIG;
    }
    return LG_OK;
}

static lg_status
read_disks(agent_config *ret, char *message, size_t size)
{
    lg_config *c;
    LG_TRY(lg_config_load(ret->instance_config, &c, message, size));
    size_t n = lg_config_count(c, "volume");
    for (size_t i = 0; i < n && i < AGENT_DISKS_MAX; i++) {
        char path[32];
        snprintf(path, sizeof path, "volume[%zu]", i);
        if (copy(ret->disk[ret->disk_count], sizeof ret->disk[0], lg_config_string(c, path)))
            ret->disk_count++;
    }
    lg_config_free(c);
    return LG_OK;
}

lg_status
agent_config_load(const char *path, agent_config *ret, char *message, size_t size)
{
    lg_config *c;
    memset(ret, 0, sizeof *ret);
    ret->heartbeat_ms = 250;
    ret->lease_ms = 3000;
    ret->dead_ms = 4000;
    ret->link_ms = 2000;
    LG_TRY(lg_config_load(path, &c, message, size));
    lg_status st = read_all(c, ret, message, size);
    lg_config_free(c);
    return st == LG_OK ? read_disks(ret, message, size) : st;
}
