/* CREATE TABLE (LIKE other INCLUDING ...): what is taken over from another table.
 *
 * Expressions are stored as texts over column names, which are the same here; indexes refer to
 * columns by number and are mapped by name. */
#include "acl.h"
#include "ddl_internal.h"
#include "parse.h"
#include <string.h>

enum { /* PostgreSQL's CREATE_TABLE_LIKE_... */
       LIKE_COMMENTS = 1,
       LIKE_CONSTRAINTS = 4,
       LIKE_DEFAULTS = 8,
       LIKE_GENERATED = 16,
       LIKE_IDENTITY = 32,
       LIKE_INDEXES = 64,
       LIKE_STORAGE = 256,
};

static lg_status
open_source(lg_util *u, const lg_ast_table_like_clause *like, lg_relation **ret)
{
    lg_relation *r;
    lg_status st = lg_ddl_open(u, like->relation, LG_LOCK_ACCESS_SHARE, false, &r);
    if (st == LG_SQL && strcmp(u->err->sqlstate, "42P01") == 0)
        u->err->position = lg_exec_position(u->es, like->relation->h.loc);
    LG_TRY(st);
    if (r->kind == LG_REL_INDEX || r->kind == LG_REL_SEQUENCE) {
        st = lg_error_set(u->err, "42809", "relation \"%s\" is invalid in LIKE clause", r->name);
        lg_error_detail(u->err, "This operation is not supported for %s.",
                        r->kind == LG_REL_INDEX ? "indexes" : "sequences");
        u->err->position = lg_exec_position(u->es, like->relation->h.loc);
    } else if (r->kind != LG_REL_COMPOSITE) {
        st = lg_ddl_check_privilege(u, r, LG_ACL_SELECT, 0, NULL);
    }
    if (st != LG_OK)
        lg_relation_unref(r);
    else
        *ret = r;
    return st;
}

static lg_ast *
option(lg_util *u, const char *name, lg_ast_tag tag, lg_datum value)
{
    lg_ast_value *v = LG_NEW(u->a, lg_ast_value);
    lg_ast_def_elem *e = LG_NEW(u->a, lg_ast_def_elem);
    v->h = (lg_ast){tag, -1};
    v->ival = tag == LG_AST_BOOLEAN && lg_bool(value);
    v->sval = lg_arena_printf(u->a, "%lld", (long long)lg_int8(value));
    e->h = (lg_ast){LG_AST_DEF_ELEM, -1};
    e->defname = name;
    e->arg = &v->h;
    return &e->h;
}

/* A sequence like that of the other column. */
static lg_status
copy_sequence(lg_util *u, const lg_column *col, const char *table, lg_oid nsp, lg_oid *ret)
{
    lg_cat_row row;
    lg_datum key = lg_datum_oid(col->identity_seq);
    const char *name;
    lg_ast *at[6];
    lg_ast_list options = {0, at};
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_sequence, LG_IX_pg_sequence_seqrelid_index, 1, &key, u->a,
                       &row));
    at[options.n++] = option(u, "increment", LG_AST_FLOAT, GETC(&row, pg_sequence, seqincrement));
    at[options.n++] = option(u, "maxvalue", LG_AST_FLOAT, GETC(&row, pg_sequence, seqmax));
    at[options.n++] = option(u, "minvalue", LG_AST_FLOAT, GETC(&row, pg_sequence, seqmin));
    at[options.n++] = option(u, "start", LG_AST_FLOAT, GETC(&row, pg_sequence, seqstart));
    at[options.n++] = option(u, "cache", LG_AST_FLOAT, GETC(&row, pg_sequence, seqcache));
    at[options.n++] = option(u, "cycle", LG_AST_BOOLEAN, GETC(&row, pg_sequence, seqcycle));
    LG_TRY(lg_ddl_choose_name(u, nsp, table, col->name, "seq", &name));
    return lg_ddl_sequence_make(u, nsp, name, col->type, &options, ret);
}

lg_status
lg_ddl_like_columns(lg_util *u, const lg_ast_table_like_clause *like, const char *table, lg_oid nsp,
                    lg_ddl_column *cols, lg_oid *seqs, uint32_t *n, uint32_t cap)
{
    lg_relation *r;
    lg_status st = LG_OK;
    LG_TRY(open_source(u, like, &r));
    for (uint16_t i = 0; i < r->ncols && st == LG_OK; i++) {
        const lg_column *c = &r->cols[i];
        if (c->dropped)
            continue;
        if (*n + 1 >= cap) {
            st = lg_error_set(u->err, "54011", "tables can have at most 1600 columns");
            break;
        }
        lg_ddl_column *out = &cols[*n];
        memset(out, 0, sizeof *out);
        out->name = lg_arena_strdup(u->a, c->name);
        out->type = lg_column_declared(c);
        out->typmod = c->typmod;
        out->collation = c->collation;
        out->not_null = c->not_null;
        bool wanted = like->options & (c->generated ? LIKE_GENERATED : LIKE_DEFAULTS);
        if (c->default_sql && wanted) {
            out->default_sql = lg_arena_strdup(u->a, c->default_sql);
            out->generated = c->generated;
        }
        if (c->identity && like->options & LIKE_IDENTITY) {
            out->identity = c->identity;
            st = copy_sequence(u, c, table, nsp, &seqs[*n]);
        }
        ++*n;
    }
    lg_relation_unref(r);
    return st;
}

