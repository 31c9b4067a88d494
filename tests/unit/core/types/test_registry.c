/* The registries agree with themselves; vectors agree with rows. */
#include "func.h"
#include "lg_test.h"

LG_TEST(test_registry__functions_are_found_by_oid_and_name)
{
    for (uint32_t i = 0; i < lg_func_count(); i++) {
        const lg_func *f = lg_func_at(i);
        uint32_t n;
        const lg_func *same = lg_func_by_name(f->name, &n);
        CU_ASSERT_PTR_EQUAL(lg_func_get(f->oid), f);
        CU_ASSERT_EQUAL(f->index, i);
        CU_ASSERT(same <= f && f < same + n);
        CU_ASSERT(f->fn || f->srf || f->kind == 'a' || f->kind == 'w' || (f->flags & LG_FUNC_EXT));
    }
    CU_ASSERT_PTR_NULL(lg_func_get(0));
    CU_ASSERT_PTR_NULL(lg_func_get(999999));
}

LG_TEST(test_registry__operators_name_functions_that_exist)
{
    for (uint32_t i = 0; i < lg_operator_count(); i++) {
        const lg_operator *o = lg_operator_at(i);
        CU_ASSERT_PTR_EQUAL(lg_operator_get(o->oid), o);
        CU_ASSERT_PTR_NOT_NULL(lg_func_get(o->func));
        CU_ASSERT_PTR_EQUAL(lg_operator_find(o->name, o->left, o->right), o);
    }
    CU_ASSERT_EQUAL(lg_operator_find("+", LG_T_INT4, LG_T_INT4)->oid, 551);
    CU_ASSERT_EQUAL(lg_type_eq_operator(LG_T_INT4), 96);
    CU_ASSERT_EQUAL(lg_type_lt_operator(LG_T_VARCHAR), 664);
    CU_ASSERT_EQUAL(lg_cast_find(LG_T_INT4, LG_T_INT8)->context, 'i');
    CU_ASSERT_PTR_NULL(lg_cast_find(LG_T_BOOL, LG_T_INT8));
}

static void
fill(lg_vector *x, lg_arena *a, lg_oid type, uint32_t n, int64_t (*f)(uint32_t))
{
    lg_vector_init(x, a, type, n);
    for (uint32_t i = 0; i < n; i++)
        lg_vector_set(x, i, lg_datum_int8(f(i)), i % 7 == 3);
}

static int64_t
small(uint32_t i)
{
    return (int64_t)i * 37 % 101 - 50;
}
static int64_t
other(uint32_t i)
{
    return (int64_t)i * 53 % 97 - 40;
}

/* Every function of two int4s (or int8s) that has a kernel, against its scalar self. */
LG_TEST(test_kernels__agree_with_scalar_calls)
{
    lg_arena *a = lg_arena_create("t", 0);
    lg_env env;
    lg_error err;
    lg_env_init(&env);
    lg_error_init(&err, a);
    uint16_t sel[100];
    for (uint16_t i = 0; i < 100; i++)
        sel[i] = (uint16_t)(i * 3);
    for (uint32_t i = 0; i < lg_func_count(); i++) {
        const lg_func *f = lg_func_at(i);
        bool ints = f->nargs == 2 && (f->args[0] == LG_T_INT4 || f->args[0] == LG_T_INT8) &&
                    f->args[0] == f->args[1];
        if (!f->kernel || !ints)
            continue;
        lg_vector x, y, r;
        fill(&x, a, f->args[0], 300, small);
        fill(&y, a, f->args[1], 300, other);
        for (int mode = 0; mode < 4; mode++) {
            const uint16_t *s = mode & 1 ? sel : NULL;
            uint32_t n = s ? 100 : 300;
            y.constant = mode & 2;
            lg_vector_init(&r, a, f->result, 300);
            lg_call c;
            lg_call_init(&c, f, &env, &err, a, a);
            LG_ASSERT_OK(lg_func_call_vector(&c, (const lg_vector *[]){&x, &y}, 2, s, n, &r));
            for (uint32_t k = 0; k < n; k++) {
                uint32_t row = lg_sel_row(s, k);
                lg_datum args[2] = {x.v[row], lg_vector_value(&y, row)};
                uint8_t nulls[2] = {x.null[row], lg_vector_is_null(&y, row)};
                c.args = args;
                c.nulls = nulls;
                lg_datum want = lg_func_call(&c);
                CU_ASSERT_EQUAL(lg_vector_is_null(&r, row), c.isnull);
                if (!c.isnull)
                    CU_ASSERT_EQUAL(lg_vector_value(&r, row), want);
            }
        }
        y.constant = false;
    }
    lg_arena_destroy(a);
}

