/* regclass, regtype, regproc and kin: names to OIDs and back. */
#include "cat_collation.h"
#include "cat_proc.h"
#include "syscat_internal.h"
#include "array.h"
#include "bind.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool
lg_fx_split_name(lg_call *c, const char *text, const char *ret_parts[3], int *ret_n)
{
    const char *p = text;
    *ret_n = 0;
    for (;;) {
        while (isspace((unsigned char)*p))
            p++;
        char *part = lg_arena_alloc(c->arena, strlen(p) + 1), *to = part;
        if (*p == '"') {
            for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
                p += *p == '"';
                *to++ = *p;
            }
            if (!*p++)
                goto bad;
        } else {
            while (*p && *p != '.' && !isspace((unsigned char)*p))
                *to++ = (char)tolower((unsigned char)*p++);
        }
        *to = 0;
        if (to == part || *ret_n == 3)
            goto bad;
        ret_parts[(*ret_n)++] = part;
        while (isspace((unsigned char)*p))
            p++;
        if (!*p)
            return true;
        if (*p++ != '.')
            goto bad;
    }
bad:
    lg_call_error(c, "42602", "invalid name syntax");
    return false;
}

lg_status
lg_fx_relation_by_text(lg_call *c, const char *text, lg_relation **ret_rel)
{
    const char *part[3];
    int n;
    lg_cat *cat = lg_fx_session(c)->cat;
    if (!lg_fx_split_name(c, text, part, &n))
        return c->st;
    if (n == 3 && strcmp(part[0], lg_cat_database(cat)) != 0) {
        lg_call_error(c, "0A000", "cross-database references are not implemented: \"%s\"", text);
        return c->st;
    }
    return lg_cat_relation_by_name(cat, n > 1 ? part[n - 2] : NULL, part[n - 1], ret_rel);
}

lg_status
lg_fx_relation_name(lg_call *c, lg_oid oid, bool always_schema, const char **ret_name)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    lg_relation *rel;
    bool visible = false;
    LG_TRY(lg_cat_relation_by_oid(cat, oid, &rel));
    lg_status st = always_schema ? LG_OK : lg_cat_relation_visible(cat, oid, &visible);
    if (st == LG_OK) { /* a copy: what needs no quotes is the relation's own string */
        bool temp = always_schema && rel->namespace_oid == lg_cat_temp_namespace(cat);
        const char *name = lg_quote_ident(c->arena, rel->name);
        const char *schema = temp ? "pg_temp" : lg_quote_ident(c->arena, rel->schema);
        *ret_name = visible ? lg_arena_strdup(c->arena, name)
                            : lg_arena_printf(c->arena, "%s.%s", schema, name);
    }
    lg_relation_unref(rel);
    return st;
}

/* "123" and "-" are OIDs whatever the type. */
static bool
numeric_text(const char *s, lg_oid *ret)
{
    char *end;
    if (strcmp(s, "-") == 0) {
        *ret = 0;
        return true;
    }
    if (!isdigit((unsigned char)*s))
        return false;
    unsigned long v = strtoul(s, &end, 10);
    *ret = (lg_oid)v;
    return *end == 0 && v <= UINT32_MAX;
}

/* What a kind of name resolves to: LG_NOT_FOUND, or an error in c. */
typedef lg_status (*resolver)(lg_call *c, const char *text, lg_oid *ret);

static lg_status
find_class(lg_call *c, const char *text, lg_oid *ret)
{
    lg_relation *rel;
    LG_TRY(lg_fx_relation_by_text(c, text, &rel));
    *ret = rel->oid;
    lg_relation_unref(rel);
    return LG_OK;
}

