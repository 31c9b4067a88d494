/* Scans: sequential, index, tid, virtual relations; VALUES and RESULT. */
#include "exec_decode.h"
#include "exec_team.h"
#include "columns.h"
#include "keycodec.h"
#include "relstat.h"
#include "txn.h"
#include <stdlib.h>
#include <string.h>

/* ---- common to scans of relations ---- */

struct range {
    const uint8_t *lo, *hi;
    size_t lo_len, hi_len;
};

struct scan {
    lg_relation *rel;
    const lg_access *acc;
    void *scan; /* of the access method */
    bool open, done;
    uint32_t fetches; /* since the scan began */
    uint16_t upto;    /* columns to decode */
    lg_vector **vecs; /* wanted ones */
    const lg_index *index;
    struct range *ranges;
    uint32_t nranges, range;
    lg_index_cond *tests; /* conditions not part of the range, values converted */
    lg_datum *test_values;
    uint32_t ntests;
    bool nothing;
    lg_map *seen; /* expression indexes: tids given already */
    lg_xstore virtual_rows;
    uint64_t pos;
    const lg_datum *tids; /* TID_SCAN */
    uint32_t ntids, tid_at;
    lg_arena *range_arena;
    lg_xdecode *decode; /* of a sequential scan that can be visited */
    lg_xcolumns *columns;
    uint64_t rows;    /* not yet counted */
    uint64_t fetched; /* of them, by a visit to the table */
};

static void
scan_batch_grow(lg_xnode *s, uint32_t cap)
{
    struct scan *sc = s->state;
    const lg_relation *r = sc->rel;
    lg_oid types[LG_ROW_MAX_COLUMNS];
    for (uint16_t i = 0; i < r->ncols; i++)
        types[i] = r->cols[i].type;
    /* Columns that nobody needs share one vector of nulls. */
    uint32_t n = r->ncols;
    lg_xbatch *b = &s->in;
    memset(b, 0, sizeof *b);
    b->cap = cap;
    b->b.ncols = n;
    b->b.cols = LG_NEWN(s->x->arena, lg_vector *, n + 1);
    sc->vecs = LG_NEWN(s->x->arena, lg_vector *, n + 1);
    lg_vector *none = NULL;
    bool *want = LG_NEWN(s->x->arena, bool, n + 1);
    bool known = sc->decode && s->used && s->plan->targets;
    if (known)
        (void)lg_xdecode_slots(s, want);
    for (uint32_t i = 0; i < s->plan->scan.nneeded && !known; i++)
        if (s->plan->scan.needed[i] > 0)
            want[s->plan->scan.needed[i] - 1] = true;
    if (sc->index)
        for (uint16_t i = 0; i < sc->index->nkeys; i++)
            if (sc->index->attnum[i] > 0)
                want[sc->index->attnum[i] - 1] = true;
    if (sc->decode)
        lg_xdecode_want(sc->decode, want);
    if (sc->columns)
        lg_xcolumns_want(sc->columns, want);
    for (uint32_t i = 0; i < n; i++) {
        if (want[i]) {
            lg_vector *v = LG_NEW(s->x->arena, lg_vector);
            lg_vector_init(v, s->x->arena, types[i], cap);
            b->b.cols[i] = sc->vecs[i] = v;
            sc->upto = (uint16_t)(i + 1);
            continue;
        }
        if (!none) {
            none = LG_NEW(s->x->arena, lg_vector);
            lg_vector_init(none, s->x->arena, LG_T_TEXT, 1);
            none->constant = true;
            none->v[0] = 0;
            none->null[0] = 1;
        }
        b->b.cols[i] = none;
    }
    lg_vector *ctid = LG_NEW(s->x->arena, lg_vector), *oid = LG_NEW(s->x->arena, lg_vector);
    lg_vector *zero = LG_NEW(s->x->arena, lg_vector);
    lg_vector_init(ctid, s->x->arena, LG_T_TID, cap);
    ctid->maybe_null = false;
    lg_vector_init(oid, s->x->arena, LG_T_OID, 1);
    oid->constant = true;
    oid->maybe_null = false;
    oid->v[0] = r->oid;
    lg_vector_init(zero, s->x->arena, LG_T_XID, 1);
    zero->constant = true;
    zero->maybe_null = false;
    zero->v[0] = 2; /* FrozenTransactionId: rows carry no PostgreSQL xid */
    b->sys[-LG_SYSCOL_CTID] = ctid;
    b->sys[-LG_SYSCOL_TABLEOID] = oid;
    b->sys[-LG_SYSCOL_XMIN] = zero;
    b->sys[-LG_SYSCOL_CMIN] = b->sys[-LG_SYSCOL_XMAX] = b->sys[-LG_SYSCOL_CMAX] = NULL;
    if (sc->decode)
        lg_xdecode_vectors(sc->decode, sc->vecs, sc->upto, ctid, cap);
}

