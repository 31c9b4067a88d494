/* Types: the pg_type rows of user-made ones, found by name and OID, and their descriptors.
 *
 * The descriptors are kept per session, not in the dictionary cache, and stay in memory until the
 * session's transaction ends: a value's output function may use one while the dictionary changes. A
 * descriptor is found again only while nothing has changed (generation). */
#include "cat_type.h"
#include "catalog_internal.h"
#include "type.h"
#include <string.h>

struct lg_cat_types {
    lg_arena *arena;
    lg_map *by_oid;     /* type -> descriptor of its class */
    lg_strmap *by_name; /* "nspoid\0name" -> (void *)oid; LG_CAT_ABSENT */
    uint64_t generation;
};

#define TYPES_MAX_BYTES (4u << 20)

static void
types_fini(struct lg_cat_types *t)
{
    lg_map_destroy(t->by_oid);
    lg_strmap_destroy(t->by_name);
    lg_arena_destroy(t->arena);
    lg_free(t);
}

void
lg_cat__types_end(lg_cat *c, bool all)
{
    struct lg_cat_types *t = c->types;
    if (t && (all || t->generation != lg_cat_generation(c) ||
              lg_arena_used_bytes(t->arena) > TYPES_MAX_BYTES)) {
        types_fini(t);
        c->types = NULL;
    }
}

/* The session's cache, empty when anything changed since. Holds DICT. */
static lg_status
cache(lg_cat *c, struct lg_cat_types **ret)
{
    if (!c->ddl)
        LG_TRY(lg_cat__dict_share(c));
    struct lg_cat_types *t = c->types;
    if (t && t->generation != lg_cat_generation(c)) {
        lg_map_destroy(t->by_oid);
        lg_strmap_destroy(t->by_name);
        t->by_oid = lg_map_create();
        t->by_name = lg_strmap_create();
    }
    if (!t) {
        t = c->types = lg_zalloc(sizeof *t);
        t->arena = lg_arena_create("types", 0);
        t->by_oid = lg_map_create();
        t->by_name = lg_strmap_create();
    }
    t->generation = lg_cat_generation(c);
    *ret = t;
    return LG_OK;
}

/* After something that may have blocked: may what was read be kept? */
static bool
fresh(const lg_cat *c, const struct lg_cat_types *t, uint64_t generation)
{
    return c->types == t && generation == lg_cat_generation(c) && (c->ddl || c->cat->dict->held);
}

/* ---- by name ---- */

static lg_status
type_in_schema(lg_cat *c, lg_oid nsp, const char *name, lg_oid *ret_oid)
{
    if (nsp == LG_NSP_CATALOG) {
        const lg_type *t = lg_type_by_name(name);
        if (!t)
            return LG_NOT_FOUND;
        *ret_oid = t->oid;
        return LG_OK;
    }
    struct lg_cat_types *t;
    char key[128];
    uint32_t len = lg_cat__name_key(nsp, name, key, sizeof key);
    lg_cat_depend(c, LG_DEP_TYPE_NAME, lg_dep_name(name));
    LG_TRY(cache(c, &t));
    void *hit = lg_strmap_get(t->by_name, key, len);
    if (hit == LG_CAT_ABSENT)
        return LG_NOT_FOUND;
    if (hit) {
        *ret_oid = (lg_oid)(uintptr_t)hit;
        return LG_OK;
    }
    uint64_t generation = t->generation;
    lg_arena *a = lg_arena_create("type name", 1024);
    lg_datum keys[2] = {lg_cat_name(a, name), lg_datum_oid(nsp)};
    lg_cat_row row;
    lg_status st =
        lg_cat_find(c, LG_REL_pg_type, LG_IX_pg_type_typname_nsp_index, 2, keys, a, &row);
    if (st == LG_OK)
        *ret_oid = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_type_oid));
    if ((st == LG_OK || st == LG_NOT_FOUND) && fresh(c, t, generation))
        lg_strmap_put(t->by_name, key, len,
                      st == LG_OK ? (void *)(uintptr_t)*ret_oid : LG_CAT_ABSENT);
    lg_arena_destroy(a);
    return st;
}

