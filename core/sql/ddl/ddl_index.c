/* Indexes and constraints: catalog rows, and checking or indexing what the table holds. */
#include "acl.h"
#include "collate.h"
#include "ddl_internal.h"
#include <string.h>

static lg_oid
default_opclass(lg_oid type)
{
    const lg_opclass *oc = lg_opclass_default(LG_AM_BTREE, type);
    return oc ? oc->oid : 0;
}

/* What the index's columns are called: as column or expression, with a number where that is taken. */
static void
attribute_names(lg_util *u, const lg_relation *rel, const lg_ddl_index *ix,
                const char *ret[LG_INDEX_MAX_KEYS])
{
    for (uint16_t i = 0; i < ix->natts; i++) {
        const lg_column *col = lg_relation_column(rel, ix->attnum[i]);
        const char *base = ix->att_name[i] ? ix->att_name[i] : col ? col->name : "expr";
        ret[i] = base;
        for (uint32_t n = 1, k = 0; k < i; k++) {
            if (strcmp(ret[k], ret[i]) != 0)
                continue;
            char number[12];
            int digits = snprintf(number, sizeof number, "%u", n++);
            ret[i] = lg_arena_printf(u->a, "%.*s%s", LG_NAME_MAX - digits, base, number);
            k = UINT32_MAX; /* the new one may be taken too: from the first */
        }
    }
}

/* One that a constraint made goes with that. */
static lg_status
depend_on_columns(lg_util *u, lg_relation *rel, const lg_ddl_index *ix)
{
    bool some = false;
    for (uint16_t i = 0; i < ix->natts; i++) {
        some |= ix->attnum[i] != 0;
        if (ix->attnum[i])
            LG_TRY(lg_ddl_depend(u, LG_REL_pg_class, ix->oid, 0, LG_REL_pg_class, rel->oid,
                                 ix->attnum[i], 'a'));
        else
            LG_TRY(
                lg_ddl_depend_columns(u, LG_REL_pg_class, ix->oid, rel, ix->expr[i], false, 'a'));
    }
    LG_TRY(lg_ddl_depend_columns(u, LG_REL_pg_class, ix->oid, rel, ix->predicate_sql, true, 'a'));
    return some ? LG_OK
                : lg_ddl_depend(u, LG_REL_pg_class, ix->oid, 0, LG_REL_pg_class, rel->oid, 0, 'a');
}

lg_status
lg_ddl_index_create(lg_util *u, lg_relation *rel, lg_ddl_index *ix)
{
    lg_rel_storage st;
    lg_cat_row row;
    int16_t options[LG_INDEX_MAX_KEYS] = {0};
    lg_oid colls[LG_INDEX_MAX_KEYS] = {0};
    const char *exprs = NULL, *names[LG_INDEX_MAX_KEYS];
    attribute_names(u, rel, ix, names);
    LG_TRY(lg_cat_new_oid(u->cat, &ix->oid));
    LG_TRY(lg_cat_segment_create(u->cat, LG_SEG_BTREE, &st));
    LG_TRY(lg_ddl_class_insert(u, ix->oid, ix->name, rel->namespace_oid, 'i', &st, ix->natts,
                               rel->persistence));
    for (uint16_t i = 0; i < ix->natts; i++) {
        const lg_column *col = lg_relation_column(rel, ix->attnum[i]);
        lg_oid type = col ? col->type : ix->type[i];
        const lg_type *t = lg_type_get(type);
        if (i < ix->nkeys) {
            if (!ix->opclass[i])
                ix->opclass[i] = default_opclass(type);
            if (!ix->opclass[i] || !lg_key_supported(type)) {
                lg_error_set(u->err, "42704",
                             "data type %s has no default operator class for access method "
                             "\"btree\"",
                             lg_type_format(u->a, type, -1));
                lg_error_hint(u->err, "You must specify an operator class for the index or define "
                                      "a default operator class for the data type.");
                return LG_SQL;
            }
            options[i] = (int16_t)((ix->desc[i] ? 1 : 0) | (ix->nulls_first[i] ? 2 : 0));
        }
        colls[i] = !t || !t->collation     ? 0
                   : ix->collation[i]      ? lg_cat_collation_stored(u->cat, ix->collation[i])
                   : col && col->collation ? col->collation
                                           : t->collation;
        if (!col)
            exprs = exprs ? lg_arena_printf(u->a, "%s\n%u %s", exprs, type, ix->expr[i])
                          : lg_arena_printf(u->a, "%u %s", type, ix->expr[i]);
        lg_ddl_column c = {
            .name = names[i], .type = type, .typmod = col ? col->typmod : -1, .of_index = true};
        LG_TRY(lg_ddl_attribute_insert(u, ix->oid, (int16_t)(i + 1), &c));
    }
    lg_cat_row_init(LG_REL_pg_index, &row);
    SETC(&row, pg_index, indexrelid, ix->oid);
    SETC(&row, pg_index, indrelid, rel->oid);
    SETC(&row, pg_index, indnatts, lg_datum_int2((int16_t)ix->natts));
    SETC(&row, pg_index, indnkeyatts, lg_datum_int2((int16_t)ix->nkeys));
    SETC(&row, pg_index, indisunique, ix->unique);
    SETC(&row, pg_index, indnullsnotdistinct, ix->nulls_not_distinct);
    SETC(&row, pg_index, indisprimary, ix->primary);
    SETC(&row, pg_index, indimmediate, ix->immediate);
    SETC(&row, pg_index, indisvalid, !ix->invalid);
    SETC(&row, pg_index, indisready, 1);
    SETC(&row, pg_index, indislive, 1);
    SETC(&row, pg_index, indkey, lg_array_int2vector(u->a, ix->natts, ix->attnum));
    SETC(&row, pg_index, indcollation, lg_array_oidvector(u->a, ix->nkeys, colls));
    SETC(&row, pg_index, indclass, lg_array_oidvector(u->a, ix->nkeys, ix->opclass));
    SETC(&row, pg_index, indoption, lg_array_int2vector(u->a, ix->nkeys, options));
    if (exprs)
        SETC(&row, pg_index, indexprs, lg_datum_cstring_text(u->a, exprs));
    if (ix->predicate_sql)
        SETC(&row, pg_index, indpred, lg_datum_cstring_text(u->a, ix->predicate_sql));
    LG_TRY(lg_cat_insert(u->cat, LG_REL_pg_index, &row));
    LG_TRY(lg_ddl_depend_text(u, LG_REL_pg_class, ix->oid, exprs));
    LG_TRY(lg_ddl_depend_text(u, LG_REL_pg_class, ix->oid, ix->predicate_sql));
    for (uint16_t i = 0; i < ix->nkeys; i++)
        LG_TRY(lg_ddl_collation_depend(u, LG_REL_pg_class, ix->oid, 0, colls[i]));
    return ix->of_constraint ? LG_OK : depend_on_columns(u, rel, ix);
}

