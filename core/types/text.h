/* Helpers for UTF-8 text shared by the string functions. Not for other modules. */
#ifndef LG_TYPES_TEXT_H
#define LG_TYPES_TEXT_H

#include "types_values.h"

/* Length of the UTF-8 character that starts with this byte (1 for bytes that start none). */
static inline size_t
lg_utf8_len(uint8_t first)
{
    return first < 0xc0 || first > 0xf7 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Bytes of the first n characters of s (len bytes), or len if there are fewer. */
size_t lg_utf8_prefix(const char *s, size_t len, int64_t n);
int64_t lg_utf8_count(const char *s, size_t len);
/* The character at s and its length (at most left bytes). */
uint32_t lg_utf8_decode(const char *s, size_t left, size_t *ret_len);
size_t lg_utf8_encode(uint32_t ch, char *to); /* to: 4 bytes */
/* As quote_ident and quote_literal do. */
void lg_text_quote_ident(lg_abuf *b, const char *s, size_t len);
void lg_text_quote_literal(lg_abuf *b, const char *s, size_t len);
bool lg_utf8_valid(const char *s, size_t len, size_t *ret_bad);
/* SIMILAR TO's pattern as a regular expression; escape character of ne bytes, 0: none. */
bool lg_text__escape_ok(lg_call *c, lg_datum escape);
lg_datum lg_text__similar(lg_call *c, lg_datum pattern, const char *e, size_t ne);

#endif
