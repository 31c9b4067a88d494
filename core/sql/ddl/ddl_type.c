/* CREATE, ALTER and DROP TYPE; the pg_type rows that go with relations.
 *
 * An OID of a user-made type says what it is (usertype.h): an enum has a number of its own, the row
 * type of a relation has the relation's, an array type its element type's. So typrelid, reltype and
 * typarray follow from each other. */
#include "cat_type.h"
#include "cat_proc.h"
#include "ddl_internal.h"
#include <stdlib.h>
#include <string.h>

/* PostgreSQL's functions of each kind of type. */
enum {
    F_ARRAY_IN = 750,
    F_ARRAY_OUT = 751,
    F_ARRAY_RECV = 2400,
    F_ARRAY_SEND = 2401,
    F_ARRAY_ANALYZE = 3816,
    F_ARRAY_SUBSCRIPT = 6179
};

/* ---- rows ---- */

lg_status
lg_ddl_type_find(lg_util *u, lg_oid nsp, const char *name, lg_cat_row *row)
{
    lg_datum keys[2] = {lg_cat_name(u->a, name), lg_datum_oid(nsp)};
    return lg_cat_find(u->cat, LG_REL_pg_type, LG_IX_pg_type_typname_nsp_index, 2, keys, u->a, row);
}

static lg_status
type_row(lg_util *u, lg_oid oid, lg_cat_row *row)
{
    lg_datum key = lg_datum_oid(oid);
    return lg_cat_find(u->cat, LG_REL_pg_type, LG_IX_pg_type_oid_index, 1, &key, u->a, row);
}

/* "_name", with more underscores while that is taken. */
static lg_status
array_name(lg_util *u, lg_oid nsp, const char *name, const char **ret)
{
    lg_cat_row row;
    char buf[LG_NAME_MAX + 1];
    size_t n = strlen(name);
    for (size_t bars = 1; bars < LG_NAME_MAX; bars++) {
        size_t keep = n > LG_NAME_MAX - bars ? LG_NAME_MAX - bars : n;
        memset(buf, '_', bars);
        memcpy(buf + bars, name, keep);
        buf[bars + keep] = '\0';
        lg_status st = lg_ddl_type_find(u, nsp, buf, &row);
        if (st == LG_NOT_FOUND) {
            *ret = lg_arena_strdup(u->a, buf);
            return LG_OK;
        }
        LG_TRY(st);
    }
    return lg_error_set(u->err, "42710", "could not form array type name for type \"%s\"", name);
}

static void
array_row(lg_util *u, const lg_cat_row *of, const char *name, lg_cat_row *row)
{
    lg_oid oid = lg_oid_of(GETC(of, pg_type, oid));
    char align = lg_char(GETC(of, pg_type, typalign));
    lg_cat_row_init(LG_REL_pg_type, row);
    SETC(row, pg_type, oid, lg_type_array(oid));
    SETC(row, pg_type, typname, lg_cat_name(u->a, name));
    SETC(row, pg_type, typnamespace, GETC(of, pg_type, typnamespace));
    SETC(row, pg_type, typowner, GETC(of, pg_type, typowner));
    SETC(row, pg_type, typlen, lg_datum_int2(-1));
    SETC(row, pg_type, typtype, lg_datum_char('b'));
    SETC(row, pg_type, typcategory, lg_datum_char('A'));
    SETC(row, pg_type, typisdefined, 1);
    SETC(row, pg_type, typdelim, GETC(of, pg_type, typdelim));
    SETC(row, pg_type, typelem, oid);
    SETC(row, pg_type, typsubscript, F_ARRAY_SUBSCRIPT);
    SETC(row, pg_type, typinput, F_ARRAY_IN);
    SETC(row, pg_type, typoutput, F_ARRAY_OUT);
    SETC(row, pg_type, typreceive, F_ARRAY_RECV);
    SETC(row, pg_type, typsend, F_ARRAY_SEND);
    SETC(row, pg_type, typanalyze, F_ARRAY_ANALYZE);
    SETC(row, pg_type, typalign, lg_datum_char(align == 'd' ? 'd' : 'i'));
    SETC(row, pg_type, typstorage, lg_datum_char('x'));
    SETC(row, pg_type, typtypmod, lg_datum_int4(-1));
    SETC(row, pg_type, typcollation, GETC(of, pg_type, typcollation));
}

