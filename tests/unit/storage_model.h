/* Instances that change blocks at random, and the model of what must be found after deaths.
 *
 * Up to two instances share one worker (so that a peer can be called directly); each has its own
 * lg_io, volume handle, redo thread, double-write area, cache and checkpointer. Death: the node is
 * killed (all), or an instance's writes are refused from now on and it is abandoned (one).
 *
 * The model keeps each block's versions with content checksum and place in the thread. After
 * recovery the version found must be one of them, with its content; newer ones may be lost only
 * when their thread died and they were never flushed; and each dead thread must have been cut at
 * one place. */
#ifndef LG_STORAGE_MODEL_H
#define LG_STORAGE_MODEL_H

#include "storage_rig.h"
#include "ckpt.h"
#include "hash.h"
#include "mtr.h"
#include "recovery.h"
#include "space_file.h"

#define MIB           (1u << 20)
#define MODEL_BLOCKS  150
#define MODEL_HISTORY 3000
#define MODEL_LOCKS   64

struct model_version {
    lg_version version;
    uint32_t crc;
    uint32_t thread;
    lg_lsn start, end;
};

struct instance {
    struct model *m;
    uint32_t slot;
    lg_io *io;
    lg_volume *v;
    lg_redo *redo;
    lg_dwb *dwb;
    lg_buf_cache *cache;
    lg_ckpt *ckpt;
    lg_scn_clock clock;
    bool alive, fenced, stop;
    uint32_t workers;
    uint64_t mtrs;
};

struct model {
    struct rig rig;
    uint32_t file;
    uint32_t count; /* of instances */
    struct instance in[2];
    struct model_version history[MODEL_BLOCKS][MODEL_HISTORY];
    uint32_t versions[MODEL_BLOCKS];
    lg_lsn flushed[2]; /* of a dead thread, as far as it knew */
    bool dead[2];
    struct {
        bool busy;
        lg_waitq q;
    } locks[MODEL_LOCKS];
    lg_recovery *rec; /* while instance 0 recovers */
    lg_recovery_stats stats;
    uint64_t checked;
    bool recovered;
    uint64_t repaired;
    lg_status st;
    bool quiet;
};

/* ---- a coherence of two instances in one worker ---- */

static inline void
model_lock(struct model *m, lg_addr a)
{
    unsigned i = lg_hash_u64(lg_addr_key(a)) % MODEL_LOCKS;
    while (m->locks[i].busy)
        RIG_OK(lg_waitq_wait(&m->locks[i].q, LG_WAIT_GC_CURRENT_REQUEST, LG_FOREVER, false));
    m->locks[i].busy = true;
}

static inline void
model_unlock(struct model *m, lg_addr a)
{
    unsigned i = lg_hash_u64(lg_addr_key(a)) % MODEL_LOCKS;
    m->locks[i].busy = false;
    lg_waitq_wake_one(&m->locks[i].q);
}

static inline struct instance *
model_peer(struct instance *in)
{
    struct instance *o = &in->m->in[in->slot ^ 1];
    return in->m->count == 2 && o->alive ? o : NULL;
}

