/* Hash join. Right is read whole into a table; left comes in batches and is probed a batch at a
 * time.
 *
 * TABLE   An entry is one allocation: header, those of right's columns that are read (values behind
 *         them), then those keys that are not plain columns. Buckets are made once all entries are
 *         there; a bucket's word holds its first entry and, in the 16 bits that pointers leave free,
 *         a mask of the hashes in the chain: most rows without a match never touch an entry.
 * FILTER  A scan below left is given a bloom filter of the keys (one or two that are words): it need
 *         not give what has no match. A table that is divided has none.
 * PROBE   A left batch either meets at most one entry per row (the table has no two entries of one
 *         hash), then the joined row stands at left's row number and left's columns are passed on
 *         as they are; or pairs are collected, up to a batch, and both sides' columns gathered.
 *         join_quals decide on the joined rows; `matched` says which left rows have met one.
 * LEFT and FULL give unmatched left rows after their batch, RIGHT and FULL unmatched entries at the
 * end. RIGHT_SEMI and RIGHT_ANTI give nothing but entries at the end, those that met a left row or
 * those that met none.
 *
 * SPILLING  (hybrid hash join) When the table is over the budget, right's rows are divided by hash:
 * partition 0 stays in memory as long as it fits, the others go to tapes, and left's rows follow
 * them. Then each pair of tapes is joined as the inputs were, dividing again by further bits.
 *
 *   DIVIDED, part 0 in memory -> part 0 out as well -> (left read) -> pairs of tapes, one by one
 *
 * A pair whose right side cannot be divided (one key has all the rows, or LG_XPARTS_DEPTH levels) is
 * joined in blocks: as much of right as fits, all of left, the next block. `met` then remembers
 * over the blocks which left rows have had a match. Rows with a NULL key are in partition 0. */
#include "exec_decode.h"
#include "exec_internal.h"
#include "exec_team.h"
#include "simd.h"
#include "type.h"
#include <string.h>

typedef struct hrow {
    struct hrow *next;
    uint64_t hash;
    bool met;
    lg_datum v[]; /* kept columns, keys; then a null byte for each */
} hrow;

#define PTR_BITS 48
#define PTR_MASK ((1ULL << PTR_BITS) - 1)

typedef struct hkey {
    int32_t slot; /* in the entry's values */
    lg_oid type, from_left, from_right;
    bool word; /* equal when the datums are */
    lg_hash_fn hash;
    lg_equal_fn eq;
} hkey;

/* Two tapes to be joined. */
typedef struct hpart {
    struct hpart *next;
    lg_xtape right, left;
    uint32_t shift, depth;
    bool whole; /* has all the rows of what it is a part of: dividing is of no use */
} hpart;

typedef struct hspill {
    hpart *todo, *now;     /* now NULL: the inputs */
    lg_xparts right, left; /* n 0: not divided */
    bool none_stays;       /* partition 0 is on its tape too */
    bool blocks, last_block;
    uint8_t *met;        /* blocks: by left row */
    uint64_t left_first; /* row number of the left batch */
    lg_xcursor rat, lat;
    lg_xbatch rb, lb;
    const lg_oid *rtypes, *ltypes;
    uint16_t *sel; /* of the left batch: rows that stay */
} hspill;

typedef struct hjoin {
    hspill *spill;   /* NULL: all is in memory */
    lg_arena *arena; /* entries */
    lg_arena **more; /* entries that members of a team made */
    uint32_t nmore;
    bool adopted;     /* a member's copy: the table is another's */
    bool keys_vary;   /* right's keys have parameters set at run time: each rescan builds anew */
    lg_arena *karena; /* keys of the present left batch */
    uint64_t *buckets;
    uint64_t nbuckets, n;
    hrow **rows, *last; /* rows: all entries, when unmatched ones are wanted */
    uint64_t cap;
    size_t told, peak; /* memory */
    uint64_t right_rows, disk, parts, most_buckets;
    hkey *keys;
    uint32_t nkeys, nl, nr, nextra;
    uint32_t nkept, *kept; /* right's columns in an entry */
    uint32_t nfill, *fill; /* which of them (positions) the joined row needs */
    bool *joined;          /* columns of the joined row that are read; NULL: all */
    bool *any_null;        /* by position: some entry has NULL there */
    uint8_t *store, *size; /* of an entry's values */
    lg_xbloom bloom;       /* once pushed: of the keys */
    lg_datum *wide;        /* an entry as a row of right */
    uint8_t *wide_null;
    bool built, right_null, unique, keep_all, pushed, finished;
    /* probing */
    lg_xbatch *left;
    lg_vector **lkeys;
    uint64_t *hashes;
    uint8_t *key_null;
    uint32_t li;
    hrow *chain;
    bool in_row, left_done, pairs_done;
    uint8_t *matched; /* by left row number */
    uint64_t rpos;
    uint32_t *pair_left;
    hrow **pair_right;
    uint16_t *sel;
    lg_vector **direct; /* joined row at left's row number */
    lg_vector *rvecs;
    lg_xbatch out, gather;
} hjoin;

static bool
keeps_left(uint8_t t)
{
    return t == LG_JOIN_LEFT || t == LG_JOIN_FULL || t == LG_JOIN_ANTI;
}

static bool
keeps_right(uint8_t t)
{
    return t == LG_JOIN_RIGHT || t == LG_JOIN_FULL || t == LG_JOIN_RIGHT_SEMI ||
           t == LG_JOIN_RIGHT_ANTI;
}

/* Only right's rows are given, at the end. */
static bool
only_right(uint8_t t)
{
    return t == LG_JOIN_RIGHT_SEMI || t == LG_JOIN_RIGHT_ANTI;
}

static bool
only_left(uint8_t t)
{
    return t == LG_JOIN_SEMI || t == LG_JOIN_ANTI;
}

static bool
is_word(lg_oid t)
{
    return t == LG_T_INT2 || t == LG_T_INT4 || t == LG_T_INT8 || t == LG_T_DATE || t == LG_T_BOOL ||
           t == LG_T_OID || t == LG_T_TIMESTAMP || t == LG_T_TIMESTAMPTZ;
}

