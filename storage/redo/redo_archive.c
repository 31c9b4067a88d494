/* Archiving: a filled log file is copied into a directory before the ring may use it again. The
 * archiver fiber does it while the thread is open; whoever recovers a dead thread does the rest. */
#include "redo_internal.h"
#include "assert.h"
#include "hash.h"
#include <stdio.h>
#include <string.h>

#define PIECE (256u << 10)

static lg_status
open_target(lg_io *io, const char *path, uint64_t bytes, lg_disk **ret_disk)
{
    lg_status st = lg_disk_create(io, path, bytes);
    if (st != LG_OK && st != LG_EXISTS) /* exists: an archiver died in the middle of it */
        return st;
    LG_TRY(lg_disk_open(io, path, 0, ret_disk));
    if (lg_disk_size(*ret_disk) >= bytes)
        return LG_OK;
    lg_disk_close(*ret_disk);
    return LG_IO;
}

static void
fill_header(lg_redo_archive_header *h, const lg_volume *v, uint32_t thread, uint32_t incarnation,
            lg_lsn from, lg_lsn to)
{
    memset(h, 0, LG_REDO_PAGE_BYTES);
    memcpy(h->magic, "LGARCH1", 8);
    h->thread = thread;
    h->incarnation = incarnation;
    h->block_bytes = lg_volume_block_bytes(v);
    h->start = from;
    h->end = to;
    memcpy(h->volume_uuid, lg_volume_uuid(v), 16);
    h->crc = lg_crc32c(0, h, sizeof *h);
}

void
lg_redo_archive_name(uint32_t thread, uint32_t incarnation, lg_lsn from, char *ret, size_t size)
{
    snprintf(ret, size, "t%02u_%08u_%016llx.arc", thread, incarnation, (unsigned long long)from);
}

lg_status
lg_redo__archive_range(lg_volume *v, const lg_volume_area *area, uint32_t thread,
                       uint32_t incarnation, const char *dir, lg_lsn from, lg_lsn to)
{
    char path[512], name[64];
    uint64_t ring = area->log_files * area->log_file_bytes;
    lg_redo_archive_name(thread, incarnation, from, name, sizeof name);
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return LG_INVALID;
    LG_ASSERT(from % 512 == 0 && to % 512 == 0);
    lg_disk *d = NULL;
    uint64_t bytes = lg_redo__align_up(LG_REDO_PAGE_BYTES + (to - from), LG_REDO_PAGE_BYTES);
    LG_TRY(open_target(lg_volume_io(v), path, bytes, &d));
    uint8_t *buf = lg_io_buf_alloc(PIECE);
    lg_status st = LG_OK;
    for (lg_lsn at = from; at < to;) {
        uint64_t len = to - at < PIECE ? to - at : PIECE;
        len = len < ring - at % ring ? len : ring - at % ring;
        LG_CHECK(lg_redo__ring_read(area, at, buf, len));
        LG_CHECK(lg_disk_write(d, LG_REDO_PAGE_BYTES + (at - from), buf, len, LG_IO_LAZY,
                               LG_WAIT_LOG_FILE_WRITE));
        at += len;
    }
    fill_header((lg_redo_archive_header *)(void *)buf, v, thread, incarnation, from, to);
    LG_CHECK(lg_disk_write(d, 0, buf, LG_REDO_PAGE_BYTES, LG_IO_LAZY, LG_WAIT_LOG_FILE_WRITE));
    LG_CHECK(lg_disk_sync(d, LG_WAIT_LOG_FILE_WRITE));
out:
    lg_free(buf);
    lg_disk_close(d);
    return st;
}

static bool
file_filled(const lg_redo *r, lg_lsn *ret_end)
{
    uint64_t file = r->area.log_file_bytes;
    *ret_end = (r->header.archived / file + 1) * file;
    return *ret_end <= r->flushed;
}

/* Counts it, and tells when it begins to fail and when it works again. */
static void
note_archived(lg_redo *r, lg_lsn from, lg_lsn to, lg_status st)
{
    lg_redo_archive_info *i = &r->archive;
    bool failed_before = i->failure != LG_OK;
    i->failure = st;
    if (st == LG_OK) {
        i->last[i->files++ % LG_REDO_ARCHIVED_KEPT] =
            (lg_redo_archived_file){r->header.incarnation, from, to, lg_run_wall_us(r->run)};
    } else {
        i->failures++;
        i->failed_us = lg_run_wall_us(r->run);
    }
    if (r->on_archive && failed_before != (st != LG_OK))
        r->on_archive(r->on_archive_arg, st);
}

void
lg_redo__archiver(void *arg)
{
    lg_redo *r = arg;
    while (!r->stop && r->broken == LG_OK) {
        lg_lsn end;
        lg_time retry = LG_FOREVER;
        if (file_filled(r, &end)) {
            lg_status st =
                lg_redo__archive_range(r->volume, &r->area, r->thread, r->header.incarnation,
                                       r->archive_dir, r->header.archived, end);
            note_archived(r, r->header.archived, end, st);
            if (st == LG_OK)
                st = lg_redo__header_update(r, LG_REDO_OPEN, LG_LSN_NONE, end);
            lg_waitq_wake_all(&r->space_q);
            if (st == LG_OK)
                continue;
            retry =
                lg_run_now_ns(r->run) + LG_SEC; /* directory full: writers wait, nothing is lost */
        }
        (void)!lg_waitq_wait(&r->archiver_q, LG_WAIT_BACKGROUND_IDLE, retry, false);
    }
    r->fibers--;
    lg_waitq_wake_all(&r->fibers_q);
}

lg_status
lg_redo_archive_tail(lg_run *run, lg_volume *v, uint32_t thread, const char *archive_dir,
                     lg_lsn end)
{
    (void)run;
    lg_volume_area area;
    lg_redo_header h;
    LG_TRY(lg_volume_instance_area(v, thread, &area));
    LG_TRY(lg_redo_header_read(v, thread, &h));
    uint32_t align = lg_disk_align(area.disk) < 512 ? 512 : lg_disk_align(area.disk);
    end = lg_redo__align_up(end, align);
    while (h.archived < end) {
        lg_lsn to = (h.archived / area.log_file_bytes + 1) * area.log_file_bytes;
        to = to < end ? to : end;
        LG_TRY(
            lg_redo__archive_range(v, &area, thread, h.incarnation, archive_dir, h.archived, to));
        h.archived = to;
    }
    return LG_OK;
}
