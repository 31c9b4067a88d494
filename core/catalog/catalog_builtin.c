/* Rows of the catalog tables that hold built-in objects only: made from core/types' registries at
 * each scan. */
#include "array.h"
#include "catalog_internal.h"
#include "collate.h"
#include "func.h"
#include <stdlib.h>
#include <string.h>

#define SET(tab, col, d) LG_ROW_SET(&row, LG_AT_##tab##_##col, (lg_datum)(d))
#define NAME(s)          lg_cat_name(ctx->arena, (s))
#define TEXT(s)          lg_datum_cstring_text(ctx->arena, (s))

static void
emit(lg_virtual_ctx *ctx, const lg_cat_row *row)
{
    ctx->emit(ctx, row->v, row->null);
}

/* Stored once, at bootstrap: users' types stand beside them. */
lg_status
lg_cat__type_rows(lg_cat *c, lg_arena *a)
{
    for (uint32_t i = 0; i < lg_type_count(); i++) {
        const lg_type *t = lg_type_at(i);
        lg_cat_row row;
        lg_cat_row_init(LG_REL_pg_type, &row);
        SET(pg_type, oid, t->oid);
        SET(pg_type, typname, lg_cat_name(a, t->name));
        SET(pg_type, typnamespace, LG_NSP_CATALOG);
        SET(pg_type, typowner, LG_ROLE_BOOTSTRAP);
        SET(pg_type, typlen, lg_datum_int2(t->typlen));
        SET(pg_type, typbyval, t->typbyval);
        SET(pg_type, typtype, lg_datum_char(t->typtype));
        SET(pg_type, typcategory, lg_datum_char(t->category));
        SET(pg_type, typispreferred, t->preferred);
        SET(pg_type, typisdefined, 1);
        SET(pg_type, typdelim, lg_datum_char(t->delim));
        SET(pg_type, typsubscript, lg_type_is_array(t) ? 6179 : 0);
        SET(pg_type, typelem, t->elem);
        SET(pg_type, typarray, t->array);
        SET(pg_type, typinput, t->in);
        SET(pg_type, typoutput, t->out);
        SET(pg_type, typreceive, t->recv);
        SET(pg_type, typsend, t->send);
        SET(pg_type, typmodin, t->modin);
        SET(pg_type, typmodout, t->modout);
        SET(pg_type, typalign, lg_datum_char(t->align));
        SET(pg_type, typstorage, lg_datum_char(t->storage));
        SET(pg_type, typtypmod, lg_datum_int4(-1));
        SET(pg_type, typcollation, t->collation);
        LG_TRY(lg_cat_insert(c, LG_REL_pg_type, &row));
    }
    return LG_OK;
}

static lg_datum
name_array(lg_arena *a, const char *names)
{
    lg_datum v[64];
    uint32_t n = 0;
    while (*names && n < 64) {
        const char *end = strchrnul(names, ',');
        v[n++] = lg_datum_text(a, names, (size_t)(end - names));
        names = *end ? end + 1 : end;
    }
    return lg_array_make(a, LG_T_TEXT, n, v, NULL);
}

