/* DROP: what is named, what goes with it, and what forbids it.
 *
 * All objects of a statement are found and looked at before the first goes, so they may need each
 * other. What CASCADE takes along is told in one notice at the end. */
#include "acl.h"
#include "cat_proc.h"
#include "ddl_internal.h"
#include "hash.h"
#include "usertype.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define REPORTED_MAX 100u

struct lg_ddl_cascade {
    struct lg_ddl_cascade *next;
    const char *text;
    uint64_t hash;
    bool silent; /* named by the statement itself */
};

/* ---- what goes along ---- */

static void
cascade_add(lg_util *u, const char *text, bool silent)
{
    uint64_t hash = lg_hash_bytes(text, strlen(text), 1);
    for (struct lg_ddl_cascade *c = u->cascades; c; c = c->next)
        if (c->hash == hash && !strcmp(c->text, text))
            return;
    struct lg_ddl_cascade *c = LG_NEW(u->a, struct lg_ddl_cascade);
    *c = (struct lg_ddl_cascade){.text = text, .hash = hash, .silent = silent};
    if (!u->cascades)
        u->cascades_end = &u->cascades;
    *u->cascades_end = c;
    u->cascades_end = &c->next;
}

void
lg_ddl_cascades(lg_util *u, const char *fmt, ...)
{
    va_list ap;
    if (!u->es->notice)
        return;
    va_start(ap, fmt);
    cascade_add(u, lg_arena_vprintf(u->a, fmt, ap), false);
    va_end(ap);
}

void
lg_ddl_cascades_tell(lg_util *u)
{
    lg_ddl_report r = {0};
    const char *only = NULL;
    for (struct lg_ddl_cascade *c = u->cascades; c; c = c->next) {
        if (c->silent)
            continue;
        only = lg_arena_printf(u->a, "drop cascades to %s", c->text);
        lg_ddl_report_add(u, &r, only);
    }
    u->cascades = NULL;
    if (r.n == 1)
        lg_ddl_notice(u, "00000", "%s", only);
    else if (r.n && u->es->notice)
        u->es->notice(u->es->arg, "NOTICE", "00000",
                      lg_arena_printf(u->a, "drop cascades to %u other objects", r.n),
                      lg_ddl_report_text(u, &r));
}

void
lg_ddl_report_add(lg_util *u, lg_ddl_report *r, const char *line)
{
    if (r->n++ < REPORTED_MAX)
        r->text = r->text ? lg_arena_printf(u->a, "%s\n%s", r->text, line) : line;
}

const char *
lg_ddl_report_text(lg_util *u, const lg_ddl_report *r)
{
    uint32_t more = r->n > REPORTED_MAX ? r->n - REPORTED_MAX : 0;
    return more ? lg_arena_printf(u->a, "%s\nand %u other object%s (see server log for list)",
                                  r->text, more, more == 1 ? "" : "s")
                : r->text;
}

static lg_status
forbidden(lg_util *u, const char *what, const lg_ddl_report *r)
{
    lg_error_set(u->err, "2BP01", "cannot drop %s because other objects depend on %s", what,
                 strcmp(what, "desired object(s)") ? "it" : "them");
    lg_error_detail(u->err, "%s", lg_ddl_report_text(u, r));
    lg_error_hint(u->err, "Use DROP ... CASCADE to drop the dependent objects too.");
    return LG_SQL;
}

/* ---- schemas ---- */

struct member {
    lg_oid cls, obj; /* a type's OID as such; order is by its number */
    const char *text;
};

struct members {
    struct member *at;
    uint32_t n, cap;
};

static lg_oid
member_number(const struct member *m)
{
    return m->cls == LG_REL_pg_type ? lg_usertype_number(m->obj) : m->obj;
}

static int
by_number(const void *x, const void *y)
{
    lg_oid a = member_number(x), b = member_number(y);
    return (a > b) - (a < b);
}