static void
keys_open(lg_xnode *s, hjoin *h)
{
    const lg_node *p = s->plan;
    for (uint32_t i = 0; i < h->nkeys; i++) {
        const lg_join_key *k = &p->join.keys[i];
        hkey *x = &h->keys[i];
        x->type = k->hash_type;
        x->from_left = k->left->type;
        x->from_right = k->right->type;
        x->word = is_word(k->hash_type);
        x->hash = lg_type_hash_fn(k->hash_type);
        x->eq = lg_type_equal_fn(k->hash_type);
        const lg_expr *e = k->right;
        while (e->kind == LG_EX_RELABEL)
            e = e->args[0];
        bool plain = e->kind == LG_EX_SLOT && e->slot >= 0 && x->from_right != LG_T_FLOAT4;
        x->slot = (int32_t)(h->nkept + h->nextra);
        for (uint32_t c = 0; plain && c < h->nkept; c++)
            if (h->kept[c] == (uint32_t)e->slot)
                x->slot = (int32_t)c;
        h->nextra += x->slot == (int32_t)(h->nkept + h->nextra);
    }
}

/* Which of right's columns an entry has, and what of them is given. */
static void
columns_open(lg_xnode *s, hjoin *h)
{
    lg_arena *a = s->x->arena;
    const bool *used = lg_xnode_used(s->right);
    bool *joined = LG_NEWN(a, bool, h->nl + h->nr + 1);
    if (lg_xjoin_used(s, joined))
        h->joined = joined;
    h->kept = LG_NEWN(a, uint32_t, h->nr + 1);
    h->fill = LG_NEWN(a, uint32_t, h->nr + 1);
    for (uint32_t c = 0; c < h->nr; c++) {
        if (used && !used[c])
            continue;
        if (!h->joined || joined[h->nl + c])
            h->fill[h->nfill++] = h->nkept;
        h->kept[h->nkept++] = c;
    }
}

static void
hash_space(lg_xnode *s, lg_xspace *ret)
{
    const hjoin *h = s->state;
    *ret = (lg_xspace){.memory = h->peak,
                       .disk = h->disk,
                       .buckets = h->most_buckets,
                       .batches = h->most_buckets ? h->parts ? h->parts : 1 : 0};
}

static lg_status
hash_open(lg_xnode *s)
{
    lg_arena *a = s->x->arena;
    hjoin *h = s->state = LG_NEW(a, hjoin);
    const lg_node *p = s->plan;
    s->space = hash_space;
    h->nl = p->left->ncols;
    h->nr = p->right->ncols;
    h->nkeys = p->join.nkeys;
    h->keys = LG_NEWN(a, hkey, h->nkeys + 1);
    columns_open(s, h);
    keys_open(s, h);
    for (uint32_t i = 0; i < h->nkeys; i++)
        if (!h->keys[i].hash || !h->keys[i].eq)
            return LG_UNSUPPORTED;
    h->store = LG_NEWN(a, uint8_t, h->nkept + h->nextra + 1);
    h->size = LG_NEWN(a, uint8_t, h->nkept + h->nextra + 1);
    h->any_null = LG_NEWN(a, bool, h->nkept + h->nextra + 1);
    for (uint32_t i = 0; i < h->nkept; i++) {
        const lg_type *t = lg_type_get(p->right->cols[h->kept[i]].type);
        h->store[i] = (uint8_t)(t ? t->store : LG_STORE_BYVAL);
        h->size[i] = t ? t->size : 0;
    }
    for (uint32_t i = 0; i < h->nkeys; i++)
        if (h->keys[i].slot >= (int32_t)h->nkept) {
            const lg_type *t = lg_type_get(h->keys[i].type);
            h->store[h->keys[i].slot] = (uint8_t)(t ? t->store : LG_STORE_BYVAL);
            h->size[h->keys[i].slot] = t ? t->size : 0;
        }
    for (uint32_t i = 0; i < h->nkeys; i++)
        h->keys_vary = h->keys_vary || lg_expr_has_kind(p->join.keys[i].right, LG_EX_EXEC) ||
                       lg_expr_has_kind(p->join.keys[i].right, LG_EX_SUBPLAN);
    h->keep_all = keeps_right(p->join.type);
    h->lkeys = LG_NEWN(a, lg_vector *, h->nkeys + 1);
    h->hashes = LG_NEWN(a, uint64_t, LG_BATCH);
    h->key_null = LG_NEWN(a, uint8_t, LG_BATCH);
    h->matched = LG_NEWN(a, uint8_t, LG_BATCH);
    h->pair_left = LG_NEWN(a, uint32_t, LG_BATCH);
    h->pair_right = LG_NEWN(a, hrow *, LG_BATCH);
    h->sel = LG_NEWN(a, uint16_t, LG_BATCH);
    h->arena = lg_arena_create("hash join", 64 << 10);
    h->karena = lg_arena_create("hash join keys", 16 << 10);
    return LG_OK;
}

/* ---- keys ---- */

/* Integers of all widths have the same datum form; float4 is hashed as float8. */
static inline lg_datum
key_value(const hkey *k, lg_oid from, lg_datum v)
{
    return from == LG_T_FLOAT4 && k->type == LG_T_FLOAT8 ? lg_datum_float8((double)lg_float4(v))
                                                         : v;
}

/* Key vectors of the batch, and by position in its selection a hash and whether a key is NULL. */
static lg_status
hash_batch(lg_xnode *s, lg_xbatch *b, bool left, lg_arena *a, lg_vector **keys)
{
    hjoin *h = s->state;
    lg_ectx c = {.x = s->x, .cols = b->b.cols, .sys = b->sys, .cap = b->cap, .arena = a};
    uint32_t n = b->b.n;
    memset(h->key_null, 0, n);
    for (uint32_t i = 0; i < n; i++)
        h->hashes[i] = LG_SIMD_SEED;
    for (uint32_t k = 0; k < h->nkeys; k++) {
        const lg_join_key *jk = &s->plan->join.keys[k];
        const hkey *x = &h->keys[k];
        lg_oid from = left ? x->from_left : x->from_right;
        LG_TRY(lg_xexpr_vector(&c, left ? jk->left : jk->right, b->b.sel, n, &keys[k]));
        const lg_vector *v = keys[k];
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = lg_sel_row(b->b.sel, i);
            if (lg_vector_is_null(v, row)) {
                h->key_null[i] = 1;
                continue;
            }
            lg_datum d = key_value(x, from, lg_vector_value(v, row));
            h->hashes[i] = lg_simd_mix(h->hashes[i], x->word ? d : x->hash(d));
        }
    }
    return LG_OK;
}

static inline bool
keys_equal(const hjoin *h, const hrow *e, uint32_t lrow)
{
    for (uint32_t k = 0; k < h->nkeys; k++) {
        const hkey *x = &h->keys[k];
        lg_datum l = lg_vector_value(h->lkeys[k], lrow), r = e->v[x->slot];
        if (x->word ? l != r : !x->eq(key_value(x, x->from_left, l), r))
            return false;
    }
    return true;
}

