#include "sql_memory.h"
#include "ges.h"
#include "keycodec.h"
#include "lg_test.h"
#include "map.h"
#include "mem.h"
#include "strbuf.h"
#include "syscat.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- storage --- */

struct mrow {
    uint8_t *bytes;
    size_t len;
    bool live;
};

struct mentry {
    uint8_t *key;
    size_t len;
    lg_tid tid;
};

struct mseg {
    lg_seg_kind kind;
    struct mrow *rows;
    uint32_t n, cap;
    struct mentry *entries;
    uint32_t ne, ecap;
    lg_seq_state seq;
    uint64_t *ring;
    uint32_t nring;
};

/* What to do to take one change back. */
struct undo {
    enum { U_INSERT, U_UPDATE, U_DELETE, U_ENTRY_INSERT, U_ENTRY_DELETE } what;
    lg_rel_storage st;
    lg_tid tid;
    uint8_t *bytes; /* the old row, or the key */
    size_t len;
};

struct sqlm {
    struct undo *undo;
    uint32_t nundo, undo_cap;
    lg_run *run;
    lg_ges *ges;
    lg_ges_owner owner;
    lg_catalog *catalog;
    lg_cat *cat;
    lg_fntable *functions;
    lg_tz_cache *tzs;
    struct mseg *segs;
    uint32_t nsegs;
    lg_env env;
    lg_error err;
    lg_exec_session es;
    lg_temp *temp;
    lg_temp_owner temp_owner;
    lg_faults *faults;
    lg_arena *arena;
    lg_strbuf out;
    void (*fn)(sqlm *m);
};

static struct mseg *
seg_of(void *arg, const lg_rel_storage *st)
{
    return &((sqlm *)arg)->segs[st->file - 1];
}

static lg_status
m_create(void *arg, struct lg_txn *txn, lg_seg_kind kind, lg_rel_storage *ret)
{
    sqlm *m = arg;
    (void)txn;
    m->segs = lg_realloc(m->segs, sizeof *m->segs * (m->nsegs + 1));
    m->segs[m->nsegs] = (struct mseg){.kind = kind};
    *ret = (lg_rel_storage){.file = ++m->nsegs, .head = 1};
    return LG_OK;
}

static lg_status
m_drop(void *arg, const lg_rel_storage *st)
{
    (void)arg;
    (void)st;
    return LG_OK;
}

static lg_status
m_blocks(void *arg, const lg_rel_storage *st, uint32_t *ret)
{
    *ret = seg_of(arg, st)->n / 50 + 1;
    return LG_OK;
}

static uint8_t *
keep(const void *p, size_t n)
{
    uint8_t *d = lg_alloc(n + 1);
    memcpy(d, p, n);
    return d;
}

static void
note(void *arg, struct undo u)
{
    sqlm *m = arg;
    if (m->nundo == m->undo_cap) {
        m->undo_cap = m->undo_cap ? m->undo_cap * 2 : 64;
        m->undo = lg_realloc(m->undo, sizeof *m->undo * m->undo_cap);
    }
    m->undo[m->nundo++] = u;
}

static lg_status
m_insert(void *arg, struct lg_txn *txn, const lg_rel_storage *st, const void *row, size_t len,
         lg_tid *ret_tid)
{
    struct mseg *s = seg_of(arg, st);
    (void)txn;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->rows = lg_realloc(s->rows, sizeof *s->rows * s->cap);
    }
    s->rows[s->n] = (struct mrow){keep(row, len), len, true};
    *ret_tid = (lg_tid)s->n++ + (1u << 16);
    note(arg, (struct undo){U_INSERT, *st, *ret_tid, NULL, 0});
    return LG_OK;
}

static struct mrow *
row_of(void *arg, const lg_rel_storage *st, lg_tid tid)
{
    struct mseg *s = seg_of(arg, st);
    uint64_t i = tid - (1u << 16);
    return i < s->n && s->rows[i].live ? &s->rows[i] : NULL;
}