static lg_status
type_in_path(lg_cat *c, const char *name, lg_oid *ret_oid)
{
    lg_arena *a = lg_arena_create("type path", 512);
    const lg_oid *path;
    uint32_t n;
    lg_status st = lg_cat_search_path(c, true, a, &path, &n);
    if (st == LG_OK)
        st = LG_NOT_FOUND;
    for (uint32_t i = 0; i < n && st == LG_NOT_FOUND; i++)
        st = type_in_schema(c, path[i], name, ret_oid);
    lg_arena_destroy(a);
    return st;
}

/* Stored expressions name user-made types by their OIDs: "#1073758208". */
static bool
by_number(const char *name, lg_oid *ret_oid)
{
    if (name[0] != '#')
        return false;
    uint64_t x = 0;
    for (const char *p = name + 1; *p; p++) {
        if (*p < '0' || *p > '9' || x > UINT32_MAX)
            return false;
        x = x * 10 + (uint64_t)(*p - '0');
    }
    *ret_oid = (lg_oid)x;
    return lg_usertype_of(*ret_oid) != LG_UT_NONE;
}

lg_status
lg_cat_type_by_name(lg_cat *c, const char *schema, const char *name, lg_oid *ret_oid)
{
    char cut[LG_NAME_MAX + 1];
    if (by_number(name, ret_oid))
        return LG_OK;
    if (strlen(name) > LG_NAME_MAX) {
        memcpy(cut, name, LG_NAME_MAX);
        cut[LG_NAME_MAX] = '\0';
        name = cut;
    }
    if (schema) {
        lg_oid nsp;
        LG_TRY(lg_cat_namespace_by_name(c, schema, &nsp));
        return type_in_schema(c, nsp, name, ret_oid);
    }
    lg_status st = type_in_path(c, name, ret_oid);
    if (st != LG_NOT_FOUND)
        return st;
    const lg_type *t = lg_type_by_sql_name(name);
    if (!t)
        return LG_NOT_FOUND;
    *ret_oid = t->oid;
    return LG_OK;
}

lg_status
lg_cat_type_names(lg_cat *c, lg_oid oid, lg_arena *a, const char **ret_schema,
                  const char **ret_name, bool *ret_visible)
{
    if (lg_usertype_of(oid) == LG_UT_NONE) {
        const lg_type *t = lg_type_get(oid);
        if (!t)
            return LG_NOT_FOUND;
        *ret_schema = "pg_catalog";
        *ret_name = t->name;
        *ret_visible = true;
        return LG_OK;
    }
    lg_cat_row row;
    lg_datum key = lg_datum_oid(oid);
    lg_oid found;
    lg_cat_depend(c, LG_DEP_TYPE, oid);
    LG_TRY(lg_cat_find(c, LG_REL_pg_type, LG_IX_pg_type_oid_index, 1, &key, a, &row));
    *ret_name = lg_text_cstring(a, LG_ROW_GET(&row, LG_AT_pg_type_typname));
    LG_TRY(lg_cat_namespace_name(c, lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_type_typnamespace)), a,
                                 ret_schema));
    lg_status st = type_in_path(c, *ret_name, &found);
    *ret_visible = st == LG_OK && found == oid;
    return st == LG_NOT_FOUND ? LG_OK : st;
}

/* ---- descriptors ---- */

static lg_status
type_row(lg_cat *c, lg_oid oid, lg_arena *a, lg_cat_row *row)
{
    lg_datum key = lg_datum_oid(oid);
    return lg_cat_find(c, LG_REL_pg_type, LG_IX_pg_type_oid_index, 1, &key, a, row);
}

/* The labels, grown in tmp, then kept in a. */
static lg_status
read_labels(lg_cat *c, lg_oid oid, lg_arena *tmp, lg_arena *a, lg_enum_type *t)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_datum key = lg_datum_oid(oid);
    lg_enum_label *list = NULL;
    uint32_t cap = 0;
    LG_TRY(
        lg_cat_scan_open(c, LG_REL_pg_enum, LG_IX_pg_enum_typid_sortorder_index, 1, &key, tmp, &s));
    lg_status st;
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        if (t->n == cap) {
            cap = cap ? cap * 2 : 16;
            lg_enum_label *more = LG_NEWN(tmp, lg_enum_label, cap);
            if (t->n)
                memcpy(more, list, t->n * sizeof *more);
            list = more;
        }
        list[t->n++] = (lg_enum_label){
            .oid = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_enum_oid)),
            .order = lg_float4(LG_ROW_GET(&row, LG_AT_pg_enum_enumsortorder)),
            .name = lg_text_cstring(a, LG_ROW_GET(&row, LG_AT_pg_enum_enumlabel)),
        };
    }
    lg_cat_scan_close(&s);
    t->labels = t->n ? lg_arena_dup(a, list, t->n * sizeof *list) : NULL;
    return st == LG_END ? LG_OK : st;
}

