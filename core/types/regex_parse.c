/* Patterns to trees. Follows what PostgreSQL's regc_lex.c and regcomp.c accept, and their complaints. */
#include "regex_internal.h"
#include <ctype.h>
#include <string.h>
#include <unicode/uchar.h>

struct parser {
    lg_regex *r;
    const uint32_t *p, *end;
    const char *error;
    uint32_t depth;
    uint32_t total_groups;
    uint32_t open; /* parentheses; those of lookarounds too */
    bool bre, ere; /* ere: not advanced */
};

#define FAIL(text) (ps->error = ps->error ? ps->error : (text), (rx_node *)NULL)
#define E_PAREN    "parentheses () not balanced"
#define E_BRACK    "brackets [] not balanced"
#define E_BRACE    "braces {} not balanced"
#define E_BADBR    "invalid repetition count(s)"
#define E_BADRPT   "quantifier operand invalid"
#define E_RANGE    "invalid character range"
#define E_CTYPE    "invalid character class"
#define E_COLLATE  "invalid collating element"
#define E_ESCAPE   "invalid escape \\ sequence"
#define E_SUBREG   "invalid backreference number"
#define E_OPTION   "invalid embedded option"
#define E_TOOBIG   "regular expression is too complex"

/* --- characters and sets --- */

static const char *const class_names[] = {"alnum", "alpha", "ascii",  "blank", "cntrl",
                                          "digit", "graph", "lower",  "print", "punct",
                                          "space", "upper", "xdigit", "word"};

static bool
class_ascii(rx_class k, int c)
{
    switch (k) {
    case RX_C_ALNUM:
        return isalnum(c);
    case RX_C_ALPHA:
        return isalpha(c);
    case RX_C_ASCII:
        return true;
    case RX_C_BLANK:
        return c == ' ' || c == '\t';
    case RX_C_CNTRL:
        return iscntrl(c);
    case RX_C_DIGIT:
        return isdigit(c);
    case RX_C_GRAPH:
        return isgraph(c);
    case RX_C_LOWER:
        return islower(c);
    case RX_C_PRINT:
        return isprint(c);
    case RX_C_PUNCT:
        return ispunct(c);
    case RX_C_SPACE:
        return isspace(c);
    case RX_C_UPPER:
        return isupper(c);
    case RX_C_XDIGIT:
        return isxdigit(c);
    case RX_C_WORD:
        return isalnum(c) || c == '_';
    }
    return false;
}

static bool
class_has(const lg_regex *r, rx_class k, uint32_t ch)
{
    if (ch < 128)
        return class_ascii(k, (int)ch);
    if (!(r->flags & LG_RX_UNICODE))
        return false;
    UChar32 c = (UChar32)ch;
    switch (k) {
    case RX_C_ALNUM:
    case RX_C_WORD:
        return u_isalnum(c);
    case RX_C_ALPHA:
        return u_isalpha(c);
    case RX_C_DIGIT:
        return u_isdigit(c);
    case RX_C_GRAPH:
        return u_isgraph(c);
    case RX_C_LOWER:
        return u_islower(c);
    case RX_C_PRINT:
        return u_isprint(c);
    case RX_C_PUNCT:
        return u_ispunct(c);
    case RX_C_SPACE:
        return u_isspace(c);
    case RX_C_UPPER:
        return u_isupper(c);
    default: /* PostgreSQL's blank, cntrl, xdigit and ascii are ASCII's */
        return false;
    }
}

static uint32_t
other_case(const lg_regex *r, uint32_t ch, bool up)
{
    if (ch < 128)
        return (uint32_t)(up ? toupper((int)ch) : tolower((int)ch));
    if (!(r->flags & LG_RX_UNICODE))
        return ch;
    return (uint32_t)(up ? u_toupper((UChar32)ch) : u_tolower((UChar32)ch));
}

