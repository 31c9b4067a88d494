/* Counters of tables and indexes. */
#include "relstat.h"
#include "catalog_internal.h"
#include <string.h>

#define RELSTATS_MAX 100000u

lg_relstat *
lg_catalog_relstat(lg_catalog *cat, lg_oid oid)
{
    lg_relstat *r = lg_map_get(cat->relstats, oid);
    if (!r && lg_map_count(cat->relstats) < RELSTATS_MAX) {
        r = lg_zalloc(sizeof *r);
        lg_map_put(cat->relstats, oid, r);
    }
    return r;
}

const lg_relstat *
lg_catalog_relstat_find(const lg_catalog *cat, lg_oid oid)
{
    return lg_map_get(cat->relstats, oid);
}

/* Estimates of rows stay: they are no counters. */
static void
zero(lg_relstat *r)
{
    *r = (lg_relstat){.live = r->live, .dead = r->dead};
}

void
lg_catalog_relstat_reset(lg_catalog *cat, lg_oid oid)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(cat->relstats, &pos, &key, &v))
        if (!oid || key == oid)
            zero(v);
}

void
lg_catalog_relstat_sum(const lg_catalog *cat, lg_relstat *ret)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    memset(ret, 0, sizeof *ret);
    while (lg_map_next(cat->relstats, &pos, &key, &v)) {
        const lg_relstat *r = v;
        ret->returned += r->returned;
        ret->fetched += r->fetched;
        ret->inserted += r->inserted;
        ret->updated += r->updated;
        ret->deleted += r->deleted;
    }
}

void
lg_catalog_relstat_changed(lg_catalog *cat, lg_oid oid, uint64_t inserted, uint64_t updated,
                           uint64_t deleted)
{
    lg_relstat *r = lg_catalog_relstat(cat, oid);
    if (!r)
        return;
    r->inserted += inserted;
    r->updated += updated;
    r->deleted += deleted;
    r->modified += inserted + updated + deleted;
    r->inserted_since_vacuum += inserted;
    r->live += (int64_t)inserted - (int64_t)deleted;
    if (r->live < 0)
        r->live = 0;
}

void
lg_cat__relstats_free(lg_catalog *cat)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(cat->relstats, &pos, &key, &v))
        lg_free(v);
    lg_map_destroy(cat->relstats);
}
