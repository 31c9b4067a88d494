/* Foreign keys: what a written row refers to, and what refers to a key that goes.
 *
 * A key is handled as arrays in the order of the constraint's columns: keys[j] of the referring
 * table stands for ref_keys[j] of the referenced one. Everything is read as of now (the newest
 * committed rows and the transaction's own), whatever the isolation level, as PostgreSQL does. */
#include "rows_internal.h"
#include "func.h"
#include "keycodec.h"
#include "relstat.h"
#include "type.h"
#include <string.h>

static bool
is_int(lg_oid type)
{
    return type == LG_T_INT2 || type == LG_T_INT4 || type == LG_T_INT8;
}

static lg_status
cast_value(lg_exec_session *es, lg_arena *a, const lg_cast *cast, lg_datum v, lg_datum *ret)
{
    const lg_func *f = lg_func_get(cast->func);
    uint8_t nulls[3] = {0};
    lg_datum args[3] = {v, lg_datum_int4(-1), 0};
    lg_error ignored;
    lg_call c;
    *ret = v;
    if (cast->method == 'b')
        return LG_OK;
    if (cast->method != 'f' || !f || f->nargs > 3)
        return LG_UNSUPPORTED;
    lg_error_init(&ignored, a);
    lg_call_init(&c, f, es->env, &ignored, a, a);
    c.args = args;
    c.nulls = nulls;
    c.nargs = f->nargs;
    *ret = lg_func_call(&c);
    return c.st != LG_OK ? c.st : c.isnull ? LG_NOT_FOUND : LG_OK;
}

/* The value as the other side's type has it. *none: that type has no such value (out of range, or
 * changed by the way there and back). */
static void
convert(lg_exec_session *es, lg_arena *a, lg_oid to, lg_oid from, lg_datum *v, bool *none)
{
    const lg_cast *there = lg_cast_find(from, to), *back = lg_cast_find(to, from);
    lg_datum made, again;
    if (to == from)
        return;
    if (is_int(to) && is_int(from)) {
        bool all = false;
        uint8_t op = LG_COND_EQ;
        lg_index_cond_convert(to, from, &op, v, none, &all);
        return;
    }
    if (!there)
        return; /* one form: a domain's base, varchar and text */
    if (cast_value(es, a, there, *v, &made) != LG_OK) {
        *none = true;
        return;
    }
    if (there->context != 'i' && back) {
        lg_equal_fn eq = lg_type_equal_fn(from);
        *none = cast_value(es, a, back, made, &again) != LG_OK || !eq || !eq(again, *v);
    }
    *v = made;
}

/* Values in the order and of the types of the index's keys; false: no row can have them. */
static bool
index_key(lg_exec_session *es, lg_arena *a, const lg_index *ix, uint16_t n, const int16_t *cols,
          const lg_oid *types, const lg_datum *values, const uint8_t *nulls, lg_datum *ret_v,
          uint8_t *ret_nulls)
{
    for (uint16_t k = 0; k < n; k++) {
        uint16_t at = k;
        for (uint16_t i = 0; i < ix->nkeys; i++)
            if (ix->attnum[i] == cols[k])
                at = i;
        bool none = false;
        ret_v[at] = values[k];
        ret_nulls[at] = nulls ? nulls[k] : 0;
        if (!ret_nulls[at])
            convert(es, a, ix->key[at].type, types[k], &ret_v[at], &none);
        if (none)
            return false;
    }
    return true;
}

/* The range of entries whose first n keys are these. */
static void
index_range(lg_arena *a, const lg_index *ix, uint16_t n, const lg_datum *v, const uint8_t *nulls,
            uint8_t **ret_lo, uint8_t **ret_hi, size_t *ret_len)
{
    size_t need = lg_key_encode(ix->key, n, v, nulls, NULL, 0, NULL);
    *ret_lo = lg_arena_alloc(a, need + 1);
    *ret_hi = lg_arena_alloc(a, need + 1);
    lg_key_encode(ix->key, n, v, nulls, *ret_lo, need, NULL);
    memcpy(*ret_hi, *ret_lo, need);
    (*ret_hi)[need] = 0xFF;
    *ret_len = need;
}