static void
member_add(lg_util *u, struct members *l, lg_oid cls, lg_oid obj, const char *text)
{
    if (l->n == l->cap) {
        struct member *more = LG_NEWN(u->a, struct member, l->cap * 2 + 64);
        if (l->n)
            memcpy(more, l->at, l->n * sizeof *more);
        l->at = more;
        l->cap = l->cap * 2 + 64;
    }
    l->at[l->n++] = (struct member){cls, obj, text};
}

/* Does the sequence belong to a column, with which it goes? */
static lg_status
is_owned(lg_util *u, lg_oid seq, bool *ret)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_datum keys[2] = {lg_datum_oid(LG_REL_pg_class), lg_datum_oid(seq)};
    *ret = false;
    lg_status st = lg_cat_scan_open(u->cat, LG_REL_pg_depend, LG_IX_pg_depend_depender_index, 2,
                                    keys, u->a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK)
        *ret |= strchr("ai", lg_char(GETC(&row, pg_depend, deptype))) != NULL;
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

static lg_status
schema_relations(lg_util *u, lg_oid nsp, const char *schema, struct members *l)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_status st = lg_cat_scan_open(u->cat, LG_REL_pg_class, 0, 0, NULL, u->a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        char kind = lg_char(GETC(&row, pg_class, relkind));
        if (lg_oid_of(GETC(&row, pg_class, relnamespace)) != nsp || kind == LG_REL_INDEX)
            continue;
        lg_oid oid = lg_oid_of(GETC(&row, pg_class, oid));
        bool owned = false;
        if (kind == LG_REL_SEQUENCE)
            st = is_owned(u, oid, &owned);
        const lg_relation rel = {.kind = kind};
        bool visible = true;
        if (st == LG_OK)
            st = lg_cat_relation_visible(u->cat, oid, &visible);
        const char *name = lg_text_cstring(u->a, GETC(&row, pg_class, relname));
        if (!owned)
            member_add(
                u, l, LG_REL_pg_class, oid,
                lg_arena_printf(u->a, visible ? "%s %s%s" : "%s %s.%s",
                                kind == LG_REL_COMPOSITE ? "type" : lg_ddl_relation_word(&rel),
                                visible ? "" : schema, name));
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

static lg_status
schema_types(lg_util *u, lg_oid nsp, struct members *l)
{
    lg_cat_scan s;
    lg_cat_row row;
    uint32_t from = l->n;
    lg_status st = lg_cat_scan_open(u->cat, LG_REL_pg_type, 0, 0, NULL, u->a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK)
        if (lg_oid_of(GETC(&row, pg_type, typnamespace)) == nsp &&
            strchr("ed", lg_char(GETC(&row, pg_type, typtype))))
            member_add(u, l, LG_REL_pg_type, lg_oid_of(GETC(&row, pg_type, oid)), NULL);
    lg_cat_scan_close(&s);
    for (uint32_t i = from; i < l->n; i++)
        l->at[i].text =
            lg_arena_printf(u->a, "type %s", lg_type_name(u->es->env, l->at[i].obj, -1, u->a));
    return st == LG_END ? LG_OK : st;
}

static lg_status
schema_functions(lg_util *u, lg_oid nsp, const char *schema, struct members *l)
{
    lg_cat_scan s;
    lg_cat_row row;
    uint32_t from = l->n, npath;
    const lg_oid *path;
    bool in_path = false;
    LG_TRY(lg_cat_search_path(u->cat, true, u->a, &path, &npath));
    for (uint32_t i = 0; i < npath; i++)
        in_path |= path[i] == nsp;
    lg_status st = lg_cat_scan_open(u->cat, LG_REL_lg_proc, 0, 0, NULL, u->a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK)
        if (lg_oid_of(GETC(&row, lg_proc, pronamespace)) == nsp)
            member_add(u, l, LG_REL_pg_proc, lg_oid_of(GETC(&row, lg_proc, oid)), NULL);
    lg_cat_scan_close(&s);
    if (st != LG_END)
        return st;
    for (uint32_t i = from; i < l->n; i++) {
        lg_proc *p;
        LG_TRY(lg_cat_proc(u->cat, l->at[i].obj, u->a, &p));
        l->at[i].text =
            in_path ? lg_ddl_function_text(u, p) : lg_ddl_function_text_in(u, p, schema);
    }
    return LG_OK;
}

static lg_status
drop_member(lg_util *u, const struct member *m)
{
    lg_relation *r;
    lg_proc *p;
    lg_status st;
    if (m->cls == LG_REL_pg_class) {
        st = lg_cat_relation_by_oid(u->cat, m->obj, &r);
        if (st == LG_NOT_FOUND) /* went with another */
            return LG_OK;
        LG_TRY(st);
        lg_relation_unref(r);
        return lg_ddl_drop_relation(u, m->obj, true);
    }
    if (m->cls == LG_REL_pg_proc) {
        st = lg_cat_proc(u->cat, m->obj, u->a, &p);
        return st == LG_OK ? lg_ddl_drop_function(u, p, true) : st == LG_NOT_FOUND ? LG_OK : st;
    }
    lg_cat_row row;
    lg_datum key = lg_datum_oid(m->obj);
    st = lg_cat_find(u->cat, LG_REL_pg_type, LG_IX_pg_type_oid_index, 1, &key, u->a, &row);
    return st == LG_OK ? lg_ddl_drop_type(u, m->obj, true) : st == LG_NOT_FOUND ? LG_OK : st;
}

/* Types last, those that were made of others first: nothing then needs them. */
static lg_status
drop_members(lg_util *u, const struct members *l)
{
    for (int types = 0; types < 2; types++)
        for (uint32_t i = 0; i < l->n; i++) {
            const struct member *m = &l->at[types ? l->n - 1 - i : i];
            if ((strncmp(m->text, "type ", 5) == 0) == types)
                LG_TRY(drop_member(u, m));
        }
    return LG_OK;
}

/* What needs the member from outside, a line each. */
static lg_status
member_users(lg_util *u, const struct member *m, lg_ddl_report *rep)
{
    const char *text = NULL;
    bool relation = m->cls == LG_REL_pg_class;
    if (m->cls == LG_REL_pg_proc)
        return LG_OK;
    LG_TRY(
        lg_ddl_type_users(u, relation ? lg_usertype_oid(LG_UT_ROW, m->obj) : m->obj, false, &text));
    if (text)
        lg_ddl_report_add(u, rep, text);
    return relation ? lg_ddl_describe_dependents(u, m->obj, rep) : LG_OK;
}

/* The members in order, each followed by what needs it from outside. */
static lg_status
schema_report(lg_util *u, const struct members *l, const char *name, bool cascade,
              lg_ddl_report *rep)
{
    lg_oid *oids = LG_NEWN(u->a, lg_oid, l->n + 1);
    for (uint32_t i = 0; i < l->n; i++)
        oids[i] = l->at[i].obj;
    u->targets = oids;
    u->ntargets = l->n;
    for (uint32_t i = 0; i < l->n; i++) {
        lg_ddl_report users = {0};
        lg_ddl_report *to = cascade ? &users : rep;
        if (cascade)
            lg_ddl_cascades(u, "%s", l->at[i].text);
        else
            lg_ddl_report_add(
                u, rep, lg_arena_printf(u->a, "%s depends on schema %s", l->at[i].text, name));
        LG_TRY(member_users(u, &l->at[i], to));
        for (const char *p = users.text, *end; p; p = end) {
            const char *stop = strstr(p, " depends on ");
            lg_ddl_cascades(u, "%.*s", (int)(stop - p), p);
            end = strchr(p, '\n');
            end += end != NULL;
        }
    }
    return LG_OK;
}

static lg_status
drop_schema(lg_util *u, const char *name, bool missing_ok, bool cascade)
{
    lg_cat_row row;
    lg_datum key = lg_cat_name(u->a, name);
    lg_status st = lg_cat_find(u->cat, LG_REL_pg_namespace, LG_IX_pg_namespace_nspname_index, 1,
                               &key, u->a, &row);
    if (st == LG_NOT_FOUND && missing_ok) {
        lg_ddl_notice(u, "00000", "schema \"%s\" does not exist, skipping", name);
        return LG_OK;
    }
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist", name);
    LG_TRY(st);
    lg_oid nsp = lg_oid_of(GETC(&row, pg_namespace, oid));
    bool owns = false;
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat),
                            lg_oid_of(GETC(&row, pg_namespace, nspowner)), false, &owns));
    if (!owns)
        return lg_error_set(u->err, "42501", "must be owner of schema %s", name);
    if (nsp < LG_OID_FIRST_NORMAL && nsp != LG_NSP_PUBLIC)
        return lg_error_set(u->err, "2BP01",
                            "cannot drop schema %s because it is required by the database system",
                            name);
    struct members l = {0};
    LG_TRY(schema_relations(u, nsp, name, &l));
    LG_TRY(schema_functions(u, nsp, name, &l));
    LG_TRY(schema_types(u, nsp, &l));
    if (l.n)
        qsort(l.at, l.n, sizeof *l.at, by_number);
    lg_ddl_report rep = {0};
    LG_TRY(schema_report(u, &l, name, cascade, &rep));
    if (rep.n)
        return forbidden(u, lg_arena_printf(u->a, "schema %s", name), &rep);
    LG_TRY(drop_members(u, &l));
    LG_TRY(lg_ddl_default_acl_forget(u, nsp));
    LG_TRY(lg_ddl_common_delete(u, LG_REL_pg_namespace, nsp));
    LG_TRY(lg_cat_delete(u->cat, LG_REL_pg_namespace, &row));
    return lg_cat_touch(u->cat, 0);
}

