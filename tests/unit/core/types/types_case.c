/* Runs cases: finds the function by name and exact argument types, reads the arguments with their
 * types' input functions, calls it, and writes the result with the output function. */
#include "types_case.h"
#include "array.h"
#include "func.h"
#include "lg_test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARGS 16

struct run {
    lg_arena *a;
    lg_error err;
    lg_env env;
    lg_oid types[MAX_ARGS];
    lg_datum args[MAX_ARGS];
    uint8_t nulls[MAX_ARGS];
    uint32_t n;
};

static lg_status
parse_args(struct run *r, const char *args)
{
    char *copy = lg_arena_strdup(r->a, args), *save = NULL;
    for (char *p = strtok_r(copy, "\x1f", &save); p; p = strtok_r(NULL, "\x1f", &save)) {
        char *colon = strchr(p, ':');
        if (colon)
            *colon = 0;
        const lg_type *t = lg_type_by_name(p);
        if (!t) {
            printf("no type %s\n", p);
            return LG_NOT_FOUND;
        }
        r->types[r->n] = t->oid;
        r->nulls[r->n] = !colon;
        if (colon)
            LG_TRY(lg_type_input(&r->env, t->oid, colon + 1, -1, r->a, &r->err, &r->args[r->n]));
        r->n++;
    }
    return LG_OK;
}

/* Does a declared argument type take the actual one? Polymorphic ones take what fits. */
static bool
takes(lg_oid declared, lg_oid actual)
{
    const lg_type *t = lg_type_get(actual);
    switch (declared) {
    case LG_T_ANY:
        return true;
    case LG_T_ANYELEMENT:
    case LG_T_ANYCOMPATIBLE:
        return t && !lg_type_is_array(t);
    case LG_T_ANYARRAY:
    case LG_T_ANYCOMPATIBLEARRAY:
        return t && lg_type_is_array(t);
    case LG_T_ANYNONARRAY:
    case LG_T_ANYCOMPATIBLENONARRAY:
        return t && !lg_type_is_array(t);
    default:
        return declared == actual || (declared == LG_T_TEXT && actual == LG_T_VARCHAR);
    }
}

static const lg_func *
find(struct run *r, const char *what)
{
    if (what[0] == ':' && what[1] == ':') {
        const lg_cast *k = lg_cast_find(r->types[0], lg_type_by_name(what + 2)->oid);
        return k ? lg_func_get(k->func) : NULL;
    }
    uint32_t n;
    const lg_operator *o = lg_operator_by_name(what, &n);
    for (int exact = 1; exact >= 0; exact--)
        for (uint32_t i = 0; i < n; i++) {
            lg_oid l = o[i].left, q = o[i].right;
            if (r->n == 1 && l == 0 && takes(q, r->types[0]))
                return lg_func_get(o[i].func);
            if (r->n == 2 && l &&
                (exact ? l == r->types[0] && q == r->types[1]
                       : takes(l, r->types[0]) && takes(q, r->types[1])))
                return lg_func_get(o[i].func);
        }
    const lg_func *f = lg_func_by_name(what, &n);
    for (uint32_t i = 0; i < n; i++) {
        bool ok = f[i].nargs == r->n || (f[i].variadic && r->n >= f[i].nargs);
        for (uint32_t k = 0; ok && k < f[i].nargs; k++)
            ok = takes(f[i].args[k], r->types[k]) || f[i].args[k] == LG_T_ANYELEMENT ||
                 (f[i].variadic && k == f[i].nargs - 1u);
        if (ok)
            return &f[i];
    }
    return NULL;
}