lg_status
lg_ddl_type_insert(lg_util *u, lg_cat_row *row)
{
    lg_cat_row array;
    const char *name = lg_text_cstring(u->a, GETC(row, pg_type, typname)), *aname;
    lg_oid nsp = lg_oid_of(GETC(row, pg_type, typnamespace));
    lg_oid oid = lg_oid_of(GETC(row, pg_type, oid));
    LG_TRY(array_name(u, nsp, name, &aname));
    SETC(row, pg_type, typarray, lg_type_array(oid));
    lg_status st = lg_cat_insert(u->cat, LG_REL_pg_type, row);
    if (st == LG_EXISTS)
        return lg_error_set(u->err, "42710", "type \"%s\" already exists", name);
    LG_TRY(st);
    array_row(u, row, aname, &array);
    LG_TRY(lg_cat_insert(u->cat, LG_REL_pg_type, &array));
    return lg_cat_touch(u->cat, 0);
}

void
lg_ddl_type_row(lg_util *u, lg_oid oid, const char *name, lg_oid nsp, const lg_type *facts,
                lg_cat_row *row)
{
    lg_cat_row_init(LG_REL_pg_type, row);
    SETC(row, pg_type, oid, oid);
    SETC(row, pg_type, typname, lg_cat_name(u->a, name));
    SETC(row, pg_type, typnamespace, nsp);
    SETC(row, pg_type, typowner, lg_cat_user(u->cat));
    SETC(row, pg_type, typlen, lg_datum_int2(facts->typlen));
    SETC(row, pg_type, typbyval, facts->typbyval);
    SETC(row, pg_type, typtype, lg_datum_char(facts->typtype));
    SETC(row, pg_type, typcategory, lg_datum_char(facts->category));
    SETC(row, pg_type, typisdefined, 1);
    SETC(row, pg_type, typdelim, lg_datum_char(facts->delim));
    SETC(row, pg_type, typinput, facts->in);
    SETC(row, pg_type, typoutput, facts->out);
    SETC(row, pg_type, typreceive, facts->recv);
    SETC(row, pg_type, typsend, facts->send);
    SETC(row, pg_type, typalign, lg_datum_char(facts->align));
    SETC(row, pg_type, typstorage, lg_datum_char(facts->storage));
    SETC(row, pg_type, typtypmod, lg_datum_int4(-1));
    SETC(row, pg_type, typcollation, facts->collation);
}

lg_status
lg_ddl_rowtype_insert(lg_util *u, lg_oid rel, const char *name, lg_oid nsp)
{
    lg_cat_row row, old;
    lg_oid oid = lg_usertype_oid(LG_UT_ROW, rel);
    lg_status st = lg_ddl_type_find(u, nsp, name, &old);
    if (st == LG_OK) {
        lg_error_set(u->err, "42710", "type \"%s\" already exists", name);
        lg_error_hint(u->err, "A relation has an associated type of the same name, so you must use "
                              "a name that doesn't conflict with any existing type.");
        return LG_SQL;
    }
    if (st != LG_NOT_FOUND)
        return st;
    lg_ddl_type_row(u, oid, name, nsp, lg_type_get(oid), &row);
    SETC(&row, pg_type, typrelid, rel);
    return lg_ddl_type_insert(u, &row);
}

