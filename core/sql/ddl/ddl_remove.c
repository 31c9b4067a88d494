/* Taking objects out of the catalog, one at a time and without asking: what needs them is gone, or goes
 * in the same statement (ddl_depend.c). One that is gone already is passed over. */
#include "cat_proc.h"
#include "cat_type.h"
#include "ddl_internal.h"
#include "usertype.h"
#include <string.h>

static lg_status
delete1(lg_util *u, lg_oid table, lg_oid index, lg_oid key)
{
    lg_datum k = lg_datum_oid(key);
    return lg_cat_delete_where(u->cat, table, index, 1, &k, NULL);
}

static lg_status
delete2(lg_util *u, lg_oid table, lg_oid index, lg_oid cls, lg_oid key)
{
    lg_datum k[2] = {lg_datum_oid(cls), lg_datum_oid(key)};
    return lg_cat_delete_where(u->cat, table, index, 2, k, NULL);
}

lg_status
lg_ddl_common_delete(lg_util *u, lg_oid cls, lg_oid oid)
{
    lg_datum k[2] = {lg_datum_oid(oid), lg_datum_oid(cls)};
    LG_TRY(lg_cat_delete_where(u->cat, LG_REL_pg_description, LG_IX_pg_description_o_c_o_index, 2,
                               k, NULL));
    LG_TRY(delete2(u, LG_REL_pg_depend, LG_IX_pg_depend_depender_index, cls, oid));
    return delete2(u, LG_REL_pg_depend, LG_IX_pg_depend_reference_index, cls, oid);
}

lg_status
lg_ddl_default_drop(lg_util *u, lg_oid attrdef)
{
    if (!attrdef)
        return LG_OK;
    LG_TRY(delete1(u, LG_REL_pg_attrdef, LG_IX_pg_attrdef_oid_index, attrdef));
    return lg_ddl_common_delete(u, LG_REL_pg_attrdef, attrdef);
}

/* ---- relations ---- */

static lg_status
drop_storage(lg_util *u, lg_oid oid)
{
    lg_cat_row row;
    lg_datum key = lg_datum_oid(oid);
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_class, LG_IX_pg_class_oid_index, 1, &key, u->a, &row));
    lg_rel_storage st = lg_cat_row_storage(&row);
    lg_cat_segment_drop(u->cat, &st);
    return lg_cat_delete(u->cat, LG_REL_pg_class, &row);
}

static lg_status
remove_index(lg_util *u, lg_oid oid)
{
    LG_TRY(delete1(u, LG_REL_pg_index, LG_IX_pg_index_indexrelid_index, oid));
    LG_TRY(delete1(u, LG_REL_pg_attribute, LG_IX_pg_attribute_relid_attnum_index, oid));
    LG_TRY(lg_ddl_common_delete(u, LG_REL_pg_class, oid));
    return drop_storage(u, oid);
}

lg_status
lg_ddl_remove_rule(lg_util *u, lg_oid view)
{
    lg_cat_row row;
    lg_datum keys[2] = {lg_datum_oid(view), lg_cat_name(u->a, "_RETURN")};
    lg_status st = lg_cat_find(u->cat, LG_REL_pg_rewrite, LG_IX_pg_rewrite_rel_rulename_index, 2,
                               keys, u->a, &row);
    if (st != LG_OK)
        return st == LG_NOT_FOUND ? LG_OK : st;
    LG_TRY(lg_ddl_common_delete(u, LG_REL_pg_rewrite, lg_oid_of(GETC(&row, pg_rewrite, oid))));
    return lg_cat_delete(u->cat, LG_REL_pg_rewrite, &row);
}

