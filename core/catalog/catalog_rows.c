/* Rows of the catalog tables: read through their indexes, inserted, changed and deleted with their
 * index entries. What is read is what is committed at the moment of opening the scan (plus the
 * transaction's own changes), whatever the transaction's snapshot: as PostgreSQL's catalog
 * snapshots. */
#include "catalog_internal.h"
#include <string.h>

static const lg_relation *
stored_table(const lg_cat *c, lg_oid table)
{
    const lg_relation *r = lg_cat__system_by_oid(c->cat, table);
    LG_ASSERT(r && lg_cat__table_stored(table));
    return r;
}

static void
encode_key(const lg_index *ix, uint16_t n, const lg_datum *values, const uint8_t *nulls,
           lg_arena *a, const uint8_t **ret, size_t *ret_len, bool *ret_has_null)
{
    size_t cap = 256;
    uint8_t *buf = lg_arena_alloc(a, cap);
    bool has_null = false;
    size_t need = lg_key_encode(ix->key, n, values, nulls, buf, cap, &has_null);
    if (need > cap) {
        buf = lg_arena_alloc(a, need);
        lg_key_encode(ix->key, n, values, nulls, buf, need, &has_null);
    }
    *ret = buf;
    *ret_len = need;
    if (ret_has_null)
        *ret_has_null = has_null;
}

static void
row_key(const lg_index *ix, const lg_cat_row *row, lg_arena *a, const uint8_t **ret,
        size_t *ret_len, bool *ret_has_null)
{
    lg_datum v[LG_INDEX_MAX_KEYS];
    uint8_t nulls[LG_INDEX_MAX_KEYS];
    for (uint16_t i = 0; i < ix->nkeys; i++) {
        v[i] = row->v[ix->attnum[i] - 1];
        nulls[i] = row->null[ix->attnum[i] - 1];
    }
    encode_key(ix, ix->nkeys, v, nulls, a, ret, ret_len, ret_has_null);
}

lg_status
lg_cat_scan_open(lg_cat *c, lg_oid table, lg_oid index, uint16_t nkeys, const lg_datum *keys,
                 lg_arena *a, lg_cat_scan *ret_scan)
{
    lg_cat_scan *s = ret_scan;
    const lg_access *acc = &c->cat->access;
    static const uint8_t no_nulls[4];
    memset(s, 0, sizeof *s);
    s->cat = c;
    s->rel = stored_table(c, table);
    s->arena = a;
    s->snap = acc->ops->snapshot_latest(acc->arg, c->txn, a);
    if (!index)
        return acc->ops->scan_open(acc->arg, c->txn, s->snap, &s->rel->storage, &s->scan);
    s->index = lg_relation_index(s->rel, index);
    LG_ASSERT(s->index && nkeys <= 4 && nkeys <= s->index->nkeys);
    s->nkeys = nkeys;
    if (nkeys)
        memcpy(s->keys, keys, nkeys * sizeof *keys);
    encode_key(s->index, nkeys, s->keys, no_nulls, a, &s->lo, &s->lo_len, NULL);
    uint8_t *hi = lg_arena_alloc(a, s->lo_len + 1);
    memcpy(hi, s->lo, s->lo_len);
    hi[s->lo_len] = 0xFF;
    return acc->ops->index_open(acc->arg, c->txn, s->snap, &s->index->storage, s->lo, s->lo_len, hi,
                                s->lo_len + 1, false, &s->scan);
}

static lg_status
decode(lg_cat_scan *s, const uint8_t *data, size_t len, lg_tid tid, lg_cat_row *row)
{
    row->tid = tid;
    row->natts = s->rel->ncols;
    return lg_row_decode(s->rel->rowcols, s->rel->ncols, data, len, row->v, row->null, NULL);
}

