/* boolean, oid and its kin (xid, cid, tid, xid8, pg_lsn), "char", void, pseudo-types. */
#include "hash.h"
#include "types_values.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static lg_datum
bad_syntax(lg_call *c, const char *type, const char *s)
{
    return lg_call_error(c, "22P02", "invalid input syntax for type %s: \"%s\"", type, s);
}

static lg_datum
cstring_result(lg_call *c, const char *s)
{
    return lg_datum_ptr(lg_arena_strdup(c->arena, s));
}

/* --- boolean --- */

/* Any unique prefix of true, false, yes, no; on, off; 1, 0. -1: none of them. */
static int
parse_bool(const char *s, size_t n)
{
    if (n == 0)
        return -1;
    if (strncasecmp(s, "true", n) == 0 || strncasecmp(s, "yes", n) == 0)
        return 1;
    if (strncasecmp(s, "false", n) == 0 || strncasecmp(s, "no", n) == 0)
        return 0;
    if (n == 2 && strncasecmp(s, "on", 2) == 0)
        return 1;
    if ((n == 2 || n == 3) && strncasecmp(s, "off", n) == 0)
        return 0;
    if (n == 1 && (*s == '1' || *s == '0'))
        return *s == '1';
    return -1;
}

LG_FN(boolin)
{
    const char *s = ARG_CSTR(0), *e = s + strlen(s);
    while (isspace((unsigned char)*s))
        s++;
    while (e > s && isspace((unsigned char)e[-1]))
        e--;
    int v = parse_bool(s, (size_t)(e - s));
    return v < 0 ? bad_syntax(c, "boolean", ARG_CSTR(0)) : (lg_datum)v;
}

LG_FN(boolout)
{
    return lg_datum_ptr(ARG(0) ? "t" : "f");
}
LG_FN(boolrecv)
{
    return lg_recv_uint(c, lg_ptr(ARG(0)), 1) != 0;
}
LG_FN(boolsend)
{
    return lg_send_uint(c, ARG(0), 1);
}
LG_FN(booltext)
{
    return lg_datum_cstring_text(c->arena, ARG(0) ? "true" : "false");
}
LG_FN(booleq)
{
    return ARG(0) == ARG(1);
}
LG_FN(boolne)
{
    return ARG(0) != ARG(1);
}
LG_FN(boollt)
{
    return ARG(0) < ARG(1);
}
LG_FN(boolle)
{
    return ARG(0) <= ARG(1);
}
LG_FN(boolgt)
{
    return ARG(0) > ARG(1);
}
LG_FN(boolge)
{
    return ARG(0) >= ARG(1);
}
LG_FN(booland_statefunc)
{
    return ARG(0) & ARG(1);
}
LG_FN(boolor_statefunc)
{
    return ARG(0) | ARG(1);
}
LG_FN(btboolcmp)
{
    return lg_datum_int4((int)ARG(0) - (int)ARG(1));
}

/* --- unsigned identifiers --- */

static lg_datum
parse_u32(lg_call *c, const char *s, const char *type)
{
    const char *p = s;
    char *end;
    while (isspace((unsigned char)*p))
        p++;
    if (!*p)
        return bad_syntax(c, type, s);
    errno = 0;
    unsigned long long v = strtoull(p, &end, 10);
    if (end == p)
        return bad_syntax(c, type, s);
    while (isspace((unsigned char)*end))
        end++;
    if (*end)
        return bad_syntax(c, type, s);
    /* -1 is accepted and wraps, as PostgreSQL has always done. */
    if (errno == ERANGE || (v != (uint32_t)v && v != (unsigned long long)(int64_t)(int32_t)v))
        return lg_call_error(c, "22003", "value \"%s\" is out of range for type %s", s, type);
    return (uint32_t)v;
}

static lg_datum
u64_out(lg_call *c)
{
    return lg_datum_ptr(lg_arena_printf(c->arena, "%" PRIu64, ARG(0)));
}

