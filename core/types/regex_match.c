/* Finding a match and dissecting it into captures, by the rules of PostgreSQL's regcomp.c (which parts are taken
 * together) and regexec.c (how a part of text is divided among them). */
#include "mem.h"
#include "regex_internal.h"
#include <string.h>

typedef enum part_kind { P_UNIT, P_CAT, P_ALT, P_GROUP, P_ITER, P_BACK } part_kind;

struct rx_part {
    part_kind kind;
    uint32_t flags;
    uint32_t no;      /* P_GROUP, P_BACK */
    int32_t min, max; /* P_ITER, P_BACK */
    uint32_t n;
    rx_part **kids;
    rx_node *const *seq; /* what it matches as a whole */
    uint32_t nseq;
    rx_auto *m; /* made when needed */
};

/* --- preferences --- */

static uint32_t
up(uint32_t f)
{
    bool both = f & RX_LONGER && f & RX_SHORTER;
    return (f & ~(RX_LONGER | RX_SHORTER)) | (both ? RX_MIXED : 0);
}

static uint32_t
prefer(uint32_t f)
{
    return f & (RX_LONGER | RX_SHORTER);
}

static uint32_t
combine(uint32_t x, uint32_t y)
{
    return up(x | y) | (prefer(x) ? prefer(x) : prefer(y));
}

static bool
messy(uint32_t f)
{
    return f & (RX_MIXED | RX_CAP | RX_BACKREF);
}

/* --- the dissection tree --- */

static rx_part *dissection(lg_regex *r, rx_node *x);

static rx_part *
part(lg_regex *r, part_kind kind, uint32_t flags, rx_node *const *seq, uint32_t nseq,
     uint32_t nkids)
{
    rx_part *p = LG_NEW(r->a, rx_part);
    p->kind = kind;
    p->flags = flags;
    p->seq = seq;
    p->nseq = nseq;
    p->n = nkids;
    if (nkids)
        p->kids = LG_NEWN(r->a, rx_part *, nkids);
    return p;
}

static rx_node *const *
single(lg_regex *r, rx_node *x)
{
    rx_node **s = LG_NEWN(r->a, rx_node *, 1);
    s[0] = x;
    return s;
}

static rx_part *
repeated(lg_regex *r, rx_node *x)
{
    rx_node *of = x->kids[0];
    if (of->kind == RX_BACK) {
        rx_part *b = part(r, P_BACK, combine(x->prefer, RX_BACKREF), single(r, x), 1, 0);
        b->no = of->no;
        b->min = x->min;
        b->max = x->max;
        return b;
    }
    rx_part *kid = dissection(r, of);
    uint32_t f = combine(x->prefer, kid->flags);
    if (x->min == 1 && x->max == 1 && (!prefer(kid->flags) || x->prefer == prefer(kid->flags)))
        return kid;
    if (!(kid->flags & (RX_CAP | RX_BACKREF)))
        return part(r, P_UNIT, f, single(r, x), 1, 0);
    if (x->min > 0 &&
        !(kid->flags & RX_BACKREF)) { /* x{m,n} is x{m-1,n-1}x: the last is captured */
        rx_node *less = lg_arena_dup(r->a, x, sizeof *x);
        less->min--;
        if (less->max != RX_INF)
            less->max--;
        rx_part *p = part(r, P_CAT, f, single(r, x), 1, 2);
        p->kids[0] = part(r, P_UNIT, prefer(f), single(r, less), 1, 0);
        p->kids[1] = kid;
        return p;
    }
    rx_part *p = part(r, P_ITER, f, single(r, x), 1, 1);
    p->kids[0] = kid;
    p->min = x->min;
    p->max = x->max;
    return p;
}

/* A sequence: as many plain items as go together are one part, then the first that does not, then
 * the rest likewise. */
