/* A session's fiber: read messages, dispatch, gather replies, flush; go idle without a fiber.
 *
 * The fiber ends when no message is at hand and nothing has to be waited for; the socket's readable
 * callback starts the next one. While idle the timers of idle_session_timeout and
 * idle_in_transaction_session_timeout run on the native stack: they only set idle_timed_out and
 * start the fiber, which then ends the session.
 */
#include "session_internal.h"
#include <string.h>

static void fiber_main(void *arg);

/* ---- reading and writing ---- */

lg_status
lg_session__read_message(lg_session *s, bool startup, lg_time deadline, lg_pgwire_msg *ret_msg)
{
    for (;;) {
        size_t missing = 0, room, n;
        char *at;
        lg_status st = lg_pgwire_next(&s->in, startup, ret_msg, &missing);
        if (st != LG_WOULD_WAIT)
            return st;
        LG_TRY(lg_pgwire_reader_space(&s->in, missing, &at, &room));
        LG_TRY(lg_sock_read(s->sock, at, room, deadline, &n));
        lg_pgwire_reader_filled(&s->in, n);
        lg_stat_add(&s->stats, LG_STAT_BYTES_RECEIVED, n);
        lg_stat_add(lg_run_stats(s->server->cfg.run), LG_STAT_BYTES_RECEIVED, n);
    }
}

/* Others may have gone on without this instance as soon as its lease has run out: what was read
 * here since then may be old, and nobody must hear it (nor see an old snapshot beside a commit that
 * was acknowledged elsewhere). The lease comes again, or this instance ends. */
static lg_status
wait_may_answer(lg_session *s)
{
    const lg_session_server_config *cfg = &s->server->cfg;
    while (cfg->may_answer && cfg->may_answer(cfg->arg) != LG_OK)
        LG_TRY(lg_fiber_sleep_until(lg_run_now_ns(cfg->run) + 5 * LG_MS, LG_WAIT_MEMBERSHIP));
    return LG_OK;
}

/* Statements may have seen commits whose redo is on its way to the disk (storage/txn, EARLY RELEASE):
 * nobody hears of them before it is there. But for the tag of an INSERT, UPDATE or DELETE inside a
 * transaction block, which is provisional as the block is: its client learns at COMMIT whether it is
 * true, and that lies behind. */
static lg_status
wait_seen_is_durable(lg_session *s)
{
    if (s->seen == 0 || (!s->out_shows && lg_session__txn_char(s) == 'T'))
        return LG_OK;
    return lg_txn_mark_settle(s->server->cfg.sql.txns, &s->seen);
}

lg_status
lg_session__flush(lg_session *s)
{
    if (s->out.overflow) /* a message past the protocol's limit: the stream cannot go on */
        return LG_PROTOCOL;
    if (!s->out.len)
        return LG_OK;
    LG_TRY(wait_seen_is_durable(s));
    s->out_shows = false;
    LG_TRY(wait_may_answer(s));
    lg_status st = lg_sock_write_all(s->sock, s->out.data, s->out.len, LG_FOREVER);
    lg_stat_add(&s->stats, LG_STAT_BYTES_SENT, s->out.len);
    lg_stat_add(lg_run_stats(s->server->cfg.run), LG_STAT_BYTES_SENT, s->out.len);
    /* A result that was large once must not keep its memory. */
    if (s->out.cap > 4 * LG_SESSION_FLUSH_AT) {
        lg_strbuf_fini(&s->out);
        lg_strbuf_init(&s->out, LG_SESSION_OUT_MAX);
    } else {
        lg_strbuf_reset(&s->out);
    }
    return st;
}

void
lg_session__report_settings(lg_session *s)
{
    const char *value;
    const lg_setting_info *info;
    while ((info = lg_settings_next_report(s->settings, &value)))
        lg_session__put_parameter(s, info->name, value);
}

void
lg_session__ready(lg_session *s)
{
    lg_session__report_settings(s);
    lg_session__notify_send(s);
    lg_pgwire_send_ready(&s->out, lg_session__txn_char(s));
}

void
lg_session__set_state(lg_session *s, lg_session_state state)
{
    s->state = state;
    s->state_change_us = lg_run_wall_us(s->server->cfg.run);
}