/* ---- building ---- */

static inline size_t
value_bytes(const hjoin *h, uint32_t i, lg_datum d)
{
    switch (h->store[i]) {
    case LG_STORE_VARLEN:
        return sizeof(lg_varlen) + lg_text_len(d);
    case LG_STORE_FIXED:
        return h->size[i];
    case LG_STORE_CSTRING:
        return strlen(lg_cstring(d)) + 1;
    default:
        return 0;
    }
}

static inline uint8_t *
row_nulls(const hjoin *h, const hrow *e)
{
    return (uint8_t *)(uintptr_t)(e->v + h->nkept + h->nextra);
}

static hrow *
make_row(hjoin *h, const lg_xbatch *b, uint32_t row, lg_vector *const *keys)
{
    uint32_t n = h->nkept + h->nextra;
    size_t fixed = sizeof(hrow) + n * (sizeof(lg_datum) + 1), bytes = fixed;
    for (uint32_t i = 0; i < h->nkept; i++)
        if (h->store[i] != LG_STORE_BYVAL && !lg_vector_is_null(b->b.cols[h->kept[i]], row))
            bytes += value_bytes(h, i, lg_vector_value(b->b.cols[h->kept[i]], row));
    for (uint32_t k = 0; k < h->nkeys; k++)
        if (h->keys[k].slot >= (int32_t)h->nkept && !lg_vector_is_null(keys[k], row))
            bytes += value_bytes(h, (uint32_t)h->keys[k].slot, lg_vector_value(keys[k], row));
    hrow *e = lg_arena_alloc(h->arena, bytes);
    uint8_t *nulls = row_nulls(h, e), *at = (uint8_t *)e + fixed;
    e->met = false;
    for (uint32_t i = 0; i < n; i++) {
        const lg_vector *v = i < h->nkept ? b->b.cols[h->kept[i]] : NULL;
        const hkey *x = NULL;
        for (uint32_t k = 0; !v && k < h->nkeys; k++)
            if (h->keys[k].slot == (int32_t)i) {
                x = &h->keys[k];
                v = keys[k];
            }
        nulls[i] = lg_vector_is_null(v, row);
        h->any_null[i] |= nulls[i] != 0;
        lg_datum d = nulls[i] ? 0 : lg_vector_value(v, row);
        if (x && !nulls[i])
            d = key_value(x, x->from_right, d);
        size_t len = nulls[i] || h->store[i] == LG_STORE_BYVAL ? 0 : value_bytes(h, i, d);
        if (len) {
            memcpy(at, lg_ptr(d), len);
            d = lg_datum_ptr(at);
            at += len;
        }
        e->v[i] = d;
    }
    return e;
}

static void
keep_row(hjoin *h, hrow *e)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 1024;
        h->rows = lg_realloc(h->rows, h->cap * sizeof *h->rows);
    }
    h->rows[h->n++] = e;
}

static size_t
table_bytes(const hjoin *h)
{
    size_t bytes = lg_arena_used_bytes(h->arena) + h->cap * 8 + h->n * 16;
    for (uint32_t i = 0; i < h->nmore; i++)
        bytes += lg_arena_used_bytes(h->more[i]);
    return bytes;
}

static void
more_drop(hjoin *h)
{
    while (h->nmore)
        lg_arena_destroy(h->more[--h->nmore]);
    lg_free(h->more);
    h->more = NULL;
}

static inline uint64_t
tag_of(uint64_t hash)
{
    return 1ULL << (PTR_BITS + (hash >> 60));
}

static lg_status
make_buckets(lg_xnode *s)
{
    hjoin *h = s->state;
    uint64_t nb = 16;
    while (nb < h->n + h->n / 2)
        nb *= 2;
    h->nbuckets = nb;
    if (h->most_buckets < nb)
        h->most_buckets = nb;
    size_t bytes = table_bytes(h) - h->n * 16 + nb * 8;
    if (h->peak < bytes)
        h->peak = bytes;
    h->buckets = lg_zalloc(nb * sizeof *h->buckets);
    h->unique = true;
    for (uint64_t i = h->n; i-- > 0;) { /* so that chains are in the order of coming */
        hrow *e = h->rows[i];
        if (i % (64 * LG_BATCH) == 0)
            LG_TRY(lg_xcheck(s->x));
        if (e->hash == 0) /* a NULL key: matches nothing */
            continue;
        uint64_t *b = &h->buckets[e->hash & (nb - 1)];
        e->next = (hrow *)(uintptr_t)(*b & PTR_MASK);
        for (const hrow *o = e->next; o && h->unique; o = o->next)
            h->unique = o->hash != e->hash;
        *b = (*b & ~PTR_MASK) | tag_of(e->hash) | (uint64_t)(uintptr_t)e;
    }
    return LG_OK;
}

/* Its keys, once they were pushed to a scan. A table that is not whole says nothing. */
static void
make_bloom(hjoin *h)
{
    lg_free(h->bloom.words);
    h->bloom = (lg_xbloom){0};
    if (!h->pushed || h->spill)
        return;
    uint64_t words = lg_simd_bloom_words(h->n);
    h->bloom = (lg_xbloom){lg_zalloc(words * sizeof *h->bloom.words), words - 1};
    for (uint64_t i = 0; i < h->n; i++)
        if (h->rows[i]->hash) /* else a key is NULL */
            lg_simd_bloom_add(h->bloom.words, h->bloom.mask, h->rows[i]->hash);
}

/* Left rows without a match are of no use: the scan that gives them need not. Once: the scan has
 * not begun when the table is first made, and looks at whatever filter there is later. */
static void
push_down(lg_xnode *s)
{
    hjoin *h = s->state;
    const lg_node *p = s->plan;
    uint32_t slots[LG_XPUSH_KEYS];
    if (h->pushed || h->nkeys > LG_XPUSH_KEYS ||
        (p->join.type != LG_JOIN_INNER && p->join.type != LG_JOIN_SEMI &&
         p->join.type != LG_JOIN_RIGHT && !only_right(p->join.type)))
        return;
    for (uint32_t k = 0; k < h->nkeys; k++) {
        const lg_expr *e = p->join.keys[k].left;
        while (e->kind == LG_EX_RELABEL)
            e = e->args[0];
        if (!h->keys[k].word || e->kind != LG_EX_SLOT || e->slot < 0)
            return;
        slots[k] = (uint32_t)e->slot;
    }
    h->pushed = h->nkeys > 0 && lg_xscan_push(s->left, slots, h->nkeys, &h->bloom);
}

