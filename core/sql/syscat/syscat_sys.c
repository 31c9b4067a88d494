/* Functions that tools ask about storage, sequences, transactions and the server. */
#include "array.h"
#include "syscat_internal.h"
#include "hash.h"
#include "strbuf.h"
#include "txn.h"
#include <string.h>

static lg_datum
ret_null(lg_call *c)
{
    return lg_fx_null(c);
}

static lg_datum
ret_zero(lg_call *c)
{
    (void)c;
    return 0;
}

/* ---- options ("name=value" texts) as rows ---- */

struct options {
    lg_array x;
    uint32_t at;
};

static lg_status
options_open(lg_call *c, void **ret_state)
{
    struct options *o = LG_NEW(c->arena, struct options);
    lg_array_unpack(c->args[0], c->arena, &o->x);
    *ret_state = o;
    return LG_OK;
}

static lg_status
options_next(lg_call *c, void *state, lg_datum *ret, uint8_t *nulls)
{
    struct options *o = state;
    if (o->at >= o->x.n)
        return LG_END;
    const char *text = lg_text_cstring(c->arena, o->x.values[o->at++]);
    const char *eq = strchr(text, '=');
    ret[0] = lg_datum_text(c->arena, text, eq ? (size_t)(eq - text) : strlen(text));
    nulls[0] = 0;
    nulls[1] = !eq;
    ret[1] = eq ? lg_fx_text(c, eq + 1) : 0;
    return LG_OK;
}

static const lg_srf options_srf = {options_open, options_next};

/* ---- information_schema._pg_expandarray ---- */

static lg_status
expand_next(lg_call *c, void *state, lg_datum *ret, uint8_t *nulls)
{
    struct options *o = state;
    (void)c;
    if (o->at >= o->x.n)
        return LG_END;
    ret[0] = o->x.values[o->at];
    nulls[0] = o->x.nulls && o->x.nulls[o->at];
    ret[1] = lg_datum_int4((int32_t)++o->at);
    nulls[1] = 0;
    return LG_OK;
}

static const lg_srf expand_srf = {options_open, expand_next};

/* ---- relations ---- */

static lg_status
relation_arg(lg_call *c, lg_relation **ret)
{
    return lg_cat_relation_by_oid(lg_fx_session(c)->cat, lg_oid_of(c->args[0]), ret);
}

static lg_datum
fn_pg_relation_filenode(lg_call *c)
{
    lg_relation *rel;
    lg_status st = relation_arg(c, &rel);
    if (st == LG_NOT_FOUND)
        return lg_fx_null(c);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    uint32_t file = rel->storage.file;
    lg_relation_unref(rel);
    return file ? lg_datum_oid(file) : lg_fx_null(c);
}

/* Where a segment is: files have numbers, no names. */
static lg_datum
fn_pg_relation_filepath(lg_call *c)
{
    lg_datum file = fn_pg_relation_filenode(c);
    if (c->isnull || c->st)
        return 0;
    return lg_fx_text(c,
                      lg_arena_printf(c->arena, "base/%u/%u",
                                      lg_cat_database_oid(lg_fx_session(c)->cat), lg_oid_of(file)));
}

/* Bits of the commands that may change it: 4 UPDATE, 8 INSERT, 16 DELETE; which columns too. */
static lg_status
updatable(lg_call *c, lg_relation *rel, int32_t *ret_bits, uint8_t **ret_cols)
{
    lg_exec_session *es = lg_fx_session(c);
    uint8_t *cols = *ret_cols = LG_NEWN(c->arena, uint8_t, rel->ncols + 1u);
    *ret_bits = 0;
    if (rel->kind == LG_REL_TABLE && !rel->is_system) {
        memset(cols, 1, rel->ncols);
        *ret_bits = 4 | 8 | 16;
        return LG_OK;
    }
    if (rel->kind != LG_REL_VIEW || rel->virtual_rel || !rel->view_sql || rel->is_system)
        return LG_OK;
    lg_bind b;
    bool ok;
    const char *why;
    lg_bind_init(&b, es->cat, es->run, c->arena, es->env, c->err, NULL);
    lg_status st = lg_bind_view_updatable(&b, rel, cols, &ok, &why);
    lg_bind_fini(&b);
    LG_TRY(st);
    if (ok)
        *ret_bits = 16 | (memchr(cols, 1, rel->ncols) ? 4 | 8 : 0);
    return LG_OK;
}

static lg_datum
fn_pg_relation_is_updatable(lg_call *c)
{
    lg_relation *rel;
    int32_t bits;
    uint8_t *cols;
    lg_status st = relation_arg(c, &rel);
    if (st == LG_NOT_FOUND)
        return 0;
    if (st == LG_OK) {
        st = updatable(c, rel, &bits, &cols);
        lg_relation_unref(rel);
    }
    return st == LG_OK ? lg_datum_int4(bits) : lg_fx_fail(c, st);
}

