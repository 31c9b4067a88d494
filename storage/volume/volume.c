/* The open volume: labels, the instance slot table, disks. */
#include "volume_internal.h"
#include "assert.h"
#include "hash.h"
#include <stdio.h>
#include <string.h>

/* ---- label and slot table: fixed-size pages with magic and checksum, two copies ---- */

static uint32_t
page_crc(const void *page, size_t crc_offset)
{
    static const uint32_t zero;
    const uint8_t *p = page;
    uint32_t crc = lg_crc32c(0, p, crc_offset);
    crc = lg_crc32c(crc, &zero, sizeof zero);
    return lg_crc32c(crc, p + crc_offset + 4, LG_VOL_LABEL_BYTES - crc_offset - 4);
}

static bool
page_good(const void *page, uint64_t magic, size_t crc_offset)
{
    uint64_t m;
    uint32_t crc;
    memcpy(&m, page, 8);
    memcpy(&crc, (const uint8_t *)page + crc_offset, 4);
    return m == magic && crc == page_crc(page, crc_offset);
}

lg_status
lg_vol__label_write(lg_disk *d, const struct lg_vol__label *label, uint32_t disk_index)
{
    struct lg_vol__label *page = lg_io_buf_alloc(LG_VOL_LABEL_BYTES);
    memset(page, 0, LG_VOL_LABEL_BYTES);
    *page = *label;
    page->magic = LG_VOL_LABEL_MAGIC;
    page->disk_index = disk_index;
    page->crc = page_crc(page, offsetof(struct lg_vol__label, crc));
    lg_status st = LG_OK;
    for (unsigned copy = 0; st == LG_OK && copy < 2; copy++)
        st = lg_disk_write(d, LG_VOL_LABEL_OFFSET + copy * LG_VOL_LABEL_BYTES, page,
                           LG_VOL_LABEL_BYTES, 0, LG_WAIT_CONTROL_IO);
    lg_free(page);
    return st;
}

lg_status
lg_vol__label_read(lg_disk *d, struct lg_vol__label *ret)
{
    struct lg_vol__label *page = lg_io_buf_alloc(LG_VOL_LABEL_BYTES);
    lg_status st = LG_NO_DISK;
    uint64_t best = 0;
    for (unsigned copy = 0; copy < 2; copy++) {
        lg_status rd = lg_disk_read(d, LG_VOL_LABEL_OFFSET + copy * LG_VOL_LABEL_BYTES, page,
                                    LG_VOL_LABEL_BYTES, LG_WAIT_CONTROL_IO);
        if (rd != LG_OK) {
            st = st == LG_OK ? st : rd;
            continue;
        }
        if (!page_good(page, LG_VOL_LABEL_MAGIC, offsetof(struct lg_vol__label, crc)))
            continue;
        if (page->format != LG_VOL_FORMAT || page->au_bytes != LG_VOLUME_AU_BYTES ||
            page->disk_count > LG_VOLUME_MAX_DISKS || page->disk_index >= page->disk_count) {
            st = LG_CORRUPT;
            continue;
        }
        if (st != LG_OK || page->generation > best) {
            *ret = *page;
            best = page->generation;
            st = LG_OK;
        }
    }
    lg_free(page);
    return st;
}

lg_status
lg_vol__slots_write(lg_disk *d, struct lg_vol__slots *slots)
{
    struct lg_vol__slots *page = lg_io_buf_alloc(LG_VOL_LABEL_BYTES);
    memset(page, 0, LG_VOL_LABEL_BYTES);
    slots->magic = LG_VOL_SLOTS_MAGIC;
    slots->seq++;
    *page = *slots;
    page->crc = page_crc(page, offsetof(struct lg_vol__slots, crc));
    lg_status st = LG_OK;
    for (unsigned copy = 1; st == LG_OK && copy <= 2; copy++)
        st = lg_disk_write(d, (uint64_t)copy * LG_VOL_SLOTS_OFFSET, page, LG_VOL_LABEL_BYTES, 0,
                           LG_WAIT_CONTROL_IO);
    lg_free(page);
    return st;
}

static lg_status
slots_read(lg_disk *d, struct lg_vol__slots *ret)
{
    struct lg_vol__slots *page = lg_io_buf_alloc(LG_VOL_LABEL_BYTES);
    lg_status st = LG_CORRUPT;
    for (unsigned copy = 1; copy <= 2; copy++) {
        lg_status rd = lg_disk_read(d, (uint64_t)copy * LG_VOL_SLOTS_OFFSET, page,
                                    LG_VOL_LABEL_BYTES, LG_WAIT_CONTROL_IO);
        if (rd == LG_OK &&
            page_good(page, LG_VOL_SLOTS_MAGIC, offsetof(struct lg_vol__slots, crc)) &&
            (st != LG_OK || page->seq > ret->seq)) {
            *ret = *page;
            st = LG_OK;
        } else if (rd != LG_OK && st != LG_OK) {
            st = rd;
        }
    }
    lg_free(page);
    return st;
}