/* ---- spilling ---- */

static hrow *
copy_row(const hjoin *h, const hrow *e, lg_arena *a)
{
    uint32_t n = h->nkept + h->nextra;
    size_t bytes = sizeof(hrow) + n * (sizeof(lg_datum) + 1);
    const uint8_t *nulls = row_nulls(h, e);
    for (uint32_t i = 0; i < n; i++)
        if (!nulls[i] && h->store[i] != LG_STORE_BYVAL)
            bytes += value_bytes(h, i, e->v[i]);
    hrow *c = lg_arena_dup(a, e, bytes);
    for (uint32_t i = 0; i < n; i++)
        if (!nulls[i] && h->store[i] != LG_STORE_BYVAL && h->store[i] != LG_STORE_NONE)
            c->v[i] = lg_datum_ptr((char *)c + ((const char *)lg_ptr(e->v[i]) - (const char *)e));
    return c;
}

static inline uint32_t
part_of(const hspill *sp, uint64_t hash)
{
    return hash ? lg_xparts_of(&sp->right, hash | 1) : 0;
}

static lg_status
row_out(hjoin *h, const hrow *e)
{
    hspill *sp = h->spill;
    memset(h->wide_null, 1, h->nr);
    for (uint32_t c = 0; c < h->nkept; c++) {
        h->wide[h->kept[c]] = e->v[c];
        h->wide_null[h->kept[c]] = row_nulls(h, e)[c];
    }
    return lg_xtape_add_values(&sp->right.tapes[part_of(sp, e->hash)], h->wide, h->wide_null);
}

/* Divides: what is in memory goes where it belongs. */
static lg_status
divide(lg_xnode *s)
{
    hjoin *h = s->state;
    const lg_node *p = s->plan;
    hspill *sp = h->spill;
    size_t budget = lg_xbudget_hash(s->x);
    if (!sp) {
        sp = h->spill = LG_NEW(s->x->arena, hspill);
        sp->rtypes = lg_xnode_types(s, p->right);
        sp->ltypes = lg_xnode_types(s, p->left);
        sp->sel = LG_NEWN(s->x->arena, uint16_t, LG_BATCH);
        h->wide = LG_NEWN(s->x->arena, lg_datum, h->nr + 1);
        h->wide_null = LG_NEWN(s->x->arena, uint8_t, h->nr + 1);
    }
    double bytes =
        sp->now ? (double)lg_xtape_bytes(&sp->now->right) * 2
                : p->right->rows * (double)(sizeof(hrow) + h->nr * 9u + (uint32_t)p->right->width);
    uint32_t n =
        lg_xparts_number(budget, bytes > 2.0 * (double)budget ? bytes : 2.0 * (double)budget);
    uint32_t shift = sp->now ? sp->now->shift : 0;
    lg_xparts_init(&sp->right, s->x, n, shift, h->nr, sp->rtypes, budget);
    lg_xparts_init(&sp->left, s->x, n, shift, h->nl, sp->ltypes, budget);
    sp->none_stays = false;
    lg_arena *stay = lg_arena_create("hash join", 32 << 10);
    uint64_t kept = 0;
    lg_status st = LG_OK;
    for (uint64_t i = 0; st == LG_OK && i < h->n; i++) {
        if (part_of(sp, h->rows[i]->hash) == 0)
            h->rows[kept++] = copy_row(h, h->rows[i], stay);
        else
            st = row_out(h, h->rows[i]);
    }
    h->n = kept;
    lg_arena_destroy(h->arena);
    more_drop(h);
    h->arena = stay;
    h->parts += n;
    return st;
}

/* Partition 0 does not fit either. */
static lg_status
all_out(hjoin *h)
{
    h->spill->none_stays = true;
    for (uint64_t i = 0; i < h->n; i++)
        LG_TRY(row_out(h, h->rows[i]));
    h->n = 0;
    lg_arena_reset(h->arena);
    return LG_OK;
}

/* May what is being read be divided (again)? */
static bool
divides(const hjoin *h)
{
    const hpart *now = h->spill ? h->spill->now : NULL;
    return !now || (!now->whole && now->depth < LG_XPARTS_DEPTH);
}

/* After each batch of right: LG_END: the block is full. */
static lg_status
over_budget(lg_xnode *s)
{
    hjoin *h = s->state;
    hspill *sp = h->spill;
    size_t budget = lg_xbudget_hash(s->x), bytes = table_bytes(h);
    if (h->peak < bytes)
        h->peak = bytes;
    if (s->x->tree->helper)
        s->x->tree->helper->full = bytes > s->x->tree->helper->limit;
    if (bytes > budget && h->n > 1) {
        if (sp && sp->right.n)
            LG_TRY(all_out(h));
        else if (divides(h))
            LG_TRY(divide(s));
        else {
            sp->blocks = true;
            return LG_END;
        }
    }
    return lg_xmemory(s->x, &h->told, table_bytes(h));
}

/* The entries of a member become ours, in their memory. */
static lg_status
absorb_rows(lg_xnode *s, lg_xnode *copy)
{
    hjoin *h = s->state, *from = copy->state;
    h->more = lg_realloc(h->more, (h->nmore + 1) * sizeof(lg_arena *));
    h->more[h->nmore++] = from->arena;
    from->arena = NULL;
    for (uint64_t i = 0; i < from->n; i++) {
        keep_row(h, from->rows[i]);
        if (i % (64 * LG_BATCH) == 0)
            LG_TRY(lg_xcheck(s->x));
    }
    from->n = 0;
    h->right_rows += from->right_rows;
    h->right_null |= from->right_null;
    for (uint32_t i = 0; i < h->nkept + h->nextra; i++)
        h->any_null[i] |= from->any_null[i];
    if (h->peak < table_bytes(h))
        h->peak = table_bytes(h);
    return LG_OK;
}

static lg_status
right_batch(lg_xnode *s, lg_xbatch **ret)
{
    hjoin *h = s->state;
    hspill *sp = h->spill;
    if (!sp || !sp->now)
        return lg_xnode_next(s->right, ret);
    *ret = &sp->rb;
    return lg_xtape_batch(&sp->now->right, &sp->rat, &sp->rb);
}

