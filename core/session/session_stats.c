/* Statement statistics: entries, and the meter around every run of a portal.
 *
 * LOOKING UP  an unshared statement is normalized with the scanner alone (3 us); the normalized text
 * gives the query id from `ids`, the fingerprint (a parse) is made for texts not seen lately only.
 *
 * COUNTING  as PostgreSQL's: a call counts when it ran to its end; a portal that is fetched in pieces
 * is one call. PREPARE, EXECUTE and DEALLOCATE count as what they run. */
#include "hash.h"
#include "session_internal.h"
#include <stdlib.h>
#include <string.h>

#define IDS_MAX  20000u
#define TEXT_MAX (16u << 10)

struct lg_sqlstats {
    lg_strmap *entries; /* by {user, id} */
    lg_strmap *ids;     /* normalized text -> id (0 becomes 1) */
    lg_list lru;
    lg_list planned; /* entries with a plan, used longest ago first */
    uint32_t planned_count;
    uint64_t evicted, reset_us;
};

struct key {
    uint64_t id;
    lg_oid user, database;
};

lg_sqlstats *
lg_session__stats_create(uint64_t now_us)
{
    lg_sqlstats *t = lg_zalloc(sizeof *t);
    t->entries = lg_strmap_create();
    t->ids = lg_strmap_create();
    t->reset_us = now_us;
    lg_list_init(&t->lru);
    lg_list_init(&t->planned);
    return t;
}

void
lg_session__stat_unref(lg_sqlstat *e)
{
    if (!e || --e->refs)
        return;
    lg_free((void *)(uintptr_t)e->text);
    lg_free(e);
}

static void
plan_drop(lg_sqlstats *t, lg_sqlstat *e)
{
    lg_sqlstat_plan *p = e->plan;
    if (!p)
        return;
    lg_list_remove(&p->link);
    t->planned_count--;
    e->plan = NULL;
    lg_arena_destroy(p->arena);
}

/* For v$sql_plan: what it ran with, as text, for what the plan's names point to goes with the
 * statement. Written anew at most once a second. */
static void
plan_keep(lg_session *s, lg_sqlstat *e, const lg_portal *p)
{
    lg_sqlstats *t = s->server->sqlstats;
    lg_time now = lg_run_now_ns(s->server->cfg.run);
    if (e->gone || !p->planned || !p->planned->plan)
        return;
    if (e->plan && now < e->plan->at + LG_SEC) {
        lg_list_remove(&e->plan->link);
        lg_list_push_back(&t->planned, &e->plan->link);
        return;
    }
    plan_drop(t, e);
    lg_arena *a = lg_arena_create("sql_plan", 2048);
    lg_sqlstat_plan *x = e->plan = LG_NEW(a, lg_sqlstat_plan);
    *x = (lg_sqlstat_plan){.stat = e, .arena = a, .at = now};
    x->nrows = lg_session__plan_kept(s->server, p->planned->plan, NULL, a, &x->rows, &x->hash);
    lg_list_push_back(&t->planned, &x->link);
    if (++t->planned_count > LG_SQLSTAT_PLANS)
        plan_drop(t, LG_CONTAINER_OF(t->planned.next, lg_sqlstat_plan, link)->stat);
}

static void
entry_drop(lg_sqlstats *t, lg_sqlstat *e)
{
    plan_drop(t, e);
    struct key k = {e->id, e->user, e->database};
    lg_strmap_remove(t->entries, &k, sizeof k);
    lg_list_remove(&e->link);
    e->gone = true;
    lg_session__stat_unref(e);
}

void
lg_session__stats_destroy(lg_sqlstats *t)
{
    if (!t)
        return;
    while (!lg_list_empty(&t->lru))
        entry_drop(t, LG_CONTAINER_OF(t->lru.next, lg_sqlstat, link));
    lg_strmap_destroy(t->entries);
    lg_strmap_destroy(t->ids);
    lg_free(t);
}

void
lg_session__stats_reset(lg_sqlstats *t, lg_oid user, uint64_t id, uint64_t now_us)
{
    if (!user && !id)
        t->reset_us = now_us;
    LG_LIST_FOREACH_SAFE (it, &t->lru) {
        lg_sqlstat *e = LG_CONTAINER_OF(it, lg_sqlstat, link);
        if ((!user || e->user == user) && (!id || e->id == id))
            entry_drop(t, e);
    }
}

const lg_sqlstat *
lg_sqlstats_next(const lg_sqlstats *t, const lg_sqlstat *after)
{
    const lg_list *next = after ? after->link.next : t->lru.next;
    return next == &t->lru ? NULL : LG_CONTAINER_OF(next, const lg_sqlstat, link);
}

void
lg_sqlstats_info(const lg_sqlstats *t, uint64_t *ret_evicted, uint64_t *ret_reset_us)
{
    *ret_evicted = t->evicted;
    *ret_reset_us = t->reset_us;
}

/* ---- which statement ---- */