static bool
same_key(const lg_relation *rel, const lg_index *ix, uint16_t n, const lg_datum *row,
         const uint8_t *row_nulls, const lg_datum *v)
{
    for (uint16_t i = 0; i < n; i++) {
        lg_compare_fn cmp = lg_type_compare_fn(ix->key[i].type);
        int16_t att = ix->attnum[i];
        if (att <= 0 || att > (int16_t)rel->ncols || row_nulls[att - 1] || !cmp ||
            cmp(row[att - 1], v[i]) != 0)
            return false;
    }
    return true;
}

/* One look over the index. LG_UPDATED: a row changed under our hands, look again. */
static lg_status
key_look(lg_exec_session *es, lg_arena *a, const lg_relation *rel, const lg_index *ix, uint16_t n,
         const lg_datum *v, const uint8_t *nulls, bool *ret)
{
    const lg_access *acc = lg_catalog_access(lg_cat_catalog(es->cat));
    struct lg_txn *txn = lg_cat_txn(es->cat);
    const struct lg_snapshot *snap = acc->ops->snapshot_latest(acc->arg, txn, a);
    lg_datum *vals = LG_NEWN(a, lg_datum, rel->ncols + 1u);
    uint8_t *vnulls = LG_NEWN(a, uint8_t, rel->ncols + 1u), *lo, *hi;
    size_t len;
    void *scan;
    lg_status st;
    uint64_t rows = 0;
    index_range(a, ix, n, v, nulls, &lo, &hi, &len);
    LG_TRY(acc->ops->index_open(acc->arg, txn, snap, &ix->storage, lo, len, hi, len + 1, false,
                                &scan));
    for (;;) {
        const uint8_t *key, *row;
        size_t key_len, row_len;
        lg_tid tid;
        bool recheck;
        LG_CHECK(acc->ops->index_next(scan, &key, &key_len, &tid, &recheck));
        st = acc->ops->row_fetch(acc->arg, txn, snap, &rel->storage, tid, a, &row, &row_len);
        if (st == LG_NOT_FOUND)
            continue;
        if (st != LG_OK)
            goto out;
        rows++;
        LG_CHECK(lg_xrow_decode(rel, row, row_len, vals, vnulls));
        if (!same_key(rel, ix, n, vals, vnulls, v))
            continue;
        st = acc->ops->row_lock(acc->arg, txn, snap, &rel->storage, tid, LG_ROW_KEY_SHARE,
                                LG_WAIT_BLOCK);
        if (st == LG_UPDATED || st == LG_DELETED) {
            st = LG_UPDATED;
            goto out;
        }
        if (st == LG_OK || st == LG_EXISTS) {
            *ret = true;
            st = LG_OK;
        }
        goto out;
    }
out:
    acc->ops->index_close(scan);
    lg_catalog_relstat_scanned(lg_cat_catalog(es->cat), ix->oid, true, rows);
    return st == LG_END ? LG_OK : st;
}

/* Does a live row of rel have this key in the index? It is locked FOR KEY SHARE. */
static lg_status
key_exists(lg_exec_session *es, lg_arena *a, const lg_relation *rel, const lg_index *ix, uint16_t n,
           const lg_datum *v, const uint8_t *nulls, bool *ret)
{
    lg_status st = LG_UPDATED;
    *ret = false;
    for (int tries = 0; tries < 100 && st == LG_UPDATED; tries++)
        st = key_look(es, a, rel, ix, n, v, nulls, ret);
    return st == LG_UPDATED ? LG_SERIALIZATION : st;
}

/* ---- what a row refers to ---- */

