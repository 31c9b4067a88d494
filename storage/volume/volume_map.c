/* Places of blocks: the geometry of file 0, its formats, and the cache of file mappings. */
#include "volume_internal.h"
#include "assert.h"
#include <string.h>

/* ---- geometry ---- */

static uint32_t
data_bytes(uint32_t block_bytes)
{
    return block_bytes - LG_VOL_DATA_OFFSET;
}

uint32_t
lg_vol_aubits_per_block(uint32_t block_bytes)
{
    return data_bytes(block_bytes) * 8;
}

static uint32_t
table_per_block(uint32_t block_bytes)
{
    return data_bytes(block_bytes) / 4;
}

uint32_t
lg_vol_root_pointers(uint32_t block_bytes)
{
    return block_bytes / 32;
}

uint32_t
lg_vol_root_aus(uint32_t block_bytes)
{
    return (data_bytes(block_bytes) - 4 * lg_vol_root_pointers(block_bytes)) / 8;
}

uint32_t
lg_vol_map_aus(uint32_t block_bytes)
{
    return data_bytes(block_bytes) / 8;
}

uint32_t
lg_vol_root_au_offset(uint32_t block_bytes, uint32_t i)
{
    return LG_VOL_DATA_OFFSET + 4 * lg_vol_root_pointers(block_bytes) + 8 * i;
}

uint32_t
lg_vol_root_pointer_offset(uint32_t block_bytes, uint32_t i)
{
    (void)block_bytes;
    return LG_VOL_DATA_OFFSET + 4 * i;
}

uint32_t
lg_vol_map_au_offset(uint32_t i)
{
    return LG_VOL_DATA_OFFSET + 8 * i;
}

/* Two map blocks per AU of disk 0 (a root for each one-AU file, and room for disks added later),
 * as far as the bitmap reaches. */
uint32_t
lg_vol__map_blocks(uint32_t block_bytes, uint32_t disk_aus)
{
    uint32_t most = LG_VOL_MAPBITS_MAX * lg_vol_aubits_per_block(block_bytes);
    uint32_t n = disk_aus < UINT32_MAX / 2 ? 2 * disk_aus : UINT32_MAX;
    return n < 256 ? 256 : n > most ? most : n;
}

uint32_t
lg_vol__meta_aus(uint32_t block_bytes, uint32_t disk_index, uint32_t disk_aus)
{
    uint32_t per_au = LG_VOLUME_AU_BYTES / block_bytes;
    uint32_t blocks = disk_index ? LG_VOL_AUBITS_INDEX + LG_VOL_AUBITS_MAX
                                 : LG_VOL_MAP_INDEX + lg_vol__map_blocks(block_bytes, disk_aus);
    return (blocks + per_au - 1) / per_au;
}

uint32_t
lg_vol_map_capacity(const lg_volume *v)
{
    return lg_vol__map_blocks(v->label.block_bytes, v->label.disks[0].aus);
}

uint32_t
lg_vol_files_max(const lg_volume *v)
{
    return LG_VOL_TABLE_MAX * table_per_block(v->label.block_bytes);
}

lg_addr
lg_vol_header_addr(void)
{
    return (lg_addr){0, LG_VOL_HEADER_BLOCK};
}

lg_addr
lg_vol_aubits_addr(const lg_volume *v, uint32_t disk, uint32_t au)
{
    uint32_t i = au / lg_vol_aubits_per_block(v->label.block_bytes);
    LG_ASSERT(i < LG_VOL_AUBITS_MAX);
    return (lg_addr){0, disk << LG_VOL_DISK_SHIFT | (LG_VOL_AUBITS_INDEX + i)};
}

lg_addr
lg_vol_table_addr(const lg_volume *v, uint32_t file, uint32_t *ret_offset)
{
    uint32_t per = table_per_block(v->label.block_bytes);
    LG_ASSERT(file / per < LG_VOL_TABLE_MAX);
    if (ret_offset)
        *ret_offset = LG_VOL_DATA_OFFSET + 4 * (file % per);
    return (lg_addr){0, LG_VOL_TABLE_INDEX + file / per};
}

lg_addr
lg_vol_mapbits_addr(const lg_volume *v, uint32_t map_index)
{
    uint32_t i = map_index / lg_vol_aubits_per_block(v->label.block_bytes);
    LG_ASSERT(i < LG_VOL_MAPBITS_MAX);
    return (lg_addr){0, LG_VOL_MAPBITS_INDEX + i};
}

lg_addr
lg_vol_map_addr(const lg_volume *v, uint32_t map_index)
{
    LG_ASSERT(map_index < lg_vol_map_capacity(v));
    return (lg_addr){0, LG_VOL_MAP_INDEX + map_index};
}

/* ---- bitmaps ---- */

static const lg_vol_meta *
meta_of(const void *image)
{
    return (const lg_vol_meta *)((const uint8_t *)image + LG_VOL_META_OFFSET);
}

static bool
bit_at(const void *image, uint32_t bit)
{
    return ((const uint8_t *)image)[LG_VOL_DATA_OFFSET + bit / 8] >> (bit % 8) & 1;
}

