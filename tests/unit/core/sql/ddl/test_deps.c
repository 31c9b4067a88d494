/* Per-object invalidation: a change spoils what was made from the object, and nothing else. */
#include "cat_type.h"
#include "catalog_admin.h"
#include "catalog_deps.h"
#include "lg_test.h"
#include "sql_memory.h"
#include <string.h>

struct watch {
    lg_cat_deps table, name, type, role, schema;
    lg_relation *rel;
};

static void
begin(lg_cat *c, lg_cat_deps *d)
{
    LG_ASSERT_OK(lg_cat_refresh(c));
    lg_cat_deps_begin(c, d);
}

static void
look(sqlm *m, struct watch *w)
{
    lg_cat *c = sqlm_cat(m);
    lg_oid oid;
    lg_arena *a = lg_arena_create("test", 512);
    lg_role role;
    lg_relation_unref(w->rel);
    begin(c, &w->table);
    LG_ASSERT_OK(lg_cat_relation_by_name(c, NULL, "t", &w->rel));
    lg_cat_deps_end(c);
    begin(c, &w->name);
    CU_ASSERT_EQUAL(lg_cat_relation_by_name(c, NULL, "absent", &(lg_relation *){NULL}),
                    LG_NOT_FOUND);
    lg_cat_deps_end(c);
    begin(c, &w->type);
    const lg_enum_type *e;
    LG_ASSERT_OK(lg_cat_type_by_name(c, NULL, "mood", &oid));
    LG_ASSERT_OK(lg_cat_enum_type(c, oid, &e));
    lg_cat_deps_end(c);
    begin(c, &w->role);
    LG_ASSERT_OK(lg_cat_role_by_name(c, "bob", a, &role));
    LG_ASSERT_OK(lg_cat_role_by_oid(c, role.oid, a, &role));
    lg_cat_deps_end(c);
    begin(c, &w->schema);
    LG_ASSERT_OK(lg_cat_namespace_by_name(c, "s", &oid));
    lg_cat_deps_end(c);
    lg_arena_destroy(a);
}

/* As the statement says, which of them are good after it: table, name, type, role, schema. */
static void
expect(sqlm *m, struct watch *w, const char *sql, const char *good)
{
    lg_cat *c = sqlm_cat(m);
    char got[6] = "";
    const char *said = sqlm_run(m, sql);
    CU_ASSERT_PTR_NULL(strstr(said, "ERROR"));
    LG_ASSERT_OK(lg_cat_refresh(c));
    lg_cat_deps *all[] = {&w->table, &w->name, &w->type, &w->role, &w->schema};
    for (int i = 0; i < 5; i++)
        got[i] = lg_cat_deps_good(c, all[i]) ? '1' : '0';
    CU_ASSERT_STRING_EQUAL(got, good);
    if (strcmp(got, good) != 0)
        printf("\n%s: %s, not %s\n", sql, got, good);
    CU_ASSERT(!w->rel->stale || good[0] == '0');
    if (strcmp(sql, "drop table t") != 0 && !strstr(sql, "table absent"))
        look(m, w);
}

static void
per_object(sqlm *m)
{
    struct watch w = {0};
    sqlm_run(m, "create table t (id int primary key, v int); create table u (id int primary key);"
                "create table big (id int primary key, r int references u);"
                "create type mood as enum ('a', 'b'); create role bob; create schema s");
    look(m, &w);
    expect(m, &w, "select 1", "11111");
    expect(m, &w, "alter table u add column x int", "11111");
    expect(m, &w, "create index u_x on u (x)", "11111");
    expect(m, &w, "analyze u", "11111");
    expect(m, &w, "grant select on u to bob", "11111");
    expect(m, &w, "create table other (id int)", "11111");
    expect(m, &w, "drop table other", "11111");
    expect(m, &w, "create role carol", "11111");
    expect(m, &w, "create schema s2", "11111");
    expect(m, &w, "create type colour as enum ('r')", "11111");
    expect(m, &w, "insert into t values (1, 1)", "11111");
    expect(m, &w, "analyze t", "01111");
    expect(m, &w, "grant select on t to bob", "01111");
    expect(m, &w, "create index t_v on t (v)", "01111");
    expect(m, &w, "alter table t add column w text", "01111");
    expect(m, &w, "alter table big add column q int references t", "01111");
    expect(m, &w, "truncate t cascade", "01111");
    expect(m, &w, "create table absent (id int)", "10111");
}

LG_TEST(test_deps__a_change_spoils_its_object_only)
{
    sqlm_with(per_object);
}

static void
names(sqlm *m)
{
    struct watch w = {0};
    sqlm_run(m, "create table t (id int primary key, v int);"
                "create type mood as enum ('a', 'b'); create role bob; create schema s");
    look(m, &w);
    expect(m, &w, "alter type mood add value 'c'", "11011");
    expect(m, &w, "alter role bob createdb", "11101");
    expect(m, &w, "create role dave; grant dave to bob", "11101");
    expect(m, &w, "grant usage on schema s to bob", "11110");
    expect(m, &w, "alter table t rename to t2; alter table t2 rename to t", "01111");
    expect(m, &w, "create table s.absent (id int)", "10111");
    expect(m, &w, "create schema lagoon", "00011"); /* "$user" of the path */
    expect(m, &w, "drop table t", "01111");
}

LG_TEST(test_deps__names_and_what_they_may_come_to_mean)
{
    sqlm_with(names);
}

/* More events than the ring's share of a transaction: everything goes. */
static void
many(sqlm *m)
{
    struct watch w = {0};
    char sql[16384] = "drop table ";
    sqlm_run(m, "create table t (id int primary key, v int);"
                "create type mood as enum ('a', 'b'); create role bob; create schema s");
    for (int i = 0; i < 150; i++) {
        char one[64];
        snprintf(one, sizeof one, "create table x%d (id int)", i);
        sqlm_run(m, one);
        snprintf(one, sizeof one, "%sx%d", i ? ", " : "", i);
        strcat(sql, one);
    }
    look(m, &w);
    expect(m, &w, sql, "00000");
}

LG_TEST(test_deps__a_large_change_drops_everything)
{
    sqlm_with(many);
}