/* The left batch's rows of partitions that are on tapes go there; the others stay. False: none. */
static lg_status
left_divide(lg_xnode *s, bool *ret_any)
{
    hjoin *h = s->state;
    hspill *sp = h->spill;
    uint8_t type = s->plan->join.type;
    lg_xbatch *b = h->left;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->b.n; i++) {
        uint32_t row = lg_xbatch_row(b, i), p = part_of(sp, h->key_null[i] ? 0 : h->hashes[i] | 1);
        if (p == 0 && !sp->none_stays) {
            sp->sel[n] = (uint16_t)row;
            h->hashes[n] = h->hashes[i];
            h->key_null[n++] = h->key_null[i];
        } else if (sp->right.tapes[p].rows || keeps_left(type)) {
            LG_TRY(lg_xtape_add(&sp->left.tapes[p], b->b.cols, row));
        }
    }
    b->b.sel = sp->sel;
    b->b.n = n;
    *ret_any = n > 0;
    return LG_OK;
}

/* Blocks: rows that have had their match need no second one. */
static bool
left_unmet(lg_xnode *s)
{
    hjoin *h = s->state;
    hspill *sp = h->spill;
    lg_xbatch *b = h->left;
    uint32_t n = 0;
    if (!only_left(s->plan->join.type))
        return b->b.n > 0;
    for (uint32_t i = 0; i < b->b.n; i++) {
        uint32_t row = lg_xbatch_row(b, i);
        if (sp->met[sp->left_first + row])
            continue;
        sp->sel[n] = (uint16_t)row;
        h->hashes[n] = h->hashes[i];
        h->key_null[n++] = h->key_null[i];
    }
    b->b.sel = sp->sel;
    b->b.n = n;
    return n > 0;
}

static void
part_free(hpart *p)
{
    if (!p)
        return;
    lg_xtape_fini(&p->right);
    lg_xtape_fini(&p->left);
    lg_free(p);
}

/* The tapes written at this level become pairs to be joined. */
static lg_status
parts_push(hjoin *h, uint8_t type)
{
    hspill *sp = h->spill;
    uint64_t all = 0;
    uint32_t shift = sp->right.shift + sp->right.bits, n = sp->right.n;
    LG_TRY(lg_xparts_finish(&sp->right));
    LG_TRY(lg_xparts_finish(&sp->left));
    for (uint32_t i = 0; i < n; i++)
        all += sp->right.tapes[i].rows;
    for (uint32_t i = n; i-- > 0;) {
        lg_xtape *r = &sp->right.tapes[i], *l = &sp->left.tapes[i];
        h->disk += lg_xtape_bytes(r) + lg_xtape_bytes(l);
        if (!(r->rows && (l->rows || keeps_right(type))) && !(l->rows && keeps_left(type)))
            continue;
        hpart *p = lg_zalloc(sizeof *p);
        p->shift = shift;
        p->depth = sp->now ? sp->now->depth + 1 : 1;
        p->whole = r->rows == all;
        p->right = *r;
        p->left = *l;
        memset(r, 0, sizeof *r);
        memset(l, 0, sizeof *l);
        p->next = sp->todo;
        sp->todo = p;
    }
    lg_xparts_fini(&sp->right);
    lg_xparts_fini(&sp->left);
    return LG_OK;
}

static void hash_drop(hjoin *h);

/* To the next block of this pair, or the next pair; LG_END: all is done. */
static lg_status
next_part(lg_xnode *s)
{
    hjoin *h = s->state;
    hspill *sp = h->spill;
    if (!sp)
        return LG_END;
    hash_drop(h);
    h->left_done = false;
    h->rpos = 0;
    sp->lat.pos = 0;
    if (sp->blocks && !sp->last_block)
        return LG_OK;
    if (sp->right.n)
        LG_TRY(parts_push(h, s->plan->join.type));
    lg_xcursor_fini(&sp->rat);
    lg_xcursor_fini(&sp->lat);
    part_free(sp->now);
    lg_free(sp->met);
    sp->met = NULL;
    sp->blocks = sp->last_block = false;
    sp->rat.pos = 0;
    if (!(sp->now = sp->todo))
        return LG_END;
    sp->todo = sp->now->next;
    return LG_OK;
}

static void
spill_drop(hjoin *h)
{
    hspill *sp = h->spill;
    if (!sp)
        return;
    lg_xcursor_fini(&sp->rat);
    lg_xcursor_fini(&sp->lat);
    lg_xparts_fini(&sp->right);
    lg_xparts_fini(&sp->left);
    part_free(sp->now);
    while (sp->todo) {
        hpart *p = sp->todo;
        sp->todo = p->next;
        part_free(p);
    }
    lg_free(sp->met);
    h->spill = NULL;
}

/* Rows of right into the table, until there are no more (LG_END), or no more in a block. */
static lg_status
take_rows(lg_xnode *s, lg_xteam *team)
{
    hjoin *h = s->state;
    lg_xbatch *b;
    lg_status st;
    lg_arena *tmp = lg_arena_create("hash keys", 16 << 10);
    lg_vector **keys = LG_NEWN(tmp, lg_vector *, h->nkeys + 1);
    while ((st = right_batch(s, &b)) == LG_OK) {
        lg_arena *a = s->scratch;
        lg_arena_reset(a);
        st = hash_batch(s, b, false, a, keys);
        if (st != LG_OK)
            break;
        for (uint32_t i = 0; i < b->b.n && st == LG_OK; i++) {
            uint32_t row = lg_xbatch_row(b, i);
            if (h->key_null[i]) {
                h->right_null = true;
                if (!h->keep_all)
                    continue;
            }
            uint64_t hash = h->key_null[i] ? 0 : h->hashes[i] | 1;
            const hspill *sp = h->spill;
            h->right_rows++;
            if (sp && sp->right.n && (sp->none_stays || part_of(sp, hash))) {
                st = lg_xtape_add(&sp->right.tapes[part_of(sp, hash)], b->b.cols, row);
                continue;
            }
            hrow *e = make_row(h, b, row, keys);
            e->hash = hash;
            keep_row(h, e);
        }
        if (st == LG_OK && team && table_bytes(h) > lg_xbudget_hash(s->x))
            st = lg_xteam_finish(team, absorb_rows); /* then they can be divided */
        if (st == LG_OK)
            st = over_budget(s);
        if (st == LG_OK)
            st = lg_xcheck(s->x);
        if (st != LG_OK)
            break;
    }
    lg_arena_destroy(tmp);
    return st;
}

/* What a member of a team does: entries of the rows that it gets. */
static lg_status
member_rows(lg_xnode *s)
{
    lg_status st = take_rows(s, NULL);
    return st == LG_END ? LG_OK : st;
}

