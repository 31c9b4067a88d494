/* EXPLAIN: titles and lines of nodes, with slots traced back to the columns they come from. */
#include "collate.h"
#include "plan_internal.h"
#include <string.h>

typedef struct namer {
    const lg_plan *plan;
    const lg_node *node; /* whose input row slots mean */
    lg_arena *a;
    lg_env *env;
    uint32_t relations; /* more than one: columns are qualified */
} namer;

static const char *input_name(const namer *n, int32_t slot);
static const char *slot_name_of(void *arg, const lg_expr *e);

static const char *
expr_text(const namer *n, const lg_expr *e)
{
    namer me = *n;
    lg_deparse d = {.arena = n->a, .env = n->env, .slot_name = slot_name_of, .arg = &me};
    const char *s;
    if (lg_deparse_expr(&d, e, NULL, &s) != LG_OK)
        return "?";
    return s;
}

/* The column as the node computes it. */
static const char *
computed_name(const namer *n, const lg_node *node, uint32_t col)
{
    namer in = *n;
    in.node = node;
    if (node->targets && node->kind != LG_NODE_MODIFY)
        return expr_text(&in, node->targets[col]);
    return input_name(&in, (int32_t)col);
}

static bool
is_computed(const lg_node *node, uint32_t col)
{
    if (node->targets && node->kind != LG_NODE_MODIFY) {
        const lg_expr *e = node->targets[col];
        if (e->kind != LG_EX_SLOT || e->slot < 0)
            return e->kind != LG_EX_SLOT;
        col = (uint32_t)e->slot;
    }
    return node->kind == LG_NODE_AGG && col >= node->agg.ngroup;
}

/* The same as seen from above: what is no plain column stands in parentheses. */
static const char *
output_name(const namer *n, const lg_node *node, uint32_t col)
{
    const char *s = computed_name(n, node, col);
    return is_computed(node, col) ? lg_arena_printf(n->a, "(%s)", s) : s;
}

static const char *
qualified(const namer *n, const char *alias, const char *col)
{
    col = lg_quote_ident(n->a, col);
    if (n->relations < 2 || !alias)
        return col;
    return lg_arena_printf(n->a, "%s.%s", lg_quote_ident(n->a, alias), col);
}

/* Columns that only a sort reads have no names. */
static const char *
name_of(const lg_outcol *c)
{
    return c->name ? c->name : "?column?";
}

static const char *
scan_column(const namer *n, const lg_node *x, int32_t slot)
{
    static const char *const sys[] = {"", "ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"};
    if (slot < 0)
        return qualified(n, x->scan.alias, sys[-slot]);
    return qualified(n, x->scan.alias, x->scan.rel->cols[slot].name);
}

static const char *
agg_slot(const namer *n, const lg_node *x, uint32_t slot)
{
    if (slot < x->agg.ngroup)
        return output_name(n, x->left, x->agg.group[slot].slot);
    if (slot >= x->agg.ngroup + x->agg.naggs)
        return "GROUPING SET"; /* its number, from which GROUPING() is worked out */
    namer in = *n;
    lg_node below = {.kind = LG_NODE_RESULT, .left = x->left};
    in.node = &below;
    return expr_text(&in, x->agg.aggs[slot - x->agg.ngroup]);
}

