/* Bootstrap: makes the stored catalog tables and the rows of what is built in; and open, which
 * finds their segments again. Order: all segments first, then rows through the ordinary paths (the
 * descriptors of the catalog tables are constant, so nothing is needed to insert into pg_class). */
#include "array.h"
#include "catalog_internal.h"
#include "func.h"
#include <string.h>

static lg_datum
txt(lg_arena *a, const char *s)
{
    return lg_datum_cstring_text(a, s);
}

static lg_status
class_row(lg_cat *c, lg_arena *a, lg_oid oid, const char *name, lg_oid nsp, char kind,
          const lg_rel_storage *st, uint16_t natts, bool has_index)
{
    lg_cat_row row;
    lg_cat_row_init(LG_REL_pg_class, &row);
    LG_ROW_SET(&row, LG_AT_pg_class_oid, oid);
    LG_ROW_SET(&row, LG_AT_pg_class_relname, lg_cat_name(a, name));
    LG_ROW_SET(&row, LG_AT_pg_class_relnamespace, nsp);
    LG_ROW_SET(&row, LG_AT_pg_class_relowner, LG_ROLE_BOOTSTRAP);
    LG_ROW_SET(&row, LG_AT_pg_class_relam, kind == 'r' ? 2 : kind == 'i' ? LG_AM_BTREE : 0);
    LG_ROW_SET(&row, LG_AT_pg_class_relfilenode, st ? st->file : 0);
    LG_ROW_SET(&row, LG_AT_pg_class_relfrozenxid, st ? st->head : 0);
    LG_ROW_SET(&row, LG_AT_pg_class_reltuples, lg_datum_float4(kind == 'r' ? 0.0f : -1.0f));
    LG_ROW_SET(&row, LG_AT_pg_class_relpersistence, lg_datum_char('p'));
    LG_ROW_SET(&row, LG_AT_pg_class_relkind, lg_datum_char(kind));
    LG_ROW_SET(&row, LG_AT_pg_class_relnatts, lg_datum_int2((int16_t)natts));
    LG_ROW_SET(&row, LG_AT_pg_class_relhasindex, lg_datum_bool(has_index));
    LG_ROW_SET(&row, LG_AT_pg_class_relispopulated, 1);
    LG_ROW_SET(&row, LG_AT_pg_class_relreplident, lg_datum_char('n'));
    return lg_cat_insert(c, LG_REL_pg_class, &row);
}

static lg_status
attribute_row(lg_cat *c, lg_arena *a, lg_oid rel, const char *name, int16_t num, lg_oid type,
              bool not_null, lg_oid collation)
{
    lg_cat_row row;
    const lg_type *t = lg_type_get(type);
    lg_cat_row_init(LG_REL_pg_attribute, &row);
    LG_ROW_SET(&row, LG_AT_pg_attribute_attrelid, rel);
    LG_ROW_SET(&row, LG_AT_pg_attribute_attname, lg_cat_name(a, name));
    LG_ROW_SET(&row, LG_AT_pg_attribute_atttypid, type);
    LG_ROW_SET(&row, LG_AT_pg_attribute_attstattarget, lg_datum_int4(-1));
    LG_ROW_SET(&row, LG_AT_pg_attribute_attlen, lg_datum_int2(t ? t->typlen : -1));
    LG_ROW_SET(&row, LG_AT_pg_attribute_attnum, lg_datum_int2(num));
    LG_ROW_SET(&row, LG_AT_pg_attribute_attcacheoff, lg_datum_int4(-1));
    LG_ROW_SET(&row, LG_AT_pg_attribute_atttypmod, lg_datum_int4(-1));
    LG_ROW_SET(&row, LG_AT_pg_attribute_attbyval, lg_datum_bool(t && t->typbyval));
    LG_ROW_SET(&row, LG_AT_pg_attribute_attalign, lg_datum_char(t ? t->align : 'i'));
    LG_ROW_SET(&row, LG_AT_pg_attribute_attstorage, lg_datum_char(t ? t->storage : 'x'));
    LG_ROW_SET(&row, LG_AT_pg_attribute_attnotnull, lg_datum_bool(not_null));
    LG_ROW_SET(&row, LG_AT_pg_attribute_attislocal, 1);
    LG_ROW_SET(&row, LG_AT_pg_attribute_attcollation, collation);
    if (t && lg_type_is_array(t))
        LG_ROW_SET(&row, LG_AT_pg_attribute_attndims, lg_datum_int4(1));
    return lg_cat_insert(c, LG_REL_pg_attribute, &row);
}

