/* Definitions of objects as SQL text: pg_get_expr, pg_get_indexdef, pg_get_constraintdef,
 * pg_get_viewdef, pg_get_serial_sequence, pg_get_keywords. */
#include "syscat_internal.h"
#include "array.h"
#include "bind.h"
#include "cat_collation.h"
#include "cat_type.h"
#include <ctype.h>
#include <string.h>

static const char *
relation_name(void *arg, lg_oid oid)
{
    lg_call *c = arg;
    const char *name;
    if (lg_fx_relation_name(c, oid, false, &name) == LG_OK)
        return name;
    return lg_arena_printf(c->arena, "%u", oid);
}

/* A stored expression as PostgreSQL prints it: bound again, with the names of today (value: of a
 * domain, what VALUE is). What cannot be bound is shown as it is stored. */
static lg_status
expression_text(lg_call *c, const char *stored, lg_bind_place place, lg_relation *rel,
                const lg_domain_type *value, bool pretty, const char **ret)
{
    lg_exec_session *es = lg_fx_session(c);
    lg_error err;
    lg_bind b;
    lg_expr *e;
    *ret = stored;
    lg_error_init(&err, c->arena);
    lg_bind_init(&b, es->cat, es->run, c->arena, c->env, &err, stored);
    if (value) {
        b.value_type = value->base;
        b.value_typmod = value->typmod;
    }
    lg_status st = lg_bind_expr_text(&b, stored, place, rel, 0, -1, &e);
    if (st == LG_OK) {
        lg_deparse d = {.arena = c->arena,
                        .env = c->env,
                        .relation_name = relation_name,
                        .proc_visible = lg_fx_proc_visible,
                        .arg = c,
                        .pretty = pretty,
                        .lines = true};
        st = lg_deparse_expr(&d, e, rel, ret);
    }
    lg_bind_fini(&b);
    if (st != LG_OK)
        *ret = stored;
    return st == LG_CANCELED || st == LG_SHUTDOWN ? st : LG_OK;
}

/* 0 when it cannot be bound. */
static lg_oid
expression_collation(lg_call *c, const char *stored, lg_relation *rel)
{
    lg_exec_session *es = lg_fx_session(c);
    lg_error err;
    lg_bind b;
    lg_expr *e;
    lg_error_init(&err, c->arena);
    lg_bind_init(&b, es->cat, es->run, c->arena, c->env, &err, stored);
    lg_status st =
        stored ? lg_bind_expr_text(&b, stored, LG_PLACE_USING, rel, 0, -1, &e) : LG_NOT_FOUND;
    lg_bind_fini(&b);
    return st == LG_OK ? lg_cat_collation_stored(es->cat, e->collation) : 0;
}

lg_status
lg_fx_expression_text(lg_call *c, const char *stored, lg_relation *rel, const char **ret_text)
{
    return expression_text(c, stored, LG_PLACE_USING, rel, NULL, false, ret_text);
}

static lg_datum
fn_pg_get_expr(lg_call *c)
{
    lg_relation *rel = NULL;
    lg_oid oid = lg_oid_of(c->args[1]);
    bool pretty = c->nargs > 2 && lg_bool(c->args[2]);
    const char *text = lg_text_cstring(c->arena, c->args[0]);
    if (oid) {
        lg_status st = lg_cat_relation_by_oid(lg_fx_session(c)->cat, oid, &rel);
        if (st == LG_NOT_FOUND)
            return lg_fx_null(c);
        if (st != LG_OK)
            return lg_fx_fail(c, st);
    }
    lg_status st = expression_text(c, text, LG_PLACE_USING, rel, NULL, pretty, &text);
    lg_relation_unref(rel);
    return st == LG_OK ? lg_fx_text(c, text) : lg_fx_fail(c, st);
}

/* --- indexes --- */

/* A plain function call stands bare in an index definition, anything else in parentheses: the
 * parenthesis after the name closes at the very end. */
static bool
is_call(const char *text)
{
    const char *p = text;
    int depth = 0;
    while (isalnum((unsigned char)*p) || *p == '_' || *p == '.' || *p == '"')
        p++;
    if (p == text || *p != '(')
        return false;
    for (; *p; p++) {
        if (*p == '\'' || *p == '"') { /* a literal or a quoted name */
            const char *end = strchr(p + 1, *p);
            p = end ? end : p;
        }
        depth += (*p == '(') - (*p == ')');
        if (depth == 0)
            return p[1] == '\0';
    }
    return false;
}

