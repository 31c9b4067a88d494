/* Writing stored rows: constraints, the row, its index entries. Used by MODIFY, COPY and DDL.
 *
 * Order of an insert: generated columns, NOT NULL, CHECK, then the row, then each index entry (a
 * unique one that is refused leaves the row behind for the statement's rollback to take back), then
 * foreign keys (rows_fk.c; what waits for the statement's end: rows_internal.h). For ON CONFLICT the
 * arbiter indexes are probed first, and the insert that loses a race is taken back to a savepoint
 * by the caller. */
#include "rows_internal.h"
#include "relstat.h"
#include "keycodec.h"
#include "type.h"
#include <string.h>

lg_status
lg_xtarget_open(lg_exec *x, const lg_plan_target *t, uint32_t extra_cols, lg_xtarget *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->x = x;
    ret->t = t;
    ret->rel = t->rel;
    ret->acc = lg_catalog_access(lg_cat_catalog(x->es->cat));
    ret->nvecs = t->rel->ncols + extra_cols;
    ret->vecs = LG_NEWN(x->arena, lg_vector, ret->nvecs + 1);
    ret->cols = LG_NEWN(x->arena, lg_vector *, ret->nvecs + 1);
    for (uint32_t i = 0; i < ret->nvecs; i++) {
        lg_oid type = i < t->rel->ncols ? t->rel->cols[i].type : LG_T_TEXT;
        lg_vector_init(&ret->vecs[i], x->arena, type, 1);
        ret->cols[i] = &ret->vecs[i];
    }
    if (!t->rel->storage.file)
        return lg_error_set(x->es->err, "42809", "cannot change relation \"%s\"", t->rel->name);
    return LG_OK;
}

static void
load_row(lg_xtarget *t, const lg_datum *values, const uint8_t *nulls)
{
    for (uint16_t i = 0; i < t->rel->ncols; i++)
        lg_vector_set(&t->vecs[i], 0, values[i], nulls[i]);
}

lg_status
lg_xrow_decode(const lg_relation *rel, const uint8_t *row, size_t len, lg_datum *values,
               uint8_t *nulls)
{
    uint32_t n;
    LG_TRY(lg_row_decode(rel->rowcols, rel->ncols, row, len, values, nulls, &n));
    for (uint32_t i = n; i < rel->ncols; i++) {
        values[i] = rel->cols[i].missing;
        nulls[i] = !rel->cols[i].has_missing;
    }
    return LG_OK;
}

/* ---- texts of errors ---- */

const char *
lg_xvalue_text(lg_exec_session *es, lg_arena *a, lg_oid type, lg_datum v, bool null)
{
    const char *s;
    size_t len;
    lg_error ignored;
    if (null)
        return "null";
    lg_error_init(&ignored, a);
    if (lg_type_output(es->env, type, v, a, &ignored, &s, &len) != LG_OK)
        return "?";
    return lg_arena_strndup(a, s, len);
}

/* "Failing row contains (1, null, abc)." with long values cut, as PostgreSQL. */
static const char *
row_text(lg_xtarget *t, lg_arena *a, const lg_datum *values, const uint8_t *nulls)
{
    const char *out = "";
    bool first = true;
    for (uint16_t i = 0; i < t->rel->ncols; i++) {
        if (t->rel->cols[i].dropped)
            continue;
        const char *s = lg_xvalue_text(t->x->es, a, t->rel->cols[i].type, values[i], nulls[i]);
        if (strlen(s) > 64)
            s = lg_arena_printf(a, "%.64s...", s);
        out = lg_arena_printf(a, "%s%s%s", out, first ? "" : ", ", s);
        first = false;
    }
    return out;
}

const char *
lg_xtarget_row_text(lg_xtarget *t, lg_arena *a, const lg_datum *values, const uint8_t *nulls)
{
    return row_text(t, a, values, nulls);
}

static lg_status
column_error(lg_xtarget *t, lg_arena *a, const lg_column *col, const lg_datum *values,
             const uint8_t *nulls)
{
    lg_error *e = t->x->es->err;
    lg_status st = lg_error_set(
        e, "23502", "null value in column \"%s\" of relation \"%s\" violates not-null constraint",
        col->name, t->rel->name);
    lg_error_detail(e, "Failing row contains (%s).", row_text(t, a, values, nulls));
    e->schema = lg_arena_strdup(e->arena, t->rel->schema);
    e->table = lg_arena_strdup(e->arena, t->rel->name);
    e->column = lg_arena_strdup(e->arena, col->name);
    return st;
}

