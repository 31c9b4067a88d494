/* CREATE TABLE, CREATE TABLE AS, TRUNCATE, schemas. */
#include "acl.h"
#include "cat_type.h"
#include "ddl_internal.h"
#include "relstat.h"
#include "usertype.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

lg_status
lg_ddl_table_make(lg_util *u, lg_oid nsp, const char *name, char persistence, uint32_t ncols,
                  const lg_ddl_column *cols, lg_oid *ret_oid)
{
    lg_rel_storage st;
    if (ncols > LG_ROW_MAX_COLUMNS)
        return lg_error_set(u->err, "54011", "tables can have at most 1600 columns");
    for (uint32_t i = 0; i < ncols; i++)
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(cols[i].name, cols[k].name) == 0)
                return lg_error_set(u->err, "42701", "column \"%s\" specified more than once",
                                    cols[i].name);
    LG_TRY(lg_cat_new_oid(u->cat, ret_oid));
    LG_TRY(lg_cat_lock(u->cat, *ret_oid, LG_LOCK_ACCESS_EXCLUSIVE, false));
    LG_TRY(lg_cat_segment_create(u->cat, LG_SEG_HEAP, &st));
    LG_TRY(lg_ddl_class_insert(u, *ret_oid, name, nsp, 'r', &st, (uint16_t)ncols, persistence));
    for (uint32_t i = 0; i < ncols; i++)
        LG_TRY(lg_ddl_attribute_insert(u, *ret_oid, (int16_t)(i + 1), &cols[i]));
    return lg_cat_touch(u->cat, *ret_oid);
}

/* COLLATE of a column of that type (perhaps a domain); NULL: 0, or the domain's. */
lg_status
lg_ddl_collation(lg_util *u, const lg_ast_collate_clause *c, lg_oid type, lg_oid *ret)
{
    lg_oid base;
    LG_TRY(lg_usertype_base(u->es->env, type, u->a, u->err, &base, NULL));
    const lg_type *t = lg_type_get(base);
    lg_bind b;
    *ret = 0;
    if (!c && lg_usertype_of(type) == LG_UT_DOMAIN) {
        const lg_cat_domain *d;
        LG_TRY(lg_cat_domain_type(u->cat, type, &d));
        *ret = d->type.collation;
    }
    if (!c)
        return LG_OK;
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = lg_bind_collation_name(&b, &c->collname, c->h.loc, ret);
    lg_bind_fini(&b);
    LG_TRY(st);
    if (!t || !t->collation)
        return lg_error_set(u->err, "42804", "collations are not supported by type %s",
                            lg_type_name(u->es->env, type, -1, u->a));
    return LG_OK;
}

static lg_status
twice(lg_util *u, const lg_ast_constraint *c, const char *what, const char *column,
      const char *table)
{
    lg_error_set(u->err, "42601", "%s for column \"%s\" of table \"%s\"", what, column, table);
    if (c)
        u->err->position = lg_exec_position(u->es, c->h.loc);
    return LG_SQL;
}

/* Type, typmod, NOT NULL, identity and serial of a column definition. A sequence that it needs is
 * made: *ret_sequence, and how it depends ('a' serial, 'i' identity). */
