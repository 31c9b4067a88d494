/* INTERSECT, EXCEPT [ALL]: counts of each row on both sides, by hash.
 *
 * SPILLING  When the table of left's rows is over the budget it is closed: further rows of left that
 * are not in it go to tapes by hash, and right's rows follow those that are not in it either. Then
 * each pair of tapes is done as the inputs were. */
#include "exec_internal.h"
#include "type.h"
#include <string.h>

typedef struct item {
    lg_datum *row;
    uint64_t left, right;
} item;

typedef struct spart {
    struct spart *next;
    lg_xtape left, right;
    uint32_t shift, depth;
} spart;

struct setop {
    lg_arena *arena; /* rows and the hash table */
    lg_xhash hash;
    item *items; /* distinct rows in the order first met on the left */
    uint64_t n, cap;
    uint32_t ncols;
    lg_equal_fn *eq;
    lg_hash_fn *hf;
    size_t told, peak;
    bool built, closed, finished;
    uint64_t pos, left_of_item; /* giving out */
    bool in_item;
    /* spilling */
    const lg_oid *types;
    lg_xparts left, right;
    spart *todo, *now;
    lg_xcursor lat, rat;
    lg_xbatch in;
    uint64_t disk, nparts;
};

static lg_status
setop_open(lg_xnode *s)
{
    struct setop *o = s->state = LG_NEW(s->x->arena, struct setop);
    uint32_t n = o->ncols = s->plan->left->ncols;
    const lg_group_key *keys = s->plan->setop.keys;
    o->arena = lg_arena_create("set operation", 16 << 10);
    lg_xhash_init(&o->hash, o->arena);
    o->types = lg_xnode_types(s, s->plan->left);
    o->eq = LG_NEWN(s->x->arena, lg_equal_fn, n + 1);
    o->hf = LG_NEWN(s->x->arena, lg_hash_fn, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        o->eq[i] = lg_type_equal_fn(keys[i].type);
        o->hf[i] = lg_type_hash_fn(keys[i].type);
        if (!o->eq[i])
            return lg_error_set(s->x->es->err, "42883",
                                "could not identify an equality operator for type %s",
                                lg_type_format(s->x->arena, keys[i].type, -1));
        if (!o->hf[i])
            return LG_UNSUPPORTED;
    }
    return LG_OK;
}

static uint64_t
hash_row(const struct setop *o, const lg_xbatch *b, uint32_t row)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < o->ncols; i++) {
        bool null = lg_vector_is_null(b->b.cols[i], row);
        hash = hash * 31 + (null ? 7 : o->hf[i](lg_vector_value(b->b.cols[i], row)));
    }
    return hash ^ hash >> 31;
}

static item *
find(const struct setop *o, const lg_xbatch *b, uint32_t row, uint64_t hash)
{
    for (lg_xhash_entry *e = lg_xhash_first(&o->hash, hash); e; e = e->next) {
        bool same = e->hash == hash;
        const uint8_t *nulls = lg_xrow_nulls(e->row, o->ncols);
        for (uint32_t i = 0; same && i < o->ncols; i++) {
            bool bn = lg_vector_is_null(b->b.cols[i], row);
            same = nulls[i] || bn ? nulls[i] && bn
                                  : o->eq[i](e->row[i], lg_vector_value(b->b.cols[i], row));
        }
        if (same)
            return &o->items[(uintptr_t)e->extra];
    }
    return NULL;
}

static item *
add(struct setop *o, const lg_xbatch *b, uint32_t row, uint64_t hash)
{
    if (o->n == o->cap) {
        o->cap = o->cap ? o->cap * 2 : 64;
        o->items = lg_realloc(o->items, o->cap * sizeof *o->items);
    }
    lg_datum *copy = lg_xrow_copy(o->arena, b->b.cols, o->ncols, row);
    lg_xhash_add(&o->hash, hash, copy)->extra = (void *)(uintptr_t)o->n;
    o->items[o->n] = (item){.row = copy};
    return &o->items[o->n++];
}