/* With its part of the entries each. */
static lg_status
read_right(lg_xnode *s)
{
    hjoin *h = s->state;
    lg_xteam *team = NULL;
    if (!h->spill)
        LG_TRY(lg_xteam_begin(s, member_rows, &team));
    lg_status st = take_rows(s, team);
    if (st == LG_END) {
        st = lg_xteam_finish(team, absorb_rows);
        st = st == LG_OK ? LG_END : st;
    }
    return lg_xteam_end(team, st);
}

static lg_status
hash_build(lg_xnode *s)
{
    hjoin *h = s->state;
    lg_status st = read_right(s);
    if (st != LG_END)
        return st;
    hspill *sp = h->spill;
    if (sp && sp->blocks) {
        sp->last_block = sp->rat.pos >= sp->now->right.rows;
        if (!sp->met)
            sp->met = lg_zalloc(sp->now->left.rows + 1);
    }
    LG_TRY(make_buckets(s));
    h->built = true;
    push_down(s);
    make_bloom(h);
    return LG_OK;
}

static void
hash_drop(hjoin *h)
{
    if (h->adopted)
        return;
    lg_free(h->buckets);
    lg_free(h->rows);
    lg_free(h->bloom.words);
    more_drop(h);
    h->bloom = (lg_xbloom){0};
    h->buckets = NULL;
    h->rows = NULL;
    h->n = h->cap = h->nbuckets = 0;
    h->built = h->right_null = false;
    if (h->arena)
        lg_arena_reset(h->arena);
}

/* ---- probing ---- */

static inline hrow *
first_of(const hjoin *h, uint64_t hash)
{
    uint64_t b = h->buckets[hash & (h->nbuckets - 1)];
    return b & tag_of(hash) ? (hrow *)(uintptr_t)(b & PTR_MASK) : NULL;
}

static inline hrow *
next_equal(const hjoin *h, hrow *e, uint64_t hash, uint32_t lrow)
{
    while (e && (e->hash != hash || !keys_equal(h, e, lrow)))
        e = e->next;
    return e;
}

static lg_status
left_batch(lg_xnode *s)
{
    hjoin *h = s->state;
    hspill *sp = h->spill;
    if (!sp || !sp->now)
        return lg_xnode_next(s->left, &h->left);
    sp->left_first = sp->lat.pos;
    h->left = &sp->lb;
    return lg_xtape_batch(&sp->now->left, &sp->lat, &sp->lb);
}

static lg_status
next_left(lg_xnode *s)
{
    hjoin *h = s->state;
    for (;;) {
        bool any = true;
        LG_TRY(left_batch(s));
        lg_arena_reset(h->karena);
        LG_TRY(hash_batch(s, h->left, true, h->karena, h->lkeys));
        if (h->spill && h->spill->right.n)
            LG_TRY(left_divide(s, &any));
        else if (h->spill && h->spill->blocks)
            any = left_unmet(s);
        if (any)
            break;
        LG_TRY(lg_xcheck(s->x));
    }
    for (uint32_t i = 0; i < h->left->b.n; i++) {
        uint32_t row = lg_xbatch_row(h->left, i);
        h->hashes[i] |= 1;
        /* NOT IN: a NULL is in doubt against anything */
        h->matched[row] =
            s->plan->join.null_aware && h->key_null[i] && h->right_rows + h->right_null > 0;
        if (h->spill && h->spill->blocks)
            h->matched[row] |= h->spill->met[h->spill->left_first + row];
    }
    h->li = 0;
    h->chain = NULL;
    h->in_row = h->pairs_done = false;
    return LG_OK;
}

/* Blocks: which rows of the left batch have had a match by now. False: there are further blocks,
 * so that nothing can be said about those that have not. */
static bool
note_met(hjoin *h)
{
    hspill *sp = h->spill;
    if (!sp || !sp->blocks)
        return true;
    for (uint32_t i = 0; i < h->left->b.n; i++) {
        uint32_t row = lg_xbatch_row(h->left, i);
        sp->met[sp->left_first + row] = h->matched[row];
    }
    return sp->last_block;
}

static void
set_out(lg_xnode *s, lg_vector **cols, uint32_t cap, const uint16_t *sel, uint32_t n,
        lg_xbatch **ret)
{
    hjoin *h = s->state;
    h->out.b.cols = cols;
    h->out.b.ncols = h->nl + h->nr;
    h->out.b.sel = sel;
    h->out.b.n = n;
    h->out.cap = cap;
    *ret = &h->out;
}

/* Right's columns at the rows of sel, from pair_right[row]; padded: some of these are NULL, for
 * rows of NULLs. */
static void
fill_right(hjoin *h, lg_vector *const *to, const uint16_t *sel, uint32_t n, bool padded)
{
    for (uint32_t f = 0; f < h->nfill; f++) {
        uint32_t at = h->fill[f];
        lg_vector *v = to[h->nl + h->kept[at]];
        v->maybe_null = padded || h->any_null[at];
        if (!v->maybe_null) {
            for (uint32_t i = 0; i < n; i++) {
                uint32_t row = lg_sel_row(sel, i);
                v->v[row] = h->pair_right[row]->v[at];
            }
            continue;
        }
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = lg_sel_row(sel, i);
            const hrow *e = h->pair_right[row];
            v->v[row] = e ? e->v[at] : 0;
            v->null[row] = e ? row_nulls(h, e)[at] : 1;
        }
    }
}

/* Left's vectors and right's own ones beside them. */
static void
direct_init(lg_xnode *s)
{
    hjoin *h = s->state;
    if (!h->rvecs) {
        h->rvecs = LG_NEWN(s->x->arena, lg_vector, h->nr + 1);
        h->direct = LG_NEWN(s->x->arena, lg_vector *, h->nl + h->nr + 1);
        for (uint32_t c = 0; c < h->nr; c++) {
            h->direct[h->nl + c] = lg_xvector_none(s->x);
            if (h->joined && !h->joined[h->nl + c])
                continue;
            lg_vector_init(&h->rvecs[c], s->x->arena, s->plan->right->cols[c].type, LG_BATCH);
            h->direct[h->nl + c] = &h->rvecs[c];
        }
    }
    for (uint32_t c = 0; c < h->nl; c++)
        h->direct[c] = h->left->b.cols[c];
}

static lg_status
filter(lg_xnode *s, lg_vector *const *cols, uint32_t cap, const uint16_t *sel, uint32_t n,
       uint16_t *out, uint32_t *ret_n)
{
    lg_ectx c = {.x = s->x, .cols = cols, .cap = cap, .arena = s->scratch};
    LG_TRY(lg_xexpr_filter(&c, s->plan->join.join_quals, sel, n, out, ret_n));
    s->join_filtered += n - *ret_n;
    return LG_OK;
}