static inline lg_status
model_acquire(void *self, lg_buf *b, lg_mode want, bool is_new, lg_time deadline)
{
    struct instance *in = self, *peer;
    (void)is_new, (void)deadline;
    model_lock(in->m, b->addr);
    if (in->fenced) {
        model_unlock(in->m, b->addr);
        return LG_FENCED;
    }
    if (in->m->rec && lg_recovery_block_in_set(in->m->rec, b->addr)) {
        model_unlock(in->m, b->addr); /* asked before the peer died, closed meanwhile */
        return LG_RETRY;
    }
    lg_status st = LG_READ_DISK;
    void *image = lg_io_buf_alloc(lg_buf_block_bytes(in->cache));
    bool dirty = false, current = false;
    lg_version version;
    if ((peer = model_peer(in))) {
        st = lg_buf_revoke(peer->cache, b->addr, want == LG_MODE_X ? LG_MODE_N : LG_MODE_S, image,
                           &dirty, &version);
        if (st == LG_NOT_FOUND)
            while ((st = lg_buf_image(peer->cache, b->addr, image, &version, &current)) ==
                   LG_WOULD_WAIT)
                RIG_OK(lg_redo_flush(peer->redo, lg_redo_end(peer->redo)));
        else
            current = true;
        if (st == LG_OK && current) {
            lg_scn_observe(&in->clock, lg_scn_current(&peer->clock));
            RIG_OK(lg_buf_install(in->cache, b, image, dirty && want == LG_MODE_X));
        } else if (b->mode >= LG_MODE_S && b->valid) {
            st = LG_OK; /* an upgrade */
        } else {
            st = LG_READ_DISK;
        }
    } else if (b->mode >= LG_MODE_S && b->valid) {
        st = LG_OK;
    }
    lg_free(image);
    lg_buf_granted(in->cache, b, want);
    model_unlock(in->m, b->addr);
    return st;
}

static inline lg_status
model_read_consistent(void *self, lg_addr addr, lg_scn snapshot, void *frame, lg_time deadline)
{
    (void)self, (void)addr, (void)snapshot, (void)frame, (void)deadline;
    return LG_RETRY;
}

static inline lg_status
model_release(void *self, lg_buf *b)
{
    struct instance *in = self;
    model_lock(in->m, b->addr);
    model_unlock(in->m, b->addr);
    return LG_OK;
}

static inline void
model_written(void *self, lg_addr addr, lg_version version)
{
    struct instance *in = self, *peer = model_peer(in);
    if (peer)
        lg_buf_superseded(peer->cache, addr, version);
}

struct model_demand {
    struct instance *in;
    lg_addr addr;
};

static inline void
model_demand_fiber(void *arg)
{
    struct model_demand *d = arg;
    if (d->in->alive)
        (void)!lg_buf_write_one(d->in->cache, d->addr);
    lg_free(d);
}

static inline void
model_demand_write(void *self, lg_addr addr, lg_version version)
{
    struct instance *in = self, *peer = model_peer(in);
    (void)version;
    if (!peer)
        return;
    struct model_demand *d = lg_alloc(sizeof *d);
    *d = (struct model_demand){peer, addr};
    RIG_OK(lg_run_spawn(in->m->rig.nodes[0].run, "demand", 0, model_demand_fiber, d, NULL));
}

static const lg_coherence_ops model_coherence = {model_acquire, model_read_consistent,
                                                 model_release, model_written, model_demand_write};

/* ---- instances ---- */

static inline lg_status
model_gate(void *arg)
{
    return ((struct instance *)arg)->fenced ? LG_FENCED : LG_OK;
}

static inline lg_status
model_instance_mount(struct model *m, uint32_t slot)
{
    struct instance *in = &m->in[slot];
    memset(in, 0, sizeof *in);
    in->m = m;
    in->slot = slot;
    LG_TRY(lg_io_create(m->rig.nodes[0].run, LG_IO_AUTO, &in->io));
    lg_io_set_write_gate(in->io, model_gate, in);
    return lg_volume_open(in->io, rig_disk_names, m->rig.disks, NULL, 0, &in->v);
}

static inline lg_status
model_instance_open(struct model *m, uint32_t slot)
{
    struct instance *in = &m->in[slot];
    lg_run *run = m->rig.nodes[0].run;
    lg_redo_config rc = {.run = run,
                         .volume = in->v,
                         .thread = slot,
                         .clock = &in->clock,
                         .buffer_bytes = 512 << 10};
    LG_TRY(lg_redo_open(&rc, &in->redo));
    LG_TRY(lg_dwb_create(run, in->v, slot, &in->dwb));
    lg_buf_config bc = {.run = run,
                        .volume = in->v,
                        .redo = in->redo,
                        .clock = &in->clock,
                        .coherence = {&model_coherence, in},
                        .cache_bytes = 90 * 8192,
                        .dwb = in->dwb};
    LG_TRY(lg_buf_cache_create(&bc, &in->cache));
    lg_ckpt_config kc = {.run = run, .cache = in->cache, .redo = in->redo, .max_dirty_ms = 300};
    LG_TRY(lg_ckpt_create(&kc, &in->ckpt));
    in->alive = true;
    return LG_OK;
}