static lg_status
reference_error(lg_exec_session *es, lg_arena *a, const lg_relation *rel, const lg_constraint *k,
                const lg_relation *ref, const lg_datum *values, const uint8_t *nulls)
{
    const char *names = "", *vals = "";
    for (uint16_t j = 0; j < k->nkeys; j++) {
        const lg_column *col = &rel->cols[k->keys[j] - 1];
        names = lg_arena_printf(a, "%s%s%s", names, j ? ", " : "", col->name);
        vals = lg_arena_printf(
            a, "%s%s%s", vals, j ? ", " : "",
            lg_xvalue_text(es, a, col->type, values[col->attnum - 1], nulls[col->attnum - 1]));
    }
    lg_status st = lg_error_set(
        es->err, "23503", "insert or update on table \"%s\" violates foreign key constraint \"%s\"",
        rel->name, k->name);
    if (ref)
        lg_error_detail(es->err, "Key (%s)=(%s) is not present in table \"%s\".", names, vals,
                        ref->name);
    else
        lg_error_detail(es->err,
                        "MATCH FULL does not allow mixing of null and nonnull key values.");
    lg_xconstraint_name(es, rel, k->name);
    return st;
}

/* Does the row refer to something that is there? final: an error if not. */
static lg_status
check_reference(lg_exec_session *es, lg_arena *a, const lg_relation *rel, const lg_constraint *k,
                const lg_datum *values, const uint8_t *nulls, bool final, bool *ret_found)
{
    lg_relation *ref;
    lg_datum key[LG_INDEX_MAX_KEYS], v[LG_INDEX_MAX_KEYS];
    uint8_t vn[LG_INDEX_MAX_KEYS];
    lg_oid types[LG_INDEX_MAX_KEYS];
    uint16_t none = 0;
    *ret_found = true;
    for (uint16_t j = 0; j < k->nkeys; j++) {
        none = (uint16_t)(none + (nulls[k->keys[j] - 1] != 0));
        key[j] = values[k->keys[j] - 1];
        types[j] = rel->cols[k->keys[j] - 1].type;
    }
    if (none && (k->match != 'f' || none == k->nkeys))
        return LG_OK;
    if (none) {
        *ret_found = false;
        return final ? reference_error(es, a, rel, k, NULL, values, nulls) : LG_OK;
    }
    LG_TRY(lg_cat_lock(es->cat, k->ref_table, LG_LOCK_ROW_SHARE, false));
    LG_TRY(lg_cat_relation_by_oid(es->cat, k->ref_table, &ref));
    const lg_index *ix = lg_relation_index(ref, k->index);
    lg_status st = LG_OK;
    if (ix) {
        *ret_found = false;
        if (index_key(es, a, ix, k->nkeys, k->ref_keys, types, key, NULL, v, vn))
            st = key_exists(es, a, ref, ix, k->nkeys, v, vn, ret_found);
    }
    if (st == LG_OK && !*ret_found && final)
        st = reference_error(es, a, rel, k, ref, values, nulls);
    lg_relation_unref(ref);
    return st;
}

lg_status
lg_xtarget_references(lg_xtarget *t, lg_arena *a, const lg_constraint *k, const lg_datum *values,
                      const uint8_t *nulls)
{
    bool found;
    return check_reference(t->x->es, a, t->rel, k, values, nulls, true, &found);
}

lg_status
lg_xfk_written(lg_xtarget *t, lg_arena *a, lg_tid tid, const lg_datum *old,
               const uint8_t *old_nulls, const lg_datum *values, const uint8_t *nulls)
{
    const lg_relation *rel = t->rel;
    for (uint16_t i = 0; i < rel->nconstraints; i++) {
        const lg_constraint *k = &rel->constraints[i];
        if (k->type != 'f')
            continue;
        bool changed = old == NULL, found = false, some = false;
        for (uint16_t j = 0; j < k->nkeys; j++) {
            int16_t c = (int16_t)(k->keys[j] - 1);
            lg_equal_fn eq = lg_type_equal_fn(rel->cols[c].type);
            some |= !nulls[c];
            if (!changed)
                changed =
                    old_nulls[c] != nulls[c] || (!nulls[c] && (!eq || !eq(old[c], values[c])));
        }
        if (!changed || !some)
            continue;
        if (!lg_xcheck_deferred(t->x->es, k->oid, k->deferrable, k->deferred))
            LG_TRY(check_reference(t->x->es, a, rel, k, values, nulls, false, &found));
        if (found)
            continue;
        lg_xcheck_event e = {.kind = LG_XCHECK_REFERENCE,
                             .table = rel->oid,
                             .constraint = k->oid,
                             .tid = tid,
                             .deferrable = k->deferrable,
                             .deferred = k->deferred};
        lg_xcheck_add(t->x->es, &e);
    }
    return LG_OK;
}

