/* EXPLAIN: text and JSON, ANALYZE, COSTS, TIMING, SUMMARY. */
#include "ddl_internal.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct explain {
    lg_util *u;
    const lg_plan *plan;
    const lg_exec *x; /* after ANALYZE, else NULL */
    bool analyze, costs, timing, summary, json;
    lg_strbuf out;
};

static bool
flag(const lg_ast *a)
{
    if (!a)
        return true;
    if (a->tag == LG_AST_STRING) {
        const char *s = lg_ast_str(a);
        return strcasecmp(s, "false") != 0 && strcasecmp(s, "off") != 0;
    }
    return lg_ast_as(a, value)->ival != 0;
}

static lg_status
read_options(struct explain *e, const lg_ast_list *l)
{
    bool has_summary = false;
    e->costs = e->timing = true;
    for (uint32_t i = 0; i < l->n; i++) {
        const lg_ast_def_elem *d = lg_ast_as(l->at[i], def_elem);
        const char *n = d->defname;
        if (strcmp(n, "analyze") == 0)
            e->analyze = flag(d->arg);
        else if (strcmp(n, "costs") == 0)
            e->costs = flag(d->arg);
        else if (strcmp(n, "timing") == 0)
            e->timing = flag(d->arg);
        else if (strcmp(n, "summary") == 0)
            e->summary = flag(d->arg), has_summary = true;
        else if (strcmp(n, "format") == 0) {
            const char *f = lg_ast_str(d->arg);
            if (f && strcasecmp(f, "json") == 0)
                e->json = true;
            else if (!f || strcasecmp(f, "text") != 0)
                return lg_error_set(e->u->err, "0A000", "EXPLAIN format \"%s\" is not supported",
                                    f ? f : "");
        } else if (strcmp(n, "verbose") != 0 && strcmp(n, "buffers") != 0 &&
                   strcmp(n, "settings") != 0 && strcmp(n, "wal") != 0) {
            return lg_error_set(e->u->err, "42601", "unrecognized EXPLAIN option \"%s\"", n);
        }
    }
    if (!has_summary)
        e->summary = e->analyze;
    return LG_OK;
}

static double
ms(lg_time ns)
{
    return (double)ns / 1e6;
}

/* ---- which subplans hang on a node: found in its expressions ---- */

struct finder {
    uint32_t list[64];
    uint32_t n;
};

static bool
find_subplans(const lg_expr *e, void *arg)
{
    struct finder *f = arg;
    if (e->kind == LG_EX_SUBPLAN && f->n < 64) {
        bool known = false;
        for (uint32_t i = 0; i < f->n; i++)
            known |= f->list[i] == e->subplan.plan;
        if (!known)
            f->list[f->n++] = e->subplan.plan;
    }
    return lg_expr_walk(e, find_subplans, arg);
}

static void
look(struct finder *f, const lg_expr *e)
{
    if (e)
        find_subplans(e, f);
}

static void
subplans_of(const lg_node *n, struct finder *f)
{
    f->n = 0;
    look(f, n->quals);
    for (uint32_t i = 0; n->targets && i < n->ncols; i++)
        look(f, n->targets[i]);
    if (n->kind == LG_NODE_NESTED_LOOP || n->kind == LG_NODE_HASH_JOIN ||
        n->kind == LG_NODE_MERGE_JOIN)
        look(f, n->join.join_quals);
    if (n->kind == LG_NODE_MODIFY)
        for (uint32_t i = 0; i < n->modify.nassigns; i++)
            look(f, n->modify.assigns[i].expr);
    if (n->kind == LG_NODE_INDEX_SCAN)
        for (uint32_t i = 0; i < n->scan.nconds; i++)
            look(f, n->scan.conds[i].value);
}

/* ---- text ---- */

static void text_node(struct explain *e, const lg_node *n, int depth, const char *label);

static void
spaces(lg_strbuf *o, int n)
{
    while (n-- > 0)
        lg_strbuf_putc(o, ' ');
}

static void
text_numbers(struct explain *e, const lg_node *n)
{
    lg_strbuf *o = &e->out;
    if (e->costs)
        lg_strbuf_printf(o, "  (cost=%.2f..%.2f rows=%.0f width=%d)", n->startup_cost, n->cost,
                         n->rows, n->width);
    if (!e->x)
        return;
    const lg_xnode *s = e->x->nodes[n->id];
    if (!s || !s->loops) {
        lg_strbuf_puts(o, " (never executed)");
        return;
    }
    double loops = (double)s->loops;
    if (e->timing)
        lg_strbuf_printf(o, " (actual time=%.3f..%.3f rows=%.0f loops=%.0f)",
                         ms(s->first_ns) / loops, ms(s->time_ns) / loops, (double)s->rows / loops,
                         loops);
    else
        lg_strbuf_printf(o, " (actual rows=%.0f loops=%.0f)", (double)s->rows / loops, loops);
}

