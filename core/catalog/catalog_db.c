/* Databases: several catalogs over one dictionary.
 *
 * MODEL
 * A row of pg_database with the place of the database's own pg_class is a database. The tables that
 * catalog.def calls shared (roles, databases, their settings and comments) exist once, in the first
 * database, made with the volume; every pg_class names the same segments for them. OIDs come from
 * one counter, changes are told through one ring under one DICT enqueue (catalog_deps.c), so a plan
 * of one database and a role changed from another need nothing special.
 *
 *   none --CREATE DATABASE--> made            its segments and rows in the creator's transaction
 *   template1, postgres: "to be made" --first session--> made      (most volumes never use them)
 *                        or, by TEMPLATE, a copy of another one's (catalog_copy.c)
 *   made --DROP DATABASE--> none              its segments go after the commit
 *
 * WHO MAY  A session holds the database's enqueue in SHARE from before it reads the row until it
 * ends; DROP, RENAME, who copies it and a first session that makes the tables hold it in EXCLUSIVE. Modes are sticky,
 * so connecting costs messages once per instance.
 *
 * AN INSTANCE'S CATALOG of a database is opened by its first session and kept while the instance's
 * mode on the enqueue covers SHARE: when another instance takes it in EXCLUSIVE the callback frees
 * the catalog (no session can have it then), so a dropped database leaves nothing behind. */
#include "catalog_internal.h"
#include "collate.h"

static lg_ges_res
resource(lg_oid db)
{
    return (lg_ges_res){.type = LG_GES_DATABASE, .id1 = db};
}

lg_status
lg_cat_database_enqueue(lg_ges_owner *o, lg_oid db, lg_lock_mode mode, lg_time deadline)
{
    return lg_ges_lock(o, resource(db), mode, LG_GES_SESSION, deadline);
}

void
lg_cat_database_release(lg_ges_owner *o, lg_oid db, lg_lock_mode mode)
{
    (void)!lg_ges_unlock(o, resource(db), mode, LG_GES_SESSION); /* not held: nothing to do */
}

static lg_catalog *
find(const lg_cat_dict *d, lg_oid db)
{
    LG_LIST_FOREACH (it, &d->catalogs) {
        lg_catalog *cat = LG_CONTAINER_OF(it, lg_catalog, link);
        if (cat->database == db)
            return cat;
    }
    return NULL;
}

static void
fell(void *arg, lg_ges_res res, lg_lock_mode now)
{
    lg_cat_dict *d = arg;
    lg_catalog *cat = find(d, res.id1);
    if (cat && cat != d->first && !cat->users && !lg_lock_covers(now, LG_LOCK_SHARE))
        lg_cat__catalog_free(cat);
}

void
lg_cat__databases_init(lg_catalog *first)
{
    lg_ges_notify(first->ges, LG_GES_DATABASE, fell, first->dict);
}

static lg_catalog *
new_catalog(lg_catalog *first, lg_oid db)
{
    lg_catalog *cat = lg_zalloc(sizeof *cat);
    cat->dict = first->dict;
    cat->database = db;
    cat->run = first->run;
    cat->access = first->access;
    cat->tzs = first->tzs;
    cat->ges = first->ges;
    cat->sequence_batch = first->sequence_batch;
    cat->arena = lg_arena_create("catalog", 64 << 10);
    cat->seqs = lg_map_create();
    cat->names = lg_map_create();
    cat->relstats = lg_map_create();
    lg_cat__cache_init(&cat->cache);
    lg_cat__system_copy(cat, first);
    lg_list_init(&cat->link);
    return cat;
}

static void
set_default(lg_catalog *cat, const char *icu_locale)
{
    if (!icu_locale)
        return;
    cat->default_collation = lg_collation_oid(LG_COLLATION_ICU, cat->database);
    lg_collation_add(cat->tzs, cat->default_collation, icu_locale);
}

