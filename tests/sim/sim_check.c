/* Invariants of blocks, seen from outside, over all instances at once. Zombies (out of the view,
 * not yet told) do not count: they are fenced.
 *
 *   modes   at most one X holder of a block, and no S beside it; holders have the same version
 *   floors  what was durable, or had left its writer, stays: no later image in use is older
 *   disk    the disk never goes back, and is never ahead of the holder or of the durable redo
 */
#include "sim_world.h"

#include "buf.h"
#include "redo.h"
#include "sim_disk.h"
#include "volume.h"
#include <string.h>

struct tally {
    uint64_t x_version, s_version;
    uint32_t x_node, s_node;
};

struct visit {
    sim_world *w;
    lg_map *blocks;
    uint32_t node;
};

static void
visit_buffer(void *arg, lg_buf *b)
{
    struct visit *v = arg;
    if (b->mode == LG_MODE_N || !b->valid || b->converting || b->revoking)
        return;
    uint64_t key = lg_addr_key(b->addr) + 1;
    struct tally *t = lg_map_get(v->blocks, key);
    if (!t) {
        t = lg_zalloc(sizeof *t);
        (void)lg_map_put(v->blocks, key, t);
    }
    lg_version version = lg_block_version(b->data);
    if (b->mode == LG_MODE_X) {
        if (t->x_node)
            sim_fail(v->w, "block %u.%u is held X by nodes %u and %u", b->addr.file, b->addr.block,
                     t->x_node, v->node);
        t->x_node = v->node;
        t->x_version = version;
    } else {
        if (t->s_node && t->s_version != version)
            sim_fail(v->w, "block %u.%u: S holders %u and %u see different versions", b->addr.file,
                     b->addr.block, t->s_node, v->node);
        t->s_node = v->node;
        t->s_version = version;
    }
    if (t->x_node && t->s_node)
        sim_fail(v->w, "block %u.%u is held X by node %u and S by node %u", b->addr.file,
                 b->addr.block, t->x_node, t->s_node);
}

void
sim_check_modes(sim_world *w)
{
    lg_heap *outer = lg_heap_switch(NULL);
    struct visit v = {.w = w, .blocks = lg_map_create()};
    for (unsigned i = 1; i <= w->node_count; i++) {
        sim_node *n = &w->node[i];
        if (!sim_is_member(w, i) || !w->kind->cache(n))
            continue;
        v.node = i;
        lg_buf_visit(w->kind->cache(n), visit_buffer, &v);
    }
    size_t pos = 0;
    uint64_t key;
    void *t;
    while (lg_map_next(v.blocks, &pos, &key, &t))
        lg_free(t);
    lg_map_destroy(v.blocks);
    (void)lg_heap_switch(outer);
}

/* ---- versions that may not be lost ---- */

/* What was durable, or had left its writer, at some time. Every later image in use is at least as
 * new (invariants 1, 3, 7): a version that falls is a change lost, or a stale image taken for the
 * current one. */
struct floor {
    lg_version cache; /* durable in redo, or seen by others */
    lg_version disk;  /* read well from the disk */
};

static struct floor *
floor_of(sim_world *w, uint64_t key)
{
    if (!w->floors)
        w->floors = lg_map_create();
    struct floor *f = lg_map_get(w->floors, key + 1);
    if (!f) {
        f = lg_zalloc(sizeof *f);
        (void)lg_map_put(w->floors, key + 1, f);
    }
    return f;
}

static bool
closed_somewhere(const sim_world *w, uint64_t key)
{
    for (unsigned i = 1; i <= w->node_count && w->kind->closed; i++)
        if (sim_is_member(w, i) && w->kind->closed(&w->node[i], key))
            return true;
    return false;
}

/* Its redo up to its last change is durable. */
static bool
durable(const lg_buf_cache *c, const lg_buf *b)
{
    const lg_redo *r = lg_buf_redo(c);
    return b->mode != LG_MODE_X || !r || b->last_lsn <= lg_redo_flushed(r);
}

static void
visit_floor(void *arg, lg_buf *b)
{
    struct visit *v = arg;
    if (b->mode == LG_MODE_N || !b->valid || b->converting || b->revoking)
        return;
    uint64_t key = lg_addr_key(b->addr);
    struct floor *f = floor_of(v->w, key);
    lg_version version = lg_block_version(b->data);
    if (version < f->cache && !closed_somewhere(v->w, key))
        sim_fail(v->w, "block %u.%u at node %u fell from version %llx to %llx", b->addr.file,
                 b->addr.block, v->node, (unsigned long long)f->cache, (unsigned long long)version);
    if (version > f->cache && durable(v->w->kind->cache(&v->w->node[v->node]), b)) {
        f->cache = version;
        if (b->addr.file == v->w->watch_file && b->addr.block == v->w->watch_block)
            sim_log(v->w, "block %u.%u: durable version %llx, at node %u in mode %u", b->addr.file,
                    b->addr.block, (unsigned long long)version, v->node, b->mode);
    }
}

