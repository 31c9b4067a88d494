/* GRANT and REVOKE on objects, and ALTER DEFAULT PRIVILEGES. What a list means is core/catalog's
 * acl.h; here statements become changes of lists. */
#include "acl.h"
#include "cat_proc.h"
#include "ddl_internal.h"
#include <string.h>
#include <strings.h>

/* A statement's privileges, made simple. */
struct grant {
    const lg_ast_grant_stmt *s;
    bool all;        /* ALL PRIVILEGES on the object */
    uint32_t privs;  /* on the object */
    uint32_t n_cols; /* privileges on columns */
    const lg_ast_access_priv **cols;
    uint32_t n_grantees;
    lg_oid *grantees;
};

static void
warning(lg_util *u, const char *sqlstate, const char *text, const char *name)
{
    if (u->es->notice)
        u->es->notice(u->es->arg, "WARNING", sqlstate, lg_arena_printf(u->a, text, name), NULL);
}

static const char *
type_word(char type)
{
    return type == LG_ACL_COLUMN       ? "column"
           : type == LG_ACL_RELATION   ? "relation"
           : type == LG_ACL_SEQUENCE   ? "sequence"
           : type == LG_ACL_DATABASE   ? "database"
           : type == LG_ACL_FUNCTION   ? "function"
           : type == LG_ACL_LANGUAGE   ? "language"
           : type == LG_ACL_SCHEMA     ? "schema"
           : type == LG_ACL_TABLESPACE ? "tablespace"
                                       : "type";
}

static lg_status
privilege_bit(lg_util *u, char type, const char *name, uint32_t *ret)
{
    /* GRANT ... ON TABLE takes sequences too; what fits is seen when the relation is known */
    uint32_t allowed =
        lg_acl_all(type) | (type == LG_ACL_RELATION ? lg_acl_all(LG_ACL_SEQUENCE) : 0);
    *ret = lg_acl_bit_by_name(name, strlen(name));
    if (!*ret)
        return lg_error_set(u->err, "42601", "unrecognized privilege type \"%s\"", name);
    if (*ret & ~allowed) {
        char upper[64];
        size_t n = 0;
        for (; name[n] && n + 1 < sizeof upper; n++)
            upper[n] = (char)(name[n] >= 'a' && name[n] <= 'z' ? name[n] - 32 : name[n]);
        upper[n] = '\0';
        return lg_error_set(u->err, "0LP01", "invalid privilege type %s for %s", upper,
                            type_word(type));
    }
    return LG_OK;
}

static lg_status
prepare(lg_util *u, const lg_ast_grant_stmt *s, char type, struct grant *g)
{
    *g = (struct grant){.s = s, .all = s->privileges.n == 0};
    g->cols = LG_NEWN(u->a, const lg_ast_access_priv *, s->privileges.n + 1);
    for (uint32_t i = 0; i < s->privileges.n; i++) {
        const lg_ast_access_priv *p = lg_ast_as(s->privileges.at[i], access_priv);
        uint32_t bit;
        if (p->cols.n) {
            if (s->objtype != LG_A_OBJECT_TABLE)
                return lg_error_set(u->err, "0LP01",
                                    "column privileges are only valid for relations");
            g->cols[g->n_cols++] = p;
            continue;
        }
        LG_TRY(privilege_bit(u, type, p->priv_name, &bit));
        g->privs |= bit;
    }
    g->grantees = LG_NEWN(u->a, lg_oid, s->grantees.n + 1);
    for (uint32_t i = 0; i < s->grantees.n; i++) {
        const lg_ast_role_spec *r = lg_ast_as(s->grantees.at[i], role_spec);
        if (r->roletype == LG_A_ROLESPEC_PUBLIC && s->is_grant && s->grant_option)
            return lg_error_set(u->err, "0LP01", "grant options can only be granted to roles");
        LG_TRY(lg_ddl_role(u, r, &g->grantees[g->n_grantees++]));
    }
    return LG_OK;
}

/* Who grants: the owner for himself, his members and superusers, else the role with most of the
 * needed grant options. *ret_may: what it may grant. */
