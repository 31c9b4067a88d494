/* Per-object invalidation of what is made from the dictionary, on all instances.
 *
 * MODEL
 * An event is 64 bits {class, id}: "this object changed". Events follow from the catalog rows that a
 * transaction writes (lg_cat__row_changed), not from what a statement says of itself. Before its
 * commit record, with DICT held EXCLUSIVE, the transaction appends its events to the dictionary's
 * ring: one block of the volume, coherent, logged and recovered like all others. An instance that
 * gets DICT in SHARE reads what was appended since it looked last and applies it: the descriptor is
 * marked stale and forgotten, and the object's slot (a table by hash, slots may be shared) takes the
 * number of the change. One that fell behind by more than the ring keeps drops everything.
 *
 *   other instance's DDL           this instance
 *   rows, with TM locks            statements run; lookups come from the cache
 *   DICT X                  --->   DICT falls: dict_held = false, nothing is dropped
 *   ring += events                 (lookups and starting statements wait for DICT S)
 *   commit record, durable
 *   DICT let go             --->   lg_cat_refresh: DICT S, reads the ring, applies the events
 *
 * INVARIANTS
 * 1. What a statement that starts after the commit of a DDL was acknowledged, anywhere, must see: all
 *    of it. Every start (lg_session__plan), every lookup and every table lock (lg_cat_lock) passes
 *    lg_cat_refresh, and while dict_held no DDL commits anywhere, for its commit needs DICT X.
 * 2. What a running one may keep: the descriptors it holds references to. Its table locks keep the
 *    shape of those tables; statistics and privileges may be older than now, as of its start.
 * 3. Nothing read while a DDL committed is kept: a fill notes the change number before it reads, and
 *    keeps what it read only when, refreshed again, the object's slot is not newer.
 * 4. Events are in the ring before the change is committed. So an instance that dies between the two
 *    leaves events of what never happened, which cost a lookup; never a change without its event.
 * 5. A transaction that changed the catalog reads through a cache of its own and shares nothing.
 * 6. A session's temporary objects are looked up by nobody else (their descriptors are not kept by
 *    those who come across one): a transaction that changed only such applies its events here, after
 *    its commit, and needs neither DICT nor the ring.
 */
#include "catalog_internal.h"
#include "hash.h"
#include <string.h>

#define RING_READ  64u
#define CACHED_MAX 20000u /* descriptors, then all go */
#define NAMES_MAX  100000u

static uint64_t
dep_key(lg_dep_class cls, uint32_t id)
{
    return (uint64_t)cls << 32 | id;
}

static uint32_t
slot_of(uint64_t key)
{
    return (uint32_t)(lg_hash_u64(key) % LG_CAT_SLOTS);
}

uint32_t
lg_dep_name(const char *name)
{
    return (uint32_t)lg_hash_bytes(name, strnlen(name, LG_NAME_MAX), 7);
}

/* ---- applying ---- */

/* False: everything goes. An event does not say of which database it is: what has the same OID
 * there is forgotten too. */
static bool
forget(lg_catalog *cat, uint64_t key)
{
    switch ((lg_dep_class)(key >> 32)) {
    case LG_DEP_RELATION:
        lg_cat__cache_forget(&cat->cache, (lg_oid)key);
        lg_cat__sequence_forget(cat, (lg_oid)key);
        return true;
    case LG_DEP_NAMESPACE:
    case LG_DEP_NAMESPACE_NAME:
        lg_cat__cache_forget_namespaces(&cat->cache);
        return true;
    case LG_DEP_RELATION_NAME:
    case LG_DEP_ROLE:
    case LG_DEP_ROLE_NAME:
    case LG_DEP_TYPE:
    case LG_DEP_TYPE_NAME:
    case LG_DEP_DATABASE:
    case LG_DEP_PROC_NAME:
        return true;
    default: /* ALL, and what a later version may write */
        lg_cat__cache_clear(&cat->cache);
        lg_cat__sequences_forget(cat);
        return false;
    }
}

static void
apply(lg_cat_dict *d, uint64_t key)
{
    bool one = true;
    d->change++;
    LG_LIST_FOREACH (it, &d->catalogs)
        one = forget(LG_CONTAINER_OF(it, lg_catalog, link), key);
    if (one)
        d->slots[slot_of(key)] = d->change;
    else
        d->all_at = d->change;
}

void
lg_cat__apply_all(lg_catalog *cat)
{
    apply(cat->dict, dep_key(LG_DEP_ALL, 0));
}

