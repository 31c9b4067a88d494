/* bit and bit varying. Payload {i32 bits, bytes, high bit first}; the bits after the last are 0. */
#include "type_bit.h"
#include "types_values.h"
#include <ctype.h>

#define MAX_BITS 83886080 /* of a declared length */

static int32_t
bit_len(lg_datum d)
{
    int32_t n;
    memcpy(&n, lg_text_data(d), 4);
    return n;
}

static const uint8_t *
bits_of(lg_datum d)
{
    return (const uint8_t *)lg_text_data(d) + 4;
}

static size_t
bytes_for(int32_t bits)
{
    return ((size_t)bits + 7) / 8;
}

/* All zero. */
static lg_varlen *
make(lg_call *c, int32_t bits)
{
    lg_varlen *v = lg_varlen_new(c->arena, 4 + bytes_for(bits));
    memset(v->data, 0, v->len);
    memcpy(v->data, &bits, 4);
    return v;
}

static uint8_t *
data_of(lg_varlen *v)
{
    return (uint8_t *)v->data + 4;
}

static bool
get(const uint8_t *p, int64_t i)
{
    return p[i / 8] >> (7 - i % 8) & 1;
}

static void
set(uint8_t *p, int64_t i, bool on)
{
    uint8_t m = (uint8_t)(0x80u >> (i % 8));
    p[i / 8] = (uint8_t)(on ? p[i / 8] | m : p[i / 8] & ~m);
}

/* Bits [from, from + n) of a value as one of its own. */
static lg_datum
part(lg_call *c, lg_datum d, int32_t from, int32_t n)
{
    lg_varlen *v = make(c, n);
    for (int32_t i = 0; i < n; i++)
        if (get(bits_of(d), (int64_t)from + i))
            set(data_of(v), i, true);
    return lg_datum_ptr(v);
}

int
lg_bit_compare(lg_datum a, lg_datum b)
{
    int32_t n = bit_len(a), m = bit_len(b);
    int r = lg_bytes_compare((const char *)bits_of(a), bytes_for(n), (const char *)bits_of(b),
                             bytes_for(m));
    return r ? r : (n > m) - (n < m);
}

/* --- input, output --- */

static lg_datum
input(lg_call *c, const char *s, int32_t typmod, bool varying)
{
    bool hex = *s == 'x' || *s == 'X';
    if (hex || *s == 'b' || *s == 'B')
        s++;
    size_t digits = strlen(s);
    if (digits > (size_t)(hex ? INT32_MAX / 4 : INT32_MAX))
        return lg_call_error(c, "54000", "bit string length exceeds the maximum allowed (%d)",
                             INT32_MAX);
    int32_t n = (int32_t)digits * (hex ? 4 : 1);
    if (typmod > 0 && !varying && n != typmod)
        return lg_call_error(c, "22026", "bit string length %d does not match type bit(%d)", n,
                             typmod);
    if (typmod > 0 && varying && n > typmod)
        return lg_call_error(c, "22001", "bit string too long for type bit varying(%d)", typmod);
    lg_varlen *v = make(c, n);
    for (size_t i = 0; i < digits; i++) {
        int x = isdigit((unsigned char)s[i])           ? s[i] - '0'
                : hex && isxdigit((unsigned char)s[i]) ? tolower((unsigned char)s[i]) - 'a' + 10
                                                       : 99;
        if (x > (hex ? 15 : 1)) {
            int len = 1;
            while (len < 4 && ((unsigned char)s[i + (size_t)len] & 0xc0) == 0x80)
                len++;
            return lg_call_error(c, "22P02", "\"%.*s\" is not a valid %s digit", len, s + i,
                                 hex ? "hexadecimal" : "binary");
        }
        if (!hex)
            set(data_of(v), (int64_t)i, x);
        else
            data_of(v)[i / 2] = (uint8_t)(data_of(v)[i / 2] | x << (i % 2 ? 0 : 4));
    }
    return lg_datum_ptr(v);
}

LG_FN(bit_in)
{
    return input(c, ARG_CSTR(0), ARG_INT4(2), false);
}
LG_FN(varbit_in)
{
    return input(c, ARG_CSTR(0), ARG_INT4(2), true);
}

LG_FN(bit_out)
{
    int32_t n = bit_len(ARG(0));
    char *s = lg_arena_alloc(c->arena, (size_t)n + 1);
    for (int32_t i = 0; i < n; i++)
        s[i] = get(bits_of(ARG(0)), i) ? '1' : '0';
    s[n] = 0;
    return lg_datum_ptr(s);
}
LG_FN(varbit_out)
{
    return lg_fn_bit_out(c);
}

