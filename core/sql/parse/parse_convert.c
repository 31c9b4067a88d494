/* libpg_query's protobuf tree to ours: one conversion function per line of ast.def. */
#include "parse_internal.h"

typedef struct conv {
    lg_arena *a;
    const char **unsupported;
} conv;

/* Where the enums of ast_enum.h could drift from the library's, this would not compile. */
#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)
SAME(LG_A_AEXPR_NOT_BETWEEN_SYM, PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM);
SAME(LG_A_NOT_EXPR, PG_QUERY__BOOL_EXPR_TYPE__NOT_EXPR);
SAME(LG_A_CTE_SUBLINK, PG_QUERY__SUB_LINK_TYPE__CTE_SUBLINK);
SAME(LG_A_SVFOP_CURRENT_SCHEMA, PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_SCHEMA);
SAME(LG_A_JOIN_ANTI, PG_QUERY__JOIN_TYPE__JOIN_ANTI);
SAME(LG_A_SETOP_EXCEPT, PG_QUERY__SET_OPERATION__SETOP_EXCEPT);
SAME(LG_A_OBJECT_VIEW, PG_QUERY__OBJECT_TYPE__OBJECT_VIEW);
SAME(LG_A_AT_DROP_IDENTITY, PG_QUERY__ALTER_TABLE_TYPE__AT_DropIdentity);
SAME(LG_A_CONSTR_ATTR_IMMEDIATE, PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_IMMEDIATE);
SAME(LG_A_TRANS_STMT_ROLLBACK_PREPARED,
     PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_PREPARED);
SAME(LG_A_VAR_RESET_ALL, PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL);
SAME(LG_A_LCS_FORUPDATE, PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORUPDATE);
SAME(LG_A_LOCK_WAIT_ERROR, PG_QUERY__LOCK_WAIT_POLICY__LockWaitError);
SAME(LG_A_ONCONFLICT_UPDATE, PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_UPDATE);
SAME(LG_A_FETCH_RELATIVE, PG_QUERY__FETCH_DIRECTION__FETCH_RELATIVE);

static lg_ast *convert(conv *c, const PgQuery__Node *n);

static lg_ast_list
convert_list(conv *c, size_t n, PgQuery__Node *const *items)
{
    lg_ast_list l = {.n = (uint32_t)n, .at = NULL};
    if (n) {
        l.at = LG_NEWN(c->a, lg_ast *, n);
        for (size_t i = 0; i < n; i++)
            l.at[i] = convert(c, items[i]);
    }
    return l;
}

static const char *
convert_string(conv *c, const char *s)
{
    return s && *s ? lg_arena_strdup(c->a, s) : NULL;
}

#define LG_AST(Message, name, TAG, fields)                                                         \
    static lg_ast_##name *convert_##name(conv *c, const PgQuery__##Message *s);
#include "ast.def"
#undef LG_AST

#define NODE(x)            d->x = convert(c, s->x);
#define LIST(x)            d->x = convert_list(c, s->n_##x, s->x);
#define SUB(x, name, Type) d->x = s->x ? convert_##name(c, s->x) : NULL;
#define STR(x)             d->x = convert_string(c, s->x);
#define INT(x)             d->x = (int32_t)s->x;
#define LONG(x)            d->x = s->x;
#define BOOL(x)            d->x = s->x != 0;
#define ENUM(x)            d->x = (int32_t)s->x;
#define LOC                d->h.loc = s->location;
#define EMPTY              (void)s;
#define LG_AST(Message, name, TAG, fields)                                                         \
    static lg_ast_##name *convert_##name(conv *c, const PgQuery__##Message *s)                     \
    {                                                                                              \
        lg_ast_##name *d = LG_NEW(c->a, lg_ast_##name);                                            \
        d->h.tag = LG_AST_##TAG;                                                                   \
        d->h.loc = -1;                                                                             \
        fields return d;                                                                           \
    }
#include "ast.def"
#undef LG_AST

static lg_ast *
make_value(conv *c, lg_ast_tag tag, int32_t ival, const char *sval, int32_t loc)
{
    lg_ast_value *v = LG_NEW(c->a, lg_ast_value);
    v->h.tag = tag;
    v->h.loc = loc;
    v->ival = ival;
    v->sval = sval ? lg_arena_strdup(c->a, sval) : NULL;
    return &v->h;
}

static lg_ast *
convert_const(conv *c, const PgQuery__AConst *k)
{
    int32_t loc = k->location;
    if (k->isnull)
        return make_value(c, LG_AST_NULL, 0, NULL, loc);
    switch (k->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL:
        return make_value(c, LG_AST_INTEGER, k->ival->ival, NULL, loc);
    case PG_QUERY__A__CONST__VAL_FVAL:
        return make_value(c, LG_AST_FLOAT, 0, k->fval->fval, loc);
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
        return make_value(c, LG_AST_BOOLEAN, k->boolval->boolval, NULL, loc);
    case PG_QUERY__A__CONST__VAL_SVAL:
        return make_value(c, LG_AST_STRING, 0, k->sval->sval, loc);
    case PG_QUERY__A__CONST__VAL_BSVAL:
        return make_value(c, LG_AST_BIT_STRING, 0, k->bsval->bsval, loc);
    default:
        return make_value(c, LG_AST_NULL, 0, NULL, loc);
    }
}

static lg_ast *
convert(conv *c, const PgQuery__Node *n)
{
    if (!n)
        return NULL;
    switch (n->node_case) {
    case PG_QUERY__NODE__NODE__NOT_SET:
        return NULL;
    case PG_QUERY__NODE__NODE_A_CONST:
        return convert_const(c, n->a_const);
    case PG_QUERY__NODE__NODE_INTEGER:
        return make_value(c, LG_AST_INTEGER, n->integer->ival, NULL, -1);
    case PG_QUERY__NODE__NODE_FLOAT:
        return make_value(c, LG_AST_FLOAT, 0, n->float_->fval, -1);
    case PG_QUERY__NODE__NODE_BOOLEAN:
        return make_value(c, LG_AST_BOOLEAN, n->boolean->boolval, NULL, -1);
    case PG_QUERY__NODE__NODE_STRING:
        return make_value(c, LG_AST_STRING, 0, n->string->sval, -1);
    case PG_QUERY__NODE__NODE_BIT_STRING:
        return make_value(c, LG_AST_BIT_STRING, 0, n->bit_string->bsval, -1);
    case PG_QUERY__NODE__NODE_LIST: {
        lg_ast_list_node *l = LG_NEW(c->a, lg_ast_list_node);
        l->h.tag = LG_AST_LIST;
        l->h.loc = -1;
        l->list = convert_list(c, n->list->n_items, n->list->items);
        return &l->h;
    }
#define LG_AST(Message, name, TAG, fields)                                                         \
    case PG_QUERY__NODE__NODE_##TAG:                                                               \
        return &convert_##name(c, n->name)->h;
#include "ast.def"
#undef LG_AST
    default:
        *c->unsupported = "statement";
        return NULL;
    }
}

lg_ast *
lg_parse__convert(lg_arena *a, const PgQuery__Node *n, const char **unsupported)
{
    conv c = {.a = a, .unsupported = unsupported};
    return convert(&c, n);
}
