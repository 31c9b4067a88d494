/* CREATE, ALTER and DROP of functions and procedures in SQL: rows of lg_proc.
 *
 * A body given as a string is kept as written and bound when it runs; BEGIN ATOMIC and RETURN are
 * kept as statements whose names are qualified, and depend on what they use. */
#include "acl.h"
#include "array.h"
#include "bind_sqlfunc.h"
#include "ddl_internal.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RETURN_MARK "/*RETURN*/ "

struct making {
    lg_oid nsp, oid;
    const char *name;
    bool procedure;
    uint32_t nin, nall, nout, ndefaults;
    lg_oid in[100], all[164];
    char modes[165];
    const char *names[164];
    bool named;
    const char *defaults[100];
    lg_oid variadic, result;
    bool set, table;
    /* options; volatility 0: not given */
    const char *body, *sqlbody;
    int32_t body_loc;
    char volatility, parallel;
    int strict, secdef, leakproof; /* -1: not given */
    float cost, rows;
    const char *config[32];
    uint32_t nconfig;
};

static const char *
type_text(lg_util *u, lg_oid type)
{
    return lg_type_name(u->es->env, type, -1, u->a);
}

static const char *
signature(lg_util *u, const char *name, uint32_t n, const lg_oid *types)
{
    const char *s = lg_arena_printf(u->a, "%s(", name);
    for (uint32_t i = 0; i < n; i++)
        s = lg_arena_printf(u->a, "%s%s%s", s, i ? "," : "", type_text(u, types[i]));
    return lg_arena_printf(u->a, "%s)", s);
}

static const char *
signature_key(lg_util *u, uint32_t n, const lg_oid *types)
{
    const char *s = "";
    for (uint32_t i = 0; i < n; i++)
        s = lg_arena_printf(u->a, "%s%s%u", s, i ? "," : "", types[i]);
    return s;
}

static lg_status
type_of(lg_util *u, const lg_ast_type_name *t, lg_oid *ret)
{
    lg_bind b;
    int32_t typmod;
    lg_exec_bind_init(u->es, u->a, &b);
    b.sql = NULL; /* PostgreSQL tells no position here */
    lg_status st = lg_bind_type_name(&b, t, ret, &typmod, NULL);
    lg_bind_fini(&b);
    return st;
}

/* ---- parameters ---- */

static lg_status
default_of(lg_util *u, struct making *m, const lg_ast_function_parameter *p, lg_oid type)
{
    lg_bind b;
    lg_expr *e;
    if (!p->defexpr) {
        if (m->ndefaults)
            return lg_error_set(
                u->err, "42P13",
                "input parameters after one with a default value must also have defaults");
        return LG_OK;
    }
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = lg_bind_expr(
        &b, p->defexpr, LG_PLACE_DEFAULT, NULL,
        type >= LG_T_ANY && lg_type_get(type) && lg_type_get(type)->typtype == 'p' ? 0 : type, -1,
        p->name, &e);
    if (st == LG_OK)
        st = lg_ddl_expr_text(u, &b, e, NULL, &m->defaults[m->ndefaults++]);
    lg_bind_fini(&b);
    return st;
}

static char
mode_of(int32_t mode)
{
    return mode == LG_A_FUNC_PARAM_OUT        ? 'o'
           : mode == LG_A_FUNC_PARAM_INOUT    ? 'b'
           : mode == LG_A_FUNC_PARAM_VARIADIC ? 'v'
           : mode == LG_A_FUNC_PARAM_TABLE    ? 't'
                                              : 'i';
}

static lg_status
check_name(lg_util *u, const struct making *m, const char *name, char mode)
{
    for (uint32_t i = 0; name && *name && i < m->nall; i++) {
        bool in = strchr("ibv", mode) != NULL, in2 = strchr("ibv", m->modes[i]) != NULL;
        bool out = strchr("obt", mode) != NULL, out2 = strchr("obt", m->modes[i]) != NULL;
        if (!strcmp(m->names[i], name) && ((in && in2) || (out && out2)))
            return lg_error_set(u->err, "42P13", "parameter name \"%s\" used more than once", name);
    }
    return LG_OK;
}

static lg_status
parameter(lg_util *u, struct making *m, const lg_ast_function_parameter *p)
{
    char mode = mode_of(p->mode);
    lg_oid type;
    LG_TRY(type_of(u, p->arg_type, &type));
    if (p->arg_type->setof)
        return lg_error_set(u->err, "42P13", "%s cannot accept set arguments",
                            m->procedure ? "procedures" : "functions");
    if (m->nall >= 164 || (strchr("ibv", mode) && m->nin >= 100))
        return lg_error_set(u->err, "54023", "functions cannot have more than 100 arguments");
    if (mode == 'v' && !lg_type_elem(type) && type != LG_T_ANYARRAY)
        return lg_error_set(u->err, "42P13", "VARIADIC parameter must be an array");
    if (m->variadic && strchr("ibv", mode))
        return lg_error_set(u->err, "42P13", "VARIADIC parameter must be the last input parameter");
    LG_TRY(check_name(u, m, p->name, mode));
    if (strchr("ibv", mode)) {
        m->in[m->nin++] = type;
        LG_TRY(default_of(u, m, p, type));
    } else if (p->defexpr) {
        return lg_error_set(u->err, "42P13", "only input parameters can have default values");
    }
    if (mode == 'v')
        m->variadic = type == LG_T_ANYARRAY ? LG_T_ANYELEMENT : lg_type_elem(type);
    if (strchr("obt", mode)) {
        if (!m->nout++)
            m->result = type;
        m->table |= mode == 't';
    }
    m->named |= p->name && *p->name;
    m->names[m->nall] = p->name ? p->name : "";
    m->modes[m->nall] = mode;
    m->all[m->nall++] = type;
    return LG_OK;
}

