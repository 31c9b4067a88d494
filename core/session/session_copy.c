/* COPY FROM STDIN and TO STDOUT: the executor's callbacks over CopyData messages. */
#include "session_internal.h"

static lg_session *
session_of(void *arg)
{
    return arg;
}

static lg_status
copy_start(void *arg, bool in, bool binary, uint32_t ncols)
{
    lg_session *s = session_of(arg);
    size_t at = lg_pgwire_begin(&s->out, in ? 'G' : 'H');
    lg_pgwire_put_u8(&s->out, binary);
    lg_pgwire_put_u16(&s->out, (uint16_t)ncols);
    for (uint32_t i = 0; i < ncols; i++)
        lg_pgwire_put_u16(&s->out, binary);
    lg_pgwire_end(&s->out, at);
    return in ? lg_session__flush(s) : LG_OK;
}

/* Flush and Sync in the middle of a COPY are ignored, as the protocol says. */
static lg_status
copy_in(void *arg, const char **ret_data, size_t *ret_len)
{
    lg_session *s = session_of(arg);
    const char *why;
    size_t why_len;
    for (;;) {
        lg_pgwire_msg m;
        lg_pgwire_cursor c;
        LG_TRY(lg_session__read_message(s, false, LG_FOREVER, &m));
        switch (m.type) {
        case 'd':
            if (m.len == 0)
                continue;
            *ret_data = m.data;
            *ret_len = m.len;
            return LG_OK;
        case 'c':
            *ret_data = NULL;
            *ret_len = 0;
            return LG_OK;
        case 'f':
            c = lg_pgwire_cursor_of(&m);
            LG_TRY(lg_session__get_text(s, &c, s->statement, &why, &why_len));
            return lg_error_set(&s->err, "57014", "COPY from stdin failed: %s", why);
        case 'H':
        case 'S':
            continue;
        case 'X':
            s->terminate = true;
            return LG_CLOSED;
        default:
            s->lost_sync = true;
            return lg_error_set(&s->err, "08P01",
                                "unexpected message type 0x%02X during COPY from stdin",
                                (unsigned char)m.type);
        }
    }
}

static lg_status
copy_out(void *arg, const char *data, size_t len)
{
    lg_session *s = session_of(arg);
    size_t at = lg_pgwire_begin(&s->out, 'd');
    lg_strbuf_append(&s->out, data, len);
    lg_pgwire_end(&s->out, at);
    return s->out.len >= LG_SESSION_FLUSH_AT ? lg_session__flush(s) : LG_OK;
}

static lg_status
copy_end(void *arg)
{
    lg_pgwire_send_empty(&session_of(arg)->out, 'c');
    return LG_OK;
}

void
lg_session__copy_callbacks(lg_exec_session *es)
{
    es->copy_start = copy_start;
    es->copy_in = copy_in;
    es->copy_out = copy_out;
    es->copy_end = copy_end;
}
