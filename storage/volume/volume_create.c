/* Making a volume and adding disks to it. */
#include "volume_internal.h"
#include "assert.h"
#include <string.h>

#define DWB_BYTES (2u << 20)

struct creation {
    const lg_volume_create_config *cfg;
    struct lg_vol__label label;
    struct lg_vol__slots slots;
    lg_disk *disks[LG_VOLUME_MAX_DISKS];
    uint32_t used[LG_VOLUME_MAX_DISKS]; /* AUs taken from the front of each disk */
};

static lg_status
check_config(const lg_volume_create_config *c, struct lg_vol__label *l)
{
    l->block_bytes = c->block_bytes ? c->block_bytes : 8192;
    l->log_files = c->log_files ? c->log_files : 3;
    l->log_file_bytes = c->log_file_bytes ? c->log_file_bytes : 16u << 20;
    l->dwb_bytes = DWB_BYTES;
    l->au_bytes = LG_VOLUME_AU_BYTES;
    l->format = LG_VOL_FORMAT;
    l->disk_count = c->disk_count;
    l->generation = 1;
    uint32_t bb = l->block_bytes;
    if (bb < 4096 || bb > 32768 || (bb & (bb - 1)) != 0)
        return LG_INVALID;
    if (c->disk_count == 0 || c->disk_count > LG_VOLUME_MAX_DISKS || l->log_files < 2 ||
        l->log_file_bytes % LG_VOLUME_AU_BYTES != 0 || c->instances > LG_VOLUME_MAX_INSTANCES)
        return LG_INVALID;
    if (c->name)
        strncpy(l->name, c->name, sizeof l->name - 1);
    return LG_OK;
}

static lg_status
open_blank(lg_io *io, const char *path, bool force, lg_disk **ret_disk)
{
    struct lg_vol__label old;
    lg_disk *d;
    LG_TRY(lg_disk_open(io, path, 0, &d));
    lg_status st = force ? LG_NO_DISK : lg_vol__label_read(d, &old);
    if (st != LG_NO_DISK) {
        lg_disk_close(d);
        return st == LG_OK || st == LG_CORRUPT ? LG_EXISTS : st;
    }
    *ret_disk = d;
    return LG_OK;
}

static lg_status
entry_fill(struct lg_vol__label *l, uint32_t disk, lg_disk *d)
{
    struct lg_vol__disk_entry *e = &l->disks[disk];
    lg_run_random_bytes(lg_fiber_run(lg_fiber_self()), e->uuid, 16);
    uint64_t aus = lg_disk_size(d) / LG_VOLUME_AU_BYTES;
    uint64_t most = (uint64_t)LG_VOL_AUBITS_MAX * lg_vol_aubits_per_block(l->block_bytes);
    e->aus = (uint32_t)(aus < most ? aus : most);
    e->meta_aus = lg_vol__meta_aus(l->block_bytes, disk, e->aus);
    return e->aus > e->meta_aus + 1 ? LG_OK : LG_DISK_FULL;
}

/* First come, first served from the front of disk slot % disks, else of any with room. */
static lg_status
place_areas(struct creation *c)
{
    uint32_t need = (uint32_t)((LG_VOLUME_AU_BYTES + c->label.dwb_bytes +
                                c->label.log_files * c->label.log_file_bytes) /
                               LG_VOLUME_AU_BYTES);
    uint32_t n = c->label.disk_count, instances = c->cfg->instances ? c->cfg->instances : 1;
    for (uint32_t slot = 0; slot < instances; slot++) {
        uint32_t tries = 0, d = slot % n;
        while (c->used[d] + need >= c->label.disks[d].aus) {
            if (++tries == n)
                return LG_DISK_FULL;
            d = (d + 1) % n;
        }
        c->slots.slot[slot].present = 1;
        c->slots.slot[slot].disk = d;
        c->slots.slot[slot].first_au = c->used[d];
        c->used[d] += need;
    }
    return LG_OK;
}

