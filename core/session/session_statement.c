/* Statements: from text to a plan, and prepared statements. A plan is made when it is first needed
 * and made anew when what it depends on changed (the catalog's generation, or exec says LG_RETRY).
 */
#include "session_internal.h"
#include <string.h>

lg_session_plan *
lg_session__plan_ref(lg_session_plan *p)
{
    p->refs++;
    return p;
}

void
lg_session__plan_unref(lg_session_plan *p)
{
    if (!p || --p->refs)
        return;
    if (p->plan)
        lg_plan_fini(p->plan);
    else
        lg_bind_fini(&p->bind);
    lg_cat_deps_fini(&p->deps);
    lg_arena_destroy(p->arena);
    lg_free(p);
}

void
lg_session__plan_settings(void *arg, lg_plan_settings *ps)
{
    const lg_session *s = arg;
    ps->seqscan = lg_settings_bool(s->settings, LG_SETTING_enable_seqscan);
    ps->indexscan = lg_settings_bool(s->settings, LG_SETTING_enable_indexscan);
    ps->indexonlyscan = lg_settings_bool(s->settings, LG_SETTING_enable_indexonlyscan);
    ps->nestloop = lg_settings_bool(s->settings, LG_SETTING_enable_nestloop);
    ps->hashjoin = lg_settings_bool(s->settings, LG_SETTING_enable_hashjoin);
    ps->mergejoin = lg_settings_bool(s->settings, LG_SETTING_enable_mergejoin);
    ps->hashagg = lg_settings_bool(s->settings, LG_SETTING_enable_hashagg);
    ps->sort = lg_settings_bool(s->settings, LG_SETTING_enable_sort);
}

/* snapshot: as lg_plan_settings.snapshot. */
static lg_status
make_plan(lg_session *s, lg_prepared *p, lg_scn snapshot, lg_session_plan *sp)
{
    lg_plan_settings ps;
    lg_query *q;
    lg_time start = lg_session__meter_plan_start(s);
    sp->env = p->env;
    sp->own_generation = lg_cat_own_generation(s->cat);
    LG_TRY(lg_cat_refresh(s->cat));
    lg_cat_deps_begin(s->cat, &sp->deps);
    lg_bind_init(&sp->bind, s->cat, s->server->cfg.run, sp->arena, &s->env, &s->err, p->text);
    sp->bind.infer_params = true;
    sp->bind.nparams = p->nparams;
    sp->bind.params = lg_arena_dup(sp->arena, p->params, p->nparams * sizeof(lg_oid));
    lg_status st = lg_bind_query(&sp->bind, p->stmt, &q);
    lg_plan_settings_init(&ps);
    lg_session__plan_settings(s, &ps);
    ps.snapshot = snapshot;
    if (st == LG_OK && p->cursor) {
        sp->marked = q->nmarks != 0;
        lg_bind_cursor_rows(&sp->bind, q, &sp->hidden, &sp->nhidden);
    }
    if (st == LG_OK)
        st = lg_plan_query(&sp->bind, q, &ps, &sp->plan);
    if (st == LG_OK)
        sp->plan->ncols -= sp->nhidden;
    lg_cat_deps_end(s->cat);
    if (st == LG_OK)
        lg_session__meter_plan_stop(s, p, start);
    return st;
}

/* After lg_cat_refresh. */
static bool
plan_is_good(lg_session *s, lg_session_plan *sp)
{
    if (!sp || !lg_cat_deps_good(s->cat, &sp->deps))
        return false;
    if (sp->env)
        return sp->env == lg_session__plan_env(s);
    return sp->own_generation == lg_cat_own_generation(s->cat);
}

static bool
same_columns(const lg_plan *a, const lg_plan *b)
{
    if (a->ncols != b->ncols)
        return false;
    for (uint32_t i = 0; i < a->ncols; i++)
        if (a->cols[i].type != b->cols[i].type || a->cols[i].typmod != b->cols[i].typmod ||
            strcmp(a->cols[i].name ? a->cols[i].name : "", b->cols[i].name ? b->cols[i].name : ""))
            return false;
    return true;
}

/* Takes the reference. What a client has prepared keeps its result's columns. */
static lg_status
set_plan(lg_session *s, lg_prepared *p, lg_session_plan *sp)
{
    if (p->planned && !p->env && !same_columns(p->planned->plan, sp->plan)) {
        lg_session__plan_unref(sp);
        return lg_error_set(&s->err, "0A000", "cached plan must not change result type");
    }
    lg_session__plan_unref(p->planned);
    p->planned = sp;
    return LG_OK;
}

static lg_status
new_plan(lg_session *s, lg_prepared *p, lg_scn snapshot, lg_session_plan **ret)
{
    lg_session_plan *sp = lg_zalloc(sizeof *sp);
    sp->arena = lg_arena_create("plan", 4096);
    sp->refs = 1;
    lg_status st = make_plan(s, p, snapshot, sp);
    if (st != LG_OK) {
        lg_session__plan_unref(sp);
        return st;
    }
    *ret = sp;
    return LG_OK;
}

