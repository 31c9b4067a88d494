/* Makes a relation's descriptor from the catalog tables. */
#include "array.h"
#include "cat_type.h"
#include "catalog_internal.h"
#include "collate.h"
#include "func.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct desc {
    lg_cat *c;
    lg_arena *a;   /* the descriptor's */
    lg_arena *tmp; /* rows as read */
    lg_relation *r;
    lg_column *cols;
};

static const char *
keep_text(struct desc *d, lg_datum x)
{
    return lg_text_cstring(d->a, x);
}

static lg_status
read_columns(struct desc *d, uint16_t natts)
{
    lg_cat_scan s;
    lg_datum key = lg_datum_oid(d->r->oid);
    lg_cat_row row;
    lg_status st;
    lg_rowcol *rc = LG_NEWN(d->a, lg_rowcol, natts ? natts : 1);
    d->cols = LG_NEWN(d->a, lg_column, natts ? natts : 1);
    d->r->ncols = natts;
    d->r->cols = d->cols;
    d->r->rowcols = rc;
    LG_TRY(lg_cat_scan_open(d->c, LG_REL_pg_attribute, LG_IX_pg_attribute_relid_attnum_index, 1,
                            &key, d->tmp, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        int16_t n = lg_int2(LG_ROW_GET(&row, LG_AT_pg_attribute_attnum));
        if (n < 1 || n > (int16_t)natts)
            continue;
        lg_column *col = &d->cols[n - 1];
        col->name = keep_text(d, LG_ROW_GET(&row, LG_AT_pg_attribute_attname));
        col->attnum = n;
        col->type = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_attribute_atttypid));
        if (lg_usertype_is_domain(col->type)) {
            col->domain = col->type;
            if ((st = lg_cat__domain_base(d->c, col->domain, &col->type)) != LG_OK)
                break;
        }
        col->typmod = lg_int4(LG_ROW_GET(&row, LG_AT_pg_attribute_atttypmod));
        col->collation = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_attribute_attcollation));
        if ((st = lg_cat__collation_meet(d->c, col->collation)) != LG_OK)
            break;
        col->ndims = (int16_t)lg_int4(LG_ROW_GET(&row, LG_AT_pg_attribute_attndims));
        col->not_null = lg_bool(LG_ROW_GET(&row, LG_AT_pg_attribute_attnotnull));
        col->stat_target = lg_int4(LG_ROW_GET(&row, LG_AT_pg_attribute_attstattarget)) + 1;
        col->dropped = lg_bool(LG_ROW_GET(&row, LG_AT_pg_attribute_attisdropped));
        col->identity = lg_char(LG_ROW_GET(&row, LG_AT_pg_attribute_attidentity));
        col->generated = lg_char(LG_ROW_GET(&row, LG_AT_pg_attribute_attgenerated));
        if (!LG_ROW_NULL(&row, LG_AT_pg_attribute_attacl))
            col->acl = lg_datum_copy(LG_T_ACLITEM_ARRAY,
                                     LG_ROW_GET(&row, LG_AT_pg_attribute_attacl), d->a);
        /* A dropped column keeps its type, and so the layout of the rows stored before. */
        lg_rowcol_init(&rc[n - 1], col->type ? col->type : LG_T_INT4);
        if (lg_bool(LG_ROW_GET(&row, LG_AT_pg_attribute_atthasmissing)) &&
            !LG_ROW_NULL(&row, LG_AT_pg_attribute_attmissingval)) {
            lg_array one; /* an array of the one value */
            lg_array_unpack(LG_ROW_GET(&row, LG_AT_pg_attribute_attmissingval), d->tmp, &one);
            col->has_missing = one.n == 1 && !one.nulls[0];
            if (col->has_missing)
                col->missing = lg_datum_copy(one.elem, one.values[0], d->a);
        }
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