static lg_datum
fn_pg_column_is_updatable(lg_call *c)
{
    lg_relation *rel;
    int32_t bits;
    uint8_t *cols;
    int16_t att = lg_int2(c->args[1]);
    bool ok = false;
    lg_status st = relation_arg(c, &rel);
    if (st == LG_NOT_FOUND)
        return 0;
    if (st == LG_OK) {
        st = updatable(c, rel, &bits, &cols);
        ok = st == LG_OK && att > 0 && att <= (int16_t)rel->ncols && bits && cols[att - 1];
        lg_relation_unref(rel);
    }
    return st == LG_OK ? ok : lg_fx_fail(c, st);
}

/* ---- TABLESAMPLE: (ctid, percent, seed, 1 SYSTEM | 2 REPEATABLE) ---- */

struct sample {
    uint64_t seed, cutoff;
};

static lg_datum
fn_tablesample(lg_call *c)
{
    struct sample *s = c->cache;
    int32_t mode = lg_int4(c->args[3]);
    if (!s) {
        double percent = c->nulls[1] ? 0 : (double)lg_float4(c->args[1]);
        if (c->nulls[1])
            return lg_call_error(c, "2202H", "TABLESAMPLE parameter cannot be null");
        if (!(percent >= 0 && percent <= 100))
            return lg_call_error(c, "2202H", "sample percentage must be between 0 and 100");
        if ((mode & 2) && c->nulls[2])
            return lg_call_error(c, "2202G", "TABLESAMPLE REPEATABLE parameter cannot be null");
        s = LG_NEW(c->perm, struct sample);
        s->seed = mode & 2 ? (uint64_t)c->args[2] : lg_run_random(lg_fx_session(c)->run);
        s->cutoff = (uint64_t)(percent / 100.0 * 4294967296.0 + 0.5);
        c->cache = s;
    }
    uint64_t tid = c->args[0];
    uint64_t key = mode & 1 ? tid >> 16 : tid;
    return (lg_hash_u64(key ^ lg_hash_u64(s->seed)) & 0xFFFFFFFFu) < s->cutoff;
}

/* ---- sequences ---- */

static lg_status
one_open(lg_call *c, void **ret_state)
{
    *ret_state = LG_NEW(c->arena, bool);
    return LG_OK;
}

static lg_status
sequence_next(lg_call *c, void *state, lg_datum *ret, uint8_t *nulls)
{
    bool *done = state;
    lg_sequence q;
    if (*done)
        return LG_END;
    *done = true;
    lg_status st = lg_cat_sequence(lg_fx_session(c)->cat, lg_oid_of(c->args[0]), &q);
    if (st == LG_NOT_FOUND) {
        lg_call_error(c, "42809", "relation with OID %u is not a sequence", lg_oid_of(c->args[0]));
        return c->st;
    }
    LG_TRY(st);
    ret[0] = lg_datum_int8(q.start);
    ret[1] = lg_datum_int8(q.min);
    ret[2] = lg_datum_int8(q.max);
    ret[3] = lg_datum_int8(q.increment);
    ret[4] = q.cycle;
    ret[5] = lg_datum_int8(q.cache);
    ret[6] = lg_datum_oid(q.type);
    memset(nulls, 0, 7);
    return LG_OK;
}

static const lg_srf sequence_srf = {one_open, sequence_next};

/* ---- transactions ---- */

static lg_datum
fn_txid_current(lg_call *c)
{
    struct lg_txn *t = lg_cat_txn(lg_fx_session(c)->cat);
    lg_status st = t ? lg_txn_assign(t) : LG_INTERNAL;
    return st == LG_OK ? lg_datum_int8((int64_t)lg_txn_xid(t)) : lg_fx_fail(c, st);
}

static lg_datum
fn_txid_current_if_assigned(lg_call *c)
{
    struct lg_txn *t = lg_cat_txn(lg_fx_session(c)->cat);
    lg_xid xid = t ? lg_txn_xid(t) : LG_XID_NONE;
    return xid != LG_XID_NONE ? lg_datum_int8((int64_t)xid) : lg_fx_null(c);
}

/* A position in the history of changes: the SCN, which orders all instances' redo. */
static lg_datum
fn_pg_current_wal_lsn(lg_call *c)
{
    const lg_exec_session *es = lg_fx_session(c);
    return es->snapshot ? lg_datum_int8((int64_t)((const lg_snapshot *)es->snapshot)->scn)
                        : lg_fx_null(c);
}

static lg_datum
fn_pg_collation_for(lg_call *c)
{
    if (!c->collation)
        return lg_fx_null(c);
    return lg_fx_text(c, lg_deparse_collation(c->env, c->collation, c->arena));
}