lg_status
lg_vol__zero(lg_disk *d, uint64_t offset, uint64_t bytes)
{
    size_t piece = LG_VOLUME_AU_BYTES;
    void *zeros = lg_io_buf_alloc(piece);
    memset(zeros, 0, piece);
    lg_status st = LG_OK;
    while (st == LG_OK && bytes > 0) {
        size_t n = bytes < piece ? (size_t)bytes : piece;
        st = lg_disk_write(d, offset, zeros, n, LG_IO_LAZY, LG_WAIT_CONTROL_IO);
        offset += n;
        bytes -= n;
    }
    if (st == LG_OK)
        st = lg_disk_sync(d, LG_WAIT_CONTROL_IO);
    lg_free(zeros);
    return st;
}

lg_status
lg_volume_aus_zero(lg_volume *v, const lg_au *aus, uint32_t count)
{
    bool touched[LG_VOLUME_MAX_DISKS] = {false};
    void *zeros = lg_io_buf_alloc(LG_VOLUME_AU_BYTES);
    memset(zeros, 0, LG_VOLUME_AU_BYTES);
    lg_status st = LG_OK;
    for (uint32_t i = 0; st == LG_OK && i < count; i++) {
        LG_ASSERT(aus[i].disk < v->label.disk_count &&
                  aus[i].au >= lg_volume_disk_fixed_aus(v, aus[i].disk));
        touched[aus[i].disk] = true;
        st = lg_disk_write(v->disks[aus[i].disk], (uint64_t)aus[i].au * LG_VOLUME_AU_BYTES, zeros,
                           LG_VOLUME_AU_BYTES, LG_IO_LAZY, LG_WAIT_DB_FILE_WRITE);
    }
    for (uint32_t d = 0; st == LG_OK && d < v->label.disk_count; d++)
        if (touched[d])
            st = lg_disk_sync(v->disks[d], LG_WAIT_DB_FILE_WRITE);
    lg_free(zeros);
    return st;
}

/* ---- open ---- */

static void
uuid_text(const uint8_t *uuid, char *out, size_t size)
{
    char *p = out;
    for (unsigned i = 0; i < 16 && (size_t)(p - out) + 4 < size; i++) {
        p += snprintf(p, size - (size_t)(p - out), "%02x", uuid[i]);
        if (i == 3 || i == 5 || i == 7 || i == 9)
            *p++ = '-';
    }
    *p = 0;
}

static void
say_missing(char *out, size_t size, const char *path, const uint8_t *uuid)
{
    if (!out || size < 48)
        return;
    if (path)
        snprintf(out, size, "%s", path);
    else
        uuid_text(uuid, out, size);
}

/* Puts an opened disk where its label says. A disk of another volume is LG_NO_DISK. */
static lg_status
adopt_disk(lg_volume *v, lg_disk *d, bool first)
{
    struct lg_vol__label l;
    LG_TRY(lg_vol__label_read(d, &l));
    if (!first && memcmp(l.volume_uuid, v->label.volume_uuid, 16) != 0)
        return LG_NO_DISK;
    if (v->disks[l.disk_index])
        return LG_NO_DISK; /* the same disk twice */
    if ((uint64_t)l.disks[l.disk_index].aus * LG_VOLUME_AU_BYTES > lg_disk_size(d))
        return LG_CORRUPT;
    if (first || l.generation > v->label.generation)
        v->label = l;
    v->disks[l.disk_index] = d;
    return LG_OK;
}

static lg_status
open_all(lg_volume *v, const char *const *paths, uint32_t count, char *missing, size_t missing_size)
{
    for (uint32_t i = 0; i < count; i++) {
        lg_disk *d = NULL;
        lg_status st = lg_disk_open(v->io, paths[i], 0, &d);
        if (st == LG_OK && (st = adopt_disk(v, d, i == 0)) != LG_OK)
            lg_disk_close(d);
        if (st != LG_OK) {
            say_missing(missing, missing_size, paths[i], NULL);
            return st;
        }
    }
    v->atomic = true;
    for (uint32_t i = 0; i < v->label.disk_count; i++) {
        if (!v->disks[i]) {
            say_missing(missing, missing_size, NULL, v->label.disks[i].uuid);
            return LG_NO_DISK;
        }
        if (lg_disk_atomic_bytes(v->disks[i]) < v->label.block_bytes)
            v->atomic = false;
    }
    return slots_read(v->disks[0], &v->slots);
}

lg_status
lg_volume_open(lg_io *io, const char *const *paths, uint32_t count, char *ret_missing,
               size_t missing_size, lg_volume **ret_volume)
{
    if (count == 0 || count > LG_VOLUME_MAX_DISKS)
        return LG_INVALID;
    lg_volume *v = lg_zalloc(sizeof *v);
    v->io = io;
    v->files = lg_map_create();
    lg_status st = open_all(v, paths, count, ret_missing, missing_size);
    if (st != LG_OK) {
        lg_volume_close(v);
        return st;
    }
    *ret_volume = v;
    return LG_OK;
}