static lg_status
index_row(lg_cat *c, lg_arena *a, const lg_index *ix)
{
    lg_cat_row row;
    lg_oid colls[LG_INDEX_MAX_KEYS];
    int16_t options[LG_INDEX_MAX_KEYS] = {0};
    for (uint16_t i = 0; i < ix->nkeys; i++)
        colls[i] = ix->key[i].type == LG_T_NAME || ix->key[i].type == LG_T_TEXT ? 950 : 0;
    lg_cat_row_init(LG_REL_pg_index, &row);
    LG_ROW_SET(&row, LG_AT_pg_index_indexrelid, ix->oid);
    LG_ROW_SET(&row, LG_AT_pg_index_indrelid, ix->table);
    LG_ROW_SET(&row, LG_AT_pg_index_indnatts, ix->natts);
    LG_ROW_SET(&row, LG_AT_pg_index_indnkeyatts, ix->nkeys);
    LG_ROW_SET(&row, LG_AT_pg_index_indisunique, ix->unique);
    LG_ROW_SET(&row, LG_AT_pg_index_indisprimary, ix->primary);
    LG_ROW_SET(&row, LG_AT_pg_index_indimmediate, 1);
    LG_ROW_SET(&row, LG_AT_pg_index_indisvalid, 1);
    LG_ROW_SET(&row, LG_AT_pg_index_indisready, 1);
    LG_ROW_SET(&row, LG_AT_pg_index_indislive, 1);
    LG_ROW_SET(&row, LG_AT_pg_index_indkey, lg_array_int2vector(a, ix->nkeys, ix->attnum));
    LG_ROW_SET(&row, LG_AT_pg_index_indcollation, lg_array_oidvector(a, ix->nkeys, colls));
    LG_ROW_SET(&row, LG_AT_pg_index_indclass, lg_array_oidvector(a, ix->nkeys, ix->opclass));
    LG_ROW_SET(&row, LG_AT_pg_index_indoption, lg_array_int2vector(a, ix->nkeys, options));
    return lg_cat_insert(c, LG_REL_pg_index, &row);
}

static lg_status
relation_rows(lg_cat *c, lg_arena *a, const lg_relation *r)
{
    LG_TRY(class_row(c, a, r->oid, r->name, r->namespace_oid, r->kind,
                     r->virtual_rel || r->view_sql ? NULL : &r->storage, r->ncols,
                     r->nindexes > 0));
    for (uint16_t i = 0; i < r->ncols; i++)
        LG_TRY(attribute_row(c, a, r->oid, r->cols[i].name, r->cols[i].attnum, r->cols[i].type,
                             r->cols[i].not_null, r->cols[i].collation));
    for (uint16_t i = 0; i < r->nindexes; i++) {
        const lg_index *ix = r->indexes[i];
        LG_TRY(class_row(c, a, ix->oid, ix->name, r->namespace_oid, 'i', &ix->storage, ix->nkeys,
                         false));
        LG_TRY(index_row(c, a, ix));
        for (uint16_t k = 0; k < ix->nkeys; k++) {
            const lg_column *col = &r->cols[ix->attnum[k] - 1];
            LG_TRY(attribute_row(c, a, ix->oid, col->name, (int16_t)(k + 1), col->type, false,
                                 col->collation));
        }
    }
    return LG_OK;
}

static lg_status
namespace_row(lg_cat *c, lg_arena *a, lg_oid oid, const char *name, const char *comment)
{
    lg_oid owner = oid == LG_NSP_PUBLIC ? LG_ROLE_DATABASE_OWNER : LG_ROLE_BOOTSTRAP;
    lg_cat_row row;
    lg_cat_row_init(LG_REL_pg_namespace, &row);
    LG_ROW_SET(&row, LG_AT_pg_namespace_oid, oid);
    LG_ROW_SET(&row, LG_AT_pg_namespace_nspname, lg_cat_name(a, name));
    LG_ROW_SET(&row, LG_AT_pg_namespace_nspowner, owner);
    if (oid != LG_NSP_TOAST) { /* everyone may look into it */
        lg_acl acl;
        lg_acl_default(LG_ACL_SCHEMA, owner, a, &acl);
        lg_acl_item world = {0, owner, LG_ACL_USAGE};
        LG_TRY(lg_acl_change(&acl, true, &world, owner, false));
        LG_ROW_SET(&row, LG_AT_pg_namespace_nspacl, lg_acl_pack(a, &acl));
    }
    LG_TRY(lg_cat_insert(c, LG_REL_pg_namespace, &row));
    lg_cat_row_init(LG_REL_pg_description, &row);
    LG_ROW_SET(&row, LG_AT_pg_description_objoid, oid);
    LG_ROW_SET(&row, LG_AT_pg_description_classoid, LG_REL_pg_namespace);
    LG_ROW_SET(&row, LG_AT_pg_description_description, txt(a, comment));
    return lg_cat_insert(c, LG_REL_pg_description, &row);
}

