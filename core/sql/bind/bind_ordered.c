/* Ordered-set and hypothetical-set aggregates: agg(direct arguments) WITHIN GROUP (ORDER BY
 * arguments). All arguments take part in finding the function, the direct ones first. */
#include "bind_internal.h"
#include <stdio.h>
#include <string.h>

/* Before the function is looked up: WITHIN GROUP's items become arguments. */
lg_status
lg_bind__within_args(lg_level *l, const lg_ast_func_call *c, lg_call_site *s)
{
    lg_bind *b = l->b;
    uint32_t n = s->nargs + c->agg_order.n;
    lg_expr **args = LG_NEWN(b->arena, lg_expr *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        if (i < s->nargs)
            args[i] = s->args[i];
        else
            LG_TRY(lg_bind__expr(l, lg_ast_as(c->agg_order.at[i - s->nargs], sort_by)->node,
                                 &args[i]));
    }
    s->args = args;
    s->nargs = n;
    s->arg_names = NULL;
    return LG_OK;
}

static lg_status
wrong_count(lg_bind *b, const lg_call_site *s, const char *hint)
{
    char sig[512] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < s->nargs && at < sizeof sig - 100; i++)
        at += (size_t)snprintf(sig + at, sizeof sig - at, "%s%s", i ? ", " : "",
                               lg_bind__type_name(b, s->args[i]->type));
    lg_bind__error(b, s->loc, "42883", "function %s(%s) does not exist", s->name, sig);
    lg_error_hint(b->err, "%s", hint);
    return LG_SQL;
}

/* After: does the form of the call fit the aggregate? */
lg_status
lg_bind__within_check(lg_level *l, const lg_call_site *s, const lg_func *f)
{
    lg_bind *b = l->b;
    uint16_t want;
    char kind = lg_agg_kind(f->oid, &want);
    if (kind == 'n') {
        if (s->within_group)
            return lg_bind__error(b, s->loc, "42809",
                                  "%s is not an ordered-set aggregate, so it cannot have WITHIN "
                                  "GROUP",
                                  s->name);
        return LG_OK;
    }
    if (!s->within_group)
        return lg_bind__error(b, s->loc, "42809",
                              "WITHIN GROUP is required for ordered-set aggregate %s", s->name);
    if (s->ast->over)
        return lg_bind__error(b, s->loc, "0A000",
                              "OVER is not supported for ordered-set aggregate %s", s->name);
    uint32_t ordering = s->ast->agg_order.n, direct = s->nargs - ordering;
    if (kind == 'o' && direct != want)
        return wrong_count(
            b, s,
            lg_arena_printf(b->arena,
                            "There is an ordered-set aggregate %s, but it requires %u direct "
                            "argument%s, not %u.",
                            s->name, want, want == 1 ? "" : "s", direct));
    if (kind == 'h' && direct != ordering)
        return wrong_count(
            b, s,
            lg_arena_printf(b->arena,
                            "To use the hypothetical-set aggregate %s, the number of hypothetical "
                            "direct arguments (here %u) must match the number of ordering columns "
                            "(here %u).",
                            s->name, direct, ordering));
    return LG_OK;
}

/* A hypothetical row's values and the columns they are compared with get common types. */
lg_status
lg_bind__within_unify(lg_level *l, const lg_call_site *s)
{
    uint32_t n = s->ast->agg_order.n;
    lg_expr **args = s->args;
    for (uint32_t i = 0; i < n; i++) {
        lg_expr *both[2] = {args[n + i], args[i]};
        lg_oid type;
        LG_TRY(lg_bind__common_type(l->b, both, 2, "WITHIN GROUP", &type));
        LG_TRY(lg_bind__coerce_common(l->b, args[i], type, "WITHIN GROUP", &args[i]));
        LG_TRY(lg_bind__coerce_common(l->b, args[n + i], type, "WITHIN GROUP", &args[n + i]));
    }
    return LG_OK;
}

lg_status
lg_bind__within(lg_level *l, const lg_call_site *s, lg_expr *agg)
{
    lg_bind *b = l->b;
    uint32_t n = s->ast->agg_order.n;
    agg->agg.within = true;
    agg->agg.ndirect = s->nargs - n;
    agg->agg.norder = n;
    agg->agg.order = LG_NEWN(b->arena, lg_sort_item, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        lg_expr **e = &agg->args[agg->agg.ndirect + i];
        LG_TRY(lg_bind__resolve_unknown(b, e));
        LG_TRY(lg_bind__order_item(l, lg_ast_as(s->ast->agg_order.at[i], sort_by), *e,
                                   &agg->agg.order[i]));
        agg->agg.order[i].expr = *e;
    }
    return LG_OK;
}