LG_TEST(test_kernels__overflow_is_an_error_only_where_not_null)
{
    lg_arena *a = lg_arena_create("t", 0);
    lg_env env;
    lg_error err;
    lg_env_init(&env);
    lg_error_init(&err, a);
    lg_vector x, y, r;
    lg_vector_init(&x, a, LG_T_INT4, 2);
    lg_vector_init(&y, a, LG_T_INT4, 2);
    lg_vector_init(&r, a, LG_T_INT4, 2);
    lg_vector_set(&x, 0, lg_datum_int4(1), false);
    lg_vector_set(&x, 1, lg_datum_int4(INT32_MAX), true);
    lg_vector_set(&y, 0, lg_datum_int4(1), false);
    lg_vector_set(&y, 1, lg_datum_int4(1), false);
    lg_call c;
    lg_call_init(&c, lg_func_get(177), &env, &err, a, a); /* int4pl */
    const lg_vector *args[] = {&x, &y};
    LG_ASSERT_OK(lg_func_call_vector(&c, args, 2, NULL, 2, &r));
    CU_ASSERT_EQUAL(r.v[0], lg_datum_int4(2));
    CU_ASSERT(lg_vector_is_null(&r, 1));
    x.null[1] = 0;
    CU_ASSERT_EQUAL(lg_func_call_vector(&c, args, 2, NULL, 2, &r), LG_SQL);
    CU_ASSERT_STRING_EQUAL(err.message, "integer out of range");
    CU_ASSERT_STRING_EQUAL(err.sqlstate, "22003");
    lg_arena_destroy(a);
}

LG_TEST(test_aggregates__sum_avg_count_of_a_vector)
{
    lg_arena *a = lg_arena_create("t", 0);
    lg_env env;
    lg_error err;
    lg_env_init(&env);
    lg_error_init(&err, a);
    lg_vector x;
    fill(&x, a, LG_T_INT4, 300, small);
    static const struct {
        lg_oid agg;
        const char *want;
    } cases[] = {{2803, "300"},
                 {2147, "257"},
                 {2108, "10"},
                 {2101, "0.03891050583657587549"},
                 {2116, "50"},
                 {2132, "-50"},
                 {2155, "29.2105510485229593"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lg_agg *g = lg_agg_get(cases[i].agg);
        void *s = lg_arena_zalloc(a, g->state_size), *s2 = lg_arena_zalloc(a, g->state_size);
        lg_call c;
        lg_call_init(&c, lg_func_get(g->func), &env, &err, a, a);
        c.argtypes = (const lg_oid[]){LG_T_INT4};
        const lg_vector *args[] = {&x};
        uint16_t rest[200];
        for (uint16_t k = 0; k < 200; k++)
            rest[k] = (uint16_t)(100 + k);
        LG_ASSERT_OK(lg_agg_step_vector(&c, g, s, args, c.nargs, NULL, 100));
        LG_ASSERT_OK(lg_agg_step_vector(&c, g, s2, args, c.nargs, rest, 200));
        g->merge(&c, s, s2);
        lg_datum d = g->final(&c, s);
        const char *out;
        size_t n;
        LG_ASSERT_OK(lg_type_output(&env, c.func->result, d, a, &err, &out, &n));
        if (strcmp(out, cases[i].want) != 0)
            printf("  aggregate %u: %s, expected %s\n", cases[i].agg, out, cases[i].want);
        CU_ASSERT_STRING_EQUAL(out, cases[i].want);
    }
    lg_arena_destroy(a);
}
