/* Bind on the real catalog. Apart, so that tests with a catalog of their own link without it. */
#include "acl.h"
#include "bind.h"
#include "cat_collation.h"
#include "cat_proc.h"

static lg_status
cat_by_name(void *arg, const char *schema, const char *name, lg_relation **ret)
{
    return lg_cat_relation_by_name((lg_cat *)arg, schema, name, ret);
}

static lg_status
cat_by_oid(void *arg, lg_oid oid, lg_relation **ret)
{
    return lg_cat_relation_by_oid((lg_cat *)arg, oid, ret);
}

static lg_status
cat_lock(void *arg, lg_oid rel, lg_lockmode mode, bool nowait)
{
    return lg_cat_lock((lg_cat *)arg, rel, mode, nowait);
}

static lg_status
cat_type(void *arg, const char *schema, const char *name, lg_oid *ret)
{
    return lg_cat_type_by_name((lg_cat *)arg, schema, name, ret);
}

static lg_status
cat_namespace(void *arg, const char *name, lg_oid *ret)
{
    return lg_cat_namespace_by_name((lg_cat *)arg, name, ret);
}

static lg_status
cat_visible(void *arg, lg_oid oid, bool *ret)
{
    return lg_cat_relation_visible((lg_cat *)arg, oid, ret);
}

static lg_status
cat_relation_mask(void *arg, lg_oid as, const lg_relation *rel, uint32_t want, uint32_t *ret)
{
    lg_cat *c = arg;
    return lg_cat_relation_mask(c, as ? as : lg_cat_user(c), rel, want, ret);
}

static lg_status
cat_column_mask(void *arg, lg_oid as, const lg_relation *rel, const lg_column *col, uint32_t want,
                uint32_t *ret)
{
    lg_cat *c = arg;
    *ret = 0;
    return col->acl ? lg_cat_acl_mask(c, as ? as : lg_cat_user(c), LG_ACL_COLUMN, rel->owner,
                                      col->acl, want, ret)
                    : LG_OK;
}

static lg_status
cat_schema_usable(void *arg, const char *schema, bool *ret)
{
    lg_cat *c = arg;
    lg_oid nsp;
    uint32_t have;
    *ret = true;
    if (lg_cat_user(c) == LG_ROLE_BOOTSTRAP)
        return LG_OK;
    lg_status st = lg_cat_namespace_by_name(c, schema, &nsp);
    if (st == LG_NOT_FOUND) /* told elsewhere */
        return LG_OK;
    LG_TRY(st);
    LG_TRY(lg_cat_namespace_mask(c, lg_cat_user(c), nsp, LG_ACL_USAGE, &have));
    *ret = have != 0;
    return LG_OK;
}

static lg_status
cat_procs(void *arg, const char *schema, const char *name, lg_arena *a, lg_proc ***ret,
          uint32_t *ret_n, uint32_t *ret_catalog)
{
    lg_cat *c = arg;
    const lg_oid *path;
    uint32_t n;
    *ret_catalog = 0;
    LG_TRY(lg_cat_procs(c, schema, name, a, ret, ret_n));
    if (!*ret_n || schema)
        return LG_OK;
    LG_TRY(lg_cat_search_path(c, true, a, &path, &n));
    for (uint32_t i = 0; i < n && !*ret_catalog; i++)
        if (path[i] == LG_NSP_CATALOG)
            *ret_catalog = i + 1;
    return LG_OK;
}

static lg_status
cat_proc_usable(void *arg, const lg_proc *p, bool *ret)
{
    lg_cat *c = arg;
    uint32_t have;
    LG_TRY(lg_cat_acl_mask(c, lg_cat_user(c), LG_ACL_FUNCTION, p->owner, p->acl, LG_ACL_EXECUTE,
                           &have));
    *ret = have != 0;
    return LG_OK;
}

static lg_status
cat_collation(void *arg, const char *schema, const char *name, lg_arena *a, lg_oid *ret)
{
    lg_cat_collation k;
    LG_TRY(lg_cat_collation_by_name(arg, schema, name, a, &k));
    *ret = k.oid;
    return LG_OK;
}

static lg_status
cat_collation_name(void *arg, lg_oid oid, lg_arena *a, const char **ret)
{
    lg_cat_collation k;
    LG_TRY(lg_cat_collation_by_oid(arg, oid, a, &k));
    *ret = k.name;
    return LG_OK;
}

void
lg_bind_catalog_init(lg_bind_catalog *bc, lg_cat *cat)
{
    *bc = (lg_bind_catalog){.arg = cat,
                            .relation_by_name = cat_by_name,
                            .relation_by_oid = cat_by_oid,
                            .lock = cat_lock,
                            .type_by_name = cat_type,
                            .namespace_by_name = cat_namespace,
                            .relation_visible = cat_visible,
                            .relation_mask = cat_relation_mask,
                            .column_mask = cat_column_mask,
                            .schema_usable = cat_schema_usable,
                            .procs = cat_procs,
                            .proc_usable = cat_proc_usable,
                            .default_collation = lg_cat_default_collation(cat),
                            .collation = cat_collation,
                            .collation_name = cat_collation_name,
                            .database = lg_cat_database(cat)};
}

void
lg_bind_init(lg_bind *b, lg_cat *cat, struct lg_run *run, lg_arena *arena, lg_env *env,
             lg_error *err, const char *sql)
{
    *b = (lg_bind){.run = run, .arena = arena, .env = env, .err = err, .sql = sql};
    if (cat)
        lg_bind_catalog_init(&b->catalog, cat);
}
