/* CREATE INDEX, REINDEX and DROP INDEX CONCURRENTLY: writers on all instances go on meanwhile.
 *
 *   step                                      the index             if we die after it
 *   1 rows in the catalog, an empty tree;     not valid: writers    an INVALID index stays, kept up
 *     committed, so every statement that      keep it up, nobody    by writers, to be dropped or
 *     starts from now on knows of it          reads it              rebuilt (as PostgreSQL's)
 *   2 everybody who wrote without knowing is waited for
 *   3 the rows of a snapshot, one by one, some hundred a transaction (lg_xtarget_index_live)
 *   4 older snapshots are waited for: they may see rows that were gone before step 3
 *   5 valid                                   valid                 it is there
 *
 * WAITING FOR WRITERS  (2) is having SHARE on the table for a moment. The request stands in the queue
 * only briefly at a time, for those who come after it wait too; now and then longer, so that a
 * deadlock shows. The whole is under SHARE UPDATE EXCLUSIVE, held over the transactions by the
 * session: no other DDL, ANALYZE or build of the table.
 *
 * REINDEX builds a second index (..._ccnew) so, and exchanges the two trees in one transaction:
 * statements that began before write to both as well. Then the second goes, as by DROP.
 *
 * DROP makes the index not valid first, so that nobody begins to read it, and then waits for ACCESS
 * EXCLUSIVE in the same patient way. */
#include "ddl_internal.h"
#include <string.h>

#define BATCH      256u
#define PATIENCE   (50 * LG_MS)
#define LONG_LOOK  (2 * LG_SEC)
#define LOOK_EVERY 16

static lg_status
next_txn(lg_util *u)
{
    return u->es->next_txn ? u->es->next_txn(u->es->arg) : LG_UNSUPPORTED;
}

static lg_status
pause(lg_util *u, lg_time ns)
{
    LG_TRY(lg_fiber_sleep_until(lg_run_now_ns(u->es->run) + ns, LG_WAIT_ENQ_TM));
    return u->es->check_cancel ? u->es->check_cancel(u->es->arg) : LG_OK;
}

/* The lock, without making others wait behind us for long. */
static lg_status
patient_lock(lg_util *u, lg_oid table, lg_lock_mode mode)
{
    for (uint32_t tries = 1;; tries++) {
        lg_time wait = tries % LOOK_EVERY ? PATIENCE : LONG_LOOK;
        lg_status st =
            lg_cat_lock_session(u->cat, table, mode, lg_run_now_exact_ns(u->es->run) + wait);
        if (st != LG_LOCK_NOT_AVAILABLE && st != LG_TIMEOUT)
            return st;
        LG_TRY(pause(u, tries < 8 ? 20 * LG_MS : 200 * LG_MS));
    }
}

static lg_status
wait_for_writers(lg_util *u, lg_oid table)
{
    LG_TRY(patient_lock(u, table, LG_LOCK_SHARE));
    lg_cat_unlock_session(u->cat, table, LG_LOCK_SHARE);
    return LG_OK;
}

/* In a transaction that has no snapshot itself. */
static lg_status
wait_for_snapshots(lg_util *u)
{
    const lg_access *acc = lg_catalog_access(lg_cat_catalog(u->cat));
    if (!acc->ops->scn_now)
        return LG_OK;
    uint64_t now = acc->ops->scn_now(acc->arg);
    while (acc->ops->scn_seen(acc->arg) < now)
        LG_TRY(pause(u, 50 * LG_MS));
    return LG_OK;
}

/* ---- catalog ---- */

lg_status
lg_ddl_index_set_valid(lg_util *u, lg_oid table, lg_oid index, bool valid)
{
    lg_cat_row old, row;
    lg_datum key = lg_datum_oid(index);
    LG_TRY(
        lg_cat_find(u->cat, LG_REL_pg_index, LG_IX_pg_index_indexrelid_index, 1, &key, u->a, &old));
    if (lg_bool(GETC(&old, pg_index, indisvalid)) == valid)
        return LG_OK;
    row = old;
    SETC(&row, pg_index, indisvalid, valid);
    LG_TRY(lg_cat_update(u->cat, LG_REL_pg_index, &old, &row));
    return lg_cat_touch(u->cat, table);
}

/* ---- building ---- */

struct filler {
    lg_util *u;
    lg_relation *rel;
    lg_bind bind;
    lg_plan_target pt;
    lg_exec *x;
    lg_xtarget t;
    const lg_plan_index *pi;
    lg_tid *tids;
    uint64_t n, cap;
};

