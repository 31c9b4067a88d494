/* Writing stored rows: constraints, the row, its index entries. Used by MODIFY, COPY and DDL.
 *
 * Order of an insert: generated columns, NOT NULL, CHECK, then the row, then each index entry (a
 * unique one that is refused leaves the row behind for the statement's rollback to take back), then
 * foreign keys. For ON CONFLICT the arbiter indexes are probed first, and the insert that loses a
 * race is taken back to a savepoint by the caller. */
#include "exec_internal.h"
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

static const char *
value_text(lg_exec *x, lg_arena *a, lg_oid type, lg_datum v, bool null)
{
    const char *s;
    size_t len;
    lg_error ignored;
    if (null)
        return "null";
    lg_error_init(&ignored, a);
    if (lg_type_output(x->es->env, type, v, a, &ignored, &s, &len) != LG_OK)
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
        const char *s = value_text(t->x, a, t->rel->cols[i].type, values[i], nulls[i]);
        if (strlen(s) > 64)
            s = lg_arena_printf(a, "%.64s...", s);
        out = lg_arena_printf(a, "%s%s%s", out, first ? "" : ", ", s);
        first = false;
    }
    return out;
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

static void
name_constraint(lg_xtarget *t, const char *constraint)
{
    lg_error *e = t->x->es->err;
    e->schema = lg_arena_strdup(e->arena, t->rel->schema);
    e->table = lg_arena_strdup(e->arena, t->rel->name);
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
        name_constraint(t, p->checks[i].name);
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
                               value_text(t->x, a, ix->key[i].type, k->v[i], k->nulls[i]));
    }
    return lg_arena_printf(a, "(%s)=(%s)", names, vals);
}

static lg_status
duplicate_error(lg_xtarget *t, lg_arena *a, const lg_index *ix, const struct key *k)
{
    lg_status st = lg_error_set(t->x->es->err, "23505",
                                "duplicate key value violates unique constraint \"%s\"", ix->name);
    lg_error_detail(t->x->es->err, "Key %s already exists.", key_text(t, a, ix, k));
    name_constraint(t, ix->name);
    return st;
}

static lg_status
size_error(lg_xtarget *t, const lg_index *ix, size_t len)
{
    return lg_error_set(t->x->es->err, "54000",
                        "index row size %zu exceeds btree version 4 maximum 2704 for index \"%s\"",
                        len, ix->name);
}

/* ---- foreign keys ---- */

static lg_status
fk_key(const lg_relation *from, const int16_t *from_keys, uint16_t n, const lg_relation *to,
       const int16_t *to_keys, const lg_index *ix, const lg_datum *values, const uint8_t *nulls,
       lg_datum *ret_v, uint8_t *ret_nulls, bool *ret_any_null)
{
    *ret_any_null = false;
    for (uint16_t k = 0; k < n; k++) {
        /* where this referenced column stands in the index */
        uint16_t at = k;
        for (uint16_t i = 0; i < ix->nkeys; i++)
            if (ix->attnum[i] == to_keys[k])
                at = i;
        const lg_column *col = &from->cols[from_keys[k] - 1];
        ret_v[at] = values[from_keys[k] - 1];
        ret_nulls[at] = nulls[from_keys[k] - 1];
        *ret_any_null |= ret_nulls[at] != 0;
        bool none = false, all = false;
        uint8_t op = LG_COND_EQ;
        if (!ret_nulls[at])
            lg_index_cond_convert(to->cols[to_keys[k] - 1].type, col->type, &op, &ret_v[at], &none,
                                  &all);
    }
    return LG_OK;
}

