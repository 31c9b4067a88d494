/* regexp_*, ~, substring from pattern: the SQL functions over regex.h.
 *
 * A compiled pattern is kept on the call site while pattern and flags stay the same. Texts are turned into code points;
 * positions are counted in those. */
#include "interrupt.h"
#include "array.h"
#include "collate.h"
#include "regex.h"
#include "text.h"
#include <ctype.h>

struct regex {
    lg_regex *re;
    char *pattern;
    size_t len;
    uint32_t flags;
};

/* A text as code points, and where each of them begins in its bytes. */
struct subject {
    const char *s;
    const uint32_t *chars;
    const uint32_t *at; /* n + 1 of them; NULL: a byte each */
    int32_t n;
};

#define ASK_EACH ((size_t)1 << 20) /* bytes between two questions whether to go on */

/* Without room it is empty, and the call has failed. */
static void
subject_of(lg_call *c, const char *s, size_t len, bool with_offsets, struct subject *ret)
{
    if (!lg_mem_room((len + 1) * sizeof(uint32_t) * (with_offsets ? 2 : 1))) {
        (void)lg_call_error(c, "53200", "out of memory");
        len = 0;
    }
    uint32_t *chars = lg_arena_alloc(c->arena, (len + 1) * sizeof *chars), *at = NULL;
    size_t pos = 0;
    int32_t n = 0;
    bool ascii = true;
    for (size_t i = 0; i < len && ascii; i++)
        ascii = !(s[i] & 0x80);
    if (ascii) {
        for (size_t i = 0; i < len; i++) {
            chars[i] = (uint8_t)s[i];
            if (i % ASK_EACH == ASK_EACH - 1)
                (void)lg_poll();
        }
        *ret = (struct subject){s, chars, NULL, (int32_t)len};
        return;
    }
    if (with_offsets)
        at = lg_arena_alloc(c->arena, (len + 1) * sizeof *at);
    while (pos < len) {
        size_t k;
        if (at)
            at[n] = (uint32_t)pos;
        if ((size_t)n % ASK_EACH == ASK_EACH - 1)
            (void)lg_poll();
        chars[n++] = lg_utf8_decode(s + pos, len - pos, &k);
        pos += k;
    }
    if (at)
        at[n] = (uint32_t)len;
    *ret = (struct subject){s, chars, at, n};
}

static size_t
offset(const struct subject *x, int32_t i)
{
    return x->at ? x->at[i] : (size_t)i;
}

static lg_datum
piece(lg_call *c, const struct subject *x, int32_t from, int32_t to)
{
    size_t a = offset(x, from), b = offset(x, to);
    return lg_datum_text(c->arena, x->s + a, b - a);
}

/* Flags of regexp_*(..., flags); g is the caller's. */
static bool
parse_flags(lg_call *c, const char *f, size_t n, uint32_t *flags, bool *global)
{
    for (size_t i = 0; i < n; i++) {
        if (f[i] == 'g') {
            *global = true;
            continue;
        }
        /* e as PostgreSQL does it: it takes away the very flag that it means to set */
        if (lg_regex_option(f[i] == 'e' ? 'b' : (uint8_t)f[i], flags))
            continue;
        int len = (int)lg_utf8_len((uint8_t)f[i]);
        lg_call_error(c, "22023", "invalid regular expression option: \"%.*s\"", len, f + i);
        return false;
    }
    return true;
}

static lg_regex *
compile(lg_call *c, lg_datum pattern, uint32_t flags)
{
    const char *p = lg_text_data(pattern);
    size_t len = lg_text_len(pattern);
    struct regex *r = c->cache;
    if (!lg_collation_is_c(c->collation))
        flags |= LG_RX_UNICODE;
    if (r && r->len == len && r->flags == flags && memcmp(r->pattern, p, len) == 0)
        return r->re;
    r = LG_NEW(c->perm, struct regex);
    r->pattern = lg_arena_strndup(c->perm, p, len);
    r->len = len;
    r->flags = flags;
    struct subject x;
    subject_of(c, p, len, false, &x);
    const char *error = lg_regex_compile(c->perm, x.chars, x.n, flags, &r->re);
    if (error) {
        lg_call_error(c, "2201B", "invalid regular expression: %s", error);
        return NULL;
    }
    c->cache = r;
    return r->re;
}

struct stop {
    lg_call *c;
    lg_status st;
};

