/* Files of the volume, changed in mini-transactions on file 0.
 *
 * Latch order within file 0: header, table, root, map, map-block bitmap, AU bitmaps. The first get
 * of a mini-transaction may wait, the others come back with LG_RETRY.
 *
 * An AU goes FREE -> taken (bit set) -> zeroed on disk -> mapped. While it is taken the header names it
 * among those of its taker's redo thread: the entry comes with the bit and goes with the mapping, each in
 * one mini-transaction. A taker that died gives its AUs back when it starts again
 * (lg_space_taken_return): until then nobody else touches its entries, so an AU is never used twice. Of
 * one that takes more at once than there are entries the rest is not named: a death then loses them.
 * Freeing takes the entry out of the map and clears the bit in one mini-transaction, so a drop can
 * be repeated.
 *
 * DROP   file there -> DROPPING (table entry; lg_space_file_drop_begin) -> every instance forgets
 *        it (lg_buf_drop_file) -> its AUs are freed, some in each mini-transaction -> DROPPED
 *  - DROPPING is durable before anybody forgets. What is forgotten is dirty: past images and changes
 *    that the redo of the living has alone. Were the dropper to die with DROPPING not durable, the
 *    file would be there and its blocks without what was forgotten.
 *  - From DROPPING on nobody can locate a block of the file: a mapping is only learnt from the table
 *    entry (volume_map.c), which is coherent. Whoever has learnt it before forgets it with
 *    lg_buf_drop_file, after the writes under way and, during a recovery, after that recovery, which
 *    may have located blocks of the file and be about to write them. So when all have forgotten,
 *    nothing writes to the AUs any more, whoever dies from then on: recovery of a thread that changed
 *    the file finds DROPPING, since the redo of a freed AU comes after that of DROPPING.
 *  - Death of the dropper: before DROPPING is durable the file is left over whole; after it the sweep
 *    of whoever recovers finishes (lg_space_files_sweep), beside a living dropper too: each step
 *    looks again under its latches.
 *  - A member that is lost while it is to forget may still have a write under way: the dropper waits
 *    until a view without it is open (core/instance).
 *
 * A reserved file is only its entry in the table (EMPTY); the root comes with the first extension, in
 * one mini-transaction with the entry. Dropping one that is still empty is one change of the entry:
 * EMPTY with DROPPING is DROPPED.
 * */
#include "space_file.h"
#include "assert.h"
#include "mtr.h"
#include <string.h>

#define FREE_AT_ONCE 64
#define FREE_BITMAPS 16

#define META_FIELD(name) ((uint32_t)(LG_VOL_META_OFFSET + offsetof(lg_vol_meta, name)))

static lg_vol_meta
meta_of(const lg_buf *b)
{
    lg_vol_meta m;
    memcpy(&m, b->data + LG_VOL_META_OFFSET, sizeof m);
    return m;
}

static lg_block_type
type_of(const lg_buf *b)
{
    return (lg_block_type)((const lg_block_header *)(const void *)b->data)->type;
}

static void
meta_format(lg_mtr *m, lg_buf *b, lg_vol_kind kind, uint32_t base, uint32_t count)
{
    lg_vol_meta meta = {.kind = (uint8_t)kind, .base = base, .count = count};
    lg_mtr_format(m, b, LG_BLOCK_VOLUME_MAP);
    lg_mtr_set(m, b, LG_VOL_META_OFFSET, &meta, sizeof meta);
}

static void
bit_write(lg_mtr *m, lg_buf *b, uint32_t bit, bool taken)
{
    uint8_t mask;
    uint32_t at = lg_vol_bits_byte(bit, &mask);
    uint8_t byte = b->data[at];
    LG_ASSERT(((byte & mask) != 0) != taken);
    byte = taken ? (uint8_t)(byte | mask) : (uint8_t)(byte & ~mask);
    lg_mtr_set(m, b, at, &byte, 1);
}

static bool
bit_taken(const lg_buf *b, uint32_t bit)
{
    uint8_t mask;
    uint32_t at = lg_vol_bits_byte(bit, &mask);
    return (b->data[at] & mask) != 0;
}

/* Runs one attempt after another until it does not have to wait. On LG_OK commits. */
static lg_status
mtr_run(lg_buf_cache *c, lg_status (*try_it)(lg_mtr *m, void *arg), void *arg)
{
    for (;;) {
        lg_mtr m;
        lg_mtr_begin(&m, c);
        lg_status st = try_it(&m, arg);
        if (st == LG_OK) {
            lg_mtr_commit(&m, NULL);
            return LG_OK;
        }
        if (st != LG_RETRY) {
            lg_mtr_abort(&m);
            return st;
        }
        LG_TRY(lg_mtr_restart(&m));
    }
}