static uint64_t
query_id(lg_session *s, const char *text)
{
    lg_sqlstats *t = s->server->sqlstats;
    const char *norm = text;
    lg_parse_const *consts;
    uint32_t n;
    if (lg_parse_normalize(s->server->cfg.run, text, s->statement, &norm, &consts, &n) != LG_OK)
        norm = text;
    size_t len = strlen(norm);
    uint64_t id = (uint64_t)(uintptr_t)lg_strmap_get(t->ids, norm, len);
    if (id)
        return id;
    id = lg_parse_fingerprint(s->server->cfg.run, text);
    if (!id)
        id = lg_hash_bytes(norm, len, 15) | 1;
    if (lg_strmap_count(t->ids) >= IDS_MAX) {
        lg_strmap_destroy(t->ids);
        t->ids = lg_strmap_create();
    }
    lg_strmap_put(t->ids, norm, len, (void *)(uintptr_t)id);
    return id;
}

static lg_sqlstat *
entry_make(lg_session *s, const struct key *k, const char *text, bool query)
{
    lg_sqlstats *t = s->server->sqlstats;
    lg_sqlstat *e = lg_zalloc(sizeof *e);
    const char *shown =
        query ? lg_parse_pg_normalize(s->server->cfg.run, text, s->statement) : text;
    size_t len = strnlen(shown, TEXT_MAX);
    char *copy = lg_alloc(len + 1);
    memcpy(copy, shown, len);
    copy[len] = '\0';
    while (len && (copy[len - 1] == ';' || copy[len - 1] == ' ' || copy[len - 1] == '\n'))
        copy[--len] = '\0';
    e->text = copy;
    e->refs = 1;
    e->id = k->id;
    e->user = k->user;
    e->database = k->database;
    e->first_us = lg_run_wall_us(s->server->cfg.run);
    lg_strmap_put(t->entries, k, sizeof *k, e);
    lg_list_push_back(&t->lru, &e->link);
    if (lg_strmap_count(t->entries) > LG_SQLSTAT_MAX) {
        entry_drop(t, LG_CONTAINER_OF(t->lru.next, lg_sqlstat, link));
        t->evicted++;
    }
    return e;
}

/* The part of a text of several statements that is this one's. */
static const char *
own_text(lg_session *s, const lg_prepared *p)
{
    const char *text = p->text;
    if (p->text_len)
        text = lg_arena_strndup(s->statement, text + p->text_loc, (size_t)p->text_len);
    while (*text == ' ' || *text == '\n' || *text == '\t' || *text == '\r')
        text++;
    return text;
}

static bool
counts(const lg_prepared *p)
{
    return p->stmt && p->stmt->tag != LG_AST_EXECUTE_STMT && p->stmt->tag != LG_AST_PREPARE_STMT &&
           p->stmt->tag != LG_AST_DEALLOCATE_STMT;
}

/* NULL: not counted. */
static lg_sqlstat *
stat_of(lg_session *s, lg_prepared *p)
{
    lg_oid user = lg_cat_user(s->cat);
    if (p->base)
        p = p->base;
    lg_sqlstat *e = p->stat;
    if (e && !e->gone && e->user == user)
        return e;
    if (!counts(p))
        return NULL;
    const char *text = own_text(s, p);
    struct key k = {query_id(s, text), user, lg_cat_database_oid(s->cat)};
    e = lg_strmap_get(s->server->sqlstats->entries, &k, sizeof k);
    if (!e)
        e = entry_make(s, &k, text, lg_bind_is_query(p->stmt));
    e->refs++;
    lg_session__stat_unref(p->stat);
    p->stat = e;
    return e;
}

/* ---- the meter ---- */

static bool
wanted(lg_session *s)
{
    uint32_t version = lg_settings_version(s->settings) + 1;
    if (s->metered_version != version) {
        const char *set = lg_settings_string(s->settings, LG_SETTING_compute_query_id);
        s->metered = strcmp(set, "off") != 0;
        s->metered_version = version;
    }
    return s->metered;
}

void
lg_session__meter_start(lg_session *s, lg_portal *p, lg_session_meter *m)
{
    m->stat = wanted(s) ? stat_of(s, p->prepared) : NULL;
    if (!m->stat)
        return;
    m->stat->refs++;
    s->query_id = m->stat->id;
    lg_fiber_stats();
    memcpy(m->count, s->stats.count + LG_STAT_OWNED_FIRST, sizeof m->count);
    memcpy(m->wait_ns, s->stats.wait_ns, sizeof m->wait_ns);
    m->gc_current = s->stats.wait_count[LG_WAIT_GC_CURRENT_REQUEST];
    m->gc_cr = s->stats.wait_count[LG_WAIT_GC_CR_REQUEST];
    m->temp_read = s->temp_owner.pages_read;
    m->temp_written = s->temp_owner.pages_written;
    m->start = lg_run_now_exact_ns(s->server->cfg.run);
    m->serial = ++s->server->metered;
    m->outer = s->meter;
    s->meter = m;
}