static bool
stopped(void *arg)
{
    struct stop *s = arg;
    const lg_env *env = s->c->env;
    s->st = env && env->check_cancel ? env->check_cancel(env->check_arg) : LG_OK;
    if (s->st == LG_OK && lg_poll())
        s->st = LG_CANCELED;
    return s->st != LG_OK;
}

/* 1 and the spans, 0 none, <0 error reported. */
static int
match(lg_call *c, lg_regex *r, const struct subject *x, int32_t from, lg_rx_span *spans, uint32_t n)
{
    struct stop stop = {.c = c};
    int k = lg_regex_exec(r, x->chars, x->n, from, spans, n, stopped, &stop);
    if (k == -1)
        c->st = stop.st;
    else if (k < 0)
        lg_call_error(c, "2201B", "regular expression failed: regular expression is too complex");
    return k;
}

static bool
matches(lg_call *c, lg_datum s, lg_datum pattern, uint32_t flags)
{
    lg_regex *r = compile(c, pattern, flags);
    if (!r)
        return false;
    struct subject x;
    subject_of(c, lg_text_data(s), lg_text_len(s), false, &x);
    return match(c, r, &x, 0, NULL, 0) > 0;
}

#define REGEX(yes, no, flags)                                                                      \
    LG_FN(yes)                                                                                     \
    {                                                                                              \
        return matches(c, ARG(0), ARG(1), flags);                                                  \
    }                                                                                              \
    LG_FN(no)                                                                                      \
    {                                                                                              \
        return !matches(c, ARG(0), ARG(1), flags);                                                 \
    }

REGEX(textregexeq, textregexne, 0)
REGEX(nameregexeq, nameregexne, 0)
REGEX(texticregexeq, texticregexne, LG_RX_ICASE)
REGEX(nameicregexeq, nameicregexne, LG_RX_ICASE)

/* substring(s from pattern): the first group if there is one, else the whole match. */
static lg_datum
regex_substring(lg_call *c, lg_datum s, lg_datum pattern)
{
    lg_regex *r = compile(c, pattern, 0);
    if (!r)
        return 0;
    struct subject x;
    lg_rx_span v[2];
    subject_of(c, lg_text_data(s), lg_text_len(s), true, &x);
    uint32_t k = lg_regex_groups(r) > 0;
    if (match(c, r, &x, 0, v, k + 1) <= 0 || v[k].from < 0)
        RET_NULL();
    return piece(c, &x, v[k].from, v[k].to);
}

LG_FN(textregexsubstr)
{
    return regex_substring(c, ARG(0), ARG(1));
}
LG_FN(oid_2074) /* substring(s similar p escape e) */
{
    if (!lg_text__escape_ok(c, ARG(2)))
        return 0;
    lg_datum p = lg_text__similar(c, ARG(1), ARG_STR(2), ARG_LEN(2));
    return c->st ? 0 : regex_substring(c, ARG(0), p);
}

/* \1 ... \9 groups, \& the match, \\ a backslash. */
static void
append_replacement(lg_abuf *b, const struct subject *x, const lg_rx_span *v, const char *with,
                   size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (with[i] != '\\') {
            lg_abuf_putc(b, with[i]);
            continue;
        }
        char ch = i + 1 < n ? with[i + 1] : 0;
        uint32_t g = ch == '&' ? 0 : ch >= '1' && ch <= '9' ? (uint32_t)(ch - '0') : UINT32_MAX;
        if (g == UINT32_MAX) {
            lg_abuf_putc(b, '\\');
            i += ch == '\\';
            continue;
        }
        i++;
        if (v[g].from >= 0)
            lg_abuf_add(b, x->s + offset(x, v[g].from), offset(x, v[g].to) - offset(x, v[g].from));
    }
}

/* The next place to search after a match; an empty match moves on by a character. */
static int32_t
next_start(const lg_rx_span *v)
{
    return v->to + (v->to == v->from);
}

/* Replaces the nth match, or all (nth 0), from character `from` on. */
static lg_datum
replace(lg_call *c, lg_datum text, lg_datum pattern, lg_datum with, uint32_t flags, int32_t from,
        int64_t nth)
{
    lg_regex *r = compile(c, pattern, flags);
    if (!r)
        return 0;
    struct subject x;
    subject_of(c, lg_text_data(text), lg_text_len(text), true, &x);
    int32_t copied = 0;
    lg_rx_span v[10];
    lg_abuf b;
    lg_abuf_for(&b, c);
    for (int64_t k = 1; from <= x.n; k++) {
        int n = match(c, r, &x, from, v, 10);
        if (n < 0)
            return 0;
        if (n == 0)
            break;
        if (nth == 0 || k == nth) {
            lg_abuf_add(&b, x.s + offset(&x, copied), offset(&x, v->from) - offset(&x, copied));
            append_replacement(&b, &x, v, lg_text_data(with), lg_text_len(with));
            copied = v->to;
        }
        if (k == nth)
            break;
        from = next_start(v);
    }
    lg_abuf_add(&b, x.s + offset(&x, copied), offset(&x, x.n) - offset(&x, copied));
    return lg_abuf_text(&b);
}

