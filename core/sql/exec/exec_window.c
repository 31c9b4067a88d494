/* Window functions. The child's rows come sorted by partition and order; one partition at a time
 * is kept (on a temporary file when it is too large), and the rows are given out with the functions'
 * results appended, which are computed as they are asked for.
 *
 * AGGREGATES over a frame, by what the frame and the aggregate allow:
 *   GROW     the frame's start stays: rows are only added
 *   SLIDE    the aggregate can take rows back (unstep): added at one end, taken back at the other
 *   TREE     else, where partial results merge exactly: states of blocks of 16 rows, of 16 blocks,
 *            and so on; a frame of m rows costs some 30 log16(m) steps
 *   AGAIN    else: from the start whenever the frame's start has moved (floating point sums, whose
 *            result depends on the order of addition, and concatenations). As PostgreSQL.
 * Two rows with the same frame share the result. */
#include "exec_window.h"
#include "type.h"
#include <string.h>

#define FAN 16u

enum func_kind {
    F_AGG,
    F_ROW_NUMBER,
    F_RANK,
    F_DENSE_RANK,
    F_PERCENT_RANK,
    F_CUME_DIST,
    F_NTILE,
    F_LAG,
    F_LEAD,
    F_FIRST,
    F_LAST,
    F_NTH,
};

enum agg_mode { M_GROW, M_SLIDE, M_TREE, M_AGAIN };

struct tree {
    char **levels; /* level k: states of FAN^(k+1) rows each */
    uint64_t *counts;
    uint32_t nlevels;
};

struct wfunc {
    const lg_expr *e;
    enum func_kind kind;
    lg_xcursor add, back, arg; /* in the rows: stepped, taken back, others */
    /* aggregates */
    const lg_agg *agg;
    enum agg_mode mode;
    lg_call call;
    lg_datum *args;
    uint8_t *arg_nulls;
    size_t size;    /* of a state */
    char *state;    /* of rows [from, upto) */
    lg_arena *perm; /* what the state grows in */
    uint64_t from, upto;
    bool started;
    struct tree tree;
    bool have_last; /* the value of the frame last asked for */
    uint64_t nranges, last_from[3], last_to[3];
    lg_datum last;
    bool last_null;
    lg_arena *last_arena;
    /* ntile */
    int64_t buckets;
};

struct window {
    struct wfunc *f;
    lg_xstore store;
    lg_arena *part;      /* of the partition */
    lg_arena *tmp;       /* of one row */
    lg_arena *out;       /* results of one batch */
    lg_xcursor key, cur; /* the partition's first row, the row given out */
    lg_status st;        /* of reading rows */
    lg_xframe frame;
    lg_equal_fn *part_eq;
    lg_xbatch *input; /* the child's batch, and the next row in it */
    uint32_t input_at;
    bool input_done;
    uint64_t pos; /* next row to give out */
};

/* ---- opening ---- */

static enum func_kind
kind_of(lg_oid func)
{
    switch (func) {
    case 3100:
        return F_ROW_NUMBER;
    case 3101:
        return F_RANK;
    case 3102:
        return F_DENSE_RANK;
    case 3103:
        return F_PERCENT_RANK;
    case 3104:
        return F_CUME_DIST;
    case 3105:
        return F_NTILE;
    case 3106:
    case 3107:
    case 3108:
        return F_LAG;
    case 3109:
    case 3110:
    case 3111:
        return F_LEAD;
    case 3112:
        return F_FIRST;
    case 3113:
        return F_LAST;
    case 3114:
        return F_NTH;
    default:
        return F_AGG;
    }
}

static bool
merges_exactly(const lg_expr *e, const lg_agg *agg)
{
    if (!agg->merge || lg_type_is_array(lg_type_get(e->type)))
        return false;
    if (lg_agg_sort_operator(agg->func))
        return true;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (e->args[i]->type == LG_T_FLOAT4 || e->args[i]->type == LG_T_FLOAT8)
            return false;
    return true;
}

