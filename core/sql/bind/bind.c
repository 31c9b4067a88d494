/* The face of bind: context, errors, relations, type names, stored expressions. */
#include "bind_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
lg_bind_fini(lg_bind *b)
{
    for (uint32_t i = 0; i < b->nrelations; i++)
        lg_relation_unref(b->relations[i].rel);
    b->nrelations = 0;
}

/* ---- errors ---- */

void
lg_bind__position(lg_bind *b, int32_t loc)
{
    if (b->sql && loc >= 0 && !b->err->position)
        b->err->position = lg_parse_position(b->sql, loc);
}

lg_status
lg_bind__error(lg_bind *b, int32_t loc, const char *sqlstate, const char *fmt, ...)
{
    if (b->err->set)
        return LG_SQL;
    va_list ap;
    va_start(ap, fmt);
    char *text = lg_arena_vprintf(b->arena, fmt, ap);
    va_end(ap);
    lg_error_set(b->err, sqlstate, "%s", text);
    lg_bind__position(b, loc);
    return LG_SQL;
}

const char *
lg_bind__type_name(lg_bind *b, lg_oid type)
{
    return lg_type_name(b->env, type, -1, b->arena);
}

const char *
lg_bind__clause_name(lg_clause c)
{
    static const char *const names[] = {
        [LG_CL_NONE] = "this expression",
        [LG_CL_JOIN_ON] = "JOIN/ON",
        [LG_CL_JOIN_USING] = "JOIN/USING",
        [LG_CL_FROM_SUBSELECT] = "sub-SELECT in FROM",
        [LG_CL_FROM_FUNCTION] = "function in FROM",
        [LG_CL_WHERE] = "WHERE",
        [LG_CL_HAVING] = "HAVING",
        [LG_CL_FILTER] = "FILTER",
        [LG_CL_TARGET] = "SELECT",
        [LG_CL_INSERT_TARGET] = "INSERT",
        [LG_CL_UPDATE_SOURCE] = "UPDATE",
        [LG_CL_UPDATE_TARGET] = "UPDATE",
        [LG_CL_GROUP_BY] = "GROUP BY",
        [LG_CL_ORDER_BY] = "ORDER BY",
        [LG_CL_DISTINCT_ON] = "DISTINCT ON",
        [LG_CL_LIMIT] = "LIMIT",
        [LG_CL_OFFSET] = "OFFSET",
        [LG_CL_RETURNING] = "RETURNING",
        [LG_CL_VALUES] = "VALUES",
        [LG_CL_VALUES_SINGLE] = "VALUES",
        [LG_CL_CHECK] = "check constraints",
        [LG_CL_DEFAULT] = "DEFAULT expressions",
        [LG_CL_INDEX] = "index expressions",
        [LG_CL_PREDICATE] = "index predicates",
        [LG_CL_GENERATED] = "column generation expressions",
        [LG_CL_USING] = "transform expressions",
        [LG_CL_EXECUTE] = "EXECUTE parameters",
        [LG_CL_COPY_WHERE] = "COPY FROM WHERE conditions",
        [LG_CL_WINDOW_PARTITION] = "window PARTITION BY",
        [LG_CL_WINDOW_ORDER] = "window ORDER BY",
        [LG_CL_FRAME_RANGE] = "window RANGE",
        [LG_CL_FRAME_ROWS] = "window ROWS",
        [LG_CL_FRAME_GROUPS] = "window GROUPS",
    };
    return names[c];
}

lg_status
lg_bind__stack_check(lg_bind *b)
{
    const char *here = (const char *)__builtin_frame_address(0);
    if (!b->stack_base)
        b->stack_base = here;
    size_t used =
        here < b->stack_base ? (size_t)(b->stack_base - here) : (size_t)(here - b->stack_base);
    if (used <= (b->stack_bytes ? b->stack_bytes : 512 * 1024))
        return LG_OK;
    lg_error_set(b->err, "54001", "stack depth limit exceeded");
    lg_error_hint(b->err,
                  "Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), "
                  "after ensuring the platform's stack depth limit is adequate.");
    return LG_SQL;
}

/* ---- relations ---- */