static lg_datum
fn_pg_my_temp_schema(lg_call *c)
{
    return lg_datum_oid(lg_cat_temp_namespace(lg_fx_session(c)->cat));
}

static lg_datum
fn_pg_is_other_temp_schema(lg_call *c)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    lg_oid nsp = lg_oid_of(c->args[0]);
    const char *name;
    lg_status st = lg_cat_namespace_name(cat, nsp, c->arena, &name);
    if (st != LG_OK && st != LG_NOT_FOUND)
        return lg_fx_fail(c, st);
    return st == LG_OK && nsp != lg_cat_temp_namespace(cat) && strncmp(name, "pg_temp_", 8) == 0;
}

static const lg_fx_entry list[] = {
    {"pg_relation_filenode", fn_pg_relation_filenode},
    {"pg_relation_filepath", fn_pg_relation_filepath},
    {"lagoon_tablesample", fn_tablesample},
    {"pg_relation_is_updatable", fn_pg_relation_is_updatable},
    {"pg_column_is_updatable", fn_pg_column_is_updatable},
    {"txid_current", fn_txid_current},
    {"pg_current_xact_id", fn_txid_current},
    {"txid_current_if_assigned", fn_txid_current_if_assigned},
    {"pg_current_xact_id_if_assigned", fn_txid_current_if_assigned},
    {"pg_current_wal_lsn", fn_pg_current_wal_lsn},
    {"pg_current_wal_insert_lsn", fn_pg_current_wal_lsn},
    {"pg_current_wal_flush_lsn", fn_pg_current_wal_lsn},
    {"pg_last_wal_receive_lsn", ret_null},
    {"pg_last_wal_replay_lsn", ret_null},
    {"pg_last_xact_replay_timestamp", ret_null},
    {"pg_collation_for", fn_pg_collation_for},
    {"pg_trigger_depth", ret_zero},
    {"pg_my_temp_schema", fn_pg_my_temp_schema},
    {"pg_is_other_temp_schema", fn_pg_is_other_temp_schema},
    {"pg_get_statisticsobjdef_expressions", ret_null},
    {"pg_notification_queue_usage", ret_zero},
    {"pg_replication_origin_session_is_setup", ret_zero},
};

/* ---- what has no counterpart here: no rows, zero, no time ---- */

static lg_status
empty_open(lg_call *c, void **ret_state)
{
    (void)c;
    *ret_state = NULL;
    return LG_OK;
}

static lg_status
empty_next(lg_call *c, void *state, lg_datum *values, uint8_t *nulls)
{
    (void)c;
    (void)state;
    (void)values;
    (void)nulls;
    return LG_END;
}

static const lg_srf empty_srf = {empty_open, empty_next};

/* Statistics that are not kept in PostgreSQL's form (see gv$sysstat), and features that are absent:
 * replication, extensions, configuration files, prepared transactions. */
static void
register_absent(lg_fntable *t)
{
    static const char *const prefixes[] = {
        "pg_stat_get_",  "pg_ls_",          "pg_get_replication_slots",
        "pg_available_", "pg_hba_file_",    "pg_ident_file_",
        "pg_show_all_f", "pg_show_replica", "pg_prepared_xact",
        "pg_get_shmem_", "pg_get_backend_", "pg_get_publication_tables",
        "pg_extension_", "pg_config",       "pg_lock_status",
        "pg_cursor",     "pg_prepared_st",  "pg_event_trigger_",
    };
    for (uint32_t i = 0; i < lg_func_count(); i++) {
        const lg_func *f = lg_func_at(i);
        bool listed = false;
        for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++)
            listed |= strncmp(f->name, prefixes[k], strlen(prefixes[k])) == 0;
        if (!listed || !(f->flags & LG_FUNC_EXT))
            continue;
        if (lg_func_retset(f) || f->n_out)
            lg_fntable_set_srf(t, f->oid, &empty_srf);
        else
            lg_fntable_set(t, f->oid,
                           f->result == LG_T_INT8 || f->result == LG_T_INT4 ? ret_zero : ret_null);
    }
}

static void
set_srf(lg_fntable *t, const char *name, const lg_srf *srf)
{
    uint32_t n;
    const lg_func *f = lg_func_by_name(name, &n);
    for (uint32_t i = 0; f && i < n; i++)
        lg_fntable_set_srf(t, f[i].oid, srf);
}

void
lg_fx_register_sys(lg_fntable *t)
{
    register_absent(t);
    lg_fx_register(t, list, sizeof list / sizeof *list);
    set_srf(t, "pg_options_to_table", &options_srf);
    set_srf(t, "_pg_expandarray", &expand_srf);
    set_srf(t, "pg_sequence_parameters", &sequence_srf);
}