LG_FN(bit_send)
{
    int32_t n = bit_len(ARG(0));
    lg_varlen *v = lg_varlen_new(c->arena, 4 + bytes_for(n));
    for (int i = 0; i < 4; i++)
        v->data[i] = (char)(uint8_t)((uint32_t)n >> (24 - 8 * i));
    memcpy(v->data + 4, bits_of(ARG(0)), bytes_for(n));
    return lg_datum_ptr(v);
}
LG_FN(varbit_send)
{
    return lg_fn_bit_send(c);
}

static lg_datum
receive(lg_call *c, bool varying)
{
    lg_recvbuf *b = lg_ptr(ARG(0));
    int32_t n = (int32_t)(uint32_t)lg_recv_uint(c, b, 4), typmod = ARG_INT4(2);
    if (c->st)
        return 0;
    if (n < 0)
        return lg_call_error(c, "22P03", "invalid length in external bit string");
    if (typmod > 0 && !varying && n != typmod)
        return lg_call_error(c, "22026", "bit string length %d does not match type bit(%d)", n,
                             typmod);
    if (typmod > 0 && varying && n > typmod)
        return lg_call_error(c, "22001", "bit string too long for type bit varying(%d)", typmod);
    if (bytes_for(n) > b->len - b->pos)
        return lg_call_error(c, "08P01", "insufficient data left in message");
    lg_varlen *v = make(c, n);
    if (!lg_recv_bytes(c, b, data_of(v), bytes_for(n)))
        return 0;
    if (n % 8)
        data_of(v)[n / 8] &= (uint8_t)(0xff00u >> (n % 8));
    return lg_datum_ptr(v);
}

LG_FN(bit_recv)
{
    return receive(c, false);
}
LG_FN(varbit_recv)
{
    return receive(c, true);
}

static lg_datum
typmod_in(lg_call *c, const char *name)
{
    lg_array_view v;
    lg_array_cstrings(c, ARG(0), &v);
    if (c->st)
        return 0;
    if (v.n != 1)
        return lg_call_error(c, "22023", "invalid type modifier");
    int64_t n = lg_parse_int(c, v.strings[0], INT32_MIN, INT32_MAX, "integer");
    if (c->st)
        return 0;
    if (n < 1)
        return lg_call_error(c, "22023", "length for type %s must be at least 1", name);
    if (n > MAX_BITS)
        return lg_call_error(c, "22023", "length for type %s cannot exceed %d", name, MAX_BITS);
    return lg_datum_int4((int32_t)n);
}

LG_FN(bittypmodin)
{
    return typmod_in(c, "bit");
}
LG_FN(varbittypmodin)
{
    return typmod_in(c, "varbit");
}
LG_FN(bittypmodout)
{
    return lg_datum_ptr(ARG_INT4(0) >= 0 ? lg_arena_printf(c->arena, "(%d)", ARG_INT4(0)) : "");
}
LG_FN(varbittypmodout)
{
    return lg_fn_bittypmodout(c);
}

/* --- lengths and casts --- */

/* Cut or filled up with zeros. */
static lg_datum
resize(lg_call *c, lg_datum d, int32_t n)
{
    int32_t have = bit_len(d), keep = have < n ? have : n;
    lg_varlen *v = make(c, n);
    memcpy(data_of(v), bits_of(d), bytes_for(keep));
    if (keep % 8)
        data_of(v)[keep / 8] &= (uint8_t)(0xff00u >> (keep % 8));
    return lg_datum_ptr(v);
}

LG_FN(bit)
{
    int32_t n = ARG_INT4(1);
    if (n <= 0 || n > INT32_MAX - 7 || n == bit_len(ARG(0)))
        return ARG(0);
    if (!ARG_BOOL(2))
        return lg_call_error(c, "22026", "bit string length %d does not match type bit(%d)",
                             bit_len(ARG(0)), n);
    return resize(c, ARG(0), n);
}

LG_FN(varbit)
{
    int32_t n = ARG_INT4(1);
    if (n <= 0 || n >= bit_len(ARG(0)))
        return ARG(0);
    if (!ARG_BOOL(2))
        return lg_call_error(c, "22001", "bit string too long for type bit varying(%d)", n);
    return resize(c, ARG(0), n);
}