/* ---- errors ---- */

/* Sends the error of a failed statement; what is in `err` is spent. */
void
lg_session__send_error(lg_session *s, lg_status st, const char *severity)
{
    if (st == LG_CANCELED && s->cancel_reason == LG_CANCEL_STATEMENT_TIMEOUT)
        (void)lg_error_set(&s->err, "57014", "canceling statement due to statement timeout");
    else if (st == LG_CANCELED && s->cancel_reason == LG_CANCEL_MEMORY) {
        (void)lg_error_set(&s->err, "53200", "out of memory");
        lg_error_detail(&s->err, "Statements and sessions may have as much memory as memory_limit "
                                 "says, one statement half of it.");
    } else if (st == LG_TIMEOUT || (st == LG_LOCK_NOT_AVAILABLE && !s->err.set))
        (void)lg_error_set(&s->err, "55P03", "canceling statement due to lock timeout");
    else if (st == LG_DEADLOCK && !s->err.set && lg_session__serializable(s)) {
        /* Locks stand for conflicts here: the client's answer to both is to try again. */
        (void)lg_error_set(&s->err, "40001",
                           "could not serialize access due to read/write dependencies among "
                           "transactions");
        lg_error_hint(&s->err, "The transaction might succeed if retried.");
    }
    lg_error_from_status(&s->err, st);
    lg_session__log_error(s, severity);
    lg_session__put_error(s, severity, &s->err);
    lg_error_clear(&s->err);
}

/* After an error: has the client been saying things that have no place? */
lg_status
lg_session__still_in_sync(lg_session *s)
{
    if (!s->lost_sync)
        return LG_OK;
    (void)lg_error_set(&s->err, "08P01",
                       "terminating connection because protocol synchronization was lost");
    return LG_PROTOCOL;
}

bool
lg_session__ends_session(lg_status st)
{
    return st == LG_CLOSED || st == LG_SHUTDOWN || st == LG_PROTOCOL || st == LG_FENCED;
}

/* ---- dispatch ---- */

/* One message. A status other than LG_OK ends the session; statement errors have been sent. */
static lg_status
dispatch(lg_session *s, const lg_pgwire_msg *m)
{
    if (s->skip_to_sync && m->type != 'S' && m->type != 'X')
        return LG_OK;
    switch (m->type) {
    case 'Q':
        return lg_session__simple_query(s, m);
    case 'P':
    case 'B':
    case 'D':
    case 'E':
    case 'C':
        return lg_session__extended(s, m);
    case 'H':
        return lg_session__flush(s);
    case 'S':
        s->skip_to_sync = false;
        return lg_session__sync(s);
    case 'X':
        s->terminate = true;
        return LG_OK;
    case 'F':
        (void)lg_error_set(&s->err, "0A000", "fastpath function calls are not supported");
        lg_session__send_error(s, LG_UNSUPPORTED, "ERROR");
        lg_session__ready(s);
        return LG_OK;
    case 'd': /* COPY data after a failed COPY: ignored, as the protocol says */
    case 'c':
    case 'f':
        return LG_OK;
    default:
        (void)lg_error_set(&s->err, "08P01", "invalid frontend message type %d",
                           (unsigned char)m->type);
        return LG_PROTOCOL;
    }
}

static lg_status
process_messages(lg_session *s)
{
    while (!s->terminate) {
        lg_pgwire_msg m;
        size_t missing;
        lg_status st = lg_pgwire_next(&s->in, false, &m, &missing);
        if (st == LG_WOULD_WAIT) {
            LG_TRY(lg_session__flush(s));
            if (lg_pgwire_reader_empty(&s->in) && !lg_session__has_unsynced(s))
                return LG_OK; /* idle */
            LG_TRY(lg_session__read_message(s, false, LG_FOREVER, &m));
        } else if (st != LG_OK) {
            (void)lg_error_set(&s->err, "08P01", "invalid message length");
            return LG_PROTOCOL;
        }
        if (s->state != LG_SESSION_ACTIVE)
            lg_session__set_state(s, LG_SESSION_ACTIVE);
        LG_TRY(dispatch(s, &m));
        if (s->out.len >= LG_SESSION_FLUSH_AT)
            LG_TRY(lg_session__flush(s));
        if (s->server->draining && lg_session__txn_char(s) == 'I')
            return LG_SHUTDOWN;
        if (lg_fiber_should_yield())
            lg_fiber_yield();
    }
    return LG_CLOSED;
}