static lg_status
read_defaults(struct desc *d)
{
    lg_cat_scan s;
    lg_datum key = lg_datum_oid(d->r->oid);
    lg_cat_row row;
    lg_status st;
    LG_TRY(lg_cat_scan_open(d->c, LG_REL_pg_attrdef, LG_IX_pg_attrdef_adrelid_adnum_index, 1, &key,
                            d->tmp, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        int16_t n = lg_int2(LG_ROW_GET(&row, LG_AT_pg_attrdef_adnum));
        if (n < 1 || n > (int16_t)d->r->ncols)
            continue;
        d->cols[n - 1].default_sql = keep_text(d, LG_ROW_GET(&row, LG_AT_pg_attrdef_adbin));
        d->cols[n - 1].default_oid = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_attrdef_oid));
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

/* The sequence of an identity column depends on the column internally ('i'). */
static lg_status
read_identity(struct desc *d)
{
    bool any = false;
    for (uint16_t i = 0; i < d->r->ncols; i++)
        any |= d->cols[i].identity != 0;
    if (!any)
        return LG_OK;
    lg_cat_scan s;
    lg_datum keys[2] = {lg_datum_oid(LG_REL_pg_class), lg_datum_oid(d->r->oid)};
    lg_cat_row row;
    lg_status st;
    LG_TRY(lg_cat_scan_open(d->c, LG_REL_pg_depend, LG_IX_pg_depend_reference_index, 2, keys,
                            d->tmp, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        int32_t n = lg_int4(LG_ROW_GET(&row, LG_AT_pg_depend_refobjsubid));
        if (n >= 1 && n <= d->r->ncols && d->cols[n - 1].identity &&
            lg_char(LG_ROW_GET(&row, LG_AT_pg_depend_deptype)) == 'i' &&
            lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_depend_classid)) == LG_REL_pg_class)
            d->cols[n - 1].identity_seq = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_depend_objid));
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

static lg_status
read_one_index(struct desc *d, const lg_cat_row *row, lg_index *ix)
{
    lg_cat_row cls;
    lg_datum key = LG_ROW_GET(row, LG_AT_pg_index_indexrelid);
    ix->oid = lg_oid_of(key);
    ix->table = d->r->oid;
    LG_TRY(lg_cat_find(d->c, LG_REL_pg_class, LG_IX_pg_class_oid_index, 1, &key, d->tmp, &cls));
    ix->name = keep_text(d, LG_ROW_GET(&cls, LG_AT_pg_class_relname));
    ix->storage = lg_cat_row_storage(&cls);
    ix->tuples = lg_float4(LG_ROW_GET(&cls, LG_AT_pg_class_reltuples));
    ix->pages = (uint32_t)lg_int4(LG_ROW_GET(&cls, LG_AT_pg_class_relpages));
    ix->since = lg_cat_row_since(&cls);
    ix->natts = (uint16_t)lg_int2(LG_ROW_GET(row, LG_AT_pg_index_indnatts));
    ix->nkeys = (uint16_t)lg_int2(LG_ROW_GET(row, LG_AT_pg_index_indnkeyatts));
    ix->unique = lg_bool(LG_ROW_GET(row, LG_AT_pg_index_indisunique));
    ix->primary = lg_bool(LG_ROW_GET(row, LG_AT_pg_index_indisprimary));
    ix->nulls_not_distinct = lg_bool(LG_ROW_GET(row, LG_AT_pg_index_indnullsnotdistinct));
    ix->immediate = lg_bool(LG_ROW_GET(row, LG_AT_pg_index_indimmediate));
    ix->valid = lg_bool(LG_ROW_GET(row, LG_AT_pg_index_indisvalid));
    if (ix->natts > LG_INDEX_MAX_KEYS || ix->nkeys > ix->natts)
        return LG_CORRUPT;
    int16_t options[LG_INDEX_MAX_KEYS] = {0};
    lg_oid colls[LG_INDEX_MAX_KEYS] = {0};
    lg_cat_int2s(LG_ROW_GET(row, LG_AT_pg_index_indkey), ix->attnum, LG_INDEX_MAX_KEYS);
    lg_cat_oids(LG_ROW_GET(row, LG_AT_pg_index_indclass), ix->opclass, LG_INDEX_MAX_KEYS);
    lg_cat_int2s(LG_ROW_GET(row, LG_AT_pg_index_indoption), options, LG_INDEX_MAX_KEYS);
    lg_cat_oids(LG_ROW_GET(row, LG_AT_pg_index_indcollation), colls, LG_INDEX_MAX_KEYS);
    for (uint16_t k = 0; k < ix->nkeys; k++) {
        const lg_column *col = lg_relation_column(d->r, ix->attnum[k]);
        const lg_opclass *oc = lg_opclass_get(ix->opclass[k]);
        ix->key[k].type = col ? col->type : oc ? oc->intype : LG_T_TEXT;
        ix->key[k].desc = options[k] & 1;
        ix->key[k].nulls_first = (options[k] & 2) != 0;
    }
    if (!LG_ROW_NULL(row, LG_AT_pg_index_indpred))
        ix->predicate_sql = keep_text(d, LG_ROW_GET(row, LG_AT_pg_index_indpred));
    if (!LG_ROW_NULL(row, LG_AT_pg_index_indexprs)) {
        /* Expression texts, separated by newlines, each with its type's OID before it: the texts
         * themselves have none (the deparser writes one line). */
        char *p = (char *)(uintptr_t)keep_text(d, LG_ROW_GET(row, LG_AT_pg_index_indexprs));
        const char **texts = LG_NEWN(d->a, const char *, ix->natts);
        for (uint16_t k = 0; k < ix->natts && p && *p; k++) {
            if (ix->attnum[k] != 0)
                continue;
            ix->key[k].type = (lg_oid)strtoul(p, &p, 10);
            texts[ix->nexprs++] = *p ? ++p : p;
            if ((p = strchr(p, '\n')))
                *p++ = '\0';
        }
        ix->exprs = texts;
    }
    for (uint16_t k = 0; k < ix->nkeys; k++) {
        lg_keycol *kc = &ix->key[k];
        bool text = kc->type == LG_T_TEXT || kc->type == LG_T_VARCHAR || kc->type == LG_T_BPCHAR;
        ix->collation[k] = colls[k];
        LG_TRY(lg_cat__collation_meet(d->c, colls[k]));
        if (colls[k] == LG_COLLATION_DEFAULT)
            colls[k] = d->c->cat->default_collation;
        kc->collator = text ? lg_collator_get(d->c->cat->tzs, colls[k]) : NULL;
        kc->collation = kc->collator ? colls[k] : 0;
    }
    return LG_OK;
}

