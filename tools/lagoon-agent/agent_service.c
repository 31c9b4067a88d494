/* Services: a name that clients connect to, with the instances that serve it. Kept in the slots
 * (member.h); the listener of this machine is told through the status file. */
#include "agent.h"
#include "hash.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_MAX (32 * 1024)

static const lg_vote_slot *
slot_of(agent *a, uint32_t node)
{
    lg_member *m = lg_membership_member(a->ms);
    return node == a->cfg.node ? &m->mine : &m->seen.slot[node];
}

const char *
agent_state_name(const lg_vote_slot *s)
{
    if (s->draining && s->shown_state == LG_INSTANCE_OPEN)
        return "DRAINING";
    return lg_instance_state_name((lg_instance_state)s->shown_state);
}

static uint32_t
open_instances(agent *a)
{
    lg_member *m = lg_membership_member(a->ms);
    uint32_t mask = 0;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
        if ((m->view.members >> n & 1) && slot_of(a, n)->shown_state == LG_INSTANCE_OPEN &&
            !slot_of(a, n)->draining)
            mask |= 1u << n;
    return mask;
}

/* Who serves it now: preferred ones that are open, else available ones; nobody open: all of them,
 * so that clients hear "not open" and not "unknown". */
static uint32_t
serving(agent *a, const lg_member_service *s)
{
    uint32_t open = open_instances(a), all = (uint32_t)s->preferred | s->available;
    if (!all)
        all = lg_member_known(lg_membership_member(a->ms));
    if (open & s->preferred)
        return open & s->preferred;
    return open & all ? open & all : all;
}

static void
put_nodes(lg_strbuf *b, uint32_t mask)
{
    const char *comma = "";
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
        if (mask >> n & 1) {
            lg_strbuf_printf(b, "%s%u", comma, n);
            comma = ",";
        }
}

/* ---- the status file ---- */

static void
put_status(agent *a, lg_strbuf *b)
{
    lg_member *m = lg_membership_member(a->ms);
    lg_strbuf_puts(b, "instances:\n");
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        const lg_vote_slot *s = slot_of(a, n);
        if (s->seq && lg_member_alive(m, n, lg_run_now_exact_ns(a->run)))
            lg_strbuf_printf(b, "  - {id: %u, state: %s, load: 0, address: \"%.*s\"}\n", n,
                             agent_state_name(s), (int)strcspn(s->listen, ","), s->listen);
    }
    lg_strbuf_puts(b, "services:\n");
    for (unsigned i = 0; i < LG_MEMBER_SERVICES; i++) {
        const lg_member_service *s = &m->mine.services[i];
        if (!s->version || s->flags)
            continue;
        lg_strbuf_printf(b, "  - {name: \"%.32s\", database: \"%.32s\", instances: [", s->name,
                         s->database);
        put_nodes(b, serving(a, s));
        lg_strbuf_puts(b, "]}\n");
    }
}

/* Every agent of a machine may write the same file: the content is the same, the rename whole. */
void
agent_status_file(agent *a)
{
    if (!a->cfg.status_file[0])
        return;
    lg_strbuf b;
    lg_strbuf_init(&b, STATUS_MAX);
    put_status(a, &b);
    uint64_t hash = lg_hash_bytes(b.data, b.len, 1);
    char path[600];
    snprintf(path, sizeof path, "%s.%u", a->cfg.status_file, a->cfg.node);
    if (hash != a->status_hash && lg_strbuf_status(&b) == LG_OK) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        bool ok = fd >= 0 && write(fd, b.data, b.len) == (ssize_t)b.len;
        if (fd >= 0)
            close(fd);
        if (ok && rename(path, a->cfg.status_file) == 0)
            a->status_hash = hash;
    }
    lg_strbuf_fini(&b);
}

/* ---- lagoonctl ---- */

/* "1,3" as bits; *ret_bad: not a list of nodes. */
static uint16_t
nodes_of(const char *text, bool *ret_bad)
{
    uint32_t mask = 0;
    while (text && *text) {
        char *end;
        unsigned long n = strtoul(text, &end, 10);
        if (end == text || n < 1 || n >= LG_MEMBER_NODES || (*end && *end != ',')) {
            *ret_bad = true;
            return 0;
        }
        mask |= 1u << n;
        text = *end ? end + 1 : end;
    }
    return (uint16_t)mask;
}

static void
rows(agent *a, lg_sock *sock, const char *only)
{
    lg_member *m = lg_membership_member(a->ms);
    unsigned shown = 0;
    for (unsigned i = 0; i < LG_MEMBER_SERVICES; i++) {
        const lg_member_service *s = &m->mine.services[i];
        if (!s->version || (s->flags & LG_SERVICE_REMOVED) || (only && strcmp(only, s->name)))
            continue;
        bool enabled = !(s->flags & LG_SERVICE_DISABLED);
        uint32_t running = enabled ? serving(a, s) & open_instances(a) : 0;
        char buf[LG_AGENT_LINE_MAX];
        lg_agent_writer w;
        lg_agent_begin(&w, buf, "ROW");
        lg_agent_add(&w, "resource", "service");
        lg_agent_add(&w, "name", s->name);
        lg_agent_add(&w, "target", enabled ? "ONLINE" : "OFFLINE");
        lg_agent_add(&w, "state", running ? "ONLINE" : "OFFLINE");
        lg_agent_add(&w, "database", s->database);
        const uint32_t masks[] = {s->preferred, s->available, running};
        const char *const keys[] = {"preferred", "available", "running"};
        for (int k = 0; k < 3; k++) {
            lg_strbuf b;
            lg_strbuf_init(&b, 200);
            put_nodes(&b, masks[k]);
            lg_agent_add(&w, keys[k], b.data ? b.data : "");
            lg_strbuf_fini(&b);
        }
        agent_row(a, sock, &w);
        shown++;
    }
    agent_end(a, sock, only && !shown ? CTL_NOT_FOUND : CTL_OK,
              only && !shown ? "there is no such service: lagoonctl status service lists them"
                             : "");
}

