/* Aggregation a batch at a time: groups are found for all rows of a batch, then each aggregate
 * takes the whole batch. Sums of numerics are collected as integers (eval_num.c); a CASE inside a
 * sum splits the batch, so that each branch is computed for its own rows only. */
#include "exec_agg.h"
#include "type.h"
#include <string.h>

/* ---- groups ---- */

static bool
is_word(lg_oid t)
{
    switch (t) {
    case LG_T_BOOL:
    case LG_T_INT2:
    case LG_T_INT4:
    case LG_T_INT8:
    case LG_T_DATE:
    case LG_T_OID:
    case LG_T_TIMESTAMP:
    case LG_T_TIMESTAMPTZ:
        return true;
    default:
        return false;
    }
}

static inline uint64_t
mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
}

static void
hash_keys(lg_xnode *s, const lg_xbatch *b)
{
    struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    uint32_t n = b->b.n;
    const uint16_t *sel = b->b.sel;
    for (uint32_t i = 0; i < n; i++)
        g->hashes[i] = 0x51ED270B;
    for (uint32_t k = 0; k < p->agg.ngroup; k++) {
        const lg_vector *v = b->b.cols[p->agg.group[k].slot];
        bool word = is_word(p->agg.group[k].type);
        lg_hash_fn hf = g->hf[k];
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = lg_sel_row(sel, i);
            uint64_t x = 7;
            if (!lg_vector_is_null(v, row)) {
                x = lg_vector_value(v, row);
                x = word ? x : hf(x);
            }
            g->hashes[i] = mix(g->hashes[i], x);
        }
    }
}

/* The same for one row. */
static uint64_t
hash_row(const lg_xnode *s, const lg_xbatch *b, uint32_t row)
{
    const struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    uint64_t h = 0x51ED270B;
    for (uint32_t k = 0; k < p->agg.ngroup; k++) {
        const lg_vector *v = b->b.cols[p->agg.group[k].slot];
        uint64_t x = 7;
        if (!lg_vector_is_null(v, row)) {
            x = lg_vector_value(v, row);
            x = is_word(p->agg.group[k].type) ? x : g->hf[k](x);
        }
        h = mix(h, x);
    }
    return h;
}

bool
lg_xgroup_same(const lg_xnode *s, const struct group *gr, const lg_xbatch *b, uint32_t row)
{
    const struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    const uint8_t *nulls = lg_xrow_nulls(gr->keys, p->agg.ngroup);
    for (uint32_t k = 0; k < p->agg.ngroup; k++) {
        const lg_vector *v = b->b.cols[p->agg.group[k].slot];
        bool null = lg_vector_is_null(v, row);
        if (null || nulls[k]) {
            if (null && nulls[k])
                continue;
            return false;
        }
        lg_datum x = lg_vector_value(v, row);
        if (x != gr->keys[k] && (is_word(p->agg.group[k].type) || !g->eq[k](gr->keys[k], x)))
            return false;
    }
    return true;
}

static void
slots_grow(struct aggstate *g)
{
    uint64_t n = g->nslots ? g->nslots * 4 : 1024;
    struct gslot *slots = lg_zalloc(n * sizeof *slots);
    for (uint64_t i = 0; i < g->nslots; i++) {
        if (!g->slots[i].group)
            continue;
        uint64_t at = g->slots[i].hash & (n - 1);
        while (slots[at].group)
            at = (at + 1) & (n - 1);
        slots[at] = g->slots[i];
    }
    lg_free(g->slots);
    g->slots = slots;
    g->nslots = n;
}

static struct group *
add_group(lg_xnode *s, const lg_xbatch *b, uint32_t row)
{
    struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    struct group *gr = lg_xagg_new_group(s, 0);
    for (uint32_t k = 0; k < p->agg.ngroup; k++) {
        const lg_vector *v = b->b.cols[p->agg.group[k].slot];
        bool null = lg_vector_is_null(v, row);
        lg_xrow_nulls(gr->keys, p->agg.ngroup)[k] = null;
        gr->keys[k] =
            null ? 0 : lg_datum_copy(p->agg.group[k].type, lg_vector_value(v, row), g->arena);
        if (null && p->agg.ngroup == 1)
            g->null_group = gr;
    }
    return gr;
}

/* ---- few groups: rows whose keys are the very datums of a row before ---- */

#define FEW   64u
#define NSEEN 128u