static lg_status
read_indexes(struct desc *d)
{
    lg_cat_scan s;
    lg_datum key = lg_datum_oid(d->r->oid);
    lg_cat_row row;
    lg_status st;
    const lg_index **list = NULL;
    uint16_t cap = 0;
    LG_TRY(lg_cat_scan_open(d->c, LG_REL_pg_index, LG_IX_pg_index_indrelid_index, 1, &key, d->tmp,
                            &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        if (d->r->nindexes == cap) {
            cap = (uint16_t)(cap ? cap * 2 : 4);
            const lg_index **n = LG_NEWN(d->a, const lg_index *, cap);
            if (d->r->nindexes)
                memcpy(n, list, d->r->nindexes * sizeof *n);
            list = n;
        }
        lg_index *ix = LG_NEW(d->a, lg_index);
        if ((st = read_one_index(d, &row, ix)) != LG_OK)
            break;
        if (ix->primary)
            d->r->primary = ix;
        /* by OID */
        uint16_t at = d->r->nindexes++;
        while (at > 0 && list[at - 1]->oid > ix->oid) {
            list[at] = list[at - 1];
            at--;
        }
        list[at] = ix;
    }
    lg_cat_scan_close(&s);
    d->r->indexes = list;
    return st == LG_END ? LG_OK : st;
}

static const int16_t *
keep_keys(struct desc *d, lg_datum x, uint16_t *ret_n)
{
    int16_t v[LG_INDEX_MAX_KEYS];
    uint32_t n = lg_cat_int2s(x, v, LG_INDEX_MAX_KEYS);
    if (ret_n)
        *ret_n = (uint16_t)n;
    return lg_arena_dup(d->a, v, n ? n * sizeof *v : 1);
}

static void
fill_constraint(struct desc *d, const lg_cat_row *row, lg_constraint *k)
{
    k->oid = lg_oid_of(LG_ROW_GET(row, LG_AT_pg_constraint_oid));
    k->name = keep_text(d, LG_ROW_GET(row, LG_AT_pg_constraint_conname));
    k->type = lg_char(LG_ROW_GET(row, LG_AT_pg_constraint_contype));
    k->deferrable = lg_bool(LG_ROW_GET(row, LG_AT_pg_constraint_condeferrable));
    k->deferred = lg_bool(LG_ROW_GET(row, LG_AT_pg_constraint_condeferred));
    k->validated = lg_bool(LG_ROW_GET(row, LG_AT_pg_constraint_convalidated));
    k->index = lg_oid_of(LG_ROW_GET(row, LG_AT_pg_constraint_conindid));
    if (!LG_ROW_NULL(row, LG_AT_pg_constraint_conkey))
        k->keys = keep_keys(d, LG_ROW_GET(row, LG_AT_pg_constraint_conkey), &k->nkeys);
    if (!LG_ROW_NULL(row, LG_AT_pg_constraint_conbin))
        k->check_sql = keep_text(d, LG_ROW_GET(row, LG_AT_pg_constraint_conbin));
    k->ref_table = lg_oid_of(LG_ROW_GET(row, LG_AT_pg_constraint_confrelid));
    if (!LG_ROW_NULL(row, LG_AT_pg_constraint_confkey))
        k->ref_keys = keep_keys(d, LG_ROW_GET(row, LG_AT_pg_constraint_confkey), NULL);
    if (!LG_ROW_NULL(row, LG_AT_pg_constraint_confdelsetcols))
        k->set_keys = keep_keys(d, LG_ROW_GET(row, LG_AT_pg_constraint_confdelsetcols), &k->nset);
    k->on_update = lg_char(LG_ROW_GET(row, LG_AT_pg_constraint_confupdtype));
    k->on_delete = lg_char(LG_ROW_GET(row, LG_AT_pg_constraint_confdeltype));
    k->match = lg_char(LG_ROW_GET(row, LG_AT_pg_constraint_confmatchtype));
}

static lg_status
read_constraints(struct desc *d)
{
    lg_cat_scan s;
    lg_datum key = lg_datum_oid(d->r->oid);
    lg_cat_row row;
    lg_status st;
    lg_constraint *list = NULL;
    uint16_t cap = 0, n = 0;
    LG_TRY(lg_cat_scan_open(d->c, LG_REL_pg_constraint,
                            LG_IX_pg_constraint_conrelid_contypid_conname_index, 1, &key, d->tmp,
                            &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        if (n == cap) {
            cap = (uint16_t)(cap ? cap * 2 : 4);
            lg_constraint *more = LG_NEWN(d->a, lg_constraint, cap);
            if (n)
                memcpy(more, list, n * sizeof *more);
            list = more;
        }
        fill_constraint(d, &row, &list[n]);
        if (list[n].index && list[n].type != 'f') {
            const lg_index *ix = lg_relation_index(d->r, list[n].index);
            if (ix)
                ((lg_index *)(uintptr_t)ix)->constraint = list[n].oid;
        }
        n++;
    }
    lg_cat_scan_close(&s);
    d->r->constraints = list;
    d->r->nconstraints = n;
    return st == LG_END ? LG_OK : st;
}

/* Foreign keys of other tables that refer to this one: there is no index on confrelid (PostgreSQL
 * has none either): found through pg_depend ('n' of the constraint on the table). */
static lg_status
read_fk_refs(struct desc *d)
{
    lg_cat_scan s;
    lg_datum keys[2] = {lg_datum_oid(LG_REL_pg_class), lg_datum_oid(d->r->oid)};
    lg_cat_row row, con;
    lg_status st;
    lg_fk_ref *list = NULL;
    uint16_t n = 0, cap = 0;
    LG_TRY(lg_cat_scan_open(d->c, LG_REL_pg_depend, LG_IX_pg_depend_reference_index, 2, keys,
                            d->tmp, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        if (lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_depend_classid)) != LG_REL_pg_constraint)
            continue;
        lg_datum oid = LG_ROW_GET(&row, LG_AT_pg_depend_objid);
        st = lg_cat_find(d->c, LG_REL_pg_constraint, LG_IX_pg_constraint_oid_index, 1, &oid, d->tmp,
                         &con);
        if (st == LG_NOT_FOUND)
            continue;
        if (st != LG_OK)
            break;
        if (lg_char(LG_ROW_GET(&con, LG_AT_pg_constraint_contype)) != 'f' ||
            lg_oid_of(LG_ROW_GET(&con, LG_AT_pg_constraint_confrelid)) != d->r->oid)
            continue;
        bool known = false;
        for (uint16_t i = 0; i < n; i++)
            known |= list[i].constraint == lg_oid_of(oid);
        if (known)
            continue;
        if (n == cap) {
            cap = (uint16_t)(cap ? cap * 2 : 4);
            lg_fk_ref *more = LG_NEWN(d->a, lg_fk_ref, cap);
            if (n)
                memcpy(more, list, n * sizeof *more);
            list = more;
        }
        list[n].constraint = lg_oid_of(oid);
        list[n++].table = lg_oid_of(LG_ROW_GET(&con, LG_AT_pg_constraint_conrelid));
    }
    lg_cat_scan_close(&s);
    d->r->fk_refs = list;
    d->r->nfk_refs = n;
    return st == LG_END ? LG_OK : st;
}

static lg_status
read_view(struct desc *d)
{
    lg_cat_row row;
    lg_datum key = lg_datum_oid(d->r->oid);
    LG_TRY(lg_cat_find(d->c, LG_REL_pg_rewrite, LG_IX_pg_rewrite_rel_rulename_index, 1, &key,
                       d->tmp, &row));
    d->r->view_sql = keep_text(d, LG_ROW_GET(&row, LG_AT_pg_rewrite_ev_action));
    return LG_OK;
}

/* What ANALYZE found. Values of types that are not built in are left out. */
static void
read_slot(struct desc *d, const lg_cat_row *row, int slot, lg_colstats *cs)
{
    int16_t kind = lg_int2(LG_ROW_GET(row, LG_AT_pg_statistic_stakind1 + slot));
    bool has_values = !LG_ROW_NULL(row, LG_AT_pg_statistic_stavalues1 + slot);
    bool has_numbers = !LG_ROW_NULL(row, LG_AT_pg_statistic_stanumbers1 + slot);
    lg_array values = {0}, numbers = {0};
    if (has_values) {
        lg_datum v = LG_ROW_GET(row, LG_AT_pg_statistic_stavalues1 + slot);
        lg_array_unpack(
            lg_datum_ptr(lg_arena_dup(d->a, lg_ptr(v), sizeof(lg_varlen) + lg_text_len(v))), d->a,
            &values);
    }
    if (has_numbers)
        lg_array_unpack(LG_ROW_GET(row, LG_AT_pg_statistic_stanumbers1 + slot), d->tmp, &numbers);
    if (kind == 1 && values.n && values.n == numbers.n) {
        float *f = LG_NEWN(d->a, float, numbers.n);
        for (uint32_t i = 0; i < numbers.n; i++)
            f[i] = lg_float4(numbers.values[i]);
        cs->n_mcv = values.n;
        cs->mcv = values.values;
        cs->mcv_freq = f;
    } else if (kind == 2) {
        cs->n_bounds = values.n;
        cs->bounds = values.values;
    } else if (kind == 3 && numbers.n) {
        cs->correlation = lg_float4(numbers.values[0]);
    }
}

static lg_status
read_stats(struct desc *d)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_datum key = lg_datum_oid(d->r->oid);
    lg_status st;
    if (d->r->tuples < 0)
        return LG_OK;
    lg_colstats *list = LG_NEWN(d->a, lg_colstats, d->r->ncols + 1);
    uint16_t n = 0;
    LG_TRY(lg_cat_scan_open(d->c, LG_REL_pg_statistic, LG_IX_pg_statistic_relid_att_inh_index, 1,
                            &key, d->tmp, &s));
    while ((st = lg_cat_scan_next(&s, &row)) == LG_OK && n < d->r->ncols) {
        lg_colstats *cs = &list[n++];
        cs->attnum = lg_int2(LG_ROW_GET(&row, LG_AT_pg_statistic_staattnum));
        cs->null_frac = lg_float4(LG_ROW_GET(&row, LG_AT_pg_statistic_stanullfrac));
        cs->width = (float)lg_int4(LG_ROW_GET(&row, LG_AT_pg_statistic_stawidth));
        cs->n_distinct = lg_float4(LG_ROW_GET(&row, LG_AT_pg_statistic_stadistinct));
        for (int slot = 0; slot < 5; slot++)
            read_slot(d, &row, slot, cs);
    }
    lg_cat_scan_close(&s);
    d->r->stats = list;
    d->r->nstats = n;
    return st == LG_END ? LG_OK : st;
}

