/* Privileges of a bound statement: for every relation what the user, or the owner of the view that
 * it is read through, has to have; if the table's list does not give it, the lists of the columns
 * that are used must. Users without restrictions pay one look at each relation. */
#include "acl.h"
#include "bind_internal.h"
#include <string.h>

/* Queries, each with those in it. */
typedef struct queries {
    lg_arena *a;
    const lg_query **at;
    uint32_t n, cap;
    void (*type)(void *arg, lg_oid type); /* of constants and coercions; NULL */
    void *arg;
} queries;

/* Which columns of one entry are used in a query and those below it. */
typedef struct use {
    uint32_t rte, depth;
    uint16_t ncols;
    uint8_t *used; /* by attnum; [0] the whole row or a system column */
    bool any;
    const lg_query *at; /* the query whose entry it is */
    queries *found;     /* collects the queries instead, views' left out; or NULL */
} use;

static void use_query(use *u, const lg_query *q, uint32_t depth);

static bool
use_expr(const lg_expr *e, void *arg)
{
    use *u = arg;
    if (!e)
        return false;
    if (e->kind == LG_EX_VAR && e->var.up == u->depth) {
        const lg_rte *r = e->var.rte < u->at->nrtes ? u->at->rtes[e->var.rte] : NULL;
        if (e->var.rte == u->rte) {
            u->any = true;
            u->used[e->var.attno > 0 && e->var.attno <= (int16_t)u->ncols ? e->var.attno : 0] = 1;
        } else if (r && r->kind == LG_RTE_JOIN && r->alias_exprs && e->var.attno > 0 &&
                   e->var.attno <= (int16_t)r->ncols) {
            uint32_t depth = u->depth;
            u->depth = 0;
            use_expr(r->alias_exprs[e->var.attno - 1], u);
            u->depth = depth;
        }
    }
    if (e->kind == LG_EX_SUBLINK)
        use_query(u, e->sublink.query, u->depth + 1);
    if (u->found && u->found->type &&
        (e->kind == LG_EX_CONST || e->kind == LG_EX_RELABEL || e->kind == LG_EX_COERCE_IO ||
         e->kind == LG_EX_ARRAY_COERCE || e->kind == LG_EX_DOMAIN || e->kind == LG_EX_ROW))
        u->found->type(u->found->arg, e->domain ? e->domain : e->type);
    return lg_expr_walk(e, use_expr, u);
}

static void
use_from(use *u, const lg_from *f)
{
    if (!f || !f->is_join)
        return;
    use_expr(f->quals, u);
    use_from(u, f->left);
    use_from(u, f->right);
}

static void
use_targets(use *u, const lg_target *t, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        use_expr(t[i].expr, u);
}

static void
queries_add(queries *l, const lg_query *q)
{
    if (l->n == l->cap) {
        const lg_query **more = LG_NEWN(l->a, const lg_query *, l->cap * 2 + 16);
        if (l->n)
            memcpy(more, l->at, l->n * sizeof *more);
        l->at = more;
        l->cap = l->cap * 2 + 16;
    }
    l->at[l->n++] = q;
}

static void
use_query(use *u, const lg_query *q, uint32_t depth)
{
    uint32_t was = u->depth;
    u->depth = depth;
    if (u->found)
        queries_add(u->found, q);
    use_targets(u, q->targets, q->ntargets);
    use_targets(u, q->returning, q->nreturning);
    use_expr(q->where, u);
    use_expr(q->having, u);
    use_expr(q->limit, u);
    use_expr(q->offset, u);
    use_from(u, q->from);
    if (q->on_conflict) {
        use_targets(u, q->on_conflict->set, q->on_conflict->nset);
        use_expr(q->on_conflict->where, u);
    }
    for (uint32_t i = 0; i < q->nrtes; i++) {
        const lg_rte *r = q->rtes[i];
        if (r->kind == LG_RTE_SUBQUERY && !(u->found && r->view))
            use_query(u, r->subquery, depth + 1);
        for (uint32_t k = 0; r->kind == LG_RTE_FUNCTION && k < r->nfuncs; k++)
            use_expr(r->funcs[k].expr, u);
        for (uint32_t k = 0; r->kind == LG_RTE_VALUES && k < r->nrows; k++)
            for (uint32_t c = 0; c < r->ncols; c++)
                use_expr(r->rows[k][c], u);
    }
    for (uint32_t i = 0; i < q->nctes; i++)
        if (q->ctes[i].query)
            use_query(u, q->ctes[i].query, depth + 1);
    u->depth = was;
}

static lg_status
denied(lg_bind *b, const lg_relation *rel)
{
    const char *what = rel->kind == LG_REL_VIEW       ? "view"
                       : rel->kind == LG_REL_SEQUENCE ? "sequence"
                       : rel->kind == LG_REL_MATVIEW  ? "materialized view"
                                                      : "table";
    return lg_bind__error(b, -1, "42501", "permission denied for %s %s", what, rel->name);
}

