/* to_char of numbers and to_number: templates of 9, 0, comma, point, signs, RN, TH, V, EEEE. The
 * walk over the template follows PostgreSQL's NUM_processor step by step, since its many special
 * cases are the specification. */
#include "numeric.h"
#include "text.h"
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum key {
    N_TEXT,
    N_9,
    N_0,
    N_DEC,
    N_D,
    N_COMMA,
    N_G,
    N_B,
    N_L,
    N_S,
    N_MI,
    N_PL,
    N_SG,
    N_PR,
    N_RN,
    N_TH,
    N_V,
    N_EEEE,
    N_FM
};

static const struct {
    const char *name;
    enum key key;
} keys[] = {{"EEEE", N_EEEE}, {"FM", N_FM}, {"MI", N_MI},   {"PL", N_PL}, {"PR", N_PR},
            {"RN", N_RN},     {"SG", N_SG}, {"SP", N_TEXT}, {"TH", N_TH}, {"9", N_9},
            {"0", N_0},       {".", N_DEC}, {",", N_COMMA}, {"B", N_B},   {"D", N_D},
            {"G", N_G},       {"L", N_L},   {"S", N_S},     {"V", N_V}};

struct node {
    enum key key;
    bool lower;
    const char *text;
    size_t len;
};

enum lsign { LSIGN_NONE, LSIGN_PRE, LSIGN_POST };

struct desc {
    struct node *node;
    uint32_t n;
    int pre, post, multi, zero_start, zero_end, pre_lsign;
    enum lsign lsign;
    bool decimal, zero, blank, fill, is_lsign, bracket, minus, plus, roman, use_multi, eeee;
};

static bool
bad_format(lg_call *c, const char *msg)
{
    lg_call_error(c, "42601", "%s", msg);
    return false;
}

/* What one keyword says about the whole. */
static bool
note(lg_call *c, struct desc *d, enum key k)
{
    if (d->eeee && k != N_EEEE)
        return bad_format(c, "\"EEEE\" must be the last pattern used");
    switch (k) {
    case N_9:
        if (d->bracket)
            return bad_format(c, "\"9\" must be ahead of \"PR\"");
        if (d->use_multi)
            d->multi++;
        else if (d->decimal)
            d->post++;
        else
            d->pre++;
        break;
    case N_0:
        if (d->bracket)
            return bad_format(c, "\"0\" must be ahead of \"PR\"");
        if (!d->zero && !d->decimal) {
            d->zero = true;
            d->zero_start = d->pre + 1;
        }
        if (d->decimal)
            d->post++;
        else
            d->pre++;
        d->zero_end = d->pre + d->post;
        break;
    case N_B:
        if (d->pre == 0 && d->post == 0 && !d->zero)
            d->blank = true;
        break;
    case N_D:
    case N_DEC:
        if (d->decimal)
            return bad_format(c, "multiple decimal points");
        if (d->use_multi)
            return bad_format(c, "cannot use \"V\" and decimal point together");
        d->decimal = true;
        break;
    case N_FM:
        d->fill = true;
        break;
    case N_S:
        if (d->is_lsign)
            return bad_format(c, "cannot use \"S\" twice");
        if (d->plus || d->minus || d->bracket)
            return bad_format(c, "cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together");
        d->lsign = d->decimal ? LSIGN_POST : LSIGN_PRE;
        d->pre_lsign = d->pre;
        d->is_lsign = true;
        break;
    case N_MI:
    case N_PL:
    case N_SG:
        if (d->is_lsign)
            return bad_format(c, k == N_MI   ? "cannot use \"S\" and \"MI\" together"
                                 : k == N_PL ? "cannot use \"S\" and \"PL\" together"
                                             : "cannot use \"S\" and \"SG\" together");
        d->minus |= k != N_PL;
        d->plus |= k != N_MI;
        break;
    case N_PR:
        if (d->is_lsign || d->plus || d->minus)
            return bad_format(c, "cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together");
        d->bracket = true;
        break;
    case N_RN:
        d->roman = true;
        break;
    case N_V:
        if (d->decimal)
            return bad_format(c, "cannot use \"V\" and decimal point together");
        d->use_multi = true;
        break;
    case N_EEEE:
        if (d->eeee)
            return bad_format(c, "cannot use \"EEEE\" twice");
        if (d->blank || d->fill || d->is_lsign || d->bracket || d->minus || d->plus || d->roman ||
            d->use_multi) {
            bad_format(c, "\"EEEE\" is incompatible with other formats");
            lg_error_detail(
                c->err,
                "\"EEEE\" may only be used together with digit and decimal point patterns.");
            return false;
        }
        d->eeee = true;
        break;
    default:
        break;
    }
    return true;
}

