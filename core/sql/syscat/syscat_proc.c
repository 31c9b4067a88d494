/* Functions about functions, built in or made by users: pg_get_functiondef and kin, regproc and
 * regprocedure, visibility, has_function_privilege. */
#include "acl.h"
#include "bind_sqlfunc.h"
#include "syscat_internal.h"
#include "strbuf.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* A user's function; NULL in *ret: it is none. */
static lg_status
proc_of(lg_call *c, lg_oid oid, lg_proc **ret)
{
    *ret = NULL;
    if (lg_func_get(oid))
        return LG_OK;
    lg_status st = lg_cat_proc(lg_fx_session(c)->cat, oid, c->arena, ret);
    return st == LG_NOT_FOUND ? LG_OK : st;
}

static const char *
type_text(lg_call *c, lg_oid type)
{
    return lg_type_name(c->env, type, -1, c->arena);
}

static const char *
relation_name(void *arg, lg_oid oid)
{
    const char *name;
    return lg_fx_relation_name(arg, oid, false, &name) == LG_OK ? name : NULL;
}

bool
lg_fx_proc_visible(void *arg, const lg_proc *p)
{
    lg_call *c = arg;
    bool ok = false;
    return lg_cat_proc_visible(lg_fx_session(c)->cat, p, &ok) == LG_OK && ok;
}

static lg_deparse
deparser(lg_call *c)
{
    return (lg_deparse){.arena = c->arena,
                        .env = c->env,
                        .relation_name = relation_name,
                        .proc_visible = lg_fx_proc_visible,
                        .arg = c};
}

/* ---- arguments ---- */

/* The default of input parameter i as PostgreSQL prints it; NULL: none. */
static lg_status
default_text(lg_call *c, const lg_proc *p, uint32_t i, const char **ret)
{
    lg_exec_session *es = lg_fx_session(c);
    const lg_func *f = &p->func;
    uint32_t first = (uint32_t)f->nargs - f->ndefaults;
    lg_ast *list;
    lg_expr *e;
    lg_bind b;
    *ret = NULL;
    if (!f->ndefaults || i < first)
        return LG_OK;
    LG_TRY(lg_parse_expr(es->run, lg_arena_printf(c->arena, "ROW(%s)", f->defaults), c->arena,
                         c->err, &list));
    const lg_ast_list *d = &lg_ast_as(list, row_expr)->args;
    if (i - first >= d->n)
        return LG_OK;
    lg_deparse dp = deparser(c);
    lg_bind_init(&b, es->cat, es->run, c->arena, c->env, c->err, NULL);
    lg_status st = lg_bind_expr(&b, d->at[i - first], LG_PLACE_DEFAULT, NULL, 0, -1, NULL, &e);
    if (st == LG_OK)
        st = lg_deparse_expr(&dp, e, NULL, ret);
    lg_bind_fini(&b);
    return st;
}

static lg_status
put_arguments(lg_call *c, const lg_proc *p, bool table, bool defaults, lg_strbuf *o)
{
    uint32_t in = 0;
    bool any = false;
    for (uint32_t i = 0; i < p->nall; i++) {
        char mode = p->modes[i];
        if ((mode == 't') != table)
            continue;
        lg_strbuf_puts(o, any ? ", " : "");
        any = true;
        lg_strbuf_puts(o, mode == 'o'                          ? "OUT "
                          : mode == 'b'                        ? "INOUT "
                          : mode == 'v'                        ? "VARIADIC "
                          : mode == 'i' && p->func.kind == 'p' ? "IN "
                                                               : "");
        if (*p->names[i])
            lg_strbuf_printf(o, "%s ", lg_quote_ident(c->arena, p->names[i]));
        lg_strbuf_puts(o, type_text(c, p->all_types[i]));
        const char *d = NULL;
        if (strchr("ibv", mode) && defaults)
            LG_TRY(default_text(c, p, in, &d));
        in += strchr("ibv", mode) != NULL;
        if (d)
            lg_strbuf_printf(o, " DEFAULT %s", d);
    }
    return LG_OK;
}

static const char *
builtin_arguments(lg_call *c, const lg_func *f)
{
    const char *s = "", *names = f->argnames;
    for (uint32_t i = 0; i < f->nargs; i++) {
        size_t n = names ? strcspn(names, ",") : 0;
        bool last = f->variadic && i == f->nargs - 1u;
        s = lg_arena_printf(c->arena, "%s%s%s%.*s%s%s", s, i ? ", " : "", last ? "VARIADIC " : "",
                            (int)n, names ? names : "", n ? " " : "",
                            lg_type_format(c->arena, f->args[i], -1));
        if (names)
            names += n + (names[n] == ',');
    }
    return s;
}

