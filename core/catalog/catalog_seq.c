/* Sequences and the OID counter: a number is reserved in the sequence's block (held exclusively by
 * this instance for that moment), sequence_batch at a time, and given out from memory. Not
 * transactional. A number is given once only: a reservation is durable before its first number is given,
 * for a client may be told a number by a statement that commits nothing; and what an instance had
 * reserved when it died is lost. One fiber reserves, others that want a number of the sequence wait.
 * Setting a sequence (setval, RESTART) is an event of the dictionary's ring, outside the transaction:
 * from the next statement on, every instance takes its numbers from what was set. */
#include "catalog_internal.h"
#include <string.h>

struct reserve {
    const lg_sequence *seq;
    uint32_t want;
    int64_t first;
    uint32_t got; /* 0: exhausted */
};

static bool
step(const lg_sequence *s, int64_t *v)
{
    int64_t n;
    if (__builtin_add_overflow(*v, s->increment, &n) || n > s->max || n < s->min) {
        if (!s->cycle)
            return false;
        n = s->increment > 0 ? s->min : s->max;
    }
    *v = n;
    return true;
}

/* Under the block latch. A batch never goes round a cycle. */
static void
reserve_fn(void *arg, lg_seq_state *state)
{
    struct reserve *r = arg;
    int64_t v = state->last_value;
    if (state->is_called && !step(r->seq, &v))
        return;
    r->first = v;
    r->got = 1;
    while (r->got < r->want) {
        int64_t n;
        if (__builtin_add_overflow(v, r->seq->increment, &n) || n > r->seq->max || n < r->seq->min)
            break;
        v = n;
        r->got++;
    }
    state->last_value = v;
    state->is_called = true;
}

struct seq_entry {
    int64_t next;
    int64_t increment;
    int64_t last; /* the last one given */
    uint32_t left;
    bool given;
    bool busy;     /* a fiber is reserving more */
    uint64_t born; /* tells it from one that was there before the sequence was set */
};

lg_status
lg_cat_sequence(lg_cat *c, lg_oid oid, lg_sequence *ret_seq)
{
    lg_arena *a = lg_arena_create("sequence", 1024);
    lg_datum key = lg_datum_oid(oid);
    lg_cat_row row;
    lg_status st =
        lg_cat_find(c, LG_REL_pg_sequence, LG_IX_pg_sequence_seqrelid_index, 1, &key, a, &row);
    if (st == LG_OK) {
        ret_seq->oid = oid;
        ret_seq->type = lg_oid_of(LG_ROW_GET(&row, LG_AT_pg_sequence_seqtypid));
        ret_seq->start = lg_int8(LG_ROW_GET(&row, LG_AT_pg_sequence_seqstart));
        ret_seq->increment = lg_int8(LG_ROW_GET(&row, LG_AT_pg_sequence_seqincrement));
        ret_seq->max = lg_int8(LG_ROW_GET(&row, LG_AT_pg_sequence_seqmax));
        ret_seq->min = lg_int8(LG_ROW_GET(&row, LG_AT_pg_sequence_seqmin));
        ret_seq->cache = lg_int8(LG_ROW_GET(&row, LG_AT_pg_sequence_seqcache));
        ret_seq->cycle = lg_bool(LG_ROW_GET(&row, LG_AT_pg_sequence_seqcycle));
        st = lg_cat_find(c, LG_REL_pg_class, LG_IX_pg_class_oid_index, 1, &key, a, &row);
        if (st == LG_OK)
            ret_seq->storage = lg_cat_row_storage(&row);
    }
    lg_arena_destroy(a);
    return st;
}

static void
remember(lg_cat *c, lg_oid oid, int64_t value)
{
    int64_t *v = lg_map_get(c->currvals, oid);
    if (!v) {
        v = lg_alloc(sizeof *v);
        lg_map_put(c->currvals, oid, v);
    }
    *v = value;
    c->lastval_seq = oid;
}

static struct seq_entry *
entry_of(lg_catalog *cat, lg_oid oid)
{
    struct seq_entry *e = lg_map_get(cat->seqs, oid);
    if (!e) {
        e = lg_zalloc(sizeof *e);
        e->born = ++cat->seqs_born;
        lg_map_put(cat->seqs, oid, e);
    }
    return e;
}

void
lg_cat__sequence_forget(lg_catalog *cat, lg_oid oid)
{
    lg_free(lg_map_remove(cat->seqs, oid));
}

void
lg_cat__sequences_forget(lg_catalog *cat)
{
    size_t pos = 0;
    uint64_t oid;
    void *v;
    while (lg_map_next(cat->seqs, &pos, &oid, &v))
        lg_free(v);
    lg_map_destroy(cat->seqs);
    cat->seqs = lg_map_create();
}

