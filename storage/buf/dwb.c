/* The double-write area. */
#include "dwb.h"
#include "assert.h"
#include "waitq.h"
#include <string.h>

struct place_write {
    lg_io_req req;
    lg_dwb *dwb;
    lg_dwb_block *block;
};

struct lg_dwb {
    lg_run *run;
    lg_volume *volume;
    lg_volume_area area;
    uint32_t block_bytes;
    uint32_t half_blocks;
    uint32_t half; /* the one to use next */
    uint8_t *staging;
    bool busy;
    lg_waitq q;
    struct place_write *writes;
    uint32_t pending;
    lg_fiber *fiber;  /* waits for pending == 0 */
    lg_status broken; /* not LG_OK: the area holds images that could not get to their places */
};

#define RETRY_EVERY (20 * LG_MS)
#define RETRY_LIMIT (10 * LG_SEC)

lg_status
lg_dwb_create(lg_run *run, lg_volume *v, uint32_t slot, lg_dwb **ret_dwb)
{
    lg_volume_area area;
    LG_TRY(lg_volume_instance_area(v, slot, &area));
    lg_dwb *d = lg_zalloc(sizeof *d);
    d->run = run;
    d->volume = v;
    d->area = area;
    d->block_bytes = lg_volume_block_bytes(v);
    d->half_blocks = (uint32_t)(area.dwb_bytes / 2 / d->block_bytes);
    d->writes = lg_zalloc(d->half_blocks * sizeof *d->writes);
    lg_waitq_init(&d->q);
    *ret_dwb = d;
    return LG_OK;
}

void
lg_dwb_destroy(lg_dwb *d)
{
    if (!d)
        return;
    LG_ASSERT(!d->busy);
    lg_free(d->staging);
    lg_free(d->writes);
    lg_free(d);
}

uint32_t
lg_dwb_batch_blocks(const lg_dwb *d)
{
    return d->half_blocks;
}

static lg_status
write_area(lg_dwb *d, const lg_dwb_block *blocks, uint32_t count)
{
    size_t bytes = (size_t)count * d->block_bytes;
    const uint8_t *from = blocks[0].image;
    bool in_row = ((uintptr_t)from & 4095) == 0;
    for (uint32_t i = 1; in_row && i < count; i++)
        in_row = blocks[i].image == from + (size_t)i * d->block_bytes;
    if (!in_row) {
        if (!d->staging)
            d->staging = lg_io_buf_alloc((size_t)d->half_blocks * d->block_bytes);
        for (uint32_t i = 0; i < count; i++)
            memcpy(d->staging + (size_t)i * d->block_bytes, blocks[i].image, d->block_bytes);
        from = d->staging;
    }
    uint64_t offset = d->area.dwb_offset + (uint64_t)d->half * (d->area.dwb_bytes / 2);
    return lg_disk_write(d->area.disk, offset, from, bytes, 0, LG_WAIT_DB_FILE_WRITE);
}

/* On the worker's native stack. */
static void
place_done(lg_io_req *req, lg_status st)
{
    struct place_write *w = LG_CONTAINER_OF(req, struct place_write, req);
    w->block->status = st;
    if (--w->dwb->pending == 0 && w->dwb->fiber)
        lg_fiber_unpark(w->dwb->fiber);
}

/* Those whose status is not LG_OK. */
static lg_status
write_places(lg_dwb *d, lg_dwb_block *blocks, uint32_t count)
{
    d->pending = 1; /* ours: none may be the last before all are submitted */
    d->fiber = lg_fiber_self();
    for (uint32_t i = 0; i < count; i++) {
        struct place_write *w = &d->writes[i];
        if (blocks[i].status == LG_OK)
            continue;
        d->pending++;
        w->dwb = d;
        w->block = &blocks[i];
        w->req = (lg_io_req){
            .disk = blocks[i].place.disk,
            .op = LG_IO_WRITE,
            .flags = LG_IO_LAZY,
            .offset = blocks[i].place.offset,
            .buf = (void *)(uintptr_t)blocks[i].image,
            .len = d->block_bytes,
            .done = place_done,
        };
        lg_io_submit(&w->req);
    }
    d->pending--;
    while (d->pending > 0) {
        lg_status park = lg_fiber_park(LG_WAIT_DB_FILE_WRITE, LG_FOREVER, false);
        LG_ASSERT(park == LG_OK);
    }
    d->fiber = NULL;
    lg_status st = LG_OK;
    for (uint32_t i = 0; i < count; i++)
        LG_KEEP(blocks[i].status);
    return st;
}