static lg_status
describe_enum(lg_cat *c, lg_oid oid, lg_arena *tmp, lg_arena *a, void **ret)
{
    lg_cat_row row;
    LG_TRY(type_row(c, oid, tmp, &row));
    lg_enum_type *t = LG_NEW(a, lg_enum_type);
    t->oid = oid;
    t->name = lg_text_cstring(a, LG_ROW_GET(&row, LG_AT_pg_type_typname));
    *ret = t;
    return read_labels(c, oid, tmp, a, t);
}

static lg_status
describe_row(lg_cat *c, lg_oid oid, lg_arena *tmp, lg_arena *a, void **ret)
{
    lg_relation *r;
    (void)tmp;
    LG_TRY(lg_cat_relation_by_oid(c, lg_usertype_number(oid), &r));
    lg_row_type *t = LG_NEW(a, lg_row_type);
    lg_row_field *f = LG_NEWN(a, lg_row_field, r->ncols + 1);
    t->oid = oid;
    t->name = lg_arena_strdup(a, r->name);
    t->fields = f;
    for (uint16_t i = 0; i < r->ncols; i++) {
        const lg_column *col = &r->cols[i];
        if (!col->dropped)
            f[t->n++] = (lg_row_field){.name = lg_arena_strdup(a, col->name),
                                       .type = col->type,
                                       .typmod = col->typmod,
                                       .domain = col->domain,
                                       .collation = col->collation};
    }
    lg_relation_unref(r);
    *ret = t;
    return LG_OK;
}

static int
by_check_name(const lg_cat_check *x, const lg_cat_check *y)
{
    return strcmp(x->name, y->name);
}

/* The domain's own checks after those of the domain below it. */
static lg_status
read_checks(lg_cat *c, lg_oid oid, const lg_cat_domain *below, lg_arena *tmp, lg_arena *a,
            lg_cat_domain *d)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_datum keys[2] = {lg_datum_oid(0), lg_datum_oid(oid)};
    uint32_t base = below ? below->nchecks : 0, n = base, cap = base + 8;
    lg_cat_check *list = LG_NEWN(tmp, lg_cat_check, cap);
    if (base)
        memcpy(list, below->checks, base * sizeof *list);
    LG_TRY(lg_cat_scan_open(c, LG_REL_pg_constraint,
                            LG_IX_pg_constraint_conrelid_contypid_conname_index, 2, keys, tmp, &s));
    lg_status st;
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        if (LG_ROW_NULL(&row, LG_AT_pg_constraint_conbin))
            continue;
        if (n == cap) {
            lg_cat_check *more = LG_NEWN(tmp, lg_cat_check, cap * 2);
            memcpy(more, list, n * sizeof *more);
            list = more;
            cap *= 2;
        }
        lg_cat_check k = {.oid = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_constraint_oid)),
                          .name = lg_text_cstring(a, LG_ROW_GET(&row, LG_AT_pg_constraint_conname)),
                          .sql = lg_text_cstring(a, LG_ROW_GET(&row, LG_AT_pg_constraint_conbin))};
        uint32_t at = n++;
        while (at > base && by_check_name(&list[at - 1], &k) > 0) {
            list[at] = list[at - 1];
            at--;
        }
        list[at] = k;
    }
    lg_cat_scan_close(&s);
    d->nchecks = n;
    d->checks = n ? lg_arena_dup(a, list, n * sizeof *list) : NULL;
    return st == LG_END ? LG_OK : st;
}

