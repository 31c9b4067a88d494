/* What views show: transfers per pair, elements, counters. */
#include "cachefusion_internal.h"

bool
lg_cf_transfer_next(const lg_cf *cf, unsigned *pos, lg_cf_transfer *ret)
{
    for (; *pos < LG_NODES_MAX; (*pos)++) {
        if (*pos == 0 || *pos == cf->node)
            continue;
        const lg_cf_transfer *t = &cf->transfer[*pos];
        bool used = t->cr_blocks || t->current_2hop || t->current_3hop || t->current_served ||
                    t->cr_served || t->invalidations_served;
        if (!used && !(cf->members >> *pos & 1))
            continue;
        *ret = *t;
        (*pos)++;
        return true;
    }
    return false;
}

lg_cf_segment *
lg_cf__segment(lg_cf *cf, uint64_t key)
{
    uint32_t file = lg_addr_from_key(key).file;
    lg_cf_segment *s = lg_map_get(cf->segments, file);
    if (!s) {
        s = lg_zalloc(sizeof *s);
        s->file = file;
        lg_map_put(cf->segments, file, s);
    }
    return s;
}

void
lg_cf__segments_drop(lg_cf *cf)
{
    size_t pos = 0;
    void *v;
    while (lg_map_next(cf->segments, &pos, NULL, &v))
        lg_free(v);
    lg_map_destroy(cf->segments);
}

bool
lg_cf_segment_next(const lg_cf *cf, size_t *pos, lg_cf_segment *ret)
{
    void *v;
    if (!lg_map_next(cf->segments, pos, NULL, &v))
        return false;
    *ret = *(lg_cf_segment *)v;
    return true;
}

typedef struct walk {
    lg_cf *cf;
    lg_cf_element_fn fn;
    void *arg;
} walk;

static void
fill_master(const lg_cf *cf, uint64_t key, lg_cf_element *e)
{
    lg_grd_info info;
    e->master = lg_cf__master(cf, key);
    e->mastered = lg_grd_find(cf->grd, key, &info);
    if (!e->mastered)
        return;
    e->x_holder = info.x;
    e->s_holders = info.s;
    e->pi_holders = info.pi;
    e->converting = info.converting;
    e->queued = info.queued;
}

static void
visit(void *arg, lg_buf *b)
{
    walk *w = arg;
    uint64_t key = lg_addr_key(b->addr);
    lg_cf_element e = {
        .addr = b->addr, .mode = b->mode, .here = true, .dirty = b->dirty, .pi = b->pi};
    e.acquiring = b->converting;
    e.releasing = b->revoking;
    e.recovering = lg_map_get(w->cf->gate, key) != NULL;
    e.version = b->valid ? lg_block_version(b->data) : 0;
    e.pi_version = b->pi ? b->pi_version : 0;
    e.disk_version = b->disk_version;
    fill_master(w->cf, key, &e);
    w->fn(w->arg, &e);
}

void
lg_cf_elements(lg_cf *cf, lg_cf_element_fn fn, void *arg)
{
    walk w = {cf, fn, arg};
    size_t pos = 0;
    lg_grd_info info;
    if (!cf->buf)
        return;
    lg_buf_visit(cf->buf, visit, &w);
    while (lg_grd_next(cf->grd, &pos, &info)) {
        lg_buf *b = lg_buf_find(cf->buf, lg_addr_from_key(info.key));
        bool shown = b && (b->mode != LG_MODE_N || b->pi);
        if (b)
            lg_buf_unpin(cf->buf, b);
        if (shown)
            continue;
        lg_cf_element e = {.addr = lg_addr_from_key(info.key)};
        e.recovering = lg_map_get(cf->gate, info.key) != NULL;
        fill_master(cf, info.key, &e);
        fn(arg, &e);
    }
}

void
lg_cf_count(const lg_cf *cf, lg_cf_counts *ret)
{
    *ret = cf->counts;
    ret->directory_entries = lg_grd_count(cf->grd);
    for (uint32_t b = 0; b < LG_GRD_BUCKETS; b++)
        ret->mastered_buckets += cf->map.master[b] == cf->node;
    ret->frozen = cf->frozen;
}