static lg_status
find_type(lg_call *c, const char *text, lg_oid *ret)
{
    const char *s = text;
    if (strncmp(s, "pg_catalog.", 11) == 0)
        s += 11;
    char *name = lg_arena_strdup(c->arena, s), *paren = strchr(name, '(');
    bool array = strlen(name) > 2 && strcmp(name + strlen(name) - 2, "[]") == 0;
    if (paren) { /* a typmod says nothing here */
        const char *tail = strchr(paren, ')');
        tail = tail ? tail + 1 : "";
        memmove(paren, tail, strlen(tail) + 1);
    }
    size_t n = strlen(name);
    if (n > 1 && name[0] == '"' && name[n - 1] == '"' && strcmp(name, "\"char\"") != 0) {
        name[n - 1] = 0;
        name++;
    }
    const lg_type *t = lg_type_by_sql_name(name);
    if (t) {
        *ret = t->oid;
        return LG_OK;
    }
    const char *part[3];
    int np;
    lg_arena *a = c->arena;
    char *bare = lg_arena_strdup(a, s);
    if (array)
        bare[strlen(bare) - 2] = '\0';
    if (!lg_fx_split_name(c, bare, part, &np) || np > 2)
        return LG_NOT_FOUND;
    LG_TRY(lg_cat_type_by_name(lg_fx_session(c)->cat, np > 1 ? part[0] : NULL, part[np - 1], ret));
    if (array)
        *ret = lg_type_array(*ret);
    return *ret ? LG_OK : LG_NOT_FOUND;
}

static lg_status
find_namespace(lg_call *c, const char *text, lg_oid *ret)
{
    const char *part[3];
    int n;
    if (!lg_fx_split_name(c, text, part, &n))
        return c->st;
    return n == 1 ? lg_cat_namespace_by_name(lg_fx_session(c)->cat, part[0], ret) : LG_NOT_FOUND;
}

static lg_status
find_role(lg_call *c, const char *text, lg_oid *ret)
{
    const char *part[3];
    int n;
    lg_role role;
    if (!lg_fx_split_name(c, text, part, &n))
        return c->st;
    LG_TRY(lg_cat_role_by_name(lg_fx_session(c)->cat, part[0], c->arena, &role));
    *ret = role.oid;
    return LG_OK;
}

static lg_status
find_collation(lg_call *c, const char *text, lg_oid *ret)
{
    const char *part[3];
    int n;
    if (!lg_fx_split_name(c, text, part, &n))
        return c->st;
    lg_cat_collation k;
    LG_TRY(lg_cat_collation_by_name(lg_fx_session(c)->cat, n > 1 ? part[n - 2] : NULL, part[n - 1],
                                    c->arena, &k));
    *ret = k.oid;
    return LG_OK;
}

static lg_status
procs_of(lg_call *c, const char *text, lg_proc ***ret, uint32_t *ret_n, const char **ret_name,
         bool *ret_builtin)
{
    const char *part[3];
    int n;
    *ret_n = 0;
    if (!lg_fx_split_name(c, text, part, &n))
        return c->st;
    *ret_name = part[n - 1];
    *ret_builtin = n == 1 || !strcmp(part[n - 2], "pg_catalog");
    if (n > 1 && *ret_builtin)
        return LG_OK;
    lg_status st = lg_cat_procs(lg_fx_session(c)->cat, n > 1 ? part[n - 2] : NULL, part[n - 1],
                                c->arena, ret, ret_n);
    return st == LG_NOT_FOUND ? LG_OK : st;
}

static lg_status
find_proc(lg_call *c, const char *text, lg_oid *ret)
{
    const char *name;
    lg_proc **list = NULL;
    uint32_t count = 0, n;
    bool builtin;
    LG_TRY(procs_of(c, text, &list, &n, &name, &builtin));
    const lg_func *f = builtin ? lg_func_by_name(name, &count) : NULL;
    if (!f && !n)
        return LG_NOT_FOUND;
    if ((f ? count : 0) + n > 1) {
        lg_call_error(c, "42725", "more than one function named \"%s\"", text);
        return c->st;
    }
    *ret = f ? f->oid : list[0]->func.oid;
    return LG_OK;
}

