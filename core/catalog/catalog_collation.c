/* Collations: those built in, and rows of lg_collation. */
#include "cat_collation.h"
#include "catalog_internal.h"
#include <stdlib.h>
#include <string.h>

static const char *
text_at(lg_arena *a, const lg_cat_row *row, int att)
{
    return LG_ROW_NULL(row, att) ? NULL : lg_text_cstring(a, LG_ROW_GET(row, att));
}

static lg_status
describe(lg_cat *c, const lg_cat_row *row, lg_arena *a, lg_cat_collation *ret)
{
    *ret = (lg_cat_collation){.oid = lg_oid_of(LG_ROW_GET(row, LG_AT_lg_collation_oid)),
                              .nsp = lg_oid_of(LG_ROW_GET(row, LG_AT_lg_collation_collnamespace)),
                              .owner = lg_oid_of(LG_ROW_GET(row, LG_AT_lg_collation_collowner)),
                              .name = text_at(a, row, LG_AT_lg_collation_collname),
                              .provider = lg_char(LG_ROW_GET(row, LG_AT_lg_collation_collprovider)),
                              .encoding = lg_int4(LG_ROW_GET(row, LG_AT_lg_collation_collencoding)),
                              .collate = text_at(a, row, LG_AT_lg_collation_collcollate),
                              .ctype = text_at(a, row, LG_AT_lg_collation_collctype),
                              .locale = text_at(a, row, LG_AT_lg_collation_colliculocale),
                              .version = text_at(a, row, LG_AT_lg_collation_collversion),
                              .schema = ""};
    if (ret->locale)
        lg_collation_add(c->cat->tzs, ret->oid, ret->locale);
    lg_status st = lg_cat_namespace_name(c, ret->nsp, a, &ret->schema);
    return st == LG_NOT_FOUND ? LG_OK : st;
}

static lg_status
builtin(const lg_collation *k, lg_arena *a, lg_cat_collation *ret)
{
    bool bytes = !k->locale && k->oid != LG_COLLATION_DEFAULT;
    const char *locale = k->oid == LG_COLLATION_POSIX ? "POSIX" : "C";
    *ret = (lg_cat_collation){.oid = k->oid,
                              .nsp = LG_NSP_CATALOG,
                              .owner = LG_ROLE_BOOTSTRAP,
                              .name = k->name,
                              .schema = "pg_catalog",
                              .provider = k->locale ? 'i'
                                          : bytes   ? 'c'
                                                    : 'd',
                              .encoding = k->oid == LG_COLLATION_UCS_BASIC ? 6 : -1,
                              .collate = bytes ? locale : NULL,
                              .ctype = bytes ? locale : NULL,
                              .locale = k->locale,
                              .version = lg_collation_version(a, k->locale)};
    return LG_OK;
}

lg_oid
lg_cat_default_collation(const lg_cat *c)
{
    return c->cat->default_collation;
}

lg_status
lg_cat_collation_by_oid(lg_cat *c, lg_oid oid, lg_arena *a, lg_cat_collation *ret)
{
    const lg_collation *k = lg_collation_get(lg_cat_collation_stored(c, oid));
    lg_cat_row row;
    lg_datum key = lg_datum_oid(oid);
    if (k)
        return builtin(k, a, ret);
    if (lg_collation_class_of(oid) == LG_COLLATION_BUILTIN)
        return LG_NOT_FOUND;
    LG_TRY(lg_cat_find(c, LG_REL_lg_collation, LG_IX_lg_collation_oid_index, 1, &key, a, &row));
    return describe(c, &row, a, ret);
}

static lg_status
in_schema(lg_cat *c, lg_oid nsp, const char *name, lg_arena *a, lg_cat_collation *ret)
{
    const lg_collation *k = nsp == LG_NSP_CATALOG ? lg_collation_by_name(name) : NULL;
    lg_cat_row row;
    lg_datum keys[2] = {lg_cat_name(a, name), lg_datum_oid(nsp)};
    if (k)
        return builtin(k, a, ret);
    LG_TRY(
        lg_cat_find(c, LG_REL_lg_collation, LG_IX_lg_collation_name_nsp_index, 2, keys, a, &row));
    return describe(c, &row, a, ret);
}

lg_status
lg_cat_collation_by_name(lg_cat *c, const char *schema, const char *name, lg_arena *a,
                         lg_cat_collation *ret)
{
    const lg_oid *path;
    uint32_t n;
    lg_oid nsp;
    if (!schema && name[0] == '#' && name[1] >= '0' && name[1] <= '9') /* in stored texts */
        return lg_cat_collation_by_oid(c, (lg_oid)strtoul(name + 1, NULL, 10), a, ret);
    if (schema) {
        LG_TRY(lg_cat_namespace_by_name(c, schema, &nsp));
        return in_schema(c, nsp, name, a, ret);
    }
    LG_TRY(lg_cat_search_path(c, true, a, &path, &n));
    lg_status st = LG_NOT_FOUND;
    for (uint32_t i = 0; i < n && st == LG_NOT_FOUND; i++)
        st = in_schema(c, path[i], name, a, ret);
    return st;
}

lg_status
lg_cat_collation_visible(lg_cat *c, const lg_cat_collation *k, lg_arena *a, bool *ret)
{
    lg_cat_collation found;
    lg_status st = lg_cat_collation_by_name(c, NULL, k->name, a, &found);
    *ret = st == LG_OK && found.oid == k->oid;
    return st == LG_NOT_FOUND ? LG_OK : st;
}

lg_status
lg_cat__collation_meet(lg_cat *c, lg_oid oid)
{
    if (lg_collation_known(c->cat->tzs, oid))
        return LG_OK;
    lg_cat_collation k;
    lg_arena *a = lg_arena_create("collation", 512);
    lg_status st = lg_cat_collation_by_oid(c, oid, a, &k);
    lg_arena_destroy(a);
    return st == LG_NOT_FOUND ? LG_OK : st; /* it is being dropped with what has it */
}