/* ---- relations ---- */

static const char *
kind_word(int32_t type)
{
    return type == LG_A_OBJECT_VIEW       ? "view"
           : type == LG_A_OBJECT_MATVIEW  ? "materialized view"
           : type == LG_A_OBJECT_SEQUENCE ? "sequence"
           : type == LG_A_OBJECT_INDEX    ? "index"
                                          : "table";
}

/* A relation that is named: found, of that kind, the user's own. *ret: 0 when it may be missing. */
static lg_status
find_one(lg_util *u, const lg_ast_drop_stmt *s, const lg_ast *object, lg_oid *ret)
{
    *ret = 0;
    const lg_ast_range_var *rv = lg_ddl_range_var(u, object);
    const char *word = kind_word(s->remove_type);
    lg_relation *r;
    lg_status st = lg_ddl_open(u, rv, LG_LOCK_ACCESS_EXCLUSIVE, true, &r);
    if (st == LG_NOT_FOUND) {
        const char *full = rv->schemaname
                               ? lg_arena_printf(u->a, "%s.%s", rv->schemaname, rv->relname)
                               : rv->relname;
        if (s->missing_ok) {
            lg_ddl_notice(u, "00000", "%s \"%s\" does not exist, skipping", word, full);
            return LG_OK;
        }
        return lg_error_set(u->err, s->remove_type == LG_A_OBJECT_INDEX ? "42704" : "42P01",
                            "%s \"%s\" does not exist", word, full);
    }
    LG_TRY(st);
    char want = s->remove_type == LG_A_OBJECT_VIEW       ? LG_REL_VIEW
                : s->remove_type == LG_A_OBJECT_MATVIEW  ? LG_REL_MATVIEW
                : s->remove_type == LG_A_OBJECT_SEQUENCE ? LG_REL_SEQUENCE
                : s->remove_type == LG_A_OBJECT_INDEX    ? LG_REL_INDEX
                                                         : LG_REL_TABLE;
    if (r->kind != want) {
        const char *is = lg_ddl_relation_word(r);
        st = lg_error_set(u->err, "42809", "\"%s\" is not a%s %s", r->name,
                          want == LG_REL_INDEX ? "n" : "", word);
        char upper[32];
        size_t len = 0;
        for (; is[len] && len + 1 < sizeof upper; len++)
            upper[len] = (char)toupper((unsigned char)is[len]);
        upper[len] = '\0';
        lg_error_hint(u->err, "Use DROP %s to remove a%s %s.", upper,
                      r->kind == LG_REL_INDEX ? "n" : "", is);
        goto out;
    }
    LG_CHECK(lg_ddl_check_owner(u, r));
    if (want == LG_REL_INDEX) {
        lg_oid table;
        lg_relation *t;
        LG_CHECK(lg_cat_index_table(u->cat, r->oid, &table));
        LG_CHECK(lg_ddl_open_oid(u, table, LG_LOCK_ACCESS_EXCLUSIVE, &t));
        const lg_index *ix = lg_relation_index(t, r->oid);
        if (ix && ix->constraint) {
            st = lg_error_set(u->err, "2BP01",
                              "cannot drop index %s because constraint %s on table %s requires it",
                              r->name, r->name, t->name);
            lg_error_hint(u->err, "You can drop constraint %s on table %s instead.", r->name,
                          t->name);
        }
        lg_relation_unref(t);
        if (st != LG_OK)
            goto out;
    }
    *ret = r->oid;
out:
    lg_relation_unref(r);
    return st;
}

