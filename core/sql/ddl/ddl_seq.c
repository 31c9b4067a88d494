/* Sequences. */
#include "ddl_internal.h"
#include <stdlib.h>
#include <string.h>

struct options {
    bool has_start, has_inc, has_max, has_min, has_cache, has_cycle, no_max, no_min, restart,
        has_restart, has_owner;
    int64_t start, inc, max, min, cache, restart_at;
    bool cycle;
    lg_oid type;
    const lg_ast *owner;
};

static int64_t
number(const lg_ast *n)
{
    if (!n)
        return 0;
    const lg_ast_value *v = lg_ast_as(n, value);
    if (n->tag == LG_AST_INTEGER)
        return v->ival;
    if (n->tag == LG_AST_FLOAT)
        return strtoll(v->sval, NULL, 10);
    return 0;
}

static lg_status
read_options(lg_util *u, const lg_ast_list *list, struct options *o)
{
    for (uint32_t i = 0; list && i < list->n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(list->at[i], def_elem);
        const char *n = e->defname;
        if (strcmp(n, "increment") == 0)
            o->has_inc = true, o->inc = number(e->arg);
        else if (strcmp(n, "start") == 0)
            o->has_start = true, o->start = number(e->arg);
        else if (strcmp(n, "maxvalue") == 0)
            e->arg ? (o->has_max = true, o->max = number(e->arg)) : (o->no_max = true);
        else if (strcmp(n, "minvalue") == 0)
            e->arg ? (o->has_min = true, o->min = number(e->arg)) : (o->no_min = true);
        else if (strcmp(n, "cache") == 0)
            o->has_cache = true, o->cache = number(e->arg);
        else if (strcmp(n, "cycle") == 0)
            o->has_cycle = true, o->cycle = e->arg && lg_ast_as(e->arg, value)->ival;
        else if (strcmp(n, "restart") == 0)
            o->restart = true, o->has_restart = e->arg != NULL, o->restart_at = number(e->arg);
        else if (strcmp(n, "owned_by") == 0)
            o->has_owner = true, o->owner = e->arg;
        else if (strcmp(n, "as") == 0) {
            lg_bind b;
            int32_t typmod;
            lg_exec_bind_init(u->es, u->a, &b);
            lg_status st =
                lg_bind_type_name(&b, lg_ast_as(e->arg, type_name), &o->type, &typmod, NULL);
            lg_bind_fini(&b);
            LG_TRY(st);
        }
    }
    return LG_OK;
}

static int64_t
type_max(lg_oid type)
{
    return type == LG_T_INT2 ? INT16_MAX : type == LG_T_INT4 ? INT32_MAX : INT64_MAX;
}

static int64_t
type_min(lg_oid type)
{
    return -type_max(type) - 1;
}

static lg_status
out_of_type(lg_util *u, const char *what, int64_t v, lg_oid type)
{
    return lg_error_set(u->err, "22023", "%s (%lld) is out of range for sequence data type %s",
                        what, (long long)v,
                        type == LG_T_INT2   ? "smallint"
                        : type == LG_T_INT4 ? "integer"
                                            : "bigint");
}

static lg_status
within(lg_util *u, const char *what, int64_t v, int64_t min, int64_t max)
{
    if (v < min)
        return lg_error_set(u->err, "22023", "%s value (%lld) cannot be less than MINVALUE (%lld)",
                            what, (long long)v, (long long)min);
    if (v > max)
        return lg_error_set(u->err, "22023",
                            "%s value (%lld) cannot be greater than MAXVALUE (%lld)", what,
                            (long long)v, (long long)max);
    return LG_OK;
}

