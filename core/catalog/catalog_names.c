/* Lookups by name and OID through the caches; search path; roles and databases. */
#include "catalog_internal.h"
#include "type.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- fills ---- */

/* What is read between the two may be kept when the object did not change meanwhile. */
struct fill {
    lg_cat_cache *cc;
    uint64_t change;
    uint64_t own_generation;
};

static lg_status
fill_begin(lg_cat *c, struct fill *f)
{
    LG_TRY(lg_cat_refresh(c));
    f->cc = c->ddl ? &c->own : &c->cat->cache;
    f->change = c->cat->dict->change;
    f->own_generation = c->own_generation;
    return LG_OK;
}

/* Nothing may block between this and the keeping. */
static lg_status
fill_end(lg_cat *c, const struct fill *f, lg_dep_class cls, uint32_t id, bool *ret_keep)
{
    *ret_keep = f->own_generation == c->own_generation;
    if (f->cc == &c->own)
        return LG_OK;
    LG_TRY(lg_cat_refresh(c));
    *ret_keep = lg_cat__unchanged(c->cat, cls, id, f->change);
    lg_cat__bound(c->cat);
    return LG_OK;
}

/* ---- namespaces ---- */

static const struct {
    lg_oid oid;
    const char *name;
} fixed_nsp[] = {
    {LG_NSP_CATALOG, "pg_catalog"},
    {LG_NSP_TOAST, "pg_toast"},
    {LG_NSP_INFORMATION, "information_schema"},
};

lg_status
lg_cat_namespace_by_name(lg_cat *c, const char *name, lg_oid *ret_oid)
{
    for (size_t i = 0; i < sizeof fixed_nsp / sizeof *fixed_nsp; i++)
        if (strcmp(fixed_nsp[i].name, name) == 0) {
            *ret_oid = fixed_nsp[i].oid;
            return LG_OK;
        }
    if (strcmp(name, "pg_temp") == 0) {
        *ret_oid = c->temp_nsp;
        return c->temp_nsp ? LG_OK : LG_NOT_FOUND;
    }
    struct fill f;
    size_t len = strlen(name);
    uint32_t dep = lg_dep_name(name);
    bool keep;
    LG_TRY(fill_begin(c, &f));
    lg_cat_depend(c, LG_DEP_NAMESPACE_NAME, dep);
    void *hit = lg_strmap_get(f.cc->nsp_name, name, len);
    if (hit == LG_CAT_ABSENT)
        return LG_NOT_FOUND;
    if (hit) {
        *ret_oid = (lg_oid)(uintptr_t)hit;
        return LG_OK;
    }
    lg_arena *a = lg_arena_create("namespace", 1024);
    lg_datum key = lg_cat_name(a, name);
    lg_cat_row row;
    lg_status st =
        lg_cat_find(c, LG_REL_pg_namespace, LG_IX_pg_namespace_nspname_index, 1, &key, a, &row);
    if (st == LG_OK)
        *ret_oid = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_namespace_oid));
    lg_arena_destroy(a);
    if (st != LG_OK && st != LG_NOT_FOUND)
        return st;
    LG_TRY(fill_end(c, &f, LG_DEP_NAMESPACE_NAME, dep, &keep));
    if (keep)
        lg_strmap_put(f.cc->nsp_name, name, len,
                      st == LG_OK ? (void *)(uintptr_t)*ret_oid : LG_CAT_ABSENT);
    return st;
}