static lg_status
role_row(lg_cat *c, lg_arena *a, lg_oid oid, const char *name, bool super, const char *verifier)
{
    lg_cat_row row;
    lg_cat_row_init(LG_REL_pg_authid, &row);
    LG_ROW_SET(&row, LG_AT_pg_authid_oid, oid);
    LG_ROW_SET(&row, LG_AT_pg_authid_rolname, lg_cat_name(a, name));
    LG_ROW_SET(&row, LG_AT_pg_authid_rolsuper, super);
    LG_ROW_SET(&row, LG_AT_pg_authid_rolinherit, 1);
    LG_ROW_SET(&row, LG_AT_pg_authid_rolcreaterole, super);
    LG_ROW_SET(&row, LG_AT_pg_authid_rolcreatedb, super);
    LG_ROW_SET(&row, LG_AT_pg_authid_rolcanlogin, super);
    LG_ROW_SET(&row, LG_AT_pg_authid_rolreplication, super);
    LG_ROW_SET(&row, LG_AT_pg_authid_rolbypassrls, super);
    LG_ROW_SET(&row, LG_AT_pg_authid_rolconnlimit, lg_datum_int4(-1));
    if (verifier)
        LG_ROW_SET(&row, LG_AT_pg_authid_rolpassword, txt(a, verifier));
    return lg_cat_insert(c, LG_REL_pg_authid, &row);
}

static lg_status
database_row(lg_cat *c, lg_arena *a, lg_oid oid, const char *name, const char *comment,
             const lg_rel_storage *root)
{
    lg_cat_row row;
    bool template = oid == LG_DB_TEMPLATE0 || oid == LG_DB_TEMPLATE1;
    lg_cat_row_init(LG_REL_pg_database, &row);
    LG_ROW_SET(&row, LG_AT_pg_database_oid, oid);
    LG_ROW_SET(&row, LG_AT_pg_database_datname, lg_cat_name(a, name));
    LG_ROW_SET(&row, LG_AT_pg_database_datdba, LG_ROLE_BOOTSTRAP);
    LG_ROW_SET(&row, LG_AT_pg_database_encoding, lg_datum_int4(6));
    LG_ROW_SET(&row, LG_AT_pg_database_datlocprovider, lg_datum_char('c'));
    LG_ROW_SET(&row, LG_AT_pg_database_datistemplate, template);
    LG_ROW_SET(&row, LG_AT_pg_database_datallowconn, oid != LG_DB_TEMPLATE0);
    LG_ROW_SET(&row, LG_AT_pg_database_datconnlimit, lg_datum_int4(-1));
    LG_ROW_SET(&row, LG_AT_pg_database_dattablespace, 1663);
    LG_ROW_SET(&row, LG_AT_pg_database_datcollate, txt(a, "C"));
    LG_ROW_SET(&row, LG_AT_pg_database_datctype, txt(a, "C"));
    if (root)
        lg_cat_database_set_root(&row, root);
    if (template) { /* everyone may look, nobody may make temporary tables */
        lg_acl_item items[] = {{0, LG_ROLE_BOOTSTRAP, LG_ACL_CONNECT},
                               {LG_ROLE_BOOTSTRAP, LG_ROLE_BOOTSTRAP, lg_acl_all(LG_ACL_DATABASE)}};
        lg_acl acl = {.n = 2, .cap = 2, .at = items, .arena = a};
        LG_ROW_SET(&row, LG_AT_pg_database_datacl, lg_acl_pack(a, &acl));
    }
    LG_TRY(lg_cat_insert(c, LG_REL_pg_database, &row));
    if (!comment)
        return LG_OK;
    lg_cat_row_init(LG_REL_pg_shdescription, &row);
    LG_ROW_SET(&row, LG_AT_pg_shdescription_objoid, oid);
    LG_ROW_SET(&row, LG_AT_pg_shdescription_classoid, LG_REL_pg_database);
    LG_ROW_SET(&row, LG_AT_pg_shdescription_description, txt(a, comment));
    return lg_cat_insert(c, LG_REL_pg_shdescription, &row);
}

