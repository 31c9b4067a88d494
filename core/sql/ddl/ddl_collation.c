/* CREATE, ALTER and DROP COLLATION: rows of lg_collation.
 *
 * libc's are C and POSIX, which order by bytes; ICU's are whatever the instance's ICU opens. A
 * collation never changes its locale, so nothing that was ordered by it has to be looked at again.
 * Whoever comes to need one holds it in ACCESS SHARE until the transaction ends, and who drops it in
 * ACCESS EXCLUSIVE. */
#include "acl.h"
#include "ddl_internal.h"
#include "usertype.h"
#include <string.h>
#include <strings.h>

static const char *
qualified(lg_util *u, const lg_ast_list *names)
{
    const char *s = lg_ast_list_str(names, 0);
    for (uint32_t i = 1; i < names->n; i++)
        s = lg_arena_printf(u->a, "%s.%s", s, lg_ast_list_str(names, i));
    return s;
}

/* ---- what uses one ---- */

lg_status
lg_ddl_collation_depend(lg_util *u, lg_oid cls, lg_oid obj, int32_t sub, lg_oid coll)
{
    lg_cat_collation k;
    if (lg_collation_class_of(coll) == LG_COLLATION_BUILTIN)
        return LG_OK;
    LG_TRY(lg_cat_lock(u->cat, coll, LG_LOCK_ACCESS_SHARE, false));
    lg_status st = lg_cat_collation_by_oid(u->cat, coll, u->a, &k);
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "42704", "collation with OID %u does not exist", coll);
    LG_TRY(st);
    return lg_ddl_depend(u, cls, obj, sub, LG_REL_pg_collation, coll, 0, 'n');
}

/* ---- by name ---- */

/* LG_NOT_FOUND with missing_ok: a notice was given. */
static lg_status
named(lg_util *u, const lg_ast_list *names, bool missing_ok, lg_cat_collation *ret)
{
    const char *name = lg_ast_list_str(names, names->n - 1);
    const char *schema = names->n > 1 ? lg_ast_list_str(names, names->n - 2) : NULL;
    lg_oid nsp;
    if (strlen(name) > LG_NAME_MAX)
        name = lg_arena_strndup(u->a, name, LG_NAME_MAX);
    lg_status st = lg_cat_collation_by_name(u->cat, schema, name, u->a, ret);
    if (st != LG_NOT_FOUND)
        return st;
    if (schema && lg_cat_namespace_by_name(u->cat, schema, &nsp) == LG_NOT_FOUND) {
        if (!missing_ok)
            return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist", schema);
        lg_ddl_notice(u, "00000", "schema \"%s\" does not exist, skipping", schema);
        return LG_NOT_FOUND;
    }
    if (!missing_ok)
        return lg_error_set(u->err, "42704",
                            "collation \"%s\" for encoding \"UTF8\" does not exist",
                            qualified(u, names));
    lg_ddl_notice(u, "00000", "collation \"%s\" does not exist, skipping", qualified(u, names));
    return LG_NOT_FOUND;
}

static lg_status
owner_check(lg_util *u, const lg_cat_collation *k)
{
    bool may = false;
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), k->owner, false, &may));
    return may ? LG_OK : lg_error_set(u->err, "42501", "must be owner of collation %s", k->name);
}

lg_status
lg_ddl_collation_named(lg_util *u, const lg_ast_list *names, lg_oid *ret)
{
    lg_cat_collation k;
    LG_TRY(named(u, names, false, &k));
    LG_TRY(owner_check(u, &k));
    *ret = k.oid;
    return LG_OK;
}

lg_status
lg_ddl_drop_collation_find(lg_util *u, const lg_ast_drop_stmt *s, const lg_ast *object, lg_oid *ret)
{
    lg_cat_collation k;
    *ret = 0;
    lg_status st = named(u, &lg_ast_as(object, list_node)->list, s->missing_ok, &k);
    if (st == LG_NOT_FOUND)
        return LG_OK;
    LG_TRY(st);
    LG_TRY(owner_check(u, &k));
    if (lg_collation_class_of(k.oid) == LG_COLLATION_BUILTIN)
        return lg_error_set(
            u->err, "2BP01",
            "cannot drop collation %s because it is required by the database system",
            lg_deparse_collation(u->es->env, k.oid, u->a));
    LG_TRY(lg_cat_lock(u->cat, k.oid, LG_LOCK_ACCESS_EXCLUSIVE, false));
    *ret = k.oid;
    return LG_OK;
}