static lg_status
weigh(lg_xnode *s)
{
    struct setop *o = s->state;
    size_t bytes = lg_arena_used_bytes(o->arena) + o->cap * sizeof *o->items;
    if (o->peak < bytes)
        o->peak = bytes;
    if (bytes > lg_xbudget_hash(s->x) && !o->closed &&
        (!o->now || o->now->depth < LG_XPARTS_DEPTH)) {
        size_t budget = lg_xbudget_hash(s->x);
        uint32_t shift = o->now ? o->now->shift : 0;
        double expected =
            s->plan->left->rows * (double)(o->ncols * 17u + 64 + (uint32_t)s->plan->left->width);
        uint32_t n = lg_xparts_number(budget, o->now ? 2.0 * (double)budget : expected);
        lg_xparts_init(&o->left, s->x, n, shift, o->ncols, o->types, budget);
        lg_xparts_init(&o->right, s->x, n, shift, o->ncols, o->types, budget);
        o->nparts += n;
        o->closed = true;
    }
    return lg_xmemory(s->x, &o->told, bytes);
}

static lg_status
next_batch(lg_xnode *s, bool left, lg_xbatch **ret)
{
    struct setop *o = s->state;
    if (!o->now)
        return lg_xnode_next(left ? s->left : s->right, ret);
    LG_TRY(lg_xcheck(s->x));
    *ret = &o->in;
    return left ? lg_xtape_batch(&o->now->left, &o->lat, &o->in)
                : lg_xtape_batch(&o->now->right, &o->rat, &o->in);
}

static lg_status
take_left(lg_xnode *s, const lg_xbatch *b)
{
    struct setop *o = s->state;
    for (uint32_t i = 0; i < b->b.n; i++) {
        uint32_t row = lg_xbatch_row(b, i);
        uint64_t hash = hash_row(o, b, row);
        item *k = find(o, b, row, hash);
        if (!k && o->closed) {
            LG_TRY(lg_xtape_add(&o->left.tapes[lg_xparts_of(&o->left, hash)], b->b.cols, row));
            continue;
        }
        if (!k)
            k = add(o, b, row, hash);
        k->left++;
    }
    return weigh(s);
}

static lg_status
take_right(lg_xnode *s, const lg_xbatch *b)
{
    struct setop *o = s->state;
    for (uint32_t i = 0; i < b->b.n; i++) {
        uint32_t row = lg_xbatch_row(b, i);
        uint64_t hash = hash_row(o, b, row);
        item *k = find(o, b, row, hash);
        uint32_t p = o->closed ? lg_xparts_of(&o->left, hash) : 0;
        if (k)
            k->right++;
        else if (o->closed && o->left.tapes[p].rows)
            LG_TRY(lg_xtape_add(&o->right.tapes[p], b->b.cols, row));
    }
    return LG_OK;
}

static lg_status
build(lg_xnode *s)
{
    struct setop *o = s->state;
    lg_xbatch *b;
    lg_status st;
    while ((st = next_batch(s, true, &b)) == LG_OK)
        LG_TRY(take_left(s, b));
    while (st == LG_END && (st = next_batch(s, false, &b)) == LG_OK) {
        LG_TRY(take_right(s, b));
        st = LG_END;
    }
    if (st != LG_END)
        return st;
    o->built = true;
    o->pos = 0;
    o->in_item = false;
    return LG_OK;
}

/* How often the row is in the result. */
static uint64_t
times(const lg_xnode *s, const item *k)
{
    bool except = s->plan->setop.op == LG_A_SETOP_EXCEPT;
    if (!s->plan->setop.all)
        return except ? !k->right : k->right > 0;
    if (except)
        return k->left > k->right ? k->left - k->right : 0;
    return k->left < k->right ? k->left : k->right;
}

static void
start_over(struct setop *o)
{
    lg_arena_reset(o->arena);
    lg_xhash_init(&o->hash, o->arena);
    o->n = 0;
    o->built = o->closed = false;
    o->lat.pos = o->rat.pos = 0;
}