static lg_status
open_agg(lg_xnode *s, struct wfunc *f)
{
    lg_exec *x = s->x;
    int32_t fr = s->plan->window.frame;
    f->agg = lg_agg_get(f->e->agg.func->oid);
    if (!f->agg)
        return lg_error_set(x->es->err, "0A000", "aggregate %s is not supported",
                            f->e->agg.func->name);
    f->perm = lg_arena_create("window state", 1024);
    f->last_arena = lg_arena_create("window value", 256);
    f->args = LG_NEWN(x->arena, lg_datum, f->e->nargs + 1);
    f->arg_nulls = LG_NEWN(x->arena, uint8_t, f->e->nargs + 1);
    f->size = (f->agg->state_size + 15u) & ~(size_t)15;
    f->state = lg_arena_zalloc(x->arena, f->size + 1);
    lg_call_init(&f->call, f->e->agg.func, x->es->env, x->es->err, s->scratch, f->perm);
    lg_oid *types = LG_NEWN(x->arena, lg_oid, f->e->nargs + 1);
    for (uint32_t i = 0; i < f->e->nargs; i++)
        types[i] = f->e->args[i]->type;
    f->call.argtypes = types;
    f->call.args = f->args;
    f->call.nulls = f->arg_nulls;
    f->call.nargs = f->e->nargs;
    f->call.rettype = f->e->type;
    f->call.collation = f->e->collation;
    bool whole = !(fr & LG_FRAME_EXCLUSION);
    if (whole && (fr & LG_FRAME_START_UNBOUNDED))
        f->mode = M_GROW;
    else if (whole && f->agg->unstep)
        f->mode = M_SLIDE;
    else
        f->mode = merges_exactly(f->e, f->agg) ? M_TREE : M_AGAIN;
    return LG_OK;
}

static lg_status
window_open(lg_xnode *s)
{
    struct window *w = s->state = LG_NEW(s->x->arena, struct window);
    const lg_node *p = s->plan;
    uint32_t nin = p->left->ncols;
    lg_xstore_init_spill(&w->store, s->x, nin, lg_xnode_types(s, p->left), lg_xbudget_sort(s->x));
    w->out = lg_arena_create("window results", 4096);
    w->part = lg_arena_create("window", 8 << 10);
    w->tmp = lg_arena_create("window row", 1024);
    w->f = LG_NEWN(s->x->arena, struct wfunc, p->window.nfuncs + 1);
    lg_oid *types = LG_NEWN(s->x->arena, lg_oid, nin + p->window.nfuncs + 1);
    for (uint32_t i = 0; i < nin; i++)
        types[i] = p->left->cols[i].type;
    for (uint32_t i = 0; i < p->window.nfuncs; i++) {
        struct wfunc *f = &w->f[i];
        f->e = p->window.funcs[i];
        f->kind = kind_of(f->e->agg.func->oid);
        types[nin + i] = f->e->type;
        if (f->kind == F_AGG)
            LG_TRY(open_agg(s, f));
    }
    w->part_eq = LG_NEWN(s->x->arena, lg_equal_fn, p->window.npart + 1);
    for (uint32_t i = 0; i < p->window.npart; i++)
        if (!(w->part_eq[i] = lg_type_equal_fn(p->window.part[i].type)))
            return lg_error_set(s->x->es->err, "42883",
                                "could not identify an equality operator for type %s",
                                lg_type_format(s->x->arena, p->window.part[i].type, -1));
    lg_xbatch_init(&s->in, s->x->arena, nin + p->window.nfuncs, types, LG_BATCH);
    return lg_xframe_open(&w->frame, s->x, p, s->x->arena, w->tmp);
}

/* ---- arguments ---- */

/* False: NULL, or w->st says why not. */
static bool
arg_at(struct window *w, lg_xcursor *at, const lg_expr *e, uint64_t row, lg_datum *ret)
{
    const lg_datum *r;
    if (e->kind == LG_EX_CONST) {
        *ret = e->konst.value;
        return !e->konst.isnull;
    }
    lg_status st = lg_xstore_row(&w->store, at, row, &r);
    if (st != LG_OK) {
        w->st = st;
        return false;
    }
    *ret = r[e->slot];
    return !lg_xrow_nulls(r, w->store.ncols)[e->slot];
}

static lg_status
yield_now(lg_xnode *s)
{
    if (!lg_fiber_self() || !lg_fiber_should_yield())
        return LG_OK;
    lg_fiber_yield();
    return s->x->es->check_cancel ? s->x->es->check_cancel(s->x->es->arg) : LG_OK;
}