bool
lg_vol_bits_test(const void *image, uint32_t bit)
{
    LG_ASSERT(bit < meta_of(image)->count);
    return bit_at(image, bit);
}

static lg_status
find_between(const void *image, uint32_t from, uint32_t to, uint32_t run, uint32_t *ret_bit)
{
    uint32_t have = 0;
    for (uint32_t i = from; i < to; i++) {
        if (have == 0 && i % 8 == 0 && i + 8 <= to &&
            ((const uint8_t *)image)[LG_VOL_DATA_OFFSET + i / 8] == 0xFF) {
            i += 7;
            continue;
        }
        have = bit_at(image, i) ? 0 : have + 1;
        if (have == run) {
            *ret_bit = i + 1 - run;
            return LG_OK;
        }
    }
    return LG_NOT_FOUND;
}

lg_status
lg_vol_bits_find(const void *image, uint32_t from, uint32_t run, uint32_t *ret_bit)
{
    uint32_t count = meta_of(image)->count;
    if (from >= count)
        from = 0;
    lg_status st = find_between(image, from, count, run, ret_bit);
    return st == LG_OK ? st : find_between(image, 0, count, run, ret_bit);
}

uint32_t
lg_vol_bits_free(const void *image)
{
    uint32_t count = meta_of(image)->count, free_bits = 0;
    for (uint32_t i = 0; i < count; i++)
        free_bits += !bit_at(image, i);
    return free_bits;
}

uint32_t
lg_vol_bits_byte(uint32_t bit, uint8_t *ret_mask)
{
    *ret_mask = (uint8_t)(1u << bit % 8);
    return LG_VOL_DATA_OFFSET + bit / 8;
}

void
lg_vol__meta_init(void *image, uint32_t block_bytes, lg_addr addr, lg_vol_kind kind, uint32_t base,
                  uint32_t count)
{
    memset(image, 0, block_bytes);
    lg_block_header *h = image;
    h->type = LG_BLOCK_VOLUME_MAP;
    h->version = 1;
    h->file = addr.file;
    h->block = addr.block;
    lg_vol_meta m = {.kind = (uint8_t)kind, .base = base, .count = count};
    memcpy((uint8_t *)image + LG_VOL_META_OFFSET, &m, sizeof m);
}

/* ---- the cache of mappings ---- */

static struct lg_vol__file *
file_get(lg_volume *v, uint32_t file)
{
    return lg_map_get(v->files, file);
}

static void
file_free(struct lg_vol__file *f)
{
    if (!f)
        return;
    lg_free(f->au);
    lg_free(f->pointers);
    lg_free(f);
}

void
lg_vol__files_free(lg_volume *v)
{
    size_t pos = 0;
    uint64_t key;
    void *f;
    while (lg_map_next(v->files, &pos, &key, &f))
        file_free(f);
    lg_map_destroy(v->files);
    v->files = NULL;
}

void
lg_volume_map_forget(lg_volume *v, uint32_t file)
{
    file_free(lg_map_remove(v->files, file));
}

void
lg_volume_maps_forget(lg_volume *v)
{
    lg_vol__files_free(v);
    v->files = lg_map_create();
}

uint32_t
lg_volume_file_blocks_cached(const lg_volume *v, uint32_t file)
{
    struct lg_vol__file *f = lg_map_get(v->files, file);
    return f ? f->aus_seen * lg_volume_blocks_per_au(v) : 0;
}

static lg_status
place_set(lg_volume *v, uint32_t disk, uint32_t au, uint32_t block_in_au, lg_volume_place *ret)
{
    if (disk >= v->label.disk_count || au == 0 || au >= v->label.disks[disk].aus)
        return LG_CORRUPT;
    ret->disk = v->disks[disk];
    ret->disk_index = disk;
    ret->offset = (uint64_t)au * LG_VOLUME_AU_BYTES + (uint64_t)block_in_au * v->label.block_bytes;
    return LG_OK;
}

static lg_status
locate_meta(lg_volume *v, uint32_t block, lg_volume_place *ret)
{
    uint32_t disk = block >> LG_VOL_DISK_SHIFT;
    uint32_t index = block & ((1u << LG_VOL_DISK_SHIFT) - 1);
    uint32_t per_au = lg_volume_blocks_per_au(v);
    if (disk >= v->label.disk_count || index / per_au >= v->label.disks[disk].meta_aus)
        return LG_INVALID;
    return place_set(v, disk, 1 + index / per_au, index % per_au, ret);
}