static lg_datum
finish(lg_call *c, lg_strbuf *o, lg_status st)
{
    lg_datum d = st == LG_OK ? lg_fx_text(c, o->data ? o->data : "") : lg_fx_fail(c, st);
    lg_strbuf_fini(o);
    return d;
}

static lg_datum
arguments(lg_call *c, bool defaults)
{
    const lg_func *f = lg_func_get(lg_oid_of(c->args[0]));
    lg_proc *p;
    lg_strbuf o;
    if (f)
        return lg_fx_text(c, builtin_arguments(c, f));
    lg_status st = proc_of(c, lg_oid_of(c->args[0]), &p);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    if (!p)
        return lg_fx_null(c);
    lg_strbuf_init(&o, 1 << 20);
    st = put_arguments(c, p, false, defaults, &o);
    return finish(c, &o, st);
}

static lg_datum
fn_pg_get_function_arguments(lg_call *c)
{
    return arguments(c, true);
}

static lg_datum
fn_pg_get_function_identity_arguments(lg_call *c)
{
    return arguments(c, false);
}

static lg_datum
fn_pg_get_function_arg_default(lg_call *c)
{
    lg_proc *p;
    const char *d = NULL;
    lg_status st = proc_of(c, lg_oid_of(c->args[0]), &p);
    int32_t n = lg_int4(c->args[1]);
    uint32_t in = 0;
    if (st == LG_OK && p && n >= 1 && n <= (int32_t)p->nall && strchr("ibv", p->modes[n - 1])) {
        for (int32_t i = 0; i < n - 1; i++)
            in += strchr("ibv", p->modes[i]) != NULL;
        st = default_text(c, p, in, &d);
    }
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    return d ? lg_fx_text(c, d) : lg_fx_null(c);
}

static lg_status
put_result(lg_call *c, const lg_proc *p, lg_strbuf *o)
{
    if (memchr(p->modes, 't', p->nall)) {
        lg_strbuf_puts(o, "TABLE(");
        LG_TRY(put_arguments(c, p, true, false, o));
        lg_strbuf_putc(o, ')');
        return LG_OK;
    }
    lg_strbuf_printf(o, "%s%s", lg_func_retset(&p->func) ? "SETOF " : "",
                     type_text(c, p->func.result));
    return LG_OK;
}

static lg_datum
fn_pg_get_function_result(lg_call *c)
{
    const lg_func *f = lg_func_get(lg_oid_of(c->args[0]));
    lg_proc *p;
    lg_strbuf o;
    if (f)
        return lg_fx_text(c, lg_arena_printf(c->arena, "%s%s", lg_func_retset(f) ? "SETOF " : "",
                                             lg_type_format(c->arena, f->result, -1)));
    lg_status st = proc_of(c, lg_oid_of(c->args[0]), &p);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    if (!p || p->func.kind == 'p')
        return lg_fx_null(c);
    lg_strbuf_init(&o, 1 << 20);
    st = put_result(c, p, &o);
    return finish(c, &o, st);
}

/* ---- bodies ---- */

/* A parsed body as PostgreSQL prints it; its own text where that cannot be done. */
static lg_status
put_body(lg_call *c, const lg_proc *p, lg_strbuf *o)
{
    lg_exec_session *es = lg_fx_session(c);
    lg_parse_tree *t;
    lg_error err;
    bool is_return = !strncmp(p->body, "/*RETURN*/", 10);
    lg_error_init(&err, c->arena);
    LG_TRY(lg_parse_sql(es->run, p->body, c->arena, c->err, &t));
    lg_strbuf_puts(o, is_return ? "" : "BEGIN ATOMIC\n");
    for (uint32_t i = 0; i < t->n; i++) {
        lg_bind b;
        lg_query *q;
        const char *text;
        lg_bind_init(&b, es->cat, es->run, c->arena, c->env, &err, NULL);
        b.catalog.relation_mask = NULL;
        b.catalog.proc_usable = NULL;
        lg_bind_function_begin(&b, p, NULL);
        lg_deparse d = deparser(c);
        lg_status st = lg_bind_function_query(&b, p, p->func.result, t->stmts[i].stmt, false, &q);
        const char **names = LG_NEWN(c->arena, const char *, p->func.nargs + 1u);
        for (uint32_t k = 0; k < p->func.nargs; k++)
            names[k] =
                !*p->in_names[k] ? ""
                : st == LG_OK && q->nrtes
                    ? lg_arena_printf(c->arena, "%s.%s", lg_quote_ident(c->arena, p->func.name),
                                      lg_quote_ident(c->arena, p->in_names[k]))
                    : lg_quote_ident(c->arena, p->in_names[k]);
        d.param_names = names;
        d.nparam_names = p->func.nargs;
        if (st == LG_OK)
            st = q->cmd == LG_CMD_SELECT ? lg_deparse_query(&d, q, 0, NULL, &text) : LG_UNSUPPORTED;
        lg_bind_fini(&b);
        if (st != LG_OK) {
            lg_strbuf_fini(o);
            lg_strbuf_init(o, 1 << 20);
            lg_strbuf_printf(o, "BEGIN ATOMIC\n%s\nEND", p->body);
            return LG_OK;
        }
        while (isspace((unsigned char)*text))
            text++;
        if (is_return && !strncmp(text, "SELECT ", 7)) {
            size_t len = strlen(text); /* without the name that a view would give it */
            for (const char *x = strstr(text, " AS "); x; x = strstr(x + 1, " AS "))
                len = (size_t)(x - text);
            lg_strbuf_printf(o, "RETURN %.*s", (int)(len - 7), text + 7);
        } else {
            lg_strbuf_putc(o, ' ');
            for (; *text; text++) {
                lg_strbuf_putc(o, *text);
                if (*text == '\n')
                    lg_strbuf_putc(o, ' ');
            }
            lg_strbuf_puts(o, ";\n");
        }
    }
    lg_strbuf_puts(o, is_return ? "" : "END");
    return LG_OK;
}