/* ---- AU bitmaps ---- */

/* The end of a disk that files which grow leave to new files: on a full disk TRUNCATE, which makes
 * a new file before the old one goes, must still work. */
static uint32_t
reserve_aus(uint32_t aus)
{
    return aus / 32 < 8 ? aus / 32 : 8;
}

/* Entries of the header for AUs taken and not yet mapped: so many for each redo thread. */
#define TAKEN_ENTRIES 16u

static uint32_t
taken_offset(const lg_buf_cache *c, uint32_t i)
{
    uint32_t thread = lg_redo_thread(lg_buf_redo(c));
    return LG_VOL_DATA_OFFSET + 8 * (thread * TAKEN_ENTRIES + i);
}

/* The entry that is `was` becomes `now`, if there is one. */
static void
taken_write(lg_mtr *m, lg_buf *header, uint64_t was, uint64_t now)
{
    for (uint32_t i = 0; i < TAKEN_ENTRIES; i++) {
        uint64_t e;
        memcpy(&e, header->data + taken_offset(m->cache, i), sizeof e);
        if (e != was)
            continue;
        lg_mtr_set_u64(m, header, taken_offset(m->cache, i), now);
        return;
    }
}

static void
taken_begin(lg_mtr *m, lg_buf *header, lg_au au)
{
    taken_write(m, header, 0, lg_vol_au_encode(au)); /* never 0: AU 0 is the label's */
}

static void
taken_end(lg_mtr *m, lg_buf *header, lg_au au)
{
    taken_write(m, header, lg_vol_au_encode(au), 0);
}

struct taking {
    uint32_t disk, base, limit, run;
    uint32_t au;
};

/* LG_END: none in the bitmap block of `base`. */
static lg_status
take_step(lg_mtr *m, void *arg)
{
    struct taking *x = arg;
    lg_buf *header, *b;
    uint32_t bit;
    LG_TRY(lg_mtr_get(m, lg_vol_header_addr(), LG_LATCH_X, 0, &header));
    LG_TRY(lg_mtr_get(m, lg_vol_aubits_addr(lg_buf_volume(m->cache), x->disk, x->base), LG_LATCH_X,
                      0, &b));
    bool found = type_of(b) != LG_BLOCK_FREE &&
                 lg_vol_bits_find(b->data, meta_of(b).next, x->run, &bit) == LG_OK;
    if (found && x->base + bit + x->run > x->limit) /* perhaps before `next` */
        found = lg_vol_bits_find(b->data, 0, x->run, &bit) == LG_OK &&
                x->base + bit + x->run <= x->limit;
    if (!found)
        return LG_END;
    for (uint32_t i = 0; i < x->run; i++)
        bit_write(m, b, bit + i, true);
    lg_mtr_set_u32(m, b, META_FIELD(next), bit + x->run);
    x->au = x->base + bit;
    if (x->run == 1) /* else for an instance's area, which is durable before it is used */
        taken_begin(m, header, (lg_au){(uint16_t)x->disk, x->au});
    return LG_OK;
}

/* Takes `run` free AUs in a row on the disk, of the reserve too if is_new. LG_DISK_FULL. */
static lg_status
aus_take(lg_buf_cache *c, uint32_t disk, uint32_t run, bool is_new, uint32_t *ret_au)
{
    uint32_t per = lg_vol_aubits_per_block(lg_buf_block_bytes(c));
    uint32_t aus = lg_volume_disk_aus(lg_buf_volume(c), disk);
    struct taking x = {.disk = disk, .limit = is_new ? aus : aus - reserve_aus(aus), .run = run};
    for (; x.base < aus; x.base += per) {
        lg_status st = mtr_run(c, take_step, &x);
        if (st == LG_END)
            continue;
        LG_TRY(st);
        *ret_au = x.au;
        return LG_OK;
    }
    return LG_DISK_FULL;
}

static lg_status
give_step(lg_mtr *m, void *arg)
{
    const lg_au *au = arg;
    uint32_t per = lg_vol_aubits_per_block(lg_buf_block_bytes(m->cache));
    lg_buf *header, *b;
    LG_TRY(lg_mtr_get(m, lg_vol_header_addr(), LG_LATCH_X, 0, &header));
    LG_TRY(lg_mtr_get(m, lg_vol_aubits_addr(lg_buf_volume(m->cache), au->disk, au->au), LG_LATCH_X,
                      0, &b));
    bit_write(m, b, au->au % per, false);
    taken_end(m, header, *au);
    return LG_OK;
}