/* ---- random work ---- */

static inline void
model_remember(struct instance *in, lg_buf *b, lg_version before, lg_lsn start, lg_lsn end)
{
    struct model *m = in->m;
    uint32_t i = b->addr.block;
    lg_version v = lg_block_version(b->data);
    uint32_t n = m->versions[i];
    while (n && m->history[i][n - 1].version > before) { /* must have died with their instance */
        struct model_version *h = &m->history[i][--n];
        CU_ASSERT(m->dead[h->thread] && h->end > m->flushed[h->thread]);
    }
    m->versions[i] = n;
    if (n == MODEL_HISTORY || (n && m->history[i][n - 1].version >= v)) {
        fprintf(stderr, "block %u: version %llx after %llx (%u)\n", i, (unsigned long long)v,
                (unsigned long long)m->history[i][n - 1].version, n);
        abort();
    }
    m->history[i][n] = (struct model_version){
        .version = v,
        .crc = lg_crc32c(0, b->data + LG_BLOCK_HEADER_BYTES, 8192 - LG_BLOCK_HEADER_BYTES),
        .thread = in->slot,
        .start = start,
        .end = end};
    m->versions[i]++;
}

static inline uint32_t
rnd(struct instance *in)
{
    return (uint32_t)(lg_run_random(in->m->rig.nodes[0].run) >> 8);
}

static inline void
model_change(struct instance *in, lg_mtr *t, lg_buf *b)
{
    uint8_t bytes[300];
    if (((lg_block_header *)(void *)b->data)->type == LG_BLOCK_FREE || rnd(in) % 50 == 0)
        lg_mtr_format(t, b, LG_BLOCK_HEAP);
    uint32_t ops = 1 + rnd(in) % (rnd(in) % 40 == 0 ? 100 : 4);
    for (uint32_t i = 0; i < ops; i++) {
        uint32_t len = 1 + rnd(in) % 300;
        uint32_t off = 32 + rnd(in) % (8192 - 32 - len + 1);
        uint32_t src = 32 + rnd(in) % (8192 - 32 - len + 1);
        memset(bytes, (int)(rnd(in) & 0xFF), sizeof bytes);
        switch (rnd(in) % 3) {
        case 0:
            lg_mtr_set(t, b, off, bytes, len);
            break;
        case 1:
            lg_mtr_move(t, b, off, src, len);
            break;
        default:
            lg_mtr_fill(t, b, off, bytes[0], len);
        }
    }
    lg_mtr_set_u64(t, b, 32,
                   lg_run_random(in->m->rig.nodes[0].run)); /* never the same content twice */
}

static inline lg_status
model_mtr(struct instance *in)
{
    struct model *m = in->m;
    uint32_t n = 1 + rnd(in) % 4, want[4];
    for (uint32_t i = 0; i < n; i++) /* skewed: the first blocks are hot */
        want[i] = rnd(in) % (1 + rnd(in) % MODEL_BLOCKS);
    for (;;) {
        lg_mtr t;
        lg_buf *b[4];
        lg_status st = LG_OK;
        lg_mtr_begin(&t, in->cache);
        for (uint32_t i = 0; st == LG_OK && i < n; i++)
            st = lg_mtr_get(&t, (lg_addr){m->file, want[i]}, LG_LATCH_X, 0, &b[i]);
        if (st == LG_RETRY) {
            LG_TRY(lg_mtr_restart(&t));
            continue;
        }
        if (st == LG_OK && in->fenced)
            st = LG_FENCED; /* a zombie's changes are not part of history */
        if (st != LG_OK) {
            lg_mtr_abort(&t);
            return st;
        }
        lg_version before[4];
        for (uint32_t i = 0; i < n; i++) {
            before[i] = lg_block_version(b[i]->data);
            model_change(in, &t, b[i]);
        }
        lg_lsn start = lg_redo_end(in->redo), end;
        lg_mtr_commit(&t, &end);
        for (uint32_t i = 0; i < n; i++) {
            bool again = false;
            for (uint32_t j = 0; j < i; j++)
                again = again || want[j] == want[i];
            if (!again)
                model_remember(in, b[i], before[i], start, end);
        }
        in->mtrs++;
        return rnd(in) % 4 ? LG_OK : lg_redo_flush(in->redo, end);
    }
}