static lg_status
m_fetch(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
        lg_tid tid, lg_arena *a, const uint8_t **ret_row, size_t *ret_len)
{
    struct mrow *r = row_of(arg, st, tid);
    (void)txn;
    (void)snap;
    if (!r)
        return LG_NOT_FOUND;
    *ret_row = lg_arena_dup(a, r->bytes, r->len);
    *ret_len = r->len;
    return LG_OK;
}

static lg_status
m_lock(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
       lg_tid tid, lg_row_lockmode mode, lg_row_wait wait)
{
    (void)txn;
    (void)snap;
    (void)mode;
    (void)wait;
    return row_of(arg, st, tid) ? LG_OK : LG_DELETED;
}

static lg_status
m_update(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
         lg_tid tid, const void *row, size_t len, bool keys_change)
{
    struct mrow *r = row_of(arg, st, tid);
    (void)txn;
    (void)snap;
    (void)keys_change;
    if (!r)
        return LG_DELETED;
    uint8_t *d = keep(row, len);
    note(arg, (struct undo){U_UPDATE, *st, tid, r->bytes, r->len});
    r->bytes = d;
    r->len = len;
    return LG_OK;
}

static lg_status
m_delete(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
         lg_tid tid)
{
    struct mrow *r = row_of(arg, st, tid);
    (void)txn;
    (void)snap;
    if (!r)
        return LG_DELETED;
    r->live = false;
    note(arg, (struct undo){U_DELETE, *st, tid, NULL, 0});
    return LG_OK;
}

/* A scan sees what was there when it began. */
struct mscan {
    void *arg;
    lg_rel_storage st;
    uint32_t at, end;
    struct mentry *list; /* of an index */
};

static lg_status
m_scan_open(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap, const lg_rel_storage *st,
            void **ret)
{
    struct mscan *s = lg_zalloc(sizeof *s);
    (void)txn;
    (void)snap;
    *s = (struct mscan){arg, *st, 0, seg_of(arg, st)->n, NULL};
    *ret = s;
    return LG_OK;
}

static lg_status
m_scan_next(void *scan, lg_arena *a, lg_tid *ret_tid, const uint8_t **ret_row, size_t *ret_len)
{
    struct mscan *s = scan;
    for (; s->at < s->end; s->at++) {
        struct mrow *r = &seg_of(s->arg, &s->st)->rows[s->at];
        if (!r->live)
            continue;
        *ret_tid = (lg_tid)s->at++ + (1u << 16);
        *ret_row = lg_arena_dup(a, r->bytes, r->len);
        *ret_len = r->len;
        return LG_OK;
    }
    return LG_END;
}

static void
m_scan_close(void *scan)
{
    struct mscan *s = scan;
    for (uint32_t i = 0; s->list && i < s->end; i++)
        lg_free(s->list[i].key);
    lg_free(s->list);
    lg_free(s);
}

static int
compare_keys(const uint8_t *a, size_t na, const uint8_t *b, size_t nb)
{
    int r = memcmp(a, b, na < nb ? na : nb);
    return r ? r : (na > nb) - (na < nb);
}

static lg_status
m_probe(void *arg, struct lg_txn *txn, const lg_rel_storage *st, const void *key, size_t len,
        lg_tid *ret_tid)
{
    struct mseg *s = seg_of(arg, st);
    (void)txn;
    for (uint32_t i = 0; i < s->ne; i++)
        if (compare_keys(s->entries[i].key, s->entries[i].len, key, len) == 0) {
            *ret_tid = s->entries[i].tid;
            return LG_OK;
        }
    return LG_NOT_FOUND;
}