void
lg_cat__bound(lg_catalog *cat)
{
    if (lg_map_count(cat->cache.by_oid) > CACHED_MAX ||
        lg_strmap_count(cat->cache.by_name) > NAMES_MAX)
        lg_cat__apply_all(cat);
}

/* Under DICT S just got. */
lg_status
lg_cat__ring_read(lg_catalog *cat)
{
    const lg_access *acc = &cat->access;
    lg_cat_dict *d = cat->dict;
    uint64_t words[RING_READ];
    uint32_t n;
    do {
        lg_status st =
            acc->ops->ring_read(acc->arg, &d->oid_counter, &d->ring_at, words, RING_READ, &n);
        if (st == LG_LIMIT) { /* too far behind; ring_at is at the end now */
            lg_cat__apply_all(cat);
            return LG_OK;
        }
        LG_TRY(st);
        for (uint32_t i = 0; i < n; i++)
            apply(d, words[i]);
    } while (n == RING_READ);
    return LG_OK;
}

/* ---- what a transaction changed ---- */

static void
note(lg_cat *c, lg_dep_class cls, uint32_t id)
{
    lg_map_put(c->events, dep_key(cls, id), c);
}

void
lg_cat__note_relation(lg_cat *c, lg_oid rel)
{
    note(c, LG_DEP_RELATION, rel);
    c->shared_ddl |= !lg_cat__is_temp(c, rel);
}

void
lg_cat__apply_events(lg_cat *c)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(c->events, &pos, &key, &v))
        apply(c->cat->dict, key);
}

lg_status
lg_cat__ring_append(lg_cat *c)
{
    const lg_access *acc = &c->cat->access;
    uint64_t words[LG_CAT_RING_MAX], key;
    uint32_t n = 0;
    size_t pos = 0;
    void *v;
    if (lg_map_count(c->events) > LG_CAT_RING_MAX)
        words[n++] = dep_key(LG_DEP_ALL, 0);
    else
        while (lg_map_next(c->events, &pos, &key, &v))
            words[n++] = key;
    return n ? acc->ops->ring_append(acc->arg, &c->cat->dict->oid_counter, words, n) : LG_OK;
}

/* Outside the transaction's own events: at once, whatever becomes of it. */
lg_status
lg_cat__tell_relation(lg_cat *c, lg_oid rel)
{
    const lg_access *acc = &c->cat->access;
    lg_cat_dict *d = c->cat->dict;
    uint64_t word = dep_key(LG_DEP_RELATION, rel);
    if (c->dict_x)
        return acc->ops->ring_append(acc->arg, &d->oid_counter, &word, 1);
    d->x++;
    lg_status st = lg_cat__dict_exclusive(c);
    if (st == LG_OK) {
        st = acc->ops->ring_append(acc->arg, &d->oid_counter, &word, 1);
        if (st == LG_OK) /* its own event now: what is reserved after it stays */
            st = lg_cat__ring_read(c->cat);
        lg_cat__dict_let_go(c);
    }
    d->x--;
    lg_waitq_wake_all(&d->waitq);
    return st;
}

static lg_oid
oid_at(const lg_cat_row *row, int att)
{
    return LG_ROW_NULL(row, att) ? 0 : lg_oid_of(LG_ROW_GET(row, att));
}

static uint32_t
name_at(const lg_cat_row *row, int att)
{
    lg_datum d = LG_ROW_GET(row, att);
    return (uint32_t)lg_hash_bytes(lg_varlen_of(d)->data, lg_varlen_of(d)->len, 7);
}

static void
class_changed(lg_cat *c, const lg_cat_row *row, const lg_cat_row *old)
{
    note(c, LG_DEP_RELATION, oid_at(row, LG_AT_pg_class_oid));
    uint32_t name = name_at(row, LG_AT_pg_class_relname);
    if (old && name == name_at(old, LG_AT_pg_class_relname) &&
        oid_at(row, LG_AT_pg_class_relnamespace) == oid_at(old, LG_AT_pg_class_relnamespace))
        return;
    note(c, LG_DEP_RELATION_NAME, name);
    if (old)
        note(c, LG_DEP_RELATION_NAME, name_at(old, LG_AT_pg_class_relname));
}

