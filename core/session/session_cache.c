/* The statement cache of an instance: repeated text skips parse and plan, in any session.
 *
 * WHAT IS KEPT, each under a key of its own kind:
 *   'T'  the shape of a simple query with its constants lifted into parameters, when its plan does
 *        not depend on their values: rows found by unique keys, rows inserted (is_point_plan).
 *        Other statements are better off with a plan for their constants.
 *   'X'  the exact text of a simple query that has no such plan
 *   'P'  the exact text and the parameter types of a Parse message
 *   'U'  the tree of a utility statement that sessions repeat (BEGIN, COMMIT, SET ...)
 * A key also names the planning environment: user, database, search path and every setting that
 * may change what binding or planning makes of the text (env_id), so two sessions share a plan only
 * when each would have made it.
 *
 * VALIDITY  a plan is good while none of the objects it was made from has changed (catalog_deps.h):
 * DDL, ANALYZE and GRANT on any instance spoil the plans that use the object, and no others. What is
 * used after that is planned anew in its place. A transaction that changed the catalog itself uses
 * and leaves nothing here. The tables are locked and looked at again at each execution (lg_exec_open).
 *
 * OWNERSHIP  an entry holds a reference to an unnamed lg_prepared, whose text and tree never
 * change; its plan may be replaced. Users hold references of their own, so an entry may go at any
 * time. An entry without one says: not worth lifting. Text is taken in when it comes the second
 * time. Owned by the instance's worker; nothing here blocks but the planning of what was found.
 */
#include "hash.h"
#include "session_internal.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define CACHE_BYTES    (16u << 20)
#define CACHE_ENVS     256 /* planning environments; sessions with further ones do without */
#define SEEN_SLOTS     2048
#define TEXT_MAX       (32u << 10)
#define SHAPE_TEXT_MAX 2048
#define ENTRY_OVERHEAD 512
#define KEY_HEAD       12

struct entry {
    lg_list link; /* least recently used first */
    lg_prepared *prepared;
    uint64_t refused_at; /* generation of a refusal: DDL may make it worth another look */
    size_t bytes;
    uint32_t key_len;
    char key[];
};

struct lg_session_cache {
    lg_strmap *entries;
    lg_list lru;
    size_t bytes;
    lg_strmap *envs; /* environment's text -> number */
    uint64_t seen[SEEN_SLOTS];
};

/* ---- life ---- */

lg_session_cache *
lg_session__cache_create(void)
{
    lg_session_cache *c = lg_zalloc(sizeof *c);
    c->entries = lg_strmap_create();
    c->envs = lg_strmap_create();
    lg_list_init(&c->lru);
    return c;
}

static void
entry_drop(lg_session_cache *c, struct entry *e)
{
    lg_strmap_remove(c->entries, e->key, e->key_len);
    lg_list_remove(&e->link);
    c->bytes -= e->bytes;
    lg_session__prepared_unref(e->prepared);
    lg_free(e);
}

void
lg_session__cache_destroy(lg_session_cache *c)
{
    if (!c)
        return;
    while (!lg_list_empty(&c->lru))
        entry_drop(c, LG_CONTAINER_OF(c->lru.next, struct entry, link));
    lg_strmap_destroy(c->entries);
    lg_strmap_destroy(c->envs);
    lg_free(c);
}

/* ---- the planning environment ---- */

static bool
matters_to_plans(lg_setting_id id)
{
    static const char *const indifferent[] = {"transaction_", "default_transaction_", "log_",
                                              "idle_"};
    const char *name = lg_setting_info_of(id)->name;
    switch (id) {
    case LG_SETTING_application_name:
    case LG_SETTING_client_encoding:
    case LG_SETTING_client_min_messages:
    case LG_SETTING_statement_timeout:
    case LG_SETTING_lock_timeout:
        return false;
    default:
        for (size_t i = 0; i < sizeof indifferent / sizeof *indifferent; i++)
            if (!strncmp(name, indifferent[i], strlen(indifferent[i])))
                return false;
        return true;
    }
}

