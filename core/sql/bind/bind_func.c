/* Which function, operator or aggregate a call means: PostgreSQL's parse_func.c and parse_oper.c.
 * Candidates by name; an exact match wins, else those reachable by implicit coercion are weeded out
 * by the rules of the manual's chapter "Type Conversion". */
#include "bind_internal.h"
#include "cat_proc.h"
#include "strbuf.h"
#include <string.h>

#define MAX_ARGS 100u

/* One way to call a function: declared types per actual argument, defaults and VARIADIC expanded.
 */
typedef struct cand {
    const lg_func *func;
    const lg_operator *op;
    lg_oid *args; /* one per actual argument */
    uint32_t nargs;
    uint32_t ndefaults;
    bool variadic;       /* expanded */
    uint32_t path;       /* where in the search path it was found */
    const lg_proc *call; /* CALL: the procedure, whose OUT parameters stand among func's inputs */
    uint16_t *order;     /* argument i of the call goes to parameter order[i]; NULL: in order */
} cand;

static char
category_of(lg_oid t)
{
    const lg_type *ty = lg_type_get(t);
    return ty ? ty->category : 'U';
}

static bool
preferred_of(lg_oid t)
{
    const lg_type *ty = lg_type_get(t);
    return ty && ty->preferred;
}

/* Keeps the candidates whose arguments the actual ones can be coerced to. */
static uint32_t
match_args(cand *c, uint32_t n, const lg_oid *types)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++)
        if (lg_bind__can_coerce(c[i].nargs, types, c[i].args, LG_COERCE_IMPLICIT))
            c[k++] = c[i];
    return k;
}

/* Keeps the candidates with the most points (and more than none when need is set). */
static uint32_t
keep_best(cand *c, uint32_t n, const int *points)
{
    int best = 0;
    for (uint32_t i = 0; i < n; i++)
        best = points[i] > best ? points[i] : best;
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++)
        if (points[i] >= best)
            c[k++] = c[i];
    return k;
}

/* The category that candidates want at a position of unknown type; 0: they disagree. */
static char
slot_category(const cand *c, uint32_t n, uint32_t at, bool *ret_preferred)
{
    char have = 0;
    bool string = false;
    *ret_preferred = false;
    for (uint32_t i = 0; i < n; i++) {
        char cat = category_of(c[i].args[at]);
        string = string || cat == 'S';
        if (!have) {
            have = cat;
            *ret_preferred = preferred_of(c[i].args[at]);
        } else if (cat == have) {
            *ret_preferred = *ret_preferred || preferred_of(c[i].args[at]);
        } else {
            have = '?';
        }
    }
    if (have == '?' && string) {
        have = 'S';
        for (uint32_t i = 0; i < n; i++)
            if (category_of(c[i].args[at]) == 'S' && preferred_of(c[i].args[at]))
                *ret_preferred = true;
    }
    return have;
}

/* Candidates by the categories that unknown arguments most likely have. */
static uint32_t
by_unknown_category(cand *c, uint32_t n, const lg_oid *types)
{
    uint32_t nargs = c[0].nargs;
    char cats[MAX_ARGS];
    bool pref[MAX_ARGS];
    for (uint32_t a = 0; a < nargs; a++) {
        if (types[a] != LG_T_UNKNOWN)
            continue;
        cats[a] = slot_category(c, n, a, &pref[a]);
        if (cats[a] == '?')
            return n;
    }
    cand first = c[0];
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool keep = true;
        for (uint32_t a = 0; a < nargs && keep; a++)
            if (types[a] == LG_T_UNKNOWN)
                keep = category_of(c[i].args[a]) == cats[a] &&
                       (!pref[a] || preferred_of(c[i].args[a]));
        if (keep)
            c[k++] = c[i];
    }
    if (!k) {
        c[0] = first;
        return n;
    }
    return k;
}

/* func_select_candidate: 1 left is the answer; *ret_n 0 or more than one: none or ambiguous. */
static uint32_t
select_candidate(cand *c, uint32_t n, const lg_oid *types)
{
    int points[512];
    uint32_t nargs = c[0].nargs;
    n = n > 512 ? 512 : n;
    for (uint32_t i = 0; i < n; i++) {
        points[i] = 0;
        for (uint32_t a = 0; a < nargs; a++)
            points[i] += types[a] != LG_T_UNKNOWN && c[i].args[a] == types[a];
    }
    n = keep_best(c, n, points);
    if (n == 1)
        return 1;
    for (uint32_t i = 0; i < n; i++) {
        points[i] = 0;
        for (uint32_t a = 0; a < nargs; a++)
            points[i] +=
                types[a] != LG_T_UNKNOWN &&
                (c[i].args[a] == types[a] || (category_of(c[i].args[a]) == category_of(types[a]) &&
                                              preferred_of(c[i].args[a])));
    }
    n = keep_best(c, n, points);
    if (n == 1)
        return 1;
    lg_oid known = 0, all[MAX_ARGS];
    bool same = true, unknowns = false;
    for (uint32_t a = 0; a < nargs; a++) {
        if (types[a] == LG_T_UNKNOWN)
            unknowns = true;
        else if (!known)
            known = types[a];
        else if (known != types[a])
            same = false;
    }
    if (!unknowns)
        return n;
    n = by_unknown_category(c, n, types);
    if (n == 1)
        return 1;
    if (!known || !same)
        return n;
    for (uint32_t a = 0; a < nargs; a++)
        all[a] = known;
    uint32_t hits = 0, at = 0;
    for (uint32_t i = 0; i < n; i++)
        if (lg_bind__can_coerce(nargs, all, c[i].args, LG_COERCE_IMPLICIT)) {
            hits++;
            at = i;
        }
    if (hits == 1) {
        c[0] = c[at];
        return 1;
    }
    return n;
}

