/* CREATE DOMAIN, ALTER DOMAIN. A domain's checks are pg_constraint rows with contypid, its NOT NULL
 * and DEFAULT are columns of its pg_type row. */
#include "cat_type.h"
#include "ddl_internal.h"
#include <string.h>

struct domain {
    lg_oid oid, nsp;
    const char *name;
    lg_oid declared;
    int32_t typmod;
    lg_oid base; /* what VALUE is */
    int32_t base_typmod;
};

static lg_status
check_text(lg_util *u, const struct domain *d, const lg_ast *expr, const char **ret)
{
    lg_bind b;
    lg_expr *e;
    lg_exec_bind_init(u->es, u->a, &b);
    b.sql = NULL;
    b.value_type = d->base;
    b.value_typmod = d->base_typmod;
    lg_status st = lg_bind_expr(&b, expr, LG_PLACE_CHECK, NULL, LG_T_BOOL, -1, d->name, &e);
    if (st == LG_OK)
        st = lg_ddl_expr_text(u, &b, e, NULL, ret);
    lg_bind_fini(&b);
    return st;
}

/* A name not yet used by the domain: "d_check", "d_check1", ... */
static lg_status
constraint_name(lg_util *u, const struct domain *d, const char **ret)
{
    for (int i = 0;; i++) {
        lg_cat_row row;
        char mod[24];
        if (i)
            snprintf(mod, sizeof mod, "_check%d", i);
        else
            snprintf(mod, sizeof mod, "_check");
        size_t room = LG_NAME_MAX - strlen(mod);
        *ret = lg_arena_printf(u->a, "%.*s%s", (int)room, d->name, mod);
        lg_datum keys[3] = {lg_datum_oid(0), lg_datum_oid(d->oid), lg_cat_name(u->a, *ret)};
        lg_status st =
            lg_cat_find(u->cat, LG_REL_pg_constraint,
                        LG_IX_pg_constraint_conrelid_contypid_conname_index, 3, keys, u->a, &row);
        if (st == LG_NOT_FOUND)
            return LG_OK;
        LG_TRY(st);
    }
}

static lg_status
add_check(lg_util *u, const struct domain *d, const lg_ast_constraint *c)
{
    lg_cat_row row;
    lg_oid oid;
    const char *text, *name = c->conname;
    LG_TRY(check_text(u, d, c->raw_expr, &text));
    if (!name || !*name)
        LG_TRY(constraint_name(u, d, &name));
    LG_TRY(lg_cat_new_oid(u->cat, &oid));
    lg_cat_row_init(LG_REL_pg_constraint, &row);
    SETC(&row, pg_constraint, oid, oid);
    SETC(&row, pg_constraint, conname, lg_cat_name(u->a, name));
    SETC(&row, pg_constraint, connamespace, d->nsp);
    SETC(&row, pg_constraint, contype, lg_datum_char('c'));
    SETC(&row, pg_constraint, convalidated, !c->skip_validation);
    SETC(&row, pg_constraint, contypid, d->oid);
    SETC(&row, pg_constraint, confupdtype, lg_datum_char(' '));
    SETC(&row, pg_constraint, confdeltype, lg_datum_char(' '));
    SETC(&row, pg_constraint, confmatchtype, lg_datum_char(' '));
    SETC(&row, pg_constraint, conislocal, 1);
    SETC(&row, pg_constraint, conbin, lg_datum_cstring_text(u->a, text));
    lg_status st = lg_cat_insert(u->cat, LG_REL_pg_constraint, &row);
    if (st == LG_EXISTS)
        return lg_error_set(u->err, "42710", "constraint \"%s\" for domain %s already exists", name,
                            d->name);
    LG_TRY(st);
    LG_TRY(lg_ddl_depend(u, LG_REL_pg_constraint, oid, 0, LG_REL_pg_type, d->oid, 0, 'a'));
    LG_TRY(lg_ddl_depend_text(u, LG_REL_pg_constraint, oid, text));
    return lg_cat_touch(u->cat, 0);
}