lg_status
lg_bind__keep(lg_bind *b, lg_relation *rel, lg_lockmode lock)
{
    for (uint32_t i = 0; i < b->nrelations; i++)
        if (b->relations[i].rel == rel) {
            if (lock > b->relations[i].lock)
                b->relations[i].lock = lock;
            b->relations[i].below_view &= b->view_depth > 0;
            lg_relation_unref(rel);
            return LG_OK;
        }
    if (b->nrelations == b->relations_cap) {
        uint32_t cap = b->relations_cap ? 2 * b->relations_cap : 4;
        lg_bind_relation *r = LG_NEWN(b->arena, lg_bind_relation, cap);
        if (b->nrelations)
            memcpy(r, b->relations, b->nrelations * sizeof *r);
        b->relations = r;
        b->relations_cap = cap;
    }
    b->relations[b->nrelations++] = (lg_bind_relation){rel, lock, b->view_depth > 0};
    return LG_OK;
}

static lg_status
from_below(lg_bind *b, lg_status st)
{
    lg_error_from_status(b->err, st);
    return st;
}

/* Looks up, locks, and looks again when it changed meanwhile. */
lg_status
lg_bind__open(lg_bind *b, const lg_ast_range_var *rv, lg_lockmode lock, lg_relation **ret_rel)
{
    lg_bind_catalog *c = &b->catalog;
    if (rv->catalogname && c->database && strcmp(rv->catalogname, c->database) != 0)
        return lg_bind__error(b, rv->h.loc, "0A000",
                              "cross-database references are not implemented: \"%s.%s.%s\"",
                              rv->catalogname, rv->schemaname, rv->relname);
    if (rv->schemaname && c->schema_usable && !b->check_as) {
        bool usable = true;
        LG_TRY(c->schema_usable(c->arg, rv->schemaname, &usable));
        if (!usable)
            return lg_bind__error(b, rv->h.loc, "42501", "permission denied for schema %s",
                                  rv->schemaname);
    }
    for (;;) {
        lg_relation *rel;
        lg_status st = c->relation_by_name(c->arg, rv->schemaname, rv->relname, &rel);
        if (st == LG_NOT_FOUND) {
            if (rv->schemaname)
                return lg_bind__error(b, rv->h.loc, "42P01", "relation \"%s.%s\" does not exist",
                                      rv->schemaname, rv->relname);
            return lg_bind__error(b, rv->h.loc, "42P01", "relation \"%s\" does not exist",
                                  rv->relname);
        }
        if (st != LG_OK)
            return from_below(b, st);
        if (!b->no_lock && lock != LG_LOCK_NONE && rel->kind != LG_REL_INDEX) {
            st = c->lock(c->arg, rel->oid, lock, false);
            if (st != LG_OK) {
                lg_relation_unref(rel);
                return from_below(b, st);
            }
            if (rel->stale) {
                lg_relation_unref(rel);
                continue;
            }
        }
        LG_TRY(lg_bind__keep(b, rel, lock));
        *ret_rel = rel;
        return LG_OK;
    }
}

/* ---- type names ---- */

static lg_status
const_typmod(lg_bind *b, const lg_ast_type_name *t, int32_t *ret, uint32_t max)
{
    if (t->typmods.n > max)
        return lg_bind__error(b, t->h.loc, "22023", "invalid type modifier");
    for (uint32_t i = 0; i < t->typmods.n; i++) {
        const lg_ast *m = t->typmods.at[i];
        if (m->tag != LG_AST_INTEGER)
            return lg_bind__error(b, t->h.loc, "42601",
                                  "type modifiers must be simple constants or identifiers");
        ret[i] = lg_ast_as(m, value)->ival;
    }
    return LG_OK;
}

static lg_status
char_typmod(lg_bind *b, const lg_ast_type_name *t, const char *name, int32_t n, int32_t *ret)
{
    if (n < 1)
        return lg_bind__error(b, t->h.loc, "22023", "length for type %s must be at least 1", name);
    if (n > 10485760)
        return lg_bind__error(b, t->h.loc, "22023", "length for type %s cannot exceed %d", name,
                              10485760);
    *ret = n + 4;
    return LG_OK;
}