static lg_status
result_type(lg_util *u, const lg_ast_create_function_stmt *s, struct making *m)
{
    lg_oid outs = m->nout > 1 || (m->nout && m->procedure) ? LG_T_RECORD : m->result, given = 0;
    if (m->nout > 64)
        return lg_error_set(u->err, "0A000", "more than 64 OUT parameters are not supported");
    if (s->return_type)
        LG_TRY(type_of(u, s->return_type, &given));
    m->set = s->return_type && s->return_type->setof;
    if (!s->return_type && !m->nout && !m->procedure)
        return lg_error_set(u->err, "42P13", "function result type must be specified");
    if (m->procedure)
        m->result = m->nout ? LG_T_RECORD : LG_T_VOID;
    else if (!m->nout)
        m->result = given;
    else if (given && given != outs)
        return lg_error_set(u->err, "42P13",
                            "function result type must be %s because of OUT parameters",
                            type_text(u, outs));
    else
        m->result = outs;
    for (uint32_t i = 0; i < m->nall; i++)
        if (strchr("obt", m->modes[i]) && lg_usertype_is_domain(m->all[i]))
            return lg_error_set(u->err, "0A000", "OUT parameters of domains are not supported");
    if (m->set && lg_usertype_is_domain(m->result))
        return lg_error_set(u->err, "0A000", "sets of domains are not supported");
    bool poly = false;
    for (uint32_t i = 0; i < m->nin; i++)
        poly |= lg_type_get(m->in[i]) && lg_type_get(m->in[i])->typtype == 'p';
    const lg_type *t = lg_type_get(m->result);
    if (t && t->typtype == 'p' && m->result != LG_T_VOID && m->result != LG_T_RECORD) {
        if (!strncmp(t->name, "any", 3) && poly)
            return LG_OK;
        if (!strncmp(t->name, "any", 3)) {
            lg_error_set(u->err, "42P13", "cannot determine result data type");
            lg_error_detail(u->err,
                            "A result of type %s requires at least one input of type anyelement, "
                            "anyarray, anynonarray, anyenum, anyrange, or anymultirange.",
                            t->name);
            return LG_SQL;
        }
        return lg_error_set(u->err, "42P13", "SQL functions cannot return type %s", t->name);
    }
    return LG_OK;
}

/* ---- options ---- */

static lg_status
set_option(lg_util *u, struct making *m, const lg_ast_variable_set_stmt *v)
{
    size_t len = strlen(v->name ? v->name : "");
    if (v->kind == LG_A_VAR_RESET_ALL) {
        m->nconfig = 0;
        return LG_OK;
    }
    for (uint32_t i = 0; i < m->nconfig; i++)
        if (!strncmp(m->config[i], v->name, len) && m->config[i][len] == '=') {
            m->config[i] = m->config[--m->nconfig];
            break;
        }
    const char *value = NULL;
    if (v->kind == LG_A_VAR_SET_VALUE)
        value = lg_ddl_set_text(u, v);
    else if (v->kind == LG_A_VAR_SET_CURRENT)
        value = u->es->setting ? u->es->setting(u->es->arg, v->name) : NULL;
    if (!value)
        return v->kind == LG_A_VAR_SET_CURRENT
                   ? lg_error_set(u->err, "42704", "unrecognized configuration parameter \"%s\"",
                                  v->name)
                   : LG_OK;
    if (u->es->setting && !strchr(v->name, '.') && !u->es->setting(u->es->arg, v->name))
        return lg_error_set(u->err, "42704", "unrecognized configuration parameter \"%s\"",
                            v->name);
    if (m->nconfig < 32)
        m->config[m->nconfig++] = lg_arena_printf(u->a, "%s=%s", v->name, value);
    return LG_OK;
}

static float
number_of(const lg_ast *n)
{
    if (n && n->tag == LG_AST_INTEGER)
        return (float)lg_ast_as(n, value)->ival;
    return n && lg_ast_str(n) ? strtof(lg_ast_str(n), NULL) : 0;
}

static int
flag_of(const lg_ast *n)
{
    if (n && n->tag == LG_AST_BOOLEAN)
        return lg_ast_as(n, value)->ival != 0;
    if (n && n->tag == LG_AST_INTEGER)
        return lg_ast_as(n, value)->ival != 0;
    return 1;
}

static lg_status
option(lg_util *u, struct making *m, const lg_ast_def_elem *e, const char **ret_language)
{
    const char *name = e->defname, *text = e->arg ? lg_ast_str(e->arg) : NULL;
    if (!strcmp(name, "as")) {
        const lg_ast_list *l = &lg_ast_as(e->arg, list_node)->list;
        if (l->n != 1)
            return lg_error_set(u->err, "42P13", "only one AS item needed for language \"sql\"");
        m->body = lg_ast_list_str(l, 0);
        m->body = m->body ? m->body : "";
        m->body_loc = e->h.loc;
    } else if (!strcmp(name, "language")) {
        *ret_language = text;
    } else if (!strcmp(name, "volatility")) {
        m->volatility = text ? text[0] : 'v';
    } else if (!strcmp(name, "strict")) {
        m->strict = flag_of(e->arg);
    } else if (!strcmp(name, "security")) {
        m->secdef = flag_of(e->arg);
    } else if (!strcmp(name, "leakproof")) {
        m->leakproof = flag_of(e->arg);
    } else if (!strcmp(name, "parallel")) {
        if (!text || (strcasecmp(text, "safe") && strcasecmp(text, "unsafe") &&
                      strcasecmp(text, "restricted")))
            return lg_error_set(u->err, "42601",
                                "parameter \"parallel\" must be SAFE, RESTRICTED, or UNSAFE");
        m->parallel = (char)tolower((unsigned char)text[0]);
    } else if (!strcmp(name, "cost")) {
        m->cost = number_of(e->arg);
        if (m->cost <= 0)
            return lg_error_set(u->err, "22023", "COST must be positive");
    } else if (!strcmp(name, "rows")) {
        m->rows = number_of(e->arg);
        if (m->rows <= 0)
            return lg_error_set(u->err, "22023", "ROWS must be positive");
    } else if (!strcmp(name, "set")) {
        return set_option(u, m, lg_ast_as(e->arg, variable_set_stmt));
    } else {
        return lg_error_set(u->err, "0A000", "option \"%s\" of functions is not supported", name);
    }
    return LG_OK;
}

