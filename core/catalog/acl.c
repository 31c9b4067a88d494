/* Access control lists, and what roles a user has. */
#include "acl.h"
#include "array.h"
#include "catalog_internal.h"
#include <string.h>
#include <strings.h>

static const struct {
    char letter;
    const char *name;
} bits[LG_ACL_BITS] = {{'a', "INSERT"},  {'r', "SELECT"},      {'w', "UPDATE"},
                       {'d', "DELETE"},  {'D', "TRUNCATE"},    {'x', "REFERENCES"},
                       {'t', "TRIGGER"}, {'X', "EXECUTE"},     {'U', "USAGE"},
                       {'C', "CREATE"},  {'T', "TEMPORARY"},   {'c', "CONNECT"},
                       {'s', "SET"},     {'A', "ALTER SYSTEM"}};

/* ---- items ---- */

lg_datum
lg_acl_item_datum(lg_arena *a, const lg_acl_item *item)
{
    uint32_t raw[3] = {item->grantee, item->grantor, item->privs};
    return lg_datum_text(a, (const char *)raw, sizeof raw);
}

lg_acl_item
lg_acl_item_of(lg_datum d)
{
    uint32_t raw[3] = {0};
    const lg_varlen *v = lg_varlen_of(d);
    if (v->len >= sizeof raw)
        memcpy(raw, v->data, sizeof raw);
    return (lg_acl_item){raw[0], raw[1], raw[2]};
}

static void
add(lg_acl *acl, lg_oid grantee, lg_oid grantor, uint32_t privs)
{
    if (acl->n == acl->cap) {
        lg_acl_item *at = LG_NEWN(acl->arena, lg_acl_item, acl->cap * 2 + 4);
        if (acl->n)
            memcpy(at, acl->at, acl->n * sizeof *at);
        acl->at = at;
        acl->cap = acl->cap * 2 + 4;
    }
    acl->at[acl->n++] = (lg_acl_item){grantee, grantor, privs};
}

void
lg_acl_unpack(lg_datum array, lg_arena *a, lg_acl *ret)
{
    lg_array x;
    *ret = (lg_acl){.arena = a};
    lg_array_unpack(array, a, &x);
    for (uint32_t i = 0; i < x.n; i++) {
        lg_acl_item it = lg_acl_item_of(x.values[i]);
        add(ret, it.grantee, it.grantor, it.privs);
    }
}

lg_datum
lg_acl_pack(lg_arena *a, const lg_acl *acl)
{
    lg_datum *v = LG_NEWN(a, lg_datum, acl->n + 1);
    for (uint32_t i = 0; i < acl->n; i++)
        v[i] = lg_acl_item_datum(a, &acl->at[i]);
    return lg_array_make(a, LG_T_ACLITEM, acl->n, v, NULL);
}

uint32_t
lg_acl_all(char type)
{
    switch (type) {
    case LG_ACL_COLUMN:
        return LG_ACL_INSERT | LG_ACL_SELECT | LG_ACL_UPDATE | LG_ACL_REFERENCES;
    case LG_ACL_RELATION:
        return LG_ACL_INSERT | LG_ACL_SELECT | LG_ACL_UPDATE | LG_ACL_DELETE | LG_ACL_TRUNCATE |
               LG_ACL_REFERENCES | LG_ACL_TRIGGER;
    case LG_ACL_SEQUENCE:
        return LG_ACL_USAGE | LG_ACL_SELECT | LG_ACL_UPDATE;
    case LG_ACL_DATABASE:
        return LG_ACL_CREATE | LG_ACL_TEMPORARY | LG_ACL_CONNECT;
    case LG_ACL_FUNCTION:
        return LG_ACL_EXECUTE;
    case LG_ACL_LANGUAGE:
    case LG_ACL_TYPE:
        return LG_ACL_USAGE;
    case LG_ACL_SCHEMA:
        return LG_ACL_USAGE | LG_ACL_CREATE;
    case LG_ACL_TABLESPACE:
        return LG_ACL_CREATE;
    case LG_ACL_PARAMETER:
        return LG_ACL_SET | LG_ACL_ALTER_SYSTEM;
    default:
        return 0;
    }
}