static lg_status
remove_relation(lg_util *u, lg_oid oid)
{
    lg_relation *r;
    LG_TRY(lg_ddl_open_oid(u, oid, LG_LOCK_ACCESS_EXCLUSIVE, &r));
    lg_status st = lg_ddl_check_unused(u, r, "DROP TABLE");
    if (st != LG_OK)
        goto out;
    if (r->kind == LG_REL_INDEX) {
        lg_oid table;
        LG_CHECK(lg_cat_index_table(u->cat, oid, &table));
        LG_CHECK(remove_index(u, oid));
        LG_CHECK(lg_cat_touch(u->cat, table));
        goto out;
    }
    for (uint16_t i = 0; i < r->ncols; i++)
        LG_CHECK(lg_ddl_default_drop(u, r->cols[i].default_oid));
    for (uint16_t i = 0; i < r->nconstraints; i++) {
        LG_CHECK(lg_ddl_common_delete(u, LG_REL_pg_constraint, r->constraints[i].oid));
        if (r->constraints[i].type == 'f')
            LG_CHECK(lg_cat_touch(u->cat, r->constraints[i].ref_table));
    }
    LG_CHECK(
        delete1(u, LG_REL_pg_constraint, LG_IX_pg_constraint_conrelid_contypid_conname_index, oid));
    for (uint16_t i = 0; i < r->nindexes; i++)
        LG_CHECK(remove_index(u, r->indexes[i]->oid));
    LG_CHECK(delete1(u, LG_REL_pg_attribute, LG_IX_pg_attribute_relid_attnum_index, oid));
    LG_CHECK(delete1(u, LG_REL_pg_statistic, LG_IX_pg_statistic_relid_att_inh_index, oid));
    if (r->kind == LG_REL_SEQUENCE)
        LG_CHECK(delete1(u, LG_REL_pg_sequence, LG_IX_pg_sequence_seqrelid_index, oid));
    if (r->kind == LG_REL_VIEW || r->kind == LG_REL_MATVIEW)
        LG_CHECK(lg_ddl_remove_rule(u, oid));
    LG_CHECK(lg_ddl_common_delete(u, LG_REL_pg_class, oid));
    if (r->kind != LG_REL_SEQUENCE)
        LG_CHECK(lg_ddl_type_delete(u, lg_usertype_oid(LG_UT_ROW, oid)));
    LG_CHECK(drop_storage(u, oid));
    LG_CHECK(lg_cat_touch(u->cat, oid));
out:
    lg_relation_unref(r);
    return st;
}

struct dropped {
    lg_datum name;
    lg_oid type; /* what is stored: a domain may go, the rows stored before stay */
};

static void
mark_dropped(lg_cat_row *row, void *arg)
{
    const struct dropped *d = arg;
    SETC(row, pg_attribute, attname, d->name);
    SETC(row, pg_attribute, atttypid, d->type);
    SETC(row, pg_attribute, attisdropped, 1);
    SETC(row, pg_attribute, attnotnull, 0);
    SETC(row, pg_attribute, atthasdef, 0);
    SETC(row, pg_attribute, attidentity, 0);
    SETC(row, pg_attribute, attgenerated, 0);
}

static lg_status
remove_column(lg_util *u, lg_oid rel, int16_t att)
{
    lg_relation *r;
    lg_datum k[3] = {lg_datum_oid(rel), lg_datum_oid(LG_REL_pg_class), lg_datum_int4(att)};
    LG_TRY(lg_ddl_open_oid(u, rel, LG_LOCK_ACCESS_EXCLUSIVE, &r));
    const lg_column *col = lg_relation_column(r, att);
    lg_status st = LG_OK;
    if (!col || col->dropped)
        goto out;
    LG_CHECK(lg_ddl_default_drop(u, col->default_oid));
    LG_CHECK(lg_ddl_depend_forget_column(u, rel, att));
    LG_CHECK(lg_cat_delete_where(u->cat, LG_REL_pg_description, LG_IX_pg_description_o_c_o_index, 3,
                                 k, NULL));
    struct dropped d = {
        lg_cat_name(u->a, lg_arena_printf(u->a, "........pg.dropped.%d........", att)), col->type};
    LG_CHECK(lg_ddl_attribute_update(u, rel, att, mark_dropped, &d));
    st = lg_cat_touch(u->cat, rel);
out:
    lg_relation_unref(r);
    return st;
}

