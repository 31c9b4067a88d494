/* Selectivities: which part of the rows a condition keeps, and how many values an expression has.
 *
 * From ANALYZE's statistics as PostgreSQL's selfuncs does it: most common values are looked at one
 * by one; what is left is spread over the other distinct values, or over the histogram, linearly
 * within a bound's interval. Conditions count as independent, but two bounds on one expression as
 * a range. Without statistics: PostgreSQL's defaults. */
#include "plan_internal.h"
#include "array.h"
#include "numeric.h"
#include <math.h>
#include <string.h>

#define EQ_DEFAULT    0.005
#define RANGE_DEFAULT (1.0 / 3)

typedef struct variable {
    const lg_relation *rel;
    const lg_column *col;
    const lg_colstats *stats; /* or NULL */
    double tuples, distinct;
    bool unique;
} variable;

static bool
is_unique(const lg_relation *r, int16_t attno)
{
    for (uint16_t i = 0; i < r->nindexes; i++)
        if (r->indexes[i]->unique && r->indexes[i]->nkeys == 1 &&
            r->indexes[i]->attnum[0] == attno && !r->indexes[i]->predicate_sql)
            return true;
    return false;
}

/* Is e a column of a table? */
static bool
variable_of(const lg_pq *pq, const lg_expr *e, variable *v)
{
    while (e->kind == LG_EX_RELABEL)
        e = e->args[0];
    if (e->kind != LG_EX_VAR || e->var.up || e->var.attno <= 0)
        return false;
    const lg_rte *rte = pq->q->rtes[e->var.rte];
    if (rte->kind != LG_RTE_RELATION)
        return false;
    *v = (variable){.rel = rte->rel, .col = lg_relation_column(rte->rel, e->var.attno)};
    if (!v->col)
        return false;
    v->stats = lg_relation_colstats(rte->rel, v->col->attnum);
    v->tuples = lg_plan__rel_tuples(rte->rel);
    v->unique = is_unique(rte->rel, v->col->attnum);
    double nd = v->stats ? v->stats->n_distinct : v->col->n_distinct;
    v->distinct = v->unique                   ? v->tuples
                  : nd > 0                    ? nd
                  : nd < 0                    ? -nd * v->tuples
                  : v->col->type == LG_T_BOOL ? 2
                  : v->col->type == LG_T_CHAR ? 5 /* kinds of things, in the catalog */
                  : v->tuples < 200           ? v->tuples
                                              : 200;
    if (v->distinct < 1)
        v->distinct = 1;
    return true;
}

static const lg_expr *
constant_of(const lg_expr *e)
{
    while (e->kind == LG_EX_RELABEL)
        e = e->args[0];
    return e->kind == LG_EX_CONST && !e->konst.isnull ? e : NULL;
}

static double
clamp(double s)
{
    return s < 0 ? 0 : s > 1 ? 1 : s;
}

static double
mcv_total(const lg_colstats *cs)
{
    double sum = 0;
    for (uint32_t i = 0; i < cs->n_mcv; i++)
        sum += cs->mcv_freq[i];
    return sum;
}

/* ---- calling an operator on statistics ---- */

typedef struct tester {
    lg_call call;
    lg_error err;
    lg_datum args[2];
    uint8_t nulls[2];
    lg_oid types[2];
    uint32_t at; /* which argument is the column */
} tester;

static bool
tester_init(lg_pq *pq, const lg_expr *e, lg_oid col_type, const lg_expr *k, bool col_left,
            tester *t)
{
    const lg_func *f = e->func.func;
    if (!f->fn || f->volatility == 'v' || (f->flags & LG_FUNC_EXT) || !pq->p->b->env)
        return false;
    memset(t, 0, sizeof *t);
    lg_error_init(&t->err, pq->p->a);
    lg_call_init(&t->call, f, pq->p->b->env, &t->err, pq->p->a, pq->p->a);
    t->at = col_left ? 0 : 1;
    t->args[1 - t->at] = k->konst.value;
    t->types[t->at] = col_type;
    t->types[1 - t->at] = k->type;
    t->call.args = t->args;
    t->call.nulls = t->nulls;
    t->call.nargs = 2;
    t->call.argtypes = t->types;
    t->call.rettype = LG_T_BOOL;
    t->call.collation = e->collation;
    return true;
}