/* Numbers for the sequence's entry, which is looked up again after each wait: setval drops it. */
static lg_status
reserve(lg_cat *c, lg_oid oid)
{
    lg_catalog *cat = c->cat;
    lg_sequence seq;
    LG_TRY(lg_cat_sequence(c, oid, &seq));
    struct seq_entry *e = entry_of(cat, oid);
    if (e->busy || e->left)
        return LG_OK;
    e->busy = true;
    uint64_t born = e->born;
    struct reserve r = {.seq = &seq, .want = cat->sequence_batch};
    if (seq.cache > r.want)
        r.want = (uint32_t)(seq.cache < 10000 ? seq.cache : 10000);
    lg_status st = cat->access.ops->seq_modify(cat->access.arg, &seq.storage, reserve_fn, &r);
    e = lg_map_get(cat->seqs, oid);
    if (e && e->born == born)
        e->busy = false;
    (void)lg_waitq_wake_all(&cat->dict->waitq);
    LG_TRY(st);
    if (!r.got)
        return LG_LIMIT;
    /* what was reserved before the sequence was set is lost */
    if (e && e->born == born && e->left == 0) {
        e->next = r.first;
        e->increment = seq.increment;
        e->left = r.got;
    }
    return LG_OK;
}

lg_status
lg_cat_sequence_next(lg_cat *c, lg_oid oid, int64_t *ret_value)
{
    lg_catalog *cat = c->cat;
    for (;;) {
        struct seq_entry *e = lg_map_get(cat->seqs, oid);
        if (e && e->left) {
            *ret_value = e->last = e->next;
            e->given = true;
            if (--e->left)
                e->next += e->increment;
            remember(c, oid, *ret_value);
            return LG_OK;
        }
        if (e && e->busy)
            LG_TRY(lg_waitq_wait(&cat->dict->waitq, LG_WAIT_ENQ_OTHER, LG_FOREVER, true));
        else
            LG_TRY(reserve(c, oid));
    }
}

static void
set_fn(void *arg, lg_seq_state *state)
{
    *state = *(const lg_seq_state *)arg;
}

static void
get_fn(void *arg, lg_seq_state *state)
{
    *(lg_seq_state *)arg = *state;
}

lg_status
lg_cat_sequence_set(lg_cat *c, lg_oid oid, int64_t value, bool is_called)
{
    lg_sequence seq;
    LG_TRY(lg_cat_sequence(c, oid, &seq));
    if (value < seq.min || value > seq.max)
        return LG_LIMIT;
    lg_seq_state state = {value, is_called};
    LG_TRY(c->cat->access.ops->seq_modify(c->cat->access.arg, &seq.storage, set_fn, &state));
    lg_cat__sequence_forget(c->cat, oid);
    if (!lg_cat__is_temp(c, oid)) /* other instances let go of the numbers they have reserved */
        LG_TRY(lg_cat__tell_relation(c, oid));
    if (is_called) {
        lg_oid last = c->lastval_seq;
        remember(c, oid, value);
        c->lastval_seq = last ? last : oid;
    }
    return LG_OK;
}

lg_status
lg_cat_sequence_read(lg_cat *c, lg_oid oid, lg_seq_state *ret_state)
{
    struct seq_entry *e = lg_map_get(c->cat->seqs, oid);
    if (e && e->given) {
        *ret_state = (lg_seq_state){e->last, true};
        return LG_OK;
    }
    lg_sequence seq;
    LG_TRY(lg_cat_sequence(c, oid, &seq));
    return c->cat->access.ops->seq_modify(c->cat->access.arg, &seq.storage, get_fn, ret_state);
}

lg_status
lg_cat_sequence_currval(lg_cat *c, lg_oid oid, int64_t *ret_value)
{
    const int64_t *v = lg_map_get(c->currvals, oid);
    if (!v)
        return LG_NOT_FOUND;
    *ret_value = *v;
    return LG_OK;
}

lg_status
lg_cat_sequence_lastval(lg_cat *c, int64_t *ret_value)
{
    return c->lastval_seq ? lg_cat_sequence_currval(c, c->lastval_seq, ret_value) : LG_NOT_FOUND;
}

void
lg_cat_sequences_discard(lg_cat *c)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(c->currvals, &pos, &key, &v))
        lg_free(v);
    lg_map_destroy(c->currvals);
    c->currvals = lg_map_create();
    c->lastval_seq = 0;
}

lg_status
lg_cat_new_oid(lg_cat *c, lg_oid *ret_oid)
{
    lg_catalog *cat = c->cat;
    while (cat->dict->oid_next == cat->dict->oid_end) {
        static const lg_sequence counter = {.start = LG_OID_FIRST_NORMAL,
                                            .increment = 1,
                                            .min = LG_OID_FIRST_NORMAL,
                                            .max = UINT32_MAX - 1};
        struct reserve r = {.seq = &counter, .want = 64};
        LG_TRY(
            cat->access.ops->seq_modify(cat->access.arg, &cat->dict->oid_counter, reserve_fn, &r));
        if (!r.got)
            return LG_LIMIT;
        cat->dict->oid_next = (lg_oid)r.first;
        cat->dict->oid_end = (lg_oid)(r.first + r.got);
    }
    *ret_oid = cat->dict->oid_next++;
    return LG_OK;
}