lg_status
lg_ddl_column_from_def(lg_util *u, const char *table, lg_oid nsp, const lg_ast_column_def *def,
                       lg_ddl_column *ret, lg_oid *ret_sequence, char *ret_dep)
{
    lg_bind b;
    int serial = 0;
    memset(ret, 0, sizeof *ret);
    *ret_sequence = 0;
    ret->name = def->colname;
    if (strlen(ret->name) > LG_NAME_MAX)
        ret->name = lg_arena_strndup(u->a, ret->name, LG_NAME_MAX);
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = lg_bind_type_name(&b, def->type_name, &ret->type, &ret->typmod, &serial);
    lg_bind_fini(&b);
    if (st == LG_NOT_FOUND && serial)
        st = LG_OK;
    LG_TRY(st);
    lg_oid base;
    LG_TRY(lg_ddl_column_base(u, ret->name, ret->type, &base));
    LG_TRY(lg_ddl_collation(u, def->coll_clause, ret->type, &ret->collation));
    ret->not_null = def->is_not_null;
    const lg_ast_list *options = NULL;
    bool saw_null = false, saw_not_null = false;
    uint32_t defaults = 0;
    for (uint32_t i = 0; i < def->constraints.n; i++) {
        const lg_ast_constraint *c = lg_ast_as(def->constraints.at[i], constraint);
        bool null = c->contype == LG_A_CONSTR_NULL;
        if (c->contype == LG_A_CONSTR_NOTNULL || c->contype == LG_A_CONSTR_PRIMARY)
            ret->not_null = true;
        saw_null |= null;
        saw_not_null |= c->contype == LG_A_CONSTR_NOTNULL;
        if (saw_null && saw_not_null && (null || c->contype == LG_A_CONSTR_NOTNULL))
            return twice(u, c, "conflicting NULL/NOT NULL declarations", ret->name, table);
        if (c->contype == LG_A_CONSTR_DEFAULT && defaults++)
            return twice(u, c, "multiple default values specified", ret->name, table);
        if (c->contype == LG_A_CONSTR_IDENTITY) {
            ret->identity = c->generated_when && *c->generated_when == 'd' ? 'd' : 'a';
            ret->not_null = true;
            options = &c->options;
        }
    }
    if (serial && defaults)
        return twice(u, NULL, "multiple default values specified", ret->name, table);
    if (!serial && !ret->identity)
        return LG_OK;
    const char *seq;
    LG_TRY(lg_ddl_choose_name(u, nsp, table, ret->name, "seq", &seq));
    LG_TRY(lg_ddl_sequence_make(u, nsp, seq, ret->type, options, ret_sequence));
    *ret_dep = ret->identity ? 'i' : 'a';
    if (serial) {
        ret->not_null = true;
        ret->default_sql = lg_arena_printf(u->a, "nextval('%u'::regclass)", *ret_sequence);
    }
    return LG_OK;
}

lg_status
lg_ddl_column_default(lg_util *u, const lg_ast_column_def *def, lg_relation *rel,
                      const lg_ddl_column *col, const char **ret_text, char *generated)
{
    const lg_ast *expr = def->raw_default;
    *generated = 0;
    for (uint32_t i = 0; i < def->constraints.n; i++) {
        const lg_ast_constraint *c = lg_ast_as(def->constraints.at[i], constraint);
        if (c->contype == LG_A_CONSTR_DEFAULT)
            expr = c->raw_expr;
        if (c->contype == LG_A_CONSTR_GENERATED) {
            expr = c->raw_expr;
            *generated = 's';
        }
    }
    *ret_text = NULL;
    if (!expr)
        return LG_OK;
    lg_bind b;
    lg_expr *e;
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = lg_bind_expr(&b, expr, *generated ? LG_PLACE_GENERATED : LG_PLACE_DEFAULT,
                                *generated ? rel : NULL, col->type, col->typmod, col->name, &e);
    if (st == LG_OK)
        st = lg_ddl_expr_text(u, &b, e, rel, ret_text);
    lg_bind_fini(&b);
    return st;
}

/* ---- CREATE TABLE ---- */

struct making {
    lg_ddl_column *cols;
    const lg_ast_column_def **defs; /* NULL for LIKE's */
    lg_oid *seqs;
    char *deps;
    uint32_t n, cap;
};

