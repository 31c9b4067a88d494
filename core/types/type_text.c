/* text, varchar(n), char(n), name, unknown, and opaque text-like types: input, output, comparison
 * (collation "C": by bytes), casts, length. */
#include "collate.h"
#include "text.h"
#include "interrupt.h"
#include <stdio.h>
#include <stdlib.h>

size_t
lg_utf8_prefix(const char *s, size_t len, int64_t n)
{
    size_t at = 0;
    while (at < len && n-- > 0)
        at += lg_utf8_len((uint8_t)s[at]);
    return at < len ? at : len;
}

#define COUNT_STEP ((size_t)1 << 20) /* bytes between two questions whether to go on */

int64_t
lg_utf8_count(const char *s, size_t len)
{
    int64_t n = 0;
    for (size_t i = 0; i < len;) {
        size_t end = len - i < COUNT_STEP ? len : i + COUNT_STEP;
        uint32_t some = 0;
        for (; i < end; i++)
            some += ((uint8_t)s[i] & 0xc0) != 0x80;
        n += some;
        if (i < len && lg_poll())
            break;
    }
    return n;
}

uint32_t
lg_utf8_decode(const char *s, size_t left, size_t *ret_len)
{
    const uint8_t *u = (const uint8_t *)s;
    size_t n = lg_utf8_len(u[0]);
    if (n > left)
        n = left;
    *ret_len = n;
    switch (n) {
    case 2:
        return (uint32_t)(u[0] & 0x1f) << 6 | (u[1] & 0x3f);
    case 3:
        return (uint32_t)(u[0] & 0x0f) << 12 | (uint32_t)(u[1] & 0x3f) << 6 | (u[2] & 0x3f);
    case 4:
        return (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3f) << 12 |
               (uint32_t)(u[2] & 0x3f) << 6 | (u[3] & 0x3f);
    default:
        return u[0];
    }
}