static inline void
model_worker(void *arg)
{
    struct instance *in = arg;
    lg_run *run = in->m->rig.nodes[0].run;
    while (!in->stop) {
        lg_status st;
        if (lg_run_random(run) % 5 == 0) {
            lg_buf *b;
            lg_addr a = {in->m->file, (uint32_t)(lg_run_random(run) % MODEL_BLOCKS)};
            st = lg_buf_get(in->cache, a, LG_LATCH_S, &b);
            if (st == LG_OK)
                lg_buf_put(in->cache, b, LG_LATCH_S);
        } else {
            st = model_mtr(in);
        }
        if (st != LG_OK)
            break; /* fenced or a bad disk */
        if (lg_run_random(run) % 8 == 0)
            (void)!lg_fiber_sleep_until(lg_run_now_ns(run) + lg_run_random(run) % LG_MS,
                                        LG_WAIT_SLEEP);
    }
    in->workers--;
}

static inline void
model_workers_start(struct instance *in, uint32_t n)
{
    in->stop = false;
    for (uint32_t i = 0; i < n; i++) {
        RIG_OK(lg_run_spawn(in->m->rig.nodes[0].run, "worker", 0, model_worker, in, NULL));
        in->workers++;
    }
}

/* ---- files come and go beside it ---- */

static inline lg_status
model_file_step(struct instance *in, uint32_t *files, uint32_t *count)
{
    struct instance *peer = model_peer(in);
    uint32_t pick = *count ? rnd(in) % *count : 0, file;
    switch (rnd(in) % 3) {
    case 0:
        if (*count == 8)
            return LG_OK;
        LG_TRY(lg_space_file_create(in->cache, rnd(in) % 3, &file));
        files[(*count)++] = file;
        return LG_OK;
    case 1:
        return *count ? lg_space_file_extend(in->cache, files[pick], 1 + rnd(in) % 2, NULL) : LG_OK;
    default:
        if (*count == 0)
            return LG_OK;
        file = files[pick];
        files[pick] = files[--*count];
        LG_TRY(lg_space_file_drop_begin(in->cache, file));
        if (peer)
            LG_TRY(lg_buf_drop_file(peer->cache, file));
        return lg_space_file_drop(in->cache, file);
    }
}

static inline void
model_filer(void *arg)
{
    struct instance *in = arg;
    uint32_t files[8], count = 0;
    while (!in->stop && !in->fenced) {
        lg_status st = model_file_step(in, files, &count);
        if (st != LG_OK && st != LG_DISK_FULL)
            break;
        if (lg_fiber_sleep_until(lg_run_now_ns(in->m->rig.nodes[0].run) + rnd(in) % LG_MS * 4,
                                 LG_WAIT_SLEEP) != LG_OK)
            break;
    }
    in->workers--;
}

static inline const uint8_t *
model_meta(lg_volume *v, lg_addr a, uint8_t *image)
{
    lg_volume_place p;
    lg_addr none;
    RIG_OK(lg_volume_locate(v, a, &p, &none));
    RIG_OK(lg_volume_read_block(v, &p, a, image));
    return image;
}