/* A number for the environment; 0: none, nothing is shared. */
static uint32_t
env_id(lg_session *s)
{
    lg_session_cache *c = s->server->cache;
    uint32_t version = lg_settings_version(s->settings);
    lg_oid user = lg_cat_user(s->cat);
    if (s->plan_env && s->plan_env_version == version && s->plan_env_user == user)
        return s->plan_env;
    lg_strbuf b;
    lg_strbuf_init(&b, 64 << 10);
    lg_strbuf_printf(&b, "%u %u ", user, lg_cat_database_oid(s->cat));
    size_t pos = 0;
    lg_setting_id id;
    const char *value;
    while (lg_settings_next_changed(s->settings, &pos, &id, &value))
        if (matters_to_plans(id)) {
            lg_strbuf_append(&b, &id, sizeof id);
            lg_strbuf_append(&b, value, strlen(value) + 1);
        }
    uint32_t n = 0;
    if (!b.overflow) {
        n = (uint32_t)(uintptr_t)lg_strmap_get(c->envs, b.data, b.len);
        if (!n && lg_strmap_count(c->envs) < CACHE_ENVS) {
            n = (uint32_t)lg_strmap_count(c->envs) + 1;
            lg_strmap_put(c->envs, b.data, b.len, (void *)(uintptr_t)n);
        }
    }
    lg_strbuf_fini(&b);
    s->plan_env = n;
    s->plan_env_version = version;
    s->plan_env_user = user;
    return n;
}

uint32_t
lg_session__plan_env(lg_session *s)
{
    return lg_cat_shared_generation(s->cat) ? env_id(s) : 0;
}

/* ---- entries ---- */

static struct entry *
find(lg_session *s, const char *key, size_t len)
{
    lg_session_cache *c = s->server->cache;
    struct entry *e = lg_strmap_get(c->entries, key, len);
    if (!e)
        return NULL;
    lg_list_remove(&e->link);
    lg_list_push_back(&c->lru, &e->link);
    return e;
}

/* What came once may never come again: true from the second time on, as far as is remembered. */
static bool
seen_before(lg_session_cache *c, const char *key, size_t len)
{
    uint64_t h = lg_hash_bytes(key, len, 0) | 1;
    uint64_t *slot = &c->seen[(h >> 32) % SEEN_SLOTS];
    bool seen = *slot == h;
    *slot = h;
    return seen;
}

static size_t
weight(const lg_prepared *p)
{
    size_t n = ENTRY_OVERHEAD;
    if (p)
        n += lg_arena_used_bytes(p->arena) +
             (p->planned ? lg_arena_used_bytes(p->planned->arena) : 0);
    return n;
}

/* Takes a reference of its own. prepared NULL: a refusal. */
static void
put(lg_session *s, const char *key, size_t len, lg_prepared *prepared)
{
    lg_session_cache *c = s->server->cache;
    struct entry *old = lg_strmap_get(c->entries, key, len);
    if (old)
        entry_drop(c, old);
    struct entry *e = lg_zalloc(sizeof *e + len);
    memcpy(e->key, key, len);
    e->key_len = (uint32_t)len;
    e->prepared = prepared;
    if (prepared)
        prepared->refs++;
    e->refused_at = lg_cat_shared_generation(s->cat);
    e->bytes = len + weight(prepared);
    c->bytes += e->bytes;
    lg_strmap_put(c->entries, e->key, len, e);
    lg_list_push_back(&c->lru, &e->link);
    while (c->bytes > CACHE_BYTES && c->lru.next != &e->link)
        entry_drop(c, LG_CONTAINER_OF(c->lru.next, struct entry, link));
}

