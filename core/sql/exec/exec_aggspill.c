/* Groups that do not fit into memory.
 *
 * HASHED   When the table is over its budget it is closed: rows of the groups that are in it go on
 *          being aggregated, all others wait on tapes, partitioned by the hash of their keys. When
 *          the input is at its end the groups are given out, and each tape is aggregated like an
 *          input of its own (dividing again by further bits of the hash when it must). GROUPING SETS
 *          have partitions by set: a row may wait for one set and be aggregated for another.
 * SORTED   Rows of a group come together: when the table is over its budget only rows of the last
 *          group are still taken; at the first other row all groups are given out, and a new table
 *          begins with that row. So the order is kept.
 *
 *   OPEN -> CLOSED (hashed) -> given out -> next tape: OPEN
 *     \-> LAST ONLY (sorted) -> given out -> rest of the batch: OPEN
 *
 * KEPT     Rows of DISTINCT and ORDER BY go out first (exec_kept.c), when they are most of what there
 *          is.
 *
 * What one group holds (string_agg) is not divided. */
#include "exec_agg.h"
#include "exec_team.h"
#include <string.h>

lg_status
lg_xagg_input(lg_xnode *s, lg_xbatch **ret)
{
    struct aggstate *g = s->state;
    struct aggspill *sp = g->spill;
    if (g->input) {
        *ret = g->input;
        g->input = NULL;
        return LG_OK;
    }
    if (!sp || !sp->now)
        return lg_xnode_next(s->left, ret);
    LG_TRY(lg_xcheck(s->x));
    *ret = &sp->in;
    return lg_xtape_batch(&sp->now->tape, &sp->at, &sp->in);
}

static size_t
table_bytes(const struct aggstate *g)
{
    return lg_arena_used_bytes(g->arena) + g->nslots * sizeof *g->slots +
           g->cap * sizeof *g->groups;
}

static size_t
kept_bytes(const lg_xnode *s)
{
    const struct aggstate *g = s->state;
    size_t n = 0;
    for (uint32_t i = 0; i < s->plan->agg.naggs; i++)
        n += g->aggs[i].kept ? lg_xkept_bytes(g->aggs[i].kept) : 0;
    return n;
}

/* Of all aggregates: each has a part of the same memory. */
static lg_status
kept_out(lg_xnode *s)
{
    struct aggstate *g = s->state;
    for (uint32_t i = 0; i < s->plan->agg.naggs; i++)
        if (g->aggs[i].kept && g->aggs[i].kept->n)
            LG_TRY(lg_xkept_out(g->aggs[i].kept, g->groups, g->ngroups, i));
    return LG_OK;
}

lg_status
lg_xagg_kept_end(lg_xnode *s)
{
    struct aggstate *g = s->state;
    for (uint32_t i = 0; i < s->plan->agg.naggs; i++) {
        lg_xkept *k = g->aggs[i].kept;
        if (!k || !k->ext)
            continue;
        if (k->n)
            LG_TRY(lg_xkept_out(k, g->groups, g->ngroups, i));
        LG_TRY(lg_xextsort_start(k->ext));
    }
    return LG_OK;
}

static void
close_table(lg_xnode *s)
{
    struct aggstate *g = s->state;
    const lg_node *p = s->plan;
    struct aggspill *sp = g->spill;
    if (!sp) {
        sp = g->spill = LG_NEW(s->x->arena, struct aggspill);
        sp->types = lg_xnode_types(s, p->left);
        sp->parts = LG_NEWN(s->x->arena, lg_xparts, g->nsets);
    }
    g->closed = true;
}

