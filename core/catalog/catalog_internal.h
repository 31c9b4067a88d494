/* Inside core/catalog. */
#ifndef LG_CATALOG_INTERNAL_H
#define LG_CATALOG_INTERNAL_H

#include "acl.h"
#include "assert.h"
#include "catalog_admin.h"
#include "catalog_deps.h"
#include "func.h"
#include "ges.h"
#include "map.h"
#include "waitq.h"

/* One cache of descriptors: the instance's (committed state) or a transaction's own. */
typedef struct lg_cat_cache {
    lg_map *by_oid;      /* lg_relation; the cache holds one reference */
    lg_strmap *by_name;  /* "nspoid\0name" -> lg_cat__found */
    lg_strmap *nsp_name; /* name -> (void *)oid, ABSENT */
    lg_map *nsp_oid;     /* oid -> name (lg_strdup) */
} lg_cat_cache;

#define LG_CAT_ABSENT   ((void *)(uintptr_t)1)
#define LG_CAT_SLOTS    4096u
#define LG_CAT_RING_MAX 128u /* events of one transaction, then: everything */

/* What the databases of a volume have in common on this instance. */
typedef struct lg_cat_dict {
    lg_ges_owner owner; /* of DICT in S, for a moment */
    uint64_t change;    /* number of the last change applied (catalog_deps.c) */
    uint64_t all_at;    /* the last one that dropped everything */
    uint64_t slots[LG_CAT_SLOTS];
    uint64_t ring_at; /* events of the ring applied */
    bool held;        /* the instance's sticky mode on DICT covers S */
    uint32_t x;       /* sessions between taking DICT X and giving it back */
    lg_waitq waitq;
    lg_rel_storage oid_counter; /* and the ring */
    lg_oid oid_next, oid_end;   /* reserved by this instance */
    lg_catalog *first;          /* has the shared tables; catalog_db.c */
    lg_list catalogs;           /* all that are open */
} lg_cat_dict;

/* One database. */
struct lg_catalog {
    lg_cat_dict *dict;
    lg_list link;
    lg_oid database;
    lg_oid default_collation; /* ICU's, told to core/types; 0: by bytes */
    uint32_t users;           /* sessions */
    lg_run *run;
    lg_access access;
    lg_ges *ges;
    lg_tz_cache *tzs;
    uint32_t sequence_batch;
    lg_arena *arena;
    lg_map *system;     /* oid -> lg_relation of catalog tables and virtual relations */
    lg_strmap *sysname; /* "nspoid\0name" -> lg_relation */
    lg_map *sysindex;   /* index oid -> lg_relation (table) */
    lg_cat_cache cache;
    lg_map *names;    /* relation oid -> where it is and its name, for pg_table_is_visible */
    lg_map *relstats; /* oid -> lg_relstat (relstat.c) */
    lg_map *seqs;     /* oid -> what this instance has reserved (catalog_seq.c) */
    uint64_t seqs_born;
    lg_fn proc_fn; /* how functions made by users are called */
    const struct lg_srf *proc_srf;
    lg_oid next_virtual_oid;
    bool open;
};

typedef struct lg_cat_segop {
    lg_rel_storage storage;
    bool created; /* else: to be dropped at commit */
} lg_cat_segop;

/* What a transaction has done to a table, counted when it ends (relstat.c); several of one table when
 * savepoints lie between them. */
typedef struct lg_cat_changed {
    uint64_t inserted, updated, deleted;
} lg_cat_changed;

typedef struct lg_cat_change {
    lg_oid oid;
    bool truncated;
    lg_cat_changed now, before; /* since, and before the truncation */
} lg_cat_change;

typedef struct lg_cat_changes {
    lg_cat_change *at;
    uint32_t n, cap;
    uint32_t base; /* since the newest savepoint */
    bool again;    /* a table may have several */
} lg_cat_changes;

struct lg_cat {
    lg_catalog *cat;
    lg_cat_changes changes;
    lg_oid user;
    char *user_name;
    lg_acl_roles roles; /* of user, in roles_arena, as of roles_generation */
    lg_arena *roles_arena;
    lg_cat_deps roles_deps;
    uint64_t roles_generation;
    char *database;
    char *path;        /* as set */
    lg_oid *path_oids; /* resolved; npath of them */
    uint32_t npath;
    lg_cat_deps path_deps;
    bool path_resolved;
    lg_ges_owner *owner;
    struct lg_txn *txn;
    bool ddl;           /* this transaction changed the catalog: `own` is in use */
    bool shared_ddl;    /* ... in what others see: not only this session's temporary objects */
    lg_oid temp_nsp;    /* pg_temp_N of this session (catalog_temp.c); 0: none */
    uint32_t temp_slot; /* N, held by an enqueue */
    bool temp_named;    /* the search path names pg_temp */
    bool temp_over;     /* everything in it was dropped by this transaction */
    bool temp_seen;     /* this transaction has made something in it */
    bool temp_clean;    /* nothing of an earlier owner is in it */
    lg_map *temp_rels;  /* relations that this session has made in it */
    bool dict_x;
    lg_cat_cache own;
    lg_map *events;        /* what this transaction changed: keys of catalog_deps.c */
    lg_cat_deps *recorder; /* notes what is looked up; NULL: nobody asks */
    lg_cat_segop *segops;
    uint32_t nsegops, capsegops;
    lg_map *locks; /* rel oid -> bit mask of modes asked for in this transaction */
    uint32_t lock_timeout_ms;
    void (*locked)(void *arg); /* not NULL: the transaction is SERIALIZABLE */
    void *locked_arg;
    lg_map *currvals; /* seq oid -> int64 * */
    lg_oid lastval_seq;
    uint64_t own_generation;
    struct lg_cat_types *types; /* catalog_type.c; NULL: none yet */
    lg_oid dropped_database;    /* by this transaction */
};

