/* Automata: Thompson's construction, run with a set of states per position.
 *
 * An automaton without assertions remembers its steps: a set of states is a number (dstate), and
 * for each of the first colours of characters it knows the set that follows. Once DSTATE_MAX sets
 * are known, others are computed each time. Assertions depend on what stands around a position, so
 * automata with them are always computed. */
#include "mem.h"
#include "regex_internal.h"
#include <stdlib.h>
#include <string.h>

#define NONE       UINT32_MAX
#define COLOURS    48
#define DSTATE_MAX 400

typedef enum st_kind { ST_CHAR, ST_SPLIT, ST_ASSERT, ST_LOOK, ST_MATCH } st_kind;

struct state {
    uint8_t kind;
    uint32_t out, out2;
    uint32_t arg; /* set, assertion or look-around */
};

struct list {
    uint32_t n;
    uint32_t *at;   /* states with something to do: ST_CHAR, ST_MATCH */
    uint64_t *mark; /* per state: the generation that it was added in */
    uint64_t gen;
    bool match;
};

struct dstate {
    uint32_t n;
    uint32_t *at; /* sorted */
    bool match;
    uint32_t next[COLOURS]; /* number + 1; 0: not known yet */
};

struct dfa {
    uint32_t n, cap;
    struct dstate **at;
};

struct rx_auto {
    lg_regex *r;
    uint32_t n, cap;
    struct state *states;
    uint32_t start;
    bool context; /* has assertions */
    bool too_big;
    uint32_t in_back; /* while building: inside back references */
    struct list lists[2];
    uint32_t *stack;
    struct dfa dfa[2]; /* [1]: a match may begin at every position */
};

typedef enum mode { LONGEST, SHORTEST } mode;

/* --- making --- */

static uint32_t
state(rx_auto *m, st_kind kind, uint32_t out, uint32_t out2, uint32_t arg)
{
    if (m->n >= RX_STATE_MAX) {
        m->too_big = true;
        return 0;
    }
    if (m->n == m->cap) {
        uint32_t cap = m->cap ? m->cap * 2 : 16;
        struct state *more = LG_NEWN(m->r->a, struct state, cap);
        if (m->n)
            memcpy(more, m->states, sizeof *more * m->n);
        m->states = more;
        m->cap = cap;
    }
    m->states[m->n] = (struct state){(uint8_t)kind, out, out2, arg};
    return m->n++;
}

static uint32_t build(rx_auto *m, const rx_node *x, uint32_t next);

static uint32_t
build_rep(rx_auto *m, const rx_node *x, uint32_t next)
{
    uint32_t at = next;
    if (x->max == RX_INF) {
        at = state(m, ST_SPLIT, 0, next, 0);
        uint32_t body = build(m, x->kids[0], at);
        if (m->too_big)
            return 0;
        m->states[at].out = body;
    } else {
        for (int32_t i = x->min; i < x->max && !m->too_big; i++)
            at = state(m, ST_SPLIT, build(m, x->kids[0], at), next, 0);
    }
    for (int32_t i = 0; i < x->min && !m->too_big; i++)
        at = build(m, x->kids[0], at);
    return at;
}

/* The state at which x followed by `next` begins. */
static uint32_t
build(rx_auto *m, const rx_node *x, uint32_t next)
{
    if (m->too_big)
        return 0;
    switch (x->kind) {
    case RX_EMPTY:
        return next;
    case RX_SET:
        return state(m, ST_CHAR, next, NONE, x->set);
    case RX_CAT:
        for (uint32_t i = x->n; i > 0; i--)
            next = build(m, x->kids[i - 1], next);
        return next;
    case RX_ALT: {
        uint32_t at = build(m, x->kids[x->n - 1], next);
        for (uint32_t i = x->n - 1; i > 0; i--)
            at = state(m, ST_SPLIT, build(m, x->kids[i - 1], next), at, 0);
        return at;
    }
    case RX_REP:
        return build_rep(m, x, next);
    case RX_GROUP:
        return build(m, x->kids[0], next);
    case RX_BACK: /* what the group may match wherever it is; the dissection sees whether it is the
                   * same */
        m->in_back++;
        next = build(m, m->r->groups[x->no], next);
        m->in_back--;
        return next;
    case RX_ASSERT:
        if (m->in_back)
            return next;
        m->context = true;
        return state(m, ST_ASSERT, next, NONE, x->assertion);
    case RX_LOOK:
        if (m->in_back)
            return next;
        m->context = true;
        return state(m, ST_LOOK, next, NONE, x->look);
    }
    return next;
}

rx_auto *
lg_regex__auto(lg_regex *r, rx_node *const *seq, uint32_t n)
{
    rx_auto *m = LG_NEW(r->a, rx_auto);
    m->r = r;
    uint32_t next = state(m, ST_MATCH, NONE, NONE, 0);
    for (uint32_t i = n; i > 0; i--)
        next = build(m, seq[i - 1], next);
    m->start = next;
    if (m->too_big)
        return NULL;
    for (int i = 0; i < 2; i++) {
        m->lists[i].at = LG_NEWN(r->a, uint32_t, m->n);
        m->lists[i].mark = LG_NEWN(r->a, uint64_t, m->n);
    }
    m->stack = LG_NEWN(r->a, uint32_t, m->n * 2 + 2);
    return m;
}