static lg_status
filler_open(struct filler *f, lg_oid table, lg_oid index)
{
    LG_TRY(lg_cat_relation_by_oid(f->u->cat, table, &f->rel));
    LG_TRY(lg_plan_target_make(&f->bind, f->rel, &f->pt));
    LG_TRY(lg_exec_bare(f->u->es, 1024, &f->x));
    LG_TRY(lg_xtarget_open(f->x, &f->pt, 0, &f->t));
    for (uint32_t i = 0; i < f->pt.nindexes; i++)
        if (f->pt.indexes[i].index->oid == index)
            f->pi = &f->pt.indexes[i];
    return f->pi ? LG_OK
                 : lg_error_set(f->u->err, "42704", "index with OID %u does not exist", index);
}

static lg_status
gather(struct filler *f)
{
    const lg_access *acc = f->t.acc;
    lg_util *u = f->u;
    void *scan;
    lg_arena *a = lg_arena_create("index rows", 0);
    const struct lg_snapshot *snap = acc->ops->snapshot_latest(acc->arg, lg_cat_txn(u->cat), u->a);
    lg_status st = acc->ops->scan_open(acc->arg, lg_cat_txn(u->cat), snap, &f->rel->storage, &scan);
    if (st == LG_OK) {
        for (;;) {
            const uint8_t *row;
            size_t len;
            lg_tid tid;
            lg_arena_reset(a);
            st = acc->ops->scan_next(scan, a, &tid, &row, &len);
            if (st != LG_OK)
                break;
            if (f->n == f->cap) {
                f->cap = f->cap ? 2 * f->cap : 4096;
                f->tids = lg_realloc(f->tids, f->cap * sizeof *f->tids);
            }
            f->tids[f->n++] = tid;
            if (f->n % 1024 == 0 && (st = lg_xcheck(f->x)) != LG_OK)
                break;
        }
        acc->ops->scan_close(scan);
    }
    lg_arena_destroy(a);
    return st == LG_END ? LG_OK : st;
}

static lg_status
fill(lg_util *u, lg_oid table, lg_oid index)
{
    struct filler f = {.u = u};
    lg_arena *a = lg_arena_create("index row", 0);
    lg_exec_bind_init(u->es, u->a, &f.bind);
    lg_status st = LG_OK;
    LG_CHECK(filler_open(&f, table, index));
    LG_CHECK(gather(&f));
    for (uint64_t i = 0; i < f.n; i++) {
        if (i && i % BATCH == 0)
            LG_CHECK(next_txn(u));
        lg_arena_reset(a);
        LG_CHECK(lg_xtarget_index_live(&f.t, a, f.pi, f.tids[i]));
        LG_CHECK(lg_xcheck(f.x));
    }
out:
    lg_exec_close(f.x);
    lg_bind_fini(&f.bind);
    lg_relation_unref(f.rel);
    lg_free(f.tids);
    lg_arena_destroy(a);
    return st;
}

/* Steps 1 (its commit) to 4; the session holds the lock. A new transaction is left. */
static lg_status
build(lg_util *u, lg_oid table, lg_oid index)
{
    LG_TRY(next_txn(u));
    LG_TRY(wait_for_writers(u, table));
    LG_TRY(fill(u, table, index));
    LG_TRY(next_txn(u));
    return wait_for_snapshots(u);
}

lg_status
lg_ddl_index_concurrently(lg_util *u, lg_oid table, lg_oid index)
{
    LG_TRY(lg_cat_lock_session(u->cat, table, LG_LOCK_SHARE_UPDATE_EXCLUSIVE, LG_FOREVER));
    lg_status st = build(u, table, index);
    if (st == LG_OK)
        st = lg_cat_lock(u->cat, table, LG_LOCK_SHARE_UPDATE_EXCLUSIVE, false);
    if (st == LG_OK)
        st = lg_ddl_index_set_valid(u, table, index, true);
    lg_cat_unlock_session(u->cat, table, LG_LOCK_SHARE_UPDATE_EXCLUSIVE);
    return st;
}

/* ---- DROP ---- */

lg_status
lg_ddl_drop_index_concurrently(lg_util *u, lg_oid table, lg_oid index)
{
    LG_TRY(lg_cat_lock_session(u->cat, table, LG_LOCK_SHARE_UPDATE_EXCLUSIVE, LG_FOREVER));
    lg_status st = lg_ddl_index_set_valid(u, table, index, false);
    if (st == LG_OK)
        st = next_txn(u);
    if (st == LG_OK && (st = patient_lock(u, table, LG_LOCK_ACCESS_EXCLUSIVE)) == LG_OK) {
        st = lg_cat_lock(u->cat, table, LG_LOCK_ACCESS_EXCLUSIVE, false);
        lg_cat_unlock_session(u->cat, table, LG_LOCK_ACCESS_EXCLUSIVE);
    }
    lg_cat_unlock_session(u->cat, table, LG_LOCK_SHARE_UPDATE_EXCLUSIVE);
    return st;
}