/* NULL: key i is a column. */
static const char *
key_expression(const lg_index *ix, uint16_t i)
{
    uint16_t nth = 0;
    for (uint16_t k = 0; k < i; k++)
        nth = (uint16_t)(nth + (ix->attnum[k] == 0));
    return !ix->attnum[i] && nth < ix->nexprs ? ix->exprs[nth] : NULL;
}

static const char *
key_text(lg_call *c, lg_relation *rel, const lg_index *ix, uint16_t i, bool pretty)
{
    if (ix->attnum[i])
        return lg_quote_ident(c->arena, rel->cols[ix->attnum[i] - 1].name);
    const char *text = "", *stored = key_expression(ix, i);
    if (stored && expression_text(c, stored, LG_PLACE_USING, rel, NULL, pretty, &text) == LG_OK) {
        return is_call(text) ? text : lg_arena_printf(c->arena, "(%s)", text);
    }
    return text;
}

/* Shown where it is not what the column or the expression's type has. */
static const char *
key_collation(lg_call *c, lg_relation *rel, const lg_index *ix, uint16_t i)
{
    lg_oid k = ix->collation[i];
    lg_oid usual = ix->attnum[i] ? rel->cols[ix->attnum[i] - 1].collation
                   : k           ? expression_collation(c, key_expression(ix, i), rel)
                                 : 0;
    if (!k || k == usual)
        return "";
    return lg_arena_printf(c->arena, " COLLATE %s", lg_deparse_collation(c->env, k, c->arena));
}

const char *
lg_fx_index_text(lg_call *c, lg_relation *rel, const lg_index *ix, bool pretty)
{
    lg_arena *a = c->arena;
    const char *table = "?";
    (void)!lg_fx_relation_name(c, rel->oid, !pretty, &table);
    const char *s =
        lg_arena_printf(a, "CREATE %sINDEX %s ON %s USING btree (", ix->unique ? "UNIQUE " : "",
                        lg_quote_ident(a, ix->name), table);
    for (uint16_t i = 0; i < ix->natts; i++) {
        const char *sep = i == 0 ? "" : i == ix->nkeys ? ") INCLUDE (" : ", ";
        s = lg_arena_printf(a, "%s%s%s", s, sep, key_text(c, rel, ix, i, pretty));
        if (i >= ix->nkeys)
            continue;
        s = lg_arena_printf(a, "%s%s", s, key_collation(c, rel, ix, i));
        const lg_opclass *k = lg_opclass_get(ix->opclass[i]);
        if (k && !k->is_default)
            s = lg_arena_printf(a, "%s %s", s, k->name);
        bool desc = ix->key[i].desc, first = ix->key[i].nulls_first;
        s = lg_arena_printf(a, "%s%s%s", s, desc ? " DESC" : "",
                            first == desc ? ""
                            : first       ? " NULLS FIRST"
                                          : " NULLS LAST");
    }
    s = lg_arena_printf(a, "%s)%s", s, ix->nulls_not_distinct ? " NULLS NOT DISTINCT" : "");
    if (ix->predicate_sql) {
        const char *p;
        if (expression_text(c, ix->predicate_sql, LG_PLACE_CHECK, rel, NULL, pretty, &p) == LG_OK)
            s = lg_arena_printf(a, "%s WHERE %s", s, p);
    }
    return s;
}

static lg_datum
fn_pg_get_indexdef(lg_call *c)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    lg_oid oid = lg_oid_of(c->args[0]), table;
    int32_t col = c->nargs > 1 ? lg_int4(c->args[1]) : 0;
    bool pretty = c->nargs > 2 && lg_bool(c->args[2]);
    lg_relation *rel;
    lg_status st = lg_cat_index_table(cat, oid, &table);
    if (st == LG_OK && table == 0)
        st = LG_NOT_FOUND;
    if (st == LG_OK)
        st = lg_cat_relation_by_oid(cat, table, &rel);
    if (st == LG_NOT_FOUND)
        return lg_fx_null(c);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    const lg_index *ix = lg_relation_index(rel, oid);
    lg_datum d = 0;
    if (!ix)
        c->isnull = true;
    else if (col == 0)
        d = lg_fx_text(c, lg_fx_index_text(c, rel, ix, pretty));
    else
        d = lg_fx_text(c, col >= 1 && col <= ix->natts
                              ? key_text(c, rel, ix, (uint16_t)(col - 1), pretty)
                              : "");
    lg_relation_unref(rel);
    return d;
}