/* Nothing of that name is in the schema. */
static lg_status
name_free(lg_util *u, lg_oid nsp, const char *name, lg_cat_collation *ret_old)
{
    const char *schema;
    LG_TRY(lg_cat_namespace_name(u->cat, nsp, u->a, &schema));
    return lg_cat_collation_by_name(u->cat, schema, name, u->a, ret_old);
}

/* ---- CREATE ---- */

struct options {
    const lg_ast_def_elem *from, *locale, *collate, *ctype, *provider, *deterministic, *version;
};

static lg_status
sort_options(lg_util *u, const lg_ast_list *list, struct options *o)
{
    struct {
        const char *name;
        const lg_ast_def_elem **to;
    } known[] = {{"from", &o->from},          {"locale", &o->locale},
                 {"lc_collate", &o->collate}, {"lc_ctype", &o->ctype},
                 {"provider", &o->provider},  {"deterministic", &o->deterministic},
                 {"version", &o->version}};
    for (uint32_t i = 0; i < list->n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(list->at[i], def_elem);
        const lg_ast_def_elem **to = NULL;
        for (size_t k = 0; k < sizeof known / sizeof *known && !to; k++)
            to = strcmp(known[k].name, e->defname) == 0 ? known[k].to : NULL;
        if (!to || *to) {
            if (to)
                lg_error_set(u->err, "42601", "conflicting or redundant options");
            else
                lg_error_set(u->err, "42601", "collation attribute \"%s\" not recognized",
                             e->defname);
            u->err->position = lg_exec_position(u->es, e->h.loc);
            return LG_SQL;
        }
        *to = e;
    }
    if (!(o->locale && (o->collate || o->ctype)) && !(o->from && list->n != 1))
        return LG_OK;
    lg_error_set(u->err, "42601", "conflicting or redundant options");
    lg_error_detail(u->err, o->locale && (o->collate || o->ctype)
                                ? "LOCALE cannot be specified together with LC_COLLATE or LC_CTYPE."
                                : "FROM cannot be specified together with any other options.");
    return LG_SQL;
}

/* The value as a text: a string, or a word, which the grammar takes for a type. */
static lg_status
text_of(lg_util *u, const lg_ast_def_elem *e, const char **ret)
{
    if (!e)
        return LG_OK;
    if (e->arg && e->arg->tag == LG_AST_TYPE_NAME)
        *ret = qualified(u, &lg_ast_as(e->arg, type_name)->names);
    else if (e->arg && e->arg->tag == LG_AST_INTEGER)
        *ret = lg_arena_printf(u->a, "%d", (int)lg_ast_as(e->arg, value)->ival);
    else
        *ret = e->arg ? lg_ast_str(e->arg) : NULL;
    return *ret ? LG_OK : lg_error_set(u->err, "42601", "%s requires a parameter", e->defname);
}

static lg_status
flag_of(lg_util *u, const lg_ast_def_elem *e, bool *ret)
{
    static const char *const on[] = {"true", "on", "1"}, *const off[] = {"false", "off", "0"};
    const char *s = "true";
    if (e->arg)
        LG_TRY(text_of(u, e, &s));
    for (size_t i = 0; i < 3; i++) {
        if (strcasecmp(s, on[i]) == 0 || strcasecmp(s, off[i]) == 0) {
            *ret = strcasecmp(s, on[i]) == 0;
            return LG_OK;
        }
    }
    return lg_error_set(u->err, "42601", "%s requires a Boolean value", e->defname);
}