/* ---- what comes when the table is there ---- */

static lg_status
copy_comment(lg_util *u, lg_oid cls, lg_oid from, int32_t from_sub, lg_oid to, int32_t to_sub)
{
    lg_cat_row row;
    lg_datum keys[3] = {lg_datum_oid(from), lg_datum_oid(cls), lg_datum_int4(from_sub)};
    lg_status st = lg_cat_find(u->cat, LG_REL_pg_description, LG_IX_pg_description_o_c_o_index, 3,
                               keys, u->a, &row);
    if (st != LG_OK)
        return st == LG_NOT_FOUND ? LG_OK : st;
    SETC(&row, pg_description, objoid, to);
    SETC(&row, pg_description, objsubid, lg_datum_int4(to_sub));
    return lg_cat_insert(u->cat, LG_REL_pg_description, &row);
}

static void
set_storage(lg_cat_row *row, void *arg)
{
    SETC(row, pg_attribute, attstorage, lg_datum_char(*(char *)arg));
}

static lg_status
copy_storage(lg_util *u, lg_oid from, int16_t att, lg_oid to, int16_t to_att)
{
    lg_cat_row row;
    lg_datum keys[2] = {lg_datum_oid(from), lg_datum_int2(att)};
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_attribute, LG_IX_pg_attribute_relid_attnum_index, 2, keys,
                       u->a, &row));
    char storage = lg_char(GETC(&row, pg_attribute, attstorage));
    return lg_ddl_attribute_update(u, to, to_att, set_storage, &storage);
}

static int16_t
att_named(const lg_relation *rel, const char *name)
{
    const lg_column *c = lg_relation_column_by_name(rel, name);
    return c ? c->attnum : 0;
}

static lg_ast *
name_node(lg_util *u, const char *name)
{
    lg_ast_value *v = LG_NEW(u->a, lg_ast_value);
    v->h = (lg_ast){LG_AST_STRING, -1};
    v->sval = name;
    return &v->h;
}

static const lg_constraint *
constraint_of_index(const lg_relation *rel, lg_oid index)
{
    for (uint16_t i = 0; i < rel->nconstraints; i++)
        if (rel->constraints[i].index == index && rel->constraints[i].type != 'f')
            return &rel->constraints[i];
    return NULL;
}

/* PRIMARY KEY or UNIQUE, as if it had been written. */
static lg_status
add_key_like(lg_util *u, const lg_relation *src, const lg_index *ix, const lg_constraint *k,
             lg_oid table)
{
    lg_ast *names[LG_INDEX_MAX_KEYS];
    lg_ast_constraint c = {.h = {LG_AST_CONSTRAINT, -1},
                           .contype = ix->primary ? LG_A_CONSTR_PRIMARY : LG_A_CONSTR_UNIQUE,
                           .deferrable = k->deferrable,
                           .initdeferred = k->deferred,
                           .nulls_not_distinct = ix->nulls_not_distinct,
                           .keys = {ix->nkeys, names},
                           .including = {ix->natts - ix->nkeys, names + ix->nkeys}};
    for (uint16_t i = 0; i < ix->natts; i++)
        names[i] = name_node(u, src->cols[ix->attnum[i] - 1].name);
    return lg_ddl_constraint_add(u, table, &c, NULL);
}

/* Keys that are expressions are called as in the other index. */
static lg_status
name_expressions(lg_util *u, const lg_index *ix, lg_ddl_index *copy)
{
    for (uint16_t i = 0; i < copy->natts; i++) {
        lg_cat_row row;
        lg_datum keys[2] = {lg_datum_oid(ix->oid), lg_datum_int2((int16_t)(i + 1))};
        if (copy->attnum[i])
            continue;
        LG_TRY(lg_cat_find(u->cat, LG_REL_pg_attribute, LG_IX_pg_attribute_relid_attnum_index, 2,
                           keys, u->a, &row));
        copy->att_name[i] = lg_text_cstring(u->a, GETC(&row, pg_attribute, attname));
    }
    return LG_OK;
}