/* The options of a view, "name=value" each. */
static void
read_options(struct desc *d, const lg_cat_row *cls)
{
    lg_relation *r = d->r;
    lg_array o = {0};
    if (LG_ROW_NULL(cls, LG_AT_pg_class_reloptions) || r->kind != LG_REL_VIEW)
        return;
    lg_array_unpack(LG_ROW_GET(cls, LG_AT_pg_class_reloptions), d->tmp, &o);
    for (uint32_t i = 0; i < o.n; i++) {
        const char *s = lg_arena_strndup(d->tmp, (const char *)lg_text_data(o.values[i]),
                                         lg_text_len(o.values[i]));
        const char *v = strchr(s, '=');
        bool on = v && (!strcasecmp(v + 1, "true") || !strcasecmp(v + 1, "on") ||
                        !strcasecmp(v + 1, "yes") || !strcmp(v + 1, "1"));
        if (!strncmp(s, "check_option=", 13))
            r->check_option = v[1];
        else if (!strncmp(s, "security_barrier=", 17))
            r->security_barrier = on;
        else if (!strncmp(s, "security_invoker=", 17))
            r->security_invoker = on;
    }
}

static lg_status
read_parts(struct desc *d, uint16_t natts)
{
    LG_TRY(read_columns(d, natts));
    if (d->r->kind == LG_REL_MATVIEW) {
        LG_TRY(read_view(d));
        LG_TRY(read_indexes(d));
        LG_TRY(read_stats(d));
    } else if (d->r->kind == LG_REL_TABLE) {
        LG_TRY(read_defaults(d));
        LG_TRY(read_identity(d));
        LG_TRY(read_indexes(d));
        LG_TRY(read_constraints(d));
        LG_TRY(read_fk_refs(d));
        if (!d->r->is_system)
            LG_TRY(read_stats(d));
    } else if (d->r->kind == LG_REL_VIEW) {
        LG_TRY(read_defaults(d));
        LG_TRY(read_view(d));
    }
    return LG_OK;
}

