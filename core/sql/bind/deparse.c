/* Bound expressions back to SQL, as PostgreSQL's ruleutils.c prints them: every operator and test
 * in parentheses (pretty: only where the parent's precedence asks for them), literals labelled with
 * their type where it does not show. */
#include "cat_proc.h"
#include "collate.h"
#include "deparse_internal.h"
#include "quote.h"
#include <ctype.h>
#include <string.h>

#define MAX_TEXT (1u << 24)

typedef lg_dout out;

static void put(out *o, const lg_expr *e);

/* Operands and arguments show implicit coercions; what stands alone does not. */
static void
put_arg(out *o, const lg_expr *e)
{
    o->show = true;
    put(o, e);
}

/* ---- quoting ---- */

const char *
lg_quote_ident(lg_arena *a, const char *name)
{
    bool safe = (name[0] >= 'a' && name[0] <= 'z') || name[0] == '_';
    size_t n = strlen(name);
    for (size_t i = 0; i < n && safe; i++)
        safe = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') ||
               name[i] == '_';
    if (safe && !lg_word_is_reserved(name, n))
        return name;
    char *q = lg_arena_alloc(a, 2 * n + 3), *p = q;
    *p++ = '"';
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '"')
            *p++ = '"';
        *p++ = name[i];
    }
    *p++ = '"';
    *p = 0;
    return q;
}

const char *
lg_quote_literal(lg_arena *a, const char *text)
{
    size_t n = strlen(text);
    char *q = lg_arena_alloc(a, 2 * n + 4), *p = q;
    if (strchr(text, '\\'))
        *p++ = 'E';
    *p++ = '\'';
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\'' || text[i] == '\\')
            *p++ = text[i];
        *p++ = text[i];
    }
    *p++ = '\'';
    *p = 0;
    return q;
}

const char *
lg_deparse_collation(const lg_env *env, lg_oid oid, lg_arena *a)
{
    const lg_collation *k = lg_collation_get(oid);
    const char *name = NULL;
    if (k)
        return lg_quote_ident(a, k->name);
    if (env && env->user && env->user->collation_name)
        name = env->user->collation_name(env, oid, a);
    return name ? name : "\"?\"";
}

/* ---- pieces ---- */

static void
put_list(out *o, lg_expr *const *args, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            lg_strbuf_puts(&o->b, ", ");
        put_arg(o, args[i]);
    }
}

static const char *
type_text(out *o, lg_oid type, int32_t typmod)
{
    if (o->d->type_oids && lg_usertype_of(type) != LG_UT_NONE)
        return lg_arena_printf(o->d->arena, "\"#%u\"", type);
    return lg_type_name(o->d->env, type, typmod, o->d->arena);
}

static const char *
collation_text(out *o, const lg_expr *e)
{
    if (o->d->type_oids && lg_collation_class_of(e->collation) != LG_COLLATION_BUILTIN)
        return lg_arena_printf(o->d->arena, "\"#%u\"", e->collation);
    return lg_deparse_collation(o->d->env, e->collation, o->d->arena);
}

/* By its name, where the row's type is known. */
static void
put_field(out *o, const lg_expr *e)
{
    const lg_row_type *r;
    lg_error err;
    lg_error_init(&err, o->d->arena);
    if (lg_usertype_of(e->args[0]->type) == LG_UT_ROW &&
        lg_usertype_row(o->d->env, e->args[0]->type, o->d->arena, &err, &r) == LG_OK &&
        e->field <= r->n && r->fields[e->field - 1].name)
        lg_strbuf_printf(&o->b, ").%s", lg_quote_ident(o->d->arena, r->fields[e->field - 1].name));
    else
        lg_strbuf_printf(&o->b, ").f%u", e->field);
}