lg_status
lg_cat_scan_next(lg_cat_scan *s, lg_cat_row *ret_row)
{
    const lg_access *acc = &s->cat->cat->access;
    const uint8_t *data;
    size_t len;
    lg_tid tid;
    if (!s->index) {
        LG_TRY(acc->ops->scan_next(s->scan, s->arena, &tid, &data, &len));
        return decode(s, data, len, tid, ret_row);
    }
    for (;;) {
        const uint8_t *key;
        size_t key_len;
        bool recheck;
        LG_TRY(acc->ops->index_next(s->scan, &key, &key_len, &tid, &recheck));
        key = lg_arena_dup(s->arena, key, key_len);
        lg_status st = acc->ops->row_fetch(acc->arg, s->cat->txn, s->snap, &s->rel->storage, tid,
                                           s->arena, &data, &len);
        if (st == LG_NOT_FOUND)
            continue;
        LG_TRY(st);
        LG_TRY(decode(s, data, len, tid, ret_row));
        /* The entry may be of another version of the row. */
        if (!recheck)
            return LG_OK;
        const uint8_t *now;
        size_t now_len;
        row_key(s->index, ret_row, s->arena, &now, &now_len, NULL);
        if (now_len != key_len || memcmp(now, key, key_len) != 0)
            continue;
        return LG_OK;
    }
}

void
lg_cat_scan_close(lg_cat_scan *s)
{
    const lg_access *acc = &s->cat->cat->access;
    if (!s->scan)
        return;
    if (s->index)
        acc->ops->index_close(s->scan);
    else
        acc->ops->scan_close(s->scan);
    s->scan = NULL;
}

lg_status
lg_cat_find(lg_cat *c, lg_oid table, lg_oid index, uint16_t nkeys, const lg_datum *keys,
            lg_arena *a, lg_cat_row *ret_row)
{
    lg_cat_scan s;
    LG_TRY(lg_cat_scan_open(c, table, index, nkeys, keys, a, &s));
    lg_status st = lg_cat_scan_next(&s, ret_row);
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_NOT_FOUND : st;
}

static lg_status
entry_delete(lg_cat *c, const lg_index *ix, const uint8_t *key, size_t len, lg_tid tid)
{
    const lg_access *acc = &c->cat->access;
    lg_status st = acc->ops->entry_delete(acc->arg, c->txn, &ix->storage, key, len, tid);
    return st == LG_NOT_FOUND ? LG_CORRUPT : st;
}

static lg_status
entries_insert(lg_cat *c, const lg_relation *r, const lg_cat_row *row, const lg_cat_row *old,
               lg_arena *a)
{
    const lg_access *acc = &c->cat->access;
    for (uint16_t i = 0; i < r->nindexes; i++) {
        const lg_index *ix = r->indexes[i];
        const uint8_t *key, *old_key;
        size_t len, old_len;
        bool has_null;
        row_key(ix, row, a, &key, &len, &has_null);
        if (old) {
            row_key(ix, old, a, &old_key, &old_len, NULL);
            if (len == old_len && memcmp(key, old_key, len) == 0)
                continue;
            LG_TRY(entry_delete(c, ix, old_key, old_len, old->tid));
        }
        lg_tid other;
        LG_TRY(acc->ops->entry_insert(acc->arg, c->txn, &ix->storage, key, len, row->tid,
                                      ix->unique && !has_null, &other));
    }
    return LG_OK;
}

lg_status
lg_cat_insert(lg_cat *c, lg_oid table, lg_cat_row *row)
{
    const lg_relation *r = stored_table(c, table);
    const lg_access *acc = &c->cat->access;
    lg_arena *a = lg_arena_create("catalog row", 0);
    const uint8_t *data;
    size_t len;
    LG_ASSERT(row->natts == r->ncols);
    lg_row_encode_arena(r->rowcols, r->ncols, row->v, row->null, a, &data, &len);
    lg_status st = acc->ops->row_insert(acc->arg, c->txn, &r->storage, data, len, &row->tid);
    if (st == LG_OK)
        st = entries_insert(c, r, row, NULL, a);
    lg_cat__row_changed(c, table, row, NULL, true);
    lg_arena_destroy(a);
    return st;
}

static lg_status
conflict(lg_status st)
{
    return st == LG_UPDATED || st == LG_DELETED ? LG_SERIALIZATION : st;
}

