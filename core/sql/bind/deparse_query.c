/* Whole queries back to SQL, laid out as PostgreSQL's ruleutils.c does it for pg_get_viewdef:
 * clauses on lines of their own, indented by the depth of the query. Entries of the range table
 * get names that are unique down the nesting, so that what is printed binds to the same. */
#include "deparse_internal.h"
#include <string.h>

#define STEP      8
#define STEP_JOIN 4
#define STEP_VAR  4

/* What a query's result columns are called from outside. */
typedef struct result_names {
    uint32_t n;
    const char *const *at; /* NULL: as its own targets say */
    bool visible;          /* somebody may refer to them: every name is shown */
} result_names;

static const result_names own_names = {.visible = true}, hidden_names = {.visible = false};

static void put_query(lg_dout *o, const lg_query *q, const result_names *names);

static void
puts_(lg_dout *o, const char *s)
{
    lg_strbuf_puts(&o->b, s);
}

static const char *
ident(const lg_dout *o, const char *name)
{
    return lg_quote_ident(o->d->arena, name);
}

/* A new line, indented, then the keyword. */
static void
keyword(lg_dout *o, const char *text, int before, int after, int plus)
{
    o->indent += before;
    while (o->b.len && o->b.data[o->b.len - 1] == ' ')
        o->b.len--;
    lg_strbuf_putc(&o->b, '\n');
    for (int i = 0; i < (o->indent > 0 ? o->indent : 0) + plus; i++)
        lg_strbuf_putc(&o->b, ' ');
    puts_(o, text);
    o->indent += after;
    if (o->indent < 0)
        o->indent = 0;
}

/* ---- names ---- */

static bool
taken(const lg_dlevel *l, uint32_t upto, const char *name)
{
    for (uint32_t i = 0; i < upto; i++)
        if (l->names[i] && !strcmp(l->names[i], name))
            return true;
    for (l = l->up; l; l = l->up)
        for (uint32_t i = 0; i < l->q->nrtes; i++)
            if (l->names[i] && !strcmp(l->names[i], name))
                return true;
    return false;
}

static void
name_entries(lg_dout *o, lg_dlevel *l)
{
    lg_arena *a = o->d->arena;
    l->names = LG_NEWN(a, const char *, l->q->nrtes + 1);
    for (uint32_t i = 0; i < l->q->nrtes; i++) {
        const char *name = l->q->rtes[i]->alias;
        if (!name)
            continue;
        const char *unique = name;
        for (uint32_t n = 1; taken(l, i, unique); n++)
            unique = lg_arena_printf(a, "%s_%u", name, n);
        l->names[i] = unique;
    }
}

void
lg_deparse__var(lg_dout *o, const lg_expr *e)
{
    static const char *const system[] = {"", "ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"};
    const lg_dlevel *l = o->level;
    for (uint32_t i = 0; i < e->var.up && l; i++)
        l = l->up;
    if (!l || e->var.rte >= l->q->nrtes) {
        puts_(o, "?");
        return;
    }
    const lg_rte *r = l->q->rtes[e->var.rte];
    if (l->names[e->var.rte])
        lg_strbuf_printf(&o->b, "%s.", ident(o, l->names[e->var.rte]));
    const char *col = e->var.attno < 0 ? system[-e->var.attno]
                      : (uint32_t)e->var.attno <= r->ncols && r->cols[e->var.attno - 1].name
                          ? r->cols[e->var.attno - 1].name
                          : "?";
    puts_(o, ident(o, col));
}