static lg_status
scan_open(lg_xnode *s)
{
    struct scan *sc = s->state = LG_NEW(s->x->arena, struct scan);
    sc->rel = s->plan->scan.rel;
    sc->acc = lg_catalog_access(lg_cat_catalog(s->x->es->cat));
    sc->index = s->plan->kind == LG_NODE_INDEX_SCAN ? s->plan->scan.index : NULL;
    /* The planner leaves such an index out; a row missed in silence would be worse than this. */
    if (sc->index && sc->index->since && s->x->es->snapshot &&
        s->x->es->snapshot->scn < sc->index->since) {
        lg_error_set(
            s->x->es->err, "40001",
            "could not serialize access: index \"%s\" was built after the snapshot was taken",
            sc->index->name);
        lg_error_hint(s->x->es->err, "The transaction might succeed if retried.");
        return LG_SQL;
    }
    if (s->plan->kind == LG_NODE_SEQ_SCAN && !sc->rel->virtual_rel &&
        sc->rel->kind != LG_REL_SEQUENCE && sc->acc->ops->scan_visit) {
        if (s->plan->targets)
            (void)lg_xnode_used(s);
        sc->decode = lg_xdecode_create(s, sc->rel);
        for (uint32_t i = 0; i < s->push_n; i++)
            lg_xdecode_probe(sc->decode, &s->push[i]);
        sc->columns = lg_xcolumns_create(s, sc->decode, sc->acc);
    }
    return LG_OK;
}

/* One stored row into position `at`. */
static lg_status
put_row(lg_xnode *s, uint32_t at, lg_tid tid, const uint8_t *row, size_t len)
{
    struct scan *sc = s->state;
    uint32_t natts = 0;
    if (sc->upto)
        LG_TRY(lg_row_decode_vectors(sc->rel->rowcols, sc->upto, row, len, sc->vecs, at, &natts));
    for (uint32_t i = natts; i < sc->upto; i++)
        if (sc->vecs[i]) {
            const lg_column *col = &sc->rel->cols[i];
            lg_vector_set(sc->vecs[i], at, col->missing, !col->has_missing);
        }
    s->in.sys[-LG_SYSCOL_CTID]->v[at] = tid;
    return LG_OK;
}

/* The catalog's own tables are not analyzed: a scan that has seen all rows tells the planner how many
 * there are. */
static void
learn_size(lg_relation *r, uint64_t rows)
{
    r->tuples = rows ? (float)rows : 1;
    r->pages = 1 + (uint32_t)(rows / 40);
}

/* pg_stat_all_tables and its kin: at the end of a scan, and before it begins again. */
static void
count_scan(lg_xnode *s)
{
    struct scan *sc = s->state;
    lg_catalog *cat = lg_cat_catalog(s->x->es->cat);
    if (sc->open && sc->done && sc->rel->is_system && !sc->rel->virtual_rel &&
        s->plan->kind == LG_NODE_SEQ_SCAN)
        learn_size(s->plan->scan.rel, sc->rows);
    if (!sc->open || sc->rel->virtual_rel || s->x->tree->helper)
        return;
    lg_relstat *r = lg_catalog_relstat(cat, sc->index ? sc->index->oid : sc->rel->oid);
    if (r) {
        r->scans += sc->nranges > 1 ? sc->nranges : 1;
        r->returned += sc->rows;
        if (sc->index)
            r->fetched += sc->fetched;
    }
    sc->rows = sc->fetched = 0;
}

static lg_status
done(lg_xnode *s, uint32_t n, lg_xbatch **ret)
{
    if (s->plan->kind == LG_NODE_SEQ_SCAN || s->plan->kind == LG_NODE_INDEX_SCAN)
        ((struct scan *)s->state)->rows += n; /* VALUES has another state */
    if (!n)
        return LG_END;
    s->in.b.n = n;
    s->in.b.sel = NULL;
    *ret = &s->in;
    return LG_OK;
}

/* ---- virtual relations ---- */

struct emit_ctx {
    lg_virtual_ctx v;
    lg_xstore *store;
};

static void
emit_row(lg_virtual_ctx *v, const lg_datum *values, const uint8_t *nulls)
{
    struct emit_ctx *e = (struct emit_ctx *)v;
    uint32_t n = e->store->ncols;
    lg_datum *row = lg_xrow_new(e->store->arena, n);
    memcpy(row, values, n * sizeof *row);
    if (nulls)
        memcpy(lg_xrow_nulls(row, n), nulls, n);
    else
        memset(lg_xrow_nulls(row, n), 0, n);
    lg_xstore_add(e->store, row);
}

static lg_status
virtual_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct scan *sc = s->state;
    if (!sc->open) {
        lg_xstore_init(&sc->virtual_rows, sc->rel->ncols);
        struct emit_ctx e = {.v = {.cat = s->x->es->cat,
                                   .arena = sc->virtual_rows.arena,
                                   .err = s->x->es->err,
                                   .session = s->x->es->env->session,
                                   .emit = emit_row},
                             .store = &sc->virtual_rows};
        sc->open = true;
        LG_TRY(sc->rel->virtual_rel->rows(sc->rel->virtual_rel->arg, &e.v));
        learn_size(s->plan->scan.rel, sc->virtual_rows.n);
    }
    if (!s->in.cap)
        scan_batch_grow(s, sc->virtual_rows.n < LG_BATCH ? (uint32_t)sc->virtual_rows.n + 1
                                                         : LG_BATCH);
    uint32_t n = 0;
    for (; n < s->in.cap && sc->pos < sc->virtual_rows.n; n++, sc->pos++) {
        const lg_datum *row = sc->virtual_rows.rows[sc->pos];
        const uint8_t *nulls = lg_xrow_nulls(row, sc->rel->ncols);
        for (uint32_t i = 0; i < sc->rel->ncols; i++)
            if (sc->vecs[i])
                lg_vector_set(sc->vecs[i], n, row[i], nulls[i]);
        s->in.sys[-LG_SYSCOL_CTID]->v[n] = sc->pos + 1;
    }
    return done(s, n, ret);
}

