/* Start of a connection: SSL and GSS requests, start-up packet, cancel request, SCRAM, and the
 * greeting.
 *
 *   packet -> SSLRequest/GSSENCRequest: 'N', once each -> CancelRequest: cancel, close
 *          -> StartupMessage -> [NegotiateProtocolVersion] -> AuthenticationSASL exchange
 *          -> AuthenticationOk, ParameterStatus..., BackendKeyData, ReadyForQuery
 */
#include "session_internal.h"
#include "scram.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define AUTH_OK            0
#define AUTH_SASL          10
#define AUTH_SASL_CONTINUE 11
#define AUTH_SASL_FINAL    12

static void
put_auth(lg_session *s, uint32_t code, const char *data, size_t len)
{
    size_t at = lg_pgwire_begin(&s->out, 'R');
    lg_pgwire_put_u32(&s->out, code);
    lg_strbuf_append(&s->out, data, len);
    lg_pgwire_end(&s->out, at);
}

/* Reads a start-up packet; answers encryption requests with "no" on the way. */
static lg_status
read_startup(lg_session *s, lg_time deadline, lg_pgwire_msg *ret_msg, uint32_t *ret_code)
{
    for (int tries = 0; tries < 3; tries++) {
        LG_TRY(lg_session__read_message(s, true, deadline, ret_msg));
        lg_pgwire_cursor c = lg_pgwire_cursor_of(ret_msg);
        *ret_code = lg_pgwire_u32(&c);
        if (c.bad)
            return LG_PROTOCOL;
        if (*ret_code != LG_PGWIRE_SSL_REQUEST && *ret_code != LG_PGWIRE_GSSENC_REQUEST)
            return LG_OK;
        /* Bytes sent together with the request would be plain text posing as encrypted: refuse. */
        if (!lg_pgwire_reader_empty(&s->in))
            return LG_PROTOCOL;
        LG_TRY(lg_sock_write_all(s->sock, "N", 1, deadline));
    }
    return LG_PROTOCOL;
}

static void
cancel_request(lg_session *s, const lg_pgwire_msg *m)
{
    lg_pgwire_cursor c = lg_pgwire_cursor_of(m);
    lg_pgwire_u32(&c);
    uint32_t pid = lg_pgwire_u32(&c);
    uint32_t key = lg_pgwire_u32(&c);
    if (c.bad)
        return;
    const lg_session_server_config *cfg = &s->server->cfg;
    if (pid >> LG_SESSION_PID_BITS == cfg->instance)
        lg_session_cancel(s->server, pid, key);
    else if (cfg->cancel_remote)
        cfg->cancel_remote(cfg->arg, pid >> LG_SESSION_PID_BITS, pid, key);
}

static lg_status
fatal_protocol(lg_session *s, const char *what)
{
    return lg_error_set(&s->err, "08P01", "%s", what);
}

static lg_status
bad_option(lg_session *s, const char *word)
{
    lg_error_set(&s->err, "42601", "invalid command-line argument for server process: %s", word);
    lg_error_hint(&s->err, "Try \"postgres --help\" for more information.");
    return LG_SQL;
}

static bool
is_one_of(const char *value, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcasecmp(value, list[i]))
            return true;
    return false;
}

static lg_status
check_replication(lg_session *s, const char *value)
{
    static const char *const off[] = {"off", "false", "no", "0", "f", "n"};
    static const char *const on[] = {"on", "true", "yes", "1", "t", "y", "database"};
    if (is_one_of(value, off, sizeof off / sizeof *off))
        return LG_OK;
    if (is_one_of(value, on, sizeof on / sizeof *on))
        return lg_error_set(&s->err, "0A000", "replication connections are not supported");
    lg_error_set(&s->err, "22023", "invalid value for parameter \"replication\": \"%s\"", value);
    lg_error_hint(&s->err, "Valid values are: \"false\", 0, \"true\", 1, \"database\".");
    return LG_SQL;
}

/* `options`: "-c name=value" and "--name=value", separated by spaces, backslash escapes. */
static lg_status
apply_options(lg_session *s, const char *options)
{
    char word[1024];
    const char *p = options;
    bool expect_pair = false;
    for (;;) {
        while (*p == ' ')
            p++;
        if (!*p)
            break;
        size_t n = 0;
        while (*p && *p != ' ') {
            if (*p == '\\' && p[1])
                p++;
            if (n + 1 < sizeof word)
                word[n++] = *p;
            p++;
        }
        word[n] = 0;
        char *pair = word;
        if (!expect_pair && !strcmp(word, "-c")) {
            expect_pair = true;
            continue;
        }
        if (!expect_pair) {
            if (strncmp(word, "--", 2) && strncmp(word, "-c", 2))
                return bad_option(s, word);
            pair += 2;
        }
        expect_pair = false;
        char *eq = strchr(pair, '=');
        if (!eq)
            return bad_option(s, word);
        *eq = 0;
        for (char *q = pair; *q; q++)
            if (*q == '-')
                *q = '_';
        LG_TRY(lg_settings_set(s->settings, pair, eq + 1, LG_SET_DEFAULT, s->superuser, &s->err));
    }
    return expect_pair ? bad_option(s, "-c") : LG_OK;
}

