/* Parse: every statement of the first release comes through, with locations and errors. */
#include "lg_test.h"
#include "parse.h"
#include "run.h"
#include "strbuf.h"
#include <string.h>

static lg_arena *
arena(void)
{
    return lg_arena_create("test", 0);
}

static lg_status
parse(lg_arena *a, lg_error *e, const char *sql, lg_parse_tree **t)
{
    lg_error_init(e, a);
    return lg_parse_sql(NULL, sql, a, e, t);
}

LG_TEST(test_parse__statements_come_through)
{
    static const struct {
        const char *sql;
        lg_ast_tag tag;
    } all[] = {
        {"create table t (a int primary key, b text not null default 'x' check (b <> ''), c "
         "serial, "
         "foreign key (a) references u(x) on delete cascade)",
         LG_AST_CREATE_STMT},
        {"create table t (a int generated always as identity)", LG_AST_CREATE_STMT},
        {"drop table if exists t cascade", LG_AST_DROP_STMT},
        {"alter table t add column x int, drop column y", LG_AST_ALTER_TABLE_STMT},
        {"alter table t rename to u", LG_AST_RENAME_STMT},
        {"create unique index concurrently i on t (a desc nulls last, lower(b)) where a > 0",
         LG_AST_INDEX_STMT},
        {"create sequence s start 5", LG_AST_CREATE_SEQ_STMT},
        {"alter sequence s restart", LG_AST_ALTER_SEQ_STMT},
        {"create schema x", LG_AST_CREATE_SCHEMA_STMT},
        {"truncate t, u restart identity", LG_AST_TRUNCATE_STMT},
        {"insert into t values (1), (2) on conflict (a) do update set b = excluded.b returning *",
         LG_AST_INSERT_STMT},
        {"update t set a = 1 from u where t.x = u.x", LG_AST_UPDATE_STMT},
        {"delete from t using u where t.a = u.a", LG_AST_DELETE_STMT},
        {"with recursive c as (select 1 union all select 2) select * from c for update nowait",
         LG_AST_SELECT_STMT},
        {"values (1, 2)", LG_AST_SELECT_STMT},
        {"begin isolation level repeatable read", LG_AST_TRANSACTION_STMT},
        {"savepoint x", LG_AST_TRANSACTION_STMT},
        {"set search_path to a, b", LG_AST_VARIABLE_SET_STMT},
        {"show all", LG_AST_VARIABLE_SHOW_STMT},
        {"reset all", LG_AST_VARIABLE_SET_STMT},
        {"copy t (a) from stdin with (format csv)", LG_AST_COPY_STMT},
        {"explain (analyze, costs off) select 1", LG_AST_EXPLAIN_STMT},
        {"analyze t", LG_AST_VACUUM_STMT},
        {"vacuum full t", LG_AST_VACUUM_STMT},
        {"prepare p (int) as select $1", LG_AST_PREPARE_STMT},
        {"execute p (1)", LG_AST_EXECUTE_STMT},
        {"deallocate all", LG_AST_DEALLOCATE_STMT},
        {"declare c scroll cursor with hold for select 1", LG_AST_DECLARE_CURSOR_STMT},
        {"fetch all from c", LG_AST_FETCH_STMT},
        {"close c", LG_AST_CLOSE_PORTAL_STMT},
        {"lock table t in exclusive mode", LG_AST_LOCK_STMT},
        {"discard all", LG_AST_DISCARD_STMT},
        {"comment on table t is 'x'", LG_AST_COMMENT_STMT},
        {"create view v as select 1", LG_AST_VIEW_STMT},
        {"create table x as select 1", LG_AST_CREATE_TABLE_AS_STMT},
        {"create database d", LG_AST_CREATEDB_STMT},
        {"create role r login password 'x'", LG_AST_CREATE_ROLE_STMT},
        {"grant select on t to r", LG_AST_GRANT_STMT},
        {"do $$ begin end $$", LG_AST_DO_STMT},
        {"checkpoint", LG_AST_CHECK_POINT_STMT},
        {"listen x", LG_AST_LISTEN_STMT},
        {"notify x, 'y'", LG_AST_NOTIFY_STMT},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        lg_arena *a = arena();
        lg_error e;
        lg_parse_tree *t = NULL;
        CU_ASSERT_EQUAL(parse(a, &e, all[i].sql, &t), LG_OK);
        if (!t || t->n != 1 || t->stmts[0].stmt->tag != all[i].tag)
            CU_FAIL("wrong tree");
        lg_arena_destroy(a);
    }
}

