/* inet and cidr: IPv4 and IPv6 addresses with a netmask. Payload {u8 family 4 or 6, u8 bits,
 * address}; of a cidr the bits after the mask are 0. */
#include "types_values.h"
#include "hash.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct inet {
    uint8_t family; /* 4 or 6 */
    uint8_t bits;
    uint8_t a[16];
};

static size_t
addr_len(const struct inet *x)
{
    return x->family == 4 ? 4 : 16;
}

static lg_datum
pack(lg_call *c, const struct inet *x)
{
    return lg_datum_text(c->arena, (const char *)x, 2 + addr_len(x));
}

static struct inet
unpack(lg_datum d)
{
    struct inet x = {0};
    memcpy(&x, lg_text_data(d), lg_text_len(d) < sizeof x ? lg_text_len(d) : sizeof x);
    return x;
}

static const char *
parse_v4(const char *p, uint8_t *a)
{
    for (int i = 0; i < 4; i++) {
        int v = 0, n = 0;
        while (isdigit((unsigned char)*p) && n < 4) {
            v = v * 10 + (*p++ - '0');
            n++;
        }
        if (n == 0 || v > 255)
            return NULL;
        a[i] = (uint8_t)v;
        if (i < 3 && *p++ != '.')
            return NULL;
    }
    return p;
}

/* RFC 4291: groups of hex digits, one :: for a run of zeros, perhaps an IPv4 tail. */
static const char *
parse_v6(const char *p, uint8_t *a)
{
    uint8_t out[16] = {0};
    int n = 0, gap = -1;
    if (p[0] == ':' && p[1] == ':') {
        gap = 0;
        p += 2;
    }
    while (n < 16 && isxdigit((unsigned char)*p)) {
        const char *q = p;
        unsigned v = 0;
        int digits = 0;
        for (; isxdigit((unsigned char)*q) && digits < 5; q++, digits++)
            v = v * 16 + (unsigned)(isdigit((unsigned char)*q)
                                        ? *q - '0'
                                        : tolower((unsigned char)*q) - 'a' + 10);
        if (*q == '.' && n <= 12) {
            p = parse_v4(p, out + n);
            if (!p)
                return NULL;
            n += 4;
            break;
        }
        if (digits > 4)
            return NULL;
        out[n++] = (uint8_t)(v >> 8);
        out[n++] = (uint8_t)v;
        p = q;
        if (*p != ':')
            break;
        if (p[1] == ':') {
            if (gap >= 0)
                return NULL;
            gap = n;
            p += 2;
        } else if (n < 16 && isxdigit((unsigned char)p[1])) {
            p++;
        } else {
            return NULL;
        }
    }
    if (gap < 0 && n != 16)
        return NULL;
    memset(a, 0, 16);
    if (gap < 0)
        gap = n;
    memcpy(a, out, (size_t)gap);
    memcpy(a + 16 - (n - gap), out + gap, (size_t)(n - gap));
    return p;
}

LG_FN(inet_in)
{
    const char *s = ARG_CSTR(0), *p;
    struct inet x = {.family = strchr(s, ':') ? 6 : 4};
    p = x.family == 6 ? parse_v6(s, x.a) : parse_v4(s, x.a);
    x.bits = x.family == 6 ? 128 : 32;
    if (p && *p == '/' && isdigit((unsigned char)p[1])) {
        char *end;
        unsigned long bits = strtoul(p + 1, &end, 10);
        p = bits > x.bits ? NULL : end;
        x.bits = (uint8_t)bits;
    }
    if (!p || *p)
        return lg_call_error(c, "22P02", "invalid input syntax for type inet: \"%s\"", s);
    return pack(c, &x);
}

/* The longest run of zero groups (two or more) becomes :: (RFC 5952). */
static void
put_v6(lg_abuf *b, const uint8_t *a)
{
    int best = -1, best_len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && !a[2 * (i + n)] && !a[2 * (i + n) + 1])
            n++;
        if (n > best_len) {
            best = i;
            best_len = n;
        }
        i += n ? n - 1 : 0;
    }
    bool v4 = best == 0 && (best_len == 6 || (best_len == 5 && a[10] == 0xff && a[11] == 0xff));
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            lg_abuf_puts(b, "::");
            i += best_len - 1;
            continue;
        }
        if (i && i != best + best_len)
            lg_abuf_putc(b, ':');
        if (v4 && i == 6) {
            lg_abuf_printf(b, "%d.%d.%d.%d", a[12], a[13], a[14], a[15]);
            break;
        }
        lg_abuf_printf(b, "%x", a[2 * i] << 8 | a[2 * i + 1]);
    }
}