void
lg_xconstraint_name(lg_exec_session *es, const lg_relation *rel, const char *constraint)
{
    lg_error *e = es->err;
    e->schema = lg_arena_strdup(e->arena, rel->schema);
    e->table = lg_arena_strdup(e->arena, rel->name);
    e->constraint = lg_arena_strdup(e->arena, constraint);
}

/* ---- constraints of a row ---- */

lg_status
lg_xtarget_check(lg_xtarget *t, lg_arena *a, lg_datum *values, uint8_t *nulls)
{
    const lg_plan_target *p = t->t;
    lg_ectx c = {.x = t->x, .cols = t->cols, .cap = 1, .arena = a};
    if (p->ngenerated || p->nchecks)
        load_row(t, values, nulls);
    for (uint32_t i = 0; i < p->ngenerated; i++) {
        int16_t k = (int16_t)(p->generated[i].attno - 1);
        bool null;
        LG_TRY(lg_xexpr_eval(&c, p->generated[i].expr, &values[k], &null));
        nulls[k] = null;
        lg_vector_set(&t->vecs[k], 0, values[k], null);
    }
    for (uint16_t i = 0; i < t->rel->ncols; i++)
        if (nulls[i] && t->rel->cols[i].not_null && !t->rel->cols[i].dropped)
            return column_error(t, a, &t->rel->cols[i], values, nulls);
    for (uint32_t i = 0; i < p->nchecks; i++) {
        lg_datum v;
        bool null;
        LG_TRY(lg_xexpr_eval(&c, p->checks[i].expr, &v, &null));
        if (null || lg_bool(v))
            continue;
        lg_status st = lg_error_set(t->x->es->err, "23514",
                                    "new row for relation \"%s\" violates check constraint \"%s\"",
                                    t->rel->name, p->checks[i].name);
        lg_error_detail(t->x->es->err, "Failing row contains (%s).", row_text(t, a, values, nulls));
        lg_xconstraint_name(t->x->es, t->rel, p->checks[i].name);
        return st;
    }
    return LG_OK;
}

/* ---- index keys ---- */

struct key {
    const uint8_t *bytes;
    size_t len;
    bool has_null;
    bool wanted; /* the predicate holds */
    lg_datum v[LG_INDEX_MAX_KEYS];
    uint8_t nulls[LG_INDEX_MAX_KEYS];
};

/* load_row was called for these values when the index has expressions or a predicate. */
static lg_status
make_key(lg_xtarget *t, lg_arena *a, const lg_plan_index *pi, const lg_datum *values,
         const uint8_t *nulls, struct key *k)
{
    const lg_index *ix = pi->index;
    lg_ectx c = {.x = t->x, .cols = t->cols, .cap = 1, .arena = a};
    uint32_t e = 0;
    k->wanted = true;
    if (pi->predicate || pi->nexprs)
        load_row(t, values, nulls);
    if (pi->predicate) {
        lg_datum v;
        bool null;
        LG_TRY(lg_xexpr_eval(&c, pi->predicate, &v, &null));
        k->wanted = !null && lg_bool(v);
        if (!k->wanted)
            return LG_OK;
    }
    for (uint16_t i = 0; i < ix->nkeys; i++) {
        if (ix->attnum[i] > 0) {
            k->v[i] = values[ix->attnum[i] - 1];
            k->nulls[i] = nulls[ix->attnum[i] - 1];
        } else {
            bool null;
            LG_TRY(lg_xexpr_eval(&c, pi->exprs[e++], &k->v[i], &null));
            k->nulls[i] = null;
        }
    }
    uint8_t *buf = lg_arena_alloc(a, 128);
    k->len = lg_key_encode(ix->key, ix->nkeys, k->v, k->nulls, buf, 128, &k->has_null);
    if (k->len > 128) {
        buf = lg_arena_alloc(a, k->len);
        lg_key_encode(ix->key, ix->nkeys, k->v, k->nulls, buf, k->len, &k->has_null);
    }
    k->bytes = buf;
    return LG_OK;
}