/* ---- aggregates ---- */

static void
state_init(struct wfunc *f, void *state, lg_arena *perm)
{
    memset(state, 0, f->size);
    f->call.perm = perm;
    f->call.cache = NULL;
    if (f->agg->init)
        f->agg->init(&f->call, state);
}

static lg_status
call_status(lg_call *c)
{
    lg_status st = c->st;
    c->st = LG_OK;
    return st;
}

static lg_status
step(lg_xnode *s, struct wfunc *f, void *state, uint64_t row, bool back)
{
    struct window *w = s->state;
    lg_xcursor *at = back ? &f->back : &f->add;
    lg_datum v;
    if (f->e->agg.filter && (!arg_at(w, at, f->e->agg.filter, row, &v) || !lg_bool(v)))
        return w->st;
    for (uint32_t i = 0; i < f->e->nargs; i++)
        f->arg_nulls[i] = !arg_at(w, at, f->e->args[i], row, &f->args[i]);
    LG_TRY(w->st);
    f->call.arena = w->tmp;
    (back ? f->agg->unstep : f->agg->step)(&f->call, state);
    if ((row & 1023) == 1023) {
        lg_arena_reset(w->tmp);
        LG_TRY(yield_now(s));
    }
    return call_status(&f->call);
}

static lg_status
tree_build(lg_xnode *s, struct wfunc *f)
{
    struct window *w = s->state;
    uint64_t n = w->store.n;
    struct tree *t = &f->tree;
    t->levels = LG_NEWN(w->part, char *, 17);
    t->counts = LG_NEWN(w->part, uint64_t, 17);
    t->nlevels = 0;
    for (uint64_t below = n; below >= FAN; below = t->counts[t->nlevels++]) {
        uint64_t count = t->counts[t->nlevels] = below / FAN;
        char *states = t->levels[t->nlevels] = lg_arena_alloc(w->part, count * f->size + 1);
        for (uint64_t i = 0; i < count; i++) {
            char *to = states + i * f->size;
            state_init(f, to, w->part);
            for (uint64_t k = i * FAN; k < (i + 1) * FAN; k++) {
                if (!t->nlevels) {
                    LG_TRY(step(s, f, to, k, false));
                    continue;
                }
                f->call.arena = w->tmp;
                f->agg->merge(&f->call, to, t->levels[t->nlevels - 1] + k * f->size);
                LG_TRY(call_status(&f->call));
            }
        }
        lg_arena_reset(w->tmp);
    }
    return LG_OK;
}

static lg_status
tree_add(lg_xnode *s, struct wfunc *f, uint32_t level, uint64_t at)
{
    struct window *w = s->state;
    if (!level)
        return step(s, f, f->state, at, false);
    f->call.arena = w->tmp;
    f->agg->merge(&f->call, f->state, f->tree.levels[level - 1] + at * f->size);
    return call_status(&f->call);
}

/* [from, to) of a level into the state, in order. */
static lg_status
tree_query(lg_xnode *s, struct wfunc *f, uint32_t level, uint64_t from, uint64_t to)
{
    uint64_t end = to - to % FAN;
    for (; from < to && (from % FAN || level == f->tree.nlevels || from >= end); from++)
        LG_TRY(tree_add(s, f, level, from));
    if (from >= to)
        return LG_OK;
    LG_TRY(tree_query(s, f, level + 1, from / FAN, end / FAN));
    for (from = end; from < to; from++)
        LG_TRY(tree_add(s, f, level, from));
    return LG_OK;
}

static void
restart(struct wfunc *f, uint64_t at)
{
    lg_arena_reset(f->perm);
    state_init(f, f->state, f->perm);
    f->from = f->upto = at;
    f->started = true;
}

static lg_status
agg_slide(lg_xnode *s, struct wfunc *f, uint64_t head, uint64_t tail)
{
    if (!f->started || head >= f->upto)
        restart(f, head);
    f->call.perm = f->perm;
    for (; f->from < head; f->from++)
        LG_TRY(step(s, f, f->state, f->from, true));
    for (; f->upto < tail; f->upto++)
        LG_TRY(step(s, f, f->state, f->upto, false));
    return LG_OK;
}