void
lg_acl_default(char type, lg_oid owner, lg_arena *a, lg_acl *ret)
{
    uint32_t world = type == LG_ACL_DATABASE   ? LG_ACL_TEMPORARY | LG_ACL_CONNECT
                     : type == LG_ACL_FUNCTION ? LG_ACL_EXECUTE
                     : type == LG_ACL_LANGUAGE || type == LG_ACL_TYPE ? LG_ACL_USAGE
                                                                      : 0;
    *ret = (lg_acl){.arena = a};
    if (world)
        add(ret, 0, owner, world);
    if (type != LG_ACL_COLUMN && type != LG_ACL_PARAMETER)
        add(ret, owner, owner, lg_acl_all(type));
}

uint32_t
lg_acl_bit_by_name(const char *name, size_t len)
{
    if (len == 4 && !strncasecmp(name, "TEMP", 4))
        return LG_ACL_TEMPORARY;
    for (int i = 0; i < LG_ACL_BITS; i++)
        if (strlen(bits[i].name) == len && !strncasecmp(bits[i].name, name, len))
            return 1u << i;
    return 0;
}

const char *
lg_acl_bit_name(int bit)
{
    return bits[bit].name;
}

char
lg_acl_bit_letter(int bit)
{
    return bits[bit].letter;
}

/* ---- changes ---- */

static lg_acl_item *
find(lg_acl *acl, lg_oid grantee, lg_oid grantor)
{
    for (uint32_t i = 0; i < acl->n; i++)
        if (acl->at[i].grantee == grantee && acl->at[i].grantor == grantor)
            return &acl->at[i];
    return NULL;
}

static void
drop_empty(lg_acl *acl)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < acl->n; i++)
        if (acl->at[i].privs)
            acl->at[n++] = acl->at[i];
    acl->n = n;
}

/* Someone lost grant options: what was granted by means of them goes too, unless the same options
 * came from another side. */
static lg_status
revoke_dependent(lg_acl *acl, lg_oid role, uint32_t lost, lg_oid owner, bool cascade)
{
    if (role == owner)
        return LG_OK;
    for (uint32_t i = 0; i < acl->n; i++)
        if (acl->at[i].grantee == role)
            lost &= ~LG_ACL_OPTIONS(acl->at[i].privs);
    if (!lost)
        return LG_OK;
    for (uint32_t i = 0; i < acl->n; i++) {
        lg_acl_item *it = &acl->at[i];
        if (it->grantor != role || !(LG_ACL_PRIVS(it->privs) & lost))
            continue;
        if (!cascade)
            return LG_EXISTS;
        lg_acl_item gone = {it->grantee, role, lost | LG_ACL_AS_OPTION(lost)};
        LG_TRY(lg_acl_change(acl, false, &gone, owner, true));
        return revoke_dependent(acl, role, lost, owner, cascade);
    }
    return LG_OK;
}

lg_status
lg_acl_change(lg_acl *acl, bool grant, const lg_acl_item *item, lg_oid owner, bool cascade)
{
    lg_acl_item *it = find(acl, item->grantee, item->grantor);
    if (grant) {
        if (it)
            it->privs |= item->privs;
        else
            add(acl, item->grantee, item->grantor, item->privs);
        return LG_OK;
    }
    if (!it)
        return LG_OK;
    uint32_t options = LG_ACL_OPTIONS(it->privs) & LG_ACL_OPTIONS(item->privs);
    it->privs &= ~item->privs;
    drop_empty(acl);
    return options ? revoke_dependent(acl, item->grantee, options, owner, cascade) : LG_OK;
}

static bool
among(const lg_oid *roles, uint32_t n, lg_oid role)
{
    for (uint32_t i = 0; i < n; i++)
        if (roles[i] == role)
            return true;
    return false;
}

uint32_t
lg_acl_mask(const lg_acl *acl, const lg_oid *roles, uint32_t nroles, lg_oid owner, uint32_t want)
{
    uint32_t have = 0;
    if (LG_ACL_OPTIONS(want) && among(roles, nroles, owner))
        have = want & 0xffff0000u;
    for (uint32_t i = 0; i < acl->n; i++)
        if (!acl->at[i].grantee || among(roles, nroles, acl->at[i].grantee))
            have |= acl->at[i].privs & want;
    return have;
}

