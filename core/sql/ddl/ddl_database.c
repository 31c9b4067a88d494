/* CREATE, ALTER and DROP DATABASE. The model is at the head of core/catalog/catalog_db.c.
 *
 * Each is a transaction of its own. CREATE makes a database as its template is, with all objects
 * and rows (ddl_dbcopy.c); nobody else may be connected to the template meanwhile. */
#include "acl.h"
#include "ddl_internal.h"
#include "encoding.h"
#include <string.h>
#include <strings.h>

#define OTHERS_LEAVE (5 * LG_SEC) /* as PostgreSQL: sessions that just end are waited for */

static lg_status
alone(lg_util *u, const char *what)
{
    if (u->es->in_block && u->es->in_block(u->es->arg))
        return lg_error_set(u->err, "25001", "%s cannot run inside a transaction block", what);
    return LG_OK;
}

static lg_status
database_row(lg_util *u, const char *name, lg_cat_row *ret_row, lg_database *ret_db)
{
    lg_datum key = lg_cat_name(u->a, name);
    lg_status st = lg_cat_find(u->cat, LG_REL_pg_database, LG_IX_pg_database_datname_index, 1, &key,
                               u->a, ret_row);
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "3D000", "database \"%s\" does not exist", name);
    LG_TRY(st);
    return lg_cat_database_by_name(u->cat, name, u->a, ret_db);
}

static lg_status
check_owner(lg_util *u, const lg_database *db)
{
    bool member;
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), db->owner, false, &member));
    return member ? LG_OK : lg_error_set(u->err, "42501", "must be owner of database %s", db->name);
}

static lg_status
may_create(lg_util *u, const char *refusal)
{
    lg_role r;
    LG_TRY(lg_cat_role_by_oid(u->cat, lg_cat_user(u->cat), u->a, &r));
    return r.super || r.createdb ? LG_OK : lg_error_set(u->err, "42501", "%s", refusal);
}

/* Nobody else is connected, until the transaction ends. */
static lg_status
take_alone(lg_util *u, lg_oid db, const char *refusal, bool force)
{
    uint32_t n = 0;
    if (force && u->es->database_sessions)
        (void)u->es->database_sessions(u->es->arg, db, true);
    lg_time until = lg_run_now_ns(u->es->run) + OTHERS_LEAVE;
    lg_status st = lg_cat_database_take(u->cat, db, until);
    if (st != LG_LOCK_NOT_AVAILABLE && st != LG_TIMEOUT)
        return st;
    if (u->es->database_sessions)
        n = u->es->database_sessions(u->es->arg, db, false);
    lg_error_set(u->err, "55006", "%s", refusal);
    if (n)
        lg_error_detail(u->err,
                        n == 1 ? "There is %u other session using the database."
                               : "There are %u other sessions using the database.",
                        n);
    return LG_SQL;
}

/* ---- CREATE ---- */

struct create {
    lg_oid owner;
    const char *template;
    bool allow_connections, is_template;
    int32_t limit; /* of connections */
    char provider; /* of the default collation: 'c', 'i'; 0: the template's */
    const char *icu_locale, *version;
    lg_cat_database_fill fill;
};

static const char *
option_text(lg_util *u, const lg_ast_def_elem *e)
{
    if (!e->arg)
        return NULL;
    if (e->arg->tag == LG_AST_INTEGER)
        return lg_arena_printf(u->a, "%d", lg_ast_as(e->arg, value)->ival);
    if (e->arg->tag == LG_AST_BOOLEAN)
        return lg_ast_as(e->arg, value)->ival ? "true" : "false";
    return lg_ast_str(e->arg);
}

static lg_status
option_bool(lg_util *u, const lg_ast_def_elem *e, bool *ret)
{
    static const char *const words[][2] = {{"true", "false"}, {"on", "off"}, {"1", "0"}};
    const char *text = option_text(u, e);
    *ret = true;
    for (size_t i = 0; text && i < sizeof words / sizeof *words; i++)
        for (int off = 0; off < 2; off++)
            if (strcasecmp(text, words[i][off]) == 0) {
                *ret = !off;
                return LG_OK;
            }
    return text ? lg_error_set(u->err, "42601", "%s requires a Boolean value", e->defname) : LG_OK;
}

static bool
is_c_locale(const char *s)
{
    return !s || !strcasecmp(s, "C") || !strcasecmp(s, "POSIX");
}

