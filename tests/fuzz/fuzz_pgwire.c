/* The codec of the PostgreSQL protocol, fed in pieces. The first byte draws the size of the pieces.
 */
#include "fuzz.h"

#include "pgwire.h"
#include <stdlib.h>
#include <string.h>

static void
read_payload(const lg_pgwire_msg *m)
{
    lg_pgwire_cursor c = lg_pgwire_cursor_of(m);
    (void)lg_pgwire_u32(&c);
    while (!c.bad && !lg_pgwire_at_end(&c)) {
        size_t n = strlen(lg_pgwire_cstr(&c));
        if (n > m->len)
            abort();
        (void)lg_pgwire_u16(&c);
        (void)lg_pgwire_bytes(&c, lg_pgwire_u8(&c));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t piece = 1u + data[0];
    lg_pgwire_reader r;
    lg_pgwire_reader_init(&r);
    r.max_message = 1u << 16;
    bool startup = (data[0] & 1) != 0;
    for (size_t at = 1; at < size;) {
        char *room;
        size_t n = size - at < piece ? size - at : piece, cap;
        if (lg_pgwire_reader_space(&r, n, &room, &cap) != LG_OK)
            break;
        n = n < cap ? n : cap;
        memcpy(room, data + at, n);
        lg_pgwire_reader_filled(&r, n);
        at += n;
        lg_pgwire_msg m;
        size_t missing;
        lg_status st;
        while ((st = lg_pgwire_next(&r, startup, &m, &missing)) == LG_OK) {
            read_payload(&m);
            startup = false;
        }
        if (st != LG_WOULD_WAIT)
            break;
    }
    lg_pgwire_reader_fini(&r);
    return 0;
}
