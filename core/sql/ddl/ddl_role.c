/* Roles: CREATE, ALTER, DROP, membership, settings of roles and databases, REASSIGN and DROP OWNED.
 */
#include "acl.h"
#include "array.h"
#include "ddl_internal.h"
#include "usertype.h"
#include <string.h>
#include <strings.h>

static lg_status
require_createrole(lg_util *u, const char *what)
{
    lg_role role;
    lg_status st = lg_cat_role_by_oid(u->cat, lg_cat_user(u->cat), u->a, &role);
    if (st == LG_OK && (role.super || role.createrole))
        return LG_OK;
    return st == LG_OK || st == LG_NOT_FOUND
               ? lg_error_set(u->err, "42501", "permission denied to %s role", what)
               : st;
}

static bool
superuser(lg_util *u)
{
    lg_role role;
    return lg_cat_role_by_oid(u->cat, lg_cat_user(u->cat), u->a, &role) == LG_OK && role.super;
}

static lg_status
valid_until(lg_util *u, const char *text, lg_cat_row *row)
{
    const lg_type *t = lg_type_get(LG_T_TIMESTAMPTZ);
    lg_call c;
    lg_datum args[3] = {lg_datum_ptr(text), 0, lg_datum_int4(-1)};
    uint8_t nulls[3] = {0};
    lg_call_init(&c, lg_func_get(t->in), u->es->env, u->err, u->a, u->a);
    c.args = args;
    c.nulls = nulls;
    c.nargs = 3;
    lg_datum d = lg_func_call(&c);
    LG_TRY(c.st);
    SETC(row, pg_authid, rolvaliduntil, d);
    return LG_OK;
}

static lg_status
password(lg_util *u, const char *pw, lg_cat_row *row)
{
    const char *verifier = pw;
    if (!pw || !*pw) {
        row->null[LG_AT_pg_authid_rolpassword - 1] = 1;
        return LG_OK;
    }
    if (strncmp(pw, "SCRAM-SHA-256$", 14) != 0) {
        if (!u->es->scram_verifier)
            return lg_error_set(u->err, "0A000", "plain passwords cannot be set here");
        LG_TRY(u->es->scram_verifier(u->es->arg, pw, u->a, &verifier));
    }
    SETC(row, pg_authid, rolpassword, lg_datum_cstring_text(u->a, verifier));
    return LG_OK;
}

static lg_status
role_options(lg_util *u, const lg_ast_list *list, lg_cat_row *row)
{
    static const struct {
        const char *name;
        int att;
    } flags[] = {{"superuser", LG_AT_pg_authid_rolsuper},
                 {"inherit", LG_AT_pg_authid_rolinherit},
                 {"createrole", LG_AT_pg_authid_rolcreaterole},
                 {"createdb", LG_AT_pg_authid_rolcreatedb},
                 {"canlogin", LG_AT_pg_authid_rolcanlogin},
                 {"isreplication", LG_AT_pg_authid_rolreplication},
                 {"bypassrls", LG_AT_pg_authid_rolbypassrls}};
    for (uint32_t i = 0; i < list->n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(list->at[i], def_elem);
        for (size_t k = 0; k < sizeof flags / sizeof *flags; k++)
            if (strcmp(e->defname, flags[k].name) == 0) {
                bool on = e->arg && lg_ast_as(e->arg, value)->ival;
                if (on && !superuser(u) &&
                    (!strcmp(e->defname, "superuser") || !strcmp(e->defname, "isreplication") ||
                     !strcmp(e->defname, "bypassrls")))
                    return lg_error_set(u->err, "42501", "must be superuser to change %s attribute",
                                        flags[k].name);
                LG_ROW_SET(row, flags[k].att, lg_datum_bool(on));
            }
        if (strcmp(e->defname, "connectionlimit") == 0 && e->arg) {
            int32_t limit = lg_ast_as(e->arg, value)->ival;
            if (limit < -1)
                return lg_error_set(u->err, "22023", "invalid connection limit: %d", limit);
            SETC(row, pg_authid, rolconnlimit, lg_datum_int4(limit));
        }
        if (strcmp(e->defname, "password") == 0)
            LG_TRY(password(u, lg_ast_str(e->arg), row));
        if (strcmp(e->defname, "validUntil") == 0)
            LG_TRY(valid_until(u, lg_ast_str(e->arg), row));
    }
    return LG_OK;
}

/* ---- renaming ---- */

static lg_status
not_reserved(lg_util *u, const char *name)
{
    if (strncmp(name, "pg_", 3) != 0)
        return LG_OK;
    lg_error_set(u->err, "42939", "role name \"%s\" is reserved", name);
    lg_error_detail(u->err, "Role names starting with \"pg_\" are reserved.");
    return LG_SQL;
}