static void
put_const(out *o, const lg_expr *e, bool label)
{
    lg_arena *a = o->d->arena;
    const char *text;
    size_t len;
    if (e->konst.isnull) {
        lg_strbuf_puts(&o->b, "NULL");
        if (label && e->type != LG_T_UNKNOWN)
            lg_strbuf_printf(&o->b, "::%s", type_text(o, e->type, e->typmod));
        return;
    }
    if (e->type == LG_T_UNKNOWN) {
        lg_strbuf_puts(&o->b, lg_quote_literal(a, lg_cstring(e->konst.value)));
        return;
    }
    if (e->type == LG_T_REGCLASS && o->d->relation_name) {
        const char *name = o->d->relation_name(o->d->arg, lg_oid_of(e->konst.value));
        if (name) {
            lg_strbuf_printf(&o->b, "%s%s", lg_quote_literal(a, name), label ? "::regclass" : "");
            return;
        }
    }
    lg_error err;
    lg_error_init(&err, a);
    lg_status st = lg_type_output(o->d->env, e->type, e->konst.value, a, &err, &text, &len);
    if (st != LG_OK && !o->d->env->session) { /* only the catalog knows what it is called */
        const lg_type *t = lg_type_get(e->type);
        if (t && t->category == 'N' && t->store == LG_STORE_BYVAL) /* regclass and its kin */
            lg_strbuf_printf(&o->b, "%u", lg_oid_of(e->konst.value));
        else
            lg_strbuf_puts(&o->b, "?");
        return;
    }
    if (st != LG_OK) {
        o->st = st;
        return;
    }
    text = lg_arena_strndup(a, text, len);
    bool number = strspn(text, "0123456789.eE+-") == len && len && text[0] != '-' &&
                  isdigit((unsigned char)text[0]);
    switch (e->type) {
    case LG_T_BOOL:
        lg_strbuf_puts(&o->b, e->konst.value ? "true" : "false");
        return;
    case LG_T_INT4:
        if (number) {
            lg_strbuf_puts(&o->b, text);
            return;
        }
        break;
    case LG_T_NUMERIC:
        if (number && strpbrk(text, ".eE") && e->typmod < 0) {
            lg_strbuf_puts(&o->b, text);
            return;
        }
        break;
    default:
        break;
    }
    lg_strbuf_puts(&o->b, lg_quote_literal(a, text));
    if (label)
        lg_strbuf_printf(&o->b, "::%s", type_text(o, e->type, e->typmod));
}

/* ---- parentheses ---- */

/* '+' for + and -, '*' for * / and %, 0: another expression. */
static char
arithmetic(const lg_expr *e)
{
    if (e->kind != LG_EX_FUNC || !e->func.op || e->nargs != 2 || strlen(e->func.op->name) != 1)
        return 0;
    char c = e->func.op->name[0];
    return strchr("+-", c) ? '+' : strchr("*/%", c) ? '*' : 0;
}

/* Do the parent's own words or brackets already stand around its arguments? */
static bool
parent_encloses(const lg_expr *parent)
{
    switch ((lg_expr_kind)parent->kind) {
    case LG_EX_FUNC:
        return !parent->func.op && parent->form != LG_FORM_EXPLICIT &&
               parent->form != LG_FORM_IMPLICIT && parent->form != LG_FORM_SQL;
    case LG_EX_SUBSCRIPT:
    case LG_EX_ARRAY:
    case LG_EX_ROW:
    case LG_EX_COALESCE:
    case LG_EX_GREATEST:
    case LG_EX_LEAST:
    case LG_EX_NULLIF:
    case LG_EX_AGG:
    case LG_EX_GROUPING:
    case LG_EX_WINDOW:
    case LG_EX_CASE:
        return true;
    default:
        return false;
    }
}

static bool
is_bool(const lg_expr *e)
{
    return e->kind == LG_EX_AND || e->kind == LG_EX_OR || e->kind == LG_EX_NOT;
}