/* Each used column needs `want`; with none used, any one column will do for SELECT. */
static lg_status
check_columns(lg_bind *b, const lg_rte *rte, const lg_relation *rel, const uint8_t *used,
              uint32_t want)
{
    bool none = true, some = false;
    for (uint16_t i = 1; i <= rel->ncols; i++)
        none &= !used[i];
    if (used[0])
        return denied(b, rel);
    for (uint16_t i = 0; i < rel->ncols; i++) {
        uint32_t have = 0;
        if (rel->cols[i].dropped || (!none && !used[i + 1]))
            continue;
        LG_TRY(
            b->catalog.column_mask(b->catalog.arg, rte->check_as, rel, &rel->cols[i], want, &have));
        if (!have && !none)
            return denied(b, rel);
        some |= have != 0;
    }
    return some ? LG_OK : denied(b, rel);
}

static lg_status
check_read(lg_bind *b, const lg_query *q, uint32_t rte, const lg_relation *rel, bool only_if_used)
{
    use u = {.rte = rte, .ncols = rel->ncols, .at = q};
    u.used = LG_NEWN(b->arena, uint8_t, rel->ncols + 1u);
    use_query(&u, q, 0);
    if (only_if_used && !u.any)
        return LG_OK;
    return check_columns(b, q->rtes[rte], rel, u.used, LG_ACL_SELECT);
}

static lg_status
check_written(lg_bind *b, const lg_query *q, const lg_relation *rel, uint32_t missing)
{
    uint8_t *used = LG_NEWN(b->arena, uint8_t, rel->ncols + 1u);
    if (missing & LG_ACL_DELETE)
        return denied(b, rel);
    if (missing & (q->cmd == LG_CMD_INSERT ? LG_ACL_INSERT : LG_ACL_UPDATE)) {
        if (q->cmd == LG_CMD_INSERT)
            used = q->inserted;
        for (uint32_t i = 0; q->cmd != LG_CMD_INSERT && i < q->ntargets; i++)
            if (q->targets[i].attnum > 0)
                used[q->targets[i].attnum] = 1;
        LG_TRY(check_columns(b, q->rtes[q->result_rte], rel, used,
                             q->cmd == LG_CMD_INSERT ? LG_ACL_INSERT : LG_ACL_UPDATE));
    }
    if (q->cmd == LG_CMD_INSERT && missing & LG_ACL_UPDATE) {
        used = LG_NEWN(b->arena, uint8_t, rel->ncols + 1u);
        for (uint32_t i = 0; i < q->on_conflict->nset; i++)
            if (q->on_conflict->set[i].attnum > 0)
                used[q->on_conflict->set[i].attnum] = 1;
        LG_TRY(check_columns(b, q->rtes[q->result_rte], rel, used, LG_ACL_UPDATE));
    }
    return LG_OK;
}

/* A view that the target is reached through. */
static lg_status
check_view(lg_bind *b, const lg_query *q, const lg_view_use *u)
{
    lg_rte rte = {.check_as = u->check_as};
    uint32_t n = u->view->ncols, want = 0, have = 0;
    const struct {
        const uint8_t *cols;
        uint32_t want;
    } parts[] = {
        {u->inserted, LG_ACL_INSERT}, {u->updated, LG_ACL_UPDATE}, {u->read, LG_ACL_SELECT}};
    want = q->cmd == LG_CMD_INSERT   ? LG_ACL_INSERT
           : q->cmd == LG_CMD_UPDATE ? LG_ACL_UPDATE
                                     : LG_ACL_DELETE;
    if (q->on_conflict && q->on_conflict->action == LG_A_ONCONFLICT_UPDATE)
        want |= LG_ACL_UPDATE;
    if (memchr(u->read, 1, n + 1))
        want |= LG_ACL_SELECT;
    LG_TRY(b->catalog.relation_mask(b->catalog.arg, u->check_as, u->view, want, &have));
    if (want & ~have & LG_ACL_DELETE)
        return denied(b, u->view);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (want & ~have & parts[i].want)
            LG_TRY(check_columns(b, &rte, u->view, parts[i].cols, parts[i].want));
    return LG_OK;
}

static lg_status
check_entry(lg_bind *b, const lg_query *q, uint32_t i)
{
    const lg_rte *rte = q->rtes[i];
    const lg_relation *rel = rte->kind == LG_RTE_RELATION ? rte->rel : rte->view;
    bool target = q->cmd != LG_CMD_SELECT && i == q->result_rte;
    uint32_t want = LG_ACL_SELECT, have = 0;
    if (target) {
        want |= q->cmd == LG_CMD_INSERT   ? LG_ACL_INSERT
                : q->cmd == LG_CMD_UPDATE ? LG_ACL_UPDATE
                                          : LG_ACL_DELETE;
        if (q->on_conflict && q->on_conflict->action == LG_A_ONCONFLICT_UPDATE)
            want |= LG_ACL_UPDATE;
    }
    for (uint32_t k = 0; k < q->nmarks; k++)
        if (q->marks[k].rte == i)
            want |= LG_ACL_UPDATE;
    LG_TRY(b->catalog.relation_mask(b->catalog.arg, rte->check_as, rel, want, &have));
    if (have == want)
        return LG_OK;
    if (target)
        LG_TRY(check_written(b, q, rel, want & ~have));
    else if (want & ~have & LG_ACL_UPDATE) /* FOR UPDATE: any column will do */
        LG_TRY(
            check_columns(b, rte, rel, LG_NEWN(b->arena, uint8_t, rel->ncols + 1u), LG_ACL_UPDATE));
    return want & ~have & LG_ACL_SELECT ? check_read(b, q, i, rel, target) : LG_OK;
}