/* One stretch that begins where the last one began goes on from there. */
static lg_status
agg_again(lg_xnode *s, struct wfunc *f, const lg_xframe *fr)
{
    bool on = f->started && fr->nranges == 1 && fr->from[0] == f->from && fr->to[0] >= f->upto;
    if (!on)
        restart(f, fr->nranges ? fr->from[0] : 0);
    f->call.perm = f->perm;
    for (uint64_t r = 0; r < fr->nranges; r++)
        for (uint64_t i = on ? f->upto : fr->from[r]; i < fr->to[r]; i++)
            LG_TRY(step(s, f, f->state, i, false));
    f->upto = fr->nranges ? fr->to[0] : 0;
    f->started = fr->nranges == 1;
    return LG_OK;
}

static lg_status
agg_tree(lg_xnode *s, struct wfunc *f, const lg_xframe *fr)
{
    if (!f->tree.levels)
        LG_TRY(tree_build(s, f));
    restart(f, 0);
    for (uint64_t r = 0; r < fr->nranges; r++)
        LG_TRY(tree_query(s, f, 0, fr->from[r], fr->to[r]));
    return LG_OK;
}

static lg_status
agg_value(lg_xnode *s, struct wfunc *f, lg_datum *ret, bool *ret_null)
{
    struct window *w = s->state;
    const lg_xframe *fr = &w->frame;
    bool same = f->have_last && f->nranges == fr->nranges;
    for (uint64_t i = 0; same && i < fr->nranges; i++)
        same = f->last_from[i] == fr->from[i] && f->last_to[i] == fr->to[i];
    if (!same) {
        uint64_t head = fr->nranges ? fr->from[0] : 0, tail = fr->nranges ? fr->to[0] : 0;
        if (f->mode == M_TREE)
            LG_TRY(agg_tree(s, f, fr));
        else if (f->mode == M_AGAIN)
            LG_TRY(agg_again(s, f, fr));
        else if (fr->nranges || !f->started)
            LG_TRY(agg_slide(s, f, head, tail));
        else
            restart(f, 0);
        f->call.arena = w->tmp;
        f->call.perm = f->perm;
        f->call.isnull = false;
        lg_datum v = f->agg->final(&f->call, f->state);
        LG_TRY(call_status(&f->call));
        f->last_null = f->call.isnull;
        lg_arena_reset(f->last_arena);
        f->last = f->last_null ? 0 : lg_datum_copy(f->e->type, v, f->last_arena);
        f->have_last = true;
        f->nranges = fr->nranges;
        memcpy(f->last_from, fr->from, sizeof f->last_from);
        memcpy(f->last_to, fr->to, sizeof f->last_to);
    }
    *ret = f->last;
    *ret_null = f->last_null;
    return LG_OK;
}

/* ---- the other functions ---- */

static lg_status
ntile(lg_xnode *s, struct wfunc *f, uint64_t i, lg_datum *ret, bool *ret_null)
{
    struct window *w = s->state;
    lg_datum v;
    if (!f->buckets) {
        if (!arg_at(w, &f->arg, f->e->args[0], i, &v)) {
            *ret_null = true;
            return LG_OK;
        }
        if (lg_int4(v) <= 0)
            return lg_error_set(s->x->es->err, "22014",
                                "argument of ntile must be greater than zero");
        f->buckets = lg_int4(v);
    }
    uint64_t n = w->store.n, k = (uint64_t)f->buckets, size = n / k, larger = n % k;
    uint64_t at = i < larger * (size + 1) ? i / (size + 1)
                                          : larger + (i - larger * (size + 1)) / (size ? size : 1);
    *ret = lg_datum_int4((int32_t)at + 1);
    return LG_OK;
}

static lg_status
lag_lead(lg_xnode *s, struct wfunc *f, uint64_t i, lg_datum *ret, bool *ret_null)
{
    struct window *w = s->state;
    int64_t by = 1;
    lg_datum v;
    if (f->e->nargs > 1) {
        if (!arg_at(w, &f->arg, f->e->args[1], i, &v)) {
            *ret_null = true;
            return LG_OK;
        }
        by = lg_int4(v);
    }
    int64_t at = (int64_t)i + (f->kind == F_LAG ? -by : by);
    if (at >= 0 && at < (int64_t)w->store.n)
        *ret_null = !arg_at(w, &f->arg, f->e->args[0], (uint64_t)at, ret);
    else
        *ret_null = f->e->nargs < 3 || !arg_at(w, &f->arg, f->e->args[2], i, ret);
    return LG_OK;
}