void
lg_volume_close(lg_volume *v)
{
    if (!v)
        return;
    for (uint32_t i = 0; i < LG_VOLUME_MAX_DISKS; i++)
        lg_disk_close(v->disks[i]);
    lg_vol__files_free(v);
    lg_free(v);
}

/* ---- accessors ---- */

uint32_t
lg_volume_block_bytes(const lg_volume *v)
{
    return v->label.block_bytes;
}

uint32_t
lg_volume_blocks_per_au(const lg_volume *v)
{
    return LG_VOLUME_AU_BYTES / v->label.block_bytes;
}

uint32_t
lg_volume_disk_count(const lg_volume *v)
{
    return v->label.disk_count;
}

lg_disk *
lg_volume_disk(const lg_volume *v, uint32_t disk)
{
    LG_ASSERT(disk < v->label.disk_count);
    return v->disks[disk];
}

uint32_t
lg_volume_disk_aus(const lg_volume *v, uint32_t disk)
{
    LG_ASSERT(disk < v->label.disk_count);
    return v->label.disks[disk].aus;
}

uint32_t
lg_volume_disk_fixed_aus(const lg_volume *v, uint32_t disk)
{
    LG_ASSERT(disk < v->label.disk_count);
    return 1 + v->label.disks[disk].meta_aus;
}

const uint8_t *
lg_volume_uuid(const lg_volume *v)
{
    return v->label.volume_uuid;
}

lg_io *
lg_volume_io(const lg_volume *v)
{
    return v->io;
}

bool
lg_volume_atomic_blocks(const lg_volume *v)
{
    return v->atomic;
}

lg_status
lg_volume_read_block(lg_volume *v, const lg_volume_place *p, lg_addr addr, void *image)
{
    LG_TRY(lg_disk_read(p->disk, p->offset, image, v->label.block_bytes, LG_WAIT_DB_FILE_READ));
    return lg_block_verify(image, v->label.block_bytes, addr);
}

/* ---- instance areas ---- */

uint32_t
lg_volume_instance_aus(const lg_volume *v)
{
    uint64_t bytes =
        LG_VOLUME_AU_BYTES + v->label.dwb_bytes + v->label.log_files * v->label.log_file_bytes;
    return (uint32_t)(bytes / LG_VOLUME_AU_BYTES);
}

lg_status
lg_volume_instance_area(const lg_volume *v, uint32_t slot, lg_volume_area *ret)
{
    if (slot >= LG_VOLUME_MAX_INSTANCES || !v->slots.slot[slot].present)
        return LG_NOT_FOUND;
    uint32_t disk = v->slots.slot[slot].disk;
    if (disk >= v->label.disk_count)
        return LG_CORRUPT;
    uint64_t base = (uint64_t)v->slots.slot[slot].first_au * LG_VOLUME_AU_BYTES;
    *ret = (lg_volume_area){
        .disk = v->disks[disk],
        .header_offset = {base, base + LG_VOLUME_AU_BYTES / 2},
        .dwb_offset = base + LG_VOLUME_AU_BYTES,
        .dwb_bytes = v->label.dwb_bytes,
        .log_offset = base + LG_VOLUME_AU_BYTES + v->label.dwb_bytes,
        .log_file_bytes = v->label.log_file_bytes,
        .log_files = v->label.log_files,
        .first_au = v->slots.slot[slot].first_au,
        .au_count = lg_volume_instance_aus(v),
        .disk_index = disk,
    };
    return LG_OK;
}

lg_status
lg_volume_instance_add(lg_volume *v, uint32_t slot, uint32_t disk, uint32_t first_au)
{
    if (slot >= LG_VOLUME_MAX_INSTANCES || disk >= v->label.disk_count ||
        first_au + lg_volume_instance_aus(v) > v->label.disks[disk].aus)
        return LG_INVALID;
    LG_TRY(lg_volume_instances_refresh(v));
    if (v->slots.slot[slot].present)
        return v->slots.slot[slot].disk == disk && v->slots.slot[slot].first_au == first_au
                   ? LG_OK
                   : LG_EXISTS;
    /* A stale header or block image there would be taken for ours. The log ring may hold anything:
     * its records name volume, incarnation and LSN. */
    LG_TRY(lg_vol__zero(v->disks[disk], (uint64_t)first_au * LG_VOLUME_AU_BYTES,
                        LG_VOLUME_AU_BYTES + v->label.dwb_bytes));
    struct lg_vol__slots s = v->slots;
    s.slot[slot].present = 1;
    s.slot[slot].disk = disk;
    s.slot[slot].first_au = first_au;
    LG_TRY(lg_vol__slots_write(v->disks[0], &s));
    v->slots = s;
    return LG_OK;
}

lg_status
lg_volume_instances_refresh(lg_volume *v)
{
    struct lg_vol__slots s;
    LG_TRY(slots_read(v->disks[0], &s));
    v->slots = s;
    return LG_OK;
}