/* name(type, type): the argument types, or false. */
static bool
signature(lg_call *c, const char *text, const char **ret_name, lg_oid *types, uint32_t *ret_n)
{
    char *s = lg_arena_strdup(c->arena, text), *open = strchr(s, '(');
    size_t len = strlen(s);
    if (!open || len == 0 || s[len - 1] != ')')
        return false;
    *open = 0;
    s[len - 1] = 0;
    *ret_name = s;
    *ret_n = 0;
    char *save = NULL;
    for (char *p = strtok_r(open + 1, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        while (isspace((unsigned char)*p))
            p++;
        for (size_t n = strlen(p); n && isspace((unsigned char)p[n - 1]); n--)
            p[n - 1] = 0;
        if (*ret_n == 32)
            return false;
        types[*ret_n] = 0;
        if (strcasecmp(p, "none") != 0 && find_type(c, p, &types[*ret_n]) != LG_OK)
            return false;
        (*ret_n)++;
    }
    return true;
}

static lg_status
find_procedure(lg_call *c, const char *text, lg_oid *ret)
{
    const char *full, *name;
    lg_oid types[32];
    lg_proc **list = NULL;
    uint32_t n, count = 0, np;
    bool builtin;
    if (!signature(c, text, &full, types, &n))
        return LG_NOT_FOUND;
    LG_TRY(procs_of(c, full, &list, &np, &name, &builtin));
    const lg_func *f = builtin ? lg_func_by_name(name, &count) : NULL;
    for (uint32_t i = 0; f && i < count; i++)
        if (f[i].nargs == n && memcmp(f[i].args, types, sizeof(lg_oid) * n) == 0) {
            *ret = f[i].oid;
            return LG_OK;
        }
    for (uint32_t i = 0; i < np; i++)
        if (list[i]->func.nargs == n &&
            memcmp(list[i]->func.args, types, sizeof(lg_oid) * n) == 0) {
            *ret = list[i]->func.oid;
            return LG_OK;
        }
    return LG_NOT_FOUND;
}

lg_status
lg_fx_procedure_by_text(lg_call *c, const char *text, lg_oid *ret)
{
    return strchr(text, '(') ? find_procedure(c, text, ret) : find_proc(c, text, ret);
}

static lg_status
find_operator(lg_call *c, const char *text, lg_oid *ret)
{
    uint32_t n;
    if (strncmp(text, "pg_catalog.", 11) == 0)
        text += 11;
    const lg_operator *o = lg_operator_by_name(text, &n);
    if (n > 1) {
        lg_call_error(c, "42725", "more than one operator named %s", text);
        return c->st;
    }
    *ret = o ? o->oid : 0;
    return o ? LG_OK : LG_NOT_FOUND;
}

static lg_status
find_operator_args(lg_call *c, const char *text, lg_oid *ret)
{
    const char *name;
    lg_oid types[32];
    uint32_t n;
    if (!signature(c, text, &name, types, &n) || n != 2)
        return LG_NOT_FOUND;
    if (strncmp(name, "pg_catalog.", 11) == 0)
        name += 11;
    const lg_operator *o = lg_operator_find(name, types[0], types[1]);
    *ret = o ? o->oid : 0;
    return o ? LG_OK : LG_NOT_FOUND;
}

/* reg...in, and with to_reg... NULL for what does not exist. */
static lg_datum
resolve(lg_call *c, const char *text, resolver find, bool null_ok, const char *sqlstate,
        const char *fmt_what)
{
    lg_oid oid;
    if (numeric_text(text, &oid))
        return oid;
    lg_status st = find(c, text, &oid);
    if (c->st)
        return 0;
    if (st == LG_OK)
        return oid;
    if (st != LG_NOT_FOUND)
        return lg_fx_fail(c, st);
    if (null_ok)
        return lg_fx_null(c);
    return lg_call_error(c, sqlstate, "%s \"%s\"%s does not exist", fmt_what, text,
                         find == find_collation ? " for encoding \"UTF8\"" : "");
}

static const char *
arg_text(lg_call *c)
{
    bool cstring = c->func->args[0] == LG_T_CSTRING;
    return cstring ? lg_cstring(c->args[0]) : lg_text_cstring(c->arena, c->args[0]);
}

#define REG(kind, find, sqlstate, what)                                                            \
    static lg_datum fn_##kind##in(lg_call *c)                                                      \
    {                                                                                              \
        return resolve(c, arg_text(c), find, false, sqlstate, what);                               \
    }                                                                                              \
    static lg_datum fn_to_##kind(lg_call *c)                                                       \
    {                                                                                              \
        return resolve(c, arg_text(c), find, true, sqlstate, what);                                \
    }

REG(regclass, find_class, "42P01", "relation")
REG(regtype, find_type, "42704", "type")
REG(regnamespace, find_namespace, "3F000", "schema")
REG(regrole, find_role, "42704", "role")
REG(regcollation, find_collation, "42704", "collation")
REG(regproc, find_proc, "42883", "function")
REG(regprocedure, find_procedure, "42883", "function")
REG(regoper, find_operator, "42883", "operator")
REG(regoperator, find_operator_args, "42883", "operator")

/* --- output --- */

static lg_datum
out(lg_call *c, lg_status st, const char *name)
{
    lg_oid oid = lg_oid_of(c->args[0]);
    if (oid == 0)
        return lg_datum_ptr("-");
    if (st != LG_OK && st != LG_NOT_FOUND)
        return lg_fx_fail(c, st);
    return lg_datum_ptr(st == LG_OK && name ? name : lg_arena_printf(c->arena, "%u", oid));
}

static lg_datum
fn_regclassout(lg_call *c)
{
    const char *name = NULL;
    lg_oid oid = lg_oid_of(c->args[0]);
    lg_status st = oid ? lg_fx_relation_name(c, oid, false, &name) : LG_OK;
    return out(c, st, name);
}

static lg_datum
fn_regtypeout(lg_call *c)
{
    lg_oid oid = lg_oid_of(c->args[0]);
    const char *name = lg_type_name(c->env, oid, -1, c->arena);
    return out(c, LG_OK, strcmp(name, "???") == 0 ? NULL : name);
}

static lg_datum
fn_regnamespaceout(lg_call *c)
{
    const char *name = NULL;
    lg_status st =
        lg_cat_namespace_name(lg_fx_session(c)->cat, lg_oid_of(c->args[0]), c->arena, &name);
    return out(c, st, st == LG_OK ? lg_quote_ident(c->arena, name) : NULL);
}

static lg_datum
fn_regroleout(lg_call *c)
{
    lg_role role;
    lg_status st =
        lg_cat_role_by_oid(lg_fx_session(c)->cat, lg_oid_of(c->args[0]), c->arena, &role);
    return out(c, st, st == LG_OK ? lg_quote_ident(c->arena, role.name) : NULL);
}

static lg_datum
fn_regcollationout(lg_call *c)
{
    lg_oid oid = lg_oid_of(c->args[0]);
    lg_cat_collation k;
    lg_status st = lg_cat_collation_by_oid(lg_fx_session(c)->cat, oid, c->arena, &k);
    return out(c, st, st == LG_OK ? lg_deparse_collation(c->env, oid, c->arena) : NULL);
}

/* A user's function as shown; *ret NULL: it is none. */
static lg_status
users_text(lg_call *c, bool args, const char **ret)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    lg_proc *p, **list;
    uint32_t n, builtin = 0;
    bool bare = false;
    *ret = NULL;
    lg_status st = lg_cat_proc(cat, lg_oid_of(c->args[0]), c->arena, &p);
    if (st == LG_NOT_FOUND)
        return LG_OK;
    LG_TRY(st);
    if (args) {
        LG_TRY(lg_cat_proc_visible(cat, p, &bare));
    } else {
        LG_TRY(lg_cat_procs(cat, NULL, p->func.name, c->arena, &list, &n));
        bare =
            n == 1 && list[0]->func.oid == p->func.oid && !lg_func_by_name(p->func.name, &builtin);
    }
    const char *name = lg_quote_ident(c->arena, p->func.name);
    if (!bare)
        name = lg_arena_printf(c->arena, "%s.%s", lg_quote_ident(c->arena, p->schema), name);
    if (args)
        name = lg_arena_printf(c->arena, "%s(", name);
    for (uint32_t i = 0; args && i < p->func.nargs; i++)
        name = lg_arena_printf(c->arena, "%s%s%s", name, i ? "," : "",
                               lg_type_name(c->env, p->func.args[i], -1, c->arena));
    *ret = args ? lg_arena_printf(c->arena, "%s)", name) : name;
    return LG_OK;
}