/* --- colours: which sets hold a character --- */

static uint16_t
new_colour(lg_regex *r, uint32_t ch)
{
    if (!r->sig_words)
        r->sig_words = (r->nsets + 63) / 64;
    uint32_t w = r->sig_words;
    if (r->nsigs == r->sigs_cap) {
        uint32_t cap = r->sigs_cap ? r->sigs_cap * 2 : 16;
        uint64_t *more = LG_NEWN(r->a, uint64_t, (size_t)cap * (w ? w : 1));
        if (r->nsigs && w)
            memcpy(more, r->sigs, sizeof *more * r->nsigs * w);
        r->sigs = more;
        r->sigs_cap = cap;
    }
    uint64_t *sig = r->sigs + (size_t)r->nsigs * w;
    if (w)
        memset(sig, 0, sizeof *sig * w);
    for (uint32_t i = 0; i < r->nsets; i++)
        if (lg_regex__set_has(r, &r->sets[i], ch))
            sig[i / 64] |= 1ULL << (i % 64);
    for (uint32_t i = 0; i < r->nsigs; i++)
        if (!w || memcmp(r->sigs + (size_t)i * w, sig, sizeof *sig * w) == 0)
            return (uint16_t)i;
    return (uint16_t)r->nsigs++;
}

static uint16_t
colour_of(lg_regex *r, uint32_t ch)
{
    if (ch < 128) {
        if (r->ascii[ch] == UINT16_MAX)
            r->ascii[ch] = new_colour(r, ch);
        return r->ascii[ch];
    }
    if (!r->map_cap) {
        r->map_cap = 1024;
        r->map_chars = LG_NEWN(r->a, uint32_t, r->map_cap);
        r->map_colours = LG_NEWN(r->a, uint16_t, r->map_cap);
    }
    uint32_t h = ch * 2654435761u % r->map_cap;
    while (r->map_chars[h] && r->map_chars[h] != ch)
        h = (h + 1) % r->map_cap;
    if (r->map_chars[h] == ch)
        return r->map_colours[h];
    uint16_t c = new_colour(r, ch);
    if (r->map_n < r->map_cap / 2) {
        r->map_n++;
        r->map_chars[h] = ch;
        r->map_colours[h] = c;
    }
    return c;
}

static bool
colour_in(const lg_regex *r, uint16_t colour, uint32_t set)
{
    return r->sigs[(size_t)colour * r->sig_words + set / 64] >> (set % 64) & 1;
}

/* --- running --- */

bool
lg_regex__tick(rx_run *x)
{
    if (x->failed)
        return false;
    if (++x->steps % 4096 == 0 && x->check && x->check(x->arg))
        x->failed = -1;
    return !x->failed;
}

static bool
look_holds(rx_run *x, uint32_t i, int32_t pos)
{
    lg_regex *r = x->r;
    const rx_node *node = r->look_nodes[i];
    if (!r->looks[i] && !(r->looks[i] = lg_regex__auto(r, node->kids, 1))) {
        x->failed = -2;
        return false;
    }
    bool found = false;
    if (!node->behind) {
        found = lg_regex__shortest(x, r->looks[i], pos, pos, x->n) >= 0;
    } else {
        for (int32_t from = pos; from >= 0 && !found && !x->failed; from--)
            found = lg_regex__longest(x, r->looks[i], from, pos) == pos;
    }
    return found != node->negated && !x->failed;
}

static bool
assertion_holds(const rx_run *x, rx_assert k, int32_t pos)
{
    const lg_regex *r = x->r;
    bool lines = r->flags & LG_RX_NLANCH;
    if (k == RX_BOS || k == RX_BOL)
        return pos == 0 || (k == RX_BOL && lines && x->s[pos - 1] == '\n');
    if (k == RX_EOS || k == RX_EOL)
        return pos == x->n || (k == RX_EOL && lines && x->s[pos] == '\n');
    bool before = pos > 0 && lg_regex__word(r, x->s[pos - 1]);
    bool after = pos < x->n && lg_regex__word(r, x->s[pos]);
    switch (k) {
    case RX_WORD_START:
        return !before && after;
    case RX_WORD_END:
        return before && !after;
    case RX_WORD_EDGE:
        return before != after;
    default:
        return before == after;
    }
}

