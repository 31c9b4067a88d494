/* Window functions: OVER, the WINDOW clause and frames; PostgreSQL's parse_clause.c and
 * parse_agg.c.
 *
 * A level collects the syntax of its windows while its expressions are bound (windefs: the WINDOW
 * clause first, then every OVER (...) in the order met); a call remembers its window's position.
 * lg_bind__windows makes q->windows of them, position by position, once all targets are known:
 * PARTITION BY and ORDER BY items are targets, as those of the query's own ORDER BY. */
#include "bind_internal.h"
#include <string.h>

static void
push_def(lg_level *l, const lg_ast_window_def *d)
{
    if (l->nwindefs == l->windefs_cap) {
        l->windefs_cap = l->windefs_cap ? 2 * l->windefs_cap : 4;
        const lg_ast_window_def **x =
            LG_NEWN(l->b->arena, const lg_ast_window_def *, l->windefs_cap);
        if (l->nwindefs)
            memcpy(x, l->windefs, l->nwindefs * sizeof *x);
        l->windefs = x;
    }
    l->windefs[l->nwindefs++] = d;
}

lg_status
lg_bind__window_clause(lg_level *l, const lg_ast_list *clause)
{
    for (uint32_t i = 0; i < clause->n; i++)
        push_def(l, lg_ast_as(clause->at[i], window_def));
    return LG_OK;
}

/* ---- calls ---- */

static bool
find_window(const lg_expr *e, void *arg)
{
    if (e->kind == LG_EX_WINDOW) {
        *(int32_t *)arg = e->loc;
        return true;
    }
    return lg_expr_walk(e, find_window, arg);
}

int32_t
lg_bind__window_loc(const lg_expr *e)
{
    int32_t loc = -1;
    if (e)
        find_window(e, &loc);
    return loc;
}

static lg_status
check_place(lg_level *l, int32_t loc)
{
    const char *where = lg_bind__clause_name(l->clause);
    switch (l->clause) {
    case LG_CL_NONE:
    case LG_CL_TARGET:
    case LG_CL_ORDER_BY:
    case LG_CL_DISTINCT_ON:
        return LG_OK;
    case LG_CL_JOIN_ON:
    case LG_CL_JOIN_USING:
        where = "JOIN conditions";
        break;
    case LG_CL_FROM_FUNCTION:
        where = "functions in FROM";
        break;
    case LG_CL_WINDOW_PARTITION:
    case LG_CL_WINDOW_ORDER:
    case LG_CL_FRAME_RANGE:
    case LG_CL_FRAME_ROWS:
    case LG_CL_FRAME_GROUPS:
        where = "window definitions";
        break;
    default:
        break;
    }
    return lg_bind__error(l->b, loc, "42P20", "window functions are not allowed in %s", where);
}

static lg_status
check_form(lg_level *l, const lg_call_site *s, const lg_func *f, uint32_t n, lg_expr **args)
{
    lg_bind *b = l->b;
    if (f->kind == 'a' && !s->nargs && !s->star)
        return lg_bind__error(b, s->loc, "42809",
                              "%s(*) must be used to call a parameterless aggregate function",
                              s->name);
    if (s->within_group && f->kind == 'w')
        return lg_bind__error(b, s->loc, "42809", "window function %s cannot have WITHIN GROUP",
                              s->name);
    if (s->distinct)
        return lg_bind__error(b, s->loc, "0A000",
                              "DISTINCT is not implemented for window functions");
    if (s->star && f->kind == 'w')
        return lg_bind__error(b, s->loc, "42809",
                              "%s(*) specified, but %s is not an aggregate function", s->name,
                              s->name);
    if (s->ast->agg_order.n)
        return lg_bind__error(b, s->loc, "0A000",
                              "aggregate ORDER BY is not implemented for window functions");
    if (s->ast->agg_filter && f->kind == 'w')
        return lg_bind__error(b, s->loc, "0A000",
                              "FILTER is not implemented for non-aggregate window functions");
    for (uint32_t i = 0; i < n; i++) {
        if (lg_expr_returns_set(args[i])) {
            lg_bind__error(b, lg_bind__expr_loc(args[i]), "0A000",
                           "window function calls cannot contain set-returning function calls");
            lg_error_hint(b->err, "You might be able to move the set-returning function into a "
                                  "LATERAL FROM item.");
            return LG_SQL;
        }
        if (lg_expr_has_kind(args[i], LG_EX_WINDOW))
            return lg_bind__error(b, lg_bind__window_loc(args[i]), "42P20",
                                  "window function calls cannot be nested");
    }
    return LG_OK;
}

