/* What was done to each table and index on this instance since it started: pg_stat_all_tables and its
 * kin. Counted by exec, read by the statistics functions; by OID, made at first use, and kept for the
 * catalog's life (a dropped relation's too: OIDs do not come again). What a transaction changes is
 * counted when it ends, as PostgreSQL does: `inserted` and its kin also when it is taken back, `live`
 * and `modified` only what was committed; so it is kept level by level of its savepoints. Nothing here
 * blocks. */
#ifndef LG_CATALOG_RELSTAT_H
#define LG_CATALOG_RELSTAT_H

#include "catalog.h"

typedef struct lg_relstat {
    uint64_t scans;    /* sequential of a table, any of an index */
    uint64_t returned; /* rows read by sequential scans; entries of an index */
    uint64_t fetched;  /* rows found through an index (counted at both) */
    uint64_t inserted, updated, deleted;
    uint64_t modified; /* since ANALYZE */
    uint64_t inserted_since_vacuum;
    int64_t live, dead;
    uint64_t analyzed, vacuumed;
    int64_t analyzed_at, vacuumed_at; /* timestamptz; 0: never */
} lg_relstat;

/* NULL when there are too many already. */
lg_relstat *lg_catalog_relstat(lg_catalog *cat, lg_oid oid);
/* NULL: nothing was done to it. */
const lg_relstat *lg_catalog_relstat_find(const lg_catalog *cat, lg_oid oid);
void lg_catalog_relstat_reset(lg_catalog *cat, lg_oid oid); /* 0: all */
/* The sums over all tables. */
void lg_catalog_relstat_sum(const lg_catalog *cat, lg_relstat *ret);

/* A look without a scan node: through an index (a foreign key's, an arbiter's) or at all rows. */
void lg_catalog_relstat_scanned(lg_catalog *cat, lg_oid oid, bool index, uint64_t rows);
/* Changes by the transaction. */
void lg_cat_relstat_changed(lg_cat *c, lg_oid oid, uint64_t inserted, uint64_t updated,
                            uint64_t deleted);
void lg_cat_relstat_truncated(lg_cat *c, lg_oid oid);
/* ANALYZE found so many rows, the transaction's own among them. */
void lg_cat_relstat_analyzed(lg_cat *c, lg_oid oid, uint64_t rows);
void lg_cat_relstat_vacuumed(lg_cat *c, lg_oid oid);

#endif
