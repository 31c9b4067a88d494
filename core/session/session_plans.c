/* Plans as rows, and the statements that run or were long. */
#include "session_plans.h"
#include "exec_stats.h"
#include "hash.h"
#include "session_internal.h"
#include <stdio.h>
#include <string.h>

#define TEXT_SHOWN 1000u

/* ---- the rows of a plan ---- */

struct walk {
    lg_plan_words words;
    const lg_exec *x;
    lg_arena *a;
    lg_plan_row *rows;
    uint32_t n, cap;
};

static const char *
options_of(const lg_node *n)
{
    static const char *const joins[] = {"INNER", "OUTER", "RIGHT OUTER", "FULL OUTER",
                                        "SEMI",  "ANTI",  "RIGHT SEMI",  "RIGHT ANTI"};
    switch ((lg_node_kind)n->kind) {
    case LG_NODE_SEQ_SCAN:
        return "FULL";
    case LG_NODE_INDEX_SCAN:
        return n->scan.unique     ? "UNIQUE SCAN"
               : n->scan.nconds   ? n->scan.backward ? "RANGE SCAN DESCENDING" : "RANGE SCAN"
               : n->scan.backward ? "FULL SCAN DESCENDING"
                                  : "FULL SCAN";
    case LG_NODE_TID_SCAN:
        return "BY ROW ID";
    case LG_NODE_NESTED_LOOP:
    case LG_NODE_HASH_JOIN:
    case LG_NODE_MERGE_JOIN:
        return joins[n->join.type];
    case LG_NODE_SORT:
        return n->sort.top_n ? "TOP-N" : n->sort.presorted ? "INCREMENTAL" : NULL;
    case LG_NODE_AGG:
        return n->agg.nsets    ? "GROUPING SETS"
               : n->agg.hashed ? "HASH"
               : n->agg.ngroup ? "SORT"
                               : "AGGREGATE";
    default:
        return NULL;
    }
}

static void
object_of(const lg_node *n, lg_plan_row *r)
{
    const lg_relation *rel = NULL;
    switch ((lg_node_kind)n->kind) {
    case LG_NODE_INDEX_SCAN:
        r->owner = n->scan.rel->schema;
        r->object = n->scan.index->name;
        r->alias = n->scan.alias;
        r->type = "INDEX";
        return;
    case LG_NODE_SEQ_SCAN:
    case LG_NODE_TID_SCAN:
        rel = n->scan.rel;
        r->alias = n->scan.alias;
        break;
    case LG_NODE_MODIFY:
        rel = n->modify.target.rel;
        break;
    case LG_NODE_FUNCTION_SCAN:
        r->alias = n->func.alias;
        r->type = "FUNCTION";
        return;
    case LG_NODE_CTE_SCAN:
    case LG_NODE_WORKTABLE_SCAN:
        r->object = n->cte.name;
        r->alias = n->cte.alias;
        r->type = "CTE";
        return;
    case LG_NODE_SUBQUERY_SCAN:
        r->alias = n->subquery.alias;
        return;
    default:
        return;
    }
    if (!rel)
        return;
    r->owner = rel->schema;
    r->object = rel->name;
    r->type = "TABLE";
}

static void
add_text(lg_arena *a, const char **to, const char *label, const char *text)
{
    const char *one = label ? lg_arena_printf(a, "%s: %s", label, text) : text;
    *to = *to ? lg_arena_printf(a, "%s; %s", *to, one) : one;
}

static void
predicates_of(struct walk *w, const lg_node *n, lg_plan_row *r)
{
    lg_plan_line *lines;
    uint32_t count = lg_plan_words_lines(&w->words, n, &lines);
    for (uint32_t i = 0; i < count; i++) {
        const char *label = lines[i].label, *text = lines[i].text;
        if (!strcmp(label, "Filter") || !strcmp(label, "One-Time Filter") ||
            !strcmp(label, "Join Filter"))
            add_text(w->a, &r->filter, NULL, text);
        else if (strlen(label) > 5 && !strcmp(label + strlen(label) - 5, " Cond"))
            add_text(w->a, &r->access, NULL, text);
        else
            add_text(w->a, &r->other, label, text);
    }
}