void
sim_check_floors(sim_world *w)
{
    lg_heap *outer = lg_heap_switch(NULL);
    struct visit v = {.w = w};
    for (unsigned i = 1; i <= w->node_count; i++) {
        v.node = i;
        if (sim_is_member(w, i) && w->kind->cache(&w->node[i]))
            lg_buf_visit(w->kind->cache(&w->node[i]), visit_floor, &v);
    }
    (void)lg_heap_switch(outer);
}

/* ---- disks ---- */

/* The disk's image of a block, if it reads well. */
static bool
disk_version(sim_world *w, lg_volume *volume, lg_addr addr, lg_version *ret_version)
{
    static uint8_t image[SIM_BLOCK_BYTES];
    lg_volume_place place;
    lg_addr map_block;
    if (lg_volume_locate(volume, addr, &place, &map_block) != LG_OK)
        return false;
    lg_sim_disk_peek(w->sim, sim_disk_name(place.disk_index), place.offset, image, sizeof image);
    if (lg_block_verify(image, sizeof image, addr) != LG_OK)
        return false;
    *ret_version = lg_block_version(image);
    return true;
}

/* A holder's image is never older than the disk's; one with changes that are not durable is newer
 * than the disk's (the write-ahead rule). */
static void
visit_against_disk(void *arg, lg_buf *b)
{
    struct visit *v = arg;
    lg_version on_disk;
    if (b->mode == LG_MODE_N || !b->valid || b->converting || b->revoking)
        return;
    lg_buf_cache *c = v->w->kind->cache(&v->w->node[v->node]);
    if (closed_somewhere(v->w, lg_addr_key(b->addr)) ||
        !disk_version(v->w, lg_buf_volume(c), b->addr, &on_disk))
        return;
    lg_version version = lg_block_version(b->data);
    if (on_disk > version || (on_disk == version && on_disk != 0 && !durable(c, b)))
        sim_fail(v->w, "block %u.%u: the disk has version %llx, ahead of node %u's %llx%s",
                 b->addr.file, b->addr.block, (unsigned long long)on_disk, v->node,
                 (unsigned long long)version, on_disk > version ? "" : ", which is not durable");
}

static const lg_volume *
any_volume(const sim_world *w)
{
    for (unsigned i = 1; i <= w->node_count; i++)
        if (sim_is_member(w, i) && w->kind->cache(&w->node[i]))
            return lg_buf_volume(w->kind->cache(&w->node[i]));
    return NULL;
}

void
sim_check_disk(sim_world *w)
{
    lg_heap *outer = lg_heap_switch(NULL);
    size_t pos = 0;
    uint64_t key;
    void *value;
    lg_volume *volume = (lg_volume *)(uintptr_t)any_volume(w);
    while (volume && w->floors && lg_map_next(w->floors, &pos, &key, &value)) {
        struct floor *f = value;
        lg_addr addr = lg_addr_from_key(key - 1);
        lg_version version;
        if (!disk_version(w, volume, addr, &version))
            continue;
        if (version < f->disk)
            sim_fail(w, "block %u.%u: the disk went back from version %llx to %llx", addr.file,
                     addr.block, (unsigned long long)f->disk, (unsigned long long)version);
        if (version != f->disk && addr.file == w->watch_file && addr.block == w->watch_block)
            sim_log(w, "block %u.%u: version %llx on disk", addr.file, addr.block,
                    (unsigned long long)version);
        f->disk = version;
    }
    struct visit v = {.w = w};
    for (unsigned i = 1; i <= w->node_count; i++) {
        v.node = i;
        if (sim_is_member(w, i) && w->kind->cache(&w->node[i]))
            lg_buf_visit(w->kind->cache(&w->node[i]), visit_against_disk, &v);
    }
    (void)lg_heap_switch(outer);
}

/* Writes that nobody had synced may be gone; their redo is not. */
void
sim_check_power_lost(sim_world *w)
{
    size_t pos = 0;
    uint64_t key;
    void *value;
    while (w->floors && lg_map_next(w->floors, &pos, &key, &value))
        ((struct floor *)value)->disk = 0;
}

void
sim_check_end(sim_world *w)
{
    size_t pos = 0;
    uint64_t key;
    void *value;
    while (w->floors && lg_map_next(w->floors, &pos, &key, &value))
        lg_free(value);
    lg_map_destroy(w->floors);
}