void lg_cat__cache_init(lg_cat_cache *cc);
void lg_cat__cache_clear(lg_cat_cache *cc); /* marks descriptors stale, drops references */
void lg_cat__cache_fini(lg_cat_cache *cc);
void lg_cat__cache_forget(lg_cat_cache *cc, lg_oid rel);
void lg_cat__cache_forget_namespaces(lg_cat_cache *cc);

/* relstat.c */
void lg_cat__relstats_free(lg_catalog *cat);
void lg_cat__changes_savepoint(lg_cat *c);
void lg_cat__changes_rollback_to(lg_cat *c, uint32_t mark);
void lg_cat__changes_end(lg_cat *c, bool committed);

void lg_cat__names_clear(lg_catalog *cat); /* catalog_names.c */

/* catalog_deps.c */
void lg_cat__apply_events(lg_cat *c); /* here only: of temporary objects */
void lg_cat__apply_all(lg_catalog *cat);
void lg_cat__bound(lg_catalog *cat); /* before the cache grows: empties one that is too large */
LG_MUST lg_status lg_cat__ring_read(lg_catalog *cat);
LG_MUST lg_status lg_cat__ring_append(lg_cat *c);
LG_MUST lg_status lg_cat__tell_relation(lg_cat *c, lg_oid rel);
void lg_cat__note_relation(lg_cat *c, lg_oid rel);
void lg_cat__row_changed(lg_cat *c, lg_oid table, const lg_cat_row *row, const lg_cat_row *old,
                         bool inserted);
void lg_cat__depend_all(lg_cat *c, const lg_cat_deps *d);
bool lg_cat__unchanged(const lg_catalog *cat, lg_dep_class cls, uint32_t id, uint64_t since);

/* catalog_system.c */
void lg_cat__system_build(lg_catalog *cat);
void lg_cat__system_destroy(lg_catalog *cat);
/* Before a segment is made: nobody takes it for a lost one (catalog_lost.c). */
lg_status lg_cat__segment_making(lg_cat *c);
/* fn with a handle of the database, in c's transaction, while nobody drops it. LG_NOT_FOUND:
 * somebody did, or its tables are not made yet. LG_LOCK_NOT_AVAILABLE: the deadline. */
lg_status lg_cat__within_database(lg_cat *c, lg_oid db, lg_time deadline,
                                  lg_status (*fn)(lg_cat *other, lg_cat *c, void *arg), void *arg);
const lg_relation *lg_cat__system_by_oid(const lg_catalog *cat, lg_oid oid);
bool lg_cat__table_stored(lg_oid table);
uint32_t lg_cat__name_key(lg_oid nsp, const char *name, char *buf, uint32_t cap);
void lg_cat__system_set_storage(lg_catalog *cat, lg_oid rel, const lg_rel_storage *st);

/* catalog_builtin.c: virtual rows of the constant catalogs */
void lg_cat__builtin_register(lg_catalog *cat);

/* catalog_type.c: at a transaction's end, and at the session's (all) */
void lg_cat__types_end(lg_cat *c, bool all);
/* The type that values of the domain (or of an array of it) have. */
LG_MUST lg_status lg_cat__domain_base(lg_cat *c, lg_oid domain, lg_oid *ret_base);

/* catalog_builtin.c: rows of the built-in types */
LG_MUST lg_status lg_cat__type_rows(lg_cat *c, lg_arena *a);

/* catalog_desc.c: makes a descriptor from the tables */
LG_MUST lg_status lg_cat__describe(lg_cat *c, lg_oid oid, lg_relation **ret_rel);

/* catalog_system.c: the descriptors of another database's catalog tables; shared ones have their
 * storage already. */
void lg_cat__system_copy(lg_catalog *cat, const lg_catalog *from);
bool lg_cat__table_shared(lg_oid table);

/* catalog_boot.c */
LG_MUST lg_status lg_cat__bootstrap_database(lg_cat *c, lg_cat *creator, lg_arena *a);
/* Only the segments of its catalog tables. */
LG_MUST lg_status lg_cat__database_segments(lg_cat *c, lg_cat *creator);
LG_MUST lg_status lg_cat__copy_database(lg_cat *to, lg_cat *creator,
                                        const lg_cat_database_fill *like, lg_arena *a);
#define LG_CAT_OID_COUNTER 15999u /* the sequence that OIDs come from, in the first database */
LG_MUST lg_status lg_cat__open(lg_catalog *cat, struct lg_txn *txn, const lg_rel_storage *pg_class);
void lg_cat__catalog_free(lg_catalog *cat);

/* catalog_db.c */
void lg_cat__databases_init(lg_catalog *first);
void lg_cat__database_dropped(lg_catalog *any, lg_oid db);

/* catalog_temp.c */
bool lg_cat__is_temp(const lg_cat *c, lg_oid rel);
void lg_cat__temp_made(lg_cat *c, lg_oid rel);
void lg_cat__temp_end(lg_cat *c, bool committed);

/* catalog_lock.c */
LG_MUST lg_status lg_cat__dict_share(lg_cat *c);
LG_MUST lg_status lg_cat__dict_exclusive(lg_cat *c);
void lg_cat__dict_let_go(lg_cat *c);
/* What this instance has reserved of one sequence, or of all, is not given out. */
void lg_cat__sequence_forget(lg_catalog *cat, lg_oid oid);
/* Whoever reads the OID of a collation somewhere: so that core/types knows its locale. */
LG_MUST lg_status lg_cat__collation_meet(lg_cat *c, lg_oid oid);
void lg_cat__sequences_forget(lg_catalog *cat);
void lg_cat__dict_init(lg_cat_dict *d, lg_ges *ges);

#endif