LG_FN(oidin)
{
    return parse_u32(c, ARG_CSTR(0), "oid");
}
LG_FN(oidout)
{
    return u64_out(c);
}
LG_FN(oidrecv)
{
    return lg_recv_uint(c, lg_ptr(ARG(0)), 4);
}
LG_FN(oidsend)
{
    return lg_send_uint(c, ARG(0), 4);
}
LG_FN(xidin)
{
    return (uint32_t)strtoul(ARG_CSTR(0), NULL, 0);
}
LG_FN(xidout)
{
    return u64_out(c);
}
LG_FN(xidrecv)
{
    return lg_recv_uint(c, lg_ptr(ARG(0)), 4);
}
LG_FN(xidsend)
{
    return lg_send_uint(c, ARG(0), 4);
}
LG_FN(cidin)
{
    return (uint32_t)strtoul(ARG_CSTR(0), NULL, 0);
}
LG_FN(cidout)
{
    return u64_out(c);
}
LG_FN(cidrecv)
{
    return lg_recv_uint(c, lg_ptr(ARG(0)), 4);
}
LG_FN(cidsend)
{
    return lg_send_uint(c, ARG(0), 4);
}
LG_FN(xid8in)
{
    return (uint64_t)strtoull(ARG_CSTR(0), NULL, 0);
}
LG_FN(xid8out)
{
    return u64_out(c);
}
LG_FN(xid8recv)
{
    return lg_recv_uint(c, lg_ptr(ARG(0)), 8);
}
LG_FN(xid8send)
{
    return lg_send_uint(c, ARG(0), 8);
}
LG_FN(xid8toxid)
{
    return (uint32_t)ARG(0);
}
LG_FN(xideq)
{
    return ARG(0) == ARG(1);
}
LG_FN(xidneq)
{
    return ARG(0) != ARG(1);
}
LG_FN(cideq)
{
    return ARG(0) == ARG(1);
}

