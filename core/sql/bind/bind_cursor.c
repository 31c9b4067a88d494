/* WHERE CURRENT OF: the row that a cursor is on.
 *
 * The condition is ctid = current_of(cursor, table): a row keeps its ctid as long as it lives, and the
 * planner looks it up directly. The session answers current_of (lg_env.current_of) from what the cursor
 * gave last: its query gives the ctid of the table's rows as a hidden column. */
#include "bind_internal.h"
#include <string.h>

static lg_datum
current_of(lg_call *c)
{
    return c->env->current_of ? c->env->current_of(c)
                              : lg_call_error(c, "0A000", "there are no cursors here");
}

static const lg_oid args[] = {LG_T_TEXT, LG_T_OID, LG_T_TEXT};

static const lg_func current_of_func = {.name = "current_of",
                                        .result = LG_T_TID,
                                        .args = args,
                                        .nargs = 3,
                                        .kind = 'f',
                                        .volatility = 's',
                                        .flags = LG_FUNC_STRICT,
                                        .fn = current_of};

lg_status
lg_bind__current_of(lg_level *l, const lg_ast_current_of_expr *x, lg_expr **ret)
{
    lg_bind *b = l->b;
    const lg_rte *rte = l->q->nrtes ? l->q->rtes[l->q->result_rte] : NULL;
    if (!rte || rte->kind != LG_RTE_RELATION || !rte->rel || l->q->views ||
        rte->rel->kind == LG_REL_VIEW)
        return lg_bind__error(b, -1, "0A000", "WHERE CURRENT OF on a view is not implemented");
    lg_expr *a[3] = {
        lg_expr_const(b->arena, LG_T_TEXT, lg_datum_cstring_text(b->arena, x->cursor_name), false),
        lg_expr_const(b->arena, LG_T_OID, lg_datum_oid(rte->rel->oid), false),
        lg_expr_const(b->arena, LG_T_TEXT, lg_datum_cstring_text(b->arena, rte->rel->name), false)};
    lg_expr *at = lg_expr_call(b->arena, &current_of_func, NULL, 3, a);
    lg_expr *ctid = lg_bind__var(b, rte, l->q->result_rte, LG_SYSCOL_CTID);
    return lg_bind__make_op(b, NULL, "=", ctid, at, -1, ret);
}

static bool
plain(const lg_query *q)
{
    return q->cmd == LG_CMD_SELECT && !q->setop && !q->ndistinct && !q->ngroup && !q->grouped &&
           !q->has_aggs && !q->nwindows && !q->has_srfs;
}

static bool
is_table(const lg_rte *r)
{
    return r->kind == LG_RTE_RELATION && r->rel && r->rel->kind == LG_REL_TABLE &&
           !r->rel->is_system;
}

void
lg_bind_cursor_rows(lg_bind *b, lg_query *q, lg_oid **ret_tables, uint32_t *ret_n)
{
    uint32_t n = 0, rtes[64];
    *ret_n = 0;
    if (!plain(q))
        return;
    for (uint32_t i = 0; i < q->nmarks && n < 64; i++)
        if (is_table(q->rtes[q->marks[i].rte]))
            rtes[n++] = q->marks[i].rte;
    if (!q->nmarks && q->from && !q->from->is_join && is_table(q->rtes[q->from->rte]))
        rtes[n++] = q->from->rte;
    if (!n)
        return;
    lg_target *t = LG_NEWN(b->arena, lg_target, q->ntargets + n);
    *ret_tables = LG_NEWN(b->arena, lg_oid, n);
    memcpy(t, q->targets, q->ntargets * sizeof *t);
    for (uint32_t i = 0; i < n; i++) {
        const lg_rte *r = q->rtes[rtes[i]];
        t[q->ntargets + i] =
            (lg_target){.expr = lg_bind__var(b, r, rtes[i], LG_SYSCOL_CTID), .name = "ctid"};
        (*ret_tables)[i] = r->rel->oid;
    }
    q->targets = t;
    q->ntargets += n;
    *ret_n = n;
}