static lg_status
m_entry_insert(void *arg, struct lg_txn *txn, const lg_rel_storage *st, const void *key, size_t len,
               lg_tid tid, bool unique, lg_tid *ret_conflict)
{
    struct mseg *s = seg_of(arg, st);
    if (unique && m_probe(arg, txn, st, key, len, ret_conflict) == LG_OK)
        return LG_EXISTS;
    if (s->ne == s->ecap) {
        s->ecap = s->ecap ? s->ecap * 2 : 16;
        s->entries = lg_realloc(s->entries, sizeof *s->entries * s->ecap);
    }
    s->entries[s->ne++] = (struct mentry){keep(key, len), len, tid};
    note(arg, (struct undo){U_ENTRY_INSERT, *st, tid, keep(key, len), len});
    return LG_OK;
}

static lg_status
m_entry_delete(void *arg, struct lg_txn *txn, const lg_rel_storage *st, const void *key, size_t len,
               lg_tid tid)
{
    struct mseg *s = seg_of(arg, st);
    (void)txn;
    for (uint32_t i = 0; i < s->ne; i++) {
        struct mentry *e = &s->entries[i];
        if (e->tid == tid && compare_keys(e->key, e->len, key, len) == 0) {
            note(arg, (struct undo){U_ENTRY_DELETE, *st, tid, e->key, e->len});
            *e = s->entries[--s->ne];
            return LG_OK;
        }
    }
    return LG_NOT_FOUND;
}

/* Takes everything back that was noted since `mark`, newest first; or forgets it. */
static void
finish(sqlm *m, uint32_t mark, bool back)
{
    while (m->nundo > mark) {
        struct undo u = m->undo[--m->nundo];
        struct mrow *r = u.what <= U_DELETE ? &seg_of(m, &u.st)->rows[u.tid - (1u << 16)] : NULL;
        lg_tid other;
        if (back && u.what == U_INSERT) {
            r->live = false;
        } else if (back && u.what == U_DELETE) {
            r->live = true;
        } else if (back && u.what == U_UPDATE) {
            lg_free(r->bytes);
            r->bytes = u.bytes;
            r->len = u.len;
            continue;
        } else if (back && u.what == U_ENTRY_INSERT) {
            LG_ASSERT_OK(m_entry_delete(m, NULL, &u.st, u.bytes, u.len, u.tid));
            m->nundo--;
            lg_free(m->undo[m->nundo].bytes);
        } else if (back) {
            LG_ASSERT_OK(m_entry_insert(m, NULL, &u.st, u.bytes, u.len, u.tid, false, &other));
            m->nundo--;
            lg_free(m->undo[m->nundo].bytes);
        }
        lg_free(u.bytes);
    }
}

static int
compare_entries(const void *pa, const void *pb)
{
    const struct mentry *a = pa, *b = pb;
    int r = compare_keys(a->key, a->len, b->key, b->len);
    return r ? r : (a->tid > b->tid) - (a->tid < b->tid);
}

static lg_status
m_index_open(void *arg, struct lg_txn *txn, const struct lg_snapshot *snap,
             const lg_rel_storage *st, const void *lo, size_t lo_len, const void *hi, size_t hi_len,
             bool backward, void **ret)
{
    struct mseg *g = seg_of(arg, st);
    struct mscan *s = lg_zalloc(sizeof *s);
    (void)txn;
    (void)snap;
    s->arg = arg;
    s->list = lg_alloc(sizeof *s->list * (g->ne + 1));
    for (uint32_t i = 0; i < g->ne; i++) {
        struct mentry *e = &g->entries[i];
        if ((lo_len && compare_keys(e->key, e->len, lo, lo_len) < 0) ||
            (hi_len && compare_keys(e->key, e->len, hi, hi_len) >= 0))
            continue;
        s->list[s->end++] = (struct mentry){keep(e->key, e->len), e->len, e->tid};
    }
    qsort(s->list, s->end, sizeof *s->list, compare_entries);
    for (uint32_t i = 0; backward && i < s->end / 2; i++) {
        struct mentry t = s->list[i];
        s->list[i] = s->list[s->end - 1 - i];
        s->list[s->end - 1 - i] = t;
    }
    *ret = s;
    return LG_OK;
}