static lg_status
copy_of(lg_util *u, const lg_ast_def_elem *from, lg_cat_collation *ret)
{
    lg_cat_collation k;
    LG_TRY(named(u, &lg_ast_as(from->arg, list_node)->list, false, &k));
    if (k.provider == 'd')
        return lg_error_set(u->err, "42P17", "collation \"default\" cannot be copied");
    ret->provider = k.provider;
    ret->encoding = k.encoding;
    ret->collate = k.collate;
    ret->ctype = k.ctype;
    ret->locale = k.locale;
    return LG_OK;
}

/* libc's by bytes are C and POSIX; the others are refused. */
static lg_status
libc_check(lg_util *u, const char *locale)
{
    if (!strcmp(locale, "C") || !strcmp(locale, "POSIX"))
        return LG_OK;
    if (!strncasecmp(locale, "C.", 2))
        return lg_error_set(u->err, "0A000",
                            "locale \"%s\" of provider libc is not supported: C and POSIX are",
                            locale);
    lg_error_set(u->err, "22023", "could not create locale \"%s\": No such file or directory",
                 locale);
    lg_error_detail(u->err,
                    "The operating system could not find any locale data for the locale name "
                    "\"%s\".",
                    locale);
    return LG_SQL;
}

static lg_status
parameter_missing(lg_util *u, const char *name)
{
    return lg_error_set(u->err, "42P17", "parameter \"%s\" must be specified", name);
}

static lg_status
read_options(lg_util *u, const struct options *o, lg_cat_collation *ret)
{
    const char *provider = "libc", *locale = NULL;
    bool deterministic = true;
    LG_TRY(text_of(u, o->provider, &provider));
    if (o->deterministic)
        LG_TRY(flag_of(u, o->deterministic, &deterministic));
    LG_TRY(text_of(u, o->version, &ret->version));
    if (strcasecmp(provider, "icu") != 0 && strcasecmp(provider, "libc") != 0)
        return lg_error_set(u->err, "42P17", "unrecognized collation provider: %s", provider);
    ret->provider = strcasecmp(provider, "icu") == 0 ? 'i' : 'c';
    LG_TRY(text_of(u, o->locale, &locale));
    if (ret->provider == 'i')
        ret->locale = locale;
    else
        ret->collate = ret->ctype = locale;
    LG_TRY(text_of(u, o->collate, &ret->collate));
    LG_TRY(text_of(u, o->ctype, &ret->ctype));
    if (ret->provider == 'i') {
        ret->encoding = -1;
        if (!ret->locale)
            return parameter_missing(u, "locale");
        return deterministic
                   ? LG_OK
                   : lg_error_set(u->err, "0A000", "nondeterministic collations are not supported");
    }
    ret->encoding = 6;
    if (!ret->collate || !ret->ctype)
        return parameter_missing(u, ret->collate ? "lc_ctype" : "lc_collate");
    if (!deterministic)
        return lg_error_set(u->err, "0A000",
                            "nondeterministic collations not supported with this provider");
    LG_TRY(libc_check(u, ret->collate));
    return libc_check(u, ret->ctype);
}

static lg_status
already(lg_util *u, const lg_cat_collation *old, const lg_cat_collation *k, bool skip)
{
    const char *of =
        old->encoding == k->encoding && k->encoding != -1 ? " for encoding \"UTF8\"" : "";
    if (!skip)
        return lg_error_set(u->err, "42710", "collation \"%s\"%s already exists", k->name, of);
    lg_ddl_notice(u, "42710", "collation \"%s\"%s already exists, skipping", k->name, of);
    return LG_OK;
}

static lg_status
insert(lg_util *u, const lg_cat_collation *k)
{
    lg_cat_row row;
    lg_cat_row_init(LG_REL_lg_collation, &row);
    SETC(&row, lg_collation, oid, k->oid);
    SETC(&row, lg_collation, collname, lg_cat_name(u->a, k->name));
    SETC(&row, lg_collation, collnamespace, k->nsp);
    SETC(&row, lg_collation, collowner, k->owner);
    SETC(&row, lg_collation, collprovider, lg_datum_char(k->provider));
    SETC(&row, lg_collation, collisdeterministic, 1);
    SETC(&row, lg_collation, collencoding, lg_datum_int4(k->encoding));
    if (k->collate)
        SETC(&row, lg_collation, collcollate, lg_datum_cstring_text(u->a, k->collate));
    if (k->ctype)
        SETC(&row, lg_collation, collctype, lg_datum_cstring_text(u->a, k->ctype));
    if (k->locale)
        SETC(&row, lg_collation, colliculocale, lg_datum_cstring_text(u->a, k->locale));
    if (k->version)
        SETC(&row, lg_collation, collversion, lg_datum_cstring_text(u->a, k->version));
    lg_status st = lg_cat_insert(u->cat, LG_REL_lg_collation, &row);
    return st == LG_EXISTS ? already(u, k, k, false) : st;
}