/* ---- operators ---- */

static lg_status
op_missing(lg_bind *b, const char *name, lg_oid left, lg_oid right, int32_t loc, bool ambiguous)
{
    const char *sig = left ? lg_arena_printf(b->arena, "%s %s %s", lg_bind__type_name(b, left),
                                             name, lg_bind__type_name(b, right))
                           : lg_arena_printf(b->arena, "%s %s", name, lg_bind__type_name(b, right));
    if (ambiguous) {
        lg_bind__error(b, loc, "42725", "operator is not unique: %s", sig);
        lg_error_hint(b->err, "Could not choose a best candidate operator. "
                              "You might need to add explicit type casts.");
        return LG_SQL;
    }
    lg_bind__error(b, loc, "42883", "operator does not exist: %s", sig);
    if (left)
        lg_error_hint(b->err, "No operator matches the given name and argument types. "
                              "You might need to add explicit type casts.");
    else
        lg_error_hint(b->err, "No operator matches the given name and argument type. "
                              "You might need to add an explicit type cast.");
    return LG_SQL;
}

lg_status
lg_bind__find_op(lg_bind *b, const char *schema, const char *name, lg_oid left, lg_oid right,
                 int32_t loc, const lg_operator **ret)
{
    if (schema && strcmp(schema, "pg_catalog") != 0)
        return op_missing(b, lg_arena_printf(b->arena, "%s.%s", schema, name), left, right, loc,
                          false);
    lg_oid l = left, r = right;
    if (left && l == LG_T_UNKNOWN && r != LG_T_UNKNOWN)
        l = r;
    else if (left && r == LG_T_UNKNOWN && l != LG_T_UNKNOWN)
        r = l;
    *ret = lg_operator_find(name, l, r);
    if (*ret)
        return LG_OK;
    uint32_t n, k = 0;
    const lg_operator *all = lg_operator_by_name(name, &n);
    if (!all || !n)
        return op_missing(b, name, left, right, loc, false);
    cand *c = LG_NEWN(b->arena, cand, n);
    lg_oid *args = LG_NEWN(b->arena, lg_oid, 2 * n);
    for (uint32_t i = 0; i < n; i++) {
        if (!all[i].left != !left)
            continue;
        c[k].op = &all[i];
        c[k].args = &args[2 * i];
        c[k].nargs = left ? 2 : 1;
        c[k].args[0] = left ? all[i].left : all[i].right;
        c[k].args[1] = all[i].right;
        k++;
    }
    lg_oid types[2] = {left ? left : right, right};
    k = match_args(c, k, types);
    if (k > 1)
        k = select_candidate(c, k, types);
    if (k != 1)
        return op_missing(b, name, left, right, loc, k > 1);
    *ret = c[0].op;
    return LG_OK;
}

static lg_status
coerce_args(lg_bind *b, uint32_t n, lg_expr **args, const lg_oid *declared)
{
    for (uint32_t i = 0; i < n; i++) {
        lg_oid want = declared[i];
        if (want == LG_T_ANY && args[i]->type == LG_T_UNKNOWN)
            want = LG_T_TEXT;
        LG_TRY(lg_bind__coerce(b, args[i], want, -1, LG_COERCE_IMPLICIT, LG_FORM_IMPLICIT,
                               args[i]->loc, &args[i]));
    }
    return LG_OK;
}

lg_status
lg_bind__make_op(lg_bind *b, const char *schema, const char *name, lg_expr *left, lg_expr *right,
                 int32_t loc, lg_expr **ret)
{
    const lg_operator *op;
    LG_TRY(lg_bind__find_op(b, schema, name, left ? left->type : 0, right->type, loc, &op));
    const lg_func *f = lg_func_get(op->func);
    if (!f)
        return lg_bind__error(b, loc, "0A000", "operator %s is not implemented", name);
    lg_expr *args[2] = {left ? left : right, right};
    uint32_t n = left ? 2 : 1;
    lg_oid actual[2] = {args[0]->type, right->type};
    lg_oid declared[2] = {left ? op->left : op->right, op->right};
    lg_oid result;
    LG_TRY(lg_bind__enforce_generic(b, actual, declared, n, op->result, &result));
    LG_TRY(coerce_args(b, n, args, declared));
    *ret = lg_expr_call(b->arena, f, op, n, args);
    (*ret)->type = result;
    (*ret)->loc = loc;
    return lg_bind__collate(b, *ret);
}