static lg_status
of_frame(lg_xnode *s, struct wfunc *f, uint64_t i, lg_datum *ret, bool *ret_null)
{
    struct window *w = s->state;
    const lg_xframe *fr = &w->frame;
    uint64_t nth = 0;
    lg_datum v;
    *ret_null = true;
    if (f->kind == F_NTH) {
        if (!arg_at(w, &f->arg, f->e->args[1], i, &v))
            return LG_OK;
        if (lg_int4(v) <= 0)
            return lg_error_set(s->x->es->err, "22016",
                                "argument of nth_value must be greater than zero");
        nth = (uint64_t)lg_int4(v) - 1;
    }
    if (f->kind == F_LAST) {
        if (fr->nranges)
            *ret_null = !arg_at(w, &f->arg, f->e->args[0], fr->to[fr->nranges - 1] - 1, ret);
        return LG_OK;
    }
    for (uint64_t r = 0; r < fr->nranges; r++) {
        uint64_t size = fr->to[r] - fr->from[r];
        if (nth < size) {
            *ret_null = !arg_at(w, &f->arg, f->e->args[0], fr->from[r] + nth, ret);
            return LG_OK;
        }
        nth -= size;
    }
    return LG_OK;
}

static lg_status
compute(lg_xnode *s, struct wfunc *f, uint64_t i, lg_datum *ret, bool *ret_null)
{
    struct window *w = s->state;
    const lg_xframe *fr = &w->frame;
    uint64_t n = w->store.n;
    *ret = 0;
    *ret_null = false;
    switch (f->kind) {
    case F_ROW_NUMBER:
        *ret = lg_datum_int8((int64_t)i + 1);
        return LG_OK;
    case F_RANK:
        *ret = lg_datum_int8((int64_t)fr->peer_from + 1);
        return LG_OK;
    case F_DENSE_RANK:
        *ret = lg_datum_int8((int64_t)fr->group + 1);
        return LG_OK;
    case F_PERCENT_RANK:
        *ret = lg_datum_float8(n > 1 ? (double)fr->peer_from / (double)(n - 1) : 0);
        return LG_OK;
    case F_CUME_DIST:
        *ret = lg_datum_float8((double)fr->peer_end / (double)n);
        return LG_OK;
    case F_NTILE:
        return ntile(s, f, i, ret, ret_null);
    case F_LAG:
    case F_LEAD:
        return lag_lead(s, f, i, ret, ret_null);
    case F_FIRST:
    case F_LAST:
    case F_NTH:
        return of_frame(s, f, i, ret, ret_null);
    case F_AGG:
        return agg_value(s, f, ret, ret_null);
    }
    return LG_INTERNAL;
}

/* ---- partitions ---- */

static bool
same_partition(lg_xnode *s, const lg_datum *row, const lg_xbatch *b, uint32_t at)
{
    const struct window *w = s->state;
    for (uint32_t i = 0; i < s->plan->window.npart; i++) {
        uint32_t slot = s->plan->window.part[i].slot;
        bool an = lg_xrow_nulls(row, w->store.ncols)[slot];
        bool bn = lg_vector_is_null(b->b.cols[slot], at);
        if (an || bn) {
            if (an && bn)
                continue;
            return false;
        }
        if (!w->part_eq[i](row[slot], lg_vector_value(b->b.cols[slot], at)))
            return false;
    }
    return true;
}

/* The next partition's rows into the store; LG_END. */
static lg_status
read_partition(lg_xnode *s)
{
    struct window *w = s->state;
    lg_xstore_reset(&w->store);
    for (;;) {
        if (!w->input) {
            if (w->input_done)
                break;
            lg_status st = lg_xnode_next(s->left, &w->input);
            w->input_at = 0;
            if (st != LG_OK)
                w->input = NULL;
            if (st == LG_END) {
                w->input_done = true;
                break;
            }
            LG_TRY(st);
        }
        const lg_xbatch *b = w->input;
        const lg_datum *first;
        for (; w->input_at < b->b.n; w->input_at++) {
            uint32_t at = lg_xbatch_row(b, w->input_at);
            if (w->store.n) {
                LG_TRY(lg_xstore_row(&w->store, &w->key, 0, &first));
                if (!same_partition(s, first, b, at))
                    return LG_OK;
            }
            LG_TRY(lg_xstore_put(&w->store, b->b.cols, at));
        }
        w->input = NULL;
    }
    return w->store.n ? LG_OK : LG_END;
}