static bool
plain_has(const lg_regex *r, const rx_set *set, uint32_t ch)
{
    for (uint32_t i = 0; i < set->n; i++)
        if (ch >= set->ranges[i].lo && ch <= set->ranges[i].hi)
            return true;
    uint32_t classes = set->classes;
    if (r->flags & LG_RX_ICASE && classes & (1u << RX_C_LOWER | 1u << RX_C_UPPER))
        classes |= 1u << RX_C_ALPHA;
    for (uint32_t k = 0; classes >> k; k++)
        if (classes >> k & 1 && class_has(r, (rx_class)k, ch))
            return true;
    for (uint32_t k = 0; set->not_classes >> k; k++)
        if (set->not_classes >> k & 1 && !class_has(r, (rx_class)k, ch))
            return true;
    return false;
}

bool
lg_regex__set_has(const lg_regex *r, const rx_set *set, uint32_t ch)
{
    if (set->no_newline && ch == '\n')
        return false;
    bool in = plain_has(r, set, ch);
    if (!in && r->flags & LG_RX_ICASE) {
        uint32_t lo = other_case(r, ch, false), up = other_case(r, ch, true);
        in = (lo != ch && plain_has(r, set, lo)) || (up != ch && plain_has(r, set, up));
    }
    return in != set->negated;
}

bool
lg_regex__word(const lg_regex *r, uint32_t ch)
{
    return class_has(r, RX_C_WORD, ch);
}

static rx_node *
node(struct parser *ps, rx_kind kind)
{
    rx_node *x = LG_NEW(ps->r->a, rx_node);
    x->kind = kind;
    return x;
}

static void
add_kid(struct parser *ps, rx_node *x, rx_node *kid)
{
    if (x->n == x->cap) {
        uint32_t cap = x->cap ? x->cap * 2 : 4;
        rx_node **more = LG_NEWN(ps->r->a, rx_node *, cap);
        if (x->n)
            memcpy(more, x->kids, sizeof *more * x->n);
        x->kids = more;
        x->cap = cap;
    }
    x->kids[x->n++] = kid;
}

static void
add_range(struct parser *ps, rx_set *s, uint32_t lo, uint32_t hi)
{
    if (s->n == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 2;
        rx_range *more = LG_NEWN(ps->r->a, rx_range, cap);
        if (s->n)
            memcpy(more, s->ranges, sizeof *more * s->n);
        s->ranges = more;
        s->cap = cap;
    }
    s->ranges[s->n++] = (rx_range){lo, hi};
}

static bool
same_set(const rx_set *x, const rx_set *y)
{
    return x->n == y->n && x->classes == y->classes && x->not_classes == y->not_classes &&
           x->negated == y->negated && x->no_newline == y->no_newline &&
           (!x->n || memcmp(x->ranges, y->ranges, sizeof *x->ranges * x->n) == 0);
}

static rx_node *
set_node(struct parser *ps, const rx_set *s)
{
    lg_regex *r = ps->r;
    rx_node *x = node(ps, RX_SET);
    for (uint32_t i = 0; i < r->nsets; i++)
        if (same_set(&r->sets[i], s)) {
            x->set = i;
            return x;
        }
    if (r->nsets == r->sets_cap) {
        uint32_t cap = r->sets_cap ? r->sets_cap * 2 : 8;
        rx_set *more = LG_NEWN(r->a, rx_set, cap);
        if (r->nsets)
            memcpy(more, r->sets, sizeof *more * r->nsets);
        r->sets = more;
        r->sets_cap = cap;
    }
    x->set = r->nsets;
    r->sets[r->nsets++] = *s;
    return x;
}

static rx_node *
char_node(struct parser *ps, uint32_t ch)
{
    rx_set s = {0};
    add_range(ps, &s, ch, ch);
    return set_node(ps, &s);
}

static rx_node *
class_node(struct parser *ps, rx_class k, bool complement)
{
    rx_set s = {0};
    if (complement)
        s.not_classes = 1u << k;
    else
        s.classes = 1u << k;
    return set_node(ps, &s);
}

static rx_node *
assert_node(struct parser *ps, rx_assert k)
{
    rx_node *x = node(ps, RX_ASSERT);
    x->assertion = k;
    return x;
}

/* --- reading --- */