/* The row of a type and that of its array. */
lg_status
lg_ddl_type_delete(lg_util *u, lg_oid oid)
{
    lg_oid both[2] = {oid, lg_type_array(oid)};
    for (int i = 0; i < 2; i++) {
        lg_datum key = lg_datum_oid(both[i]);
        LG_TRY(lg_cat_delete_where(u->cat, LG_REL_pg_type, LG_IX_pg_type_oid_index, 1, &key, NULL));
        LG_TRY(lg_ddl_depend_forget(u, LG_REL_pg_type, both[i]));
    }
    return lg_cat_touch(u->cat, 0);
}

struct change {
    const char *name;  /* NULL: stays */
    lg_oid nsp, owner; /* 0: stays */
};

static lg_status
change_one(lg_util *u, lg_oid oid, const struct change *k)
{
    lg_cat_row old, row;
    LG_TRY(type_row(u, oid, &old));
    row = old;
    if (k->name)
        SETC(&row, pg_type, typname, lg_cat_name(u->a, k->name));
    if (k->nsp)
        SETC(&row, pg_type, typnamespace, k->nsp);
    if (k->owner)
        SETC(&row, pg_type, typowner, k->owner);
    lg_status st = lg_cat_update(u->cat, LG_REL_pg_type, &old, &row);
    return st == LG_EXISTS ? lg_error_set(u->err, "42710", "type \"%s\" already exists",
                                          lg_text_cstring(u->a, GETC(&row, pg_type, typname)))
                           : st;
}

lg_status
lg_ddl_type_change(lg_util *u, lg_oid oid, const char *name, lg_oid nsp, lg_oid owner)
{
    struct change k = {name, nsp, owner};
    lg_cat_row row;
    lg_status st = type_row(u, oid, &row);
    if (st == LG_NOT_FOUND)
        return LG_OK; /* relations without a row type */
    LG_TRY(st);
    LG_TRY(change_one(u, oid, &k));
    if (name) {
        lg_oid at = nsp ? nsp : lg_oid_of(GETC(&row, pg_type, typnamespace));
        LG_TRY(array_name(u, at, name, &k.name));
    }
    LG_TRY(change_one(u, lg_type_array(oid), &k));
    return lg_cat_touch(u->cat, 0);
}

/* ---- what uses a type ---- */

lg_status
lg_ddl_type_depend(lg_util *u, lg_oid cls, lg_oid obj, int32_t sub, lg_oid type)
{
    if (lg_usertype_of(type) == LG_UT_NONE)
        return LG_OK;
    return lg_ddl_depend(u, cls, obj, sub, LG_REL_pg_type, type, 0, 'n');
}

struct user {
    lg_oid cls, obj;
    int32_t sub;
    lg_oid type; /* the type itself or its array type */
};

/* PostgreSQL's order: by object, the last columns of each first. */
static int
by_object(const void *a, const void *b)
{
    const struct user *x = a, *y = b;
    if (x->obj != y->obj)
        return x->obj < y->obj ? -1 : 1;
    return (x->sub < y->sub) - (x->sub > y->sub);
}

/* Those of the array type come first. */
static lg_status
users_of(lg_util *u, lg_oid type, struct user *list, uint32_t cap, uint32_t *ret_n)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_oid both[2] = {lg_type_array(type), type};
    *ret_n = 0;
    for (int i = 0; i < 2; i++) {
        uint32_t from = *ret_n;
        lg_datum keys[2] = {lg_datum_oid(LG_REL_pg_type), lg_datum_oid(both[i])};
        lg_status st = lg_cat_scan_open(u->cat, LG_REL_pg_depend, LG_IX_pg_depend_reference_index,
                                        2, keys, u->a, &s);
        while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK)
            if (*ret_n < cap)
                list[(*ret_n)++] = (struct user){lg_oid_of(GETC(&row, pg_depend, classid)),
                                                 lg_oid_of(GETC(&row, pg_depend, objid)),
                                                 lg_int4(GETC(&row, pg_depend, objsubid)), both[i]};
        lg_cat_scan_close(&s);
        if (st != LG_END)
            return st;
        qsort(list + from, *ret_n - from, sizeof *list, by_object);
    }
    return LG_OK;
}