/* What is not among those that are named and needs one of them. */
static lg_status
check_users(lg_util *u, const lg_ast_drop_stmt *s)
{
    lg_ddl_report rep = {0};
    const char *what = "desired object(s)";
    for (uint32_t i = 0; i < u->ntargets; i++) {
        lg_relation *r;
        const char *users;
        LG_TRY(lg_cat_relation_by_oid(u->cat, u->targets[i], &r));
        if (u->ntargets == 1)
            what =
                lg_arena_printf(u->a, "%s %s", kind_word(s->remove_type), lg_ddl_shown_name(u, r));
        lg_relation_unref(r);
        lg_status st =
            lg_ddl_type_users(u, lg_usertype_oid(LG_UT_ROW, u->targets[i]), false, &users);
        if (st == LG_OK && users)
            lg_ddl_report_add(u, &rep, users);
        if (st == LG_OK)
            st = lg_ddl_describe_dependents(u, u->targets[i], &rep);
        LG_TRY(st);
    }
    return rep.n ? forbidden(u, what, &rep) : LG_OK;
}

static lg_status
drop_relations(lg_util *u, const lg_ast_drop_stmt *s)
{
    bool cascade = s->behavior == LG_A_DROP_CASCADE;
    lg_oid *oids = LG_NEWN(u->a, lg_oid, s->objects.n), oid;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->objects.n; i++) {
        LG_TRY(find_one(u, s, s->objects.at[i], &oid));
        for (uint32_t k = 0; k < n && oid; k++)
            if (oids[k] == oid)
                oid = 0;
        if (oid)
            oids[n++] = oid;
    }
    u->targets = oids;
    u->ntargets = n;
    if (!cascade && s->remove_type != LG_A_OBJECT_INDEX)
        LG_TRY(check_users(u, s));
    for (uint32_t i = 0; i < n && cascade; i++) {
        lg_relation *r;
        LG_TRY(lg_cat_relation_by_oid(u->cat, oids[i], &r));
        cascade_add(
            u, lg_arena_printf(u->a, "%s %s", lg_ddl_relation_word(r), lg_ddl_shown_name(u, r)),
            true);
        lg_relation_unref(r);
    }
    for (uint32_t i = 0; i < n; i++) {
        lg_relation *r;
        lg_status st = lg_cat_relation_by_oid(u->cat, oids[i], &r);
        if (st == LG_NOT_FOUND) /* went with another */
            continue;
        LG_TRY(st);
        lg_relation_unref(r);
        LG_TRY(lg_ddl_drop_relation(u, oids[i], cascade));
    }
    return LG_OK;
}