/* ---- sequences: one row {last_value, log_cnt, is_called} ---- */

static lg_status
sequence_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct scan *sc = s->state;
    lg_seq_state state;
    if (sc->done)
        return LG_END;
    sc->done = true;
    LG_TRY(lg_cat_sequence_read(s->x->es->cat, sc->rel->oid, &state));
    if (!s->in.cap)
        scan_batch_grow(s, 1);
    const lg_datum v[3] = {lg_datum_int8(state.last_value), lg_datum_int8(0), state.is_called};
    for (uint32_t i = 0; i < 3; i++)
        if (sc->vecs[i])
            lg_vector_set(sc->vecs[i], 0, v[i], false);
    s->in.sys[-LG_SYSCOL_CTID]->v[0] = 1;
    return done(s, 1, ret);
}

/* ---- sequential ---- */

/* Rows that were read and did not come out of the scan. */
static uint64_t
left_out(const lg_xnode *s)
{
    return s->filtered + s->rows;
}

static lg_status
visit_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct scan *sc = s->state;
    uint32_t n, blocks = 0;
    uint64_t before = left_out(s);
    lg_status st = LG_OK;
    if (sc->columns) {
        const uint16_t *sel;
        st = lg_xcolumns_fetch(sc->columns, sc->scan, &n, &sel);
        sc->rows += left_out(s) - before;
        sc->done = st == LG_END;
        if (st != LG_END)
            LG_TRY(st);
        LG_TRY(done(s, n, ret));
        s->in.b.sel = sel;
        return LG_OK;
    }
    lg_xdecode_batch(sc->decode);
    while (st == LG_OK && !lg_xdecode_full(sc->decode)) {
        st = sc->acc->ops->scan_visit(sc->scan, lg_xdecode_row, sc->decode);
        if (++blocks % 64 == 0) /* much may be read before a batch is full */
            LG_TRY(lg_xcheck(s->x));
    }
    sc->done = st == LG_END;
    LG_TRY(lg_xdecode_done(sc->decode, &n));
    sc->rows += left_out(s) - before;
    if (st != LG_END)
        LG_TRY(st);
    return done(s, n, ret);
}

/* The child that gives these columns of a join's row, and their numbers there; NULL: not one child
 * alone, or its rows without a match are needed. */
static lg_xnode *
push_side(lg_xnode *s, uint32_t *slots, uint32_t n)
{
    const lg_node *p = s->plan;
    uint8_t t = p->join.type;
    uint32_t nl = p->left->ncols;
    bool right = slots[0] >= nl;
    if (right ? t != LG_JOIN_INNER && t != LG_JOIN_RIGHT_SEMI && t != LG_JOIN_RIGHT_ANTI
              : t == LG_JOIN_RIGHT || t == LG_JOIN_FULL)
        return NULL;
    for (uint32_t i = 0; i < n; i++) {
        if ((slots[i] >= nl) != right)
            return NULL;
        slots[i] -= right ? nl : 0;
    }
    return right ? s->right : s->left;
}

bool
lg_xscan_push(lg_xnode *s, const uint32_t *from, uint32_t n, const lg_xbloom *bloom)
{
    uint32_t slots[LG_XPUSH_KEYS];
    memcpy(slots, from, n * sizeof *slots);
    for (;; s = push_side(s, slots, n)) {
        if (!s || s->opened)
            return false;
        for (uint32_t i = 0; i < n && s->plan->targets; i++) {
            const lg_expr *e = s->plan->targets[slots[i]];
            if (e->kind != LG_EX_SLOT || e->slot < 0)
                return false;
            slots[i] = (uint32_t)e->slot;
        }
        if (s->plan->kind != LG_NODE_HASH_JOIN)
            break;
    }
    const lg_node *p = s->plan;
    if (p->kind != LG_NODE_SEQ_SCAN || p->nparams)
        return false;
    lg_xpush push = {.natts = (uint16_t)n, .bloom = bloom};
    for (uint32_t i = 0; i < n; i++) {
        if (slots[i] >= p->scan.rel->ncols)
            return false;
        push.att[i] = (uint16_t)slots[i];
    }
    if (!s->push_n)
        s->push = LG_NEWN(s->x->arena, lg_xpush, LG_XPUSH_MAX);
    if (s->push_n == LG_XPUSH_MAX)
        return false;
    s->push[s->push_n++] = push;
    return true;
}