/* ---- rows that refer to a key ---- */

struct referrers {
    lg_exec_session *es;
    lg_arena *a;
    const lg_relation *ref, *rel; /* rel refers to ref */
    const lg_constraint *k;
    const lg_datum *key;           /* of ref */
    const lg_index *ix;            /* of rel, or NULL: all rows are looked at */
    uint16_t nix;                  /* keys of it that are known */
    lg_datum v[LG_INDEX_MAX_KEYS]; /* the key as rel has it, in the constraint's order */
    bool none;                     /* no row of rel can have it */
};

/* The index with the most leading keys among the constraint's columns. */
static void
choose_index(struct referrers *f)
{
    for (uint16_t i = 0; i < f->rel->nindexes; i++) {
        const lg_index *ix = f->rel->indexes[i];
        uint16_t n = 0;
        if (!ix->valid || ix->predicate_sql)
            continue;
        for (bool more = true; more && n < ix->nkeys; n = (uint16_t)(n + more)) {
            more = false;
            for (uint16_t j = 0; j < f->k->nkeys; j++)
                more |= f->k->keys[j] == ix->attnum[n];
        }
        if (n > f->nix) {
            f->ix = ix;
            f->nix = n;
        }
    }
}

static void
referrers_init(struct referrers *f)
{
    for (uint16_t j = 0; j < f->k->nkeys; j++) {
        f->v[j] = f->key[j];
        convert(f->es, f->a, f->rel->cols[f->k->keys[j] - 1].type,
                f->ref->cols[f->k->ref_keys[j] - 1].type, &f->v[j], &f->none);
        if (f->none)
            return;
    }
    choose_index(f);
}

static bool
refers(const struct referrers *f, const lg_datum *row, const uint8_t *nulls)
{
    for (uint16_t j = 0; j < f->k->nkeys; j++) {
        int16_t c = (int16_t)(f->k->keys[j] - 1);
        lg_compare_fn cmp = lg_type_compare_fn(f->rel->cols[c].type);
        if (nulls[c] || !cmp || cmp(row[c], f->v[j]) != 0)
            return false;
    }
    return true;
}

struct tids {
    lg_tid *at;
    uint32_t n, cap;
};

static void
tids_add(struct referrers *f, struct tids *t, lg_tid tid)
{
    if (t->n == t->cap) {
        lg_tid *more = LG_NEWN(f->a, lg_tid, 2 * t->cap + 16);
        if (t->n)
            memcpy(more, t->at, t->n * sizeof *more);
        t->at = more;
        t->cap = 2 * t->cap + 16;
    }
    t->at[t->n++] = tid;
}

static lg_status
consider(struct referrers *f, const uint8_t *row, size_t len, lg_tid tid, lg_datum *v, uint8_t *vn,
         struct tids *t)
{
    LG_TRY(lg_xrow_decode(f->rel, row, len, v, vn));
    if (refers(f, v, vn) && !(t->n && t->at[t->n - 1] == tid))
        tids_add(f, t, tid);
    return LG_OK;
}