static lg_status
options(lg_util *u, const lg_ast_list *list, struct making *m, const char **ret_language)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(list->at[i], def_elem);
        for (uint32_t k = 0; k < i && strcmp(e->defname, "set"); k++)
            if (!strcmp(lg_ast_as(list->at[k], def_elem)->defname, e->defname)) {
                lg_error_set(u->err, "42601", "conflicting or redundant options");
                u->err->position = lg_exec_position(u->es, e->h.loc);
                return LG_SQL;
            }
        if (m->procedure && (!strcmp(e->defname, "volatility") || !strcmp(e->defname, "strict") ||
                             !strcmp(e->defname, "leakproof") || !strcmp(e->defname, "cost") ||
                             !strcmp(e->defname, "rows") || !strcmp(e->defname, "parallel"))) {
            lg_error_set(u->err, "42P13", "invalid attribute in procedure definition");
            u->err->position = lg_exec_position(u->es, e->h.loc);
            return LG_SQL;
        }
        LG_TRY(option(u, m, e, ret_language));
    }
    return LG_OK;
}

/* ---- bodies ---- */

/* The function as its own statements see it while it is made. */
static lg_proc *
as_proc(lg_util *u, const struct making *m)
{
    lg_proc *p = LG_NEW(u->a, lg_proc);
    const char **in = LG_NEWN(u->a, const char *, m->nin + 1);
    lg_oid *outs = LG_NEWN(u->a, lg_oid, m->nout + 1);
    uint32_t k = 0, o = 0;
    for (uint32_t i = 0; i < m->nall; i++) {
        if (strchr("ibv", m->modes[i]))
            in[k++] = m->names[i];
        if (strchr("obt", m->modes[i]))
            outs[o++] = m->all[i];
    }
    p->func = (lg_func){.oid = m->oid,
                        .name = m->name,
                        .result = m->result,
                        .args = m->in,
                        .nargs = (uint16_t)m->nin,
                        .kind = m->procedure ? 'p' : 'f',
                        .flags = LG_FUNC_USER};
    if (o > 1 || (o && m->result == LG_T_RECORD)) {
        p->func.n_out = (uint16_t)o;
        p->func.out_types = outs;
    }
    p->schema = "";
    p->in_names = in;
    return p;
}

static bool
polymorphic(const struct making *m)
{
    for (uint32_t i = 0; i < m->nin; i++) {
        const lg_type *t = lg_type_get(m->in[i]);
        if (t && t->typtype == 'p')
            return true;
    }
    return false;
}

/* An error's position in the body becomes one in the statement. */
static void
move_position(lg_util *u, const struct making *m)
{
    const char *sql = u->es->sql, *at = sql ? strstr(sql, m->body) : NULL;
    if (u->err->position <= 0)
        return;
    if (!at) {
        u->err->position = 0;
        return;
    }
    int before = 0;
    for (const char *p = sql; p < at; p++)
        before += (*p & 0xC0) != 0x80;
    u->err->position += before;
}

static lg_status
check_string(lg_util *u, const struct making *m)
{
    lg_proc *p = as_proc(u, m);
    lg_parse_tree *t;
    lg_status st = lg_parse_sql(u->es->run, m->body, u->a, u->err, &t);
    if (st == LG_OK && !t->n && m->result != LG_T_VOID) {
        st = lg_error_set(u->err, "42P13", "return type mismatch in function declared to return %s",
                          type_text(u, m->result));
        lg_error_detail(u->err, "Function's final statement must be SELECT or INSERT/UPDATE/DELETE "
                                "RETURNING.");
    }
    for (uint32_t i = 0; st == LG_OK && i < t->n; i++) {
        const lg_ast *s = t->stmts[i].stmt;
        lg_bind b;
        lg_query *q;
        bool last = i + 1 == t->n;
        if (polymorphic(m))
            continue;
        if (!lg_bind_is_query(s)) {
            if (last && m->result != LG_T_VOID) {
                st = lg_error_set(u->err, "42P13",
                                  "return type mismatch in function declared to return %s",
                                  type_text(u, m->result));
                lg_error_detail(u->err, "Function's final statement must be SELECT or "
                                        "INSERT/UPDATE/DELETE RETURNING.");
            }
            continue;
        }
        lg_exec_bind_init(u->es, u->a, &b);
        b.sql = t->sql;
        b.catalog.relation_mask = NULL; /* whoever calls it must have the privileges */
        b.catalog.proc_usable = NULL;
        lg_bind_function_begin(&b, p, NULL);
        st = lg_bind_function_query(&b, p, m->result, s, last, &q);
        lg_bind_fini(&b);
    }
    if (st != LG_OK)
        move_position(u, m);
    return st;
}