const char *
lg_deparse__whole_row(const lg_dout *o, const lg_expr *e)
{
    const lg_dlevel *l = o->level;
    if (e->kind == LG_EX_CASE && e->form == LG_FORM_IMPLICIT)
        e = e->args[e->nargs - 1];
    if (e->kind != LG_EX_ROW || !e->nargs || e->args[0]->kind != LG_EX_VAR)
        return NULL;
    uint32_t rte = e->args[0]->var.rte, up = e->args[0]->var.up, k = 0;
    for (uint32_t i = 0; i < up && l; i++)
        l = l->up;
    if (!l || rte >= l->q->nrtes || !l->names[rte])
        return NULL;
    const lg_rte *r = l->q->rtes[rte];
    const lg_relation *rel = r->kind == LG_RTE_RELATION   ? r->rel
                             : r->kind == LG_RTE_SUBQUERY ? r->view
                                                          : NULL;
    if (!rel || e->type != lg_usertype_oid(LG_UT_ROW, rel->oid))
        return NULL;
    for (uint32_t i = 0; i < r->ncols; i++) {
        if (!r->cols[i].name)
            continue;
        const lg_expr *x = k < e->nargs ? e->args[k++] : NULL;
        if (!x || x->kind != LG_EX_VAR || x->var.rte != rte || x->var.up != up ||
            x->var.attno != (int16_t)(i + 1))
            return NULL;
    }
    return k == e->nargs ? l->names[rte] : NULL;
}

/* ---- sort items ---- */

static const lg_expr *
item_expr(const lg_query *q, const lg_sort_item *it, uint32_t *ret_number)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < q->ntargets; i++) {
        n += !q->targets[i].junk;
        if (q->targets[i].ref == it->ref) {
            *ret_number = n;
            return q->targets[i].expr;
        }
    }
    return NULL;
}

/* What looks like a call stands in parentheses. */
void
lg_deparse__sort_expr(lg_dout *o, const lg_expr *e)
{
    bool call =
        (e->kind == LG_EX_FUNC && !e->func.op) || e->kind == LG_EX_AGG || e->kind == LG_EX_WINDOW;
    if (o->d->pretty)
        call = e->kind != LG_EX_VAR && e->kind != LG_EX_CONST;
    if (call)
        lg_strbuf_putc(&o->b, '(');
    lg_deparse__arg(o, e);
    if (call)
        lg_strbuf_putc(&o->b, ')');
}

static void
put_item(lg_dout *o, const lg_query *q, const lg_sort_item *it)
{
    uint32_t number;
    const lg_expr *e = item_expr(q, it, &number);
    if (!e)
        return;
    if (q->setop) {
        lg_strbuf_printf(&o->b, "%u", number);
        return;
    }
    lg_deparse__sort_expr(o, e);
}

static void
put_order(lg_dout *o, const lg_query *q, const lg_sort_item *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            puts_(o, ", ");
        put_item(o, q, &items[i]);
        if (items[i].desc)
            puts_(o, " DESC");
        if (items[i].nulls_first != items[i].desc)
            puts_(o, items[i].nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
}

static void
put_items(lg_dout *o, const lg_query *q, const lg_sort_item *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            puts_(o, ", ");
        put_item(o, q, &items[i]);
    }
}

/* ---- windows ---- */

static void
put_bound(lg_dout *o, int32_t frame, int32_t unbounded, int32_t current, int32_t preceding,
          const lg_expr *offset, const char *far)
{
    if (frame & unbounded) {
        lg_strbuf_printf(&o->b, "UNBOUNDED %s ", far);
    } else if (frame & current) {
        puts_(o, "CURRENT ROW ");
    } else if (offset) {
        lg_deparse__expr(o, offset);
        puts_(o, frame & preceding ? " PRECEDING " : " FOLLOWING ");
    }
}