static lg_status
default_text(lg_util *u, const struct domain *d, const lg_ast *expr, const char **ret)
{
    lg_bind b;
    lg_expr *e;
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st =
        lg_bind_expr(&b, expr, LG_PLACE_DEFAULT, NULL, d->declared, d->typmod, d->name, &e);
    if (st == LG_OK)
        st = lg_ddl_expr_text(u, &b, e, NULL, ret);
    lg_bind_fini(&b);
    return st;
}

static void
set_default(lg_util *u, lg_cat_row *row, const char *text)
{
    if (!text) {
        row->null[LG_AT_pg_type_typdefaultbin - 1] = 1;
        row->null[LG_AT_pg_type_typdefault - 1] = 1;
        return;
    }
    SETC(row, pg_type, typdefaultbin, lg_datum_cstring_text(u->a, text));
    SETC(row, pg_type, typdefault, lg_datum_cstring_text(u->a, text));
}

static lg_status
base_of(lg_util *u, const lg_ast_type_name *t, struct domain *d)
{
    lg_bind b;
    lg_exec_bind_init(u->es, u->a, &b);
    b.sql = NULL;
    lg_status st = lg_bind_type_name(&b, t, &d->declared, &d->typmod, NULL);
    lg_bind_fini(&b);
    LG_TRY(st);
    d->base_typmod = d->typmod;
    LG_TRY(lg_usertype_base(u->es->env, d->declared, u->a, u->err, &d->base, &d->base_typmod));
    const lg_type *ty = lg_type_get(d->base);
    if (!ty || ty->typtype == 'p')
        return lg_error_set(u->err, "42804", "\"%s\" is not a valid base type for a domain",
                            lg_type_name(u->es->env, d->declared, -1, u->a));
    return LG_OK;
}

static lg_status
domain_options(lg_util *u, const lg_ast_create_domain_stmt *s, struct domain *d, lg_cat_row *row)
{
    bool null_seen = false, not_null = false, has_default = false;
    for (uint32_t i = 0; i < s->constraints.n; i++) {
        const lg_ast_constraint *c = lg_ast_as(s->constraints.at[i], constraint);
        switch (c->contype) {
        case LG_A_CONSTR_DEFAULT: {
            const char *text = NULL;
            if (has_default)
                return lg_error_set(u->err, "42601", "multiple default expressions");
            has_default = true;
            if (c->raw_expr)
                LG_TRY(default_text(u, d, c->raw_expr, &text));
            set_default(u, row, text);
            break;
        }
        case LG_A_CONSTR_NOTNULL:
        case LG_A_CONSTR_NULL:
            if (null_seen && not_null != (c->contype == LG_A_CONSTR_NOTNULL))
                return lg_error_set(u->err, "42601", "conflicting NULL/NOT NULL constraints");
            null_seen = true;
            not_null = c->contype == LG_A_CONSTR_NOTNULL;
            break;
        case LG_A_CONSTR_CHECK:
            break;
        case LG_A_CONSTR_UNIQUE:
            return lg_error_set(u->err, "42601", "unique constraints not possible for domains");
        case LG_A_CONSTR_PRIMARY:
            return lg_error_set(u->err, "42601",
                                "primary key constraints not possible for domains");
        case LG_A_CONSTR_FOREIGN:
            return lg_error_set(u->err, "42601",
                                "foreign key constraints not possible for domains");
        default:
            return lg_error_set(u->err, "0A000",
                                "specifying constraint deferrability not supported for domains");
        }
    }
    SETC(row, pg_type, typnotnull, not_null);
    return LG_OK;
}

