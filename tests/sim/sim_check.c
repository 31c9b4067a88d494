/* Invariant 3 over all instances at once: at most one X holder of a block, and no S beside it;
 * holders have the same version; a past image is never newer than the holder's image. Zombies (out
 * of the view, not yet told) do not count: they are fenced. */
#include "sim_world.h"

#include "buf.h"
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