static bool
few_groups(lg_xnode *s)
{
    struct aggstate *g = s->state;
    uint32_t n = s->plan->agg.ngroup;
    if (g->closed || g->ngroups > FEW || n > GSEEN_KEYS)
        return false;
    if (!g->seen)
        g->seen = LG_NEWN(s->x->arena, struct gseen, NSEEN);
    for (uint32_t i = 0; i < NSEEN; i++)
        g->seen[i].group = NULL;
    return true;
}

static struct group *
find_group(lg_xnode *s, const lg_xbatch *b, uint32_t row, uint64_t h)
{
    struct aggstate *g = s->state;
    if (g->ngroups * 2 >= g->nslots)
        slots_grow(g);
    uint64_t at = h & (g->nslots - 1);
    while (g->slots[at].group &&
           (g->slots[at].hash != h || !lg_xgroup_same(s, g->slots[at].group, b, row)))
        at = (at + 1) & (g->nslots - 1);
    if (!g->slots[at].group)
        g->slots[at] = (struct gslot){h, add_group(s, b, row)};
    return g->slots[at].group;
}

static void
find_few(lg_xnode *s, const lg_xbatch *b)
{
    struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    const lg_vector *cols[GSEEN_KEYS];
    uint32_t nk = p->agg.ngroup;
    for (uint32_t k = 0; k < nk; k++)
        cols[k] = b->b.cols[p->agg.group[k].slot];
    for (uint32_t i = 0; i < b->b.n; i++) {
        uint32_t row = lg_sel_row(b->b.sel, i);
        lg_datum v[GSEEN_KEYS];
        uint64_t h = 0;
        bool null = false, same = true;
        for (uint32_t k = 0; k < nk; k++) {
            null |= lg_vector_is_null(cols[k], row);
            v[k] = lg_vector_value(cols[k], row);
            h = mix(h, v[k]);
        }
        struct gseen *e = &g->seen[h & (NSEEN - 1)];
        for (uint32_t k = 0; k < nk; k++)
            same &= e->v[k] == v[k];
        if (e->group && same && !null) {
            g->by_row[row] = e->group;
            continue;
        }
        g->by_row[row] = find_group(s, b, row, hash_row(s, b, row));
        if (null)
            continue;
        e->group = g->by_row[row];
        memcpy(e->v, v, sizeof v);
    }
}

/* Many groups lie far apart in memory: all of a batch's are asked for before the first is needed.
 */
static void
fetch_ahead(const struct aggstate *g, uint32_t n)
{
    uint64_t mask = g->nslots - 1;
    if (g->nslots < 4096)
        return;
    for (uint32_t i = 0; i < n; i++)
        __builtin_prefetch(&g->slots[g->hashes[i] & mask]);
    for (uint32_t i = 0; i < n; i++) {
        const struct group *gr = g->slots[g->hashes[i] & mask].group;
        if (gr) {
            __builtin_prefetch(gr);
            __builtin_prefetch((const char *)gr + 64);
            __builtin_prefetch((const char *)gr + 192);
        }
    }
}

/* One by-value key: no two values have one hash. */
static void
find_words(lg_xnode *s, const lg_xbatch *b)
{
    struct aggstate *g = s->state;
    const lg_vector *v = b->b.cols[s->plan->agg.group[0].slot];
    for (uint32_t i = 0; i < b->b.n; i++) {
        uint32_t row = lg_sel_row(b->b.sel, i);
        uint64_t h = g->hashes[i];
        if (lg_vector_is_null(v, row)) {
            g->by_row[row] = g->null_group ? g->null_group : find_group(s, b, row, h);
            continue;
        }
        if (g->ngroups * 2 >= g->nslots)
            slots_grow(g);
        uint64_t at = h & (g->nslots - 1);
        while (g->slots[at].group &&
               (g->slots[at].hash != h || g->slots[at].group == g->null_group))
            at = (at + 1) & (g->nslots - 1);
        if (!g->slots[at].group)
            g->slots[at] = (struct gslot){h, add_group(s, b, row)};
        g->by_row[row] = g->slots[at].group;
    }
}

/* by_row[row] for every selected row. A closed table takes no new groups: *b becomes what is left
 * without the rows that would need one. */
