/* Text between the client and the session: inside it is UTF-8, outside it is of client_encoding. What comes
 * in is verified or converted here, message by message, before anything looks at it; what goes out is converted
 * as it is put into the output. Binary values are bytes but for those of types whose binary form is text. */
#include "session_internal.h"
#include <string.h>

/* ---- in ---- */

lg_status
lg_session__decode(lg_session *s, const char *data, size_t len, lg_arena *a, const char **ret,
                   size_t *ret_len)
{
    *ret = data;
    *ret_len = len;
    return s->encoding ? lg_encoding_to_utf8(s->encoding, data, len, a, &s->err, ret, ret_len)
                       : lg_encoding_verify(data, len, &s->err);
}

/* The next string of a message, in the arena. */
lg_status
lg_session__get_text(lg_session *s, lg_pgwire_cursor *c, lg_arena *a, const char **ret,
                     size_t *ret_len)
{
    const char *raw = lg_pgwire_cstr(c);
    if (c->bad)
        return lg_error_set(&s->err, "08P01", "invalid string in message");
    LG_TRY(lg_session__decode(s, raw, strlen(raw), a, ret, ret_len));
    if (*ret == raw) /* the message's memory does not last */
        *ret = lg_arena_strndup(a, raw, *ret_len);
    return LG_OK;
}

/* ---- out ---- */

lg_status
lg_session__encode(lg_session *s, const char *data, size_t len, lg_arena *a, const char **ret,
                   size_t *ret_len)
{
    *ret = data;
    *ret_len = len;
    return s->encoding ? lg_encoding_from_utf8(s->encoding, data, len, a, &s->err, ret, ret_len)
                       : LG_OK;
}

/* Of what has to be told whatever it holds: an error, a name. */
static void
show_since(lg_session *s, size_t from)
{
    size_t len;
    if (!s->encoding || s->out.overflow)
        return;
    lg_arena *a = lg_arena_create("client text", 1024);
    const char *text =
        lg_encoding_show(s->encoding, s->out.data + from, s->out.len - from, a, &len);
    if (text != s->out.data + from) {
        s->out.len = from;
        lg_strbuf_append(&s->out, text, len);
    }
    lg_arena_destroy(a);
}

void
lg_session__put_name(lg_session *s, const char *name)
{
    size_t from = s->out.len;
    lg_pgwire_put_cstr(&s->out, name);
    show_since(s, from);
}

#define MESSAGE_HEAD 5 /* type and length */

/* A message that is all text. */
static void
end_text(lg_session *s, size_t at)
{
    if (!s->encoding || s->out.overflow)
        return;
    show_since(s, at + MESSAGE_HEAD);
    lg_pgwire_end(&s->out, at + 1);
}

void
lg_session__put_error(lg_session *s, const char *severity, const lg_error *e)
{
    size_t at = s->out.len;
    lg_pgwire_send_error(&s->out, severity, e);
    end_text(s, at);
}

void
lg_session__put_parameter(lg_session *s, const char *name, const char *value)
{
    size_t at = s->out.len;
    lg_pgwire_send_parameter(&s->out, name, value);
    end_text(s, at);
}
