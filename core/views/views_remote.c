/* Rows between instances: GV_QUERY {view, rows to skip} is answered with as many encoded rows as
 * fit a payload and whether there are more. The rows may change between two pieces: a view is a
 * look, not a snapshot. */
#include "views_internal.h"
#include "msg.h"
#include <string.h>

#define PIECE_BYTES   (LG_RPC_MAX_PAYLOAD - 512)
#define QUERY_TIMEOUT (2 * LG_SEC)

struct piece_header {
    uint32_t rows;
    uint32_t more;
};

/* A sink that encodes the rows after `skip` into a piece. */
struct encoder {
    lg_view_sink sink;
    const struct lg_views__def *def;
    uint64_t skip;
    struct piece_header head;
    size_t len;
    _Alignas(8) uint8_t data[PIECE_BYTES];
};

static void
encode_row(lg_view_sink *sink, const lg_datum *values, const uint8_t *nulls)
{
    struct encoder *e = LG_CONTAINER_OF(sink, struct encoder, sink);
    if (e->skip) {
        e->skip--;
        return;
    }
    size_t n = lg_row_size(e->def->rowcols, e->def->ncolumns, values, nulls);
    if (e->head.more || e->len + n + 4 > sizeof e->data) {
        e->head.more = 1;
        return;
    }
    uint32_t n32 = (uint32_t)n;
    memcpy(e->data + e->len, &n32, 4);
    lg_row_encode(e->def->rowcols, e->def->ncolumns, values, nulls, e->data + e->len + 4);
    e->len += n + 4;
    e->head.rows++;
}

static void
on_query(void *arg, lg_rpc_msg *m)
{
    lg_views *w = arg;
    uint8_t reply[sizeof(struct piece_header) + PIECE_BYTES];
    uint64_t what = 0;
    if (m->payload_len == sizeof what)
        memcpy(&what, m->payload, sizeof what);
    uint16_t view = (uint16_t)(what >> 48);
    if (m->payload_len != sizeof what || view >= w->count) {
        lg_status sent = lg_rpc_reply(w->cfg.rpc, &m->token, LG_PROTOCOL, NULL, 0, NULL, 0);
        (void)sent; /* a caller that is gone needs no answer */
        return;
    }
    struct encoder *e = lg_arena_zalloc(w->scratch, sizeof *e);
    e->sink = (lg_view_sink){encode_row, w->scratch};
    e->def = w->defs[view];
    e->skip = what & 0xffffffffffff;
    e->def->rows(e->def->arg, &e->sink);
    memcpy(reply, &e->head, sizeof e->head);
    memcpy(reply + sizeof e->head, e->data, e->len);
    lg_status sent = lg_rpc_reply(w->cfg.rpc, &m->token, LG_OK, reply,
                                  (uint32_t)(sizeof e->head + e->len), NULL, 0);
    (void)sent;
    lg_arena_reset(w->scratch);
}

void
lg_views__serve(lg_views *w)
{
    lg_rpc_handle(w->cfg.rpc, LG_MSG_GV_QUERY, on_query, w);
}

static lg_status
decode_piece(const struct lg_views__def *def, lg_arena *arena, const lg_rpc_msg *reply,
             lg_views__row_fn fn, void *arg, struct piece_header *ret_head)
{
    lg_datum values[LG_VIEWS_MAX_COLUMNS];
    uint8_t nulls[LG_VIEWS_MAX_COLUMNS];
    if (reply->payload_len < sizeof *ret_head)
        return LG_PROTOCOL;
    memcpy(ret_head, reply->payload, sizeof *ret_head);
    size_t left = reply->payload_len - sizeof *ret_head;
    const uint8_t *p =
        lg_arena_dup(arena, (const uint8_t *)reply->payload + sizeof *ret_head, left);
    for (uint32_t i = 0; i < ret_head->rows; i++) {
        uint32_t n;
        if (left < 4)
            return LG_PROTOCOL;
        memcpy(&n, p, 4);
        p += 4;
        left -= 4;
        if (left < n)
            return LG_PROTOCOL;
        LG_TRY(lg_row_decode(def->rowcols, def->ncolumns, p, n, values, nulls, NULL));
        fn(arg, values, nulls);
        p += n;
        left -= n;
    }
    return LG_OK;
}

lg_status
lg_views__fetch(lg_views *w, const struct lg_views__def *def, uint32_t node, lg_arena *arena,
                lg_views__row_fn fn, void *arg)
{
    uint64_t skip = 0;
    lg_time deadline = lg_run_now_ns(w->cfg.run) + QUERY_TIMEOUT;
    for (;;) {
        uint64_t what = (uint64_t)def->index << 48 | skip;
        struct piece_header head;
        lg_rpc_msg *reply = NULL;
        lg_rpc_request rq = {.node = node,
                             .type = LG_MSG_GV_QUERY,
                             .cancelable = true,
                             .payload = &what,
                             .payload_len = sizeof what,
                             .deadline = deadline};
        lg_status st = lg_rpc_call(w->cfg.rpc, &rq, &reply);
        if (st == LG_CANCELED || st == LG_SHUTDOWN)
            return st;
        if (st != LG_OK) { /* it does not answer: the others' rows are better than none */
            lg_rpc_msg_free(reply);
            return LG_OK;
        }
        st = decode_piece(def, arena, reply, fn, arg, &head);
        lg_rpc_msg_free(reply);
        LG_TRY(st);
        skip += head.rows;
        if (!head.more || head.rows == 0)
            return LG_OK;
    }
}
