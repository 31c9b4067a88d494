/* MODIFY (INSERT, UPDATE, DELETE, ON CONFLICT, RETURNING) and LOCK_ROWS.
 *
 * A CHANGED ROW  When the row was changed after the statement's snapshot by a transaction that
 * committed: REPEATABLE READ gives 40001. READ COMMITTED locks the row (waiting for it), reads its
 * newest version, looks whether the recheck condition still holds, and goes on with that version. A
 * plan whose condition cannot be looked at again (`restart`) takes the lock and runs the statement
 * again under a newer snapshot, before anything was changed by it: so the rows to change are locked
 * first in such plans.
 *
 * A statement does not see its own changes: the snapshot ends before them (txn.h, own_seq). */
#include "exec_internal.h"
#include "type.h"
#include <string.h>

struct modify {
    lg_xtarget target;
    lg_arena *row;       /* of the row being done */
    lg_xstore returning; /* results, over all rows */
    lg_vector *vecs;     /* the input row, changeable, as vectors of one row */
    lg_vector **cols;
    uint32_t ncols; /* of vecs */
    lg_vector **ret_cols;
    bool done;
    lg_xcursor at;
    lg_xinsert *many; /* INSERT of several rows at once */
    lg_datum *values, *old;
    uint8_t *nulls, *old_nulls;
    bool on_conflict; /* the row given back was there before an INSERT */
};

static lg_status
serialization(lg_xnode *s, bool deleted)
{
    return lg_error_set(s->x->es->err, "40001", "could not serialize access due to concurrent %s",
                        deleted ? "delete" : "update");
}

static lg_status
modify_open(lg_xnode *s)
{
    const lg_node *p = s->plan;
    struct modify *m = s->state = LG_NEW(s->x->arena, struct modify);
    const lg_relation *rel = p->modify.target.rel;
    LG_TRY(lg_xtarget_open(s->x, &p->modify.target, 0, &m->target));
    m->row = lg_arena_create("row", 1024);
    uint32_t child = s->left ? s->plan->left->ncols : 0;
    m->ncols = rel->ncols * 2u + 2u; /* ON CONFLICT: existing row, ctid, EXCLUDED */
    if (child > m->ncols)
        m->ncols = child;
    m->vecs = LG_NEWN(s->x->arena, lg_vector, m->ncols);
    m->cols = LG_NEWN(s->x->arena, lg_vector *, m->ncols);
    for (uint32_t i = 0; i < m->ncols; i++) {
        lg_vector_init(&m->vecs[i], s->x->arena, LG_T_TEXT, 1);
        m->vecs[i].null[0] = 1;
        m->vecs[i].v[0] = 0;
        m->cols[i] = &m->vecs[i];
    }
    for (uint32_t i = 0; i < rel->ncols; i++)
        m->vecs[i].type = rel->cols[i].type;
    if (s->left && p->modify.cmd != LG_CMD_INSERT && !p->modify.restart &&
        s->left->plan->kind == LG_NODE_INDEX_SCAN && s->left->plan->scan.unique &&
        s->left->plan->scan.index->nexprs == 0 && s->left->plan->scan.rel == rel &&
        m->target.acc->ops->row_claim)
        s->left->for_change = true;
    m->values = LG_NEWN(s->x->arena, lg_datum, rel->ncols + 1u);
    m->old = LG_NEWN(s->x->arena, lg_datum, rel->ncols + 1u);
    m->nulls = LG_NEWN(s->x->arena, uint8_t, rel->ncols + 1u);
    m->old_nulls = LG_NEWN(s->x->arena, uint8_t, rel->ncols + 1u);
    return LG_OK;
}

/* ---- RETURNING ---- */

/* What xmax shows of a row that ON CONFLICT has locked and changed: never 0. */
static lg_datum
own_xid(const lg_xnode *s)
{
    uint64_t xid = (uint64_t)lg_txn_xid(lg_cat_txn(s->x->es->cat));
    uint32_t low = (uint32_t)(xid ^ xid >> 32);
    return low ? low : 1;
}

