/* Segment: header, space maps, chunks, insert targets. Model: segment.h.
 *
 * A chunk is taken in one mini-transaction on the header (and the space map block when one falls
 * into the chunk). The file is extended first, in its own mini-transactions: a crash in between
 * only leaves room at the end. One fiber at a time refills a segment; others wait on refillq and
 * look again. */
#include "segment.h"
#include "assert.h"
#include "map.h"
#include "mtr.h"
#include "space_file.h"
#include <string.h>

#define SEG_MAGIC 0x4753474cu /* "LGSG" */

typedef struct seg_header {
    uint32_t magic;
    uint32_t kind;
    uint32_t hwm;
    uint32_t reserved;
} seg_header;

#define SEG_HEADER_OFF LG_BLOCK_HEADER_BYTES
#define SEG_HWM_OFF    (SEG_HEADER_OFF + (uint32_t)offsetof(seg_header, hwm))
#define MAP_OFF        64u
#define MAP_FREE       255 /* the whole block is free */
#define MAX_TARGETS    64u
#define MAX_OFFERS     256u
#define CHUNK_MIN      4u
#define CHUNK_MAX      64u
#define HANDLE_KEPT    (600 * LG_SEC) /* of a dropped segment: longer than any step of a rollback */

typedef struct seg_room {
    uint32_t block;
    uint32_t room;
} seg_room;

typedef struct seg_block {
    uint32_t block;
    bool first; /* beyond the high-water mark until now: never formatted */
} seg_block;

struct lg_segment {
    lg_list grave; /* in space->dropped */
    lg_time dropped_at;
    lg_space *space;
    uint32_t file;
    lg_segment_kind kind;
    uint32_t file_blocks; /* the file has at least this many */
    bool begun;           /* once true it stays */
    bool refilling;
    lg_waitq refillq;
    seg_block *pool; /* new blocks of ours; the next one last */
    uint32_t pool_count, pool_cap;
    seg_room targets[MAX_TARGETS];
    uint32_t target_count;
    seg_room offers[MAX_OFFERS];
    uint32_t offer_count;
    uint32_t search_from; /* space map to look into next */
    uint32_t search_skip; /* refills until the maps are searched again */
};

struct lg_space {
    lg_buf_cache *cache;
    lg_map *segments;
    lg_list dropped; /* handles that a rollback may still hold: for a while */
    uint32_t block_bytes;
    uint32_t span;
    lg_status (*forget)(void *arg,
                        uint32_t file); /* on all other instances; NULL: there are none */
    void *forget_arg;
};

lg_status
lg_space_create(lg_buf_cache *cache, lg_space **ret_space)
{
    lg_space *s = lg_zalloc(sizeof *s);
    s->cache = cache;
    s->segments = lg_map_create();
    lg_list_init(&s->dropped);
    s->block_bytes = lg_buf_block_bytes(cache);
    s->span = s->block_bytes - MAP_OFF;
    *ret_space = s;
    return LG_OK;
}

static void
segment_free(lg_segment *g)
{
    lg_free(g->pool);
    lg_free(g);
}

void
lg_space_destroy(lg_space *s)
{
    if (!s)
        return;
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(s->segments, &pos, &key, &v))
        segment_free(v);
    for (lg_list *l; (l = lg_list_pop_front(&s->dropped)) != NULL;)
        segment_free(LG_CONTAINER_OF(l, lg_segment, grave));
    lg_map_destroy(s->segments);
    lg_free(s);
}

lg_buf_cache *
lg_space_cache(const lg_space *s)
{
    return s->cache;
}

uint32_t
lg_segment_file(const lg_segment *g)
{
    return g->file;
}

lg_segment_kind
lg_segment_kind_of(const lg_segment *g)
{
    return g->kind;
}

lg_space *
lg_segment_space(const lg_segment *g)
{
    return g->space;
}

lg_buf_cache *
lg_segment_cache(const lg_segment *g)
{
    return g->space->cache;
}

