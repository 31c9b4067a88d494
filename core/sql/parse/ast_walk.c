/* Walking syntax trees: one case per line of ast.def. */
#include "ast.h"

static bool
walk_list(const lg_ast_list *l, bool (*fn)(const lg_ast *n, void *arg), void *arg)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->at[i] && fn(l->at[i], arg))
            return true;
    return false;
}

#define NODE(x)                                                                                    \
    if (s->x && fn(s->x, arg))                                                                     \
        return true;
#define LIST(x)                                                                                    \
    if (walk_list(&s->x, fn, arg))                                                                 \
        return true;
#define SUB(x, name, Type)                                                                         \
    if (s->x && fn(&s->x->h, arg))                                                                 \
        return true;
#define STR(x)
#define INT(x)
#define LONG(x)
#define BOOL(x)
#define ENUM(x)
#define LOC
#define EMPTY
#define LG_AST(Message, name, TAG, fields)                                                         \
    static bool walk_##name(const lg_ast_##name *s, bool (*fn)(const lg_ast *n, void *arg),        \
                            void *arg)                                                             \
    {                                                                                              \
        (void)s;                                                                                   \
        (void)fn;                                                                                  \
        (void)arg;                                                                                 \
        fields return false;                                                                       \
    }
#include "ast.def"
#undef LG_AST

bool
lg_ast_walk(const lg_ast *n, bool (*fn)(const lg_ast *n, void *arg), void *arg)
{
    switch (n->tag) {
    case LG_AST_LIST:
        return walk_list(&lg_ast_as(n, list_node)->list, fn, arg);
#define LG_AST(Message, name, TAG, fields)                                                         \
    case LG_AST_##TAG:                                                                             \
        return walk_##name(lg_ast_as(n, name), fn, arg);
#include "ast.def"
#undef LG_AST
    default:
        return false;
    }
}
