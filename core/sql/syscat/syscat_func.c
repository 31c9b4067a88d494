/* Functions of the session and the catalog: identity, settings, sequences, visibility, privileges,
 * sizes, descriptions, advisory locks. */
#include "encoding.h"
#include "acl.h"
#include "cat_collation.h"
#include "syscat_internal.h"
#include "cat_type.h"
#include "array.h"
#include "bind.h"
#include "ges.h"
#include <stdlib.h>
#include "txn.h"
#include <string.h>

void
lg_fx_register(lg_fntable *t, const lg_fx_entry *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t count;
        const lg_func *f = lg_func_by_name(list[i].name, &count);
        for (uint32_t k = 0; k < count; k++)
            if (f[k].flags & LG_FUNC_EXT)
                lg_fntable_set(t, f[k].oid, list[i].fn);
    }
}

static lg_datum
ret_true(lg_call *c)
{
    (void)c;
    return 1;
}

static lg_datum
ret_false(lg_call *c)
{
    (void)c;
    return 0;
}

static lg_datum
ret_null(lg_call *c)
{
    return lg_fx_null(c);
}

/* --- who and where --- */

static lg_datum
fn_current_database(lg_call *c)
{
    return lg_fx_text(c, lg_cat_database(lg_fx_session(c)->cat));
}

static lg_datum
role_name(lg_call *c, lg_oid oid, const char *unknown)
{
    lg_role role;
    lg_status st = lg_cat_role_by_oid(lg_fx_session(c)->cat, oid, c->arena, &role);
    if (st == LG_OK)
        return lg_fx_text(c, role.name);
    if (st != LG_NOT_FOUND)
        return lg_fx_fail(c, st);
    return lg_fx_text(c, unknown);
}

static lg_datum
fn_current_user(lg_call *c)
{
    return role_name(c, lg_cat_user(lg_fx_session(c)->cat), "unknown");
}

static lg_datum
fn_session_user(lg_call *c)
{
    lg_exec_session *es = lg_fx_session(c);
    const char *s = es->setting ? es->setting(es->arg, "session_authorization") : NULL;
    return s && *s ? lg_fx_text(c, s) : fn_current_user(c);
}

static lg_datum
fn_pg_get_userbyid(lg_call *c)
{
    lg_oid oid = lg_oid_of(c->args[0]);
    return role_name(c, oid, lg_arena_printf(c->arena, "unknown (OID=%u)", oid));
}

static lg_datum
fn_current_schema(lg_call *c)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    const lg_oid *oids;
    uint32_t n;
    const char *name;
    lg_status st = lg_cat_search_path(cat, false, c->arena, &oids, &n);
    if (st == LG_OK && n == 0)
        return lg_fx_null(c);
    if (st == LG_OK)
        st = lg_cat_namespace_name(cat, oids[0], c->arena, &name);
    return st == LG_OK          ? lg_fx_text(c, name)
           : st == LG_NOT_FOUND ? lg_fx_null(c)
                                : lg_fx_fail(c, st);
}

static lg_datum
fn_current_schemas(lg_call *c)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    const lg_oid *oids;
    uint32_t n, k = 0;
    lg_status st = lg_cat_search_path(cat, lg_bool(c->args[0]), c->arena, &oids, &n);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    lg_datum *v = LG_NEWN(c->arena, lg_datum, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const char *name;
        st = lg_cat_namespace_name(cat, oids[i], c->arena, &name);
        if (st == LG_OK)
            v[k++] = lg_fx_text(c, name);
        else if (st != LG_NOT_FOUND)
            return lg_fx_fail(c, st);
    }
    return lg_array_make(c->arena, LG_T_NAME, k, v, NULL);
}

static lg_datum
fn_pg_backend_pid(lg_call *c)
{
    lg_exec_session *es = lg_fx_session(c);
    return lg_datum_int4(es->backend_pid ? es->backend_pid(es->arg) : 0);
}

static lg_datum
fn_current_query(lg_call *c)
{
    const char *sql = lg_fx_session(c)->sql;
    return sql ? lg_fx_text(c, sql) : lg_fx_null(c);
}