bool
lg_segment_is_meta(const lg_segment *g, uint32_t block)
{
    return block == 0 || (block - 1) % g->space->span == 0;
}

static uint32_t
map_block_of(const lg_space *s, uint32_t block)
{
    return 1 + (block - 1) / s->span * s->span;
}

/* ---- life ---- */

lg_status
lg_segment_create(lg_space *s, lg_segment_kind kind, uint32_t *ret_file)
{
    uint32_t file;
    LG_TRY(lg_space_file_create(s->cache, 1, &file));
    lg_mtr m;
    lg_buf *head, *map;
    for (;;) {
        lg_mtr_begin(&m, s->cache);
        lg_status st =
            lg_mtr_get(&m, (lg_addr){file, 0}, LG_LATCH_X, LG_MTR_NEW | LG_MTR_FIRST, &head);
        if (st == LG_OK)
            st = lg_mtr_get(&m, (lg_addr){file, 1}, LG_LATCH_X, LG_MTR_NEW | LG_MTR_FIRST, &map);
        if (st == LG_OK)
            break;
        if (st == LG_RETRY)
            st = lg_mtr_restart(&m);
        else
            lg_mtr_abort(&m);
        if (st != LG_OK) {
            LG_KEEP(lg_space_file_drop(s->cache, file));
            return st;
        }
    }
    lg_mtr_format(&m, head, LG_BLOCK_SEGMENT_HEADER);
    seg_header h = {SEG_MAGIC, kind, LG_SEGMENT_FIRST_BLOCK, 0};
    lg_mtr_set(&m, head, SEG_HEADER_OFF, &h, sizeof h);
    lg_mtr_format(&m, map, LG_BLOCK_SPACE_MAP);
    lg_mtr_commit(&m, NULL);
    *ret_file = file;
    return LG_OK;
}

lg_status
lg_segment_open(lg_space *s, uint32_t file, lg_segment **ret_seg)
{
    lg_segment *g = lg_map_get(s->segments, file);
    if (g) {
        *ret_seg = g;
        return LG_OK;
    }
    lg_buf *b;
    LG_TRY(lg_buf_get(s->cache, (lg_addr){file, 0}, LG_LATCH_S, &b));
    seg_header h;
    memcpy(&h, b->data + SEG_HEADER_OFF, sizeof h);
    bool good = ((const lg_block_header *)(const void *)b->data)->type == LG_BLOCK_SEGMENT_HEADER &&
                h.magic == SEG_MAGIC;
    lg_buf_put(s->cache, b, LG_LATCH_S);
    if (!good)
        return LG_CORRUPT;
    g = lg_map_get(s->segments, file); /* somebody else was faster */
    if (!g) {
        g = lg_zalloc(sizeof *g);
        g->space = s;
        g->file = file;
        g->kind = (lg_segment_kind)h.kind;
        g->begun = true;
        lg_waitq_init(&g->refillq);
        lg_map_put(s->segments, file, g);
    }
    *ret_seg = g;
    return LG_OK;
}

/* ---- segments that have not begun ---- */

lg_status
lg_segment_reserve(lg_space *s, uint32_t *ret_file)
{
    return lg_space_file_reserve(s->cache, ret_file);
}

lg_status
lg_segment_open_reserved(lg_space *s, uint32_t file, lg_segment_kind kind, lg_segment **ret_seg)
{
    uint32_t blocks;
    lg_segment *g = lg_map_get(s->segments, file);
    if (!g) {
        LG_TRY(lg_space_file_blocks(s->cache, file, &blocks)); /* is it there at all? */
        g = lg_map_get(s->segments, file);
    }
    if (!g) {
        g = lg_zalloc(sizeof *g);
        g->space = s;
        g->file = file;
        g->kind = kind;
        lg_waitq_init(&g->refillq);
        lg_map_put(s->segments, file, g);
    }
    *ret_seg = g;
    return LG_OK;
}