static bool
have(const struct parser *ps, size_t n)
{
    return (size_t)(ps->end - ps->p) >= n;
}

static bool
next_is(const struct parser *ps, const char *s)
{
    size_t n = strlen(s);
    if (!have(ps, n))
        return false;
    for (size_t i = 0; i < n; i++)
        if (ps->p[i] != (unsigned char)s[i])
            return false;
    return true;
}

static bool
is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

static bool
is_alpha(uint32_t c)
{
    return c < 128 && isalpha((int)c);
}

/* Blanks and comments of the expanded syntax, and (?#...) anywhere in an ARE. */
static void
skip(struct parser *ps)
{
    for (;;) {
        const uint32_t *start = ps->p;
        if (ps->r->flags & LG_RX_EXPANDED) {
            while (ps->p < ps->end && *ps->p < 128 && isspace((int)*ps->p))
                ps->p++;
            if (ps->p < ps->end && *ps->p == '#')
                while (ps->p < ps->end && *ps->p != '\n')
                    ps->p++;
        }
        if (!ps->ere && !ps->bre && next_is(ps, "(?#")) {
            while (ps->p < ps->end && *ps->p != ')')
                ps->p++;
            if (ps->p < ps->end)
                ps->p++;
        }
        if (ps->p == start)
            return;
    }
}

static bool
digits(struct parser *ps, uint32_t base, int least, int most, uint32_t *ret)
{
    uint64_t v = 0;
    int n = 0;
    for (; n < most && ps->p < ps->end; n++, ps->p++) {
        uint32_t c = *ps->p, d = is_digit(c)            ? c - '0'
                                 : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                 : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                        : 99;
        if (d >= base)
            break;
        v = v * base + d;
        if (v > 0x7ffffffe)
            v = 0x7fffffff;
    }
    *ret = (uint32_t)v;
    if (n < least || (base == 16 && v > 0x10ffff)) {
        ps->error = E_ESCAPE;
        return false;
    }
    return true;
}

/* An escape after its backslash that means one character; false: it means something else. */
static bool
escape_char(struct parser *ps, uint32_t *ret)
{
    uint32_t c = *ps->p++;
    switch (c) {
    case 'a':
        *ret = 7;
        return true;
    case 'b':
        *ret = 8;
        return true;
    case 'B':
        *ret = '\\';
        return true;
    case 'c':
        if (ps->p == ps->end) {
            ps->error = E_ESCAPE;
            return true;
        }
        *ret = *ps->p++ & 037;
        return true;
    case 'e':
        *ret = 27;
        return true;
    case 'f':
        *ret = 12;
        return true;
    case 'n':
        *ret = 10;
        return true;
    case 'r':
        *ret = 13;
        return true;
    case 't':
        *ret = 9;
        return true;
    case 'v':
        *ret = 11;
        return true;
    case 'u':
        (void)digits(ps, 16, 4, 4, ret);
        return true;
    case 'U':
        (void)digits(ps, 16, 8, 8, ret);
        return true;
    case 'x':
        (void)digits(ps, 16, 1, 255, ret);
        return true;
    case '0':
        ps->p--;
        (void)digits(ps, 8, 1, 3, ret);
        if (*ret > 0xff) {
            ps->p--;
            *ret >>= 3;
        }
        return true;
    default:
        if (!is_alpha(c) && !is_digit(c)) {
            *ret = c;
            return true;
        }
        ps->p--;
        return false;
    }
}

/* \d \s \w and their complements; -1: none of these. */
static int
class_escape(uint32_t c, bool *complement)
{
    *complement = c == 'D' || c == 'S' || c == 'W';
    return c == 'd' || c == 'D'   ? RX_C_DIGIT
           : c == 's' || c == 'S' ? RX_C_SPACE
           : c == 'w' || c == 'W' ? RX_C_WORD
                                  : -1;
}

