/* Temporary schemas: pg_temp_N, one per session that uses one.
 *
 * N is a slot, held by an enqueue for as long as the session uses it, so a schema whose slot can be
 * had belongs to nobody: what is in it was left by a session whose instance died, and goes (at the
 * slot's next use, at the start of an instance, after a recovery). The schema's own row stays, as in
 * PostgreSQL, and is used again.
 *
 * A temporary relation has ordinary catalog rows and an ordinary segment; that others do not see it
 * is a matter of names. Its DDL is this session's affair (invariant 6 of catalog_deps.c). */
#include "catalog_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACE 0x74656d70u /* of the enqueues */

lg_oid
lg_cat_temp_namespace(const lg_cat *c)
{
    return c->temp_nsp;
}

bool
lg_cat_temp_path(const lg_cat *c)
{
    const char *p = c->path;
    while (*p == ' ')
        p++;
    p += *p == '"';
    return strncmp(p, "pg_temp", 7) == 0 && strchr("\", ", p[7]);
}

bool
lg_cat__is_temp(const lg_cat *c, lg_oid rel)
{
    return c->temp_rels && lg_map_get(c->temp_rels, rel);
}

void
lg_cat__temp_made(lg_cat *c, lg_oid rel)
{
    if (!c->temp_rels)
        c->temp_rels = lg_map_create();
    lg_map_put(c->temp_rels, rel, c);
    c->temp_over = false;
}

bool
lg_cat_temp_made(const lg_cat *c, lg_oid rel)
{
    return lg_cat__is_temp(c, rel);
}

bool
lg_cat_temp_next(const lg_cat *c, size_t *pos, lg_oid *ret_rel)
{
    uint64_t key;
    void *v;
    if (!c->temp_rels || !lg_map_next(c->temp_rels, pos, &key, &v))
        return false;
    *ret_rel = (lg_oid)key;
    return true;
}

static lg_ges_res
slot_resource(uint32_t slot)
{
    return (lg_ges_res){.type = LG_GES_DDL, .id1 = SPACE, .id2 = slot};
}

static lg_status
slot_lock(lg_cat *c, uint32_t slot)
{
    return lg_ges_lock(c->owner, slot_resource(slot), LG_LOCK_EXCLUSIVE,
                       LG_GES_NOWAIT | LG_GES_SESSION, LG_FOREVER);
}

static void
slot_unlock(lg_cat *c, uint32_t slot)
{
    (void)!lg_ges_unlock(c->owner, slot_resource(slot), LG_LOCK_EXCLUSIVE, LG_GES_SESSION);
}

static uint32_t
slot_of(const char *schema)
{
    return strncmp(schema, "pg_temp_", 8) == 0 ? (uint32_t)strtoul(schema + 8, NULL, 10) : 0;
}

lg_status
lg_cat_temp_claim(lg_cat *c, const char *schema)
{
    return slot_of(schema) ? slot_lock(c, slot_of(schema)) : LG_LOCK_NOT_AVAILABLE;
}

void
lg_cat_temp_unclaim(lg_cat *c, const char *schema)
{
    slot_unlock(c, slot_of(schema));
}

/* Few slots are tried first, so that schemas are used again; more as they are taken. */
static lg_status
take_slot(lg_cat *c)
{
    uint64_t range = 4;
    for (;;) {
        uint32_t slot = 1 + (uint32_t)(lg_run_random(c->cat->run) % range);
        lg_status st = slot_lock(c, slot);
        if (st == LG_OK) {
            c->temp_slot = slot;
            return LG_OK;
        }
        if (st != LG_LOCK_NOT_AVAILABLE)
            return st;
        if (range < 1u << 20)
            range *= 2;
    }
}

lg_status
lg_cat_temp_begin(lg_cat *c, lg_oid *ret_nsp, bool *ret_found)
{
    char name[32];
    lg_cat_row row;
    *ret_found = false;
    if (!c->temp_slot)
        LG_TRY(take_slot(c));
    snprintf(name, sizeof name, "pg_temp_%u", c->temp_slot);
    lg_arena *a = lg_arena_create("temporary schema", 1024);
    lg_datum key = lg_cat_name(a, name);
    lg_status st =
        lg_cat_find(c, LG_REL_pg_namespace, LG_IX_pg_namespace_nspname_index, 1, &key, a, &row);
    if (st == LG_OK) {
        *ret_nsp = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_namespace_oid));
        *ret_found = !c->temp_clean && !c->temp_seen;
    } else if (st == LG_NOT_FOUND) { /* never used, or its making was rolled back */
        LG_CHECK(lg_cat_new_oid(c, ret_nsp));
        lg_cat_row_init(LG_REL_pg_namespace, &row);
        LG_ROW_SET(&row, LG_AT_pg_namespace_oid, *ret_nsp);
        LG_ROW_SET(&row, LG_AT_pg_namespace_nspname, key);
        LG_ROW_SET(&row, LG_AT_pg_namespace_nspowner, LG_ROLE_BOOTSTRAP);
        LG_CHECK(lg_cat_insert(c, LG_REL_pg_namespace, &row));
        LG_CHECK(lg_cat_touch(c, 0));
    }
    if (st == LG_OK && c->temp_nsp != *ret_nsp) {
        c->temp_nsp = *ret_nsp;
        c->path_resolved = false;
        c->own_generation++;
    }
    c->temp_over = false;
    c->temp_seen = true;
out:
    lg_arena_destroy(a);
    return st;
}

void
lg_cat_temp_over(lg_cat *c)
{
    c->temp_over = c->temp_slot != 0;
}

void
lg_cat__temp_end(lg_cat *c, bool committed)
{
    bool over = c->temp_over && committed;
    c->temp_clean |= c->temp_seen && committed;
    c->temp_seen = c->temp_over = false;
    if (!over)
        return;
    c->temp_clean = false;
    slot_unlock(c, c->temp_slot);
    c->temp_slot = 0;
    c->temp_nsp = 0;
    c->path_resolved = false;
    c->own_generation++;
    if (c->temp_rels)
        lg_map_destroy(c->temp_rels);
    c->temp_rels = NULL;
}