/* Targets over {row, ctid, the input row's further columns}, which are in m->vecs. */
static lg_status
give_back(lg_xnode *s, const lg_datum *values, const uint8_t *nulls, lg_tid tid)
{
    struct modify *m = s->state;
    const lg_node *p = s->plan;
    uint32_t n = m->target.rel->ncols;
    if (!p->ncols || !p->targets)
        return LG_OK;
    if (!m->returning.arena)
        lg_xstore_init_spill(&m->returning, s->x, p->ncols, lg_xnode_types(s, p),
                             lg_xbudget_sort(s->x));
    for (uint32_t i = 0; i < n; i++)
        lg_vector_set(&m->vecs[i], 0, values[i], nulls[i]);
    if (n < m->ncols)
        lg_vector_set(&m->vecs[n], 0, tid, false);
    lg_vector oid = {.type = LG_T_OID, .constant = true}, ctid = {.type = LG_T_TID};
    lg_datum oid_value = m->target.rel->oid, ctid_value = tid;
    oid.v = &oid_value;
    ctid.v = &ctid_value;
    lg_vector xmax = {.type = LG_T_XID, .constant = true}, zero = {.type = LG_T_XID};
    lg_datum xmax_value = m->on_conflict ? own_xid(s) : 0, zero_value = 0;
    xmax.v = &xmax_value;
    zero.v = &zero_value;
    zero.constant = true;
    lg_vector *sys[LG_SYSCOLS] = {0};
    sys[-LG_SYSCOL_TABLEOID] = &oid;
    sys[-LG_SYSCOL_CTID] = &ctid;
    sys[-LG_SYSCOL_XMAX] = &xmax;
    sys[-LG_SYSCOL_XMIN] = sys[-LG_SYSCOL_CMIN] = sys[-LG_SYSCOL_CMAX] = &zero;
    lg_ectx c = {.x = s->x, .cols = m->cols, .sys = sys, .cap = 1, .arena = m->row};
    lg_datum *row = lg_xrow_new(m->returning.arena, p->ncols);
    for (uint32_t i = 0; i < p->ncols; i++) {
        bool null;
        lg_datum v;
        LG_TRY(lg_xexpr_eval(&c, p->targets[i], &v, &null));
        lg_xrow_nulls(row, p->ncols)[i] = null;
        row[i] = null ? 0 : lg_datum_copy(p->targets[i]->type, v, m->returning.arena);
    }
    lg_xstore_add(&m->returning, row);
    return (m->returning.n & 63) ? LG_OK : lg_xstore_weigh(&m->returning);
}

static lg_status holds(lg_xnode *s, const lg_expr *e, bool *ret);

/* WITH CHECK OPTION, of the row that is stored now. */
static lg_status
check_views(lg_xnode *s, lg_tid tid)
{
    struct modify *m = s->state;
    const lg_node *p = s->plan;
    uint32_t n = m->target.rel->ncols;
    if (!p->modify.nchecks)
        return LG_OK;
    for (uint32_t i = 0; i < n; i++)
        lg_vector_set(&m->vecs[i], 0, m->values[i], m->nulls[i]);
    lg_vector_set(&m->vecs[n], 0, tid, false);
    for (uint32_t i = 0; i < p->modify.nchecks; i++) {
        const lg_plan_check *k = &p->modify.checks[i];
        bool ok;
        LG_TRY(holds(s, k->expr, &ok));
        if (ok)
            continue;
        lg_status st = lg_error_set(s->x->es->err, "44000",
                                    "new row violates check option for view \"%s\"", k->name);
        lg_error_detail(s->x->es->err, "Failing row contains (%s).",
                        lg_xtarget_row_text(&m->target, m->row, m->values, m->nulls));
        return st;
    }
    return LG_OK;
}

/* ---- the row as it is now ---- */