/* Gives back AUs that are mapped nowhere. */
static lg_status
aus_give(lg_buf_cache *c, const lg_au *aus, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        lg_au au = aus[i];
        LG_TRY(mtr_run(c, give_step, &au));
    }
    return LG_OK;
}

lg_status
lg_space_taken_return(lg_buf_cache *c)
{
    for (uint32_t i = 0; i < TAKEN_ENTRIES; i++) {
        uint64_t e;
        lg_buf *b;
        LG_TRY(lg_buf_get(c, lg_vol_header_addr(), LG_LATCH_S, &b));
        memcpy(&e, b->data + taken_offset(c, i), sizeof e);
        lg_buf_put(c, b, LG_LATCH_S);
        lg_au au = lg_vol_au_decode(e);
        if (e != 0)
            LG_TRY(aus_give(c, &au, 1));
    }
    return LG_OK;
}

/* Takes count AUs, round robin over the disks from `first` on; all or nothing. */
static lg_status
aus_take_many(lg_buf_cache *c, uint32_t first, bool is_new, lg_au *aus, uint32_t count)
{
    uint32_t disks = lg_volume_disk_count(lg_buf_volume(c));
    lg_status st = LG_OK;
    uint32_t n = 0;
    for (; n < count; n++) {
        uint32_t tries = 0;
        do {
            uint32_t disk = (first + n + tries) % disks;
            aus[n].disk = (uint16_t)disk;
            st = aus_take(c, disk, 1, is_new, &aus[n].au);
        } while (st == LG_DISK_FULL && ++tries < disks);
        if (st != LG_OK)
            break;
    }
    if (st != LG_OK)
        LG_KEEP(aus_give(c, aus, n));
    return st;
}

/* ---- table and root ---- */

#define NO_ROOT UINT32_MAX /* reserved, nothing more */

/* LG_NOT_FOUND: none, or dropped. dropping: may be NULL, then a file being dropped is not found. */
static lg_status
entry_read(lg_buf_cache *c, uint32_t file, uint32_t *ret_root, bool *ret_dropping)
{
    const lg_volume *v = lg_buf_volume(c);
    uint32_t off, entry = 0;
    lg_buf *b;
    if (file == 0 || file >= lg_vol_files_max(v))
        return LG_NOT_FOUND;
    LG_TRY(lg_buf_get(c, lg_vol_table_addr(v, file, &off), LG_LATCH_S, &b));
    if (type_of(b) != LG_BLOCK_FREE)
        memcpy(&entry, b->data + off, 4);
    lg_buf_put(c, b, LG_LATCH_S);
    if (entry == 0 || entry == LG_VOL_TABLE_DROPPED)
        return LG_NOT_FOUND;
    if (entry == LG_VOL_TABLE_EMPTY) {
        if (ret_dropping)
            *ret_dropping = false;
        *ret_root = NO_ROOT;
        return LG_OK;
    }
    bool dropping = (entry & LG_VOL_TABLE_DROPPING) != 0;
    if (dropping && !ret_dropping)
        return LG_NOT_FOUND;
    if (ret_dropping)
        *ret_dropping = dropping;
    *ret_root = (entry & ~LG_VOL_TABLE_DROPPING) - 1;
    return LG_OK;
}

static lg_status
root_check(const lg_buf *b, uint32_t file)
{
    lg_vol_meta m = meta_of(b);
    if (m.base != file || type_of(b) == LG_BLOCK_FREE)
        return LG_NOT_FOUND; /* dropped meanwhile, the block is another's */
    return m.kind == LG_VOL_ROOT ? LG_OK : LG_CORRUPT;
}

lg_status
lg_space_file_blocks(lg_buf_cache *c, uint32_t file, uint32_t *ret_blocks)
{
    const lg_volume *v = lg_buf_volume(c);
    uint32_t root;
    lg_buf *b;
    LG_TRY(entry_read(c, file, &root, NULL));
    *ret_blocks = 0;
    if (root == NO_ROOT)
        return LG_OK;
    LG_TRY(lg_buf_get(c, lg_vol_map_addr(v, root), LG_LATCH_S, &b));
    lg_status st = root_check(b, file);
    if (st == LG_OK)
        *ret_blocks = meta_of(b).count * lg_volume_blocks_per_au(v);
    lg_buf_put(c, b, LG_LATCH_S);
    return st;
}