lg_status
lg_cat_namespace_name(lg_cat *c, lg_oid oid, lg_arena *a, const char **ret_name)
{
    for (size_t i = 0; i < sizeof fixed_nsp / sizeof *fixed_nsp; i++)
        if (fixed_nsp[i].oid == oid) {
            *ret_name = fixed_nsp[i].name;
            return LG_OK;
        }
    struct fill f;
    bool keep;
    LG_TRY(fill_begin(c, &f));
    lg_cat_depend(c, LG_DEP_NAMESPACE, oid);
    const char *hit = lg_map_get(f.cc->nsp_oid, oid);
    if (hit) {
        *ret_name = lg_arena_strdup(a, hit);
        return LG_OK;
    }
    lg_arena *tmp = lg_arena_create("namespace", 1024);
    lg_datum key = lg_datum_oid(oid);
    lg_cat_row row;
    lg_status st =
        lg_cat_find(c, LG_REL_pg_namespace, LG_IX_pg_namespace_oid_index, 1, &key, tmp, &row);
    if (st == LG_OK)
        *ret_name = lg_text_cstring(a, LG_ROW_GET(&row, LG_AT_pg_namespace_nspname));
    lg_arena_destroy(tmp);
    LG_TRY(st);
    LG_TRY(fill_end(c, &f, LG_DEP_NAMESPACE, oid, &keep));
    if (keep && !lg_map_get(f.cc->nsp_oid, oid))
        lg_map_put(f.cc->nsp_oid, oid, lg_strdup(*ret_name));
    return LG_OK;
}

/* ---- relations ---- */

lg_status
lg_cat_relation_by_oid(lg_cat *c, lg_oid oid, lg_relation **ret_rel)
{
    const lg_relation *sys = lg_cat__system_by_oid(c->cat, oid);
    if (sys) {
        *ret_rel = (lg_relation *)(uintptr_t)sys;
        return LG_OK;
    }
    lg_cat_depend(c, LG_DEP_RELATION, oid);
    for (int tries = 0;; tries++) {
        struct fill f;
        bool keep;
        LG_TRY(fill_begin(c, &f));
        lg_relation *r = lg_map_get(f.cc->by_oid, oid);
        if (r) {
            *ret_rel = lg_relation_ref(r);
            return LG_OK;
        }
        LG_TRY(lg_cat__describe(c, oid, &r));
        lg_status st = fill_end(c, &f, LG_DEP_RELATION, oid, &keep);
        if (st != LG_OK || (!keep && tries < 20)) {
            lg_relation_unref(r); /* changed while we read */
            LG_TRY(st);
            continue;
        }
        if (r->persistence == 't' && r->namespace_oid != c->temp_nsp) {
            *ret_rel = r; /* another session's, which would not tell when it changes */
            return LG_OK;
        }
        if (!keep) { /* it keeps changing: whoever locks it looks again */
            r->stale = true;
            *ret_rel = r;
            return LG_OK;
        }
        lg_relation *other = lg_map_get(f.cc->by_oid, oid);
        if (other) { /* another fiber was faster */
            lg_relation_unref(r);
            r = other;
        } else {
            lg_map_put(f.cc->by_oid, oid, r);
        }
        *ret_rel = lg_relation_ref(r);
        return LG_OK;
    }
}

/* A name that was looked up: its OID (0: none such) as of a change. */
static void *
found_pack(lg_oid oid, uint64_t change)
{
    return (void *)(uintptr_t)(1ull << 63 | (change & 0x7fffffff) << 32 | oid);
}

static bool
found_get(const lg_cat *c, const struct fill *f, const char *key, uint32_t len, uint32_t dep,
          lg_oid *ret_oid)
{
    uint64_t v = (uint64_t)(uintptr_t)lg_strmap_get(f->cc->by_name, key, len);
    *ret_oid = (lg_oid)v;
    return v && (f->cc == &c->own ||
                 lg_cat__unchanged(c->cat, LG_DEP_RELATION_NAME, dep, v >> 32 & 0x7fffffff));
}