/* Locks the row and reads its newest version into m->old. LG_DELETED. */
static lg_status
lock_newest(lg_xnode *s, lg_tid tid, lg_row_lockmode mode)
{
    struct modify *m = s->state;
    const lg_access *acc = m->target.acc;
    struct lg_txn *txn = lg_cat_txn(s->x->es->cat);
    const uint8_t *row;
    size_t len;
    lg_status st =
        acc->ops->row_lock(acc->arg, txn, NULL, &m->target.rel->storage, tid, mode, LG_WAIT_BLOCK);
    if (st == LG_NOT_FOUND)
        st = LG_DELETED;
    if (st != LG_UPDATED && st != LG_EXISTS)
        LG_TRY(st);
    st = acc->ops->row_fetch(acc->arg, txn, NULL, &m->target.rel->storage, tid, m->row, &row, &len);
    if (st == LG_NOT_FOUND)
        return LG_DELETED;
    LG_TRY(st);
    return lg_xrow_decode(m->target.rel, row, len, m->old, m->old_nulls);
}

/* Input row `at` of the batch into m->vecs, its relation part into m->old. */
static void
take_input(lg_xnode *s, const lg_xbatch *b, uint32_t at)
{
    struct modify *m = s->state;
    for (uint32_t i = 0; i < b->b.ncols && i < m->ncols; i++) {
        const lg_vector *v = b->b.cols[i];
        bool null = lg_vector_is_null(v, at);
        lg_vector_set(&m->vecs[i], 0, null ? 0 : lg_vector_value(v, at), null);
    }
    for (uint32_t i = 0; i < m->target.rel->ncols; i++) {
        m->old[i] = m->vecs[i].v[0];
        m->old_nulls[i] = m->vecs[i].null[0];
    }
}

static void
put_old(lg_xnode *s)
{
    struct modify *m = s->state;
    for (uint32_t i = 0; i < m->target.rel->ncols; i++)
        lg_vector_set(&m->vecs[i], 0, m->old[i], m->old_nulls[i]);
}

static lg_status
holds(lg_xnode *s, const lg_expr *e, bool *ret)
{
    struct modify *m = s->state;
    lg_ectx c = {.x = s->x, .cols = m->cols, .cap = 1, .arena = m->row};
    lg_datum v;
    bool null;
    *ret = true;
    if (!e)
        return LG_OK;
    LG_TRY(lg_xexpr_eval(&c, e, &v, &null));
    *ret = !null && lg_bool(v);
    return LG_OK;
}

static lg_status
assign(lg_xnode *s, uint32_t n, const lg_assign *list)
{
    struct modify *m = s->state;
    lg_ectx c = {.x = s->x, .cols = m->cols, .cap = 1, .arena = m->row};
    uint32_t ncols = m->target.rel->ncols;
    memcpy(m->values, m->old, ncols * sizeof *m->values);
    memcpy(m->nulls, m->old_nulls, ncols);
    for (uint32_t i = 0; i < n; i++) {
        bool null;
        LG_TRY(lg_xexpr_eval(&c, list[i].expr, &m->values[list[i].attno - 1], &null));
        m->nulls[list[i].attno - 1] = null;
    }
    return LG_OK;
}

/* ---- one row ---- */