/* Kind, environment, kinds of constants or types of parameters, text. */
static char *
make_key(lg_arena *a, char kind, uint32_t env, const void *types, size_t types_len,
         const char *text, size_t len, size_t *ret_len)
{
    char *key = lg_arena_alloc(a, KEY_HEAD + types_len + len);
    uint32_t head[3] = {(uint32_t)kind, env, (uint32_t)types_len};
    memcpy(key, head, KEY_HEAD);
    if (types_len)
        memcpy(key + KEY_HEAD, types, types_len);
    memcpy(key + KEY_HEAD + types_len, text, len);
    *ret_len = KEY_HEAD + types_len + len;
    return key;
}

/* ---- which texts may be kept as they are ---- */

/* Literals that mean something else at another time are evaluated when they are bound: 'now',
 * 'today' and their like, and times of day with a zone. */
static bool
literals_age(const char *text)
{
    static const char *const words[] = {"now", "today", "tomorrow", "yesterday", "timetz", "zone"};
    if (!strchr(text, '\'') && !strchr(text, '$'))
        return false;
    for (const char *p = text; *p; p++)
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            size_t n = strlen(words[i]);
            if (tolower((unsigned char)*p) == words[i][0] && !strncasecmp(p, words[i], n) &&
                p[n] != '(')
                return true;
        }
    return false;
}

static bool
is_repeated_utility(const lg_ast *stmt)
{
    return stmt->tag == LG_AST_TRANSACTION_STMT || stmt->tag == LG_AST_VARIABLE_SET_STMT ||
           stmt->tag == LG_AST_VARIABLE_SHOW_STMT;
}

/* A base to share: parses the text again, for a tree that lives as long as it. */
static lg_status
make_base(lg_session *s, const char *text, size_t len, uint32_t nparams, const lg_oid *params,
          lg_prepared **ret_p)
{
    lg_parse_tree *tree;
    lg_arena *arena = lg_arena_create("prepared", 2048);
    char *copy = lg_arena_strndup(arena, text, len);
    lg_status st = lg_parse_sql(s->server->cfg.run, copy, arena, &s->err, &tree);
    if (st == LG_OK && tree->n != 1)
        st = LG_INVALID;
    if (st == LG_OK)
        st = lg_session__prepare(s, "", copy, tree->stmts[0].stmt, arena, nparams, params, ret_p);
    else
        lg_arena_destroy(arena);
    return st;
}

/* ---- constants lifted ---- */

/* Rows by unique keys, and new rows: no other plan could be better for other constants. */
static bool
is_point_node(const lg_node *n)
{
    switch ((lg_node_kind)n->kind) {
    case LG_NODE_INDEX_SCAN:
        return n->scan.unique;
    case LG_NODE_MODIFY:
        if (n->modify.on_conflict)
            return false;
        break;
    case LG_NODE_RESULT:
    case LG_NODE_VALUES:
    case LG_NODE_LIMIT:
    case LG_NODE_LOCK_ROWS:
        break;
    default:
        return false;
    }
    return (!n->left || is_point_node(n->left)) && (!n->right || is_point_node(n->right));
}

static bool
is_point_plan(const lg_prepared *p, uint32_t nconsts)
{
    const lg_plan *plan = p->planned->plan;
    if (plan->nsubplans || plan->nctes || plan->nparams != nconsts || !is_point_node(plan->root))
        return false;
    for (uint32_t i = 0; i < nconsts; i++)
        if (!p->params[i] || p->params[i] == LG_T_UNKNOWN || p->params[i] == LG_T_INTERVAL)
            return false; /* an interval literal is read by its typmod */
    return true;
}

static lg_oid
const_type(lg_parse_shape_kind kind)
{
    static const lg_oid types[] = {LG_T_INT4, LG_T_INT8, LG_T_NUMERIC, 0};
    return types[kind];
}

