/* The constant part of the catalog: descriptors of the catalog tables, virtual relations, rows. */
#include "catalog_admin.h"
#include "ges.h"
#include "func.h"
#include "lg_test.h"
#include "type.h"
#include "virtual.h"
#include <string.h>

struct fixture {
    lg_run *run;
    lg_ges *ges;
    lg_catalog *catalog;
    lg_cat *cat;
};

static void
setup(struct fixture *f)
{
    lg_run_config rc = {.name = "test"};
    LG_ASSERT_OK(lg_run_create(&rc, &f->run));
    lg_ges_config gc = {.run = f->run, .node = 1};
    LG_ASSERT_OK(lg_ges_create(&gc, &f->ges));
    lg_catalog_config cc = {.run = f->run, .ges = f->ges};
    LG_ASSERT_OK(lg_catalog_create(&cc, &f->catalog));
    LG_ASSERT_OK(lg_cat_create(f->catalog, LG_ROLE_BOOTSTRAP, "lagoon", &f->cat));
}

static void
teardown(struct fixture *f)
{
    lg_cat_destroy(f->cat);
    lg_catalog_destroy(f->catalog);
    lg_ges_destroy(f->ges);
    lg_run_destroy(f->run);
}

LG_TEST(test_catalog__tables_have_the_columns_of_postgresql_15)
{
    struct fixture f;
    lg_relation *r;
    setup(&f);
    LG_ASSERT_OK(lg_cat_relation_by_name(f.cat, "pg_catalog", "pg_class", &r));
    CU_ASSERT_EQUAL(r->oid, 1259);
    CU_ASSERT_EQUAL(r->ncols, 33);
    CU_ASSERT_STRING_EQUAL(r->cols[16].name, "relkind");
    CU_ASSERT_EQUAL(r->cols[LG_AT_pg_class_relname - 1].type, LG_T_NAME);
    CU_ASSERT_EQUAL(r->nindexes, 3);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r->primary);
    CU_ASSERT_EQUAL(r->primary->oid, LG_IX_pg_class_oid_index);
    CU_ASSERT_EQUAL(lg_relation_column_by_name(r, "relname")->attnum, 2);
    CU_ASSERT_PTR_NULL(lg_relation_column_by_name(r, "nosuch"));
    LG_ASSERT_OK(lg_cat_relation_by_oid(f.cat, LG_REL_pg_operator, &r));
    CU_ASSERT_PTR_NOT_NULL(r->virtual_rel);
    CU_ASSERT_EQUAL(lg_cat_relation_by_name(f.cat, "pg_catalog", "nosuch", &r), LG_NOT_FOUND);
    teardown(&f);
}

static unsigned emitted;
static lg_datum last_oid;

static void
count_row(lg_virtual_ctx *ctx, const lg_datum *values, const uint8_t *nulls)
{
    (void)ctx;
    (void)nulls;
    emitted++;
    last_oid = values[0];
}

LG_TEST(test_catalog__built_in_rows_come_from_the_registries)
{
    struct fixture f;
    lg_relation *r;
    setup(&f);
    lg_arena *a = lg_arena_create("test", 0);
    lg_virtual_ctx ctx = {.cat = f.cat, .arena = a, .emit = count_row};
    LG_ASSERT_OK(lg_cat_relation_by_name(f.cat, "pg_catalog", "pg_operator", &r));
    emitted = 0;
    LG_ASSERT_OK(r->virtual_rel->rows(r->virtual_rel->arg, &ctx));
    CU_ASSERT_EQUAL(emitted, lg_operator_count());
    CU_ASSERT_EQUAL(last_oid, lg_operator_at(lg_operator_count() - 1)->oid);
    lg_arena_destroy(a);
    teardown(&f);
}

static lg_status
no_rows(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    (void)ctx;
    return LG_OK;
}

LG_TEST(test_catalog__virtual_relations_are_found_by_name_and_guard_stored_tables)
{
    static const lg_virtual_column cols[] = {{"inst_id", LG_T_INT4}, {"name", LG_T_TEXT}};
    static const lg_virtual_rel gv = {
        .name = "gv$test", .columns = cols, .ncolumns = 2, .rows = no_rows};
    static const lg_virtual_rel bad = {
        .name = "pg_class", .columns = cols, .ncolumns = 2, .rows = no_rows};
    struct fixture f;
    lg_relation *r;
    setup(&f);
    LG_ASSERT_OK(lg_catalog_virtual_register(f.catalog, &gv));
    LG_ASSERT_OK(lg_cat_relation_by_name(f.cat, "pg_catalog", "gv$test", &r));
    CU_ASSERT_PTR_EQUAL(r->virtual_rel, &gv);
    CU_ASSERT_TRUE(r->oid < LG_OID_FIRST_NORMAL);
    CU_ASSERT_EQUAL(lg_catalog_virtual_register(f.catalog, &bad), LG_INVALID);
    teardown(&f);
}

LG_TEST(test_catalog__new_row_is_null_or_zero_by_not_null)
{
    lg_cat_row row;
    lg_cat_row_init(LG_REL_pg_class, &row);
    CU_ASSERT_EQUAL(row.natts, 33);
    CU_ASSERT_FALSE(LG_ROW_NULL(&row, LG_AT_pg_class_relname));
    CU_ASSERT_TRUE(LG_ROW_NULL(&row, LG_AT_pg_class_relacl));
    CU_ASSERT_EQUAL(lg_text_len(LG_ROW_GET(&row, LG_AT_pg_class_relname)), 0);
}
