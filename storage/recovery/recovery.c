/* Recovery: the set (double-write images, vectors of the dead threads), settling, release. */
#include "recovery_internal.h"
#include "assert.h"
#include "waitq.h"
#include <stdlib.h>
#include <string.h>

#define SETTLE_POLL   (10 * LG_MS)
#define SETTLE_FIBERS 16

/* ---- life ---- */

lg_status
lg_recovery_create(const lg_recovery_config *cfg, lg_recovery **ret_rec)
{
    if (cfg->thread_count > LG_VOLUME_MAX_INSTANCES)
        return LG_INVALID;
    lg_recovery *rec = lg_zalloc(sizeof *rec);
    rec->cfg = *cfg;
    rec->cfg.threads = NULL; /* the caller's array need not live on */
    for (uint32_t i = 0; i < cfg->thread_count; i++)
        rec->threads[i].thread = cfg->threads[i];
    rec->block_bytes = lg_volume_block_bytes(cfg->volume);
    rec->arena = lg_arena_create("recovery", 1u << 20);
    rec->set = lg_map_create();
    rec->stats.threads = cfg->thread_count;
    rec->stats.failed = LG_ADDR_NONE;
    *ret_rec = rec;
    return LG_OK;
}

void
lg_recovery_destroy(lg_recovery *rec)
{
    if (!rec)
        return;
    lg_free(rec->order);
    lg_map_destroy(rec->set);
    lg_arena_destroy(rec->arena);
    lg_free(rec);
}

struct lg_rec__entry *
lg_rec__entry_get(lg_recovery *rec, lg_addr addr)
{
    struct lg_rec__entry *e = lg_map_get(rec->set, lg_addr_key(addr));
    if (!e) {
        e = LG_NEW(rec->arena, struct lg_rec__entry);
        e->addr = addr;
        lg_map_put(rec->set, lg_addr_key(addr), e);
        rec->stats.blocks_in_set++;
    }
    return e;
}

/* ---- places ---- */

static lg_status
map_image_read(lg_recovery *rec, lg_addr map_block, void *image)
{
    struct lg_rec__entry *e = lg_map_get(rec->set, lg_addr_key(map_block));
    if (e && e->image) {
        memcpy(image, e->image, rec->block_bytes);
        return LG_OK;
    }
    if (rec->cfg.env.map_block)
        return rec->cfg.env.map_block(rec->cfg.env.arg, map_block, image);
    if (rec->cfg.cache) {
        lg_buf *b;
        LG_TRY(lg_buf_get(rec->cfg.cache, map_block, LG_LATCH_S, &b));
        memcpy(image, b->data, rec->block_bytes);
        lg_buf_put(rec->cfg.cache, b, LG_LATCH_S);
        return LG_OK;
    }
    lg_volume_place place;
    lg_addr none;
    LG_TRY(lg_volume_locate(rec->cfg.volume, map_block, &place, &none));
    return lg_volume_read_block(rec->cfg.volume, &place, map_block, image);
}

lg_status
lg_rec__locate(lg_recovery *rec, lg_addr addr, lg_volume_place *ret)
{
    lg_addr map_block;
    lg_status st = lg_volume_locate(rec->cfg.volume, addr, ret, &map_block);
    if (st != LG_NOT_FOUND)
        return st;
    void *image = lg_io_buf_alloc(rec->block_bytes);
    while (st == LG_NOT_FOUND) {
        st = map_image_read(rec, map_block, image);
        if (st == LG_OK)
            st = lg_volume_map_install(rec->cfg.volume, addr, map_block, image);
        if (st == LG_OK)
            st = lg_volume_locate(rec->cfg.volume, addr, ret, &map_block);
    }
    lg_free(image);
    return st;
}

lg_status
lg_rec__sync_disks(lg_recovery *rec)
{
    for (uint32_t i = 0; i < lg_volume_disk_count(rec->cfg.volume); i++)
        LG_TRY(lg_disk_sync(lg_volume_disk(rec->cfg.volume, i), LG_WAIT_DB_FILE_WRITE));
    return LG_OK;
}

/* ---- double-write areas ---- */

struct scan {
    lg_recovery *rec;
    bool own;
};