/* Left rows that met nothing (or, SEMI, something), as they are. */
static bool
give_left(lg_xnode *s, bool met, lg_xbatch **ret)
{
    hjoin *h = s->state;
    uint32_t n = 0;
    for (uint32_t i = 0; i < h->left->b.n; i++) {
        uint32_t row = lg_xbatch_row(h->left, i);
        h->sel[n] = (uint16_t)row;
        n += (h->matched[row] != 0) == met;
    }
    if (!n)
        return false;
    direct_init(s);
    if (!only_left(s->plan->join.type)) {
        for (uint32_t i = 0; i < n; i++)
            h->pair_right[h->sel[i]] = NULL;
        fill_right(h, h->direct, h->sel, n, true);
    }
    set_out(s, h->direct, h->left->cap, h->sel, n, ret);
    return true;
}

/* The whole left batch when no left row can have two matches. LG_END: it gave nothing. */
static lg_status
probe_unique(lg_xnode *s, lg_xbatch **ret)
{
    hjoin *h = s->state;
    const lg_node *p = s->plan;
    uint8_t type = p->join.type;
    uint32_t n = 0;
    for (uint32_t i = 0; i < h->left->b.n; i++) {
        uint32_t row = lg_xbatch_row(h->left, i);
        if (h->key_null[i])
            continue;
        hrow *e = next_equal(h, first_of(h, h->hashes[i]), h->hashes[i], row);
        h->pair_right[row] = e;
        h->sel[n] = (uint16_t)row;
        n += e != NULL;
    }
    direct_init(s);
    bool filled = p->join.join_quals || !only_left(type);
    if (n && filled)
        fill_right(h, h->direct, h->sel, n, false);
    if (n && p->join.join_quals)
        LG_TRY(filter(s, h->direct, h->left->cap, h->sel, n, h->sel, &n));
    for (uint32_t i = 0; i < n; i++)
        h->matched[h->sel[i]] = 1;
    for (uint32_t i = 0; h->keep_all && i < n; i++)
        h->pair_right[h->sel[i]]->met = true;
    h->pairs_done = true;
    if (only_left(type) || only_right(type) || !n)
        return LG_END; /* what is to be given is said by `matched` */
    set_out(s, h->direct, h->left->cap, h->sel, n, ret);
    return LG_OK;
}

/* A large table lies outside the processor's caches: all of a batch's buckets are asked for before
 * the first is needed, then their first entries. */
static void
fetch_ahead(const hjoin *h, uint32_t n)
{
    uint64_t mask = h->nbuckets - 1;
    if (h->nbuckets < 4096)
        return;
    for (uint32_t i = 0; i < n; i++)
        __builtin_prefetch(&h->buckets[h->hashes[i] & mask]);
    for (uint32_t i = 0; i < n; i++) {
        const char *e = (const char *)first_of(h, h->hashes[i]);
        if (e) {
            __builtin_prefetch(e);
            __builtin_prefetch(e + 64);
        }
    }
}

/* SEMI and ANTI without further conditions: only whether there is a match. */
static void
probe_exists(hjoin *h)
{
    for (uint32_t i = 0; i < h->left->b.n; i++) {
        uint32_t row = lg_xbatch_row(h->left, i);
        if (!h->key_null[i] && !h->matched[row])
            h->matched[row] = next_equal(h, first_of(h, h->hashes[i]), h->hashes[i], row) != NULL;
    }
    h->pairs_done = true;
}

/* Up to a batch of pairs from where the last call stopped. */
static uint32_t
collect_pairs(lg_xnode *s)
{
    hjoin *h = s->state;
    bool first_only =
        s->plan->join.inner_unique && !keeps_right(s->plan->join.type) && !s->plan->join.join_quals;
    uint32_t n = 0;
    for (; h->li < h->left->b.n; h->li++) {
        uint32_t row = lg_xbatch_row(h->left, h->li);
        if (!h->in_row) {
            h->chain = h->key_null[h->li] ? NULL : first_of(h, h->hashes[h->li]);
            h->in_row = true;
        }
        while ((h->chain = next_equal(h, h->chain, h->hashes[h->li], row)) != NULL) {
            if (n == LG_BATCH)
                return n;
            h->pair_left[n] = row;
            h->pair_right[n++] = h->chain;
            h->chain = first_only ? NULL : h->chain->next;
        }
        h->in_row = false;
    }
    h->pairs_done = true;
    return n;
}

static void
gather_init(lg_xnode *s)
{
    hjoin *h = s->state;
    const lg_node *p = s->plan;
    lg_xbatch *b = &h->gather;
    if (b->cap)
        return;
    b->cap = LG_BATCH;
    b->b.ncols = h->nl + h->nr;
    b->b.cols = LG_NEWN(s->x->arena, lg_vector *, b->b.ncols + 1);
    for (uint32_t i = 0; i < b->b.ncols; i++) {
        b->b.cols[i] = lg_xvector_none(s->x);
        if (h->joined && !h->joined[i])
            continue;
        b->b.cols[i] = LG_NEW(s->x->arena, lg_vector);
        lg_vector_init(b->b.cols[i], s->x->arena,
                       i < h->nl ? p->left->cols[i].type : p->right->cols[i - h->nl].type,
                       LG_BATCH);
    }
}

/* Left's columns at the pairs. */
static void
gather_left(hjoin *h, uint32_t n)
{
    for (uint32_t c = 0; c < h->nl; c++) {
        const lg_vector *from = h->left->b.cols[c];
        lg_vector *to = h->gather.b.cols[c];
        if (h->joined && !h->joined[c])
            continue;
        to->maybe_null = from->maybe_null;
        for (uint32_t i = 0; i < n; i++)
            to->v[i] = lg_vector_value(from, h->pair_left[i]);
        for (uint32_t i = 0; from->maybe_null && i < n; i++)
            to->null[i] = lg_vector_is_null(from, h->pair_left[i]);
    }
}

static lg_status
probe_pairs(lg_xnode *s, lg_xbatch **ret)
{
    hjoin *h = s->state;
    const lg_node *p = s->plan;
    gather_init(s);
    while (!h->pairs_done) {
        uint32_t n = collect_pairs(s);
        const uint16_t *sel = NULL;
        if (!n)
            break;
        gather_left(h, n);
        fill_right(h, h->gather.b.cols, NULL, n, false);
        if (p->join.join_quals) {
            LG_TRY(filter(s, h->gather.b.cols, LG_BATCH, NULL, n, h->sel, &n));
            sel = h->sel;
        }
        for (uint32_t i = 0; i < n; i++) {
            uint32_t at = lg_sel_row(sel, i);
            h->matched[h->pair_left[at]] = 1;
            if (h->keep_all)
                h->pair_right[at]->met = true;
        }
        if (!n || only_left(p->join.type) || only_right(p->join.type))
            continue;
        set_out(s, h->gather.b.cols, LG_BATCH, sel, n, ret);
        return LG_OK;
    }
    return LG_END;
}