static inline uint32_t
model_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* An AU belongs to one file at most, and then its bit is set. */
static inline void
model_check_files(lg_volume *v)
{
    static uint8_t owner[4][64];
    uint8_t *image = lg_io_buf_alloc(8192), *bits = lg_io_buf_alloc(8192);
    memset(owner, 0, sizeof owner);
    uint32_t next = model_u32(model_meta(v, lg_vol_header_addr(), image) + LG_VOL_META_OFFSET + 12);
    for (uint32_t f = 1; f < next; f++) {
        uint32_t off;
        lg_addr table = lg_vol_table_addr(v, f, &off);
        uint32_t entry = model_u32(model_meta(v, table, image) + off);
        CU_ASSERT(entry != 0);
        if (entry == 0 || entry == LG_VOL_TABLE_DROPPED)
            continue;
        uint32_t root = (entry & ~LG_VOL_TABLE_DROPPING) - 1;
        model_meta(v, lg_vol_map_addr(v, root), image);
        model_meta(v, lg_vol_mapbits_addr(v, root), bits);
        CU_ASSERT(lg_vol_bits_test(bits, root));
        CU_ASSERT_EQUAL(model_u32(image + LG_VOL_META_OFFSET + 4), f);
        uint32_t count = model_u32(image + LG_VOL_META_OFFSET + 8);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t e;
            memcpy(&e, image + lg_vol_root_au_offset(8192, i), 8);
            lg_au au = lg_vol_au_decode(e);
            CU_ASSERT_FATAL(au.disk < 4 && au.au < 64);
            CU_ASSERT(!owner[au.disk][au.au]++);
            model_meta(v, lg_vol_aubits_addr(v, au.disk, au.au), bits);
            CU_ASSERT(lg_vol_bits_test(bits, au.au));
        }
    }
    lg_free(image);
    lg_free(bits);
}

/* ---- the check ---- */

struct model_cut {
    lg_lsn lower[2], upper[2];
};

static inline void
model_check_block(struct model *m, uint32_t i, const uint8_t *image, struct model_cut *cut)
{
    lg_version v = lg_block_version(image);
    uint32_t n = m->versions[i], at = 0;
    while (at < n && m->history[i][at].version <= v)
        at++;
    CU_ASSERT(v == 0 ? at == 0 : at > 0 && m->history[i][at - 1].version == v);
    if (at > 0 && m->history[i][at - 1].version == v)
        CU_ASSERT_EQUAL(m->history[i][at - 1].crc,
                        lg_crc32c(0, image + LG_BLOCK_HEADER_BYTES, 8192 - LG_BLOCK_HEADER_BYTES));
    for (uint32_t k = 0; k < n; k++) {
        struct model_version *h = &m->history[i][k];
        if (k < at && h->end > cut->lower[h->thread])
            cut->lower[h->thread] = h->end;
        if (k < at)
            continue;
        if (!m->dead[h->thread] || h->end <= m->flushed[h->thread])
            fprintf(stderr, "block %u: found %llx, lost %llx of %s thread %u\n", i,
                    (unsigned long long)v, (unsigned long long)h->version,
                    m->dead[h->thread] ? "dead" : "live", h->thread);
        CU_ASSERT(m->dead[h->thread] && h->end > m->flushed[h->thread]);
        if (h->start < cut->upper[h->thread])
            cut->upper[h->thread] = h->start;
    }
    /* What is found is the whole past of the next life. */
    if (at > 0)
        m->history[i][0] = m->history[i][at - 1];
    if (at > 0) {
        m->history[i][0].start = m->history[i][0].end = 0;
        m->versions[i] = 1;
    } else {
        m->versions[i] = 0;
    }
    m->checked++;
}

