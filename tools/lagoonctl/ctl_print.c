/* Rows as table, wide table, JSON, YAML or names. */
#include "ctl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Values of these keys are numbers, of all others text, whatever they look like: programs rely on it.
 * Without a value they are null. */
static bool
is_number(const char *key)
{
    static const char *const keys[] = {
        "node",   "incarnation", "pid",   "sessions",   "restarts", "heartbeat",
        "epoch",  "members",     "nodes", "victims",    "lease_ms", "dead_after_ms",
        "rounds", "errors",      "vote",  "last_ok_us", "round_us"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!strcmp(keys[i], key))
            return true;
    return false;
}

static void
json_value(const char *key, const char *v)
{
    if (!is_number(key))
        json_string(v);
    else if (*v && v[strspn(v, "0123456789")] == 0)
        fputs(v, stdout);
    else
        fputs("null", stdout);
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
            json_value(r->rows[i].kv[k].key, r->rows[i].kv[k].value);
        }
        printf("}");
    }
    printf("%s]\n", r->count ? "\n" : "");
}

/* Values as JSON's: a string in quotes escapes alike. */
static void
print_yaml(const struct ctl_rows *r)
{
    if (!r->count)
        printf("[]\n");
    for (int i = 0; i < r->count; i++)
        for (uint32_t k = 0; k < r->rows[i].n; k++) {
            printf("%s%s: ", k ? "  " : "- ", r->rows[i].kv[k].key);
            json_value(r->rows[i].kv[k].key, r->rows[i].kv[k].value);
            putchar('\n');
        }
}

/* Columns of the wide table only. */
static bool
for_wide(const char *key)
{
    static const char *const keys[] = {"incarnation", "pid", "restarts", "interconnect",
                                       "heartbeat"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!strcmp(keys[i], key))
            return true;
    return false;
}

static void
print_table(const struct ctl_rows *r, bool wide)
{
    int width[LG_AGENT_KEYS_MAX] = {0};
    if (!r->count)
        return;
    lg_agent_line shown = {.n = 0};
    const lg_agent_line *first = &shown;
    for (uint32_t k = 0; k < r->rows[0].n; k++)
        if (wide || !for_wide(r->rows[0].kv[k].key))
            shown.kv[shown.n++] = r->rows[0].kv[k];
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

void
ctl_print(const struct ctl *c, const struct ctl_rows *r)
{
    if (!strcmp(c->output, "json"))
        print_json(r);
    else if (!strcmp(c->output, "yaml"))
        print_yaml(r);
    else if (!strcmp(c->output, "name"))
        for (int i = 0; i < r->count; i++)
            printf("%s\n", r->rows[i].n > 1 ? r->rows[i].kv[1].value : r->rows[i].kv[0].value);
    else
        print_table(r, !strcmp(c->output, "wide"));
    fflush(stdout);
}