/* --- constraints --- */

static const char *
columns_text(lg_call *c, const lg_relation *rel, const int16_t *keys, uint16_t n)
{
    const char *s = "";
    for (uint16_t i = 0; i < n; i++)
        s = lg_arena_printf(c->arena, "%s%s%s", s, i ? ", " : "",
                            lg_quote_ident(c->arena, rel->cols[keys[i] - 1].name));
    return s;
}

static const char *
action_text(char a)
{
    return a == 'r'   ? "RESTRICT"
           : a == 'c' ? "CASCADE"
           : a == 'n' ? "SET NULL"
           : a == 'd' ? "SET DEFAULT"
                      : NULL;
}

static lg_status
constraint_text(lg_call *c, lg_relation *rel, const lg_constraint *k, bool no_inherit, bool pretty,
                const char **ret)
{
    lg_arena *a = c->arena;
    const char *s = "";
    if (k->type == 'c') {
        const char *e;
        LG_TRY(expression_text(c, k->check_sql, LG_PLACE_CHECK, rel, NULL, pretty, &e));
        s = lg_arena_printf(a, "CHECK (%s)%s", e, no_inherit ? " NO INHERIT" : "");
    } else if (k->type == 'p' || k->type == 'u') {
        const lg_index *ix = lg_relation_index(rel, k->index);
        s = lg_arena_printf(a, "%s%s (%s)", k->type == 'p' ? "PRIMARY KEY" : "UNIQUE",
                            ix && ix->nulls_not_distinct ? " NULLS NOT DISTINCT" : "",
                            columns_text(c, rel, k->keys, k->nkeys));
        if (ix && ix->natts > ix->nkeys)
            s = lg_arena_printf(
                a, "%s INCLUDE (%s)", s,
                columns_text(c, rel, ix->attnum + ix->nkeys, (uint16_t)(ix->natts - ix->nkeys)));
    } else if (k->type == 'f') {
        lg_relation *ref;
        const char *name;
        LG_TRY(lg_cat_relation_by_oid(lg_fx_session(c)->cat, k->ref_table, &ref));
        lg_status st = lg_fx_relation_name(c, k->ref_table, false, &name);
        if (st == LG_OK)
            s = lg_arena_printf(a, "FOREIGN KEY (%s) REFERENCES %s(%s)%s",
                                columns_text(c, rel, k->keys, k->nkeys), name,
                                columns_text(c, ref, k->ref_keys, k->nkeys),
                                k->match == 'f' ? " MATCH FULL" : "");
        lg_relation_unref(ref);
        LG_TRY(st);
        if (action_text(k->on_update))
            s = lg_arena_printf(a, "%s ON UPDATE %s", s, action_text(k->on_update));
        if (action_text(k->on_delete))
            s = lg_arena_printf(a, "%s ON DELETE %s", s, action_text(k->on_delete));
        if (k->nset)
            s = lg_arena_printf(a, "%s (%s)", s, columns_text(c, rel, k->set_keys, k->nset));
    }
    *ret =
        lg_arena_printf(a, "%s%s%s%s", s, k->deferrable ? " DEFERRABLE" : "",
                        k->deferred ? " INITIALLY DEFERRED" : "", k->validated ? "" : " NOT VALID");
    return LG_OK;
}