static lg_status
m_index_next(void *scan, const uint8_t **ret_key, size_t *ret_len, lg_tid *ret_tid,
             bool *ret_recheck)
{
    struct mscan *s = scan;
    if (s->at == s->end)
        return LG_END;
    *ret_key = s->list[s->at].key;
    *ret_len = s->list[s->at].len;
    *ret_tid = s->list[s->at++].tid;
    *ret_recheck = false;
    return LG_OK;
}

static const struct lg_snapshot *
m_latest(void *arg, struct lg_txn *txn, lg_arena *a)
{
    (void)txn;
    (void)a;
    return arg;
}

static lg_status
m_seq(void *arg, const lg_rel_storage *st, void (*fn)(void *, lg_seq_state *), void *fn_arg)
{
    fn(fn_arg, &seg_of(arg, st)->seq);
    return LG_OK;
}

static lg_status
m_ring_append(void *arg, const lg_rel_storage *st, const uint64_t *words, uint32_t n)
{
    struct mseg *g = seg_of(arg, st);
    g->ring = lg_realloc(g->ring, (g->nring + n) * sizeof *words);
    memcpy(g->ring + g->nring, words, n * sizeof *words);
    g->nring += n;
    return LG_OK;
}

static lg_status
m_ring_read(void *arg, const lg_rel_storage *st, uint64_t *at, uint64_t *words, uint32_t cap,
            uint32_t *ret_n)
{
    struct mseg *g = seg_of(arg, st);
    for (*ret_n = 0; *at < g->nring && *ret_n < cap; ++*at)
        words[(*ret_n)++] = g->ring[*at];
    return LG_OK;
}

static const lg_access_ops ops = {.segment_create = m_create,
                                  .segment_drop = m_drop,
                                  .segment_blocks = m_blocks,
                                  .row_insert = m_insert,
                                  .row_fetch = m_fetch,
                                  .row_lock = m_lock,
                                  .row_update = m_update,
                                  .row_delete = m_delete,
                                  .scan_open = m_scan_open,
                                  .scan_next = m_scan_next,
                                  .scan_close = m_scan_close,
                                  .entry_insert = m_entry_insert,
                                  .entry_probe = m_probe,
                                  .entry_delete = m_entry_delete,
                                  .index_open = m_index_open,
                                  .index_next = m_index_next,
                                  .index_close = m_scan_close,
                                  .snapshot_latest = m_latest,
                                  .seq_modify = m_seq,
                                  .ring_append = m_ring_append,
                                  .ring_read = m_ring_read};

/* --- running SQL --- */

static lg_status
sink(void *arg, const lg_batch *b)
{
    sqlm *m = arg;
    for (uint32_t k = 0; k < b->n; k++) {
        uint32_t row = lg_sel_row(b->sel, k);
        for (uint32_t i = 0; i < b->ncols; i++) {
            const char *s;
            size_t n;
            if (i)
                lg_strbuf_putc(&m->out, '|');
            if (lg_vector_is_null(b->cols[i], row))
                continue;
            LG_TRY(lg_type_output(&m->env, b->cols[i]->type, lg_vector_value(b->cols[i], row),
                                  m->arena, &m->err, &s, &n));
            lg_strbuf_append(&m->out, s, n);
        }
        lg_strbuf_putc(&m->out, '\n');
    }
    return LG_OK;
}

static lg_status
copy_start(void *arg, bool in, bool binary, uint32_t ncols)
{
    (void)arg;
    (void)binary;
    (void)ncols;
    return in ? LG_UNSUPPORTED : LG_OK;
}

static lg_status
copy_out(void *arg, const char *data, size_t len)
{
    lg_strbuf_append(&((sqlm *)arg)->out, data, len);
    return LG_OK;
}

static lg_status
copy_end(void *arg)
{
    (void)arg;
    return LG_OK;
}