static void
put_addr(lg_abuf *b, const struct inet *x, bool always_bits, bool never_bits)
{
    if (x->family == 4)
        lg_abuf_printf(b, "%d.%d.%d.%d", x->a[0], x->a[1], x->a[2], x->a[3]);
    else
        put_v6(b, x->a);
    bool full = x->bits == addr_len(x) * 8;
    if (!never_bits && (always_bits || !full))
        lg_abuf_printf(b, "/%d", x->bits);
}

static lg_datum
text_of(lg_call *c, bool always_bits, bool never_bits, bool cstring)
{
    struct inet x = unpack(ARG(0));
    lg_abuf b;
    lg_abuf_for(&b, c);
    put_addr(&b, &x, always_bits, never_bits);
    return cstring ? lg_datum_ptr(lg_abuf_cstring(&b)) : lg_abuf_text(&b);
}

LG_FN(inet_out)
{
    return text_of(c, false, false, true);
}
LG_FN(network_host)
{
    return text_of(c, false, true, false);
}
LG_FN(network_show)
{
    return text_of(c, true, false, false);
}
LG_FN(inet_abbrev)
{
    return text_of(c, false, false, false);
}
LG_FN(network_family)
{
    return lg_datum_int4(unpack(ARG(0)).family);
}
LG_FN(network_masklen)
{
    return lg_datum_int4(unpack(ARG(0)).bits);
}

/* {family 2 or 3, bits, is_cidr, length, address}, as PostgreSQL sends it. */
LG_FN(inet_send)
{
    struct inet x = unpack(ARG(0));
    lg_varlen *v = lg_varlen_new(c->arena, 4 + addr_len(&x));
    v->data[0] = x.family == 4 ? 2 : 3;
    v->data[1] = (char)x.bits;
    v->data[2] = 0;
    v->data[3] = (char)addr_len(&x);
    memcpy(v->data + 4, x.a, addr_len(&x));
    return lg_datum_ptr(v);
}

LG_FN(inet_recv)
{
    lg_recvbuf *b = lg_ptr(ARG(0));
    uint8_t head[4];
    struct inet x = {0};
    if (!lg_recv_octets(c, b, head, 4))
        return 0;
    x.family = head[0] == 2 ? 4 : 6;
    x.bits = head[1];
    if ((head[0] != 2 && head[0] != 3) || head[3] != addr_len(&x) || x.bits > addr_len(&x) * 8)
        return lg_call_error(c, "22P03", "invalid address family in external \"inet\" value");
    return lg_recv_octets(c, b, x.a, addr_len(&x)) ? pack(c, &x) : 0;
}

static int
compare_bits(const uint8_t *a, const uint8_t *b, int bits)
{
    int bytes = bits / 8, r = memcmp(a, b, (size_t)bytes);
    if (r || bits % 8 == 0)
        return r;
    int shift = 8 - bits % 8;
    return (a[bytes] >> shift) - (b[bytes] >> shift);
}

/* Family, then the common network bits, then netmask length, then the whole address. */
int
lg_inet_compare(lg_datum da, lg_datum db)
{
    struct inet x = unpack(da), y = unpack(db);
    if (x.family != y.family)
        return x.family - y.family;
    int r = compare_bits(x.a, y.a, x.bits < y.bits ? x.bits : y.bits);
    if (r == 0)
        r = x.bits - y.bits;
    return r ? r : memcmp(x.a, y.a, addr_len(&x));
}

/* The family; the network bits, two bits each (0: 01, 1: 10, end: 00), so that a shorter network comes first; the
 * address. */