/* The rule as the options leave it; `last`: the value an existing sequence stands at. */
static lg_status
fill(lg_util *u, const struct options *o, lg_cat_row *row, bool create, int64_t last)
{
    lg_oid type = o->type ? o->type : lg_oid_of(GETC(row, pg_sequence, seqtypid));
    if (type != LG_T_INT2 && type != LG_T_INT4 && type != LG_T_INT8)
        return lg_error_set(u->err, "22023", "sequence type must be smallint, integer, or bigint");
    int64_t inc = o->has_inc ? o->inc : create ? 1 : lg_int8(GETC(row, pg_sequence, seqincrement));
    if (!inc)
        return lg_error_set(u->err, "22023", "INCREMENT must not be zero");
    int64_t old_max = lg_int8(GETC(row, pg_sequence, seqmax));
    int64_t old_min = lg_int8(GETC(row, pg_sequence, seqmin));
    lg_oid old_type = lg_oid_of(GETC(row, pg_sequence, seqtypid));
    /* a bound that was the old type's follows the type */
    bool reset_max = !create && o->type && old_max == type_max(old_type);
    bool reset_min = !create && o->type && old_min == type_min(old_type);
    int64_t max = old_max, min = old_min;
    if (o->has_max)
        max = o->max;
    else if (create || o->no_max || reset_max)
        max = inc > 0 || reset_max ? type_max(type) : -1;
    if (o->has_min)
        min = o->min;
    else if (create || o->no_min || reset_min)
        min = inc < 0 || reset_min ? type_min(type) : 1;
    if (max > type_max(type) || max < type_min(type))
        return out_of_type(u, "MAXVALUE", max, type);
    if (min > type_max(type) || min < type_min(type))
        return out_of_type(u, "MINVALUE", min, type);
    if (min >= max)
        return lg_error_set(u->err, "22023", "MINVALUE (%lld) must be less than MAXVALUE (%lld)",
                            (long long)min, (long long)max);
    int64_t start = o->has_start ? o->start
                    : create     ? (inc > 0 ? min : max)
                                 : lg_int8(GETC(row, pg_sequence, seqstart));
    LG_TRY(within(u, "START", start, min, max));
    if (!create)
        LG_TRY(within(u, "RESTART",
                      !o->restart      ? last
                      : o->has_restart ? o->restart_at
                                       : start,
                      min, max));
    if (o->has_cache && o->cache <= 0)
        return lg_error_set(u->err, "22023", "CACHE (%lld) must be greater than zero",
                            (long long)o->cache);
    SETC(row, pg_sequence, seqtypid, type);
    SETC(row, pg_sequence, seqincrement, lg_datum_int8(inc));
    SETC(row, pg_sequence, seqmax, lg_datum_int8(max));
    SETC(row, pg_sequence, seqmin, lg_datum_int8(min));
    SETC(row, pg_sequence, seqstart, lg_datum_int8(start));
    if (create || o->has_cache)
        SETC(row, pg_sequence, seqcache, lg_datum_int8(o->has_cache ? o->cache : 1));
    if (create || o->has_cycle)
        SETC(row, pg_sequence, seqcycle, o->cycle);
    return LG_OK;
}

static void
start_state(void *arg, lg_seq_state *state)
{
    *state = *(const lg_seq_state *)arg;
}

lg_status
lg_ddl_sequence_make(lg_util *u, lg_oid nsp, const char *name, lg_oid type, const lg_ast_list *list,
                     lg_oid *ret_oid)
{
    static const lg_ddl_column cols[] = {
        {.name = "last_value", .type = LG_T_INT8, .typmod = -1, .not_null = true},
        {.name = "log_cnt", .type = LG_T_INT8, .typmod = -1, .not_null = true},
        {.name = "is_called", .type = LG_T_BOOL, .typmod = -1, .not_null = true}};
    struct options o = {.type = type};
    lg_cat_row row;
    lg_rel_storage st;
    const lg_access *acc = lg_catalog_access(lg_cat_catalog(u->cat));
    LG_TRY(read_options(u, list, &o));
    lg_cat_row_init(LG_REL_pg_sequence, &row);
    SETC(&row, pg_sequence, seqtypid, LG_T_INT8);
    LG_TRY(fill(u, &o, &row, true, 0));
    LG_TRY(lg_cat_new_oid(u->cat, ret_oid));
    LG_TRY(lg_cat_segment_create(u->cat, LG_SEG_SEQUENCE, &st));
    lg_seq_state state = {lg_int8(GETC(&row, pg_sequence, seqstart)), false};
    LG_TRY(acc->ops->seq_modify(acc->arg, &st, start_state, &state));
    SETC(&row, pg_sequence, seqrelid, *ret_oid);
    LG_TRY(lg_ddl_class_insert(u, *ret_oid, name, nsp, 'S', &st, 3, 'p'));
    LG_TRY(lg_cat_insert(u->cat, LG_REL_pg_sequence, &row));
    for (int16_t i = 0; i < 3; i++)
        LG_TRY(lg_ddl_attribute_insert(u, *ret_oid, (int16_t)(i + 1), &cols[i]));
    return lg_cat_touch(u->cat, *ret_oid);
}