/* The column now has another type or collation: so does the index, unless it has its own. */
lg_status
lg_ddl_index_retype(lg_util *u, const lg_index *ix, const lg_column *was, const lg_column *now)
{
    lg_cat_row old, row;
    lg_datum key = lg_datum_oid(ix->oid);
    lg_oid colls[LG_INDEX_MAX_KEYS], classes[LG_INDEX_MAX_KEYS];
    const lg_type *t = lg_type_get(now->type);
    bool any = false;
    for (uint16_t k = 0; k < ix->nkeys; k++) {
        colls[k] = ix->collation[k];
        classes[k] = ix->opclass[k];
        if (ix->attnum[k] != was->attnum)
            continue;
        any = true;
        if (!t || !t->collation)
            colls[k] = 0;
        else if (!colls[k] || colls[k] == was->collation)
            colls[k] = now->collation ? now->collation : t->collation;
        if (classes[k] == default_opclass(was->type))
            classes[k] = default_opclass(now->type);
    }
    if (!any)
        return LG_OK;
    LG_TRY(
        lg_cat_find(u->cat, LG_REL_pg_index, LG_IX_pg_index_indexrelid_index, 1, &key, u->a, &old));
    row = old;
    SETC(&row, pg_index, indcollation, lg_array_oidvector(u->a, ix->nkeys, colls));
    SETC(&row, pg_index, indclass, lg_array_oidvector(u->a, ix->nkeys, classes));
    return lg_cat_update(u->cat, LG_REL_pg_index, &old, &row);
}

static void
set_has_index(lg_cat_row *row, void *arg)
{
    (void)arg;
    SETC(row, pg_class, relhasindex, 1);
}

static void
set_since(lg_cat_row *row, void *arg)
{
    lg_cat_row_set_since(row, *(const uint64_t *)arg);
}

/* Entries for all rows that the table has now. Older snapshots may see others, which have none: the
 * index says from when on it is good (a table made by this transaction has no older rows). */
lg_status
lg_ddl_index_build(lg_util *u, lg_oid table, lg_oid index)
{
    LG_TRY(lg_ddl_class_update(u, table, set_has_index, NULL));
    LG_TRY(lg_cat_touch(u->cat, table));
    lg_relation *rel;
    LG_TRY(lg_cat_relation_by_oid(u->cat, table, &rel));
    lg_bind b;
    lg_plan_target pt;
    lg_exec *x = NULL;
    lg_xtarget t;
    lg_exec_bind_init(u->es, u->a, &b);
    const lg_access *acc = lg_catalog_access(lg_cat_catalog(u->cat));
    uint64_t since = acc->ops->scn_now ? acc->ops->scn_now(acc->arg) : 0;
    lg_status st = LG_OK;
    LG_CHECK(lg_plan_target_make(&b, rel, &pt));
    LG_CHECK(lg_exec_bare(u->es, 1024, &x));
    LG_CHECK(lg_xtarget_open(x, &pt, 0, &t));
    const lg_plan_index *pi = NULL;
    for (uint32_t i = 0; i < pt.nindexes; i++)
        if (pt.indexes[i].index->oid == index)
            pi = &pt.indexes[i];
    LG_ASSERT(pi);
    LG_CHECK(lg_xindex_build(u->es, u->a, rel, &t, pi));
    if (!lg_cat_segment_is_new(u->cat, &rel->storage)) {
        LG_CHECK(lg_ddl_class_update(u, index, set_since, &since));
        LG_CHECK(lg_cat_touch(u->cat, table)); /* what was looked up above does not know it */
    }
out:
    lg_exec_close(x);
    lg_bind_fini(&b);
    lg_relation_unref(rel);
    return st;
}

lg_status
lg_ddl_index_from_columns(lg_util *u, const lg_relation *rel, const lg_ast_list *names,
                          lg_ddl_index *ix)
{
    for (uint32_t i = 0; i < names->n; i++) {
        const char *name = lg_ast_list_str(names, i);
        const lg_column *col = name ? lg_relation_column_by_name(rel, name) : NULL;
        if (!col)
            return lg_error_set(u->err, "42703", "column \"%s\" named in key does not exist",
                                name ? name : "");
        if (ix->natts == LG_INDEX_MAX_KEYS)
            return lg_error_set(u->err, "54011", "cannot use more than 32 columns in an index");
        for (uint16_t k = 0; k < ix->natts; k++)
            if (ix->attnum[k] == col->attnum)
                return lg_error_set(u->err, "42701", "column \"%s\" appears twice in %s constraint",
                                    col->name, ix->primary ? "primary key" : "unique");
        ix->type[ix->natts] = col->type;
        ix->attnum[ix->natts++] = col->attnum;
    }
    ix->nkeys = ix->natts;
    ix->immediate = true;
    return LG_OK;
}

/* ---- constraints ---- */

static void
set_not_null(lg_cat_row *row, void *arg)
{
    SETC(row, pg_attribute, attnotnull, *(bool *)arg);
}

