/* The thread header: two alternating copies with checksum and sequence number; a torn write of one
 * leaves the other. */
#include "redo_internal.h"
#include "assert.h"
#include "hash.h"
#include <string.h>

struct page {
    uint64_t magic;
    uint32_t crc; /* of the page with this field zero */
    uint32_t thread;
    uint64_t seq;
    uint32_t incarnation;
    uint32_t state;
    lg_lsn start, checkpoint, archived;
    lg_scn scn;
};

static uint32_t
page_crc(const struct page *p, uint32_t seed)
{
    struct page copy = *p;
    copy.crc = 0;
    return lg_crc32c(seed, &copy, sizeof copy);
}

lg_status
lg_redo__header_write(lg_volume *v, const lg_volume_area *area, lg_redo_header *h)
{
    h->seq++;
    struct page *p = lg_io_buf_alloc(LG_REDO_PAGE_BYTES);
    memset(p, 0, LG_REDO_PAGE_BYTES);
    *p = (struct page){.magic = LG_REDO_HEADER_MAGIC,
                       .thread = h->thread,
                       .seq = h->seq,
                       .incarnation = h->incarnation,
                       .state = h->state,
                       .start = h->start,
                       .checkpoint = h->checkpoint,
                       .archived = h->archived,
                       .scn = h->scn};
    p->crc = page_crc(p, lg_redo__crc_seed(v, h->thread));
    lg_status st = lg_disk_write(area->disk, area->header_offset[h->seq & 1], p, LG_REDO_PAGE_BYTES,
                                 0, LG_WAIT_CONTROL_IO);
    lg_free(p);
    return st;
}

lg_status
lg_redo_header_read(lg_volume *v, uint32_t thread, lg_redo_header *ret)
{
    lg_volume_area area;
    LG_TRY(lg_volume_instance_area(v, thread, &area));
    struct page *p = lg_io_buf_alloc(LG_REDO_PAGE_BYTES);
    lg_status st = LG_OK;
    unsigned blank = 0, good = 0;
    lg_redo_header best = {.thread = thread};
    for (unsigned copy = 0; copy < 2; copy++) {
        LG_CHECK(lg_disk_read(area.disk, area.header_offset[copy], p, LG_REDO_PAGE_BYTES,
                              LG_WAIT_CONTROL_IO));
        blank += p->magic == 0 && p->crc == 0;
        if (p->magic != LG_REDO_HEADER_MAGIC || p->thread != thread ||
            p->crc != page_crc(p, lg_redo__crc_seed(v, thread)))
            continue;
        if (good++ && p->seq < best.seq)
            continue;
        best = (lg_redo_header){.thread = thread,
                                .incarnation = p->incarnation,
                                .state = (lg_redo_state)p->state,
                                .seq = p->seq,
                                .start = p->start,
                                .checkpoint = p->checkpoint,
                                .scn = p->scn,
                                .archived = p->archived};
    }
    if (good == 0 && blank == 0)
        st = LG_CORRUPT; /* with a blank copy the torn one is the very first write: still FREE */
    else
        *ret = best;
out:
    lg_free(p);
    return st;
}

lg_status
lg_redo__header_update(lg_redo *r, lg_redo_state state, lg_lsn checkpoint, lg_lsn archived)
{
    while (r->header_busy)
        LG_TRY(lg_waitq_wait(&r->header_q, LG_WAIT_CONTROL_IO, LG_FOREVER, false));
    lg_redo_header h = r->header;
    h.state = state;
    if (checkpoint != LG_LSN_NONE && checkpoint > h.checkpoint)
        h.checkpoint = checkpoint;
    if (archived != LG_LSN_NONE && archived > h.archived)
        h.archived = archived;
    if (r->clock)
        h.scn = lg_scn_current(r->clock);
    r->header_busy = true;
    lg_status st = lg_redo__header_write(r->volume, &r->area, &h);
    r->header_busy = false;
    /* After a failure the next write goes to the same, perhaps torn, copy: the good one must stay.
     */
    if (st == LG_OK)
        r->header = h;
    lg_waitq_wake_all(&r->header_q);
    return st;
}

lg_status
lg_redo_thread_release(lg_volume *v, uint32_t thread, uint32_t incarnation, lg_lsn end, lg_scn scn)
{
    lg_volume_area area;
    lg_redo_header h;
    LG_TRY(lg_volume_instance_area(v, thread, &area));
    LG_TRY(lg_redo_header_read(v, thread, &h));
    if (h.incarnation != incarnation || h.state == LG_REDO_CLEAN)
        return h.incarnation >= incarnation ? LG_OK : LG_INVALID;
    if (h.state != LG_REDO_OPEN || end < h.checkpoint)
        return LG_INVALID;
    h.state = LG_REDO_CLEAN;
    h.checkpoint = lg_redo__align_up(end, LG_REDO_PAGE_BYTES);
    if (scn > h.scn)
        h.scn = scn;
    return lg_redo__header_write(v, &area, &h);
}
