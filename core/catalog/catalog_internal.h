/* Inside core/catalog. */
#ifndef LG_CATALOG_INTERNAL_H
#define LG_CATALOG_INTERNAL_H

#include "acl.h"
#include "assert.h"
#include "catalog_admin.h"
#include "ges.h"
#include "map.h"
#include "waitq.h"

/* One cache of descriptors: the instance's (committed state) or a transaction's own. */
typedef struct lg_cat_cache {
    lg_map *by_oid;      /* lg_relation; the cache holds one reference */
    lg_strmap *by_name;  /* "nspoid\0name" -> (void *)oid; absent names as ABSENT */
    lg_strmap *nsp_name; /* name -> (void *)oid, ABSENT */
    lg_map *nsp_oid;     /* oid -> name (lg_strdup) */
} lg_cat_cache;

#define LG_CAT_ABSENT ((void *)(uintptr_t)1)

struct lg_catalog {
    lg_run *run;
    lg_access access;
    lg_ges *ges;
    lg_ges_owner owner; /* of DICT in S, for a moment */
    uint32_t sequence_batch;
    lg_arena *arena;
    lg_map *system;     /* oid -> lg_relation of catalog tables and virtual relations */
    lg_strmap *sysname; /* "nspoid\0name" -> lg_relation */
    lg_map *sysindex;   /* index oid -> lg_relation (table) */
    lg_cat_cache cache;
    uint64_t generation;
    bool dict_held;  /* the instance's sticky mode on DICT covers S */
    uint32_t dict_x; /* sessions between taking DICT X and giving it back */
    lg_waitq dict_waitq;
    lg_map *seqs; /* oid -> what this instance has reserved (catalog_seq.c) */
    lg_oid next_virtual_oid;
    lg_rel_storage oid_counter;
    lg_oid oid_next, oid_end; /* reserved by this instance */
    bool open;
};

typedef struct lg_cat_segop {
    lg_rel_storage storage;
    bool created; /* else: to be dropped at commit */
} lg_cat_segop;

struct lg_cat {
    lg_catalog *cat;
    lg_oid user;
    char *user_name;
    lg_acl_roles roles; /* of user, in roles_arena, as of roles_generation */
    lg_arena *roles_arena;
    uint64_t roles_generation;
    char *database;
    char *path;        /* as set */
    lg_oid *path_oids; /* resolved; npath of them */
    uint32_t npath;
    uint64_t path_generation;
    uint64_t path_changes;
    bool path_resolved;
    lg_ges_owner *owner;
    struct lg_txn *txn;
    bool ddl; /* this transaction changed the catalog: `own` is in use */
    bool dict_x;
    lg_cat_cache own;
    lg_map *touched; /* relation oids changed by this transaction */
    bool touched_other;
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
};

void lg_cat__cache_init(lg_cat_cache *cc);
void lg_cat__cache_clear(lg_cat_cache *cc); /* marks descriptors stale, drops references */
void lg_cat__cache_fini(lg_cat_cache *cc);
void lg_cat__cache_forget(lg_cat_cache *cc, lg_oid rel);

/* catalog_system.c */
void lg_cat__system_build(lg_catalog *cat);
void lg_cat__system_destroy(lg_catalog *cat);
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

/* catalog_lock.c */
LG_MUST lg_status lg_cat__dict_share(lg_cat *c);
LG_MUST lg_status lg_cat__dict_exclusive(lg_cat *c);
void lg_cat__dict_init(lg_catalog *cat);

#endif