static rx_node *
escape(struct parser *ps, bool in_look)
{
    if (ps->p == ps->end)
        return FAIL(E_ESCAPE);
    uint32_t c = *ps->p, ch = 0;
    if (ps->ere || ps->bre) {
        ps->p++;
        return char_node(ps, c);
    }
    bool complement;
    int k = class_escape(c, &complement);
    if (k >= 0) {
        ps->p++;
        return class_node(ps, (rx_class)k, complement);
    }
    switch (c) {
    case 'A':
    case 'm':
    case 'M':
    case 'y':
    case 'Y':
    case 'Z':
        ps->p++;
        return assert_node(ps, c == 'A'   ? RX_BOS
                               : c == 'm' ? RX_WORD_START
                               : c == 'M' ? RX_WORD_END
                               : c == 'y' ? RX_WORD_EDGE
                               : c == 'Y' ? RX_NOT_WORD_EDGE
                                          : RX_EOS);
    default:
        break;
    }
    if (c >= '1' && c <= '9') {
        const uint32_t *first = ps->p;
        (void)digits(ps, 10, 1, 255, &ch);
        if (ps->p == first + 1 || ch <= ps->r->ngroups) { /* one digit, or so many groups */
            if (in_look || ch > ps->r->ngroups || !ps->r->groups[ch])
                return FAIL(E_SUBREG);
            rx_node *x = node(ps, RX_BACK);
            x->no = ch;
            ps->r->has_backrefs = true;
            return x;
        }
        ps->p = first;
        (void)digits(ps, 8, 1, 3, &ch);
        if (ps->p == first)
            return FAIL(E_ESCAPE);
        if (ch > 0xff) {
            ps->p--;
            ch >>= 3;
        }
        return char_node(ps, ch);
    }
    if (!escape_char(ps, &ch))
        return FAIL(E_ESCAPE);
    return ps->error ? NULL : char_node(ps, ch);
}

/* --- bracket expressions --- */

/* The name inside [. .], [= =] or [: :], whose opening was read. */
static bool
named(struct parser *ps, uint32_t kind, const uint32_t **ret, size_t *ret_n)
{
    const uint32_t *s = ps->p;
    for (; ps->p + 1 < ps->end; ps->p++)
        if (ps->p[0] == kind && ps->p[1] == ']') {
            *ret = s;
            *ret_n = (size_t)(ps->p - s);
            ps->p += 2;
            return true;
        }
    ps->error = E_BRACK;
    return false;
}

static bool
same_word(const uint32_t *s, size_t n, const char *word)
{
    if (strlen(word) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] != (unsigned char)word[i])
            return false;
    return true;
}

static uint32_t
element(struct parser *ps, const uint32_t *s, size_t n)
{
    static const struct {
        const char *name;
        uint32_t ch;
    } names[] = {{"NUL", 0},
                 {"tab", 9},
                 {"newline", 10},
                 {"carriage-return", 13},
                 {"space", ' '},
                 {"exclamation-mark", '!'},
                 {"quotation-mark", '"'},
                 {"number-sign", '#'},
                 {"dollar-sign", '$'},
                 {"percent-sign", '%'},
                 {"ampersand", '&'},
                 {"apostrophe", '\''},
                 {"left-parenthesis", '('},
                 {"right-parenthesis", ')'},
                 {"asterisk", '*'},
                 {"plus-sign", '+'},
                 {"comma", ','},
                 {"hyphen", '-'},
                 {"hyphen-minus", '-'},
                 {"period", '.'},
                 {"full-stop", '.'},
                 {"slash", '/'},
                 {"colon", ':'},
                 {"semicolon", ';'},
                 {"equals-sign", '='},
                 {"question-mark", '?'},
                 {"left-square-bracket", '['},
                 {"backslash", '\\'},
                 {"right-square-bracket", ']'},
                 {"circumflex", '^'},
                 {"underscore", '_'},
                 {"tilde", '~'},
                 {"DEL", 127}};
    if (n == 1)
        return *s;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (same_word(s, n, names[i].name))
            return names[i].ch;
    ps->error = E_COLLATE;
    return 0;
}