static lg_status
oid_in_schema(lg_cat *c, lg_oid nsp, const char *name, lg_oid *ret_oid)
{
    char key[128];
    uint32_t len = lg_cat__name_key(nsp, name, key, sizeof key);
    const lg_relation *sys = lg_strmap_get(c->cat->sysname, key, len);
    if (sys) {
        *ret_oid = sys->oid;
        return LG_OK;
    }
    if (nsp == LG_NSP_CATALOG)
        return LG_NOT_FOUND;
    struct fill f;
    uint32_t dep = lg_dep_name(name);
    bool keep;
    LG_TRY(fill_begin(c, &f));
    lg_cat_depend(c, LG_DEP_RELATION_NAME, dep);
    if (found_get(c, &f, key, len, dep, ret_oid))
        return *ret_oid ? LG_OK : LG_NOT_FOUND;
    bool foreign = false;
    const char *schema;
    lg_arena *a = lg_arena_create("relation name", 1024);
    lg_datum keys[2] = {lg_cat_name(a, name), lg_datum_oid(nsp)};
    lg_cat_row row;
    lg_status st =
        lg_cat_find(c, LG_REL_pg_class, LG_IX_pg_class_relname_nsp_index, 2, keys, a, &row);
    *ret_oid = st == LG_OK ? lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_class_oid)) : 0;
    if (nsp != c->temp_nsp && lg_cat_namespace_name(c, nsp, a, &schema) == LG_OK)
        foreign = strncmp(schema, "pg_temp_", 8) == 0;
    lg_arena_destroy(a);
    if (st != LG_OK && st != LG_NOT_FOUND)
        return st;
    LG_TRY(fill_end(c, &f, LG_DEP_RELATION_NAME, dep, &keep));
    if (keep && !foreign)
        lg_strmap_put(f.cc->by_name, key, len, found_pack(*ret_oid, f.change));
    return st;
}

static lg_status resolve_path(lg_cat *c);

static lg_status
oid_by_name(lg_cat *c, const char *schema, const char *name, lg_oid *ret_oid)
{
    if (schema) {
        lg_oid nsp;
        LG_TRY(lg_cat_namespace_by_name(c, schema, &nsp));
        return oid_in_schema(c, nsp, name, ret_oid);
    }
    LG_TRY(resolve_path(c));
    if (c->temp_nsp && !c->temp_named) {
        lg_status st = oid_in_schema(c, c->temp_nsp, name, ret_oid);
        if (st != LG_NOT_FOUND)
            return st;
    }
    bool catalog_named = false;
    for (uint32_t i = 0; i < c->npath; i++)
        catalog_named |= c->path_oids[i] == LG_NSP_CATALOG;
    if (!catalog_named) {
        lg_status st = oid_in_schema(c, LG_NSP_CATALOG, name, ret_oid);
        if (st != LG_NOT_FOUND)
            return st;
    }
    for (uint32_t i = 0; i < c->npath; i++) {
        lg_status st = oid_in_schema(c, c->path_oids[i], name, ret_oid);
        if (st != LG_NOT_FOUND)
            return st;
    }
    return LG_NOT_FOUND;
}

lg_status
lg_cat_relation_by_name(lg_cat *c, const char *schema, const char *name, lg_relation **ret_rel)
{
    for (int tries = 0;; tries++) {
        lg_oid oid;
        LG_TRY(oid_by_name(c, schema, name, &oid));
        lg_status st = lg_cat_relation_by_oid(c, oid, ret_rel);
        if (st != LG_NOT_FOUND || tries > 5)
            return st; /* dropped between the two: look for the name again */
    }
}

lg_status
lg_cat_index_table(lg_cat *c, lg_oid index_oid, lg_oid *ret_table)
{
    const lg_relation *sys = lg_map_get(c->cat->sysindex, index_oid);
    *ret_table = 0;
    if (sys) {
        *ret_table = sys->oid;
        return LG_OK;
    }
    lg_arena *a = lg_arena_create("index", 1024);
    lg_datum key = lg_datum_oid(index_oid);
    lg_cat_row row;
    lg_status st =
        lg_cat_find(c, LG_REL_pg_index, LG_IX_pg_index_indexrelid_index, 1, &key, a, &row);
    if (st == LG_OK)
        *ret_table = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_index_indrelid));
    lg_arena_destroy(a);
    return st == LG_NOT_FOUND ? LG_OK : st;
}

/* ---- visibility ---- */

/* pg_table_is_visible is asked for every row of pg_class by the tools that list tables: no descriptor
 * is made for it, only where the relation is and what it is called is kept. */
struct rel_name {
    uint64_t change;
    lg_oid nsp;
    char name[];
};

