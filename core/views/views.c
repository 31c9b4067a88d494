/* Registration of views and the rows of gv$ and v$ relations. */
#include "views_internal.h"

#include "msg.h"
#include <stdio.h>
#include <string.h>

lg_datum
lg_view_text(lg_view_sink *sink, const char *text)
{
    return lg_datum_cstring_text(sink->arena, text ? text : "");
}

lg_datum
lg_view_time(uint64_t wall_us)
{
    return lg_datum_int8((int64_t)wall_us - LG_TS_UNIX_EPOCH_US);
}

/* A sink that passes rows on to the executor, with or without inst_id. */
struct emitter {
    lg_view_sink sink;
    lg_virtual_ctx *ctx;
    const struct lg_views__def *def;
    bool global;
    uint32_t node;
};

static void
emit(struct emitter *e, const lg_datum *values, const uint8_t *nulls)
{
    lg_datum v[LG_VIEWS_MAX_COLUMNS + 1];
    uint8_t n[LG_VIEWS_MAX_COLUMNS + 1];
    uint32_t at = 0;
    if (e->global) {
        v[0] = lg_datum_int4((int32_t)e->node);
        n[0] = 0;
        at = 1;
    }
    memcpy(v + at, values, e->def->ncolumns * sizeof *v);
    if (nulls)
        memcpy(n + at, nulls, e->def->ncolumns);
    else
        memset(n + at, 0, e->def->ncolumns);
    e->ctx->emit(e->ctx, v, n);
}

static void
emit_local(lg_view_sink *sink, const lg_datum *values, const uint8_t *nulls)
{
    emit(LG_CONTAINER_OF(sink, struct emitter, sink), values, nulls);
}

static void
emit_remote(void *arg, const lg_datum *values, const uint8_t *nulls)
{
    emit(arg, values, nulls);
}

static lg_status
rows_of(const struct lg_views__def *def, lg_virtual_ctx *ctx, bool global)
{
    lg_views *w = def->views;
    struct emitter e = {.sink = {emit_local, ctx->arena},
                        .ctx = ctx,
                        .def = def,
                        .global = global,
                        .node = w->cfg.node};
    uint64_t members = global && w->cfg.reconf ? lg_reconf_members(w->cfg.reconf) : 0;
    members |= 1ull << w->cfg.node;
    for (uint32_t node = 1; node < LG_NODES_MAX; node++) {
        if (!lg_node_in(members, node))
            continue;
        e.node = node;
        if (node == w->cfg.node)
            def->rows(def->arg, &e.sink);
        else
            LG_TRY(lg_views__fetch(w, def, node, ctx->arena, emit_remote, &e));
    }
    return LG_OK;
}

static lg_status
global_rows(void *arg, lg_virtual_ctx *ctx)
{
    return rows_of(arg, ctx, true);
}

static lg_status
local_rows(void *arg, lg_virtual_ctx *ctx)
{
    return rows_of(arg, ctx, false);
}

lg_status
lg_views_add(lg_views *w, const char *name, const lg_virtual_column *columns, uint16_t ncolumns,
             lg_view_rows_fn rows, void *arg)
{
    char full[64];
    if (w->count == LG_VIEWS_MAX || ncolumns > LG_VIEWS_MAX_COLUMNS)
        return LG_LIMIT;
    struct lg_views__def *d = lg_zalloc(sizeof *d);
    d->views = w;
    d->name = name;
    d->index = w->count;
    d->ncolumns = ncolumns;
    d->rows = rows;
    d->arg = arg;
    d->columns[0] = (lg_virtual_column){"inst_id", LG_T_INT4};
    for (uint16_t i = 0; i < ncolumns; i++) {
        d->columns[i + 1] = columns[i];
        lg_rowcol_init(&d->rowcols[i], columns[i].type);
    }
    w->defs[w->count++] = d;
    snprintf(full, sizeof full, "gv$%s", name);
    d->global = (lg_virtual_rel){.name = lg_strdup(full),
                                 .columns = d->columns,
                                 .ncolumns = (uint16_t)(ncolumns + 1),
                                 .rows = global_rows,
                                 .arg = d};
    snprintf(full, sizeof full, "v$%s", name);
    d->local = (lg_virtual_rel){.name = lg_strdup(full),
                                .columns = d->columns + 1,
                                .ncolumns = ncolumns,
                                .rows = local_rows,
                                .arg = d};
    LG_TRY(lg_catalog_virtual_register(w->cfg.catalog, &d->global));
    return lg_catalog_virtual_register(w->cfg.catalog, &d->local);
}

lg_status
lg_views_create(const lg_views_config *cfg, lg_views **ret_views)
{
    lg_views *w = lg_zalloc(sizeof *w);
    w->cfg = *cfg;
    w->scratch = lg_arena_create("views", 0);
    w->ash = lg_zalloc(LG_ASH_SAMPLES * sizeof *w->ash);
    lg_timer_init(&w->ash_timer, cfg->run, lg_views__ash_sample, w);
    lg_timer_start(&w->ash_timer, lg_run_now_ns(cfg->run) + LG_SEC);
    lg_status st = lg_views__register_local(w);
    if (st == LG_OK)
        st = lg_views__register_longops(w);
    if (st == LG_OK)
        st = lg_views__register_gc(w);
    if (st == LG_OK)
        st = lg_views__register_sql(w);
    if (st == LG_OK)
        st = lg_views__register_plan(w);
    if (st == LG_OK)
        st = lg_views__register_lock(w);
    if (st == LG_OK)
        st = lg_views__register_more(w);
    if (st != LG_OK) {
        lg_views_destroy(w);
        return st;
    }
    if (cfg->rpc)
        lg_views__serve(w);
    *ret_views = w;
    return LG_OK;
}

void
lg_views_destroy(lg_views *w)
{
    if (!w)
        return;
    if (w->cfg.rpc) /* peers may still ask */
        lg_rpc_handle(w->cfg.rpc, LG_MSG_GV_QUERY, NULL, NULL);
    for (uint16_t i = 0; i < w->count; i++) {
        lg_free((void *)(uintptr_t)w->defs[i]->global.name);
        lg_free((void *)(uintptr_t)w->defs[i]->local.name);
        lg_free(w->defs[i]);
    }
    lg_timer_stop(&w->ash_timer);
    lg_free(w->ash);
    lg_arena_destroy(w->scratch);
    lg_free(w);
}

void
lg_views_set_sessions(lg_views *w, lg_session_server *sessions)
{
    w->cfg.sessions = sessions;
}