static void
namespace_changed(lg_cat *c, const lg_cat_row *row, const lg_cat_row *old)
{
    uint32_t name = name_at(row, LG_AT_pg_namespace_nspname);
    note(c, LG_DEP_NAMESPACE, oid_at(row, LG_AT_pg_namespace_oid));
    note(c, LG_DEP_NAMESPACE_NAME, name);
    if (old && name != name_at(old, LG_AT_pg_namespace_nspname))
        note(c, LG_DEP_ALL, 0); /* it stands in the descriptors */
}

static void
type_changed(lg_cat *c, const lg_cat_row *row, const lg_cat_row *old, bool inserted)
{
    note(c, LG_DEP_TYPE_NAME, name_at(row, LG_AT_pg_type_typname));
    if (old)
        note(c, LG_DEP_TYPE_NAME, name_at(old, LG_AT_pg_type_typname));
    if (inserted)
        return;
    note(c, LG_DEP_TYPE, oid_at(row, LG_AT_pg_type_oid));
    if (lg_char(LG_ROW_GET(row, LG_AT_pg_type_typtype)) == 'd')
        note(c, LG_DEP_TYPE, 0);
}

static void
constraint_changed(lg_cat *c, const lg_cat_row *row)
{
    static const int tables[] = {LG_AT_pg_constraint_conrelid, LG_AT_pg_constraint_confrelid};
    for (size_t i = 0; i < 2; i++)
        if (oid_at(row, tables[i]))
            note(c, LG_DEP_RELATION, oid_at(row, tables[i]));
    if (oid_at(row, LG_AT_pg_constraint_contypid))
        note(c, LG_DEP_TYPE, 0);
}

static void
note_row(lg_cat *c, lg_oid table, const lg_cat_row *row, const lg_cat_row *old, bool inserted)
{
    switch (table) {
    case LG_REL_pg_class:
        class_changed(c, row, old);
        break;
    case LG_REL_pg_attribute:
        note(c, LG_DEP_RELATION, oid_at(row, LG_AT_pg_attribute_attrelid));
        break;
    case LG_REL_pg_attrdef:
        note(c, LG_DEP_RELATION, oid_at(row, LG_AT_pg_attrdef_adrelid));
        break;
    case LG_REL_pg_index:
        note(c, LG_DEP_RELATION, oid_at(row, LG_AT_pg_index_indrelid));
        note(c, LG_DEP_RELATION, oid_at(row, LG_AT_pg_index_indexrelid));
        break;
    case LG_REL_pg_constraint:
        constraint_changed(c, row);
        break;
    case LG_REL_pg_rewrite:
        note(c, LG_DEP_RELATION, oid_at(row, LG_AT_pg_rewrite_ev_class));
        break;
    case LG_REL_pg_statistic:
        note(c, LG_DEP_RELATION, oid_at(row, LG_AT_pg_statistic_starelid));
        break;
    case LG_REL_pg_sequence:
        note(c, LG_DEP_RELATION, oid_at(row, LG_AT_pg_sequence_seqrelid));
        break;
    case LG_REL_pg_namespace:
        namespace_changed(c, row, old);
        break;
    case LG_REL_pg_authid:
        note(c, LG_DEP_ROLE, oid_at(row, LG_AT_pg_authid_oid));
        note(c, LG_DEP_ROLE_NAME, name_at(row, LG_AT_pg_authid_rolname));
        if (old)
            note(c, LG_DEP_ROLE_NAME, name_at(old, LG_AT_pg_authid_rolname));
        break;
    case LG_REL_pg_auth_members:
        note(c, LG_DEP_ROLE, oid_at(row, LG_AT_pg_auth_members_member));
        break;
    case LG_REL_pg_database:
        note(c, LG_DEP_DATABASE, 0);
        break;
    case LG_REL_pg_type:
        type_changed(c, row, old, inserted);
        break;
    case LG_REL_lg_proc:
        note(c, LG_DEP_PROC_NAME, name_at(row, LG_AT_lg_proc_proname));
        if (old)
            note(c, LG_DEP_PROC_NAME, name_at(old, LG_AT_lg_proc_proname));
        break;
    case LG_REL_pg_enum:
        note(c, LG_DEP_TYPE, oid_at(row, LG_AT_pg_enum_enumtypid));
        break;
    case LG_REL_pg_depend: /* read when they are needed, never kept */
    case LG_REL_pg_description:
    case LG_REL_pg_shdescription:
    case LG_REL_pg_default_acl:
    case LG_REL_pg_db_role_setting:
        break;
    default:
        note(c, LG_DEP_ALL, 0);
    }
}