lg_status
lg_ddl_create_collation(lg_util *u, const lg_ast_define_stmt *s)
{
    struct options o = {0};
    lg_oid number;
    lg_cat_collation k = {.owner = lg_cat_user(u->cat)}, old;
    const lg_ast_list *names = &s->defnames;
    lg_ast_range_var rv = {.h.loc = -1,
                           .relname = lg_ast_list_str(names, names->n - 1),
                           .schemaname =
                               names->n > 1 ? lg_ast_list_str(names, names->n - 2) : NULL};
    snprintf(u->tag, LG_TAG_MAX, "CREATE COLLATION");
    LG_TRY(lg_ddl_namespace_for(u, &rv, &k.nsp));
    if (k.nsp == lg_cat_temp_namespace(u->cat))
        return lg_error_set(u->err, "0A000", "temporary collations are not supported");
    k.name = rv.relname;
    if (strlen(k.name) > LG_NAME_MAX)
        k.name = lg_arena_strndup(u->a, k.name, LG_NAME_MAX);
    LG_TRY(sort_options(u, &s->definition, &o));
    if (o.from)
        LG_TRY(copy_of(u, o.from, &k));
    else
        LG_TRY(read_options(u, &o, &k));
    if (!k.version)
        k.version = lg_collation_version(u->a, k.locale);
    lg_status st = name_free(u, k.nsp, k.name, &old);
    if (st == LG_OK)
        return already(u, &old, &k, s->if_not_exists);
    if (st != LG_NOT_FOUND)
        return st;
    const char *why = k.locale ? lg_collation_refused(k.locale) : NULL;
    if (why)
        return lg_error_set(u->err, "XX000", "could not open collator for locale \"%s\": %s",
                            k.locale, why);
    LG_TRY(lg_cat_new_oid(u->cat, &number));
    k.oid = lg_collation_oid(k.locale ? LG_COLLATION_ICU : LG_COLLATION_BYTES, number);
    LG_TRY(insert(u, &k));
    return lg_cat_touch(u->cat, 0);
}

/* ---- ALTER ---- */

struct change {
    const char *name, *version; /* NULL, 0: stays */
    lg_oid nsp, owner;
};

static lg_status
taken(lg_util *u, const struct change *c, const lg_cat_collation *k)
{
    lg_cat_collation old;
    lg_oid nsp = c->nsp ? c->nsp : k->nsp;
    const char *schema, *name = c->name ? c->name : k->name;
    lg_status st = name_free(u, nsp, name, &old);
    if (st == LG_NOT_FOUND)
        return LG_OK;
    LG_TRY(st);
    LG_TRY(lg_cat_namespace_name(u->cat, nsp, u->a, &schema));
    return lg_error_set(
        u->err, "42710",
        old.encoding == 6 ? "collation \"%s\" for encoding \"UTF8\" already exists in schema \"%s\""
                          : "collation \"%s\" already exists in schema \"%s\"",
        name, schema);
}

