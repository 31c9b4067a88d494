/* Stored rows to vectors, for sequential scans: rows are looked at where they lie in the block.
 *
 * A row is walked once. By-value columns go into the vectors, of by-reference ones the place is
 * noted; simple conditions (a by-value column against a constant or another such column; a key that
 * a hash join above does not have) are tested at once, and only a row that meets them has its
 * by-reference values copied and counts. These conditions are taken off the node's quals. */
#include "exec_decode.h"
#include "simd.h"
#include "type.h"
#include <string.h>

enum { OP_SKIP, OP_SKIP_VARLEN, OP_1, OP_2, OP_I4, OP_U4, OP_8, OP_VARLEN, OP_FIXED };

#define CHUNK (32u << 10)

/* ---- conditions ---- */

static bool
is_int(lg_oid t)
{
    return t == LG_T_INT2 || t == LG_T_INT4 || t == LG_T_INT8;
}

static bool
comparable(lg_oid l, lg_oid r)
{
    return (is_int(l) && is_int(r)) || (l == r && (l == LG_T_DATE || l == LG_T_TIMESTAMP)) ||
           (l == LG_T_DATE && r == LG_T_TIMESTAMP);
}

static bool
test_kind(const lg_expr *e, bool swap, uint8_t *ret)
{
    static const char *const names[] = {"<", "<=", "=", "<>", ">=", ">"};
    static const uint8_t swapped[] = {LG_XT_GT, LG_XT_GE, LG_XT_EQ, LG_XT_NE, LG_XT_LE, LG_XT_LT};
    if (e->kind != LG_EX_FUNC || !e->func.op || e->nargs != 2 ||
        e->func.op->oid >= LG_OID_FIRST_NORMAL)
        return false;
    for (uint8_t i = 0; i < 6; i++)
        if (!strcmp(e->func.op->name, names[i])) {
            *ret = swap ? swapped[i] : i;
            return true;
        }
    return false;
}

static bool
is_column(const lg_expr *e)
{
    return e->kind == LG_EX_SLOT && e->slot >= 0;
}

static bool
is_value(const lg_expr *e)
{
    return e->kind == LG_EX_CONST || e->kind == LG_EX_PARAM || e->kind == LG_EX_EXEC;
}

static bool
take_test(lg_xdecode *d, const lg_expr *e)
{
    lg_xtest t = {.other = -1};
    if (d->ntests == LG_XTESTS_MAX || e->kind != LG_EX_FUNC || e->nargs != 2)
        return false;
    const lg_expr *l = e->args[0], *r = e->args[1];
    bool swap = !is_column(l);
    if (swap) {
        l = e->args[1];
        r = e->args[0];
    }
    if (!is_column(l) || !comparable(l->type, r->type) || !test_kind(e, swap, &t.kind))
        return false;
    t.att = (uint16_t)l->slot;
    if (is_column(r) && l->type == r->type) {
        t.other = r->slot;
    } else if (is_value(r)) {
        t.value = r;
        t.date_bound = l->type != r->type && r->type == LG_T_TIMESTAMP;
        if (t.date_bound && (t.kind == LG_XT_EQ || t.kind == LG_XT_NE))
            return false;
    } else {
        return false;
    }
    d->tests[d->ntests++] = t;
    return true;
}

/* Takes what can be tested while decoding off the node's quals. */
static void
take_tests(lg_xdecode *d)
{
    const lg_expr *q = d->s->quals;
    if (!q)
        return;
    if (q->kind != LG_EX_AND) {
        if (take_test(d, q))
            d->s->quals = NULL;
        return;
    }
    lg_expr *rest = lg_expr_new(d->s->x->arena, LG_EX_AND, LG_T_BOOL, q->nargs);
    uint32_t n = 0;
    for (uint32_t i = 0; i < q->nargs; i++)
        if (!take_test(d, q->args[i]))
            rest->args[n++] = q->args[i];
    rest->nargs = n;
    rest->id = q->id;
    d->s->quals = n == 0 ? NULL : n == 1 ? rest->args[0] : rest;
}

/* ---- the walk ---- */

static void
make_ops(lg_xdecode *d)
{
    const lg_relation *r = d->rel;
    d->ops = LG_NEWN(d->s->x->arena, lg_xop, d->upto + 1);
    d->refs = LG_NEWN(d->s->x->arena, uint16_t, d->upto + 1);
    for (uint16_t i = 0; i < d->upto; i++) {
        const lg_rowcol *c = &r->rowcols[i];
        lg_xop o = {.att = i, .vec = d->vecs[i], .bytes = c->size};
        if (c->store == LG_STORE_VARLEN) {
            o.kind = o.vec ? OP_VARLEN : OP_SKIP_VARLEN;
        } else if (!o.vec) {
            o.kind = OP_SKIP;
            if (d->nops && d->ops[d->nops - 1].kind == OP_SKIP) {
                d->ops[d->nops - 1].bytes = (uint16_t)(d->ops[d->nops - 1].bytes + o.bytes);
                continue;
            }
        } else if (c->store == LG_STORE_BYVAL) {
            o.kind = c->size == 1   ? OP_1
                     : c->size == 2 ? OP_2
                     : c->size == 8 ? OP_8
                     : c->is_signed ? OP_I4
                                    : OP_U4;
        } else {
            o.kind = OP_FIXED;
        }
        if (o.vec && c->store != LG_STORE_BYVAL)
            d->refs[d->nrefs++] = i;
        d->ops[d->nops++] = o;
    }
}