lg_status
lg_ddl_rename_role(lg_util *u, const char *from, const char *to)
{
    lg_cat_row old, row;
    lg_role role, other;
    const char *session = u->es->setting(u->es->arg, "session_authorization");
    snprintf(u->tag, LG_TAG_MAX, "ALTER ROLE");
    lg_status st = lg_cat_role_by_name(u->cat, from, u->a, &role);
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "42704", "role \"%s\" does not exist", from);
    LG_TRY(st);
    if (session && !strcmp(session, from))
        return lg_error_set(u->err, "0A000", "session user cannot be renamed");
    if (role.oid == lg_cat_user(u->cat))
        return lg_error_set(u->err, "0A000", "current user cannot be renamed");
    LG_TRY(not_reserved(u, from));
    LG_TRY(not_reserved(u, to));
    st = lg_cat_role_by_name(u->cat, to, u->a, &other);
    if (st == LG_OK)
        return lg_error_set(u->err, "42710", "role \"%s\" already exists", to);
    if (st != LG_NOT_FOUND)
        return st;
    if (role.super && !superuser(u))
        return lg_error_set(u->err, "42501", "must be superuser to rename superusers");
    lg_role me;
    LG_TRY(lg_cat_role_by_oid(u->cat, lg_cat_user(u->cat), u->a, &me));
    if (!me.super && !me.createrole)
        return lg_error_set(u->err, "42501", "permission denied to rename role");
    lg_datum key = lg_datum_oid(role.oid);
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_authid, LG_IX_pg_authid_oid_index, 1, &key, u->a, &old));
    row = old;
    SETC(&row, pg_authid, rolname, lg_cat_name(u->a, to));
    st = lg_cat_update(u->cat, LG_REL_pg_authid, &old, &row);
    return st == LG_EXISTS ? lg_error_set(u->err, "42710", "role \"%s\" already exists", to) : st;
}

/* ---- membership ---- */

static lg_status
member_row(lg_util *u, lg_oid role, lg_oid member, lg_cat_row *ret)
{
    lg_datum keys[2] = {lg_datum_oid(role), lg_datum_oid(member)};
    return lg_cat_find(u->cat, LG_REL_pg_auth_members, LG_IX_pg_auth_members_role_member_index, 2,
                       keys, u->a, ret);
}

static const char *
role_name(lg_util *u, lg_oid oid)
{
    lg_role r;
    return lg_cat_role_by_oid(u->cat, oid, u->a, &r) == LG_OK ? r.name : "";
}

static lg_status
add_member(lg_util *u, lg_oid role, lg_oid member, bool admin)
{
    lg_cat_row old, row;
    bool loop;
    lg_role facts;
    if (role == LG_ROLE_DATABASE_OWNER)
        return lg_error_set(u->err, "0LP01", "role \"%s\" cannot have explicit members",
                            role_name(u, role));
    LG_TRY(lg_cat_role_by_oid(u->cat, role, u->a, &facts));
    lg_acl_roles up; /* a superuser is a member of all without being below any */
    LG_TRY(lg_cat_roles_of(u->cat, role, u->a, &up));
    loop = role == member;
    for (uint32_t i = 0; i < up.n; i++)
        loop |= up.at[i] == member;
    if (loop)
        return lg_error_set(u->err, "0LP01", "role \"%s\" is a member of role \"%s\"",
                            role_name(u, role), role_name(u, member));
    lg_status st = member_row(u, role, member, &old);
    if (st == LG_OK && (!admin || lg_bool(GETC(&old, pg_auth_members, admin_option)))) {
        lg_ddl_notice(u, "00000", "role \"%s\" is already a member of role \"%s\"",
                      role_name(u, member), facts.name);
        return LG_OK;
    }
    if (st == LG_OK) {
        row = old;
        SETC(&row, pg_auth_members, admin_option, 1);
        return lg_cat_update(u->cat, LG_REL_pg_auth_members, &old, &row);
    }
    if (st != LG_NOT_FOUND)
        return st;
    lg_cat_row_init(LG_REL_pg_auth_members, &row);
    SETC(&row, pg_auth_members, roleid, role);
    SETC(&row, pg_auth_members, member, member);
    SETC(&row, pg_auth_members, grantor, lg_cat_user(u->cat));
    SETC(&row, pg_auth_members, admin_option, admin);
    return lg_cat_insert(u->cat, LG_REL_pg_auth_members, &row);
}

static lg_status
remove_member(lg_util *u, lg_oid role, lg_oid member, bool admin_only)
{
    lg_cat_row old, row;
    lg_status st = member_row(u, role, member, &old);
    if (st == LG_NOT_FOUND) {
        if (u->es->notice)
            u->es->notice(u->es->arg, "WARNING", "01000",
                          lg_arena_printf(u->a, "role \"%s\" is not a member of role \"%s\"",
                                          role_name(u, member), role_name(u, role)),
                          NULL);
        return LG_OK;
    }
    LG_TRY(st);
    if (!admin_only)
        return lg_cat_delete(u->cat, LG_REL_pg_auth_members, &old);
    row = old;
    SETC(&row, pg_auth_members, admin_option, 0);
    return lg_cat_update(u->cat, LG_REL_pg_auth_members, &old, &row);
}

