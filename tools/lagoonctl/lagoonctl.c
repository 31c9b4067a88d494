/* lagoonctl: the command line of the cluster.
 *
 *   lagoonctl VERB NOUN [NAME] [--option[=value]]... [-o table|json|name] [-w] [--agent ADDRESS]
 *
 * What concerns running things is asked of an agent (agent_proto.h: CTL, ROW, END) at --agent or
 * $LAGOON_AGENT ("unix:/path" or "host:port"); creation of a cluster and of a database works on
 * files and disks (ctl_create.c). Data goes to standard output, messages to standard error. Exit
 * codes: 0 ok, 1 failed, 2 usage, 3 not found or not running, 4 precondition, 5 partial, 6 timeout,
 * 7 authentication, 8 no quorum. */
#include "ctl.h"
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
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

/* ---- talking to an agent ---- */

static int
connect_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path)
        return -1;
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int
connect_tcp(const char *address)
{
    char host[128];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    const char *colon = strrchr(address, ':');
    if (!colon || (size_t)(colon - address) >= sizeof host)
        return -1;
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = 0;
    if (getaddrinfo(host, colon + 1, &hints, &list) != 0)
        return -1;
    int fd = -1;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static int
send_request(const struct ctl *c, int fd)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    size_t len;
    lg_agent_begin(&w, buf, "CTL");
    lg_agent_add(&w, "verb", c->verb);
    lg_agent_add(&w, "noun", c->noun);
    if (c->name)
        lg_agent_add(&w, "name", c->name);
    for (int i = 0; i < c->option_count; i++)
        lg_agent_add(&w, c->options[i].name, c->options[i].value);
    if (lg_agent_end(&w, &len) != LG_OK)
        return ctl_fail(2, "the request is too long");
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, buf + done, len - done);
        if (n <= 0)
            return ctl_fail(1, "the agent closed the connection");
        done += (size_t)n;
    }
    return 0;
}

/* ---- printing ---- */

static void
json_string(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if ((unsigned char)*s < 32)
            printf("\\u%04x", (unsigned)*s);
        else
            putchar(*s);
    }
    putchar('"');
}

static void
print_json(const struct ctl_rows *r)
{
    printf("[");
    for (int i = 0; i < r->count; i++) {
        printf("%s\n  {", i ? "," : "");
        for (uint32_t k = 0; k < r->rows[i].n; k++) {
            printf("%s", k ? ", " : "");
            json_string(r->rows[i].kv[k].key);
            printf(": ");
            json_string(r->rows[i].kv[k].value);
        }
        printf("}");
    }
    printf("%s]\n", r->count ? "\n" : "");
}

static void
print_table(const struct ctl_rows *r)
{
    int width[LG_AGENT_KEYS_MAX] = {0};
    if (!r->count)
        return;
    const lg_agent_line *first = &r->rows[0];
    for (uint32_t k = 0; k < first->n; k++) {
        width[k] = (int)strlen(first->kv[k].key);
        for (int i = 0; i < r->count; i++) {
            const char *v = lg_agent_line_get(&r->rows[i], first->kv[k].key);
            if (v && (int)strlen(v) > width[k])
                width[k] = (int)strlen(v);
        }
    }
    for (uint32_t k = 0; k < first->n; k++) {
        char upper[64];
        snprintf(upper, sizeof upper, "%s", first->kv[k].key);
        for (char *p = upper; *p; p++)
            *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
        printf("%-*s%s", width[k], upper, k + 1 < first->n ? "  " : "\n");
    }
    for (int i = 0; i < r->count; i++)
        for (uint32_t k = 0; k < first->n; k++) {
            const char *v = lg_agent_line_get(&r->rows[i], first->kv[k].key);
            printf("%-*s%s", width[k], v ? v : "", k + 1 < first->n ? "  " : "\n");
        }
}

static void
print_rows(const struct ctl *c, const struct ctl_rows *r)
{
    if (!strcmp(c->output, "json"))
        print_json(r);
    else if (!strcmp(c->output, "name"))
        for (int i = 0; i < r->count; i++)
            printf("%s\n", r->rows[i].n > 1 ? r->rows[i].kv[1].value : r->rows[i].kv[0].value);
    else
        print_table(r);
    fflush(stdout);
}

/* ---- a request ---- */

static int
read_reply(FILE *in, struct ctl_rows *r, char *message, size_t size)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, in)) > 0) {
        line[strcspn(line, "\n")] = 0;
        char *keep = strdup(line);
        lg_agent_line l;
        if (!keep || lg_agent_line_decode(keep, &l) != LG_OK)
            return ctl_fail(1, "the agent sent a malformed line");
        if (!strcmp(l.type, "END")) {
            const char *m = lg_agent_line_get(&l, "message");
            snprintf(message, size, "%s", m ? m : "");
            return (int)lg_agent_line_u64(&l, "code", 1);
        }
        if (r->count == CTL_ROWS_MAX)
            return ctl_fail(1, "too many rows");
        r->rows[r->count++] = l; /* the text lives until the program ends */
    }
    return ctl_fail(1, "the agent closed the connection before it had answered");
}