lg_status
lg_bind__array_op(lg_bind *b, const char *schema, const char *name, bool use_or, lg_expr *left,
                  lg_expr *right, int32_t loc, lg_expr **ret)
{
    lg_oid elem = LG_T_UNKNOWN;
    if (right->type != LG_T_UNKNOWN) {
        elem = lg_bind__element_of(right->type);
        if (right->type == LG_T_OIDVECTOR)
            elem = LG_T_OID;
        if (right->type == LG_T_INT2VECTOR)
            elem = LG_T_INT2;
        if (!elem)
            return lg_bind__error(b, loc, "42809",
                                  "op ANY/ALL (array) requires array on right side");
    }
    const lg_operator *op;
    LG_TRY(lg_bind__find_op(b, schema, name, left->type, elem, loc, &op));
    const lg_func *f = lg_func_get(op->func);
    lg_oid actual[2] = {left->type, elem}, declared[2] = {op->left, op->right}, result;
    LG_TRY(lg_bind__enforce_generic(b, actual, declared, 2, op->result, &result));
    if (result != LG_T_BOOL)
        return lg_bind__error(b, loc, "42809",
                              "op ANY/ALL (array) requires operator to yield boolean");
    if (!f)
        return lg_bind__error(b, loc, "0A000", "operator %s is not implemented", name);
    lg_oid array = lg_bind__array_of(declared[1]);
    if (declared[1] == LG_T_ANY || right->type == LG_T_OIDVECTOR || right->type == LG_T_INT2VECTOR)
        array = right->type;
    lg_expr *e = lg_expr_new(b->arena, LG_EX_ARRAY_OP, LG_T_BOOL, 2);
    e->func.func = f;
    e->func.op = op;
    e->use_or = use_or;
    e->loc = loc;
    LG_TRY(lg_bind__coerce(b, left, declared[0], -1, LG_COERCE_IMPLICIT, LG_FORM_IMPLICIT,
                           left->loc, &e->args[0]));
    LG_TRY(lg_bind__coerce(b, right, array, -1, LG_COERCE_IMPLICIT, LG_FORM_IMPLICIT, right->loc,
                           &e->args[1]));
    *ret = e;
    return lg_bind__collate(b, e);
}

/* ---- functions ---- */

static const char *
arg_name(const lg_func *f, uint32_t i, uint32_t *ret_len)
{
    const char *p = f->argnames;
    while (p && i--) {
        p = strchr(p, ',');
        p = p ? p + 1 : NULL;
    }
    *ret_len = p ? (uint32_t)strcspn(p, ",") : 0;
    return p;
}

/* Which parameter an argument is for; UINT32_MAX: there is none of its name. */
static uint32_t
parameter_of(const lg_func *f, const lg_call_site *s, uint32_t i)
{
    uint32_t len;
    if (!s->arg_names || !s->arg_names[i])
        return i;
    if (f->flags & LG_FUNC_USER) {
        for (uint32_t at = 0; at < f->nargs; at++)
            if (!strcmp(lg_proc_of(f)->in_names[at], s->arg_names[i]))
                return at;
        return UINT32_MAX;
    }
    for (uint32_t at = 0; at < f->nargs; at++) {
        const char *an = arg_name(f, at, &len);
        if (an && len == strlen(s->arg_names[i]) && !strncmp(an, s->arg_names[i], len))
            return at;
    }
    return UINT32_MAX;
}

/* Fits the call to f: fills *c; false when the shapes differ. */
static bool
fit(lg_bind *b, const lg_func *f, const lg_call_site *s, bool expand, cand *c)
{
    uint32_t n = s->nargs, nf = f->nargs, named = 0;
    bool given[MAX_ARGS + 1] = {false};
    *c = (cand){.func = f, .nargs = n};
    for (uint32_t i = 0; i < n; i++)
        named += s->arg_names && s->arg_names[i];
    if (expand) {
        if (!f->variadic || n < nf || named)
            return false;
        c->variadic = true;
    } else if (n > nf || n + f->ndefaults < nf || nf > MAX_ARGS) {
        return false;
    }
    if (s->variadic && !f->variadic)
        return false;
    c->ndefaults = n < nf ? nf - n : 0;
    c->args = LG_NEWN(b->arena, lg_oid, n + 1);
    if (named)
        c->order = LG_NEWN(b->arena, uint16_t, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = parameter_of(f, s, i);
        if (at == UINT32_MAX || (at < nf && !expand && given[at]))
            return false;
        if (at < nf && at <= MAX_ARGS)
            given[at] = true;
        if (c->order)
            c->order[i] = (uint16_t)at;
        c->args[i] = c->variadic && at + 1 >= nf ? f->variadic : f->args[at];
        if (f->flags & LG_FUNC_USER && lg_usertype_is_domain(c->args[i])) { /* as its base type */
            lg_oid base;
            if (lg_usertype_base(b->env, c->args[i], b->arena, b->err, &base, NULL) != LG_OK)
                return false;
            c->args[i] = base;
        }
    }
    for (uint32_t at = 0; !expand && at + f->ndefaults < nf; at++)
        if (!given[at])
            return false;
    return true;
}