static lg_status
collect_columns(lg_util *u, const lg_ast_create_stmt *s, lg_oid nsp, struct making *m)
{
    m->cap = LG_ROW_MAX_COLUMNS + 1;
    m->cols = LG_NEWN(u->a, lg_ddl_column, m->cap);
    m->defs = LG_NEWN(u->a, const lg_ast_column_def *, m->cap);
    m->seqs = LG_NEWN(u->a, lg_oid, m->cap);
    m->deps = LG_NEWN(u->a, char, m->cap);
    for (uint32_t i = 0; i < s->table_elts.n; i++) {
        const lg_ast *e = s->table_elts.at[i];
        if (e->tag == LG_AST_TABLE_LIKE_CLAUSE) {
            LG_TRY(lg_ddl_like_columns(u, lg_ast_as(e, table_like_clause), s->relation->relname,
                                       nsp, m->cols, m->seqs, &m->n, m->cap));
        } else if (e->tag == LG_AST_COLUMN_DEF) {
            const lg_ast_column_def *def = lg_ast_as(e, column_def);
            if (m->n + 1 >= m->cap)
                return lg_error_set(u->err, "54011", "tables can have at most 1600 columns");
            lg_ast_column_def *own = lg_arena_dup(u->a, def, sizeof *def);
            LG_TRY(lg_ddl_constraint_attrs(u, &def->constraints, &own->constraints));
            m->defs[m->n] = def = own;
            LG_TRY(lg_ddl_column_from_def(u, s->relation->relname, nsp, def, &m->cols[m->n],
                                          &m->seqs[m->n], &m->deps[m->n]));
            m->n++;
        }
    }
    return LG_OK;
}

static void
mark_default(lg_cat_row *row, void *arg)
{
    SETC(row, pg_attribute, atthasdef, 1);
    SETC(row, pg_attribute, attgenerated, lg_datum_char(*(char *)arg));
}

static lg_status
add_defaults(lg_util *u, lg_oid oid, const struct making *m)
{
    for (uint32_t i = 0; i < m->n; i++) {
        int16_t att = (int16_t)(i + 1);
        const char *text = m->cols[i].default_sql;
        char generated = m->cols[i].generated;
        if (text || m->defs[i]) {
            lg_relation *rel;
            LG_TRY(lg_cat_relation_by_oid(u->cat, oid, &rel));
            lg_status st = LG_OK;
            if (!text)
                st = lg_ddl_column_default(u, m->defs[i], rel, &m->cols[i], &text, &generated);
            if (st == LG_OK && text)
                st = lg_ddl_default_insert(u, oid, att, text, generated ? rel : NULL);
            lg_relation_unref(rel);
            LG_TRY(st);
        }
        if (m->seqs[i] && !m->deps[i]) /* LIKE's */
            m->deps[i] = 'i';
        if (m->seqs[i])
            LG_TRY(lg_ddl_depend(u, LG_REL_pg_class, m->seqs[i], 0, LG_REL_pg_class, oid, att,
                                 m->deps[i]));
        if (!text)
            continue;
        LG_TRY(lg_ddl_attribute_update(u, oid, att, mark_default, &generated));
    }
    return lg_cat_touch(u->cat, oid);
}

static bool
is_key(const lg_ast_constraint *c)
{
    return c->contype == LG_A_CONSTR_PRIMARY || c->contype == LG_A_CONSTR_UNIQUE;
}

/* Keys come before the rest, as foreign keys may refer to the table itself. */
static lg_status
add_constraints(lg_util *u, const lg_ast_create_stmt *s, lg_oid oid, const struct making *m)
{
    for (int pass = 0; pass < 3; pass++) {
        for (uint32_t i = 0; i < m->n; i++)
            for (uint32_t k = 0; m->defs[i] && k < m->defs[i]->constraints.n; k++) {
                const lg_ast_constraint *c = lg_ast_as(m->defs[i]->constraints.at[k], constraint);
                int want = c->contype == LG_A_CONSTR_CHECK     ? 0
                           : is_key(c)                         ? 1
                           : c->contype == LG_A_CONSTR_FOREIGN ? 2
                                                               : -1;
                if (want == pass)
                    LG_TRY(lg_ddl_constraint_add(u, oid, c, m->cols[i].name));
            }
        for (uint32_t i = 0; i < s->table_elts.n + s->constraints.n; i++) {
            const lg_ast *e =
                i < s->table_elts.n ? s->table_elts.at[i] : s->constraints.at[i - s->table_elts.n];
            if (e->tag != LG_AST_CONSTRAINT)
                continue;
            const lg_ast_constraint *c = lg_ast_as(e, constraint);
            int want = is_key(c) ? 1 : c->contype == LG_A_CONSTR_FOREIGN ? 2 : 0;
            if (want == pass)
                LG_TRY(lg_ddl_constraint_add(u, oid, c, NULL));
        }
    }
    return LG_OK;
}