static lg_status
write_meta(lg_disk *d, uint32_t block_bytes, uint8_t *image)
{
    lg_block_header *h = (lg_block_header *)image;
    uint64_t index = h->block & ((1u << LG_VOL_DISK_SHIFT) - 1);
    lg_block_seal(image, block_bytes);
    return lg_disk_write(d, LG_VOLUME_AU_BYTES + index * block_bytes, image, block_bytes,
                         LG_IO_LAZY, LG_WAIT_CONTROL_IO);
}

/* AU bitmap blocks of a disk, the first `used` AUs taken. */
static lg_status
write_aubits(lg_disk *d, const struct lg_vol__label *l, uint32_t disk, uint32_t used,
             uint8_t *image)
{
    uint32_t per = lg_vol_aubits_per_block(l->block_bytes), aus = l->disks[disk].aus;
    for (uint32_t i = 0; i * per < aus; i++) {
        lg_addr a = {0, disk << LG_VOL_DISK_SHIFT | (LG_VOL_AUBITS_INDEX + i)};
        uint32_t count = aus - i * per < per ? aus - i * per : per;
        lg_vol__meta_init(image, l->block_bytes, a, LG_VOL_AUBITS, i * per, count);
        for (uint32_t au = i * per; au < used && au < i * per + count; au++) {
            uint8_t mask;
            uint32_t at = lg_vol_bits_byte(au - i * per, &mask);
            image[at] |= mask;
        }
        LG_TRY(write_meta(d, l->block_bytes, image));
    }
    return LG_OK;
}

static lg_status
write_mapbits_and_header(lg_disk *d, const struct lg_vol__label *l, uint8_t *image)
{
    uint32_t per = lg_vol_aubits_per_block(l->block_bytes);
    uint32_t maps = lg_vol__map_blocks(l->block_bytes, l->disks[0].aus);
    for (uint32_t i = 0; i < LG_VOL_MAPBITS_MAX && i * per < maps; i++) {
        lg_addr a = {0, LG_VOL_MAPBITS_INDEX + i};
        uint32_t count = maps - i * per < per ? maps - i * per : per;
        lg_vol__meta_init(image, l->block_bytes, a, LG_VOL_MAPBITS, i * per, count);
        LG_TRY(write_meta(d, l->block_bytes, image));
    }
    lg_vol__meta_init(image, l->block_bytes, lg_vol_header_addr(), LG_VOL_HEADER, 0, 0);
    ((lg_vol_meta *)(void *)(image + LG_VOL_META_OFFSET))->next = 1;
    return write_meta(d, l->block_bytes, image);
}

static lg_status
format_disk(const struct lg_vol__label *l, lg_disk *d, uint32_t disk, uint32_t used)
{
    uint8_t *image = lg_io_buf_alloc(l->block_bytes);
    lg_status st;
    /* Labels go last; everything that could be taken for ours goes first. */
    LG_CHECK(lg_vol__zero(d, 0, (1 + (uint64_t)l->disks[disk].meta_aus) * LG_VOLUME_AU_BYTES));
    LG_CHECK(write_aubits(d, l, disk, used, image));
    if (disk == 0)
        LG_CHECK(write_mapbits_and_header(d, l, image));
    LG_CHECK(lg_disk_sync(d, LG_WAIT_CONTROL_IO));
out:
    lg_free(image);
    return st;
}

static lg_status
zero_areas(struct creation *c)
{
    for (uint32_t i = 0; i < LG_VOLUME_MAX_INSTANCES; i++)
        if (c->slots.slot[i].present)
            LG_TRY(lg_vol__zero(c->disks[c->slots.slot[i].disk],
                                (uint64_t)c->slots.slot[i].first_au * LG_VOLUME_AU_BYTES,
                                LG_VOLUME_AU_BYTES + c->label.dwb_bytes));
    return LG_OK;
}