/* Does every row meet the condition? e NULL: column attnum is not NULL. */
static lg_status
check_rows(lg_util *u, lg_relation *rel, const lg_expr *e, uint32_t n_ids, int16_t attnum,
           bool *ret_ok)
{
    lg_ddl_rows r = {0};
    lg_exec *x = NULL;
    lg_xtarget t;
    lg_plan_target pt = {.rel = rel};
    lg_status st = LG_OK;
    *ret_ok = true;
    LG_CHECK(lg_exec_bare(u->es, n_ids, &x));
    LG_CHECK(lg_xtarget_open(x, &pt, 0, &t));
    LG_CHECK(lg_ddl_rows_open(&r, u, rel));
    while (*ret_ok && (st = lg_ddl_rows_next(&r)) == LG_OK) {
        lg_datum v;
        uint8_t null;
        if (!e) {
            *ret_ok = !r.nulls[attnum - 1];
            continue;
        }
        LG_CHECK(lg_ddl_rows_eval(&r, &t, e, &v, &null));
        *ret_ok = null || lg_bool(v);
    }
    if (st == LG_END)
        st = LG_OK;
out:
    lg_ddl_rows_close(&r);
    lg_exec_close(x);
    return st;
}

static lg_status
add_not_null(lg_util *u, lg_relation *rel, int16_t attnum)
{
    bool yes = true, ok;
    const lg_column *col = lg_relation_column(rel, attnum);
    if (col->not_null)
        return LG_OK;
    LG_TRY(check_rows(u, rel, NULL, 0, attnum, &ok));
    if (!ok) {
        lg_error_set(u->err, "23502", "column \"%s\" of relation \"%s\" contains null values",
                     col->name, rel->name);
        u->err->schema = lg_arena_strdup(u->err->arena, rel->schema);
        u->err->table = lg_arena_strdup(u->err->arena, rel->name);
        u->err->column = lg_arena_strdup(u->err->arena, col->name);
        return LG_SQL;
    }
    LG_TRY(lg_ddl_attribute_update(u, rel->oid, attnum, set_not_null, &yes));
    return lg_cat_touch(u->cat, rel->oid);
}

static void
set_key(lg_cat_row *row, void *arg)
{
    const lg_ast_constraint *c = arg;
    SETC(row, pg_index, indisprimary, c->contype == LG_A_CONSTR_PRIMARY);
    SETC(row, pg_index, indimmediate, !c->deferrable);
}

/* Is the index fit to be a key of the table? */
static lg_status
index_for_key(lg_util *u, const lg_relation *rel, const lg_ast_constraint *c, const lg_index **ret)
{
    const lg_index *ix = NULL;
    lg_relation *named;
    const char *name = c->indexname, *why = NULL;
    lg_status st = lg_cat_relation_by_name(u->cat, rel->schema, name, &named);
    if (st == LG_NOT_FOUND)
        return lg_error_set(u->err, "42704", "index \"%s\" does not exist", name);
    LG_TRY(st);
    ix = lg_relation_index(rel, named->oid);
    lg_relation_unref(named);
    *ret = ix;
    if (!ix)
        return lg_error_set(u->err, "55000", "index \"%s\" does not belong to table \"%s\"", name,
                            rel->name);
    if (ix->constraint)
        return lg_error_set(u->err, "55000", "index \"%s\" is already associated with a constraint",
                            name);
    if (!ix->valid)
        return lg_error_set(u->err, "55000", "index \"%s\" is not valid", name);
    if (!ix->unique)
        why = "\"%s\" is not a unique index";
    else if (ix->nexprs)
        why = "index \"%s\" contains expressions";
    else if (ix->predicate_sql)
        why = "\"%s\" is a partial index";
    if (why) {
        lg_error_set(u->err, "42809", "%s", lg_arena_printf(u->a, why, name));
        lg_error_detail(u->err,
                        "Cannot create a primary key or unique constraint using such an index.");
        return LG_SQL;
    }
    for (uint16_t i = 0; i < ix->nkeys; i++)
        if (ix->key[i].desc || ix->key[i].nulls_first ||
            ix->collation[i] != rel->cols[ix->attnum[i] - 1].collation ||
            ix->opclass[i] != default_opclass(rel->cols[ix->attnum[i] - 1].type)) {
            lg_error_set(u->err, "42809",
                         "index \"%s\" column number %u does not have default sorting behavior",
                         name, i + 1u);
            lg_error_detail(
                u->err, "Cannot create a primary key or unique constraint using such an index.");
            return LG_SQL;
        }
    return LG_OK;
}

/* ADD CONSTRAINT ... USING INDEX: an index that is there becomes the constraint's, and has its
 * name. */
static lg_status
add_key_of_index(lg_util *u, lg_relation *rel, const lg_ast_constraint *c)
{
    bool primary = c->contype == LG_A_CONSTR_PRIMARY;
    const lg_index *ix = NULL;
    lg_relation *r;
    lg_cat_row old, row;
    if (primary && rel->primary)
        return lg_error_set(u->err, "42P16",
                            "multiple primary keys for table \"%s\" are not allowed", rel->name);
    lg_status fits = index_for_key(u, rel, c, &ix);
    if (fits == LG_SQL)
        u->err->position = lg_exec_position(u->es, c->h.loc);
    LG_TRY(fits);
    lg_constraint k = {.type = primary ? 'p' : 'u',
                       .name = c->conname ? c->conname : ix->name,
                       .deferrable = c->deferrable,
                       .deferred = c->initdeferred,
                       .validated = true,
                       .nkeys = ix->nkeys,
                       .keys = ix->attnum,
                       .index = ix->oid};
    if (primary)
        for (uint16_t i = 0; i < ix->nkeys; i++)
            LG_TRY(add_not_null(u, rel, ix->attnum[i]));
    if (strcmp(k.name, ix->name) != 0) {
        lg_ddl_notice(u, "00000",
                      "ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"%s\" to \"%s\"",
                      ix->name, k.name);
        LG_TRY(lg_ddl_open_oid(u, ix->oid, LG_LOCK_ACCESS_EXCLUSIVE, &r));
        lg_status st = lg_ddl_rename_relation(u, r, k.name);
        lg_relation_unref(r);
        LG_TRY(st);
    }
    lg_datum key = lg_datum_oid(k.index);
    LG_TRY(
        lg_cat_find(u->cat, LG_REL_pg_index, LG_IX_pg_index_indexrelid_index, 1, &key, u->a, &old));
    row = old;
    set_key(&row, (void *)(uintptr_t)c);
    LG_TRY(lg_cat_update(u->cat, LG_REL_pg_index, &old, &row));
    LG_TRY(lg_cat_new_oid(u->cat, &k.oid));
    LG_TRY(lg_ddl_constraint_insert(u, rel, &k));
    LG_TRY(lg_ddl_depend_forget_sub(u, LG_REL_pg_class, k.index, 0)); /* the constraint's now */
    LG_TRY(lg_ddl_depend(u, LG_REL_pg_class, k.index, 0, LG_REL_pg_constraint, k.oid, 0, 'i'));
    return lg_cat_touch(u->cat, rel->oid);
}