/* Those that users made: lg_proc begins with pg_proc's columns. */
static lg_status
users_proc(lg_virtual_ctx *ctx)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_status st = lg_cat_scan_open(ctx->cat, LG_REL_lg_proc, 0, 0, NULL, ctx->arena, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        row.natts = LG_AT_lg_proc_prosignature - 1;
        emit(ctx, &row);
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

static lg_status
rows_proc(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    for (uint32_t i = 0; i < lg_func_count(); i++) {
        const lg_func *f = lg_func_at(i);
        lg_cat_row row;
        lg_cat_row_init(LG_REL_pg_proc, &row);
        SET(pg_proc, oid, f->oid);
        SET(pg_proc, proname, NAME(f->name));
        SET(pg_proc, pronamespace,
            strncmp(f->name, "_pg_", 4) == 0 ? LG_NSP_INFORMATION : LG_NSP_CATALOG);
        SET(pg_proc, proowner, LG_ROLE_BOOTSTRAP);
        SET(pg_proc, prolang, 12);
        SET(pg_proc, procost, lg_datum_float4(1));
        SET(pg_proc, prorows, lg_datum_float4(lg_func_retset(f) ? 1000 : 0));
        SET(pg_proc, provariadic, f->variadic);
        SET(pg_proc, prokind, lg_datum_char(f->kind));
        SET(pg_proc, proleakproof, (f->flags & LG_FUNC_LEAKPROOF) != 0);
        SET(pg_proc, proisstrict, lg_func_strict(f));
        SET(pg_proc, proretset, lg_func_retset(f));
        SET(pg_proc, provolatile, lg_datum_char(f->volatility));
        SET(pg_proc, proparallel, lg_datum_char('s'));
        SET(pg_proc, pronargs, lg_datum_int2((int16_t)f->nargs));
        SET(pg_proc, pronargdefaults, lg_datum_int2((int16_t)f->ndefaults));
        SET(pg_proc, prorettype, f->result);
        SET(pg_proc, proargtypes, lg_array_oidvector(ctx->arena, f->nargs, f->args));
        if (f->n_out) {
            lg_datum all[128], modes[128];
            uint32_t n = 0;
            for (uint32_t k = 0; k < f->nargs && n < 128; k++) {
                all[n] = f->args[k];
                modes[n++] = lg_datum_char('i');
            }
            for (uint32_t k = 0; k < f->n_out && n < 128; k++) {
                all[n] = f->out_types[k];
                modes[n++] = lg_datum_char('o');
            }
            SET(pg_proc, proallargtypes, lg_array_make(ctx->arena, LG_T_OID, n, all, NULL));
            SET(pg_proc, proargmodes, lg_array_make(ctx->arena, LG_T_CHAR, n, modes, NULL));
        }
        if (f->argnames)
            SET(pg_proc, proargnames, name_array(ctx->arena, f->argnames));
        SET(pg_proc, prosrc, TEXT(f->name));
        emit(ctx, &row);
    }
    return users_proc(ctx);
}

static lg_status
rows_operator(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    for (uint32_t i = 0; i < lg_operator_count(); i++) {
        const lg_operator *o = lg_operator_at(i);
        lg_cat_row row;
        lg_cat_row_init(LG_REL_pg_operator, &row);
        SET(pg_operator, oid, o->oid);
        SET(pg_operator, oprname, NAME(o->name));
        SET(pg_operator, oprnamespace, LG_NSP_CATALOG);
        SET(pg_operator, oprowner, LG_ROLE_BOOTSTRAP);
        SET(pg_operator, oprkind, lg_datum_char(o->left ? 'b' : 'l'));
        SET(pg_operator, oprcanmerge, o->can_merge);
        SET(pg_operator, oprcanhash, o->can_hash);
        SET(pg_operator, oprleft, o->left);
        SET(pg_operator, oprright, o->right);
        SET(pg_operator, oprresult, o->result);
        SET(pg_operator, oprcom, o->commutator);
        SET(pg_operator, oprnegate, o->negator);
        SET(pg_operator, oprcode, o->func);
        emit(ctx, &row);
    }
    return LG_OK;
}

static lg_status
rows_cast(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    for (uint32_t i = 0; i < lg_cast_count(); i++) {
        const lg_cast *k = lg_cast_at(i);
        lg_cat_row row;
        lg_cat_row_init(LG_REL_pg_cast, &row);
        SET(pg_cast, oid, k->oid);
        SET(pg_cast, castsource, k->source);
        SET(pg_cast, casttarget, k->target);
        SET(pg_cast, castfunc, k->func);
        SET(pg_cast, castcontext, lg_datum_char(k->context));
        SET(pg_cast, castmethod, lg_datum_char(k->method));
        emit(ctx, &row);
    }
    return LG_OK;
}

static lg_status
rows_am(void *arg, lg_virtual_ctx *ctx)
{
    static const struct {
        lg_oid oid, handler;
        const char *name;
        char type;
    } ams[] = {{2, 3, "heap", 't'},     {403, 330, "btree", 'i'}, {405, 331, "hash", 'i'},
               {783, 332, "gist", 'i'}, {2742, 333, "gin", 'i'},  {4000, 334, "spgist", 'i'},
               {3580, 335, "brin", 'i'}};
    (void)arg;
    for (size_t i = 0; i < sizeof ams / sizeof *ams; i++) {
        lg_cat_row row;
        lg_cat_row_init(LG_REL_pg_am, &row);
        SET(pg_am, oid, ams[i].oid);
        SET(pg_am, amname, NAME(ams[i].name));
        SET(pg_am, amhandler, ams[i].handler);
        SET(pg_am, amtype, lg_datum_char(ams[i].type));
        emit(ctx, &row);
    }
    return LG_OK;
}

static lg_status
rows_opclass(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    for (uint32_t i = 0; i < lg_opclass_count(); i++) {
        const lg_opclass *o = lg_opclass_at(i);
        lg_cat_row row;
        lg_cat_row_init(LG_REL_pg_opclass, &row);
        SET(pg_opclass, oid, o->oid);
        SET(pg_opclass, opcmethod, o->am);
        SET(pg_opclass, opcname, NAME(o->name));
        SET(pg_opclass, opcnamespace, LG_NSP_CATALOG);
        SET(pg_opclass, opcowner, LG_ROLE_BOOTSTRAP);
        SET(pg_opclass, opcfamily, o->family);
        SET(pg_opclass, opcintype, o->intype);
        SET(pg_opclass, opcdefault, o->is_default);
        SET(pg_opclass, opckeytype, o->keytype);
        emit(ctx, &row);
    }
    return LG_OK;
}

/* A family's name is its first operator class's, but for those of several types. */
static const char *
family_name(const lg_opclass *o)
{
    static const struct {
        lg_oid family;
        const char *name;
    } names[] = {{434, "datetime_ops"}, {1970, "float_ops"},   {1971, "float_ops"},
                 {1974, "network_ops"}, {1975, "network_ops"}, {1976, "integer_ops"},
                 {1977, "integer_ops"}, {1995, "text_ops"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].family == o->family)
            return names[i].name;
    return o->name;
}

static lg_status
rows_opfamily(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    for (uint32_t i = 0; i < lg_opclass_count(); i++) {
        const lg_opclass *o = lg_opclass_at(i);
        bool seen = false;
        for (uint32_t k = 0; k < i && !seen; k++)
            seen = lg_opclass_at(k)->family == o->family;
        if (seen)
            continue;
        lg_cat_row row;
        lg_cat_row_init(LG_REL_pg_opfamily, &row);
        SET(pg_opfamily, oid, o->family);
        SET(pg_opfamily, opfmethod, o->am);
        SET(pg_opfamily, opfname, NAME(family_name(o)));
        SET(pg_opfamily, opfnamespace, LG_NSP_CATALOG);
        SET(pg_opfamily, opfowner, LG_ROLE_BOOTSTRAP);
        emit(ctx, &row);
    }
    return LG_OK;
}

static lg_status
rows_amop(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    for (uint32_t i = 0; i < lg_amop_count(); i++) {
        const lg_amop *o = lg_amop_at(i);
        lg_cat_row row;
        lg_cat_row_init(LG_REL_pg_amop, &row);
        SET(pg_amop, oid, o->oid);
        SET(pg_amop, amopfamily, o->family);
        SET(pg_amop, amoplefttype, o->left);
        SET(pg_amop, amoprighttype, o->right);
        SET(pg_amop, amopstrategy, lg_datum_int2(o->strategy));
        SET(pg_amop, amoppurpose, lg_datum_char('s'));
        SET(pg_amop, amopopr, o->operator);
        SET(pg_amop, amopmethod, o->am);
        emit(ctx, &row);
    }
    return LG_OK;
}

static lg_status
rows_aggregate(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    for (uint32_t i = 0; i < lg_func_count(); i++) {
        const lg_func *f = lg_func_at(i);
        if (f->kind != 'a')
            continue;
        lg_cat_row row;
        lg_cat_row_init(LG_REL_pg_aggregate, &row);
        SET(pg_aggregate, aggfnoid, f->oid);
        uint16_t direct;
        SET(pg_aggregate, aggkind, lg_datum_char(lg_agg_kind(f->oid, &direct)));
        SET(pg_aggregate, aggnumdirectargs, lg_datum_int2((int16_t)direct));
        SET(pg_aggregate, aggfinalmodify, lg_datum_char('r'));
        SET(pg_aggregate, aggmfinalmodify, lg_datum_char('r'));
        SET(pg_aggregate, aggsortop, lg_agg_sort_operator(f->oid));
        SET(pg_aggregate, aggtranstype, 2281);
        emit(ctx, &row);
    }
    return LG_OK;
}

static lg_status
rows_collation(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    lg_cat_scan s;
    lg_cat_row made;
    const char *version = NULL; /* the same for all of one ICU */
    for (uint32_t i = 0; i < lg_collation_count(); i++) {
        const lg_collation *k = lg_collation_at(i);
        lg_cat_row row;
        lg_cat_row_init(LG_REL_pg_collation, &row);
        SET(pg_collation, oid, k->oid);
        SET(pg_collation, collname, NAME(k->name));
        SET(pg_collation, collnamespace, LG_NSP_CATALOG);
        SET(pg_collation, collowner, LG_ROLE_BOOTSTRAP);
        SET(pg_collation, collprovider,
            lg_datum_char(k->locale                        ? 'i'
                          : k->oid == LG_COLLATION_DEFAULT ? 'd'
                                                           : 'c'));
        SET(pg_collation, collisdeterministic, 1);
        SET(pg_collation, collencoding, lg_datum_int4(k->oid == LG_COLLATION_UCS_BASIC ? 6 : -1));
        if (k->locale) {
            SET(pg_collation, colliculocale, TEXT(k->locale));
            version = version ? version : lg_collation_version(ctx->arena, k->locale);
            if (version)
                SET(pg_collation, collversion, TEXT(version));
        } else if (k->oid != LG_COLLATION_DEFAULT) {
            const char *c = k->oid == LG_COLLATION_POSIX ? "POSIX" : "C";
            SET(pg_collation, collcollate, TEXT(c));
            SET(pg_collation, collctype, TEXT(c));
        }
        emit(ctx, &row);
    }
    lg_status st = lg_cat_scan_open(ctx->cat, LG_REL_lg_collation, 0, 0, NULL, ctx->arena, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &made)) == LG_OK)
        emit(ctx, &made);
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

