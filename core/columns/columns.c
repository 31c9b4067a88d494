/* The cache: chunks by place, bounded, least recently used first out. */
#include "assert.h"
#include "columns.h"
#include "map.h"
#include "mem.h"

/* What is known of a place, whether or not its chunk is kept. */
struct place {
    lg_chunk *chunk;
    uint32_t made, hits, refused;
};

struct lg_columns {
    size_t max_bytes, bytes;
    uint64_t scans;
    lg_map *places;
    lg_list lru; /* chunks, least recently used first */
    uint64_t hits, stale, added, evicted, refused, wasted;
};

/* A chunk may be pushed out when that many scans did without it. */
#define IDLE_SCANS 12u
/* Makings that no use has paid for. */
#define FREE_MAKINGS 2u
/* Then every so many times it is tried again. */
#define TRY_AGAIN 16u

static uint64_t
key_of(uint32_t file, uint32_t first)
{
    return (uint64_t)file << 32 | first;
}

lg_columns *
lg_columns_create(size_t max_bytes)
{
    lg_columns *c = lg_zalloc(sizeof *c);
    c->max_bytes = max_bytes;
    c->places = lg_map_create();
    lg_list_init(&c->lru);
    return c;
}

static void
chunk_free(lg_chunk *k)
{
    for (uint16_t i = 0; i < k->ncols; i++) {
        lg_free(k->cols[i].rows);
        lg_free(k->cols[i].null);
        lg_free(k->cols[i].value_at);
        lg_free(k->cols[i].bytes);
        lg_free(k->cols[i].num);
    }
    lg_free(k->cols);
    lg_free(k);
}

void
lg_chunk_put(lg_chunk *k)
{
    if (!k)
        return;
    LG_ASSERT(k->refs > 0);
    if (--k->refs == 0)
        chunk_free(k);
}

/* Off the cache, which has a reference of its own. */
static void
unlink_chunk(lg_columns *c, lg_chunk *k)
{
    struct place *p = lg_map_get(c->places, k->key);
    LG_ASSERT(k->in == c && p && p->chunk == k);
    p->chunk = NULL;
    k->in = NULL;
    c->bytes -= k->bytes;
    lg_list_remove(&k->lru);
    lg_chunk_put(k);
}

void
lg_columns_destroy(lg_columns *c)
{
    if (!c)
        return;
    while (!lg_list_empty(&c->lru))
        unlink_chunk(c, LG_CONTAINER_OF(c->lru.next, lg_chunk, lru));
    size_t pos = 0;
    uint64_t key;
    void *p;
    while (lg_map_next(c->places, &pos, &key, &p))
        lg_free(p);
    lg_map_destroy(c->places);
    lg_free(c);
}

void
lg_columns_scan_begin(lg_columns *c)
{
    c->scans++;
}

lg_chunk *
lg_columns_get(lg_columns *c, uint32_t file, uint32_t first)
{
    struct place *p = lg_map_get(c->places, key_of(file, first));
    if (!p || !p->chunk)
        return NULL;
    p->chunk->refs++;
    return p->chunk;
}

void
lg_columns_hit(lg_columns *c, lg_chunk *k)
{
    if (k->in != c)
        return;
    struct place *p = lg_map_get(c->places, k->key);
    p->hits++;
    c->hits++;
    k->used = c->scans;
    lg_list_remove(&k->lru);
    lg_list_push_back(&c->lru, &k->lru);
}

void
lg_columns_stale(lg_columns *c, lg_chunk *k)
{
    if (k->in != c)
        return;
    c->stale++;
    unlink_chunk(c, k);
}

static bool
idle(const lg_columns *c, const lg_chunk *k)
{
    return c->scans - k->used > IDLE_SCANS;
}