static lg_status
func_missing(lg_bind *b, const lg_call_site *s, bool ambiguous)
{
    lg_strbuf sig;
    lg_strbuf_init(&sig, 1 << 16);
    if (s->schema)
        lg_strbuf_printf(&sig, "%s.", s->schema);
    lg_strbuf_printf(&sig, "%s(", s->name);
    for (uint32_t i = 0; i < s->nargs; i++) {
        if (i)
            lg_strbuf_puts(&sig, ", ");
        if (s->arg_names && s->arg_names[i])
            lg_strbuf_printf(&sig, "%s => ", s->arg_names[i]);
        lg_strbuf_puts(&sig, lg_bind__type_name(b, s->args[i]->type));
    }
    lg_strbuf_putc(&sig, ')');
    const char *what = b->calling ? "procedure" : "function";
    if (ambiguous) {
        lg_bind__error(b, s->loc, "42725", "%s %s is not unique", what, sig.data);
        lg_error_hint(b->err,
                      "Could not choose a best candidate %s. "
                      "You might need to add explicit type casts.",
                      what);
    } else {
        lg_bind__error(b, s->loc, "42883", "%s %s does not exist", what, sig.data);
        lg_error_hint(b->err,
                      "No %s matches the given name and argument types. "
                      "You might need to add explicit type casts.",
                      what);
    }
    lg_strbuf_fini(&sig);
    return LG_SQL;
}

/* text(x), int4(x): a cast in disguise, when no function fits. */
static lg_status
try_cast_call(lg_bind *b, const lg_call_site *s, lg_expr **ret)
{
    *ret = NULL;
    if (s->nargs != 1 || s->arg_names || s->star || s->distinct)
        return LG_OK;
    const lg_type *t = lg_type_by_name(s->name);
    if (!t || t->typtype == 'p')
        return LG_OK;
    lg_oid from = s->args[0]->type;
    bool ok = from == LG_T_UNKNOWN;
    if (!ok) {
        const lg_cast *c = lg_cast_find(from, t->oid);
        ok = from == t->oid || (c && c->method == 'b') ||
             (!c && (lg_bind__is_string(from) || lg_bind__is_string(t->oid)));
    }
    if (!ok)
        return LG_OK;
    return lg_bind__coerce_to(b, s->args[0], t->oid, -1, LG_COERCE_EXPLICIT, LG_FORM_EXPLICIT,
                              s->loc, ret);
}

/* A procedure as CALL sees it: arguments for OUT parameters are given too. */
static const lg_func *
as_called(lg_bind *b, const lg_proc *p)
{
    lg_proc *q = lg_arena_dup(b->arena, p, sizeof *q);
    lg_oid *types = LG_NEWN(b->arena, lg_oid, p->nall + 1);
    for (uint32_t i = 0; i < p->nall; i++)
        types[i] = p->all_types[i];
    q->func.args = types;
    q->func.nargs = (uint16_t)p->nall;
    q->in_names = p->names;
    return &q->func;
}

static void
add_fits(lg_bind *b, const lg_func *f, const lg_call_site *s, uint32_t path, cand *c, uint32_t *k)
{
    const lg_proc *p = f->flags & LG_FUNC_USER ? lg_proc_of(f) : NULL;
    const lg_proc *call = b->calling && p && f->kind == 'p' && f->n_out ? p : NULL;
    if (call)
        f = as_called(b, call);
    for (int expand = 0; expand < 2; expand++)
        if (!(expand && s->variadic) && fit(b, f, s, expand, &c[*k])) {
            c[*k].path = path;
            c[(*k)++].call = call;
        }
}

static lg_status
collect(lg_bind *b, const lg_call_site *s, cand **ret, uint32_t *ret_n)
{
    uint32_t n = 0, np = 0, catalog = 0;
    const lg_func *all = NULL;
    lg_proc **procs = NULL;
    /* information_schema has helpers of its own, which drivers call by their full name */
    bool helper = !strncmp(s->name, "_pg_", 4);
    if (helper ? s->schema && !strcmp(s->schema, "information_schema")
               : !s->schema || !strcmp(s->schema, "pg_catalog"))
        all = lg_func_by_name(s->name, &n);
    if (b->catalog.procs && (!s->schema || strcmp(s->schema, "pg_catalog") != 0)) {
        lg_status st =
            b->catalog.procs(b->catalog.arg, s->schema, s->name, b->arena, &procs, &np, &catalog);
        if (st == LG_NOT_FOUND)
            return lg_bind__error(b, s->loc, "3F000", "schema \"%s\" does not exist", s->schema);
        if (st != LG_OK)
            return lg_error_from_status(b->err, st), st;
    }
    cand *c = LG_NEWN(b->arena, cand, 2 * (n + np) + 1);
    *ret_n = 0;
    for (uint32_t i = 0; all && i < n; i++)
        add_fits(b, &all[i], s, catalog, c, ret_n);
    for (uint32_t i = 0; i < np; i++)
        add_fits(b, &procs[i]->func, s, procs[i]->path, c, ret_n);
    *ret = c;
    return LG_OK;
}