/* The body is checked under the function's own search path. */
static lg_status
check_with_settings(lg_util *u, const struct making *m)
{
    const char *path = NULL, *was = NULL;
    for (uint32_t i = 0; i < m->nconfig; i++)
        if (!strncasecmp(m->config[i], "search_path=", 12))
            path = m->config[i] + 12;
    if (path && u->es->setting && u->es->set_setting) {
        was = u->es->setting(u->es->arg, "search_path");
        was = lg_arena_strdup(u->a, was ? was : "");
        LG_TRY(u->es->set_setting(u->es->arg, "search_path", path, true));
    }
    lg_status st = check_string(u, m);
    if (was && st == LG_OK) /* after an error the transaction takes it back */
        st = u->es->set_setting(u->es->arg, "search_path", was, true);
    return st;
}

/* What stands between BEGIN ATOMIC and its END. */
static const char *
atomic_text(lg_util *u)
{
    const char *sql = u->es->sql ? u->es->sql : "", *p = sql, *from = NULL;
    for (; *p; p++)
        if (!strncasecmp(p, "atomic", 6) && p > sql && isspace((unsigned char)p[-1])) {
            from = p + 6;
            break;
        }
    size_t n = from ? strlen(from) : 0;
    while (n && (isspace((unsigned char)from[n - 1]) || from[n - 1] == ';'))
        n--;
    return n > 3 && !strncasecmp(from + n - 3, "end", 3) ? lg_arena_strndup(u->a, from, n - 3)
                                                         : NULL;
}

/* One statement of a parsed body; *ret NULL: it cannot be printed. */
static lg_status
atomic_stmt(lg_util *u, const struct making *m, const lg_ast *s, bool last, const char **ret)
{
    lg_bind b;
    lg_query *q;
    lg_proc *p = as_proc(u, m);
    bool is_return = s->tag == LG_AST_RETURN_STMT;
    lg_ast_res_target target = {.h.tag = LG_AST_RES_TARGET, .h.loc = -1};
    lg_ast *one = &target.h;
    lg_ast_select_stmt sel = {.h.tag = LG_AST_SELECT_STMT, .op = LG_A_SETOP_NONE};
    if (is_return) {
        target.val = lg_ast_as(s, return_stmt)->returnval;
        sel.target_list = (lg_ast_list){.n = 1, .at = &one};
        s = &sel.h;
    }
    if (!lg_bind_is_query(s)) {
        char name[LG_COMMAND_TAG_MAX];
        return lg_error_set(u->err, "0A000",
                            "%s is not yet supported in unquoted SQL function body",
                            lg_ast_command_tag(s, name));
    }
    lg_exec_bind_init(u->es, u->a, &b);
    lg_bind_function_begin(&b, p, NULL);
    lg_deparse d = {.arena = u->a,
                    .env = u->es->env,
                    .relation_name = lg_ddl_qualified_name,
                    .arg = u,
                    .type_oids = true};
    *ret = NULL;
    const char *text = "";
    lg_status st = lg_bind_function_query(&b, p, m->result, s, last, &q);
    if (st == LG_OK && q->cmd == LG_CMD_SELECT && !q->is_call &&
        lg_deparse_query(&d, q, 0, NULL, &text) == LG_OK) {
        while (isspace((unsigned char)*text))
            text++;
        *ret = is_return ? lg_arena_printf(u->a, "%s%s", RETURN_MARK, text) : text;
    }
    if (st == LG_OK)
        st = lg_ddl_depend_query(u, LG_REL_pg_proc, m->oid, &b, q);
    lg_bind_fini(&b);
    return st;
}

static lg_status
atomic_body(lg_util *u, const lg_ast *body, struct making *m)
{
    const lg_ast_list *list = NULL;
    lg_ast *single = (lg_ast *)(uintptr_t)body;
    lg_ast_list one = {.n = 1, .at = &single};
    const char *all = "";
    bool printable = true;
    if (body->tag == LG_AST_LIST) {
        list = &lg_ast_as(body, list_node)->list;
        static const lg_ast_list empty;
        if (list->n == 1 && !list->at[0]) /* BEGIN ATOMIC END */
            list = &empty;
        else if (list->n == 1 && list->at[0]->tag == LG_AST_LIST)
            list = &lg_ast_as(list->at[0], list_node)->list;
    } else {
        list = &one;
    }
    for (uint32_t i = 0; i < list->n; i++) {
        const char *text = NULL;
        LG_TRY(atomic_stmt(u, m, list->at[i], i + 1 == list->n, &text));
        printable &= text != NULL;
        if (text)
            all = lg_arena_printf(u->a, "%s%s%s", all, i ? ";\n" : "", text);
    }
    m->sqlbody = printable ? all : atomic_text(u);
    if (!m->sqlbody)
        return lg_error_set(u->err, "0A000", "the text of the function's body is not at hand");
    m->body = "";
    return LG_OK;
}

/* ---- rows ---- */