/* UPDATE or DELETE of the row in m->vecs; *ret_restart: run the statement again. */
static lg_status
change_row(lg_xnode *s, lg_tid tid, bool *ret_restart)
{
    struct modify *m = s->state;
    const lg_node *p = s->plan;
    bool update = p->modify.cmd == LG_CMD_UPDATE;
    const struct lg_snapshot *snap = s->x->es->snapshot;
    for (int tries = 0;; tries++) {
        lg_status st;
        if (update) {
            LG_TRY(assign(s, p->modify.nassigns, p->modify.assigns));
            LG_TRY(lg_xtarget_check(&m->target, m->row, m->values, m->nulls));
            st = lg_xtarget_update(&m->target, m->row, snap, tid, m->old, m->old_nulls, m->values,
                                   m->nulls);
        } else {
            st = lg_xtarget_delete(&m->target, m->row, snap, tid, m->old, m->old_nulls);
        }
        if (st == LG_OK) {
            if (update)
                LG_TRY(check_views(s, tid));
            s->inserted++;
            s->x->tree->rows += s->plan->modify.can_set_tag;
            return give_back(s, update ? m->values : m->old, update ? m->nulls : m->old_nulls, tid);
        }
        if (st == LG_NOT_FOUND)
            st = LG_DELETED;
        if (st != LG_UPDATED && st != LG_DELETED)
            return st;
        if (s->x->es->repeatable_read && snap)
            return serialization(s, st == LG_DELETED);
        if (st == LG_DELETED || tries > 3)
            return LG_OK; /* gone: nothing to do */
        st = lock_newest(s, tid, LG_ROW_UPDATE);
        if (st == LG_DELETED)
            return LG_OK;
        LG_TRY(st);
        if (p->modify.restart) {
            *ret_restart = true;
            return LG_OK;
        }
        put_old(s);
        bool ok;
        LG_TRY(holds(s, p->modify.recheck, &ok));
        if (!ok)
            return LG_OK;
        snap = NULL; /* locked: what we read is what is there */
    }
}

static lg_status
on_conflict_update(lg_xnode *s, lg_tid tid, bool *ret_again)
{
    struct modify *m = s->state;
    const lg_node *p = s->plan;
    uint32_t n = m->target.rel->ncols;
    lg_datum *proposed = lg_arena_dup(m->row, m->values, n * sizeof *proposed);
    uint8_t *proposed_nulls = lg_arena_dup(m->row, m->nulls, n);
    lg_status st;
    const lg_access *acc = m->target.acc;
    st = acc->ops->row_lock(acc->arg, lg_cat_txn(s->x->es->cat), s->x->es->snapshot,
                            &m->target.rel->storage, tid, LG_ROW_UPDATE, LG_WAIT_BLOCK);
    if (st == LG_EXISTS) {
        st = lg_error_set(s->x->es->err, "21000",
                          "ON CONFLICT DO UPDATE command cannot affect row a second time");
        lg_error_hint(s->x->es->err, "Ensure that no rows proposed for insertion within the same "
                                     "command have duplicate constrained values.");
        return st;
    }
    if (st < 0)
        return st;
    if (s->x->es->repeatable_read) { /* a row the snapshot does not see must not be changed */
        const uint8_t *row;
        size_t len;
        st = m->target.acc->ops->row_fetch(m->target.acc->arg, lg_cat_txn(s->x->es->cat),
                                           s->x->es->snapshot, &m->target.rel->storage, tid, m->row,
                                           &row, &len);
        if (st == LG_NOT_FOUND)
            return serialization(s, false);
        LG_TRY(st);
    }
    st = lock_newest(s, tid, LG_ROW_UPDATE);
    if (st == LG_DELETED) {
        *ret_again = true;
        memcpy(m->values, proposed, n * sizeof *proposed);
        memcpy(m->nulls, proposed_nulls, n);
        return LG_OK;
    }
    LG_TRY(st);
    put_old(s);
    lg_vector_set(&m->vecs[n], 0, tid, false);
    for (uint32_t i = 0; i < n; i++)
        lg_vector_set(&m->vecs[n + 1 + i], 0, proposed[i], proposed_nulls[i]);
    bool ok;
    for (uint32_t i = 0; i < p->modify.nvisible; i++) {
        LG_TRY(holds(s, p->modify.visible[i].expr, &ok));
        if (!ok)
            return lg_error_set(s->x->es->err, "55000",
                                "conflicting row is not visible through view \"%s\"",
                                p->modify.visible[i].name);
    }
    LG_TRY(holds(s, p->modify.conflict_where, &ok));
    if (!ok)
        return LG_OK;
    LG_TRY(assign(s, p->modify.nconflict_assigns, p->modify.conflict_assigns));
    LG_TRY(lg_xtarget_check(&m->target, m->row, m->values, m->nulls));
    st =
        lg_xtarget_update(&m->target, m->row, NULL, tid, m->old, m->old_nulls, m->values, m->nulls);
    if (st == LG_DELETED || st == LG_UPDATED)
        return lg_error_set(s->x->es->err, "21000",
                            "ON CONFLICT DO UPDATE command cannot affect row a second time");
    LG_TRY(st);
    LG_TRY(check_views(s, tid));
    s->x->tree->rows += s->plan->modify.can_set_tag;
    m->on_conflict = true;
    st = give_back(s, m->values, m->nulls, tid);
    m->on_conflict = false;
    return st;
}