lg_status
lg_ddl_create_table(lg_util *u, const lg_ast_create_stmt *s)
{
    lg_oid nsp, oid;
    bool exists;
    struct making m = {.n = 0};
    const char *name = s->relation->relname;
    char persistence = s->relation->relpersistence && *s->relation->relpersistence
                           ? *s->relation->relpersistence
                           : 'p';
    snprintf(u->tag, LG_TAG_MAX, "CREATE TABLE");
    if (s->partspec || s->partbound || s->inh_relations.n || s->of_typename)
        return lg_error_set(u->err, "0A000",
                            "partitions, inheritance and typed tables are not "
                            "supported");
    if (s->oncommit > LG_A_ONCOMMIT_NOOP && !lg_ddl_wants_temp(u, s->relation))
        return lg_error_set(u->err, "42P16", "ON COMMIT can only be used on temporary tables");
    LG_TRY(lg_ddl_namespace_for(u, s->relation, &nsp));
    if (strlen(name) > LG_NAME_MAX)
        name = lg_arena_strndup(u->a, name, LG_NAME_MAX);
    LG_TRY(lg_ddl_check_free(u, nsp, name, s->if_not_exists, &exists));
    if (exists)
        return LG_OK;
    LG_TRY(collect_columns(u, s, nsp, &m));
    LG_TRY(lg_ddl_table_make(u, nsp, name, persistence, m.n, m.cols, &oid));
    LG_TRY(lg_ddl_reloptions(u, oid, 'r', &s->options, false));
    LG_TRY(add_defaults(u, oid, &m));
    LG_TRY(add_constraints(u, s, oid, &m));
    for (uint32_t i = 0; i < s->table_elts.n; i++)
        if (s->table_elts.at[i]->tag == LG_AST_TABLE_LIKE_CLAUSE)
            LG_TRY(lg_ddl_like_rest(u, lg_ast_as(s->table_elts.at[i], table_like_clause), oid));
    lg_ddl_temp_on_commit(u, oid, s->oncommit);
    return LG_OK;
}

/* ---- CREATE TABLE AS ---- */

struct filling {
    lg_util *u;
    lg_xtarget t;
    lg_xinsert *in;
    lg_arena *a;
    uint64_t n;
};

static lg_status
fill_rows(void *arg, const lg_batch *b)
{
    struct filling *f = arg;
    uint64_t about;
    lg_datum *v = LG_NEWN(f->a, lg_datum, b->ncols + 1);
    uint8_t *nulls = LG_NEWN(f->a, uint8_t, b->ncols + 1);
    for (uint32_t i = 0; i < b->n; i++) {
        lg_batch_row(b, i, v, nulls);
        LG_TRY(lg_xinsert_add(f->in, v, nulls, ++f->n, &about));
    }
    lg_arena_reset(f->a);
    return lg_xinsert_flush(f->in, &about); /* the batch's values go */
}

lg_status
lg_ddl_fill(lg_util *u, lg_oid oid, const lg_plan *plan, uint64_t *ret_n)
{
    lg_relation *rel;
    lg_exec *x = NULL, *bare = NULL;
    struct filling f = {.u = u};
    lg_bind b;
    uint64_t n;
    LG_TRY(lg_cat_relation_by_oid(u->cat, oid, &rel));
    lg_plan_target pt;
    f.a = lg_arena_create("fill", 0);
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = LG_OK;
    LG_CHECK(lg_plan_target_make(&b, rel, &pt));
    LG_CHECK(lg_exec_bare(u->es, 1024, &bare));
    LG_CHECK(lg_xtarget_open(bare, &pt, 0, &f.t));
    f.in = lg_xinsert_open(&f.t, LG_BATCH);
    LG_CHECK(lg_exec_open(u->es, plan, NULL, NULL, &x));
    st = lg_exec_fetch(x, 0, fill_rows, &f, &n);
    if (st == LG_END)
        st = LG_OK;
    *ret_n = f.n;
out:
    lg_exec_close(x);
    lg_xinsert_close(f.in);
    lg_exec_close(bare);
    lg_bind_fini(&b);
    lg_arena_destroy(f.a);
    lg_relation_unref(rel);
    return st;
}