static lg_status
next_partition(lg_xnode *s)
{
    struct window *w = s->state;
    LG_TRY(lg_xframe_offsets(&w->frame));
    LG_TRY(read_partition(s));
    lg_arena_reset(w->part);
    w->pos = 0;
    for (uint32_t k = 0; k < s->plan->window.nfuncs; k++) {
        struct wfunc *f = &w->f[k];
        f->started = f->have_last = false;
        f->tree.levels = NULL;
        f->buckets = 0;
    }
    return lg_xframe_partition(&w->frame, &w->store);
}

/* The functions of row w->pos, at row n of the batch. */
static lg_status
put_results(lg_xnode *s, uint32_t n)
{
    struct window *w = s->state;
    LG_TRY(lg_xframe_row(&w->frame, w->pos));
    for (uint32_t k = 0; k < s->plan->window.nfuncs; k++) {
        struct wfunc *f = &w->f[k];
        lg_datum v;
        bool null;
        LG_TRY(compute(s, f, w->pos, &v, &null));
        LG_TRY(w->st);
        if (!null && (f->kind == F_AGG || w->store.out))
            v = lg_datum_copy(f->e->type, v, w->out);
        lg_vector_set(s->in.b.cols[w->store.ncols + k], n, null ? 0 : v, null);
    }
    lg_arena_reset(w->tmp);
    return LG_OK;
}

static lg_status
window_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct window *w = s->state;
    uint32_t nin = w->store.ncols, n = 0;
    uint64_t upto;
    /* The rows that a batch shows must live until the next call: one partition's rows a batch, and
     * of those on a temporary file one chunk's. */
    if (w->pos >= w->store.n)
        LG_TRY(next_partition(s));
    lg_arena_reset(w->out);
    upto = w->pos < w->store.out ? w->store.out : w->store.n;
    for (; n < s->in.cap && w->pos < upto; n++, w->pos++) {
        const lg_datum *row;
        LG_TRY(lg_xstore_row(&w->store, &w->cur, w->pos, &row));
        if (w->pos < w->store.out)
            upto = w->cur.chunk.first + w->cur.chunk.n;
        const uint8_t *nulls = lg_xrow_nulls(row, nin);
        for (uint32_t i = 0; i < nin; i++)
            lg_vector_set(s->in.b.cols[i], n, row[i], nulls[i]);
        LG_TRY(put_results(s, n));
        if ((w->pos & 255) == 255)
            LG_TRY(yield_now(s));
    }
    s->in.b.n = n;
    s->in.b.sel = NULL;
    *ret = &s->in;
    return LG_OK;
}

static lg_status
window_rescan(lg_xnode *s)
{
    struct window *w = s->state;
    lg_xstore_reset(&w->store);
    w->pos = 0;
    w->input = NULL;
    w->input_done = false;
    lg_xframe_rescan(&w->frame);
    return lg_xnode_rescan(s->left);
}

static void
window_close(lg_xnode *s)
{
    struct window *w = s->state;
    if (!w)
        return;
    for (uint32_t i = 0; w->f && i < s->plan->window.nfuncs; i++) {
        struct wfunc *f = &w->f[i];
        lg_xcursor_fini(&f->add);
        lg_xcursor_fini(&f->back);
        lg_xcursor_fini(&f->arg);
        lg_arena_destroy(f->perm);
        lg_arena_destroy(f->last_arena);
    }
    lg_xcursor_fini(&w->key);
    lg_xcursor_fini(&w->cur);
    lg_arena_destroy(w->out);
    lg_xframe_close(&w->frame);
    lg_xstore_fini(&w->store);
    lg_arena_destroy(w->part);
    lg_arena_destroy(w->tmp);
}

const lg_xnode_ops lg_xops_window = {window_open, window_fetch, window_rescan, window_close};
