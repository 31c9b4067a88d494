/* What DESIGN's invariants 4, 6, 8, 9 and 10 look like from outside of the instances.
 *
 *   writes    when a block goes to its place: its writer is in the view (6), nobody else holds it in X
 *             (4), and a whole copy of the very image is durable in the writer's double-write area (10)
 *   fibers    nobody who waits for another instance, a lock or redo space holds a latch (8)
 *   memory    an instance's memory is bounded (9: what handlers take comes from pools; an allocation
 *             that fails ends the process, so from here only the sum can be seen)
 */
#include "sim_world.h"

#include "buf.h"
#include "run_internal.h"
#include "sim_disk.h"
#include "volume.h"
#include <string.h>

#define MEMORY_MOST (512u << 20) /* an instance of this world takes 40 to 120 MiB */

/* ---- writes ---- */

static lg_volume *
volume_of(const sim_world *w, unsigned node)
{
    lg_buf_cache *c = w->node[node].heap ? w->kind->cache(&w->node[node]) : NULL;
    return c ? lg_buf_volume(c) : NULL;
}

static unsigned
disk_of(const char *name)
{
    unsigned i = 0;
    while (i < SIM_DISKS && strcmp(sim_disk_name(i), name) != 0)
        i++;
    return i;
}

static bool
in_an_area(const lg_volume *v, unsigned disk, uint64_t offset)
{
    for (uint32_t slot = 0; slot < LG_VOLUME_MAX_INSTANCES; slot++) {
        lg_volume_area a;
        if (lg_volume_instance_area(v, slot, &a) == LG_OK && a.disk_index == disk &&
            offset / LG_VOLUME_AU_BYTES - a.first_au < a.au_count)
            return true;
    }
    return false;
}

static bool
copy_is_durable(sim_world *w, const lg_volume *v, uint32_t slot, const void *image)
{
    static uint8_t copy[SIM_BLOCK_BYTES];
    const lg_block_header *want = image;
    lg_volume_area a;
    if (lg_volume_instance_area(v, slot, &a) != LG_OK)
        return false;
    const char *name = sim_disk_name(a.disk_index);
    for (uint64_t at = 0; at + SIM_BLOCK_BYTES <= a.dwb_bytes; at += SIM_BLOCK_BYTES) {
        lg_sim_disk_peek(w->sim, name, a.dwb_offset + at, copy, 512);
        if (memcmp(copy, want, sizeof *want) != 0)
            continue;
        lg_sim_disk_peek_durable(w->sim, name, a.dwb_offset + at, copy, sizeof copy);
        if (memcmp(copy, image, sizeof copy) == 0)
            return true;
    }
    return false;
}

static void
check_holders(sim_world *w, uint32_t node, lg_addr addr)
{
    for (unsigned i = 1; i <= w->node_count; i++) {
        lg_buf_cache *c = i != node && sim_is_member(w, i) ? w->kind->cache(&w->node[i]) : NULL;
        lg_buf *b = c ? lg_buf_find(c, addr) : NULL;
        if (!b)
            continue;
        bool closed = w->kind->closed && w->kind->closed(&w->node[i], lg_addr_key(addr));
        if (b->mode == LG_MODE_X && b->valid && !b->converting && !b->revoking && !closed)
            sim_fail(w, "block %u.%u is written by node %u while node %u holds it in X", addr.file,
                     addr.block, node, i);
        lg_buf_unpin(c, b);
    }
}

static void
write_seen(void *arg, const lg_sim_write *wr)
{
    sim_world *w = arg;
    const lg_block_header *h = wr->data;
    if (wr->node < 1 || wr->node > w->node_count || wr->len != SIM_BLOCK_BYTES || w->verdict)
        return;
    sim_node *n = &w->node[wr->node];
    if (n->was_member && w->members && !sim_is_member(w, wr->node))
        sim_fail(w, "node %u writes to a disk after it was fenced", wr->node);
    lg_volume *v = volume_of(w, wr->node);
    unsigned disk = disk_of(wr->name);
    if (!v || disk == SIM_DISKS || wr->offset < LG_VOLUME_AU_BYTES ||
        in_an_area(v, disk, wr->offset))
        return;
    lg_addr addr = {h->file, h->block};
    if (h->version == 0 && lg_block_verify(h, SIM_BLOCK_BYTES, addr) == LG_OK)
        return; /* zeros */
    if (lg_block_verify(h, SIM_BLOCK_BYTES, addr) != LG_OK)
        sim_fail(w, "node %u writes what is no block", wr->node);
    else if (!copy_is_durable(w, v, wr->node - 1, h))
        sim_fail(w, "block %u.%u is overwritten by node %u, no whole copy is durable elsewhere",
                 addr.file, addr.block, wr->node);
    if (sim_is_member(w, wr->node) && !(w->kind->closed && w->kind->closed(n, lg_addr_key(addr))))
        check_holders(w, wr->node, addr);
}

void
sim_watch_begin(sim_world *w)
{
    lg_sim_disk_watch(w->sim, write_seen, w);
}

void
sim_watch_end(sim_world *w)
{
    lg_sim_disk_watch(w->sim, NULL, NULL);
}

/* ---- fibers ---- */

static bool
is_for_others(lg_wait event)
{
    switch (event) {
    case LG_WAIT_SCN_BROADCAST:
    case LG_WAIT_SCN_ASK:
    case LG_WAIT_LOG_FILE_SPACE:
    case LG_WAIT_GC_CURRENT_REQUEST:
    case LG_WAIT_GC_CR_REQUEST:
    case LG_WAIT_GC_BUFFER_BUSY_ACQUIRE:
    case LG_WAIT_GC_BUFFER_BUSY_RELEASE:
    case LG_WAIT_GC_REMASTER:
    case LG_WAIT_GC_RECOVERY:
    case LG_WAIT_ENQ_TX:
    case LG_WAIT_ENQ_TM:
    case LG_WAIT_ENQ_OTHER:
    case LG_WAIT_TX_OUTCOME:
    case LG_WAIT_RPC_REPLY:
    case LG_WAIT_RPC_CREDIT:
        return true;
    default:
        return false;
    }
}

void
sim_check_fibers(sim_world *w)
{
    for (unsigned i = 1; i <= w->node_count; i++) {
        sim_node *n = &w->node[i];
        if (!n->heap)
            continue;
        LG_LIST_FOREACH (it, &n->run->fibers) {
            const lg_fiber *f = LG_CONTAINER_OF(it, lg_fiber, all);
            if (f->state == LG_FIBER_PARKED && f->latches > 0 && is_for_others(f->event))
                sim_fail(w, "node %u: fiber \"%s\" waits for \"%s\" and holds %u latches", i,
                         f->name, lg_wait_name(f->event), f->latches);
        }
        if (lg_heap_used_bytes(n->heap) > MEMORY_MOST)
            sim_fail(w, "node %u takes %zu MiB of memory", i, lg_heap_used_bytes(n->heap) >> 20);
    }
}