/* May the user hand out membership? Superusers, CREATEROLE for ordinary roles, ADMIN OPTION. */
static lg_status
check_admin(lg_util *u, lg_oid role)
{
    lg_role me, r;
    lg_acl_roles roles;
    LG_TRY(lg_cat_role_by_oid(u->cat, lg_cat_user(u->cat), u->a, &me));
    LG_TRY(lg_cat_role_by_oid(u->cat, role, u->a, &r));
    if (me.super || (me.createrole && !r.super))
        return LG_OK;
    if (r.super)
        return lg_error_set(u->err, "42501", "must be superuser to alter superusers");
    LG_TRY(lg_cat_roles_of(u->cat, me.oid, u->a, &roles));
    for (uint32_t i = 0; i < roles.n; i++) {
        lg_cat_row row;
        lg_status st = member_row(u, role, roles.at[i], &row);
        if (st == LG_OK && lg_bool(GETC(&row, pg_auth_members, admin_option)))
            return LG_OK;
        if (st != LG_OK && st != LG_NOT_FOUND)
            return st;
    }
    return lg_error_set(u->err, "42501", "must have admin option on role \"%s\"", r.name);
}

lg_status
lg_ddl_grant_role(lg_util *u, const lg_ast_grant_role_stmt *s)
{
    snprintf(u->tag, LG_TAG_MAX, "%s ROLE", s->is_grant ? "GRANT" : "REVOKE");
    for (uint32_t i = 0; i < s->granted_roles.n; i++) {
        lg_role role;
        const char *name = lg_ast_as(s->granted_roles.at[i], access_priv)->priv_name;
        lg_status st = lg_cat_role_by_name(u->cat, name, u->a, &role);
        if (st == LG_NOT_FOUND)
            return lg_error_set(u->err, "42704", "role \"%s\" does not exist", name);
        LG_TRY(st);
        LG_TRY(check_admin(u, role.oid));
        for (uint32_t k = 0; k < s->grantee_roles.n; k++) {
            lg_oid member;
            LG_TRY(lg_ddl_role(u, lg_ast_as(s->grantee_roles.at[k], role_spec), &member));
            LG_TRY(s->is_grant ? add_member(u, role.oid, member, s->admin_opt)
                               : remove_member(u, role.oid, member, s->admin_opt));
        }
    }
    return lg_cat_touch(u->cat, 0);
}

static lg_status
members_of_options(lg_util *u, const lg_ast_list *options, lg_oid role)
{
    for (uint32_t i = 0; i < options->n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(options->at[i], def_elem);
        bool to = !strcmp(e->defname, "addroleto"), admin = !strcmp(e->defname, "adminmembers");
        if (!to && !admin && strcmp(e->defname, "rolemembers") != 0)
            continue;
        const lg_ast_list *l = &lg_ast_as(e->arg, list_node)->list;
        for (uint32_t k = 0; k < l->n; k++) {
            lg_oid other;
            LG_TRY(lg_ddl_role(u, lg_ast_as(l->at[k], role_spec), &other));
            LG_TRY(to ? add_member(u, other, role, false) : add_member(u, role, other, admin));
        }
    }
    return LG_OK;
}

/* ---- CREATE, ALTER, DROP ---- */

lg_status
lg_ddl_create_role(lg_util *u, const lg_ast_create_role_stmt *s)
{
    lg_cat_row row;
    lg_oid oid;
    snprintf(u->tag, LG_TAG_MAX, "CREATE ROLE");
    LG_TRY(require_createrole(u, "create"));
    if (strncmp(s->role, "pg_", 3) == 0) {
        lg_error_set(u->err, "42939", "role name \"%s\" is reserved", s->role);
        lg_error_detail(u->err, "Role names starting with \"pg_\" are reserved.");
        return LG_SQL;
    }
    LG_TRY(lg_cat_new_oid(u->cat, &oid));
    lg_cat_row_init(LG_REL_pg_authid, &row);
    SETC(&row, pg_authid, oid, oid);
    SETC(&row, pg_authid, rolname, lg_cat_name(u->a, s->role));
    SETC(&row, pg_authid, rolinherit, 1);
    SETC(&row, pg_authid, rolcanlogin, s->stmt_type == LG_A_ROLESTMT_USER);
    SETC(&row, pg_authid, rolconnlimit, lg_datum_int4(-1));
    LG_TRY(role_options(u, &s->options, &row));
    lg_status st = lg_cat_insert(u->cat, LG_REL_pg_authid, &row);
    if (st == LG_EXISTS)
        return lg_error_set(u->err, "42710", "role \"%s\" already exists", s->role);
    LG_TRY(st);
    LG_TRY(lg_cat_touch(u->cat, 0));
    return members_of_options(u, &s->options, oid);
}

static lg_status
role_row(lg_util *u, const char *name, lg_cat_row *row)
{
    lg_datum key = lg_cat_name(u->a, name);
    lg_status st =
        lg_cat_find(u->cat, LG_REL_pg_authid, LG_IX_pg_authid_rolname_index, 1, &key, u->a, row);
    return st == LG_NOT_FOUND ? lg_error_set(u->err, "42704", "role \"%s\" does not exist", name)
                              : st;
}