static int32_t
add_node(struct walk *w, const lg_node *n, int32_t parent, int32_t depth, const char *title)
{
    if (w->n == w->cap) {
        uint32_t cap = w->cap ? 2 * w->cap : 16;
        lg_plan_row *more = LG_NEWN(w->a, lg_plan_row, cap);
        if (w->n)
            memcpy(more, w->rows, w->n * sizeof *more);
        w->rows = more;
        w->cap = cap;
    }
    lg_plan_row *r = &w->rows[w->n];
    *r = (lg_plan_row){.id = (int32_t)w->n, .parent = parent, .depth = depth, .title = title};
    w->n++;
    if (!n) {
        r->operation = title;
        return r->id;
    }
    r->node = n->id;
    r->title = lg_plan_words_title(&w->words, n);
    size_t len = strlen(r->title);
    static const char *const ends[] = {" using ", " on ", " Backward"};
    for (size_t i = 0; i < 3; i++) {
        const char *at = strstr(r->title, ends[i]);
        if (at && (size_t)(at - r->title) < len)
            len = (size_t)(at - r->title);
    }
    r->operation = lg_arena_strndup(w->a, r->title, len);
    r->options = options_of(n);
    r->cost = n->cost;
    r->startup_cost = n->startup_cost;
    r->rows = n->rows;
    r->width = n->width;
    object_of(n, r);
    predicates_of(w, n, r);
    lg_exec_node_stats s;
    if (w->x && lg_exec_node_counts(w->x, n->id, &s)) {
        r->starts = s.loops;
        r->output = s.rows;
        r->filtered = s.filtered;
    }
    return r->id;
}

static void
walk_node(struct walk *w, const lg_node *n, int32_t parent, int32_t depth)
{
    if (!n)
        return;
    int32_t id = add_node(w, n, parent, depth, NULL);
    for (uint32_t i = 0; n->kind == LG_NODE_APPEND && i < n->append.n; i++)
        walk_node(w, n->append.children[i], id, depth + 1);
    walk_node(w, n->left, id, depth + 1);
    walk_node(w, n->right, id, depth + 1);
}

uint32_t
lg_session__plan_rows(lg_session_server *srv, const lg_plan *plan, const lg_exec *x, lg_arena *a,
                      lg_plan_row **ret_rows, uint64_t *ret_hash)
{
    lg_env env;
    lg_env_init(&env);
    env.tzs = srv->cfg.sql.tzs; /* no session, no functions that need one: nothing here may block */
    env.tz = lg_tz_get(env.tzs, "GMT");
    struct walk w = {.words = {.plan = plan, .env = &env, .arena = a}, .x = x, .a = a};
    walk_node(&w, plan->root, -1, 0);
    for (uint32_t i = 0; i < plan->nctes; i++)
        walk_node(&w, plan->ctes[i].root,
                  add_node(&w, NULL, 0, 1, lg_arena_printf(a, "CTE %s", plan->ctes[i].name)), 2);
    for (uint32_t i = 0; i < plan->nsubplans; i++)
        walk_node(&w, plan->subplans[i].root,
                  add_node(&w, NULL, 0, 1, lg_arena_printf(a, "SubPlan %u", i + 1)), 2);
    uint64_t hash = 0;
    for (uint32_t i = 0; i < w.n; i++)
        hash = lg_hash_bytes(w.rows[i].title, strlen(w.rows[i].title),
                             hash * 31 + (uint64_t)w.rows[i].depth);
    *ret_hash = hash >> 1; /* not negative as a bigint */
    *ret_rows = w.rows;
    return w.n;
}

/* ---- which plans ---- */

uint32_t
lg_session__plan_kept(lg_session_server *srv, const lg_plan *plan, const lg_exec *x, lg_arena *a,
                      lg_plan_row **ret_rows, uint64_t *ret_hash)
{
    uint32_t n = lg_session__plan_rows(srv, plan, x, a, ret_rows, ret_hash);
    for (uint32_t i = 0; i < n; i++) {
        lg_plan_row *r = &(*ret_rows)[i];
        const char **texts[] = {&r->owner,  &r->object, &r->alias, &r->title,
                                &r->access, &r->filter, &r->other};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            if (*texts[k])
                *texts[k] = lg_arena_strdup(a, *texts[k]);
    }
    return n;
}

void
lg_session_plans(lg_session_server *srv, void (*fn)(void *arg, const lg_plan_of *p), void *arg)
{
    for (const lg_sqlstat *e = NULL; (e = lg_sqlstats_next(srv->sqlstats, e));) {
        lg_plan_of of = {.query_id = e->id, .user = e->user};
        if (!e->plan)
            continue;
        of.rows = e->plan->rows;
        of.nrows = e->plan->nrows;
        of.hash = e->plan->hash;
        fn(arg, &of);
    }
}