static lg_status
seq_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct scan *sc = s->state;
    if (sc->rel->virtual_rel)
        return virtual_fetch(s, ret);
    if (sc->rel->kind == LG_REL_SEQUENCE)
        return sequence_fetch(s, ret);
    lg_exec *x = s->x;
    if (!sc->open) {
        if (!sc->rel->storage.file)
            return LG_END;
        if (sc->decode)
            LG_TRY(lg_xdecode_start(sc->decode));
        LG_TRY(sc->acc->ops->scan_open(sc->acc->arg, lg_cat_txn(x->es->cat), x->es->snapshot,
                                       &sc->rel->storage, &sc->scan));
        sc->open = true;
    }
    if (sc->done)
        return LG_END;
    if (s->x->tree->helper) /* room was made for it */
        return visit_fetch(s, ret);
    if (!s->in.cap)
        scan_batch_grow(s, 64);
    else if (s->in.cap < LG_BATCH)
        scan_batch_grow(s, LG_BATCH);
    uint32_t n = 0;
    if (sc->decode)
        return visit_fetch(s, ret);
    while (n < s->in.cap) {
        lg_tid tid;
        const uint8_t *row;
        size_t len;
        lg_status st = sc->acc->ops->scan_next(sc->scan, s->scratch, &tid, &row, &len);
        if (st == LG_END) {
            sc->done = true;
            break;
        }
        LG_TRY(st);
        LG_TRY(put_row(s, n++, tid, row, len));
    }
    return done(s, n, ret);
}

/* ---- with compute threads (exec_team.h) ---- */

bool
lg_xscan_in_columns(const lg_xnode *s)
{
    const struct scan *sc = s->state;
    return sc->columns && !sc->done && sc->rel->storage.file;
}

void
lg_xscan_lead(lg_xnode *s, lg_team *t)
{
    struct scan *sc = s->state;
    if (sc->columns)
        lg_xcolumns_lead(sc->columns, t);
}

lg_status
lg_xscan_follow(lg_xnode *s, lg_team *t)
{
    struct scan *sc = s->state;
    scan_batch_grow(s, LG_BATCH);
    sc->open = true;
    lg_xcolumns_follow(sc->columns, t);
    return lg_xdecode_start(sc->decode);
}

void
lg_xscan_absorb(lg_xnode *s, lg_xnode *copy)
{
    struct scan *sc = s->state, *from = copy->state;
    sc->rows += from->rows;
    from->rows = 0;
}

void
lg_xscan_let_go(lg_xnode *s, lg_team *t)
{
    (void)s;
    lg_chunk *k;
    while ((k = lg_team_done(t)))
        lg_chunk_put(k);
    while ((k = lg_team_take(t)))
        lg_chunk_put(k);
}

static void
scan_close(lg_xnode *s)
{
    struct scan *sc = s->state;
    if (!sc)
        return;
    lg_xcolumns_reset(sc->columns);
    count_scan(s);
    if (sc->scan) {
        if (sc->index)
            sc->acc->ops->index_close(sc->scan);
        else
            sc->acc->ops->scan_close(sc->scan);
        sc->scan = NULL;
    }
    lg_xstore_fini(&sc->virtual_rows);
    lg_arena_destroy(sc->range_arena);
    sc->range_arena = NULL;
    if (sc->seen)
        lg_map_destroy(sc->seen);
    sc->seen = NULL;
}

static lg_status
scan_rescan(lg_xnode *s)
{
    struct scan *sc = s->state;
    count_scan(s);
    if (sc->rel->virtual_rel) {
        sc->pos = 0;
        return LG_OK;
    }
    scan_close(s);
    sc->open = sc->done = sc->nothing = false;
    sc->range = sc->nranges = sc->tid_at = sc->fetches = 0;
    return LG_OK;
}

const lg_xnode_ops lg_xops_seq_scan = {scan_open, seq_fetch, scan_rescan, scan_close};

/* ---- index ---- */

struct build {
    lg_xnode *s;
    struct scan *sc;
    lg_arena *a;
    const lg_index *ix;
    lg_datum values[LG_INDEX_MAX_KEYS];
    uint8_t nulls[LG_INDEX_MAX_KEYS];
    uint32_t cap;
    lg_status st;
};

static const uint8_t *
encode_prefix(struct build *b, uint16_t n, uint32_t room, size_t *ret_len)
{
    size_t need = lg_key_encode(b->ix->key, n, b->values, b->nulls, NULL, 0, NULL);
    uint8_t *p = lg_arena_alloc(b->a, need + room + 1);
    lg_key_encode(b->ix->key, n, b->values, b->nulls, p, need, NULL);
    *ret_len = need;
    return p;
}

static void
add_range(struct build *b, const uint8_t *lo, size_t lo_len, const uint8_t *hi, size_t hi_len)
{
    struct scan *sc = b->sc;
    if (sc->nranges == b->cap) {
        uint32_t cap = b->cap ? b->cap * 2 : 4;
        struct range *r = LG_NEWN(b->a, struct range, cap);
        if (b->cap)
            memcpy(r, sc->ranges, sc->nranges * sizeof *r);
        sc->ranges = r;
        b->cap = cap;
    }
    sc->ranges[sc->nranges++] = (struct range){lo, hi, lo_len, hi_len};
}

static uint8_t *
with_byte(struct build *b, const uint8_t *p, size_t len, uint8_t byte)
{
    uint8_t *q = lg_arena_alloc(b->a, len + 1);
    memcpy(q, p, len);
    q[len] = byte;
    return q;
}

static lg_status
cond_value(struct build *b, const lg_index_cond *c, uint8_t *op, lg_datum *v, bool *none, bool *all)
{
    bool null;
    *none = *all = false;
    LG_TRY(lg_xexpr_scalar(b->s->x, b->a, c->value, v, &null));
    if (null) {
        *none = true;
        return LG_OK;
    }
    lg_index_cond_convert(b->ix->key[c->key].type, c->value_type, op, v, none, all);
    return LG_OK;
}