static lg_status
choose_grantor(lg_util *u, const lg_acl *acl, lg_oid owner, char type, uint32_t privs,
               lg_oid *ret_grantor, uint32_t *ret_may)
{
    lg_acl_roles roles;
    int best = -1;
    LG_TRY(lg_cat_roles_of(u->cat, lg_cat_user(u->cat), u->a, &roles));
    *ret_grantor = owner;
    *ret_may = lg_acl_all(type);
    bool owns = roles.super;
    for (uint32_t i = 0; i < roles.n; i++)
        owns |= roles.at[i] == owner;
    if (owns)
        return LG_OK;
    *ret_grantor = lg_cat_user(u->cat);
    *ret_may = 0;
    for (uint32_t i = 0; i < roles.n; i++) {
        uint32_t may = LG_ACL_OPTIONS(
            lg_acl_mask(acl, &roles.at[i], 1, owner, LG_ACL_AS_OPTION(lg_acl_all(type))));
        int n = __builtin_popcount(may & privs);
        if (n > best && (n || i == 0)) {
            best = n;
            *ret_grantor = roles.at[i];
            *ret_may = may;
        }
    }
    return LG_OK;
}

/* One list changed by the statement; name and kind are for messages. */
static lg_status
change_list(lg_util *u, const struct grant *g, char type, const char *kind, const char *name,
            lg_oid owner, uint32_t privs, bool all, lg_acl *acl)
{
    lg_oid grantor;
    uint32_t may;
    bool grant = g->s->is_grant;
    LG_TRY(choose_grantor(u, acl, owner, type, privs, &grantor, &may));
    if (!may) {
        uint32_t have;
        lg_datum list = lg_acl_pack(u->a, acl);
        LG_TRY(lg_cat_acl_mask(u->cat, lg_cat_user(u->cat), type, owner, list,
                               lg_acl_all(type) | LG_ACL_AS_OPTION(lg_acl_all(type)), &have));
        if (!have)
            return lg_error_set(u->err, "42501", "permission denied for %s %s", kind, name);
    }
    uint32_t now = privs & may;
    if (!now)
        warning(u, grant ? "01007" : "01006",
                grant ? "no privileges were granted for \"%s\""
                      : "no privileges could be revoked for \"%s\"",
                name);
    else if (now != privs && !all)
        warning(u, grant ? "01007" : "01006",
                grant ? "not all privileges were granted for \"%s\""
                      : "not all privileges could be revoked for \"%s\"",
                name);
    uint32_t bits = grant                ? now | (g->s->grant_option ? LG_ACL_AS_OPTION(now) : 0)
                    : g->s->grant_option ? LG_ACL_AS_OPTION(now)
                                         : now | LG_ACL_AS_OPTION(now);
    for (uint32_t i = 0; i < g->n_grantees && now; i++) {
        lg_acl_item item = {g->grantees[i], grantor, bits};
        lg_status st = lg_acl_change(acl, grant, &item, owner, g->s->behavior == LG_A_DROP_CASCADE);
        if (st == LG_EXISTS) {
            lg_error_set(u->err, "2BP01", "dependent privileges exist");
            lg_error_hint(u->err, "Use CASCADE to revoke them too.");
            return LG_SQL;
        }
        LG_TRY(st);
    }
    return LG_OK;
}

/* ---- relations and columns ---- */

struct set_acl {
    int att;
    lg_datum acl; /* 0: NULL */
};

static void
store_acl(lg_cat_row *row, void *arg)
{
    const struct set_acl *x = arg;
    row->null[x->att - 1] = x->acl == 0;
    if (x->acl)
        row->v[x->att - 1] = x->acl;
}

static void
load_acl(lg_util *u, lg_datum stored, char type, lg_oid owner, lg_acl *ret)
{
    if (stored)
        lg_acl_unpack(stored, u->a, ret);
    else
        lg_acl_default(type, owner, u->a, ret);
}

