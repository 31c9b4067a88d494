/* The descriptors of the catalog tables themselves: constant, made from catalog.def, never read
 * from the tables they describe. Tables that only ever hold built-in objects (pg_type, pg_proc,
 * pg_operator ...) and those of features not there yet are virtual: their rows come from
 * core/types' registries (catalog_builtin.c); the others are stored. */
#include "array.h"
#include "catalog_internal.h"
#include "func.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct column_fact {
    const char *table;
    const char *name;
    lg_oid type;
    bool not_null;
    lg_oid collation;
};
struct index_fact {
    const char *table;
    lg_oid oid;
    const char *name;
    bool unique;
    bool primary;
    uint16_t nkeys;
    const char *keys; /* "2 3;10028 1981" */
};
struct table_fact {
    lg_oid oid;
    const char *name;
    lg_oid rowtype;
    bool shared;
};

static const struct table_fact tables[] = {
#define LG_CAT_TABLE(o, name, rowtype, shared) {o, #name, rowtype, shared},
#define LG_CAT_COLUMN(tab, col, type, notnull, coll)
#define LG_CAT_INDEX(tab, o, name, uniq, prim, n, keys)
#include "catalog.def"
#undef LG_CAT_TABLE
#undef LG_CAT_COLUMN
#undef LG_CAT_INDEX
};
static const struct column_fact columns[] = {
#define LG_CAT_TABLE(o, name, rowtype, shared)
#define LG_CAT_COLUMN(tab, col, type, notnull, coll) {#tab, #col, type, notnull, coll},
#define LG_CAT_INDEX(tab, o, name, uniq, prim, n, keys)
#include "catalog.def"
#undef LG_CAT_COLUMN
#undef LG_CAT_INDEX
#undef LG_CAT_TABLE
};
static const struct index_fact indexes[] = {
#define LG_CAT_TABLE(o, name, rowtype, shared)
#define LG_CAT_COLUMN(tab, col, type, notnull, coll)
#define LG_CAT_INDEX(tab, o, name, uniq, prim, n, keys) {#tab, o, #name, uniq, prim, n, keys},
#include "catalog.def"
#undef LG_CAT_COLUMN
#undef LG_CAT_INDEX
#undef LG_CAT_TABLE
};

#define N(x) (sizeof(x) / sizeof((x)[0]))

static const lg_oid stored[] = {
    LG_REL_pg_class,         LG_REL_pg_attribute, LG_REL_pg_attrdef,     LG_REL_pg_index,
    LG_REL_pg_constraint,    LG_REL_pg_namespace, LG_REL_pg_authid,      LG_REL_pg_auth_members,
    LG_REL_pg_database,      LG_REL_pg_sequence,  LG_REL_pg_rewrite,     LG_REL_pg_depend,
    LG_REL_pg_description,   LG_REL_pg_statistic, LG_REL_pg_default_acl, LG_REL_pg_db_role_setting,
    LG_REL_pg_shdescription, LG_REL_pg_type,      LG_REL_pg_enum,        LG_REL_lg_proc,
    LG_REL_lg_collation,
};

bool
lg_cat__table_stored(lg_oid table)
{
    for (size_t i = 0; i < N(stored); i++)
        if (stored[i] == table)
            return true;
    return false;
}

bool
lg_cat__table_shared(lg_oid table)
{
    for (size_t i = 0; i < N(tables); i++)
        if (tables[i].oid == table)
            return tables[i].shared;
    return false;
}

uint32_t
lg_cat__name_key(lg_oid nsp, const char *name, char *buf, uint32_t cap)
{
    size_t n = strlen(name);
    if (n > cap - sizeof nsp)
        n = cap - sizeof nsp;
    memcpy(buf, &nsp, sizeof nsp);
    memcpy(buf + sizeof nsp, name, n);
    return (uint32_t)(n + sizeof nsp);
}

/* Types that the catalog uses and core/types may lack are stored as text. */
static lg_oid
storage_type(lg_oid type)
{
    const lg_type *t = lg_type_get(type);
    return t && t->store != LG_STORE_NONE && t->store != LG_STORE_CSTRING ? type : LG_T_TEXT;
}