/* One end of a range or a character by itself. ret_class: it was a class, now in the set. */
static uint32_t
bracket_item(struct parser *ps, rx_set *set, bool *ret_class)
{
    const uint32_t *s;
    size_t n;
    uint32_t ch = *ps->p++;
    *ret_class = false;
    if (ch == '[' && ps->p == ps->end) {
        ps->error = E_BRACK;
        return 0;
    }
    if (ch == '[' && (*ps->p == '.' || *ps->p == '=' || *ps->p == ':')) {
        uint32_t kind = *ps->p++;
        if (!named(ps, kind, &s, &n))
            return 0;
        if (kind == '.')
            return element(ps, s, n);
        *ret_class = true;
        if (kind == '=') {
            ch = element(ps, s, n);
            add_range(ps, set, ch, ch);
            return ch;
        }
        for (uint32_t k = 0; k < sizeof class_names / sizeof *class_names; k++)
            if (same_word(s, n, class_names[k])) {
                set->classes |= 1u << k;
                return 0;
            }
        ps->error = E_CTYPE;
        return 0;
    }
    if (ch == '\\' && !ps->ere && !ps->bre) {
        if (ps->p == ps->end) {
            ps->error = E_ESCAPE;
            return 0;
        }
        bool complement;
        int k = class_escape(*ps->p, &complement);
        if (k >= 0) {
            ps->p++;
            *(complement ? &set->not_classes : &set->classes) |= 1u << k;
            *ret_class = true;
            return 0;
        }
        if (is_digit(*ps->p) && *ps->p != '0') { /* never a back reference in here */
            const uint32_t *first = ps->p;
            (void)digits(ps, 8, 0, 3, &ch);
            if (ps->p == first || ps->p == first + 1)
                ps->error = E_ESCAPE;
            return ch;
        }
        if (!escape_char(ps, &ch))
            ps->error = E_ESCAPE;
    }
    return ch;
}

static rx_node *
bracket(struct parser *ps)
{
    rx_set set = {0};
    if (ps->p < ps->end && *ps->p == '^') {
        set.negated = true;
        set.no_newline = ps->r->flags & LG_RX_NLSTOP;
        ps->p++;
    }
    for (bool first = true;; first = false) {
        if (ps->p == ps->end)
            return FAIL(E_BRACK);
        if (*ps->p == ']' && !first)
            break;
        if (*ps->p == '-' && !first && !(have(ps, 2) && ps->p[1] == ']'))
            return FAIL(E_RANGE);
        bool class;
        uint32_t lo = bracket_item(ps, &set, &class), hi = lo;
        if (ps->error)
            return NULL;
        if (have(ps, 2) && *ps->p == '-' && ps->p[1] != ']') {
            bool class2;
            rx_set scratch = {0};
            ps->p++;
            if (class)
                return FAIL(E_RANGE);
            hi = bracket_item(ps, &scratch, &class2);
            if (ps->error)
                return NULL;
            if (class2 || lo > hi)
                return FAIL(E_RANGE);
        }
        if (!class)
            add_range(ps, &set, lo, hi);
    }
    ps->p++;
    return set_node(ps, &set);
}

/* --- quantifiers --- */

static bool
bound_number(struct parser *ps, int32_t *ret)
{
    int32_t n = 0;
    while (ps->p < ps->end && is_digit(*ps->p) && n <= RX_DUP_MAX)
        n = n * 10 + (int32_t)(*ps->p++ - '0');
    if (n > RX_DUP_MAX)
        ps->error = E_BADBR;
    *ret = n;
    return !ps->error;
}

/* {m}, {m,}, {m,n} after the brace. */
static bool
bounds(struct parser *ps, rx_node *x)
{
    if (!bound_number(ps, &x->min))
        return false;
    x->max = x->min;
    if (ps->p < ps->end && *ps->p == ',') {
        ps->p++;
        x->prefer = RX_LONGER;
        x->max = RX_INF;
        if (ps->p < ps->end && is_digit(*ps->p) && !bound_number(ps, &x->max))
            return false;
        if (x->max != RX_INF && x->min > x->max) {
            ps->error = E_BADBR;
            return false;
        }
    }
    if (ps->p == ps->end) {
        ps->error = E_BRACE;
        return false;
    }
    if (ps->bre && next_is(ps, "\\}")) {
        ps->p += 2;
        return true;
    }
    if (ps->bre || *ps->p != '}') {
        ps->error = E_BADBR;
        return false;
    }
    ps->p++;
    return true;
}