LG_TEST(test_parse__fields_and_literals)
{
    lg_arena *a = arena();
    lg_error e;
    lg_parse_tree *t;
    LG_ASSERT_OK(parse(a, &e, "select 0, '', 3000000000, null, true, a.b from s.x as y(c)", &t));
    const lg_ast_select_stmt *s = lg_ast_as(t->stmts[0].stmt, select_stmt);
    CU_ASSERT_EQUAL_FATAL(s->target_list.n, 6);
    const lg_ast *v[6];
    for (int i = 0; i < 6; i++)
        v[i] = lg_ast_as(s->target_list.at[i], res_target)->val;
    CU_ASSERT_EQUAL(v[0]->tag, LG_AST_INTEGER);
    CU_ASSERT_EQUAL(v[1]->tag, LG_AST_STRING);
    CU_ASSERT_STRING_EQUAL(lg_ast_str(v[1]), "");
    CU_ASSERT_EQUAL(v[2]->tag, LG_AST_FLOAT);
    CU_ASSERT_EQUAL(v[3]->tag, LG_AST_NULL);
    CU_ASSERT_EQUAL(v[4]->tag, LG_AST_BOOLEAN);
    CU_ASSERT_EQUAL(v[4]->loc, 32);
    const lg_ast_column_ref *c = lg_ast_as(v[5], column_ref);
    CU_ASSERT_STRING_EQUAL(lg_ast_list_str(&c->fields, 1), "b");
    const lg_ast_range_var *r = lg_ast_as(s->from_clause.at[0], range_var);
    CU_ASSERT_STRING_EQUAL(r->schemaname, "s");
    CU_ASSERT_STRING_EQUAL(r->alias->aliasname, "y");
    CU_ASSERT_PTR_NULL(r->catalogname);
    CU_ASSERT_EQUAL(s->op, LG_A_SETOP_NONE);
    lg_arena_destroy(a);
}

LG_TEST(test_parse__several_statements_keep_their_text)
{
    lg_arena *a = arena();
    lg_error e;
    lg_parse_tree *t;
    const char *sql = " select 1 ; /* x */ ;; begin;\n commit";
    LG_ASSERT_OK(parse(a, &e, sql, &t));
    CU_ASSERT_EQUAL_FATAL(t->n, 3);
    CU_ASSERT_EQUAL(strncmp(sql + t->stmts[0].loc, "select 1", (size_t)t->stmts[0].len), 0);
    CU_ASSERT_EQUAL(t->stmts[0].len, 8);
    CU_ASSERT_EQUAL(strncmp(sql + t->stmts[2].loc, "commit", (size_t)t->stmts[2].len), 0);
    LG_ASSERT_OK(parse(a, &e, " -- nothing\n;;", &t));
    CU_ASSERT_EQUAL(t->n, 0);
    lg_arena_destroy(a);
}

LG_TEST(test_parse__syntax_error_has_position)
{
    lg_arena *a = arena();
    lg_error e;
    lg_parse_tree *t;
    CU_ASSERT_EQUAL(parse(a, &e, "select '\xc3\xa4' frm t t t", &t), LG_SQL);
    CU_ASSERT_STRING_EQUAL(e.sqlstate, "42601");
    CU_ASSERT_STRING_EQUAL(e.message, "syntax error at or near \"t\"");
    CU_ASSERT_EQUAL(e.position, 16);
    lg_arena_destroy(a);
}

LG_TEST(test_parse__hostile_depth_is_refused)
{
    lg_arena *a = arena();
    lg_error e;
    lg_parse_tree *t;
    size_t n = 60000;
    char *sql = lg_arena_alloc(a, 2 * n + 20);
    strcpy(sql, "select 1");
    for (size_t i = 0; i < n; i++)
        strcpy(sql + 8 + 2 * i, "+1");
    CU_ASSERT_EQUAL(parse(a, &e, sql, &t), LG_SQL);
    CU_ASSERT_STRING_EQUAL(e.sqlstate, "54001");
    memset(sql + 7, '(', n);
    sql[7 + n] = 0;
    CU_ASSERT_EQUAL(parse(a, &e, sql, &t), LG_SQL);
    CU_ASSERT_STRING_EQUAL(e.sqlstate, "54001");
    /* long but flat is fine */
    strcpy(sql, "select 1");
    for (size_t i = 0; i < n; i++)
        strcpy(sql + 8 + 2 * i, ",1");
    LG_ASSERT_OK(parse(a, &e, sql, &t));
    lg_arena_destroy(a);
}

