/* What core/types asks about types that users made (lg_env.user), and the checks of domains.
 *
 * A domain's checks are bound once per session and kept in es->domains until the dictionary
 * changes. */
#include "cat_collation.h"
#include "cat_type.h"
#include "array.h"
#include "eval_internal.h"
#include "map.h"
#include <string.h>

static lg_exec_session *
session_of(const lg_env *env)
{
    return env->session;
}

static lg_status
enum_type(const lg_env *env, lg_oid type, lg_arena *a, const lg_enum_type **ret)
{
    (void)a;
    return lg_cat_enum_type(session_of(env)->cat, type, ret);
}

static lg_status
row_type(const lg_env *env, lg_oid type, lg_arena *a, const lg_row_type **ret)
{
    (void)a;
    return lg_cat_row_type(session_of(env)->cat, type, ret);
}

static lg_status
domain_type(const lg_env *env, lg_oid type, lg_arena *a, const lg_domain_type **ret)
{
    const lg_cat_domain *d;
    (void)a;
    LG_TRY(lg_cat_domain_type(session_of(env)->cat, type, &d));
    *ret = &d->type;
    return LG_OK;
}

static const char *
type_name(const lg_env *env, lg_oid type, lg_arena *a)
{
    const char *schema, *name;
    bool visible;
    if (lg_cat_type_names(session_of(env)->cat, type, a, &schema, &name, &visible) != LG_OK)
        return NULL;
    name = lg_quote_ident(a, name);
    return visible ? name : lg_arena_printf(a, "%s.%s", lg_quote_ident(a, schema), name);
}

static const char *
collation_name(const lg_env *env, lg_oid collation, lg_arena *a)
{
    lg_cat *cat = session_of(env)->cat;
    lg_cat_collation k;
    bool visible;
    if (lg_cat_collation_by_oid(cat, collation, a, &k) != LG_OK ||
        lg_cat_collation_visible(cat, &k, a, &visible) != LG_OK)
        return NULL;
    const char *name = lg_quote_ident(a, k.name);
    return visible ? name : lg_arena_printf(a, "%s.%s", lg_quote_ident(a, k.schema), name);
}

/* ---- domains ---- */

struct check {
    const char *name;
    lg_expr *expr;
};

struct compiled {
    uint64_t generation;
    lg_arena *arena;
    lg_bind bind;
    lg_exec *x;
    lg_oid oid;
    const char *name, *schema; /* of the domain */
    bool not_null;
    uint32_t n;
    struct check *checks;
};

static void
compiled_free(struct compiled *d)
{
    if (d->x)
        lg_exec_close(d->x);
    lg_bind_fini(&d->bind);
    lg_arena_destroy(d->arena);
    lg_free(d);
}

void
lg_xdomains_fini(lg_exec_session *es)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    if (!es->domains)
        return;
    while (lg_map_next(es->domains, &pos, &key, &v))
        compiled_free(v);
    lg_map_destroy(es->domains);
    es->domains = NULL;
}

static lg_status
compile(lg_exec_session *es, const lg_cat_domain *desc, struct compiled *d)
{
    uint32_t ids = 0;
    d->arena = lg_arena_create("domain", 0);
    d->generation = lg_cat_generation(es->cat);
    d->oid = desc->type.oid;
    d->name = lg_arena_strdup(d->arena, desc->type.name);
    bool visible;
    const char *name;
    LG_TRY(lg_cat_type_names(es->cat, desc->type.oid, d->arena, &d->schema, &name, &visible));
    d->not_null = desc->not_null;
    d->n = desc->nchecks;
    d->checks = LG_NEWN(d->arena, struct check, desc->nchecks + 1);
    lg_bind_init(&d->bind, es->cat, es->run, d->arena, es->env, es->err, NULL);
    d->bind.value_type = desc->type.base;
    d->bind.value_typmod = desc->type.typmod;
    for (uint32_t i = 0; i < desc->nchecks; i++) {
        lg_expr *e;
        uint32_t n;
        d->checks[i].name = lg_arena_strdup(d->arena, desc->checks[i].name);
        LG_TRY(lg_bind_expr_text(&d->bind, lg_arena_strdup(d->arena, desc->checks[i].sql),
                                 LG_PLACE_CHECK, NULL, LG_T_BOOL, -1, &e));
        LG_TRY(lg_plan_expr(&d->bind, e, &d->checks[i].expr, &n));
        ids = n > ids ? n : ids;
    }
    return lg_exec_bare(es, ids + 1, &d->x);
}