static void
put_window(lg_dout *o, const lg_query *q, const lg_window *w)
{
    bool space = false;
    lg_strbuf_putc(&o->b, '(');
    if (w->refname) {
        puts_(o, ident(o, w->refname));
        space = true;
    }
    if (w->npart && !w->refname) {
        puts_(o, space ? " PARTITION BY " : "PARTITION BY ");
        put_items(o, q, w->part, w->npart);
        space = true;
    }
    if (w->norder && !w->copied_order) {
        puts_(o, space ? " ORDER BY " : "ORDER BY ");
        put_order(o, q, w->order, w->norder);
        space = true;
    }
    if (w->frame & LG_FRAME_NONDEFAULT) {
        if (space)
            lg_strbuf_putc(&o->b, ' ');
        puts_(o, w->frame & LG_FRAME_RANGE  ? "RANGE "
                 : w->frame & LG_FRAME_ROWS ? "ROWS "
                                            : "GROUPS ");
        if (w->frame & LG_FRAME_BETWEEN)
            puts_(o, "BETWEEN ");
        put_bound(o, w->frame, LG_FRAME_START_UNBOUNDED, LG_FRAME_START_CURRENT,
                  LG_FRAME_START_PRECEDING, w->start, "PRECEDING");
        if (w->frame & LG_FRAME_BETWEEN) {
            puts_(o, "AND ");
            put_bound(o, w->frame, LG_FRAME_END_UNBOUNDED, LG_FRAME_END_CURRENT,
                      LG_FRAME_END_PRECEDING, w->end, "FOLLOWING");
        }
        if (w->frame & LG_FRAME_EXCLUSION)
            puts_(o, w->frame & LG_FRAME_EXCLUDE_CURRENT ? "EXCLUDE CURRENT ROW "
                     : w->frame & LG_FRAME_EXCLUDE_GROUP ? "EXCLUDE GROUP "
                                                         : "EXCLUDE TIES ");
        o->b.len--;
    }
    lg_strbuf_putc(&o->b, ')');
}

void
lg_deparse__over(lg_dout *o, const lg_expr *e)
{
    puts_(o, " OVER ");
    if (!o->level || e->agg.window >= o->level->q->nwindows) {
        puts_(o, "(?)");
        return;
    }
    const lg_window *w = &o->level->q->windows[e->agg.window];
    if (w->name)
        puts_(o, ident(o, w->name));
    else
        put_window(o, o->level->q, w);
}

/* ---- FROM ---- */

static void
put_values(lg_dout *o, const lg_rte *r)
{
    puts_(o, "VALUES ");
    for (uint32_t i = 0; i < r->nrows; i++) {
        puts_(o, i ? ", (" : "(");
        for (uint32_t c = 0; c < r->ncols; c++) {
            if (c)
                lg_strbuf_putc(&o->b, ',');
            lg_deparse__expr(o, r->rows[i][c]);
        }
        lg_strbuf_putc(&o->b, ')');
    }
}

static void
put_function(lg_dout *o, const lg_rte *r)
{
    if (r->nfuncs != 1)
        puts_(o, "ROWS FROM(");
    for (uint32_t i = 0; i < r->nfuncs; i++) {
        if (i)
            puts_(o, ", ");
        lg_deparse__expr(o, r->funcs[i].expr);
    }
    if (r->nfuncs != 1)
        lg_strbuf_putc(&o->b, ')');
    if (r->ordinality)
        puts_(o, " WITH ORDINALITY");
}

static const char *
own_name(const lg_rte *r, uint32_t col)
{
    if (r->kind == LG_RTE_RELATION)
        return col < r->rel->ncols ? r->rel->cols[col].name : NULL;
    if (r->view)
        return col < r->view->ncols ? r->view->cols[col].name : NULL;
    if (r->kind == LG_RTE_SUBQUERY) {
        uint32_t k = 0;
        for (uint32_t i = 0; i < r->subquery->ntargets; i++)
            if (!r->subquery->targets[i].junk && k++ == col)
                return r->subquery->targets[i].name;
    }
    return NULL;
}

static void
put_column_names(lg_dout *o, const lg_rte *r)
{
    bool renamed = r->kind == LG_RTE_FUNCTION || r->kind == LG_RTE_VALUES;
    if (r->kind == LG_RTE_CTE)
        return;
    for (uint32_t i = 0; i < r->ncols && !renamed; i++) {
        const char *own = own_name(r, i);
        renamed = r->cols[i].name && own && strcmp(own, r->cols[i].name) != 0;
    }
    if (!renamed)
        return;
    const char *sep = "(";
    for (uint32_t i = 0; i < r->ncols; i++)
        if (r->cols[i].name) {
            lg_strbuf_printf(&o->b, "%s%s", sep, ident(o, r->cols[i].name));
            sep = ", ";
        }
    if (sep[0] == ',')
        lg_strbuf_putc(&o->b, ')');
}