static lg_status
add_key(lg_util *u, lg_relation *rel, const lg_ast_constraint *c, const char *column)
{
    if (c->indexname)
        return add_key_of_index(u, rel, c);
    bool primary = c->contype == LG_A_CONSTR_PRIMARY;
    lg_ddl_index ix = {.unique = true,
                       .primary = primary,
                       .nulls_not_distinct = c->nulls_not_distinct,
                       .of_constraint = true};
    lg_constraint k = {.type = primary ? 'p' : 'u',
                       .deferrable = c->deferrable,
                       .deferred = c->initdeferred,
                       .validated = true};
    if (primary && rel->primary) {
        lg_error_set(u->err, "42P16", "multiple primary keys for table \"%s\" are not allowed",
                     rel->name);
        if (!strcmp(u->tag, "CREATE TABLE")) /* both are in the statement */
            u->err->position = lg_exec_position(u->es, c->h.loc);
        return LG_SQL;
    }
    if (column) {
        const lg_column *col = lg_relation_column_by_name(rel, column);
        ix.attnum[0] = col->attnum;
        ix.type[0] = col->type;
        ix.nkeys = ix.natts = 1;
        ix.immediate = true;
    } else {
        LG_TRY(lg_ddl_index_from_columns(u, rel, &c->keys, &ix));
    }
    ix.immediate = !c->deferrable;
    k.nkeys = ix.nkeys;
    int16_t keys[LG_INDEX_MAX_KEYS];
    memcpy(keys, ix.attnum, sizeof keys);
    k.keys = keys;
    for (uint32_t i = 0; i < c->including.n; i++) {
        const char *name = lg_ast_list_str(&c->including, i);
        const lg_column *col = name ? lg_relation_column_by_name(rel, name) : NULL;
        if (!col)
            return lg_error_set(u->err, "42703", "column \"%s\" named in key does not exist",
                                name ? name : "");
        ix.type[ix.natts] = col->type;
        ix.attnum[ix.natts++] = col->attnum;
    }
    if (c->conname) {
        LG_TRY(lg_ddl_check_free(u, rel->namespace_oid, c->conname, false, NULL));
        ix.name = c->conname;
    } else if (primary) {
        LG_TRY(lg_ddl_choose_name(u, rel->namespace_oid, rel->name, NULL, "pkey", &ix.name));
    } else {
        const char *names = "";
        for (uint16_t i = 0; i < ix.natts; i++)
            names = lg_arena_printf(u->a, "%s%s%s", names, i ? "_" : "",
                                    rel->cols[ix.attnum[i] - 1].name);
        LG_TRY(lg_ddl_choose_name(u, rel->namespace_oid, rel->name, names, "key", &ix.name));
    }
    if (primary)
        for (uint16_t i = 0; i < ix.nkeys; i++)
            LG_TRY(add_not_null(u, rel, ix.attnum[i]));
    LG_TRY(lg_ddl_index_create(u, rel, &ix));
    LG_TRY(lg_cat_new_oid(u->cat, &k.oid));
    k.name = ix.name;
    k.index = ix.oid;
    LG_TRY(lg_ddl_constraint_insert(u, rel, &k));
    LG_TRY(lg_ddl_depend(u, LG_REL_pg_class, ix.oid, 0, LG_REL_pg_constraint, k.oid, 0, 'i'));
    return lg_ddl_index_build(u, rel->oid, ix.oid);
}

static lg_status
constraint_name_taken(lg_util *u, const lg_relation *rel, const char *name, bool *ret)
{
    *ret = false;
    for (uint16_t i = 0; i < rel->nconstraints; i++)
        *ret |= strcmp(rel->constraints[i].name, name) == 0;
    (void)u;
    return LG_OK;
}

static lg_status
choose_constraint_name(lg_util *u, const lg_relation *rel, const char *column, const char *label,
                       const char **ret)
{
    for (int i = 0;; i++) {
        bool taken;
        const char *suffix = i ? lg_arena_printf(u->a, "%s%d", label, i) : label;
        size_t room = LG_NAME_MAX - strlen(suffix) - 1 - (column ? 1 : 0);
        size_t n1 = strlen(rel->name), n2 = column ? strlen(column) : 0;
        while (n1 + n2 > room)
            n1 > n2 ? n1-- : n2--;
        *ret = column ? lg_arena_printf(u->a, "%.*s_%.*s_%s", (int)n1, rel->name, (int)n2, column,
                                        suffix)
                      : lg_arena_printf(u->a, "%.*s_%s", (int)n1, rel->name, suffix);
        LG_TRY(constraint_name_taken(u, rel, *ret, &taken));
        if (!taken)
            return LG_OK;
    }
}

struct slots {
    int16_t attnum[LG_INDEX_MAX_KEYS];
    uint16_t n;
};

static bool
collect_slots(const lg_expr *e, void *arg)
{
    struct slots *s = arg;
    if (e->kind == LG_EX_SLOT && e->slot >= 0) {
        int16_t att = (int16_t)(e->slot + 1);
        for (uint16_t i = 0; i < s->n; i++)
            if (s->attnum[i] == att)
                return false;
        if (s->n < LG_INDEX_MAX_KEYS)
            s->attnum[s->n++] = att;
        return false;
    }
    return lg_expr_walk(e, collect_slots, arg);
}

/* Nothing inherits from a table here: it is kept to be shown. */
static lg_status
set_no_inherit(lg_util *u, lg_oid constraint)
{
    lg_cat_row old, row;
    lg_datum key = lg_datum_oid(constraint);
    LG_TRY(lg_cat_find(u->cat, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, 1, &key, u->a,
                       &old));
    row = old;
    SETC(&row, pg_constraint, connoinherit, 1);
    return lg_cat_update(u->cat, LG_REL_pg_constraint, &old, &row);
}