static lg_status
find_groups(lg_xnode *s, const lg_xbatch **batch)
{
    const lg_xbatch *b = *batch;
    uint32_t left = 0;
    struct aggstate *g = s->state;
    struct group *last = NULL;
    uint64_t last_hash = 0;
    if (few_groups(s)) {
        find_few(s, b);
        return LG_OK;
    }
    hash_keys(s, b);
    fetch_ahead(g, b->b.n);
    if (!g->closed && s->plan->agg.ngroup == 1 && is_word(s->plan->agg.group[0].type)) {
        find_words(s, b);
        return LG_OK;
    }
    for (uint32_t i = 0; i < b->b.n; i++) {
        uint32_t row = lg_sel_row(b->b.sel, i);
        uint64_t h = g->hashes[i];
        if (last && h == last_hash && lg_xgroup_same(s, last, b, row)) {
            g->by_row[row] = last;
            if (g->closed)
                g->sel[left++] = (uint16_t)row;
            continue;
        }
        if (g->ngroups * 2 >= g->nslots)
            slots_grow(g);
        uint64_t at = h & (g->nslots - 1);
        while (g->slots[at].group &&
               (g->slots[at].hash != h || !lg_xgroup_same(s, g->slots[at].group, b, row)))
            at = (at + 1) & (g->nslots - 1);
        if (g->closed) {
            if (!g->slots[at].group) {
                LG_TRY(lg_xagg_out(s, b, row, h, 0));
                continue;
            }
            g->sel[left++] = (uint16_t)row;
        }
        if (!g->slots[at].group)
            g->slots[at] = (struct gslot){h, add_group(s, b, row)};
        g->by_row[row] = last = g->slots[at].group;
        last_hash = h;
    }
    if (!g->closed)
        return LG_OK;
    g->part = *b;
    g->part.b.sel = g->sel;
    g->part.b.n = left;
    *batch = &g->part;
    return LG_OK;
}

/* ---- steps ---- */

typedef struct target {
    lg_xnode *s;
    struct aggcall *a;
    struct group *one;
    struct group **by_row;
    lg_ectx *c;
} target;

static void
acc_flush(struct aggcall *a, struct group *gr, lg_xnumacc *acc)
{
    lg_agg_numeric_add(&a->call, gr->states + a->state_at, acc->sum, (int)acc->scale, acc->n);
    *acc = (lg_xnumacc){0};
}

void
lg_xgroup_finish(struct aggcall *a, struct group *gr)
{
    lg_xnumacc *acc = (lg_xnumacc *)(void *)(gr->states + a->acc_at);
    if (a->numeric && acc->n)
        acc_flush(a, gr, acc);
}

static inline lg_xnumacc *
acc_of(const target *t, struct group *gr, int scale)
{
    lg_xnumacc *acc = (lg_xnumacc *)(void *)(gr->states + t->a->acc_at);
    if (acc->scale != scale) {
        if (acc->n)
            acc_flush(t->a, gr, acc);
        acc->scale = scale;
    }
    return acc;
}

static void
num_add(const target *t, const lg_xnum *x, const uint16_t *sel, uint32_t n)
{
    if (t->one) {
        lg_xnumacc *acc = acc_of(t, t->one, x->scale);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = lg_sel_row(sel, i);
            bool null = x->null && x->null[row];
            acc->sum += null ? 0 : x->v[x->constant ? 0 : row];
            acc->n += !null;
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = lg_sel_row(sel, i);
        if (x->null && x->null[row])
            continue;
        lg_xnumacc *acc = acc_of(t, t->by_row[row], x->scale);
        acc->sum += x->v[x->constant ? 0 : row];
        acc->n++;
    }
}

static lg_status
step_general(const target *t, const lg_expr *const *exprs, const uint16_t *sel, uint32_t n)
{
    struct aggcall *a = t->a;
    struct aggstate *g = t->s->state;
    const lg_vector *args[16];
    LG_ASSERT(a->nargs <= 16);
    for (uint32_t k = 0; k < a->nargs; k++) {
        lg_vector *v;
        LG_TRY(lg_xexpr_vector(t->c, exprs[k], sel, n, &v));
        args[k] = v;
    }
    a->call.perm = g->arena;
    a->call.arena = t->s->scratch;
    lg_status st;
    if (t->one) {
        st = lg_agg_step_vector(&a->call, a->agg, t->one->states + a->state_at, args, a->nargs, sel,
                                n);
    } else {
        for (uint32_t i = 0; i < n; i++)
            g->states[i] = t->by_row[lg_sel_row(sel, i)]->states + a->state_at;
        st = lg_agg_step_groups(&a->call, a->agg, g->states, args, a->nargs, sel, n);
    }
    a->call.args = a->args;
    a->call.nulls = a->nulls;
    a->call.nargs = a->nargs;
    if (st != LG_OK)
        a->call.st = LG_OK;
    return st;
}