static lg_status
alter(lg_util *u, const lg_cat_collation *k, const struct change *c)
{
    lg_cat_row old, row;
    lg_datum key = lg_datum_oid(k->oid);
    if (lg_collation_class_of(k->oid) == LG_COLLATION_BUILTIN)
        return lg_error_set(u->err, "0A000", "built-in collation \"%s\" cannot be altered",
                            k->name);
    if (c->name || c->nsp)
        LG_TRY(taken(u, c, k));
    LG_TRY(lg_cat_lock(u->cat, k->oid, LG_LOCK_ACCESS_EXCLUSIVE, false));
    LG_TRY(lg_cat_find(u->cat, LG_REL_lg_collation, LG_IX_lg_collation_oid_index, 1, &key, u->a,
                       &old));
    row = old;
    if (c->name)
        SETC(&row, lg_collation, collname, lg_cat_name(u->a, c->name));
    if (c->version)
        SETC(&row, lg_collation, collversion, lg_datum_cstring_text(u->a, c->version));
    if (c->nsp)
        SETC(&row, lg_collation, collnamespace, c->nsp);
    if (c->owner)
        SETC(&row, lg_collation, collowner, c->owner);
    LG_TRY(lg_cat_update(u->cat, LG_REL_lg_collation, &old, &row));
    return lg_cat_touch(u->cat, 0);
}

static lg_status
alter_find(lg_util *u, const lg_ast_list *names, lg_cat_collation *k)
{
    snprintf(u->tag, LG_TAG_MAX, "ALTER COLLATION");
    LG_TRY(named(u, names, false, k));
    return owner_check(u, k);
}

lg_status
lg_ddl_alter_collation(lg_util *u, const lg_ast_alter_collation_stmt *s)
{
    lg_cat_collation k;
    LG_TRY(alter_find(u, &s->collname, &k));
    if (k.oid == LG_COLLATION_DEFAULT) {
        lg_error_set(u->err, "42P17", "cannot refresh version of default collation");
        lg_error_hint(u->err, "Use ALTER DATABASE ... REFRESH COLLATION VERSION instead.");
        return LG_SQL;
    }
    struct change c = {.version = lg_collation_version(u->a, k.locale)};
    if (!c.version != !k.version)
        return lg_error_set(u->err, "XX000", "invalid collation version change");
    if (!c.version || strcmp(c.version, k.version) == 0) {
        lg_ddl_notice(u, "00000", "version has not changed");
        return LG_OK;
    }
    lg_ddl_notice(u, "00000", "changing version from %s to %s", k.version, c.version);
    return alter(u, &k, &c);
}

lg_status
lg_ddl_rename_collation(lg_util *u, const lg_ast_rename_stmt *s)
{
    lg_cat_collation k;
    struct change c = {.name = s->newname};
    if (strlen(c.name) > LG_NAME_MAX)
        c.name = lg_arena_strndup(u->a, c.name, LG_NAME_MAX);
    LG_TRY(alter_find(u, &lg_ast_as(s->object, list_node)->list, &k));
    return alter(u, &k, &c);
}

lg_status
lg_ddl_collation_schema(lg_util *u, const lg_ast_alter_object_schema_stmt *s)
{
    lg_cat_collation k;
    struct change c = {0};
    lg_ast_range_var rv = {.relname = "", .schemaname = s->newschema, .h.loc = -1};
    LG_TRY(alter_find(u, &lg_ast_as(s->object, list_node)->list, &k));
    LG_TRY(lg_ddl_namespace_for(u, &rv, &c.nsp));
    return c.nsp == k.nsp ? LG_OK : alter(u, &k, &c);
}

lg_status
lg_ddl_collation_owner(lg_util *u, const lg_ast_alter_owner_stmt *s, lg_oid role)
{
    lg_cat_collation k;
    struct change c = {.owner = role};
    bool may = false;
    uint32_t have = 0;
    lg_role r;
    LG_TRY(alter_find(u, &lg_ast_as(s->object, list_node)->list, &k));
    if (role == k.owner)
        return LG_OK;
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), role, false, &may));
    LG_TRY(lg_cat_role_by_oid(u->cat, role, u->a, &r));
    if (!may)
        return lg_error_set(u->err, "42501", "must be member of role \"%s\"", r.name);
    LG_TRY(lg_cat_role_by_oid(u->cat, lg_cat_user(u->cat), u->a, &r));
    LG_TRY(lg_cat_namespace_mask(u->cat, role, k.nsp, LG_ACL_CREATE, &have));
    if (!have && !r.super)
        return lg_error_set(u->err, "42501", "permission denied for schema %s", k.schema);
    return alter(u, &k, &c);
}
