/* Functions made by users: descriptors from lg_proc's rows. */
#include "array.h"
#include "cat_proc.h"
#include "catalog_internal.h"
#include <stdlib.h>
#include <string.h>

void
lg_catalog_proc_calls(lg_catalog *cat, lg_fn fn, const lg_srf *srf)
{
    cat->proc_fn = fn;
    cat->proc_srf = srf;
}

static const char *
text_at(lg_arena *a, const lg_cat_row *row, int att)
{
    return LG_ROW_NULL(row, att) ? NULL : lg_text_cstring(a, LG_ROW_GET(row, att));
}

/* Texts of an array column; *ret_n stays 0 when it is NULL. */
static const char *const *
texts_at(lg_arena *a, const lg_cat_row *row, int att, uint32_t *ret_n)
{
    lg_array x = {0};
    *ret_n = 0;
    if (LG_ROW_NULL(row, att))
        return NULL;
    lg_array_unpack(LG_ROW_GET(row, att), a, &x);
    const char **list = LG_NEWN(a, const char *, x.n + 1);
    for (uint32_t i = 0; i < x.n; i++)
        list[i] = lg_text_cstring(a, x.values[i]);
    *ret_n = x.n;
    return list;
}

/* All parameters: what the row leaves out are plain input ones without names. */
static void
read_parameters(lg_arena *a, const lg_cat_row *row, lg_proc *p)
{
    lg_func *f = &p->func;
    lg_array x = {0};
    uint32_t n = f->nargs, named;
    const lg_oid *types = f->args;
    const char *const *names = texts_at(a, row, LG_AT_lg_proc_proargnames, &named);
    if (!LG_ROW_NULL(row, LG_AT_lg_proc_proallargtypes)) {
        lg_oid *all;
        lg_array_unpack(LG_ROW_GET(row, LG_AT_lg_proc_proallargtypes), a, &x);
        n = x.n;
        types = all = LG_NEWN(a, lg_oid, n + 1);
        for (uint32_t i = 0; i < n; i++)
            all[i] = lg_oid_of(x.values[i]);
    }
    char *modes = LG_NEWN(a, char, n + 1);
    const char **all_names = LG_NEWN(a, const char *, n + 1);
    memset(modes, 'i', n);
    if (!LG_ROW_NULL(row, LG_AT_lg_proc_proargmodes)) {
        lg_array_unpack(LG_ROW_GET(row, LG_AT_lg_proc_proargmodes), a, &x);
        for (uint32_t i = 0; i < x.n && i < n; i++)
            modes[i] = lg_char(x.values[i]);
    }
    for (uint32_t i = 0; i < n; i++)
        all_names[i] = i < named ? names[i] : "";
    p->nall = n;
    p->all_types = types;
    p->modes = modes;
    p->names = all_names;
}

/* What calls see of them: input names, and the columns that OUT parameters are. */
static void
read_outputs(lg_arena *a, lg_proc *p)
{
    lg_func *f = &p->func;
    lg_oid *out = LG_NEWN(a, lg_oid, p->nall + 1);
    const char **in = LG_NEWN(a, const char *, f->nargs + 1u), *list = "", *outs = "";
    uint32_t n = 0, k = 0;
    for (uint32_t i = 0; i < p->nall; i++) {
        bool input = strchr("ibv", p->modes[i]) != NULL;
        if (input && k < f->nargs) {
            in[k] = p->names[i];
            list = k++ ? lg_arena_printf(a, "%s,%s", list, p->names[i]) : p->names[i];
        }
        if (!strchr("obt", p->modes[i]))
            continue;
        outs = lg_arena_printf(a, "%s,%s", outs, p->names[i]);
        out[n++] = p->all_types[i];
        p->out_name = p->names[i];
    }
    for (; k < f->nargs; k++)
        in[k] = "";
    p->in_names = in;
    f->argnames = lg_arena_printf(a, "%s%s", list, f->nargs || !n ? outs : outs + 1);
    if (n != 1 || p->modes[p->nall - 1] == 't')
        p->out_name = NULL;
    if (n && (n > 1 || f->result == LG_T_RECORD)) {
        f->n_out = (uint16_t)n;
        f->out_types = out;
    }
}