lg_status
lg_segment_begun(lg_segment *g, bool *ret)
{
    lg_buf_cache *c = g->space->cache;
    uint32_t blocks;
    lg_buf *b;
    *ret = g->begun;
    if (g->begun)
        return LG_OK;
    LG_TRY(lg_space_file_blocks(c, g->file, &blocks));
    if (!blocks)
        return LG_OK;
    LG_TRY(lg_buf_get(c, (lg_addr){g->file, 0}, LG_LATCH_S, &b));
    *ret = ((const lg_block_header *)(const void *)b->data)->type == LG_BLOCK_SEGMENT_HEADER;
    lg_buf_put(c, b, LG_LATCH_S);
    if (*ret)
        g->begun = true;
    return LG_OK;
}

static lg_status
begin_step(lg_segment *g, lg_mtr *m, void (*first)(lg_mtr *m, lg_buf *b))
{
    lg_buf *head, *map, *own = NULL;
    LG_TRY(lg_mtr_get(m, (lg_addr){g->file, 0}, LG_LATCH_X, 0, &head));
    if (((const lg_block_header *)(const void *)head->data)->type == LG_BLOCK_SEGMENT_HEADER)
        return LG_EXISTS;
    LG_TRY(lg_mtr_get(m, (lg_addr){g->file, 1}, LG_LATCH_X, LG_MTR_NEW, &map));
    if (first)
        LG_TRY(lg_mtr_get(m, (lg_addr){g->file, LG_SEGMENT_FIRST_BLOCK}, LG_LATCH_X, LG_MTR_NEW,
                          &own));
    lg_mtr_format(m, head, LG_BLOCK_SEGMENT_HEADER);
    seg_header h = {SEG_MAGIC, g->kind, LG_SEGMENT_FIRST_BLOCK + (first ? 1 : 0), 0};
    lg_mtr_set(m, head, SEG_HEADER_OFF, &h, sizeof h);
    lg_mtr_format(m, map, LG_BLOCK_SPACE_MAP);
    if (first)
        first(m, own);
    return LG_OK;
}

lg_status
lg_segment_begin(lg_segment *g, void (*first)(lg_mtr *m, lg_buf *b))
{
    bool begun;
    LG_TRY(lg_segment_begun(g, &begun));
    if (begun)
        return LG_OK;
    LG_TRY(lg_space_file_begin(g->space->cache, g->file));
    for (;;) {
        lg_mtr m;
        lg_mtr_begin(&m, g->space->cache);
        lg_status st = begin_step(g, &m, first);
        if (st == LG_RETRY) {
            LG_TRY(lg_mtr_restart(&m));
            continue;
        }
        if (st == LG_OK)
            lg_mtr_commit(&m, NULL);
        else
            lg_mtr_abort(&m);
        if (st != LG_OK && st != LG_EXISTS)
            return st;
        g->begun = true;
        return LG_OK;
    }
}

static void
handle_drop(lg_space *s, uint32_t file)
{
    lg_time now = lg_run_now_ns(lg_buf_run(s->cache));
    lg_segment *g = lg_map_remove(s->segments, file);
    if (g) { /* who rolls back for the dead has no lock, and finds out when it next gets a block */
        g->dropped_at = now;
        lg_list_push_back(&s->dropped, &g->grave);
    }
    while (!lg_list_empty(&s->dropped)) {
        g = LG_CONTAINER_OF(s->dropped.next, lg_segment, grave);
        if (now - g->dropped_at < HANDLE_KEPT)
            break;
        lg_list_remove(&g->grave);
        segment_free(g);
    }
}

void
lg_space_set_forget(lg_space *s, lg_status (*forget)(void *arg, uint32_t file), void *arg)
{
    s->forget = forget;
    s->forget_arg = arg;
}