static lg_datum
fn_pg_get_constraintdef(lg_call *c)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    lg_oid oid = lg_oid_of(c->args[0]);
    lg_cat_row row;
    lg_relation *rel;
    const char *text = NULL;
    bool pretty = c->nargs > 1 && lg_bool(c->args[1]);
    lg_status st = lg_cat_find(cat, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, 1,
                               (lg_datum[]){oid}, c->arena, &row);
    if (st == LG_OK && lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_constraint_contypid))) { /* a domain's */
        const char *check = lg_text_cstring(c->arena, LG_ROW_GET(&row, LG_AT_pg_constraint_conbin));
        bool valid = lg_bool(LG_ROW_GET(&row, LG_AT_pg_constraint_convalidated));
        const lg_cat_domain *d;
        st = lg_cat_domain_type(cat, lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_constraint_contypid)), &d);
        if (st == LG_OK)
            st = expression_text(c, check, LG_PLACE_CHECK, NULL, &d->type, pretty, &check);
        if (st != LG_OK)
            return st == LG_NOT_FOUND ? lg_fx_null(c) : lg_fx_fail(c, st);
        return lg_fx_text(
            c, lg_arena_printf(c->arena, "CHECK (%s)%s", check, valid ? "" : " NOT VALID"));
    }
    if (st == LG_OK)
        st = lg_cat_relation_by_oid(cat, lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_constraint_conrelid)),
                                    &rel);
    if (st == LG_NOT_FOUND)
        return lg_fx_null(c);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    for (uint16_t i = 0; st == LG_OK && i < rel->nconstraints; i++)
        if (rel->constraints[i].oid == oid)
            st = constraint_text(c, rel, &rel->constraints[i],
                                 lg_bool(LG_ROW_GET(&row, LG_AT_pg_constraint_connoinherit)),
                                 pretty, &text);
    lg_relation_unref(rel);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    return text ? lg_fx_text(c, text) : lg_fx_null(c);
}

/* --- views, sequences of columns --- */

/* The view's query as PostgreSQL prints it; its own text where that cannot be done. */
const char *
lg_fx_view_text(lg_call *c, const lg_relation *rel, bool pretty)
{
    lg_exec_session *es = lg_fx_session(c);
    lg_parse_tree *t;
    lg_query *q;
    lg_error err;
    lg_bind b;
    const char *text = rel->view_sql;
    lg_error_init(&err, c->arena);
    if (lg_parse_sql(es->run, rel->view_sql, c->arena, &err, &t) != LG_OK || t->n != 1)
        return text;
    lg_bind_init(&b, es->cat, es->run, c->arena, c->env, &err, NULL);
    if (lg_bind_query(&b, t->stmts[0].stmt, &q) == LG_OK) {
        const char **names = LG_NEWN(c->arena, const char *, rel->ncols + 1u);
        for (uint16_t i = 0; i < rel->ncols; i++)
            names[i] = rel->cols[i].name;
        lg_deparse d = {.arena = c->arena,
                        .env = c->env,
                        .relation_name = relation_name,
                        .proc_visible = lg_fx_proc_visible,
                        .arg = c,
                        .pretty = pretty};
        if (lg_deparse_query(&d, q, rel->ncols, names, &text) != LG_OK)
            text = rel->view_sql;
    }
    lg_bind_fini(&b);
    return text;
}

static lg_datum
fn_pg_get_viewdef(lg_call *c)
{
    lg_relation *rel;
    lg_status st = c->func->args[0] == LG_T_OID
                       ? lg_cat_relation_by_oid(lg_fx_session(c)->cat, lg_oid_of(c->args[0]), &rel)
                       : lg_fx_relation_by_text(c, lg_text_cstring(c->arena, c->args[0]), &rel);
    if (c->st)
        return 0;
    if (st == LG_NOT_FOUND)
        return lg_fx_null(c);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    lg_datum d = 0;
    bool pretty = c->nargs > 1 && (c->func->args[1] != LG_T_BOOL || lg_bool(c->args[1]));
    if (rel->view_sql)
        d = lg_fx_text(c, lg_arena_printf(c->arena, "%s;", lg_fx_view_text(c, rel, pretty)));
    else
        c->isnull = true;
    lg_relation_unref(rel);
    return d;
}