size_t
lg_inet_key(lg_datum d, uint8_t *to)
{
    struct inet x = unpack(d);
    size_t n = 1, groups = (size_t)x.bits / 4 + 1;
    to[0] = (uint8_t)x.family;
    memset(to + n, 0, groups);
    for (int i = 0; i < x.bits; i++) {
        int bit = x.a[i / 8] >> (7 - i % 8) & 1;
        to[n + (size_t)i / 4] |= (uint8_t)((bit ? 2 : 1) << (6 - 2 * (i % 4)));
    }
    memcpy(to + n + groups, x.a, addr_len(&x));
    return n + groups + addr_len(&x);
}

LG_FN(network_eq)
{
    return lg_inet_compare(ARG(0), ARG(1)) == 0;
}
LG_FN(network_ne)
{
    return lg_inet_compare(ARG(0), ARG(1)) != 0;
}
LG_FN(network_lt)
{
    return lg_inet_compare(ARG(0), ARG(1)) < 0;
}
LG_FN(network_le)
{
    return lg_inet_compare(ARG(0), ARG(1)) <= 0;
}
LG_FN(network_gt)
{
    return lg_inet_compare(ARG(0), ARG(1)) > 0;
}
LG_FN(network_ge)
{
    return lg_inet_compare(ARG(0), ARG(1)) >= 0;
}
LG_FN(network_cmp)
{
    int r = lg_inet_compare(ARG(0), ARG(1));
    return lg_datum_int4((r > 0) - (r < 0));
}
LG_FN(network_larger)
{
    return lg_inet_compare(ARG(0), ARG(1)) > 0 ? ARG(0) : ARG(1);
}
LG_FN(network_smaller)
{
    return lg_inet_compare(ARG(0), ARG(1)) < 0 ? ARG(0) : ARG(1);
}

/* --- cidr --- */

static uint8_t
mask_byte(int bits, int at)
{
    int n = bits - 8 * at;
    return (uint8_t)(n >= 8 ? 0xff : n <= 0 ? 0 : 0xff00u >> n);
}

static bool
clear_beyond_mask(struct inet *x)
{
    bool was = true;
    for (int i = 0; i < (int)addr_len(x); i++) {
        uint8_t m = mask_byte(x->bits, i);
        was = was && !(x->a[i] & ~m);
        x->a[i] &= m;
    }
    return was;
}

/* Fewer than four octets are allowed; then the mask is of the address's old class, or of what is
 * written if that is longer. */
static const char *
parse_cidr_v4(const char *p, struct inet *x)
{
    int n = 0;
    while (n < 4 && isdigit((unsigned char)*p)) {
        int v = 0, digits = 0;
        for (; isdigit((unsigned char)*p) && digits < 4; digits++)
            v = v * 10 + (*p++ - '0');
        if (v > 255)
            return NULL;
        x->a[n++] = (uint8_t)v;
        if (*p != '.')
            break;
        if (!isdigit((unsigned char)p[1]))
            return NULL;
        p++;
    }
    if (!n)
        return NULL;
    int bits = x->a[0] >= 240   ? 32
               : x->a[0] >= 224 ? 8
               : x->a[0] >= 192 ? 24
               : x->a[0] >= 128 ? 16
                                : 8;
    bits = bits < 8 * n ? 8 * n : bits;
    if (bits == 8 && x->a[0] == 224 && n == 1)
        bits = 4;
    x->bits = (uint8_t)bits;
    return p;
}

LG_FN(cidr_in)
{
    const char *s = ARG_CSTR(0), *p;
    struct inet x = {.family = strchr(s, ':') ? 6 : 4, .bits = 128};
    p = x.family == 6 ? parse_v6(s, x.a) : parse_cidr_v4(s, &x);
    if (p && *p == '/' && isdigit((unsigned char)p[1])) {
        char *end;
        unsigned long bits = strtoul(p + 1, &end, 10);
        p = bits > addr_len(&x) * 8 ? NULL : end;
        x.bits = (uint8_t)bits;
    }
    if (!p || *p)
        return lg_call_error(c, "22P02", "invalid input syntax for type cidr: \"%s\"", s);
    if (!clear_beyond_mask(&x)) {
        lg_call_error(c, "22P02", "invalid cidr value: \"%s\"", s);
        lg_error_detail(c->err, "Value has bits set to right of mask.");
        return 0;
    }
    return pack(c, &x);
}

