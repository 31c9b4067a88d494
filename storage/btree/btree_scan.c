/* Range scans: what is wanted of a leaf is copied under its latch and read at leisure, a few entries each
 * for itself, else the whole leaf; then the next one. Going right follows the copy's right link: what a
 * later split moved right is in the copy already. Going left descends again for what is below the lowest
 * key seen.
 *
 * WHAT THE ENTRY DECIDES (visible, gone) and what only the row can (asked). Let X be the transaction that
 * an entry names, S the snapshot, T the moment the leaf is copied; T lies after S was taken.
 *     X committed at or below S, entry live     visible: the row has this key at S
 *     X committed at or below S, entry marked   gone: it has not
 *     else (X unknown here, active, committing, aborted, later than S, our own)   asked
 * Why. Every version with a key that the former had not inserts an entry or revives a marked one, every
 * version without a key that the former had, and every deletion, marks it, and each of these writes X
 * into the entry before X takes its commit SCN. So the entry at T tells the newest change of "has the row
 * this key" at T, and X is whose it was. Is there one between X and S that T does not show? Not before T:
 * it would be in the entry. Not after T: its transaction changes the leaf after T, and commits above S. Here
 * the clock has passed S already; another instance must first take the leaf in X from us, who hold it in S at
 * T, and observes our clock by the messages that bring it. A change that leaves the key alone leaves the
 * entry alone, and what the key says is all that is asked of it.
 *     rollback       puts back ref and flags as they were, so the entry again names the last that counts;
 *                    before that it names one that has not committed: asked. A rollback that a crash took
 *                    back is done once more before anybody is told (lg_txn_forget_doubtful)
 *     slots          of X used again say "committed, at or below": true of what still stands in an entry, for
 *                    rollback is complete before the slot goes. Therefore X is looked up while the leaf is
 *                    latched: a copy of an entry may be of a rollback that has come to its end since
 *     early release  is COMMITTING: asked, and the row puts down the mark
 *     builds         a bulk build's entries are those of the transaction that creates the index; one beside
 *                    writers enters a row and then looks whether it has changed (core/sql/exec, exec_table.c)
 *     own_seq        what our own transaction did is asked of the row always
 *     CR copies      leaves are never rolled back or read at an SCN: always the current block
 * Nothing is written for it: no bits to set, no block to take in X. Others' transactions that are not
 * known here are asked for once they have so many entries of a leaf that it pays. */
#include "btree_internal.h"

#define FEW          4u
#define FEW_BYTES    256u
#define UNKNOWN_MAX  4u
#define UNKNOWN_PAYS 16u /* entries of one transaction in one leaf */

enum verdict { ASKED, VISIBLE, GONE };

struct lg_btree_scan {
    lg_segment *g;
    lg_txn *t;
    lg_scn scn;            /* 0: no snapshot, no verdicts */
    enum verdict *verdict; /* of the image's slots [at, end) */
    struct unknown {
        lg_xid xid;
        uint32_t entries;
    } unknown[UNKNOWN_MAX];
    uint32_t nunknown;
    uint8_t *image;   /* the leaf's copy; NULL: none was needed */
    uint32_t at, end; /* slots still to return: [at, end) */
    bool in_few;      /* they are numbers in `few`, not in the image */
    uint32_t next;    /* forward: the right sibling; 0: none */
    bool backward;
    bool finished;
    bool ended; /* backward: nothing of the range lies below the copy */
    uint8_t *lo, *hi;
    uint32_t lo_len, hi_len;
    uint8_t *bound; /* backward: entries below (bound, bound_rowid) are next */
    uint32_t bound_len;
    uint64_t bound_rowid;
    bool bounded;
    enum verdict few_verdict[FEW];
    uint16_t few_off[FEW];
    uint8_t few[FEW_BYTES];
    uint8_t limits[]; /* lo, hi */
};

static uint8_t *
copy_bytes(const void *p, uint32_t len)
{
    uint8_t *c = lg_alloc(len + 1);
    if (len)
        memcpy(c, p, len);
    return c;
}

/* ---- verdicts ---- */

