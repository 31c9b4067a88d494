/* The catalog's other face: life cycle (core/instance), transactions (core/session) and changes
 * (core/sql/ddl).
 *
 * LIFE  lg_catalog_create; then once in a volume's life lg_catalog_bootstrap, which gives the root
 * to be kept by the caller; at every other start lg_catalog_open with that root.
 *
 * TRANSACTIONS  the session calls lg_cat_begin after storage began one (also for each implicit
 * one), lg_cat_pre_commit before the commit record (it may wait for the DICT enqueue), lg_cat_end
 * after either outcome. Savepoints: lg_cat_savepoint gives a mark, lg_cat_rollback_to takes back
 * what was noted since (called after storage rolled back).
 *
 * CHANGES  rows of the catalog tables are made, changed and deleted here one by one, with their
 * index entries; lg_cat_touch says which object changed, so that descriptors are renewed. */
#ifndef LG_CATALOG_ADMIN_H
#define LG_CATALOG_ADMIN_H

#include "access.h"
#include "catalog.h"
#include "env.h"
#include "run.h"
#include "virtual.h"

typedef struct lg_ges lg_ges;
typedef struct lg_ges_owner lg_ges_owner;

typedef struct lg_catalog_config {
    lg_run *run;
    lg_access access;
    lg_ges *ges;      /* TM and DICT enqueues */
    lg_tz_cache *tzs; /* the instance's, with ICU's collators; NULL: no index is in ICU's order */
    uint32_t sequence_batch; /* sequence numbers an instance takes at a time; 0 = 32 */
} lg_catalog_config;

LG_MUST lg_status lg_catalog_create(const lg_catalog_config *cfg, lg_catalog **ret_cat);
void lg_catalog_destroy(lg_catalog *cat);

typedef struct lg_catalog_root {
    lg_rel_storage pg_class;
} lg_catalog_root;

/* Makes the catalog tables and built-in rows in transaction txn (to be committed by the caller):
 * superuser `role` with its SCRAM verifier, database `database`, schema public. */
LG_MUST lg_status lg_catalog_bootstrap(lg_catalog *cat, struct lg_txn *txn, const char *database,
                                       const char *role, const char *verifier,
                                       lg_catalog_root *ret_root);
LG_MUST lg_status lg_catalog_open(lg_catalog *cat, struct lg_txn *txn, const lg_catalog_root *root);

/* ---- databases ----
 *
 * Each has catalog tables of its own; the shared ones are those of the first, made by
 * lg_catalog_bootstrap, which is never dropped. A session holds the DATABASE enqueue of its own
 * (lg_cat_database_enqueue) from before it looks at it. */

/* The catalog of a database, opened at first use; it stays until nobody holds its enqueue any more.
 * txn: to read with. */
LG_MUST lg_status lg_catalog_of_database(lg_catalog *first, const lg_database *db,
                                         struct lg_txn *txn, lg_catalog **ret_cat);
/* A relation of a database that is copied: its rows, entries or state are to be put into `to`. */
typedef struct lg_cat_copied {
    lg_oid oid;
    char kind; /* pg_class.relkind */
    lg_rel_storage from, to;
} lg_cat_copied;
/* What a new database is like: template 0: as template0, that is empty; else that one (catalog_copy.c),
 * and fn fills the segments. */
typedef struct lg_cat_database_fill {
    lg_oid template;
    const char *icu_locale; /* NULL: by bytes */
    lg_status (*fn)(void *arg, lg_cat *from, lg_cat *to, const lg_cat_copied *list, uint32_t n);
    void *arg;
} lg_cat_database_fill;
/* In c's transaction: makes the catalog tables of a database that has none and their rows. The
 * caller puts the root into pg_database. like NULL: as template0. */
LG_MUST lg_status lg_cat_database_make(lg_cat *c, lg_oid db, const char *name,
                                       const lg_cat_database_fill *like, lg_rel_storage *ret_root);
/* In c's transaction: all its segments go at commit. */
LG_MUST lg_status lg_cat_database_unmake(lg_cat *c, const lg_database *db);
/* SHARE: somebody is connected. EXCLUSIVE: nobody may be. Until the session lets go. */
LG_MUST lg_status lg_cat_database_enqueue(lg_ges_owner *o, lg_oid db, lg_lock_mode mode,
                                          lg_time deadline);
