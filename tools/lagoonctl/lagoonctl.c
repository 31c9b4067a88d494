/* lagoonctl: the command line of the cluster.
 *
 *   lagoonctl VERB [NOUN] [NAME] [--option[=value]]... [-o table|wide|json|yaml|name] [-w]
 *             [--agent ADDRESS] [--key FILE]
 *
 * What concerns running things is asked of an agent (agent_proto.h: CTL, ROW, END) at --agent or
 * $LAGOON_AGENT ("unix:/path" or "host:port"); creation of a cluster and of a database works on
 * files and disks (ctl_create.c). Data goes to standard output, messages to standard error. Exit
 * codes: 0 ok, 1 failed, 2 usage, 3 not found or not running, 4 precondition, 5 partial, 6 timeout,
 * 7 authentication, 8 no quorum. */
#include "ctl.h"
#include "hash.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int
ctl_fail(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("lagoonctl: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return code;
}

const char *
ctl_option(const struct ctl *c, const char *name)
{
    for (int i = 0; i < c->option_count; i++)
        if (!strcmp(c->options[i].name, name))
            return c->options[i].value;
    return NULL;
}

static double
now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* wait NOUN NAME --for=state=OPEN --timeout 30s: asks for the status until a row has it. */
static int
run_wait(struct ctl *c)
{
    static struct ctl_rows rows;
    const char *want = ctl_option(c, "for");
    const char *timeout = ctl_option(c, "timeout");
    double end = now_s() + (timeout ? ctl_seconds(timeout) : 60);
    int code = 0;
    if (!want || !strchr(want, '='))
        return ctl_fail(2, "wait needs --for=KEY=VALUE");
    char key[64];
    snprintf(key, sizeof key, "%.*s", (int)strcspn(want, "="), want);
    const char *value = strchr(want, '=') + 1;
    struct ctl ask = *c;
    ask.verb = "status";
    ask.option_count = 0;
    if (ctl_option(c, "key"))
        ask.options[ask.option_count++] = (struct ctl_option){"key", ctl_option(c, "key")};
    do {
        code = ctl_request(&ask, &rows);
        if (code == 2 || code == 7)
            return code;  /* said what */
        ask.quiet = true; /* once is enough */
        bool all = code == 0 && rows.count > 0;
        for (int i = 0; i < rows.count; i++) {
            const char *v = lg_agent_line_get(&rows.rows[i], key);
            all &= v && !strcmp(v, value);
        }
        if (all) {
            ctl_print(c, &rows);
            return 0;
        }
        usleep(100000);
    } while (now_s() < end);
    ctl_print(c, &rows);
    return code == 3 ? code : ctl_fail(6, "timed out waiting for %s", want);
}

static uint64_t
rows_hash(const struct ctl_rows *r)
{
    uint64_t h = 1;
    for (int i = 0; i < r->count; i++)
        for (uint32_t k = 0; k < r->rows[i].n; k++)
            h = lg_hash_bytes(r->rows[i].kv[k].value, strlen(r->rows[i].kv[k].value), h);
    return h;
}

/* -w: prints again whenever something has changed. */
static int
run_watch(const struct ctl *c)
{
    static struct ctl_rows rows;
    uint64_t before = 0;
    for (;;) {
        int code = ctl_request(c, &rows);
        uint64_t now = rows_hash(&rows);
        if (now != before)
            ctl_print(c, &rows);
        before = now;
        if (ferror(stdout) || code == 2 || code == 7)
            return code;
        usleep(200000);
    }
}

static int
usage(FILE *to)
{
    fputs("usage: lagoonctl VERB [NOUN] [NAME] [--option[=value]]... [-o "
          "table|wide|json|yaml|name] [-w]\n"
          "                 [--agent unix:PATH | --agent HOST:PORT --key FILE]\n"
          "  create cluster   --dir D --nodes N [--base-port P] [--cache SIZE] [--transport T] "
          "[--disks N]\n"
          "  create database  NAME --dir D --user U --password-file F [--force]\n"
          "  status  [cluster | node | instance | vote | service] [NAME]\n"
          "  start | stop | restart  node | instance  NAME [--timeout S] [--mode immediate]\n"
          "  drain | undrain  node | instance  NAME [--timeout S]    no new sessions, the others "
          "finish\n"
          "  fence  instance  NAME           ends it at once; it comes back\n"
          "  add | remove | enable | disable | modify | status  service  NAME [--database D]\n"
          "                   [--preferred 1,2] [--available 3]\n"
          "  relocate  service  NAME [--from N] --to N\n"
          "  apply | diff  -f FILE [--dry-run]     services and targets as FILE says\n"
          "  add  node | instance  N --dir D       remove  node | instance  NAME\n"
          "  config  node\n"
          "  validate  cluster | node | instance  [NAME]     is all well; may that one be taken "
          "away?\n"
          "  wait  instance [NAME] --for=state=OPEN [--timeout 30s]\n"
          "  explain  LG-103 | NAME | SQLSTATE     what it means, what to do\n"
          "  completion  bash | zsh | fish         a script for the shell\n"
          "  --dry-run shows what a command would do and whom it concerns; --yes asks nobody; "
          "durations: "
          "30, 30s, 2m\n"
          "exit codes: 0 ok, 1 failed, 2 usage, 3 not found or not running, 4 precondition, 5 "
          "partial,\n"
          "            6 timeout, 7 authentication, 8 no quorum\n",
          to);
    return to == stdout ? 0 : 2;
}

static int
parse_option(int argc, char **argv, int *i, struct ctl *c)
{
    char *a = argv[*i], *eq = strchr(a, '=');
    const char *value = "true";
    if (eq) {
        *eq = 0;
        value = eq + 1;
    } else if (strcmp(a, "--dry-run") && strcmp(a, "--force") && strcmp(a, "--yes") &&
               *i + 1 < argc && argv[*i + 1][0] != '-') {
        value = argv[++*i];
    }
    if (!strcmp(a, "--agent"))
        c->agent = value;
    else if (c->option_count < CTL_OPTIONS_MAX)
        c->options[c->option_count++] = (struct ctl_option){a + 2, value};
    else
        return -1;
    return 0;
}

static int
parse(int argc, char **argv, struct ctl *c)
{
    static const char *const outputs[] = {"table", "wide", "json", "yaml", "name"};
    int position = 0;
    bool output_ok = false;
    c->output = "table";
    for (int i = 1; i < argc; i++) {
        char *a = argv[i];
        if (!strcmp(a, "-o") && i + 1 < argc) {
            c->output = argv[++i];
        } else if (!strcmp(a, "-f") && i + 1 < argc && c->option_count < CTL_OPTIONS_MAX) {
            c->options[c->option_count++] = (struct ctl_option){"file", argv[++i]};
        } else if (!strcmp(a, "-w")) {
            c->watch = true;
        } else if (!strncmp(a, "--", 2) && a[2]) {
            if (parse_option(argc, argv, &i, c))
                return -1;
        } else if (a[0] == '-' || position == 3) {
            return -1;
        } else {
            *(position == 0 ? &c->verb : position == 1 ? &c->noun : &c->name) = a;
            position++;
        }
    }
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
        output_ok |= !strcmp(c->output, outputs[i]);
    if (position == 1 && !strcmp(c->verb, "status"))
        c->noun = "all";
    bool from_file = position == 1 && (!strcmp(c->verb, "apply") || !strcmp(c->verb, "diff"));
    return (c->noun || from_file) && output_ok ? 0 : -1;
}

int
main(int argc, char **argv)
{
    static struct ctl c;
    static struct ctl_rows rows;
    bool help = argc == 1;
    for (int i = 1; i < argc; i++)
        help |= !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h") ||
                (i == 1 && !strcmp(argv[i], "help"));
    if (help)
        return usage(argc == 1 ? stderr : stdout);
    if (argc == 2 && (!strcmp(argv[1], "version") || !strcmp(argv[1], "--version"))) {
        puts("lagoonctl (Lagoon) 0.1");
        return 0;
    }
    if (parse(argc, argv, &c) != 0)
        return usage(stderr);
    int bad = ctl_check_options(&c);
    if (bad)
        return bad;
    if (!strcmp(c.verb, "apply"))
        return ctl_apply(&c, ctl_option(&c, "dry-run") != NULL);
    if (!strcmp(c.verb, "diff"))
        return ctl_apply(&c, true);
    if (!strcmp(c.verb, "create") && !strcmp(c.noun, "cluster"))
        return ctl_create_cluster(&c);
    if (!strcmp(c.verb, "create") && !strcmp(c.noun, "database"))
        return ctl_create_database(&c);
    if (!strcmp(c.verb, "add") && (!strcmp(c.noun, "node") || !strcmp(c.noun, "instance")))
        return ctl_add_node(&c);
    if (!strcmp(c.verb, "explain"))
        return ctl_explain(&c);
    if (!strcmp(c.verb, "completion"))
        return ctl_completion(&c);
    if (!strcmp(c.verb, "wait"))
        return run_wait(&c);
    if (c.watch && !strcmp(c.verb, "status"))
        return run_watch(&c);
    if (!strcmp(c.verb, "validate"))
        return ctl_validate(&c);
    int code = ctl_confirm(&c);
    if (!code)
        code = ctl_request(&c, &rows);
    ctl_print(&c, &rows);
    return code;
}