/* ---- parts of relations ---- */

static lg_status
find_row(lg_util *u, lg_oid table, lg_oid index, lg_oid oid, lg_cat_row *row)
{
    lg_datum key = lg_datum_oid(oid);
    return lg_cat_find(u->cat, table, index, 1, &key, u->a, row);
}

static void
set_no_default(lg_cat_row *row, void *arg)
{
    (void)arg;
    SETC(row, pg_attribute, atthasdef, 0);
}

static lg_status
remove_default(lg_util *u, lg_oid attrdef)
{
    lg_cat_row row;
    LG_TRY(find_row(u, LG_REL_pg_attrdef, LG_IX_pg_attrdef_oid_index, attrdef, &row));
    lg_oid rel = lg_oid_of(GETC(&row, pg_attrdef, adrelid));
    LG_TRY(lg_ddl_attribute_update(u, rel, lg_int2(GETC(&row, pg_attrdef, adnum)), set_no_default,
                                   NULL));
    LG_TRY(lg_ddl_default_drop(u, attrdef));
    return lg_cat_touch(u->cat, rel);
}

static void
one_check_less(lg_cat_row *row, void *arg)
{
    (void)arg;
    int16_t n = lg_int2(GETC(row, pg_class, relchecks));
    SETC(row, pg_class, relchecks, lg_datum_int2((int16_t)(n - 1)));
}

static lg_status
remove_constraint(lg_util *u, lg_oid oid)
{
    lg_cat_row row;
    lg_relation *r;
    LG_TRY(find_row(u, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, oid, &row));
    char type = lg_char(GETC(&row, pg_constraint, contype));
    lg_oid rel = lg_oid_of(GETC(&row, pg_constraint, conrelid));
    lg_oid index = lg_oid_of(GETC(&row, pg_constraint, conindid));
    lg_oid other = lg_oid_of(GETC(&row, pg_constraint, confrelid));
    if (rel) {
        LG_TRY(lg_ddl_open_oid(u, rel, LG_LOCK_ACCESS_EXCLUSIVE, &r));
        lg_relation_unref(r);
    }
    LG_TRY(delete1(u, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, oid));
    LG_TRY(lg_ddl_common_delete(u, LG_REL_pg_constraint, oid));
    if (!rel)
        return lg_cat_touch(u->cat, 0);
    if (type == 'c')
        LG_TRY(lg_ddl_class_update(u, rel, one_check_less, NULL));
    if (type == 'f')
        LG_TRY(lg_cat_touch(u->cat, other));
    else if (index && find_row(u, LG_REL_pg_class, LG_IX_pg_class_oid_index, index, &row) == LG_OK)
        LG_TRY(remove_index(u, index));
    return lg_cat_touch(u->cat, rel);
}

/* ---- the rest ---- */

static lg_status
remove_type(lg_util *u, lg_oid type)
{
    if (lg_type_elem(type) || lg_usertype_of(type) == LG_UT_ROW)
        return LG_OK; /* went with its element type, or its relation */
    lg_datum key = lg_datum_oid(type), keys[2] = {lg_datum_oid(0), lg_datum_oid(type)};
    LG_TRY(lg_cat_delete_where(u->cat, LG_REL_pg_enum, LG_IX_pg_enum_typid_sortorder_index, 1, &key,
                               NULL));
    LG_TRY(lg_cat_delete_where(u->cat, LG_REL_pg_constraint,
                               LG_IX_pg_constraint_conrelid_contypid_conname_index, 2, keys, NULL));
    LG_TRY(lg_ddl_common_delete(u, LG_REL_pg_type, type));
    return lg_ddl_type_delete(u, type);
}