static lg_datum
fn_pg_get_function_sqlbody(lg_call *c)
{
    lg_proc *p;
    lg_strbuf o;
    lg_status st = proc_of(c, lg_oid_of(c->args[0]), &p);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    if (!p || !p->parsed_body)
        return lg_fx_null(c);
    lg_strbuf_init(&o, 1 << 20);
    st = put_body(c, p, &o);
    return finish(c, &o, st);
}

static void
put_attributes(const lg_proc *p, lg_strbuf *o)
{
    const lg_func *f = &p->func;
    lg_strbuf a;
    lg_strbuf_init(&a, 4096);
    if (f->volatility != 'v')
        lg_strbuf_puts(&a, f->volatility == 'i' ? " IMMUTABLE" : " STABLE");
    if (p->parallel != 'u')
        lg_strbuf_puts(&a, p->parallel == 's' ? " PARALLEL SAFE" : " PARALLEL RESTRICTED");
    if (lg_func_strict(f))
        lg_strbuf_puts(&a, " STRICT");
    if (p->secdef)
        lg_strbuf_puts(&a, " SECURITY DEFINER");
    if (f->flags & LG_FUNC_LEAKPROOF)
        lg_strbuf_puts(&a, " LEAKPROOF");
    if (p->cost > 0 && p->cost != 100)
        lg_strbuf_printf(&a, " COST %g", (double)p->cost);
    if (p->rows > 0 && p->rows != 1000)
        lg_strbuf_printf(&a, " ROWS %g", (double)p->rows);
    if (a.len)
        lg_strbuf_printf(o, "%s\n", a.data);
    lg_strbuf_fini(&a);
}

/* search_path and such are lists of names, each quoted. */
static void
put_setting(lg_call *c, const char *config, lg_strbuf *o)
{
    const char *eq = strchr(config, '='), *v = eq ? eq + 1 : "";
    lg_strbuf_printf(o, " SET %.*s TO ", (int)(eq ? eq - config : 0), config);
    if (strncasecmp(config, "search_path=", 12) != 0) {
        lg_strbuf_printf(o, "%s\n", lg_quote_literal(c->arena, v));
        return;
    }
    for (bool first = true; *v; first = false) {
        size_t n = strcspn(v, ",");
        const char *one = lg_arena_strndup(c->arena, v, n);
        size_t len = strlen(one);
        if (len > 1 && one[0] == '"')
            one = lg_arena_strndup(c->arena, one + 1, len - 2);
        lg_strbuf_printf(o, "%s%s", first ? "" : ", ", lg_quote_literal(c->arena, one));
        v += n;
        while (*v == ',' || *v == ' ')
            v++;
    }
    lg_strbuf_putc(o, '\n');
}

static lg_status
put_definition(lg_call *c, const lg_proc *p, lg_strbuf *o)
{
    bool procedure = p->func.kind == 'p';
    lg_strbuf_printf(o, "CREATE OR REPLACE %s %s.%s(", procedure ? "PROCEDURE" : "FUNCTION",
                     lg_quote_ident(c->arena, p->schema), lg_quote_ident(c->arena, p->func.name));
    LG_TRY(put_arguments(c, p, false, true, o));
    lg_strbuf_puts(o, ")\n");
    if (!procedure) {
        lg_strbuf_puts(o, " RETURNS ");
        LG_TRY(put_result(c, p, o));
        lg_strbuf_putc(o, '\n');
    }
    lg_strbuf_puts(o, " LANGUAGE sql\n");
    put_attributes(p, o);
    for (uint32_t i = 0; i < p->nconfig; i++)
        put_setting(c, p->config[i], o);
    if (p->parsed_body) {
        lg_strbuf body;
        lg_strbuf_init(&body, 1 << 20);
        lg_status st = put_body(c, p, &body);
        if (st == LG_OK)
            lg_strbuf_printf(o, "%s\n", body.data ? body.data : "");
        lg_strbuf_fini(&body);
        return st;
    }
    const char *quote = procedure ? "$procedure" : "$function";
    while (strstr(p->body, quote))
        quote = lg_arena_printf(c->arena, "%sx", quote);
    lg_strbuf_printf(o, "AS %s$%s%s$\n", quote, p->body, quote);
    return LG_OK;
}