static lg_status
grant_column(lg_util *u, const struct grant *g, const lg_relation *rel, const lg_column *col,
             uint32_t privs, bool all)
{
    lg_acl acl;
    load_acl(u, col->acl, LG_ACL_COLUMN, rel->owner, &acl);
    LG_TRY(change_list(u, g, LG_ACL_COLUMN, "column", col->name, rel->owner, privs, all, &acl));
    struct set_acl x = {LG_AT_pg_attribute_attacl, acl.n ? lg_acl_pack(u->a, &acl) : 0};
    return lg_ddl_attribute_update(u, rel->oid, col->attnum, store_acl, &x);
}

static lg_status
grant_columns(lg_util *u, const struct grant *g, const lg_relation *rel)
{
    for (uint32_t i = 0; i < g->n_cols; i++) {
        const lg_ast_access_priv *p = g->cols[i];
        uint32_t bit = lg_acl_all(LG_ACL_COLUMN);
        if (p->priv_name)
            LG_TRY(privilege_bit(u, LG_ACL_COLUMN, p->priv_name, &bit));
        for (uint32_t k = 0; k < p->cols.n; k++) {
            const char *name = lg_ast_list_str(&p->cols, k);
            lg_relation *now; /* the same column may be named twice */
            LG_TRY(lg_cat_relation_by_oid(u->cat, rel->oid, &now));
            const lg_column *col = lg_relation_column_by_name(now, name);
            lg_status st = col ? grant_column(u, g, now, col, bit, !p->priv_name)
                               : lg_error_set(u->err, "42703",
                                              "column \"%s\" of relation \"%s\" does not exist",
                                              name, now->name);
            lg_relation_unref(now);
            LG_TRY(st);
            LG_TRY(lg_cat_touch(u->cat, rel->oid));
        }
    }
    return LG_OK;
}

static lg_status
grant_relation(lg_util *u, struct grant *g, lg_relation *rel)
{
    bool sequence = rel->kind == LG_REL_SEQUENCE;
    char type = sequence ? LG_ACL_SEQUENCE : LG_ACL_RELATION;
    const char *kind = sequence ? "sequence" : rel->kind == LG_REL_VIEW ? "view" : "table";
    if (rel->kind == LG_REL_INDEX)
        return lg_error_set(u->err, "42809", "\"%s\" is an index", rel->name);
    if (g->s->objtype == LG_A_OBJECT_SEQUENCE && !sequence)
        return lg_error_set(u->err, "42809", "\"%s\" is not a sequence", rel->name);
    if (rel->is_system)
        return lg_error_set(u->err, "0A000", "privileges of system catalogs cannot be changed");
    uint32_t privs = g->all ? lg_acl_all(type) : g->privs;
    if (sequence && privs & ~lg_acl_all(LG_ACL_SEQUENCE)) {
        warning(u, "0LP01", "sequence \"%s\" only supports USAGE, SELECT, and UPDATE privileges",
                rel->name);
        privs &= lg_acl_all(LG_ACL_SEQUENCE);
    }
    if (!sequence && privs & ~lg_acl_all(LG_ACL_RELATION))
        return lg_error_set(u->err, "0LP01", "invalid privilege type USAGE for table");
    if (privs) {
        lg_acl acl;
        load_acl(u, rel->acl, type, rel->owner, &acl);
        LG_TRY(change_list(u, g, type, kind, rel->name, rel->owner, privs, g->all, &acl));
        struct set_acl x = {LG_AT_pg_class_relacl, lg_acl_pack(u->a, &acl)};
        LG_TRY(lg_ddl_class_update(u, rel->oid, store_acl, &x));
        if (!g->s->is_grant) /* REVOKE from the table revokes from its columns */
            for (uint16_t i = 0; i < rel->ncols; i++)
                if (rel->cols[i].acl && !rel->cols[i].dropped && privs & lg_acl_all(LG_ACL_COLUMN))
                    LG_TRY(grant_column(u, g, rel, &rel->cols[i], privs & lg_acl_all(LG_ACL_COLUMN),
                                        true));
        LG_TRY(lg_cat_touch(u->cat, rel->oid));
    }
    return grant_columns(u, g, rel);
}