static const char *
input_name(const namer *n, int32_t slot)
{
    const lg_node *x = n->node;
    uint32_t s = (uint32_t)slot;
    switch ((lg_node_kind)x->kind) {
    case LG_NODE_SEQ_SCAN:
    case LG_NODE_INDEX_SCAN:
    case LG_NODE_TID_SCAN:
        return scan_column(n, x, slot);
    case LG_NODE_NESTED_LOOP:
    case LG_NODE_HASH_JOIN:
    case LG_NODE_MERGE_JOIN:
        return s < x->left->ncols ? output_name(n, x->left, s)
                                  : output_name(n, x->right, s - x->left->ncols);
    case LG_NODE_AGG:
        return agg_slot(n, x, s);
    case LG_NODE_WINDOW: {
        namer in = *n;
        if (s < x->left->ncols)
            return output_name(n, x->left, s);
        return expr_text(&in, x->window.funcs[s - x->left->ncols]);
    }
    case LG_NODE_FUNCTION_SCAN:
        return qualified(n, x->func.alias, name_of(&x->func.in[s]));
    case LG_NODE_CTE_SCAN:
    case LG_NODE_WORKTABLE_SCAN:
        return qualified(n, x->cte.alias, name_of(&x->cte.in[s]));
    case LG_NODE_SUBQUERY_SCAN:
        return qualified(n, x->subquery.alias, name_of(&x->left->cols[s]));
    case LG_NODE_MODIFY: {
        const lg_relation *rel = x->modify.target.rel;
        return s < rel->ncols ? qualified(n, rel->name, rel->cols[s].name) : "column";
    }
    case LG_NODE_APPEND:
        return x->append.n ? output_name(n, x->append.children[0], s) : "column";
    default:
        if (x->left)
            return output_name(n, x->left, s);
        return x->cols && s < x->ncols ? lg_quote_ident(n->a, name_of(&x->cols[s])) : "column";
    }
}

/* The loop that sets the parameter, somewhere in the tree. */
static const lg_node *
setter(const lg_node *x, uint32_t exec, uint32_t *ret_i)
{
    if (!x)
        return NULL;
    if (x->kind == LG_NODE_NESTED_LOOP)
        for (uint32_t i = 0; i < x->join.nset; i++)
            if (x->join.set[i] == exec) {
                *ret_i = i;
                return x;
            }
    for (uint32_t i = 0; x->kind == LG_NODE_APPEND && i < x->append.n; i++) {
        const lg_node *f = setter(x->append.children[i], exec, ret_i);
        if (f)
            return f;
    }
    const lg_node *l = setter(x->left, exec, ret_i);
    return l ? l : setter(x->right, exec, ret_i);
}

static const lg_node *
find_setter(const lg_plan *p, uint32_t exec, uint32_t *ret_i)
{
    const lg_node *x = setter(p->root, exec, ret_i);
    for (uint32_t i = 0; !x && i < p->nsubplans; i++)
        x = setter(p->subplans[i].root, exec, ret_i);
    for (uint32_t i = 0; !x && i < p->nctes; i++)
        x = setter(p->ctes[i].root, exec, ret_i);
    return x;
}

static const char *
slot_name_of(void *arg, const lg_expr *e)
{
    const namer *n = arg;
    if (e->kind == LG_EX_SLOT)
        return input_name(n, e->slot);
    if (e->kind == LG_EX_EXEC) {
        uint32_t i;
        const lg_node *x = find_setter(n->plan, e->exec, &i);
        if (!x)
            return NULL;
        namer in = *n;
        lg_node below = {.kind = LG_NODE_RESULT, .left = x->left};
        in.node = &below;
        in.relations = 2; /* another relation's than the one that is scanned */
        return expr_text(&in, x->join.set_expr[i]);
    }
    return NULL;
}

/* ---- titles ---- */

static const char *
on_relation(lg_arena *a, const char *what, const lg_node *n, bool verbose)
{
    const char *name = lg_quote_ident(a, n->scan.rel->name);
    if (verbose)
        name = lg_arena_printf(a, "%s.%s", lg_quote_ident(a, n->scan.rel->schema), name);
    if (n->scan.alias && strcmp(n->scan.alias, n->scan.rel->name) != 0)
        return lg_arena_printf(a, "%s on %s %s", what, name, lg_quote_ident(a, n->scan.alias));
    return lg_arena_printf(a, "%s on %s", what, name);
}