/* An encoding that PostgreSQL's databases may have. */
static bool
known_encoding(const char *name)
{
    const lg_encoding *e = lg_encoding_by_name(name);
    return e && e->id <= LG_ENCODING_LAST_OF_SERVERS;
}

static lg_status
refuse(lg_util *u, const lg_ast_def_elem *e, const char *sqlstate, const char *fmt, const char *arg)
{
    lg_error_set(u->err, sqlstate, "%s", lg_arena_printf(u->a, fmt, arg));
    u->err->position = lg_exec_position(u->es, e->h.loc);
    return LG_SQL;
}

static lg_status
option_limit(lg_util *u, const lg_ast_def_elem *e, int32_t *ret)
{
    *ret = -1;
    if (!e->arg)
        return LG_OK;
    if (e->arg->tag != LG_AST_INTEGER)
        return lg_error_set(u->err, "42601", "%s requires an integer value", e->defname);
    *ret = lg_ast_as(e->arg, value)->ival;
    return *ret >= -1 ? LG_OK : lg_error_set(u->err, "22023", "invalid connection limit: %d", *ret);
}

static lg_status
create_option(lg_util *u, const lg_ast_def_elem *e, struct create *c)
{
    const char *name = e->defname, *text = option_text(u, e);
    if (!strcmp(name, "owner")) {
        lg_role r;
        if (!text)
            return LG_OK;
        lg_status st = lg_cat_role_by_name(u->cat, text, u->a, &r);
        if (st == LG_NOT_FOUND)
            return lg_error_set(u->err, "42704", "role \"%s\" does not exist", text);
        c->owner = r.oid;
        return st;
    }
    if (!strcmp(name, "template")) {
        c->template = text ? text : c->template;
        return LG_OK;
    }
    if (!strcmp(name, "allow_connections"))
        return option_bool(u, e, &c->allow_connections);
    if (!strcmp(name, "is_template"))
        return option_bool(u, e, &c->is_template);
    if (!strcmp(name, "encoding")) {
        if (!text || !strcasecmp(text, "UTF8") || !strcasecmp(text, "UTF-8") ||
            !strcasecmp(text, "unicode") || !strcmp(text, "6") || !strcmp(text, "-1"))
            return LG_OK;
        if (!known_encoding(text))
            return refuse(u, e, "42704", "%s is not a valid encoding name", text);
        return lg_error_set(u->err, "0A000", "encoding \"%s\" is not supported: a database is UTF8",
                            text);
    }
    if (!strcmp(name, "lc_collate") || !strcmp(name, "lc_ctype") || !strcmp(name, "locale"))
        return is_c_locale(text) ? LG_OK
                                 : lg_error_set(u->err, "0A000",
                                                "locale \"%s\" is not supported for a database: "
                                                "it is C",
                                                text);
    if (!strcmp(name, "tablespace")) {
        if (!text || !strcmp(text, "pg_default"))
            return LG_OK;
        return lg_error_set(u->err, "42704", "tablespace \"%s\" does not exist", text);
    }
    if (!strcmp(name, "strategy") && text) {
        if (!strcasecmp(text, "wal_log") || !strcasecmp(text, "file_copy"))
            return LG_OK;
        return lg_error_set(u->err, "22023", "invalid create database strategy \"%s\"", text);
    }
    if (!strcmp(name, "connection_limit"))
        return option_limit(u, e, &c->limit);
    if (!strcmp(name, "locale_provider") && text) {
        c->provider = !strcasecmp(text, "icu") ? 'i' : !strcasecmp(text, "libc") ? 'c' : 0;
        return c->provider
                   ? LG_OK
                   : lg_error_set(u->err, "42P17", "unrecognized locale provider: %s", text);
    }
    if (!strcmp(name, "icu_locale")) {
        c->icu_locale = text;
        return LG_OK;
    }
    if (!strcmp(name, "collation_version")) {
        c->version = text;
        return LG_OK;
    }
    if (!strcmp(name, "oid"))
        return lg_error_set(u->err, "0A000", "option \"%s\" is not supported", name);
    return refuse(u, e, "42601", "option \"%s\" not recognized", name);
}

static lg_status
other_locale(lg_util *u, const char *what, const char *which, const char *mine, const char *its)
{
    lg_error_set(u->err, "22023",
                 !strcmp(what, "locale provider")
                     ? "new %s (%s) does not match locale provider of the template database (%s)"
                     : "new %s (%s) is incompatible with the ICU locale of the template database "
                       "(%s)",
                 what, mine, its);
    lg_error_hint(u->err,
                  "Use the same %s as in the template database, or use template0 as template.",
                  which);
    return LG_SQL;
}