/* Does a live row of rel have this key in the index? Locks it FOR KEY SHARE when asked. */
static lg_status
key_exists(lg_xtarget *t, lg_arena *a, const lg_relation *rel, const lg_index *ix, uint16_t n,
           const lg_datum *v, const uint8_t *nulls, bool lock, bool *ret)
{
    const lg_access *acc = t->acc;
    struct lg_txn *txn = lg_cat_txn(t->x->es->cat);
    size_t need = lg_key_encode(ix->key, n, v, nulls, NULL, 0, NULL);
    uint8_t *lo = lg_arena_alloc(a, need + 1), *hi = lg_arena_alloc(a, need + 1);
    lg_key_encode(ix->key, n, v, nulls, lo, need, NULL);
    memcpy(hi, lo, need);
    hi[need] = 0xFF;
    *ret = false;
    for (int tries = 0; tries < 100; tries++) {
        const struct lg_snapshot *snap = acc->ops->snapshot_latest(acc->arg, txn, a);
        void *scan;
        lg_status st;
        bool again = false;
        LG_TRY(acc->ops->index_open(acc->arg, txn, snap, &ix->storage, lo, need, hi, need + 1,
                                    false, &scan));
        for (;;) {
            const uint8_t *key, *row;
            size_t key_len, len;
            lg_tid tid;
            bool recheck;
            st = acc->ops->index_next(scan, &key, &key_len, &tid, &recheck);
            if (st != LG_OK)
                break;
            st = acc->ops->row_fetch(acc->arg, txn, snap, &rel->storage, tid, a, &row, &len);
            if (st == LG_NOT_FOUND)
                continue;
            if (st != LG_OK)
                break;
            lg_datum vals[LG_ROW_MAX_COLUMNS];
            uint8_t vnulls[LG_ROW_MAX_COLUMNS];
            if ((st = lg_xrow_decode(rel, row, len, vals, vnulls)) != LG_OK)
                break;
            bool same = true;
            for (uint16_t i = 0; same && i < n; i++) {
                lg_compare_fn cmp = lg_type_compare_fn(ix->key[i].type);
                int16_t att = ix->attnum[i];
                same = att > 0 && !vnulls[att - 1] && cmp && cmp(vals[att - 1], v[i]) == 0;
            }
            if (!same)
                continue;
            if (lock) {
                st = acc->ops->row_lock(acc->arg, txn, snap, &rel->storage, tid, LG_ROW_KEY_SHARE,
                                        LG_WAIT_BLOCK);
                if (st == LG_UPDATED || st == LG_DELETED) {
                    again = true; /* look again at what is there now */
                    st = LG_END;
                    break;
                }
                if (st != LG_OK && st != LG_EXISTS)
                    break;
            }
            *ret = true;
            st = LG_END;
            break;
        }
        acc->ops->index_close(scan);
        if (st != LG_END)
            return st;
        if (!again)
            return LG_OK;
    }
    return LG_OK;
}

/* The new row's foreign keys point at something. old NULL: insert. */
static lg_status
check_references(lg_xtarget *t, lg_arena *a, const lg_datum *old, const uint8_t *old_nulls,
                 const lg_datum *values, const uint8_t *nulls)
{
    const lg_relation *rel = t->rel;
    for (uint16_t i = 0; i < rel->nconstraints; i++) {
        const lg_constraint *k = &rel->constraints[i];
        if (k->type != 'f')
            continue;
        bool changed = old == NULL, any_null, found = false;
        for (uint16_t j = 0; old && j < k->nkeys && !changed; j++) {
            int16_t c = (int16_t)(k->keys[j] - 1);
            lg_equal_fn eq = lg_type_equal_fn(rel->cols[c].type);
            changed = old_nulls[c] != nulls[c] || (!nulls[c] && (!eq || !eq(old[c], values[c])));
        }
        if (!changed)
            continue;
        lg_relation *ref;
        lg_datum v[LG_INDEX_MAX_KEYS];
        uint8_t vn[LG_INDEX_MAX_KEYS];
        LG_TRY(lg_cat_lock(t->x->es->cat, k->ref_table, LG_LOCK_ROW_SHARE, false));
        LG_TRY(lg_cat_relation_by_oid(t->x->es->cat, k->ref_table, &ref));
        const lg_index *ix = lg_relation_index(ref, k->index);
        lg_status st = LG_OK;
        if (ix)
            st = fk_key(rel, k->keys, k->nkeys, ref, k->ref_keys, ix, values, nulls, v, vn,
                        &any_null);
        if (st == LG_OK && ix && !any_null) {
            st = key_exists(t, a, ref, ix, k->nkeys, v, vn, true, &found);
            if (st == LG_OK && !found) {
                const char *names = "", *vals = "";
                for (uint16_t j = 0; j < k->nkeys; j++) {
                    const lg_column *col = &rel->cols[k->keys[j] - 1];
                    names = lg_arena_printf(a, "%s%s%s", names, j ? ", " : "", col->name);
                    vals = lg_arena_printf(a, "%s%s%s", vals, j ? ", " : "",
                                           value_text(t->x, a, col->type, values[col->attnum - 1],
                                                      nulls[col->attnum - 1]));
                }
                st = lg_error_set(t->x->es->err, "23503",
                                  "insert or update on table \"%s\" violates foreign key "
                                  "constraint \"%s\"",
                                  rel->name, k->name);
                lg_error_detail(t->x->es->err, "Key (%s)=(%s) is not present in table \"%s\".",
                                names, vals, ref->name);
                name_constraint(t, k->name);
            }
        }
        lg_relation_unref(ref);
        LG_TRY(st);
    }
    return LG_OK;
}