/* Adds what can be reached from state s without a character. */
static void
add(rx_run *x, rx_auto *m, struct list *l, uint32_t s, int32_t pos)
{
    uint32_t depth = 0;
    m->stack[depth++] = s;
    while (depth) {
        s = m->stack[--depth];
        if (l->mark[s] == l->gen)
            continue;
        l->mark[s] = l->gen;
        const struct state *t = &m->states[s];
        switch (t->kind) {
        case ST_MATCH:
            l->match = true;
            l->at[l->n++] = s;
            break;
        case ST_CHAR:
            l->at[l->n++] = s;
            break;
        case ST_SPLIT:
            m->stack[depth++] = t->out2;
            m->stack[depth++] = t->out;
            break;
        case ST_ASSERT:
            if (assertion_holds(x, (rx_assert)t->arg, pos))
                m->stack[depth++] = t->out;
            break;
        default:
            if (look_holds(x, t->arg, pos))
                m->stack[depth++] = t->out;
        }
    }
}

static void
clear(struct list *l)
{
    l->n = 0;
    l->gen++;
    l->match = false;
}

/* The set after a character at pos of the states `at`. */
static void
step(rx_run *x, rx_auto *m, const uint32_t *at, uint32_t n, uint16_t colour, int32_t pos,
     bool floating, struct list *to)
{
    clear(to);
    for (uint32_t i = 0; i < n; i++) {
        const struct state *t = &m->states[at[i]];
        if (t->kind == ST_CHAR && colour_in(m->r, colour, t->arg))
            add(x, m, to, t->out, pos + 1);
    }
    if (floating)
        add(x, m, to, m->start, pos + 1);
}

static int
by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The number of a set, + 1; 0: no more are remembered. */
static uint32_t
remember(rx_auto *m, struct dfa *d, struct list *l)
{
    if (l->n > 1)
        qsort(l->at, l->n, sizeof *l->at, by_number);
    for (uint32_t i = 0; i < d->n; i++)
        if (d->at[i]->n == l->n &&
            (!l->n || memcmp(d->at[i]->at, l->at, sizeof *l->at * l->n) == 0))
            return i + 1;
    if (d->n >= DSTATE_MAX)
        return 0;
    if (d->n == d->cap) {
        uint32_t cap = d->cap ? d->cap * 2 : 8;
        struct dstate **more = LG_NEWN(m->r->a, struct dstate *, cap);
        if (d->n)
            memcpy(more, d->at, sizeof *more * d->n);
        d->at = more;
        d->cap = cap;
    }
    struct dstate *s = LG_NEW(m->r->a, struct dstate);
    s->n = l->n;
    s->match = l->match;
    s->at = LG_NEWN(m->r->a, uint32_t, l->n + 1);
    if (l->n)
        memcpy(s->at, l->at, sizeof *l->at * l->n);
    d->at[d->n++] = s;
    return d->n;
}

/* By sets computed at each position, from those in m->lists[0] at pos on. */
static int32_t
simulate(rx_run *x, rx_auto *m, int32_t pos, int32_t min, int32_t max, mode how, bool floating,
         int32_t best)
{
    struct list *now = &m->lists[0], *then = &m->lists[1], *swap;
    for (;; pos++) {
        if (now->match && pos >= min) {
            best = pos;
            if (how == SHORTEST)
                return best;
        }
        x->steps += now->n / 16;
        if (pos >= max || (now->n == 0 && !floating) || !lg_regex__tick(x))
            return x->failed ? -1 : best;
        step(x, m, now->at, now->n, colour_of(m->r, x->s[pos]), pos, floating, then);
        swap = now;
        now = then;
        then = swap;
    }
}

static int32_t
run(rx_run *x, rx_auto *m, int32_t from, int32_t min, int32_t max, mode how, bool floating)
{
    struct dfa *d = &m->dfa[floating];
    if (m->context || d->n == 0) {
        clear(&m->lists[0]);
        add(x, m, &m->lists[0], m->start, from);
        if (m->context)
            return simulate(x, m, from, min, max, how, floating, -1);
        (void)remember(m, d, &m->lists[0]);
    }
    int32_t best = -1;
    struct dstate *s = d->at[0];
    for (int32_t pos = from;; pos++) {
        if (s->match && pos >= min) {
            best = pos;
            if (how == SHORTEST)
                return best;
        }
        if (pos >= max || (s->n == 0 && !floating) || !lg_regex__tick(x))
            return x->failed ? -1 : best;
        uint16_t colour = colour_of(m->r, x->s[pos]);
        uint32_t next = colour < COLOURS ? s->next[colour] : 0;
        if (!next) {
            step(x, m, s->at, s->n, colour, pos, floating, &m->lists[0]);
            next = remember(m, d, &m->lists[0]);
            if (!next)
                return simulate(x, m, pos + 1, min, max, how, floating, best);
            if (colour < COLOURS)
                s->next[colour] = next;
        }
        s = d->at[next - 1];
    }
}

int32_t
lg_regex__longest(rx_run *x, rx_auto *m, int32_t from, int32_t max)
{
    return run(x, m, from, from, max, LONGEST, false);
}

int32_t
lg_regex__shortest(rx_run *x, rx_auto *m, int32_t from, int32_t min, int32_t max)
{
    return run(x, m, from, min, max, SHORTEST, false);
}

int32_t
lg_regex__first_end(rx_run *x, rx_auto *m, int32_t from)
{
    return run(x, m, from, from, x->n, SHORTEST, true);
}
