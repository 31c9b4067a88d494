/* PostgreSQL frontend/backend protocol 3.0: a pure codec. No sockets, no fibers, no clock.
 *
 * Reading: give bytes to a lg_pgwire_reader; it hands out whole messages in place. Writing: append
 * messages to an lg_strbuf between lg_pgwire_begin and lg_pgwire_end. Both sides of the protocol
 * are covered as far as server, listener and tests need them. Source: PostgreSQL 15 documentation,
 * chapters 55.2 and 55.7.
 */
#ifndef LG_PGWIRE_PGWIRE_H
#define LG_PGWIRE_PGWIRE_H

#include "error.h"
#include "status.h"
#include "strbuf.h"
#include <stddef.h>
#include <stdint.h>

#define LG_PGWIRE_PROTOCOL_3     196608 /* 3.0 */
#define LG_PGWIRE_CANCEL_REQUEST 80877102
#define LG_PGWIRE_SSL_REQUEST    80877103
#define LG_PGWIRE_GSSENC_REQUEST 80877104

#define LG_PGWIRE_STARTUP_MAX 10000      /* as PostgreSQL's MAX_STARTUP_PACKET_LENGTH */
#define LG_PGWIRE_MESSAGE_MAX 0x3fffffff /* 1 GB, as PostgreSQL's */

/* ---- reading ---- */

typedef struct lg_pgwire_msg {
    char type; /* 0 for a startup packet */
    const char *data;
    uint32_t len; /* of data */
} lg_pgwire_msg;

typedef struct lg_pgwire_reader {
    char *buf; /* owned */
    size_t cap;
    size_t begin; /* first unread byte */
    size_t end;
    uint32_t max_message;
} lg_pgwire_reader;

void lg_pgwire_reader_init(lg_pgwire_reader *r);
void lg_pgwire_reader_fini(lg_pgwire_reader *r);
/* Where to put more bytes: at least `want`; LG_LIMIT when a message would exceed max_message,
 * LG_NO_MEMORY when the instance has no room for it. Invalidates messages handed out before. */
LG_MUST lg_status lg_pgwire_reader_space(lg_pgwire_reader *r, size_t want, char **ret_at,
                                         size_t *ret_room);
void lg_pgwire_reader_filled(lg_pgwire_reader *r, size_t n);
/* The next whole message: LG_OK; LG_WOULD_WAIT: more bytes are needed (*ret_missing of them at
 * least); LG_PROTOCOL: nonsense. startup: the packet has no type byte. The message lies in the
 * buffer until the next lg_pgwire_reader_space. */
LG_MUST lg_status lg_pgwire_next(lg_pgwire_reader *r, bool startup, lg_pgwire_msg *ret_msg,
                                 size_t *ret_missing);
bool lg_pgwire_reader_empty(const lg_pgwire_reader *r);
/* Frees a buffer grown by a large message when nothing is in it: an idle session keeps nothing. */
void lg_pgwire_reader_shrink(lg_pgwire_reader *r);

/* A cursor over a message's payload. After a short read `bad` is set and zeros come. */
typedef struct lg_pgwire_cursor {
    const char *p;
    const char *end;
    bool bad;
} lg_pgwire_cursor;

lg_pgwire_cursor lg_pgwire_cursor_of(const lg_pgwire_msg *m);
uint8_t lg_pgwire_u8(lg_pgwire_cursor *c);
uint16_t lg_pgwire_u16(lg_pgwire_cursor *c);
uint32_t lg_pgwire_u32(lg_pgwire_cursor *c);
const char *lg_pgwire_cstr(lg_pgwire_cursor *c); /* "" and bad when unterminated */
const char *lg_pgwire_bytes(lg_pgwire_cursor *c, size_t n);
bool lg_pgwire_at_end(const lg_pgwire_cursor *c); /* all consumed, nothing bad */

/* ---- writing ---- */

/* type 0: no type byte (startup). Returns the position to give to lg_pgwire_end. */
size_t lg_pgwire_begin(lg_strbuf *b, char type);
void lg_pgwire_end(lg_strbuf *b, size_t at);
void lg_pgwire_put_u8(lg_strbuf *b, uint8_t v);
void lg_pgwire_put_u16(lg_strbuf *b, uint16_t v);
void lg_pgwire_put_u32(lg_strbuf *b, uint32_t v);
void lg_pgwire_put_u64(lg_strbuf *b, uint64_t v);
void lg_pgwire_put_cstr(lg_strbuf *b, const char *s);

/* Whole messages. */
void lg_pgwire_send_empty(lg_strbuf *b, char type); /* ParseComplete '1', NoData 'n', ... */
void lg_pgwire_send_ready(lg_strbuf *b, char transaction_status); /* 'I' 'T' 'E' */
void lg_pgwire_send_parameter(lg_strbuf *b, const char *name, const char *value);
void lg_pgwire_send_complete(lg_strbuf *b, const char *tag);
/* severity: ERROR, FATAL ('E' message) or WARNING, NOTICE, ... ('N' message). */
void lg_pgwire_send_error(lg_strbuf *b, const char *severity, const lg_error *e);

#endif