static lg_status
remove_function(lg_util *u, lg_oid oid)
{
    LG_TRY(lg_ddl_common_delete(u, LG_REL_pg_proc, oid));
    LG_TRY(delete1(u, LG_REL_lg_proc, LG_IX_lg_proc_oid_index, oid));
    return lg_cat_touch(u->cat, 0);
}

static lg_status
remove_collation(lg_util *u, lg_oid oid)
{
    LG_TRY(lg_ddl_common_delete(u, LG_REL_pg_collation, oid));
    LG_TRY(delete1(u, LG_REL_lg_collation, LG_IX_lg_collation_oid_index, oid));
    return lg_cat_touch(u->cat, 0);
}

static lg_status
remove_schema(lg_util *u, lg_oid nsp)
{
    lg_cat_row row;
    LG_TRY(find_row(u, LG_REL_pg_namespace, LG_IX_pg_namespace_oid_index, nsp, &row));
    LG_TRY(lg_ddl_default_acl_forget(u, nsp));
    LG_TRY(lg_ddl_common_delete(u, LG_REL_pg_namespace, nsp));
    LG_TRY(lg_cat_delete(u->cat, LG_REL_pg_namespace, &row));
    return lg_cat_touch(u->cat, 0);
}

lg_status
lg_ddl_remove(lg_util *u, const lg_ddl_object *o)
{
    lg_cat_row row;
    lg_status st = LG_OK;
    switch (o->cls) {
    case LG_REL_pg_class:
        st = find_row(u, LG_REL_pg_class, LG_IX_pg_class_oid_index, o->obj, &row);
        if (st == LG_OK)
            st = o->sub ? remove_column(u, o->obj, (int16_t)o->sub) : remove_relation(u, o->obj);
        break;
    case LG_REL_pg_attrdef:
        st = remove_default(u, o->obj);
        break;
    case LG_REL_pg_constraint:
        st = remove_constraint(u, o->obj);
        break;
    case LG_REL_pg_type:
        st = remove_type(u, o->obj);
        break;
    case LG_REL_pg_proc:
        st = remove_function(u, o->obj);
        break;
    case LG_REL_pg_collation:
        st = remove_collation(u, o->obj);
        break;
    case LG_REL_pg_namespace:
        st = remove_schema(u, o->obj);
        break;
    default:
        break;
    }
    return st == LG_NOT_FOUND ? LG_OK : st;
}

lg_status
lg_ddl_remove_place(lg_util *u, const lg_ddl_object *o, lg_ddl_object *ret)
{
    lg_cat_row row;
    lg_status st = LG_OK;
    *ret = (lg_ddl_object){0, 0, 0};
    if (o->cls == LG_REL_pg_class && o->sub) {
        *ret = (lg_ddl_object){o->cls, o->obj, 0};
    } else if (o->cls == LG_REL_pg_class) {
        st = find_row(u, LG_REL_pg_index, LG_IX_pg_index_indexrelid_index, o->obj, &row);
        if (st == LG_OK)
            *ret = (lg_ddl_object){o->cls, lg_oid_of(GETC(&row, pg_index, indrelid)), 0};
    } else if (o->cls == LG_REL_pg_constraint) {
        st = find_row(u, o->cls, LG_IX_pg_constraint_oid_index, o->obj, &row);
        if (st == LG_OK && lg_oid_of(GETC(&row, pg_constraint, conrelid)))
            *ret =
                (lg_ddl_object){LG_REL_pg_class, lg_oid_of(GETC(&row, pg_constraint, conrelid)), 0};
    } else if (o->cls == LG_REL_pg_attrdef) {
        st = find_row(u, o->cls, LG_IX_pg_attrdef_oid_index, o->obj, &row);
        if (st == LG_OK)
            *ret = (lg_ddl_object){LG_REL_pg_class, lg_oid_of(GETC(&row, pg_attrdef, adrelid)),
                                   lg_int2(GETC(&row, pg_attrdef, adnum))};
    }
    return st == LG_NOT_FOUND ? LG_OK : st;
}