static lg_status
comment_rows(lg_cat *c, lg_arena *a)
{
    static const struct {
        lg_oid cls, obj;
        const char *text;
    } comments[] = {
#define LG_COMMENT(cls, obj, text) {cls, obj, text},
#include "comment.def"
#undef LG_COMMENT
    };
    for (size_t i = 0; i < sizeof comments / sizeof *comments; i++) {
        lg_cat_row row;
        if (comments[i].cls == LG_REL_pg_type && !lg_type_get(comments[i].obj))
            continue;
        lg_cat_row_init(LG_REL_pg_description, &row);
        LG_ROW_SET(&row, LG_AT_pg_description_objoid, comments[i].obj);
        LG_ROW_SET(&row, LG_AT_pg_description_classoid, comments[i].cls);
        LG_ROW_SET(&row, LG_AT_pg_description_description, txt(a, comments[i].text));
        LG_TRY(lg_cat_insert(c, LG_REL_pg_description, &row));
    }
    return LG_OK;
}

/* creator: the session whose transaction drops them if it fails; NULL: nobody drops anything. */
static lg_status
create_segment(lg_catalog *cat, struct lg_txn *txn, lg_cat *creator, lg_seg_kind kind,
               lg_rel_storage *ret)
{
    if (creator)
        return lg_cat_segment_create(creator, kind, ret);
    return cat->access.ops->segment_create(cat->access.arg, txn, kind, ret);
}

static lg_status
create_segments(lg_catalog *cat, struct lg_txn *txn, lg_cat *creator)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(cat->system, &pos, &key, &v)) {
        lg_relation *r = v;
        if (!lg_cat__table_stored(r->oid) || (creator && lg_cat__table_shared(r->oid)))
            continue;
        LG_TRY(create_segment(cat, txn, creator, LG_SEG_HEAP, &r->storage));
        for (uint16_t i = 0; i < r->nindexes; i++)
            LG_TRY(create_segment(cat, txn, creator, LG_SEG_BTREE,
                                  &((lg_index *)(uintptr_t)r->indexes[i])->storage));
    }
    return LG_OK;
}

static void
counter_start(void *arg, lg_seq_state *state)
{
    (void)arg;
    *state = (lg_seq_state){LG_OID_FIRST_NORMAL, false};
}

static const struct {
    lg_oid oid;
    const char *name;
} roles[] = {
    {6171, "pg_database_owner"},     {6181, "pg_read_all_data"},
    {6182, "pg_write_all_data"},     {3373, "pg_monitor"},
    {3374, "pg_read_all_settings"},  {3375, "pg_read_all_stats"},
    {3377, "pg_stat_scan_tables"},   {4569, "pg_read_server_files"},
    {4570, "pg_write_server_files"}, {4571, "pg_execute_server_program"},
    {4200, "pg_signal_backend"},     {4544, "pg_checkpoint"},
};

/* What every database has. */
static lg_status
database_rows(lg_cat *c, lg_arena *a)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(c->cat->system, &pos, &key, &v)) {
        LG_TRY(relation_rows(c, a, v));
        lg_arena_reset(a);
    }
    LG_TRY(namespace_row(c, a, LG_NSP_CATALOG, "pg_catalog", "system catalog schema"));
    LG_TRY(namespace_row(c, a, LG_NSP_TOAST, "pg_toast", "reserved schema for TOAST tables"));
    LG_TRY(namespace_row(c, a, LG_NSP_INFORMATION, "information_schema",
                         "SQL standard information schema"));
    LG_TRY(namespace_row(c, a, LG_NSP_PUBLIC, "public", "standard public schema"));
    LG_TRY(comment_rows(c, a));
    return lg_cat__type_rows(c, a);
}

lg_status
lg_cat__database_segments(lg_cat *c, lg_cat *creator)
{
    return create_segments(c->cat, c->txn, creator);
}