static enum verdict
judge(lg_btree_scan *sc, const lg_btree__entry *e)
{
    lg_txn_status s;
    if (e->ref == LG_XID_NONE || e->ref == lg_txn_xid(sc->t))
        return ASKED;
    lg_status st = lg_txn_peek(lg_txn_sys_of(sc->t), e->ref, sc->scn, &s);
    if (st == LG_OK)
        return s.state != LG_XID_COMMITTED || s.scn > sc->scn ? ASKED
               : e->flags & LG_BTREE__MARKED                  ? GONE
                                                              : VISIBLE;
    uint32_t i = 0;
    while (i < sc->nunknown && sc->unknown[i].xid != e->ref)
        i++;
    if (i < UNKNOWN_MAX) {
        sc->nunknown = i == sc->nunknown ? i + 1 : sc->nunknown;
        sc->unknown[i].xid = e->ref;
        sc->unknown[i].entries++;
    }
    return ASKED;
}

/* Of the slots [at, end) that will be returned, while the leaf is latched. */
static void
judge_all(lg_btree_scan *sc, const void *leaf, uint32_t at, uint32_t end, enum verdict *ret)
{
    const lg_btree__entry *last = NULL;
    enum verdict v = ASKED;
    memset(sc->unknown, 0, sizeof sc->unknown);
    sc->nunknown = 0;
    for (uint32_t i = at; i < end && sc->scn; i++) {
        const lg_btree__entry *e = lg_btree__entry_at(leaf, i);
        bool same = last && last->ref == e->ref && last->flags == e->flags;
        if (!same || v == ASKED)
            v = judge(sc, e);
        *ret++ = v;
        last = e;
    }
}

/* Transactions worth asking for are known now: *ret_again: look at the leaf once more. No latch. */
static lg_status
resolve_unknown(lg_btree_scan *sc, bool *ret_again)
{
    *ret_again = false;
    for (uint32_t i = 0; i < sc->nunknown; i++) {
        lg_txn_status s;
        if (sc->unknown[i].entries < UNKNOWN_PAYS)
            continue;
        lg_status st = lg_txn_resolve(lg_txn_sys_of(sc->t), sc->unknown[i].xid, sc->scn, &s);
        if (st != LG_OK && st != LG_SNAPSHOT_TOO_OLD) /* of that the row knows more */
            return st;
        *ret_again |= st == LG_OK && s.state == LG_XID_COMMITTED && s.scn <= sc->scn;
    }
    return LG_OK;
}

/* ---- copies ---- */

static void
image_take(lg_btree_scan *sc, const void *leaf)
{
    uint32_t bytes = lg_buf_block_bytes(lg_segment_cache(sc->g));
    if (!sc->image) {
        sc->image = lg_alloc_aligned(16, bytes);
        sc->verdict = lg_alloc(bytes / (LG_BTREE__ENTRY_BYTES + 2) * sizeof *sc->verdict);
    }
    memcpy(sc->image, leaf, bytes);
    sc->in_few = false;
}

/* Entries [at, end) of the leaf; false: they are too many. */
static bool
few_take(lg_btree_scan *sc, const void *leaf, uint32_t at, uint32_t end)
{
    uint32_t used = 0;
    if (end - at > FEW)
        return false;
    for (uint32_t i = at; i < end; i++) {
        const lg_btree__entry *e = lg_btree__entry_at(leaf, i);
        uint32_t size = LG_BTREE__ENTRY_BYTES + e->len;
        if (used + size > FEW_BYTES)
            return false;
        memcpy(sc->few + used, e, size);
        sc->few_off[i - at] = (uint16_t)used;
        used += size;
    }
    judge_all(sc, leaf, at, end, sc->few_verdict);
    sc->in_few = true;
    sc->at = 0;
    sc->end = end - at;
    return true;
}

/* ---- forward ---- */