static lg_status
grant_on_relations(lg_util *u, struct grant *g)
{
    for (uint32_t i = 0; i < g->s->objects.n; i++) {
        const lg_ast_range_var *rv = lg_ast_as(g->s->objects.at[i], range_var);
        lg_relation *rel;
        LG_TRY(lg_ddl_open(u, rv, LG_LOCK_NONE, false, &rel));
        lg_status st = grant_relation(u, g, rel);
        lg_relation_unref(rel);
        LG_TRY(st);
    }
    return LG_OK;
}

static lg_status
grant_on_all(lg_util *u, struct grant *g)
{
    bool sequences = g->s->objtype == LG_A_OBJECT_SEQUENCE;
    for (uint32_t i = 0; i < g->s->objects.n; i++) {
        const char *name = lg_ast_str(g->s->objects.at[i]);
        lg_oid nsp, *oids = NULL;
        uint32_t n = 0, cap = 0;
        lg_cat_scan s;
        lg_cat_row row;
        lg_status st = lg_cat_namespace_by_name(u->cat, name, &nsp);
        if (st == LG_NOT_FOUND)
            return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist", name);
        LG_TRY(st);
        LG_TRY(lg_cat_scan_open(u->cat, LG_REL_pg_class, 0, 0, NULL, u->a, &s));
        while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
            char kind = lg_char(GETC(&row, pg_class, relkind));
            if (lg_oid_of(GETC(&row, pg_class, relnamespace)) != nsp ||
                !strchr(sequences ? "S" : "rvmfp", kind))
                continue;
            oids = lg_ddl_room(u, oids, n, &cap, sizeof *oids);
            oids[n++] = lg_oid_of(GETC(&row, pg_class, oid));
        }
        lg_cat_scan_close(&s);
        if (st != LG_END)
            return st;
        for (uint32_t k = 0; k < n; k++) {
            lg_relation *rel;
            st = lg_cat_relation_by_oid(u->cat, oids[k], &rel);
            if (st == LG_NOT_FOUND)
                continue;
            LG_TRY(st);
            st = grant_relation(u, g, rel);
            lg_relation_unref(rel);
            LG_TRY(st);
        }
    }
    return LG_OK;
}

/* ---- objects with one row in a catalog table ---- */

struct kind {
    int32_t object;
    char type;
    lg_oid table, index; /* index by name */
    int att_owner, att_acl;
    const char *word, *sqlstate;
};

static const struct kind kinds[] = {
    {LG_A_OBJECT_SCHEMA, LG_ACL_SCHEMA, LG_REL_pg_namespace, LG_IX_pg_namespace_nspname_index,
     LG_AT_pg_namespace_nspowner, LG_AT_pg_namespace_nspacl, "schema", "3F000"},
    {LG_A_OBJECT_DATABASE, LG_ACL_DATABASE, LG_REL_pg_database, LG_IX_pg_database_datname_index,
     LG_AT_pg_database_datdba, LG_AT_pg_database_datacl, "database", "3D000"},
};

static lg_status
grant_on_rows(lg_util *u, struct grant *g, const struct kind *k)
{
    for (uint32_t i = 0; i < g->s->objects.n; i++) {
        const char *name = lg_ast_str(g->s->objects.at[i]);
        lg_cat_row old, row;
        lg_acl acl;
        lg_datum key = lg_cat_name(u->a, name);
        lg_status st = lg_cat_find(u->cat, k->table, k->index, 1, &key, u->a, &old);
        if (st == LG_NOT_FOUND)
            return lg_error_set(u->err, k->sqlstate, "%s \"%s\" does not exist", k->word, name);
        LG_TRY(st);
        row = old;
        lg_oid owner = lg_oid_of(LG_ROW_GET(&old, k->att_owner));
        load_acl(u, LG_ROW_NULL(&old, k->att_acl) ? 0 : LG_ROW_GET(&old, k->att_acl), k->type,
                 owner, &acl);
        LG_TRY(change_list(u, g, k->type, k->word, name, owner,
                           g->all ? lg_acl_all(k->type) : g->privs, g->all, &acl));
        LG_ROW_SET(&row, k->att_acl, lg_acl_pack(u->a, &acl));
        LG_TRY(lg_cat_update(u->cat, k->table, &old, &row));
    }
    return lg_cat_touch(u->cat, 0);
}

/* ---- functions and procedures ---- */

