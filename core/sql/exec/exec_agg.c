/* Aggregation: groups in a hash table (or one group), aggregates' states beside them. Sorted input
 * is aggregated group after group, so that its order is kept. GROUPING SETS keep one table each. */
#include "exec_agg.h"
#include "exec_team.h"
#include "type.h"
#include <stdlib.h>
#include <string.h>

static void
agg_space(lg_xnode *s, lg_xspace *ret)
{
    const struct aggstate *g = s->state;
    *ret = (lg_xspace){.memory = g->peak, .disk = g->disk, .batches = 1 + g->nparts};
}

static lg_status
agg_open(lg_xnode *s)
{
    struct aggstate *g = s->state = LG_NEW(s->x->arena, struct aggstate);
    const lg_node *p = s->plan;
    s->space = agg_space;
    g->arena = lg_arena_create("groups", 8 << 10);
    g->aggs = LG_NEWN(s->x->arena, struct aggcall, p->agg.naggs + 1);
    for (uint32_t i = 0; i < p->agg.naggs; i++) {
        struct aggcall *a = &g->aggs[i];
        a->e = p->agg.aggs[i];
        a->agg = lg_agg_get(a->e->agg.func->oid);
        if (!a->agg && !a->e->agg.within)
            return lg_error_set(s->x->es->err, "0A000", "aggregate %s is not supported",
                                a->e->agg.func->name);
        a->nargs = a->e->nargs;
        a->args = LG_NEWN(s->x->arena, lg_datum, a->nargs + 1);
        a->nulls = LG_NEWN(s->x->arena, uint8_t, a->nargs + 1);
        lg_call_init(&a->call, a->e->agg.func, s->x->es->env, s->x->es->err, s->scratch, g->arena);
        a->call.collation = a->e->collation;
        lg_oid *types = LG_NEWN(s->x->arena, lg_oid, a->nargs + 1);
        for (uint32_t k = 0; k < a->nargs; k++)
            types[k] = a->e->args[k]->type;
        a->call.argtypes = types;
        a->call.args = a->args;
        a->call.nulls = a->nulls;
        a->call.nargs = a->nargs;
        a->call.rettype = a->e->type;
        a->state_at = g->states_bytes;
        if (a->agg)
            g->states_bytes += (a->agg->state_size + 15u) & ~(size_t)15;
        lg_oid f = a->e->agg.func->oid;
        a->numeric = f == 2114 || f == 2103; /* sum(numeric), avg(numeric) */
        a->sums = f == 2114;
        a->counts = f == 2803 || f == 2147; /* count(*), count(x) */
        a->acc_at = g->states_bytes;
        if (a->numeric)
            g->states_bytes += sizeof(lg_xnumacc);
        if (lg_xagg_keeps_rows(a->e))
            LG_TRY(lg_xkept_create(s->x, a->e, &a->kept));
    }
    g->hf = LG_NEWN(s->x->arena, lg_hash_fn, p->agg.ngroup + 1);
    g->eq = LG_NEWN(s->x->arena, lg_equal_fn, p->agg.ngroup + 1);
    for (uint32_t i = 0; i < p->agg.ngroup; i++) {
        g->hf[i] = lg_type_hash_fn(p->agg.group[i].type);
        g->eq[i] = lg_type_equal_fn(p->agg.group[i].type);
        if (!g->hf[i] || !g->eq[i])
            return lg_error_set(s->x->es->err, "42883",
                                "could not identify an equality operator for type %s",
                                lg_type_format(s->x->arena, p->agg.group[i].type, -1));
    }
    g->nsets = p->agg.nsets ? p->agg.nsets : 1;
    g->hash = LG_NEWN(s->x->arena, lg_xhash, g->nsets);
    for (uint32_t i = 0; i < g->nsets; i++)
        lg_xhash_init(&g->hash[i], g->arena);
    lg_oid *types = LG_NEWN(s->x->arena, lg_oid, p->agg.ngroup + p->agg.naggs + 2);
    for (uint32_t i = 0; i < p->agg.ngroup; i++)
        types[i] = p->agg.group[i].type;
    for (uint32_t i = 0; i < p->agg.naggs; i++)
        types[p->agg.ngroup + i] = p->agg.aggs[i]->type;
    types[p->agg.ngroup + p->agg.naggs] = LG_T_INT4;
    lg_xbatch_init(&s->in, s->x->arena, p->agg.ngroup + p->agg.naggs + (p->agg.nsets > 0), types,
                   p->agg.ngroup  ? LG_BATCH
                   : p->agg.nsets ? (p->agg.nsets < LG_BATCH ? p->agg.nsets : LG_BATCH)
                                  : 1);
    return LG_OK;
}