static bool
test_value(tester *t, lg_datum v)
{
    t->args[t->at] = v;
    lg_datum d = lg_func_call(&t->call);
    bool yes = t->call.st == LG_OK && !t->call.isnull && d != 0;
    t->call.st = LG_OK;
    return yes;
}

static double
mcv_matching(tester *t, const lg_colstats *cs)
{
    double sum = 0;
    for (uint32_t i = 0; i < cs->n_mcv; i++)
        if (test_value(t, cs->mcv[i]))
            sum += cs->mcv_freq[i];
    return sum;
}

/* ---- equality ---- */

static double
eq_selectivity(lg_pq *pq, const lg_expr *e, const lg_expr *col, const lg_expr *other, bool col_left)
{
    variable v;
    tester t;
    if (!variable_of(pq, col, &v))
        return EQ_DEFAULT;
    if (v.unique)
        return 1 / v.distinct;
    const lg_colstats *cs = v.stats;
    const lg_expr *k = constant_of(other);
    double null_frac = cs ? cs->null_frac : 0;
    if (!cs)
        return v.tuples < 200 || v.col->n_distinct != 0 || v.col->type == LG_T_CHAR ? 1 / v.distinct
                                                                                    : EQ_DEFAULT;
    if (k && e && tester_init(pq, e, v.col->type, k, col_left, &t)) {
        double common = mcv_matching(&t, cs);
        if (common > 0)
            return common;
        double rest = 1 - mcv_total(cs) - null_frac, others = v.distinct - cs->n_mcv;
        rest = clamp(rest) / (others > 1 ? others : 1);
        if (cs->n_mcv && rest > cs->mcv_freq[cs->n_mcv - 1])
            rest = cs->mcv_freq[cs->n_mcv - 1];
        return rest;
    }
    double s = (1 - null_frac) / v.distinct;
    return cs->n_mcv && s > cs->mcv_freq[0] ? cs->mcv_freq[0] : s;
}

/* Both sides are columns. */
static double
join_selectivity(const variable *a, const variable *b)
{
    double nd = a->distinct > b->distinct ? a->distinct : b->distinct;
    double na = a->stats ? a->stats->null_frac : 0, nb = b->stats ? b->stats->null_frac : 0;
    return (1 - na) * (1 - nb) / nd;
}

/* ---- ranges ---- */

/* Values on a line, for interpolation. False: only their order is known. */
static bool
scalar_of(lg_pq *pq, lg_oid type, lg_datum d, double *ret)
{
    switch (type) {
    case LG_T_INT2:
    case LG_T_INT4:
    case LG_T_INT8:
    case LG_T_TIMESTAMP:
    case LG_T_TIMESTAMPTZ:
    case LG_T_TIME:
        *ret = (double)lg_int8(d);
        return true;
    case LG_T_DATE:
        *ret = (double)lg_int8(d) * 86400e6;
        return true;
    case LG_T_OID:
        *ret = (double)d;
        return true;
    case LG_T_FLOAT4:
        *ret = (double)lg_float4(d);
        return true;
    case LG_T_FLOAT8:
        *ret = lg_float8(d);
        return true;
    case LG_T_NUMERIC: {
        lg_num n = lg_num_unpack(pq->p->a, d);
        *ret = lg_num_to_double(pq->p->a, &n);
        return true;
    }
    default:
        return false;
    }
}