static lg_status
spare_found(void *arg, lg_addr addr, const void *image, uint32_t index)
{
    struct scan *s = arg;
    struct lg_rec__entry *e = lg_rec__entry_get(s->rec, addr);
    if (e->spare && lg_block_version(e->spare) >= lg_block_version(image))
        return LG_OK;
    /* aligned: it is written from there */
    uintptr_t room = (uintptr_t)lg_arena_alloc(s->rec->arena, s->rec->block_bytes + 4095);
    e->spare = memcpy((void *)((room + 4095) & ~(uintptr_t)4095), image, s->rec->block_bytes);
    e->spare_index = index;
    e->spare_own = s->own;
    return LG_OK;
}

/* A whole block of another address: the file that was mapped here is gone, the redo that says so is
 * not applied yet. (A torn one of the other is repaired beside it, from its own good copy.) */
static bool
of_another(const lg_recovery *rec, const void *image)
{
    const lg_block_header *h = image;
    return lg_block_verify(image, rec->block_bytes, (lg_addr){h->file, h->block}) == LG_OK;
}

/* Is the block torn on disk? LG_OK: it is; LG_NOT_FOUND: it is not. */
static lg_status
torn(lg_recovery *rec, const struct lg_rec__entry *e, void *image, lg_volume_place *ret_place)
{
    lg_status st = lg_rec__locate(rec, e->addr, ret_place);
    if (st == LG_INVALID || st == LG_CORRUPT)
        return LG_NOT_FOUND; /* not mapped yet on disk: its redo formats it */
    LG_TRY(st);
    st = lg_volume_read_block(rec->cfg.volume, ret_place, e->addr, image);
    if (st == LG_CORRUPT && of_another(rec, image))
        return LG_NOT_FOUND;
    return st == LG_CORRUPT ? LG_OK : st == LG_OK ? LG_NOT_FOUND : st;
}

/* Torn blocks whose good copy is in our own area (own) or in others', in batches. */
static lg_status
repair_of(lg_recovery *rec, bool own, lg_dwb_block *batch, void *image)
{
    uint32_t n = 0, most = lg_dwb_batch_blocks(rec->cfg.dwb);
    for (uint32_t i = 0; i < rec->order_count; i++) {
        struct lg_rec__entry *e = rec->order[i];
        if (!e->spare || e->spare_own != own)
            continue;
        lg_status st = torn(rec, e, image, &batch[n].place);
        if (st == LG_NOT_FOUND)
            continue;
        LG_TRY(st);
        if (own && n == 0)
            lg_dwb_spare(rec->cfg.dwb, e->spare_index);
        batch[n++].image = e->spare;
        rec->stats.repaired++;
        if (n == most) {
            LG_TRY(lg_dwb_write(rec->cfg.dwb, batch, n));
            n = 0;
        }
    }
    return n ? lg_dwb_write(rec->cfg.dwb, batch, n) : LG_OK;
}

/* Nobody else lives: the torn blocks are put right at once. First those whose good copy is in our
 * own area: all in one batch, through the half that holds none of them (at the death one half was
 * in use). Then our area is free for the others. So a death at any time loses nothing. */
static lg_status
repair_now(lg_recovery *rec)
{
    uint32_t most = lg_dwb_batch_blocks(rec->cfg.dwb);
    lg_dwb_block *batch = lg_zalloc(most * sizeof *batch);
    void *image = lg_io_buf_alloc(rec->block_bytes);
    lg_rec__order_make(rec);
    lg_status st = repair_of(rec, true, batch, image);
    if (st == LG_OK)
        st = repair_of(rec, false, batch, image);
    lg_volume_maps_forget(rec->cfg.volume);
    lg_free(image);
    lg_free(batch);
    return st;
}