static lg_status
describe(lg_cat *c, const lg_cat_row *row, lg_arena *a, lg_proc **ret)
{
    lg_proc *p = LG_NEW(a, lg_proc);
    lg_func *f = &p->func;
    const char *sqlbody = text_at(a, row, LG_AT_lg_proc_prosqlbody);
    f->oid = lg_oid_of(LG_ROW_GET(row, LG_AT_lg_proc_oid));
    f->name = text_at(a, row, LG_AT_lg_proc_proname);
    f->result = lg_oid_of(LG_ROW_GET(row, LG_AT_lg_proc_prorettype));
    f->nargs = (uint16_t)lg_int2(LG_ROW_GET(row, LG_AT_lg_proc_pronargs));
    lg_oid *args = LG_NEWN(a, lg_oid, f->nargs + 1u);
    lg_cat_oids(LG_ROW_GET(row, LG_AT_lg_proc_proargtypes), args, f->nargs);
    f->args = args;
    f->ndefaults = (uint16_t)lg_int2(LG_ROW_GET(row, LG_AT_lg_proc_pronargdefaults));
    f->defaults = text_at(a, row, LG_AT_lg_proc_proargdefaults);
    f->variadic = lg_oid_of(LG_ROW_GET(row, LG_AT_lg_proc_provariadic));
    f->kind = lg_char(LG_ROW_GET(row, LG_AT_lg_proc_prokind));
    f->volatility = lg_char(LG_ROW_GET(row, LG_AT_lg_proc_provolatile));
    f->flags = LG_FUNC_USER;
    if (lg_bool(LG_ROW_GET(row, LG_AT_lg_proc_proisstrict)))
        f->flags |= LG_FUNC_STRICT;
    if (lg_bool(LG_ROW_GET(row, LG_AT_lg_proc_proretset)))
        f->flags |= LG_FUNC_RETSET;
    if (lg_bool(LG_ROW_GET(row, LG_AT_lg_proc_proleakproof)))
        f->flags |= LG_FUNC_LEAKPROOF;
    f->fn = c->cat->dict->first->proc_fn; /* told once, to the first database's */
    f->srf = c->cat->dict->first->proc_srf;
    p->nsp = lg_oid_of(LG_ROW_GET(row, LG_AT_lg_proc_pronamespace));
    lg_status st = lg_cat_namespace_name(c, p->nsp, a, &p->schema);
    if (st == LG_NOT_FOUND)
        p->schema = "", st = LG_OK;
    LG_TRY(st);
    p->owner = lg_oid_of(LG_ROW_GET(row, LG_AT_lg_proc_proowner));
    if (!LG_ROW_NULL(row, LG_AT_lg_proc_proacl))
        p->acl = LG_ROW_GET(row, LG_AT_lg_proc_proacl);
    p->secdef = lg_bool(LG_ROW_GET(row, LG_AT_lg_proc_prosecdef));
    p->parsed_body = sqlbody != NULL;
    p->body = sqlbody ? sqlbody : text_at(a, row, LG_AT_lg_proc_prosrc);
    p->config = texts_at(a, row, LG_AT_lg_proc_proconfig, &p->nconfig);
    p->parallel = lg_char(LG_ROW_GET(row, LG_AT_lg_proc_proparallel));
    p->cost = lg_float4(LG_ROW_GET(row, LG_AT_lg_proc_procost));
    p->rows = lg_float4(LG_ROW_GET(row, LG_AT_lg_proc_prorows));
    read_parameters(a, row, p);
    read_outputs(a, p);
    *ret = p;
    return LG_OK;
}