/* OVER name, or a window of the call's own. */
static lg_status
window_of(lg_level *l, const lg_ast_window_def *d, uint32_t *ret)
{
    for (uint32_t i = 0; d->name && i < l->nwindefs; i++)
        if (l->windefs[i]->name && !strcmp(l->windefs[i]->name, d->name)) {
            *ret = i;
            return LG_OK;
        }
    if (d->name)
        return lg_bind__error(l->b, d->h.loc, "42704", "window \"%s\" does not exist", d->name);
    *ret = l->nwindefs;
    push_def(l, d);
    return LG_OK;
}

lg_status
lg_bind__window_call(lg_level *l, const lg_call_site *s, const lg_func *f, lg_oid type, uint32_t n,
                     lg_expr **args, lg_expr **ret)
{
    lg_bind *b = l->b;
    LG_TRY(check_form(l, s, f, n, args));
    lg_expr *e = lg_expr_new(b->arena, LG_EX_WINDOW, type, n);
    for (uint32_t i = 0; i < n; i++)
        e->args[i] = args[i];
    e->agg.func = f;
    e->agg.star = s->star;
    e->variadic = s->variadic;
    e->loc = s->loc;
    LG_TRY(lg_bind__collate(b, e));
    if (s->ast->agg_filter) {
        lg_expr *filter;
        LG_TRY(lg_bind__condition(l, s->ast->agg_filter, LG_CL_FILTER, "FILTER", &filter));
        e->agg.filter = filter;
    }
    LG_TRY(check_place(l, s->loc));
    LG_TRY(window_of(l, s->ast->over, &e->agg.window));
    *ret = e;
    return LG_OK;
}

/* ---- definitions ---- */

static lg_status
bind_partition(lg_level *l, const lg_ast_window_def *d, lg_window *w)
{
    lg_query *q = l->q;
    w->part = LG_NEWN(l->b->arena, lg_sort_item, d->partition_clause.n + 1);
    for (uint32_t i = 0; i < d->partition_clause.n; i++) {
        uint32_t at;
        LG_TRY(
            lg_bind__find_item(l, d->partition_clause.at[i], LG_CL_WINDOW_PARTITION, false, &at));
        LG_TRY(lg_bind__resolve_unknown(l->b, &q->targets[at].expr));
        lg_sort_item it = {.ref = lg_bind__target_ref(q, &q->targets[at])};
        bool dup = false;
        for (uint32_t k = 0; k < w->npart; k++)
            dup = dup || w->part[k].ref == it.ref;
        if (dup)
            continue;
        /* the order asked for, where there is one, so that one sort serves both */
        for (uint32_t k = 0; k < w->norder; k++)
            if (w->order[k].ref == it.ref)
                it = w->order[k];
        if (!it.eq)
            LG_TRY(lg_bind__item_operators(l, q->targets[at].expr->type, false, true,
                                           q->targets[at].expr->loc, &it));
        w->part[w->npart++] = it;
    }
    return LG_OK;
}

static lg_status
bind_window_order(lg_level *l, const lg_ast_window_def *d, lg_window *w)
{
    lg_query *q = l->q;
    w->order = LG_NEWN(l->b->arena, lg_sort_item, d->order_clause.n + 1);
    for (uint32_t i = 0; i < d->order_clause.n; i++) {
        const lg_ast_sort_by *s = lg_ast_as(d->order_clause.at[i], sort_by);
        uint32_t at;
        LG_TRY(lg_bind__find_item(l, s->node, LG_CL_WINDOW_ORDER, false, &at));
        LG_TRY(lg_bind__resolve_unknown(l->b, &q->targets[at].expr));
        lg_sort_item it;
        LG_TRY(lg_bind__order_item(l, s, q->targets[at].expr, &it));
        it.ref = lg_bind__target_ref(q, &q->targets[at]);
        bool dup = false;
        for (uint32_t k = 0; k < w->norder; k++)
            dup = dup || w->order[k].ref == it.ref;
        if (!dup)
            w->order[w->norder++] = it;
    }
    return LG_OK;
}