/* The inequalities on key k narrow [P, P 0xFF). */
static lg_status
last_key(struct build *b, uint16_t k)
{
    const lg_node *p = b->s->plan;
    size_t plen;
    const uint8_t *prefix = encode_prefix(b, k, 1, &plen);
    const uint8_t *lo = prefix, *hi = with_byte(b, prefix, plen, 0xFF);
    size_t lo_len = plen, hi_len = plen + 1;
    bool bounded = false;
    for (uint32_t i = 0; i < p->scan.nconds; i++) {
        const lg_index_cond *c = &p->scan.conds[i];
        if (!c->boundary || c->key != k || c->op == LG_COND_EQ || c->op == LG_COND_ANY ||
            c->op == LG_COND_IS_NULL)
            continue;
        const lg_keycol *kc = &b->ix->key[k];
        if (!bounded) { /* no NULLs: "1 value" is the lower marker unless NULLS FIRST */
            if (kc->nulls_first)
                lo = with_byte(b, prefix, plen, 1), lo_len = plen + 1;
            else
                hi = with_byte(b, prefix, plen, 2), hi_len = plen + 1;
            bounded = true;
        }
        if (c->op == LG_COND_NOT_NULL)
            continue;
        uint8_t op = c->op;
        bool none, all;
        LG_TRY(cond_value(b, c, &op, &b->values[k], &none, &all));
        if (none)
            return LG_OK;
        if (all)
            continue;
        b->nulls[k] = 0;
        size_t elen;
        const uint8_t *e = encode_prefix(b, (uint16_t)(k + 1), 1, &elen);
        bool lower = (op == LG_COND_GE || op == LG_COND_GT) != kc->desc;
        bool after = (op == LG_COND_GT || op == LG_COND_LE) != kc->desc;
        if (after)
            e = with_byte(b, e, elen, 0xFF), elen++;
        size_t min = lower ? (elen < lo_len ? elen : lo_len) : (elen < hi_len ? elen : hi_len);
        int d = memcmp(e, lower ? lo : hi, min);
        if (lower && (d > 0 || (d == 0 && elen > lo_len)))
            lo = e, lo_len = elen;
        if (!lower && (d < 0 || (d == 0 && elen < hi_len)))
            hi = e, hi_len = elen;
    }
    add_range(b, lo, lo_len, hi, hi_len);
    return LG_OK;
}

/* Key k: one equality (or several values of an ANY), else the last key. */
static lg_status
build_key(struct build *b, uint16_t k)
{
    const lg_node *p = b->s->plan;
    const lg_index_cond *eq = NULL;
    for (uint32_t i = 0; i < p->scan.nconds && !eq; i++) {
        const lg_index_cond *c = &p->scan.conds[i];
        if (c->boundary && c->key == k &&
            (c->op == LG_COND_EQ || c->op == LG_COND_ANY || c->op == LG_COND_IS_NULL))
            eq = c;
    }
    if (k >= b->ix->nkeys || !eq)
        return last_key(b, k);
    b->nulls[k] = 0;
    if (eq->op == LG_COND_IS_NULL) {
        b->nulls[k] = 1;
        return build_key(b, (uint16_t)(k + 1));
    }
    bool none, all, null;
    uint8_t op = LG_COND_EQ;
    if (eq->op == LG_COND_EQ) {
        LG_TRY(cond_value(b, eq, &op, &b->values[k], &none, &all));
        return none ? LG_OK : build_key(b, (uint16_t)(k + 1));
    }
    lg_datum array;
    LG_TRY(lg_xexpr_scalar(b->s->x, b->a, eq->value, &array, &null));
    if (null)
        return LG_OK;
    lg_array a;
    lg_array_unpack(array, b->a, &a);
    for (uint32_t i = 0; i < a.n; i++) {
        if (a.nulls && a.nulls[i])
            continue;
        op = LG_COND_EQ;
        b->values[k] = a.values[i];
        b->nulls[k] = 0;
        none = all = false;
        lg_index_cond_convert(b->ix->key[k].type, eq->value_type, &op, &b->values[k], &none, &all);
        if (!none)
            LG_TRY(build_key(b, (uint16_t)(k + 1)));
    }
    return LG_OK;
}

static int
range_order(const void *pa, const void *pb)
{
    const struct range *a = pa, *b = pb;
    int d = memcmp(a->lo, b->lo, a->lo_len < b->lo_len ? a->lo_len : b->lo_len);
    return d ? d : (a->lo_len > b->lo_len) - (a->lo_len < b->lo_len);
}