static lg_status
compiled_domain(lg_exec_session *es, lg_oid domain, struct compiled **ret)
{
    const lg_cat_domain *desc;
    if (!es->domains)
        es->domains = lg_map_create();
    struct compiled *d = lg_map_get(es->domains, domain);
    if (d && d->generation == lg_cat_generation(es->cat)) {
        *ret = d;
        return LG_OK;
    }
    lg_status st = lg_cat_domain_type(es->cat, domain, &desc);
    if (st == LG_NOT_FOUND)
        return lg_error_set(es->err, "XX000", "cache lookup failed for type %u", domain);
    LG_TRY(st);
    struct compiled *fresh = lg_zalloc(sizeof *fresh);
    st = compile(es, desc, fresh);
    if (st != LG_OK) {
        compiled_free(fresh);
        return st;
    }
    d = lg_map_remove(es->domains, domain);
    if (d)
        compiled_free(d);
    lg_map_put(es->domains, domain, fresh);
    *ret = fresh;
    return LG_OK;
}

static lg_status
check_value(lg_exec_session *es, const struct compiled *d, lg_datum value, bool isnull, lg_arena *a)
{
    if (isnull && d->not_null) {
        lg_error_set(es->err, "23502", "domain %s does not allow null values",
                     lg_type_name(es->env, d->oid, -1, a));
        es->err->schema = lg_arena_strdup(es->err->arena, d->schema);
        es->err->datatype = lg_arena_strdup(es->err->arena, d->name);
        return LG_SQL;
    }
    lg_ectx c = {.x = d->x, .arena = a, .cap = 1, .value = value, .value_null = isnull};
    for (uint32_t i = 0; i < d->n; i++) {
        lg_datum ok;
        bool null;
        LG_TRY(lg_xexpr_eval(&c, d->checks[i].expr, &ok, &null));
        if (null || lg_bool(ok))
            continue;
        lg_error_set(es->err, "23514", "value for domain %s violates check constraint \"%s\"",
                     lg_type_name(es->env, d->oid, -1, a), d->checks[i].name);
        es->err->schema = lg_arena_strdup(es->err->arena, d->schema);
        es->err->datatype = lg_arena_strdup(es->err->arena, d->name);
        es->err->constraint = lg_arena_strdup(es->err->arena, d->checks[i].name);
        return LG_SQL;
    }
    return LG_OK;
}

lg_status
lg_xdomain_check(lg_exec_session *es, lg_oid domain, lg_datum value, bool isnull, lg_arena *a)
{
    struct compiled *d = NULL;
    bool array = lg_usertype_of(domain) == LG_UT_DOMAIN_ARRAY;
    LG_TRY(compiled_domain(es, array ? lg_type_elem(domain) : domain, &d));
    if (!array)
        return check_value(es, d, value, isnull, a);
    if (isnull)
        return LG_OK;
    lg_array x;
    lg_array_unpack(value, a, &x);
    for (uint32_t i = 0; i < x.n; i++)
        LG_TRY(check_value(es, d, x.values[i], x.nulls[i], a));
    return LG_OK;
}

static lg_status
domain_check(const lg_env *env, lg_oid domain, lg_datum value, bool isnull, lg_arena *a,
             lg_error *err)
{
    lg_exec_session *es = session_of(env);
    lg_error *was = es->err;
    es->err = err;
    lg_status st = lg_xdomain_check(es, domain, value, isnull, a);
    es->err = was;
    return st;
}

const lg_usertypes lg_exec_usertypes = {.enum_type = enum_type,
                                        .row_type = row_type,
                                        .domain_type = domain_type,
                                        .domain_check = domain_check,
                                        .type_name = type_name,
                                        .collation_name = collation_name};