static lg_datum
fn_pg_get_functiondef(lg_call *c)
{
    lg_proc *p;
    lg_strbuf o;
    lg_status st = proc_of(c, lg_oid_of(c->args[0]), &p);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    if (!p)
        return lg_fx_null(c);
    lg_strbuf_init(&o, 1 << 20);
    st = put_definition(c, p, &o);
    return finish(c, &o, st);
}

static lg_datum
fn_pg_function_is_visible(lg_call *c)
{
    lg_proc *p;
    bool ok = false;
    if (lg_func_get(lg_oid_of(c->args[0])))
        return 1;
    lg_status st = proc_of(c, lg_oid_of(c->args[0]), &p);
    if (st == LG_OK && !p)
        return lg_fx_null(c);
    if (st == LG_OK)
        st = lg_cat_proc_visible(lg_fx_session(c)->cat, p, &ok);
    return st == LG_OK ? ok : lg_fx_fail(c, st);
}

/* ---- privileges: ([user,] function, privilege) ---- */

static lg_status
named_function(lg_call *c, lg_datum arg, lg_oid type, lg_proc **ret)
{
    lg_oid oid = type == LG_T_OID ? lg_oid_of(arg) : 0;
    *ret = NULL;
    if (!oid) {
        lg_status st = lg_fx_procedure_by_text(c, lg_text_cstring(c->arena, arg), &oid);
        if (st == LG_NOT_FOUND)
            lg_call_error(c, "42883", "function \"%s\" does not exist",
                          lg_text_cstring(c->arena, arg));
        if (st != LG_OK)
            return c->st ? c->st : st;
    }
    return proc_of(c, oid, ret);
}

static lg_datum
fn_has_function_privilege(lg_call *c)
{
    lg_cat *cat = lg_fx_session(c)->cat;
    lg_oid user = lg_cat_user(cat);
    uint32_t at = c->nargs == 3, have = 0;
    lg_role role;
    lg_proc *p;
    lg_status st = LG_OK;
    if (at && c->func->args[0] == LG_T_OID) {
        user = lg_oid_of(c->args[0]);
    } else if (at) {
        const char *name = lg_text_cstring(c->arena, c->args[0]);
        st = !strcmp(name, "public") ? LG_OK : lg_cat_role_by_name(cat, name, c->arena, &role);
        if (st == LG_NOT_FOUND)
            return lg_call_error(c, "42704", "role \"%s\" does not exist", name);
        user = !strcmp(name, "public") ? 0 : role.oid;
    }
    const char *want = lg_text_cstring(c->arena, c->args[at + 1]);
    if (strncasecmp(want, "execute", 7) != 0)
        return lg_call_error(c, "22023", "unrecognized privilege type: \"%s\"", want);
    if (st == LG_OK)
        st = named_function(c, c->args[at], c->func->args[at], &p);
    if (st != LG_OK)
        return lg_fx_fail(c, st);
    if (!p)
        return lg_func_get(lg_oid_of(c->args[at])) || c->func->args[at] != LG_T_OID ? 1
                                                                                    : lg_fx_null(c);
    st = lg_cat_acl_mask(cat, user, LG_ACL_FUNCTION, p->owner, p->acl, LG_ACL_EXECUTE, &have);
    return st == LG_OK ? have != 0 : lg_fx_fail(c, st);
}

static const lg_fx_entry list[] = {
    {"pg_get_function_arguments", fn_pg_get_function_arguments},
    {"pg_get_function_identity_arguments", fn_pg_get_function_identity_arguments},
    {"pg_get_function_arg_default", fn_pg_get_function_arg_default},
    {"pg_get_function_result", fn_pg_get_function_result},
    {"pg_get_function_sqlbody", fn_pg_get_function_sqlbody},
    {"pg_get_functiondef", fn_pg_get_functiondef},
    {"pg_function_is_visible", fn_pg_function_is_visible},
    {"has_function_privilege", fn_has_function_privilege},
};

void
lg_fx_register_proc(lg_fntable *t)
{
    lg_fx_register(t, list, sizeof list / sizeof *list);
}
