/* A catalog in memory for the tests of bind and plan: tables t, u, o, s with a few columns. */
#ifndef LG_TEST_CATALOG_H
#define LG_TEST_CATALOG_H

#include "bind.h"
#include <string.h>

typedef struct tc {
    lg_arena *a;
    lg_relation *rels[8];
    uint32_t n;
    uint32_t locks;
} tc;

static lg_relation *
tc_table(tc *c, const char *name, lg_oid oid, const char *const *cols, const lg_oid *types,
         uint16_t n)
{
    lg_relation *r = LG_NEW(c->a, lg_relation);
    lg_column *col = LG_NEWN(c->a, lg_column, n);
    for (uint16_t i = 0; i < n; i++) {
        const lg_type *t = lg_type_get(types[i]);
        col[i] = (lg_column){.name = cols[i],
                             .attnum = (int16_t)(i + 1),
                             .type = types[i],
                             .typmod = -1,
                             .collation = t->collation};
    }
    *r = (lg_relation){.oid = oid,
                       .namespace_oid = 2200,
                       .schema = "public",
                       .name = name,
                       .kind = 'r',
                       .ncols = n,
                       .cols = col,
                       .tuples = 1000,
                       .pages = 10,
                       .refs = 1};
    c->rels[c->n++] = r;
    return r;
}

static void
tc_index(tc *c, lg_relation *r, lg_oid oid, const char *name, bool primary, uint16_t n,
         const int16_t *atts)
{
    lg_index *ix = LG_NEW(c->a, lg_index);
    *ix = (lg_index){.oid = oid,
                     .name = name,
                     .table = r->oid,
                     .nkeys = n,
                     .natts = n,
                     .unique = primary,
                     .primary = primary,
                     .valid = true,
                     .immediate = true};
    for (uint16_t i = 0; i < n; i++) {
        lg_oid t = r->cols[atts[i] - 1].type;
        ix->attnum[i] = atts[i];
        ix->key[i].type = t;
        ix->opclass[i] = lg_opclass_default(LG_AM_BTREE, t)->oid;
        if (primary)
            ((lg_column *)(uintptr_t)r->cols)[atts[i] - 1].not_null = true;
    }
    const lg_index **list = LG_NEWN(c->a, const lg_index *, r->nindexes + 1u);
    for (uint16_t i = 0; i < r->nindexes; i++)
        list[i] = r->indexes[i];
    list[r->nindexes++] = ix;
    r->indexes = list;
    if (primary)
        r->primary = ix;
}

static lg_status
tc_by_name(void *arg, const char *schema, const char *name, lg_relation **ret)
{
    tc *c = arg;
    if (schema && strcmp(schema, "public") != 0)
        return LG_NOT_FOUND;
    for (uint32_t i = 0; i < c->n; i++)
        if (!strcmp(c->rels[i]->name, name)) {
            c->rels[i]->refs++;
            *ret = c->rels[i];
            return LG_OK;
        }
    return LG_NOT_FOUND;
}

static lg_status
tc_lock(void *arg, lg_oid rel, lg_lockmode mode, bool nowait)
{
    (void)rel;
    (void)mode;
    (void)nowait;
    ((tc *)arg)->locks++;
    return LG_OK;
}

static lg_status
tc_type(void *arg, const char *schema, const char *name, lg_oid *ret)
{
    (void)arg;
    (void)schema;
    (void)name;
    (void)ret;
    return LG_NOT_FOUND;
}

typedef struct fixture {
    lg_arena *a;
    tc cat;
    lg_env env;
    lg_error err;
    lg_bind b;
} fixture;

static void
fixture_init(fixture *f)
{
    memset(f, 0, sizeof *f);
    f->a = lg_arena_create("test", 0);
    f->cat.a = f->a;
    lg_env_init(&f->env);
    lg_error_init(&f->err, f->a);
    static const char *const tcols[] = {"id", "a", "b", "d", "n"};
    static const lg_oid ttypes[] = {LG_T_INT4, LG_T_INT4, LG_T_TEXT, LG_T_TIMESTAMPTZ,
                                    LG_T_NUMERIC};
    static const char *const ucols[] = {"id", "t_id", "v"};
    static const lg_oid utypes[] = {LG_T_INT4, LG_T_INT4, LG_T_VARCHAR};
    lg_relation *t = tc_table(&f->cat, "t", 20001, tcols, ttypes, 5);
    lg_relation *u = tc_table(&f->cat, "u", 20002, ucols, utypes, 3);
    t->tuples = 100000;
    t->pages = 1000;
    tc_index(&f->cat, t, 20011, "t_pkey", true, 1, (int16_t[]){1});
    tc_index(&f->cat, t, 20012, "t_a_b", false, 2, (int16_t[]){2, 3});
    static const char *const lower[] = {"lower(b)"};
    tc_index(&f->cat, t, 20015, "t_lower", false, 1, (int16_t[]){3});
    lg_index *ix = (lg_index *)(uintptr_t)t->indexes[t->nindexes - 1];
    ix->attnum[0] = 0;
    ix->exprs = lower;
    ix->nexprs = 1;
    tc_index(&f->cat, u, 20013, "u_pkey", true, 1, (int16_t[]){1});
    tc_index(&f->cat, u, 20014, "u_t_id", false, 1, (int16_t[]){2});
}

static void
fixture_fini(fixture *f)
{
    lg_arena_destroy(f->a);
}

/* Binds one statement afresh. */
static lg_status
fixture_bind(fixture *f, const char *sql, lg_query **q)
{
    lg_parse_tree *t;
    lg_error_init(&f->err, f->a);
    f->b = (lg_bind){.arena = f->a,
                     .env = &f->env,
                     .err = &f->err,
                     .sql = sql,
                     .infer_params = true,
                     .catalog = {.arg = &f->cat,
                                 .relation_by_name = tc_by_name,
                                 .lock = tc_lock,
                                 .type_by_name = tc_type}};
    LG_TRY(lg_parse_sql(NULL, sql, f->a, &f->err, &t));
    return lg_bind_query(&f->b, t->stmts[0].stmt, q);
}

#endif
