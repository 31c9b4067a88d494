/* Segments that nobody names: what a death leaves between the commit of a DROP (or the end of a
 * CREATE that did not commit) and the drop of the segment, which comes after it.
 *
 * MODEL
 * Every segment of rows, entries or a sequence is named by a row of pg_class of some database, or
 * its maker's transaction is still at work, or it is lost. Nobody can name a lost one again: a file's
 * number is never given twice, and names come from the maker or from another row.
 *
 *   maker     holds the enqueue here in SHARE from before it makes its first segment until its
 *             transaction is over (committed: its rows are seen by snapshots taken since; rolled back,
 *             or dead: they are never seen)
 *   seeker    holds it in EXCLUSIVE, so there are no makers; begins a transaction; reads pg_class of
 *             all databases; the segments that are there and in none of them are lost
 *
 * A dropper needs no lock: until its commit the segment is named, after it two may drop it at once.
 *
 * UNDO OF A DEAD MAKER  A death frees its enqueue before its undo is applied, and there is no order
 * between the two: the seeker may drop a segment while an adopter takes back changes to it (its
 * snapshot does not see the maker's rows, whether they are undone or not). So
 *   - undo of rows or entries looks for its segment at each point that blocks, and one that is gone
 *     (LG_INVALID, also half-way through a record) counts as taken back (heap_undo.c, btree.c);
 *   - undo of the rows of pg_class does not touch the segment: no order between them is needed;
 *   - death of the seeker: before DROPPING is durable the next one finds the segment again, after it
 *     the sweep does (space_file.c); death of the adopter: the next one begins at the record that was
 *     not yet marked as taken back. Each record and its mark are one mini-transaction.
 *
 * The seeker never waits (it would hold up all DDL behind a long transaction): who cannot have the
 * enqueue tries again later. Files below the smallest that is named were made with the volume, before
 * there was a catalog: they are none of ours. On any error nothing is lost. */
#include "catalog_internal.h"
#include <stdlib.h>

#define SPACE       0x7365676du /* of the enqueue */
#define NAMED_LEAST 20          /* a database has more system tables than that */
#define PATIENCE    (100 * LG_MS)

static lg_ges_res
resource(void)
{
    return (lg_ges_res){.type = LG_GES_DDL, .id1 = SPACE};
}

lg_status
lg_cat__segment_making(lg_cat *c)
{
    return c->owner ? lg_ges_lock(c->owner, resource(), LG_LOCK_SHARE, 0, LG_FOREVER) : LG_OK;
}

lg_status
lg_cat_segments_claim(lg_cat *c)
{
    return lg_ges_lock(c->owner, resource(), LG_LOCK_EXCLUSIVE, LG_GES_NOWAIT | LG_GES_SESSION,
                       LG_FOREVER);
}

void
lg_cat_segments_unclaim(lg_cat *c)
{
    (void)!lg_ges_unlock(c->owner, resource(), LG_LOCK_EXCLUSIVE, LG_GES_SESSION);
}

struct names {
    lg_map *files;
    uint32_t least;
    uint32_t count;
};

static lg_status
read_names(lg_cat *n, lg_cat *c, void *arg)
{
    struct names *w = arg;
    lg_arena *a = lg_arena_create("segments named", 0);
    lg_cat_scan s;
    lg_cat_row row;
    (void)c;
    lg_status st = lg_cat_scan_open(n, LG_REL_pg_class, 0, 0, NULL, a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        lg_rel_storage storage = lg_cat_row_storage(&row);
        if (!storage.file)
            continue;
        (void)lg_map_put(w->files, storage.file, w);
        w->least = storage.file < w->least ? storage.file : w->least;
        w->count++;
    }
    lg_cat_scan_close(&s);
    lg_arena_destroy(a);
    return st == LG_END ? LG_OK : st;
}

static lg_status
databases(lg_cat *c, lg_arena *a, lg_oid **ret, uint32_t *ret_n)
{
    lg_cat_scan s;
    lg_cat_row row;
    uint32_t cap = 16;
    *ret_n = 0;
    *ret = LG_NEWN(a, lg_oid, cap);
    lg_status st = lg_cat_scan_open(c, LG_REL_pg_database, 0, 0, NULL, a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        if (*ret_n == cap) {
            lg_oid *more = LG_NEWN(a, lg_oid, 2 * cap);
            memcpy(more, *ret, cap * sizeof *more);
            *ret = more;
            cap *= 2;
        }
        (*ret)[(*ret_n)++] = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_database_oid));
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

static lg_status
all_names(lg_cat *c, lg_arena *a, struct names *w)
{
    lg_oid *db;
    uint32_t n;
    LG_TRY(databases(c, a, &db, &n));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t before = w->count;
        lg_database facts;
        lg_status st = lg_cat_database_by_oid(c, db[i], a, &facts);
        if (st == LG_NOT_FOUND || (st == LG_OK && !facts.root.file))
            continue; /* dropped just now; its tables are not made */
        LG_TRY(st);
        /* Whoever makes a database holds its enqueue and waits for ours. */
        st =
            lg_cat__within_database(c, db[i], lg_run_now_ns(c->cat->run) + PATIENCE, read_names, w);
        if (st == LG_NOT_FOUND) /* dropped meanwhile, then it is not in the list next time */
            return LG_LOCK_NOT_AVAILABLE;
        LG_TRY(st);
        if (w->count - before < NAMED_LEAST)
            return LG_CORRUPT;
    }
    return w->count ? LG_OK : LG_CORRUPT;
}

lg_status
lg_cat_segments_lost(lg_cat *c, lg_arena *a, lg_rel_storage **ret, uint32_t *ret_n)
{
    const lg_access *acc = &c->cat->access;
    struct names w = {.files = lg_map_create(), .least = UINT32_MAX};
    uint32_t cap = 0, file;
    *ret = NULL;
    *ret_n = 0;
    lg_status st = acc->ops->segment_next ? all_names(c, a, &w) : LG_END;
    file = w.least;
    while (st == LG_OK && (st = acc->ops->segment_next(acc->arg, &file)) == LG_OK) {
        if (lg_map_get(w.files, file))
            continue;
        if (*ret_n == cap) {
            lg_rel_storage *more = LG_NEWN(a, lg_rel_storage, 2 * cap + 16);
            if (cap)
                memcpy(more, *ret, cap * sizeof *more);
            *ret = more;
            cap = 2 * cap + 16;
        }
        (*ret)[(*ret_n)++] = (lg_rel_storage){.file = file};
    }
    lg_map_destroy(w.files);
    return st == LG_END ? LG_OK : st;
}

lg_status
lg_cat_segment_reclaim(lg_cat *c, const lg_rel_storage *st)
{
    const lg_access *acc = &c->cat->access;
    return acc->ops->segment_drop(acc->arg, st);
}