/* The default collation: what was said, else the template's; only template0 goes with any. */
static lg_status
check_locale(lg_util *u, struct create *c, const lg_database *template)
{
    bool any = template->oid == LG_DB_TEMPLATE0;
    char its = template->icu_locale ? 'i' : 'c';
    if (!c->provider)
        c->provider = its;
    if (!c->icu_locale && c->provider == 'i')
        c->icu_locale = template->icu_locale;
    if (c->provider == 'i' && !c->icu_locale)
        return lg_error_set(u->err, "22023", "ICU locale must be specified");
    if (c->provider == 'c' && c->icu_locale)
        return lg_error_set(u->err, "42P17",
                            "ICU locale cannot be specified unless locale provider is ICU");
    const char *why = c->icu_locale ? lg_collation_refused(c->icu_locale) : NULL;
    if (why)
        return lg_error_set(u->err, "XX000", "could not open collator for locale \"%s\": %s",
                            c->icu_locale, why);
    if (!c->version)
        c->version = lg_collation_version(u->a, c->icu_locale);
    if (any)
        return LG_OK;
    if (c->provider != its)
        return other_locale(u, "locale provider", "locale provider",
                            c->provider == 'i' ? "icu" : "libc", its == 'i' ? "icu" : "libc");
    if (c->icu_locale && strcmp(c->icu_locale, template->icu_locale) != 0)
        return other_locale(u, "ICU locale", "ICU locale", c->icu_locale, template->icu_locale);
    return LG_OK;
}

static lg_status
check_template(lg_util *u, const char *name, struct create *c)
{
    lg_database db;
    bool member;
    lg_status st = lg_cat_database_by_name(u->cat, name, u->a, &db);
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "3D000", "template database \"%s\" does not exist", name);
    LG_TRY(st);
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), db.owner, false, &member));
    if (!db.is_template && !member)
        return lg_error_set(u->err, "42501", "permission denied to copy database \"%s\"", name);
    LG_TRY(check_locale(u, c, &db));
    if (db.root.file) {
        LG_TRY(take_alone(u, db.oid,
                          lg_arena_printf(u->a,
                                          "source database \"%s\" is being accessed by other users",
                                          db.name),
                          false));
        st = lg_cat_database_by_name(u->cat, name, u->a, &db);
        if (st == LG_NOT_FOUND) /* a moment ago */
            return lg_error_set(u->err, "3D000", "template database \"%s\" does not exist", name);
        LG_TRY(st);
    }
    c->fill.template = db.root.file ? db.oid : 0;
    return LG_OK;
}

lg_status
lg_ddl_create_database(lg_util *u, const lg_ast_createdb_stmt *s)
{
    struct create c = {.owner = lg_cat_user(u->cat),
                       .template = "template1",
                       .allow_connections = true,
                       .limit = -1};
    lg_cat_row row;
    lg_database db;
    lg_oid oid;
    bool member;
    lg_rel_storage root;
    snprintf(u->tag, LG_TAG_MAX, "CREATE DATABASE");
    LG_TRY(alone(u, "CREATE DATABASE"));
    for (uint32_t i = 0; i < s->options.n; i++)
        LG_TRY(create_option(u, lg_ast_as(s->options.at[i], def_elem), &c));
    LG_TRY(may_create(u, "permission denied to create database"));
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), c.owner, true, &member));
    if (!member) {
        lg_role r;
        LG_TRY(lg_cat_role_by_oid(u->cat, c.owner, u->a, &r));
        return lg_error_set(u->err, "42501", "must be member of role \"%s\"", r.name);
    }
    LG_TRY(check_template(u, c.template, &c));
    lg_status st = lg_cat_database_by_name(u->cat, s->dbname, u->a, &db);
    if (st == LG_OK)
        return lg_error_set(u->err, "42P04", "database \"%s\" already exists", s->dbname);
    if (st != LG_NOT_FOUND)
        return st;
    LG_TRY(lg_cat_new_oid(u->cat, &oid));
    c.fill.icu_locale = c.icu_locale;
    c.fill.fn = lg_ddl_database_fill;
    c.fill.arg = u;
    LG_TRY(lg_cat_database_make(u->cat, oid, s->dbname, &c.fill, &root));
    lg_cat_row_init(LG_REL_pg_database, &row);
    SETC(&row, pg_database, oid, oid);
    SETC(&row, pg_database, datname, lg_cat_name(u->a, s->dbname));
    SETC(&row, pg_database, datdba, c.owner);
    SETC(&row, pg_database, encoding, lg_datum_int4(6));
    SETC(&row, pg_database, datlocprovider, lg_datum_char(c.provider));
    if (c.icu_locale)
        SETC(&row, pg_database, daticulocale, lg_datum_cstring_text(u->a, c.icu_locale));
    if (c.version)
        SETC(&row, pg_database, datcollversion, lg_datum_cstring_text(u->a, c.version));
    SETC(&row, pg_database, datistemplate, c.is_template);
    SETC(&row, pg_database, datallowconn, c.allow_connections);
    SETC(&row, pg_database, datconnlimit, lg_datum_int4(c.limit));
    SETC(&row, pg_database, dattablespace, 1663);
    SETC(&row, pg_database, datcollate, lg_datum_cstring_text(u->a, "C"));
    SETC(&row, pg_database, datctype, lg_datum_cstring_text(u->a, "C"));
    lg_cat_database_set_root(&row, &root);
    st = lg_cat_insert(u->cat, LG_REL_pg_database, &row);
    if (st == LG_EXISTS) /* another session's, a moment ago */
        return lg_error_set(u->err, "42P04", "database \"%s\" already exists", s->dbname);
    LG_TRY(st);
    return lg_cat_touch(u->cat, 0);
}

