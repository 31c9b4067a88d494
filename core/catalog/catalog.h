/* Catalog: what the database contains, as bind, plan, exec and the session see it.
 *
 * MODEL
 * The truth is ordinary tables in pg_catalog, PostgreSQL 15's shape, stored through heap and btree
 * under ordinary transactions. An lg_catalog (one per database and instance) keeps descriptors made from them in
 * a dictionary cache, used while the instance holds the DICT enqueue in S. A transaction that did
 * DDL reads the tables through its own snapshot into a private cache instead, takes DICT in X just
 * before its commit record, says which objects changed and releases it after: the other instances
 * forget those objects before they go on (catalog_deps.h). An lg_cat (one per session) is the handle
 * of all lookups.
 *
 * DESCRIPTORS are immutable and counted: lg_relation_ref / lg_relation_unref. A statement holds a
 * reference for as long as it uses one, and must hold the table lock (lg_cat_lock) from before it
 * relies on it until its transaction ends; `stale` becomes true when the object changed, which can
 * only happen to one that is not locked: after the lock, look at it and look the relation up again.
 *
 * BUILT-IN types, functions, operators, casts and operator classes are constant and come straight
 * from core/types (lg_type_get, lg_func_by_name, lg_operator_find ...); they all live in the schema
 * pg_catalog. Types of users are in pg_type beside them (cat_type.h).
 *
 * BLOCKS  every lookup may read blocks and wait for the DICT enqueue: it may block the fiber, and
 * descriptors not referenced may go away. Errors: LG_NOT_FOUND where said (no error detail set),
 * else negative; LG_SQL with detail where an lg_error is passed. */
#ifndef LG_CATALOG_H
#define LG_CATALOG_H

#include "arena.h"
#include "datum.h"
#include "error.h"
#include "keycodec.h"
#include "lock_mode.h"
#include "rowcodec.h"
#include "status.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct lg_catalog lg_catalog; /* a database, of an instance */
typedef struct lg_cat lg_cat;         /* of a session */

/* Fixed OIDs. */
#define LG_NSP_CATALOG          11u
#define LG_NSP_TOAST            99u
#define LG_NSP_PUBLIC           2200u
#define LG_NSP_INFORMATION      13000u
#define LG_ROLE_BOOTSTRAP       10u
#define LG_ROLE_DATABASE_OWNER  6171u
#define LG_ROLE_SIGNAL_BACKEND  4200u
#define LG_ROLE_READ_ALL_STATS  3375u
#define LG_ROLE_CHECKPOINT      4544u
#define LG_ROLE_READ_FILES      4569u
#define LG_ROLE_WRITE_FILES     4570u
#define LG_ROLE_EXECUTE_PROGRAM 4571u
#define LG_DB_TEMPLATE1         1u
#define LG_DB_TEMPLATE0         4u
#define LG_DB_POSTGRES          5u
#define LG_DB_FIRST             16000u /* made with the volume; has the shared catalog tables */

/* relkind */
#define LG_REL_TABLE     'r'
#define LG_REL_INDEX     'i'
#define LG_REL_SEQUENCE  'S'
#define LG_REL_VIEW      'v'
#define LG_REL_MATVIEW   'm'
#define LG_REL_COMPOSITE 'c' /* the fields of CREATE TYPE AS (...) */

/* Where a relation's blocks are. The catalog only carries it; exec opens it with storage/space. */
typedef struct lg_rel_storage {
    uint32_t file; /* segment's file id in the volume; 0: no storage (view, virtual table) */
    uint32_t head; /* its segment header block */
} lg_rel_storage;

typedef struct lg_column {
    const char *name;
    int16_t attnum; /* 1-based; position in the stored row too */
    lg_oid type;    /* of the values: a domain's base */
    lg_oid domain;  /* the domain (or array of one) that it was declared with; 0 */
    int32_t typmod;
    lg_oid collation;
    int16_t ndims;
    bool not_null;
    bool dropped;
    bool has_missing;        /* rows stored before ADD COLUMN read `missing` */
    char identity;           /* 'a' always, 'd' by default, 0 */
    char generated;          /* 's' stored, 0 */
    const char *default_sql; /* expression text (DEFAULT, or GENERATED's); NULL: none */
    lg_oid default_oid;      /* pg_attrdef.oid */
    lg_oid identity_seq;     /* the owned sequence when identity */
    lg_datum missing;        /* never NULL when has_missing */
    lg_datum acl;            /* aclitem[] (acl.h); 0: none */
    int32_t stat_target;     /* SET STATISTICS plus one; 0: as the session says */
    float n_distinct;        /* from ANALYZE as pg_statistic.stadistinct; 0 unknown */
    float null_frac;
} lg_column;

#define LG_INDEX_MAX_KEYS 32