lg_status
lg_ddl_rowtype_unused(lg_util *u, const lg_relation *r)
{
    struct user list[8];
    uint32_t n;
    LG_TRY(users_of(u, lg_usertype_oid(LG_UT_ROW, r->oid), list, 8, &n));
    for (uint32_t i = 0; i < n; i++) {
        lg_relation *other;
        if (list[i].cls != LG_REL_pg_class || !list[i].sub)
            continue;
        LG_TRY(lg_cat_relation_by_oid(u->cat, list[i].obj, &other));
        if (other->kind == LG_REL_VIEW) { /* nothing is stored */
            lg_relation_unref(other);
            continue;
        }
        const lg_column *c = lg_relation_column(other, (int16_t)list[i].sub);
        lg_status st = lg_error_set(
            u->err, "0A000", "cannot alter %s \"%s\" because column \"%s.%s\" uses it%s",
            r->kind == LG_REL_COMPOSITE ? "type" : "table", r->name, other->name, c ? c->name : "?",
            r->kind == LG_REL_COMPOSITE ? "" : "s row type");
        lg_relation_unref(other);
        return st;
    }
    return LG_OK;
}

/* ---- names ---- */

/* The OID of a type named in a statement: 42704 when there is none. */
lg_status
lg_ddl_type_named(lg_util *u, const lg_ast_list *names, bool missing_ok, lg_oid *ret)
{
    const char *name = lg_ast_list_str(names, names->n - 1);
    const char *schema = names->n > 1 ? lg_ast_list_str(names, names->n - 2) : NULL;
    lg_status st = lg_cat_type_by_name(u->cat, schema, name, ret);
    if (st != LG_NOT_FOUND)
        return st;
    LG_TRY(lg_ddl_schema_missing(u, schema, missing_ok));
    const char *full = schema ? lg_arena_printf(u->a, "%s.%s", schema, name) : name;
    if (missing_ok) {
        lg_ddl_notice(u, "00000", "type \"%s\" does not exist, skipping", full);
        return LG_NOT_FOUND;
    }
    return lg_error_set(u->err, "42704", "type \"%s\" does not exist", full);
}

/* Where a new type goes, and that nothing of its name is there. */
lg_status
lg_ddl_type_place(lg_util *u, const lg_ast_list *names, lg_oid *ret_nsp, const char **ret_name)
{
    lg_cat_row row;
    lg_ast_range_var rv = {.relname = lg_ast_list_str(names, names->n - 1),
                           .schemaname =
                               names->n > 1 ? lg_ast_list_str(names, names->n - 2) : NULL};
    LG_TRY(lg_ddl_namespace_for(u, &rv, ret_nsp));
    *ret_name = rv.relname;
    if (strlen(rv.relname) > LG_NAME_MAX)
        *ret_name = lg_arena_strndup(u->a, rv.relname, LG_NAME_MAX);
    lg_status st = lg_ddl_type_find(u, *ret_nsp, *ret_name, &row);
    if (st == LG_NOT_FOUND)
        return LG_OK;
    LG_TRY(st);
    /* An array type gives its name up. */
    lg_oid elem = lg_type_elem(lg_oid_of(GETC(&row, pg_type, oid)));
    if (elem) {
        const char *other;
        struct change k = {NULL, 0, 0};
        LG_TRY(array_name(u, *ret_nsp, *ret_name + 1, &other));
        k.name = other;
        return change_one(u, lg_oid_of(GETC(&row, pg_type, oid)), &k);
    }
    return lg_error_set(u->err, "42710", "type \"%s\" already exists", *ret_name);
}