static lg_status
insert_row(lg_xnode *s)
{
    struct modify *m = s->state;
    const lg_node *p = s->plan;
    bool conflict = p->modify.on_conflict > LG_A_ONCONFLICT_NONE;
    memcpy(m->values, m->old, m->target.rel->ncols * sizeof *m->values);
    memcpy(m->nulls, m->old_nulls, m->target.rel->ncols);
    LG_TRY(lg_xtarget_check(&m->target, m->row, m->values, m->nulls));
    for (;;) {
        lg_tid tid, other = LG_TID_NONE;
        lg_status st = lg_xtarget_insert(&m->target, m->row, m->values, m->nulls, conflict,
                                         p->modify.narbiters, p->modify.arbiters, &tid, &other);
        if (st == LG_OK) {
            LG_TRY(check_views(s, tid));
            s->inserted++;
            s->x->tree->rows += s->plan->modify.can_set_tag;
            return give_back(s, m->values, m->nulls, tid);
        }
        if (st != LG_EXISTS)
            return st;
        s->conflicting++;
        if (p->modify.on_conflict == LG_A_ONCONFLICT_NOTHING)
            return LG_OK;
        bool again = false;
        LG_TRY(on_conflict_update(s, other, &again));
        if (!again)
            return LG_OK;
    }
}

/* A batch of rows to insert that nobody wants back and that must not conflict. Of two rows that are
 * not allowed the first is told. */
static lg_status
insert_batch(lg_xnode *s, const lg_xbatch *b)
{
    struct modify *m = s->state;
    lg_error *err = s->x->es->err;
    uint64_t about;
    if (!m->many)
        m->many = lg_xinsert_open(&m->target, LG_BATCH);
    for (uint32_t i = 0; i < b->b.n; i++) {
        take_input(s, b, lg_xbatch_row(b, i));
        lg_status st =
            lg_xtarget_check(&m->target, lg_xinsert_arena(m->many), m->old, m->old_nulls);
        if (st != LG_OK) {
            lg_error saved = *err;
            lg_error_clear(err);
            LG_TRY(lg_xinsert_flush(m->many, &about));
            *err = saved;
            return st;
        }
        LG_TRY(lg_xinsert_add(m->many, m->old, m->old_nulls, i + 1, &about));
    }
    LG_TRY(lg_xinsert_flush(m->many, &about)); /* the batch's values go */
    s->x->tree->rows += s->plan->modify.can_set_tag ? b->b.n : 0;
    return LG_OK;
}

static bool
batches(const lg_node *p)
{
    return p->modify.cmd == LG_CMD_INSERT && p->modify.on_conflict <= LG_A_ONCONFLICT_NONE &&
           !p->modify.nchecks && (!p->ncols || !p->targets);
}

/* ---- the statement ---- */

static lg_status
run_again(lg_xnode *s)
{
    struct modify *m = s->state;
    lg_exec *x = s->x;
    /* what a data-modifying WITH query has done cannot be done again */
    if (!x->es->new_snapshot || x->tree->restarts++ > 100 || x->plan->has_modifying_ctes)
        return serialization(s, false);
    LG_TRY(lg_exec__new_snapshot(x->es));
    if (m->returning.arena)
        lg_xstore_reset(&m->returning);
    x->tree->rows = 0;
    return lg_xnode_rescan(s->left);
}