lg_status
lg_recovery_repair(lg_recovery *rec)
{
    /* The end of the redo that analysis will read must not be lost by a power failure after parts
     * of its mini-transactions are on disk; nor may a block that reads well now be torn then, when
     * our own area holds other images. */
    LG_TRY(lg_rec__sync_disks(rec));
    uint64_t areas = rec->cfg.areas;
    for (uint32_t i = 0; i < rec->stats.threads; i++)
        areas |= 1ULL << rec->threads[i].thread;
    for (uint32_t slot = 0; slot < LG_VOLUME_MAX_INSTANCES; slot++) {
        lg_volume_area area;
        struct scan s = {.rec = rec, .own = rec->cfg.cache == NULL && slot == rec->cfg.own_slot};
        if (areas >> slot & 1 && lg_volume_instance_area(rec->cfg.volume, slot, &area) == LG_OK)
            LG_TRY(lg_dwb_scan(rec->cfg.run, rec->cfg.volume, slot, spare_found, &s));
    }
    /* Beside living instances a block that looks torn may be one that its holder is writing. So
     * there
     * the images only join the set, and apply takes one where nobody holds the block. */
    return rec->cfg.cache ? LG_OK : repair_now(rec);
}

/* ---- analysis ---- */

static void
vector_add(lg_recovery *rec, const lg_redo_change *c)
{
    struct lg_rec__entry *e = lg_rec__entry_get(rec, c->addr);
    struct lg_rec__vector *v = LG_NEW(rec->arena, struct lg_rec__vector);
    v->before = c->before;
    v->after = c->after;
    v->ops = lg_arena_dup(rec->arena, c->ops, c->ops_len);
    v->ops_len = c->ops_len;
    if (e->last)
        e->last->next = v;
    else
        e->first = v;
    e->last = v;
    e->count++;
    if (v->after > e->newest)
        e->newest = v->after;
    rec->stats.vectors++;
}

static void
scn_seen(lg_recovery *rec, lg_scn scn)
{
    if (scn > rec->stats.max_scn)
        rec->stats.max_scn = scn;
    if (rec->cfg.clock)
        lg_scn_observe(rec->cfg.clock, scn);
}

static bool
still_valid(const lg_recovery *rec)
{
    return !rec->cfg.env.still_valid || rec->cfg.env.still_valid(rec->cfg.env.arg);
}

static lg_status
record_add(lg_recovery *rec, const lg_redo_record_header *h)
{
    uint32_t pos = 0;
    lg_redo_change c;
    lg_status st;
    rec->stats.records++;
    rec->stats.redo_bytes += h->len;
    scn_seen(rec, h->scn);
    while ((st = lg_redo_change_next(h, &pos, &c)) == LG_OK) {
        scn_seen(rec, lg_version_scn(c.after));
        vector_add(rec, &c);
    }
    return st == LG_END ? LG_OK : st;
}

static lg_status
thread_analyse(lg_recovery *rec, struct lg_rec__thread *t)
{
    lg_redo_reader *rd;
    const lg_redo_record_header *h;
    LG_TRY(lg_redo_reader_open(rec->cfg.run, rec->cfg.volume, t->thread, &rd));
    const lg_redo_header *th = lg_redo_reader_header(rd);
    t->incarnation = th->incarnation;
    t->open = th->state == LG_REDO_OPEN;
    scn_seen(rec, th->scn);
    lg_status st = t->open ? LG_OK : LG_END;
    while (st == LG_OK) {
        st = lg_redo_reader_next(rd, &h);
        if (st == LG_OK)
            st = record_add(rec, h);
        if (st == LG_OK && rec->stats.records % 256 == 0) {
            lg_fiber_yield();
            if (!still_valid(rec))
                st = LG_RECONFIGURING;
        }
    }
    t->end = lg_redo_reader_position(rd);
    lg_redo_reader_close(rd);
    return st == LG_END ? LG_OK : st;
}

lg_status
lg_recovery_analyse(lg_recovery *rec)
{
    LG_ASSERT(!rec->analysed);
    LG_TRY(LG_FAULT(lg_run_faults(rec->cfg.run), "recovery_analyse"));
    for (uint32_t i = 0; i < rec->stats.threads; i++)
        LG_TRY(thread_analyse(rec, &rec->threads[i]));
    rec->analysed = true;
    return LG_OK;
}

void
lg_recovery_add(lg_recovery *rec, lg_addr addr)
{
    (void)lg_rec__entry_get(rec, addr);
}

bool
lg_recovery_block_in_set(void *arg, lg_addr addr)
{
    lg_recovery *rec = arg;
    if (!rec->analysed)
        return true;
    struct lg_rec__entry *e = lg_map_get(rec->set, lg_addr_key(addr));
    return e && !e->done;
}