static void
fill_row(lg_util *u, const struct making *m, lg_cat_row *row)
{
    lg_datum list[164], defaults = 0;
    const char *text = "";
    SETC(row, lg_proc, proname, lg_cat_name(u->a, m->name));
    SETC(row, lg_proc, pronamespace, m->nsp);
    SETC(row, lg_proc, prolang, LG_LANG_SQL);
    SETC(row, lg_proc, procost, lg_datum_float4(m->cost > 0 ? m->cost : 100));
    SETC(row, lg_proc, prorows, lg_datum_float4(!m->set ? 0 : m->rows > 0 ? m->rows : 1000));
    SETC(row, lg_proc, provariadic, m->variadic);
    SETC(row, lg_proc, prokind, lg_datum_char(m->procedure ? 'p' : 'f'));
    SETC(row, lg_proc, prosecdef, m->secdef == 1);
    SETC(row, lg_proc, proleakproof, m->leakproof == 1);
    SETC(row, lg_proc, proisstrict, m->strict == 1);
    SETC(row, lg_proc, proretset, m->set);
    SETC(row, lg_proc, provolatile, lg_datum_char(m->volatility ? m->volatility : 'v'));
    SETC(row, lg_proc, proparallel, lg_datum_char(m->parallel ? m->parallel : 'u'));
    SETC(row, lg_proc, pronargs, lg_datum_int2((int16_t)m->nin));
    SETC(row, lg_proc, pronargdefaults, lg_datum_int2((int16_t)m->ndefaults));
    SETC(row, lg_proc, prorettype, m->result);
    SETC(row, lg_proc, proargtypes, lg_array_oidvector(u->a, m->nin, m->in));
    if (m->nall != m->nin || m->nout || m->variadic) {
        for (uint32_t i = 0; i < m->nall; i++)
            list[i] = lg_datum_oid(m->all[i]);
        SETC(row, lg_proc, proallargtypes, lg_array_make(u->a, LG_T_OID, m->nall, list, NULL));
        for (uint32_t i = 0; i < m->nall; i++)
            list[i] = lg_datum_char(m->modes[i]);
        SETC(row, lg_proc, proargmodes, lg_array_make(u->a, LG_T_CHAR, m->nall, list, NULL));
    }
    for (uint32_t i = 0; i < m->nall; i++)
        list[i] = lg_datum_cstring_text(u->a, m->names[i]);
    if (m->named)
        SETC(row, lg_proc, proargnames, lg_array_make(u->a, LG_T_TEXT, m->nall, list, NULL));
    for (uint32_t i = 0; i < m->ndefaults; i++)
        text = lg_arena_printf(u->a, "%s%s%s", text, i ? ", " : "", m->defaults[i]);
    if (m->ndefaults)
        defaults = lg_datum_cstring_text(u->a, text);
    if (defaults)
        SETC(row, lg_proc, proargdefaults, defaults);
    SETC(row, lg_proc, prosrc, lg_datum_cstring_text(u->a, m->body));
    if (m->sqlbody)
        SETC(row, lg_proc, prosqlbody, lg_datum_cstring_text(u->a, m->sqlbody));
    for (uint32_t i = 0; i < m->nconfig; i++)
        list[i] = lg_datum_cstring_text(u->a, m->config[i]);
    if (m->nconfig)
        SETC(row, lg_proc, proconfig, lg_array_make(u->a, LG_T_TEXT, m->nconfig, list, NULL));
    SETC(row, lg_proc, prosignature, lg_datum_cstring_text(u->a, signature_key(u, m->nin, m->in)));
}

/* o: how the statement names it; NULL: by its bare name. */
static lg_status
owner_check(lg_util *u, const lg_proc *p, const lg_ast_object_with_args *o)
{
    bool may = false;
    const char *schema =
        o && o->objname.n > 1 ? lg_ast_list_str(&o->objname, o->objname.n - 2) : NULL;
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat), p->owner, false, &may));
    return may ? LG_OK
               : lg_error_set(u->err, "42501", "must be owner of %s %s%s%s",
                              p->func.kind == 'p' ? "procedure" : "function", schema ? schema : "",
                              schema ? "." : "", p->func.name);
}

static lg_status
find_same(lg_util *u, const struct making *m, lg_cat_row *row)
{
    lg_datum keys[3] = {lg_cat_name(u->a, m->name), lg_datum_oid(m->nsp),
                        lg_datum_cstring_text(u->a, signature_key(u, m->nin, m->in))};
    return lg_cat_find(u->cat, LG_REL_lg_proc, LG_IX_lg_proc_name_nsp_signature_index, 3, keys,
                       u->a, row);
}

static lg_status
drop_hint(lg_util *u, const struct making *m)
{
    lg_error_hint(u->err, "Use DROP %s %s first.", m->procedure ? "PROCEDURE" : "FUNCTION",
                  signature(u, m->name, m->nin, m->in));
    return LG_SQL;
}

static lg_status
may_replace(lg_util *u, const struct making *m, const lg_proc *old)
{
    LG_TRY(owner_check(u, old, NULL));
    if ((old->func.kind == 'p') != m->procedure) {
        lg_error_set(u->err, "42809", "cannot change routine kind");
        lg_error_detail(u->err, "\"%s\" is a %s.", m->name,
                        old->func.kind == 'p' ? "procedure" : "function");
        return LG_SQL;
    }
    if (old->func.result != m->result || lg_func_retset(&old->func) != m->set) {
        lg_error_set(u->err, "42P13",
                     m->procedure ? "cannot change whether a procedure has output parameters"
                                  : "cannot change return type of existing function");
        return drop_hint(u, m);
    }
    bool same = true;
    uint32_t a = 0, b = 0;
    for (; m->result == LG_T_RECORD && same; a++, b++) {
        while (a < m->nall && !strchr("obt", m->modes[a]))
            a++;
        while (b < old->nall && !strchr("obt", old->modes[b]))
            b++;
        if (a >= m->nall || b >= old->nall) {
            same = a >= m->nall && b >= old->nall;
            break;
        }
        same = m->all[a] == old->all_types[b] && !strcmp(m->names[a], old->names[b]);
    }
    if (!same) {
        lg_error_set(u->err, "42P13", "cannot change return type of existing function");
        lg_error_detail(u->err, "Row type defined by OUT parameters is different.");
        return drop_hint(u, m);
    }
    for (uint32_t i = 0, k = 0; i < m->nall; i++) {
        if (!strchr("ibv", m->modes[i]))
            continue;
        const char *was = old->in_names[k++];
        if (*was && strcmp(was, m->names[i]) != 0) {
            lg_error_set(u->err, "42P13", "cannot change name of input parameter \"%s\"", was);
            return drop_hint(u, m);
        }
    }
    if (m->ndefaults < old->func.ndefaults) {
        lg_error_set(u->err, "42P13", "cannot remove parameter defaults from existing function");
        return drop_hint(u, m);
    }
    return LG_OK;
}