struct group *
lg_xagg_new_group(lg_xnode *s, uint32_t set)
{
    struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    /* in one piece: group, keys, states */
    size_t head = (sizeof(struct group) + 15) & ~(size_t)15;
    size_t keys = (p->agg.ngroup * (sizeof(lg_datum) + 1) + 16) & ~(size_t)15;
    char *piece = lg_arena_alloc(g->arena, head + keys + g->states_bytes + 1);
    struct group *gr = (struct group *)(void *)piece;
    *gr = (struct group){.set = set};
    gr->keys = (lg_datum *)(void *)(piece + head);
    gr->states = piece + head + keys;
    memset(gr->states, 0, g->states_bytes + 1);
    for (uint32_t i = 0; i < p->agg.naggs; i++) {
        struct aggcall *a = &g->aggs[i];
        a->call.perm = g->arena;
        a->call.arena = s->scratch;
        if (a->agg && a->agg->init)
            a->agg->init(&a->call, gr->states + a->state_at);
        if (lg_xagg_keeps_rows(a->e)) {
            if (!gr->kept)
                gr->kept = LG_NEWN(g->arena, lg_xkept_group *, p->agg.naggs);
            gr->kept[i] = LG_NEW(g->arena, lg_xkept_group);
            gr->kept[i]->number = g->ngroups;
        }
    }
    if (g->ngroups == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 16;
        g->groups = lg_realloc(g->groups, g->cap * sizeof *g->groups);
    }
    g->groups[g->ngroups++] = gr;
    return gr;
}

static bool
in_set(const lg_node *p, uint32_t set, uint32_t key)
{
    if (!p->agg.nsets)
        return true;
    for (uint32_t i = 0; i < p->agg.set_len[set]; i++)
        if (p->agg.sets[set][i] == key)
            return true;
    return false;
}

/* *ret NULL: the table is closed and the row waits on a tape. */
static lg_status
find_group(lg_xnode *s, const lg_xbatch *b, uint32_t row, uint32_t set, struct group **ret)
{
    struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    uint64_t hash = set;
    for (uint32_t i = 0; i < p->agg.ngroup; i++) {
        const lg_vector *v = b->b.cols[p->agg.group[i].slot];
        bool null = !in_set(p, set, i) || lg_vector_is_null(v, row);
        hash = hash * 31 + (null ? 7 : g->hf[i](lg_vector_value(v, row)));
    }
    hash ^= hash >> 31;
    for (lg_xhash_entry *e = lg_xhash_first(&g->hash[set], hash); e; e = e->next) {
        struct group *gr = e->extra;
        bool same = e->hash == hash;
        for (uint32_t i = 0; same && i < p->agg.ngroup; i++) {
            const lg_vector *v = b->b.cols[p->agg.group[i].slot];
            bool an = lg_xrow_nulls(gr->keys, p->agg.ngroup)[i];
            bool bn = !in_set(p, set, i) || lg_vector_is_null(v, row);
            same = an || bn ? an && bn : g->eq[i](gr->keys[i], lg_vector_value(v, row));
        }
        if (same) {
            *ret = gr;
            return LG_OK;
        }
    }
    *ret = NULL;
    if (g->closed)
        return lg_xagg_out(s, b, row, hash, set);
    struct group *gr = *ret = lg_xagg_new_group(s, set);
    for (uint32_t i = 0; i < p->agg.ngroup; i++) {
        const lg_vector *v = b->b.cols[p->agg.group[i].slot];
        bool null = !in_set(p, set, i) || lg_vector_is_null(v, row);
        lg_xrow_nulls(gr->keys, p->agg.ngroup)[i] = null;
        gr->keys[i] =
            null ? 0 : lg_datum_copy(p->agg.group[i].type, lg_vector_value(v, row), g->arena);
    }
    lg_xhash_add(&g->hash[set], hash, gr->keys)->extra = gr;
    return LG_OK;
}

static lg_status
call_status(lg_call *c)
{
    lg_status st = c->st;
    c->st = LG_OK;
    return st;
}

