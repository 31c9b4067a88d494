/* Reading a thread from its checkpoint to its end. The end is the first place where neither a whole
 * record of this incarnation with this very LSN stands nor the mark of padding. Nothing behind such
 * a place is looked at: writes complete in order, so nothing there was ever acknowledged. */
#include "redo_internal.h"
#include "assert.h"
#include "hash.h"
#include <string.h>

#define CHUNK (256u << 10)

struct lg_redo_reader {
    lg_volume_area area;
    lg_redo_header header;
    uint32_t crc_seed;
    uint32_t align;
    uint64_t ring_bytes;
    lg_lsn pos;    /* next record */
    uint8_t *data; /* stream bytes [base, loaded) */
    lg_lsn base, loaded;
    size_t room;
};

bool
lg_redo__record_good(const lg_redo_record_header *h, uint32_t crc_seed)
{
    lg_redo_record_header copy = *h;
    copy.crc = 0;
    uint32_t crc = lg_crc32c(crc_seed, &copy, sizeof copy);
    return lg_crc32c(crc, h + 1, h->len - sizeof *h) == h->crc;
}

lg_status
lg_redo__ring_read(const lg_volume_area *area, lg_lsn lsn, void *buf, size_t len)
{
    uint64_t ring = area->log_files * area->log_file_bytes;
    uint64_t at = lsn % ring;
    LG_ASSERT(at + len <= ring);
    return lg_disk_read(area->disk, area->log_offset + at, buf, len, LG_WAIT_DB_FILE_READ);
}

lg_status
lg_redo_reader_open(lg_run *run, lg_volume *v, uint32_t thread, lg_redo_reader **ret_reader)
{
    (void)run;
    lg_redo_reader *rd = lg_zalloc(sizeof *rd);
    lg_status st = lg_volume_instance_area(v, thread, &rd->area);
    if (st == LG_OK)
        st = lg_redo_header_read(v, thread, &rd->header);
    if (st != LG_OK) {
        lg_free(rd);
        return st;
    }
    rd->crc_seed = lg_redo__crc_seed(v, thread);
    rd->align = lg_disk_align(rd->area.disk) < 512 ? 512 : lg_disk_align(rd->area.disk);
    rd->ring_bytes = rd->area.log_files * rd->area.log_file_bytes;
    rd->pos = rd->header.checkpoint;
    rd->room = LG_REDO_RECORD_MAX + 2 * CHUNK;
    rd->data = lg_io_buf_alloc(rd->room);
    rd->base = rd->loaded = rd->pos / LG_REDO_PAGE_BYTES * LG_REDO_PAGE_BYTES;
    *ret_reader = rd;
    return LG_OK;
}

void
lg_redo_reader_close(lg_redo_reader *rd)
{
    if (!rd)
        return;
    lg_free(rd->data);
    lg_free(rd);
}

const lg_redo_header *
lg_redo_reader_header(const lg_redo_reader *rd)
{
    return &rd->header;
}

lg_lsn
lg_redo_reader_position(const lg_redo_reader *rd)
{
    return rd->pos;
}

/* Brings [pos, pos + n) into memory. LG_END when the ring's lap is over before that. */
static lg_status
load(lg_redo_reader *rd, size_t n)
{
    lg_lsn last = rd->header.checkpoint / LG_REDO_PAGE_BYTES * LG_REDO_PAGE_BYTES + rd->ring_bytes;
    if (rd->pos + n > last)
        return LG_END;
    lg_lsn keep = rd->pos / LG_REDO_PAGE_BYTES * LG_REDO_PAGE_BYTES;
    if (rd->pos + n > rd->base + rd->room - CHUNK) {
        memmove(rd->data, rd->data + (keep - rd->base), rd->loaded - keep);
        rd->base = keep;
    }
    while (rd->loaded < rd->pos + n) {
        uint64_t len = CHUNK, ring_left = rd->ring_bytes - rd->loaded % rd->ring_bytes;
        len = len < ring_left ? len : ring_left;
        len = len < last - rd->loaded ? len : last - rd->loaded;
        LG_TRY(lg_redo__ring_read(&rd->area, rd->loaded, rd->data + (rd->loaded - rd->base), len));
        rd->loaded += len;
    }
    return LG_OK;
}

static const void *
at_pos(const lg_redo_reader *rd)
{
    return rd->data + (rd->pos - rd->base);
}

static bool
plausible(const lg_redo_reader *rd, const lg_redo_record_header *h)
{
    return h->lsn == rd->pos && h->incarnation == rd->header.incarnation &&
           h->thread == rd->header.thread && h->len >= sizeof *h && h->len % 8 == 0 &&
           h->len <= LG_REDO_RECORD_MAX;
}

static bool
skip_padding(lg_redo_reader *rd)
{
    uint64_t mark;
    if (rd->pos % rd->align == 0)
        return false;
    memcpy(&mark, at_pos(rd), sizeof mark);
    if (mark != lg_redo__pad_mark(rd->pos, rd->header.incarnation))
        return false;
    rd->pos = lg_redo__align_up(rd->pos, rd->align);
    return true;
}

lg_status
lg_redo_reader_next(lg_redo_reader *rd, const lg_redo_record_header **ret_record)
{
    LG_TRY(load(rd, sizeof(uint64_t)));
    if (skip_padding(rd))
        LG_TRY(load(rd, sizeof(uint64_t)));
    LG_TRY(load(rd, sizeof(lg_redo_record_header)));
    if (!plausible(rd, at_pos(rd)))
        return LG_END;
    LG_TRY(load(rd, ((const lg_redo_record_header *)at_pos(rd))->len));
    const lg_redo_record_header *h = at_pos(rd);
    if (!lg_redo__record_good(h, rd->crc_seed))
        return LG_END;
    rd->pos += h->len;
    *ret_record = h;
    return LG_OK;
}

lg_status
lg_redo_change_next(const lg_redo_record_header *rec, uint32_t *pos, lg_redo_change *ret)
{
    uint32_t at = *pos ? *pos : (uint32_t)sizeof *rec;
    if (at == rec->len)
        return LG_END;
    lg_redo_change_header c;
    if (rec->len - at < sizeof c)
        return LG_CORRUPT;
    memcpy(&c, (const uint8_t *)rec + at, sizeof c);
    at += (uint32_t)sizeof c;
    if (c.ops_len > rec->len - at)
        return LG_CORRUPT;
    *ret = (lg_redo_change){.addr = {c.file, c.block},
                            .before = c.before,
                            .after = c.after,
                            .ops = (const uint8_t *)rec + at,
                            .ops_len = c.ops_len};
    *pos = at + (c.ops_len + 7) / 8 * 8;
    return *pos <= rec->len ? LG_OK : LG_CORRUPT;
}