static void
part_free(spart *p)
{
    if (!p)
        return;
    lg_xtape_fini(&p->left);
    lg_xtape_fini(&p->right);
    lg_free(p);
}

static lg_status
next_part(lg_xnode *s)
{
    struct setop *o = s->state;
    if (o->closed) {
        LG_TRY(lg_xparts_finish(&o->left));
        LG_TRY(lg_xparts_finish(&o->right));
        o->disk += lg_xparts_bytes(&o->left) + lg_xparts_bytes(&o->right);
    }
    for (uint32_t i = o->left.n; i-- > 0;) {
        if (!o->left.tapes[i].rows)
            continue;
        spart *p = lg_zalloc(sizeof *p);
        p->left = o->left.tapes[i];
        p->right = o->right.tapes[i];
        memset(&o->left.tapes[i], 0, sizeof p->left);
        memset(&o->right.tapes[i], 0, sizeof p->right);
        p->shift = o->left.shift + o->left.bits;
        p->depth = o->now ? o->now->depth + 1 : 1;
        p->next = o->todo;
        o->todo = p;
    }
    lg_xparts_fini(&o->left);
    lg_xparts_fini(&o->right);
    lg_xcursor_fini(&o->lat);
    lg_xcursor_fini(&o->rat);
    part_free(o->now);
    o->now = o->todo;
    o->finished = !o->now;
    if (!o->now)
        return LG_END;
    o->todo = o->now->next;
    start_over(o);
    return LG_OK;
}

static lg_status
setop_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct setop *o = s->state;
    uint32_t n = 0;
    if (!s->in.cap)
        lg_xbatch_init(&s->in, s->x->arena, o->ncols, o->types, LG_BATCH);
    while (!n) {
        if (o->finished)
            return LG_END;
        if (!o->built)
            LG_TRY(build(s));
        while (n < LG_BATCH && o->pos < o->n) {
            const item *k = &o->items[o->pos];
            if (!o->in_item)
                o->left_of_item = times(s, k);
            o->in_item = true;
            for (; o->left_of_item && n < LG_BATCH; o->left_of_item--, n++)
                for (uint32_t c = 0; c < o->ncols; c++)
                    lg_vector_set(s->in.b.cols[c], n, k->row[c],
                                  lg_xrow_nulls(k->row, o->ncols)[c]);
            if (o->left_of_item)
                break;
            o->pos++;
            o->in_item = false;
        }
        if (!n) {
            lg_status st = next_part(s);
            if (st != LG_OK)
                return st;
        }
    }
    s->in.b.n = n;
    s->in.b.sel = NULL;
    *ret = &s->in;
    return LG_OK;
}

static void
spill_drop(struct setop *o)
{
    lg_xcursor_fini(&o->lat);
    lg_xcursor_fini(&o->rat);
    lg_xparts_fini(&o->left);
    lg_xparts_fini(&o->right);
    part_free(o->now);
    o->now = NULL;
    while (o->todo) {
        spart *p = o->todo;
        o->todo = p->next;
        part_free(p);
    }
}

static void
setop_close(lg_xnode *s)
{
    struct setop *o = s->state;
    if (!o)
        return;
    spill_drop(o);
    lg_free(o->items);
    lg_arena_destroy(o->arena);
}

static lg_status
setop_rescan(lg_xnode *s)
{
    struct setop *o = s->state;
    if (!s->plan->nparams && o->built && !o->now && !o->closed && !o->disk) {
        o->pos = 0;
        o->in_item = o->finished = false;
        return LG_OK;
    }
    spill_drop(o);
    start_over(o);
    o->finished = false;
    LG_TRY(lg_xnode_rescan(s->left));
    return lg_xnode_rescan(s->right);
}

const lg_xnode_ops lg_xops_setop = {setop_open, setop_fetch, setop_rescan, setop_close};