/* One row into one aggregate of a group. */
lg_status
lg_xagg_step_row(lg_xnode *s, struct aggcall *a, struct group *gr, uint32_t index, lg_ectx *c)
{
    bool null;
    lg_datum v;
    if (a->e->agg.filter) {
        LG_TRY(lg_xexpr_eval(c, a->e->agg.filter, &v, &null));
        if (null || !lg_bool(v))
            return LG_OK;
    }
    for (uint32_t i = 0; i < a->nargs; i++) {
        LG_TRY(lg_xexpr_eval(c, a->e->args[i], &a->args[i], &null));
        a->nulls[i] = null;
    }
    if (lg_xagg_keeps_rows(a->e)) {
        lg_xkept *k = a->kept;
        lg_datum *row = lg_xkept_add(k, gr->kept[index]);
        uint8_t *nulls = lg_xrow_nulls(row, k->ncols);
        for (uint32_t i = 0; i < a->nargs; i++) {
            row[i] = a->nulls[i] ? 0 : lg_datum_copy(k->types[i], a->args[i], k->arena);
            nulls[i] = a->nulls[i];
        }
        for (uint32_t i = a->nargs; i + 1 < k->ncols; i++) {
            LG_TRY(lg_xexpr_eval(c, a->e->agg.order[i - a->nargs].expr, &v, &null));
            row[i] = null ? 0 : lg_datum_copy(k->types[i], v, k->arena);
            nulls[i] = null;
        }
        return LG_OK;
    }
    a->call.perm = ((struct aggstate *)s->state)->arena;
    a->call.arena = s->scratch;
    a->agg->step(&a->call, gr->states + a->state_at);
    return call_status(&a->call);
}

/* GROUPING SETS: a row goes into a group of each. */
static lg_status
sets_batch(lg_xnode *s, const lg_xbatch *b)
{
    struct aggstate *g = s->state;
    const aggpart *now = g->spill ? g->spill->now : NULL;
    lg_ectx c = {.x = s->x, .cols = b->b.cols, .sys = b->sys, .cap = b->cap, .arena = s->scratch};
    for (uint32_t i = 0; i < b->b.n; i++) {
        c.row = lg_xbatch_row(b, i);
        for (uint32_t set = now ? now->set : 0; set < (now ? now->set + 1 : g->nsets); set++) {
            struct group *gr;
            LG_TRY(find_group(s, b, c.row, set, &gr));
            for (uint32_t k = 0; gr && k < s->plan->agg.naggs; k++)
                LG_TRY(lg_xagg_step_row(s, &g->aggs[k], gr, k, &c));
        }
    }
    return LG_OK;
}

/* Sorted input of which no further group is taken now: the batch's first rows, as many as belong to
 * the last group. What is left of the batch is kept. */
static lg_xbatch *
last_group_only(lg_xnode *s, lg_xbatch *b)
{
    struct aggstate *g = s->state;
    const struct group *last = g->groups[g->ngroups - 1];
    uint32_t n = 0;
    while (n < b->b.n && lg_xgroup_same(s, last, b, lg_xbatch_row(b, n)))
        n++;
    for (uint32_t i = 0; i < b->b.n; i++) /* b's selection may be the end of this one */
        g->sel[i] = (uint16_t)lg_xbatch_row(b, i);
    g->part = *b;
    g->part.b.sel = g->sel;
    g->part.b.n = n;
    if (n < b->b.n) {
        g->rest = *b;
        g->rest.b.sel = g->sel + n;
        g->rest.b.n = b->b.n - n;
        g->input = &g->rest;
    }
    return &g->part;
}

static lg_status
agg_batch(lg_xnode *s, struct group *one, lg_xbatch *b)
{
    struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    if (p->agg.nsets)
        return sets_batch(s, b);
    if (b->b.n > 1 || !one)
        return lg_xgroup_batch(s, one, b);
    lg_ectx c = {.x = s->x, .cols = b->b.cols, .sys = b->sys, .cap = b->cap, .arena = s->scratch};
    c.row = lg_xbatch_row(b, 0);
    for (uint32_t k = 0; k < p->agg.naggs; k++)
        LG_TRY(lg_xagg_step_row(s, &g->aggs[k], one, k, &c));
    return LG_OK;
}

/* A member's groups into ours. */
static lg_status
absorb_groups(lg_xnode *s, lg_xnode *copy)
{
    struct aggstate *g = s->state, *from = copy->state;
    for (uint64_t i = 0; i < from->ngroups; i++) {
        LG_TRY(lg_xgroup_merge(s, from, from->groups[i]));
        lg_arena_reset(s->scratch);
        if (i % LG_BATCH == 0)
            LG_TRY(lg_xcheck(s->x));
    }
    if (g->peak < lg_arena_used_bytes(g->arena))
        g->peak = lg_arena_used_bytes(g->arena);
    return LG_OK;
}