static bool
key_unique(const lg_index *ix, const struct key *k)
{
    return ix->unique && (!k->has_null || ix->nulls_not_distinct);
}

/* Refused at once when another row has it. A deferrable one waits for the statement's end. */
static bool
key_unique_now(const lg_index *ix, const struct key *k)
{
    return ix->immediate && key_unique(ix, k);
}

/* "(a, b)=(1, 2)" */
static const char *
key_text(lg_xtarget *t, lg_arena *a, const lg_index *ix, const struct key *k)
{
    const char *names = "", *vals = "";
    uint16_t e = 0;
    for (uint16_t i = 0; i < ix->nkeys; i++) {
        const lg_column *col = lg_relation_column(t->rel, ix->attnum[i]);
        const char *n = col ? col->name : e < ix->nexprs ? ix->exprs[e] : "?";
        e = (uint16_t)(e + !col);
        names = lg_arena_printf(a, "%s%s%s", names, i ? ", " : "", n);
        vals = lg_arena_printf(a, "%s%s%s", vals, i ? ", " : "",
                               lg_xvalue_text(t->x->es, a, ix->key[i].type, k->v[i], k->nulls[i]));
    }
    return lg_arena_printf(a, "(%s)=(%s)", names, vals);
}

static lg_status
duplicate_error(lg_xtarget *t, lg_arena *a, const lg_index *ix, const struct key *k)
{
    lg_status st = lg_error_set(t->x->es->err, "23505",
                                "duplicate key value violates unique constraint \"%s\"", ix->name);
    lg_error_detail(t->x->es->err, "Key %s already exists.", key_text(t, a, ix, k));
    lg_xconstraint_name(t->x->es, t->rel, ix->name);
    return st;
}

static lg_status
size_error(lg_xtarget *t, const lg_index *ix, size_t len)
{
    return lg_error_set(t->x->es->err, "54000",
                        "index row size %zu exceeds btree version 4 maximum 2704 for index \"%s\"",
                        len, ix->name);
}

/* ---- the writes ---- */

/* An index that is not valid may still lack the entry. */
static lg_status
entry_delete(lg_xtarget *t, const lg_index *ix, const struct key *k, lg_tid tid)
{
    lg_status st = t->acc->ops->entry_delete(t->acc->arg, lg_cat_txn(t->x->es->cat), &ix->storage,
                                             k->bytes, k->len, tid);
    return st == LG_NOT_FOUND ? (ix->valid ? LG_CORRUPT : LG_OK) : st;
}

/* A deferrable key was entered without a look at others: is there another entry, whosever? */
static lg_status
check_later(lg_xtarget *t, lg_arena *a, const lg_index *ix, const struct key *k, lg_tid tid)
{
    uint8_t *hi = lg_arena_alloc(a, k->len + 1);
    const uint8_t *key;
    size_t len;
    lg_tid other = tid;
    bool recheck;
    void *scan;
    if (!key_unique(ix, k))
        return LG_OK;
    memcpy(hi, k->bytes, k->len);
    hi[k->len] = 0xFF;
    lg_status st =
        t->acc->ops->index_open(t->acc->arg, lg_cat_txn(t->x->es->cat), NULL, &ix->storage,
                                k->bytes, k->len, hi, k->len + 1, false, &scan);
    while (st == LG_OK && other == tid)
        st = t->acc->ops->index_next(scan, &key, &len, &other, &recheck);
    t->acc->ops->index_close(scan);
    if (st == LG_END)
        return LG_OK;
    LG_TRY(st);
    lg_xcheck_event e = {.kind = LG_XCHECK_UNIQUE,
                         .table = t->rel->oid,
                         .constraint = ix->constraint,
                         .object = ix->oid,
                         .tid = tid,
                         .deferrable = true};
    for (uint16_t i = 0; i < t->rel->nconstraints; i++)
        if (t->rel->constraints[i].oid == ix->constraint)
            e.deferred = t->rel->constraints[i].deferred;
    lg_xcheck_add(t->x->es, &e);
    return LG_OK;
}

