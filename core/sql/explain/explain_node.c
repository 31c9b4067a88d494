/* EXPLAIN: the tree of nodes, with PostgreSQL's names, keys and order of keys.
 *
 * Two of PostgreSQL's nodes are part of others here and shown as nodes all the same, as the work
 * they stand for is done: Hash, what a hash join reads its right side into, and Materialize, what a
 * nested loop keeps of its right side. */
#include "explain_internal.h"
#include "strbuf.h"
#include <stdio.h>
#include <string.h>

static void show_node(lg_xexplain *e, const lg_node *n, const char *relationship,
                      const char *label);

static double
ms(lg_time ns)
{
    return (double)ns / 1e6;
}

static bool
is_join(const lg_node *n)
{
    return n->kind == LG_NODE_NESTED_LOOP || n->kind == LG_NODE_HASH_JOIN ||
           n->kind == LG_NODE_MERGE_JOIN;
}

static const lg_exec_node_stats *
state_of(const lg_xexplain *e, const lg_node *n)
{
    return e->x ? lg_exec_node_stats_get(e->x, n->id, e->a) : NULL;
}

/* ---- which subplans hang on a node: found in its expressions ---- */

struct finder {
    const lg_expr *list[64];
    uint32_t n;
};

static bool
find_subplans(const lg_expr *e, void *arg)
{
    struct finder *f = arg;
    if (e->kind == LG_EX_SUBPLAN && f->n < 64) {
        bool known = false;
        for (uint32_t i = 0; i < f->n; i++)
            known |= f->list[i]->subplan.plan == e->subplan.plan;
        if (!known)
            f->list[f->n++] = e;
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
    if (is_join(n))
        look(f, n->join.join_quals);
    if (n->kind == LG_NODE_MODIFY)
        for (uint32_t i = 0; i < n->modify.nassigns; i++)
            look(f, n->modify.assigns[i].expr);
    if (n->kind == LG_NODE_INDEX_SCAN)
        for (uint32_t i = 0; i < n->scan.nconds; i++)
            look(f, n->scan.conds[i].value);
    if (n->kind == LG_NODE_VALUES)
        for (uint32_t r = 0; r < n->values.nrows; r++)
            for (uint32_t i = 0; i < n->values.nrowcols; i++)
                look(f, n->values.rows[r][i]);
}

static bool
is_init(const lg_expr *e)
{
    return e->subplan.init && !e->subplan.nset &&
           (e->subplan.link == LG_SUBLINK_EXPR || e->subplan.link == LG_SUBLINK_EXISTS ||
            e->subplan.link == LG_SUBLINK_ARRAY);
}

/* ---- numbers ---- */

void
lg_xexplain_buffers(lg_xexplain *e, const lg_xusage *u, const char *label)
{
    lg_xout *o = &e->out;
    uint64_t hit = u->gets > u->reads ? u->gets - u->reads : 0;
    bool timing = e->es->temp_owner && e->es->temp_owner->timing;
    if (!lg_xout_is_text(o)) {
        if (label)
            lg_xout_open(o, label, label, true);
        lg_xout_int(o, "Shared Hit Blocks", NULL, hit);
        lg_xout_int(o, "Shared Read Blocks", NULL, u->reads);
        lg_xout_int(o, "Shared Dirtied Blocks", NULL, u->changes);
        lg_xout_int(o, "Shared Written Blocks", NULL, 0); /* sessions write none */
        lg_xout_int(o, "Local Hit Blocks", NULL, 0);
        lg_xout_int(o, "Local Read Blocks", NULL, 0);
        lg_xout_int(o, "Local Dirtied Blocks", NULL, 0);
        lg_xout_int(o, "Local Written Blocks", NULL, 0);
        lg_xout_int(o, "Temp Read Blocks", NULL, u->temp_reads);
        lg_xout_int(o, "Temp Written Blocks", NULL, u->temp_writes);
        if (timing) {
            lg_xout_float(o, "I/O Read Time", "ms", ms(u->read_ns), 3);
            lg_xout_float(o, "I/O Write Time", "ms", 0, 3);
            lg_xout_float(o, "Temp I/O Read Time", "ms", ms(u->temp_read_ns), 3);
            lg_xout_float(o, "Temp I/O Write Time", "ms", ms(u->temp_write_ns), 3);
        }
        lg_xout_int(o, "Global Cache CR Blocks Received", NULL, u->cr);
        lg_xout_int(o, "Global Cache Current Blocks Received", NULL, u->current);
        lg_xout_float(o, "Global Cache Wait Time", "ms", ms(u->gc_ns), 3);
        if (label)
            lg_xout_close(o, label, true);
        return;
    }
    bool shared = hit || u->reads || u->changes, temp = u->temp_reads || u->temp_writes;
    bool gc = u->cr || u->current || u->gc_ns;
    if (!shared && !temp && !gc)
        return;
    if (label) {
        lg_xout_indent(o);
        lg_strbuf_printf(&o->b, "%s:\n", label);
        o->indent++;
    }
#define PART(name, v)                                                                              \
    if (v)                                                                                         \
    lg_strbuf_printf(&o->b, " %s=%llu", name, (unsigned long long)(v))
    if (shared || temp) {
        lg_xout_indent(o);
        lg_strbuf_puts(&o->b, "Buffers:");
        if (shared)
            lg_strbuf_puts(&o->b, " shared");
        PART("hit", hit);
        PART("read", u->reads);
        PART("dirtied", u->changes);
        if (temp)
            lg_strbuf_puts(&o->b, shared ? ", temp" : " temp");
        PART("read", u->temp_reads);
        PART("written", u->temp_writes);
        lg_strbuf_putc(&o->b, '\n');
    }
    if (gc) {
        lg_xout_indent(o);
        lg_strbuf_puts(&o->b, "Global Cache:");
        PART("cr", u->cr);
        PART("current", u->current);
        lg_strbuf_printf(&o->b, " wait=%.3f ms\n", ms(u->gc_ns));
    }
#undef PART
    bool temp_ns = u->temp_read_ns || u->temp_write_ns;
    if (timing && (u->read_ns || temp_ns)) {
        lg_xout_indent(o);
        lg_strbuf_puts(&o->b, "I/O Timings:");
        if (u->read_ns)
            lg_strbuf_printf(&o->b, " shared/local read=%.3f%s", ms(u->read_ns),
                             temp_ns ? "," : "");
        if (temp_ns)
            lg_strbuf_puts(&o->b, " temp");
        if (u->temp_read_ns)
            lg_strbuf_printf(&o->b, " read=%.3f", ms(u->temp_read_ns));
        if (u->temp_write_ns)
            lg_strbuf_printf(&o->b, " write=%.3f", ms(u->temp_write_ns));
        lg_strbuf_putc(&o->b, '\n');
    }
    if (label)
        o->indent--;
}

static void
show_wal(lg_xexplain *e, const lg_xusage *u)
{
    lg_xout *o = &e->out;
    if (!lg_xout_is_text(o)) {
        lg_xout_int(o, "WAL Records", NULL, u->redo_records);
        lg_xout_int(o, "WAL FPI", NULL, 0); /* redo holds no images of blocks */
        lg_xout_int(o, "WAL Bytes", NULL, u->redo_bytes);
        return;
    }
    if (!u->redo_records)
        return;
    lg_xout_indent(o);
    lg_strbuf_printf(&o->b, "WAL: records=%llu bytes=%llu\n", (unsigned long long)u->redo_records,
                     (unsigned long long)u->redo_bytes);
}

/* Estimates, and what was measured: rows and times of `s` (NULL: never run). */
static void
show_numbers(lg_xexplain *e, const lg_node *n, const lg_exec_node_stats *s, bool whole)
{
    lg_xout *o = &e->out;
    double startup = whole ? n->cost : n->startup_cost;
    if (e->costs && lg_xout_is_text(o)) {
        lg_strbuf_printf(&o->b, "  (cost=%.2f..%.2f rows=%.0f width=%d)", startup, n->cost, n->rows,
                         n->width);
    } else if (e->costs) {
        lg_xout_float(o, "Startup Cost", NULL, startup, 2);
        lg_xout_float(o, "Total Cost", NULL, n->cost, 2);
        lg_xout_float(o, "Plan Rows", NULL, n->rows, 0);
        lg_xout_int(o, "Plan Width", NULL, (uint64_t)(uint32_t)n->width);
    }
    if (!e->x)
        return;
    bool ran = s && s->loops;
    double loops = ran ? (double)s->loops : 1, rows = ran ? (double)s->rows / loops : 0;
    double total = ran ? ms(s->time_ns) / loops : 0;
    double first = ran ? whole ? total : ms(s->first_ns ? s->first_ns : s->time_ns) / loops : 0;
    if (lg_xout_is_text(o)) {
        if (!ran)
            lg_strbuf_puts(&o->b, " (never executed)");
        else if (e->timing)
            lg_strbuf_printf(&o->b, " (actual time=%.3f..%.3f rows=%.0f loops=%.0f)", first, total,
                             rows, loops);
        else
            lg_strbuf_printf(&o->b, " (actual rows=%.0f loops=%.0f)", rows, loops);
        return;
    }
    if (e->timing) {
        lg_xout_float(o, "Actual Startup Time", "ms", first, 3);
        lg_xout_float(o, "Actual Total Time", "ms", total, 3);
    }
    lg_xout_float(o, "Actual Rows", NULL, rows, 0);
    lg_xout_float(o, "Actual Loops", NULL, ran ? loops : 0, 0);
}

static void
show_removed(lg_xexplain *e, const lg_exec_node_stats *s, const char *label, uint64_t n)
{
    if (!e->x)
        return;
    double loops = s && s->loops ? (double)s->loops : 1;
    if (!lg_xout_is_text(&e->out) || n)
        lg_xout_float(&e->out, label, NULL, (double)n / loops, 0);
}

/* ---- names ---- */

static const char *
type_name(const lg_node *n)
{
    switch ((lg_node_kind)n->kind) {
    case LG_NODE_RESULT:
        return "Result";
    case LG_NODE_VALUES:
        return "Values Scan";
    case LG_NODE_SEQ_SCAN:
        return "Seq Scan";
    case LG_NODE_INDEX_SCAN:
        return n->scan.index_only ? "Index Only Scan" : "Index Scan";
    case LG_NODE_TID_SCAN:
        return "Tid Scan";
    case LG_NODE_FUNCTION_SCAN:
        return "Function Scan";
    case LG_NODE_SUBQUERY_SCAN:
        return "Subquery Scan";
    case LG_NODE_CTE_SCAN:
        return "CTE Scan";
    case LG_NODE_WORKTABLE_SCAN:
        return "WorkTable Scan";
    case LG_NODE_RECURSIVE_UNION:
        return "Recursive Union";
    case LG_NODE_NESTED_LOOP:
        return "Nested Loop";
    case LG_NODE_HASH_JOIN:
        return "Hash Join";
    case LG_NODE_MERGE_JOIN:
        return "Merge Join";
    case LG_NODE_SORT:
        return "Sort";
    case LG_NODE_LIMIT:
        return "Limit";
    case LG_NODE_AGG:
        return "Aggregate";
    case LG_NODE_WINDOW:
        return "WindowAgg";
    case LG_NODE_UNIQUE:
        return "Unique";
    case LG_NODE_SETOP:
        return "SetOp";
    case LG_NODE_APPEND:
        return "Append";
    case LG_NODE_PROJECT_SET:
        return "ProjectSet";
    case LG_NODE_LOCK_ROWS:
        return "LockRows";
    case LG_NODE_MODIFY:
        return "ModifyTable";
    }
    return "?";
}

static const char *
agg_strategy(const lg_node *n)
{
    for (uint32_t i = 0; i < n->agg.nsets; i++)
        if (!n->agg.set_len[i])
            return "Mixed";
    return n->agg.hashed ? "Hashed" : n->agg.ngroup ? "Sorted" : "Plain";
}

static void
show_target(lg_xexplain *e, const char *key, const char *name, const char *schema,
            const char *alias)
{
    if (name)
        lg_xout_text(&e->out, key, name);
    if (schema && e->verbose)
        lg_xout_text(&e->out, "Schema", schema);
    lg_xout_text(&e->out, "Alias", alias ? alias : name ? name : "");
}

/* What the text format has in the title. */
static void
show_what(lg_xexplain *e, const lg_node *n)
{
    static const char *const joins[] = {"Inner", "Left", "Right",      "Full",
                                        "Semi",  "Anti", "Right Semi", "Right Anti"};
    lg_xout *o = &e->out;
    switch ((lg_node_kind)n->kind) {
    case LG_NODE_INDEX_SCAN:
        lg_xout_text(o, "Scan Direction", n->scan.backward ? "Backward" : "Forward");
        lg_xout_text(o, "Index Name", n->scan.index->name);
        show_target(e, "Relation Name", n->scan.rel->name, n->scan.rel->schema, n->scan.alias);
        break;
    case LG_NODE_SEQ_SCAN:
    case LG_NODE_TID_SCAN:
        show_target(e, "Relation Name", n->scan.rel->name, n->scan.rel->schema, n->scan.alias);
        break;
    case LG_NODE_FUNCTION_SCAN: {
        const lg_expr *f = n->func.nfuncs == 1 ? n->func.funcs[0] : NULL;
        bool named = f && f->kind == LG_EX_FUNC;
        show_target(e, "Function Name", named ? f->func.func->name : NULL,
                    named ? "pg_catalog" : NULL, n->func.alias);
        break;
    }
    case LG_NODE_VALUES:
        show_target(e, "", NULL, NULL, "*VALUES*");
        break;
    case LG_NODE_SUBQUERY_SCAN:
        show_target(e, "", NULL, NULL, n->subquery.alias);
        break;
    case LG_NODE_CTE_SCAN:
    case LG_NODE_WORKTABLE_SCAN:
        show_target(e, "CTE Name", n->cte.name, NULL, n->cte.alias);
        break;
    case LG_NODE_MODIFY:
        show_target(e, "Relation Name", n->modify.target.rel->name, n->modify.target.rel->schema,
                    NULL);
        break;
    case LG_NODE_NESTED_LOOP:
    case LG_NODE_HASH_JOIN:
    case LG_NODE_MERGE_JOIN:
        lg_xout_text(o, "Join Type", joins[n->join.type]);
        break;
    case LG_NODE_SETOP:
        lg_xout_text(o, "Command",
                     n->setop.op == LG_A_SETOP_INTERSECT
                         ? n->setop.all ? "Intersect All" : "Intersect"
                     : n->setop.all ? "Except All"
                                    : "Except");
        break;
    default:
        break;
    }
}

/* ---- what kinds of nodes say about themselves ---- */

static uint64_t
kb(uint64_t bytes)
{
    return (bytes + 1023) / 1024;
}

static void
show_sort(lg_xexplain *e, const lg_xspace *sp)
{
    lg_xout *o = &e->out;
    const char *where = sp->disk ? "Disk" : "Memory";
    uint64_t used = kb(sp->disk ? sp->disk : sp->memory);
    if (lg_xout_is_text(o)) {
        lg_xout_indent(o);
        lg_strbuf_printf(&o->b, "Sort Method: %s  %s: %llukB\n", sp->method, where,
                         (unsigned long long)used);
        return;
    }
    lg_xout_text(o, "Sort Method", sp->method);
    lg_xout_int(o, "Sort Space Used", "kB", used);
    lg_xout_text(o, "Sort Space Type", where);
}

static void
show_groups(lg_xexplain *e, const lg_xspace *sp)
{
    lg_xout *o = &e->out;
    if (lg_xout_is_text(o)) {
        lg_xout_indent(o);
        lg_strbuf_printf(&o->b, "Batches: %llu  Memory Usage: %llukB",
                         (unsigned long long)sp->batches, (unsigned long long)kb(sp->memory));
        if (sp->disk)
            lg_strbuf_printf(&o->b, "  Disk Usage: %llukB", (unsigned long long)kb(sp->disk));
        lg_strbuf_putc(&o->b, '\n');
        return;
    }
    lg_xout_int(o, "HashAgg Batches", NULL, sp->batches);
    lg_xout_int(o, "Peak Memory Usage", "kB", kb(sp->memory));
    lg_xout_int(o, "Disk Usage", "kB", kb(sp->disk));
}

static void
show_hash(lg_xexplain *e, const lg_xspace *sp)
{
    lg_xout *o = &e->out;
    if (lg_xout_is_text(o)) {
        lg_xout_indent(o);
        lg_strbuf_printf(&o->b, "Buckets: %llu  Batches: %llu%s  Memory Usage: %llukB\n",
                         (unsigned long long)sp->buckets, (unsigned long long)sp->batches,
                         sp->batches > 1 ? " (originally 1)" : "",
                         (unsigned long long)kb(sp->memory));
        return;
    }
    lg_xout_int(o, "Hash Buckets", NULL, sp->buckets);
    lg_xout_int(o, "Original Hash Buckets", NULL, sp->buckets);
    lg_xout_int(o, "Hash Batches", NULL, sp->batches);
    lg_xout_int(o, "Original Hash Batches", NULL, 1);
    lg_xout_int(o, "Peak Memory Usage", "kB", kb(sp->memory));
}

static void
show_sets(lg_xexplain *e, const lg_node *n)
{
    lg_xout *o = &e->out;
    lg_xout_open(o, "Grouping Sets", "Grouping Sets", false);
    for (uint32_t i = 0; i < n->agg.nsets; i++) {
        const char **keys;
        uint32_t k = lg_plan_words_set(&e->words, n, i, &keys);
        lg_xout_open(o, "Grouping Set", NULL, true);
        if (k)
            lg_xout_list(o, lg_xout_is_text(o) ? "Hash Key" : "Hash Keys", keys, k);
        else if (lg_xout_is_text(o))
            lg_xout_text(o, "Group Key", "()");
        else
            lg_xout_list(o, "Group Keys", keys, 0);
        lg_xout_close(o, "Grouping Set", true);
    }
    lg_xout_close(o, "Grouping Sets", false);
}

/* PostgreSQL has these on Gather; here the node that takes the rows has the threads. */
static void
show_helpers(lg_xexplain *e, const lg_node *n, const lg_exec_node_stats *s)
{
    uint32_t planned = lg_xteam_planned(e->es, n);
    if (!planned)
        return;
    lg_xout_int(&e->out, "Workers Planned", NULL, planned);
    if (e->x && s)
        lg_xout_int(&e->out, "Workers Launched", NULL, s->helpers);
}

static void
show_lines(lg_xexplain *e, const lg_node *n, const lg_exec_node_stats *s)
{
    lg_xout *o = &e->out;
    lg_plan_line *lines;
    lg_xspace sp = {0};
    if (s)
        sp = s->space;
    if (e->verbose && n->kind == LG_NODE_FUNCTION_SCAN)
        lg_xout_text(o, "Function Call", lg_plan_words_call(&e->words, n));
    if (n->kind == LG_NODE_AGG && n->agg.nsets)
        show_sets(e, n);
    uint32_t k = lg_plan_words_lines(&e->words, n, &lines);
    for (uint32_t i = 0; i < k; i++) {
        const char *label = lines[i].label;
        if (lines[i].items)
            lg_xout_list(o, label, lines[i].items, lines[i].n);
        else
            lg_xout_text(o, label, lines[i].text);
        if (strcmp(label, "Index Cond") == 0 && !n->scan.index_only)
            show_removed(e, s, "Rows Removed by Index Recheck", 0);
        if (strcmp(label, "Join Filter") == 0)
            show_removed(e, s, "Rows Removed by Join Filter", s ? s->join_filtered : 0);
        if (strcmp(label, "Filter") == 0 && n->kind != LG_NODE_AGG)
            show_removed(e, s, "Rows Removed by Filter", s ? s->filtered : 0);
    }
    if (n->kind == LG_NODE_INDEX_SCAN && n->scan.index_only && e->x)
        lg_xout_int(o, "Heap Fetches", NULL, s ? s->heap_fetches : 0);
    if (n->kind == LG_NODE_SORT && sp.method)
        show_sort(e, &sp);
    if (n->kind == LG_NODE_AGG && (n->agg.hashed || n->agg.nsets)) {
        if (e->costs && !lg_xout_is_text(o))
            lg_xout_int(o, "Planned Partitions", NULL, 0);
        if (e->x && sp.batches)
            show_groups(e, &sp);
    }
    if (n->kind == LG_NODE_AGG && n->quals)
        show_removed(e, s, "Rows Removed by Filter", s ? s->filtered : 0);
    if (n->kind == LG_NODE_AGG)
        show_helpers(e, n, s);
    if (n->kind == LG_NODE_MODIFY && n->modify.on_conflict && e->x && s) {
        lg_xout_int(o, "Tuples Inserted", NULL, s->inserted);
        lg_xout_int(o, "Conflicting Tuples", NULL, s->conflicting);
    }
}

/* ---- the tree ---- */

static void
head(lg_xexplain *e, const char *title, const char *type, const char *relationship,
     const char *label)
{
    lg_xout *o = &e->out;
    lg_xout_open(o, "Plan", relationship ? NULL : "Plan", true);
    if (lg_xout_is_text(o)) {
        if (label) {
            lg_xout_indent(o);
            lg_strbuf_printf(&o->b, "%s\n", label);
            o->indent++;
        }
        if (o->indent) {
            lg_xout_indent(o);
            lg_strbuf_puts(&o->b, "->  ");
            o->indent += 2;
        }
        lg_strbuf_puts(&o->b, title);
        o->indent++;
        return;
    }
    lg_xout_text(o, "Node Type", type);
}

static void
relation_to_parent(lg_xexplain *e, const char *relationship, const char *label)
{
    lg_xout *o = &e->out;
    if (lg_xout_is_text(o))
        return;
    if (relationship)
        lg_xout_text(o, "Parent Relationship", relationship);
    if (label)
        lg_xout_text(o, "Subplan Name", label);
    lg_xout_bool(o, "Parallel Aware", false);
    lg_xout_bool(o, "Async Capable", false);
}

/* Hash and Materialize above a join's right side. */
static void
show_between(lg_xexplain *e, const lg_node *join, const char *name)
{
    lg_xout *o = &e->out;
    const lg_node *n = join->right;
    const lg_exec_node_stats *s = state_of(e, n), *j = state_of(e, join);
    bool hash = join->kind == LG_NODE_HASH_JOIN;
    int indent = o->indent;
    head(e, name, name, "Inner", NULL);
    relation_to_parent(e, "Inner", NULL);
    show_numbers(e, n, s, hash);
    if (lg_xout_is_text(o))
        lg_strbuf_putc(&o->b, '\n');
    if (e->verbose) {
        const char **cols;
        uint32_t k = lg_plan_words_output(&e->words, n, &cols);
        lg_xout_list(o, "Output", cols, k);
    }
    if (hash && j && j->space.batches)
        show_hash(e, &j->space);
    if (hash)
        show_helpers(e, join, j);
    if (e->buffers && e->x && s && s->usage)
        lg_xexplain_buffers(e, s->usage, NULL);
    if (e->wal && s && s->usage)
        show_wal(e, s->usage);
    lg_xout_open(o, "Plans", "Plans", false);
    show_node(e, n, "Outer", NULL);
    lg_xout_close(o, "Plans", false);
    if (lg_xout_is_text(o))
        o->indent = indent;
    lg_xout_close(o, "Plan", true);
}

static bool
keeps_inner(const lg_node *n)
{
    return n->kind == LG_NODE_NESTED_LOOP &&
           (n->join.type == LG_JOIN_RIGHT || n->join.type == LG_JOIN_FULL ||
            (!n->right->nparams && n->right->kind != LG_NODE_INDEX_SCAN));
}

static const char *
subplan_label(lg_xexplain *e, const lg_expr *s)
{
    lg_arena *a = e->a;
    if (is_init(s))
        return lg_arena_printf(a, "InitPlan %u (returns $%u)", s->subplan.plan + 1,
                               s->subplan.plan);
    return lg_arena_printf(a, "SubPlan %u", s->subplan.plan + 1);
}

static void
show_children(lg_xexplain *e, const lg_node *n, bool root)
{
    lg_xout *o = &e->out;
    struct finder f;
    uint32_t nctes = root ? e->plan->nctes : 0;
    subplans_of(n, &f);
    if (!n->left && !n->right && !f.n && !nctes && !(n->kind == LG_NODE_APPEND && n->append.n))
        return;
    lg_xout_open(o, "Plans", "Plans", false);
    for (uint32_t i = 0; i < nctes; i++)
        show_node(e, e->plan->ctes[i].root, "InitPlan",
                  lg_arena_printf(e->a, "CTE %s", e->plan->ctes[i].name));
    for (uint32_t i = 0; i < f.n; i++)
        if (is_init(f.list[i]))
            show_node(e, e->plan->subplans[f.list[i]->subplan.plan].root, "InitPlan",
                      subplan_label(e, f.list[i]));
    if (n->left)
        show_node(e, n->left, n->kind == LG_NODE_SUBQUERY_SCAN ? "Subquery" : "Outer", NULL);
    if (n->right && n->kind == LG_NODE_HASH_JOIN)
        show_between(e, n, "Hash");
    else if (n->right && keeps_inner(n))
        show_between(e, n, "Materialize");
    else if (n->right)
        show_node(e, n->right, "Inner", NULL);
    for (uint32_t i = 0; n->kind == LG_NODE_APPEND && i < n->append.n; i++)
        show_node(e, n->append.children[i], "Member", NULL);
    for (uint32_t i = 0; i < f.n; i++)
        if (!is_init(f.list[i]))
            show_node(e, e->plan->subplans[f.list[i]->subplan.plan].root, "SubPlan",
                      subplan_label(e, f.list[i]));
    lg_xout_close(o, "Plans", false);
}

static void
show_node(lg_xexplain *e, const lg_node *n, const char *relationship, const char *label)
{
    lg_xout *o = &e->out;
    const lg_exec_node_stats *s = state_of(e, n);
    int indent = o->indent;
    head(e, lg_plan_words_title(&e->words, n), type_name(n), relationship, label);
    if (!lg_xout_is_text(o)) {
        static const char *const ops[] = {"Select", "Insert", "Update", "Delete"};
        if (n->kind == LG_NODE_AGG) {
            lg_xout_text(o, "Strategy", agg_strategy(n));
            lg_xout_text(o, "Partial Mode", "Simple");
        }
        if (n->kind == LG_NODE_SETOP)
            lg_xout_text(o, "Strategy", "Hashed");
        if (n->kind == LG_NODE_MODIFY)
            lg_xout_text(o, "Operation", ops[n->modify.cmd]);
        relation_to_parent(e, relationship, label);
        show_what(e, n);
    }
    show_numbers(e, n, s, false);
    if (lg_xout_is_text(o))
        lg_strbuf_putc(&o->b, '\n');
    if (e->verbose && (n->kind != LG_NODE_MODIFY || n->targets)) {
        const char **cols;
        uint32_t k = lg_plan_words_output(&e->words, n, &cols);
        if (k)
            lg_xout_list(o, "Output", cols, k);
    }
    if (is_join(n) && (!lg_xout_is_text(o) || (e->verbose && n->join.inner_unique)))
        lg_xout_bool(o, "Inner Unique", n->join.inner_unique);
    show_lines(e, n, s);
    if (e->buffers && e->x && s && s->usage)
        lg_xexplain_buffers(e, s->usage, NULL);
    if (e->wal && s && s->usage)
        show_wal(e, s->usage);
    show_children(e, n, !relationship);
    if (lg_xout_is_text(o))
        o->indent = indent;
    lg_xout_close(o, "Plan", true);
}

void
lg_xexplain_plan(lg_xexplain *e)
{
    show_node(e, e->plan->root, NULL, NULL);
}