lg_status
lg_catalog_of_database(lg_catalog *first, const lg_database *db, struct lg_txn *txn,
                       lg_catalog **ret_cat)
{
    lg_cat_dict *d = first->dict;
    *ret_cat = find(d, db->oid);
    if (*ret_cat)
        return LG_OK;
    LG_ASSERT(db->root.file);
    lg_catalog *cat = new_catalog(first, db->oid);
    set_default(cat, db->icu_locale);
    lg_status st = lg_cat__open(cat, txn, &db->root);
    *ret_cat = find(d, db->oid); /* another session may have been faster */
    if (st != LG_OK || *ret_cat) {
        lg_cat__catalog_free(cat);
        return st;
    }
    lg_list_push_back(&d->catalogs, &cat->link);
    *ret_cat = cat;
    return LG_OK;
}

lg_status
lg_cat_database_make(lg_cat *c, lg_oid db, const char *name, const lg_cat_database_fill *like,
                     lg_rel_storage *ret_root)
{
    lg_catalog *cat = new_catalog(c->cat->dict->first, db);
    set_default(cat, like ? like->icu_locale : NULL);
    lg_arena *a = lg_arena_create("new database", 0);
    lg_cat *n;
    lg_status st = lg_cat_create(cat, LG_ROLE_BOOTSTRAP, name, &n);
    if (st == LG_OK) {
        n->txn = c->txn;
        st = like && like->template ? lg_cat__copy_database(n, c, like, a)
                                    : lg_cat__bootstrap_database(n, c, a);
        *ret_root = lg_cat__system_by_oid(cat, LG_REL_pg_class)->storage;
        n->txn = NULL;
        lg_cat_destroy(n);
    }
    lg_arena_destroy(a);
    lg_cat__catalog_free(cat);
    return st;
}

lg_status
lg_cat__within_database(lg_cat *c, lg_oid db, lg_time deadline,
                        lg_status (*fn)(lg_cat *other, lg_cat *c, void *arg), void *arg)
{
    lg_arena *a = lg_arena_create("database", 512);
    lg_database facts;
    lg_catalog *cat;
    lg_cat *n;
    lg_status st = lg_cat_database_enqueue(c->owner, db, LG_LOCK_SHARE, deadline);
    if (st != LG_OK) {
        lg_arena_destroy(a);
        return st;
    }
    LG_CHECK(lg_cat_database_by_oid(c, db, a, &facts));
    LG_CHECK(facts.root.file ? LG_OK : LG_NOT_FOUND);
    LG_CHECK(lg_catalog_of_database(c->cat->dict->first, &facts, c->txn, &cat));
    LG_CHECK(lg_cat_create(cat, LG_ROLE_BOOTSTRAP, facts.name, &n));
    n->txn = c->txn;
    st = fn(n, c, arg);
    n->txn = NULL;
    lg_cat_destroy(n);
out:
    lg_cat_database_release(c->owner, db, LG_LOCK_SHARE);
    lg_arena_destroy(a);
    return st;
}

static lg_status
within(lg_cat *c, lg_oid db, lg_status (*fn)(lg_cat *other, lg_cat *c, void *arg), void *arg)
{
    return lg_cat__within_database(c, db, LG_FOREVER, fn, arg);
}

static lg_status
unmake(lg_cat *n, lg_cat *c, void *arg)
{
    lg_arena *a = lg_arena_create("drop database", 0);
    lg_cat_scan s;
    lg_cat_row row;
    lg_status st = lg_cat_scan_open(n, LG_REL_pg_class, 0, 0, NULL, a, &s);
    (void)arg;
    while (st == LG_OK) {
        st = lg_cat_scan_next(&s, &row);
        if (st != LG_OK)
            break;
        lg_oid oid = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_class_oid));
        const lg_relation *sys = lg_map_get(n->cat->sysindex, oid);
        lg_rel_storage storage = lg_cat_row_storage(&row);
        if (!lg_cat__table_shared(sys ? sys->oid : oid))
            lg_cat_segment_drop(c, &storage);
    }
    lg_cat_scan_close(&s);
    lg_arena_destroy(a);
    return st == LG_END ? LG_OK : st;
}