/* A free map block; its bitmap block is in the mtr in X. LG_DISK_FULL, LG_RETRY. */
static lg_status
map_block_find(lg_mtr *m, lg_buf **ret_bits, uint32_t *ret_bit, uint32_t *ret_index)
{
    const lg_volume *v = lg_buf_volume(m->cache);
    uint32_t per = lg_vol_aubits_per_block(lg_buf_block_bytes(m->cache));
    for (uint32_t base = 0; base < lg_vol_map_capacity(v); base += per) {
        LG_TRY(lg_mtr_get(m, lg_vol_mapbits_addr(v, base), LG_LATCH_X, 0, ret_bits));
        if (lg_vol_bits_find((*ret_bits)->data, meta_of(*ret_bits).next, 1, ret_bit) == LG_OK) {
            *ret_index = base + *ret_bit;
            return LG_OK;
        }
    }
    return LG_DISK_FULL;
}

static void
map_block_take(lg_mtr *m, lg_buf *bits, uint32_t bit)
{
    bit_write(m, bits, bit, true);
    lg_mtr_set_u32(m, bits, META_FIELD(next), bit + 1);
}

/* A file number, with its blocks in the mtr in X. */
struct number {
    lg_buf *header, *table;
    uint32_t off, file;
};

static lg_status
number_try(lg_mtr *m, struct number *n)
{
    const lg_volume *v = lg_buf_volume(m->cache);
    LG_TRY(lg_mtr_get(m, lg_vol_header_addr(), LG_LATCH_X, 0, &n->header));
    n->file = meta_of(n->header).next;
    if (n->file >= lg_vol_files_max(v))
        return LG_LIMIT;
    return lg_mtr_get(m, lg_vol_table_addr(v, n->file, &n->off), LG_LATCH_X, 0, &n->table);
}

static void
number_take(lg_mtr *m, const struct number *n, uint32_t entry)
{
    lg_mtr_set_u32(m, n->header, META_FIELD(next), n->file + 1);
    if (type_of(n->table) == LG_BLOCK_FREE)
        meta_format(m, n->table, LG_VOL_TABLE, n->file - (n->off - LG_VOL_DATA_OFFSET) / 4, 0);
    lg_mtr_set_u32(m, n->table, n->off, entry);
}

static lg_status
reserve_step(lg_mtr *m, void *arg)
{
    struct number n;
    LG_TRY(number_try(m, &n));
    number_take(m, &n, LG_VOL_TABLE_EMPTY);
    *(uint32_t *)arg = n.file;
    return LG_OK;
}

static lg_status
create_try(lg_mtr *m, uint32_t *ret_file)
{
    const lg_volume *v = lg_buf_volume(m->cache);
    struct number n;
    lg_buf *bits, *root;
    uint32_t bit, index;
    LG_TRY(number_try(m, &n));
    LG_TRY(map_block_find(m, &bits, &bit, &index));
    LG_TRY(lg_mtr_get(m, lg_vol_map_addr(v, index), LG_LATCH_X, LG_MTR_NEW, &root));
    map_block_take(m, bits, bit);
    number_take(m, &n, index + 1);
    meta_format(m, root, LG_VOL_ROOT, n.file, 0);
    *ret_file = n.file;
    return LG_OK;
}

static lg_status
create_step(lg_mtr *m, void *arg)
{
    return create_try(m, arg);
}

lg_status
lg_space_file_create(lg_buf_cache *c, uint32_t aus, uint32_t *ret_file)
{
    uint32_t file;
    LG_TRY(mtr_run(c, create_step, &file));
    if (aus > 0) {
        lg_status st = lg_space_file_extend(c, file, aus, NULL);
        if (st != LG_OK) {
            LG_KEEP(lg_space_file_drop(c, file));
            return st;
        }
    }
    *ret_file = file;
    return LG_OK;
}

lg_status
lg_space_file_reserve(lg_buf_cache *c, uint32_t *ret_file)
{
    return mtr_run(c, reserve_step, ret_file);
}

/* ---- extending ---- */

struct extension {
    uint32_t file, root;
    bool first; /* only while the file has none: LG_EXISTS */
    const lg_au *aus;
    uint32_t count; /* to be mapped */
    uint32_t done;  /* mapped by this step */
    uint32_t total; /* AUs of the file after it */
};