/* The query's tables were read from the dictionary before this transaction changed it, or someone else
 * did: bound and planned anew. */
static lg_status
plan_again(lg_util *u, const lg_ast *query, uint32_t n, const lg_ddl_column *cols, lg_bind *b,
           lg_plan **plan)
{
    lg_query *q;
    lg_outcol *out;
    lg_plan_fini(*plan);
    *plan = NULL;
    lg_exec_bind_init(u->es, u->a, b);
    LG_TRY(lg_bind_query(b, query, &q));
    bool same = lg_query_outcols(q, u->a, &out) == n;
    for (uint32_t i = 0; same && i < n; i++)
        same = (out[i].type == LG_T_UNKNOWN ? LG_T_TEXT : out[i].type) == cols[i].type;
    return same ? lg_exec_plan(u->es, b, q, plan)
                : lg_error_set(u->err, "55P03", "the tables of the statement keep changing");
}

lg_status
lg_ddl_create_table_as(lg_util *u, const lg_ast_create_table_as_stmt *s)
{
    lg_oid nsp, oid;
    bool exists;
    lg_bind b;
    lg_query *q;
    lg_plan *plan = NULL;
    lg_outcol *out;
    const lg_ast_range_var *rv = s->into->rel;
    snprintf(u->tag, LG_TAG_MAX, "CREATE TABLE AS");
    if (s->objtype == LG_A_OBJECT_MATVIEW)
        return lg_ddl_create_matview(u, s);
    if (!lg_bind_is_query(s->query))
        return lg_error_set(u->err, "0A000", "this form of CREATE TABLE AS is not supported");
    if (s->into->on_commit > LG_A_ONCOMMIT_NOOP && !lg_ddl_wants_temp(u, rv))
        return lg_error_set(u->err, "42P16", "ON COMMIT can only be used on temporary tables");
    LG_TRY(lg_ddl_namespace_for(u, rv, &nsp));
    LG_TRY(lg_ddl_check_free(u, nsp, rv->relname, s->if_not_exists, &exists));
    if (exists)
        return LG_OK;
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = LG_OK;
    LG_CHECK(lg_bind_query(&b, s->query, &q));
    uint32_t n = lg_query_outcols(q, u->a, &out);
    lg_ddl_column *cols = LG_NEWN(u->a, lg_ddl_column, n + 1);
    if (s->into->col_names.n > n) {
        st = lg_error_set(u->err, "42601", "too many column names were specified");
        goto out;
    }
    for (uint32_t i = 0; i < n; i++) {
        const char *given = lg_ast_list_str(&s->into->col_names, i);
        cols[i].name = given ? given : out[i].name;
        cols[i].type = out[i].type == LG_T_UNKNOWN ? LG_T_TEXT : out[i].type;
        cols[i].typmod = out[i].typmod;
        cols[i].collation = out[i].collation;
        LG_CHECK(lg_ddl_column_base(u, cols[i].name, cols[i].type, &(lg_oid){0}));
    }
    LG_CHECK(lg_exec_plan(u->es, &b, q, &plan));
    LG_CHECK(lg_ddl_table_make(u, nsp, rv->relname, 'p', n, cols, &oid));
    uint64_t rows = 0;
    if (!s->into->skip_data)
        st = lg_ddl_fill(u, oid, plan, &rows);
    for (int tries = 0; st == LG_RETRY && tries < 10; tries++) {
        LG_CHECK(plan_again(u, s->query, n, cols, &b, &plan));
        st = lg_ddl_fill(u, oid, plan, &rows);
    }
    if (st != LG_OK)
        goto out;
    snprintf(u->tag, LG_TAG_MAX, "SELECT %llu", (unsigned long long)rows);
    lg_ddl_temp_on_commit(u, oid, s->into->on_commit);
out:
    if (plan)
        lg_plan_fini(plan);
    else
        lg_bind_fini(&b);
    return st;
}