/* Of two candidates with equal argument types the one that comes first in the search path, then the
 * one without defaults or VARIADIC expansion. */
static uint32_t
drop_worse_twins(cand *c, uint32_t n)
{
    uint32_t k = 0;
    bool *worse = (bool[1024]){false};
    n = n > 1024 ? 1024 : n;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n && !worse[i]; j++)
            worse[i] = j != i && !memcmp(c[i].args, c[j].args, c[i].nargs * sizeof(lg_oid)) &&
                       (c[j].path < c[i].path ||
                        (c[j].path == c[i].path &&
                         ((c[i].variadic && !c[j].variadic) ||
                          (c[i].variadic == c[j].variadic && c[i].ndefaults > c[j].ndefaults))));
    for (uint32_t i = 0; i < n; i++)
        if (!worse[i])
            c[k++] = c[i];
    return k;
}

static lg_status
resolve(lg_bind *b, const lg_call_site *s, cand *ret, lg_expr **ret_cast)
{
    lg_oid types[MAX_ARGS];
    *ret_cast = NULL;
    if (s->nargs > MAX_ARGS)
        return lg_bind__error(b, s->loc, "54023",
                              "cannot pass more than %u arguments to a function", MAX_ARGS);
    for (uint32_t i = 0; i < s->nargs; i++)
        types[i] = s->args[i]->type;
    cand *c = NULL;
    uint32_t n = 0, exact = 0;
    LG_TRY(collect(b, s, &c, &n));
    n = drop_worse_twins(c, n);
    for (uint32_t i = 0; i < n; i++)
        if (!memcmp(c[i].args, types, s->nargs * sizeof(lg_oid))) {
            *ret = c[i];
            exact++;
        }
    if (exact == 1)
        return LG_OK;
    if (exact > 1)
        return func_missing(b, s, true);
    LG_TRY(try_cast_call(b, s, ret_cast));
    if (*ret_cast)
        return LG_OK;
    n = match_args(c, n, types);
    if (n > 1)
        n = select_candidate(c, n, types);
    if (n != 1)
        return func_missing(b, s, n > 1);
    *ret = c[0];
    return LG_OK;
}

/* The last `n` of the function's default expressions, parsed and bound. */
static lg_status
add_defaults(lg_level *l, const lg_func *f, bool *have, lg_expr **args, const lg_oid *declared)
{
    lg_bind *b = l->b;
    lg_ast *list;
    LG_TRY(lg_parse_expr(b->run, lg_arena_printf(b->arena, "ROW(%s)", f->defaults), b->arena,
                         b->err, &list));
    const lg_ast_list *d = &lg_ast_as(list, row_expr)->args;
    for (uint32_t i = 0; i < f->nargs; i++) {
        if (have[i])
            continue;
        uint32_t first = (uint32_t)f->nargs - f->ndefaults;
        if (i < first || i - first >= d->n)
            return LG_INTERNAL;
        const char *sql = b->sql;
        b->sql = NULL;
        LG_TRY(lg_bind__expr(l, d->at[i - first], &args[i]));
        b->sql = sql;
        LG_TRY(lg_bind__coerce(b, args[i], declared[i], -1, LG_COERCE_IMPLICIT, LG_FORM_IMPLICIT,
                               -1, &args[i]));
    }
    return LG_OK;
}

/* VARIADIC arguments beyond the fixed ones become one array. "any" stays as it is. */
static void
pack_variadic(lg_bind *b, const cand *c, lg_expr **args, uint32_t *n, lg_oid elem)
{
    const lg_func *f = c->func;
    if (!c->variadic || f->variadic == LG_T_ANY)
        return;
    uint32_t fixed = (uint32_t)f->nargs - 1, m = *n - fixed;
    lg_expr *arr = lg_expr_new(b->arena, LG_EX_ARRAY, lg_bind__array_of(elem), m);
    for (uint32_t i = 0; i < m; i++)
        arr->args[i] = args[fixed + i];
    args[fixed] = arr;
    *n = fixed + 1;
}

static uint32_t min_level_of(const lg_expr *e, uint32_t deep, uint32_t best);

typedef struct level_scan {
    uint32_t deep, best;
} level_scan;

static bool scan_level(const lg_expr *e, void *arg);

static void
scan_query_levels(const lg_query *q, level_scan *s)
{
    level_scan in = {s->deep + 1, s->best};
    for (uint32_t i = 0; i < q->ntargets; i++)
        scan_level(q->targets[i].expr, &in);
    if (q->where)
        scan_level(q->where, &in);
    if (q->having)
        scan_level(q->having, &in);
    s->best = in.best;
}

static bool
scan_level(const lg_expr *e, void *arg)
{
    level_scan *s = arg;
    if (e->kind == LG_EX_VAR && e->var.up >= s->deep && e->var.up - s->deep < s->best)
        s->best = e->var.up - s->deep;
    if (e->kind == LG_EX_AGG && e->agg.up >= s->deep && e->agg.up - s->deep < s->best)
        s->best = e->agg.up - s->deep;
    if (e->kind == LG_EX_SUBLINK)
        scan_query_levels(e->sublink.query, s);
    return lg_expr_walk(e, scan_level, arg);
}