static lg_status
numeric_typmod(lg_bind *b, const lg_ast_type_name *t, const int32_t *m, int32_t *ret)
{
    int32_t scale = t->typmods.n > 1 ? m[1] : 0;
    if (m[0] < 1 || m[0] > 1000)
        return lg_bind__error(b, t->h.loc, "22023",
                              "NUMERIC precision %d must be between 1 and 1000", m[0]);
    if (scale < -1000 || scale > 1000)
        return lg_bind__error(b, t->h.loc, "22023",
                              "NUMERIC scale %d must be between -1000 and 1000", scale);
    *ret = ((m[0] << 16) | (scale & 0x7ff)) + 4;
    return LG_OK;
}

/* interval's typmod: {range 16, precision 16}; full range 0x7FFF, full precision 0xFFFF. */
static lg_status
typmod_of(lg_bind *b, const lg_ast_type_name *t, lg_oid type, int32_t *ret)
{
    int32_t m[2] = {-1, -1};
    *ret = -1;
    if (!t->typmods.n)
        return LG_OK;
    LG_TRY(const_typmod(b, t, m, 2));
    switch (type) {
    case LG_T_VARCHAR:
        return char_typmod(b, t, "varchar", m[0], ret);
    case LG_T_BPCHAR:
        return char_typmod(b, t, "char", m[0], ret);
    case LG_T_BIT:
    case LG_T_VARBIT:
        if (m[0] < 1 || m[0] > 83886080)
            return lg_bind__error(b, t->h.loc, "22023", "length for type %s %s",
                                  type == LG_T_BIT ? "bit" : "varbit",
                                  m[0] < 1 ? "must be at least 1" : "cannot exceed 83886080");
        *ret = m[0];
        return LG_OK;
    case LG_T_NUMERIC:
        return numeric_typmod(b, t, m, ret);
    case LG_T_TIME:
    case LG_T_TIMETZ:
    case LG_T_TIMESTAMP:
    case LG_T_TIMESTAMPTZ:
        if (m[0] < 0)
            return lg_bind__error(b, t->h.loc, "22023", "%s precision must not be negative",
                                  lg_bind__type_name(b, type));
        *ret = m[0] > 6 ? 6 : m[0];
        return LG_OK;
    case LG_T_INTERVAL:
        if (t->typmods.n == 1)
            *ret = m[0] == 0x7FFF ? -1 : (int32_t)(((uint32_t)m[0] << 16) | 0xFFFF);
        else
            *ret = (int32_t)(((uint32_t)m[0] << 16) | (uint32_t)(m[1] > 6 ? 6 : m[1]));
        return LG_OK;
    default:
        return lg_bind__error(b, t->h.loc, "42601", "type modifier is not allowed for type \"%s\"",
                              lg_bind__type_name(b, type));
    }
}

static const char *
type_text(lg_bind *b, const lg_ast_type_name *t)
{
    const char *name = lg_ast_list_str(&t->names, t->names.n - 1);
    const char *s =
        t->names.n > 1
            ? lg_arena_printf(b->arena, "%s.%s", lg_ast_list_str(&t->names, t->names.n - 2), name)
            : name;
    return t->array_bounds.n ? lg_arena_printf(b->arena, "%s[]", s) : s;
}

static int
serial_size(const lg_ast_type_name *t)
{
    static const struct {
        const char *name;
        int size;
    } serials[] = {{"serial", 4},  {"serial4", 4},     {"bigserial", 8},
                   {"serial8", 8}, {"smallserial", 2}, {"serial2", 2}};
    const char *name = lg_ast_list_str(&t->names, 0);
    for (size_t i = 0; t->names.n == 1 && i < sizeof serials / sizeof *serials; i++)
        if (!strcmp(name, serials[i].name))
            return serials[i].size;
    return 0;
}