static lg_status
create_on(struct creation *c, bool force)
{
    const lg_volume_create_config *cfg = c->cfg;
    for (uint32_t i = 0; i < cfg->disk_count; i++) {
        LG_TRY(open_blank(cfg->io, cfg->paths[i], force, &c->disks[i]));
        LG_TRY(entry_fill(&c->label, i, c->disks[i]));
        c->used[i] = 1 + c->label.disks[i].meta_aus;
    }
    LG_TRY(place_areas(c));
    lg_run_random_bytes(lg_fiber_run(lg_fiber_self()), c->label.volume_uuid, 16);
    for (uint32_t i = 0; i < cfg->disk_count; i++)
        LG_TRY(format_disk(&c->label, c->disks[i], i, c->used[i]));
    LG_TRY(zero_areas(c));
    LG_TRY(lg_vol__slots_write(c->disks[0], &c->slots));
    for (uint32_t i = 0; i < cfg->disk_count; i++)
        LG_TRY(lg_vol__label_write(c->disks[i], &c->label, i));
    return LG_OK;
}

lg_status
lg_volume_create(const lg_volume_create_config *cfg, bool force)
{
    struct creation *c = lg_zalloc(sizeof *c);
    c->cfg = cfg;
    lg_status st = check_config(cfg, &c->label);
    if (st == LG_OK)
        st = create_on(c, force);
    for (uint32_t i = 0; i < LG_VOLUME_MAX_DISKS; i++)
        lg_disk_close(c->disks[i]);
    lg_free(c);
    return st;
}

/* ---- growth ---- */

/* Raises the generation on all disks. A crash on the way leaves a newer label somewhere: opening
 * takes
 * the newest, and misses no disk because the new disk was labelled first. */
static lg_status
labels_write(lg_volume *v, const struct lg_vol__label *l)
{
    for (uint32_t i = l->disk_count; i-- > 0;)
        LG_TRY(lg_vol__label_write(v->disks[i], l, i));
    return LG_OK;
}

lg_status
lg_volume_disk_add(lg_volume *v, const char *path, bool force)
{
    struct lg_vol__label l = v->label;
    uint32_t disk = l.disk_count;
    if (disk == LG_VOLUME_MAX_DISKS)
        return LG_LIMIT;
    lg_disk *d;
    LG_TRY(open_blank(v->io, path, force, &d));
    l.disk_count++;
    l.generation++;
    lg_status st = entry_fill(&l, disk, d);
    if (st == LG_OK)
        st = lg_vol__zero(d, 0, (1 + (uint64_t)l.disks[disk].meta_aus) * LG_VOLUME_AU_BYTES);
    if (st != LG_OK) {
        lg_disk_close(d);
        return st;
    }
    v->disks[disk] = d;
    st = labels_write(v, &l);
    if (st != LG_OK)
        return st; /* the disk stays open; the next attempt finds it labelled (force) */
    if (lg_disk_atomic_bytes(d) < l.block_bytes)
        v->atomic = false;
    v->label = l;
    return LG_OK;
}

lg_status
lg_volume_refresh(lg_volume *v, const char *const *new_paths, uint32_t count)
{
    struct lg_vol__label newest = v->label;
    for (uint32_t i = 0; i < count; i++) {
        struct lg_vol__label l;
        lg_disk *d;
        LG_TRY(lg_disk_open(v->io, new_paths[i], 0, &d));
        lg_status st = lg_vol__label_read(d, &l);
        if (st == LG_OK && memcmp(l.volume_uuid, v->label.volume_uuid, 16) != 0)
            st = LG_NO_DISK;
        if (st != LG_OK || v->disks[l.disk_index]) {
            lg_disk_close(d);
            LG_TRY(st);
            continue;
        }
        v->disks[l.disk_index] = d;
        if (lg_disk_atomic_bytes(d) < l.block_bytes)
            v->atomic = false;
        if (l.generation > newest.generation)
            newest = l;
    }
    for (uint32_t i = 0; i < newest.disk_count; i++)
        if (!v->disks[i])
            return LG_NO_DISK;
    v->label = newest;
    return LG_OK;
}