lg_status
lg_xtarget_references(lg_xtarget *t, lg_arena *a, const lg_datum *values, const uint8_t *nulls)
{
    return check_references(t, a, NULL, NULL, values, nulls);
}

/* ---- rows of other tables that refer to one that goes ---- */

static lg_status
referrer_error(lg_xtarget *t, lg_arena *a, const lg_relation *other, const lg_constraint *k,
               const lg_datum *old, const uint8_t *old_nulls)
{
    const char *names = "", *vals = "";
    for (uint16_t j = 0; j < k->nkeys; j++) {
        const lg_column *col = &t->rel->cols[k->ref_keys[j] - 1];
        names = lg_arena_printf(a, "%s%s%s", names, j ? ", " : "", col->name);
        vals = lg_arena_printf(
            a, "%s%s%s", vals, j ? ", " : "",
            value_text(t->x, a, col->type, old[col->attnum - 1], old_nulls[col->attnum - 1]));
    }
    lg_status st = lg_error_set(t->x->es->err, "23503",
                                "update or delete on table \"%s\" violates foreign key constraint "
                                "\"%s\" on table \"%s\"",
                                t->rel->name, k->name, other->name);
    lg_error_detail(t->x->es->err, "Key (%s)=(%s) is still referenced from table \"%s\".", names,
                    vals, other->name);
    lg_error *e = t->x->es->err;
    e->schema = lg_arena_strdup(e->arena, other->schema);
    e->table = lg_arena_strdup(e->arena, other->name);
    e->constraint = lg_arena_strdup(e->arena, k->name);
    return st;
}

static bool
row_refers(const lg_relation *rel, const lg_relation *other, const lg_constraint *k,
           const lg_datum *v, const uint8_t *vn, const lg_datum *old)
{
    for (uint16_t j = 0; j < k->nkeys; j++) {
        int16_t c = (int16_t)(k->keys[j] - 1);
        lg_datum want = old[k->ref_keys[j] - 1];
        bool none = false, all = false;
        uint8_t op = LG_COND_EQ;
        if (vn[c])
            return false;
        lg_index_cond_convert(other->cols[c].type, rel->cols[k->ref_keys[j] - 1].type, &op, &want,
                              &none, &all);
        lg_compare_fn cmp = lg_type_compare_fn(other->cols[c].type);
        if (none || !cmp || cmp(v[c], want) != 0)
            return false;
    }
    return true;
}