/* EXCLUSIVE until c's transaction ends. LG_TIMEOUT: others are connected. */
LG_MUST lg_status lg_cat_database_take(lg_cat *c, lg_oid db, lg_time deadline);
/* Bytes of its segments. */
LG_MUST lg_status lg_cat_database_size(lg_cat *c, const lg_database *db, int64_t *ret);
/* Calls fn with a handle of each database in c's transaction, but not of c's own. */
LG_MUST lg_status lg_cat_database_each(lg_cat *c,
                                       lg_status (*fn)(lg_cat *other, const char *name, void *arg),
                                       void *arg);
void lg_cat_database_release(lg_ges_owner *o, lg_oid db, lg_lock_mode mode);
/* Rows of pg_database: datfrozenxid holds the file of its pg_class, datminmxid the head block. */
struct lg_cat_row;
lg_rel_storage lg_cat_database_root(const struct lg_cat_row *pg_database_row);
void lg_cat_database_set_root(struct lg_cat_row *pg_database_row, const lg_rel_storage *root);

/* A built-in view, before bootstrap: columns "name:type,...", types by OID; the texts must outlive
 * the catalog. */
LG_MUST lg_status lg_catalog_view_register(lg_catalog *cat, lg_oid oid, lg_oid nsp,
                                           const char *name, const char *columns, const char *sql);
const lg_access *lg_catalog_access(const lg_catalog *cat);
lg_run *lg_catalog_run(const lg_catalog *cat);
void lg_catalog_cache_drop(lg_catalog *cat);
size_t lg_catalog_cached(const lg_catalog *cat); /* descriptors cached */

/* ---- transactions ---- */

/* The session's owner of enqueues, before the first transaction; the session's advisory locks use
 * the same. lg_cat_end calls lg_ges_unlock_transaction on it. */
void lg_cat_set_owner(lg_cat *c, lg_ges_owner *owner);
lg_ges_owner *lg_cat_owner(const lg_cat *c); /* NULL: none */
void lg_cat_begin(lg_cat *c, struct lg_txn *txn);
struct lg_txn *lg_cat_txn(const lg_cat *c);
LG_MUST lg_status lg_cat_pre_commit(lg_cat *c);
/* Releases table locks and DICT, drops segments that are no longer (created and rolled back, or
 * dropped and committed). */
void lg_cat_end(lg_cat *c, bool committed);
typedef struct lg_cat_mark {
    uint32_t segops, changes;
} lg_cat_mark;
lg_cat_mark lg_cat_savepoint(lg_cat *c);
void lg_cat_rollback_to(lg_cat *c, lg_cat_mark mark);
bool lg_cat_did_ddl(const lg_cat *c);
void lg_cat_set_lock_timeout(lg_cat *c, uint32_t ms); /* 0 none */

/* A table's lock that is held over transactions, until it is let go or the session ends.
 * LG_LOCK_NOT_AVAILABLE: not by the deadline. */
LG_MUST lg_status lg_cat_lock_session(lg_cat *c, lg_oid rel, lg_lockmode mode, lg_time deadline);
void lg_cat_unlock_session(lg_cat *c, lg_oid rel, lg_lockmode mode);

/* ---- temporary schemas (catalog_temp.c) ---- */

/* This session's; 0: none. lg_cat_temp_path: the search path says that CREATE goes there. */
lg_oid lg_cat_temp_namespace(const lg_cat *c);
bool lg_cat_temp_path(const lg_cat *c);
/* Makes it in the running transaction when there is none. *ret_found: the schema was there before
 * this session, and what is in it was left by one that died. */
LG_MUST lg_status lg_cat_temp_begin(lg_cat *c, lg_oid *ret_nsp, bool *ret_found);
/* Did this session make the relation in it? */
bool lg_cat_temp_made(const lg_cat *c, lg_oid rel);
/* The relations that this session has made in it, also some that are no more. */
bool lg_cat_temp_next(const lg_cat *c, size_t *pos, lg_oid *ret_rel);
/* The transaction drops all of them: once it has committed, the session has no such schema. */
void lg_cat_temp_over(lg_cat *c);
/* For what was left by the dead: pg_temp_N is nobody's, and this session's until it lets go.
 * LG_LOCK_NOT_AVAILABLE: somebody's. */