static lg_status step_numeric(const target *t, const lg_expr *e, const uint16_t *sel, uint32_t n);

/* Each branch with the rows that take it. */
static lg_status
step_case(const target *t, const lg_expr *e, const uint16_t *sel, uint32_t n)
{
    uint16_t *rest = lg_arena_alloc(t->c->arena, n * sizeof *rest),
             *yes = lg_arena_alloc(t->c->arena, n * sizeof *yes);
    uint32_t i = 0;
    for (uint32_t k = 0; k < n; k++)
        rest[k] = (uint16_t)lg_sel_row(sel, k);
    for (; i + 1 < e->nargs && n; i += 2) {
        uint32_t m, left = 0;
        LG_TRY(lg_xexpr_filter(t->c, e->args[i], rest, n, yes, &m));
        if (m)
            LG_TRY(step_numeric(t, e->args[i + 1], yes, m));
        for (uint32_t k = 0, y = 0; k < n; k++) {
            if (y < m && yes[y] == rest[k])
                y++;
            else
                rest[left++] = rest[k];
        }
        n = left;
    }
    return n && i < e->nargs ? step_numeric(t, e->args[i], rest, n) : LG_OK;
}

static lg_status
step_numeric(const target *t, const lg_expr *e, const uint16_t *sel, uint32_t n)
{
    lg_xnum x;
    if (e->kind == LG_EX_CASE && !e->has_arg)
        return step_case(t, e, sel, n);
    lg_status st = lg_xnum_vector(t->c, e, sel, n, &x);
    if (st == LG_NOT_FOUND)
        return step_general(t, &e, sel, n);
    if (st == LG_OK)
        num_add(t, &x, sel, n);
    return st;
}

static lg_status
step_count(const target *t, const uint16_t *sel, uint32_t n)
{
    struct aggcall *a = t->a;
    lg_vector *v = NULL;
    if (a->nargs)
        LG_TRY(lg_xexpr_vector(t->c, a->e->args[0], sel, n, &v));
    if (t->one && (!v || !v->maybe_null)) {
        lg_agg_count_add(t->one->states + a->state_at, n);
        return LG_OK;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = lg_sel_row(sel, i);
        struct group *gr = t->one ? t->one : t->by_row[row];
        lg_agg_count_add(gr->states + a->state_at, !(v && lg_vector_is_null(v, row)));
    }
    return LG_OK;
}

static lg_status
step_rows(const target *t, uint32_t index, const lg_xbatch *b)
{
    for (uint32_t i = 0; i < b->b.n; i++) {
        t->c->row = lg_sel_row(b->b.sel, i);
        LG_TRY(lg_xagg_step_row(t->s, t->a, t->one ? t->one : t->by_row[t->c->row], index, t->c));
    }
    return LG_OK;
}

lg_status
lg_xgroup_batch(lg_xnode *s, struct group *one, const lg_xbatch *b)
{
    struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    if (!g->states) {
        g->states = LG_NEWN(s->x->arena, void *, LG_BATCH);
        g->hashes = LG_NEWN(s->x->arena, uint64_t, LG_BATCH);
        g->by_row = LG_NEWN(s->x->arena, struct group *, LG_BATCH);
        g->sel = LG_NEWN(s->x->arena, uint16_t, LG_BATCH);
    }
    if (!one)
        LG_TRY(find_groups(s, &b));
    if (!b->b.n)
        return LG_OK;
    lg_xnum_memo memo = {.sel = b->b.sel, .n = b->b.n};
    lg_ectx c = {.x = s->x,
                 .cols = b->b.cols,
                 .sys = b->sys,
                 .cap = b->cap,
                 .arena = s->scratch,
                 .memo = &memo};
    for (uint32_t i = 0; i < p->agg.naggs; i++) {
        struct aggcall *a = &g->aggs[i];
        target t = {s, a, one, g->by_row, &c};
        if (!a->agg || lg_xagg_keeps_rows(a->e)) {
            LG_TRY(step_rows(&t, i, b));
            continue;
        }
        const uint16_t *sel = b->b.sel;
        uint32_t n = b->b.n;
        if (a->e->agg.filter) {
            uint16_t *out = LG_NEWN(s->scratch, uint16_t, n);
            LG_TRY(lg_xexpr_filter(&c, a->e->agg.filter, sel, n, out, &n));
            sel = out;
        }
        if (!n)
            continue;
        if (a->counts)
            LG_TRY(step_count(&t, sel, n));
        else if (a->numeric)
            LG_TRY(step_numeric(&t, a->e->args[0], sel, n));
        else
            LG_TRY(step_general(&t, (const lg_expr *const *)a->e->args, sel, n));
    }
    return LG_OK;
}