lg_status
lg_segment_drop(lg_space *s, uint32_t file)
{
    handle_drop(s, file);
    LG_TRY(lg_space_file_drop_begin(s->cache, file));
    if (s->forget)
        LG_TRY(s->forget(s->forget_arg, file));
    lg_status st = lg_space_file_drop(s->cache, file);
    handle_drop(s, file); /* who rolls back for the dead may have opened it meanwhile */
    return st == LG_NOT_FOUND ? LG_OK
                              : st; /* only reserved: gone since the beginning of the drop */
}

lg_status
lg_space_sweep(lg_space *s)
{
    return lg_space_files_sweep(s->cache, s->forget, s->forget_arg);
}

/* False: its first block says that it is something else, or cannot tell. */
static lg_status
may_be_segment(lg_space *s, uint32_t file, bool *ret_yes)
{
    lg_buf *b;
    lg_status st = lg_buf_get(s->cache, (lg_addr){file, 0}, LG_LATCH_S, &b);
    *ret_yes = st == LG_INVALID || st == LG_NOT_FOUND; /* a root without AUs, or being dropped */
    if (st != LG_OK)
        return *ret_yes || st == LG_CORRUPT ? LG_OK : st;
    lg_block_type type = (lg_block_type)((const lg_block_header *)(const void *)b->data)->type;
    seg_header h;
    memcpy(&h, b->data + SEG_HEADER_OFF, sizeof h);
    lg_buf_put(s->cache, b, LG_LATCH_S);
    *ret_yes = type == LG_BLOCK_FREE || (type == LG_BLOCK_SEGMENT_HEADER && h.magic == SEG_MAGIC &&
                                         h.kind != LG_SEGMENT_UNDO);
    return LG_OK;
}

lg_status
lg_space_segment_next(lg_space *s, uint32_t *file)
{
    bool yes = false;
    while (!yes) {
        LG_TRY(lg_space_file_next(s->cache, file));
        LG_TRY(may_be_segment(s, *file, &yes));
    }
    return LG_OK;
}

lg_status
lg_segment_forget(lg_space *s, uint32_t file)
{
    handle_drop(s, file);
    lg_status st = lg_buf_drop_file(s->cache, file);
    handle_drop(s, file); /* as in lg_segment_drop */
    return st;
}

lg_status
lg_segment_blocks(lg_segment *g, uint32_t *ret_blocks)
{
    lg_buf_cache *c = g->space->cache;
    lg_buf *b;
    bool begun;
    *ret_blocks = 0;
    LG_TRY(lg_segment_begun(g, &begun));
    if (!begun)
        return LG_OK;
    LG_TRY(lg_buf_get(c, (lg_addr){g->file, 0}, LG_LATCH_S, &b));
    memcpy(ret_blocks, b->data + SEG_HWM_OFF, 4);
    lg_buf_put(c, b, LG_LATCH_S);
    return LG_OK;
}

/* ---- pool ---- */

static void
pool_push(lg_segment *g, uint32_t block, bool first)
{
    if (g->pool_count == g->pool_cap) {
        g->pool_cap = g->pool_cap ? g->pool_cap * 2 : CHUNK_MAX;
        g->pool = lg_realloc(g->pool, g->pool_cap * sizeof *g->pool);
    }
    g->pool[g->pool_count++] = (seg_block){block, first};
}

static void
pool_pop(lg_segment *g, uint32_t *ret_block, unsigned *ret_flags)
{
    seg_block b = g->pool[--g->pool_count];
    *ret_block = b.block;
    *ret_flags = LG_MTR_NEW | (b.first ? LG_MTR_FIRST : 0u);
}

static uint32_t
chunk_size(uint32_t hwm)
{
    uint32_t n = hwm / 8;
    return n < CHUNK_MIN ? CHUNK_MIN : n > CHUNK_MAX ? CHUNK_MAX : n;
}