static const char *
join_title(const lg_node *n, lg_arena *a)
{
    static const char *const types[] = {"",      " Left", " Right",      " Full",
                                        " Semi", " Anti", " Right Semi", " Right Anti"};
    bool hash = n->kind == LG_NODE_HASH_JOIN;
    if (n->kind == LG_NODE_NESTED_LOOP && n->join.type == LG_JOIN_INNER)
        return "Nested Loop";
    return lg_arena_printf(a, "%s%s Join",
                           hash                             ? "Hash"
                           : n->kind == LG_NODE_NESTED_LOOP ? "Nested Loop"
                                                            : "Merge",
                           types[n->join.type]);
}

static const char *
cte_title(const lg_node *n, lg_arena *a)
{
    const char *what = n->kind == LG_NODE_CTE_SCAN ? "CTE Scan" : "WorkTable Scan";
    if (strcmp(n->cte.alias, n->cte.name) != 0)
        return lg_arena_printf(a, "%s on %s %s", what, lg_quote_ident(a, n->cte.name),
                               lg_quote_ident(a, n->cte.alias));
    return lg_arena_printf(a, "%s on %s", what, lg_quote_ident(a, n->cte.name));
}

static const char *
function_title(const lg_node *n, lg_arena *a, bool verbose)
{
    const lg_expr *f = n->func.nfuncs ? n->func.funcs[0] : NULL;
    const char *alias = n->func.alias ? n->func.alias : "function";
    if (f && n->func.nfuncs == 1 && f->kind == LG_EX_FUNC) {
        const char *name = f->func.func->name, *schema = verbose ? "pg_catalog." : "";
        return strcmp(name, alias) ? lg_arena_printf(a, "Function Scan on %s%s %s", schema, name,
                                                     lg_quote_ident(a, alias))
                                   : lg_arena_printf(a, "Function Scan on %s%s", schema, name);
    }
    return lg_arena_printf(a, "Function Scan on %s", lg_quote_ident(a, alias));
}

static const char *
title(const lg_node *n, lg_arena *a, bool verbose)
{
    switch ((lg_node_kind)n->kind) {
    case LG_NODE_RESULT:
        return "Result";
    case LG_NODE_VALUES:
        return "Values Scan on \"*VALUES*\"";
    case LG_NODE_SEQ_SCAN:
        return on_relation(a, "Seq Scan", n, verbose);
    case LG_NODE_INDEX_SCAN:
        return on_relation(a,
                           lg_arena_printf(a, "Index %sScan %susing %s",
                                           n->scan.index_only ? "Only " : "",
                                           n->scan.backward ? "Backward " : "",
                                           lg_quote_ident(a, n->scan.index->name)),
                           n, verbose);
    case LG_NODE_TID_SCAN:
        return on_relation(a, "Tid Scan", n, verbose);
    case LG_NODE_FUNCTION_SCAN:
        return function_title(n, a, verbose);
    case LG_NODE_SUBQUERY_SCAN:
        return lg_arena_printf(a, "Subquery Scan on %s",
                               lg_quote_ident(a, n->subquery.alias ? n->subquery.alias : "x"));
    case LG_NODE_CTE_SCAN:
    case LG_NODE_WORKTABLE_SCAN:
        return cte_title(n, a);
    case LG_NODE_RECURSIVE_UNION:
        return "Recursive Union";
    case LG_NODE_NESTED_LOOP:
    case LG_NODE_HASH_JOIN:
    case LG_NODE_MERGE_JOIN:
        return join_title(n, a);
    case LG_NODE_SORT:
        return "Sort";
    case LG_NODE_LIMIT:
        return "Limit";
    case LG_NODE_AGG:
        for (uint32_t i = 0; i < n->agg.nsets; i++)
            if (!n->agg.set_len[i])
                return "MixedAggregate";
        return n->agg.hashed ? "HashAggregate" : n->agg.ngroup ? "GroupAggregate" : "Aggregate";
    case LG_NODE_WINDOW:
        return "WindowAgg";
    case LG_NODE_UNIQUE:
        return "Unique";
    case LG_NODE_SETOP:
        return lg_arena_printf(a, "HashSetOp %s%s",
                               n->setop.op == LG_A_SETOP_INTERSECT ? "Intersect" : "Except",
                               n->setop.all ? " All" : "");
    case LG_NODE_APPEND:
        return "Append";
    case LG_NODE_PROJECT_SET:
        return "ProjectSet";
    case LG_NODE_LOCK_ROWS:
        return "LockRows";
    case LG_NODE_MODIFY:
        return lg_arena_printf(a, "%s on %s%s%s",
                               n->modify.cmd == LG_CMD_INSERT   ? "Insert"
                               : n->modify.cmd == LG_CMD_UPDATE ? "Update"
                                                                : "Delete",
                               verbose ? lg_quote_ident(a, n->modify.target.rel->schema) : "",
                               verbose ? "." : "", lg_quote_ident(a, n->modify.target.rel->name));
    }
    return "?";
}