static lg_status
add_check(lg_util *u, lg_relation *rel, const lg_ast_constraint *c)
{
    lg_bind b;
    lg_expr *e, *run;
    uint32_t ids;
    lg_constraint k = {.type = 'c', .validated = !c->skip_validation, .name = c->conname};
    struct slots used = {.n = 0};
    bool ok = true;
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st;
    LG_CHECK(lg_bind_expr(&b, c->raw_expr, LG_PLACE_CHECK, rel, LG_T_BOOL, -1, NULL, &e));
    LG_CHECK(lg_ddl_expr_text(u, &b, e, rel, &k.check_sql));
    LG_CHECK(lg_plan_expr(&b, e, &run, &ids));
    collect_slots(run, &used);
    k.nkeys = used.n;
    k.keys = used.attnum;
    if (!k.name) {
        const char *one = used.n == 1 ? rel->cols[used.attnum[0] - 1].name : NULL;
        LG_CHECK(choose_constraint_name(u, rel, one, "check", &k.name));
    }
    if (!c->skip_validation)
        LG_CHECK(check_rows(u, rel, run, ids, 0, &ok));
    if (!ok) {
        st = lg_error_set(u->err, "23514",
                          "check constraint \"%s\" of relation \"%s\" is violated by some row",
                          k.name, rel->name);
        u->err->schema = lg_arena_strdup(u->err->arena, rel->schema);
        u->err->table = lg_arena_strdup(u->err->arena, rel->name);
        u->err->constraint = lg_arena_strdup(u->err->arena, k.name);
        goto out;
    }
    LG_CHECK(lg_cat_new_oid(u->cat, &k.oid));
    LG_CHECK(lg_ddl_constraint_insert(u, rel, &k));
    if (c->is_no_inherit)
        LG_CHECK(set_no_inherit(u, k.oid));
    st = lg_cat_touch(u->cat, rel->oid);
out:
    lg_bind_fini(&b);
    return st;
}

/* The unique index of ref whose keys are these columns, in any order; rather one that is not
 * deferrable, which is no use. */
static const lg_index *
matching_index(const lg_relation *ref, const int16_t *keys, uint16_t n)
{
    const lg_index *deferrable = NULL;
    for (uint16_t i = 0; i < ref->nindexes; i++) {
        const lg_index *ix = ref->indexes[i];
        bool all = ix->unique && ix->valid && ix->nkeys == n && !ix->predicate_sql && !ix->nexprs;
        for (uint16_t k = 0; all && k < n; k++) {
            bool found = false;
            for (uint16_t j = 0; j < n; j++)
                found |= ix->attnum[j] == keys[k];
            all = found;
        }
        if (all && ix->immediate)
            return ix;
        if (all)
            deferrable = ix;
    }
    return deferrable;
}

static lg_status
key_columns(lg_util *u, const lg_relation *rel, const lg_ast_list *names, int16_t *ret,
            uint16_t *ret_n)
{
    *ret_n = 0;
    for (uint32_t i = 0; i < names->n && i < LG_INDEX_MAX_KEYS; i++) {
        const char *name = lg_ast_list_str(names, i);
        const lg_column *col = name ? lg_relation_column_by_name(rel, name) : NULL;
        if (!col)
            return lg_error_set(u->err, "42703",
                                "column \"%s\" referenced in foreign key constraint does not exist",
                                name ? name : "");
        ret[(*ret_n)++] = col->attnum;
    }
    return LG_OK;
}

/* Every row that is there already must refer to something: by an anti join, as PostgreSQL. */
static lg_status
validate_references(lg_util *u, lg_relation *rel, const lg_constraint *k)
{
    lg_ddl_rows r = {0};
    lg_bind b;
    lg_plan_target pt;
    lg_exec *x = NULL;
    lg_xtarget t;
    lg_relation *now;
    const lg_constraint *fresh = NULL;
    lg_status st;
    LG_TRY(lg_cat_relation_by_oid(u->cat, rel->oid, &now));
    for (uint16_t i = 0; i < now->nconstraints; i++)
        if (now->constraints[i].oid == k->oid)
            fresh = &now->constraints[i];
    LG_ASSERT(fresh);
    lg_exec_bind_init(u->es, u->a, &b);
    LG_CHECK(lg_plan_target_make(&b, now, &pt));
    LG_CHECK(lg_exec_bare(u->es, 1024, &x));
    LG_CHECK(lg_xtarget_open(x, &pt, 0, &t));
    LG_CHECK(lg_ddl_rows_open(&r, u, now));
    while ((st = lg_ddl_rows_next(&r)) == LG_OK)
        LG_CHECK(lg_xtarget_references(&t, r.a, fresh, r.values, r.nulls));
    if (st == LG_END)
        st = LG_OK;
out:
    lg_ddl_rows_close(&r);
    lg_exec_close(x);
    lg_bind_fini(&b);
    lg_relation_unref(now);
    return st;
}

lg_status
lg_ddl_constraint_validate(lg_util *u, lg_relation *rel, const lg_constraint *k)
{
    lg_bind b;
    lg_expr *e, *run;
    uint32_t ids;
    bool ok = true;
    if (k->type == 'f')
        return validate_references(u, rel, k);
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = LG_OK;
    LG_CHECK(lg_bind_expr_text(&b, k->check_sql, LG_PLACE_CHECK, rel, LG_T_BOOL, -1, &e));
    LG_CHECK(lg_plan_expr(&b, e, &run, &ids));
    LG_CHECK(check_rows(u, rel, run, ids, 0, &ok));
    if (!ok) {
        st = lg_error_set(u->err, "23514",
                          "check constraint \"%s\" of relation \"%s\" is violated by some row",
                          k->name, rel->name);
        u->err->schema = lg_arena_strdup(u->err->arena, rel->schema);
        u->err->table = lg_arena_strdup(u->err->arena, rel->name);
        u->err->constraint = lg_arena_strdup(u->err->arena, k->name);
    }
out:
    lg_bind_fini(&b);
    return st;
}