/* Plans that may have to restart: all rows are locked before the first is changed. */
static lg_status
lock_all(lg_xnode *s, lg_xstore *rows, lg_xcursor *at, bool *ret_restart)
{
    struct modify *m = s->state;
    const lg_access *acc = m->target.acc;
    uint32_t n = m->target.rel->ncols;
    for (uint64_t i = 0; i < rows->n; i++) {
        const lg_datum *row;
        LG_TRY(lg_xcheck(s->x));
        LG_TRY(lg_xstore_row(rows, at, i, &row));
        lg_tid tid = row[n];
        lg_status st =
            acc->ops->row_lock(acc->arg, lg_cat_txn(s->x->es->cat), s->x->es->snapshot,
                               &m->target.rel->storage, tid, LG_ROW_UPDATE, LG_WAIT_BLOCK);
        if (st == LG_OK || st == LG_EXISTS)
            continue;
        if (st != LG_UPDATED && st != LG_DELETED)
            return st;
        if (s->x->es->repeatable_read)
            return serialization(s, st == LG_DELETED);
        *ret_restart = true;
    }
    return LG_OK;
}

static lg_status
modify_kept(lg_xnode *s)
{
    struct modify *m = s->state;
    uint32_t n = s->plan->left->ncols;
    lg_xbatch *b;
    for (;;) {
        lg_xstore rows;
        lg_xcursor at = {0};
        lg_status st;
        bool restart = false;
        lg_xstore_init_spill(&rows, s->x, n, lg_xnode_types(s, s->plan->left),
                             lg_xbudget_sort(s->x));
        while ((st = lg_xnode_next(s->left, &b)) == LG_OK &&
               (st = lg_xstore_put_batch(&rows, b)) == LG_OK)
            continue;
        if (st == LG_END)
            st = lock_all(s, &rows, &at, &restart);
        for (uint64_t i = 0; st == LG_OK && !restart && i < rows.n; i++) {
            const lg_datum *row;
            if ((st = lg_xstore_row(&rows, &at, i, &row)) != LG_OK)
                break;
            lg_arena_reset(m->row);
            for (uint32_t k = 0; k < n && k < m->ncols; k++)
                lg_vector_set(&m->vecs[k], 0, row[k], lg_xrow_nulls(row, n)[k]);
            for (uint32_t k = 0; k < m->target.rel->ncols; k++) {
                m->old[k] = m->vecs[k].v[0];
                m->old_nulls[k] = m->vecs[k].null[0];
            }
            bool again = false;
            st = change_row(s, m->vecs[m->target.rel->ncols].v[0], &again);
        }
        lg_xcursor_fini(&at);
        lg_xstore_fini(&rows);
        LG_TRY(st);
        if (!restart)
            return LG_OK;
        LG_TRY(run_again(s));
    }
}

static lg_status
modify_all(lg_xnode *s)
{
    struct modify *m = s->state;
    const lg_node *p = s->plan;
    lg_xbatch *b;
    lg_status st;
    if (p->modify.cmd != LG_CMD_INSERT && p->modify.restart)
        return modify_kept(s);
    while ((st = lg_xnode_next(s->left, &b)) == LG_OK) {
        if (b->b.n > 1 && batches(p)) {
            LG_TRY(insert_batch(s, b));
            continue;
        }
        for (uint32_t i = 0; i < b->b.n; i++) {
            bool restart = false;
            lg_arena_reset(m->row);
            take_input(s, b, lg_xbatch_row(b, i));
            if (p->modify.cmd == LG_CMD_INSERT)
                LG_TRY(insert_row(s));
            else
                LG_TRY(change_row(s, m->vecs[m->target.rel->ncols].v[0], &restart));
        }
    }
    return st == LG_END ? LG_OK : st;
}