/* Of a latched leaf what lies from `from` (NULL: its first entry) up to hi. */
static void
take_forward(lg_btree_scan *sc, const void *leaf, const lg_btree__key *from)
{
    const lg_btree__node *n = lg_btree__node_of(leaf);
    uint32_t at = from ? lg_btree__find(leaf, from) : 0, end = n->count;
    sc->next = n->right;
    if (sc->hi_len) {
        lg_btree__key hi = {sc->hi, sc->hi_len, 0};
        end = lg_btree__find_from(leaf, &hi, at);
        if (end < n->count || !lg_btree__beyond(leaf, &hi))
            sc->next = 0; /* hi lies within this leaf */
    }
    if (few_take(sc, leaf, at, end))
        return;
    image_take(sc, leaf);
    sc->at = at;
    sc->end = end;
    judge_all(sc, sc->image, at, end, sc->verdict + at);
}

static lg_status
start_forward(lg_btree_scan *sc)
{
    lg_btree__key lo = {sc->lo, sc->lo_len, 0};
    bool again = true;
    for (int round = 0; round < 2 && again; round++) { /* again: with what is known then */
        lg_buf *b;
        LG_TRY(lg_btree__descend_latched(sc->g, &lo, 0, &b));
        take_forward(sc, b->data, &lo);
        lg_buf_put(lg_segment_cache(sc->g), b, LG_LATCH_S);
        if (round == 0)
            LG_TRY(resolve_unknown(sc, &again));
    }
    return LG_OK;
}

/* The leaf may have been split meanwhile: what moved right comes by the new copy's right link. */
static lg_status
next_forward(lg_btree_scan *sc)
{
    lg_buf_cache *c = lg_segment_cache(sc->g);
    lg_addr addr = {lg_segment_file(sc->g), sc->next};
    bool again = true;
    for (int round = 0; round < 2 && again; round++) {
        lg_buf *b;
        LG_TRY(lg_buf_get(c, addr, LG_LATCH_S, &b));
        take_forward(sc, b->data, NULL);
        lg_buf_put(c, b, LG_LATCH_S);
        if (round == 0)
            LG_TRY(resolve_unknown(sc, &again));
    }
    return LG_OK;
}

/* ---- backward ---- */

/* has_low: there is something below this leaf. */
static void
limit_backward(lg_btree_scan *sc, const lg_btree__key *bound, bool has_low)
{
    sc->end = sc->bounded ? lg_btree__find(sc->image, bound) : lg_btree__node_of(sc->image)->count;
    sc->at = 0;
    sc->ended = !has_low;
    if (sc->lo_len) {
        lg_btree__key lo = {sc->lo, sc->lo_len, 0};
        sc->at = lg_btree__find(sc->image, &lo);
        bool lower = lg_btree__node_of(sc->image)->count > 0 &&
                     lg_btree__compare(&lo, lg_btree__entry_at(sc->image, 0)) > 0;
        sc->ended |= lower;
    }
}

/* Loads the leaf with the largest entry below the bound; LG_END when there is none. low: the
 * separator passed on the way down, below which nothing of that leaf lies. */
static lg_status
load_below(lg_btree_scan *sc)
{
    lg_buf_cache *c = lg_segment_cache(sc->g);
    bool asked = false;
    for (;;) {
        lg_btree__key bound = {sc->bound, sc->bound_len, sc->bound_rowid};
        uint8_t low[LG_BTREE_KEY_MAX];
        lg_btree__key low_key = {low, 0, 0};
        bool has_low = false;
        uint32_t block = LG_BTREE__ROOT;
        for (;;) {
            lg_buf *b;
            LG_TRY(lg_buf_get(c, (lg_addr){lg_segment_file(sc->g), block}, LG_LATCH_S, &b));
            const lg_btree__node *n = lg_btree__node_of(b->data);
            const lg_btree__entry *high = lg_btree__high(b->data);
            /* Strictly below the bound: go right while the node's high key is below it. */
            if (high && (!sc->bounded || lg_btree__compare(&bound, high) > 0)) {
                memcpy(low, high->key, high->len);
                low_key = (lg_btree__key){low, high->len, high->rowid};
                has_low = true;
                block = n->right;
            } else if (n->level == 0) {
                image_take(sc, b->data);
                limit_backward(sc, &bound, has_low);
                judge_all(sc, sc->image, sc->at, sc->end, sc->verdict + sc->at);
                block = 0;
            } else {
                uint32_t slot = n->count - 1u;
                if (sc->bounded)
                    for (slot = lg_btree__child(b->data, &bound);
                         slot > 0 &&
                         lg_btree__compare(&bound, lg_btree__entry_at(b->data, slot)) <= 0;)
                        slot--;
                const lg_btree__entry *e = lg_btree__entry_at(b->data, slot);
                if (slot > 0) {
                    memcpy(low, e->key, e->len);
                    low_key = (lg_btree__key){low, e->len, e->rowid};
                    has_low = true;
                }
                block = (uint32_t)e->ref;
            }
            lg_buf_put(c, b, LG_LATCH_S);
            if (!block)
                break;
        }
        if (!asked) { /* once: to the bound's leaf again, with what is known now */
            bool again;
            LG_TRY(resolve_unknown(sc, &again));
            asked = true;
            if (again)
                continue;
        }
        /* What comes next lies below this leaf. */
        lg_free(sc->bound);
        sc->bound = copy_bytes(low_key.bytes, low_key.len);
        sc->bound_len = low_key.len;
        sc->bound_rowid = low_key.rowid;
        sc->bounded = true;
        sc->finished = sc->ended;
        asked = false;
        if (sc->at < sc->end || sc->finished)
            return sc->at < sc->end ? LG_OK : LG_END;
    }
}