static lg_status
run_query(sqlm *m, const char *sql, lg_ast *stmt, char *tag)
{
    lg_bind b;
    lg_query *q;
    lg_plan *plan;
    lg_exec *x;
    uint64_t n = 0;
    lg_bind_init(&b, m->cat, m->run, m->arena, &m->env, &m->err, sql);
    lg_status st = lg_bind_query(&b, stmt, &q);
    if (st == LG_OK)
        st = lg_plan_query(&b, q, NULL, &plan);
    if (st != LG_OK) {
        lg_bind_fini(&b);
        return st;
    }
    st = lg_exec_open(&m->es, plan, NULL, NULL, &x);
    if (st == LG_OK) {
        st = lg_exec_fetch(x, 0, sink, m, &n);
        lg_exec_tag(plan, lg_exec_rows(x), tag);
        lg_exec_close(x);
    }
    lg_plan_fini(plan);
    lg_bind_fini(&b);
    return st == LG_END ? LG_OK : st;
}

static lg_status
run_stmt(sqlm *m, const char *sql, lg_ast *stmt)
{
    char tag[LG_TAG_MAX] = "";
    lg_status st;
    m->es.sql = sql;
    finish(m, 0, false);
    lg_cat_begin(m->cat, (struct lg_txn *)m);
    if (lg_bind_is_query(stmt)) {
        st = run_query(m, sql, stmt, tag);
    } else {
        lg_bind params;
        lg_bind_init(&params, m->cat, m->run, m->arena, &m->env, &m->err, sql);
        st = lg_ddl_utility(&m->es, m->arena, stmt, &params, sink, m, tag);
        lg_bind_fini(&params);
    }
    if (st == LG_OK)
        st = lg_cat_pre_commit(m->cat);
    if (st != LG_OK)
        finish(m, 0, true);
    lg_cat_end(m->cat, st == LG_OK);
    if (st == LG_OK && strncmp(tag, "SELECT", 6) != 0)
        lg_strbuf_printf(&m->out, "%s\n", tag);
    return st;
}

lg_temp_owner *
sqlm_spill(sqlm *m, size_t work_mem)
{
    if (!m->temp)
        LG_ASSERT_OK(lg_temp_create(m->run, "/tmp", &m->temp));
    m->es.temp = m->temp;
    m->es.temp_owner = &m->temp_owner;
    m->es.work_mem = m->es.hash_mem = m->es.maintenance_work_mem = work_mem;
    return &m->temp_owner;
}

lg_faults *
sqlm_faults(sqlm *m)
{
    return m->faults;
}

const char *
sqlm_run(sqlm *m, const char *sql)
{
    lg_parse_tree *tree;
    lg_arena_reset(m->arena);
    lg_error_init(&m->err, m->arena);
    lg_strbuf_reset(&m->out);
    lg_status st = lg_parse_sql(m->run, sql, m->arena, &m->err, &tree);
    for (uint32_t i = 0; st == LG_OK && i < tree->n; i++)
        st = run_stmt(m, tree->sql, tree->stmts[i].stmt);
    if (st != LG_OK) {
        lg_error_from_status(&m->err, st);
        lg_strbuf_printf(&m->out, "ERROR:  %s %s\n", m->err.sqlstate, m->err.message);
    }
    return m->out.data ? m->out.data : "";
}

lg_cat *
sqlm_cat(sqlm *m)
{
    return m->cat;
}

static lg_status
check_cancel(void *arg)
{
    (void)arg;
    return lg_fiber_canceled(lg_fiber_self());
}

struct canceler {
    lg_fiber *victim;
    lg_time at;
};

static void
on_time(void *arg)
{
    struct canceler *c = arg;
    lg_fiber_cancel(c->victim, LG_CANCELED);
}

