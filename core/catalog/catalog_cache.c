/* Life cycle of the catalog and of sessions' handles; the dictionary cache; transactions.
 *
 * CACHE  cat->cache holds committed descriptors; catalog_deps.c says which of them go when. A
 * transaction that touched the catalog reads through c->own instead, so that nobody else sees its
 * changes and it sees all of them.
 *
 * COMMIT OF DDL  pre_commit: dict_x++ (local lookups wait), DICT taken EXCLUSIVE, so that all other
 * instances wait with theirs, what changed appended to the ring; then the commit record; end: DICT
 * let go, dict_x--, waiters go on, read the ring first. */
#include "catalog_internal.h"
#include <string.h>

/* ---- caches ---- */

void
lg_cat__cache_init(lg_cat_cache *cc)
{
    cc->by_oid = lg_map_create();
    cc->by_name = lg_strmap_create();
    cc->nsp_name = lg_strmap_create();
    cc->nsp_oid = lg_map_create();
}

void
lg_cat__cache_fini(lg_cat_cache *cc)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    if (!cc->by_oid)
        return;
    while (lg_map_next(cc->by_oid, &pos, &key, &v)) {
        ((lg_relation *)v)->stale = true;
        lg_relation_unref(v);
    }
    for (pos = 0; lg_map_next(cc->nsp_oid, &pos, &key, &v);)
        lg_free(v);
    lg_map_destroy(cc->by_oid);
    lg_strmap_destroy(cc->by_name);
    lg_strmap_destroy(cc->nsp_name);
    lg_map_destroy(cc->nsp_oid);
    memset(cc, 0, sizeof *cc);
}

void
lg_cat__cache_clear(lg_cat_cache *cc)
{
    lg_cat__cache_fini(cc);
    lg_cat__cache_init(cc);
}

void
lg_cat__cache_forget(lg_cat_cache *cc, lg_oid rel)
{
    lg_relation *r = lg_map_remove(cc->by_oid, rel);
    if (r) {
        r->stale = true;
        lg_relation_unref(r);
    }
}

void
lg_cat__cache_forget_namespaces(lg_cat_cache *cc)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(cc->nsp_oid, &pos, &key, &v))
        lg_free(v);
    lg_map_destroy(cc->nsp_oid);
    lg_strmap_destroy(cc->nsp_name);
    cc->nsp_oid = lg_map_create();
    cc->nsp_name = lg_strmap_create();
}

/* ---- the catalog ---- */

lg_status
lg_catalog_create(const lg_catalog_config *cfg, lg_catalog **ret_cat)
{
    lg_cat_dict *d = lg_zalloc(sizeof *d);
    lg_catalog *cat = lg_zalloc(sizeof *cat);
    lg_waitq_init(&d->waitq);
    lg_list_init(&d->catalogs);
    d->change = 1;
    d->first = cat;
    cat->dict = d;
    cat->database = LG_DB_FIRST;
    cat->run = cfg->run;
    cat->access = cfg->access;
    cat->tzs = cfg->tzs;
    cat->sequence_batch = cfg->sequence_batch ? cfg->sequence_batch : 32;
    cat->arena = lg_arena_create("catalog", 64 << 10);
    cat->seqs = lg_map_create();
    cat->names = lg_map_create();
    cat->relstats = lg_map_create();
    lg_cat__cache_init(&cat->cache);
    cat->ges = cfg->ges;
    lg_list_push_back(&d->catalogs, &cat->link);
    lg_cat__dict_init(d, cat->ges);
    lg_cat__databases_init(cat);
    lg_cat__system_build(cat);
    *ret_cat = cat;
    return LG_OK;
}

void
lg_cat__catalog_free(lg_catalog *cat)
{
    LG_ASSERT(!cat->users);
    lg_list_remove(&cat->link);
    lg_cat__cache_fini(&cat->cache);
    lg_cat__sequences_forget(cat);
    lg_map_destroy(cat->seqs);
    lg_cat__names_clear(cat);
    lg_map_destroy(cat->names);
    lg_cat__relstats_free(cat);
    lg_cat__system_destroy(cat);
    lg_arena_destroy(cat->arena);
    lg_free(cat);
}

void
lg_catalog_destroy(lg_catalog *first)
{
    if (!first)
        return;
    lg_cat_dict *d = first->dict;
    lg_ges_notify(first->ges, LG_GES_DICTIONARY, NULL, NULL);
    lg_ges_notify(first->ges, LG_GES_DATABASE, NULL, NULL);
    lg_ges_owner_fini(&d->owner);
    while (!lg_list_empty(&d->catalogs))
        lg_cat__catalog_free(LG_CONTAINER_OF(d->catalogs.next, lg_catalog, link));
    lg_free(d);
}

