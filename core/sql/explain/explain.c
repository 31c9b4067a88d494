/* EXPLAIN: options, running, sending. The tree: explain_node.c; the formats: explain_out.c. */
#include "explain_internal.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- options ---- */

static lg_status
placed(lg_xexplain *e, const lg_ast_def_elem *d, lg_status st)
{
    e->es->err->position = lg_exec_position(e->es, d->h.loc);
    return st;
}

static lg_status
flag(lg_xexplain *e, const lg_ast_def_elem *d, bool *ret)
{
    static const char *const words[] = {"true", "on", "1", "false", "off", "0"};
    const char *s = d->arg ? lg_ast_str(d->arg) : NULL;
    if (!d->arg) {
        *ret = true;
        return LG_OK;
    }
    if (d->arg->tag != LG_AST_STRING) {
        int64_t v = lg_ast_as(d->arg, value)->ival;
        *ret = v != 0;
        if (v == 0 || v == 1)
            return LG_OK;
    }
    for (int i = 0; s && i < 6; i++)
        if (strcasecmp(s, words[i]) == 0) {
            *ret = i < 3;
            return LG_OK;
        }
    return lg_error_set(e->es->err, "42601", "%s requires a Boolean value", d->defname);
}

static lg_status
format(lg_xexplain *e, const lg_ast_def_elem *d, lg_xformat *ret)
{
    static const char *const names[] = {"text", "xml", "json", "yaml"};
    const char *s = d->arg ? lg_ast_str(d->arg) : NULL;
    if (!s)
        return lg_error_set(e->es->err, "42601", "%s requires a parameter", d->defname);
    for (int i = 0; i < 4; i++)
        if (strcmp(s, names[i]) == 0) {
            *ret = (lg_xformat)i;
            return LG_OK;
        }
    return placed(e, d,
                  lg_error_set(e->es->err, "22023",
                               "unrecognized value for EXPLAIN option \"%s\": \"%s\"", d->defname,
                               s));
}

static lg_status
read_options(lg_xexplain *e, const lg_ast_list *l, lg_xformat *ret_format)
{
    bool has_summary = false, has_timing = false;
    struct {
        const char *name;
        bool *at;
    } flags[] = {{"analyze", &e->analyze}, {"verbose", &e->verbose}, {"costs", &e->costs},
                 {"buffers", &e->buffers}, {"wal", &e->wal},         {"settings", &e->settings},
                 {"timing", &e->timing},   {"summary", &e->summary}};
    e->costs = true;
    *ret_format = LG_XFORMAT_TEXT;
    for (uint32_t i = 0; i < l->n; i++) {
        const lg_ast_def_elem *d = lg_ast_as(l->at[i], def_elem);
        size_t k = 0, n = sizeof flags / sizeof *flags;
        while (k < n && strcmp(flags[k].name, d->defname) != 0)
            k++;
        if (k < n)
            LG_TRY(flag(e, d, flags[k].at));
        else if (strcmp(d->defname, "format") == 0)
            LG_TRY(format(e, d, ret_format));
        else
            return placed(e, d,
                          lg_error_set(e->es->err, "42601", "unrecognized EXPLAIN option \"%s\"",
                                       d->defname));
        has_summary |= k == 7;
        has_timing |= k == 6;
    }
    if (e->wal && !e->analyze)
        return lg_error_set(e->es->err, "22023", "EXPLAIN option WAL requires ANALYZE");
    if (has_timing && e->timing && !e->analyze)
        return lg_error_set(e->es->err, "22023", "EXPLAIN option TIMING requires ANALYZE");
    if (!has_timing)
        e->timing = e->analyze;
    if (!has_summary)
        e->summary = e->analyze;
    return LG_OK;
}

/* ---- settings: those that plans and executions look at ---- */