static lg_datum
fn_current_setting(lg_call *c)
{
    lg_exec_session *es = lg_fx_session(c);
    char *name = lg_text_cstring(c->arena, c->args[0]);
    const char *v = es->setting ? es->setting(es->arg, name) : NULL;
    if (v)
        return lg_fx_text(c, v);
    if (c->nargs > 1 && lg_bool(c->args[1]))
        return lg_fx_null(c);
    return lg_call_error(c, "42704", "unrecognized configuration parameter \"%s\"", name);
}

static lg_datum
fn_set_config(lg_call *c)
{
    lg_exec_session *es = lg_fx_session(c);
    if (c->nulls[0])
        return lg_call_error(c, "22004", "SET requires parameter name");
    char *name = lg_text_cstring(c->arena, c->args[0]);
    const char *value = c->nulls[1] ? "" : lg_text_cstring(c->arena, c->args[1]);
    bool local = !c->nulls[2] && lg_bool(c->args[2]);
    if (!es->set_setting)
        return lg_call_error(c, "0A000", "set_config is not supported here");
    lg_status st = es->set_setting(es->arg, name, value, local);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    const char *v = es->setting ? es->setting(es->arg, name) : value;
    return lg_fx_text(c, v ? v : value);
}

/* --- encodings --- */

static lg_datum
fn_pg_encoding_to_char(lg_call *c)
{
    const lg_encoding *e = lg_encoding_by_id(lg_int4(c->args[0]));
    return lg_fx_text(c, e ? e->name : "");
}

static lg_datum
fn_pg_char_to_encoding(lg_call *c)
{
    const lg_encoding *e = lg_encoding_by_name(lg_text_cstring(c->arena, c->args[0]));
    return lg_datum_int4(e ? e->id : -1);
}

static lg_datum
fn_getdatabaseencoding(lg_call *c)
{
    return lg_fx_text(c, "UTF8");
}

static lg_datum
fn_pg_encoding_max_length(lg_call *c)
{
    const lg_encoding *e = lg_encoding_by_id(lg_int4(c->args[0]));
    return e ? lg_datum_int4(e->max_bytes) : lg_fx_null(c);
}

static lg_datum
fn_pg_client_encoding(lg_call *c)
{
    lg_exec_session *es = lg_fx_session(c);
    const char *s = es->setting ? es->setting(es->arg, "client_encoding") : NULL;
    return lg_fx_text(c, s ? s : "UTF8");
}

/* --- sequences --- */

static lg_datum
sequence_error(lg_call *c, lg_status st, lg_oid oid)
{
    const char *name = "?";
    lg_sequence s;
    if (st == LG_NOT_FOUND) {
        if (lg_fx_relation_name(c, oid, false, &name) == LG_OK)
            return lg_call_error(c, "42809", "\"%s\" is not a sequence", name);
        return lg_call_error(c, "42P01", "could not open relation with OID %u", oid);
    }
    if (st != LG_LIMIT || lg_cat_sequence(lg_fx_session(c)->cat, oid, &s) != LG_OK ||
        lg_fx_relation_name(c, oid, false, &name) != LG_OK)
        return lg_fx_fail(c, st);
    bool up = s.increment > 0;
    return lg_call_error(c, "2200H", "nextval: reached %s value of sequence \"%s\" (%lld)",
                         up ? "maximum" : "minimum", name, (long long)(up ? s.max : s.min));
}

/* Any of `want` on the sequence; one behind an identity column is its table's business. */
static bool
may_use(lg_call *c, lg_oid oid, uint32_t want)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    lg_relation *rel;
    uint32_t have = 0;
    if (lg_cat_user(cat) == LG_ROLE_BOOTSTRAP || lg_cat_relation_by_oid(cat, oid, &rel) != LG_OK)
        return true; /* what is not there is reported by the caller */
    lg_status st = lg_cat_relation_mask(cat, lg_cat_user(cat), rel, want, &have);
    if (st == LG_OK && !have) {
        lg_cat_row dep;
        lg_datum keys[2] = {lg_datum_oid(LG_REL_pg_class), lg_datum_oid(oid)};
        st = lg_cat_find(cat, LG_REL_pg_depend, LG_IX_pg_depend_depender_index, 2, keys, c->arena,
                         &dep);
        have = st == LG_OK && lg_char(LG_ROW_GET(&dep, LG_AT_pg_depend_deptype)) == 'i';
        if (!have)
            lg_call_error(c, "42501", "permission denied for sequence %s", rel->name);
    }
    lg_relation_unref(rel);
    return have != 0;
}