/* Rows that refer to the key now, locked by nobody: all of them, or `first` only the first. */
static lg_status
find_referrers(struct referrers *f, bool first, struct tids *t)
{
    const lg_access *acc = lg_catalog_access(lg_cat_catalog(f->es->cat));
    struct lg_txn *txn = lg_cat_txn(f->es->cat);
    const struct lg_snapshot *snap = acc->ops->snapshot_latest(acc->arg, txn, f->a);
    lg_datum *v = LG_NEWN(f->a, lg_datum, f->rel->ncols + 1u);
    uint8_t *vn = LG_NEWN(f->a, uint8_t, f->rel->ncols + 1u);
    const uint8_t *row;
    size_t len;
    lg_tid tid;
    void *scan;
    lg_status st;
    uint64_t rows = 0;
    memset(t, 0, sizeof *t);
    if (f->none)
        return LG_OK;
    lg_arena *tmp = lg_arena_create("referring row", 0);
    if (f->ix) {
        lg_datum key[LG_INDEX_MAX_KEYS];
        uint8_t nulls[LG_INDEX_MAX_KEYS] = {0}, *lo, *hi;
        const uint8_t *entry;
        size_t klen, elen;
        bool recheck;
        for (uint16_t i = 0; i < f->nix; i++)
            for (uint16_t j = 0; j < f->k->nkeys; j++)
                if (f->k->keys[j] == f->ix->attnum[i])
                    key[i] = f->v[j];
        index_range(f->a, f->ix, f->nix, key, nulls, &lo, &hi, &klen);
        st = acc->ops->index_open(acc->arg, txn, snap, &f->ix->storage, lo, klen, hi, klen + 1,
                                  false, &scan);
        while (st == LG_OK && !(first && t->n)) {
            lg_arena_reset(tmp);
            st = acc->ops->index_next(scan, &entry, &elen, &tid, &recheck);
            if (st != LG_OK)
                break;
            st = acc->ops->row_fetch(acc->arg, txn, snap, &f->rel->storage, tid, tmp, &row, &len);
            rows += st == LG_OK;
            if (st == LG_OK)
                st = consider(f, row, len, tid, v, vn, t);
            else if (st == LG_NOT_FOUND)
                st = LG_OK;
        }
        acc->ops->index_close(scan);
    } else {
        st = acc->ops->scan_open(acc->arg, txn, snap, &f->rel->storage, &scan);
        for (uint64_t i = 1; st == LG_OK && !(first && t->n); i++) {
            lg_arena_reset(tmp);
            st = acc->ops->scan_next(scan, tmp, &tid, &row, &len);
            rows += st == LG_OK;
            if (st == LG_OK)
                st = consider(f, row, len, tid, v, vn, t);
            if (st == LG_OK && i % 1024 == 0 && f->es->check_cancel)
                st = f->es->check_cancel(f->es->arg);
        }
        acc->ops->scan_close(scan);
    }
    lg_arena_destroy(tmp);
    lg_catalog_relstat_scanned(lg_cat_catalog(f->es->cat), f->ix ? f->ix->oid : f->rel->oid,
                               f->ix != NULL, rows);
    return st == LG_END ? LG_OK : st;
}

/* Locks the row and reads what it is now, into v and vn. *ret: it still refers to the key. */
static lg_status
lock_referrer(struct referrers *f, lg_arena *a, lg_tid tid, lg_row_lockmode mode, lg_datum *v,
              uint8_t *vn, bool *ret)
{
    const lg_access *acc = lg_catalog_access(lg_cat_catalog(f->es->cat));
    struct lg_txn *txn = lg_cat_txn(f->es->cat);
    const struct lg_snapshot *snap = acc->ops->snapshot_latest(acc->arg, txn, a);
    const uint8_t *row;
    size_t len;
    *ret = false;
    lg_status st =
        acc->ops->row_lock(acc->arg, txn, snap, &f->rel->storage, tid, mode, LG_WAIT_BLOCK);
    if (st == LG_DELETED || st == LG_NOT_FOUND)
        return LG_OK;
    if (st != LG_OK && st != LG_EXISTS && st != LG_UPDATED)
        return st;
    st = acc->ops->row_fetch(acc->arg, txn, NULL, &f->rel->storage, tid, a, &row, &len);
    if (st == LG_NOT_FOUND)
        return LG_OK;
    LG_TRY(st);
    LG_TRY(lg_xrow_decode(f->rel, row, len, v, vn));
    *ret = refers(f, v, vn);
    return LG_OK;
}