static lg_status
add_index_like(lg_util *u, const lg_relation *src, const lg_index *ix, lg_relation *rel)
{
    lg_ddl_index copy;
    lg_ddl_index_copy(u, src, ix, &copy);
    for (uint16_t i = 0; i < copy.natts; i++)
        if (copy.attnum[i])
            copy.attnum[i] = att_named(rel, src->cols[copy.attnum[i] - 1].name);
    LG_TRY(name_expressions(u, ix, &copy));
    LG_TRY(lg_ddl_choose_name(u, rel->namespace_oid, rel->name,
                              lg_ddl_index_columns_name(u, rel, &copy), "idx", &copy.name));
    LG_TRY(lg_ddl_index_create(u, rel, &copy));
    return lg_ddl_index_build(u, rel->oid, copy.oid);
}

/* The index that is new in the table: comments go to it. */
static lg_oid
newest_index(const lg_relation *rel)
{
    lg_oid max = 0;
    for (uint16_t i = 0; i < rel->nindexes; i++)
        max = rel->indexes[i]->oid > max ? rel->indexes[i]->oid : max;
    return max;
}

static lg_status
copy_index(lg_util *u, const lg_relation *src, const lg_index *ix, lg_oid table, bool comments)
{
    lg_relation *rel;
    const lg_constraint *k = constraint_of_index(src, ix->oid);
    lg_status st;
    if (k) {
        LG_TRY(add_key_like(u, src, ix, k, table));
    } else {
        LG_TRY(lg_cat_relation_by_oid(u->cat, table, &rel));
        st = add_index_like(u, src, ix, rel);
        lg_relation_unref(rel);
        LG_TRY(st);
    }
    if (!comments)
        return LG_OK;
    LG_TRY(lg_cat_relation_by_oid(u->cat, table, &rel));
    st = copy_comment(u, LG_REL_pg_class, ix->oid, 0, newest_index(rel), 0);
    lg_relation_unref(rel);
    return st;
}

static lg_status
copy_check(lg_util *u, const lg_constraint *k, lg_oid table, bool comments)
{
    lg_ast_constraint c = {.h = {LG_AST_CONSTRAINT, -1},
                           .contype = LG_A_CONSTR_CHECK,
                           .conname = k->name,
                           .initially_valid = true};
    lg_ast *raw;
    lg_relation *rel;
    lg_cat_row row;
    lg_datum key = lg_datum_oid(k->oid);
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, 1, &key, u->a,
                       &row));
    c.is_no_inherit = lg_bool(GETC(&row, pg_constraint, connoinherit));
    LG_TRY(lg_parse_expr(u->es->run, k->check_sql, u->a, u->err, &raw));
    c.raw_expr = raw;
    LG_TRY(lg_ddl_constraint_add(u, table, &c, NULL));
    if (!comments)
        return LG_OK;
    LG_TRY(lg_cat_relation_by_oid(u->cat, table, &rel));
    lg_status st = LG_OK;
    for (uint16_t i = 0; i < rel->nconstraints && st == LG_OK; i++)
        if (strcmp(rel->constraints[i].name, k->name) == 0)
            st = copy_comment(u, LG_REL_pg_constraint, k->oid, 0, rel->constraints[i].oid, 0);
    lg_relation_unref(rel);
    return st;
}

static lg_status
copy_of_columns(lg_util *u, const lg_relation *src, lg_oid table, int32_t options)
{
    lg_relation *rel;
    lg_status st = LG_OK;
    LG_TRY(lg_cat_relation_by_oid(u->cat, table, &rel));
    for (uint16_t i = 0; i < src->ncols && st == LG_OK; i++) {
        const lg_column *c = &src->cols[i];
        int16_t att = c->dropped ? 0 : att_named(rel, c->name);
        if (att && options & LIKE_COMMENTS)
            st = copy_comment(u, LG_REL_pg_class, src->oid, c->attnum, table, att);
        if (st == LG_OK && att && options & LIKE_STORAGE && !src->is_system)
            st = copy_storage(u, src->oid, c->attnum, table, att);
    }
    lg_relation_unref(rel);
    return st;
}

lg_status
lg_ddl_like_rest(lg_util *u, const lg_ast_table_like_clause *like, lg_oid table)
{
    lg_relation *src;
    int32_t options = like->options;
    bool comments = options & LIKE_COMMENTS;
    lg_status st = LG_OK;
    if (!(options & (LIKE_COMMENTS | LIKE_CONSTRAINTS | LIKE_INDEXES | LIKE_STORAGE)))
        return LG_OK;
    LG_TRY(open_source(u, like, &src));
    if (options & (LIKE_COMMENTS | LIKE_STORAGE))
        LG_CHECK(copy_of_columns(u, src, table, options));
    for (uint16_t i = 0; options & LIKE_CONSTRAINTS && i < src->nconstraints; i++)
        if (src->constraints[i].type == 'c')
            LG_CHECK(copy_check(u, &src->constraints[i], table, comments));
    for (uint16_t i = 0; options & LIKE_INDEXES && !src->is_system && i < src->nindexes; i++)
        LG_CHECK(copy_index(u, src, src->indexes[i], table, comments));
    st = lg_cat_touch(u->cat, table);
out:
    lg_relation_unref(src);
    return st;
}