/* RIGHT_SEMI and RIGHT_ANTI without further conditions: which entries have a match. */
static void
probe_right(hjoin *h)
{
    for (uint32_t i = 0; i < h->left->b.n; i++) {
        uint32_t row = lg_xbatch_row(h->left, i);
        if (h->key_null[i])
            continue;
        hrow *e = next_equal(h, first_of(h, h->hashes[i]), h->hashes[i], row);
        for (; e && !e->met; e = next_equal(h, e->next, h->hashes[i], row))
            e->met = true; /* all of one key meet together */
    }
    h->pairs_done = true;
}

/* One more batch of joined rows of the present left batch; LG_END: it has no more. */
static lg_status
probe(lg_xnode *s, lg_xbatch **ret)
{
    hjoin *h = s->state;
    uint8_t type = s->plan->join.type;
    if (!h->pairs_done) {
        lg_status st = LG_END;
        if (h->li == 0 && !h->in_row)
            fetch_ahead(h, h->left->b.n);
        if (only_left(type) && !s->plan->join.join_quals)
            probe_exists(h);
        else if (only_right(type) && !s->plan->join.join_quals)
            probe_right(h);
        else if (h->unique)
            st = probe_unique(s, ret);
        else
            st = probe_pairs(s, ret);
        if (st != LG_END)
            return st;
    }
    bool said = note_met(h);
    bool more = (type == LG_JOIN_SEMI || (keeps_left(type) && said)) &&
                give_left(s, type == LG_JOIN_SEMI, ret);
    h->left = NULL; /* its rows live until the next is asked for */
    return more ? LG_OK : LG_END;
}

static lg_status
give_unmatched(lg_xnode *s, lg_xbatch **ret)
{
    hjoin *h = s->state;
    uint32_t n = 0;
    bool want = s->plan->join.type == LG_JOIN_RIGHT_SEMI;
    gather_init(s);
    while (n < LG_BATCH && h->rpos < h->n) {
        hrow *e = h->rows[h->rpos++];
        if (e->met == want)
            h->pair_right[n++] = e;
    }
    for (uint32_t c = 0; c < h->nl; c++) {
        lg_vector *v = h->gather.b.cols[c];
        if (v->constant)
            continue;
        v->maybe_null = true;
        memset(v->v, 0, n * sizeof *v->v);
        memset(v->null, 1, n);
    }
    fill_right(h, h->gather.b.cols, NULL, n, false);
    set_out(s, h->gather.b.cols, LG_BATCH, NULL, n, ret);
    return n ? LG_OK : LG_END;
}

/* The join of what is in memory with left, or what follows left of it. */
static lg_status
part_fetch(lg_xnode *s, lg_xbatch **ret)
{
    hjoin *h = s->state;
    uint8_t type = s->plan->join.type;
    bool divided = h->spill && h->spill->right.n;
    if (!h->n && !divided &&
        (type == LG_JOIN_INNER || type == LG_JOIN_SEMI || type == LG_JOIN_RIGHT ||
         only_right(type)))
        return LG_END;
    while (!h->left_done) {
        if (!h->left) {
            lg_status st = next_left(s);
            if (st == LG_END) {
                h->left_done = true;
                h->left = NULL;
                break;
            }
            LG_TRY(st);
        }
        lg_status st = probe(s, ret);
        if (st != LG_END)
            return st;
    }
    return keeps_right(type) ? give_unmatched(s, ret) : LG_END;
}

static lg_status
hash_fetch(lg_xnode *s, lg_xbatch **ret)
{
    hjoin *h = s->state;
    if (h->finished)
        return LG_END;
    for (;;) {
        if (!h->built)
            LG_TRY(hash_build(s));
        if (s->plan->join.null_aware && h->right_null)
            return LG_END;
        lg_status st = part_fetch(s, ret);
        if (st != LG_END)
            return st;
        st = next_part(s);
        h->finished = st == LG_END;
        LG_TRY(st);
    }
}

/* ---- with compute threads (exec_team.h) ---- */

lg_status
lg_xhash_share(lg_xnode *s, bool *ret_shared)
{
    hjoin *h = s->state;
    uint8_t t = s->plan->join.type;
    *ret_shared = false;
    if (h->finished || h->left || h->left_done)
        return LG_OK;
    if (!h->built)
        LG_TRY(hash_build(s));
    bool needed = t == LG_JOIN_INNER || t == LG_JOIN_SEMI ? h->n > 0 : true;
    *ret_shared =
        !h->spill && !h->keep_all && needed && !(s->plan->join.null_aware && h->right_null);
    return LG_OK;
}

void
lg_xhash_adopt(lg_xnode *copy, const lg_xnode *of)
{
    hjoin *h = copy->state;
    const hjoin *from = of->state;
    h->buckets = from->buckets;
    h->nbuckets = from->nbuckets;
    h->n = from->n;
    h->any_null = from->any_null;
    h->unique = from->unique;
    h->right_rows = from->right_rows;
    h->right_null = from->right_null;
    h->built = h->adopted = true;
}

static lg_status
hash_rescan(lg_xnode *s)
{
    hjoin *h = s->state;
    bool spilled = h->spill != NULL;
    h->finished = false;
    h->left = NULL;
    h->chain = NULL;
    h->in_row = h->left_done = h->pairs_done = false;
    h->rpos = 0;
    if (s->plan->right->nparams || h->keys_vary || keeps_right(s->plan->join.type) || spilled) {
        spill_drop(h);
        hash_drop(h);
        h->right_rows = 0;
        LG_TRY(lg_xnode_rescan(s->right));
    }
    return lg_xnode_rescan(s->left);
}

static void
hash_close(lg_xnode *s)
{
    hjoin *h = s->state;
    if (!h)
        return;
    spill_drop(h);
    hash_drop(h);
    lg_arena_destroy(h->arena);
    lg_arena_destroy(h->karena);
    h->arena = h->karena = NULL;
}

const lg_xnode_ops lg_xops_hash_join = {hash_open, hash_fetch, hash_rescan, hash_close};