static bool
parse(lg_call *c, uint32_t arg, struct desc *d)
{
    const char *p = ARG_STR(arg), *end = p + ARG_LEN(arg);
    memset(d, 0, sizeof *d);
    d->node = lg_arena_zalloc(c->arena, sizeof(struct node) * (ARG_LEN(arg) + 1));
    while (p < end) {
        struct node *x = &d->node[d->n++];
        size_t i = 0, count = sizeof keys / sizeof *keys;
        for (; i < count; i++) {
            size_t len = strlen(keys[i].name);
            if ((size_t)(end - p) >= len && strncasecmp(p, keys[i].name, len) == 0) {
                x->key = keys[i].key;
                x->lower = islower((unsigned char)*p);
                p += len;
                break;
            }
        }
        if (i < count) {
            if (!note(c, d, x->key))
                return false;
            continue;
        }
        if (*p == '"') {
            char *to = lg_arena_alloc(c->arena, (size_t)(end - p));
            x->text = to;
            for (p++; p < end && *p != '"'; p++) {
                p += *p == '\\' && p + 1 < end;
                *to++ = *p;
            }
            x->len = (size_t)(to - x->text);
            p += p < end;
            continue;
        }
        if (*p == '\\' && p + 1 < end && p[1] == '"')
            p++;
        x->text = p;
        x->len = lg_utf8_len((uint8_t)*p);
        x->len = x->len > (size_t)(end - p) ? (size_t)(end - p) : x->len;
        p += x->len;
    }
    return true;
}

/* --- the processor --- */

struct proc {
    struct desc *d;
    lg_abuf b;
    const char *number, *p, *last_relevant;
    char sign;
    bool sign_wrote, num_in;
    int curr, count, pre_spaces;
};

static bool
predec_space(const struct proc *x)
{
    return !x->d->zero && x->number == x->p && *x->number == '0' && x->d->post != 0;
}

static void
put_sign(struct proc *x)
{
    struct desc *d = x->d;
    if (d->is_lsign) {
        if (d->lsign == LSIGN_PRE) {
            lg_abuf_putc(&x->b, x->sign == '-' ? '-' : '+');
            x->sign_wrote = true;
        }
        return;
    }
    if (d->bracket)
        lg_abuf_putc(&x->b, x->sign == '+' ? ' ' : '<');
    else if (x->sign == '-')
        lg_abuf_putc(&x->b, '-');
    else if (!d->fill)
        lg_abuf_putc(&x->b, ' ');
    x->sign_wrote = true;
}

static void
put_digit(struct proc *x, enum key id)
{
    struct desc *d = x->d;
    bool last_is_point = x->last_relevant && *x->last_relevant == '.';
    if (x->curr < x->pre_spaces && (d->zero_start > x->curr || !d->zero)) {
        if (!d->fill)
            lg_abuf_putc(&x->b, ' ');
        return;
    }
    if (d->zero && x->curr < x->pre_spaces && d->zero_start <= x->curr) {
        lg_abuf_putc(&x->b, '0');
        x->num_in = true;
        return;
    }
    if (*x->p == '.') {
        if (!last_is_point || d->fill)
            lg_abuf_putc(&x->b, '.');
    } else if (x->last_relevant && x->p > x->last_relevant && id != N_0) {
        ; /* trailing zeros that FM drops */
    } else if (predec_space(x)) {
        if (!d->fill)
            lg_abuf_putc(&x->b, ' ');
        else if (last_is_point)
            lg_abuf_putc(&x->b, '0');
    } else if (*x->p) {
        lg_abuf_putc(&x->b, *x->p);
        x->num_in = true;
    }
    if (*x->p)
        x->p++;
}

static void
put_numpart(struct proc *x, enum key id)
{
    struct desc *d = x->d;
    if (d->roman)
        return;
    x->num_in = false;
    bool last_is_point = x->last_relevant && *x->last_relevant == '.';
    if (!x->sign_wrote && (x->curr >= x->pre_spaces || (d->zero && d->zero_start == x->curr)) &&
        (!predec_space(x) || last_is_point))
        put_sign(x);
    put_digit(x, id);
    int end = x->count + (x->pre_spaces ? 1 : 0) + (d->decimal ? 1 : 0);
    if (x->last_relevant && x->last_relevant == x->p)
        end = x->curr;
    if (x->curr + 1 == end) {
        if (x->sign_wrote && d->bracket)
            lg_abuf_putc(&x->b, x->sign == '+' ? ' ' : '>');
        else if (d->is_lsign && d->lsign == LSIGN_POST)
            lg_abuf_putc(&x->b, x->sign == '-' ? '-' : '+');
    }
    x->curr++;
}