static void
build_columns(lg_arena *a, lg_relation *r, const char *table)
{
    uint16_t n = 0;
    for (size_t i = 0; i < N(columns); i++)
        n = (uint16_t)(n + (strcmp(columns[i].table, table) == 0));
    lg_column *cols = LG_NEWN(a, lg_column, n);
    lg_rowcol *rc = LG_NEWN(a, lg_rowcol, n);
    uint16_t k = 0;
    for (size_t i = 0; i < N(columns); i++) {
        if (strcmp(columns[i].table, table) != 0)
            continue;
        const lg_type *t = lg_type_get(columns[i].type);
        cols[k].name = columns[i].name;
        cols[k].attnum = (int16_t)(k + 1);
        cols[k].type = t && t->store != LG_STORE_NONE ? columns[i].type : LG_T_TEXT;
        cols[k].typmod = -1;
        cols[k].collation = columns[i].collation;
        cols[k].ndims = t && lg_type_is_array(t) ? 1 : 0;
        cols[k].not_null = columns[i].not_null;
        lg_rowcol_init(&rc[k], storage_type(columns[i].type));
        k++;
    }
    r->ncols = n;
    r->cols = cols;
    r->rowcols = rc;
}

static void
build_indexes(lg_catalog *cat, lg_relation *r, const char *table)
{
    lg_arena *a = cat->arena;
    const lg_index **list = LG_NEWN(a, const lg_index *, 8);
    for (size_t i = 0; i < N(indexes); i++) {
        if (strcmp(indexes[i].table, table) != 0)
            continue;
        LG_ASSERT(r->nindexes < 8);
        lg_index *ix = LG_NEW(a, lg_index);
        ix->oid = indexes[i].oid;
        ix->name = indexes[i].name;
        ix->table = r->oid;
        ix->nkeys = ix->natts = indexes[i].nkeys;
        ix->unique = indexes[i].unique;
        ix->primary = indexes[i].primary;
        ix->immediate = ix->valid = true;
        char *p = (char *)(uintptr_t)indexes[i].keys;
        for (uint16_t k = 0; k < ix->nkeys; k++)
            ix->attnum[k] = (int16_t)strtol(p, &p, 10);
        p++;
        for (uint16_t k = 0; k < ix->nkeys; k++) {
            ix->opclass[k] = (lg_oid)strtoul(p, &p, 10);
            ix->key[k].type = r->rowcols[ix->attnum[k] - 1].type;
        }
        if (ix->primary)
            r->primary = ix;
        list[r->nindexes++] = ix;
        lg_map_put(cat->sysindex, ix->oid, r);
    }
    r->indexes = list;
}

static lg_relation *
new_relation(lg_catalog *cat, lg_oid oid, lg_oid nsp, const char *schema, const char *name)
{
    lg_relation *r = LG_NEW(cat->arena, lg_relation);
    r->oid = oid;
    r->namespace_oid = nsp;
    r->schema = schema;
    r->name = name;
    r->kind = LG_REL_TABLE;
    r->persistence = 'p';
    r->is_system = true;
    r->owner = LG_ROLE_BOOTSTRAP;
    r->refs = 1;
    r->tuples = -1;
    lg_map_put(cat->system, oid, r);
    char key[128];
    lg_strmap_put(cat->sysname, key, lg_cat__name_key(nsp, name, key, sizeof key), r);
    return r;
}

void
lg_cat__system_build(lg_catalog *cat)
{
    cat->system = lg_map_create();
    cat->sysname = lg_strmap_create();
    cat->sysindex = lg_map_create();
    cat->next_virtual_oid = 14000;
    for (size_t i = 0; i < N(tables); i++) {
        lg_relation *r =
            new_relation(cat, tables[i].oid, LG_NSP_CATALOG, "pg_catalog", tables[i].name);
        build_columns(cat->arena, r, tables[i].name);
        r->tuples = lg_cat__table_stored(r->oid) ? 200 : 1000;
        r->pages = 10;
        if (lg_cat__table_stored(r->oid))
            build_indexes(cat, r, tables[i].name);
    }
    lg_cat__builtin_register(cat);
}