static lg_status
grant_function(lg_util *u, struct grant *g, const lg_proc *p)
{
    lg_acl acl;
    load_acl(u, p->acl, LG_ACL_FUNCTION, p->owner, &acl);
    LG_TRY(change_list(u, g, LG_ACL_FUNCTION, p->func.kind == 'p' ? "procedure" : "function",
                       p->func.name, p->owner, g->all ? lg_acl_all(LG_ACL_FUNCTION) : g->privs,
                       g->all, &acl));
    return lg_ddl_function_set_acl(u, p, lg_acl_pack(u->a, &acl));
}

static lg_status
grant_on_functions(lg_util *u, struct grant *g)
{
    for (uint32_t i = 0; i < g->s->objects.n; i++) {
        const lg_ast_object_with_args *o = lg_ast_as(g->s->objects.at[i], object_with_args);
        lg_proc *p;
        uint32_t n;
        lg_status st = lg_ddl_function_named(u, o, g->s->objtype, false, &p);
        if (st == LG_SQL && !strcmp(u->err->sqlstate, "42883") &&
            lg_func_by_name(lg_ast_list_str(&o->objname, o->objname.n - 1), &n)) {
            lg_error_clear(u->err);
            return lg_error_set(u->err, "0A000",
                                "privileges of built-in functions cannot be changed");
        }
        LG_TRY(st);
        LG_TRY(grant_function(u, g, p));
    }
    return LG_OK;
}

static lg_status
grant_on_all_functions(lg_util *u, struct grant *g)
{
    int32_t type = g->s->objtype;
    for (uint32_t i = 0; i < g->s->objects.n; i++) {
        const char *name = lg_ast_str(g->s->objects.at[i]);
        lg_cat_scan s;
        lg_cat_row row;
        lg_oid nsp, *oids = NULL;
        uint32_t n = 0, cap = 0;
        lg_status st = lg_cat_namespace_by_name(u->cat, name, &nsp);
        if (st == LG_NOT_FOUND)
            return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist", name);
        LG_TRY(st);
        st = lg_cat_scan_open(u->cat, LG_REL_lg_proc, 0, 0, NULL, u->a, &s);
        while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK) {
            bool procedure = lg_char(GETC(&row, lg_proc, prokind)) == 'p';
            if (lg_oid_of(GETC(&row, lg_proc, pronamespace)) != nsp ||
                (type != LG_A_OBJECT_ROUTINE && (type == LG_A_OBJECT_PROCEDURE) != procedure))
                continue;
            oids = lg_ddl_room(u, oids, n, &cap, sizeof *oids);
            oids[n++] = lg_oid_of(GETC(&row, lg_proc, oid));
        }
        lg_cat_scan_close(&s);
        if (st != LG_END)
            return st;
        for (uint32_t k = 0; k < n; k++) {
            lg_proc *p;
            LG_TRY(lg_cat_proc(u->cat, oids[k], u->a, &p));
            LG_TRY(grant_function(u, g, p));
        }
    }
    return LG_OK;
}

lg_status
lg_ddl_grant(lg_util *u, const lg_ast_grant_stmt *s)
{
    struct grant g;
    snprintf(u->tag, LG_TAG_MAX, "%s", s->is_grant ? "GRANT" : "REVOKE");
    if (s->objtype == LG_A_OBJECT_TABLE || s->objtype == LG_A_OBJECT_SEQUENCE) {
        bool sequence = s->objtype == LG_A_OBJECT_SEQUENCE;
        LG_TRY(prepare(u, s, sequence ? LG_ACL_SEQUENCE : LG_ACL_RELATION, &g));
        return s->targtype == LG_A_ACL_TARGET_ALL_IN_SCHEMA ? grant_on_all(u, &g)
                                                            : grant_on_relations(u, &g);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].object == s->objtype) {
            LG_TRY(prepare(u, s, kinds[i].type, &g));
            return grant_on_rows(u, &g, &kinds[i]);
        }
    if (s->objtype == LG_A_OBJECT_FUNCTION || s->objtype == LG_A_OBJECT_PROCEDURE ||
        s->objtype == LG_A_OBJECT_ROUTINE) {
        LG_TRY(prepare(u, s, LG_ACL_FUNCTION, &g));
        return s->targtype == LG_A_ACL_TARGET_ALL_IN_SCHEMA ? grant_on_all_functions(u, &g)
                                                            : grant_on_functions(u, &g);
    }
    return lg_error_set(u->err, "0A000", "GRANT on this kind of object is not supported");
}