static lg_status
index_start(lg_xnode *s)
{
    struct scan *sc = s->state;
    const lg_node *p = s->plan;
    if (!sc->range_arena)
        sc->range_arena = lg_arena_create("index range", 1024);
    struct build b = {.s = s, .sc = sc, .a = sc->range_arena, .ix = sc->index};
    sc->nranges = sc->range = 0;
    LG_TRY(build_key(&b, 0));
    if (sc->nranges > 1) {
        qsort(sc->ranges, sc->nranges, sizeof *sc->ranges, range_order);
        uint32_t n = 1;
        for (uint32_t i = 1; i < sc->nranges; i++)
            if (range_order(&sc->ranges[n - 1], &sc->ranges[i]) != 0)
                sc->ranges[n++] = sc->ranges[i];
        sc->nranges = n;
    }
    sc->ntests = 0;
    if (p->scan.nconds) {
        sc->tests = LG_NEWN(sc->range_arena, lg_index_cond, p->scan.nconds);
        sc->test_values = LG_NEWN(sc->range_arena, lg_datum, p->scan.nconds);
    }
    for (uint32_t i = 0; i < p->scan.nconds; i++) {
        if (p->scan.conds[i].boundary)
            continue;
        lg_index_cond c = p->scan.conds[i];
        bool none = false, all = false, null = false;
        lg_datum v = 0;
        if (c.op == LG_COND_ANY)
            LG_TRY(lg_xexpr_scalar(s->x, b.a, c.value, &v, &null));
        else if (c.value)
            LG_TRY(cond_value(&b, &c, &c.op, &v, &none, &all));
        if (none || null)
            sc->nothing = true;
        if (all)
            continue;
        sc->test_values[sc->ntests] = v;
        sc->tests[sc->ntests++] = c;
    }
    if (sc->index->nexprs && !sc->seen)
        sc->seen = lg_map_create();
    sc->open = true;
    return LG_OK;
}

static bool
test_one(const lg_index *ix, const lg_index_cond *c, lg_datum want, lg_datum v, bool null,
         lg_arena *a)
{
    if (c->op == LG_COND_IS_NULL || c->op == LG_COND_NOT_NULL)
        return null == (c->op == LG_COND_IS_NULL);
    if (null)
        return false;
    const lg_keycol *col = &ix->key[c->key];
    if (!lg_type_compare_fn(col->type))
        return true;
    if (c->op == LG_COND_ANY) {
        lg_array arr;
        lg_array_unpack(want, a, &arr);
        for (uint32_t i = 0; i < arr.n; i++) {
            uint8_t op = LG_COND_EQ;
            bool none = arr.nulls && arr.nulls[i], all = false;
            lg_datum e = arr.values[i];
            if (!none)
                lg_index_cond_convert(ix->key[c->key].type, c->value_type, &op, &e, &none, &all);
            if (!none && lg_key_compare(col, v, e) == 0)
                return true;
        }
        return false;
    }
    int d = lg_key_compare(col, v, want);
    switch (c->op) {
    case LG_COND_LT:
        return d < 0;
    case LG_COND_LE:
        return d <= 0;
    case LG_COND_EQ:
        return d == 0;
    case LG_COND_GE:
        return d >= 0;
    default:
        return d > 0;
    }
}

/* The row as far as an index-only scan is asked for it, from its key. */
static lg_status
put_key(lg_xnode *s, uint32_t at, lg_tid tid, const uint8_t *key, size_t len)
{
    struct scan *sc = s->state;
    const lg_index *ix = sc->index;
    lg_datum v[LG_INDEX_MAX_KEYS];
    uint8_t nulls[LG_INDEX_MAX_KEYS];
    s->in.sys[-LG_SYSCOL_CTID]->v[at] = tid;
    if (!s->plan->scan.nneeded && !sc->ntests)
        return LG_OK;
    LG_TRY(lg_key_decode(ix->key, ix->nkeys, key, len, s->scratch, v, nulls, NULL));
    for (uint16_t i = 0; i < ix->nkeys; i++) /* nobody reads those that a key cannot give back */
        lg_vector_set(sc->vecs[ix->attnum[i] - 1], at, v[i],
                      nulls[i] || !lg_key_lossless(ix->key[i].type));
    return LG_OK;
}

/* Is the entry of this version of the row (see access.h), and do the other conditions hold? */
static bool
entry_holds(lg_xnode *s, uint32_t at, const uint8_t *key, size_t key_len, lg_tid tid, bool recheck)
{
    struct scan *sc = s->state;
    const lg_index *ix = sc->index;
    lg_datum v[LG_INDEX_MAX_KEYS];
    uint8_t nulls[LG_INDEX_MAX_KEYS];
    if (!recheck && !sc->ntests)
        return true;
    if (ix->nexprs) { /* keys that are expressions are not computed again: conditions are quals too
                       */
        if (lg_map_get(sc->seen, tid + 1))
            return false;
        lg_map_put(sc->seen, tid + 1, s);
        return true;
    }
    for (uint16_t i = 0; i < ix->nkeys; i++) {
        const lg_vector *col = s->in.b.cols[ix->attnum[i] - 1];
        v[i] = col->v[at];
        nulls[i] = col->null[at];
    }
    if (recheck) {
        uint8_t buf[512], *p = buf;
        size_t need = lg_key_encode(ix->key, ix->nkeys, v, nulls, buf, sizeof buf, NULL);
        if (need != key_len)
            return false;
        if (need > sizeof buf) {
            p = lg_arena_alloc(s->scratch, need);
            lg_key_encode(ix->key, ix->nkeys, v, nulls, p, need, NULL);
        }
        if (memcmp(p, key, key_len) != 0)
            return false;
    }
    for (uint32_t i = 0; i < sc->ntests; i++) {
        uint16_t k = sc->tests[i].key;
        if (!test_one(ix, &sc->tests[i], sc->test_values[i], v[k], nulls[k], s->scratch))
            return false;
    }
    return true;
}

