/* Expressions over a batch without tables: vectors, rows and filters agree. */
#include "eval.h"
#include "lg_test.h"
#include <string.h>

static lg_env env;
static lg_error err;
static lg_exec_session es;

static lg_exec *
begin(lg_vector *v, lg_vector **cols, lg_ectx *c)
{
    lg_exec *x;
    lg_env_init(&env);
    es = (lg_exec_session){.env = &env, .err = &err};
    LG_ASSERT_OK(lg_exec_bare(&es, 8, &x));
    lg_error_init(&err, x->arena);
    lg_vector_init(v, x->arena, LG_T_INT4, LG_BATCH);
    for (uint32_t i = 0; i < 100; i++)
        lg_vector_set(v, i, lg_datum_int4((int32_t)i), i % 10 == 3);
    cols[0] = v;
    *c = (lg_ectx){.x = x, .cols = cols, .cap = LG_BATCH, .arena = x->arena};
    return x;
}

static lg_expr *
call(lg_arena *a, const char *name, lg_expr *l, lg_expr *r, uint32_t id)
{
    uint32_t n;
    lg_expr *args[2] = {l, r};
    const lg_func *f = lg_func_by_name(name, &n);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    lg_expr *e = lg_expr_call(a, f, NULL, 2, args);
    e->id = id;
    return e;
}

static lg_expr *
slot(lg_arena *a)
{
    lg_expr *e = lg_expr_new(a, LG_EX_SLOT, LG_T_INT4, 0);
    e->slot = 0;
    return e;
}

LG_TEST(test_eval__vector_and_row_agree)
{
    lg_vector v, *cols[1], *r;
    lg_ectx c;
    lg_exec *x = begin(&v, cols, &c);
    lg_expr *two = lg_expr_const(x->arena, LG_T_INT4, lg_datum_int4(2), false);
    lg_expr *e = call(x->arena, "int4mul", slot(x->arena), two, 1);
    LG_ASSERT_OK(lg_xexpr_vector(&c, e, NULL, 100, &r));
    for (uint32_t i = 0; i < 100; i++) {
        lg_datum d;
        bool null;
        c.row = i;
        LG_ASSERT_OK(lg_xexpr_eval(&c, e, &d, &null));
        CU_ASSERT_EQUAL(null, i % 10 == 3);
        CU_ASSERT_EQUAL(null, lg_vector_is_null(r, i));
        if (!null)
            CU_ASSERT(d == lg_vector_value(r, i) && lg_int4(d) == (int32_t)i * 2);
    }
    lg_exec_close(x);
}

LG_TEST(test_eval__filter_drops_null_and_false)
{
    lg_vector v, *cols[1];
    lg_ectx c;
    uint16_t out[LG_BATCH];
    uint32_t n;
    lg_exec *x = begin(&v, cols, &c);
    lg_expr *k = lg_expr_const(x->arena, LG_T_INT4, lg_datum_int4(50), false);
    LG_ASSERT_OK(
        lg_xexpr_filter(&c, call(x->arena, "int4lt", slot(x->arena), k, 2), NULL, 100, out, &n));
    CU_ASSERT_EQUAL(n, 45);
    for (uint32_t i = 0; i < n; i++)
        CU_ASSERT(out[i] < 50 && out[i] % 10 != 3);
    lg_exec_close(x);
}

LG_TEST(test_eval__an_error_is_the_sessions)
{
    lg_vector v, *cols[1], *r;
    lg_ectx c;
    lg_exec *x = begin(&v, cols, &c);
    lg_expr *zero = lg_expr_const(x->arena, LG_T_INT4, lg_datum_int4(0), false);
    CU_ASSERT_EQUAL(
        lg_xexpr_vector(&c, call(x->arena, "int4div", slot(x->arena), zero, 3), NULL, 100, &r),
        LG_SQL);
    CU_ASSERT_STRING_EQUAL(err.sqlstate, "22012");
    lg_exec_close(x);
}