/* ON DELETE SET NULL (columns). */
static lg_status
set_columns(lg_util *u, const lg_relation *rel, const lg_ast_constraint *c, lg_constraint *k)
{
    int16_t *set = LG_NEWN(u->a, int16_t, LG_INDEX_MAX_KEYS);
    LG_TRY(key_columns(u, rel, &c->fk_del_set_cols, set, &k->nset));
    k->set_keys = set;
    for (uint16_t i = 0; i < k->nset; i++) {
        bool found = false;
        for (uint16_t j = 0; j < k->nkeys; j++)
            found |= k->keys[j] == set[i];
        if (!found)
            return lg_error_set(u->err, "42P10",
                                "column \"%s\" referenced in ON DELETE SET action must be part of "
                                "foreign key",
                                rel->cols[set[i] - 1].name);
    }
    return LG_OK;
}

static lg_status
add_foreign(lg_util *u, lg_relation *rel, const lg_ast_constraint *c, const char *column)
{
    lg_constraint k = {.type = 'f',
                       .name = c->conname,
                       .deferrable = c->deferrable,
                       .deferred = c->initdeferred,
                       .validated = !c->skip_validation};
    int16_t keys[LG_INDEX_MAX_KEYS], ref_keys[LG_INDEX_MAX_KEYS];
    uint16_t nref = 0;
    lg_relation *ref;
    if (column) {
        keys[0] = lg_relation_column_by_name(rel, column)->attnum;
        k.nkeys = 1;
    } else {
        LG_TRY(key_columns(u, rel, &c->fk_attrs, keys, &k.nkeys));
    }
    LG_TRY(lg_ddl_open(u, c->pktable, LG_LOCK_SHARE_ROW_EXCLUSIVE, false, &ref));
    lg_status st = LG_OK;
    if (ref->kind != LG_REL_TABLE || ref->is_system) {
        st = lg_error_set(u->err, "42809", "referenced relation \"%s\" is not a table", ref->name);
        goto out;
    }
    if ((rel->persistence == 't') != (ref->persistence == 't') ||
        (rel->persistence == 'p' && ref->persistence == 'u')) {
        st = rel->persistence == 'p'
                 ? lg_error_set(u->err, "42P16",
                                "constraints on permanent tables may reference only permanent "
                                "tables")
             : rel->persistence == 'u'
                 ? lg_error_set(u->err, "42P16",
                                "constraints on unlogged tables may reference only permanent or "
                                "unlogged tables")
                 : lg_error_set(u->err, "42P16",
                                "constraints on temporary tables may reference only temporary "
                                "tables");
        goto out;
    }
    const lg_index *ix = NULL;
    if (c->pk_attrs.n) {
        LG_CHECK(key_columns(u, ref, &c->pk_attrs, ref_keys, &nref));
        ix = matching_index(ref, ref_keys, nref);
    } else if (ref->primary) {
        ix = ref->primary;
        nref = ix->nkeys;
        memcpy(ref_keys, ix->attnum, nref * sizeof *ref_keys);
    } else {
        st = lg_error_set(u->err, "42704", "there is no primary key for referenced table \"%s\"",
                          ref->name);
        goto out;
    }
    k.keys = keys;
    LG_CHECK(set_columns(u, rel, c, &k));
    if (nref != k.nkeys) {
        st = lg_error_set(u->err, "42830",
                          "number of referencing and referenced columns for "
                          "foreign key disagree");
        goto out;
    }
    if (!ix) {
        st = lg_error_set(u->err, "42830",
                          "there is no unique constraint matching given keys for referenced table "
                          "\"%s\"",
                          ref->name);
        goto out;
    }
    if (!ix->immediate) {
        st = lg_error_set(u->err, "55000", "cannot use a deferrable %s for referenced table \"%s\"",
                          c->pk_attrs.n ? "unique constraint" : "primary key", ref->name);
        goto out;
    }
    for (uint16_t i = 0; i < nref; i++) {
        lg_oid a = rel->cols[keys[i] - 1].type, b = ref->cols[ref_keys[i] - 1].type;
        if (a != b && !lg_operator_find("=", b, a)) {
            const lg_cast *cast = lg_cast_find(a, b);
            if (cast && (cast->method == 'b' || cast->context == 'i'))
                continue;
            if (!c->conname)
                LG_CHECK(
                    choose_constraint_name(u, rel, rel->cols[keys[0] - 1].name, "fkey", &k.name));
            st = lg_error_set(u->err, "42804",
                              "foreign key constraint \"%s\" cannot be implemented", k.name);
            lg_error_detail(u->err,
                            "Key columns \"%s\" and \"%s\" are of incompatible types: %s and %s.",
                            rel->cols[keys[i] - 1].name, ref->cols[ref_keys[i] - 1].name,
                            lg_type_format(u->a, a, -1), lg_type_format(u->a, b, -1));
            goto out;
        }
    }
    if (!k.name) {
        const char *names = "";
        for (uint16_t i = 0; i < k.nkeys; i++)
            names =
                lg_arena_printf(u->a, "%s%s%s", names, i ? "_" : "", rel->cols[keys[i] - 1].name);
        LG_CHECK(choose_constraint_name(u, rel, names, "fkey", &k.name));
    }
    LG_CHECK(lg_ddl_check_privilege(u, ref, LG_ACL_REFERENCES, k.nkeys, ref_keys));
    k.keys = keys;
    k.ref_keys = ref_keys;
    k.ref_table = ref->oid;
    k.index = ix->oid;
    k.on_update = c->fk_upd_action && *c->fk_upd_action ? *c->fk_upd_action : 'a';
    k.on_delete = c->fk_del_action && *c->fk_del_action ? *c->fk_del_action : 'a';
    k.match = c->fk_matchtype && *c->fk_matchtype ? *c->fk_matchtype : 's';
    LG_CHECK(lg_cat_new_oid(u->cat, &k.oid));
    LG_CHECK(lg_ddl_constraint_insert(u, rel, &k));
    for (uint16_t i = 0; i < k.nkeys; i++)
        LG_CHECK(lg_ddl_depend(u, LG_REL_pg_constraint, k.oid, 0, LG_REL_pg_class, ref->oid,
                               ref_keys[i], 'n'));
    /* pg_restore's workers wait for the key by this */
    LG_CHECK(lg_ddl_depend(u, LG_REL_pg_constraint, k.oid, 0, LG_REL_pg_class, ix->oid, 0, 'n'));
    LG_CHECK(lg_cat_touch(u->cat, ref->oid));
    LG_CHECK(lg_cat_touch(u->cat, rel->oid));
    if (!c->skip_validation)
        LG_CHECK(validate_references(u, rel, &k));
out:
    lg_relation_unref(ref);
    return st;
}