/* The part of the histogram below the constant (op < or <=: "true at the low end"). */
static double
histogram_below(lg_pq *pq, tester *t, const variable *v, const lg_expr *k, bool less)
{
    const lg_colstats *cs = v->stats;
    uint32_t lo = 0, hi = cs->n_bounds;
    while (lo < hi) { /* the first bound that is not below */
        uint32_t mid = (lo + hi) / 2;
        if (test_value(t, cs->bounds[mid]) == less)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0 || lo == cs->n_bounds)
        return lo ? 1 : 0;
    double a, b, x, frac = 0.5;
    bool dates = v->col->type != LG_T_DATE || k->type == LG_T_DATE || k->type == LG_T_TIMESTAMP;
    if (dates && scalar_of(pq, v->col->type, cs->bounds[lo - 1], &a) &&
        scalar_of(pq, v->col->type, cs->bounds[lo], &b) &&
        scalar_of(pq, k->type, k->konst.value, &x) && b > a)
        frac = clamp((x - a) / (b - a));
    return (lo - 1 + frac) / (cs->n_bounds - 1);
}

static double
range_selectivity(lg_pq *pq, const lg_expr *e, const lg_expr *col, const lg_expr *other, bool less,
                  bool col_left)
{
    variable v;
    tester t;
    const lg_expr *k = constant_of(other);
    if (!variable_of(pq, col, &v) || !v.stats || !k ||
        !tester_init(pq, e, v.col->type, k, col_left, &t))
        return RANGE_DEFAULT;
    const lg_colstats *cs = v.stats;
    double common = mcv_total(cs), rest = 1 - common - cs->null_frac;
    double s = mcv_matching(&t, cs);
    if (cs->n_bounds >= 2) {
        double h = histogram_below(pq, &t, &v, k, less);
        h = less ? h : 1 - h;
        double cut = 0.01 / (cs->n_bounds - 1);
        h = h < cut ? cut : h > 1 - cut ? 1 - cut : h;
        s += clamp(rest) * h;
    } else if (common <= 0) {
        s = RANGE_DEFAULT;
    } else if (rest > 0.01) {
        s += rest * 0.5;
    }
    return clamp(s);
}

/* ---- patterns and other operators ---- */

static double
pattern_default(const char *name, const lg_expr *k)
{
    if (!k || name[1] != '~')
        return EQ_DEFAULT;
    double s = 1;
    const char *p = lg_text_data(k->konst.value);
    for (uint32_t i = 0; i < lg_text_len(k->konst.value); i++)
        s *= p[i] == '%' ? 5 : p[i] == '_' ? 0.9 : 0.2;
    return s > 1 ? 1 : s;
}

/* By trying the values that are known. */
static double
tried_selectivity(lg_pq *pq, const lg_expr *e, const lg_expr *col, const lg_expr *k, double guess)
{
    variable v;
    tester t;
    if (!k || !variable_of(pq, col, &v) || !v.stats ||
        !tester_init(pq, e, v.col->type, k, col == e->args[0], &t))
        return guess;
    const lg_colstats *cs = v.stats;
    double s = mcv_matching(&t, cs), rest = clamp(1 - mcv_total(cs) - cs->null_frac), h = guess;
    if (cs->n_bounds >= 10) {
        uint32_t hits = 0;
        for (uint32_t i = 1; i + 1 < cs->n_bounds; i++)
            hits += test_value(&t, cs->bounds[i]);
        h = (double)hits / (cs->n_bounds - 2);
        if (cs->n_bounds < 100) {
            double w = cs->n_bounds / 100.0;
            h = h * w + guess * (1 - w);
        }
        h = h < 0.0001 ? 0.0001 : h > 0.9999 ? 0.9999 : h;
    }
    return clamp(s + rest * h);
}

static int
btree_strategy(const lg_operator *op)
{
    for (uint32_t i = 0; op && i < lg_amop_count(); i++) {
        const lg_amop *a = lg_amop_at(i);
        if (a->operator== op->oid && a->am == LG_AM_BTREE)
            return a->strategy;
    }
    return 0;
}