/* ---- default privileges ---- */

static lg_status
default_row(lg_util *u, lg_oid role, lg_oid nsp, char type, lg_cat_row *ret)
{
    lg_datum keys[3] = {lg_datum_oid(role), lg_datum_oid(nsp), lg_datum_char(type)};
    return lg_cat_find(u->cat, LG_REL_pg_default_acl, LG_IX_pg_default_acl_role_nsp_obj_index, 3,
                       keys, u->a, ret);
}

static bool
same_acl(const lg_acl *a, const lg_acl *b)
{
    if (a->n != b->n)
        return false;
    for (uint32_t i = 0; i < a->n; i++) {
        bool found = false;
        for (uint32_t k = 0; k < b->n; k++)
            found |= memcmp(&a->at[i], &b->at[k], sizeof a->at[i]) == 0;
        if (!found)
            return false;
    }
    return true;
}

static lg_status
change_default(lg_util *u, const struct grant *g, char type, char stored_type, lg_oid role,
               lg_oid nsp)
{
    lg_cat_row old, row;
    lg_acl acl, plain;
    lg_status st = default_row(u, role, nsp, stored_type, &old);
    bool exists = st == LG_OK;
    if (st != LG_OK && st != LG_NOT_FOUND)
        return st;
    lg_acl_default(type, role, u->a, &plain);
    if (nsp)
        plain = (lg_acl){.arena = u->a}; /* what a schema adds to the role's */
    if (exists)
        lg_acl_unpack(GETC(&old, pg_default_acl, defaclacl), u->a, &acl);
    else
        acl = (lg_acl){.arena = u->a,
                       .n = plain.n,
                       .cap = plain.n,
                       .at = lg_arena_dup(u->a, plain.at, plain.n * sizeof *plain.at)};
    uint32_t privs = g->all ? lg_acl_all(type) : g->privs;
    uint32_t bits = g->s->is_grant ? privs | (g->s->grant_option ? LG_ACL_AS_OPTION(privs) : 0)
                    : g->s->grant_option ? LG_ACL_AS_OPTION(privs)
                                         : privs | LG_ACL_AS_OPTION(privs);
    for (uint32_t i = 0; i < g->n_grantees; i++) {
        lg_acl_item item = {g->grantees[i], role, bits};
        LG_TRY(lg_acl_change(&acl, g->s->is_grant, &item, role, true));
    }
    if (same_acl(&acl, &plain))
        return exists ? lg_cat_delete(u->cat, LG_REL_pg_default_acl, &old) : LG_OK;
    if (exists) {
        row = old;
        SETC(&row, pg_default_acl, defaclacl, lg_acl_pack(u->a, &acl));
        return lg_cat_update(u->cat, LG_REL_pg_default_acl, &old, &row);
    }
    lg_oid oid;
    LG_TRY(lg_cat_new_oid(u->cat, &oid));
    lg_cat_row_init(LG_REL_pg_default_acl, &row);
    SETC(&row, pg_default_acl, oid, oid);
    SETC(&row, pg_default_acl, defaclrole, role);
    SETC(&row, pg_default_acl, defaclnamespace, nsp);
    SETC(&row, pg_default_acl, defaclobjtype, lg_datum_char(stored_type));
    SETC(&row, pg_default_acl, defaclacl, lg_acl_pack(u->a, &acl));
    return lg_cat_insert(u->cat, LG_REL_pg_default_acl, &row);
}