static lg_status
own(lg_util *u, lg_oid seq, const lg_ast *owner)
{
    lg_datum keys[2] = {lg_datum_oid(LG_REL_pg_class), lg_datum_oid(seq)};
    LG_TRY(lg_cat_delete_where(u->cat, LG_REL_pg_depend, LG_IX_pg_depend_depender_index, 2, keys,
                               NULL));
    if (!owner || owner->tag != LG_AST_LIST)
        return LG_OK;
    const lg_ast_list *l = &lg_ast_as(owner, list_node)->list;
    if (l->n < 2) /* NONE */
        return LG_OK;
    lg_ast_range_var rv = {.relname = lg_ast_list_str(l, l->n - 2),
                           .schemaname = l->n > 2 ? lg_ast_list_str(l, l->n - 3) : NULL};
    lg_relation *r;
    LG_TRY(lg_ddl_open(u, &rv, LG_LOCK_SHARE_UPDATE_EXCLUSIVE, false, &r));
    const char *cname = lg_ast_list_str(l, l->n - 1);
    const lg_column *col = lg_relation_column_by_name(r, cname);
    lg_status st =
        col ? lg_ddl_depend(u, LG_REL_pg_class, seq, 0, LG_REL_pg_class, r->oid, col->attnum, 'a')
            : lg_error_set(u->err, "42703", "column \"%s\" of relation \"%s\" does not exist",
                           cname, r->name);
    lg_relation_unref(r);
    return st;
}

lg_status
lg_ddl_create_sequence(lg_util *u, const lg_ast_create_seq_stmt *s)
{
    lg_oid nsp, oid;
    bool exists;
    struct options o = {0};
    snprintf(u->tag, LG_TAG_MAX, "CREATE SEQUENCE");
    LG_TRY(lg_ddl_namespace_for(u, s->sequence, &nsp));
    LG_TRY(lg_ddl_check_free(u, nsp, s->sequence->relname, s->if_not_exists, &exists));
    if (exists)
        return LG_OK;
    LG_TRY(lg_ddl_sequence_make(u, nsp, s->sequence->relname, 0, &s->options, &oid));
    LG_TRY(read_options(u, &s->options, &o));
    return o.has_owner ? own(u, oid, o.owner) : LG_OK;
}

lg_status
lg_ddl_alter_sequence(lg_util *u, const lg_ast_alter_seq_stmt *s)
{
    lg_relation *r;
    struct options o = {0};
    lg_cat_row old, row;
    snprintf(u->tag, LG_TAG_MAX, "ALTER SEQUENCE");
    lg_status st = lg_ddl_open(u, s->sequence, LG_LOCK_SHARE_ROW_EXCLUSIVE, s->missing_ok, &r);
    if (st == LG_NOT_FOUND) {
        lg_ddl_notice(u, "00000", "relation \"%s\" does not exist, skipping", s->sequence->relname);
        return LG_OK;
    }
    LG_TRY(st);
    if (r->kind != LG_REL_SEQUENCE) {
        st = lg_error_set(u->err, "42809", "\"%s\" is not a sequence", r->name);
        goto out;
    }
    LG_CHECK(lg_ddl_check_owner(u, r));
    lg_datum key = lg_datum_oid(r->oid);
    LG_CHECK(lg_cat_find(u->cat, LG_REL_pg_sequence, LG_IX_pg_sequence_seqrelid_index, 1, &key,
                         u->a, &old));
    row = old;
    LG_CHECK(read_options(u, &s->options, &o));
    lg_seq_state state;
    LG_CHECK(lg_cat_sequence_read(u->cat, r->oid, &state));
    LG_CHECK(fill(u, &o, &row, false, state.last_value));
    LG_CHECK(lg_cat_update(u->cat, LG_REL_pg_sequence, &old, &row));
    if (o.restart)
        LG_CHECK(lg_cat_sequence_set(
            u->cat, r->oid,
            o.has_restart ? o.restart_at : lg_int8(GETC(&row, pg_sequence, seqstart)), false));
    else /* also lets go of what this instance had reserved by the old rule */
        LG_CHECK(lg_cat_sequence_set(u->cat, r->oid, state.last_value, state.is_called));
    if (o.has_owner)
        LG_CHECK(own(u, r->oid, o.owner));
    st = lg_cat_touch(u->cat, r->oid);
out:
    lg_relation_unref(r);
    return st;
}