/* ---- face ---- */

lg_status
lg_btree_scan_open(lg_txn *t, lg_segment *g, const lg_snapshot *snap, const void *lo,
                   uint32_t lo_len, const void *hi, uint32_t hi_len, bool backward,
                   lg_btree_scan **ret_scan)
{
    lg_btree_scan *sc = lg_alloc(sizeof *sc + lo_len + hi_len);
    memset(sc, 0, offsetof(lg_btree_scan, few_verdict));
    sc->g = g;
    sc->t = t;
    sc->scn = snap && t ? snap->scn : 0;
    sc->backward = backward;
    sc->lo = sc->limits;
    sc->lo_len = lo_len;
    sc->hi = sc->limits + lo_len;
    sc->hi_len = hi_len;
    if (lo_len)
        memcpy(sc->lo, lo, lo_len);
    if (hi_len)
        memcpy(sc->hi, hi, hi_len);
    lg_status st;
    if (backward) {
        sc->bound = copy_bytes(hi, hi_len);
        sc->bound_len = hi_len;
        sc->bounded = hi_len > 0;
        st = load_below(sc);
        if (st == LG_END) {
            sc->finished = true;
            st = LG_OK;
        }
    } else {
        st = start_forward(sc);
    }
    if (st != LG_OK) {
        lg_btree_scan_close(sc);
        return st;
    }
    *ret_scan = sc;
    return LG_OK;
}

/* The next slot to return; LG_END. */
static lg_status
next_slot(lg_btree_scan *sc, uint32_t *ret_slot)
{
    while (sc->at >= sc->end) {
        if (sc->backward) {
            if (sc->finished)
                return LG_END;
            LG_TRY(load_below(sc));
        } else {
            if (!sc->next)
                return LG_END;
            LG_TRY(next_forward(sc));
        }
    }
    *ret_slot = sc->backward ? --sc->end : sc->at++;
    return LG_OK;
}

lg_status
lg_btree_scan_next(lg_btree_scan *sc, lg_btree_entry *ret)
{
    uint32_t slot;
    enum verdict v;
    do {
        LG_TRY(next_slot(sc, &slot));
        v = !sc->scn ? ASKED : sc->in_few ? sc->few_verdict[slot] : sc->verdict[slot];
    } while (v == GONE);
    const lg_btree__entry *e = sc->in_few ? (const void *)(sc->few + sc->few_off[slot])
                                          : lg_btree__entry_at(sc->image, slot);
    *ret = (lg_btree_entry){e->key, e->len, e->rowid, v == ASKED};
    return LG_OK;
}

void
lg_btree_scan_close(lg_btree_scan *sc)
{
    if (!sc)
        return;
    lg_free(sc->image);
    lg_free(sc->verdict);
    lg_free(sc->bound);
    lg_free(sc);
}