lg_status
lg_ddl_alter_role(lg_util *u, const lg_ast_alter_role_stmt *s)
{
    lg_cat_row old, row;
    lg_oid oid;
    lg_role role;
    snprintf(u->tag, LG_TAG_MAX, "ALTER ROLE");
    LG_TRY(lg_ddl_role(u, s->role, &oid));
    LG_TRY(lg_cat_role_by_oid(u->cat, oid, u->a, &role));
    bool own_password = oid == lg_cat_user(u->cat) && s->options.n == 1 &&
                        strcmp(lg_ast_as(s->options.at[0], def_elem)->defname, "password") == 0;
    if (!own_password) {
        lg_role me;
        LG_TRY(lg_cat_role_by_oid(u->cat, lg_cat_user(u->cat), u->a, &me));
        if (role.super && !me.super)
            return lg_error_set(u->err, "42501",
                                "must be superuser to alter superuser roles or change superuser "
                                "attribute");
        if (!me.super && !me.createrole)
            return lg_error_set(u->err, "42501", "permission denied");
    }
    LG_TRY(role_row(u, role.name, &old));
    row = old;
    LG_TRY(role_options(u, &s->options, &row));
    LG_TRY(lg_cat_update(u->cat, LG_REL_pg_authid, &old, &row));
    LG_TRY(lg_cat_touch(u->cat, 0));
    if (s->action == -1) { /* ALTER GROUP ... DROP USER */
        const lg_ast_def_elem *e = lg_ast_as(s->options.at[0], def_elem);
        const lg_ast_list *l = &lg_ast_as(e->arg, list_node)->list;
        for (uint32_t k = 0; k < l->n; k++) {
            lg_oid other;
            LG_TRY(lg_ddl_role(u, lg_ast_as(l->at[k], role_spec), &other));
            LG_TRY(remove_member(u, oid, other, false));
        }
        return LG_OK;
    }
    return members_of_options(u, &s->options, oid);
}

/* ---- what depends on a role ---- */

/* Tables with owners and lists. */
static const struct owned {
    lg_oid table;
    int att_oid, att_owner, att_acl;
} owned[] = {
    {LG_REL_pg_class, LG_AT_pg_class_oid, LG_AT_pg_class_relowner, LG_AT_pg_class_relacl},
    {LG_REL_pg_namespace, LG_AT_pg_namespace_oid, LG_AT_pg_namespace_nspowner,
     LG_AT_pg_namespace_nspacl},
    {LG_REL_pg_database, LG_AT_pg_database_oid, LG_AT_pg_database_datdba, LG_AT_pg_database_datacl},
    {LG_REL_lg_proc, LG_AT_lg_proc_oid, LG_AT_lg_proc_proowner, LG_AT_lg_proc_proacl},
    {LG_REL_pg_type, LG_AT_pg_type_oid, LG_AT_pg_type_typowner, LG_AT_pg_type_typacl},
    {LG_REL_lg_collation, LG_AT_lg_collation_oid, LG_AT_lg_collation_collowner, 0},
};

static lg_oid
object_class(const struct owned *o)
{
    return o->table == LG_REL_lg_proc        ? LG_REL_pg_proc
           : o->table == LG_REL_lg_collation ? LG_REL_pg_collation
                                             : o->table;
}

static bool
has_acl(const struct owned *o, const lg_cat_row *row)
{
    return o->att_acl && !LG_ROW_NULL(row, o->att_acl);
}

/* Not an object by itself: an index, the row type of a table, an array type. A composite type is
 * one as a type. */
static lg_status
is_part(lg_util *u, lg_cat *cat, const struct owned *o, const lg_cat_row *row, bool *ret)
{
    lg_cat_row rel;
    *ret = false;
    if (o->table == LG_REL_pg_class)
        *ret = strchr("ic", lg_char(GETC(row, pg_class, relkind))) != NULL;
    if (o->table != LG_REL_pg_type)
        return LG_OK;
    lg_oid type = lg_oid_of(GETC(row, pg_type, oid));
    *ret = lg_type_elem(type) != 0;
    if (*ret || lg_usertype_of(type) != LG_UT_ROW)
        return LG_OK;
    lg_datum key = lg_datum_oid(lg_usertype_number(type));
    lg_status st = lg_cat_find(cat, LG_REL_pg_class, LG_IX_pg_class_oid_index, 1, &key, u->a, &rel);
    *ret = st != LG_OK || lg_char(GETC(&rel, pg_class, relkind)) != LG_REL_COMPOSITE;
    return st == LG_NOT_FOUND ? LG_OK : st;
}

static bool
in_acl(lg_util *u, lg_datum list, lg_oid role)
{
    lg_acl acl;
    lg_acl_unpack(list, u->a, &acl);
    for (uint32_t i = 0; i < acl.n; i++)
        if (acl.at[i].grantee == role || acl.at[i].grantor == role)
            return true;
    return false;
}

