/* Access control lists: who may do what with an object, as PostgreSQL's aclitem[] tells it.
 *
 * An item gives a role (0: PUBLIC) privileges, each with or without the right to grant it on, and
 * names who granted. A NULL list means the default of the object's type: everything for its owner
 * and for some types something for PUBLIC. Pure functions, but for the role lookups at the end,
 * which read the catalog (and may block) once per catalog generation and session.
 *
 * An aclitem datum is a varlen of 12 bytes: grantee, grantor, privileges (low half) and grant
 * options (high half), all uint32. */
#ifndef LG_CATALOG_ACL_H
#define LG_CATALOG_ACL_H

#include "catalog.h"

/* In the order of PostgreSQL's letters "arwdDxtXUCTcsA". */
#define LG_ACL_INSERT       (1u << 0)
#define LG_ACL_SELECT       (1u << 1)
#define LG_ACL_UPDATE       (1u << 2)
#define LG_ACL_DELETE       (1u << 3)
#define LG_ACL_TRUNCATE     (1u << 4)
#define LG_ACL_REFERENCES   (1u << 5)
#define LG_ACL_TRIGGER      (1u << 6)
#define LG_ACL_EXECUTE      (1u << 7)
#define LG_ACL_USAGE        (1u << 8)
#define LG_ACL_CREATE       (1u << 9)
#define LG_ACL_TEMPORARY    (1u << 10)
#define LG_ACL_CONNECT      (1u << 11)
#define LG_ACL_SET          (1u << 12)
#define LG_ACL_ALTER_SYSTEM (1u << 13)
#define LG_ACL_BITS         14
#define LG_ACL_PRIVS(x)     ((x)&0xffffu)
#define LG_ACL_OPTIONS(x)   ((x) >> 16)
#define LG_ACL_AS_OPTION(x) ((x) << 16)

/* Types of objects, as acldefault() and pg_default_acl name them. */
#define LG_ACL_COLUMN     'c'
#define LG_ACL_RELATION   'r'
#define LG_ACL_SEQUENCE   's'
#define LG_ACL_DATABASE   'd'
#define LG_ACL_FUNCTION   'f'
#define LG_ACL_LANGUAGE   'l'
#define LG_ACL_SCHEMA     'n'
#define LG_ACL_TABLESPACE 't'
#define LG_ACL_TYPE       'T'
#define LG_ACL_PARAMETER  'p'

typedef struct lg_acl_item {
    lg_oid grantee, grantor;
    uint32_t privs; /* LG_ACL_PRIVS, LG_ACL_OPTIONS */
} lg_acl_item;

typedef struct lg_acl {
    uint32_t n, cap;
    lg_acl_item *at;
    lg_arena *arena;
} lg_acl;

lg_datum lg_acl_item_datum(lg_arena *a, const lg_acl_item *item);
lg_acl_item lg_acl_item_of(lg_datum d);
/* From an aclitem[] datum. */
void lg_acl_unpack(lg_datum array, lg_arena *a, lg_acl *ret);
lg_datum lg_acl_pack(lg_arena *a, const lg_acl *acl);
/* The list of an object that has none. */
void lg_acl_default(char type, lg_oid owner, lg_arena *a, lg_acl *ret);
uint32_t lg_acl_all(char type); /* every privilege the type has */

uint32_t lg_acl_bit_by_name(const char *name, size_t len); /* any case; 0: no such privilege */
const char *lg_acl_bit_name(int bit);
char lg_acl_bit_letter(int bit);

/* Grants (privs as in an item) or revokes. LG_EXISTS: others got a revoked grant option's
 * privileges on, and cascade was not asked for. */
LG_MUST lg_status lg_acl_change(lg_acl *acl, bool grant, const lg_acl_item *item, lg_oid owner,
                                bool cascade);
/* The privileges out of `want` that one of the roles has; the owner's are what the list says, but
 * its grant options are always all. */
uint32_t lg_acl_mask(const lg_acl *acl, const lg_oid *roles, uint32_t nroles, lg_oid owner,
                     uint32_t want);

/* ---- roles ---- */

typedef struct lg_acl_roles {
    bool super;
    uint32_t n;
    const lg_oid *at; /* the user and all it inherits from */
} lg_acl_roles;

/* Of any user; kept for the session's own until the catalog changes. */
LG_MUST lg_status lg_cat_roles_of(lg_cat *c, lg_oid user, lg_arena *a, lg_acl_roles *ret);
/* Is member one of role, directly or not, with INHERIT or (set) without? */
LG_MUST lg_status lg_cat_is_member(lg_cat *c, lg_oid member, lg_oid role, bool set, bool *ret);
/* What of `want` the user has on an object with that list (0: NULL, the default). A superuser has
 * everything. */
LG_MUST lg_status lg_cat_acl_mask(lg_cat *c, lg_oid user, char type, lg_oid owner, lg_datum acl,
                                  uint32_t want, uint32_t *ret);
/* On a relation; system catalogs are everyone's to read but for those with secrets. */
LG_MUST lg_status lg_cat_relation_mask(lg_cat *c, lg_oid user, const lg_relation *rel,
                                       uint32_t want, uint32_t *ret);
LG_MUST lg_status lg_cat_namespace_mask(lg_cat *c, lg_oid user, lg_oid nsp, uint32_t want,
                                        uint32_t *ret);
LG_MUST lg_status lg_cat_database_mask(lg_cat *c, lg_oid user, lg_oid db, uint32_t want,
                                       uint32_t *ret);

#endif
