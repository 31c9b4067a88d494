/* A database made like another one: CREATE DATABASE ... TEMPLATE.
 *
 * The new database's catalog tables get the template's rows as they are, so its objects have the OIDs
 * that they have there (locks and caches are told apart by the database, and what is invalidated by OID
 * alone is then forgotten twice). Rows of pg_class name new segments, all made in the creator's
 * transaction: it rolls back, or dies, and they are given back as those of any CREATE
 * (catalog_lost.c). What the segments hold is filled in by the caller's function; nobody is connected
 * to the template meanwhile, and nobody knows of the new database. */
#include "catalog_internal.h"
#include <string.h>

struct copying {
    const lg_cat_database_fill *fill;
    lg_cat *to;
    lg_cat_copied *list;
    uint32_t n, cap;
    lg_arena *a;
};

static const lg_rel_storage *
system_storage(const lg_cat *to, lg_oid oid)
{
    const lg_relation *r = lg_map_get(to->cat->system, oid);
    if (r)
        return &r->storage;
    r = lg_map_get(to->cat->sysindex, oid);
    for (uint16_t i = 0; r && i < r->nindexes; i++)
        if (r->indexes[i]->oid == oid)
            return &r->indexes[i]->storage;
    return NULL;
}

static void
note(struct copying *w, lg_oid oid, char kind, const lg_rel_storage *from, const lg_rel_storage *to)
{
    if (w->n == w->cap) {
        lg_cat_copied *more = LG_NEWN(w->a, lg_cat_copied, w->cap * 2 + 64);
        if (w->n)
            memcpy(more, w->list, w->n * sizeof *more);
        w->list = more;
        w->cap = w->cap * 2 + 64;
    }
    w->list[w->n++] = (lg_cat_copied){oid, kind, *from, *to};
}

/* The row of pg_class with the new database's place of what it names. */
static lg_status
replace(struct copying *w, lg_cat *c, lg_cat_row *row, bool *ret_skip)
{
    lg_oid oid = lg_oid_of(LG_ROW_GET(row, LG_AT_pg_class_oid));
    char kind = lg_char(LG_ROW_GET(row, LG_AT_pg_class_relkind));
    lg_rel_storage from = lg_cat_row_storage(row), to;
    const lg_rel_storage *sys = system_storage(w->to, oid);
    *ret_skip = oid == LG_CAT_OID_COUNTER;
    if (*ret_skip || !from.file)
        return LG_OK;
    if (sys) { /* a shared table's is the same everywhere */
        lg_cat_row_set_storage(row, sys);
        return LG_OK;
    }
    lg_seg_kind seg = kind == 'i' ? LG_SEG_BTREE : kind == 'S' ? LG_SEG_SEQUENCE : LG_SEG_HEAP;
    LG_TRY(lg_cat_segment_create(c, seg, &to));
    lg_cat_row_set_storage(row, &to);
    note(w, oid, kind, &from, &to);
    return LG_OK;
}

static lg_status
copy_table(struct copying *w, lg_cat *from, lg_cat *c, lg_oid table)
{
    lg_arena *a = lg_arena_create("copy of a catalog", 0);
    lg_cat_scan s;
    lg_cat_row row;
    lg_status st = lg_cat_scan_open(from, table, 0, 0, NULL, a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        bool skip = false;
        if (table == LG_REL_pg_class)
            st = replace(w, c, &row, &skip);
        if (st == LG_OK && !skip)
            st = lg_cat_insert(w->to, table, &row);
    }
    lg_cat_scan_close(&s);
    lg_arena_destroy(a);
    return st == LG_END ? LG_OK : st;
}

/* n: of the template. */
static lg_status
copy_all(lg_cat *n, lg_cat *c, void *arg)
{
    struct copying *w = arg;
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(w->to->cat->system, &pos, &key, &v)) {
        const lg_relation *r = v;
        if (lg_cat__table_stored(r->oid) && !lg_cat__table_shared(r->oid))
            LG_TRY(copy_table(w, n, c, r->oid));
    }
    LG_TRY(lg_cat_touch(w->to, 0));
    return w->fill->fn(w->fill->arg, n, w->to, w->list, w->n);
}

lg_status
lg_cat__copy_database(lg_cat *to, lg_cat *creator, const lg_cat_database_fill *like, lg_arena *a)
{
    struct copying w = {.fill = like, .to = to, .a = a};
    LG_TRY(lg_cat__database_segments(to, creator));
    return lg_cat__within_database(creator, like->template, LG_FOREVER, copy_all, &w);
}