/* The types that a type may be offset by in RANGE; 0 ends the list. */
static const lg_oid *
offset_types(lg_oid type)
{
    static const lg_oid ints[] = {LG_T_INT8, LG_T_INT4, LG_T_INT2, 0}, int8s[] = {LG_T_INT8, 0},
                        floats[] = {LG_T_FLOAT8, 0}, numerics[] = {LG_T_NUMERIC, 0},
                        intervals[] = {LG_T_INTERVAL, 0}, none[] = {0};
    switch (type) {
    case LG_T_INT2:
    case LG_T_INT4:
        return ints;
    case LG_T_INT8:
        return int8s;
    case LG_T_FLOAT4:
    case LG_T_FLOAT8:
        return floats;
    case LG_T_NUMERIC:
        return numerics;
    case LG_T_DATE:
    case LG_T_TIME:
    case LG_T_TIMETZ:
    case LG_T_TIMESTAMP:
    case LG_T_TIMESTAMPTZ:
    case LG_T_INTERVAL:
        return intervals;
    default:
        return none;
    }
}

static lg_status
range_offset_type(lg_level *l, lg_oid column, const lg_expr *e, lg_oid *ret)
{
    lg_bind *b = l->b;
    const lg_opclass *oc = lg_opclass_default(LG_AM_BTREE, column);
    lg_oid type = oc ? oc->intype : column, selected = 0;
    lg_oid preferred = e->type == LG_T_UNKNOWN ? type : e->type;
    uint32_t matches = 0;
    const lg_oid *t = offset_types(type);
    const char *name = lg_bind__type_name(b, type), *offset = lg_bind__type_name(b, e->type);
    int32_t loc = lg_bind__expr_loc(e);
    if (!*t)
        return lg_bind__error(
            b, loc, "0A000",
            "RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s", name);
    for (; *t; t++) {
        if (!lg_bind__can_coerce(1, &e->type, t, LG_COERCE_IMPLICIT))
            continue;
        matches++;
        if (selected != preferred)
            selected = *t;
    }
    if (!matches) {
        lg_bind__error(b, loc, "0A000",
                       "RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s "
                       "and offset type %s",
                       name, offset);
        lg_error_hint(b->err, "Cast the offset value to an appropriate type.");
        return LG_SQL;
    }
    if (matches != 1 && selected != preferred) {
        lg_bind__error(b, loc, "0A000",
                       "RANGE with offset PRECEDING/FOLLOWING has multiple interpretations for "
                       "column type %s and offset type %s",
                       name, offset);
        lg_error_hint(b->err, "Cast the offset value to the exact intended type.");
        return LG_SQL;
    }
    *ret = selected;
    return LG_OK;
}

static lg_status
bind_offset(lg_level *l, const lg_window *w, const lg_ast *n, lg_oid order_type, lg_expr **ret)
{
    lg_bind *b = l->b;
    *ret = NULL;
    if (!n)
        return LG_OK;
    bool rows = w->frame & LG_FRAME_ROWS, range = w->frame & LG_FRAME_RANGE;
    const char *what = rows ? "ROWS" : range ? "RANGE" : "GROUPS";
    lg_expr *e;
    lg_oid type = LG_T_INT8;
    LG_TRY(lg_bind__clause_expr(l, n,
                                rows    ? LG_CL_FRAME_ROWS
                                : range ? LG_CL_FRAME_RANGE
                                        : LG_CL_FRAME_GROUPS,
                                &e));
    if (range)
        LG_TRY(range_offset_type(l, order_type, e, &type));
    LG_TRY(lg_bind__coerce_to(b, e, type, -1, LG_COERCE_ASSIGNMENT, LG_FORM_IMPLICIT, e->loc, ret));
    if (!*ret)
        return lg_bind__error(b, lg_bind__expr_loc(e), "42804",
                              "argument of %s must be type %s, not type %s", what,
                              lg_bind__type_name(b, type), lg_bind__type_name(b, e->type));
    return lg_bind__no_level_vars(l, *ret, what);
}