static lg_status
sync_disks(lg_dwb *d, const lg_dwb_block *blocks, uint32_t count)
{
    bool touched[LG_VOLUME_MAX_DISKS] = {false};
    for (uint32_t i = 0; i < count; i++)
        touched[blocks[i].place.disk_index] = true;
    for (uint32_t i = 0; i < LG_VOLUME_MAX_DISKS; i++)
        if (touched[i])
            LG_TRY(lg_disk_sync(lg_volume_disk(d->volume, i), LG_WAIT_DB_FILE_WRITE));
    return LG_OK;
}

/* To the places and durable there. A place whose write failed may be torn, and its image in the
 * area is the only good copy: so there is no next batch before this one is done. Given up after a
 * while: the instance must stop then, and whoever recovers it finds the images. */
static lg_status
finish_places(lg_dwb *d, lg_dwb_block *blocks, uint32_t count)
{
    lg_time limit = lg_run_now_ns(d->run) + RETRY_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        blocks[i].status = LG_IO;
    for (;;) {
        lg_status st = write_places(d, blocks, count);
        if (st == LG_OK)
            st = sync_disks(d, blocks, count);
        if (st == LG_OK)
            return LG_OK;
        lg_time now = lg_run_now_ns(d->run);
        if (st != LG_IO || now >= limit) {
            d->broken = st;
            return st;
        }
        (void)!lg_fiber_sleep_until(now + RETRY_EVERY, LG_WAIT_DB_FILE_WRITE);
    }
}

lg_status
lg_dwb_broken(const lg_dwb *d)
{
    return d->broken;
}

lg_status
lg_dwb_write(lg_dwb *d, lg_dwb_block *blocks, uint32_t count)
{
    LG_ASSERT(count > 0 && count <= d->half_blocks);
    while (d->busy)
        LG_TRY(lg_waitq_wait(&d->q, LG_WAIT_DB_FILE_WRITE, LG_FOREVER, false));
    LG_TRY(d->broken);
    d->busy = true;
    lg_status st = LG_OK;
    if (!lg_volume_atomic_blocks(d->volume))
        st = write_area(d, blocks, count);
    if (st == LG_OK)
        st = finish_places(d, blocks, count);
    if (st == LG_OK)
        d->half ^= 1;
    d->busy = false;
    if (d->broken == LG_OK)
        lg_waitq_wake_one(&d->q);
    else /* nobody will come after the one */
        lg_waitq_wake_all(&d->q);
    lg_stat_add(lg_run_stats(d->run), LG_STAT_PHYSICAL_WRITES, count);
    return st;
}

void
lg_dwb_spare(lg_dwb *d, uint32_t index)
{
    d->half = index < d->half_blocks ? 1 : 0;
}

lg_status
lg_dwb_scan(lg_run *run, lg_volume *v, uint32_t slot,
            lg_status (*fn)(void *arg, lg_addr addr, const void *image, uint32_t index), void *arg)
{
    (void)run;
    lg_volume_area area;
    LG_TRY(lg_volume_instance_area(v, slot, &area));
    uint32_t bb = lg_volume_block_bytes(v);
    uint8_t *buf = lg_io_buf_alloc(area.dwb_bytes);
    lg_status st;
    LG_CHECK(lg_disk_read(area.disk, area.dwb_offset, buf, area.dwb_bytes, LG_WAIT_DB_FILE_READ));
    for (uint64_t at = 0; at + bb <= area.dwb_bytes; at += bb) {
        const lg_block_header *h = (const lg_block_header *)(void *)(buf + at);
        lg_addr addr = {h->file, h->block};
        if (h->version != 0 && lg_block_verify(h, bb, addr) == LG_OK)
            LG_CHECK(fn(arg, addr, h, (uint32_t)(at / bb)));
    }
out:
    lg_free(buf);
    return st;
}