/* The block that takes the next entries, made when the last one is full. */
static lg_status
extend_map(lg_mtr *m, struct extension *x, lg_buf *root, uint32_t first)
{
    const lg_volume *v = lg_buf_volume(m->cache);
    uint32_t bb = lg_buf_block_bytes(m->cache);
    uint32_t per = lg_vol_map_aus(bb), p = first / per;
    lg_vol_meta rm = meta_of(root);
    lg_buf *map, *bits = NULL;
    uint32_t index, bit = 0;
    if (p >= lg_vol_root_pointers(bb))
        return LG_LIMIT;
    if (p < rm.next)
        memcpy(&index, root->data + lg_vol_root_pointer_offset(bb, p), 4);
    else
        LG_TRY(map_block_find(m, &bits, &bit, &index));
    LG_TRY(lg_mtr_get(m, lg_vol_map_addr(v, index), LG_LATCH_X, bits ? LG_MTR_NEW : 0, &map));
    if (bits) {
        map_block_take(m, bits, bit);
        meta_format(m, map, LG_VOL_MAP, x->file, 0);
        lg_mtr_set_u32(m, root, lg_vol_root_pointer_offset(bb, p), index);
        lg_mtr_set_u32(m, root, META_FIELD(next), p + 1);
    }
    uint32_t at = first % per;
    LG_ASSERT(meta_of(map).count == at);
    while (x->done < x->count && at < per)
        lg_mtr_set_u64(m, map, lg_vol_map_au_offset(at++), lg_vol_au_encode(x->aus[x->done++]));
    lg_mtr_set_u32(m, map, META_FIELD(count), at);
    return LG_OK;
}

static lg_status
extend_step(lg_mtr *m, void *arg)
{
    struct extension *x = arg;
    uint32_t bb = lg_buf_block_bytes(m->cache), in_root = lg_vol_root_aus(bb);
    lg_buf *header, *root;
    LG_TRY(lg_mtr_get(m, lg_vol_header_addr(), LG_LATCH_X, 0, &header));
    LG_TRY(lg_mtr_get(m, lg_vol_map_addr(lg_buf_volume(m->cache), x->root), LG_LATCH_X, 0, &root));
    LG_TRY(root_check(root, x->file));
    uint32_t count = meta_of(root).count;
    x->done = 0;
    if (x->first && count > 0)
        return LG_EXISTS;
    if (count >= in_root)
        LG_TRY(extend_map(m, x, root, count - in_root));
    for (uint32_t at = count; at < in_root && x->done < x->count; at++)
        lg_mtr_set_u64(m, root, lg_vol_root_au_offset(bb, at), lg_vol_au_encode(x->aus[x->done++]));
    x->total = count + x->done;
    lg_mtr_set_u32(m, root, META_FIELD(count), x->total);
    for (uint32_t i = 0; i < x->done; i++)
        taken_end(m, header, x->aus[i]);
    return LG_OK;
}

/* The root of a file that was only reserved, unless another made it meanwhile. */
static lg_status
root_step(lg_mtr *m, void *arg)
{
    const lg_volume *v = lg_buf_volume(m->cache);
    struct extension *x = arg;
    lg_buf *table, *bits, *root;
    uint32_t off, bit, index, entry;
    LG_TRY(lg_mtr_get(m, lg_vol_table_addr(v, x->file, &off), LG_LATCH_X, 0, &table));
    memcpy(&entry, table->data + off, 4);
    if (entry != LG_VOL_TABLE_EMPTY)
        return LG_EXISTS;
    LG_TRY(map_block_find(m, &bits, &bit, &index));
    LG_TRY(lg_mtr_get(m, lg_vol_map_addr(v, index), LG_LATCH_X, LG_MTR_NEW, &root));
    map_block_take(m, bits, bit);
    lg_mtr_set_u32(m, table, off, index + 1);
    meta_format(m, root, LG_VOL_ROOT, x->file, 0);
    return LG_OK;
}

static lg_status
root_make(lg_buf_cache *c, struct extension *x)
{
    LG_TRY(entry_read(c, x->file, &x->root, NULL));
    if (x->root != NO_ROOT)
        return LG_OK;
    lg_status st = mtr_run(c, root_step, x);
    if (st != LG_EXISTS)
        LG_TRY(st);
    LG_TRY(entry_read(c, x->file, &x->root, NULL));
    return x->root == NO_ROOT ? LG_NOT_FOUND : LG_OK;
}