static lg_datum
fn_nextval(lg_call *c)
{
    lg_exec_session *es = lg_fx_session(c);
    int64_t v;
    lg_oid oid = lg_oid_of(c->args[0]);
    if (es->read_only && !lg_cat_temp_made(es->cat, oid))
        return lg_call_error(c, "25006", "cannot execute nextval() in a read-only transaction");
    if (!may_use(c, oid, LG_ACL_USAGE | LG_ACL_UPDATE))
        return 0;
    lg_status st = lg_cat_sequence_next(es->cat, oid, &v);
    return st == LG_OK ? lg_datum_int8(v) : sequence_error(c, st, oid);
}

static lg_datum
fn_setval(lg_call *c)
{
    lg_exec_session *es = lg_fx_session(c);
    lg_sequence s;
    lg_oid oid = lg_oid_of(c->args[0]);
    int64_t v = lg_int8(c->args[1]);
    if (es->read_only && !lg_cat_temp_made(es->cat, oid))
        return lg_call_error(c, "25006", "cannot execute setval() in a read-only transaction");
    if (!may_use(c, oid, LG_ACL_UPDATE))
        return 0;
    lg_status st = lg_cat_sequence(es->cat, oid, &s);
    if (st != LG_OK)
        return sequence_error(c, st, oid);
    if (v < s.min || v > s.max) {
        const char *name = "?";
        (void)!lg_fx_relation_name(c, oid, false, &name);
        return lg_call_error(c, "22003",
                             "setval: value %lld is out of bounds for sequence \"%s\" (%lld..%lld)",
                             (long long)v, name, (long long)s.min, (long long)s.max);
    }
    st = lg_cat_sequence_set(es->cat, oid, v, c->nargs < 3 || lg_bool(c->args[2]));
    return st == LG_OK ? c->args[1] : lg_fx_fail(c, st);
}

static lg_datum
fn_currval(lg_call *c)
{
    int64_t v;
    lg_oid oid = lg_oid_of(c->args[0]);
    if (!may_use(c, oid, LG_ACL_USAGE | LG_ACL_SELECT))
        return 0;
    lg_status st = lg_cat_sequence_currval(lg_fx_session(c)->cat, oid, &v);
    if (st == LG_OK)
        return lg_datum_int8(v);
    const char *name;
    if (st != LG_NOT_FOUND || lg_fx_relation_name(c, oid, false, &name) != LG_OK)
        return sequence_error(c, st, oid);
    return lg_call_error(c, "55000",
                         "currval of sequence \"%s\" is not yet defined in this session", name);
}

static lg_datum
fn_lastval(lg_call *c)
{
    int64_t v;
    lg_status st = lg_cat_sequence_lastval(lg_fx_session(c)->cat, &v);
    if (st == LG_OK)
        return lg_datum_int8(v);
    return st == LG_NOT_FOUND
               ? lg_call_error(c, "55000", "lastval is not yet defined in this session")
               : lg_fx_fail(c, st);
}

static lg_datum
fn_pg_sequence_last_value(lg_call *c)
{
    lg_seq_state s;
    lg_status st = lg_cat_sequence_read(lg_fx_session(c)->cat, lg_oid_of(c->args[0]), &s);
    if (st != LG_OK)
        return sequence_error(c, st, lg_oid_of(c->args[0]));
    return s.is_called ? lg_datum_int8(s.last_value) : lg_fx_null(c);
}

/* --- visibility --- */

static lg_datum
fn_pg_table_is_visible(lg_call *c)
{
    bool v = false;
    lg_status st = lg_cat_relation_visible(lg_fx_session(c)->cat, lg_oid_of(c->args[0]), &v);
    if (st == LG_NOT_FOUND)
        return lg_fx_null(c);
    return st == LG_OK ? v : lg_fx_fail(c, st);
}

static lg_datum
fn_pg_type_is_visible(lg_call *c)
{
    const char *schema, *name;
    bool visible;
    lg_status st = lg_cat_type_names(lg_fx_session(c)->cat, lg_oid_of(c->args[0]), c->arena,
                                     &schema, &name, &visible);
    if (st == LG_NOT_FOUND)
        return lg_fx_null(c);
    return st == LG_OK ? visible : lg_fx_fail(c, st);
}