static lg_status
drop_one(lg_util *u, const lg_ast_drop_stmt *s, const lg_ast *object)
{
    if (s->remove_type == LG_A_OBJECT_SCHEMA) {
        const char *name = lg_ast_str(object);
        if (!name)
            name = lg_ddl_range_var(u, object)->relname;
        return drop_schema(u, name, s->missing_ok, s->behavior == LG_A_DROP_CASCADE);
    }
    if (s->remove_type == LG_A_OBJECT_TYPE || s->remove_type == LG_A_OBJECT_DOMAIN)
        return lg_ddl_drop_type_named(u, s, object);
    return lg_ddl_drop_function_named(u, s, object);
}

/* DROP INDEX CONCURRENTLY: what cannot be dropped is told by find_one. */
static lg_status
drop_prepare(lg_util *u, const lg_ast *object)
{
    lg_relation *r, *t;
    lg_oid table = 0, index = 0;
    lg_status st =
        lg_ddl_open(u, lg_ddl_range_var(u, object), LG_LOCK_SHARE_UPDATE_EXCLUSIVE, true, &r);
    if (st != LG_OK)
        return st == LG_NOT_FOUND ? LG_OK : st;
    if (r->kind == LG_REL_INDEX && r->persistence != 't' && lg_ddl_check_owner(u, r) == LG_OK) {
        index = r->oid;
        st = lg_cat_index_table(u->cat, r->oid, &table);
    }
    lg_error_clear(u->err);
    lg_relation_unref(r);
    if (st != LG_OK || !table)
        return st;
    LG_TRY(lg_ddl_open_oid(u, table, LG_LOCK_SHARE_UPDATE_EXCLUSIVE, &t));
    const lg_index *ix = lg_relation_index(t, index);
    bool plain = ix && !ix->constraint;
    lg_relation_unref(t);
    return plain ? lg_ddl_drop_index_concurrently(u, table, index) : LG_OK;
}