void
lg_recovery_visit(lg_recovery *rec, void (*fn)(void *arg, lg_addr addr), void *arg)
{
    size_t pos = 0;
    uint64_t key;
    void *e;
    while (lg_map_next(rec->set, &pos, &key, &e))
        fn(arg, lg_addr_from_key(key));
}

/* File 0 first, then what the dead changed most: that is what the living wait for. */
static int
entry_compare(const void *a, const void *b)
{
    const struct lg_rec__entry *ea = *(struct lg_rec__entry *const *)a;
    const struct lg_rec__entry *eb = *(struct lg_rec__entry *const *)b;
    if ((ea->addr.file == 0) != (eb->addr.file == 0))
        return ea->addr.file == 0 ? -1 : 1;
    if (ea->addr.file != 0 && ea->count != eb->count)
        return ea->count > eb->count ? -1 : 1;
    uint64_t ka = lg_addr_key((*(struct lg_rec__entry *const *)a)->addr);
    uint64_t kb = lg_addr_key((*(struct lg_rec__entry *const *)b)->addr);
    return ka < kb ? -1 : ka > kb;
}

void
lg_rec__order_make(lg_recovery *rec)
{
    size_t pos = 0;
    uint64_t key;
    void *e;
    lg_free(rec->order);
    rec->order = lg_alloc((lg_map_count(rec->set) + 1) * sizeof *rec->order);
    rec->order_count = 0;
    while (lg_map_next(rec->set, &pos, &key, &e))
        rec->order[rec->order_count++] = e;
    qsort(rec->order, rec->order_count, sizeof *rec->order, entry_compare);
}

/* ---- settle and release ---- */

/* A living holder has a newer image than the disk may have: is the dead's last change on disk? */
static lg_status
settled(lg_recovery *rec, const struct lg_rec__entry *e, void *image, bool *ret_yes)
{
    lg_volume_place place;
    *ret_yes = true;
    lg_status st = lg_rec__locate(rec, e->addr, &place);
    if (st == LG_INVALID)
        return LG_OK; /* dropped */
    LG_TRY(st);
    st = lg_volume_read_block(rec->cfg.volume, &place, e->addr, image);
    if (st != LG_OK && st != LG_CORRUPT) /* corrupt: being written right now */
        return st;
    *ret_yes = st == LG_OK && lg_block_version(image) >= e->newest;
    return LG_OK;
}

struct settling {
    lg_recovery *rec;
    uint32_t next, running;
    bool all; /* so far */
    lg_status status;
    lg_waitq done;
};

static lg_status
settle_one(struct settling *p, struct lg_rec__entry *e, void *image)
{
    const lg_recovery_env *env = &p->rec->cfg.env;
    bool yes;
    if (!e->held || e->count == 0)
        return LG_OK;
    LG_TRY(settled(p->rec, e, image, &yes));
    if (yes) {
        e->held = false;
        return LG_OK;
    }
    p->all = false;
    if (env->demand_write)
        env->demand_write(env->arg, e->addr, e->newest);
    return still_valid(p->rec) ? LG_OK : LG_RECONFIGURING;
}

/* Several ask at once: a holder writes what is asked of it meanwhile in one batch. */
static void
settle_fiber(void *arg)
{
    struct settling *p = arg;
    void *image = lg_io_buf_alloc(p->rec->block_bytes);
    while (p->status == LG_OK && p->next < p->rec->order_count) {
        lg_status st = settle_one(p, p->rec->order[p->next++], image);
        if (p->status == LG_OK)
            p->status = st;
    }
    lg_free(image);
    p->running--;
    lg_waitq_wake_all(&p->done);
}

/* One round over all blocks that somebody holds. *ret_all: they are all on disk. */
static lg_status
settle_round(lg_recovery *rec, bool *ret_all)
{
    struct settling p = {.rec = rec, .all = true};
    lg_waitq_init(&p.done);
    for (unsigned i = 0; i < SETTLE_FIBERS && p.status == LG_OK; i++) {
        p.status = lg_run_spawn(rec->cfg.run, "recovery settles", 0, settle_fiber, &p, NULL);
        p.running += p.status == LG_OK;
    }
    while (p.running > 0)
        (void)!lg_waitq_wait(&p.done, LG_WAIT_GC_RECOVERY, LG_FOREVER, false);
    *ret_all = p.all;
    return p.status;
}