lg_status
lg_cat_update(lg_cat *c, lg_oid table, const lg_cat_row *old, lg_cat_row *row)
{
    const lg_relation *r = stored_table(c, table);
    const lg_access *acc = &c->cat->access;
    lg_arena *a = lg_arena_create("catalog row", 0);
    const struct lg_snapshot *snap = acc->ops->snapshot_latest(acc->arg, c->txn, a);
    const uint8_t *data;
    size_t len;
    row->tid = old->tid;
    lg_row_encode_arena(r->rowcols, r->ncols, row->v, row->null, a, &data, &len);
    lg_status st = conflict(
        acc->ops->row_update(acc->arg, c->txn, snap, &r->storage, old->tid, data, len, true));
    if (st == LG_OK)
        st = entries_insert(c, r, row, old, a);
    lg_cat__row_changed(c, table, row, old, false);
    lg_arena_destroy(a);
    return st;
}

lg_status
lg_cat_delete(lg_cat *c, lg_oid table, const lg_cat_row *row)
{
    const lg_relation *r = stored_table(c, table);
    const lg_access *acc = &c->cat->access;
    lg_arena *a = lg_arena_create("catalog row", 0);
    const struct lg_snapshot *snap = acc->ops->snapshot_latest(acc->arg, c->txn, a);
    lg_status st = conflict(acc->ops->row_delete(acc->arg, c->txn, snap, &r->storage, row->tid));
    for (uint16_t i = 0; st == LG_OK && i < r->nindexes; i++) {
        const uint8_t *key;
        size_t len;
        row_key(r->indexes[i], row, a, &key, &len, NULL);
        st = entry_delete(c, r->indexes[i], key, len, row->tid);
    }
    lg_cat__row_changed(c, table, row, NULL, false);
    lg_arena_destroy(a);
    return st;
}

lg_status
lg_cat_delete_where(lg_cat *c, lg_oid table, lg_oid index, uint16_t nkeys, const lg_datum *keys,
                    uint32_t *ret_n)
{
    lg_arena *a = lg_arena_create("catalog delete", 0);
    lg_cat_scan s;
    lg_cat_row *rows = NULL;
    uint32_t n = 0, cap = 0;
    lg_status st = lg_cat_scan_open(c, table, index, nkeys, keys, a, &s);
    while (st == LG_OK) {
        if (n == cap) {
            cap = cap ? cap * 2 : 8;
            rows = lg_realloc(rows, cap * sizeof *rows);
        }
        st = lg_cat_scan_next(&s, &rows[n]);
        if (st == LG_OK)
            n++;
    }
    lg_cat_scan_close(&s);
    if (st == LG_END)
        st = LG_OK;
    for (uint32_t i = 0; st == LG_OK && i < n; i++)
        st = lg_cat_delete(c, table, &rows[i]);
    lg_free(rows);
    lg_arena_destroy(a);
    if (ret_n)
        *ret_n = n;
    return st;
}

lg_rel_storage
lg_cat_row_storage(const lg_cat_row *row)
{
    lg_rel_storage st = {
        .file = lg_oid_of(LG_ROW_GET(row, LG_AT_pg_class_relfilenode)),
        .head = (uint32_t)LG_ROW_GET(row, LG_AT_pg_class_relfrozenxid),
    };
    return st;
}

void
lg_cat_row_set_storage(lg_cat_row *row, const lg_rel_storage *st)
{
    LG_ROW_SET(row, LG_AT_pg_class_relfilenode, st->file);
    LG_ROW_SET(row, LG_AT_pg_class_relfrozenxid, st->head);
}

uint64_t
lg_cat_row_since(const lg_cat_row *row)
{
    return (uint64_t)(uint32_t)LG_ROW_GET(row, LG_AT_pg_class_relminmxid) |
           (uint64_t)lg_oid_of(LG_ROW_GET(row, LG_AT_pg_class_relrewrite)) << 32;
}

void
lg_cat_row_set_since(lg_cat_row *row, uint64_t since)
{
    LG_ROW_SET(row, LG_AT_pg_class_relminmxid, (uint32_t)since);
    LG_ROW_SET(row, LG_AT_pg_class_relrewrite, lg_datum_oid((lg_oid)(since >> 32)));
}
