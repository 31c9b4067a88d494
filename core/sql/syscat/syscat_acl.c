/* Functions about privileges: aclitem's text, acldefault and kin, has_*_privilege, pg_has_role. */
#include "acl.h"
#include "array.h"
#include "syscat_internal.h"
#include "strbuf.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- aclitem as text: grantee=privileges/grantor ---- */

static const char *
role_text(lg_call *c, lg_oid oid)
{
    lg_role role;
    if (lg_cat_role_by_oid(lg_fx_session(c)->cat, oid, c->arena, &role) != LG_OK)
        return lg_arena_printf(c->arena, "%u", oid);
    const char *p = role.name;
    while (isalnum((unsigned char)*p) || *p == '_')
        p++;
    if (!*p && *role.name)
        return role.name;
    lg_strbuf b; /* not an identifier as SQL sees it: only letters, digits and _ go bare */
    lg_strbuf_init(&b, 1024);
    lg_strbuf_putc(&b, '"');
    for (p = role.name; *p; p++) {
        if (*p == '"')
            lg_strbuf_putc(&b, '"');
        lg_strbuf_putc(&b, *p);
    }
    lg_strbuf_putc(&b, '"');
    char *s = lg_arena_strndup(c->arena, b.data, b.len);
    lg_strbuf_fini(&b);
    return s;
}

static lg_datum
fn_aclitemout(lg_call *c)
{
    lg_acl_item it = lg_acl_item_of(c->args[0]);
    char privs[2 * LG_ACL_BITS + 1];
    int n = 0;
    for (int i = 0; i < LG_ACL_BITS; i++) {
        if (LG_ACL_PRIVS(it.privs) & 1u << i)
            privs[n++] = lg_acl_bit_letter(i);
        if (LG_ACL_OPTIONS(it.privs) & 1u << i)
            privs[n++] = '*';
    }
    privs[n] = '\0';
    const char *text =
        lg_arena_printf(c->arena, "%s=%s/%s", it.grantee ? role_text(c, it.grantee) : "", privs,
                        role_text(c, it.grantor));
    return lg_datum_ptr(text);
}

static const char *
role_word(lg_call *c, const char *p, const char **ret)
{
    char *out = lg_arena_alloc(c->arena, strlen(p) + 1), *to = out;
    bool quoted = false;
    for (; *p && (quoted || isalnum((unsigned char)*p) || *p == '_' || *p == '"' || *p & 0x80);
         p++) {
        if (*p != '"')
            *to++ = *p;
        else if (p[1] == '"' && quoted)
            *to++ = *++p;
        else
            quoted = !quoted;
    }
    *to = '\0';
    *ret = out;
    return p;
}

static bool
role_named(lg_call *c, const char *name, lg_oid *ret)
{
    lg_role role;
    lg_status st = lg_cat_role_by_name(lg_fx_session(c)->cat, name, c->arena, &role);
    if (st == LG_NOT_FOUND)
        lg_call_error(c, "42704", "role \"%s\" does not exist", name);
    else if (st != LG_OK)
        c->st = st;
    *ret = role.oid;
    return st == LG_OK;
}

static lg_datum
fn_aclitemin(lg_call *c)
{
    static const char *const letters = "arwdDxtXUCTcsA";
    const char *p = (const char *)(uintptr_t)c->args[0], *name;
    lg_acl_item it = {.grantor = LG_ROLE_BOOTSTRAP};
    while (isspace((unsigned char)*p))
        p++;
    p = role_word(c, p, &name);
    if (*p != '=') { /* "group x" and "user x" are old spellings */
        if (strcmp(name, "group") != 0 && strcmp(name, "user") != 0)
            return lg_call_error(c, "22P02", "missing \"=\" sign");
        while (isspace((unsigned char)*p))
            p++;
        p = role_word(c, p, &name);
        if (*p != '=')
            return lg_call_error(c, "22P02", "missing \"=\" sign");
    }
    if (*name && !role_named(c, name, &it.grantee))
        return 0;
    uint32_t last = 0;
    for (p++; *p == '*' || (*p && strchr(letters, *p)); p++) {
        if (*p == '*') {
            it.privs |= LG_ACL_AS_OPTION(last);
        } else {
            last = 1u << (strchr(letters, *p) - letters);
            it.privs |= last;
        }
    }
    if (*p == '/') {
        p = role_word(c, p + 1, &name);
        if (!*name)
            return lg_call_error(c, "22P02", "a name must follow the \"/\" sign");
        if (!role_named(c, name, &it.grantor))
            return 0;
    }
    while (isspace((unsigned char)*p))
        p++;
    if (*p)
        return lg_call_error(c, "22P02", "extra garbage at the end of the ACL specification");
    return lg_acl_item_datum(c->arena, &it);
}

