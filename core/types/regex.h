/* Regular expressions by PostgreSQL's rules (its ARE, ERE and BRE, after Henry Spencer's engine).
 *
 * A match is the leftmost one, and of those the longest or the shortest as the expression prefers; captures are
 * found afterwards by dissecting it, each part taking as much (or as little) as it may while the rest still
 * matches. So alternatives match by length, not by order, which is why PCRE2 does not do.
 *
 * LIFE. lg_regex_compile puts everything into the arena given (that of a call site), the automata too, which are made
 * when first needed and remember their steps; so a compiled expression belongs to one fiber. Texts are code points.
 *
 * TIME. Finding whether and where is linear in the text but for look-behind; captures and back
 * references may backtrack; `check` is called every few thousand steps and stops the match when it
 * says so. Nothing here blocks. */
#ifndef LG_TYPES_REGEX_H
#define LG_TYPES_REGEX_H

#include "arena.h"
#include <stdbool.h>
#include <stdint.h>

#define LG_RX_ICASE    1u   /* upper and lower case are the same */
#define LG_RX_NLSTOP   2u   /* . and [^...] never match a newline */
#define LG_RX_NLANCH   4u   /* ^ and $ match at newlines too */
#define LG_RX_EXPANDED 8u   /* blanks and comments are left out */
#define LG_RX_QUOTE    16u  /* a literal */
#define LG_RX_ERE      32u  /* without the escapes and extensions of AREs */
#define LG_RX_BRE      64u  /* basic */
#define LG_RX_UNICODE  128u /* classes and case by Unicode; else ASCII (collation "C") */

/* An option letter as in (?letters): false: there is none such. */
bool lg_regex_option(uint32_t ch, uint32_t *flags);

typedef struct lg_regex lg_regex;

typedef struct lg_rx_span {
    int32_t from, to; /* -1: not set */
} lg_rx_span;

/* LG_OK in the sense of NULL: compiled. Else what is wrong, in PostgreSQL's words. */
const char *lg_regex_compile(lg_arena *a, const uint32_t *pattern, int32_t len, uint32_t flags,
                             lg_regex **ret);
uint32_t lg_regex_groups(const lg_regex *r); /* capturing parentheses */

/* The first match at or after `from`: 1 with spans[0..nspans-1] (the whole, then the groups), 0 none, -1 stopped by
 * check (may be NULL), -2 too complex. */
int lg_regex_exec(lg_regex *r, const uint32_t *s, int32_t n, int32_t from, lg_rx_span *spans,
                  uint32_t nspans, bool (*check)(void *arg), void *arg);

#endif