static lg_status
modify_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct modify *m = s->state;
    if (!m->done) {
        LG_TRY(modify_all(s));
        m->done = true;
    }
    if (!m->returning.n || m->at.pos >= m->returning.n)
        return LG_END;
    if (!s->in.cap)
        lg_xbatch_init(&s->in, s->x->arena, s->plan->ncols, lg_xnode_types(s, s->plan),
                       m->returning.n < LG_BATCH ? (uint32_t)m->returning.n : LG_BATCH);
    return lg_xstore_batch(s, &m->returning, &m->at, ret);
}

static lg_status
modify_rescan(lg_xnode *s)
{
    ((struct modify *)s->state)->at.pos = 0; /* never done twice */
    return LG_OK;
}

static void
modify_close(lg_xnode *s)
{
    struct modify *m = s->state;
    if (!m)
        return;
    lg_xinsert_close(m->many);
    lg_arena_destroy(m->row);
    lg_xcursor_fini(&m->at);
    lg_xstore_fini(&m->returning);
}

const lg_xnode_ops lg_xops_modify = {modify_open, modify_fetch, modify_rescan, modify_close};

/* ---- LOCK_ROWS ---- */

struct lockrows {
    lg_vector *vecs; /* the row with newest versions put in */
    lg_vector **cols;
    uint32_t ncols;
    uint16_t *sel;
    bool changed;
    lg_xbatch *child;
    lg_xstore kept; /* rows that were changed: their newest versions */
    uint32_t at;
    lg_xbatch one;
};

static lg_status
lockrows_open(lg_xnode *s)
{
    struct lockrows *l = s->state = LG_NEW(s->x->arena, struct lockrows);
    l->ncols = s->plan->left->ncols;
    l->sel = LG_NEWN(s->x->arena, uint16_t, LG_BATCH);
    lg_xbatch_init(&l->one, s->x->arena, l->ncols, lg_xnode_types(s, s->plan->left), 1);
    return LG_OK;
}

static const lg_row_lockmode lock_modes[] = {
    [LG_A_LCS_FORKEYSHARE] = LG_ROW_KEY_SHARE,
    [LG_A_LCS_FORSHARE] = LG_ROW_SHARE,
    [LG_A_LCS_FORNOKEYUPDATE] = LG_ROW_NO_KEY_UPDATE,
    [LG_A_LCS_FORUPDATE] = LG_ROW_UPDATE,
};

/* The row's newest version into the columns from mk->base on. LG_DELETED. */
static lg_status
newest_version(lg_xnode *s, const lg_plan_mark *mk, lg_tid tid)
{
    struct lockrows *l = s->state;
    const lg_access *acc = lg_catalog_access(lg_cat_catalog(s->x->es->cat));
    const uint8_t *row;
    size_t len;
    lg_status st = acc->ops->row_fetch(acc->arg, lg_cat_txn(s->x->es->cat), NULL, &mk->rel->storage,
                                       tid, s->scratch, &row, &len);
    if (st == LG_NOT_FOUND)
        return LG_DELETED;
    LG_TRY(st);
    lg_datum *v = LG_NEWN(s->scratch, lg_datum, mk->rel->ncols + 1u);
    uint8_t *n = LG_NEWN(s->scratch, uint8_t, mk->rel->ncols + 1u);
    LG_TRY(lg_xrow_decode(mk->rel, row, len, v, n));
    for (uint16_t i = 0; i < mk->rel->ncols; i++)
        lg_vector_set(l->one.b.cols[mk->base + i], 0, v[i], n[i]);
    return LG_OK;
}