/* ---- lists ---- */

static lg_datum
fn_acldefault(lg_call *c)
{
    lg_acl acl;
    char type = lg_char(c->args[0]);
    if (!strchr("crsdfolntFSTp", type))
        return lg_call_error(c, "XX000", "unrecognized objtype abbreviation: %c", type);
    lg_acl_default(type, lg_oid_of(c->args[1]), c->arena, &acl);
    return lg_acl_pack(c->arena, &acl);
}

/* The privileges of "SELECT, INSERT WITH GRANT OPTION"; 0 with the error set. */
static uint32_t
privileges_of(lg_call *c, lg_datum text, uint32_t allowed, bool *ret_ok)
{
    char *list = lg_text_cstring(c->arena, text), *p = list;
    uint32_t mask = 0;
    *ret_ok = true;
    while (p) {
        static const char option[] = " WITH GRANT OPTION";
        char *next = strchr(p, ',');
        if (next)
            *next++ = '\0';
        while (isspace((unsigned char)*p))
            p++;
        size_t n = strlen(p);
        while (n && isspace((unsigned char)p[n - 1]))
            n--;
        p[n] = '\0';
        size_t cut = n;
        bool grant = n > sizeof option - 1 && !strcasecmp(p + n - (sizeof option - 1), option);
        if (grant)
            cut = n - (sizeof option - 1);
        uint32_t bit = lg_acl_bit_by_name(p, cut) & allowed;
        if (!bit) {
            lg_call_error(c, "22023", "unrecognized privilege type: \"%s\"", p);
            *ret_ok = false;
            return 0;
        }
        mask |= grant ? LG_ACL_AS_OPTION(bit) : bit;
        p = next;
    }
    return mask;
}

static lg_datum
fn_makeaclitem(lg_call *c)
{
    bool ok;
    uint32_t mask = privileges_of(c, c->args[2], 0xffff, &ok);
    lg_acl_item it = {lg_oid_of(c->args[0]), lg_oid_of(c->args[1]), mask};
    if (!ok)
        return 0;
    if (lg_bool(c->args[3]))
        it.privs |= LG_ACL_AS_OPTION(mask);
    return lg_acl_item_datum(c->arena, &it);
}

static lg_datum
fn_aclcontains(lg_call *c)
{
    lg_acl acl;
    lg_acl_item want = lg_acl_item_of(c->args[1]);
    lg_acl_unpack(c->args[0], c->arena, &acl);
    for (uint32_t i = 0; i < acl.n; i++)
        if (acl.at[i].grantee == want.grantee && acl.at[i].grantor == want.grantor &&
            (acl.at[i].privs & want.privs) == want.privs)
            return 1;
    return 0;
}

struct explode {
    lg_acl acl;
    uint32_t item;
    int bit;
};

static lg_status
explode_open(lg_call *c, void **ret_state)
{
    struct explode *x = LG_NEW(c->arena, struct explode);
    lg_acl_unpack(c->args[0], c->arena, &x->acl);
    *ret_state = x;
    return LG_OK;
}