static lg_datum
fn_pg_operator_is_visible(lg_call *c)
{
    return lg_operator_get(lg_oid_of(c->args[0])) ? 1 : lg_fx_null(c);
}

/* --- sizes --- */

static lg_status
blocks_of(lg_call *c, const lg_rel_storage *s, int64_t *ret_bytes)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    const lg_access *a = lg_catalog_access(lg_cat_catalog(cat));
    uint32_t blocks = 0;
    if (s->file)
        LG_TRY(a->ops->segment_blocks(a->arg, s, &blocks));
    *ret_bytes += (int64_t)blocks * 8192;
    return LG_OK;
}

enum { MAIN = 1, INDEXES = 2 };

static lg_datum
relation_bytes(lg_call *c, int what)
{
    lg_relation *rel;
    int64_t bytes = 0;
    lg_status st = lg_cat_relation_by_oid(lg_fx_session(c)->cat, lg_oid_of(c->args[0]), &rel);
    if (st == LG_NOT_FOUND)
        return lg_fx_null(c);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    if (what & MAIN)
        st = blocks_of(c, &rel->storage, &bytes);
    for (uint16_t i = 0; st == LG_OK && (what & INDEXES) && i < rel->nindexes; i++)
        st = blocks_of(c, &rel->indexes[i]->storage, &bytes);
    lg_relation_unref(rel);
    return st == LG_OK ? lg_datum_int8(bytes) : lg_fx_fail(c, st);
}

static lg_datum
fn_pg_relation_size(lg_call *c)
{
    return relation_bytes(c, MAIN);
}
static lg_datum
fn_pg_indexes_size(lg_call *c)
{
    return relation_bytes(c, INDEXES);
}
static lg_datum
fn_pg_total_relation_size(lg_call *c)
{
    return relation_bytes(c, MAIN | INDEXES);
}

static lg_datum
database_bytes(lg_call *c, lg_status found, const lg_database *db)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    bool member;
    uint32_t may;
    int64_t bytes;
    if (found == LG_OK)
        found = lg_cat_is_member(cat, lg_cat_user(cat), LG_ROLE_READ_ALL_STATS, false, &member);
    if (found == LG_OK)
        found = lg_cat_database_mask(cat, lg_cat_user(cat), db->oid, LG_ACL_CONNECT, &may);
    if (found == LG_OK && !may && !member)
        return lg_call_error(c, "42501", "permission denied for database %s", db->name);
    if (found == LG_OK)
        found = lg_cat_database_size(cat, db, &bytes);
    return found == LG_OK ? lg_datum_int8(bytes) : lg_fx_fail(c, found);
}

static lg_datum
fn_pg_database_size(lg_call *c)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    lg_database db;
    lg_status st;
    if (c->func->args[0] == LG_T_OID) {
        st = lg_cat_database_by_oid(cat, lg_oid_of(c->args[0]), c->arena, &db);
        return st == LG_NOT_FOUND ? lg_fx_null(c) : database_bytes(c, st, &db);
    }
    char *name = lg_text_cstring(c->arena, c->args[0]);
    st = lg_cat_database_by_name(cat, name, c->arena, &db);
    if (st == LG_NOT_FOUND)
        return lg_call_error(c, "3D000", "database \"%s\" does not exist", name);
    return database_bytes(c, st, &db);
}

static lg_datum
fn_pg_column_size(lg_call *c)
{
    lg_oid type = c->argtypes ? c->argtypes[0] : 0;
    const lg_type *t = lg_type_get(type);
    size_t n = lg_datum_size(type, c->args[0]);
    return lg_datum_int4((int32_t)(n ? n : t ? t->size : 8));
}

/* All storage is the volume's: tablespaces have no place of their own. */
static lg_datum
fn_pg_tablespace_location(lg_call *c)
{
    return lg_fx_text(c, "");
}

/* --- descriptions --- */

static lg_datum
description(lg_call *c, lg_oid table, lg_oid index, uint16_t nkeys, const lg_datum *keys,
            int16_t att)
{
    lg_cat_row row;
    lg_status st = lg_cat_find(lg_fx_session(c)->cat, table, index, nkeys, keys, c->arena, &row);
    if (st == LG_OK && !LG_ROW_NULL(&row, att))
        return LG_ROW_GET(&row, att);
    return st == LG_OK || st == LG_NOT_FOUND ? lg_fx_null(c) : lg_fx_fail(c, st);
}