static lg_status
extend(lg_buf_cache *c, uint32_t file, uint32_t aus, bool first, uint32_t *ret_blocks)
{
    lg_volume *v = lg_buf_volume(c);
    struct extension x = {.file = file, .first = first};
    uint32_t blocks, done = 0;
    LG_TRY(root_make(c, &x));
    LG_TRY(lg_space_file_blocks(c, file, &blocks));
    if (first && blocks)
        return LG_OK;
    lg_au *taken = lg_zalloc(aus * sizeof *taken + 1);
    lg_status st;
    LG_CHECK(aus_take_many(c, file + blocks / lg_volume_blocks_per_au(v), blocks == 0, taken, aus));
    LG_CHECK(
        LG_FAULT(lg_run_faults(lg_buf_run(c)), "space_file_taken")); /* as a death here would */
    st = lg_volume_aus_zero(v, taken, aus);
    while (st == LG_OK && done < aus) {
        x.aus = taken + done;
        x.count = aus - done;
        st = mtr_run(c, extend_step, &x);
        if (st == LG_OK)
            done += x.done;
    }
    if (st == LG_EXISTS)
        st = aus_give(c, taken, aus);
    else if (st != LG_OK)
        LG_KEEP(aus_give(c, taken + done, aus - done));
    else if (ret_blocks)
        *ret_blocks = aus ? x.total * lg_volume_blocks_per_au(v) : blocks;
out:
    lg_free(taken);
    return st;
}

lg_status
lg_space_file_extend(lg_buf_cache *c, uint32_t file, uint32_t aus, uint32_t *ret_blocks)
{
    return extend(c, file, aus, false, ret_blocks);
}

lg_status
lg_space_file_begin(lg_buf_cache *c, uint32_t file)
{
    return extend(c, file, 1, true, NULL);
}

/* ---- dropping ---- */

struct drop {
    uint32_t file, root;
    bool done;
};

/* Also for one begun by another, or finished meanwhile (LG_NOT_FOUND). */
static lg_status
drop_begin_step(lg_mtr *m, void *arg)
{
    struct drop *d = arg;
    uint32_t off, entry;
    lg_buf *table;
    lg_addr addr = lg_vol_table_addr(lg_buf_volume(m->cache), d->file, &off);
    LG_TRY(lg_mtr_get(m, addr, LG_LATCH_X, 0, &table));
    memcpy(&entry, table->data + off, 4);
    if (entry == 0 || entry == LG_VOL_TABLE_DROPPED)
        return LG_NOT_FOUND;
    d->root = (entry & ~LG_VOL_TABLE_DROPPING) - 1;
    if (!(entry & LG_VOL_TABLE_DROPPING))
        lg_mtr_set_u32(m, table, off, entry | LG_VOL_TABLE_DROPPING);
    return LG_OK;
}

/* Frees the last entries of a block (root or map): bits cleared and count lowered together.
 * LG_CORRUPT: an AU that is free already. Whoever recovers the dead sweeps: it must not end of that, for
 * the next one would, too. */
static lg_status
free_tail(lg_mtr *m, lg_buf *b, uint32_t entries_at, uint32_t *ret_freed)
{
    const lg_volume *v = lg_buf_volume(m->cache);
    uint32_t per = lg_vol_aubits_per_block(lg_buf_block_bytes(m->cache));
    uint32_t count = 0, have = (meta_of(b).kind == LG_VOL_ROOT &&
                                meta_of(b).count > lg_vol_root_aus(lg_buf_block_bytes(m->cache)))
                                   ? lg_vol_root_aus(lg_buf_block_bytes(m->cache))
                                   : meta_of(b).count;
    lg_au aus[FREE_AT_ONCE];
    lg_buf *bits[FREE_AT_ONCE];
    while (count < FREE_AT_ONCE && count < have && m->block_count < FREE_BITMAPS) {
        uint64_t e;
        memcpy(&e, b->data + entries_at + 8 * (have - 1 - count), 8);
        aus[count] = lg_vol_au_decode(e);
        LG_TRY(lg_mtr_get(m, lg_vol_aubits_addr(v, aus[count].disk, aus[count].au), LG_LATCH_X, 0,
                          &bits[count]));
        if (!bit_taken(bits[count], aus[count].au % per))
            return LG_CORRUPT;
        count++;
    }
    for (uint32_t i = 0; i < count; i++)
        bit_write(m, bits[i], aus[i].au % per, false);
    lg_mtr_set_u32(m, b, META_FIELD(count), meta_of(b).count - count);
    *ret_freed = count;
    return LG_OK;
}

static lg_status
map_block_give(lg_mtr *m, uint32_t index, lg_buf **ret_bits)
{
    return lg_mtr_get(m, lg_vol_mapbits_addr(lg_buf_volume(m->cache), index), LG_LATCH_X, 0,
                      ret_bits);
}