static rx_part *
sequence(lg_regex *r, rx_node *const *items, uint32_t n)
{
    uint32_t f = 0, k = 0;
    rx_part *p = NULL;
    for (; k < n; k++) {
        rx_node *x = items[k];
        p = dissection(r, x);
        uint32_t own = x->kind == RX_REP && !messy(p->flags) ? x->prefer : 0;
        if (messy(up(f | own | p->flags) | (p->flags & (RX_CAP | RX_BACKREF | RX_MIXED))))
            break;
        f |= own | p->flags;
    }
    if (k == n)
        return part(r, P_UNIT, f, items, n, 0);
    if (k + 1 < n) {
        rx_part *rest = sequence(r, items + k + 1, n - k - 1);
        rx_part *both = part(r, P_CAT, combine(p->flags, rest->flags), items + k, n - k, 2);
        both->kids[0] = p;
        both->kids[1] = rest;
        p = both;
    }
    if (k == 0)
        return p;
    rx_part *all = part(r, P_CAT, combine(f, p->flags), items, n, 2);
    all->kids[0] = part(r, P_UNIT, f, items, k, 0);
    all->kids[1] = p;
    return all;
}

static rx_part *
dissection(lg_regex *r, rx_node *x)
{
    switch (x->kind) {
    case RX_CAT:
        return sequence(r, x->kids, x->n);
    case RX_ALT: {
        rx_part *p = part(r, P_ALT, RX_LONGER, single(r, x), 1, x->n);
        for (uint32_t i = 0; i < x->n; i++) {
            p->kids[i] = dissection(r, x->kids[i]);
            p->flags |= up(p->flags | p->kids[i]->flags);
        }
        if (!messy(p->flags))
            p->kind = P_UNIT;
        return p;
    }
    case RX_GROUP: {
        rx_part *kid = dissection(r, x->kids[0]);
        rx_part *p = part(r, P_GROUP, kid->flags | RX_CAP, single(r, x), 1, 1);
        p->kids[0] = kid;
        p->no = x->no;
        return p;
    }
    case RX_REP:
        return repeated(r, x);
    case RX_BACK: {
        rx_part *p = part(r, P_BACK, RX_BACKREF, single(r, x), 1, 0);
        p->no = x->no;
        p->min = p->max = 1;
        return p;
    }
    default:
        return part(r, P_UNIT, 0, single(r, x), 1, 0);
    }
}

const char *
lg_regex_compile(lg_arena *a, const uint32_t *pattern, int32_t len, uint32_t flags, lg_regex **ret)
{
    lg_regex *r = LG_NEW(a, lg_regex);
    if (flags & LG_RX_QUOTE && flags & (LG_RX_EXPANDED | LG_RX_NLSTOP | LG_RX_NLANCH))
        return "invalid argument to regex function";
    r->a = a;
    r->flags = flags;
    memset(r->ascii, 0xff, sizeof r->ascii);
    const char *error = lg_regex__parse(r, pattern, len);
    if (error)
        return error;
    r->looks = LG_NEWN(a, rx_auto *, r->nlooks + 1);
    r->root = dissection(r, r->tree);
    r->root->m = lg_regex__auto(r, r->root->seq, r->root->nseq);
    if (!r->root->m)
        return "regular expression is too complex";
    *ret = r;
    return NULL;
}

uint32_t
lg_regex_groups(const lg_regex *r)
{
    return r->ngroups;
}

/* --- dissecting --- */

static rx_auto *
automaton(rx_run *x, rx_part *p)
{
    if (!p->m && !(p->m = lg_regex__auto(x->r, p->seq, p->nseq)))
        x->failed = -2;
    return p->m;
}

static int32_t
longest(rx_run *x, rx_part *p, int32_t from, int32_t max)
{
    rx_auto *m = automaton(x, p);
    return m ? lg_regex__longest(x, m, from, max) : -1;
}

static int32_t
shortest(rx_run *x, rx_part *p, int32_t from, int32_t min, int32_t max)
{
    rx_auto *m = automaton(x, p);
    return m ? lg_regex__shortest(x, m, from, min, max) : -1;
}

static void
forget(rx_run *x, const rx_part *p)
{
    if (p->kind == P_GROUP)
        x->groups[p->no] = (lg_rx_span){-1, -1};
    for (uint32_t i = 0; i < p->n; i++)
        forget(x, p->kids[i]);
}

static bool dissect(rx_run *x, rx_part *p, int32_t from, int32_t to);

