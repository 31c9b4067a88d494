/* CREATE DATABASE of a template with objects: what its tables and sequences hold, and indexes anew.
 *
 * core/catalog has copied the catalog's rows and made the segments (catalog_copy.c). Rows go over as
 * bytes, all that the newest snapshot sees; they lie elsewhere then, so an index is built from the
 * new rows as CREATE INDEX builds one, by a session's environment of its own that looks names up in
 * the new database. An index that was invalid in the template stays empty and invalid. */
#include "ddl_internal.h"
#include <string.h>

#define ROWS 256u

struct copying {
    lg_util *u;
    const lg_access *acc;
    lg_cat *from, *to;
};

/* Lets others run, and sees whether to stop. */
static lg_status
breathe(lg_util *u)
{
    if (!lg_fiber_self() || !lg_fiber_should_yield())
        return LG_OK;
    lg_fiber_yield();
    return u->es->check_cancel ? u->es->check_cancel(u->es->arg) : LG_OK;
}

static lg_status
insert(struct copying *w, const lg_rel_storage *to, lg_access_row *rows, uint32_t n)
{
    const lg_access *acc = w->acc;
    struct lg_txn *txn = lg_cat_txn(w->to);
    if (acc->ops->rows_insert)
        return acc->ops->rows_insert(acc->arg, txn, to, rows, n);
    for (uint32_t i = 0; i < n; i++)
        LG_TRY(acc->ops->row_insert(acc->arg, txn, to, rows[i].bytes, rows[i].len, &rows[i].tid));
    return LG_OK;
}

/* The next rows, in the arena or until the next call. */
static lg_status
next_rows(struct copying *w, void *scan, lg_arena *a, lg_access_row *rows, uint32_t *ret_n)
{
    size_t len;
    if (w->acc->ops->scan_rows)
        return w->acc->ops->scan_rows(scan, rows, ROWS, ret_n);
    *ret_n = 1;
    LG_TRY(w->acc->ops->scan_next(scan, a, &rows[0].tid, &rows[0].bytes, &len));
    rows[0].len = (uint32_t)len;
    return LG_OK;
}

static lg_status
copy_rows(struct copying *w, const lg_rel_storage *from, const lg_rel_storage *to)
{
    lg_arena *a = lg_arena_create("copy of rows", 0), *keep = lg_arena_create("snapshot", 0);
    struct lg_txn *txn = lg_cat_txn(w->to);
    const struct lg_snapshot *snap = w->acc->ops->snapshot_latest(w->acc->arg, txn, keep);
    lg_access_row *rows = LG_NEWN(keep, lg_access_row, ROWS);
    void *scan = NULL;
    uint32_t n;
    lg_status st = w->acc->ops->scan_open(w->acc->arg, txn, snap, from, &scan);
    bool open = st == LG_OK;
    while (st == LG_OK && (st = next_rows(w, scan, a, rows, &n)) == LG_OK) {
        st = insert(w, to, rows, n);
        lg_arena_reset(a);
        if (st == LG_OK)
            st = breathe(w->u);
    }
    if (open)
        w->acc->ops->scan_close(scan);
    lg_arena_destroy(keep);
    lg_arena_destroy(a);
    return st == LG_END ? LG_OK : st;
}

static void
set_state(void *arg, lg_seq_state *state)
{
    *state = *(const lg_seq_state *)arg;
}

static lg_status
copy_sequence(struct copying *w, const lg_cat_copied *o)
{
    lg_seq_state state;
    LG_TRY(lg_cat_sequence_read(w->from, o->oid, &state));
    return w->acc->ops->seq_modify(w->acc->arg, &o->to, set_state, &state);
}

/* As if CREATE INDEX ran in the new database. */
static lg_status
build_index(struct copying *w, lg_oid index)
{
    lg_util *u = w->u, in = *u;
    lg_exec_session es = *u->es;
    lg_env env = *u->es->env;
    lg_relation *rel;
    lg_oid table;
    in.es = &es;
    in.cat = es.cat = w->to;
    in.a = lg_arena_create("index of a copy", 0);
    es.env = &env;
    env.session = &es;
    es.functions = NULL;
    es.domains = NULL;
    es.checks = NULL;
    es.inner = NULL;
    es.snapshot = w->acc->ops->snapshot_latest(w->acc->arg, lg_cat_txn(w->to), in.a);
    lg_status st = lg_cat_index_table(w->to, index, &table);
    bool valid = false;
    if (st == LG_OK && (st = lg_cat_relation_by_oid(w->to, table, &rel)) == LG_OK) {
        const lg_index *ix = lg_relation_index(rel, index);
        valid = ix && ix->valid;
        lg_relation_unref(rel);
    }
    if (st == LG_OK && valid)
        st = lg_ddl_index_build(&in, table, index);
    lg_exec_session_fini(&es);
    lg_arena_destroy(in.a);
    return st;
}

lg_status
lg_ddl_database_fill(void *util, lg_cat *from, lg_cat *to, const lg_cat_copied *list, uint32_t n)
{
    lg_util *u = util;
    struct copying w = {
        .u = u, .acc = lg_catalog_access(lg_cat_catalog(to)), .from = from, .to = to};
    for (uint32_t i = 0; i < n; i++)
        if (list[i].kind == 'S')
            LG_TRY(copy_sequence(&w, &list[i]));
        else if (list[i].kind != 'i')
            LG_TRY(copy_rows(&w, &list[i].from, &list[i].to));
    for (uint32_t i = 0; i < n; i++)
        if (list[i].kind == 'i')
            LG_TRY(build_index(&w, list[i].oid));
    return LG_OK;
}