/* Within the bound the parser's stack holds, in every recursion. */
LG_TEST(test_parse__what_is_not_refused_fits_the_stack)
{
    static const struct {
        const char *head, *part, *tail, *close;
    } shapes[] = {
        {"select ", "1+", "1", ""},      {"select ", "- ", "1", ""},
        {"select ", "f(", "1", ")"},     {"select ", "(select ", "1", ")"},
        {"select ", "not ", "true", ""}, {"select 1", "::text", "", ""},
    };
    const int n = 5000;
    LG_ASSERT_OK(lg_run_native_stack_raise());
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        lg_arena *a = arena();
        lg_error e;
        lg_parse_tree *t;
        lg_error_init(&e, a);
        lg_strbuf b;
        lg_strbuf_init(&b, 1 << 20);
        lg_strbuf_puts(&b, shapes[i].head);
        for (int k = 0; k < n; k++)
            lg_strbuf_puts(&b, shapes[i].part);
        lg_strbuf_puts(&b, shapes[i].tail);
        for (int k = 0; k < n; k++)
            lg_strbuf_puts(&b, shapes[i].close);
        lg_status st = parse(a, &e, b.data, &t);
        CU_ASSERT_TRUE(st == LG_OK || st == LG_SQL);
        lg_strbuf_fini(&b);
        lg_arena_destroy(a);
    }
}

LG_TEST(test_parse__stored_expressions_and_types)
{
    lg_arena *a = arena();
    lg_error e;
    lg_error_init(&e, a);
    lg_ast *x;
    LG_ASSERT_OK(lg_parse_expr(NULL, "a > 0 AND b", a, &e, &x));
    CU_ASSERT_EQUAL(x->tag, LG_AST_BOOL_EXPR);
    lg_ast_type_name *ty;
    LG_ASSERT_OK(lg_parse_type(NULL, "numeric(10,2)[]", a, &e, &ty));
    CU_ASSERT_EQUAL(ty->typmods.n, 2);
    CU_ASSERT_EQUAL(ty->array_bounds.n, 1);
    CU_ASSERT_EQUAL(lg_parse_expr(NULL, "1, 2", a, &e, &x), LG_OK); /* a row */
    CU_ASSERT_EQUAL(lg_parse_expr(NULL, "1) from (t", a, &e, &x), LG_SQL);
    lg_arena_destroy(a);
}

LG_TEST(test_parse__normalize_lifts_constants)
{
    lg_arena *a = arena();
    const char *text;
    lg_parse_const *c;
    uint32_t n;
    LG_ASSERT_OK(lg_parse_normalize(
        NULL, "SELECT  \"A\" FROM T /* c */ WHERE x=5 AND y = 'q' and $1", a, &text, &c, &n));
    CU_ASSERT_STRING_EQUAL(text, "select \"A\" from t where x=$2 and y = $3 and $1");
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT_EQUAL(c[1].param, 3);
    lg_arena_destroy(a);
}

static const char *
shape_of(const char *sql, lg_parse_shape_const *consts, uint32_t *ret_n)
{
    static char out[256];
    size_t len;
    if (!lg_parse_shape(sql, strlen(sql), out, sizeof out - 1, &len, consts, ret_n))
        return NULL;
    out[len] = 0;
    return out;
}