lg_status
lg_session__plan(lg_session *s, lg_prepared *p)
{
    if (!p->stmt || !lg_bind_is_query(p->stmt))
        return LG_OK;
    LG_TRY(lg_cat_refresh(s->cat));
    if (plan_is_good(s, p->planned))
        return LG_OK;
    uint32_t env = lg_session__plan_env(s);
    if (p->base && p->base->env && p->base->env == env) {
        LG_TRY(lg_session__plan(s, p->base));
        LG_TRY(set_plan(s, p, lg_session__plan_ref(p->base->planned)));
        p->nparams = p->base->nparams;
        p->params = p->base->params;
        return LG_OK;
    }
    LG_ASSERT(!p->env || p->env == env); /* else it would not have been found */
    lg_session_plan *sp;
    LG_TRY(new_plan(s, p, 0, &sp));
    /* Inferred once; a plan made later must find the same types. */
    if (!p->planned) {
        if (!p->arena)
            p->arena = lg_arena_create("prepared", 256);
        p->nparams = sp->plan->nparams;
        p->params = lg_arena_dup(p->arena, sp->plan->params, p->nparams * sizeof(lg_oid));
    }
    lg_stat_inc(lg_run_stats(s->server->cfg.run), LG_STAT_PARSE_COUNT_HARD);
    return set_plan(s, p, sp);
}

/* For one execution. The plan that others share may use indexes that are newer than the snapshot: then
 * this execution has one of its own. */
lg_status
lg_session__plan_for(lg_session *s, lg_prepared *p, lg_scn snapshot, lg_session_plan **ret)
{
    LG_TRY(lg_session__plan(s, p));
    if (p->planned->plan->since > snapshot)
        return new_plan(s, p, snapshot, ret);
    *ret = lg_session__plan_ref(p->planned);
    return LG_OK;
}

/* A statement of the simple protocol has none: the error of the first that it names. */
lg_status
lg_session__refuse_params(lg_session *s, lg_prepared *p)
{
    lg_query *q;
    lg_bind b;
    lg_bind_init(&b, s->cat, s->server->cfg.run, s->statement, &s->env, &s->err, p->text);
    lg_status st = lg_bind_query(&b, p->stmt, &q);
    lg_bind_fini(&b);
    return st != LG_OK ? st : lg_error_set(&s->err, "42P02", "there is no parameter $1");
}

/* Takes the arena over, in which text, stmt and params may live already. */
lg_status
lg_session__prepare(lg_session *s, const char *name, const char *text, const lg_ast *stmt,
                    lg_arena *arena, uint32_t nparams, const lg_oid *params, lg_prepared **ret_p)
{
    lg_prepared *p = lg_zalloc(sizeof *p);
    p->arena = arena;
    p->name = lg_arena_strdup(arena, name);
    p->text = text;
    p->stmt = stmt;
    p->nparams = nparams;
    p->params = lg_arena_dup(arena, params, nparams * sizeof(lg_oid));
    p->prepared_at_us = lg_run_wall_us(s->server->cfg.run);
    p->refs = 1;
    lg_stat_inc(lg_run_stats(s->server->cfg.run), LG_STAT_PARSE_COUNT_TOTAL);
    *ret_p = p;
    return LG_OK;
}

void
lg_session__prepared_unref(lg_prepared *p)
{
    if (!p || --p->refs)
        return;
    lg_session__plan_unref(p->planned);
    lg_session__stat_unref(p->stat);
    lg_session__prepared_unref(p->base);
    lg_arena_destroy(p->arena);
    lg_free(p);
}

lg_prepared *
lg_session__prepared_wrap(lg_session *s, const char *name, lg_prepared *base)
{
    size_t len = strlen(name) + 1;
    lg_prepared *p = lg_zalloc(sizeof *p + len);
    p->name = memcpy(p + 1, name, len);
    p->base = base;
    base->refs++;
    p->text = base->text;
    p->stmt = base->stmt;
    p->nparams = base->nparams;
    p->params = base->params;
    p->prepared_at_us = lg_run_wall_us(s->server->cfg.run);
    p->refs = 1;
    return p;
}

lg_prepared *
lg_session__prepared_find(lg_session *s, const char *name)
{
    return lg_strmap_get(s->prepared, name, strlen(name));
}

void
lg_session__prepared_store(lg_session *s, lg_prepared *p)
{
    lg_session__prepared_unref(lg_strmap_put(s->prepared, p->name, strlen(p->name), p));
}

void
lg_session__prepared_drop(lg_session *s, const char *name)
{
    lg_session__prepared_unref(lg_strmap_remove(s->prepared, name, strlen(name)));
}

void
lg_session__prepared_drop_all(lg_session *s)
{
    for (;;) {
        size_t pos = 0, len;
        const char *name;
        void *p;
        if (!lg_strmap_next(s->prepared, &pos, &name, &len, &p))
            return;
        lg_strmap_remove(s->prepared, name, len);
        lg_session__prepared_unref(p);
    }
}

lg_status
lg_session__columns(lg_session *s, lg_prepared *p, lg_arena *a, const lg_outcol **ret_cols,
                    uint32_t *ret_n)
{
    *ret_n = 0;
    *ret_cols = NULL;
    if (!p->stmt)
        return LG_OK;
    if (lg_bind_is_query(p->stmt)) {
        LG_TRY(lg_session__plan(s, p));
        *ret_cols = p->planned->plan->cols;
        *ret_n = p->planned->plan->ncols;
        return LG_OK;
    }
    *ret_n = lg_session__utility_columns(s, p->stmt, a, ret_cols);
    if (!*ret_n) {
        lg_outcol *cols;
        *ret_n = lg_ddl_utility_columns(p->stmt, a, &cols);
        *ret_cols = cols;
    }
    return LG_OK;
}