static lg_datum
fn_col_description(lg_call *c)
{
    lg_datum keys[3] = {c->args[0], LG_REL_pg_class, c->args[1]};
    return description(c, LG_REL_pg_description, LG_IX_pg_description_o_c_o_index, 3, keys,
                       LG_AT_pg_description_description);
}

static lg_status
catalog_oid(lg_call *c, lg_datum name, lg_oid *ret)
{
    lg_relation *rel;
    LG_TRY(lg_cat_relation_by_name(lg_fx_session(c)->cat, "pg_catalog",
                                   lg_text_cstring(c->arena, name), &rel));
    *ret = rel->oid;
    lg_relation_unref(rel);
    return LG_OK;
}

static lg_datum
fn_obj_description(lg_call *c)
{
    static const lg_oid classes[] = {LG_REL_pg_class, LG_REL_pg_namespace, LG_REL_pg_type,
                                     LG_REL_pg_constraint};
    lg_oid cls = LG_REL_pg_class;
    for (size_t i = 0; c->nargs == 1 && i < sizeof classes / sizeof *classes; i++) {
        lg_datum any[3] = {c->args[0], classes[i], 0};
        lg_datum d = description(c, LG_REL_pg_description, LG_IX_pg_description_o_c_o_index, 3, any,
                                 LG_AT_pg_description_description);
        if (!c->isnull || c->st != LG_OK || i + 1 == sizeof classes / sizeof *classes)
            return d;
        c->isnull = false;
    }
    lg_status st = c->nargs > 1 ? catalog_oid(c, c->args[1], &cls) : LG_OK;
    if (st != LG_OK)
        return st == LG_NOT_FOUND ? lg_fx_null(c) : lg_fx_fail(c, st);
    lg_datum keys[3] = {c->args[0], cls, 0};
    return description(c, LG_REL_pg_description, LG_IX_pg_description_o_c_o_index, 3, keys,
                       LG_AT_pg_description_description);
}

static lg_datum
fn_shobj_description(lg_call *c)
{
    lg_oid cls;
    lg_status st = catalog_oid(c, c->args[1], &cls);
    if (st != LG_OK)
        return st == LG_NOT_FOUND ? lg_fx_null(c) : lg_fx_fail(c, st);
    lg_datum keys[2] = {c->args[0], cls};
    return description(c, LG_REL_pg_shdescription, LG_IX_pg_shdescription_o_c_index, 2, keys,
                       LG_AT_pg_shdescription_description);
}

/* --- pg_sleep --- */

static lg_datum
fn_pg_sleep(lg_call *c)
{
    lg_exec_session *es = lg_fx_session(c);
    double s = lg_float8(c->args[0]);
    if (!(s > 0))
        return 0;
    lg_time until = lg_run_now_ns(es->run) + (lg_time)((s > 1e9 ? 1e9 : s) * 1e9);
    lg_status st = lg_fiber_sleep_until(until, LG_WAIT_SLEEP);
    return st == LG_OK ? 0 : lg_fx_fail(c, st);
}

/* --- advisory locks --- */

/* One bigint, or two integers: two key spaces of the database. */
static lg_ges_res
advisory_res(const lg_call *c)
{
    lg_oid db = lg_cat_database_oid(lg_fx_session(c)->cat);
    lg_ges_res r = {.type = LG_GES_ADVISORY, .id1 = db << 2 | (c->nargs > 1 ? 2 : 1)};
    r.id2 = c->nargs > 1 ? (c->args[0] << 32) | (uint32_t)c->args[1] : c->args[0];
    return r;
}

static lg_datum
advisory(lg_call *c, lg_lock_mode mode, unsigned flags)
{
    lg_ges_owner *o = lg_cat_owner(lg_fx_session(c)->cat);
    bool try = flags & LG_GES_NOWAIT;
    if (!o)
        return lg_call_error(c, "0A000", "advisory locks are not supported here");
    lg_status st = lg_ges_lock(o, advisory_res(c), mode, flags, LG_FOREVER);
    if (st == LG_OK)
        return 1;
    return try && st == LG_LOCK_NOT_AVAILABLE ? 0 : lg_fx_fail(c, st);
}