void
lg_cat__names_clear(lg_catalog *cat)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(cat->names, &pos, &key, &v))
        lg_free(v);
    lg_map_destroy(cat->names);
    cat->names = lg_map_create();
}

static void
name_keep(lg_catalog *cat, lg_oid oid, lg_oid nsp, const char *name, uint64_t change)
{
    size_t len = strlen(name) + 1;
    struct rel_name *n = lg_alloc(sizeof *n + len);
    n->change = change;
    n->nsp = nsp;
    memcpy(n->name, name, len);
    if (lg_map_count(cat->names) > 100000)
        lg_cat__names_clear(cat);
    lg_free(lg_map_put(cat->names, oid, n));
}

/* LG_NOT_FOUND */
static lg_status
relation_name(lg_cat *c, lg_oid oid, lg_oid *ret_nsp, char name[LG_NAME_MAX + 1])
{
    lg_catalog *cat = c->cat;
    const lg_relation *sys = lg_cat__system_by_oid(cat, oid);
    struct fill f;
    bool keep;
    if (sys) {
        *ret_nsp = sys->namespace_oid;
        snprintf(name, LG_NAME_MAX + 1, "%s", sys->name);
        return LG_OK;
    }
    LG_TRY(fill_begin(c, &f));
    const struct rel_name *n = c->ddl ? NULL : lg_map_get(cat->names, oid);
    if (n && lg_cat__unchanged(cat, LG_DEP_RELATION, oid, n->change)) {
        *ret_nsp = n->nsp;
        snprintf(name, LG_NAME_MAX + 1, "%s", n->name);
        return LG_OK;
    }
    lg_arena *a = lg_arena_create("visible", 1024);
    lg_datum key = lg_datum_oid(oid);
    lg_cat_row row;
    lg_status st = lg_cat_find(c, LG_REL_pg_class, LG_IX_pg_class_oid_index, 1, &key, a, &row);
    if (st == LG_OK) {
        *ret_nsp = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_class_relnamespace));
        snprintf(name, LG_NAME_MAX + 1, "%s",
                 lg_text_cstring(a, LG_ROW_GET(&row, LG_AT_pg_class_relname)));
    }
    lg_arena_destroy(a);
    LG_TRY(st);
    LG_TRY(fill_end(c, &f, LG_DEP_RELATION, oid, &keep));
    if (keep && !c->ddl)
        name_keep(cat, oid, *ret_nsp, name, f.change);
    return LG_OK;
}

lg_status
lg_cat_relation_visible(lg_cat *c, lg_oid oid, bool *ret)
{
    lg_oid nsp, found;
    char name[LG_NAME_MAX + 1];
    *ret = false;
    LG_TRY(relation_name(c, oid, &nsp, name));
    LG_TRY(resolve_path(c));
    bool in_path = nsp == LG_NSP_CATALOG || nsp == c->temp_nsp;
    for (uint32_t i = 0; i < c->npath; i++)
        in_path |= c->path_oids[i] == nsp;
    if (!in_path)
        return LG_OK;
    lg_status st = oid_by_name(c, NULL, name, &found);
    if (st == LG_OK)
        *ret = found == oid;
    return st == LG_NOT_FOUND ? LG_OK : st;
}

/* ---- search path ---- */

void
lg_cat_set_search_path(lg_cat *c, const char *path)
{
    if (strcmp(c->path, path) == 0)
        return;
    lg_free(c->path);
    c->path = lg_strdup(path);
    c->path_resolved = false;
    c->own_generation++;
}

static lg_status
user_name(lg_cat *c, const char **ret)
{
    lg_cat_depend(c, LG_DEP_ROLE, c->user);
    if (!c->user_name || !c->path_resolved) {
        lg_arena *a = lg_arena_create("role", 1024);
        lg_role role;
        lg_status st = lg_cat_role_by_oid(c, c->user, a, &role);
        if (st == LG_OK) {
            lg_free(c->user_name);
            c->user_name = lg_strdup(role.name);
        }
        lg_arena_destroy(a);
        if (st != LG_OK && st != LG_NOT_FOUND)
            return st;
    }
    *ret = c->user_name ? c->user_name : "";
    return LG_OK;
}