void
lg_cat__system_copy(lg_catalog *cat, const lg_catalog *from)
{
    cat->system = lg_map_create();
    cat->sysname = lg_strmap_create();
    cat->sysindex = lg_map_create();
    cat->next_virtual_oid = from->next_virtual_oid;
    size_t pos = 0;
    uint64_t oid;
    void *v;
    while (lg_map_next(from->system, &pos, &oid, &v)) {
        const lg_relation *old = v;
        lg_relation *r = new_relation(cat, old->oid, old->namespace_oid, old->schema, old->name);
        *r = *old; /* texts, columns and callbacks are the first one's, which lives longer */
        if (lg_cat__table_shared(r->oid)) {
            for (uint16_t i = 0; i < r->nindexes; i++)
                lg_map_put(cat->sysindex, r->indexes[i]->oid, r);
            continue;
        }
        const lg_index **list = LG_NEWN(cat->arena, const lg_index *, r->nindexes + 1);
        for (uint16_t i = 0; i < r->nindexes; i++) {
            lg_index *ix = LG_NEW(cat->arena, lg_index);
            *ix = *old->indexes[i];
            list[i] = ix;
            if (r->primary == old->indexes[i])
                r->primary = ix;
            lg_map_put(cat->sysindex, ix->oid, r);
        }
        r->indexes = list;
    }
}

void
lg_cat__system_destroy(lg_catalog *cat)
{
    lg_map_destroy(cat->system);
    lg_strmap_destroy(cat->sysname);
    lg_map_destroy(cat->sysindex);
}

const lg_relation *
lg_cat__system_by_oid(const lg_catalog *cat, lg_oid oid)
{
    return lg_map_get(cat->system, oid);
}

void
lg_cat__system_set_storage(lg_catalog *cat, lg_oid oid, const lg_rel_storage *st)
{
    lg_relation *r = lg_map_get(cat->system, oid);
    if (r) {
        r->storage = *st;
        return;
    }
    r = lg_map_get(cat->sysindex, oid);
    for (uint16_t i = 0; r && i < r->nindexes; i++)
        if (r->indexes[i]->oid == oid)
            ((lg_index *)(uintptr_t)r->indexes[i])->storage = *st;
}

lg_status
lg_catalog_view_register(lg_catalog *cat, lg_oid oid, lg_oid nsp, const char *name,
                         const char *list, const char *sql)
{
    lg_relation *r = new_relation(
        cat, oid, nsp, nsp == LG_NSP_INFORMATION ? "information_schema" : "pg_catalog", name);
    uint16_t n = 1;
    for (const char *q = list; *q; q++)
        n = (uint16_t)(n + (*q == ','));
    lg_column *cols = LG_NEWN(cat->arena, lg_column, n);
    lg_rowcol *rc = LG_NEWN(cat->arena, lg_rowcol, n);
    const char *p = list;
    for (uint16_t i = 0; i < n; i++) {
        size_t len = strcspn(p, ":");
        char *end;
        if (p[len] != ':')
            return LG_INVALID;
        cols[i].name = lg_arena_strndup(cat->arena, p, len);
        cols[i].type = (lg_oid)strtoul(p + len + 1, &end, 10);
        const lg_type *t = lg_type_get(cols[i].type);
        if (!t) /* a type that is not there yet */
            t = lg_type_get(cols[i].type = LG_T_TEXT);
        cols[i].attnum = (int16_t)(i + 1);
        cols[i].typmod = -1;
        cols[i].collation = t->collation;
        cols[i].ndims = lg_type_is_array(t) ? 1 : 0;
        lg_rowcol_init(&rc[i], storage_type(cols[i].type));
        p = end + (*end == ',');
    }
    r->kind = LG_REL_VIEW;
    r->view_sql = sql;
    r->ncols = n;
    r->cols = cols;
    r->rowcols = rc;
    return LG_OK;
}

/* A virtual relation takes the place of a built-in table of its name (its columns must be the same
 * number), or is a new one. */