static lg_status
explode_next(lg_call *c, void *state, lg_datum *ret, uint8_t *nulls)
{
    struct explode *x = state;
    for (; x->item < x->acl.n; x->item++, x->bit = 0)
        for (; x->bit < LG_ACL_BITS; x->bit++) {
            const lg_acl_item *it = &x->acl.at[x->item];
            if (!(LG_ACL_PRIVS(it->privs) & 1u << x->bit))
                continue;
            ret[0] = lg_datum_oid(it->grantor);
            ret[1] = lg_datum_oid(it->grantee);
            ret[2] = lg_fx_text(c, lg_acl_bit_name(x->bit));
            ret[3] = (LG_ACL_OPTIONS(it->privs) >> x->bit) & 1;
            memset(nulls, 0, 4);
            x->bit++;
            return LG_OK;
        }
    return LG_END;
}

static const lg_srf explode_srf = {explode_open, explode_next};

/* ---- has_*_privilege ---- */

/* The argument that names a user is there when there is one argument more than `least`. */
static bool
user_of(lg_call *c, uint32_t least, lg_oid *ret_user, uint32_t *ret_next)
{
    *ret_user = lg_cat_user(lg_fx_session(c)->cat);
    *ret_next = 0;
    if (c->nargs <= least)
        return true;
    *ret_next = 1;
    if (c->func->args[0] == LG_T_OID) {
        *ret_user = lg_oid_of(c->args[0]);
        return true;
    }
    char *name = lg_text_cstring(c->arena, c->args[0]);
    *ret_user = 0;
    return !strcmp(name, "public") || role_named(c, name, ret_user);
}

/* Any of the wanted privileges is enough. */
static lg_datum
answer(lg_call *c, lg_status st, uint32_t have)
{
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    return have != 0;
}

/* The relation that argument `at` names; NULL when the call is over. */
static lg_relation *
relation_of(lg_call *c, uint32_t at, lg_datum *ret)
{
    lg_relation *rel = NULL;
    lg_status st;
    char *text = NULL;
    *ret = 0;
    if (c->func->args[at] == LG_T_OID) {
        st = lg_cat_relation_by_oid(lg_fx_session(c)->cat, lg_oid_of(c->args[at]), &rel);
    } else {
        text = lg_text_cstring(c->arena, c->args[at]);
        st = lg_fx_relation_by_text(c, text, &rel);
    }
    if (c->st)
        return NULL;
    if (st == LG_NOT_FOUND && text)
        *ret = lg_call_error(c, "42P01", "relation \"%s\" does not exist", text);
    else if (st == LG_NOT_FOUND)
        *ret = lg_fx_null(c);
    else if (st != LG_OK)
        *ret = lg_fx_fail(c, st);
    return st == LG_OK ? rel : NULL;
}

static uint32_t
columns_mask(lg_call *c, lg_oid user, const lg_relation *rel, const lg_column *only, uint32_t want,
             lg_status *st)
{
    uint32_t have = 0;
    for (uint16_t i = 0; i < rel->ncols && *st == LG_OK && !have; i++) {
        const lg_column *col = &rel->cols[i];
        if (col->dropped || !col->acl || (only && only != col))
            continue;
        *st = lg_cat_acl_mask(lg_fx_session(c)->cat, user, LG_ACL_COLUMN, rel->owner, col->acl,
                              want, &have);
    }
    return have;
}

static lg_datum
relation_privilege(lg_call *c, bool any_column, bool sequence)
{
    lg_oid user;
    uint32_t at, have = 0;
    bool ok;
    lg_datum d;
    if (!user_of(c, 2, &user, &at))
        return 0;
    lg_relation *rel = relation_of(c, at, &d);
    if (!rel)
        return d;
    uint32_t want = privileges_of(c, c->args[c->nargs - 1],
                                  lg_acl_all(sequence     ? LG_ACL_SEQUENCE
                                             : any_column ? LG_ACL_COLUMN
                                                          : LG_ACL_RELATION),
                                  &ok);
    if (ok && sequence && rel->kind != LG_REL_SEQUENCE) {
        lg_call_error(c, "42809", "\"%s\" is not a sequence", rel->name);
        ok = false;
    }
    lg_status st = ok ? lg_cat_relation_mask(lg_fx_session(c)->cat, user, rel, want, &have) : LG_OK;
    if (ok && any_column && !have)
        have = columns_mask(c, user, rel, NULL, want, &st);
    lg_relation_unref(rel);
    return ok ? answer(c, st, have) : 0;
}