static const lg_constraint *
constraint_of(const lg_relation *rel, lg_oid oid)
{
    for (uint16_t j = 0; j < rel->nconstraints; j++)
        if (rel->constraints[j].oid == oid)
            return &rel->constraints[j];
    return NULL;
}

/* Keys of rel that one constraint refers to: events when there is somebody who does. */
static lg_status
key_goes(lg_xtarget *t, lg_arena *a, const lg_relation *other, const lg_constraint *k,
         const lg_datum *old, const uint8_t *old_nulls, const lg_datum *values,
         const uint8_t *nulls)
{
    lg_exec_session *es = t->x->es;
    lg_datum key[LG_INDEX_MAX_KEYS];
    bool changed = !values;
    for (uint16_t j = 0; j < k->nkeys; j++) {
        int16_t c = (int16_t)(k->ref_keys[j] - 1);
        lg_equal_fn eq = lg_type_equal_fn(t->rel->cols[c].type);
        if (old_nulls[c])
            return LG_OK; /* nobody refers to that */
        if (values && (nulls[c] || !eq || !eq(old[c], values[c])))
            changed = true;
        key[j] = old[c];
    }
    if (!changed)
        return LG_OK;
    struct referrers f = {.es = es, .a = a, .ref = t->rel, .rel = other, .k = k, .key = key};
    struct tids tids;
    referrers_init(&f);
    LG_TRY(find_referrers(&f, true, &tids));
    if (!tids.n)
        return LG_OK;
    char action = values ? k->on_update : k->on_delete;
    lg_arena *keep = lg_xcheck_keep(es);
    lg_datum *was = LG_NEWN(keep, lg_datum, k->nkeys), *now = NULL;
    uint8_t *now_nulls = LG_NEWN(keep, uint8_t, k->nkeys);
    if (values)
        now = LG_NEWN(keep, lg_datum, k->nkeys);
    for (uint16_t j = 0; j < k->nkeys; j++) {
        int16_t c = (int16_t)(k->ref_keys[j] - 1);
        lg_oid type = t->rel->cols[c].type;
        was[j] = lg_datum_copy(type, key[j], keep);
        if (!values)
            continue;
        now_nulls[j] = nulls[c];
        now[j] = nulls[c] ? 0 : lg_datum_copy(type, values[c], keep);
    }
    lg_xcheck_event e = {.kind = LG_XCHECK_REFERRERS,
                         .table = t->rel->oid,
                         .constraint = k->oid,
                         .object = other->oid,
                         .deferrable = k->deferrable && action == 'a',
                         .deferred = k->deferred,
                         .old = was,
                         .now = now,
                         .now_nulls = now_nulls};
    lg_xcheck_add(es, &e);
    return LG_OK;
}

lg_status
lg_xfk_gone(lg_xtarget *t, lg_arena *a, const lg_datum *old, const uint8_t *old_nulls,
            const lg_datum *values, const uint8_t *nulls)
{
    lg_cat *cat = t->x->es->cat;
    for (uint16_t i = 0; i < t->rel->nfk_refs; i++) {
        lg_relation *other;
        LG_TRY(lg_cat_lock(cat, t->rel->fk_refs[i].table, LG_LOCK_ROW_SHARE, false));
        LG_TRY(lg_cat_relation_by_oid(cat, t->rel->fk_refs[i].table, &other));
        const lg_constraint *k = constraint_of(other, t->rel->fk_refs[i].constraint);
        lg_status st = k ? key_goes(t, a, other, k, old, old_nulls, values, nulls) : LG_OK;
        lg_relation_unref(other);
        LG_TRY(st);
    }
    return LG_OK;
}