static uint32_t
min_level_of(const lg_expr *e, uint32_t deep, uint32_t best)
{
    level_scan s = {deep, best};
    scan_level(e, &s);
    return s.best;
}

typedef struct nested_agg {
    uint32_t up;
    int32_t loc;
} nested_agg;

static bool
agg_of_level(const lg_expr *e, void *arg)
{
    nested_agg *n = arg;
    if ((e->kind == LG_EX_AGG && e->agg.up == n->up) || (e->kind == LG_EX_GROUPING && !n->up)) {
        n->loc = e->loc;
        return true;
    }
    return lg_expr_walk(e, agg_of_level, arg);
}

/* Where aggregates may not stand, with PostgreSQL's words. */
static lg_status
check_agg_place(lg_level *l, const lg_expr *agg, int32_t loc)
{
    lg_level *at = l;
    for (uint32_t i = 0; i < agg->agg.up && at->parent; i++)
        at = at->parent;
    const char *where = NULL;
    switch (at->clause) {
    case LG_CL_TARGET:
    case LG_CL_HAVING:
    case LG_CL_ORDER_BY:
    case LG_CL_DISTINCT_ON:
    case LG_CL_WINDOW_PARTITION:
    case LG_CL_WINDOW_ORDER:
    case LG_CL_NONE:
        return LG_OK;
    case LG_CL_JOIN_ON:
    case LG_CL_JOIN_USING:
        return lg_bind__error(l->b, loc, "42803",
                              "aggregate functions are not allowed in JOIN conditions");
    case LG_CL_FROM_FUNCTION:
        return lg_bind__error(l->b, loc, "42803",
                              "aggregate functions are not allowed in functions in FROM");
    default:
        where = lg_bind__clause_name(at->clause);
    }
    return lg_bind__error(l->b, loc, "42803", "aggregate functions are not allowed in %s", where);
}

static lg_status
bind_agg_order(lg_level *l, const lg_ast_func_call *c, lg_expr *agg)
{
    agg->agg.norder = c->agg_order.n;
    agg->agg.order = LG_NEWN(l->b->arena, lg_sort_item, c->agg_order.n + 1);
    for (uint32_t i = 0; i < c->agg_order.n; i++) {
        const lg_ast_sort_by *s = lg_ast_as(c->agg_order.at[i], sort_by);
        lg_expr *e;
        LG_TRY(lg_bind__expr(l, s->node, &e));
        LG_TRY(lg_bind__resolve_unknown(l->b, &e));
        LG_TRY(lg_bind__order_item(l, s, e, &agg->agg.order[i]));
        agg->agg.order[i].expr = e;
        bool listed = !c->agg_distinct;
        for (uint32_t k = 0; k < agg->nargs && !listed; k++)
            listed = lg_expr_equal(agg->args[k], e);
        if (!listed)
            return lg_bind__error(l->b, lg_bind__expr_loc(e), "42P10",
                                  "in an aggregate with DISTINCT, ORDER BY expressions must appear "
                                  "in argument list");
    }
    return LG_OK;
}

static lg_status
make_agg(lg_level *l, const lg_call_site *s, const lg_func *f, lg_oid type, uint32_t n,
         lg_expr **args, lg_expr **ret)
{
    lg_bind *b = l->b;
    lg_expr *e = lg_expr_new(b->arena, LG_EX_AGG, type, n);
    for (uint32_t i = 0; i < n; i++)
        e->args[i] = args[i];
    e->agg.func = f;
    e->agg.star = s->star;
    e->agg.distinct = s->distinct;
    e->variadic = s->variadic;
    e->loc = s->loc;
    for (uint32_t i = 0; i < n; i++)
        LG_TRY(lg_bind__no_sets(b, args[i],
                                "aggregate function calls cannot contain set-returning function "
                                "calls"));
    LG_TRY(lg_bind__collate(b, e));
    if (s->ast) {
        if (s->within_group)
            LG_TRY(lg_bind__within(l, s, e));
        else
            LG_TRY(bind_agg_order(l, s->ast, e));
        if (s->ast->agg_filter) {
            lg_clause was = l->clause;
            lg_expr *filter;
            LG_TRY(lg_bind__condition(l, s->ast->agg_filter, LG_CL_FILTER, "FILTER", &filter));
            l->clause = was;
            e->agg.filter = filter;
        }
    }
    for (uint32_t i = 0; i < e->agg.norder; i++)
        LG_TRY(lg_bind__no_sets(b, e->agg.order[i].expr,
                                "aggregate function calls cannot contain set-returning function "
                                "calls"));
    if (s->distinct && !n)
        return lg_bind__error(b, s->loc, "42809", "DISTINCT specified, but %s has no arguments",
                              s->name);
    uint32_t up = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++)
        up = min_level_of(args[i], 0, up);
    for (uint32_t i = 0; i < e->agg.norder; i++)
        up = min_level_of(e->agg.order[i].expr, 0, up);
    if (e->agg.filter)
        up = min_level_of(e->agg.filter, 0, up);
    e->agg.up = up == UINT32_MAX ? 0 : up;
    nested_agg nested = {e->agg.up, -1};
    args = e->args;
    for (uint32_t i = 0; i < n; i++)
        if (agg_of_level(args[i], &nested))
            return lg_bind__error(b, nested.loc, "42803",
                                  "aggregate function calls cannot be nested");
    for (uint32_t i = 0; i < n; i++)
        if (lg_expr_has_kind(args[i], LG_EX_WINDOW))
            return lg_bind__error(b, lg_bind__window_loc(args[i]), "42803",
                                  "aggregate function calls cannot contain window function calls");
    LG_TRY(check_agg_place(l, e, s->loc));
    lg_level *at = l;
    for (uint32_t i = 0; i < e->agg.up && at->parent; i++)
        at = at->parent;
    at->q->has_aggs = true;
    *ret = e;
    return LG_OK;
}