typedef struct lg_index {
    lg_oid oid;
    const char *name;
    lg_oid table;
    lg_oid constraint;                 /* of the PRIMARY KEY or UNIQUE constraint; 0: plain index */
    uint16_t nkeys;                    /* key columns */
    uint16_t natts;                    /* with INCLUDE columns */
    int16_t attnum[LG_INDEX_MAX_KEYS]; /* 0: an expression, in order in exprs */
    lg_oid opclass[LG_INDEX_MAX_KEYS];
    lg_oid collation[LG_INDEX_MAX_KEYS];
    lg_keycol key[LG_INDEX_MAX_KEYS]; /* type, desc, nulls_first: ready for lg_key_encode */
    bool unique;
    bool primary;
    bool nulls_not_distinct;
    bool immediate;
    bool valid;
    uint64_t since; /* SCN: a snapshot older than this may see rows it has no entries of; 0: none */
    const char *const *exprs; /* expression texts */
    uint16_t nexprs;
    const char *predicate_sql; /* partial index; NULL: none */
    lg_rel_storage storage;
    float tuples;
    uint32_t pages;
} lg_index;

typedef struct lg_constraint {
    lg_oid oid;
    const char *name;
    char type; /* 'p' primary key, 'u' unique, 'c' check, 'f' foreign key */
    bool deferrable;
    bool deferred;
    bool validated;
    uint16_t nkeys;
    const int16_t *keys;   /* attnums of this table */
    const char *check_sql; /* 'c' */
    lg_oid index;          /* 'p', 'u'; for 'f' the referenced index */
    lg_oid ref_table;      /* 'f' */
    const int16_t *ref_keys;
    char on_update, on_delete, match; /* 'f', as pg_constraint: a r c n d; s f p */
    uint16_t nset;                    /* 'f': ON DELETE SET NULL or DEFAULT (columns); 0: all */
    const int16_t *set_keys;
} lg_constraint;

/* A foreign key of another table that refers to this one. */
typedef struct lg_fk_ref {
    lg_oid table;
    lg_oid constraint;
} lg_fk_ref;

/* Statistics of a column, by ANALYZE; may be absent. */
typedef struct lg_colstats {
    int16_t attnum;
    float null_frac;
    float width;
    float n_distinct; /* > 0 a count, < 0 minus a fraction of the rows */
    float correlation;
    uint32_t n_mcv;
    const lg_datum *mcv;
    const float *mcv_freq;
    uint32_t n_bounds; /* histogram bounds, ascending */
    const lg_datum *bounds;
} lg_colstats;

/* A relation whose rows come from a callback (gv$..., pg_settings): see exec's virtual.h. */
struct lg_virtual_rel;

typedef struct lg_relation {
    lg_oid oid;
    lg_oid namespace_oid;
    const char *schema;
    const char *name;
    char kind;        /* LG_REL_* */
    char persistence; /* 'p', 't' temporary, 'u' */
    bool is_system;   /* built-in catalog table */
    bool stale;       /* changed since: look it up again */
    lg_oid owner;
    lg_datum acl;   /* aclitem[] (acl.h); 0: the default */
    uint16_t ncols; /* dropped ones included: cols[attnum - 1] */
    const lg_column *cols;
    const lg_rowcol *rowcols; /* ncols of them, for lg_row_encode / decode */
    uint16_t nindexes;
    const lg_index *const *indexes; /* by oid; primary key anywhere */
    const lg_index *primary;        /* or NULL */
    uint16_t nconstraints;
    const lg_constraint *constraints;
    uint16_t nfk_refs;
    const lg_fk_ref *fk_refs;
    const char *view_sql;                     /* 'v', 'm': the SELECT's text */
    char check_option;                        /* 'v': 'l' local, 'c' cascaded, 0 */
    bool security_barrier, security_invoker;  /* 'v' */
    bool populated;                           /* 'm': has been filled */
    const struct lg_virtual_rel *virtual_rel; /* rows from a callback; NULL: stored */
    lg_rel_storage storage;
    float tuples; /* reltuples; -1 never analyzed */
    uint32_t pages;
    uint16_t nstats;
    const lg_colstats *stats;
    /* private */
    lg_arena *arena;
    uint32_t refs;
} lg_relation;

static inline const lg_column *
lg_relation_column(const lg_relation *r, int16_t attnum)
{
    return attnum >= 1 && attnum <= (int16_t)r->ncols ? &r->cols[attnum - 1] : (const lg_column *)0;
}

/* By name, not dropped; NULL: none. */
const lg_column *lg_relation_column_by_name(const lg_relation *r, const char *name);
const lg_index *lg_relation_index(const lg_relation *r, lg_oid index_oid);
const lg_colstats *lg_relation_colstats(const lg_relation *r, int16_t attnum);
lg_relation *lg_relation_ref(lg_relation *r);
void lg_relation_unref(lg_relation *r); /* NULL is fine */

/* ---- lookups ---- */

/* schema NULL: along the search path (temporary, pg_catalog first unless named, then the path).
 * Gives a reference. LG_NOT_FOUND: none such. For an index, ret is NULL-column relation of kind
 * 'i' whose `cols` are the keys. */
LG_MUST lg_status lg_cat_relation_by_name(lg_cat *c, const char *schema, const char *name,
                                          lg_relation **ret_rel);