static lg_datum
unlock(lg_call *c, lg_lock_mode mode)
{
    lg_exec_session *es = lg_fx_session(c);
    lg_ges_owner *o = lg_cat_owner(es->cat);
    lg_status st = o ? lg_ges_unlock(o, advisory_res(c), mode, LG_GES_SESSION) : LG_NOT_FOUND;
    if (st == LG_NOT_FOUND && es->notice)
        es->notice(es->arg, "WARNING", "01000",
                   mode == LG_LOCK_SHARE ? "you don't own a lock of type ShareLock"
                                         : "you don't own a lock of type ExclusiveLock",
                   NULL);
    return st == LG_OK ? 1 : st == LG_NOT_FOUND ? 0 : lg_fx_fail(c, st);
}

#define EX LG_LOCK_EXCLUSIVE
#define SH LG_LOCK_SHARE
static lg_datum
fn_lock(lg_call *c)
{
    return advisory(c, EX, LG_GES_SESSION);
}
static lg_datum
fn_lock_sh(lg_call *c)
{
    return advisory(c, SH, LG_GES_SESSION);
}
static lg_datum
fn_xact(lg_call *c)
{
    return advisory(c, EX, 0);
}
static lg_datum
fn_xact_sh(lg_call *c)
{
    return advisory(c, SH, 0);
}
static lg_datum
fn_try(lg_call *c)
{
    return advisory(c, EX, LG_GES_SESSION | LG_GES_NOWAIT);
}
static lg_datum
fn_try_sh(lg_call *c)
{
    return advisory(c, SH, LG_GES_SESSION | LG_GES_NOWAIT);
}
static lg_datum
fn_try_xact(lg_call *c)
{
    return advisory(c, EX, LG_GES_NOWAIT);
}
static lg_datum
fn_try_xact_sh(lg_call *c)
{
    return advisory(c, SH, LG_GES_NOWAIT);
}
static lg_datum
fn_unlock(lg_call *c)
{
    return unlock(c, EX);
}
static lg_datum
fn_unlock_sh(lg_call *c)
{
    return unlock(c, SH);
}

static lg_datum
fn_unlock_all(lg_call *c)
{
    lg_ges_owner *o = lg_cat_owner(lg_fx_session(c)->cat);
    if (o)
        lg_ges_unlock_session(o, LG_GES_ADVISORY);
    return 0;
}

/* A snapshot is one SCN, which means the same on every instance. It can be imported as long as
 * this transaction holds it. */
static lg_datum
fn_pg_export_snapshot(lg_call *c)
{
    const lg_exec_session *es = lg_fx_session(c);
    lg_snapshot snap = *es->snapshot;
    lg_status st = es->unconfirmed ? lg_txn_snapshot_renew(lg_cat_txn(es->cat), &snap) : LG_OK;
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    return lg_fx_text(c, lg_arena_printf(c->arena, "%08X-%08X-1", (uint32_t)(snap.scn >> 32),
                                         (uint32_t)snap.scn));
}

static lg_datum
fn_pg_collation_actual_version(lg_call *c)
{
    lg_cat_collation k;
    lg_oid oid = lg_oid_of(c->args[0]);
    lg_status st = lg_cat_collation_by_oid(lg_fx_session(c)->cat, oid, c->arena, &k);
    if (st == LG_NOT_FOUND)
        return lg_call_error(c, "42704", "collation with OID %u does not exist", oid);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    const char *v = lg_collation_version(c->arena, k.locale);
    return v ? lg_fx_text(c, v) : lg_fx_null(c);
}

static lg_datum
fn_pg_collation_is_visible(lg_call *c)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    lg_cat_collation k;
    bool visible = false;
    lg_status st = lg_cat_collation_by_oid(cat, lg_oid_of(c->args[0]), c->arena, &k);
    if (st == LG_NOT_FOUND)
        return lg_fx_null(c);
    if (st == LG_OK)
        st = lg_cat_collation_visible(cat, &k, c->arena, &visible);
    return st == LG_OK ? lg_datum_bool(visible) : lg_fx_fail(c, st);
}