static lg_status
check_call_form(lg_bind *b, const lg_call_site *s, const lg_func *f)
{
    const lg_ast_func_call *c = s->ast;
    if ((f->kind == 'p') != b->calling) {
        const char *types = "";
        for (uint32_t i = 0; i < s->nargs; i++)
            types = lg_arena_printf(b->arena, "%s%s%s", types, i ? ", " : "",
                                    lg_bind__type_name(b, s->args[i]->type));
        lg_bind__error(b, s->loc, "42809", "%s(%s) is %s", s->name, types,
                       b->calling ? "not a procedure" : "a procedure");
        lg_error_hint(b->err, b->calling ? "To call a function, use SELECT."
                                         : "To call a procedure, use CALL.");
        return LG_SQL;
    }
    if (f->kind == 'a') {
        if (!s->nargs && !s->star)
            return lg_bind__error(b, s->loc, "42809",
                                  "%s(*) must be used to call a parameterless aggregate function",
                                  s->name);
        return LG_OK;
    }
    if (f->kind == 'w' && c && c->over)
        return LG_OK;
    if (f->kind == 'w')
        return lg_bind__error(b, s->loc, "42809", "window function %s requires an OVER clause",
                              s->name);
    if (s->star)
        return lg_bind__error(b, s->loc, "42809",
                              "%s(*) specified, but %s is not an aggregate function", s->name,
                              s->name);
    if (s->within_group)
        return lg_bind__error(b, s->loc, "42809",
                              "WITHIN GROUP specified, but %s is not an aggregate function",
                              s->name);
    if (s->distinct)
        return lg_bind__error(b, s->loc, "42809",
                              "DISTINCT specified, but %s is not an aggregate function", s->name);
    if (c && c->agg_order.n)
        return lg_bind__error(b, s->loc, "42809",
                              "ORDER BY specified, but %s is not an aggregate function", s->name);
    if (c && c->agg_filter)
        return lg_bind__error(b, s->loc, "42809",
                              "FILTER specified, but %s is not an aggregate function", s->name);
    return LG_OK;
}

static bool
set_loc(const lg_expr *e, void *arg)
{
    if (e->kind == LG_EX_FUNC && lg_func_retset(e->func.func))
        *(int32_t *)arg = lg_bind__expr_loc(e);
    else
        lg_expr_walk(e, set_loc, arg);
    return false;
}

lg_status
lg_bind__no_sets(lg_bind *b, const lg_expr *e, const char *message)
{
    int32_t loc = -1;
    if (!lg_expr_returns_set(e))
        return LG_OK;
    set_loc(e, &loc);
    lg_bind__error(b, loc, "0A000", "%s", message);
    lg_error_hint(b->err,
                  "You might be able to move the set-returning function into a LATERAL FROM "
                  "item.");
    return LG_SQL;
}

static lg_status
check_set_place(lg_level *l, int32_t loc)
{
    switch (l->clause) {
    case LG_CL_TARGET:
    case LG_CL_FROM_FUNCTION:
    case LG_CL_NONE:
    case LG_CL_ORDER_BY:
    case LG_CL_GROUP_BY:
    case LG_CL_DISTINCT_ON:
    case LG_CL_INSERT_TARGET:
    case LG_CL_VALUES_SINGLE:
        if (l->clause != LG_CL_FROM_FUNCTION)
            l->q->has_srfs = true;
        return LG_OK;
    case LG_CL_JOIN_ON:
    case LG_CL_JOIN_USING:
        return lg_bind__error(l->b, loc, "0A000",
                              "set-returning functions are not allowed in JOIN conditions");
    default:
        return lg_bind__error(l->b, loc, "0A000", "set-returning functions are not allowed in %s",
                              lg_bind__clause_name(l->clause));
    }
}