lg_status
lg_bind_type_name(lg_bind *b, const lg_ast_type_name *t, lg_oid *ret_type, int32_t *ret_typmod,
                  int *ret_serial)
{
    lg_bind_catalog *c = &b->catalog;
    *ret_type = 0;
    *ret_typmod = -1;
    if (ret_serial)
        *ret_serial = serial_size(t);
    if (ret_serial && *ret_serial) {
        *ret_type = *ret_serial == 8 ? LG_T_INT8 : *ret_serial == 4 ? LG_T_INT4 : LG_T_INT2;
        return LG_OK;
    }
    if (t->pct_type)
        return lg_bind__error(b, t->h.loc, "0A000", "%%TYPE references are not supported");
    const char *name = lg_ast_list_str(&t->names, t->names.n - 1);
    const char *schema = t->names.n > 1 ? lg_ast_list_str(&t->names, t->names.n - 2) : NULL;
    lg_oid type = 0;
    const lg_type *known = !schema ? lg_type_by_name(name) : NULL;
    if (schema && !strcmp(schema, "pg_catalog"))
        known = lg_type_by_name(name);
    if (known) {
        type = known->oid;
    } else {
        lg_status st =
            c->type_by_name ? c->type_by_name(c->arg, schema, name, &type) : LG_NOT_FOUND;
        if (st == LG_NOT_FOUND)
            return lg_bind__error(b, t->h.loc, "42704", "type \"%s\" does not exist",
                                  type_text(b, t));
        if (st != LG_OK)
            return from_below(b, st);
    }
    LG_TRY(typmod_of(b, t, type, ret_typmod));
    if (t->array_bounds.n) {
        type = lg_bind__array_of(type);
        if (!type)
            return lg_bind__error(b, t->h.loc, "42704", "type \"%s\" does not exist",
                                  type_text(b, t));
    }
    *ret_type = type;
    return LG_OK;
}

/* ---- queries ---- */

bool
lg_bind_is_query(const lg_ast *s)
{
    if (s->tag == LG_AST_SELECT_STMT) {
        const lg_ast_select_stmt *left = lg_ast_as(s, select_stmt);
        while (left->larg)
            left = left->larg;
        return !left->into_clause; /* that makes a table */
    }
    return s->tag == LG_AST_INSERT_STMT || s->tag == LG_AST_UPDATE_STMT ||
           s->tag == LG_AST_DELETE_STMT || s->tag == LG_AST_CALL_STMT;
}

lg_status
lg_bind__query(lg_bind *b, lg_level *parent, const lg_ast *stmt, const lg_ast_list *locking,
               bool resolve_unknowns, lg_query **ret_query)
{
    LG_TRY(lg_bind__stack_check(b));
    lg_level *l = lg_bind__level_new(b, parent, LG_CMD_SELECT);
    l->locking = locking;
    l->resolve_unknowns = resolve_unknowns;
    switch (stmt->tag) {
    case LG_AST_SELECT_STMT:
        if (lg_ast_as(stmt, select_stmt)->into_clause)
            return lg_bind__error(b, -1, "42601", "SELECT ... INTO is not allowed here");
        LG_TRY(lg_bind__select(l, lg_ast_as(stmt, select_stmt)));
        break;
    case LG_AST_INSERT_STMT:
        l->q->cmd = LG_CMD_INSERT;
        LG_TRY(lg_bind__insert(l, lg_ast_as(stmt, insert_stmt)));
        break;
    case LG_AST_UPDATE_STMT:
        l->q->cmd = LG_CMD_UPDATE;
        LG_TRY(lg_bind__update(l, lg_ast_as(stmt, update_stmt)));
        break;
    case LG_AST_DELETE_STMT:
        l->q->cmd = LG_CMD_DELETE;
        LG_TRY(lg_bind__delete(l, lg_ast_as(stmt, delete_stmt)));
        break;
    case LG_AST_CALL_STMT:
        LG_TRY(lg_bind__call_stmt(l, lg_ast_as(stmt, call_stmt)));
        break;
    case LG_AST_MERGE_STMT:
        return lg_bind__error(b, -1, "0A000", "MERGE is not supported");
    default: {
        char tag[LG_COMMAND_TAG_MAX];
        return lg_bind__error(b, -1, "0A000", "%s is not a query", lg_ast_command_tag(stmt, tag));
    }
    }
    *ret_query = l->q;
    return LG_OK;
}

/* Parameters whose type nothing told. */
static lg_status
check_params(lg_bind *b)
{
    for (uint32_t i = 0; b->infer_params && i < b->nparams; i++)
        if (b->params[i] == LG_T_UNKNOWN || !b->params[i])
            return lg_bind__error(b, -1, "42P18", "could not determine data type of parameter $%u",
                                  i + 1);
    return LG_OK;
}