static lg_status
describe_domain(lg_cat *c, lg_oid oid, lg_arena *tmp, lg_arena *a, void **ret)
{
    lg_cat_row row;
    LG_TRY(type_row(c, oid, tmp, &row));
    lg_cat_domain *d = LG_NEW(a, lg_cat_domain);
    lg_domain_type *t = &d->type;
    const lg_cat_domain *below = NULL;
    t->oid = oid;
    t->name = lg_text_cstring(a, LG_ROW_GET(&row, LG_AT_pg_type_typname));
    t->declared = t->base = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_type_typbasetype));
    t->typmod = lg_int4(LG_ROW_GET(&row, LG_AT_pg_type_typtypmod));
    t->collation = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_type_typcollation));
    LG_TRY(lg_cat__collation_meet(c, t->collation));
    if (!LG_ROW_NULL(&row, LG_AT_pg_type_typdefaultbin))
        t->default_sql = lg_text_cstring(a, LG_ROW_GET(&row, LG_AT_pg_type_typdefaultbin));
    d->not_null = lg_bool(LG_ROW_GET(&row, LG_AT_pg_type_typnotnull));
    if (lg_usertype_of(t->declared) == LG_UT_DOMAIN) {
        LG_TRY(lg_cat_domain_type(c, t->declared, &below));
        t->base = below->type.base;
        t->typmod = below->type.typmod;
        d->not_null |= below->not_null;
    } else if (lg_usertype_of(t->declared) == LG_UT_DOMAIN_ARRAY) {
        LG_TRY(lg_cat_domain_type(c, lg_type_elem(t->declared), &below));
        t->base = lg_type_array(below->type.base);
        below = NULL;
    }
    *ret = d;
    return read_checks(c, oid, below, tmp, a, d);
}

typedef lg_status (*describe_fn)(lg_cat *c, lg_oid oid, lg_arena *tmp, lg_arena *a, void **ret);

static lg_status
descriptor(lg_cat *c, lg_oid oid, describe_fn fn, void **ret)
{
    struct lg_cat_types *t;
    if (lg_usertype_of(oid) == LG_UT_ROW)
        lg_cat_depend(c, LG_DEP_RELATION, lg_usertype_number(oid));
    lg_cat_depend(c, LG_DEP_TYPE, oid);
    lg_cat_depend(c, LG_DEP_TYPE, 0);
    LG_TRY(cache(c, &t));
    *ret = lg_map_get(t->by_oid, oid);
    if (*ret)
        return LG_OK;
    uint64_t generation = t->generation;
    lg_arena *tmp = lg_arena_create("type", 2048);
    lg_status st = fn(c, oid, tmp, t->arena, ret);
    if (st == LG_OK && fresh(c, t, generation) && !lg_map_get(t->by_oid, oid))
        lg_map_put(t->by_oid, oid, *ret);
    lg_arena_destroy(tmp);
    return st;
}

lg_status
lg_cat_enum_type(lg_cat *c, lg_oid oid, const lg_enum_type **ret)
{
    void *d = NULL;
    if (lg_usertype_of(oid) != LG_UT_ENUM)
        return LG_NOT_FOUND;
    LG_TRY(descriptor(c, oid, describe_enum, &d));
    *ret = d;
    return LG_OK;
}

lg_status
lg_cat_row_type(lg_cat *c, lg_oid oid, const lg_row_type **ret)
{
    void *d = NULL;
    if (lg_usertype_of(oid) != LG_UT_ROW)
        return LG_NOT_FOUND;
    LG_TRY(descriptor(c, oid, describe_row, &d));
    *ret = d;
    return LG_OK;
}

lg_status
lg_cat_domain_type(lg_cat *c, lg_oid oid, const lg_cat_domain **ret)
{
    void *d = NULL;
    if (lg_usertype_of(oid) != LG_UT_DOMAIN)
        return LG_NOT_FOUND;
    LG_TRY(descriptor(c, oid, describe_domain, &d));
    *ret = d;
    return LG_OK;
}

lg_status
lg_cat__domain_base(lg_cat *c, lg_oid domain, lg_oid *ret_base)
{
    const lg_cat_domain *d;
    bool array = lg_usertype_of(domain) == LG_UT_DOMAIN_ARRAY;
    LG_TRY(lg_cat_domain_type(c, array ? lg_type_elem(domain) : domain, &d));
    *ret_base = array ? lg_type_array(d->type.base) : d->type.base;
    return LG_OK;
}