LG_TEST(test_parse__shape_lifts_constants_with_their_types)
{
    lg_parse_shape_const c[LG_PARSE_SHAPE_CONSTS];
    uint32_t n;
    CU_ASSERT_STRING_EQUAL(
        shape_of(" SELECT \"A\"\"b\",x2 FROM T\n WHERE x=5 AND y = 'it''s' or z< 3000000000 ; ", c,
                 &n),
        "select \"A\"\"b\",x2 from t where x=$1 and y= $2 or z< $3");
    CU_ASSERT_EQUAL_FATAL(n, 3);
    CU_ASSERT_EQUAL(c[0].kind, LG_PARSE_SHAPE_INT4);
    CU_ASSERT_EQUAL(c[0].len, 1);
    CU_ASSERT_EQUAL(c[1].kind, LG_PARSE_SHAPE_STRING);
    CU_ASSERT_EQUAL(c[1].len, 7);
    CU_ASSERT_EQUAL(c[2].kind, LG_PARSE_SHAPE_INT8);
    CU_ASSERT_STRING_EQUAL(shape_of("select 1.50, 2., 7", c, &n), "select $1, $2, $3");
    CU_ASSERT_EQUAL(c[0].kind, LG_PARSE_SHAPE_NUMERIC);
    CU_ASSERT_EQUAL(c[1].kind, LG_PARSE_SHAPE_NUMERIC);
    CU_ASSERT_STRING_EQUAL(shape_of("select a < -1", c, &n), "select a< -$1");
    CU_ASSERT_STRING_EQUAL(shape_of("select a <-1", c, &n), "select a<-$1");
    CU_ASSERT_STRING_EQUAL(shape_of("end", c, &n), "end");
    CU_ASSERT_EQUAL(n, 0);
}

LG_TEST(test_parse__shape_declines_what_it_is_not_sure_of)
{
    static const char *const texts[] = {
        "",
        ";",
        "select 1; select 2",
        "select 1 -- c",
        "select /* c */ 1",
        "select 'a\\b'",
        "select E'a'",
        "select b'1'",
        "select U&'a'",
        "select U&\"a\"",
        "select $$a$$",
        "select $1",
        "select a$1",
        "select 'a'\n'b'",
        "select 'a",
        "select \"a",
        "select 1e5",
        "select 1a",
        "select 0x1f",
        "select .5",
        "select 1.2.3",
        "select -2147483648",
        "select -9223372036854775808",
        "select 12345678901234567890",
        "select \xc3\xa4",
        "select a\xc3\xa4",
        "select a\001b",
    };
    lg_parse_shape_const c[LG_PARSE_SHAPE_CONSTS];
    uint32_t n;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (shape_of(texts[i], c, &n)) {
            printf("taken: %s\n", texts[i]);
            CU_FAIL("taken");
        }
    /* Bytes above 127 are fine where they are quoted. */
    CU_ASSERT_PTR_NOT_NULL(shape_of("select '\xc3\xa4', \"\xc3\xa4\"", c, &n));
    /* No room, too many. */
    char out[8], many[600] = "select 1";
    size_t len;
    CU_ASSERT_FALSE(lg_parse_shape("select 1", 8, out, sizeof out, &len, c, &n));
    for (int i = 0; i < LG_PARSE_SHAPE_CONSTS; i++)
        strcat(many, ",1");
    char wide[1024];
    CU_ASSERT_FALSE(lg_parse_shape(many, strlen(many), wide, sizeof wide, &len, c, &n));
}

/* What the shape says is what the grammar reads: the same tokens, the constants apart. */
LG_TEST(test_parse__shape_agrees_with_normalize)
{
    static const char *const texts[] = {
        "select a.b, c*2-3, -4 from t as x where (d=5 or e like 'q%') and f<>'' limit 10",
        "insert into t(a,b) values (1, 'x'), (2.5, 'y''z')",
        "update t set a = a + -17 where b >= 3000000000 and c[2]::text = 'k'",
        "delete from \"T\" where not a in (1,2,3)",
    };
    lg_arena *a = arena();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        lg_parse_shape_const c[LG_PARSE_SHAPE_CONSTS];
        lg_parse_const *want;
        const char *text;
        uint32_t n, nwant;
        CU_ASSERT_PTR_NOT_NULL_FATAL(shape_of(texts[i], c, &n));
        LG_ASSERT_OK(lg_parse_normalize(NULL, texts[i], a, &text, &want, &nwant));
        CU_ASSERT_EQUAL_FATAL(n, nwant);
        for (uint32_t k = 0; k < n; k++) {
            CU_ASSERT_EQUAL(c[k].loc, (uint32_t)want[k].loc);
            CU_ASSERT_EQUAL(c[k].len, (uint32_t)want[k].len);
        }
    }
    lg_arena_destroy(a);
}