size_t
lg_utf8_encode(uint32_t ch, char *to)
{
    if (ch < 0x80) {
        to[0] = (char)ch;
        return 1;
    }
    if (ch < 0x800) {
        to[0] = (char)(0xc0 | ch >> 6);
        to[1] = (char)(0x80 | (ch & 0x3f));
        return 2;
    }
    if (ch < 0x10000) {
        to[0] = (char)(0xe0 | ch >> 12);
        to[1] = (char)(0x80 | (ch >> 6 & 0x3f));
        to[2] = (char)(0x80 | (ch & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | ch >> 18);
    to[1] = (char)(0x80 | (ch >> 12 & 0x3f));
    to[2] = (char)(0x80 | (ch >> 6 & 0x3f));
    to[3] = (char)(0x80 | (ch & 0x3f));
    return 4;
}

bool
lg_utf8_valid(const char *s, size_t len, size_t *ret_bad)
{
    const uint8_t *u = (const uint8_t *)s;
    const uint64_t high = 0x8080808080808080u, low = 0x0101010101010101u;
    for (size_t i = 0; i < len;) {
        uint64_t word;
        if (i + sizeof word <= len) { /* eight of ASCII but NUL at once */
            memcpy(&word, u + i, sizeof word);
            if (!((word | (word - low)) & high)) {
                i += sizeof word;
                continue;
            }
        }
        *ret_bad = i;
        if (u[i] && u[i] < 0x80) {
            i++;
            continue;
        }
        size_t n = lg_utf8_len(u[i]);
        if (u[i] < 0xc2 || u[i] > 0xf4 || i + n > len)
            return false;
        for (size_t k = 1; k < n; k++)
            if ((u[i + k] & 0xc0) != 0x80)
                return false;
        if ((u[i] == 0xe0 && u[i + 1] < 0xa0) || (u[i] == 0xed && u[i + 1] > 0x9f) ||
            (u[i] == 0xf0 && u[i + 1] < 0x90) || (u[i] == 0xf4 && u[i + 1] > 0x8f))
            return false;
        i += n;
    }
    return true;
}

/* --- input and output --- */

static lg_datum
text_in(lg_call *c)
{
    return lg_datum_cstring_text(c->arena, ARG_CSTR(0));
}

static lg_datum
text_out(lg_call *c)
{
    return lg_datum_ptr(lg_text_cstring(c->arena, ARG(0)));
}

static lg_datum
text_recv(lg_call *c)
{
    size_t len;
    const char *s = lg_recv_text(c, lg_ptr(ARG(0)), &len);
    return s ? lg_datum_text(c->arena, s, len) : 0;
}

static lg_datum
text_send(lg_call *c)
{
    return lg_datum_text(c->arena, ARG_STR(0), ARG_LEN(0));
}

LG_FN(textin)
{
    return text_in(c);
}
LG_FN(textout)
{
    return text_out(c);
}
LG_FN(textrecv)
{
    return text_recv(c);
}
LG_FN(textsend)
{
    return text_send(c);
}
LG_FN(unknownin)
{
    return text_in(c);
}
LG_FN(unknownout)
{
    return text_out(c);
}
LG_FN(unknownrecv)
{
    return text_recv(c);
}
LG_FN(unknownsend)
{
    return text_send(c);
}
LG_FN(pg_node_tree_in)
{
    return lg_call_error(c, "0A000", "cannot accept a value of type pg_node_tree");
}
LG_FN(pg_node_tree_out)
{
    return text_out(c);
}
LG_FN(pg_node_tree_send)
{
    return text_send(c);
}
LG_FN(pg_ndistinct_out)
{
    return text_out(c);
}
LG_FN(pg_dependencies_out)
{
    return text_out(c);
}
LG_FN(pg_mcv_list_out)
{
    return text_out(c);
}
LG_FN(aclitem_eq)
{
    return lg_bytes_compare(ARG_STR(0), ARG_LEN(0), ARG_STR(1), ARG_LEN(1)) == 0;
}

/* --- varchar(n), char(n): typmod is n + 4 --- */

static lg_datum
too_long(lg_call *c, const char *type, int32_t max)
{
    return lg_call_error(c, "22001", "value too long for type %s(%d)", type, max);
}

/* Cuts to max characters if only blanks are lost (or cut is allowed); pads to max if asked. */
static lg_datum
fit(lg_call *c, const char *s, size_t len, int32_t typmod, bool cut, bool pad, const char *type)
{
    if (typmod < 4)
        return lg_datum_text(c->arena, s, len);
    int32_t max = typmod - 4;
    if (max > 10485760) /* only by a call of the cast function */
        return lg_call_error(c, "XX000", "invalid memory alloc request size %d", typmod);
    size_t keep = len <= (size_t)max && !pad ? len : lg_utf8_prefix(s, len, max);
    if (keep < len && !cut)
        for (size_t i = keep; i < len; i++)
            if (s[i] != ' ')
                return too_long(c, type, max);
    size_t blanks = pad ? (size_t)(max - lg_utf8_count(s, keep)) : 0;
    lg_varlen *v = lg_varlen_new(c->arena, keep + blanks);
    if (keep)
        memcpy(v->data, s, keep);
    memset(v->data + keep, ' ', blanks);
    return lg_datum_ptr(v);
}

#define VARCHAR "character varying"
#define BPCHAR  "character"

LG_FN(varcharin)
{
    return fit(c, ARG_CSTR(0), strlen(ARG_CSTR(0)), ARG_INT4(2), false, false, VARCHAR);
}
LG_FN(varcharout)
{
    return text_out(c);
}
LG_FN(varcharrecv)
{
    lg_datum d = text_recv(c);
    return c->st ? 0 : fit(c, lg_text_data(d), lg_text_len(d), ARG_INT4(2), false, false, VARCHAR);
}
LG_FN(varcharsend)
{
    return text_send(c);
}
LG_FN(varchar)
{
    return fit(c, ARG_STR(0), ARG_LEN(0), ARG_INT4(1), ARG_BOOL(2), false, VARCHAR);
}

LG_FN(bpcharin)
{
    return fit(c, ARG_CSTR(0), strlen(ARG_CSTR(0)), ARG_INT4(2), false, true, BPCHAR);
}
LG_FN(bpcharout)
{
    return text_out(c);
}
LG_FN(bpcharrecv)
{
    lg_datum d = text_recv(c);
    return c->st ? 0 : fit(c, lg_text_data(d), lg_text_len(d), ARG_INT4(2), false, true, BPCHAR);
}
LG_FN(bpcharsend)
{
    return text_send(c);
}
LG_FN(bpchar)
{
    return fit(c, ARG_STR(0), ARG_LEN(0), ARG_INT4(1), ARG_BOOL(2), true, BPCHAR);
}

static lg_datum
length_typmod_in(lg_call *c, const char *type)
{
    lg_array_view v;
    lg_array_cstrings(c, ARG(0), &v);
    if (v.n != 1)
        return lg_call_error(c, "22023", "invalid type modifier");
    int64_t n = lg_parse_int(c, v.strings[0], INT32_MIN, INT32_MAX, "integer");
    if (c->st)
        return 0;
    if (n < 1)
        return lg_call_error(c, "22023", "length for type %s must be at least 1", type);
    if (n > 10485760)
        return lg_call_error(c, "22023", "length for type %s cannot exceed 10485760", type);
    return lg_datum_int4((int32_t)n + 4);
}

static lg_datum
length_typmod_out(lg_call *c)
{
    return lg_datum_ptr(ARG_INT4(0) > 4 ? lg_arena_printf(c->arena, "(%d)", ARG_INT4(0) - 4) : "");
}

LG_FN(varchartypmodin)
{
    return length_typmod_in(c, "varchar");
}
LG_FN(varchartypmodout)
{
    return length_typmod_out(c);
}
LG_FN(bpchartypmodin)
{
    return length_typmod_in(c, "char");
}
LG_FN(bpchartypmodout)
{
    return length_typmod_out(c);
}

/* --- name --- */

/* Cut at 63 bytes, at a character's boundary. */
static lg_datum
make_name(lg_call *c, const char *s, size_t len)
{
    if (len > LG_NAME_MAX) {
        len = LG_NAME_MAX;
        while (len && ((uint8_t)s[len] & 0xc0) == 0x80)
            len--;
    }
    return lg_datum_text(c->arena, s, len);
}

LG_FN(namein)
{
    return make_name(c, ARG_CSTR(0), strlen(ARG_CSTR(0)));
}
LG_FN(nameout)
{
    return text_out(c);
}
LG_FN(namerecv)
{
    lg_datum d = text_recv(c);
    if (c->st)
        return 0;
    return make_name(c, lg_text_data(d), lg_text_len(d));
}
LG_FN(namesend)
{
    return text_send(c);
}

/* --- casts --- */

LG_FN(text_name)
{
    return make_name(c, ARG_STR(0), ARG_LEN(0));
}
LG_FN(name_text)
{
    return ARG(0);
}
LG_FN(bpchar_name)
{
    return make_name(c, ARG_STR(0), lg_bpchar_len(ARG(0)));
}
LG_FN(name_bpchar)
{
    return ARG(0);
}
LG_FN(char_bpchar)
{
    char ch = (char)ARG(0);
    return lg_datum_text(c->arena, &ch, ch != 0);
}
/* rtrim(text) and text(bpchar). */
LG_FN(rtrim1)
{
    return lg_datum_text(c->arena, ARG_STR(0), lg_bpchar_len(ARG(0)));
}

/* --- comparison --- */

static int
compare_text(const lg_call *c)
{
    if (!lg_collation_is_c(c->collation))
        return lg_collate_compare(c->env, c->collation, ARG_STR(0), ARG_LEN(0), ARG_STR(1),
                                  ARG_LEN(1));
    return lg_bytes_compare(ARG_STR(0), ARG_LEN(0), ARG_STR(1), ARG_LEN(1));
}

static int
compare_bpchar(const lg_call *c)
{
    if (!lg_collation_is_c(c->collation))
        return lg_collate_compare(c->env, c->collation, ARG_STR(0), lg_bpchar_len(ARG(0)),
                                  ARG_STR(1), lg_bpchar_len(ARG(1)));
    return lg_bytes_compare(ARG_STR(0), lg_bpchar_len(ARG(0)), ARG_STR(1), lg_bpchar_len(ARG(1)));
}

static bool
equal_text(const lg_call *c)
{
    return ARG_LEN(0) == ARG_LEN(1) && memcmp(ARG_STR(0), ARG_STR(1), ARG_LEN(0)) == 0;
}

LG_FN(texteq)
{
    return equal_text(c);
}
LG_FN(textne)
{
    return !equal_text(c);
}
LG_FN(bttextcmp)
{
    return lg_datum_int4(compare_text(c));
}
LG_FN(text_larger)
{
    return compare_text(c) > 0 ? ARG(0) : ARG(1);
}
LG_FN(text_smaller)
{
    return compare_text(c) < 0 ? ARG(0) : ARG(1);
}
LG_FN(nameeq)
{
    return equal_text(c);
}
LG_FN(namene)
{
    return !equal_text(c);
}
LG_FN(nameeqtext)
{
    return equal_text(c);
}
LG_FN(namenetext)
{
    return !equal_text(c);
}
LG_FN(texteqname)
{
    return equal_text(c);
}
LG_FN(textnename)
{
    return !equal_text(c);
}
LG_FN(bpchareq)
{
    return compare_bpchar(c) == 0;
}
LG_FN(bpcharne)
{
    return compare_bpchar(c) != 0;
}
LG_FN(bpcharcmp)
{
    return lg_datum_int4(compare_bpchar(c));
}
LG_FN(bpchar_larger)
{
    return compare_bpchar(c) >= 0 ? ARG(0) : ARG(1);
}
LG_FN(bpchar_smaller)
{
    return compare_bpchar(c) <= 0 ? ARG(0) : ARG(1);
}

#define ORDER(lt, le, gt, ge, compare)                                                             \
    LG_FN(lt)                                                                                      \
    {                                                                                              \
        return compare(c) < 0;                                                                     \
    }                                                                                              \
    LG_FN(le)                                                                                      \
    {                                                                                              \
        return compare(c) <= 0;                                                                    \
    }                                                                                              \
    LG_FN(gt)                                                                                      \
    {                                                                                              \
        return compare(c) > 0;                                                                     \
    }                                                                                              \
    LG_FN(ge)                                                                                      \
    {                                                                                              \
        return compare(c) >= 0;                                                                    \
    }

ORDER(text_lt, text_le, text_gt, text_ge, compare_text)
ORDER(text_pattern_lt, text_pattern_le, text_pattern_gt, text_pattern_ge, compare_text)
ORDER(namelt, namele, namegt, namege, compare_text)
ORDER(namelttext, nameletext, namegttext, namegetext, compare_text)
ORDER(textltname, textlename, textgtname, textgename, compare_text)
ORDER(bpcharlt, bpcharle, bpchargt, bpcharge, compare_bpchar)
ORDER(bpchar_pattern_lt, bpchar_pattern_le, bpchar_pattern_gt, bpchar_pattern_ge, compare_bpchar)
LG_FN(bttext_pattern_cmp)
{
    return lg_datum_int4(compare_text(c));
}
LG_FN(btnamecmp)
{
    return lg_datum_int4(compare_text(c));
}
LG_FN(btnametextcmp)
{
    return lg_datum_int4(compare_text(c));
}
LG_FN(bttextnamecmp)
{
    return lg_datum_int4(compare_text(c));
}
LG_FN(btbpchar_pattern_cmp)
{
    return lg_datum_int4(compare_bpchar(c));
}

/* --- length and concatenation --- */

LG_FN(textlen)
{
    return lg_datum_int4((int32_t)lg_utf8_count(ARG_STR(0), ARG_LEN(0)));
}
LG_FN(bpcharlen)
{
    return lg_datum_int4((int32_t)lg_utf8_count(ARG_STR(0), lg_bpchar_len(ARG(0))));
}
LG_FN(textoctetlen)
{
    return lg_datum_int4((int32_t)ARG_LEN(0));
}
LG_FN(bpcharoctetlen)
{
    return lg_datum_int4((int32_t)ARG_LEN(0));
}

LG_FN(textcat)
{
    uint32_t na = ARG_LEN(0), nb = ARG_LEN(1);
    if (!lg_call_fits(c, (size_t)na + nb))
        return 0;
    lg_varlen *v = lg_varlen_new(c->arena, (size_t)na + nb);
    lg_poll_copy(v->data, ARG_STR(0), na);
    lg_poll_copy(v->data + na, ARG_STR(1), nb);
    return lg_datum_ptr(v);
}

/* anything || text, text || anything */
static lg_datum
cat_any(lg_call *c, uint32_t any)
{
    const char *s;
    size_t n;
    c->st = lg_type_output(c->env, lg_argtype(c, any), ARG(any), c->arena, c->err, &s, &n);
    if (c->st)
        return 0;
    lg_abuf b;
    lg_abuf_for(&b, c);
    if (any == 0)
        lg_abuf_add(&b, s, n);
    lg_abuf_add(&b, ARG_STR(1 - any), ARG_LEN(1 - any));
    if (any == 1)
        lg_abuf_add(&b, s, n);
    return lg_abuf_text(&b);
}

LG_FN(oid_2003)
{
    return cat_any(c, 1);
} /* textanycat */
LG_FN(oid_2004)
{
    return cat_any(c, 0);
} /* anytextcat */