/* ---- idling ---- */

static void
wake(void *arg)
{
    lg_session *s = arg;
    if (s->fiber)
        return;
    lg_timer_stop(&s->idle_timer);
    if (lg_run_spawn(s->server->cfg.run, "session", 0, fiber_main, s, &s->fiber) != LG_OK)
        lg_session__end(s);
}

void
lg_session__on_idle_timeout(void *arg)
{
    lg_session *s = arg;
    s->idle_timed_out = true;
    lg_sock_on_readable(s->sock, NULL, NULL);
    wake(s);
}

void
lg_session__wake(lg_session *s)
{
    lg_sock_on_readable(s->sock, NULL, NULL);
    wake(s);
}

static void
go_idle(lg_session *s)
{
    bool in_txn = lg_session__txn_char(s) != 'I';
    int64_t timeout_ms =
        lg_settings_int(s->settings, in_txn ? LG_SETTING_idle_in_transaction_session_timeout
                                            : LG_SETTING_idle_session_timeout);
    lg_session__set_state(s, LG_SESSION_IDLE);
    lg_pgwire_reader_shrink(&s->in);
    if (s->out.cap > LG_SESSION_OUT_KEEP) {
        lg_strbuf_fini(&s->out);
        lg_strbuf_init(&s->out, LG_SESSION_OUT_MAX);
    }
    lg_session__scratch_give(s);
    s->fiber = NULL;
    if (timeout_ms > 0)
        lg_timer_start(&s->idle_timer,
                       lg_run_now_ns(s->server->cfg.run) + (uint64_t)timeout_ms * LG_MS);
    lg_sock_on_readable(s->sock, wake, s);
}

static lg_status
read_some(lg_session *s)
{
    char *at;
    size_t room, n;
    LG_TRY(lg_pgwire_reader_space(&s->in, 5, &at, &room));
    LG_TRY(lg_sock_read(s->sock, at, room, LG_FOREVER, &n));
    lg_pgwire_reader_filled(&s->in, n);
    lg_stat_add(&s->stats, LG_STAT_BYTES_RECEIVED, n);
    return LG_OK;
}

static lg_status
idle_timeout_error(lg_session *s)
{
    if (lg_session__txn_char(s) != 'I')
        (void)lg_error_set(&s->err, "25P03",
                           "terminating connection due to idle-in-transaction timeout");
    else
        (void)lg_error_set(&s->err, "57P05", "terminating connection due to idle-session timeout");
    return LG_SHUTDOWN;
}

static void
fiber_main(void *arg)
{
    lg_session *s = arg;
    lg_status st;
    lg_fiber_set_owner(lg_fiber_self(), s, &s->stats);
    lg_session__scratch_take(s);
    if (s->state == LG_SESSION_STARTUP)
        st = lg_session__start(s);
    else if (s->idle_timed_out)
        st = idle_timeout_error(s);
    else if (s->pending_end != LG_OK)
        st = s->pending_end;
    else if (s->notified.len)
        st = (lg_session__notify_send(s), LG_OK); /* nothing to read: that is what woke it */
    else
        st = read_some(s);
    if (st == LG_OK)
        st = process_messages(s);
    if (st == LG_OK && s->pending_end == LG_OK) {
        go_idle(s);
        return;
    }
    if (st == LG_OK)
        st = s->pending_end;
    if (st == LG_CLOSED && !s->terminate && s->cat && lg_session__txn_char(s) != 'I') {
        s->log_text = NULL;
        lg_session__log(s, true, NULL,
                        "unexpected EOF on client connection with an open transaction");
    }
    /* Say why, unless the peer is gone; a failed send changes nothing any more. */
    if (st != LG_CLOSED) {
        lg_session__send_error(s, st, "FATAL");
        lg_status sent = lg_session__flush(s);
        (void)sent;
    }
    lg_session__end(s);
}

lg_status
lg_session__spawn(lg_session *s)
{
    return lg_run_spawn(s->server->cfg.run, "session", 0, fiber_main, s, &s->fiber);
}