/* A name that several functions share is shown with its schema. */
static lg_datum
fn_regprocout(lg_call *c)
{
    const lg_func *f = lg_func_get(lg_oid_of(c->args[0]));
    uint32_t n = 0;
    const char *text = NULL;
    if (!f) {
        lg_status st = users_text(c, false, &text);
        return out(c, st, text);
    }
    (void)lg_func_by_name(f->name, &n);
    return out(c, LG_OK, n == 1 ? f->name : lg_arena_printf(c->arena, "pg_catalog.%s", f->name));
}

static lg_datum
fn_regprocedureout(lg_call *c)
{
    const lg_func *f = lg_func_get(lg_oid_of(c->args[0]));
    const char *s = f ? lg_arena_printf(c->arena, "%s(", f->name) : NULL;
    if (!f) {
        lg_status st = users_text(c, true, &s);
        return out(c, st, s);
    }
    for (uint32_t i = 0; i < f->nargs; i++)
        s = lg_arena_printf(c->arena, "%s%s%s", s, i ? "," : "",
                            lg_type_format(c->arena, f->args[i], -1));
    return out(c, LG_OK, lg_arena_printf(c->arena, "%s)", s));
}

static lg_datum
fn_regoperout(lg_call *c)
{
    const lg_operator *o = lg_operator_get(lg_oid_of(c->args[0]));
    uint32_t n = 0;
    if (o)
        (void)lg_operator_by_name(o->name, &n);
    return out(c, LG_OK,
               !o       ? NULL
               : n == 1 ? o->name
                        : lg_arena_printf(c->arena, "pg_catalog.%s", o->name));
}