typedef struct below {
    lg_bind *b;
    lg_status st;
} below;

static bool
check_sublinks(const lg_expr *e, void *arg)
{
    below *x = arg;
    if (!e)
        return false;
    if (e->kind == LG_EX_SUBLINK)
        x->st = lg_bind__check_privileges(x->b, e->sublink.query);
    return x->st != LG_OK || lg_expr_walk(e, check_sublinks, x);
}

static lg_status
check_exprs(lg_bind *b, const lg_query *q)
{
    below x = {b, LG_OK};
    const lg_expr *one[] = {q->where, q->having, q->limit, q->offset,
                            q->on_conflict ? q->on_conflict->where : NULL};
    for (uint32_t i = 0; i < q->ntargets; i++)
        check_sublinks(q->targets[i].expr, &x);
    for (uint32_t i = 0; i < q->nreturning; i++)
        check_sublinks(q->returning[i].expr, &x);
    for (size_t i = 0; i < sizeof one / sizeof *one; i++)
        check_sublinks(one[i], &x);
    for (uint32_t i = 0; q->on_conflict && i < q->on_conflict->nset; i++)
        check_sublinks(q->on_conflict->set[i].expr, &x);
    return x.st;
}

static lg_status
check_from(lg_bind *b, const lg_from *f)
{
    below x = {b, LG_OK};
    if (!f || !f->is_join)
        return LG_OK;
    check_sublinks(f->quals, &x);
    LG_TRY(x.st);
    LG_TRY(check_from(b, f->left));
    return check_from(b, f->right);
}

lg_status
lg_bind__check_privileges(lg_bind *b, const lg_query *q)
{
    if (!b->catalog.relation_mask)
        return LG_OK;
    for (const lg_view_use *u = q->views; u; u = u->next)
        LG_TRY(check_view(b, q, u));
    for (uint32_t i = 0; i < q->nrtes; i++) {
        const lg_rte *r = q->rtes[i];
        if (q->on_conflict && i == q->on_conflict->excluded && i != q->result_rte)
            continue;
        if (r->kind == LG_RTE_RELATION || r->view)
            LG_TRY(check_entry(b, q, i));
        /* the system's own views read what they like */
        if (r->kind == LG_RTE_SUBQUERY && !(r->view && r->view->is_system))
            LG_TRY(lg_bind__check_privileges(b, r->subquery));
        below x = {b, LG_OK};
        for (uint32_t k = 0; r->kind == LG_RTE_FUNCTION && k < r->nfuncs; k++)
            check_sublinks(r->funcs[k].expr, &x);
        for (uint32_t k = 0; r->kind == LG_RTE_VALUES && q->has_sublinks && k < r->nrows; k++)
            for (uint32_t c = 0; c < r->ncols; c++)
                check_sublinks(r->rows[k][c], &x);
        LG_TRY(x.st);
    }
    for (uint32_t i = 0; i < q->nctes; i++)
        if (q->ctes[i].query)
            LG_TRY(lg_bind__check_privileges(b, q->ctes[i].query));
    LG_TRY(check_from(b, q->from));
    return check_exprs(b, q);
}

/* ---- what a query depends on ---- */

static void
uses_of_entry(const lg_query *q, uint32_t i, lg_arena *a, lg_query_use_fn fn, void *arg)
{
    const lg_rte *r = q->rtes[i];
    const lg_relation *rel = r->view ? r->view : r->kind == LG_RTE_RELATION ? r->rel : NULL;
    bool some = false;
    if (!rel)
        return;
    use u = {.rte = i, .ncols = rel->ncols, .at = q};
    u.used = LG_NEWN(a, uint8_t, rel->ncols + 1u);
    use_query(&u, q, 0);
    for (uint16_t k = 1; k <= rel->ncols; k++)
        if (u.used[k]) {
            fn(arg, rel, (int16_t)k, 0);
            some = true;
        }
    if (!some)
        fn(arg, rel, 0, 0);
}

struct typed {
    lg_query_use_fn fn;
    void *arg;
};

static void
use_type(void *arg, lg_oid type)
{
    const struct typed *t = arg;
    t->fn(t->arg, NULL, 0, type);
}

void
lg_query_uses(const lg_query *q, lg_arena *a, lg_query_use_fn fn, void *arg)
{
    struct typed t = {fn, arg};
    queries l = {.a = a, .type = use_type, .arg = &t};
    use u = {.rte = UINT32_MAX, .at = q, .found = &l};
    use_query(&u, q, 0);
    for (uint32_t k = 0; k < l.n; k++)
        for (uint32_t i = 0; i < l.at[k]->nrtes; i++)
            uses_of_entry(l.at[k], i, a, fn, arg);
}