LG_FN(textregexreplace_noopt)
{
    return replace(c, ARG(0), ARG(1), ARG(2), 0, 0, 1);
}

LG_FN(textregexreplace)
{
    uint32_t o = 0;
    bool global = false;
    if (ARG_LEN(3) && isdigit((unsigned char)*ARG_STR(3))) {
        lg_call_error(c, "22023", "invalid regular expression option: \"%.*s\"", 1, ARG_STR(3));
        lg_error_hint(c->err, "If you meant to use regexp_replace() with a start parameter, cast "
                              "the fourth argument to integer explicitly.");
        return 0;
    }
    if (!parse_flags(c, ARG_STR(3), ARG_LEN(3), &o, &global))
        return 0;
    return replace(c, ARG(0), ARG(1), ARG(2), o, 0, global ? 0 : 1);
}

/* start, N, flags of the regexp_ functions of PostgreSQL 15. */
static bool
start_arg(lg_call *c, uint32_t i, int32_t *from)
{
    int32_t start = i < c->nargs ? ARG_INT4(i) : 1;
    if (start <= 0) {
        lg_call_error(c, "22023", "invalid value for parameter \"%s\": %d", "start", start);
        return false;
    }
    *from = start - 1;
    return true;
}

static lg_datum
replace_extended(lg_call *c)
{
    int32_t from;
    uint32_t o = 0;
    bool global = false;
    int32_t nth = c->nargs > 4 ? ARG_INT4(4) : 1;
    if (!start_arg(c, 3, &from))
        return 0;
    if (nth < 0)
        return lg_call_error(c, "22023", "invalid value for parameter \"%s\": %d", "n", nth);
    if (c->nargs > 5 && !parse_flags(c, ARG_STR(5), ARG_LEN(5), &o, &global))
        return 0;
    if (c->nargs <= 4)
        nth = global ? 0 : 1;
    return replace(c, ARG(0), ARG(1), ARG(2), o, from, nth);
}

LG_FN(textregexreplace_extended)
{
    return replace_extended(c);
}
LG_FN(textregexreplace_extended_no_n)
{
    return replace_extended(c);
}
LG_FN(textregexreplace_extended_no_flags)
{
    return replace_extended(c);
}

static lg_datum
flags_at(lg_call *c, uint32_t i, uint32_t *o, bool *global, bool allow_global, const char *fn)
{
    if (c->nargs > i && !parse_flags(c, ARG_STR(i), ARG_LEN(i), o, global))
        return 0;
    if (*global && !allow_global)
        return lg_call_error(c, "22023", "%s() does not support the \"global\" option", fn);
    return 1;
}

LG_FN(regexp_count)
{
    int32_t from, k = 0;
    uint32_t o = 0;
    bool global = false;
    if (!start_arg(c, 2, &from) || !flags_at(c, 3, &o, &global, false, "regexp_count"))
        return 0;
    lg_regex *r = compile(c, ARG(1), o);
    if (!r)
        return 0;
    struct subject x;
    lg_rx_span v;
    subject_of(c, ARG_STR(0), ARG_LEN(0), false, &x);
    for (; from <= x.n && match(c, r, &x, from, &v, 1) > 0; from = next_start(&v))
        k++;
    return lg_datum_int4(k);
}
LG_FN(regexp_count_no_start)
{
    return lg_fn_regexp_count(c);
}
LG_FN(regexp_count_no_flags)
{
    return lg_fn_regexp_count(c);
}

LG_FN(regexp_like)
{
    uint32_t o = 0;
    bool global = false;
    if (!flags_at(c, 2, &o, &global, false, "regexp_like"))
        return 0;
    return matches(c, ARG(0), ARG(1), o);
}
LG_FN(regexp_like_no_flags)
{
    return matches(c, ARG(0), ARG(1), 0);
}

/* The bounds of group `sub` of match n from the start position on. 0: there is no such; <0: error.
 */