static double
func_selectivity(lg_pq *pq, const lg_expr *e)
{
    const lg_operator *op = e->func.op;
    variable vx, vy;
    if (!op || e->nargs != 2)
        return RANGE_DEFAULT;
    const lg_expr *x = e->args[0], *y = e->args[1];
    bool xc = variable_of(pq, x, &vx), yc = variable_of(pq, y, &vy);
    const lg_expr *col = xc || !yc ? x : y, *other = xc || !yc ? y : x;
    int st = btree_strategy(op);
    if (st == 3 || !strcmp(op->name, "="))
        return xc && yc ? join_selectivity(&vx, &vy) : eq_selectivity(pq, e, col, other, col == x);
    if (!strcmp(op->name, "<>")) {
        if (xc && yc)
            return 1 - join_selectivity(&vx, &vy);
        const lg_operator *eq = op->negator ? lg_operator_get(op->negator) : NULL;
        lg_expr as_eq = *e;
        as_eq.func.op = eq;
        as_eq.func.func = eq ? lg_func_get(eq->func) : NULL;
        double s = eq_selectivity(pq, as_eq.func.func ? &as_eq : NULL, col, other, col == x);
        double nulls = (col == x ? xc : yc) && (col == x ? vx : vy).stats
                           ? (col == x ? vx : vy).stats->null_frac
                           : 0;
        return clamp(1 - s - nulls);
    }
    if (st) {
        bool less = st <= 2;
        return xc && yc ? RANGE_DEFAULT
                        : range_selectivity(pq, e, col, other, col == x ? less : !less, col == x);
    }
    const lg_expr *k = constant_of(other);
    bool is_not = op->name[0] == '!' && strchr(op->name, '~');
    if (op->name[0] == '~' || is_not) {
        double guess = pattern_default(is_not ? op->name + 1 : op->name, k);
        return tried_selectivity(pq, e, col, k, is_not ? 1 - guess : guess);
    }
    return tried_selectivity(pq, e, col, k, RANGE_DEFAULT);
}

static double
array_selectivity(lg_pq *pq, const lg_expr *e)
{
    const lg_expr *list = e->args[1];
    double s = 0;
    if (list->kind == LG_EX_ARRAY || constant_of(list)) {
        lg_array a = {.n = 0};
        uint32_t n = list->nargs;
        const lg_type *t = lg_type_get(list->type);
        if (list->kind != LG_EX_ARRAY) {
            lg_array_unpack(constant_of(list)->konst.value, pq->p->a, &a);
            n = a.n;
        }
        for (uint32_t i = 0; i < n; i++) {
            lg_expr *k = list->kind == LG_EX_ARRAY
                             ? list->args[i]
                             : lg_expr_const(pq->p->a, t ? t->elem : a.elem, a.values[i],
                                             a.nulls && a.nulls[i]);
            lg_expr *pair[2] = {e->args[0], k};
            lg_expr *one = lg_expr_call(pq->p->a, e->func.func, e->func.op, 2, pair);
            double x = func_selectivity(pq, one);
            s = e->use_or ? s + x : s + (1 - x);
        }
    } else {
        s = 10 * eq_selectivity(pq, NULL, e->args[0], list, true);
    }
    return e->use_or ? clamp(s) : clamp(1 - s);
}

double
lg_plan__selectivity(lg_pq *pq, const lg_expr *e)
{
    variable v;
    double s = 1;
    switch ((lg_expr_kind)e->kind) {
    case LG_EX_CONST:
        return e->konst.isnull || !e->konst.value ? 0 : 1;
    case LG_EX_AND:
        return lg_plan__list_selectivity(pq, e->args, e->nargs);
    case LG_EX_OR:
        for (uint32_t i = 0; i < e->nargs; i++)
            s *= 1 - lg_plan__selectivity(pq, e->args[i]);
        return 1 - s;
    case LG_EX_NOT:
        return 1 - lg_plan__selectivity(pq, e->args[0]);
    case LG_EX_FUNC:
        return func_selectivity(pq, e);
    case LG_EX_ARRAY_OP:
        return array_selectivity(pq, e);
    case LG_EX_IS_NULL: {
        bool known = variable_of(pq, e->args[0], &v);
        double f = known && v.col->not_null ? 0
                   : known && v.stats       ? v.stats->null_frac
                                            : EQ_DEFAULT;
        return e->negated ? 1 - f : f;
    }
    default:
        return 0.5;
    }
}