/* ---- what runs, and what was long ---- */

struct lg_session_monitor {
    lg_monitored m;
    lg_arena *arena;
};

static void
waits_of(const lg_session *s, const lg_session_meter *meter, lg_monitored *m)
{
    lg_sqlstat sum = {0};
    lg_session__meter_waits(s, meter, &sum);
    m->cluster_ns = sum.cluster_ns;
    m->io_ns = sum.io_ns;
    m->lock_ns = sum.lock_ns;
    m->commit_ns = sum.commit_ns;
    m->other_ns = sum.other_ns;
}

static void
fill(lg_session *s, const lg_portal *p, const lg_session_meter *meter, lg_monitored *m)
{
    lg_run *run = s->server->cfg.run;
    lg_time now = lg_run_now_exact_ns(run);
    const uint64_t *count = s->stats.count + LG_STAT_OWNED_FIRST;
    *m = (lg_monitored){.key = meter->serial,
                        .pid = s->pid,
                        .user = s->role_oid,
                        .query_id = s->query_id,
                        .text = meter->stat->text,
                        .running = true,
                        .seen_us = lg_run_wall_us(run),
                        .elapsed_ns = now > meter->start ? now - meter->start : 0,
                        .rows = p && p->exec ? lg_exec_rows(p->exec) : 0,
                        .temp_read = s->temp_owner.pages_read - meter->temp_read,
                        .temp_written = s->temp_owner.pages_written - meter->temp_written};
    m->start_us = m->seen_us - m->elapsed_ns / 1000;
    snprintf(m->username, sizeof m->username, "%s", s->user);
    for (unsigned i = 0; i < LG_STAT_OWNED; i++)
        m->count[i] = count[i] - meter->count[i];
    waits_of(s, meter, m);
}

static void
fill_lines(lg_session_server *srv, const lg_portal *p, lg_arena *a, lg_monitored *m)
{
    lg_plan_row *rows;
    if (!p || !p->planned || !p->planned->plan)
        return;
    m->nlines = lg_session__plan_kept(srv, p->planned->plan, p->exec, a, &rows, &m->plan_hash);
    m->lines = rows;
}

void
lg_session__monitor_keep(lg_session *s, const lg_portal *p, const lg_session_meter *meter,
                         lg_status st, uint64_t rows)
{
    lg_session_server *srv = s->server;
    struct lg_session_monitor **at = &srv->monitored[srv->monitored_count++ % LG_MONITOR_KEPT];
    if (!*at)
        *at = lg_zalloc(sizeof **at);
    lg_arena_destroy((*at)->arena);
    lg_arena *a = (*at)->arena = lg_arena_create("monitored", 2048);
    lg_monitored *m = &(*at)->m;
    fill(s, p, meter, m);
    m->running = false;
    if (!p)
        m->rows = rows;
    m->text = lg_arena_strndup(a, m->text, strnlen(m->text, TEXT_SHOWN));
    fill_lines(srv, p, a, m);
    if (st != LG_OK && st != LG_END) {
        lg_error e = s->err;
        lg_error_from_status(&e, st);
        snprintf(m->sqlstate, sizeof m->sqlstate, "%s", e.sqlstate);
    }
}

void
lg_session__monitor_fini(lg_session_server *srv)
{
    for (uint32_t i = 0; i < LG_MONITOR_KEPT; i++)
        if (srv->monitored[i]) {
            lg_arena_destroy(srv->monitored[i]->arena);
            lg_free(srv->monitored[i]);
        }
}

void
lg_session_monitored(lg_session_server *srv, bool lines, lg_arena *a,
                     void (*fn)(void *arg, const lg_monitored *m), void *arg)
{
    LG_LIST_FOREACH (it, &srv->sessions) {
        lg_session *s = LG_CONTAINER_OF(it, lg_session, link);
        lg_monitored m;
        if (!s->meter || !s->meter->stat || !s->fiber)
            continue;
        fill(s, s->running, s->meter, &m);
        if (lines || s->running)
            fill_lines(srv, s->running, a, &m);
        fn(arg, &m);
    }
    for (uint64_t i = 0; i < LG_MONITOR_KEPT && i < srv->monitored_count; i++)
        fn(arg, &srv->monitored[(srv->monitored_count - 1 - i) % LG_MONITOR_KEPT]->m);
}