/* ---- lines ---- */

typedef struct lines {
    lg_arena *a;
    lg_plan_line *at;
    uint32_t n;
} lines;

static void
add_line(lines *l, const char *label, const char *text)
{
    lg_plan_line *x = LG_NEWN(l->a, lg_plan_line, l->n + 1);
    if (l->n)
        memcpy(x, l->at, l->n * sizeof *x);
    x[l->n] = (lg_plan_line){.label = label, .text = text};
    l->at = x;
    l->n++;
}

static const char *join_texts(lg_arena *a, const char *const *t, uint32_t n, const char *sep,
                              bool paren);

static void
add_list(lines *l, const char *label, const char *const *items, uint32_t n)
{
    add_line(l, label, join_texts(l->a, items, n, ", ", false));
    l->at[l->n - 1].n = n;
    l->at[l->n - 1].items = items;
}

static void
add_expr(lines *l, const namer *n, const char *label, const lg_expr *e)
{
    if (e)
        add_line(l, label, expr_text(n, e));
}

static const char *
join_texts(lg_arena *a, const char *const *t, uint32_t n, const char *sep, bool paren)
{
    const char *s = n ? t[0] : "";
    for (uint32_t i = 1; i < n; i++)
        s = lg_arena_printf(a, "%s%s%s", s, sep, t[i]);
    return paren && n > 1 ? lg_arena_printf(a, "(%s)", s) : s;
}

static void
index_cond(lines *l, const namer *n, const lg_node *x)
{
    const char **t = LG_NEWN(l->a, const char *, x->scan.nconds + 1);
    for (uint32_t i = 0; i < x->scan.nconds; i++)
        t[i] = expr_text(n, x->scan.conds[i].qual);
    if (x->scan.nconds)
        add_line(l, x->kind == LG_NODE_TID_SCAN ? "TID Cond" : "Index Cond",
                 join_texts(l->a, t, x->scan.nconds, " AND ", true));
}

static void
join_lines(lines *l, const namer *n, const lg_node *x)
{
    const char **t = LG_NEWN(l->a, const char *, x->join.nkeys + 1);
    for (uint32_t i = 0; i < x->join.nkeys; i++) {
        lg_node lb = {.kind = LG_NODE_RESULT, .left = x->left};
        lg_node rb = {.kind = LG_NODE_RESULT, .left = x->right};
        namer ln = *n, rn = *n;
        ln.node = &lb;
        rn.node = &rb;
        t[i] = lg_arena_printf(l->a, "(%s %s %s)", expr_text(&ln, x->join.keys[i].left),
                               x->join.keys[i].eq->name, expr_text(&rn, x->join.keys[i].right));
    }
    if (x->join.nkeys)
        add_line(l, x->kind == LG_NODE_HASH_JOIN ? "Hash Cond" : "Merge Cond",
                 join_texts(l->a, t, x->join.nkeys, " AND ", true));
    add_expr(l, n, "Join Filter", x->join.join_quals);
}

