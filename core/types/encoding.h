/* Character encodings of clients, and their conversion from and to the servers' UTF-8.
 *
 * Every text inside is valid UTF-8 without NUL bytes; whatever comes from outside passes through here or through
 * lg_encoding_verify. Conversions are ICU's, without its one-way fallbacks: what would not come back as it went is an
 * error, as in PostgreSQL. Encodings are constants; nothing here locks or blocks. */
#ifndef LG_ENCODING_H
#define LG_ENCODING_H

#include "arena.h"
#include "error.h"
#include "status.h"
#include <stdbool.h>
#include <stddef.h>

/* PostgreSQL's numbers; those behind KOI8U are for clients alone. */
enum { LG_ENCODING_SQL_ASCII = 0, LG_ENCODING_UTF8 = 6, LG_ENCODING_LAST_OF_SERVERS = 34 };

typedef struct lg_encoding {
    const char *name; /* PostgreSQL's */
    const char *icu;  /* NULL: cannot be converted */
    const char *aliases;
    int id;
    int max_bytes; /* of a character */
} lg_encoding;

/* Letters and digits count, in either case: "utf-8" is UTF8. NULL: unknown. */
const lg_encoding *lg_encoding_by_name(const char *name);
const lg_encoding *lg_encoding_by_id(int id); /* NULL: unknown */

/* Can a client have it? UTF8 and SQL_ASCII, which is taken as it is, can. */
bool lg_encoding_convertible(const lg_encoding *e);

/* 22021 unless the bytes are UTF-8; a NUL byte is not. */
lg_status lg_encoding_verify(const char *s, size_t len, lg_error *err);

/* Bytes of that encoding as UTF-8, and back. The result lies in the arena, ended by a byte 0 that is not counted, or
 * is s itself when nothing has to be changed. 22021: s is not of the encoding; 22P05: a character that the
 * other one does not have. SQL_ASCII and UTF8: s itself, verified on the way in. */
lg_status lg_encoding_to_utf8(const lg_encoding *e, const char *s, size_t len, lg_arena *a,
                              lg_error *err, const char **ret, size_t *ret_len);
lg_status lg_encoding_from_utf8(const lg_encoding *e, const char *s, size_t len, lg_arena *a,
                                lg_error *err, const char **ret, size_t *ret_len);

/* As from_utf8, for what must not fail: a character that is missing there is shown as a question mark. */
const char *lg_encoding_show(const lg_encoding *e, const char *s, size_t len, lg_arena *a,
                             size_t *ret_len);

#endif