static lg_status
drop_map_step(lg_mtr *m, struct drop *d, lg_buf *root)
{
    const lg_volume *v = lg_buf_volume(m->cache);
    uint32_t bb = lg_buf_block_bytes(m->cache), index, freed;
    lg_vol_meta rm = meta_of(root);
    lg_buf *map, *bits;
    (void)d;
    memcpy(&index, root->data + lg_vol_root_pointer_offset(bb, rm.next - 1), 4);
    LG_TRY(lg_mtr_get(m, lg_vol_map_addr(v, index), LG_LATCH_X, 0, &map));
    if (meta_of(map).count > 0) {
        LG_TRY(free_tail(m, map, lg_vol_map_au_offset(0), &freed));
        lg_mtr_set_u32(m, root, META_FIELD(count), rm.count - freed);
        return LG_OK;
    }
    LG_TRY(map_block_give(m, index, &bits));
    if (!bit_taken(bits, index % lg_vol_aubits_per_block(bb)))
        return LG_CORRUPT;
    bit_write(m, bits, index % lg_vol_aubits_per_block(bb), false);
    lg_mtr_set_u32(m, root, META_FIELD(next), rm.next - 1);
    return LG_OK;
}

static lg_status
drop_step(lg_mtr *m, void *arg)
{
    struct drop *d = arg;
    const lg_volume *v = lg_buf_volume(m->cache);
    uint32_t bb = lg_buf_block_bytes(m->cache), off, freed;
    lg_buf *table, *root, *bits;
    LG_TRY(lg_mtr_get(m, lg_vol_table_addr(v, d->file, &off), LG_LATCH_X, 0, &table));
    LG_TRY(lg_mtr_get(m, lg_vol_map_addr(v, d->root), LG_LATCH_X, 0, &root));
    LG_TRY(root_check(root, d->file));
    if (meta_of(root).next > 0)
        return drop_map_step(m, d, root);
    if (meta_of(root).count > 0)
        return free_tail(m, root, lg_vol_root_au_offset(bb, 0), &freed);
    LG_TRY(map_block_give(m, d->root, &bits));
    if (!bit_taken(bits, d->root % lg_vol_aubits_per_block(bb)))
        return LG_CORRUPT;
    bit_write(m, bits, d->root % lg_vol_aubits_per_block(bb), false);
    lg_mtr_set_u32(m, table, off, LG_VOL_TABLE_DROPPED);
    lg_mtr_set_u32(m, root, META_FIELD(base), 0);
    d->done = true;
    return LG_OK;
}

lg_status
lg_space_file_drop_begin(lg_buf_cache *c, uint32_t file)
{
    struct drop d = {.file = file};
    bool dropping;
    LG_TRY(entry_read(c, file, &d.root, &dropping));
    if (!dropping)
        LG_TRY(mtr_run(c, drop_begin_step, &d));
    /* Also when it was begun before: perhaps here, by a fiber that still waits for the flush. */
    return lg_redo_flush(lg_buf_redo(c), lg_redo_end(lg_buf_redo(c)));
}

lg_status
lg_space_file_drop(lg_buf_cache *c, uint32_t file)
{
    struct drop d = {.file = file};
    LG_TRY(lg_space_file_drop_begin(c, file));
    LG_TRY(lg_buf_drop_file(c, file));
    bool dropping;
    lg_status st = entry_read(c, file, &d.root, &dropping);
    if (st == LG_NOT_FOUND) /* it was only reserved, or another instance was faster */
        return LG_OK;
    LG_TRY(st);
    while (!d.done) {
        LG_TRY(LG_FAULT(lg_run_faults(lg_buf_run(c)), "space_file_drop"));
        LG_TRY(mtr_run(c, drop_step, &d));
    }
    return LG_OK;
}

lg_status
lg_space_files_sweep(lg_buf_cache *c, lg_status (*forget)(void *arg, uint32_t file), void *arg)
{
    lg_buf *b;
    LG_TRY(lg_buf_get(c, lg_vol_header_addr(), LG_LATCH_S, &b));
    uint32_t next = meta_of(b).next;
    lg_buf_put(c, b, LG_LATCH_S);
    lg_status bad = LG_OK;
    for (uint32_t file = 1; file < next; file++) {
        uint32_t root;
        bool dropping = false;
        lg_status st = entry_read(c, file, &root, &dropping);
        if (st == LG_OK && dropping)
            st = lg_space_file_drop_begin(c, file); /* durable, whoever began it */
        if (st == LG_OK && dropping && forget)
            st = forget(arg, file);
        if (st == LG_OK && dropping)
            st = lg_space_file_drop(c, file);
        if (st == LG_CORRUPT && bad == LG_OK)
            bad = st; /* this one keeps its space; the others behind it are finished */
        if (st != LG_OK && st != LG_NOT_FOUND && st != LG_CORRUPT)
            return st;
    }
    return bad;
}