/* The file shall have at least `blocks` blocks. */
static lg_status
ensure_file(lg_segment *g, uint32_t blocks)
{
    if (g->file_blocks >= blocks)
        return LG_OK;
    lg_buf_cache *c = g->space->cache;
    LG_TRY(lg_space_file_blocks(c, g->file, &g->file_blocks));
    if (g->file_blocks >= blocks)
        return LG_OK;
    uint32_t per_au = LG_VOLUME_AU_BYTES / g->space->block_bytes;
    uint32_t aus = g->file_blocks / per_au / 16 + 1;
    lg_status st = lg_space_file_extend(c, g->file, aus > 16 ? 16 : aus, &g->file_blocks);
    if (st == LG_DISK_FULL && aus > 1)
        st = lg_space_file_extend(c, g->file, 1, &g->file_blocks);
    return st;
}

static lg_status
chunk_take(lg_segment *g)
{
    lg_space *s = g->space;
    lg_mtr m;
    lg_buf *head, *map = NULL;
    uint32_t hwm, n, at = 0;
    LG_TRY(lg_segment_blocks(g, &hwm));
    for (;;) {
        n = chunk_size(hwm);
        LG_TRY(ensure_file(g, hwm + n));
        lg_mtr_begin(&m, s->cache);
        lg_status st = lg_mtr_get(&m, (lg_addr){g->file, 0}, LG_LATCH_X, 0, &head);
        if (st == LG_OK) {
            memcpy(&hwm, head->data + SEG_HWM_OFF, 4); /* another instance may have taken a chunk */
            if (hwm + n > g->file_blocks) {
                lg_mtr_abort(&m);
                continue;
            }
            at = map_block_of(s, hwm + n - 1);
            if (at >= hwm)
                st = lg_mtr_get(&m, (lg_addr){g->file, at}, LG_LATCH_X, LG_MTR_NEW | LG_MTR_FIRST,
                                &map);
            else
                map = NULL;
        }
        if (st == LG_OK)
            break;
        if (st == LG_RETRY) {
            LG_TRY(lg_mtr_restart(&m));
            lg_mtr_abort(&m);
            continue;
        }
        lg_mtr_abort(&m);
        return st;
    }
    lg_mtr_set_u32(&m, head, SEG_HWM_OFF, hwm + n);
    if (map)
        lg_mtr_format(&m, map, LG_BLOCK_SPACE_MAP);
    lg_mtr_commit(&m, NULL);
    for (uint32_t i = n; i-- > 0;)
        if (!map || hwm + i != at)
            pool_push(g, hwm + i, true);
    return LG_OK;
}

/* ---- space maps ---- */

static uint8_t
room_byte(const lg_space *s, uint32_t room)
{
    uint32_t v = room * 256u / s->block_bytes;
    return v > MAP_FREE - 1 ? MAP_FREE - 1 : (uint8_t)v;
}

static void
target_add(lg_segment *g, uint32_t block, uint32_t room)
{
    /* once only: a purge may note a block that another instance's offer has put into the map, and
     * a second entry would be tried for ever, as what is learned of the block goes to the first */
    for (uint32_t i = 0; i < g->target_count; i++)
        if (g->targets[i].block == block) {
            g->targets[i].room = room;
            return;
        }
    if (g->target_count < MAX_TARGETS)
        g->targets[g->target_count++] = (seg_room){block, room};
}