static lg_status
referrer_error(struct referrers *f)
{
    const char *names = "", *vals = "";
    lg_arena *a = f->a;
    for (uint16_t j = 0; j < f->k->nkeys; j++) {
        const lg_column *col = &f->ref->cols[f->k->ref_keys[j] - 1];
        names = lg_arena_printf(a, "%s%s%s", names, j ? ", " : "", col->name);
        vals = lg_arena_printf(a, "%s%s%s", vals, j ? ", " : "",
                               lg_xvalue_text(f->es, a, col->type, f->key[j], false));
    }
    lg_status st = lg_error_set(f->es->err, "23503",
                                "update or delete on table \"%s\" violates foreign key constraint "
                                "\"%s\" on table \"%s\"",
                                f->ref->name, f->k->name, f->rel->name);
    lg_error_detail(f->es->err, "Key (%s)=(%s) is still referenced from table \"%s\".", names, vals,
                    f->rel->name);
    lg_xconstraint_name(f->es, f->rel, f->k->name);
    return st;
}

/* NO ACTION and RESTRICT: a row that refers, and will go on doing so, is the error. NO ACTION is
 * content when another row has the key by now. */
static lg_status
refuse(struct referrers *f, char action)
{
    struct tids tids;
    lg_datum *v = LG_NEWN(f->a, lg_datum, f->rel->ncols + 1u);
    uint8_t *vn = LG_NEWN(f->a, uint8_t, f->rel->ncols + 1u);
    const lg_index *ix = lg_relation_index(f->ref, f->k->index);
    if (action != 'r' && ix) {
        lg_datum key[LG_INDEX_MAX_KEYS];
        uint8_t nulls[LG_INDEX_MAX_KEYS];
        lg_oid types[LG_INDEX_MAX_KEYS];
        bool found = false;
        for (uint16_t j = 0; j < f->k->nkeys; j++)
            types[j] = f->ref->cols[f->k->ref_keys[j] - 1].type;
        if (index_key(f->es, f->a, ix, f->k->nkeys, f->k->ref_keys, types, f->key, NULL, key,
                      nulls))
            LG_TRY(key_exists(f->es, f->a, f->ref, ix, f->k->nkeys, key, nulls, &found));
        if (found)
            return LG_OK;
    }
    LG_TRY(find_referrers(f, false, &tids));
    for (uint32_t i = 0; i < tids.n; i++) {
        bool still;
        LG_TRY(lock_referrer(f, f->a, tids.at[i], LG_ROW_KEY_SHARE, v, vn, &still));
        if (still)
            return referrer_error(f);
    }
    return LG_OK;
}

/* The new value of one key column of a referring row. */
static lg_status
new_value(struct referrers *f, const lg_xcheck_event *e, lg_xtarget *t, char action, uint16_t j,
          lg_datum *ret, uint8_t *ret_null)
{
    const lg_column *col = &f->rel->cols[f->k->keys[j] - 1];
    *ret = 0;
    *ret_null = 1;
    if (action == 'c') {
        bool none = false;
        *ret = e->now[j];
        *ret_null = e->now_nulls[j];
        if (!*ret_null)
            convert(f->es, f->a, col->type, f->ref->cols[f->k->ref_keys[j] - 1].type, ret, &none);
        return none ? lg_error_set(f->es->err, "22003", "%s out of range",
                                   lg_type_format(f->a, col->type, -1))
                    : LG_OK;
    }
    if (action != 'd' || !col->default_sql)
        return LG_OK;
    lg_bind b;
    lg_expr *x;
    uint32_t ids;
    bool null = true;
    lg_bind_init(&b, f->es->cat, f->es->run, f->a, f->es->env, f->es->err, NULL);
    lg_status st = lg_bind_column_default(&b, t->rel, col, &x);
    if (st == LG_OK)
        st = lg_plan_expr(&b, x, &x, &ids);
    if (st == LG_OK)
        st = lg_xexpr_scalar(t->x, f->a, x, ret, &null);
    lg_bind_fini(&b);
    *ret_null = null;
    return st;
}