static lg_datum
fn_regoperatorout(lg_call *c)
{
    const lg_operator *o = lg_operator_get(lg_oid_of(c->args[0]));
    return out(c, LG_OK,
               o ? lg_arena_printf(c->arena, "%s(%s,%s)", o->name,
                                   o->left ? lg_type_format(c->arena, o->left, -1) : "NONE",
                                   lg_type_format(c->arena, o->right, -1))
                 : NULL);
}

/* Binary form: that of oid. */
static lg_datum
fn_recv(lg_call *c)
{
    lg_call k = *c;
    k.func = lg_func_get(2418); /* oidrecv */
    lg_datum d = k.func->fn(&k);
    c->st = k.st;
    return d;
}

static lg_datum
fn_send(lg_call *c)
{
    lg_call k = *c;
    k.func = lg_func_get(2419); /* oidsend */
    lg_datum d = k.func->fn(&k);
    c->st = k.st;
    return d;
}

static const lg_fx_entry list[] = {
#define ALL(kind)                                                                                  \
    {#kind "in", fn_##kind##in}, {#kind "out", fn_##kind##out}, {#kind "recv", fn_recv},           \
        {#kind "send", fn_send},                                                                   \
    {                                                                                              \
        "to_" #kind, fn_to_##kind                                                                  \
    }
    ALL(regclass),
    ALL(regtype),
    ALL(regnamespace),
    ALL(regrole),
    ALL(regcollation),
    ALL(regproc),
    ALL(regprocedure),
    ALL(regoper),
    ALL(regoperator),
#undef ALL
    {"regclass", fn_regclassin}, /* the cast from text */
};

void
lg_fx_register_reg(lg_fntable *t)
{
    lg_fx_register(t, list, sizeof list / sizeof *list);
}