LG_FN(cidr_out)
{
    return text_of(c, true, false, true);
}
LG_FN(cidr_send)
{
    lg_datum d = lg_fn_inet_send(c);
    ((lg_varlen *)lg_ptr(d))->data[2] = 1;
    return d;
}
LG_FN(cidr_recv)
{
    lg_datum d = lg_fn_inet_recv(c);
    if (c->st)
        return 0;
    struct inet x = unpack(d);
    if (!clear_beyond_mask(&x)) {
        lg_call_error(c, "22P03", "invalid external \"cidr\" value");
        lg_error_detail(c->err, "Value has bits set to right of mask.");
        return 0;
    }
    return d;
}
LG_FN(inet_to_cidr)
{
    struct inet x = unpack(ARG(0));
    clear_beyond_mask(&x);
    return pack(c, &x);
}

/* Without the octets that the mask does not reach. */
LG_FN(cidr_abbrev)
{
    struct inet x = unpack(ARG(0));
    lg_abuf b;
    lg_abuf_for(&b, c);
    if (x.family == 4) {
        int n = x.bits ? (x.bits + 7) / 8 : 1;
        for (int i = 0; i < n; i++)
            lg_abuf_printf(&b, i ? ".%d" : "%d", x.a[i]);
    } else {
        put_v6(&b, x.a);
        if (b.len > 2 && b.p[b.len - 1] == ':' && b.p[b.len - 2] == ':')
            b.len -= 2;
    }
    lg_abuf_printf(&b, "/%d", x.bits);
    return lg_abuf_text(&b);
}

/* --- masks --- */

static lg_datum
set_masklen(lg_call *c, bool cidr)
{
    struct inet x = unpack(ARG(0));
    int bits = ARG_INT4(1);
    if (bits == -1)
        bits = (int)addr_len(&x) * 8;
    if (bits < 0 || bits > (int)addr_len(&x) * 8)
        return lg_call_error(c, "22023", "invalid mask length: %d", bits);
    x.bits = (uint8_t)bits;
    if (cidr)
        clear_beyond_mask(&x);
    return pack(c, &x);
}

LG_FN(inet_set_masklen)
{
    return set_masklen(c, false);
}
LG_FN(cidr_set_masklen)
{
    return set_masklen(c, true);
}

LG_FN(network_broadcast)
{
    struct inet x = unpack(ARG(0));
    for (int i = 0; i < (int)addr_len(&x); i++)
        x.a[i] |= (uint8_t)~mask_byte(x.bits, i);
    return pack(c, &x);
}
LG_FN(network_network)
{
    return lg_fn_inet_to_cidr(c);
}

static lg_datum
mask(lg_call *c, bool host)
{
    struct inet x = unpack(ARG(0));
    for (int i = 0; i < (int)addr_len(&x); i++)
        x.a[i] = (uint8_t)(host ? ~mask_byte(x.bits, i) : mask_byte(x.bits, i));
    x.bits = (uint8_t)(addr_len(&x) * 8);
    return pack(c, &x);
}

LG_FN(network_netmask)
{
    return mask(c, false);
}
LG_FN(network_hostmask)
{
    return mask(c, true);
}

/* --- containment --- */

/* Do the networks agree in the first bits of the one that has `of` (0, 1; 2: the shorter mask)? */
static bool
same_network(const lg_call *c, int of, struct inet *x, struct inet *y)
{
    *x = unpack(ARG(0));
    *y = unpack(ARG(1));
    int bits = of == 0 ? x->bits : of == 1 ? y->bits : x->bits < y->bits ? x->bits : y->bits;
    return x->family == y->family && compare_bits(x->a, y->a, bits) == 0;
}