/* The row will be changed: its block comes here for writing before it is read, so that it travels
 * once. A statement that is about this row alone (READ COMMITTED, nothing read yet) also waits for
 * who is changing the row, and then runs as if it had begun now: no old version has to be made of
 * a row that others have just changed, only to be checked again. */
static lg_status
claim_row(lg_xnode *s, lg_tid tid, bool *ret_newer)
{
    struct scan *sc = s->state;
    lg_exec *x = s->x;
    const lg_node *p = s->plan;
    bool alone = !x->es->repeatable_read && x->es->new_snapshot && x->tree->root->left == s &&
                 !p->quals && x->plan->nsubplans == 0 && x->tree->rows == 0;
    bool changed = false;
    LG_TRY(sc->acc->ops->row_claim(sc->acc->arg, lg_cat_txn(x->es->cat), x->es->snapshot,
                                   &sc->rel->storage, tid, alone, &changed));
    *ret_newer = changed && alone;
    return *ret_newer ? lg_exec__new_snapshot(x->es) : LG_OK;
}

/* Reads the row for a statement that is about it alone and has not asked how far the other instances
 * have committed (lg_exec_reads_newest): asks when that matters. */
static lg_status
newest_row(lg_xnode *s, lg_tid tid, const uint8_t **ret_row, size_t *ret_len)
{
    struct scan *sc = s->state;
    lg_exec_session *es = s->x->es;
    struct lg_txn *txn = lg_cat_txn(es->cat);
    const lg_access *acc = sc->acc;
    if (es->unconfirmed && !es->inner && s->x->tree->root == s && acc->ops->row_newest) {
        lg_status st = acc->ops->row_newest(acc->arg, txn, es->snapshot, &sc->rel->storage, tid,
                                            s->scratch, ret_row, ret_len);
        if (st != LG_RETRY)
            return st;
        LG_TRY(lg_txn_fresh(lg_txn_sys_of(txn), true));
        LG_TRY(lg_exec__new_snapshot(es));
        es->unconfirmed = false;
    }
    return acc->ops->row_fetch(acc->arg, txn, es->snapshot, &sc->rel->storage, tid, s->scratch,
                               ret_row, ret_len);
}

static lg_status
index_next_row(lg_xnode *s, uint32_t at)
{
    struct scan *sc = s->state;
    lg_exec *x = s->x;
    struct lg_txn *txn = lg_cat_txn(x->es->cat);
    for (;;) {
        if (!sc->scan) {
            if (sc->range >= sc->nranges || sc->nothing)
                return LG_END;
            uint32_t i = s->plan->scan.backward ? sc->nranges - 1 - sc->range : sc->range;
            const struct range *r = &sc->ranges[i];
            LG_TRY(sc->acc->ops->index_open(sc->acc->arg, txn, x->es->snapshot, &sc->index->storage,
                                            r->lo, r->lo_len, r->hi, r->hi_len,
                                            s->plan->scan.backward, &sc->scan));
        }
        const uint8_t *key, *row;
        size_t key_len, len;
        lg_tid tid;
        bool recheck;
        lg_status st = sc->acc->ops->index_next(sc->scan, &key, &key_len, &tid, &recheck);
        if (st == LG_END) {
            sc->acc->ops->index_close(sc->scan);
            sc->scan = NULL;
            sc->range++;
            continue;
        }
        LG_TRY(st);
        if (s->plan->scan.index_only && !recheck && !s->for_change) {
            LG_TRY(put_key(s, at, tid, key, key_len));
            if (entry_holds(s, at, key, key_len, tid, false))
                return LG_OK;
            continue;
        }
        s->heap_fetches++;
        bool unconfirmed = x->es->unconfirmed;
        if (recheck || s->for_change || unconfirmed)
            key = lg_arena_dup(s->scratch, key, key_len);
        if (s->for_change) {
            bool newer;
            LG_TRY(claim_row(s, tid, &newer));
            recheck |= newer; /* the entry was good for the former snapshot */
        }
        st = newest_row(s, tid, &row, &len);
        recheck |= unconfirmed != x->es->unconfirmed; /* a newer snapshot, as well */
        if (st == LG_NOT_FOUND)
            continue;
        LG_TRY(st);
        sc->fetched++;
        LG_TRY(put_row(s, at, tid, row, len));
        if (entry_holds(s, at, key, key_len, tid, recheck))
            return LG_OK;
    }
}

static lg_status
index_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct scan *sc = s->state;
    if (sc->rel->virtual_rel)
        return LG_INTERNAL;
    if (!sc->open)
        LG_TRY(index_start(s));
    if (sc->done)
        return LG_END;
    /* Small first: a point query needs one row, a join's inner side few. */
    if (!s->in.cap)
        scan_batch_grow(s, s->plan->scan.unique ? 1 : s->few ? 2 : 16);
    else if (s->few && s->in.cap < 16 && sc->fetches == 3) /* more than the few expected */
        scan_batch_grow(s, 16);
    else if (s->in.cap >= 16 && s->in.cap < LG_BATCH && s->in.b.n == s->in.cap)
        scan_batch_grow(s, s->in.cap * 8 > LG_BATCH ? LG_BATCH : s->in.cap * 8);
    uint32_t n = 0;
    sc->fetches++;
    while (n < s->in.cap) {
        lg_status st = index_next_row(s, n);
        if (st == LG_END) {
            sc->done = true;
            break;
        }
        LG_TRY(st);
        n++;
        if (s->plan->scan.unique) {
            sc->done = true;
            break;
        }
    }
    return done(s, n, ret);
}

