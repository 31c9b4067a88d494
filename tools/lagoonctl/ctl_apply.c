/* apply -f FILE: services and the targets of instances as the file says; diff -f: what would be
 * done.
 *
 *     services:
 *       - {name: batch, database: lagoon, preferred: [2], available: [1, 3], enabled: true}
 *     instances:
 *       - {node: 2, target: ONLINE}
 *     prune: true          # services that the file does not name are removed
 *
 * Each difference is one request, so applying twice does nothing the second time. What fails does
 * not keep the rest from being done: exit code 5 when only a part was, the code of the failure when
 * nothing was. */
#include "ctl.h"
#include "config.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NODES_TEXT 64

struct plan {
    const struct ctl *c;
    bool only_show;
    int wanted, done, failed, code;
};

/* One request, or what it would be. */
static void
act(struct plan *p, const struct ctl *request)
{
    static struct ctl_rows none;
    p->wanted++;
    printf("%s %s %s", request->verb, request->noun, request->name);
    for (int i = 0; i < request->option_count; i++)
        printf(" --%s=%s", request->options[i].name, request->options[i].value);
    printf("\n");
    fflush(stdout);
    if (p->only_show)
        return;
    none.count = 0;
    int code = ctl_request(request, &none);
    p->done += code == 0;
    p->failed += code != 0;
    if (code && !p->code)
        p->code = code;
}

static struct ctl
request_of(const struct plan *p, const char *verb, const char *noun, const char *name)
{
    struct ctl r = {.verb = verb, .noun = noun, .name = name, .agent = p->c->agent};
    const char *key = ctl_option(p->c, "key");
    if (key)
        r.options[r.option_count++] = (struct ctl_option){"key", key};
    return r;
}

static const lg_agent_line *
row_named(const struct ctl_rows *rows, const char *key, const char *value)
{
    for (int i = 0; i < rows->count; i++) {
        const char *v = lg_agent_line_get(&rows->rows[i], key);
        if (v && !strcmp(v, value))
            return &rows->rows[i];
    }
    return NULL;
}

/* A list of numbers as the agent writes it: "1,3". */
static void
nodes_text(const lg_config *f, const char *path, char *ret)
{
    size_t n = lg_config_count(f, path), at = 0;
    char item[128];
    *ret = 0;
    for (size_t i = 0; i < n && at + 4 < NODES_TEXT; i++) {
        snprintf(item, sizeof item, "%s[%zu]", path, i);
        const char *v = lg_config_string(f, item);
        at += (size_t)snprintf(ret + at, NODES_TEXT - at, "%s%.2s", i ? "," : "", v ? v : "");
    }
}

static const char *
text(const lg_config *f, size_t i, const char *list, const char *key)
{
    char path[96];
    snprintf(path, sizeof path, "%s[%zu].%s", list, i, key);
    return lg_config_string(f, path);
}

static bool
same(const lg_agent_line *row, const char *key, const char *value)
{
    const char *v = lg_agent_line_get(row, key);
    return v && !strcmp(v, value);
}

static void
one_service(struct plan *p, const lg_config *f, size_t i, const struct ctl_rows *now)
{
    char path[96], preferred[NODES_TEXT], available[NODES_TEXT];
    const char *name = text(f, i, "services", "name");
    const char *database = text(f, i, "services", "database");
    const char *enabled = text(f, i, "services", "enabled");
    bool on = !enabled || !strcmp(enabled, "true");
    if (!name) {
        p->failed++;
        p->code = ctl_fail(2, "services[%zu] has no name", i);
        return;
    }
    if (!database)
        database = "lagoon";
    snprintf(path, sizeof path, "services[%zu].preferred", i);
    nodes_text(f, path, preferred);
    snprintf(path, sizeof path, "services[%zu].available", i);
    nodes_text(f, path, available);
    const lg_agent_line *row = row_named(now, "name", name);
    if (!row || !same(row, "database", database) || !same(row, "preferred", preferred) ||
        !same(row, "available", available)) {
        struct ctl r = request_of(p, row ? "modify" : "add", "service", name);
        r.options[r.option_count++] = (struct ctl_option){"database", database};
        r.options[r.option_count++] = (struct ctl_option){"preferred", preferred};
        r.options[r.option_count++] = (struct ctl_option){"available", available};
        act(p, &r);
    }
    if ((!row && !on) || (row && same(row, "target", "ONLINE") != on)) {
        struct ctl r = request_of(p, on ? "enable" : "disable", "service", name);
        act(p, &r);
    }
}

static void
prune(struct plan *p, const lg_config *f, const struct ctl_rows *now)
{
    size_t n = lg_config_count(f, "services");
    for (int i = 0; i < now->count; i++) {
        const char *name = lg_agent_line_get(&now->rows[i], "name");
        bool named = false;
        for (size_t k = 0; k < n && !named; k++) {
            const char *v = text(f, k, "services", "name");
            named = v && !strcmp(v, name);
        }
        if (named)
            continue;
        struct ctl r = request_of(p, "remove", "service", name);
        act(p, &r);
    }
}

static void
one_instance(struct plan *p, const lg_config *f, size_t i, const struct ctl_rows *now)
{
    const char *node = text(f, i, "instances", "node");
    const char *target = text(f, i, "instances", "target");
    const lg_agent_line *row = node ? row_named(now, "node", node) : NULL;
    bool on = target && !strcmp(target, "ONLINE"), off = target && !strcmp(target, "OFFLINE");
    if (!row || (!on && !off)) {
        p->failed++;
        p->code = row ? ctl_fail(2, "instances[%zu].target: ONLINE or OFFLINE", i)
                      : ctl_fail(3, "instances[%zu]: there is no such node", i);
        return;
    }
    if (same(row, "target", target))
        return;
    struct ctl r = request_of(p, on ? "start" : "stop", "instance", node);
    act(p, &r);
}

int
ctl_apply(const struct ctl *c, bool only_show)
{
    static struct ctl_rows services, instances;
    struct plan p = {.c = c, .only_show = only_show};
    const char *path = ctl_option(c, "file");
    char message[256];
    lg_config *f;
    if (!path)
        return ctl_fail(2, "%s needs -f FILE", c->verb);
    if (access(path, R_OK) != 0)
        return ctl_fail(3, "%s: %s", path, strerror(errno));
    if (lg_config_load(path, &f, message, sizeof message) != LG_OK)
        return ctl_fail(2, "%s: %s", path, message);
    struct ctl ask = request_of(&p, "status", "service", NULL);
    int code = ctl_request(&ask, &services);
    ask.noun = "instance";
    if (!code)
        code = ctl_request(&ask, &instances);
    if (code) {
        lg_config_free(f);
        return code;
    }
    for (size_t i = 0; i < lg_config_count(f, "services"); i++)
        one_service(&p, f, i, &services);
    const char *all = lg_config_string(f, "prune");
    if (all && !strcmp(all, "true"))
        prune(&p, f, &services);
    for (size_t i = 0; i < lg_config_count(f, "instances"); i++)
        one_instance(&p, f, i, &instances);
    const char *unknown = lg_config_unknown(f);
    if (unknown) {
        p.failed++;
        p.code = ctl_fail(2, "%s: unknown key %s", path, unknown);
    }
    lg_config_free(f);
    return !p.failed ? 0 : p.done ? 5 : p.code;
}
