/* LISTEN, UNLISTEN and NOTIFY of a session (core/notify does the rest).
 *
 * All three take effect at commit. Before it, channels that will be listened to are subscribed and
 * what the transaction notifies is given to every instance; after it, channels are let go and the
 * outcome is told. A savepoint remembers how many there were of both.
 *
 * Channels are a database's own: what core/notify knows is the database's OID in eight digits and then
 * the name.
 *
 * What comes from other transactions is put, ready to be sent, into `notified`: it leaves before
 * the next ReadyForQuery outside a transaction, or at once when the session is idle. A client that
 * never comes back to it loses its session when NOTIFIED_MAX have gathered. */
#include "session_internal.h"
#include <string.h>

#define NOTIFIED_MAX (64u << 20)
#define NAME_MAX     63 /* bytes, as PostgreSQL's NAMEDATALEN - 1 */
#define NAME_AT      8

struct action {
    const char *channel; /* NULL: UNLISTEN * */
    bool listen;
    bool fresh; /* subscribed by this commit */
};

/* Of one transaction. */
struct lg_session_notify {
    lg_arena *arena;
    struct action *actions;
    uint32_t action_count, action_cap;
    lg_notify_item *items;
    uint32_t item_count, item_cap;
    lg_strmap *seen; /* channel NUL payload: a transaction notifies the same thing once */
    lg_notify_publication publication;
    bool published;
};

static lg_notify_hub *
hub_of(const lg_session *s)
{
    return s->server->cfg.sql.notify;
}

/* ---- receiving ---- */

static void
put_text(lg_session *s, const char *text)
{
    size_t len = strlen(text);
    lg_arena *a = s->encoding ? lg_arena_create("notification", 1024) : NULL;
    if (a)
        text = lg_encoding_show(s->encoding, text, len, a, &len);
    lg_strbuf_append(&s->notified, text, len);
    lg_strbuf_putc(&s->notified, 0);
    if (a)
        lg_arena_destroy(a);
}

static void
on_notification(void *arg, const char *channel, const char *payload, uint32_t pid)
{
    lg_session *s = arg;
    size_t at = lg_pgwire_begin(&s->notified, 'A');
    lg_pgwire_put_u32(&s->notified, pid);
    put_text(s, channel + NAME_AT);
    put_text(s, payload);
    lg_pgwire_end(&s->notified, at);
    if (s->notified.overflow)
        (void)lg_session_signal(s->server, s->pid, LG_SHUTDOWN);
    else if (s->state == LG_SESSION_IDLE && lg_session__txn_char(s) == 'I')
        lg_session__wake(s);
}

void
lg_session__notify_open(lg_session *s)
{
    lg_strbuf_init(&s->notified, NOTIFIED_MAX);
    lg_notify_listener_init(&s->listener, on_notification, s);
}

static void
forget(lg_session *s)
{
    lg_session_notify *n = s->notify;
    if (!n)
        return;
    s->notify = NULL;
    lg_strmap_destroy(n->seen);
    lg_arena_destroy(n->arena);
}

void
lg_session__notify_close(lg_session *s)
{
    forget(s);
    if (hub_of(s))
        lg_notify_unlisten(hub_of(s), &s->listener, NULL);
    lg_strbuf_fini(&s->notified);
}

void
lg_session__notify_send(lg_session *s)
{
    if (!s->notified.len || lg_session__txn_char(s) != 'I')
        return;
    lg_strbuf_append(&s->out, s->notified.data, s->notified.len);
    lg_strbuf_fini(&s->notified);
    lg_strbuf_init(&s->notified, NOTIFIED_MAX);
}

/* ---- gathering ---- */

static lg_session_notify *
pending(lg_session *s)
{
    if (!s->notify) {
        lg_arena *a = lg_arena_create("notify", 1024);
        s->notify = LG_NEW(a, lg_session_notify);
        s->notify->arena = a;
        s->notify->seen = lg_strmap_create();
    }
    return s->notify;
}

/* Room for one more: arrays in an arena grow by copying. */
static void *
grow(lg_arena *a, void *old, uint32_t count, uint32_t *cap, size_t size)
{
    if (count < *cap)
        return old;
    *cap = *cap ? *cap * 2 : 8;
    void *p = lg_arena_alloc(a, *cap * size);
    if (count)
        memcpy(p, old, count * size);
    return p;
}