/* Locks all marked rows of the input row. LG_NOT_VISIBLE: leave it out. */
static lg_status
lock_one(lg_xnode *s, uint32_t row, bool *ret_changed)
{
    struct lockrows *l = s->state;
    const lg_access *acc = lg_catalog_access(lg_cat_catalog(s->x->es->cat));
    *ret_changed = false;
    for (uint32_t i = 0; i < l->ncols; i++) {
        const lg_vector *v = l->child->b.cols[i];
        bool null = lg_vector_is_null(v, row);
        lg_vector_set(l->one.b.cols[i], 0, null ? 0 : lg_vector_value(v, row), null);
    }
    for (uint32_t i = 0; i < s->plan->lock.nmarks; i++) {
        const lg_plan_mark *mk = &s->plan->lock.marks[i];
        const lg_vector *ctid = l->child->b.cols[mk->base + mk->rel->ncols];
        if (lg_vector_is_null(ctid, row) || mk->rel->virtual_rel)
            continue;
        lg_tid tid = lg_vector_value(ctid, row);
        lg_row_wait wait = mk->wait == LG_A_LOCK_WAIT_SKIP    ? LG_WAIT_SKIP
                           : mk->wait == LG_A_LOCK_WAIT_ERROR ? LG_WAIT_ERROR
                                                              : LG_WAIT_BLOCK;
        lg_status st = acc->ops->row_lock(acc->arg, lg_cat_txn(s->x->es->cat), s->x->es->snapshot,
                                          &mk->rel->storage, tid, lock_modes[mk->strength], wait);
        bool own = st == LG_EXISTS;
        if (own)
            st = LG_UPDATED;
        if (st == LG_WOULD_WAIT)
            return LG_NOT_VISIBLE;
        if (st == LG_LOCK_NOT_AVAILABLE && wait == LG_WAIT_ERROR)
            return lg_error_set(s->x->es->err, "55P03",
                                "could not obtain lock on row in relation \"%s\"", mk->rel->name);
        if ((st == LG_UPDATED || st == LG_DELETED) && s->x->es->repeatable_read && !own)
            return serialization(s, st == LG_DELETED);
        if (st == LG_DELETED || st == LG_NOT_FOUND)
            return LG_NOT_VISIBLE;
        if (st == LG_UPDATED) {
            st = newest_version(s, mk, tid);
            if (st == LG_DELETED)
                return LG_NOT_VISIBLE;
            *ret_changed = true;
        }
        LG_TRY(st);
    }
    return LG_OK;
}

static lg_status
lockrows_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct lockrows *l = s->state;
    for (;;) {
        if (!l->child || l->at >= l->child->b.n) {
            LG_TRY(lg_xnode_next(s->left, &l->child));
            l->at = 0;
        }
        uint32_t n = 0;
        while (l->at < l->child->b.n) {
            uint32_t row = lg_xbatch_row(l->child, l->at);
            bool changed;
            lg_status st = lock_one(s, row, &changed);
            if (st == LG_OK && changed && n) {
                break; /* hand on what is locked so far; this row is met again */
            }
            l->at++;
            if (st == LG_NOT_VISIBLE)
                continue;
            LG_TRY(st);
            if (!changed) { /* one at a time: a LIMIT above must not have more rows locked */
                l->sel[n++] = (uint16_t)row;
                break;
            }
            if (s->plan->lock.restart)
                return serialization(s, false);
            lg_ectx c = {.x = s->x, .cols = l->one.b.cols, .cap = 1, .arena = s->scratch};
            lg_datum v = 1;
            bool null = false;
            if (s->plan->lock.recheck)
                LG_TRY(lg_xexpr_eval(&c, s->plan->lock.recheck, &v, &null));
            if (null || !lg_bool(v))
                continue;
            l->one.b.n = 1;
            l->one.b.sel = NULL;
            *ret = &l->one;
            return LG_OK;
        }
        if (!n)
            continue;
        s->in = *l->child;
        s->in.b.sel = l->sel;
        s->in.b.n = n;
        *ret = &s->in;
        return LG_OK;
    }
}

static lg_status
lockrows_rescan(lg_xnode *s)
{
    struct lockrows *l = s->state;
    l->child = NULL;
    l->at = 0;
    return lg_xnode_rescan(s->left);
}

const lg_xnode_ops lg_xops_lock_rows = {lockrows_open, lockrows_fetch, lockrows_rescan, NULL};