/* The parameters of a start-up packet. Settings are applied after authentication, from a second
 * walk over the copy. Unknown `_pq_.` options are collected for NegotiateProtocolVersion. */
static lg_status
parse_startup(lg_session *s, const char *data, size_t len, lg_strbuf *unknown,
              unsigned *ret_unknown)
{
    lg_pgwire_msg m = {0, data, (uint32_t)len};
    lg_pgwire_cursor c = lg_pgwire_cursor_of(&m);
    lg_pgwire_u32(&c);
    *ret_unknown = 0;
    for (;;) {
        const char *name = lg_pgwire_cstr(&c);
        if (c.bad)
            return fatal_protocol(
                s, "invalid startup packet layout: expected terminator as last byte");
        if (!*name)
            break;
        const char *value = lg_pgwire_cstr(&c);
        if (!strcmp(name, "user"))
            snprintf(s->user, sizeof s->user, "%s", value);
        else if (!strcmp(name, "database"))
            snprintf(s->database, sizeof s->database, "%s", value);
        else if (!strcmp(name, "replication"))
            LG_TRY(check_replication(s, value));
        else if (!strncmp(name, "_pq_.", 5)) {
            lg_pgwire_put_cstr(unknown, name);
            (*ret_unknown)++;
        }
    }
    if (!*s->user)
        return lg_error_set(&s->err, "28000",
                            "no PostgreSQL user name specified in startup packet");
    if (!*s->database)
        snprintf(s->database, sizeof s->database, "%s", s->user);
    return LG_OK;
}

static lg_status
apply_startup_settings(lg_session *s, const char *data, size_t len)
{
    lg_pgwire_msg m = {0, data, (uint32_t)len};
    lg_pgwire_cursor c = lg_pgwire_cursor_of(&m);
    lg_pgwire_u32(&c);
    for (;;) {
        const char *name = lg_pgwire_cstr(&c);
        if (c.bad || !*name)
            return LG_OK;
        const char *value = lg_pgwire_cstr(&c);
        if (!strcmp(name, "user") || !strcmp(name, "database") || !strcmp(name, "replication") ||
            !strncmp(name, "_pq_.", 5))
            continue;
        if (!strcmp(name, "options"))
            LG_TRY(apply_options(s, value));
        else
            LG_TRY(
                lg_settings_set(s->settings, name, value, LG_SET_DEFAULT, s->superuser, &s->err));
    }
}

static lg_status
read_password_message(lg_session *s, lg_time deadline, lg_pgwire_msg *ret_msg)
{
    LG_TRY(lg_session__read_message(s, false, deadline, ret_msg));
    if (ret_msg->type != 'p')
        return fatal_protocol(s, "expected SASL response");
    return LG_OK;
}

/* The SASL exchange. verifier: of the user, or a mock when known is false. */
static lg_status
scram_exchange(lg_session *s, lg_scram_server *scram, bool known, lg_time deadline)
{
    lg_pgwire_msg m;
    uint8_t nonce[18];
    char final[LG_SCRAM_MESSAGE_MAX];
    static const char mechanisms[] = LG_SCRAM_MECHANISM "\0";

    put_auth(s, AUTH_SASL, mechanisms, sizeof mechanisms);
    LG_TRY(lg_session__flush(s));
    LG_TRY(read_password_message(s, deadline, &m));
    lg_pgwire_cursor c = lg_pgwire_cursor_of(&m);
    const char *mechanism = lg_pgwire_cstr(&c);
    uint32_t n = lg_pgwire_u32(&c);
    const char *data = n == UINT32_MAX ? NULL : lg_pgwire_bytes(&c, n);
    if (!data || strcmp(mechanism, LG_SCRAM_MECHANISM))
        return fatal_protocol(s, "client selected an invalid SASL authentication mechanism");

    lg_run_random_bytes(s->server->cfg.run, nonce, sizeof nonce);
    if (lg_scram_server_first(scram, data, n, nonce) != LG_OK)
        return fatal_protocol(s, "malformed SCRAM message");
    put_auth(s, AUTH_SASL_CONTINUE, scram->server_first, strlen(scram->server_first));
    LG_TRY(lg_session__flush(s));
    LG_TRY(read_password_message(s, deadline, &m));
    lg_status st = lg_scram_server_final(scram, m.data, m.len, final);
    if (st == LG_PROTOCOL)
        return fatal_protocol(s, "malformed SCRAM message");
    if (st != LG_OK || !known) { /* why is for the log, not for who knocks */
        lg_log_warn(s->server->cfg.log, "session",
                    "password authentication failed for user \"%s\" from %s: %s", s->user,
                    lg_sock_peer(s->sock),
                    known ? "the password does not match" : "no such role, or it has no password");
        return lg_error_set(&s->err, "28P01", "password authentication failed for user \"%s\"",
                            s->user);
    }
    put_auth(s, AUTH_SASL_FINAL, final, strlen(final));
    return LG_OK;
}