/* The constraints of a column definition, each with the DEFERRABLE and INITIALLY DEFERRED that were
 * written after it. */
lg_status
lg_ddl_constraint_attrs(lg_util *u, const lg_ast_list *in, lg_ast_list *ret)
{
    lg_ast_constraint *last = NULL;
    bool saw_deferrable = false, saw_initially = false;
    ret->n = 0;
    ret->at = LG_NEWN(u->a, lg_ast *, in->n + 1);
    for (uint32_t i = 0; i < in->n; i++) {
        const lg_ast_constraint *c = lg_ast_as(in->at[i], constraint);
        bool initially =
            c->contype == LG_A_CONSTR_ATTR_DEFERRED || c->contype == LG_A_CONSTR_ATTR_IMMEDIATE;
        const char *what = c->contype == LG_A_CONSTR_ATTR_DEFERRABLE       ? "DEFERRABLE"
                           : c->contype == LG_A_CONSTR_ATTR_NOT_DEFERRABLE ? "NOT DEFERRABLE"
                           : c->contype == LG_A_CONSTR_ATTR_DEFERRED       ? "INITIALLY DEFERRED"
                           : c->contype == LG_A_CONSTR_ATTR_IMMEDIATE      ? "INITIALLY IMMEDIATE"
                                                                           : NULL;
        if (!what) {
            last = lg_arena_dup(u->a, c, sizeof *c);
            ret->at[ret->n++] = &last->h;
            saw_deferrable = saw_initially = false;
            continue;
        }
        bool fits =
            last &&
            (last->contype == LG_A_CONSTR_PRIMARY || last->contype == LG_A_CONSTR_UNIQUE ||
             last->contype == LG_A_CONSTR_EXCLUSION || last->contype == LG_A_CONSTR_FOREIGN);
        lg_status st = LG_OK;
        if (!fits)
            st = lg_error_set(u->err, "42601", "misplaced %s clause", what);
        else if (initially ? saw_initially : saw_deferrable)
            st = lg_error_set(u->err, "42601", "multiple %s clauses not allowed",
                              initially ? "INITIALLY IMMEDIATE/DEFERRED"
                                        : "DEFERRABLE/NOT DEFERRABLE");
        if (st == LG_OK && initially) {
            saw_initially = true;
            last->initdeferred = c->contype == LG_A_CONSTR_ATTR_DEFERRED;
            if (last->initdeferred && !saw_deferrable)
                last->deferrable = true;
        } else if (st == LG_OK) {
            saw_deferrable = true;
            last->deferrable = c->contype == LG_A_CONSTR_ATTR_DEFERRABLE;
        }
        if (st == LG_OK && last->initdeferred && !last->deferrable)
            st = lg_error_set(u->err, "42601",
                              "constraint declared INITIALLY DEFERRED must be DEFERRABLE");
        if (st != LG_OK) {
            u->err->position = lg_exec_position(u->es, c->h.loc);
            return st;
        }
    }
    return LG_OK;
}

/* One constraint of a table that exists; column: written at that column. */
lg_status
lg_ddl_constraint_add(lg_util *u, lg_oid table, const lg_ast_constraint *c, const char *column)
{
    lg_relation *rel;
    lg_ast_constraint fresh = *c;
    if (!strcmp(u->tag, "CREATE TABLE")) { /* NOT VALID: there are no rows that could break it */
        fresh.skip_validation = false;
        c = &fresh;
    }
    LG_TRY(lg_cat_relation_by_oid(u->cat, table, &rel));
    lg_status st = LG_OK;
    bool taken = false;
    if (c->conname)
        st = constraint_name_taken(u, rel, c->conname, &taken);
    if (taken)
        st = lg_error_set(u->err, "42710", "constraint \"%s\" for relation \"%s\" already exists",
                          c->conname, rel->name);
    if (st == LG_OK)
        switch (c->contype) {
        case LG_A_CONSTR_PRIMARY:
        case LG_A_CONSTR_UNIQUE:
            st = add_key(u, rel, c, column);
            break;
        case LG_A_CONSTR_CHECK:
            st = add_check(u, rel, c);
            break;
        case LG_A_CONSTR_FOREIGN:
            st = add_foreign(u, rel, c, column);
            break;
        case LG_A_CONSTR_NOTNULL: {
            const lg_column *col = column ? lg_relation_column_by_name(rel, column) : NULL;
            st = col ? add_not_null(u, rel, col->attnum) : LG_OK;
            break;
        }
        default:
            st = lg_error_set(u->err, "0A000", "this kind of constraint is not supported");
        }
    lg_relation_unref(rel);
    return st;
}

/* ---- CREATE INDEX ---- */

/* What an INCLUDE column cannot have. */
static lg_status
check_included(lg_util *u, const lg_ast_index_elem *e)
{
    const char *what = e->collation.n                                   ? "a collation"
                       : e->opclass.n                                   ? "an operator class"
                       : e->ordering != LG_A_SORTBY_DEFAULT             ? "ASC/DESC options"
                       : e->nulls_ordering != LG_A_SORTBY_NULLS_DEFAULT ? "NULLS FIRST/LAST options"
                                                                        : NULL;
    if (!e->name)
        return lg_error_set(u->err, "0A000", "expressions are not supported in included columns");
    if (what)
        return lg_error_set(u->err, "42P17", "including column does not support %s", what);
    return LG_OK;
}

static lg_status
index_key_collation(lg_util *u, lg_bind *b, const lg_ast_index_elem *e, lg_ddl_index *ix,
                    uint16_t k)
{
    const lg_type *t = lg_type_get(ix->type[k]);
    if (!e->collation.n)
        return LG_OK;
    if (!t || !t->collation)
        return lg_error_set(u->err, "42804", "collations are not supported by type %s",
                            lg_type_name(u->es->env, ix->type[k], -1, u->a));
    return lg_bind_collation_name(b, &e->collation, -1, &ix->collation[k]);
}