static lg_status
depend_on_types(lg_util *u, const struct making *m)
{
    LG_TRY(lg_ddl_type_depend(u, LG_REL_pg_proc, m->oid, 0, m->result));
    for (uint32_t i = 0; i < m->nall; i++)
        LG_TRY(lg_ddl_type_depend(u, LG_REL_pg_proc, m->oid, 0, m->all[i]));
    return LG_OK;
}

static lg_status
store(lg_util *u, struct making *m, bool replace, const lg_ast *sql_body)
{
    lg_cat_row old, row;
    lg_proc *was = NULL;
    lg_status st = find_same(u, m, &old);
    if (st == LG_OK) {
        if (!replace)
            return lg_error_set(u->err, "42723",
                                "function \"%s\" already exists with same argument types", m->name);
        LG_TRY(lg_cat_proc(u->cat, lg_oid_of(GETC(&old, lg_proc, oid)), u->a, &was));
        LG_TRY(may_replace(u, m, was));
        m->oid = was->func.oid;
        LG_TRY(lg_ddl_depend_forget_sub(u, LG_REL_pg_proc, m->oid, 0));
    } else if (st == LG_NOT_FOUND) {
        LG_TRY(lg_cat_new_oid(u->cat, &m->oid));
    } else {
        return st;
    }
    if (sql_body)
        LG_TRY(atomic_body(u, sql_body, m));
    lg_cat_row_init(LG_REL_lg_proc, &row);
    SETC(&row, lg_proc, oid, m->oid);
    SETC(&row, lg_proc, proowner, was ? was->owner : lg_cat_user(u->cat));
    fill_row(u, m, &row);
    lg_datum acl = was ? was->acl : 0;
    if (!was)
        LG_TRY(lg_ddl_default_acl(u, 'f', m->nsp, &acl));
    if (acl)
        SETC(&row, lg_proc, proacl, acl);
    st = was ? lg_cat_update(u->cat, LG_REL_lg_proc, &old, &row)
             : lg_cat_insert(u->cat, LG_REL_lg_proc, &row);
    if (st == LG_EXISTS)
        return lg_error_set(u->err, "42723",
                            "function \"%s\" already exists with same argument types", m->name);
    LG_TRY(st);
    LG_TRY(depend_on_types(u, m));
    return lg_cat_touch(u->cat, 0);
}

lg_status
lg_ddl_create_function(lg_util *u, const lg_ast_create_function_stmt *s)
{
    struct making m = {.procedure = s->is_procedure, .strict = -1, .secdef = -1, .leakproof = -1};
    const char *language = NULL;
    lg_ast_range_var rv = {
        .relname = lg_ast_list_str(&s->funcname, s->funcname.n - 1),
        .schemaname = s->funcname.n > 1 ? lg_ast_list_str(&s->funcname, s->funcname.n - 2) : NULL,
        .h.loc = -1};
    snprintf(u->tag, LG_TAG_MAX, "CREATE %s", m.procedure ? "PROCEDURE" : "FUNCTION");
    LG_TRY(lg_ddl_namespace_for(u, &rv, &m.nsp));
    m.name = lg_arena_strndup(u->a, rv.relname, strnlen(rv.relname, LG_NAME_MAX));
    LG_TRY(options(u, &s->options, &m, &language));
    if (!language && !s->sql_body)
        return lg_error_set(u->err, "42P13", "no language specified");
    if (language && strcasecmp(language, "sql") != 0) {
        if (!strcasecmp(language, "plpgsql") || !strcasecmp(language, "c") ||
            !strcasecmp(language, "internal"))
            return lg_error_set(u->err, "0A000", "functions in language \"%s\" are not supported",
                                language);
        return lg_error_set(u->err, "42704", "language \"%s\" does not exist", language);
    }
    for (uint32_t i = 0; i < s->parameters.n; i++)
        LG_TRY(parameter(u, &m, lg_ast_as(s->parameters.at[i], function_parameter)));
    LG_TRY(result_type(u, s, &m));
    if (m.body && s->sql_body)
        return lg_error_set(u->err, "42P13", "duplicate function body specified");
    if (!m.body && !s->sql_body)
        return lg_error_set(u->err, "42P13", "no function body specified");
    if (m.rows > 0 && !m.set)
        return lg_error_set(u->err, "22023",
                            "ROWS is not applicable when function does not return "
                            "a set");
    const char *check = u->es->setting ? u->es->setting(u->es->arg, "check_function_bodies") : NULL;
    bool given = m.body != NULL;
    LG_TRY(store(u, &m, s->replace, s->sql_body));
    /* After it is there: it may call itself. */
    return given && !(check && !strcmp(check, "off")) ? check_with_settings(u, &m) : LG_OK;
}

/* ---- finding one by name and argument types ---- */

static const char *
kind_text(int32_t type)
{
    return type == LG_A_OBJECT_PROCEDURE ? "procedure"
           : type == LG_A_OBJECT_ROUTINE ? "routine"
                                         : "function";
}