lg_status
lg_recovery_settle(lg_recovery *rec, lg_time deadline)
{
    for (;;) {
        bool all;
        LG_TRY(settle_round(rec, &all));
        if (all)
            return lg_rec__sync_disks(rec); /* the holder's write may be lazy still */
        LG_TRY(settle_round(rec, &all));    /* what was demanded should be there now */
        if (all)
            return lg_rec__sync_disks(rec);
        if (lg_run_now_ns(rec->cfg.run) >= deadline)
            return LG_TIMEOUT;
        LG_TRY(
            lg_fiber_sleep_until(lg_run_now_ns(rec->cfg.run) + SETTLE_POLL, LG_WAIT_GC_RECOVERY));
    }
}

lg_status
lg_recovery_release(lg_recovery *rec)
{
    LG_ASSERT(rec->analysed);
    for (uint32_t i = 0; i < rec->order_count; i++)
        LG_ASSERT(rec->order[i]->done && (!rec->order[i]->held || rec->order[i]->count == 0));
    for (uint32_t i = 0; i < rec->stats.threads; i++) {
        struct lg_rec__thread *t = &rec->threads[i];
        if (!t->open)
            continue;
        LG_TRY(LG_FAULT(lg_run_faults(rec->cfg.run), "recovery_release"));
        if (rec->cfg.archive_dir)
            LG_TRY(lg_redo_archive_tail(rec->cfg.run, rec->cfg.volume, t->thread,
                                        rec->cfg.archive_dir, t->end));
        LG_TRY(lg_redo_thread_release(rec->cfg.volume, t->thread, t->incarnation, t->end,
                                      rec->stats.max_scn));
        t->open = false;
    }
    return LG_OK;
}

void
lg_recovery_progress(const lg_recovery *rec, lg_recovery_stats *ret)
{
    *ret = rec->stats;
}

/* ---- cold start ---- */

static lg_status
open_threads(lg_volume *v, uint32_t *threads, uint32_t *ret_count, lg_scn_clock *clock)
{
    *ret_count = 0;
    for (uint32_t slot = 0; slot < LG_VOLUME_MAX_INSTANCES; slot++) {
        lg_redo_header h;
        lg_volume_area area;
        if (lg_volume_instance_area(v, slot, &area) != LG_OK)
            continue;
        LG_TRY(lg_redo_header_read(v, slot, &h));
        if (clock)
            lg_scn_observe(clock, h.scn);
        if (h.state == LG_REDO_OPEN)
            threads[(*ret_count)++] = slot;
    }
    return LG_OK;
}

static lg_status
run_all(lg_recovery *rec)
{
    LG_TRY(lg_recovery_repair(rec));
    LG_TRY(lg_recovery_analyse(rec));
    LG_TRY(lg_recovery_apply(rec));
    LG_TRY(lg_recovery_settle(rec, LG_FOREVER));
    return lg_recovery_release(rec);
}

lg_status
lg_recovery_cold(lg_run *run, lg_volume *v, uint32_t slot, lg_scn_clock *clock,
                 const char *archive_dir, lg_recovery_stats *ret_stats)
{
    uint32_t threads[LG_VOLUME_MAX_INSTANCES];
    lg_recovery_config cfg = {.run = run,
                              .volume = v,
                              .clock = clock,
                              .threads = threads,
                              .areas = UINT64_MAX, /* also of one that died recovering */
                              .own_slot = slot,
                              .archive_dir = archive_dir};
    memset(ret_stats, 0, sizeof *ret_stats);
    LG_TRY(open_threads(v, threads, &cfg.thread_count, clock));
    lg_recovery *rec = NULL;
    LG_TRY(lg_dwb_create(run, v, slot, &cfg.dwb));
    lg_status st = lg_recovery_create(&cfg, &rec);
    if (st == LG_OK) {
        st = run_all(rec);
        lg_recovery_progress(rec, ret_stats);
    }
    lg_recovery_destroy(rec);
    lg_dwb_destroy(cfg.dwb);
    return st;
}