LG_FN(network_sub)
{
    struct inet x, y;
    return lg_datum_bool(same_network(c, 1, &x, &y) && x.bits > y.bits);
}
LG_FN(network_subeq)
{
    struct inet x, y;
    return lg_datum_bool(same_network(c, 1, &x, &y) && x.bits >= y.bits);
}
LG_FN(network_sup)
{
    struct inet x, y;
    return lg_datum_bool(same_network(c, 0, &x, &y) && x.bits < y.bits);
}
LG_FN(network_supeq)
{
    struct inet x, y;
    return lg_datum_bool(same_network(c, 0, &x, &y) && x.bits <= y.bits);
}
LG_FN(network_overlap)
{
    struct inet x, y;
    return lg_datum_bool(same_network(c, 2, &x, &y));
}
LG_FN(inet_same_family)
{
    return lg_datum_bool(unpack(ARG(0)).family == unpack(ARG(1)).family);
}

LG_FN(inet_merge)
{
    struct inet x = unpack(ARG(0)), y = unpack(ARG(1));
    if (x.family != y.family)
        return lg_call_error(c, "22023", "cannot merge addresses from different families");
    int bits = x.bits < y.bits ? x.bits : y.bits;
    while (bits && compare_bits(x.a, y.a, bits))
        bits--;
    x.bits = (uint8_t)bits;
    clear_beyond_mask(&x);
    return pack(c, &x);
}

/* --- arithmetic --- */

static lg_datum
logic(lg_call *c, char op, const char *name)
{
    struct inet x = unpack(ARG(0)), y = op == '~' ? x : unpack(ARG(1));
    if (x.family != y.family)
        return lg_call_error(c, "22023", "cannot %s inet values of different sizes", name);
    for (size_t i = 0; i < addr_len(&x); i++)
        x.a[i] = (uint8_t)(op == '~' ? ~x.a[i] : op == '&' ? x.a[i] & y.a[i] : x.a[i] | y.a[i]);
    x.bits = x.bits > y.bits ? x.bits : y.bits;
    return pack(c, &x);
}

LG_FN(inetnot)
{
    return logic(c, '~', "NOT");
}
LG_FN(inetand)
{
    return logic(c, '&', "AND");
}
LG_FN(inetor)
{
    return logic(c, '|', "OR");
}

/* The addend's sign reaches over all octets; a carry out of the top must be the sign's own. */
static lg_datum
add(lg_call *c, lg_datum d, int64_t addend)
{
    struct inet x = unpack(d);
    int carry = 0;
    bool negative = addend < 0;
    for (size_t i = addr_len(&x); i-- > 0;) {
        carry += x.a[i] + (int)((uint64_t)addend & 0xff);
        x.a[i] = (uint8_t)carry;
        carry >>= 8;
        addend >>= 8;
    }
    if (!((addend == 0 && carry == 0) || (addend == -1 && carry == 1)) || (negative && !carry) ||
        (!negative && carry))
        return lg_call_error(c, "22003", "result is out of range");
    return pack(c, &x);
}

LG_FN(inetpl)
{
    return add(c, ARG(0), ARG_INT8(1));
}
LG_FN(oid_2631) /* int8 + inet */
{
    return add(c, ARG(1), ARG_INT8(0));
}
LG_FN(inetmi_int8)
{
    return add(c, ARG(0), ARG_INT8(1) == INT64_MIN ? INT64_MIN : -ARG_INT8(1)); /* as PostgreSQL */
}

LG_FN(inetmi)
{
    struct inet x = unpack(ARG(0)), y = unpack(ARG(1));
    if (x.family != y.family)
        return lg_call_error(c, "22023", "cannot subtract inet values of different sizes");
    unsigned __int128 a = 0, b = 0;
    for (size_t i = 0; i < addr_len(&x); i++) {
        a = a << 8 | x.a[i];
        b = b << 8 | y.a[i];
    }
    unsigned __int128 r = a > b ? a - b : b - a;
    if (r > (unsigned __int128)INT64_MAX + (a < b))
        return lg_call_error(c, "22003", "result is out of range");
    return lg_datum_int8(a < b ? (int64_t)(0 - (uint64_t)r) : (int64_t)r);
}

LG_FN(hashinet)
{
    return lg_datum_int4((int32_t)lg_hash_bytes(ARG_STR(0), ARG_LEN(0), 0));
}
LG_FN(hashinetextended)
{
    return lg_datum_int8((int64_t)lg_hash_bytes(ARG_STR(0), ARG_LEN(0), (uint64_t)ARG_INT8(1)));
}