const char *
sqlm_run_canceled(sqlm *m, const char *sql, uint64_t after_ms, uint64_t *ret_after_ms)
{
    struct canceler c = {.victim = lg_fiber_self()};
    lg_timer t;
    c.at = lg_run_now_exact_ns(m->run) + after_ms * LG_MS;
    lg_timer_init(&t, m->run, on_time, &c);
    lg_timer_start(&t, c.at);
    m->es.check_cancel = check_cancel;
    const char *got = sqlm_run(m, sql);
    lg_time now = lg_run_now_exact_ns(m->run);
    *ret_after_ms = now > c.at ? (uint64_t)(now - c.at) / LG_MS : 0;
    lg_timer_stop(&t);
    (void)!lg_fiber_canceled(lg_fiber_self());
    m->es.check_cancel = NULL;
    return got;
}

static void
fiber(void *arg)
{
    sqlm *m = arg;
    lg_catalog_config cfg = {.run = m->run, .access = {&ops, m}, .ges = m->ges};
    lg_catalog_root root;
    LG_ASSERT_OK(lg_catalog_create(&cfg, &m->catalog));
    lg_exec_procs_register(m->catalog);
    LG_ASSERT_OK(lg_syscat_views_register(m->catalog));
    LG_ASSERT_OK(
        lg_catalog_bootstrap(m->catalog, (struct lg_txn *)m, "lagoon", "lagoon", "x", &root));
    LG_ASSERT_OK(lg_cat_create(m->catalog, LG_ROLE_BOOTSTRAP, "lagoon", &m->cat));
    lg_ges_owner_init(m->ges, &m->owner, NULL);
    lg_cat_set_owner(m->cat, &m->owner);
    lg_cat_set_search_path(m->cat, "\"$user\", public");
    m->functions = lg_fntable_create();
    lg_syscat_functions_register(m->functions);
    lg_env_init(&m->env);
    m->tzs = lg_tz_cache_create();
    m->env.tzs = m->tzs;
    m->env.ext = m->functions;
    m->env.session = &m->es;
    m->env.user = &lg_exec_usertypes;
    m->es = (lg_exec_session){.run = m->run,
                              .cat = m->cat,
                              .env = &m->env,
                              .err = &m->err,
                              .snapshot = (const struct lg_snapshot *)m};
    m->es.arg = m;
    m->es.utility = lg_ddl_utility;
    m->es.copy_start = copy_start;
    m->es.copy_out = copy_out;
    m->es.copy_end = copy_end;
    lg_temp_owner_init(&m->temp_owner);
    m->fn(m);
    CU_ASSERT(lg_list_empty(&m->temp_owner.files)); /* whatever happened to the statements */
    lg_temp_destroy(m->temp);
    lg_ddl_session_fini(&m->es);
    lg_exec_session_fini(&m->es);
    lg_cat_destroy(m->cat);
    lg_ges_owner_fini(&m->owner);
    lg_catalog_destroy(m->catalog);
    lg_run_stop(m->run);
}

void
sqlm_with(void (*fn)(sqlm *m))
{
    lg_heap *heap = lg_heap_create();
    sqlm *m = lg_zalloc(sizeof *m);
    m->fn = fn;
    m->arena = lg_arena_create("sql", 0);
    lg_strbuf_init(&m->out, 1 << 24);
    m->faults = lg_faults_create();
    lg_run_config rc = {.name = "test", .heap = heap, .faults = m->faults};
    LG_ASSERT_OK(lg_run_create(&rc, &m->run));
    lg_heap *old = lg_heap_switch(heap);
    lg_ges_config gc = {.run = m->run, .node = 1};
    LG_ASSERT_OK(lg_ges_create(&gc, &m->ges));
    LG_ASSERT_OK(lg_run_spawn(m->run, "sql", 0, fiber, m, NULL));
    lg_heap_switch(old);
    LG_ASSERT_OK(lg_run_loop(m->run));
    lg_heap_switch(heap);
    lg_ges_destroy(m->ges);
    lg_heap_switch(old);
    lg_run_destroy(m->run);
    lg_strbuf_fini(&m->out);
    lg_arena_destroy(m->arena);
    lg_faults_destroy(m->faults); /* what was armed is of this heap */
    lg_heap_destroy(heap);
    lg_free(m);
}