/* Is the row of one of the session's temporary objects, which nobody else looks up? */
static bool
is_private(lg_cat *c, lg_oid table, const lg_cat_row *row, bool inserted)
{
    switch (table) {
    case LG_REL_pg_class:
        if (!c->temp_nsp || oid_at(row, LG_AT_pg_class_relnamespace) != c->temp_nsp)
            return false;
        if (inserted)
            lg_cat__temp_made(c, oid_at(row, LG_AT_pg_class_oid));
        return true;
    case LG_REL_pg_attribute:
        return lg_cat__is_temp(c, oid_at(row, LG_AT_pg_attribute_attrelid));
    case LG_REL_pg_attrdef:
        return lg_cat__is_temp(c, oid_at(row, LG_AT_pg_attrdef_adrelid));
    case LG_REL_pg_index:
        return lg_cat__is_temp(c, oid_at(row, LG_AT_pg_index_indrelid));
    case LG_REL_pg_constraint:
        return lg_cat__is_temp(c, oid_at(row, LG_AT_pg_constraint_conrelid));
    case LG_REL_pg_rewrite:
        return lg_cat__is_temp(c, oid_at(row, LG_AT_pg_rewrite_ev_class));
    case LG_REL_pg_statistic:
        return lg_cat__is_temp(c, oid_at(row, LG_AT_pg_statistic_starelid));
    case LG_REL_pg_sequence:
        return lg_cat__is_temp(c, oid_at(row, LG_AT_pg_sequence_seqrelid));
    case LG_REL_pg_type:
        return c->temp_nsp && oid_at(row, LG_AT_pg_type_typnamespace) == c->temp_nsp;
    case LG_REL_pg_depend: /* never kept by anybody */
    case LG_REL_pg_description:
        return true;
    default:
        return false;
    }
}

/* old: what an update found; inserted: the row is new. */
void
lg_cat__row_changed(lg_cat *c, lg_oid table, const lg_cat_row *row, const lg_cat_row *old,
                    bool inserted)
{
    note_row(c, table, row, old, inserted);
    c->shared_ddl |= !is_private(c, table, row, inserted);
}

/* ---- noting and checking ---- */

static void
add(lg_cat_deps *d, uint64_t key)
{
    for (uint32_t i = 0; i < d->n; i++)
        if (d->keys[i] == key)
            return;
    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 8;
        d->keys = lg_realloc(d->keys, d->cap * sizeof *d->keys);
    }
    d->keys[d->n++] = key;
}

void
lg_cat_depend(lg_cat *c, lg_dep_class cls, uint32_t id)
{
    if (c->recorder)
        add(c->recorder, dep_key(cls, id));
}

void
lg_cat__depend_all(lg_cat *c, const lg_cat_deps *d)
{
    for (uint32_t i = 0; c->recorder && i < d->n; i++)
        add(c->recorder, d->keys[i]);
}

void
lg_cat_deps_begin(lg_cat *c, lg_cat_deps *d)
{
    d->n = 0;
    d->since = d->checked = c->cat->dict->change;
    c->recorder = d;
}

void
lg_cat_deps_end(lg_cat *c)
{
    c->recorder = NULL;
}

lg_cat_deps *
lg_cat_deps_swap(lg_cat *c, lg_cat_deps *d)
{
    lg_cat_deps *was = c->recorder;
    c->recorder = d;
    return was;
}

bool
lg_cat__unchanged(const lg_catalog *cat, lg_dep_class cls, uint32_t id, uint64_t since)
{
    return cat->dict->all_at <= since && cat->dict->slots[slot_of(dep_key(cls, id))] <= since;
}

bool
lg_cat_deps_good(const lg_cat *c, lg_cat_deps *d)
{
    const lg_catalog *cat = c->cat;
    if (!d->since || cat->dict->all_at > d->since)
        return false;
    if (d->checked == cat->dict->change)
        return true;
    for (uint32_t i = 0; i < d->n; i++)
        if (cat->dict->slots[slot_of(d->keys[i])] > d->since)
            return false;
    d->checked = cat->dict->change;
    return true;
}

void
lg_cat_deps_spoil(lg_cat_deps *d)
{
    d->since = 0;
}

void
lg_cat_deps_fini(lg_cat_deps *d)
{
    lg_free(d->keys);
    *d = (lg_cat_deps){0};
}

uint64_t
lg_cat_own_generation(const lg_cat *c)
{
    return c->own_generation;
}

lg_status
lg_cat_refresh(lg_cat *c)
{
    return c->ddl || c->cat->dict->held ? LG_OK : lg_cat__dict_share(c);
}