/* One row of `other` that refers to the row that goes: what the constraint says. */
static lg_status
referrer_act(lg_xtarget *t, lg_arena *a, lg_relation *other, const lg_constraint *k, char action,
             lg_tid tid, lg_datum *v, uint8_t *vn, const lg_datum *old, const uint8_t *old_nulls,
             const lg_datum *values, const uint8_t *nulls)
{
    if (action == 'a' || action == 'r')
        return referrer_error(t, a, other, k, old, old_nulls);
    lg_bind b;
    lg_plan_target pt;
    lg_exec *x;
    lg_xtarget ot;
    lg_bind_init(&b, t->x->es->cat, t->x->es->run, a, t->x->es->env, t->x->es->err, NULL);
    lg_status st = lg_plan_target_make(&b, other, &pt);
    if (st == LG_OK)
        st = lg_exec_bare(t->x->es, 256, &x);
    if (st != LG_OK)
        goto fini;
    st = lg_xtarget_open(x, &pt, 0, &ot);
    if (st == LG_OK && action == 'c' && !values) {
        st = lg_xtarget_delete(&ot, a, NULL, tid, v, vn);
    } else if (st == LG_OK) {
        lg_datum *nv = lg_arena_dup(a, v, other->ncols * sizeof *v);
        uint8_t *nn = lg_arena_dup(a, vn, other->ncols);
        for (uint16_t j = 0; j < k->nkeys; j++) {
            int16_t c = (int16_t)(k->keys[j] - 1), r = (int16_t)(k->ref_keys[j] - 1);
            if (action == 'c') {
                bool none, all;
                uint8_t op = LG_COND_EQ;
                nv[c] = values[r];
                nn[c] = nulls[r];
                if (!nn[c])
                    lg_index_cond_convert(other->cols[c].type, t->rel->cols[r].type, &op, &nv[c],
                                          &none, &all);
            } else {
                nv[c] = 0;
                nn[c] = 1;
                if (action == 'd' && other->cols[c].default_sql) {
                    lg_expr *e;
                    bool null;
                    uint32_t ids;
                    st = lg_bind_column_default(&b, other, &other->cols[c], &e);
                    if (st == LG_OK)
                        st = lg_plan_expr(&b, e, &e, &ids);
                    if (st == LG_OK)
                        st = lg_xexpr_scalar(x, a, e, &nv[c], &null);
                    if (st != LG_OK)
                        break;
                    nn[c] = null;
                }
            }
        }
        if (st == LG_OK)
            st = lg_xtarget_check(&ot, a, nv, nn);
        if (st == LG_OK)
            st = lg_xtarget_update(&ot, a, NULL, tid, v, vn, nv, nn);
    }
    lg_exec_close(x);
fini:
    lg_bind_fini(&b);
    return st == LG_DELETED || st == LG_UPDATED ? LG_OK : st;
}

/* old goes (values NULL) or its key changes to values. */
static lg_status
check_referrers(lg_xtarget *t, lg_arena *a, const lg_datum *old, const uint8_t *old_nulls,
                const lg_datum *values, const uint8_t *nulls)
{
    const lg_access *acc = t->acc;
    struct lg_txn *txn = lg_cat_txn(t->x->es->cat);
    for (uint16_t i = 0; i < t->rel->nfk_refs; i++) {
        lg_relation *other;
        const lg_constraint *k = NULL;
        LG_TRY(lg_cat_lock(t->x->es->cat, t->rel->fk_refs[i].table, LG_LOCK_ROW_SHARE, false));
        LG_TRY(lg_cat_relation_by_oid(t->x->es->cat, t->rel->fk_refs[i].table, &other));
        for (uint16_t j = 0; j < other->nconstraints; j++)
            if (other->constraints[j].oid == t->rel->fk_refs[i].constraint)
                k = &other->constraints[j];
        bool changed = k && !values, null_key = false;
        for (uint16_t j = 0; k && j < k->nkeys; j++) {
            int16_t c = (int16_t)(k->ref_keys[j] - 1);
            null_key |= old_nulls[c] != 0;
            lg_equal_fn eq = lg_type_equal_fn(t->rel->cols[c].type);
            if (values && (nulls[c] || old_nulls[c] || !eq || !eq(old[c], values[c])))
                changed = true;
        }
        lg_status st = LG_OK;
        if (k && changed && !null_key) {
            void *scan;
            const struct lg_snapshot *snap = acc->ops->snapshot_latest(acc->arg, txn, a);
            st = acc->ops->scan_open(acc->arg, txn, snap, &other->storage, &scan);
            while (st == LG_OK) {
                const uint8_t *row;
                size_t len;
                lg_tid tid;
                lg_datum *v = LG_NEWN(a, lg_datum, other->ncols + 1);
                uint8_t *vn = LG_NEWN(a, uint8_t, other->ncols + 1);
                st = acc->ops->scan_next(scan, a, &tid, &row, &len);
                if (st == LG_OK)
                    st = lg_xrow_decode(other, row, len, v, vn);
                if (st == LG_OK && row_refers(t->rel, other, k, v, vn, old))
                    st = referrer_act(t, a, other, k, values ? k->on_update : k->on_delete, tid, v,
                                      vn, old, old_nulls, values, nulls);
            }
            acc->ops->scan_close(scan);
            if (st == LG_END)
                st = LG_OK;
        }
        lg_relation_unref(other);
        LG_TRY(st);
    }
    return LG_OK;
}