/* ---- conjunctions: two bounds on one expression are a range ---- */

static int
bound_of(const lg_expr *e, const lg_expr **ret_of)
{
    if (e->kind != LG_EX_FUNC || !e->func.op || e->nargs != 2)
        return 0;
    int st = btree_strategy(e->func.op);
    if (!st || st == 3)
        return 0;
    bool k0 = constant_of(e->args[0]) != NULL, k1 = constant_of(e->args[1]) != NULL;
    if (k0 == k1)
        return 0;
    *ret_of = k0 ? e->args[1] : e->args[0];
    bool less = st <= 2;
    return (k0 ? !less : less) ? -1 : 1;
}

double
lg_plan__list_selectivity(lg_pq *pq, lg_expr *const *list, uint32_t n)
{
    double s = 1;
    bool *used = LG_NEWN(pq->p->a, bool, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const lg_expr *x, *y;
        if (used[i])
            continue;
        double a = lg_plan__selectivity(pq, list[i]);
        int side = bound_of(list[i], &x);
        for (uint32_t k = i + 1; side && k < n; k++) {
            if (used[k] || bound_of(list[k], &y) != -side || !lg_expr_equal(x, y))
                continue;
            double b = lg_plan__selectivity(pq, list[k]);
            variable v;
            double nulls = variable_of(pq, x, &v) && v.stats ? v.stats->null_frac : 0;
            used[k] = true;
            double both = a + b - 1 + nulls;
            a = a == RANGE_DEFAULT && b == RANGE_DEFAULT ? EQ_DEFAULT : both <= 0 ? 1e-5 : both;
            break;
        }
        s *= a;
    }
    return s;
}

/* ---- distinct values ---- */

double
lg_plan__distinct(lg_pq *pq, const lg_expr *e, double rows)
{
    variable v;
    double n = 200;
    if (variable_of(pq, e, &v)) {
        n = v.distinct;
        /* of a part of the table only some values are seen */
        if (rows < v.tuples && v.tuples > 0 && rows >= 1)
            n *= 1 - pow((v.tuples - rows) / v.tuples, v.tuples / n);
    } else if (e->type == LG_T_BOOL) {
        n = 2;
    } else if (e->kind == LG_EX_FUNC && e->nargs) { /* as many as its columns have, at most */
        double m = 1;
        bool any = false;
        for (uint32_t i = 0; i < e->nargs; i++)
            if (!constant_of(e->args[i])) {
                m *= lg_plan__distinct(pq, e->args[i], rows);
                any = true;
            }
        n = any && m < n ? m : n;
    }
    return n < 1 ? 1 : n > rows && rows >= 1 ? rows : n;
}

/* Part of left's rows that meet a row of right (`rows` of them), for a semi join by e. */
double
lg_plan__semi_selectivity(lg_pq *pq, const lg_expr *e, const bool *left, double rows)
{
    variable a, b;
    if (e->kind != LG_EX_FUNC || !e->func.op || e->nargs != 2 ||
        (btree_strategy(e->func.op) != 3 && strcmp(e->func.op->name, "=") != 0))
        return 1;
    if (!variable_of(pq, e->args[0], &a) || !variable_of(pq, e->args[1], &b))
        return 0.5;
    const lg_expr *x = e->args[0];
    while (x->kind == LG_EX_RELABEL)
        x = x->args[0];
    bool first_left = left[x->var.rte];
    double nl = first_left ? a.distinct : b.distinct, nr = first_left ? b.distinct : a.distinct;
    if (nr > rows)
        nr = rows;
    return nr >= nl ? 1 : nr / nl;
}