/* ---- DROP ---- */

lg_status
lg_ddl_drop_database(lg_util *u, const lg_ast_dropdb_stmt *s)
{
    lg_cat_row row;
    lg_database db;
    bool force = false;
    snprintf(u->tag, LG_TAG_MAX, "DROP DATABASE");
    LG_TRY(alone(u, "DROP DATABASE"));
    for (uint32_t i = 0; i < s->options.n; i++) {
        const char *name = lg_ast_as(s->options.at[i], def_elem)->defname;
        if (strcmp(name, "force") != 0)
            return lg_error_set(u->err, "42601", "unrecognized DROP DATABASE option \"%s\"", name);
        force = true;
    }
    lg_status st = database_row(u, s->dbname, &row, &db);
    if (st == LG_SQL && s->missing_ok) {
        lg_error_clear(u->err);
        lg_ddl_notice(u, "00000", "database \"%s\" does not exist, skipping", s->dbname);
        return LG_OK;
    }
    LG_TRY(st);
    LG_TRY(check_owner(u, &db));
    if (db.is_template)
        return lg_error_set(u->err, "42809", "cannot drop a template database");
    if (db.oid == lg_cat_database_oid(u->cat))
        return lg_error_set(u->err, "55006", "cannot drop the currently open database");
    if (db.oid == LG_DB_FIRST) {
        lg_error_set(u->err, "55006", "cannot drop database \"%s\"", db.name);
        lg_error_detail(u->err, "It was made with the cluster and holds what all databases share.");
        return LG_SQL;
    }
    LG_TRY(take_alone(
        u, db.oid,
        lg_arena_printf(u->a, "database \"%s\" is being accessed by other users", db.name), force));
    LG_TRY(database_row(u, s->dbname, &row, &db)); /* it may have been made meanwhile */
    LG_TRY(lg_cat_database_unmake(u->cat, &db));
    LG_TRY(lg_ddl_database_settings_forget(u, db.oid));
    LG_TRY(lg_cat_delete(u->cat, LG_REL_pg_database, &row));
    return lg_cat_touch(u->cat, 0);
}

/* ---- ALTER ---- */