/* The entry is taken out and put in again with a look at others. */
lg_status
lg_xtarget_recheck_unique(lg_xtarget *t, lg_arena *a, lg_oid index, lg_tid tid)
{
    const lg_access *acc = t->acc;
    struct lg_txn *txn = lg_cat_txn(t->x->es->cat);
    const lg_plan_index *pi = NULL;
    const uint8_t *row;
    size_t len;
    struct key k;
    lg_tid other;
    for (uint32_t i = 0; i < t->t->nindexes; i++)
        if (t->t->indexes[i].index->oid == index)
            pi = &t->t->indexes[i];
    if (!pi)
        return LG_OK;
    lg_status st = acc->ops->row_fetch(acc->arg, txn, NULL, &t->rel->storage, tid, a, &row, &len);
    if (st == LG_NOT_FOUND)
        return LG_OK;
    LG_TRY(st);
    lg_datum *v = LG_NEWN(a, lg_datum, t->rel->ncols + 1u);
    uint8_t *vn = LG_NEWN(a, uint8_t, t->rel->ncols + 1u);
    LG_TRY(lg_xrow_decode(t->rel, row, len, v, vn));
    LG_TRY(make_key(t, a, pi, v, vn, &k));
    if (!k.wanted || !key_unique(pi->index, &k))
        return LG_OK;
    LG_TRY(entry_delete(t, pi->index, &k, tid));
    st = acc->ops->entry_insert(acc->arg, txn, &pi->index->storage, k.bytes, k.len, tid, true,
                                &other);
    return st == LG_EXISTS ? duplicate_error(t, a, pi->index, &k) : st;
}

static bool
is_arbiter(const lg_index *ix, uint32_t n, const lg_oid *arbiters)
{
    for (uint32_t i = 0; i < n; i++)
        if (arbiters[i] == ix->oid)
            return true;
    return n == 0;
}

lg_status
lg_xtarget_insert(lg_xtarget *t, lg_arena *a, const lg_datum *values, const uint8_t *nulls,
                  bool on_conflict, uint32_t narbiters, const lg_oid *arbiters, lg_tid *ret_tid,
                  lg_tid *ret_conflict)
{
    const lg_access *acc = t->acc;
    struct lg_txn *txn = lg_cat_txn(t->x->es->cat);
    const lg_plan_target *p = t->t;
    struct key *keys = LG_NEWN(a, struct key, p->nindexes + 1);
    for (uint32_t i = 0; i < p->nindexes; i++) {
        const lg_index *ix = p->indexes[i].index;
        LG_TRY(make_key(t, a, &p->indexes[i], values, nulls, &keys[i]));
        if (on_conflict && ix->unique && !ix->immediate && is_arbiter(ix, narbiters, arbiters)) {
            lg_status bad = lg_error_set(t->x->es->err, "55000",
                                         "ON CONFLICT does not support deferrable unique "
                                         "constraints/exclusion constraints as arbiters");
            lg_xconstraint_name(t->x->es, t->rel, ix->name);
            return bad;
        }
        if (!on_conflict || !keys[i].wanted || !key_unique(ix, &keys[i]) ||
            !is_arbiter(ix, narbiters, arbiters))
            continue;
        lg_status st = acc->ops->entry_probe(acc->arg, txn, &ix->storage, keys[i].bytes,
                                             keys[i].len, ret_conflict);
        lg_catalog_relstat_scanned(lg_cat_catalog(t->x->es->cat), ix->oid, true, st == LG_OK);
        if (st == LG_OK)
            return LG_EXISTS;
        if (st != LG_NOT_FOUND)
            return st;
    }
    const uint8_t *row;
    size_t len;
    lg_row_encode_arena(t->rel->rowcols, t->rel->ncols, values, nulls, a, &row, &len);
    LG_TRY(acc->ops->row_insert(acc->arg, txn, &t->rel->storage, row, len, ret_tid));
    lg_cat_relstat_changed(t->x->es->cat, t->rel->oid, 1, 0, 0);
    for (uint32_t i = 0; i < p->nindexes; i++) {
        const lg_index *ix = p->indexes[i].index;
        if (!keys[i].wanted)
            continue;
        lg_tid other = LG_TID_NONE;
        lg_status st =
            acc->ops->entry_insert(acc->arg, txn, &ix->storage, keys[i].bytes, keys[i].len,
                                   *ret_tid, key_unique_now(ix, &keys[i]), &other);
        if (st == LG_TOO_LARGE)
            return size_error(t, ix, keys[i].len);
        if (st == LG_EXISTS) {
            if (!on_conflict || !is_arbiter(ix, narbiters, arbiters))
                return duplicate_error(t, a, ix, &keys[i]);
            /* Lost a race after the probe: take our row back again and let the caller look. */
            for (uint32_t k = 0; k < i; k++)
                if (keys[k].wanted)
                    LG_TRY(entry_delete(t, p->indexes[k].index, &keys[k], *ret_tid));
            LG_TRY(acc->ops->row_delete(acc->arg, txn, NULL, &t->rel->storage, *ret_tid));
            *ret_conflict = other;
            return LG_EXISTS;
        }
        LG_TRY(st);
        if (!ix->immediate)
            LG_TRY(check_later(t, a, ix, &keys[i], *ret_tid));
    }
    return lg_xfk_written(t, a, *ret_tid, NULL, NULL, values, nulls);
}