static bool
refers_here(const lg_expr *e, void *arg)
{
    return (e->kind == LG_EX_VAR && !e->var.up) || lg_expr_walk(e, refers_here, arg);
}

static bool
needs_lateral(const lg_rte *r)
{
    bool refers = r->lateral && r->kind == LG_RTE_SUBQUERY && !r->view;
    for (uint32_t i = 0; r->kind == LG_RTE_FUNCTION && i < r->nfuncs; i++)
        refers = refers || refers_here(r->funcs[i].expr, NULL);
    return refers;
}

static void
put_entry(lg_dout *o, uint32_t rte)
{
    const lg_query *q = o->level->q;
    const lg_rte *r = q->rtes[rte];
    const char *name = o->level->names[rte], *shown = NULL;
    bool alias = true;
    if (needs_lateral(r))
        puts_(o, "LATERAL ");
    if (r->kind == LG_RTE_RELATION || r->view) {
        const lg_relation *rel = r->view ? r->view : r->rel;
        shown = o->d->relation_name ? o->d->relation_name(o->d->arg, rel->oid) : NULL;
        puts_(o, shown ? shown : ident(o, rel->name));
        alias = strcmp(name, rel->name) != 0;
    } else if (r->kind == LG_RTE_SUBQUERY) {
        lg_strbuf_putc(&o->b, '(');
        put_query(o, r->subquery, &own_names);
        lg_strbuf_putc(&o->b, ')');
    } else if (r->kind == LG_RTE_FUNCTION) {
        put_function(o, r);
    } else if (r->kind == LG_RTE_VALUES) {
        lg_strbuf_putc(&o->b, '(');
        put_values(o, r);
        lg_strbuf_putc(&o->b, ')');
    } else if (r->kind == LG_RTE_CTE) {
        const lg_dlevel *l = o->level;
        for (uint32_t i = 0; i < r->cte_up && l->up; i++)
            l = l->up;
        const char *cte = r->cte < l->q->nctes ? l->q->ctes[r->cte].name : "?";
        puts_(o, ident(o, cte));
        alias = strcmp(name, cte) != 0;
    }
    if (alias && name)
        lg_strbuf_printf(&o->b, " %s", ident(o, name));
    put_column_names(o, r);
}

static void
put_join(lg_dout *o, const lg_from *f)
{
    static const char *const words[] = {[LG_A_JOIN_LEFT] = " LEFT JOIN ",
                                        [LG_A_JOIN_FULL] = " FULL JOIN ",
                                        [LG_A_JOIN_RIGHT] = " RIGHT JOIN "};
    if (!f->is_join) {
        put_entry(o, f->rte);
        return;
    }
    const char *word = f->join_type != LG_A_JOIN_INNER ? words[f->join_type]
                       : f->quals                      ? " JOIN "
                                                       : " CROSS JOIN ";
    bool pretty = o->d->pretty, right = pretty && f->right->is_join;
    puts_(o, pretty ? "" : "(");
    put_join(o, f->left);
    keyword(o, word, -STEP, STEP, STEP_JOIN);
    puts_(o, right ? "(" : "");
    put_join(o, f->right);
    puts_(o, right ? ")" : "");
    if (f->quals) {
        puts_(o, pretty ? " ON " : " ON (");
        lg_deparse__expr(o, f->quals);
        puts_(o, pretty ? "" : ")");
    } else if (f->join_type != LG_A_JOIN_INNER) {
        puts_(o, pretty ? " ON true" : " ON (true)");
    }
    puts_(o, pretty ? "" : ")");
}

/* Items with nothing that joins them are a list. */
static void
put_from_list(lg_dout *o, const lg_from *f, bool *first)
{
    if (f->is_join && f->listed) {
        put_from_list(o, f->left, first);
        put_from_list(o, f->right, first);
        return;
    }
    if (*first)
        keyword(o, " FROM ", -STEP, STEP, 2);
    else {
        puts_(o, ", ");
        keyword(o, "", -STEP, STEP, STEP_VAR);
    }
    *first = false;
    put_join(o, f);
}