/* --dry-run */
static void
would(agent *a, lg_sock *sock, const lg_member_service *s, const char *verb)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    const uint32_t masks[] = {s->preferred, s->available};
    const char *const keys[] = {"preferred", "available"};
    lg_agent_begin(&w, buf, "ROW");
    lg_agent_add(&w, "resource", "service");
    lg_agent_add(&w, "name", s->name);
    lg_agent_add(&w, "action", verb);
    lg_agent_add(&w, "database", s->database);
    for (int k = 0; k < 2; k++) {
        lg_strbuf b;
        lg_strbuf_init(&b, 200);
        put_nodes(&b, masks[k]);
        lg_agent_add(&w, keys[k], b.data ? b.data : "");
        lg_strbuf_fini(&b);
    }
    agent_row(a, sock, &w);
}

static void
change(agent *a, lg_sock *sock, const lg_agent_line *l, const char *verb, const char *name)
{
    lg_member *m = lg_membership_member(a->ms);
    lg_member_service *s = lg_member_service_find(m, name);
    bool exists = s && s->version && !(s->flags & LG_SERVICE_REMOVED), adds = !strcmp(verb, "add"),
         bad = false;
    const char *database = lg_agent_line_get(l, "database");
    if (!s) {
        agent_end(a, sock, CTL_PRECONDITION, "the table of services is full");
        return;
    }
    if (!adds && !exists) {
        agent_end(a, sock, CTL_NOT_FOUND,
                  "there is no such service: lagoonctl status service lists them");
        return;
    }
    lg_member_service n = *s;
    if (adds) {
        memset(n.name, 0, sizeof n.name);
        memset(n.database, 0, sizeof n.database);
        snprintf(n.name, sizeof n.name, "%s", name);
        snprintf(n.database, sizeof n.database, "%s", database ? database : "lagoon");
        n.preferred = nodes_of(lg_agent_line_get(l, "preferred"), &bad);
        n.available = nodes_of(lg_agent_line_get(l, "available"), &bad);
        n.flags = 0;
    } else if (!strcmp(verb, "modify")) {
        if (lg_agent_line_get(l, "preferred"))
            n.preferred = nodes_of(lg_agent_line_get(l, "preferred"), &bad);
        if (lg_agent_line_get(l, "available"))
            n.available = nodes_of(lg_agent_line_get(l, "available"), &bad);
        if (database) {
            memset(n.database, 0, sizeof n.database);
            snprintf(n.database, sizeof n.database, "%.31s", database);
        }
    } else if (!strcmp(verb, "relocate")) {
        uint16_t from = nodes_of(lg_agent_line_get(l, "from"), &bad);
        uint16_t to = nodes_of(lg_agent_line_get(l, "to"), &bad);
        if (bad || !to) {
            agent_end(a, sock, CTL_USAGE, "relocate needs --to NODE, and --from NODE");
            return;
        }
        if (!(open_instances(a) & to)) {
            agent_end(a, sock, CTL_PRECONDITION,
                      "no instance is open where it shall go: lagoonctl status "
                      "instance");
            return;
        }
        if (!from)
            from = n.preferred & (uint16_t)~to;
        n.preferred = (uint16_t)((n.preferred & ~from) | to);
        n.available = (uint16_t)((n.available | from) & ~to);
    } else if (!strcmp(verb, "remove")) {
        n.flags = LG_SERVICE_REMOVED;
    } else {
        n.flags = !strcmp(verb, "disable") || !strcmp(verb, "stop") ? LG_SERVICE_DISABLED : 0;
    }
    if (bad) {
        agent_end(a, sock, CTL_USAGE, "nodes are given as 1,2,3");
        return;
    }
    if ((exists && !memcmp(&n, s, sizeof n)) || lg_agent_line_get(l, "dry-run")) {
        bool same = exists && !memcmp(&n, s, sizeof n);
        if (!same)
            would(a, sock, &n, verb);
        agent_end(a, sock, CTL_OK, same ? "it is so already" : "");
        return;
    }
    n.version++;
    *s = n;
    lg_membership_changed(a->ms);
    lg_status st = lg_membership_flush(a->ms, lg_run_now_ns(a->run) + 10 * LG_SEC);
    agent_end(a, sock, st == LG_OK ? CTL_OK : CTL_NO_QUORUM,
              st == LG_OK ? "" : "not written to a majority of the votes");
}

void
agent_service_ctl(agent *a, lg_sock *s, const lg_agent_line *l, const char *verb, const char *name)
{
    static const char *const changes[] = {"add",   "remove", "enable", "disable",
                                          "start", "stop",   "modify", "relocate"};
    if (!strcmp(verb, "status") || !strcmp(verb, "config")) {
        rows(a, s, name);
        return;
    }
    if (!name || strlen(name) >= sizeof((lg_member_service *)0)->name || strpbrk(name, "\"\\\n")) {
        agent_end(a, s, CTL_USAGE, "a service needs a name of less than 32 plain characters");
        return;
    }
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        if (!strcmp(verb, changes[i])) {
            change(a, s, l, verb, name);
            return;
        }
    agent_end(a, s, CTL_USAGE, "there is no such verb for services: lagoonctl help lists them");
}