lg_status
lg_ddl_type_owner_check(lg_util *u, lg_oid type)
{
    lg_cat_row row;
    lg_role role;
    if (lg_usertype_of(type) == LG_UT_NONE)
        return lg_error_set(u->err, "42501", "must be owner of type %s",
                            lg_type_name(u->es->env, type, -1, u->a));
    LG_TRY(type_row(u, type, &row));
    if (lg_oid_of(GETC(&row, pg_type, typowner)) == lg_cat_user(u->cat))
        return LG_OK;
    LG_TRY(lg_cat_role_by_oid(u->cat, lg_cat_user(u->cat), u->a, &role));
    return role.super ? LG_OK
                      : lg_error_set(u->err, "42501", "must be owner of type %s",
                                     lg_type_name(u->es->env, type, -1, u->a));
}

/* ---- enums ---- */

static lg_status
label_valid(lg_util *u, const char *label)
{
    if (strlen(label) <= LG_NAME_MAX)
        return LG_OK;
    lg_error_set(u->err, "42602", "invalid enum label \"%s\"", label);
    lg_error_detail(u->err, "Labels must be %d bytes or less.", LG_NAME_MAX);
    return LG_SQL;
}

static lg_status
label_insert(lg_util *u, lg_oid type, const char *label, float order)
{
    lg_cat_row row;
    lg_oid oid;
    LG_TRY(lg_cat_new_oid(u->cat, &oid));
    lg_cat_row_init(LG_REL_pg_enum, &row);
    SETC(&row, pg_enum, oid, oid);
    SETC(&row, pg_enum, enumtypid, type);
    SETC(&row, pg_enum, enumsortorder, lg_datum_float4(order));
    SETC(&row, pg_enum, enumlabel, lg_cat_name(u->a, label));
    lg_status st = lg_cat_insert(u->cat, LG_REL_pg_enum, &row);
    return st == LG_EXISTS
               ? lg_error_set(u->err, "42710", "enum label \"%s\" already exists", label)
               : st;
}

lg_status
lg_ddl_create_enum(lg_util *u, const lg_ast_create_enum_stmt *s)
{
    lg_oid nsp, number;
    const char *name;
    lg_cat_row row;
    snprintf(u->tag, LG_TAG_MAX, "CREATE TYPE");
    LG_TRY(lg_ddl_type_place(u, &s->type_name, &nsp, &name));
    for (uint32_t i = 0; i < s->vals.n; i++) {
        const char *label = lg_ast_list_str(&s->vals, i);
        LG_TRY(label_valid(u, label));
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(label, lg_ast_list_str(&s->vals, k)) == 0) {
                lg_error_set(u->err, "23505",
                             "duplicate key value violates unique constraint "
                             "\"pg_enum_typid_label_index\"");
                return LG_SQL;
            }
    }
    LG_TRY(lg_cat_new_oid(u->cat, &number));
    lg_oid oid = lg_usertype_oid(LG_UT_ENUM, number);
    lg_ddl_type_row(u, oid, name, nsp, lg_type_get(oid), &row);
    LG_TRY(lg_ddl_type_insert(u, &row));
    for (uint32_t i = 0; i < s->vals.n; i++)
        LG_TRY(label_insert(u, oid, lg_ast_list_str(&s->vals, i), (float)(i + 1)));
    return lg_cat_touch(u->cat, 0);
}

/* Between two neighbours there is room while a float lies between them. */
static lg_status
new_order(lg_util *u, const lg_enum_type *t, const lg_ast_alter_enum_stmt *s, float *ret)
{
    if (!s->new_val_neighbor) {
        *ret = t->n ? t->labels[t->n - 1].order + 1 : 1;
        return LG_OK;
    }
    const lg_enum_label *near = lg_enum_by_name(t, s->new_val_neighbor);
    if (!near)
        return lg_error_set(u->err, "22023", "\"%s\" is not an existing enum label",
                            s->new_val_neighbor);
    uint32_t at = (uint32_t)(near - t->labels);
    if (s->new_val_is_after ? at + 1 == t->n : at == 0) {
        *ret = s->new_val_is_after ? near->order + 1 : near->order - 1;
        return LG_OK;
    }
    float other = t->labels[s->new_val_is_after ? at + 1 : at - 1].order;
    volatile float mid = (near->order + other) / 2;
    if (mid == near->order || mid == other)
        return lg_error_set(u->err, "54000", "no room for another label beside \"%s\"",
                            s->new_val_neighbor);
    *ret = mid;
    return LG_OK;
}