static const char *
written(lg_util *u, const lg_ast_object_with_args *o, const lg_oid *types, uint32_t n)
{
    const char *name = lg_ast_list_str(&o->objname, o->objname.n - 1);
    if (o->objname.n > 1)
        name = lg_arena_printf(u->a, "%s.%s", lg_ast_list_str(&o->objname, o->objname.n - 2), name);
    return signature(u, name, n, types);
}

static bool
kind_fits(int32_t type, const lg_proc *p)
{
    return type == LG_A_OBJECT_ROUTINE || (type == LG_A_OBJECT_PROCEDURE) == (p->func.kind == 'p');
}

/* A procedure may be named with its OUT arguments too. */
static bool
args_fit(const lg_proc *p, const lg_oid *types, uint32_t n)
{
    if (p->func.nargs == n && !memcmp(p->func.args, types, n * sizeof *types))
        return true;
    return p->func.kind == 'p' && p->nall == n && !memcmp(p->all_types, types, n * sizeof *types);
}

lg_status
lg_ddl_function_named(lg_util *u, const lg_ast_object_with_args *o, int32_t type, bool missing_ok,
                      lg_proc **ret)
{
    const char *name = lg_ast_list_str(&o->objname, o->objname.n - 1);
    const char *schema = o->objname.n > 1 ? lg_ast_list_str(&o->objname, o->objname.n - 2) : NULL;
    lg_proc **list;
    uint32_t n = 0, nargs = o->objargs.n, hits = 0;
    lg_oid types[164];
    *ret = NULL;
    for (uint32_t i = 0; !o->args_unspecified && i < nargs && i < 164; i++)
        LG_TRY(type_of(u, lg_ast_as(o->objargs.at[i], type_name), &types[i]));
    lg_status st = lg_cat_procs(u->cat, schema, name, u->a, &list, &n);
    if (st == LG_NOT_FOUND && !missing_ok)
        return lg_error_set(u->err, "3F000", "schema \"%s\" does not exist", schema);
    if (st != LG_NOT_FOUND)
        LG_TRY(st);
    for (uint32_t i = 0; i < n; i++) {
        lg_proc *p = list[i];
        if (!(o->args_unspecified ? kind_fits(type, p) : args_fit(p, types, nargs)))
            continue;
        if (!*ret || p->path < (*ret)->path) {
            *ret = p;
            hits = 1;
        } else if (p->path == (*ret)->path) {
            hits++;
        }
    }
    const char *what = kind_text(type);
    if (hits > 1) {
        lg_error_set(u->err, "42725", "%s name \"%s\" is not unique", what, name);
        lg_error_hint(u->err, "Specify the argument list to select the %s unambiguously.", what);
        return LG_SQL;
    }
    if (*ret && !kind_fits(type, *ret))
        return lg_error_set(u->err, "42809", "%s is not a %s", written(u, o, types, nargs), what);
    if (*ret)
        return LG_OK;
    if (o->args_unspecified && !missing_ok)
        return lg_error_set(u->err, "42883", "could not find a %s named \"%s\"", what, name);
    if (!missing_ok)
        return lg_error_set(u->err, "42883", "%s %s does not exist", what,
                            written(u, o, types, nargs));
    lg_ddl_notice(u, "00000", "%s %s%s does not exist, skipping", what,
                  o->args_unspecified ? name : written(u, o, types, nargs),
                  o->args_unspecified ? "()" : "");
    return LG_OK;
}

/* ---- DROP ---- */

const char *
lg_ddl_function_text(lg_util *u, const lg_proc *p)
{
    return lg_arena_printf(u->a, "%s %s", p->func.kind == 'p' ? "procedure" : "function",
                           signature(u, p->func.name, p->func.nargs, p->func.args));
}

/* pg_catalog comes first in the path, so that a bare name means a built-in function. */
static lg_status
refuse_builtin(lg_util *u, const lg_ast_object_with_args *o)
{
    const char *name = lg_ast_list_str(&o->objname, o->objname.n - 1);
    uint32_t n, nargs = o->objargs.n;
    lg_oid types[164];
    if (o->args_unspecified || nargs > 164 ||
        (o->objname.n > 1 && strcmp(lg_ast_list_str(&o->objname, o->objname.n - 2), "pg_catalog")))
        return LG_OK;
    for (uint32_t i = 0; i < nargs; i++)
        LG_TRY(type_of(u, lg_ast_as(o->objargs.at[i], type_name), &types[i]));
    const lg_func *f = lg_func_by_name(name, &n);
    for (uint32_t i = 0; f && i < n; i++)
        if (f[i].nargs == nargs && !memcmp(f[i].args, types, nargs * sizeof *types))
            return lg_error_set(
                u->err, "2BP01",
                "cannot drop function %s because it is required by the database system",
                signature(u, name, nargs, types));
    return LG_OK;
}

lg_status
lg_ddl_drop_function_find(lg_util *u, const lg_ast_drop_stmt *s, const lg_ast *object, lg_oid *ret)
{
    lg_proc *p;
    const lg_ast_object_with_args *o = lg_ast_as(object, object_with_args);
    *ret = 0;
    LG_TRY(refuse_builtin(u, o));
    LG_TRY(lg_ddl_function_named(u, o, s->remove_type, s->missing_ok, &p));
    if (!p)
        return LG_OK;
    LG_TRY(owner_check(u, p, o));
    *ret = p->func.oid;
    return LG_OK;
}

/* ---- ALTER ---- */

struct change {
    const char *name;
    lg_oid owner, nsp;
    struct making *m;
    lg_datum acl;
};