const lg_access *
lg_catalog_access(const lg_catalog *cat)
{
    return &cat->access;
}

lg_run *
lg_catalog_run(const lg_catalog *cat)
{
    return cat->run;
}

void
lg_catalog_cache_drop(lg_catalog *cat)
{
    lg_cat__apply_all(cat);
}

size_t
lg_catalog_cached(const lg_catalog *cat)
{
    return lg_map_count(cat->cache.by_oid);
}

/* ---- sessions ---- */

lg_status
lg_cat_create(lg_catalog *cat, lg_oid user, const char *database, lg_cat **ret_c)
{
    lg_cat *c = lg_zalloc(sizeof *c);
    c->cat = cat;
    cat->users++;
    c->user = user;
    c->database = lg_strdup(database);
    c->path = lg_strdup("\"$user\", public");
    c->locks = lg_map_create();
    c->events = lg_map_create();
    c->currvals = lg_map_create();
    *ret_c = c;
    return LG_OK;
}

void
lg_cat_destroy(lg_cat *c)
{
    if (!c)
        return;
    LG_ASSERT(!c->txn);
    lg_cat_sequences_discard(c);
    lg_cat__types_end(c, true);
    lg_cat__cache_fini(&c->own);
    lg_map_destroy(c->locks);
    lg_map_destroy(c->events);
    lg_map_destroy(c->currvals);
    if (c->temp_rels)
        lg_map_destroy(c->temp_rels);
    lg_arena_destroy(c->roles_arena);
    lg_cat_deps_fini(&c->roles_deps);
    lg_cat_deps_fini(&c->path_deps);
    lg_free(c->segops);
    lg_free(c->changes.at);
    lg_free(c->path_oids);
    lg_free(c->path);
    lg_free(c->database);
    lg_free(c->user_name);
    c->cat->users--;
    lg_free(c);
}

lg_catalog *
lg_cat_catalog(lg_cat *c)
{
    return c->cat;
}

lg_oid
lg_cat_user(const lg_cat *c)
{
    return c->user;
}

void
lg_cat_set_user(lg_cat *c, lg_oid user)
{
    if (c->user == user)
        return;
    c->user = user;
    lg_free(c->user_name);
    c->user_name = NULL;
    lg_arena_destroy(c->roles_arena);
    c->roles_arena = NULL;
    c->path_resolved = false;
    c->own_generation++;
}

const char *
lg_cat_database(const lg_cat *c)
{
    return c->database;
}

lg_oid
lg_cat_database_oid(const lg_cat *c)
{
    return c->cat->database;
}

uint64_t
lg_cat_generation(const lg_cat *c)
{
    return c->cat->dict->change + c->own_generation;
}

uint64_t
lg_cat_shared_generation(const lg_cat *c)
{
    return c->ddl || c->temp_nsp ? 0 : c->cat->dict->change;
}

void
lg_cat_set_lock_timeout(lg_cat *c, uint32_t ms)
{
    c->lock_timeout_ms = ms;
}

/* ---- transactions ---- */

void
lg_cat_set_owner(lg_cat *c, lg_ges_owner *owner)
{
    c->owner = owner;
}

lg_ges_owner *
lg_cat_owner(const lg_cat *c)
{
    return c->owner;
}

void
lg_cat_begin(lg_cat *c, struct lg_txn *txn)
{
    LG_ASSERT(!c->txn && !c->ddl && !c->nsegops);
    c->txn = txn;
}

struct lg_txn *
lg_cat_txn(const lg_cat *c)
{
    return c->txn;
}

bool
lg_cat_did_ddl(const lg_cat *c)
{
    return c->ddl;
}

lg_status
lg_cat_touch(lg_cat *c, lg_oid rel)
{
    if (!c->ddl) {
        c->ddl = true;
        lg_cat__cache_init(&c->own);
    }
    lg_cat__cache_clear(&c->own);
    c->own_generation++;
    c->path_resolved = false;
    if (rel)
        lg_cat__note_relation(c, rel);
    return LG_OK;
}

lg_status
lg_cat_pre_commit(lg_cat *c)
{
    lg_catalog *cat = c->cat;
    if (!c->ddl || !c->shared_ddl || c->dict_x)
        return LG_OK;
    cat->dict->x++;
    lg_status st = lg_cat__dict_exclusive(c);
    if (st != LG_OK) {
        cat->dict->x--;
        lg_waitq_wake_all(&cat->dict->waitq);
        return st;
    }
    c->dict_x = true;
    return lg_cat__ring_append(c);
}