/* Columns in whose lists the role is: copies of their rows. */
static lg_status
columns_listed(lg_util *u, lg_cat *cat, lg_oid role, lg_cat_row ***ret_rows, uint32_t *ret_n)
{
    lg_cat_scan s;
    lg_cat_row row, **rows = NULL;
    uint32_t n = 0, cap = 0;
    lg_status st;
    LG_TRY(lg_cat_scan_open(cat, LG_REL_pg_attribute, 0, 0, NULL, u->a, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        if (NULLC(&row, pg_attribute, attacl) || !in_acl(u, GETC(&row, pg_attribute, attacl), role))
            continue;
        if (n == cap) {
            lg_cat_row **more = LG_NEWN(u->a, lg_cat_row *, cap * 2 + 16);
            if (n)
                memcpy(more, rows, n * sizeof *rows);
            rows = more;
            cap = cap * 2 + 16;
        }
        rows[n++] = lg_arena_dup(u->a, &row, sizeof row);
    }
    lg_cat_scan_close(&s);
    *ret_rows = rows;
    *ret_n = n;
    return st == LG_END ? LG_OK : st;
}

struct dependents {
    lg_util *u;
    lg_oid role;
    const char *text;
    uint32_t n;
};

static lg_status
dependent_columns(struct dependents *d, lg_cat *cat)
{
    lg_util *u = d->u;
    lg_cat_row **rows;
    uint32_t n;
    LG_TRY(columns_listed(u, cat, d->role, &rows, &n));
    d->n += n;
    for (uint32_t i = 0; i < n && cat == u->cat; i++) {
        const char *text;
        LG_TRY(lg_syscat_describe(u->es, u->a, LG_REL_pg_class,
                                  lg_oid_of(GETC(rows[i], pg_attribute, attrelid)),
                                  lg_int2(GETC(rows[i], pg_attribute, attnum)), &text));
        d->text =
            lg_arena_printf(u->a, "%s%sprivileges for %s", d->text, *d->text ? "\n" : "", text);
    }
    return LG_OK;
}

/* In one database: lines, or of another one only how many there are. */
static lg_status
dependents_in(struct dependents *d, lg_cat *cat)
{
    lg_util *u = d->u;
    bool other = cat != u->cat;
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        const struct owned *o = &owned[i];
        lg_cat_scan s;
        lg_cat_row row;
        lg_status st;
        if (other && o->table == LG_REL_pg_database)
            continue;
        LG_TRY(lg_cat_scan_open(cat, o->table, 0, 0, NULL, u->a, &s));
        while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
            const char *what = NULL, *text;
            bool part;
            if (lg_oid_of(LG_ROW_GET(&row, o->att_owner)) == d->role)
                what = "owner of";
            else if (has_acl(o, &row) && in_acl(u, LG_ROW_GET(&row, o->att_acl), d->role))
                what = "privileges for";
            if (!what)
                continue;
            if ((st = is_part(u, cat, o, &row, &part)) != LG_OK)
                break;
            if (part)
                continue;
            d->n++;
            if (other)
                continue;
            st = lg_syscat_describe(u->es, u->a, object_class(o),
                                    lg_oid_of(LG_ROW_GET(&row, o->att_oid)), 0, &text);
            if (st != LG_OK)
                break;
            d->text = lg_arena_printf(u->a, "%s%s%s %s", d->text, *d->text ? "\n" : "", what, text);
        }
        lg_cat_scan_close(&s);
        if (st != LG_END)
            return st;
        if (o->table == LG_REL_pg_class)
            LG_TRY(dependent_columns(d, cat));
    }
    return LG_OK;
}

static lg_status
dependents_elsewhere(lg_cat *other, const char *name, void *arg)
{
    struct dependents *d = arg;
    d->n = 0;
    LG_TRY(dependents_in(d, other));
    if (d->n)
        d->text =
            lg_arena_printf(d->u->a, "%s%s%u %s in database %s", d->text, *d->text ? "\n" : "",
                            d->n, d->n == 1 ? "object" : "objects", name);
    return LG_OK;
}

/* Lines as PostgreSQL's DETAIL has them. */
static lg_status
describe_role_dependents(lg_util *u, lg_oid role, const char **ret_text)
{
    struct dependents d = {u, role, "", 0};
    LG_TRY(dependents_in(&d, u->cat));
    LG_TRY(lg_cat_database_each(u->cat, dependents_elsewhere, &d));
    *ret_text = d.text;
    return LG_OK;
}

