/* All rows of a table that are stored, one after the other: what DDL rewrites or looks through. */
#include "ddl_internal.h"

lg_status
lg_ddl_rows_open(lg_ddl_rows *r, lg_util *u, lg_relation *rel)
{
    const lg_access *acc = lg_catalog_access(lg_cat_catalog(u->cat));
    struct lg_txn *txn = lg_cat_txn(u->cat);
    *r = (lg_ddl_rows){.u = u, .rel = rel, .acc = acc, .a = lg_arena_create("rows", 0)};
    const struct lg_snapshot *snap = acc->ops->snapshot_latest(acc->arg, txn, u->a);
    return acc->ops->scan_open(acc->arg, txn, snap, &rel->storage, &r->scan);
}

lg_status
lg_ddl_rows_next(lg_ddl_rows *r)
{
    const uint8_t *row;
    size_t len;
    lg_arena_reset(r->a);
    LG_TRY(lg_ddl_next(r->u, r->acc, r->scan, r->a, &r->tid, &row, &len));
    r->values = LG_NEWN(r->a, lg_datum, r->rel->ncols + 1u);
    r->nulls = LG_NEWN(r->a, uint8_t, r->rel->ncols + 1u);
    return lg_xrow_decode(r->rel, row, len, r->values, r->nulls);
}

lg_status
lg_ddl_rows_eval(lg_ddl_rows *r, lg_xtarget *over, const lg_expr *e, lg_datum *ret,
                 uint8_t *ret_null)
{
    lg_ectx c = {.x = over->x, .cols = over->cols, .cap = 1, .arena = r->a};
    bool null;
    for (uint16_t i = 0; i < r->rel->ncols; i++)
        lg_vector_set(over->cols[i], 0, r->values[i], r->nulls[i]);
    LG_TRY(lg_xexpr_eval(&c, e, ret, &null));
    *ret_null = null;
    return LG_OK;
}

void
lg_ddl_rows_close(lg_ddl_rows *r)
{
    if (r->scan)
        r->acc->ops->scan_close(r->scan);
    if (r->a)
        lg_arena_destroy(r->a);
}