static lg_datum
fn_has_table_privilege(lg_call *c)
{
    return relation_privilege(c, false, false);
}

static lg_datum
fn_has_any_column_privilege(lg_call *c)
{
    return relation_privilege(c, true, false);
}

static lg_datum
fn_has_sequence_privilege(lg_call *c)
{
    return relation_privilege(c, false, true);
}

static lg_datum
fn_has_column_privilege(lg_call *c)
{
    lg_oid user;
    uint32_t at, have = 0;
    bool ok;
    lg_datum d;
    lg_status st = LG_OK;
    if (!user_of(c, 3, &user, &at))
        return 0;
    lg_relation *rel = relation_of(c, at, &d);
    if (!rel)
        return d;
    const lg_column *col;
    if (c->func->args[at + 1] == LG_T_INT2) {
        col = lg_relation_column(rel, lg_int2(c->args[at + 1]));
        if (!col || col->dropped) {
            lg_relation_unref(rel);
            return lg_fx_null(c);
        }
    } else {
        char *name = lg_text_cstring(c->arena, c->args[at + 1]);
        col = lg_relation_column_by_name(rel, name);
        if (!col) {
            lg_call_error(c, "42703", "column \"%s\" of relation \"%s\" does not exist", name,
                          rel->name);
            lg_relation_unref(rel);
            return 0;
        }
    }
    uint32_t want = privileges_of(c, c->args[c->nargs - 1], lg_acl_all(LG_ACL_COLUMN), &ok);
    if (ok)
        st = lg_cat_relation_mask(lg_fx_session(c)->cat, user, rel, want, &have);
    if (ok && !have)
        have = columns_mask(c, user, rel, col, want, &st);
    lg_relation_unref(rel);
    return ok ? answer(c, st, have) : 0;
}

static lg_datum
fn_has_schema_privilege(lg_call *c)
{
    lg_oid user, nsp = 0;
    uint32_t at, have = 0;
    bool ok;
    lg_cat *cat = lg_fx_session(c)->cat;
    if (!user_of(c, 2, &user, &at))
        return 0;
    uint32_t want = privileges_of(c, c->args[c->nargs - 1], lg_acl_all(LG_ACL_SCHEMA), &ok);
    if (!ok)
        return 0;
    if (c->func->args[at] == LG_T_OID) {
        nsp = lg_oid_of(c->args[at]);
    } else {
        char *name = lg_text_cstring(c->arena, c->args[at]);
        lg_status st = lg_cat_namespace_by_name(cat, name, &nsp);
        if (st == LG_NOT_FOUND)
            return lg_call_error(c, "3F000", "schema \"%s\" does not exist", name);
        if (st != LG_OK)
            return lg_fx_fail(c, st);
    }
    lg_status st = lg_cat_namespace_mask(cat, user, nsp, want, &have);
    return st == LG_NOT_FOUND ? lg_fx_null(c) : answer(c, st, have);
}