static lg_status
rename_label(lg_util *u, const lg_enum_type *t, const char *from, const char *to)
{
    const lg_enum_label *l = lg_enum_by_name(t, from);
    lg_cat_row old, row;
    if (!l)
        return lg_error_set(u->err, "22023", "\"%s\" is not an existing enum label", from);
    if (lg_enum_by_name(t, to))
        return lg_error_set(u->err, "42710", "enum label \"%s\" already exists", to);
    lg_datum key = lg_datum_oid(l->oid);
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_enum, LG_IX_pg_enum_oid_index, 1, &key, u->a, &old));
    row = old;
    SETC(&row, pg_enum, enumlabel, lg_cat_name(u->a, to));
    LG_TRY(lg_cat_update(u->cat, LG_REL_pg_enum, &old, &row));
    return lg_cat_touch(u->cat, 0);
}

lg_status
lg_ddl_alter_enum(lg_util *u, const lg_ast_alter_enum_stmt *s)
{
    lg_oid type;
    const lg_enum_type *t;
    float order = 0;
    snprintf(u->tag, LG_TAG_MAX, "ALTER TYPE");
    LG_TRY(lg_ddl_type_named(u, &s->type_name, false, &type));
    if (lg_usertype_of(type) != LG_UT_ENUM)
        return lg_error_set(u->err, "42809", "%s is not an enum",
                            lg_type_name(u->es->env, type, -1, u->a));
    LG_TRY(lg_ddl_type_owner_check(u, type));
    LG_TRY(lg_cat_lock(u->cat, type, LG_LOCK_ACCESS_EXCLUSIVE, false));
    LG_TRY(lg_cat_enum_type(u->cat, type, &t));
    LG_TRY(label_valid(u, s->new_val));
    if (s->old_val && *s->old_val)
        return rename_label(u, t, s->old_val, s->new_val);
    if (lg_enum_by_name(t, s->new_val)) {
        if (!s->skip_if_new_val_exists)
            return lg_error_set(u->err, "42710", "enum label \"%s\" already exists", s->new_val);
        lg_ddl_notice(u, "42710", "enum label \"%s\" already exists, skipping", s->new_val);
        return LG_OK;
    }
    LG_TRY(new_order(u, t, s, &order));
    LG_TRY(label_insert(u, type, s->new_val, order));
    return lg_cat_touch(u->cat, 0);
}

/* ---- composite types ---- */

lg_status
lg_ddl_create_composite(lg_util *u, const lg_ast_composite_type_stmt *s)
{
    lg_oid nsp, oid;
    const char *name = s->typevar->relname;
    lg_cat_row row;
    uint32_t n = s->coldeflist.n;
    snprintf(u->tag, LG_TAG_MAX, "CREATE TYPE");
    LG_TRY(lg_ddl_namespace_for(u, s->typevar, &nsp));
    if (strlen(name) > LG_NAME_MAX)
        name = lg_arena_strndup(u->a, name, LG_NAME_MAX);
    lg_status st = lg_ddl_type_find(u, nsp, name, &row);
    if (st == LG_OK)
        return lg_error_set(u->err, "42710", "type \"%s\" already exists", name);
    if (st != LG_NOT_FOUND)
        return st;
    LG_TRY(lg_ddl_check_free(u, nsp, name, false, NULL));
    lg_ddl_column *cols = LG_NEWN(u->a, lg_ddl_column, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        lg_oid seq = 0;
        char dep = 0;
        LG_TRY(lg_ddl_column_from_def(u, name, nsp, lg_ast_as(s->coldeflist.at[i], column_def),
                                      &cols[i], &seq, &dep));
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(cols[i].name, cols[k].name) == 0)
                return lg_error_set(u->err, "42701", "column \"%s\" specified more than once",
                                    cols[i].name);
    }
    LG_TRY(lg_cat_new_oid(u->cat, &oid));
    LG_TRY(lg_ddl_class_insert(u, oid, name, nsp, LG_REL_COMPOSITE, NULL, (uint16_t)n, 'p'));
    for (uint32_t i = 0; i < n; i++)
        LG_TRY(lg_ddl_attribute_insert(u, oid, (int16_t)(i + 1), &cols[i]));
    return lg_cat_touch(u->cat, oid);
}