lg_status
lg_xagg_weigh(lg_xnode *s)
{
    struct aggstate *g = s->state;
    size_t kept = kept_bytes(s), bytes = table_bytes(g) + kept;
    if (g->peak < bytes)
        g->peak = bytes;
    if (kept > lg_xbudget_sort(s->x) ||
        (bytes > lg_xbudget_hash(s->x) && kept > lg_xbudget_hash(s->x) / 2)) {
        LG_TRY(kept_out(s));
        bytes -= kept;
    }
    LG_TRY(lg_xmemory(s->x, &g->told, bytes));
    if (s->x->tree->helper)
        s->x->tree->helper->full = bytes > s->x->tree->helper->limit;
    if (bytes <= lg_xbudget_hash(s->x) || g->closed || g->last_only || !s->plan->agg.ngroup)
        return LG_OK;
    if (!s->plan->agg.hashed && !s->plan->agg.nsets) {
        g->last_only = g->ngroups > 0;
        return LG_OK;
    }
    if (!g->spill || !g->spill->now || g->spill->now->depth < LG_XPARTS_DEPTH)
        close_table(s);
    return LG_OK;
}

lg_status
lg_xagg_out(lg_xnode *s, const lg_xbatch *b, uint32_t row, uint64_t hash, uint32_t set)
{
    struct aggstate *g = s->state;
    struct aggspill *sp = g->spill;
    lg_xparts *ps = &sp->parts[set];
    if (!ps->n) {
        size_t budget = lg_xbudget_hash(s->x);
        double groups = s->plan->agg.groups, per = (double)table_bytes(g) / (double)g->ngroups;
        double bytes = groups > (double)g->ngroups ? groups * per : 0;
        if (bytes < 2 * (double)budget)
            bytes = 2 * (double)budget;
        lg_xparts_init(ps, s->x, lg_xparts_number(budget, bytes / g->nsets),
                       sp->now ? sp->now->shift : 0, s->plan->left->ncols, sp->types, budget);
        g->nparts += ps->n;
    }
    return lg_xtape_add(&ps->tapes[lg_xparts_of(ps, hash)], b->b.cols, row);
}

static void
part_free(aggpart *p)
{
    if (!p)
        return;
    lg_xtape_fini(&p->tape);
    lg_free(p);
}

static lg_status
parts_push(struct aggstate *g, uint32_t set)
{
    struct aggspill *sp = g->spill;
    lg_xparts *ps = &sp->parts[set];
    LG_TRY(lg_xparts_finish(ps));
    g->disk += lg_xparts_bytes(ps);
    for (uint32_t i = ps->n; i-- > 0;) {
        if (!ps->tapes[i].rows)
            continue;
        aggpart *p = lg_zalloc(sizeof *p);
        p->tape = ps->tapes[i];
        memset(&ps->tapes[i], 0, sizeof ps->tapes[i]);
        p->set = set;
        p->shift = ps->shift + ps->bits;
        p->depth = sp->now ? sp->now->depth + 1 : 1;
        p->next = sp->todo;
        sp->todo = p;
    }
    lg_xparts_fini(ps);
    return LG_OK;
}

lg_status
lg_xagg_next_part(lg_xnode *s)
{
    struct aggstate *g = s->state;
    struct aggspill *sp = g->spill;
    if (!sp)
        return LG_END;
    for (uint32_t set = g->nsets; set-- > 0;)
        if (sp->parts[set].n)
            LG_TRY(parts_push(g, set));
    lg_xcursor_fini(&sp->at);
    sp->at.pos = 0;
    if (!sp->todo)
        return LG_END;
    part_free(sp->now);
    sp->now = sp->todo;
    sp->todo = sp->now->next;
    return LG_OK;
}

void
lg_xagg_spill_drop(lg_xnode *s)
{
    struct aggstate *g = s->state;
    struct aggspill *sp = g->spill;
    if (!sp)
        return;
    lg_xcursor_fini(&sp->at);
    part_free(sp->now);
    while (sp->todo) {
        aggpart *p = sp->todo;
        sp->todo = p->next;
        part_free(p);
    }
    for (uint32_t i = 0; i < g->nsets; i++)
        lg_xparts_fini(&sp->parts[i]);
    g->spill = NULL;
}