LG_MUST lg_status lg_cat_relation_by_oid(lg_cat *c, lg_oid oid, lg_relation **ret_rel);
/* The table an index belongs to; 0 when it is no index. */
LG_MUST lg_status lg_cat_index_table(lg_cat *c, lg_oid index_oid, lg_oid *ret_table);
/* Would the unqualified name find this very relation? */
LG_MUST lg_status lg_cat_relation_visible(lg_cat *c, lg_oid oid, bool *ret);

/* What the column was declared with: pg_attribute.atttypid. */
static inline lg_oid
lg_column_declared(const lg_column *c)
{
    return c->domain ? c->domain : c->type;
}

LG_MUST lg_status lg_cat_namespace_by_name(lg_cat *c, const char *name, lg_oid *ret_oid);
/* In the arena; "???" when unknown is the caller's business: LG_NOT_FOUND. */
LG_MUST lg_status lg_cat_namespace_name(lg_cat *c, lg_oid oid, lg_arena *a, const char **ret_name);

/* Types, users' too (more in cat_type.h). name as in pg_type.typname or SQL spelling. */
LG_MUST lg_status lg_cat_type_by_name(lg_cat *c, const char *schema, const char *name,
                                      lg_oid *ret_oid);

typedef struct lg_role {
    lg_oid oid;
    const char *name;
    bool super, inherit, createrole, createdb, canlogin, replication, bypassrls;
    int32_t connlimit;
    const char *password; /* SCRAM verifier; NULL: none */
} lg_role;

LG_MUST lg_status lg_cat_role_by_name(lg_cat *c, const char *name, lg_arena *a, lg_role *ret_role);
LG_MUST lg_status lg_cat_role_by_oid(lg_cat *c, lg_oid oid, lg_arena *a, lg_role *ret_role);

typedef struct lg_database {
    lg_oid oid;
    const char *name;
    lg_oid owner;
    bool allow_connections;
    int32_t connlimit; /* -1: none */
    bool is_template;
    const char *icu_locale; /* of its default collation; NULL: by bytes */
    lg_rel_storage root;    /* of its pg_class; file 0: its catalog tables are not made yet */
} lg_database;

LG_MUST lg_status lg_cat_database_by_name(lg_cat *c, const char *name, lg_arena *a,
                                          lg_database *ret_db);
LG_MUST lg_status lg_cat_database_by_oid(lg_cat *c, lg_oid oid, lg_arena *a, lg_database *ret_db);

/* ---- the session's view: identity and search path ---- */

/* Created by the session at log-in; user must exist. */
LG_MUST lg_status lg_cat_create(lg_catalog *cat, lg_oid user, const char *database, lg_cat **ret_c);
void lg_cat_destroy(lg_cat *c);
lg_catalog *lg_cat_catalog(lg_cat *c);
lg_oid lg_cat_user(const lg_cat *c);
void lg_cat_set_user(lg_cat *c, lg_oid user); /* SET ROLE */
const char *lg_cat_database(const lg_cat *c);
lg_oid lg_cat_database_oid(const lg_cat *c);
/* As the setting's text: `"$user", public`. */
void lg_cat_set_search_path(lg_cat *c, const char *path);
/* Existing schemas of the path in order, pg_catalog included where implicit when asked. */
LG_MUST lg_status lg_cat_search_path(lg_cat *c, bool with_implicit, lg_arena *a,
                                     const lg_oid **ret_oids, uint32_t *ret_n);
/* Where an unqualified CREATE goes. LG_NOT_FOUND: "no schema has been selected to create in". */
LG_MUST lg_status lg_cat_creation_namespace(lg_cat *c, lg_oid *ret_oid);
/* Moves whenever anything at all changed (search path, user, any object). */
uint64_t lg_cat_generation(const lg_cat *c);
/* The same for what every session of the instance sees alike. 0: this session sees the catalog in its
 * own way (its transaction changed it), and neither uses nor leaves anything shared. */
uint64_t lg_cat_shared_generation(const lg_cat *c);

/* ---- table locks (TM enqueues) ---- */

typedef lg_lock_mode lg_lockmode; /* PostgreSQL's numbers */

/* Locks the relation until the transaction ends (see lg_cat_txn_end); blocks. LG_DEADLOCK,
 * LG_CANCELED, LG_TIMEOUT (lock_timeout), LG_LOCK_NOT_AVAILABLE with nowait. Catalog tables are not
 * locked (their rows are). */
LG_MUST lg_status lg_cat_lock(lg_cat *c, lg_oid rel, lg_lockmode mode, bool nowait);
/* SERIALIZABLE: until the transaction ends a table that is read is locked against writers
 * (SHARE) and one that is written against readers of this kind too (SHARE ROW EXCLUSIVE).
 * `locked` is called after each lock that was not held before; it must not block. */
void lg_cat_lock_serializable(lg_cat *c, void (*locked)(void *arg), void *arg);
LG_MUST lg_status lg_cat_lock_held(lg_cat *c, lg_oid rel, lg_lockmode *ret_mode);

#endif