/* Claims blocks of one space map: whole ones, and (whole_only false) those with `need` bytes. */
static lg_status
map_claim(lg_segment *g, uint32_t map_block, uint32_t need, bool whole_only, uint32_t *ret_claimed)
{
    lg_space *s = g->space;
    lg_addr addr = {g->file, map_block};
    uint8_t least = whole_only ? MAP_FREE : (uint8_t)(room_byte(s, need) + 1);
    lg_buf *b;
    *ret_claimed = 0;
    LG_TRY(lg_buf_get(s->cache, addr, LG_LATCH_S, &b));
    bool any = false;
    for (uint32_t i = 1; i < s->span && !any; i++)
        any = b->data[MAP_OFF + i] >= least;
    lg_buf_put(s->cache, b, LG_LATCH_S);
    if (!any)
        return LG_OK;
    lg_mtr m;
    lg_mtr_begin(&m, s->cache);
    lg_status st = lg_mtr_get(&m, addr, LG_LATCH_X, 0, &b);
    if (st != LG_OK) {
        lg_mtr_abort(&m);
        return st == LG_RETRY ? LG_OK : st;
    }
    uint32_t found[16], n = 0;
    uint8_t rooms[16];
    for (uint32_t i = 1; i < s->span && n < 16; i++)
        if (b->data[MAP_OFF + i] >= least) {
            rooms[n] = b->data[MAP_OFF + i];
            found[n++] = map_block + i;
        }
    if (n == 0) {
        lg_mtr_abort(&m);
        return LG_OK;
    }
    for (uint32_t i = 0; i < n; i++)
        lg_mtr_fill(&m, b, MAP_OFF + found[i] - map_block, 0, 1);
    lg_mtr_commit(&m, NULL);
    for (uint32_t i = 0; i < n; i++)
        if (rooms[i] == MAP_FREE)
            pool_push(g, found[i], false);
        else
            target_add(g, found[i], rooms[i] * s->block_bytes / 256u);
    *ret_claimed = n;
    return LG_OK;
}

/* Looks into a few maps; what was searched in vain is left alone for some chunks. */
static lg_status
maps_search(lg_segment *g, uint32_t need, bool whole_only)
{
    if (g->search_skip > 0) {
        g->search_skip--;
        return LG_OK;
    }
    uint32_t hwm;
    LG_TRY(lg_segment_blocks(g, &hwm));
    uint32_t maps = (hwm - 2) / g->space->span + 1;
    for (uint32_t i = 0; i < maps && i < 4; i++) {
        uint32_t claimed;
        uint32_t which = g->search_from % maps;
        LG_TRY(map_claim(g, 1 + which * g->space->span, need, whole_only, &claimed));
        if (claimed > 0)
            return LG_OK;
        g->search_from = which + 1;
    }
    g->search_skip = 8;
    return LG_OK;
}

static lg_status
refill(lg_segment *g, uint32_t need, bool whole_only)
{
    if (g->refilling) /* its result is ours too; the caller looks again */
        return lg_waitq_wait(&g->refillq, LG_WAIT_BUFFER_BUSY, LG_FOREVER, false);
    g->refilling = true;
    uint32_t targets = g->target_count, pool = g->pool_count;
    lg_status st = lg_segment_offer(g);
    if (st == LG_OK && !g->begun)
        st = lg_segment_begin(g, NULL);
    if (st == LG_OK)
        st = maps_search(g, need, whole_only);
    if (st == LG_OK && g->pool_count == pool && (whole_only || g->target_count == targets))
        st = chunk_take(g);
    g->refilling = false;
    lg_waitq_wake_all(&g->refillq);
    return st;
}

lg_status
lg_segment_alloc(lg_segment *g, uint32_t *ret_block, unsigned *ret_flags)
{
    while (g->pool_count == 0)
        LG_TRY(refill(g, 0, true));
    pool_pop(g, ret_block, ret_flags);
    return LG_OK;
}

void
lg_segment_unalloc(lg_segment *g, uint32_t block)
{
    pool_push(g, block, false);
}

static void
offer_add(lg_segment *g, uint32_t block, uint32_t room)
{
    for (uint32_t i = 0; i < g->offer_count; i++)
        if (g->offers[i].block == block) {
            g->offers[i].room = room;
            return;
        }
    if (g->offer_count < MAX_OFFERS)
        g->offers[g->offer_count++] = (seg_room){block, room};
}