/* ruleutils' isSimpleNode: pretty printing spares e's parentheses under this parent. */
static bool
is_simple(const lg_expr *e, const lg_expr *parent)
{
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_FIELD:
        return parent->kind != LG_EX_FIELD;
    case LG_EX_RELABEL:
        return e->form != LG_FORM_SQL && is_simple(e->args[0], e); /* COLLATE is an operator */
    case LG_EX_DOMAIN:
    case LG_EX_COERCE_IO:
    case LG_EX_ARRAY_COERCE:
        return is_simple(e->args[0], e);
    case LG_EX_FUNC:
        if (!e->func.op)
            return true;
        if (parent->kind == LG_EX_FUNC && parent->func.op) {
            char op = arithmetic(e), above = arithmetic(parent);
            if (!op || !above)
                return false;
            return op != above ? op == '*' : e == parent->args[0];
        }
        return is_bool(parent) || parent_encloses(parent);
    case LG_EX_SUBLINK:
    case LG_EX_IS_NULL:
    case LG_EX_BOOL_TEST:
    case LG_EX_DISTINCT:
        return is_bool(parent) || parent_encloses(parent);
    case LG_EX_AND:
    case LG_EX_NOT:
        return parent->kind == LG_EX_AND || parent->kind == LG_EX_OR || parent_encloses(parent);
    case LG_EX_OR:
        return parent->kind == LG_EX_OR || parent_encloses(parent);
    case LG_EX_ARRAY_OP:
        return false;
    default: /* a name, a value, a call */
        return true;
    }
}

static void
put_under(out *o, const lg_expr *e, const lg_expr *parent, bool show)
{
    bool paren = o->d->pretty && !is_simple(e, parent);
    if (paren)
        lg_strbuf_putc(&o->b, '(');
    o->show = show;
    put(o, e);
    if (paren)
        lg_strbuf_putc(&o->b, ')');
}

/* The parentheses that an operator has of its own. */
static void
put_paren(out *o, char c)
{
    if (!o->d->pretty)
        lg_strbuf_putc(&o->b, c);
}

/* ---- calls and casts ---- */

static void
put_cast(out *o, const lg_expr *cast, lg_oid type, int32_t typmod)
{
    const lg_expr *arg = cast->args[0];
    if (arg->kind == LG_EX_CONST && arg->type == type && arg->typmod == -1) {
        put_const(o, arg, false);
    } else {
        put_paren(o, '(');
        put_under(o, arg, cast, false);
        put_paren(o, ')');
    }
    lg_strbuf_printf(&o->b, "::%s", type_text(o, type, typmod));
}

static const char *
sql_value_text(int v)
{
    static const char *const names[] = {"",
                                        "CURRENT_DATE",
                                        "CURRENT_TIME",
                                        "CURRENT_TIME",
                                        "CURRENT_TIMESTAMP",
                                        "CURRENT_TIMESTAMP",
                                        "LOCALTIME",
                                        "LOCALTIME",
                                        "LOCALTIMESTAMP",
                                        "LOCALTIMESTAMP",
                                        "CURRENT_ROLE",
                                        "CURRENT_USER",
                                        "USER",
                                        "SESSION_USER",
                                        "CURRENT_CATALOG",
                                        "CURRENT_SCHEMA"};
    return names[v];
}

/* A user's function with its schema, unless the bare name finds it. */
static void
put_func_name(out *o, const lg_func *f)
{
    const lg_proc *p = f->flags & LG_FUNC_USER ? lg_proc_of(f) : NULL;
    if (p && o->d->type_oids) { /* stays the same function whatever it is called later */
        lg_strbuf_printf(&o->b, "\"#%u\"", f->oid);
        return;
    }
    if (p && !(o->d->proc_visible && o->d->proc_visible(o->d->arg, p)))
        lg_strbuf_printf(&o->b, "%s.", lg_quote_ident(o->d->arena, p->schema));
    lg_strbuf_puts(&o->b, lg_quote_ident(o->d->arena, f->name));
}