const lg_xnode_ops lg_xops_index_scan = {scan_open, index_fetch, scan_rescan, scan_close};

/* ---- tid ---- */

static lg_status
tid_start(lg_xnode *s)
{
    struct scan *sc = s->state;
    const lg_index_cond *c = &s->plan->scan.conds[0];
    lg_datum v;
    bool null;
    sc->open = true;
    sc->ntids = sc->tid_at = 0;
    if (!sc->range_arena)
        sc->range_arena = lg_arena_create("tids", 1024);
    LG_TRY(lg_xexpr_scalar(s->x, sc->range_arena, c->value, &v, &null));
    if (null)
        return LG_OK;
    if (c->op != LG_COND_ANY) {
        sc->tids = lg_arena_dup(sc->range_arena, &v, sizeof v);
        sc->ntids = 1;
        return LG_OK;
    }
    lg_array a;
    lg_array_unpack(v, sc->range_arena, &a);
    lg_datum *t = LG_NEWN(sc->range_arena, lg_datum, a.n + 1);
    for (uint32_t i = 0; i < a.n; i++) {
        bool dup = a.nulls && a.nulls[i];
        for (uint32_t k = 0; k < sc->ntids && !dup; k++)
            dup = t[k] == a.values[i];
        if (!dup)
            t[sc->ntids++] = a.values[i];
    }
    sc->tids = t;
    return LG_OK;
}

static lg_status
tid_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct scan *sc = s->state;
    if (sc->rel->virtual_rel)
        return LG_END;
    if (!sc->open)
        LG_TRY(tid_start(s));
    if (!s->in.cap)
        scan_batch_grow(s, sc->ntids < LG_BATCH ? sc->ntids + 1 : LG_BATCH);
    uint32_t n = 0;
    while (n < s->in.cap && sc->tid_at < sc->ntids) {
        const uint8_t *row;
        size_t len;
        lg_tid tid = sc->tids[sc->tid_at++];
        lg_status st =
            sc->acc->ops->row_fetch(sc->acc->arg, lg_cat_txn(s->x->es->cat), s->x->es->snapshot,
                                    &sc->rel->storage, tid, s->scratch, &row, &len);
        if (st == LG_NOT_FOUND)
            continue;
        LG_TRY(st);
        LG_TRY(put_row(s, n++, tid, row, len));
    }
    return done(s, n, ret);
}

const lg_xnode_ops lg_xops_tid_scan = {scan_open, tid_fetch, scan_rescan, scan_close};

/* ---- VALUES ---- */

struct rows {
    uint64_t pos;
    bool passed;
};

static lg_status
rows_open(lg_xnode *s)
{
    s->state = LG_NEW(s->x->arena, struct rows);
    return LG_OK;
}

static lg_status
rows_rescan(lg_xnode *s)
{
    struct rows *r = s->state;
    r->pos = 0;
    r->passed = false;
    return s->left ? lg_xnode_rescan(s->left) : LG_OK;
}

static lg_status
values_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct rows *r = s->state;
    const lg_node *p = s->plan;
    if (r->pos >= p->values.nrows)
        return LG_END;
    if (!s->in.cap) {
        lg_oid *types = LG_NEWN(s->x->arena, lg_oid, p->values.nrowcols + 1);
        for (uint32_t i = 0; i < p->values.nrowcols; i++)
            types[i] = p->values.rows[0][i]->type;
        lg_xbatch_init(&s->in, s->x->arena, p->values.nrowcols, types,
                       p->values.nrows < LG_BATCH ? p->values.nrows : LG_BATCH);
    }
    uint32_t n = 0;
    lg_ectx c = {.x = s->x, .arena = s->scratch, .cap = 1};
    for (; n < s->in.cap && r->pos < p->values.nrows; n++, r->pos++)
        for (uint32_t i = 0; i < p->values.nrowcols; i++) {
            lg_datum v;
            bool null;
            LG_TRY(lg_xexpr_eval(&c, p->values.rows[r->pos][i], &v, &null));
            lg_vector_set(s->in.b.cols[i], n, v, null);
        }
    return done(s, n, ret);
}

const lg_xnode_ops lg_xops_values = {rows_open, values_fetch, rows_rescan, NULL};

/* ---- RESULT, SUBQUERY_SCAN ---- */

static lg_status
result_fetch(lg_xnode *s, lg_xbatch **ret)
{
    struct rows *r = s->state;
    if (s->left)
        return lg_xnode_next(s->left, ret);
    if (r->passed)
        return LG_END;
    r->passed = true;
    s->in.cap = 1;
    s->in.b.n = 1;
    s->in.b.sel = NULL;
    *ret = &s->in;
    return LG_OK;
}

const lg_xnode_ops lg_xops_result = {rows_open, result_fetch, rows_rescan, NULL};
const lg_xnode_ops lg_xops_subquery_scan = {rows_open, result_fetch, rows_rescan, NULL};