lg_status
lg_bind_query(lg_bind *b, const lg_ast *stmt, lg_query **ret_query)
{
    b->stack_base = (const char *)__builtin_frame_address(0);
    if (b->nparams && b->params_cap < b->nparams) {
        b->params = lg_arena_dup(b->arena, b->params, b->nparams * sizeof(lg_oid));
        b->params_cap = b->nparams;
    }
    LG_TRY(lg_bind__query(b, NULL, stmt, NULL, true, ret_query));
    lg_bind__default_collation(b, *ret_query, NULL);
    LG_TRY(lg_bind__check_privileges(b, *ret_query));
    return check_params(b);
}

static void
put_outcol(lg_outcol *c, const lg_target *t)
{
    *c = (lg_outcol){.name = t->name,
                     .type = t->expr->type,
                     .typmod = t->expr->typmod,
                     .collation = t->expr->collation,
                     .table = t->table,
                     .attnum = t->table_attnum};
}

uint32_t
lg_query_outcols(const lg_query *q, lg_arena *a, lg_outcol **ret_cols)
{
    const lg_target *t = q->cmd == LG_CMD_SELECT ? q->targets : q->returning;
    uint32_t n = q->cmd == LG_CMD_SELECT ? q->ntargets : q->nreturning, k = 0;
    *ret_cols = LG_NEWN(a, lg_outcol, n + 1);
    if (q->is_call && !q->from)
        return 0;
    for (uint32_t i = 0; i < n; i++)
        if (!t[i].junk)
            put_outcol(&(*ret_cols)[k++], &t[i]);
    return k;
}

/* ---- stored expressions ---- */

static lg_clause
clause_of(lg_bind_place p)
{
    switch (p) {
    case LG_PLACE_DEFAULT:
        return LG_CL_DEFAULT;
    case LG_PLACE_CHECK:
        return LG_CL_CHECK;
    case LG_PLACE_INDEX:
        return LG_CL_INDEX;
    case LG_PLACE_PREDICATE:
        return LG_CL_PREDICATE;
    case LG_PLACE_GENERATED:
        return LG_CL_GENERATED;
    case LG_PLACE_USING:
        return LG_CL_USING;
    case LG_PLACE_WHERE:
        return LG_CL_COPY_WHERE;
    case LG_PLACE_EXECUTE:
        return LG_CL_EXECUTE;
    }
    return LG_CL_NONE;
}

static lg_status
check_immutable(lg_bind *b, lg_bind_place p, const lg_expr *e)
{
    if (p != LG_PLACE_INDEX && p != LG_PLACE_PREDICATE && p != LG_PLACE_GENERATED)
        return LG_OK;
    if (lg_expr_volatility(e) == 'i')
        return LG_OK;
    if (p == LG_PLACE_GENERATED)
        return lg_bind__error(b, -1, "42P17", "generation expression is not immutable");
    return lg_bind__error(b, -1, "42P17", "functions in index %s must be marked IMMUTABLE",
                          p == LG_PLACE_INDEX ? "expression" : "predicate");
}

static lg_status
coerce_stored(lg_bind *b, lg_expr *e, lg_oid type, int32_t typmod, const char *column,
              lg_expr **ret)
{
    lg_oid from = e->type;
    LG_TRY(lg_bind__coerce_to(b, e, type, typmod, LG_COERCE_ASSIGNMENT, LG_FORM_IMPLICIT, e->loc,
                              ret));
    if (*ret)
        return LG_OK;
    lg_bind__error(b, -1, "42804",
                   "column \"%s\" is of type %s but default expression is of type %s",
                   column ? column : "?", lg_bind__type_name(b, type), lg_bind__type_name(b, from));
    lg_error_hint(b->err, "You will need to rewrite or cast the expression.");
    return LG_SQL;
}