static lg_status
index_key(lg_util *u, lg_bind *b, lg_relation *rel, const lg_ast_index_elem *e, lg_ddl_index *ix)
{
    uint16_t k = ix->natts;
    if (k == LG_INDEX_MAX_KEYS)
        return lg_error_set(u->err, "54011", "cannot use more than 32 columns in an index");
    if (e->name) {
        const lg_column *col = lg_relation_column_by_name(rel, e->name);
        if (!col)
            return lg_error_set(u->err, "42703", "column \"%s\" does not exist", e->name);
        ix->attnum[k] = col->attnum;
        ix->type[k] = col->type;
    } else {
        lg_expr *x;
        ix->att_name[k] = lg_bind_figure_name(e->expr);
        LG_TRY(lg_bind_expr(b, e->expr, LG_PLACE_INDEX, rel, 0, -1, NULL, &x));
        if (x->kind == LG_EX_VAR && x->var.attno > 0) {
            ix->attnum[k] = x->var.attno;
            ix->type[k] = x->type;
        } else {
            ix->attnum[k] = 0;
            ix->type[k] = x->type;
            ix->collation[k] = x->collation;
            if (!e->collation.n)
                LG_TRY(lg_bind_index_collation(b, x));
            LG_TRY(lg_ddl_expr_text(u, b, x, rel, &ix->expr[k]));
        }
    }
    LG_TRY(index_key_collation(u, b, e, ix, k));
    if (e->opclass.n) {
        const char *name = lg_ast_list_str(&e->opclass, e->opclass.n - 1);
        const lg_opclass *oc = lg_opclass_by_name(LG_AM_BTREE, name);
        if (!oc)
            return lg_error_set(u->err, "42704",
                                "operator class \"%s\" does not exist for access method \"btree\"",
                                name);
        ix->opclass[k] = oc->oid;
    }
    ix->desc[k] = e->ordering == LG_A_SORTBY_DESC;
    ix->nulls_first[k] = e->nulls_ordering == LG_A_SORTBY_NULLS_FIRST ||
                         (e->nulls_ordering != LG_A_SORTBY_NULLS_LAST && ix->desc[k]);
    ix->natts++;
    return LG_OK;
}

const char *
lg_ddl_index_columns_name(lg_util *u, const lg_relation *rel, const lg_ddl_index *ix)
{
    const char *joined = "", *names[LG_INDEX_MAX_KEYS];
    attribute_names(u, rel, ix, names);
    for (uint16_t i = 0; i < ix->natts; i++)
        joined = lg_arena_printf(u->a, "%s%s%s", joined, i ? "_" : "", names[i]);
    return joined;
}

lg_status
lg_ddl_create_index(lg_util *u, const lg_ast_index_stmt *s)
{
    lg_relation *rel;
    lg_bind b;
    lg_ddl_index ix = {
        .unique = s->unique, .nulls_not_distinct = s->nulls_not_distinct, .immediate = true};
    bool build = false;
    snprintf(u->tag, LG_TAG_MAX, "CREATE INDEX");
    LG_TRY(lg_ddl_open(u, s->relation,
                       s->concurrent ? LG_LOCK_SHARE_UPDATE_EXCLUSIVE : LG_LOCK_SHARE, false,
                       &rel));
    lg_status st = LG_OK;
    lg_oid table = rel->oid;
    bool concurrent = s->concurrent && rel->persistence != 't'; /* nobody else writes to that */
    ix.invalid = concurrent;
    lg_exec_bind_init(u->es, u->a, &b);
    if (rel->kind != LG_REL_TABLE && rel->kind != LG_REL_MATVIEW) {
        st = lg_error_set(u->err, "42809", "cannot create index on relation \"%s\"", rel->name);
        lg_error_detail(u->err, "This operation is not supported for %s.",
                        rel->kind == LG_REL_VIEW ? "views" : "this kind of relation");
        goto out;
    }
    LG_CHECK(lg_ddl_check_owner(u, rel));
    if (s->access_method && strcmp(s->access_method, "btree") != 0) {
        if (strcmp(s->access_method, "hash") != 0) {
            bool known = strstr(" gin gist brin spgist ",
                                lg_arena_printf(u->a, " %s ", s->access_method)) != NULL;
            st = lg_error_set(u->err, known ? "0A000" : "42704",
                              known ? "access method \"%s\" is not supported"
                                    : "access method \"%s\" does not exist",
                              s->access_method);
            goto out;
        }
        lg_ddl_notice(u, "00000", "access method \"hash\" is not there: using \"btree\"");
    }
    for (uint32_t i = 0; i < s->index_params.n; i++)
        LG_CHECK(index_key(u, &b, rel, lg_ast_as(s->index_params.at[i], index_elem), &ix));
    ix.nkeys = ix.natts;
    for (uint32_t i = 0; i < s->index_including_params.n; i++) {
        const lg_ast_index_elem *e = lg_ast_as(s->index_including_params.at[i], index_elem);
        LG_CHECK(check_included(u, e));
        LG_CHECK(index_key(u, &b, rel, e, &ix));
    }
    if (s->where_clause) {
        lg_expr *e;
        LG_CHECK(
            lg_bind_expr(&b, s->where_clause, LG_PLACE_PREDICATE, rel, LG_T_BOOL, -1, NULL, &e));
        LG_CHECK(lg_ddl_expr_text(u, &b, e, rel, &ix.predicate_sql));
    }
    if (s->idxname) {
        bool exists;
        LG_CHECK(lg_ddl_check_free(u, rel->namespace_oid, s->idxname, s->if_not_exists, &exists));
        if (exists)
            goto out;
        ix.name = s->idxname;
    } else {
        LG_CHECK(lg_ddl_choose_name(u, rel->namespace_oid, rel->name,
                                    lg_ddl_index_columns_name(u, rel, &ix), "idx", &ix.name));
    }
    LG_CHECK(lg_ddl_index_create(u, rel, &ix));
    LG_CHECK(lg_ddl_reloptions(u, ix.oid, 'i', &s->options, false));
    if (concurrent) {
        LG_CHECK(lg_ddl_class_update(u, table, set_has_index, NULL));
        st = lg_cat_touch(u->cat, table);
    } else {
        st = lg_ddl_index_build(u, table, ix.oid);
    }
    build = st == LG_OK && concurrent;
out:
    lg_bind_fini(&b);
    lg_relation_unref(rel);
    return build ? lg_ddl_index_concurrently(u, table, ix.oid) : st;
}