lg_status
lg_ddl_create_domain(lg_util *u, const lg_ast_create_domain_stmt *s)
{
    struct domain d = {.typmod = -1};
    lg_oid number;
    lg_cat_row row;
    snprintf(u->tag, LG_TAG_MAX, "CREATE DOMAIN");
    LG_TRY(lg_ddl_type_place(u, &s->domainname, &d.nsp, &d.name));
    LG_TRY(base_of(u, s->type_name, &d));
    lg_oid coll;
    LG_TRY(lg_ddl_collation(u, s->coll_clause, d.declared, &coll));
    LG_TRY(lg_cat_new_oid(u->cat, &number));
    d.oid = lg_usertype_oid(LG_UT_DOMAIN, number);
    lg_type facts = *lg_type_get(d.base);
    facts.typtype = 'd';
    facts.in = 2597;
    facts.recv = 2598;
    if (coll)
        facts.collation = coll;
    lg_ddl_type_row(u, d.oid, d.name, d.nsp, &facts, &row);
    SETC(&row, pg_type, typbasetype, d.declared);
    SETC(&row, pg_type, typtypmod, lg_datum_int4(d.typmod));
    SETC(&row, pg_type, typndims, lg_datum_int4((int32_t)s->type_name->array_bounds.n));
    if (lg_usertype_of(d.declared) == LG_UT_DOMAIN) { /* inherits the default */
        const lg_cat_domain *below;
        LG_TRY(lg_cat_domain_type(u->cat, d.declared, &below));
        set_default(u, &row, below->type.default_sql);
    }
    LG_TRY(domain_options(u, s, &d, &row));
    LG_TRY(lg_ddl_type_insert(u, &row));
    LG_TRY(lg_ddl_type_depend(u, LG_REL_pg_type, d.oid, 0, d.declared));
    LG_TRY(lg_ddl_collation_depend(u, LG_REL_pg_type, d.oid, 0, facts.collation));
    for (uint32_t i = 0; i < s->constraints.n; i++) {
        const lg_ast_constraint *c = lg_ast_as(s->constraints.at[i], constraint);
        if (c->contype == LG_A_CONSTR_CHECK)
            LG_TRY(add_check(u, &d, c));
    }
    return LG_OK;
}

/* ---- ALTER DOMAIN ---- */

/* Every stored value of the domain against the constraints as they are now; *ret_bad: the first
 * column (of a relation) that holds one that does not keep them. */
static lg_status
validate(lg_util *u, const struct domain *d, const char **ret_column, const char **ret_table)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_oid oids[256];
    uint32_t n = 0;
    lg_datum keys[2] = {lg_datum_oid(LG_REL_pg_type), lg_datum_oid(d->oid)};
    *ret_column = NULL;
    lg_status st = lg_cat_scan_open(u->cat, LG_REL_pg_depend, LG_IX_pg_depend_reference_index, 2,
                                    keys, u->a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK)
        if (lg_oid_of(GETC(&row, pg_depend, classid)) == LG_REL_pg_class && n < 256)
            oids[n++] = lg_oid_of(GETC(&row, pg_depend, objid));
    lg_cat_scan_close(&s);
    if (st != LG_END)
        return st;
    for (uint32_t i = 0; i < n && !*ret_column; i++) {
        lg_relation *r;
        LG_TRY(lg_ddl_open_oid(u, oids[i], LG_LOCK_SHARE, &r));
        if (r->kind == LG_REL_TABLE)
            st = lg_ddl_domain_rows(u, r, d->oid, ret_column);
        else
            st = LG_OK;
        *ret_table = lg_arena_strdup(u->a, r->name);
        lg_relation_unref(r);
        LG_TRY(st);
    }
    return LG_OK;
}

static lg_status
validate_check(lg_util *u, const struct domain *d, const char *name)
{
    const char *column, *table;
    LG_TRY(validate(u, d, &column, &table));
    if (!column)
        return LG_OK;
    lg_error_clear(u->err);
    (void)name;
    return lg_error_set(u->err, "23514",
                        "column \"%s\" of table \"%s\" contains values that violate the new "
                        "constraint",
                        column, table);
}

static lg_status
alter_not_null(lg_util *u, const struct domain *d, const lg_cat_row *old, bool not_null)
{
    lg_cat_row row = *old;
    const char *column, *table;
    if (lg_bool(GETC(old, pg_type, typnotnull)) == not_null)
        return LG_OK;
    SETC(&row, pg_type, typnotnull, not_null);
    LG_TRY(lg_cat_update(u->cat, LG_REL_pg_type, old, &row));
    LG_TRY(lg_cat_touch(u->cat, 0));
    if (!not_null)
        return LG_OK;
    LG_TRY(validate(u, d, &column, &table));
    if (!column)
        return LG_OK;
    lg_error_clear(u->err);
    return lg_error_set(u->err, "23502", "column \"%s\" of table \"%s\" contains null values",
                        column, table);
}