/* ---- SELECT ---- */

static void
put_targets(lg_dout *o, const lg_query *q, const result_names *names)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < q->ntargets; i++) {
        const lg_target *t = &q->targets[i];
        if (t->junk)
            continue;
        if (n++)
            puts_(o, ",");
        size_t at = o->b.len;
        if (n > 1) {
            keyword(o, "", -STEP, STEP, STEP_VAR);
        } else {
            lg_strbuf_putc(&o->b, ' ');
        }
        lg_deparse__top(o, t->expr);
        if (o->b.len > at + 1 && o->b.data[at] == '\n' && o->b.data[at + 1] == '\n') {
            /* begins on a line of its own */
            memmove(o->b.data + at, o->b.data + at + 1, o->b.len - at);
            o->b.len--;
        }
        const lg_expr *e = t->expr;
        const char *name = n <= names->n && names->at ? names->at[n - 1] : t->name, *shown = NULL;
        if (e->kind == LG_EX_VAR && !e->var.up && e->var.attno > 0)
            shown = q->rtes[e->var.rte]->cols[e->var.attno - 1].name;
        else if (!names->visible)
            shown = "?column?";
        if (name && (!shown || strcmp(shown, name) != 0))
            lg_strbuf_printf(&o->b, " AS %s", ident(o, name));
    }
}

static void
put_sets(lg_dout *o, const lg_query *q)
{
    puts_(o, "GROUPING SETS (");
    for (uint32_t s = 0; s < q->nsets; s++) {
        puts_(o, s ? ", (" : "(");
        for (uint32_t i = 0; i < q->set_len[s]; i++) {
            if (i)
                puts_(o, ", ");
            put_item(o, q, &q->group[q->sets[s][i]]);
        }
        lg_strbuf_putc(&o->b, ')');
    }
    lg_strbuf_putc(&o->b, ')');
}

static const lg_rte *
only_values(const lg_query *q)
{
    if (q->nrtes != 1 || q->rtes[0]->kind != LG_RTE_VALUES || q->where || q->grouped ||
        q->ndistinct || q->ntargets != q->rtes[0]->ncols || strcmp(q->rtes[0]->alias, "*VALUES*"))
        return NULL;
    return q->rtes[0];
}

static void
put_basic(lg_dout *o, const lg_query *q, const result_names *names)
{
    const lg_rte *values = only_values(q);
    o->indent += STEP;
    lg_strbuf_putc(&o->b, ' ');
    if (values) {
        put_values(o, values);
        return;
    }
    puts_(o, "SELECT");
    if (q->ndistinct && q->distinct_on) {
        puts_(o, " DISTINCT ON (");
        put_items(o, q, q->distinct, q->ndistinct);
        lg_strbuf_putc(&o->b, ')');
    } else if (q->ndistinct) {
        puts_(o, " DISTINCT");
    }
    put_targets(o, q, names);
    bool first = true;
    if (q->from)
        put_from_list(o, q->from, &first);
    if (q->where) {
        keyword(o, " WHERE ", -STEP, STEP, 1);
        lg_deparse__expr(o, q->where);
    }
    if (q->ngroup || q->nsets) {
        keyword(o, " GROUP BY ", -STEP, STEP, 1);
        if (q->nsets)
            put_sets(o, q);
        else
            put_items(o, q, q->group, q->ngroup);
    }
    if (q->having) {
        keyword(o, " HAVING ", -STEP, STEP, 0);
        lg_deparse__expr(o, q->having);
    }
    first = true;
    for (uint32_t i = 0; i < q->nwindows; i++) {
        if (!q->windows[i].name)
            continue;
        if (first)
            keyword(o, " WINDOW ", -STEP, STEP, 1);
        else
            puts_(o, ", ");
        first = false;
        lg_strbuf_printf(&o->b, "%s AS ", ident(o, q->windows[i].name));
        put_window(o, q, &q->windows[i]);
    }
}