/* A function of a user: may it be called? Noted for who depends on it. */
static lg_status
use_proc(lg_bind *b, const lg_call_site *s, const lg_proc *p)
{
    bool ok = true;
    if (s->schema && b->catalog.schema_usable)
        LG_TRY(b->catalog.schema_usable(b->catalog.arg, s->schema, &ok));
    if (!ok)
        return lg_bind__error(b, s->loc, "42501", "permission denied for schema %s", s->schema);
    if (b->catalog.proc_usable)
        LG_TRY(b->catalog.proc_usable(b->catalog.arg, p, &ok));
    if (!ok)
        return lg_bind__error(b, -1, "42501", "permission denied for %s %s",
                              p->func.kind == 'p' ? "procedure" : "function", p->func.name);
    if (b->view_depth)
        return LG_OK;
    for (uint32_t i = 0; i < b->nprocs; i++)
        if (b->procs[i] == p->func.oid)
            return LG_OK;
    if (b->nprocs == b->procs_cap) {
        uint32_t cap = b->procs_cap ? 2 * b->procs_cap : 4;
        lg_oid *more = LG_NEWN(b->arena, lg_oid, cap);
        if (b->nprocs)
            memcpy(more, b->procs, b->nprocs * sizeof *more);
        b->procs = more;
        b->procs_cap = cap;
    }
    b->procs[b->nprocs++] = p->func.oid;
    return LG_OK;
}

lg_status
lg_bind__call(lg_level *l, const lg_call_site *s, lg_expr **ret)
{
    lg_bind *b = l->b;
    cand c = {0};
    lg_expr *cast;
    LG_TRY(resolve(b, s, &c, &cast));
    if (cast) {
        *ret = cast;
        return LG_OK;
    }
    const lg_func *f = c.func;
    LG_TRY(check_call_form(b, s, f));
    b->calling = false; /* not in what follows */
    if (f->flags & LG_FUNC_USER)
        LG_TRY(use_proc(b, s, lg_proc_of(f)));
    if (f->kind == 'a')
        LG_TRY(lg_bind__within_check(l, s, f));
    if (s->within_group && lg_agg_kind(f->oid, NULL) == 'h')
        LG_TRY(lg_bind__within_unify(l, s));
    bool over = s->ast && s->ast->over;
    if (over && f->kind != 'a' && f->kind != 'w')
        return lg_bind__error(b, s->loc, "42809",
                              "OVER specified, but %s is not a window function nor an aggregate "
                              "function",
                              s->name);
    uint32_t total = s->nargs + c.ndefaults, n = total;
    lg_expr **args = LG_NEWN(b->arena, lg_expr *, total + 1);
    lg_oid *declared = LG_NEWN(b->arena, lg_oid, total + 1);
    lg_oid *actual = LG_NEWN(b->arena, lg_oid, total + 1);
    bool *have = LG_NEWN(b->arena, bool, total + 1);
    for (uint32_t i = 0; i < s->nargs; i++) {
        uint32_t at = c.order ? c.order[i] : i;
        args[at] = s->args[i];
        have[at] = true;
        declared[at] = c.args[i];
        if (f->flags & LG_FUNC_USER && at < f->nargs && lg_usertype_is_domain(f->args[at]))
            declared[at] = f->args[at];
        actual[at] = s->args[i]->type;
    }
    for (uint32_t i = 0; i < total; i++)
        if (!have[i]) {
            declared[i] = f->args[i];
            actual[i] = f->args[i];
        }
    lg_oid result;
    LG_TRY(lg_bind__enforce_generic(b, actual, declared, total, f->result, &result));
    for (uint32_t i = 0; i < total; i++)
        if (have[i])
            LG_TRY(coerce_args(b, 1, &args[i], &declared[i]));
    if (c.ndefaults)
        LG_TRY(add_defaults(l, f, have, args, declared));
    if (s->variadic && n && f->variadic == LG_T_ANY && !lg_type_elem(args[n - 1]->type))
        return lg_bind__error(b, lg_bind__expr_loc(args[n - 1]), "42804",
                              "VARIADIC argument must be an array");
    pack_variadic(b, &c, args, &n, total ? declared[total - 1] : 0);
    if (c.call) { /* only the inputs are passed on */
        uint32_t k = 0;
        for (uint32_t i = 0; i < n && i < c.call->nall; i++)
            if (c.call->modes[i] != 'o')
                args[k++] = args[i];
        n = k;
        f = &c.call->func;
        result = f->result;
    }
    if (over)
        return lg_bind__window_call(l, s, f, result, n, args, ret);
    if (f->kind == 'a')
        return make_agg(l, s, f, result, n, args, ret);
    if (f->oid == 1619 && args[0]->domain) { /* pg_typeof: values do not know of their domain */
        *ret = lg_expr_const(b->arena, LG_T_REGTYPE, args[0]->domain, false);
        (*ret)->loc = s->loc;
        return LG_OK;
    }
    lg_oid domain = lg_usertype_is_domain(result) ? result : 0;
    if (domain)
        LG_TRY(lg_usertype_base(b->env, domain, b->arena, b->err, &result, NULL));
    lg_expr *e = lg_expr_call(b->arena, f, NULL, n, args);
    e->type = result;
    e->domain = domain;
    e->loc = s->loc;
    e->ndefaults = c.order || c.call ? 0 : (uint8_t)c.ndefaults;
    e->variadic = s->variadic || (c.variadic && f->variadic != LG_T_ANY);
    LG_TRY(lg_bind__collate(b, e));
    if (lg_func_retset(f))
        LG_TRY(check_set_place(l, s->loc));
    *ret = e;
    return LG_OK;
}