static lg_status
change_row(lg_util *u, const lg_proc *p, const struct change *k)
{
    lg_cat_row old, row;
    lg_datum key = lg_datum_oid(p->func.oid);
    LG_TRY(lg_cat_find(u->cat, LG_REL_lg_proc, LG_IX_lg_proc_oid_index, 1, &key, u->a, &old));
    row = old;
    if (k->name)
        SETC(&row, lg_proc, proname, lg_cat_name(u->a, k->name));
    if (k->owner)
        SETC(&row, lg_proc, proowner, k->owner);
    if (k->nsp)
        SETC(&row, lg_proc, pronamespace, k->nsp);
    if (k->acl)
        SETC(&row, lg_proc, proacl, k->acl);
    if (k->owner && p->acl)
        SETC(&row, lg_proc, proacl, lg_ddl_acl_new_owner(u, p->acl, p->owner, k->owner));
    const struct making *m = k->m;
    if (m && m->volatility)
        SETC(&row, lg_proc, provolatile, lg_datum_char(m->volatility));
    if (m && m->strict >= 0)
        SETC(&row, lg_proc, proisstrict, m->strict);
    if (m && m->secdef >= 0)
        SETC(&row, lg_proc, prosecdef, m->secdef);
    if (m && m->leakproof >= 0)
        SETC(&row, lg_proc, proleakproof, m->leakproof);
    if (m && m->parallel)
        SETC(&row, lg_proc, proparallel, lg_datum_char(m->parallel));
    if (m && m->cost > 0)
        SETC(&row, lg_proc, procost, lg_datum_float4(m->cost));
    if (m && m->rows > 0)
        SETC(&row, lg_proc, prorows, lg_datum_float4(m->rows));
    if (m) {
        lg_datum list[32];
        for (uint32_t i = 0; i < m->nconfig; i++)
            list[i] = lg_datum_cstring_text(u->a, m->config[i]);
        row.null[LG_AT_lg_proc_proconfig - 1] = 1;
        if (m->nconfig)
            SETC(&row, lg_proc, proconfig, lg_array_make(u->a, LG_T_TEXT, m->nconfig, list, NULL));
    }
    lg_status st = lg_cat_update(u->cat, LG_REL_lg_proc, &old, &row);
    if (st == LG_EXISTS)
        return lg_error_set(
            u->err, "42723", "function %s already exists in schema \"%s\"",
            signature(u, k->name ? k->name : p->func.name, p->func.nargs, p->func.args), p->schema);
    LG_TRY(st);
    return lg_cat_touch(u->cat, 0);
}

lg_status
lg_ddl_function_set_acl(lg_util *u, const lg_proc *p, lg_datum acl)
{
    struct change k = {.acl = acl};
    return change_row(u, p, &k);
}

static void
alter_tag(lg_util *u, int32_t type)
{
    snprintf(u->tag, LG_TAG_MAX, "ALTER %s",
             type == LG_A_OBJECT_PROCEDURE ? "PROCEDURE"
             : type == LG_A_OBJECT_ROUTINE ? "ROUTINE"
                                           : "FUNCTION");
}

lg_status
lg_ddl_alter_function(lg_util *u, const lg_ast_alter_function_stmt *s)
{
    lg_proc *p;
    struct making m = {.strict = -1, .secdef = -1, .leakproof = -1};
    struct change k = {.m = &m};
    const char *language = NULL;
    alter_tag(u, s->objtype);
    LG_TRY(lg_ddl_function_named(u, s->func, s->objtype, false, &p));
    LG_TRY(owner_check(u, p, s->func));
    m.procedure = p->func.kind == 'p';
    for (uint32_t i = 0; i < p->nconfig && i < 32; i++)
        m.config[m.nconfig++] = p->config[i];
    LG_TRY(options(u, &s->actions, &m, &language));
    if (m.rows > 0 && !lg_func_retset(&p->func))
        return lg_error_set(u->err, "22023",
                            "ROWS is not applicable when function does not return "
                            "a set");
    return change_row(u, p, &k);
}

lg_status
lg_ddl_rename_function(lg_util *u, const lg_ast_rename_stmt *s)
{
    lg_proc *p;
    struct change k = {.name = s->newname};
    alter_tag(u, s->rename_type);
    LG_TRY(lg_ddl_function_named(u, lg_ast_as(s->object, object_with_args), s->rename_type, false,
                                 &p));
    LG_TRY(owner_check(u, p, lg_ast_as(s->object, object_with_args)));
    return change_row(u, p, &k);
}

lg_status
lg_ddl_function_owner(lg_util *u, const lg_ast_alter_owner_stmt *s, lg_oid role)
{
    lg_proc *p;
    struct change k = {.owner = role};
    alter_tag(u, s->object_type);
    LG_TRY(lg_ddl_function_named(u, lg_ast_as(s->object, object_with_args), s->object_type, false,
                                 &p));
    LG_TRY(owner_check(u, p, lg_ast_as(s->object, object_with_args)));
    return change_row(u, p, &k);
}

lg_status
lg_ddl_function_schema(lg_util *u, const lg_ast_alter_object_schema_stmt *s)
{
    lg_proc *p;
    struct change k = {0};
    lg_ast_range_var rv = {.relname = "", .schemaname = s->newschema, .h.loc = -1};
    alter_tag(u, s->object_type);
    LG_TRY(lg_ddl_function_named(u, lg_ast_as(s->object, object_with_args), s->object_type, false,
                                 &p));
    LG_TRY(owner_check(u, p, lg_ast_as(s->object, object_with_args)));
    LG_TRY(lg_ddl_namespace_for(u, &rv, &k.nsp));
    return k.nsp == p->nsp ? LG_OK : change_row(u, p, &k);
}