static lg_datum
fn_pg_get_serial_sequence(lg_call *c)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    char *table = lg_text_cstring(c->arena, c->args[0]);
    char *column = lg_text_cstring(c->arena, c->args[1]);
    lg_relation *rel;
    lg_status st = lg_fx_relation_by_text(c, table, &rel);
    if (c->st)
        return 0;
    if (st == LG_NOT_FOUND)
        return lg_call_error(c, "42P01", "relation \"%s\" does not exist", table);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    const lg_column *col = lg_relation_column_by_name(rel, column);
    lg_datum keys[3] = {LG_REL_pg_class, rel->oid, lg_datum_int4(col ? col->attnum : 0)};
    lg_relation_unref(rel);
    if (!col)
        return lg_call_error(c, "42703", "column \"%s\" of relation \"%s\" does not exist", column,
                             table);
    lg_cat_scan s;
    lg_cat_row row;
    lg_oid seq = 0;
    st = lg_cat_scan_open(cat, LG_REL_pg_depend, LG_IX_pg_depend_reference_index, 3, keys, c->arena,
                          &s);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        char dep = lg_char(LG_ROW_GET(&row, LG_AT_pg_depend_deptype));
        lg_sequence q;
        lg_oid obj = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_depend_objid));
        if ((dep == 'a' || dep == 'i') && lg_cat_sequence(cat, obj, &q) == LG_OK) {
            seq = obj;
            break;
        }
    }
    lg_cat_scan_close(&s);
    if (st != LG_OK && st != LG_END)
        return lg_fx_fail(c, st);
    const char *name;
    if (!seq)
        return lg_fx_null(c);
    st = lg_fx_relation_name(c, seq, true, &name);
    return st == LG_OK ? lg_fx_text(c, name) : lg_fx_fail(c, st);
}

/* --- pg_get_keywords --- */

static const struct {
    const char *word;
    char cls;
    bool bare;
} keywords[] = {
#define LG_KEYWORD(word, cls, bare) {word, cls, bare},
#include "keyword.def"
#undef LG_KEYWORD
};

static lg_status
keywords_open(lg_call *c, void **ret_state)
{
    *ret_state = LG_NEW(c->arena, uint32_t);
    return LG_OK;
}

static lg_status
keywords_next(lg_call *c, void *state, lg_datum *ret, uint8_t *nulls)
{
    uint32_t *at = state;
    if (*at >= sizeof keywords / sizeof *keywords)
        return LG_END;
    char k = keywords[*at].cls;
    bool bare = keywords[*at].bare;
    ret[0] = lg_fx_text(c, keywords[*at].word);
    ret[1] = lg_datum_char(k);
    ret[2] = bare;
    ret[3] = lg_fx_text(c, k == 'U'   ? "unreserved"
                           : k == 'C' ? "unreserved (cannot be function or type name)"
                           : k == 'T' ? "reserved (can be function or type name)"
                                      : "reserved");
    ret[4] = lg_fx_text(c, bare ? "can be bare label" : "requires AS");
    memset(nulls, 0, 5);
    (*at)++;
    return LG_OK;
}

static const lg_srf keywords_srf = {keywords_open, keywords_next};

/* Nothing is partitioned: a table has no ancestors, a tree of partitions no rows. */
static lg_status
empty_open(lg_call *c, void **ret_state)
{
    (void)c;
    *ret_state = NULL;
    return LG_OK;
}

static lg_status
empty_next(lg_call *c, void *state, lg_datum *values, uint8_t *nulls)
{
    (void)c;
    (void)state;
    (void)values;
    (void)nulls;
    return LG_END;
}

static const lg_srf empty_srf = {empty_open, empty_next};

static const lg_fx_entry list[] = {
    {"pg_get_expr", fn_pg_get_expr},
    {"pg_get_indexdef", fn_pg_get_indexdef},
    {"pg_get_constraintdef", fn_pg_get_constraintdef},
    {"pg_get_viewdef", fn_pg_get_viewdef},
    {"pg_get_serial_sequence", fn_pg_get_serial_sequence},
};

void
lg_fx_register_defs(lg_fntable *t)
{
    uint32_t n;
    const lg_func *f = lg_func_by_name("pg_get_keywords", &n);
    lg_fx_register(t, list, sizeof list / sizeof *list);
    if (f)
        lg_fntable_set_srf(t, f->oid, &keywords_srf);
    static const char *const empty[] = {"pg_partition_ancestors", "pg_partition_tree"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        if ((f = lg_func_by_name(empty[i], &n)))
            lg_fntable_set_srf(t, f->oid, &empty_srf);
}