/* As output_name; what an ICU collation sorts by is shown as what it stands for. */
static const char *
sorted_name(const namer *n, const lg_node *node, uint32_t col)
{
    const lg_node *x = node;
    while (!x->targets && (x->kind == LG_NODE_SORT || x->kind == LG_NODE_LIMIT))
        x = x->left;
    const lg_expr *e = x->targets && x->kind != LG_NODE_MODIFY ? x->targets[col] : NULL;
    if (!e || e->kind != LG_EX_FUNC || e->func.func != &lg_collate_key_func)
        return output_name(n, node, col);
    namer in = *n;
    in.node = x;
    const char *s = expr_text(&in, e->args[0]);
    if (e->args[0]->kind != LG_EX_SLOT)
        s = lg_arena_printf(n->a, "(%s)", s);
    lg_oid coll = lg_oid_of(e->args[1]->konst.value);
    return lg_arena_printf(n->a, "%s COLLATE %s", s, lg_deparse_collation(n->env, coll, n->a));
}

static void
sort_lines(lines *l, const namer *n, const lg_node *x)
{
    const char **t = LG_NEWN(l->a, const char *, x->sort.nkeys + 1);
    for (uint32_t i = 0; i < x->sort.nkeys; i++) {
        const lg_node_sortkey *k = &x->sort.keys[i];
        t[i] = sorted_name(n, x->left, k->slot);
        if (k->desc)
            t[i] = lg_arena_printf(l->a, "%s DESC", t[i]);
        if (k->nulls_first != k->desc)
            t[i] = lg_arena_printf(l->a, "%s NULLS %s", t[i], k->nulls_first ? "FIRST" : "LAST");
    }
    add_list(l, "Sort Key", t, x->sort.nkeys);
}

static void
group_lines(lines *l, const namer *n, const lg_node *x)
{
    const char **t = LG_NEWN(l->a, const char *, x->agg.ngroup + 1);
    for (uint32_t i = 0; i < x->agg.ngroup; i++)
        t[i] = computed_name(n, x->left, x->agg.group[i].slot);
    if (x->agg.ngroup && !x->agg.nsets)
        add_list(l, "Group Key", t, x->agg.ngroup);
}

static void
conflict_lines(lines *l, const lg_node *x)
{
    if (!x->modify.on_conflict)
        return;
    add_line(l, "Conflict Resolution",
             x->modify.on_conflict == LG_A_ONCONFLICT_UPDATE ? "UPDATE" : "NOTHING");
    const char **t = LG_NEWN(l->a, const char *, x->modify.narbiters + 1);
    for (uint32_t i = 0; i < x->modify.narbiters; i++) {
        const lg_index *ix = lg_relation_index(x->modify.target.rel, x->modify.arbiters[i]);
        t[i] = ix ? ix->name : "?";
    }
    if (x->modify.narbiters)
        add_list(l, "Conflict Arbiter Indexes", t, x->modify.narbiters);
}

/* Scans of relations and WITH queries in the plan: a relation joined with itself counts twice. */
static uint32_t
scans(const lg_node *x)
{
    if (!x)
        return 0;
    uint32_t n = x->kind == LG_NODE_SEQ_SCAN || x->kind == LG_NODE_INDEX_SCAN ||
                 x->kind == LG_NODE_TID_SCAN || x->kind == LG_NODE_CTE_SCAN ||
                 x->kind == LG_NODE_WORKTABLE_SCAN;
    for (uint32_t i = 0; x->kind == LG_NODE_APPEND && i < x->append.n; i++)
        n += scans(x->append.children[i]);
    return n + scans(x->left) + scans(x->right);
}

static uint32_t
relations_of(const lg_plan *p)
{
    uint32_t n = scans(p->root);
    for (uint32_t i = 0; i < p->nsubplans; i++)
        n += scans(p->subplans[i].root);
    for (uint32_t i = 0; i < p->nctes; i++) { /* a WITH query counts, whatever it reads */
        uint32_t inside = scans(p->ctes[i].root);
        n += inside ? inside : 1;
    }
    return n > p->nrelations ? n : p->nrelations;
}