static void
finish_segments(lg_cat *c, bool committed, uint32_t from)
{
    const lg_access *acc = &c->cat->access;
    for (uint32_t i = from; i < c->nsegops; i++)
        if (c->segops[i].created != committed)
            /* a failure leaves it to catalog_lost.c */
            (void)!acc->ops->segment_drop(acc->arg, &c->segops[i].storage);
    c->nsegops = from;
}

void
lg_cat_end(lg_cat *c, bool committed)
{
    lg_catalog *cat = c->cat;
    if (c->ddl) {
        if (!c->shared_ddl && committed)
            lg_cat__apply_events(c);
        lg_cat__cache_fini(&c->own);
        c->own_generation++;
        c->path_resolved = false;
        c->ddl = false;
    }
    if (lg_map_count(c->events)) {
        lg_map_destroy(c->events);
        c->events = lg_map_create();
    }
    c->shared_ddl = false;
    lg_cat__temp_end(c, committed);
    if (c->owner)
        lg_ges_unlock_transaction(c->owner); /* DICT X too */
    if (c->dict_x) {
        c->dict_x = false;
        cat->dict->x--;
        lg_waitq_wake_all(&cat->dict->waitq);
    }
    if (c->nsegops)
        finish_segments(c, committed, 0);
    if (c->dropped_database && committed)
        lg_cat__database_dropped(cat, c->dropped_database);
    c->dropped_database = 0;
    if (lg_map_count(c->locks)) {
        lg_map_destroy(c->locks);
        c->locks = lg_map_create();
    }
    lg_cat__types_end(c, false);
    lg_cat__changes_end(c, committed);
    c->txn = NULL;
    c->locked = NULL;
}

lg_cat_mark
lg_cat_savepoint(lg_cat *c)
{
    lg_cat__changes_savepoint(c);
    return (lg_cat_mark){c->nsegops, c->changes.n};
}

void
lg_cat_rollback_to(lg_cat *c, lg_cat_mark mark)
{
    lg_cat__changes_rollback_to(c, mark.changes);
    if (c->ddl) {
        lg_cat__cache_clear(&c->own);
        c->own_generation++;
        c->path_resolved = false;
    }
    const lg_access *acc = &c->cat->access;
    for (uint32_t i = mark.segops; i < c->nsegops; i++)
        if (c->segops[i].created)
            (void)!acc->ops->segment_drop(acc->arg, &c->segops[i].storage);
    if (c->nsegops > mark.segops)
        c->nsegops = mark.segops;
}

static void
segop_add(lg_cat *c, const lg_rel_storage *st, bool created)
{
    if (c->nsegops == c->capsegops) {
        c->capsegops = c->capsegops ? c->capsegops * 2 : 8;
        c->segops = lg_realloc(c->segops, c->capsegops * sizeof *c->segops);
    }
    c->segops[c->nsegops].storage = *st;
    c->segops[c->nsegops++].created = created;
}

lg_status
lg_cat_segment_create(lg_cat *c, lg_seg_kind kind, lg_rel_storage *ret)
{
    const lg_access *acc = &c->cat->access;
    LG_TRY(lg_cat__segment_making(c));
    LG_TRY(acc->ops->segment_create(acc->arg, c->txn, kind, ret));
    segop_add(c, ret, true);
    return LG_OK;
}

bool
lg_cat_segment_is_new(const lg_cat *c, const lg_rel_storage *st)
{
    for (uint32_t i = 0; i < c->nsegops; i++)
        if (c->segops[i].created && c->segops[i].storage.file == st->file)
            return true;
    return false;
}

void
lg_cat_segment_drop(lg_cat *c, const lg_rel_storage *st)
{
    if (st->file)
        segop_add(c, st, false);
}

/* ---- descriptors ---- */

lg_relation *
lg_relation_ref(lg_relation *r)
{
    if (!r->is_system)
        r->refs++;
    return r;
}

void
lg_relation_unref(lg_relation *r)
{
    if (!r || r->is_system)
        return;
    LG_ASSERT(r->refs > 0);
    if (--r->refs == 0)
        lg_arena_destroy(r->arena);
}

const lg_column *
lg_relation_column_by_name(const lg_relation *r, const char *name)
{
    for (uint16_t i = 0; i < r->ncols; i++)
        if (!r->cols[i].dropped && strcmp(r->cols[i].name, name) == 0)
            return &r->cols[i];
    return NULL;
}

const lg_index *
lg_relation_index(const lg_relation *r, lg_oid index_oid)
{
    for (uint16_t i = 0; i < r->nindexes; i++)
        if (r->indexes[i]->oid == index_oid)
            return r->indexes[i];
    return NULL;
}

const lg_colstats *
lg_relation_colstats(const lg_relation *r, int16_t attnum)
{
    for (uint16_t i = 0; i < r->nstats; i++)
        if (r->stats[i].attnum == attnum)
            return &r->stats[i];
    return NULL;
}
