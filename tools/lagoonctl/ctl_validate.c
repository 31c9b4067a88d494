/* validate cluster: is all as it is meant to be? validate node | instance N: may that one be taken
 * away now, and what would it touch? Nothing is changed. Exit code 0: yes (perhaps with warnings), 4: a
 * check failed. */
#include "ctl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECKS_MAX 64

struct checks {
    struct ctl_rows rows;
    char names[CHECKS_MAX][64], details[CHECKS_MAX][240];
    bool failed;
};

static void
check(struct checks *k, const char *what, const char *result, const char *detail)
{
    if (k->rows.count == CHECKS_MAX)
        return;
    char *d = k->details[k->rows.count], *name = k->names[k->rows.count];
    lg_agent_line *l = &k->rows.rows[k->rows.count++];
    snprintf(d, sizeof k->details[0], "%s", detail);
    snprintf(name, sizeof k->names[0], "%s", what);
    const char *const kv[][2] = {{"check", name}, {"result", result}, {"detail", d}};
    for (int i = 0; i < 3; i++) {
        l->kv[l->n].key = kv[i][0];
        l->kv[l->n++].value = kv[i][1];
    }
    k->failed |= !strcmp(result, "FAIL");
}

static const char *
get(const lg_agent_line *l, const char *key)
{
    const char *v = lg_agent_line_get(l, key);
    return v ? v : "";
}

static bool
is(const lg_agent_line *l, const char *key, const char *value)
{
    return !strcmp(get(l, key), value);
}

static int
ask(const struct ctl *c, const char *noun, struct ctl_rows *ret)
{
    struct ctl q = *c;
    q.verb = "status";
    q.noun = noun;
    q.name = NULL;
    return ctl_request(&q, ret);
}

static void
check_votes(struct checks *k, const struct ctl_rows *votes)
{
    int online = 0;
    char text[128];
    for (int i = 0; i < votes->count; i++)
        online += is(&votes->rows[i], "state", "ONLINE");
    snprintf(text, sizeof text, "%d of %d voting files answer", online, votes->count);
    check(k, "voting files",
          online * 2 <= votes->count ? "FAIL"
          : online < votes->count    ? "WARN"
                                     : "OK",
          text);
}

static void
check_instances(struct checks *k, const struct ctl_rows *instances)
{
    char text[240];
    for (int i = 0; i < instances->count; i++) {
        const lg_agent_line *l = &instances->rows[i];
        bool open = is(l, "state", "OPEN"), wanted = is(l, "target", "ONLINE");
        if (!wanted && !open)
            continue;
        snprintf(text, sizeof text, "%s%s%s", get(l, "state"), *get(l, "reason") ? ": " : "",
                 get(l, "reason"));
        check(k, get(l, "name"), open && wanted ? "OK" : wanted ? "FAIL" : "WARN", text);
    }
}

/* Services that nobody serves, or nobody would without `gone` (NULL: as it is). */
static void
check_services(struct checks *k, const struct ctl_rows *services, const char *gone)
{
    char what[64], text[240];
    for (int i = 0; i < services->count; i++) {
        const lg_agent_line *l = &services->rows[i];
        const char *running = get(l, "running");
        if (!is(l, "target", "ONLINE"))
            continue;
        snprintf(what, sizeof what, "service %.40s", get(l, "name"));
        snprintf(text, sizeof text, "runs on %s", *running ? running : "no instance");
        bool only = gone && !strcmp(running, gone), there = false;
        if (only) { /* who would take it over? */
            const char *available = get(l, "available");
            there = *available && strcmp(available, gone);
            snprintf(text, sizeof text, "runs on %s only%s%s", running,
                     there ? "; available: " : ", nobody else may serve it",
                     there ? available : "");
        }
        check(k, what, !*running || (only && !there) ? "FAIL" : only ? "WARN" : "OK", text);
    }
}

static int
check_leaving(struct checks *k, const char *name, const struct ctl_rows *instances,
              const lg_agent_line **ret)
{
    const char *digits = name + strcspn(name, "0123456789");
    int others = 0;
    char text[128];
    *ret = NULL;
    for (int i = 0; i < instances->count; i++) {
        const lg_agent_line *l = &instances->rows[i];
        if (is(l, "node", digits))
            *ret = l;
        else
            others += is(l, "state", "OPEN");
    }
    if (!*ret)
        return ctl_fail(3, "there is no node or instance \"%s\": lagoonctl status node lists them",
                        name);
    snprintf(text, sizeof text, "%d other%s open", others, others == 1 ? " is" : "s are");
    check(k, "other instances", others ? "OK" : "FAIL", text);
    snprintf(text, sizeof text, "%s would be drained or ended", get(*ret, "sessions"));
    check(k, "sessions", is(*ret, "sessions", "0") ? "OK" : "WARN", text);
    return 0;
}

int
ctl_validate(const struct ctl *c)
{
    static struct checks k;
    static struct ctl_rows votes, instances, services;
    bool cluster = !strcmp(c->noun, "cluster");
    if (!cluster && strcmp(c->noun, "instance") && strcmp(c->noun, "node"))
        return ctl_fail(2, "validate knows cluster, node and instance");
    if (!cluster && !c->name)
        return ctl_fail(2, "which one? lagoonctl validate %s NAME", c->noun);
    int code = ask(c, "vote", &votes);
    if (code && code != 8)
        return code;
    code = ask(c, "instance", &instances);
    if (!code || code == 8)
        code = ask(c, "service", &services);
    if (code && code != 8)
        return code;
    check_votes(&k, &votes);
    if (cluster) {
        check_instances(&k, &instances);
        check_services(&k, &services, NULL);
    } else {
        const lg_agent_line *l;
        code = check_leaving(&k, c->name, &instances, &l);
        if (code)
            return code;
        check_services(&k, &services, get(l, "node"));
    }
    ctl_print(c, &k.rows);
    return k.failed ? 4 : 0;
}