static lg_status
inherit(lg_level *l, const lg_ast_window_def *d, const lg_window *ref, lg_window *w)
{
    lg_bind *b = l->b;
    int32_t loc = d->h.loc;
    if (w->npart)
        return lg_bind__error(b, loc, "42P20",
                              "cannot override PARTITION BY clause of window \"%s\"", d->refname);
    w->npart = ref->npart;
    w->part = ref->part;
    if (w->norder && ref->norder)
        return lg_bind__error(b, loc, "42P20", "cannot override ORDER BY clause of window \"%s\"",
                              d->refname);
    if (!w->norder) {
        w->norder = ref->norder;
        w->order = ref->order;
        w->copied_order = true;
    }
    if (ref->frame == LG_FRAME_DEFAULTS)
        return LG_OK;
    lg_bind__error(b, loc, "42P20", "cannot copy window \"%s\" because it has a frame clause",
                   d->refname);
    if (!d->name && !d->order_clause.n && d->frame_options == LG_FRAME_DEFAULTS)
        lg_error_hint(b->err, "Omit the parentheses in this OVER clause.");
    return LG_SQL;
}

static lg_status
check_frame(lg_level *l, const lg_ast_window_def *d, const lg_window *w)
{
    if ((w->frame & LG_FRAME_RANGE) && (w->frame & (LG_FRAME_START_OFFSET | LG_FRAME_END_OFFSET)) &&
        w->norder != 1)
        return lg_bind__error(
            l->b, d->h.loc, "42P20",
            "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column");
    if ((w->frame & LG_FRAME_GROUPS) && !w->norder)
        return lg_bind__error(l->b, d->h.loc, "42P20", "GROUPS mode requires an ORDER BY clause");
    return LG_OK;
}

static const lg_window *
find_named(const lg_query *q, const char *name)
{
    for (uint32_t i = 0; i < q->nwindows; i++)
        if (q->windows[i].name && !strcmp(q->windows[i].name, name))
            return &q->windows[i];
    return NULL;
}

static lg_status
bind_window(lg_level *l, const lg_ast_window_def *d, lg_window *w)
{
    lg_query *q = l->q;
    lg_bind *b = l->b;
    const lg_window *ref = NULL;
    w->name = d->name;
    w->refname = d->refname;
    if (d->name && find_named(q, d->name))
        return lg_bind__error(b, d->h.loc, "42P20", "window \"%s\" is already defined", d->name);
    if (d->refname && !(ref = find_named(q, d->refname)))
        return lg_bind__error(b, d->h.loc, "42704", "window \"%s\" does not exist", d->refname);
    LG_TRY(bind_window_order(l, d, w));
    LG_TRY(bind_partition(l, d, w));
    if (ref)
        LG_TRY(inherit(l, d, ref, w));
    w->frame = d->frame_options;
    LG_TRY(check_frame(l, d, w));
    lg_oid type = 0;
    for (uint32_t t = 0; w->norder && t < q->ntargets; t++)
        if (q->targets[t].ref == w->order[0].ref)
            type = q->targets[t].expr->type;
    LG_TRY(bind_offset(l, w, d->start_offset, type, &w->start));
    return bind_offset(l, w, d->end_offset, type, &w->end);
}

lg_status
lg_bind__windows(lg_level *l)
{
    lg_query *q = l->q;
    q->windows = LG_NEWN(l->b->arena, lg_window, l->nwindefs + 1);
    for (uint32_t i = 0; i < l->nwindefs; i++) {
        lg_window w = {0};
        LG_TRY(bind_window(l, l->windefs[i], &w));
        q->windows[q->nwindows++] = w;
    }
    return LG_OK;
}