static inline void
model_check_disk(struct model *m, lg_volume *v)
{
    struct model_cut cut = {{0, 0}, {LG_LSN_MAX, LG_LSN_MAX}};
    uint8_t *image = lg_io_buf_alloc(8192);
    for (uint32_t i = 0; i < MODEL_BLOCKS; i++) {
        lg_addr a = {m->file, i}, map;
        lg_volume_place p;
        lg_status st;
        while ((st = lg_volume_locate(v, a, &p, &map)) == LG_NOT_FOUND) {
            lg_volume_place mp;
            lg_addr none;
            RIG_OK(lg_volume_locate(v, map, &mp, &none));
            RIG_OK(lg_volume_read_block(v, &mp, map, image));
            RIG_OK(lg_volume_map_install(v, a, map, image));
        }
        RIG_OK(st);
        RIG_OK(lg_volume_read_block(v, &p, a, image));
        model_check_block(m, i, image, &cut);
    }
    for (unsigned t = 0; t < 2; t++)
        CU_ASSERT(cut.lower[t] <= cut.upper[t]);
    lg_free(image);
}

static inline void
model_check_cache(struct model *m, lg_buf_cache *c)
{
    struct model_cut cut = {{0, 0}, {LG_LSN_MAX, LG_LSN_MAX}};
    for (uint32_t i = 0; i < MODEL_BLOCKS; i++) {
        lg_buf *b;
        RIG_OK(lg_buf_get(c, (lg_addr){m->file, i}, LG_LATCH_S, &b));
        model_check_block(m, i, b->data, &cut);
        lg_buf_put(c, b, LG_LATCH_S);
    }
    for (unsigned t = 0; t < 2; t++)
        CU_ASSERT(cut.lower[t] <= cut.upper[t]);
}

/* ---- steps ---- */

/* A new volume with the file, made by instance 0, which closes again. */
static inline void
model_create(void *arg)
{
    struct model *m = arg;
    lg_io *io;
    RIG_OK(lg_io_create(m->rig.nodes[0].run, LG_IO_AUTO, &io));
    lg_volume_create_config c = {.io = io,
                                 .paths = rig_disk_names,
                                 .disk_count = m->rig.disks,
                                 .instances = 3,
                                 .log_files = 2,
                                 .log_file_bytes = MIB};
    RIG_OK(lg_volume_create(&c, false));
    lg_io_destroy(io);
    RIG_OK(model_instance_mount(m, 0));
    RIG_OK(model_instance_open(m, 0));
    RIG_OK(lg_space_file_create(m->in[0].cache, 2, &m->file));
    RIG_OK(lg_ckpt_full(m->in[0].ckpt, LG_FOREVER));
    lg_ckpt_destroy(m->in[0].ckpt);
    RIG_OK(lg_redo_close(m->in[0].redo, true));
}

static inline void
model_recover_and_check(void *arg)
{
    struct model *m = arg;
    /* by anybody, also by one that has no thread: the next one finds what it was writing */
    uint32_t slot = (uint32_t)(lg_sim_random(m->rig.sim) % (m->count + 1));
    m->st = model_instance_mount(m, 0);
    if (m->st == LG_OK)
        m->st = lg_recovery_cold(m->rig.nodes[0].run, m->in[0].v, slot, &m->in[0].clock, NULL,
                                 &m->stats);
    m->repaired += m->stats.repaired;
    if (m->st == LG_OK) {
        model_check_disk(m, m->in[0].v);
        model_check_files(m->in[0].v);
    }
    m->recovered = m->st == LG_OK;
}

static inline void
model_start(void *arg)
{
    struct model *m = arg;
    for (uint32_t i = 0; i < m->count; i++) {
        if (i > 0)
            RIG_OK(model_instance_mount(m, i));
        m->in[i].clock = m->in[0].clock;
        RIG_OK(model_instance_open(m, i));
    }
    for (uint32_t i = 0; i < m->count; i++) {
        m->dead[i] = false;
        model_workers_start(&m->in[i], 4);
        m->in[i].workers++;
        RIG_OK(lg_run_spawn(m->rig.nodes[0].run, "filer", 0, model_filer, &m->in[i], NULL));
    }
}