static lg_status
find_check(lg_util *u, const struct domain *d, const char *name, lg_cat_row *row)
{
    lg_datum keys[3] = {lg_datum_oid(0), lg_datum_oid(d->oid), lg_cat_name(u->a, name)};
    return lg_cat_find(u->cat, LG_REL_pg_constraint,
                       LG_IX_pg_constraint_conrelid_contypid_conname_index, 3, keys, u->a, row);
}

static lg_status
drop_check(lg_util *u, const struct domain *d, const char *name, bool missing_ok)
{
    lg_cat_row row;
    lg_status st = find_check(u, d, name, &row);
    if (st == LG_NOT_FOUND && missing_ok) {
        lg_ddl_notice(u, "00000", "constraint \"%s\" of domain \"%s\" does not exist, skipping",
                      name, d->name);
        return LG_OK;
    }
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "42704", "constraint \"%s\" of domain \"%s\" does not exist",
                            name, d->name);
    LG_TRY(st);
    LG_TRY(
        lg_ddl_common_delete(u, LG_REL_pg_constraint, lg_oid_of(GETC(&row, pg_constraint, oid))));
    LG_TRY(lg_cat_delete(u->cat, LG_REL_pg_constraint, &row));
    return lg_cat_touch(u->cat, 0);
}

static lg_status
mark_valid(lg_util *u, const struct domain *d, const char *name)
{
    lg_cat_row old, row;
    lg_status st = find_check(u, d, name, &old);
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "42704", "constraint \"%s\" of domain \"%s\" does not exist",
                            name, d->name);
    LG_TRY(st);
    LG_TRY(validate_check(u, d, name));
    row = old;
    SETC(&row, pg_constraint, convalidated, 1);
    return lg_cat_update(u->cat, LG_REL_pg_constraint, &old, &row);
}

/* The domain named in a statement, and its pg_type row. */
static lg_status
open_domain(lg_util *u, const lg_ast_list *names, struct domain *d, lg_cat_row *row)
{
    const lg_cat_domain *desc;
    LG_TRY(lg_ddl_type_named(u, names, false, &d->oid));
    if (lg_usertype_of(d->oid) != LG_UT_DOMAIN)
        return lg_error_set(u->err, "42809", "%s is not a domain",
                            lg_type_name(u->es->env, d->oid, -1, u->a));
    LG_TRY(lg_ddl_type_owner_check(u, d->oid));
    LG_TRY(lg_cat_lock(u->cat, d->oid, LG_LOCK_ACCESS_EXCLUSIVE, false));
    lg_datum key = lg_datum_oid(d->oid);
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_type, LG_IX_pg_type_oid_index, 1, &key, u->a, row));
    LG_TRY(lg_cat_domain_type(u->cat, d->oid, &desc));
    d->nsp = lg_oid_of(GETC(row, pg_type, typnamespace));
    d->name = lg_text_cstring(u->a, GETC(row, pg_type, typname));
    d->declared = desc->type.declared;
    d->typmod = lg_int4(GETC(row, pg_type, typtypmod));
    d->base = desc->type.base;
    d->base_typmod = desc->type.typmod;
    return LG_OK;
}