static int
nth_match(lg_call *c, uint32_t flags_arg, int32_t n, int32_t sub, const char *fn,
          struct subject *ret_subject, lg_rx_span *ret)
{
    int32_t from;
    uint32_t o = 0;
    bool global = false;
    if (!start_arg(c, 2, &from))
        return -1;
    if (n <= 0) {
        lg_call_error(c, "22023", "invalid value for parameter \"%s\": %d", "n", n);
        return -1;
    }
    if (sub < 0) {
        lg_call_error(c, "22023", "invalid value for parameter \"%s\": %d", "subexpr", sub);
        return -1;
    }
    if (!flags_at(c, flags_arg, &o, &global, false, fn))
        return -1;
    lg_regex *r = compile(c, ARG(1), o);
    if (!r)
        return -1;
    uint32_t groups = lg_regex_groups(r);
    if (sub == 1 && groups == 0)
        sub = 0; /* without groups the whole match is the first */
    lg_rx_span *v = LG_NEWN(c->arena, lg_rx_span, groups + 1);
    subject_of(c, ARG_STR(0), ARG_LEN(0), true, ret_subject);
    for (; from <= ret_subject->n; n--) {
        int found =
            match(c, r, ret_subject, from, v, (uint32_t)sub <= groups ? (uint32_t)sub + 1 : 1);
        if (found <= 0)
            return found;
        if (n == 1) {
            if ((uint32_t)sub > groups || v[sub].from < 0)
                return 0;
            *ret = v[sub];
            return 1;
        }
        from = next_start(v);
    }
    return 0;
}

LG_FN(regexp_instr)
{
    struct subject x;
    lg_rx_span v;
    int32_t end = c->nargs > 4 ? ARG_INT4(4) : 0, n = c->nargs > 3 ? ARG_INT4(3) : 1;
    if (n > 0 && end != 0 && end != 1 && (c->nargs < 3 || ARG_INT4(2) > 0))
        return lg_call_error(c, "22023", "invalid value for parameter \"%s\": %d", "endoption",
                             end);
    if (nth_match(c, 5, n, c->nargs > 6 ? ARG_INT4(6) : 0, "regexp_instr", &x, &v) <= 0)
        return lg_datum_int4(0);
    return lg_datum_int4((end ? v.to : v.from) + 1);
}
LG_FN(regexp_instr_no_start)
{
    return lg_fn_regexp_instr(c);
}
LG_FN(regexp_instr_no_n)
{
    return lg_fn_regexp_instr(c);
}
LG_FN(regexp_instr_no_endoption)
{
    return lg_fn_regexp_instr(c);
}
LG_FN(regexp_instr_no_flags)
{
    return lg_fn_regexp_instr(c);
}
LG_FN(regexp_instr_no_subexpr)
{
    return lg_fn_regexp_instr(c);
}

LG_FN(regexp_substr)
{
    struct subject x;
    lg_rx_span v;
    int32_t n = c->nargs > 3 ? ARG_INT4(3) : 1, sub = c->nargs > 5 ? ARG_INT4(5) : 0;
    if (nth_match(c, 4, n, sub, "regexp_substr", &x, &v) <= 0)
        RET_NULL();
    return piece(c, &x, v.from, v.to);
}
LG_FN(regexp_substr_no_start)
{
    return lg_fn_regexp_substr(c);
}
LG_FN(regexp_substr_no_n)
{
    return lg_fn_regexp_substr(c);
}
LG_FN(regexp_substr_no_flags)
{
    return lg_fn_regexp_substr(c);
}
LG_FN(regexp_substr_no_subexpr)
{
    return lg_fn_regexp_substr(c);
}

/* --- matches as rows --- */

struct rows {
    lg_regex *r;
    struct subject x;
    lg_rx_span *v;
    uint32_t groups;
    int32_t from, last, end; /* last: the end of the piece given; end: of the match before */
    bool global, done;
};

static lg_datum
groups_array(lg_call *c, const struct rows *x)
{
    uint32_t first = x->groups > 0, n = x->groups + 1 - first;
    lg_datum *d = lg_arena_alloc(c->arena, sizeof *d * n);
    uint8_t *nulls = lg_arena_alloc(c->arena, n);
    for (uint32_t i = 0; i < n; i++) {
        const lg_rx_span *v = &x->v[i + first];
        nulls[i] = v->from < 0;
        d[i] = nulls[i] ? 0 : piece(c, &x->x, v->from, v->to);
    }
    return lg_array_make(c->arena, LG_T_TEXT, n, d, nulls);
}