/* ---- roles ---- */

/* Roles that `from` is a member of, all the way up; through INHERIT roles only, unless set. */
static lg_status
closure(lg_cat *c, lg_oid user, bool set, lg_arena *a, lg_acl_roles *ret)
{
    uint32_t n = 0, cap = 64;
    lg_oid *list = LG_NEWN(a, lg_oid, cap);
    lg_role role;
    lg_database db;
    list[n++] = user;
    *ret = (lg_acl_roles){.at = list};
    for (uint32_t i = 0; i < n; i++) {
        lg_cat_scan s;
        lg_cat_row row;
        lg_status st = lg_cat_role_by_oid(c, list[i], a, &role);
        if (st == LG_NOT_FOUND)
            continue;
        LG_TRY(st);
        if (i == 0)
            ret->super = role.super;
        if (!role.inherit && !set)
            continue;
        if (lg_cat_database_by_name(c, c->database, a, &db) == LG_OK && db.owner == list[i] &&
            !among(list, n, LG_ROLE_DATABASE_OWNER) && n < cap)
            list[n++] = LG_ROLE_DATABASE_OWNER;
        lg_datum key = lg_datum_oid(list[i]);
        LG_TRY(lg_cat_scan_open(c, LG_REL_pg_auth_members, LG_IX_pg_auth_members_member_role_index,
                                1, &key, a, &s));
        while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
            lg_oid up = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_auth_members_roleid));
            if (among(list, n, up))
                continue;
            if (n == cap) {
                lg_oid *more = LG_NEWN(a, lg_oid, cap * 2);
                memcpy(more, list, n * sizeof *list);
                list = more;
                cap *= 2;
            }
            list[n++] = up;
        }
        lg_cat_scan_close(&s);
        if (st != LG_END)
            return st;
    }
    ret->at = list;
    ret->n = n;
    return LG_OK;
}

lg_status
lg_cat_roles_of(lg_cat *c, lg_oid user, lg_arena *a, lg_acl_roles *ret)
{
    LG_TRY(lg_cat_refresh(c));
    if (user == c->user && c->roles_arena && c->roles_generation == c->own_generation &&
        lg_cat_deps_good(c, &c->roles_deps)) {
        lg_cat__depend_all(c, &c->roles_deps);
        *ret = c->roles;
        ret->at = lg_arena_dup(a, c->roles.at, c->roles.n * sizeof(lg_oid));
        return LG_OK;
    }
    if (user != c->user)
        return closure(c, user, false, a, ret);
    lg_cat_deps *outer = c->recorder;
    uint64_t generation = c->own_generation;
    lg_cat_deps_begin(c, &c->roles_deps);
    lg_status st = closure(c, user, false, a, ret);
    c->recorder = outer;
    if (st != LG_OK) {
        lg_cat_deps_spoil(&c->roles_deps);
        return st;
    }
    lg_cat__depend_all(c, &c->roles_deps);
    lg_arena_destroy(c->roles_arena);
    c->roles_arena = lg_arena_create("roles", 512);
    c->roles = *ret;
    c->roles.at = lg_arena_dup(c->roles_arena, ret->at, ret->n * sizeof(lg_oid));
    c->roles_generation = generation;
    return LG_OK;
}

lg_status
lg_cat_is_member(lg_cat *c, lg_oid member, lg_oid role, bool set, bool *ret)
{
    lg_acl_roles roles;
    lg_arena *a = lg_arena_create("member", 1024);
    lg_status st =
        set ? closure(c, member, true, a, &roles) : lg_cat_roles_of(c, member, a, &roles);
    if (st == LG_OK)
        *ret = roles.super || among(roles.at, roles.n, role);
    lg_arena_destroy(a);
    return st;
}

/* ---- objects ---- */