/* c: of the new database, in the transaction of creator. */
lg_status
lg_cat__bootstrap_database(lg_cat *c, lg_cat *creator, lg_arena *a)
{
    LG_TRY(create_segments(c->cat, c->txn, creator));
    return database_rows(c, a);
}

static lg_status
bootstrap_rows(lg_cat *c, lg_arena *a, const char *database, const char *role, const char *verifier)
{
    lg_cat_dict *d = c->cat->dict;
    const lg_rel_storage *root = &lg_cat__system_by_oid(c->cat, LG_REL_pg_class)->storage;
    LG_TRY(class_row(c, a, LG_CAT_OID_COUNTER, "lg_oid_counter", LG_NSP_CATALOG, 'S',
                     &d->oid_counter, 0, false));
    LG_TRY(role_row(c, a, LG_ROLE_BOOTSTRAP, role, true, verifier));
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        LG_TRY(role_row(c, a, roles[i].oid, roles[i].name, false, NULL));
    LG_TRY(database_row(c, a, LG_DB_FIRST, database, NULL, root));
    LG_TRY(database_row(c, a, LG_DB_TEMPLATE1, "template1", "default template for new databases",
                        NULL));
    LG_TRY(database_row(c, a, LG_DB_TEMPLATE0, "template0", "unmodifiable empty database", NULL));
    if (strcmp(database, "postgres") != 0)
        LG_TRY(database_row(c, a, LG_DB_POSTGRES, "postgres",
                            "default administrative connection database", NULL));
    return database_rows(c, a);
}

lg_status
lg_catalog_bootstrap(lg_catalog *cat, struct lg_txn *txn, const char *database, const char *role,
                     const char *verifier, lg_catalog_root *ret_root)
{
    const lg_access *acc = &cat->access;
    lg_rel_storage *counter = &cat->dict->oid_counter;
    lg_arena *a = lg_arena_create("bootstrap", 0);
    lg_cat *c = NULL;
    lg_status st = LG_OK;
    LG_CHECK(create_segments(cat, txn, NULL));
    LG_CHECK(acc->ops->segment_create(acc->arg, txn, LG_SEG_SEQUENCE, counter));
    LG_CHECK(acc->ops->seq_modify(acc->arg, counter, counter_start, NULL));
    LG_CHECK(lg_cat_create(cat, LG_ROLE_BOOTSTRAP, database, &c));
    c->txn = txn;
    LG_CHECK(bootstrap_rows(c, a, database, role, verifier));
    ret_root->pg_class = lg_cat__system_by_oid(cat, LG_REL_pg_class)->storage;
    cat->open = true;
out:
    if (c) {
        c->txn = NULL;
        lg_cat_destroy(c);
    }
    lg_arena_destroy(a);
    return st;
}

lg_status
lg_cat__open(lg_catalog *cat, struct lg_txn *txn, const lg_rel_storage *pg_class)
{
    lg_arena *a = lg_arena_create("catalog open", 0);
    lg_cat *c = NULL;
    lg_cat_scan s = {0};
    lg_cat_row row;
    lg_status st = LG_OK;
    lg_cat__system_set_storage(cat, LG_REL_pg_class, pg_class);
    LG_CHECK(lg_cat_create(cat, LG_ROLE_BOOTSTRAP, "", &c));
    c->txn = txn;
    LG_CHECK(lg_cat_scan_open(c, LG_REL_pg_class, 0, 0, NULL, a, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        lg_oid oid = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_class_oid));
        lg_rel_storage storage = lg_cat_row_storage(&row);
        if (oid == LG_CAT_OID_COUNTER)
            cat->dict->oid_counter = storage;
        else if (oid < LG_OID_FIRST_NORMAL && storage.file)
            lg_cat__system_set_storage(cat, oid, &storage);
    }
    lg_cat_scan_close(&s);
    if (st == LG_END)
        st = cat->dict->oid_counter.file ? LG_OK : LG_CORRUPT;
    cat->open = st == LG_OK;
out:
    if (c) {
        c->txn = NULL;
        lg_cat_destroy(c);
    }
    lg_arena_destroy(a);
    return st;
}

lg_status
lg_catalog_open(lg_catalog *cat, struct lg_txn *txn, const lg_catalog_root *root)
{
    return lg_cat__open(cat, txn, &root->pg_class);
}