/* Of all databases. */
static lg_status
forget_settings(lg_util *u, lg_oid role)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_status st;
    LG_TRY(lg_cat_scan_open(u->cat, LG_REL_pg_db_role_setting, 0, 0, NULL, u->a, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK)
        if (lg_oid_of(GETC(&row, pg_db_role_setting, setrole)) == role) {
            st = lg_cat_delete(u->cat, LG_REL_pg_db_role_setting, &row);
            if (st != LG_OK)
                break;
        }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

lg_status
lg_ddl_database_settings_forget(lg_util *u, lg_oid db)
{
    lg_datum keys[2] = {lg_datum_oid(db), lg_datum_oid(LG_REL_pg_database)};
    LG_TRY(lg_cat_delete_where(u->cat, LG_REL_pg_db_role_setting,
                               LG_IX_pg_db_role_setting_databaseid_rol_index, 1, keys, NULL));
    return lg_cat_delete_where(u->cat, LG_REL_pg_shdescription, LG_IX_pg_shdescription_o_c_index, 2,
                               keys, NULL);
}

static lg_status
drop_role_rows(lg_util *u, lg_oid role)
{
    lg_datum key = lg_datum_oid(role);
    lg_datum shared[2] = {lg_datum_oid(role), lg_datum_oid(LG_REL_pg_authid)};
    LG_TRY(lg_cat_delete_where(u->cat, LG_REL_pg_auth_members,
                               LG_IX_pg_auth_members_role_member_index, 1, &key, NULL));
    LG_TRY(lg_cat_delete_where(u->cat, LG_REL_pg_auth_members,
                               LG_IX_pg_auth_members_member_role_index, 1, &key, NULL));
    LG_TRY(forget_settings(u, role));
    LG_TRY(lg_cat_delete_where(u->cat, LG_REL_pg_default_acl,
                               LG_IX_pg_default_acl_role_nsp_obj_index, 1, &key, NULL));
    return lg_cat_delete_where(u->cat, LG_REL_pg_shdescription, LG_IX_pg_shdescription_o_c_index, 2,
                               shared, NULL);
}

lg_status
lg_ddl_drop_role(lg_util *u, const lg_ast_drop_role_stmt *s)
{
    snprintf(u->tag, LG_TAG_MAX, "DROP ROLE");
    LG_TRY(require_createrole(u, "drop"));
    for (uint32_t i = 0; i < s->roles.n; i++) {
        const char *name = lg_ast_as(s->roles.at[i], role_spec)->rolename, *detail = "";
        lg_cat_row row;
        if (!name)
            return lg_error_set(u->err, "22023", "cannot use special role specifier in DROP ROLE");
        lg_status st = role_row(u, name, &row);
        if (st == LG_SQL && s->missing_ok) {
            lg_error_clear(u->err);
            lg_ddl_notice(u, "00000", "role \"%s\" does not exist, skipping", name);
            continue;
        }
        LG_TRY(st);
        lg_oid oid = lg_oid_of(GETC(&row, pg_authid, oid));
        if (oid == lg_cat_user(u->cat))
            return lg_error_set(u->err, "55006", "current user cannot be dropped");
        if (oid < LG_OID_FIRST_NORMAL)
            return lg_error_set(u->err, "2BP01",
                                "cannot drop role %s because it is required by the database system",
                                name);
        if (lg_bool(GETC(&row, pg_authid, rolsuper)) && !superuser(u))
            return lg_error_set(u->err, "42501", "must be superuser to drop superusers");
        LG_TRY(describe_role_dependents(u, oid, &detail));
        if (*detail) {
            lg_error_set(u->err, "2BP01",
                         "role \"%s\" cannot be dropped because some objects depend on it", name);
            lg_error_detail(u->err, "%s", detail);
            return LG_SQL;
        }
        LG_TRY(drop_role_rows(u, oid));
        LG_TRY(lg_cat_delete(u->cat, LG_REL_pg_authid, &row));
    }
    return lg_cat_touch(u->cat, 0);
}

/* ---- REASSIGN OWNED, DROP OWNED ---- */

/* A new owner also takes the old one's place in the list, as ALTER OWNER does. */
lg_datum
lg_ddl_acl_new_owner(lg_util *u, lg_datum list, lg_oid from, lg_oid to)
{
    lg_acl acl, out = {.arena = u->a};
    lg_acl_unpack(list, u->a, &acl);
    for (uint32_t i = 0; i < acl.n; i++) {
        lg_acl_item it = acl.at[i];
        it.grantee = it.grantee == from ? to : it.grantee;
        it.grantor = it.grantor == from ? to : it.grantor;
        (void)!lg_acl_change(&out, true, &it, to, false);
    }
    return lg_acl_pack(u->a, &out);
}

static lg_status
each_owned(lg_util *u, const struct owned *o, lg_oid role, bool or_listed,
           lg_status (*fn)(lg_util *u, const struct owned *o, lg_cat_row *row, void *arg),
           void *arg)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_status st;
    lg_cat_row **rows = NULL;
    uint32_t n = 0, cap = 0;
    LG_TRY(lg_cat_scan_open(u->cat, o->table, 0, 0, NULL, u->a, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        bool mine = lg_oid_of(LG_ROW_GET(&row, o->att_owner)) == role;
        if (!mine &&
            !(or_listed && has_acl(o, &row) && in_acl(u, LG_ROW_GET(&row, o->att_acl), role)))
            continue;
        rows = lg_ddl_room(u, rows, n, &cap, sizeof *rows);
        rows[n++] = lg_arena_dup(u->a, &row, sizeof row);
    }
    lg_cat_scan_close(&s);
    if (st != LG_END)
        return st;
    for (uint32_t i = 0; i < n; i++)
        LG_TRY(fn(u, o, rows[i], arg));
    return LG_OK;
}

struct reassign {
    lg_oid from, to;
};

static lg_status
reassign_one(lg_util *u, const struct owned *o, lg_cat_row *old, void *arg)
{
    const struct reassign *r = arg;
    lg_cat_row row = *old;
    LG_ROW_SET(&row, o->att_owner, r->to);
    if (has_acl(o, &row))
        LG_ROW_SET(&row, o->att_acl,
                   lg_ddl_acl_new_owner(u, LG_ROW_GET(&row, o->att_acl), r->from, r->to));
    LG_TRY(lg_cat_update(u->cat, o->table, old, &row));
    return lg_cat_touch(u->cat,
                        o->table == LG_REL_pg_class ? lg_oid_of(LG_ROW_GET(&row, o->att_oid)) : 0);
}

static lg_status
check_owned_role(lg_util *u, lg_oid role, const char *what)
{
    bool member;
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), role, false, &member));
    return member ? LG_OK : lg_error_set(u->err, "42501", "permission denied to %s objects", what);
}