/* ---- groups of a member of a team ---- */

static uint64_t
hash_group(const lg_xnode *s, const struct group *gr)
{
    const struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    const uint8_t *nulls = lg_xrow_nulls(gr->keys, p->agg.ngroup);
    uint64_t h = 0x51ED270B;
    for (uint32_t k = 0; k < p->agg.ngroup; k++) {
        uint64_t x = gr->keys[k];
        h = mix(h, nulls[k] ? 7 : is_word(p->agg.group[k].type) ? x : g->hf[k](x));
    }
    return h;
}

static bool
same_keys(const lg_xnode *s, const struct group *a, const struct group *b)
{
    const struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    uint32_t n = p->agg.ngroup;
    for (uint32_t k = 0; k < n; k++) {
        bool an = lg_xrow_nulls(a->keys, n)[k], bn = lg_xrow_nulls(b->keys, n)[k];
        if (an || bn) {
            if (an && bn)
                continue;
            return false;
        }
        if (a->keys[k] != b->keys[k] &&
            (is_word(p->agg.group[k].type) || !g->eq[k](a->keys[k], b->keys[k])))
            return false;
    }
    return true;
}

static struct group *
find_same(lg_xnode *s, const struct group *gr)
{
    struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    uint32_t n = p->agg.ngroup;
    if (!n)
        return g->groups[0];
    if (g->ngroups * 2 >= g->nslots)
        slots_grow(g);
    uint64_t h = hash_group(s, gr), at = h & (g->nslots - 1);
    while (g->slots[at].group && (g->slots[at].hash != h || !same_keys(s, g->slots[at].group, gr)))
        at = (at + 1) & (g->nslots - 1);
    if (g->slots[at].group)
        return g->slots[at].group;
    struct group *mine = lg_xagg_new_group(s, 0);
    for (uint32_t k = 0; k < n; k++) {
        bool null = lg_xrow_nulls(gr->keys, n)[k];
        lg_xrow_nulls(mine->keys, n)[k] = null;
        mine->keys[k] = null ? 0 : lg_datum_copy(p->agg.group[k].type, gr->keys[k], g->arena);
        if (null && n == 1)
            g->null_group = mine;
    }
    g->slots[at] = (struct gslot){h, mine};
    return mine;
}

/* Sums that both are still one integer of one scale are added as such. */
static bool
merge_sums(struct aggcall *a, struct group *to, struct group *from)
{
    lg_xnumacc *x = (lg_xnumacc *)(void *)(to->states + a->acc_at);
    const lg_xnumacc *y = (const lg_xnumacc *)(const void *)(from->states + a->acc_at);
    if (!a->numeric || !lg_agg_numeric_empty(from->states + a->state_at))
        return false;
    __int128 sum;
    if (!y->n)
        return true;
    if (x->n && (x->scale != y->scale || __builtin_add_overflow(x->sum, y->sum, &sum)))
        return false;
    *x = (lg_xnumacc){x->n ? sum : y->sum, x->n + y->n, y->scale};
    return true;
}

lg_status
lg_xgroup_merge(lg_xnode *s, struct aggstate *from, struct group *gr)
{
    struct aggstate *g = s->state;
    struct group *mine = find_same(s, gr);
    for (uint32_t i = 0; i < s->plan->agg.naggs; i++) {
        struct aggcall *a = &g->aggs[i], *b = &from->aggs[i];
        if (merge_sums(a, mine, gr))
            continue;
        b->call.perm = from->arena;
        lg_xgroup_finish(b, gr);
        a->call.perm = g->arena;
        a->call.arena = s->scratch;
        a->agg->merge(&a->call, mine->states + a->state_at, gr->states + a->state_at);
        lg_status st = a->call.st;
        a->call.st = LG_OK;
        LG_TRY(st);
    }
    return LG_OK;
}

void
lg_xgroup_reset(struct aggstate *g)
{
    lg_free(g->slots);
    g->slots = NULL;
    g->nslots = 0;
    g->null_group = NULL;
}