typedef struct slots {
    bool *used;
    bool system;
} slots;

static bool
find_slots(const lg_expr *e, void *arg)
{
    slots *f = arg;
    if (e->kind == LG_EX_SLOT) {
        if (e->slot < 0)
            f->system = true;
        else
            f->used[e->slot] = true;
    }
    return lg_expr_walk(e, find_slots, f);
}

bool
lg_xdecode_slots(const lg_xnode *s, bool *want)
{
    const lg_node *p = s->plan;
    slots f = {.used = want};
    for (uint32_t i = 0; i < p->ncols; i++)
        if (!s->used || s->used[i] || p->targets[i]->kind != LG_EX_SLOT)
            find_slots(p->targets[i], &f);
    if (s->quals)
        find_slots(s->quals, &f);
    return f.system;
}

lg_xdecode *
lg_xdecode_create(lg_xnode *s, const lg_relation *rel)
{
    lg_xdecode *d = LG_NEW(s->x->arena, lg_xdecode);
    d->s = s;
    d->rel = rel;
    take_tests(d);
    return d;
}

void
lg_xdecode_want(const lg_xdecode *d, bool *want)
{
    for (uint32_t i = 0; i < d->ntests; i++) {
        want[d->tests[i].att] = true;
        if (d->tests[i].other >= 0)
            want[d->tests[i].other] = true;
    }
    for (uint32_t i = 0; i < d->nprobes; i++)
        for (uint32_t k = 0; k < d->probes[i].natts; k++)
            want[d->probes[i].att[k]] = true;
}

void
lg_xdecode_vectors(lg_xdecode *d, lg_vector **vecs, uint16_t upto, lg_vector *ctid, uint32_t cap)
{
    d->vecs = vecs;
    d->upto = upto;
    d->ctid = ctid;
    d->cap = cap;
    d->nops = d->nrefs = 0;
    make_ops(d);
}

/* The constants, before a scan begins. */
lg_status
lg_xdecode_start(lg_xdecode *d)
{
    const int64_t day = 86400000000;
    for (uint32_t i = 0; i < d->ntests; i++) {
        lg_xtest *t = &d->tests[i];
        lg_datum v;
        bool null;
        if (!t->value)
            continue;
        LG_TRY(lg_xexpr_scalar(d->s->x, d->s->x->arena, t->value, &v, &null));
        t->never = null;
        t->k = (int64_t)v;
        if (!t->date_bound || null)
            continue;
        if (t->k == LG_TS_INFINITY || t->k == LG_TS_NEG_INFINITY) {
            t->k = t->k == LG_TS_INFINITY ? LG_DATE_INFINITY : LG_DATE_NEG_INFINITY;
            continue;
        }
        int64_t floor = t->k / day - (t->k % day < 0), ceil = floor + (t->k % day != 0);
        t->k = t->kind == LG_XT_LT || t->kind == LG_XT_GE ? ceil : floor;
    }
    return LG_OK;
}

static inline bool
holds(uint8_t kind, int64_t a, int64_t b)
{
    switch (kind) {
    case LG_XT_LT:
        return a < b;
    case LG_XT_LE:
        return a <= b;
    case LG_XT_EQ:
        return a == b;
    case LG_XT_NE:
        return a != b;
    case LG_XT_GE:
        return a >= b;
    default:
        return a > b;
    }
}

static bool
may_match(const lg_xdecode *d, const lg_xpush *p, uint32_t at)
{
    uint64_t h = LG_SIMD_SEED;
    for (uint32_t k = 0; k < p->natts; k++) {
        const lg_vector *v = d->vecs[p->att[k]];
        if (v->maybe_null && v->null[at])
            return false;
        h = lg_simd_mix(h, v->v[at]);
    }
    return !p->bloom->words || lg_simd_bloom_maybe(p->bloom->words, p->bloom->mask, h);
}

static inline bool
passes(lg_xdecode *d, uint32_t at)
{
    for (uint32_t i = 0; i < d->ntests; i++) {
        const lg_xtest *t = &d->tests[i];
        const lg_vector *v = d->vecs[t->att];
        int64_t k = t->k;
        if (t->never || (v->maybe_null && v->null[at]))
            goto no;
        if (t->other >= 0) {
            const lg_vector *o = d->vecs[t->other];
            if (o->maybe_null && o->null[at])
                goto no;
            k = (int64_t)o->v[at];
        }
        if (!holds(t->kind, (int64_t)v->v[at], k))
            goto no;
    }
    for (uint32_t i = 0; i < d->nprobes; i++)
        if (!may_match(d, &d->probes[i], at)) {
            d->skipped++;
            return false;
        }
    return true;
no:
    d->dropped++;
    return false;
}

