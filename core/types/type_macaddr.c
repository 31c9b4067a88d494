/* macaddr (6 bytes) and macaddr8 (8 bytes), held as they are written. */
#include "hash.h"
#include "types_internal.h"
#include "types_values.h"
#include <ctype.h>
#include <stdio.h>

static const uint8_t *
bytes_of(lg_datum d)
{
    return lg_ptr(d);
}

static lg_datum
make(lg_call *c, const uint8_t *a, size_t n)
{
    return lg_datum_ptr(lg_arena_dup(c->arena, a, n));
}

/* --- input, output --- */

LG_FN(macaddr_in)
{
    static const char *const forms[] = {"%x:%x:%x:%x:%x:%x%1s",    "%x-%x-%x-%x-%x-%x%1s",
                                        "%2x%2x%2x:%2x%2x%2x%1s",  "%2x%2x%2x-%2x%2x%2x%1s",
                                        "%2x%2x.%2x%2x.%2x%2x%1s", "%2x%2x-%2x%2x-%2x%2x%1s",
                                        "%2x%2x%2x%2x%2x%2x%1s"};
    const char *s = ARG_CSTR(0);
    unsigned x[6];
    char junk[2];
    uint8_t a[6];
    size_t i = 0;
    /* The forms are constants: a non-literal format is what this table is for. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    for (; i < sizeof forms / sizeof *forms; i++)
        if (sscanf(s, forms[i], &x[0], &x[1], &x[2], &x[3], &x[4], &x[5], junk) == 6)
            break;
#pragma GCC diagnostic pop
    if (i == sizeof forms / sizeof *forms)
        return lg_call_error(c, "22P02", "invalid input syntax for type %s: \"%s\"", "macaddr", s);
    for (i = 0; i < 6; i++) {
        if (x[i] > 255)
            return lg_call_error(c, "22003", "invalid octet value in \"macaddr\" value: \"%s\"", s);
        a[i] = (uint8_t)x[i];
    }
    return make(c, a, 6);
}

/* Six or eight octets, all separated alike or not at all. */
static bool
parse8(const char *s, uint8_t *a, int *ret_n)
{
    char sep = 0;
    int n = 0;
    while (isspace((unsigned char)*s))
        s++;
    while (isxdigit((unsigned char)*s) && isxdigit((unsigned char)s[1])) {
        const char pair[3] = {s[0], s[1], 0};
        unsigned v;
        if (n == 8 || sscanf(pair, "%2x", &v) != 1)
            return false;
        a[n++] = (uint8_t)v;
        s += 2;
        if (*s == ':' || *s == '-' || *s == '.') {
            if (sep && sep != *s)
                return false;
            sep = *s++;
            if (n == 8)
                return false;
        }
    }
    while (isspace((unsigned char)*s))
        s++;
    *ret_n = n;
    return !*s && (n == 6 || n == 8);
}

static void
widen(const uint8_t *a, uint8_t *ret)
{
    const uint8_t out[8] = {a[0], a[1], a[2], 0xff, 0xfe, a[3], a[4], a[5]};
    memcpy(ret, out, 8);
}

LG_FN(macaddr8_in)
{
    uint8_t a[8] = {0}, w[8];
    int n = 0;
    if (!parse8(ARG_CSTR(0), a, &n))
        return lg_call_error(c, "22P02", "invalid input syntax for type %s: \"%s\"", "macaddr8",
                             ARG_CSTR(0));
    if (n == 6) {
        widen(a, w);
        return make(c, w, 8);
    }
    return make(c, a, 8);
}

static lg_datum
output(lg_call *c, size_t n)
{
    char *s = lg_arena_alloc(c->arena, 3 * n);
    for (size_t i = 0; i < n; i++)
        snprintf(s + 3 * i, 3, "%02x", bytes_of(ARG(0))[i]);
    for (size_t i = 1; i < n; i++)
        s[3 * i - 1] = ':';
    return lg_datum_ptr(s);
}

LG_FN(macaddr_out)
{
    return output(c, 6);
}
LG_FN(macaddr8_out)
{
    return output(c, 8);
}
LG_FN(macaddr_send)
{
    return lg_datum_text(c->arena, lg_ptr(ARG(0)), 6);
}
LG_FN(macaddr8_send)
{
    return lg_datum_text(c->arena, lg_ptr(ARG(0)), 8);
}
LG_FN(macaddr_recv)
{
    uint8_t a[6];
    return lg_recv_octets(c, lg_ptr(ARG(0)), a, 6) ? make(c, a, 6) : 0;
}
LG_FN(macaddr8_recv)
{
    lg_recvbuf *b = lg_ptr(ARG(0));
    uint8_t a[8], w[8];
    if (b->len - b->pos == 6) {
        if (!lg_recv_octets(c, b, a, 6))
            return 0;
        widen(a, w);
        return make(c, w, 8);
    }
    return lg_recv_octets(c, b, a, 8) ? make(c, a, 8) : 0;
}

/* --- comparison, logic --- */

static int
compare(const lg_call *c, size_t n)
{
    return memcmp(lg_ptr(ARG(0)), lg_ptr(ARG(1)), n);
}

static lg_datum
logic(lg_call *c, size_t n, char op)
{
    uint8_t a[8];
    for (size_t i = 0; i < n; i++) {
        uint8_t x = bytes_of(ARG(0))[i];
        a[i] = (uint8_t)(op == '~'   ? ~x
                         : op == '&' ? x & bytes_of(ARG(1))[i]
                                     : x | bytes_of(ARG(1))[i]);
    }
    return make(c, a, n);
}

static lg_datum
trunc_to(lg_call *c, size_t n)
{
    uint8_t a[8] = {0};
    memcpy(a, lg_ptr(ARG(0)), 3);
    return make(c, a, n);
}

#define MACADDR(t, n)                                                                              \
    LG_FN(t##_eq)                                                                                  \
    {                                                                                              \
        return lg_datum_bool(compare(c, n) == 0);                                                  \
    }                                                                                              \
    LG_FN(t##_ne)                                                                                  \
    {                                                                                              \
        return lg_datum_bool(compare(c, n) != 0);                                                  \
    }                                                                                              \
    LG_FN(t##_lt)                                                                                  \
    {                                                                                              \
        return lg_datum_bool(compare(c, n) < 0);                                                   \
    }                                                                                              \
    LG_FN(t##_le)                                                                                  \
    {                                                                                              \
        return lg_datum_bool(compare(c, n) <= 0);                                                  \
    }                                                                                              \
    LG_FN(t##_gt)                                                                                  \
    {                                                                                              \
        return lg_datum_bool(compare(c, n) > 0);                                                   \
    }                                                                                              \
    LG_FN(t##_ge)                                                                                  \
    {                                                                                              \
        return lg_datum_bool(compare(c, n) >= 0);                                                  \
    }                                                                                              \
    LG_FN(t##_cmp)                                                                                 \
    {                                                                                              \
        int r = compare(c, n);                                                                     \
        return lg_datum_int4((r > 0) - (r < 0));                                                   \
    }                                                                                              \
    LG_FN(t##_not)                                                                                 \
    {                                                                                              \
        return logic(c, n, '~');                                                                   \
    }                                                                                              \
    LG_FN(t##_and)                                                                                 \
    {                                                                                              \
        return logic(c, n, '&');                                                                   \
    }                                                                                              \
    LG_FN(t##_or)                                                                                  \
    {                                                                                              \
        return logic(c, n, '|');                                                                   \
    }                                                                                              \
    LG_FN(t##_trunc)                                                                               \
    {                                                                                              \
        return trunc_to(c, n);                                                                     \
    }                                                                                              \
    LG_FN(hash##t)                                                                                 \
    {                                                                                              \
        return lg_datum_int4((int32_t)lg_hash_bytes(lg_ptr(ARG(0)), n, 0));                        \
    }                                                                                              \
    LG_FN(hash##t##extended)                                                                       \
    {                                                                                              \
        return lg_datum_int8((int64_t)lg_hash_bytes(lg_ptr(ARG(0)), n, (uint64_t)ARG_INT8(1)));    \
    }

MACADDR(macaddr, 6)
MACADDR(macaddr8, 8)

LG_FN(macaddr8_set7bit)
{
    uint8_t a[8];
    memcpy(a, lg_ptr(ARG(0)), 8);
    a[0] |= 2;
    return make(c, a, 8);
}

LG_FN(macaddrtomacaddr8)
{
    uint8_t w[8];
    widen(bytes_of(ARG(0)), w);
    return make(c, w, 8);
}

LG_FN(macaddr8tomacaddr)
{
    const uint8_t *a = bytes_of(ARG(0));
    if (a[3] != 0xff || a[4] != 0xfe) {
        lg_call_error(c, "22003", "macaddr8 data out of range to convert to macaddr");
        lg_error_hint(c->err, "Only addresses that have FF and FE as values in the 4th and 5th "
                              "bytes from the left, for example xx:xx:xx:ff:fe:xx:xx:xx, are "
                              "eligible to be converted from macaddr8 to macaddr.");
        return 0;
    }
    const uint8_t out[6] = {a[0], a[1], a[2], a[5], a[6], a[7]};
    return make(c, out, 6);
}