static void
text_children(struct explain *e, const lg_node *n, int depth)
{
    struct finder f;
    if (n->left)
        text_node(e, n->left, depth, NULL);
    if (n->right)
        text_node(e, n->right, depth, NULL);
    if (n->kind == LG_NODE_APPEND)
        for (uint32_t i = 0; i < n->append.n; i++)
            text_node(e, n->append.children[i], depth, NULL);
    subplans_of(n, &f);
    for (uint32_t i = 0; i < f.n; i++)
        text_node(e, e->plan->subplans[f.list[i]].root, depth,
                  lg_arena_printf(e->u->a, "SubPlan %u", f.list[i] + 1));
}

/* depth: where the lines of this node's parent begin. */
static void
text_node(struct explain *e, const lg_node *n, int depth, const char *label)
{
    lg_strbuf *o = &e->out;
    lg_plan_line *lines;
    int at = depth;
    if (label) {
        spaces(o, depth);
        lg_strbuf_printf(o, "%s\n", label);
        at += 2;
    }
    spaces(o, at);
    if (depth || label) {
        lg_strbuf_puts(o, "->  ");
        at += 4;
    }
    lg_strbuf_puts(o, lg_plan_node_title(n, e->u->a));
    text_numbers(e, n);
    lg_strbuf_putc(o, '\n');
    uint32_t k = lg_plan_node_lines(e->plan, n, e->u->es->env, e->u->a, &lines);
    for (uint32_t i = 0; i < k; i++) {
        spaces(o, at + 2);
        lg_strbuf_printf(o, "%s: %s\n", lines[i].label, lines[i].text);
    }
    const lg_xnode *s = e->x ? e->x->nodes[n->id] : NULL;
    if (s && n->quals && s->filtered) {
        spaces(o, at + 2);
        lg_strbuf_printf(o, "Rows Removed by Filter: %llu\n",
                         (unsigned long long)(s->filtered / (s->loops ? s->loops : 1)));
    }
    if (!depth && !label)
        for (uint32_t i = 0; i < e->plan->nctes; i++)
            text_node(e, e->plan->ctes[i].root, at + 2,
                      lg_arena_printf(e->u->a, "CTE %s", e->plan->ctes[i].name));
    text_children(e, n, at + 2);
}

/* ---- JSON ---- */

static void
json_string(lg_strbuf *o, const char *s)
{
    lg_strbuf_putc(o, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            lg_strbuf_printf(o, "\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            lg_strbuf_printf(o, "\\u%04x", *s);
        else
            lg_strbuf_putc(o, *s);
    }
    lg_strbuf_putc(o, '"');
}

static void
json_key(struct explain *e, int depth, bool *first, const char *key)
{
    if (!*first)
        lg_strbuf_putc(&e->out, ',');
    *first = false;
    lg_strbuf_putc(&e->out, '\n');
    spaces(&e->out, depth);
    json_string(&e->out, key);
    lg_strbuf_puts(&e->out, ": ");
}

static void
json_text(struct explain *e, int depth, bool *first, const char *key, const char *value)
{
    json_key(e, depth, first, key);
    json_string(&e->out, value);
}

/* The title without what JSON has under keys of its own: " using x on y". */
static const char *
json_type(struct explain *e, const lg_node *n)
{
    char *t = lg_arena_strdup(e->u->a, lg_plan_node_title(n, e->u->a));
    static const char *const cuts[] = {" using ", " on ", " Backward"};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        char *p = strstr(t, cuts[i]);
        if (p)
            *p = '\0';
    }
    if (n->kind == LG_NODE_MODIFY)
        return "ModifyTable";
    if (n->kind == LG_NODE_AGG)
        return "Aggregate";
    if (n->kind == LG_NODE_HASH_JOIN)
        return "Hash Join";
    if (n->kind == LG_NODE_MERGE_JOIN)
        return "Merge Join";
    if (n->kind == LG_NODE_NESTED_LOOP)
        return "Nested Loop";
    return t;
}

static void json_node(struct explain *e, const lg_node *n, int depth, const char *relationship);