static bool
matters(const char *name)
{
    static const char *const names[] = {"work_mem",
                                        "hash_mem_multiplier",
                                        "random_page_cost",
                                        "seq_page_cost",
                                        "cpu_tuple_cost",
                                        "cpu_index_tuple_cost",
                                        "cpu_operator_cost",
                                        "search_path",
                                        "temp_buffers",
                                        "effective_cache_size",
                                        "constraint_exclusion",
                                        "plan_cache_mode",
                                        "from_collapse_limit",
                                        "join_collapse_limit",
                                        "cursor_tuple_fraction"};
    if (strncmp(name, "enable_", 7) == 0 || strncmp(name, "geqo", 4) == 0 ||
        strncmp(name, "jit", 3) == 0 || strncmp(name, "parallel_", 9) == 0)
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void
show_settings(lg_xexplain *e)
{
    const lg_exec_session *es = e->es;
    lg_xout *o = &e->out;
    const char *name, *value;
    size_t pos = 0;
    uint32_t n = 0;
    if (!lg_xout_is_text(o))
        lg_xout_open(o, "Settings", "Settings", true);
    while (es->changed_setting && es->changed_setting(es->arg, &pos, &name, &value)) {
        if (!matters(name))
            continue;
        if (!lg_xout_is_text(o)) {
            lg_xout_text(o, name, value);
            continue;
        }
        if (!n++)
            lg_xout_indent(o);
        lg_strbuf_printf(&o->b, "%s%s = '%s'", n == 1 ? "Settings: " : ", ", name, value);
    }
    if (!lg_xout_is_text(o))
        lg_xout_close(o, "Settings", true);
    else if (n)
        lg_strbuf_putc(&o->b, '\n');
}

/* ---- sending ---- */

static lg_status
send_text(lg_xexplain *e, const char *text)
{
    lg_vector v;
    lg_vector_init(&v, e->a, e->out.format == LG_XFORMAT_JSON ? LG_T_JSON : LG_T_TEXT, 1);
    lg_vector_set(&v, 0, lg_datum_cstring_text(e->a, text), false);
    lg_vector *cols[1] = {&v};
    lg_batch b = {.ncols = 1, .cols = cols, .n = 1};
    return e->sink ? e->sink(e->sink_arg, &b) : LG_OK;
}

static lg_status
send_lines(lg_xexplain *e)
{
    char *p = e->out.b.data ? e->out.b.data : (char *)(uintptr_t) "";
    while (*p) {
        char *end = strchrnul(p, '\n');
        LG_TRY(send_text(e, lg_arena_strndup(e->a, p, (size_t)(end - p))));
        p = *end ? end + 1 : end;
    }
    return LG_OK;
}

static double
ms(lg_time ns)
{
    return (double)ns / 1e6;
}

static lg_status
show(lg_xexplain *e, lg_time planning, const lg_xusage *planned, lg_time running)
{
    lg_xout *o = &e->out;
    lg_xout_begin(o);
    lg_xout_open(o, "Query", NULL, true);
    lg_xexplain_plan(e);
    if (e->settings)
        show_settings(e);
    if (e->buffers)
        lg_xexplain_buffers(e, planned, "Planning");
    if (e->summary)
        lg_xout_float(o, "Planning Time", "ms", ms(planning), 3);
    if (e->analyze) {
        lg_xout_open(o, "Triggers", "Triggers", false);
        lg_xout_close(o, "Triggers", false);
    }
    if (e->summary && e->analyze)
        lg_xout_float(o, "Execution Time", "ms", ms(running), 3);
    lg_xout_close(o, "Query", true);
    lg_xout_end(o);
    LG_TRY(lg_strbuf_status(&o->b));
    return lg_xout_is_text(o) ? send_lines(e) : send_text(e, o->b.data);
}

/* ---- running ---- */

static lg_status
plan_and_run(lg_xexplain *e, lg_bind *b, const lg_ast *query, lg_plan **ret_plan, lg_exec **ret_x)
{
    lg_exec_session *es = e->es;
    lg_run *run = es->run;
    lg_query *q;
    lg_xusage before, after, planning = {0};
    lg_xusage_now(es, &before);
    lg_time from = lg_run_now_exact_ns(run), planned, done;
    LG_TRY(lg_bind_query(b, query, &q));
    LG_TRY(lg_exec_plan(es, b, q, ret_plan));
    planned = done = lg_run_now_exact_ns(run);
    lg_xusage_now(es, &after);
    lg_xusage_add(&planning, &before, &after);
    e->plan = *ret_plan;
    e->words = (lg_plan_words){*ret_plan, es->env, e->a, e->verbose};
    if (e->analyze) {
        uint64_t n;
        LG_TRY(lg_exec_open(es, *ret_plan, NULL, NULL, ret_x));
        lg_exec_instrument(*ret_x, e->buffers || e->wal);
        lg_status st = lg_exec_fetch(*ret_x, 0, NULL, NULL, &n);
        if (st != LG_END && st != LG_OK)
            return st;
        e->x = *ret_x;
        done = lg_run_now_exact_ns(run);
    }
    return show(e, planned - from, &planning, done - planned);
}

uint32_t
lg_explain_columns(const lg_ast_explain_stmt *s, lg_arena *a, lg_outcol **ret_cols)
{
    lg_outcol *c = LG_NEW(a, lg_outcol);
    c->name = "QUERY PLAN";
    c->type = LG_T_TEXT;
    c->typmod = -1;
    for (uint32_t i = 0; i < s->options.n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(s->options.at[i], def_elem);
        if (strcmp(e->defname, "format") == 0 && lg_ast_str(e->arg) &&
            strcmp(lg_ast_str(e->arg), "json") == 0)
            c->type = LG_T_JSON;
    }
    *ret_cols = c;
    return 1;
}

lg_status
lg_explain(lg_exec_session *es, lg_arena *a, const lg_ast_explain_stmt *s, const lg_bind *params,
           lg_exec_sink sink, void *sink_arg)
{
    lg_xexplain e = {.es = es, .a = a, .sink = sink, .sink_arg = sink_arg};
    lg_bind b;
    lg_plan *plan = NULL;
    lg_exec *x = NULL;
    const lg_ast *query = s->query;
    lg_xformat fmt;
    LG_TRY(read_options(&e, &s->options, &fmt));
    if (query->tag == LG_AST_CREATE_TABLE_AS_STMT)
        query = lg_ast_as(query, create_table_as_stmt)->query;
    if (!lg_bind_is_query(query))
        return lg_error_set(es->err, "0A000", "EXPLAIN of this statement is not supported");
    lg_xout_init(&e.out, fmt);
    lg_exec_bind_init(es, a, &b);
    if (params) {
        b.infer_params = params->infer_params;
        b.nparams = params->nparams;
        b.params = params->params;
    }
    lg_status st = plan_and_run(&e, &b, query, &plan, &x);
    lg_exec_close(x);
    if (plan)
        lg_plan_fini(plan);
    else
        lg_bind_fini(&b);
    lg_xout_fini(&e.out);
    return st;
}