lg_status
lg_ddl_alter_domain(lg_util *u, const lg_ast_alter_domain_stmt *s)
{
    struct domain d;
    lg_cat_row old, row;
    snprintf(u->tag, LG_TAG_MAX, "ALTER DOMAIN");
    LG_TRY(open_domain(u, &s->type_name, &d, &old));
    switch (*s->subtype) {
    case 'T': {
        const char *text = NULL;
        if (s->def)
            LG_TRY(default_text(u, &d, s->def, &text));
        row = old;
        set_default(u, &row, text);
        LG_TRY(lg_cat_update(u->cat, LG_REL_pg_type, &old, &row));
        return lg_cat_touch(u->cat, 0);
    }
    case 'N':
        return alter_not_null(u, &d, &old, false);
    case 'O':
        return alter_not_null(u, &d, &old, true);
    case 'C': {
        const lg_ast_constraint *c = lg_ast_as(s->def, constraint);
        if (c->contype == LG_A_CONSTR_NOTNULL)
            return alter_not_null(u, &d, &old, true);
        if (c->contype != LG_A_CONSTR_CHECK)
            return lg_error_set(u->err, "42601", "%s constraints not possible for domains",
                                c->contype == LG_A_CONSTR_UNIQUE    ? "unique"
                                : c->contype == LG_A_CONSTR_PRIMARY ? "primary key"
                                                                    : "foreign key");
        LG_TRY(add_check(u, &d, c));
        return c->skip_validation ? LG_OK : validate_check(u, &d, c->conname);
    }
    case 'X':
        return drop_check(u, &d, s->name, s->missing_ok);
    case 'V':
        return mark_valid(u, &d, s->name);
    default:
        return lg_error_set(u->err, "0A000", "this form of ALTER DOMAIN is not supported");
    }
}

lg_status
lg_ddl_rename_domain_constraint(lg_util *u, const lg_ast_rename_stmt *s)
{
    struct domain d;
    lg_cat_row type, old, row;
    snprintf(u->tag, LG_TAG_MAX, "ALTER DOMAIN");
    LG_TRY(open_domain(u, &lg_ast_as(s->object, list_node)->list, &d, &type));
    lg_status st = find_check(u, &d, s->subname, &old);
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "42704", "constraint \"%s\" for domain %s does not exist",
                            s->subname, d.name);
    LG_TRY(st);
    row = old;
    SETC(&row, pg_constraint, conname, lg_cat_name(u->a, s->newname));
    st = lg_cat_update(u->cat, LG_REL_pg_constraint, &old, &row);
    if (st == LG_EXISTS)
        return lg_error_set(u->err, "42710", "constraint \"%s\" for domain %s already exists",
                            s->newname, d.name);
    LG_TRY(st);
    return lg_cat_touch(u->cat, 0);
}

/* ---- ALTER DOMAIN: what is stored ---- */

static bool
of_domain(lg_util *u, lg_oid declared, lg_oid domain)
{
    while (declared) {
        if (declared == domain)
            return true;
        const lg_cat_domain *d;
        lg_oid elem = lg_type_elem(declared);
        declared = elem ? elem : declared;
        if (declared == domain)
            return true;
        if (lg_cat_domain_type(u->cat, declared, &d) != LG_OK)
            return false;
        declared = d->type.declared;
    }
    return false;
}

lg_status
lg_ddl_domain_rows(lg_util *u, lg_relation *r, lg_oid domain, const char **ret_column)
{
    lg_ddl_rows rows;
    lg_status st = lg_ddl_rows_open(&rows, u, r);
    LG_CHECK(st);
    while (!*ret_column && (st = lg_ddl_rows_next(&rows)) == LG_OK) {
        for (uint16_t i = 0; i < r->ncols && !*ret_column; i++) {
            const lg_column *c = &r->cols[i];
            if (c->dropped || !c->domain || !of_domain(u, c->domain, domain))
                continue;
            if (lg_usertype_of(c->domain) == LG_UT_DOMAIN_ARRAY) {
                st = lg_error_set(u->err, "0A000",
                                  "cannot alter type \"%s\" because column \"%s.%s\" uses it",
                                  lg_type_name(u->es->env, domain, -1, u->a), r->name, c->name);
                goto out;
            }
            st = lg_xdomain_check(u->es, c->domain, rows.values[i], rows.nulls[i], rows.a);
            if (st == LG_SQL)
                *ret_column = lg_arena_strdup(u->a, c->name);
            else if (st != LG_OK)
                goto out;
        }
    }
    if (st == LG_END || *ret_column)
        st = LG_OK;
out:
    lg_ddl_rows_close(&rows);
    return st;
}