/* What follows an atom: NULL and no error: nothing. */
static rx_node *
quantifier(struct parser *ps)
{
    skip(ps);
    if (ps->p == ps->end)
        return NULL;
    uint32_t c = *ps->p;
    rx_node *x = node(ps, RX_REP);
    x->prefer = RX_LONGER;
    x->max = RX_INF;
    if (c == '*') {
        ps->p++;
    } else if (!ps->bre && (c == '+' || c == '?')) {
        ps->p++;
        x->min = c == '+';
        x->max = c == '+' ? RX_INF : 1;
    } else if (ps->bre ? next_is(ps, "\\{") : c == '{' && have(ps, 2) && is_digit(ps->p[1])) {
        ps->p += ps->bre ? 2 : 1;
        x->prefer = 0;
        if (!bounds(ps, x))
            return NULL;
    } else {
        return NULL;
    }
    if (!ps->bre && !ps->ere && ps->p < ps->end && *ps->p == '?') {
        ps->p++;
        if (x->prefer)
            x->prefer = RX_SHORTER;
    }
    return x;
}

/* --- the grammar --- */

static rx_node *alternatives(struct parser *ps, bool in_look);

static bool
closes(struct parser *ps)
{
    if (!ps->bre && *ps->p == ')')
        ps->p++;
    else if (ps->bre && next_is(ps, "\\)"))
        ps->p += 2;
    else
        return false;
    return true;
}

static rx_node *
group(struct parser *ps, bool capturing, bool in_look)
{
    lg_regex *r = ps->r;
    uint32_t no = 0;
    if (capturing && !in_look) {
        no = ++r->ngroups;
        if (no + 1 > r->groups_cap) {
            uint32_t cap = r->groups_cap ? r->groups_cap * 2 : 16;
            rx_node **more = LG_NEWN(r->a, rx_node *, cap);
            if (r->groups)
                memcpy(more, r->groups, sizeof *more * r->groups_cap);
            r->groups = more;
            r->groups_cap = cap;
        }
        r->groups[no] = NULL;
    }
    if (++ps->depth > RX_DEPTH_MAX)
        return FAIL(E_TOOBIG);
    ps->open++;
    rx_node *x = alternatives(ps, in_look);
    ps->open--;
    ps->depth--;
    if (!x)
        return NULL;
    if (ps->p == ps->end || !closes(ps))
        return FAIL(E_PAREN);
    if (!no)
        return x;
    r->groups[no] = x;
    rx_node *g = node(ps, RX_GROUP);
    g->no = no;
    add_kid(ps, g, x);
    return g;
}

static rx_node *
look(struct parser *ps, bool behind, bool negated)
{
    lg_regex *r = ps->r;
    rx_node *x = node(ps, RX_LOOK), *inside = group(ps, false, true);
    if (!inside)
        return NULL;
    x->behind = behind;
    x->negated = negated;
    add_kid(ps, x, inside);
    if (r->nlooks == r->looks_cap) {
        uint32_t cap = r->looks_cap ? r->looks_cap * 2 : 4;
        rx_node **more = LG_NEWN(r->a, rx_node *, cap);
        if (r->nlooks)
            memcpy(more, r->look_nodes, sizeof *more * r->nlooks);
        r->look_nodes = more;
        r->looks_cap = cap;
    }
    x->look = r->nlooks;
    r->look_nodes[r->nlooks++] = x;
    return x;
}

static rx_node *
paren(struct parser *ps, bool in_look)
{
    ps->p++;
    if (ps->ere || ps->bre || ps->p == ps->end || *ps->p != '?')
        return group(ps, true, in_look);
    static const struct {
        const char *text;
        bool behind, negated;
    } looks[] = {
        {"?=", false, false}, {"?!", false, true}, {"?<=", true, false}, {"?<!", true, true}};
    if (next_is(ps, "?:")) {
        ps->p += 2;
        return group(ps, false, in_look);
    }
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
        if (next_is(ps, looks[i].text)) {
            ps->p += strlen(looks[i].text);
            return look(ps, looks[i].behind, looks[i].negated);
        }
    return FAIL(E_BADRPT);
}