static void
put_setop(lg_dout *o, const lg_query *q, const lg_setop *s, const result_names *names)
{
    if (s->op == LG_A_SETOP_NONE) {
        const lg_query *leaf = q->rtes[s->rte]->subquery;
        bool paren = leaf->nctes || leaf->nsort || leaf->nmarks || leaf->limit || leaf->offset ||
                     leaf->setop;
        if (paren)
            lg_strbuf_putc(&o->b, '(');
        put_query(o, leaf, names);
        if (paren)
            lg_strbuf_putc(&o->b, ')');
        return;
    }
    result_names right = *names;
    right.visible = false;
    bool inner = s->left->op != LG_A_SETOP_NONE;
    bool paren = inner && !(s->left->op == s->op && s->left->all == s->all);
    int sub = paren ? STEP : 0;
    if (paren) {
        lg_strbuf_putc(&o->b, '(');
        keyword(o, "", sub, 0, 0);
    }
    put_setop(o, q, s->left, names);
    keyword(o, paren ? ") " : "", -sub, 0, 0);
    puts_(o, s->op == LG_A_SETOP_UNION       ? "UNION "
             : s->op == LG_A_SETOP_INTERSECT ? "INTERSECT "
                                             : "EXCEPT ");
    if (s->all)
        puts_(o, "ALL ");
    paren = s->right->op != LG_A_SETOP_NONE;
    sub = paren ? STEP : 0;
    if (paren)
        lg_strbuf_putc(&o->b, '(');
    keyword(o, "", sub, 0, 0);
    put_setop(o, q, s->right, &right);
    o->indent -= sub;
    if (paren)
        keyword(o, ")", 0, 0, 0);
}

static void
put_with(lg_dout *o, const lg_query *q)
{
    bool recursive = false;
    if (!q->nctes)
        return;
    for (uint32_t i = 0; i < q->nctes; i++)
        recursive = recursive || q->ctes[i].recursive;
    o->indent += STEP;
    puts_(o, recursive ? " WITH RECURSIVE " : " WITH ");
    for (uint32_t i = 0; i < q->nctes; i++) {
        const lg_cte *c = &q->ctes[i];
        lg_outcol *own;
        uint32_t n = lg_query_outcols(c->query, o->d->arena, &own);
        bool renamed = false;
        if (i)
            puts_(o, ", ");
        puts_(o, ident(o, c->name));
        for (uint32_t k = 0; k < n && k < c->ncols; k++)
            renamed = renamed || strcmp(own[k].name, c->cols[k].name) != 0;
        for (uint32_t k = 0; renamed && k < c->ncols; k++)
            lg_strbuf_printf(&o->b, "%s%s", k ? ", " : "(", ident(o, c->cols[k].name));
        puts_(o, renamed ? ") AS " : " AS ");
        if (c->materialized == LG_A_CTE_MATERIALIZE_ALWAYS)
            puts_(o, "MATERIALIZED ");
        if (c->materialized == LG_A_CTE_MATERIALIZE_NEVER)
            puts_(o, "NOT MATERIALIZED ");
        lg_strbuf_putc(&o->b, '(');
        keyword(o, "", 0, 0, 0);
        put_query(o, c->query, &own_names);
        keyword(o, "", 0, 0, 0);
        lg_strbuf_putc(&o->b, ')');
    }
    o->indent -= STEP;
    keyword(o, "", 0, 0, 0);
}

static void
put_locks(lg_dout *o, const lg_query *q)
{
    static const char *const words[] = {
        "", "", " FOR KEY SHARE", " FOR SHARE", " FOR NO KEY UPDATE", " FOR UPDATE"};
    for (uint32_t i = 0; i < q->nmarks; i++) {
        keyword(o, words[q->marks[i].strength], -STEP, STEP, 0);
        lg_strbuf_printf(&o->b, " OF %s", ident(o, o->level->names[q->marks[i].rte]));
        if (q->marks[i].wait == LG_A_LOCK_WAIT_ERROR)
            puts_(o, " NOWAIT");
        if (q->marks[i].wait == LG_A_LOCK_WAIT_SKIP)
            puts_(o, " SKIP LOCKED");
    }
}