/* Where the left kid ends: its longest (or shortest) first. */
static bool
dissect_cat(rx_run *x, rx_part *p, int32_t from, int32_t to)
{
    rx_part *left = p->kids[0], *right = p->kids[1];
    bool shorter = left->flags & RX_SHORTER;
    int32_t mid = shorter ? shortest(x, left, from, from, to) : longest(x, left, from, to);
    while (mid >= 0 && lg_regex__tick(x)) {
        if (longest(x, right, mid, to) == to && dissect(x, left, from, mid) &&
            dissect(x, right, mid, to))
            return true;
        if (x->failed || mid == (shorter ? to : from))
            return false;
        mid = shorter ? shortest(x, left, from, mid + 1, to) : longest(x, left, from, mid - 1);
        forget(x, left);
        forget(x, right);
    }
    return false;
}

static bool
same_text(rx_run *x, int32_t a, int32_t b, int32_t n)
{
    const lg_regex *r = x->r;
    for (int32_t i = 0; i < n; i++) {
        uint32_t c = x->s[a + i], d = x->s[b + i];
        if (c == d)
            continue;
        if (!(r->flags & LG_RX_ICASE))
            return false;
        rx_range range = {c, c};
        rx_set one = {.n = 1, .ranges = &range};
        if (!lg_regex__set_has(r, &one, d))
            return false;
    }
    return true;
}

static bool
dissect_back(rx_run *x, const rx_part *p, int32_t from, int32_t to)
{
    lg_rx_span g = x->groups[p->no];
    if (g.from < 0)
        return false;
    int32_t len = g.to - g.from, all = to - from;
    if (len == 0)
        return all == 0;
    if (all == 0)
        return p->min == 0;
    if (all % len != 0 || all / len < p->min || (p->max != RX_INF && all / len > p->max))
        return false;
    for (int32_t at = from; at < to; at += len)
        if (!same_text(x, g.from, at, len))
            return false;
    return true;
}

/* The step back of an iteration: the last piece that can be made smaller. -1: there is none. */
static int32_t
iter_retreat(const int32_t *ends, int32_t k, int32_t min, int32_t to, bool shorter,
             int32_t *ret_limit)
{
    while (k > 0) {
        if (shorter) {
            if (ends[k] < to) {
                *ret_limit = ends[k] + 1;
                return k;
            }
        } else if (ends[k] > ends[k - 1]) {
            *ret_limit = ends[k] - 1;
            if (*ret_limit > ends[k - 1] || (k < min && min - k >= to - ends[k - 1]))
                return k;
        }
        k--;
    }
    return -1;
}

/* Pieces, each as long (or short) as may be; no empty piece unless that is needed for the minimum. The
 * captures are those of the last piece. */
static bool
dissect_iter(rx_run *x, rx_part *p, int32_t from, int32_t to)
{
    rx_part *kid = p->kids[0];
    bool shorter = kid->flags & RX_SHORTER;
    int32_t min = p->min, max = to - from;
    if (min <= 0) {
        if (from == to) { /* one empty piece if it may be, for its captures; else none */
            if (shorter || (longest(x, kid, from, to) == to && dissect(x, kid, from, to)))
                return true;
            forget(x, kid);
            return !x->failed;
        }
        min = 1;
    }
    if (p->max != RX_INF && max > p->max)
        max = p->max;
    if (max < min)
        max = min;
    int32_t *ends = lg_alloc(sizeof *ends * ((size_t)max + 1));
    int32_t k = 1, limit = shorter ? from : to;
    bool found = false;
    ends[0] = from;
    while (k > 0 && lg_regex__tick(x)) {
        bool retreat = true;
        if (shorter) { /* an empty piece only where the minimum asks for it; the last takes all */
            if (limit == ends[k - 1] && limit != to && (k >= min || min - k < to - limit))
                limit++;
            ends[k] = shortest(x, kid, ends[k - 1], k >= max ? to : limit, to);
        } else {
            ends[k] = longest(x, kid, ends[k - 1], limit);
        }
        if (ends[k] < 0) {
            k--;
        } else if (ends[k] != to) {
            if (k >= max) {
                k--;
            } else if (shorter || ends[k] > ends[k - 1] ||
                       (k < min && min - k >= to - ends[k])) { /* empty only where needed */
                k++;
                limit = shorter ? ends[k - 1] : to;
                retreat = false;
            }
        } else if (k >= min) {
            int32_t i = k;
            for (found = true; i > 0 && found; i--) {
                forget(x, kid);
                found = dissect(x, kid, ends[k - i], ends[k - i + 1]);
            }
            if (found || x->failed)
                break;
            k -= i; /* the piece that did not divide */
        }
        if (retreat)
            k = iter_retreat(ends, k, min, to, shorter, &limit);
    }
    lg_free(ends);
    return found && !x->failed;
}

