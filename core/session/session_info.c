/* What clients ask about the server and their connection: addresses, start time, sizes, ages. */
#include "array.h"
#include "func.h"
#include "numeric.h"
#include "segment.h"
#include "session_internal.h"
#include "space_file.h"
#include <stdlib.h>
#include <string.h>

static lg_session *
session_of(const lg_call *c)
{
    return ((lg_exec_session *)c->env->session)->arg;
}

static lg_datum
null(lg_call *c)
{
    c->isnull = true;
    return 0;
}

/* ---- addresses: "127.0.0.1:5432"; a unix socket has none ---- */

static lg_datum
host_of(lg_call *c, const char *address)
{
    const char *colon = address ? strrchr(address, ':') : NULL;
    lg_datum d = 0;
    if (!colon || address[0] == '/' || colon == address)
        return null(c);
    char *host = lg_arena_strndup(c->arena, address, (size_t)(colon - address));
    c->st = lg_type_input(c->env, LG_T_INET, host, -1, c->arena, c->err, &d);
    return d;
}

static lg_datum
port_of(lg_call *c, const char *address)
{
    const char *colon = address ? strrchr(address, ':') : NULL;
    if (!colon || address[0] == '/')
        return null(c);
    return lg_datum_int4(atoi(colon + 1));
}

static const char *
client(const lg_call *c)
{
    return lg_sock_peer(session_of(c)->sock);
}

/* The first address that it listens at. */
static const char *
server(const lg_call *c)
{
    const char *listen = session_of(c)->server->cfg.listen;
    return lg_arena_strndup(c->arena, listen, strcspn(listen, ", "));
}

static lg_datum
fn_inet_client_addr(lg_call *c)
{
    return host_of(c, client(c));
}

static lg_datum
fn_inet_client_port(lg_call *c)
{
    return port_of(c, client(c));
}

static lg_datum
fn_inet_server_addr(lg_call *c)
{
    return host_of(c, server(c));
}

static lg_datum
fn_inet_server_port(lg_call *c)
{
    return port_of(c, server(c));
}

static lg_datum
fn_start_time(lg_call *c)
{
    return lg_datum_int8((int64_t)session_of(c)->server->started_us - LG_TS_UNIX_EPOCH_US);
}

/* ---- sizes: what is allocated in the volume, told of the database that asks (which of a volume's
 * databases an allocation unit belongs to is not kept) ---- */

static lg_datum
allocated(lg_call *c)
{
    lg_buf_cache *cache = lg_txn_sys_cache(session_of(c)->server->cfg.sql.txns);
    const lg_volume *v = lg_buf_volume(cache);
    uint64_t aus = 0;
    for (uint32_t d = 0; d < lg_volume_disk_count(v); d++) {
        lg_space_usage u;
        c->st = lg_space_disk_usage(cache, d, &u);
        if (c->st != LG_OK)
            return 0;
        aus += u.total_aus - u.free_aus;
    }
    return lg_datum_int8((int64_t)(aus * LG_VOLUME_AU_BYTES));
}

static lg_datum
fn_database_size(lg_call *c)
{
    if (c->func->args[0] == LG_T_OID)
        return lg_oid_of(c->args[0]) == lg_cat_database_oid(session_of(c)->cat) ? allocated(c)
                                                                                : lg_datum_int8(0);
    lg_database db;
    lg_cat *cat = session_of(c)->cat;
    const char *name = lg_text_cstring(c->arena, c->args[0]);
    c->st = lg_cat_database_by_name(cat, name, c->arena, &db);
    if (c->st == LG_NOT_FOUND)
        c->st = lg_error_set(c->err, "3D000", "database \"%s\" does not exist", name);
    if (c->st != LG_OK)
        return 0;
    return db.oid == lg_cat_database_oid(cat) ? allocated(c) : lg_datum_int8(0);
}

static lg_datum
fn_tablespace_size(lg_call *c)
{
    if (c->func->args[0] == LG_T_OID)
        return lg_oid_of(c->args[0]) == 1663 ? allocated(c) : lg_datum_int8(0);
    const char *name = lg_text_cstring(c->arena, c->args[0]);
    if (strcmp(name, "pg_default") == 0)
        return allocated(c);
    if (strcmp(name, "pg_global") == 0)
        return lg_datum_int8(0);
    c->st = lg_error_set(c->err, "42704", "tablespace \"%s\" does not exist", name);
    return 0;
}

/* ---- ---- */

/* Transaction ids need no freezing here: nothing grows old. */
static lg_datum
fn_age(lg_call *c)
{
    (void)c;
    return lg_datum_int4(0);
}

static lg_datum
fn_no_pids(lg_call *c)
{
    return lg_array_make(c->arena, LG_T_INT4, 0, NULL, NULL);
}

static lg_datum
fn_lsn_diff(lg_call *c)
{
    lg_datum d = 0;
    lg_num n = lg_num_of_int(c->arena, lg_int8(c->args[0]) - lg_int8(c->args[1]));
    c->isnull = !lg_num_pack(c->arena, &n, &d);
    return d;
}

static const struct {
    const char *name;
    lg_fn fn;
} list[] = {
    {"inet_client_addr", fn_inet_client_addr},
    {"inet_client_port", fn_inet_client_port},
    {"inet_server_addr", fn_inet_server_addr},
    {"inet_server_port", fn_inet_server_port},
    {"pg_postmaster_start_time", fn_start_time},
    {"pg_conf_load_time", fn_start_time},
    {"pg_database_size", fn_database_size},
    {"pg_tablespace_size", fn_tablespace_size},
    {"mxid_age", fn_age},
    {"pg_safe_snapshot_blocking_pids", fn_no_pids},
    {"pg_wal_lsn_diff", fn_lsn_diff},
};

#define F_AGE_OF_XID 1181

void
lg_session__info_register(lg_fntable *t)
{
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        uint32_t n;
        const lg_func *f = lg_func_by_name(list[i].name, &n);
        for (uint32_t k = 0; f && k < n; k++)
            lg_fntable_set(t, f[k].oid, list[i].fn);
    }
    lg_fntable_set(t, F_AGE_OF_XID, fn_age);
}