/* The result type of polymorphic functions, as the binder would resolve it. */
static lg_oid
result_type(struct run *r, const lg_func *f)
{
    if (f->result != LG_T_ANYELEMENT && f->result != LG_T_ANYARRAY &&
        f->result != LG_T_ANYCOMPATIBLE && f->result != LG_T_ANYCOMPATIBLEARRAY)
        return f->result;
    bool want_array = f->result == LG_T_ANYARRAY || f->result == LG_T_ANYCOMPATIBLEARRAY;
    for (uint32_t i = 0; i < f->nargs; i++) {
        bool poly = f->args[i] == LG_T_ANYARRAY || f->args[i] == LG_T_ANYELEMENT ||
                    f->args[i] == LG_T_ANYCOMPATIBLE || f->args[i] == LG_T_ANYCOMPATIBLEARRAY;
        const lg_type *t = lg_type_get(r->types[i]);
        if (!poly)
            continue;
        bool is_array = lg_type_is_array(t);
        return want_array == is_array ? t->oid : want_array ? t->array : t->elem;
    }
    return f->result;
}

static const char *
evaluate(struct run *r, const char *what)
{
    const lg_func *f = find(r, what);
    if (!f || !f->fn)
        return "(not found)";
    lg_call c;
    lg_call_init(&c, f, &r->env, &r->err, r->a, r->a);
    c.argtypes = r->types;
    c.args = r->args;
    c.nulls = r->nulls;
    c.nargs = r->n;
    if (what[0] == ':') { /* casts may want a typmod and "explicit" */
        c.nargs = f->nargs;
        r->args[1] = lg_datum_int4(-1);
        r->args[2] = 1;
    }
    c.rettype = result_type(r, f);
    lg_datum d = lg_func_call(&c);
    if (c.st != LG_OK)
        return NULL;
    if (c.isnull)
        return "NULL";
    const char *s;
    size_t n;
    if (lg_type_output(&r->env, c.rettype, d, r->a, &r->err, &s, &n) != LG_OK)
        return NULL;
    return lg_arena_strndup(r->a, s, n);
}

int
types_case_run(const types_case *t)
{
    struct run r = {0};
    r.a = lg_arena_create("case", 0);
    lg_error_init(&r.err, r.a);
    lg_env_init(&r.env);
    r.env.tzs = lg_tz_cache_create();
    const char *got = NULL;
    if (parse_args(&r, t->args) == LG_OK)
        got = evaluate(&r, t->what);
    if (!got)
        got = lg_arena_printf(r.a, "!%s %s", r.err.sqlstate, r.err.message ? r.err.message : "");
    int ok = strcmp(got, t->expected) == 0;
    if (!ok)
        printf("  %s(%s): got %s, PostgreSQL %s\n", t->what, t->args, got, t->expected);
    lg_tz_cache_destroy(r.env.tzs);
    lg_arena_destroy(r.a);
    return ok;
}

void
types_cases_run(const types_case *t, int n)
{
    for (int i = 0; i < n; i++)
        CU_ASSERT(types_case_run(&t[i]));
}

#define CASE(what, args, expected) {what, args, expected},
static const types_case cases[] = {
#include "cases.def"
};
#undef CASE

LG_TEST(test_types__agree_with_postgresql)
{
    types_cases_run(cases, (int)(sizeof cases / sizeof *cases));
}

/* Cases from a file, for runs against a live PostgreSQL: tests/unit/core/types/oracle.py. Lines of
 * what TAB args TAB expected, with \t \n \\ escaped. */
static void
unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (*s == '\\' && s[1]) {
            s++;
            *to++ = *s == 't' ? '\t' : *s == 'n' ? '\n' : *s;
        } else {
            *to++ = *s;
        }
    }
    *to = 0;
}

LG_TEST(test_types__cases_of_file_in_environment)
{
    const char *path = getenv("LG_TYPES_CASES");
    if (!path)
        return;
    FILE *f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    static char line[1 << 16];
    int total = 0, bad = 0;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *args = strchr(line, '\t');
        char *expected = args ? strchr(args + 1, '\t') : NULL;
        if (!expected)
            continue;
        *args++ = 0;
        *expected++ = 0;
        unescape(line);
        unescape(args);
        unescape(expected);
        int ok = types_case_run(&(types_case){line, args, expected});
        if (!ok)
            printf("  #%d\n", total);
        total++;
        bad += !ok;
    }
    fclose(f);
    printf("  %d cases, %d differ\n", total, bad);
    CU_ASSERT_EQUAL(bad, 0);
}