/* ON DELETE SET NULL (columns) names those that change. */
static bool
is_set(const struct referrers *f, const lg_xcheck_event *e, uint16_t j)
{
    if (e->now || !f->k->nset)
        return true;
    for (uint16_t i = 0; i < f->k->nset; i++)
        if (f->k->set_keys[i] == f->k->keys[j])
            return true;
    return false;
}

static lg_status
act_on(struct referrers *f, const lg_xcheck_event *e, lg_xtarget *t, char action, lg_tid tid)
{
    uint16_t n = f->rel->ncols;
    lg_datum *v = LG_NEWN(f->a, lg_datum, n + 1u), *nv;
    uint8_t *vn = LG_NEWN(f->a, uint8_t, n + 1u), *nn;
    bool still;
    lg_status st;
    LG_TRY(lock_referrer(f, f->a, tid, LG_ROW_UPDATE, v, vn, &still));
    if (!still)
        return LG_OK;
    if (action == 'c' && !e->now) {
        st = lg_xtarget_delete(t, f->a, NULL, tid, v, vn);
    } else {
        nv = lg_arena_dup(f->a, v, n * sizeof *v);
        nn = lg_arena_dup(f->a, vn, n);
        for (uint16_t j = 0; j < f->k->nkeys; j++) {
            int16_t c = (int16_t)(f->k->keys[j] - 1);
            if (is_set(f, e, j))
                LG_TRY(new_value(f, e, t, action, j, &nv[c], &nn[c]));
        }
        LG_TRY(lg_xtarget_check(t, f->a, nv, nn));
        st = lg_xtarget_update(t, f->a, NULL, tid, v, vn, nv, nn);
    }
    return st == LG_DELETED || st == LG_UPDATED ? LG_OK : st;
}

static lg_status
run_referrers(lg_xcheck_run *r, const lg_xcheck_event *e, lg_xtarget *ref)
{
    lg_xtarget *t;
    struct tids tids;
    LG_TRY(lg_xcheck_target(r, e->object, LG_LOCK_ROW_SHARE, &t));
    const lg_constraint *k = constraint_of(t->rel, e->constraint);
    if (!k)
        return LG_OK;
    char action = e->now ? k->on_update : k->on_delete;
    struct referrers f = {.es = t->x->es,
                          .a = lg_xcheck_arena(r),
                          .ref = ref->rel,
                          .rel = t->rel,
                          .k = k,
                          .key = e->old};
    referrers_init(&f);
    if (action == 'a' || action == 'r')
        return refuse(&f, action);
    LG_TRY(lg_xcheck_target(r, e->object, LG_LOCK_ROW_EXCLUSIVE, &t));
    LG_TRY(find_referrers(&f, false, &tids));
    for (uint32_t i = 0; i < tids.n; i++)
        LG_TRY(act_on(&f, e, t, action, tids.at[i]));
    /* the default may be the very key that goes */
    return action == 'd' ? refuse(&f, 'a') : LG_OK;
}

lg_status
lg_xfk_run(lg_xcheck_run *r, const lg_xcheck_event *e)
{
    lg_xtarget *t;
    LG_TRY(lg_xcheck_target(r, e->table, LG_LOCK_ROW_SHARE, &t));
    if (e->kind == LG_XCHECK_REFERRERS)
        return run_referrers(r, e, t);
    const lg_constraint *k = constraint_of(t->rel, e->constraint);
    const uint8_t *row;
    size_t len;
    bool found;
    lg_arena *a = lg_xcheck_arena(r);
    if (!k)
        return LG_OK;
    LG_TRY(t->acc->ops->row_fetch(t->acc->arg, lg_cat_txn(t->x->es->cat), NULL, &t->rel->storage,
                                  e->tid, a, &row, &len)); /* LG_NOT_FOUND: gone */
    lg_datum *v = LG_NEWN(a, lg_datum, t->rel->ncols + 1u);
    uint8_t *vn = LG_NEWN(a, uint8_t, t->rel->ncols + 1u);
    LG_TRY(lg_xrow_decode(t->rel, row, len, v, vn));
    return check_reference(t->x->es, a, t->rel, k, v, vn, true, &found);
}
