/* Counters of tables and indexes. */
#include "relstat.h"
#include "catalog_internal.h"
#include "env.h"
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
lg_catalog_relstat_scanned(lg_catalog *cat, lg_oid oid, bool index, uint64_t rows)
{
    lg_relstat *r = lg_catalog_relstat(cat, oid);
    if (!r)
        return;
    r->scans++;
    r->returned += rows;
    r->fetched += index ? rows : 0;
}

/* ---- what a transaction does ---- */

/* How far back a table is looked for, and when entries are put together (a savepoint taken before
 * that gives back no more than was done since). */
#define CHANGES_LOOK 64u
#define CHANGES_MAX  4096u

static void
add_up(lg_cat_changed *to, const lg_cat_changed *c)
{
    to->inserted += c->inserted;
    to->updated += c->updated;
    to->deleted += c->deleted;
}

/* Before this nothing counts any more, unless the transaction is taken back. */
static void
truncate(lg_cat_change *e)
{
    if (!e->truncated)
        e->before = e->now;
    e->truncated = true;
    e->now = (lg_cat_changed){0};
}

/* One entry for each table of the list's end. */
static void
changes_merge(lg_cat_changes *l, uint32_t from)
{
    lg_map *at = lg_map_create();
    uint32_t n = from;
    for (uint32_t i = from; i < l->n; i++) {
        lg_cat_change *e = &l->at[i], *to = lg_map_get(at, e->oid);
        if (!to) {
            l->at[n] = *e;
            lg_map_put(at, e->oid, &l->at[n++]);
            continue;
        }
        if (e->truncated)
            truncate(to);
        add_up(&to->now, &e->now);
    }
    lg_map_destroy(at);
    l->n = n;
}

static lg_cat_change *
change_of(lg_cat *c, lg_oid oid)
{
    lg_cat_changes *l = &c->changes;
    uint32_t least = l->n > l->base + CHANGES_LOOK ? l->n - CHANGES_LOOK : l->base;
    for (uint32_t i = l->n; i > least; i--)
        if (l->at[i - 1].oid == oid)
            return &l->at[i - 1];
    if (l->n == CHANGES_MAX) {
        changes_merge(l, 0);
        l->base = 0;
    }
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 8;
        l->at = lg_realloc(l->at, l->cap * sizeof *l->at);
    }
    l->again |= least > 0;
    l->at[l->n] = (lg_cat_change){.oid = oid};
    return &l->at[l->n++];
}

void
lg_cat_relstat_changed(lg_cat *c, lg_oid oid, uint64_t inserted, uint64_t updated, uint64_t deleted)
{
    lg_cat_changed done = {inserted, updated, deleted};
    add_up(&change_of(c, oid)->now, &done);
}

void
lg_cat_relstat_truncated(lg_cat *c, lg_oid oid)
{
    truncate(change_of(c, oid));
}

void
lg_cat_relstat_analyzed(lg_cat *c, lg_oid oid, uint64_t rows)
{
    lg_relstat *r = lg_catalog_relstat(c->cat, oid);
    int64_t live = (int64_t)rows;
    if (!r)
        return;
    for (uint32_t i = c->changes.n; i > 0; i--) { /* these come when it commits */
        const lg_cat_change *e = &c->changes.at[i - 1];
        if (e->oid != oid)
            continue;
        live -= (int64_t)e->now.inserted - (int64_t)e->now.deleted;
        if (e->truncated)
            break;
    }
    r->live = live > 0 ? live : 0;
    r->modified = 0;
    r->analyzed++;
    r->analyzed_at = (int64_t)lg_run_wall_us(c->cat->run) - LG_TS_UNIX_EPOCH_US;
}

void
lg_cat_relstat_vacuumed(lg_cat *c, lg_oid oid)
{
    lg_relstat *r = lg_catalog_relstat(c->cat, oid);
    if (!r)
        return;
    r->inserted_since_vacuum = 0;
    r->vacuumed++;
    r->vacuumed_at = (int64_t)lg_run_wall_us(c->cat->run) - LG_TS_UNIX_EPOCH_US;
}

static void
change_count(lg_catalog *cat, const lg_cat_change *e, bool committed)
{
    lg_relstat *r = lg_catalog_relstat(cat, e->oid);
    const lg_cat_changed *d = e->truncated && !committed ? &e->before : &e->now;
    if (!r)
        return;
    if (committed) {
        if (e->truncated)
            r->live = r->dead = 0;
        if (e->truncated)
            r->inserted_since_vacuum = 0;
        r->live += (int64_t)d->inserted - (int64_t)d->deleted;
        r->live = r->live > 0 ? r->live : 0;
        r->modified += d->inserted + d->updated + d->deleted;
    }
    r->inserted += d->inserted;
    r->updated += d->updated;
    r->deleted += d->deleted;
    r->inserted_since_vacuum += d->inserted;
}

static void
changes_count(lg_cat *c, uint32_t from, bool committed)
{
    lg_cat_changes *l = &c->changes;
    if (l->again && l->n > from + 1)
        changes_merge(l, from);
    for (uint32_t i = from; i < l->n; i++)
        change_count(c->cat, &l->at[i], committed);
    l->n = from < l->n ? from : l->n;
}

void
lg_cat__changes_savepoint(lg_cat *c)
{
    c->changes.base = c->changes.n;
}

void
lg_cat__changes_rollback_to(lg_cat *c, uint32_t mark)
{
    changes_count(c, mark, false);
    c->changes.base = c->changes.n;
}

void
lg_cat__changes_end(lg_cat *c, bool committed)
{
    lg_cat_changes *l = &c->changes;
    changes_count(c, 0, committed);
    l->base = 0;
    l->again = false;
    if (l->cap > CHANGES_LOOK) {
        lg_free(l->at);
        l->at = NULL;
        l->cap = 0;
    }
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