/* SQL's own call syntaxes that PostgreSQL prints back. */
static bool
put_sql_call(out *o, const lg_expr *e)
{
    const char *name = e->func.func->name;
    lg_arena *a = o->d->arena;
    if (!strcmp(name, "extract") && e->nargs == 2 && e->args[0]->kind == LG_EX_CONST) {
        const char *field =
            e->args[0]->type == LG_T_TEXT ? lg_text_cstring(a, e->args[0]->konst.value) : "epoch";
        lg_strbuf_printf(&o->b, "EXTRACT(%s FROM ", field);
        put(o, e->args[1]);
        lg_strbuf_putc(&o->b, ')');
        return true;
    }
    if (!strcmp(name, "timezone") && e->nargs == 2) {
        lg_strbuf_putc(&o->b, '(');
        put_under(o, e->args[1], e, false);
        lg_strbuf_puts(&o->b, " AT TIME ZONE ");
        put_under(o, e->args[0], e, false);
        lg_strbuf_putc(&o->b, ')');
        return true;
    }
    if (!strcmp(name, "substring") && e->nargs >= 2) {
        lg_strbuf_puts(&o->b, "SUBSTRING(");
        put(o, e->args[0]);
        lg_strbuf_puts(&o->b, " FROM ");
        put(o, e->args[1]);
        if (e->nargs > 2) {
            lg_strbuf_puts(&o->b, " FOR ");
            put(o, e->args[2]);
        }
        lg_strbuf_putc(&o->b, ')');
        return true;
    }
    if (!strcmp(name, "position") && e->nargs == 2) {
        lg_strbuf_puts(&o->b, "POSITION((");
        put(o, e->args[1]);
        lg_strbuf_puts(&o->b, ") IN (");
        put(o, e->args[0]);
        lg_strbuf_puts(&o->b, "))");
        return true;
    }
    if ((!strcmp(name, "btrim") || !strcmp(name, "ltrim") || !strcmp(name, "rtrim"))) {
        lg_strbuf_printf(&o->b, "TRIM(%s ",
                         name[0] == 'b'   ? "BOTH"
                         : name[0] == 'l' ? "LEADING"
                                          : "TRAILING");
        if (e->nargs > 1) {
            put(o, e->args[1]);
            lg_strbuf_putc(&o->b, ' ');
        }
        lg_strbuf_puts(&o->b, "FROM ");
        put(o, e->args[0]);
        lg_strbuf_putc(&o->b, ')');
        return true;
    }
    return false;
}

static void
put_func(out *o, const lg_expr *e, bool show)
{
    if (e->sql_value) {
        lg_strbuf_puts(&o->b, sql_value_text(e->sql_value));
        if (e->typmod >= 0 && e->type != LG_T_NAME)
            lg_strbuf_printf(&o->b, "(%d)", e->typmod);
        return;
    }
    if (e->func.op) {
        put_paren(o, '(');
        if (e->nargs == 2) {
            put_under(o, e->args[0], e, true);
            lg_strbuf_putc(&o->b, ' ');
        }
        lg_strbuf_printf(&o->b, "%s ", e->func.op->name);
        put_under(o, e->args[e->nargs - 1], e, true);
        put_paren(o, ')');
        return;
    }
    if (e->form == LG_FORM_IMPLICIT && !show) {
        put_under(o, e->args[0], e, false);
        return;
    }
    if (e->form == LG_FORM_EXPLICIT || e->form == LG_FORM_IMPLICIT) {
        put_cast(o, e, e->type, e->typmod);
        return;
    }
    if (e->form == LG_FORM_SQL && put_sql_call(o, e))
        return;
    put_func_name(o, e->func.func);
    lg_strbuf_putc(&o->b, '(');
    for (uint32_t i = 0; i + e->ndefaults < e->nargs; i++) {
        if (i)
            lg_strbuf_puts(&o->b, ", ");
        if (e->variadic && i + 1 == e->nargs)
            lg_strbuf_puts(&o->b, "VARIADIC ");
        put_arg(o, e->args[i]);
    }
    lg_strbuf_putc(&o->b, ')');
}