static lg_datum
fn_has_database_privilege(lg_call *c)
{
    lg_oid user;
    uint32_t at, have = 0;
    bool ok;
    lg_database db;
    lg_cat *cat = lg_fx_session(c)->cat;
    if (!user_of(c, 2, &user, &at))
        return 0;
    uint32_t want = privileges_of(c, c->args[c->nargs - 1], lg_acl_all(LG_ACL_DATABASE), &ok);
    if (!ok)
        return 0;
    if (c->func->args[at] == LG_T_OID) {
        db.oid = lg_oid_of(c->args[at]);
    } else {
        char *name = lg_text_cstring(c->arena, c->args[at]);
        lg_status st = lg_cat_database_by_name(cat, name, c->arena, &db);
        if (st == LG_NOT_FOUND)
            return lg_call_error(c, "3D000", "database \"%s\" does not exist", name);
        if (st != LG_OK)
            return lg_fx_fail(c, st);
    }
    lg_status st = lg_cat_database_mask(cat, user, db.oid, want, &have);
    return st == LG_NOT_FOUND ? lg_fx_null(c) : answer(c, st, have);
}

/* Objects whose lists are the default of their type: built-in ones, owned by the first role. */
static lg_datum
default_privilege(lg_call *c, char type)
{
    lg_oid user;
    uint32_t at, have = 0;
    bool ok;
    if (!user_of(c, 2, &user, &at))
        return 0;
    uint32_t want = privileges_of(c, c->args[c->nargs - 1], lg_acl_all(type), &ok);
    if (!ok)
        return 0;
    lg_status st =
        lg_cat_acl_mask(lg_fx_session(c)->cat, user, type, LG_ROLE_BOOTSTRAP, 0, want, &have);
    return answer(c, st, have);
}

static lg_datum
fn_has_type_privilege(lg_call *c)
{
    return default_privilege(c, LG_ACL_TYPE);
}

static lg_datum
fn_has_language_privilege(lg_call *c)
{
    return default_privilege(c, LG_ACL_LANGUAGE);
}

static lg_datum
fn_has_tablespace_privilege(lg_call *c)
{
    return default_privilege(c, LG_ACL_TABLESPACE);
}

static lg_datum
fn_has_parameter_privilege(lg_call *c)
{
    return default_privilege(c, LG_ACL_PARAMETER);
}

static lg_datum
fn_pg_has_role(lg_call *c)
{
    lg_oid user, role = 0;
    uint32_t at;
    bool member = false;
    if (!user_of(c, 2, &user, &at))
        return 0;
    if (c->func->args[at] == LG_T_OID)
        role = lg_oid_of(c->args[at]);
    else if (!role_named(c, lg_text_cstring(c->arena, c->args[at]), &role))
        return 0;
    char *what = lg_text_cstring(c->arena, c->args[c->nargs - 1]);
    bool usage = !strncasecmp(what, "usage", 5);
    if (!usage && strncasecmp(what, "member", 6) != 0)
        return lg_call_error(c, "22023", "unrecognized privilege type: \"%s\"", what);
    lg_status st = lg_cat_is_member(lg_fx_session(c)->cat, user, role, !usage, &member);
    return answer(c, st, member);
}

static const lg_fx_entry list[] = {
    {"aclitemin", fn_aclitemin},
    {"aclitemout", fn_aclitemout},
    {"acldefault", fn_acldefault},
    {"makeaclitem", fn_makeaclitem},
    {"aclcontains", fn_aclcontains},
    {"has_table_privilege", fn_has_table_privilege},
    {"has_any_column_privilege", fn_has_any_column_privilege},
    {"has_sequence_privilege", fn_has_sequence_privilege},
    {"has_column_privilege", fn_has_column_privilege},
    {"has_schema_privilege", fn_has_schema_privilege},
    {"has_database_privilege", fn_has_database_privilege},
    {"has_tablespace_privilege", fn_has_tablespace_privilege},
    {"has_language_privilege", fn_has_language_privilege},
    {"has_type_privilege", fn_has_type_privilege},
    {"has_parameter_privilege", fn_has_parameter_privilege},
    {"pg_has_role", fn_pg_has_role},
};

void
lg_fx_register_acl(lg_fntable *t)
{
    uint32_t n;
    const lg_func *f = lg_func_by_name("aclexplode", &n);
    lg_fx_register(t, list, sizeof list / sizeof *list);
    if (f)
        lg_fntable_set_srf(t, f->oid, &explode_srf);
}