lg_status
lg_volume_locate(lg_volume *v, lg_addr addr, lg_volume_place *ret_place, lg_addr *ret_map_block)
{
    if (addr.file == 0)
        return locate_meta(v, addr.block, ret_place);
    if (addr.file >= lg_vol_files_max(v))
        return LG_INVALID;
    struct lg_vol__file *f = file_get(v, addr.file);
    if (!f) {
        *ret_map_block = lg_vol_table_addr(v, addr.file, NULL);
        return LG_NOT_FOUND;
    }
    uint32_t per_au = lg_volume_blocks_per_au(v);
    uint32_t au_no = addr.block / per_au;
    if (au_no < f->au_room && f->au[au_no]) {
        lg_au a = lg_vol_au_decode(f->au[au_no]);
        return place_set(v, a.disk, a.au, addr.block % per_au, ret_place);
    }
    uint32_t in_root = lg_vol_root_aus(v->label.block_bytes);
    *ret_map_block = lg_vol_map_addr(v, f->root);
    if (au_no >= in_root) {
        uint32_t p = (au_no - in_root) / lg_vol_map_aus(v->label.block_bytes);
        if (p < f->pointer_count)
            *ret_map_block = lg_vol_map_addr(v, f->pointers[p]);
    }
    return LG_NOT_FOUND;
}

static void
au_put(struct lg_vol__file *f, uint32_t i, uint64_t encoded)
{
    if (i >= f->au_room) {
        uint32_t room = f->au_room ? f->au_room : 8;
        while (room <= i)
            room *= 2;
        f->au = lg_realloc(f->au, room * sizeof *f->au);
        memset(f->au + f->au_room, 0, (room - f->au_room) * sizeof *f->au);
        f->au_room = room;
    }
    f->au[i] = encoded;
}

static lg_status
install_table(lg_volume *v, lg_addr addr, const uint8_t *image)
{
    uint32_t off, entry;
    lg_vol_table_addr(v, addr.file, &off);
    memcpy(&entry, image + off, 4);
    if (entry == 0 || entry == LG_VOL_TABLE_EMPTY || (entry & LG_VOL_TABLE_DROPPING))
        return LG_INVALID;
    if (entry - 1 >= lg_vol_map_capacity(v))
        return LG_CORRUPT;
    if (!file_get(v, addr.file)) {
        struct lg_vol__file *f = lg_zalloc(sizeof *f);
        f->root = entry - 1;
        lg_map_put(v->files, addr.file, f);
    }
    return LG_OK;
}

static lg_status
install_root(lg_volume *v, lg_addr addr, struct lg_vol__file *f, const uint8_t *image)
{
    uint32_t bb = v->label.block_bytes;
    lg_vol_meta m = *meta_of(image);
    uint32_t in_root = lg_vol_root_aus(bb);
    if (m.kind != LG_VOL_ROOT || m.base != addr.file || m.next > lg_vol_root_pointers(bb))
        return m.base == addr.file ? LG_CORRUPT : LG_INVALID;
    for (uint32_t i = 0; i < m.count && i < in_root; i++) {
        uint64_t e;
        memcpy(&e, image + lg_vol_root_au_offset(bb, i), 8);
        au_put(f, i, e);
    }
    if (m.next > f->pointer_count) {
        f->pointers = lg_realloc(f->pointers, m.next * sizeof *f->pointers);
        for (uint32_t i = f->pointer_count; i < m.next; i++) {
            memcpy(&f->pointers[i], image + lg_vol_root_pointer_offset(bb, i), 4);
            if (f->pointers[i] >= lg_vol_map_capacity(v))
                return LG_CORRUPT;
            f->pointer_count = i + 1;
        }
    }
    f->aus_seen = m.count;
    return addr.block / lg_volume_blocks_per_au(v) < m.count ? LG_OK : LG_INVALID;
}

static lg_status
install_map(lg_volume *v, lg_addr addr, struct lg_vol__file *f, lg_addr map_block,
            const uint8_t *image)
{
    uint32_t bb = v->label.block_bytes;
    lg_vol_meta m = *meta_of(image);
    uint32_t per = lg_vol_map_aus(bb), p = 0;
    while (p < f->pointer_count && f->pointers[p] + LG_VOL_MAP_INDEX != map_block.block)
        p++;
    if (p == f->pointer_count || m.base != addr.file)
        return LG_INVALID;
    if (m.kind != LG_VOL_MAP || m.count > per)
        return LG_CORRUPT;
    uint32_t first = lg_vol_root_aus(bb) + p * per;
    for (uint32_t i = 0; i < m.count; i++) {
        uint64_t e;
        memcpy(&e, image + lg_vol_map_au_offset(i), 8);
        au_put(f, first + i, e);
    }
    return addr.block / lg_volume_blocks_per_au(v) < first + m.count ? LG_OK : LG_INVALID;
}

lg_status
lg_volume_map_install(lg_volume *v, lg_addr addr, lg_addr map_block, const void *image)
{
    LG_ASSERT(addr.file != 0 && map_block.file == 0);
    const lg_block_header *h = image;
    if (h->type == LG_BLOCK_FREE)
        return LG_INVALID;
    if (h->type != LG_BLOCK_VOLUME_MAP)
        return LG_CORRUPT;
    if (meta_of(image)->kind == LG_VOL_TABLE)
        return install_table(v, addr, image);
    struct lg_vol__file *f = file_get(v, addr.file);
    if (!f)
        return LG_OK; /* forgotten meanwhile: locate begins again with the table */
    if (map_block.block == LG_VOL_MAP_INDEX + f->root)
        return install_root(v, addr, f, image);
    return install_map(v, addr, f, map_block, image);
}