static lg_datum
from_int(lg_call *c, int64_t x)
{
    int32_t n = ARG_INT4(1);
    if (n <= 0 || n > MAX_BITS)
        n = 1;
    lg_varlen *v = make(c, n);
    for (int32_t i = 0; i < n; i++) /* the sign fills what is longer */
        set(data_of(v), n - 1 - i, (i < 64 ? x >> i : x >> 63) & 1);
    return lg_datum_ptr(v);
}

LG_FN(bitfromint4)
{
    return from_int(c, ARG_INT4(0));
}
LG_FN(bitfromint8)
{
    return from_int(c, ARG_INT8(0));
}

static uint64_t
to_int(lg_datum d)
{
    uint64_t x = 0;
    for (int32_t i = 0; i < bit_len(d); i++)
        x = x << 1 | get(bits_of(d), i);
    return x;
}

LG_FN(bittoint4)
{
    if (bit_len(ARG(0)) > 32)
        return lg_call_error(c, "22003", "integer out of range");
    return lg_datum_int4((int32_t)(uint32_t)to_int(ARG(0)));
}
LG_FN(bittoint8)
{
    if (bit_len(ARG(0)) > 64)
        return lg_call_error(c, "22003", "bigint out of range");
    return lg_datum_int8((int64_t)to_int(ARG(0)));
}
LG_FN(bitlength)
{
    return lg_datum_int4(bit_len(ARG(0)));
}
LG_FN(oid_1812) /* bit_length */
{
    return lg_datum_int4(bit_len(ARG(0)));
}
LG_FN(bitoctetlength)
{
    return lg_datum_int4((int32_t)bytes_for(bit_len(ARG(0))));
}
LG_FN(bit_bit_count)
{
    int64_t n = 0;
    for (size_t i = 0; i < bytes_for(bit_len(ARG(0))); i++)
        n += __builtin_popcount(bits_of(ARG(0))[i]);
    return lg_datum_int8(n);
}

/* --- comparison --- */

LG_FN(biteq)
{
    return lg_datum_bool(lg_bit_compare(ARG(0), ARG(1)) == 0);
}
LG_FN(bitne)
{
    return lg_datum_bool(lg_bit_compare(ARG(0), ARG(1)) != 0);
}
LG_FN(bitlt)
{
    return lg_datum_bool(lg_bit_compare(ARG(0), ARG(1)) < 0);
}
LG_FN(bitle)
{
    return lg_datum_bool(lg_bit_compare(ARG(0), ARG(1)) <= 0);
}
LG_FN(bitgt)
{
    return lg_datum_bool(lg_bit_compare(ARG(0), ARG(1)) > 0);
}
LG_FN(bitge)
{
    return lg_datum_bool(lg_bit_compare(ARG(0), ARG(1)) >= 0);
}
LG_FN(bitcmp)
{
    int r = lg_bit_compare(ARG(0), ARG(1));
    return lg_datum_int4((r > 0) - (r < 0));
}

/* --- logic --- */

static lg_datum
logic(lg_call *c, char op, const char *name)
{
    int32_t n = bit_len(ARG(0));
    if (n != bit_len(ARG(1)))
        return lg_call_error(c, "22026", "cannot %s bit strings of different sizes", name);
    lg_varlen *v = make(c, n);
    for (size_t i = 0; i < bytes_for(n); i++) {
        uint8_t x = bits_of(ARG(0))[i], y = bits_of(ARG(1))[i];
        data_of(v)[i] = (uint8_t)(op == '&' ? x & y : op == '|' ? x | y : x ^ y);
    }
    return lg_datum_ptr(v);
}

LG_FN(bit_and)
{
    return logic(c, '&', "AND");
}
LG_FN(bit_or)
{
    return logic(c, '|', "OR");
}
LG_FN(bitxor)
{
    return logic(c, '^', "XOR");
}

LG_FN(bitnot)
{
    int32_t n = bit_len(ARG(0));
    lg_varlen *v = make(c, n);
    for (size_t i = 0; i < bytes_for(n); i++)
        data_of(v)[i] = (uint8_t)~bits_of(ARG(0))[i];
    if (n % 8)
        data_of(v)[n / 8] &= (uint8_t)(0xff00u >> (n % 8));
    return lg_datum_ptr(v);
}