/* Where the schema stands in the path, from 1; 0: not in it. */
static uint32_t
path_position(const lg_oid *path, uint32_t n, lg_oid nsp)
{
    for (uint32_t i = 0; i < n; i++)
        if (path[i] == nsp)
            return i + 1;
    return 0;
}

lg_status
lg_cat_procs(lg_cat *c, const char *schema, const char *name, lg_arena *a, lg_proc ***ret,
             uint32_t *ret_n)
{
    lg_cat_scan s;
    lg_cat_row row;
    lg_oid only = 0;
    const lg_oid *path = NULL;
    uint32_t npath = 0, cap = 0;
    *ret_n = 0;
    *ret = NULL;
    if (!schema && name[0] == '#' && name[1] >= '0' && name[1] <= '9') {
        *ret = LG_NEW(a, lg_proc *);
        lg_status found = lg_cat_proc(c, (lg_oid)strtoul(name + 1, NULL, 10), a, &(*ret)[0]);
        *ret_n = found == LG_OK;
        return found == LG_NOT_FOUND ? LG_OK : found;
    }
    lg_cat_depend(c, LG_DEP_PROC_NAME, lg_dep_name(name));
    if (schema)
        LG_TRY(lg_cat_namespace_by_name(c, schema, &only));
    else
        LG_TRY(lg_cat_search_path(c, true, a, &path, &npath));
    lg_datum keys[2] = {lg_cat_name(a, name), lg_datum_oid(only)};
    lg_status st = lg_cat_scan_open(c, LG_REL_lg_proc, LG_IX_lg_proc_name_nsp_signature_index,
                                    only ? 2 : 1, keys, a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        lg_oid nsp = lg_oid_of(LG_ROW_GET(&row, LG_AT_lg_proc_pronamespace));
        uint32_t at = only ? 0 : path_position(path, npath, nsp);
        /* a temporary function wants its schema named: it must not pass for another one */
        if (!only && (!at || nsp == c->temp_nsp))
            continue;
        if (*ret_n == cap) {
            lg_proc **more = LG_NEWN(a, lg_proc *, cap * 2 + 4);
            if (cap)
                memcpy(more, *ret, cap * sizeof *more);
            *ret = more;
            cap = cap * 2 + 4;
        }
        if ((st = describe(c, &row, a, &(*ret)[*ret_n])) != LG_OK)
            break;
        (*ret)[(*ret_n)++]->path = at;
    }
    lg_cat_scan_close(&s);
    return st == LG_END ? LG_OK : st;
}

lg_status
lg_cat_proc(lg_cat *c, lg_oid oid, lg_arena *a, lg_proc **ret)
{
    lg_cat_row row;
    lg_datum key = lg_datum_oid(oid);
    LG_TRY(lg_cat_find(c, LG_REL_lg_proc, LG_IX_lg_proc_oid_index, 1, &key, a, &row));
    LG_TRY(describe(c, &row, a, ret));
    lg_cat_depend(c, LG_DEP_PROC_NAME, lg_dep_name((*ret)->func.name));
    return LG_OK;
}

lg_status
lg_cat_proc_visible(lg_cat *c, const lg_proc *p, bool *ret)
{
    lg_arena *a = lg_arena_create("visible", 1024);
    lg_proc **list;
    uint32_t n;
    const lg_func *f = &p->func;
    lg_status st = lg_cat_procs(c, NULL, f->name, a, &list, &n);
    const lg_proc *best = NULL;
    for (uint32_t i = 0; st == LG_OK && i < n; i++)
        if (list[i]->func.nargs == f->nargs &&
            !memcmp(list[i]->func.args, f->args, f->nargs * sizeof(lg_oid)) &&
            (!best || list[i]->path < best->path))
            best = list[i];
    *ret = best && best->func.oid == f->oid;
    lg_arena_destroy(a);
    return st;
}