/* The rows of the input into their groups. A closed table takes no new groups, also not a member's:
 * the team is ended first. */
static lg_status
take_rows(lg_xnode *s, lg_xteam *team)
{
    struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    lg_xbatch *b;
    lg_status st;
    bool single = !p->agg.ngroup && !p->agg.nsets;
    struct group *one = single ? lg_xagg_new_group(s, 0) : NULL;
    while ((st = lg_xagg_input(s, &b)) == LG_OK) {
        if (g->last_only)
            b = last_group_only(s, b);
        LG_TRY(agg_batch(s, one, b));
        lg_arena_reset(s->scratch);
        LG_TRY(lg_xagg_weigh(s));
        if (g->closed)
            LG_TRY(lg_xteam_finish(team, absorb_groups));
        if (g->last_only && g->input)
            break;
    }
    return st == LG_END ? LG_OK : st;
}

static lg_status
member_rows(lg_xnode *s)
{
    return take_rows(s, NULL);
}

static lg_status
agg_build(lg_xnode *s)
{
    struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    lg_xteam *team = NULL;
    if (!g->spill && !g->input)
        LG_TRY(lg_xteam_begin(s, member_rows, &team));
    lg_status st = take_rows(s, team);
    if (st == LG_OK)
        st = lg_xteam_finish(team, absorb_groups);
    LG_TRY(lg_xteam_end(team, st));
    /* An empty grouping set gives a row even without input. */
    if (p->agg.nsets && !g->ngroups && !g->spill)
        for (uint32_t set = 0; set < p->agg.nsets; set++)
            if (!p->agg.set_len[set]) {
                struct group *gr = lg_xagg_new_group(s, set);
                memset(lg_xrow_nulls(gr->keys, p->agg.ngroup), 1, p->agg.ngroup);
            }
    g->built = true;
    return lg_xagg_kept_end(s);
}

/* DISTINCT and ORDER BY inside the aggregate: its rows in order. */
static lg_status
run_kept(lg_xnode *s, struct aggcall *a, struct group *gr, uint32_t index)
{
    const struct aggstate *g = s->state;
    lg_xkept *k = a->kept;
    const lg_datum *row;
    lg_status st;
    uint64_t n = 0;
    LG_TRY(lg_xkept_open(k, gr->kept[index]));
    a->call.perm = g->arena;
    a->call.arena = k->tmp;
    while ((st = lg_xkept_next(k, &row)) == LG_OK) {
        memcpy(a->args, row, a->nargs * sizeof *a->args);
        memcpy(a->nulls, lg_xrow_nulls(row, k->ncols), a->nargs);
        a->agg->step(&a->call, gr->states + a->state_at);
        LG_TRY(call_status(&a->call));
        if (++n % LG_BATCH == 0)
            lg_arena_reset(k->tmp);
    }
    lg_arena_reset(k->tmp);
    return st == LG_END ? LG_OK : st;
}

/* An ordered-set aggregate looks at its rows in any order. */
static lg_status
run_ordered(lg_xnode *s, struct aggcall *a, const struct group *gr, uint32_t index, lg_datum *ret,
            bool *ret_null)
{
    lg_xkept *k = a->kept;
    lg_xstore t;
    lg_xstore_init_spill(&t, s->x, k->ncols, k->types, lg_xbudget_sort(s->x));
    lg_status st = lg_xkept_open(k, gr->kept[index]);
    if (st == LG_OK)
        st = lg_xkept_all(k, &t);
    if (st == LG_OK)
        st = lg_xordered_final(s->x, a->e, &t, k->keys + 1, s->scratch, ret, ret_null);
    lg_xstore_fini(&t);
    return st;
}

/* A sum of numerics that is still one integer, the usual case. The column's integers go along as
 * long as all groups of the batch have one of the same scale. */