/* One atom; constraints take no quantifier. */
static rx_node *
atom(struct parser *ps, bool in_look, bool first)
{
    uint32_t c = *ps->p;
    rx_node *x;
    if (c == '[') {
        if (next_is(ps, "[[:<:]]") || next_is(ps, "[[:>:]]")) {
            x = assert_node(ps, ps->p[3] == '<' ? RX_WORD_START : RX_WORD_END);
            ps->p += 7;
            return x;
        }
        ps->p++;
        return bracket(ps);
    }
    if (c == '.') {
        rx_set any = {.negated = true, .no_newline = ps->r->flags & LG_RX_NLSTOP};
        ps->p++;
        return set_node(ps, &any);
    }
    if (ps->bre) {
        if (next_is(ps, "\\(")) {
            ps->p++;
            return paren(ps, in_look);
        }
        if (next_is(ps, "\\<") || next_is(ps, "\\>")) {
            x = assert_node(ps, ps->p[1] == '<' ? RX_WORD_START : RX_WORD_END);
            ps->p += 2;
            return x;
        }
        if (have(ps, 2) && c == '\\' && ps->p[1] >= '1' && ps->p[1] <= '9') {
            x = node(ps, RX_BACK);
            x->no = ps->p[1] - '0';
            ps->p += 2;
            ps->r->has_backrefs = true;
            bool known = !in_look && x->no <= ps->r->ngroups && ps->r->groups[x->no];
            return known ? x : FAIL(E_SUBREG);
        }
        if (c == '*' && !first)
            return FAIL(E_BADRPT);
        bool last = ps->p + 1 == ps->end || (have(ps, 3) && ps->p[1] == '\\' && ps->p[2] == ')');
        if ((c == '^' && first) || (c == '$' && last)) {
            ps->p++;
            return assert_node(ps, c == '^' ? RX_BOL : RX_EOL);
        }
    } else {
        if (c == '(')
            return paren(ps, in_look);
        if (c == '*' || c == '+' || c == '?' || (c == '{' && have(ps, 2) && is_digit(ps->p[1])))
            return FAIL(E_BADRPT);
        if (c == '^' || c == '$') {
            ps->p++;
            return assert_node(ps, c == '^' ? RX_BOL : RX_EOL);
        }
    }
    ps->p++;
    return c == '\\' ? escape(ps, in_look) : char_node(ps, c);
}

/* In an ERE a parenthesis that closes nothing is a character. */
static bool
ends_group(const struct parser *ps)
{
    return *ps->p == ')' && !(ps->ere && !ps->open);
}

static rx_node *
branch(struct parser *ps, bool in_look)
{
    rx_node *cat = node(ps, RX_CAT);
    for (;;) {
        skip(ps);
        if (ps->p == ps->end || (ps->bre ? next_is(ps, "\\)") : *ps->p == '|' || ends_group(ps)))
            return cat;
        const rx_node *before = cat->n ? cat->kids[cat->n - 1] : NULL;
        rx_node *x = atom(ps, in_look,
                          !before || (ps->bre && before->kind == RX_ASSERT &&
                                      before->assertion == RX_BOL && *ps->p == '*'));
        if (!x)
            return NULL;
        if (x->kind == RX_ASSERT || x->kind == RX_LOOK) {
            add_kid(ps, cat, x);
            continue;
        }
        rx_node *q = quantifier(ps);
        if (ps->error)
            return NULL;
        if (q && q->min == 0 && q->max == 0) {
            x = node(ps, RX_EMPTY);
        } else if (q && !(q->min == 1 && q->max == 1 && !q->prefer)) {
            add_kid(ps, q, x);
            x = q;
        }
        add_kid(ps, cat, x);
    }
}

