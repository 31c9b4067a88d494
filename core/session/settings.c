/* Session settings. The model is in the header. */
#include "settings.h"
#include "hash.h"
#include "list.h"
#include "mem.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CUSTOM_MAX 256 /* custom settings of a session */
#define VALUE_MAX  1024

#define CONTEXT_USER              "user"
#define CONTEXT_SUPERUSER         "superuser"
#define CONTEXT_BACKEND           "backend"
#define CONTEXT_SUPERUSER_BACKEND "superuser-backend"
#define CONTEXT_SIGHUP            "sighup"
#define CONTEXT_POSTMASTER        "postmaster"
#define CONTEXT_FIXED             "internal"

static const lg_setting_info infos[LG_SETTING_COUNT] = {
#define LG_SETTING(name, type, boot, unit, context, reported, min, max, enums, category, text)     \
    {#name, LG_SETTING_##type, boot, unit, CONTEXT_##context, reported, min, max,                  \
     enums, category,          text},
#include "settings.def"
#undef LG_SETTING
};

struct variable {
    int id;
    char *value; /* NULL: the default */
    char *reset; /* default of this session; NULL: boot value */
    bool report_due;
    uint64_t reported; /* hash of the value that the client knows; 0: none yet */
};

struct custom {
    lg_list link;
    char *name;
    char *value;
};

struct change { /* an entry of the transaction's stack */
    int id;     /* or -1: custom */
    char *custom_name;
    char *old;
    bool local;
};

struct lg_settings {
    /* Few settings are ever changed: those that were, or are reported, have a variable, and slot
     * says which; 0: at its boot value. */
    uint16_t slot[LG_SETTING_COUNT];
    struct variable *vars;
    size_t nvars, vars_cap;
    lg_list customs;
    unsigned custom_count;
    struct change *stack;
    size_t stack_len, stack_cap;
    uint32_t version; /* moves with every change of a setting of the list */
    bool in_txn;
    bool report_due;
    lg_settings_check_fn check;
    void *check_arg;
};

static struct variable *
variable_of(lg_settings *s, int id)
{
    if (!s->slot[id]) {
        if (s->nvars == s->vars_cap) {
            s->vars_cap = s->vars_cap ? 2 * s->vars_cap : 24;
            s->vars = lg_realloc(s->vars, s->vars_cap * sizeof *s->vars);
        }
        s->vars[s->nvars++] = (struct variable){.id = id};
        s->slot[id] = (uint16_t)s->nvars;
    }
    return &s->vars[s->slot[id] - 1];
}

static const struct variable *
variable_if(const lg_settings *s, int id)
{
    return s->slot[id] ? &s->vars[s->slot[id] - 1] : NULL;
}

lg_settings *
lg_settings_create(lg_settings_check_fn check, void *check_arg)
{
    lg_settings *s = lg_zalloc(sizeof *s);
    s->check = check;
    s->check_arg = check_arg;
    lg_list_init(&s->customs);
    for (int i = 0; i < LG_SETTING_COUNT; i++)
        if (infos[i].reported)
            variable_of(s, i)->report_due = true;
    s->report_due = true;
    return s;
}

void
lg_settings_destroy(lg_settings *s)
{
    if (!s)
        return;
    lg_settings_txn_end(s, true);
    for (size_t i = 0; i < s->nvars; i++) {
        lg_free(s->vars[i].value);
        lg_free(s->vars[i].reset);
    }
    lg_free(s->vars);
    LG_LIST_FOREACH_SAFE (it, &s->customs) {
        struct custom *c = LG_CONTAINER_OF(it, struct custom, link);
        lg_free(c->name);
        lg_free(c->value);
        lg_free(c);
    }
    lg_free(s->stack);
    lg_free(s);
}

const lg_setting_info *
lg_setting_info_of(lg_setting_id id)
{
    return &infos[id];
}