static void
put_th(struct proc *x, bool lower)
{
    size_t n = strlen(x->number);
    if (x->d->roman || *x->number == '#' || x->sign == '-' || x->d->decimal || n == 0)
        return;
    char last = x->number[n - 1];
    bool teen = n > 1 && x->number[n - 2] == '1';
    const char *s = teen          ? "TH"
                    : last == '1' ? "ST"
                    : last == '2' ? "ND"
                    : last == '3' ? "RD"
                                  : "TH";
    for (; *s; s++)
        lg_abuf_putc(&x->b, (char)(lower ? tolower((unsigned char)*s) : *s));
}

static void
put_other(struct proc *x, const struct node *n)
{
    struct desc *d = x->d;
    switch (n->key) {
    case N_COMMA:
    case N_G:
        if (x->num_in)
            lg_abuf_putc(&x->b, ',');
        else if (!d->fill)
            lg_abuf_putc(&x->b, ' ');
        break;
    case N_L:
        lg_abuf_putc(&x->b, ' ');
        break;
    case N_RN:
        if (d->fill)
            lg_abuf_puts(&x->b, x->number);
        else
            lg_abuf_printf(&x->b, "%15s", x->number);
        if (n->lower)
            for (size_t i = 0; i < x->b.len; i++)
                x->b.p[i] = (char)tolower((unsigned char)x->b.p[i]);
        break;
    case N_TH:
        put_th(x, n->lower);
        break;
    case N_MI:
        if (x->sign == '-')
            lg_abuf_putc(&x->b, '-');
        else if (!d->fill)
            lg_abuf_putc(&x->b, ' ');
        break;
    case N_PL:
        if (x->sign == '+')
            lg_abuf_putc(&x->b, '+');
        else if (!d->fill)
            lg_abuf_putc(&x->b, ' ');
        break;
    case N_SG:
        lg_abuf_putc(&x->b, x->sign);
        break;
    case N_TEXT:
        lg_abuf_add(&x->b, n->text ? n->text : "", n->len);
        break;
    default:
        break;
    }
}

static lg_datum
process(lg_call *c, struct desc *d, const char *number, char sign, int pre_spaces)
{
    struct proc x = {.d = d, .number = number, .p = number, .sign = sign, .pre_spaces = pre_spaces};
    lg_abuf_init(&x.b, c->arena);
    if (d->eeee) {
        lg_abuf_puts(&x.b, number);
        return lg_abuf_text(&x.b);
    }
    if (d->plus || d->minus) {
        x.sign_wrote = !(d->plus && !d->minus);
    } else {
        if (sign != '-' && d->fill)
            d->bracket = false;
        x.sign_wrote = sign == '+' && d->fill && !d->is_lsign;
        if (d->lsign == LSIGN_PRE && d->pre == d->pre_lsign)
            d->lsign = LSIGN_POST;
    }
    if (d->zero_start)
        d->zero_start--;
    x.count = d->post + d->pre - 1;
    if (d->fill && d->decimal) {
        const char *dot = strchr(number, '.');
        x.last_relevant = dot;
        for (const char *q = dot; q && *q; q++)
            if (*q != '0')
                x.last_relevant = q;
        if (dot && d->zero_end > pre_spaces) {
            int last = (int)strlen(number) - 1, zero = d->zero_end - pre_spaces;
            const char *q = number + (zero < last ? zero : last);
            if (x.last_relevant < q)
                x.last_relevant = q;
        }
    }
    if (!x.sign_wrote && pre_spaces == 0)
        x.count++;
    for (uint32_t i = 0; i < d->n; i++) {
        enum key k = d->node[i].key;
        if (k == N_9 || k == N_0 || k == N_DEC || k == N_D)
            put_numpart(&x, k);
        else
            put_other(&x, &d->node[i]);
    }
    return lg_abuf_text(&x.b);
}

/* --- the number's text --- */