static void
copy_refs(lg_xdecode *d, uint32_t at)
{
    for (uint32_t i = 0; i < d->nrefs; i++) {
        const lg_rowcol *c = &d->rel->rowcols[d->refs[i]];
        lg_vector *v = d->vecs[d->refs[i]];
        if (v->maybe_null && v->null[at])
            continue;
        size_t len =
            c->store == LG_STORE_VARLEN ? sizeof(lg_varlen) + lg_text_len(v->v[at]) : c->size;
        if ((size_t)(d->end - d->at) < len) {
            size_t room = len > CHUNK ? len : CHUNK;
            d->at = lg_arena_alloc(d->s->scratch, room);
            d->end = d->at + room;
        }
        memcpy(d->at, lg_ptr(v->v[at]), len);
        v->v[at] = lg_datum_ptr(d->at);
        d->at += len;
    }
}

/* Rows with NULLs, or older than the newest columns. */
static bool
decode_slow(lg_xdecode *d, const uint8_t *row, uint32_t len)
{
    uint32_t natts = 0, at = d->n;
    for (uint16_t i = 0; i < d->upto; i++)
        if (d->vecs[i] && !d->vecs[i]->maybe_null) {
            memset(d->vecs[i]->null, 0, at);
            d->vecs[i]->maybe_null = true;
        }
    d->st = lg_row_decode_vectors(d->rel->rowcols, d->upto, row, len, d->vecs, at, &natts);
    for (uint32_t i = natts; i < d->upto; i++)
        if (d->vecs[i])
            lg_vector_set(d->vecs[i], at, d->rel->cols[i].missing, !d->rel->cols[i].has_missing);
    return d->st == LG_OK;
}

static bool
decode_fast(lg_xdecode *d, const uint8_t *row, uint32_t len)
{
    const uint8_t *p = row + 2, *end = row + len;
    uint32_t at = d->n, n = d->nops;
    for (uint32_t i = 0; i < n; i++) {
        const lg_xop *o = &d->ops[i];
        uint32_t bytes = o->bytes;
        int32_t i4;
        int16_t i2;
        if (o->kind == OP_SKIP_VARLEN || o->kind == OP_VARLEN) {
            if (end - p < 4)
                return false;
            memcpy(&bytes, p, 4);
            bytes += 4;
        }
        if ((uint64_t)(end - p) < bytes)
            return false;
        switch (o->kind) {
        case OP_1:
            o->vec->v[at] = *p;
            break;
        case OP_2:
            memcpy(&i2, p, 2);
            o->vec->v[at] = lg_datum_int2(i2);
            break;
        case OP_I4:
            memcpy(&i4, p, 4);
            o->vec->v[at] = lg_datum_int4(i4);
            break;
        case OP_U4:
            memcpy(&i4, p, 4);
            o->vec->v[at] = (uint32_t)i4;
            break;
        case OP_8:
            memcpy(&o->vec->v[at], p, 8);
            break;
        case OP_VARLEN:
        case OP_FIXED:
            o->vec->v[at] = lg_datum_ptr(p);
            break;
        default:
            break;
        }
        p += bytes;
    }
    return true;
}

bool
lg_xdecode_row(void *arg, lg_tid tid, const uint8_t *row, uint32_t len)
{
    lg_xdecode *d = arg;
    uint16_t head;
    if (d->n == d->cap)
        return false;
    if (len < 2) {
        d->st = LG_CORRUPT;
        return false;
    }
    memcpy(&head, row, 2);
    if (head >= d->upto && !(head & 0x8000u)) {
        if (!decode_fast(d, row, len)) {
            d->st = LG_CORRUPT;
            return false;
        }
        for (uint16_t i = 0; i < d->upto; i++)
            if (d->vecs[i] && d->vecs[i]->maybe_null)
                d->vecs[i]->null[d->n] = 0;
    } else if (!decode_slow(d, row, len)) {
        return false;
    }
    if (!passes(d, d->n))
        return true;
    if (d->nrefs)
        copy_refs(d, d->n);
    d->ctid->v[d->n++] = tid;
    return true;
}

void
lg_xdecode_batch(lg_xdecode *d)
{
    d->n = 0;
    d->at = d->end = NULL;
    d->st = LG_OK;
    for (uint16_t i = 0; i < d->upto; i++)
        if (d->vecs[i]) {
            d->vecs[i]->maybe_null = false;
            d->vecs[i]->num = NULL;
        }
}

lg_status
lg_xdecode_done(lg_xdecode *d, uint32_t *ret_n)
{
    d->s->filtered += d->dropped;
    d->s->rows += d->skipped; /* what the scan would have given */
    d->dropped = d->skipped = 0;
    *ret_n = d->n;
    return d->st;
}

bool
lg_xdecode_full(const lg_xdecode *d)
{
    return d->n == d->cap || d->st != LG_OK;
}

bool
lg_xdecode_probe(lg_xdecode *d, const lg_xpush *p)
{
    if (d->nprobes == LG_XPUSH_MAX || d->vecs)
        return false;
    d->probes[d->nprobes++] = *p;
    return true;
}