static int
find_id(const char *name)
{
    int lo = 0, hi = LG_SETTING_COUNT; /* the list is sorted */
    while (lo < hi) {
        int mid = (lo + hi) / 2, c = strcasecmp(infos[mid].name, name);
        if (c == 0)
            return mid;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

const lg_setting_info *
lg_settings_info(const char *name)
{
    int id = find_id(name);
    return id < 0 ? NULL : &infos[id];
}

static struct custom *
find_custom(const lg_settings *s, const char *name)
{
    LG_LIST_FOREACH (it, &s->customs) {
        struct custom *c = LG_CONTAINER_OF(it, struct custom, link);
        if (!strcasecmp(c->name, name))
            return c;
    }
    return NULL;
}

const char *
lg_settings_reset_value(const lg_settings *s, lg_setting_id id)
{
    const struct variable *v = variable_if(s, id);
    return v && v->reset ? v->reset : infos[id].boot;
}

const char *
lg_settings_string(const lg_settings *s, lg_setting_id id)
{
    const struct variable *v = variable_if(s, id);
    return v && v->value ? v->value : lg_settings_reset_value(s, id);
}

bool
lg_settings_bool(const lg_settings *s, lg_setting_id id)
{
    return !strcmp(lg_settings_string(s, id), "on");
}

int64_t
lg_settings_int(const lg_settings *s, lg_setting_id id)
{
    const char *v = lg_settings_string(s, id);
    if (v[0] == '0' && !v[1]) /* most that are asked for in each statement */
        return 0;
    return strtoll(v, NULL, 10);
}

const char *
lg_settings_get(const lg_settings *s, const char *name)
{
    int id = find_id(name);
    if (id >= 0)
        return lg_settings_string(s, (lg_setting_id)id);
    struct custom *c = find_custom(s, name);
    return c ? (c->value ? c->value : "") : NULL;
}

uint32_t
lg_settings_version(const lg_settings *s)
{
    return s->version;
}

bool
lg_settings_next_changed(const lg_settings *s, size_t *pos, lg_setting_id *ret_id,
                         const char **ret_value)
{
    for (; *pos < LG_SETTING_COUNT; ++*pos) {
        int id = (int)*pos;
        if (!s->slot[id])
            continue;
        const char *value = lg_settings_string(s, (lg_setting_id)id);
        if (!strcmp(value, infos[id].boot))
            continue;
        ++*pos;
        *ret_id = (lg_setting_id)id;
        *ret_value = value;
        return true;
    }
    return false;
}

/* ---- checking ---- */

struct unit {
    const char *name;
    double factor; /* in the base unit: bytes or milliseconds */
};

static const struct unit memory_units[] = {
    {"B", 1},     {"kB", 1024}, {"MB", 1048576}, {"GB", 1073741824}, {"TB", 1099511627776.0},
    {"8kB", 8192}};
static const struct unit time_units[] = {{"us", 0.001},  {"ms", 1},        {"s", 1000},
                                         {"min", 60000}, {"h", 3600000.0}, {"d", 86400000.0}};

static const struct unit *
find_unit(const char *name, size_t len, bool *ret_memory)
{
    for (size_t i = 0; i < 6; i++) {
        if (strlen(memory_units[i].name) == len && !strncmp(memory_units[i].name, name, len)) {
            *ret_memory = true;
            return &memory_units[i];
        }
        if (strlen(time_units[i].name) == len && !strncmp(time_units[i].name, name, len)) {
            *ret_memory = false;
            return &time_units[i];
        }
    }
    return NULL;
}

static lg_status
invalid_value(const lg_setting_info *info, const char *value, lg_error *err)
{
    return lg_error_set(err, "22023", "invalid value for parameter \"%s\": \"%s\"", info->name,
                        value);
}

static lg_status
check_number(const lg_setting_info *info, const char *value, char *ret, size_t size, lg_error *err)
{
    char *end;
    errno = 0;
    double v = strtod(value, &end);
    while (isspace((unsigned char)*end))
        end++;
    if (end == value || errno || isnan(v))
        return invalid_value(info, value, err);
    if (*end) {
        bool memory = false, own_memory = false;
        size_t len = strlen(end);
        while (len && isspace((unsigned char)end[len - 1]))
            len--;
        const struct unit *own = find_unit(info->unit, strlen(info->unit), &own_memory);
        const struct unit *u = find_unit(end, len, &memory);
        if (!own || !u || memory != own_memory || u == &memory_units[5]) {
            lg_status st = invalid_value(info, value, err);
            if (own && own_memory)
                lg_error_hint(err, "Valid units for this parameter are \"B\", \"kB\", \"MB\", "
                                   "\"GB\", and \"TB\".");
            else if (own)
                lg_error_hint(err, "Valid units for this parameter are \"us\", \"ms\", \"s\", "
                                   "\"min\", \"h\", and \"d\".");
            return st;
        }
        v = v * u->factor / own->factor;
    }
    if (info->type == LG_SETTING_INTEGER)
        v = rint(v);
    if (v < info->min || v > info->max) {
        const char *space = *info->unit ? " " : "";
        return lg_error_set(
            err, "22023", "%g%s%s is outside the valid range for parameter \"%s\" (%.15g .. %.15g)",
            v, space, info->unit, info->name, info->min, info->max);
    }
    snprintf(ret, size, "%.15g", v);
    return LG_OK;
}

static lg_status
check_bool(const lg_setting_info *info, const char *value, char *ret, size_t size, lg_error *err)
{
    static const char *const words[] = {"true", "false", "yes", "no"};
    size_t n = strlen(value);
    bool on = false, ok = false;
    for (size_t i = 0; i < 4 && n; i++)
        if (!strncasecmp(words[i], value, n)) {
            ok = true;
            on = i % 2 == 0;
            break;
        }
    if (!ok && (!strcasecmp(value, "on") || !strcmp(value, "1")))
        ok = on = true;
    if (!ok && (!strcasecmp(value, "off") || !strcasecmp(value, "of") || !strcmp(value, "0")))
        ok = true;
    if (!ok)
        return lg_error_set(err, "22023", "parameter \"%s\" requires a Boolean value", info->name);
    snprintf(ret, size, "%s", on ? "on" : "off");
    return LG_OK;
}

static lg_status
check_enum(const lg_setting_info *info, const char *value, char *ret, size_t size, lg_error *err)
{
    size_t n = strlen(value);
    for (const char *p = info->enums; *p;) {
        size_t len = strcspn(p, ",");
        if (len == n && !strncasecmp(p, value, n)) {
            snprintf(ret, size, "%.*s", (int)len, p);
            return LG_OK;
        }
        p += len;
        if (*p == ',')
            p++;
    }
    lg_status st = invalid_value(info, value, err);
    char hint[VALUE_MAX];
    size_t at = 0;
    for (const char *p = info->enums; *p && at + 2 < sizeof hint; p++) {
        hint[at++] = *p;
        if (*p == ',')
            hint[at++] = ' ';
    }
    hint[at] = 0;
    lg_error_hint(err, "Available values: %s.", hint);
    return st;
}

static lg_status
check_value(lg_settings *s, lg_setting_id id, const char *value, char *ret, size_t size,
            lg_error *err)
{
    const lg_setting_info *info = &infos[id];
    switch (info->type) {
    case LG_SETTING_BOOL:
        return check_bool(info, value, ret, size, err);
    case LG_SETTING_INTEGER:
    case LG_SETTING_REAL:
        return check_number(info, value, ret, size, err);
    case LG_SETTING_ENUM:
        return check_enum(info, value, ret, size, err);
    case LG_SETTING_STRING:
        if (strlen(value) >= size)
            return invalid_value(info, value, err);
        if (s->check)
            return s->check(s->check_arg, id, value, ret, size, err);
        snprintf(ret, size, "%s", value);
        return LG_OK;
    }
    return LG_INTERNAL;
}

/* ---- changing ---- */

static void
push_change(lg_settings *s, int id, const char *custom_name, char *old, bool local)
{
    if (s->stack_len == s->stack_cap) {
        s->stack_cap = s->stack_cap ? 2 * s->stack_cap : 8;
        s->stack = lg_realloc(s->stack, s->stack_cap * sizeof *s->stack);
    }
    s->stack[s->stack_len++] =
        (struct change){id, custom_name ? lg_strdup(custom_name) : NULL, old, local};
}

static void
mark_changed(lg_settings *s, int id)
{
    s->version++;
    if (!infos[id].reported)
        return;
    variable_of(s, id)->report_due = true;
    s->report_due = true;
}

static lg_status
set_custom(lg_settings *s, const char *name, const char *value, lg_set_how how, lg_error *err)
{
    struct custom *c = find_custom(s, name);
    if (!c) {
        if (s->custom_count == CUSTOM_MAX)
            return lg_error_set(err, "54000", "too many custom configuration parameters");
        c = lg_zalloc(sizeof *c);
        c->name = lg_strdup(name);
        lg_list_push_back(&s->customs, &c->link);
        s->custom_count++;
    }
    if (s->in_txn && how != LG_SET_FORCE)
        push_change(s, -1, name, c->value, how == LG_SET_LOCAL);
    else
        lg_free(c->value);
    c->value = value ? lg_strdup(value) : NULL;
    return LG_OK;
}

/* May a session change it? */
static lg_status
check_context(const lg_setting_info *info, lg_set_how how, bool superuser, lg_error *err)
{
    const char *c = info->context;
    if (!strcmp(c, CONTEXT_FIXED))
        return lg_error_set(err, "55P02", "parameter \"%s\" cannot be changed", info->name);
    if (!strcmp(c, CONTEXT_POSTMASTER))
        return lg_error_set(err, "55P02",
                            "parameter \"%s\" cannot be changed without restarting the server",
                            info->name);
    if (!strcmp(c, CONTEXT_SIGHUP))
        return lg_error_set(err, "55P02", "parameter \"%s\" cannot be changed now", info->name);
    if (!strncmp(c, CONTEXT_SUPERUSER, strlen(CONTEXT_SUPERUSER)) && !superuser)
        return lg_error_set(err, "42501", "permission denied to set parameter \"%s\"", info->name);
    if (how != LG_SET_DEFAULT &&
        (!strcmp(c, CONTEXT_BACKEND) || !strcmp(c, CONTEXT_SUPERUSER_BACKEND)))
        return lg_error_set(err, "55P02", "parameter \"%s\" cannot be set after connection start",
                            info->name);
    return LG_OK;
}

/* What would be promised by accepting any value but the default is not kept. */
static bool
has_no_effect(lg_setting_id id)
{
    switch (id) {
    case LG_SETTING_backtrace_functions:
    case LG_SETTING_debug_print_parse:
    case LG_SETTING_debug_print_plan:
    case LG_SETTING_debug_print_rewritten:
    case LG_SETTING_log_executor_stats:
    case LG_SETTING_log_parser_stats:
    case LG_SETTING_log_planner_stats:
    case LG_SETTING_log_replication_commands:
    case LG_SETTING_log_statement_stats:
    case LG_SETTING_trace_notify:
    case LG_SETTING_trace_sort:
        return true;
    default:
        return false;
    }
}

/* The value in canonical form, if it is good and obeyed. */
static lg_status
accept(lg_settings *s, lg_setting_id id, const char *value, char *ret, size_t size, lg_error *err)
{
    LG_TRY(check_value(s, id, value, ret, size, err));
    if (has_no_effect(id) && strcmp(ret, infos[id].boot) != 0)
        return lg_error_set(err, "0A000", "parameter \"%s\" is not supported", infos[id].name);
    return LG_OK;
}

lg_status
lg_settings_set(lg_settings *s, const char *name, const char *value, lg_set_how how, bool superuser,
                lg_error *err)
{
    char canonical[VALUE_MAX];
    int id = find_id(name);
    if (id < 0) {
        const char *dot = strchr(name, '.');
        if (!dot || dot == name || !dot[1])
            return lg_error_set(err, "42704", "unrecognized configuration parameter \"%s\"", name);
        return set_custom(s, name, value, how, err);
    }
    const lg_setting_info *info = &infos[id];
    if (how != LG_SET_FORCE)
        LG_TRY(check_context(info, how, superuser, err));
    if (value) {
        LG_TRY(accept(s, (lg_setting_id)id, value, canonical, sizeof canonical, err));
        value = canonical;
    }
    struct variable *v = variable_of(s, id);
    if (how == LG_SET_DEFAULT || how == LG_SET_FORCE) {
        lg_free(v->reset);
        v->reset = value ? lg_strdup(value) : NULL;
        lg_free(v->value);
        v->value = NULL;
    } else {
        char *old = v->value;
        v->value = value ? lg_strdup(value) : NULL;
        if (s->in_txn)
            push_change(s, id, NULL, old, how == LG_SET_LOCAL);
        else
            lg_free(old);
    }
    mark_changed(s, id);
    return LG_OK;
}

lg_status
lg_settings_check(lg_settings *s, const char *name, const char *value, bool superuser,
                  lg_error *err)
{
    char canonical[VALUE_MAX];
    int id = find_id(name);
    if (id < 0) {
        if (!strchr(name, '.'))
            return lg_error_set(err, "42704", "unrecognized configuration parameter \"%s\"", name);
        return superuser
                   ? LG_OK
                   : lg_error_set(err, "42501", "permission denied to set parameter \"%s\"", name);
    }
    LG_TRY(check_context(&infos[id], LG_SET_SESSION, superuser, err));
    return value ? accept(s, (lg_setting_id)id, value, canonical, sizeof canonical, err) : LG_OK;
}

lg_status
lg_settings_reset_all(lg_settings *s, lg_error *err)
{
    for (size_t i = 0; i < s->nvars; i++) {
        const char *name = infos[s->vars[i].id].name;
        if (s->vars[i].value && strncmp(name, "transaction_", 12) && strcmp(name, "role") &&
            strcmp(name, "session_authorization"))
            LG_TRY(lg_settings_set(s, name, NULL, LG_SET_SESSION, true, err));
    }
    return LG_OK;
}

void
lg_settings_txn_begin(lg_settings *s)
{
    s->in_txn = true;
}

/* Takes one change back; its old value is consumed. */
static void
undo_change(lg_settings *s, struct change *c)
{
    if (c->id >= 0) {
        struct variable *v = variable_of(s, c->id);
        lg_free(v->value);
        v->value = c->old;
        mark_changed(s, c->id);
    } else {
        struct custom *u = find_custom(s, c->custom_name);
        lg_free(u->value);
        u->value = c->old;
    }
    c->old = NULL;
}

static bool
same_setting(const struct change *a, const struct change *b)
{
    return a->id == b->id && (a->id >= 0 || !strcasecmp(a->custom_name, b->custom_name));
}

/* A LOCAL change ends with the transaction unless a later plain SET of the same name stands. */
static bool
superseded_by_set(const lg_settings *s, size_t at)
{
    for (size_t i = at + 1; i < s->stack_len; i++)
        if (!s->stack[i].local && same_setting(&s->stack[i], &s->stack[at]))
            return true;
    return false;
}

void
lg_settings_txn_end(lg_settings *s, bool committed)
{
    for (size_t i = s->stack_len; i-- > 0;) {
        struct change *c = &s->stack[i];
        if (!committed || (c->local && !superseded_by_set(s, i)))
            undo_change(s, c);
    }
    for (size_t i = 0; i < s->stack_len; i++) {
        lg_free(s->stack[i].old);
        lg_free(s->stack[i].custom_name);
    }
    s->stack_len = 0;
    s->in_txn = false;
}

size_t
lg_settings_mark(const lg_settings *s)
{
    return s->stack_len;
}

void
lg_settings_rollback_to(lg_settings *s, size_t mark)
{
    while (s->stack_len > mark) {
        struct change *c = &s->stack[--s->stack_len];
        undo_change(s, c);
        lg_free(c->custom_name);
    }
}

/* ---- showing ---- */

const char *
lg_settings_show(const lg_settings *s, const char *name, char *buf, size_t size)
{
    int id = find_id(name);
    const char *value = lg_settings_get(s, name);
    if (id < 0 || !value || !*infos[id].unit ||
        (infos[id].type != LG_SETTING_INTEGER && infos[id].type != LG_SETTING_REAL))
        return value;
    double v = strtod(value, NULL);
    if (v <= 0)
        return value;
    bool memory = false;
    const struct unit *own = find_unit(infos[id].unit, strlen(infos[id].unit), &memory);
    if (!own)
        return value;
    const struct unit *units = memory ? memory_units : time_units;
    for (int i = memory ? 4 : 5; i >= 0; i--) {
        double n = v * own->factor / units[i].factor;
        if (fabs(rint(n) / n - 1) <= 1e-8) {
            snprintf(buf, size, "%.0f%s", rint(n), units[i].name);
            return buf;
        }
    }
    return value;
}

const lg_setting_info *
lg_settings_next_report(lg_settings *s, const char **ret_value)
{
    if (!s->report_due)
        return NULL;
    for (size_t i = 0; i < s->nvars; i++)
        if (s->vars[i].report_due) {
            int id = s->vars[i].id;
            const char *value = lg_settings_string(s, (lg_setting_id)id);
            uint64_t hash = lg_hash_bytes(value, strlen(value), 1) | 1;
            s->vars[i].report_due = false;
            if (hash == s->vars[i].reported)
                continue;
            s->vars[i].reported = hash;
            *ret_value = value;
            return &infos[id];
        }
    s->report_due = false;
    return NULL;
}