lg_status
lg_cat__describe(lg_cat *c, lg_oid oid, lg_relation **ret_rel)
{
    struct desc d = {.c = c};
    lg_cat_row cls;
    lg_datum key = lg_datum_oid(oid);
    lg_status st;
    d.tmp = lg_arena_create("describe", 0);
    d.a = lg_arena_create("relation", 2048);
    LG_CHECK(lg_cat_find(c, LG_REL_pg_class, LG_IX_pg_class_oid_index, 1, &key, d.tmp, &cls));
    lg_relation *r = d.r = LG_NEW(d.a, lg_relation);
    r->arena = d.a;
    r->refs = 1;
    r->oid = oid;
    r->namespace_oid = lg_oid_of(LG_ROW_GET(&cls, LG_AT_pg_class_relnamespace));
    r->name = keep_text(&d, LG_ROW_GET(&cls, LG_AT_pg_class_relname));
    st = lg_cat_namespace_name(c, r->namespace_oid, d.a, &r->schema);
    if (st == LG_NOT_FOUND)
        r->schema = "", st = LG_OK;
    LG_CHECK(st);
    r->kind = lg_char(LG_ROW_GET(&cls, LG_AT_pg_class_relkind));
    r->persistence = lg_char(LG_ROW_GET(&cls, LG_AT_pg_class_relpersistence));
    r->owner = lg_oid_of(LG_ROW_GET(&cls, LG_AT_pg_class_relowner));
    if (!LG_ROW_NULL(&cls, LG_AT_pg_class_relacl))
        r->acl = lg_datum_copy(LG_T_ACLITEM_ARRAY, LG_ROW_GET(&cls, LG_AT_pg_class_relacl), d.a);
    r->storage = lg_cat_row_storage(&cls);
    r->tuples = lg_float4(LG_ROW_GET(&cls, LG_AT_pg_class_reltuples));
    r->pages = (uint32_t)lg_int4(LG_ROW_GET(&cls, LG_AT_pg_class_relpages));
    r->populated = lg_bool(LG_ROW_GET(&cls, LG_AT_pg_class_relispopulated));
    read_options(&d, &cls);
    LG_CHECK(read_parts(&d, (uint16_t)lg_int2(LG_ROW_GET(&cls, LG_AT_pg_class_relnatts))));
    *ret_rel = r;
out:
    lg_arena_destroy(d.tmp);
    if (st != LG_OK)
        lg_arena_destroy(d.a);
    return st;
}