lg_status
lg_ddl_reassign_owned(lg_util *u, const lg_ast_reassign_owned_stmt *s)
{
    snprintf(u->tag, LG_TAG_MAX, "REASSIGN OWNED");
    struct reassign r;
    LG_TRY(lg_ddl_role(u, s->newrole, &r.to));
    for (uint32_t i = 0; i < s->roles.n; i++) {
        LG_TRY(lg_ddl_role(u, lg_ast_as(s->roles.at[i], role_spec), &r.from));
        LG_TRY(check_owned_role(u, r.from, "reassign"));
        for (size_t k = 0; k < sizeof owned / sizeof *owned; k++)
            LG_TRY(each_owned(u, &owned[k], r.from, false, reassign_one, &r));
    }
    return LG_OK;
}

/* Takes the role out of lists. */
static lg_status
forget_one(lg_util *u, const struct owned *o, lg_cat_row *old, void *arg)
{
    lg_oid role = *(lg_oid *)arg;
    lg_acl acl, out = {.arena = u->a};
    lg_cat_row row = *old;
    if (lg_oid_of(LG_ROW_GET(old, o->att_owner)) == role)
        return LG_OK;
    lg_acl_unpack(LG_ROW_GET(old, o->att_acl), u->a, &acl);
    for (uint32_t i = 0; i < acl.n; i++)
        if (acl.at[i].grantee != role && acl.at[i].grantor != role)
            (void)!lg_acl_change(&out, true, &acl.at[i], 0, false);
    LG_ROW_SET(&row, o->att_acl, lg_acl_pack(u->a, &out));
    LG_TRY(lg_cat_update(u->cat, o->table, old, &row));
    return lg_cat_touch(u->cat,
                        o->table == LG_REL_pg_class ? lg_oid_of(LG_ROW_GET(&row, o->att_oid)) : 0);
}

static lg_status
forget_columns(lg_util *u, lg_oid role)
{
    lg_cat_row **rows;
    uint32_t n;
    LG_TRY(columns_listed(u, u->cat, role, &rows, &n));
    for (uint32_t k = 0; k < n; k++) {
        lg_acl acl, out = {.arena = u->a};
        lg_cat_row row = *rows[k];
        lg_acl_unpack(GETC(&row, pg_attribute, attacl), u->a, &acl);
        for (uint32_t i = 0; i < acl.n; i++)
            if (acl.at[i].grantee != role && acl.at[i].grantor != role)
                (void)!lg_acl_change(&out, true, &acl.at[i], 0, false);
        if (out.n)
            SETC(&row, pg_attribute, attacl, lg_acl_pack(u->a, &out));
        else
            row.null[LG_AT_pg_attribute_attacl - 1] = 1;
        LG_TRY(lg_cat_update(u->cat, LG_REL_pg_attribute, rows[k], &row));
        LG_TRY(lg_cat_touch(u->cat, lg_oid_of(GETC(&row, pg_attribute, attrelid))));
    }
    return LG_OK;
}

struct dropping {
    lg_ddl_object *at;
    uint32_t n, cap;
};

static lg_status
drop_owned_add(lg_util *u, const struct owned *o, lg_cat_row *row, void *arg)
{
    struct dropping *d = arg;
    lg_oid oid = lg_oid_of(LG_ROW_GET(row, o->att_oid));
    lg_ddl_object x = {object_class(o), oid, 0};
    bool part;
    LG_TRY(is_part(u, u->cat, o, row, &part));
    if (part || o->table == LG_REL_pg_database)
        return LG_OK;
    d->at = lg_ddl_room(u, d->at, d->n, &d->cap, sizeof *d->at);
    d->at[d->n++] = x;
    return LG_OK;
}

lg_status
lg_ddl_drop_owned(lg_util *u, const lg_ast_drop_owned_stmt *s)
{
    struct dropping d = {0};
    snprintf(u->tag, LG_TAG_MAX, "DROP OWNED");
    for (uint32_t i = 0; i < s->roles.n; i++) {
        lg_oid role;
        LG_TRY(lg_ddl_role(u, lg_ast_as(s->roles.at[i], role_spec), &role));
        LG_TRY(check_owned_role(u, role, "drop"));
        if (role < LG_OID_FIRST_NORMAL)
            return lg_error_set(u->err, "2BP01",
                                "cannot drop objects owned by role %s because they are required by "
                                "the database system",
                                role_name(u, role));
        for (size_t k = 0; k < sizeof owned / sizeof *owned; k++) {
            LG_TRY(each_owned(u, &owned[k], role, false, drop_owned_add, &d));
            LG_TRY(each_owned(u, &owned[k], role, true, forget_one, &role));
        }
        LG_TRY(forget_columns(u, role));
        lg_datum key = lg_datum_oid(role);
        LG_TRY(lg_cat_delete_where(u->cat, LG_REL_pg_default_acl,
                                   LG_IX_pg_default_acl_role_nsp_obj_index, 1, &key, NULL));
    }
    lg_ddl_objects_sort(d.at, d.n);
    return d.n ? lg_ddl_delete(u, d.at, d.n, s->behavior == LG_A_DROP_CASCADE ? LG_DDL_CASCADE : 0)
               : LG_OK;
}