static lg_datum
shift(lg_call *c, int64_t by)
{
    int32_t n = bit_len(ARG(0));
    lg_varlen *v = make(c, n);
    for (int32_t i = 0; i < n; i++)
        if (i + by >= 0 && i + by < n && get(bits_of(ARG(0)), i + by))
            set(data_of(v), i, true);
    return lg_datum_ptr(v);
}

LG_FN(bitshiftleft)
{
    return shift(c, ARG_INT4(1));
}
LG_FN(bitshiftright)
{
    return shift(c, -(int64_t)ARG_INT4(1));
}

static lg_datum
concat(lg_call *c, lg_datum x, lg_datum y)
{
    int64_t n = (int64_t)bit_len(x) + bit_len(y);
    if (n > INT32_MAX)
        return lg_call_error(c, "54000", "bit string length exceeds the maximum allowed (%d)",
                             INT32_MAX);
    lg_varlen *v = make(c, (int32_t)n);
    memcpy(data_of(v), bits_of(x), bytes_for(bit_len(x)));
    for (int32_t i = 0; i < bit_len(y); i++)
        if (get(bits_of(y), i))
            set(data_of(v), (int64_t)bit_len(x) + i, true);
    return lg_datum_ptr(v);
}

LG_FN(bitcat)
{
    return concat(c, ARG(0), ARG(1));
}

/* --- parts --- */

static lg_datum
substring(lg_call *c, lg_datum d, int64_t from, int64_t len, bool has_len)
{
    int64_t n = bit_len(d), end = has_len ? from + len : n + 1;
    if (has_len && len < 0)
        return lg_call_error(c, "22011", "negative substring length not allowed");
    from = from < 1 ? 1 : from;
    end = end > n + 1 ? n + 1 : end;
    return end > from ? part(c, d, (int32_t)(from - 1), (int32_t)(end - from))
                      : lg_datum_ptr(make(c, 0));
}

LG_FN(bitsubstr)
{
    return substring(c, ARG(0), ARG_INT4(1), ARG_INT4(2), true);
}
LG_FN(bitsubstr_no_len)
{
    return substring(c, ARG(0), ARG_INT4(1), 0, false);
}

static lg_datum
overlay(lg_call *c, int64_t from, int64_t len)
{
    if (from <= 0)
        return lg_call_error(c, "22011", "negative substring length not allowed");
    if (from + len > INT32_MAX)
        return lg_call_error(c, "22003", "integer out of range");
    lg_datum head = substring(c, ARG(0), 1, from - 1, true);
    lg_datum tail = substring(c, ARG(0), from + len, 0, false);
    if (c->st)
        return 0;
    head = concat(c, head, ARG(1));
    return c->st ? 0 : concat(c, head, tail);
}

LG_FN(bitoverlay)
{
    return overlay(c, ARG_INT4(2), ARG_INT4(3));
}
LG_FN(bitoverlay_no_len)
{
    return overlay(c, ARG_INT4(2), bit_len(ARG(1)));
}

LG_FN(bitposition)
{
    int32_t n = bit_len(ARG(0)), m = bit_len(ARG(1));
    if (!n || m > n)
        return lg_datum_int4(0);
    if (!m)
        return lg_datum_int4(1);
    for (int32_t i = 0; i + m <= n; i++) {
        int32_t k = 0;
        while (k < m && get(bits_of(ARG(0)), i + k) == get(bits_of(ARG(1)), k))
            k++;
        if (k == m)
            return lg_datum_int4(i + 1);
    }
    return lg_datum_int4(0);
}

static bool
index_valid(lg_call *c, int32_t i)
{
    if (i >= 0 && i < bit_len(ARG(0)))
        return true;
    lg_call_error(c, "2202E", "bit index %d out of valid range (0..%d)", i, bit_len(ARG(0)) - 1);
    return false;
}

LG_FN(bitgetbit)
{
    return index_valid(c, ARG_INT4(1)) ? lg_datum_int4(get(bits_of(ARG(0)), ARG_INT4(1))) : 0;
}

LG_FN(bitsetbit)
{
    int32_t on = ARG_INT4(2);
    if (!index_valid(c, ARG_INT4(1)))
        return 0;
    if (on != 0 && on != 1)
        return lg_call_error(c, "22023", "new bit must be 0 or 1");
    lg_varlen *v = make(c, bit_len(ARG(0)));
    memcpy(data_of(v), bits_of(ARG(0)), bytes_for(bit_len(ARG(0))));
    set(data_of(v), ARG_INT4(1), on);
    return lg_datum_ptr(v);
}