bool
lg_columns_worth(lg_columns *c, uint32_t file, uint32_t first)
{
    const lg_list *old = c->lru.next;
    if (c->bytes >= c->max_bytes &&
        (old == &c->lru || !idle(c, LG_CONTAINER_OF(c->lru.next, lg_chunk, lru))))
        return false;
    struct place *p = lg_map_get(c->places, key_of(file, first));
    if (!p || p->made < FREE_MAKINGS + p->hits)
        return true;
    if (++p->refused < TRY_AGAIN)
        return false;
    *p = (struct place){.chunk = p->chunk};
    return true;
}

/* Makes room by what was not used for long. */
static bool
fits(lg_columns *c, size_t bytes)
{
    while (c->bytes + bytes > c->max_bytes) {
        if (lg_list_empty(&c->lru))
            return false;
        lg_chunk *old = LG_CONTAINER_OF(c->lru.next, lg_chunk, lru);
        if (!idle(c, old))
            return false;
        unlink_chunk(c, old);
        c->evicted++;
    }
    return true;
}

static struct place *
place_at(lg_columns *c, uint64_t key)
{
    struct place *p = lg_map_get(c->places, key);
    if (!p) {
        p = lg_zalloc(sizeof *p);
        lg_map_put(c->places, key, p);
    }
    return p;
}

void
lg_columns_wasted(lg_columns *c, uint32_t file, uint32_t first)
{
    c->wasted++;
    place_at(c, key_of(file, first))->made++;
}

void
lg_columns_add(lg_columns *c, uint32_t file, uint32_t first, lg_chunk *k)
{
    LG_ASSERT(!k->in);
    k->key = key_of(file, first);
    struct place *p = place_at(c, k->key);
    if (p->chunk)
        unlink_chunk(c, p->chunk);
    if (!fits(c, k->bytes)) {
        c->refused++;
        return;
    }
    c->added++;
    p->chunk = k;
    p->made++;
    k->in = c;
    k->refs++;
    k->used = c->scans;
    c->bytes += k->bytes;
    lg_list_push_back(&c->lru, &k->lru);
}

void
lg_columns_merge(lg_chunk *k, lg_chunk *from)
{
    LG_ASSERT(k->nrows == from->nrows && k->nblocks == from->nblocks);
    if (k->ncols < from->ncols) {
        k->cols = lg_realloc(k->cols, from->ncols * sizeof *k->cols);
        memset(k->cols + k->ncols, 0, (size_t)(from->ncols - k->ncols) * sizeof *k->cols);
        k->ncols = from->ncols;
    }
    for (uint16_t i = 0; i < from->ncols; i++)
        if (from->cols[i].kind != LG_CHUNK_NONE && k->cols[i].kind == LG_CHUNK_NONE) {
            k->cols[i] = from->cols[i];
            from->cols[i] = (lg_chunk_col){0};
        }
    k->bytes += from->bytes;
    if (k->in)
        k->in->bytes += from->bytes;
    from->bytes = 0;
    if (from->since > k->since)
        k->since = from->since;
}

void
lg_columns_info_get(const lg_columns *c, lg_columns_info *ret)
{
    *ret = (lg_columns_info){.bytes = c->bytes,
                             .max_bytes = c->max_bytes,
                             .scans = c->scans,
                             .hits = c->hits,
                             .stale = c->stale,
                             .added = c->added,
                             .evicted = c->evicted,
                             .refused = c->refused,
                             .wasted = c->wasted};
    for (const lg_list *it = c->lru.next; it != &c->lru; it = it->next)
        ret->chunks++;
}

void
lg_columns_visit(const lg_columns *c, void (*fn)(void *arg, uint32_t file, const lg_chunk *k),
                 void *arg)
{
    for (const lg_list *it = c->lru.next; it != &c->lru; it = it->next) {
        const lg_chunk *k = LG_CONTAINER_OF(it, const lg_chunk, lru);
        fn(arg, (uint32_t)(k->key >> 32), k);
    }
}

size_t
lg_columns_bytes(const lg_columns *c)
{
    return c->bytes;
}