static const char *
of_database(lg_session *s, const char *channel)
{
    return lg_arena_printf(pending(s)->arena, "%08x%.*s", lg_cat_database_oid(s->cat), NAME_MAX,
                           channel);
}

static void
add_action(lg_session *s, const char *channel, bool listen)
{
    lg_session_notify *n = pending(s);
    n->actions = grow(n->arena, n->actions, n->action_count, &n->action_cap, sizeof *n->actions);
    n->actions[n->action_count++] =
        (struct action){.channel = channel ? of_database(s, channel) : NULL, .listen = listen};
}

static const char *
key_of(lg_session_notify *n, const char *channel, const char *payload, size_t *ret_len)
{
    size_t c = strlen(channel) + 1, p = strlen(payload);
    char *key = lg_arena_alloc(n->arena, c + p);
    memcpy(key, channel, c);
    memcpy(key + c, payload, p);
    *ret_len = c + p;
    return key;
}

lg_status
lg_session__notify_add(lg_session *s, const char *channel, const char *payload)
{
    if (!*channel)
        return lg_error_set(&s->err, "22023", "channel name cannot be empty");
    if (strlen(channel) > NAME_MAX)
        return lg_error_set(&s->err, "22023", "channel name too long");
    if (strlen(payload) > LG_NOTIFY_PAYLOAD_MAX)
        return lg_error_set(&s->err, "22023", "payload string too long");
    lg_session_notify *n = pending(s);
    size_t len;
    channel = of_database(s, channel);
    const char *key = key_of(n, channel, payload, &len);
    if (lg_strmap_get(n->seen, key, len))
        return LG_OK;
    n->items = grow(n->arena, n->items, n->item_count, &n->item_cap, sizeof *n->items);
    n->items[n->item_count++] = (lg_notify_item){channel, lg_arena_strdup(n->arena, payload)};
    (void)lg_strmap_put(n->seen, key, len, n);
    return LG_OK;
}

lg_status
lg_session__notify_statement(lg_session *s, const lg_ast *stmt, char tag[LG_TAG_MAX])
{
    if (!hub_of(s))
        return lg_error_set(&s->err, "0A000", "LISTEN and NOTIFY are not supported here");
    if (stmt->tag == LG_AST_NOTIFY_STMT) {
        const lg_ast_notify_stmt *n = lg_ast_as(stmt, notify_stmt);
        strcpy(tag, "NOTIFY");
        return lg_session__notify_add(s, n->conditionname, n->payload ? n->payload : "");
    }
    bool listen = stmt->tag == LG_AST_LISTEN_STMT;
    const char *channel = listen ? lg_ast_as(stmt, listen_stmt)->conditionname
                                 : lg_ast_as(stmt, unlisten_stmt)->conditionname;
    strcpy(tag, listen ? "LISTEN" : "UNLISTEN");
    add_action(s, channel && *channel ? channel : NULL, listen);
    return LG_OK;
}

void
lg_session__notify_unlisten_all(lg_session *s)
{
    if (!lg_list_empty(&s->listener.subscriptions) || s->notify)
        add_action(s, NULL, false);
}

void
lg_session__notify_mark(const lg_session *s, lg_session_notify_mark *ret)
{
    *ret = (lg_session_notify_mark){s->notify ? s->notify->action_count : 0,
                                    s->notify ? s->notify->item_count : 0};
}

void
lg_session__notify_rollback_to(lg_session *s, lg_session_notify_mark mark)
{
    lg_session_notify *n = s->notify;
    if (!n)
        return;
    n->action_count = mark.actions;
    while (n->item_count > mark.items) {
        const lg_notify_item *i = &n->items[--n->item_count];
        size_t len;
        const char *key = key_of(n, i->channel, i->payload, &len);
        (void)lg_strmap_remove(n->seen, key, len);
    }
}

/* ---- commit ---- */

/* Of the last action on the channel: 1 listen, 0 unlisten, -1 none. */
static int
wanted(const lg_session_notify *n, const char *channel)
{
    for (uint32_t i = n->action_count; i-- > 0;) {
        const struct action *a = &n->actions[i];
        if (!a->channel || strcmp(a->channel, channel) == 0)
            return a->listen;
    }
    return -1;
}