/* ---- DROP, RENAME, SET SCHEMA, OWNER ---- */

lg_status
lg_ddl_drop_type_find(lg_util *u, const lg_ast_drop_stmt *s, const lg_ast *object, lg_oid *ret)
{
    bool domain = s->remove_type == LG_A_OBJECT_DOMAIN;
    lg_oid type;
    *ret = 0;
    lg_status st = lg_ddl_type_named(u, &lg_ast_as(object, type_name)->names, s->missing_ok, &type);
    if (st == LG_NOT_FOUND)
        return LG_OK;
    LG_TRY(st);
    const char *name = lg_type_name(u->es->env, type, -1, u->a);
    if (domain && lg_usertype_of(type) != LG_UT_DOMAIN)
        return lg_error_set(u->err, "42809", "\"%s\" is not a domain", name);
    if (lg_usertype_of(type) == LG_UT_NONE)
        return lg_error_set(u->err, "2BP01",
                            "cannot drop type %s because it is required by the database system",
                            name);
    if (!lg_type_elem(type))
        LG_TRY(lg_ddl_type_owner_check(u, type));
    *ret = type;
    return LG_OK;
}

static lg_status
may_alter(lg_util *u, lg_oid type, bool domain)
{
    const char *name = lg_type_name(u->es->env, type, -1, u->a);
    if (domain && lg_usertype_of(type) != LG_UT_DOMAIN)
        return lg_error_set(u->err, "42809", "%s is not a domain", name);
    if (!lg_type_elem(type))
        return LG_OK;
    lg_error_set(u->err, "42809", "cannot alter array type %s", name);
    lg_error_hint(u->err, "You can alter type %s, which will alter the array type as well.",
                  lg_type_name(u->es->env, lg_type_elem(type), -1, u->a));
    return LG_SQL;
}

static lg_status
a_row_type(lg_util *u, const char *name)
{
    lg_error_set(u->err, "42809", "%s is a table's row type", name);
    lg_error_hint(u->err, "Use ALTER TABLE instead.");
    return LG_SQL;
}

lg_status
lg_ddl_rename_type(lg_util *u, const lg_ast_rename_stmt *s)
{
    lg_oid type;
    lg_cat_row row;
    const lg_ast_list *names = &lg_ast_as(s->object, list_node)->list;
    bool domain = s->rename_type == LG_A_OBJECT_DOMAIN;
    snprintf(u->tag, LG_TAG_MAX, "ALTER %s", domain ? "DOMAIN" : "TYPE");
    LG_TRY(lg_ddl_type_named(u, names, false, &type));
    const char *name = lg_type_name(u->es->env, type, -1, u->a);
    LG_TRY(lg_ddl_type_owner_check(u, type));
    LG_TRY(may_alter(u, type, domain));
    LG_TRY(type_row(u, type, &row));
    if (lg_ddl_type_find(u, lg_oid_of(GETC(&row, pg_type, typnamespace)), s->newname, &row) ==
        LG_OK)
        return lg_error_set(u->err, "42710", "type \"%s\" already exists", s->newname);
    if (lg_usertype_of(type) == LG_UT_ROW) {
        lg_relation *r;
        LG_TRY(lg_cat_relation_by_oid(u->cat, lg_usertype_number(type), &r));
        lg_status st = LG_OK;
        if (r->kind == LG_REL_COMPOSITE) {
            st = lg_ddl_rename_relation(u, r, s->newname);
        } else {
            st = a_row_type(u, name);
        }
        lg_relation_unref(r);
        return st;
    }
    return lg_ddl_type_change(u, type, s->newname, 0, 0);
}