static lg_status
const_value(lg_session *s, const char *text, const lg_parse_shape_const *c, lg_oid type,
            lg_arena *a, lg_datum *ret)
{
    const char *at = text + c->loc;
    if (c->kind == LG_PARSE_SHAPE_INT4 || c->kind == LG_PARSE_SHAPE_INT8) {
        int64_t v = 0;
        for (uint32_t i = 0; i < c->len; i++)
            v = v * 10 + (at[i] - '0');
        *ret = c->kind == LG_PARSE_SHAPE_INT4 ? lg_datum_int4((int32_t)v) : lg_datum_int8(v);
        return LG_OK;
    }
    char *copy = lg_arena_strndup(a, at, c->len);
    if (c->kind == LG_PARSE_SHAPE_STRING) {
        char *out = copy;
        for (uint32_t i = 1; i + 1 < c->len; i++) {
            *out++ = at[i];
            i += at[i] == '\'';
        }
        *out = 0;
    }
    return lg_type_input(&s->env, type, copy, -1, a, &s->err, ret);
}

lg_status
lg_session__cache_values(lg_session *s, const lg_session_lookup *l, lg_portal *portal)
{
    const lg_prepared *p = portal->prepared;
    LG_ASSERT(p->nparams == l->nconsts);
    portal->values = LG_NEWN(portal->arena, lg_datum, l->nconsts);
    portal->nulls = LG_NEWN(portal->arena, uint8_t, l->nconsts);
    for (uint32_t i = 0; i < l->nconsts; i++)
        LG_TRY(const_value(s, l->text, &l->consts[i], p->params[i], portal->arena,
                           &portal->values[i]));
    return LG_OK;
}

/* ---- simple queries ---- */

/* Is there a statement of that text or shape? Gives a reference. */
static lg_prepared *
found(lg_session *s, struct entry *e)
{
    lg_stat_inc(lg_run_stats(s->server->cfg.run), LG_STAT_PARSE_COUNT_TOTAL);
    e->prepared->refs++;
    return e->prepared;
}

lg_prepared *
lg_session__cache_find(lg_session *s, const char *text, size_t len, lg_session_lookup *l)
{
    memset(l, 0, offsetof(lg_session_lookup, consts));
    l->text = text;
    l->len = len;
    if (len > TEXT_MAX)
        return NULL;
    uint32_t env = l->env = lg_session__plan_env(s);
    struct entry *e;
    char *shape = NULL;
    size_t shape_len = 0;
    if (len <= SHAPE_TEXT_MAX) {
        size_t cap = len + 4 * LG_PARSE_SHAPE_CONSTS;
        shape = lg_arena_alloc(s->statement, cap);
        if (!lg_parse_shape(text, len, shape, cap, &shape_len, l->consts, &l->nconsts))
            shape = NULL;
    }
    bool plain = shape && !l->nconsts;
    if (shape && l->nconsts && env) {
        char kinds[LG_PARSE_SHAPE_CONSTS];
        for (uint32_t i = 0; i < l->nconsts; i++)
            kinds[i] = (char)('0' + l->consts[i].kind);
        l->shape = shape;
        l->shape_len = shape_len;
        l->shape_key = make_key(s->statement, 'T', env, kinds, l->nconsts, shape, shape_len,
                                &l->shape_key_len);
        e = find(s, l->shape_key, l->shape_key_len);
        if (e && e->prepared)
            return found(s, e);
        l->refused = e && e->refused_at == lg_cat_shared_generation(s->cat);
        if (!l->refused)
            return NULL;
    }
    l->nconsts = 0;
    l->text_key = make_key(s->statement, 'U', 0, NULL, 0, plain ? shape : text,
                           plain ? shape_len : len, &l->text_key_len);
    if ((e = l->refused ? NULL : find(s, l->text_key, l->text_key_len)))
        return found(s, e);
    l->query_key =
        env ? make_key(s->statement, 'X', env, NULL, 0, text, len, &l->query_key_len) : NULL;
    e = l->query_key ? find(s, l->query_key, l->query_key_len) : NULL;
    return e ? found(s, e) : NULL;
}