static const lg_fx_entry list[] = {
    {"pg_export_snapshot", fn_pg_export_snapshot},
    {"current_database", fn_current_database},
    {"current_user", fn_current_user},
    {"session_user", fn_session_user},
    {"getpgusername", fn_current_user},
    {"current_schema", fn_current_schema},
    {"current_schemas", fn_current_schemas},
    {"current_query", fn_current_query},
    {"current_setting", fn_current_setting},
    {"set_config", fn_set_config},
    {"pg_backend_pid", fn_pg_backend_pid},
    {"pg_get_userbyid", fn_pg_get_userbyid},
    {"pg_encoding_to_char", fn_pg_encoding_to_char},
    {"pg_char_to_encoding", fn_pg_char_to_encoding},
    {"pg_encoding_max_length", fn_pg_encoding_max_length},
    {"getdatabaseencoding", fn_getdatabaseencoding},
    {"pg_client_encoding", fn_pg_client_encoding},
    {"nextval", fn_nextval},
    {"setval", fn_setval},
    {"currval", fn_currval},
    {"lastval", fn_lastval},
    {"pg_sequence_last_value", fn_pg_sequence_last_value},
    {"pg_table_is_visible", fn_pg_table_is_visible},
    {"pg_type_is_visible", fn_pg_type_is_visible},
    {"pg_operator_is_visible", fn_pg_operator_is_visible},
    {"pg_opclass_is_visible", ret_true},
    {"pg_opfamily_is_visible", ret_true},
    {"pg_collation_is_visible", fn_pg_collation_is_visible},
    {"pg_conversion_is_visible", ret_true},
    {"pg_statistics_obj_is_visible", ret_true},
    {"pg_ts_config_is_visible", ret_true},
    {"pg_ts_dict_is_visible", ret_true},
    {"pg_ts_parser_is_visible", ret_true},
    {"pg_ts_template_is_visible", ret_true},
    {"pg_database_size", fn_pg_database_size},
    {"pg_relation_size", fn_pg_relation_size},
    {"pg_table_size", fn_pg_relation_size},
    {"pg_indexes_size", fn_pg_indexes_size},
    {"pg_total_relation_size", fn_pg_total_relation_size},
    {"pg_column_size", fn_pg_column_size},
    {"pg_tablespace_location", fn_pg_tablespace_location},
    {"col_description", fn_col_description},
    {"obj_description", fn_obj_description},
    {"shobj_description", fn_shobj_description},
    {"pg_sleep", fn_pg_sleep},
    {"pg_advisory_lock", fn_lock},
    {"pg_advisory_lock_shared", fn_lock_sh},
    {"pg_advisory_xact_lock", fn_xact},
    {"pg_advisory_xact_lock_shared", fn_xact_sh},
    {"pg_try_advisory_lock", fn_try},
    {"pg_try_advisory_lock_shared", fn_try_sh},
    {"pg_try_advisory_xact_lock", fn_try_xact},
    {"pg_try_advisory_xact_lock_shared", fn_try_xact_sh},
    {"pg_advisory_unlock", fn_unlock},
    {"pg_advisory_unlock_shared", fn_unlock_sh},
    {"pg_advisory_unlock_all", fn_unlock_all},
    {"pg_is_in_recovery", ret_false},
    {"pg_is_wal_replay_paused", ret_false},
    {"row_security_active", ret_false},
    {"pg_relation_is_publishable", ret_false},
    {"pg_jit_available", ret_false},
    {"pg_get_replica_identity_index", ret_null},
    {"pg_column_compression", ret_null},
    {"pg_get_partkeydef", ret_null},
    {"pg_get_partition_constraintdef", ret_null},
    {"pg_get_triggerdef", ret_null},
    {"pg_get_ruledef", ret_null},
    {"pg_get_statisticsobjdef", ret_null},
    {"pg_get_statisticsobjdef_columns", ret_null},
    {"pg_collation_actual_version", fn_pg_collation_actual_version},
};

void
lg_syscat_functions_register(lg_fntable *t)
{
    lg_fx_register(t, list, sizeof list / sizeof *list);
    lg_fx_register_reg(t);
    lg_fx_register_defs(t);
    lg_fx_register_acl(t);
    lg_fx_register_sys(t);
    lg_fx_register_proc(t);
    lg_fx_register_describe(t);
    lg_fx_register_props(t);
    lg_fx_register_identify(t);
}