LG_MUST lg_status lg_cat_temp_claim(lg_cat *c, const char *schema);
void lg_cat_temp_unclaim(lg_cat *c, const char *schema);

/* ---- catalog rows ---- */

enum { /* LG_AT_pg_class_relname: attribute numbers */
#define LG_CAT_TABLE(o, name, rowtype, shared)       LG_AT_##name = 0,
#define LG_CAT_COLUMN(tab, col, type, notnull, coll) LG_AT_##tab##_##col,
#define LG_CAT_INDEX(tab, o, name, uniq, prim, n, keys)
#include "catalog.def"
#undef LG_CAT_TABLE
#undef LG_CAT_COLUMN
#undef LG_CAT_INDEX
};

enum { /* LG_REL_pg_class: OIDs of tables; LG_IX_...: of indexes */
#define LG_CAT_TABLE(o, name, rowtype, shared) LG_REL_##name = (o),
#define LG_CAT_COLUMN(tab, col, type, notnull, coll)
#define LG_CAT_INDEX(tab, o, name, uniq, prim, n, keys) LG_IX_##name = (o),
#include "catalog.def"
#undef LG_CAT_TABLE
#undef LG_CAT_COLUMN
#undef LG_CAT_INDEX
};

#define LG_CAT_MAX_ATTS 40

typedef struct lg_cat_row {
    lg_tid tid;
    uint16_t natts;
    lg_datum v[LG_CAT_MAX_ATTS]; /* v[attnum - 1]; by reference: in the arena of the scan */
    uint8_t null[LG_CAT_MAX_ATTS];
} lg_cat_row;

#define LG_ROW_GET(row, att)    ((row)->v[(att)-1])
#define LG_ROW_NULL(row, att)   ((row)->null[(att)-1] != 0)
#define LG_ROW_SET(row, att, d) ((row)->v[(att)-1] = (d), (row)->null[(att)-1] = 0)

/* All columns null, or zero / empty / 'f' where the column is NOT NULL. */
void lg_cat_row_init(lg_oid table, lg_cat_row *row);

typedef struct lg_cat_scan {
    lg_cat *cat;
    const lg_relation *rel;
    const lg_index *index; /* NULL: whole table */
    lg_arena *arena;
    const struct lg_snapshot *snap;
    void *scan;
    uint16_t nkeys;
    lg_datum keys[4];
    const uint8_t *lo;
    size_t lo_len;
} lg_cat_scan;

/* Rows of a catalog table whose first nkeys columns of the index equal keys, in index order; index
 * 0 = all rows in table order. Sees what is committed now, and the own transaction's changes. */
LG_MUST lg_status lg_cat_scan_open(lg_cat *c, lg_oid table, lg_oid index, uint16_t nkeys,
                                   const lg_datum *keys, lg_arena *a, lg_cat_scan *ret_scan);
LG_MUST lg_status lg_cat_scan_next(lg_cat_scan *s, lg_cat_row *ret_row); /* LG_END */
void lg_cat_scan_close(lg_cat_scan *s);
/* The one row; LG_NOT_FOUND. */
LG_MUST lg_status lg_cat_find(lg_cat *c, lg_oid table, lg_oid index, uint16_t nkeys,
                              const lg_datum *keys, lg_arena *a, lg_cat_row *ret_row);

LG_MUST lg_status lg_cat_insert(lg_cat *c, lg_oid table, lg_cat_row *row); /* sets tid */
/* old: as scanned. LG_EXISTS: a unique key is taken. LG_SERIALIZATION: changed meanwhile. */
LG_MUST lg_status lg_cat_update(lg_cat *c, lg_oid table, const lg_cat_row *old, lg_cat_row *row);
LG_MUST lg_status lg_cat_delete(lg_cat *c, lg_oid table, const lg_cat_row *row);
/* Deletes all rows matching (as lg_cat_scan_open). */
LG_MUST lg_status lg_cat_delete_where(lg_cat *c, lg_oid table, lg_oid index, uint16_t nkeys,
                                      const lg_datum *keys, uint32_t *ret_n);