/* ---- ALTER ROLE / DATABASE ... SET ---- */

/* The value of SET as text, lists joined. */
const char *
lg_ddl_set_text(lg_util *u, const lg_ast_variable_set_stmt *v)
{
    const char *text = "";
    bool list = v->args.n > 1 || !strcasecmp(v->name, "search_path");
    for (uint32_t i = 0; i < v->args.n; i++) {
        const lg_ast_value *x = (const void *)v->args.at[i];
        const char *one = x->h.tag == LG_AST_INTEGER   ? lg_arena_printf(u->a, "%d", x->ival)
                          : x->h.tag == LG_AST_BOOLEAN ? (x->ival ? "true" : "false")
                          : x->sval                    ? x->sval
                                                       : "";
        if (list)
            one = lg_quote_ident(u->a, one);
        text = i ? lg_arena_printf(u->a, "%s, %s", text, one) : one;
    }
    return text;
}

static lg_status
change_settings(lg_util *u, lg_oid db, lg_oid role, const lg_ast_variable_set_stmt *v)
{
    lg_cat_row old, row;
    lg_datum keys[2] = {lg_datum_oid(db), lg_datum_oid(role)};
    lg_status st = lg_cat_find(u->cat, LG_REL_pg_db_role_setting,
                               LG_IX_pg_db_role_setting_databaseid_rol_index, 2, keys, u->a, &old);
    bool exists = st == LG_OK, all = v->kind == LG_A_VAR_RESET_ALL;
    if (st != LG_OK && st != LG_NOT_FOUND)
        return st;
    const char *value = NULL;
    if (v->kind == LG_A_VAR_SET_VALUE)
        value = lg_ddl_set_text(u, v);
    else if (v->kind == LG_A_VAR_SET_CURRENT)
        value = u->es->setting ? u->es->setting(u->es->arg, v->name) : NULL;
    if (!all && u->es->check_setting)
        LG_TRY(u->es->check_setting(u->es->arg, v->name, value));
    lg_array x = {0};
    if (exists && !LG_ROW_NULL(&old, LG_AT_pg_db_role_setting_setconfig))
        lg_array_unpack(GETC(&old, pg_db_role_setting, setconfig), u->a, &x);
    lg_datum *list = LG_NEWN(u->a, lg_datum, x.n + 1);
    uint32_t n = 0;
    size_t len = v->name ? strlen(v->name) : 0;
    for (uint32_t i = 0; i < x.n && !all; i++) {
        const char *t = lg_text_cstring(u->a, x.values[i]);
        if (strncasecmp(t, v->name, len) != 0 || t[len] != '=')
            list[n++] = x.values[i];
    }
    if (value)
        list[n++] = lg_datum_cstring_text(u->a, lg_arena_printf(u->a, "%s=%s", v->name, value));
    if (!n)
        return exists ? lg_cat_delete(u->cat, LG_REL_pg_db_role_setting, &old) : LG_OK;
    if (exists) {
        row = old;
        SETC(&row, pg_db_role_setting, setconfig, lg_array_make(u->a, LG_T_TEXT, n, list, NULL));
        return lg_cat_update(u->cat, LG_REL_pg_db_role_setting, &old, &row);
    }
    lg_cat_row_init(LG_REL_pg_db_role_setting, &row);
    SETC(&row, pg_db_role_setting, setdatabase, db);
    SETC(&row, pg_db_role_setting, setrole, role);
    SETC(&row, pg_db_role_setting, setconfig, lg_array_make(u->a, LG_T_TEXT, n, list, NULL));
    return lg_cat_insert(u->cat, LG_REL_pg_db_role_setting, &row);
}

static lg_status
database_oid(lg_util *u, const char *name, lg_oid *ret)
{
    lg_database db;
    *ret = 0;
    if (!name)
        return LG_OK;
    lg_status st = lg_cat_database_by_name(u->cat, name, u->a, &db);
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "3D000", "database \"%s\" does not exist", name);
    *ret = db.oid;
    return st;
}

lg_status
lg_ddl_alter_role_set(lg_util *u, const lg_ast_alter_role_set_stmt *s)
{
    lg_oid role = 0, db;
    snprintf(u->tag, LG_TAG_MAX, "ALTER ROLE");
    if (s->role)
        LG_TRY(lg_ddl_role(u, s->role, &role));
    if (role != lg_cat_user(u->cat) || !role)
        LG_TRY(require_createrole(u, "alter"));
    LG_TRY(database_oid(u, s->database, &db));
    return change_settings(u, db, role, s->setstmt);
}

lg_status
lg_ddl_alter_database_set(lg_util *u, const lg_ast_alter_database_set_stmt *s)
{
    lg_oid db;
    lg_database facts;
    bool member;
    snprintf(u->tag, LG_TAG_MAX, "ALTER DATABASE");
    LG_TRY(database_oid(u, s->dbname, &db));
    LG_TRY(lg_cat_database_by_name(u->cat, s->dbname, u->a, &facts));
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), facts.owner, false, &member));
    if (!member)
        return lg_error_set(u->err, "42501", "must be owner of database %s", s->dbname);
    return change_settings(u, db, 0, s->setstmt);
}
