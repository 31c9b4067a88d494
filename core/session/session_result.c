/* Results on the wire: RowDescription and DataRow messages. */
#include "session_internal.h"
#include <string.h>

static uint16_t
format_of(const uint16_t *formats, uint32_t nformats, uint32_t column)
{
    if (nformats == 0)
        return 0;
    return nformats == 1 ? formats[0] : formats[column];
}

/* pg_type.typlen, which the protocol reports. */
static int16_t
type_length(lg_oid type)
{
    const lg_type *t = lg_type_get(type);
    return t ? t->typlen : -1;
}

void
lg_session__send_columns(lg_session *s, const lg_outcol *cols, uint32_t n, const uint16_t *formats,
                         uint32_t nformats)
{
    size_t at = lg_pgwire_begin(&s->out, 'T');
    lg_pgwire_put_u16(&s->out, (uint16_t)n);
    for (uint32_t i = 0; i < n; i++) {
        lg_session__put_name(s, cols[i].name ? cols[i].name : "?column?");
        lg_pgwire_put_u32(&s->out, cols[i].table);
        lg_pgwire_put_u16(&s->out, (uint16_t)cols[i].attnum);
        lg_pgwire_put_u32(&s->out, cols[i].type);
        lg_pgwire_put_u16(&s->out, (uint16_t)type_length(cols[i].type));
        lg_pgwire_put_u32(&s->out, (uint32_t)cols[i].typmod);
        lg_pgwire_put_u16(&s->out, format_of(formats, nformats, i));
    }
    lg_pgwire_end(&s->out, at);
}

static void
put_value(lg_strbuf *out, const char *data, size_t len)
{
    lg_pgwire_put_u32(out, (uint32_t)len);
    lg_strbuf_append(out, data, len);
}

/* Integers without a trip through the type's output function: they are most of what is sent. */
static void
put_integer(lg_strbuf *out, int64_t v)
{
    char buf[24];
    char *p = buf + sizeof buf;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0)
        *--p = '-';
    put_value(out, p, (size_t)(buf + sizeof buf - p));
}

static lg_status
put_datum(lg_session *s, lg_oid type, lg_datum d, uint16_t format)
{
    const char *data;
    size_t len;
    if (format == 0) {
        switch (type) {
        case LG_T_INT4:
            put_integer(&s->out, lg_int4(d));
            return LG_OK;
        case LG_T_INT8:
            put_integer(&s->out, lg_int8(d));
            return LG_OK;
        case LG_T_INT2:
            put_integer(&s->out, lg_int2(d));
            return LG_OK;
        default:
            LG_TRY(lg_type_output(&s->env, type, d, s->rows, &s->err, &data, &len));
        }
    } else if (format == 1) {
        LG_TRY(lg_type_send(&s->env, type, d, s->rows, &s->err, &data, &len));
    } else {
        return lg_error_set(&s->err, "22023", "unsupported format code: %d", (int16_t)format);
    }
    if (s->encoding && (format == 0 || lg_type_sends_text(type)))
        LG_TRY(lg_session__encode(s, data, len, s->rows, &data, &len));
    put_value(&s->out, data, len);
    return LG_OK;
}

lg_status
lg_session__sink(void *arg, const lg_batch *b)
{
    const lg_session_sink *sink = arg;
    lg_session *s = sink->s;
    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t row = lg_sel_row(b->sel, i);
        size_t start = s->out.len;
        size_t at = lg_pgwire_begin(&s->out, 'D');
        lg_pgwire_put_u16(&s->out, (uint16_t)b->ncols);
        for (uint32_t c = 0; c < b->ncols; c++) {
            const lg_vector *v = b->cols[c];
            if (lg_vector_is_null(v, row))
                lg_pgwire_put_u32(&s->out, UINT32_MAX);
            else {
                lg_status st =
                    put_datum(s, sink->cols ? sink->cols[c].type : v->type, lg_vector_value(v, row),
                              format_of(sink->formats, sink->nformats, c));
                if (st != LG_OK) {
                    s->out.len = start; /* half a row must not be sent */
                    return st;
                }
            }
        }
        lg_pgwire_end(&s->out, at);
        if (s->out.len >= LG_SESSION_FLUSH_AT) {
            lg_arena_reset(s->rows);
            LG_TRY(lg_session__flush(s));
        }
    }
    lg_arena_reset(s->rows);
    return LG_OK;
}

void
lg_session__send_text_row(lg_session *s, uint32_t n, const char *const *values)
{
    size_t at = lg_pgwire_begin(&s->out, 'D');
    lg_pgwire_put_u16(&s->out, (uint16_t)n);
    for (uint32_t i = 0; i < n; i++) {
        if (values[i])
            put_value(&s->out, values[i], strlen(values[i]));
        else
            lg_pgwire_put_u32(&s->out, UINT32_MAX);
    }
    lg_pgwire_end(&s->out, at);
}