lg_status
lg_ddl_alter_database(lg_util *u, const lg_ast_alter_database_stmt *s)
{
    lg_cat_row old, row;
    lg_database db;
    snprintf(u->tag, LG_TAG_MAX, "ALTER DATABASE");
    LG_TRY(database_row(u, s->dbname, &old, &db));
    LG_TRY(check_owner(u, &db));
    row = old;
    for (uint32_t i = 0; i < s->options.n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(s->options.at[i], def_elem);
        bool on;
        if (!strcmp(e->defname, "allow_connections")) {
            LG_TRY(option_bool(u, e, &on));
            if (!on && db.oid == lg_cat_database_oid(u->cat))
                return lg_error_set(u->err, "22023",
                                    "cannot disallow connections for current database");
            SETC(&row, pg_database, datallowconn, on);
        } else if (!strcmp(e->defname, "is_template")) {
            LG_TRY(option_bool(u, e, &on));
            SETC(&row, pg_database, datistemplate, on);
        } else if (!strcmp(e->defname, "connection_limit")) {
            int32_t limit;
            LG_TRY(option_limit(u, e, &limit));
            SETC(&row, pg_database, datconnlimit, lg_datum_int4(limit));
        } else {
            return refuse(u, e, !strcmp(e->defname, "tablespace") ? "0A000" : "42601",
                          !strcmp(e->defname, "tablespace") ? "option \"%s\" is not supported"
                                                            : "option \"%s\" not recognized",
                          e->defname);
        }
    }
    LG_TRY(lg_cat_update(u->cat, LG_REL_pg_database, &old, &row));
    return lg_cat_touch(u->cat, 0);
}

lg_status
lg_ddl_refresh_database(lg_util *u, const lg_ast_alter_database_refresh_coll_stmt *s)
{
    lg_cat_row old, row;
    lg_database db;
    snprintf(u->tag, LG_TAG_MAX, "ALTER DATABASE");
    LG_TRY(database_row(u, s->dbname, &old, &db));
    LG_TRY(check_owner(u, &db));
    const char *was = NULLC(&old, pg_database, datcollversion)
                          ? NULL
                          : lg_text_cstring(u->a, GETC(&old, pg_database, datcollversion));
    const char *now = lg_collation_version(u->a, db.icu_locale);
    if (!was != !now)
        return lg_error_set(u->err, "XX000", "invalid collation version change");
    if (!now || strcmp(was, now) == 0) {
        lg_ddl_notice(u, "00000", "version has not changed");
        return LG_OK;
    }
    lg_ddl_notice(u, "00000", "changing version from %s to %s", was, now);
    row = old;
    SETC(&row, pg_database, datcollversion, lg_datum_cstring_text(u->a, now));
    LG_TRY(lg_cat_update(u->cat, LG_REL_pg_database, &old, &row));
    return lg_cat_touch(u->cat, 0);
}

lg_status
lg_ddl_rename_database(lg_util *u, const char *from, const char *to)
{
    lg_cat_row old, row;
    lg_database db, other;
    snprintf(u->tag, LG_TAG_MAX, "ALTER DATABASE");
    LG_TRY(database_row(u, from, &old, &db));
    LG_TRY(check_owner(u, &db));
    LG_TRY(may_create(u, "permission denied to rename database"));
    lg_status st = lg_cat_database_by_name(u->cat, to, u->a, &other);
    if (st == LG_OK)
        return lg_error_set(u->err, "42P04", "database \"%s\" already exists", to);
    if (st != LG_NOT_FOUND)
        return st;
    if (db.oid == lg_cat_database_oid(u->cat))
        return lg_error_set(u->err, "0A000", "current database cannot be renamed");
    LG_TRY(take_alone(
        u, db.oid,
        lg_arena_printf(u->a, "database \"%s\" is being accessed by other users", db.name), false));
    row = old;
    SETC(&row, pg_database, datname, lg_cat_name(u->a, to));
    LG_TRY(lg_cat_update(u->cat, LG_REL_pg_database, &old, &row));
    return lg_cat_touch(u->cat, 0);
}

lg_status
lg_ddl_database_owner(lg_util *u, const char *name, lg_oid role)
{
    lg_cat_row old, row;
    lg_database db;
    bool member;
    lg_role r;
    snprintf(u->tag, LG_TAG_MAX, "ALTER DATABASE");
    LG_TRY(database_row(u, name, &old, &db));
    if (db.owner == role)
        return LG_OK;
    LG_TRY(check_owner(u, &db));
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), role, true, &member));
    if (!member) {
        LG_TRY(lg_cat_role_by_oid(u->cat, role, u->a, &r));
        return lg_error_set(u->err, "42501", "must be member of role \"%s\"", r.name);
    }
    LG_TRY(may_create(u, "permission denied to change owner of database"));
    row = old;
    SETC(&row, pg_database, datdba, role);
    if (!NULLC(&old, pg_database, datacl))
        SETC(&row, pg_database, datacl,
             lg_ddl_acl_new_owner(u, GETC(&old, pg_database, datacl), db.owner, role));
    LG_TRY(lg_cat_update(u->cat, LG_REL_pg_database, &old, &row));
    return lg_cat_touch(u->cat, 0);
}