static lg_status
authenticate(lg_session *s, lg_time deadline)
{
    const lg_session_server_config *cfg = &s->server->cfg;
    lg_scram_server scram;
    lg_session_role role;
    memset(&scram, 0, sizeof scram);
    lg_status st = lg_session__find_role(s, s->user, &role);
    if (st < 0)
        return st;
    bool password = false;
    bool known = st == LG_OK && role.password &&
                 lg_scram_verifier_parse(role.password, &scram.verifier) == LG_OK;
    if (st == LG_OK && cfg->trust_unix &&
        (!strncmp(lg_sock_peer(s->sock), "unix:", 5) ||
         !strncmp(lg_sock_peer(s->sock), "sim:", 4))) {
        known = true;
    } else {
        if (!known)
            lg_scram_verifier_mock(cfg->secret, cfg->secret_len, s->user, &scram.verifier);
        LG_TRY(scram_exchange(s, &scram, known, deadline));
        password = true;
    }
    lg_session__log_authenticated(s, password);
    if (!role.can_login)
        return lg_error_set(&s->err, "28000", "role \"%s\" is not permitted to log in", s->user);
    lg_session__user_begin(s, &role);
    s->role_limit = role.limit;
    put_auth(s, AUTH_OK, NULL, 0);
    return LG_OK;
}

static void
negotiate(lg_session *s, uint32_t code, const lg_strbuf *unknown, unsigned unknown_count)
{
    if ((code & 0xffff) == 0 && unknown_count == 0)
        return;
    size_t at = lg_pgwire_begin(&s->out, 'v');
    lg_pgwire_put_u32(&s->out, LG_PGWIRE_PROTOCOL_3);
    lg_pgwire_put_u32(&s->out, unknown_count);
    lg_strbuf_append(&s->out, unknown->data, unknown->len);
    lg_pgwire_end(&s->out, at);
}

static lg_status
greet(lg_session *s, const char *packet, size_t len)
{
    lg_error *err = &s->err;
    LG_TRY(lg_session__open_database(s));
    LG_TRY(apply_startup_settings(s, packet, len));
    LG_TRY(lg_settings_set(s->settings, "session_authorization", s->user, LG_SET_FORCE, true, err));
    LG_TRY(lg_settings_set(s->settings, "is_superuser", s->superuser ? "on" : "off", LG_SET_FORCE,
                           true, err));
    LG_TRY(lg_session__settings_changed(s));
    lg_session__log_authorized(s);
    lg_session__report_settings(s);
    size_t at = lg_pgwire_begin(&s->out, 'K');
    lg_pgwire_put_u32(&s->out, s->pid);
    lg_pgwire_put_u32(&s->out, s->cancel_key);
    lg_pgwire_end(&s->out, at);
    lg_pgwire_send_ready(&s->out, 'I');
    return lg_session__flush(s);
}

lg_status
lg_session__start(lg_session *s)
{
    const lg_session_server_config *cfg = &s->server->cfg;
    lg_time deadline = lg_run_now_ns(cfg->run) + LG_SESSION_AUTH_TIMEOUT;
    lg_pgwire_msg m;
    uint32_t code = 0;
    lg_session__log_received(s);
    LG_TRY(read_startup(s, deadline, &m, &code));
    if (code == LG_PGWIRE_CANCEL_REQUEST) {
        cancel_request(s, &m);
        return LG_CLOSED;
    }
    if (code >> 16 != 3)
        return lg_error_set(&s->err, "0A000",
                            "unsupported frontend protocol %u.%u: server supports 3.0 to 3.0",
                            code >> 16, code & 0xffff);
    lg_status st;
    lg_strbuf unknown;
    unsigned unknown_count;
    char *packet = lg_arena_dup(s->arena, m.data, m.len);
    size_t len = m.len;
    lg_strbuf_init(&unknown, LG_PGWIRE_STARTUP_MAX);
    LG_CHECK(parse_startup(s, packet, len, &unknown, &unknown_count));
    st = cfg->may_connect ? cfg->may_connect(cfg->arg) : LG_OK;
    if (st != LG_OK) {
        lg_error_from_status(&s->err, st);
        goto out;
    }
    if (s->server->session_count > cfg->max_sessions) {
        st = lg_error_set(&s->err, "53300", "sorry, too many clients already");
        goto out;
    }
    negotiate(s, code, &unknown, unknown_count);
    LG_CHECK(authenticate(s, deadline));
    LG_CHECK(greet(s, packet, len));
out:
    lg_strbuf_fini(&unknown);
    return st;
}