static void
put_query(lg_dout *o, const lg_query *q, const result_names *names)
{
    lg_dlevel l = {.up = o->level, .q = q};
    int indent = o->indent;
    if (indent > 4000 || q->cmd != LG_CMD_SELECT) {
        o->st = LG_UNSUPPORTED;
        return;
    }
    name_entries(o, &l);
    o->level = &l;
    put_with(o, q);
    if (q->setop)
        put_setop(o, q, q->setop, names);
    else
        put_basic(o, q, names);
    if (q->nsort) {
        keyword(o, " ORDER BY ", -STEP, STEP, 1);
        put_order(o, q, q->sort, q->nsort);
    }
    if (q->offset) {
        keyword(o, " OFFSET ", -STEP, STEP, 0);
        lg_deparse__expr(o, q->offset);
    }
    if (q->limit) {
        keyword(o, q->with_ties ? " FETCH FIRST (" : " LIMIT ", -STEP, STEP, 0);
        lg_deparse__expr(o, q->limit);
        if (q->with_ties)
            puts_(o, ") ROWS WITH TIES");
    }
    put_locks(o, q);
    o->level = l.up;
    o->indent = indent;
}

/* ---- subqueries in expressions ---- */

/* The left side and the operator of `x op ANY (...)`. */
static const char *
put_test(lg_dout *o, const lg_expr *t)
{
    const char *op = "=";
    bool row = t->kind == LG_EX_AND || t->kind == LG_EX_OR;
    if (row)
        lg_strbuf_putc(&o->b, '(');
    for (uint32_t i = 0; i < (row ? t->nargs : 1); i++) {
        const lg_expr *c = row ? t->args[i] : t;
        if (i)
            puts_(o, ", ");
        if (c->kind == LG_EX_FUNC && c->func.op && c->nargs == 2) {
            op = c->func.op->name;
            lg_deparse__arg(o, c->args[0]);
        } else {
            puts_(o, "?");
        }
    }
    if (row)
        lg_strbuf_putc(&o->b, ')');
    return op;
}

void
lg_deparse__sublink(lg_dout *o, const lg_expr *e)
{
    bool paren = true;
    puts_(o, e->sublink.link == LG_SUBLINK_ARRAY ? "ARRAY(" : "(");
    switch ((lg_sublink)e->sublink.link) {
    case LG_SUBLINK_EXISTS:
        puts_(o, "EXISTS ");
        break;
    case LG_SUBLINK_ANY: {
        const char *op = put_test(o, e->args[0]);
        puts_(o, !strcmp(op, "=") ? " IN " : lg_arena_printf(o->d->arena, " %s ANY ", op));
        break;
    }
    case LG_SUBLINK_ALL:
        lg_strbuf_printf(&o->b, " %s ALL ", put_test(o, e->args[0]));
        break;
    default:
        paren = false;
        break;
    }
    if (paren)
        lg_strbuf_putc(&o->b, '(');
    put_query(o, e->sublink.query, &hidden_names);
    puts_(o, paren ? "))" : ")");
}

lg_status
lg_deparse_query(const lg_deparse *d, const lg_query *q, uint32_t n, const char *const *names,
                 const char **ret_text)
{
    lg_dout o = {.d = d, .st = LG_OK};
    lg_strbuf_init(&o.b, 1u << 24);
    result_names r = {.n = n, .at = names, .visible = true};
    put_query(&o, q, &r);
    if (o.st == LG_OK)
        o.st = lg_strbuf_status(&o.b);
    if (o.st == LG_OK)
        *ret_text = lg_arena_strndup(d->arena, o.b.data ? o.b.data : "", o.b.len);
    lg_strbuf_fini(&o.b);
    return o.st;
}

void
lg_deparse__keyword(lg_dout *o, const char *text, int before, int after)
{
    if (o->level || o->d->lines)
        keyword(o, *text == ' ' ? text + 1 : text, before, after, 0);
    else
        puts_(o, text);
}