lg_status
lg_cat_database_unmake(lg_cat *c, const lg_database *db)
{
    if (!db->root.file)
        return LG_OK;
    LG_TRY(within(c, db->oid, unmake, NULL));
    c->dropped_database = db->oid;
    return LG_OK;
}

/* After the commit of a DROP: nobody comes here any more. */
void
lg_cat__database_dropped(lg_catalog *any, lg_oid db)
{
    lg_catalog *cat = find(any->dict, db);
    if (cat && !cat->users)
        lg_cat__catalog_free(cat);
}

lg_status
lg_cat_database_take(lg_cat *c, lg_oid db, lg_time deadline)
{
    return lg_ges_lock(c->owner, resource(db), LG_LOCK_EXCLUSIVE, 0, deadline);
}

static lg_status
size_in(lg_cat *n, lg_cat *c, void *arg)
{
    const lg_access *acc = &n->cat->access;
    lg_arena *a = lg_arena_create("database size", 0);
    lg_cat_scan s;
    lg_cat_row row;
    int64_t *bytes = arg;
    lg_status st = lg_cat_scan_open(n, LG_REL_pg_class, 0, 0, NULL, a, &s);
    (void)c;
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        lg_rel_storage storage = lg_cat_row_storage(&row);
        uint32_t blocks = 0;
        if (storage.file && acc->ops->segment_blocks(acc->arg, &storage, &blocks) == LG_OK)
            *bytes += (int64_t)blocks * 8192; /* else it was dropped a moment ago */
    }
    lg_cat_scan_close(&s);
    lg_arena_destroy(a);
    return st == LG_END ? LG_OK : st;
}

lg_status
lg_cat_database_size(lg_cat *c, const lg_database *db, int64_t *ret)
{
    *ret = 0;
    lg_status st = within(c, db->oid, size_in, ret);
    return st == LG_NOT_FOUND ? LG_OK : st;
}

struct each {
    lg_status (*fn)(lg_cat *other, const char *name, void *arg);
    void *arg;
    const char *name;
};

static lg_status
call_each(lg_cat *n, lg_cat *c, void *arg)
{
    struct each *e = arg;
    (void)c;
    return e->fn(n, e->name, e->arg);
}

lg_status
lg_cat_database_each(lg_cat *c, lg_status (*fn)(lg_cat *other, const char *name, void *arg),
                     void *arg)
{
    lg_arena *a = lg_arena_create("databases", 0);
    lg_cat_scan s;
    lg_cat_row row;
    lg_status st = lg_cat_scan_open(c, LG_REL_pg_database, 0, 0, NULL, a, &s);
    while (st == LG_OK) {
        st = lg_cat_scan_next(&s, &row);
        if (st != LG_OK)
            break;
        lg_oid db = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_database_oid));
        struct each e = {fn, arg, lg_text_cstring(a, LG_ROW_GET(&row, LG_AT_pg_database_datname))};
        if (db != c->cat->database)
            st = within(c, db, call_each, &e);
        if (st == LG_NOT_FOUND)
            st = LG_OK;
    }
    lg_cat_scan_close(&s);
    lg_arena_destroy(a);
    return st == LG_END ? LG_OK : st;
}

lg_rel_storage
lg_cat_database_root(const lg_cat_row *row)
{
    return (lg_rel_storage){lg_oid_of(LG_ROW_GET(row, LG_AT_pg_database_datfrozenxid)),
                            (uint32_t)LG_ROW_GET(row, LG_AT_pg_database_datminmxid)};
}

void
lg_cat_database_set_root(lg_cat_row *row, const lg_rel_storage *root)
{
    LG_ROW_SET(row, LG_AT_pg_database_datfrozenxid, root->file);
    LG_ROW_SET(row, LG_AT_pg_database_datminmxid, root->head);
}