static lg_status
rows_tablespace(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        lg_cat_row row;
        lg_cat_row_init(LG_REL_pg_tablespace, &row);
        SET(pg_tablespace, oid, i ? 1664 : 1663);
        SET(pg_tablespace, spcname, NAME(i ? "pg_global" : "pg_default"));
        SET(pg_tablespace, spcowner, LG_ROLE_BOOTSTRAP);
        emit(ctx, &row);
    }
    return LG_OK;
}

static lg_status
rows_language(void *arg, lg_virtual_ctx *ctx)
{
    static const struct {
        lg_oid oid;
        const char *name;
        bool pl, trusted;
    } langs[] = {{12, "internal", false, false}, {13, "c", false, false}, {14, "sql", false, true}};
    (void)arg;
    for (size_t i = 0; i < sizeof langs / sizeof *langs; i++) {
        lg_cat_row row;
        lg_cat_row_init(LG_REL_pg_language, &row);
        SET(pg_language, oid, langs[i].oid);
        SET(pg_language, lanname, NAME(langs[i].name));
        SET(pg_language, lanowner, LG_ROLE_BOOTSTRAP);
        SET(pg_language, lanispl, langs[i].pl);
        SET(pg_language, lanpltrusted, langs[i].trusted);
        emit(ctx, &row);
    }
    return LG_OK;
}