/* ---- the writes ---- */

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
        if (!on_conflict || !keys[i].wanted || !key_unique(ix, &keys[i]) ||
            !is_arbiter(ix, narbiters, arbiters))
            continue;
        lg_status st = acc->ops->entry_probe(acc->arg, txn, &ix->storage, keys[i].bytes,
                                             keys[i].len, ret_conflict);
        if (st == LG_OK)
            return LG_EXISTS;
        if (st != LG_NOT_FOUND)
            return st;
    }
    const uint8_t *row;
    size_t len;
    lg_row_encode_arena(t->rel->rowcols, t->rel->ncols, values, nulls, a, &row, &len);
    LG_TRY(acc->ops->row_insert(acc->arg, txn, &t->rel->storage, row, len, ret_tid));
    for (uint32_t i = 0; i < p->nindexes; i++) {
        const lg_index *ix = p->indexes[i].index;
        if (!keys[i].wanted)
            continue;
        lg_tid other = LG_TID_NONE;
        lg_status st =
            acc->ops->entry_insert(acc->arg, txn, &ix->storage, keys[i].bytes, keys[i].len,
                                   *ret_tid, key_unique(ix, &keys[i]), &other);
        if (st == LG_TOO_LARGE)
            return size_error(t, ix, keys[i].len);
        if (st == LG_EXISTS) {
            if (!on_conflict || !is_arbiter(ix, narbiters, arbiters))
                return duplicate_error(t, a, ix, &keys[i]);
            /* Lost a race after the probe: take our row back again and let the caller look. */
            for (uint32_t k = 0; k < i; k++)
                if (keys[k].wanted)
                    LG_TRY(acc->ops->entry_delete(acc->arg, txn, &p->indexes[k].index->storage,
                                                  keys[k].bytes, keys[k].len, *ret_tid));
            LG_TRY(acc->ops->row_delete(acc->arg, txn, NULL, &t->rel->storage, *ret_tid));
            *ret_conflict = other;
            return LG_EXISTS;
        }
        LG_TRY(st);
    }
    return check_references(t, a, NULL, NULL, values, nulls);
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
    name_constraint(t, pi->index->name);
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
    for (uint32_t i = 0; i < p->nindexes; i++) {
        const lg_index *ix = p->indexes[i].index;
        if (was[i].wanted && now[i].wanted && was[i].len == now[i].len &&
            memcmp(was[i].bytes, now[i].bytes, now[i].len) == 0)
            continue;
        if (was[i].wanted)
            LG_TRY(
                acc->ops->entry_delete(acc->arg, txn, &ix->storage, was[i].bytes, was[i].len, tid));
        if (!now[i].wanted)
            continue;
        lg_tid other;
        lg_status st = acc->ops->entry_insert(acc->arg, txn, &ix->storage, now[i].bytes, now[i].len,
                                              tid, key_unique(ix, &now[i]), &other);
        if (st == LG_EXISTS)
            return duplicate_error(t, a, ix, &now[i]);
        if (st == LG_TOO_LARGE)
            return size_error(t, ix, now[i].len);
        LG_TRY(st);
    }
    LG_TRY(check_references(t, a, old, old_nulls, values, nulls));
    return t->rel->nfk_refs ? check_referrers(t, a, old, old_nulls, values, nulls) : LG_OK;
}

lg_status
lg_xtarget_delete(lg_xtarget *t, lg_arena *a, const struct lg_snapshot *snap, lg_tid tid,
                  const lg_datum *old, const uint8_t *old_nulls)
{
    const lg_access *acc = t->acc;
    struct lg_txn *txn = lg_cat_txn(t->x->es->cat);
    const lg_plan_target *p = t->t;
    LG_TRY(acc->ops->row_delete(acc->arg, txn, snap, &t->rel->storage, tid));
    for (uint32_t i = 0; i < p->nindexes; i++) {
        struct key k;
        LG_TRY(make_key(t, a, &p->indexes[i], old, old_nulls, &k));
        if (k.wanted)
            LG_TRY(acc->ops->entry_delete(acc->arg, txn, &p->indexes[i].index->storage, k.bytes,
                                          k.len, tid));
    }
    return t->rel->nfk_refs ? check_referrers(t, a, old, old_nulls, NULL, NULL) : LG_OK;
}