lg_status
lg_bind_expr(lg_bind *b, const lg_ast *expr, lg_bind_place place, lg_relation *rel, lg_oid type,
             int32_t typmod, const char *column, lg_expr **ret_expr)
{
    if (!b->stack_base)
        b->stack_base = (const char *)__builtin_frame_address(0);
    lg_level *l = lg_bind__level_new(b, NULL, LG_CMD_SELECT);
    l->clause = clause_of(place);
    if (rel) {
        lg_rte *rte = lg_bind__relation_rte(b, rel, NULL, LG_LOCK_NONE);
        lg_bind__add_rte(l, rte);
        lg_nsitem it = lg_bind__nsitem(l, 0);
        lg_bind__ns_push(l, &it);
    }
    lg_expr *e;
    LG_TRY(lg_bind__expr(l, expr, &e));
    if (place == LG_PLACE_DEFAULT && lg_expr_has_kind(e, LG_EX_VAR))
        return lg_bind__error(b, lg_bind__loc(expr), "0A000",
                              "cannot use column reference in DEFAULT expression");
    if (place == LG_PLACE_CHECK || place == LG_PLACE_PREDICATE || place == LG_PLACE_WHERE)
        LG_TRY(lg_bind__bool_operand(l, e,
                                     place == LG_PLACE_CHECK   ? "CHECK"
                                     : place == LG_PLACE_WHERE ? "WHERE"
                                                               : "WHERE",
                                     &e));
    else if (type)
        LG_TRY(coerce_stored(b, e, type, typmod, column, &e));
    else
        LG_TRY(lg_bind__resolve_unknown(b, &e));
    LG_TRY(check_immutable(b, place, e));
    lg_bind__default_collation(b, NULL, e);
    *ret_expr = e;
    return LG_OK;
}

lg_status
lg_bind_expr_text(lg_bind *b, const char *text, lg_bind_place place, lg_relation *rel, lg_oid type,
                  int32_t typmod, lg_expr **ret_expr)
{
    lg_ast *ast;
    LG_TRY(lg_parse_expr(b->run, text, b->arena, b->err, &ast));
    const char *sql = b->sql;
    b->sql = NULL;
    lg_status st = lg_bind_expr(b, ast, place, rel, type, typmod, NULL, ret_expr);
    b->sql = sql;
    return st;
}

/* nextval('seq') of an identity column: a call with the sequence's OID. */
static lg_status
identity_default(lg_bind *b, const lg_column *col, lg_expr **ret)
{
    uint32_t n;
    const lg_func *f = lg_func_by_name("nextval", &n);
    if (!f || !n)
        return lg_bind__error(b, -1, "0A000", "nextval is not implemented");
    lg_expr *seq = lg_expr_const(b->arena, LG_T_REGCLASS, lg_datum_oid(col->identity_seq), false);
    lg_expr *e = lg_expr_call(b->arena, f, NULL, 1, &seq);
    LG_TRY(lg_bind__coerce_to(b, e, col->type, col->typmod, LG_COERCE_ASSIGNMENT, LG_FORM_IMPLICIT,
                              -1, ret));
    return *ret ? LG_OK : LG_INTERNAL;
}

/* The domain's default, or NULL, which the domain may not allow. */
static lg_status
domain_default(lg_bind *b, const lg_column *col, lg_expr **ret)
{
    if (lg_usertype_of(col->domain) == LG_UT_DOMAIN) {
        const lg_domain_type *d;
        LG_TRY(lg_usertype_domain(b->env, col->domain, b->arena, b->err, &d));
        if (d->default_sql)
            return lg_bind_expr_text(b, d->default_sql, LG_PLACE_DEFAULT, NULL, col->domain, -1,
                                     ret);
    }
    lg_expr *e = lg_expr_const(b->arena, col->type, 0, true);
    return lg_bind__coerce(b, e, col->domain, -1, LG_COERCE_IMPLICIT, LG_FORM_IMPLICIT, -1, ret);
}

lg_status
lg_bind_column_default(lg_bind *b, lg_relation *rel, const lg_column *col, lg_expr **ret_expr)
{
    (void)rel;
    if (!col->dropped && col->identity && col->identity_seq)
        return identity_default(b, col, ret_expr);
    if (!col->dropped && col->domain && !col->default_sql && !col->generated)
        return domain_default(b, col, ret_expr);
    if (col->dropped || !col->default_sql || col->generated) {
        *ret_expr = lg_expr_const(b->arena, col->dropped ? LG_T_INT4 : col->type, 0, true);
        (*ret_expr)->typmod = col->dropped ? -1 : col->typmod;
        return LG_OK;
    }
    return lg_bind_expr_text(b, col->default_sql, LG_PLACE_DEFAULT, NULL, lg_column_declared(col),
                             col->typmod, ret_expr);
}