static lg_status
plan_shared(lg_session *s, lg_prepared *p, uint32_t env)
{
    p->env = env;
    return lg_session__plan(s, p);
}

/* Makes a shared statement of the shape. LG_NOT_FOUND: it is not one for that. */
static lg_status
learn_shape(lg_session *s, lg_session_lookup *l, lg_prepared **ret_p)
{
    lg_oid types[LG_PARSE_SHAPE_CONSTS];
    lg_prepared *p = NULL;
    for (uint32_t i = 0; i < l->nconsts; i++)
        types[i] = const_type(l->consts[i].kind);
    lg_status st = make_base(s, l->shape, l->shape_len, l->nconsts, types, &p);
    if (st == LG_OK && !lg_bind_is_query(p->stmt))
        st = LG_INVALID;
    if (st == LG_OK)
        st = plan_shared(s, p, l->env);
    if (st != LG_OK && st != LG_SQL && st != LG_INVALID && st != LG_UNSUPPORTED) {
        lg_session__prepared_unref(p); /* canceled, locks: has nothing to do with the shape */
        return st;
    }
    lg_error_clear(&s->err);
    bool good = st == LG_OK && is_point_plan(p, l->nconsts);
    put(s, l->shape_key, l->shape_key_len, good ? p : NULL);
    if (good) {
        *ret_p = p;
        return LG_OK;
    }
    lg_session__prepared_unref(p);
    return LG_NOT_FOUND;
}

lg_status
lg_session__cache_learn(lg_session *s, lg_session_lookup *l, const lg_ast *stmt,
                        lg_prepared **ret_p)
{
    lg_session_cache *c = s->server->cache;
    bool query = lg_bind_is_query(stmt);
    const char *key = query ? l->query_key : l->text_key;
    size_t key_len = query ? l->query_key_len : l->text_key_len;
    if (l->shape_key && !l->refused) {
        if (!query || !seen_before(c, l->shape_key, l->shape_key_len))
            return LG_NOT_FOUND;
        return learn_shape(s, l, ret_p);
    }
    if (!key || (query ? literals_age(l->text) : !is_repeated_utility(stmt)) ||
        !seen_before(c, key, key_len))
        return LG_NOT_FOUND;
    lg_prepared *p = NULL;
    lg_status st = make_base(s, l->text, l->len, 0, NULL, &p);
    if (st == LG_OK && query)
        st = plan_shared(s, p, l->env);
    if (st != LG_OK) {
        lg_session__prepared_unref(p);
        return st;
    }
    put(s, key, key_len, p);
    *ret_p = p;
    return LG_OK;
}

/* ---- Parse messages ---- */

lg_prepared *
lg_session__cache_find_parse(lg_session *s, const char *text, uint32_t nparams,
                             const lg_oid *params, lg_session_lookup *l)
{
    memset(l, 0, offsetof(lg_session_lookup, consts));
    l->text = text;
    l->len = strlen(text);
    l->env = lg_session__plan_env(s);
    if (!l->env || l->len > TEXT_MAX)
        return NULL;
    l->parse_key = make_key(s->statement, 'P', l->env, params, nparams * sizeof *params, text,
                            l->len, &l->parse_key_len);
    struct entry *e = find(s, l->parse_key, l->parse_key_len);
    if (e)
        return found(s, e);
    l->worth = seen_before(s->server->cache, l->parse_key, l->parse_key_len);
    return NULL;
}

void
lg_session__cache_keep_parse(lg_session_lookup *l, lg_prepared *p)
{
    if (!p->stmt || !l->worth || literals_age(l->text) ||
        (!lg_bind_is_query(p->stmt) && !is_repeated_utility(p->stmt)))
        l->parse_key = NULL;
    else
        p->env = l->env;
}

void
lg_session__cache_put_parse(lg_session *s, const lg_session_lookup *l, lg_prepared *p)
{
    if (l->parse_key && p->env == lg_session__plan_env(s))
        put(s, l->parse_key, l->parse_key_len, p);
}