static uint64_t *
class_of(lg_sqlstat *e, lg_wait w)
{
    switch (lg_wait_class(w)[0]) {
    case 'C':
        return lg_wait_class(w)[1] == 'l'                                 ? &e->cluster_ns
               : lg_wait_class(w)[1] == 'o' && lg_wait_class(w)[2] == 'm' ? &e->commit_ns
                                                                          : &e->other_ns;
    case 'U':
    case 'S':
        return &e->io_ns;
    case 'A':
        return &e->lock_ns;
    default:
        return &e->other_ns;
    }
}

static void
welford(double ms, uint64_t n, double *total, double *min, double *max, double *mean, double *m2)
{
    double delta = ms - *mean;
    *total += ms;
    *mean += delta / (double)n;
    *m2 += delta * (ms - *mean);
    if (n == 1 || ms < *min)
        *min = ms;
    if (n == 1 || ms > *max)
        *max = ms;
}

static void
call_add(lg_sqlstat *e, uint64_t ns, uint64_t rows)
{
    e->calls++;
    e->rows += rows;
    welford((double)ns / 1e6, e->calls, &e->total_ms, &e->min_ms, &e->max_ms, &e->mean_ms, &e->m2);
}

/* The number at the end of a command tag: of COPY, SELECT INTO, FETCH. */
static uint64_t
tag_rows(const char *tag)
{
    const char *n = strrchr(tag, ' ');
    return n ? strtoull(n + 1, NULL, 10) : 0;
}

void
lg_session__meter_waits(const lg_session *s, const lg_session_meter *m, lg_sqlstat *e)
{
    if (memcmp(s->stats.wait_ns, m->wait_ns, sizeof m->wait_ns) == 0)
        return; /* the usual case of what finds its blocks here */
    for (int w = LG_WAIT_NONE + 1; w < LG_WAIT_COUNT; w++)
        if (s->stats.wait_ns[w] != m->wait_ns[w])
            *class_of(e, (lg_wait)w) += s->stats.wait_ns[w] - m->wait_ns[w];
    e->gc_current += s->stats.wait_count[LG_WAIT_GC_CURRENT_REQUEST] - m->gc_current;
    e->gc_cr += s->stats.wait_count[LG_WAIT_GC_CR_REQUEST] - m->gc_cr;
}

/* p: NULL for what is no query. */
void
lg_session__meter_stop(lg_session *s, lg_portal *p, lg_session_meter *m, lg_status st,
                       const char *tag)
{
    lg_sqlstat *e = m->stat;
    if (!e)
        return;
    lg_time ns = lg_run_now_exact_ns(s->server->cfg.run) - m->start;
    lg_fiber_stats();
    s->meter = m->outer;
    if (ns >= LG_MONITOR_LONG)
        lg_session__monitor_keep(s, p, m, st, st == LG_END ? tag_rows(tag) : 0);
    const uint64_t *now = s->stats.count + LG_STAT_OWNED_FIRST;
    for (unsigned i = 0; i < LG_STAT_OWNED; i++)
        e->count[i] += now[i] - m->count[i];
    e->temp_read += s->temp_owner.pages_read - m->temp_read;
    e->temp_written += s->temp_owner.pages_written - m->temp_written;
    lg_session__meter_waits(s, m, e);
    if (!p) {
        if (st == LG_END)
            call_add(e, ns, tag_rows(tag));
    } else {
        p->metered_ns += ns;
        if (st == LG_END && p->metered_ns)
            call_add(e, p->metered_ns, p->exec ? lg_exec_rows(p->exec) : p->rows);
        plan_keep(s, e, p);
        if (st != LG_OK) /* as with PostgreSQL, what failed is no call */
            p->metered_ns = 0;
    }
    e->last_us = s->query_start_us;
    if (!e->gone) {
        lg_list_remove(&e->link);
        lg_list_push_back(&s->server->sqlstats->lru, &e->link);
    }
    lg_session__stat_unref(e);
}

/* ---- planning ---- */

lg_time
lg_session__meter_plan_start(lg_session *s)
{
    const char *on = lg_settings_get(s->settings, "pg_stat_statements.track_planning");
    if (!on || (strcmp(on, "on") && strcmp(on, "true") && strcmp(on, "1")) || !wanted(s))
        return 0;
    return lg_run_now_exact_ns(s->server->cfg.run);
}

void
lg_session__meter_plan_stop(lg_session *s, lg_prepared *p, lg_time start)
{
    lg_sqlstat *e = start ? stat_of(s, p) : NULL;
    if (!e)
        return;
    e->plans++;
    welford((double)(lg_run_now_exact_ns(s->server->cfg.run) - start) / 1e6, e->plans,
            &e->plan_total_ms, &e->plan_min_ms, &e->plan_max_ms, &e->plan_mean_ms, &e->plan_m2);
}

/* A portal is dropped before its end. */
void
lg_session__meter_drop(lg_portal *p)
{
    lg_prepared *prep = p->prepared->base ? p->prepared->base : p->prepared;
    if (p->metered_ns && prep->stat)
        call_add(prep->stat, p->metered_ns, p->exec ? lg_exec_rows(p->exec) : 0);
    p->metered_ns = 0;
}