lg_status
lg_space_file_next(lg_buf_cache *c, uint32_t *file)
{
    lg_buf *b;
    LG_TRY(lg_buf_get(c, lg_vol_header_addr(), LG_LATCH_S, &b));
    uint32_t next = meta_of(b).next;
    lg_buf_put(c, b, LG_LATCH_S);
    while (++*file < next) {
        uint32_t root;
        bool dropping;
        lg_status st = entry_read(c, *file, &root, &dropping);
        if (st == LG_OK && root != NO_ROOT)
            return LG_OK;
        if (st != LG_OK && st != LG_NOT_FOUND)
            return st;
    }
    return LG_END;
}

/* ---- growth ---- */

struct disk_format {
    uint32_t disk, base;
};

static lg_status
disk_format_step(lg_mtr *m, void *arg)
{
    struct disk_format *x = arg;
    const lg_volume *v = lg_buf_volume(m->cache);
    uint32_t per = lg_vol_aubits_per_block(lg_buf_block_bytes(m->cache));
    uint32_t left = lg_volume_disk_aus(v, x->disk) - x->base;
    uint32_t fixed = lg_volume_disk_fixed_aus(v, x->disk);
    lg_buf *b;
    LG_TRY(lg_mtr_get(m, lg_vol_aubits_addr(v, x->disk, x->base), LG_LATCH_X, LG_MTR_NEW, &b));
    if (type_of(b) != LG_BLOCK_FREE)
        return LG_OK;
    meta_format(m, b, LG_VOL_AUBITS, x->base, left < per ? left : per);
    for (uint32_t au = x->base; au < fixed && au < x->base + per; au++)
        bit_write(m, b, au - x->base, true);
    return LG_OK;
}

lg_status
lg_space_disk_format(lg_buf_cache *c, uint32_t disk)
{
    struct disk_format x = {.disk = disk};
    uint32_t per = lg_vol_aubits_per_block(lg_buf_block_bytes(c));
    for (; x.base < lg_volume_disk_aus(lg_buf_volume(c), disk); x.base += per)
        LG_TRY(mtr_run(c, disk_format_step, &x));
    return LG_OK;
}

lg_status
lg_space_instance_add(lg_buf_cache *c, uint32_t slot)
{
    lg_volume *v = lg_buf_volume(c);
    lg_volume_area area;
    LG_TRY(lg_volume_instances_refresh(v));
    lg_status st = lg_volume_instance_area(v, slot, &area);
    if (st != LG_NOT_FOUND)
        return st == LG_OK ? LG_EXISTS : st;
    uint32_t need = lg_volume_instance_aus(v), disks = lg_volume_disk_count(v), au = 0, tries = 0;
    uint32_t disk = slot % disks;
    while ((st = aus_take(c, disk, need, true, &au)) == LG_DISK_FULL && ++tries < disks)
        disk = (disk + 1) % disks;
    LG_TRY(st);
    /* Taken for good before the area is known: else a crash could give the AUs to a file too. */
    st = lg_redo_flush(lg_buf_redo(c), lg_redo_end(lg_buf_redo(c)));
    if (st == LG_OK)
        st = lg_volume_instance_add(v, slot, disk, au);
    if (st == LG_EXISTS)
        for (uint32_t i = 0; i < need; i++)
            LG_TRY(aus_give(c, &(lg_au){(uint16_t)disk, au + i}, 1));
    return st;
}

lg_status
lg_space_disk_usage(lg_buf_cache *c, uint32_t disk, lg_space_usage *ret)
{
    const lg_volume *v = lg_buf_volume(c);
    uint32_t per = lg_vol_aubits_per_block(lg_buf_block_bytes(c));
    *ret = (lg_space_usage){.total_aus = lg_volume_disk_aus(v, disk)};
    for (uint32_t base = 0; base < ret->total_aus; base += per) {
        lg_buf *b;
        LG_TRY(lg_buf_get(c, lg_vol_aubits_addr(v, disk, base), LG_LATCH_S, &b));
        if (type_of(b) != LG_BLOCK_FREE)
            ret->free_aus += lg_vol_bits_free(b->data);
        lg_buf_put(c, b, LG_LATCH_S);
    }
    return LG_OK;
}