lg_status
lg_session__notify_pre_commit(lg_session *s)
{
    lg_session_notify *n = s->notify;
    if (!n)
        return LG_OK;
    for (uint32_t i = 0; i < n->action_count; i++) {
        struct action *a = &n->actions[i];
        if (!a->listen || wanted(n, a->channel) != 1 ||
            lg_notify_listening(&s->listener, a->channel))
            continue;
        LG_TRY(lg_notify_listen(hub_of(s), &s->owner, &s->listener, a->channel));
        a->fresh = true;
    }
    if (n->item_count == 0)
        return LG_OK;
    n->publication = (lg_notify_publication){.xid = lg_session__xid(s), .pid = s->pid};
    LG_TRY(lg_notify_publish(hub_of(s), &s->owner, &n->publication, n->items, n->item_count));
    n->published = true;
    return LG_OK;
}

static void
apply_unlisten(lg_session *s, const lg_session_notify *n)
{
    const lg_list *pos = NULL;
    const char *channel;
    while ((channel = lg_notify_next_channel(&s->listener, &pos))) {
        if (wanted(n, channel) != 0)
            continue;
        lg_notify_unlisten(hub_of(s), &s->listener, channel);
        pos = NULL; /* the list has changed: again from its start */
    }
}

void
lg_session__notify_end(lg_session *s, bool committed)
{
    lg_session_notify *n = s->notify;
    if (!n)
        return;
    if (committed)
        apply_unlisten(s, n);
    else
        for (uint32_t i = 0; i < n->action_count; i++)
            if (n->actions[i].fresh)
                lg_notify_unlisten(hub_of(s), &s->listener, n->actions[i].channel);
    if (n->published)
        lg_notify_finish(hub_of(s), &n->publication, committed);
    forget(s);
}

/* ---- functions ---- */

static lg_session *
session_of(const lg_call *c)
{
    return ((lg_exec_session *)c->env->session)->arg;
}

static const char *
text_arg(lg_call *c, uint32_t i)
{
    if (c->nulls[i])
        return "";
    return lg_arena_strndup(c->arena, lg_text_data(c->args[i]), lg_text_len(c->args[i]));
}

static lg_datum
fn_pg_notify(lg_call *c)
{
    lg_session *s = session_of(c);
    if (!hub_of(s))
        return lg_call_error(c, "0A000", "LISTEN and NOTIFY are not supported here");
    c->st = lg_session__notify_add(s, text_arg(c, 0), text_arg(c, 1));
    return 0;
}

static lg_datum
fn_queue_usage(lg_call *c)
{
    (void)c;
    return lg_datum_float8(
        0); /* what waits is with the listeners: there is no common queue to fill */
}

static lg_status
channels_open(lg_call *c, void **ret_state)
{
    *ret_state = lg_arena_zalloc(c->arena, sizeof(const lg_list *));
    return LG_OK;
}

static lg_status
channels_next(lg_call *c, void *state, lg_datum *ret_values, uint8_t *ret_nulls)
{
    const char *channel = lg_notify_next_channel(&session_of(c)->listener, state);
    if (!channel)
        return LG_END;
    ret_values[0] = lg_datum_cstring_text(c->arena, channel + NAME_AT);
    ret_nulls[0] = 0;
    return LG_OK;
}

static const lg_srf channels_srf = {channels_open, channels_next};

#define F_PG_NOTIFY             3036
#define F_PG_LISTENING_CHANNELS 3035
#define F_QUEUE_USAGE           3296
#define F_STATEMENTS_RESET      15901

void
lg_session_functions_register(lg_fntable *t)
{
    lg_fntable_set(t, F_PG_NOTIFY, fn_pg_notify);
    lg_fntable_set(t, F_QUEUE_USAGE, fn_queue_usage);
    lg_session__pgstat_register(t);
    lg_session__zones_register(t);
    lg_session__info_register(t);
    lg_fntable_set(t, F_STATEMENTS_RESET, lg_session__fn_statements_reset);
    lg_fntable_set_srf(t, F_PG_LISTENING_CHANNELS, &channels_srf);
    lg_session__progress_register(t);
    lg_session__signal_functions(t);
}