static rx_node *
alternatives(struct parser *ps, bool in_look)
{
    rx_node *first = branch(ps, in_look), *alt;
    if (!first || ps->bre || ps->p == ps->end || *ps->p != '|')
        return first;
    alt = node(ps, RX_ALT);
    add_kid(ps, alt, first);
    while (ps->p < ps->end && *ps->p == '|') {
        ps->p++;
        rx_node *b = branch(ps, in_look);
        if (!b)
            return NULL;
        add_kid(ps, alt, b);
    }
    return alt;
}

/* --- prefixes and options --- */

bool
lg_regex_option(uint32_t ch, uint32_t *flags)
{
    const uint32_t lines = LG_RX_NLSTOP | LG_RX_NLANCH;
    const uint32_t syntax = LG_RX_BRE | LG_RX_ERE | LG_RX_QUOTE;
    switch (ch) {
    case 'b':
        *flags = (*flags & ~syntax) | LG_RX_BRE;
        break;
    case 'c':
        *flags &= ~(uint32_t)LG_RX_ICASE;
        break;
    case 'e':
        *flags = (*flags & ~syntax) | LG_RX_ERE;
        break;
    case 'i':
        *flags |= LG_RX_ICASE;
        break;
    case 'm':
    case 'n':
        *flags |= lines;
        break;
    case 'p':
        *flags = (*flags & ~lines) | LG_RX_NLSTOP;
        break;
    case 'q':
        *flags = (*flags & ~syntax) | LG_RX_QUOTE;
        break;
    case 's':
        *flags &= ~lines;
        break;
    case 't':
        *flags &= ~(uint32_t)LG_RX_EXPANDED;
        break;
    case 'w':
        *flags = (*flags & ~lines) | LG_RX_NLANCH;
        break;
    case 'x':
        *flags |= LG_RX_EXPANDED;
        break;
    default:
        return false;
    }
    return true;
}

static bool
embedded_options(struct parser *ps)
{
    ps->p += 2;
    for (; ps->p < ps->end && is_alpha(*ps->p); ps->p++)
        if (!lg_regex_option(*ps->p, &ps->r->flags)) {
            ps->error = E_OPTION;
            return false;
        }
    if (ps->p == ps->end || *ps->p != ')') {
        ps->error = E_OPTION;
        return false;
    }
    ps->p++;
    if (ps->r->flags & LG_RX_QUOTE)
        ps->r->flags &= ~(uint32_t)(LG_RX_EXPANDED | LG_RX_NLSTOP | LG_RX_NLANCH);
    return true;
}

const char *
lg_regex__parse(lg_regex *r, const uint32_t *p, int32_t n)
{
    struct parser parser = {.r = r, .p = p, .end = p + n}, *ps = &parser;
    if (!(r->flags & LG_RX_QUOTE)) {
        if (have(ps, 4) && next_is(ps, "***")) {
            r->flags &= ~(uint32_t)(LG_RX_ERE | LG_RX_BRE);
            if (next_is(ps, "***="))
                r->flags = (r->flags | LG_RX_QUOTE) &
                           ~(uint32_t)(LG_RX_EXPANDED | LG_RX_NLSTOP | LG_RX_NLANCH);
            else if (!next_is(ps, "***:"))
                return E_BADRPT;
            ps->p += 4;
        }
        if (!(r->flags & (LG_RX_QUOTE | LG_RX_ERE | LG_RX_BRE)) && have(ps, 3) &&
            next_is(ps, "(?") && is_alpha(ps->p[2]) && !embedded_options(ps))
            return ps->error;
    }
    ps->bre = r->flags & LG_RX_BRE;
    ps->ere = r->flags & LG_RX_ERE;
    r->groups_cap = 16;
    r->groups = LG_NEWN(r->a, rx_node *, 16);
    if (r->flags & LG_RX_QUOTE) {
        r->tree = node(ps, RX_CAT);
        for (; ps->p < ps->end; ps->p++)
            add_kid(ps, r->tree, char_node(ps, *ps->p));
        return NULL;
    }
    r->tree = alternatives(ps, false);
    if (r->tree && ps->p < ps->end)
        return E_PAREN;
    return r->tree ? NULL : ps->error;
}