/* ---- REINDEX ---- */

void
lg_ddl_index_copy(lg_util *u, const lg_relation *rel, const lg_index *ix, lg_ddl_index *ret)
{
    uint16_t e = 0;
    *ret = (lg_ddl_index){.nkeys = ix->nkeys,
                          .natts = ix->natts,
                          .unique = ix->unique,
                          .nulls_not_distinct = ix->nulls_not_distinct,
                          .immediate = ix->immediate};
    for (uint16_t i = 0; i < ix->natts; i++) {
        const lg_column *col = lg_relation_column(rel, ix->attnum[i]);
        ret->attnum[i] = ix->attnum[i];
        ret->type[i] = col ? col->type : ix->key[i].type;
        if (!col)
            ret->expr[i] = lg_arena_strdup(u->a, ix->exprs[e++]);
        if (i >= ix->nkeys)
            continue;
        ret->opclass[i] = ix->opclass[i];
        ret->collation[i] = ix->collation[i];
        ret->desc[i] = ix->key[i].desc;
        ret->nulls_first[i] = ix->key[i].nulls_first;
    }
    if (ix->predicate_sql)
        ret->predicate_sql = lg_arena_strdup(u->a, ix->predicate_sql);
}

static void
set_storage(lg_cat_row *row, void *arg)
{
    const lg_rel_storage *st = arg;
    SETC(row, pg_class, relfilenode, st->file);
    SETC(row, pg_class, relfrozenxid, st->head);
}

static lg_status
exchange(lg_util *u, lg_oid table, lg_oid a, lg_oid b)
{
    lg_relation *rel;
    LG_TRY(lg_cat_lock(u->cat, table, LG_LOCK_SHARE_UPDATE_EXCLUSIVE, false));
    LG_TRY(lg_cat_relation_by_oid(u->cat, table, &rel));
    const lg_index *ia = lg_relation_index(rel, a), *ib = lg_relation_index(rel, b);
    lg_status st = ia && ib ? LG_OK : LG_NOT_FOUND;
    if (st == LG_OK) {
        lg_rel_storage sa = ia->storage, sb = ib->storage;
        st = lg_ddl_class_update(u, a, set_storage, &sb);
        if (st == LG_OK)
            st = lg_ddl_class_update(u, b, set_storage, &sa);
    }
    lg_relation_unref(rel);
    LG_TRY(st);
    LG_TRY(lg_cat_touch(u->cat, a));
    LG_TRY(lg_cat_touch(u->cat, b));
    LG_TRY(lg_ddl_index_set_valid(u, table, a, true));
    return lg_cat_touch(u->cat, table);
}

lg_status
lg_ddl_reindex_concurrently(lg_util *u, lg_oid table, lg_oid index)
{
    lg_relation *rel;
    lg_ddl_index copy = {0};
    LG_TRY(lg_cat_lock_session(u->cat, table, LG_LOCK_SHARE_UPDATE_EXCLUSIVE, LG_FOREVER));
    lg_status st = lg_ddl_open_oid(u, table, LG_LOCK_SHARE_UPDATE_EXCLUSIVE, &rel);
    if (st == LG_OK) {
        const lg_index *ix = lg_relation_index(rel, index);
        st = ix ? LG_OK : lg_error_set(u->err, "42704", "index with OID %u does not exist", index);
        if (st == LG_OK) {
            lg_ddl_index_copy(u, rel, ix, &copy);
            copy.invalid = true;
            st = lg_ddl_choose_name(u, rel->namespace_oid, ix->name, NULL, "ccnew", &copy.name);
        }
        if (st == LG_OK)
            st = lg_ddl_index_create(u, rel, &copy);
        if (st == LG_OK)
            st = lg_cat_touch(u->cat, table);
        lg_relation_unref(rel);
    }
    if (st == LG_OK)
        st = build(u, table, copy.oid);
    if (st == LG_OK)
        st = exchange(u, table, index, copy.oid);
    if (st == LG_OK)
        st = next_txn(u);
    if (st == LG_OK)
        st = lg_ddl_drop_index_concurrently(u, table, copy.oid);
    if (st == LG_OK)
        st = lg_ddl_delete(u, &(lg_ddl_object){LG_REL_pg_class, copy.oid, 0}, 1, LG_DDL_QUIET);
    if (st == LG_OK)
        st = next_txn(u);
    lg_cat_unlock_session(u->cat, table, LG_LOCK_SHARE_UPDATE_EXCLUSIVE);
    return st;
}