static namer
namer_of(const lg_plan_words *w, const lg_node *n)
{
    return (namer){.plan = w->plan,
                   .node = n,
                   .a = w->arena,
                   .env = w->env,
                   .relations = w->verbose ? 2 : relations_of(w->plan)};
}

static bool
is_scan(const lg_node *n)
{
    switch ((lg_node_kind)n->kind) {
    case LG_NODE_SEQ_SCAN:
    case LG_NODE_INDEX_SCAN:
    case LG_NODE_TID_SCAN:
    case LG_NODE_FUNCTION_SCAN:
    case LG_NODE_CTE_SCAN:
    case LG_NODE_WORKTABLE_SCAN:
        return true;
    default:
        return false;
    }
}

uint32_t
lg_plan_words_lines(const lg_plan_words *w, const lg_node *n, lg_plan_line **ret_lines)
{
    lines l = {.a = w->arena};
    namer nm = namer_of(w, n);
    if (is_scan(n) && !w->verbose)
        nm.relations = 1; /* its conditions are about its own columns */
    switch ((lg_node_kind)n->kind) {
    case LG_NODE_INDEX_SCAN:
    case LG_NODE_TID_SCAN:
        index_cond(&l, &nm, n);
        break;
    case LG_NODE_NESTED_LOOP:
    case LG_NODE_HASH_JOIN:
    case LG_NODE_MERGE_JOIN:
        join_lines(&l, &nm, n);
        break;
    case LG_NODE_SORT:
        sort_lines(&l, &nm, n);
        break;
    case LG_NODE_AGG:
        group_lines(&l, &nm, n);
        break;
    case LG_NODE_MODIFY:
        conflict_lines(&l, n);
        break;
    default:
        break;
    }
    if (n->quals)
        add_expr(&l, &nm,
                 n->kind == LG_NODE_RESULT && !lg_expr_has_kind(n->quals, LG_EX_SLOT)
                     ? "One-Time Filter"
                     : "Filter",
                 n->quals);
    *ret_lines = l.at;
    return l.n;
}

const char *
lg_plan_words_title(const lg_plan_words *w, const lg_node *n)
{
    return title(n, w->arena, w->verbose);
}

uint32_t
lg_plan_words_output(const lg_plan_words *w, const lg_node *n, const char ***ret)
{
    namer nm = namer_of(w, n);
    const char **t = *ret = LG_NEWN(w->arena, const char *, n->ncols + 1);
    nm.relations = relations_of(w->plan); /* as PostgreSQL: lists, unlike conditions */
    for (uint32_t i = 0; i < n->ncols; i++)
        t[i] = n->targets ? expr_text(&nm, n->targets[i]) : input_name(&nm, (int32_t)i);
    return n->ncols;
}

uint32_t
lg_plan_words_set(const lg_plan_words *w, const lg_node *n, uint32_t set, const char ***ret)
{
    namer nm = namer_of(w, n);
    uint32_t len = n->agg.set_len[set];
    const char **t = *ret = LG_NEWN(w->arena, const char *, len + 1);
    for (uint32_t i = 0; i < len; i++)
        t[i] = computed_name(&nm, n->left, n->agg.group[n->agg.sets[set][i]].slot);
    return len;
}

const char *
lg_plan_words_call(const lg_plan_words *w, const lg_node *n)
{
    namer nm = namer_of(w, n);
    const char **t = LG_NEWN(w->arena, const char *, n->func.nfuncs + 1);
    for (uint32_t i = 0; i < n->func.nfuncs; i++)
        t[i] = expr_text(&nm, n->func.funcs[i]);
    return join_texts(w->arena, t, n->func.nfuncs, ", ", false);
}

const char *
lg_plan_node_title(const lg_node *n, lg_arena *a)
{
    return title(n, a, false);
}

uint32_t
lg_plan_node_lines(const lg_plan *p, const lg_node *n, lg_env *env, lg_arena *a,
                   lg_plan_line **ret_lines)
{
    lg_plan_words w = {.plan = p, .env = env, .arena = a};
    return lg_plan_words_lines(&w, n, ret_lines);
}