static void
json_children(struct explain *e, const lg_node *n, int depth, bool *first)
{
    struct finder f;
    subplans_of(n, &f);
    uint32_t total = (n->left != NULL) + (n->right != NULL) + f.n +
                     (n->kind == LG_NODE_APPEND ? n->append.n : 0);
    bool comma = false;
    if (!total)
        return;
    json_key(e, depth, first, "Plans");
    lg_strbuf_puts(&e->out, "[\n");
#define CHILD(node, rel)                                                                           \
    do {                                                                                           \
        if (comma)                                                                                 \
            lg_strbuf_puts(&e->out, ",\n");                                                        \
        comma = true;                                                                              \
        spaces(&e->out, depth + 2);                                                                \
        json_node(e, (node), depth + 2, (rel));                                                    \
    } while (0)
    if (n->left)
        CHILD(n->left, "Outer");
    if (n->right)
        CHILD(n->right, "Inner");
    for (uint32_t i = 0; n->kind == LG_NODE_APPEND && i < n->append.n; i++)
        CHILD(n->append.children[i], "Member");
    for (uint32_t i = 0; i < f.n; i++)
        CHILD(e->plan->subplans[f.list[i]].root, "SubPlan");
#undef CHILD
    lg_strbuf_putc(&e->out, '\n');
    spaces(&e->out, depth);
    lg_strbuf_putc(&e->out, ']');
}

static void
json_node(struct explain *e, const lg_node *n, int depth, const char *relationship)
{
    lg_strbuf *o = &e->out;
    bool first = true;
    lg_plan_line *lines;
    int d = depth + 2;
    static const char *const joins[] = {"Inner", "Left", "Right",      "Full",
                                        "Semi",  "Anti", "Right Semi", "Right Anti"};
    lg_strbuf_putc(o, '{');
    json_text(e, d, &first, "Node Type", json_type(e, n));
    if (relationship)
        json_text(e, d, &first, "Parent Relationship", relationship);
    json_key(e, d, &first, "Parallel Aware");
    lg_strbuf_puts(o, "false");
    json_key(e, d, &first, "Async Capable");
    lg_strbuf_puts(o, "false");
    if (n->kind == LG_NODE_NESTED_LOOP || n->kind == LG_NODE_HASH_JOIN ||
        n->kind == LG_NODE_MERGE_JOIN)
        json_text(e, d, &first, "Join Type", joins[n->join.type]);
    if (n->kind == LG_NODE_INDEX_SCAN) {
        json_text(e, d, &first, "Scan Direction", n->scan.backward ? "Backward" : "Forward");
        json_text(e, d, &first, "Index Name", n->scan.index->name);
    }
    if (n->kind == LG_NODE_SEQ_SCAN || n->kind == LG_NODE_INDEX_SCAN ||
        n->kind == LG_NODE_TID_SCAN) {
        json_text(e, d, &first, "Relation Name", n->scan.rel->name);
        json_text(e, d, &first, "Alias", n->scan.alias ? n->scan.alias : n->scan.rel->name);
    }
    if (e->costs) {
        json_key(e, d, &first, "Startup Cost");
        lg_strbuf_printf(o, "%.2f", n->startup_cost);
        json_key(e, d, &first, "Total Cost");
        lg_strbuf_printf(o, "%.2f", n->cost);
        json_key(e, d, &first, "Plan Rows");
        lg_strbuf_printf(o, "%.0f", n->rows);
        json_key(e, d, &first, "Plan Width");
        lg_strbuf_printf(o, "%d", n->width);
    }
    const lg_xnode *s = e->x ? e->x->nodes[n->id] : NULL;
    if (e->x) {
        double loops = s && s->loops ? (double)s->loops : 1;
        if (e->timing) {
            json_key(e, d, &first, "Actual Startup Time");
            lg_strbuf_printf(o, "%.3f", s ? ms(s->first_ns) / loops : 0.0);
            json_key(e, d, &first, "Actual Total Time");
            lg_strbuf_printf(o, "%.3f", s ? ms(s->time_ns) / loops : 0.0);
        }
        json_key(e, d, &first, "Actual Rows");
        lg_strbuf_printf(o, "%.0f", s ? (double)s->rows / loops : 0.0);
        json_key(e, d, &first, "Actual Loops");
        lg_strbuf_printf(o, "%llu", s ? (unsigned long long)s->loops : 0ULL);
    }
    uint32_t k = lg_plan_node_lines(e->plan, n, e->u->es->env, e->u->a, &lines);
    for (uint32_t i = 0; i < k; i++)
        json_text(e, d, &first, lines[i].label, lines[i].text);
    json_children(e, n, d, &first);
    lg_strbuf_putc(o, '\n');
    spaces(o, depth);
    lg_strbuf_putc(o, '}');
}