/* ---- TRUNCATE: a new, empty segment; the old one goes at commit ---- */

static void
set_storage(lg_cat_row *row, void *arg)
{
    const lg_rel_storage *st = arg;
    SETC(row, pg_class, relfilenode, st->file);
    SETC(row, pg_class, relfrozenxid, st->head);
    SETC(row, pg_class, reltuples, lg_datum_float4(0));
    SETC(row, pg_class, relpages, lg_datum_int4(0));
}

lg_status
lg_ddl_new_segment(lg_util *u, lg_oid oid, lg_seg_kind kind, const lg_rel_storage *old)
{
    lg_rel_storage st;
    LG_TRY(lg_cat_segment_create(u->cat, kind, &st));
    lg_cat_segment_drop(u->cat, old);
    return lg_ddl_class_update(u, oid, set_storage, &st);
}

lg_status
lg_ddl_truncate_one(lg_util *u, lg_oid table)
{
    lg_relation *r;
    LG_TRY(lg_ddl_open_oid(u, table, LG_LOCK_ACCESS_EXCLUSIVE, &r));
    lg_status st = lg_ddl_new_segment(u, r->oid, LG_SEG_HEAP, &r->storage);
    for (uint16_t k = 0; k < r->nindexes && st == LG_OK; k++)
        st = lg_ddl_new_segment(u, r->indexes[k]->oid, LG_SEG_BTREE, &r->indexes[k]->storage);
    if (st == LG_OK)
        st = lg_cat_touch(u->cat, r->oid);
    if (st == LG_OK)
        lg_cat_relstat_truncated(u->cat, r->oid);
    lg_relation_unref(r);
    return st;
}