/* The automaton of p matches [from, to]: captures. */
static bool
dissect(rx_run *x, rx_part *p, int32_t from, int32_t to)
{
    switch (p->kind) {
    case P_UNIT:
        return true;
    case P_CAT:
        return dissect_cat(x, p, from, to);
    case P_ALT:
        for (uint32_t i = 0; i < p->n; i++)
            if (longest(x, p->kids[i], from, to) == to && dissect(x, p->kids[i], from, to))
                return true;
        return false;
    case P_GROUP:
        if (!dissect(x, p->kids[0], from, to))
            return false;
        x->groups[p->no] = (lg_rx_span){from, to};
        return true;
    case P_ITER:
        return dissect_iter(x, p, from, to);
    case P_BACK:
        return dissect_back(x, p, from, to);
    }
    return false;
}

/* A match that begins at `from`, divided; false: there is none. */
static bool
match_at(rx_run *x, int32_t from, bool captures, int32_t *ret_to)
{
    rx_part *root = x->r->root;
    bool shorter = root->flags & RX_SHORTER;
    int32_t to = shorter ? shortest(x, root, from, from, x->n) : longest(x, root, from, x->n);
    while (to >= 0) {
        *ret_to = to;
        if (!captures)
            return true;
        forget(x, root);
        if (dissect(x, root, from, to))
            return true;
        if (x->failed || to == (shorter ? x->n : from))
            return false;
        to = shorter ? shortest(x, root, from, to + 1, x->n) : longest(x, root, from, to - 1);
    }
    return false;
}

static bool
only_at_start(const lg_regex *r)
{
    const rx_node *x = r->tree;
    while (x->kind == RX_CAT && x->n)
        x = x->kids[0];
    return x->kind == RX_ASSERT &&
           (x->assertion == RX_BOS || (x->assertion == RX_BOL && !(r->flags & LG_RX_NLANCH)));
}

static bool
match_between(rx_run *x, int32_t from, int32_t last, bool captures, lg_rx_span *ret)
{
    for (int32_t at = from; at <= last && !x->failed; at++)
        if (match_at(x, at, captures, &ret->to)) {
            ret->from = at;
            return true;
        }
    return false;
}

/* Where the automaton finds a match the back references may say no; then on behind its end. As
 * PostgreSQL, not at the very end of the text any more. */
static bool
match_with_backrefs(rx_run *x, int32_t from, lg_rx_span *ret)
{
    int32_t end = from;
    do {
        int32_t begin = end;
        end = lg_regex__first_end(x, x->r->root->m, begin);
        if (end < 0)
            return false;
        if (match_between(x, begin, end, true, ret))
            return true;
        end++;
    } while (end < x->n && !x->failed);
    return false;
}

int
lg_regex_exec(lg_regex *r, const uint32_t *s, int32_t n, int32_t from, lg_rx_span *spans,
              uint32_t nspans, bool (*check)(void *arg), void *arg)
{
    rx_run x = {.r = r, .s = s, .n = n, .check = check, .arg = arg};
    int32_t last = 0;
    bool at_start = only_at_start(r);
    if (at_start) {
        if (from > 0)
            return 0;
    } else if (!r->has_backrefs) {
        last = lg_regex__first_end(&x, r->root->m, from);
        if (last < 0)
            return x.failed;
        if (!nspans)
            return 1;
    }
    lg_rx_span all;
    x.groups = lg_alloc(sizeof *x.groups * (r->ngroups + 1));
    memset(x.groups, 0xff, sizeof *x.groups * (r->ngroups + 1)); /* those of (...){0} too */
    bool found = r->has_backrefs && !at_start
                     ? match_with_backrefs(&x, from, &all)
                     : match_between(&x, from, last, nspans > 1 || r->has_backrefs, &all);
    for (uint32_t i = 0; found && i < nspans; i++)
        spans[i] = i == 0 ? all : i <= r->ngroups ? x.groups[i] : (lg_rx_span){-1, -1};
    lg_free(x.groups);
    return x.failed ? x.failed : found;
}