static bool
put_sum(lg_xnode *s, struct aggcall *a, struct group *gr, uint32_t i, uint32_t at)
{
    lg_vector *v = s->in.b.cols[s->plan->agg.ngroup + i];
    const lg_xnumacc *acc = (const lg_xnumacc *)(const void *)(gr->states + a->acc_at);
    if (!a->sums)
        return false;
    if (!acc->n || acc->sum != (int64_t)acc->sum ||
        !lg_agg_numeric_empty(gr->states + a->state_at)) {
        v->num = NULL;
        return false;
    }
    if (!a->num)
        a->num = LG_NEWN(s->x->arena, int64_t, s->in.cap);
    if (at == 0) {
        v->num = a->num;
        v->num_scale = (int)acc->scale;
    }
    if (v->num_scale != acc->scale)
        v->num = NULL;
    a->num[at] = (int64_t)acc->sum;
    lg_vector_set(v, at, lg_xnum_write(s->scratch, (int64_t)acc->sum, (int)acc->scale), false);
    return true;
}

static lg_status
put_group(lg_xnode *s, struct group *gr, uint32_t at)
{
    struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    for (uint32_t i = 0; i < p->agg.ngroup; i++)
        lg_vector_set(s->in.b.cols[i], at, gr->keys[i], lg_xrow_nulls(gr->keys, p->agg.ngroup)[i]);
    for (uint32_t i = 0; i < p->agg.naggs; i++) {
        struct aggcall *a = &g->aggs[i];
        if (a->e->agg.within) {
            lg_datum v;
            bool null;
            LG_TRY(run_ordered(s, a, gr, i, &v, &null));
            lg_vector_set(s->in.b.cols[p->agg.ngroup + i], at, null ? 0 : v, null);
            continue;
        }
        if (lg_xagg_keeps_rows(a->e))
            LG_TRY(run_kept(s, a, gr, i));
        a->call.perm = g->arena;
        a->call.arena = s->scratch;
        a->call.isnull = false;
        if (put_sum(s, a, gr, i, at))
            continue;
        lg_xgroup_finish(a, gr);
        lg_datum v = a->agg->final(&a->call, gr->states + a->state_at);
        LG_TRY(call_status(&a->call));
        lg_vector_set(s->in.b.cols[p->agg.ngroup + i], at, v, a->call.isnull);
    }
    if (p->agg.nsets)
        lg_vector_set(s->in.b.cols[p->agg.ngroup + p->agg.naggs], at,
                      lg_datum_int4((int32_t)gr->set), false);
    return LG_OK;
}

static void
drop_groups(lg_xnode *s)
{
    struct aggstate *g = s->state;
    for (uint32_t i = 0; i < s->plan->agg.naggs; i++)
        if (g->aggs[i].kept) {
            g->disk += lg_xkept_disk_bytes(g->aggs[i].kept);
            lg_xkept_reset(g->aggs[i].kept);
        }
    g->ngroups = 0;
    lg_xgroup_reset(g);
}

/* Ready for another input. */
static void
start_over(lg_xnode *s)
{
    struct aggstate *g = s->state;
    drop_groups(s);
    lg_arena_reset(g->arena);
    for (uint32_t i = 0; i < g->nsets; i++)
        lg_xhash_init(&g->hash[i], g->arena);
    for (uint32_t i = 0; i < s->plan->agg.naggs; i++)
        g->aggs[i].call.cache = NULL;
    g->built = g->closed = g->last_only = false;
    g->pos = 0;
}

static lg_status
agg_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct aggstate *g = s->state;
    for (;;) {
        uint32_t n = 0;
        if (!g->built)
            LG_TRY(agg_build(s));
        for (; n < s->in.cap && g->pos < g->ngroups; n++, g->pos++)
            LG_TRY(put_group(s, g->groups[g->pos], n));
        if (n) {
            s->in.b.n = n;
            s->in.b.sel = NULL;
            *ret = &s->in;
            return LG_OK;
        }
        if (!g->input)
            LG_TRY(lg_xagg_next_part(s));
        start_over(s);
    }
}

static lg_status
agg_rescan(lg_xnode *s)
{
    struct aggstate *g = s->state;
    lg_xagg_spill_drop(s);
    g->input = NULL;
    start_over(s);
    return lg_xnode_rescan(s->left);
}

static void
agg_close(lg_xnode *s)
{
    struct aggstate *g = s->state;
    if (!g)
        return;
    lg_xagg_spill_drop(s);
    drop_groups(s);
    for (uint32_t i = 0; i < s->plan->agg.naggs; i++)
        lg_xkept_fini(g->aggs[i].kept);
    lg_free(g->groups);
    lg_arena_destroy(g->arena);
}

/* Groups come out in the order first met: for sorted input that is the sort order. */
const lg_xnode_ops lg_xops_agg = {agg_open, agg_fetch, agg_rescan, agg_close};