/* The next element of the path's text: folded to lower case unless quoted. */
static const char *
path_element(const char *p, char *buf, size_t cap)
{
    size_t n = 0;
    while (isspace((unsigned char)*p) || *p == ',')
        p++;
    if (*p == '"') {
        for (p++; *p && !(*p == '"' && p[1] != '"'); p++) {
            if (*p == '"')
                p++;
            if (n + 1 < cap)
                buf[n++] = *p;
        }
        p += *p == '"';
    } else {
        for (; *p && *p != ',' && !isspace((unsigned char)*p); p++)
            if (n + 1 < cap)
                buf[n++] = (char)tolower((unsigned char)*p);
    }
    buf[n] = '\0';
    return p;
}

static lg_status
resolve_path(lg_cat *c)
{
    LG_TRY(lg_cat_refresh(c));
    while (!c->path_resolved || !lg_cat_deps_good(c, &c->path_deps)) {
        lg_oid *oids = lg_alloc(64 * sizeof *oids);
        lg_cat_deps *outer = c->recorder;
        uint32_t n = 0;
        uint64_t own = c->own_generation;
        const char *p = c->path;
        lg_status st = LG_OK;
        lg_cat_deps_begin(c, &c->path_deps);
        c->temp_named = false;
        while (*p && n < 64) {
            char name[LG_NAME_MAX + 1];
            const char *use = name;
            lg_oid oid;
            p = path_element(p, name, sizeof name);
            if (strcmp(name, "$user") == 0 && (st = user_name(c, &use)) != LG_OK)
                break;
            if (!*use)
                continue;
            c->temp_named |= strcmp(use, "pg_temp") == 0;
            st = lg_cat_namespace_by_name(c, use, &oid);
            uint32_t usable = 0;
            if (st == LG_OK)
                st = lg_cat_namespace_mask(c, c->user, oid, LG_ACL_USAGE, &usable);
            if (st == LG_OK && usable)
                oids[n++] = oid;
            else if (st != LG_OK && st != LG_NOT_FOUND)
                break;
            st = LG_OK;
            if (own != c->own_generation)
                break;
        }
        c->recorder = outer;
        if (st != LG_OK) {
            c->path_resolved = false;
            lg_free(oids);
            return st;
        }
        lg_free(c->path_oids);
        c->path_oids = oids;
        c->npath = n;
        c->path_resolved = own == c->own_generation;
        LG_TRY(lg_cat_refresh(c));
    }
    lg_cat__depend_all(c, &c->path_deps);
    return LG_OK;
}

lg_status
lg_cat_search_path(lg_cat *c, bool with_implicit, lg_arena *a, const lg_oid **ret_oids,
                   uint32_t *ret_n)
{
    LG_TRY(resolve_path(c));
    lg_oid *out = LG_NEWN(a, lg_oid, c->npath + 2);
    uint32_t n = 0;
    bool named = false;
    for (uint32_t i = 0; i < c->npath; i++)
        named |= c->path_oids[i] == LG_NSP_CATALOG;
    if (with_implicit && c->temp_nsp && !c->temp_named)
        out[n++] = c->temp_nsp;
    if (with_implicit && !named)
        out[n++] = LG_NSP_CATALOG;
    for (uint32_t i = 0; i < c->npath; i++)
        out[n++] = c->path_oids[i];
    *ret_oids = out;
    *ret_n = n;
    return LG_OK;
}

lg_status
lg_cat_creation_namespace(lg_cat *c, lg_oid *ret_oid)
{
    LG_TRY(resolve_path(c));
    if (!c->npath)
        return LG_NOT_FOUND;
    *ret_oid = c->path_oids[0];
    return LG_OK;
}

/* ---- roles and databases: read each time; rare ---- */