static int
request(const struct ctl *c, struct ctl_rows *r)
{
    char message[LG_AGENT_LINE_MAX] = "";
    const char *address = c->agent ? c->agent : getenv("LAGOON_AGENT");
    if (!address)
        return ctl_fail(2, "which agent? --agent ADDRESS or LAGOON_AGENT");
    int fd = !strncmp(address, "unix:", 5) ? connect_unix(address + 5) : connect_tcp(address);
    if (fd < 0)
        return ctl_fail(3, "no agent answers at %s (%s): is it running?", address, strerror(errno));
    int code = send_request(c, fd);
    if (code)
        return code;
    FILE *in = fdopen(fd, "r");
    code = read_reply(in, r, message, sizeof message);
    fclose(in);
    if (*message)
        fprintf(stderr, "lagoonctl: %s\n", message);
    return code;
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
    double end = now_s() + (timeout ? strtod(timeout, NULL) : 60);
    if (!want || !strchr(want, '='))
        return ctl_fail(2, "wait needs --for=KEY=VALUE");
    char key[64];
    snprintf(key, sizeof key, "%.*s", (int)strcspn(want, "="), want);
    const char *value = strchr(want, '=') + 1;
    struct ctl ask = *c;
    ask.verb = "status";
    ask.option_count = 0;
    do {
        rows.count = 0;
        bool all = request(&ask, &rows) == 0 && rows.count > 0;
        for (int i = 0; i < rows.count; i++) {
            const char *v = lg_agent_line_get(&rows.rows[i], key);
            all &= v && !strcmp(v, value);
        }
        if (all) {
            print_rows(c, &rows);
            return 0;
        }
        usleep(100000);
    } while (now_s() < end);
    print_rows(c, &rows);
    return ctl_fail(6, "timed out waiting for %s", want);
}

static int
usage(void)
{
    fputs("usage: lagoonctl VERB NOUN [NAME] [--option[=value]]... [-o table|json|name] [--agent "
          "ADDRESS]\n"
          "  create cluster   --dir D --nodes N [--base-port P] [--cache SIZE] [--transport T] "
          "[--disks N]\n"
          "  create database  NAME --dir D --user U --password-file F [--force]\n"
          "  status  cluster | node | instance | vote\n"
          "  start | stop | restart  node | instance  NAME\n"
          "  config  node\n"
          "  add | remove | enable | disable | status  service  NAME [--database D] [--preferred "
          "1,2] [--available 3]\n"
          "  add  node  N --dir D          remove  node | instance  NAME\n"
          "  wait  instance [NAME] --for=state=OPEN [--timeout 30s]\n"
          "exit codes: 0 ok, 1 failed, 2 usage, 3 not found or not running, 4 precondition, 5 "
          "partial,\n"
          "            6 timeout, 7 authentication, 8 no quorum\n",
          stderr);
    return 2;
}

static int
parse(int argc, char **argv, struct ctl *c)
{
    int position = 0;
    c->output = "table";
    for (int i = 1; i < argc; i++) {
        char *a = argv[i];
        if (!strcmp(a, "-o") && i + 1 < argc) {
            c->output = argv[++i];
        } else if (!strncmp(a, "--", 2) && a[2]) {
            char *eq = strchr(a, '=');
            const char *value = "true";
            if (eq) {
                *eq = 0;
                value = eq + 1;
            } else if (i + 1 < argc && argv[i + 1][0] != '-') {
                value = argv[++i];
            }
            if (!strcmp(a, "--agent"))
                c->agent = value;
            else if (c->option_count < CTL_OPTIONS_MAX)
                c->options[c->option_count++] = (struct ctl_option){a + 2, value};
            else
                return -1;
        } else if (a[0] == '-') {
            return -1;
        } else if (position < 3) {
            *(position == 0 ? &c->verb : position == 1 ? &c->noun : &c->name) = a;
            position++;
        } else {
            return -1;
        }
    }
    bool output_ok =
        !strcmp(c->output, "table") || !strcmp(c->output, "json") || !strcmp(c->output, "name");
    return position >= 2 && output_ok ? 0 : -1;
}

int
main(int argc, char **argv)
{
    static struct ctl c;
    static struct ctl_rows rows;
    if (parse(argc, argv, &c) != 0)
        return usage();
    if (!strcmp(c.verb, "create") && !strcmp(c.noun, "cluster"))
        return ctl_create_cluster(&c);
    if (!strcmp(c.verb, "create") && !strcmp(c.noun, "database"))
        return ctl_create_database(&c);
    if (!strcmp(c.verb, "add") && (!strcmp(c.noun, "node") || !strcmp(c.noun, "instance")))
        return ctl_add_node(&c);
    if (!strcmp(c.verb, "wait"))
        return run_wait(&c);
    int code = request(&c, &rows);
    print_rows(&c, &rows);
    return code;
}