static inline void
model_open(struct model *m, uint64_t seed, uint32_t disks, uint32_t instances)
{
    memset(m, 0, sizeof *m);
    rig_open(&m->rig, seed, disks, 64 * MIB);
    m->count = instances;
    for (unsigned i = 0; i < MODEL_LOCKS; i++)
        lg_waitq_init(&m->locks[i].q);
    rig_node_start(&m->rig, 0);
    if (!rig_run(&m->rig, 0, model_create, m, 100 * LG_SEC))
        abort();
    rig_node_kill(&m->rig, 0);
    rig_settle(&m->rig);
}

/* Everything dies. */
static inline void
model_kill(struct model *m, bool power_loss)
{
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->in[i].alive && !m->dead[i])
            m->flushed[i] = lg_redo_flushed(m->in[i].redo);
        m->dead[i] = true;
        m->in[i].alive = false;
    }
    if (power_loss)
        for (uint32_t i = 0; i < m->rig.disks; i++)
            lg_sim_disk_power_loss(m->rig.sim, rig_disk_names[i]);
    rig_node_kill(&m->rig, 0);
    m->rec = NULL;
    rig_settle(&m->rig);
    for (unsigned i = 0; i < MODEL_LOCKS; i++) {
        m->locks[i].busy = false;
        lg_waitq_init(&m->locks[i].q);
    }
}

static inline void
model_pass(struct model *m, lg_time ns)
{
    static struct rig_call never;
    (void)!lg_sim_run(m->rig.sim, rig_call_done, &never, ns);
}

/* ---- one dies, the other recovers it while working ---- */

static inline bool
model_env_held(void *arg, lg_addr addr)
{
    lg_version v;
    bool current;
    lg_status st = lg_buf_image(((struct instance *)arg)->cache, addr, NULL, &v, &current);
    return st == LG_WOULD_WAIT || (st == LG_OK && current);
}

static inline lg_status
model_env_past_image(void *arg, lg_addr addr, void *ret_image, lg_version *ret_disk)
{
    lg_version v;
    bool current;
    *ret_disk = 0;
    return lg_buf_image(((struct instance *)arg)->cache, addr, ret_image, &v, &current);
}

static inline void
model_env_demand(void *arg, lg_addr addr, lg_version version)
{
    (void)version;
    (void)!lg_buf_write_one(((struct instance *)arg)->cache, addr);
}

struct model_survivor {
    struct instance *in;
    lg_recovery *rec;
};

static inline void
model_env_written(void *arg, lg_addr addr, lg_version version)
{
    lg_buf_superseded(((struct instance *)arg)->cache, addr, version);
}

/* Opened one by one while the rest is recovered: the workers go on with them. */
static inline void
model_env_open(void *arg, const lg_addr *addrs, uint32_t count)
{
    struct instance *in = arg;
    for (uint32_t i = 0; i < count; i++) {
        CU_ASSERT_NOT_EQUAL(addrs[i].file, 0);
        CU_ASSERT_FALSE(lg_recovery_block_in_set(in->m->rec, addrs[i]));
    }
    lg_buf_set_gate(in->cache, lg_recovery_block_in_set, in->m->rec); /* wakes who waits */
}

static inline void
model_add_pi(void *arg, lg_buf *b)
{
    if (b->mode == LG_MODE_N && b->pi)
        lg_recovery_add(arg, b->addr);
}

/* What we hold and the dead may have owed the write of is ours to write now: else a clean copy is
 * evicted before settling asks for it. */
static inline void
model_adopt(void *arg, lg_buf *b)
{
    (void)lg_buf_adopt(arg, b);
}