static void
fill_role(const lg_cat_row *row, lg_arena *a, lg_role *r)
{
    r->oid = lg_oid_of(LG_ROW_GET(row, LG_AT_pg_authid_oid));
    r->name = lg_text_cstring(a, LG_ROW_GET(row, LG_AT_pg_authid_rolname));
    r->super = lg_bool(LG_ROW_GET(row, LG_AT_pg_authid_rolsuper));
    r->inherit = lg_bool(LG_ROW_GET(row, LG_AT_pg_authid_rolinherit));
    r->createrole = lg_bool(LG_ROW_GET(row, LG_AT_pg_authid_rolcreaterole));
    r->createdb = lg_bool(LG_ROW_GET(row, LG_AT_pg_authid_rolcreatedb));
    r->canlogin = lg_bool(LG_ROW_GET(row, LG_AT_pg_authid_rolcanlogin));
    r->replication = lg_bool(LG_ROW_GET(row, LG_AT_pg_authid_rolreplication));
    r->bypassrls = lg_bool(LG_ROW_GET(row, LG_AT_pg_authid_rolbypassrls));
    r->connlimit = lg_int4(LG_ROW_GET(row, LG_AT_pg_authid_rolconnlimit));
    r->password = LG_ROW_NULL(row, LG_AT_pg_authid_rolpassword)
                      ? NULL
                      : lg_text_cstring(a, LG_ROW_GET(row, LG_AT_pg_authid_rolpassword));
}

static lg_status
find_role(lg_cat *c, lg_oid index, lg_datum key, lg_arena *a, lg_role *ret_role)
{
    lg_arena *tmp = lg_arena_create("role", 1024);
    lg_cat_row row;
    lg_status st = lg_cat_find(c, LG_REL_pg_authid, index, 1, &key, tmp, &row);
    if (st == LG_OK)
        fill_role(&row, a, ret_role);
    lg_arena_destroy(tmp);
    return st;
}

lg_status
lg_cat_role_by_name(lg_cat *c, const char *name, lg_arena *a, lg_role *ret_role)
{
    lg_cat_depend(c, LG_DEP_ROLE_NAME, lg_dep_name(name));
    return find_role(c, LG_IX_pg_authid_rolname_index, lg_cat_name(a, name), a, ret_role);
}

lg_status
lg_cat_role_by_oid(lg_cat *c, lg_oid oid, lg_arena *a, lg_role *ret_role)
{
    lg_cat_depend(c, LG_DEP_ROLE, oid);
    return find_role(c, LG_IX_pg_authid_oid_index, lg_datum_oid(oid), a, ret_role);
}

static lg_status
database_find(lg_cat *c, lg_oid index, lg_datum key, lg_arena *a, lg_database *ret_db)
{
    lg_cat_row row;
    LG_TRY(lg_cat_find(c, LG_REL_pg_database, index, 1, &key, a, &row));
    ret_db->oid = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_database_oid));
    ret_db->name = lg_text_cstring(a, LG_ROW_GET(&row, LG_AT_pg_database_datname));
    ret_db->owner = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_database_datdba));
    ret_db->connlimit = lg_int4(LG_ROW_GET(&row, LG_AT_pg_database_datconnlimit));
    ret_db->allow_connections = lg_bool(LG_ROW_GET(&row, LG_AT_pg_database_datallowconn));
    ret_db->is_template = lg_bool(LG_ROW_GET(&row, LG_AT_pg_database_datistemplate));
    ret_db->root = lg_cat_database_root(&row);
    ret_db->icu_locale = LG_ROW_NULL(&row, LG_AT_pg_database_daticulocale)
                             ? NULL
                             : lg_text_cstring(a, LG_ROW_GET(&row, LG_AT_pg_database_daticulocale));
    return LG_OK;
}

lg_status
lg_cat_database_by_name(lg_cat *c, const char *name, lg_arena *a, lg_database *ret_db)
{
    return database_find(c, LG_IX_pg_database_datname_index, lg_cat_name(a, name), a, ret_db);
}

lg_status
lg_cat_database_by_oid(lg_cat *c, lg_oid oid, lg_arena *a, lg_database *ret_db)
{
    return database_find(c, LG_IX_pg_database_oid_index, lg_datum_oid(oid), a, ret_db);
}