lg_status
lg_ddl_default_privileges(lg_util *u, const lg_ast_alter_default_privileges_stmt *s)
{
    const lg_ast_list *roles = NULL, *schemas = NULL;
    struct grant g;
    lg_oid me = lg_cat_user(u->cat);
    char type, stored;
    snprintf(u->tag, LG_TAG_MAX, "ALTER DEFAULT PRIVILEGES");
    for (uint32_t i = 0; i < s->options.n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(s->options.at[i], def_elem);
        if (strcmp(e->defname, "roles") == 0)
            roles = &lg_ast_as(e->arg, list_node)->list;
        if (strcmp(e->defname, "schemas") == 0)
            schemas = &lg_ast_as(e->arg, list_node)->list;
    }
    switch (s->action->objtype) {
    case LG_A_OBJECT_TABLE:
        type = LG_ACL_RELATION, stored = 'r';
        break;
    case LG_A_OBJECT_SEQUENCE:
        type = LG_ACL_SEQUENCE, stored = 'S';
        break;
    case LG_A_OBJECT_FUNCTION:
    case LG_A_OBJECT_ROUTINE:
    case LG_A_OBJECT_PROCEDURE:
        type = LG_ACL_FUNCTION, stored = 'f';
        break;
    case LG_A_OBJECT_TYPE:
        type = LG_ACL_TYPE, stored = 'T';
        break;
    default:
        type = LG_ACL_SCHEMA, stored = 'n';
        if (schemas)
            return lg_error_set(u->err, "0LP01",
                                "cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS");
    }
    LG_TRY(prepare(u, s->action, type, &g));
    for (uint32_t i = 0; i < (roles ? roles->n : 1); i++) {
        lg_oid role = me;
        bool member = true;
        if (roles)
            LG_TRY(lg_ddl_role(u, lg_ast_as(roles->at[i], role_spec), &role));
        LG_TRY(lg_cat_is_member(u->cat, me, role, false, &member));
        if (!member)
            return lg_error_set(u->err, "42501", "permission denied to change default privileges");
        for (uint32_t k = 0; k < (schemas ? schemas->n : 1); k++) {
            lg_oid nsp = 0;
            if (schemas) {
                const char *name = lg_ast_list_str(schemas, k);
                lg_status st = lg_cat_namespace_by_name(u->cat, name, &nsp);
                if (st == LG_NOT_FOUND)
                    return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist", name);
                LG_TRY(st);
            }
            LG_TRY(change_default(u, &g, type, stored, role, nsp));
        }
    }
    return LG_OK;
}

lg_status
lg_ddl_default_acl_forget(lg_util *u, lg_oid nsp)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_status st;
    LG_TRY(lg_cat_scan_open(u->cat, LG_REL_pg_default_acl, 0, 0, NULL, u->a, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK)
        if (lg_oid_of(GETC(&row, pg_default_acl, defaclnamespace)) == nsp) {
            st = lg_cat_delete(u->cat, LG_REL_pg_default_acl, &row);
            if (st != LG_OK)
                break;
        }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

lg_status
lg_ddl_default_acl(lg_util *u, char stored_type, lg_oid nsp, lg_datum *ret)
{
    lg_oid owner = lg_cat_user(u->cat);
    lg_cat_row global, schema;
    lg_acl acl, plain, more;
    char type = stored_type == 'S' ? LG_ACL_SEQUENCE : stored_type;
    *ret = 0;
    lg_status st = default_row(u, owner, 0, stored_type, &global), st2 = LG_NOT_FOUND;
    if (nsp)
        st2 = default_row(u, owner, nsp, stored_type, &schema);
    if (st == LG_NOT_FOUND && st2 == LG_NOT_FOUND)
        return LG_OK;
    lg_acl_default(type, owner, u->a, &plain);
    lg_acl_default(type, owner, u->a, &acl);
    if (st == LG_OK)
        lg_acl_unpack(GETC(&global, pg_default_acl, defaclacl), u->a, &acl);
    else if (st != LG_NOT_FOUND)
        return st;
    if (st2 == LG_OK) {
        lg_acl_unpack(GETC(&schema, pg_default_acl, defaclacl), u->a, &more);
        for (uint32_t i = 0; i < more.n; i++)
            LG_TRY(lg_acl_change(&acl, true, &more.at[i], owner, false));
    } else if (st2 != LG_NOT_FOUND) {
        return st2;
    }
    if (!same_acl(&acl, &plain))
        *ret = lg_acl_pack(u->a, &acl);
    return LG_OK;
}