static void
put_agg(out *o, const lg_expr *e)
{
    lg_strbuf_printf(&o->b, "%s(%s", lg_quote_ident(o->d->arena, e->agg.func->name),
                     e->agg.distinct ? "DISTINCT " : "");
    if (e->agg.star)
        lg_strbuf_putc(&o->b, '*');
    put_list(o, e->args, e->agg.within ? e->agg.ndirect : e->nargs);
    if (e->agg.within)
        lg_strbuf_puts(&o->b, ") WITHIN GROUP (");
    for (uint32_t i = 0; i < e->agg.norder; i++) {
        lg_strbuf_puts(&o->b, i ? ", " : e->agg.within ? "ORDER BY " : " ORDER BY ");
        lg_deparse__sort_expr(o, e->agg.order[i].expr);
        if (e->agg.order[i].desc)
            lg_strbuf_puts(&o->b, " DESC");
        if (e->agg.order[i].nulls_first != e->agg.order[i].desc)
            lg_strbuf_puts(&o->b, e->agg.order[i].nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
    lg_strbuf_putc(&o->b, ')');
    if (e->agg.filter) {
        lg_strbuf_puts(&o->b, " FILTER (WHERE ");
        put(o, e->agg.filter);
        lg_strbuf_putc(&o->b, ')');
    }
}

static void
put_case(out *o, const lg_expr *e)
{
    uint32_t i = 0;
    lg_deparse__keyword(o, "CASE", 0, 4);
    if (e->has_arg) {
        lg_strbuf_putc(&o->b, ' ');
        put_arg(o, e->args[i++]);
    }
    for (; i + 1 < e->nargs; i += 2) {
        const lg_expr *w = e->args[i];
        lg_deparse__keyword(o, " WHEN ", 0, 0);
        if (e->has_arg && w->kind == LG_EX_FUNC && w->func.op && w->nargs == 2)
            w = w->args[1];
        put(o, w);
        lg_strbuf_puts(&o->b, " THEN ");
        put_arg(o, e->args[i + 1]);
    }
    lg_deparse__keyword(o, " ELSE ", 0, 0);
    put_arg(o, e->args[i]);
    lg_deparse__keyword(o, " END", -4, 0);
}

static void
put_subscript(out *o, const lg_expr *e)
{
    const lg_expr *base = e->args[0];
    bool paren = base->kind != LG_EX_VAR && base->kind != LG_EX_SLOT;
    if (paren)
        lg_strbuf_putc(&o->b, '(');
    put(o, base);
    if (paren)
        lg_strbuf_putc(&o->b, ')');
    for (uint32_t i = 1; i < e->nargs; i++) {
        lg_strbuf_putc(&o->b, '[');
        if (e->args[i])
            put(o, e->args[i]);
        if (e->is_slice) {
            lg_strbuf_putc(&o->b, ':');
            if (e->args[++i])
                put(o, e->args[i]);
        }
        lg_strbuf_putc(&o->b, ']');
    }
}

static void
put_var(out *o, const lg_expr *e)
{
    if (o->level) {
        lg_deparse__var(o, e);
        return;
    }
    const lg_column *c = o->rel ? lg_relation_column(o->rel, e->var.attno) : NULL;
    const char *name = c ? c->name : "?";
    if (!c && e->var.attno < 0)
        name = e->var.attno == LG_SYSCOL_CTID ? "ctid" : "tableoid";
    if (o->d->qualify && o->rel)
        lg_strbuf_printf(&o->b, "%s.", lg_quote_ident(o->d->arena, o->rel->name));
    lg_strbuf_puts(&o->b, lg_quote_ident(o->d->arena, name));
}

/* An operator between two operands, or a test after one. */
static void
put_between(out *o, const lg_expr *e, const char *op, const char *close)
{
    put_paren(o, '(');
    put_under(o, e->args[0], e, e->kind != LG_EX_BOOL_TEST);
    lg_strbuf_puts(&o->b, op);
    if (e->nargs > 1)
        put_under(o, e->args[1], e, true);
    lg_strbuf_puts(&o->b, close);
    put_paren(o, ')');
}

static void
put_bool(out *o, const lg_expr *e)
{
    put_paren(o, '(');
    for (uint32_t i = 0; i < e->nargs; i++) {
        if (i || e->kind == LG_EX_NOT)
            lg_strbuf_puts(&o->b, e->kind == LG_EX_NOT   ? "NOT "
                                  : e->kind == LG_EX_AND ? " AND "
                                                         : " OR ");
        put_under(o, e->args[i], e, false);
    }
    put_paren(o, ')');
}

static void
put_call(out *o, const char *name, const lg_expr *e, char open, char close)
{
    lg_strbuf_printf(&o->b, "%s%c", name, open);
    put_list(o, e->args, e->nargs);
    lg_strbuf_putc(&o->b, close);
}

static void
put_row(out *o, const lg_expr *e)
{
    lg_strbuf_puts(&o->b, "ROW(");
    for (uint32_t i = 0; i < e->nargs; i++) {
        if (i)
            lg_strbuf_puts(&o->b, ", ");
        if (lg_deparse__whole_row(o, e->args[i]))
            lg_deparse__top(o, e->args[i]);
        else
            put_arg(o, e->args[i]);
    }
    lg_strbuf_putc(&o->b, ')');
}

static void
put_subplan(out *o, const lg_expr *e)
{
    if (e->subplan.init && !e->subplan.nset &&
        (e->subplan.link == LG_SUBLINK_EXPR || e->subplan.link == LG_SUBLINK_EXISTS ||
         e->subplan.link == LG_SUBLINK_ARRAY))
        lg_strbuf_printf(&o->b, "$%u", e->subplan.plan);
    else
        lg_strbuf_printf(&o->b, "(%sSubPlan %u)", e->subplan.hashed ? "hashed " : "",
                         e->subplan.plan + 1);
}

static void
put(out *o, const lg_expr *e)
{
    static const char *const tests[] = {"",
                                        " IS TRUE",
                                        " IS NOT TRUE",
                                        " IS FALSE",
                                        " IS NOT FALSE",
                                        " IS UNKNOWN",
                                        " IS NOT UNKNOWN"};
    bool show = o->show;
    o->show = false;
    if (o->d->slot_name) {
        const char *s = o->d->slot_name(o->d->arg, e);
        if (s) {
            lg_strbuf_puts(&o->b, s);
            return;
        }
    }
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_CONST:
        put_const(o, e, true);
        return;
    case LG_EX_PARAM:
        if (o->d->param_names && (uint32_t)e->param.number <= o->d->nparam_names &&
            *o->d->param_names[e->param.number - 1]) {
            lg_strbuf_puts(&o->b, o->d->param_names[e->param.number - 1]);
            return;
        }
        lg_strbuf_printf(&o->b, "$%d", e->param.number);
        return;
    case LG_EX_VAR:
        put_var(o, e);
        return;
    case LG_EX_SLOT:
    case LG_EX_SUBCOL: {
        const lg_column *c =
            o->rel && e->slot >= 0 ? lg_relation_column(o->rel, (int16_t)(e->slot + 1)) : NULL;
        lg_strbuf_puts(&o->b, c ? lg_quote_ident(o->d->arena, c->name) : "?");
        return;
    }
    case LG_EX_EXEC:
        lg_strbuf_printf(&o->b, "$%u", e->exec);
        return;
    case LG_EX_FUNC:
        put_func(o, e, show);
        return;
    case LG_EX_AND:
    case LG_EX_OR:
    case LG_EX_NOT:
        put_bool(o, e);
        return;
    case LG_EX_CASE:
        if (e->form == LG_FORM_IMPLICIT) /* a row, or NULL where an outer join had none */
            put(o, e->args[e->nargs - 1]);
        else
            put_case(o, e);
        return;
    case LG_EX_DOMAIN_VALUE:
        lg_strbuf_puts(&o->b, "VALUE");
        return;
    case LG_EX_DOMAIN:
        if (e->form == LG_FORM_IMPLICIT && !show)
            put(o, e->args[0]);
        else
            put_cast(o, e, e->domain, -1);
        return;
    case LG_EX_CASE_TEST:
        lg_strbuf_puts(&o->b, "CASE_TEST_EXPR");
        return;
    case LG_EX_COALESCE:
        put_call(o, "COALESCE", e, '(', ')');
        return;
    case LG_EX_GREATEST:
        put_call(o, "GREATEST", e, '(', ')');
        return;
    case LG_EX_LEAST:
        put_call(o, "LEAST", e, '(', ')');
        return;
    case LG_EX_NULLIF:
        put_call(o, "NULLIF", e, '(', ')');
        return;
    case LG_EX_DISTINCT:
        put_between(o, e, " IS DISTINCT FROM ", "");
        return;
    case LG_EX_IS_NULL:
        put_between(o, e, e->negated ? " IS NOT NULL" : " IS NULL", "");
        return;
    case LG_EX_BOOL_TEST:
        put_between(o, e, tests[e->booltest], "");
        return;
    case LG_EX_ARRAY:
        put_call(o, "ARRAY", e, '[', ']');
        if (!e->nargs)
            lg_strbuf_printf(&o->b, "::%s", type_text(o, e->type, -1));
        return;
    case LG_EX_ARRAY_OP:
        put_between(o, e,
                    lg_arena_printf(o->d->arena, " %s %s (", e->func.op ? e->func.op->name : "=",
                                    e->use_or ? "ANY" : "ALL"),
                    ")");
        return;
    case LG_EX_ROW: {
        const char *whole = lg_deparse__whole_row(o, e);
        if (whole)
            lg_strbuf_printf(&o->b, "%s.*", lg_quote_ident(o->d->arena, whole));
        else
            put_row(o, e);
        return;
    }
    case LG_EX_FIELD:
        lg_strbuf_putc(&o->b, '(');
        put(o, e->args[0]);
        put_field(o, e);
        return;
    case LG_EX_SUBSCRIPT:
        put_subscript(o, e);
        return;
    case LG_EX_ARRAY_SET: /* only UPDATE and INSERT have it: for EXPLAIN */
        put(o, e->args[e->nargs - 1]);
        return;
    case LG_EX_RELABEL:
        if (e->form == LG_FORM_SQL) {
            put_between(o, e, lg_arena_printf(o->d->arena, " COLLATE %s", collation_text(o, e)),
                        "");
            return;
        } /* fall through */
    case LG_EX_COERCE_IO:
    case LG_EX_ARRAY_COERCE:
        if (e->form == LG_FORM_IMPLICIT && !show)
            put_under(o, e->args[0], e, false);
        else
            put_cast(o, e, e->type, e->typmod);
        return;
    case LG_EX_AGG:
        put_agg(o, e);
        return;
    case LG_EX_SUBPLAN:
        put_subplan(o, e);
        return;
    case LG_EX_GROUPING:
        put_call(o, "GROUPING", e, '(', ')');
        return;
    case LG_EX_WINDOW:
        put_agg(o, e);
        lg_deparse__over(o, e);
        return;
    case LG_EX_SUBLINK:
        if (o->level) {
            lg_deparse__sublink(o, e);
            return;
        }
        lg_strbuf_puts(&o->b, "(SubLink)");
        return;
    case LG_EX_DEFAULT:
        lg_strbuf_puts(&o->b, "DEFAULT");
        return;
    }
}

void
lg_deparse__expr(lg_dout *o, const lg_expr *e)
{
    put(o, e);
}

void
lg_deparse__top(lg_dout *o, const lg_expr *e)
{
    lg_deparse__expr(o, e);
    if (lg_deparse__whole_row(o, e))
        lg_strbuf_printf(&o->b, "::%s", type_text(o, e->type, -1));
}

void
lg_deparse__arg(lg_dout *o, const lg_expr *e)
{
    put_arg(o, e);
}

lg_status
lg_deparse_expr(const lg_deparse *d, const lg_expr *e, const lg_relation *rel,
                const char **ret_text)
{
    out o = {.d = d, .rel = rel, .st = LG_OK};
    lg_strbuf_init(&o.b, MAX_TEXT);
    put(&o, e);
    if (o.st == LG_OK)
        o.st = lg_strbuf_status(&o.b);
    if (o.st == LG_OK)
        *ret_text = lg_arena_strndup(d->arena, o.b.data ? o.b.data : "", o.b.len);
    lg_strbuf_fini(&o.b);
    return o.st;
}