lg_status
lg_xtarget_index_row(lg_xtarget *t, lg_arena *a, const lg_plan_index *pi, const lg_datum *values,
                     const uint8_t *nulls, lg_tid tid)
{
    struct key k;
    LG_TRY(make_key(t, a, pi, values, nulls, &k));
    if (!k.wanted)
        return LG_OK;
    lg_tid other;
    lg_status st =
        t->acc->ops->entry_insert(t->acc->arg, lg_cat_txn(t->x->es->cat), &pi->index->storage,
                                  k.bytes, k.len, tid, key_unique(pi->index, &k), &other);
    if (st == LG_TOO_LARGE)
        return size_error(t, pi->index, k.len);
    if (st != LG_EXISTS)
        return st;
    st = lg_error_set(t->x->es->err, "23505", "could not create unique index \"%s\"",
                      pi->index->name);
    lg_error_detail(t->x->es->err, "Key %s is duplicated.", key_text(t, a, pi->index, &k));
    lg_xconstraint_name(t->x->es, t->rel, pi->index->name);
    return st;
}

lg_status
lg_xtarget_index_key(lg_xtarget *t, lg_arena *a, const lg_plan_index *pi, const lg_datum *values,
                     const uint8_t *nulls, const uint8_t **ret_key, size_t *ret_len,
                     bool *ret_unique)
{
    struct key k;
    LG_TRY(make_key(t, a, pi, values, nulls, &k));
    if (!k.wanted)
        return LG_NOT_FOUND;
    *ret_key = k.bytes;
    *ret_len = k.len;
    *ret_unique = key_unique(pi->index, &k);
    return LG_OK;
}

lg_status
lg_xtarget_update(lg_xtarget *t, lg_arena *a, const struct lg_snapshot *snap, lg_tid tid,
                  const lg_datum *old, const uint8_t *old_nulls, const lg_datum *values,
                  const uint8_t *nulls)
{
    const lg_access *acc = t->acc;
    struct lg_txn *txn = lg_cat_txn(t->x->es->cat);
    const lg_plan_target *p = t->t;
    struct key *was = LG_NEWN(a, struct key, p->nindexes + 1);
    struct key *now = LG_NEWN(a, struct key, p->nindexes + 1);
    bool keys_change = false;
    for (uint32_t i = 0; i < p->nindexes; i++) {
        LG_TRY(make_key(t, a, &p->indexes[i], old, old_nulls, &was[i]));
        LG_TRY(make_key(t, a, &p->indexes[i], values, nulls, &now[i]));
        if (p->indexes[i].index->unique &&
            (was[i].wanted != now[i].wanted || was[i].len != now[i].len ||
             (now[i].wanted && memcmp(was[i].bytes, now[i].bytes, now[i].len) != 0)))
            keys_change = true;
    }
    const uint8_t *row;
    size_t len;
    lg_row_encode_arena(t->rel->rowcols, t->rel->ncols, values, nulls, a, &row, &len);
    LG_TRY(acc->ops->row_update(acc->arg, txn, snap, &t->rel->storage, tid, row, len, keys_change));
    lg_cat_relstat_changed(t->x->es->cat, t->rel->oid, 0, 1, 0);
    for (uint32_t i = 0; i < p->nindexes; i++) {
        const lg_index *ix = p->indexes[i].index;
        if (was[i].wanted && now[i].wanted && was[i].len == now[i].len &&
            memcmp(was[i].bytes, now[i].bytes, now[i].len) == 0)
            continue;
        if (was[i].wanted)
            LG_TRY(entry_delete(t, ix, &was[i], tid));
        if (!now[i].wanted)
            continue;
        lg_tid other;
        lg_status st = acc->ops->entry_insert(acc->arg, txn, &ix->storage, now[i].bytes, now[i].len,
                                              tid, key_unique_now(ix, &now[i]), &other);
        if (st == LG_EXISTS)
            return duplicate_error(t, a, ix, &now[i]);
        if (st == LG_TOO_LARGE)
            return size_error(t, ix, now[i].len);
        LG_TRY(st);
        if (!ix->immediate)
            LG_TRY(check_later(t, a, ix, &now[i], tid));
    }
    LG_TRY(lg_xfk_written(t, a, tid, old, old_nulls, values, nulls));
    return t->rel->nfk_refs ? lg_xfk_gone(t, a, old, old_nulls, values, nulls) : LG_OK;
}