static lg_status
move_domain_constraints(lg_util *u, lg_oid domain, lg_oid nsp)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_oid oids[256];
    uint32_t n = 0;
    lg_datum keys[2] = {lg_datum_oid(0), lg_datum_oid(domain)};
    lg_status st =
        lg_cat_scan_open(u->cat, LG_REL_pg_constraint,
                         LG_IX_pg_constraint_conrelid_contypid_conname_index, 2, keys, u->a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK && n < 256)
        oids[n++] = lg_oid_of(GETC(&row, pg_constraint, oid));
    lg_cat_scan_close(&s);
    if (st != LG_END && st != LG_OK)
        return st;
    for (uint32_t i = 0; i < n; i++)
        LG_TRY(lg_ddl_move_constraint(u, oids[i], nsp));
    return LG_OK;
}

lg_status
lg_ddl_type_schema(lg_util *u, const lg_ast_alter_object_schema_stmt *s)
{
    lg_oid type, nsp;
    lg_cat_row row;
    bool domain = s->object_type == LG_A_OBJECT_DOMAIN;
    lg_ast_range_var place = {.relname = "", .schemaname = s->newschema, .h.loc = -1};
    snprintf(u->tag, LG_TAG_MAX, "ALTER %s", domain ? "DOMAIN" : "TYPE");
    LG_TRY(lg_ddl_type_named(u, &lg_ast_as(s->object, list_node)->list, false, &type));
    LG_TRY(lg_ddl_type_owner_check(u, type));
    LG_TRY(may_alter(u, type, domain));
    LG_TRY(lg_ddl_namespace_for(u, &place, &nsp));
    LG_TRY(type_row(u, type, &row));
    if (lg_oid_of(GETC(&row, pg_type, typnamespace)) == nsp)
        return LG_OK;
    const char *name = lg_text_cstring(u->a, GETC(&row, pg_type, typname));
    if (nsp == lg_cat_temp_namespace(u->cat))
        return lg_error_set(u->err, "0A000",
                            "cannot move objects into or out of temporary schemas");
    if (lg_ddl_type_find(u, nsp, name, &row) == LG_OK)
        return lg_error_set(u->err, "42710", "type \"%s\" already exists in schema \"%s\"", name,
                            s->newschema);
    if (lg_usertype_of(type) == LG_UT_ROW) {
        lg_relation *r;
        LG_TRY(lg_cat_relation_by_oid(u->cat, lg_usertype_number(type), &r));
        lg_status st = r->kind == LG_REL_COMPOSITE
                           ? lg_ddl_move_relation(u, r, nsp, s->newschema)
                           : a_row_type(u, lg_type_name(u->es->env, type, -1, u->a));
        lg_relation_unref(r);
        return st;
    }
    LG_TRY(lg_ddl_type_change(u, type, NULL, nsp, 0));
    return lg_usertype_of(type) == LG_UT_DOMAIN ? move_domain_constraints(u, type, nsp) : LG_OK;
}

lg_status
lg_ddl_type_owner(lg_util *u, const lg_ast_list *names, lg_oid role, bool domain)
{
    lg_oid type;
    snprintf(u->tag, LG_TAG_MAX, "ALTER %s", domain ? "DOMAIN" : "TYPE");
    LG_TRY(lg_ddl_type_named(u, names, false, &type));
    LG_TRY(lg_ddl_type_owner_check(u, type));
    return lg_ddl_type_change(u, type, NULL, 0, role);
}