#define COMPARE_UNSIGNED(p, bt)                                                                    \
    LG_FN(p##eq)                                                                                   \
    {                                                                                              \
        return ARG(0) == ARG(1);                                                                   \
    }                                                                                              \
    LG_FN(p##ne)                                                                                   \
    {                                                                                              \
        return ARG(0) != ARG(1);                                                                   \
    }                                                                                              \
    LG_FN(p##lt)                                                                                   \
    {                                                                                              \
        return ARG(0) < ARG(1);                                                                    \
    }                                                                                              \
    LG_FN(p##le)                                                                                   \
    {                                                                                              \
        return ARG(0) <= ARG(1);                                                                   \
    }                                                                                              \
    LG_FN(p##gt)                                                                                   \
    {                                                                                              \
        return ARG(0) > ARG(1);                                                                    \
    }                                                                                              \
    LG_FN(p##ge)                                                                                   \
    {                                                                                              \
        return ARG(0) >= ARG(1);                                                                   \
    }                                                                                              \
    LG_FN(bt)                                                                                      \
    {                                                                                              \
        return lg_datum_int4((ARG(0) > ARG(1)) - (ARG(0) < ARG(1)));                               \
    }

#define EXTREMES(larger, smaller)                                                                  \
    LG_FN(larger)                                                                                  \
    {                                                                                              \
        return ARG(0) > ARG(1) ? ARG(0) : ARG(1);                                                  \
    }                                                                                              \
    LG_FN(smaller)                                                                                 \
    {                                                                                              \
        return ARG(0) < ARG(1) ? ARG(0) : ARG(1);                                                  \
    }

COMPARE_UNSIGNED(oid, btoidcmp)
COMPARE_UNSIGNED(char, btcharcmp)
COMPARE_UNSIGNED(tid, bttidcmp)
COMPARE_UNSIGNED(xid8, xid8cmp)
COMPARE_UNSIGNED(pg_lsn_, pg_lsn_cmp)
EXTREMES(oidlarger, oidsmaller)
EXTREMES(tidlarger, tidsmaller)
EXTREMES(xid8_larger, xid8_smaller)
EXTREMES(pg_lsn_larger, pg_lsn_smaller)

/* --- tid: (block,slot) --- */

LG_FN(tidin)
{
    unsigned long block, slot;
    char end;
    if (sscanf(ARG_CSTR(0), " ( %lu , %lu %c", &block, &slot, &end) != 3 || end != ')' ||
        block > UINT32_MAX || slot > UINT16_MAX)
        return bad_syntax(c, "tid", ARG_CSTR(0));
    return (lg_datum)block << 16 | slot;
}

LG_FN(tidout)
{
    return lg_datum_ptr(lg_arena_printf(c->arena, "(%u,%u)", (uint32_t)(ARG(0) >> 16),
                                        (uint32_t)(ARG(0) & 0xffff)));
}

LG_FN(tidrecv)
{
    lg_recvbuf *b = lg_ptr(ARG(0));
    uint64_t block = lg_recv_uint(c, b, 4);
    return block << 16 | lg_recv_uint(c, b, 2);
}

LG_FN(tidsend)
{
    return lg_send_uint(c, ARG(0), 6);
}

/* --- pg_lsn --- */

LG_FN(pg_lsn_in)
{
    unsigned hi, lo;
    int used = 0;
    if (sscanf(ARG_CSTR(0), "%8X/%8X%n", &hi, &lo, &used) != 2 || ARG_CSTR(0)[used])
        return bad_syntax(c, "pg_lsn", ARG_CSTR(0));
    return (lg_datum)hi << 32 | lo;
}

LG_FN(pg_lsn_out)
{
    return lg_datum_ptr(
        lg_arena_printf(c->arena, "%X/%X", (uint32_t)(ARG(0) >> 32), (uint32_t)ARG(0)));
}

LG_FN(pg_lsn_recv)
{
    return lg_recv_uint(c, lg_ptr(ARG(0)), 8);
}
LG_FN(pg_lsn_send)
{
    return lg_send_uint(c, ARG(0), 8);
}

/* --- "char" --- */

static bool
octal(char ch)
{
    return ch >= '0' && ch <= '7';
}

static lg_datum
parse_char(const char *s, size_t n)
{
    if (n == 4 && s[0] == '\\' && octal(s[1]) && octal(s[2]) && octal(s[3]))
        return lg_datum_char((char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0')));
    return n ? lg_datum_char(s[0]) : 0;
}

LG_FN(charin)
{
    return parse_char(ARG_CSTR(0), strlen(ARG_CSTR(0)));
}

static const char *
char_text(lg_call *c, uint8_t ch)
{
    if (ch & 0x80)
        return lg_arena_printf(c->arena, "\\%03o", ch);
    return lg_arena_strndup(c->arena, (char *)&ch, ch ? 1 : 0);
}

LG_FN(charout)
{
    return lg_datum_ptr(char_text(c, (uint8_t)ARG(0)));
}
LG_FN(charrecv)
{
    return lg_recv_uint(c, lg_ptr(ARG(0)), 1);
}
LG_FN(charsend)
{
    return lg_send_uint(c, ARG(0), 1);
}
LG_FN(char_text)
{
    return lg_datum_cstring_text(c->arena, char_text(c, (uint8_t)ARG(0)));
}
LG_FN(text_char)
{
    return parse_char(ARG_STR(0), ARG_LEN(0));
}

/* --- pseudo-types --- */

LG_FN(void_in)
{
    return 0;
}
LG_FN(void_out)
{
    return lg_datum_ptr("");
}
LG_FN(void_recv)
{
    return 0;
}
LG_FN(void_send)
{
    return lg_datum_text(c->arena, "", 0);
}
LG_FN(cstring_in)
{
    return cstring_result(c, ARG_CSTR(0));
}
LG_FN(cstring_out)
{
    return ARG(0);
}
LG_FN(cstring_send)
{
    return lg_datum_cstring_text(c->arena, ARG_CSTR(0));
}
LG_FN(trigger_in)
{
    return lg_call_error(c, "0A000", "cannot accept a value of type trigger");
}
LG_FN(trigger_out)
{
    return lg_call_error(c, "0A000", "cannot display a value of type trigger");
}

/* --- hashes, as functions --- */

static lg_datum
hash_by_type(lg_call *c)
{
    lg_hash_fn h = lg_type_hash_fn(lg_argtype(c, 0));
    return lg_datum_int4((int32_t)h(ARG(0)));
}

LG_FN(hashoid)
{
    return hash_by_type(c);
}
LG_FN(hashchar)
{
    return hash_by_type(c);
}
LG_FN(hashtext)
{
    return hash_by_type(c);
}
LG_FN(hashname)
{
    return hash_by_type(c);
}
LG_FN(hashbpchar)
{
    return hash_by_type(c);
}
LG_FN(hashfloat4)
{
    return hash_by_type(c);
}
LG_FN(hashfloat8)
{
    return hash_by_type(c);
}
LG_FN(hash_numeric)
{
    return hash_by_type(c);
}
static lg_datum
hash_extended(lg_call *c)
{
    lg_hash_fn f = lg_type_hash_fn(lg_argtype(c, 0));
    return lg_datum_int8((int64_t)lg_hash_u64(f(ARG(0)) ^ (uint64_t)ARG_INT8(1)));
}

LG_FN(uuid_hash_extended)
{
    return hash_extended(c);
}
LG_FN(interval_hash_extended)
{
    return hash_extended(c);
}
LG_FN(time_hash_extended)
{
    return hash_extended(c);
}
LG_FN(timetz_hash_extended)
{
    return hash_extended(c);
}
LG_FN(jsonb_hash_extended)
{
    return hash_extended(c);
}
/* Equal values are the same bytes. */
LG_FN(btequalimage)
{
    return 1;
}
LG_FN(btvarstrequalimage)
{
    return 1;
}

LG_FN(uuid_hash)
{
    return hash_by_type(c);
}
LG_FN(interval_hash)
{
    return hash_by_type(c);
}
LG_FN(timestamp_hash)
{
    return hash_by_type(c);
}
LG_FN(time_hash)
{
    return hash_by_type(c);
}
LG_FN(timetz_hash)
{
    return hash_by_type(c);
}
LG_FN(hashtid)
{
    return hash_by_type(c);
}
LG_FN(hash_array)
{
    return hash_by_type(c);
}
LG_FN(hash_aclitem)
{
    return hash_by_type(c);
}