/* A new OID, never given before. */
LG_MUST lg_status lg_cat_new_oid(lg_cat *c, lg_oid *ret_oid);
/* The object changed in this transaction: descriptors of it are renewed at commit everywhere and
 * at once here. rel 0: a namespace or other object that is not a relation. */
LG_MUST lg_status lg_cat_touch(lg_cat *c, lg_oid rel);
/* Segments of relations: created in this transaction; to be dropped when it commits. */
LG_MUST lg_status lg_cat_segment_create(lg_cat *c, lg_seg_kind kind, lg_rel_storage *ret);
void lg_cat_segment_drop(lg_cat *c, const lg_rel_storage *st);

/* Segments that no row names: their makers or droppers died before they could drop them. claim: nobody
 * makes segments until unclaim; LG_LOCK_NOT_AVAILABLE: somebody is just making some. lost: after
 * claim, in a transaction begun since, with the first database's handle; also LG_LOCK_NOT_AVAILABLE.
 * reclaim: after unclaim; drops one. See catalog_lost.c. */
LG_MUST lg_status lg_cat_segments_claim(lg_cat *c);
void lg_cat_segments_unclaim(lg_cat *c);
LG_MUST lg_status lg_cat_segments_lost(lg_cat *c, lg_arena *a, lg_rel_storage **ret,
                                       uint32_t *ret_n);
LG_MUST lg_status lg_cat_segment_reclaim(lg_cat *c, const lg_rel_storage *st);

/* pg_class.relfilenode holds the file, relfrozenxid the head block. */
lg_rel_storage lg_cat_row_storage(const lg_cat_row *pg_class_row);
void lg_cat_row_set_storage(lg_cat_row *pg_class_row, const lg_rel_storage *st);
/* lg_index.since of an index: pg_class.relminmxid and relrewrite hold its halves. */
uint64_t lg_cat_row_since(const lg_cat_row *pg_class_row);
void lg_cat_row_set_since(lg_cat_row *pg_class_row, uint64_t since);
/* Was the segment made by this transaction? */
bool lg_cat_segment_is_new(const lg_cat *c, const lg_rel_storage *st);

/* ---- sequences ---- */

typedef struct lg_sequence {
    lg_oid oid;
    lg_oid type;
    int64_t start, increment, max, min, cache;
    bool cycle;
    lg_rel_storage storage;
} lg_sequence;

/* From pg_sequence and pg_class. LG_NOT_FOUND. */
LG_MUST lg_status lg_cat_sequence(lg_cat *c, lg_oid oid, lg_sequence *ret_seq);
/* Never the same twice, on any instance. LG_LIMIT: the maximum (minimum) is reached. An instance
 * takes `sequence_batch` numbers at a time, so numbers of several instances interleave and a crash
 * leaves a gap, as PostgreSQL's CACHE does. */
LG_MUST lg_status lg_cat_sequence_next(lg_cat *c, lg_oid oid, int64_t *ret_value);
LG_MUST lg_status lg_cat_sequence_set(lg_cat *c, lg_oid oid, int64_t value, bool is_called);
LG_MUST lg_status lg_cat_sequence_read(lg_cat *c, lg_oid oid, lg_seq_state *ret_state);
/* The session's last values: LG_NOT_FOUND when nextval was not called. */
LG_MUST lg_status lg_cat_sequence_currval(lg_cat *c, lg_oid oid, int64_t *ret_value);
LG_MUST lg_status lg_cat_sequence_lastval(lg_cat *c, int64_t *ret_value);
void lg_cat_sequences_discard(lg_cat *c);

/* Short hands for column values; arrays are core/types' array.h. */
lg_datum lg_cat_name(lg_arena *a, const char *s);              /* name */
uint32_t lg_cat_int2s(lg_datum d, int16_t *ret, uint32_t cap); /* int2vector, int2[] */
uint32_t lg_cat_oids(lg_datum d, lg_oid *ret, uint32_t cap);   /* oidvector, oid[] */

#endif