static lg_status
rows_open_for(lg_call *c, const char *no_global, void **ret_state)
{
    struct rows *x = LG_NEW(c->arena, struct rows);
    uint32_t o = 0;
    if (c->nargs > 2 && !parse_flags(c, ARG_STR(2), ARG_LEN(2), &o, &x->global))
        return c->st;
    if (x->global && no_global) {
        lg_call_error(c, "22023", "%s does not support the \"global\" option", no_global);
        if (strcmp(no_global, "regexp_match()") == 0)
            lg_error_hint(c->err, "Use the regexp_matches function instead.");
        return c->st;
    }
    x->r = compile(c, ARG(1), o);
    if (!x->r)
        return c->st;
    x->groups = lg_regex_groups(x->r);
    x->v = LG_NEWN(c->arena, lg_rx_span, x->groups + 1);
    subject_of(c, ARG_STR(0), ARG_LEN(0), true, &x->x);
    *ret_state = x;
    return c->st;
}

static lg_status
rows_open(lg_call *c, void **ret_state)
{
    c->cache = NULL; /* several may be open with one call site */
    return rows_open_for(c, NULL, ret_state);
}

static lg_status
split_open(lg_call *c, void **ret_state)
{
    c->cache = NULL;
    return rows_open_for(c, "regexp_split_to_table()", ret_state);
}

static lg_status
matches_next(lg_call *c, void *state, lg_datum *ret, uint8_t *ret_null)
{
    struct rows *x = state;
    if (x->done || x->from > x->x.n)
        return LG_END;
    int n = match(c, x->r, &x->x, x->from, x->v, x->groups + 1);
    if (n <= 0) {
        x->done = true;
        return n ? c->st : LG_END;
    }
    *ret = groups_array(c, x);
    *ret_null = 0;
    x->from = next_start(x->v);
    x->done = !x->global;
    return LG_OK;
}

LG_SRF(regexp_matches, rows_open, matches_next);
LG_SRF(regexp_matches_no_flags, rows_open, matches_next);

/* Pieces between matches; an empty match at an end of the text or right after another does not split. */
static bool
split_next(lg_call *c, struct rows *x, lg_datum *ret)
{
    if (x->done)
        return false;
    while (x->from <= x->x.n) {
        if (match(c, x->r, &x->x, x->from, x->v, 1) <= 0)
            break;
        bool counts = x->v->from < x->x.n && x->v->to > x->end;
        x->end = x->v->to;
        x->from = next_start(x->v);
        if (!counts)
            continue;
        *ret = piece(c, &x->x, x->last, x->v->from);
        x->last = x->v->to;
        return true;
    }
    *ret = piece(c, &x->x, x->last, x->x.n);
    x->done = true;
    return c->st == LG_OK;
}

static lg_status
split_rows_next(lg_call *c, void *state, lg_datum *ret, uint8_t *ret_null)
{
    *ret_null = 0;
    return split_next(c, state, ret) ? LG_OK : c->st ? c->st : LG_END;
}

LG_SRF(regexp_split_to_table, split_open, split_rows_next);
LG_SRF(regexp_split_to_table_no_flags, split_open, split_rows_next);

static lg_datum
split_array(lg_call *c)
{
    void *state;
    if (rows_open_for(c, "regexp_split_to_array()", &state))
        return 0;
    uint32_t n = 0, cap = 16;
    lg_datum *d = lg_arena_alloc(c->arena, sizeof *d * cap);
    lg_datum x;
    while (split_next(c, state, &x)) {
        if (n == cap) {
            lg_datum *more = lg_arena_alloc(c->arena, sizeof *d * cap * 2);
            memcpy(more, d, sizeof *d * cap);
            d = more;
            cap *= 2;
        }
        d[n++] = x;
        if (n % 1024 == 0 && lg_poll())
            c->st = LG_CANCELED;
        if (c->st)
            return 0;
    }
    return c->st ? 0 : lg_array_make(c->arena, LG_T_TEXT, n, d, NULL);
}

LG_FN(regexp_split_to_array)
{
    return split_array(c);
}
LG_FN(regexp_split_to_array_no_flags)
{
    return split_array(c);
}

LG_FN(regexp_match)
{
    void *state;
    lg_datum d;
    uint8_t null;
    if (rows_open_for(c, "regexp_match()", &state))
        return 0;
    if (matches_next(c, state, &d, &null) != LG_OK)
        RET_NULL();
    return d;
}
LG_FN(regexp_match_no_flags)
{
    return lg_fn_regexp_match(c);
}