/* Instance 1 dies: nothing is on its way between the two then. */
static inline void
model_lose_peer(void *arg)
{
    struct model *m = arg;
    struct instance *a = &m->in[0], *b = &m->in[1];
    lg_run *run = m->rig.nodes[0].run;
    uint32_t slot = 1;
    lg_recovery_config cfg = {.run = run,
                              .volume = a->v,
                              .dwb = a->dwb,
                              .cache = a->cache,
                              .clock = &a->clock,
                              .threads = &slot,
                              .thread_count = 1,
                              .env = {a, model_env_held, model_env_past_image, NULL,
                                      model_env_written, model_env_open, model_env_demand, NULL},
                              .parallel = 3};
    for (unsigned i = 0; i < MODEL_LOCKS; i++) {
        while (m->locks[i].busy)
            RIG_OK(lg_waitq_wait(&m->locks[i].q, LG_WAIT_GC_CURRENT_REQUEST, LG_FOREVER, false));
        m->locks[i].busy = true;
    }
    m->flushed[1] = lg_redo_flushed(b->redo);
    m->dead[1] = b->fenced = b->stop = true;
    b->alive = false;
    lg_buf_visit(a->cache, model_adopt, a->cache);
    RIG_OK(lg_recovery_create(&cfg, &m->rec));
    lg_buf_set_gate(a->cache, lg_recovery_block_in_set, m->rec);
    for (unsigned i = 0; i < MODEL_LOCKS; i++) {
        m->locks[i].busy = false;
        lg_waitq_wake_one(&m->locks[i].q);
    }
    RIG_OK(lg_fiber_sleep_until(lg_run_now_ns(run) + 500 * LG_MS, LG_WAIT_SLEEP));
    RIG_OK(lg_recovery_repair(m->rec));
    RIG_OK(lg_recovery_analyse(m->rec));
    lg_buf_visit(a->cache, model_add_pi, m->rec);
    lg_buf_set_gate(a->cache, lg_recovery_block_in_set, m->rec);
    RIG_OK(lg_recovery_apply(m->rec));
    RIG_OK(lg_recovery_settle(m->rec, lg_run_now_ns(run) + 10 * LG_SEC));
    RIG_OK(lg_recovery_release(m->rec));
    lg_buf_set_gate(a->cache, NULL, NULL);
    lg_recovery_progress(m->rec, &m->stats);
    lg_recovery_destroy(m->rec);
    m->rec = NULL;
}

/* Reads everything through the survivor. */
static inline void
model_check_survivor(void *arg)
{
    struct model *m = arg;
    struct instance *a = &m->in[0];
    a->stop = true;
    while (a->workers > 0)
        RIG_OK(lg_fiber_sleep_until(lg_run_now_ns(m->rig.nodes[0].run) + LG_MS, LG_WAIT_SLEEP));
    RIG_OK(lg_redo_flush(a->redo, lg_redo_end(a->redo)));
    model_check_cache(m, a->cache);
    model_workers_start(a, 4);
}

/* One life of all instances: recovery (possibly killed on the way), work, death. */
static inline void
model_life(struct model *m, lg_time most)
{
    m->recovered = false;
    while (!m->recovered) {
        rig_node_start(&m->rig, 0);
        lg_time limit = lg_sim_random(m->rig.sim) % 3 ? 1000 * LG_SEC
                                                      : lg_sim_random(m->rig.sim) % (40 * LG_MS);
        bool done = rig_run(&m->rig, 0, model_recover_and_check, m, limit);
        if (done && m->st != LG_OK) {
            fprintf(stderr, "seed %llu: recovery: %s at %u.%u\n",
                    (unsigned long long)lg_sim_seed(m->rig.sim), lg_status_name(m->st),
                    m->stats.failed.file, m->stats.failed.block);
            CU_FAIL_FATAL("recovery failed");
        }
        if (!done) {
            bool power = lg_sim_random(m->rig.sim) % 2;
            model_kill(m, power);
        }
    }
    if (!rig_run(&m->rig, 0, model_start, m, 100 * LG_SEC))
        abort();
    model_pass(m, lg_sim_random(m->rig.sim) % most + LG_MS);
}

#endif