static lg_status
restart_sequences(lg_util *u, lg_oid table)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_datum keys[2] = {lg_datum_oid(LG_REL_pg_class), lg_datum_oid(table)};
    lg_status st = lg_cat_scan_open(u->cat, LG_REL_pg_depend, LG_IX_pg_depend_reference_index, 2,
                                    keys, u->a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        lg_sequence seq;
        if (lg_cat_sequence(u->cat, lg_oid_of(GETC(&row, pg_depend, objid)), &seq) == LG_OK)
            st = lg_cat_sequence_set(u->cat, seq.oid, seq.start, false);
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

static bool
in_list(const lg_oid *list, uint32_t n, lg_oid oid)
{
    for (uint32_t i = 0; i < n; i++)
        if (list[i] == oid)
            return true;
    return false;
}

lg_status
lg_ddl_truncate(lg_util *u, const lg_ast_truncate_stmt *s)
{
    lg_oid list[256];
    uint32_t n = 0;
    bool cascade = s->behavior == LG_A_DROP_CASCADE;
    snprintf(u->tag, LG_TAG_MAX, "TRUNCATE TABLE");
    for (uint32_t i = 0; i < s->relations.n; i++) {
        lg_relation *r;
        LG_TRY(lg_ddl_open(u, lg_ast_as(s->relations.at[i], range_var), LG_LOCK_ACCESS_EXCLUSIVE,
                           false, &r));
        lg_status st = LG_OK;
        if (r->kind != LG_REL_TABLE)
            st = lg_error_set(u->err, "42809", "\"%s\" is not a table", r->name);
        else
            st = lg_ddl_check_privilege(u, r, LG_ACL_TRUNCATE, 0, NULL);
        if (st == LG_OK)
            st = lg_ddl_check_unused(u, r, "TRUNCATE");
        if (st == LG_OK && n < 256 && !in_list(list, n, r->oid))
            list[n++] = r->oid;
        lg_relation_unref(r);
        LG_TRY(st);
    }
    for (uint32_t i = 0; i < n; i++) { /* the list grows under CASCADE */
        lg_relation *r, *other;
        LG_TRY(lg_ddl_open_oid(u, list[i], LG_LOCK_ACCESS_EXCLUSIVE, &r));
        lg_status st = LG_OK;
        for (uint16_t k = 0; k < r->nfk_refs && st == LG_OK; k++) {
            if (in_list(list, n, r->fk_refs[k].table))
                continue;
            st = lg_ddl_open_oid(u, r->fk_refs[k].table, LG_LOCK_ACCESS_EXCLUSIVE, &other);
            if (st != LG_OK)
                break;
            if (cascade && n < 256) {
                lg_ddl_notice(u, "00000", "truncate cascades to table \"%s\"", other->name);
                list[n++] = other->oid;
            } else {
                st = lg_error_set(u->err, "0A000",
                                  "cannot truncate a table referenced in a foreign key constraint");
                lg_error_detail(u->err, "Table \"%s\" references \"%s\".", other->name, r->name);
                lg_error_hint(u->err,
                              "Truncate table \"%s\" at the same time, or use TRUNCATE "
                              "... CASCADE.",
                              other->name);
            }
            lg_relation_unref(other);
        }
        lg_relation_unref(r);
        LG_TRY(st);
    }
    for (uint32_t i = 0; i < n; i++) {
        LG_TRY(lg_ddl_truncate_one(u, list[i]));
        if (s->restart_seqs)
            LG_TRY(restart_sequences(u, list[i]));
    }
    return LG_OK;
}

/* ---- REINDEX: new segments, filled from the table ---- */

static lg_status
reindex_one(lg_util *u, lg_oid table, lg_oid index)
{
    lg_relation *r;
    LG_TRY(lg_ddl_open_oid(u, table, LG_LOCK_ACCESS_EXCLUSIVE, &r));
    const lg_index *ix = lg_relation_index(r, index);
    lg_status st = ix ? lg_ddl_new_segment(u, index, LG_SEG_BTREE, &ix->storage) : LG_OK;
    lg_relation_unref(r);
    LG_TRY(st);
    LG_TRY(lg_ddl_index_set_valid(u, table, index, true));
    return lg_ddl_index_build(u, table, index);
}

static bool
says_concurrently(const lg_ast_list *params)
{
    for (uint32_t i = 0; i < params->n; i++)
        if (strcmp(lg_ast_as(params->at[i], def_elem)->defname, "concurrently") == 0)
            return true;
    return false;
}

/* Each index in turn, so that one that fails leaves the others. */
static lg_status
reindex_all_concurrently(lg_util *u, const lg_relation *r)
{
    lg_oid oids[256], table = r->oid;
    uint32_t n = 0;
    for (uint16_t i = 0; i < r->nindexes && n < 256; i++)
        if (r->indexes[i]->valid)
            oids[n++] = r->indexes[i]->oid;
    for (uint32_t i = 0; i < n; i++)
        LG_TRY(lg_ddl_reindex_concurrently(u, table, oids[i]));
    return LG_OK;
}

lg_status
lg_ddl_reindex(lg_util *u, const lg_ast_reindex_stmt *s)
{
    lg_relation *r;
    snprintf(u->tag, LG_TAG_MAX, "REINDEX");
    if (!s->relation)
        return lg_error_set(u->err, "0A000", "REINDEX of this kind of object is not supported");
    bool concurrently = says_concurrently(&s->params);
    LG_TRY(lg_ddl_open(u, s->relation,
                       concurrently ? LG_LOCK_SHARE_UPDATE_EXCLUSIVE : LG_LOCK_ACCESS_EXCLUSIVE,
                       false, &r));
    lg_status st = lg_ddl_check_owner(u, r);
    concurrently &= r->persistence != 't';
    if (st == LG_OK && (r->kind == LG_REL_INDEX) != (s->kind == LG_A_REINDEX_OBJECT_INDEX)) {
        st = lg_error_set(u->err, "42809", "\"%s\" is not a%s", r->name,
                          r->kind == LG_REL_INDEX ? " table or materialized view" : "n index");
    } else if (st == LG_OK && r->kind == LG_REL_INDEX) {
        lg_oid table;
        st = lg_cat_index_table(u->cat, r->oid, &table);
        if (st == LG_OK)
            st = concurrently ? lg_ddl_reindex_concurrently(u, table, r->oid)
                              : reindex_one(u, table, r->oid);
    } else if (st == LG_OK && concurrently) {
        st = reindex_all_concurrently(u, r);
    } else {
        for (uint16_t i = 0; i < r->nindexes && st == LG_OK; i++)
            st = reindex_one(u, r->oid, r->indexes[i]->oid);
    }
    lg_relation_unref(r);
    return st;
}

/* ---- schemas ---- */

lg_status
lg_ddl_create_schema(lg_util *u, const lg_ast_create_schema_stmt *s)
{
    lg_cat_row row;
    lg_oid oid, owner = lg_cat_user(u->cat);
    const char *name = s->schemaname;
    lg_status st;
    snprintf(u->tag, LG_TAG_MAX, "CREATE SCHEMA");
    if (s->authrole) {
        LG_TRY(lg_ddl_role(u, s->authrole, &owner));
        if (!name || !*name) { /* the role's, which CURRENT_USER and such do not spell */
            lg_role role;
            LG_TRY(lg_cat_role_by_oid(u->cat, owner, u->a, &role));
            name = role.name;
        }
    }
    if (strncmp(name, "pg_", 3) == 0) {
        lg_error_set(u->err, "42939", "unacceptable schema name \"%s\"", name);
        lg_error_detail(u->err, "The prefix \"pg_\" is reserved for system schemas.");
        return LG_SQL;
    }
    uint32_t may;
    LG_TRY(lg_cat_database_mask(u->cat, lg_cat_user(u->cat), lg_cat_database_oid(u->cat),
                                LG_ACL_CREATE, &may));
    if (!may)
        return lg_error_set(u->err, "42501", "permission denied for database %s",
                            lg_cat_database(u->cat));
    st = lg_cat_namespace_by_name(u->cat, name, &oid);
    if (st == LG_OK && s->if_not_exists) {
        lg_ddl_notice(u, "42P06", "schema \"%s\" already exists, skipping", name);
        return LG_OK;
    }
    if (st == LG_OK)
        return lg_error_set(u->err, "42P06", "schema \"%s\" already exists", name);
    if (st != LG_NOT_FOUND)
        return st;
    LG_TRY(lg_cat_new_oid(u->cat, &oid));
    lg_cat_row_init(LG_REL_pg_namespace, &row);
    SETC(&row, pg_namespace, oid, oid);
    SETC(&row, pg_namespace, nspname, lg_cat_name(u->a, name));
    SETC(&row, pg_namespace, nspowner, owner);
    lg_datum acl;
    LG_TRY(lg_ddl_default_acl(u, 'n', 0, &acl));
    if (acl)
        SETC(&row, pg_namespace, nspacl, acl);
    st = lg_cat_insert(u->cat, LG_REL_pg_namespace, &row);
    if (st == LG_EXISTS)
        return lg_error_set(u->err, "42P06", "schema \"%s\" already exists", name);
    LG_TRY(st);
    LG_TRY(lg_cat_touch(u->cat, 0));
    for (uint32_t i = 0; i < s->schema_elts.n; i++)
        if (s->schema_elts.at[i]->tag == LG_AST_CREATE_STMT) {
            lg_ast_create_stmt c = *lg_ast_as(s->schema_elts.at[i], create_stmt);
            lg_ast_range_var rv = *c.relation;
            rv.schemaname = name;
            c.relation = &rv;
            LG_TRY(lg_ddl_create_table(u, &c));
        }
    snprintf(u->tag, LG_TAG_MAX, "CREATE SCHEMA");
    return LG_OK;
}