/* ---- running and sending ---- */

static lg_status
send_text(struct explain *e, const char *text)
{
    lg_vector v;
    lg_vector_init(&v, e->u->a, e->json ? LG_T_JSON : LG_T_TEXT, 1);
    lg_vector_set(&v, 0, lg_datum_cstring_text(e->u->a, text), false);
    lg_vector *cols[1] = {&v};
    lg_batch b = {.ncols = 1, .cols = cols, .n = 1};
    return e->u->sink ? e->u->sink(e->u->sink_arg, &b) : LG_OK;
}

static lg_status
send_lines(struct explain *e)
{
    char *p = e->out.data ? e->out.data : (char *)(uintptr_t) "";
    while (*p) {
        char *end = strchrnul(p, '\n');
        LG_TRY(send_text(e, lg_arena_strndup(e->u->a, p, (size_t)(end - p))));
        p = *end ? end + 1 : end;
    }
    return LG_OK;
}

static lg_status
show(struct explain *e, lg_time planning, lg_time running)
{
    lg_strbuf *o = &e->out;
    if (!e->json) {
        text_node(e, e->plan->root, 0, NULL);
        if (e->summary)
            lg_strbuf_printf(o, "Planning Time: %.3f ms\n", ms(planning));
        if (e->summary && e->analyze)
            lg_strbuf_printf(o, "Execution Time: %.3f ms\n", ms(running));
        LG_TRY(lg_strbuf_status(o));
        return send_lines(e);
    }
    lg_strbuf_puts(o, "[\n  {\n    \"Plan\": ");
    json_node(e, e->plan->root, 4, NULL);
    if (e->summary)
        lg_strbuf_printf(o, ",\n    \"Planning Time\": %.3f", ms(planning));
    if (e->analyze)
        lg_strbuf_printf(o, ",\n    \"Triggers\": [\n    ]");
    if (e->summary && e->analyze)
        lg_strbuf_printf(o, ",\n    \"Execution Time\": %.3f", ms(running));
    lg_strbuf_puts(o, "\n  }\n]");
    LG_TRY(lg_strbuf_status(o));
    return send_text(e, o->data);
}

lg_status
lg_util_explain(lg_util *u, const lg_ast_explain_stmt *s)
{
    struct explain e = {.u = u};
    lg_bind b;
    lg_query *q;
    lg_plan *plan = NULL;
    lg_exec *x = NULL;
    const lg_ast *query = s->query;
    lg_run *run = u->es->run;
    snprintf(u->tag, LG_TAG_MAX, "EXPLAIN");
    LG_TRY(read_options(&e, &s->options));
    if (query->tag == LG_AST_CREATE_TABLE_AS_STMT)
        query = lg_ast_as(query, create_table_as_stmt)->query;
    if (!lg_bind_is_query(query))
        return lg_error_set(u->err, "0A000", "EXPLAIN of this statement is not supported");
    lg_strbuf_init(&e.out, 1u << 26);
    lg_ddl_bind_init(u, &b);
    if (u->params) {
        b.infer_params = u->params->infer_params;
        b.nparams = u->params->nparams;
        b.params = u->params->params;
    }
    lg_status st = LG_OK;
    lg_time from = lg_run_now_exact_ns(run), planned = from, done = from;
    LG_CHECK(lg_bind_query(&b, query, &q));
    LG_CHECK(lg_plan_query(&b, q, NULL, &plan));
    e.plan = plan;
    planned = done = lg_run_now_exact_ns(run);
    if (e.analyze) {
        uint64_t n;
        LG_CHECK(lg_exec_open(u->es, plan, NULL, NULL, &x));
        x->instrument = true;
        st = lg_exec_fetch(x, 0, NULL, NULL, &n);
        if (st != LG_END && st != LG_OK)
            goto out;
        e.x = x;
        done = lg_run_now_exact_ns(run);
    }
    st = show(&e, planned - from, done - planned);
out:
    lg_exec_close(x);
    if (plan)
        lg_plan_fini(plan);
    else
        lg_bind_fini(&b);
    lg_strbuf_fini(&e.out);
    return st;
}