/* What the built-in schemas were made with, so that pg_dump does not take it for a grant. */
static lg_status
rows_init_privs(void *arg, lg_virtual_ctx *ctx)
{
    static const lg_oid schemas[] = {LG_NSP_CATALOG, LG_NSP_INFORMATION};
    (void)arg;
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        lg_cat_row row;
        lg_acl acl;
        lg_acl_item world = {0, LG_ROLE_BOOTSTRAP, LG_ACL_USAGE};
        lg_acl_default(LG_ACL_SCHEMA, LG_ROLE_BOOTSTRAP, ctx->arena, &acl);
        LG_TRY(lg_acl_change(&acl, true, &world, LG_ROLE_BOOTSTRAP, false));
        lg_cat_row_init(LG_REL_pg_init_privs, &row);
        SET(pg_init_privs, objoid, schemas[i]);
        SET(pg_init_privs, classoid, LG_REL_pg_namespace);
        SET(pg_init_privs, privtype, lg_datum_char('i'));
        SET(pg_init_privs, initprivs, lg_acl_pack(ctx->arena, &acl));
        emit(ctx, &row);
    }
    return LG_OK;
}

static lg_status
rows_none(void *arg, lg_virtual_ctx *ctx)
{
    (void)arg;
    (void)ctx;
    return LG_OK;
}

static const lg_virtual_rel builtin[] = {
    {.oid = LG_REL_pg_proc, .name = "pg_proc", .rows = rows_proc},
    {.oid = LG_REL_pg_operator, .name = "pg_operator", .rows = rows_operator},
    {.oid = LG_REL_pg_cast, .name = "pg_cast", .rows = rows_cast},
    {.oid = LG_REL_pg_am, .name = "pg_am", .rows = rows_am},
    {.oid = LG_REL_pg_opclass, .name = "pg_opclass", .rows = rows_opclass},
    {.oid = LG_REL_pg_opfamily, .name = "pg_opfamily", .rows = rows_opfamily},
    {.oid = LG_REL_pg_amop, .name = "pg_amop", .rows = rows_amop},
    {.oid = LG_REL_pg_aggregate, .name = "pg_aggregate", .rows = rows_aggregate},
    {.oid = LG_REL_pg_collation, .name = "pg_collation", .rows = rows_collation},
    {.oid = LG_REL_pg_tablespace, .name = "pg_tablespace", .rows = rows_tablespace},
    {.oid = LG_REL_pg_init_privs, .name = "pg_init_privs", .rows = rows_init_privs},
    {.oid = LG_REL_pg_language, .name = "pg_language", .rows = rows_language},
};

void
lg_cat__builtin_register(lg_catalog *cat)
{
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++) {
        lg_status st = lg_catalog_virtual_register(cat, &builtin[i]);
        LG_ASSERT(st == LG_OK);
    }
    /* Tables of features that are not there: always empty. */
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(cat->system, &pos, &key, &v)) {
        lg_relation *r = v;
        if (r->virtual_rel || lg_cat__table_stored(r->oid))
            continue;
        lg_virtual_rel *none = LG_NEW(cat->arena, lg_virtual_rel);
        none->oid = r->oid;
        none->name = r->name;
        none->rows = rows_none;
        r->virtual_rel = none;
        r->tuples = 0;
    }
}