lg_status
lg_ddl_drop(lg_util *u, const lg_ast_drop_stmt *s)
{
    static const struct {
        int32_t type;
        const char *tag;
    } tags[] = {{LG_A_OBJECT_TABLE, "DROP TABLE"},
                {LG_A_OBJECT_VIEW, "DROP VIEW"},
                {LG_A_OBJECT_MATVIEW, "DROP MATERIALIZED VIEW"},
                {LG_A_OBJECT_FUNCTION, "DROP FUNCTION"},
                {LG_A_OBJECT_PROCEDURE, "DROP PROCEDURE"},
                {LG_A_OBJECT_ROUTINE, "DROP ROUTINE"},
                {LG_A_OBJECT_SEQUENCE, "DROP SEQUENCE"},
                {LG_A_OBJECT_INDEX, "DROP INDEX"},
                {LG_A_OBJECT_SCHEMA, "DROP SCHEMA"},
                {LG_A_OBJECT_TYPE, "DROP TYPE"},
                {LG_A_OBJECT_DOMAIN, "DROP DOMAIN"}};
    const char *tag = NULL;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (tags[i].type == s->remove_type)
            tag = tags[i].tag;
    if (!tag)
        return lg_error_set(u->err, "0A000", "DROP of this kind of object is not supported");
    if (s->concurrent && s->objects.n > 1)
        return lg_error_set(u->err, "0A000",
                            "DROP INDEX CONCURRENTLY does not support dropping multiple objects");
    if (s->concurrent && s->behavior == LG_A_DROP_CASCADE)
        return lg_error_set(u->err, "0A000", "DROP INDEX CONCURRENTLY does not support CASCADE");
    bool relations = s->remove_type == LG_A_OBJECT_TABLE || s->remove_type == LG_A_OBJECT_VIEW ||
                     s->remove_type == LG_A_OBJECT_MATVIEW ||
                     s->remove_type == LG_A_OBJECT_SEQUENCE || s->remove_type == LG_A_OBJECT_INDEX;
    if (s->concurrent)
        LG_TRY(drop_prepare(u, s->objects.at[0]));
    for (uint32_t i = 0; !relations && i < s->objects.n; i++)
        LG_TRY(drop_one(u, s, s->objects.at[i]));
    if (relations)
        LG_TRY(drop_relations(u, s));
    snprintf(u->tag, LG_TAG_MAX, "%s", tag);
    return LG_OK;
}