static char *
roman(lg_call *c, int64_t v)
{
    static const struct {
        int v;
        const char *s;
    } part[] = {{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"},
                {90, "XC"},  {50, "L"},   {40, "XL"}, {10, "X"},   {9, "IX"},
                {5, "V"},    {4, "IV"},   {1, "I"}};
    lg_abuf b;
    if (v < 1 || v > 3999)
        return "###############";
    lg_abuf_for(&b, c);
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        for (; v >= part[i].v; v -= part[i].v)
            lg_abuf_puts(&b, part[i].s);
    return lg_abuf_cstring(&b);
}

/* Text "[-]123.45" with post decimals: aligns, or fills with # when it is too wide. */
static lg_datum
finish(lg_call *c, struct desc *d, char *org)
{
    char sign = '+';
    if (*org == '-') {
        sign = '-';
        org++;
    }
    char *dot = strchr(org, '.');
    int len = dot ? (int)(dot - org) : (int)strlen(org), spaces = 0;
    if (d->pre > len) {
        spaces = d->pre - len;
    } else if (len > d->pre) {
        org = lg_arena_alloc(c->arena, (size_t)(d->pre + d->post) + 2);
        memset(org, '#', (size_t)(d->pre + d->post) + 1);
        org[d->pre + d->post + 1] = 0;
        org[d->pre] = '.';
    }
    return process(c, d, org, sign, spaces);
}

static lg_num
power_of_ten(lg_call *c, int n)
{
    lg_num x;
    const char *end;
    char text[32];
    snprintf(text, sizeof text, "1e%d", n);
    (void)lg_num_parse(c->arena, text, &x, &end);
    return x;
}

/* d.ddde+nn */
static char *
scientific(lg_call *c, const lg_num *in, int post)
{
    lg_num x = *in;
    int exp = 0;
    if (!lg_num_is_zero(&x)) {
        int d = x.d[0];
        exp = x.weight * LG_NUM_DEC + (d < 10 ? 0 : d < 100 ? 1 : d < 1000 ? 2 : 3);
    }
    lg_num p = power_of_ten(c, abs(exp)), r;
    if (exp < 0)
        r = lg_num_mul(c->arena, &x, &p, post);
    else
        r = lg_num_div(c->arena, &x, &p, post, true);
    char *s = lg_num_text(c->arena, &r);
    return lg_arena_printf(c->arena, "%s%se%c%02d", *s == '-' ? "" : " ", s, exp < 0 ? '-' : '+',
                           abs(exp));
}

static lg_datum
number_to_char(lg_call *c, lg_num x)
{
    struct desc d;
    if (!parse(c, 1, &d))
        return 0;
    if (d.roman) {
        int64_t v = 0;
        lg_num r = x.kind == LG_NUM_FINITE ? lg_num_round(c->arena, &x, 0) : x;
        if (x.kind != LG_NUM_FINITE || !lg_num_to_int64(c->arena, &r, &v))
            v = 0;
        return process(c, &d, roman(c, v), '+', 0);
    }
    if (d.eeee) {
        if (x.kind != LG_NUM_FINITE) {
            char *s = lg_arena_alloc(c->arena, (size_t)(d.pre + d.post) + 8);
            memset(s, '#', (size_t)(d.pre + d.post) + 6);
            s[d.pre + d.post + 6] = 0;
            s[0] = ' ';
            s[d.pre + 1] = '.';
            return process(c, &d, s, '+', 0);
        }
        return process(c, &d, scientific(c, &x, d.post), '+', 0);
    }
    if (d.use_multi && x.kind == LG_NUM_FINITE) {
        lg_num p = power_of_ten(c, d.multi);
        x = lg_num_mul(c->arena, &x, &p, x.dscale);
    }
    if (d.use_multi)
        d.pre += d.multi;
    if (x.kind == LG_NUM_FINITE)
        x = lg_num_round(c->arena, &x, d.post);
    return finish(c, &d, lg_arena_strdup(c->arena, lg_num_text(c->arena, &x)));
}

LG_FN(numeric_to_char)
{
    return number_to_char(c, lg_num_unpack(c->arena, ARG(0)));
}

LG_FN(int4_to_char)
{
    return number_to_char(c, lg_num_of_int(c->arena, ARG_INT8(0)));
}
LG_FN(int8_to_char)
{
    return number_to_char(c, lg_num_of_int(c->arena, ARG_INT8(0)));
}

/* Floats show no more than their 15 (6) sure digits. */
static lg_datum
float_to_char(lg_call *c, double v, int dig)
{
    struct desc d;
    if (!parse(c, 1, &d))
        return 0;
    if (d.roman)
        return process(c, &d, roman(c, isfinite(v) && fabs(v) < 1e9 ? (int64_t)rint(v) : 0), '+',
                       0);
    if (d.eeee) {
        if (!isfinite(v)) {
            lg_num x = {.kind = LG_NUM_NAN};
            return number_to_char(c, x);
        }
        return process(c, &d, lg_arena_printf(c->arena, "%s%.*e", v < 0 ? "" : " ", d.post, v), '+',
                       0);
    }
    if (d.use_multi) {
        v *= pow(10, d.multi);
        d.pre += d.multi;
    }
    if (!isfinite(v))
        return finish(c, &d,
                      lg_arena_strdup(c->arena, isnan(v) ? "NaN"
                                                : v > 0  ? "Infinity"
                                                         : "-Infinity"));
    int len = (int)strlen(lg_arena_printf(c->arena, "%.0f", fabs(v)));
    if (len >= dig)
        d.post = 0;
    else if (len + d.post > dig)
        d.post = dig - len;
    return finish(c, &d, lg_arena_printf(c->arena, "%.*f", d.post, v));
}

LG_FN(float8_to_char)
{
    return float_to_char(c, ARG_FLOAT8(0), DBL_DIG);
}
LG_FN(float4_to_char)
{
    return float_to_char(c, (double)ARG_FLOAT4(0), FLT_DIG);
}

/* --- to_number: every place of the template takes one character --- */

static void
take_place(lg_abuf *b, const struct desc *d, enum key k, const char **p, const char *end,
           bool *point, bool *neg)
{
    while (*p < end && isspace((unsigned char)**p))
        (*p)++;
    if (*p < end && b->len == 1 && (**p == '-' || **p == '+') && !d->is_lsign) {
        *neg = **p == '-';
        (*p)++;
    }
    if (*p >= end)
        return;
    char ch = *(*p)++;
    if (isdigit((unsigned char)ch)) {
        lg_abuf_putc(b, ch);
    } else if (ch == '.' && d->decimal && !*point) {
        *point = true;
        lg_abuf_putc(b, ch);
        if (k == N_9 || k == N_0)
            take_place(b, d, k, p, end, point, neg);
    }
}

/* Signs stand where S, MI, SG and PR allow them: anywhere outside the digits. */
static bool
sign_of_text(const struct desc *d, const char *s, size_t n)
{
    if ((d->is_lsign || d->minus) && memchr(s, '-', n))
        return true;
    return d->bracket && memchr(s, '<', n);
}

LG_FN(numeric_to_number)
{
    struct desc d;
    if (ARG_LEN(1) == 0)
        RET_NULL();
    if (!parse(c, 1, &d))
        return 0;
    if (d.eeee)
        return lg_call_error(c, "0A000", "\"EEEE\" not supported for input");
    if (d.roman)
        return lg_call_error(c, "0A000", "\"RN\" not supported for input");
    const char *p = ARG_STR(0), *end = p + ARG_LEN(0), *after;
    lg_abuf b;
    lg_abuf_for(&b, c);
    lg_abuf_putc(&b, '+');
    bool point = false, neg = sign_of_text(&d, ARG_STR(0), ARG_LEN(0));
    while ((d.is_lsign || d.minus || d.bracket || d.plus) && p < end && strchr("+-< ", *p))
        p++;
    for (uint32_t i = 0; i < d.n && p < end; i++) {
        enum key k = d.node[i].key;
        if (k == N_9 || k == N_0 || k == N_DEC || k == N_D)
            take_place(&b, &d, k, &p, end, &point, &neg);
        else if ((k == N_COMMA || k == N_G) && *p == ',')
            p++;
        else if ((k == N_L || k == N_TEXT) && !isdigit((unsigned char)*p) && *p != '-' && *p != '+')
            p++;
    }
    b.p[0] = neg ? '-' : '+';
    lg_num x;
    lg_datum r;
    const char *text = lg_abuf_cstring(&b);
    if (!lg_num_parse(c->arena, text, &x, &after))
        return lg_call_error(c, "22P02", "invalid input syntax for type numeric: \"%s\"", " ");
    if (d.use_multi) {
        lg_num by = power_of_ten(c, d.multi);
        x = lg_num_div(c->arena, &x, &by, lg_num_div_scale(&x, &by), true);
    }
    return lg_num_pack(c->arena, &x, &r)
               ? r
               : lg_call_error(c, "22003", "value overflows numeric format");
}
