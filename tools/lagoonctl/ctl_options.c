/* What each command may be given, durations, and the question before something that ends sessions. */
#include "ctl.h"
#include "mem.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Options by verb (and noun, where nouns differ); --agent and --key go with all. */
static const struct {
    const char *verb, *nouns, *options;
} accepted[] = {
    {"create", "cluster", "dir nodes base-port cache transport disks disk-size program"},
    {"create", "database", "dir user password-file instances cache force"},
    {"add", "node instance", "dir nodes base-port cache transport disks disk-size program"},
    {"add modify", "service", "database preferred available dry-run"},
    {"relocate", "service", "from to dry-run"},
    {"enable disable start stop", "service", "dry-run"},
    {"remove", "service", "dry-run yes"},
    {"start undrain", "node instance", "timeout dry-run"},
    {"drain", "node instance", "timeout dry-run"},
    {"stop", "node instance", "timeout mode force dry-run yes"},
    {"restart remove", "node instance", "timeout dry-run yes"},
    {"fence", "instance", "timeout dry-run yes"},
    {"wait", "", "for timeout"},
    {"apply", "", "file dry-run"},
    {"diff", "", "file"},
    {"status config explain completion validate", "", ""},
};

/* Is the word one of the list's? */
static bool
among(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = list; len && (p = strstr(p, word)); p += len)
        if ((p == list || p[-1] == ' ') && (!p[len] || p[len] == ' '))
            return true;
    return false;
}

/* "30", "30s", "500ms", "2m", "1h" in seconds; negative: no duration. */
double
ctl_seconds(const char *text)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"ms", 0.001}, {"m", 60}, {"min", 60}, {"h", 3600}};
    char *end;
    double n = strtod(text, &end);
    if (end == text || n < 0)
        return -1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (!strcmp(end, units[i].unit))
            return n * units[i].seconds;
    return -1;
}

static int
check_timeout(struct ctl_option *o, bool whole)
{
    double n = ctl_seconds(o->value);
    char text[32];
    if (n < 0)
        return ctl_fail(2, "--timeout %s is no duration: 30, 30s, 500ms, 2m or 1h", o->value);
    snprintf(text, sizeof text, whole ? "%.0f" : "%.3f", whole ? ceil(n) : n);
    o->value = lg_strdup(text); /* for the whole life of the program */
    return 0;
}

int
ctl_check_options(struct ctl *c)
{
    const char *options = NULL;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0] && !options; i++)
        if (among(accepted[i].verb, c->verb) &&
            (!*accepted[i].nouns || (c->noun && among(accepted[i].nouns, c->noun))))
            options = accepted[i].options;
    if (!options)
        return 0; /* no such command: whoever is asked says so */
    for (int i = 0; i < c->option_count; i++) {
        struct ctl_option *o = &c->options[i];
        if (strcmp(o->name, "key") && strcmp(o->name, "dir") && !among(options, o->name))
            return ctl_fail(2, "%s %s takes no --%s; it takes:%s%s", c->verb,
                            c->noun ? c->noun : "", o->name, *options ? " " : " nothing of its own",
                            options);
        if (!strcmp(o->name, "timeout") && check_timeout(o, strcmp(c->verb, "wait") != 0))
            return 2;
        if (!strcmp(o->name, "mode") && strcmp(o->value, "immediate") && strcmp(o->value, "normal"))
            return ctl_fail(2, "--mode is normal (sessions are drained) or immediate");
        if (!strcmp(o->name, "force") && !strcmp(c->verb, "stop"))
            *o = (struct ctl_option){"mode", "immediate"};
    }
    return 0;
}

/* Somebody sits there, and the command ends sessions: the name is to be typed, unless --yes. */
int
ctl_confirm(const struct ctl *c)
{
    static struct ctl_rows rows;
    static const char *const dangerous[] = {"stop", "restart", "fence", "remove"};
    char line[128];
    bool ask = false;
    for (size_t i = 0; i < sizeof dangerous / sizeof dangerous[0]; i++)
        ask |= !strcmp(c->verb, dangerous[i]);
    if (!ask || !c->name || ctl_option(c, "yes") || ctl_option(c, "dry-run") ||
        !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return 0;
    struct ctl look = *c;
    look.verb = "status";
    look.option_count = 0;
    if (ctl_option(c, "key"))
        look.options[look.option_count++] = (struct ctl_option){"key", ctl_option(c, "key")};
    if (strcmp(c->noun, "service"))
        look.noun = "instance";
    int code = ctl_request(&look, &rows);
    if (code)
        return code;
    const char *sessions = rows.count ? lg_agent_line_get(&rows.rows[0], "sessions") : NULL;
    fprintf(stderr, "%s %s %s", c->verb, c->noun, c->name);
    if (sessions)
        fprintf(stderr, " concerns %s sessions", sessions);
    fprintf(stderr, ". Type %s to go on: ", c->name);
    if (!fgets(line, sizeof line, stdin))
        line[0] = 0;
    line[strcspn(line, "\n")] = 0;
    return strcmp(line, c->name) ? ctl_fail(4, "nothing was done") : 0;
}
