/* Recovery: rolling the blocks of the set forward.
 *
 * A block starts from the newest of: the disk, the survivors' past images, the dead's double-write
 * areas. All are versions of one history, and everything after them is in the dead threads.
 * Vectors at or below its version are skipped; each of the others must begin where the block
 * stands, or format it.
 *
 * Where this instance's cache holds the block in X (the past image came through it) the result goes
 * into the buffer and is written from there, so that the cache cannot write an older image later.
 * */
#include "recovery_internal.h"
#include "assert.h"
#include "waitq.h"
#include <stdlib.h>
#include <string.h>

#define BATCH       32
#define FIRST_BATCH 4  /* the blocks most changed open sooner in small batches ... */
#define FIRST       64 /* ... so many of them */

struct work {
    struct lg_rec__entry *entry;
    lg_volume_place place;
    bool write;
    lg_version version;
};

struct pool {
    lg_recovery *rec;
    uint32_t first, next, end; /* into rec->order */
    uint32_t running;
    lg_status status; /* the first error */
    lg_waitq done;
};

/* ---- one block ---- */

static int
vector_compare(const void *a, const void *b)
{
    lg_version va = (*(struct lg_rec__vector *const *)a)->after;
    lg_version vb = (*(struct lg_rec__vector *const *)b)->after;
    return va < vb ? -1 : va > vb;
}

static lg_status
roll_forward(lg_recovery *rec, const struct lg_rec__entry *e, bool usable, uint8_t *image)
{
    if (e->count == 0)
        return usable ? LG_OK : LG_CORRUPT;
    struct lg_rec__vector **v = lg_alloc(e->count * sizeof *v);
    uint32_t n = 0;
    for (struct lg_rec__vector *i = e->first; i; i = i->next)
        v[n++] = i;
    qsort(v, n, sizeof *v, vector_compare);
    lg_status st = LG_OK;
    lg_version at = usable ? lg_block_version(image) : 0;
    for (uint32_t i = 0; st == LG_OK && i < n; i++) {
        if (usable && v[i]->after <= at)
            continue;
        bool formats = lg_change_formats(v[i]->ops, v[i]->ops_len);
        if (!formats && !usable)
            continue; /* a later one may format it */
        if (!formats && v[i]->before != at)
            st = LG_CORRUPT;
        if (formats && usable && v[i]->before < at)
            st = LG_CORRUPT;
        if (st == LG_OK)
            st = lg_change_apply(image, rec->block_bytes, v[i]->ops, v[i]->ops_len, v[i]->after);
        at = v[i]->after;
        usable = true;
    }
    if (!usable)
        st = LG_CORRUPT;
    lg_free(v);
    return st;
}

/* Chooses the image to start from. *ret_usable: image holds one; *ret_disk: the disk's version. */
static lg_status
base_image(lg_recovery *rec, const struct lg_rec__entry *e, const lg_volume_place *place,
           uint8_t *image, uint8_t *other, bool *ret_usable, lg_version *ret_disk)
{
    const lg_recovery_env *env = &rec->cfg.env;
    *ret_usable = false;
    *ret_disk = 0;
    if (env->past_image) {
        lg_version same = 0;
        lg_status st = env->past_image(env->arg, e->addr, image, &same);
        if (st == LG_OK)
            st = lg_block_verify(image, rec->block_bytes, e->addr);
        if (st != LG_OK && st != LG_NOT_FOUND && st != LG_CORRUPT)
            return st;
        *ret_usable = st == LG_OK;
        rec->stats.past_images += st == LG_OK;
        if (st == LG_OK && same == lg_block_version(image))
            *ret_disk = same;
    }
    lg_status st = LG_OK;
    if (*ret_disk == 0)
        st = lg_volume_read_block(rec->cfg.volume, place, e->addr, other);
    if (st != LG_OK && st != LG_CORRUPT)
        return st;
    bool disk_good = st == LG_OK;
    if (disk_good && *ret_disk == 0) {
        *ret_disk = lg_block_version(other);
        if (!*ret_usable || *ret_disk > lg_block_version(image)) {
            memcpy(image, other, rec->block_bytes);
            *ret_usable = true;
        }
    }
    if (e->spare && (!*ret_usable || lg_block_version(e->spare) > lg_block_version(image))) {
        memcpy(image, e->spare, rec->block_bytes);
        *ret_usable = true;
        rec->stats.repaired += !disk_good;
    }
    return LG_OK;
}

/* Prepares one block: w->write says whether the image is to be written. */
static lg_status
entry_prepare(lg_recovery *rec, struct lg_rec__entry *e, struct work *w, uint8_t *image,
              uint8_t *other)
{
    const lg_recovery_env *env = &rec->cfg.env;
    *w = (struct work){.entry = e};
    if (env->held && env->held(env->arg, e->addr)) {
        e->held = true;
        rec->stats.blocks_held++;
        return LG_END;
    }
    lg_status st = lg_rec__locate(rec, e->addr, &w->place);
    if (st == LG_INVALID) {
        rec->stats.blocks_dropped++;
        return LG_END;
    }
    LG_TRY(st);
    bool usable;
    lg_version on_disk;
    LG_TRY(base_image(rec, e, &w->place, image, other, &usable, &on_disk));
    LG_TRY(roll_forward(rec, e, usable, image));
    w->version = lg_block_version(image);
    w->write = w->version > on_disk;
    rec->stats.blocks_current += !w->write;
    if (e->addr.file == 0)
        e->image = lg_arena_dup(rec->arena, image, rec->block_bytes);
    return LG_OK;
}