lg_status
lg_cat_acl_mask(lg_cat *c, lg_oid user, char type, lg_oid owner, lg_datum acl, uint32_t want,
                uint32_t *ret)
{
    lg_acl_roles roles;
    lg_acl list;
    *ret = want;
    if (user == LG_ROLE_BOOTSTRAP) /* always a superuser */
        return LG_OK;
    *ret = 0;
    lg_arena *a = lg_arena_create("acl", 1024);
    lg_status st = lg_cat_roles_of(c, user, a, &roles);
    if (st == LG_OK && roles.super) {
        *ret = want;
    } else if (st == LG_OK) {
        if (acl)
            lg_acl_unpack(acl, a, &list);
        else
            lg_acl_default(type, owner, a, &list);
        *ret = lg_acl_mask(&list, roles.at, roles.n, owner, want);
    }
    lg_arena_destroy(a);
    return st;
}

static bool
secret(lg_oid rel)
{
    return rel == LG_REL_pg_authid || rel == LG_REL_pg_statistic || rel == LG_REL_pg_user_mapping ||
           rel == LG_REL_pg_largeobject || rel == LG_REL_pg_statistic_ext_data;
}

lg_status
lg_cat_relation_mask(lg_cat *c, lg_oid user, const lg_relation *rel, uint32_t want, uint32_t *ret)
{
    char type = rel->kind == LG_REL_SEQUENCE ? LG_ACL_SEQUENCE : LG_ACL_RELATION;
    if (user == rel->owner && !rel->acl && !rel->is_system) { /* the common case needs no lookup */
        *ret = want;
        return LG_OK;
    }
    LG_TRY(lg_cat_acl_mask(c, user, type, rel->owner, rel->acl, want, ret));
    if (rel->is_system && !secret(rel->oid) && strcmp(rel->name, "pg_shadow") != 0)
        *ret |= want & LG_ACL_SELECT;
    return LG_OK;
}

lg_status
lg_cat_namespace_mask(lg_cat *c, lg_oid user, lg_oid nsp, uint32_t want, uint32_t *ret)
{
    lg_cat_row row;
    lg_datum key = lg_datum_oid(nsp);
    lg_arena *a = lg_arena_create("acl", 1024);
    lg_status st = LG_OK;
    *ret = 0;
    if (user == LG_ROLE_BOOTSTRAP || (nsp && nsp == lg_cat_temp_namespace(c))) {
        *ret = want;
    } else if (nsp == LG_NSP_CATALOG || nsp == LG_NSP_INFORMATION) {
        st = lg_cat_acl_mask(c, user, LG_ACL_SCHEMA, LG_ROLE_BOOTSTRAP, 0, want, ret);
        *ret |= want & LG_ACL_USAGE;
    } else {
        lg_cat_depend(c, LG_DEP_NAMESPACE, nsp);
        st = lg_cat_find(c, LG_REL_pg_namespace, LG_IX_pg_namespace_oid_index, 1, &key, a, &row);
        if (st == LG_OK)
            st = lg_cat_acl_mask(c, user, LG_ACL_SCHEMA,
                                 lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_namespace_nspowner)),
                                 LG_ROW_NULL(&row, LG_AT_pg_namespace_nspacl)
                                     ? 0
                                     : LG_ROW_GET(&row, LG_AT_pg_namespace_nspacl),
                                 want, ret);
    }
    lg_arena_destroy(a);
    return st;
}

lg_status
lg_cat_database_mask(lg_cat *c, lg_oid user, lg_oid db, uint32_t want, uint32_t *ret)
{
    lg_cat_row row;
    lg_arena *a = lg_arena_create("acl", 1024);
    lg_datum key = lg_datum_oid(db);
    lg_cat_depend(c, LG_DEP_DATABASE, 0);
    *ret = 0;
    lg_status st =
        lg_cat_find(c, LG_REL_pg_database, LG_IX_pg_database_oid_index, 1, &key, a, &row);
    if (st == LG_OK)
        st = lg_cat_acl_mask(c, user, LG_ACL_DATABASE,
                             lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_database_datdba)),
                             LG_ROW_NULL(&row, LG_AT_pg_database_datacl)
                                 ? 0
                                 : LG_ROW_GET(&row, LG_AT_pg_database_datacl),
                             want, ret);
    lg_arena_destroy(a);
    return st;
}