lg_status
lg_catalog_virtual_register(lg_catalog *cat, const lg_virtual_rel *v)
{
    lg_oid nsp = LG_NSP_CATALOG;
    const char *schema = v->schema ? v->schema : "pg_catalog";
    if (strcmp(schema, "information_schema") == 0)
        nsp = LG_NSP_INFORMATION;
    char key[128];
    uint32_t len = lg_cat__name_key(nsp, v->name, key, sizeof key);
    lg_relation *r = lg_strmap_get(cat->sysname, key, len);
    if (!r) {
        lg_oid oid = v->oid ? v->oid : cat->next_virtual_oid++;
        r = new_relation(cat, oid, nsp, schema, v->name);
        r->kind = LG_REL_VIEW;
        lg_column *cols = LG_NEWN(cat->arena, lg_column, v->ncolumns);
        lg_rowcol *rc = LG_NEWN(cat->arena, lg_rowcol, v->ncolumns);
        for (uint16_t i = 0; i < v->ncolumns; i++) {
            const lg_type *t = lg_type_get(v->columns[i].type);
            cols[i].name = v->columns[i].name;
            cols[i].attnum = (int16_t)(i + 1);
            cols[i].type = v->columns[i].type;
            cols[i].typmod = -1;
            cols[i].collation = t ? t->collation : 0;
            cols[i].ndims = t && lg_type_is_array(t) ? 1 : 0;
            lg_rowcol_init(&rc[i], storage_type(cols[i].type));
        }
        r->ncols = v->ncolumns;
        r->cols = cols;
        r->rowcols = rc;
        r->tuples = 100;
        r->pages = 1;
    }
    if (v->ncolumns && v->ncolumns != r->ncols)
        return LG_INVALID;
    if (lg_cat__table_stored(r->oid))
        return LG_INVALID;
    r->virtual_rel = v;
    return LG_OK;
}

void
lg_cat_row_init(lg_oid table, lg_cat_row *row)
{
    static const lg_varlen empty = {.len = 0};
    const char *name = NULL;
    memset(row, 0, sizeof *row);
    row->tid = LG_TID_NONE;
    for (size_t i = 0; i < N(tables) && !name; i++)
        if (tables[i].oid == table)
            name = tables[i].name;
    LG_ASSERT(name);
    for (size_t i = 0; i < N(columns); i++) {
        if (strcmp(columns[i].table, name) != 0)
            continue;
        const lg_type *t = lg_type_get(storage_type(columns[i].type));
        LG_ASSERT(row->natts < LG_CAT_MAX_ATTS);
        row->null[row->natts] = !columns[i].not_null;
        if (t->store != LG_STORE_BYVAL)
            row->v[row->natts] = lg_datum_ptr(&empty);
        row->natts++;
    }
}

lg_datum
lg_cat_name(lg_arena *a, const char *s)
{
    size_t n = strlen(s);
    return lg_datum_text(a, s, n > LG_NAME_MAX ? LG_NAME_MAX : n);
}

/* Arrays are unpacked by the layout that array.h states; a scratch arena would be dear for the
 * short vectors here. */
static uint32_t
vector_values(lg_datum d, lg_datum *ret, uint32_t cap)
{
    if (!d || lg_varlen_of(d)->len < 12)
        return 0;
    lg_arena *a = lg_arena_create("vector", 512);
    lg_array x;
    lg_array_unpack(d, a, &x);
    uint32_t n = x.n < cap ? x.n : cap;
    for (uint32_t i = 0; i < n; i++)
        ret[i] = x.values[i];
    lg_arena_destroy(a);
    return n;
}

uint32_t
lg_cat_int2s(lg_datum d, int16_t *ret, uint32_t cap)
{
    lg_datum v[LG_INDEX_MAX_KEYS];
    uint32_t n = vector_values(d, v, cap < LG_INDEX_MAX_KEYS ? cap : LG_INDEX_MAX_KEYS);
    for (uint32_t i = 0; i < n; i++)
        ret[i] = lg_int2(v[i]);
    return n;
}

uint32_t
lg_cat_oids(lg_datum d, lg_oid *ret, uint32_t cap)
{
    lg_datum v[LG_INDEX_MAX_KEYS];
    uint32_t n = vector_values(d, v, cap < LG_INDEX_MAX_KEYS ? cap : LG_INDEX_MAX_KEYS);
    for (uint32_t i = 0; i < n; i++)
        ret[i] = lg_oid_of(v[i]);
    return n;
}