lg_status
lg_xtarget_delete(lg_xtarget *t, lg_arena *a, const struct lg_snapshot *snap, lg_tid tid,
                  const lg_datum *old, const uint8_t *old_nulls)
{
    const lg_access *acc = t->acc;
    struct lg_txn *txn = lg_cat_txn(t->x->es->cat);
    const lg_plan_target *p = t->t;
    LG_TRY(acc->ops->row_delete(acc->arg, txn, snap, &t->rel->storage, tid));
    lg_cat_relstat_changed(t->x->es->cat, t->rel->oid, 0, 0, 1);
    for (uint32_t i = 0; i < p->nindexes; i++) {
        struct key k;
        LG_TRY(make_key(t, a, &p->indexes[i], old, old_nulls, &k));
        if (k.wanted)
            LG_TRY(entry_delete(t, p->indexes[i].index, &k, tid));
    }
    return t->rel->nfk_refs ? lg_xfk_gone(t, a, old, old_nulls, NULL, NULL) : LG_OK;
}

/* One row as it is now into an index that is being built while others write (ddl_concurrent.c).
 * The entry comes first, then a look at the row: whoever changes it later finds the entry, and who
 * changed it before, or is about to have, is waited for and seen. */
lg_status
lg_xtarget_index_live(lg_xtarget *t, lg_arena *a, const lg_plan_index *pi, lg_tid tid)
{
    const lg_access *acc = t->acc;
    struct lg_txn *txn = lg_cat_txn(t->x->es->cat);
    const lg_index *ix = pi->index;
    lg_datum *v = LG_NEWN(a, lg_datum, t->rel->ncols + 1u);
    uint8_t *vn = LG_NEWN(a, uint8_t, t->rel->ncols + 1u);
    for (;;) {
        const struct lg_snapshot *snap = acc->ops->snapshot_latest(acc->arg, txn, a);
        const uint8_t *row;
        size_t len;
        struct key k;
        bool changed = false;
        lg_tid other = tid;
        lg_status st =
            acc->ops->row_fetch(acc->arg, txn, snap, &t->rel->storage, tid, a, &row, &len);
        if (st == LG_NOT_FOUND)
            return LG_OK;
        LG_TRY(st);
        LG_TRY(lg_xrow_decode(t->rel, row, len, v, vn));
        LG_TRY(make_key(t, a, pi, v, vn, &k));
        if (k.wanted) {
            st = acc->ops->entry_insert(acc->arg, txn, &ix->storage, k.bytes, k.len, tid,
                                        key_unique_now(ix, &k), &other);
            if (st == LG_TOO_LARGE)
                return size_error(t, ix, k.len);
            if (st == LG_EXISTS && other != tid) {
                st = lg_error_set(t->x->es->err, "23505", "could not create unique index \"%s\"",
                                  ix->name);
                lg_error_detail(t->x->es->err, "Key %s is duplicated.", key_text(t, a, ix, &k));
                lg_xconstraint_name(t->x->es, t->rel, ix->name);
                return st;
            }
            if (st != LG_EXISTS)
                LG_TRY(st);
        }
        LG_TRY(acc->ops->row_claim(acc->arg, txn, snap, &t->rel->storage, tid, true, &changed));
        if (!changed)
            return LG_OK;
        if (k.wanted)
            LG_TRY(entry_delete(t, ix, &k, tid));
    }
}