/* ---- a batch ---- */

static lg_status
batch_write(lg_recovery *rec, struct work *work, uint32_t n, uint8_t *images)
{
    lg_dwb_block direct[BATCH];
    lg_addr cached[BATCH];
    uint32_t directs = 0, cacheds = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!work[i].write)
            continue;
        uint8_t *image = images + (size_t)i * rec->block_bytes;
        lg_block_seal(image, rec->block_bytes);
        lg_status st = LG_NOT_FOUND;
        if (rec->cfg.cache)
            st = lg_buf_recovered(rec->cfg.cache, work[i].entry->addr, image);
        if (st == LG_OK)
            cached[cacheds++] = work[i].entry->addr;
        else if (st == LG_NOT_FOUND)
            direct[directs++] = (lg_dwb_block){.place = work[i].place, .image = image};
        else
            return st;
    }
    rec->stats.blocks_written += directs + cacheds;
    if (cacheds)
        LG_TRY(lg_buf_write_blocks(rec->cfg.cache, cached, cacheds));
    return directs ? lg_dwb_write(rec->cfg.dwb, direct, directs) : LG_OK;
}

static void
entry_done(lg_recovery *rec, struct lg_rec__entry *e)
{
    e->done = true;
    rec->stats.blocks_done++;
}

static lg_status
batch_run(lg_recovery *rec, struct lg_rec__entry **entries, uint32_t count, uint8_t *images,
          uint8_t *other)
{
    const lg_recovery_env *env = &rec->cfg.env;
    struct work work[BATCH];
    uint32_t n = 0;
    LG_TRY(LG_FAULT(lg_run_faults(rec->cfg.run), "recovery_apply"));
    if (env->still_valid && !env->still_valid(env->arg))
        return LG_RECONFIGURING;
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i]->done)
            continue;
        lg_status st =
            entry_prepare(rec, entries[i], &work[n], images + (size_t)n * rec->block_bytes, other);
        if (st == LG_END) {
            entry_done(rec, entries[i]);
            continue;
        }
        if (st != LG_OK) {
            rec->stats.failed = entries[i]->addr;
            return st;
        }
        n++;
    }
    LG_TRY(batch_write(rec, work, n, images));
    lg_addr open[BATCH];
    uint32_t opens = 0;
    for (uint32_t i = 0; i < n; i++) {
        entry_done(rec, work[i].entry);
        if (env->written)
            env->written(env->arg, work[i].entry->addr, work[i].version);
        if (work[i].entry->addr.file != 0)
            open[opens++] = work[i].entry->addr;
    }
    if (env->open && opens)
        env->open(env->arg, open, opens);
    return LG_OK;
}

/* ---- several fibers ---- */

static void
apply_fiber(void *arg)
{
    struct pool *p = arg;
    lg_recovery *rec = p->rec;
    uint8_t *images = lg_io_buf_alloc((size_t)(BATCH + 1) * rec->block_bytes);
    while (p->status == LG_OK && p->next < p->end) {
        uint32_t from = p->next, most = from - p->first < FIRST ? FIRST_BATCH : BATCH;
        uint32_t n = p->end - from < most ? p->end - from : most;
        p->next += n;
        lg_status st =
            batch_run(rec, rec->order + from, n, images, images + (size_t)BATCH * rec->block_bytes);
        if (p->status == LG_OK)
            p->status = st;
    }
    lg_free(images);
    p->running--;
    lg_waitq_wake_all(&p->done);
}

static lg_status
apply_range(lg_recovery *rec, uint32_t from, uint32_t to, uint32_t fibers)
{
    struct pool p = {.rec = rec, .first = from, .next = from, .end = to};
    uint32_t batches = (to - from + FIRST_BATCH - 1) / FIRST_BATCH;
    lg_waitq_init(&p.done);
    for (uint32_t i = 0; i < fibers && i < batches && p.status == LG_OK; i++) {
        p.status = lg_run_spawn(rec->cfg.run, "recovery", 0, apply_fiber, &p, NULL);
        p.running += p.status == LG_OK;
    }
    while (p.running > 0)
        (void)!lg_waitq_wait(&p.done, LG_WAIT_GC_RECOVERY, LG_FOREVER, false);
    return p.status;
}

lg_status
lg_recovery_apply(lg_recovery *rec)
{
    LG_ASSERT(rec->analysed);
    LG_TRY(lg_rec__sync_disks(rec));
    lg_rec__order_make(rec);
    uint32_t meta = 0;
    while (meta < rec->order_count && rec->order[meta]->addr.file == 0)
        meta++;
    LG_TRY(apply_range(rec, 0, meta, 1)); /* the others are found through it */
    return apply_range(rec, meta, rec->order_count, rec->cfg.parallel ? rec->cfg.parallel : 8);
}