lg_status
lg_segment_free(lg_segment *g, uint32_t block)
{
    if (g->pool_count < CHUNK_MAX * 2) {
        pool_push(g, block, false);
        return LG_OK;
    }
    offer_add(g, block, g->space->block_bytes);
    return g->offer_count >= MAX_OFFERS / 2 ? lg_segment_offer(g) : LG_OK;
}

/* ---- targets ---- */

/* The fullest target makes room for a better one: blocks with too little room for the rows that
 * come must not crowd the others out. */
static void
target_evict(lg_segment *g)
{
    uint32_t least = 0;
    for (uint32_t i = 1; i < g->target_count; i++)
        if (g->targets[i].room < g->targets[least].room)
            least = i;
    seg_room t = g->targets[least];
    /* order is kept: the newest target is looked at first */
    memmove(&g->targets[least], &g->targets[least + 1],
            (g->target_count - least - 1) * sizeof *g->targets);
    g->target_count--;
    if (t.room >= g->space->block_bytes / 4)
        offer_add(g, t.block, t.room);
}

lg_status
lg_segment_target(lg_segment *g, uint32_t need, uint32_t *ret_block, unsigned *ret_flags)
{
    for (;;) {
        for (uint32_t i = g->target_count; i-- > 0;)
            if (g->targets[i].room >= need) {
                *ret_block = g->targets[i].block;
                *ret_flags = 0;
                return LG_OK;
            }
        if (g->pool_count > 0) {
            pool_pop(g, ret_block, ret_flags);
            return LG_OK;
        }
        LG_TRY(refill(g, need, false));
    }
}

void
lg_segment_note(lg_segment *g, uint32_t block, uint32_t room)
{
    for (uint32_t i = 0; i < g->target_count; i++)
        if (g->targets[i].block == block) {
            g->targets[i].room = room;
            if (room < g->space->block_bytes / 64)
                g->targets[i] = g->targets[--g->target_count];
            return;
        }
    if (room < g->space->block_bytes / 4)
        return;
    if (g->target_count == MAX_TARGETS)
        target_evict(g);
    target_add(g, block, room);
}

lg_status
lg_segment_offer(lg_segment *g)
{
    lg_space *s = g->space;
    while (g->offer_count > 0) {
        seg_room o = g->offers[--g->offer_count];
        uint32_t map = map_block_of(s, o.block);
        lg_mtr m;
        lg_buf *b;
        lg_mtr_begin(&m, s->cache);
        lg_status st = lg_mtr_get(&m, (lg_addr){g->file, map}, LG_LATCH_X, 0, &b);
        if (st != LG_OK) {
            lg_mtr_abort(&m);
            if (st == LG_RETRY)
                continue; /* an offer lost is room lost until the next delete there */
            return st;
        }
        uint8_t v = o.room >= s->block_bytes ? MAP_FREE : room_byte(s, o.room);
        lg_mtr_fill(&m, b, MAP_OFF + o.block - map, v, 1);
        lg_mtr_commit(&m, NULL);
    }
    return LG_OK;
}

/* Offers all that this instance has of the segment. */
static lg_status
segment_release(lg_segment *g)
{
    while (g->target_count > 0 || g->pool_count > 0 || g->offer_count > 0) {
        while (g->target_count > 0 && g->offer_count < MAX_OFFERS) {
            seg_room t = g->targets[--g->target_count];
            offer_add(g, t.block, t.room);
        }
        while (g->pool_count > 0 && g->offer_count < MAX_OFFERS)
            offer_add(g, g->pool[--g->pool_count].block, g->space->block_bytes);
        lg_status st = lg_segment_offer(g);
        if (st == LG_INVALID || st == LG_NOT_FOUND) /* being dropped, by another instance perhaps */
            g->target_count = g->pool_count = g->offer_count = 0;
        else
            LG_TRY(st);
    }
    return LG_OK;
}

lg_status
lg_space_release(lg_space *s)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (lg_map_next(s->segments, &pos, &key, &v))
        LG_TRY(segment_release(v));
    return LG_OK;
}
